"""What was acknowledged survives: kill -9 under load, torn tails and flipped bytes."""
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import TIMEOUT_S, Broker
from support.kcat import kcat

import confluent_kafka
import confluent_kafka.admin

PARTITIONS = 3
KILLS = int(os.environ.get("TAKHIN_TEST_KILLS", "20"))


def consume_all(address, topic, partitions):
    """Every value of every partition, in order, up to where the partition ends now."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none", "check.crcs": True,
                                         "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([confluent_kafka.TopicPartition(topic, partition, confluent_kafka.OFFSET_BEGINNING)
                     for partition in range(partitions)])
    values = {partition: [] for partition in range(partitions)}
    at_end = set()
    deadline = time.monotonic() + TIMEOUT_S
    while len(at_end) < partitions:
        assert time.monotonic() < deadline, f"the ends were not reached: {at_end}"
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is None:
            values[message.partition()].append(int(message.value().split()[0]))
        elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
            at_end.add(message.partition())
    consumer.close()
    return values


class Load:
    """Produces numbered messages until the broker dies; keeps what was acknowledged."""

    def __init__(self, address, first):
        self.next = first
        self.acknowledged = {partition: [] for partition in range(PARTITIONS)}
        self.stop = threading.Event()
        self.producer = confluent_kafka.Producer({"bootstrap.servers": address, "acks": "all", "retries": 0,
                                                  "linger.ms": 2, "log_level": 0}, logger=None)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _delivered(self, error, message):
        if error is None:
            self.acknowledged[message.partition()].append(int(message.value().split()[0]))

    def _run(self):
        padding = "x" * 200
        while not self.stop.is_set():
            try:
                self.producer.produce("kept", f"{self.next} {padding}", partition=self.next % PARTITIONS,
                                      on_delivery=self._delivered)
                self.next += 1
            except BufferError:
                self.producer.poll(0.01)
            self.producer.poll(0)
            if self.next % 100 == 0:
                time.sleep(0.001)

    def count(self):
        return sum(map(len, self.acknowledged.values()))

    def finish(self):
        self.stop.set()
        self.thread.join()
        self.producer.purge()  # nobody is there to take what is left
        self.producer.flush(TIMEOUT_S)


class Kill(unittest.TestCase):
    def test_kill_9_under_load_loses_nothing_that_was_acknowledged(self):
        folder = tempfile.mkdtemp(prefix="takhin-test-")
        try:
            # Small segments, so that a kill also meets rolls and indexes.
            broker = Broker(folder=folder, storage_log_segment_size="1MiB")
            acknowledged = {partition: [] for partition in range(PARTITIONS)}
            first = 0
            for kill in range(KILLS):
                broker.start()
                if kill == 0:
                    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": broker.address})
                    topic = confluent_kafka.admin.NewTopic("kept", PARTITIONS, 1)
                    admin.create_topics([topic])["kept"].result(TIMEOUT_S)
                load = Load(broker.address, first)
                deadline = time.monotonic() + TIMEOUT_S
                while load.count() < 500 + kill * 37:  # not always at the same place
                    self.assertLess(time.monotonic(), deadline, "nothing is acknowledged any more")
                    time.sleep(0.005)
                broker.kill()
                load.finish()
                first = load.next
                for partition, numbers in load.acknowledged.items():
                    acknowledged[partition] += numbers

            broker.start()
            stored = consume_all(broker.address, "kept", PARTITIONS)
            for partition in range(PARTITIONS):
                self.assertEqual(stored[partition], sorted(set(stored[partition])), "in order, and once")
                lost = set(acknowledged[partition]) - set(stored[partition])
                self.assertEqual(lost, set(), "acknowledged, but gone")
            broker.stop()
        finally:
            if broker.process:
                broker.kill()
            shutil.rmtree(folder, ignore_errors=True)


class Damage(unittest.TestCase):
    """A file that was hurt while the broker was dead is cut back to its last good batch, and the log says so."""

    BATCHES = 20

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="takhin-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.broker = Broker(folder=self.folder)
        self.broker.start()
        self.addCleanup(lambda: self.broker.process and self.broker.kill())
        for i in range(self.BATCHES):
            kcat(self.broker, "-P", "-t", "hurt", input=f"{i}\n")
        self.broker.kill()
        self.log = pathlib.Path(self.folder, "data", "hurt-0", "00000000000000000000.log")

    def restart_and_expect(self, batches):
        self.broker.start()
        self.assertEqual(consume_all(self.broker.address, "hurt", 1)[0], list(range(batches)))
        self.broker.await_log(r"warning .*hurt-0")
        # It goes on from there, with no hole and no double.
        kcat(self.broker, "-P", "-t", "hurt", input=f"{batches}\n")
        self.assertEqual(consume_all(self.broker.address, "hurt", 1)[0], list(range(batches + 1)))

    def test_a_torn_tail_is_cut(self):
        with open(self.log, "r+b") as file:
            file.truncate(self.log.stat().st_size - 7)
        self.restart_and_expect(self.BATCHES - 1)

    def test_a_flipped_byte_cuts_from_its_batch_on(self):
        size = self.log.stat().st_size
        with open(self.log, "r+b") as file:
            file.seek(size * 3 // 4)
            byte = file.read(1)
            file.seek(size * 3 // 4)
            file.write(bytes([byte[0] ^ 0x10]))
        # Values of one and of two digits differ in length: find the batch by walking the lengths.
        data, position, index = self.log.read_bytes(), 0, 0
        while position + 12 + int.from_bytes(data[position + 8:position + 12], "big") <= size * 3 // 4:
            position += 12 + int.from_bytes(data[position + 8:position + 12], "big")
            index += 1
        self.restart_and_expect(index)


if __name__ == "__main__":
    unittest.main()
