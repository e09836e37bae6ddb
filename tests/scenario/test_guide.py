"""The user's guide, docs/profiling.md: each of its commands is run as it is written there, one after the other, on a
broker under load that its first commands started, and has the effect that the text around it says.

A command without a check fails, and a check without a command: so the guide stays true, and whole. It has the usual
ports and paths, in namespaces of its own. A guide's reader waits for 30 s and 60 s; here that is shortened (SHORTER),
and nothing else is changed. `test_guide.py --full` runs all of it as written, for some ten minutes."""
import collections
import contextlib
import glob
import html
import http.client
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support import own_machine
from support.broker import LOAD, PROFILER, ROOT, TAKHIN, clean_environment, run
from support.go_tool import GO_TOOLS, environment, program
from support.guide import Command, blocks, commands
from support.planted import Planted
from support.pprof_tool import HARMLESS
from support.profile_proto import Profile
from support.wire import API_VERSIONS, Connection

GUIDE = (ROOT / "docs" / "profiling.md").read_text()
DEADLINE_S = 300
SHORTER = ((r"-type all (-duration 30s )?", "-type all -duration 5s "), (r"-duration (30|60)s", "-duration 2s"),
           (r"\bseconds=(10|30)", "seconds=2"))
FULL = "--full" in sys.argv

TABLE = r"(?m)^ +flat +flat% +sum% +cum +cum%$"
# Before its prompt, go tool pprof repeats on stderr what the profile tells of itself; only a complaint is wrong.
COMPLAINT = re.compile(r"(?i)\b(warning|error|fail\w*|cannot|unrecognized|unknown|mismatch|no such|no match\w*)\b")
IN_ALL = {"cpu", "heap", "allocs", "goroutine", "block", "mutex", "trace", "threadcreate", "fgprof"}
KAFKA = "127.0.0.1:9092"
MEM_RATE = 4096
LEAKING_CONNECTIONS = 100
checks = {}  # a command's first line: function of the reader and the command


def check(*texts):
    def register(function):
        for text in texts:
            assert text not in checks, f"{text} has two checks"
            checks[text] = function
        return function
    return register


def first_line(command):
    return command.text.split("\n", 1)[0]


def await_true(question, what):
    deadline = time.monotonic() + DEADLINE_S
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"never: {what}")
        time.sleep(0.05)
    return answer


def tells_of_requests(profile):
    """It has samples of what a reader of the guide is told to look for."""
    names = {frame.function for entry in profile.entries for frame in entry.frames}
    values = collections.defaultdict(set)
    for label, value in (pair for entry in profile.entries for pair in entry.labels.items()):
        values[label].add(value)
    return (all(any(name.startswith(part) for name in names) for part in ("kafka_handler_", "storage_log_")) and
            "Produce" in values["api"] and values["topic"] and values["client_id"] and len(values["thread"]) > 1)


