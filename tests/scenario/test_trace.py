"""The execution trace of a broker under real load: every go tool trace of this machine opens it, each page of it shows
what happened, and its sums are those that the broker counted itself."""
import concurrent.futures
import contextlib
import functools
import http.client
import json
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import ROOT, Broker, run
from support.trace_tool import TRACE_TOOLS

import confluent_kafka

# The load lasts so long, and each producer waits at least so often for what it has sent: a slow machine does little. On
# a fast one it waits at most so often: a trace ends at 32 MiB, and as chrome has it, a request takes 3.6 KB.
LOAD_S, PRODUCERS, ROUNDS, ROUNDS_MAX, ROUND_MESSAGES = 1.0, 3, 40, 500, 5
# The load has to begin and end inside of the traces; a slow machine gets longer ones.
WINDOWS_S = (4, 12, 60)
FORMATS = {"v1": "", "v2": "&version=1.22", "chrome": "&format=chrome", "perfetto": "&format=perfetto"}
CLIENTS = 5
# What go tool trace calls so, of the reasons in runtime/task.h.
NETWORK = ("accept", "IO wait", "IO wait (write)")
SYNC = ("mutex lock", "rwlock read", "rwlock write", "condition wait", "group wait", "offload queue", "offload",
        "fsync", "file work", "data wait")


def load(broker):
    """Producers that share a partition and consumers that wait for what they produce; kcat in both roles. Returns when
    all of them have closed their connections."""
    over = threading.Event()

    def produce(number):
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.address, "acks": "all", "linger.ms": 0,
                                             "client.id": f"producer-{number}"})
        for round_number in range(ROUNDS_MAX):
            if over.is_set() and round_number >= ROUNDS:
                break
            for _ in range(ROUND_MESSAGES):
                producer.produce("orders", b"x" * 200, partition=0)
            if producer.flush(30) != 0:
                raise AssertionError("messages were not acknowledged")

    def consume(number):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": broker.address, "group.id": "none",
                                             "enable.auto.commit": False, "client.id": f"consumer-{number}"})
        consumer.assign([confluent_kafka.TopicPartition("orders", 0, confluent_kafka.OFFSET_BEGINNING)])
        while not over.is_set():
            consumer.poll(0.1)
        consumer.close()

    def end_soon():
        time.sleep(LOAD_S)
        over.set()

    with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
        jobs = [*map(lambda i: pool.submit(produce, i), range(PRODUCERS)),
                *map(lambda i: pool.submit(consume, i), range(CLIENTS - PRODUCERS)), pool.submit(end_soon)]
        run("kcat", "-b", broker.address, "-P", "-t", "lines", input="line\n" * 1000)
        lines = run("kcat", "-b", broker.address, "-C", "-t", "lines", "-o", "beginning", "-e", "-q").stdout
        for job in jobs:
            job.result()
    if lines.count("line\n") < 1000:
        raise AssertionError("kcat has not read what it wrote")


