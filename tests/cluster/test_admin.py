"""The administrator's command: every verb, bad input, exit codes; two back-ends, so that what lives
at another one is asked for over there."""
import contextlib
import csv
import imaplib
import io
import json
import os
import pty
import re
import signal
import smtplib
import subprocess
import tempfile
import termios
import time
import unittest
import uuid

from postern import (BUILD, FOLDER, account, account_of, cluster, cluster_command, deliver,
                     everybody_knows, imap, log_lines, log_size, postern, restore, smtp, subjects,
                     until)

CLUSTER = ["--backends", "2", "--partitions", "4", "--frontends", "2", "--accounts", "12"]
OK, FINDINGS, USAGE, DATA, NOUSER, DOWN, NOPERM, CONFIG = 0, 1, 64, 65, 67, 69, 77, 78
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


def run(*argv, text_in=None, want=OK):
    status, out, err = postern(*argv, text_in=text_in)
    assert status == want, "postern %s: %d, not %d\n%s%s" % (
        " ".join(argv)[:200], status, want, out[:500], err[:500])
    return out if want == OK else err


def rows(*argv, **kw):
    return json.loads(run("--json", *argv, **kw))


def name(what="x"):
    return "%s-%s" % (what, uuid.uuid4().hex[:8])


def table(text):
    """A printed table as a list of dicts."""
    lines = text.splitlines()
    heads = [(m.group(), m.start()) for m in re.finditer(r"\S+", lines[0])]
    ends = [start for _, start in heads[1:]] + [None]
    return [{h: line[start:end].strip() for (h, start), end in zip(heads, ends)}
            for line in lines[1:]]


def new_account(domain="example.org", password="a long enough one", *more):
    address = "%s@%s" % (name("user"), domain)
    run("account", "add", address, "--password", password, *more)
    everybody_knows()
    return address


def can_log_in(address, password):
    box = imap(0, login=False)
    try:
        box.login(address, password)
        return box
    except imaplib.IMAP4.error:
        box.shutdown()
        return None


class CommandLine(unittest.TestCase):
    def test_help_of_every_verb(self):
        top = run("--help")
        for noun in ("domain", "account", "alias", "session", "setting", "status", "fsck", "pki",
                     "queue", "audit", "tls-policy", "route"):
            self.assertIn(noun, top)
        verbs = {"domain": "add list show edit remove",
                 "account": "add list show lock unlock passwd quota remove import",
                 "alias": "add list show set remove on off", "session": "list kill",
                 "setting": "list show set unset", "pki": "init issue list revoke",
                 "queue": "list show hold release retry remove bounce reroute requeue",
                 "audit": "list", "tls-policy": "set list show remove",
                 "route": "add list show edit remove"}
        for noun, all_ in verbs.items():
            text = run(noun, "--help")
            for verb in all_.split():
                self.assertRegex(text, r"\n  %s +\S" % verb)
                self.assertIn("usage: postern %s %s" % (noun, verb), run(noun, verb, "--help"))
        self.assertIn("usage: postern status", run("status", "--help"))
        self.assertIn("--quick", run("fsck", "-h"))
        self.assertEqual(run("help"), top)
        self.assertEqual(run("help", "account", "add"), run("account", "add", "--help"))
        self.assertRegex(run("--version"), r"^postern \d")

    def test_usage_errors(self):
        for argv in ([], ["nonsense"], ["domain"], ["domain", "nonsense"], ["domain", "add"],
                     ["domain", "add", "a.example", "b.example"], ["--nonsense"],
                     ["domain", "list", "--nonsense"], ["domain", "add", "x.example", "--quota"],
                     ["domain", "add", "x.example", "--quota", "lots"],
                     ["domain", "add", "x.example", "--quota", "1m", "--quota", "2m"],
                     ["domain", "add", "x.example", "--kind", "odd"],
                     ["account", "add", "x@example.org", "--password", "p", "--random"],
                     ["account", "list", "--sort", "colour"], ["account", "list", "--sort"],
                     ["session", "kill"], ["session", "kill", "00", "--account", "x"],
                     ["domain", "edit", "example.org"], ["account", "quota", "x@example.org"],
                     ["alias", "add", "x@example.org"], ["pki", "issue", "--dir", "x"]):
            err = run(*argv, want=USAGE)
            self.assertTrue(err.startswith("postern: ") or err.startswith("usage: "), (argv, err))

    def bare(self, *argv, env=None):
        done = subprocess.run([os.path.join(BUILD, "postern"), *argv], capture_output=True,
                              text=True, env=dict(os.environ, **(env or {})))
        return done.returncode, done.stdout, done.stderr

    def test_where(self):
        c = cluster()
        self.assertEqual(self.bare("domain", "list", env={"POSTERN_CLUSTER": ""})[0], CONFIG)
        env = {k: v for k, v in os.environ.items() if k != "POSTERN_CLUSTER"}
        done = subprocess.run([os.path.join(BUILD, "postern"), "domain", "list"], env=env,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, USAGE)
        path = os.path.join(FOLDER, "cluster.json")
        self.assertEqual(self.bare("domain", "list", env={"POSTERN_CLUSTER": path})[0], OK)
        where = ["--address", c["admin"]["address"], "--cert", c["admin"]["cert"], "--key",
                 c["admin"]["key"], "--ca", c["ca"]]
        self.assertEqual(self.bare(*where, "domain", "list")[0], OK)
        self.assertEqual(self.bare("domain", "list", *where)[0], OK)
        self.assertEqual(self.bare("--cluster", "/nonexistent", "domain", "list")[0], CONFIG)
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("{ not json")
            f.flush()
            self.assertEqual(self.bare("--cluster", f.name, "domain", "list")[0], CONFIG)
        nowhere = where[:1] + ["127.0.0.1:1"] + where[2:]
        self.assertEqual(self.bare(*nowhere, "domain", "list")[0], DOWN)
        # A node's certificate is not an administrator's, at either end.
        node = os.path.join(FOLDER, "fe1", "certs", "smtp")
        as_node = where[:2] + ["--cert", node + ".pem", "--key", node + ".key"] + where[6:]
        self.assertEqual(self.bare(*as_node, "domain", "list")[0], NOPERM)
        # Nor is that of another CA.
        with tempfile.TemporaryDirectory() as d:
            run("pki", "init", "--dir", d)
            self.assertEqual(self.bare("pki", "issue", "--dir", d, "--out", d + "/a",
                                       "admin/mallory")[0], OK)
            other = where[:2] + ["--cert", d + "/a.pem", "--key", d + "/a.key"] + where[6:]
            status, _, err = self.bare(*other, "domain", "list")
            self.assertEqual(status, NOPERM)
            self.assertIn("certificate was refused", err)
            # The right port, as seen by who trusts another CA.
            self.assertEqual(self.bare(*(where[:6] + ["--ca", d + "/ca.pem"]), "domain",
                                       "list")[0], DOWN)


