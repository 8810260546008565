"""Log-ins with tickets of Kerberos (GSSAPI, RFC 4752): a real KDC, python3-gssapi and curl as
clients, both front-ends, accounts of both back-ends; whom it refuses; where it is offered. And ours
at relays that want a ticket."""
import base64
import contextlib
import json
import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time
import unittest
import uuid

import authority
import dnszone
import postern
from kdc import Client, Kdc, Server
from postern import (account, account_of, change, cluster, cluster_command, frontend, imap, log_lines,
                     log_size, message, postern as run, setting, subjects, tls, until)
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "6", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "tls_trust={trust}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s"]
TAKES = 35  # seconds
HOST = "mail.example.org"
REALMS = "auth.gssapi_realms"
TOKEN_MAX = 9213
LAYER_MAX = 1024
SOON_SECONDS = 8
# MIT's library asks one KDC over TCP and UDP for 27 s.
KDC_SECONDS = 60
LONG = "u" * 501  # with its realm more than a principal may have
# Of addresses, so that what one test is refused for delays no other.
sources = iter("127.0.8.%d" % i for i in range(1, 250))


class Line:
    """A TLS connection that is spoken to in lines."""

    def __init__(self, port, fe=0, source=None):
        raw = socket.create_connection((frontend(fe)["host"], frontend(fe)["ports"][port]),
                                       timeout=60, source_address=(source or next(sources), 0))
        self.sock = tls().wrap_socket(raw)
        self.file = self.sock.makefile("rb")
        self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def hear(self):
        return self.file.readline().decode().strip()

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.hear()


class Imap(Line):
    def __init__(self, *argv, **kw):
        super().__init__("imaps", *argv, **kw)

    def begin(self, token=None):
        return self.say("a AUTHENTICATE GSSAPI" + (" " + token if token else ""))

    go_on, more, service, host = "+", "+", "imap", HOST

    def whole(self, client, mutual=True, initial=True, authzid="", layer=1):
        """The exchange, until the answer to the last message."""
        token = client.token("%s@%s" % (self.service, self.host), mutual)
        if initial:
            said = self.begin(token)
        else:
            said = self.begin()
            if said != self.go_on:
                return said
            said = self.say(token)
        if mutual and said.startswith(self.more):
            client.answer(said.split()[1])
            said = self.say("")
        if not said.startswith(self.more):
            return said
        offer, choice = client.choose(said.split()[1], layer, authzid)
        assert offer == "01000000", offer
        return self.say(choice)


class Submission(Imap):
    go_on, more, service = "334", "334", "smtp"

    def __init__(self, *argv, **kw):
        Line.__init__(self, "submissions", *argv, **kw)
        self.say("EHLO client.example")
        while self.hear().startswith("250-"):
            pass

    def begin(self, token=None):
        return self.say("AUTH GSSAPI" + (" " + token if token else ""))


def capabilities(fe=0):
    box = imap(0, fe, login=False)
    try:
        return box.capabilities
    finally:
        box.shutdown()


def offers(fe=0):
    """At submission, under TLS."""
    f = frontend(fe)
    with smtplib.SMTP(f["host"], f["ports"]["submission"], timeout=60) as s:
        s.ehlo()
        assert "auth" not in s.esmtp_features
        s.starttls(context=tls())
        s.ehlo()
        return s.esmtp_features.get("auth", "").split()


def everywhere(test):
    return all(test(fe) for fe in range(len(cluster()["frontends"])))


def offered():
    return everywhere(lambda fe: "AUTH=GSSAPI" in capabilities(fe) and "GSSAPI" in offers(fe))


def withdrawn():
    return everywhere(lambda fe: "AUTH=GSSAPI" not in capabilities(fe) and
                      "GSSAPI" not in offers(fe))


def user(i):
    return account(i)["address"].partition("@")[0]


def restart_backends(env=()):
    for b in cluster()["backends"]:
        cluster_command("kill", b["name"], "TERM")
        cluster_command("start", b["name"], env=env)
    postern.restore()


