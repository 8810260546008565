"""Keys that sign mail follow one another by themselves, once DNS has their records; and no signature
fails meanwhile."""
import json
import os
import re
import threading
import unittest
import uuid

import dkim_check
import dnszone
import postern
from postern import account_of, cluster, until
from test_dkim import dkim, fetch, forget_keys, keys, records, session, simple, submit

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40", "--set", "dns={dns}",
           "--set", "submission.limit_minute=0", "--set", "submission.limit_hour=0",
           "--set", "submission.limit_day=0"]
TAKES = 35  # seconds


def setUpModule():
    global zone
    zone = dnszone.Zone({"example.org": ""},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def publish(known):
    """The zone has these records, and no others."""
    zone.change({"example.org": "\n".join(
        "%s. TXT ( %s )" % (name, " ".join('"%s"' % part for part in re.findall(".{1,200}", text)))
        for name, text in known.items())})


def states():
    return {k["selector"]: k["state"] for k in keys()}


class Rotation(unittest.TestCase):
    def setUp(self):
        self.domain = cluster()["domain"]
        self.here, self.there = account_of("be1"), account_of("be2")
        self.addCleanup(forget_keys)
        self.addCleanup(postern.restore)
        for key, value in (("dkim.check_every", "1s"), ("dkim.seen_for", "2s"),
                           ("dkim.rotate_after", "1h"), ("dkim.overlap", "1h")):
            postern.setting(key, value)
            self.addCleanup(postern.setting, key)
        publish({})

    def first_keys(self):
        """A pair in DNS, active without force; the selectors."""
        pair = json.loads(dkim("add", self.domain, "--json"))["selectors"]
        publish(records())
        self.assertTrue(until(lambda: postern.postern("dkim", "activate", self.domain)[0] == 0))
        return pair

    def successors(self, old):
        postern.setting("dkim.rotate_after", "1s")
        self.assertTrue(until(lambda: len(states()) == 4), states())
        # These are not to be followed at once, too.
        postern.setting("dkim.rotate_after", "1h")
        return [selector for selector in states() if selector not in old]

    def send_until(self, end, who, mark, failures):
        try:
            while not end.is_set():
                with session(who) as s:
                    for _ in range(5):
                        submit(who, [self.there], simple(who, mark), s)
        except Exception as e:  # told by the thread that can fail the test
            failures.append(e)

    def test_under_traffic(self):
        old = self.first_keys()
        mark, failures, end = uuid.uuid4().hex, [], threading.Event()
        senders = [threading.Thread(target=self.send_until, args=(end, who, mark, failures))
                   for who in (self.here, self.there)]
        for t in senders:
            t.start()
        try:
            new = self.successors(old)
            known = records()
            # Their records are not in DNS: the old ones go on. Each look leaves its mark in the
            # claim.
            for _ in range(3):
                claim = postern.sql("select until from claims")
                self.assertTrue(until(lambda: postern.sql("select until from claims") != claim))
            self.assertEqual(states(), {**{s: "active" for s in old}, **{s: "new" for s in new}})
            publish(known)
            self.assertTrue(until(lambda: states() == {**{s: "retired" for s in old},
                                                       **{s: "active" for s in new}}), states())
        finally:
            end.set()
            for t in senders:
                t.join()
        self.assertEqual(failures, [])
        got = fetch(self.there, mark)
        self.assertGreater(len(got), 10)
        for good in dkim_check.verify(got, known):
            self.assertTrue(set(good) >= set(old) or set(good) >= set(new), good)
            self.assertTrue(all(good.values()), good)
        postern.setting("dkim.overlap", "1s")
        self.assertTrue(until(lambda: states() == {s: "active" for s in new}), states())
        done = {row[0] for row in postern.sql(
            "select method from audit where who like 'backend/be_' and result = 'ok'")}
        self.assertGreaterEqual(done, {"dkim.add", "dkim.seen", "dkim.activate", "dkim.retire",
                                       "dkim.remove"})

    def test_record_that_goes_away(self):
        """What was seen once has to be there still."""
        postern.setting("dkim.seen_for", "1h")
        old = self.first_keys()
        new = self.successors(old)
        publish(records())
        self.assertTrue(until(lambda: {states()[s] for s in new} == {"published"}))
        publish({name: text for name, text in records().items()
                 if name.partition(".")[0] not in new})
        self.assertTrue(until(lambda: {states()[s] for s in new} == {"new"}))
        self.assertEqual({states()[s] for s in old}, {"active"})

    def test_by_hand(self):
        dkim("add", self.domain, "--selector", "one", "--algorithm", "ed25519")
        status, _, err = postern.postern("dkim", "activate", self.domain, "one")
        self.assertNotEqual(status, 0)
        self.assertIn("one._domainkey." + self.domain, err)
        self.assertIn("--force", err)
        self.assertEqual(states()["one"], "new")
        # Another's record is none.
        publish({name: text.replace("p=", "p=AAAA") for name, text in records().items()})
        status, _, err = postern.postern("dkim", "activate", self.domain, "one")
        self.assertNotEqual(status, 0)
        publish(records())
        self.assertTrue(until(
            lambda: postern.postern("dkim", "activate", self.domain, "one")[0] == 0))
        self.assertEqual(states()["one"], "active")
        dkim("add", self.domain, "--selector", "two", "--algorithm", "ed25519")
        dkim("activate", self.domain, "two", "--force")
        self.assertEqual(states()["two"], "active")
        # Nobody said that it follows the first.
        claim = postern.sql("select until from claims")
        self.assertTrue(until(lambda: postern.sql("select until from claims") != claim))
        self.assertEqual(states(), {"one": "active", "two": "active"})

    def test_late(self):
        dkim("add", self.domain, "--selector", "one", "--algorithm", "ed25519")
        postern.sql("update dkim_keys set created = now() - interval '6 days'")
        self.assertIn("waits for its record in DNS for 6 days", dkim("list"))
        publish(records())
        self.assertTrue(until(lambda: states()["one"] == "published"))
        self.assertNotIn("waits", dkim("list"))
