"""Submissions are signed with the keys of their domain, and what is signed is what arrives: other
people's verifiers say so."""
import contextlib
import ctypes
import email
import json
import os
import re
import secrets
import smtplib
import struct
import threading
import unittest
import uuid

import dkim_check
import postern
from captured import Captured
from postern import (account, account_of, cluster, cluster_command, everybody_knows, frontend, imap,
                     metric, tls, until)

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40",
           "--set", "submission.limit_minute=0", "--set", "submission.limit_hour=0",
           "--set", "submission.limit_day=0"]
TAKES = 45  # seconds


def dkim(*argv):
    status, out, err = postern.postern("dkim", *argv)
    assert status == 0, err
    return out


def keys():
    return json.loads(dkim("list", "--json"))


def records():
    return {k["record_name"]: k["record"] for k in keys()}


def forget_keys():
    for k in keys():
        if k["state"] == "active":
            dkim("retire", k["domain"], k["selector"])
        dkim("remove", k["domain"], k["selector"])


def session(who, fe=0):
    f, a = frontend(fe), account(who)
    s = smtplib.SMTP_SSL(f["host"], f["ports"]["submissions"], context=tls(), timeout=60)
    s.login(a["address"], a["password"])
    return s


def submit(who, to, data, s=None):
    """Sends bytes as they are; numbers of accounts."""
    with contextlib.ExitStack() as stack:
        s = s or stack.enter_context(session(who))
        s.sendmail(account(who)["address"], [account(t)["address"] for t in to], data)


def fetch(who, mark):
    """The bytes of the messages whose text has that word."""
    box = imap(who)
    box.select("INBOX", readonly=True)
    numbers = box.search(None, "TEXT", mark)[1][0].split()
    got = [d[1] for n in numbers for d in box.fetch(n, "(BODY.PEEK[])")[1] if isinstance(d, tuple)]
    box.logout()
    return got


def copies(whom, mark):
    """Of one message to several, once each has it: its lead's queue brings what was in the way."""
    got = [until(lambda who=who: fetch(who, mark)) for who in whom]
    assert all(len(g) == 1 for g in got), got
    return [g[0] for g in got]


def record(data):
    """A message as a front-end stores it (docs/storage-format.md), in one plain block."""
    head = b"PRec" + bytes([1, 0, 0, 0]) + secrets.token_bytes(16) + struct.pack(">II", 65536, 0)
    table = struct.pack(">I", 0x80000000 | len(data))
    size = len(head) + len(data) + len(table) + 40
    out = head + data + table + b"PEnd" + struct.pack(">IQQQ", 1, len(data), size, 0)
    xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    xxh3.restype, xxh3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
    return out + struct.pack(">Q", xxh3(out, len(out)))


def simple(who, mark, more=""):
    return ("From: %s\r\nSubject: %s\r\n%s\r\n%s\r\n"
            % (account(who)["address"], mark, more, mark)).encode()


def odd_messages(address, mark):
    """Header and body, as they are submitted."""
    own = b"From: " + address + b"\r\n"
    mark = mark.encode()
    return {
        "empty header": (b"Subject: " + mark + b"\r\n", b"x\r\n"),
        "no header but one": (own + b"X-Mark: " + mark + b"\r\n", b"text\r\n"),
        "folded": (b"subject: \t a   very \r\n\t folded   " + mark + b"  \r\n"
                   b"FROM:\tAlice\r\n  <" + address + b">\r\n"
                   b"Date: Fri, 27 Nov 2026 10:00:00 +0000 (a  comment)\r\n"
                   b"Message-ID:\r\n <" + mark + b"@client>\r\n"
                   b"To: a@x.example,\r\n\tb@x.example\r\n", b"text\r\n"),
        "empty fields": (own + b"Subject:\r\nCc: \r\nReply-To:\t\r\nX-Mark: " + mark + b"\r\n",
                         b"text\r\n"),
        "again and again": (own + b"To: 1@x.example\r\nTo: 2@x.example\r\nTo: 3@x.example\r\n"
                            b"To: 4@x.example\r\nCc: 1@x.example\r\nCc: 2@x.example\r\n"
                            b"List-Id: <" + mark + b">\r\nReferences: <1@x> <2@x>\r\n", b"text\r\n"),
        "eight bits": (own + b"Subject: \xc3\xa9t\xc3\xa9 \xff " + mark + b"\r\n"
                       b"Content-Type: text/plain; charset=latin1\r\n"
                       b"Content-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n",
                       b"\xe9t\xe9  \xa0 \xff\r\n"),
        "no body": (own + b"Subject: " + mark + b"\r\n", b""),
        "empty lines": (own + b"Subject: " + mark + b"\r\n", b"\r\n\r\n \r\n\t\r\n"),
        "white space": (own + b"Subject: " + mark + b"\r\n",
                        b"  a \t b\t\r\n \r\n\r\nc  \r\n\r\n\r\n \r\n"),
        "dots": (own + b"Subject: " + mark + b"\r\n", b".\r\n..\r\n.x\r\n"),
        "long lines": (own + b"Subject: " + mark + b" " + b"s" * 900 + b"\r\n",
                       (b"word " * 190 + b"\r\n") * 50),
        "large": (own + b"Subject: " + mark + b"\r\n", (b"A" * 76 + b"\r\n") * 40000),
    }


