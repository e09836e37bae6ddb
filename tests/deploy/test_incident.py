"""incident.sh on a live takhin: what it collects is whole and valid, and what it could not, it says."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import DEPLOY, needs, run_incident
from support.broker import Broker, run
from support.profile_proto import Profile


@needs("curl", "tar")
class Incident(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="takhin-deploy-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.incidents = self.root / "profiles"

    def folder(self):
        folder, archive = sorted(self.incidents.iterdir())
        self.assertEqual(archive.name, folder.name + ".tar.gz")
        inside = {name.rstrip("/") for name in run("tar", "-tzf", archive).stdout.splitlines()}
        files = {str(path.relative_to(self.incidents)) for path in [folder, *folder.rglob("*")]}
        self.assertEqual(inside, files)
        return folder

    def test_all_is_collected_and_valid(self):
        with Broker(profiler_capture_dir=self.root / "captures") as broker:
            result = run_incident(broker, self.incidents, "-s", "1", "-l", "2")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        folder = self.folder()
        profiles = {path.stem: Profile(path.read_bytes()) for path in folder.glob("*.prof")}
        self.assertEqual(set(profiles), {"cpu", "heap", "goroutine", "block", "mutex", "fgprof", "threadcreate"})
        self.assertIn("cpu", [name for name, _ in profiles["cpu"].sample_types])
        self.assertTrue((folder / "trace-last.out").read_bytes().startswith(b"go 1."))
        self.assertRegex((folder / "goroutine.txt").read_text(), r"^goroutine \d+ \[")
        for name in ("before", "after"):
            self.assertIn("takhin_build_info", (folder / f"metrics-{name}.txt").read_text())
        for name in ("captures", "profiler", "health"):
            json.loads((folder / f"{name}.json").read_text())
        self.assertEqual(folder.stat().st_mode & 0o077, 0, "others may not read it")

    def test_captures_come_along(self):
        captures = self.root / "captures"
        captures.mkdir()
        today = time.strftime("%Y%m%d", time.gmtime())  # the old ones are removed
        names = [f"{today}T00000{i}Z-Produce-12{i}ms.trace" for i in range(3)]
        for name in names:
            (captures / name).write_bytes(name.encode())
        with Broker(profiler_capture_dir=captures) as broker:
            result = run_incident(broker, self.incidents, "-s", "1")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        saved = self.folder() / "captures"
        self.assertEqual({path.name: path.read_bytes().decode() for path in saved.iterdir()},
                         {name: name for name in names})

    def test_with_the_profiler_off_it_collects_the_rest_and_says_what_to_do(self):
        with Broker(profiler=False) as broker:
            result = run_incident(broker, self.incidents, "-p", "127.0.0.1:1")
        self.assertEqual(result.returncode, 3, result.stdout)
        self.assertIn("TAKHIN_PROFILER_ENABLED=true", result.stdout)
        self.assertEqual({path.name for path in self.folder().iterdir()},
                         {"metrics-before.txt", "health.json", "log.txt"})

    def test_with_nobody_there_it_leaves_nothing(self):
        nobody = "127.0.0.1:1"
        result = run(DEPLOY / "incident.sh", "-p", nobody, "-m", nobody, "-e", nobody, "-o", self.incidents,
                     check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("Nothing was collected", result.stderr)
        self.assertEqual(list(self.incidents.iterdir()), [])

    def test_what_takhin_refuses_is_left_out_and_said(self):
        with Broker(profiler_max_duration="5s", profiler_capture_dir=self.root / "captures") as broker:
            result = run_incident(broker, self.incidents, "-s", "60")
        self.assertEqual(result.returncode, 3, result.stdout)
        folder = self.folder()
        self.assertFalse((folder / "cpu.prof").exists())
        self.assertRegex((folder / "log.txt").read_text(), r"NOT cpu\.prof: http://\S+: 400 \w+")
        Profile((folder / "heap.prof").read_bytes())

    def test_what_was_cut_on_its_way_is_left_out(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve():
                with contextlib.suppress(OSError):  # the end of the test
                    while True:
                        connection, _ = server.accept()
                        with connection:
                            connection.recv(4096)
                            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")

            thread = threading.Thread(target=serve)
            thread.start()
            address = "127.0.0.1:%d" % server.getsockname()[1]
            result = run(DEPLOY / "incident.sh", "-p", address, "-m", address, "-e", address, "-o", self.incidents,
                         check=False)
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"NOT profiler\.json: http://\S+: curl: \(\d+\)")
        self.assertEqual(list(self.incidents.iterdir()), [])

    def test_interrupted_it_keeps_what_is_whole(self):
        with Broker(profiler_capture_dir=self.root / "captures") as broker:
            process = subprocess.Popen(
                [DEPLOY / "incident.sh", "-p", f"127.0.0.1:{broker.ports['profiler']}",
                 "-m", f"127.0.0.1:{broker.ports['metrics']}", "-e", f"127.0.0.1:{broker.ports['health']}",
                 "-o", self.incidents, "-s", "100"],
                stdout=subprocess.PIPE, text=True, start_new_session=True)
            with process.stdout:
                for line in process.stdout:
                    if line.startswith("The next 100 s"):
                        break
                process.terminate()
                said = process.stdout.read()
            self.assertEqual(process.wait(60), 3, said)
            with self.assertRaises(ProcessLookupError, msg="it leaves no curl behind"):
                os.killpg(process.pid, 0)
        folder = self.folder()
        self.assertIn("Interrupted", said)
        Profile((folder / "heap.prof").read_bytes())
        self.assertEqual([path.name for path in folder.iterdir() if not path.name.endswith(
            (".prof", ".txt", ".json", ".out"))], [])
        self.assertFalse((folder / "cpu.prof").exists())

    def test_wrong_usage_is_2(self):
        for arguments in (["-x"], ["-s", "soon"], ["-l", "0"], ["more"], ["-o"]):
            result = run(DEPLOY / "incident.sh", *arguments, check=False)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
        self.assertIn("Exit code: 0", run(DEPLOY / "incident.sh", "-h").stdout)

    def test_a_folder_that_cannot_be_made_is_said(self):
        (self.root / "profiles").write_text("a file")
        result = run(DEPLOY / "incident.sh", "-o", self.incidents, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("-o names another place", result.stderr)

    @needs("shellcheck")
    def test_shellcheck_finds_nothing(self):
        run("shellcheck", DEPLOY / "incident.sh")

    @needs("dash")
    def test_it_is_plain_sh(self):
        run("dash", "-n", DEPLOY / "incident.sh")


if __name__ == "__main__":
    unittest.main()
