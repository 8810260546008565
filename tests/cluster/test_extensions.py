"""What a sender may ask of a message's way, from EHLO to the other system: when it goes, by when it
has to be there, how urgent it is, and bytes of any kind."""
import datetime
import email
import itertools
import json
import os
import unittest
import uuid

import dnszone
import postern
from outgoing import fields, notice, submit
from postern import account, imap, put_in_force, setting, subjects, tls, until
from sink import Sink

CLUSTER = ["--frontends", "1", "--accounts", "10", "--partitions", "2", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=2s",
           "--set", "outbound.retry_later=1s"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
GOOD = "127.0.1.1"


def setUpModule():
    global zone
    host = "@ MX 10 mx\nmx A %s\n" % GOOD
    zone = dnszone.Zone({"out.test": host, "more.test": host},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def login(who):
    a = account(who)
    s = postern.smtp(0, "submission")
    s.starttls(context=tls())
    s.login(a["address"], a["password"])
    return s


def run(*argv):
    status, out, err = postern.postern("--json", *argv)
    assert status == 0, (argv, err)
    return json.loads(out)


def submit_binary(to, body, who=0, ctype="application/octet-stream"):
    """Sends a message of these bytes by BDAT, in three chunks; all of it, as it was sent."""
    a = account(who)["address"]
    whole = ("From: %s\r\nMIME-Version: 1.0\r\nSubject: %s\r\nContent-Type: %s\r\n"
             "Content-Transfer-Encoding: binary\r\n\r\n"
             % (a, uuid.uuid4().hex, ctype)).encode() + body
    with login(who) as s:
        assert s.mail(a, ["BODY=BINARYMIME"])[0] == 250
        for address in to:
            assert s.rcpt(address)[0] == 250
        for chunk, last in ((whole[:7], ""), (whole[7:200], ""), (whole[200:], " LAST")):
            s.send(b"BDAT %d%s\r\n" % (len(chunk), last.encode()) + chunk)
            code, words = s.getreply()
            assert code == 250, words
    return whole


def told_of(who, about):
    """What the notice in a user's INBOX says of an address, for machines."""
    return fields(notice(who, about))


class Extensions(unittest.TestCase):
    def setUp(self):
        self.sink = Sink(GOOD, PORT)
        self.addCleanup(self.sink.close)

    def taken(self, n):
        mails = self.sink.wait(n)
        self.assertEqual(len(mails), n)
        return mails

    def test_held_back_and_let_go_early(self):
        here = [account(i)["address"] for i in (1, 2)]
        subject = submit(["x@out.test", *here], options=["HOLDFOR=3600"])
        release = datetime.datetime.now().timestamp() + 3600
        rows = until(lambda: r if len(r := run("queue", "list")) >= 2 and
                     all(x["why"] == "its sender holds it back" for x in r) else None)
        for row in rows:
            for time in (run("queue", "show", row["id"])["release"], row["due"]):
                self.assertAlmostEqual(datetime.datetime.fromisoformat(time).timestamp(), release,
                                       delta=60)
        self.assertFalse(self.sink.mails)
        for i in (1, 2):
            self.assertNotIn(subject, subjects(imap(i)))
        run("queue", "retry", "--to", "@out.test")
        self.assertIn(subject.encode(), self.taken(1)[0].data)
        run("queue", "release", "--all")
        for i in (1, 2):
            self.assertTrue(until(lambda i=i: subject in subjects(imap(i))))
        self.assertTrue(until(lambda: not run("queue", "list")))

    def test_held_back_until_its_time(self):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
        subject = submit(["x@out.test", account(3)["address"]],
                         options=["HOLDUNTIL=" + when.strftime("%Y-%m-%dT%H:%M:%SZ")])
        self.taken(1)
        self.assertGreaterEqual(datetime.datetime.now(datetime.timezone.utc),
                                when.replace(microsecond=0))
        self.assertTrue(until(lambda: subject in subjects(imap(3))))

    def test_by_a_time_that_is_passed_on(self):
        self.sink.offers.append("DELIVERBY")
        submit(["x@out.test"], options=["BY=120;N"])
        submit(["x@out.test"], options=["BY=-5;NT"], who=4)
        submit(["x@out.test"], options=["BY=3600;R"])
        said = sorted(m.sender.partition(b" BY=")[2].split()[0] for m in self.taken(3))
        self.assertRegex(said[0], rb"^-[567];NT$")
        self.assertRegex(said[1], rb"^11\d;N$")
        self.assertRegex(said[2], rb"^35\d\d;R$")
        self.assertEqual(told_of(4, "x@out.test")["Action"], "relayed")

    def test_return_goes_only_to_who_returns(self):
        submit(["return@out.test"], options=["BY=120;R"], who=5)
        told = told_of(5, "return@out.test")
        self.assertEqual((told["Action"], told["Status"]), ("failed", "5.3.3"))
        self.assertFalse(self.sink.mails)
        self.sink.offers.append("DELIVERBY 300")
        # Another domain's session: one serves one list of offers, as long as it is kept.
        submit(["late@more.test"], options=["BY=120;R"], who=5)
        told = told_of(5, "late@more.test")
        self.assertEqual((told["Action"], told["Status"]), ("failed", "5.4.7"))

    def test_returned_when_the_time_is_over(self):
        self.sink.offers.append("DELIVERBY")
        submit(["450@out.test"], options=["BY=2;R"], who=6)
        told = told_of(6, "450@out.test")
        self.assertEqual((told["Action"], told["Status"]), ("failed", "5.4.7"))
        self.assertTrue(until(lambda: not run("queue", "list", "--to", "450@out.test")))

    def test_told_when_the_time_is_over(self):
        submit(["450@out.test"], options=["BY=2;N"], who=7)
        self.assertEqual(told_of(7, "450@out.test")["Action"], "delayed")
        self.sink.codes = False
        self.taken(1)
        # The server says nothing more, and who waits for its word is told so.
        self.assertTrue(until(lambda: not run("queue", "list", "--to", "450@out.test")))

    def test_priority_is_passed_on_and_lowered(self):
        self.sink.offers.append("MT-PRIORITY")
        put_in_force("submission.priority_max", "3")
        try:
            with login(8) as s:
                a = account(8)["address"]
                for asked, code in ((3, b"2.0.0"), (-4, b"2.0.0"), (9, b"2.3.6 3 ")):
                    s.mail(a, ["MT-PRIORITY=%d" % asked])
                    s.rcpt("p%d@out.test" % abs(asked))
                    reply = s.data("From: %s\r\nSubject: x\r\n\r\nx\r\n" % a)
                    self.assertEqual(reply[1][:len(code)], code)
        finally:
            setting("submission.priority_max")
        got = {m.rcpts[0].partition(b"<")[2].partition(b"@")[0]: m for m in self.taken(3)}
        for name, said in ((b"p3", b"3"), (b"p4", b"-4"), (b"p9", b"3")):
            self.assertIn(b" MT-PRIORITY=" + said + b"\r\n", got[name].sender)
            self.assertIn(b"PRIORITY " + said + b";", got[name].data)

    def test_sent_mail_is_kept(self):
        def kept(folder):
            """The last message there: its flags, and all of it."""
            box = imap(4)
            n = box.select(folder, readonly=True)[1][0]
            return box.fetch(n, "(FLAGS BODY.PEEK[])")[1][0] if n != b"0" else None

        # Its folder, with whatever name; one that is called so; at the worst, INBOX.
        box = imap(4)
        folders = (("Sent", ()), ("Gesendet", (("RENAME", "Sent", "Gesendet"),)),
                   ("Sent", (("DELETE", "Gesendet"), ("CREATE", "Sent"))),
                   ("INBOX", (("DELETE", "Sent"),)))
        put_in_force("submission.save_sent", "true")
        try:
            for to in ("x@out.test", account(4)["address"], account(5)["address"]):
                with self.subTest(to):
                    subject = submit([to], who=4)
                    flags, whole = kept("Sent")
                    got = email.message_from_bytes(whole)
                    self.assertEqual(got["Subject"], subject)
                    self.assertIn(b"\\Seen", flags)
                    self.assertNotIn("Return-Path", got)
            for folder, steps in folders:
                with self.subTest(folder):
                    for step in steps:
                        self.assertEqual(getattr(box, step[0].lower())(*step[1:])[0], "OK")
                    subject = submit([account(5)["address"]], who=4)
                    self.assertIn(subject.encode(), kept(folder)[1])
        finally:
            put_in_force("submission.save_sent")
        self.taken(1)
        submit([account(5)["address"]], who=4)
        self.assertIn(subject.encode(), kept("INBOX")[1])

    def test_binary_here_and_elsewhere(self):
        body = bytes(range(256)) * 700 + b"\r\n.\r\n\n\r\r\0" + b"x" * 5000
        self.sink.offers += ["CHUNKING", "BINARYMIME"]
        whole = submit_binary(["x@out.test", account(1)["address"]], body)
        mail, = self.taken(1)
        self.assertIn(b" BODY=BINARYMIME", mail.sender)
        self.assertTrue(mail.data.endswith(whole))

        def stored():
            box = imap(1)
            box.select("INBOX", readonly=True)
            _, found = box.search(None, "SUBJECT", whole.partition(b"Subject: ")[2][:32].decode())
            n = found[0].split()
            return box.fetch(n[0], "(BODY.PEEK[])")[1][0][1] if n else None
        self.assertTrue(until(stored).endswith(whole))

    def test_binary_is_made_7bit_or_comes_back(self):
        body = b"\0\xff\n\r\r\n.\r\n" * 1000
        for offers in (["PIPELINING", "8BITMIME"], ["PIPELINING", "8BITMIME", "BINARYMIME"],
                       ["CHUNKING", "PIPELINING"]):
            self.sink.offers[:] = offers
            with self.subTest(offers):
                n = len(self.sink.mails)
                submit_binary(["x@out.test"], body)
                mail = self.taken(n + 1)[n]
                self.assertNotIn(b"BODY=", mail.sender)
                self.assertTrue(mail.data.isascii())
                got = email.message_from_bytes(mail.data)
                self.assertEqual(got["Content-Transfer-Encoding"], "base64")
                self.assertEqual(got.get_payload(decode=True), body)
                # One session serves one list of offers.
                self.sink.drop_sessions()
        # So does the second transaction, for whom the first had no room.
        n = len(self.sink.mails)
        turns = itertools.cycle((None, b"452 4.5.3 too many"))
        self.sink.does["rcpt"] = lambda: next(turns)
        submit_binary(["x@out.test", "y@out.test"], body)
        for mail in self.taken(n + 2)[n:]:
            got = email.message_from_bytes(mail.data)
            self.assertEqual((len(mail.rcpts), got.get_payload(decode=True)), (1, body))
        self.sink.does.clear()
        signed = (b"--b\r\nContent-Transfer-Encoding: binary\r\n\r\nx\n\0\r\n--b--\r\n")
        submit_binary(["sealed@out.test"], signed, who=9, ctype="multipart/signed; boundary=b")
        told = told_of(9, "sealed@out.test")
        self.assertEqual((told["Action"], told["Status"]), ("failed", "5.6.3"))
