"""The execution trace of a broker under real load: every go tool trace of this machine opens it, each page of it shows
what happened, and its sums are those that the broker counted itself."""
import bisect
import collections
import concurrent.futures
import contextlib
import functools
import http.client
import json
import pathlib
import re
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import ROOT, Broker, run
from support.kcat import kcat
from support.trace_tool import TRACE_TOOLS

import confluent_kafka

# So much of it that producers wait for each other and for fsync; and, whatever the machine does, so little that the
# trace fits its 32 MiB: as chrome has it, a request takes 3.6 KB.
PRODUCERS, CONSUMERS, ROUNDS, ROUND_MESSAGES = 3, 2, 100, 5
DEADLINE_S = 120
FORMATS = {"v1": "", "v2": "&version=1.22", "chrome": "&format=chrome", "perfetto": "&format=perfetto"}
# What go tool trace calls so, of the reasons in runtime/task.h.
NETWORK = ("accept", "IO wait", "IO wait (write)")
SYNC = ("mutex lock", "rwlock read", "rwlock write", "condition wait", "group wait", "offload queue", "offload",
        "fsync", "file work", "data wait")


def load(broker):
    """Producers that share a partition and consumers that wait for what they produce, to its end; kcat in both roles.
    Returns when the broker has ended all of their connections, and so their requests."""
    ready = threading.Barrier(PRODUCERS + CONSUMERS)  # all of them, and from then on they meet
    produced = threading.Event()

    def produce(number):
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "acks": "all", "linger.ms": 0,
                                             "client.id": f"producer-{number}"})
        for number_of_round in range(ROUNDS):
            for _ in range(ROUND_MESSAGES):
                producer.produce("orders", b"x" * 200, partition=0)
            if producer.flush(DEADLINE_S) != 0:
                raise AssertionError("messages were not acknowledged")
            if number_of_round == 0:
                ready.wait(DEADLINE_S)

    def consume(number):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "none",
                                             "enable.auto.commit": False, "enable.partition.eof": True,
                                             "client.id": f"consumer-{number}"})
        consumer.assign([confluent_kafka.TopicPartition("orders", 0, confluent_kafka.OFFSET_BEGINNING)])
        is_ready = at_end = False
        while not (at_end and produced.is_set()):
            if message := consumer.poll(0.1):
                at_end = message.error() and message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
            if at_end and not is_ready:
                ready.wait(DEADLINE_S)
                is_ready = True
        consumer.close()

    for topic in ("orders", "lines"):  # which the consumers find, then
        kcat(broker, "-P", "-t", topic, input="line\n" * 1000)
    with concurrent.futures.ThreadPoolExecutor(PRODUCERS + CONSUMERS) as pool:
        producers = [pool.submit(produce, number) for number in range(PRODUCERS)]
        consumers = [pool.submit(consume, number) for number in range(CONSUMERS)]
        concurrent.futures.wait(producers)
        produced.set()
        for job in producers + consumers:
            job.result()
    lines = kcat(broker, "-C", "-t", "lines", "-o", "beginning", "-e", "-q").stdout
    if lines.count("line\n") < 1000:
        raise AssertionError("kcat has not read what it wrote")
    broker.await_metrics(lambda metrics: metrics["takhin_connections"] == 0)


class Download:
    """A trace on its way into a file."""

    def __init__(self, broker, path, file):
        self.file = file
        self.connection = http.client.HTTPConnection("127.0.0.1", broker.ports["profiler"], timeout=DEADLINE_S)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()  # by when it records
        if self.answer.status != 200:
            raise AssertionError(f"{path}: {self.answer.status} {self.answer.read()}")
        self.headers = dict(self.answer.getheaders())
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        with open(self.file, "wb", buffering=0) as file:
            while data := self.answer.read1():
                file.write(data)

    def end(self):
        """The trace of what has been until now is enough."""
        self.connection.sock.shutdown(socket.SHUT_WR)

    def finish(self):
        self.thread.join()
        self.connection.close()
        return self.file


def with_each_viewer(test):
    """The test is run for each go tool trace with each trace that it reads: test(self, tool, name, viewer)."""
    @functools.wraps(test)
    def run_with_all(self):
        for tool, name, viewer in self.viewers:
            with self.subTest(f"{tool}, {name}"):
                test(self, tool, name, viewer)

    return run_with_all


