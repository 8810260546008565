"""A password in wrong hands: the account that sends to hundreds of strangers is held within the
minute, whoever asks where and whatever restarts; the others notice nothing. And limits of honest
senders."""
import base64
import contextlib
import json
import os
import time
import unittest
import uuid

import dnszone
from postern import (account, cluster, cluster_command, everybody_knows, log_lines, log_size,
                     metric, owners, postern, restore, until)
from raw import Imap, smtp
from sink import Sink

CLUSTER = ["--frontends", "2", "--backends", "2", "--partitions", "4", "--accounts", "8",
           "--set", "submission.messages_max=0", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=1s",
           "--set", "outbound.retry_later=1s"]
TAKES = 25  # seconds
THIEF, OTHER, FRIEND, HAND, HONEST, HIDDEN, GUESSER, AGAIN = range(8)
OUTSIDE = b"%s@far.test"
MX = "127.0.1.1"
PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))


def setUpModule():
    global zone
    zone = dnszone.Zone({"far.test": "@ MX 10 mx\nmx A %s\n" % MX},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def b64(text):
    return base64.b64encode(text.encode())


def address(who):
    return account(who)["address"].encode()


def run(*argv):
    status, out, err = postern(*argv)
    assert status == 0, (argv, err)
    return out


def rows(*argv):
    return json.loads(run("--json", *argv))


def session(who, fe=0):
    s = smtp(fe=fe, service="submissions")
    a = account(who)
    assert s.cmd(b"AUTH PLAIN " + b64("\0%s\0%s" % (a["address"], a["password"])))[0] == 235
    return contextlib.closing(s)


def send(s, who, to, word="x"):
    """The replies to RCPT, and the last one."""
    said = s.cmd(b"MAIL FROM:<%s>" % address(who))
    if said[0] != 250:
        return [], said
    rcpts = [s.cmd(b"RCPT TO:<%s>" % t) for t in to]
    if all(r[0] != 250 for r in rcpts):
        s.cmd(b"RSET")
        return rcpts, rcpts[-1]
    assert s.cmd(b"DATA")[0] == 354
    return rcpts, s.cmd(b"From: <%s>\r\nSubject: %s\r\n\r\nx\r\n." % (address(who), word.encode()))


def strangers(n):
    return [OUTSIDE % uuid.uuid4().hex.encode() for _ in range(n)]


def waiting(who):
    """Of an account's mail to other systems: the recipients that wait."""
    return [q["address"] for q in rows("queue", "list")
            if q["sender"] == account(who)["address"] and q["address"].endswith("@far.test")]


def state(who):
    return rows("account", "show", account(who)["address"])["state"]


def arrived(sink, who):
    """How many recipients of an account's mail the other system has taken."""
    return sum(len(m.rcpts) for m in list(sink.mails) if b"<%s>" % address(who) in m.sender)


class Burst(unittest.TestCase):
    """The other system puts mail off at first, so that all of it is still here when the account is
    held; then it takes whatever comes."""

    def setUp(self):
        self.sink = Sink(MX, PORT)
        self.sink.does["rcpt"] = b"450 4.2.1 later"

    def tearDown(self):
        self.sink.close()
        restore()

    def test_drill(self):
        thief, owner = account(THIEF)["address"], owners()[account(THIEF)["address"]]
        since = {b["name"]: log_size(b["name"]) for b in cluster()["backends"]}
        began = time.monotonic()
        taken, refused = 0, []
        with session(THIEF) as s, session(OTHER) as friend:
            for _ in range(30):
                rcpts, last = send(s, THIEF, strangers(10))
                taken += 10 if last[0] == 250 else 0
                refused += [r for r in rcpts if r[0] != 250]
            self.assertLess(time.monotonic() - began, 60)
            self.assertEqual(taken, 200)
            self.assertEqual({r[0] for r in refused}, {450})
            self.assertIn(b"4.7.1 Not now (mail to other systems is held", refused[0][1])
            # Mail within the cluster goes on, and so does everybody else's.
            word = uuid.uuid4().hex
            self.assertEqual(send(s, THIEF, [address(FRIEND)], word)[1][0], 250)
            self.assertEqual(send(friend, OTHER, strangers(3))[1][0], 250)
        box = Imap(FRIEND)
        box.ok(b"SELECT INBOX")
        self.assertTrue(until(lambda: box.ok(b"UID SEARCH SUBJECT %s" % word.encode())[-1]
                              .split()[2:]))
        box.close()
        self.told(thief, owner, since)
        # What the other user sent goes, and nothing of the thief's.
        del self.sink.does["rcpt"]
        self.assertTrue(until(lambda: arrived(self.sink, OTHER) == 3, 60))
        self.assertTrue(until(lambda: not waiting(OTHER)))
        self.assertEqual(len(waiting(THIEF)), 200)
        self.survives(thief, owner)
        self.released(thief, owner)

    def told(self, thief, owner, since):
        why = "200 recipients elsewhere in ten minutes"
        self.assertTrue(log_lines(owner, "level=error", "event=account.burst", thief, why,
                                  since=since[owner]))
        for b in since:  # every back-end knows it
            self.assertTrue(until(lambda b=b: log_lines(b, "event=account.held",
                                                        since=since[b])), b)
        record = next(r for r in rows("audit", "list")
                      if r["method"] == "account.hold" and r["target"] == thief)
        self.assertEqual((record["who"], record["target"], record["detail"]),
                         ("backend/" + owner, thief, why))
        self.assertGreaterEqual(metric(owner, "account_holds_total"), 1)
        shown = rows("account", "show", thief)
        self.assertEqual((shown["state"], shown["held_why"]), ("held", why))
        self.assertIsNotNone(shown["held"])
        self.assertIn(thief, [r["address"] for r in
                              rows("account", "list", "--state", "held")])
        self.assertNotIn(thief, [r["address"] for r in
                                 rows("account", "list", "--state", "active")])

    def survives(self, thief, owner):
        since = log_size(owner)
        cluster_command("kill", owner, "KILL")
        cluster_command("start", owner)
        restore()
        self.assertTrue(log_lines(owner, "event=account.held", since=since))
        for fe in range(2):
            with session(THIEF, fe) as s:
                self.assertEqual(send(s, THIEF, strangers(1))[1][0], 450)
        self.assertEqual(state(THIEF), "held")
        # Another message of the other user has come by, and still nothing of the thief's.
        with session(OTHER) as s:
            self.assertEqual(send(s, OTHER, strangers(1))[1][0], 250)
        self.assertTrue(until(lambda: arrived(self.sink, OTHER) == 4, 60))
        self.assertEqual(arrived(self.sink, THIEF), 0)
        self.assertEqual(len(waiting(THIEF)), 200)

    def released(self, thief, owner):
        since = log_size(owner)
        run("account", "release", thief)
        self.assertTrue(until(lambda: log_lines(owner, "event=account.released", since=since)))
        self.assertEqual(state(THIEF), "active")
        with session(THIEF) as s:
            self.assertEqual(send(s, THIEF, strangers(10))[1][0], 250)
        self.assertTrue(until(lambda: arrived(self.sink, THIEF) == 210, 60))
        self.assertTrue(until(lambda: not waiting(THIEF)))
        self.assertEqual(state(THIEF), "active")

    def test_addresses_that_do_not_exist(self):
        del self.sink.does["rcpt"]
        with session(GUESSER) as s:
            to = [OUTSIDE % str(n).encode() for n in range(550, 570)]
            self.assertEqual(send(s, GUESSER, to)[1][0], 250)
            self.assertTrue(until(lambda: state(GUESSER) == "held", 60))
            self.assertEqual(send(s, GUESSER, strangers(1))[1][0], 450)
        self.assertRegex(rows("account", "show", account(GUESSER)["address"])["held_why"],
                         r"^\d+ of \d+ tries were refused for good$")

    def burst(self, who):
        with session(who) as s:
            for _ in range(20):
                self.assertEqual(send(s, who, strangers(10))[1][0], 250)
            self.assertEqual(send(s, who, strangers(1))[1][0], 450)
        self.assertTrue(until(lambda: state(who) == "held"))

    def test_alert(self):
        again, keeper = account(AGAIN)["address"], account(FRIEND)["address"]
        run("setting", "set", "alert.to", keeper)
        self.addCleanup(run, "setting", "unset", "alert.to")
        owner = owners()[again]
        everybody_knows()
        since = log_size(owner)
        self.burst(AGAIN)
        box = Imap(FRIEND)
        box.ok(b"SELECT INBOX")

        def alerts():
            return box.ok(b'UID SEARCH SUBJECT "Account held" TEXT "%s"' % again.encode()
                          )[-1].split()[2:]

        self.assertTrue(until(alerts))
        mail = b"\r\n".join(box.ok(b"UID FETCH %s BODY.PEEK[]" % alerts()[0]))
        for words in (b"From: \"Mail Delivery System\" <MAILER-DAEMON@", b"To: <%s>" % keeper.encode(),
                      b"Auto-Submitted: auto-generated", b"Account: %s" % again.encode(),
                      b"Why:     200 recipients elsewhere in ten minutes",
                      b"postern account release %s" % again.encode(), b"Return-Path: <>"):
            self.assertIn(words, mail)
        # One an hour for each account.
        run("account", "release", again)
        self.assertTrue(until(lambda: log_lines(owner, "event=account.released", since=since)))
        run("queue", "remove", "--sender", again)
        self.burst(AGAIN)
        self.assertEqual(len(log_lines(owner, "event=account.burst", again, since=since)), 2)
        self.assertTrue(until(lambda: not rows("queue", "list", "--state", "notice")))
        self.assertEqual(len(log_lines(owner, "event=alert.queued", again, since=since)), 1)
        self.assertEqual(len(alerts()), 1)
        box.close()

    def test_by_hand(self):
        hand = account(HAND)["address"]
        for why in ("two\r\nlines", "x" * 201):
            self.assertEqual(postern("account", "hold", hand, "--why", why)[0], 65)
        run("account", "hold", hand, "--why", "asked by phone")
        self.assertEqual(rows("account", "show", hand)["held_why"], "asked by phone")
        everybody_knows()
        with session(HAND) as s:
            self.assertEqual(send(s, HAND, strangers(1))[1][0], 450)
            run("account", "release", hand)
            self.assertTrue(until(lambda: send(s, HAND, strangers(1))[1][0] == 250))
        self.assertEqual(postern("account", "release", "nobody@example.org")[0], 67)


class Limits(unittest.TestCase):
    def test_of_an_account(self):
        honest = account(HONEST)["address"]
        self.assertNotEqual(postern("account", "limit", honest)[0], 0)
        run("account", "limit", honest, "--messages-hour", "2", "--recipients-day", "none")
        shown = rows("account", "show", honest)
        self.assertEqual([shown[k] for k in ("messages_hour", "recipients_day", "messages_day")],
                         [2, 0, None])
        everybody_knows()
        with session(HONEST) as s:
            for _ in range(2):
                self.assertEqual(send(s, HONEST, [address(OTHER)] + strangers(1))[1][0], 250)
            code, words = send(s, HONEST, strangers(1))[1]
            self.assertEqual(code, 450)
            self.assertRegex(words, rb"^4\.7\.1 Not now \(too many messages in the last hour, try"
                                    rb" again at \d\d:\d\d UTC\)")
        owner = owners()[honest]
        self.assertGreaterEqual(metric(owner, "submissions_limited_total",
                                       limit="messages_hour"), 1)
        # What was taken is kept (nobody takes it there), and the way is free again.
        self.assertEqual(len(waiting(HONEST)), 2)
        run("account", "limit", honest, "--default")
        self.assertIsNone(rows("account", "show", honest)["messages_hour"])
        everybody_knows()
        with session(HONEST) as s:
            self.assertEqual(send(s, HONEST, strangers(1))[1][0], 250)

    def test_hidden_client(self):
        run("setting", "set", "submission.hide_client", "true")
        try:
            word = uuid.uuid4().hex

            def hidden():
                with session(HIDDEN) as s:
                    self.assertEqual(send(s, HIDDEN, [address(HIDDEN)], word)[1][0], 250)
                box = Imap(HIDDEN)
                box.ok(b"SELECT INBOX")
                head = b"".join(box.ok(b"FETCH * BODY[HEADER.FIELDS (RECEIVED)]"))
                box.close()
                return b"from user\r\n" in head and b"127.0.0." not in head \
                    and b"client.example" not in head
            self.assertTrue(until(hidden))
        finally:
            run("setting", "unset", "submission.hide_client")


if __name__ == "__main__":
    unittest.main()
