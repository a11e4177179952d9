/**
 * The README's records by clients of Kafka, run as they stand there: only the address is replaced, and the console consumer is told when to stop.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Check } from "../check.js"
import { kafkaScripts } from "../kafka.js"
import { expect, npmPackages, onPath, repository, runOk, Skip } from "../work.js"

const readmeAddress = "127.0.0.1:9092"

/** Code blocks of a language in the README's section on clients of Kafka. */
function blocks(language: string, bootstrap: string): string[] {
  const readme = readFileSync(join(repository, "README.md"), "utf8")
  const section = /## Clients of Kafka\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ""
  return [...section.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map((block) =>
    block[1]!.replaceAll(readmeAddress, bootstrap),
  )
}

function block(language: string, word: string, bootstrap: string): string {
  const found = blocks(language, bootstrap).find((text) => text.includes(word))
  expect(found !== undefined, `the README has no ${language} block with ${word}`)
  return found
}

export const readmeChecks: readonly Check[] = [
  {
    name: "readme-kcat",
    about: "the README's kcat lines",
    async run({ bootstrap }) {
      if (!onPath("kcat")) throw new Skip("kcat is not on PATH")
      const output = await runOk("sh", ["-euc", block("sh", "kcat", bootstrap)])
      expect(output.includes("hello world\n"), `printed ${output}`)
      return undefined
    },
  },
  {
    name: "readme-kafkajs",
    about: "the README's kafkajs program",
    async run({ bootstrap }) {
      const directory = await npmPackages("npm", ["kafkajs@2.2.4", "@platformatic/kafka@1.35.0"])
      const program = join(directory, "readme.mjs")
      writeFileSync(program, block("js", "kafkajs", bootstrap))
      try {
        await runOk(process.execPath, [program], { cwd: directory })
      } finally {
        rmSync(program)
      }
      return undefined
    },
  },
  {
    name: "readme-kafka-console",
    about: "the README's console tools",
    async run({ bootstrap }) {
      const path = `${join(await kafkaScripts(), "bin")}:${process.env.PATH}`
      const [produce, consume] = block("sh", "kafka-console", bootstrap).trim().split("\n") as [string, string]
      await runOk("sh", ["-euc", produce], { env: { PATH: path }, input: "from the console\n" })
      const output = await runOk("sh", ["-euc", `${consume} --max-messages 1`], { env: { PATH: path } })
      expect(output.trim() !== "", "the console consumer printed nothing")
      return undefined
    },
  },
]
