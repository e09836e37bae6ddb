"""The protocol's edges, asked for byte by byte: what clients seldom or never do, and the answer it deserves."""
import re
import sys
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import TIMEOUT_S, Broker
from support.wire import (ANSWER_TIMEOUT_S, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, FETCH, FIND_COORDINATOR,
                          INIT_PRODUCER_ID, LIST_OFFSETS, METADATA, NO_TAGS, PRODUCE, Connection, array, batch,
                          compact, pack, records, string)

(NONE, OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_NOT_AVAILABLE,
 INVALID_TOPIC_EXCEPTION, INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS,
 INVALID_REPLICATION_FACTOR, INVALID_REPLICA_ASSIGNMENT, INVALID_CONFIG, INVALID_REQUEST,
 UNSUPPORTED_FOR_MESSAGE_FORMAT, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
 FETCH_SESSION_ID_NOT_FOUND, INVALID_RECORD, UNKNOWN_TOPIC_ID) = (
    0, 1, 2, 3, 15, 17, 21, 35, 36, 37, 38, 39, 40, 42, 43, 45, 47, 48, 70, 87, 100)

LONG_MS = 2000 * ANSWER_TIMEOUT_S  # longer than a test waits for an answer: what comes has been woken


class Protocol(unittest.TestCase):
    topic_count = 0

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(storage_log_retention=-1).start()  # batch() is of 2023

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def setUp(self):
        self.connection = self.connect()

    def connect(self):
        connection = Connection(self.broker.ports["kafka"])
        self.addCleanup(connection.close)
        return connection

    # Requests, each in one version.

    def create_topics(self, topics, validate_only=False):
        """topics: (name, partitions, replication factor, assignments, configs)"""
        body = array([string(name) + pack("ih", partitions, factor) +
                      array([pack("i", index) + array([pack("i", node) for node in nodes])
                             for index, nodes in assigned]) +
                      array([string(key) + string(value) for key, value in configs])
                      for name, partitions, factor, assigned, configs in topics])
        reader = self.connection.call(CREATE_TOPICS, 4, body + pack("i?", 10_000, validate_only))
        reader.unpack("i")
        results = reader.array(lambda: (reader.string(), reader.unpack("h"), reader.string()))
        reader.end()
        return {name: error for name, error, _ in results}

    def new_topic(self, partitions=1):
        Protocol.topic_count += 1
        name = f"topic-{Protocol.topic_count}"
        self.assertEqual(self.create_topics([(name, partitions, 1, [], [])]), {name: NONE})
        return name

    def send_produce(self, parts, acks=-1, transactional_id=None, connection=None):
        """parts: (topic, partition, bytes or None)"""
        body = string(transactional_id) + pack("hi", acks, 10_000) + array(
            [string(topic) + array([pack("i", partition) + records(data)]) for topic, partition, data in parts])
        (connection or self.connection).send(PRODUCE, 7, body)

    def produce(self, parts, connection=None, **options):
        self.send_produce(parts, connection=connection, **options)
        reader = (connection or self.connection).receive()
        answers = reader.array(lambda: (reader.string(), reader.array(lambda: reader.unpack("ihqqq"))))
        reader.unpack("i")
        reader.end()
        return [(error, offset) for _, partitions in answers for _, error, offset, _, _ in partitions]

    def send_fetch(self, parts, max_wait_ms=0, min_bytes=1, max_bytes=1 << 20, partition_max_bytes=1 << 20,
                   session=(0, -1), connection=None):
        """parts: (topic, partition, offset)"""
        body = pack("iiiibii", -1, max_wait_ms, min_bytes, max_bytes, 0, *session) + array(
            [string(topic) + array([pack("iiqqi", partition, -1, offset, -1, partition_max_bytes)])
             for topic, partition, offset in parts]) + array([]) + string("")
        (connection or self.connection).send(FETCH, 11, body)

    def receive_fetch(self, connection=None):
        """(error, [(error, high watermark, records)])"""
        reader = (connection or self.connection).receive()
        _, error, session_id = reader.unpack("ihi")
        self.assertEqual(session_id, 0, "no session is granted")

        def partition():
            _, partition_error, high_watermark, _, _ = reader.unpack("ihqqq")
            reader.array(lambda: reader.unpack("qq"))
            reader.unpack("i")
            return partition_error, high_watermark, reader.bytes()

        topics = reader.array(lambda: (reader.string(), reader.array(partition)))
        reader.end()
        return error, [part for _, parts in topics for part in parts]

    def fetch(self, parts, **options):
        self.send_fetch(parts, **options)
        error, answers = self.receive_fetch()
        self.assertEqual(error, NONE)
        return answers

    def metadata(self, topics, version=4, may_create=False, connection=None):
        """(brokers, {name: (error, partitions)})"""
        body = array(None if topics is None else [string(topic) for topic in topics])
        reader = (connection or self.connection).call(METADATA, version,
                                                      body + (pack("?", may_create) if version >= 4 else b""))
        if version >= 3:
            reader.unpack("i")

        def broker():
            found = reader.unpack("i"), reader.string(), reader.unpack("i")
            return found[:3] if version < 1 or reader.string() is None else None

        def topic():
            error, name = reader.unpack("h"), reader.string()
            if version >= 1:
                reader.unpack("?")
            partitions = reader.array(lambda: (reader.unpack("hii"), reader.array(lambda: reader.unpack("i")),
                                               reader.array(lambda: reader.unpack("i"))))
            return name, (error, len(partitions))

        brokers = reader.array(broker)
        if version >= 2:
            self.assertEqual(len(reader.string()), 22, "the cluster's id")
        if version >= 1:
            self.assertEqual(reader.unpack("i"), 1, "the controller")
        found = dict(reader.array(topic))
        reader.end()
        return brokers, found

    def metadata_by_id(self, topic_id):
        body = compact([topic_id + b"\0" + NO_TAGS]) + pack("??", False, False) + NO_TAGS
        reader = self.connection.call(METADATA, 12, body, flexible=True)
        reader.unpack("i")
        reader.compact_array(lambda: (reader.unpack("i"), reader.compact_bytes(), reader.unpack("i"),
                                      reader.compact_bytes(), reader.take(1)))
        reader.compact_bytes()
        reader.unpack("i")
        reader.uvarint()
        return reader.unpack("h"), reader.compact_bytes(), reader.take(16)

    def create_with_id(self):
        Protocol.topic_count += 1
        name = f"topic-{Protocol.topic_count}"
        topic = bytes([len(name) + 1]) + name.encode() + pack("ih", 1, 1) + compact([]) + compact([]) + NO_TAGS
        body = compact([topic]) + pack("i?", 10_000, False) + NO_TAGS
        reader = self.connection.call(CREATE_TOPICS, 7, body, flexible=True)
        reader.unpack("i")
        reader.uvarint()
        self.assertEqual(reader.compact_bytes().decode(), name)
        topic_id = reader.take(16)
        self.assertEqual(reader.unpack("h"), NONE)
        return name, topic_id


