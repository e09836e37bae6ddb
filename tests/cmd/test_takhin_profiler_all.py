"""takhin-profiler with many types, many brokers, or both at once: the files, the manifest, and what a failure costs."""
import gzip
import json
import os
import pathlib
import re
import resource
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.debug_server import PLAIN, PROFILE, TRACE, DebugServer, record, response, string, varint  # noqa: E402
from support.profile_proto import parse  # noqa: E402
from support.profiler_test import ProfilerTest  # noqa: E402

TYPES = ["cpu", "heap", "allocs", "goroutine", "block", "mutex", "threadcreate", "fgprof", "trace"]
DEFAULT_NAMES = sorted("trace.out" if name == "trace" else f"{name}.prof" for name in TYPES)
TIMED = ["cpu", "block", "mutex", "fgprof", "trace"]
CONFIG = {"mem_rate": 524288, "block_rate": 10000}
LARGE = gzip.compress(PLAIN + b"\xfa\x01" + varint(1 << 18) + os.urandom(1 << 18))  # more than a pipe holds
PATIENCE_S = 60
TIME = r"\d{8}T\d{6}Z"


def takhin(request):
    """What a broker answers, at once."""
    if request.path == "/debug/profiler/config":
        return response("200 OK", json.dumps(CONFIG).encode() + b"\n", "Server: takhin/9.8.7")
    body = TRACE if request.path.startswith("/debug/pprof/trace") else PROFILE
    return response("200 OK", body, "Server: takhin/9.8.7")


def is_timed(request):
    return any(f"/{path}?" in request.path for path in ("profile", "block", "mutex", "fgprof", "trace"))


def labels(path):
    """Of each sample."""
    profile = parse("Profile", memoryview(gzip.decompress(path.read_bytes())))
    text = [entry.decode() for entry in profile.string_table]
    return [{text[label.key]: text[label.str] for label in sample.label} for sample in profile.sample]


class ManyTest(ProfilerTest):
    def names(self, folder="."):
        return sorted(os.listdir(self.folder / folder))

    def manifest(self, folder="out"):
        return json.loads((self.folder / folder / "manifest.json").read_text())

    def assert_fails_in(self, result, status, *texts):
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)


