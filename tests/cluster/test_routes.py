"""Routes of the way out: relays, LMTP, holds and refusals, by recipient and by sender; senders that
are rewritten when an alias passes mail on (SRS), and the way back."""
import email
import json
import os
import re
import smtplib
import unittest
import uuid

import authority
import dnszone
import postern
from postern import account, change, deliver, imap, message, put_in_force, sql, tls, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "4", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "tls_trust={trust}",
           "--set", "outbound.retry_first=2s",
           "--set", "outbound.retry_second=2s", "--set", "outbound.retry_third=2s",
           "--set", "outbound.retry_later=2s"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
MX, ONE, TWO = "127.0.1.1", "127.0.1.11", "127.0.1.12"
ZONE = """
@       MX 10 mx
mx      A %s
dead    MX 10 nobody
nobody  A 127.0.1.99
relay   A %s
""" % (MX, ONE)
PASSWORD = "what only the relay knows"


def setUpModule():
    global zone, pki
    pki = authority.Authority(os.environ["POSTERN_TEST_PKI"])
    zone = dnszone.Zone({"out.test": ZONE, "elsewhere.example": "@ MX 10 mx\nmx A %s\n" % TWO},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    change("domain", "add", "other.test", "--kind", "alias", "--target", "example.org")


def tearDownModule():
    zone.close()


def ok(*argv, text_in=None):
    """The command's JSON, or None where it prints nothing."""
    status, out, err = postern.postern("--json", *argv, text_in=text_in)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


def routes():
    return ok("route", "list")


def submit(to, sender=None, who=0):
    """Sends one message as a user to the addresses; its subject."""
    a = account(who)
    sender = sender or a["address"]
    m = message(to[0], "route " + uuid.uuid4().hex, sender=sender)
    with postern.smtp(who % 2, "submission") as s:
        s.starttls(context=tls())
        s.login(a["address"], a["password"])
        s.send_message(m, sender, to)
    return m["Subject"]


def waiting(address):
    """The queue's row for an address, once it is there."""
    return until(lambda: next((r for r in ok("queue", "list") if r["address"] == address), None))


def notice(who, about):
    """The words of the notice in a user's INBOX that tells of an address."""
    def look():
        box = imap(who)
        box.select("INBOX", readonly=True)
        _, found = box.search(None, "HEADER", "Content-Type", "multipart/report")
        texts = [email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1]).as_string()
                 for n in found[0].split()]
        box.logout()
        return next((t for t in texts if about in t), None)
    return until(look)


class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        for r in routes():
            change("route", "remove", r["domain"], *(["--sender", r["sender"]] if r["sender"] else []))
        self.assertTrue(until(lambda: not ok("queue", "list")), ok("queue", "list"))

    def sink(self, host, **more):
        s = Sink(host, PORT, **more)
        self.addCleanup(s.close)
        return s

    def subject_of(self, sink, n=1):
        mails = sink.wait(n)
        self.assertEqual(len(mails), n)
        return email.message_from_bytes(mails[n - 1].data)["Subject"]


