"""Keys, ports and paths in deploy/ are those of the real takhin; its image has what the programs need, and its
manifests hold together."""
import json
import pathlib
import re
import sys
import sysconfig
import tempfile
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import DEPLOY, all_texts, defaults, document, documents, needs, needs_yaml, text, variable
from support.broker import BUILD, PROFILER, ROOT, TAKHIN, Broker, clean_environment, run



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

    def test_any_builder_can_build_it(self):
        # Debian's Docker has no other builder than the one that refuses these.
        self.assertNotRegex(text("Dockerfile"), r"(?m)^(COPY|ADD|RUN) .*--(chmod|link|mount)\b")

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


if __name__ == "__main__":
    unittest.main()