def page(url):
    """Its text; None: nobody answers, or not to the end."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return answer.read().decode()
    return None


class Reader(unittest.TestCase):
    """Somebody with a shell, in a folder like a checkout after `make build`, who follows the guide."""

    @classmethod
    def setUpClass(cls):
        own_machine.require()
        cls.folder = pathlib.Path("/tmp/takhin")
        for path, target in (("takhin", TAKHIN), ("takhin-profiler", PROFILER), ("configs", ROOT / "configs"),
                             ("src", ROOT / "src")):
            cls.folder.mkdir(exist_ok=True)
            (cls.folder / path).symlink_to(target)
        cls.shown = cls.folder / "shown"  # what a browser was asked to show
        cls.shown.mkdir()
        browser = cls.folder / "browser"
        browser.write_text(f"""#!/bin/sh
            case $1 in
            *.svg) cp "$1" {cls.shown}/part && mv {cls.shown}/part "{cls.shown}/${{1##*/}}" ;;
            *) echo "$1" >>{cls.shown}/addresses ;;
            esac
            """)
        browser.chmod(0o755)
        for tool in ("pprof", "trace"):
            program(GO_TOOLS[-1], tool)  # a newer Go builds it at the first call
        cls.planted = Planted(cls.folder)
        cls.environment = {**environment(cls.folder), "BROWSER": str(browser), "MANPAGER": "cat", "PAGER": "cat",
                           "PATH": f"{cls.folder}:{pathlib.Path(GO_TOOLS[-1]).parent}:{os.environ['PATH']}"}
        cls.exported, cls.broker, cls.clients, cls.connections = {}, None, [], []

    def _formatMessage(self, message, standard):
        """Without pages of what a command has said."""
        return super()._formatMessage(message, standard if len(standard) < 3000 else
                                      f"{standard[:1000]} ... {standard[-2000:]}")

    @classmethod
    def tearDownClass(cls):
        for connection in cls.connections:
            connection.close()
        for process in [*cls.clients, *([cls.broker] if cls.broker else [])]:
            process.terminate()
            process.wait()

    def begin(self, command, **options):
        """As typed, in bash. It is the shell's only command, so that the process is the command's own."""
        settings = {**self.environment, **self.exported, **options.pop("settings", {})}
        return subprocess.Popen(["bash", "-c", command.text], cwd=self.folder, env=settings, text=True, **options)

    def result(self, command, answers=None):
        """Its exit code, and what it said on standard output and standard error."""
        answers = command.answers if answers is None else answers
        process = self.begin(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output, errors = process.communicate("".join(f"{answer}\n" for answer in answers), timeout=300)
        return process.returncode, output, errors

    def output(self, command, answers=None):
        code, output, errors = self.result(command, answers)
        self.assertEqual(code, 0, f"{output}\n{errors}")
        return output

    def pprof(self, command, answers=()):
        """What go tool pprof says, to the answers at its prompt too; it has nothing to complain of."""
        code, output, errors = self.result(command, answers)
        unexpected = [line for line in errors.splitlines()
                      if (COMPLAINT.search(line) if answers else not HARMLESS.match(line))]
        self.assertEqual((code, unexpected), (0, []), output)
        return errors + output

    def profile(self, name):
        return Profile((self.folder / name).read_bytes())

    def assert_column(self, profile, column):
        """It has something to show, of the broker's own."""
        self.assertGreater(profile.total(column), 0)
        self.assertTrue(any(frame.file.startswith("src/") for entry in profile.entries for frame in entry.frames))

    def again_until(self, is_enough, command):
        """What the command says. A machine that is busy with other things may give the broker so little time that no
        sample meets the functions that matter: then once more."""
        said = []

        def run_again():
            said[:] = [self.output(command)]
            return is_enough()

        await_true(run_again, f"{command.text} collects enough")
        return said[0]

    def make_old_and_new(self):
        for name in ("old.prof", "new.prof"):
            fetch = Command(None, f"curl -s http://localhost:6060/debug/pprof/profile?seconds=1 -o {name}", [])
            self.again_until(lambda: tells_of_requests(self.profile(name)), fetch)

    def connect(self, count):
        """Clients that have said hello, and stay."""
        for _ in range(count):
            connection = Connection(9092)
            connection.call(API_VERSIONS, 0, b"")
            self.connections.append(connection)

    def metric(self, name):
        return sum(float(line.rsplit(" ", 1)[1]) for line in (page("http://localhost:9090/metrics") or "").splitlines()
                   if line.startswith(name))

    def test_each_command_has_a_check_and_each_check_a_command(self):
        self.assertEqual({first_line(command) for command in commands(GUIDE)}, set(checks))

    def test_commands_do_what_the_guide_says(self):
        block = None
        for command in commands(GUIDE):
            if command.block is not block:
                block = command.block
                self.exported.clear()
                print(f"\n{block.section}")
            typed = command.text
            for pattern, shorter in () if FULL else SHORTER:
                typed = re.sub(pattern, shorter, typed)
            print(f"  {typed}", flush=True)
            with self.subTest(f"{block.section}: {first_line(command)}"):
                checks[first_line(command)](self, Command(block, typed, command.answers))


