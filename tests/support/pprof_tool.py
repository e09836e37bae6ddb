"""`go tool pprof`, as a user calls it: anything unexpected that it says is a failure."""
import re

from support.broker import ROOT, run
from support.go_tool import GO_TOOLS, environment, program

HARMLESS = re.compile(r"^(Fetching profile|Saved profile|Generating report|Entering interactive|$)")


class PprofTool:
    """What it saves goes into this folder. `go`: which one, the first of GO_TOOLS unless it is said."""

    def __init__(self, folder):
        self.environment = environment(folder)

    def __call__(self, *arguments, go=None, harmless=HARMLESS):
        go = go or GO_TOOLS[0]
        result = run(program(go, "pprof"), *arguments, cwd=ROOT, env=self.environment)
        unexpected = [line for line in result.stderr.splitlines() if not harmless.match(line)]
        if unexpected:
            raise AssertionError(f"{go} tool pprof {' '.join(map(str, arguments))} says:\n" + "\n".join(unexpected))
        return result.stdout
