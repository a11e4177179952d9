/**
 * UpdateFeatures: raises or lowers the levels of features (KIP-584).
 *
 * Versions: 1 kinds of downgrades and a dry run (KIP-778), 2 one result for all updates, which happen together or not at all (KIP-1022).
 */
import { array, bool, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const updateFeatures = api({
  name: "UpdateFeatures",
  key: 57,
  versions: "0-2",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array({
      feature: string({ mapKey: true }),
      // 0: away with it
      maxVersionLevel: int16(),
      allowDowngrade: bool({ versions: "0" }),
      // 1 upgrade, 2 safe downgrade, 3 unsafe downgrade
      upgradeType: int8({ versions: "1+", default: 1 }),
    }),
    validateOnly: bool({ versions: "1+", default: false }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+" }),
    results: array(
      {
        feature: string({ mapKey: true }),
        errorCode: int16(),
        errorMessage: string({ nullableVersions: "0+" }),
      },
      { versions: "0-1", ignorable: true },
    ),
  },
})
