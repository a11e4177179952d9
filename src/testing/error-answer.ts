/**
 * The answer to a request that is refused with an error, made from the declarations of both.
 *
 * Owns the likeness of requests and answers: what was asked for is named in the answer by the same names, each with the error. Knows no API by itself but Fetch, whose outermost error means its session.
 */
import type { Payload } from "../env/env.js"
import { emptyDefault, type Field, type Fields } from "../protocol/field.js"
import type { Api } from "../protocol/message.js"
import { fetch } from "../protocol/messages/fetch.js"
import { encodeResponse } from "../protocol/request-header.js"
import { includesVersion } from "../protocol/versions.js"

type Values = Readonly<Record<string, unknown>>

/** One thing by two names. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  partitionIndex: ["partition", "index"],
  partition: ["partitionIndex", "index"],
  index: ["partition", "partitionIndex"],
  topic: ["name", "topicName"],
  name: ["topic", "topicName"],
  topicName: ["topic", "name"],
}

/** A whole frame. `request` is decoded, `version` the request's. */
export function errorAnswer(
  api: Api,
  version: number,
  correlationId: number,
  request: Values,
  errorCode: number,
): readonly Payload[] {
  const answer = like(api.response.fields, api.request.fields, request, version, errorCode)
  if (api.key === fetch.key && (request.topics as readonly unknown[]).length > 0) answer.errorCode = 0
  return encodeResponse(api, version, correlationId, api.response.create(answer as never) as never)
}

function like(
  answerFields: Fields,
  requestFields: Fields,
  request: Values,
  version: number,
  errorCode: number,
): Record<string, unknown> {
  const answer: Record<string, unknown> = {}
  const lists = Object.entries(requestFields).filter(([, field]) => field.type === "array" && has(field, version))
  for (const [name, field] of Object.entries(answerFields)) {
    if (!has(field, version)) continue
    if (name === "errorCode") answer[name] = errorCode
    else if (field.type === "array") {
      if (!carriesError(field)) continue
      const [asked, askedField] = lists.shift() ?? []
      const items = asked === undefined ? [] : ((request[asked] as readonly unknown[] | null) ?? [])
      answer[name] = items.map((item) => itemLike(field, askedField!, item, version, errorCode))
    } else {
      const asked = [name, ...(aliases[name] ?? [])].find((each) => requestFields[each]?.type === field.type)
      if (asked !== undefined && canCarry(field, request[asked], version)) answer[name] = request[asked]
      else if (field.type === "int64" && field.default === 0 && /offset$/i.test(name)) answer[name] = -1
    }
  }
  return answer
}

function itemLike(field: Field, askedField: Field, item: unknown, version: number, errorCode: number): unknown {
  const { fields = {} } = field.element!
  const askedElement = askedField.element!
  if (askedElement.type === "struct") return like(fields, askedElement.fields!, item as Values, version, errorCode)
  const named = Object.entries(fields).find(
    ([name, each]) => each.type === askedElement.type && has(each, version) && !/error/i.test(name),
  )
  const answer = like(fields, {}, {}, version, errorCode)
  return named === undefined ? answer : { ...answer, [named[0]]: item }
}

const canCarry = (field: Field, value: unknown, version: number): boolean =>
  value !== null || includesVersion(field.nullableVersions, version)

const has = (field: Field, version: number): boolean => includesVersion(field.versions, version)

function carriesError(field: Field): boolean {
  const { fields = {} } = field.element ?? {}
  return Object.entries(fields).some(
    ([name, each]) =>
      name === "errorCode" || (each.type === "array" && each.default === emptyDefault && carriesError(each)),
  )
}
