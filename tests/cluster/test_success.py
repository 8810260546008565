"""NOTIFY=SUCCESS for mailboxes of ours (RFC 3461): one notice of each address, whichever way the
message took, and what the sender put into its envelope is in it."""
import email
import os
import unittest
import uuid

import dnszone
import postern
from outgoing import queue
from postern import account, account_of, deliver, imap, message, smtp, subjects, tls, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "24", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
STRANGER, PLAIN = "127.0.6.1", "127.0.6.2"
ASKS = "NOTIFY=SUCCESS,FAILURE"


def setUpModule():
    global zone
    zone = dnszone.Zone({"far.test": "@ MX 10 mx\nmx A %s\n" % STRANGER,
                         "plain.test": "@ MX 10 mx\nmx A %s\n" % PLAIN},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def run(*argv):
    status, out, err = postern.postern(*argv)
    assert status == 0, err
    return out


def rows_of(m):
    """Of the recipients in a notice: {address: its fields}."""
    rows = m.get_payload()[1].get_payload()[1:]
    return {r["Final-Recipient"].partition(";")[2].strip(): r for r in rows}


class Success(unittest.TestCase):
    def setUp(self):
        self.far = Sink(STRANGER, PORT)
        self.addCleanup(self.far.close)
        self.sender = "s-%s@far.test" % uuid.uuid4().hex

    def send(self, to, service="smtp", envelope=(), sender=None, headers=()):
        """One message to several: {address: parameters of its RCPT}; its subject."""
        m = message(next(iter(to)), "success " + uuid.uuid4().hex)
        for name, value in headers:
            m[name] = value
        with smtp(0, service) as s:
            s.ehlo()
            self.assertEqual(s.docmd("MAIL", "FROM:<%s>%s" % (
                self.sender if sender is None else sender, "".join(" " + p for p in envelope)))[0],
                250)
            for address, parameters in to.items():
                code, words = s.docmd("RCPT", "TO:<%s> %s" % (address, parameters))
                self.assertEqual(code, 550 if address.startswith("nobody") else 250, words)
            code, words = s.data(m.as_bytes(policy=m.policy.clone(linesep="\r\n")))
            self.assertEqual(code, 250, words)
        return m["Subject"]

    def told(self, n):
        """What the stranger hears of n recipients, and no more: {address: (fields, notice)}. All
        that could be told of lies in the queue by then, or was sent."""
        def rows():
            out = []
            for mail in self.far.mails:
                m = email.message_from_bytes(mail.data)
                out += [(a, (f, m)) for a, f in rows_of(m).items()
                        if self.sender.encode() in b" ".join(mail.rcpts)]
            return out
        self.assertTrue(until(lambda: len(rows()) >= n and not queue()), (rows(), queue()))
        self.assertEqual(len(rows()), n)
        self.assertEqual(len(dict(rows())), n)
        for mail in self.far.mails:
            self.assertTrue(mail.sender.startswith(b"MAIL FROM:<>"), mail.sender)
        return dict(rows())

    def actions(self, n):
        return {a: f["Action"] for a, (f, _) in self.told(n).items()}

    def test_envelope_is_honoured(self):
        here, there = (account(account_of(be))["address"] for be in ("be1", "be2"))
        user, _, domain = here.partition("@")
        plus = "%s+lists@%s" % (user, domain)
        subject = self.send({here: ASKS + " ORCPT=rfc822;who+2Bis@first.test",
                             plus: "NOTIFY=SUCCESS", there: "NOTIFY=FAILURE,SUCCESS,DELAY"},
                            envelope=["RET=FULL", "ENVID=QQ+2B1"],
                            headers=[("Accept-Language", "de")])
        told = self.told(3)
        self.assertEqual(set(told), {here, plus, there})
        for address, (fields, m) in told.items():
            self.assertEqual((fields["Action"], fields["Status"]), ("delivered", "2.1.5"), address)
            self.assertNotIn("Diagnostic-Code", fields)
            self.assertNotIn("Remote-MTA", fields)
            about = m.get_payload()[1].get_payload()[0]
            self.assertEqual(about["Original-Envelope-Id"], "QQ+1")
            self.assertIn("Arrival-Date", about)
            self.assertEqual(m["Auto-Submitted"], "auto-replied")
            self.assertEqual(email.header.make_header(email.header.decode_header(m["Subject"])),
                             "Ihre Nachricht wurde zugestellt")
            # The whole goes back with failures alone (RFC 3461 section 6.2).
            back = m.get_payload()[2]
            self.assertEqual(back.get_content_type(), "text/rfc822-headers")
            self.assertIn(subject, back.as_string())
            self.assertNotIn("Hello.", m.as_string())
        self.assertEqual(told[here][0]["Original-Recipient"], "rfc822; who+is@first.test")
        self.assertNotIn("Original-Recipient", told[there][0])

    def test_who_did_not_ask_hears_nothing(self):
        a, b = account(0)["address"], account(1)["address"]
        self.send({a: "NOTIFY=NEVER", b: "NOTIFY=FAILURE,DELAY"})
        self.send({a: ASKS}, sender="")
        self.send({b: ASKS})  # what the others would have come before
        self.assertEqual(self.actions(1), {b: "delivered"})

    def test_an_alias_for_two(self):
        """On two back-ends, whichever of them leads: "expanded", once, and nothing of each."""
        one, two = account_of("be1", 1), account_of("be2", 1)
        run("alias", "add", "two@example.org", *(account(w)["address"] for w in (one, two)))
        self.addCleanup(run, "alias", "remove", "two@example.org")
        run("alias", "add", "single@example.org", account(one)["address"])
        self.addCleanup(run, "alias", "remove", "single@example.org")
        for n, first in enumerate((one, two)):
            self.sender = "s-%s@far.test" % uuid.uuid4().hex
            subject = self.send({account(first)["address"]: ASKS, "two@example.org": ASKS,
                                 "nobody@example.org": ASKS, "single@example.org": ASKS})
            self.assertEqual(self.actions(3), {account(first)["address"]: "delivered",
                                               "two@example.org": "expanded",
                                               "single@example.org": "delivered"})
            for who in (one, two):
                self.assertEqual(subjects(imap(who)).count(subject), 1)
        # One back-end has both.
        run("alias", "add", "near@example.org", *(account(account_of("be1", k))["address"]
                                                  for k in (1, 2)))
        self.addCleanup(run, "alias", "remove", "near@example.org")
        self.sender = "s-%s@far.test" % uuid.uuid4().hex
        self.send({"near@example.org": "NOTIFY=SUCCESS"})
        self.assertEqual(self.actions(1), {"near@example.org": "expanded"})

    def test_an_alias_with_a_member_elsewhere(self):
        with Sink(PLAIN, PORT) as plain:
            plain.offers.append("DSN")
            run("alias", "add", "mixed@example.org", account(2)["address"], "x@plain.test")
            self.addCleanup(run, "alias", "remove", "mixed@example.org")
            self.send({"mixed@example.org": ASKS})
            self.assertEqual(self.actions(1), {"mixed@example.org": "expanded"})
            mail, = plain.wait(1)
            self.assertIn(b"NOTIFY=FAILURE", mail.rcpts[0])
            self.assertNotIn(b"SUCCESS", mail.rcpts[0])

    def test_an_alias_for_one_elsewhere(self):
        """The wish goes on to a server that knows it; else it was relayed."""
        run("alias", "add", "away@example.org", "x@plain.test")
        self.addCleanup(run, "alias", "remove", "away@example.org")
        with Sink(PLAIN, PORT):
            self.send({"away@example.org": ASKS})
            self.assertEqual(self.actions(1), {"x@plain.test": "relayed"})
        with Sink(PLAIN, PORT) as plain:
            plain.offers.append("DSN")
            self.send({"away@example.org": ASKS + " ORCPT=rfc822;a@b.test"}, envelope=["ENVID=e1"])
            mail, = plain.wait(1)
            self.assertIn(b"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a@b.test", mail.rcpts[0])
            self.assertIn(b"ENVID=e1", mail.sender)
            self.assertEqual(self.actions(1), {"x@plain.test": "relayed"})

    def test_catch_all(self):
        run("domain", "edit", "example.org", "--catch-all", account(3)["address"])
        self.addCleanup(run, "domain", "edit", "example.org", "--catch-all", "none")
        self.assertTrue(until(lambda: self.accepts("whoever@example.org")))
        self.send({"whoever@example.org": ASKS})
        self.assertEqual(self.actions(1), {"whoever@example.org": "delivered"})

    def accepts(self, address):
        with smtp() as s:
            s.ehlo()
            s.docmd("MAIL", "FROM:<>")
            return s.docmd("RCPT", "TO:<%s>" % address)[0] == 250

    def test_a_full_mailbox_beside_others(self):
        """It is told when it has room, and not before."""
        for lead, other in (("be1", "be2"), ("be2", "be1")):
            near, full = account_of(lead, 3), account_of(other, 4)
            self.sender = "s-%s@far.test" % uuid.uuid4().hex
            address = account(full)["address"]
            has = int(imap(full).select("INBOX", readonly=True)[1][0])
            run("account", "quota", address, "--items", str(has + 1))
            self.addCleanup(run, "account", "quota", address, "--items", "none")
            with smtp() as s:  # it fills up after RCPT
                s.ehlo()
                s.docmd("MAIL", "FROM:<%s>" % self.sender)
                for a in (account(near)["address"], address):
                    self.assertEqual(s.docmd("RCPT", "TO:<%s> %s" % (a, ASKS))[0], 250)
                deliver([address])
                self.assertEqual(s.data(b"Subject: late\r\n\r\nx\r\n")[0], 250)
            self.assertTrue(until(lambda: self.far.mails))
            waits, = until(lambda: [r for r in queue() if r["kind"] != "notice"])
            self.assertEqual(waits["address"], address)
            self.assertEqual([list(rows_of(email.message_from_bytes(m.data)))
                              for m in self.far.mails], [[account(near)["address"]]])
            run("account", "quota", address, "--items", "none")
            self.assertEqual(self.actions(2), {account(near)["address"]: "delivered",
                                               address: "delivered"})
            self.far.mails.clear()

    def test_lmtp(self):
        a, b = (account(account_of(be, 5))["address"] for be in ("be1", "be2"))
        m = message(a)
        with smtp(0, "lmtp") as s:
            self.assertIn(b"DSN", s.docmd("LHLO", "relay.test")[1])
            s.docmd("MAIL", "FROM:<%s> ENVID=lm" % self.sender)
            for address in (a, b):
                self.assertEqual(s.docmd("RCPT", "TO:<%s> %s" % (address, ASKS))[0], 250)
            self.assertEqual(s.docmd("DATA")[0], 354)
            s.send(m.as_bytes(policy=m.policy.clone(linesep="\r\n")) + b".\r\n")
            self.assertEqual([s.getreply()[0] for _ in range(2)], [250, 250])
        self.assertEqual(self.actions(2), {a: "delivered", b: "delivered"})

    def test_submission(self):
        """To oneself and to a user of another back-end; the notices come to the mailbox."""
        who, other = account_of("be1", 6), account(account_of("be2", 6))["address"]
        own = account(who)["address"]
        m = message(other, "success " + uuid.uuid4().hex, sender=own)
        with smtp(1, "submission") as s:
            s.starttls(context=tls())
            s.login(own, account(who)["password"])
            s.sendmail(own, [own, other], m.as_bytes(policy=m.policy.clone(linesep="\r\n")),
                       ["RET=HDRS", "ENVID=sub"], [ASKS])

        def told():
            with imap(who) as box:
                box.select("INBOX", readonly=True)
                mails = [email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1])
                         for n in box.search(None, "ALL")[1][0].split()]
            return [(a, f["Action"]) for x in mails if x.get_content_type() == "multipart/report"
                    for a, f in rows_of(x).items()]
        self.assertTrue(until(lambda: len(told()) >= 2 and not queue()))
        self.assertEqual(sorted(told()), sorted([(own, "delivered"), (other, "delivered")]))


if __name__ == "__main__":
    unittest.main()
