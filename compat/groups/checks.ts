/**
 * One check per client library and group protocol.
 *
 * Owns their names. What happens in them is story.ts.
 */
import type { Check } from "../check.js"
import { javascriptClients } from "./javascript.js"
import { goClients } from "./go.js"
import { java } from "./java.js"
import { pythonClients } from "./python.js"
import { rust } from "./rust.js"
import { type GroupClient, tellStory } from "./story.js"

const clients: readonly GroupClient[] = [...javascriptClients, java, ...goClients, ...pythonClients, rust]

export const groupChecks: readonly Check[] = clients.flatMap((client) =>
  client.protocols.map((protocol) => ({
    name: `group-${client.name}${client.protocols.length > 1 ? `-${protocol.replace(" ", "-")}` : ""}`,
    about: `${client.about}, ${protocol} protocol`,
    run: (context) => tellStory(context, client, protocol),
  })),
)
