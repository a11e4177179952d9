import assert from "node:assert/strict"
import { test } from "node:test"
import { loadServerConfig } from "../config/server-config.js"
import { brokersOfMachine } from "./machine-config.js"

function machine(properties: string, count: number) {
  const { config, errors } = loadServerConfig({ properties })
  assert.deepEqual(errors, [])
  return brokersOfMachine(config!, count).map((overrides) => {
    const loaded = loadServerConfig({ properties, overrides })
    assert.deepEqual(loaded.errors, [])
    return loaded.config!
  })
}

test("a laptop's brokers find their controller, and the first keeps its id, port and data", () => {
  const brokers = machine("", 3)
  assert.deepEqual(
    brokers.map(({ nodeId, logDirs, isController }) => ({ nodeId, logDirs, isController })),
    [
      { nodeId: 1, logDirs: ["data"], isController: true },
      { nodeId: 1001, logDirs: ["data-1001"], isController: false },
      { nodeId: 2001, logDirs: ["data-2001"], isController: false },
    ],
  )
  assert.deepEqual(
    brokers.map(({ listeners }) => listeners.advertised.map(({ port }) => port)),
    [[9092], [9102], [9112]],
  )
  for (const { quorum } of brokers) assert.deepEqual(quorum.voters, [{ id: 1, host: "127.0.0.1", port: 9093 }])
  assert.equal(new Set(brokers.map((each) => each.string("ottla.machine.id"))).size, 1)
})

test("a machine of a cluster keeps its voters, and its brokers' ids meet no other machine's", () => {
  const properties = `node.id=2
process.roles=broker,controller
listeners=PLAINTEXT://10.0.0.2:9092,CONTROLLER://10.0.0.2:9093
advertised.listeners=PLAINTEXT://two.example:9092
controller.quorum.voters=1@10.0.0.1:9093,2@10.0.0.2:9093,3@10.0.0.3:9093
log.dirs=/a/,/b`
  const [first, second] = machine(properties, 2)
  assert.equal(first!.listeners.listeners.length, 2)
  assert.equal(second!.nodeId, 1002)
  assert.deepEqual(
    second!.listeners.listeners.map(({ name, port }) => [name, port]),
    [["PLAINTEXT", 9102]],
  )
  assert.deepEqual(
    second!.listeners.advertised.map(({ host, port }) => [host, port]),
    [["two.example", 9102]],
  )
  assert.deepEqual(second!.logDirs, ["/a-1002", "/b-1002"])
  assert.equal(second!.quorum.voters.length, 3)
  assert.equal(second!.string("ottla.machine.id"), "machine-2")
})
