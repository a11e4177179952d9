/**
 * Records as lines, stored while they come.
 *
 * Owns cutting the body into lines, how many are under way at once, and the line that answers each. A line that is no record is answered with a problem, and those after it go on: what was stored before it is stored.
 */
import { Buffer } from "node:buffer"
import type { RecordMetadata } from "../client/producer/producer.js"
import { parseJson } from "./json.js"
import { chunksOf } from "./limits.js"
import { type RecordInput, recordWithIdSchema } from "./payload.js"
import { badField } from "./problem.js"
import { resultOf } from "./produce-routes.js"
import { check } from "./route.js"
import type { Services } from "./services.js"
import { streamOf } from "./streams.js"

/** Lines whose answer is awaited. */
export const linesInFlightMax = 2_000

type Store = (record: RecordInput) => Promise<RecordMetadata>

interface Pending {
  readonly index: number
  readonly id: string | undefined
  readonly settled: Promise<void>
  isSettled: boolean
  stored?: RecordMetadata
  error?: unknown
}

/** Answers once it is known that the topic exists. Errors: of `open`. */
export async function storeLines(services: Services, request: Request, open: () => Promise<Store>): Promise<Response> {
  const store = await open()
  const lines = linesOf(request, services.bodyBytesMax)
  return new Response(streamOf(answersOf(lines, store)), {
    status: 200,
    headers: { "content-type": "application/x-ndjson" },
  })
}

async function* answersOf(lines: AsyncGenerator<Buffer>, store: Store): AsyncGenerator<Buffer> {
  const pending: Pending[] = []
  let count = 0
  let next: Promise<IteratorResult<Buffer, void>> | undefined = lines.next()
  try {
    while (next !== undefined || pending.length > 0) {
      const [first] = pending
      if (next !== undefined && pending.length < linesInFlightMax) {
        const line: IteratorResult<Buffer, void> | void = await (first === undefined
          ? next
          : Promise.race([next, first.settled]))
        if (line?.done === true) next = undefined
        else if (line !== undefined) {
          pending.push(begin(line.value!, count++, store))
          next = lines.next()
        }
      } else await first!.settled
      const answered = takeSettled(pending)
      if (answered.length > 0) yield Buffer.from(answered.map(answerOf).join(""))
    }
  } catch (error) {
    // The body ends here: it was cut, or a line of it has no end. What was sent before is answered first.
    await Promise.all(pending.map(({ settled }) => settled))
    yield Buffer.from([...pending.map(answerOf), lineOf(count, undefined, undefined, error)].join(""))
  } finally {
    await lines.return(undefined)
  }
}

function begin(line: Buffer, index: number, store: Store): Pending {
  let id: string | undefined
  const fail = (error: unknown): Pending => ({ index, id, settled: Promise.resolve(), isSettled: true, error })
  try {
    const record = check(recordWithIdSchema, parseJson(line, "line"), "line")
    id = record.id
    const pending: Pending = { index, id, isSettled: false, settled: Promise.resolve() }
    const settled = store(record).then(
      (stored) => {
        pending.isSettled = true
        pending.stored = stored
      },
      (error: unknown) => {
        pending.isSettled = true
        pending.error = error
      },
    )
    return Object.assign(pending, { settled })
  } catch (error) {
    return fail(error)
  }
}

/** Those at the front that have an answer. */
function takeSettled(pending: Pending[]): Pending[] {
  let count = 0
  while (count < pending.length && pending[count]!.isSettled) count++
  return pending.splice(0, count)
}

const lineOf = (index: number, id: string | undefined, stored: RecordMetadata | undefined, error: unknown): string =>
  `${JSON.stringify(resultOf(index, id, stored, error))}\n`

const answerOf = ({ index, id, stored, error }: Pending): string => lineOf(index, id, stored, error)

const newline = 0x0a

/** Lines that are not empty. Errors: Problem for one that is longer than `lineBytesMax`. */
async function* linesOf(request: Request, lineBytesMax: number): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(request)) {
    let bytes: Buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (rest.length > 0) bytes = Buffer.concat([rest, bytes])
    let start = 0
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      if (!isBlank(bytes, start, end)) yield bytes.subarray(start, end)
      start = end + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > lineBytesMax)
      throw badField("line", `a line has more than ${lineBytesMax} bytes`, "send one record a line")
  }
  if (!isBlank(rest, 0, rest.length)) yield rest
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! > 0x20) return false
  return true
}
