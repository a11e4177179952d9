/**
 * Lines of a stream of bytes, as bytes: what comes in goes out unchanged.
 *
 * Owns where a line ends, and its bound. A carriage return before the end belongs to the end.
 */
import { CommandError } from "../errors.js"

/** A longer line is refused: a record could not hold it. */
export const lineBytesMax = 64 << 20

const lineFeed = 10
const carriageReturn = 13

/** The last line counts without an end too. Errors: CommandError for a line that is too long. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = []
  let length = 0
  for await (const chunk of stream) {
    let from = 0
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      yield withoutReturn(
        parts.length === 0 ? chunk.subarray(from, at) : Buffer.concat([...parts, chunk.subarray(from, at)]),
      )
      parts = []
      length = 0
      from = at + 1
    }
    if (from === chunk.length) continue
    parts.push(chunk.subarray(from))
    length += chunk.length - from
    if (length > lineBytesMax) throw new CommandError(`a line has more than ${lineBytesMax} bytes`)
  }
  if (parts.length > 0) yield withoutReturn(Buffer.concat(parts))
}

const withoutReturn = (line: Buffer): Buffer => (line.at(-1) === carriageReturn ? line.subarray(0, -1) : line)

/** At the first delimiter. Undefined: it is not there. */
export function splitKey(line: Buffer, delimiter: string): { key: Buffer; value: Buffer } | undefined {
  const at = line.indexOf(delimiter)
  return at < 0 ? undefined : { key: line.subarray(0, at), value: line.subarray(at + Buffer.byteLength(delimiter)) }
}
