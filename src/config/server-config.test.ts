import assert from "node:assert/strict"
import { test } from "node:test"
import { loadServerConfig, type ServerConfig } from "./server-config.js"

function loaded(properties: string, overrides: Record<string, string> = {}): ServerConfig {
  const { config, errors } = loadServerConfig({ properties, overrides })
  assert.deepEqual(errors, [])
  return config!
}

const errorsOf = (properties: string): readonly string[] => {
  const { config, errors } = loadServerConfig({ properties })
  assert.ok(errors.length === 0 || config === undefined)
  return errors
}

test("an empty file is a broker and controller on loopback, with data beside it", () => {
  const config = loaded("")
  assert.equal(config.nodeId, 1)
  assert.ok(config.isBroker && config.isController)
  assert.deepEqual(config.logDirs, ["data"])
  assert.deepEqual(config.listeners.listeners, [
    { name: "PLAINTEXT", protocol: "PLAINTEXT", host: "127.0.0.1", port: 9092 },
  ])
  assert.deepEqual(config.listeners.advertised, config.listeners.listeners)
  assert.equal(config.listeners.interBrokerListenerName, "PLAINTEXT")
})

const combinedNode = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:19093
listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093
advertised.listeners=PLAINTEXT://127.0.0.1:19092
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`

test("the file of a combined Kafka node loads, and says what does nothing yet", () => {
  const { config, warnings, errors } = loadServerConfig({ properties: combinedNode })
  assert.deepEqual(errors, [])
  assert.ok(warnings.some((warning) => warning.startsWith("transaction.state.log.replication.factor is set")))
  for (const name of ["num.partitions", "group.initial.rebalance.delay.ms", "offsets.topic.replication.factor"])
    assert.ok(!warnings.some((warning) => warning.startsWith(name)), name)
  assert.deepEqual(
    config!.listeners.advertised.map(({ port }) => port),
    [19092],
  )
  assert.deepEqual(config!.listeners.controllerListenerNames, ["CONTROLLER"])
})

test("node id 0 is an id, and broker.id is its old name", () => {
  assert.equal(loaded("node.id=0").nodeId, 0)
  assert.equal(loaded("broker.id=7").nodeId, 7)
  assert.match(errorsOf("node.id=1\nbroker.id=2")[0]!, /node.id is 1 and broker.id is 2/)
  assert.match(errorsOf("node.id=-1")[0]!, /node.id: Value must be at least 0/)
})

test("values come by type, and defaults from Kafka's table", () => {
  const config = loaded("auto.create.topics.enable=false\nnum.partitions=3\nlog.dirs=/a, /b")
  assert.equal(config.bool("auto.create.topics.enable"), false)
  assert.equal(config.int("num.partitions"), 3)
  assert.equal(config.long("log.retention.bytes"), -1)
  assert.equal(config.string("broker.rack"), null)
  assert.deepEqual(config.logDirs, ["/a", "/b"])
  assert.throws(() => config.int("no.such.setting"), RangeError)
})

test("log.dir counts where log.dirs is not set", () => {
  assert.deepEqual(loaded("log.dir=/old").logDirs, ["/old"])
  assert.deepEqual(loaded("log.dir=/old\nlog.dirs=/new").logDirs, ["/new"])
})

test("the command line wins over the file, and a name set twice is a warning", () => {
  assert.equal(loaded("num.partitions=3", { "num.partitions": "5" }).int("num.partitions"), 5)
  const { warnings } = loadServerConfig({ properties: "node.id=1\nnode.id=2" })
  assert.deepEqual(warnings, ["node.id is set twice; line 2 counts"])
})

test("an unknown name is an error that names the nearest setting", () => {
  assert.deepEqual(errorsOf("num.partition=3"), ["num.partition is not a setting; did you mean num.partitions?"])
  assert.deepEqual(errorsOf("something.entirely.different=1"), ["something.entirely.different is not a setting"])
  assert.deepEqual(errorsOf("retention.ms=1"), [
    "retention.ms is a setting of topics; for all of them set log.retention.ms",
  ])
})

test("an impossible value is an error that names setting, value and range", () => {
  assert.deepEqual(errorsOf("num.partitions=0"), [
    "Invalid value 0 for configuration num.partitions: Value must be at least 1 (valid: [1,...])",
  ])
  assert.match(errorsOf("leader.replication.throttled.rate=5")[0]!, /only while running/)
})

test("settings of single listeners and plug-ins are a warning", () => {
  const { errors, warnings } = loadServerConfig({ properties: "listener.name.external.ssl.keystore.location=/k" })
  assert.deepEqual(errors, [])
  assert.equal(warnings.length, 1)
})

test("listeners: every interface, IPv6, several names on one protocol", () => {
  const config = loaded(
    "listeners=IN://:9092,OUT://[::1]:9093\nadvertised.listeners=IN://in.example:9092,OUT://[2001:db8::1]:9093\n" +
      "listener.security.protocol.map=in:plaintext,OUT:SASL_SSL\ninter.broker.listener.name=OUT",
  )
  assert.deepEqual(config.listeners.listeners, [
    { name: "IN", protocol: "PLAINTEXT", host: "", port: 9092 },
    { name: "OUT", protocol: "SASL_SSL", host: "::1", port: 9093 },
  ])
  assert.equal(config.listeners.advertised[1]!.host, "2001:db8::1")
  assert.equal(config.listeners.interBrokerListenerName, "OUT")
})

test("controllers are advertised beside brokers, and clients are not told of them", () => {
  const { config, errors } = loadServerConfig({
    properties: `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL`,
  })
  assert.deepEqual(errors, [])
  const names = (endpoints: readonly { name: string; host: string }[]) =>
    endpoints.map(({ name, host }) => [name, host])
  assert.deepEqual(names(config!.listeners.advertised), [["PLAINTEXT", "localhost"]])
  assert.deepEqual(names(config!.listeners.advertisedControllers), [["CONTROLLER", "localhost"]])
})

const outOfStep: [properties: string, says: RegExp][] = [
  [
    "broker.heartbeat.interval.ms=3000\nbroker.session.timeout.ms=3000",
    /broker\.heartbeat\.interval\.ms \(3000\) must be less than broker\.session\.timeout\.ms \(3000\)/,
  ],
  [
    "replica.fetch.wait.max.ms=40000",
    /replica\.fetch\.wait\.max\.ms \(40000\) must not exceed replica\.socket\.timeout\.ms/,
  ],
  ["replica.lag.time.max.ms=100", /must not exceed replica\.lag\.time\.max\.ms \(100\)/],
]
for (const [properties, says] of outOfStep) {
  test(`refused: ${properties.replace("\n", ", ")}`, () => {
    assert.ok(
      errorsOf(properties).some((error) => says.test(error)),
      errorsOf(properties).join("\n"),
    )
  })
}

const wrongListeners: [properties: string, says: RegExp][] = [
  ["listeners=127.0.0.1:9092", /127.0.0.1:9092 is not NAME:\/\/host:port/],
  ["listeners=PLAINTEXT://h:65536", /is not NAME:\/\/host:port/],
  ["listeners=A://h:1", /add A:PLAINTEXT to listener.security.protocol.map/],
  ["listeners=PLAINTEXT://h:1,PLAINTEXT://h:2", /PLAINTEXT is there twice/],
  ["listeners=PLAINTEXT://h:1,SSL://h:1", /the same address and port 1/],
  ["advertised.listeners=PLAINTEXT://0.0.0.0:9092", /names no host that a client can connect to/],
  ["advertised.listeners=SSL://h:9092", /SSL is not one of listeners \(PLAINTEXT\)/],
  ["inter.broker.listener.name=SSL", /SSL is not one of the advertised listeners/],
  ["listener.security.protocol.map=PLAINTEXT:TLS", /is not NAME:PROTOCOL/],
  ["listeners=CONTROLLER://h:1", /a broker needs one that is not a controller listener/],
]
for (const [properties, says] of wrongListeners) {
  test(`refused: ${properties}`, () => {
    assert.ok(
      errorsOf(properties).some((error) => says.test(error)),
      errorsOf(properties).join("\n"),
    )
  })
}