class Fetch(Protocol):
    def test_an_offset_out_of_range_on_either_side_is_an_error_and_the_end_is_not(self):
        topic = self.new_topic()
        self.produce([(topic, 0, batch(b"1", b"2", b"3"))])
        for offset, error in ((-1, OFFSET_OUT_OF_RANGE), (4, OFFSET_OUT_OF_RANGE), (3, NONE)):
            self.assertEqual(self.fetch([(topic, 0, offset)]), [(error, 3, b"")])

    def test_what_does_not_exist_is_answered_at_once_beside_what_does(self):
        topic = self.new_topic()
        answers = self.fetch([(topic, 0, 0), (topic, 1, 0), ("nowhere", 0, 0)], max_wait_ms=LONG_MS)
        self.assertEqual([error for error, _, _ in answers],
                         [NONE, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION])

    def test_topics_are_found_by_id(self):
        topic, topic_id = self.create_with_id()
        sent = batch(b"found")
        self.produce([(topic, 0, sent)])
        for wanted, error in ((topic_id, NONE), (bytes(range(16)), UNKNOWN_TOPIC_ID)):
            partition = pack("iiqiqi", 0, -1, 0, -1, -1, 1 << 20) + NO_TAGS
            body = pack("iiiibii", -1, 0, 1, 1 << 20, 0, 0, -1) + compact([wanted + compact([partition]) + NO_TAGS])
            reader = self.connection.call(FETCH, 13, body + compact([]) + b"\1" + NO_TAGS, flexible=True)
            self.assertEqual(reader.unpack("ihi"), (0, NONE, 0))
            reader.uvarint()
            self.assertEqual(reader.take(16), wanted)
            reader.uvarint()
            self.assertEqual(reader.unpack("ih"), (0, error))
            self.assertEqual(sent[61:] in reader.data, error == NONE)

    def test_the_first_batch_comes_whole_however_little_is_asked_for(self):
        topic = self.new_topic(2)
        sent = batch(b"x" * 500)
        self.produce([(topic, 0, sent), (topic, 0, sent), (topic, 1, sent)])
        for limits in ({"max_bytes": 1}, {"max_bytes": 0}, {"max_bytes": len(sent) + 1}, {"partition_max_bytes": 1}):
            with self.subTest(limits):
                first, second = self.fetch([(topic, 0, 0), (topic, 1, 0)], **limits)
                self.assertEqual((len(first[2]), second[2]), (len(sent), b""))

    def test_a_response_has_a_limit_of_its_own(self):
        topic = self.new_topic()
        sent = batch(b"x" * 1_000_000)
        for _ in range(60):
            self.produce([(topic, 0, sent)])
        found = self.fetch([(topic, 0, 0)], max_bytes=2**31 - 1, partition_max_bytes=2**31 - 1)[0][2]
        self.assertEqual(len(found), 57 * len(sent), "as many as fit in 55 MiB")

    def test_a_batch_is_sent_whole_for_an_offset_inside_of_it(self):
        topic = self.new_topic()
        sent = batch(b"1", b"2", b"3")
        self.produce([(topic, 0, sent)])
        self.assertEqual(len(self.fetch([(topic, 0, 2)])[0][2]), len(sent))

    def test_a_long_poll_wakes_on_any_of_its_partitions(self):
        topic = self.new_topic(2)
        self.send_fetch([(topic, 0, 0), (topic, 1, 0)], max_wait_ms=LONG_MS)
        self.produce([(topic, 1, batch(b"second"))], connection=self.connect())
        _, (first, second) = self.receive_fetch()
        self.assertEqual(first[2], b"")
        self.assertIn(b"second", second[2])

    def test_a_long_poll_goes_on_until_there_is_enough(self):
        topic = self.new_topic(2)
        other = self.connect()
        self.send_fetch([(topic, 0, 0), (topic, 1, 0)], max_wait_ms=LONG_MS, min_bytes=1000)
        self.produce([(topic, 0, batch(b"little"))], connection=other)
        self.produce([(topic, 1, batch(b"x" * 1000))], connection=other)
        _, (first, second) = self.receive_fetch()
        self.assertIn(b"little", first[2])
        self.assertIn(b"x" * 1000, second[2])

    def test_a_long_poll_ends_with_nothing_when_its_time_is_over(self):
        topic = self.new_topic()
        start = time.monotonic()
        self.assertEqual(self.fetch([(topic, 0, 0)], max_wait_ms=300), [(NONE, 0, b"")])
        self.assertGreaterEqual(time.monotonic() - start, 0.3)

    def test_a_long_poll_ends_when_its_topic_goes(self):
        topic = self.new_topic()
        other = self.connect()
        self.send_fetch([(topic, 0, 0)], max_wait_ms=LONG_MS)
        other.call(DELETE_TOPICS, 1, array([string(topic)]) + pack("i", 10_000))
        self.assertEqual(self.receive_fetch()[1][0][0], UNKNOWN_TOPIC_OR_PARTITION)

    def test_what_is_sent_behind_a_long_poll_is_answered_behind_it(self):
        topic = self.new_topic()
        self.send_fetch([(topic, 0, 0)], max_wait_ms=LONG_MS)
        self.connection.send(API_VERSIONS, 0, b"")
        self.produce([(topic, 0, batch(b"x"))], connection=self.connect())
        self.receive_fetch()
        self.assertEqual(self.connection.receive().unpack("h"), NONE)

    def test_a_client_that_goes_during_its_long_poll_leaves_no_task_behind(self):
        def tasks():
            metrics = self.broker.get("metrics", "/metrics").decode()
            return sum(float(value) for value in re.findall(r"^takhin_tasks\{.*\} (\S+)$", metrics, re.MULTILINE))

        def await_tasks(wanted):
            deadline = time.monotonic() + TIMEOUT_S
            while (found := tasks()) != wanted and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(found, wanted)

        topic = self.new_topic()
        self.connection.close()
        await_tasks(idle := 3)  # accepting, the upkeep of the storage, and the ranking of labels
        pollers = [self.connect() for _ in range(5)]
        for poller in pollers:
            self.send_fetch([(topic, 0, 0)], max_wait_ms=10 * LONG_MS, connection=poller)
        await_tasks(idle + len(pollers))
        for poller in pollers:
            poller.close()
        await_tasks(idle)

    def test_sessions_are_refused_in_the_ways_that_clients_know(self):
        topic = self.new_topic()
        for session, error in (((0, 0), NONE), ((0, -1), NONE), ((7, -1), NONE), ((7, 0), NONE),
                               ((7, 3), FETCH_SESSION_ID_NOT_FOUND), ((0, 3), FETCH_SESSION_ID_NOT_FOUND)):
            self.send_fetch([(topic, 0, 0)], session=session)
            self.assertEqual(self.receive_fetch()[0], error, session)


