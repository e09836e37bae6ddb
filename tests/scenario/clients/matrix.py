"""What a current librdkafka does with a broker that has no groups. usage: python matrix.py HOST:PORT PREFIX"""
import sys
import time

import confluent_kafka
import confluent_kafka.admin as kafka_admin

ADDRESS, PREFIX = sys.argv[1:]
MESSAGES = 200
PARTITIONS = 2
FIRST = int(time.time() * 1000) - 60_000
TIMEOUT_S = 120
CLIENT = {"bootstrap.servers": ADDRESS}
# Its other requests wait behind a long poll on the same connection.
CONSUMER = {**CLIENT, "group.id": "none", "enable.auto.commit": False, "fetch.wait.max.ms": 10}


def check(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


def partitions(topic, offset):
    return [confluent_kafka.TopicPartition(topic, partition, offset) for partition in range(PARTITIONS)]


def produce(topic, settings):
    errors = []
    producer = confluent_kafka.Producer({**CLIENT, "linger.ms": 20, **settings})
    for i in range(MESSAGES):
        producer.produce(topic, f"value-{i}", f"key-{i}", i % PARTITIONS, timestamp=FIRST + i,
                         headers={"trace": str(i)}, on_delivery=lambda error, _: error and errors.append(error))
    check(producer.flush(TIMEOUT_S), 0)
    check(errors, [])


def consume(topic):
    consumer = confluent_kafka.Consumer(CONSUMER)
    consumer.assign(partitions(topic, confluent_kafka.OFFSET_BEGINNING))
    values = set()
    deadline = time.monotonic() + TIMEOUT_S
    while len(values) < MESSAGES and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is not None:
            check(message.error(), None)
            check(message.key().replace(b"key", b"value"), message.value())
            values.add(message.value().decode())
    check(values, {f"value-{i}" for i in range(MESSAGES)})
    check(consumer.get_watermark_offsets(partitions(topic, 0)[0]), (0, MESSAGES // PARTITIONS))
    found = consumer.offsets_for_times(partitions(topic, FIRST + 100), timeout=TIMEOUT_S)
    # Batches that are compressed are not unpacked: the first record of the one that holds it.
    check([entry.error for entry in found], [None] * PARTITIONS)
    if topic == f"{PREFIX}-none":
        check([entry.offset for entry in found], [50] * PARTITIONS)
    consumer.close()


def administer(admin):
    check(len(admin.list_topics(f"{PREFIX}-none", timeout=TIMEOUT_S).topics[f"{PREFIX}-none"].partitions), PARTITIONS)
    newest = admin.list_offsets({partitions(f"{PREFIX}-none", 0)[0]: kafka_admin.OffsetSpec.max_timestamp()})
    check([future.result(TIMEOUT_S).offset for future in newest.values()], [MESSAGES // PARTITIONS - 1])
    doomed = f"{PREFIX}-doomed"
    admin.create_topics([kafka_admin.NewTopic(doomed, 1, 1)])[doomed].result(TIMEOUT_S)
    check(doomed in admin.list_topics(timeout=TIMEOUT_S).topics, True)
    admin.delete_topics([doomed])[doomed].result(TIMEOUT_S)
    check(doomed in admin.list_topics(timeout=TIMEOUT_S).topics, False)


def main():
    kinds = {codec: {"compression.type": codec} for codec in ("none", "gzip", "snappy", "lz4", "zstd")}
    kinds["idempotent"] = {"enable.idempotence": True}
    kinds["unacked"] = {"acks": 0}
    admin = kafka_admin.AdminClient(CLIENT)
    for kind, settings in kinds.items():
        topic = f"{PREFIX}-{kind}"
        admin.create_topics([kafka_admin.NewTopic(topic, PARTITIONS, 1)])[topic].result(TIMEOUT_S)
        produce(topic, settings)
        consume(topic)
        print(f"ok {topic}", flush=True)
    administer(admin)
    print("ok admin")


main()
