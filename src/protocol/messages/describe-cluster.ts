/**
 * DescribeCluster: brokers or controllers of the cluster (KIP-700).
 *
 * Versions: 1 chooses between brokers and controllers (KIP-919), 2 includes fenced brokers (KIP-1073).
 */
import { array, bool, int16, int32, int8, string } from "../field.js"
import { api } from "../message.js"

export const describeCluster = api({
  name: "DescribeCluster",
  key: 60,
  versions: "0-2",
  flexible: "0+",
  listeners: ["broker", "controller"],
  request: {
    includeClusterAuthorizedOperations: bool(),
    // 1 brokers, 2 controllers
    endpointType: int8({ versions: "1+", default: 1 }),
    includeFencedBrokers: bool({ versions: "2+" }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableVersions: "0+", default: null }),
    endpointType: int8({ versions: "1+", default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array({
      brokerId: int32({ mapKey: true }),
      host: string(),
      port: int32(),
      rack: string({ nullableVersions: "0+", default: null }),
      isFenced: bool({ versions: "2+" }),
    }),
    clusterAuthorizedOperations: int32({ default: -(2 ** 31) }),
  },
})
