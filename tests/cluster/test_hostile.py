"""Hostile bytes at the RPC port, with a certificate of every role and with none, and at every
public listener: a clear error or a close, a log line, memory within bounds, and a user's session
that notices nothing."""
import contextlib
import itertools
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import unittest

import postern
from captured import Captured, backend, credentials
from postern import (account, account_of, cluster, frontend, imap, log_lines, log_size, metric,
                     pids, rss, until)
from raw import Imap, Smtp, Wire, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]
TAKES = 35  # seconds

HELLO, REQUEST, RESPONSE, DATA, CREDIT, CANCEL, PING, GOAWAY = range(1, 9)
BODY, END = 1, 2
RENEW, WATCH, REPORT, BEGIN, COMMIT, OPEN, NO_METHOD = 3, 16, 17, 33, 34, 69, 15
LIMIT, INVALID = 8, 11
ADMIN = "admin/operator"
ROLES = ("frontend/fe1/imap", "frontend/fe1/smtp", "frontend/fe1/submission", "backend/be2", ADMIN)
DOMAIN_LIST, ACCOUNT_ADD, ALIAS_SET = 257, 272, 291
# Growth of one process's memory over all of this: caches fill, but nothing piles up. The sanitizer
# keeps what was freed for a while.
GROWTH_KIB = (640 if "asan" in postern.BUILD else 160) * 1024
LISTENERS = ("smtp", "submission", "submissions", "imap", "imaps")


def frame(kind, payload=b"", stream=0, code=0, flags=0, length=None):
    return struct.pack(">IBBHI", len(payload) if length is None else length, kind, flags, code,
                       stream) + payload


def hello(identity, low=1, high=1):
    name = identity.encode()
    return frame(HELLO, struct.pack(">HHB", low, high, len(name)) + name)


def port_of(role):
    """Where a role may have a link."""
    return "admin" if role == ADMIN else "rpc"


def request(stream, code=WATCH, payload=b"", flags=0, ms=5000):
    return frame(REQUEST, struct.pack(">I", ms) + payload, stream, code, flags)


def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)


