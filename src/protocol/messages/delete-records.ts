/**
 * DeleteRecords: moves the log start offset forward (KIP-107).
 */
import { array, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const deleteRecords = api({
  name: "DeleteRecords",
  key: 21,
  versions: "0-2",
  flexible: "2+",
  request: {
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        // -1: the high watermark
        offset: int64(),
      }),
    }),
    timeoutMs: int32(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string({ mapKey: true }),
      partitions: array({
        partitionIndex: int32({ mapKey: true }),
        lowWatermark: int64(),
        errorCode: int16(),
      }),
    }),
  },
})
