/**
 * One check per client library and group protocol, and for some one whose broker does not survive.
 *
 * Owns their names. What happens in them is story.ts.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { BrokerProcess } from "../broker-process.js"
import type { Check, CheckContext } from "../check.js"
import { KafkaProcess } from "../kafka.js"
import { freePort, temporaryDirectory } from "../work.js"
import { goClients } from "./go.js"
import { java } from "./java.js"
import { javascriptClients } from "./javascript.js"
import { pythonClients } from "./python.js"
import { rust } from "./rust.js"
import { type GroupClient, tellOfBroker, tellOfMembers } from "./story.js"

const clients: readonly GroupClient[] = [...javascriptClients, java, ...goClients, ...pythonClients, rust]

type Protocol = GroupClient["protocols"][number]

const forEachProtocol = (client: GroupClient, make: (suffix: string, protocol: Protocol) => Check): readonly Check[] =>
  client.protocols.map((protocol) =>
    make(`${client.name}${client.protocols.length > 1 ? `-${protocol.replace(" ", "-")}` : ""}`, protocol),
  )

const memberChecks = clients.flatMap((client) =>
  forEachProtocol(client, (suffix, protocol) => ({
    name: `group-${suffix}`,
    about: `${client.about}, ${protocol} protocol`,
    ...(client.needsCalm !== undefined && { needsCalm: client.needsCalm }),
    run: (context) => tellOfMembers(context, client, protocol),
  })),
)

/**
 * One of each breed: they differ in how they look for a coordinator that was away. Not platformatic, which does not survive it on Apache
 * Kafka either: it misreads the tagged fields of a fetch from a leader of a newer epoch, and does not tell what it lost.
 */
const namesOfThoseWhoseBrokerIsKilled = ["ottla", "kafkajs", "confluent-kafka-python", "java", "franz-go"]

async function overKills({ against, brokerSettings }: CheckContext, client: GroupClient, protocol: Protocol) {
  const dataDirectory = join(temporaryDirectory("group"), "data")
  mkdirSync(dataDirectory)
  const port = await freePort()
  const start = () =>
    against === "kafka"
      ? KafkaProcess.start(dataDirectory, brokerSettings, { port })
      : BrokerProcess.start({ port, dataDirectory, settings: brokerSettings })
  let broker = await start()
  const killAndStart = async () => {
    await broker.kill()
    broker = await start()
  }
  try {
    return await tellOfBroker({ bootstrap: broker.bootstrap, killAndStart }, client, protocol)
  } catch (error) {
    throw broker.isAlive ? error : new Error(`the broker died:\n${broker.output}`)
  } finally {
    await broker.kill()
  }
}

const brokerChecks = clients
  .filter(({ name }) => namesOfThoseWhoseBrokerIsKilled.includes(name))
  .flatMap((client) =>
    forEachProtocol(client, (suffix, protocol) => ({
      name: `group-over-kills-${suffix}`,
      about: `${client.about}, ${protocol} protocol`,
      needsBroker: false,
      run: (context) => overKills(context, client, protocol),
    })),
  )

export const groupChecks: readonly Check[] = [...memberChecks, ...brokerChecks]
