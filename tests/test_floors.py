"""Holds every #include under src/ against the floors that cmake/floors.cmake spells."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"

# What no folder may have, whatever it links: who includes it, and from where.
ONLY_HEADER = {("storage", "kafka"): {"kafka/record_batch.h"}}


def allowed_folders():
    table = (ROOT / "cmake" / "floors.cmake").read_text()
    allowed = {}
    for folder, rest in re.findall(r"^floor\((\w+)\s*(.*)\)$", table, re.MULTILINE):
        uses = re.search(r"USES ([\w ]+?)(?: LIBRARIES|$)", rest)
        allowed[folder] = {folder, *(uses.group(1).split() if uses else [])}
    allowed["cmd"] = {"cmd", *allowed}
    return allowed


class Floors(unittest.TestCase):
    def test_every_folder_is_in_the_table(self):
        folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
        self.assertEqual(folders, set(allowed_folders()))

    def test_no_include_runs_upward(self):
        allowed = allowed_folders()
        wrong = []
        for path in sorted(SOURCE.rglob("*.[ch]")):
            folder = path.relative_to(SOURCE).parts[0]
            for included in re.findall(r'^#include "([^"]+)"', path.read_text(), re.MULTILINE):
                target = included.split("/")[0]
                if "/" not in included:
                    wrong.append(f"{path.relative_to(ROOT)}: {included}: paths start at src/")
                elif target in allowed and target not in allowed[folder]:
                    wrong.append(f"{path.relative_to(ROOT)}: {folder} may not use {target} ({included})")
                elif included not in ONLY_HEADER.get((folder, target), {included}):
                    wrong.append(f"{path.relative_to(ROOT)}: {folder} may not use {included}")
        self.assertEqual(wrong, [])

    def test_a_source_includes_its_own_header_first(self):
        wrong = []
        for path in sorted(SOURCE.rglob("*.c")):
            own = path.with_suffix(".h")
            if not own.exists():
                continue
            first = re.search(r'^#include ["<]([^">]+)[">]', path.read_text(), re.MULTILINE)
            if first and first.group(1) != str(own.relative_to(SOURCE)):
                wrong.append(str(path.relative_to(ROOT)))
        self.assertEqual(wrong, [])

    def test_tables_of_what_others_choose_have_secret_hashes(self):
        """base/hash.h says why; the keys of the profiler's tables are nobody's choice."""
        known = [str(path.relative_to(SOURCE)) for path in sorted(SOURCE.rglob("*.[ch]"))
                 if "#include <uthash.h>" in path.read_text() and path.relative_to(SOURCE).parts[0] != "profiler"]
        self.assertEqual(known, ["base/hash.h"])

    def test_floors_have_no_circle(self):
        allowed = {folder: uses - {folder} for folder, uses in allowed_folders().items()}
        while allowed:
            ground = [folder for folder, uses in allowed.items() if not uses & set(allowed)]
            self.assertTrue(ground, f"these use each other in a circle: {sorted(allowed)}")
            for folder in ground:
                del allowed[folder]


if __name__ == "__main__":
    unittest.main()
