"""Held mail that the other side asks for: ETRN, ATRN."""
import email
import json
import os
import smtplib
import unittest
import uuid

import dnszone
import postern
from postern import account, change, message, tls, until
from sink import Sink

# One worker of SMTP: what one session is offered, the next one has too.
CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "4", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "workers.smtp=1"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
MX, RELAY = "127.0.1.21", "127.0.1.22"
NODES = ["n%d" % i for i in range(10)]


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
            change("route", "remove", r["domain"])
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


class Customer:
    """A host that fetches: a client until ATRN is taken, then a server on the same connection."""

    def __init__(self, who, fe=0):
        f, a = postern.frontend(fe), account(who)
        self.client = smtplib.SMTP(f["host"], f["ports"]["odmr"], timeout=60)
        self.client.starttls(context=tls())
        self.client.login(a["address"], a["password"])

    def atrn(self, *domains):
        return self.client.docmd(("ATRN " + ",".join(domains)).strip())

    def say(self, words):
        self.client.sock.sendall(words.encode() + b"\r\n")

    def hear(self):
        return self.client.file.readline()

    def turn(self):
        self.say("220 customer.test ESMTP")
        assert self.hear().startswith(b"EHLO "), "EHLO comes first"
        self.say("250-customer.test\r\n250-PIPELINING\r\n250 8BITMIME")

    def serve(self, taken=None, code=lambda rcpt: 250):
        """Takes messages up to QUIT, or so many; (subject, recipients) of each."""
        mails, rcpts = [], []
        while taken is None or len(mails) < taken:
            line = self.hear()
            verb = line[:4].upper()
            if verb == b"RCPT":
                rcpt = line[line.index(b"<") + 1:line.index(b">")].decode()
                if code(rcpt) == 250:
                    rcpts.append(rcpt)
                self.say("%d said" % code(rcpt))
            elif verb == b"DATA":
                self.say("354 go" if rcpts else "554 nobody")
                if not rcpts:
                    continue
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += self.hear()
                mails.append((email.message_from_bytes(data)["Subject"], rcpts))
                rcpts = []
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                assert self.hear() == b""
                break
            else:
                assert verb in (b"MAIL", b"RSET"), line
                rcpts = []
                self.say("250 ok")
        return mails

    def close(self):
        self.client.close()


