"""How the profiler of a running takhin is set: by its file and SIGHUP, and over its port until the next of these."""
import json
import pathlib
import signal
import socket
import sys
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import Broker  # noqa: E402


class Settings(unittest.TestCase):
    def setUp(self):
        self.broker = Broker()
        self.config = self.broker.folder / "takhin.yaml"
        self.broker.arguments = ["-config", str(self.config)]
        self.addCleanup(self.broker.__exit__)

    def write(self, **profiler):
        self.config.write_text(json.dumps({"profiler": profiler}))

    def reload(self):
        reloads = self.broker.log().count("configuration reloaded")
        self.broker.signal(signal.SIGHUP)
        self.broker.await_log(rf"(?s)(configuration reloaded.*){{{reloads + 1}}}")

    def settings(self):
        return json.loads(self.broker.get("profiler", "/debug/profiler/config"))

    def put(self, **settings):
        request = urllib.request.Request(self.broker.url("profiler", "/debug/profiler/config"), method="PUT",
                                         data=json.dumps(settings).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def metric(self, key):
        for line in self.broker.get("metrics", "/metrics").decode().splitlines():
            if line.startswith(f'takhin_profiler_rate{{key="{key}"}} '):
                return int(line.split()[-1])
        self.fail(f"no rate {key}")

    def test_a_reload_sets_every_rate_and_the_labels_at_once(self):
        self.write(cpu_hz=10)
        self.broker.start()
        before = self.settings()
        names = ("hz", "mem_rate", "block_rate", "mutex_fraction", "trace_buffer", "slow_request_ms", "labels")
        self.assertEqual([before[name] for name in names],
                         [10, 512 * 1024, 10_000, 1, 16 << 20, 0, {"topic": True, "client_id": True}])

        self.write(cpu_hz=20, mem_rate="4KiB", block_rate="1us", mutex_fraction=7, trace_buffer="32MiB",
                   slow_request_ms=60_000, label_topics=False, label_clients=False)
        self.reload()

        after = self.settings()
        self.assertEqual([after[name] for name in names],
                         [20, 4096, 1000, 7, 32 << 20, 60_000, {"topic": False, "client_id": False}])
        self.assertEqual([self.metric(key) for key in ("cpu_hz", "mem_rate", "block_rate", "mutex_fraction")],
                         [20, 4096, 1000, 7])

    def test_what_is_put_lasts_until_the_next_reload(self):
        self.write(mem_rate="64KiB")
        self.broker.start()
        self.assertEqual(self.put(mem_rate=4096, labels={"topic": False})["mem_rate"], 4096)
        self.assertEqual((self.settings()["mem_rate"], self.metric("mem_rate")), (4096, 4096))
        self.broker.await_log(r'profiler was set over its port peer=\S+ '
                              r'changed="mem_rate 65536 to 4096, labels.topic true to false"')
        self.reload()  # of the same file
        self.assertEqual((self.settings()["mem_rate"], self.settings()["labels"]["topic"]), (65536, True))

    def test_a_debug_port_that_cannot_move_stays(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            del self.broker.settings["profiler_port"]
            self.write(port=0)
            self.broker.start()
            self.write(port=taken.getsockname()[1], cpu_hz=20)
            for count in (1, 2):  # each reload tries anew
                self.reload()
                found = self.broker.await_log(rf"(?s)(cannot listen service=profiler.*stays where it was.*?port=(\d+)"
                                              rf".*){{{count}}}")
                self.broker.ports["profiler"] = int(found[2])
                self.assertEqual(self.settings()["hz"], 20)


if __name__ == "__main__":
    unittest.main()
