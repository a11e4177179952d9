/**
 * Frames: a size, a header and a message, for requests and responses.
 *
 * Owns which header goes with which version, so that nobody else chooses one. Cutting a stream into frames is the work of `net/`.
 */
import { MalformedError, type Reader } from "../base/reader.js"
import { Writer } from "../base/writer.js"
import type { FileRegion } from "../env/env.js"
import type { Fields, InputOf } from "./field.js"
import type { Api } from "./message.js"
import { requestHeader, responseHeader } from "./messages/headers.js"
import { apiByKey } from "./messages/index.js"

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
  /** Undefined for a key that is not declared. Whether it supports the version is for the caller to ask. */
  readonly api: Api | undefined
}

/**
 * Reads the header of a request; the reader then stands at the body. Versions that are not supported have a header too: ApiVersions has
 * to answer them. An unknown key is read as version 1.
 * Errors: MalformedError.
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  const start = reader.position
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  reader.position = start
  if (apiVersion < 0) throw new MalformedError(`version ${apiVersion} of API ${apiKey}`)
  const api = apiByKey(apiKey)
  const { correlationId, clientId } = requestHeader.read(reader, api?.requestHeaderVersion(apiVersion) ?? 1)
  return { apiKey, apiVersion, correlationId, clientId, api }
}

export function decodeResponseHeader<Q extends Fields, S extends Fields>(
  reader: Reader,
  api: Api<Q, S>,
  version: number,
): { correlationId: number } {
  return responseHeader.read(reader, api.responseHeaderVersion(version))
}

/** A whole request frame, size included. Errors: EncodeError if the version cannot carry the value. */
export function encodeRequest<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
  correlationId: number,
  clientId: string | null,
  request: InputOf<Q>,
): (Buffer | FileRegion)[] {
  const writer = new Writer<FileRegion>()
  writer.int32(0)
  const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId }
  requestHeader.encode(writer, header, api.requestHeaderVersion(version))
  api.request.encode(writer, request, version)
  return finishFrame(writer)
}

/** A whole response frame, size included; records are passed on by reference. Errors: EncodeError if the version cannot carry the value. */
export function encodeResponse<Q extends Fields, S extends Fields>(
  api: Api<Q, S>,
  version: number,
  correlationId: number,
  response: InputOf<S>,
): (Buffer | FileRegion)[] {
  const writer = new Writer<FileRegion>()
  writer.int32(0)
  responseHeader.encode(writer, { correlationId }, api.responseHeaderVersion(version))
  api.response.encode(writer, response, version)
  return finishFrame(writer)
}

function finishFrame(writer: Writer<FileRegion>): (Buffer | FileRegion)[] {
  writer.patchInt32(0, writer.length - 4)
  return writer.finish()
}
