"""The program from outside: command line, configuration, signals, metrics, health."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import LOAD, ROOT, TAKHIN, TIMEOUT_S, Broker, clean_environment, run
from support.kcat import kcat


def takhin(*arguments, **environment):
    return subprocess.run([TAKHIN, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT,
                          env=clean_environment(**environment))


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, text):
        path = self.folder / "takhin.yaml"
        path.write_text(text)
        return path

    def test_the_example_configuration_is_good_in_each_spelling(self):
        for option in (["-config", "configs/takhin.yaml"], ["--config", "configs/takhin.yaml"],
                       ["-config=configs/takhin.yaml"]):
            result = takhin(*option, "-check-config")
            self.assertEqual((result.returncode, result.stderr), (0, ""), option)
            self.assertEqual(result.stdout, "configs/takhin.yaml: the configuration is good\n")

    def test_every_mistake_is_told_in_one_go_and_nothing_starts(self):
        path = self.write("server:\n  port: 99999\nprofiler:\n  enabeld: true\n  cpu_hz: fast\n")
        result = takhin("-config", str(path), TAKHIN_LOGGING_LEVEL="loud",
                        TAKHIN_STORAGE_DATA_DIR=str(self.folder / "d"))
        self.assertEqual(result.returncode, 2)
        for wanted in (f"{path}:2:9", f"{path}:4:3", "profiler.enabled", f"{path}:5:11", "TAKHIN_LOGGING_LEVEL"):
            self.assertIn(wanted, result.stderr)
        self.assertFalse((self.folder / "d").exists())

    def test_print_config_says_where_each_value_came_from(self):
        path = self.write("storage:\n  data:\n    dir: /from/file\n")
        printed = takhin("-config", str(path), "-print-config", TAKHIN_PROFILER_PORT="7070").stdout
        self.assertRegex(printed, rf"data_dir: /from/file +# {path}:3:10")
        self.assertRegex(printed, r"port: 7070 +# TAKHIN_PROFILER_PORT")
        self.assertRegex(printed, r"broker_id: 1 +# default")

    def test_a_variable_of_kubernetes_is_ignored_with_a_warning(self):
        result = takhin("-check-config", TAKHIN_PROFILER_PORT="tcp://10.0.0.7:6060")
        self.assertEqual(result.returncode, 0)
        self.assertIn("TAKHIN_PROFILER_PORT", result.stderr)
        self.assertIn("enableServiceLinks", result.stderr)

    def test_each_line_of_a_json_log_is_json(self):
        with Broker(logging_format="json", kafka_port="9093") as broker:
            broker.stop()
            messages = [json.loads(line)["message"] for line in broker.log().splitlines()]
        self.assertTrue(any("TAKHIN_KAFKA_PORT: ignored" in message and "TAKHIN_SERVER_PORT" in message
                            for message in messages), messages)

    def test_help_and_version(self):
        self.assertIn("-config", takhin("-h").stdout)
        self.assertRegex(takhin("-version").stdout, r"takhin \d+\.\d+\.\d+")
        wrong = takhin("-no-such-option")
        self.assertEqual(wrong.returncode, 2)
        self.assertTrue(wrong.stderr.startswith("takhin: -no-such-option: no such flag\n"), wrong.stderr)

    def test_a_file_that_cannot_be_read_is_an_error_with_its_name(self):
        for file, reason in ((self.folder / "none.yaml", "No such file or directory"),
                             (self.folder, "Is a directory")):
            result = takhin("-config", str(file))
            self.assertEqual((result.returncode, result.stderr), (2, f"error: {file}: {reason}\n"))

    def test_a_data_folder_that_cannot_be_made_is_an_error_with_its_name(self):
        (self.folder / "file").write_text("")
        data = self.folder / "file" / "data"
        result = takhin(TAKHIN_STORAGE_DATA_DIR=str(data), TAKHIN_METRICS_ENABLED="false",
                        TAKHIN_HEALTH_ENABLED="false")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, rf"error .*{data}.*Not a directory")

    def test_the_log_begins_with_what_was_started(self):
        with Broker() as broker:
            pid, data_dir = broker.process.pid, broker.folder / "data"
            self.assertRegex(broker.log().splitlines()[0],
                             rf"starting version=\S+ pid={pid} config=none data_dir={data_dir}$")

    def test_a_port_in_use_is_an_error_with_its_name(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for service in ("SERVER", "METRICS", "HEALTH", "PROFILER"):
                with self.subTest(service):
                    ports = {f"TAKHIN_{name}_PORT": "0" for name in ("SERVER", "METRICS", "HEALTH", "PROFILER")}
                    ports[f"TAKHIN_{service}_PORT"] = port
                    result = takhin(TAKHIN_PROFILER_ENABLED="true", TAKHIN_STORAGE_DATA_DIR=str(self.folder / "data"),
                                    **ports)
                    self.assertEqual(result.returncode, 1)
                    self.assertRegex(result.stderr, rf"error +cannot listen .*port={port}")

    def test_a_data_folder_in_use_is_an_error(self):
        with Broker() as broker:
            result = takhin(TAKHIN_SERVER_PORT="0", TAKHIN_METRICS_PORT="0", TAKHIN_HEALTH_PORT="0",
                            TAKHIN_STORAGE_DATA_DIR=str(broker.folder / "data"))
            self.assertEqual(result.returncode, 1)
            self.assertIn("another", result.stderr)


class Signals(unittest.TestCase):
    def listens(self, port):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", port)) == 0

    def test_hangup_switches_the_profiler_on_and_off_and_sets_the_log_level(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        config = folder / "takhin.yaml"
        config.write_text("profiler:\n  enabled: false\n  port: 0\n")
        broker = Broker(arguments=["-config", config], folder=folder)
        del broker.settings["profiler_enabled"], broker.settings["profiler_port"]  # the file decides
        with broker:
            config.write_text("profiler:\n  enabled: true\n  port: 0\nlogging:\n  level: debug\n")
            broker.signal(signal.SIGHUP)
            port = int(broker.await_log(r"listening service=profiler .*port=(\d+)").group(1))
            broker.await_log(r"configuration reloaded")
            broker.ports["profiler"] = port
            self.assertIn(b"profile", broker.get("profiler", "/debug/pprof/"))

            config.write_text("profiler:\n  enabled: maybe\n")
            broker.signal(signal.SIGHUP)
            broker.await_log(r"error .*takhin\.yaml:2:12.*\n(.*\n)*.*error .*nothing was changed")
            self.assertTrue(self.listens(port))

            config.write_text("profiler:\n  enabled: false\nserver:\n  threads: 7\n")
            broker.signal(signal.SIGHUP)
            broker.await_log(r"warning .*server\.threads")
            broker.await_log(r"closed service=profiler")
            self.assertFalse(self.listens(port))
            kcat(broker, "-L")

    def reloadable(self, text):
        """A broker that has this configuration file, and the file."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        config = folder / "takhin.yaml"
        config.write_text(text)
        broker = Broker(arguments=["-config", config], folder=folder)
        del broker.settings["profiler_enabled"], broker.settings["profiler_port"]  # the file decides
        return broker, config

    def profiles_under_way(self, broker, count):
        """Connections on each of which a long profile has been asked for, and is being taken."""
        connections = [socket.create_connection(("127.0.0.1", broker.ports["profiler"]), timeout=TIMEOUT_S)
                       for _ in range(count)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.sendall(b"GET /debug/pprof/profile?seconds=300 HTTP/1.1\r\nHost: h\r\n\r\n")
        deadline = time.monotonic() + TIMEOUT_S
        while broker.get("profiler", "/debug/pprof/goroutine?debug=2").count(b"\nstream_wait_closed(") < count:
            self.assertLess(time.monotonic(), deadline, "not all are being taken")
        return connections

    def test_what_a_reload_cannot_apply_is_told_as_long_as_it_differs_from_what_runs(self):
        broker, config = self.reloadable("kafka:\n  default_partitions: 1\n")
        with broker:
            for default_partitions, warned in ((2, 1), (2, 2), (1, 2)):
                config.write_text(f"kafka:\n  default_partitions: {default_partitions}\n")
                reloads = broker.log().count("configuration reloaded")
                broker.signal(signal.SIGHUP)
                broker.await_log(rf"(?s)(configuration reloaded.*){{{reloads + 1}}}")
                self.assertEqual(broker.log().count("kafka.default_partitions"), warned, broker.log())

    def test_a_configuration_that_is_gone_changes_nothing(self):
        broker, config = self.reloadable("profiler:\n  enabled: true\n  port: 0\n")
        with broker:
            config.unlink()
            broker.signal(signal.SIGHUP)
            broker.await_log(r"error .*takhin\.yaml: No such file or directory\n.*nothing was changed")
            self.assertTrue(self.listens(broker.ports["profiler"]))

    def test_the_profiler_may_be_switched_off_and_on_while_profiles_are_taken(self):
        broker, config = self.reloadable("profiler:\n  enabled: true\n  port: 0\n")
        with broker:
            for _ in range(3):
                connections = self.profiles_under_way(broker, 3)
                config.write_text("profiler:\n  enabled: false\n")
                broker.signal(signal.SIGHUP)
                broker.signal(signal.SIGHUP)
                for connection in connections:
                    self.assertEqual(connection.recv(1), b"")
                    connection.close()
                broker.await_log(r"configuration reloaded profiler=off .*\n\Z")
                config.write_text("profiler:\n  enabled: true\n  port: 0\n")
                broker.signal(signal.SIGHUP)
                broker.await_log(r"configuration reloaded profiler=on .*\n\Z")
                broker.ports["profiler"] = int(re.findall(r"listening service=profiler .*port=(\d+)", broker.log())[-1])

    def test_terminate_ends_it_while_a_profile_is_taken(self):
        broker = Broker().start()
        self.addCleanup(shutil.rmtree, broker.folder, ignore_errors=True)
        [connection] = self.profiles_under_way(broker, 1)
        self.assertEqual(broker.stop(), 0)
        self.assertEqual(connection.recv(1), b"")

    def test_terminate_ends_it_while_it_still_starts(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / "data").mkdir()
        os.mkfifo(folder / "data" / "meta.properties")  # reading it takes for ever, as a long recovery seems to
        settings = {f"TAKHIN_{name}_PORT": "0" for name in ("SERVER", "METRICS", "HEALTH")}
        process = subprocess.Popen([TAKHIN], stderr=subprocess.PIPE, text=True, env=clean_environment(
            TAKHIN_STORAGE_DATA_DIR=str(folder / "data"), **settings))
        self.addCleanup(process.kill)
        while "listening service=metrics" not in (line := process.stderr.readline()):
            self.assertTrue(line, "it has ended")
        process.terminate()
        _, rest = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, 0)
        self.assertIn("stopped while it was starting", rest)

    def test_terminate_ends_it_under_load_and_the_next_start_has_nothing_to_check(self):
        folder = tempfile.mkdtemp(prefix="takhin-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        broker = Broker(folder=folder).start()
        load = subprocess.Popen([LOAD, "-brokers", broker.address, "-duration", "3600", "-rate", "5000", "-no-consume"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            broker.await_metrics(lambda metrics: metrics['takhin_request_latency_seconds_count{api="Produce"}'] >= 100)
            self.assertEqual(broker.stop(), 0)
        finally:
            load.kill()
            load.wait()
        with broker:
            opened = re.findall(r"storage open .* clean=(\w+) .* partitions=(\d+) segments_checked=(\d+)", broker.log())
        self.assertEqual(opened, [("yes", "0", "0"), ("yes", "8", "0")])


class Ports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()
        kcat(cls.broker, "-P", "-t", "metered", input="one\ntwo\n")
        kcat(cls.broker, "-C", "-t", "metered", "-o", "beginning", "-e", "-q")

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def test_latency_is_found_as_the_guide_greps_for_it(self):
        lines = [line for line in self.broker.get("metrics", "/metrics").decode().splitlines() if "latency" in line]
        self.assertTrue(any('takhin_request_latency_seconds_count{api="Produce"}' in line for line in lines), lines)

    def test_promtool_finds_nothing_to_complain_of(self):
        text = self.broker.get("metrics", "/metrics").decode()
        result = run("promtool", "check", "metrics", input=text)
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_health_answers(self):
        for path in ("/health/live", "/health/ready", "/livez", "/readyz", "/healthz", "/health"):
            with urllib.request.urlopen(self.broker.url("health", path)) as response:
                self.assertEqual(response.status, 200, path)


if __name__ == "__main__":
    unittest.main()