class Download:
    """A trace on its way into a file."""

    def __init__(self, broker, path, file):
        self.path, self.file = path, file
        self.connection = http.client.HTTPConnection("127.0.0.1", broker.ports["profiler"], timeout=120)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()  # by when it records
        if self.answer.status != 200:
            raise AssertionError(f"{path}: {self.answer.status} {self.answer.read()}")
        self.headers = dict(self.answer.getheaders())
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        with open(self.file, "wb") as file:
            shutil.copyfileobj(self.answer, file)

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
        cls.broker = cls.stack.enter_context(Broker(server_threads=2, storage_log_flush_messages=20, **cls.settings))
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
        for window_s in WINDOWS_S:
            before = cls.broker.metrics()
            begin = time.monotonic()  # of no trace: each begins a little later, and ends as much later
            downloads = {name: cls.download(name, f"seconds={window_s}") for name in FORMATS}
            load(cls.broker)
            fits = time.monotonic() < begin + window_s
            cls.threads = {int(stat.split()[0]): stat.split("(")[1].split(")")[0]
                           for stat in cls.broker.of_each_thread("stat")}
            for download in downloads.values():
                download.finish()
            cls.headers = {name: download.headers for name, download in downloads.items()}
            cls.counted = {name: value - before.get(name, 0) for name, value in cls.broker.metrics().items()}
            if cls.counted["takhin_profiler_traces_cut_total"] != 0:
                raise AssertionError("a trace was cut")
            if fits:
                return
        raise AssertionError(f"the load takes longer than {window_s} s")

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
            durations = viewer.task_durations_s(api)
            self.assertEqual(len(durations), counts[api])
            seconds = self.counted[f'takhin_request_latency_seconds_sum{{api="{api}"}}']
            self.assertAlmostEqual(sum(durations), seconds, delta=0.05 * seconds)

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
        self.assertGreaterEqual(count_of["kafka connection"], CLIENTS + 2)
        self.assertLessEqual({"accept", "pool worker", "profiler"}, set(count_of))

    @with_each_viewer
    def test_processors_are_the_reactors_and_the_workers(self, tool, name, viewer):
        events = viewer.timeline()["traceEvents"]
        lanes = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
        self.assertLessEqual({"Proc 0", "Proc 1", "Proc 2", "Proc 3"}, lanes)
        started = {event["args"].get("ThreadID", event["args"].get("thread")) for event in events
                   if event["name"] == "proc start"}
        self.assertLessEqual({"reactor-0", "reactor-1", "debug", "pool-0"}, {self.threads.get(id) for id in started})

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

    @classmethod
    def collect(cls):
        load(cls.broker)
        cls.counted = {}
        for name in ("v1", "v2"):
            cls.broker.get("profiler", "/debug/profiler/config")  # ends what its port has waited for somebody
            cls.counted[name] = cls.broker.metrics()
            cls.download(name, "last=1h").finish()

    @with_each_viewer
    def test_profiles_agree_with_what_the_broker_counted(self, tool, name, viewer):
        counted = self.counted[name]
        parked = of_label(counted, "takhin_task_wait_seconds_total", "reason")
        wanted = {
            "net": sum(parked[reason] for reason in NETWORK),
            "sync": sum(parked[reason] for reason in SYNC),
            "syscall": sum(of_label(counted, "takhin_blocking_call_seconds_total", "call").values()),
            "sched": counted["takhin_task_runnable_seconds_total"],
        }
        for kind, seconds in wanted.items():
            with self.subTest(kind):
                self.assertGreater(seconds, 0)
                total = sum(wait.ns for wait in tool.waits(kind, self.folder / name)) / 1e9
                self.assertAlmostEqual(total, seconds, delta=0.05 * seconds)

    @with_each_viewer
    def test_each_reason_to_wait_agrees(self, tool, name, viewer):
        parked = of_label(self.counted[name], "takhin_task_wait_seconds_total", "reason")
        shown = dict.fromkeys(parked, 0)
        for wait in tool.waits("net", self.folder / name) + tool.waits("sync", self.folder / name):
            shown[wait.frames[0].function.strip("[]")] += wait.ns / 1e9
        for reason in ("IO wait", "mutex lock", "fsync", "data wait", "file work"):
            with self.subTest(reason):
                self.assertAlmostEqual(shown[reason], parked[reason], delta=0.05 * parked[reason])


class FullStacks(Traced):
    """Every event has its stack, also those that take only a place else."""

    @classmethod
    def collect(cls):
        for name in ("v1", "v2"):
            download = cls.download(name, "seconds=2&stacks=full")
            load(cls.broker)
            download.finish()

    @with_each_viewer
    def test_system_calls_have_whole_stacks(self, tool, name, viewer):
        stacks = [[frame.function for frame in wait.frames] for wait in viewer.waits("syscall")]
        self.assertTrue(any({"[pwrite]", "storage_log_append", "kafka_handler_produce", "serve_frame"} <= set(stack)
                            for stack in stacks), stacks)


if __name__ == "__main__":
    unittest.main()