def configure_backends(test, text, env=()):
    """More for their own files, until the end of the test's class."""
    files = []
    for b in cluster()["backends"]:
        folder = os.path.join(postern.FOLDER, b["name"], "backend.conf.d")
        os.makedirs(folder, exist_ok=True)
        files.append(os.path.join(folder, "gssapi.conf"))
        with open(files[-1], "w") as f:
            f.write(text)
    restart_backends(env)
    test.addClassCleanup(restart_backends)
    for f in files:
        test.addClassCleanup(os.unlink, f)


class Gssapi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.realm = cluster()["domain"].upper()
        folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.kdc = Kdc(folder, cls.realm)
        cls.addClassCleanup(cls.kdc.stop)
        services = [s + "/" + HOST for s in ("imap", "smtp")]
        cls.kdc.add(*services, "HTTP/" + HOST, "sieve/" + HOST, "stranger", "user1/admin", LONG,
                    *[user(i) for i in range(6)])
        keytab = cls.kdc.keytab("mail.keytab", *services, "sieve/" + HOST)
        # Without a keytab nothing is offered, whatever the setting says.
        setting(REALMS, cls.realm)
        cls.addClassCleanup(setting, REALMS)
        setting("auth.plain", "false")
        assert until(lambda: everywhere(lambda fe: "PLAIN" not in offers(fe) and
                                        "AUTH=PLAIN" not in capabilities(fe)))
        assert withdrawn()
        setting("auth.plain")
        configure_backends(cls, 'gssapi = { keytab = "%s"; };\n' % keytab)

    def setUp(self):
        self.assertTrue(until(offered))

    def client(self, name):
        c = Client(self.kdc.log_in(name))
        self.addCleanup(c.__exit__)
        return c

    def refused(self, name, why, fe=0, **kw):
        """A log-in at IMAP that fails in the one text, and for what the log alone says."""
        before = {b["name"]: log_size(b["name"]) for b in cluster()["backends"]}
        with Imap(fe) as c:
            self.assertEqual(c.whole(self.client(name), **kw),
                             "a NO [AUTHENTICATIONFAILED] Authentication failed")
        self.assertTrue(any(log_lines(b, "event=auth.denied", "mechanism=GSSAPI", why, since=n)
                            for b, n in before.items()), why)

    # ---- good ones ----

    def test_imap_from_everywhere_to_every_owner(self):
        """With the token in the command and after it, with and without a proof of us."""
        for fe in range(2):
            for backend in ("be1", "be2"):
                i, since = account_of(backend), log_size(backend)
                for initial in (True, False):
                    for mutual in (True, False):
                        with Imap(fe) as c:
                            said = c.whole(self.client(user(i)), mutual, initial)
                            self.assertRegex(said, "^a OK ")
                            self.assertRegex(c.say("b SELECT INBOX"), r"^\*")
                self.assertEqual(len(log_lines(
                    backend, "event=auth.login", "mechanism=GSSAPI", "frontend=fe%d" % (fe + 1),
                    "name=" + account(i)["address"], since=since)), 4)

    def test_submission(self):
        mark = uuid.uuid4().hex
        for fe in range(2):
            with Submission(fe) as c:
                self.assertRegex(c.whole(self.client(user(1))), "^235 ")
                for line, code in (("MAIL FROM:<%s>" % account(1)["address"], 250),
                                   ("RCPT TO:<%s>" % account(2)["address"], 250), ("DATA", 354)):
                    self.assertRegex(c.say(line), "^%d " % code)
                self.assertRegex(c.say("From: <%s>\r\nSubject: %s\r\n\r\nhello\r\n."
                                       % (account(1)["address"], mark)), "^250 ")
        box = imap(2)
        self.assertTrue(until(lambda: subjects(box).count(mark) == 2))
        box.logout()

    def test_curl(self):
        f = frontend()
        for url, service in (("imaps://%s:%d/INBOX", "imaps"), ("smtps://%s:%d", "submissions")):
            argv = ["curl", "-sSvk", "-u", "%s@%s:" % (user(3), self.realm), "--login-options", "AUTH=GSSAPI",
                    "--resolve", "%s:%d:%s" % (HOST, f["ports"][service], f["host"]),
                    url % (HOST, f["ports"][service])]
            argv += ["-X", "NOOP"] if service == "submissions" else []
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60,
                                  env={**os.environ, **self.kdc.log_in(user(3))})
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r"AUTH(ENTICATE)? GSSAPI")

    def test_the_session_is_listed(self):
        with Imap() as c:
            self.assertRegex(c.whole(self.client(user(0))), "^a OK ")
            rows = json.loads(run("--json", "session", "list")[1])
            self.assertIn((account(0)["address"], "GSSAPI"),
                          [(r["account"], r["mechanism"]) for r in rows])

    def test_as_oneself_alone(self):
        who = account(1)["address"]
        for authzid in (who, user(1), who.upper()):
            with Imap() as c:
                self.assertRegex(c.whole(self.client(user(1)), authzid=authzid), "^a OK ")
        self.refused(user(1), "reason=authzid", authzid=account(2)["address"])

    def test_keys_that_come_later(self):
        """The keytab is read anew for each ticket."""
        self.kdc.add("imap/later.example.org")
        with Imap() as c:
            c.host = "later.example.org"
            self.assertRegex(c.whole(self.client(user(1))), "^a NO ")
        self.kdc.keytab("mail.keytab", "imap/later.example.org")
        with Imap() as c:
            c.host = "later.example.org"
            self.assertRegex(c.whole(self.client(user(1))), "^a OK ")

    # ---- refusals ----

    def test_a_ticket_for_another_service(self):
        with Imap() as c:
            c.service = "smtp"  # we have that key, but for submission
            self.assertRegex(c.whole(self.client(user(1))), r"^a NO \[AUTHENTICATIONFAILED\]")
        with Imap() as c:
            c.service = "HTTP"  # and this one we have not
            self.assertRegex(c.whole(self.client(user(1))), r"^a NO \[AUTHENTICATIONFAILED\]")
        with Submission() as c:
            c.service = "imap"
            self.assertRegex(c.whole(self.client(user(1))), "^535 ")

    def test_a_kdc_that_never_answers(self):
        """Nothing is asked of it: whoever has a ticket logs in, whoever has none hears so."""
        with Imap() as c:
            self.assertRegex(c.whole(self.client(user(2))), "^a OK ")
        with self.kdc.silent():
            for fe in range(2):
                began = time.monotonic()
                with Imap(fe) as c:
                    self.assertRegex(c.whole(self.client(user(2))), "^a OK ")
                with Imap(fe) as c:
                    self.assertEqual(c.begin(base64.b64encode(b"no ticket").decode()),
                                     "a NO [AUTHENTICATIONFAILED] Authentication failed")
                self.assertLess(time.monotonic() - began, SOON_SECONDS)

    def test_who_has_no_account(self):
        self.refused("stranger", 'reason="no such account"')
        self.refused("user1/admin", 'reason="not a user of a realm of ours"')
        self.refused(LONG, 'reason="a name that is too long"')

    def test_a_locked_account(self):
        self.addCleanup(run, "account", "unlock", account(4)["address"])
        change("account", "lock", account(4)["address"])
        self.refused(user(4), 'reason="not active"')

    def test_a_token_counts_once(self):
        """Whichever front-end and back-end it is shown to next."""
        client = self.client(user(1))
        token = client.token("imap@" + HOST)
        with Imap() as c:
            self.assertRegex(c.begin(token), r"^\+ ")
            self.assertRegex(c.say("*"), "^a BAD ")
        with Imap(fe=1) as c:
            self.assertRegex(c.begin(token), r"^a NO \[AUTHENTICATIONFAILED\]")

    def test_last_messages_that_are_none(self):
        def last(answer):
            client = self.client(user(1))
            with Imap() as c:
                said = c.begin(client.token("imap@" + HOST, mutual=False))
                client.choose(said.split()[1])
                return c.say(answer)
        self.assertRegex(last(""), r"^a NO \[AUTHENTICATIONFAILED\]")
        self.assertRegex(last(base64.b64encode(b"\1\0\0\0").decode()),
                         r"^a NO \[AUTHENTICATIONFAILED\]")
        self.assertRegex(last("*"), "^a BAD ")
        self.assertRegex(last("!"), "^a BAD ")

    def test_layers_are_not_to_be_had(self):
        for layer in (0, 2, 4, 5):
            with Imap() as c:
                self.assertRegex(c.whole(self.client(user(1)), layer=layer), "^a BAD ")
        # Nor a last message without end.
        for n, answer in ((LAYER_MAX - 4, r"^a NO \[AUTHENTICATIONFAILED\]"),
                          (LAYER_MAX - 3, "^a BAD ")):
            with Imap() as c:
                self.assertRegex(c.whole(self.client(user(1)), authzid="x" * n), answer)

    def test_a_token_too_many(self):
        client = self.client(user(1))
        with Imap() as c:
            said = c.begin(client.token("imap@" + HOST))
            self.assertRegex(c.say(said.split()[1]), "^a BAD ")

    def test_garbage_and_its_price(self):
        krb5 = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
        spnego = b"\x06\x06\x2b\x06\x01\x05\x05\x02"
        source = next(sources)
        tokens = [b"x", b"\x60", b"\x60\x84", b"\x60\xff" + krb5, b"\x60\x0b" + krb5,
                  b"\x60\x0d" + krb5 + b"\x01\x00", b"\x60\x08" + spnego,
                  b"\x60\x82\x23\xf9" + krb5 + bytes(TOKEN_MAX - 15)]
        for token in tokens:
            for kind, refusal in ((Imap, "a NO [AUTHENTICATIONFAILED]"), (Submission, "535 ")):
                with kind(source=next(sources)) as c:
                    self.assertIn(c.begin(), ("+", "334"))
                    said = c.say(base64.b64encode(token).decode())
                    self.assertTrue(said.startswith(refusal), (token[:20], said))
        with Imap(source=next(sources)) as c:
            c.begin()
            self.assertRegex(c.say(base64.b64encode(bytes(TOKEN_MAX + 1)).decode()), "^a BAD ")
        # An address is made to wait; others, and who has been there, are not.
        said = ""
        for i in range(40):
            with Imap(source=source) as c:
                c.begin()
                said = c.say("eA==")
            if "[LIMIT]" in said:
                break
        self.assertIn("a NO [LIMIT]", said)
        with Imap() as c:
            self.assertRegex(c.whole(self.client(user(1))), "^a OK ")

    def test_abort(self):
        for kind, refusal in ((Imap, "a BAD "), (Submission, "501 ")):
            with kind() as c:
                c.begin()
                self.assertTrue(c.say("*").startswith(refusal))
                self.assertRegex(c.whole(self.client(user(1))), "^(a OK|235) ")

    # ---- where it is offered ----

    def test_realms_are_a_setting(self):
        """Which ones are ours, and what domain their users have; live."""
        setting(REALMS, "OTHER.EXAMPLE")
        self.addCleanup(setting, REALMS, self.realm)
        self.assertTrue(until(lambda: self.says(user(1), "a NO")))
        setting(REALMS, "%s/elsewhere.example" % self.realm)
        self.refused_soon(user(1), 'reason="no such account"')
        setting(REALMS, "OTHER.EXAMPLE,%s/%s" % (self.realm, cluster()["domain"]))
        self.assertTrue(until(lambda: self.says(user(1), "a OK")))
        self.assertNotEqual(run("setting", "set", REALMS, "A@B")[0], 0)
        setting(REALMS)
        self.assertTrue(until(withdrawn))
        with Imap() as c:
            self.assertRegex(c.begin(), "^a NO ")

    def says(self, name, words):
        with Imap() as c:
            return c.whole(self.client(name)).startswith(words)

    def refused_soon(self, name, why):
        def try_it():
            with contextlib.suppress(AssertionError):
                self.refused(name, why)
                return True
        self.assertTrue(until(try_it))

    def test_a_server_has_its_own_choice(self):
        """What a virtual server does not name, is neither offered nor taken."""
        (name,) = [s["name"] for s in json.loads(run("--json", "server", "list")[1])
                   if s["service"] == "submission"]
        self.addCleanup(run, "server", "edit", name, "--unset", "auth_mechanisms")
        for choice in ("GSSAPI", "PLAIN", "GSSAPI,PLAIN", "SCRAM-SHA-256,GSSAPI"):
            status, _, err = run("server", "edit", name, "--set", "auth_mechanisms=" + choice)
            self.assertEqual(status, 0, err)
            self.assertTrue(until(lambda: everywhere(
                lambda fe: set(offers(fe)) == set(choice.split(",")))), choice)
            with Submission() as c:
                said = c.whole(self.client(user(1)))
                self.assertTrue(said.startswith("235 " if "GSSAPI" in choice else "504 "), said)

    def test_never_without_tls(self):
        f = frontend()
        with socket.create_connection((f["host"], f["ports"]["imap"]), timeout=60) as s, \
                s.makefile("rb") as lines:
            self.assertNotIn(b"GSSAPI", lines.readline())
            s.sendall(b"a AUTHENTICATE GSSAPI\r\n")
            self.assertTrue(lines.readline().startswith(b"a NO [PRIVACYREQUIRED]"))