class Domains(unittest.TestCase):
    def test_life_of_a_domain(self):
        d = name() + ".example"
        self.assertEqual(rows("domain", "add", d.upper(), "--quota", "2g", "--accounts-max", "2"),
                         {})
        row = [r for r in rows("domain", "list") if r["name"] == d][0]
        self.assertEqual({k: row[k] for k in ("kind", "target", "catch_all", "accounts", "addresses",
                                              "accounts_max", "quota_bytes")},
                         {"kind": "local", "target": "", "catch_all": "", "accounts": 0,
                          "addresses": 0, "accounts_max": 2, "quota_bytes": 2 << 30})
        self.assertRegex(row["created"], TIME)
        self.assertEqual(rows("domain", "show", d), row)
        printed = [r for r in table(run("domain", "list")) if r["name"] == d][0]
        self.assertEqual(printed, {"name": d, "kind": "local", "target": "-", "catch_all": "-",
                                   "accounts": "0", "addresses": "0", "accounts_max": "2",
                                   "quota": "2.0G", "mta_sts": "-"})
        self.assertIn("there already", run("domain", "add", d, want=DATA))
        # Only what is named changes.
        run("domain", "edit", d, "--catch-all", "user1@example.org")
        row = rows("domain", "show", d)
        self.assertEqual((row["catch_all"], row["accounts_max"], row["quota_bytes"]),
                         ("user1@example.org", 2, 2 << 30))
        run("domain", "edit", d, "--catch-all", "none", "--accounts-max", "none", "--quota", "none")
        row = rows("domain", "show", d)
        self.assertEqual((row["catch_all"], row["accounts_max"], row["quota_bytes"]), ("", 0, 0))
        # It cannot go while something is in it.
        who = new_account(d)
        run("domain", "remove", d, want=DATA)
        run("account", "remove", who)
        run("domain", "remove", d)
        run("domain", "show", d, want=NOUSER)
        run("domain", "remove", d, want=NOUSER)
        run("domain", "edit", d, "--quota", "1m", want=NOUSER)

    def test_other_kinds(self):
        a, r = name() + ".example", name() + ".example"
        run("domain", "add", a, "--target", "example.org")
        run("domain", "add", r, "--kind", "remote")
        kinds = {x["name"]: (x["kind"], x["target"]) for x in rows("domain", "list")}
        self.assertEqual((kinds[a], kinds[r]), (("alias", "example.org"), ("remote", "")))
        everybody_knows()
        who = account(0)["address"].replace("example.org", a)
        subject = deliver([who])
        self.assertTrue(until(lambda: subject in self.inbox(0)))
        run("domain", "add", name() + ".example", "--target", "no.example", want=NOUSER)
        run("domain", "add", "not a domain", want=DATA)
        self.assertIn("target", run("domain", "add", name() + ".example", "--kind", "alias",
                                    want=DATA))
        run("domain", "remove", a)
        run("domain", "remove", r)

    def inbox(self, who):
        box = imap(who)
        try:
            return subjects(box)
        finally:
            box.logout()

    def test_limit_of_accounts(self):
        d = name() + ".example"
        run("domain", "add", d, "--accounts-max", "1")
        new_account(d)
        self.assertIn("postern: ", run("account", "add", "two@" + d, "--no-password", want=DATA))


