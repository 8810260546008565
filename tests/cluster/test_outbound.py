"""The way out: mail to other systems, from a submission to the other side's 250, or to a notice."""
import contextlib
import email
import json
import os
import re
import smtplib
import socket
import threading
import unittest
import uuid

import dkim_check
import dnszone
import postern
from outgoing import fields, notice, notice_bytes, queue, submit, submit_bytes, waiting
from postern import (account, cluster, cluster_command, deliver, imap, log_lines, log_size, message,
                     subjects, until)
from sink import Sink

CLUSTER = ["--frontends", "2", "--accounts", "10", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=2s",
           "--set", "outbound.retry_later=1s", "--set", "submission.limit_minute=0"]
TAKES = 30  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
GOOD, BAD, LATE = "127.0.1.1", "127.0.1.2", "127.0.1.3"
# Servers that behave badly at one stage each.
STAGES = {stage: "127.0.1.%d" % (11 + i) for i, stage in
          enumerate(("greeting", "ehlo", "mail", "rcpt", "data", "dot"))}
ZONE = """
@       MX 10 mx
mx      A %s
plain   A %s
alias   CNAME plain
second  MX 10 nobody
second  MX 20 mx
nobody  A 127.0.1.99
dead    MX 10 nobody
null    MX 0 .
noaddr  MX 10 missing
text    TXT "no mail here"
bad     MX 10 badmx
badmx   A %s
late    MX 10 latemx
latemx  A %s
""" % (GOOD, GOOD, BAD, LATE) + "".join("%s MX 10 %s-mx\n%s-mx A %s\n" % (s, s, s, address)
                                      for s, address in STAGES.items())


