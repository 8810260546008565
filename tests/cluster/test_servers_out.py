"""What virtual SMTP servers say of the mail that they took: a stopped one keeps it in the queue, each
may have a schedule, a name and addresses of its own, and operators of one do not touch another's."""
import contextlib
import datetime
import json
import os
import smtplib
import socket
import subprocess
import tempfile
import threading
import unittest
import uuid

import dnszone
import postern
from postern import account, change, cluster_command, deliver, message, tls, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "4", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.tls=may",
           "--set", "outbound.connections_per_destination=4",
           "--set", "outbound.retry_first=2s", "--set", "outbound.retry_second=2s",
           "--set", "outbound.retry_third=2s", "--set", "outbound.retry_later=2s"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
MX, OTHER, SIX = "127.0.1.1", "127.0.1.2", "::1"
ZONE = """
@       MX 10 mx
mx      A %s
six     MX 10 mx6
mx6     AAAA %s
host    A 127.0.3.1
*.many  MX 10 mx
""" % (MX, SIX)
# Names of clients: 127.0.3.1 has one, 127.0.3.2 claims it, 127.0.3.3 has none.
REVERSE = """
1.3.0   PTR host.out.test.
2.3.0   PTR host.out.test.
"""
TEAM = "team@example.org"   # an alias with a member elsewhere: what comes by port 25 and goes out
DENIED = 77  # EX_NOPERM


