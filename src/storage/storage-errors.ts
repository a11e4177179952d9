/**
 * The protocol's error codes that the log answers with.
 *
 * Owns nothing but the numbers; they are Kafka's and never change.
 */
export const storageErrors = {
  offsetOutOfRange: 1,
  corruptMessage: 2,
  recordListTooLarge: 18,
  outOfOrderSequenceNumber: 45,
  invalidProducerEpoch: 47,
  kafkaStorageError: 56,
} as const

export type StorageErrorCode = (typeof storageErrors)[keyof typeof storageErrors]
