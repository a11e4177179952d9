/**
 * The story told by Kafka's own client, of the release the broker is compared with.
 *
 * Owns how its program is compiled and started.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { javaClassPath, javaOptions, kafkaVersion } from "../kafka.js"
import { onPath, runOk, Skip, workDirectory } from "../work.js"
import { membersDirectory } from "./javascript.js"
import type { GroupClient } from "./story.js"

export const java: GroupClient = {
  name: "java",
  about: `Apache Kafka's Java client ${kafkaVersion}`,
  protocols: ["classic", "classic cooperative", "consumer"],
  async prepare() {
    const libraries = await javaClassPath()
    if (!onPath("javac")) throw new Skip("javac is missing")
    const classes = join(workDirectory, "java-member")
    mkdirSync(classes, { recursive: true })
    await runOk("javac", ["-cp", libraries, "-d", classes, join(membersDirectory, "Member.java")], {
      timeoutMs: 60_000,
    })
    return (args) => ({
      command: "java",
      args: [...javaOptions, "-Xmx96m", "-cp", `${classes}:${libraries}`, "Member", ...args],
    })
  },
}
