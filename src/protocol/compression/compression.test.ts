import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { before, test } from "node:test"
import { gzipSync } from "node:zlib"
import fc from "fast-check"
import type { CompressionType } from "../batch-header.js"
import { compress, DecompressError, decompress, prepareCompression } from "./compression.js"
import { xxh32 } from "./xxh32.js"
import { storeZstd } from "./zstd.js"

const codecs = ["gzip", "snappy", "lz4", "zstd"] as const
const maxBytes = 1 << 20

before(() => prepareCompression())

/** The inputs of the golden bytes. */
const inputs: Record<string, Buffer> = {
  text1500: Buffer.from(Array.from({ length: 200 }, (_, i) => `record ${i} of ${(i * i) % 97}\n`).join("")).subarray(
    0,
    1500,
  ),
  wide100000: Buffer.from(Uint8Array.from({ length: 100000 }, (_, i) => i % 251)),
}

const golden = JSON.parse(
  readFileSync(join(process.cwd(), "src/protocol/compression/testdata/golden.json"), "utf8"),
) as Record<(typeof codecs)[number], { from: string; input: string; bytes: string }[]>

for (const codec of codecs) {
  for (const { from, input, bytes } of golden[codec]) {
    test(`${codec} of another implementation is read: ${from}, ${input}`, () => {
      const out = decompress(codec, Buffer.from(bytes, "base64"), { maxBytes: inputs[input]!.length })
      assert.ok(Buffer.isBuffer(out), String(out))
      assert.ok(out.equals(inputs[input]!))
    })
  }

  test(`${codec} gives back what went in, within a bound of exactly that`, () => {
    const seeds = [0, 1, 2, 3, 4, 5, 12, 13, 16, 59, 60, 61, 255, 256, 257, 32767, 32768, 65535, 65536, 65537, 200000]
    for (const length of seeds) {
      for (const of of [1, 3, 251, 65521]) {
        const bytes = Buffer.from(Uint8Array.from({ length }, (_, i) => (i % of) * 31 + (i >>> 9)))
        const out = decompress(codec, compress(codec, bytes), { maxBytes: length })
        assert.ok(Buffer.isBuffer(out) && out.equals(bytes), `${length} ${of} ${String(out)}`)
      }
    }
  })

  test(`${codec} gives back any bytes`, () => {
    const piece = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 60 }))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const bytes = Buffer.concat(pieces.flatMap(([part, times]) => Array<Uint8Array>(times).fill(part)))
        const out = decompress(codec, compress(codec, bytes), { maxBytes })
        assert.ok(Buffer.isBuffer(out) && out.equals(bytes))
      }),
      { numRuns: 60 },
    )
  })

  test(`${codec} that is cut anywhere is corrupt`, () => {
    const whole = compress(codec, inputs.text1500!)
    for (let length = 0; length < whole.length; length++) {
      // The framing of snappy has no end mark: a cut between two parts is a shorter stream.
      if (codec === "snappy" && length === 16) continue
      const out = decompress(codec, whole.subarray(0, length), { maxBytes })
      assert.ok(out instanceof DecompressError && out.kind === "corrupt", `${length}: ${String(out)}`)
    }
  })

  test(`damaged ${codec} comes back as a value, never as an exception`, () => {
    const samples = [inputs.text1500!, inputs.wide100000!].map((bytes) => compress(codec, bytes))
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }),
        (bytes, hits) => {
          const damaged = Buffer.from(bytes)
          for (const [at, value] of hits) damaged[at % Math.min(damaged.length, 600)] = value
          const out = decompress(codec, damaged, { maxBytes: 200000 })
          assert.ok(out instanceof DecompressError || out.length <= 200000)
        },
      ),
      { numRuns: 300 },
    )
  })

  test(`random bytes as ${codec} come back as a value`, () => {
    const prefix = compress(codec, Buffer.alloc(0)).subarray(0, 7)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, prefixed) => {
        const input = prefixed ? Buffer.concat([prefix, bytes]) : Buffer.from(bytes)
        const out = decompress(codec, input, { maxBytes: 5000 })
        assert.ok(out instanceof DecompressError || out.length <= 5000)
      }),
      { numRuns: 500 },
    )
  })
}

const uvarint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...uvarint(Math.floor(value / 128))]

const bombs: { name: string; codec: CompressionType; bytes: Buffer; kind?: string }[] = [
  { name: "gzip of zeros, 1028 to 1", codec: "gzip", bytes: gzipSync(Buffer.alloc(16 << 20)) },
  { name: "snappy of zeros", codec: "snappy", bytes: compress("snappy", Buffer.alloc(16 << 20)) },
  { name: "lz4 of zeros, 255 to 1", codec: "lz4", bytes: compress("lz4", Buffer.alloc(16 << 20)) },
  {
    name: "zstd run-length blocks, 32768 to 1",
    codec: "zstd",
    bytes: Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]),
      ...Array.from({ length: 4096 }, () => Buffer.from([0x02, 0x00, 0x10, 0x00])),
      Buffer.from([0x01, 0x00, 0x00]),
    ]),
  },
  {
    name: "a snappy block whose header lies about its length",
    codec: "snappy",
    bytes: Buffer.from([...uvarint(0xfffffff0), 0, 65]),
    kind: "too-large",
  },
  {
    name: "a snappy block whose header lies within the bound",
    codec: "snappy",
    bytes: Buffer.from([...uvarint(900000), 0, 65]),
    kind: "corrupt",
  },
  {
    name: "a zstd frame whose header lies about its content",
    codec: "zstd",
    bytes: Buffer.from("28b52ffde0000000000100000001000000", "hex").subarray(0, 16),
    kind: "corrupt",
  },
]

