"""takhin-profiler's description of itself: the help, the page of the manual, and the completion in a real bash."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from support.broker import PROFILER, clean_environment  # noqa: E402

TYPES = ["cpu", "heap", "allocs", "goroutine", "block", "mutex", "trace", "threadcreate", "fgprof", "goroutineleak",
         "all"]
OF_COLLECTING = ["type", "duration", "last", "remote", "config", "sample-rate", "mem-rate", "timeout", "output",
                 "output-dir", "split"]
OTHERS = ["analyze", "nodecount", "cum", "lines", "focus", "ignore", "tagfocus", "tagignore", "sample_index", "base",
          "diff_base", "json", "folded", "flamegraph", "quiet", "version", "help", "man", "completion"]


def output_of(*arguments):
    return subprocess.run([PROFILER, *arguments], env=clean_environment(), check=True, capture_output=True, text=True,
                          timeout=60).stdout


class Help(unittest.TestCase):
    def test_each_flag_type_and_exit_status_is_explained(self):
        help_text = output_of("-h")
        for flag in OF_COLLECTING + OTHERS:
            self.assertRegex(help_text, rf"(?m)^  -{flag}( [A-Z]+)?(\n {{16}})?  +\w")
        for name in TYPES:
            self.assertRegex(help_text, rf"(?m)^  {name}  +\w")
        statuses = help_text[help_text.index("\nEXIT STATUS\n"):help_text.index("\nENVIRONMENT\n")]
        self.assertEqual(re.findall(r"(?m)^  (\d) ", statuses), ["0", "1", "2", "3"])

    def test_sections_of_a_page_of_the_manual_are_there(self):
        titles = re.findall(r"(?m)^([A-Z].*)$", output_of("-help"))
        for title in ("SYNOPSIS", "FLAGS", "TYPES", "ADDRESS", "ANALYSIS", "DRAWING", "FILES",
                      "THE PROFILER OF TAKHIN IS OFF BY DEFAULT", "INTERRUPT", "EXIT STATUS", "ENVIRONMENT", "EXAMPLES",
                      "SEE ALSO"):
            self.assertIn(title, titles)

    def test_lines_fit_a_terminal(self):
        for line in output_of("--help").splitlines():
            self.assertLessEqual(len(line), 100, line)
            self.assertEqual(line, line.rstrip())
            self.assertTrue(line.isascii(), line)
            self.assertNotRegex(line, "[`{}]")

    def test_it_is_shown_beside_other_flags_and_after_analyze(self):
        self.assertEqual(output_of("-type", "heap", "-h"), output_of("-h"))
        self.assertEqual(output_of("analyze", "-h"), output_of("-h"))


class Manual(unittest.TestCase):
    def render(self, *options):
        if not shutil.which("groff"):
            self.skipTest("groff is not on this machine")
        return subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", "-rcR=1", *options],
                              input=output_of("-man"), capture_output=True, text=True, timeout=60, check=True)

    def test_groff_reads_it_without_a_warning(self):
        self.assertEqual(self.render().stderr, "")

    def test_mandoc_misses_nothing_but_a_date(self):
        """It has the version in place of one, and is the same whenever it is built."""
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not on this machine")
        result = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=output_of("-man"), capture_output=True,
                                text=True, timeout=60)
        complaints = (result.stdout + result.stderr).splitlines()
        self.assertEqual([line for line in complaints if "missing date" not in line], [])

    def test_it_says_what_the_help_says_word_for_word(self):
        """In print a quote, a hat or a minus of a command that is to be typed stays what it is."""
        page = self.render("-P-cbu").stdout
        page = page[page.index("SYNOPSIS"):page.rindex("takhin 0")]
        help_text = output_of("-h")
        help_text = help_text[help_text.index("SYNOPSIS"):]
        help_text = re.sub(r"(?m)^(  [A-Z][a-z ]+):$", r"\1", help_text)
        self.assertEqual(page.replace("’", "'").split(), help_text.split())

    def test_whatis_finds_its_line(self):
        self.assertIn(".SH NAME\ntakhin\\-profiler \\- collects, ", output_of("-man"))

    def test_the_build_makes_both_files(self):
        build = pathlib.Path(PROFILER).parent
        self.assertEqual((build / "man" / "takhin-profiler.1").read_text(), output_of("-man"))
        self.assertEqual((build / "completions" / "takhin-profiler").read_text(), output_of("-completion"))


class Completion(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="takhin-test-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.script = self.folder / "script"
        self.script.write_text(output_of("-completion"))
        self.work = self.folder / "work"
        self.work.mkdir()
        for name in ("cpu.prof", "go heap.pb.gz", "trace.out", "takhin.yaml", "notes.txt"):
            (self.work / name).touch()
        for name in ("profiles", "captures"):
            (self.work / name).mkdir()

    def complete(self, *words):
        """What bash is offered for the last of the words."""
        driver = ('source "$1" && shift && COMP_WORDS=(takhin-profiler "$@") && COMP_CWORD=$# && _takhin_profiler; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        result = subprocess.run(["bash", "--norc", "--noprofile", "-c", driver, "bash", self.script, *words],
                                cwd=self.work, env=clean_environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(result.stderr, "")
        return [line for line in result.stdout.splitlines() if line]

    def test_flags_are_completed_with_the_dashes_that_were_typed(self):
        self.assertEqual(self.complete("-du"), ["-duration"])
        self.assertEqual(self.complete("--du"), ["--duration"])
        self.assertEqual(self.complete("-out"), ["-output", "-output-dir"])
        self.assertEqual(sorted(self.complete("-")), sorted("-" + flag for flag in OF_COLLECTING + OTHERS + ["h"]))
        self.assertEqual(sorted(self.complete("--")), sorted("--" + flag for flag in OF_COLLECTING + OTHERS + ["h"]))
        self.assertEqual(self.complete("-nosuch"), [])

    def test_nothing_typed_offers_both_forms(self):
        offered = self.complete("")
        self.assertIn("analyze", offered)
        self.assertIn("-type", offered)
        self.assertEqual(self.complete("an"), ["analyze"])

    def test_types_are_completed_behind_a_space_and_behind_equals(self):
        self.assertEqual(self.complete("-type", ""), TYPES)
        self.assertEqual(self.complete("--type", "go"), ["goroutine", "goroutineleak"])
        self.assertEqual(self.complete("-type", "="), TYPES)
        self.assertEqual(self.complete("-type", "=", "thr"), ["threadcreate"])
        self.assertEqual(self.complete("-type=thr"), ["-type=threadcreate"])
        self.assertEqual(self.complete("-quiet", "-type", "mu"), ["mutex"])

    def test_files_and_folders_are_completed_where_they_belong(self):
        self.assertEqual(sorted(self.complete("-output-dir", "")), ["captures", "profiles"])
        self.assertEqual(self.complete("-output-dir", "=", "pro"), ["profiles"])
        self.assertEqual(self.complete("-config", "tak"), ["takhin.yaml"])
        self.assertEqual(self.complete("-base", "go"), ["go heap.pb.gz"])
        self.assertEqual(self.complete("-output", "no"), ["notes.txt"])

    def test_values_that_only_people_know_are_left_to_them(self):
        for flag in ("-duration", "-remote", "-focus", "-nodecount", "-sample-rate"):
            self.assertEqual(self.complete(flag, ""), [])

    def test_switches_offer_true_and_false_behind_equals_only(self):
        self.assertEqual(self.complete("-quiet", "=", ""), ["true", "false"])
        self.assertEqual(self.complete("-quiet=f"), ["-quiet=false"])
        self.assertIn("-type", self.complete("-quiet", "-"))

    def test_analyze_offers_profiles_traces_and_folders(self):
        expected = ["captures", "cpu.prof", "go heap.pb.gz", "profiles", "trace.out"]
        self.assertEqual(sorted(self.complete("analyze", "")), expected)
        self.assertEqual(sorted(self.complete("analyze", "-cum", "x.prof", "")), expected)
        self.assertEqual(self.complete("analyze", "tr"), ["trace.out"])
        self.assertEqual(self.complete("analyze", "no"), ["notes.txt"])
        self.assertEqual(self.complete("analyze", "-base", "cp"), ["cpu.prof"])

    def test_analyze_offers_no_flag_that_it_refuses(self):
        self.assertEqual(sorted(self.complete("analyze", "-")), sorted("-" + flag for flag in OTHERS + ["h"]))

    def test_a_shell_that_someone_types_into_completes(self):
        """With readline in between, which splits words and replaces them."""
        typed = {
            "-ty\tthr\t": ["-type", "threadcreate"],
            "-type=thr\t": ["-type=threadcreate"],
            "--output-dir=prof\t": ["--output-dir=profiles/"],
            "analyze go\t": ["analyze", "go heap.pb.gz"],
        }
        self.start_shell()
        self.run_line(f"source {self.script}")
        self.run_line("takhin-profiler() { printf '<%s>' \"$@\"; echo; }")
        for keys, words in typed.items():
            with self.subTest(keys=keys):
                self.assertIn("".join(f"<{word}>" for word in words), self.run_line(f"takhin-profiler {keys}"))

    def start_shell(self):
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(self.work)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       clean_environment(TERM="dumb", INPUTRC="/dev/null", PS1="ready> ", HISTFILE="/dev/null"))
        self.addCleanup(self.end_shell)
        self.wait_for_prompt()

    def end_shell(self):
        os.close(self.terminal)  # it gets a SIGHUP
        os.waitpid(self.child, 0)

    def wait_for_prompt(self):
        seen = ""
        while not seen.endswith("ready> "):
            readable, _, _ = select.select([self.terminal], [], [], 60)
            self.assertTrue(readable, seen)
            seen += os.read(self.terminal, 4096).decode()
        return seen

    def run_line(self, keys):
        os.write(self.terminal, keys.encode() + b"\r")
        return self.wait_for_prompt()


if __name__ == "__main__":
    unittest.main()
