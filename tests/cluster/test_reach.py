"""Whom the way out reaches, and how soon: hosts that answer nothing, both families of addresses, our own
end of a connection, and mail that is paced or suspended."""
import contextlib
import os
import socket
import time
import unittest

import dnszone
from outgoing import queue, submit, waiting
from postern import account, cluster, postern, put_in_force, setting, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--accounts", "10", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=2s",
           "--set", "outbound.retry_later=1s", "--set", "submission.limit_minute=0"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
MUTE, FOUR, SIX = "127.0.6.1", "127.0.6.2", "::1"
ZONE = """
mute    MX 10 mute
mute    A %s
then    MX 10 mute
then    MX 20 mx4
mx4     A %s
six     MX 10 mx6
mx6     AAAA %s
direct  AAAA %s
both    MX 10 mxboth
mxboth  A %s
mxboth  AAAA %s
*.many  MX 10 mx4
""" % (MUTE, FOUR, SIX, SIX, FOUR, SIX)


def setUpModule():
    global zone
    zone = dnszone.Zone({"out.test": ZONE},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


@contextlib.contextmanager
def mute(host):
    """A host that answers no connection: its line is full, so what asks for more is dropped."""
    with socket.create_server((host, PORT), backlog=0), contextlib.ExitStack() as line:
        while True:
            s = line.enter_context(socket.socket())
            s.settimeout(0.3)
            try:
                s.connect((host, PORT))
            except TimeoutError:
                break
        yield


class Reach(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern, "queue", "remove", "--all")

    def set(self, key, value):
        put_in_force(key, value)
        self.addCleanup(postern, "setting", "unset", key)

    def sink(self, host):
        s = Sink(host, PORT)
        self.addCleanup(s.close)
        return s

    def taken(self, sink, n=1, seconds=30):
        mails = sink.wait(n, seconds)
        self.assertEqual(len(mails), n)
        return mails

    def test_a_host_that_answers_nothing(self):
        """Without the setting it would be given up after half a minute."""
        self.set("outbound.connect_timeout", "1s")
        begun = time.monotonic()
        with mute(MUTE):
            submit(["x@mute.out.test"])
            row = waiting("x@mute.out.test")
            self.assertEqual((row["status"], row["last_error"]),
                             ("4.4.1", "no connection to %s port %d: no answer in time" %
                              (MUTE, PORT)))
            # The next host has what it does not take.
            four = self.sink(FOUR)
            submit(["x@then.out.test"])
            self.taken(four)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertGreater(time.monotonic() - begun, 2)
        # It listens now.
        self.assertIn(b"x@mute.out.test", self.taken(self.sink(MUTE))[0].rcpts[0])

    def test_ipv6_alone(self):
        six = self.sink(SIX)
        for n, to in enumerate(("a@six.out.test", "b@direct.out.test", "c@[IPv6:::1]"), 1):
            submit([to])
            self.assertIn(to.lower().encode(), self.taken(six, n)[-1].rcpts[0].lower())
        self.assertEqual({m.peer for m in six.mails}, {SIX})

    def test_one_family_is_dead(self):
        for host in (FOUR, SIX):
            sink = self.sink(host)
            submit(["x@both.out.test"])
            self.taken(sink)
            sink.close()

    def test_both_families_are_dead(self):
        submit(["x@both.out.test"])
        row = waiting("x@both.out.test")
        self.assertRegex(row["last_error"], r"no connection to \S+ port \d+: connection refused")
        self.taken(self.sink(SIX))

    def states(self):
        return sorted(r["state"] for r in queue())

    def test_paced(self):
        """A sixth of a minute's allowance goes at once: of six, one. The rest would take a minute."""
        ours = cluster()["domain"]
        for n, (key, to) in enumerate((
                ("outbound.pace_account", "x@d%d.many.out.test"),
                ("outbound.pace_domain", "y@d%d.many.out.test"),
                ("outbound.pace_destination", "z%d@one.many.out.test"))):
            with self.subTest(key), Sink(FOUR, PORT) as four:
                self.assertTrue(account(n)["address"].endswith("@" + ours))
                self.set(key, "6")
                for i in range(4):
                    submit([to % i], who=n)
                self.taken(four)
                self.assertTrue(until(lambda: self.states() == ["paced"] * 3), queue())
                self.assertEqual(len(four.mails), 1)
                setting(key)
                self.taken(four, 4)
                self.assertTrue(until(lambda: not queue()))

    def test_suspended(self):
        four, sender = self.sink(FOUR), account(5)["address"]
        for n, (key, value, to, who, why) in enumerate((
                ("outbound.suspended_destinations", "One.Many.out.test.", "x@one.many.out.test", 4,
                 "its destination is suspended"),
                ("outbound.suspended_senders", sender, "y@two.many.out.test", 5,
                 "its sender is held"))):
            with self.subTest(key):
                self.set(key, value)
                submit([to], who=who)
                self.assertTrue(until(lambda: self.states() == ["held"]), queue())
                self.assertEqual(queue()[0]["why"], why)
                # Others pass it.
                submit(["other@three.many.out.test"], who=6)
                self.taken(four, 2 * n + 1)
                self.assertTrue(until(lambda: self.states() == ["held"]), queue())
                setting(key)
                self.assertIn(to.encode(), self.taken(four, 2 * n + 2)[-1].rcpts[0])
                self.assertTrue(until(lambda: not queue()))


if __name__ == "__main__":
    unittest.main()
