"""takhin-profiler on a terminal: the bar, lines that fit, and what does not belong there."""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import PROFILER, clean_environment  # noqa: E402
from support.debug_server import PROFILE, TRACE, DebugServer, response  # noqa: E402
from support.profiler_test import ProfilerTest  # noqa: E402

OK = response("200 OK", PROFILE)
AGAIN = signal.SIGTERM  # the same one again might be the first one's echo


class TerminalTest(ProfilerTest):
    def begin(self, *arguments, shows="stderr", columns=100, terminal_type="xterm"):
        """The program with one of its streams on a terminal, which `watch` and `rest` read."""
        self.terminal, other_end = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, shows: other_end}
        child = subprocess.Popen([PROFILER, *arguments], cwd=self.folder, text=True,
                                 env=clean_environment(TERM=terminal_type), **streams)
        self.addCleanup(child.__exit__, None, None, None)
        self.addCleanup(lambda: child.poll() is None and child.kill())
        os.close(other_end)
        return child

    def watch(self, until):
        """What is shown, as far as this expression."""
        shown = ""
        while not re.search(until, shown):
            shown += os.read(self.terminal, 4096).decode()
        return shown

    def rest(self):
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while more := os.read(self.terminal, 4096):
                shown += more
        return shown.decode()

    def give_up(self, child):
        """A server that never answers has to be left twice."""
        child.send_signal(signal.SIGINT)
        child.send_signal(AGAIN)
        self.assertEqual(child.wait(60), 1)

    def assert_fits(self, shown, columns):
        lines = re.split(r"[\r\n]+", shown.replace("\033[K", ""))
        self.assertLess(max(len(line) for line in lines if "[" in line), columns)


class Bar(TerminalTest):
    def test_has_the_time_left(self):
        with DebugServer(None) as server:
            child = self.begin("-duration", "20m", "-remote", server.address)
            shown = self.watch(r"\[#*\.+\] \d+s left")
            self.give_up(child)
        self.assertEqual(len(re.search(r" \[(#*\.+)\] \d+s left", shown)[1]), 30)

    def test_gives_way_to_the_time_where_not_all_fits(self):
        with DebugServer(None) as server:
            child = self.begin("-duration", "1ms", "-remote", server.address, columns=40)
            shown = self.watch(r"(?s)(\[##############\] waiting for the answer.*){3}")
            self.give_up(child)
        self.assert_fits(shown, 40)

    def test_is_one_for_all(self):
        with DebugServer(OK) as quick, DebugServer(lambda request: request.wait_until_client_is_done() and OK) as slow:
            child = self.begin("-duration", "20m", "-remote", f"{quick.address},{slow.address}")
            shown = self.watch(r"\d+s left, 1 of 2 done")
            self.assertTrue(slow.asked.wait(60))
            child.send_signal(signal.SIGINT)
            shown += self.rest()
            self.assertEqual(child.wait(60), 0)
        self.assertIn("cpu profile of each of 2 brokers [", shown)
        self.assert_fits(shown, 100)

    def test_says_that_it_finishes(self):
        with DebugServer(None) as server:
            child = self.begin("-duration", "20m", "-remote", server.address)
            self.assertTrue(server.asked.wait(60))
            self.watch(r"\d+s left")
            child.send_signal(signal.SIGINT)
            self.watch("finishing; Ctrl-C again gives up")
            child.send_signal(AGAIN)
            self.watch("interrupted")
            self.assertEqual(child.wait(60), 1)

    def test_counts_what_comes_bit_by_bit(self):
        part = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (1 << 20) + b"x" * (1 << 20) + b"\r\n"
        with DebugServer(lambda request: request.connection.sendall(part)) as server:
            child = self.begin("-type", "trace", "-duration", "20m", "-remote", server.address)
            self.watch(r"1\.0 MiB")
            child.send_signal(signal.SIGINT)
            self.watch("finishing")
            child.send_signal(AGAIN)
            self.assertEqual(child.wait(60), 1)

    def test_is_none_on_a_dumb_terminal(self):
        with DebugServer(OK) as server:
            child = self.begin("-remote", server.address, terminal_type="dumb")
            shown = self.rest()
        self.assertEqual((child.wait(60), shown), (0, f"collecting a cpu profile of {server.address} for 30s\r\n"))


class StandardOutput(TerminalTest):
    def test_has_lines_that_fit_broken_between_words(self):
        (self.folder / "a").write_bytes(TRACE)
        plain = self.profile("analyze", "a").stdout
        child = self.begin("analyze", "a", shows="stdout", columns=60)
        shown = self.rest()
        self.assertEqual(child.wait(60), 0)
        self.assertLessEqual(max(map(len, shown.split("\r\n"))), 60)
        self.assertEqual(shown.split(), plain.split())

    def test_gets_no_profile(self):
        with DebugServer(OK) as server:
            child = self.begin("-remote", server.address, "-output", "-", shows="stdout")
            _, errors = child.communicate(timeout=60)
        self.assertEqual((child.returncode, self.rest(), os.listdir(self.folder), server.requests), (1, "", [], []))
        self.assertIn("standard output is a terminal", errors)
        self.assertIn("into a pipe", errors)


if __name__ == "__main__":
    unittest.main()
