"""Held mail that the other side asks for: ETRN."""
import email
import json
import os
import smtplib
import unittest
import uuid

import dnszone
import postern
from postern import account, message, tls, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "4", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
MX, RELAY = "127.0.1.21", "127.0.1.22"
NODES = ["n%d" % i for i in range(6)]


def setUpModule():
    global zone
    zone = dnszone.Zone({"turn.test": "mx A %s\n" % MX +
                         "".join("%s MX 10 mx\nsub.%s MX 10 mx\n" % (n, n) for n in NODES)},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def ok(*argv):
    status, out, err = postern.postern("--json", *argv)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


def submit(to, who=0):
    a = account(who)
    m = message(to, "turn " + uuid.uuid4().hex, sender=a["address"])
    with postern.smtp(who % 2, "submission") as s:
        s.starttls(context=tls())
        s.login(a["address"], a["password"])
        s.send_message(m, a["address"], [to])
    return m["Subject"]


def held(n):
    """So many items are held, and nothing else waits."""
    return until(lambda: (lambda q: len(q) == n and all(r["state"] == "held"
                                                for r in q))(ok("queue", "list")))


class Case(unittest.TestCase):
    nodes = iter(NODES)

    def setUp(self):
        self.node = next(Case.nodes) + ".turn.test"  # of each test its own, since a run lasts
        self.addCleanup(self.forget)

    def forget(self):
        for r in ok("route", "list"):
            ok("route", "remove", r["domain"])
        for r in ok("queue", "list"):
            ok("queue", "remove", "--id", r["id"])

    def sink(self, host):
        s = Sink(host, PORT)
        self.addCleanup(s.close)
        return s

    def offered(self, want=True, fe=0, service="smtp"):
        def look():
            with postern.smtp(fe, service) as s:
                s.ehlo()
                return s.has_extn("etrn") == want
        return until(look)

    def etrn(self, what, fe=0, source="127.0.0.1"):
        f = postern.frontend(fe)
        with smtplib.SMTP(f["host"], f["ports"]["smtp"], timeout=60,
                          source_address=(source, 0)) as s:
            s.ehlo()
            return s.docmd("ETRN " + what)

    def subjects(self, sink, n):
        return {email.message_from_bytes(m.data)["Subject"] for m in sink.wait(n)}


class Etrn(Case):
    def test_the_route_s_host_gets_it_from_every_back_end(self):
        mx = self.sink(MX)
        ok("route", "add", self.node, "hold", "--etrn", "127.0.0.0/8")
        sent = {submit("x@" + self.node, who) for who in range(4)}
        self.assertTrue(held(4))
        self.assertEqual(mx.mails, [])
        self.assertTrue(self.offered(fe=0) and self.offered(fe=1))
        code, words = self.etrn(self.node.upper(), fe=1)
        self.assertEqual(code, 253)
        self.assertTrue(words.endswith(b": 4"), words)
        self.assertEqual(self.subjects(mx, 4), sent)
        self.assertTrue(until(lambda: not ok("queue", "list")))
        # What comes during the run; and a second question is too soon, at either front-end.
        self.assertEqual(self.subjects(mx, 4) | {submit("y@" + self.node)},
                         self.subjects(mx, 5))
        self.assertTrue(until(lambda: self.etrn(self.node)[0] == 458, 1))

    def test_a_relay_of_its_own_and_what_is_below(self):
        mx, relay = self.sink(MX), self.sink(RELAY)
        ok("route", "add", "." + self.node, "hold", "[%s]" % RELAY, "--etrn", "any")
        ok("route", "add", self.node, "hold", "--etrn", "any")
        a, b = submit("x@sub." + self.node), submit("x@" + self.node, 1)
        self.assertTrue(held(2))
        self.assertTrue(self.offered())
        # To anybody no numbers.
        self.assertEqual(self.etrn("@" + self.node)[0], 250)
        self.assertEqual(self.subjects(relay, 1), {a})
        self.assertEqual(self.subjects(mx, 1), {b})

    def test_nobody_learns_what_is_held(self):
        ok("route", "add", self.node, "hold")
        ok("route", "add", "x." + self.node, "hold", "--etrn", "192.0.2.1")
        ok("route", "add", "y." + self.node, "mx")
        submit("x@" + self.node)
        self.assertTrue(held(1))
        self.assertTrue(self.offered())
        said = set()
        for n in (self.node, "x." + self.node, "y." + self.node, "nobody.turn.test",
                  "example.org"):
            code, words = self.etrn(n)
            said.add((code, words.replace(n.encode(), b"N")))
        self.assertEqual(said, {(459, b"4.7.1 Not allowed, or nothing held, for node N")})
        self.assertEqual(len(ok("queue", "list")), 1)
        self.assertEqual(self.etrn("not a node")[0], 501)
        # Too many questions, whatever for: the front-ends ask different back-ends.
        for fe in (0, 1):
            codes = [self.etrn("nobody.turn.test", fe, "127.0.9.9")[0] for _ in range(45)]
            self.assertEqual(set(codes[-5:]), {458})
            self.assertEqual(self.etrn("example.org", fe, "127.0.9.9")[0], 458)
            self.assertEqual(self.etrn("example.org", fe)[0], 459)

    def test_offered_only_where_something_may_be_asked_for(self):
        self.assertTrue(self.offered(False))
        self.assertEqual(self.etrn(self.node)[0], 500)
        ok("route", "add", self.node, "hold")
        self.assertTrue(self.offered(False))
        ok("route", "edit", self.node, "--etrn", "any")
        self.assertTrue(self.offered())
        self.assertTrue(self.offered(False, service="submission"))
        ok("route", "edit", self.node, "--etrn", "none")
        self.assertTrue(self.offered(False))


if __name__ == "__main__":
    unittest.main()
