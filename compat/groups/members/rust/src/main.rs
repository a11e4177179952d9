//! rust-rdkafka as producer or member: the line protocol of ../README.md.
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn say(words: &str) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {words}", now.as_millis())
        .and_then(|()| out.flush())
        .expect("somebody reads");
}

fn failed(why: impl std::fmt::Display) {
    say(&format!("failed {}", why.to_string().replace('\n', " ")));
}

fn commands() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The partitions a member has, and the offset after the last record seen of each.
type Holdings = Arc<Mutex<BTreeMap<i32, Option<i64>>>>;

struct Listener(Holdings);

impl ClientContext for Listener {}

impl ConsumerContext for Listener {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut held = self.0.lock().expect("no panic");
        match rebalance {
            Rebalance::Assign(gained) => {
                for one in gained.elements() {
                    held.insert(one.partition(), None);
                    say(&format!("gained {}", one.partition()));
                }
            }
            Rebalance::Revoke(lost) => {
                for one in lost.elements() {
                    held.remove(&one.partition());
                    say(&format!("lost {}", one.partition()));
                }
            }
            Rebalance::Error(error) => eprintln!("rebalance: {error}"),
        }
    }
}

#[derive(Default, Clone)]
struct Deliveries(Arc<Mutex<(usize, Option<String>)>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let mut state = self.0.lock().expect("no panic");
        match result {
            Ok(_) => state.0 += 1,
            Err((error, _)) => state.1 = Some(error.to_string()),
        }
    }
}

fn produce(bootstrap: &str, topic: &str) -> KafkaResult<()> {
    let deliveries = Deliveries::default();
    let producer: ThreadedProducer<Deliveries> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .create_with_context(deliveries.clone())?;
    producer
        .client()
        .fetch_metadata(Some(topic), Duration::from_secs(20))?;
    say("ready");
    for command in commands() {
        let words: Vec<&str> = command.split(' ').collect();
        if words[0] == "leave" {
            break;
        }
        let first: usize = words[1].parse().expect("a number");
        let count: usize = words[2].parse().expect("a number");
        *deliveries.0.lock().expect("no panic") = (0, None);
        for value in first..first + count {
            let (key, value) = (format!("key-{}", value % 60), value.to_string());
            let record = BaseRecord::to(topic).key(&key).payload(&value);
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(Duration::from_secs(20))?;
        match &*deliveries.0.lock().expect("no panic") {
            (acknowledged, None) if *acknowledged == count => {
                say(&format!("produced {first} {count}"))
            }
            (acknowledged, error) => failed(format!("{acknowledged} acknowledged, {error:?}")),
        }
    }
    say("left");
    Ok(())
}

fn consume(bootstrap: &str, topic: &str, group: &str, protocol: &str) -> KafkaResult<()> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    if protocol == "consumer" {
        config.set("group.protocol", "consumer");
    } else {
        let strategy = if protocol == "classic" {
            "range,roundrobin"
        } else {
            "cooperative-sticky"
        };
        config
            .set("partition.assignment.strategy", strategy)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1000");
    }
    let held = Holdings::default();
    let consumer: BaseConsumer<Listener> = config.create_with_context(Listener(held.clone()))?;
    consumer.subscribe(&[topic])?;
    let commands = commands();
    loop {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                };
                let (partition, offset) = (message.partition(), message.offset());
                if let Some(next) = held.lock().expect("no panic").get_mut(&partition) {
                    *next = Some(offset + 1);
                }
                say(&format!(
                    "seen {partition} {offset} {} {}",
                    text(message.key()),
                    text(message.payload())
                ));
            }
            Some(Err(error)) => eprintln!("{error}"),
            None => {}
        }
        let Ok(command) = commands.try_recv() else {
            continue;
        };
        if command == "leave" {
            break;
        }
        let positions: Vec<(i32, i64)> = held
            .lock()
            .expect("no panic")
            .iter()
            .filter_map(|(&one, next)| next.map(|next| (one, next)))
            .collect();
        let mut offsets = TopicPartitionList::new();
        for &(partition, next) in &positions {
            offsets.add_partition_offset(topic, partition, Offset::Offset(next))?;
        }
        match consumer.commit(&offsets, CommitMode::Sync) {
            Ok(()) => {
                let pairs: Vec<String> = positions
                    .iter()
                    .map(|(one, next)| format!("{one}:{next}"))
                    .collect();
                say(&format!("committed {}", pairs.join(" ")));
            }
            Err(error) => failed(error),
        }
    }
    // Dropped, it leaves the group.
    drop(consumer);
    say("left");
    Ok(())
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, role, bootstrap, topic, group, protocol] = &words[..] else {
        panic!("arguments: role, bootstrap server, topic, group, protocol")
    };
    let result = if role == "produce" {
        produce(bootstrap, topic)
    } else {
        consume(bootstrap, topic, group, protocol)
    };
    if let Err(error) = result {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