class Dkim(unittest.TestCase):
    def setUp(self):
        self.domain = cluster()["domain"]
        self.here, self.there = account_of("be1"), account_of("be2")
        self.addCleanup(forget_keys)
        self.addCleanup(postern.restore)

    def make_keys(self):
        """A pair of active keys that every back-end signs with; their selectors."""
        pair = json.loads(dkim("add", self.domain, "--json"))["selectors"]
        dkim("activate", self.domain, "--force")
        for who in (self.here, self.there):
            self.assertTrue(until(lambda: self.selectors(who) >= set(pair)), pair)
        return pair

    def selectors(self, who):
        """With which keys a message is signed that this account submits to itself now."""
        mark = uuid.uuid4().hex
        submit(who, [who], simple(who, mark))
        (got,) = fetch(who, mark)
        return set(re.findall(r"[;\s]s=([^;\s]+)", " ".join(
            email.message_from_bytes(got).get_all("DKIM-Signature", []))))

    def check(self, messages, want, opendkim=True):
        """Each is signed by all of these keys, and every signature is good."""
        known = records()
        for got, good in zip(messages, dkim_check.verify(messages, known)):
            self.assertEqual(good, {selector: True for selector in want}, got[:2000])
            if opendkim:
                self.assertEqual(dkim_check.opendkim(got, known), dict.fromkeys(want, "pass"),
                                 got[:2000])

    def test_odd_messages(self):
        pair = self.make_keys()
        address = account(self.here)["address"].encode()
        with session(self.here) as s:
            for name, (header, body) in odd_messages(address, "MARK").items():
                with self.subTest(name):
                    mark = uuid.uuid4().hex
                    submit(self.here, [self.here, self.there],
                           (header + b"\r\n" + body).replace(b"MARK", mark.encode()), s)
                    got = copies((self.here, self.there), mark)
                    # OpenDKIM takes no message without what RFC 5322 says there is.
                    self.check(got, pair, opendkim=name not in ("empty header", "again and again"))

    def test_chunks(self):
        """BDAT may end without a line's end."""
        pair = self.make_keys()
        mark = uuid.uuid4().hex
        data = simple(self.here, mark)[:-2]
        with session(self.here) as s:
            s.ehlo()
            self.assertEqual(s.mail(account(self.here)["address"])[0], 250)
            self.assertEqual(s.rcpt(account(self.there)["address"])[0], 250)
            for i in range(0, len(data), 7):
                part = data[i:i + 7]
                s.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if i + 7 >= len(data) else b""))
                s.send(part)
                self.assertEqual(s.getreply()[0], 250)
        # OpenDKIM's reader of files wants a whole last line.
        self.check(fetch(self.there, mark), pair, opendkim=False)

    def test_a_forged_change_is_found(self):
        """The checks above can fail: what is signed may neither be changed nor added to."""
        pair = self.make_keys()
        mark = uuid.uuid4().hex
        submit(self.here, [self.here], simple(self.here, mark, "To: x@x.example\r\n"))
        (got,) = fetch(self.here, mark)
        self.check([got], pair)
        at = got.index(b"Subject:")
        forged = [got.replace(b"Subject: ", b"Subject: Re: "), got + b"more\r\n",
                  got[:at] + b"To: y@x.example\r\n" + got[at:],
                  got[:at] + b"From: y@x.example\r\n" + got[at:],
                  got[:at] + b"Reply-To: y@x.example\r\n" + got[at:]]
        for bad in dkim_check.verify(forged, records()):
            self.assertEqual(bad, {selector: False for selector in pair})
        # Of a field that the signatures say is not there OpenDKIM makes no failure, and no pass.
        words = [dict.fromkeys(pair, "fail")] * 2 + [{}] * 3
        self.assertEqual([dkim_check.opendkim(bad, records()) for bad in forged], words)

    def test_rotation_under_traffic(self):
        old = self.make_keys()
        mark, failures = uuid.uuid4().hex, []

        def send(who, n):
            try:
                for _ in range(n):
                    with session(who) as s:
                        for _ in range(5):
                            submit(who, [self.there], simple(who, mark), s)
            except Exception as e:  # told below, by the thread that can fail the test
                failures.append(e)

        senders = [threading.Thread(target=send, args=(who, 10))
                   for who in (self.here, self.here, self.there, self.there)]
        for t in senders:
            t.start()
        new = json.loads(dkim("add", self.domain, "--json"))["selectors"]
        self.assertEqual(len(set(old + new)), 4)
        dkim("activate", self.domain, "--force")
        self.assertTrue(until(lambda: self.selectors(self.here) >= set(new)))
        # Whoever forces a key into use has to see to it that each back-end has it.
        everybody_knows()
        for selector in old:
            dkim("retire", self.domain, selector)
        self.assertTrue(until(lambda: self.selectors(self.here) == set(new)))
        for t in senders:
            t.join()
        self.assertEqual(failures, [])
        got = fetch(self.there, mark)
        self.assertEqual(len(got), 200)
        for good in dkim_check.verify(got, records()):
            # One command after the other: there are moments with three.
            self.assertTrue(set(good) >= set(old) or set(good) >= set(new), good)
            self.assertTrue(all(good.values()), good)

    def test_without_keys(self):
        """No keys, or none any more: no signature, and no error."""
        self.assertEqual(self.selectors(self.here), set())
        self.make_keys()
        with session(self.here) as s:
            mark = uuid.uuid4().hex
            submit(self.here, [self.here], simple(self.here, mark), s)
            forget_keys()
            # This session's worker still has them in mind; the keys are gone.
            self.assertTrue(until(lambda: self.selectors(self.there) == set()))
            mark = uuid.uuid4().hex
            submit(self.here, [self.here], simple(self.here, mark), s)
            self.assertNotIn(b"DKIM-Signature", fetch(self.here, mark)[0])

    def test_postgresql_away(self):
        pair = self.make_keys()
        mark = uuid.uuid4().hex
        with session(self.here) as s:
            with open(os.path.join(postern.FOLDER, "postgres", "pid")) as f:
                master = int(f.read().split()[0])
            cluster_command("kill", "postgres", "INT")
            self.assertTrue(until(lambda: not os.path.exists("/proc/%d" % master)))
            submit(self.here, [self.here, self.there], simple(self.here, mark), s)
            postern.restore()
        self.check(copies((self.here, self.there), mark), pair)

    def test_mail_from_outside_is_not_signed(self):
        self.make_keys()
        subject = postern.deliver([account(self.here)["address"]])
        (got,) = fetch(self.here, subject.split()[1])
        self.assertNotIn(b"DKIM-Signature", got)

    def test_alias_domain(self):
        """Mail from an alias domain is signed as that: DMARC compares From."""
        name = "alias-%s.example" % uuid.uuid4().hex[:8]
        status, _, err = postern.postern("domain", "add", name, "--target", self.domain)
        self.assertEqual(status, 0, err)
        self.addCleanup(postern.postern, "domain", "remove", name)
        (selector,) = json.loads(dkim("add", name, "--algorithm", "rsa", "--json"))["selectors"]
        dkim("activate", name, "--force")
        sender = account(self.here)["address"].replace("@" + self.domain, "@" + name.upper())

        def send():
            mark = uuid.uuid4().hex
            submit(self.here, [self.here], ("From: %s\r\nSubject: %s\r\n\r\nx\r\n"
                                            % (sender, mark)).encode())
            (got,) = fetch(self.here, mark)
            return got if b"DKIM-Signature" in got else None
        got = until(send)
        self.assertIn(b"d=%s; s=%s;" % (name.encode(), selector.encode()), got)
        self.check([got], [selector])

    def test_restart(self):
        """A back-end that starts anew opens its keys again."""
        pair = self.make_keys()
        cluster_command("kill", "be1", "TERM")
        cluster_command("start", "be1")
        postern.restore()
        self.assertEqual(self.selectors(self.here), set(pair))


