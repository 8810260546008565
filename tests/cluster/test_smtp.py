"""SMTP and submission as strangers and users meet them, through to the mailbox."""
import base64
import contextlib
import hashlib
import hmac
import os
import re
import unittest
import uuid

from postern import account, account_of, change, cluster, log_lines, log_size, until
from raw import Imap, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode())


def address(who):
    return account(who)["address"].encode()


def logged_in(who, service="submissions"):
    s = smtp(service=service)
    if service == "submission":
        assert s.cmd(b"STARTTLS")[0] == 220
        s.starttls()
        assert s.cmd(b"EHLO client.example")[0] == 250
    a = account(who)
    assert s.cmd(b"AUTH PLAIN " + b64("\0%s\0%s" % (a["address"], a["password"])))[0] == 235
    return contextlib.closing(s)


def send(s, sender, to, text, params=b""):
    """(code, text) of the first reply that is not the expected one, or of the last."""
    for line, want in [(b"MAIL FROM:<%s>%s" % (sender, params), 250)] + \
            [(b"RCPT TO:<%s>" % t, 250) for t in to] + [(b"DATA", 354)]:
        r = s.cmd(line)
        if r[0] != want:
            return r
    return s.cmd(text + b"\r\n.")


class Mailbox:
    """An account's INBOX, and a message in it by a word of its subject."""

    def __init__(self, who, password=None):
        self.box = Imap({"address": who, "password": password} if password else who)
        self.box.ok(b"SELECT INBOX")

    def fetch(self, word, what):
        found = self.box.ok(b"UID SEARCH SUBJECT %s" % word)[-1].split()[2:]
        assert len(found) == 1, found
        return self.box.ok(b"UID FETCH %s (%s)" % (found[0], what))[-1]

    def count(self, word):
        return len(self.box.ok(b"UID SEARCH SUBJECT %s" % word)[-1].split()[2:])

    def close(self):
        self.box.close()


def mailbox(*args):
    return contextlib.closing(Mailbox(*args))


