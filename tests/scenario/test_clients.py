"""Real clients produce to and consume from a real broker: kcat, librdkafka and kafka-python."""
import subprocess
import sys
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import TIMEOUT_S, Broker
from support.kcat import command, kcat

import confluent_kafka
import confluent_kafka.admin
import kafka
import kafka.admin


class Kcat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def test_each_codec_passes_through(self):
        for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
            with self.subTest(codec):
                topic = f"codec-{codec}"
                lines = [f"{codec} {i} {'x' * 100}" for i in range(500)]
                produced = kcat(self.broker, "-P", "-t", topic, "-z", codec, "-X", "linger.ms=50",
                                input="\n".join(lines))
                self.assertEqual(produced.stderr, "", "a codec that is not used is said here")
                consumed = kcat(self.broker, "-C", "-t", topic, "-o", "beginning", "-e", "-q")
                self.assertEqual(consumed.stdout.splitlines(), lines)

    def test_keys_headers_and_timestamps_come_back(self):
        kcat(self.broker, "-P", "-t", "keyed", "-K", ":", "-H", "trace=42", input="k1:v1\nk2:v2\n")
        consumed = kcat(self.broker, "-C", "-t", "keyed", "-o", "beginning", "-e", "-q", "-f", "%k=%s %h %T\n")
        for line, wanted in zip(consumed.stdout.splitlines(), ("k1=v1 trace=42", "k2=v2 trace=42"), strict=True):
            text, timestamp = line.rsplit(" ", 1)
            self.assertEqual(text, wanted)
            self.assertLess(abs(int(timestamp) / 1000 - time.time()), 600)

    def test_metadata_lists_the_broker_and_its_topics(self):
        kcat(self.broker, "-P", "-t", "listed", input="x\n")
        listing = kcat(self.broker, "-L").stdout
        self.assertIn(f"broker 1 at {self.broker.address}", listing)
        self.assertIn('topic "listed" with 1 partitions', listing)

    def test_an_offset_is_found_by_time(self):
        now_ms = int(time.time() * 1000)
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address})
        for timestamp in (now_ms - 2000, now_ms):
            producer.produce("timed", b"x", timestamp=timestamp)
        self.assertEqual(producer.flush(TIMEOUT_S), 0)
        self.assertIn("timed [0] offset 1", kcat(self.broker, "-Q", "-t", f"timed:0:{now_ms - 1000}").stdout)

    def test_a_long_poll_answers_as_soon_as_there_is_data(self):
        with Broker() as broker:
            kcat(broker, "-P", "-t", "tail", input="first\n")
            tail = subprocess.Popen(command(broker, "-C", "-t", "tail", "-o", "end", "-c", "1", "-q",
                                            "-X", f"fetch.wait.max.ms={2 * TIMEOUT_S * 1000}",
                                            "-X", "socket.timeout.ms=300000"), stdout=subprocess.PIPE, text=True)
            try:
                deadline = time.monotonic() + TIMEOUT_S
                while b"\nstorage_waiter_wait(" not in broker.get("profiler", "/debug/pprof/goroutine?debug=2"):
                    self.assertLess(time.monotonic(), deadline, "it does not wait")
                kcat(broker, "-P", "-t", "tail", input="second\n")
                self.assertEqual(tail.communicate(timeout=TIMEOUT_S)[0], "second\n")
            finally:
                tail.kill()
                tail.wait()


