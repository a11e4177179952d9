/** Randomness from the operating system. */
import { randomBytes, randomInt } from "node:crypto"
import type { Random } from "../env.js"

export const nodeRandom: Random = {
  bytes: (count) => randomBytes(count),
  int: (below) => (below <= 1 ? 0 : randomInt(below)),
  uuid: () => {
    for (;;) {
      const bytes = randomBytes(16)
      bytes[6] = (bytes[6]! & 0x0f) | 0x40
      bytes[8] = (bytes[8]! & 0x3f) | 0x80
      const text = bytes.toString("base64url")
      // Kafka draws again when an id starts with a dash: command lines would take it for an option.
      if (!text.startsWith("-")) return text
    }
  },
}
