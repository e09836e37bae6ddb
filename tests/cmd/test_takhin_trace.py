"""How a trace is sent, as clients in three languages see it: as it comes, whole, or so that they can tell that it is
not."""
import http.client
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import Broker  # noqa: E402
from support.go_tool import GO_TOOLS, environment  # noqa: E402

DEADLINE_S = 60
# Each prints what it gets, and fails if that is not the whole.
PYTHON = """
import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())
"""
GO = """
package main

import ("io"; "net/http"; "os")

func main() {
    answer, err := http.Get(os.Args[1])
    if err == nil {
        _, err = io.Copy(os.Stdout, answer.Body)
    }
    if err != nil {
        println(err.Error())
        os.Exit(1)
    }
}
"""


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.clients = {"python": [sys.executable, "-c", PYTHON]}
        if curl := shutil.which("curl"):
            cls.clients["curl"] = [curl, "--silent", "--fail"]
        for go in GO_TOOLS[-1:]:
            source, program = pathlib.Path(folder.name) / "client.go", pathlib.Path(folder.name) / "client"
            source.write_text(GO)
            subprocess.run([go, "build", "-o", program, source], env=environment(folder.name), check=True)
            cls.clients["go"] = [program]

    def setUp(self):
        self.broker = Broker(server_threads=1).start()
        self.addCleanup(self.broker.__exit__)

    def fetch(self, client, query):
        process = subprocess.Popen([*self.clients[client], self.broker.url("profiler", f"/debug/pprof/trace?{query}")],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        return process

    def await_streams(self, count):
        """Each has a task that looks whether its client is still there."""
        deadline = time.monotonic() + DEADLINE_S
        while self.broker.get("profiler", "/debug/pprof/goroutine?debug=2").count(b"watch_client") != count:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_each_gets_the_whole(self):
        for query in ("seconds=0.2", "last=10s", "seconds=0.2&version=1.22"):
            for client in self.clients:
                with self.subTest(client=client, query=query):
                    process = self.fetch(client, query)
                    content, _ = process.communicate(timeout=DEADLINE_S)
                    self.assertEqual(process.returncode, 0)
                    self.assertRegex(content[:16], rb"go 1.(19|22) trace\0\0\0")
                    self.assertGreater(len(content), 100)

    def test_each_can_tell_that_an_answer_broke_off(self):
        processes = {client: self.fetch(client, "seconds=200") for client in self.clients}
        self.await_streams(len(processes))
        self.assertEqual(self.broker.stop(), 0)
        for client, process in processes.items():
            with self.subTest(client):
                content, _ = process.communicate(timeout=DEADLINE_S)
                self.assertNotEqual(process.returncode, 0)

    def test_bytes_come_while_it_is_recorded_and_a_client_that_leaves_ends_it(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.broker.ports["profiler"], timeout=DEADLINE_S)
        connection.request("GET", "/debug/pprof/trace?seconds=200")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.getheader("Transfer-Encoding")), (200, "chunked"))
        self.assertEqual(answer.read(16), b"go 1.19 trace\0\0\0")
        self.await_streams(1)
        answer.close()
        connection.close()
        self.await_streams(0)


if __name__ == "__main__":
    unittest.main()