class CapturedFrontend(unittest.TestCase):
    """Whoever holds a submission worker's certificate and the ticket of a user has things signed as
    that user, and only inside a message that is committed."""

    def setUp(self):
        self.domain = cluster()["domain"]
        self.who, self.other = account_of("be1"), account_of("be1", 1)
        self.addCleanup(forget_keys)
        dkim("add", self.domain, "--selector", "one", "--algorithm", "ed25519")
        dkim("activate", self.domain, "--force")
        self.selector, self.digest = "one", secrets.token_bytes(32)

    def field(self, domain=None, selector="one", end=";\r\n\tb="):
        return ("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\td=%s; s=%s; t=1"
                "%s" % (domain or self.domain, selector, end)).encode()

    def commit(self, c, ticket, author, field, begun=True, digest=None, prefix=b"here",
               resolver=None, sender=None):
        """A message to this account; its status, and the message as it lies in the mailbox."""
        mark = uuid.uuid4().hex
        data = b"Subject: " + mark.encode() + b"\r\n\r\nx\r\n"
        address = account(self.who)["address"].encode()
        status, target = (resolver or c).call("RESOLVE", address=address, session_id=secrets.token_bytes(16))
        self.assertEqual((status, target["backend"]), ("ok", "be1"))
        token, part, txid = (bytes.fromhex(target["token"]), target["partition"],
                             secrets.token_bytes(16))
        if begun:
            self.assertEqual(c.call("DELIVER_BEGIN", txid=txid, token=token, partition=part,
                                    ticket=ticket, body=record(data))[0], "ok")
        status, reply = c.call(
            "DELIVER_COMMIT", txid=txid, partition=part, ticket=ticket,
            sender=address if sender is None else sender,
            recipients__token=token, trace_id=txid, prefix=b"X-Prefix: " + prefix + b"\r\n",
            summary__size=len(data), summary__header_size=len(data) - 3, summary__lines=1,
            summary__parts__body_off=len(data) - 3, summary__parts__body_end=len(data),
            summary__parts__lines=1, author=author, signatures__algorithm=2,
            signatures__selector="one", signatures__field=field,
            signatures__digest=digest or self.digest)
        for value in reply.values():
            self.assertNotIn("DKIM", value)
        got = fetch(self.who, mark)
        self.assertEqual(len(got), 1 if status == "ok" else 0, status)
        return status, got[0] if got else b""

    def test_only_as_the_user_in_a_committed_message(self):
        own, others = (account(i)["address"].encode() for i in (self.who, self.other))
        with Captured("frontend/fe1/submission") as c:
            ticket = c.login(self.who)
            status, reply = c.call("SENDER_CHECK", ticket=ticket, address=own)
            self.assertEqual(status, "ok")
            status, got = self.commit(c, ticket, own, self.field())
            self.assertEqual(status, "ok")
            self.assertIn(self.field(), got)
            self.assertLess(got.index(self.field()), got.index(b"X-Prefix"))
            signed = metric("be1", "dkim_signatures_total")
            # As somebody else, or without any message.
            self.assertEqual(self.commit(c, ticket, others, self.field())[0], "denied")
            self.assertEqual(self.commit(c, ticket, b"x@elsewhere.example", self.field())[0],
                             "denied")
            self.assertEqual(self.commit(c, ticket, own, self.field(), begun=False)[0], "not-found")
            self.assertEqual(self.commit(c, ticket, b"nobody", self.field())[0], "invalid")
            self.assertEqual(self.commit(c, ticket, own, self.field(), digest=b"short")[0],
                             "invalid")
            # What is not as it should be goes without.
            for bad in (self.field("elsewhere.example"), self.field(selector="two"),
                        self.field(end="\r\nX-Other: 1;\r\n\tb="), self.field(end="; b="),
                        b"Subject: x\r\n"):
                status, got = self.commit(c, ticket, own, bad)
                self.assertEqual(status, "ok")
                self.assertNotIn(b"DKIM-Signature", got)
            self.assertEqual(metric("be1", "dkim_signatures_total"), signed)
            # Nor has a signature room beside so long a prefix.
            status, got = self.commit(c, ticket, own, self.field(), prefix=b"x" * 15800)
            self.assertEqual(status, "ok")
            self.assertNotIn(b"DKIM-Signature", got)
            stolen = secrets.token_bytes(len(ticket))
            self.assertIn(c.call("SENDER_CHECK", ticket=stolen, address=own)[0],
                          ("no-ticket", "retry"))

    def test_not_from_port_25(self):
        own = account(self.who)["address"].encode()
        with Captured("frontend/fe1/submission") as c:
            ticket = c.login(self.who)
        with Captured("frontend/fe1/smtp") as c:
            status, got = self.commit(c, ticket, own, self.field())
            self.assertEqual(status, "ok")
            self.assertNotIn(b"DKIM-Signature", got)

    def test_notices_of_the_way_out(self):
        """Who has an outbound worker's key has notices signed, by domains above their From."""
        daemon = b"MAILER-DAEMON@mx.deep." + self.domain.encode()
        with Captured("frontend/fe1/smtp") as resolver, Captured("frontend/fe1/outbound") as c:
            status, reply = c.call("SENDER_CHECK", address=daemon)
            self.assertEqual((status, reply["domain"]), ("ok", self.domain))
            status, reply = c.call("SENDER_CHECK", address=b"MAILER-DAEMON@elsewhere.example")
            self.assertEqual((status, reply["domain"]), ("ok", ""))

            def commit(author, field, sender=b""):
                return self.commit(c, b"", author, field, resolver=resolver, sender=sender)

            status, got = commit(daemon, self.field())
            self.assertEqual(status, "ok")
            self.assertIn(self.field(), got)
            for author, field in ((b"MAILER-DAEMON@elsewhere.example", self.field()),
                                  (b"nobody", self.field()),
                                  (daemon, self.field("mx.deep." + self.domain))):
                status, got = commit(author, field)
                self.assertEqual(status, "ok")
                self.assertNotIn(b"DKIM-Signature", got)
            self.assertEqual(commit(daemon, self.field(), sender=daemon)[0], "denied")