def setUpModule():
    global zone
    zone = dnszone.Zone({"out.test": ZONE},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


class Outbound(unittest.TestCase):
    def setUp(self):
        self.good = Sink(GOOD, PORT)
        self.addCleanup(self.good.close)

    def taken(self, n, sink=None):
        mails = (sink or self.good).wait(n)
        self.assertEqual(len(mails), n)
        return mails

    def test_a_trace_shows_each_hop(self):
        """What a message's trace is found in, from the submission to the next server's 250."""
        nodes = [n["name"] for n in cluster()["frontends"] + cluster()["backends"]]
        since = {n: log_size(n) for n in nodes}
        submit(["trace@out.test"])
        taken, = self.good.wait(1)
        trace = re.search(rb"with ESMTPSA id ([0-9a-f]{32})", taken.data).group(1).decode()

        def hops():
            lines = [x for n in nodes for x in log_lines(n, "trace=" + trace, since=since[n])]
            return {re.search(r"event=(\S+)", x).group(1): x for x in lines}
        self.assertTrue(until(lambda: "outbound.sent" in hops()), hops())
        self.assertIn("service=submission", hops()["smtp.message"])
        self.assertIn("[%s]" % GOOD, hops()["outbound.sent"])

    def test_by_mx_by_address_and_by_literal(self):
        to = ["a@out.test", "b@plain.out.test", "c@alias.out.test", "d@second.out.test",
              "e@[%s]" % GOOD]
        wanted = {submit([address]): address for address in to}
        for mail in self.taken(len(to)):
            got = email.message_from_bytes(mail.data)
            self.assertIn(wanted.pop(got["Subject"]).encode(), mail.rcpts[0])
            self.assertIn(account(0)["address"].encode(), mail.sender)
            self.assertNotIn("Return-Path", got)
            self.assertEqual(len(got.get_all("Received")), 1)
        self.assertTrue(until(lambda: not queue()))

    def test_recipients_of_one_domain_are_one_transaction(self):
        submit(["a%d@out.test" % i for i in range(20)] + ["x@plain.out.test"])
        counts = sorted(len(m.rcpts) for m in self.taken(2))
        self.assertEqual(counts, [1, 20])

    def test_each_recipient_has_its_own_result(self):
        submit(["yes@out.test", "550@out.test", "450@out.test"], who=1)
        mail, = self.taken(1)
        self.assertIn(b"yes@out.test", mail.rcpts[0])
        row = waiting("450@out.test")
        self.assertIn("450", row["last_error"])
        self.good.codes = False
        self.assertTrue(until(lambda: not queue()))
        m = notice(1, "550@out.test")
        self.assertEqual(fields(m)["Action"], "failed")
        self.assertEqual(fields(m)["Status"], "5.1.1")
        self.assertIn("550", fields(m)["Diagnostic-Code"])
        self.assertIn("sink.test", fields(m)["Remote-MTA"])
        self.assertEqual(m["Auto-Submitted"], "auto-replied")
        self.assertNotIn("yes@out.test", m.get_payload()[1].as_string())

    def test_there_is_nobody(self):
        for domain, status in (("null.out.test", "5.1.10"), ("nowhere.out.test", "5.1.2"),
                               ("noaddr.out.test", "5.4.4"), ("text.out.test", "5.1.2")):
            submit(["x@" + domain], who=2)
            m = notice(2, "x@" + domain)
            self.assertEqual(fields(m)["Status"], status, domain)
        self.assertEqual(self.good.mails, [])

    def test_dead_host_waits(self):
        submit(["x@dead.out.test"])
        row = waiting("x@dead.out.test")
        self.assertIn("connection refused", row["last_error"])
        with Sink("127.0.1.99", PORT) as back:
            self.taken(1, back)
        self.assertTrue(until(lambda: not queue()))

    def test_alias_with_a_member_elsewhere(self):
        status, _, err = postern.postern("alias", "add", "fwd@example.org", "far@out.test",
                                         account(3)["address"])
        self.assertEqual(status, 0, err)
        subject = deliver(["fwd@example.org"])
        mail, = self.taken(1)
        self.assertIn(subject.encode(), mail.data)
        self.assertTrue(until(lambda: subject in subjects(imap(3))))

    def test_users_only(self):
        with postern.smtp() as s:
            self.assertRaises(smtplib.SMTPRecipientsRefused, s.sendmail, "a@elsewhere.example",
                              ["x@out.test"], b"Subject: no\r\n\r\nx\r\n")

    def test_success_is_told_when_asked(self):
        submit(["dsn@out.test"], who=4, rcpt_options=["NOTIFY=SUCCESS"])
        self.taken(1)
        self.assertEqual(fields(notice(4, "dsn@out.test"))["Action"], "relayed")

    def test_envelope_of_dsn_is_passed_on(self):
        self.good.offers.append("DSN")
        submit(["dsn@out.test"], options=["RET=HDRS", "ENVID=abc"],
               rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;other@out.test"])
        mail, = self.taken(1)
        self.assertIn(b"RET=HDRS ENVID=abc", mail.sender)
        self.assertIn(b"NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;other@out.test", mail.rcpts[0])

    def test_original_recipient_in_unicode(self):
        self.good.offers.append("DSN")
        orcpt = "ORCPT=utf-8;j\\x{FC}r\\x{2B}gen@out.test"
        submit(["dsn@out.test", "550@out.test"], who=6, rcpt_options=[orcpt])
        mail, = self.taken(1)
        self.assertIn(orcpt.encode(), mail.rcpts[0])
        self.assertIn("Original-Recipient: utf-8; j\u00fcr+gen@out.test".encode(),
                      notice(6, "550@out.test").get_payload()[1].as_bytes())

    def test_never_means_never(self):
        submit(["550@out.test"], who=5, rcpt_options=["NOTIFY=NEVER"])
        self.assertTrue(self.good.wait_sessions(1))
        self.assertTrue(until(lambda: not queue()))
        self.assertIsNone(next((s for s in subjects(imap(5)) if "deliver" in s), None))

    def test_large_message(self):
        body = "".join("%06d %s\n" % (i, "." * 60) for i in range(20000))
        m = message("big@out.test", "large", body, account(0)["address"])
        submit_bytes(0, ["big@out.test"], m.as_bytes(policy=m.policy.clone(linesep="\r\n")))
        mail, = self.taken(1)
        self.assertEqual(email.message_from_bytes(mail.data).get_payload(),
                         body.replace("\n", "\r\n"))

    def test_8bit(self):
        raw = ("From: %s\r\nSubject: 8\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;"
               " charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u00e4\u00f6\r\n"
               % account(0)["address"]).encode()
        submit_bytes(0, ["x@out.test"], raw, options=["BODY=8BITMIME"])
        mail, = self.taken(1)
        self.assertIn(b"BODY=8BITMIME", mail.sender)
        self.assertIn("\u00e4\u00f6".encode(), mail.data)
        # A server that takes none gets it encoded.
        self.good.offers.remove("8BITMIME")
        submit_bytes(0, ["x@plain.out.test"], raw, options=["BODY=8BITMIME"])
        mail = self.taken(2)[1]
        self.assertNotIn(b"BODY", mail.sender)
        self.assertTrue(mail.data.isascii())
        got = email.message_from_bytes(mail.data)
        self.assertEqual(got["Content-Transfer-Encoding"], "quoted-printable")
        self.assertEqual(got.get_payload(decode=True).decode().strip(), "\u00e4\u00f6")


class Faults(unittest.TestCase):
    """A server that behaves badly: bounded, told in the queue, tried again, and nobody else waits."""

    def setUp(self):
        self.addCleanup(postern.postern, "queue", "remove", "--all")

    def check(self, does, status, words, stages=tuple(STAGES)):
        """At all of these stages side by side; %s in the words is the stage."""
        with contextlib.ExitStack() as stack:
            good = stack.enter_context(Sink(GOOD, PORT))
            bad = {stage: stack.enter_context(Sink(STAGES[stage], PORT)) for stage in stages}
            subject = {}
            for stage, sink in bad.items():
                sink.does[stage] = does
                subject[stage] = submit(["x@%s.out.test" % stage])
            submit(["y@out.test"])
            self.assertEqual(len(good.wait(1)), 1, "another destination waits")
            for stage in stages:
                row = waiting("x@%s.out.test" % stage)
                self.assertIsNotNone(row, "%s %s" % (stage, does))
                self.assertEqual((row["status"], row["last_error"]),
                                 (status, words.replace("%s", stage)), "%s %s" % (stage, does))
            for sink in bad.values():
                sink.does.clear()
            for stage, sink in bad.items():
                mails = sink.wait(1)
                self.assertEqual(len(mails), 1, "%s %s: not tried again" % (stage, does))
                self.assertIn(subject[stage].encode(), mails[0].data)
            self.assertTrue(until(lambda: not queue()))

    def test_temporary_refusals(self):
        self.check(b"451 4.3.0 not now", "4.3.0", "451 4.3.0 not now",
                   ("greeting", "mail", "rcpt", "data", "dot"))

    def test_early_close(self):
        self.check("close", "4.4.2", "the connection was lost (%s)")

    def test_garbage(self):
        self.check("garbage", "4.5.0", "the host broke the protocol (%s): "
                   "bare CR, bare LF or NUL in the reply")

    def test_flood(self):
        self.check("flood", "4.5.0", "the host broke the protocol (%s): "
                   "the reply is longer than 16 KiB")

    def test_greeting_of_refusal_is_no_bounce(self):
        self.check(b"554 5.7.1 go away", "4.7.1", "554 5.7.1 go away", ("greeting",))

    def test_hanging_server_holds_nobody_up(self):
        with Sink(BAD, PORT) as bad, Sink(GOOD, PORT) as good:
            bad.does["mail"] = "hang"
            for i in range(30):
                submit(["h%d@bad.out.test" % i], fe=i % 2)
            self.assertTrue(bad.wait_sessions(1))
            for i in range(10):
                submit(["y%d@out.test" % i], fe=i % 2)
            self.assertEqual(len(good.wait(10)), 10)
            # The server lets go: what hung is tried again.
            bad.does.clear()
            bad.closing.set()
        # Some may have come before it closed.
        came = {m.rcpts[0] for m in bad.mails}
        with Sink(BAD, PORT) as bad:
            came.update(m.rcpts[0] for m in bad.wait(30 - len(came), 60))
        self.assertEqual(len(came), 30)
        self.assertTrue(until(lambda: not queue()))


class Kills(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)

    def test_a_killed_worker_s_job_goes_out_through_another(self):
        with Sink(LATE, PORT) as late:
            late.does["rcpt"] = "hang"
            subject = submit(["x@late.out.test"])
            self.assertTrue(late.wait_sessions(1))
            late.does.clear()
            for fe in ("fe1", "fe2"):
                if self.has_job(fe):
                    cluster_command("kill", fe + "/outbound", "KILL")
            mails = late.wait(1, 60)
            self.assertEqual(len(mails), 1)
            self.assertIn(subject.encode(), mails[0].data)
            late.closing.set()
        self.assertTrue(until(lambda: not queue()))

    def has_job(self, name):
        """Who has a connection to the sink: by the worker's own sockets."""
        fe = next(f for f in postern.cluster()["frontends"] if f["name"] == name)
        inodes = postern.sockets_of(fe["pids"])
        address = "%08X" % int.from_bytes(socket.inet_aton(LATE), "little")
        with open("/proc/net/tcp") as f:
            rows = [x.split() for x in f][1:]
        return any(r[2].startswith(address) and r[9] in inodes for r in rows)

    def test_the_queue_outlives_the_back_end(self):
        for i in range(5):
            submit(["x%d@dead.out.test" % i])
        self.assertTrue(waiting("x0@dead.out.test"))
        cluster_command("kill", "be1", "KILL")
        cluster_command("start", "be1")
        with Sink("127.0.1.99", PORT) as back:
            mails = back.wait(5, 60)
            self.assertEqual(len(mails), 5)
        self.assertTrue(until(lambda: not queue()))


class Signed(unittest.TestCase):
    """What is from us is signed by the domain above our name, where that has keys."""

    def setUp(self):
        self.domain = postern.cluster()["domain"]
        self.run_ok("dkim", "add", self.domain)
        self.run_ok("dkim", "activate", self.domain, "--force")
        self.keys = json.loads(self.run_ok("dkim", "list", "--json"))
        self.addCleanup(self.forget)

    def run_ok(self, *argv):
        status, out, err = postern.postern(*argv)
        self.assertEqual(status, 0, err)
        return out

    def forget(self):
        for k in self.keys:
            self.run_ok("dkim", "retire", self.domain, k["selector"])
            self.run_ok("dkim", "remove", self.domain, k["selector"])

    def verified(self, data):
        """Which signatures there are, all of them good."""
        names = {k["record_name"]: k["record"] for k in self.keys}
        good, = dkim_check.verify([data], names)
        self.assertTrue(all(good.values()), data)
        return set(good)

    def told(self, who=9):
        """A notice to a user."""
        address = "%s@null.out.test" % uuid.uuid4().hex
        submit([address], who=who)
        return notice_bytes(who, address)

    def test_what_is_made_7bit_has_none(self):
        raw = ("From: %s\r\nSubject: 8\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;"
               " charset=utf-8\r\nDKIM-Signature: v=1; d=other.test; s=x; a=rsa-sha256; h=From;"
               " bh=AA==; b=AA==\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u00e4\r\n"
               % account(0)["address"]).encode()

        def sent(domain):
            submit_bytes(0, ["x@" + domain], raw, options=["BODY=8BITMIME"])
            return good.wait(1 + (domain != "out.test"))[-1].data

        with Sink(GOOD, PORT) as good:
            whole = sent("out.test")
            self.assertEqual(whole.count(b"DKIM-Signature:"), 1 + len(self.keys), whole)
            good.offers.remove("8BITMIME")
            made = sent("plain.out.test")
        self.assertTrue(made.isascii())
        self.assertEqual(made.count(b"DKIM-Signature:"), 1, made)
        self.assertIn(b"d=other.test", made)
        self.assertIn(b"Received:", made)

    def test_notices(self):
        self.assertEqual(self.verified(self.told()), set())  # fe1 is below no domain
        postern.put_in_force("hostname", "MX.deep.%s" % self.domain)
        self.addCleanup(self.run_ok, "setting", "unset", "hostname")
        selectors = {k["selector"] for k in self.keys}
        got = until(lambda: next((m for m in [self.told()] if self.verified(m) == selectors), None),
                    60)
        self.assertIn(b"<MAILER-DAEMON@mx.deep.%s>" % self.domain.encode(), got)
        self.assertIn(b"d=%s;" % self.domain.encode(), got)
        # To another system, too.
        self.run_ok("alias", "add", "gone@example.org", "550@out.test")
        self.addCleanup(self.run_ok, "alias", "remove", "gone@example.org")
        with Sink(GOOD, PORT) as good:
            deliver(["gone@example.org"], sender="stranger@plain.out.test")
            mail, = good.wait(1)
        self.assertIn(b"<>", mail.sender)
        self.assertIn(b"<stranger@plain.out.test>", mail.rcpts[0])
        self.assertEqual(self.verified(mail.data), selectors)
        # The checks above can fail.
        changed = mail.data.replace(b"From: ", b"From: x ")
        self.assertEqual(dkim_check.verify([changed], {k["record_name"]: k["record"]
                                                       for k in self.keys}),
                         [{s: False for s in selectors}])


class Restart(unittest.TestCase):
    """A back-end that goes away while a worker has more of its mail than it can send at once."""

    def all_are(self, state):
        self.assertTrue(until(lambda: {r["state"] for r in queue()} == {state}), queue())

    def route(self, *argv):
        status, _, err = postern.postern("route", *argv)
        self.assertEqual(status, 0, err)

    def test_what_waits_in_line_comes_once(self):
        go = threading.Event()
        self.addCleanup(go.set)
        self.route("add", "late.out.test", "hold")
        self.addCleanup(self.route, "remove", "late.out.test")
        with Sink(LATE, PORT) as late:
            late.does["dot"] = lambda: go.wait() and None
            sent = {submit(["x%d@late.out.test" % i]) for i in range(6)}
            self.all_are("held")
            self.route("edit", "late.out.test", "--action", "mx",
                       "--connections", "1")
            self.assertTrue(late.wait_sessions(1))
            self.all_are("leased")
            for b in cluster()["backends"]:
                cluster_command("kill", b["name"], "KILL")
                cluster_command("start", b["name"])
            self.all_are("leased")  # given out anew
            go.set()
            self.assertTrue(until(lambda: not queue()))
            with late.changed:  # what is in line anywhere is over when nobody is there any more
                self.assertTrue(late.changed.wait_for(lambda: not late.open, TAKES))
            came = [email.message_from_bytes(m.data)["Subject"] for m in late.mails]
        self.assertEqual(set(came), sent)
        # That of the transaction that was under way came again, since nobody knew of its end.
        self.assertLessEqual(len(came), 7)


class Operator(unittest.TestCase):
    """What is ordered for the queue, as it is on its way out."""

    def order(self, verb, address, *argv):
        """Done at once, or when the worker that has the item gives it back."""
        def done():
            status, out, err = postern.postern("--json", "queue", verb, "--to", address, *argv)
            self.assertEqual(status, 0, err)
            return json.loads(out)[0]["done"] == 1
        self.assertTrue(until(done))

    def test_bounce(self):
        submit(["x@dead.out.test"], who=6)
        self.assertTrue(waiting("x@dead.out.test"))
        self.order("bounce", "x@dead.out.test", "--reason", "not from here")
        m = notice(6, "x@dead.out.test")
        self.assertEqual((fields(m)["Action"], fields(m)["Status"]), ("failed", "5.7.0"))
        self.assertIn("not from here", fields(m)["Diagnostic-Code"])
        self.assertTrue(until(lambda: not queue()))

    def test_reroute(self):
        submit(["y@dead.out.test"])
        self.assertTrue(waiting("y@dead.out.test"))
        with Sink(GOOD, PORT) as good:
            self.order("reroute", "y@dead.out.test", "--via", GOOD)
            self.assertEqual(len(good.wait(1)), 1)
        self.assertTrue(until(lambda: not queue()))

    def test_hold_and_release(self):
        with Sink(GOOD, PORT) as good:
            submit(["z@dead.out.test"])
            self.assertTrue(waiting("z@dead.out.test"))
            self.order("hold", "z@dead.out.test")
            with Sink("127.0.1.99", PORT) as back:
                # Another one wakes the destination; the held one stays.
                submit(["other@dead.out.test"])
                self.assertEqual(len(back.wait(1)), 1)
                self.assertTrue(until(lambda: [r["state"] for r in queue()] == ["held"]))
                self.order("release", "z@dead.out.test")
                self.assertEqual(len(back.wait(2)), 2)
            self.assertEqual(good.mails, [])
        self.assertTrue(until(lambda: not queue()))

    def test_copies_of_bounces(self):
        status, _, err = postern.postern("setting", "set", "outbound.bounce_copy",
                                         account(8)["address"])
        self.assertEqual(status, 0, err)
        self.addCleanup(postern.postern, "setting", "unset", "outbound.bounce_copy")
        self.assertTrue(until(lambda: self.copied(uuid.uuid4().hex)))
        self.assertTrue(until(lambda: not queue()))

    def copied(self, name):
        """A failure is told to its sender and to the operator, by the same words."""
        address = "%s@null.out.test" % name
        submit([address], who=7)
        told, copy = notice(7, address), notice(8, address)
        return copy is not None and told["Message-ID"] == copy["Message-ID"]


if __name__ == "__main__":
    unittest.main()
