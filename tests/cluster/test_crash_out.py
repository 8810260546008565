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
    OWNERS = {"a@example.org": "be1"}

    def came(self, *taken, body=b"text\r\n", keys=(KEY,)):
        """Of one message, whose transaction takes two seconds each time: arrivals and mails."""
        digest = hashlib.sha256(b"text\r\n").hexdigest().encode()
        mail = types.SimpleNamespace(
            data=b"From: x\r\nMessage-ID: <%s@crash.example>\r\nX-Digest: %s\r\n\r\n%s" %
            (self.KEY[0].encode(), digest, body))
        times = [crash_out.Arrival(t - 2, t, "fe1", "a@example.org") for t in taken]
        return {key: times for key in keys if times}, [mail] * len(times)

    def judge(self, came, moments):
        return crash_out.judge(*came, {self.KEY}, moments, self.OWNERS)

    def test_nothing_is_wrong(self):
        self.assertEqual(self.judge(self.came(50), []), ([], 0))
        for moment in ((51, "be1"), (51, "fe1/outbound"), (51, "fe1"), (47.5, "be1"), (54.5, "be1")):
            self.assertEqual(self.judge(self.came(50, 60), [moment]), ([], 1), moment)
        self.assertEqual(crash_out.too_few([1], {self.KEY}, 1), [])

    def test_something_is_wrong(self):
        twice = "twice without a kill: "
        for words, came, moments in (
                ("lost: ", self.came(), []),
                (twice, self.came(50, 60), [(58, "be1")]),
                (twice, self.came(50, 60), [(46.5, "be1")]),  # it was not begun yet
                (twice, self.came(50, 60), [(51, "be2"), (51, "fe2"), (51, "fe1/submission")]),
                ("not whole: ", self.came(50, body=b"tex\r\n"), [])):
            wrong, _ = self.judge(came, moments)
            self.assertTrue(wrong and all(w.startswith(words) for w in wrong), (words, wrong))

    def test_too_often_for_one_kill(self):
        many = [(self.KEY[0], "r%d@d0.out.test" % i) for i in range(crash_out.TWICE_MAX)]
        came = self.came(50, 60, keys=[self.KEY, *many])
        wrong, twice = self.judge(came, [(51, "be1")])
        self.assertEqual((len(wrong), twice), (1, crash_out.TWICE_MAX + 1))
        self.assertIn("came twice of one kill, of be1", wrong[0])
        wrong, twice = crash_out.judge(*self.came(50, 60, keys=many), set(), [(51, "be1")], self.OWNERS)
        self.assertEqual((wrong, twice), ([], crash_out.TWICE_MAX))

    def test_nothing_happened(self):
        self.assertEqual(len(crash_out.too_few([], set(), 1)), 2)
        self.assertEqual(len(crash_out.too_few([1], {self.KEY}, 2)), 2)


if __name__ == "__main__":
    unittest.main()
