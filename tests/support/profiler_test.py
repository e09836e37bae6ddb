"""What the tests of takhin-profiler share: a folder of its own for each, where the program runs."""
import os
import pathlib
import socket
import subprocess
import tempfile
import unittest

from support.broker import PROFILER, clean_environment

TIMEOUT_S = 300  # of the longest on a slow machine, a gigabyte under a sanitizer


class ProfilerTest(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def profile(self, *arguments, environment=None, **options):
        return subprocess.run([PROFILER, *arguments], cwd=self.folder, env=clean_environment(**(environment or {})),
                              capture_output=True, text=True, timeout=TIMEOUT_S, **options)

    def start(self, *arguments):
        """For a test that interrupts it: end it with communicate()."""
        child = subprocess.Popen([PROFILER, *arguments], cwd=self.folder, text=True, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, env=clean_environment())
        self.addCleanup(child.__exit__, None, None, None)
        return child

    def assert_done(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)

    def assert_fails(self, result, *texts, status=1, left=()):
        self.assertEqual(result.returncode, status, result.stderr)
        for text in texts:
            self.assertIn(text, result.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(left))

    def dead_port(self):
        """Of 127.0.0.1: nothing listens there, and until the test ends nothing will."""
        holder = socket.socket()
        self.addCleanup(holder.close)
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]
