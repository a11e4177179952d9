/**
 * BrokerRegistration: a broker asks to be part of the cluster, and gets the epoch of this life of its.
 *
 * Versions: 1 migration from ZooKeeper (never true here), 2 log directories (KIP-858), 3 the epoch before a clean shutdown (KIP-966), 4 features whose lowest level is 0.
 * Beyond Kafka: tag 10000 names the machine, so that two replicas never share one.
 */
import { array, bool, int16, int32, int64, string, uint16, uuid } from "../field.js"
import { api } from "../message.js"

export const brokerRegistration = api({
  name: "BrokerRegistration",
  key: 62,
  versions: "0-4",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    brokerId: int32(),
    clusterId: string(),
    // new at each start of the process
    incarnationId: uuid(),
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
    rack: string({ nullableVersions: "0+" }),
    isMigratingZkBroker: bool({ versions: "1+", default: false }),
    logDirs: array(uuid(), { versions: "2+", ignorable: true }),
    // -1: the last shutdown was not clean
    previousBrokerEpoch: int64({ versions: "3+", default: -1, ignorable: true }),
    // null: a machine of its own
    machineId: string({ taggedVersions: "0+", tag: 10_000, nullableVersions: "0+", default: null }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    brokerEpoch: int64({ default: -1 }),
  },
})