class Produce(Protocol):
    def test_each_kind_of_acknowledgement_appends(self):
        topic = self.new_topic()
        self.send_produce([(topic, 0, batch(b"0"))], acks=0)
        self.connection.skip()
        self.assertEqual(self.produce([(topic, 0, batch(b"1"))], acks=1), [(NONE, 1)])
        self.assertEqual(self.produce([(topic, 0, batch(b"2"))], acks=-1), [(NONE, 2)])

    def test_other_kinds_are_refused(self):
        topic = self.new_topic()
        for acks in (2, -2):
            self.assertEqual(self.produce([(topic, 0, batch(b"x"))], acks=acks), [(INVALID_REQUIRED_ACKS, -1)])
        self.assertEqual(self.fetch([(topic, 0, 0)]), [(NONE, 0, b"")])

    def test_an_error_that_cannot_be_answered_closes(self):
        self.send_produce([("nowhere", 0, batch(b"x"))], acks=0)
        with self.assertRaises((EOFError, ConnectionResetError)):
            self.connection.receive()

    def test_versions_before_record_batches_are_refused_one_by_one(self):
        topic = self.new_topic()
        for version, answer in ((0, "ihq"), (1, "ihq"), (2, "ihqq")):
            body = pack("hi", 1, 10_000) + array([string(topic) + array([pack("i", 0) + records(b"old")])])
            reader = self.connection.call(PRODUCE, version, body)
            self.assertEqual(reader.array(lambda: (reader.string(), reader.array(lambda: reader.unpack(answer)[:2]))),
                             [(topic, [(0, UNSUPPORTED_VERSION)])])

    def test_bad_batches_are_told_apart_and_the_connection_lives_on(self):
        topic = self.new_topic()
        good = batch(b"good")
        flipped = good[:-1] + bytes([good[-1] ^ 1])
        for data, error in ((flipped, CORRUPT_MESSAGE), (None, INVALID_RECORD), (b"", INVALID_RECORD),
                            (good[:-1], INVALID_RECORD), (good + good, INVALID_RECORD), (good[:20], INVALID_RECORD),
                            (good[:16] + b"\1" + good[17:], UNSUPPORTED_FOR_MESSAGE_FORMAT)):
            self.assertEqual(self.produce([(topic, 0, data)]), [(error, -1)])
        self.assertEqual(self.produce([(topic, 0, good)]), [(NONE, 0)])

    def test_each_partition_of_a_request_has_its_own_answer(self):
        topic = self.new_topic(2)
        parts = [(topic, 1, batch(b"a", b"b")), (topic, 2, batch(b"x")), (topic, 0, batch(b"c")),
                 ("nowhere", 0, batch(b"x")), (topic, 1, batch(b"d")), (topic, -1, batch(b"x"))]
        unknown = (UNKNOWN_TOPIC_OR_PARTITION, -1)
        self.assertEqual(self.produce(parts), [(NONE, 0), unknown, (NONE, 0), unknown, (NONE, 2), unknown])

    def test_no_transaction_can_have_been_begun(self):
        self.assertEqual(self.produce([(self.new_topic(), 0, batch(b"x"))], transactional_id="t"),
                         [(INVALID_TXN_STATE, -1)])

    def test_a_producer_with_an_id_is_held_to_its_sequence(self):
        topic = self.new_topic()
        producer_id, epoch = self.init_producer_id()
        for sequence, values, answer in ((0, (b"0", b"1"), (NONE, 0)), (0, (b"0", b"1"), (NONE, 0)),
                                         (2, (b"2",), (NONE, 2)), (4, (b"4",), (OUT_OF_ORDER_SEQUENCE_NUMBER, -1)),
                                         (3, (b"3",), (NONE, 3))):
            sent = batch(*values, producer=(producer_id, epoch, sequence))
            self.assertEqual(self.produce([(topic, 0, sent)]), [answer], sequence)
        self.assertEqual(self.produce([(topic, 0, batch(b"n", producer=(producer_id, epoch + 1, 0)))]), [(NONE, 4)])
        self.assertEqual(self.produce([(topic, 0, batch(b"o", producer=(producer_id, epoch, 4)))]),
                         [(INVALID_PRODUCER_EPOCH, -1)])

    def init_producer_id(self, transactional_id=None, error=NONE):
        reader = self.connection.call(INIT_PRODUCER_ID, 1, string(transactional_id) + pack("i", 60_000))
        _, found, producer_id, epoch = reader.unpack("ihqh")
        self.assertEqual(found, error)
        return producer_id, epoch

    def test_ids_are_given_once_and_not_for_transactions(self):
        ids = {self.init_producer_id()[0] for _ in range(20)}
        self.assertEqual(len(ids), 20)
        self.assertGreaterEqual(min(ids), 0)
        self.assertEqual(self.init_producer_id("t", error=COORDINATOR_NOT_AVAILABLE), (-1, -1))


