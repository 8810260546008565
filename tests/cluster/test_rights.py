"""Who may send as whom: aliases, groups, rights to another's addresses, which end at once; hosts'
domains that are masqueraded; and what a submission tells of its sender's machine."""
import contextlib
import email
import json
import os
import smtplib
import unittest
import uuid

import dkim_check
import postern
from postern import (account, change, cluster, cluster_command, frontend, imap, log_lines, log_size,
                     tls, until)

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "6",
           "--set", "submission.limit_minute=0"]
ALICE, BOB, BOSS, READER = range(4)


def run(*argv):
    status, out, err = postern.postern(*argv)
    assert status == 0, (argv, err)
    return out


def rows(*argv):
    return json.loads(run("--json", *argv))


def address(who):
    return account(who)["address"]


def here(local):
    return "%s@%s" % (local, cluster()["domain"])


@contextlib.contextmanager
def session(who, fe=0):
    f, a = frontend(fe), account(who)
    with smtplib.SMTP_SSL(f["host"], f["ports"]["submissions"], context=tls(), timeout=60,
                          local_hostname="secret-pc.example") as s:
        s.login(a["address"], a["password"])
        yield s


def submit(s, envelope, header):
    """None when it is taken, else the code and the words; and a word that finds it."""
    mark = uuid.uuid4().hex
    data = "%s\r\nSubject: %s\r\n\r\n%s\r\n" % (header, mark, mark)
    try:
        s.sendmail(envelope, [address(READER)], data.encode())
    except smtplib.SMTPSenderRefused as e:
        return (e.smtp_code, e.smtp_error), mark
    except smtplib.SMTPDataError as e:
        return (e.smtp_code, e.smtp_error), mark
    return None, mark


def fetch(mark):
    """The one message with that word, as bytes."""
    box = imap(READER)
    box.select("INBOX", readonly=True)
    numbers = until(lambda: box.search(None, "SUBJECT", mark)[1][0].split())
    assert len(numbers) == 1, (mark, numbers)
    got = box.fetch(numbers[0], "(BODY.PEEK[])")[1][0][1]
    box.logout()
    return got


class Rights(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)

    def alias(self, local, *argv):
        change("alias", "add", here(local), *argv)
        self.addCleanup(postern.postern, "alias", "remove", here(local))

    def refused(self, s, envelope, header):
        why, _ = submit(s, envelope, header)
        self.assertIsNotNone(why, (envelope, header))
        self.assertEqual(why[0], 550)
        self.assertRegex(why[1], rb"^5\.7\.1 ")

    def taken(self, s, envelope, header):
        why, mark = submit(s, envelope, header)
        self.assertIsNone(why, (envelope, header))
        return email.message_from_bytes(fetch(mark))

    def test_aliases_and_groups(self):
        self.alias("sales", address(ALICE))
        self.alias("both", address(ALICE), address(BOB))
        self.alias("team", address(ALICE), address(BOB), "--group")
        with session(ALICE) as s:
            m = self.taken(s, here("sales"), "From: Sales <%s>" % here("sales"))
            self.assertEqual(m["Return-Path"], "<%s>" % here("sales"))
            for name in ("both", "team"):
                self.refused(s, here(name), "From: %s" % address(ALICE))
                self.refused(s, address(ALICE), "From: %s" % here(name))
                run("alias", "set", here(name), "--send-as", "members")
                self.assertEqual(rows("alias", "show", here(name))["send_as"], "members")
                self.assertEqual(len(rows("alias", "show", here(name))["members"]), 2)
                self.assertTrue(until(lambda: submit(s, here(name), "From: %s" % here(name))[0]
                                      is None))
            run("alias", "set", here("sales"), "--send-as", "nobody")
            self.assertTrue(until(lambda: submit(s, here("sales"), "From: %s" % address(ALICE))[0]))
            self.refused(s, address(ALICE), "From: %s" % here("sales"))
        with session(BOSS) as s:
            self.refused(s, here("team"), "From: %s" % here("team"))

    def grant(self, kind):
        change("account", "grant", address(BOSS), kind, address(ALICE))
        self.addCleanup(postern.postern, "account", "revoke", address(BOSS), address(ALICE))

    def test_send_as(self):
        boss = "From: The Boss <%s>" % address(BOSS)
        with session(ALICE) as s, session(ALICE, 1) as other:
            since = log_size("fe1")
            self.refused(s, address(ALICE), boss)
            self.refused(s, address(BOSS), boss)
            self.assertTrue(until(lambda: log_lines("fe1", "event=smtp.author_refused",
                                                    "account=%s field=From" % address(ALICE),
                                                    since=since)))
            self.grant("--send-as")
            for each in (s, other):
                self.assertTrue(until(lambda: submit(each, address(ALICE), boss)[0] is None))
                m = self.taken(each, address(BOSS), boss)
                self.assertIsNone(m["Sender"])
            self.assertEqual(rows("account", "show", address(BOSS))["send_as"], [address(ALICE)])
            self.assertEqual(rows("account", "show", address(ALICE))["sends_as"], [address(BOSS)])
            # At once: the session has sent with it a moment ago.
            run("account", "revoke", address(BOSS), address(ALICE))
            self.assertTrue(until(lambda: submit(s, address(ALICE), boss)[0], 3))
            self.refused(s, address(BOSS), "From: %s" % address(ALICE))

    def test_on_behalf(self):
        boss, own = "From: %s" % address(BOSS), "Sender: Alice <%s>" % address(ALICE)
        self.grant("--on-behalf")
        with session(ALICE) as s:
            self.assertTrue(until(lambda: submit(s, address(ALICE), boss)[0] is None))
            m = self.taken(s, address(ALICE), boss)
            self.assertEqual(m["Sender"], "<%s>" % address(ALICE))
            m = self.taken(s, address(BOSS), boss + "\r\n" + own)
            self.assertEqual(m.get_all("Sender"), ["Alice <%s>" % address(ALICE)])
            self.refused(s, address(ALICE), boss + "\r\nSender: %s" % address(BOSS))
            self.refused(s, address(ALICE), boss + "\r\nSender: %s" % address(BOB))

    def test_signed_with_the_authors_domain(self):
        domain = cluster()["domain"]
        run("dkim", "add", domain)
        run("dkim", "activate", domain, "--force")
        keys = rows("dkim", "list")

        def forget():
            for k in keys:
                run("dkim", "retire", domain, k["selector"])
                run("dkim", "remove", domain, k["selector"])

        self.addCleanup(forget)
        self.grant("--on-behalf")
        with session(ALICE) as s:
            def signed():
                why, mark = submit(s, address(ALICE), "From: %s" % address(BOSS))
                got = fetch(mark) if why is None else b""
                return got if b"DKIM-Signature:" in got else None

            got = until(signed, 60)
        self.assertIn(b"Sender: <%s>" % address(ALICE).encode(), got)
        records = {k["record_name"]: k["record"] for k in keys}
        self.assertEqual(dkim_check.verify([got], records),
                         [{k["selector"]: True for k in keys}])

    def test_without_the_database(self):
        boss = "From: %s" % address(BOSS)
        self.grant("--send-as")
        with session(ALICE) as s:
            self.assertTrue(until(lambda: submit(s, address(ALICE), boss)[0] is None))
            with open(os.path.join(postern.FOLDER, "postgres", "pid")) as f:
                master = int(f.read().split()[0])
            cluster_command("kill", "postgres", "INT")
            self.assertTrue(until(lambda: not os.path.exists("/proc/%d" % master)))
            self.taken(s, address(ALICE), boss)
            postern.restore()


