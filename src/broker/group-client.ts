/**
 * Who makes a request to a group, as groups remember it and tools show it.
 *
 * Owns the way from a connection to Kafka's words for it; what is done with them is the coordinator's.
 */
import type { ClientInfo } from "../coordinator/group/contract.js"
import type { RequestContext } from "./services.js"

export const groupClient = ({ clientId, connection, version }: RequestContext): ClientInfo => ({
  clientId: clientId ?? "",
  clientHost: clientHost(connection.remoteAddress),
  version,
})

/** An address as Java prints one without a name: a slash, and IPv6 in full. */
export function clientHost(address: string): string {
  if (!address.includes(":")) return `/${address}`
  const [text = "", zone] = address.split("%")
  const [head = "", tail] = text.split("::")
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"))
  const [before, after] = [groups(head), groups(tail ?? "")]
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => "0")
  const full = [...before, ...zeros, ...after].map((group) => group.toLowerCase().replace(/^0+(?=.)/, "")).join(":")
  return `/${full}${zone === undefined ? "" : `%${zone}`}`
}
