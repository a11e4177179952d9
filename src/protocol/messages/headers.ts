/**
 * Headers before every request and response. Flexible versions of an API have the flexible header, with one exception: ApiVersions
 * responses keep version 0 (`Api.responseHeaderVersion`).
 */
import { int16, int32, string } from "../field.js"
import { message } from "../message.js"

export const requestHeader = message({
  name: "RequestHeader",
  versions: "1-2",
  flexible: "2+",
  fields: {
    requestApiKey: int16(),
    requestApiVersion: int16(),
    correlationId: int32(),
    // Keeps its int16 length in version 2: a broker reads it of versions it does not know.
    clientId: string({ nullableVersions: "1+", flexible: "none" }),
  },
})

export const responseHeader = message({
  name: "ResponseHeader",
  versions: "0-1",
  flexible: "1+",
  fields: {
    correlationId: int32(),
  },
})
