/**
 * Runs everything promises still have to do, now, without leaving the current turn of the event loop.
 *
 * Owns the one place of the simulator that touches the real event loop. Works only in a turn of its own (never inside a promise
 * callback: the engine does not nest microtasks), which `inOwnTurn` provides; `drainWorks` proves it before it is relied on.
 */
type TickCallback = () => void

/** An internal of Node, stable since version 11: runs ticks and microtasks until none are left. */
const tickCallback = (process as unknown as { _tickCallback?: TickCallback })._tickCallback

/** Runs all microtasks and ticks, and those they cause. */
export function drain(): void {
  tickCallback!()
}

/** Whether `drain` does what it says here and now: three awaits deep, as event handlers are. False means one turn per event. */
export function drainWorks(): boolean {
  if (typeof tickCallback !== "function") return false
  let depth = 0
  const step = async () => {
    await undefined
    depth += 1
    await undefined
    depth += 1
    await undefined
    depth += 1
  }
  void step()
  tickCallback()
  return depth === 3
}

/** The original: a test may put something else in its place later. */
const startTurn = setImmediate

/** Runs `work` in a turn of the event loop of its own, after all microtasks. */
export function inOwnTurn(work: () => void): void {
  startTurn(work)
}