class Topics(Protocol):
    def test_what_is_only_validated_is_not_made(self):
        self.assertEqual(self.create_topics([("validated", 3, 1, [], [])], validate_only=True), {"validated": NONE})
        self.assertNotIn("validated", self.metadata(None)[1])

    def test_each_mistake_has_its_error_and_makes_nothing(self):
        before = self.metadata(None)[1]
        for topic, error in ((("", 1, 1, [], []), INVALID_TOPIC_EXCEPTION),
                             ((".", 1, 1, [], []), INVALID_TOPIC_EXCEPTION),
                             (("..", 1, 1, [], []), INVALID_TOPIC_EXCEPTION),
                             (("a/b", 1, 1, [], []), INVALID_TOPIC_EXCEPTION),
                             (("x" * 250, 1, 1, [], []), INVALID_TOPIC_EXCEPTION),
                             (("none", 0, 1, [], []), INVALID_PARTITIONS),
                             (("minus", -2, 1, [], []), INVALID_PARTITIONS),
                             (("many", 2**31 - 1, 1, [], []), INVALID_PARTITIONS),
                             (("copies", 1, 3, [], []), INVALID_REPLICATION_FACTOR),
                             (("elsewhere", -1, -1, [(0, [2])], []), INVALID_REPLICA_ASSIGNMENT),
                             (("gap", -1, -1, [(1, [1])], []), INVALID_REPLICA_ASSIGNMENT),
                             (("configured", 1, 1, [], [("no.such.key", "1")]), INVALID_CONFIG)):
            self.assertEqual(self.create_topics([topic]), {topic[0]: error})
        self.assertEqual(self.metadata(None)[1], before)

    def test_a_topic_named_twice_is_not_made_and_its_neighbour_is(self):
        self.assertEqual(self.create_topics([("twice", 1, 1, [], []), ("neighbour", 1, 1, [], []),
                                             ("twice", 1, 1, [], [])]), {"twice": INVALID_REQUEST, "neighbour": NONE})
        found = self.metadata(None)[1]
        self.assertIn("neighbour", found)
        self.assertNotIn("twice", found)

    def test_partitions_may_be_assigned_or_left_to_the_broker(self):
        self.assertEqual(self.create_topics([("assigned", -1, -1, [(0, [1]), (1, [1])], []),
                                             ("defaults", -1, -1, [], [])]), {"assigned": NONE, "defaults": NONE})
        found = self.metadata(["assigned", "defaults"])[1]
        self.assertEqual(found, {"assigned": (NONE, 2), "defaults": (NONE, 1)})
        self.assertEqual(self.create_topics([("assigned", 2, 1, [], [])]), {"assigned": TOPIC_ALREADY_EXISTS})

    def test_many_topics_in_one_request_each_have_an_answer(self):
        names = [f"x{i}" * 20 for i in range(20_000)]
        answers = self.create_topics([(name, 0, 1, [], []) for name in names])
        self.assertEqual(set(answers.values()), {INVALID_PARTITIONS})

    def test_metadata_of_all_of_none_and_of_some(self):
        topic = self.new_topic(2)
        for version, asked in ((0, []), (1, None), (4, None)):
            self.assertEqual(self.metadata(asked, version)[1].get(topic), (NONE, 2), version)
        for version in (1, 4):
            self.assertEqual(self.metadata([], version), ([(1, "127.0.0.1", self.broker.ports["kafka"])], {}))
        self.assertEqual(self.metadata([topic, "a b"])[1], {topic: (NONE, 2), "a b": (INVALID_TOPIC_EXCEPTION, 0)})

    def test_a_large_topic_named_again_and_again_does_not_fill_the_memory(self):
        topic = self.new_topic(100)
        reader = self.connection.call(METADATA, 1, array([string(topic)] * 20_000))
        self.assertLess(len(reader.data), 30_000_000, "a million partitions and as many names")
        self.assertGreater(len(reader.data), 25_000_000)
        self.assertEqual(self.metadata([topic])[1], {topic: (NONE, 100)})

    def test_an_unknown_topic_is_made_only_for_those_who_want_it(self):
        self.assertEqual(self.metadata(["wanted"])[1], {"wanted": (UNKNOWN_TOPIC_OR_PARTITION, 0)})
        self.assertEqual(self.metadata(["wanted"], may_create=True)[1], {"wanted": (NONE, 1)})
        self.assertEqual(self.metadata(["old"], version=1)[1], {"old": (NONE, 1)})
        with Broker(kafka_auto_create_topics="false") as broker:
            connection = Connection(broker.ports["kafka"])
            self.addCleanup(connection.close)
            self.assertEqual(self.metadata(["wanted"], may_create=True, connection=connection)[1],
                             {"wanted": (UNKNOWN_TOPIC_OR_PARTITION, 0)})

    def test_topics_are_described_and_deleted_by_id(self):
        topic, topic_id = self.create_with_id()
        self.assertEqual(self.metadata_by_id(topic_id), (NONE, topic.encode(), topic_id))
        body = compact([b"\0" + topic_id + NO_TAGS]) + pack("i", 10_000) + NO_TAGS
        for error, name in ((NONE, topic.encode()), (UNKNOWN_TOPIC_ID, None)):
            reader = self.connection.call(DELETE_TOPICS, 6, body, flexible=True)
            reader.unpack("i")
            reader.uvarint()
            self.assertEqual((reader.compact_bytes(), reader.take(16), reader.unpack("h")), (name, topic_id, error))
        self.assertEqual(self.metadata_by_id(topic_id), (UNKNOWN_TOPIC_ID, None, topic_id))

    def test_clients_are_told_to_come_back_to_where_they_came(self):
        with Broker(server_host="0.0.0.0") as broker:
            connection = Connection(broker.ports["kafka"], host="127.0.0.2")
            self.addCleanup(connection.close)
            self.assertEqual(self.metadata([], connection=connection)[0], [(1, "127.0.0.2", broker.ports["kafka"])])

    def test_clients_are_told_what_is_advertised(self):
        with Broker(kafka_advertised_host="broker.example", kafka_advertised_port=19092, kafka_broker_id=1) as broker:
            connection = Connection(broker.ports["kafka"])
            self.addCleanup(connection.close)
            self.assertEqual(self.metadata([], connection=connection)[0], [(1, "broker.example", 19092)])