class Traced(unittest.TestCase):
    """A broker, files of its traces, and go tool trace's viewers of them."""
    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory(prefix="takhin-test-")))
        cls.broker = cls.stack.enter_context(Broker(server_threads=2, storage_log_flush_messages=20,
                                                    profiler_max_duration="1h", **cls.settings))
        cls.collect()
        cls.viewers = [(tool, name, cls.stack.enter_context(tool.viewer(cls.folder / name)))
                       for tool in TRACE_TOOLS for name in ("v1", "v2") if tool.reads(name == "v2")]

    @classmethod
    def download(cls, name, query):
        return Download(cls.broker, f"/debug/pprof/trace?{query}{FORMATS[name]}", cls.folder / name)


def of_label(metrics, name, label):
    """{the label's value: the metric's}"""
    pattern = re.compile(rf'{name}\{{{label}="([^"]*)"\}}$')
    return {found.group(1): value for line, value in metrics.items() if (found := pattern.match(line))}


class UnderLoad(Traced):
    """A trace in every format, all at once, while nothing else records."""
    settings = {"profiler_trace_buffer": 0}

    @classmethod
    def collect(cls):
        before = cls.broker.metrics()
        downloads = {name: cls.download(name, "seconds=3600") for name in FORMATS}
        load(cls.broker)
        cls.await_memory(cls.folder / "chrome")
        cls.threads = {int(stat.split()[0]): stat.split("(")[1].split(")")[0]
                       for stat in cls.broker.of_each_thread("stat")}
        for download in downloads.values():
            download.end()
            download.finish()
        cls.headers = {name: download.headers for name, download in downloads.items()}
        cls.counted = {name: value - before.get(name, 0) for name, value in cls.broker.metrics().items()}
        if cls.counted["takhin_profiler_traces_cut_total"] != 0:
            raise AssertionError("a trace was cut")

    @staticmethod
    def await_memory(chrome):
        """Memory is counted now and then: what has come into this trace is in those that were begun before, too."""
        deadline = time.monotonic() + DEADLINE_S
        while b'"heap bytes"' not in chrome.read_bytes():
            if time.monotonic() > deadline:
                raise AssertionError("memory is not in the trace")
            time.sleep(0.02)

    def latency_buckets(self, api):
        """{seconds: how many requests took so long or less}"""
        pattern = re.compile(rf'takhin_request_latency_seconds_bucket\{{api="{api}",le="(.*)"\}}$')
        return {float(found.group(1)): count for name, count in self.counted.items() if (found := pattern.match(name))}

    def test_headers_are_those_of_go(self):
        for name, headers in self.headers.items():
            with self.subTest(name):
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                if name in ("v1", "v2"):
                    self.assertEqual(headers["Content-Type"], "application/octet-stream")
                    self.assertEqual(headers["Content-Disposition"], 'attachment; filename="trace"')

    @with_each_viewer
    def test_every_page_loads(self, tool, name, viewer):
        links = set(re.findall(r'href="(/[^"#]*)"', viewer.page("/"))) - {"/sche?raw=1"}  # 1.19's own mistake
        self.assertGreater(len(links), 10)
        requests = viewer.page("/usertask?type=Produce")
        task = re.search(r"/trace\?focustask=(\d+)", requests).group(1)
        goroutine = re.search(r'class="goid">(\d+)<', requests).group(1)
        views = [f"{page}?{query}" for page in ("/trace", "/jsontrace")
                 for query in (f"goid={goroutine}", f"taskid={task}", f"focustask={task}", "view=proc", "view=thread")]
        groups = [path for _, path in viewer.goroutines().values()]
        for path in [*links, *views, *groups, "/mmuPlot?flags=", "/jsontrace"]:
            self.assertTrue(viewer.get(path), path)

    @with_each_viewer
    def test_every_request_is_a_task_that_took_as_long(self, tool, name, viewer):
        counts = of_label(self.counted, "takhin_request_latency_seconds_count", "api")
        tasks = viewer.tasks()
        tasks.pop("", None)  # the parent of all, says 1.26
        self.assertEqual(tasks, {api: count for api, count in counts.items() if count > 0})
        for api in ("Produce", "Fetch"):
            durations = sorted(viewer.task_durations_s(api))
            self.assertEqual(len(durations), counts[api])
            # Clocks are read one after the other: a few requests lose their processor just in between.
            for bound, count in self.latency_buckets(api).items():
                self.assertAlmostEqual(bisect.bisect_right(durations, bound), count, delta=1 + 0.1 * counts[api])

    @with_each_viewer
    def test_a_request_says_whose_it_was_and_what_it_did(self, tool, name, viewer):
        page = viewer.page("/usertask?type=Produce")
        for text in ("producer-1", "orders", "append", "decode", "respond"):
            self.assertIn(text, page)

    @with_each_viewer
    def test_regions_are_where_the_source_says(self, tool, name, viewer):
        regions = viewer.regions()
        self.assertLessEqual({"decode", "append", "wait_data", "read", "respond", "lookup"},
                             {region.name for region in regions})
        for region in regions:
            line = (ROOT / region.file).read_text().splitlines()[region.line - 1]
            self.assertRegex(line, r"trace_region_(begin|next)\(", region)
        self.assertEqual(sum(region.count for region in regions
                             if (region.name, region.function) == ("append", "kafka_handler_produce")),
                         self.counted['takhin_request_latency_seconds_count{api="Produce"}'])

    @with_each_viewer
    def test_goroutines_are_the_tasks_by_their_names(self, tool, name, viewer):
        count_of = {name: count for name, (count, _) in viewer.goroutines().items()}
        self.assertGreaterEqual(count_of["kafka connection"], PRODUCERS + CONSUMERS + 3)  # kcat's
        self.assertLessEqual({"accept", "pool worker", "profiler"}, set(count_of))

    @with_each_viewer
    def test_processors_are_the_reactors_and_the_workers(self, tool, name, viewer):
        events = viewer.timeline()["traceEvents"]
        lanes = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
        self.assertLessEqual({"Proc 0", "Proc 1", "Proc 2", "Proc 3"}, lanes)
        started = {event["args"].get("ThreadID", event["args"].get("thread")) for event in events
                   if event["name"] == "proc start"}
        names = {self.threads.get(id, "") for id in started}
        self.assertLessEqual({"reactor-0", "reactor-1", "debug"}, names)
        self.assertTrue(any(name.startswith("pool-") for name in names), names)

    @with_each_viewer
    def test_the_timeline_has_tasks_calls_arrows_and_the_heap(self, tool, name, viewer):
        timeline = viewer.timeline()
        events = timeline["traceEvents"]
        slices = [event for event in events if event["ph"] == "X" and event["name"].endswith(" kafka connection")]
        self.assertGreaterEqual(len(slices), PRODUCERS * ROUNDS)
        self.assertGreater(sum(event["dur"] for event in slices), 1000, "microseconds")
        self.assertTrue(any(event["name"] == "syscall" for event in events))
        self.assertTrue(any(event["ph"] == "s" and event["name"].startswith("unblock") for event in events))
        heap = [event["args"]["Allocated"] for event in events if event["name"] == "Heap"]
        self.assertGreater(max(heap), 100_000)
        functions = {frame["name"].rsplit(":", 1)[0] for frame in timeline["stackFrames"].values()}
        self.assertLessEqual({"storage_log_append", "kafka_handler_produce", "stream_read"}, functions)

    @with_each_viewer
    def test_waits_say_what_for_and_where(self, tool, name, viewer):
        for kind, function, reason in (("io", "stream_read", "[IO wait]"),
                                       ("block", "storage_log_append", "[fsync]"),
                                       ("block", "storage_log_append", "[mutex lock]"),
                                       ("block", "kafka_handler_fetch", "[data wait]"),
                                       ("syscall", "segment_sync", "[fdatasync]"),
                                       ("syscall", "storage_log_append", "[pwrite]")):
            with self.subTest(reason):
                stacks = [{frame.function for frame in wait.frames} for wait in viewer.waits(kind)]
                self.assertTrue(any({function, reason} <= stack for stack in stacks), stacks)

    @with_each_viewer
    def test_the_newer_format_has_the_reasons_in_words(self, tool, name, viewer):
        if name == "v2":
            page = viewer.page(viewer.goroutines()["kafka connection"][1])
            for reason in ("network", "sync (fsync)", "sync (mutex lock)", "select (data wait)"):
                self.assertIn(reason, page)

    def test_chrome_reads_the_same_requests(self):
        events = json.loads((self.folder / "chrome").read_text())
        for api in ("Produce", "Fetch"):
            wanted = self.counted[f'takhin_request_latency_seconds_count{{api="{api}"}}']
            for phase in "be":
                self.assertEqual(sum((event["ph"], event.get("name")) == (phase, api) for event in events), wanted)

    def test_perfetto_s_messages_decode(self):
        with open(self.folder / "perfetto", "rb") as file:
            text = run("protoc", "--decode_raw", stdin=file).stdout
        for name in ("kafka connection", "reactor-0", "Produce", "append", "fsync"):
            self.assertIn(f'"{name}"', text)


