/**
 * Attacks a broker over sockets while a healthy client goes on working.
 *
 * Owns the attacks and what a broker may answer: Kafka's error, or the end of that connection. The broker runs in a process of its own
 * (`fuzz-broker.ts`), which reports its stalls and its memory. Attacks follow the seed; what the network makes of their timing does not.
 */
import { connect, type Socket } from "node:net"
import { zeroUuid } from "../base/ids.js"
import { MalformedError, Reader } from "../base/reader.js"
import { attributeBits, batchHeaderBytes, compressionTypes } from "../protocol/batch-header.js"
import { compress } from "../protocol/compression/compression.js"
import { type NextInt, randomMessage } from "../protocol/generate.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { fetch } from "../protocol/messages/fetch.js"
import { apis as kafkaApis, ottlaApis } from "../protocol/messages/index.js"
import { metadata } from "../protocol/messages/metadata.js"
import { produce } from "../protocol/messages/produce.js"
import { unregisterBroker } from "../protocol/messages/unregister-broker.js"
import { mutate } from "../protocol/mutate.js"
import { buildBatch, sealBatch } from "../protocol/record-batch.js"
import type { Api } from "../protocol/message.js"
import { decodeResponseHeader, encodeRequest } from "../protocol/request-header.js"
import {
  type Address,
  type Attack,
  exchange,
  frameOf,
  isPatient,
  oneOf,
  patientMs,
  ping,
  prefixed,
  randomBytes,
} from "./fuzz-exchange.js"
import { dearGroupAttacks, groupAttacks, HealthyGroup } from "./fuzz-groups.js"

/** Does what it says, to the only broker there is. */
const isDeadly = ({ key }: Api): boolean => key === unregisterBroker.key
const apis = [...kafkaApis, ...ottlaApis].filter((api) => !isDeadly(api))
const nodeApis = apis.filter(({ listeners }) => listeners.includes("controller"))

const produceMs = 1000
/** What the bombs decompress to. Snappy's stays below what a message may weigh, or it would be refused for that. */
const bombBytes = { gzip: 48 << 20, snappy: 20 << 20, lz4: 48 << 20, zstd: 48 << 20 } as const

/** A length that cannot be ends the connection, without an answer. */
const wrongSize: Attack = async (address, nextInt) => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(oneOf([-1, 0, 1, 7, -(2 ** 31), 2 ** 31 - 1, 104_857_601], nextInt))
  const { outcome, answers } = await exchange(address, [size, randomBytes(nextInt(100), nextInt)], 1, 3000)
  return outcome === "closed" && answers.length === 0 ? undefined : `size ${size.readInt32BE(0)}: ${outcome}`
}

const garbage: Attack = async (address, nextInt) => {
  const bytes = prefixed(randomBytes(8 + nextInt(400), nextInt))
  const { outcome } = await exchange(address, [bytes, ping()], 2, patientMs(bytes))
  return outcome === "silent" && !isPatient(bytes) ? `no answer to ${bytes.toString("hex")}` : undefined
}

const damagedRequest: Attack = (address, nextInt) => sendDamaged(address, oneOf(apis, nextInt), nextInt)

/** What nodes say to each other, at the door for nodes: elections, metadata, registrations, in-sync sets. */
const damagedNodeRequest: Attack = async (address, nextInt) => {
  const { host, controllerPort: port } = address
  return port === undefined ? undefined : sendDamaged({ host, port }, oneOf(nodeApis, nextInt), nextInt)
}

/** The ApiVersions request behind it tells that the broker is done with it. Produce without acknowledgement has no answer. */
async function sendDamaged(address: Address, api: Api, nextInt: NextInt): Promise<string | undefined> {
  const version = api.minVersion + nextInt(api.maxVersion - api.minVersion + 1)
  const value = randomMessage(api.request, version, nextInt) as Record<string, unknown>
  if (api.key === fetch.key) Object.assign(value, { maxWaitMs: nextInt(200) })
  const whole = frameOf(encodeRequest(api, version, 1, "fuzz", value as never))
  const isDamaged = nextInt(3) !== 0
  const frame = isDamaged ? prefixed(mutate(whole.subarray(4), nextInt)) : whole
  if (frame.length < 12) return undefined
  // Produce may have been made to want no answer.
  const isProduce = api.key === produce.key
  const { outcome, answers } = await exchange(address, [frame, ping()], 2, isProduce ? produceMs : patientMs(frame))
  const isUnanswered = isProduce && answers.length === 1
  if (outcome === "silent" && !isPatient(frame) && !isUnanswered) {
    return `no answer to ${api.name} v${version}: ${frame.toString("hex")}`
  }
  if (isDamaged || answers.length < 2) return undefined
  try {
    const reader = new Reader(answers[0]!)
    const { correlationId } = decodeResponseHeader(reader, api, version)
    if (correlationId !== 1) return `${api.name} v${version} answered with correlation id ${correlationId}`
    api.response.decode(reader, version)
    return undefined
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    return `the answer to ${api.name} v${version} is malformed: ${error.message}: ${frame.toString("hex")}`
  }
}

