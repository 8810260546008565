"""A back-end or PostgreSQL goes away and comes back: temporary failures meanwhile, and everything
recovers by itself."""
import contextlib
import glob
import imaplib
import json
import os
import secrets
import signal
import subprocess
import tempfile
import time
import unittest

import postern
from postern import (account, account_of, cluster, cluster_command, deliver, imap, log_lines, log_size,
                     subjects, until)
from raw import Imap, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]
TAKES = 80  # seconds

# A front-end's dialer tries again after at most 5 s; a first call may wait for it.
RECOVERS_SECONDS = 15
# Nobody is kept waiting for a back-end that is not there.
SOON_SECONDS = 12


def rcpt(address, fe=0):
    """The first answer that is not 250, from MAIL on, or that to RCPT."""
    with contextlib.closing(smtp(fe)) as s:
        code = s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0]
        return code if code != 250 else s.cmd(b"RCPT TO:<%s>" % address.encode())[0]


def mail(address, fe=0):
    """The same, up to the answer to the message."""
    with contextlib.closing(smtp(fe)) as s:
        for line in (b"MAIL FROM:<a@elsewhere.example>", b"RCPT TO:<%s>" % address.encode(),
                     b"DATA", b"Subject: away\r\n\r\nx\r\n."):
            code = s.cmd(line)[0]
            if code not in (250, 354):
                return code
        return code


