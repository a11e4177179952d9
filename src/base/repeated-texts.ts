/**
 * Texts that come again and again, each made once.
 *
 * Owns a bounded table of texts by their bytes, for whoever reads a log of a million records with a few names in them: comparing bytes is cheaper than making a text, and what is kept of
 * the records then shares one. Invariant: a text is what its bytes say, whether the table had it or not.
 */
import type { Uuid } from "./ids.js"
import { Reader } from "./reader.js"

/** A power of two. A text takes the place of the one that was in its slot. */
const slots = 1024
const slotMask = slots - 1
const textBytesMax = 64
const uuidBytes = 16

interface Entry<T> {
  readonly bytes: Uint8Array
  readonly text: T
}

class Table<T> {
  readonly #entries = new Array<Entry<T> | undefined>(slots).fill(undefined)

  get(bytes: Uint8Array, at: number, count: number, make: () => T): T {
    let hash = count
    for (let i = at; i < at + count; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    const slot = (hash ^ (hash >>> 15)) & slotMask
    const entry = this.#entries[slot]
    if (entry !== undefined && isSame(entry.bytes, bytes, at, count)) return entry.text
    const text = make()
    // A copy: `slice` of a Buffer is a view, and the memory may come to hold something else.
    this.#entries[slot] = { bytes: new Uint8Array(bytes.subarray(at, at + count)), text }
    return text
  }
}

function isSame(known: Uint8Array, bytes: Uint8Array, at: number, count: number): boolean {
  if (known.length !== count) return false
  for (let i = 0; i < count; i++) if (known[i] !== bytes[at + i]) return false
  return true
}

export class RepeatedTexts {
  readonly texts = new Table<string>()
  readonly uuids = new Table<Uuid>()
}

/** A reader that takes texts and uuids from a table. */
export class RepeatingReader extends Reader {
  constructor(
    bytes: Buffer,
    private readonly repeated: RepeatedTexts,
  ) {
    super(bytes)
  }

  override utf8(count: number): string {
    if (count > textBytesMax || count > this.remaining) return super.utf8(count)
    const at = this.position
    const text = this.repeated.texts.get(this.bytes, at, count, () => super.utf8(count))
    this.position = at + count
    return text
  }

  override uuid(): Uuid {
    if (this.remaining < uuidBytes) return super.uuid()
    const at = this.position
    const text = this.repeated.uuids.get(this.bytes, at, uuidBytes, () => super.uuid())
    this.position = at + uuidBytes
    return text
  }
}
