/** kafka-python, pure Python: producer, assigned consumer, admin client. */
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { exactPromises, type Check } from "../check.js"
import { expect, onPath, run, runOk, Skip, tail, workDirectory } from "../work.js"

const requirement = "kafka-python==2.2.15"

const program = `
import json
import sys
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic

bootstrap, topic, promises = sys.argv[1:]
admin = KafkaAdminClient(bootstrap_servers=bootstrap)
admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=min(3, len(admin.describe_cluster()["brokers"])))])
sent = []
for promise in json.loads(promises):
    codec = promise["codec"]
    kept = {"acks": "all" if promise["acks"] == -1 else promise["acks"], "enable_idempotence": promise["idempotent"]}
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, **kept)
    futures = []
    for i in range(300):
        value = b"value-%d" % (len(sent))
        futures.append(producer.send(topic, value, b"key-%d" % i, [("codec", str(codec).encode())], partition=0))
        sent.append((value, str(codec).encode()))
    producer.flush()
    assert [f.get().offset for f in futures] == list(range(len(sent) - 300, len(sent))), "offsets of the acknowledgements"
    producer.close()
partition = TopicPartition(topic, 0)
consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=5000)
consumer.assign([partition])
consumer.seek_to_beginning(partition)
seen = []
for record in consumer:
    assert record.offset == len(seen), "offset %d after %d" % (record.offset, len(seen))
    seen.append((record.value, dict(record.headers)["codec"]))
    if len(seen) == len(sent):
        break
assert seen == sent, "records differ"
assert consumer.end_offsets([partition]) == {partition: len(sent)}
assert consumer.beginning_offsets([partition]) == {partition: 0}
assert consumer.offsets_for_times({partition: 1})[partition].offset == 0
admin.create_partitions({topic: NewPartitions(3)})
assert len(admin.describe_topics([topic])[0]["partitions"]) == 3
admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "55000"})])
assert "55000" in str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
admin.delete_topics([topic])
consumer.close(autocommit=False)
admin.close()
print("fine")
`

/** A Python that has the package. Errors: `Skip`. */
export async function pythonWith(module: string, requirement: string): Promise<string> {
  if (!onPath("python3")) throw new Skip("python3 is missing")
  const home = join(workDirectory, "python")
  const python = join(home, "bin/python")
  if (!existsSync(python)) {
    mkdirSync(workDirectory, { recursive: true })
    const made = await run("python3", ["-m", "venv", home])
    if (made.code !== 0) throw new Skip(`no virtual environment: ${tail(made.stderr, 1)}`)
  }
  if ((await run(python, ["-c", `import ${module}`])).code !== 0) {
    const installed = await run(python, ["-m", "pip", "install", "--quiet", requirement], { timeoutMs: 180_000 })
    if (installed.code !== 0) throw new Skip(`pip could not install ${requirement}: ${tail(installed.stderr, 1)}`)
  }
  return python
}

export const kafkaPython: Check = {
  name: "kafka-python",
  about: requirement,
  async run(context) {
    const python = await pythonWith("kafka", requirement)
    const promises = exactPromises(context, [
      { acks: -1, codec: null, idempotent: true },
      { acks: 1, codec: "gzip", idempotent: false },
      { acks: -1, codec: "gzip", idempotent: false },
    ])
    const arguments_ = [context.bootstrap, context.topic("kafka-python"), JSON.stringify(promises)]
    const output = await runOk(python, ["-c", program, ...arguments_])
    expect(output.includes("fine"), output)
    return undefined
  },
}
