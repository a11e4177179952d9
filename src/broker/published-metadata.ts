/**
 * The metadata this node acts on, and the wait for a newer one.
 *
 * Owns who waits for what. An image is published when everything on this node that follows the metadata has been told of it.
 */
import type { Env, Timer } from "../env/env.js"
import { emptyImage, type MetadataImage } from "../metadata/image.js"

/** Bounds what waits at once; one more is told at once that it came to nothing. */
export const metadataWaitsMax = 100_000

export class PublishedMetadata {
  #image: MetadataImage = emptyImage
  readonly #waiting = new Set<(image: MetadataImage) => void>()

  constructor(private readonly env: Env) {}

  get image(): MetadataImage {
    return this.#image
  }

  publish(image: MetadataImage): void {
    this.#image = image
    for (const look of [...this.#waiting]) look(image)
  }

  /** Resolves with true once the metadata is as wanted, with false after `timeoutMs`. */
  until(isWanted: (image: MetadataImage) => boolean, timeoutMs: number): Promise<boolean> {
    if (isWanted(this.#image)) return Promise.resolve(true)
    if (this.#waiting.size >= metadataWaitsMax) return Promise.resolve(false)
    return new Promise((resolve) => {
      let timer: Timer | undefined
      const end = (found: boolean) => {
        this.#waiting.delete(look)
        timer?.cancel()
        resolve(found)
      }
      const look = (image: MetadataImage) => {
        if (isWanted(image)) end(true)
      }
      this.#waiting.add(look)
      timer = this.env.timers.after(timeoutMs, () => end(false))
    })
  }
}
