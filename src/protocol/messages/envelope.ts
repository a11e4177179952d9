/**
 * Envelope: a client's request that a broker hands on to the controller (KIP-590).
 */
import { bytes, int16 } from "../field.js"
import { api } from "../message.js"

export const envelope = api({
  name: "Envelope",
  key: 58,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    // header and body
    requestData: bytes(),
    requestPrincipal: bytes({ nullableVersions: "0+" }),
    clientHostAddress: bytes(),
  },
  response: {
    // header and body
    responseData: bytes({ nullableVersions: "0+", default: null }),
    errorCode: int16(),
  },
})
