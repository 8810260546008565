"""The short form of `make crash`."""
import os
import sys
import unittest

import postern

sys.path.insert(0, os.path.join(postern.TOP, "tests", "crash"))

import crash  # noqa: E402

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]
TAKES = 30  # seconds


class Crash(unittest.TestCase):
    def test_kills_under_load(self):
        self.addCleanup(postern.restore)
        wrong, summary = crash.run(int(os.environ.get("POSTERN_CRASH_KILLS", "10")),
                                   int(os.environ.get("POSTERN_CRASH_SEED", "1")))
        self.assertEqual(len(wrong), 0, "\n".join([summary, *wrong[:20]]))


if __name__ == "__main__":
    unittest.main()