class Masquerade(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)

    def test_hosts_below_the_domain(self):
        domain = cluster()["domain"]
        host = address(ALICE).replace("@", "@pc7.")
        status, _, err = postern.postern("setting", "set", "masquerade.domain", "elsewhere.test")
        self.assertNotEqual(status, 0)
        self.assertIn("replies would not arrive", err)
        status, _, err = postern.postern("server", "edit", "default-submission",
                                         "--set", "masquerade_domain=elsewhere.test")
        self.assertNotEqual(status, 0)
        with session(ALICE) as s:
            self.assertEqual(submit(s, host, "From: %s" % host)[0][0], 550)
            run("setting", "set", "masquerade.domain", domain)
            self.addCleanup(run, "setting", "unset", "masquerade.domain")
            self.assertTrue(until(lambda: submit(s, host, "From: %s" % host)[0] is None))
            why, mark = submit(s, host, "From: Alice <%s>\r\nReply-To: %s" % (host, host))
            self.assertIsNone(why)
            m = email.message_from_bytes(fetch(mark))
            self.assertEqual(m["From"], "Alice <%s>" % address(ALICE))
            self.assertEqual(m["Reply-To"], address(ALICE))
            self.assertEqual(m["Return-Path"], "<%s>" % address(ALICE))
            # Another's name stays another's.
            self.assertEqual(submit(s, host.replace("user1", "user2"), "From: %s" % host)[0][0],
                             550)


class Hidden(unittest.TestCase):
    HEADER = ("From: %s\r\nUser-Agent: Agent/1.0\r\nX-Mailer: Mailer 2\r\n"
              "X-Originating-IP: [10.9.8.7]")

    def submit(self, s):
        why, mark = submit(s, address(ALICE), self.HEADER % address(ALICE))
        self.assertIsNone(why)
        return fetch(mark).partition(b"\r\n\r\n")[0]

    def test_what_is_told(self):
        tells = [b"secret-pc", b"127.0.0.", b"10.9.8.7", b"X-Originating-IP"]
        programs = [b"Agent/1.0", b"Mailer 2"]
        with session(ALICE) as s:
            got = self.submit(s)
            self.assertIn(b"secret-pc.example", got)
            for word in programs + tells[2:]:
                self.assertIn(word, got)
            # Of one virtual server: who comes to the others tells as before.
            run("server", "edit", "default-submission", "--set", "hide_client=true")
            self.addCleanup(run, "server", "edit", "default-submission", "--unset", "hide_client")
            self.assertTrue(until(lambda: b"secret-pc" not in self.submit(s)))
            got = self.submit(s)
            for word in tells:
                self.assertNotIn(word, got)
            for word in programs:
                self.assertIn(word, got)
            run("setting", "set", "submission.hide_program", "true")
            self.addCleanup(run, "setting", "unset", "submission.hide_program")
            self.assertTrue(until(lambda: b"Agent/1.0" not in self.submit(s)))
            got = self.submit(s)
            for word in tells + programs:
                self.assertNotIn(word, got)
