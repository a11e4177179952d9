/**
 * Answers that have no end yet.
 *
 * Owns the bridge from a generator to the body of an answer: it runs only as far as the caller reads, and ends when the caller goes.
 */
import type { Buffer } from "node:buffer"

/** `gone` is called once, when the stream is over or nobody reads it any more, before the generator's own `finally`. */
export function streamOf(source: AsyncGenerator<Buffer>, gone: () => void = () => {}): ReadableStream<Uint8Array> {
  let isOver = false
  const end = () => {
    if (isOver) return
    isOver = true
    gone()
  }
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await source.next()
          if (done !== true) {
            if (!isOver) controller.enqueue(value)
            return
          }
          end()
          controller.close()
        } catch (error) {
          end()
          controller.error(error)
        }
      },
      cancel() {
        end()
        source.return(undefined).catch(() => {})
      },
    },
    { highWaterMark: 1 },
  )
}