class BackendAway(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)
        self.there, self.gone = account_of("be1"), account_of("be2")

    def log_in(self, who):
        box = Imap(fe=0)
        a = account(who)
        r, _ = box.cmd(b'LOGIN "%s" "%s"' % (a["address"].encode(), a["password"].encode()))
        box.close()
        return r

    def tool(self, *argv):
        return subprocess.run([os.path.join(postern.BUILD, "postern-backend"), *argv],
                              capture_output=True).returncode

    def create(self, folder):
        return self.tool("create", folder)

    def deliver_at_last(self):
        """Each worker finds the back-end again by itself, in its own time."""
        subject = []

        def delivered():
            try:
                subject.append(deliver([account(self.gone)["address"]]))
                return True
            except OSError:
                return False
        self.assertTrue(until(delivered, RECOVERS_SECONDS))
        return subject[-1]

    def test_one_of_two(self):
        open_ = Imap(self.gone)
        open_.ok(b"SELECT INBOX")
        cluster_command("kill", "be2")
        began = time.monotonic()
        self.assertEqual(mail(account(self.gone)["address"]), 451)
        self.assertLess(time.monotonic() - began, SOON_SECONDS)
        began = time.monotonic()
        self.assertIn(b" NO [UNAVAILABLE]", self.log_in(self.gone))
        self.assertLess(time.monotonic() - began, SOON_SECONDS)
        r, _ = open_.cmd(b"STATUS INBOX (MESSAGES)")
        self.assertIn(b" NO [UNAVAILABLE]", r)
        r, _ = open_.cmd(b"APPEND INBOX ", b"Subject: x\r\n\r\ny\r\n")
        self.assertIn(b" NO [UNAVAILABLE]", r)
        # The users of the other one notice nothing.
        subject = deliver([account(self.there)["address"]])
        box = imap(self.there)
        self.assertIn(subject, subjects(box))
        box.logout()
        cluster_command("start", "be2")
        self.assertTrue(until(lambda: mail(account(self.gone)["address"]) == 250,
                              RECOVERS_SECONDS))
        self.assertTrue(until(lambda: b" OK" in self.log_in(self.gone), RECOVERS_SECONDS))
        # The session that stood before goes on, by its ticket.
        self.assertTrue(until(lambda: b" OK" in open_.cmd(b"STATUS INBOX (MESSAGES)")[0],
                              RECOVERS_SECONDS))
        subject = self.deliver_at_last()
        open_.ok(b"NOOP")
        self.assertTrue(any(subject.encode() in r for r in open_.ok(
            b"FETCH %d BODY.PEEK[HEADER.FIELDS (SUBJECT)]" % open_.exists)))
        open_.close()

    def listed(self, who):
        """The sessions of an account, by their front-ends."""
        status, out, err = postern.postern("--json", "session", "list", "--account",
                                           account(who)["address"])
        return {r["frontend"]: r for r in json.loads(out)} if status == 0 else {}

    def open(self, fe):
        """A session, as soon as the worker that takes it has found the back-end."""
        def log_in():
            with contextlib.suppress(AssertionError, OSError):
                return Imap(self.gone, fe=fe)
        box = until(log_in, RECOVERS_SECONDS)
        self.assertTrue(box)
        return box

    def test_sessions_of_a_killed_worker_leave_the_list(self):
        boxes = [self.open(fe) for fe in (0, 1)]
        boxes[0].ok(b"SELECT INBOX")
        self.assertEqual(sorted(self.listed(self.gone)), ["fe1", "fe2"])
        n = postern.workers("fe1", "imap")
        since = {b: log_size(b) for b in ("be1", "be2")}
        for i in range(n):
            cluster_command("kill", "fe1/imap.%d" % i, "KILL")
        self.assertTrue(until(lambda: list(self.listed(self.gone)) == ["fe2"], 5),
                        self.listed(self.gone))
        self.assertTrue(log_lines("be2", "event=auth.sessions_away", "peer=frontend/fe1/imap",
                                  since=since["be2"]))
        # The worker that follows it has no part in them.
        for b in since:
            self.assertTrue(postern.linked(b, since[b], n, "frontend/fe1/imap"))
        self.assertTrue(until(lambda: list(self.listed(self.gone)) == ["fe2"]))
        boxes[1].ok(b"NOOP")
        for box in boxes:
            box.close()

    def test_sessions_are_listed_again_after_a_restart(self):
        """Also those that do nothing. What only the back-end knew is not known any more."""
        boxes = [self.open(fe) for fe in (0, 1)]
        before = self.listed(self.gone)
        self.assertEqual({r["tls"] for r in before.values()}, {True})
        n = postern.workers()
        cluster_command("kill", "be2")
        since = log_size("be2")
        cluster_command("start", "be2")
        self.assertTrue(until(lambda: sorted(self.listed(self.gone)) == ["fe1", "fe2"],
                              RECOVERS_SECONDS))
        after = self.listed(self.gone)
        for fe, row in after.items():
            self.assertEqual((row["id"], row["login"], row["service"]),
                             tuple(before[fe][k] for k in ("id", "login", "service")))
            self.assertIsNone(row["tls"])
        lines = postern.postern("session", "list", "--account",
                                account(self.gone)["address"])[1].splitlines()
        at = lines[0].index(" tls ") + 1
        self.assertEqual([line[at:].split()[0] for line in lines[1:]], ["-", "-"])
        for box in boxes:
            self.assertTrue(until(lambda: b" OK" in box.cmd(b"NOOP")[0], RECOVERS_SECONDS))
            box.close()
        self.assertTrue(postern.linked("be2", since, n))

    def test_the_administrator_asks_another(self):
        """The first back-end is the one of admin.address."""
        cluster_command("kill", "be1")
        status, out, err = postern.postern("--json", "status")
        self.assertEqual((status, err.count("be1: not asked")), (69, 1), err)
        self.assertEqual([(b["backend"], b["state"]) for b in json.loads(out)["backends"]],
                         [("be1", "away"), ("be2", "up")])
        status, out, err = postern.postern("domain", "list")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("example.org", out)
        # Who names an address means it.
        first = cluster()["admin"]["address"]
        status, out, err = postern.postern("--address", first, "domain", "list")
        self.assertEqual((status, out, err),
                         (69, "", "postern: %s: nobody answers there\n" % first))
        cluster_command("start", "be1")
        self.assertTrue(until(lambda: postern.postern("status")[0] == 0, RECOVERS_SECONDS))

    def test_all_of_them(self):
        for name in ("be1", "be2"):
            cluster_command("kill", name)
        status, out, err = postern.postern("domain", "list")
        self.assertEqual((status, out), (69, ""))
        self.assertEqual(err.count("nobody answers there"), 2, err)
        self.assertRegex(err, r"\npostern: no back-end of .*cluster\.json answers\n\Z")
        for who in (self.there, self.gone):
            self.assertEqual(rcpt(account(who)["address"], fe=1), 451)
            self.assertIn(b" NO [UNAVAILABLE]", self.log_in(who))
        for name in ("be1", "be2"):
            cluster_command("start", name)
        for who in (self.there, self.gone):
            self.assertTrue(until(lambda: rcpt(account(who)["address"], fe=1) == 250,
                                  RECOVERS_SECONDS))

    def test_idle_survives_a_restart(self):
        boxes = []
        for fe in (0, 1):
            box = Imap(self.gone, fe=fe)
            box.ok(b"SELECT INBOX")
            box.idle()
            boxes.append(box)
        for signal in ("KILL", "TERM"):
            cluster_command("kill", "be2", signal)
            cluster_command("start", "be2")
            before = [box.exists for box in boxes]
            subject = self.deliver_at_last()
            for box, n in zip(boxes, before):
                box.sock.settimeout(RECOVERS_SECONDS)
                while box.exists == n:
                    r = box.response()
                    self.assertTrue(r, "the session was closed")
        for box in boxes:
            r, _ = box.done()
            self.assertIn(b" OK", r)
            box.ok(b"NOOP")  # what an attempt that seemed to fail has brought comes before the last
            self.assertIn(subject.encode(), b"".join(
                box.ok(b"FETCH %d BODY.PEEK[HEADER.FIELDS (SUBJECT)]" % box.exists)))
            self.assertEqual(box.errors, [])
            box.close()

    def let_in(self):
        """Each worker finds the back-end again in its own time: a session at one that has."""
        boxes = []

        def opened():
            with contextlib.suppress(imaplib.IMAP4.error):
                boxes.append(imap(self.gone))
            return boxes
        self.assertTrue(until(opened, RECOVERS_SECONDS))
        return boxes[0]

    def test_a_volume_that_is_not_mounted(self):
        """Nothing begins anew in its place: mail waits until it is there again."""
        data = next(b["data"] for b in cluster()["backends"] if b["name"] == "be2")
        folder = glob.glob(os.path.join(data, "p[0-9]*"))[0]
        subject = deliver([account(self.gone)["address"]])
        cluster_command("kill", "be2", "TERM")
        os.rename(folder, folder + ".away")
        try:
            since = log_size("be2")
            cluster_command("start", "be2")
            self.assertTrue(until(lambda: log_lines("be2", "event=partition.not_opened",
                                                    "is the volume mounted?", since=since)))
            self.assertFalse(os.path.exists(folder))
            self.assertEqual(mail(account(self.gone)["address"]), 451)
            # A log-in needs the directory alone; what follows finds no mailbox.
            box = self.let_in()
            self.assertEqual(box.select("INBOX")[0], "NO")
            box.logout()
            # Nor is it taken for clean, or for empty.
            closed = "partition %d is not open" % int(os.path.basename(folder)[1:])

            def told(status, *argv):
                got, out, err = postern.postern(*argv)
                return got == status and closed in out + err
            self.assertTrue(until(lambda: told(1, "fsck", "--quick"), RECOVERS_SECONDS))
            self.assertTrue(until(lambda: told(69, "queue", "list"), RECOVERS_SECONDS))
            cluster_command("kill", "be2", "TERM")
        finally:
            os.rename(folder + ".away", folder)
        # Who really begins anew says so; what is there stays.
        self.assertEqual(self.create(folder), 73)
        with tempfile.TemporaryDirectory(prefix="postern-away-") as d:
            fresh = os.path.join(d, "p0042")
            for name in ("q0042", "p", "p42x", "xp0042"):
                self.assertEqual((name, self.create(os.path.join(d, name))), (name, 64))
            self.assertEqual(os.listdir(d), [])
            self.assertEqual(self.create(fresh), 0)
            self.assertEqual(self.tool("fsck", fresh), 0)
            self.assertEqual(self.create(fresh), 73)
        cluster_command("start", "be2")
        self.deliver_at_last()
        box = self.let_in()
        self.assertIn(subject, subjects(box))
        box.logout()

    def test_workers_are_started_again(self):
        for service in ("smtp", "imap", "submission", "outbound", "web"):
            since = log_size("fe1")
            cluster_command("kill", "fe1/" + service)
            self.assertTrue(until(lambda: log_lines("fe1", "event=worker.started",
                                                    "service=" + service, since=since)))
        self.assertTrue(until(lambda: rcpt(account(self.there)["address"]) == 250, 10))
        box = imap(self.there)
        box.logout()


