"""Every limit of a listener, with small values: said clearly, logged, and harmful to nobody else."""
import base64
import contextlib
import unittest

from postern import account, imap, log_lines, log_size, until
from raw import Imap, Smtp, Wire, smtp

CLUSTER = ["--accounts", "8", "--set", "workers.smtp=1", "--set", "workers.imap=1",
           "--set", "smtp.recipients_max=5", "--set", "smtp.messages_max=3",
           "--set", "smtp.message_bytes_max=20k", "--set", "smtp.session_bytes_max=30k",
           "--set", "smtp.errors_max=4", "--set", "smtp.connections_per_ip_max=8",
           "--set", "smtp.command_timeout=2s", "--set", "smtp.data_timeout=3s",
           "--set", "smtp.hops_max=5", "--set", "imap.connections_max=30",
           "--set", "imap.connections_per_ip_max=10", "--set", "submission.rate_per_ip_per_min=6",
           "--set", "imap.login_timeout=2s", "--set", "imap.idle_timeout=3s",
           "--set", "tls.handshake_timeout=2s", "--set", "imap.append_bytes_max=30k",
           "--set", "submission.recipients_max=2", "--set", "submission.messages_max=2",
           "--set", "submission.message_bytes_max=10k", "--set", "submission.session_bytes_max=15k",
           "--set", "submission.errors_max=2", "--set", "submission.command_timeout=3s",
           "--set", "submission.data_timeout=4s"]
TAKES = 25  # seconds


def source(n):
    """An address of one's own for each test, where a limit is for each address."""
    return "127.0.3.%d" % n


def session(n, service="smtp"):
    return contextlib.closing(smtp(service=service, source=source(n)))


def begin(s, to=0):
    assert s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0] == 250
    return s.cmd(b"RCPT TO:<%s>" % account(to)["address"].encode())[0]


def send(s, body):
    begin(s)
    assert s.cmd(b"DATA")[0] == 354
    return s.cmd(b"Subject: x\r\n\r\n" + body + b"\r\n.")[0]


