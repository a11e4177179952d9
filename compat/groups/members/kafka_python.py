"""kafka-python as producer or member: the line protocol of README.md."""
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from lines import HEARTBEAT_INTERVAL_MS, SESSION_TIMEOUT_MS, Holdings, obey_member, obey_producer

role, bootstrap, topic, group, protocol = sys.argv[1:]

if role == "produce":
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    producer.partitions_for(topic)

    def send(records):
        futures = [producer.send(topic, value, key) for key, value in records]
        producer.flush()
        for future in futures:
            future.get(timeout=20)

    obey_producer(send, producer.close)
else:
    holdings = Holdings()

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            holdings.lose([one.partition for one in revoked])

        def on_partitions_assigned(self, assigned):
            holdings.gain([one.partition for one in assigned])

    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_TIMEOUT_MS,
        heartbeat_interval_ms=HEARTBEAT_INTERVAL_MS,
    )
    consumer.subscribe([topic], listener=Listener())

    def poll():
        for records in consumer.poll(timeout_ms=50).values():
            for record in records:
                holdings.see(record.partition, record.offset, record.key.decode(), record.value.decode())

    def commit(positions):
        consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(n, "", -1) for p, n in positions.items()})

    obey_member(holdings, poll, commit, lambda: consumer.close(autocommit=False))
