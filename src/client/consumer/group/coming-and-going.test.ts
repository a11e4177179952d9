import assert from "node:assert/strict"
import { test } from "node:test"
import { seededInt } from "../../../protocol/testdata/random.js"
import { type GroupConfig, type GroupWorld, inGroupWorld, type Member } from "./testing/group-world.js"

// Of a group that a broker has read from its log only the assignor that was chosen is known, as in Kafka: so all like the same one best.
const protocols: readonly { name: string; configs: readonly GroupConfig[] }[] = [
  { name: "eager", configs: [{}, { assignors: ["range", "sticky"] }] },
  { name: "cooperative", configs: [{ assignors: ["cooperative-sticky"] }] },
  { name: "consumer protocol", configs: [{ groupProtocol: "consumer" }] },
  {
    name: "both protocols",
    configs: [{ groupProtocol: "consumer" }, {}, { assignors: ["cooperative-sticky", "range"] }],
  },
]

/** Works off records with `run`, each for a while. */
async function run(t: GroupWorld, member: Member, int: (below: number) => number): Promise<void> {
  try {
    await member.consumer.run(
      async (record) => {
        await t.passTime(int(15))
        member.take(record)
      },
      { concurrency: 1 + int(6) },
    )
  } catch (error) {
    member.failures.push(error)
  }
}

for (const { name, configs } of protocols)
  for (const seed of [1, 2])
    test(`${name}, seed ${seed}: whoever comes, goes, dies or stands still, every record is processed, in order of its partition`, () =>
      inGroupWorld({ partitions: 5, seed, virtualMsMax: 7_200_000 }, async (t) => {
        const int = seededInt(seed)
        const living: Member[] = []
        let count = 0
        const come = () => {
          const config = configs[int(configs.length)]!
          const member = t.idle(`m${count++}`, { autoCommitIntervalMs: 500 + int(3_000), ...config })
          living.push(member)
          if (int(2) === 0) void run(t, member, int)
          else member.read()
        }
        come()
        come()
        t.produceSteadily(25)
        for (let step = 0; step < 14; step++) {
          await t.passTime(int(4) === 0 ? 15_000 : int(3_000))
          const at = int(living.length)
          const member = living[at]!
          switch (int(6)) {
            case 0:
              living.splice(at, 1)
              member.kill()
              break
            case 1:
              living.splice(at, 1)
              await member.close()
              break
            case 2:
              member.node.pause(int(2) === 0 ? 2_000 : 20_000)
              break
            case 3:
              await t.world.crash(int(2) === 0 ? "kill" : "power")
              break
          }
          if (living.length === 0 || (living.length < 5 && int(2) === 0)) come()
        }
        await t.stopProducing()
        await t.until("all is read", () => t.missing().length === 0, 200_000)
        t.checkOrder()
        assert.ok(t.sentCount > 500)
      }))
