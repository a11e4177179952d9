/**
 * What a broker says itself of a request to alter settings, before the controller decides the rest.
 *
 * Owns the one judgement that the controller cannot make: whose settings the client believes to be talking about. The settings of a broker are altered through that broker, as with Apache Kafka;
 * whoever asks another one has the wrong connection. Source: Kafka's ConfigAdminManager.preprocess.
 */
import type { BrokerId } from "../base/ids.js"
import { Reader } from "../base/reader.js"
import { resourceTypes } from "../metadata/image.js"
import { Errors } from "../protocol/errors.js"
import type { Api, RequestOf, ResponseOf } from "../protocol/message.js"
import { alterConfigs } from "../protocol/messages/alter-configs.js"
import { incrementalAlterConfigs } from "../protocol/messages/incremental-alter-configs.js"
import { decodeRequestHeader, decodeResponseHeader, encodeRequest, encodeResponse } from "../protocol/request-header.js"

type AlterApi = typeof alterConfigs | typeof incrementalAlterConfigs
type Resource = RequestOf<AlterApi>["resources"][number]
type Answer = ResponseOf<AlterApi>["responses"][number]

export interface Judged {
  /** What is left for the controller, header and body; undefined: nothing. */
  readonly request: Buffer | undefined
  /** The whole answer, header and body. */
  complete(answer: Buffer | undefined): Buffer
}

/** Undefined: this broker has nothing to say of it. `request` is header and body. Errors: MalformedError. */
export function judgeConfigs(request: Buffer, nodeId: BrokerId): Judged | undefined {
  const reader = new Reader(request)
  const { apiKey, apiVersion, correlationId, clientId } = decodeRequestHeader(reader)
  const api = [alterConfigs, incrementalAlterConfigs].find(({ key }) => key === apiKey) as AlterApi | undefined
  if (api === undefined) return undefined
  const asked = api.request.read(reader, apiVersion) as RequestOf<AlterApi>
  const refused = new Map(asked.resources.flatMap((resource) => refusal(resource, nodeId) ?? []))
  if (refused.size === 0) return undefined
  const left = asked.resources.filter((resource) => !refused.has(resource))
  return {
    request:
      left.length === 0
        ? undefined
        : withoutSize(encodeRequest(api as Api, apiVersion, correlationId, clientId, { ...asked, resources: left })),
    complete: (answer) => {
      const others = answer === undefined ? [] : answersIn(answer, api, apiVersion)
      const responses = asked.resources.map((resource) => refused.get(resource) ?? others[left.indexOf(resource)]!)
      return withoutSize(encodeResponse(api as Api, apiVersion, correlationId, { throttleTimeMs: 0, responses }))
    },
  }
}

function refusal(resource: Resource, nodeId: BrokerId): [[Resource, Answer]] | undefined {
  const { resourceType, resourceName } = resource
  if (resourceType !== resourceTypes.broker || !/^\d+$/.test(resourceName) || Number(resourceName) === nodeId)
    return undefined
  const errorMessage = `Unexpected broker id, expected ${nodeId}, but received ${resourceName}`
  return [[resource, { errorCode: Errors.INVALID_REQUEST, errorMessage, resourceType, resourceName }]]
}

function answersIn(answer: Buffer, api: AlterApi, version: number): readonly Answer[] {
  const reader = new Reader(answer)
  decodeResponseHeader(reader, api as Api, version)
  return (api.response.read(reader, version) as ResponseOf<AlterApi>).responses
}

const withoutSize = (payloads: readonly unknown[]): Buffer => Buffer.concat(payloads as Buffer[]).subarray(4)
