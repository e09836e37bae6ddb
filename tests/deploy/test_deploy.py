"""What deploy/ says is so: keys, ports, paths and metrics exist on the real takhin, and whoever reads a file there
accepts it, where that reader is on this machine."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import (DEPLOY, all_texts, alloy, defaults, document, documents, needs_yaml, text, variable)
from support import broker as broker_support
from support.broker import BUILD, PROFILER, ROOT, TAKHIN, Broker, clean_environment, run
from support.profile_proto import Profile


def needs(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    return unittest.skipIf(missing, f"{', '.join(missing)} is not on this machine")


def check_config(config, environment):
    """All that takhin says of a configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(config)
        file.flush()
        result = run(TAKHIN, "-config", file.name, "-check-config", env=clean_environment(**environment), check=False)
    return result.returncode, result.stderr


class Names(unittest.TestCase):
    def test_every_variable_is_of_a_key(self):
        known = {variable(key) for key in defaults()}
        used = {(path, name) for path, content in all_texts().items()
                for name in re.findall(r"\bTAKHIN_[A-Z][A-Z0-9_]*", content)}
        self.assertGreater(len(used), 5)
        self.assertEqual([entry for entry in sorted(used) if entry[1] not in known], [])

    def test_every_port_is_the_default(self):
        port = {service: defaults()[f"{service}.port"] for service in ("server", "metrics", "health", "profiler")}
        address = re.compile(r"(?:localhost|127\.0\.0\.1|HOST|takhin(?:-0\.takhin(?:\.NAMESPACE)?|-profiler)?):(\d+)")
        used = {(path, found) for path, content in all_texts().items() for found in address.findall(content)}
        # Pyroscope's own, and where Prometheus listens beside takhin.
        others = {("takhin.alloy", "4040"), ("prometheus/prometheus.yaml", "9095")}
        self.assertEqual({entry for entry in used - others if entry[1] not in port.values()}, set())
        exposed = re.search(r"^EXPOSE (.*)$", text("Dockerfile"), re.MULTILINE).group(1).split()
        self.assertEqual(exposed, [port["server"], port["metrics"], port["health"]])
        for flag, service in (("profiler", "profiler"), ("metrics", "metrics"), ("health", "health")):
            self.assertRegex(text("incident.sh"), rf"(?m)^{flag}=127\.0\.0\.1:{port[service]}$")


class Dockerfile(unittest.TestCase):
    def test_what_it_copies_is_there(self):
        copies = re.findall(r"^COPY (?!--from)(.*)$", text("Dockerfile"), re.MULTILINE)
        sources = [word for copy in copies for word in copy.split()[:-1] if not word.startswith("--")]
        self.assertIn("src", sources)
        self.assertEqual([source for source in sources if not (ROOT / source).exists()], [])

    @needs("readelf", "dpkg")
    def test_the_libraries_of_both_programs_are_installed(self):
        if 'VERSION_CODENAME=bookworm' not in pathlib.Path("/etc/os-release").read_text():
            self.skipTest("other releases of Debian name their packages otherwise")
        if not PROFILER.exists() or "libasan" in (needed := run("readelf", "-d", TAKHIN, PROFILER).stdout):
            self.skipTest("needs a release build of both programs")
        libraries = set(re.findall(r"NEEDED.*\[(.*)\]", needed))
        multiarch = sysconfig.get_config_var("MULTIARCH")  # the same library for other machines may be here, too
        packages = {line.split(":")[0] for library in libraries
                    for line in run("dpkg", "-S", f"*/{multiarch}/{library}").stdout.splitlines()}
        stage = text("Dockerfile").split("FROM debian:bookworm-slim")[1]
        installed = set(re.search(r"no-install-recommends \\\s+(.*) \\", stage).group(1).split())
        self.assertEqual(packages - {"libc6"}, installed - {"curl"})

    @needs("readelf", "cmake")
    def test_what_is_installed_has_symbols_and_lines(self):
        if not PROFILER.exists():
            self.skipTest("needs both programs")
        with tempfile.TemporaryDirectory() as folder:
            run("cmake", "--install", BUILD, "--prefix", folder)
            sections = run("readelf", "-S", "-W", f"{folder}/bin/takhin").stdout
        for section in (".symtab", ".debug_info", ".debug_line"):
            self.assertIn(section, sections)


