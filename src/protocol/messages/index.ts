/**
 * All declared APIs, by key.
 *
 * Owns the list, from which ApiVersions, documentation and generated tests come. An API that is not in it does not exist.
 */
import type { Api } from "../message.js"
import { apiVersions } from "./api-versions.js"
import { fetch } from "./fetch.js"
import { metadata } from "./metadata.js"
import { produce } from "./produce.js"

/** Ascending by key. */
export const apis: readonly Api[] = [produce, fetch, metadata, apiVersions].sort((a, b) => a.key - b.key)

const byKey: readonly (Api | undefined)[] = apis.reduce<(Api | undefined)[]>((table, api) => {
  table[api.key] = api
  return table
}, [])

export const apiByKey = (key: number): Api | undefined => byKey[key]
