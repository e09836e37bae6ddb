"""The systemd unit: systemd accepts it, and it lets takhin do all that profiling takes."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
sys.path.insert(0, __file__.rsplit("/", 1)[0])
from deploy_files import needs, run_incident, text
from support import broker as broker_support
from support.broker import ROOT, TAKHIN, Broker, run
from support.kcat import kcat


def syscalls_of_group(name, groups={}):
    """What a group of systemd's filter names, those of the groups in it too."""
    if name not in groups:
        lines = run("systemd-analyze", "syscall-filter", name).stdout.splitlines()
        words = [line.strip() for line in lines if line.startswith("    ") and not line.strip().startswith("#")]
        groups[name] = {call for word in words
                        for call in (syscalls_of_group(word) if word.startswith("@") else {word})}
    return groups[name]


class Systemd(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="takhin-deploy-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.unit = self.folder / "takhin.service"
        self.unit.write_text(text("takhin.service").replace("/usr/local/bin/takhin", str(TAKHIN)))
        self.lines = [line.split("=", 1) for line in text("takhin.service").splitlines()
                      if "=" in line and not line.startswith("#")]

    @needs("systemd-analyze")
    def test_systemd_accepts_it(self):
        result = run("systemd-analyze", "verify", self.unit, check=False)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    @needs("systemd-analyze")
    def test_little_is_left_open(self):
        # Of 100: 50 is "medium", what a service without any of this has is above 90.
        result = run("systemd-analyze", "security", "--offline=true", "--threshold=20", self.unit, check=False)
        if "offline" in result.stderr:
            self.skipTest("this systemd cannot judge a unit that it does not run")
        self.assertEqual(result.returncode, 0, result.stdout[-2000:] + result.stderr)

    def test_reload_is_what_takhin_reloads_at(self):
        self.assertIn(["ExecReload", "/bin/kill -HUP $MAINPID"], self.lines)
        config = (ROOT / "configs" / "takhin.yaml").read_text()
        self.assertRegex(config, r"SIGHUP reads the file again")
        self.assertIn(["WorkingDirectory", "%S/takhin"], self.lines)
        self.assertIn(["StateDirectory", "takhin"], self.lines)
        self.assertIn('data_dir: "data"', config)
        self.assertIn('capture_dir: "captures"', config)

    @needs("strace", "systemd-analyze", "curl")
    def test_the_filter_lets_all_system_calls_through_that_profiling_makes(self):
        allowed = syscalls_of_group("@default").copy()
        for name, value in self.lines:
            if name != "SystemCallFilter":
                continue
            words = {word for group in value.lstrip("~").split()
                     for word in (syscalls_of_group(group) if group.startswith("@") else {group})}
            allowed = allowed - words if value.startswith("~") else allowed | words
        made = self.system_calls_of_a_profiled_broker()
        self.assertLessEqual({"timer_create", "rt_sigreturn", "rt_tgsigqueueinfo"}, made, "it was profiled")
        self.assertEqual(made - allowed, set())

    def system_calls_of_a_profiled_broker(self):
        log, wrapper = self.folder / "strace.log", self.folder / "takhin"
        wrapper.write_text(f'#!/bin/sh\nexec strace -D -f -qq -o {log} {TAKHIN} "$@"\n')
        wrapper.chmod(0o755)
        if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
            self.skipTest("strace may not trace here")
        original, broker_support.TAKHIN = broker_support.TAKHIN, wrapper
        try:
            with Broker(folder=self.folder, storage_log_flush_messages=1,
                        profiler_capture_dir=self.folder / "captures") as broker:
                if shutil.which("kcat"):
                    kcat(broker, "-t", "traced", "-P", input="one\ntwo\n")
                    kcat(broker, "-t", "traced", "-C", "-e", "-q")
                run_incident(broker, self.folder / "incident", "-s", "1")
        finally:
            broker_support.TAKHIN = original
        return set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", log.read_text(errors="replace"),
                              re.MULTILINE))


if __name__ == "__main__":
    unittest.main()
