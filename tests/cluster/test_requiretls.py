"""REQUIRETLS and TLS-Required: No (RFC 8689) over two clusters and a third system: what a user of
the first says of a message holds until its end, also where the second passes it on, and for what
comes back of it.

  first   this file's own, of the domain a.signed.test; sends to the port where the second listens
  second  b.signed.test; its aliases lead to the third, at the port where the first listens
  third   sinks: on.signed.test offers REQUIRETLS, off.signed.test does not, and bad.signed.test has
          DANE's records of another key, as strict.signed.test, which is the second's, too, as is
          other.signed.test, whose host has no certificate for its name
"""
import email
import imaplib
import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import unittest
import uuid

import authority
import dnszone
from outgoing import fields, notice, submit, waiting
from postern import (BUILD, TOP, frontend, message, postern, put_in_force, setting, subjects,
                     until)
from sink import Sink

CLUSTER = ["--accounts", "2", "--domain", "a.signed.test", "--set", "dns={dns}",
           "--set", "dns_anchors={anchors}", "--set", "tls_trust={trust}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s"]
SOON = CLUSTER[-8:]

BESIDE = 3  # the second cluster's ports, from the first one's: none is another's
SINKS = {"on": "127.0.2.1", "off": "127.0.2.2", "back": "127.0.2.3", "deaf": "127.0.2.4",
         "bad": "127.0.2.5"}
OFFERS = ("PIPELINING", "8BITMIME", "SIZE 60000000", "DSN")
SECURE = (*OFFERS, "REQUIRETLS")
MX = "%s MX 10 mx.%s\nmx.%s A %s"