class Incoming(unittest.TestCase):
    def setUp(self):
        self.word = uuid.uuid4().hex.encode()
        self.text = b"Subject: %s\r\n\r\nx" % self.word
        self.domain = cluster()["domain"].encode()

    def taken(self, s, to, params=b""):
        self.assertEqual(send(s, b"a@elsewhere.example", to, self.text, params)[0], 250)

    def test_postmaster(self):
        who = account_of("be1", 4)
        change("alias", "add", "postmaster@" + cluster()["domain"], account(who)["address"])
        with contextlib.closing(smtp()) as s:
            self.taken(s, [b"Postmaster", b"POSTmaster@" + self.domain])
        with mailbox(who) as box:
            self.assertGreaterEqual(box.count(self.word), 1)

    def test_unicode_mailbox(self):
        local = "jürgen-%s" % uuid.uuid4().hex[:8]
        to = ("%s@%s" % (local, cluster()["domain"])).encode()
        change("account", "add", to.decode(), "--password", "a long enough one")
        with contextlib.closing(smtp()) as s:
            self.taken(s, [to], b" SMTPUTF8")
            r = send(s, b"a@elsewhere.example", [to], self.text)
            self.assertEqual((r[0], r[1][:5]), (553, b"5.6.7"))
        with mailbox(to.decode(), "a long enough one") as box:
            self.assertIn(b" with UTF8SMTP id ", box.fetch(self.word, b"BODY.PEEK[HEADER]"))

    def test_nothing_leaves_by_a_catch_all(self):
        """What other servers read as a route is a name here."""
        who, name = account_of("be2", 4), "%s.example" % uuid.uuid4().hex[:8]
        change("domain", "add", name, "--catch-all", account(who)["address"])
        name = name.encode()
        tricks = [b"x%%else.example@%s" % name, b"else.example!x@%s" % name,
                  b'"x@else.example"@%s' % name, b"@else.example:x@%s" % name,
                  b"x=else.example@%s" % name]
        with contextlib.closing(smtp()) as s:
            self.taken(s, tricks[:1])
            for t in tricks:
                self.assertEqual(send(s, b"a@elsewhere.example", [t], self.text)[0], 250, t)
        with mailbox(who) as box:
            self.assertEqual(box.count(self.word), 1 + len(tricks))

    def test_trace(self):
        """The id in the reply is that of Received and of both nodes' logs; RFC 3848's words."""
        who = account_of("be1", 3)
        for hello, tls, word in ((b"HELO", False, b"SMTP"), (b"EHLO", False, b"ESMTP"),
                                 (b"EHLO", True, b"ESMTPS")):
            subject = uuid.uuid4().hex.encode()
            since = log_size("fe1"), log_size("be1")
            with contextlib.closing(smtp()) as s:
                if tls:
                    s.cmd(b"STARTTLS")
                    s.starttls()
                s.cmd(hello + b" client.example")
                code, said = send(s, b"a@elsewhere.example", [address(who)],
                                  b"Subject: %s\r\n\r\nx" % subject)
            self.assertEqual(code, 250)
            trace = said.split()[-1]
            with mailbox(who) as box:
                head = box.fetch(subject, b"BODY.PEEK[HEADER]")
            self.assertRegex(head, rb"Return-Path: <a@elsewhere\.example>\r\n"
                             rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n"
                             rb"(\t\(using TLSv1\.3 .*\)\r\n)?\tby \S+ with " + word +
                             rb" id " + trace + rb"\r\n\tfor <" + re.escape(address(who)) + rb">;")
            self.assertEqual(b"(using " in head, tls)
            for node, event, at in (("fe1", "smtp.message", 0), ("be1", "deliver.copy", 1)):
                self.assertTrue(until(lambda: log_lines(node, "event=" + event, trace.decode(),
                                                        since=since[at])), event)

    def test_a_refusal_says_why_in_the_log(self):
        since = log_size("fe1")
        with contextlib.closing(smtp()) as s:
            for line in (b"EHLO two words", b"BDAT 1", b"MAIL FROM:<a@b", b"NOOP\rx"):
                s.send(line + b"\r\n" + (b"x" if line[:1] == b"B" else b""))
                self.assertEqual(s.reply()[0] // 100, 5)
            send(s, b"a@elsewhere.example", [address(0)], b"Subject: x\r\n\r\nbare\nLF")
        for words in (("smtp.refused", "command=EHLO", "code=501"), ("smtp.bad_line",),
                      ("smtp.refused", "command=BDAT", "code=503"),
                      ("smtp.sender_refused", "code=501", "Bad sender address"),
                      ("smtp.message_refused", "code=550", "Bare CR or LF")):
            self.assertTrue(until(lambda: log_lines("fe1", "peer=127.0.0.1", *words,
                                                    since=since)), words)


class Submitted(unittest.TestCase):
    def setUp(self):
        self.word = uuid.uuid4().hex.encode()

    def test_what_lacks_is_in_header_and_envelope(self):
        for service, sender in (("submission", address(8)), ("submissions", b"")):
            word = uuid.uuid4().hex.encode()
            with logged_in(8, service) as s:
                self.assertEqual(send(s, sender, [address(9)], b"Subject: %s\r\n\r\nx" % word)[0],
                                 250)
            with mailbox(9) as box:
                head = box.fetch(word, b"BODY.PEEK[HEADER]")
                envelope = box.fetch(word, b"ENVELOPE")
                found = box.box.ok(b"SEARCH SENTSINCE 1-Jan-2020 FROM %s SUBJECT %s" %
                                   (address(8), word))[-1].split()[2:]
            self.assertIn(b" with ESMTPSA id ", head)
            self.assertIn(b"\r\nFrom: <%s>\r\n" % address(8), head)
            for name in (b"Date", b"Message-ID"):
                value = re.search(rb"\r\n%s: (.*)\r\n" % name, head).group(1)
                self.assertIn(b'"%s"' % value, envelope)
            self.assertEqual(len(found), 1)

    def test_own_and_outside_recipients(self):
        """Each is answered by itself; what is ours arrives."""
        with logged_in(8) as s:
            s.cmd(b"MAIL FROM:<%s>" % address(8))
            codes = [s.cmd(b"RCPT TO:<%s>" % t)[0] for t in
                     (b"x@else.example", address(9), b"x@[192.0.2.1]",
                      address(10).replace(b"@", b"+detail@"))]
            self.assertEqual(codes, [250, 250, 250, 250])
            s.cmd(b"DATA")
            self.assertEqual(s.cmd(b"Subject: %s\r\n\r\nx\r\n." % self.word)[0], 250)
        for who in (9, 10):
            with mailbox(who) as box:
                self.assertTrue(until(lambda: box.count(self.word) == 1))

    def scram(self, name, password):
        """Parts of the server's first message, and the last reply."""
        with contextlib.closing(smtp(service="submissions")) as s:
            nonce, head = b64(os.urandom(12)), b"n,,"
            bare = b"n=%s,r=%s" % (name, nonce)
            first = base64.b64decode(s.cmd(b"AUTH SCRAM-SHA-256 " + b64(head + bare))[1])
            part = dict(p.split(b"=", 1) for p in first.split(b","))
            salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(part[b"s"]),
                                         int(part[b"i"]))
            key = hmac.digest(salted, b"Client Key", "sha256")
            final = b"c=%s,r=%s" % (b64(head), part[b"r"])
            auth = b",".join((bare, first, final))
            sign = hmac.digest(hashlib.sha256(key).digest(), auth, "sha256")
            code, said = s.cmd(b64(final + b",p=" + b64(bytes(a ^ b for a, b in zip(key, sign)))))
            if code == 334:
                proof = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), auth, "sha256")
                self.assertEqual(base64.b64decode(said), b"v=" + b64(proof))
                code, said = s.cmd(b"")
            return part, (code, said)

    def test_scram(self):
        a = account(11)
        self.assertEqual(self.scram(address(11), a["password"].encode())[1][0], 235)
        # A bare name is one of the default domain.
        self.assertEqual(self.scram(address(11).split(b"@")[0], a["password"].encode())[1][0], 235)

    def test_unknown_names_look_like_wrong_passwords(self):
        real, no = self.scram(address(12), b"wrong")
        for name in (b"nobody@" + cluster()["domain"].encode(), b"nobody", b"x@else.example"):
            decoy, refused = self.scram(name, b"wrong")
            self.assertEqual(refused, no)
            self.assertEqual({k: len(v) for k, v in decoy.items()},
                             {k: len(v) for k, v in real.items()})
            self.assertEqual(decoy[b"i"], real[b"i"])
            self.assertEqual(self.scram(name, b"wrong")[0][b"s"], decoy[b"s"])


if __name__ == "__main__":
    unittest.main()
