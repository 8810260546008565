"""What an administrator does, and how soon sessions feel it."""
import contextlib
import imaplib
import json
import time
import unittest

from postern import (account, account_of, cluster, deliver, everybody_knows, imap, postern,
                     subjects, until)
from raw import Imap, Smtp, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]

ENDS_SECONDS = 1
# Said on another node than the one that was told: its copy of the directory follows.
KNOWN_SECONDS = 5


def done(*argv, **kw):
    status, out, err = postern(*argv, **kw)
    assert status == 0, (argv, out, err)
    return out


def rows(*argv):
    return json.loads(done("--json", *argv))


class Managed(unittest.TestCase):
    """Each test has accounts of its own."""

    def add(self, word, *options):
        a = {"address": "%s-%08x@%s" % (word, time.time_ns() & 0xffffffff, cluster()["domain"]),
             "password": "a long enough Passw0rd %d" % time.time_ns()}
        done("account", "add", a["address"], "--password-stdin", *options,
             text_in=a["password"] + "\n")
        everybody_knows()
        self.assertTrue(self.logs_in(a))
        return a

    def logs_in(self, a, fe=0):
        box = Imap(fe=fe)
        r, _ = box.cmd(b'LOGIN "%s" "%s"' % (a["address"].encode(), a["password"].encode()))
        box.close()
        return b" OK" in r

    def ends(self, box, done_at):
        """The session hears BYE, or is closed, in time; it may be in IDLE."""
        box.sock.settimeout(ENDS_SECONDS + 5)
        got = box.rest()
        self.assertLess(time.monotonic() - done_at, ENDS_SECONDS)
        return got

    def selected(self, a, fe=0):
        box = Imap(a, fe=fe)
        box.ok(b"SELECT INBOX")
        return box