class Second:
    """The other cluster, with a certificate for mx.b.signed.test that the first one verifies."""

    def __init__(self, dns, anchors, trust):
        base = frontend()["ports"]["smtp"] - 525
        self.folder = tempfile.mkdtemp(prefix="requiretls-")
        self.tool("up", "--domain", "b.signed.test", "--accounts", "1", "--base-port",
                  str(base + BESIDE), "--set", "dns=" + dns, "--set", "dns_anchors=" + anchors,
                  "--set", "tls_trust=" + trust, "--set", "smtp.port_out=%d" % (base + 525), *SOON)
        with open(os.path.join(self.folder, "cluster.json")) as f:
            c = json.load(f)
        f, a = c["frontends"][0], c["accounts"][0]
        self.host, self.port, self.imaps = f["host"], f["ports"]["smtp"], f["ports"]["imaps"]
        self.user, self.password = a["address"], a["password"]

    def tool(self, verb, *argv):
        done = subprocess.run([os.path.join(TOP, "deploy", "cluster"), verb, self.folder, *argv],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *argv):
        done = subprocess.run([os.path.join(BUILD, "postern"), "--cluster",
                               os.path.join(self.folder, "cluster.json"), *argv],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def present(self, cert, key, trust):
        """Front-ends show this certificate from now on."""
        for path, end in ((cert, ".pem"), (key, ".key")):
            shutil.copy(path, os.path.join(self.folder, "pki", "public" + end))
        self.tool("kill", "fe1", "HUP")
        ctx = ssl.create_default_context(cafile=trust)

        def known():
            try:
                with self.connect() as s:
                    s._host = "mx.b.signed.test"
                    s.starttls(context=ctx)
            except ssl.SSLCertVerificationError:
                return False
            return True
        assert until(known)

    def connect(self):
        return smtplib.SMTP(self.host, self.port, timeout=60)

    def has(self, subject):
        """In its user's mailbox, soon."""
        def look():
            with imaplib.IMAP4_SSL(self.host, self.imaps, timeout=60,
                                   ssl_context=ssl._create_unverified_context()) as box:
                box.login(self.user, self.password)
                return subject in subjects(box)
        return until(look)

    def close(self):
        self.tool("down")
        shutil.rmtree(self.folder, ignore_errors=True)


def setUpModule():
    global zone, second, pki
    keys = json.loads(os.environ["POSTERN_TEST_KEYS"])
    dns = os.environ["POSTERN_TEST_DNS"]
    pki = authority.Authority(os.environ["POSTERN_TEST_PKI"])
    here = frontend()["host"]
    hosts = [("a", here), ("b", here), ("strict", here), ("other", here), *SINKS.items()]
    records = [MX % (name, name, name, ip) for name, ip in hosts]
    usual = frontend()["ports"]["smtp"]
    for name, port in (("strict", usual + BESIDE), ("bad", usual)):
        records.append("_%d._tcp.mx.%s TLSA 3 1 1 %s" % (port, name, "5a" * 32))
    for name in ("b", "on", "off"):
        pki.leaf(name, "mx.%s.signed.test" % name)
    zone = dnszone.Zone({"signed.test": "\n".join(records)}, port=int(dns.partition(":")[2]),
                        keys={"signed.test": keys["signed.test"]})
    try:
        anchors = os.path.join(os.path.dirname(keys["signed.test"]), "anchors")
        second = Second(dns, anchors, pki.path("ca.pem"))
        second.present(pki.path("b.pem"), pki.path("b.key"), pki.path("ca.pem"))
        for name in ("strict", "other"):
            second.run("domain", "add", name + ".signed.test", "--target", "b.signed.test")
        for name in ("on", "off", "bad"):
            second.run("alias", "add", "to-%s@b.signed.test" % name, "x@%s.signed.test" % name)
    except BaseException:
        zone.close()
        raise
    put_in_force("smtp.port_out", str(second.port))


def tearDownModule():
    setting("smtp.port_out")
    second.close()
    zone.close()


class RequireTls(unittest.TestCase):
    def setUp(self):
        self.sinks = {}
        for name, ip in SINKS.items():
            # Whose certificate is whose does not matter to who asks for nothing.
            cert = name if name in ("on", "off") else "on"
            self.sinks[name] = Sink(ip, frontend()["ports"]["smtp"], **pki.files(cert),
                                    offers=SECURE if name in ("on", "back") else OFFERS)
            self.addCleanup(self.sinks[name].close)

    def one(self, name):
        mails = self.sinks[name].wait(1)
        self.assertEqual(len(mails), 1, name)
        return mails[0]

    def untouched(self, name):
        self.assertEqual([c for c in self.sinks[name].commands if c[:4] in (b"MAIL", b"DATA")], [])

    # ---- REQUIRETLS ----

    def test_it_goes_on_to_the_third(self):
        subject = submit(["to-on@b.signed.test"], options=["REQUIRETLS"])
        mail = self.one("on")
        self.assertIsNotNone(mail.tls)
        self.assertIn(b" REQUIRETLS", mail.sender)
        m = email.message_from_bytes(mail.data)
        self.assertEqual(m["Subject"], subject)
        # Both hops before were over TLS, too: the second's, and the submission.
        hops = m.get_all("Received")
        self.assertEqual([re.search(r"\sby \S+ with (\w+)", h)[1] for h in hops],
                         ["ESMTPS", "ESMTPSA"])

    def test_without_it_nothing_is_added(self):
        submit(["to-on@b.signed.test"])
        self.assertNotIn(b"REQUIRETLS", self.one("on").sender)
        submit(["to-off@b.signed.test"])
        self.one("off")

    def test_a_user_of_the_second(self):
        self.assertTrue(second.has(submit([second.user], options=["REQUIRETLS"])))

    def test_the_third_does_not_offer_it(self):
        """The second's notice comes back to the first's user: the header alone, whatever was asked
        for (section 5), over TLS."""
        submit(["to-off@b.signed.test"], who=1, options=["REQUIRETLS", "RET=FULL"])
        about = "x@off.signed.test"
        m = notice(1, about)
        told = fields(m)
        self.assertEqual((told["Action"], told["Status"]), ("failed", "5.7.30"))
        self.assertEqual(m.get_payload()[2].get_content_type(), "text/rfc822-headers")
        self.assertEqual(m["Return-Path"], "<>")
        self.assertIn(" with ESMTPS ", " ".join(m["Received"].split()) + " ")
        self.untouched("off")

    def test_what_asks_for_nothing_goes_past_it(self):
        """A message that waits for a certificate holds up no other one to the same domain."""
        submit(["waits@other.signed.test"], options=["REQUIRETLS"])
        row = waiting("waits@other.signed.test")
        self.assertIn("certificate is for other names", row["last_error"])
        user = second.user.partition("@")[0] + "@other.signed.test"
        self.assertTrue(second.has(submit([user])))

    def stranger(self, sender, to):
        """Hands a message to the second, over TLS and with REQUIRETLS."""
        with second.connect() as s:
            s.starttls(context=ssl._create_unverified_context())
            s.send_message(message(to, sender=sender), sender, [to], ["REQUIRETLS"])

    def test_the_notice_needs_what_the_message_needed(self):
        self.stranger("x@back.signed.test", "to-off@b.signed.test")
        mail = self.one("back")
        self.assertIsNotNone(mail.tls)
        self.assertTrue(mail.sender.startswith(b"MAIL FROM:<> "))
        self.assertIn(b" REQUIRETLS", mail.sender)
        self.assertNotIn(b"RET=", mail.sender)
        self.assertIn(b"5.7.30", mail.data)
        self.assertNotIn(b"\nHello.", mail.data)
        self.untouched("off")

    def test_a_notice_is_not_lost_for_it(self):
        """Where the way back does not know of it (section 5: SHOULD NOT be discarded)."""
        self.stranger("x@deaf.signed.test", "to-off@b.signed.test")
        mail = self.one("deaf")
        self.assertTrue(mail.sender.startswith(b"MAIL FROM:<>"))
        self.assertNotIn(b"REQUIRETLS", mail.sender)
        self.assertNotIn(b"\nHello.", mail.data)

    # ---- TLS-Required: No ----

    def test_no_policy_of_the_destination_counts(self):
        """Mail to strict.signed.test waits, unless its sender said that it need not be secure
        (section 3), and not that it must. Who waits is in nobody's way."""
        submit(["none@strict.signed.test"])
        submit(["both@strict.signed.test"], options=["REQUIRETLS"], headers={"TLS-Required": "No"})
        for to in ("none", "both"):
            row = waiting(to + "@strict.signed.test")
            self.assertEqual(row["status"], "4.7.5")
            self.assertIn("no TLSA record matches", row["last_error"])
        user = second.user.partition("@")[0] + "@strict.signed.test"
        self.assertTrue(second.has(submit([user], headers={"TLS-Required": "No"})))

    def test_it_holds_to_the_end(self):
        subject = submit(["to-bad@b.signed.test"], headers={"TLS-Required": "No"})
        m = email.message_from_bytes(self.one("bad").data)
        self.assertEqual((m["Subject"], m["TLS-Required"]), (subject, "No"))

    def test_who_runs_the_system_has_the_last_word(self):
        """A policy that an administrator has set is no destination's."""
        self.assertEqual(postern("tls-policy", "set", "b.signed.test", "verify", "--name",
                                 "mx.elsewhere.test")[0], 0)
        self.addCleanup(postern, "tls-policy", "remove", "b.signed.test")
        submit(["nobody@b.signed.test"], headers={"TLS-Required": "No"})
        self.assertIn("certificate is for other names",
                      waiting("nobody@b.signed.test")["last_error"])


if __name__ == "__main__":
    unittest.main()