class Routes(Case):
    def test_two_relays_by_the_sender_s_domain(self):
        mx, one, two = self.sink(MX), self.sink(ONE), self.sink(TWO)
        change("route", "add", "*", "relay", "[%s]" % ONE, "--sender", "@example.org")
        change("route", "add", "*", "relay", "[%s]:%d" % (TWO, PORT), "--sender", "@other.test")
        local = account(0)["address"].partition("@")[0]
        a = submit(["x@out.test"])
        b = submit(["x@out.test"], local + "@other.test")
        self.assertEqual(self.subject_of(one), a)
        self.assertEqual(self.subject_of(two), b)
        self.assertEqual(mx.mails, [])
        # What is said of the recipient's domain goes before what is said of senders.
        change("route", "add", "out.test", "mx")
        self.assertEqual(submit(["x@out.test"]), self.subject_of(mx))
        # One sender before its domain.
        change("route", "add", "*", "relay", "[%s]" % TWO, "--sender", account(1)["address"])
        c = submit(["x@else.out.test"], who=1)
        self.assertEqual(self.subject_of(two, 2), c)

    def test_a_suffix_and_a_relay_by_its_name(self):
        one = self.sink(ONE)
        change("route", "add", ".out.test", "relay", "relay.out.test:%d" % PORT)
        self.assertEqual(submit(["x@a.b.out.test"]), self.subject_of(one))
        self.assertEqual(len(one.mails), 1)

    def test_a_relay_that_wants_a_log_in(self):
        one = self.sink(ONE, **pki.self_signed("relay", "relay.out.test"),
                        users={b"we": PASSWORD.encode()})
        change("route", "add", "*", "relay", "[%s]" % ONE, "--user", "we", "--password-stdin",
               "--tls", "encrypt", text_in="not that\n")
        subject = submit(["x@out.test"])
        row = until(lambda: next((r for r in ok("queue", "list") if r.get("attempts")), None))
        self.assertIn("not you", row["last_error"])
        change("route", "edit", "*", "--password-stdin", text_in=PASSWORD + "\n")
        self.assertEqual(self.subject_of(one), subject)
        self.assertEqual(one.mails[0].user, b"we")
        self.assertTrue(one.mails[0].tls)
        # The other back-end has a box of its own.
        for who in range(4):
            submit(["x@out.test"], who=who)
        self.assertEqual(len(one.wait(5)), 5)
        self.assertTrue(ok("route", "show", "*")["password"])
        # Nowhere in clear: not in the directory, its audit, or a log.
        self.assertEqual(sql("select count(*) from route_boxes")[0][0], "2")
        for table in ("routes", "route_boxes", "audit", "dir_change"):
            text = str(sql("select * from " + table))
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn(PASSWORD.encode().hex(), text)
        for node in ("be1", "be2", "fe1", "fe2"):
            self.assertEqual(postern.log_lines(node, PASSWORD), [])

    def test_no_log_in_without_tls(self):
        one = self.sink(ONE, users={b"we": PASSWORD.encode()})
        change("route", "add", "*", "relay", "[%s]" % ONE, "--user", "we", "--password-stdin",
               "--tls", "encrypt", text_in=PASSWORD + "\n")
        submit(["x@out.test"])
        self.assertTrue(until(lambda: next((r for r in ok("queue", "list") if r.get("attempts")),
                                           None)))
        self.assertFalse(any(c.upper().startswith((b"AUTH", b"MAIL")) for c in one.commands))
        one.close()
        change("route", "edit", "*", "--action", "reject", "--target", "gone", "--user", "none",
               "--tls", "default")
        self.assertTrue(until(lambda: not ok("queue", "list")))

    def test_a_log_in_goes_to_a_verified_name(self):
        users = {b"we": PASSWORD.encode()}
        one = self.sink(ONE, **pki.leaf("impostor", "other.out.test"), users=users)
        change("route", "add", "*", "relay", "[relay.out.test]", "--user", "we", "--password-stdin",
               text_in=PASSWORD + "\n")
        self.assertEqual(ok("route", "show", "*")["tls"], "verify")
        subject = submit(["x@out.test"])
        self.assertTrue(until(lambda: next((r for r in ok("queue", "list") if r.get("attempts")),
                                           None)))
        self.assertFalse(any(c.upper().startswith((b"AUTH", b"MAIL")) for c in one.commands))
        one.close()
        one = self.sink(ONE, **pki.leaf("relay", "relay.out.test"), users=users)
        self.assertEqual(self.subject_of(one), subject)
        self.assertEqual(one.mails[0].user, b"we")
        # One by its MX: a name below the relay's domain.
        two = self.sink(TWO, **pki.leaf("mx", "mx.elsewhere.example"), users=users)
        change("route", "edit", "*", "--target", "elsewhere.example")
        self.assertEqual(submit(["x@out.test"], who=1), self.subject_of(two))

    def test_tls_is_demanded_of_the_next_host(self):
        one, mx = self.sink(ONE), self.sink(MX)
        for destination in ("out.test", "[%s]" % ONE):
            change("tls-policy", "set", destination, "encrypt")
            self.addCleanup(postern.postern, "tls-policy", "remove", destination)
        # Another name of ours makes another way to the domain of it, under its policy.
        change("route", "add", "out.test", "mx", "--helo", "we.example.org")
        change("route", "add", "else.test", "relay", "[%s]" % ONE)
        a, b = submit(["x@out.test"]), submit(["x@else.test"])
        for address in ("x@out.test", "x@else.test"):
            self.assertTrue(until(lambda at=address: (waiting(at) or {}).get("attempts")))
        self.assertFalse(any(c[:4].upper() == b"MAIL" for c in one.commands + mx.commands))
        # What the route itself demands wins.
        change("route", "edit", "out.test", "--tls", "may")
        self.assertEqual(self.subject_of(mx), a)
        change("tls-policy", "remove", "[%s]" % ONE)
        self.assertEqual(self.subject_of(one), b)

    def test_lmtp_answers_for_each_recipient(self):
        one = self.sink(ONE, lmtp=True)
        change("route", "add", "out.test", "lmtp", "%s:%d" % ("[%s]" % ONE, PORT))
        submit(["a@out.test", "dot-550@out.test", "dot-452@out.test"], who=2)
        self.assertEqual(len(one.wait(1)[0].rcpts), 1)
        self.assertIn(b"a@out.test", one.mails[0].rcpts[0])
        self.assertIn("that is so", notice(2, "dot-550@out.test"))
        row = waiting("dot-452@out.test")
        self.assertTrue(until(lambda: "that is so" in (waiting("dot-452@out.test") or {})
                              .get("last_error", "")), row)
        change("route", "edit", "out.test", "--action", "reject", "--target", "no more of that")
        self.assertIn("no more of that", notice(2, "dot-452@out.test"))

    def test_direct_first(self):
        mx, one = self.sink(MX), self.sink(ONE)
        change("route", "add", "*", "relay", "[%s]" % ONE, "--first", "direct")
        self.assertEqual(submit(["x@out.test"]), self.subject_of(mx))
        self.assertEqual(one.mails, [])
        mx.does["rcpt"] = b"451 4.7.1 later"
        self.assertEqual(submit(["x@out.test"]), self.subject_of(one))
        # Nobody there at all: all that waits for it goes to the relay.
        for i in range(5):
            submit(["x%d@dead.out.test" % i], who=i % 4)
        self.assertEqual(len(one.wait(6)), 6)
        # What is refused for good is no matter for the relay.
        mx.does["rcpt"] = b"550 5.1.1 no such user"
        submit(["never@out.test"], who=3)
        self.assertIn("no such user", notice(3, "never@out.test"))
        self.assertEqual(len(one.mails), 6)

    def test_hold_and_what_waits_goes_another_way_at_once(self):
        mx, one = self.sink(MX), self.sink(ONE)
        change("route", "add", ".out.test", "hold")
        change("route", "add", "out.test", "hold")
        a, b = submit(["x@out.test"]), submit(["x@sub.out.test"], who=1)
        for address in ("x@out.test", "x@sub.out.test"):
            self.assertIsNotNone(waiting(address))
        change("route", "edit", ".out.test", "--action", "relay", "--target", "[%s]" % ONE)
        self.assertEqual(self.subject_of(one), b)
        self.assertEqual(mx.mails, [])
        change("route", "remove", "out.test")
        self.assertEqual(self.subject_of(mx), a)

    def test_what_cannot_be_reached_waits_for_a_route(self):
        submit(["x@dead.out.test"])
        self.assertTrue(until(lambda: (waiting("x@dead.out.test") or {}).get("attempts")))
        one = self.sink(ONE)
        change("route", "add", "dead.out.test", "relay", "[%s]" % ONE)
        self.assertEqual(len(one.wait(1)), 1)

    def test_reject(self):
        change("route", "add", "out.test", "reject", "We do not write to them.")
        submit(["x@out.test"], who=1)
        words = notice(1, "x@out.test")
        self.assertIn("We do not write to them.", words)
        self.assertIn("5.7.1", words)

    def test_our_name_and_our_address(self):
        one, mx = self.sink(ONE), self.sink(MX)
        change("route", "add", "*", "relay", "[%s]" % ONE, "--helo", "we.example.org",
               "--source4", "127.0.0.77")
        submit(["x@elsewhere.example"])
        change("route", "add", "out.test", "mx")
        put_in_force("outbound.helo", "all.example.org")
        put_in_force("outbound.source4", "127.0.0.78")
        self.addCleanup(ok, "setting", "unset", "outbound.helo")
        self.addCleanup(ok, "setting", "unset", "outbound.source4")
        a = one.wait(1)[0]
        self.assertEqual((a.helo, a.peer), (b"we.example.org", "127.0.0.77"))
        submit(["x@out.test"])
        b = mx.wait(1)[0]
        self.assertEqual((b.helo, b.peer), (b"all.example.org", "127.0.0.78"))

    def test_connections_to_one_relay(self):
        one = self.sink(ONE)
        change("route", "add", "*", "relay", "[%s]" % ONE, "--connections", "1")
        one.does["mail"] = "hang"
        for i in range(12):
            submit(["x@d%d.out.test" % i], who=i % 4)
        self.assertTrue(one.wait_sessions(1))
        one.does.clear()
        one.closing.set()
        one.close()
        # Each back-end's queue, each worker, counts for itself: one each at the least.
        self.assertLessEqual(one.open_most, 4)
        again = self.sink(ONE)
        self.assertGreaterEqual(len(again.wait(11, 60)), 11)


