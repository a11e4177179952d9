import assert from "node:assert/strict"
import { test } from "node:test"
import { idOf } from "../controller/testing/cluster-test.js"
import { Errors } from "../protocol/errors.js"
import { apiVersions } from "../protocol/messages/api-versions.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { updateFeatures } from "../protocol/messages/update-features.js"
import { type ClusterWorld, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]
const diskOf = (id: number) => idOf("disk", id)

/** As `kafka-storage format` leaves a directory where nobody said who the first controllers are. */
async function format(t: ClusterWorld, id: number): Promise<void> {
  const { disk } = t.of(id).machine.env
  await disk.makeDirectory("/data")
  const file = await disk.open("/data/meta.properties", { create: true })
  const lines = ["version=1", `cluster.id=${idOf("cluster", 1)}`, `node.id=${id}`, `directory.id=${diskOf(id)}`, ""]
  await file.write([Buffer.from(lines.join("\n"))], 0)
  await file.sync()
  await file.close()
}

async function inStaticWorld(story: (t: ClusterWorld, settings: Record<string, string>) => Promise<void>) {
  await inClusterWorld(ids, async (t) => {
    for (const id of ids) await format(t, id)
    const settings = { "controller.quorum.voters": t.voters(ids) }
    await t.startAll(settings)
    await story(t, settings)
  })
}

async function levelToldBy(t: ClusterWorld, id: number): Promise<number | undefined> {
  const { finalizedFeatures } = await t.ask(id, apiVersions, { clientSoftwareName: "a", clientSoftwareVersion: "1" })
  return finalizedFeatures.find(({ name }) => name === "kraft.version")?.maxVersionLevel
}

async function setLevel(t: ClusterWorld, id: number, maxVersionLevel: number, upgradeType = 1) {
  const featureUpdates = [{ feature: "kraft.version", maxVersionLevel, upgradeType, allowDowngrade: false }]
  return t.ask(id, updateFeatures, { timeoutMs: 5000, featureUpdates, validateOnly: false })
}

async function quorum(t: ClusterWorld, id: number) {
  const topics = [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }]
  return (await t.ask(id, describeQuorum, { topics })).topics[0]!.partitions[0]!
}

test("voters of the configuration become voters known by their disks, while the cluster runs, and remain so (KIP-853)", () =>
  inStaticWorld(async (t, settings) => {
    assert.equal(await levelToldBy(t, 1), undefined)
    const upgraded = await setLevel(t, 1, 1)
    assert.deepEqual([upgraded.errorCode, upgraded.errorMessage], [Errors.NONE, null])
    for (const id of ids)
      await t.until(`node ${id} knows`, async () => ((await levelToldBy(t, id)) === 1 ? true : undefined))
    const { leaderId, currentVoters } = await quorum(t, 1)
    assert.deepEqual(
      new Map(currentVoters.map(({ replicaId, replicaDirectoryId }) => [replicaId, replicaDirectoryId])),
      new Map(ids.map((id) => [id, diskOf(id)])),
    )
    assert.equal((await setLevel(t, 2, 1)).errorCode, Errors.NONE)
    const back = await setLevel(t, 2, 0, 3)
    assert.equal(back.errorCode, Errors.INVALID_UPDATE_VERSION)
    assert.match(back.errorMessage!, /cannot become voters of the configuration again/)
    // Votes are given and counted by disks.
    t.crash(leaderId)
    const other = ids.find((id) => id !== leaderId)!
    const next = await t.until("another leads", async () => {
      const { leaderId: now } = await quorum(t, other)
      return now > 0 && now !== leaderId ? now : undefined
    })
    await t.start(leaderId, settings)
    assert.equal(await levelToldBy(t, leaderId), 1)
    t.crash(next)
    await t.until("the one that was away can lead, or its peer", async () => {
      const { leaderId: now } = await quorum(t, leaderId)
      return now > 0 && now !== next ? true : undefined
    })
  }))

test("without all voters the upgrade is refused, says who is missing, and changes nothing", () =>
  inStaticWorld(async (t) => {
    const { leaderId } = await quorum(t, 1)
    const missing = ids.find((id) => id !== leaderId)!
    t.crash(missing)
    await t.passTime(3000)
    const refused = await setLevel(t, leaderId, 1)
    assert.equal(refused.errorCode, Errors.INVALID_UPDATE_VERSION)
    assert.match(refused.errorMessage!, new RegExp(`Voter ${missing} is not there`))
    assert.equal(await levelToldBy(t, leaderId), undefined)
  }))
