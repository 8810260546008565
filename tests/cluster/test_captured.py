"""A captured front-end opens no mailbox: whoever holds its certificate and key gets nothing
without a ticket that a back-end made for a user who logged in there (docs/threat-model.md)."""
import base64
import os
import re
import secrets
import subprocess
import tempfile
import unittest

import postern
from captured import Captured, backend, methods, plausible
from postern import (account, account_of, cluster, cluster_command, deliver, imap, linked,
                     log_lines, log_size, metric, rss, until, workers)

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]

TICKET_SECONDS = 15 * 60
REFUSED = ("no-ticket", "denied")
# What a worker may do by its certificate alone, and so somebody who has it: hear the cluster's
# settings, tell of itself, begin a log-in, ask for a recipient, drop what it began itself.
OPEN = {"METHOD_POLICY_WATCH", "METHOD_NODE_REPORT", "METHOD_DELIVER_ABORT"}
BEYOND = [5, 15, 46, 200, 255, 256, 257, 300, 511, 1000, 65535]


def takes_ticket(fields):
    return fields is not None and "ticket" in fields


def short(name):
    return name.removeprefix("METHOD_")


class CapturedFrontend(unittest.TestCase):
    def setUp(self):
        self.who = account_of("be1")
        self.other = account_of("be1", 1)
        self.addCleanup(self.users_work)

    def users_work(self):
        """Nobody else has noticed anything."""
        box = imap(self.who, fe=1)
        self.assertEqual(box.select("INBOX")[0], "OK")
        box.logout()

    def sweep(self, link, **given):
        """{method: status} of every method that takes a ticket, asked with a full request."""
        out = {}
        for number, name, fields in methods():
            if takes_ticket(fields):
                # Anybody may ask for a recipient of ours; a ticket lets a user write elsewhere.
                if name == "METHOD_RESOLVE":
                    continue
                body = {"body": b"x"} if name.endswith("_BEGIN") else {}
                out[name] = link.call(short(name), **plausible(fields, **given), **body)[0]
        self.assertGreater(len(out), 20)
        return out

    def assert_refused(self, statuses):
        self.assertEqual({n: s for n, s in statuses.items() if s not in REFUSED}, {})

    def folders(self):
        box = imap(self.who)
        rows = sorted(box.list()[1])
        box.logout()
        return rows

    def test_every_method_is_known_to_the_prober(self):
        self.assertEqual([n for number, n, fields in methods()
                          if fields is None and 0 < number < 256], [])

    def test_no_method_takes_an_account(self):
        """There is no field in which one could ask for somebody else's mailbox."""
        for number, name, fields in methods():
            if takes_ticket(fields) and 64 <= number < 128:
                names = [f for f in fields if any(w in f for w in (
                    "account", "user", "owner", "address", "login"))]
                self.assertEqual((name, names), (name, []))

    def test_without_a_ticket(self):
        before = self.folders()
        for service in ("imap", "smtp", "submission"):
            with Captured("frontend/fe1/" + service) as c:
                statuses = self.sweep(c, ticket=b"")
                if service == "smtp":  # port 25 asks whether a sender's domain is ours
                    del statuses["METHOD_SENDER_CHECK"]
                    del statuses["METHOD_DELIVER_COMMIT"]
                elif service == "submission":
                    del statuses["METHOD_SENDER_CHECK"]
                self.assert_refused(statuses)
                for number, name, fields in methods():
                    if fields is not None and not takes_ticket(fields) and name not in OPEN:
                        status, _ = c.call(short(name), **plausible(fields))
                        self.assertNotEqual((name, status), (name, "ok"))
        self.assertEqual(self.folders(), before)

    def test_mail_in_needs_a_recipient(self):
        """Without Resolve's token nothing is delivered, not even with a well-formed commit."""
        with Captured("frontend/fe1/smtp") as c:
            for token in (b"", secrets.token_bytes(100)):
                txid = secrets.token_bytes(16)
                self.assertEqual(c.call("DELIVER_BEGIN", txid=txid, token=token, partition=1,
                                        body=b"x")[0], "no-ticket")
                status, reply = c.call("DELIVER_COMMIT", txid=txid, partition=1, sender=b"a@b.c",
                                       recipients__token=token, summary="", trace_id=txid)
                self.assertIn(reply.get("status", status), ("3", "no-ticket", "wrong-owner"))

    def test_the_way_out_needs_leases(self):
        """Who has an outbound worker's key reads and reports only what it was given, and delivers
        nothing that has a sender. Where users fetch, nothing is given without a ticket."""
        with Captured("frontend/fe1/submission") as c:
            for bad in (b"", secrets.token_bytes(100)):
                self.assertEqual(c.call("OUTBOUND_TURN", ticket=bad)[0], "no-ticket")
                self.assertEqual(c.call("OUTBOUND_READ", lease=bad)[0], "no-ticket")
                self.assertEqual(c.call("OUTBOUND_REPORT", results__lease=bad)[0], "no-ticket")
        with Captured("frontend/fe1/outbound") as c:
            for lease in (b"", secrets.token_bytes(100)):
                self.assertEqual(c.call("OUTBOUND_READ", lease=lease)[0], "no-ticket")
                self.assertEqual(c.call("OUTBOUND_REPORT", results__lease=lease)[0], "no-ticket")
                self.assertEqual(c.call("OUTBOUND_GSSAPI", lease=lease)[0], "no-ticket")
                self.assertEqual(c.call("INGEST_DROP", lease=lease, body=b"x")[0], "no-ticket")
                for name in ("INGEST_READ", "INGEST_OPEN", "INGEST_DONE"):
                    who = {"recipients": b"a@b.c"} if name == "INGEST_OPEN" else {}
                    self.assertEqual(c.call(name, lease=lease, **who)[0], "not-found")
            txid = secrets.token_bytes(16)
            self.assertEqual(c.call("DELIVER_BEGIN", txid=txid, partition=1, body=b"x",
                                    token=secrets.token_bytes(100))[0], "no-ticket")
            self.assertEqual(c.call("DELIVER_COMMIT", txid=txid, partition=1, sender=b"a@b.c",
                                    recipients__token=b"x", summary="", trace_id=txid)[0],
                             "denied")

    def test_methods_that_are_not_its_own(self):
        """The smtp worker cannot even call the log-in; the imap worker resolves nobody."""
        since = log_size("be1")
        for service, name in (("smtp", "AUTH_START"), ("smtp", "MAILBOX_LIST"),
                              ("submission", "MESSAGE_READ"), ("imap", "RESOLVE"),
                              ("imap", "DELIVER_BEGIN"),
                              ("smtp", "OUTBOUND_WORK"), ("submission", "OUTBOUND_WORK"),
                              ("smtp", "OUTBOUND_READ"), ("imap", "OUTBOUND_REPORT"),
                              ("smtp", "OUTBOUND_TURN"), ("submission", "OUTBOUND_ASK"),
                              ("outbound", "AUTH_START"), ("outbound", "RESOLVE"),
                              ("web", "AUTH_START"), ("web", "RESOLVE"),
                              ("web", "OUTBOUND_TLS_WORK"), ("imap", "WEB_STS"),
                              ("smtp", "WEB_AUTOCONFIG")):
            before = metric("be1", "rpc_refused_total", reason="role")
            with Captured("frontend/fe1/" + service) as c:
                fields = next(f for _, n, f in methods() if short(n) == name)
                self.assertEqual(c.call(name, **plausible(fields))[0], "denied")
            self.assertEqual(metric("be1", "rpc_refused_total", reason="role"), before + 1)
            self.assertTrue(until(lambda: log_lines("be1", "event=rpc.denied",
                                                    "frontend/fe1/" + service, since=since)))

    def test_unknown_and_administrative_numbers(self):
        for service in ("imap", "smtp"):
            with Captured("frontend/fe1/" + service) as c:
                for number in BEYOND + [n for n, _, _ in methods() if n >= 256 or n == 0]:
                    self.assertEqual((number, c.call(number)[0]), (number, "denied"))
                self.assertEqual(c.call("POLICY_WATCH", version="1")[0], "ok")

    def test_management_port(self):
        """Not even a link for anybody but an administrator; nor for him at the other port."""
        for identity, port in (("frontend/fe1/imap", "admin"), ("backend/be2", "admin"),
                               ("admin/operator", "rpc")):
            since = log_size("be1")
            with Captured(identity, port=port, ms=1000) as c:
                self.assertFalse(c.up)
            self.assertTrue(until(lambda: log_lines("be1", "event=rpc.not_welcome", identity,
                                                    since=since)))

    def test_identity_of_another(self):
        """What it says it is must be what its certificate says."""
        with Captured("frontend/fe2/imap", cert=(postern.FOLDER + "/fe1/certs/imap.pem",
                                                 postern.FOLDER + "/fe1/certs/imap.key")) as c:
            self.assertTrue(not c.up or c.closed())

    def test_ticket_of_another_frontend_or_service(self):
        before = self.folders()
        with Captured("frontend/fe1/imap") as mine:
            ticket = mine.login(self.who)
            self.assertEqual(mine.call("MAILBOX_LIST", ticket=ticket)[0], "ok")
            for thief in ("frontend/fe2/imap", "frontend/fe1/submission", "frontend/fe2/smtp"):
                since = log_size("be1")
                counted = metric("be1", "rpc_refused_total")
                with Captured(thief) as c:
                    statuses = self.sweep(c, ticket=ticket)
                    if thief.endswith("smtp"):
                        statuses.pop("METHOD_DELIVER_COMMIT")
                    if thief.endswith("smtp"):
                        statuses.pop("METHOD_DELIVER_BEGIN")
                    self.assert_refused(statuses)
                self.assertGreaterEqual(metric("be1", "rpc_refused_total"),
                                        counted + len(statuses))
                refused = "no-ticket" in statuses.values()
                event = "event=rpc.ticket_refused" if refused else "event=rpc.denied"
                self.assertTrue(until(lambda: log_lines("be1", event, thief, since=since)))
            self.assertEqual(mine.call("MAILBOX_LIST", ticket=ticket)[0], "ok")
        self.assertEqual(self.folders(), before)

    def test_forged_tickets(self):
        with Captured("frontend/fe1/imap") as c:
            ticket = c.login(self.who)
            forged = [b"", ticket[:-1], ticket + b"\0", ticket[1:], secrets.token_bytes(len(ticket)),
                      ticket + ticket, b"\xff" * 512]
            for i in range(len(ticket)):
                forged.append(ticket[:i] + bytes([ticket[i] ^ 1 << i % 8]) + ticket[i + 1:])
            for f in forged:
                # A key number that no node has might be one that comes yet: try again.
                self.assertIn(c.call("MAILBOX_LIST", ticket=f)[0], ("no-ticket", "retry"))
            self.assert_refused(self.sweep(c, ticket=forged[-1]))
            self.assertEqual(c.call("MAILBOX_LIST", ticket=ticket)[0], "ok")

    def test_token_is_no_ticket(self):
        with Captured("frontend/fe1/smtp") as c:
            status, target = c.call("RESOLVE", address=account(self.who)["address"].encode(),
                                    session_id=secrets.token_bytes(16))
            self.assertEqual(status, "ok")
        with Captured("frontend/fe1/imap") as c:
            self.assert_refused(self.sweep(c, ticket=bytes.fromhex(target["token"])))

    def test_recipient_token_of_another(self):
        with Captured("frontend/fe1/smtp") as c:
            status, target = c.call("RESOLVE", address=account(self.who)["address"].encode(),
                                    session_id=secrets.token_bytes(16))
            self.assertEqual((status, target["backend"]), ("ok", "be1"))
        token, part = bytes.fromhex(target["token"]), target["partition"]
        with Captured("frontend/fe2/smtp") as c:
            txid = secrets.token_bytes(16)
            self.assertEqual(c.call("DELIVER_BEGIN", txid=txid, token=token, partition=part,
                                    body=b"x")[0], "no-ticket")
            status, reply = c.call("DELIVER_COMMIT", txid=txid, partition=part, sender=b"a@b.c",
                                   recipients__token=token, summary="", trace_id=txid)
            self.assertIn(reply.get("status", status), ("3", "no-ticket"))
        # With the right certificate, but at another partition than the token's.
        with Captured("frontend/fe1/smtp") as c:
            self.assertEqual(c.call("DELIVER_BEGIN", txid=secrets.token_bytes(16), token=token,
                                    partition=int(part) + 1, body=b"x")[0], "no-ticket")

    def test_session_that_has_ended(self):
        with Captured("frontend/fe1/imap") as c:
            ticket = c.login(self.who)
            self.assertEqual(c.call("MAILBOX_LIST", ticket=ticket)[0], "ok")
            self.assertEqual(c.call("AUTH_END", ticket=ticket, reason="logout")[0], "ok")
            self.assert_refused(self.sweep(c, ticket=ticket))
            # Renewing brings it back no more.
            self.assertEqual(c.call("TICKET_RENEW", ticket=ticket)[0], "no-ticket")

    def start(self, name, later=None):
        """A back-end again, with its clock so many seconds ahead; where its log begins."""
        cluster_command("kill", name, "TERM")
        since = log_size(name)
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        cluster_command("start", name, env={} if later is None else {
            "LD_PRELOAD": os.path.join(postern.BUILD, "later.so"),
            "POSTERN_TEST_LATER": str(later), "ASAN_OPTIONS": asan})
        return since

    def test_expired_tickets(self):
        """Fifteen minutes after it was made a ticket opens nothing and is not renewed."""
        n = workers()

        def back():
            self.assertTrue(linked("be1", self.start("be1"), n))
        def opens(c):
            """The first answer of a back-end that knows its accounts and keys."""
            return until(lambda: (lambda s: s if s != "retry" else None)(
                c.call("MAILBOX_LIST", ticket=ticket)[0]))
        counted = (("tickets_refused_total", "expired"), ("rpc_refused_total", "ticket"))
        with Captured("frontend/fe1/imap") as c:
            ticket = c.login(self.who)
            self.assertEqual(opens(c), "ok")
        self.addCleanup(back)
        # Not that the back-end began again is what ends it.
        self.start("be1", TICKET_SECONDS - 120)
        with Captured("frontend/fe1/imap") as c:
            self.assertEqual(opens(c), "ok")
        since = self.start("be1", TICKET_SECONDS)
        with Captured("frontend/fe1/imap") as c:
            self.assertEqual(opens(c), "no-ticket")
            before = [metric("be1", name, reason=reason) for name, reason in counted]
            statuses = self.sweep(c, ticket=ticket)
            self.assert_refused(statuses)
            refused = list(statuses.values()).count("no-ticket")
            self.assertGreater(refused, 15)
            self.assertEqual(c.call("TICKET_RENEW", ticket=ticket)[0], "no-ticket")
            self.assertEqual(c.call("AUTH_END", ticket=ticket, reason="logout")[0], "no-ticket")
            # A new one is as good as ever.
            self.assertEqual(c.call("MAILBOX_LIST", ticket=c.login(self.who))[0], "ok")
        self.assertEqual([metric("be1", name, reason=reason) - b for (name, reason), b in
                          zip(counted, before)], [refused + 2] * 2)
        lines = log_lines("be1", "refused", since=since)
        first = lines[0]
        for word in ("event=rpc.ticket_refused", "peer=frontend/fe1/imap", "ip=127.0.0.1",
                     "method=", 'why="ticket: expired"', "account=", "session=", "count=1"):
            self.assertIn(word, first)
        # Nothing else writes of them: a few lines, and no more of them than refusals.
        self.assertEqual({re.search(r"event=(\S+)", x)[1] for x in lines}, {"rpc.ticket_refused"})

    def test_mailbox_numbers_of_another_user(self):
        """A ticket opens its own account, whatever numbers are asked for."""
        secret = deliver([account(self.other)["address"]], subject="secret " + secrets.token_hex(8))
        own = deliver([account(self.who)["address"]], subject="own " + secrets.token_hex(8))
        with Captured("frontend/fe1/imap") as c:
            theirs, ticket = c.login(self.other), c.login(self.who)
            number = int(c.call("MAILBOX_OPEN", ticket=theirs, path="INBOX")[1]["id"])
            seen = b""
            for mailbox in sorted({number, *range(1, 30)}):
                status, reply = c.call("MESSAGE_FETCH", ticket=ticket, mailbox=mailbox,
                                       uids__first=1, uids__last=10000, columns=8, read=True)
                self.assertIn(status, ("ok", "not-found"))
                seen += bytes.fromhex(reply.get("hex", ""))
            self.assertIn(own.encode(), seen)
            self.assertNotIn(secret.encode(), seen)

    def test_answers_that_are_never_read(self):
        """What waits to be sent is charged to the link, and refused when that is used up."""
        big = base64.encodebytes(secrets.token_bytes(1 << 20)).decode()
        deliver([account(self.who)["address"]], body=big)
        (be1,) = backend("be1")["pids"]
        before = rss(be1)
        with Captured("frontend/fe1/imap") as c:
            ticket = c.login(self.who)
            number = int(c.call("MAILBOX_OPEN", ticket=ticket, path="INBOX")[1]["id"])
            since = log_size("be1")
            for _ in range(500):
                c.call("MESSAGE_READ", ticket=ticket, mailbox=number, uids__first=1,
                       uids__last=10000, hold=True)
            self.assertTrue(until(lambda: log_lines("be1", "event=rpc.memory",
                                                    "method=Message.Read", since=since)))
            if "asan" not in postern.BUILD:
                self.assertLess(rss(be1) - before, 64 * 1024, "KiB")
            # Another account has room over the same link.
            own = deliver([account(self.other)["address"]], body=big)
            ticket = c.login(self.other)
            number = int(c.call("MAILBOX_OPEN", ticket=ticket, path="INBOX")[1]["id"])
            status, reply = c.call("MESSAGE_READ", ticket=ticket, mailbox=number, uids__first=1,
                                   uids__last=10000, read=True)
            self.assertEqual((status, reply["end"]), ("ok", "ok"), own)
            self.assertGreater(int(reply["data"]), 1 << 20)

    def test_wrong_password_tells_nothing(self):
        replies = []
        with Captured("frontend/fe1/imap") as c:
            for name in (account(self.who)["address"], "nobody-here@" + cluster()["domain"]):
                status, reply = c.call(
                    "AUTH_START", mechanism="PLAIN", has_initial=1,
                    initial=("\0%s\0%s" % (name, "wrong")).encode(),
                    session_id=secrets.token_bytes(16), client__ip=b"\x7f\0\0\7", client__tls=1)
                if status == "wrong-owner":
                    with Captured("frontend/fe1/imap", to="be2") as d:
                        status, reply = d.call(
                            "AUTH_START", mechanism="PLAIN", has_initial=1,
                            initial=("\0%s\0%s" % (name, "wrong")).encode(),
                            session_id=secrets.token_bytes(16), client__ip=b"\x7f\0\0\7",
                            client__tls=1)
                replies.append((status, reply))
        self.assertEqual(replies[0], replies[1])
        self.assertEqual(replies[0][0], "denied")

    def test_certificate_of_another_ca(self):
        folder = tempfile.mkdtemp(dir=postern.FOLDER) + "/ca"
        program = postern.BUILD + "/postern"
        subprocess.run([program, "pki", "init", "--dir", folder], check=True, capture_output=True)
        subprocess.run([program, "pki", "issue", "--dir", folder, "--out", folder + "/imap",
                        "frontend/fe1/imap"], check=True, capture_output=True)
        since = log_size("be1")
        with Captured("frontend/fe1/imap", ms=1000,
                      cert=(folder + "/imap.pem", folder + "/imap.key")) as c:
            self.assertFalse(c.up)
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.handshake", since=since)))


if __name__ == "__main__":
    unittest.main()