class Librdkafka(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()
        cls.admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": cls.broker.address})

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def consume(self, topic, partitions, count):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.broker.address, "group.id": "none",
                                             "enable.auto.commit": False})
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)
                         for partition in range(partitions)])
        messages = []
        deadline = time.monotonic() + TIMEOUT_S
        while len(messages) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None:
                self.assertIsNone(message.error())
                messages.append(message)
        consumer.close()
        return messages

    def test_topics_are_created_and_deleted(self):
        topic = confluent_kafka.admin.NewTopic("made", num_partitions=3, replication_factor=1)
        self.admin.create_topics([topic])["made"].result(TIMEOUT_S)
        self.assertEqual(len(self.admin.list_topics("made", timeout=TIMEOUT_S).topics["made"].partitions), 3)
        with self.assertRaises(confluent_kafka.KafkaException) as raised:
            self.admin.create_topics([topic])["made"].result(TIMEOUT_S)
        self.assertEqual(raised.exception.args[0].code(), confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS)
        self.admin.delete_topics(["made"])["made"].result(TIMEOUT_S)
        self.assertNotIn("made", self.admin.list_topics(timeout=TIMEOUT_S).topics)

    def test_too_many_replicas_are_refused(self):
        topic = confluent_kafka.admin.NewTopic("replicated", num_partitions=1, replication_factor=3)
        with self.assertRaises(confluent_kafka.KafkaException) as raised:
            self.admin.create_topics([topic])["replicated"].result(TIMEOUT_S)
        self.assertEqual(raised.exception.args[0].code(), confluent_kafka.KafkaError.INVALID_REPLICATION_FACTOR)

    def test_an_idempotent_producer_delivers_each_message_once_and_in_order(self):
        errors = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address, "enable.idempotence": True,
                                             "linger.ms": 1, "batch.num.messages": 50})
        self.admin.create_topics([confluent_kafka.admin.NewTopic("once", 2, 1)])["once"].result(TIMEOUT_S)
        for i in range(5000):
            producer.produce("once", str(i), partition=i % 2,
                             on_delivery=lambda error, _: error and errors.append(error))
            producer.poll(0)
        self.assertEqual(producer.flush(TIMEOUT_S), 0)
        self.assertEqual(errors, [])
        messages = self.consume("once", 2, 5000)
        for partition in range(2):
            values = [int(m.value()) for m in messages if m.partition() == partition]
            self.assertEqual(values, list(range(partition, 5000, 2)))

    def test_a_message_beyond_the_limit_is_refused_and_the_connection_lives_on(self):
        with Broker(kafka_max_message_bytes=100000) as broker:
            errors = []
            producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "message.max.bytes": 2000000})
            for size in (300000, 1000):
                producer.produce("limited", b"x" * size, on_delivery=lambda error, _: errors.append(error))
                self.assertEqual(producer.flush(TIMEOUT_S), 0)
            self.assertEqual(errors[0].code(), confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE)
            self.assertIsNone(errors[1])

    def test_acks_zero_gets_there_too(self):
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.address, "acks": 0})
        for i in range(100):
            producer.produce("unacked", str(i))
        self.assertEqual(producer.flush(TIMEOUT_S), 0)
        self.assertEqual([int(m.value()) for m in self.consume("unacked", 1, 100)], list(range(100)))


class KafkaPython(unittest.TestCase):
    def test_produce_and_consume(self):
        with Broker() as broker:
            client = {"bootstrap_servers": broker.address, "api_version": (2, 5, 0)}
            admin = kafka.admin.KafkaAdminClient(**client, api_version_auto_timeout_ms=TIMEOUT_S * 1000)
            admin.create_topics([kafka.admin.NewTopic("python", 2, 1)])
            producer = kafka.KafkaProducer(**client, acks="all")
            for i in range(200):
                producer.send("python", str(i).encode(), partition=i % 2)
            producer.flush(TIMEOUT_S)
            consumer = kafka.KafkaConsumer(**client, auto_offset_reset="earliest",
                                           consumer_timeout_ms=TIMEOUT_S * 1000)
            consumer.assign([kafka.TopicPartition("python", 0), kafka.TopicPartition("python", 1)])
            values = []
            for message in consumer:
                values.append(int(message.value))
                if len(values) == 200:
                    break
            self.assertEqual(sorted(values), list(range(200)))
            for end in (consumer, producer, admin):
                end.close()


if __name__ == "__main__":
    unittest.main()