class Management(Case):
    def refused(self, *argv, words):
        status, _, err = postern.postern("route", *argv)
        self.assertNotEqual(status, 0, argv)
        self.assertRegex(err, words)

    def test_show_list_edit_remove(self):
        change("route", "add", "Example.COM", "relay", "Smart.Example.NET:587", "--sender",
               "Me@Example.ORG", "--connections", "7", "--tls", "encrypt")
        row = ok("route", "show", "example.com", "--sender", "me@example.org")
        self.assertEqual((row["domain"], row["sender"], row["action"], row["target"], row["tls"],
                          row["connections"], row["password"]),
                         ("example.com", "me@example.org", "relay", "smart.example.net:587",
                          "encrypt", 7, False))
        change("route", "edit", "example.com", "--sender", "me@example.org", "--tls", "default",
               "--connections", "none")
        row, = routes()
        self.assertEqual((row["target"], row["tls"], row["connections"]),
                         ("smart.example.net:587", None, 0))
        self.assertIn("smart.example.net:587", postern.postern("route", "list")[1])
        methods = [r[0] for r in sql("select method from audit where target ilike 'example.com'")]
        self.assertIn("route.add", methods)
        self.assertIn("route.edit", methods)

    def test_what_is_refused(self):
        change("route", "add", "a.test", "hold")
        self.refused("add", "a.test", "mx", words="already")
        self.refused("add", "b test", "mx", words="not a domain")
        self.refused("add", "b.test", "relay", words="not a host")
        self.refused("add", "b.test", "relay", "[h.test", words="without its")
        self.refused("add", "b.test", "relay", "h.test:0", words="not a port")
        self.refused("add", "b.test", "relay", "192.0.2.1", "--source4", "::1", words=".")
        self.refused("add", "b.test", "hold", "h.test", words="may be asked for")
        self.refused("add", "b.test", "reject", words="has a text")
        self.refused("add", "b.test", "reject", "a\nb", words="printable")
        self.refused("add", "b.test", "mx", "--sender", "nobody", words="not an address")
        self.refused("add", "b.test", "relay", "h.test", "--user", "u", "--password", "p", "--tls",
                     "may", words="needs TLS")
        self.refused("add", "b.test", "lmtp", "h.test", "--first", "direct", words="relay only")
        self.refused("add", "b.test", "mx", "--connections", "101", words="at most 100")
        self.refused("edit", "b.test", "--tls", "may", words="no such route")
        self.refused("remove", "b.test", words="no such route")
        self.refused("edit", "a.test", "--action", "relay", "--target", "h.test", "--user", "u",
                     words="without a password")