class Accounts(unittest.TestCase):
    def test_list_filtered_and_sorted(self):
        word = name("sorted")
        made = ["%s-%d@example.org" % (word, i) for i in range(3)]
        for i, who in enumerate(made):
            run("account", "add", who, "--password", "a long enough one", "--name",
                "Needle %s %d%%" % (word, i))
        everybody_knows()
        # One large, two small; the third has logged in, then the first.
        for who, size in ((made[1], 9000), (made[0], 1000), (made[0], 1000)):
            deliver([who], body="x\n" * size)
        for who in (made[2], made[0]):
            box = can_log_in(who, "a long enough one")
            box.logout()

        def listed(*argv):
            return [r["address"] for r in rows("account", "list", *argv)]
        for text in (word, word.upper(), "needle " + word, word[2:]):
            self.assertEqual(listed("--match", text), made)
        self.assertEqual(listed("--match", word + " 1%"), [made[1]])
        self.assertEqual(listed("--match", word, "--domain", "example.org"), made)
        self.assertEqual(listed("--match", word + "_"), [])
        mine = ("--match", word, "--sort")
        self.assertEqual(listed(*mine, "name"), made)
        self.assertEqual(listed(*mine, "size"), [made[1], made[0], made[2]])
        self.assertEqual(listed(*mine, "items"), made)
        self.assertEqual(listed(*mine, "last-login"), [made[0], made[2], made[1]])
        self.assertEqual([r["address"] for r in table(run("account", "list", *mine, "size"))],
                         [made[1], made[0], made[2]])
        every = listed("--sort", "size")
        self.assertEqual(sorted(every), sorted(listed()))
        self.assertEqual(rows("account", "list", "--sort", "size", "--match", "no such"), [])

    def test_life_of_an_account(self):
        who = name("user") + "@example.org"
        first = rows("account", "add", who, "--password", "a long enough one", "--name", "A. Name",
                     "--quota", "10m")
        self.assertEqual(first["address"], who)
        everybody_knows()
        row = rows("account", "show", who.upper())
        self.assertEqual({k: row[k] for k in ("address", "state", "items", "size_bytes",
                                              "quota_bytes", "quota_items", "last_login",
                                              "last_login_from", "display_name", "id",
                                              "credential")},
                         {"address": who, "state": "active", "items": 0, "size_bytes": 0,
                          "quota_bytes": 10 << 20, "quota_items": 0, "last_login": None,
                          "last_login_from": "", "display_name": "A. Name", "id": first["id"],
                          "credential": "scram-sha-256"})
        self.assertIn(row["backend"], ("be1", "be2"))
        run("account", "add", who, "--no-password", want=DATA)
        deliver([who], body="x" * 5000)
        box = can_log_in(who, "a long enough one")
        self.assertIsNotNone(box)
        row = rows("account", "show", who)
        self.assertEqual((row["items"], row["last_login_from"], row["last_login_service"]),
                         (1, "127.0.0.1", "imap"))
        self.assertGreater(row["size_bytes"], 5000)
        self.assertRegex(row["last_login"], TIME)
        self.assertEqual([r for r in rows("account", "list") if r["address"] == who], [row])
        printed = [r for r in table(run("account", "list", "--domain", "example.org"))
                   if r["address"] == who][0]
        self.assertEqual((printed["state"], printed["items"], printed["quota"],
                          printed["last_login_from"]), ("active", "1", "10M", "127.0.0.1"))
        # A lock ends the session within a second or so; mail still arrives.
        run("account", "lock", who)
        run("account", "lock", who)
        self.assertTrue(until(lambda: self.is_gone(box), 3))
        # The back-end that was told ends sessions before the mailbox's own has heard of it.
        everybody_knows()
        self.assertIsNone(can_log_in(who, "a long enough one"))
        self.assertEqual(rows("account", "show", who)["state"], "locked")
        deliver([who])
        self.assertEqual(rows("account", "show", who)["items"], 2)
        run("account", "unlock", who)
        box = until(lambda: can_log_in(who, "a long enough one"))
        # So does a new password.
        run("account", "passwd", who, "--password-stdin", text_in="quite another one\n")
        self.assertTrue(until(lambda: self.is_gone(box), 3))
        everybody_knows()
        self.assertIsNone(can_log_in(who, "a long enough one"))
        box = can_log_in(who, "quite another one")
        self.assertIsNotNone(box)
        # And removal; the name is free at once.
        run("account", "remove", who)
        self.assertTrue(until(lambda: self.is_gone(box), 3))
        run("account", "show", who, want=NOUSER)
        everybody_knows()
        with smtp() as s:
            s.ehlo("client.example")
            s.mail("a@elsewhere.example")
            self.assertEqual(s.rcpt(who)[0], 550)
        again = rows("account", "add", who, "--no-password")
        self.assertNotEqual(again["id"], first["id"])
        everybody_knows()
        self.assertEqual(rows("account", "show", who)["items"], 0)

    def is_gone(self, box):
        try:
            return box.noop()[0] != "OK"
        except (imaplib.IMAP4.abort, OSError):
            return True

    def test_passwords(self):
        who = name("user") + "@example.org"
        drawn = run("account", "add", who, "--random").strip()
        self.assertRegex(drawn, r"^[A-Za-z0-9]{20}$")
        everybody_knows()
        self.assertIsNotNone(can_log_in(who, drawn))
        told = rows("account", "passwd", who, "--random")
        self.assertEqual(told["address"], who)
        self.assertNotEqual(told["password"], drawn)
        self.assertIsNotNone(until(lambda: can_log_in(who, told["password"])))
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("one from a file\r\nand no more\n")
            f.flush()
            run("account", "passwd", who, "--password-file", f.name)
        self.assertIsNotNone(until(lambda: can_log_in(who, "one from a file")))
        for bad in ("short", "x" * 2000, who, "aaaaaaaaaaaaaa", "with a \x07 bell in it"):
            run("account", "passwd", who, "--password", bad, want=DATA)
        run("account", "passwd", who, "--password-stdin", text_in="", want=DATA)
        # Cut at its NUL it would be accepted.
        run("account", "passwd", who, "--password-stdin", text_in="long enough\0 and more\n",
            want=DATA)
        self.assertIn("0 imported", postern("account", "import", "-",
                                            text_in="nul%s,long enough\0 and more\n" % who)[1])
        run("account", "passwd", who, "--password-file", "/nonexistent", want=66)
        run("account", "passwd", who, want=USAGE)  # nobody at a terminal
        run("account", "passwd", "nobody@example.org", "--password", "a long enough one",
            want=NOUSER)
        self.assertIsNotNone(can_log_in(who, "one from a file"))

    def at_terminal(self, answers, *argv):
        """Runs the command at a terminal and answers its questions: status and what was seen."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(os.path.join(BUILD, "postern"),
                     ["postern", "--cluster", os.path.join(FOLDER, "cluster.json"), *argv])
        seen = b""
        for answer in answers:
            while not seen.endswith(b": "):
                seen += os.read(fd, 1000)
            os.write(fd, answer.encode() + b"\n")
            seen += b"."
        with contextlib.suppress(OSError):  # EIO: its end
            while True:
                seen += os.read(fd, 1000)
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    def test_password_at_the_terminal(self):
        who = new_account()
        status, seen = self.at_terminal(["typed by hand", "typed by hand"], "account", "passwd", who)
        self.assertEqual(status, OK, seen)
        self.assertNotIn("typed by hand", seen)
        self.assertIsNotNone(until(lambda: can_log_in(who, "typed by hand")))
        status, seen = self.at_terminal(["typed by hand", "typed otherwise"], "account", "passwd",
                                        who)
        self.assertEqual(status, DATA)
        self.assertIn("not the same", seen)

    def test_interrupted_at_the_terminal(self):
        """The echo comes back."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(os.path.join(BUILD, "postern"), ["postern", "account", "add", "a@b.example"])
        self.addCleanup(os.close, fd)
        seen = b""
        while not seen.endswith(b": "):
            seen += os.read(fd, 1000)
        self.assertFalse(termios.tcgetattr(fd)[3] & termios.ECHO)
        os.write(fd, b"\x03")
        self.assertTrue(until(lambda: termios.tcgetattr(fd)[3] & termios.ECHO))
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGINT)

    def test_quota(self):
        who = new_account()
        run("account", "quota", who, "64k", "--items", "3")
        row = rows("account", "show", who)
        self.assertEqual((row["quota_bytes"], row["quota_items"]), (65536, 3))
        run("account", "quota", who, "--items", "none")
        row = rows("account", "show", who)
        self.assertEqual((row["quota_bytes"], row["quota_items"]), (65536, 0))
        everybody_knows()
        with self.assertRaises(smtplib.SMTPException):
            deliver([who], body="x" * 100000)
        run("account", "quota", who, "default")
        self.assertEqual(rows("account", "show", who)["quota_bytes"], 0)
        everybody_knows()
        deliver([who], body="x" * 100000)
        run("account", "quota", who, "much", want=USAGE)
        run("account", "quota", "nobody@example.org", "1g", want=NOUSER)

    def test_import(self):
        d = name() + ".example"
        run("domain", "add", d)
        text = io.StringIO()
        out = csv.writer(text)
        for i in range(60):
            out.writerow(["u%d@%s" % (i, d), 'pass, "word" %d' % i] + (["5m"] if i % 2 else []))
        self.assertEqual(rows("account", "import", "-", text_in=text.getvalue()),
                         {"imported": 60, "failed": 0})
        everybody_knows()
        found = {r["address"]: r for r in rows("account", "list", "--domain", d)}
        self.assertEqual(len(found), 60)
        self.assertEqual(found["u1@" + d]["quota_bytes"], 5 << 20)
        self.assertEqual(found["u2@" + d]["quota_bytes"], 0)
        self.assertEqual({r["backend"] for r in found.values()}, {"be1", "be2"})
        self.assertTrue(all(r["items"] == 0 for r in found.values()))
        self.assertIsNotNone(can_log_in("u7@" + d, 'pass, "word" 7'))
        run("account", "import", "-", text_in="p@%s,good enough,,3\n" % d)
        self.assertEqual(rows("account", "show", "p@" + d)["partition"], 3)
        # What cannot be imported is told by line; the rest is.
        bad = "u1@%s,a long enough one\n\nno address\nu60@%s,short\nu61@%s,good enough,1x\n" \
              "u62@%s,good enough\nu64@%s,good enough,,here\nu65@%s,good enough,,99\n" \
              "\"u63@%s,open\n" % (d, d, d, d, d, d, d)
        status, printed, err = postern("account", "import", "-", text_in=bad)
        self.assertEqual(status, DATA)
        self.assertEqual(printed, "1 imported, 7 failed\n")
        self.assertEqual(sorted(re.findall(r"line (\d+): ", err)),
                         ["1", "3", "4", "5", "7", "8", "9"])
        run("account", "import", "/nonexistent", want=66)

    def test_import_without_password(self):
        """Only `account add --no-password` makes an account that nobody can log in to."""
        d = name() + ".example"
        run("domain", "add", d)
        text = "a@%s\nb@%s,\nc@%s,,5m\nd@%s,\"\"\ne@%s,  \nf@%s,good enough\n" % (
            d, d, d, d, d, d)
        status, printed, err = postern("account", "import", "-", text_in=text)
        self.assertEqual((status, printed), (DATA, "1 imported, 5 failed\n"))
        self.assertEqual(sorted(re.findall(r"line (\d): \w@%s: no password" % d, err)),
                         ["1", "2", "3", "4", "5"])
        self.assertEqual([r["address"] for r in rows("account", "list", "--domain", d)], ["f@" + d])

    def test_bad_addresses(self):
        for bad in ("a@b@example.org", "x@nowhere.example", "@example.org", "", "a b@x"):
            status = postern("account", "add", bad, "--no-password")[0]
            self.assertIn(status, (DATA, NOUSER), bad)
        self.assertNotIn("\x1b", run("account", "add", "a\x1b[31m@example.org", "--no-password",
                                     want=DATA))
        for bad in ("x" * 201, "two\nlines"):
            self.assertNotIn("PostgreSQL", run("account", "add", name() + "@example.org",
                                               "--no-password", "--name", bad, want=DATA))
        for noun in ("account", "alias"):
            run(noun, "list", "--domain", "nowhere.example", want=NOUSER)
        for verb in ("show", "lock", "unlock", "remove"):
            run("account", verb, "nobody@example.org", want=NOUSER)


