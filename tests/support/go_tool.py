"""Go's own tools, of every Go that this machine has: Debian's, and a current one where there is one."""
import functools
import glob
import os
import pathlib
import re
import shutil

from support.broker import clean_environment, run

GO_CACHE = os.environ.get("GOCACHE", "/tmp/takhin-go-cache")


def environment(folder):
    """What they save goes into this folder; nothing is downloaded."""
    return clean_environment(PPROF_TMPDIR=str(folder), HOME=str(folder), GOFLAGS="-mod=mod", GOTOOLCHAIN="local",
                             GOCACHE=GO_CACHE)


@functools.cache
def version(go):
    """(1, 19)"""
    text = run(go, "version", env=environment("/tmp")).stdout
    return tuple(int(number) for number in re.search(r"go(\d+)\.(\d+)", text).groups())


def find():
    places = [shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go", *glob.glob("/usr/lib/go-*/bin/go")]
    by_version = {version(go): go for go in places if go and os.path.exists(go)}
    return [by_version[number] for number in sorted(by_version)]


GO_TOOLS = find()  # oldest first


@functools.cache
def program(go, name):
    """The path of a tool: starting it through `go tool` takes longer than most of what it does."""
    settings = environment("/tmp")
    run(go, "tool", name, "-h", env=settings, check=False, timeout_s=300)  # newer ones are built at the first call
    return pathlib.Path(run(go, "tool", "-n", name, env=settings).stdout.strip())
