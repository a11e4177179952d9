import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../base/ids.js"
import { errorByCode } from "../protocol/errors.js"
import type { Api, RequestInputOf } from "../protocol/message.js"
import { addRaftVoter } from "../protocol/messages/add-raft-voter.js"
import { allocateProducerIds } from "../protocol/messages/allocate-producer-ids.js"
import { alterPartition } from "../protocol/messages/alter-partition.js"
import { alterPartitionReassignments } from "../protocol/messages/alter-partition-reassignments.js"
import { assignReplicasToDirs } from "../protocol/messages/assign-replicas-to-dirs.js"
import { beginQuorumEpoch } from "../protocol/messages/begin-quorum-epoch.js"
import { brokerHeartbeat } from "../protocol/messages/broker-heartbeat.js"
import { brokerRegistration } from "../protocol/messages/broker-registration.js"
import { createTopics } from "../protocol/messages/create-topics.js"
import { describeQuorum } from "../protocol/messages/describe-quorum.js"
import { endQuorumEpoch } from "../protocol/messages/end-quorum-epoch.js"
import { fetch } from "../protocol/messages/fetch.js"
import { fetchSnapshot } from "../protocol/messages/fetch-snapshot.js"
import { metadata } from "../protocol/messages/metadata.js"
import { offsetForLeaderEpoch } from "../protocol/messages/offset-for-leader-epoch.js"
import { removeRaftVoter } from "../protocol/messages/remove-raft-voter.js"
import { updateRaftVoter } from "../protocol/messages/update-raft-voter.js"
import { vote } from "../protocol/messages/vote.js"
import { metadataTopic, metadataTopicId } from "../raft/raft-log.js"
import { supportedFeatures } from "./features.js"
import { type ClusterWorld, clientPort, controllerPort, inClusterWorld } from "./testing/cluster-world.js"

const ids = [1, 2, 3]
const stranger = "AAAAAAAAAAAAAAAAAAAABQ"

