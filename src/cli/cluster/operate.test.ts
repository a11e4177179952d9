import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { type ClusterWorld, inClusterWorld } from "../../broker/testing/cluster-world.js"
import { ClientCore } from "../../client/core.js"
import { ClientError } from "../../client/errors.js"
import { createTopics } from "../../protocol/messages/create-topics.js"
import {
  type ReassignFlags,
  addController,
  balance,
  drain,
  reassign,
  removeBroker,
  removeController,
} from "./change.js"
import { readState } from "./cluster-state.js"
import { CommandError } from "../errors.js"
import { brokers, health, quorum } from "./look.js"
import { commandFor } from "./restart-command.js"
import { rollingRestart, type Step } from "./rolling-restart.js"
import type { Session } from "./session.js"

const voters = [1, 2, 3]
const moving = { dryRun: false, concurrency: 5, timeout: 60 }
const noWay: ReassignFlags = { ...moving, cancel: false, list: false }

/** Three nodes that vote and a broker beside them, a topic, and an operator. */
async function operating(
  story: (t: ClusterWorld, session: Session & { lines: string[] }) => Promise<void>,
): Promise<void> {
  await inClusterWorld([1, 2, 3, 4], async (t) => {
    await t.startAll(settings(t), voters)
    await t.start(4, { ...settings(t), "process.roles": "broker" })
    const { env } = t.clients
    const client = new ClientCore(env, { bootstrap: `${t.addressOf(1)}:9092` })
    const admin = client.admin({ timeoutMs: 15_000 })
    const lines: string[] = []
    const created = await t.ask(1, createTopics, {
      topics: [
        {
          name: "t",
          numPartitions: 8,
          replicationFactor: 3,
          assignments: [],
          configs: [{ name: "min.insync.replicas", value: "2" }],
        },
      ],
      timeoutMs: 1000,
    })
    assert.equal(created.topics[0]!.errorCode, 0)
    await story(t, { admin, env, say: (line) => lines.push(line), lines })
    await client.close()
  })
}

const settings = (t: ClusterWorld) => ({ "controller.quorum.bootstrap.servers": t.servers(voters) })

const refusedWith = (work: Promise<unknown>, pattern: RegExp) =>
  assert.rejects(
    work,
    (error: Error) => (error instanceof CommandError || error instanceof ClientError) && pattern.test(error.message),
  )

test("health, brokers and quorum tell what there is; a dead broker is seen in each", async () => {
  await operating(async (t, session) => {
    assert.deepEqual((await health(session)).text.at(-1), "healthy")
    assert.equal((await brokers(session)).text.length, 5)
    assert.match((await quorum(session)).text.join("\n"), /3 voters \(majority 2\).*4 +observer/s)
    t.crash(3)
    const sick = await t.until("it is noticed", async () => {
      const told = await health(session)
      return told.exitCode === 1 && /fenced/.test(told.text.join()) ? told : undefined
    })
    assert.match(sick.text.join("\n"), /1 broker fenced.*with replicas that are not in sync.*not healthy/s)
    assert.match((await brokers(session)).text.join("\n"), /3 .* fenced +0 /)
  })
})

test("a drained broker holds nothing, is forgotten once it is stopped, and comes back to its share", async () => {
  await operating(async (t, session) => {
    await refusedWith(removeBroker(session, { dryRun: false }, 4), /broker 4 holds .*ottla cluster drain 4/)
    const planned = await drain(session, { ...moving, dryRun: true }, 4)
    assert.match(planned.text.at(-1)!, /partitions would move/)
    await drain(session, moving, 4)
    assert.ok((await readState(session.admin)).partitions.every(({ replicas }) => !replicas.includes(4)))
    await refusedWith(removeBroker(session, { dryRun: false }, 4), /is running: stop it first/)
    await t.stop(4)
    await t.until("it is fenced", async () =>
      (await readState(session.admin)).brokers.find(({ id }) => id === 4)?.fenced ? true : undefined,
    )
    await removeBroker(session, { dryRun: false }, 4)
    assert.deepEqual(
      (await readState(session.admin)).brokers.map(({ id }) => id),
      voters,
    )
    assert.equal((await drain(session, moving, 4)).exitCode, 3)
    await t.start(4, { ...settings(t), "process.roles": "broker" })
    await balance(session, { ...moving, leadersOnly: false })
    const state = await readState(session.admin)
    assert.equal(state.partitions.filter(({ replicas }) => replicas.includes(4)).length, 6)
    assert.equal((await health(session)).exitCode, 0)
    for (const { leader, replicas } of state.partitions) assert.equal(leader, replicas[0])
  })
})

test("too few brokers to take its replicas: a drain is refused before anything moves", async () => {
  await operating(async (t, session) => {
    t.crash(3)
    await t.until("it is fenced", async () =>
      (await readState(session.admin)).brokers.find(({ id }) => id === 3)?.fenced ? true : undefined,
    )
    await refusedWith(drain(session, moving, 4), /needs 3 replicas, and only 2 brokers are left/)
  })
})

