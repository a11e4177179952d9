/**
 * Damages encoded messages the way broken and hostile peers do.
 *
 * Owns kinds of damage: flips, cuts, repeats, insertions, and lengths that lie. All randomness comes from the caller, as in `generate.ts`.
 */
import type { NextInt } from "./generate.js"

/** What decoders have to survive as counts, sizes and tags: ends of ranges, null, and varints without an end. */
const hostile: readonly Buffer[] = [
  "ffffffff",
  "7fffffff",
  "80000000",
  "00ffffff",
  "ffff",
  "7fff",
  "8000",
  "ffffffff0f",
  "ffffffff07",
  "ffffffff7f",
  "ffffffffffffffffffff01",
  "808080808000",
  "00",
  "01",
].map((hex) => Buffer.from(hex, "hex"))

const damagesMax = 3

/** A damaged copy; `bytes` stay as they are. At most some dozen bytes longer than they were. */
export function mutate(bytes: Buffer, nextInt: NextInt): Buffer {
  let result = Buffer.from(bytes)
  for (let damages = 1 + nextInt(damagesMax); damages > 0; damages--) result = damageOnce(result, nextInt)
  return result
}

function damageOnce(bytes: Buffer<ArrayBuffer>, nextInt: NextInt): Buffer<ArrayBuffer> {
  const at = nextInt(bytes.length + 1)
  switch (nextInt(6)) {
    case 0:
      return bytes.subarray(0, at)
    case 1: {
      const value = hostile[nextInt(hostile.length)]!
      value.copy(bytes, at)
      return bytes
    }
    case 2:
      return Buffer.concat([bytes.subarray(0, at), hostile[nextInt(hostile.length)]!, bytes.subarray(at)])
    case 3: {
      const end = Math.min(bytes.length, at + nextInt(9))
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    }
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + nextInt(9)))])
    default:
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << nextInt(8))
      return bytes
  }
}