class Aliases(unittest.TestCase):
    def test_life_of_an_alias(self):
        a = name("alias") + "@example.org"
        members = [account(0)["address"], account(1)["address"], "out@elsewhere.example"]
        run("alias", "add", a, *members)
        row = [r for r in rows("alias", "list", "--domain", "example.org") if r["address"] == a][0]
        self.assertEqual((row["kind"], row["enabled"], row["member_count"], sorted(row["members"])),
                         ("alias", True, 3, sorted(members)))
        self.assertEqual(rows("alias", "show", a), row)
        run("alias", "add", a, members[0], want=DATA)
        run("alias", "set", a, members[0])
        self.assertEqual(rows("alias", "show", a)["members"], members[:1])
        everybody_knows()
        subject = deliver([a])
        box = imap(0)
        box.select("INBOX")
        self.assertTrue(until(lambda: box.search(None, "SUBJECT", '"%s"' % subject)[1][0]))
        run("alias", "off", a)
        self.assertFalse(rows("alias", "show", a)["enabled"])
        everybody_knows()
        with self.assertRaises(smtplib.SMTPException):
            deliver([a])
        run("alias", "on", a)
        everybody_knows()
        deliver([a])
        run("alias", "remove", a)
        run("alias", "show", a, want=NOUSER)
        for verb in ("remove", "on", "off"):
            run("alias", verb, a, want=NOUSER)
        run("alias", "set", a, members[0], want=NOUSER)
        for bad in ("someone@no domain", "not an address", "a b@x.example", '"open@x.example',
                    '"a"b"@x.example', "a..b@x.example", "@x.example", ""):
            run("alias", "add", a, bad, want=DATA)
        run("alias", "add", a, '"a \\" b"@x.example', "Some.One@X.example")
        self.assertEqual(rows("alias", "show", a)["members"], ['"a \\" b"@x.example',
                                                               "Some.One@x.example"])
        run("alias", "remove", a)
        run("alias", "add", account(0)["address"], members[1], want=DATA)

    def test_group_of_a_thousand(self):
        """Longer than a frame, in both directions."""
        g = name("group") + "@example.org"
        members = ["%s-%04d@%s.example" % ("m" * 40, i, "d" * 40) for i in range(1000)]
        run("alias", "add", g, "--group", *members)
        row = rows("alias", "show", g)
        self.assertEqual((row["kind"], row["member_count"]), ("group", 1000))
        self.assertEqual(sorted(row["members"]), members)
        listed = [r for r in rows("alias", "list") if r["address"] == g][0]
        self.assertEqual((listed["member_count"], len(listed["members"])), (1000, 50))
        run("alias", "set", g, *members, "one@more.example", want=DATA)
        run("alias", "remove", g)

    def test_group_of_groups(self):
        """What it expands to is limited, too: when it is made or changed, and when it has grown."""
        some, more, all_of_them = (name("group") + "@example.org" for _ in range(3))
        members = ["m%d@elsewhere.example" % i for i in range(1002)]
        run("alias", "add", some, "--group", *members[:600])
        run("alias", "add", more, "--group", *members[600:1001])
        self.assertIn("more than 1000 recipients",
                      run("alias", "add", all_of_them, "--group", some, more, want=DATA))
        run("alias", "set", more, *members[600:1000])
        run("alias", "add", all_of_them, "--group", some, more)
        self.assertIn("more than 1000 recipients", run("alias", "set", all_of_them, some, more,
                                                       members[1000], want=DATA))
        since = log_size("be1"), log_size("be2")
        with contextlib.closing(smtp()) as s:
            s.ehlo()
            s.mail("a@elsewhere.example")
            everybody_knows()
            self.assertEqual(s.rcpt(all_of_them)[0], 250)
            run("alias", "set", more, *members[600:])
            everybody_knows()
            code, words = s.rcpt(all_of_them)
            self.assertEqual((code, words[:5]), (550, b"5.2.4"))
        self.assertTrue(any(all_of_them in line for be, n in zip(("be1", "be2"), since)
                            for line in log_lines(be, "resolve.too_many", since=n)))
        for g in (all_of_them, some, more):
            run("alias", "remove", g)