@needs_yaml
class Compose(unittest.TestCase):
    def setUp(self):
        self.compose = document("docker-compose.yaml")
        self.service = self.compose["services"]["takhin"]

    def test_it_has_what_compose_knows(self):
        self.assertEqual(set(self.compose), {"services", "volumes"})
        types = {"build": dict, "image": str, "ports": list, "environment": list, "volumes": list, "restart": str,
                 "stop_grace_period": str, "read_only": bool, "cap_drop": list, "security_opt": list, "ulimits": dict}
        self.assertEqual({name: type(value) for name, value in self.service.items()}, types)
        for volume in self.service["volumes"]:
            self.assertIn(volume.split(":")[0], self.compose["volumes"])
        build = self.service["build"]
        self.assertTrue((DEPLOY / build["context"] / build["dockerfile"]).exists())

    def test_the_guides_lines_are_in_it(self):
        self.assertLessEqual({"9092:9092", "127.0.0.1:6060:6060"}, set(self.service["ports"]))
        self.assertIn("TAKHIN_PROFILER_ENABLED=true", self.service["environment"])

    def test_takhin_accepts_its_environment(self):
        pairs = dict(pair.split("=", 1) for pair in self.service["environment"])
        pairs = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in pairs.items()}
        self.assertEqual(check_config((ROOT / "configs" / "takhin.yaml").read_text(), pairs), (0, ""))


# The fields that these manifests may have, by where they stand; a list's elements share its row.
METADATA = {"name", "labels"}
FIELDS = {
    "ConfigMap": {"apiVersion", "kind", "metadata", "data"},
    "Service": {"apiVersion", "kind", "metadata", "spec"},
    "Service.spec": {"clusterIP", "selector", "ports", "type"},
    "Service.spec.ports": {"name", "port", "targetPort"},
    "StatefulSet": {"apiVersion", "kind", "metadata", "spec"},
    "StatefulSet.spec": {"serviceName", "replicas", "selector", "template", "volumeClaimTemplates"},
    "StatefulSet.spec.template": {"metadata", "spec"},
    "StatefulSet.spec.template.spec": {"enableServiceLinks", "automountServiceAccountToken", "containers", "volumes",
                                       "terminationGracePeriodSeconds", "securityContext"},
    "StatefulSet.spec.template.spec.securityContext": {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup",
                                                       "fsGroupChangePolicy", "seccompProfile"},
    "StatefulSet.spec.template.spec.containers": {"name", "image", "imagePullPolicy", "args", "env", "ports",
                                                  "readinessProbe", "livenessProbe", "resources", "securityContext",
                                                  "volumeMounts"},
    "StatefulSet.spec.template.spec.containers.ports": {"name", "containerPort"},
    "StatefulSet.spec.template.spec.containers.env": {"name", "value", "valueFrom"},
    "StatefulSet.spec.template.spec.containers.readinessProbe": {"httpGet", "periodSeconds"},
    "StatefulSet.spec.template.spec.containers.livenessProbe": {"httpGet", "periodSeconds", "timeoutSeconds",
                                                                "failureThreshold"},
    "StatefulSet.spec.template.spec.containers.resources": {"requests", "limits"},
    "StatefulSet.spec.template.spec.containers.securityContext": {"allowPrivilegeEscalation", "capabilities",
                                                                  "readOnlyRootFilesystem"},
    "StatefulSet.spec.template.spec.containers.volumeMounts": {"name", "mountPath", "readOnly"},
    "StatefulSet.spec.volumeClaimTemplates": {"metadata", "spec"},
    "StatefulSet.spec.volumeClaimTemplates.spec": {"accessModes", "resources"},
    "NetworkPolicy": {"apiVersion", "kind", "metadata", "spec"},
    "NetworkPolicy.spec": {"podSelector", "policyTypes", "ingress"},
    "NetworkPolicy.spec.ingress": {"from", "ports"},
}
VERSIONS = {"ConfigMap": "v1", "Service": "v1", "StatefulSet": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}


