"""Other people's servers that routes name: smart hosts that want a log-in under verified TLS, Dovecot
by LMTP, and one that asks for its mail. tests/lib/relays.py runs them."""
import email
import json
import os
import smtplib
import subprocess
import tempfile
import unittest
import uuid

import authority
import dkim_check
import dnszone
import peers
import postern
import relays
from outgoing import fields, notice, queue, submit, submit_bytes, waiting
from postern import account, frontend, log_lines, log_size, until
from sink import Sink

CLUSTER = ["--accounts", "6", "--set", "dns={dns}", "--set", "smtp.port_out={out}",
           "--set", "tls_trust={trust}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
HOSTS = {"postfix": "127.0.1.41", "exim": "127.0.1.42", "opensmtpd": "127.0.1.43",
         "dovecot": "127.0.1.44"}
FAR = "127.0.1.45"  # where smart hosts send everything
# Each has a second name, which its certificate does not have.
ZONE = "".join("%s A %s\nother-%s A %s\n" % (n, host, n, host) for n, host in HOSTS.items())
BODY = ("\u00e4\u00f6\u00fc \u2013 8 bits\r\n.\r\n..\r\n.dot\r\n\r\n" + "x" * 998 + "\r\n \r\n" +
        "".join("%07d %s\r\n" % (i, "." * 63) for i in range(3000)) + "last\r\n")


def setUpModule():
    global far, started
    started = {}
    zone = dnszone.Zone({"relays.test": ZONE},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    unittest.addModuleCleanup(zone.close)
    far = Sink(FAR, PORT)
    unittest.addModuleCleanup(far.close)
    ok("dkim", "add", "example.org")
    unittest.addModuleCleanup(forget_keys)
    ok("dkim", "activate", "example.org", "--force")


def ok(*argv, text_in=None):
    status, out, err = postern.postern("--json", *argv, text_in=text_in)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


def forget_keys():
    for key in ok("dkim", "list"):
        ok("dkim", "retire", key["domain"], key["selector"])
        ok("dkim", "remove", key["domain"], key["selector"])


def running(kind):
    """A server, started for the first test that wants it."""
    if kind not in started:
        peers.demand(kind)
        started[kind] = kind(HOSTS[kind.name], PORT, (FAR, PORT),
                             authority.Authority(os.environ["POSTERN_TEST_PKI"]))
        unittest.addModuleCleanup(started[kind].close)
    return started[kind]


class Case(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.forget)
        self.address = uuid.uuid4().hex + "@far.test"

    def forget(self):
        for r in ok("route", "list"):
            ok("route", "remove", r["domain"], *(["--sender", r["sender"]] if r["sender"] else []))
        for r in queue():
            ok("queue", "remove", "--id", r["id"])

    def write(self, *to, **options):
        """Submits BODY; its subject."""
        subject = uuid.uuid4().hex
        head = ("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n"
                "Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: "
                "text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                % (account(0)["address"], ", ".join(to), subject, subject))
        submit_bytes(0, to, (head + BODY).encode(), options=["BODY=8BITMIME"], **options)
        return subject

    def taken(self, log=lambda: ""):
        """The message that came to the far end for this test's address."""
        def look():
            return next((m for m in list(far.mails) if self.address.encode() in m.rcpts[0]), None)
        mail = until(look)
        self.assertIsNotNone(mail, (queue(), log()[-3000:]))
        return mail

    def check_whole(self, data):
        self.assertEqual(data.partition(b"\r\n\r\n")[2], BODY.encode())
        known = {k["record_name"]: k["record"] for k in ok("dkim", "list")}
        verdict, = dkim_check.verify([data], known)
        self.assertEqual(verdict, {k["selector"]: True for k in ok("dkim", "list")})


class SmartHost:
    """What is true of each; `mechanism` is the log-in that we choose of those that it has, in_clear
    what its log says of a session without one."""
    server = mechanism = refusal = in_clear = None

    @classmethod
    def setUpClass(cls):
        cls.relay = running(cls.server)

    def route(self, *more, password=relays.PASSWORD, target=None):
        ok("route", "add", "*", "relay", target or "[%s]:%d" % (self.relay.domain, PORT), "--user",
           relays.USER, "--password-stdin", *more, text_in=password + "\n")
        self.assertEqual(ok("route", "show", "*")["tls"], "verify")

    def test_a_message_arrives_whole_and_signed(self):
        self.route()
        before = len(self.relay.logged_in())
        self.write(self.address)
        self.check_whole(self.taken(self.relay.log).data)
        self.assertEqual(self.relay.logged_in()[before:], [self.mechanism])

    def test_a_wrong_password_loses_nothing(self):
        # With a name of its own it shares no connection with what went before.
        self.route("--helo", "new.example.org", password="not that")
        before, since = len(self.relay.logged_in()), log_size("fe1")
        self.write(self.address)
        row = waiting(self.address)
        self.assertEqual(row["status"][0], "4")
        self.assertRegex(row["last_error"], self.refusal)
        shown = ok("queue", "show", row["id"])
        self.assertEqual(shown["last_error"], row["last_error"])
        self.assertTrue(log_lines("fe1", "level=warn", "event=smtp_client.failed", "phase=auth",
                                  "code=535", since=since))
        # It is tried again by the schedule, and goes once the password is right.
        self.assertTrue(until(lambda: waiting(self.address)["attempts"] > 1))
        self.assertEqual(len(self.relay.logged_in()), before)
        ok("route", "edit", "*", "--password-stdin", text_in=relays.PASSWORD + "\n")
        self.check_whole(self.taken(self.relay.log).data)
        for node in ("fe1", "be1"):
            self.assertEqual(log_lines(node, "not that") + log_lines(node, relays.PASSWORD), [])

    def test_another_name_s_certificate(self):
        self.route(target="[other-%s]:%d" % (self.relay.domain, PORT))
        before = len(self.relay.logged_in())
        self.write(self.address)
        row = waiting(self.address)
        self.assertEqual((row["status"], row["last_error"]), (
            "4.7.5", "TLS failed: certificate is for other names: " + self.relay.domain))
        self.assertEqual(len(self.relay.logged_in()), before)
        ok("route", "edit", "*", "--target", "[%s]:%d" % (self.relay.domain, PORT))
        self.taken(self.relay.log)

    def test_no_log_in_in_clear(self):
        with smtplib.SMTP(self.relay.host, self.relay.clear, timeout=20) as s:
            s.ehlo()
            self.assertTrue(s.has_extn("auth") and not s.has_extn("starttls"))
        self.route(target="[%s]:%d" % (self.relay.domain, self.relay.clear))
        since = len(self.relay.log())
        self.write(self.address)
        row = waiting(self.address)
        self.assertEqual((row["status"], row["last_error"]), (
            "4.7.4", "TLS is required, and the host does not offer it"))
        # All that it heard.
        self.assertTrue(until(lambda: self.in_clear in self.relay.log()[since:]),
                        self.relay.log()[since:])
        ok("route", "edit", "*", "--target", "[%s]:%d" % (self.relay.domain, PORT))
        self.taken(self.relay.log)


class Postfix(SmartHost, Case):
    server, mechanism = relays.Postfix, "SCRAM-SHA-256"
    refusal = r"535 5\.7\.8 Error: authentication failed"
    in_clear = " ehlo=1 quit=1 commands=2"


class Exim(SmartHost, Case):
    server, mechanism = relays.Exim, "login"
    refusal = "535 Incorrect authentication data"
    in_clear = " C=EHLO,QUIT"


class Opensmtpd(Case):
    """Debian 12's fails every TLS handshake, with OpenSSL 3, and takes a log-in under TLS alone."""

    @classmethod
    def setUpClass(cls):
        cls.relay = running(relays.Opensmtpd)

    def test_no_tls_no_log_in(self):
        ok("route", "add", "*", "relay", "[%s]:%d" % (self.relay.domain, PORT), "--user",
           relays.USER, "--password-stdin", text_in=relays.PASSWORD + "\n")
        self.write(self.address)
        row = waiting(self.address)
        self.assertEqual(row["status"], "4.7.5")
        self.assertRegex(row["last_error"], "^TLS failed: ")
        self.assertNotIn("smtp authentication", self.relay.log())
        self.assertNotIn("smtp message", self.relay.log())
        # As a smart host for its own network it needs neither.
        ok("route", "edit", "*", "--target", "[%s]:%d" % (self.relay.domain, self.relay.clear),
           "--user", "none", "--tls", "may")
        self.check_whole(self.taken(self.relay.log).data)


class BySender(Case):
    def test_two_relays(self):
        ok("domain", "add", "other.test", "--kind", "alias", "--target", "example.org")
        self.addCleanup(ok, "domain", "remove", "other.test")
        local = account(0)["address"].partition("@")[0]
        for kind, domain in ((relays.Postfix, "example.org"), (relays.Exim, "other.test")):
            ok("route", "add", "*", "relay", "[%s]:%d" % (running(kind).domain, PORT), "--sender",
               "@" + domain, "--user", relays.USER, "--password-stdin",
               text_in=relays.PASSWORD + "\n")
        for kind, domain in ((relays.Postfix, "example.org"), (relays.Exim, "other.test")):
            self.address = uuid.uuid4().hex + "@far.test"
            m = postern.message(self.address, sender="%s@%s" % (local, domain))
            with postern.smtp(0, "submission") as s:
                s.starttls(context=postern.tls())
                s.login(account(0)["address"], account(0)["password"])
                s.send_message(m)
            self.assertEqual(self.taken(running(kind).log).peer, HOSTS[kind.name])


class Lmtp(Case):
    @classmethod
    def setUpClass(cls):
        cls.peer = running(relays.Dovecot)

    def setUp(self):
        super().setUp()
        ok("route", "add", self.peer.domain, "lmtp", "[%s]:%d" % (self.peer.domain, PORT), "--tls",
           "verify")

    def at(self, *users):
        return ["%s@%s" % (u, self.peer.domain) for u in users]

    def test_an_answer_for_each_recipient(self):
        subject = self.write(*self.at("u1", "nobody", "u19", "late", "u2", "u20"))
        for user in ("u1", "u2"):
            mail, = self.peer.wait(1, user)
            self.assertRegex(email.message_from_bytes(mail)["Received"], r"TLSv1\.3")
            self.check_whole(mail.replace(b"\n", b"\r\n"))
        m = notice(0, self.at("u19")[0])
        self.assertIsNotNone(m, self.peer.log())
        told = {f["Final-Recipient"].partition("; ")[2]: f
                for f in m.get_payload()[1].get_payload()[1:]}
        self.assertEqual(set(told), set(self.at("nobody", "u19", "u20")))
        for user, status, words in (("nobody", "5.1.1", "550 5.1.1 .*User doesn't exist"),
                                    ("u19", "5.2.2", "552 5.2.2 .*Quota exceeded"),
                                    ("u20", "5.2.2", "552 5.2.2 .*Quota exceeded")):
            f = told[self.at(user)[0]]
            self.assertEqual((f["Action"], f["Status"], f["Remote-MTA"]),
                             ("failed", status, "dns; " + self.peer.domain))
            self.assertRegex(" ".join(f["Diagnostic-Code"].split()), words)
        self.assertRegex(waiting(self.at("late")[0])["last_error"], "452 4.2.2 .*Quota exceeded")
        self.peer.restart(late=False)
        mail, = self.peer.wait(1, "late")
        self.assertIn(subject.encode(), mail)
        self.assertEqual([len(self.peer.mail(u)) for u in ("u1", "u2", "u19", "u20")], [1, 1, 0, 0])

    def test_success_is_told(self):
        """Dovecot does not offer DSN: the last that tells is us."""
        submit(self.at("u3"), rcpt_options=["NOTIFY=SUCCESS"])
        m = notice(0, self.at("u3")[0])
        self.assertIsNotNone(m, self.peer.log())
        self.assertEqual((fields(m)["Action"], fields(m)["Status"]), ("relayed", "2.0.0"))
        self.assertEqual(len(self.peer.wait(1, "u3")), 1)


class Etrn(Case):
    def test_fetchmail_asks_and_postfix_gets_it(self):
        relay = running(relays.Postfix)
        domain = relay.domain
        ok("route", "add", domain, "hold", "[%s]:%d" % (domain, PORT), "--etrn", "127.0.0.0/8")
        subject = submit(["u5@" + domain])
        self.assertTrue(until(lambda: [r["state"] for r in queue()] == ["held"]))

        said = []

        def fetches():
            """Once the worker that it meets has heard that something may be asked for."""
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(["fetchmail", "-f", "/dev/null", "-p", "ETRN", "--service",
                                       str(frontend()["ports"]["smtp"]), "--fetchdomains", domain,
                                       "--pidfile", folder + "/pid", frontend()["host"]],
                                      capture_output=True, text=True, timeout=60,
                                      env={**os.environ, "FETCHMAILHOME": folder, "HOME": folder})
            said[:] = [done.stdout + done.stderr]
            return done.returncode == 0
        self.assertTrue(until(fetches), said)
        self.assertIn("Pending messages for %s started" % domain, said[0])
        mail, = relay.wait(1, "u5")
        self.assertIn(subject.encode(), mail)


if __name__ == "__main__":
    unittest.main()
