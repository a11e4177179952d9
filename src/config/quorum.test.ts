import assert from "node:assert/strict"
import { test } from "node:test"
import { loadServerConfig } from "./server-config.js"

const combined = `process.roles=broker,controller
node.id=2
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
controller.quorum.voters=3@c.example:9093,1@a.example:9093,2@[2001:db8::2]:9093`

const load = (text: string) => loadServerConfig({ properties: text })

test("voters come in the order of their ids, with names, addresses and IPv6", () => {
  const { config, errors } = load(combined)
  assert.deepEqual(errors, [])
  assert.deepEqual(config!.quorum, {
    voters: [
      { id: 1, host: "a.example", port: 9093 },
      { id: 2, host: "2001:db8::2", port: 9093 },
      { id: 3, host: "c.example", port: 9093 },
    ],
    bootstrapServers: [],
  })
})

test("a laptop needs no quorum settings", () => {
  assert.deepEqual(load("").config!.quorum, { voters: [], bootstrapServers: [] })
})

test("settings that cannot work together are refused with the one to change", () => {
  const refused: [string, RegExp][] = [
    [`${combined.replace("node.id=2", "node.id=4")}`, /names 1, 2, 3 and not this node \(node.id=4\)/],
    [
      `${combined.replace("process.roles=broker,controller", "process.roles=broker")}`,
      /names node 2 as a voter, and process.roles=broker/,
    ],
    [
      `${combined.replace(",CONTROLLER://127.0.0.1:9093", "")}`,
      /listeners: other nodes must reach this controller; add .* CONTROLLER:\/\/127.0.0.1:9093/,
    ],
    ["process.roles=broker\nnode.id=7", /controller.quorum.voters: a node that is no controller must be told/],
    [
      `${combined.replace("process.roles=broker,controller", "process.roles=controller")}`,
      /has controller listeners only/,
    ],
    [
      `${combined}\ncontroller.quorum.auto.join.enable=true`,
      /controller.quorum.voters says who votes, and nobody joins/,
    ],
    ["controller.quorum.voters=1@a:9093,1@b:9093", /1 is there twice/],
    ["controller.quorum.voters=1@a:9093,2@a:9093", /a:9093 is the address of two voters/],
    ["controller.quorum.voters=a:9093", /a:9093 is not id@host:port/],
    ["controller.quorum.bootstrap.servers=a", /a is not host:port/],
  ]
  for (const [text, expected] of refused) {
    const { config, errors } = load(text)
    assert.equal(config, undefined, text)
    assert.match(errors.join("\n"), expected)
  }
})

test("a controller only, and a broker that finds controllers by bootstrap servers, are nodes too", () => {
  const controller = load(
    "process.roles=controller\nnode.id=1\nlisteners=CONTROLLER://127.0.0.1:9093\ncontroller.quorum.voters=1@127.0.0.1:9093",
  )
  assert.deepEqual(controller.errors, [])
  assert.deepEqual([controller.config!.isBroker, controller.config!.isController], [false, true])
  const broker = load("process.roles=broker\nnode.id=5\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093")
  assert.deepEqual(broker.config!.quorum.bootstrapServers, [{ host: "127.0.0.1", port: 9093 }])
})
