"""takhin-profiler against a small server of our own: what it asks for, what it writes, and each way it can fail."""
import contextlib
import gzip
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import PROFILER, Broker, clean_environment  # noqa: E402
from support.debug_server import PLAIN, PROFILE, TRACE, DebugServer, deaf_address, record, response  # noqa: E402
from support.profiler_test import ProfilerTest  # noqa: E402


class Success(ProfilerTest):
    def test_writes_the_bytes_that_came_and_says_what_next(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-type", "cpu", "-duration", "250ms", "-remote", server.address)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.folder / "cpu.prof").read_bytes(), PROFILE)
        self.assertEqual(os.listdir(self.folder), ["cpu.prof"])
        self.assertIn("GET /debug/pprof/profile?seconds=0.25 HTTP/1.1", server.requests[0].head)
        self.assertRegex(result.stdout, r"^wrote cpu.prof: \d+B, cpu 70ms in 1 stack, of 1s\n")
        self.assertIn("next:\n  takhin-profiler analyze cpu.prof\n", result.stdout)
        self.assertIn("go tool pprof -http=:8080 cpu.prof", result.stdout)
        self.assertEqual(result.stderr, f"collecting a cpu profile of {server.address} for 250ms\n")

    def test_each_type_asks_for_what_it_means(self):
        cases = {
            "cpu": ("/debug/pprof/profile?seconds=30", "/debug/pprof/profile?seconds=7"),
            "heap": ("/debug/pprof/heap", "/debug/pprof/heap?seconds=7&partial=1"),
            "allocs": ("/debug/pprof/allocs", "/debug/pprof/allocs?seconds=7&partial=1"),
            "goroutine": ("/debug/pprof/goroutine", "/debug/pprof/goroutine?seconds=7&partial=1"),
            "block": ("/debug/pprof/block?seconds=30&rate=1&partial=1",
                      "/debug/pprof/block?seconds=7&rate=1&partial=1"),
            "mutex": ("/debug/pprof/mutex?seconds=30&rate=1&partial=1",
                      "/debug/pprof/mutex?seconds=7&rate=1&partial=1"),
            "threadcreate": ("/debug/pprof/threadcreate", "/debug/pprof/threadcreate?seconds=7&partial=1"),
            "fgprof": ("/debug/fgprof?seconds=30", "/debug/fgprof?seconds=7"),
            "goroutineleak": ("/debug/pprof/goroutineleak", "/debug/pprof/goroutineleak?seconds=7"),
        }
        for name, (plain, timed) in cases.items():
            with self.subTest(type=name), DebugServer(response("200 OK", PROFILE)) as server:
                for arguments in ((), ("-duration", "7s")):
                    result = self.profile("-type", name, "-remote", server.address, *arguments)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assertTrue((self.folder / f"{name}.prof").exists())
                self.assertIn(f"GET {plain} HTTP", server.requests[0].head)
                self.assertIn(f"GET {timed} HTTP", server.requests[1].head)

    def test_rates_are_passed_on(self):
        cases = {
            ("block", "-sample-rate", "1000"): "/debug/pprof/block?seconds=30&rate=1000",
            ("block", "-sample-rate", "3600000000000"): "/debug/pprof/block?seconds=30&rate=3600000000000",
            ("mutex", "-sample-rate=5"): "/debug/pprof/mutex?seconds=30&rate=5",
            ("block", "-sample-rate", "0"): "/debug/pprof/block?seconds=30&partial=1 ",
            ("heap", "-mem-rate", "4096"): "/debug/pprof/heap?seconds=30&rate=4096",
            ("allocs", "-mem-rate", "1", "-duration", "5s"): "/debug/pprof/allocs?seconds=5&rate=1",
            ("heap", "-mem-rate", "0"): "/debug/pprof/heap ",
        }
        for (name, *arguments), target in cases.items():
            with self.subTest(type=name, arguments=arguments), DebugServer(response("200 OK", PROFILE)) as server:
                result = self.profile("-type", name, "-remote", server.address, *arguments)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(f"GET {target}", server.requests[0].head)

    def test_a_snapshot_is_not_said_to_take_time(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-type", "heap", "-remote", server.address)
        self.assertEqual(result.stderr, f"collecting a heap profile of {server.address}\n")

    def test_what_is_collected_has_its_article(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            for name, article in (("heap", "a"), ("allocs", "an"), ("fgprof", "an")):
                result = self.profile("-type", name, "-duration", "1s", "-remote", server.address)
                self.assertIn(f"collecting {article} {name} profile of ", result.stderr)

    def test_no_samples_are_explained(self):
        empty = gzip.compress(PLAIN.replace(b"\x12\x0a\x0a\x01\x01\x12\x05\x07\x80\xbd\xb0\x21", b""))
        for name, text in (("cpu", "used no CPU"), ("block", "No task waited"), ("heap", "profiler.mem_rate"),
                           ("goroutineleak", "parked for so long")):
            with self.subTest(type=name), DebugServer(response("200 OK", empty)) as server:
                result = self.profile("-type", name, "-remote", server.address)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertRegex(result.stdout, f"\nNo samples: .*{text}")
                self.assertNotIn("next:", result.stdout)

    def test_default_duration_is_30_seconds(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assertEqual(self.profile("--remote=" + server.address).returncode, 0)
        self.assertIn("?seconds=30 HTTP", server.requests[0].head)

    def test_a_trace_is_of_five_seconds_or_of_those_before_now(self):
        cases = {
            (): ("?seconds=5 ", "for 5s\n"),
            ("-duration", "250ms"): ("?seconds=0.25 ", "for 250ms\n"),
            ("-last", "10s"): ("?last=10s ", "\n"),
            ("-last=1500ms",): ("?last=1.5s ", "\n"),
        }
        for arguments, (query, progress) in cases.items():
            with self.subTest(arguments=arguments), DebugServer(response("200 OK", TRACE)) as server:
                result = self.profile("-type", "trace", "-remote", server.address, *arguments)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(f"GET /debug/pprof/trace{query}HTTP", server.requests[0].head)
                self.assertEqual((self.folder / "trace.out").read_bytes(), TRACE)
                self.assertRegex(result.stdout, r"^wrote trace.out: \d+B, 13 events and 1 request in 51ms\n")
                self.assertIn("\n  go tool trace trace.out\n", result.stdout)
                self.assertNotIn("pprof", result.stdout)
                self.assertRegex(result.stderr, f"^collecting a trace of {server.address} ?{progress}$")

    def test_chunked_trace_is_put_together(self):
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (TRACE[:1], TRACE[1:70], TRACE[70:]))
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        with DebugServer(answer + b"0\r\n\r\n") as server:
            result = self.profile("-type", "trace", "-remote", server.address)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.folder / "trace.out").read_bytes(), TRACE)
        (self.folder / "trace.out").unlink()
        with DebugServer(answer) as server:
            result = self.profile("-type", "trace", "-remote", server.address)
        self.assert_fails(result, "broke before the trace was complete")

    def test_analyze_says_what_made_a_request_slow_and_where(self):
        with DebugServer(response("200 OK", TRACE)) as server:
            result = self.profile("-type", "trace", "-last", "10s", "-remote", server.address, "-analyze", "-quiet")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        first = result.stdout.split("\n")[0]
        self.assertEqual(first, "Slowest: Produce #1 took 50.0 ms, 50.0 ms of it waiting for fsync, "
                                "in storage_log_append storage/log.c:231.")
        self.assertRegex(result.stdout, r"\nProduce +1 +50.003 ")
        self.assertNotIn("next:", result.stdout)

    def test_trace_without_requests_is_explained(self):
        quiet = TRACE.replace(record(45, 0, 1, 0, 6, 0), b"").replace(record(46, 1000, 1, 0), b"")
        with DebugServer(response("200 OK", quiet)) as server:
            result = self.profile("-type", "trace", "-remote", server.address, "-analyze")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("\nNo requests: No request ended in that time.", result.stdout)
        self.assertIn("No request is in this trace", result.stdout)

    def test_damaged_trace_is_kept_and_read_as_far_as_it_goes(self):
        damaged = TRACE.replace(record(21, 0, 7, 2, 0), b"")
        with DebugServer(response("200 OK", damaged)) as server:
            result = self.profile("-type", "trace", "-remote", server.address, "-analyze")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.folder / "trace.out").read_bytes(), damaged)
        self.assertIn("can be read in part only: after 51001 us: ", result.stderr)
        self.assertIn("Produce #1 has taken", result.stdout)

    def test_analyze_prints_the_table_and_flamegraph_its_command(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address, "-analyze", "-flamegraph", "-quiet", "-output", "x.prof")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "")
        self.assertIn("Showing nodes accounting for 70ms, 100% of 70ms total\n", result.stdout)
        self.assertIn("      70ms   100%   100%       70ms   100%  main\n", result.stdout)
        self.assertIn("go tool pprof -http=:8080 x.prof", result.stdout)
        self.assertIn("/ui/flamegraph", result.stdout)
        self.assertIn(b"<html", (self.folder / "x.html").read_bytes())
        self.assertNotIn("\nnext:\n", result.stdout)

    def test_what_is_analyzed_needs_no_advice(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address, "-analyze")
            page = self.profile("-remote", server.address, "-flamegraph")
        for shown in (result, page):
            self.assertRegex(shown.stdout, r"^wrote cpu.prof: .*, of 1s\n\n")

    def test_replaces_an_old_file_and_follows_a_link(self):
        (self.folder / "real.prof").write_bytes(b"old")
        (self.folder / "cpu.prof").symlink_to("real.prof")
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assertEqual(self.profile("-remote", server.address).returncode, 0)
        self.assertTrue((self.folder / "cpu.prof").is_symlink())
        self.assertEqual((self.folder / "real.prof").read_bytes(), PROFILE)

    def test_standard_output_may_be_the_file(self):
        for name in ("-", "/dev/stdout"):
            with self.subTest(name=name), DebugServer(response("200 OK", PROFILE)) as server, \
                    tempfile.TemporaryFile() as file:
                command = [PROFILER, "-remote", server.address, "-output", name]
                options = {"cwd": self.folder, "timeout": 60, "env": clean_environment()}
                pipe = subprocess.run(command, capture_output=True, **options)
                file.write(b"kept")  # as of >>
                file.flush()
                status = subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, **options).returncode
                file.seek(0)
                self.assertEqual((pipe.returncode, pipe.stdout), (0, PROFILE))
                self.assertRegex(pipe.stderr.decode(), r"\nwrote standard output: \d+B, cpu 70ms in 1 stack, of 1s\n$")
                self.assertEqual((status, file.read()), (0, b"kept" + PROFILE))
                self.assertEqual(os.listdir(self.folder), [])

    def test_what_is_gone_needs_no_advice(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address, "-output", "/dev/null")
        self.assert_done(result)
        self.assertRegex(result.stdout, r"^wrote /dev/null: .*\n$")

    def test_reports_to_a_closed_stream_are_in_no_file(self):
        def answer(request):
            while request.connection.getsockname()[1] == late.port and not (self.folder / name).exists():
                time.sleep(0.01)
            return response("200 OK", PROFILE)

        with DebugServer(answer) as late, DebugServer(answer) as soon:
            name = f"cpu_127.0.0.1_{soon.port}.prof"
            result = self.profile("-split", "-remote", f"{late.address},{soon.address}",
                                  preexec_fn=lambda: os.close(1))
        self.assertIn("standard output: Bad file descriptor", result.stderr)
        for server in (late, soon):
            self.assertEqual((self.folder / f"cpu_127.0.0.1_{server.port}.prof").read_bytes(), PROFILE)

    def test_makes_the_file_that_a_link_leads_to(self):
        (self.folder / "disk").mkdir()
        (self.folder / "disk/now").symlink_to("real.prof")
        (self.folder / "cpu.prof").symlink_to("disk/now")
        (self.folder / "other.prof").symlink_to("none/real.prof")
        (self.folder / "round.prof").symlink_to("round.prof")
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assert_done(self.profile("-remote", server.address))
            nowhere = self.profile("-remote", server.address, "-output", "other.prof")
            loop = self.profile("-remote", server.address, "-output", "round.prof")
        self.assertEqual((self.folder / "disk/real.prof").read_bytes(), PROFILE)
        names = ["cpu.prof", "disk", "other.prof", "round.prof"]
        self.assert_fails(nowhere, "cannot write none/real.prof: No such file or directory", left=names)
        self.assert_fails(loop, "cannot write round.prof: Too many levels of symbolic links", left=names)

    def test_file_has_the_permissions_of_any_new_file(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assertEqual(self.profile("-remote", server.address, preexec_fn=lambda: os.umask(0o027)).returncode, 0)
        self.assertEqual((self.folder / "cpu.prof").stat().st_mode & 0o777, 0o640)


def has_v6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


class Address(ProfilerTest):
    def test_url_is_taken_as_copied(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            for remote in (f"http://{server.address}", f"HTTP://{server.address}/", f"{server.address}/debug/pprof/"):
                with self.subTest(remote=remote):
                    result = self.profile("-remote", remote)
                    self.assertEqual(result.returncode, 0, result.stderr)

    @unittest.skipUnless(has_v6(), "no ::1 on this machine")
    def test_ipv6_address_stands_in_brackets(self):
        with DebugServer(response("200 OK", PROFILE), host="::1") as server:
            result = self.profile("-remote", f"[::1]:{server.port}")
            self.assertEqual(result.returncode, 0, result.stderr)
            result = self.profile(environment={"TAKHIN_PROFILER_HOST": "::", "TAKHIN_PROFILER_PORT": str(server.port)})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_warnings_of_the_configuration_are_shown(self):
        # As Kubernetes sets it beside a Service called takhin-profiler.
        with DebugServer(response("200 OK", PROFILE)) as server:
            (self.folder / "takhin.yaml").write_text(f"profiler: {{port: {server.port}}}\n")
            environment = {"TAKHIN_PROFILER_PORT": "tcp://10.0.0.7:6060"}
            result = self.profile("-config", "takhin.yaml", environment=environment)
            quiet = self.profile("-config", "takhin.yaml", "-quiet", environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("TAKHIN_PROFILER_PORT", result.stderr)
        self.assertEqual(quiet.stderr, "")

    def test_environment_names_it(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile(environment={"TAKHIN_PROFILER_PORT": str(server.port)})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_configuration_names_it_and_everywhere_means_here(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            (self.folder / "takhin.yaml").write_text(f"profiler:\n  host: 0.0.0.0\n  port: {server.port}\n")
            result = self.profile("-config", "takhin.yaml")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"profile of 127.0.0.1:{server.port} ", result.stderr)

    def test_remote_goes_before_the_configuration(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            self.assert_done(self.profile("-config", "none.yaml", "-remote", server.address))

    def test_bad_configuration_is_a_usage_error(self):
        self.assert_fails(self.profile("-config", "none.yaml"), "none.yaml", status=2)

    def test_port_zero_cannot_be_guessed(self):
        result = self.profile(environment={"TAKHIN_PROFILER_PORT": "0"})
        self.assert_fails(result, "-remote HOST:PORT", status=2)

    def test_bad_remotes_are_refused(self):
        for remote in ("", ":6060", "host:", "host:port", "host:0", "host:65536", "::1", "[::1", "[::1]x", "a b:1",
                       "host/path:", "ftp://host:1"):
            with self.subTest(remote=remote):
                self.assert_fails(self.profile("-remote", remote), "-remote", status=2)


class Failure(ProfilerTest):
    def test_nothing_listens(self):
        port = self.dead_port()
        result = self.profile("-remote", f"127.0.0.1:{port}")
        self.assert_fails(result, f"127.0.0.1:{port}", "TAKHIN_PROFILER_ENABLED=true", "profiler.enabled: true",
                          "SIGHUP")

    def test_nothing_listens_and_the_configuration_says_why(self):
        (self.folder / "takhin.yaml").write_text(f"profiler: {{enabled: false, port: {self.dead_port()}}}\n")
        result = self.profile("-config", "takhin.yaml")
        self.assert_fails(result, "nothing listens", "takhin.yaml leaves the profiler off", "SIGHUP",
                          left=["takhin.yaml"])

    def test_a_host_that_drops_packets(self):
        with deaf_address() as address:
            result = self.profile("-remote", address, "-duration", "1ms")
        self.assert_fails(result, f"no connection to {address} within 5s", "firewalls")

    def test_full_standard_output(self):
        with DebugServer(response("200 OK", PROFILE)) as server, open("/dev/full", "w") as full:
            result = subprocess.run([PROFILER, "-remote", server.address, "-analyze"], cwd=self.folder, stdout=full,
                                    stderr=subprocess.PIPE, text=True, timeout=60, env=clean_environment())
        self.assert_fails(result, "standard output: No space left on device", left=["cpu.prof"])

    def test_who_reads_no_further_ends_it_without_a_word(self):
        reading, writing = os.pipe()
        os.close(reading)
        with DebugServer(response("200 OK", PROFILE)) as server, open(writing, "wb") as pipe:
            result = subprocess.run([PROFILER, "-remote", server.address, "-analyze", "-quiet"], cwd=self.folder,
                                    stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60,
                                    env=clean_environment())
        self.assertEqual((result.returncode, result.stderr), (-signal.SIGPIPE, ""))
        self.assertEqual(os.listdir(self.folder), ["cpu.prof"])

    def test_another_server_is_named_as_such(self):
        page = response("404 Not Found", b"<html>nothing here</html>\n", "Content-Type: text/html")
        with DebugServer(page) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "HTTP 404", "not the debug port", '"<html>nothing here</html>"')

    def test_the_servers_own_error_text_is_shown(self):
        answer = response("500 Internal Server Error", b"Could not enable CPU profiling: in use\n", "X-Go-Pprof: 1",
                          "Content-Type: text/plain; charset=utf-8")
        with DebugServer(answer) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "refused (HTTP 500): Could not enable CPU profiling: in use")

    def test_a_page_is_no_profile(self):
        with DebugServer(response("200 OK", b"<html>\x1b[31mlogin</html>")) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "is no profile", '"<html>?[31mlogin</html>"')

    def test_flight_recorder_that_is_off(self):
        answer = response("500 Internal Server Error", b"Could not enable tracing: there is no flight recorder\n",
                          "X-Go-Pprof: 1")
        with DebugServer(answer) as server:
            result = self.profile("-type", "trace", "-last", "10s", "-remote", server.address)
            plain = self.profile("-type", "trace", "-remote", server.address)
        self.assert_fails(result, "there is no flight recorder\n", "profiler.trace_buffer: 16MiB", "-duration 5s")
        self.assertNotIn("trace_buffer", plain.stderr)

    def test_what_is_no_trace_is_not_written(self):
        for body, text in ((PROFILE, "is no trace: it does not begin as an execution trace does"),
                           (b"", "is no trace: the file ends within its header"),
                           (b"go 1.\x1b trace\0\0\0\0" + TRACE[16:], "does not begin as an execution trace does"),
                           (TRACE[:-2] + b"\x3f\x00", "is no trace: the record at byte")):
            with self.subTest(text=text), DebugServer(response("200 OK", body)) as server:
                self.assert_fails(self.profile("-type", "trace", "-remote", server.address), text)

    def test_traces_that_others_read_are_kept_as_they_are(self):
        newer = b"go 1.26 trace\0\0\0" + TRACE[16:]
        with DebugServer(response("200 OK", newer)) as server:
            result = self.profile("-type", "trace", "-remote", server.address)
            analyzed = self.profile("-type", "trace", "-analyze", "-output", "two.out", "-remote", server.address)
        self.assert_done(result)
        self.assertTrue(result.stdout.endswith("reads; it is kept as it came\nnext:\n  go tool trace trace.out\n"),
                        result.stdout)
        self.assertEqual((analyzed.returncode, (self.folder / "two.out").read_bytes()), (1, newer))
        self.assertIn('two.out: it is of the format "go 1.26 trace"', analyzed.stderr)
        self.assertEqual((self.folder / "trace.out").read_bytes(), newer)

    def test_truncated_body(self):
        with DebugServer(response("200 OK", PROFILE[:40], length=len(PROFILE))) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "broke before the profile was complete")

    def test_truncated_profile(self):
        with DebugServer(response("200 OK", PROFILE[:-5])) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "too early")

    def test_a_server_that_speaks_no_http(self):
        for answer, text in ((b"", "without an answer"), (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP")):
            with self.subTest(answer=answer), DebugServer(answer) as server:
                self.assert_fails(self.profile("-remote", server.address), text)

    def test_a_failure_leaves_the_old_file_alone(self):
        (self.folder / "cpu.prof").write_bytes(b"old")
        with DebugServer(response("200 OK", b"no profile")) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "is no profile", left=["cpu.prof"])
        self.assertEqual((self.folder / "cpu.prof").read_bytes(), b"old")

    def test_interrupt_in_mid_body_leaves_nothing(self):
        def begin(request):
            request.connection.sendall(response("200 OK", PROFILE[:40], length=500))
            begun.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            begun = threading.Event()
            with self.subTest(number=number), DebugServer(begin) as server:
                child = self.start("-remote", server.address)
                self.assertTrue(begun.wait(60))
                child.send_signal(number)
                child.send_signal(signal.SIGHUP)
                _, errors = child.communicate(timeout=60)
                self.assertEqual(child.returncode, 1)
                self.assertIn("interrupted", errors)
                self.assertEqual(os.listdir(self.folder), [])

    def test_full_disk(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address, "-output", "/dev/full")
        self.assert_fails(result, "cannot write /dev/full: No space left on device", "Make room")

    def test_file_size_limit(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)))
        self.assert_fails(result, "cannot write cpu.prof: File too large")

    def test_unwritable_output_is_said_before_the_server_is_asked(self):
        with DebugServer(response("200 OK", PROFILE)) as server:
            result = self.profile("-remote", server.address, "-output", "none/cpu.prof")
            self.assert_fails(result, "cannot write none/cpu.prof: No such file or directory", "Make its folder first")
            result = self.profile("-remote", server.address, "-output", str(self.folder))
            self.assert_fails(result, "Is a directory")
        self.assertEqual(server.requests, [])