# --- the broker ---

@check("export TAKHIN_PROFILER_ENABLED=true", "export TAKHIN_PROFILER_HOST=0.0.0.0",
       "export TAKHIN_PROFILER_PORT=6060")
def a_variable_is_what_takhin_reads(reader, command):
    name, value = re.fullmatch(r"export (\w+)=(\S+)", command.text).groups()
    reader.exported[name] = value
    key = name.removeprefix("TAKHIN_").lower().replace("_", ".", 1)
    printed = run(TAKHIN, "-config", ROOT / "configs/takhin.yaml", "-print-config",
                  env=clean_environment(**reader.exported)).stdout
    reader.assertRegex(printed, rf'(?m)^{key}: "?{re.escape(value)}"? +# .*{name}')


@check("./takhin -config configs/takhin.yaml")
def the_broker_starts_with_its_profiler(reader, command):
    """And stays, under load, for all that comes: clients as fast as they can, and one that waits for what never comes.
    Retention keeps the disk from filling, and is part of the load; finer sampling than by default makes up for profiles
    that are shorter."""
    settings = {**reader.planted.environment, "TAKHIN_STORAGE_LOG_SEGMENT_SIZE": "16MiB",
                "TAKHIN_STORAGE_LOG_RETENTION_BYTES": "32MiB", "TAKHIN_STORAGE_LOG_CLEANUP_INTERVAL": "1s",
                "TAKHIN_PROFILER_CPU_HZ": "250", "TAKHIN_PROFILER_MEM_RATE": str(MEM_RATE)}
    cls = type(reader)
    with open(reader.folder / "takhin.log", "w") as log:
        cls.broker = reader.begin(command, stdout=log, stderr=log, settings=settings)
    await_true(lambda: page("http://localhost:9091/health/ready"), "the broker is ready")
    reader.assertIn("profile?", page("http://localhost:6060/debug/pprof/"))
    kcat = ["kcat", "-b", KAFKA, "-m", str(DEADLINE_S)]
    run(*kcat, "-P", "-t", "quiet", input="x\n")
    for client in ([LOAD, "-brokers", KAFKA, "-duration", "3600", "-topics", "8"],
                   [*kcat, "-C", "-t", "quiet", "-q"]):
        cls.clients.append(subprocess.Popen(client, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for api in ("Produce", "Fetch"):
        await_true(lambda: reader.metric(f'takhin_request_latency_seconds_count{{api="{api}"') > 100, f"serving {api}")


# --- takhin-profiler collects ---

def type_and_path(text):
    """Of a command of takhin-profiler: what it collects, and the file that has to appear."""
    words = shlex.split(text)
    type = words[words.index("-type") + 1]
    default = "trace.out" if type == "trace" else f"{type}.prof"
    return type, words[words.index("-output") + 1] if "-output" in words else default


COLUMN = {"cpu": "cpu", "heap": "inuse_space", "allocs": "alloc_space", "goroutine": "goroutine", "block": "delay"}


@check("takhin-profiler -type cpu -duration 30s -output cpu.prof",
       "takhin-profiler -type cpu -remote localhost:6060 -duration 30s",
       "takhin-profiler -type cpu -duration 30s -remote localhost:6060",
       "takhin-profiler -type cpu -duration 60s -remote localhost:6060",
       "takhin-profiler -type cpu -duration 60s",
       "takhin-profiler -type block -duration 60s",
       "takhin-profiler -type heap -output heap.prof",
       "takhin-profiler -type heap -remote localhost:6060 -output heap1.prof",
       "takhin-profiler -type heap -remote localhost:6060 -output heap2.prof",
       "takhin-profiler -type heap",
       "takhin-profiler -type goroutine -remote localhost:6060 -output g1.prof",
       "takhin-profiler -type goroutine -remote localhost:6060 -output g2.prof",
       "takhin-profiler -type goroutine",
       "takhin-profiler -type allocs -remote localhost:6060")
def a_file_appears(reader, command):
    type, path = type_and_path(command.text)
    (reader.folder / path).unlink(missing_ok=True)
    output = reader.again_until(lambda: type != "cpu" or tells_of_requests(reader.profile(path)), command)
    reader.assertIn(path, output)
    profile = reader.profile(path)
    reader.assert_column(profile, COLUMN[type])
    if duration := re.search(r"-duration (\d+)s", command.text):
        reader.assertGreaterEqual(round(profile.proto.duration_nanos / 1e9, 1), int(duration.group(1)))
    return output


@check("takhin-profiler -type cpu -duration 30s -remote localhost:6060 -analyze",
       "takhin-profiler -type heap -remote localhost:6060 -analyze",
       "takhin-profiler -type block -duration 60s -analyze")
def a_file_appears_and_is_analyzed(reader, command):
    output = a_file_appears(reader, command)
    reader.assertRegex(output, TABLE)
    if "-type block" in command.text:
        reader.assertRegex(output, r"(?m)^by reason: .*\d%", "what is waited for")


@check("takhin-profiler -type trace -last 10s -analyze")
def a_trace_tells_of_the_slowest_requests(reader, command):
    (reader.folder / "trace.out").unlink(missing_ok=True)
    output = reader.output(command)
    reader.assertIn("Slowest: ", output)
    reader.assertRegex(output, r"(?m)^Requests, in ms +count")
    reader.assertTrue((reader.folder / "trace.out").read_bytes().startswith(b"go 1."))


def all_types_are_in(reader, folder, said):
    manifest = json.loads((folder / "manifest.json").read_text())
    broker, = manifest["brokers"]
    reader.assertRegex(broker["name"], r"^(localhost|127\.0\.0\.1):6060$")
    reader.assertEqual(broker["server"], f"takhin/{broker['version']}")
    reader.assertEqual(broker["config"]["mem_rate"], MEM_RATE)
    files = {file["type"]: file for file in manifest["files"]}
    reader.assertEqual(set(files), IN_ALL)
    reader.assertEqual({path.name for path in folder.iterdir()},
                       {"manifest.json", *(file["name"] for file in files.values())})
    for type, file in files.items():
        reader.assertIn(file["name"], said)
        reader.assertRegex(file["name"], rf"^{type}_\d{{8}}T\d{{6}}Z\.{'out' if type == 'trace' else 'prof'}$")
    profiles = {type: Profile((folder / file["name"]).read_bytes())
                for type, file in files.items() if type != "trace"}
    for type, column in COLUMN.items():
        reader.assert_column(profiles[type], column)
    # The time of a difference is that of its end, as Go has it; of others, that of their start.
    starts = {type: proto.time_nanos - (proto.duration_nanos if type in ("block", "mutex") else 0)
              for type, proto in ((type, profile.proto) for type, profile in profiles.items())
              if proto.duration_nanos > 0}
    reader.assertEqual(set(starts), {"cpu", "block", "mutex", "fgprof"})
    lengths = {type: profiles[type].proto.duration_nanos for type in starts}
    reader.assertGreaterEqual(round(min(lengths.values()) / 1e9, 1), 5)
    last_end = max(starts[type] + lengths[type] for type in starts)
    reader.assertLess(last_end - min(starts.values()), sum(lengths.values()), "they are not one after the other")


@check("takhin-profiler -type all -duration 30s -output-dir /tmp/profiles",
       "takhin-profiler -type all -remote localhost:6060 -output-dir ./profiles")
def all_appear_in_the_folder(reader, command):
    folder = reader.folder / command.text.split("-output-dir ")[1]
    reader.assertFalse(folder.exists())
    all_types_are_in(reader, folder, reader.output(command))


@check("#!/bin/bash")
def the_script_saves_all(reader, command):
    script = reader.folder / "incident"
    script.write_text(command.text)
    script.chmod(0o755)
    code, output, errors = reader.result(command._replace(text=str(script)))
    reader.assertEqual(code, 0, errors)
    folder, = pathlib.Path("/var/log/takhin/profiles").iterdir()
    reader.assertIn(f"Profiles saved to {folder}\n", output)
    all_types_are_in(reader, folder, output)


# --- takhin-profiler analyzes and draws ---

@check("takhin-profiler analyze -base old.prof new.prof")
def two_files_are_compared(reader, command):
    reader.assertRegex(reader.output(command), TABLE)


@check("takhin-profiler analyze cpu.prof")
def a_file_is_analyzed(reader, command):
    """In words, as a table, and by each label that has several values then."""
    words, rest = re.split(TABLE, reader.output(command))
    reader.assertRegex(words, r"\A(?!File:)\S")
    reader.assertRegex(rest, r"(?m)^(api|topic|client_id|thread):$")


@check("takhin-profiler analyze goroutine.prof")
def tasks_are_told(reader, command):
    """The stacks that most have in common, and how long they have waited."""
    words, rest = re.split(TABLE, reader.output(command))
    reader.assertRegex(words, r"(?m)^longest wait: [\w ]+, for \d+\w+ or longer, in \w+")
    for part in ("reason", "stacks"):
        reader.assertRegex(rest, rf"(?m)^{part}:\n +\d+ ")


@check("takhin-profiler analyze -base heap1.prof heap2.prof")
def the_leak_is_named(reader, command):
    reader.assertRegex(reader.output(command), TABLE + r"\n.*  planted_leak$")


@check("takhin-profiler analyze -base g1.prof g2.prof")
def new_tasks_are_told(reader, command):
    reader.assertIn("stream_read", reader.output(command))


def is_flame_graph(reader, name):
    text = (reader.folder / name).read_text()
    reader.assertTrue(text.lower().startswith("<!doctype html>"), text[:100])
    return "kafka_handler_" in text


@check("takhin-profiler -type cpu -duration 30s -flamegraph")
def a_page_appears_beside_the_profile(reader, command):
    (reader.folder / "cpu.html").unlink(missing_ok=True)
    output = a_file_appears(reader, command)
    reader.assertIn("go tool pprof -http=:8080 cpu.prof", output)
    reader.assertIn("http://localhost:8080/ui/flamegraph", output)
    reader.assertTrue(is_flame_graph(reader, "cpu.html"))


@check("takhin-profiler analyze -flamegraph -base old.prof new.prof")
def a_page_compares(reader, command):
    reader.output(command)
    reader.assertTrue(is_flame_graph(reader, "new.html"))


@check("takhin-profiler -man | man -l -")
def the_manual_opens(reader, command):
    if not shutil.which("man"):
        reader.skipTest("there is no man on this machine")
    manual = reader.output(command)
    for heading in ("NAME", "SYNOPSIS"):
        reader.assertRegex(manual, rf"(?m)^{heading}$")


@check("source <(takhin-profiler -completion)")
def bash_completes_flags_and_values(reader, command):
    def completed(*words):
        asked = f"""{command.text}
            function=$(complete -p takhin-profiler | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            COMP_WORDS=(takhin-profiler {' '.join(words)}) COMP_CWORD={len(words)}
            COMP_LINE="${{COMP_WORDS[*]}}" COMP_POINT=${{#COMP_LINE}}
            $function takhin-profiler {words[-1]} {words[-2] if len(words) > 1 else 'takhin-profiler'}
            echo "${{COMPREPLY[@]}}" """
        return reader.output(command._replace(text=asked)).split()

    reader.assertEqual(completed("-flame"), ["-flamegraph"])
    reader.assertEqual(set(completed("-type", "g")), {"goroutine", "goroutineleak"})


# --- curl ---

@check("curl http://localhost:6060/debug/pprof/profile?seconds=30 -o cpu.prof",
       "curl http://localhost:6060/debug/pprof/heap -o heap.prof",
       "curl http://localhost:6060/debug/pprof/goroutine -o goroutine.prof")
def curl_saves_a_profile(reader, command):
    path = command.text.split(" -o ")[1]
    (reader.folder / path).unlink(missing_ok=True)
    reader.again_until(lambda: path != "cpu.prof" or tells_of_requests(reader.profile(path)), command)
    reader.assert_column(reader.profile(path), COLUMN[path.removesuffix(".prof")])


@check("curl http://localhost:6060/debug/pprof/")
def the_index_lists_all(reader, command):
    index = reader.output(command)
    for name in (IN_ALL - {"cpu", "fgprof"}) | {"profile", "goroutineleak"}:
        reader.assertIn(f"{name}?debug" if f"{name}?debug" in index else name, index)


@check("curl 'http://localhost:6060/debug/pprof/ui?type=cpu&seconds=10' -o cpu.html")
def the_port_has_the_page(reader, command):
    (reader.folder / "cpu.html").unlink(missing_ok=True)
    reader.again_until(lambda: is_flame_graph(reader, "cpu.html"), command)


@check("curl http://localhost:6060/debug/pprof/goroutine?debug=1")
def tasks_are_counted(reader, command):
    reader.assertRegex(reader.output(command), r"^goroutine profile: total [1-9]\d*\n")


@check("curl http://localhost:9090/metrics | grep latency")
def metrics_have_latencies(reader, command):
    for line in (lines := reader.output(command).splitlines()):
        reader.assertIn("latency", line)
    reader.assertTrue(any(line.startswith("takhin_request_latency_seconds_bucket") for line in lines))


# --- go tool pprof ---

@check("go tool pprof -top cpu.prof", "go tool pprof -top heap.prof", "go tool pprof -top goroutine.prof",
       "go tool pprof -top -tagfocus api=Produce cpu.prof", "go tool pprof -top -nodecount=20 cpu.prof",
       "go tool pprof -top cpu.prof | head -20")
def pprof_prints_its_table(reader, command):
    top = reader.pprof(command)
    reader.assertRegex(top, TABLE)
    rows = re.split(TABLE, top)[1].strip().splitlines()
    reader.assertGreater(len(rows), 0)
    if "20" in command.text:
        reader.assertLessEqual(len(rows), 20)


@check("go tool pprof -tags cpu.prof")
def pprof_divides_by_label(reader, command):
    tags = reader.pprof(command)
    for label in ("api:", "topic:", "client_id:", "thread:", "Produce"):
        reader.assertIn(label, tags)


@check("go tool pprof -list=kafka cpu.prof")
def pprof_lists_sources(reader, command):
    listing = reader.pprof(command)
    reader.assertRegex(listing, r"(?m)^ROUTINE =+ kafka_\w+ in src/")
    reader.assertRegex(listing, r"(?m)^ .* \d+: *\S")


@contextlib.contextmanager
def asked_to_show(reader):
    """The pictures of cpu.prof that a browser was asked to show meanwhile; without graphviz there are none, and pprof
    says so. Which functions are large enough for a picture is a matter of luck."""
    for picture in glob.glob(f"{reader.shown}/*.svg"):
        os.remove(picture)
    pictures = []
    yield pictures
    pictures += glob.glob(f"{reader.shown}/*.svg")
    ours = {frame.function for entry in reader.profile("cpu.prof").entries for frame in entry.frames
            if frame.file.startswith("src/")}
    for picture in pictures:
        drawn = set(re.findall(r'xlink:title="(\w+) ', html.unescape(text := pathlib.Path(picture).read_text())))
        reader.assertTrue(ours & drawn, text)


@check("go tool pprof -web cpu.prof")
def pprof_draws_the_call_graph(reader, command):
    with asked_to_show(reader) as pictures:
        code, _, errors = reader.result(command)
    if shutil.which("dot"):
        reader.assertEqual((code, len(pictures)), (0, 1), errors)
    else:
        reader.assertIn("Graphviz", errors)


@check("go tool pprof cpu.prof")
def pprof_answers(reader, command):
    """Its prompt ends when the picture has been shown: pprof removes it then, and waits for no browser."""
    draws = "web" in command.answers and shutil.which("dot")
    with asked_to_show(reader) as pictures, tempfile.TemporaryFile("w+") as file:
        process = reader.begin(command, stdin=subprocess.PIPE, stdout=file, stderr=file)
        with process.stdin as prompt:
            prompt.writelines(f"{answer}\n" for answer in command.answers or ["top"])
            prompt.flush()
            if draws:
                await_true(lambda: glob.glob(f"{reader.shown}/*.svg"), "a browser is opened")
        reader.assertEqual(process.wait(DEADLINE_S), 0)
        file.seek(0)
        said = file.read()
    reader.assertRegex(said, TABLE)
    if command.answers:
        reader.assertRegex(said, r"(?m)^ROUTINE =+ kafka_handler_\w+ in src/broker/handlers/")
        reader.assertTrue(pictures if draws else "Graphviz" in said, said)


@check("go tool pprof http://localhost:6060/debug/pprof/profile?seconds=30")
def pprof_collects_by_itself(reader, command):
    reader.assertRegex(reader.pprof(command, ["top"]), r"Type: cpu\n[^$]*flat%")


@check("go tool pprof -alloc_space allocs.prof", "go tool pprof -sample_index=alloc_objects allocs.prof")
def pprof_shows_the_column(reader, command):
    top = reader.pprof(command, ["top"])
    reader.assertIn(f"Type: {re.search('alloc_[a-z]+', command.text).group()}\n", top)
    reader.assertRegex(top, r"flat%[^\n]*\n *[1-9]")


@check("go tool pprof -base old.prof new.prof")
def pprof_compares(reader, command):
    reader.make_old_and_new()
    reader.assertIn("flat%", reader.pprof(command, ["top"]))


@check("# ... wait 5 minutes ...")
def memory_leaks(reader, command):
    """100 MB of addresses, so that whatever else is allocated is less. Nobody waits for the five minutes."""
    reader.planted.plant("leak", 100, 100_000)
    reader.connect(10)
    reader.planted.remove("leak")


@check("go tool pprof -base heap1.prof heap2.prof")
def pprof_names_the_leak(reader, command):
    reader.assertRegex(reader.pprof(command, ["top"]), r"flat%[^\n]*\n.*%  planted_leak\n")


@check("# ... reproduce leak ...")
def tasks_leak(reader, command):
    reader.connect(LEAKING_CONNECTIONS)


@check("go tool pprof -base g1.prof g2.prof")
def pprof_shows_the_new_tasks(reader, command):
    def of_connections(name):
        return reader.profile(name).total("goroutine", lambda entry: any(frame.file == "src/broker/connection.c"
                                                                         for frame in entry.frames))

    # librdkafka's own come and go, but they are few.
    reader.assertGreater(of_connections("g2.prof") - of_connections("g1.prof"), LEAKING_CONNECTIONS / 2)
    reader.assertRegex(reader.pprof(command, ["top -cum"]), r"%  stream_read\n")


@contextlib.contextmanager
def sent_to_a_browser(reader, command):
    """The address that the command, which serves until it is ended, has a browser open."""
    addresses = reader.shown / "addresses"
    addresses.unlink(missing_ok=True)
    process = reader.begin(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield await_true(lambda: addresses.exists() and addresses.read_text().strip(), "a browser is opened")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@check("go tool pprof -http=:8080 cpu.prof")
def a_browser_is_sent_to_the_flame_graph(reader, command):
    with sent_to_a_browser(reader, command) as address:
        reader.assertRegex(address, r"^http://localhost:8080\b")
        graph = await_true(lambda: page("http://localhost:8080/ui/flamegraph"), "pprof serves the flame graph")
        for name in ("kafka_handler_", "storage_log_"):
            reader.assertIn(name, graph)
    await_true(lambda: page("http://localhost:8080/ui/") is None, "pprof has ended")


@check("go tool trace trace.out")
def a_browser_is_sent_to_the_timelines(reader, command):
    with sent_to_a_browser(reader, command) as address:
        tasks = await_true(lambda: page(f"{address}/usertasks"), "the viewer lists requests")
        for api in ("Produce", "Fetch"):
            reader.assertIn(api, tasks)


# --- what is no command ---

class Words(unittest.TestCase):
    def test_takhin_accepts_the_configurations(self):
        found = [block for block in blocks(GUIDE, "yaml") if block.lines[0] == "profiler:"]
        self.assertEqual(len(found), 2)
        for block in found:
            with self.subTest(block.section):
                config = "\n".join(block.lines) + "\n"
                folder = self.enterContext(tempfile.TemporaryDirectory(prefix="takhin-test-"))
                path = pathlib.Path(folder) / "takhin.yaml"
                path.write_text(config)
                checked = run(TAKHIN, "-config", path, "-check-config", env=clean_environment())
                self.assertEqual(checked.stderr, "")
                printed = run(TAKHIN, "-config", path, "-print-config", env=clean_environment()).stdout
                defaults = run(TAKHIN, "-print-config", env=clean_environment()).stdout
                for key, value in re.findall(r'(?m)^  (\w+): *"?([^"\s]+)', config):
                    self.assertRegex(printed, rf"(?m)^profiler\.{key}: {re.escape(value)} +# .*takhin\.yaml")
                    if "default" in block.section:
                        self.assertRegex(defaults, rf"(?m)^profiler\.{key}: {re.escape(value)} ")

    def test_the_manifests_are_those_of_deploy(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("reading YAML needs python3-yaml")
        service, compose = ("\n".join(block.lines) for block in blocks(GUIDE, "yaml")
                            if block.lines[0] != "profiler:")
        deployed = yaml.safe_load_all((ROOT / "deploy/kubernetes/with-profiler-service/profiler.yaml").read_text())
        self.assertIn(yaml.safe_load(service), list(deployed))
        ours = yaml.safe_load(compose)["services"]["takhin"]
        theirs = yaml.safe_load((ROOT / "deploy/docker-compose.yaml").read_text())["services"]["takhin"]
        for field, values in ours.items():
            self.assertLessEqual(set(values), set(theirs[field]))

    def test_types_are_those_of_the_program(self):
        told = re.findall(r"(?m)^\| `(\w+)`", GUIDE.split("## Profile types")[1].split("\n## ")[0])
        _, types = run(PROFILER, "-h").stdout.split("\nTYPES\n")
        self.assertEqual(set(told), set(re.findall(r"(?m)^ +(\w+)  ", types.split("\n\n")[0])) - {"all"})
        self.assertEqual((set(told[:-1]), told[-1]), (IN_ALL, "goroutineleak"), "all takes all but the last")

    def test_options_are_those_of_the_program(self):
        synopsis, = (block.lines for block in blocks(GUIDE, "") if block.lines[0].startswith("takhin-profiler"))
        told = {flag for line in synopsis if (flags := re.match(r"  (-\w.*?)(?:  |$)", line))
                for flag in re.findall(r"-([a-z_-]+)", flags.group(1))}
        manual = run(PROFILER, "-h").stdout
        self.assertEqual(told - {"h"}, set(re.findall(r"(?m)^ +-([a-z_-]+)", manual)))


if __name__ == "__main__":
    own_machine.enter()
    if FULL:
        sys.argv.remove("--full")
    unittest.main()
