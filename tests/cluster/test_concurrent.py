"""Twenty sessions on one mailbox through two front-ends: what each is told fits together, and at
the end all see the same. POSTERN_TEST_SECONDS says how long (5; `make soak`: 60)."""
import os
import random
import re
import threading
import unittest

from postern import account_of
from raw import Imap

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]

SESSIONS, IDLERS = 20, 4
SECONDS = float(os.environ.get("POSTERN_TEST_SECONDS", "5"))
FLAGS = (b"\\Seen", b"\\Flagged", b"\\Answered", b"$Junk", b"later")


class Shared:
    def __init__(self):
        self.lock = threading.Lock()
        self.appended, self.deleted, self.errors = set(), set(), []
        self.commands = 0
        self.over = threading.Event()


def random_set(rng, box):
    a, b = rng.randint(1, box.exists), rng.randint(1, box.exists)
    return b"%d:%d" % (min(a, b), min(max(a, b), min(a, b) + 5))


def one_step(rng, box, shared):
    kind = rng.random()
    if kind < 0.25 or not box.exists:
        uid = box.append(b"Subject: %d\r\n\r\nbody\r\n" % rng.getrandbits(60), b"Arena",
                         flags=rng.choice(FLAGS) if rng.random() < 0.5 else b"")
        with shared.lock:
            if uid in shared.appended:
                shared.errors.append("UID %d was given twice" % uid)
            shared.appended.add(uid)
    elif kind < 0.45:
        r, _ = box.cmd(b"STORE %s %sFLAGS (%s)" % (
            random_set(rng, box), rng.choice((b"+", b"-")), rng.choice(FLAGS)))
        # Another session may have expunged one of them, which this one is told by NOOP.
        assert r.split(b" ")[1] == b"OK" or b" NO [EXPUNGEISSUED]" in r, r
    elif kind < 0.55:
        with shared.lock:
            uid = rng.choice(sorted(shared.appended) or [1])
            shared.deleted.add(uid)
        box.ok(b"UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
    elif kind < 0.62:
        box.ok(b"EXPUNGE")
    elif kind < 0.8:
        r, _ = box.cmd(b"FETCH %s (UID FLAGS ENVELOPE RFC822.SIZE BODY.PEEK[TEXT])" % random_set(rng, box))
        assert r.split(b" ")[1] == b"OK" or b" NO [EXPUNGEISSUED]" in r, r
    elif kind < 0.9:
        box.ok(b"UID SEARCH UNSEEN")
    else:
        box.ok(b"NOOP")


def work(i, who, shared):
    rng = random.Random(i)
    try:
        box = Imap(who, fe=i % 2, seconds=60)
        box.ok(b"SELECT Arena")
        while not shared.over.is_set():
            one_step(rng, box, shared)
            with shared.lock:
                shared.commands += 1
        with shared.lock:
            shared.errors += ["session %d: %s" % (i, e) for e in box.errors]
        box.close()
    except Exception as e:
        with shared.lock:
            shared.errors.append("session %d: %r" % (i, e))
        shared.over.set()


def idle(i, who, shared, seen):
    """Keeps a sequence of UIDs by what IDLE tells alone."""
    try:
        box = Imap(who, fe=i % 2, seconds=60)
        box.ok(b"SELECT Arena")
        while not shared.over.is_set():
            box.idle()
            for _ in range(30):
                if box.pending(0.2):
                    box.response()
                if shared.over.is_set():
                    break
            r, _ = box.done()
            if b" OK" not in r:
                raise AssertionError(r)
        seen[i] = box
    except Exception as e:
        with shared.lock:
            shared.errors.append("idler %d: %r" % (i, e))
        shared.over.set()


class Concurrent(unittest.TestCase):
    def test_many_sessions_on_one_mailbox(self):
        who, shared, seen = account_of("be2", 2), Shared(), {}
        watcher = Imap(who)
        watcher.cmd(b"DELETE Arena")
        watcher.ok(b"CREATE Arena")
        watcher.ok(b"SELECT Arena")
        threads = [threading.Thread(target=work, args=(i, who, shared), daemon=True)
                   for i in range(SESSIONS - IDLERS)]
        threads += [threading.Thread(target=idle, args=(i, who, shared, seen), daemon=True)
                    for i in range(IDLERS)]
        for t in threads:
            t.start()
        shared.over.wait(SECONDS)
        shared.over.set()
        for t in threads:
            t.join(90)
            self.assertFalse(t.is_alive(), "a session hangs")
        self.assertEqual(shared.errors, [])
        self.assertGreater(shared.commands, 20 * SECONDS)
        self.judge(watcher, seen, who, shared)

    def judge(self, watcher, seen, who, shared):
        fresh = Imap(who, fe=1)
        fresh.ok(b"SELECT Arena")
        truth = fresh.uids()
        self.assertEqual(len(truth), fresh.exists)
        self.assertTrue(set(truth) <= shared.appended, "a message that nobody appended")
        self.assertTrue(shared.appended - set(truth) <= shared.deleted, "a message is lost")
        for box in [watcher, *seen.values()]:
            box.ok(b"NOOP")
            self.assertEqual(box.exists, len(truth))
            recent = frozenset([b"\\Recent"])
            self.assertEqual({u: f - recent for u, f in box.uids().items()},
                             {u: f - recent for u, f in truth.items()})
            self.assertEqual(box.errors, [])
            # Sequence numbers say the same.
            rows = [r for r in (box.ok(b"FETCH 1:* (UID)") if truth else [])
                    if b"UID" in r]
            pairs = [tuple(map(int, re.match(rb"\* (\d+) FETCH \(UID (\d+)\)", r).groups()))
                     for r in rows]
            self.assertEqual(pairs, list(enumerate(sorted(truth), 1)))
            box.close()
        fresh.close()


if __name__ == "__main__":
    unittest.main()
