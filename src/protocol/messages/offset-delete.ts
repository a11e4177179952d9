/**
 * OffsetDelete: remove committed offsets of partitions a group does not read any more (KIP-496).
 */
import { array, int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const offsetDelete = api({
  name: "OffsetDelete",
  key: 47,
  versions: "0",
  flexible: "none",
  request: {
    groupId: string(),
    topics: array({
      name: string({ mapKey: true }),
      partitions: array({
        partitionIndex: int32(),
      }),
    }),
  },
  response: {
    errorCode: int16(),
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    topics: array({
      name: string({ mapKey: true }),
      partitions: array({
        partitionIndex: int32({ mapKey: true }),
        errorCode: int16(),
      }),
    }),
  },
})
