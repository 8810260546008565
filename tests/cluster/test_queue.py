"""The operator's queue: what is seen of it, and what can be done with it. Nothing takes mail out of
this cluster, so what is for elsewhere waits."""
import json
import unittest
import uuid

from postern import account, account_of, cluster, message, postern, smtp, tls, until

CLUSTER = ["--frontends", "1", "--backends", "2", "--accounts", "12", "--set",
           "workers.outbound=-1"]

# Accounts of either back-end.
BOTH = (("be1", 0), ("be2", 0), ("be1", 1), ("be2", 1))
USAGE, DATA, NOUSER = 64, 65, 67


def run(*argv, want=0):
    status, out, err = postern(*argv)
    assert status == want, (argv, status, out, err)
    return out


def rows(*argv):
    return json.loads(run("--json", *argv))


def submit(who, recipients, sender=None):
    a = account(who)
    s = smtp(service="submission")
    s.starttls(context=tls())
    s.login(a["address"], a["password"])
    msg = message(recipients[0], sender=a["address"])
    refused = s.send_message(msg, a["address"] if sender is None else sender, recipients)
    s.quit()
    assert not refused, refused
    return a["address"]


class Queue(unittest.TestCase):
    """Each test has destinations of its own."""

    def setUp(self):
        self.domain = "d%s.test" % uuid.uuid4().hex[:10]

    def tearDown(self):
        run("queue", "remove", "--to", "@" + self.domain)
        self.assertEqual(self.listed(), [])

    def listed(self, *argv):
        return rows("queue", "list", "--to", "@" + self.domain, *argv)

    def fill(self, who, *names, **how):
        """Items for these at our domain, known to the scheduler."""
        sender = submit(who, ["%s@%s" % (n, self.domain) for n in names], **how)
        self.assertTrue(until(lambda: all(r["state"] == "ready" for r in self.listed())))
        return sender

    def ordered(self, verb, *argv):
        """The sums over all back-ends: done, busy, unfit."""
        got = rows("queue", verb, *argv)
        self.assertEqual({r["backend"] for r in got}, {"be1", "be2"})
        return tuple(sum(r[k] for r in got) for k in ("done", "busy", "unfit"))

    def test_filters(self):
        senders = [self.fill(account_of(be, skip), "a%d" % i, "b%d" % i)
                   for i, (be, skip) in enumerate(BOTH)]
        self.assertEqual({r["backend"] for r in self.listed()}, {"be1", "be2"})
        for argv, want in (
                (["--sender", senders[0]], 2), (["--sender", senders[0].upper()], 2),
                (["--sender", "@" + cluster()["domain"]], 8), (["--sender", "@nowhere.test"], 0),
                (["--destination", self.domain], 8), (["--destination", "nowhere.test"], 0),
                (["--state", "ready"], 8), (["--state", "held"], 0), (["--state", "bad"], 0),
                (["--older", "1h"], 0), (["--larger", "1m"], 0), (["--larger", "10"], 8),
                (["--sender", "<>"], 0)):
            self.assertEqual(len(self.listed(*argv)), want, argv)
        self.assertEqual([r["address"] for r in rows("queue", "list", "--to",
                                                     "A0@" + self.domain)],
                         ["a0@" + self.domain])
        one = self.listed()[0]
        self.assertEqual(rows("queue", "list", "--id", one["id"])[0]["address"], one["address"])
        self.assertEqual({r["trace"] for r in rows("queue", "list", "--trace", one["trace"])},
                         {one["trace"]})
        self.assertEqual(len(rows("queue", "list", "--trace", one["trace"])), 2)
        self.assertLessEqual(len(self.listed("--limit", "1")), 2)
        self.assertGreater(one["size_bytes"], 100)
        self.assertEqual((one["kind"], one["attempts"], one["destination"]),
                         ("outside", 0, self.domain))
        text = run("queue", "list", "--to", "@" + self.domain)
        self.assertRegex(text.splitlines()[0], r"^id +kind +state +sender +address +destination")

    def test_numbers(self):
        self.fill(0, "a", "b", "c")
        self.fill(1, "d")
        run("queue", "hold", "--to", "a@" + self.domain)
        got = self.listed("--count")
        self.assertEqual([sum(r[k] for r in got) for k in ("items", "ready", "held", "bad")],
                         [4, 3, 1, 0])
        got = self.listed("--summary")
        self.assertEqual({r["name"] for r in got["destinations"]}, {self.domain})
        self.assertEqual(sum(r["items"] for r in got["destinations"]), 4)
        self.assertEqual({r["name"]: r["items"] for r in got["senders"]},
                         {account(0)["address"]: 3, account(1)["address"]: 1})
        self.assertIn("destinations:", run("queue", "list", "--summary"))

    def test_show(self):
        sender = self.fill(0, "a")
        one = self.listed()[0]
        got = rows("queue", "show", one["id"])
        self.assertEqual((got["sender"], got["address"], got["submitter"], got["state"]),
                         (sender, one["address"], sender, "ready"))
        self.assertEqual((got["window"], got["connections"], got["failures"], got["dest_ready"]),
                         (5, 0, 0, 1))
        self.assertEqual((got["worker"], got["content"], got["held"]), (None, "7bit", False))
        self.assertIn(one["address"], run("queue", "show", one["id"]))
        # Of either back-end, whichever is asked.
        for i, (be, skip) in enumerate(BOTH):
            self.fill(account_of(be, skip), "b%d" % i)
        for r in self.listed():
            self.assertEqual(rows("queue", "show", r["id"])["address"], r["address"])
        run("queue", "show", "0.18446744073709551600", want=NOUSER)
        run("queue", "show", "99999.1", want=NOUSER)
        run("queue", "show", "nonsense", want=DATA)

    def test_show_what_is_asked_of_servers(self):
        """Of the message and of its sender: each is a word, and 7bit what has none of the first."""
        a = account(0)["address"]
        plain = "From: %s\r\nSubject: x\r\n%%s\r\nx\r\n" % a
        for name, options, header, content in (
                ("plain", [], "", "7bit"),
                ("eight", ["BODY=8BITMIME"], "X-Eight: \u00fc\r\n", "8bit"),
                ("utf", ["BODY=8BITMIME", "SMTPUTF8"], "X-Eight: \u00fc\r\n", "8bit,utf8"),
                ("tls", ["REQUIRETLS"], "", "7bit,requiretls"),
                ("any", [], "TLS-Required: No\r\n", "7bit,tls-optional"),
                ("bits", ["BODY=BINARYMIME"], "", "binary")):
            with self.subTest(name), smtp(service="submission") as s:
                s.starttls(context=tls())
                s.login(a, account(0)["password"])
                s.ehlo()
                self.assertEqual(s.mail(a, options)[0], 250)
                self.assertEqual(s.rcpt("%s@%s" % (name, self.domain))[0], 250)
                text = (plain % header).encode()
                s.send(b"BDAT %d LAST\r\n%s" % (len(text), text))
                self.assertEqual(s.getreply()[0], 250)
                one, = [r for r in self.listed() if r["address"].startswith(name)]
                self.assertEqual(rows("queue", "show", one["id"])["content"], content)

    def test_hold_and_release(self):
        self.fill(0, "a", "b")
        self.fill(1, "c")
        self.assertEqual(self.ordered("hold", "--sender", account(0)["address"], "--destination",
                                      self.domain, "--reason", "who is this?"), (2, 0, 0))
        held = self.listed("--state", "held")
        self.assertEqual({r["address"].split("@")[0] for r in held}, {"a", "b"})
        self.assertEqual({r["why"] for r in held}, {"it is held"})
        self.assertEqual(self.ordered("retry", "--to", "@" + self.domain), (1, 0, 2))
        self.assertEqual(self.ordered("release", "--to", "@" + self.domain), (2, 0, 1))
        self.assertEqual(self.listed("--state", "held"), [])

    def test_bounce_tells_the_sender(self):
        self.fill(0, "a", "b")
        self.assertEqual(self.ordered("bounce", "--to", "a@" + self.domain, "--reason",
                                      "not from here"), (1, 0, 0))
        left = {r["address"].split("@")[0]: r for r in self.listed()}
        self.assertEqual((left["a"]["kind"], left["a"]["status"], left["a"]["last_error"]),
                         ("notice", "5.7.0", "not from here"))
        self.assertEqual(left["b"]["kind"], "outside")
        self.assertEqual([r["id"] for r in self.listed("--state", "notice")], [left["a"]["id"]])
        # There is no notice of a notice.
        self.assertEqual(self.ordered("bounce", "--id", left["a"]["id"]), (0, 0, 1))

    def test_bad_ones(self):
        """What nobody can be told of is kept, can be tried anew, and goes after a while."""
        self.fill(0, "a", "b", sender="<>")
        self.assertEqual(self.ordered("bounce", "--to", "a@" + self.domain, "--reason",
                                      "not from here"), (1, 0, 0))
        bad = self.listed("--state", "bad")
        self.assertEqual([(r["address"], r["state"], r["sender"], r["last_error"]) for r in bad],
                         [("a@" + self.domain, "bad", "", "not from here")])
        self.assertEqual(sum(r["bad"] for r in self.listed("--count")), 1)
        self.assertEqual(rows("queue", "show", bad[0]["id"])["state"], "bad")
        self.assertEqual(self.ordered("retry", "--id", bad[0]["id"]), (0, 0, 1))
        self.assertEqual(self.ordered("requeue", "--to", "@" + self.domain), (1, 0, 0))
        self.assertTrue(until(lambda: {r["state"] for r in self.listed()} == {"ready"}))
        self.assertEqual({r["attempts"] for r in self.listed()}, {0})
        self.ordered("bounce", "--to", "a@" + self.domain)
        self.assertEqual(len(self.listed("--state", "bad")), 1)
        self.addCleanup(run, "setting", "unset", "queue.bad_keep")
        run("setting", "set", "queue.bad_keep", "1ms")
        self.assertTrue(until(lambda: self.listed("--state", "bad") == []))
        self.assertEqual([r["address"] for r in self.listed()], ["b@" + self.domain])

    def test_bad_one_whose_domain_became_ours(self):
        """It was taken without a look into it, and so has to come in as others' mail does."""
        self.fill(0, "a", sender="<>")
        self.assertEqual(self.ordered("bounce", "--to", "a@" + self.domain), (1, 0, 0))
        run("domain", "add", self.domain)
        self.addCleanup(run, "domain", "remove", self.domain)
        self.assertEqual(self.ordered("requeue", "--to", "@" + self.domain), (1, 0, 0))
        self.assertEqual([r["kind"] for r in self.listed()], ["outside"])

    def test_columns_line_up_across_back_ends(self):
        for i, (be, skip) in enumerate(BOTH):
            self.fill(account_of(be, skip), "a" * (5 + 15 * i), "b" * (5 + 15 * i))
        lines = run("queue", "list", "--to", "@" + self.domain).splitlines()
        self.assertEqual(len(lines), 1 + 2 * len(BOTH))
        at = lines[0].index("destination")
        for line in lines[1:]:
            self.assertEqual(line[at:].split()[0], self.domain, lines)

    def test_reroute(self):
        self.fill(0, "a")
        mine = ["--to", "@" + self.domain]
        for via, want in (("relay.test:26", "[relay.test]:26"), ("192.0.2.1", "[192.0.2.1]"),
                          ("[2001:db8::1]:2525", "[2001:db8::1]:2525"),
                          ("2001:db8::1", "[2001:db8::1]"), ("none", self.domain)):
            self.assertEqual(self.ordered("reroute", "--via", via, *mine), (1, 0, 0))
            self.assertEqual([r["destination"] for r in self.listed()], [want])
            self.assertEqual(rows("queue", "show", self.listed()[0]["id"])["destination"], want)
        for via in ("", "*", "-x", "<notices>", "127.0.1.1:25:1", "a_b", "a b", "x:0", "x:65536", "[x", "[x]y", "[]", ":25"):
            run("queue", "reroute", "--via", via, *mine, want=DATA)

    def test_usage(self):
        for argv in (["hold"], ["remove", "--limit", "5"], ["bounce", "--reason", "x"],
                     ["reroute", "--all"], ["reroute", "--via", "x.test"],
                     ["retry", "--all", "--sender", "x@y.test"], ["list", "--state", "odd"],
                     ["list", "--count", "--summary"], ["list", "--older", "soon"], ["show"]):
            run("queue", *argv, want=USAGE)
        run("queue", "list", "--id", "7", want=DATA)
        run("queue", "list", "--trace", "00", want=DATA)
        for empty in ([x, ""] for x in ("--sender", "--to", "--destination", "--server", "--trace",
                                        "--id")):
            for verb in ("list", "remove"):
                status, _, err = postern("queue", verb, "--state", "down", *empty)
                self.assertEqual(status, DATA, err)
                self.assertIn("%s: the condition is empty" % empty[0][2:], err)
        for nothing in (["--older", "0"], ["--older", "500ms"], ["--larger", "0"],
                        ["--limit", "0"], ["--limit", "none"]):
            run("queue", "remove", "--state", "down", *nothing, want=DATA)
        run("queue", "remove", "--all", "--limit", "0", want=DATA)
        run("queue", "list", "--state", "", want=USAGE)
        run("queue", "list", "--state", "STATE_HELD", want=USAGE)
        for reason in ("two\nlines", "x" * 513):
            run("queue", "hold", "--to", "x@y.test", "--reason", reason, want=DATA)

    def test_audit(self):
        self.fill(0, "a")
        run("queue", "hold", "--to", "@" + self.domain, "--reason", "looks odd")
        run("queue", "reroute", "--via", "a b", "--to", "@" + self.domain, want=DATA)
        want = {("queue.hold", "to=@%s" % self.domain, "ok", "looks odd")}
        refused = ("queue.edit", "to=@%s" % self.domain, "invalid")

        def seen():
            got = rows("audit", "list", "--limit", "20")
            return (want <= {(r["method"], r["target"], r["result"], r["detail"]) for r in got} and
                    refused in {(r["method"], r["target"], r["result"]) for r in got})

        self.assertTrue(until(seen))


if __name__ == "__main__":
    unittest.main()