class Offsets(Protocol):
    def offset(self, topic, partition, timestamp):
        body = pack("i", -1) + array([string(topic) + array([pack("iq", partition, timestamp)])])
        reader = self.connection.call(LIST_OFFSETS, 1, body)
        [(_, [(_, error, found_timestamp, offset)])] = reader.array(
            lambda: (reader.string(), reader.array(lambda: reader.unpack("ihqq"))))
        reader.end()
        return error, found_timestamp, offset

    def test_by_time_and_at_the_ends(self):
        topic = self.new_topic()
        first = 1_700_000_000_000
        self.assertEqual(self.offset(topic, 0, first), (NONE, -1, -1))
        self.produce([(topic, 0, batch(b"0", b"1", b"2"))])
        for asked, answer in ((-1, (NONE, -1, 3)), (-2, (NONE, -1, 0)), (-3, (NONE, first + 2, 2)),
                              (0, (NONE, first, 0)), (first + 1, (NONE, first + 1, 1)),
                              (first + 3, (NONE, -1, -1))):
            self.assertEqual(self.offset(topic, 0, asked), answer, asked)

    def test_of_what_does_not_exist(self):
        topic = self.new_topic()
        for name, partition in ((topic, 1), ("nowhere", 0)):
            self.assertEqual(self.offset(name, partition, -1)[0], UNKNOWN_TOPIC_OR_PARTITION)


class Coordinator(Protocol):
    def test_there_is_none_and_the_client_may_ask_again(self):
        reader = self.connection.call(FIND_COORDINATOR, 2, string("group") + pack("b", 0))
        self.assertEqual(reader.unpack("ih"), (0, COORDINATOR_NOT_AVAILABLE))
        self.assertIn("neither consumer groups nor transactions", reader.string())

    def test_each_key_is_answered_for_itself(self):
        reader = self.connection.call(FIND_COORDINATOR, 4, pack("b", 0) + compact([b"\2a", b"\2b"]) + NO_TAGS,
                                      flexible=True)
        reader.unpack("i")
        answers = reader.compact_array(lambda: (reader.compact_bytes(), reader.unpack("i"), reader.compact_bytes(),
                                                *reader.unpack("ih"), reader.compact_bytes(), reader.take(1)))
        self.assertEqual([(answer[0], answer[4]) for answer in answers],
                         [(b"a", COORDINATOR_NOT_AVAILABLE), (b"b", COORDINATOR_NOT_AVAILABLE)])


if __name__ == "__main__":
    unittest.main()
