"""The guide's stories: a fault is planted in the running broker, real clients meet it, and the profile that the guide
tells a user to take names it."""
import concurrent.futures
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import Broker
from support.kcat import kcat
from support.profile_proto import Profile
from support.story import DEADLINE_S, Story
from support.wire import FETCH, PRODUCE, array, batch, pack, records, string

import confluent_kafka


def produce_request(topic, value=b"x"):
    return string(None) + pack("hi", -1, 10_000) + array(
        [string(topic) + array([pack("i", 0) + records(batch(value))])])


def fetch_request(topic, max_wait_ms):
    """Of what comes behind the first 1000 messages, which is nothing."""
    return pack("iiiibii", -1, max_wait_ms, 1, 1 << 20, 0, 0, -1) + array(
        [string(topic) + array([pack("iiqqi", 0, -1, 0, -1, 1 << 20)])]) + array([]) + string("")


def in_stack(function):
    return lambda entry: any(frame.function == function for frame in entry.frames)


def first_of_top(text):
    """(the part of the whole in percent, the function) of the first row."""
    row = re.search(r"flat +flat%.*\n *\S+ +(\S+)% +\S+% +\S+ +\S+%  (\S+)", text)
    return float(row.group(1)), row.group(2)


class GrowingMemory(Story):
    settings = {"profiler_mem_rate": 4096}
    BLOCKS, BLOCK_BYTES, CONNECTIONS = 300, 1000, 150

    def connect_leaking(self, count):
        """So many connections, each of which makes the broker leak."""
        self.planted.plant("leak", self.BLOCKS, self.BLOCK_BYTES)
        self.connections(count)
        self.planted.remove("leak")

    def test_a_leak_is_what_the_second_heap_has_more_than_the_first(self):
        kcat(self.broker, "-L")
        before = self.collect("heap", "heap1")
        self.planted.plant("leak", self.BLOCKS, self.BLOCK_BYTES)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: kcat(self.broker, "-L"), range(20)))
        self.planted.remove("leak")
        after = self.collect("heap", "heap2")
        top = self.pprof("-top", "-base", before, after)
        share, function = first_of_top(top)
        self.assertEqual(function, "planted_leak", top)
        self.assertGreater(share, 90, top)

    def test_the_amount_is_right_within_the_error_of_sampling(self):
        self.connect_leaking(self.CONNECTIONS)
        heap = self.profile("/debug/pprof/heap")
        # 45,000 blocks, of which about a fifth are samples: 0.9 % standard error, and more than five of it here.
        blocks = self.BLOCKS * self.CONNECTIONS
        for column, wanted in (("inuse_objects", blocks), ("inuse_space", blocks * self.BLOCK_BYTES),
                               ("alloc_objects", blocks), ("alloc_space", blocks * self.BLOCK_BYTES)):
            self.assertAlmostEqual(heap.total(column, in_stack("planted_leak")), wanted, delta=0.05 * wanted)

    def test_allocs_is_shown_by_bytes_and_by_objects(self):
        self.connect_leaking(10)
        path = self.collect("allocs")
        for option, type, pattern in (("-alloc_space", "alloc_space", r"[\d.]+[kM]?B"),
                                      ("-sample_index=alloc_objects", "alloc_objects", r"\d+")):
            with self.subTest(option):
                top = self.pprof("-top", option, path)
                self.assertRegex(top, rf"(?m)^Type: {type}$")
                self.assertRegex(top, rf"(?m)^ *{pattern} +[\d.]+% .* planted_leak$")

    def test_the_rate_is_changed_while_it_runs(self):
        leaked = 0
        for rate, samples in ((0, 0), (1, 5 * self.BLOCKS), (0, 0)):
            self.put_config(mem_rate=rate)
            self.connect_leaking(5)
            leaked += samples
            heap = self.profile("/debug/pprof/heap")
            for column in ("alloc_objects", "inuse_objects"):
                self.assertEqual(heap.total(column, in_stack("planted_leak")), leaked, f"at the rate {rate}")
        self.broker.await_log(r"profiler was set .*mem_rate 0 to 1")

    def put_config(self, **values):
        request = urllib.request.Request(self.broker.url("profiler", "/debug/profiler/config"), method="PUT",
                                         data=json.dumps(values).encode())
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            self.assertEqual(answer.status, 200)
        config = json.loads(self.broker.get("profiler", "/debug/profiler/config"))
        self.assertEqual({key: config[key] for key in values}, values)


