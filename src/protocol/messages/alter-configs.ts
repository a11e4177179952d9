/**
 * AlterConfigs: replaces all dynamic settings of a resource. Superseded by IncrementalAlterConfigs (KIP-339).
 */
import { array, bool, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const alterConfigs = api({
  name: "AlterConfigs",
  key: 33,
  versions: "0-2",
  flexible: "2+",
  listeners: ["broker", "controller"],
  request: {
    resources: array({
      resourceType: int8({ mapKey: true }),
      resourceName: string({ mapKey: true }),
      configs: array({
        name: string({ mapKey: true }),
        value: string({ nullableVersions: "0+" }),
      }),
    }),
    validateOnly: bool(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullableVersions: "0+" }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
})
