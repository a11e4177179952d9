/**
 * The broker-wide bound on bytes of requests taken and not yet answered (`queued.max.request.bytes`).
 *
 * Owns the count and who waits for it. A connection asks before it reads on, so the bound may be passed by one read per connection, not more.
 */
export interface MemoryWaiter {
  memoryAvailable(): void
}

export class RequestMemory {
  #used = 0
  readonly #waiters = new Set<MemoryWaiter>()

  constructor(readonly bytesMax: number) {}

  get used(): number {
    return this.#used
  }

  get isFull(): boolean {
    return this.#used >= this.bytesMax
  }

  take(bytes: number): void {
    this.#used += bytes
  }

  release(bytes: number): void {
    this.#used -= bytes
    if (this.#waiters.size === 0 || this.isFull) return
    const waiting = [...this.#waiters]
    this.#waiters.clear()
    for (const waiter of waiting) waiter.memoryAvailable()
  }

  wait(waiter: MemoryWaiter): void {
    this.#waiters.add(waiter)
  }

  stopWaiting(waiter: MemoryWaiter): void {
    this.#waiters.delete(waiter)
  }
}