RELAY, ADDRESS = "relay.out.test", "127.0.1.11"
SELF = "postern/mail.example.org"


def ok(*argv):
    status, out, err = run("--json", *argv)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


class Relays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.kdc = Kdc(folder, "OUT.TEST")
        cls.addClassCleanup(cls.kdc.stop)
        cls.kdc.add("smtp/" + RELAY, "smtp/other.out.test", SELF, "late", "slow", "stranger")
        cls.keytab = cls.kdc.keytab("relay.keytab", "smtp/" + RELAY)
        cls.other = cls.kdc.keytab("other.keytab", "smtp/other.out.test")
        own = cls.kdc.keytab("client.keytab", SELF, "late", "slow")
        cls.pki = authority.Authority(os.environ["POSTERN_TEST_PKI"])
        zone = dnszone.Zone({"out.test": "relay A %s\n" % ADDRESS},
                            port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
        cls.addClassCleanup(zone.close)
        configure_backends(cls, 'gssapi = { client_keytab = "%s"; };\n' % own, cls.kdc.env)

    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        for r in ok("route", "list"):
            ok("route", "remove", r["domain"])
        ok("route", "add", "*", "reject", "no more of that")
        self.assertTrue(until(lambda: not ok("queue", "list")))
        change("route", "remove", "*")

    def relay(self, keytab=None, host=RELAY, **more):
        env = self.kdc.serve(keytab or self.keytab)
        s = Sink(ADDRESS, int(os.environ["POSTERN_TEST_OUT"]), tickets=lambda: Server(env),
                 **self.pki.leaf(host, host), **more)
        self.addCleanup(s.close)
        return s

    def route(self, user=SELF):
        change("route", "add", "*", "relay", "[%s]" % RELAY, "--user", user, "--auth", "gssapi")

    def submit(self, who=0):
        a = account(who)
        with postern.smtp(who % 2, "submission") as s:
            s.starttls(context=tls())
            s.login(a["address"], a["password"])
            s.send_message(message("x@away.test", uuid.uuid4().hex, sender=a["address"]),
                           a["address"], ["x@away.test"])

    def waits(self, why):
        """What is in the queue stays there, for this reason, and that is for now."""
        def look():
            rows = ok("queue", "list")
            return rows and all(why in r.get("last_error", "") for r in rows)
        self.assertTrue(until(look), (why, ok("queue", "list")))

    def never_let_in(self, relay):
        self.assertEqual(relay.mails, [])
        self.assertFalse(any(c.upper().startswith((b"AUTH PLAIN", b"AUTH LOGIN", b"MAIL"))
                             for c in relay.commands))

    def test_a_relay_that_wants_a_ticket(self):
        relay = self.relay(users={})
        self.route()
        for who in range(6):
            self.submit(who)
        self.assertEqual(len(relay.wait(6)), 6)
        self.assertEqual({m.user for m in relay.mails}, {b"%s@OUT.TEST" % SELF.encode()})
        self.assertTrue(all(m.tls for m in relay.mails))
        row = ok("route", "show", "*")
        self.assertEqual((row["auth"], row["tls"], row["user"]), ("gssapi", "verify", SELF))
        self.assertFalse(row.get("password"))
        # Another way to log in makes another connection.
        status, _, err = run("route", "edit", "*", "--auth", "password")
        self.assertNotEqual(status, 0)
        self.assertIn("without a password", err)

    def test_a_relay_that_offers_none(self):
        relay = self.relay(users={SELF.encode(): b""})
        relay.tickets = None
        self.route()
        self.submit()
        self.waits("the host does not offer GSSAPI")
        self.assertFalse(any(c.upper().startswith(b"AUTH") for c in relay.commands))
        self.never_let_in(relay)
        relay.users, relay.tickets = None, lambda: Server(self.kdc.serve(self.keytab))
        self.assertEqual(len(relay.wait(1)), 1)

    def test_a_kdc_that_is_away(self):
        relay = self.relay(users={})
        self.kdc.stop()
        try:
            self.route("late")
            self.submit()
            self.waits("Cannot contact any KDC")
            self.assertTrue(any(log_lines(b["name"], "event=krb_relay.failed", "host=" + RELAY,
                                          "principal=late") for b in cluster()["backends"]))
            self.never_let_in(relay)
        finally:
            self.kdc.start()
        self.assertEqual(len(relay.wait(1)), 1)
        self.assertEqual(relay.mails[0].user, b"late@OUT.TEST")

    def test_a_kdc_that_never_answers(self):
        """The library gives up in the end; until then one thread waits, and nobody else does."""
        relay = self.relay(users={})
        users = [account_of(b["name"]) for b in cluster()["backends"]]

        def told():
            began = time.monotonic()
            for i, who in enumerate(users):
                box = imap(who, i)
                self.assertEqual(box.select("INBOX")[0], "OK")
                box.logout()
            rows = ok("queue", "list")
            self.assertLess(time.monotonic() - began, SOON_SECONDS)
            return rows and all("Cannot contact any KDC" in r.get("last_error", "") for r in rows)
        with self.kdc.silent():
            self.route("slow")
            began = time.monotonic()
            self.submit()
            self.assertTrue(until(told, KDC_SECONDS), ok("queue", "list"))
            self.assertGreater(time.monotonic() - began, SOON_SECONDS)
            self.assertTrue(any(log_lines(b["name"], "event=krb_relay.failed", "host=" + RELAY,
                                          "principal=slow", "Cannot contact any KDC")
                                for b in cluster()["backends"]))
            self.never_let_in(relay)
        self.assertEqual(len(relay.wait(1)), 1)
        self.assertEqual(relay.mails[0].user, b"slow@OUT.TEST")

    def test_a_principal_without_a_key(self):
        relay = self.relay(users={})
        self.route("stranger")
        self.submit()
        self.waits("GSSAPI: ")
        self.never_let_in(relay)
        change("route", "edit", "*", "--user", SELF)
        self.assertEqual(len(relay.wait(1)), 1)

    def test_a_relay_that_does_not_take_the_ticket(self):
        relay = self.relay(self.other, users={})
        self.route()
        self.submit()
        self.waits("The ticket isn't for us")
        self.never_let_in(relay)

    def test_a_relay_that_is_another(self):
        """Its certificate is good, its proof is not; or it lets us in without one."""
        relay = self.relay(users={})
        self.route()
        self.submit()
        for stage, said, why in (
                ("proof", b"334 " + base64.b64encode(b"x" * 90), "GSSAPI: the host's proof"),
                ("proof", b"334 ", "GSSAPI: the host's challenge cannot be used"),
                ("proof", b"334 !", "GSSAPI: the host's challenge cannot be used"),
                ("proof", b"235 come in", "GSSAPI: the host has not proven who it is"),
                ("offer", b"334 " + base64.b64encode(b"\1\0\0\0"), "GSSAPI: the host's offer"),
                ("offer", b"235 come in", "GSSAPI: the host has not proven who it is")):
            relay.does = {stage: said}
            self.waits(why)
            self.never_let_in(relay)
        relay.does, relay.layers = {}, 6
        self.waits("GSSAPI: the host wants a security layer")
        relay.layers = 7
        self.assertEqual(len(relay.wait(1)), 1)

    def test_a_ticket_goes_to_a_verified_name(self):
        relay = self.relay(host="impostor.out.test", users={})
        self.route()
        self.submit()
        self.waits("TLS failed")
        self.assertFalse(any(c.upper().startswith(b"AUTH") for c in relay.commands))
        self.never_let_in(relay)
