import assert from "node:assert/strict"
import { test } from "node:test"
import { zeroUuid } from "../../base/ids.js"
import { EncodeError } from "../../protocol/codec.js"
import { encodeRequest } from "../../protocol/request-header.js"
import type { Api } from "../../protocol/message.js"
import { batchOf, inBrokerWorld } from "../testing/broker-world.js"
import { ConnectionClosed } from "../../net/wire-client.js"
import { offeredApis } from "./index.js"

type Request = Record<string, unknown>

const unknownId = "AAAAAAAAAAAAAAAAAAAABA"

/** For each API: a request that succeeds, and requests that name what is not there. */
function requests(name: string, topicId: string): Request[] {
  const batch = batchOf(["x"])
  const places = [
    { topic: "t", topicId, partition: 0 },
    { topic: "t", topicId, partition: 7 },
    { topic: "nope", topicId: unknownId, partition: 0 },
    { topic: "bad name!", topicId: zeroUuid, partition: -1 },
  ]
  switch (name) {
    case "Produce":
      return places.map((each) => ({
        acks: -1,
        timeoutMs: 100,
        topicData: [
          { name: each.topic, topicId: each.topicId, partitionData: [{ index: each.partition, records: batch }] },
        ],
      }))
    case "Fetch":
      return places.flatMap((each) =>
        [0, 99].map((fetchOffset) => ({
          maxWaitMs: 0,
          minBytes: 1,
          topics: [
            {
              topic: each.topic,
              topicId: each.topicId,
              partitions: [{ partition: each.partition, fetchOffset, partitionMaxBytes: 1000 }],
            },
          ],
        })),
      )
    case "ListOffsets":
      return places.flatMap((each) =>
        [-6, -5, -4, -3, -2, -1, 0, -99].map((timestamp) => ({
          replicaId: -1,
          topics: [{ name: each.topic, partitions: [{ partitionIndex: each.partition, timestamp }] }],
        })),
      )
    case "Metadata":
      return [
        { topics: null },
        { topics: [] },
        ...places.map((each) => ({ topics: [{ name: each.topic, topicId: zeroUuid }], allowAutoTopicCreation: false })),
        ...places.map((each) => ({ topics: [{ name: null, topicId: each.topicId }], allowAutoTopicCreation: false })),
      ]
    case "CreateTopics":
      return ["new", "t", "bad name!", ""].flatMap((topic) =>
        [true, false].map((validateOnly) => ({
          topics: [{ name: topic, numPartitions: 1, replicationFactor: 1 }],
          timeoutMs: 100,
          validateOnly,
        })),
      )
    case "DeleteTopics":
      return [
        { topicNames: ["nope"], topics: [{ name: "nope", topicId: zeroUuid }] },
        { topicNames: ["gone"], topics: [{ name: null, topicId: unknownId }] },
        { topicNames: ["new"], topics: [{ name: "new", topicId: zeroUuid }] },
      ]
    case "DeleteRecords":
      return places.map((each) => ({
        topics: [{ name: each.topic, partitions: [{ partitionIndex: each.partition, offset: 0 }] }],
      }))
    case "OffsetForLeaderEpoch":
      return places.map((each) => ({
        topics: [{ topic: each.topic, partitions: [{ partition: each.partition, leaderEpoch: 0 }] }],
      }))
    case "DescribeConfigs":
      return [2, 4, 8, 16, 32, 77].flatMap((resourceType) =>
        ["t", "nope", "1", ""].map((resourceName) => ({
          resources: [{ resourceType, resourceName, configurationKeys: null }],
          includeSynonyms: true,
          includeDocumentation: true,
        })),
      )
    case "AlterConfigs":
      return [2, 4, 8, 16, 32, 77].flatMap((resourceType) =>
        ["t", "nope", "1", ""].map((resourceName) => ({
          resources: [{ resourceType, resourceName, configs: [{ name: "retention.ms", value: "1000000" }] }],
        })),
      )
    case "IncrementalAlterConfigs":
      return [2, 4, 8, 16, 32, 77].flatMap((resourceType) =>
        ["t", "nope", "1", ""].map((resourceName) => ({
          resources: [
            { resourceType, resourceName, configs: [{ name: "retention.ms", configOperation: 0, value: "1000000" }] },
          ],
        })),
      )
    case "AlterReplicaLogDirs":
      return places.map((each) => ({
        dirs: [{ path: "/data", topics: [{ name: each.topic, partitions: [each.partition] }] }],
      }))
    case "DescribeLogDirs":
      return [
        { topics: null },
        { topics: [] },
        ...places.map((each) => ({ topics: [{ topic: each.topic, partitions: [each.partition] }] })),
      ]
    case "CreatePartitions":
      return places.map((each) => ({ topics: [{ name: each.topic, count: 2, assignments: null }] }))
    case "ElectLeaders":
      return [
        { topicPartitions: null },
        ...places.map((each) => ({ topicPartitions: [{ topic: each.topic, partitions: [each.partition] }] })),
      ]
    case "InitProducerId":
      return [{ transactionalId: null }, { transactionalId: "tx" }, { transactionalId: "" }]
    case "FindCoordinator":
      return [
        { key: "g", keyType: 0, coordinatorKeys: ["g"] },
        { key: "g", keyType: 9, coordinatorKeys: ["g"] },
        { key: "g", coordinatorKeys: [] },
        { key: "g", keyType: 1 },
      ]
    case "OffsetCommit":
      return ["g", ""].flatMap((groupId) =>
        places.map(({ topic, topicId, partition }) => ({
          groupId,
          topics: [
            {
              name: topic,
              topicId,
              partitions: [{ partitionIndex: partition, committedOffset: 1, committedMetadata: null }],
            },
          ],
        })),
      )
    case "OffsetFetch":
      return places.flatMap(({ topic, topicId, partition }) => {
        const topics = [{ name: topic, partitionIndexes: [partition] }]
        return [
          { groupId: "g", topics, groups: [{ groupId: "g", topics: [{ ...topics[0], topicId }] }] },
          { groupId: "nope", topics: null, groups: [{ groupId: "nope", topics: null }] },
          { groupId: "", topics: [], groups: [], requireStable: true },
        ]
      })
    case "JoinGroup":
      return ["g", ""].flatMap((groupId) =>
        ["", "x"].map((memberId) => ({
          groupId,
          memberId,
          sessionTimeoutMs: 10_000,
          protocolType: "consumer",
          protocols: [{ name: "range", metadata: Buffer.from("m") }],
        })),
      )
    case "SyncGroup":
      return ["g", ""].map((groupId) => ({ groupId, generationId: 1, memberId: "x" }))
    case "Heartbeat":
      return ["g", ""].map((groupId) => ({ groupId, generationId: 1, memberId: "x" }))
    case "LeaveGroup":
      return ["g", ""].map((groupId) => ({ groupId, memberId: "x", members: [{ memberId: "x" }] }))
    case "DescribeGroups":
      return [{ groups: ["g", "nope", "", "g"], includeAuthorizedOperations: true }, { groups: [] }]
    case "ListGroups":
      return [{}, { statesFilter: ["Empty"], typesFilter: ["classic"] }, { typesFilter: ["?"] }]
    case "DeleteGroups":
      return [{ groupsNames: ["nope", "", "nope"] }, { groupsNames: ["g"] }]
    case "OffsetDelete":
      return ["g", "nope", ""].flatMap((groupId) =>
        places.map(({ topic, partition }) => ({
          groupId,
          topics: [{ name: topic, partitions: [{ partitionIndex: partition }] }],
        })),
      )
    case "ConsumerGroupHeartbeat":
      return ["g", ""].map((groupId) => ({ groupId, memberId: "x", memberEpoch: 7 }))
    case "ExplainGroup":
      return ["g", "nope", ""].map((groupId) => ({ groupId }))
    case "ConsumerGroupDescribe":
      return [{ groupIds: ["g", "nope", "", "g"], includeAuthorizedOperations: true }, { groupIds: [] }]
    case "ApiVersions":
      return [
        { clientSoftwareName: "a", clientSoftwareVersion: "1" },
        { clientSoftwareName: "!", clientSoftwareVersion: "" },
      ]
    case "DescribeCluster":
      return [{}, { includeClusterAuthorizedOperations: true }, { endpointType: 2 }, { includeFencedBrokers: true }]
    case "DescribeProducers":
      return places.map((each) => ({ topics: [{ name: each.topic, partitionIndexes: [each.partition] }] }))
    case "ListConfigResources":
      return [{}, { resourceTypes: [2, 4] }, { resourceTypes: [77] }]
    case "DescribeTopicPartitions":
      return [
        { topics: [] },
        { topics: [], cursor: { topicName: "t", partitionIndex: 0 } },
        ...places.map((each) => ({ topics: [{ name: each.topic }] })),
      ]
    case "AlterPartitionReassignments":
      return places.flatMap((each) =>
        [[1], [1, 9], [], null].map((replicas) => ({
          topics: [{ name: each.topic, partitions: [{ partitionIndex: each.partition, replicas }] }],
        })),
      )
    case "ListPartitionReassignments":
      return [
        { topics: null },
        ...places.map((each) => ({ topics: [{ name: each.topic, partitionIndexes: [each.partition] }] })),
      ]
    case "UpdateFeatures":
      return ["metadata.version", "group.version", "nope"].flatMap((feature) =>
        [-1, 0, 1, 30, 99].flatMap((maxVersionLevel) =>
          [1, 2, 7].map((upgradeType) => ({
            featureUpdates: [{ feature, maxVersionLevel, upgradeType }],
            validateOnly: true,
          })),
        ),
      )
    case "UnregisterBroker":
      return [{ brokerId: 9 }, { brokerId: -1 }]
    case "DescribeQuorum":
      return [{ topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }] }, { topics: [] }]
    case "AddRaftVoter":
      return [{ clusterId: "elsewhere", voterId: 9, voterDirectoryId: topicId, timeoutMs: 1, listeners: [] }]
    case "RemoveRaftVoter":
      return [{ clusterId: "elsewhere", voterId: 9, voterDirectoryId: topicId }]
    default:
      throw new Error(`no requests for ${name}: a new API needs some here`)
  }
}

/** The request without what this version cannot say. */
function encodable(api: Api, version: number, request: Request): Record<string, unknown> {
  const said = Object.entries(request).filter(([name, value]) => {
    try {
      encodeRequest(api, version, 0, null, api.request.create({ [name]: value } as never) as never)
      return true
    } catch (error) {
      if (error instanceof EncodeError) return false
      throw error
    }
  })
  return api.request.create(Object.fromEntries(said) as never)
}

for (const api of offeredApis()) {
  test(`${api.name} answers every version, whatever is asked for`, async () => {
    await inBrokerWorld(async (t) => {
      const topicId = await t.createTopic("t", 1)
      for (let version = api.minVersion; version <= api.maxVersion; version++) {
        for (const request of requests(api.name, topicId)) {
          try {
            await t.client.send(api, version, encodable(api, version, request) as never)
          } catch (error) {
            if (error instanceof ConnectionClosed)
              assert.fail(`version ${version} closed the connection at ${JSON.stringify(request)}`)
            throw error
          }
        }
      }
      assert.deepEqual(t.fatal, [])
      assert.deepEqual(
        t.world.logLines.filter(({ level }) => level === "error"),
        [],
      )
    })
  })
}
