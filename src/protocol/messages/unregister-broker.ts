/**
 * UnregisterBroker: the cluster forgets a broker (KIP-631).
 */
import { int16, int32, string } from "../field.js"
import { api } from "../message.js"

export const unregisterBroker = api({
  name: "UnregisterBroker",
  key: 64,
  versions: "0",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    brokerId: int32(),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
  },
})