class Sessions(unittest.TestCase):
    def mine(self, who):
        return rows("session", "list", "--account", who)

    def test_list_and_kill(self):
        # Accounts of both back-ends.
        for owner in ("be1", "be2"):
            who = [r["address"] for r in rows("account", "list")
                   if r["backend"] == owner and r["address"].startswith("user")
                   and r["address"][4:5].isdigit()][0]
            n = [i for i, a in enumerate(cluster()["accounts"]) if a["address"] == who][0]
            one, two = imap(n, fe=0), imap(n, fe=1)
            seen = until(lambda: len(self.mine(who)) == 2 and self.mine(who))
            self.assertEqual({s["frontend"] for s in seen}, {"fe1", "fe2"})
            for s in seen:
                self.assertEqual((s["account"], s["service"], s["from"], s["backend"], s["tls"]),
                                 (who, "imap", "127.0.0.1", owner, True))
                self.assertRegex(s["id"], r"^[0-9a-f]{32}$")
                self.assertRegex(s["login"], TIME)
            self.assertTrue([r for r in table(run("session", "list")) if r["account"] == who])
            victim = [s["id"] for s in seen if s["frontend"] == "fe2"][0]
            self.assertEqual(rows("session", "kill", victim), {"ended": 1})
            began = time.monotonic()
            self.assertTrue(until(lambda: Accounts.is_gone(self, two), 3))
            self.assertLess(time.monotonic() - began, 1.5)
            self.assertEqual(one.noop()[0], "OK")
            # Its worker may have heard of it before the back-end that lists it.
            self.assertTrue(until(lambda: [s["frontend"] for s in self.mine(who)] == ["fe1"]))
            run("session", "kill", victim, want=NOUSER)
            self.assertEqual(rows("session", "kill", "--account", who), {"ended": 1})
            self.assertTrue(until(lambda: Accounts.is_gone(self, one), 3))
            self.assertTrue(until(lambda: self.mine(who) == []))

    def test_bad_input(self):
        run("session", "kill", "00" * 16, want=NOUSER)
        run("session", "kill", "zz", want=DATA)
        run("session", "kill", "--account", "nobody@example.org", want=NOUSER)
        run("session", "list", "--account", "nobody@example.org", want=NOUSER)


