"""Every kind of profile of a broker under real load, at each of its forms: held to the scrapers' rules, and read by the
real go tool pprof and by another decoder."""
import collections
import concurrent.futures
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import LOAD, TAKHIN, Broker, run
from support.installed import node_package
from support.kcat import kcat
from support.pprof_tool import GO_TOOLS, HARMLESS, PprofTool
from support.profile_proto import Profile

PPROF_FORMAT = "2.3.2"

Type = collections.namedtuple("Type", "path file columns default period_type period text")


def of(path, columns, period_type, period=1, file=None, default="", text=None):
    return Type(path, file or path.rsplit("/", 1)[1], columns, default, period_type, period, text)


HEAP = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
CONTENTION = [("contentions", "count"), ("delay", "nanoseconds")]
MEM_RATE = 4096
SPACE, CONTENTIONS = ("space", "bytes"), ("contentions", "count")
TYPES = {type.path.rsplit("/", 1)[1]: type for type in [
    of("/debug/pprof/profile", [("samples", "count"), ("cpu", "nanoseconds")], ("cpu", "nanoseconds"), 4_000_000),
    of("/debug/pprof/heap", HEAP, SPACE, MEM_RATE, text=r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/8192\n"),
    of("/debug/pprof/allocs", HEAP, SPACE, MEM_RATE, default="alloc_space",
       text=r"heap profile: \d+: \d+ \[\d+: \d+\] @ heap/8192\n"),
    of("/debug/pprof/goroutine", [("goroutine", "count")], ("goroutine", "count"),
       text=r"goroutine profile: total \d+\n\d+ @( 0x[0-9a-f]+)+\n"),
    of("/debug/pprof/goroutineleak", [("goroutineleak", "count")], ("goroutineleak", "count"),
       text=r"goroutineleak profile: total \d+\n"),
    of("/debug/pprof/block", CONTENTION, CONTENTIONS, text=r"--- contention:\ncycles/second=1000000000\n"),
    of("/debug/pprof/mutex", CONTENTION, CONTENTIONS,
       text=r"--- mutex:\ncycles/second=1000000000\nsampling period=1\n"),
    of("/debug/pprof/threadcreate", [("threadcreate", "count")], ("threadcreate", "count"),
       text=r"threadcreate profile: total \d+\n\d+ @"),
    of("/debug/pprof/delta_heap", HEAP, SPACE, MEM_RATE, file="heap.pprof.gz"),
    of("/debug/pprof/delta_block", CONTENTION, CONTENTIONS, file="block.pprof.gz"),
    of("/debug/pprof/delta_mutex", CONTENTION, CONTENTIONS, file="mutex.pprof.gz"),
    of("/debug/fgprof", [("samples", "count"), ("time", "nanoseconds")], ("wallclock", "nanoseconds"), None),
]}
WITHOUT_TEXT = [name for name, type in TYPES.items() if type.text is None]
# What `seconds` makes a delta of; for profile and fgprof it is the window's length anyway.
DELTAS = ("heap", "allocs", "goroutine", "block", "mutex", "threadcreate")
FORMS = ("plain", "seconds=1", "debug=1", "debug=2")
MAX_SECONDS = 2  # what profile and fgprof take by default is more
ANSWER_TIMEOUT_S = 300

Answer = collections.namedtuple("Answer", "status headers body")


def ask(broker, path, method="GET", body=None):
    connection = http.client.HTTPConnection("127.0.0.1", broker.ports["profiler"], timeout=ANSWER_TIMEOUT_S)
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = Answer(response.status, dict(response.getheaders()), response.read())
    connection.close()
    return answer


class UnderLoad(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-test-"))
        cls.pprof = PprofTool(cls.folder)
        cls.broker = Broker(server_threads=2, storage_log_segment_size="16MiB", storage_log_retention_bytes="32MiB",
                            storage_log_cleanup_interval="1s", profiler_cpu_hz=250, profiler_mem_rate=MEM_RATE,
                            profiler_block_rate="1ns", profiler_mutex_fraction=1,
                            profiler_max_duration=f"{MAX_SECONDS}s").start()
        cls.load = subprocess.Popen([LOAD, "-brokers", cls.broker.address, "-duration", "600", "-prefix", "orders",
                                     "-topics", "4", "-partitions", "2", "-rate", "50000"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            cls.collect()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def collect(cls):
        cls.broker.await_metrics(lambda metrics: all(
            metrics.get(f'takhin_request_latency_seconds_count{{api="{api}"}}', 0) >= 100
            for api in ("Produce", "Fetch")))
        # A client that waits for more than there is, and one that says nothing.
        kcat(cls.broker, "-P", "-t", "quiet", input="the last one\n")
        kcat(cls.broker, "-C", "-t", "quiet", "-o", "beginning", "-e", "-q")
        cls.silent = cls.enterClassContext(socket.create_connection(("127.0.0.1", cls.broker.ports["kafka"])))
        requests = {(name, form): type.path + ("" if form == "plain" else f"?{form}")
                    for form in FORMS for name, type in TYPES.items()}
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            cls.answers = dict(zip(requests, pool.map(lambda path: ask(cls.broker, path), requests.values())))
        cls.profiles, cls.files = {}, {}
        for key, answer in cls.answers.items():
            if cls.is_profile(*key) and answer.status == 200:
                cls.profiles[key] = Profile(answer.body)
                cls.files[key] = cls.folder / f"{key[0]}-{key[1]}.pb.gz"
                cls.files[key].write_bytes(answer.body)

    @classmethod
    def tearDownClass(cls):
        cls.load.terminate()
        cls.load.wait()
        cls.broker.__exit__()
        shutil.rmtree(cls.folder, ignore_errors=True)

    @staticmethod
    def is_profile(name, form):
        return not form.startswith("debug") or name in WITHOUT_TEXT

    def each_profile(self):
        """(name, its Type, form, Profile)."""
        return [(name, TYPES[name], form, profile) for (name, form), profile in self.profiles.items()]

    def test_everything_is_answered_with_the_headers_that_scrapers_want(self):
        for (name, form), answer in self.answers.items():
            with self.subTest(name=name, form=form):
                self.assertEqual(answer.status, 200, answer.body[:200])
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                self.assertNotIn("Content-Encoding", answer.headers)
                if self.is_profile(name, form):
                    self.assertEqual(answer.headers["Content-Type"], "application/octet-stream")
                    suffix = "-delta" if form == "seconds=1" and name in DELTAS else ""
                    self.assertEqual(answer.headers["Content-Disposition"],
                                     f'attachment; filename="{TYPES[name].file}{suffix}"')
                else:
                    self.assertEqual(answer.headers["Content-Type"], "text/plain; charset=utf-8")
                self.assertTrue(answer.body or (name, form) == ("goroutineleak", "debug=2"), "of nothing")

    def test_the_columns_are_those_of_go_in_its_order(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                self.assertEqual(profile.sample_types, type.columns)
                self.assertEqual(profile.string(profile.proto.default_sample_type), type.default)
                self.assertEqual(profile.period_type, type.period_type)
                if type.period:
                    self.assertEqual(profile.proto.period, type.period)

    def test_the_first_mapping_is_the_program_with_its_build_id(self):
        build_id = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", TAKHIN).stdout).group(1)
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                mapping = profile.proto.mapping[0]
                self.assertEqual(profile.string(mapping.filename), str(TAKHIN.resolve()))
                self.assertEqual(profile.string(mapping.build_id), build_id)
                self.assertTrue(mapping.has_filenames and mapping.has_line_numbers)

    def test_only_what_took_time_has_a_duration(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                is_window = name in ("profile", "fgprof") or (form == "seconds=1" and name in DELTAS)
                if is_window:
                    self.assertGreaterEqual(profile.proto.duration_nanos, 0.9e9)
                elif not name.startswith("delta_"):
                    self.assertEqual(profile.proto.duration_nanos, 0)

    def test_comments_say_what_made_it(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                self.assertRegex(profile.comments[0], r"^takhin \d+\.\d+\.\d+")
                if name != "threadcreate":
                    self.assertGreater(len(profile.comments), 1, "and how")

    def test_frames_of_the_profiler_itself_are_dropped(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                if type.columns == HEAP:
                    drop = profile.string(profile.proto.drop_frames)
                    for function in ("malloc", "calloc", "realloc", "posix_memalign"):
                        self.assertRegex(function, f"^({drop})$")

    def test_labels_are_the_known_ones(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                for sample in profile.proto.sample:
                    for label in sample.label:
                        key = profile.string(label.key)
                        if label.str:
                            self.assertIn(key, ("api", "topic", "client_id", "thread", "reason"))
                        elif type.columns == HEAP:
                            self.assertEqual((key, label.num_unit), ("bytes", 0))  # as Go's: it is its own unit
                        else:
                            self.assertIn((name, form), [("goroutine", "plain"), ("goroutineleak", "seconds=1")])
                            self.assertEqual((key, profile.string(label.num_unit)), ("waited", "seconds"))

    def test_values_are_never_negative(self):
        for name, type, form, profile in self.each_profile():
            with self.subTest(name=name, form=form):
                for entry in profile.entries:
                    self.assertTrue(all(value >= 0 for value in entry.values), entry)

    def test_heap_and_allocs_have_what_the_load_allocates(self):
        for name in ("heap", "allocs"):
            profile = self.profiles[name, "plain"]
            for column, _ in HEAP:
                self.assertGreater(profile.total(column), 0, column)
            self.assertGreater(profile.total("alloc_space"), profile.total("inuse_space"))
            functions = {frame.function for entry in profile.entries for frame in entry.frames}
            self.assertIn("task_main", functions)
            self.assertFalse({"malloc", "heap_sample", "capture_begin"} & functions, "the hook is not in it")

    def test_tasks_and_threads_are_in_the_goroutine_profile_with_their_state(self):
        profile = self.profiles["goroutine", "plain"]
        self.assertTrue(all("reason" in entry.labels for entry in profile.entries))
        threads = {entry.labels["thread"] for entry in profile.entries}
        self.assertLessEqual({"reactor-0", "reactor-1", "debug", "takhin"}, threads)

        def acceptors(profile):
            return profile.total("goroutine", lambda e: e.labels["reason"] == "accept" and any(
                frame.function in ("accept_connections", "accept_until_canceled") for frame in e.frames))

        # Kafka's, the metrics', health's, and the debug port's: as long as answers begin and end that one is at work.
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while (count := acceptors(profile)) != 4:
            self.assertLess(time.monotonic(), deadline, f"{count} wait")
            profile = Profile(ask(self.broker, TYPES["goroutine"].path).body)

    def test_waits_for_data_are_in_the_block_profile_of_fetch(self):
        profile = self.profiles["block", "plain"]
        waits = profile.total("delay", lambda e: e.labels.get("reason") == "data wait")
        self.assertGreater(waits, 0)
        self.assertEqual(waits, profile.total("delay", lambda e: e.labels.get("reason") == "data wait" and
                                              e.labels.get("api") == "Fetch"))

    def test_each_thread_that_was_started_is_in_threadcreate(self):
        profile = self.profiles["threadcreate", "plain"]
        self.assertGreaterEqual(profile.total("threadcreate"), 3)  # two reactors, the debug port's
        functions = {frame.function for entry in profile.entries for frame in entry.frames}
        self.assertIn("reactor_start", functions)

    def test_wall_clock_time_shows_those_that_wait_too(self):
        profile = self.profiles["fgprof", "seconds=1"]
        reasons = {entry.labels.get("reason") for entry in profile.entries}
        self.assertIn("IO wait", reasons)
        waiting = profile.total("time", lambda e: any(f.function == "accept_connections" for f in e.frames))
        duration = profile.proto.duration_nanos
        self.assertAlmostEqual(waiting, duration, delta=0.1 * duration)

    def test_a_scraper_that_comes_again_sees_what_is_new(self):
        for name in ("delta_block", "delta_heap"):
            with self.subTest(name):
                def total(path):
                    return Profile(ask(self.broker, path).body).total(TYPES[name].columns[0][0])

                whole = TYPES[name.replace("delta_", "")].path
                before = total(whole)
                total(TYPES[name].path)
                new = total(TYPES[name].path)
                self.assertLessEqual(new, total(whole) - before)

    def run_all(self, jobs):
        """Each job is a go tool and arguments of its pprof."""
        def one(job):
            go, *arguments = job
            try:
                self.pprof(*arguments, go=go)
            except AssertionError as error:
                return f"{arguments}: {error}"

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [problem for problem in pool.map(one, jobs) if problem]
        self.assertEqual(problems, [], f"{len(problems)} of {len(jobs)}:\n" + "\n".join(problems[:10]))

    def test_go_tool_pprof_reports_every_profile_and_complains_of_nothing(self):
        self.run_all([(go, report, path) for go in GO_TOOLS for path in self.files.values()
                      for report in ("-top", "-raw", "-tags", "-traces", "-svg")])
        self.run_all([(go, "-list=task_main", self.files[name, "plain"]) for go in GO_TOOLS
                      for name in ("profile", "heap", "allocs", "goroutine", "block", "threadcreate", "fgprof")])

    def test_go_tool_pprof_writes_what_it_can_read_again(self):
        for go in GO_TOOLS:
            for (name, form), path in self.files.items():
                if form == "plain":
                    with self.subTest(go=go, name=name):
                        again = self.folder / f"{name}.again.pb.gz"
                        self.pprof("-proto", f"-output={again}", path, go=go)
                        self.assertEqual(self.pprof("-top", again, go=go), self.pprof("-top", path, go=go))

    def test_go_tool_pprof_subtracts_every_profile_from_a_later_one(self):
        again = {}
        for name in TYPES:
            if name not in ("profile", "fgprof"):
                again[name] = self.folder / f"{name}-later.pb.gz"
                again[name].write_bytes(ask(self.broker, TYPES[name].path).body)
            else:
                again[name] = self.files[name, "seconds=1"]
        self.run_all([(go, "-top", option, self.files[name, "plain"], again[name])
                      for go in GO_TOOLS for name in TYPES for option in ("-base", "-diff_base")])

    def test_go_tool_pprof_fetches_every_profile_by_itself(self):
        self.run_all([(go, "-top", f"-timeout={ANSWER_TIMEOUT_S}", self.broker.url("profiler", f"{type.path}{query}"))
                      for go in GO_TOOLS for type in TYPES.values() for query in ("", "?seconds=1")
                      if query or type.file not in ("profile", "fgprof")])

    def test_go_tool_pprof_reads_the_text_forms_that_it_knows(self):
        # They say nothing about mappings: names come from the program's symbol table, or from /debug/pprof/symbol.
        known = re.compile(HARMLESS.pattern + r"|^(Main binary filename not available|"
                           r"Some binary filenames not available|Try setting PPROF_BINARY_PATH)")
        for name in ("heap", "allocs", "block", "mutex", "goroutine", "threadcreate"):
            text = self.folder / f"{name}.txt"
            text.write_bytes(self.answers[name, "debug=1"].body)
            for go in GO_TOOLS:
                with self.subTest(name=name, go=go):
                    self.pprof("-raw", text, go=go, harmless=known)
                    url = self.broker.url("profiler", f"{TYPES[name].path}?debug=1")
                    self.assertIn("flat%", self.pprof("-top", url, go=go, harmless=known))

    def test_text_forms_begin_as_those_of_go(self):
        for name, type in TYPES.items():
            if type.text:
                with self.subTest(name):
                    self.assertRegex(self.answers[name, "debug=1"].body.decode(), r"\A" + type.text)

    def test_text_of_a_stack_names_its_functions(self):
        frame = re.compile(r"^#\t0x[0-9a-f]+\t+\S+\+0x[0-9a-f]+\t+\S+:\d+$", re.MULTILINE)
        for name, type in TYPES.items():
            if type.text and name not in ("goroutineleak", "mutex"):
                with self.subTest(name):
                    self.assertRegex(self.answers[name, "debug=1"].body.decode(), frame)

    def test_labels_are_in_the_text_of_goroutines(self):
        self.assertRegex(self.answers["goroutine", "debug=1"].body.decode(),
                         r'(?m)^# labels: \{("[a-z_]+":"[^"]*"(, )?)+\}$')

    def test_heap_text_ends_as_memstats_does(self):
        text = self.answers["heap", "debug=1"].body.decode()
        tail = text.split("# runtime.MemStats\n")[1]
        values = dict(re.findall(r"^# (\w+) = (\S+)", tail, re.MULTILINE))
        self.assertGreater(int(values["HeapSys"]), 0)
        self.assertGreater(int(values["HeapInuse"]), 0)
        self.assertGreater(int(values["MaxRSS"]), 1 << 20)

    def test_the_full_dump_reads_as_that_of_a_go_program(self):
        dump = self.answers["goroutine", "debug=2"].body.decode()
        parts = dump.rstrip("\n").split("\n\n")
        head = re.compile(r"^goroutine \d+ \[[^\]]+\]( \{.*\})?:$")
        location = re.compile(r"^\t\S+:\d+( \+0x[0-9a-f]+)?$")
        self.assertGreater(len(parts), 5)
        creators = 0
        for part in parts:
            lines = part.splitlines()
            self.assertRegex(lines[0], head)
            for call, place in zip(lines[1::2], lines[2::2]):
                self.assertRegex(call, r"^(\S.*\(.*\)|created by .*)$", part)
                self.assertRegex(place, location, part)
                creators += call.startswith("created by ")
        self.assertGreater(creators, 0)

    def test_every_task_is_in_the_texts(self):
        def looked_at():
            return self.broker.metrics()['takhin_profiler_samples_total{type="goroutine"}']

        for form, count in (("debug=1", lambda text: sum(map(int, re.findall(r"(?m)^(\d+) @ ", text)))),
                            ("debug=2", lambda text: len(re.findall(r"(?m)^goroutine \d+ \[", text)))):
            with self.subTest(form):
                before = looked_at()
                text = ask(self.broker, f"{TYPES['goroutine'].path}?{form}").body.decode()
                self.assertEqual(count(text), looked_at() - before)

    def test_the_index_counts_and_describes_each(self):
        page = ask(self.broker, "/debug/pprof/").body.decode()
        for name in ("profile", "goroutineleak", *DELTAS):
            with self.subTest(name):
                self.assertRegex(page, rf"<td>\d+</td><td><a href='{name}\?debug=1'>{name}</a></td>")
                self.assertRegex(page, rf"<li><div class=profile-name>{name}: </div> \S+")
        self.assertGreater(int(re.search(r"<td>(\d+)</td><td><a href='goroutine\?", page).group(1)), 3)
        self.assertIn("goroutine?debug=2", page)

    def test_metrics_tell_what_each_sampler_has_done(self):
        metrics = self.broker.get("metrics", "/metrics").decode()
        for type in ("profile", "heap", "block"):
            with self.subTest(type):
                self.assertRegex(metrics, rf'(?m)^takhin_profiler_samples_total\{{type="{type}"\}} [1-9]')
        result = run("promtool", "check", "metrics", input=metrics)
        self.assertEqual((result.stdout, result.stderr), ("", ""))

    def test_another_decoder_reads_each(self):
        modules = node_package("pprof-format", PPROF_FORMAT)
        program = self.folder / "decode.js"
        program.write_text("""
            const fs = require('fs'), zlib = require('zlib'), { Profile } = require('pprof-format');
            for (const path of process.argv.slice(2)) {
                const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(path)));
                const text = (index) => profile.stringTable.strings[Number(index)];
                const sums = profile.sampleType.map((_, i) =>
                    profile.sample.reduce((sum, sample) => sum + BigInt(sample.value[i]), 0n));
                console.log(profile.sampleType.map((type, i) => `${text(type.type)}=${sums[i]}`).join(' '));
            }""")
        printed = run("env", f"NODE_PATH={modules}", "node", program, *self.files.values()).stdout.splitlines()
        wanted = [" ".join(f"{column}={profile.total(column)}" for column, _ in profile.sample_types)
                  for profile in self.profiles.values()]
        self.assertEqual(printed, wanted)


class Errors(unittest.TestCase):
    """What Go answers to what it does not take, byte for byte."""

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker().start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.__exit__()

    def expect_error(self, path, status, text, method="GET"):
        with self.subTest(path=path, method=method):
            answer = ask(self.broker, path, method)
            self.assertEqual((answer.status, answer.body.decode()), (status, text + "\n" if method != "HEAD" else ""))
            self.assertEqual(answer.headers["Content-Type"], "text/plain; charset=utf-8")
            self.assertEqual(answer.headers["X-Go-Pprof"], "1")
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertNotIn("Content-Disposition", answer.headers)

    def test_an_unknown_name_is_404(self):
        for method in ("GET", "HEAD"):
            self.expect_error("/debug/pprof/nosuch", 404, "Unknown profile", method)

    def test_seconds_has_to_be_a_positive_number(self):
        for name in DELTAS:
            for seconds in ("0", "-1", "x", "1.5x"):
                self.expect_error(f"/debug/pprof/{name}?seconds={seconds}", 400,
                                  'invalid value for "seconds" - must be a positive integer')

    def test_seconds_and_text_do_not_go_together(self):
        for name in DELTAS:
            self.expect_error(f"/debug/pprof/{name}?seconds=1&debug=1", 400,
                              "seconds and debug params are incompatible")

    def test_other_methods_are_405(self):
        for name in (*DELTAS, "profile", "goroutineleak", "delta_heap"):
            for method in ("POST", "DELETE", "PUT"):
                with self.subTest(name=name, method=method):
                    answer = ask(self.broker, f"/debug/pprof/{name}", method)
                    self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"))

    def test_head_has_the_headers_and_no_body(self):
        for name in DELTAS:
            with self.subTest(name):
                head = ask(self.broker, f"/debug/pprof/{name}", "HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual(head.headers["Content-Type"], "application/octet-stream")
                self.assertEqual(head.headers["Content-Disposition"], f'attachment; filename="{name}"')

    def test_without_its_slash_the_index_is_moved(self):
        answer = ask(self.broker, "/debug/pprof")
        self.assertEqual((answer.status, answer.headers["Location"], answer.body),
                         (301, "/debug/pprof/", b'<a href="/debug/pprof/">Moved Permanently</a>.\n\n'))


if __name__ == "__main__":
    unittest.main()
