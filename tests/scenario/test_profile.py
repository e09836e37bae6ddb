"""A CPU profile of the broker under real load, read by the real go tool pprof and by our own tool."""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import LOAD, PROFILER, TIMEOUT_S, Broker, run
from support.pprof_tool import GO_TOOLS, PprofTool
from support.profile_proto import Profile

FUNCTIONS = {"kafka_handler_produce", "kafka_handler_fetch", "storage_log_append"}


class UnderLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        cls.pprof = PprofTool(cls.folder)
        # As fast as it goes, to many partitions: else reading is a fraction of a percent, and no sample may hit it.
        # Retention keeps the disk from filling, and is part of the load.
        cls.broker = Broker(server_threads=2, storage_log_segment_size="16MiB", storage_log_retention_bytes="32MiB",
                            storage_log_cleanup_interval="1s", profiler_cpu_hz=250).start()
        cls.load = subprocess.Popen([LOAD, "-brokers", cls.broker.address, "-duration", "600", "-prefix", "orders",
                                     "-topics", "16", "-partitions", "4"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.broker.await_metrics(lambda metrics: all(
            metrics.get(f'takhin_request_latency_seconds_count{{api="{api}"}}', 0) >= 100
            for api in ("Produce", "Fetch")))
        cls.profile = cls.folder / "cpu.prof"
        # A handler that hands out views of a file takes little time: on a slow machine few samples meet it.
        for duration_s in (10, 20, 40, 80):
            cls.collected = run(PROFILER, "-type", "cpu", "-duration", f"{duration_s}s", "-remote",
                                f"127.0.0.1:{cls.broker.ports['profiler']}", "-output", cls.profile, "-analyze")
            met = {frame.function for entry in Profile(cls.profile.read_bytes()).entries for frame in entry.frames}
            if FUNCTIONS <= met:
                break

    @classmethod
    def tearDownClass(cls):
        cls.load.terminate()
        cls.load.wait()
        cls.broker.__exit__()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def test_every_report_reads_it_and_complains_of_nothing(self):
        for go in GO_TOOLS:
            for report in ("-top", "-traces", "-tags", "-raw", "-svg", "-list=kafka_handler", "-peek=storage_log",
                           "-tree", "-comments"):
                with self.subTest(go=go, report=report):
                    self.assertTrue(self.pprof(report, self.profile, go=go))

    def test_the_functions_that_matter_are_there(self):
        # Every node: the default list is cut to the largest.
        top = self.pprof("-top", "-cum", "-nodecount=1000", "-nodefraction=0", self.profile)
        for function in FUNCTIONS:
            self.assertIn(function, top)

    def test_sources_are_listed_line_by_line(self):
        listing = self.pprof("-list=kafka_handler_produce", self.profile)
        self.assertIn("src/broker/handlers/produce.c", listing)
        self.assertRegex(listing, r"\d+m?s +\d+: .* append\(request, topic")

    def test_labels_divide_the_time_by_request(self):
        tags = self.pprof("-tags", self.profile)
        for label in ("api:", "topic:", "client_id:", "thread:", "Produce", "Fetch", "orders-", "load-producer"):
            self.assertIn(label, tags)
        focused = self.pprof("-top", "-cum", "-nodecount=1000", "-nodefraction=0", "-tagfocus", "api=Produce",
                             self.profile)
        self.assertIn("kafka_handler_produce", focused)
        self.assertNotIn("kafka_handler_fetch", focused)

    def test_a_profile_can_be_the_base_of_another(self):
        other = self.folder / "other.prof"
        run(PROFILER, "-type", "cpu", "-duration", "1s", "-remote", f"127.0.0.1:{self.broker.ports['profiler']}",
            "-output", other)
        for go in GO_TOOLS:
            self.assertIn("kafka_handler", self.pprof("-top", "-cum", "-nodecount=1000", "-base", other, self.profile,
                                                      go=go))
            self.assertTrue(self.pprof("-top", "-diff_base", other, self.profile, go=go))

    def test_pprof_fetches_by_itself(self):
        for go in GO_TOOLS:
            url = self.broker.url("profiler", "/debug/pprof/profile?seconds=1")
            top = self.pprof("-top", "-timeout=300", url, go=go)
            self.assertIn("flat%", top)

    def test_nearly_all_stacks_are_whole(self):
        comments = self.pprof("-comments", self.profile)
        samples = int(re.search(r"samples: (\d+)", comments).group(1))
        rootless = int(re.search(r"not walked to the root: (\d+)", comments).group(1))
        self.assertGreater(samples, 0)  # how many depends on what else the machine does
        self.assertLessEqual(rootless, max(3, samples // 100))

    def test_our_own_table_names_the_same_leaders(self):
        row = re.compile(r"^ *(\S+ +\S+% +\S+% +\S+ +\S+%  .+)$", re.MULTILINE)
        theirs = self.pprof("-top", "-nodecount=20", self.profile, go=GO_TOOLS[-1])
        self.assertEqual(row.findall(self.collected.stdout), row.findall(theirs))

    def test_two_at_once_both_get_theirs(self):
        results = [None, None]

        def collect(index):
            results[index] = self.broker.get("profiler", f"/debug/pprof/profile?seconds={3 + index}")

        threads = [threading.Thread(target=collect, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for index, body in enumerate(results):
            path = self.folder / f"overlap-{index}.prof"
            path.write_bytes(body)
            self.assertIn("kafka_", self.pprof("-top", "-nodecount=1000", path))

    def test_sampling_ends_when_the_client_goes(self):
        with socket.create_connection(("127.0.0.1", self.broker.ports["profiler"])) as client:
            client.sendall(b"GET /debug/pprof/profile?seconds=300 HTTP/1.1\r\nHost: takhin\r\n\r\n")
            self.await_sampler(True)
        self.await_sampler(False)  # long before the profile's own end

    def await_sampler(self, wanted):
        """The sampler's own thread exists exactly while somebody reads."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            names = self.broker.of_each_thread("comm")
            if ("takhin-profiler"[:15] in names) == wanted:
                return
            time.sleep(0.02)
        self.fail(f"sampler thread wanted={wanted}, threads: {names}")


class Disabled(unittest.TestCase):
    def test_nothing_listens_and_no_thread_samples(self):
        with Broker(profiler=False) as broker:
            self.assertNotIn("profiler", broker.ports)
            self.assertNotIn("takhin-profiler"[:15], broker.of_each_thread("comm"))
            self.assertEqual(pathlib.Path(f"/proc/{broker.process.pid}/timers").read_text(), "")


if __name__ == "__main__":
    unittest.main()
