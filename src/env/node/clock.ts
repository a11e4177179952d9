/** The machine's clocks. Nothing else reads them. */
import type { Clock } from "../env.js"

export const nodeClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
