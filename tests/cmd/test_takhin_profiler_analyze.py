"""takhin-profiler analyze: what each flag makes of real profiles, held against `go tool pprof`; files of all kinds, and
what is said of those that are none."""
import gzip
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import PROFILER, ROOT, clean_environment  # noqa: E402
from support.browser import CHROMIUM, browser  # noqa: E402
from support.debug_server import PLAIN, PROFILE, TRACE, DebugServer, record, response  # noqa: E402
from support.profile_proto import Profile  # noqa: E402
from support.profiler_test import ProfilerTest  # noqa: E402

GOLDEN = ROOT / "tests" / "pprof" / "golden"
CPU_NS = 70000256  # of cpu.prof


def golden_commands():
    """(words, what Go's pprof printed to standard output, to standard error) of golden/top.txt."""
    for block in re.split(r"^\$ ", (GOLDEN / "top.txt").read_text(), flags=re.M)[1:]:
        command, _, printed = block.partition("\n")
        lines = printed.splitlines(keepends=True)
        yield (command.split(), "".join(line for line in lines if not line.startswith("! ")),
               "".join(line[2:] for line in lines if line.startswith("! ")))


class AnalyzeTest(ProfilerTest):
    def setUp(self):
        super().setUp()
        for name in ("takhin_cpu", "takhin_cpu_later", "takhin_heap", "takhin_heap_later", "takhin_block",
                     "takhin_goroutine"):
            shutil.copy(GOLDEN / f"{name}.pb.gz", self.folder)
        (self.folder / "cpu.prof").write_bytes(PROFILE)
        (self.folder / "trace.out").write_bytes(TRACE)
        self.given = sorted(os.listdir(self.folder))

    def analyze(self, *arguments, **options):
        return self.profile("analyze", *arguments, environment={"TZ": "UTC"}, **options)

    def printed(self, *arguments, **options):
        """Of a run that succeeds and has nothing to say beside it."""
        result = self.analyze(*arguments, **options)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def object(self, *arguments):
        lines = self.printed("-json", *arguments).splitlines()
        self.assertEqual(len(lines), 1)
        return json.loads(lines[0])

    def folded(self, *arguments):
        """The value of each stack."""
        pairs = [line.rsplit(" ", 1) for line in self.printed("-folded", *arguments).splitlines()]
        self.assertEqual(len(dict(pairs)), len(pairs), "a stack is there twice")
        return {stack: int(value) for stack, value in pairs}

    def file(self, name, content):
        (self.folder / name).write_bytes(content)
        self.given = sorted({*self.given, name})
        return name

    def assert_refused(self, result, *texts, status=1):
        self.assert_fails(result, *texts, status=status, left=self.given)


class Tables(AnalyzeTest):
    def test_are_those_of_go_tool_pprof(self):
        """-base, -diff_base, -cum, -lines, -nodecount, -focus, -ignore, -tagfocus, -tagignore, -sample_index."""
        count = 0
        for words, table, notes in golden_commands():
            files = [word for word in words if not word.startswith("-")]
            if len(files) > 1 or "no such" in notes:
                continue
            flags = [word for word in words if word.startswith("-") and word != "-top"]
            if not any(flag.startswith("-nodecount") for flag in flags):
                flags.append("-nodecount=0")
            with self.subTest(command=" ".join(words)):
                result = subprocess.run([PROFILER, "analyze", *flags, *files], cwd=GOLDEN, capture_output=True,
                                        text=True, timeout=60, env=clean_environment(TZ="UTC"))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(f"\n\n{table}", "\n\n" + result.stdout)
                self.assertEqual(re.sub(r"The profile is of .* and its base of .*\n", "", result.stderr), notes)
                count += 1
        self.assertGreater(count, 100)

    def test_of_two_lengths_say_so(self):
        def said(base, profile):
            return subprocess.run([PROFILER, "analyze", "-base", base, profile], cwd=GOLDEN, capture_output=True,
                                  text=True, timeout=60, env=clean_environment()).stderr
        self.assertEqual(said("takhin_cpu.pb.gz", "takhin_cpu_brokers.pb.gz"),
                         "The profile is of 2.01s and its base of 1.01s: values differ for that alone\n")
        self.assertEqual(said("takhin_cpu.pb.gz", "takhin_cpu_later.pb.gz"), "")
        self.assertEqual(said("takhin_heap.pb.gz", "takhin_heap_later.pb.gz"), "")

    def test_without_nodecount_are_of_20_rows(self):
        self.assertIn("\nShowing top 20 nodes out of ", self.printed("takhin_cpu.pb.gz"))

    def test_flags_and_files_come_in_any_order(self):
        one = self.printed("-cum", "takhin_cpu.pb.gz", "--nodecount", "3")
        self.assertEqual(one, self.printed("--nodecount=3", "-cum", "takhin_cpu.pb.gz"))
        self.assertNotEqual(one, self.printed("takhin_cpu.pb.gz"))


