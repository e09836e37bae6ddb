"""A short run of tools/soak, which is made to run for hours: every profile in parallel beside a load."""
import sys
import unittest

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.broker import BUILD, ROOT, run

SECONDS = 15


class Soak(unittest.TestCase):
    def test_nothing_is_lost_and_every_answer_decodes(self):
        printed = run(ROOT / "tools" / "soak", BUILD, SECONDS, timeout_s=1000, check=False).stdout
        self.assertTrue(printed.endswith("soak: nothing was lost, hung or grew\n"), printed)


if __name__ == "__main__":
    unittest.main()
