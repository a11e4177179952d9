/**
 * AllocateProducerIds: a broker takes a block of producer ids (KIP-730).
 */
import { int16, int32, int64 } from "../field.js"
import { api } from "../message.js"

export const allocateProducerIds = api({
  name: "AllocateProducerIds",
  key: 67,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerIdStart: int64(),
    producerIdLen: int32(),
  },
})
