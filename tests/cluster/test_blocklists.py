"""Block lists that name our addresses and domains: what the command shows, and what is told."""
import json
import os
import unittest

import dnszone
import postern
from postern import cluster, log_lines, log_size, metric, setting, until

CLUSTER = ["--accounts", "1", "--set", "dns={dns}"]
HOST = "mx A 127.0.1.1"
CLEAN = {"example.org": HOST, "ip.list.test": "", "name.list.test": ""}
ASKED = {"own": "192.2.3.4", "host": "127.0.1.1", "domain": "example.org"}
LISTED = '4.3.2.192 A 127.0.0.2\n4.3.2.192 TXT "\\027[31mspam was seen"\n'


def setUpModule():
    global zone
    zone = dnszone.Zone(CLEAN, port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def listings(*more):
    return postern.postern("dns", "listings", *more)


class Blocklists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.backend = cluster()["backends"][0]["name"]
        for key, value in (("dns.mx_hosts", "mx.example.org"), ("blocklists.own", "192.2.3.4"),
                           ("blocklists.addresses", "ip.list.test"),
                           ("blocklists.domains", "name.list.test")):
            setting(key, value)

    def setUp(self):
        self.addCleanup(zone.change, CLEAN)

    def put(self, **lists):
        zone.change({**CLEAN, **{"%s.list.test" % k: v for k, v in lists.items()}})

    def rows(self, status, **verdicts):
        """The rows by what they are about, once the command ends so with these verdicts, clean
        unless said: each answer is remembered for a second of its own."""
        want = {what: verdicts.get(short, "clean") for short, what in ASKED.items()}

        def look():
            got, out, _ = listings("--json")
            found = {r["what"]: r for r in json.loads(out or "[]")}
            return found if (got, {w: r["verdict"] for w, r in found.items()}) == (status, want) \
                else None
        found = until(look)
        self.assertTrue(found, listings("--json"))
        return found

    def test_clean(self):
        self.assertEqual({what: r["list"] for what, r in self.rows(0).items()},
                         {"192.2.3.4": "ip.list.test", "127.0.1.1": "ip.list.test",
                          "example.org": "name.list.test"})

    def test_named(self):
        self.put(ip=LISTED, name="example.org A 127.0.1.2\n")
        found = self.rows(65, own="listed", domain="listed")
        self.assertIn("spam was seen", found["192.2.3.4"]["reason"])
        status, out, _ = listings()
        self.assertEqual(status, 65, out)
        self.assertNotIn("\x1b", out)

    def test_a_list_that_refuses(self):
        self.put(ip="4.3.2.192 A 127.255.255.254\n1.1.0.127 A 192.0.2.1\n")
        found = self.rows(69, own="unknown", host="unknown")
        self.assertIn("refuses", found["192.2.3.4"]["reason"])

    def test_told(self):
        """Once when it is named, and once when it is not any more."""
        setting("blocklists.check_every", "1s")
        self.addCleanup(setting, "blocklists.check_every")
        self.rows(0)
        self.assertTrue(until(lambda: metric(self.backend, "blocklists_named") == 0))
        since = log_size(self.backend)
        self.put(ip=LISTED)
        self.assertTrue(until(lambda: log_lines(self.backend, "blocklist.named", since=since)))
        self.assertTrue(until(lambda: metric(self.backend, "blocklists_named") == 1))
        self.put()
        self.assertTrue(until(lambda: log_lines(self.backend, "blocklist.no_more", since=since)))
        self.assertTrue(until(lambda: metric(self.backend, "blocklists_named") == 0))
        named = log_lines(self.backend, "blocklist.named", since=since)
        self.assertEqual(len(named), 1, named)

    def test_nothing_to_ask(self):
        for key, value in (("blocklists.addresses", "ip.list.test"),
                           ("blocklists.domains", "name.list.test")):
            setting(key)
            self.addCleanup(setting, key, value)
        status, _, err = listings()
        self.assertEqual(status, 65, err)
        self.assertIn("blocklists.addresses", err)


if __name__ == "__main__":
    unittest.main()
