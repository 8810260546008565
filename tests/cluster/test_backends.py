"""Several back-ends and front-ends are one cluster."""
import contextlib
import json
import re
import unittest
import uuid

from postern import (account, account_of, change, cluster, deliver, imap, message, owners, postern,
                     smtp as submit, subjects, tls, until)
from raw import Imap, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]
TAKES = 15  # seconds


def has(who, subject, fe=0):
    box = imap(who, fe=fe)
    try:
        return subjects(box).count(subject)
    finally:
        box.logout()


class Backends(unittest.TestCase):
    def setUp(self):
        self.one, self.two = account_of("be1"), account_of("be2")

    def test_accounts_are_spread(self):
        names = list(owners().values())
        self.assertEqual(set(names), {"be1", "be2"})
        self.assertGreaterEqual(min(names.count("be1"), names.count("be2")), len(names) // 4)

    def test_any_frontend_serves_any_user(self):
        for who in (self.one, self.two):
            for fe in (0, 1):
                subject = deliver([account(who)["address"]], fe=1 - fe)
                self.assertEqual(has(who, subject, fe), 1)

    def test_one_transaction_for_both(self):
        for order in ((self.one, self.two), (self.two, self.one)):
            subject = deliver([account(w)["address"] for w in order])
            for who in order:
                self.assertTrue(until(lambda: has(who, subject) == 1))

    def test_a_session_ends_with_its_owner(self):
        """What is submitted to another back-end leaves no session there."""
        a = account(self.one)
        with submit(service="submission") as s:
            s.starttls(context=tls())
            s.login(a["address"], a["password"])
            s.send_message(message(account(self.two)["address"], sender=a["address"]))

        def left():
            status, out, err = postern("--json", "session", "list")
            self.assertEqual(status, 0, err)
            return [r for r in json.loads(out)
                    if r["service"] == "submission" and a["address"] in r.values()]
        self.assertTrue(until(lambda: not left()), left())

    def test_many_recipients(self):
        subject = deliver([a["address"] for a in cluster()["accounts"]])
        for who in range(len(cluster()["accounts"])):
            self.assertTrue(until(lambda: has(who, subject) == 1), who)

    def test_group_across_both(self):
        members = [account(account_of(b, i))["address"] for b in ("be1", "be2") for i in (0, 1)]
        name = "everybody@" + cluster()["domain"]
        change("alias", "add", name, *members)
        subject = deliver([name])
        for b in ("be1", "be2"):
            for i in (0, 1):
                self.assertTrue(until(lambda: has(account_of(b, i), subject) == 1), (b, i))

    def queued(self, addresses):
        status, out, err = postern("--json", "queue", "list")
        self.assertEqual(status, 0, err)
        return [i for i in json.loads(out) if i["address"] in addresses]

    def test_same_recipient_twice(self):
        """Named twice, and as a member of a group: one copy."""
        both = [account(w)["address"] for w in (self.one, self.two)]
        plus = [a.replace("@", "+detail@") for a in both]
        team = "team@" + cluster()["domain"]
        change("alias", "add", team, *both)
        for rcpts in (both + both + plus, plus + both, [*both, team], [team, *both],
                      [*reversed(both), team, *plus]):
            subject = deliver(rcpts)
            for who in (self.one, self.two):
                self.assertTrue(until(lambda: has(who, subject) >= 1), (who, rcpts))
            # An item of the queue would bring the copy too many.
            self.assertTrue(until(lambda: not self.queued(both + plus + [team]), 30), rcpts)
            for who in (self.one, self.two):
                self.assertEqual(has(who, subject), 1, (who, rcpts))
        a = both[0]
        with contextlib.closing(smtp()) as s:
            s.cmd(b"MAIL FROM:<x@elsewhere.example>")
            for _ in range(2):
                self.assertEqual(s.cmd(b"RCPT TO:<%s>" % a.encode())[0], 250)
            s.cmd(b"DATA")
            self.assertEqual(s.cmd(b"Subject: only once\r\n\r\nx\r\n.")[0], 250)
        self.assertEqual(has(self.one, "only once"), 1)

    def test_full_beside_others(self):
        """A mailbox that fills up between RCPT and the end of data: 250 is for the others too, and
        its copy comes when there is room: by itself, or sooner when somebody asks for it."""
        asked = []
        for full, other in ((self.one, account_of("be1", 1)), (self.one, self.two),
                            (self.two, self.one)):
            box, name = Imap(full), account(full)["address"]
            box.ok(b"SELECT INBOX")
            room = sum(int(n) for n in re.findall(rb"\(MESSAGES (\d+)", b"".join(
                line for f in (b"INBOX", b"Sent", b"Drafts", b"Junk", b"Trash", b"Archive")
                for line in box.ok(b"STATUS %s (MESSAGES)" % f))))
            change("account", "quota", name, "--items", str(room + 1))
            with contextlib.closing(smtp()) as late:
                def begun():
                    late.cmd(b"RSET")
                    late.cmd(b"MAIL FROM:<x@elsewhere.example>")
                    return all(late.cmd(b"RCPT TO:<%s>" % account(w)["address"].encode())[0] == 250
                               for w in (full, other))
                self.assertTrue(until(begun))
                first = deliver([name])  # takes the last place
                self.assertTrue(until(lambda: has(full, first) == 1))
                subject = uuid.uuid4().hex
                late.cmd(b"DATA")
                self.assertEqual(late.cmd(b"Subject: %s\r\n\r\nx\r\n." % subject.encode())[0],
                                 250)
            self.assertTrue(until(lambda: has(other, subject) == 1))
            status, out, err = postern("--json", "queue", "list")
            self.assertEqual([i["address"] for i in json.loads(out)].count(name), 1, out + err)
            self.assertEqual(has(full, subject), 0)
            change("account", "quota", name, "--items", "none")
            # The schedule is the same for all: one look at it is enough.
            if asked:
                self.assertEqual(postern(*asked, name)[0], 0)
            asked = ["queue", "retry", "--to"]
            self.assertTrue(until(lambda: has(full, subject) == 1, 60))
            self.assertEqual((has(full, subject), has(other, subject)), (1, 1))
            self.assertTrue(until(lambda: name not in postern("queue", "list")[1]))
            box.close()

    def test_changes_are_seen_at_the_other_frontend(self):
        a, b = Imap(self.two, fe=0), Imap(self.two, fe=1)
        a.ok(b"SELECT INBOX")
        b.ok(b"SELECT INBOX")
        b.idle()
        uid = a.append(b"Subject: seen everywhere\r\n\r\nx\r\n")
        while b.exists < a.exists or a.exists == 0:
            a.ok(b"NOOP")
            b.response()
        b.done()
        a.ok(b"UID STORE %d +FLAGS (\\Flagged \\Deleted)" % uid)
        self.assertTrue(until(lambda: b.ok(b"NOOP") and b"\\Flagged" in b.uids().get(uid, ())))
        a.ok(b"EXPUNGE")
        self.assertTrue(until(lambda: uid not in b.uids()))
        b.ok(b"NOOP")
        self.assertEqual((a.errors, b.errors), ([], []))
        a.close()
        b.close()


if __name__ == "__main__":
    unittest.main()
