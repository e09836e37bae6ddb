"""`go tool pprof`, as a user calls it: anything unexpected that it says is a failure."""
import os
import pathlib
import re

from support.broker import ROOT, clean_environment, run

# Debian's, and a current one where the machine has it.
GO_TOOLS = [path for path in ("/usr/lib/go-1.19/bin/go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go")
            if os.path.exists(path)]
HARMLESS = re.compile(r"^(Fetching profile|Saved profile|Generating report|Entering interactive|$)")


class PprofTool:
    """What it saves goes into this folder. `go`: which one, the first of GO_TOOLS unless it is said."""

    def __init__(self, folder):
        self.environment = clean_environment(
            PPROF_TMPDIR=str(folder), HOME=str(folder), GOFLAGS="-mod=mod", GOTOOLCHAIN="local",
            GOCACHE=os.environ.get("GOCACHE", "/tmp/takhin-go-cache"))
        self.programs = {}

    def program(self, go):
        """Its path: starting it through `go tool` takes longer than most reports."""
        if go not in self.programs:
            run(go, "tool", "pprof", "-h", env=self.environment, check=False)  # newer ones are built at the first call
            path = run(go, "tool", "-n", "pprof", env=self.environment).stdout.strip()
            self.programs[go] = pathlib.Path(path)
        return self.programs[go]

    def __call__(self, *arguments, go=None, harmless=HARMLESS):
        go = go or GO_TOOLS[0]
        result = run(self.program(go), *arguments, cwd=ROOT, env=self.environment)
        unexpected = [line for line in result.stderr.splitlines() if not harmless.match(line)]
        if unexpected:
            raise AssertionError(f"{go} tool pprof {' '.join(map(str, arguments))} says:\n" + "\n".join(unexpected))
        return result.stdout