class BackendHangs(unittest.TestCase):
    """It does not close its links, it does not answer."""

    def setUp(self):
        with open(os.path.join(postern.FOLDER, "be1", "pid")) as f:
            self.pid = int(f.read().split()[0])
        self.addCleanup(self.go_on)
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)
        stopped = account(account_of("be1"))["address"]
        assert until(lambda: rcpt(stopped) == 250, 60)

    def test_mail_for_users_of_the_other(self):
        """Half of the questions were for the one that hangs: one question finds out."""
        other = account(account_of("be2"))["address"]
        for fe in (0, 1):
            self.assertEqual([rcpt(other, fe) for _ in range(8)], [250] * 8)
            self.assertTrue(deliver([other], fe=fe))

    def test_log_ins_of_users_of_the_other(self):
        who = account_of("be2")
        for fe in (0, 1):
            for _ in range(3):
                box = imap(who, fe=fe)
                self.assertEqual(box.select("INBOX")[0], "OK")
                box.logout()

    def test_the_administrator_asks_another(self):
        """Once: a record of the refusal of a second one would be in the audit."""
        name = "w%s.example" % secrets.token_hex(8)
        began = time.monotonic()
        self.assertEqual(postern.postern("domain", "add", name)[::2], (0, ""))
        self.assertLess(time.monotonic() - began, SOON_SECONDS)
        os.kill(self.pid, signal.SIGCONT)
        rows = json.loads(postern.postern("--json", "audit", "list", "--limit", "50")[1])
        self.assertEqual([r["result"] for r in rows if r["target"] == name], ["ok"])
        self.assertEqual(postern.postern("domain", "remove", name)[0], 0)


