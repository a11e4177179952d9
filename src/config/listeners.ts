/**
 * Where a broker listens and what it tells others: `listeners`, `advertised.listeners` and the names around them.
 *
 * Owns the grammar `NAME://host:port` and the rules between these settings. Source: Kafka's SocketServerConfigs, KafkaConfig.
 */
export type SecurityProtocol = "PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL"

export interface ListenerEndpoint {
  /** Upper case. */
  readonly name: string
  readonly protocol: SecurityProtocol
  /** Without brackets. Empty: every interface. */
  readonly host: string
  readonly port: number
}

export interface Listeners {
  /** All sockets to open, for clients and for controllers. */
  readonly listeners: readonly ListenerEndpoint[]
  /** What clients and other brokers are told; none of the controllers'. */
  readonly advertised: readonly ListenerEndpoint[]
  /** Where controllers are told to be reached, where that is not where they listen. */
  readonly advertisedControllers: readonly ListenerEndpoint[]
  readonly controllerListenerNames: readonly string[]
  readonly interBrokerListenerName: string
}

export interface ListenerSettings {
  readonly listeners: readonly string[]
  /** Undefined: the same as `listeners`. */
  readonly advertised: readonly string[] | undefined
  readonly protocolMap: string
  /** The map was given, so nothing is added to it. */
  readonly protocolMapIsSet: boolean
  readonly controllerListenerNames: readonly string[]
  readonly interBrokerListenerName: string | undefined
  readonly interBrokerProtocol: string
}

const protocols: readonly SecurityProtocol[] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
const endpointPattern = /^([A-Za-z0-9_.-]+):\/\/(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]/\s]*)):(\d{1,5})$/
const anyInterface = new Set(["0.0.0.0", "::", "0:0:0:0:0:0:0:0"])

/** Everything wrong goes to `errors` as a sentence that names the setting; the result is usable only if none was added. */
export function resolveListeners(settings: ListenerSettings, errors: string[]): Listeners {
  const protocolOf = readProtocolMap(settings, errors)
  const controllerNames = settings.controllerListenerNames.map((name) => name.toUpperCase())
  const listeners = readEndpoints("listeners", settings.listeners, protocolOf, errors)
  checkPorts(listeners, errors)

  const given = settings.advertised
  const isControllers = ({ name }: ListenerEndpoint) => controllerNames.includes(name)
  const told = given === undefined ? [] : readEndpoints("advertised.listeners", given, protocolOf, errors)
  const advertised = (given === undefined ? listeners : told).filter((endpoint) => !isControllers(endpoint))
  const names = new Set(listeners.map(({ name }) => name))
  if (given !== undefined) {
    for (const { name, host } of told) {
      if (!names.has(name))
        errors.push(`advertised.listeners: ${name} is not one of listeners (${[...names].join(", ")})`)
      if (anyInterface.has(host) || host === "") {
        errors.push(
          `advertised.listeners: ${name} names no host that a client can connect to; give a host name or an address`,
        )
      }
    }
  }

  const byProtocol = advertised.find(({ protocol }) => protocol === settings.interBrokerProtocol)
  const interBrokerListenerName = (
    settings.interBrokerListenerName ??
    byProtocol?.name ??
    advertised[0]?.name ??
    "PLAINTEXT"
  ).toUpperCase()
  if (
    settings.interBrokerListenerName !== undefined &&
    !advertised.some(({ name }) => name === interBrokerListenerName)
  ) {
    const known = advertised.map(({ name }) => name).join(", ")
    errors.push(
      `inter.broker.listener.name: ${interBrokerListenerName} is not one of the advertised listeners (${known})`,
    )
  }
  return {
    listeners,
    advertised,
    advertisedControllers: told.filter(isControllers),
    controllerListenerNames: controllerNames,
    interBrokerListenerName,
  }
}

function readProtocolMap(settings: ListenerSettings, errors: string[]): ReadonlyMap<string, SecurityProtocol> {
  const found = new Map<string, SecurityProtocol>()
  for (const pair of settings.protocolMap.split(",")) {
    if (pair.trim() === "") continue
    const [name, protocol, ...more] = pair.split(":").map((part) => part.trim().toUpperCase())
    if (!name || more.length > 0 || !protocols.includes(protocol as SecurityProtocol)) {
      errors.push(
        `listener.security.protocol.map: ${pair.trim()} is not NAME:PROTOCOL with one of ${protocols.join(", ")}`,
      )
    } else if (found.has(name)) errors.push(`listener.security.protocol.map: ${name} is there twice`)
    else found.set(name, protocol as SecurityProtocol)
  }
  // As in Kafka, a controller listener needs no entry of its own while the map is left alone.
  if (!settings.protocolMapIsSet) {
    for (const name of settings.controllerListenerNames) {
      if (!found.has(name.toUpperCase())) found.set(name.toUpperCase(), "PLAINTEXT")
    }
  }
  return found
}

function readEndpoints(
  setting: string,
  texts: readonly string[],
  protocolOf: ReadonlyMap<string, SecurityProtocol>,
  errors: string[],
): ListenerEndpoint[] {
  const found: ListenerEndpoint[] = []
  for (const text of texts) {
    const match = endpointPattern.exec(text)
    const port = Number(match?.[4])
    if (match === null || port > 65535) {
      errors.push(`${setting}: ${text} is not NAME://host:port, for example PLAINTEXT://127.0.0.1:9092`)
      continue
    }
    const name = match[1]!.toUpperCase()
    const protocol = protocolOf.get(name)
    if (protocol === undefined) {
      errors.push(
        `${setting}: no security protocol for ${name}; add ${name}:PLAINTEXT to listener.security.protocol.map`,
      )
    } else if (found.some((other) => other.name === name)) errors.push(`${setting}: ${name} is there twice`)
    else found.push({ name, protocol, host: match[2] ?? match[3]!, port })
  }
  return found
}

function checkPorts(listeners: readonly ListenerEndpoint[], errors: string[]): void {
  listeners.forEach((one, index) => {
    const twin = listeners.slice(0, index).find((other) => other.port === one.port && other.host === one.host)
    if (twin !== undefined && one.port !== 0) {
      errors.push(`listeners: ${twin.name} and ${one.name} have the same address and port ${one.port}`)
    }
  })
}