class SmtpLimits(unittest.TestCase):
    def setUp(self):
        self.since = log_size("fe1")

    def logged(self, *words):
        self.assertTrue(until(lambda: log_lines("fe1", *words, since=self.since)), words)

    def test_recipients(self):
        with session(1) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example>")
            codes = [s.cmd(b"RCPT TO:<%s>" % account(i)["address"].encode())[0] for i in range(7)]
            self.assertEqual(codes, [250] * 5 + [452] * 2)
            self.assertEqual(s.cmd(b"DATA")[0], 354)
            self.assertEqual(s.cmd(b"Subject: five\r\n\r\nx\r\n.")[0], 250)

    def test_messages_of_a_session(self):
        with session(2) as s:
            for _ in range(3):
                self.assertEqual(send(s, b"x"), 250)
            self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0], 421)
            self.assertEqual(s.rest(), b"")
        self.logged("event=session.end", source(2))

    def test_size_announced(self):
        with session(3) as s:
            self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=20481")[0], 552)
            self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=20000")[0], 250)

    def test_size_found(self):
        with session(4) as s:
            self.assertEqual(send(s, b"x" * 70 + (b"\r\n" + b"x" * 70) * 400), 552)
            self.assertEqual(send(s, b"x" * 70), 250)

    def test_size_by_chunks(self):
        with session(5) as s:
            begin(s)
            s.send(b"BDAT 15000\r\n" + b"a: b\r\n" * 2500)
            self.assertEqual(s.reply()[0], 250)
            s.send(b"BDAT 15000 LAST\r\n" + b"c: d\r\n" * 2500)
            self.assertEqual(s.reply()[0], 552)
            s.cmd(b"RSET")
            self.assertEqual(send(s, b"x"), 250)

    def test_bytes_of_a_session(self):
        with session(6) as s:
            big = b"x" * 70 + (b"\r\n" + b"x" * 70) * 250
            # The message that passes the limit is the last one.
            self.assertEqual([send(s, big), send(s, big)], [250, 250])
            self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0], 421)

    def test_errors(self):
        with session(7) as s:
            codes = [s.cmd(b"WHATEVER")[0] for _ in range(5)]
            self.assertEqual(codes, [500] * 4 + [421])
        self.logged("event=smtp.too_many_errors", source(7))

    def test_connections_of_an_address(self):
        held = [smtp(source=source(8)) for _ in range(8)]
        with contextlib.closing(Smtp("smtp", source=source(8))) as s:
            self.assertEqual(s.reply()[0], 421)
        self.logged("event=session.refused", source(8))
        with session(9) as s:  # others are served
            self.assertEqual(s.cmd(b"NOOP")[0], 250)
        held[0].cmd(b"QUIT")
        held[0].close()

        def again():
            with contextlib.closing(Smtp("smtp", source=source(8))) as s:
                return s.reply()[0] == 220
        self.assertTrue(until(again))
        for s in held[1:]:
            s.close()

    def test_rate_of_an_address(self):
        codes = []
        for _ in range(9):
            with contextlib.closing(Smtp("submission", source=source(10))) as s:
                codes.append(s.reply()[0])
        self.assertEqual(codes, [220] * 6 + [421] * 3)
        with contextlib.closing(Smtp("submission", source=source(11))) as s:
            self.assertEqual(s.reply()[0], 220)

    def test_silence(self):
        with session(12) as s:
            self.assertEqual(s.reply()[0], 421)
        self.logged("event=session.end", source(12))

    def test_slow_command(self):
        with session(16) as s:
            s.sock.settimeout(10)
            # A command has its time from its beginning to its end.
            while s.try_send(b"x") and not s.pending(0.4):
                pass
            self.assertEqual(s.reply()[0], 421)
        self.logged("event=session.end", source(16), "Waited too long")

    def test_message_without_end(self):
        with session(17) as s:
            begin(s)
            s.cmd(b"DATA")
            # Too big is read over, so that the client hears of it; not for ever.
            for _ in range(1000):
                if not s.try_send(b"x" * 70 + b"\r\n") or s.pending():
                    break
            self.assertIn(s.reply()[0], (421, 0))
        self.logged("event=session.end", source(17), "Too many bytes in one session")

    def test_refused_recipients(self):
        with session(18) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example>")
            for i in range(5):
                s.cmd(b"RCPT TO:<%s>" % account(i)["address"].encode())
            s.send(b"RCPT TO:<%s>\r\n" % account(5)["address"].encode() * 1001)
            self.assertEqual([s.reply()[0] for _ in range(1001)], [452] * 1000 + [421])
        self.logged("event=session.end", source(18), "Too many refused recipients")

    def test_slow_message(self):
        with session(13) as s:
            begin(s)
            s.cmd(b"DATA")
            s.sock.settimeout(10)
            # A byte now and then does not keep it alive.
            while s.try_send(b"x") and not s.pending(0.4):
                pass
            self.assertEqual(s.reply()[0], 421)

    def test_hops(self):
        with session(14) as s:
            begin(s)
            s.cmd(b"DATA")
            self.assertEqual(s.cmd(b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n" * 7
                                   + b"Subject: loop\r\n\r\nx\r\n.")[0], 554)

    def test_lines(self):
        with session(15) as s:
            self.assertEqual(s.cmd(b"NOOP " + b"x" * 3000)[0], 500)
            begin(s)
            s.cmd(b"DATA")
            self.assertEqual(s.cmd(b"Subject: x\r\n\r\nend\n.\nMAIL FROM:<evil@x.y>\r\n.")[0], 550)


class SubmissionLimits(unittest.TestCase):
    """Those of submission are its own."""

    def mail(self, s, who=0):
        return s.cmd(b"MAIL FROM:<%s>" % account(who)["address"].encode())[0]

    def logged_in(self, n, who=0):
        a, s = account(who), smtp(service="submissions", source=source(n))
        self.assertEqual(s.cmd(b"AUTH PLAIN " + base64.b64encode(
            b"\0%s\0%s" % (a["address"].encode(), a["password"].encode())))[0], 235)
        return contextlib.closing(s)

    def test_recipients_and_messages(self):
        with self.logged_in(40) as s:
            self.assertEqual(self.mail(s), 250)
            to = [s.cmd(b"RCPT TO:<%s>" % account(i)["address"].encode())[0] for i in range(3)]
            self.assertEqual(to, [250, 250, 452])
            s.cmd(b"RSET")
            self.assertEqual(self.mail(s), 250)
            s.cmd(b"RSET")
            self.assertEqual(self.mail(s), 421)

    def test_bytes(self):
        with self.logged_in(41) as s:
            self.assertIn(b"SIZE 10240", s.cmd(b"EHLO client.example")[1])
            self.assertEqual(s.cmd(b"MAIL FROM:<%s> SIZE=10241" %
                                   account(0)["address"].encode())[0], 552)
            self.assertEqual(self.mail(s), 250)
            self.assertEqual(s.cmd(b"RCPT TO:<%s>" % account(0)["address"].encode())[0], 250)
            s.send(b"BDAT 12000\r\n" + b"a: b\r\n" * 2000)
            self.assertEqual(s.reply()[0], 552)
            self.assertEqual(s.cmd(b"BDAT 14000 LAST")[0], 421)

    def test_errors(self):
        with self.logged_in(42) as s:
            self.assertEqual([s.cmd(b"WHATEVER")[0] for _ in range(3)], [500, 500, 421])

    def test_log_ins(self):
        with contextlib.closing(smtp(service="submissions", source=source(43))) as s:
            wrong = b"AUTH PLAIN " + base64.b64encode(b"\0nobody@nowhere.example\0wrong")
            self.assertEqual([s.cmd(wrong)[0] for _ in range(2)], [535, 535])
            self.assertEqual(s.cmd(wrong)[0], 421)

    def test_time(self):
        with self.logged_in(44) as s:
            self.mail(s)
            s.cmd(b"RCPT TO:<%s>" % account(0)["address"].encode())
            s.cmd(b"DATA")
            s.sock.settimeout(10)
            while s.try_send(b"x") and not s.pending(0.4):
                pass
            self.assertEqual(s.reply()[0], 421)
        with contextlib.closing(smtp(service="submissions", source=source(45))) as s:
            self.assertEqual(s.reply()[0], 421)


