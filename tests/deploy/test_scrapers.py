"""Whoever scrapes takhin: Prometheus accepts the alerts and each fires when it should, on metrics that takhin has, a
real one too; Alloy and Parca find every kind of profile where they look for it."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import DEPLOY, alloy, document, needs, needs_yaml, text
from support.broker import Broker, run
from support.kcat import kcat
from support.planted import Planted
from support.profile_proto import Profile

# Each alert: series that make it fire at the time in minutes, and series that do not. promtool's notation: first
# value, what is added each minute, how often.
CALM, BUSY = "0+0x120", "0+60x120"
OURS = "takhin_profiler_"
ALERTS = {
    "TakhinDown": (60, {'up{job="takhin"}': "0x120"}, {'up{job="takhin"}': "1x120"}),
    "TakhinRestarts": (60, {'process_start_time_seconds{job="takhin"}': "0+60x120"},
                       {'process_start_time_seconds{job="takhin"}': "5x120"}),
    "TakhinSlowRequests": (
        60, {f'takhin_request_processing_seconds_bucket{{api="Produce",le="{le}"}}': values
             for le, values in (("0.5", "0x120"), ("1", "0+60x120"), ("+Inf", "0+60x120"))},
        {f'takhin_request_processing_seconds_bucket{{api="Fetch",le="{le}"}}': values
         for le, values in (("0.25", "0+60x120"), ("0.5", "0+60x120"), ("+Inf", "0+60x120"))}),
    "TakhinEventLoopLag": (60, {'takhin_event_loop_lag_seconds{reactor="reactor-0"}': "0.2x120"},
                           {'takhin_event_loop_lag_seconds{reactor="reactor-0"}': "0.0001x120"}),
    "TakhinTasksStarve": (60, {"takhin_task_runnable_seconds_total": "0+1200x120"},
                          {"takhin_task_runnable_seconds_total": "0+60x120"}),
    "TakhinSlowDisk": (60, {'takhin_blocking_call_seconds_total{call="fsync"}': "0+40x120"},
                       {'takhin_blocking_call_seconds_total{call="fsync"}': "0+10x120",
                        'takhin_blocking_call_seconds_total{call="sendfile"}': "0+60x120"}),
    "TakhinDiskQueue": (60, {'takhin_task_wait_seconds_total{reason="offload queue"}': "0+120x120"},
                        {'takhin_task_wait_seconds_total{reason="offload queue"}': "0+30x120",
                         'takhin_task_wait_seconds_total{reason="data wait"}': "0+6000x120"}),
    "TakhinFewDescriptors": (
        60, {'process_open_fds{job="takhin"}': "900x120", 'process_max_fds{job="takhin"}': "1000x120"},
        {'process_open_fds{job="takhin"}': "700x120", 'process_max_fds{job="takhin"}': "1000x120"}),
    "TakhinRefusesConnections": (60, {"takhin_connections_refused_total": BUSY},
                                 {"takhin_connections_refused_total": CALM}),
    "TakhinMemoryGrows": (
        1600, {'process_resident_memory_bytes{job="takhin"}': "400000000x200 900000000x1600"},
        {'process_resident_memory_bytes{job="takhin"}': "10000000x200 90000000x1600"}),
    "TakhinProfilesLoseSamples": (
        60, {f'{OURS}lost_total{{type="heap"}}': "0+3x120", f'{OURS}samples_total{{type="heap"}}': BUSY},
        {f'{OURS}lost_total{{type="heap"}}': CALM, f'{OURS}samples_total{{type="heap"}}': BUSY,
         f'{OURS}lost_total{{type="mutex"}}': CALM, f'{OURS}samples_total{{type="mutex"}}': CALM}),
    "TakhinProfilerCosts": (60, {f'{OURS}overhead_seconds_total{{type="heap"}}': "0+6x120"},
                            {f'{OURS}overhead_seconds_total{{type="heap"}}': "0+1x120"}),
    "TakhinTraceLosesRecords": (60, {f"{OURS}trace_lost_total": BUSY}, {f"{OURS}trace_lost_total": CALM}),
    "TakhinSlowRequestCaptured": (60, {f"{OURS}captures_saved_total": BUSY},
                                  {f"{OURS}captures_saved_total": CALM}),
    "TakhinCapturesFail": (60, {f"{OURS}captures_failed_total": BUSY}, {f"{OURS}captures_failed_total": CALM}),
}


class Prometheus(unittest.TestCase):
    @needs("promtool")
    def test_promtool_accepts_config_and_rules(self):
        run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yaml")

    @needs_yaml
    @needs("promtool")
    def test_each_alert_fires_when_it_should_and_only_then(self):
        rules = [rule["alert"] for group in document("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
        self.assertEqual(rules, list(ALERTS))
        tests = [
            {"interval": "1m",
             "input_series": [{"series": name, "values": values} for name, values in series.items()],
             "promql_expr_test": [{
                 "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": f"{minutes}m",
                 "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}]}
            for alert, (minutes, firing, calm) in ALERTS.items() for fires, series in ((True, firing), (False, calm))]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:  # JSON is YAML
            json.dump({"rule_files": [str(DEPLOY / "prometheus" / "alerts.yaml")], "evaluation_interval": "1m",
                       "tests": tests}, file)
            file.flush()
            run("promtool", "test", "rules", file.name)

    @needs_yaml
    @needs("kcat")
    def test_takhin_has_every_metric_that_an_alert_asks(self):
        rules = [rule for group in document("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
        # fsync has a metric once it has taken long enough to be worth recording, which in memory it may never do.
        folder = self.enterContext(tempfile.TemporaryDirectory())
        planted = Planted(folder)
        planted.plant("slow_sync", 1)
        with Broker(folder=folder, environment=planted.environment, storage_log_flush_messages=1) as broker:
            kcat(broker, "-t", "orders", "-P", input="one\ntwo\n")
            series = set(broker.metrics())
        names = {name.split("{")[0] for name in series}
        asked = 0
        for rule in rules:
            for name, selector in re.findall(r"\b((?:takhin|process)_\w+)(?:\{(.*?)\})?", rule["expr"]):
                asked += 1
                self.assertIn(name, names, rule["alert"])
                for label in re.findall(r'\w+="[^"]*"', selector):
                    if not label.startswith("job="):  # Prometheus adds it
                        self.assertTrue(any(label in one for one in series if one.startswith(name + "{")),
                                        f"{rule['alert']}: {name} has no {label}")
        self.assertGreaterEqual(asked, len(rules) - 1)


def listening_port(process):
    """The TCP port that it listens on; None if it does on none."""
    sockets = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                sockets.add(os.readlink(entry).removeprefix("socket:[").rstrip("]"))
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, address, _, state, _, _, _, _, _, inode, *_ = line.split()
        if state == "0A" and inode in sockets:
            return int(address.split(":")[1], 16)
    return None


class RealPrometheus:
    """A Prometheus with our files, which asks each second, on a port of its own."""

    def __init__(self, target):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-prometheus-"))
        config = text("prometheus/prometheus.yaml")
        for ours, here in (("localhost:9090", target), ("interval: 15s", "interval: 1s")):
            assert ours in config
            config = config.replace(ours, here)
        (self.folder / "prometheus.yaml").write_text(config)
        (self.folder / "alerts.yaml").write_text(re.sub(r"for: \d+m", "for: 0s", text("prometheus/alerts.yaml")))

    def __enter__(self):
        self.log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.folder}/prometheus.yaml", f"--storage.tsdb.path={self.folder}/data",
             "--web.listen-address=127.0.0.1:0"], stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)

    def await_answer(self, path, wanted):
        """The first answer of its API that is as wanted."""
        deadline = time.monotonic() + 120
        data = port = None
        while time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.1)
            port = port or listening_port(self.process)
            if not port:
                continue
            with contextlib.suppress(OSError):  # not ready yet
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=60) as response:
                    data = json.load(response)["data"]
                if wanted(data):
                    return data
        raise AssertionError(f"{path}: {data}\n{(self.folder / 'log').read_text()}")


class PrometheusRuns(unittest.TestCase):
    @needs("prometheus")
    def test_it_scrapes_takhin_evaluates_all_rules_and_tells_when_takhin_is_gone(self):
        def rules(data):
            return {rule["name"]: rule for group in data["groups"] for rule in group["rules"]}

        def takhin_is(state):
            """And all rules can be evaluated. A scrape that takes long, as the machine is busy, is takhin down, too."""
            return lambda data: ({name: rule["health"] for name, rule in rules(data).items()} ==
                                 dict.fromkeys(ALERTS, "ok") and rules(data)["TakhinDown"]["state"] == state)

        with Broker() as broker, RealPrometheus(f"127.0.0.1:{broker.ports['metrics']}") as prometheus:
            targets = prometheus.await_answer(
                "targets", lambda data: data["activeTargets"] and data["activeTargets"][0]["health"] == "up")
            self.assertEqual([target["lastError"] for target in targets["activeTargets"]], [""])
            prometheus.await_answer("rules", takhin_is("inactive"))
            broker.stop()
            data = prometheus.await_answer("rules", takhin_is("firing"))
            alert, = rules(data)["TakhinDown"]["alerts"]
            self.assertIn("does not answer", alert["annotations"]["summary"])


def alloy_sources():
    """(path, whether it is asked for seconds) of each kind of profile that Alloy scrapes."""
    scrape = alloy("takhin.alloy")["pyroscope.scrape", "takhin"]
    return {(block["path"], block.get("delta", False))
            for block in scrape["profiling_config", ""].values() if block["enabled"]}


def parca_sources():
    config, = document("parca.yaml")["scrape_configs"]
    return {(block["path"], block.get("delta", False))
            for block in config["profiling_config"]["pprof_config"].values() if block["enabled"]}


class Scrapers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()
        cls.addClassCleanup(shutil.rmtree, cls.broker.folder, ignore_errors=True)
        cls.addClassCleanup(cls.broker.stop)

    def check_all_types(self, sources):
        index = self.broker.get("profiler", "/debug/pprof/").decode()
        served = set(re.findall(r"href='/?(?:debug/)?(\w+)\?(?:debug|seconds)", index)) - {"cmdline", "symbol", "trace"}
        self.assertLessEqual({"allocs", "block", "fgprof", "goroutine", "heap", "mutex", "profile"}, served)
        scraped = {path.rsplit("/", 1)[1].replace("delta_", "") for path, _ in sources}
        # These two are the same samples.
        if scraped & {"heap", "allocs"}:
            scraped |= {"heap", "allocs"}
        self.assertEqual(served, scraped & served, "each kind of profile is scraped")

    def test_alloys_paths_answer_with_profiles(self):
        for path, wants_seconds in sorted(alloy_sources()):
            with self.subTest(path=path):
                url = self.broker.url("profiler", path + ("?seconds=1" if wants_seconds else ""))
                with urllib.request.urlopen(url, timeout=60) as response:
                    Profile(response.read())
                # Alloy refuses any other.
                self.assertEqual(response.headers["Content-Type"], "application/octet-stream")

    @needs_yaml
    def test_parcas_paths_answer_with_profiles_and_what_it_divides_by_a_length_came_in_it(self):
        config, = document("parca.yaml")["scrape_configs"]
        for name, block in config["profiling_config"]["pprof_config"].items():
            with self.subTest(name=name):
                profile = Profile(self.broker.get("profiler", block["path"] + "?seconds=1" * block.get("delta", False)))
                kept = {(kind["type"], kind["unit"]) for kind in block.get("keep_sample_type", [])}
                self.assertLessEqual(kept, set(profile.sample_types))
                types = {kind for kind, _ in kept or profile.sample_types}
                of_a_moment = {"inuse_objects", "inuse_space", "goroutine", "goroutineleak", "threadcreate"}
                self.assertEqual(types & of_a_moment, set() if profile.proto.duration_nanos else types)

    def test_alloy_scrapes_every_type(self):
        self.check_all_types(alloy_sources())

    @needs_yaml
    def test_parca_scrapes_every_type(self):
        self.check_all_types(parca_sources())

    def test_alloys_blocks_are_what_it_knows(self):
        config = alloy("takhin.alloy")
        self.assertEqual(set(config), {("pyroscope.write", "pyroscope"), ("pyroscope.scrape", "takhin")})
        scrape = config["pyroscope.scrape", "takhin"]
        self.assertEqual(scrape["forward_to"], ["pyroscope.write.pyroscope.receiver"])
        # What Pyroscope is told beside deltas that takhin has computed, lest it subtracts them once more.
        self.assertTrue(scrape["profiling_config", ""]["profile.godeltaprof_memory", ""]["enabled"])
        self.assertEqual([target["__delta__"] for target in scrape["targets"]], ["false"])
        self.assertTrue(urllib.parse.urlsplit(config["pyroscope.write", "pyroscope"]["endpoint", ""]["url"]).port)
        # (pyroscope.scrape in Alloy's reference)
        known = {"process_cpu", "fgprof", "memory", "block", "mutex", "goroutine", "godeltaprof_memory",
                 "godeltaprof_block", "godeltaprof_mutex"}
        for (name, label), block in scrape["profiling_config", ""].items():
            self.assertEqual(name in {f"profile.{kind}" for kind in known}, not label, name)
            self.assertTrue(not label or name == "profile.custom", name)
            self.assertLessEqual(set(block), {"enabled", "path", "delta"})

    @needs_yaml
    def test_parcas_timeout_is_longer_than_its_interval(self):
        config = document("parca.yaml")
        self.assertEqual(set(config), {"object_storage", "scrape_configs"})
        job, = config["scrape_configs"]
        self.assertEqual(set(job), {"job_name", "scrape_interval", "scrape_timeout", "static_configs",
                                    "profiling_config"})
        self.assertGreater(int(job["scrape_timeout"].rstrip("s")), int(job["scrape_interval"].rstrip("s")))
        for block in job["profiling_config"]["pprof_config"].values():
            self.assertLessEqual(set(block), {"enabled", "path", "delta", "keep_sample_type"})


if __name__ == "__main__":
    unittest.main()
