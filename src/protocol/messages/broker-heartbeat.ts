/**
 * BrokerHeartbeat: a broker lives, says how far it has come, and asks to serve or to stop (KIP-631).
 *
 * Versions: 1 directories that failed (KIP-858), 2 directories that take no new replicas (KIP-1066). Beyond Kafka: tag 10000 says for how long the broker was stuck.
 */
import { array, bool, int16, int32, int64, uuid } from "../field.js"
import { api } from "../message.js"

export const brokerHeartbeat = api({
  name: "BrokerHeartbeat",
  key: 63,
  versions: "0-2",
  flexible: "0+",
  listeners: ["controller"],
  request: {
    brokerId: int32(),
    brokerEpoch: int64({ default: -1 }),
    currentMetadataOffset: int64(),
    wantFence: bool(),
    wantShutDown: bool(),
    offlineLogDirs: array(uuid(), { versions: "1+", taggedVersions: "1+", tag: 0 }),
    cordonedLogDirs: array(uuid(), {
      versions: "2+",
      taggedVersions: "2+",
      tag: 1,
      nullableVersions: "2+",
      default: null,
    }),
    // the longest time since the last heartbeat in which a log directory or the event loop did not move
    stalledMs: int64({ taggedVersions: "0+", tag: 10_000, default: 0 }),
    // how long a sync takes these days, or the present one has taken, in the log directory that is worst off
    syncMs: int64({ taggedVersions: "0+", tag: 10_001, default: 0 }),
  },
  response: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    isCaughtUp: bool({ default: false }),
    isFenced: bool({ default: true }),
    shouldShutDown: bool(),
  },
})