class GrowingTasks(Story):
    def await_tasks(self, count, wanted):
        """Until so many are as wanted: what was answered a moment ago may still be at work."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := self.profile("/debug/pprof/goroutine").total("goroutine", wanted)) != count:
            self.assertLess(time.monotonic(), deadline, f"{found} of {count}")

    def test_connections_that_pile_up_are_counted(self):
        def reads(entry):
            return in_stack("stream_read")(entry) and entry.labels["thread"].startswith("reactor-")

        self.connections(3)
        self.await_tasks(3, reads)
        before = self.collect("goroutine", "g1")
        self.connections(200)
        self.await_tasks(203, reads)
        after = self.collect("goroutine", "g2")
        self.assertEqual(Profile(after.read_bytes()).total("goroutine", reads), 203)
        # The debug port's threads and tasks may do something else than before, too.
        top = self.pprof("-top", "-cum", "-tagfocus", "thread=^reactor-", "-base", before, after)
        self.assertRegex(top, r"(?m)^ *\S+ +\S+ +\S+ +200 +\S+%  stream_read$")

    def test_long_polls_that_pile_up_are_counted_with_their_labels(self):
        def polls(entry):
            return (entry.labels.get("reason") == "data wait" and entry.labels.get("api") == "Fetch" and
                    in_stack("kafka_handler_fetch")(entry))

        self.create_topic("empty")
        clients = self.connections(100)
        before = self.collect("goroutine", "g1")
        for client in clients:
            client.send(FETCH, 11, fetch_request("empty", 3_600_000))
        self.await_tasks(100, polls)
        after = self.collect("goroutine", "g2")
        self.assertEqual(Profile(after.read_bytes()).total("goroutine", polls), 100)
        top = self.pprof("-top", "-cum", "-base", before, after)
        self.assertRegex(top, r"(?m)^ *\d+ +\S+ +\S+ +100 +\S+%  kafka_handler_fetch$")
        dump = self.broker.get("profiler", "/debug/pprof/goroutine?debug=2").decode()
        self.assertEqual(len(re.findall(r"(?m)^goroutine \d+ \[data wait", dump)), 100)


class HotLock(Story):
    settings = {"profiler_block_rate": "1ns", "profiler_mutex_fraction": 1}

    def test_mutex_names_the_holder_and_block_the_waiter(self):
        self.create_topic("hot")
        producers, messages, write_ms = 4, 30, 20
        self.planted.plant("slow_write", write_ms)
        self.produce("hot", producers, messages)
        self.planted.remove("slow_write")
        mutex, block = self.profile("/debug/pprof/mutex"), self.profile("/debug/pprof/block")

        def of_lock(entry):
            return entry.labels.get("reason") == "mutex lock" and in_stack("storage_log_append")(entry)

        for kind, profile in (("mutex", mutex), ("block", block)):
            with self.subTest(kind):
                hot = profile.total("delay", of_lock)
                labelled = profile.total("delay", lambda e: of_lock(e) and e.labels.get("api") == "Produce" and
                                         e.labels.get("topic") == "hot" and e.labels.get("client_id") == "story")
                self.assertGreater(labelled, 0.99 * hot, "whose request it was")
                # Every wait is recorded, and is as long as the locks themselves say.
                exact = 1e9 * self.metric("takhin_profiler_contention_seconds_total", kind=kind)
                self.assertAlmostEqual(profile.total("delay"), exact, delta=0.05 * exact)
                # Requests took longer than they waited for the lock, but what one writes is what others wait for.
                self.assertLess(hot, 1e9 * self.metric("takhin_request_latency_seconds_sum", api="Produce"))
                self.assertGreater(hot, 0.1 * producers * messages * write_ms * 1e6)
        self.assertAlmostEqual(mutex.total("delay", of_lock), block.total("delay", of_lock),
                               delta=0.05 * block.total("delay", of_lock))

    def test_the_tool_shows_it_to_a_user(self):
        self.create_topic("hot")
        self.planted.plant("slow_write", 5)
        over = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            load = pool.submit(self.produce, "hot", 4, over=over)
            try:
                self.broker.await_metrics(lambda metrics: metrics[
                    'takhin_profiler_contention_events_total{kind="mutex"}'] > 0)
                paths = [self.collect(type, type, "-duration", "1s") for type in ("mutex", "block")]
            finally:
                over.set()
            load.result()
        for path in paths:
            with self.subTest(path.name):
                top = self.pprof("-top", "-cum", "-tagfocus", "topic=hot", path)
                self.assertRegex(top, r"(?m)^Type: delay$")
                self.assertRegex(top, r"(?m)%  storage_log_append$")


class SlowRequests(Story):
    settings = {"profiler_block_rate": "1ns", "storage_log_flush_messages": 1}

    def test_block_says_that_produce_waits_for_fsync(self):
        self.create_topic("durable")
        self.planted.plant("slow_sync", 20)
        self.produce("durable", producers=1, messages=40)
        path = self.folder / "block.prof"
        path.write_bytes(self.broker.get("profiler", "/debug/pprof/block"))
        block = Profile(path.read_bytes())

        def of_sync(entry):
            return entry.labels.get("reason") == "fsync"

        waits = block.total("delay", of_sync)
        self.assertEqual(waits, block.total("delay", lambda e: of_sync(e) and e.labels.get("api") == "Produce" and
                                            e.labels.get("topic") == "durable"))
        self.assertEqual(block.total("contentions", of_sync), 40)
        self.assertGreater(waits, 40 * 20e6)
        latency = "takhin_request_latency_seconds"  # of each request, a moment after its answer
        metrics = self.broker.await_metrics(lambda metrics: metrics[f'{latency}_count{{api="Produce"}}'] >= 40)
        self.assertGreater(1e9 * metrics[f'{latency}_sum{{api="Produce"}}'], 0.99 * waits)
        top = self.pprof("-top", "-cum", "-tagfocus", "reason=fsync", path)
        self.assertIn("kafka_handler_produce", top)

    def test_block_says_that_fetch_waits_for_data(self):
        self.create_topic("quiet")
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.broker.address, "group.id": "none",
                                             "fetch.wait.max.ms": 300, "enable.auto.commit": False})
        consumer.assign([confluent_kafka.TopicPartition("quiet", 0, 0)])
        begin = time.monotonic()
        while self.metric("takhin_request_latency_seconds_count", api="Fetch") < 5:
            self.assertIsNone(consumer.poll(0.1))
            self.assertLess(time.monotonic() - begin, DEADLINE_S)
        consumer.close()
        block = self.profile("/debug/pprof/block")
        took_s = time.monotonic() - begin
        waits = block.total("delay", lambda e: e.labels.get("reason") == "data wait" and
                            e.labels.get("api") == "Fetch" and in_stack("kafka_handler_fetch")(e))
        self.assertGreater(waits, 4 * 0.29e9)
        self.assertLess(waits, 1e9 * took_s)


class Control(unittest.TestCase):
    def test_a_profiler_that_hangup_switches_on_says_since_when_it_has_seen_the_heap(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        config = folder / "takhin.yaml"
        config.write_text("profiler:\n  enabled: false\n  port: 0\n")
        broker = Broker(arguments=["-config", config], folder=folder)
        del broker.settings["profiler_enabled"], broker.settings["profiler_port"]  # the file decides
        with broker:
            config.write_text("profiler:\n  enabled: true\n  port: 0\n  mem_rate: 1\n")
            broker.signal(signal.SIGHUP)
            broker.await_log(r"configuration reloaded profiler=on")
            broker.ports["profiler"] = int(re.search(r"listening service=profiler .*port=(\d+)",
                                                     broker.log()).group(1))
            kcat(broker, "-P", "-t", "late", input="x\n")
            heap = Profile(broker.get("profiler", "/debug/pprof/heap"))
            self.assertGreater(heap.total("alloc_objects"), 0)
            self.assertTrue(any(re.search(r"since: \d{4}-\d\d-\d\dT", comment) for comment in heap.comments),
                            heap.comments)
            self.assertTrue(all(value >= 0 for entry in heap.entries for value in entry.values))


class StuckReactor(Story):
    """One of two reactors never comes back. The other and every endpoint go on, and the dump shows where it is."""
    settings = {"profiler_max_duration": "2s"}
    PATHS = ["/debug/pprof/", "/debug/profiler/config", "/debug/pprof/cmdline", "/debug/fgprof?seconds=1"] + [
        f"/debug/pprof/{name}{form}"
        for name in ("heap", "allocs", "goroutine", "block", "mutex", "threadcreate")
        for form in ("", "?seconds=1", "?debug=1", "?debug=2")] + [
        "/debug/pprof/profile?seconds=1", "/debug/pprof/goroutineleak", "/debug/pprof/delta_heap",
        "/debug/pprof/delta_block", "/debug/pprof/delta_mutex", "/debug/pprof/symbol?0x1"]

    def stick(self, plant, function):
        """A client's write does not come back. Returns that client."""
        self.create_topic("stuck")
        clients = self.connections(20)
        plant()
        clients[0].send(PRODUCE, 7, produce_request("stuck"))
        deadline = time.monotonic() + DEADLINE_S
        while function not in self.dump():
            self.assertLess(time.monotonic(), deadline, self.dump())
        return clients[0]

    def dump(self):
        return self.broker.get("profiler", "/debug/pprof/goroutine?debug=2").decode()

    def expect_complete_answers(self, function, state):
        dump = self.dump()
        stuck = [part for part in dump.split("\n\n") if f"{function}(" in part]
        self.assertEqual(len(stuck), 1, dump)
        self.assertRegex(stuck[0], rf"^goroutine \d+ \[{state}")
        self.assertIn("kafka_handler_produce(", stuck[0])
        self.assertIn("storage_log_append(", stuck[0])
        # The parked tasks of the stuck reactor are there, with their stacks, as those of the other.
        waiting = [part for part in dump.split("\n\n") if re.match(r"goroutine \d+ \[IO wait", part)]
        self.assertGreaterEqual(len(waiting), 19)
        for part in waiting:
            self.assertIn("created by ", part)

        profile = self.profile("/debug/pprof/goroutine")
        self.assertEqual(profile.total("goroutine", lambda e: in_stack(function)(e) and
                                       e.labels.get("api") == "Produce"), 1)
        with concurrent.futures.ThreadPoolExecutor(len(self.PATHS)) as pool:
            answers = dict(zip(self.PATHS, pool.map(self.get, self.PATHS)))
        self.assertEqual({path: answer for path, answer in answers.items() if answer != 200}, {})

    def get(self, path):
        try:
            self.broker.get("profiler", path, timeout_s=DEADLINE_S)
            return 200
        except (urllib.error.URLError, TimeoutError) as error:
            return str(error)

    def test_one_that_spins_for_ever(self):
        self.addCleanup(self.planted.remove, "spinning_write")
        client = self.stick(lambda: self.planted.plant("spinning_write"), "planted_spin")
        self.expect_complete_answers("planted_spin", "running")
        cpu = self.profile("/debug/pprof/profile?seconds=2")
        self.assertGreater(cpu.total("cpu", in_stack("planted_spin")), 0.5 * cpu.total("cpu"))
        self.planted.remove("spinning_write")
        client.receive()

    def test_one_that_is_blocked_in_the_kernel(self):
        self.addCleanup(self.planted.end_hang)
        client = self.stick(self.planted.hang, "planted_hang")
        self.expect_complete_answers("planted_hang", "syscall")
        self.planted.end_hang()
        client.receive()


if __name__ == "__main__":
    unittest.main()
