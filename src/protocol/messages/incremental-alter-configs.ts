/**
 * IncrementalAlterConfigs: changes single dynamic settings of a resource (KIP-339).
 */
import { array, bool, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const incrementalAlterConfigs = api({
  name: "IncrementalAlterConfigs",
  key: 44,
  versions: "0-1",
  flexible: "1+",
  listeners: ["broker", "controller"],
  request: {
    resources: array({
      resourceType: int8({ mapKey: true }),
      resourceName: string({ mapKey: true }),
      configs: array({
        name: string({ mapKey: true }),
        // 0 set, 1 delete, 2 append, 3 subtract
        configOperation: int8({ mapKey: true }),
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
