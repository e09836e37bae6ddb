"""Whoever scrapes takhin: Prometheus accepts the alerts and each fires when it should, on metrics that takhin has;
Alloy and Parca find every kind of profile where they look for it."""
import json
import re
import shutil
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import DEPLOY, alloy, document, needs, needs_yaml
from support.broker import BUILD, Broker, run
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
        # fsync has a metric once it has taken long enough to be worth recording, which in /tmp it may never do.
        with tempfile.TemporaryDirectory(dir=BUILD) as folder, Broker(folder=folder,
                                                                      storage_log_flush_messages=1) as broker:
            run("kcat", "-b", broker.address, "-t", "orders", "-P", input="one\ntwo\n")
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

    def check_paths(self, sources):
        for path, wants_seconds in sorted(sources):
            with self.subTest(path=path):
                Profile(self.broker.get("profiler", path + ("?seconds=1" if wants_seconds else "")))

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
        self.check_paths(alloy_sources())

    @needs_yaml
    def test_parcas_paths_answer_with_profiles(self):
        self.check_paths(parca_sources())

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
            self.assertLessEqual(set(block), {"enabled", "path", "delta"})


if __name__ == "__main__":
    unittest.main()