class Atrn(Case):
    def customer(self, who=1, fe=0):
        c = Customer(who, fe)
        self.addCleanup(c.close)
        return c

    def fetched_by(self, who=1, *more):
        change("route", "add", self.node, "hold", "--atrn", account(who)["address"], *more)

    def ready(self, who=1, fe=0):
        """A customer with whom roles have turned."""
        c = self.customer(who, fe)
        self.assertEqual(c.atrn(self.node)[0], 250)
        c.turn()
        return c

    def test_all_of_it_comes_over_the_connection_and_is_gone(self):
        self.fetched_by(1)
        sent = {submit("x@" + self.node, who) for who in range(4)}
        self.assertTrue(held(4))
        c = self.customer(fe=1)
        self.assertTrue(c.client.has_extn("atrn"))
        self.assertFalse(c.client.has_extn("etrn") or c.client.has_extn("size"))
        code, words = c.atrn()
        self.assertEqual((code, words), (250, b"2.0.0 OK now reversing the connection"))
        c.turn()
        mails = c.serve()
        self.assertEqual({m[0] for m in mails}, sent)
        self.assertEqual(len(mails), 4)
        self.assertTrue(until(lambda: not ok("queue", "list")))
        self.assertEqual(self.customer().atrn(self.node), (453, b"4.0.0 You have no mail"))

    def test_who_may(self):
        self.fetched_by(1)
        change("route", "add", "sub." + self.node, "hold")
        submit("x@" + self.node)
        submit("x@sub." + self.node)
        self.assertTrue(held(2))
        refused = (450, b"4.7.1 ATRN request refused")
        self.assertTrue(until(lambda: self.customer().atrn("nobody.test") == refused))
        # All of them, or none; and the same of what there is not.
        for what in ("sub." + self.node, self.node + ",sub." + self.node, "example.org"):
            self.assertEqual(self.customer().atrn(what), refused)
        for what in ((), (self.node,)):
            self.assertEqual(self.customer(2).atrn(*what), refused)
        c = self.customer()
        self.assertEqual(c.atrn("not a domain")[0], 501)
        self.assertEqual(c.client.docmd("MAIL FROM:<x@y.test>")[0], 502)
        f = postern.frontend(0)
        with smtplib.SMTP(f["host"], f["ports"]["odmr"], timeout=60) as s:
            s.ehlo()
            self.assertEqual(s.docmd("ATRN")[0], 530)
        with postern.smtp(0, "submission") as s:
            s.starttls(context=tls())
            s.login(account(1)["address"], account(1)["password"])
            self.assertFalse(s.has_extn("atrn"))
            self.assertEqual(s.docmd("ATRN")[0], 500)
        self.assertTrue(held(2))
        # Another account's from now on, at once.
        change("route", "edit", self.node, "--atrn", account(2)["address"])
        self.assertTrue(until(lambda: self.customer().atrn(self.node) == refused))
        c = self.customer(2)
        self.assertTrue(until(lambda: c.atrn(self.node)[0] == 250))
        c.turn()
        self.assertEqual(len(c.serve()), 1)
        self.assertTrue(held(1))

    def test_each_recipient_has_its_result(self):
        self.fetched_by(1)
        for to in ("good@", "full@", "bad@"):
            submit(to + self.node)
        self.assertTrue(held(3))
        mails = self.ready().serve(code=lambda r: {"f": 452, "b": 550}.get(r[0], 250))
        self.assertEqual([m[1] for m in mails], [["good@" + self.node]])
        # One waits for its time, and is held for all others; one has gone back to its sender.
        self.assertTrue(until(lambda: [r["address"] for r in ok("queue", "list")] ==
                              ["full@" + self.node]))
        self.assertEqual(self.customer().atrn()[0], 453)

    def test_what_a_broken_line_has_not_taken_comes_again(self):
        self.fetched_by(1)
        sent = {submit("x@" + self.node) for _ in range(5)}
        self.assertTrue(held(5))
        c = self.ready()
        first = c.serve(taken=2)
        c.close()
        self.assertTrue(until(lambda: len(ok("queue", "list")) == 3))
        got = [m[0] for m in first]

        def fetch():
            c = self.customer()
            if c.atrn()[0] == 250:
                c.turn()
                got.extend(m[0] for m in c.serve())
            return len(got) >= 5
        self.assertTrue(until(fetch))
        self.assertEqual(sorted(got), sorted(sent))

    def test_a_session_that_is_ended_ends_in_the_middle(self):
        self.fetched_by(1)
        submit("x@" + self.node)
        self.assertTrue(held(1))
        c = self.ready()
        while c.hear()[:4].upper() != b"DATA":
            pass
        self.assertEqual(ok("session", "kill", "--account", account(1)["address"]), {"ended": 1})
        self.assertEqual(c.hear(), b"")
        self.assertTrue(until(lambda: [r["state"] for r in ok("queue", "list")] == ["waiting"]))

    def test_a_worker_that_is_killed_loses_nothing(self):
        self.fetched_by(1)
        sent = {submit("x@" + self.node, who) for who in range(4) for _ in range(2)}
        self.assertTrue(held(8))
        c = self.ready()
        got = [m[0] for m in c.serve(taken=3)]
        # What is taken is reported before the next one is long under way.
        self.assertTrue(until(lambda: len(ok("queue", "list")) == 5))
        postern.cluster_command("kill", "fe1/submission", "KILL")
        self.assertTrue(until(lambda: c.hear() == b""))

        def fetch():
            try:
                c = self.customer()
            except (OSError, smtplib.SMTPException):
                return False
            if c.atrn()[0] == 250:
                c.turn()
                got.extend(m[0] for m in c.serve())
            return len(got) >= 8
        self.assertTrue(until(fetch))
        self.assertEqual(sorted(got), sorted(sent))


class Etrn(Case):
    def test_the_route_s_host_gets_it_from_every_back_end(self):
        mx = self.sink(MX)
        change("route", "add", self.node, "hold", "--etrn", "127.0.0.0/8")
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
        change("route", "add", "." + self.node, "hold", "[%s]" % RELAY, "--etrn", "any")
        change("route", "add", self.node, "hold", "--etrn", "any")
        a, b = submit("x@sub." + self.node), submit("x@" + self.node, 1)
        self.assertTrue(held(2))
        self.assertTrue(self.offered())
        # To anybody no numbers.
        self.assertEqual(self.etrn("@" + self.node)[0], 250)
        self.assertEqual(self.subjects(relay, 1), {a})
        self.assertEqual(self.subjects(mx, 1), {b})

    def test_nobody_learns_what_is_held(self):
        change("route", "add", self.node, "hold")
        change("route", "add", "x." + self.node, "hold", "--etrn", "192.0.2.1")
        change("route", "add", "y." + self.node, "mx")
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
            codes = []
            while len(codes) < 100 and codes[-20:] != [458] * 20:  # any back-end is asked
                codes.append(self.etrn("nobody.turn.test", fe, "127.0.9.9")[0])
            self.assertLess(len(codes), 100)
            self.assertEqual(self.etrn("example.org", fe, "127.0.9.9")[0], 458)
            self.assertEqual(self.etrn("example.org", fe)[0], 459)

    def test_offered_only_where_something_may_be_asked_for(self):
        self.assertTrue(self.offered(False))
        self.assertEqual(self.etrn(self.node)[0], 500)
        change("route", "add", self.node, "hold")
        self.assertTrue(self.offered(False))
        change("route", "edit", self.node, "--etrn", "any")
        self.assertTrue(self.offered())
        self.assertTrue(self.offered(False, service="submission"))
        change("route", "edit", self.node, "--etrn", "none")
        self.assertTrue(self.offered(False))


if __name__ == "__main__":
    unittest.main()
