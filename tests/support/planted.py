"""Faults planted in a broker (planted.c), for a profile to find."""
import os
import pathlib

from support.broker import run

SOURCE = pathlib.Path(__file__).with_name("planted.c")


class Planted:
    """Made in this folder; a broker started with `environment` can be given faults while it runs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "planted"
        self.folder.mkdir()
        library = self.folder / "planted.so"
        run("cc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-optimize-sibling-calls", "-shared",
            "-fPIC", SOURCE, "-o", library)
        self.environment = {"LD_PRELOAD": str(library), "PLANTED": str(self.folder)}

    def plant(self, fault, *numbers):
        new = self.folder / f"{fault}.new"
        new.write_text(" ".join(map(str, numbers)))
        new.rename(self.folder / fault)  # nobody reads half of it

    def remove(self, fault):
        (self.folder / fault).unlink(missing_ok=True)

    def hang(self):
        """From now on whoever writes hangs in the kernel."""
        os.mkfifo(self.folder / "hanging_write")

    def end_hang(self):
        """One writer at most has come in: it goes on, and no other hangs."""
        path = self.folder / "hanging_write"
        if path.exists():
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            path.unlink()
            os.close(fd)