/** What a well-meant request of another node needs to know; each row then says one thing that is wrong. */
async function facts(t: ClusterWorld) {
  const quorum = await t.until("the quorum has a leader", async () => {
    const answer = await t.ask(1, describeQuorum, {
      topics: [{ topicName: metadataTopic, partitions: [{ partitionIndex: 0 }] }],
    })
    const partition = answer.topics[0]!.partitions[0]!
    return partition.errorCode === 0 ? partition : undefined
  })
  const { topics } = await t.ask(1, metadata, {
    topics: null,
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
  const epochs = new Map<number, number>()
  for (const line of t.logLines) {
    const match = /"brokerId":(\d+),"brokerEpoch":(\d+)/.exec(line)
    if (match !== null) epochs.set(Number(match[1]), Number(match[2]))
  }
  const topic = topics.find(({ name }) => name === "t")!
  return { quorum, topic, partition: topic.partitions[0]!, epochs, clusterId: t.of(1).node!.clusterId }
}

type Facts = Awaited<ReturnType<typeof facts>>

interface Row {
  readonly what: string
  readonly api: Api
  readonly request: object
  /** Names of errors, anywhere in the answer, of which one must be there. */
  readonly refused: readonly string[]
  /** A broker's listener; otherwise the active controller's. */
  readonly ofBroker?: number
}

const row = <A extends Api>(
  api: A,
  what: string,
  refused: string,
  request: RequestInputOf<A>,
  ofBroker?: number,
): Row => ({ api, what, refused: refused.split("|"), request, ...(ofBroker !== undefined && { ofBroker }) })

function rows(t: ClusterWorld, { quorum, topic, partition, epochs, clusterId }: Facts): Row[] {
  const { leaderId, leaderEpoch } = quorum
  const follower = ids.find((id) => id !== leaderId)!
  const directoryOf = (id: number) => quorum.currentVoters.find(({ replicaId }) => replicaId === id)!.replicaDirectoryId
  const asked = { cluster: clusterId, epoch: leaderEpoch, candidate: follower, voterDirectory: directoryOf(leaderId) }
  const voteOf = (change: Partial<typeof asked & { lastOffset: number }>): RequestInputOf<typeof vote> => {
    const with_ = { ...asked, lastOffset: quorum.highWatermark + 100, epoch: leaderEpoch + 1, ...change }
    return {
      clusterId: with_.cluster,
      voterId: leaderId,
      topics: [
        {
          topicName: metadataTopic,
          partitions: [
            {
              partitionIndex: 0,
              replicaEpoch: with_.epoch,
              replicaId: with_.candidate,
              replicaDirectoryId: zeroUuid,
              voterDirectoryId: with_.voterDirectory,
              lastOffsetEpoch: 0,
              lastOffset: with_.lastOffset,
              preVote: false,
            },
          ],
        },
      ],
    }
  }
  const leaderSays = (change: Partial<typeof asked>) => {
    const with_ = { ...asked, ...change }
    const partitions = [
      { partitionIndex: 0, voterDirectoryId: with_.voterDirectory, leaderId: follower, leaderEpoch: with_.epoch },
    ]
    return {
      clusterId: with_.cluster,
      voterId: leaderId,
      topics: [{ topicName: metadataTopic, partitions }],
      leaderEndpoints: [],
    }
  }
  const endSays = (change: Partial<typeof asked>) => {
    const { clusterId: cluster, topics, leaderEndpoints } = leaderSays(change)
    const withCandidates = topics.map(({ topicName, partitions }) => ({
      topicName,
      partitions: partitions.map((each) => ({ ...each, preferredSuccessors: [], preferredCandidates: [] })),
    }))
    return { clusterId: cluster, topics: withCandidates, leaderEndpoints }
  }
  const metadataFetch = (change: Partial<typeof asked>): RequestInputOf<typeof fetch> => {
    const with_ = { ...asked, ...change }
    return {
      clusterId: with_.cluster,
      replicaState: { replicaId: follower, replicaEpoch: -1 },
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        {
          topic: metadataTopic,
          topicId: metadataTopicId,
          partitions: [
            {
              partition: 0,
              currentLeaderEpoch: with_.epoch,
              fetchOffset: 0,
              lastFetchedEpoch: 0,
              partitionMaxBytes: 1000,
              replicaDirectoryId: directoryOf(follower),
            },
          ],
        },
      ],
      forgottenTopicsData: [],
    }
  }
  const snapshot = (change: Partial<typeof asked>): RequestInputOf<typeof fetchSnapshot> => {
    const with_ = { ...asked, ...change }
    const snapshotId = { endOffset: 1, epoch: 1 }
    const partitions = [
      { partition: 0, currentLeaderEpoch: with_.epoch, snapshotId, position: 0, replicaDirectoryId: zeroUuid },
    ]
    return { clusterId: with_.cluster, replicaId: follower, topics: [{ name: metadataTopic, partitions }] }
  }
  const listeners = [{ name: "CONTROLLER", host: t.addressOf(follower), port: controllerPort }]
  const updateVoter = (change: Partial<typeof asked>): RequestInputOf<typeof updateRaftVoter> => {
    const with_ = { ...asked, voterDirectory: directoryOf(follower), ...change }
    return {
      clusterId: with_.cluster,
      currentLeaderEpoch: with_.epoch,
      voterId: follower,
      voterDirectoryId: with_.voterDirectory,
      listeners,
      kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
    }
  }
  const registration = (
    change: Partial<RequestInputOf<typeof brokerRegistration>>,
  ): RequestInputOf<typeof brokerRegistration> => ({
    brokerId: 9,
    clusterId,
    incarnationId: stranger,
    listeners: [{ name: "PLAINTEXT", host: "10.9.9.9", port: 9092, securityProtocol: 0 }],
    features: supportedFeatures.map((feature) => ({ ...feature })),
    rack: null,
    logDirs: [stranger],
    ...change,
  })
  const leader = partition.leaderId
  const other = ids.find((id) => id !== leader)!
  const epoch = epochs.get(leader)!
  const isr = (
    brokerEpoch: number,
    change: Partial<RequestInputOf<typeof alterPartition>["topics"][number]["partitions"][number]>,
  ): RequestInputOf<typeof alterPartition> => ({
    brokerId: leader,
    brokerEpoch,
    topics: [
      {
        topicId: topic.topicId,
        partitions: [
          {
            partitionIndex: 0,
            leaderEpoch: partition.leaderEpoch,
            newIsr: [],
            newIsrWithEpochs: [{ brokerId: leader, brokerEpoch: epoch }],
            partitionEpoch: 0,
            ...change,
          },
        ],
      },
    ],
  })
  const dataFetch = (
    replicaId: number,
    replicaEpoch: number,
    leaderEpochSaid: number,
  ): RequestInputOf<typeof fetch> => ({
    clusterId,
    replicaState: { replicaId, replicaEpoch },
    maxWaitMs: 0,
    minBytes: 0,
    topics: [
      {
        topic: "t",
        topicId: topic.topicId,
        partitions: [
          {
            partition: 0,
            currentLeaderEpoch: leaderEpochSaid,
            fetchOffset: 0,
            lastFetchedEpoch: -1,
            partitionMaxBytes: 1000,
          },
        ],
      },
    ],
    forgottenTopicsData: [],
  })
  const heartbeat = (brokerId: number, brokerEpoch: number): RequestInputOf<typeof brokerHeartbeat> => ({
    brokerId,
    brokerEpoch,
    currentMetadataOffset: 0,
    wantFence: true,
    wantShutDown: true,
    offlineLogDirs: [],
  })
  return [
    row(vote, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", voteOf({ cluster: stranger })),
    row(vote, "of a stale epoch", "FENCED_LEADER_EPOCH", voteOf({ epoch: leaderEpoch - 1 })),
    row(vote, "for the disk of another voter", "INVALID_VOTER_KEY", voteOf({ voterDirectory: stranger })),
    row(beginQuorumEpoch, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", leaderSays({ cluster: stranger })),
    row(beginQuorumEpoch, "of a stale epoch", "FENCED_LEADER_EPOCH", leaderSays({ epoch: leaderEpoch - 1 })),
    row(beginQuorumEpoch, "of a second leader of this epoch", "INCONSISTENT_VOTER_SET", leaderSays({})),
    row(
      beginQuorumEpoch,
      "for the disk of another voter",
      "INVALID_VOTER_KEY",
      leaderSays({ voterDirectory: stranger }),
    ),
    row(endQuorumEpoch, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", endSays({ cluster: stranger })),
    row(endQuorumEpoch, "of a stale epoch", "FENCED_LEADER_EPOCH", endSays({ epoch: leaderEpoch - 1 })),
    row(endQuorumEpoch, "of a second leader of this epoch", "INCONSISTENT_VOTER_SET", endSays({})),
    row(fetch, "of metadata, of a foreign cluster", "INCONSISTENT_CLUSTER_ID", metadataFetch({ cluster: stranger })),
    row(fetch, "of metadata, of a stale epoch", "FENCED_LEADER_EPOCH", metadataFetch({ epoch: leaderEpoch - 1 })),
    row(fetch, "of metadata, of an epoch to come", "UNKNOWN_LEADER_EPOCH", metadataFetch({ epoch: leaderEpoch + 1 })),
    row(fetchSnapshot, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", snapshot({ cluster: stranger })),
    row(fetchSnapshot, "of a stale epoch", "FENCED_LEADER_EPOCH", snapshot({ epoch: leaderEpoch - 1 })),
    row(addRaftVoter, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", {
      clusterId: stranger,
      timeoutMs: 100,
      voterId: 9,
      voterDirectoryId: stranger,
      listeners,
    }),
    row(addRaftVoter, "of a node that follows nobody", "REQUEST_TIMED_OUT", {
      clusterId,
      timeoutMs: 100,
      voterId: 9,
      voterDirectoryId: stranger,
      listeners,
    }),
    row(removeRaftVoter, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", {
      clusterId: stranger,
      voterId: follower,
      voterDirectoryId: directoryOf(follower),
    }),
    row(removeRaftVoter, "by another disk", "VOTER_NOT_FOUND", {
      clusterId,
      voterId: follower,
      voterDirectoryId: stranger,
    }),
    row(updateRaftVoter, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", updateVoter({ cluster: stranger })),
    row(updateRaftVoter, "of a stale epoch", "FENCED_LEADER_EPOCH", updateVoter({ epoch: leaderEpoch - 1 })),
    row(updateRaftVoter, "by another disk", "VOTER_NOT_FOUND", updateVoter({ voterDirectory: stranger })),
    row(brokerRegistration, "of a foreign cluster", "INCONSISTENT_CLUSTER_ID", registration({ clusterId: stranger })),
    row(
      brokerRegistration,
      "under the id of a live broker",
      "DUPLICATE_BROKER_REGISTRATION",
      registration({ brokerId: other }),
    ),
    row(brokerHeartbeat, "of an old incarnation", "STALE_BROKER_EPOCH", heartbeat(other, epochs.get(other)! - 1)),
    row(brokerHeartbeat, "of an unknown broker", "STALE_BROKER_EPOCH|BROKER_ID_NOT_REGISTERED", heartbeat(9, 5)),
    row(alterPartition, "of an old incarnation", "STALE_BROKER_EPOCH", isr(epoch - 1, {})),
    row(
      alterPartition,
      "of a stale leader epoch",
      "FENCED_LEADER_EPOCH",
      isr(epoch, { leaderEpoch: partition.leaderEpoch - 1 }),
    ),
    row(
      alterPartition,
      "of an epoch to come",
      "NOT_CONTROLLER|UNKNOWN_LEADER_EPOCH",
      isr(epoch, { leaderEpoch: partition.leaderEpoch + 1 }),
    ),
    row(
      alterPartition,
      "of a partition epoch that was never",
      "NOT_CONTROLLER|INVALID_UPDATE_VERSION",
      isr(epoch, { partitionEpoch: 99 }),
    ),
    // Only the controller knows the partition's epoch: one of these is the right one.
    ...Array.from({ length: 10 }, (_, partitionEpoch) =>
      row(
        alterPartition,
        `for an old incarnation in the set (${partitionEpoch})`,
        "INELIGIBLE_REPLICA|INVALID_UPDATE_VERSION|NOT_CONTROLLER",
        isr(epoch, {
          partitionEpoch,
          newIsrWithEpochs: [
            { brokerId: leader, brokerEpoch: epoch },
            { brokerId: other, brokerEpoch: epochs.get(other)! - 1 },
          ],
        }),
      ),
    ),
    row(alterPartition, "by a broker that does not lead", "INVALID_REQUEST", {
      ...isr(epochs.get(other)!, {}),
      brokerId: other,
    }),
    row(assignReplicasToDirs, "of an old incarnation", "STALE_BROKER_EPOCH", {
      brokerId: leader,
      brokerEpoch: epoch - 1,
      directories: [{ id: stranger, topics: [{ topicId: topic.topicId, partitions: [{ partitionIndex: 0 }] }] }],
    }),
    row(allocateProducerIds, "of an old incarnation", "STALE_BROKER_EPOCH", {
      brokerId: leader,
      brokerEpoch: epoch - 1,
    }),
    row(
      fetch,
      "of records, of a stale leader epoch",
      "FENCED_LEADER_EPOCH",
      dataFetch(other, epochs.get(other)!, partition.leaderEpoch - 1),
      leader,
    ),
    row(
      fetch,
      "of records, of an epoch to come",
      "UNKNOWN_LEADER_EPOCH",
      dataFetch(other, epochs.get(other)!, partition.leaderEpoch + 1),
      leader,
    ),
    row(
      fetch,
      "of records, by a broker without a replica",
      "NOT_LEADER_OR_FOLLOWER|UNKNOWN_LEADER_EPOCH",
      dataFetch(9, 5, partition.leaderEpoch),
      leader,
    ),
    row(
      offsetForLeaderEpoch,
      "of a stale leader epoch",
      "FENCED_LEADER_EPOCH",
      {
        replicaId: other,
        topics: [
          { topic: "t", partitions: [{ partition: 0, currentLeaderEpoch: partition.leaderEpoch - 1, leaderEpoch: 0 }] },
        ],
      },
      leader,
    ),
    row(
      alterPartitionReassignments,
      "to a broker that does not exist",
      "INVALID_REPLICA_ASSIGNMENT",
      {
        topics: [{ name: "t", partitions: [{ partitionIndex: 0, replicas: [1, 99] }] }],
      },
      leader,
    ),
  ]
}

const errorsIn = (answer: unknown): string[] => {
  if (Array.isArray(answer)) return answer.flatMap(errorsIn)
  if (typeof answer !== "object" || answer === null || Buffer.isBuffer(answer)) return []
  return Object.entries(answer).flatMap(([name, value]) =>
    name === "errorCode" ? (value === 0 ? [] : [errorByCode(value as number)?.name ?? String(value)]) : errorsIn(value),
  )
}

test("what is stale, foreign or of another disk is refused in every message between nodes, and changes nothing", async () => {
  await inClusterWorld(ids, async (t) => {
    const settings = { "controller.quorum.bootstrap.servers": t.servers(ids) }
    await t.startAll(settings)
    const created = await t.ask(1, createTopics, {
      topics: [{ name: "t", numPartitions: 1, replicationFactor: 3, assignments: [], configs: [] }],
      timeoutMs: 1000,
    })
    assert.equal(created.topics[0]!.errorCode, 0)
    // The first leadership has no epoch before it that could be stale.
    const first = (await facts(t)).partition.leaderId
    await t.stop(first)
    await t.start(first, settings)
    await t.passTime(5000)
    const before = await facts(t)
    const wrong: string[] = []
    const seen = new Set<string>()
    for (const { api, what, request, refused, ofBroker } of rows(t, before)) {
      const [id, port] = ofBroker === undefined ? [before.quorum.leaderId, controllerPort] : [ofBroker, clientPort]
      const errors = errorsIn(await t.ask(id, api, request as never, { port }))
      for (const error of errors) seen.add(error)
      if (!errors.some((error) => refused.includes(error)))
        wrong.push(`${api.name} ${what}: answered ${errors.join() || "without an error"}, not ${refused.join(" or ")}`)
    }
    assert.deepEqual(wrong, [])
    assert.ok(seen.has("INELIGIBLE_REPLICA"))
    await t.passTime(3000)
    const after = await facts(t)
    assert.deepEqual(after.partition, before.partition)
    assert.deepEqual(after.epochs, before.epochs)
    assert.deepEqual(
      [after.quorum.leaderId, after.quorum.leaderEpoch],
      [before.quorum.leaderId, before.quorum.leaderEpoch],
    )
    for (const id of ids) assert.deepEqual(t.of(id).fatal, [])
  })
})
