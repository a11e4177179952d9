import assert from "node:assert/strict"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { RaftTest } from "./testing/raft-test.js"

// Each file in testdata/ is a story: rules (#), commands (>), and what happens, which `UPDATE_TRACES=1` writes anew. To tell another one, write a file with commands only.

const folder = join(process.cwd(), "src/raft/testdata")

const kinds: Record<string, string> = {
  vote: "vote",
  fetch: "fetch",
  begin: "beginQuorumEpoch",
  end: "endQuorumEpoch",
}

const each = (ids: readonly string[], act: (id: number) => void): void => {
  for (const id of ids) act(Number(id))
}

const commands: Record<string, (raft: RaftTest, words: string[], say: (line: string) => void) => void> = {
  start: (raft, ids) => each(ids, (id) => raft.start(id)),
  // Node 1 leads, and everybody follows.
  begin: (raft) => {
    raft.startAll()
    raft.settle()
    raft.stand(1)
    raft.settle()
  },
  stand: (raft, [id]) => raft.stand(Number(id)),
  tick: (raft, [id]) => raft.tick(Number(id)),
  pass: (raft, [ms]) => raft.pass(Number(ms)),
  // With a word before it only what belongs to such a request.
  deliver: (raft, words) => {
    let kind: string | undefined
    for (const word of words) {
      if (!word.includes("->")) {
        kind = kinds[word]
        continue
      }
      const [from, to] = word.split("->").map(Number)
      assert.ok(raft.deliver(from!, to!, kind), `nothing is under way from ${from} to ${to}`)
    }
  },
  settle: (raft) => raft.settle(),
  drop: (raft, ways) => {
    for (const way of ways) {
      const [from, to] = way.split("->").map(Number)
      raft.drop(from!, to!)
    }
  },
  crash: (raft, ids) => each(ids, (id) => raft.crash(id)),
  append: (raft, [id, value]) => raft.append(Number(id), value!),
  slow: (raft, ids) =>
    each(ids, (id) => {
      raft.node(id).slowDisk = true
    }),
  sync: (raft, ids) => each(ids, (id) => raft.sync(id)),
  resign: (raft, [id]) => raft.resign(Number(id)),
  voters: (raft, [id, voters]) => raft.setVoters(Number(id), voters!.split(",").map(Number)),
  show: (raft, _words, say) => {
    for (const id of raft.nodes.keys()) say(raft.stateText(id))
  },
}

/** The text with what follows from its commands. */
function play(text: string): string {
  const lines: string[] = []
  const say = (line: string) => lines.push(`    ${line}`)
  let raft: RaftTest | undefined
  for (const line of text.split("\n")) {
    if (line.startsWith("    ")) continue
    lines.push(line)
    if (!line.startsWith("> ")) continue
    const isQuiet = line.startsWith("> quietly ")
    const [name, ...words] = line.slice(isQuiet ? 10 : 2).split(" ")
    if (name === "voters" && raft === undefined) {
      const [voters, observers] = [words[0]!, words[2] ?? ""].map((list) => list.split(",").filter(Boolean).map(Number))
      raft = new RaftTest({ voters: voters!, observers: observers!, say })
    } else {
      const command = commands[name!]
      assert.ok(command !== undefined && raft !== undefined, `no command: ${line}`)
      raft.isQuiet = isQuiet
      command(raft, words, say)
    }
  }
  return lines.join("\n")
}

for (const name of readdirSync(folder).filter((each) => each.endsWith(".txt"))) {
  test(`trace: ${name.slice(0, -4).replaceAll("-", " ")}`, () => {
    const file = join(folder, name)
    const text = readFileSync(file, "utf8")
    const played = play(text)
    if (process.env.UPDATE_TRACES === "1") writeFileSync(file, played)
    else assert.equal(played, text, `${name} is not what happens; UPDATE_TRACES=1 writes it anew`)
  })
}