class Stacks(AnalyzeTest):
    def samples(self, name):
        return Profile((self.folder / name).read_bytes())

    def test_add_up_to_the_profile(self):
        profile = self.samples("takhin_cpu.pb.gz")
        for sample_type in ("samples", "cpu"):
            with self.subTest(type=sample_type):
                stacks = self.folded("-sample_index", sample_type, "takhin_cpu.pb.gz")
                self.assertEqual(sum(stacks.values()), profile.total(sample_type))
        self.assertEqual(self.folded("takhin_cpu.pb.gz"), stacks)
        self.assertTrue(all(stack.split(";")[0] in ("context_start", "clone3", "[between ticks]", "_start")
                            for stack in stacks), "roots are on the left")

    def test_are_those_that_the_filters_keep(self):
        profile = self.samples("takhin_cpu.pb.gz")
        fetch = profile.total("cpu", lambda entry: entry.labels.get("api") == "Fetch")
        self.assertEqual(sum(self.folded("-tagfocus=api=Fetch", "takhin_cpu.pb.gz").values()), fetch)
        rest = profile.total("cpu") - fetch
        self.assertEqual(sum(self.folded("-tagignore=api=Fetch", "takhin_cpu.pb.gz").values()), rest)
        focused = self.folded("-focus=storage_log_append", "takhin_cpu.pb.gz")
        self.assertTrue(focused and all("storage_log_append" in stack for stack in focused))
        ignored = self.folded("-ignore=storage_log_append", "takhin_cpu.pb.gz")
        self.assertEqual(sorted({**focused, **ignored}.items()), sorted(self.folded("takhin_cpu.pb.gz").items()))

    def test_of_a_comparison_are_growth(self):
        old, new = self.samples("takhin_cpu.pb.gz"), self.samples("takhin_cpu_later.pb.gz")
        for flag in ("-base", "-diff_base"):
            stacks = self.folded(flag, "takhin_cpu.pb.gz", "takhin_cpu_later.pb.gz")
            self.assertEqual(sum(stacks.values()), new.total("cpu") - old.total("cpu"))
        self.assertEqual(self.folded("-base", "takhin_cpu.pb.gz", "takhin_cpu.pb.gz"), {})