class Management(unittest.TestCase):
    def setUp(self):
        self.domain = cluster()["domain"]
        self.addCleanup(forget_keys)

    def refused(self, *argv):
        status, _, err = postern.postern("dkim", *argv)
        self.assertNotEqual(status, 0)
        return err

    def test_life_of_a_key(self):
        dkim("add", self.domain, "--selector", "one", "--algorithm", "ed25519")
        self.assertIn("already", self.refused("add", self.domain, "--selector", "one",
                                              "--algorithm", "rsa"))
        self.assertIn("algorithm", self.refused("add", self.domain, "--selector", "two"))
        self.assertIn("no domain", self.refused("add", "elsewhere.example"))
        self.assertIn("no domain", self.refused("list", "elsewhere.example"))
        self.assertIn("no active key", self.refused("retire", self.domain, "one"))
        (key,) = keys()
        self.assertEqual((key["domain"], key["selector"], key["algorithm"], key["state"]),
                         (self.domain, "one", "ed25519", "new"))
        self.assertIsNone(key["activated"])
        dkim("activate", self.domain, "one", "--force")
        self.assertIn("retire it first", self.refused("remove", self.domain, "one"))
        self.assertEqual(keys()[0]["state"], "active")
        dkim("retire", self.domain, "one")
        self.assertEqual(keys()[0]["state"], "retired")
        self.assertIsNotNone(keys()[0]["retired"])
        dkim("remove", self.domain, "one")
        self.assertEqual(keys(), [])
        done = postern.sql("select method, target, result from audit where method like 'dkim.%'"
                           " and method <> 'dkim.list' and result = 'ok' order by id desc limit 4")
        self.assertEqual(done[::-1], [["dkim." + what, self.domain, "ok"] for what in
                                      ("add", "activate", "retire", "remove")])

    def test_records(self):
        """Zone lines whose strings, put together, are the record; none is longer than 255."""
        dkim("add", self.domain)
        known = records()
        self.assertEqual(len(known), 2)
        text = dkim("show", self.domain)
        shown = {name: "".join(re.findall(r'"([^"]*)"', strings)) for name, strings in
                 re.findall(r"^(\S+)\. IN TXT \(([^)]*)\)$", text, re.M)}
        self.assertEqual(shown, known)
        for string in re.findall(r'"([^"]*)"', text):
            self.assertLessEqual(len(string), 255)
        self.assertTrue(any(len(r) > 255 for r in known.values()))

    def test_keys_are_sealed(self):
        """In the database there are only boxes, one for each back-end."""
        dkim("add", self.domain)
        self.assertEqual(postern.sql("select count(*), count(distinct node) from dkim_boxes"),
                         [["4", "2"]])
        self.assertEqual(postern.sql("select count(*) from dkim_boxes where"
                                     " position('\\x06092a864886f70d010101'::bytea in sealed) > 0"
                                     " or position('\\x06032b6570'::bytea in sealed) > 0"), [["0"]])
