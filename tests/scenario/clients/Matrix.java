/* What the Java client does with a broker that has no groups. usage: java Matrix HOST:PORT PREFIX */
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Matrix {
    static final int MESSAGES = 200, PARTITIONS = 2;
    static String address, prefix;
    static long first = System.currentTimeMillis() - 60_000;

    static void check(Object found, Object wanted) {
        if (!found.equals(wanted))
            throw new AssertionError("found " + found + ", wanted " + wanted);
    }

    static List<TopicPartition> partitions(String topic) {
        return IntStream.range(0, PARTITIONS).mapToObj(i -> new TopicPartition(topic, i)).collect(Collectors.toList());
    }

    static void produce(String topic, Map<String, Object> settings) throws Exception {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", address, "linger.ms", 20,
            "enable.idempotence", false));
        config.putAll(settings);
        try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            Future<RecordMetadata> last = null;
            for (int i = 0; i < MESSAGES; i++) {
                var header = new RecordHeader("trace", String.valueOf(i).getBytes());
                last = producer.send(new ProducerRecord<>(topic, i % PARTITIONS, first + i, "key-" + i, "value-" + i,
                    List.of(header)));
            }
            producer.flush();
            if (!"0".equals(settings.get("acks")))
                check(last.get().offset(), (long) MESSAGES / PARTITIONS - 1);
        }
    }

    static void consume(String topic) {
        Set<String> values = new TreeSet<>(), wanted = new TreeSet<>();
        Map<String, Object> config = Map.of("bootstrap.servers", address);
        try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.assign(partitions(topic));
            consumer.seekToBeginning(partitions(topic));
            long deadline = System.nanoTime() + 120_000_000_000L;
            while (values.size() < MESSAGES && System.nanoTime() < deadline)
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofSeconds(1))) {
                    check(record.key(), record.value().replace("value", "key"));
                    check("value-" + new String(record.headers().lastHeader("trace").value()), record.value());
                    values.add(record.value());
                }
            TopicPartition one = partitions(topic).get(0);
            check(consumer.beginningOffsets(List.of(one)).get(one), 0L);
            check(consumer.endOffsets(List.of(one)).get(one), (long) MESSAGES / PARTITIONS);
        }
        for (int i = 0; i < MESSAGES; i++)
            wanted.add("value-" + i);
        check(values, wanted);
    }

    static void administer(Admin admin) throws Exception {
        TopicPartition one = new TopicPartition(prefix + "-none", 0);
        check(admin.listOffsets(Map.of(one, OffsetSpec.forTimestamp(first + 100))).partitionResult(one).get().offset(),
            50L);
        check(admin.listOffsets(Map.of(one, OffsetSpec.maxTimestamp())).partitionResult(one).get().offset(), 99L);
        check(admin.listOffsets(Map.of(one, OffsetSpec.forTimestamp(first + 86_400_000))).partitionResult(one).get()
            .offset(), -1L);

        TopicDescription byName = admin.describeTopics(List.of(one.topic())).allTopicNames().get().get(one.topic());
        check(byName.partitions().size(), PARTITIONS);
        Uuid id = byName.topicId();
        check(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name(),
            one.topic());
        var node = admin.describeCluster().nodes().get().iterator().next();
        check(node.host() + ":" + node.port(), address);

        String doomed = prefix + "-doomed";
        admin.createTopics(List.of(new NewTopic(doomed, 1, (short) 1))).all().get();
        check(admin.listTopics().names().get().contains(doomed), true);
        admin.deleteTopics(List.of(doomed)).all().get();
        check(admin.listTopics().names().get().contains(doomed), false);
    }

    public static void main(String[] arguments) throws Exception {
        address = arguments[0];
        prefix = arguments[1];
        Map<String, Map<String, Object>> kinds = new HashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            kinds.put(codec, Map.of("compression.type", codec));
        kinds.put("idempotent", Map.of("enable.idempotence", true, "acks", "all"));
        kinds.put("unacked", Map.of("acks", "0"));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", address))) {
            for (var kind : kinds.entrySet()) {
                String topic = prefix + "-" + kind.getKey();
                admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
                produce(topic, kind.getValue());
                consume(topic);
                System.out.println("ok " + topic);
            }
            administer(admin);
            System.out.println("ok admin");
        }
    }
}
