"""Virtual SMTP servers: two on one host with policies of their own, their limits, their states on
every front-end, who may manage them, who may log in, connect and relay."""
import base64
import contextlib
import json
import os
import pty
import secrets
import smtplib
import socket
import tempfile
import time
import unittest
import uuid

import postern
from captured import Captured
from postern import account, cluster, cluster_command, frontend, imap, subjects, tls, until

# One worker of each service: what a greeting says of it, holds for the next connection.
CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "6", "--set", "workers.smtp=1"]
TAKES = 35  # seconds
STRANGER = "stranger@elsewhere.example"
DENIED = 77  # EX_NOPERM


def run(*argv, want=0, who=()):
    status, out, err = postern.postern(*who, "server", *argv)
    assert status == want, (argv, status, out, err)
    return out if want == 0 else err


def rows(*argv):
    return json.loads(run(*argv, "--json"))


def second(service):
    """The port beside the usual one, which More.setUpClass makes front-ends bind."""
    return frontend()["ports"][service] + 1


def everywhere():
    return range(len(cluster()["frontends"]))


def connect(port, fe=0, source=None):
    return socket.create_connection((frontend(fe)["host"], port), timeout=30,
                                    source_address=(source, 0) if source else None)


def first_words(port, fe=0, source=None):
    """What a new connection is told."""
    with connect(port, fe, source) as s, s.makefile("rb") as f:
        return f.readline().decode().strip()


def restart_frontends():
    for f in cluster()["frontends"]:
        cluster_command("kill", f["name"], "TERM")
        cluster_command("start", f["name"])
    postern.restore()


