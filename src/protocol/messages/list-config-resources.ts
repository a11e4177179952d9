/**
 * ListConfigResources: names that have settings. Version 0 was ListClientMetricsResources (KIP-714, KIP-1142).
 */
import { array, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const listConfigResources = api({
  name: "ListConfigResources",
  key: 74,
  versions: "0-1",
  flexible: "0+",
  request: {
    // empty: all
    resourceTypes: array(int8(), { versions: "1+" }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8({ versions: "1+", default: 16, ignorable: true }),
    }),
  },
})