def setUpModule():
    global zone
    zone = dnszone.Zone({"out.test": ZONE, "other.test": "@ MX 10 mx\nmx A %s\n" % OTHER,
                         "127.in-addr.arpa": REVERSE},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    change("alias", "add", TEAM, "team@out.test")


def tearDownModule():
    zone.close()
    change("alias", "remove", TEAM)


def ok(*argv, who=()):
    status, out, err = postern.postern(*who, "--json", *argv)
    assert status == 0, (argv, err)
    return json.loads(out) if out.strip() else None


def submit(address, who=0):
    """Sends one message as a user; its subject."""
    a = account(who)
    m = message(address, "server " + uuid.uuid4().hex, sender=a["address"])
    with postern.smtp(who % 2, "submission") as s:
        s.starttls(context=tls())
        s.login(a["address"], a["password"])
        s.send_message(m, a["address"], [address])
    return m["Subject"]


def to(mail):
    """The recipients of what a sink has taken."""
    return [r.partition(b"<")[2].partition(b">")[0].decode() for r in mail.rcpts]


def waiting(address, **want):
    """The queue's row for an address, once it is there and is so."""
    return until(lambda: next((r for r in ok("queue", "list") if r["address"] == address and
                               all(r[k] == v for k, v in want.items())), None))


def seconds(shown, since, until_when):
    """Between two times of `queue show`."""
    a, b = (datetime.datetime.fromisoformat(shown[k]) for k in (since, until_when))
    return (b - a).total_seconds()


class ServersOut(unittest.TestCase):
    def setUp(self):
        self.addCleanup(self.forget)

    def forget(self):
        for s in ok("server", "list"):
            if s["settings"]:
                change("server", "edit", s["name"], *[w for line in s["settings"] for w in
                                                      ("--unset", line.partition("=")[0])])
        change("server", "start", "--all")
        ok("queue", "remove", "--all")

    def test_a_stopped_server_keeps_its_mail_and_others_do_not(self):
        self.addCleanup(postern.restore)
        submit("kept@out.test")
        row = waiting("kept@out.test")
        self.assertEqual(row["server"], "default-submission")
        change("server", "stop", "default-submission")
        row = waiting("kept@out.test", state="held")
        self.assertEqual(row["why"], "its virtual server is stopped")
        with Sink(MX, PORT) as sink:
            # The same destination, taken by another server: it passes what is kept.
            deliver([TEAM])
            self.assertEqual([to(m) for m in sink.wait(1)], [["team@out.test"]])
            self.assertTrue(until(lambda: [r["address"] for r in ok("queue", "list")] ==
                                  ["kept@out.test"]))
            self.assertEqual(waiting("kept@out.test")["state"], "held")
            self.assertEqual(ok("queue", "retry", "--server", "default-submission")[0]["busy"], 0)
            for b in postern.cluster()["backends"]:
                cluster_command("kill", b["name"], "KILL")
                cluster_command("start", b["name"])
            postern.restore()
            self.assertEqual(waiting("kept@out.test", state="held")["why"],
                             "its virtual server is stopped")
            deliver([TEAM])
            self.assertEqual(len(sink.wait(2)), 2)
            self.assertEqual({to(m)[0] for m in sink.mails}, {"team@out.test"})
            change("server", "start", "default-submission")
            self.assertEqual(to(sink.wait(3)[-1]), ["kept@out.test"])
            self.assertTrue(until(lambda: ok("queue", "list") == []))

    def test_a_paused_server_sends_on(self):
        submit("paused@out.test")
        waiting("paused@out.test")
        change("server", "pause", "default-submission")
        with Sink(MX, PORT) as sink:
            self.assertEqual(to(sink.wait(1)[0]), ["paused@out.test"])

    def test_what_stays_inside_is_kept_too(self):
        """An alias whose members are expanded by the queue."""
        s = postern.smtp(0)
        with contextlib.closing(s):
            s.ehlo()
            s.mail("stranger@elsewhere.example")
            s.rcpt(TEAM)
            self.assertEqual(s.docmd("DATA")[0], 354)
            s.send(b"Subject: inside\r\n\r\nhalf")
            change("server", "stop", "default-smtp")
            self.assertTrue(until(lambda: all(
                self.is_stopped(fe) for fe in range(2))))
            s.send(b" and half\r\n.\r\n")
            self.assertEqual(s.getreply()[0], 250)
        row = waiting(TEAM, state="held")
        self.assertEqual((row["kind"], row["why"]), ("expand", "its virtual server is stopped"))
        with Sink(MX, PORT) as sink:
            change("server", "start", "default-smtp")
            self.assertEqual(to(sink.wait(1)[0]), ["team@out.test"])

    def is_stopped(self, fe):
        f = postern.frontend(fe)
        with socket.create_connection((f["host"], f["ports"]["smtp"]), timeout=30) as c:
            return c.recv(100).startswith(b"421")

    def test_a_schedule_of_its_own(self):
        change("server", "edit", "default-submission", "--set", "outbound.retry_first=1h",
               "--set", "outbound.expiry=3h", "--set", "outbound.delay_notice=0")
        with Sink(OTHER, PORT) as sink:
            sink.does["mail"] = b"450 4.2.0 not now"
            submit("late@other.test")
            row = waiting("late@other.test", attempts=1)
        shown = ok("queue", "show", row["id"])
        self.assertEqual(shown["server"], "default-submission")
        self.assertAlmostEqual(seconds(shown, "last", "due"), 3600, delta=2)
        self.assertAlmostEqual(seconds(shown, "first", "expire"), 3 * 3600, delta=2)
        self.assertFalse(shown.get("warn"))

    def test_a_name_and_an_address_of_its_own(self):
        """fe2 alone has one; fe1 leaves its mail to it."""
        change("server", "edit", "default-submission", "--set", "outbound.helo=users.example.org",
               "--set", "outbound.source=fe2/127.0.9.2")
        with Sink(MX, PORT) as sink:
            for i in range(10):
                submit("u%d@out.test" % i, who=i % 2)
            self.assertEqual(len(sink.wait(10)), 10)
            self.assertEqual({(m.helo, m.peer) for m in sink.mails},
                             {(b"users.example.org", "127.0.9.2")})
            deliver([TEAM])
            m = sink.wait(11)[-1]
            self.assertNotIn("127.0.9.2", m.peer)
            self.assertNotEqual(m.helo, b"users.example.org")

    def test_no_address_of_the_family(self):
        """It is not dialled from another one; an address of that family, and it is."""
        change("server", "edit", "default-submission",
               "--set", "outbound.source=fe1/127.0.9.1,fe2/127.0.9.2")
        with Sink(SIX, PORT) as sink:
            submit("x@six.out.test")
            row = waiting("x@six.out.test", last_error="no address of ours for the addresses of "
                          "its hosts")
            self.assertEqual(sink.sessions, 0)
            change("server", "edit", "default-submission",
                   "--set", "outbound.source=fe1/::1,fe2/127.0.9.2,fe2/::1")
            ok("queue", "retry", "--id", row["id"])
            self.assertEqual(sink.wait(1)[0].peer, "::1")

    def test_one_of_our_ipv6_addresses(self):
        """Of the server's mail alone; all other mail has the setting's."""
        mine, others = ("fd70:6f73:7465::%x:%x" % (PORT, n) for n in (1, 2))
        for a in (mine, others):
            self.own_address(a)
        postern.put_in_force("outbound.source6", others)
        self.addCleanup(postern.setting, "outbound.source6")
        change("alias", "add", "six@example.org", "team@six.out.test")
        self.addCleanup(change, "alias", "remove", "six@example.org")
        change("server", "edit", "default-submission",
               "--set", "outbound.source=fe1/%s,fe2/%s" % (mine, mine))
        with Sink(SIX, PORT) as sink:
            submit("x@six.out.test")
            deliver(["six@example.org"])
            self.assertEqual({to(m)[0]: m.peer for m in sink.wait(2)},
                             {"x@six.out.test": mine, "team@six.out.test": others})

    def own_address(self, address):
        """The loopback's, for a while: of IPv6 it has one alone."""
        argv = [address + "/128", "dev", "lo"]
        done = subprocess.run(["ip", "-6", "addr", "add", *argv, "nodad"], capture_output=True,
                              text=True)
        if done.returncode != 0:
            self.skipTest("the loopback gets no second IPv6 address: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["ip", "-6", "addr", "del", *argv], check=True)

    def test_nobody_to_send_it(self):
        change("server", "edit", "default-submission", "--set", "outbound.source=fe9/127.0.9.9")
        with Sink(MX, PORT) as sink:
            submit("x@out.test")
            self.assertTrue(waiting("x@out.test", why="no front-end is here that its virtual server"
                                    " sends from"))
            self.assertEqual(sink.sessions, 0)
            change("server", "edit", "default-submission", "--unset", "outbound.source")
            self.assertEqual(to(sink.wait(1)[0]), ["x@out.test"])

    def test_connections_to_one_domain(self):
        """As many as the setting says, counted at the other end; all of them are used."""
        with Sink(MX, PORT) as sink:
            sink.does["greeting"] = "hang"
            for i in range(24):
                submit("n%d@out.test" % i)  # in one back-end's queue: the limit is its own
            self.assertTrue(sink.wait_sessions(4))
            # A fifth would have come by now: mail to elsewhere goes out meanwhile.
            with Sink(OTHER, PORT) as other:
                submit("y@other.test")
                self.assertEqual(len(other.wait(1)), 1)
            self.assertEqual(sink.sessions, 4)

    def greeting(self, client, service, fe=1):
        f = postern.frontend(fe)
        with socket.create_connection((f["host"], f["ports"][service]), timeout=30,
                                      source_address=(client, 0)) as c:
            return c.makefile("rb").readline()

    def test_who_may_connect_by_name(self):
        clients = ("127.0.3.1", "127.0.3.2", "127.0.3.3")
        for settings, words in (
                (("deny=out.test",), (b"554 5.7.1", b"220", b"220")),
                (("allow=host.out.test",), (b"220", b"554 5.7.1", b"554 5.7.1")),
                (("allow=out.test,127.0.3.2", "deny=127.0.3.1"), (b"554 5.7.1", b"220",
                                                                  b"554 5.7.1")),
                (("reverse_lookup=required",), (b"220", b"554 5.7.25", b"554 5.7.25"))):
            for service in ("smtp", "submission"):
                server = "default-" + service
                change("server", "edit", server, *[w for x in settings for w in ("--set", x)])
                for client, want in zip(clients, words):
                    self.assertTrue(until(lambda: self.greeting(client, service)
                                          .startswith(want)), (settings, client, service))
                change("server", "edit", server, *[w for x in settings for w in
                                                   ("--unset", x.partition("=")[0])])
                self.assertTrue(until(lambda: all(self.greeting(c, service).startswith(b"220")
                                                  for c in clients)))

    def test_the_name_of_a_client_is_noted(self):
        change("server", "edit", "default-smtp", "--set", "reverse_lookup=noted")
        a = account(1)
        f = postern.frontend(0)
        size = postern.log_size("fe1")
        self.assertTrue(until(lambda: self.greeting("127.0.3.1", "smtp", 0) and
                              postern.log_lines("fe1", "smtp.peer_name", since=size)))
        m = message(a["address"], "named " + uuid.uuid4().hex)
        with smtplib.SMTP(f["host"], f["ports"]["smtp"], timeout=30,
                          source_address=("127.0.3.1", 0)) as s:
            s.send_message(m, "stranger@elsewhere.example", [a["address"]])
        with postern.imap(1, 0) as box:
            box.select("INBOX")
            headers = until(lambda: [r[1].decode() for r in
                                     box.fetch("1:*", "(BODY.PEEK[HEADER])")[1]
                                     if isinstance(r, tuple) and m["Subject"].encode() in r[1]])
        self.assertIn("(host.out.test [127.0.3.1])", headers[0])

    def test_mail_of_a_net_that_relays(self):
        """It goes out, and so does what says that it could not."""
        change("server", "edit", "default-submission", "--set", "auth=allowed",
               "--set", "relay_from=127.0.4.0/24")
        f = postern.frontend(0)

        def send(to_whom):
            with smtplib.SMTP(f["host"], f["ports"]["submission"], timeout=30,
                              source_address=("127.0.4.1", 0)) as s:
                s.sendmail("printer@out.test", [to_whom], "Subject: scan\r\n\r\nx\r\n")

        def takes():
            try:
                send("x@other.test")
            except smtplib.SMTPException:
                return False
            return True

        with Sink(OTHER, PORT) as other, Sink(MX, PORT) as sink:
            self.assertTrue(until(takes))
            self.assertEqual(to(other.wait(1)[0]), ["x@other.test"])
            other.does["rcpt"] = b"550 5.1.1 nobody"
            send("nobody@other.test")
            self.assertEqual(to(sink.wait(1)[0]), ["printer@out.test"])

    def test_connections_in_all(self):
        """Two of each front-end's worker, to however many systems; the others wait for a place."""
        postern.put_in_force("outbound.connections", "2")
        self.addCleanup(postern.setting, "outbound.connections", None)
        go = threading.Event()
        with Sink(MX, PORT) as sink:
            sink.does["dot"] = lambda: go.wait(60) and None
            for i in range(12):
                submit("x@d%d.many.out.test" % i)
            self.assertTrue(sink.wait_sessions(4))
            # Four are under way, and each worker has one more, for which there is no room.
            self.assertTrue(until(lambda: sum(r["state"] == "leased"
                                              for r in ok("queue", "list")) >= 6))
            self.assertEqual(sink.sessions, 4)
            go.set()
            self.assertEqual(len(sink.wait(12, 60)), 12)

    def test_operators_and_the_queue(self):
        pki = os.path.join(postern.FOLDER, "pki")
        change("server", "edit", "default-submission", "--operator", "anna")
        self.addCleanup(change, "server", "edit", "default-submission", "--operator", "none")
        submit("mine@out.test")
        deliver([TEAM])
        mine, other = waiting("mine@out.test"), waiting("team@out.test")
        with tempfile.TemporaryDirectory() as d:
            base = os.path.join(d, "anna")
            status, _, err = postern.postern("pki", "issue", "--dir", pki, "--out", base,
                                             "operator/anna")
            self.assertEqual(status, 0, err)
            anna = ("--cert", base + ".pem", "--key", base + ".key")
            own = ("--server", "default-submission")
            rows = ok("queue", "list", *own, who=anna)
            self.assertEqual([r["address"] for r in rows], ["mine@out.test"])
            self.assertEqual(ok("queue", "show", mine["id"], who=anna)["address"],
                             "mine@out.test")
            def ordered(verb):
                """At once, or when the worker that has the item gives it back."""
                done = ok("queue", verb, *own, who=anna)
                self.assertEqual(sum(r["done"] + r["busy"] + r["unfit"] for r in done), 1, verb)
                return sum(r["done"] for r in done)
            for verb in ("hold", "release", "retry"):
                self.assertTrue(until(lambda: ordered(verb)), verb)
            status, _, err = postern.postern(*anna, "queue", "show", other["id"])
            self.assertNotEqual(status, 0)
            self.assertIn("there is no item", err)
            # Whatever else is asked for, it is of his server.
            self.assertEqual(ok("queue", "list", *own, "--id", other["id"], who=anna), [])
            done = ok("queue", "remove", *own, "--id", other["id"], who=anna)
            self.assertEqual(sum(r["done"] for r in done), 0)
            for argv in (["list"], ["list", "--count"], ["list", "--server", "default-smtp"],
                         ["list", "--summary", "--server", "nobody"], ["hold", "--all"],
                         ["remove", "--id", other["id"]],
                         ["remove", "--server", "default-smtp"]):
                self.assertEqual(postern.postern(*anna, "queue", *argv)[0], DENIED, argv)
            status = postern.postern(*anna, "server", "edit", "default-submission", "--set",
                                     "outbound.source=fe1/127.0.0.1")[0]
            self.assertEqual(status, DENIED)
        self.assertEqual({r["address"] for r in ok("queue", "list")},
                         {"mine@out.test", "team@out.test"})


if __name__ == "__main__":
    unittest.main()
