/**
 * Names of topics and groups for completion, from the cluster that OTTLA_BOOTSTRAP names.
 *
 * Owns how long a shell is kept waiting. Where nobody answers there is nothing to propose.
 */
import { Client } from "../client/index.js"
import { ClientError } from "../client/errors.js"
import { bootstrapServer } from "./flags.js"

const waitMs = 1000

export async function proposals(what: "topic" | "group", partial: string): Promise<string[]> {
  const client = new Client({ bootstrap: bootstrapServer.default, requestTimeoutMs: waitMs })
  try {
    const admin = client.admin({ timeoutMs: waitMs })
    const names =
      what === "topic"
        ? (await admin.listTopics()).map(({ name }) => name)
        : (await admin.listGroups()).map(({ groupId }) => groupId)
    return names.filter((name) => name.startsWith(partial))
  } catch (error) {
    if (error instanceof ClientError) return []
    throw error
  } finally {
    await client.close()
  }
}
