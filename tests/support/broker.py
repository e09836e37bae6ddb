"""Starts the real broker for a scenario test: free ports, a folder of its own, stopped by pid."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TAKHIN_BUILD_DIR", ROOT / "build")).resolve()
TAKHIN = BUILD / "takhin"
PROFILER = BUILD / "takhin-profiler"
LOAD = BUILD / "bench" / "takhin-load"

# How long anything is waited for that has to happen: far longer than a slow machine takes.
TIMEOUT_S = 120


def clean_environment(**changes):
    """This process's environment without any TAKHIN_ variable, plus the changes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TAKHIN_")}
    environment.update(changes)
    return environment


class Broker:
    """A broker on free ports of 127.0.0.1. `settings` are TAKHIN_ variables without the prefix, in lower case;
    `environment` are others."""

    def __init__(self, arguments=(), folder=None, profiler=True, environment=None, **settings):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="takhin-test-"))
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.settings = {
            "server_host": "127.0.0.1", "server_port": "0",
            "metrics_host": "127.0.0.1", "metrics_port": "0",
            "health_host": "127.0.0.1", "health_port": "0",
            "profiler_enabled": "true" if profiler else "false", "profiler_port": "0",
            "storage_data_dir": str(self.folder / "data"),
            **{name: str(value) for name, value in settings.items()},
        }
        self.log_path = self.folder / "takhin.log"
        self.process = None
        self.ports = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        environment = clean_environment(**self.environment, **{f"TAKHIN_{name.upper()}": value
                                                               for name, value in self.settings.items()})
        with open(self.log_path, "ab") as log:
            start = log.tell()
            self.process = subprocess.Popen([TAKHIN, *self.arguments], stdout=log, stderr=log, env=environment)
        self._await_ready(start)
        return self

    def _await_ready(self, start):
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            text = self.log_path.read_bytes()[start:].decode(errors="replace")
            self.ports = {service: int(port)
                          for service, port in re.findall(r"listening service=(\w+) .*?port=(\d+)", text)}
            if "broker ready" in text:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.stop()
        raise AssertionError(f"the broker did not get ready (exit {self.process.returncode}):\n{text}")

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['kafka']}"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def await_log(self, pattern):
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := re.search(pattern, self.log())):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {pattern!r} in the log:\n{self.log()}")
            time.sleep(0.01)
        return found

    def url(self, service, path):
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def get(self, service, path, timeout_s=TIMEOUT_S):
        with urllib.request.urlopen(self.url(service, path), timeout=timeout_s) as response:
            return response.read()

    def metrics(self):
        """{'name{label="value"}': number}"""
        rows = (line.rsplit(" ", 1) for line in self.get("metrics", "/metrics").decode().splitlines()
                if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def await_metrics(self, is_reached):
        """The first metrics of which is_reached(metrics) is true."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_reached(metrics := self.metrics()):
            if time.monotonic() > deadline:
                raise AssertionError(f"the metrics do not get there:\n{metrics}")
            time.sleep(0.01)
        return metrics

    def of_each_thread(self, file, name=""):
        """What /proc says in this file about each of its threads whose name begins so; without those that end
        meanwhile."""
        texts = []
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if (task / "comm").read_text().startswith(name):
                    texts.append((task / file).read_text().strip())
        return texts

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self):
        """Ask it to end; whatever it left running by then is a failure. Returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the broker did not stop in {TIMEOUT_S} s:\n{self.log()[-4000:]}")
        code, self.process = self.process.returncode, None
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"the broker ended with {code}:\n{self.log()[-8000:]}")
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None


def run(*command, timeout_s=TIMEOUT_S, check=True, **options):
    """Run a command to its end; its output as text."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout_s,
                            **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result
