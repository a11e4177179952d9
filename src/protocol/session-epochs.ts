/**
 * Epochs of fetch sessions (KIP-227; `FetchMetadata` of Kafka): which request of a session this is.
 *
 * Owns how they are counted.
 */

/** Asks for a new session. */
export const initialSessionEpoch = 0
/** Ends a session, or asks without one. */
export const finalSessionEpoch = -1

export const nextSessionEpoch = (epoch: number): number => (epoch === 0x7fffffff ? 1 : epoch + 1)