class Json(AnalyzeTest):
    def test_has_what_the_table_has(self):
        said = self.object("-nodecount=7", "takhin_cpu.pb.gz")
        self.assertEqual((said["file"], said["content"]), ("takhin_cpu.pb.gz", "profile"))
        top = said["top"]
        self.assertEqual((top["type"], top["unit"], top["total"]), ("cpu", "nanoseconds", 748000000))
        table = self.printed("-nodecount=7", "takhin_cpu.pb.gz")
        rows = re.findall(r"^ +(\d+)ms +[\d.]+% +[\d.]+% +(\d+)ms +[\d.]+% +(.*)$", table, flags=re.M)
        self.assertEqual([(row["flat"], row["cum"], row["name"]) for row in top["rows"]],
                         [(int(flat) * 10 ** 6, int(cum) * 10 ** 6, name.replace(" (inline)", ""))
                          for flat, cum, name in rows])
        for finding in said["summary"]["findings"]:
            self.assertIn(finding["text"], table)
        self.assertIn("Produce", [row["value"] for label in said["labels"] if label["key"] == "api"
                                  for row in label["rows"]])

    def test_names_what_was_compared_with(self):
        said = self.object("-diff_base=takhin_cpu.pb.gz", "takhin_cpu_later.pb.gz")
        self.assertEqual(said["diff_base"], "takhin_cpu.pb.gz")
        self.assertNotIn("base", said)
        self.assertTrue(any(row["flat"] < 0 for row in said["top"]["rows"]))

    def test_is_a_line_a_file_and_nothing_else(self):
        result = self.analyze("-json", "cpu.prof", "absent.prof", "trace.out", "takhin_heap.pb.gz")
        self.assertEqual(result.returncode, 3)
        said = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([(each["file"], each["content"]) for each in said],
                         [("cpu.prof", "profile"), ("trace.out", "trace"), ("takhin_heap.pb.gz", "profile")])
        self.assertIn("absent.prof: there is no such file", result.stderr)

    def test_of_a_trace_has_what_the_text_has(self):
        said, text = self.object("trace.out"), self.printed("trace.out")
        self.assertEqual(text.splitlines()[0], "Slowest: Produce #1 took 50.0 ms, 50.0 ms of it waiting for fsync, "
                                               "in storage_log_append storage/log.c:231.")
        self.assertEqual(said["findings"], text.split("\n\n")[0].splitlines())
        self.assertIsNone(said["damage"])
        self.assertEqual((said["requests"], said["open_requests"], said["events"]), (1, 0, 13))
        produce = said["apis"][0]
        self.assertEqual((produce["api"], produce["count"], produce["max_ns"]), ("Produce", 1, 50003000))
        self.assertEqual(sum(produce["split_ns"].values()), 50003000)
        self.assertEqual(produce["split_ns"]["fsync"], 50000000)
        slowest = said["slowest"][0]
        self.assertEqual((slowest["api"], slowest["request"], slowest["duration_ns"], slowest["finished"]),
                         ("Produce", 1, 50003000, True))
        self.assertEqual((slowest["pieces"][0]["activity"], slowest["pieces"][0]["duration_ns"]), ("fsync", 50000000))
        self.assertIn("storage_log_append storage/log.c:231", slowest["pieces"][0]["place"])
        self.assertEqual(said["lanes"][0]["thread"], 4242)


