/**
 * The settings of the brokers of one machine, one for each core, from those of the machine.
 *
 * Owns how ids, ports and directories of the others follow from the first one's, which is as if it were alone: its files are those of a machine with one broker. Placement treats
 * them as one machine (`ottla.machine.id`), and only the first may be a controller: more would be lost with the machine all the same.
 */
import type { ListenerEndpoint } from "../config/listeners.js"
import type { ServerConfig } from "../config/server-config.js"

/** Between the ids of two brokers of a machine, so that machines may be numbered 1, 2, 3. */
export const brokerIdStride = 1000
/** Between the ports of two brokers of a machine. */
export const brokerPortStride = 10
/** More threads than this gain nothing. */
export const brokersPerMachineMax = 64
/** Where controllers are looked for on a machine that is told of none. */
const ownControllerPort = 9093

export type Overrides = Readonly<Record<string, string>>

/** Settings to put over those of the machine, for each of its brokers. */
export function brokersOfMachine(config: ServerConfig, count: number): Overrides[] {
  const { nodeId, listeners, quorum } = config
  const isAlone = quorum.voters.length === 0 && quorum.bootstrapServers.length === 0
  const controllerName = listeners.controllerListenerNames[0] ?? "CONTROLLER"
  const hasControllerListener = listeners.listeners.some(({ name }) => name === controllerName)
  const voters = isAlone
    ? { "controller.quorum.voters": `${nodeId}@127.0.0.1:${ownControllerPort}` }
    : ({} as Record<string, string>)
  const machine = { ...voters, "ottla.machine.id": config.string("ottla.machine.id") ?? `machine-${nodeId}` }
  const own = listeners.listeners
  const first: Overrides = {
    ...machine,
    ...(isAlone &&
      !hasControllerListener && {
        listeners: [...own.map(endpointText), `${controllerName}://127.0.0.1:${ownControllerPort}`].join(","),
      }),
  }
  const clientListeners = own.filter(({ name }) => !listeners.controllerListenerNames.includes(name))
  const others = Array.from({ length: count - 1 }, (_, index): Overrides => {
    const id = nodeId + (index + 1) * brokerIdStride
    const shifted = (endpoints: readonly ListenerEndpoint[]) =>
      endpoints
        .map((endpoint) =>
          endpointText({ ...endpoint, port: endpoint.port && endpoint.port + (index + 1) * brokerPortStride }),
        )
        .join(",")
    return {
      ...machine,
      "process.roles": "broker",
      "node.id": String(id),
      ...(config.values.has("broker.id") && { "broker.id": String(id) }),
      listeners: shifted(clientListeners),
      ...(config.values.has("advertised.listeners") && { "advertised.listeners": shifted(listeners.advertised) }),
      "log.dirs": config.logDirs.map((directory) => `${directory.replace(/\/+$/, "")}-${id}`).join(","),
    }
  })
  return [first, ...others]
}

const endpointText = ({ name, host, port }: ListenerEndpoint): string =>
  `${name}://${host.includes(":") ? `[${host}]` : host}:${port}`
