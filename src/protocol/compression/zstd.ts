/**
 * Zstandard: libzstd, from Node where it has one (22.15, 23.8), else compiled to WebAssembly.
 *
 * Owns the choice, and the walk over frames that bounds the output before anything is decoded: clients send frames without a content
 * size. Both are libzstd, so a batch that one refuses the other refuses too. Source: RFC 8878.
 */
import { createRequire } from "node:module"
import * as zlib from "node:zlib"
import { corrupt, DecompressError, tooLarge } from "./output.js"

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const blockBytesMax = 131072

interface Frame {
  readonly start: number
  readonly end: number
  /** The content size if the frame says it, else the sum of what its blocks can hold. */
  readonly contentBytesMax: number
}

/** Length of the window descriptor, dictionary id and content size that follow the flags of a frame header. */
const dictionaryIdBytes = [0, 1, 2, 4] as const
const contentSizeBytes = [0, 2, 4, 8] as const

function readFrame(bytes: Buffer, start: number): Frame {
  const flags = bytes[start + 4]
  if (flags === undefined) throw corrupt("zstd: cut inside a frame header")
  const singleSegment = (flags & 0x20) !== 0
  const dictionaryBytes = dictionaryIdBytes[(flags & 3) as 0 | 1 | 2 | 3]
  const sizeBytes = flags >>> 6 === 0 ? (singleSegment ? 1 : 0) : contentSizeBytes[(flags >>> 6) as 0 | 1 | 2 | 3]
  const sizeAt = start + 5 + (singleSegment ? 0 : 1) + dictionaryBytes
  let at = sizeAt + sizeBytes
  if (at > bytes.length) throw corrupt("zstd: cut inside a frame header")
  let declaredBytes: number | undefined
  if (sizeBytes > 0) {
    declaredBytes = sizeBytes === 2 ? 256 : 0
    for (let i = 0; i < sizeBytes; i++) declaredBytes += bytes[sizeAt + i]! * 2 ** (8 * i)
  }
  let blocksBytesMax = 0
  for (let last = false; !last; ) {
    if (bytes.length - at < 3) throw corrupt("zstd: cut before the last block")
    const header = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    last = (header & 1) !== 0
    const type = (header >>> 1) & 3
    const size = header >>> 3
    if (type === 3) throw corrupt("zstd: reserved block type")
    if (type !== 2 && size > blockBytesMax) throw corrupt("zstd: block of more than 128 KiB")
    blocksBytesMax += type === 2 ? blockBytesMax : size
    at += 3 + (type === 1 ? 1 : size)
  }
  if ((flags & 4) !== 0) at += 4
  if (at > bytes.length) throw corrupt("zstd: cut inside a block")
  if (declaredBytes !== undefined && declaredBytes > blocksBytesMax)
    throw corrupt("zstd: promises more than its blocks hold")
  return { start, end: at, contentBytesMax: declaredBytes ?? blocksBytesMax }
}

/** The frames that hold content; skippable ones are stepped over. */
function readFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 8) throw corrupt("zstd: cut before a frame")
    const magic = bytes.readUInt32LE(at)
    if (magic === frameMagic) {
      const frame = readFrame(bytes, at)
      frames.push(frame)
      at = frame.end
    } else if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + bytes.readUInt32LE(at + 4)
      if (at > bytes.length) throw corrupt("zstd: cut inside a skippable frame")
    } else throw corrupt("zstd: not a frame")
  }
  if (frames.length === 0) throw corrupt("zstd: no frame")
  return frames
}

/** What Node's types of the lowest supported version do not know yet. */
interface NativeZstd {
  zstdCompressSync?: (bytes: Uint8Array, options?: { params?: Record<number, number> }) => Buffer
  zstdDecompressSync?: (bytes: Uint8Array, options?: { maxOutputLength?: number }) => Buffer
  constants: { ZSTD_c_compressionLevel?: number }
}
const native = zlib as unknown as NativeZstd

interface WasmZstd {
  compress(bytes: Uint8Array, level: number): Buffer
  decompress(bytes: Uint8Array, destinationBytes: number): Buffer
  isLoaded: Promise<unknown>
}

/** Filled once by `prepareZstd`, never changed after: the module is compiled asynchronously and used synchronously. */
const loaded: { wasm?: WasmZstd; loading?: Promise<void> } = {}

/** Resolves when both directions work. At once where Node has zstd itself, else after some 10 ms for the first caller. */
export function prepareZstd(): Promise<void> {
  if (native.zstdCompressSync !== undefined) return Promise.resolve()
  loaded.loading ??= (async () => {
    const wasm = createRequire(import.meta.url)("@foxglove/wasm-zstd") as WasmZstd
    await wasm.isLoaded
    loaded.wasm = wasm
  })()
  return loaded.loading
}

/** Throws `DecompressError`. */
export function decompressZstd(bytes: Buffer, maxBytes: number): Buffer {
  const parts: Buffer[] = []
  let left = maxBytes
  for (const frame of readFrames(bytes)) {
    const part = decompressFrame(bytes.subarray(frame.start, frame.end), Math.min(frame.contentBytesMax, left))
    if (part === undefined)
      throw frame.contentBytesMax > left ? tooLarge(maxBytes) : corrupt("zstd: frame cannot be decoded")
    left -= part.length
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** Undefined if the frame is damaged or holds more than `maxBytes`. */
function decompressFrame(frame: Buffer, maxBytes: number): Buffer | undefined {
  try {
    // Zero is not a length either decoder takes as a bound.
    if (native.zstdDecompressSync !== undefined) {
      const part = native.zstdDecompressSync(frame, { maxOutputLength: Math.max(maxBytes, 1) })
      return part.length > maxBytes ? undefined : part
    }
    if (loaded.wasm !== undefined) {
      const part = loaded.wasm.decompress(frame, Math.max(maxBytes, 1))
      return part.length > maxBytes ? undefined : part
    }
  } catch {
    return undefined
  }
  throw new DecompressError("unavailable", "zstd: the decoder has not been loaded")
}

/** Before `prepareZstd` has resolved, on a Node without zstd, the frame holds the bytes as they are: valid, and no smaller. */
export function compressZstd(bytes: Buffer, level: number): Buffer {
  if (native.zstdCompressSync !== undefined) {
    const levelParameter = native.constants.ZSTD_c_compressionLevel ?? 100
    return native.zstdCompressSync(bytes, { params: { [levelParameter]: level } })
  }
  return loaded.wasm === undefined ? storeZstd(bytes) : loaded.wasm.compress(bytes, level)
}

/** A frame of raw blocks. */
export function storeZstd(bytes: Buffer): Buffer {
  const blocks = Math.max(1, Math.ceil(bytes.length / blockBytesMax))
  const out = Buffer.allocUnsafe(9 + blocks * 3 + bytes.length)
  out.writeUInt32LE(frameMagic, 0)
  out[4] = 0xa0 // single segment, content size in 4 bytes
  out.writeUInt32LE(bytes.length, 5)
  let to = 9
  for (let block = 0; block < blocks; block++) {
    const start = block * blockBytesMax
    const end = Math.min(start + blockBytesMax, bytes.length)
    out.writeUIntLE(((end - start) << 3) | (block === blocks - 1 ? 1 : 0), to, 3)
    to += 3 + bytes.copy(out, to + 3, start, end)
  }
  return out
}