const wrongVersion: Attack = async (address, nextInt) => {
  const header = Buffer.alloc(10)
  header.writeInt16BE(oneOf([...apis.map(({ key }) => key), -1, 500, 32767], nextInt))
  header.writeInt16BE(oneOf([-1, 99, 32767, -32768], nextInt), 2)
  const frame = prefixed(Buffer.concat([header, randomBytes(nextInt(50), nextInt)]))
  const { outcome } = await exchange(address, [frame], 1, 3000)
  return outcome === "silent" ? `neither answer nor end to ${frame.toString("hex")}` : undefined
}

/** Cut anywhere; the rest never comes. The broker gives up on it later: here it only must not be impressed. */
const cutFrame: Attack = async (address, nextInt) => {
  const whole = frameOf(encodeRequest(metadata, 8, 1, "fuzz", randomMessage(metadata.request, 8, nextInt)))
  await exchange(address, [whole.subarray(0, 1 + nextInt(whole.length - 1))], 1, 20 + nextInt(100))
  return undefined
}

/** The longest frame that is allowed, and nothing of it but a beginning. */
const greedyFrame: Attack = async (address, nextInt) => {
  const start = Buffer.alloc(4 + nextInt(60_000), 1)
  start.writeInt32BE(100_000_000)
  await exchange(address, [start], 1, 100)
  return undefined
}

/** As many elements as fit, two bytes each: nothing on the wire, an object each in memory. */
const manyElements: Attack = async (address, nextInt) => {
  const count = 1_000_000
  const api = oneOf([metadata, fetch, produce], nextInt)
  const header = frameOf(encodeRequest(metadata, 1, 1, "fuzz", { ...metadata.request.create(), topics: [] })).subarray(
    4,
    -4,
  )
  header.writeInt16BE(api.key)
  header.writeInt16BE(api.key === metadata.key ? 1 : api.key === fetch.key ? 4 : 3, 2)
  const fields = api.key === metadata.key ? 0 : api.key === fetch.key ? 17 : 8
  const body = Buffer.alloc(fields + 4 + 6 * count)
  body.writeInt32BE(count, fields)
  const { outcome } = await exchange(address, [prefixed(Buffer.concat([header, body])), ping()], 2)
  return outcome === "silent" && api.key !== fetch.key
    ? `no answer to ${count} empty elements of ${api.name}`
    : undefined
}

const bombs = new Map<string, Buffer>()

function bomb(codec: keyof typeof bombBytes): Buffer {
  const known = bombs.get(codec)
  if (known !== undefined) return known
  const batch = Buffer.concat([
    buildBatch({ records: [{ value: null }], timestamp: 1 }).subarray(0, batchHeaderBytes),
    compress(codec, Buffer.alloc(bombBytes[codec])),
  ])
  batch.writeInt32BE(batch.length - 12, 8)
  batch[22] = compressionTypes.indexOf(codec) & attributeBits.compression
  sealBatch(batch, 0, batch.length)
  bombs.set(codec, batch)
  return batch
}

const compressionBomb: Attack = async (address, nextInt) => {
  const codec = oneOf(["gzip", "snappy", "lz4", "zstd"] as const, nextInt)
  const request = {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: healthyTopic, topicId: zeroUuid, partitionData: [{ index: 0, records: bomb(codec) }] }],
  }
  const { outcome, answers } = await exchange(address, [frameOf(encodeRequest(produce, 9, 1, "fuzz", request))], 1)
  if (outcome !== "answered") return `a ${codec} bomb: ${outcome}`
  const reader = new Reader(answers[0]!)
  decodeResponseHeader(reader, produce, 9)
  const { errorCode } = produce.response.decode(reader, 9).responses[0]!.partitionResponses[0]!
  return errorCode === 0 ? `a ${codec} bomb was taken in` : undefined
}

