"""Runs a test program in namespaces of its own: a network on which every port is free, an empty /tmp and /var/log. So it
may use the ports and the paths that people use, whatever else this machine does; and what it started ends with it."""
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

from support.broker import BUILD, ROOT, run
from support.go_tool import GO_CACHE

INSIDE = "TAKHIN_TEST_OWN_MACHINE"  # the folder that is /tmp in there
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1
PR_SET_PDEATHSIG = 1
refusal = None  # why there are none


def enter():
    """Run this program again in there, and end with its exit code. Returns in there, or where that is not permitted."""
    global refusal
    if INSIDE in os.environ:
        settle(pathlib.Path(os.environ[INSIDE]))
        return
    unshare = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--kill-child",
               *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    try:
        run(*unshare, "true")
    except (AssertionError, FileNotFoundError) as error:
        refusal = f"namespaces are not permitted here: {error}"
        return
    with tempfile.TemporaryDirectory(prefix="takhin-test-") as folder:
        inner = subprocess.run([*unshare, sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]],
                               env={**os.environ, INSIDE: folder}, preexec_fn=end_with_parent)
    sys.exit(inner.returncode)


def end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def require():
    """SkipTest where the program does not run in there."""
    if INSIDE not in os.environ:
        raise unittest.SkipTest(refusal or "it runs in namespaces of its own: start the program by itself")


def settle(folder):
    raise_loopback()
    for path in (ROOT, BUILD, pathlib.Path(GO_CACHE)):
        if path.is_relative_to("/tmp"):  # what of the old one is needed
            path.mkdir(parents=True, exist_ok=True)
            place = folder / path.relative_to("/tmp")
            place.mkdir(parents=True, exist_ok=True)
            run("mount", "--bind", path, place)
    (folder / "log").mkdir()
    run("mount", "--bind", folder / "log", "/var/log")
    run("mount", "--rbind", folder, "/tmp")
    os.chdir("/tmp")


def raise_loopback():
    """With a second address: without one that is no loopback's, getaddrinfo(AI_ADDRCONFIG) resolves nothing, not even
    127.0.0.1, and Kafka's clients ask it so."""
    with socket.socket() as any_socket:
        answer = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags, = struct.unpack("16xh14x", answer)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))
        fcntl.ioctl(any_socket, SIOCSIFADDR, struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0,
                                                         socket.inet_aton("192.0.2.1")))
