"""LMTP in (RFC 2033): an answer for each recipient, also when they live on different back-ends."""
import json
import unittest
import uuid

import postern
import raw
from postern import account, account_of, change, deliver, imap, message, subjects, until

CLUSTER = ["--frontends", "1", "--backends", "2", "--accounts", "12"]


def ok(*argv):
    status, out, err = postern.postern("--json", *argv)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


def lmtp(source=None):
    s = raw.smtp(0, "lmtp", greet=False, source=source)
    code, words = s.reply()
    if code == 220:
        assert words.endswith(b"LMTP\r\n"), words
        assert s.cmd(b"LHLO relay.example")[0] == 250
    return s, code


class Lmtp(unittest.TestCase):
    def begin(self, *to, sender=b"x@far.example"):
        s, code = lmtp()
        self.addCleanup(s.close)
        self.assertEqual(code, 220)
        self.assertEqual(s.cmd(b"MAIL FROM:<%s>" % sender)[0], 250)
        return s, [s.cmd(b"RCPT TO:<%s>" % a.encode())[0] for a in to]

    def finish(self, s, n, to="x@example.org"):
        """The subject, and n codes."""
        m = message(to, uuid.uuid4().hex)
        self.assertEqual(s.cmd(b"DATA")[0], 354)
        s.send(m.as_bytes(policy=m.policy.clone(linesep="\r\n")) + b".\r\n")
        codes = [s.reply()[0] for _ in range(n)]
        self.assertEqual(s.cmd(b"NOOP"), (250, b"2.0.0 OK\r\n"))  # and not one more
        return m["Subject"], codes

    def test_each_recipient_has_its_answer_at_once(self):
        here, there = account_of("be1"), account_of("be2")
        s, codes = self.begin(account(here)["address"], "nobody@example.org",
                              "x@elsewhere.example", account(there)["address"])
        self.assertEqual(codes, [250, 550, 550, 250])
        subject, codes = self.finish(s, 2)
        self.assertEqual(codes, [250, 250])
        for who in (here, there):
            self.assertIn(subject, subjects(imap(who)))
        box = imap(here)
        box.select("INBOX", readonly=True)
        n = box.search(None, "SUBJECT", subject)[1][0].decode()
        self.assertIn(b" with LMTP id ", box.fetch(n, "(BODY.PEEK[HEADER])")[1][0][1])

    def test_who_filled_up_meanwhile_is_told_and_not_queued(self):
        for lead, other, n in (("be1", "be2", 0), ("be2", "be1", 3)):
            taker, near, full = account_of(lead, n), account_of(lead, n + 1), account_of(other, n + 2)
            for who in (full, near):
                box = imap(who)
                has = int(box.select("INBOX", readonly=True)[1][0])
                change("account", "quota", account(who)["address"], "--items", str(has + 1))
                self.addCleanup(ok, "account", "quota", account(who)["address"], "--items", "none")
            s, codes = self.begin(*[account(i)["address"] for i in (taker, full, near)])
            self.assertEqual(codes, [250] * 3)
            for who in (full, near):
                deliver([account(who)["address"]])
            subject, codes = self.finish(s, 3)
            self.assertEqual(codes, [250, 452, 452])
            self.assertIn(subject, subjects(imap(taker)))
            self.assertTrue(until(lambda: not ok("queue", "list")))
            self.assertNotIn(subject, subjects(imap(full)) + subjects(imap(near)))

    def test_senders_of_ours(self):
        a = account(0)["address"]
        s, codes = self.begin(a, sender=a.encode())
        self.assertEqual(codes, [250])
        self.assertEqual(self.finish(s, 1)[1], [250])

    def test_only_from_its_nets(self):
        def codes():
            out = []
            for source in ("127.0.0.1", "127.0.5.5"):
                s, code = lmtp(source)
                s.close()
                out.append(code)
            return out
        self.assertEqual(codes(), [220, 220])
        ok("setting", "set", "lmtp.nets", "127.0.5.0/24,::1")
        self.addCleanup(lambda: until(lambda: codes() == [220, 220]))
        self.addCleanup(ok, "setting", "unset", "lmtp.nets")
        self.assertTrue(until(lambda: codes() == [554, 220]))
        self.assertEqual(postern.smtp(0).quit()[0], 221)
        status, _, err = postern.postern("setting", "set", "lmtp.nets", "127.0.0.0/33")
        self.assertNotEqual(status, 0)
        self.assertIn("neither a net nor an address", err)


if __name__ == "__main__":
    unittest.main()