class ImapLimits(unittest.TestCase):
    def test_connections_of_an_address(self):
        held = [Imap(0, source=source(20)) for _ in range(10)]
        w = Wire("imap", source=source(20))
        self.assertIn(b"BYE", w.line())
        w.close()
        Imap(0, source=source(21)).close()
        for box in held:
            box.ok(b"NOOP")
            box.close()

    def test_connections_of_all(self):
        since = log_size("fe1")
        held = []
        for n in range(4):
            held += [Wire("imap", source=source(30 + n)) for _ in range(10)]
        first = [w.line() for w in held]
        self.assertTrue(any(b"BYE" in x for x in first))
        self.assertGreaterEqual(sum(b"OK" in x for x in first), 20)
        self.assertTrue(until(lambda: log_lines("fe1", "event=session.refused", since=since)))
        for w in held:
            w.close()
        self.assertTrue(until(lambda: b"OK" in Wire("imap", source=source(35)).line()))

    def test_log_in_takes_too_long(self):
        box = Imap(source=source(22))
        self.assertIn(b"BYE", box.rest())
        box.close()

    def test_handshake_takes_too_long(self):
        for service in ("imaps", "submissions"):
            w = Wire(service, plain=True, source=source(23))
            w.send(b"\x16\x03\x01\x02\x00")
            w.sock.settimeout(8)
            w.rest()
            w.close()

    def test_silence_after_log_in(self):
        box = Imap(1, source=source(24))
        self.assertIn(b"BYE", box.rest())
        box.close()

    def test_append_too_big(self):
        box = Imap(2, source=source(25))
        r, _ = box.cmd(b"APPEND INBOX ", b"Subject: x\r\n\r\n" + b"y" * 40000)
        self.assertRegex(r, rb"^t\d+ NO \[(TOOBIG|LIMIT)\]")
        # A literal8, too, and what is sent without waiting is read away.
        r, _ = box.cmd(b"APPEND INBOX ~", b"Subject: x\r\n\r\n" + b"\0" * 40000)
        self.assertRegex(r, rb"^t\d+ NO \[TOOBIG\]")
        r, _ = box.cmd(b"APPEND INBOX ~{40000+}\r\n" + b"\0" * 40000)
        self.assertRegex(r, rb"^t\d+ NO \[TOOBIG\]")
        self.assertGreater(box.append(b"Subject: x\r\n\r\n" + b"\0" * 1000, binary=True), 0)
        self.assertGreater(box.append(b"Subject: x\r\n\r\n" + b"y\r\n" * 1000), 0)
        box.close()

    def test_wrong_passwords_are_slowed_down(self):
        """Growing delay for guessing, also with the right one; never for other addresses."""
        box = Imap(source=source(26))
        answers = []
        for i in range(40):
            if not box.try_send(b"g%d LOGIN %s wrong%d\r\n" % (
                    i, account(3)["address"].encode(), i)):
                break
            r = box.response()
            answers.append(r)
            if b"BYE" in r or not r:
                break
        self.assertFalse(any(b" OK" in r for r in answers))
        self.assertTrue(any(b"LIMIT" in r or b"BYE" in r or not r for r in answers))
        box.close()
        imap(4).logout()


if __name__ == "__main__":
    unittest.main()