class Rewriting(Case):
    STRANGER = "stranger@elsewhere.example"

    def setUp(self):
        super().setUp()
        self.mx, self.home = self.sink(MX), self.sink(TWO)
        change("alias", "add", "away@example.org", "friend@out.test")
        self.addCleanup(change, "alias", "remove", "away@example.org")

    def passed_on(self, sender=STRANGER, n=1):
        """MAIL's reverse-path of a message that an alias has passed on."""
        deliver(["away@example.org"], sender=sender)
        mails = self.mx.wait(n)
        self.assertEqual(len(mails), n)
        return re.search(rb"<(.*?)>", mails[n - 1].sender).group(1).decode()

    def bounce(self, to, sender=""):
        with postern.smtp() as s:
            s.sendmail(sender, [to], b"Subject: bounce\r\n\r\nIt came back.\r\n")

    def code_for(self, to, sender=""):
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as e:
            self.bounce(to, sender)
        return e.exception.recipients[to][0], e.exception.recipients[to][1]

    def test_there_and_back(self):
        path = self.passed_on()
        self.assertRegex(path, r"^SRS0=[a-z2-7]{6}=[a-z2-7]{2}=elsewhere\.example=stranger"
                               r"@example\.org$")
        # Others change case.
        self.bounce(path.lower())
        mail, = self.home.wait(1)
        self.assertIn(b"<>", mail.sender)
        self.assertIn(b"<stranger@elsewhere.example>", mail.rcpts[0])
        self.assertIn(b"It came back.", mail.data)

    def test_forged_and_misused(self):
        path = self.passed_on()
        c = path[5]
        forged = path[:5] + ("a" if c != "a" else "b") + path[6:]
        self.assertEqual(self.code_for(forged)[0], 550)
        self.assertIn(b"5.1.1", self.code_for(forged)[1])
        self.assertEqual(self.code_for(path.replace("stranger", "somebody"))[0], 550)
        # Only what bounces: it is no address to write to.
        self.assertEqual(self.code_for(path, "a@elsewhere.example")[0], 550)
        self.assertEqual(self.home.mails, [])

    def test_what_was_rewritten_before(self):
        path = self.passed_on("SRS0=abcd=xy=first.example=user@elsewhere.example")
        self.assertRegex(path, r"^SRS1=[a-z2-7]{6}=elsewhere\.example==abcd=xy=first\.example=user"
                               r"@example\.org$")
        self.bounce(path)
        mail, = self.home.wait(1)
        self.assertIn(b"<SRS0=abcd=xy=first.example=user@elsewhere.example>", mail.rcpts[0])

    def test_ours_and_null_senders_stay(self):
        a = account(0)
        submit(["away@example.org"])
        self.assertIn(a["address"].encode(), self.mx.wait(1)[0].sender)
        self.assertEqual(self.passed_on("", 2), "")

    def test_a_failed_forward_comes_back_to_the_stranger(self):
        self.mx.does["rcpt"] = b"550 5.1.1 no such user"
        deliver(["away@example.org"], sender=self.STRANGER)
        mail, = self.home.wait(1)
        self.assertIn(b"<>", mail.sender)
        self.assertIn(b"<stranger@elsewhere.example>", mail.rcpts[0])
        self.assertIn(b"no such user", mail.data)

    def test_settings(self):
        change("setting", "set", "srs.domain", "other.test")
        self.addCleanup(ok, "setting", "unset", "srs.domain")
        self.assertTrue(self.passed_on().endswith("@other.test"))
        change("setting", "set", "srs.domain", "off")
        self.assertEqual(self.passed_on(n=2), self.STRANGER)
        change("setting", "set", "outbound.masquerade", "example.net elsewhere.example")
        self.addCleanup(ok, "setting", "unset", "outbound.masquerade")
        self.assertEqual(self.passed_on("stranger@pc7.elsewhere.example", n=3), self.STRANGER)


if __name__ == "__main__":
    unittest.main()
