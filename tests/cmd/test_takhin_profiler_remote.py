"""takhin-profiler and the ways to a debug port: logins, TLS, sockets, prefixes, several at once, and interrupts."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import PROFILER, clean_environment  # noqa: E402
from support.debug_server import PROFILE, TRACE, DebugServer, deaf_address, make_certificate, response  # noqa: E402

OK = response("200 OK", PROFILE, "Server: takhin/0.4.0")
REFUSED = response("401 Unauthorized", b"who are you?\n", 'WWW-Authenticate: Basic realm="takhin"')
PATIENCE_S = 60
AGAIN = signal.SIGTERM  # the same one again might be the first one's echo


def chunks(*parts, is_last=True):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if is_last else b"")


class RemoteTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name) / "work"
        self.home = pathlib.Path(holder.name) / "home"
        self.folder.mkdir()
        self.home.mkdir()

    def environment(self, **changes):
        environment = clean_environment(HOME=str(self.home), **changes)
        if "SSL_CERT_FILE" not in changes:
            environment.pop("SSL_CERT_FILE", None)
        return environment

    def profile(self, *arguments, **changes):
        return subprocess.run([PROFILER, "-type", "heap", *arguments], cwd=self.folder, capture_output=True, text=True,
                              timeout=PATIENCE_S, env=self.environment(**changes))

    def begin(self, *arguments, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        child = subprocess.Popen([PROFILER, *arguments], cwd=self.folder, text=True, env=self.environment(), **options)
        self.addCleanup(lambda: child.poll() is None and child.kill())
        return child

    def assert_collects(self, result, name="heap.prof"):
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.folder / name).read_bytes(), PROFILE)
        (self.folder / name).unlink()

    def assert_fails(self, result, *texts, status=1):
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
        self.assertEqual(os.listdir(self.folder), [])


class Login(RemoteTest):
    def server(self):
        return DebugServer(lambda request: OK if request.headers.get("authorization") == "Basic dTpwQHg=" else REFUSED)

    def test_user_and_password_of_the_url(self):
        with self.server() as server:
            self.assert_collects(self.profile("-remote", f"http://u:p%40x@{server.address}"))

    def test_wrong_ones_are_said_to_be_wrong_and_never_shown(self):
        with self.server() as server:
            result = self.profile("-remote", f"http://u:secret@{server.address}")
        self.assert_fails(result, f"{server.address} refuses the user and password in -remote (HTTP 401)")
        self.assertNotIn("secret", result.stdout + result.stderr)

    def test_missing_ones_are_asked_for(self):
        with self.server() as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, f"-remote http://USER:PASSWORD@{server.address}", "~/.netrc")

    def test_netrc_gives_them(self):
        (self.home / ".netrc").write_text("machine 127.0.0.1 login u password p@x\n")
        with self.server() as server:
            self.assert_collects(self.profile("-remote", server.address))
            self.assert_collects(self.profile("-remote", f"http://u@{server.address}"))
            self.assert_fails(self.profile("-remote", f"http://other:one@{server.address}"), "refuses the user")
            self.assert_fails(self.profile("-remote", f"http://other@{server.address}"), "wants a user and a password")

    def test_none_are_sent_to_who_did_not_ask_for_any(self):
        with DebugServer(OK) as server:
            self.assert_collects(self.profile("-remote", server.address))
        self.assertNotIn("authorization", server.requests[0].headers)

    def test_forbidden(self):
        with DebugServer(response("403 Forbidden", b"no\n")) as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, "wants a user and a password (HTTP 403)")


@unittest.skipUnless(shutil.which("openssl"), "no openssl to make a certificate")
class Tls(RemoteTest):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        cls.addClassCleanup(holder.cleanup)
        cls.certificate = make_certificate(holder.name, "127.0.0.1")

    def server(self, answer=OK):
        return DebugServer(answer, certificate=self.certificate)

    def test_certificate_is_held_against_the_file_of_authorities(self):
        with self.server() as server:
            remote = f"https://{server.address}"
            self.assert_collects(self.profile("-remote", remote, SSL_CERT_FILE=str(self.certificate[0])))
            self.assert_fails(self.profile("-remote", remote), f"the certificate of {server.address} is not trusted",
                              "SSL_CERT_FILE=FILE")
            self.assert_fails(self.profile("-remote", remote, SSL_CERT_FILE=str(self.home / "none.pem")),
                              "the file that SSL_CERT_FILE names cannot be read")

    def test_certificate_is_of_that_host(self):
        with self.server() as server:
            result = self.profile("-remote", f"https://localhost:{server.port}",
                                  SSL_CERT_FILE=str(self.certificate[0]))
        self.assert_fails(result, f"the certificate of localhost:{server.port} is not trusted",
                          "The host in -remote must be one that it names")
        self.assertEqual(server.requests, [])

    def test_plain_words_to_a_port_of_tls(self):
        with self.server() as server:
            result = self.profile("-remote", server.address)
        self.assert_fails(result, f"-remote https://{server.address}")
        alert = b"\x15\x03\x01\x00\x02\x02\x46"
        told = response("400 Bad Request", b"Client sent an HTTP request to an HTTPS server.\n")
        for answer in (alert, told):
            with self.subTest(answer=answer), DebugServer(answer) as server:
                result = self.profile("-remote", server.address)
                self.assert_fails(result, f"{server.address} speaks TLS: write -remote https://{server.address}")

    def test_tls_to_a_plain_port(self):
        def refuse(listener):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(response("400 Bad Request"))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            thread = threading.Thread(target=refuse, args=(listener,))
            thread.start()
            result = self.profile("-remote", f"https://127.0.0.1:{port}")
            thread.join()
        self.assert_fails(result, f"no TLS with 127.0.0.1:{port}", "write http:// in place of https://")

    def test_tls_to_a_plain_port_that_says_nothing(self):
        with DebugServer(OK) as server:
            result = self.profile("-remote", f"https://{server.address}", "-timeout", "4s")
        self.assert_fails(result, f"no TLS with {server.address} within 4s", "write http:// in place of https://")

    def test_an_interrupt_gives_up_what_cannot_be_ended_early(self):
        with self.server(None) as server:
            child = subprocess.Popen([PROFILER, "-remote", f"https://{server.address}"], cwd=self.folder, text=True,
                                     stderr=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env=self.environment(SSL_CERT_FILE=str(self.certificate[0])))
            self.assertTrue(server.asked.wait(PATIENCE_S))
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 1)
        self.assertIn("cannot be asked over TLS for what it has so far", errors)
        self.assertEqual(os.listdir(self.folder), [])


class Way(RemoteTest):
    def test_socket(self):
        path = self.home / "takhin.sock"
        with DebugServer(OK, path=path) as server:
            self.assert_collects(self.profile("-remote", f"unix:{path}"))
            self.assert_collects(self.profile("-remote", f"unix://{path}"))
        self.assertEqual(server.requests[0].path, "/debug/pprof/heap")
        self.assert_fails(self.profile("-remote", f"unix:{path}"), f"nothing listens at unix:{path}")
        path.unlink()
        self.assert_fails(self.profile("-remote", f"unix:{path}"), f"unix:{path}: there is no such socket")

    def test_socket_that_takes_no_more(self):
        path = self.home / "takhin.sock"
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
            listener.bind(str(path))
            listener.listen(0)  # one may wait
            first.connect(str(path))
            self.assert_fails(self.profile("-remote", f"unix:{path}"), f"unix:{path} takes no more connections")

    @unittest.skipIf(os.geteuid() == 0, "root may everything")
    def test_socket_of_others(self):
        path = self.home / "takhin.sock"
        with DebugServer(OK, path=path):
            path.chmod(0)
            self.assert_fails(self.profile("-remote", f"unix:{path}"), f"unix:{path}: permission denied")

    def test_prefix(self):
        with DebugServer(OK) as server:
            for prefix in ("/brokers/1", "/brokers/1/", "/brokers/1/debug/pprof/"):
                self.assert_collects(self.profile("-remote", f"http://{server.address}{prefix}"))
        self.assertEqual({request.path for request in server.requests}, {"/brokers/1/debug/pprof/heap"})

    def test_no_proxy_is_asked(self):
        with DebugServer(OK) as server, DebugServer(REFUSED) as proxy:
            proxies = {"http_proxy": f"http://{proxy.address}", "ALL_PROXY": f"http://{proxy.address}", "no_proxy": ""}
            self.assert_collects(self.profile("-remote", server.address, **proxies))
        self.assertEqual(proxy.requests, [])

    def test_redirects_are_named_and_not_followed(self):
        with DebugServer(OK) as other:
            cases = {
                f"http://{other.address}/x/debug/pprof/heap": f"Name that with -remote http://{other.address}/x\n",
                "/login\x1b[31m": "Name the debug port itself with -remote.",
            }
            for location, text in cases.items():
                answer = response("302 Found", b"", f"Location: {location}")
                with self.subTest(location=location), DebugServer(answer) as server:
                    result = self.profile("-remote", server.address)
                    self.assert_fails(result, f"{server.address} sends on to ", "(HTTP 302)", text)
                    self.assertNotIn("\x1b", result.stderr)
        self.assertEqual(other.requests, [])

    def test_what_other_servers_say(self):
        debug = "X-Go-Pprof: 1"
        cases = {
            response("404 Not Found", b"no\n", debug, "Server: takhin/0.2.0"):
                "has no such profile (HTTP 404); this is takhin-profiler ",
            response("404 Not Found", b"Unknown profile\n", debug):
                "refused (HTTP 404): Unknown profile. Ask it for another type.",
            response("404 Not Found", b"", "Server: takhin/0.4.0"): "is none of 9090 (metrics)",
            response("404 Not Found"): "it has no /debug/pprof/heap (HTTP 404)\n",
            response("502 Bad Gateway", b"<html>"): "could not reach the debug port behind it (HTTP 502)",
            response("500 Internal Server Error", b"no\x1b[31m luck\n", debug): "refused (HTTP 500): no?[31m luck",
            response("200 OK", PROFILE[:20], length=len(PROFILE)): "broke before the profile was complete",
            b"": "closed the connection without an answer. Did takhin stop?",
            b"SSH-2.0-OpenSSH_9.2\r\n": 'its answer is not HTTP, "SSH-2.0-OpenSSH_9.2"',
            b"HTTP/1.1 200 OK\r\nServer: " + b"x" * (1 << 20): "its answer is not HTTP",
        }
        for answer, text in cases.items():
            with self.subTest(text=text), DebugServer(answer) as server:
                self.assert_fails(self.profile("-remote", server.address), text)

    def test_who_speaks_tls_hangs_up_at_once(self):
        with DebugServer(b"") as server:
            result = self.profile("-remote", server.address)
            self.assert_fails(result, "Did takhin stop?", f"If it speaks TLS, write -remote https://{server.address}")
        with DebugServer(lambda request: time.sleep(0.3) or b"") as server:
            result = self.profile("-type", "cpu", "-duration", "400ms", "-remote", server.address)
            self.assert_fails(result, "Did takhin stop?")
            self.assertNotIn("TLS", result.stderr)

    def test_silence_ends(self):
        with DebugServer(None) as server:
            snapshot = self.begin("-type", "heap", "-remote", server.address, "-timeout", "4s")
            timed = self.begin("-duration", "1ms", "-remote", server.address, "-timeout", "3500ms")
            for child, late in ((snapshot, "4s"), (timed, "3.5s")):
                _, errors = child.communicate(timeout=PATIENCE_S)
                self.assertEqual(child.returncode, 1, errors)
                self.assertIn(f"did not answer in time: it is {late} late", errors)
                self.assertIn("-timeout gives it longer", errors)
        self.assertEqual(os.listdir(self.folder), [])


class Several(RemoteTest):
    def test_all_are_asked_at_the_same_time(self):
        all_asked = threading.Barrier(3)

        def answer(request):
            if request.path.startswith("/debug/pprof/heap"):
                all_asked.wait(PATIENCE_S)
            return OK

        with DebugServer(answer) as a, DebugServer(answer) as b, DebugServer(answer) as c:
            result = self.profile("-remote", f"{a.address},{b.address},{c.address}")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.folder), ["heap.prof"])
        self.assertEqual(result.stderr, "collecting a heap profile of each of 3 brokers\n")

    def test_one_that_fails_costs_no_other(self):
        with DebugServer(OK) as good, DebugServer(REFUSED) as bad:
            result = self.profile("-remote", f"{bad.address},{good.address}", "-split")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(os.listdir(self.folder), [f"heap_{good.address.replace(':', '_')}.prof"])
        self.assertIn(f"{bad.address} wants a user and a password", result.stderr)
        self.assertEqual(result.stderr.count(bad.address), 2)  # its name, and how to give it a password

    def test_the_same_one_twice_is_a_mistake(self):
        result = self.profile("-remote", "localhost,http://localhost:6060/")
        self.assert_fails(result, "http://localhost:6060/: it is named twice", status=2)

    def test_settings_that_do_not_come_are_nobody_s_business(self):
        settings_asked = threading.Event()

        def answer(request):
            if "heap" in request.path:
                settings_asked.wait(PATIENCE_S)
                return OK
            settings_asked.set()
            return None

        with DebugServer(answer) as server:
            result = self.profile("-remote", server.address, "-output-dir", ".")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(os.listdir(self.folder)), 2)
        self.assertEqual(result.stderr, f"collecting a heap profile of {server.address}\n")

    def test_quiet_says_nothing(self):
        with DebugServer(OK) as a, DebugServer(OK) as b:
            result = self.profile("-remote", f"{a.address},{b.address}", "-quiet")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))


class Interrupt(RemoteTest):
    def interrupt(self, answer, *arguments, asked=None):
        """A Ctrl-C once the request is there."""
        with DebugServer(answer) as server:
            child = self.begin("-remote", server.address, *arguments)
            self.assertTrue((asked or server.asked).wait(PATIENCE_S))
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=PATIENCE_S)
        return child.returncode, output, errors

    def test_what_was_collected_so_far_is_kept(self):
        status, output, errors = self.interrupt(lambda request: request.wait_until_client_is_done() and OK)
        self.assertEqual(status, 0, errors)
        self.assertEqual((self.folder / "cpu.prof").read_bytes(), PROFILE)
        self.assertIn("interrupted: cpu.prof holds ", output)

    def assert_kept(self, server, remote, number):
        """What the server answers once the client has shut its side."""
        child = self.begin("-remote", remote)
        self.assertTrue(server.asked.wait(PATIENCE_S))
        child.send_signal(number)
        _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual((self.folder / "cpu.prof").read_bytes(), PROFILE)

    def test_of_a_host_with_addresses_of_both_kinds_too(self):
        with DebugServer(lambda request: request.wait_until_client_is_done() and OK) as server:
            self.assert_kept(server, f"localhost:{server.port}", signal.SIGINT)

    def test_over_a_socket_too(self):
        path = self.home / "takhin.sock"
        with DebugServer(lambda request: request.wait_until_client_is_done() and OK, path=path) as server:
            self.assert_kept(server, f"unix:{path}", signal.SIGTERM)

    def test_a_trace_that_others_read_is_of_less_than_was_asked(self):
        newer = b"go 1.26 trace\0\0\0" + TRACE[16:]
        with DebugServer(lambda request: request.wait_until_client_is_done() and response("200 OK", newer)) as server:
            child = self.begin("-type", "trace", "-duration", "20m", "-remote", server.address)
            self.assertTrue(server.asked.wait(PATIENCE_S))
            child.send_signal(signal.SIGINT)
            output, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 0, errors)
        self.assertIn("\ninterrupted: trace.out holds less than the 1200s\n", output)

    def test_a_trace_is_kept_if_its_end_came(self):
        for is_last in (True, False):
            with self.subTest(is_last=is_last):
                begun = threading.Event()

                def answer(request):
                    request.connection.sendall(chunks(TRACE[:70], is_last=False))
                    begun.set()
                    request.wait_until_client_is_done()
                    return b"%x\r\n%s\r\n" % (len(TRACE) - 70, TRACE[70:]) + (b"0\r\n\r\n" if is_last else b"")

                status, _, errors = self.interrupt(answer, "-type", "trace", "-duration", "20m", asked=begun)
                self.assertEqual(status, 0 if is_last else 1, errors)
                self.assertEqual(os.listdir(self.folder), ["trace.out"] if is_last else [])
                if is_last:
                    self.assertEqual((self.folder / "trace.out").read_bytes(), TRACE)
                    (self.folder / "trace.out").unlink()

    def test_who_gives_nothing_of_a_part_leaves_nothing(self):
        canceled = response("500 Internal Server Error", b"context canceled\n", "X-Go-Pprof: 1")
        for end in (canceled, b"", PROFILE[:20]):
            with self.subTest(end=end):
                status, _, errors = self.interrupt(lambda request, end=end: request.wait_until_client_is_done() and end)
                self.assertEqual(status, 1, errors)
                self.assertIn("interrupted", errors)
                self.assertEqual(os.listdir(self.folder), [])

    def test_a_second_one_gives_up_at_once(self):
        shut = threading.Event()

        def answer(request):
            request.wait_until_client_is_done()
            shut.set()

        with DebugServer(answer) as server:
            child = self.begin("-remote", server.address)
            self.assertTrue(server.asked.wait(PATIENCE_S))
            child.send_signal(signal.SIGINT)
            self.assertTrue(shut.wait(PATIENCE_S))
            child.send_signal(AGAIN)
            _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 1)
        self.assertIn("interrupted", errors)
        self.assertEqual(os.listdir(self.folder), [])

    def test_who_was_not_reached_yet_is_not_waited_for(self):
        with deaf_address() as address, DebugServer(OK) as quick:
            child = self.begin("-type", "heap", "-split", "-remote", f"{quick.address},{address}")
            child.stdout.readline()  # what the other one said is written
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 3, errors)
        self.assertIn(f"interrupted, and {address} was not asked yet.", errors)

    def test_who_never_answers_is_not_waited_for_for_long(self):
        status, _, errors = self.interrupt(None, "-duration", "20m")
        self.assertEqual(status, 1)
        self.assertIn("did not give what it had by then", errors)

    def test_who_sends_slowly_is_waited_for(self):
        def answer(request):
            request.wait_until_client_is_done()
            request.connection.sendall(chunks(is_last=False))
            for byte in PROFILE:
                time.sleep(9 / len(PROFILE))  # all together are longer than silence may last
                request.connection.sendall(b"1\r\n%c\r\n" % byte)
            return b"0\r\n\r\n"

        status, _, errors = self.interrupt(answer, "-duration", "20m")
        self.assertEqual(status, 0, errors)
        self.assertEqual((self.folder / "cpu.prof").read_bytes(), PROFILE)

    def test_what_answers_at_once_is_waited_for(self):
        interrupted = threading.Event()

        def answer(request):
            interrupted.wait(PATIENCE_S)
            return OK

        with DebugServer(answer) as server:
            child = self.begin("-type", "heap", "-remote", server.address)
            self.assertTrue(server.asked.wait(PATIENCE_S))
            child.send_signal(signal.SIGINT)
            interrupted.set()
            _, errors = child.communicate(timeout=PATIENCE_S)
        self.assertEqual(child.returncode, 0, errors)
        self.assertEqual((self.folder / "heap.prof").read_bytes(), PROFILE)


if __name__ == "__main__":
    unittest.main()
