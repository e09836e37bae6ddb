"""What Debian does not package: installed from its own registry, at a pinned version, into a cache below the build
folder. Where the machine cannot get it, the tests that need it are skipped and say why."""
import os
import pathlib
import shutil
import subprocess
import unittest

from support.broker import BUILD, run

CACHE = pathlib.Path(os.environ.get("TAKHIN_CLIENTS_DIR", BUILD / "clients")).resolve()
INSTALL_TIMEOUT_S = 150  # of each; all that one script installs is to fit into its own time


def install(name, tools, steps):
    """The folder where the steps have installed it, at the first call or long ago; SkipTest if they cannot."""
    for tool in tools:
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{name} needs {tool}, which is not on this machine")
    folder = CACHE / name
    complete = folder / ".complete"
    if complete.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        steps(folder)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        raise unittest.SkipTest(f"{name} cannot be installed: {str(error)[-500:]}")
    complete.touch()
    return folder


def command(*words, folder):
    run(*words, cwd=folder, timeout_s=INSTALL_TIMEOUT_S, stdin=subprocess.DEVNULL)


def node_package(package, version):
    """Its folder, for NODE_PATH."""
    def steps(folder):
        command("npm", "install", "--no-audit", "--no-fund", "--prefix", folder, f"{package}@{version}", folder=folder)

    return install(f"{package}-{version}", ("node", "npm"), steps) / "node_modules"