/** Asks for much and reads nothing. */
const neverReads: Attack = (address, nextInt) =>
  new Promise((resolve) => {
    const socket = connect({ ...address })
    socket.on("error", () => {})
    socket.pause()
    const frame = frameOf(
      encodeRequest(apiVersions, 0, 1, "fuzz", { clientSoftwareName: "", clientSoftwareVersion: "" }),
    )
    socket.on("connect", () => socket.write(Buffer.concat(Array.from({ length: 2000 }, () => frame))))
    setTimeout(() => {
      socket.destroy()
      resolve(undefined)
    }, 100 + nextInt(300))
  })

const attacks: Readonly<Record<string, Attack>> = {
  "wrong size": wrongSize,
  garbage,
  "damaged request": damagedRequest,
  "damaged node request": damagedNodeRequest,
  "wrong version": wrongVersion,
  "cut frame": cutFrame,
  "greedy frame": greedyFrame,
  "many elements": manyElements,
  "compression bomb": compressionBomb,
  "never reads": neverReads,
  ...groupAttacks,
}

/** How often each comes among a hundred: the dear ones seldom. */
const weights: readonly (readonly [string, number])[] = [
  ["damaged request", 30],
  ["damaged node request", 15],
  ["group session", 14],
  ["garbage", 10],
  ["wrong size", 8],
  ["wrong version", 8],
  ["cut frame", 6],
  ["greedy frame", 3],
  ["never reads", 2],
  ["compression bomb", 2],
  ["many elements", 1],
  ["hostile group", 1],
]

/** Those run alone, so that what they cost is seen to be theirs. */
const dear: ReadonlySet<string> = new Set([
  "greedy frame",
  "never reads",
  "compression bomb",
  "many elements",
  ...dearGroupAttacks,
])

/** One of the hostile groups in turn, by chance. */
const named = (drawn: string, nextInt: NextInt): string =>
  drawn === "hostile group" ? oneOf(dearGroupAttacks, nextInt) : drawn

function drawAttack(nextInt: NextInt): string {
  let left = nextInt(100)
  for (const [name, weight] of weights) {
    if (left < weight) return named(name, nextInt)
    left -= weight
  }
  return weights[0]![0]
}

const healthyTopic = "healthy"
const healthyTimeoutMs = 5000

/** Writes one record at a time and waits for it, as if nothing happened. */
async function healthyRoundTrip(address: Address): Promise<number> {
  const startedMs = performance.now()
  const request = {
    acks: -1,
    timeoutMs: healthyTimeoutMs,
    topicData: [
      {
        name: healthyTopic,
        topicId: zeroUuid,
        partitionData: [{ index: 0, records: buildBatch({ records: [{ value: Buffer.from("well") }], timestamp: 1 }) }],
      },
    ],
  }
  const frame = frameOf(encodeRequest(produce, 9, 1, "healthy", request))
  const { outcome, answers } = await exchange(address, [frame], 1, healthyTimeoutMs)
  if (outcome !== "answered") throw new Error(`the healthy client was left without an answer: ${outcome}`)
  const reader = new Reader(answers[0]!)
  decodeResponseHeader(reader, produce, 9)
  const { errorCode } = produce.response.decode(reader, 9).responses[0]!.partitionResponses[0]!
  if (errorCode !== 0) throw new Error(`the healthy client got error ${errorCode}`)
  return performance.now() - startedMs
}

/** A topic for the healthy client, made by asking for it. */
async function prepareHealthyTopic(address: Address): Promise<void> {
  const topics = [{ topicId: zeroUuid, name: healthyTopic }]
  const request = { ...metadata.request.create({ topics }), allowAutoTopicCreation: true }
  for (let attempt = 0; attempt < 50; attempt++) {
    await exchange(address, [frameOf(encodeRequest(metadata, 8, 1, "healthy", request))], 1)
    try {
      await healthyRoundTrip(address)
      return
    } catch (error) {
      if (attempt === 49) throw error
    }
  }
}

export interface SocketFuzzResult {
  readonly attacks: number
  readonly findings: readonly { readonly attack: string; readonly execution: number; readonly what: string }[]
  readonly healthyWorstMs: number
  /** Of the heartbeats of two groups that nobody attacks. */
  readonly heartbeatWorstMs: number
  readonly slowest: { readonly attack: string; readonly tookMs: number }
}

/**
 * Attacks from `concurrency` connections at once until the deadline, or runs one `execution` alone. Besides, some connections stay open,
 * silent or with a byte from time to time.
 */
