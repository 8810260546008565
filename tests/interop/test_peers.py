"""Other people's mail servers: mail from us to Postfix, Exim and OpenSMTPD, and from them to us.
tests/lib/peers.py runs them."""
import email
import os
import smtplib
import unittest
import uuid

import dnszone
import peers
from outgoing import fields, notice, queue, submit, submit_bytes, waiting
from postern import account, frontend, imap, message, subjects, until

CLUSTER = ["--accounts", "6", "--set", "dns={dns}", "--set", "smtp.port_out={out}",
           "--set", "tls_trust={trust}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
HOSTS = {"postfix": "127.0.1.31", "exim": "127.0.1.32", "opensmtpd": "127.0.1.33"}
ZONE = "".join("%s MX 10 mx.%s\nmx.%s A %s\n" % (n, n, n, host) for n, host in HOSTS.items())
HEAD = ("From: %s\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8"
        "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")


def setUpModule():
    global zone
    zone = dnszone.Zone({"peers.test": ZONE},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def body_of(mail):
    return mail.partition(b"\n\n")[2]


def received(mail):
    """The field that the peer put on it."""
    return email.message_from_bytes(mail).get_all("Received")[0]


def lines(size):
    """About so many bytes of text, no line like another."""
    return "".join("%07d %s\r\n" % (i, "." * 63) for i in range(size // 73))


class Peer:
    """What is true of each; `who` is the account that writes to it, so that notices do not mix."""
    server = who = None
    unknown = None  # its words for a recipient whom it does not know
    envid = "env+id"

    @classmethod
    def setUpClass(cls):
        peers.demand(cls.server)
        fe = frontend()
        cls.peer = cls.server(HOSTS[cls.server.name], PORT, (fe["host"], fe["ports"]["smtp"]))
        cls.addClassCleanup(cls.peer.close)

    def at(self, *users):
        return ["%s@%s" % (u, self.peer.domain) for u in users]

    def write(self, user, body, **options):
        """Submits a message of this text; its subject."""
        subject = uuid.uuid4().hex
        head = HEAD % (account(self.who)["address"], subject)
        submit_bytes(self.who, self.at(user), (head + body).encode(), **options)
        return subject

    def sent(self):
        """Nothing waits in our queue for it."""
        self.assertTrue(until(lambda: not any(r["address"].endswith("@" + self.peer.domain)
                                              for r in queue())), self.peer.log()[-2000:])

    def taken(self, user, n=1):
        mails = self.peer.wait(n, user)
        self.assertEqual(len(mails), n, self.peer.log()[-3000:])
        return mails

    def test_text_arrives_as_it_was(self):
        body = ("\u00e4\u00f6\u00fc \u2013 8 bits\r\n.\r\n..\r\n.dot\r\n\r\n" + "x" * 998 + "\r\n" +
                "." + "y" * 997 + "\r\n \r\nlast\r\n")
        self.write("u1", body, options=["BODY=8BITMIME"])
        mail, = self.taken("u1")
        self.assertEqual(body_of(mail), body.encode().replace(b"\r\n", b"\n"))
        self.check_tls(mail)

    def check_tls(self, mail):
        self.assertRegex(received(mail), r"TLSv?1\.3")

    def test_large_message(self):
        body = lines(5 * 1024 * 1024)
        self.write("u2", body)
        mail, = self.taken("u2")
        self.assertEqual(body_of(mail), body.encode().replace(b"\r\n", b"\n"))

    def test_too_large(self):
        self.write("u3", lines(peers.MESSAGE_MAX + 1024 * 1024))
        m = notice(self.who, self.at("u3")[0])
        self.assertIsNotNone(m, self.peer.log()[-2000:])
        self.assertEqual(fields(m)["Status"], "5.3.4")
        self.assertEqual(self.peer.mail("u3"), [])

    def test_twenty_recipients(self):
        good = ["u%d" % i for i in range(4, 20)]
        bad = ["nobody%d" % i for i in range(4)]
        subject = submit(self.at(*good, *bad), who=self.who)
        for user in good:
            mail, = self.taken(user)
            self.assertIn(subject.encode(), mail)
        m = notice(self.who, self.at(bad[3])[0])
        told = [fields(m, n) for n in range(1, 5)]
        self.assertEqual(sorted(f["Final-Recipient"] for f in told),
                         ["rfc822; " + a for a in self.at(*bad)])
        for f in told:
            self.assertEqual((f["Action"], f["Status"]), ("failed", self.unknown[0]))
            self.assertRegex(" ".join(f["Diagnostic-Code"].split()), self.unknown[1])
            self.assertEqual(f["Remote-MTA"], "dns; " + self.peer.domain)

    def test_refused_for_now(self):
        subject = submit(self.at("late"), who=self.who)
        row = waiting(self.at("late")[0])
        self.assertRegex(row["last_error"], "45[01].*come back later")
        self.peer.restart(late=False)
        mail, = self.taken("late")
        self.assertIn(subject.encode(), mail)
        self.sent()

    def test_it_tells_of_success(self):
        submit(self.at("u20"), who=self.who, options=["ENVID=env+2Bid"],
               rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;first@" + self.peer.domain])
        m = notice(self.who, self.at("u20")[0])
        self.assertIsNotNone(m, self.peer.log()[-3000:])
        self.assertIn("@" + self.peer.domain, m["From"])
        self.assertIn(self.peer.domain, fields(m, 0)["Reporting-MTA"])
        self.assertEqual(fields(m, 0)["Original-Envelope-Id"], self.envid)
        self.assertRegex(fields(m)["Action"], "(?i)delivered")

    def test_sessions_are_used_again(self):
        wanted = {submit(self.at("u20"), who=self.who) for _ in range(8)}
        self.assertTrue(until(lambda: self.all_there("u20", wanted)))
        # Postfix tells of a session when it ends, and we end it when nothing is left to send.
        self.assertTrue(until(lambda: max(self.peer.sessions(), default=0) > 2), self.peer.log())

    def all_there(self, user, wanted):
        got = b"".join(m.partition(b"\n\n")[0] for m in self.peer.mail(user))
        return all(subject.encode() in got for subject in wanted)

    def test_death_in_a_session(self):
        wanted = {self.write("u20", lines(2 * 1024 * 1024)) for _ in range(4)}
        self.assertTrue(until(lambda: any(s.encode() in m for s in wanted
                                          for m in self.peer.mail("u20"))))
        self.peer.restart(late=self.peer.late)
        self.assertTrue(until(lambda: self.all_there("u20", wanted)))
        self.sent()

    def test_mail_to_us(self):
        subject, to = uuid.uuid4().hex, account(self.who)["address"]
        m = message(to, subject, sender="someone@" + self.peer.domain)
        with smtplib.SMTP(self.peer.host, self.peer.port, timeout=20) as s:
            s.sendmail(m["From"], [to], m.as_bytes())
        self.assertTrue(until(lambda: subject in subjects(imap(self.who))),
                        self.peer.log()[-3000:])


class Postfix(Peer, unittest.TestCase):
    server, who = peers.Postfix, 0
    unknown = "5.1.1", "550 5.1.1 .*User unknown in virtual mailbox table"


class PostfixByLmtp(unittest.TestCase):
    """It is the relay in front of us: each recipient of a message has its own answer."""

    @classmethod
    def setUpClass(cls):
        peers.demand(peers.PostfixLmtp)
        fe = frontend()
        cls.peer = peers.PostfixLmtp("127.0.1.34", PORT, (fe["host"], fe["ports"]["lmtp"]))
        cls.addClassCleanup(cls.peer.close)

    def test_mail_to_us(self):
        users = [account(i)["address"] for i in (0, 1)]
        m = message(users[0], uuid.uuid4().hex, sender="u1@" + self.peer.domain)
        with smtplib.SMTP(self.peer.host, self.peer.port, timeout=20) as s:
            s.sendmail(m["From"], [users[0], "nobody@example.org", users[1]], m.as_bytes())
        for who in (0, 1):
            self.assertTrue(until(lambda: m["Subject"] in subjects(imap(who))), self.peer.log())
        # It tells the sender itself of whom we refused.
        bounce, = self.peer.wait(1, "u1")
        self.assertIn(b"nobody@example.org", bounce)
        self.assertIn(b"5.1.1", bounce)
        self.assertNotIn(users[0].encode() + b">: host", bounce)
        self.assertRegex(self.peer.log(), r"postfix/lmtp\S* .*to=<%s>.*status=sent" % users[1])


class Exim(Peer, unittest.TestCase):
    server, who = peers.Exim, 1
    unknown = "5.0.0", "550 Unrouteable address"
    envid = "env+2Bid"  # 4.96 takes the encoding for the thing itself


class Opensmtpd(Peer, unittest.TestCase):
    """Debian 12's, with OpenSSL 3, offers STARTTLS and then fails every handshake: mail for it goes
    in clear after that."""
    server, who = peers.Opensmtpd, 2
    unknown = "5.0.0", "550 Invalid recipient"
    envid = None  # its reports do not name it

    def check_tls(self, mail):
        self.assertIn("smtp disconnected reason=\"io-error: error:0A080006:SSL", self.peer.log())
        self.assertNotIn("TLS", received(mail))


if __name__ == "__main__":
    unittest.main()