test("a plan in Kafka's form is carried out; what it cannot mean is refused by name", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ottla-plan-"))
  const file = (partitions: unknown) => {
    const path = join(directory, "plan.json")
    writeFileSync(path, JSON.stringify({ version: 1, partitions }))
    return path
  }
  try {
    await operating(async (_t, session) => {
      const run = (partitions: unknown) => reassign(session, { ...noWay, plan: file(partitions) })
      await run([{ topic: "t", partition: 0, replicas: [4, 3, 2] }])
      assert.deepEqual((await readState(session.admin)).partitions[0]!.replicas, [4, 3, 2])
      await refusedWith(run([{ topic: "t", partition: 0, replicas: [1, 9] }]), /t-0: there is no broker 9/)
      await refusedWith(run([{ topic: "t", partition: 99, replicas: [1] }]), /no partition t-99/)
      await refusedWith(run([{ topic: "t", partition: 0, replicas: [1, 1] }]), /named twice/)
      await assert.rejects(run([{ topic: "t", partition: "0", replicas: [1] }]), /is no partition with its replicas/)
      await assert.rejects(reassign(session, noWay), /say one of --plan/)
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test("what is on its way is listed, and taken back", async () => {
  await operating(async (t, session) => {
    const [first] = (await readState(session.admin)).partitions
    const stranger = [1, 2, 3, 4].find((id) => !first!.replicas.includes(id))!
    t.crash(stranger)
    await session.admin.alterPartitionReassignments([
      { topic: "t", partition: 0, replicas: [...first!.replicas.slice(0, 2), stranger] },
    ])
    assert.match(
      (await reassign(session, { ...noWay, list: true })).text.join("\n"),
      new RegExp(`t-0 .* ${stranger} +\\d`),
    )
    assert.deepEqual((await reassign(session, { ...noWay, cancel: true })).data, { cancelled: 1 })
    assert.deepEqual((await reassign(session, { ...noWay, list: true })).text, ["nothing is being reassigned"])
    assert.deepEqual((await readState(session.admin)).partitions[0]!.replicas, first!.replicas)
  })
})

test("every node is restarted while all that was acknowledged stays writable, the leader of the quorum last", async () => {
  await operating(async (t, session) => {
    const leader = (await session.admin.describeQuorum()).leaderId
    const restart = async ({ id }: Step) => {
      await t.stop(id)
      await t.start(id, id === 4 ? { ...settings(t), "process.roles": "broker" } : settings(t))
    }
    const options = { only: undefined, restart, timeoutMs: 120_000, acceptUnavailability: false }
    const restarted = await rollingRestart(session.admin, options, session)
    assert.deepEqual([...restarted].sort(), [1, 2, 3, 4])
    assert.equal(restarted.at(-1), leader)
    assert.equal((await health(session)).exitCode, 0)
  })
})

test("a rolling restart begins not while something is wrong, skips no safety, and sees through a command that does nothing", async () => {
  await operating(async (t, session) => {
    const never = () => assert.fail("restarted all the same")
    const options = { only: undefined, restart: never, timeoutMs: 3000, acceptUnavailability: false }
    await refusedWith(
      rollingRestart(session.admin, { ...options, only: [2], restart: async () => {} }, session),
      /node 2 did not stop: does --restart restart it/,
    )
    await session.admin.alterPartitionReassignments([{ topic: "t", partition: 0, replicas: [1] }])
    await t.passTime(1000)
    await refusedWith(
      rollingRestart(session.admin, { ...options, only: [1] }, session),
      /node 1 cannot be missed: 1 partition would have no leader \(t-0\)/,
    )
    t.crash(2)
    await t.passTime(5000)
    await refusedWith(
      rollingRestart(session.admin, options, session),
      /before anything is restarted the cluster is not healthy: .*fenced/,
    )
    await refusedWith(rollingRestart(session.admin, { ...options, only: [77] }, session), /no node 77/)
  })
})

test("a controller is taken out of the voters and let in again; the last ready majority is kept", async () => {
  await operating(async (t, session) => {
    const dryRun = false
    await removeController(session, { dryRun }, 3)
    assert.match((await quorum(session)).text.join("\n"), /2 voters.*3 +observer/s)
    const added = await addController(session, { dryRun, at: `CONTROLLER://${t.controllerServer(3)}` }, 3)
    assert.deepEqual(added.text, ["node 3 votes"])
    await refusedWith(
      addController(session, { dryRun, at: `CONTROLLER://${t.controllerServer(3)}` }, 3),
      /votes already/,
    )
    assert.equal((await addController(session, { dryRun, at: "h:1" }, 9)).exitCode, 3)
    assert.equal((await removeController(session, { dryRun }, 4)).exitCode, 3)
    t.crash(2)
    await t.passTime(10_000)
    await refusedWith(removeController(session, { dryRun }, 3), /needs 2, and 1 are there: bring 2 back first/)
    await removeController(session, { dryRun }, 2)
  })
})

test("a host that is more than a host never reaches the shell", () => {
  const step = { id: 2, ids: [2], address: { host: "10.0.0.2", port: 1 } }
  assert.equal(commandFor("ssh {host} restart {id} {id}", step), "ssh 10.0.0.2 restart 2 2")
  assert.throws(
    () => commandFor("ssh {host}", { ...step, address: { host: "$(rm -rf x)", port: 1 } }),
    /is no host name/,
  )
})
