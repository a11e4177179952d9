/**
 * ControllerRegistration: a controller says where it is and which features it knows (KIP-919).
 */
import { array, bool, int16, int32, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const controllerRegistration = api({
  name: "ControllerRegistration",
  key: 70,
  versions: "0",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    controllerId: int32(),
    incarnationId: uuid(),
    zkMigrationReady: bool(),
    listeners: array({
      name: string({ mapKey: true }),
      host: string(),
      port: uint16(),
      securityProtocol: int16(),
    }),
    features: array({
      name: string({ mapKey: true }),
      minSupportedVersion: int16(),
      maxSupportedVersion: int16(),
    }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
  },
})