class SampleTypes(ProfilerTest):
    def test_are_known_before_takhin_is_asked(self):
        """What is said of a name that is none is the same before and after."""
        with Broker() as broker:
            for name, *duration in (("cpu", "-duration=50ms"), ("heap",), ("allocs",), ("goroutine",),
                                    ("block", "-duration=1s"), ("mutex", "-duration=1s"), ("threadcreate",),
                                    ("fgprof", "-duration=50ms"), ("goroutineleak",)):
                with self.subTest(type=name):
                    command = ["-type", name, "-remote", f"127.0.0.1:{broker.ports['profiler']}", *duration]
                    before = self.profile(*command, "-sample_index", "nosuch")
                    self.assert_done(self.profile(*command))
                    after = self.profile("analyze", "-sample_index", "nosuch", f"{name}.prof")
                    self.assertEqual((before.returncode, after.returncode), (2, 1))
                    said = after.stderr.removeprefix(f"takhin-profiler: {name}.prof: ").rstrip()
                    self.assertIn(f"-{said}\n", before.stderr)


class CommandLine(ProfilerTest):
    def test_bad_flags_are_usage_errors(self):
        cases = {
            ("-bogus",): "-bogus: no such flag",
            ("-type", "x"): "-type x: there is cpu, heap, ",
            ("-type", "trace", "-flamegraph"): "-flamegraph",
            ("-focus", "("): "(",
            ("analyze",): "analyze needs the name of a file",
        }
        for arguments, text in cases.items():
            with self.subTest(arguments=arguments):
                self.assert_fails(self.profile(*arguments), text, "-h shows all flags", status=2)

    def test_version_is_printed(self):
        result = self.profile("-version")
        self.assertEqual((result.returncode, result.stdout.split()[0]), (0, "takhin-profiler"))


if __name__ == "__main__":
    unittest.main()