class AfterTheFact(Traced):
    """A trace of what has been, from the start of the broker on: all that it has counted by then is there."""
    settings = {"profiler_trace_buffer": "256MiB"}

    @classmethod
    def collect(cls):
        load(cls.broker)
        cls.counted = {}
        for name in ("v1", "v2"):
            cls.broker.get("profiler", "/debug/profiler/config")  # ends what its port has waited for somebody
            before = cls.broker.metrics()
            cls.download(name, "last=1h").finish()
            cls.counted[name] = before, cls.broker.metrics()

    def expect_as_counted(self, seconds, name, of, is_all=True):
        """`of` finds it in metrics; the last of it may have been counted after the trace. not is_all: it is a part."""
        before, after = map(of, self.counted[name])
        self.assertGreater(before, 0)
        self.assertGreater(seconds, 0.95 * before if is_all else 0)
        self.assertLess(seconds, 1.05 * after)

    @with_each_viewer
    def test_profiles_agree_with_what_the_broker_counted(self, tool, name, viewer):
        def parked(reasons):
            def seconds(metrics):
                parked = of_label(metrics, "takhin_task_wait_seconds_total", "reason")
                return sum(parked[reason] for reason in reasons)

            return seconds

        kinds = {
            "net": parked(NETWORK),
            "sync": parked(SYNC),
            "syscall": lambda metrics: sum(of_label(metrics, "takhin_blocking_call_seconds_total", "call").values()),
            "sched": lambda metrics: metrics["takhin_task_runnable_seconds_total"],
        }
        for kind, of in kinds.items():
            with self.subTest(kind):
                seconds = sum(wait.ns for wait in tool.waits(kind, self.folder / name)) / 1e9
                leaves_yields_out = kind == "sched" and tool.is_old
                self.expect_as_counted(seconds, name, of, is_all=not leaves_yields_out)

    @with_each_viewer
    def test_each_reason_to_wait_agrees(self, tool, name, viewer):
        shown = collections.Counter()
        for wait in tool.waits("net", self.folder / name) + tool.waits("sync", self.folder / name):
            shown[wait.frames[0].function.strip("[]")] += wait.ns / 1e9
        for reason in ("IO wait", "mutex lock", "fsync", "data wait", "file work"):
            with self.subTest(reason):
                self.expect_as_counted(shown[reason], name, lambda metrics: metrics[
                    f'takhin_task_wait_seconds_total{{reason="{reason}"}}'])


class FullStacks(Traced):
    """Every event has its stack, also those that take only a place else."""

    @classmethod
    def collect(cls):
        for name in ("v1", "v2"):
            download = cls.download(name, "seconds=3600&stacks=full")
            load(cls.broker)
            download.end()
            download.finish()

    @with_each_viewer
    def test_system_calls_have_whole_stacks(self, tool, name, viewer):
        stacks = [[frame.function for frame in wait.frames] for wait in viewer.waits("syscall")]
        self.assertTrue(any({"[pwrite]", "storage_log_append", "kafka_handler_produce", "serve_frame"} <= set(stack)
                            for stack in stacks), stacks)


if __name__ == "__main__":
    unittest.main()
