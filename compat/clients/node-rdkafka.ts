/**
 * node-rdkafka 3.6.1: librdkafka 2.x inside Node. Its addon is built on this machine, which takes minutes: only with OTTLA_COMPAT_FULL=1,
 * or when it is there already. Runs in a process of its own, since a native crash would take the harness along.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import type { Check } from "../check.js"
import { expect, expectEqual, npmPackages, onPath, runOk, Skip } from "../work.js"

const recordsPerCodec = 200
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"] as const

/** Plain JavaScript for the child: argv is the bootstrap server and the topic; prints one line of JSON. */
const program = `
const kafka = require("node-rdkafka")
const [bootstrap, topic] = process.argv.slice(1)
const recordsPerCodec = ${recordsPerCodec}
const fail = (error) => { console.error(error); process.exit(1) }
const admin = kafka.AdminClient.create({ "bootstrap.servers": bootstrap })
const created = new Promise((resolve, reject) =>
  admin.createTopic({ topic, num_partitions: 1, replication_factor: -1 }, 10000, (error) => (error ? reject(error) : resolve())))
async function produce(codec) {
  const producer = new kafka.Producer({ "bootstrap.servers": bootstrap, "compression.codec": codec, "enable.idempotence": true, dr_cb: true })
  await new Promise((resolve, reject) => producer.connect({}, (error) => (error ? reject(error) : resolve())))
  producer.setPollInterval(10)
  let reports = 0
  const delivered = new Promise((resolve, reject) =>
    producer.on("delivery-report", (error) => (error ? reject(error) : ++reports === recordsPerCodec && resolve())))
  for (let i = 0; i < recordsPerCodec; i++)
    producer.produce(topic, 0, Buffer.from(codec + "-" + i), "key-" + i, Date.now(), undefined, [{ codec: Buffer.from(codec) }])
  await delivered
  await new Promise((resolve) => producer.disconnect(resolve))
}
// A question of this kind is asked once, of a leader that may be another by then: not the leader, or of another epoch.
const moved = [6, 74, 75]
const again = (ask, left = 20) => new Promise((resolve, reject) => ask((error, answer) => {
  if (!error) resolve(answer)
  else if (left > 0 && moved.includes(error.code)) setTimeout(() => again(ask, left - 1).then(resolve, reject), 100)
  else reject(error)
}))
function consume(count) {
  return new Promise((resolve, reject) => {
    const consumer = new kafka.KafkaConsumer({ "bootstrap.servers": bootstrap, "group.id": "assigned-by-hand", "enable.auto.commit": false }, {})
    consumer.on("event.error", () => {})
    consumer.connect({}, (error) => error && reject(error))
    consumer.on("ready", () => {
      consumer.assign([{ topic, partition: 0, offset: 0 }])
      consumer.consume()
    })
    const seen = []
    consumer.on("data", (message) => {
      seen.push([message.offset, String(message.value), Object.values(message.headers[0]).map(String)[0]])
      if (seen.length < count) return
      again((done) => consumer.queryWatermarkOffsets(topic, 0, 5000, done))
        .then((marks) => again((done) => consumer.offsetsForTimes([{ topic, partition: 0, offset: 1 }], 5000, done))
          .then((times) => resolve({ seen, marks, offsetOfTime: times[0].offset })))
        .catch(reject)
    })
  })
}
created
  .then(async () => {
    for (const codec of ${JSON.stringify(codecs)}) await produce(codec)
    console.log(JSON.stringify({ version: kafka.librdkafkaVersion, ...(await consume(${codecs.length} * recordsPerCodec)) }))
    process.exit(0)
  })
  .catch(fail)
`

interface Answer {
  readonly version: string
  readonly seen: readonly (readonly [number, string, string])[]
  readonly marks: { readonly lowOffset: number; readonly highOffset: number }
  readonly offsetOfTime: number
}

/** The folder it is installed in, built. Errors: `Skip`. */
export async function nodeRdkafkaAddon(): Promise<string> {
  const directory = await npmPackages("node-rdkafka", ["node-rdkafka@3.6.1"])
  const home = join(directory, "node_modules/node-rdkafka")
  if (existsSync(join(home, "build/Release/node-librdkafka.node"))) return directory
  if (process.env.OTTLA_COMPAT_FULL !== "1") throw new Skip("not built; OTTLA_COMPAT_FULL=1 builds it, in minutes")
  for (const tool of ["gcc", "g++", "make", "python3"]) if (!onPath(tool)) throw new Skip(`${tool} is missing`)
  // npm drops run bits.
  await runOk("sh", ["-c", "cd deps/librdkafka && chmod +x configure lds-gen.py *.sh tests/*.sh"], { cwd: home })
  await runOk("npx", ["--yes", "node-gyp", "rebuild"], { cwd: home, timeoutMs: 1_800_000 })
  return directory
}

export const nodeRdkafka: Check = {
  name: "node-rdkafka",
  about: "node-rdkafka 3.6.1",
  async run({ bootstrap, topic }) {
    const directory = await nodeRdkafkaAddon()
    const output = await runOk(process.execPath, ["-e", program, "--", bootstrap, topic("node-rdkafka")], {
      cwd: directory,
      timeoutMs: 120_000,
    })
    const answer = JSON.parse(output.trim().split("\n").at(-1)!) as Answer
    const expected = codecs.flatMap((codec) =>
      Array.from({ length: recordsPerCodec }, (_, i) => [`${codec}-${i}`, codec] as const),
    )
    expectEqual(
      answer.seen,
      expected.map(([value, codec], offset) => [offset, value, codec]),
      "records",
    )
    expectEqual(answer.marks, { lowOffset: 0, highOffset: expected.length }, "watermarks")
    expect(answer.offsetOfTime === 0, `offset of the beginning of time: ${answer.offsetOfTime}`)
    return `librdkafka ${answer.version}`
  },
}