class Sessions(Managed):
    def test_list_and_kill(self):
        a = self.add("kill")
        idle, other = self.selected(a), self.selected(a, fe=1)
        idle.idle()
        listed = rows("session", "list", "--account", a["address"])
        self.assertEqual({r["frontend"] for r in listed}, {"fe1", "fe2"})
        one = next(r["id"] for r in listed if r["frontend"] == "fe1")
        done("session", "kill", one)
        self.assertIn(b"BYE", self.ends(idle, time.monotonic()))
        other.ok(b"NOOP")
        self.assertTrue(until(lambda: len(rows("session", "list", "--account",
                                               a["address"])) == 1))
        done("session", "kill", "--account", a["address"])
        self.ends(other, time.monotonic())
        self.assertTrue(self.logs_in(a))

    def test_password_change(self):
        a = self.add("passwd")
        boxes = [self.selected(a, fe) for fe in (0, 1)]
        boxes[0].idle()
        done("account", "passwd", a["address"], "--password-stdin", text_in="another Passw0rd 1\n")
        done_at = time.monotonic()
        for box in boxes:
            self.ends(box, done_at)
        # Whoever was told ends sessions before the mailbox's back-end has heard of it.
        everybody_knows()
        self.assertFalse(self.logs_in(a))
        a["password"] = "another Passw0rd 1"
        self.assertTrue(self.logs_in(a, fe=1))

    def test_lock_and_unlock(self):
        a = self.add("lock")
        box = self.selected(a)
        done("account", "lock", a["address"])
        self.ends(box, time.monotonic())
        self.assertTrue(until(lambda: not self.logs_in(a, fe=1), KNOWN_SECONDS))
        # Its mail still arrives.
        subject = deliver([a["address"]])
        done("account", "unlock", a["address"])
        self.assertTrue(until(lambda: self.logs_in(a), KNOWN_SECONDS))
        box = self.selected(a)
        self.assertTrue(any(subject.encode() in r for r in
                            box.ok(b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")))
        box.close()

    def test_remove(self):
        a = self.add("remove")
        box = self.selected(a)
        done("account", "remove", a["address"])
        self.ends(box, time.monotonic())
        everybody_knows()
        self.assertFalse(self.logs_in(a))

        def refused():
            with contextlib.closing(smtp()) as s:
                s.cmd(b"MAIL FROM:<a@elsewhere.example>")
                return s.cmd(b"RCPT TO:<%s>" % a["address"].encode())[0] == 550
        self.assertTrue(until(refused, KNOWN_SECONDS))

    def test_account_shows_its_last_login(self):
        a = self.add("last")
        self.selected(a).close()
        row = rows("account", "show", a["address"])
        self.assertEqual(row["last_login_from"], "127.0.0.1")
        self.assertEqual(row["state"], "active")


class Quota(Managed):
    def test_over_quota(self):
        a = self.add("quota", "--quota", "100k")
        body = "".join("%070d\n" % i for i in range(700))
        deliver([a["address"]], body=body)
        # 50 k are taken: a message that says it has 60 k is refused before it is sent.
        with contextlib.closing(smtp()) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=60000")
            self.assertIn(s.cmd(b"RCPT TO:<%s>" % a["address"].encode())[0], (452, 552))
        # One that does not say is found out at its end.
        with contextlib.closing(smtp()) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example>")
            self.assertEqual(s.cmd(b"RCPT TO:<%s>" % a["address"].encode())[0], 250)
            s.cmd(b"DATA")
            self.assertIn(s.cmd(b"Subject: x\r\n\r\n" + b"y" * 70 + (b"\r\n" + b"y" * 70) * 900 +
                                b"\r\n.")[0], (452, 552))
        box = self.selected(a)
        r, _ = box.cmd(b"APPEND INBOX ", b"Subject: x\r\n\r\n" + b"y" * 60000)
        self.assertIn(b" NO [OVERQUOTA]", r)
        box.append(b"Subject: small\r\n\r\nz\r\n")
        done("account", "quota", a["address"], "1m")
        self.assertTrue(until(lambda: b" OK" in box.cmd(
            b"APPEND INBOX ", b"Subject: x\r\n\r\n" + b"y" * 60000)[0], KNOWN_SECONDS))
        # Deleting makes room.
        done("account", "quota", a["address"], "50k")
        self.assertTrue(until(lambda: b"OVERQUOTA" in box.cmd(
            b"APPEND INBOX ", b"Subject: x\r\n\r\n" + b"y" * 60000)[0], KNOWN_SECONDS))
        box.ok(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
        box.ok(b"EXPUNGE")
        box.append(b"Subject: room\r\n\r\n" + b"y" * 30000)
        box.close()

    def test_messages(self):
        a = self.add("items")
        done("account", "quota", a["address"], "--items", "2")

        def refused():
            with contextlib.closing(smtp()) as s:
                s.cmd(b"MAIL FROM:<a@elsewhere.example>")
                return s.cmd(b"RCPT TO:<%s>" % a["address"].encode())[0] in (452, 552)
        deliver([a["address"]])
        deliver([a["address"]])
        self.assertTrue(until(refused, KNOWN_SECONDS))

    def test_full_mailbox_among_others(self):
        """The others get theirs; the full one is refused at RCPT, or in the end by itself."""
        full, fine = self.add("full", "--quota", "1k"), account(account_of("be1"))
        with contextlib.closing(smtp()) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=50000")
            self.assertIn(s.cmd(b"RCPT TO:<%s>" % full["address"].encode())[0], (452, 552))
            self.assertEqual(s.cmd(b"RCPT TO:<%s>" % fine["address"].encode())[0], 250)
            s.cmd(b"DATA")
            self.assertEqual(s.cmd(b"Subject: for one\r\n\r\nx\r\n.")[0], 250)


class Directory(Managed):
    def test_alias_group_plus_and_catch_all(self):
        domain, a = cluster()["domain"], account(account_of("be2"))
        word = "alias-%08x" % (time.time_ns() & 0xffffffff)
        done("alias", "add", word + "@" + domain, a["address"])
        subject = []

        def taken(address):
            try:
                subject[:] = [deliver([address])]
                return True
            except OSError:
                return False
        for address in (word + "@" + domain, a["address"].replace("@", "+detail@"),
                        word.upper() + "@" + domain.upper()):
            self.assertTrue(until(lambda: taken(address), KNOWN_SECONDS), address)
            box = imap(account_of("be2"))
            self.assertEqual(subjects(box).count(subject[0]), 1)
            box.logout()
        done("alias", "remove", word + "@" + domain)
        self.assertTrue(until(lambda: not taken(word + "@" + domain), KNOWN_SECONDS))

    def test_second_domain_and_alias_domain(self):
        word = "d%08x.example" % (time.time_ns() & 0xffffffff)
        done("domain", "add", word)
        box = {"address": "only@" + word, "password": "a long enough Passw0rd"}
        done("account", "add", box["address"], "--password-stdin", text_in=box["password"] + "\n")
        everybody_knows()
        self.assertTrue(self.logs_in(box))
        deliver([box["address"]])
        status, out, err = postern("domain", "remove", word)
        self.assertNotEqual(status, 0)
        self.assertIn("account", err)

    def test_outside_alias(self):
        """An alias with a member elsewhere is accepted; nothing goes out yet, nothing is lost."""
        a = account(account_of("be1"))
        word = "outside-%08x@%s" % (time.time_ns() & 0xffffffff, cluster()["domain"])
        done("alias", "add", word, a["address"], "somebody@elsewhere.example")
        subject = []

        def taken():
            try:
                subject[:] = [deliver([word])]
                return True
            except OSError:
                return False
        self.assertTrue(until(taken, KNOWN_SECONDS))

        def arrived():
            box = imap(account_of("be1"))
            try:
                return subject[0] in subjects(box)
            finally:
                box.logout()
        self.assertTrue(until(arrived, 20))
        done("alias", "remove", word)


class Command(unittest.TestCase):
    def test_status_of_every_node(self):
        def workers():
            out = rows("status")
            return out if {w.get("frontend", w.get("node")) for w in out["workers"]} >= \
                {"fe1", "fe2"} else None
        out = until(workers, 20)
        self.assertTrue(out, rows("status"))
        self.assertEqual({b["backend"]: b["state"] for b in out["backends"]},
                         {"be1": "up", "be2": "up"})

    def test_exit_codes(self):
        for argv, want in ((["account", "show", "nobody@" + cluster()["domain"]], 67),
                           (["no-such-noun"], 64), (["account", "no-such-verb"], 64),
                           (["account", "add", "not an address", "--random"], 65),
                           (["account", "show", account(0)["address"]], 0)):
            self.assertEqual((argv, postern(*argv)[0]), (argv, want))

    def test_everything_is_audited(self):
        name = "audit-%08x@%s" % (time.time_ns() & 0xffffffff, cluster()["domain"])
        done("account", "add", name, "--random")
        postern("account", "add", name, "--random")
        seen = [r for r in rows("audit", "list") if r["target"] == name]
        self.assertEqual({(r["method"], r["who"], r["result"] == "ok") for r in seen},
                         {("account.add", "admin/operator", True),
                          ("account.add", "admin/operator", False)})

    def test_fsck(self):
        out = rows("fsck")
        self.assertEqual(out["findings"], [])
        self.assertEqual({p["errors"] for p in out["partitions"]}, {0})

    def test_log_in_of_nobody(self):
        with self.assertRaises(imaplib.IMAP4.error):
            box = imap(0, login=False)
            box.login("nobody@" + cluster()["domain"], "x")
        s = Smtp("submission")
        s.reply()
        self.assertEqual(s.cmd(b"AUTH PLAIN AGEAYg==")[0] // 100, 5)
        s.close()


if __name__ == "__main__":
    unittest.main()