export async function fuzzSockets(
  address: Address,
  numbers: (execution: number) => NextInt,
  options: {
    readonly deadlineMs: number
    readonly concurrency: number
    readonly execution: number | undefined
    /** One attack by name, instead of a mixture. */
    readonly only: string | undefined
    /** Runs after each attack: the moment to ask the broker how it was. */
    readonly afterAttack: (attack: string, execution: number) => Promise<void>
  },
): Promise<SocketFuzzResult> {
  const findings: { attack: string; execution: number; what: string }[] = []
  let slowest = { attack: "", tookMs: 0 }
  let executions = 0
  let running = 0
  let alone: Promise<void> | undefined
  const attackOnce = async (execution: number) => {
    const nextInt = numbers(execution)
    const attack = options.only ?? drawAttack(nextInt)
    while (alone !== undefined) await alone
    if (!dear.has(attack)) return perform(attack, execution, nextInt)
    let finished = () => {}
    alone = new Promise((resolve) => {
      finished = resolve
    })
    while (running > 0) await new Promise((resolve) => setTimeout(resolve, 2))
    // What stood still before is not this attack's doing.
    await options.afterAttack("a mixture", execution)
    await perform(attack, execution, nextInt).finally(() => {
      alone = undefined
      finished()
    })
  }
  const perform = async (attack: string, execution: number, nextInt: NextInt) => {
    running += 1
    try {
      await judge(attack, execution, nextInt)
    } finally {
      running -= 1
    }
  }
  const judge = async (attack: string, execution: number, nextInt: NextInt) => {
    const startedMs = performance.now()
    const what = await attacks[attack]!(address, nextInt)
    const tookMs = performance.now() - startedMs
    if (tookMs > slowest.tookMs) slowest = { attack, tookMs }
    if (what !== undefined) findings.push({ attack, execution, what })
    await options.afterAttack(attack, execution)
  }
  if (options.only !== undefined && attacks[options.only] === undefined) {
    throw new Error(`no attack is called ${options.only}; there are: ${Object.keys(attacks).join(", ")}`)
  }
  await prepareHealthyTopic(address)
  if (options.execution !== undefined) {
    await attackOnce(options.execution)
    return { attacks: 1, findings, healthyWorstMs: await healthyRoundTrip(address), heartbeatWorstMs: 0, slowest }
  }
  const lazy = Array.from({ length: 50 }, () => lazyConnection(address))
  const findingsMax = 10
  const goesOn = () => performance.now() < options.deadlineMs && findings.length < findingsMax
  let healthyWorstMs = 0
  const healthy = async () => {
    while (goesOn()) {
      healthyWorstMs = Math.max(healthyWorstMs, await healthyRoundTrip(address))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const group = await HealthyGroup.join(address, healthyTopic)
  const beating = async () => {
    while (goesOn()) {
      await group.beat()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const attacker = async () => {
    while (goesOn()) await attackOnce(executions++)
  }
  try {
    await Promise.all([healthy(), beating(), ...Array.from({ length: options.concurrency }, attacker)])
  } finally {
    group.close()
    for (const { socket, timer } of lazy) {
      clearInterval(timer)
      socket.destroy()
    }
  }
  const late = group.lateness()
  if (late !== undefined) findings.push({ attack: "all", execution: 0, what: late })
  return { attacks: executions, findings, healthyWorstMs, heartbeatWorstMs: group.worstMs, slowest }
}

/**
 * Opens connections that never say anything, then asks how a healthy client fares among them. Resolves while they are still open; `close`
 * ends them. Errors: rejects when one is refused.
 */
export async function idleConnections(
  address: Address,
  count: number,
): Promise<{ readonly healthyWorstMs: number; close(): void }> {
  await prepareHealthyTopic(address)
  const sockets: Socket[] = []
  const openOne = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ ...address })
      sockets.push(socket)
      socket.once("connect", () => resolve())
      socket.once("error", reject)
    })
  const atOnce = 200
  while (sockets.length < count) {
    await Promise.all(Array.from({ length: Math.min(atOnce, count - sockets.length) }, openOne))
  }
  let healthyWorstMs = 0
  for (let i = 0; i < 50; i++) healthyWorstMs = Math.max(healthyWorstMs, await healthyRoundTrip(address))
  return {
    healthyWorstMs,
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** A peer that sends a byte every now and then of a frame that never ends. */
function lazyConnection(address: Address): { socket: Socket; timer: NodeJS.Timeout } {
  const socket = connect({ ...address })
  socket.on("error", () => {})
  const timer = setInterval(() => socket.writable && socket.write(Buffer.alloc(1)), 250)
  return { socket, timer }
}