def unknown_fields(value, where):
    """Paths of fields that are in no row of FIELDS."""
    if isinstance(value, list):
        return [path for element in value for path in unknown_fields(element, where)]
    if not isinstance(value, dict):
        return []
    known = FIELDS.get(where, METADATA | {"annotations"} if where.endswith(".metadata") else None)
    wrong = [f"{where}.{name}" for name in value if known is not None and name not in known]
    return wrong + [path for name, inner in value.items() for path in unknown_fields(inner, f"{where}.{name}")]


@needs_yaml
class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.base = documents("kubernetes/base/takhin.yaml")
        self.profiler = documents("kubernetes/with-profiler-service/profiler.yaml")
        self.of = {(item["kind"], item["metadata"]["name"]): item for item in self.base + self.profiler}
        self.stateful = self.of["StatefulSet", "takhin"]["spec"]
        self.pod = self.stateful["template"]["spec"]
        self.container, = self.pod["containers"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}

    def test_fields_are_known(self):
        for item in self.base + self.profiler + documents("kubernetes/with-profiler-service/listen.yaml"):
            self.assertEqual(item["apiVersion"], VERSIONS[item["kind"]])
            self.assertEqual(unknown_fields(item, item["kind"]), [])

    def test_names_meet(self):
        labels = self.stateful["template"]["metadata"]["labels"]
        self.assertEqual(self.stateful["selector"]["matchLabels"], labels)
        self.assertIn(("Service", self.stateful["serviceName"]), self.of)
        for (kind, _), item in self.of.items():
            if kind == "Service":
                self.assertEqual(item["spec"]["selector"], labels)
        for port in self.of["Service", "takhin"]["spec"]["ports"]:
            self.assertEqual(self.ports[port["targetPort"]], port["port"])
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        claims = {claim["metadata"]["name"] for claim in self.stateful["volumeClaimTemplates"]}
        self.assertEqual({mount["name"] for mount in self.container["volumeMounts"]}, set(volumes) | claims)
        self.assertIn(("ConfigMap", volumes["config"]["configMap"]["name"]), self.of)

    def test_ports_are_those_of_the_configuration(self):
        default = defaults()
        self.assertEqual(self.ports, {"kafka": int(default["server.port"]), "metrics": int(default["metrics.port"]),
                                      "health": int(default["health.port"])})
        annotations = self.stateful["template"]["metadata"]["annotations"]
        self.assertEqual(annotations["prometheus.io/port"], default["metrics.port"])

    def test_takhin_accepts_its_configuration(self):
        environment = {entry["name"]: entry.get("value", "2") for entry in self.container["env"]}
        host = environment["TAKHIN_KAFKA_ADVERTISED_HOST"]
        self.assertEqual(set(re.findall(r"\$\((\w+)\)", host)) - set(environment), set(), "it is set before")
        environment["TAKHIN_KAFKA_ADVERTISED_HOST"] = re.sub(r"\$\(\w+\)", "name", host)
        listen, = documents("kubernetes/with-profiler-service/listen.yaml")
        added = listen["spec"]["template"]["spec"]["containers"][0]["env"]
        environment.update((entry["name"], entry["value"]) for entry in added)
        config = self.of["ConfigMap", "takhin"]["data"]["takhin.yaml"]
        self.assertEqual(check_config(config, environment), (0, ""))

    def test_the_guides_service_is_there_and_only_beside_the_base(self):
        service = self.of["Service", "takhin-profiler"]["spec"]
        self.assertEqual(service, {"ports": [{"port": 6060, "name": "pprof"}], "selector": {"app": "takhin"},
                                   "type": "ClusterIP"})
        self.assertNotIn(6060, [port["port"] for item in self.base if item["kind"] == "Service"
                                for port in item["spec"]["ports"]])
        self.assertIs(self.pod["enableServiceLinks"], False)
        policy, = self.of["NetworkPolicy", "takhin"]["spec"]["podSelector"].values()
        self.assertEqual(policy, self.stateful["template"]["metadata"]["labels"])

    def test_it_runs_as_the_images_user_without_privileges(self):
        user = re.search(r"^USER (\d+):(\d+)$", text("Dockerfile"), re.MULTILINE)
        security = self.pod["securityContext"]
        self.assertEqual([security["runAsUser"], security["runAsGroup"]], [int(user.group(1)), int(user.group(2))])
        self.assertIs(security["runAsNonRoot"], True)
        self.assertEqual(self.container["securityContext"], {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
        mounts = {mount["mountPath"] for mount in self.container["volumeMounts"]}
        config = self.of["ConfigMap", "takhin"]["data"]["takhin.yaml"]
        for folder in re.findall(r"_dir: (\S+)", config):
            self.assertIn(str(pathlib.Path(folder).parent), mounts, "nothing else can be written")

    def test_probes_are_answered(self):
        with Broker(profiler=False) as broker:
            for probe in ("livenessProbe", "readinessProbe"):
                get = self.container[probe]["httpGet"]
                self.assertEqual(get["port"], "health")
                self.assertTrue(json.loads(broker.get("health", get["path"]))["status"])

    @needs("kubectl")
    def test_kustomize_builds_both(self):
        for name in ("base", "with-profiler-service"):
            result = run("kubectl", "kustomize", DEPLOY / "kubernetes" / name, check=False)
            if "unknown command" in result.stderr:
                self.skipTest("this kubectl has no kustomize")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("value: 0.0.0.0" in result.stdout, name == "with-profiler-service")
            self.assertIn("TAKHIN_KAFKA_ADVERTISED_HOST", result.stdout, "the patch adds to the variables")


def syscalls_of_group(name, groups={}):
    """What a group of systemd's filter names, those of the groups in it too."""
    if name not in groups:
        lines = run("systemd-analyze", "syscall-filter", name).stdout.splitlines()
        words = [line.strip() for line in lines if line.startswith("    ") and not line.strip().startswith("#")]
        groups[name] = {call for word in words
                        for call in (syscalls_of_group(word) if word.startswith("@") else {word})}
    return groups[name]


class Systemd(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-deploy-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.unit = self.folder / "takhin.service"
        self.unit.write_text(text("takhin.service").replace("/usr/local/bin/takhin", str(TAKHIN)))
        self.lines = [line.split("=", 1) for line in text("takhin.service").splitlines()
                      if "=" in line and not line.startswith("#")]

    @needs("systemd-analyze")
    def test_systemd_accepts_it(self):
        result = run("systemd-analyze", "verify", self.unit, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    @needs("systemd-analyze")
    def test_little_is_left_open(self):
        # Of 100: 50 is "medium", what a service without any of this has is above 90.
        result = run("systemd-analyze", "security", "--offline=true", "--threshold=20", self.unit, check=False)
        if "offline" in result.stderr:
            self.skipTest("this systemd cannot judge a unit that it does not run")
        self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr)

    def test_reload_is_what_takhin_reloads_at(self):
        self.assertIn(["ExecReload", "/bin/kill -HUP $MAINPID"], self.lines)
        config = (ROOT / "configs" / "takhin.yaml").read_text()
        self.assertRegex(config, r"SIGHUP reads the file again")
        self.assertIn(["WorkingDirectory", "%S/takhin"], self.lines)
        self.assertIn(["StateDirectory", "takhin"], self.lines)
        self.assertIn('data_dir: "data"', config)
        self.assertIn('capture_dir: "captures"', config)

    @needs("strace", "systemd-analyze", "curl")
    def test_the_filter_lets_all_system_calls_through_that_profiling_makes(self):
        allowed = syscalls_of_group("@default").copy()
        for name, value in self.lines:
            if name != "SystemCallFilter":
                continue
            words = {word for group in value.lstrip("~").split()
                     for word in (syscalls_of_group(group) if group.startswith("@") else {group})}
            allowed = allowed - words if value.startswith("~") else allowed | words
        made = self.system_calls_of_a_profiled_broker()
        self.assertLessEqual({"timer_create", "rt_sigreturn", "rt_tgsigqueueinfo"}, made, "it was profiled")
        self.assertEqual(made - allowed, set())

    def system_calls_of_a_profiled_broker(self):
        log, wrapper = self.folder / "strace.log", self.folder / "takhin"
        wrapper.write_text(f'#!/bin/sh\nexec strace -D -f -qq -o {log} {TAKHIN} "$@"\n')
        wrapper.chmod(0o755)
        if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
            self.skipTest("strace may not trace here")
        original, broker_support.TAKHIN = broker_support.TAKHIN, wrapper
        try:
            with Broker(folder=self.folder, storage_log_flush_messages=1,
                        profiler_capture_dir=self.folder / "captures") as broker:
                if shutil.which("kcat"):
                    run("kcat", "-b", broker.address, "-t", "traced", "-P", input="one\ntwo\n")
                    run("kcat", "-b", broker.address, "-t", "traced", "-C", "-e", "-q")
                run_incident(broker, self.folder / "incident", "-s", "1")
        finally:
            broker_support.TAKHIN = original
        return set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", log.read_text(errors="replace"),
                              re.MULTILINE))


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


def run_incident(broker, root, *arguments):
    """What incident.sh says and its exit code; nothing of takhin's own is in its PATH."""
    addresses = [word for flag, service in (("-p", "profiler"), ("-m", "metrics"), ("-e", "health"))
                 if service in broker.ports for word in (flag, f"127.0.0.1:{broker.ports[service]}")]
    return run(DEPLOY / "incident.sh", *addresses, "-o", root, *arguments, check=False,
               env=clean_environment(PATH="/usr/bin:/bin"))


@needs("curl", "tar")
class Incident(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="takhin-deploy-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.incidents = self.root / "profiles"

    def folder(self):
        folder, archive = sorted(self.incidents.iterdir())
        self.assertEqual(archive.name, folder.name + ".tar.gz")
        inside = {name.rstrip("/") for name in run("tar", "-tzf", archive).stdout.splitlines()}
        files = {str(path.relative_to(self.incidents)) for path in [folder, *folder.rglob("*")]}
        self.assertEqual(inside, files)
        return folder

    def test_all_is_collected_and_valid(self):
        with Broker(profiler_capture_dir=self.root / "captures") as broker:
            result = run_incident(broker, self.incidents, "-s", "1", "-l", "2")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        folder = self.folder()
        profiles = {path.stem: Profile(path.read_bytes()) for path in folder.glob("*.prof")}
        self.assertEqual(set(profiles), {"cpu", "heap", "goroutine", "block", "mutex", "fgprof", "threadcreate"})
        self.assertIn("cpu", [name for name, _ in profiles["cpu"].sample_types])
        self.assertTrue((folder / "trace-last.out").read_bytes().startswith(b"go 1."))
        self.assertRegex((folder / "goroutine.txt").read_text(), r"^goroutine \d+ \[")
        for name in ("before", "after"):
            self.assertIn("takhin_build_info", (folder / f"metrics-{name}.txt").read_text())
        for name in ("captures", "profiler", "health"):
            json.loads((folder / f"{name}.json").read_text())
        self.assertEqual(folder.stat().st_mode & 0o077, 0, "others may not read it")

    def test_captures_come_along(self):
        captures = self.root / "captures"
        captures.mkdir()
        names = [f"20260102T03040{i}Z-Produce-12{i}ms.trace" for i in range(3)]
        for name in names:
            (captures / name).write_bytes(name.encode())
        with Broker(profiler_capture_dir=captures, profiler_capture_age="20000h") as broker:
            result = run_incident(broker, self.incidents, "-s", "1")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        saved = self.folder() / "captures"
        self.assertEqual({path.name: path.read_bytes().decode() for path in saved.iterdir()},
                         {name: name for name in names})

    def test_with_the_profiler_off_it_collects_the_rest_and_says_what_to_do(self):
        with Broker(profiler=False) as broker:
            result = run_incident(broker, self.incidents, "-p", "127.0.0.1:1")
        self.assertEqual(result.returncode, 3, result.stdout)
        self.assertIn("TAKHIN_PROFILER_ENABLED=true", result.stdout)
        self.assertEqual({path.name for path in self.folder().iterdir()},
                         {"metrics-before.txt", "health.json", "log.txt"})

    def test_with_nobody_there_it_leaves_nothing(self):
        nobody = "127.0.0.1:1"
        result = run(DEPLOY / "incident.sh", "-p", nobody, "-m", nobody, "-e", nobody, "-o", self.incidents,
                     check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("Nothing was collected", result.stderr)
        self.assertEqual(list(self.incidents.iterdir()), [])

    def test_what_takhin_refuses_is_left_out_and_said(self):
        with Broker(profiler_max_duration="5s", profiler_capture_dir=self.root / "captures") as broker:
            result = run_incident(broker, self.incidents, "-s", "60")
        self.assertEqual(result.returncode, 3, result.stdout)
        folder = self.folder()
        self.assertFalse((folder / "cpu.prof").exists())
        self.assertRegex((folder / "log.txt").read_text(), r"NOT cpu\.prof: http://\S+: 400 \w+")
        Profile((folder / "heap.prof").read_bytes())

    def test_interrupted_it_keeps_what_is_whole(self):
        with Broker(profiler_capture_dir=self.root / "captures") as broker:
            process = subprocess.Popen(
                [DEPLOY / "incident.sh", "-p", f"127.0.0.1:{broker.ports['profiler']}",
                 "-m", f"127.0.0.1:{broker.ports['metrics']}", "-e", f"127.0.0.1:{broker.ports['health']}",
                 "-o", self.incidents, "-s", "100"],
                stdout=subprocess.PIPE, text=True, start_new_session=True)
            with process.stdout:
                for line in process.stdout:
                    if line.startswith("The next 100 s"):
                        break
                process.terminate()
                said = process.stdout.read()
            self.assertEqual(process.wait(60), 3, said)
            with self.assertRaises(ProcessLookupError, msg="it leaves no curl behind"):
                os.killpg(process.pid, 0)
        folder = self.folder()
        self.assertIn("Interrupted", said)
        Profile((folder / "heap.prof").read_bytes())
        self.assertEqual([path.name for path in folder.iterdir() if not path.name.endswith(
            (".prof", ".txt", ".json", ".out"))], [])
        self.assertFalse((folder / "cpu.prof").exists())

    def test_wrong_usage_is_2(self):
        for arguments in (["-x"], ["-s", "soon"], ["-l", "0"], ["more"], ["-o"]):
            result = run(DEPLOY / "incident.sh", *arguments, check=False)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
        self.assertIn("Exit code: 0", run(DEPLOY / "incident.sh", "-h").stdout)

    def test_a_folder_that_cannot_be_made_is_said(self):
        (self.root / "profiles").write_text("a file")
        result = run(DEPLOY / "incident.sh", "-o", self.incidents, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("-o names another place", result.stderr)

    @needs("shellcheck")
    def test_shellcheck_finds_nothing(self):
        run("shellcheck", DEPLOY / "incident.sh")

    @needs("dash")
    def test_it_is_plain_sh(self):
        run("dash", "-n", DEPLOY / "incident.sh")


if __name__ == "__main__":
    unittest.main()
