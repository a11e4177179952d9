/** A record as a consumer hands it out. Key, value and headers are views of what the broker sent, and may be kept. */
export interface ConsumerRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  /** Milliseconds since 1970; -1: none. */
  readonly timestamp: number
  readonly key: Buffer | null
  /** null: a tombstone. */
  readonly value: Buffer | null
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[]
}
