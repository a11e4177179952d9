// Kafka's own client for Java as producer or member: the line protocol of README.md.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Member {
    private static final PrintStream OUT = System.out;
    private static final LinkedBlockingQueue<String> COMMANDS = new LinkedBlockingQueue<>();

    private static synchronized void say(String words) {
        OUT.print(System.currentTimeMillis() + " " + words + "\n");
        OUT.flush();
    }

    public static void main(String[] args) throws Exception {
        String role = args[0], bootstrap = args[1], topic = args[2], group = args[3], protocol = args[4];
        Thread reader = new Thread(() -> {
            try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) COMMANDS.put(line);
            } catch (Exception gone) {
                System.exit(1);
            }
        });
        reader.setDaemon(true);
        reader.start();
        Properties common = new Properties();
        common.put("bootstrap.servers", bootstrap);
        if (role.equals("produce")) produce(common, topic);
        else consume(common, topic, group, protocol);
    }

    private static void produce(Properties config, String topic) throws Exception {
        KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
        producer.partitionsFor(topic);
        say("ready");
        for (;;) {
            String[] command = COMMANDS.take().split(" ");
            if (command[0].equals("leave")) break;
            long first = Long.parseLong(command[1]), count = Long.parseLong(command[2]);
            try {
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (long value = first; value < first + count; value++)
                    sent.add(producer.send(new ProducerRecord<>(topic, "key-" + value % 60, Long.toString(value))));
                for (Future<RecordMetadata> one : sent) one.get();
                say("produced " + first + " " + count);
            } catch (Exception error) {
                say("failed " + error);
            }
        }
        producer.close();
        say("left");
    }

    private static void consume(Properties config, String topic, String group, String protocol) {
        config.put("group.id", group);
        config.put("enable.auto.commit", "false");
        config.put("auto.offset.reset", "earliest");
        if (protocol.equals("consumer")) config.put("group.protocol", "consumer");
        else {
            config.put("session.timeout.ms", "6000");
            config.put("heartbeat.interval.ms", "1000");
            String assignor = protocol.equals("classic") ? "RangeAssignor" : "CooperativeStickyAssignor";
            config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
        }
        Map<Integer, Long> next = new TreeMap<>();
        KafkaConsumer<String, String> consumer =
            new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                if (partitions.isEmpty()) return;
                for (TopicPartition one : partitions) next.remove(one.partition());
                say("lost " + numbers(partitions));
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                if (!partitions.isEmpty()) say("gained " + numbers(partitions));
            }
        });
        for (;;) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                next.put(record.partition(), record.offset() + 1);
                say("seen " + record.partition() + " " + record.offset() + " " + record.key() + " " + record.value());
            }
            String command = COMMANDS.poll();
            if (command == null) continue;
            if (command.equals("leave")) break;
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            next.forEach((partition, offset) -> offsets.put(new TopicPartition(topic, partition), new OffsetAndMetadata(offset)));
            try {
                consumer.commitSync(offsets);
                say("committed " + next.entrySet().stream().map(one -> one.getKey() + ":" + one.getValue()).collect(Collectors.joining(" ")));
            } catch (Exception error) {
                say("failed " + error);
            }
        }
        consumer.close();
        say("left");
    }

    private static String numbers(Collection<TopicPartition> partitions) {
        return partitions.stream().map(one -> Integer.toString(one.partition())).sorted().collect(Collectors.joining(" "));
    }
}
