"""A slow request leaves a trace of the time around it: saved while nobody watched, listed, and opened afterwards."""
import calendar
import json
import pathlib
import signal
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import TIMEOUT_S, Broker
from support.planted import Planted
from support.trace_tool import TRACE_TOOLS
from support.wire import API_VERSIONS, METADATA, PRODUCE, Connection, array, batch, pack, records, string

SLOW_MS, STALL_MS = 1000, 1500


class SlowRequest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.captures = self.folder / "made" / "captures"
        self.config = self.folder / "takhin.yaml"
        self.planted = Planted(self.folder)
        self.configure(slow_request_ms=0)
        self.broker = Broker(["-config", str(self.config)], environment=self.planted.environment, server_threads=2,
                             storage_log_flush_messages=1).start()
        self.addCleanup(self.broker.__exit__)
        self.client = Connection(self.broker.ports["kafka"])
        self.addCleanup(self.client.close)
        self.client.call(METADATA, 1, array([string("orders")]))  # makes it

    def configure(self, **profiler):
        self.config.write_text(json.dumps({"profiler": {"capture_dir": str(self.captures), **profiler}}))

    def reload(self, **profiler):
        self.configure(**profiler)
        reloads = self.broker.log().count("configuration reloaded")
        self.broker.signal(signal.SIGHUP)
        self.broker.await_log(rf"(?s)(configuration reloaded.*){{{reloads + 1}}}")

    def put(self, **settings):
        request = urllib.request.Request(self.broker.url("profiler", "/debug/profiler/config"), method="PUT",
                                         data=json.dumps(settings).encode())
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read())

    def stall(self):
        """One slow request, and none beside it that a slow machine could make as slow."""
        part = pack("i", 0) + records(batch(b"x"))
        self.planted.plant("slow_sync", STALL_MS)
        self.client.call(PRODUCE, 7, string(None) + pack("hi", -1, 10_000) + array([string("orders") + array([part])]))
        self.planted.remove("slow_sync")
        self.client.call(API_VERSIONS, 0, b"")  # served when the one before it has ended, its answer sent and all

    def listed(self):
        return json.loads(self.broker.get("profiler", "/debug/pprof/captures?format=json"))["captures"]

    def test_it_is_there_to_be_opened_afterwards(self):
        self.reload(slow_request_ms=SLOW_MS, capture_cooldown="1h")
        self.stall()
        found = self.broker.await_log(r"slow request captured request=Produce duration_ms=(\d+) file=(\S+)")
        self.assertGreaterEqual(int(found.group(1)), STALL_MS)

        [capture] = self.listed()
        self.assertEqual(found.group(2), str(self.captures / capture["name"]))
        self.assertAlmostEqual(calendar.timegm(time.strptime(capture["time"], "%Y-%m-%dT%H:%M:%SZ")), time.time(),
                               delta=TIMEOUT_S)
        self.assertIn(capture["name"], self.broker.get("profiler", "/debug/pprof/captures").decode())
        content = self.broker.get("profiler", f"/debug/pprof/captures/{capture['name']}")
        self.assertEqual(len(content), capture["size_bytes"])
        self.assertEqual(content, pathlib.Path(found.group(2)).read_bytes())
        self.broker.await_metrics(lambda metrics: metrics["takhin_profiler_captures_saved_total"] == 1)
        file = self.folder / "capture.trace"
        file.write_bytes(content)
        for tool in TRACE_TOOLS:
            with self.subTest(str(tool)), tool.viewer(file) as viewer:
                self.assertIn("Produce", viewer.tasks())
                self.assertGreaterEqual(max(viewer.task_durations_s("Produce")), SLOW_MS / 1000)

        self.stall()  # within the cooldown
        self.assertEqual(len(self.listed()), 1)
        self.assertEqual(self.broker.metrics()["takhin_profiler_captures_skipped_total"], 1)

    def test_it_is_switched_over_the_port_and_back_by_a_reload(self):
        self.assertEqual(self.put(slow_request_ms=SLOW_MS)["slow_request_ms"], SLOW_MS)
        self.assertTrue(self.broker.of_each_thread("comm", "captures"))
        self.stall()
        self.broker.await_log("slow request captured")
        self.reload(slow_request_ms=0)
        self.stall()
        self.assertEqual(len(self.listed()), 1)
        self.assertEqual(self.broker.metrics()["takhin_profiler_captures_skipped_total"], 0)
        self.assertTrue(self.broker.of_each_thread("comm", "captures"))  # it will remove the capture when that is old

    def test_without_a_flight_recorder_it_is_warned_of(self):
        self.reload(slow_request_ms=SLOW_MS, trace_buffer=0)
        self.broker.await_log("slow requests are not captured: there is no flight recorder "
                              f"profiler.slow_request_ms={SLOW_MS} profiler.trace_buffer=0")
        deadline = time.monotonic() + TIMEOUT_S
        while self.broker.of_each_thread("comm", "captures"):  # it looks whether there is something to be removed
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_other_files_of_the_folder_are_not_served(self):
        self.captures.mkdir(parents=True)
        (self.captures / "secret").write_text("secret")
        for name in ("secret", "../takhin.yaml", "%2e%2e/takhin.yaml", "..%2ftakhin.yaml"):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.broker.get("profiler", f"/debug/pprof/captures/{name}")
            self.assertEqual(raised.exception.code, 404)
        self.assertEqual(self.listed(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