class Settings(unittest.TestCase):
    @staticmethod
    def changed():
        """What somebody has set; a new cluster's postmaster is none of ours."""
        return [r for r in rows("setting", "list", "--changed")
                if r["key"] != "directory.postmaster"]

    def test_set_and_unset(self):
        before = rows("setting", "show", "smtp.recipients_max")
        self.assertEqual({k: before[k] for k in ("value", "source", "default", "type")},
                         {"value": "500", "source": "default", "default": "500",
                          "type": "integer"})
        self.addCleanup(postern, "setting", "unset", "smtp.recipients_max")
        run("setting", "set", "smtp.recipients_max", "2")
        self.assertEqual([(r["key"], r["value"], r["source"])
                          for r in self.changed()],
                         [("smtp.recipients_max", "2", "directory")])

        def third():
            with smtp() as s:
                s.ehlo("client.example")
                s.mail("a@elsewhere.example")
                for i in range(2):
                    assert s.rcpt(account(i)["address"])[0] == 250
                return s.rcpt(account(2)["address"])[0]
        self.assertTrue(until(lambda: third() == 452))
        run("setting", "unset", "smtp.recipients_max")
        self.assertTrue(until(lambda: third() == 250))
        self.assertEqual(self.changed(), [])
        self.assertEqual(len(table(run("setting", "list"))), len(rows("setting", "list")))

    def test_refusals(self):
        self.assertIn("perhaps smtp.recipients_max",
                      run("setting", "set", "smtp.recipient_max", "3", want=NOUSER))
        self.assertIn("perhaps imap.idle_timeout",
                      run("setting", "show", "idle_timeout", want=NOUSER))
        self.assertNotIn("perhaps", run("setting", "set", "zzzzzzzzzz", "3", want=NOUSER))
        for key, value in (("smtp.recipients_max", "many"), ("smtp.recipients_max", "0"),
                           ("smtp.message_bytes_max", "1"), ("auth.plain", "maybe"),
                           ("imap.idle_timeout", "-3"), ("directory.plus", "++"),
                           ("hostname", "mail.bücher.example"), ("hostname", "a b"),
                           ("hostname", "x\r\n554 no"), ("outbound.helo", "a b"),
                           ("outbound.source4", "::1"), ("alert.to", "nonsense"),
                           ("blocklists.own", "192.0.2.1,abc"),
                           ("tlsrpt.organization", "two\nlines")):
            err = run("setting", "set", key, value, want=DATA)
            self.assertIn(key, err)
            self.assertNotIn("command line", err)
        self.assertEqual(self.changed(), [])


class Nodes(unittest.TestCase):
    def test_status(self):
        want = {(f, x) for f in ("fe1", "fe2") for x in ("smtp", "submission", "imap", "outbound", "web")}
        s = until(lambda: {(w["frontend"], w["service"]) for w in rows("status")["workers"]
                           if w["state"] == "up"} == want and rows("status"))
        self.assertEqual([(b["backend"], b["state"], b["directory"]) for b in s["backends"]],
                         [("be1", "up", "synced"), ("be2", "up", "synced")])
        for b in s["backends"]:
            self.assertRegex(b["since"], TIME)
            self.assertGreater(b["memory_bytes"], 1 << 20)
            self.assertIn(b["pid"], [p for n in cluster()["backends"] for p in n["pids"]])
        workers = [(w["frontend"], w["service"], w["worker"]) for w in s["workers"]]
        self.assertEqual(len(workers), len(set(workers)))
        self.assertEqual(workers, sorted(workers))
        self.assertEqual({(w[0], w[1]) for w in workers}, want)
        self.assertEqual([(p["partition"], p["state"]) for p in s["partitions"]],
                         [(i, "open") for i in range(8)])
        text = run("status")
        for word in ("backends:", "workers:", "partitions:"):
            self.assertIn(word, text)

    def test_fsck(self):
        deliver([account(0)["address"]])
        for argv in (["fsck"], ["fsck", "--quick"]):
            got = rows(*argv)
            self.assertEqual(got["findings"], [])
            self.assertEqual([p["partition"] for p in got["partitions"]], list(range(8)))
            self.assertTrue(all(p["errors"] == 0 for p in got["partitions"]))
            self.assertGreater(sum(p["messages"] for p in got["partitions"]), 0)
        self.assertEqual({p["backend"] for p in rows("fsck", "--backend", "be2")["partitions"]},
                         {"be2"})
        run("fsck", "--backend", "be9", want=NOUSER)

    def test_queue(self):
        a = name("outside") + "@example.org"
        run("alias", "add", a, "someone@elsewhere.example")
        everybody_knows()
        deliver([a], sender="sender@elsewhere.example")
        item = until(lambda: [r for r in rows("queue", "list")
                              if r["address"] == "someone@elsewhere.example"])[0]
        self.assertEqual(item["kind"], "outside")
        self.assertRegex(item["sender"], r"^SRS0=.*=elsewhere\.example=sender@example\.org$")
        self.assertRegex(item["id"], r"^%d\.\d+$" % item["partition"])
        self.assertRegex(item["made"], TIME)
        self.assertIn("someone@elsewhere.example", run("queue", "list"))
        run("alias", "remove", a)

    def delivers_everywhere(self):
        try:
            for a in cluster()["accounts"]:
                for fe in (0, 1):
                    deliver([a["address"]], fe=fe)
            return True
        except (smtplib.SMTPException, OSError):
            return False

    def test_a_backend_away(self):
        """The answer of the others, and a status that says that it is not whole."""
        cluster_command("kill", "be2", "TERM")
        try:
            status, out, err = postern("--json", "status")
            self.assertEqual(status, DOWN)
            self.assertIn("be2: not asked", err)
            s = json.loads(out)
            self.assertEqual([(b["backend"], b["state"]) for b in s["backends"]],
                             [("be1", "up"), ("be2", "away")])
            self.assertEqual({p["state"] for p in s["partitions"] if p["backend"] == "be2"},
                             {"away"})
            status, out, err = postern("--json", "account", "list", "--domain", "example.org")
            self.assertEqual((status, err.count("be2")), (DOWN, 1))
            sizes = {r["backend"]: r["size_bytes"] for r in json.loads(out)}
            self.assertIsNone(sizes["be2"])
            self.assertIsNotNone(sizes["be1"])
            who = account(account_of("be2"))["address"]
            status, out, err = postern("--json", "account", "show", who)
            self.assertEqual((status, err.count("be2")), (DOWN, 1))
            self.assertEqual((json.loads(out)["address"], json.loads(out)["items"]), (who, None))
        finally:
            restore()
        self.assertEqual(postern("session", "list")[0], OK)
        self.assertTrue(until(self.delivers_everywhere))
        self.assertEqual(rows("fsck", "--quick")["findings"], [])


