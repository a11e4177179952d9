/**
 * Commits, as many as the broker takes.
 *
 * Owns how they are made: requests are encoded once and only their offsets are written anew, and an answer is compared with the first one, which was decoded. So the load costs a
 * fraction of what the broker does. Every commit says a higher offset than the one before.
 */
import { zeroUuid } from "../../src/base/ids.js"
import { Reader } from "../../src/base/reader.js"
import { Errors } from "../../src/protocol/errors.js"
import { offsetCommit } from "../../src/protocol/messages/offset-commit.js"
import { decodeResponseHeader, encodeRequest } from "../../src/protocol/request-header.js"
import { BrokerError } from "../client.js"
import { errorName } from "../error-name.js"
import { host } from "../systems.js"
import { ConsumerMember } from "./consumer-members.js"
import { connectMany, pause, spread } from "./coordinator.js"
import { PipelinedConnection } from "./pipelined-connection.js"
import { type CommitTask, type GroupEvent, type StoreTask, storedGroup, storedOffset } from "./tasks.js"

const version = 9
const correlationIdBytes = 4
/** Stands where an offset goes, to find the places of offsets in an encoded request. */
const placeholder = 0x01_02_03_04_05_06_07
const storeConnections = 64
const storedAtOnce = 16
const askAgainMs = 10

export async function commits(task: CommitTask, tell: (event: GroupEvent) => void): Promise<void> {
  let fail: (error: unknown) => void
  const failed = new Promise<never>((_, reject) => (fail = reject))
  const clients = await connectMany(task.port, task.connections)
  const lanes = await Promise.all(
    clients.map(async (client, index) => {
      const member = new ConsumerMember(`group-${index}`, task.topic)
      while (!(await member.beat(client))) await pause(askAgainMs)
      client.close()
      return CommitLane.open(task, member, (error) => fail(error))
    }),
  )
  const answered = () => lanes.reduce((sum, lane) => sum + lane.answered, 0)
  for (const lane of lanes) lane.start()
  await Promise.race([failed, pause(task.warmSeconds * 1000)])
  const before = answered()
  const started = performance.now()
  tell({ event: "steady" })
  await Promise.race([failed, pause(task.steadySeconds * 1000)])
  tell({ event: "done", count: answered() - before, seconds: (performance.now() - started) / 1000 })
}

class CommitLane {
  answered = 0
  readonly #template: Buffer
  readonly #offsetPlaces: readonly number[]
  #connection: PipelinedConnection | undefined
  #expected: Buffer | undefined
  #toSend: number
  #offset = 0

  private constructor(
    task: CommitTask,
    member: ConsumerMember,
    private readonly fail: (error: unknown) => void,
  ) {
    this.#toSend = task.inFlightPerConnection
    const partitions = Array.from({ length: task.partitionsPerCommit }, (_, partition) => partition)
    this.#template = commitRequest(
      member.groupId,
      member.memberId,
      member.epoch,
      task.topic,
      partitions,
      () => placeholder,
    )
    this.#offsetPlaces = placesOf(this.#template, placeholder)
    if (this.#offsetPlaces.length !== partitions.length) throw new Error("the offsets of a request were not found")
  }

  static async open(task: CommitTask, member: ConsumerMember, fail: (error: unknown) => void): Promise<CommitLane> {
    const lane = new CommitLane(task, member, fail)
    lane.#connection = await PipelinedConnection.open(host, task.port, {
      onAnswer: (frame) => lane.#onAnswer(frame),
      onDrained: () => lane.start(),
      onGone: fail,
    })
    return lane
  }

  /** Sends as many commits as are missing in flight. */
  start(): void {
    const length = this.#template.length
    const bytes = Buffer.allocUnsafe(length * this.#toSend)
    for (let index = 0; index < this.#toSend; index++) {
      this.#template.copy(bytes, index * length)
      this.#offset++
      for (const place of this.#offsetPlaces) {
        bytes.writeUInt32BE(0, index * length + place)
        bytes.writeUInt32BE(this.#offset, index * length + place + 4)
      }
    }
    this.#toSend = 0
    if (bytes.length > 0) this.#connection!.send(bytes)
  }

  #onAnswer(frame: Buffer): void {
    if (this.#expected === undefined) {
      try {
        checkAnswer(frame)
      } catch (error) {
        this.fail(error)
      }
      this.#expected = Buffer.from(frame)
    } else if (frame.compare(this.#expected, correlationIdBytes, undefined, correlationIdBytes) !== 0) {
      this.fail(new BrokerError("a commit was answered differently from the ones before"))
    }
    this.answered++
    this.#toSend++
  }
}

/** Stores what a start of the broker then has to load. */
export async function store(task: StoreTask): Promise<void> {
  const clients = await connectMany(task.port, storeConnections)
  const lanes = clients.flatMap((client) => Array.from({ length: storedAtOnce }, () => client))
  const groups = Array.from({ length: task.groups }, (_, index) => index)
  await spread(lanes, groups, async (client, group) => {
    for (let first = 0; first < task.partitions; first += task.partitionsPerCommit) {
      const partitions = Array.from(
        { length: Math.min(task.partitionsPerCommit, task.partitions - first) },
        (_, index) => first + index,
      )
      const request = commitRequest(storedGroup(group), "", -1, task.topic, partitions, (partition) =>
        storedOffset(group, partition),
      )
      checkAnswer(await client.callEncoded([request]))
    }
  })
  for (const client of clients) client.close()
}

function commitRequest(
  groupId: string,
  memberId: string,
  memberEpoch: number,
  topic: string,
  partitions: readonly number[],
  offsetOf: (partition: number) => number,
): Buffer {
  const request = {
    groupId,
    generationIdOrMemberEpoch: memberEpoch,
    memberId,
    topics: [
      {
        name: topic,
        topicId: zeroUuid,
        partitions: partitions.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: offsetOf(partitionIndex),
          committedMetadata: "",
        })),
      },
    ],
  }
  return Buffer.concat(encodeRequest(offsetCommit, version, 0, "bench", request) as Buffer[])
}

function placesOf(bytes: Buffer, value: number): number[] {
  const pattern = Buffer.alloc(8)
  pattern.writeBigInt64BE(BigInt(value))
  const places: number[] = []
  for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + pattern.length)) places.push(at)
  return places
}

function checkAnswer(frame: Buffer): void {
  const reader = new Reader(frame)
  decodeResponseHeader(reader, offsetCommit, version)
  for (const topic of offsetCommit.response.decode(reader, version).topics)
    for (const { partitionIndex, errorCode } of topic.partitions)
      if (errorCode !== Errors.NONE)
        throw new BrokerError(`commit of ${topic.name}-${partitionIndex}: ${errorName(errorCode)}`)
}
