/**
 * What a consumer of a group was told, checked.
 *
 * Owns defaults, which are Kafka's, and what may not be. Errors are ConfigError and name the option.
 */
import { classicAssignorNamed, classicAssignorNames } from "../../../assignment/classic-assignors.js"
import { ConfigError } from "../../errors.js"
import { type GroupConsumerConfig, numberOption } from "../../options.js"
import type { FetcherOptions } from "../fetcher.js"
import type { Reset } from "../position.js"
import type { GroupConsumerOptions } from "./group-consumer.js"

const dayMs = 86_400_000

export function groupConsumerOptions(
  config: GroupConsumerConfig,
  reading: FetcherOptions & { readonly from: Reset; readonly maxBlockMs: number },
): GroupConsumerOptions {
  const { groupId, topics = [], groupInstanceId, autoCommit = true } = config
  if (typeof groupId !== "string" || groupId === "")
    throw new ConfigError("groupId: it is empty; give the group a name")
  if ("partitions" in config && config.partitions !== undefined)
    throw new ConfigError(
      "partitions: a group deals out whole topics; name topics, or leave out groupId to read single partitions",
    )
  if (topics.length === 0) throw new ConfigError("topics: name at least one topic for the group to share")
  if (groupInstanceId === "")
    throw new ConfigError("groupInstanceId: it is empty; leave it out, or give each member its own")
  const sessionTimeoutMs = numberOption("sessionTimeoutMs", config.sessionTimeoutMs, 45_000, 1, dayMs)
  const heartbeatIntervalMs = numberOption(
    "heartbeatIntervalMs",
    config.heartbeatIntervalMs,
    Math.min(3_000, Math.ceil(sessionTimeoutMs / 3)),
    1,
    sessionTimeoutMs - 1,
  )
  const maxPollIntervalMs = numberOption("maxPollIntervalMs", config.maxPollIntervalMs, 300_000, 1, dayMs)
  const autoCommitIntervalMs = numberOption("autoCommitIntervalMs", config.autoCommitIntervalMs, 5_000, 1, dayMs)
  return {
    ...reading,
    groupId,
    topics: [...new Set(topics)],
    instanceId: groupInstanceId ?? null,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    maxPollIntervalMs,
    rebalanceTimeoutMs: maxPollIntervalMs,
    autoCommitIntervalMs: autoCommit ? autoCommitIntervalMs : undefined,
    protocol: protocolOf(config),
  }
}

function protocolOf(config: GroupConsumerConfig): GroupConsumerOptions["protocol"] {
  const { groupProtocol = "classic", assignors, groupRemoteAssignor } = config
  if (groupProtocol === "consumer") {
    if (assignors !== undefined)
      throw new ConfigError('assignors: with groupProtocol "consumer" the broker assigns; see groupRemoteAssignor')
    return { name: "consumer", serverAssignor: groupRemoteAssignor ?? null }
  }
  if (groupProtocol !== "classic")
    throw new ConfigError(`groupProtocol: "${String(groupProtocol)}" is neither "classic" nor "consumer"`)
  if (groupRemoteAssignor !== undefined)
    throw new ConfigError(
      'groupRemoteAssignor: only with groupProtocol "consumer" does the broker assign; see assignors',
    )
  const names = assignors ?? ["range", "cooperative-sticky"]
  if (names.length === 0) throw new ConfigError(`assignors: name at least one of ${classicAssignorNames.join(", ")}`)
  return {
    name: "classic",
    assignors: names.map((name) => {
      const assignor = classicAssignorNamed(name)
      if (assignor === undefined)
        throw new ConfigError(`assignors: "${name}" is none of ${classicAssignorNames.join(", ")}`)
      return assignor
    }),
  }
}