class PostgresAway(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.warm, cls.cold = account_of("be1", 3), account_of("be1", 4)
        cls.box = imap(cls.warm)
        cls.box.select("INBOX")
        cluster_command("kill", "postgres", "INT")

    @classmethod
    def tearDownClass(cls):
        postern.restore()
        cls.box.shutdown()  # else it comes by with its ticket while others count those
        address = account(cls.cold)["address"]
        assert until(lambda: rcpt("nobody-at-all@example.org") == 550, 30)
        assert rcpt(address) == 250
        box = imap(cls.cold)
        box.logout()

    def test_mail_for_known_accounts(self):
        for who in (self.warm, self.cold):
            subject = deliver([account(who)["address"]])
        self.assertTrue(subject)
        # From a domain that no front-end has asked about yet.
        subject = deliver([account(self.warm)["address"]],
                          sender="a@%s.example" % secrets.token_hex(8))
        self.assertIn(subject, subjects(self.box))
        self.box.select("INBOX")

    def test_unknown_addresses(self):
        """However complete the copy is: somebody may have been added since."""
        self.assertTrue(until(lambda: rcpt("nobody-at-all@example.org") == 451,
                              RECOVERS_SECONDS))

    def test_users_who_are_logged_in(self):
        self.box.select("INBOX")
        self.assertEqual(self.box.append("INBOX", None, None, b"Subject: a\r\n\r\nb\r\n")[0], "OK")
        self.assertEqual(self.box.create("away-" + secrets.token_hex(4))[0], "OK")
        self.assertEqual(self.box.store("1", "+FLAGS", "\\Flagged")[0], "OK")
        self.assertEqual(self.box.fetch("1", "(BODY.PEEK[])")[0], "OK")

    def test_the_administrator_is_told_so(self):
        """In one text, whoever finds out first; the reason is in the log, in one line."""
        since = {b: log_size(b) for b in ("be1", "be2")}
        verbs = (("account", "list"), ("account", "add", "new@example.org", "--no-password"),
                 ("domain", "list"), ("domain", "add", "new.example"), ("alias", "list"),
                 ("audit", "list"), ("pki", "list"))
        told = set()

        def asked_for_long():
            told.update(v[:2] + postern.postern(*v) for v in verbs)
            return time.monotonic() - began > 6
        # Longer than the pause between two attempts to connect.
        began = time.monotonic()
        self.assertTrue(until(asked_for_long))
        self.assertEqual({t[2:] for t in told},
                         {(75, "", "postern: PostgreSQL is away\n")}, told)
        lines = [x for b in ("be1", "be2") for x in log_lines(b, "event=pg.down")]
        self.assertTrue(lines)
        self.assertFalse([x for x in lines if "\\n" in x or "\\t" in x])
        self.assertTrue(log_lines("be1", "event=admin.not_audited", "method=account.list",
                                  since=since["be1"]))

    def test_warm_log_in(self):
        box = imap(self.warm)
        box.logout()

    def test_cold_log_in(self):
        with self.assertRaises(imaplib.IMAP4.error) as caught:
            imap(self.cold)
        self.assertIn("UNAVAILABLE", str(caught.exception))

    # The last one: the proofs of warm log-ins are in memory only.
    def test_zz_restart_of_a_backend_meanwhile(self):
        """The durable copy and the node's ticket keys are enough to start."""
        cluster_command("kill", "be1")
        cluster_command("start", "be1")
        self.assertTrue(until(lambda: rcpt(account(self.warm)["address"]) == 250,
                              RECOVERS_SECONDS))
        self.assertTrue(until(lambda: self.box.status("INBOX", "(MESSAGES)")[0] == "OK",
                              RECOVERS_SECONDS))
        self.assertEqual(self.box.noop()[0], "OK")


class PostgresHangs(unittest.TestCase):
    """It does not refuse, it does not answer."""

    def setUp(self):
        with open(os.path.join(postern.FOLDER, "postgres", "pid")) as f:
            master = int(f.read().split()[0])
        with open("/proc/%d/task/%d/children" % (master, master)) as f:
            self.stopped = [master] + [int(x) for x in f.read().split()]
        self.addCleanup(self.go_on)

    def go_on(self):
        for pid in self.stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert until(lambda: rcpt("nobody-at-all@example.org") == 550, 30)

    def test_session_kill(self):
        """Sessions end at once all the same, whichever back-end has them."""
        numbers = [account_of(b) for b in ("be1", "be2")]
        boxes = [Imap(account(n), fe=fe) for n in numbers for fe in (0, 1)]
        for pid in self.stopped:
            os.kill(pid, signal.SIGSTOP)
        for i, n in enumerate(numbers):
            address = account(n)["address"]
            p = subprocess.Popen([os.path.join(postern.BUILD, "postern"), "--cluster",
                                  os.path.join(postern.FOLDER, "cluster.json"), "session", "kill",
                                  "--account", address.upper()], stdout=subprocess.DEVNULL)
            began = time.monotonic()
            for box in boxes[2 * i:2 * i + 2]:
                box.sock.settimeout(10)
                box.rest()
            self.assertLess(time.monotonic() - began, 1.5)
            self.assertEqual(p.wait(), 0)


if __name__ == "__main__":
    unittest.main()