class Certificates(unittest.TestCase):
    def test_issue_list_revoke(self):
        c, who = cluster(), "admin/" + name("ops")
        pki = os.path.join(FOLDER, "pki")
        with tempfile.TemporaryDirectory() as d:
            for i in range(2):
                told = rows("pki", "issue", "--dir", pki, "--out", "%s/%d" % (d, i), "--days", "7",
                            who)
                self.assertEqual(told["name"], who)
                self.assertEqual(os.stat("%s/%d.key" % (d, i)).st_mode & 0o777, 0o600)
            mine = [r for r in rows("pki", "list") if r["name"] == who]
            self.assertEqual([r["revoked"] for r in mine], [None, None])
            self.assertTrue(all(TIME.match(r["expires"]) for r in mine))

            def ask(i):
                return subprocess.run([os.path.join(BUILD, "postern"), "--address",
                                       c["admin"]["address"], "--ca", c["ca"], "--cert",
                                       "%s/%d.pem" % (d, i), "--key", "%s/%d.key" % (d, i),
                                       "domain", "list"], capture_output=True).returncode
            self.assertEqual([ask(0), ask(1)], [OK, OK])
            serial = mine[0]["serial"]
            self.assertEqual(rows("pki", "revoke", serial.upper()), {"revoked": 1})
            self.assertEqual(sorted([ask(0), ask(1)]), [OK, NOPERM])
            self.assertEqual(rows("pki", "revoke", who), {"revoked": 1})
            self.assertEqual([ask(0), ask(1)], [NOPERM, NOPERM])
            self.assertTrue(all(r["revoked"] for r in rows("pki", "list") if r["name"] == who))
            run("pki", "revoke", who, want=NOUSER)
            run("pki", "revoke", "not a serial", want=DATA)
            run("pki", "issue", "--dir", pki, "--out", d + "/x", "somebody", want=DATA)
            run("pki", "issue", "--dir", d, "--out", d + "/x", who, want=66)
            run("pki", "issue", "--dir", pki, "--out", d + "/no/such", who, want=73)
            run("pki", "init", "--dir", pki, want=73)

    def test_shown_certificates_have_their_dates(self):
        """Nobody has registered the certificates that the cluster began with."""
        def listed():
            return {r["serial"].lstrip("0"): r for r in rows("pki", "list")}

        def dates(pem):
            out = subprocess.run(["openssl", "x509", "-noout", "-serial", "-dates", "-dateopt",
                                  "iso_8601", "-in", pem], capture_output=True, text=True,
                                 check=True).stdout
            told = dict(line.split("=", 1) for line in out.splitlines())
            return (told["serial"].lower().lstrip("0"),) + tuple(
                told[t].replace(" ", "T").replace("Z", ".000000Z") for t in ("notBefore", "notAfter"))
        for who, pem in (("admin/operator", cluster()["admin"]["cert"]),
                         ("backend/be2", os.path.join(FOLDER, "be2", "node.pem")),
                         ("frontend/fe1/imap", os.path.join(FOLDER, "fe1", "certs", "imap.pem"))):
            serial, begin, end = dates(pem)
            with self.subTest(who):
                self.assertTrue(until(lambda: serial in listed()))
                row = listed()[serial]
                self.assertEqual((row["name"], row["issued"], row["expires"], row["revoked"]),
                                 (who, begin, end, None))

    def test_revoked_node_is_cut(self):
        """A front-end's links end within 2 s, at every back-end. Nobody has registered its
        certificates: they were shown."""
        pki = os.path.join(FOLDER, "pki")
        names = ["frontend/fe2/" + s for s in ("imap", "outbound", "smtp", "submission", "web")]
        since = {b: log_size(b) for b in ("be1", "be2")}

        def listed():
            return sorted(r["name"] for r in rows("pki", "list") if r["revoked"] is None)

        def cut():
            return all(log_lines(b, "event=rpc.revoked", n, since=since[b])
                       for b in since for n in names)
        self.assertTrue(until(lambda: set(names) < set(listed())))
        self.assertIn("admin/operator", listed())
        self.assertEqual(rows("pki", "revoke", "frontend/fe2"), {"revoked": len(names)})
        self.assertTrue(until(cut, 2))
        self.assertFalse(set(names) & set(listed()))
        self.assertTrue(until(lambda: {(w["frontend"], w["state"])
                                       for w in rows("status")["workers"]} ==
                              {("fe1", "up"), ("fe2", "away")}), rows("status")["workers"])
        self.assertIn("frontend/fe1/smtp", listed())
        with smtp(fe=1) as s:
            s.ehlo("client.example")
            code = s.mail("a@elsewhere.example")[0]
            code = s.rcpt(account(0)["address"])[0] if code == 250 else code
            self.assertEqual(code // 100, 4)
        # With a certificate of its own again it serves.
        cluster_command("kill", "fe2", "TERM")
        for n in names:
            run("pki", "issue", "--dir", pki, "--out",
                os.path.join(FOLDER, "fe2", "certs", n.rpartition("/")[2]), n)
        restore()
        deliver([account(0)["address"]], fe=1)


class Audit(unittest.TestCase):
    def test_every_change_leaves_a_record(self):
        mark = rows("audit", "list", "--limit", "1")[0]["id"]
        d = name() + ".example"
        who = "who@" + d
        run("domain", "add", d)
        run("domain", "edit", d, "--quota", "1m")
        run("account", "add", who, "--no-password")
        run("account", "lock", who)
        run("account", "unlock", who)
        run("account", "passwd", who, "--password", "never in an audit")
        run("account", "quota", who, "2m")
        run("alias", "add", "a@" + d, who)
        run("alias", "off", "a@" + d)
        run("alias", "on", "a@" + d)
        run("alias", "set", "a@" + d, who, "x@elsewhere.example")
        run("alias", "remove", "a@" + d)
        run("account", "remove", who)
        run("domain", "remove", d)
        run("domain", "remove", d, want=NOUSER)
        run("session", "kill", "00" * 16, want=NOUSER)

        def changes():
            """Since then. A look is recorded behind its answer: one of before may be among them."""
            found = [r for r in rows("audit", "list", "--limit", "100") if r["id"] > mark
                     and not r["method"].endswith((".list", ".show", ".status"))]
            return found if len(found) >= 16 else None
        records = until(changes)
        self.assertTrue(all((r["who"], r["from"]) == ("admin/operator", "127.0.0.1")
                            for r in records))
        got = [(r["method"], r["result"]) for r in records][::-1]
        want = ["domain.add", "domain.edit", "account.add", "account.lock", "account.unlock",
                "account.passwd", "account.quota", "alias.add", "alias.off", "alias.on",
                "alias.set", "alias.remove", "account.remove", "domain.remove"]
        self.assertEqual(got, [(m, "ok") for m in want] +
                         [("domain.remove", "not-found"), ("session.kill", "not-found")])
        self.assertNotIn("never in an audit", run("audit", "list", "--limit", "100"))
        older = rows("audit", "list", "--limit", "3", "--before", str(records[-1]["id"]))
        self.assertEqual(len(older), 3)
        self.assertTrue(all(r["id"] < records[-1]["id"] for r in older))
        everything = rows("audit", "list", "--limit", "0")
        self.assertGreater(len(everything), 17)
        self.assertEqual([r["id"] for r in everything],
                         sorted((r["id"] for r in everything), reverse=True))

    def test_looks_and_refusals_leave_a_record(self):
        mark = rows("audit", "list", "--limit", "1")[0]["id"]
        nobody, none = "nobody@example.org", name() + ".example"
        calls = [
            (["account", "show", account(0)["address"]], OK), (["account", "list"], OK),
            (["account", "show", nobody], NOUSER),
            (["account", "add", nobody, "--password", "short"], DATA),
            (["account", "passwd", nobody, "--password", "short"], DATA),
            (["account", "quota", nobody, "1m"], NOUSER),
            (["alias", "set", nobody, "x@y.example"], NOUSER), (["alias", "list"], OK),
            (["domain", "edit", none, "--quota", "1m"], NOUSER), (["domain", "list"], OK),
            (["pki", "revoke", "admin/nobody"], NOUSER), (["pki", "list"], OK),
            (["setting", "unset", "no.such"], NOUSER), (["setting", "list"], OK),
            (["session", "list"], OK), (["queue", "list"], OK), (["status"], OK),
            (["fsck", "--quick"], OK)]
        for argv, want in calls:
            run(*argv, want=want)
        words = {OK: "ok", NOUSER: "not-found", DATA: "invalid"}
        expected = [("node.status" if a[0] == "status" else "node.fsck" if a[0] == "fsck" else
                     "cert." + a[1] if a[0] == "pki" else ".".join(a[:2]), words[w])
                    for a, w in calls]

        def records():
            found = [r for r in rows("audit", "list", "--limit", "100") if r["id"] > mark
                     and r["method"] != "audit.list"][::-1]
            return found if len(found) >= len(calls) else None
        got = until(records)
        # A look is recorded behind its answer: two of them may change places.
        self.assertEqual(sorted((r["method"], r["result"]) for r in got), sorted(expected))
        self.assertIn(("account.show", nobody, "admin/operator", "127.0.0.1"),
                      [(r["method"], r["target"], r["who"], r["from"]) for r in got])
        self.assertIn("there is no account", [r["detail"] for r in got if r["method"] ==
                                              "account.quota"][0])


if __name__ == "__main__":
    unittest.main()
