"""`go tool trace`, as a user calls it: its profiles, and the pages of its viewer as data. Its versions say the same in
different markup."""
import collections
import contextlib
import gzip
import html
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request

from support.broker import run
from support.go_tool import GO_TOOLS, environment, program, version
from support.profile_proto import Frame, parse

READS_V2 = (1, 22)
ANSWER_TIMEOUT_S = 600
LOG_BYTES = 1 << 20  # of its log that are looked at

Wait = collections.namedtuple("Wait", "frames count ns")
Region = collections.namedtuple("Region", "name function file line count")


def decode_profile(body):
    """The waits of a profile; it has no mapping, so it is none that Profile takes."""
    profile = parse("Profile", memoryview(gzip.decompress(body)))
    text = [bytes(string).decode() for string in profile.string_table]
    types = [(text[sample_type.type], text[sample_type.unit]) for sample_type in profile.sample_type]
    assert types == [("contentions", "count"), ("delay", "nanoseconds")], types
    functions = {function.id: (text[function.name], text[function.filename]) for function in profile.function}
    frames = {location.id: [Frame(*functions[line.function_id], line.line) for line in location.line]
              for location in profile.location}
    return [Wait([frame for i in sample.location_id for frame in frames[i]], *sample.value)
            for sample in profile.sample]


class Viewer:
    """A viewer that runs; paths are those of its index page."""

    def __init__(self, address):
        self.address = address

    def get(self, path):
        """A path as a page's link has it."""
        path = html.unescape(path).replace(" ", "%20")
        with urllib.request.urlopen(self.address + path, timeout=ANSWER_TIMEOUT_S) as answer:
            return answer.read()

    def page(self, path):
        return self.get(path).decode()

    def timeline(self, query=""):
        return json.loads(self.get(f"/jsontrace{query}"))

    def waits(self, kind):
        """kind: io, block, syscall, sched."""
        return decode_profile(self.get(f"/{kind}?raw=1"))

    def goroutines(self):
        """{name: (how many, the path of its page)}"""
        rows = re.findall(r'<a href="(/goroutine\?[^"]*)">([^<]*)</a>(?:</code></td>\s*<td>| N=)(\d+)',
                          self.page("/goroutines"))
        return {html.unescape(name): (int(count), html.unescape(path)) for path, name, count in rows}

    def tasks(self):
        """{type: how many}"""
        rows = re.findall(r'<td>([^<]*)</td>\s*<td><a href="/usertask\?[^"]*">(\d+)</a>', self.page("/usertasks"))
        return {html.unescape(name): int(count) for name, count in rows}

    def regions(self):
        rows = re.findall(r'<td>(?:<pre>)?([^<]*)<br>([^<]*)<br>([^<]*):(\d+)(?:</pre>)?</td>\s*'
                          r'<td><a href="/userregion\?[^"]*">(\d+)</a>', self.page("/userregions"))
        return [Region(html.unescape(name).strip('"'), function.split(" @ ")[0], file, int(line), int(count))
                for name, function, file, line, count in rows]

    def task_durations_s(self, name):
        """Of those that began and ended within the trace."""
        rows = re.findall(r'class="elapsed">([\d.]+)([mµun]*s)</td>(?:(?!class="first").)*?\((complete|incomplete)\)',
                          self.page(f"/usertask?type={name}"), re.DOTALL)
        scale = {"s": 1, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
        return [float(number) * scale[unit] for number, unit, state in rows if state == "complete"]


class TraceTool:
    """What one Go's `go tool trace` makes of a trace file."""

    def __init__(self, go):
        self.version = version(go)
        self.program = program(go, "trace")
        self.environment = {**environment("/tmp"), "BROWSER": "/bin/true"}  # that it would open

    def __str__(self):
        return "go{}.{} tool trace".format(*self.version)

    @property
    def is_old(self):
        return self.version < READS_V2

    def reads(self, version_2):
        return not (version_2 and self.is_old)

    def waits(self, kind, trace):
        """kind: net, sync, syscall, sched."""
        result = subprocess.run([self.program, f"-pprof={kind}", trace], capture_output=True, env=self.environment,
                                timeout=ANSWER_TIMEOUT_S)
        if result.returncode != 0:
            raise AssertionError(f"{self} -pprof={kind}: {result.stderr.decode()}")
        return decode_profile(result.stdout)

    def parse_events(self, trace):
        """How many events it prints; an error of its own is an AssertionError."""
        option = "-d" if self.is_old else "-d=parsed"
        return len(run(self.program, option, trace, env=self.environment, timeout_s=ANSWER_TIMEOUT_S)
                   .stdout.splitlines())

    @contextlib.contextmanager
    def viewer(self, trace):
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen([self.program, "-http=127.0.0.1:0", trace], stdout=log, stderr=log,
                                       env=self.environment)
            try:
                yield Viewer(self._await_address(process, log))
                if process.poll() is not None:
                    raise AssertionError(f"{self} ended:\n{self._read(log)}")
            finally:
                process.kill()
                process.wait()
            text = self._read(log)
            if "panic" in text or "error" in text.lower():
                raise AssertionError(f"{self} says:\n{text}")

    @staticmethod
    def _read(log):
        return os.pread(log.fileno(), LOG_BYTES, 0).decode()  # where the tool goes on to write stays as it is

    def _await_address(self, process, log):
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            text = self._read(log)
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", text):
                return found.group(1)
            if ended:
                break
            time.sleep(0.01)
        raise AssertionError(f"{self} does not open the trace:\n{text}")


TRACE_TOOLS = [TraceTool(go) for go in GO_TOOLS]