for (const { name, codec, bytes, kind } of bombs) {
  test(`refused without taking the memory: ${name}`, () => {
    const before = process.memoryUsage().arrayBuffers
    const out = decompress(codec, bytes, { maxBytes })
    const after = process.memoryUsage().arrayBuffers
    assert.ok(out instanceof DecompressError, String(out))
    assert.equal(out.kind, kind ?? "too-large")
    assert.ok(after - before <= 2 * maxBytes + (1 << 18), `${after - before} bytes taken`)
  })
}

test("a raw snappy block, as librdkafka and Go send it, is read", () => {
  const text = Buffer.from("abcdabcdabcdabcdabcd")
  const block = Buffer.from([20, 3 << 2, 97, 98, 99, 100, ((16 - 1) << 2) | 2, 4, 0])
  const out = decompress("snappy", block, { maxBytes })
  assert.ok(Buffer.isBuffer(out) && out.equals(text))
})

test("snappy streams joined end to end are read", () => {
  const one = compress("snappy", inputs.text1500!)
  const out = decompress("snappy", Buffer.concat([one, one]), { maxBytes })
  assert.ok(Buffer.isBuffer(out) && out.equals(Buffer.concat([inputs.text1500!, inputs.text1500!])))
})

test("snappy for Java starts with the xerial header", () => {
  assert.equal(compress("snappy", Buffer.from("x")).toString("hex", 0, 16), "82534e41505059000000000100000001")
})

test("an lz4 frame starts as Java writes it: 64 KiB independent blocks, no checksums", () => {
  assert.equal(compress("lz4", Buffer.from("x")).toString("hex", 0, 7), "04224d18604082")
})

test("lz4: what Java's reader refuses is refused", () => {
  const frame = compress("lz4", inputs.text1500!)
  const patched = (at: number, value: number, fixChecksum: boolean) => {
    const copy = Buffer.from(frame)
    copy[at] = value
    if (fixChecksum) copy[6] = (xxh32(copy, 4, 6) >>> 8) & 0xff
    return decompress("lz4", copy, { maxBytes })
  }
  assert.match(String(patched(4, 0x40, true)), /depend on each other/)
  assert.match(String(patched(4, 0xa0, true)), /version/)
  assert.match(String(patched(4, 0x62, true)), /reserved flag/)
  assert.match(String(patched(5, 0x41, true)), /reserved descriptor/)
  assert.match(String(patched(5, 0x30, true)), /block maximum/)
  assert.match(String(patched(6, 0, false)), /header checksum/)
})

test("xxh32 gives the values of its specification", () => {
  assert.equal(xxh32(Buffer.alloc(0), 0, 0), 0x02cc5d05)
  assert.equal(xxh32(Buffer.from("abc"), 0, 3), 0x32d153ff)
  const text = Buffer.from("Nobody inspects the spammish repetition")
  assert.equal(xxh32(text, 0, text.length), 0xe2293b2f)
})

test("a zstd frame of stored blocks is a frame every decoder reads", () => {
  for (const length of [0, 1, 131072, 131073, 300000]) {
    const bytes = Buffer.alloc(length, 7)
    const out = decompress("zstd", storeZstd(bytes), { maxBytes })
    assert.ok(Buffer.isBuffer(out) && out.equals(bytes), `${length} ${String(out)}`)
  }
})

interface ZstdOracle {
  compress(bytes: Buffer, level?: number): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

/** libzstd behind another binding; absent where it has no build for the platform. */
function loadOracle(): ZstdOracle | undefined {
  try {
    return createRequire(import.meta.url)("@mongodb-js/zstd") as ZstdOracle
  } catch {
    return undefined
  }
}

const oracle = loadOracle()

test("zstd agrees with a native libzstd in both directions", {
  skip: oracle === undefined && "no native libzstd",
}, async () => {
  const bytes = Buffer.concat(Array<Buffer>(20).fill(inputs.text1500!))
  for (const level of [1, 3, 9, 19]) {
    const theirs = decompress("zstd", await oracle!.compress(bytes, level), { maxBytes: bytes.length })
    assert.ok(Buffer.isBuffer(theirs) && theirs.equals(bytes), String(theirs))
    assert.ok((await oracle!.decompress(compress("zstd", bytes, level))).equals(bytes))
  }
})
