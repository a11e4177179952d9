/**
 * ApiVersions: what this broker speaks; the first request of a connection.
 *
 * A version the broker does not know is answered in version 0 with UNSUPPORTED_VERSION and the ranges (KIP-511). Versions: 3 has features
 * (KIP-584); 4 may list features whose minimum is 0, which older clients refuse (KAFKA-17011).
 */
import { array, bool, int16, int32, int64, string } from "../field.js"
import { api } from "../message.js"

export const apiVersions = api({
  name: "ApiVersions",
  key: 18,
  versions: "0-4",
  flexible: "3+",
  listeners: ["broker", "controller"],
  request: {
    clientSoftwareName: string({ versions: "3+", ignorable: true }),
    clientSoftwareVersion: string({ versions: "3+", ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16({ mapKey: true }),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32({ versions: "1+", default: 0, ignorable: true }),
    supportedFeatures: array(
      {
        name: string({ mapKey: true }),
        minVersion: int16(),
        maxVersion: int16(),
      },
      { taggedVersions: "3+", tag: 0, ignorable: true },
    ),
    // -1: unknown, and the list below says nothing
    finalizedFeaturesEpoch: int64({ taggedVersions: "3+", tag: 1, default: -1, ignorable: true }),
    finalizedFeatures: array(
      {
        name: string({ mapKey: true }),
        maxVersionLevel: int16(),
        minVersionLevel: int16(),
      },
      { taggedVersions: "3+", tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool({ taggedVersions: "3+", tag: 3, default: false, ignorable: true }),
  },
})
