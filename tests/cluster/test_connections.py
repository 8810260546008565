"""Connections of the way out: how many there are, and what becomes of those that are idle."""
import os
import threading
import unittest

import dnszone
from outgoing import submit
from postern import put_in_force, setting
from sink import Sink

CLUSTER = ["--accounts", "4", "--set", "dns={dns}", "--set", "dns_anchors={anchors}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=1s",
           "--set", "outbound.retry_later=1s"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
HOST = "127.0.1.5"


def setUpModule():
    global zone
    zone = dnszone.Zone({"out.test": "one MX 10 mx\nmx A %s\n" % HOST},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


class Connections(unittest.TestCase):
    def setUp(self):
        self.sink = Sink(HOST, PORT)
        self.addCleanup(self.sink.close)
        self.addCleanup(setting, "outbound.connections_per_destination", None)

    def at_once(self, n):
        """So many messages, each over a connection of its own: they wait for one another."""
        met = threading.Barrier(n)
        self.sink.does["dot"] = lambda: met.wait(30) and None
        have = len(self.sink.mails)
        for i in range(n):
            submit(["x%d@one.out.test" % i])
        self.assertEqual(len(self.sink.wait(have + n)), have + n)
        del self.sink.does["dot"]

    def test_fewer_are_allowed_while_some_are_idle(self):
        """Who has one too many ends, and its mail goes over one that stays, at once."""
        def once():
            put_in_force("outbound.connections_per_destination", "20")
            self.at_once(4)
            sessions = self.sink.sessions
            put_in_force("outbound.connections_per_destination", "1")
            have = len(self.sink.mails)
            submit(["y@one.out.test"])
            self.assertEqual(len(self.sink.wait(have + 1)), have + 1)
            # Idle ones are closed after two seconds: a slow machine may need another try.
            return self.sink.sessions == sessions
        self.assertTrue(any(once() for _ in range(5)))


if __name__ == "__main__":
    unittest.main()
