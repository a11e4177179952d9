/**
 * What a client can be told, with Kafka's defaults.
 *
 * Owns names, defaults and what may not be. Names are Kafka's in this language's spelling; bytes and milliseconds are in the name.
 */
import { type CompressionType, compressionTypes } from "../protocol/batch-header.js"
import type { PeerAddress } from "../net/peer.js"
import { ConfigError } from "./errors.js"

export interface ClientOptions {
  /** `bootstrap.servers`: one address or several, "host:port,host:port". Default: 127.0.0.1:9092. */
  readonly bootstrap?: string | readonly string[]
  readonly clientId?: string
  /** Of one request. Default: 30 s. */
  readonly requestTimeoutMs?: number
  /** How long what is known of brokers and topics is believed. Default: 5 min. */
  readonly metadataMaxAgeMs?: number
  /** Default: 100 ms, doubled from try to try up to `retryBackoffMaxMs`, 1 s. */
  readonly retryBackoffMs?: number
  readonly retryBackoffMaxMs?: number
  /** Whether a topic that is named and missing is made, where the broker allows it. Default: true. */
  readonly allowAutoTopicCreation?: boolean
}

export interface ProducerConfig {
  /** "all" (default): all in-sync replicas have it. 1: the leader has it. 0: it has been sent, and nobody says whether it was stored; its offset is -1n. */
  readonly acks?: "all" | 1 | 0
  /** Default: true with acks "all". No record is stored twice, and none passes another of its partition. */
  readonly idempotent?: boolean
  /** How long a batch that is not full waits for more. Default: 5 ms. */
  readonly lingerMs?: number
  /** Default: 16 KiB. */
  readonly batchBytes?: number
  /** Default: 1 MiB. */
  readonly maxRequestBytes?: number
  /** Records that are not stored yet. Default: 32 MiB. */
  readonly bufferBytes?: number
  /** Requests on their way to one broker. Default: 5, the most with `idempotent`. With acks 0 always one, which is over when it has been sent. */
  readonly maxInFlightRequests?: number
  /** From `send` to the last try. Default: 2 min. */
  readonly deliveryTimeoutMs?: number
  /** How long a record waits for room or for its topic. Default: 1 min. */
  readonly maxBlockMs?: number
  readonly compression?: CompressionType
  readonly compressionLevel?: number
}

export interface ConsumerConfig {
  /** Whole topics, and what is added to them. */
  readonly topics?: readonly string[]
  /** Single partitions. */
  readonly partitions?: readonly { readonly topic: string; readonly partition: number }[]
  /** Where reading begins, and goes on when what comes next is not there any more. Default: "latest". A timestamp: with the first record that is not older. */
  readonly from?: "earliest" | "latest" | { readonly timestamp: number }
  /** How long a broker may wait for `minBytes`. Default: 500 ms. */
  readonly maxWaitMs?: number
  /** Default: 1. */
  readonly minBytes?: number
  /** Of one answer. Default: 50 MiB. */
  readonly maxBytes?: number
  /** Default: 1 MiB. */
  readonly maxPartitionBytes?: number
  /** Read ahead, in all. Default: 32 MiB. */
  readonly bufferBytes?: number
  /** "read_uncommitted" (default): records of transactions too that are open or were aborted. "read_committed": nothing of those, and so nothing behind the first open one. */
  readonly isolationLevel?: "read_uncommitted" | "read_committed"
  /** Reads from replicas in the same rack, where the brokers say so. */
  readonly rack?: string
  /** How long a topic may be missing. Default: 1 min. */
  readonly maxBlockMs?: number
}

/** What a consumer of a group can be told beside; whole topics only. */
export interface GroupConsumerConfig extends Omit<ConsumerConfig, "partitions"> {
  readonly groupId: string
  readonly topics: readonly string[]
  /** Where reading begins in a partition of which nothing is committed. Default: "latest". */
  readonly from?: NonNullable<ConsumerConfig["from"]>
  /** Whether what was processed is committed by itself. Default: true. */
  readonly autoCommit?: boolean
  /** Default: 5 s. */
  readonly autoCommitIntervalMs?: number
  /** "classic" (default), or "consumer": KIP-848, where the broker assigns. A group has one of them at a time; brokers change it while members change theirs. */
  readonly groupProtocol?: "classic" | "consumer"
  /** Makes it a static member: whoever comes with the same id takes its place, and leaving for less than a session moves nothing (KIP-345). */
  readonly groupInstanceId?: string
  /** Not heard of for so long, a member is out. Default: 45 s. With groupProtocol "consumer" the broker decides. */
  readonly sessionTimeoutMs?: number
  /** Default: 3 s. With groupProtocol "consumer" the broker decides. */
  readonly heartbeatIntervalMs?: number
  /** How long records may be worked on before more are asked for, and one record by a handler of `run`; and so how long a rebalance waits. Default: 5 min. */
  readonly maxPollIntervalMs?: number
  /** Of classic groups, in the order of preference: "range", "roundrobin", "sticky", "cooperative-sticky". Only with cooperative ones alone are partitions kept through a rebalance. Default: range, cooperative-sticky. */
  readonly assignors?: readonly string[]
  /** Of groups with groupProtocol "consumer": "uniform" or "range", where brokers have no others. Default: the group's choice. */
  readonly groupRemoteAssignor?: string
}

export interface AdminConfig {
  /** How long a call is tried where it does not say. Default: 1 min. */
  readonly timeoutMs?: number
}

const defaultPort = 9092

export function parseBootstrap(bootstrap: string | readonly string[] = `127.0.0.1:${defaultPort}`): PeerAddress[] {
  const texts = (typeof bootstrap === "string" ? bootstrap.split(",") : [...bootstrap]).map((text) => text.trim())
  return texts.map((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:[\]/]+))(?::(\d+))?$/.exec(text)
    const port = Number(match?.[3] ?? defaultPort)
    if (match === null || port < 1 || port > 65535)
      throw new ConfigError(`bootstrap: "${text}" is no address; write host:port, such as localhost:${defaultPort}`)
    return { host: match[1] ?? match[2]!, port }
  })
}

/** Errors: ConfigError, naming the option and what it may be. */
export function numberOption(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  const chosen = value ?? fallback
  if (Number.isInteger(chosen) && chosen >= min && chosen <= max) return chosen
  throw new ConfigError(`${name}: ${chosen} is not a whole number from ${min} to ${max}`)
}

export function compressionOption(value: string | undefined): CompressionType {
  const chosen = compressionTypes.find((type) => type === (value ?? "none"))
  if (chosen === undefined) throw new ConfigError(`compression: "${value}" is none of ${compressionTypes.join(", ")}`)
  return chosen
}