class Pages(AnalyzeTest):
    def page(self, name):
        text = (self.folder / name).read_text()
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.S)
        return json.loads(found.group(1))

    def total(self, data, of="profile"):
        width = 2 + len(data["types"])
        return sum(data[of]["samples"][2 + data["type"]::width])

    def test_lies_beside_its_file_and_holds_its_data(self):
        printed = self.printed("-flamegraph", "takhin_cpu.pb.gz", "cpu.prof")
        self.assertIn("flame graph: takhin_cpu.pb.gz.html\n  or: go tool pprof -http=:8080 takhin_cpu.pb.gz\n"
                      "      then open http://localhost:8080/ui/flamegraph\n", printed)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted([*self.given, "cpu.html", "takhin_cpu.pb.gz.html"]))
        self.assertEqual(self.total(self.page("takhin_cpu.pb.gz.html")), 748000000)
        self.assertEqual(self.total(self.page("cpu.html")), CPU_NS)

    def test_shows_what_the_filters_keep_and_the_type_that_is_asked_for(self):
        self.printed("-flamegraph", "-tagfocus=api=Fetch", "-sample_index=samples", "takhin_cpu.pb.gz")
        data = self.page("takhin_cpu.pb.gz.html")
        self.assertEqual(data["types"][data["type"]], ["samples", "count"])
        profile = Profile((self.folder / "takhin_cpu.pb.gz").read_bytes())
        self.assertEqual(self.total(data), profile.total("samples", lambda entry: entry.labels.get("api") == "Fetch"))
        self.assertNotIn("Produce", data["strings"])

    def test_compares(self):
        printed = self.printed("-flamegraph", "-base=takhin_cpu.pb.gz", "-ignore=storage", "takhin_cpu_later.pb.gz")
        self.assertIn("-http=:8080 -base takhin_cpu.pb.gz takhin_cpu_later.pb.gz\n", printed)
        data = self.page("takhin_cpu_later.pb.gz.html")
        for of, name in (("profile", "takhin_cpu_later.pb.gz"), ("base", "takhin_cpu.pb.gz")):
            profile = Profile((self.folder / name).read_bytes())
            kept = profile.total("cpu", lambda entry: not any("storage" in frame.function or "storage" in frame.file
                                                              for frame in entry.frames))
            self.assertEqual(self.total(data, of), kept)

    def test_is_headed_by_the_brokers_it_was_merged_from(self):
        with DebugServer(response("200 OK", PROFILE)) as first, DebugServer(response("200 OK", PROFILE)) as second:
            result = self.profile("-remote", f"{first.address},{second.address}", "-flamegraph", "-output", "two.prof")
        self.assert_done(result)
        names = sorted((first.address, second.address))
        title = self.page("two.html")["title"]
        self.assertTrue(title.startswith("cpu profile of "), title)
        self.assertEqual(sorted(title.removeprefix("cpu profile of ").split(", ")), names)

    def test_is_headed_by_the_broker_it_came_from(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assert_done(self.profile("-remote", server.address, "-flamegraph"))
        self.assertEqual(self.page("cpu.html")["title"], f"cpu profile of {server.address}")

    def test_is_headed_by_the_type_that_was_collected(self):
        block = (GOLDEN / "go_block.pb.gz").read_bytes()
        with DebugServer(response("200 OK", block)) as server:
            for name in ("block", "mutex"):
                self.assert_done(self.profile("-remote", server.address, "-type", name, "-flamegraph"))
                self.assertEqual(self.page(f"{name}.html")["title"], f"{name} profile of {server.address}")

    def test_of_a_file_is_headed_by_the_type_as_far_as_that_is_known(self):
        for name, title in {"takhin_cpu": "cpu profile of takhin", "takhin_heap": "heap profile of takhin",
                            "takhin_block": "block profile of takhin", "takhin_mutex": "mutex profile of takhin",
                            "takhin_goroutine": "goroutine profile of takhin", "go_block": "contention profile of shop"
                            }.items():
            with self.subTest(name):
                shutil.copy(GOLDEN / f"{name}.pb.gz", self.folder)
                self.printed("-flamegraph", "-sample_index=0", f"{name}.pb.gz")
                self.assertEqual(self.page(f"{name}.pb.gz.html")["title"], title)

    def test_commands_are_words_of_a_shell(self):
        for name in ("a b.prof", "it's.prof"):
            self.file(name, PROFILE)
            command = re.search(r"  or: (.*)", self.printed("-flamegraph", f"-base={name}", name)).group(1)
            self.assertEqual(shlex.split(command), ["go", "tool", "pprof", "-http=:8080", "-base", name, name])

    def test_leaves_standard_output_to_json(self):
        result = self.analyze("-json", "-flamegraph", "cpu.prof")
        self.assert_done(result)
        self.assertEqual(json.loads(result.stdout)["file"], "cpu.prof")
        self.assertIn("flame graph: cpu.html\n", result.stderr)

    def test_of_standard_input_lies_in_the_folder(self):
        with open(self.folder / "cpu.prof", "rb") as piped:
            printed = self.printed("-flamegraph", "-", stdin=piped)
        self.assertTrue(printed.endswith("flame graph: stdin.html\n"), printed)
        self.assertEqual(self.total(self.page("stdin.html")), CPU_NS)

    def test_in_a_place_that_is_a_folder_is_refused(self):
        (self.folder / "cpu.html").mkdir()
        self.given.append("cpu.html")
        self.given.sort()
        self.assert_refused(self.analyze("-flamegraph", "cpu.prof"), "cpu.html")

    @unittest.skipUnless(CHROMIUM, "no chromium on this machine")
    def test_opens_in_a_browser(self):
        self.printed("-flamegraph", "takhin_cpu.pb.gz")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as kept, browser(kept) as page:
            page.call("Page.navigate", url=f"file://{self.folder}/takhin_cpu.pb.gz.html")
            page.await_true("document.readyState === 'complete' && document.title.includes('cpu')")
            self.assertIn("748", page.evaluate("document.title"))


class Files(AnalyzeTest):
    def test_of_several_each_has_its_name_above(self):
        printed = self.printed("cpu.prof", "trace.out")
        self.assertTrue(printed.startswith("==> cpu.prof <==\n"), printed)
        self.assertIn("\n\n==> trace.out <==\nSlowest: ", printed)
        self.assertNotIn("==>", self.printed("cpu.prof"))
        self.assertNotIn("==>", self.printed("-quiet", "cpu.prof", "trace.out"))

    def test_come_through_pipes_and_standard_input(self):
        expected = self.printed("cpu.prof")
        with open(self.folder / "cpu.prof", "rb") as file:
            self.assertEqual(self.printed("-", stdin=file), expected)
        with subprocess.Popen(["cat", "cpu.prof"], cwd=self.folder, stdout=subprocess.PIPE) as cat:
            self.assertEqual(self.printed("-", stdin=cat.stdout), expected)
        os.mkfifo(self.folder / "fifo")
        with subprocess.Popen(["sh", "-c", "cat cpu.prof >fifo"], cwd=self.folder):
            self.assertEqual(self.printed("fifo"), expected)

    def test_need_no_compression_and_may_have_several_members(self):
        expected = self.printed("cpu.prof")
        for content in (PLAIN, gzip.compress(PLAIN[:9]) + gzip.compress(PLAIN[9:])):
            self.assertEqual(self.printed(self.file("other", content)), expected)

    def test_of_go_and_gperftools_are_read(self):
        for name, text in (("go_heap", "inuse_space"), ("cpp_cpu", "cpu"), ("go_goroutine", "goroutine")):
            with self.subTest(name=name):
                self.assertIn(f"\nType: {text}\n", self.printed(str(GOLDEN / f"{name}.pb.gz")))

    def test_damaged_trace_is_told_as_far_as_it_goes(self):
        self.file("cut.out", TRACE.replace(record(21, 0, 7, 2, 0), b""))
        result = self.analyze("cut.out")
        self.assert_done(result)
        self.assertIn("Produce #1 has taken", result.stdout)
        self.assertIn("cut.out: the trace can be read in part only: after 51001 us: ", result.stderr)
        result = self.analyze("-json", "cut.out")
        self.assertIn("after 51001 us", json.loads(result.stdout)["damage"])

    def test_files_themselves_stay_as_they_are(self):
        before = {name: (self.folder / name).read_bytes() for name in self.given}
        self.printed("takhin_cpu.pb.gz", "trace.out")
        self.assertEqual({name: (self.folder / name).read_bytes() for name in os.listdir(self.folder)}, before)


class Refusals(AnalyzeTest):
    def test_each_file_that_is_no_profile_says_what_it_is(self):
        cases = {
            "empty": (b"", "not a profile: it is empty"),
            "cut": (PROFILE[:-9], "ends too early"),
            "damaged": (PROFILE[:30] + bytes(20) + PROFILE[50:], "damaged"),
            "half": (PLAIN[:len(PLAIN) // 2], "not a"),
            "goroutine-text": (b"goroutine profile: total 7\n1 @ 0x1\n", "without debug=1"),
            "heap-text": (b"heap profile: 1: 2 [3: 4] @ heap/1048576\n", "without debug=1"),
            "mutex-text": (b"--- mutex:\ncycles/second=1\n", "without debug=1"),
            "stacks": (b"goroutine 1 [running]:\nmain.main()\n", "without debug=2"),
            "gperftools": (bytes(8) + b"\3" + bytes(15) + b"\x10\x27" + bytes(14), "pprof -proto"),
            "page": (b"<!DOCTYPE html>\n<title>login</title>\n", "a web page"),
            "chrome": (b'{"traceEvents":[]}', "without format="),
            "perfetto": (b"\x0a\x02\x08\x01" * 3, "without format="),
            "newer": (b"go 1.22 trace\0\0\0" + bytes(9), "without version="),
            "program": (b"\x7fELF\2\1\1" + bytes(57), "that is a program"),
            "zip": (b"PK\3\4" + bytes(30), "unpack it first"),
            "words": (b"hello, world\n", "neither gzip nor a protocol buffer"),
        }
        for name, (content, text) in cases.items():
            with self.subTest(name=name):
                result = self.analyze(self.file(name, content))
                self.assert_refused(result, f"takhin-profiler: {name}: ", text)
                self.assertEqual(result.stdout, "")

    def test_files_that_cannot_be_read_say_why(self):
        self.assert_refused(self.analyze("absent.prof"), "absent.prof: there is no such file")
        (self.folder / "folder").mkdir()
        self.given = sorted([*self.given, "folder"])
        self.assert_refused(self.analyze("folder"), "folder: that is a folder: name the files in it")

    def test_others_are_shown_all_the_same(self):
        self.file("words", b"hello\n")
        result = self.analyze("words", "cpu.prof", "absent")
        self.assertEqual(result.returncode, 3)
        self.assertTrue(result.stdout.startswith("==> cpu.prof <==\n"))
        self.assertRegex(result.stderr,
                         r"^takhin-profiler: words: [^\n]*\ntakhin-profiler: absent: there is no such file[^\n]*\n$")

    def test_what_a_trace_has_not_is_refused(self):
        for flag in ("-focus=x", "-base=cpu.prof", "-flamegraph", "-folded", "-sample_index=cpu"):
            with self.subTest(flag=flag):
                self.assert_refused(self.analyze(flag, "trace.out"), "trace.out: that is a trace", flag.split("=")[0])

    def test_expressions_that_are_none_are_the_command_lines_fault(self):
        for flag in ("-focus", "-ignore", "-tagfocus", "-tagignore"):
            with self.subTest(flag=flag):
                self.assert_refused(self.analyze(f"{flag}=(", "cpu.prof"), "regular expression", status=2)

    def test_sample_types_that_are_none_name_those_there_are(self):
        self.assert_refused(self.analyze("-sample_index=wall", "cpu.prof"), "must be one of: [samples cpu]")
        self.assert_refused(self.analyze("-sample_index=2", "cpu.prof"), "outside the range [0..1]")

    def test_bases_that_do_not_fit_say_so(self):
        self.assert_refused(self.analyze("-base=absent", "cpu.prof"), "absent: there is no such file")
        self.assert_refused(self.analyze("-base=trace.out", "cpu.prof"), "trace.out: that is a trace")
        self.assert_refused(self.analyze("-base=takhin_heap.pb.gz", "cpu.prof"),
                            "cpu.prof: cannot be compared with takhin_heap.pb.gz: ")
        self.file("words", b"hello\n")
        self.assert_refused(self.analyze("-base=words", "cpu.prof"), "words: not a profile")

    def test_what_matches_nothing_is_said_beside_the_table(self):
        result = self.analyze("-focus=nothing_of_this_name", "takhin_cpu.pb.gz")
        self.assert_done(result)
        self.assertEqual(result.stderr, "Focus expression matched no samples\n")

    def test_gzip_bomb_ends_in_an_error(self):
        block = gzip.compress(bytes(1 << 24), 9)  # 16 MiB of zeros in 16 KiB, 80 times
        result = self.analyze(self.file("bomb", block * 80))
        self.assert_refused(result, "bomb: the profile is larger than the limit once decompressed")

    def test_standard_output_that_is_full_fails(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([PROFILER, "analyze", "cpu.prof"], cwd=self.folder, stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=60, env=clean_environment())
        self.assertEqual(result.returncode, 1)
        self.assertIn("standard output", result.stderr)


if __name__ == "__main__":
    unittest.main()
