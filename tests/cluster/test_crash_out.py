"""The short form of `make crash-out`."""
import hashlib
import os
import sys
import types
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
TAKES = 15  # seconds


class CrashOut(unittest.TestCase):
    def test_kills_under_load(self):
        self.addCleanup(postern.restore)
        wrong, summary = crash_out.run(int(os.environ.get("POSTERN_CRASH_KILLS", "8")),
                                       int(os.environ.get("POSTERN_CRASH_SEED", "1")),
                                       os.environ["POSTERN_TEST_DNS"],
                                       int(os.environ["POSTERN_TEST_OUT"]))
        print("noted %s: %s" % (self.id(), summary))
        self.assertEqual(len(wrong), 0, "\n".join([summary, *wrong[:20]]))


class Judge(unittest.TestCase):
    """What the test above calls wrong."""
    KEY = ("%032x" % 7, "r@d0.out.test")

    def sink(self, *times, body=b"text\r\n"):
        digest = hashlib.sha256(b"text\r\n").hexdigest().encode()
        mail = types.SimpleNamespace(
            data=b"From: x\r\nMessage-ID: <%s@crash.example>\r\nX-Digest: %s\r\n\r\n%s" %
            (self.KEY[0].encode(), digest, body))
        return types.SimpleNamespace(arrivals={self.KEY: times} if times else {},
                                     mails=[mail] * len(times))

    def test_nothing_is_wrong(self):
        self.assertEqual(crash_out.judge(self.sink(50), {self.KEY}, []), ([], 0))
        self.assertEqual(crash_out.judge(self.sink(50, 60), {self.KEY}, [(51, "be1")]), ([], 1))
        self.assertEqual(crash_out.too_few(self.sink(50), {self.KEY}, 1), [])

    def test_something_is_wrong(self):
        for words, sink, moments in (("lost: ", self.sink(), []),
                                     ("twice without a kill: ", self.sink(50, 60), [(58, "be1")]),
                                     ("not whole: ", self.sink(50, body=b"tex\r\n"), [])):
            wrong, _ = crash_out.judge(sink, {self.KEY}, moments)
            self.assertEqual(len(wrong), 1, wrong)
            self.assertTrue(wrong[0].startswith(words), wrong)

    def test_nothing_happened(self):
        self.assertEqual(len(crash_out.too_few(self.sink(), set(), 1)), 2)
        self.assertEqual(len(crash_out.too_few(self.sink(50), {self.KEY}, 2)), 2)


if __name__ == "__main__":
    unittest.main()
