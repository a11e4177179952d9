"""confluent-kafka as producer or member: the line protocol of README.md."""
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from lines import HEARTBEAT_INTERVAL_MS, SESSION_TIMEOUT_MS, Holdings, obey_member, obey_producer

role, bootstrap, topic, group, protocol = sys.argv[1:]

SESSION = {"session.timeout.ms": SESSION_TIMEOUT_MS, "heartbeat.interval.ms": HEARTBEAT_INTERVAL_MS}
WAYS = {
    "classic": {"partition.assignment.strategy": "range,roundrobin", **SESSION},
    "classic cooperative": {"partition.assignment.strategy": "cooperative-sticky", **SESSION},
    "consumer": {"group.protocol": "consumer"},
}

if role == "produce":
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True})
    producer.list_topics(topic, timeout=20)

    def send(records):
        failures = []
        for key, value in records:
            producer.produce(topic, value, key, on_delivery=lambda error, _: error and failures.append(error))
        if producer.flush(20) > 0:
            raise TimeoutError("records are not acknowledged")
        if failures:
            raise KafkaException(failures[0])

    obey_producer(send, lambda: producer.flush(20))
else:
    holdings = Holdings()
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            **WAYS[protocol],
        }
    )
    # It assigns and gives up by itself once these return.
    consumer.subscribe(
        [topic],
        on_assign=lambda _, partitions: holdings.gain([one.partition for one in partitions]),
        on_revoke=lambda _, partitions: holdings.lose([one.partition for one in partitions]),
        on_lost=lambda _, partitions: holdings.lose([one.partition for one in partitions]),
    )

    def poll():
        for message in consumer.consume(num_messages=100, timeout=0.05):
            if message.error():
                sys.stderr.write("%s\n" % message.error())
            else:
                holdings.see(message.partition(), message.offset(), message.key().decode(), message.value().decode())

    def commit(positions):
        consumer.commit(offsets=[TopicPartition(topic, p, n) for p, n in positions.items()], asynchronous=False)

    obey_member(holdings, poll, commit, consumer.close)
