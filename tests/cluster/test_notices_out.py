"""What a sender hears of mail that does not arrive: that it is late, and then that it was given up, as
NOTIFY asks for; and why, whatever the other server did, at whichever step."""
import email
import email.utils
import os
import time
import unittest

import dnszone
import postern
from outgoing import notice, queue, submit, waiting
from postern import account, imap, until
from sink import Sink

CLUSTER = ["--frontends", "2", "--accounts", "10", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=2s",
           "--set", "outbound.retry_later=1s", "--set", "submission.limit_minute=0"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
LATE, NOBODY = "127.0.5.100", "127.0.5.101"
LATE_S, EXPIRY_S = 2, 10
EXPIRES = ("--set", "outbound.expiry=%ds" % EXPIRY_S)
STAGES = ("greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot")
# What the server does, and what is told of it.
BROKE = "the host broke the protocol (%s): "
FAULTS = {
    "close": ("4.4.2", "the connection was lost (%s)"),
    "garbage": ("4.5.0", BROKE + "bare CR, bare LF or NUL in the reply"),
    "flood": ("4.5.0", BROKE + "the reply is longer than 16 KiB"),
    "words": ("4.5.0", BROKE + "not a reply"),
}
# A host and a domain for each.
CASES = {(fault, stage): "127.0.5.%d" % (1 + i) for i, (fault, stage) in
         enumerate((f, s) for f in FAULTS for s in STAGES)}


def zone_lines():
    lines = ["late MX 10 mx.late", "mx.late A " + LATE, "dead MX 10 mx.dead", "mx.dead A " + NOBODY]
    for (fault, stage), host in CASES.items():
        lines += ["%s.%s MX 10 mx.%s.%s" % (2 * (fault, stage)),
                  "mx.%s.%s A %s" % (fault, stage, host)]
    return "\n".join(lines)


def setUpModule():
    global zone
    zone = dnszone.Zone({"out.test": zone_lines()},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    run("server", "edit", "default-submission", "--set", "outbound.delay_notice=%ds" % LATE_S,
        *EXPIRES)


def tearDownModule():
    run("server", "edit", "default-submission", "--unset", "outbound.delay_notice",
        "--unset", "outbound.expiry")
    zone.close()


def run(*argv):
    status, out, err = postern.postern(*argv)
    assert status == 0, err
    return out


def told(who):
    """What the notices in a user's INBOX say, by recipient: (its fields, the notice), as they
    came."""
    out = {}
    with imap(who) as box:
        box.select("INBOX", readonly=True)
        for n in box.search(None, "ALL")[1][0].split():
            m = email.message_from_bytes(box.fetch(n, "(BODY.PEEK[])")[1][0][1])
            if m.get_content_type() != "multipart/report":
                continue
            for fields in m.get_payload()[1].get_payload()[1:]:
                address = fields["Final-Recipient"].partition(";")[2].strip()
                out.setdefault(address, []).append((fields, m))
    return out


def seconds_of(date):
    return email.utils.parsedate_to_datetime(date).timestamp()


class Late(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.postern, "queue", "remove", "--all")
        self.late = Sink(LATE, PORT)
        self.late.does["rcpt"] = b"450 4.2.0 not now"
        self.addCleanup(self.late.close)

    def shown(self, address):
        return run("queue", "show", waiting(address)["id"])

    def test_delayed_and_then_failed(self):
        begun = int(time.time())
        submit(["x@late.out.test"], options=["ENVID=abc"])
        ended = time.time()
        text = self.shown("x@late.out.test")
        self.assertRegex(text, r"(?m)^last_error +450 4\.2\.0 not now$")
        self.assertRegex(text, r"(?m)^status +4\.2\.0$")
        self.assertRegex(text, r"(?m)^remote +sink\.test \[%s\]$" % LATE)
        m = notice(0, "x@late.out.test")
        self.assertIsNotNone(m)
        delayed, = told(0)["x@late.out.test"]
        self.check(*delayed, action="delayed", status="4.2.0")
        until_s = seconds_of(delayed[0]["Will-Retry-Until"])
        self.assertTrue(begun + EXPIRY_S <= until_s <= ended + EXPIRY_S + 1, until_s - begun)
        # It goes on: the queue has it still.
        self.assertTrue(until(lambda: [r["kind"] for r in queue()] == ["outside"]))
        self.assertTrue(until(lambda: not queue()))
        _, failed = told(0)["x@late.out.test"]
        self.check(*failed, action="failed", status="5.4.7")
        self.assertNotIn("Will-Retry-Until", failed[0])
        self.assertGreaterEqual(seconds_of(failed[1]["Date"]), int(until_s))
        self.assertEqual(self.late.mails, [])

    def check(self, fields, m, action, status):
        """RFC 3464, in whole."""
        self.assertEqual(m.get_param("report-type"), "delivery-status")
        self.assertEqual(m["Auto-Submitted"], "auto-replied")
        self.assertEqual(m["Return-Path"], "<>")
        self.assertEqual(m["To"].strip("<>"), account(0)["address"])
        of_message = m.get_payload()[1].get_payload()[0]
        self.assertEqual(of_message["Original-Envelope-Id"], "abc")
        self.assertTrue(of_message["Reporting-MTA"].startswith("dns; "))
        self.assertIn("Arrival-Date", of_message)
        self.assertEqual((fields["Action"], fields["Status"]), (action, status))
        self.assertEqual(fields["Diagnostic-Code"], "smtp; 450 4.2.0 not now")
        self.assertEqual(fields["Remote-MTA"], "dns; sink.test")
        self.assertIn("Last-Attempt-Date", fields)
        self.assertIn("x@late.out.test", m.get_payload()[0].get_payload())

    def test_as_notify_asks(self):
        wanted = {"NEVER": [], "SUCCESS": [], "DELAY": ["delayed"], "FAILURE": ["failed"],
                  "FAILURE,DELAY": ["delayed", "failed"]}
        to = {w: "%s@late.out.test" % w.lower().replace(",", "-") for w in wanted}
        for w in wanted:
            submit([to[w]], who=1, rcpt_options=["NOTIFY=" + w])
        # What is not refused but cannot be reached is late, too.
        submit(["dead@dead.out.test"], who=1)
        self.assertIn("connection refused", self.shown("dead@dead.out.test"))
        self.assertTrue(until(lambda: not queue()))
        got = told(1)
        for w, actions in wanted.items():
            self.assertEqual([f["Action"] for f, _ in got.get(to[w], [])], actions, w)
        self.assertEqual([(f["Action"], f["Status"]) for f, _ in got["dead@dead.out.test"]],
                         [("delayed", "4.4.1"), ("failed", "5.4.7")])


class Why(unittest.TestCase):
    def test_each_fault_at_each_stage(self):
        self.addCleanup(postern.postern, "queue", "remove", "--all")
        # Else a server whose TLS breaks is spoken to in clear.
        run("tls-policy", "set", ".starttls.out.test", "encrypt")
        self.addCleanup(run, "tls-policy", "remove", ".starttls.out.test")
        to = {"x@%s.%s.out.test" % case: case for case in CASES}
        for (fault, stage), host in CASES.items():
            s = Sink(host, PORT, offers=("PIPELINING", "8BITMIME", "STARTTLS")
                     if stage == "starttls" else ("8BITMIME",))
            s.does[stage] = b"hello to you" if fault == "words" else fault
            self.addCleanup(s.close)
        # None is given up before all were tried and told of.
        edit = ("server", "edit", "default-submission")
        run(*edit, "--set", "outbound.expiry=1h")
        self.addCleanup(run, *edit, *EXPIRES)
        submit(list(to), who=2)
        rows = until(lambda: [r for r in queue() if r.get("attempts")]
                     if sum(bool(r.get("attempts")) for r in queue()) == len(to) else None)
        self.assertIsNotNone(rows, queue())
        for r in rows:
            fault, stage = to[r["address"]]
            status, words = FAULTS[fault]
            self.assertEqual((r["status"], r["last_error"]), (status, words % stage), r["address"])
        self.assertTrue(until(lambda: set(told(2)) == set(to)))
        run(*edit, *EXPIRES)
        self.assertTrue(until(lambda: not queue()))
        got = told(2)
        for address, (fault, stage) in to.items():
            with self.subTest(address):
                late, failed = got[address]
                self.assertEqual((late[0]["Status"], failed[0]["Status"]),
                                 (FAULTS[fault][0], "5.4.7"))
                for fields, m in (late, failed):
                    self.assertIn(FAULTS[fault][1] % stage,
                                  " ".join(fields["Diagnostic-Code"].split()))


if __name__ == "__main__":
    unittest.main()