class Servers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Front-ends bind one more port for each service of mail."""
        for f in cluster()["frontends"]:
            folder = os.path.join(postern.FOLDER, f["name"], "frontend.conf.d")
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "more.conf"), "w") as out:
                out.write("listen = {\n")
                for service in ("smtp", "submission"):
                    out.write('\t%s = [ %s ];\n' % (service, ", ".join(
                        '"%s:%d"' % (f["host"], f["ports"][service] + i) for i in (0, 1))))
                out.write("};\n")
        restart_frontends()

    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        for s in rows("list"):
            if s["listeners"]:
                run("remove", s["name"])
            else:
                for line in s["settings"]:
                    run("edit", s["name"], "--unset", line.partition("=")[0])
        run("start", "--all")
        for port in (frontend()["ports"]["smtp"], second("smtp"),
                     frontend()["ports"]["submission"], second("submission")):
            self.await_words(port, "220 fe%d ESMTP")

    def await_words(self, port, want):
        """Every front-end greets so, soon after a command: changes are pushed."""
        for fe in everywhere():
            text = want % (fe + 1) if "%d" in want else want
            self.assertTrue(until(lambda: first_words(port, fe) == text),
                            (first_words(port, fe), text))

    def add(self, name, port, *settings, service="smtp", more=()):
        """Adds a server and waits until every front-end has it."""
        mark = uuid.uuid4().hex
        argv = [x for s in settings + ("banner=" + mark, "hostname=x") for x in ("--set", s)]
        run("add", name, "--service", service, "--listen", ":%d" % port, *argv, *more)
        postern.everybody_knows()  # back-ends are asked who relays
        self.await_words(port, "220 x ESMTP " + mark)

    @contextlib.contextmanager
    def smtp(self, port, fe=0, secure=False):
        s = smtplib.SMTP(frontend(fe)["host"], port, timeout=60)
        try:
            s.ehlo()
            if secure:
                s.starttls(context=tls())
                s.ehlo()
            yield s
        finally:
            s.close()

    def send(self, s, who=0, mark=None, size=0):
        """One message over a session; the last reply's code."""
        mark = mark or uuid.uuid4().hex
        for step in (lambda: s.mail(STRANGER), lambda: s.rcpt(account(who)["address"])):
            code = step()[0]
            if code != 250:
                return code
        return s.data(b"From: %s\r\nSubject: %s\r\n\r\n%s" %
                      (STRANGER.encode(), mark.encode(), b"x" * 70 + b"\r\n" * (size > 0)
                       + (b"y" * 70 + b"\r\n") * (size // 72)))[0]

    # ---- several on one host ----

    def test_two_on_one_host_with_different_policy(self):
        self.add("small", second("smtp"), "message_bytes_max=10k", "tls=required")
        self.add("users", second("submission"), "auth_mechanisms=PLAIN", service="submission")
        for fe in everywhere():
            with self.smtp(frontend()["ports"]["smtp"], fe) as s:
                self.assertEqual(s.esmtp_features["size"], str(50 << 20))
                self.assertEqual(self.send(s, size=20000), 250)
            with self.smtp(second("smtp"), fe) as s:
                self.assertEqual(s.esmtp_features["size"], "10240")
                self.assertEqual(s.mail(STRANGER)[0], 530)
            with self.smtp(second("smtp"), fe, secure=True) as s:
                self.assertEqual(s.mail(STRANGER, ["SIZE=10241"])[0], 552)
                self.assertEqual(self.send(s, size=20000), 552)
                self.assertEqual(self.send(s), 250)

    def test_the_name_is_in_the_trace_and_the_default_domain_in_addresses(self):
        domain = cluster()["domain"]
        run("add", "named", "--listen", ":%d" % second("smtp"), "--set", "hostname=mx.a.example",
            "--set", "default_domain=" + domain)
        self.await_words(second("smtp"), "220 mx.a.example ESMTP")
        mark = uuid.uuid4().hex
        with self.smtp(second("smtp")) as s:
            self.assertEqual(self.send(s, mark=mark), 250)
        box = imap(0)
        box.select("INBOX", readonly=True)
        (number,) = box.search(None, "SUBJECT", mark)[1][0].split()
        head = box.fetch(number, "(BODY.PEEK[HEADER])")[1][0][1]
        box.logout()
        self.assertIn(b"by mx.a.example with ESMTP", head)

    def test_a_bare_name_at_log_in_gets_the_servers_domain(self):
        who = account(1)
        user, _, domain = who["address"].partition("@")
        self.add("right", second("submission"), "default_domain=" + domain, service="submission")
        with self.smtp(second("submission"), secure=True) as s:
            self.assertEqual(s.login(user, who["password"])[0], 235)
        run("edit", "right", "--set", "default_domain=other.example", "--set", "banner=z")
        self.await_words(second("submission"), "220 x ESMTP z")
        with self.smtp(second("submission"), secure=True) as s:
            with self.assertRaises(smtplib.SMTPAuthenticationError):
                s.login(user, who["password"])
            self.assertEqual(s.login(who["address"], who["password"])[0], 235)

    # ---- limits ----

    def test_connections_at_once(self):
        self.add("two", second("smtp"), "connections_max=2")
        self.await_idle("two")
        for fe in everywhere():
            with contextlib.ExitStack() as stack:
                for _ in range(2):
                    s = stack.enter_context(connect(second("smtp"), fe))
                    self.assertTrue(s.recv(100).startswith(b"220 "))
                self.assertEqual(first_words(second("smtp"), fe),
                                 "421 4.3.2 x too many connections")
                # The other server has its own.
                self.assertTrue(first_words(frontend()["ports"]["smtp"], fe).startswith("220 "))

    def await_idle(self, name):
        """The look at the greeting was a connection, too: its end comes a moment later."""
        for f in cluster()["frontends"]:
            def balanced():
                begun = postern.log_lines(f["name"], "event=session.start", "server=%s " % name)
                ids = [w for line in begun for w in line.split() if w.startswith("session=")]
                ended = "".join(postern.log_lines(f["name"], "event=session.end"))
                return all(i in ended for i in ids)
            self.assertTrue(until(balanced))

    def test_silence(self):
        self.add("hasty", second("smtp"), "command_timeout=1s")
        with connect(second("smtp")) as s, s.makefile("rb") as f:
            f.readline()
            began = time.monotonic()
            self.assertEqual(f.readline().decode().strip(), "421 4.4.2 Waited too long")
            self.assertLess(time.monotonic() - began, 10)

    def test_messages_of_a_session(self):
        self.add("few", second("smtp"), "messages_max=2")
        with self.smtp(second("smtp")) as s:
            s.ehlo()
            self.assertIn("MAILMAX=2", s.esmtp_features["limits"])
            self.assertEqual([self.send(s) for _ in range(3)], [250, 250, 421])

    def test_recipients_of_a_message(self):
        self.add("few", second("smtp"), "recipients_max=2")
        with self.smtp(second("smtp")) as s:
            s.ehlo()
            self.assertIn("RCPTMAX=2", s.esmtp_features["limits"])
            self.assertEqual(s.mail(STRANGER)[0], 250)
            self.assertEqual([s.rcpt(account(i)["address"])[0] for i in range(3)], [250, 250, 452])

    def test_bytes_of_a_message_and_of_a_session(self):
        self.add("little", second("smtp"), "message_bytes_max=10k", "session_bytes_max=15k")
        with self.smtp(second("smtp")) as s:
            self.assertEqual(self.send(s, size=11000), 552)
            self.assertEqual(self.send(s, size=5000), 250)
            self.assertEqual(self.send(s), 421)

    def test_errors_of_a_session(self):
        self.add("strict", second("smtp"), "errors_max=2")
        with self.smtp(second("smtp")) as s:
            self.assertEqual([s.docmd("RUBBISH")[0] for _ in range(3)], [500, 500, 421])

    # ---- states ----

    def test_pause_lets_sessions_go_on_and_start_ends_it(self):
        self.add("a", second("smtp"))
        for fe in everywhere():
            with self.smtp(second("smtp"), fe) as s:
                run("pause", "a")
                asked = time.monotonic()
                self.await_words(second("smtp"), "421 4.3.2 x service paused")
                self.assertLess(time.monotonic() - asked, 1)
                self.assertEqual(self.send(s), 250)
                self.assertEqual(s.quit()[0], 221)
            self.await_words(frontend()["ports"]["smtp"], "220 fe%d ESMTP")
            run("start", "a")
            self.assertTrue(until(lambda: all(first_words(second("smtp"), i).startswith("220 x")
                                              for i in everywhere())))

    def test_stop_ends_sessions_after_the_command_in_progress(self):
        self.add("a", second("smtp"))
        for fe in everywhere():
            mark = uuid.uuid4().hex
            with self.smtp(second("smtp"), fe) as idle, self.smtp(second("smtp"), fe) as busy:
                busy.mail(STRANGER)
                busy.rcpt(account(0)["address"])
                self.assertEqual(busy.docmd("DATA")[0], 354)
                busy.send(b"Subject: %s\r\n\r\nhalf" % mark.encode())
                run("stop", "a")
                self.assertEqual(idle.getreply(), (421, b"4.3.2 Service stopped"))
                self.await_words(second("smtp"), "421 4.3.2 x service stopped")
                busy.send(b" and half\r\n.\r\n")
                self.assertEqual(busy.getreply()[0], 250)
                self.assertEqual(busy.getreply(), (421, b"4.3.2 Service stopped"))
            self.assertTrue(until(lambda: mark in subjects(imap(0))))
            run("start", "a")
            self.assertTrue(until(lambda: all(first_words(second("smtp"), i).startswith("220 x")
                                              for i in everywhere())))

    def test_all_at_once(self):
        ports = frontend()["ports"]
        run("pause", "--all")
        for service in ("smtp", "submission"):
            self.await_words(ports[service], "421 4.3.2 fe%d service paused")
        self.assertEqual({s["state"] for s in rows("list")}, {"paused"})
        imap(0).logout()
        run("stop", "--all")
        self.await_words(ports["smtp"], "421 4.3.2 fe%d service stopped")
        run("start", "--all")
        self.await_words(ports["smtp"], "220 fe%d ESMTP")

    def test_a_worker_that_dies_is_not_all(self):
        """Its successor knows the states; the other services do not notice."""
        self.add("a", second("smtp"))
        run("pause", "a")
        self.await_words(second("smtp"), "421 4.3.2 x service paused")
        with self.smtp(frontend()["ports"]["submission"]) as users:
            cluster_command("kill", "fe1/smtp", "KILL")
            self.assertTrue(until(lambda: self.words_or_none(second("smtp")) ==
                                  "421 4.3.2 x service paused"))
            self.assertEqual(self.words_or_none(frontend()["ports"]["smtp"]), "220 fe1 ESMTP")
            self.assertEqual(users.noop()[0], 250)

    def words_or_none(self, port, fe=0):
        try:
            return first_words(port, fe)
        except OSError:
            return None

    def test_states_outlive_every_node_and_postgresql(self):
        self.addCleanup(postern.restore)
        self.add("a", second("smtp"))
        run("stop", "a")
        run("pause", "default-submission")
        self.await_words(second("smtp"), "421 4.3.2 x service stopped")
        self.await_words(frontend()["ports"]["submission"], "421 4.3.2 fe%d service paused")
        nodes = [n["name"] for n in cluster()["backends"] + cluster()["frontends"]]
        for name in nodes:
            cluster_command("kill", name, "KILL")
        cluster_command("kill", "postgres", "INT")
        for name in nodes:
            cluster_command("start", name)
        for fe in everywhere():
            self.assertTrue(until(lambda: self.words_or_none(second("smtp"), fe) ==
                                  "421 4.3.2 x service stopped"))
            self.assertTrue(until(
                lambda: self.words_or_none(frontend()["ports"]["submission"], fe) ==
                "421 4.3.2 fe%d service paused" % (fe + 1)))
            self.assertTrue(first_words(frontend()["ports"]["smtp"], fe).startswith("220 "))
        postern.restore()
        self.assertEqual({s["name"]: s["state"] for s in rows("list")},
                         {"a": "stopped", "default-smtp": "running",
                          "default-submission": "paused"})

    # ---- management ----

    def at_terminal(self, answers, *argv):
        """`server add` at a terminal: each question's answer; then status and what was seen."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(os.path.join(postern.BUILD, "postern"),
                     ["postern", "--cluster", os.path.join(postern.FOLDER, "cluster.json"),
                      "server", "add", *argv])
        seen = b""
        for answer in answers:
            asked = len(seen)
            while not seen[asked:].endswith(b": "):
                seen += os.read(fd, 4096)
            os.write(fd, answer + b"\n" if answer is not None else b"\x04")
        with contextlib.suppress(OSError):  # EIO: its end
            while got := os.read(fd, 4096):
                seen += got
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    def test_asked_at_a_terminal(self):
        port, usual = second("submission"), frontend()["ports"]["submission"]
        status, seen = self.at_terminal(
            [b"printers", b"submission", b"", b"example.org", b"paper/out", b"required", b"yes"])
        self.assertEqual(status, 0, seen)
        self.assertIn("[:%d]: " % port, seen)
        self.assertIn("postern server add printers --service submission --listen :%d "
                      "--set default_domain=example.org --set home=paper/out --set tls=required\r\n"
                      % port, seen)
        self.assertIn("areas [printers]: ", seen)
        self.assertNotIn("No front-end has bound", seen)
        (made,) = [s for s in rows("list") if s["name"] == "printers"]
        self.assertEqual((made["service"], made["listeners"], made["state"]),
                         ("submission", [":%d" % port], "running"))
        self.assertEqual(made["settings"], ["default_domain=example.org", "home=paper/out",
                                            "tls=required"])
        self.assertEqual(made["home"], "paper/out")
        # What it has is not offered again.
        status, seen = self.at_terminal([b"second", b"submission", b"", b"", b"second", b"", b"no"])
        offered = seen.partition("other server's: ")[2].partition("\r\n")[0]
        self.assertIn(":%d " % usual, offered)
        self.assertNotIn(":%d " % port, offered + " ")
        self.assertIn("Nothing was made.", seen)
        self.assertNotIn("home=", seen) # its name is none
        self.assertEqual(status, 0)

    def test_asked_again_until_it_fits(self):
        self.add("here", second("smtp"))
        for fe in everywhere():
            self.assertTrue(first_words(second("smtp"), fe))
        status, seen = self.at_terminal(
            [b"", b"No Name", b"here", b"x" * 1100, b"there", b"imap", b"smtp",
             b"fe1/127.0.0.99:99", b"../etc", b"", b"-", b"a b", b"offered", b"perhaps", b"yes"],
            "--set", "default_domain=example.org")
        self.assertEqual(status, 0, seen)
        for words in ("of a-z, 0-9", "there is such a server", "at most 1024 bytes",
                      "smtp or submission", "home: names of letters", "tls", "yes or no",
                      "No front-end has bound fe1/127.0.0.99:99"):
            self.assertIn(words, seen)

    def test_only_what_is_missing_is_asked(self):
        port = second("smtp")
        status, seen = self.at_terminal([b"", b"", b"", b"yes"], "named", "--service", "smtp",
                                        "--set", "tls=none", "--operator", "eve")
        self.assertEqual(status, 0, seen)
        (made,) = [s for s in rows("list") if s["name"] == "named"]
        self.assertEqual((made["listeners"], made["settings"], made["operators"]),
                         ([":%d" % port], ["tls=none"], ["eve"]))

    def test_lmtp_and_odmr_are_not_offered(self):
        ports = frontend()["ports"]
        for service, other in (("smtp", "lmtp"), ("submission", "odmr")):
            _, seen = self.at_terminal([b"x", service.encode(), None])
            offered = seen.partition("other server's: ")[2].partition("\r\n")[0] + " "
            self.assertIn(":%d " % ports[service], offered)
            self.assertNotIn(":%d " % ports[other], offered)
        # Nor are they another server's that names them.
        self.add("a", second("smtp"), more=("--listen", ":%d" % ports["lmtp"]))
        lacks = ["fe%d: listen.smtp lacks :%d" % (n + 1, ports["lmtp"]) for n in everywhere()]
        self.assertTrue(until(lambda: [s["unbound"] for s in rows("list") if s["name"] == "a"] ==
                              [lacks]))
        run("pause", "a")
        self.await_words(second("smtp"), "421 4.3.2 x service paused")
        for fe in everywhere():
            self.assertEqual(first_words(ports["lmtp"], fe), "220 fe%d LMTP" % (fe + 1))

    def test_nothing_is_made_without_an_answer(self):
        before = rows("list")
        for answers in ([None], [b"name", None], [b"name", b"smtp", b":99", b"", b"", b"", None]):
            status, seen = self.at_terminal(answers)
            self.assertEqual(status, 66, seen)  # EX_NOINPUT
        self.assertEqual(self.at_terminal([], "x", "--service", "imap")[0], 64)
        self.assertEqual(rows("list"), before)

    def test_what_is_refused(self):
        port = str(second("smtp"))
        run("add", "A", "--listen", ":" + port, want=65)
        run("add", "a", want=64)
        run("add", "a", "--listen", "none", want=65)
        run("add", "a", "--listen", ":" + port, "--service", "imap", want=65)
        run("add", "a", "--listen", ":" + port, "--set", "auth=allowed", want=65)
        run("add", "a", "--listen", ":" + port, "--set", "no_such=1", want=65)
        run("add", "a", "--listen", ":" + port, "--set", "deny=192.0.2.256", want=65)
        run("add", "a", "--listen", ":" + port)
        run("add", "a", "--listen", ":1", want=65)
        run("add", "b", "--listen", ":" + port, want=65)
        run("add", "b", "--listen", ":" + port, "--service", "submission")
        run("edit", "a", "--set", "errors_max=0", want=65)
        run("edit", "a", want=64)
        run("edit", "default-smtp", "--listen", ":" + port, want=65)
        run("remove", "default-smtp", want=67)
        run("pause", want=64)
        run("pause", "a", "--all", want=64)
        run("pause", "c", want=67)
        run("show", "c", want=67)

    def test_a_list_shows_what_front_ends_have_not_bound(self):
        port, other = second("smtp"), frontend(1)["host"]
        run("add", "a", "--listen", ":%d" % port, "--listen", ":2600", "--listen", "fe1/:2601",
            "--listen", "192.0.2.1:25", "--listen", "fe2/:%d" % port,
            "--listen", "fe1/%s:%d" % (other, port))
        # What was reported when a worker began, and is again every few seconds.
        self.assertTrue(until(lambda: rows("list")[2]["unbound"] == [
            "fe1: listen.smtp lacks :2600", "fe2: listen.smtp lacks :2600",
            "fe1: listen.smtp lacks fe1/:2601", "every front-end: listen.smtp lacks 192.0.2.1:25",
            "fe1: listen.smtp lacks fe1/%s:%d" % (other, port)]), rows("list")[2])
        run("edit", "a", "--listen", "%s:%d" % (other, port))
        self.assertEqual(rows("list")[2]["unbound"], [])

    def test_a_file_makes_what_a_list_shows(self):
        run("add", "a", "--listen", ":%d" % second("smtp"), "--listen", "fe1/127.0.0.11:2600",
            "--set", "allow=127.0.0.0/8,::1", "--set", "banner=one, \"two\" \\three",
            "--operator", "anna")
        before = rows("show", "a")
        run("remove", "a")
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "servers.json")

            def load(what, want=0):
                with open(path, "w") as f:
                    json.dump(what, f)
                return run("import", path, want=want)
            self.assertEqual(load([before]), "1 imported, 0 failed\n")
            self.assertEqual(rows("show", "a"), before)
            load([before, {"name": "b", "listeners": [":2601"],
                           "settings": {"messages_max": 3, "deny": ["127.0.0.8", "127.0.0.9"]}}],
                 want=65)
            self.assertEqual(rows("show", "b")["settings"],
                             ["deny=127.0.0.8,127.0.0.9", "messages_max=3"])
            load([{"name": "d", "listeners": [":2603"], "home": "x/y"},
                  {"name": "e", "listeners": [":2604"], "settings": {"home": "x/z"}}])
            self.assertEqual([rows("show", n)["settings"] for n in "de"],
                             [["home=x/y"], ["home=x/z"]])
            before = rows("show", "d")
            run("remove", "d")
            load([before])
            self.assertEqual(rows("show", "d"), before)
            load([{"name": "f", "listeners": [":2605"], "home": 3}], want=65)
            load([{"name": "f", "listeners": [":2605"], "home": "x/y"}], want=65)
            load([{"name": "f", "listeners": [":2605"], "home": "g", "settings": {"home": "f"}}],
                 want=65)
            load([{"name": "c", "listener": ":2602"}], want=65)
            load([{"listeners": [":2602"]}], want=65)
            load("c", want=65)

    def test_every_change_is_recorded(self):
        run("add", "a", "--listen", ":%d" % second("smtp"))
        run("pause", "a")
        run("remove", "a")
        status, out, _ = postern.postern("audit", "list", "--limit", "20", "--json")
        seen = [r["method"] for r in json.loads(out) if r["target"] == "a"]
        self.assertEqual(status, 0)
        self.assertLess({"server.add", "server.pause", "server.remove"} - set(seen), {"x"})
        self.assertEqual([m for m in seen if m != "server.list"][:3],
                         ["server.remove", "server.pause", "server.add"])

    def test_an_operator_has_his_own_and_nothing_else(self):
        pki = os.path.join(postern.FOLDER, "pki")
        self.add("a", second("smtp"), more=("--operator", "anna"))
        run("add", "b", "--listen", ":%d" % second("submission"), "--service", "submission",
            "--operator", "bert")
        with tempfile.TemporaryDirectory() as d:
            base = os.path.join(d, "anna")
            status, _, err = postern.postern("pki", "issue", "--dir", pki, "--out", base,
                                             "operator/anna")
            self.assertEqual(status, 0, err)
            anna = ("--cert", base + ".pem", "--key", base + ".key")
            self.assertEqual([s["name"] for s in json.loads(run("list", "--json", who=anna))],
                             ["a"])
            run("pause", "a", who=anna)
            self.await_words(second("smtp"), "421 4.3.2 x service paused")
            run("start", "a", who=anna)
            run("edit", "a", "--set", "messages_max=7", who=anna)
            self.assertIn("messages_max=7", rows("show", "a")["settings"])
            for argv in (["show", "b"], ["pause", "b"], ["edit", "b", "--set", "messages_max=1"],
                         ["pause", "nobody"], ["stop", "--all"], ["pause", "default-smtp"],
                         ["edit", "a", "--operator", "anna", "--operator", "bert"],
                         ["edit", "a", "--set", "home=x"], ["edit", "a", "--unset", "home"],
                         ["edit", "a", "--set", "outbound.source=fe1/192.0.2.1"],
                         ["edit", "a", "--listen", ":1"]):
                run(*argv, who=anna, want=DENIED)
            for argv in (["server", "add", "c", "--listen", ":1"], ["server", "remove", "a"],
                         ["domain", "list"], ["account", "list"], ["audit", "list"], ["status"],
                         ["setting", "set", "hostname", "x"]):
                self.assertNotEqual(postern.postern(*anna, *argv)[0], 0, argv)
        self.assertEqual({s["name"]: s["state"] for s in rows("list")}["b"], "running")

    # ---- access ----

    def test_the_list_of_log_ins_is_the_choice(self):
        port, every = second("submission"), "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"
        run("add", "users", "--service", "submission", "--listen", ":%d" % port)
        for auth in ("auto", "required", "allowed", "none"):
            for mechanisms in (every, "PLAIN", "LOGIN PLAIN", "SCRAM-SHA-256"):
                mark = uuid.uuid4().hex
                run("edit", "users", "--set", "auth=" + auth, "--set", "banner=" + mark,
                    "--set", "auth_mechanisms=" + mechanisms.replace(" ", ","))
                self.await_words(port, "220 fe%d ESMTP " + mark)
                for fe in everywhere():
                    with self.smtp(port, fe) as s:
                        self.assertNotIn("auth", s.esmtp_features)
                    with self.smtp(port, fe, secure=True) as s:
                        got = set(s.esmtp_features.get("auth", "").split())
                        self.assertEqual(got, set() if auth == "none" else set(mechanisms.split()))
                        for m in set(every.split()) - got:
                            code = s.docmd("AUTH", m)[0]
                            self.assertEqual(code, 502 if auth == "none" else 504, m)

    def test_with_and_without_a_log_in_at_one_server(self):
        port, outside = second("submission"), "somebody@outside.example"
        who = account(0)
        self.add("mixed", port, "auth=allowed", service="submission")
        with self.smtp(port, secure=True) as s:
            mark = uuid.uuid4().hex
            self.assertEqual(self.send(s, who=1, mark=mark), 250)
            self.assertTrue(until(lambda: mark in subjects(imap(1))))
            # As at port 25: nothing goes outside, and nobody is one of us.
            self.assertEqual(s.mail(STRANGER)[0], 250)
            self.assertEqual(s.rcpt(outside)[0], 550)
            s.rset()
            self.assertEqual(s.mail(who["address"])[0], 550)
            s.login(who["address"], who["password"])
            self.assertEqual(s.mail(who["address"])[0], 250)
            self.assertEqual(s.rcpt(outside)[0], 250)
            s.rset()
            self.assertEqual(s.mail(account(1)["address"])[0], 550)
        # While there is no such server, a submission needs its log-in again.
        run("edit", "mixed", "--set", "auth=required", "--set", "banner=y")
        self.await_words(port, "220 x ESMTP y")
        with self.smtp(port, secure=True) as s:
            self.assertEqual(s.mail(STRANGER)[0], 530)

    def test_a_captured_submission_worker_without_a_ticket(self):
        """It delivers to addresses here only while a server lets others than users send, and to
        other systems only in the name of one with a net that may."""
        here = postern.account_of("be1")
        for settings, wanted in ((("auth=required",), True), (("auth=allowed",), False),
                                 (("auth=allowed", "relay_from=192.0.2.1"), False)):
            self.add("s", second("submission"), *settings, service="submission")
            with Captured("frontend/fe1/submission") as c:
                def resolve(address, **more):
                    return c.call("RESOLVE", address=address.encode(),
                                  session_id=secrets.token_bytes(16), **more)
                status, target = resolve(account(here)["address"])
                self.assertEqual((status, target["backend"]), ("ok", "be1"))
                status = c.call("DELIVER_BEGIN", txid=secrets.token_bytes(16),
                                token=bytes.fromhex(target["token"]),
                                partition=target["partition"], body=b"no record")[0]
                self.assertEqual(status == "no-ticket", wanted, status)
                outside = "somebody@outside.example"
                self.assertEqual(resolve(outside)[0], "denied")
                self.assertEqual(resolve(outside, server="s")[0], "denied")
                for ip, listed in ((bytes([192, 0, 2, 2]), False), (bytes([192, 0, 2, 1]), True)):
                    self.assertEqual(
                        resolve(outside, server="s", client__ip=ip)[0],
                        "ok" if listed and len(settings) == 2 else "denied")
                    self.assertEqual(resolve(outside, server="default-submission",
                                             client__ip=ip)[0], "denied")
            run("remove", "s")

    def test_tls_choices(self):
        for choice, offered, mail in (("offered", True, 250), ("required", True, 530),
                                      ("none", False, 250)):
            name = "tls-" + choice
            self.add(name, second("smtp"), "tls=" + choice)
            with self.smtp(second("smtp")) as s:
                self.assertEqual("starttls" in s.esmtp_features, offered)
                self.assertEqual(s.mail(STRANGER)[0], mail)
                s.rset()
                self.assertEqual(s.docmd("STARTTLS")[0], 220 if offered else 502)
            run("remove", name)

    def test_who_may_connect(self):
        port = second("smtp")
        clients = ("127.0.0.1", "127.0.1.1", "127.0.1.77")
        for settings, may in (
                ((), "yyy"),
                (("deny=127.0.1.0/24",), "ynn"),
                (("allow=127.0.1.0/24",), "nyy"),
                (("allow=127.0.1.0/24", "deny=127.0.1.77"), "nyn"),
                (("allow=127.0.1.1",), "nyn"),
                (("deny=127.0.0.0/8",), "nnn")):
            run("add", "nets", "--listen", ":%d" % port, "--set", "hostname=x",
                *[w for s in settings for w in ("--set", s)])
            for fe in everywhere():
                for client, y in zip(clients, may):
                    want = "220 x ESMTP" if y == "y" else \
                        "554 5.7.1 x no service for your address"
                    self.assertTrue(until(lambda: first_words(port, fe, client) == want),
                                    (settings, client, first_words(port, fe, client)))
            run("remove", "nets")
            self.await_words(port, "220 fe%d ESMTP")

    def probes(self, host):
        """Recipients of nmap's smtp-open-relay and of old relay tests, with senders."""
        name, domain = "relaytest", "outside.example"
        ours = cluster()["domain"]
        senders = ("", "antispam@" + domain, "antispam@" + host, "antispam@[%s]" % host)
        plain = "%s@%s" % (name, domain)
        tricks = (plain, "%s%%%s@%s" % (name, domain, ours), "%s%%%s@[%s]" % (name, domain, host),
                  '"%s"' % plain, '"%s%%%s"' % (name, domain), "%s@%s" % (plain, ours),
                  '"%s"@%s' % (plain, ours), '"%s"@[%s]' % (plain, host),
                  "%s@[%s]" % (plain, host), "@%s:%s" % (ours, plain), "@[%s]:%s" % (host, plain),
                  "%s!%s" % (domain, name), "%s!%s@%s" % (domain, name, ours),
                  "%s!%s@[%s]" % (domain, name, host))
        return [(s, t) for s in senders for t in tricks]

    def test_a_net_relays_and_nobody_else(self):
        """Each of the tricks from an address outside of the list; one within it needs none."""
        port = second("submission")
        self.add("printers", port, "auth=allowed", "relay_from=127.0.4.0/24",
                 service="submission")
        for fe in everywhere():
            for sender, trick in self.probes(frontend(fe)["host"]):
                with self.smtp(port, fe) as s:
                    if s.docmd("MAIL FROM:<%s>" % sender)[0] == 250:
                        self.assertGreaterEqual(s.docmd("RCPT TO:<%s>" % trick)[0], 450,
                                                (sender, trick))
            for client, code in (("127.0.4.9", 250), ("127.0.5.9", 550)):
                with smtplib.SMTP(frontend(fe)["host"], port, timeout=30,
                                  source_address=(client, 0)) as s:
                    s.ehlo()
                    self.assertEqual(s.mail(account(0)["address"])[0], code)
                    s.rset()
                    self.assertEqual(s.mail(STRANGER)[0], 250)
                    self.assertEqual(s.rcpt("somebody@outside.example")[0], code)
                    self.assertEqual(s.rcpt(account(1)["address"])[0], 250)

    def test_nobody_relays_without_a_log_in(self):
        self.add("second", second("smtp"))
        self.add("open", second("submission"), "auth=none", service="submission")
        for fe in everywhere():
            for port in (frontend()["ports"]["smtp"], second("smtp"), second("submission")):
                for sender, trick in self.probes(frontend(fe)["host"]):
                    with self.smtp(port, fe) as s:
                        if s.docmd("MAIL FROM:<%s>" % sender)[0] != 250:
                            continue
                        self.assertGreaterEqual(s.docmd("RCPT TO:<%s>" % trick)[0], 450,
                                                (port, sender, trick))

    def test_who_has_logged_in_relays_or_not(self):
        who = account(0)
        port = second("submission")
        for choice, code in (("authenticated", 250), ("none", 550)):
            self.add("r-" + choice, port, "relay=" + choice, service="submission")
            for fe in everywhere():
                with self.smtp(port, fe, secure=True) as s:
                    s.docmd("AUTH PLAIN", base64.b64encode(
                        ("\0%s\0%s" % (who["address"], who["password"])).encode()).decode())
                    self.assertEqual(s.mail(who["address"])[0], 250)
                    self.assertEqual(s.rcpt("somebody@outside.example")[0], code)
                    self.assertEqual(s.rcpt(account(1)["address"])[0], 250)
            run("remove", "r-" + choice)


if __name__ == "__main__":
    unittest.main()