class Bystander(threading.Thread):
    """A user's ordinary session, all the time: anything unusual is kept."""

    def __init__(self, who):
        super().__init__(daemon=True)
        self.who, self.stop, self.rounds, self.error = who, threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            box = Imap(self.who, fe=1)
            box.ok(b"SELECT INBOX")
            while not self.stop.is_set():
                uid = box.append(b"Subject: bystander\r\n\r\nstill here\r\n")
                got = box.ok(b"UID FETCH %d BODY.PEEK[TEXT]" % uid)
                assert any(b"still here" in g for g in got), got
                box.ok(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
                box.ok(b"EXPUNGE")
                with contextlib.closing(smtp(fe=1)) as s:
                    assert s.cmd(b"NOOP")[0] == 250
                self.rounds += 1
        except Exception as e:  # shown by the test
            self.error = e

    def finish(self):
        self.stop.set()
        self.join(60)
        return self.error, self.rounds


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.before = {p: rss(p) for p in pids()}
        cls.bystander = Bystander(account_of("be1"))

    @classmethod
    def tearDownClass(cls):
        error, rounds = cls.bystander.finish()
        grown = {p: rss(p) - kib for p, kib in cls.before.items() if rss(p) - kib > GROWTH_KIB}
        assert error is None, "the bystander: %r" % error
        assert rounds > 0
        assert not grown, "KiB: %s" % grown
        assert set(cls.before) == set(pids()), "a process has ended"

    # ---- the RPC port, the management port ----

    def address(self, name="be1", port="rpc"):
        b = backend(name)
        return b["host"], b["ports"][port]

    def context(self, identity=None, pair=None):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.load_verify_locations(cluster()["ca"])
        if identity or pair:
            ctx.load_cert_chain(*(pair or credentials(identity)))
        return ctx

    def link(self, identity, said=True, as_=None):
        s = socket.create_connection(self.address(port=port_of(identity)), 20)
        s = self.context(identity).wrap_socket(s)
        if said:
            s.sendall(hello(as_ or identity))
        return s

    def ends(self, s, seconds=8):
        """The other end closes within so long, whatever it says before."""
        s.settimeout(seconds)
        try:
            while s.recv(65536):
                pass
            return True
        except socket.timeout:
            return False
        except OSError:
            return True
        finally:
            s.close()

    def test_strangers(self):
        """Nothing is learned without a certificate of the cluster's CA."""
        for who in ("frontend/fe1/imap", ADMIN):
            with self.subTest(who):
                self.meet_strangers(who, self.address(port=port_of(who)))

    def meet_strangers(self, who, address):
        since = log_size("be1")
        for noise in (b"GET / HTTP/1.0\r\n\r\n", b"\0" * 4096, os.urandom(20000),
                      b"\x16\x03\x01\xff\xff" + os.urandom(30000)):
            s = socket.create_connection(address, 20)
            s.sendall(noise)
            self.assertTrue(self.ends(s))
        s = socket.create_connection(address, 20)
        with self.assertRaises(OSError):
            t = self.context().wrap_socket(s)
            t.sendall(hello(who) + request(1, DOMAIN_LIST))
            if not t.recv(100):
                raise ConnectionResetError
        ctx = self.context(who)
        ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(OSError):
            ctx.wrap_socket(socket.create_connection(address, 20))
        self.assertTrue(until(lambda: len(log_lines("be1", "event=rpc.handshake", "addr=127.0.0.1",
                                                    "why=", since=since)) >= 3))

    def test_certificates_at_the_wrong_port(self):
        """Nobody but an administrator manages; he does nothing else. Whatever they send: closed."""
        for role in ROLES:
            since = log_size("be1")
            address = self.address(port="rpc" if role == ADMIN else "admin")
            for said in (b"", hello(role), hello(ADMIN) + request(1, DOMAIN_LIST),
                         os.urandom(30000)):
                s = self.context(role).wrap_socket(socket.create_connection(address, 20))
                with self.subTest(role=role, said=said[:30]):
                    with contextlib.suppress(OSError):
                        s.sendall(said)
                    self.assertTrue(self.ends(s))
            self.assertTrue(until(lambda: len(log_lines(
                "be1", "event=rpc.not_welcome", "peer=" + role, "addr=127.0.0.1",
                since=since)) >= 4))

    def test_malformed_frames(self):
        bad = {
            "unknown type": frame(99),
            "type 0": frame(0),
            "unknown flag": frame(PING, b"12345678", flags=0x80),
            "longer than allowed": frame(DATA, stream=1, length=66049),
            "endless": frame(REQUEST, stream=1, length=0xffffffff),
            "second hello": hello("frontend/fe1/imap"),
            "request on no stream": request(0),
            "request too short": frame(REQUEST, b"\0\0", 1, REPORT),
            "request far ahead": request(1 << 20),
            "request on a used number": request(1, WATCH) + request(1, WATCH),
            "response from the requester": frame(RESPONSE, b"", 1),
            "data on no stream": frame(DATA, b"x", 0),
            "data on a closed stream": frame(DATA, b"x", 9),
            "empty data": request(1, BEGIN, flags=BODY) + frame(DATA, b"", 1),
            "credit of nothing": request(1, WATCH) + frame(CREDIT, struct.pack(">I", 0), 1),
            "credit beyond": request(1, WATCH) + frame(CREDIT, struct.pack(">I", 1 << 31), 1),
            "credit of an unknown stream": frame(CREDIT, struct.pack(">I", 64), 77),
            "cancel of an unknown stream": frame(CANCEL, b"", 77),
            "pong to no ping": frame(PING, b"12345678", flags=4),
            "short ping": frame(PING, b"1"),
            "two goaways": request(1, WATCH) + frame(GOAWAY) + frame(GOAWAY),
            "code in data": request(1, WATCH, flags=BODY) + frame(DATA, b"x", 1, code=3),
            "noise": os.urandom(5000) + b"\xff" * 60000,
        }
        for role in ROLES:
            for what, bytes_ in bad.items():
                if role.startswith(("backend", "admin")) and what in ("credit beyond",
                                                                      "two goaways"):
                    continue  # they need a stream that stays open, and these have none
                since = log_size("be1")
                faults = metric("be1", "rpc_faults_total")
                s = self.link(role)
                try:
                    s.sendall(bytes_)
                except OSError:
                    pass
                with self.subTest(role=role, what=what):
                    self.assertTrue(self.ends(s), "not closed")
                    self.assertTrue(until(lambda: log_lines("be1", "event=rpc.fault", role,
                                                            since=since)), "no line")
                    self.assertGreater(metric("be1", "rpc_faults_total"), faults)

    def test_bad_hello(self):
        for role in ROLES:
            for what, first in {
                    "another's name": hello("frontend/fe2/imap"), "no name": hello(""),
                    "no level in common": hello(role, 900, 901),
                    "a long one": frame(HELLO, b"\0\1\0\1\xff" + b"a" * 600),
                    "something else first": request(1)}.items():
                since = log_size("be1")
                s = self.link(role, said=False)
                s.sendall(first)
                with self.subTest(role=role, what=what):
                    self.assertTrue(self.ends(s))
                    self.assertTrue(until(lambda: log_lines("be1", "event=rpc.fault", role, "why=",
                                                            since=since)), "no line")

    def test_malformed_messages(self):
        """A request that is no message is refused; the link goes on."""
        s, since = self.link("frontend/fe1/imap"), log_size("be1")
        before = metric("be1", "rpc_refused_total", reason="malformed")
        bad = [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x08" + b"\x80" * 20,
               b"\x0b\x0b\x0b", b"\x0a\x01a" * 2, os.urandom(4000), b"\x0a" + b"\x80" * 4000]
        for i, payload in enumerate(bad):
            s.sendall(request(i + 1, RENEW, payload))
        # Longer than the method's cap.
        s.sendall(request(len(bad) + 1, RENEW, b"a" * 60000))
        s.sendall(request(len(bad) + 2))
        statuses = self.statuses(s, len(bad) + 2)
        self.assertEqual(statuses.pop(len(bad) + 2), 0)
        self.assertNotIn(0, statuses.values())
        self.assertGreater(metric("be1", "rpc_refused_total", reason="malformed"), before)
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.malformed",
                                                "peer=frontend/fe1/imap", "method=Ticket.Renew",
                                                "why=", since=since)))
        s.close()

    def test_malformed_management(self):
        """An administrator's requests that are no messages, or too long for their method: each is
        refused and put on record, and his link serves on."""
        s, since = self.link(ADMIN), log_size("be1")
        before = metric("be1", "rpc_refused_total", reason="malformed")
        bad = [b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x08" + b"\x80" * 20,
               b"\x0b\x0b\x0b", b"\x0a\x01a" * 2, b"\x0a\x02\xff\xfe", os.urandom(4000),
               b"\x0a" + b"\x80" * 4000]
        for i, payload in enumerate(bad):
            s.sendall(request(i + 1, ACCOUNT_ADD, payload))
        n = len(bad)
        # Longer than the method's cap; a long body that is no message.
        s.sendall(request(n + 1, ACCOUNT_ADD, b"a" * 60000))
        s.sendall(request(n + 2, ALIAS_SET, flags=BODY) + b"".join(
            frame(DATA, b"x" * 60000, n + 2) for _ in range(4)) + frame(DATA, b"x", n + 2, flags=END))
        # Not his, and no method at all.
        s.sendall(request(n + 3, RENEW) + request(n + 4, NO_METHOD) + request(n + 5, 65535))
        s.sendall(request(n + 6, DOMAIN_LIST))
        statuses = self.statuses(s, n + 6)
        self.assertEqual(statuses.pop(n + 6), 0)
        self.assertNotIn(0, statuses.values())
        self.assertGreaterEqual(metric("be1", "rpc_refused_total", reason="malformed"), before + n - 1)
        for method, count in (("Admin.AccountAdd", n - 1), ("Admin.AliasSet", 1)):
            self.assertTrue(until(lambda: len(log_lines(
                "be1", "event=rpc.malformed", "peer=" + ADMIN, "ip=127.0.0.1", "method=" + method,
                "error=", "why=", since=since)) >= count), method)
        for event in ("event=rpc.denied", "event=rpc.request_too_big"):
            self.assertTrue(until(lambda: log_lines("be1", event, "peer=" + ADMIN,
                                                    since=since)), event)

        def recorded():
            rows = json.loads(postern.postern("--json", "audit", "list", "--limit", "50")[1])
            return sum((r["who"], r["method"]) == (ADMIN, "account.add") and r["result"] != "ok"
                       for r in rows)
        self.assertTrue(until(lambda: recorded() >= n), recorded())
        s.close()

    def test_slow_management(self):
        """A request that comes byte by byte is answered; who stops in the middle of a frame holds
        up nobody."""
        stuck = self.link(ADMIN)
        stuck.sendall(request(1, ACCOUNT_ADD, b"x" * 1000)[:500])
        s = self.link(ADMIN, said=False)
        for at in hello(ADMIN) + request(1, DOMAIN_LIST):
            s.sendall(bytes([at]))
        self.assertEqual(self.statuses(s, 1), {1: 0})
        self.assertEqual(postern.postern("domain", "list")[0], 0)
        s.close()
        stuck.close()

    def statuses(self, s, n):
        """{stream: status} of the next n answers."""
        out, data = {}, b""
        s.settimeout(20)
        while len(out) < n:
            got = s.recv(65536)
            self.assertTrue(got, "closed after %d answers" % len(out))
            data += got
            while len(data) >= 12:
                length, kind, _, code, stream = struct.unpack(">IBBHI", data[:12])
                if len(data) < 12 + length:
                    break
                data = data[12 + length:]
                if kind == RESPONSE:
                    out[stream] = code
        return out

    def test_floods(self):
        """Pings, streams, and answers that nobody reads."""
        s = self.link("frontend/fe1/imap")
        with self.subTest("pings"):
            try:
                for _ in range(200):
                    s.sendall(frame(PING, b"12345678") * 50)
            except OSError:
                pass
            self.assertTrue(self.ends(s))
        with self.subTest("streams"):
            s = self.link("frontend/fe1/smtp")
            try:  # refused at once, but their bodies never end
                s.sendall(b"".join(request(i + 1, BEGIN, flags=BODY) for i in range(6000)))
            except OSError:
                pass
            self.assertTrue(self.ends(s, 20))
        with self.subTest("unread answers"):
            s = self.link("frontend/fe1/imap")
            s.setblocking(False)
            sent = 0
            for i in itertools.count(1):
                try:
                    sent += s.send(request(i, REPORT))
                except (BlockingIOError, ssl.SSLWantWriteError, OSError):
                    break
                if i > 400000:
                    break
            s.close()
        with self.subTest("bodies that end nowhere"):
            links = []
            for _ in range(20):
                s = self.link("frontend/fe1/smtp")
                s.sendall(b"".join(request(i + 1, BEGIN, b"\x0a\x10" + os.urandom(16), BODY) +
                                   frame(DATA, b"x" * 60000, i + 1) for i in range(50)))
                links.append(s)
            for s in links:
                s.close()

    def test_long_requests_that_never_end(self):
        """What is gathered of them is charged to the link, and others are served."""
        (be1,) = backend()["pids"]
        before = rss(be1)
        s = self.link("frontend/fe1/smtp")
        chunk = b"x" * 60000
        for i in range(800):  # each as far as its first credit goes: 190 MB in all
            s.sendall(request(i + 1, COMMIT, flags=BODY, ms=60000) + frame(DATA, chunk, i + 1) * 4)
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.memory", "frontend/fe1/smtp")))
        if "asan" not in postern.BUILD:
            self.assertLess(rss(be1) - before, 100 * 1024, "KiB")
        other = self.link("frontend/fe2/smtp")
        other.sendall(request(1))
        self.assertEqual(self.statuses(other, 1), {1: 0})
        other.close()
        s.close()

    def test_long_requests_that_break_off(self):
        """Whoever goes away in the middle has sent nothing malformed."""
        since, before = log_size("be1"), metric("be1", "rpc_refused_total", reason="malformed")
        s = self.link("frontend/fe1/smtp")
        s.sendall(request(1, COMMIT, flags=BODY, ms=60000) + frame(DATA, b"x" * 1000, 1) +
                  request(2) + request(3, COMMIT, b"\x0a", ms=60000))
        self.assertEqual(self.statuses(s, 2), {2: 0, 3: INVALID})  # so the first one is under way
        s.close()
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.down", "frontend/fe1/smtp",
                                                since=since)))
        self.assertFalse(log_lines("be1", "event=rpc.malformed", "cancelled", since=since))
        self.assertEqual(metric("be1", "rpc_refused_total", reason="malformed"), before + 1)

    @unittest.skipIf("asan" in postern.BUILD, "the load generator is built without sanitizers")
    def test_lists_that_are_never_read(self):
        """Long answers that pile up behind a full socket are charged to the link."""
        who = account_of("be1", 5)
        f, a, n = frontend(), account(who), 4000
        done = subprocess.run(
            [os.path.join(postern.BUILD, "mailbench"), "smtp", "--server",
             "%s:%d" % (f["host"], f["ports"]["smtp"]), "--user", a["address"], "-c", "10",
             "--users", "1", "--per-session", "50", "-s", "1k", "-n", str(n), "--from", "stranger@elsewhere.example"],
            capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        box = imap(who)
        self.assertGreaterEqual(int(box.select("INBOX")[1][0]), n)
        for first in range(1, n, 1000):
            odd = ",".join(map(str, range(first, first + 1000, 2)))
            self.assertEqual(box.store(odd, "+FLAGS.SILENT", "\\Deleted")[0], "OK")
        self.assertEqual(box.expunge()[0], "OK")
        with Captured("frontend/fe1/imap") as c:
            ticket = c.login(who)
        (be1,) = backend()["pids"]
        before = rss(be1)
        s = self.link("frontend/fe1/imap")
        since = log_size("be1")
        opens = b"\x0a" + varint(len(ticket)) + ticket + b"\x12\x05INBOX"
        for i in range(4000):
            s.sendall(request(i + 1, OPEN, opens, ms=60000))
        # Its socket is full by now. Others are served, and an administrator is.
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.memory", "method=Mailbox.Open",
                                                since=since)))
        if "asan" not in postern.BUILD:
            self.assertLess(rss(be1) - before, 100 * 1024, "KiB")
        self.assertEqual(postern.postern("domain", "list")[0], 0)
        box = imap(account_of("be1"))
        self.assertEqual(box.select("INBOX")[0], "OK")
        s.close()

    def test_policy_watches_of_one_link(self):
        s = self.link("frontend/fe1/imap")
        s.sendall(b"".join(request(i + 1, ms=0xffffffff) for i in range(50)))
        statuses = self.statuses(s, 50)
        self.assertEqual(sorted(statuses.values()), [0] * 4 + [LIMIT] * 46)
        s.close()

    def test_worker_that_does_not_read(self):
        """It misses the end of a session, and with it loses its stream of policy; nothing more is
        sent on that one, whatever changes then."""
        who = account(account_of("be1", 6))
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # By loopback's segments the other end would get room for megabytes of answers.
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        s.connect(self.address())
        s = self.context("frontend/fe1/imap").wrap_socket(s)
        s.sendall(hello("frontend/fe1/imap") + request(1, ms=0xffffffff))
        self.assertEqual(self.statuses(s, 1), {1: 0})
        stream = itertools.count(2)

        def ask(n):
            """Answers of 12 bytes each, that nobody reads."""
            s.sendall(b"".join(request(next(stream), NO_METHOD) for _ in range(n)))

        def in_kernel():
            """Of our connection, on its way to us."""
            port, total = "%04X" % s.getsockname()[1], 0
            with open("/proc/net/tcp") as f:
                for row in list(f)[1:]:
                    local, remote, _, queues = row.split()[1:5]
                    sent, received = (int(x, 16) for x in queues.split(":"))
                    total += sent if remote.endswith(":" + port) else 0
                    total += received if local.endswith(":" + port) else 0
            return total

        def full():
            """As much as at the last look, though more was asked: answers wait in the process."""
            before = in_kernel()
            ask(4000)
            until(lambda: in_kernel() >= before + 4000 * 12, 0.3)
            return in_kernel() == before
        self.assertTrue(until(full, 60))
        ask(25000)  # more than the 256 KiB from which on senders wait, less than the end
        since = log_size("be1")
        self.assertEqual(postern.postern("account", "passwd", who["address"], "--password-stdin",
                                         text_in=who["password"] + "\n")[0], 0)
        self.assertTrue(until(lambda: log_lines("be1", "event=policy.worker_too_slow",
                                                since=since)))
        threading.Thread(target=self.ends, args=(s, 60), daemon=True).start()
        self.assertTrue(until(lambda: in_kernel() == 0))
        for verb in (("set", "smtp.hops_max", "99"), ("unset", "smtp.hops_max")):
            self.assertEqual(postern.postern("setting", *verb)[0], 0)
        other = self.link("frontend/fe1/imap")
        other.sendall(request(1, ms=0xffffffff))
        self.assertEqual(self.statuses(other, 1), {1: 0})
        other.close()
        s.close()

    def test_many_links_of_one_identity(self):
        since = log_size("be1")
        links = [self.link("frontend/fe1/smtp") for _ in range(80)]
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.too_many_links",
                                                "peer=frontend/fe1/smtp", since=since)))
        self.assertTrue(any(self.ends(s, 0.05) for s in links[::-1]))
        for s in links:
            s.close()

    def test_slow_handshakes(self):
        """Who never gets to the end of a handshake is dropped, and does not keep others out."""
        slow, since = [], log_size("be1")
        for who, code in (("frontend/fe1/imap", WATCH), (ADMIN, DOMAIN_LIST)):
            for _ in range(40):
                s = socket.create_connection(self.address(port=port_of(who)), 20)
                s.sendall(b"\x16\x03\x01\x02")
                slow.append(s)
            half = self.link(who, said=False)
            half.sendall(hello(who)[:7])
            slow.append(half)
            good = self.link(who)
            good.sendall(request(1, code))
            self.assertEqual(self.statuses(good, 1), {1: 0})
            good.close()
        for s in slow:
            self.assertTrue(self.ends(s, 20))
        for who in ("frontend/fe1/imap", ADMIN):
            self.assertTrue(until(lambda: log_lines("be1", "event=rpc.no_hello", "peer=" + who,
                                                    "status=", since=since)), who)
        self.assertTrue(until(lambda: len(log_lines("be1", "event=rpc.handshake", "addr=127.0.0.1",
                                                    since=since)) >= 80))

    def test_revoked_certificate(self):
        """A revoked node is cut within two seconds and does not come back."""
        folder, name = os.path.join(postern.FOLDER, "lost"), "frontend/lost/imap"
        os.makedirs(folder, exist_ok=True)
        status, out, err = postern.postern("pki", "issue", "--dir",
                                           os.path.join(postern.FOLDER, "pki"), "--out",
                                           os.path.join(folder, "imap"), name)
        self.assertEqual(status, 0, err)
        pair = (os.path.join(folder, "imap.pem"), os.path.join(folder, "imap.key"))
        serial = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", pair[0]],
                                capture_output=True, text=True).stdout.partition("=")[2].strip()
        links = []
        for be in ("be1", "be2"):
            links.append(self.context(pair=pair).wrap_socket(
                socket.create_connection(self.address(be), 20)))
            links[-1].sendall(hello(name) + request(1))
            self.assertEqual(self.statuses(links[-1], 1), {1: 0})
        since = log_size("be1")
        began = time.monotonic()
        status, out, err = postern.postern("pki", "revoke", serial.lower())
        self.assertEqual(status, 0, err)
        for s in links:
            self.assertTrue(self.ends(s, max(0.01, began + 2 - time.monotonic())))
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.revoked", name, since=since)))

        def refused():
            try:
                t = self.context(pair=pair).wrap_socket(
                    socket.create_connection(self.address(), 20))
                t.sendall(hello(name) + request(1))
                t.settimeout(3)
                while True:
                    got = t.recv(65536)
                    if not got:
                        return True
                    if struct.pack(">BBHI", RESPONSE, 0, 0, 1) in got:
                        return False
            except OSError:
                return True
        self.assertTrue(until(refused))

    # ---- public listeners ----

    def test_noise_at_every_listener(self):
        since = log_size("fe1")
        for service in LISTENERS:
            for noise in (os.urandom(70000), b"\0" * 70000, b"a" * 300000, b"\r\n" * 40000,
                          b"\x16\x03\x01\xff\xff" + os.urandom(30000)):
                w = Wire(service, plain=True)
                peer = "peer=%s:%d" % w.sock.getsockname()
                w.try_send(noise)
                w.try_send(b"\r\n")
                w.sock.settimeout(10)
                with self.subTest(service=service, noise=noise[:8]):
                    try:
                        w.sock.shutdown(socket.SHUT_WR)
                        w.rest()
                    except socket.timeout:
                        self.fail("neither answered nor closed")
                    except OSError:
                        pass
                    # Who, and why it ended.
                    self.assertTrue(until(lambda: log_lines("fe1", "event=session.end", peer,
                                                            "reason=", since=since)), peer)
                w.close()

    def test_noise_inside_tls(self):
        for service in ("imaps", "submissions"):
            for noise in (os.urandom(70000), b"\0" * 70000, b"a" * 300000, b"\r\n" * 40000):
                w = Wire(service)
                w.try_send(noise)
                w.try_send(b"\r\nz LOGOUT\r\n" if service == "imaps" else b"\r\nQUIT\r\n")
                w.sock.settimeout(10)
                with self.subTest(service=service, noise=noise[:8]):
                    while w.fill() and len(w.data) < 4000000 and b"BYE" not in w.data and \
                            b"421" not in w.data and b"221" not in w.data:
                        pass
                    self.assertGreater(len(w.data), 0)
                w.close()

    def test_smtp_early_talker(self):
        since = log_size("fe1")
        w = Smtp("smtp")
        w.send(b"EHLO a.example\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<x@y.z>\r\n")
        # The bytes were there before the greeting, or on a slow day behind it.
        code = w.reply()[0]
        if code == 220:
            code = w.reply()[0]
        self.assertIn(code, (554, 503))
        self.assertEqual(w.rest(), b"")
        w.close()
        s = smtp()
        # Commands that must end a pipelined group did not: what follows them is early.
        s.send(b"STARTTLS\r\nMAIL FROM:<injected@elsewhere.example>\r\n")
        self.assertEqual((s.reply()[0], s.rest()), (503, b""))
        s.close()
        self.assertTrue(until(lambda: log_lines("fe1", "event=smtp.early_talker", since=since)))

    def test_smtp_many_errors(self):
        since = log_size("fe1")
        s = smtp()
        replies = []
        for i in range(200):
            if not s.try_send(b"NONSENSE %d\r\n" % i):
                break
            replies.append(s.reply()[0])
            if replies[-1] in (421, 0):
                break
        self.assertIn(replies[-1], (421, 0))
        self.assertLess(len(replies), 60)
        self.assertTrue(until(lambda: log_lines("fe1", "event=smtp.too_many_errors", since=since)))
        s.close()

    def test_smtp_huge_numbers(self):
        s = smtp()
        self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=99999999999999999999")[0] // 100,
                         5)
        self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example> SIZE=1000000000")[0], 552)
        self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0], 250)
        self.assertEqual(s.cmd(b"BDAT 99999999999999999999 LAST")[0] // 100, 5)
        s.close()

    def test_imap_hostile_commands(self):
        for text in (b"a LOGIN {4294967296}\r\n", b"a LOGIN {99999999999999999999+}\r\n",
                     b"a LOGIN {5000000+}\r\n" + b"x" * 5000000, b"a " + b"(" * 70000 + b"\r\n",
                     b"a LOGIN \"" + b"x" * 70000 + b"\"\r\n", b"{5}\r\n", b"\r\n" * 100,
                     b"a LOGIN \xff\xff \xff\r\n", b"a AUTHENTICATE PLAIN " + b"A" * 70000 + b"\r\n"):
            box = Imap()
            box.try_send(text)
            box.try_send(b"b NOOP\r\n")
            with self.subTest(text=text[:30]):
                got = b""
                while True:
                    line = box.line()
                    got += line
                    if not line or line.startswith(b"b "):
                        break
                # Or a close, that overtakes the words when much was still under way.
                self.assertRegex(got, rb"(?i)BAD|BYE|NO |^$")
            box.close()

    def test_imap_logged_in_hostile_commands(self):
        who = account_of("be1", 2)
        for text in (b"a FETCH " + b"1," * 30000 + b"1 FLAGS\r\n",
                     b"a SEARCH " + b"NOT " * 15000 + b"ALL\r\n",
                     b"a SEARCH " + b"(" * 15000 + b"ALL" + b")" * 15000 + b"\r\n",
                     b"a FETCH 1:4294967295 " + b"(" * 5000 + b"\r\n",
                     b"a FETCH 1 BODY[" + b"1." * 5000 + b"1]\r\n",
                     b"a STORE 1 +FLAGS (" + b"kw " * 15000 + b")\r\n",
                     b"a CREATE " + b"x/" * 5000 + b"\r\n", b"a CREATE {70000+}\r\n" + b"y" * 70000 + b"\r\n",
                     b"a LIST \"\" " + b"*" * 10000 + b"a\r\n", b"a LIST \"\" " + b"%*" * 3000 + b"z\r\n",
                     b"a APPEND INBOX {99999999999}\r\n", b"a APPEND INBOX {4294967295}\r\n"):
            box = Imap(who)
            box.ok(b"SELECT INBOX")
            box.try_send(text)
            box.try_send(b"b NOOP\r\n")
            with self.subTest(text=text[:30]):
                while True:
                    line = box.line()
                    if not line or line.startswith((b"b ", b"a ")):
                        break
            box.close()
        box = imap(who)
        self.assertEqual(box.select("INBOX")[0], "OK")
        box.logout()

    def test_hostile_mail(self):
        """Structures that blow up: taken or refused, and the mailbox stays readable."""
        to = account(account_of("be1", 3))["address"]
        head = b"From: a@elsewhere.example\r\nTo: b@example.org\r\nSubject: hostile\r\n"
        deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
                        for i in range(3000))
        mails = [head + deep + b"\r\nend\r\n",
                 head + b"X: y\r\n" * 50000 + b"\r\n",
                 head + b"X-Long: " + b"y" * 900 + b"\r\n" + b" z" * 400 + b"\r\n" * 2,
                 head + b"Content-Type: text/plain" + b"; a*0=\"b\"" * 9000 + b"\r\n\r\n",
                 head.replace(b"hostile", b"=?utf-8?q?" + b"=" * 500 + b"?=" * 20) + b"\r\n",
                 head + b"To: " + b"a@b.c,\r\n " * 20000 + b"d@e.f\r\n\r\nmany\r\n",
                 b"\r\n", b"no header at all\r\n", head + b"\xff\xfe\x80\r\n\r\n\xff\r\n"]
        for m in mails:
            with contextlib.closing(smtp()) as s:
                s.cmd(b"MAIL FROM:<a@elsewhere.example>")
                self.assertEqual(s.cmd(b"RCPT TO:<%s>" % to.encode())[0], 250)
                self.assertEqual(s.cmd(b"DATA")[0], 354)
                s.send(m + b".\r\n")
                with self.subTest(m[-40:]):
                    self.assertIn(s.reply()[0] // 100, (2, 5))
        box = Imap(account_of("be1", 3))
        box.ok(b"SELECT INBOX")
        if box.exists:
            box.ok(b"FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
            box.ok(b"FETCH 1:* BODY.PEEK[]")
            box.ok(b"SEARCH TEXT many")
        box.close()

    def test_connections_that_say_nothing(self):
        idle = [Wire(s, plain=True) for s in LISTENERS for _ in range(30)]
        box = imap(account_of("be1"))
        box.noop()
        box.logout()
        for w in idle:
            w.close()



if __name__ == "__main__":
    unittest.main()