class Types(ManyTest):
    def test_all_are_asked_for_at_the_same_time(self):
        together = threading.Barrier(len(TYPES))

        def answer(request):
            if request.path != "/debug/profiler/config":
                together.wait(PATIENCE_S)
            return takhin(request)

        with DebugServer(answer) as server:
            result = self.profile("-type", "all", "-duration", "30s", "-remote", server.address)
        self.assert_done(result)
        self.assertFalse(together.broken)
        self.assertEqual(self.names(), DEFAULT_NAMES)
        self.assertEqual((self.folder / "mutex.prof").read_bytes(), PROFILE)
        self.assertEqual((self.folder / "trace.out").read_bytes(), TRACE)
        timed = {request.path for request in server.requests if is_timed(request)}
        self.assertEqual(len(timed), len(TIMED))
        for path in timed:
            self.assertIn("seconds=30", path)

    def test_each_file_is_reported_and_what_to_do_next_is_said_once(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-remote", server.address)
            quiet = self.profile("-type", "all", "-remote", server.address, "-quiet")
        self.assert_done(result)
        for name in DEFAULT_NAMES:
            self.assertEqual(len(re.findall(rf"^wrote {name}: ", result.stdout, re.M)), 1)
        self.assertEqual(result.stderr, f"collecting 8 profiles and 1 trace of {server.address} for 30s\n")
        self.assertEqual(result.stdout.count("next:\n"), 1)
        self.assertEqual(result.stdout.count("  go tool pprof -http=:8080 "), 1)
        self.assertEqual(result.stdout.count("  go tool trace trace.out\n"), 1)
        self.assertEqual((quiet.returncode, quiet.stdout, quiet.stderr), (0, "", ""))

    def test_folder_is_made_and_its_manifest_says_what_is_in_it(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-output-dir", "a/b/out/", "-remote", server.address)
        self.assert_done(result)
        self.assertEqual(self.names(), ["a"])
        manifest = self.manifest("a/b/out")
        self.assertEqual(sorted([file["name"] for file in manifest["files"]] + ["manifest.json"]),
                         self.names("a/b/out"))
        for file in manifest["files"]:
            end = "out" if file["type"] == "trace" else "prof"
            self.assertRegex(file["name"], rf"^{file['type']}_{TIME}\.{end}$")
            self.assertEqual(file["size_bytes"], (self.folder / "a/b/out" / file["name"]).stat().st_size)
            self.assertEqual((file["brokers"], file["missing"], file["cut_short"], file["problem"]),
                             ([server.address], [], False, None))
        files = {file["type"]: file for file in manifest["files"]}
        self.assertEqual(sorted(files), sorted(TYPES))
        self.assertEqual(files["cpu"]["request"], "/debug/pprof/profile?seconds=30")
        self.assertEqual(files["cpu"]["duration_ns"], 10 ** 9)  # as the profile itself has it
        self.assertRegex(manifest["takhin_profiler"], r"^\d+\.\d+\.\d+$")
        self.assertRegex(manifest["start"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(manifest["brokers"], [{"name": server.address, "server": "takhin/9.8.7", "version": "9.8.7",
                                                "config": CONFIG}])

    def test_start_of_each_file_is_that_of_what_it_holds(self):
        moment = 1795434454 * 10 ** 9  # 2026-11-23T11:47:34Z: of a difference its end, else its beginning
        profile = gzip.compress(PLAIN + b"\x48" + varint(moment))
        name, end, value = string(1, b"kafka connection"), record(46, 1000, 1, 0), b"2026-11-23T11:47:34.250000Z"
        note = record(48, 0, 0, 7, 0) + bytes([len(value)]) + value
        trace = TRACE.replace(name, string(7, b"from") + name).replace(end, note + end)

        def answer(request):
            if request.path == "/debug/profiler/config":
                return takhin(request)
            return response("200 OK", trace if "trace" in request.path else profile)

        with DebugServer(answer) as server:
            self.assert_done(self.profile("-type", "all", "-output-dir", "out", "-remote", server.address))
        starts = {file["type"]: file["start"] for file in self.manifest()["files"]}
        self.assertEqual({name for name, start in starts.items() if start == "2026-11-23T11:47:33.000Z"},
                         {"heap", "allocs", "goroutine", "threadcreate", "block", "mutex"})
        self.assertEqual({name for name, start in starts.items() if start == "2026-11-23T11:47:34.000Z"},
                         {"cpu", "fgprof"})
        self.assertEqual(starts["trace"], "2026-11-23T11:47:34.250Z")

    def test_manifest_has_a_line_a_file(self):
        with DebugServer(takhin) as server:
            self.assert_done(self.profile("-type", "all", "-output-dir", "out", "-remote", server.address))
        text = (self.folder / "out/manifest.json").read_text()
        self.assertEqual(len(re.findall(r'(?m)^    {"name":"\w+_\d+T\d+Z\.\w+",.*},?$', text)), len(TYPES))

    def test_settings_that_are_no_json_are_left_out(self):
        def answer(request):
            return takhin(request) if "pprof" in request.path else response("200 OK", b'{"a": 1')

        with DebugServer(answer) as server:
            self.assert_done(self.profile("-output-dir", "out", "-remote", server.address))
        self.assertIsNone(self.manifest()["brokers"][0]["config"])

    def test_a_server_without_settings_is_no_failure(self):
        def answer(request):
            return response("200 OK", PROFILE) if "pprof" in request.path else response("404 Not Found")

        with DebugServer(answer) as server:
            result = self.profile("-output-dir", "out", "-remote", server.address)
        self.assert_done(result)
        self.assertEqual(result.stderr, f"collecting a cpu profile of {server.address} for 30s\n")
        self.assertEqual(self.manifest()["brokers"], [{"name": server.address, "server": None, "version": None,
                                                       "config": None}])

    def test_runs_at_the_same_moment_replace_nothing_of_each_other(self):
        count = 3
        together = threading.Barrier(count)

        def answer(request):
            if "pprof" in request.path:
                together.wait(PATIENCE_S)
            return takhin(request)

        with DebugServer(answer) as server:
            runs = [self.start("-output-dir", "out", "-remote", server.address) for _ in range(count)]
            for run in runs:
                _, errors = run.communicate(timeout=60)
                self.assertEqual(run.returncode, 0, errors)
        names = self.names("out")
        self.assertEqual(sum(name.startswith("cpu_") for name in names), count)
        manifests = [json.loads((self.folder / "out" / name).read_text())
                     for name in names if name.startswith("manifest")]
        self.assertEqual(sorted(manifest["files"][0]["name"] for manifest in manifests),
                         [name for name in names if name.startswith("cpu_")])
        self.assertIn("manifest.json", names)

    def test_one_type_that_fails_costs_no_other(self):
        def answer(request):
            if "mutex" in request.path or "block" in request.path:
                return response("500 Internal Server Error", b"not today\n", "X-Go-Pprof: 1")
            return takhin(request)

        with DebugServer(answer) as server:
            result = self.profile("-type", "all", "-remote", server.address)
        self.assert_fails_in(result, 3, "\ntakhin-profiler: block, mutex: ", "not today")
        self.assertEqual(result.stderr.count("not today"), 1)
        self.assertEqual(self.names(), sorted(set(DEFAULT_NAMES) - {"mutex.prof", "block.prof"}))

    def test_what_is_no_profile_is_not_written(self):
        def answer(request):
            return response("200 OK", b"<html>") if "heap" in request.path else takhin(request)

        with DebugServer(answer) as server:
            result = self.profile("-type", "all", "-output-dir", "out", "-remote", server.address)
        self.assert_fails_in(result, 3, "heap: what ", "is no profile", '"<html>"')
        self.assertFalse([name for name in self.names("out") if "heap" in name or "partial" in name])
        [failed] = [file for file in self.manifest()["files"] if file["name"] is None]
        self.assertEqual((failed["type"], failed["missing"]), ("heap", [server.address]))
        self.assertIn("is no profile", failed["problem"])

    def test_nothing_listens_is_said_once(self):
        port = self.dead_port()
        result = self.profile("-type", "all", "-output-dir", "out", "-remote", f"127.0.0.1:{port}")
        self.assert_fails_in(result, 1, "TAKHIN_PROFILER_ENABLED=true")
        self.assertEqual(result.stderr.count(str(port)), 2)  # as it begins, and why it failed
        self.assertEqual(self.names("out"), ["manifest.json"])
        self.assertEqual({file["name"] for file in self.manifest()["files"]}, {None})

    def test_a_full_disk_is_said_once_and_costs_what_is_on_it(self):
        (self.folder / "heap.prof").symlink_to("/dev/full")
        (self.folder / "fgprof.prof").symlink_to("/dev/full")
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-remote", server.address)
            self.assert_fails_in(result, 3, "cannot write heap.prof: No space left on device",
                                 "The same goes for fgprof.prof.")
            self.assertEqual(result.stderr.count("Make room"), 1)
            self.assertEqual(self.names(), DEFAULT_NAMES)

    def test_a_third_signal_ends_it_wherever_it_is(self):
        os.mkfifo(self.folder / "cpu.prof")
        with DebugServer(response("200 OK", LARGE)) as server:
            child = self.start("-remote", server.address)
            with open(self.folder / "cpu.prof", "rb", buffering=0) as disk:
                disk.read(1)  # and no more: it cannot go on
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    child.send_signal(number)
                child.communicate(timeout=60)
        self.assertLess(child.returncode, 0)

    def test_a_slow_disk_takes_no_time_from_others(self):
        is_writing = threading.Event()
        os.mkfifo(self.folder / "heap.prof")

        def answer(request):
            if "/heap" in request.path:
                return response("200 OK", LARGE)
            is_writing.wait(PATIENCE_S)
            return takhin(request)

        with DebugServer(answer) as server:
            child = self.start("-type", "all", "-duration", "1s", "-timeout", "9s", "-remote", server.address)
            with open(self.folder / "heap.prof", "rb", buffering=0) as disk:
                disk.read(1)
                is_writing.set()
                time.sleep(10.5)  # longer than any answer may take
                while disk.read(1 << 16):
                    pass
            _, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual(self.names(), DEFAULT_NAMES)

    def test_nothing_fits(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-output-dir", "out", "-remote", server.address,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)))
        self.assert_fails_in(result, 1, "File too large", "-output-dir, on another disk")
        self.assertEqual(self.names("out"), [])

    def test_a_folder_that_cannot_be_made_is_said_before_anybody_is_asked(self):
        (self.folder / "file").write_bytes(b"")
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-output-dir", "file/out", "-remote", server.address)
            self.assert_fails_in(result, 1, "cannot make the folder file/out: Not a directory", "-output-dir")
            (self.folder / "cpu.prof").mkdir()
            result = self.profile("-type", "all", "-remote", server.address)
            self.assert_fails_in(result, 1, "cpu.prof: Is a directory", "-output-dir")
        self.assertEqual(server.requests, [])
        self.assertEqual(self.names(), ["cpu.prof", "file"])


class Shown(ManyTest):
    def test_analyses_come_behind_all_reports_in_the_order_of_types(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-remote", server.address, "-analyze")
        self.assert_done(result)
        heads = re.findall(r"^==> (\w+)\.\w+ <==$", result.stdout, re.M)
        self.assertEqual(sorted(heads), sorted(TYPES))
        self.assertLess(result.stdout.rindex("wrote "), result.stdout.index("==> cpu.prof <=="))
        self.assertIn("Slowest: Produce", result.stdout)
        self.assertEqual(result.stdout.count("70ms total"), len(TYPES) - 1)

    def test_json_has_standard_output_to_itself(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-remote", server.address, "-json")
        self.assert_done(result)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(sorted(row["file"] for row in rows), DEFAULT_NAMES)
        self.assertEqual(len(re.findall("^wrote ", result.stderr, re.M)), len(TYPES))

    def test_flame_graphs_are_of_profiles(self):
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-remote", server.address, "-flamegraph")
        self.assert_done(result)
        pages = [f"{name}.html" for name in TYPES if name != "trace"]
        self.assertEqual(self.names(), sorted(DEFAULT_NAMES + pages))
        self.assertNotIn("==> trace.out <==", result.stdout)
        self.assertTrue(result.stdout.endswith("\n\nnext:\n  takhin-profiler analyze trace.out\n"
                                               "  go tool trace trace.out\n"), result.stdout)


class Brokers(ManyTest):
    def test_profiles_become_one_with_a_label_and_traces_stay_apart(self):
        with DebugServer(takhin) as one, DebugServer(takhin) as other:
            result = self.profile("-type", "all", "-remote", f"{one.address},{other.address}")
        self.assert_done(result)
        self.assertRegex(result.stdout, r"(?m)^wrote cpu.prof: \d+B, cpu 140ms in 2 stacks, of 2s: 2 brokers, 1s each$")
        traces = [f"trace_127.0.0.1_{server.port}.out" for server in (one, other)]
        self.assertEqual(self.names(), sorted(set(DEFAULT_NAMES) - {"trace.out"} | set(traces)))
        self.assertEqual(sorted(sample["broker"] for sample in labels(self.folder / "cpu.prof")),
                         sorted([one.address, other.address]))

    def test_split_keeps_them_apart(self):
        with DebugServer(takhin) as one, DebugServer(takhin) as other:
            result = self.profile("-split", "-remote", f"{one.address},{other.address}")
            self.assert_done(result)
            names = [f"cpu_127.0.0.1_{server.port}.prof" for server in (one, other)]
            self.assertEqual(self.names(), sorted(names))
            self.assertEqual((self.folder / names[0]).read_bytes(), PROFILE)
            self.assert_done(self.profile("-split", "-remote", one.address, "-output", "x.prof"))
            self.assertEqual(self.names(), sorted([*names, "x.prof"]))
            result = self.profile("-split", "-remote", f"{one.address},{other.address}", "-output-dir", "out")
        self.assert_done(result)
        for server in (one, other):
            self.assertEqual(len([name for name in self.names("out")
                                  if re.fullmatch(rf"cpu_127.0.0.1_{server.port}_{TIME}\.prof", name)]), 1)

    def test_profiles_of_different_things_cannot_become_one(self):
        other_type = gzip.compress(PLAIN.replace(b"\x32\x07samples", b"\x32\x07objects").replace(b"cpu", b"mem"))
        with DebugServer(takhin) as one, DebugServer(response("200 OK", other_type)) as other:
            result = self.profile("-remote", f"{one.address},{other.address}")
            self.assert_fails(result, "the brokers' cpu profiles cannot become one: ", "With -split")
            split = self.profile("-remote", f"{one.address},{other.address}", "-split")
        self.assert_done(split)

    def test_one_that_is_down_costs_its_own_part(self):
        port = self.dead_port()
        with DebugServer(takhin) as server:
            result = self.profile("-type", "all", "-output-dir", "out",
                                  "-remote", f"127.0.0.1:{port},{server.address}")
        self.assert_fails_in(result, 3, f"nothing listens at 127.0.0.1:{port}", "8 files are without it.")
        self.assertEqual(result.stderr.count("nothing listens"), 1)
        files = self.manifest()["files"]
        for file in files:
            if file["type"] != "trace":
                self.assertEqual(file["missing"], [f"127.0.0.1:{port}"])
                self.assertEqual(labels(self.folder / "out" / file["name"]), [{"broker": server.address}])
        self.assertEqual(len([file for file in files if file["name"] is None]), 1)  # its trace

    def test_of_one_file_its_name_is_said(self):
        port = self.dead_port()
        with DebugServer(takhin) as server:
            result = self.profile("-remote", f"{server.address},127.0.0.1:{port}")
        self.assert_fails_in(result, 3, f"nothing listens at 127.0.0.1:{port}", "\ncpu.prof is without it.")
        self.assertEqual(self.names(), ["cpu.prof"])

    def test_all_are_down(self):
        ports = self.dead_port(), self.dead_port()
        result = self.profile("-remote", ",".join(f"127.0.0.1:{port}" for port in ports))
        self.assert_fails(result, *(f"nothing listens at 127.0.0.1:{port}" for port in ports))


class Interrupt(ManyTest):
    """Ctrl-C, once all types have been asked for."""

    def collect(self, answers):
        """Starts the program; `answers` are the timed types that answer who shuts its sending side. It is interrupted
        as soon as every type is asked for."""
        asked = threading.Barrier(len(TYPES) + 1)

        def answer(request):
            if request.path != "/debug/profiler/config":
                asked.wait(PATIENCE_S)
            if not is_timed(request):
                return takhin(request)
            if not any(f"/{path}?" in request.path for path in answers):
                return None
            return takhin(request) if request.wait_until_client_is_done() else None

        server = self.enterContext(DebugServer(answer))
        child = self.start("-type", "all", "-duration", "20m", "-output-dir", "out", "-remote", server.address)
        asked.wait(PATIENCE_S)
        child.send_signal(signal.SIGINT)
        return child

    def test_what_was_collected_is_kept_and_said_to_be_shorter(self):
        child = self.collect(["profile", "block", "mutex", "fgprof", "trace"])
        output, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual(len(re.findall(rf"^interrupted: out/\w+_{TIME}.prof holds 1s of the 1200s$", output, re.M)), 4)
        files = self.manifest()["files"]
        self.assertEqual({file["type"]: file["cut_short"] for file in files},
                         {name: name in TIMED for name in TYPES})
        for file in files:
            self.assertEqual((self.folder / "out" / file["name"]).read_bytes(),
                             TRACE if file["type"] == "trace" else PROFILE)

    def test_twice_ends_what_does_not_answer_and_keeps_the_others(self):
        child = self.collect(["profile", "block", "mutex", "fgprof"])
        written = 0
        while written < len(TYPES) - 1:
            line = child.stdout.readline()
            self.assertTrue(line, "it ended")
            written += line.startswith("wrote ")
        child.send_signal(signal.SIGTERM)  # another, as the same at once would be taken for an echo
        _, errors = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3, errors)
        self.assertIn("takhin-profiler: trace: ", errors)
        self.assertIn("interrupted", errors)
        names = self.names("out")
        self.assertEqual(len(names), len(TYPES))  # all but the trace, and the manifest
        self.assertFalse([name for name in names if "partial" in name or "trace" in name])


if __name__ == "__main__":
    unittest.main()
