/** kafkajs's words for trying again. */
export interface RetryOptions {
  /** The longest pause between two tries. Default: 30 s. */
  maxRetryTime?: number
  /** Default: 300 ms. */
  initialRetryTime?: number
  factor?: number
  multiplier?: number
  retries?: number
  restartOnFailure?: (error: Error) => Promise<boolean>
}
