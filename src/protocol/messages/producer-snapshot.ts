import { array, int16, int32, int64, uint32 } from "../field.js"
import { message } from "../message.js"

/** State of the producers of a partition, as `<offset>.snapshot` holds it after an int16 version. */
export const producerSnapshot = message({
  name: "ProducerSnapshot",
  versions: "1",
  flexible: "none",
  fields: {
    // CRC-32C of what follows it
    crc: uint32(),
    producerEntries: array({
      producerId: int64(),
      epoch: int16(),
      lastSequence: int32(),
      lastOffset: int64(),
      offsetDelta: int32(),
      timestamp: int64(),
      coordinatorEpoch: int32(),
      currentTxnFirstOffset: int64(),
    }),
  },
})
