/**
 * The connections of a member: one to the coordinator of its group, one for everything else.
 *
 * Owns finding the coordinator, repair, and what is known of topics. As with Kafka's clients a request that waits at the coordinator holds nothing else up.
 */
import type { Env } from "../../../env/env.js"
import { Errors } from "../../../protocol/errors.js"
import type { Api, RequestInputOf, ResponseOf } from "../../../protocol/message.js"
import { findCoordinator } from "../../../protocol/messages/find-coordinator.js"
import { metadata } from "../../../protocol/messages/metadata.js"
import type { SimulatedClient } from "../../client.js"
import type { SeededRandom } from "../../random.js"
import { requestTimeoutMs } from "../lives/lives-model.js"
import type { GroupsModel } from "./model.js"
import type { GroupOptions } from "./options.js"

const zeroId = "AAAAAAAAAAAAAAAAAAAAAA"

/** Answers after which the same is asked again, after finding the coordinator anew. */
export const coordinatorErrors = new Set<number>([
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_COORDINATOR,
])

export class MemberConnections {
  readonly name: string
  readonly random: SeededRandom
  protected client: SimulatedClient | undefined
  protected data: SimulatedClient | undefined
  /** Names of topics that the metadata had when it was last asked. */
  protected known = new Map<string, { readonly topicId: string; readonly partitions: number }>()
  #knownMs = Number.NEGATIVE_INFINITY

  constructor(
    readonly model: GroupsModel,
    readonly group: GroupOptions,
    readonly env: Env,
  ) {
    this.name = model.nextName(`member of ${group.name}`)
    this.random = model.random.fork(this.name)
  }

  close(): void {
    this.client?.close()
    this.data?.close()
    this.client = undefined
    this.data = undefined
  }

  /** The coordinator, found and connected; undefined if it is not to be had now. */
  protected async coordinator(): Promise<SimulatedClient | undefined> {
    if (this.client?.isOpen) return this.client
    const { model, env, random } = this
    const client = await model.connect(env, this.name)
    if (client === undefined) {
      await model.pause(env, random.between(10, 500))
      return undefined
    }
    const version = random.between(0, 5)
    const answer = await client.send(
      findCoordinator,
      version,
      version < 4 ? { key: this.group.name, coordinatorKeys: [] } : { key: "", coordinatorKeys: [this.group.name] },
      requestTimeoutMs,
    )
    const found = !answer.ok ? undefined : version < 4 ? answer.value : answer.value.coordinators[0]
    if (found?.errorCode !== Errors.NONE) {
      client.close()
      await model.pause(env, random.between(50, 500))
      return undefined
    }
    this.client = client
    return client
  }

  /** Asks the coordinator. Undefined: no answer, and the connection is gone. */
  protected async ask<A extends Api>(
    api: A,
    version: number,
    request: RequestInputOf<A>,
    timeoutMs = requestTimeoutMs,
  ): Promise<ResponseOf<A> | undefined> {
    const client = await this.coordinator()
    if (client === undefined) return undefined
    const answer = await client.send(api, version, request, timeoutMs)
    return answer.ok ? answer.value : undefined
  }

  protected async askBroker<A extends Api>(
    api: A,
    version: number,
    request: RequestInputOf<A>,
  ): Promise<ResponseOf<A> | undefined> {
    if (!this.data?.isOpen) this.data = await this.model.connect(this.env, `${this.name}, data`)
    const answer = await this.data?.send(api, version, request, requestTimeoutMs)
    return answer?.ok ? answer.value : undefined
  }

  /** The coordinator said it is none: it is looked for anew, in a moment. */
  protected async seekCoordinator(): Promise<void> {
    this.client?.close()
    this.client = undefined
    await this.model.pause(this.env, this.random.between(50, 500))
  }

  /** Asks for these topics where what is known is too old. False: no answer. */
  protected async refreshMetadata(names: readonly string[], ageMsMax: number): Promise<boolean> {
    const nowMs = this.env.clock.monotonicMs()
    if (nowMs - this.#knownMs < ageMsMax && names.every((name) => this.known.has(name))) return true
    const answer = await this.askBroker(metadata, metadata.maxVersion, {
      topics: names.map((name) => ({ name, topicId: zeroId })),
      allowAutoTopicCreation: false,
      includeTopicAuthorizedOperations: false,
      includeClusterAuthorizedOperations: false,
    })
    if (answer === undefined) return false
    this.known = new Map()
    this.#knownMs = nowMs
    for (const { name, topicId, errorCode, partitions } of answer.topics)
      if (errorCode === Errors.NONE && name !== null) this.known.set(name, { topicId, partitions: partitions.length })
    return true
  }
}
