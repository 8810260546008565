"""The short form of `make crash-out`."""
import os
import sys
import unittest

import postern

sys.path.insert(0, os.path.join(postern.TOP, "tests", "crash"))

import crash_out  # noqa: E402

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "8", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=1s",
           "--set", "outbound.retry_later=1s", "--set", "submission.burst_recipients=0",
           "--set", "submission.burst_failed_percent=0", "--set", "submission.burst_factor=0",
           "--set", "submission.limit_minute=0", "--set", "submission.limit_hour=0",
           "--set", "submission.limit_day=0", "--set", "submission.recipients_hour=0",
           "--set", "submission.recipients_day=0"]


class CrashOut(unittest.TestCase):
    def test_kills_under_load(self):
        self.addCleanup(postern.restore)
        wrong, summary = crash_out.run(int(os.environ.get("POSTERN_CRASH_KILLS", "8")),
                                       int(os.environ.get("POSTERN_CRASH_SEED", "1")),
                                       os.environ["POSTERN_TEST_DNS"],
                                       int(os.environ["POSTERN_TEST_OUT"]))
        self.assertEqual(len(wrong), 0, "\n".join([summary, *wrong[:20]]))


if __name__ == "__main__":
    unittest.main()
