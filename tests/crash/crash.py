#!/usr/bin/env python3
"""Mail and appends under fire: front-end workers and back-ends are killed with SIGKILL at random
moments and started again, while clients deliver and append. Afterwards:

  - a message that was answered 250 (or OK) is there exactly once, for every recipient;
  - one that was refused is nowhere; one that was never answered is there once for all its
    recipients, or for none;
  - every message that is there is whole;
  - `postern fsck`, and `postern-backend fsck` over the stopped partitions, find nothing.

  tests/crash/crash.py        brings up a cluster of its own, below POSTERN_CRASH_DIR
      POSTERN_CRASH_KILLS     how many (200)
      POSTERN_CRASH_SEED      of the moments and the targets (drawn)
      POSTERN_CRASH_PORT      base port (42000)
"""
import collections
import hashlib
import os
import random
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import threading
import time
import uuid

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

OPTIONS = ["--frontends", "2", "--backends", "2", "--accounts", "20",
           "--set", "workers.smtp=2", "--set", "workers.imap=2"]
TARGETS = ["be1", "be2", "be1", "be2", "fe1/smtp", "fe2/smtp", "fe1/imap", "fe2/imap", "fe1", "fe2"]
SENDERS, APPENDERS = 4, 3
ACCOUNTS = 8 # whose mailboxes are filled
SETTLE_SECONDS = 60

Sent = collections.namedtuple("Sent", "id recipients digest outcome")
DIGEST = re.compile(rb"\r\nX-Digest: ([0-9a-f]{64})\r\n")
MESSAGE_ID = re.compile(rb"\r\nMessage-ID: <([0-9a-f]{32})@crash\.example>\r\n")


def compose(rng):
    """(id, message): its header holds the digest of its body."""
    ident = "%032x" % rng.getrandbits(128)
    size = rng.choice((200, 4000, 4000, 20000, 100000, 700000))
    body = b"".join(b"%076x\r\n" % rng.getrandbits(300) for _ in range(size // 78 + 1))
    head = ("From: crash@elsewhere.example\r\nTo: somebody@example.org\r\nSubject: %s\r\n"
            "Message-ID: <%s@crash.example>\r\nX-Digest: %s\r\n\r\n" %
            (ident[:8], ident, hashlib.sha256(body).hexdigest())).encode()
    return ident, head + body


class Load:
    """The clients. sent is what they know: "yes" answered, "no" refused, "?" never told."""

    def __init__(self, seed):
        import postern
        self.postern, self.seed = postern, seed
        # Accounts of its own: everything in their mailboxes is known.
        end = "-%06x@%s" % (random.getrandbits(24), postern.cluster()["domain"])
        self.accounts = [{"address": "crash%d" % i + end, "password": uuid.uuid4().hex}
                         for i in range(ACCOUNTS)]
        self.addresses = [a["address"] for a in self.accounts]
        self.group = "crash-team" + end
        self.members = self.addresses[:4]
        self.sent, self.lock = [], threading.Lock()
        self.stop = threading.Event()
        self.progress = threading.Condition(self.lock)
        self.faults = []
        self.threads = [threading.Thread(target=self.guard, args=(f, i), daemon=True)
                        for i, f in enumerate([self.send] * SENDERS + [self.append] * APPENDERS)]

    def start(self):
        for t in self.threads:
            t.start()

    def finish(self):
        self.stop.set()
        for t in self.threads:
            t.join(120)
        if any(t.is_alive() for t in self.threads):
            self.faults.append("a client hangs")

    def guard(self, work, i):
        try:
            work(random.Random(self.seed * 1000 + i), i % 2)
        except Exception as e:
            self.faults.append("client %d: %r" % (i, e))

    def record(self, *row):
        with self.progress:
            self.sent.append(Sent(*row))
            self.progress.notify_all()

    def await_progress(self, more, seconds):
        """Until so many messages more were answered, or so long."""
        with self.progress:
            goal = sum(s.outcome == "yes" for s in self.sent) + more
            self.progress.wait_for(
                lambda: sum(s.outcome == "yes" for s in self.sent) >= goal, seconds)

    def recipients(self, rng):
        """(addresses at RCPT, accounts that must have it)"""
        kind = rng.random()
        if kind < 0.5:
            to = [rng.choice(self.addresses)]
        elif kind < 0.85:
            to = rng.sample(self.addresses, rng.randint(2, 5))
        else:
            to = [self.group] + rng.sample(self.addresses[4:], 1)
        return to, sorted(set(a for t in to for a in (self.members if t == self.group else [t])))

    # One connection serves some messages; any trouble begins a new one.
    def send(self, rng, fe):
        s = None
        while not self.stop.is_set():
            to, accounts = self.recipients(rng)
            ident, text = compose(rng)
            try:
                if s is None:
                    fe = 1 - fe
                    f = self.postern.frontend(fe)
                    s = smtplib.SMTP(f["host"], f["ports"]["smtp"], timeout=60)
                    s.ehlo("crash.example")
                if s.mail("crash@elsewhere.example")[0] != 250 or \
                        any(s.rcpt(t)[0] != 250 for t in to):
                    s.close()
                    s = None
                    continue
            except (OSError, smtplib.SMTPException):
                s = None
                continue
            try:
                code = s.data(text)[0]
            except smtplib.SMTPDataError as e:
                code = e.smtp_code
            except (OSError, smtplib.SMTPException):
                code = 0
            # 451 can mean that the owner's answer was lost: it has the message, perhaps.
            outcome = "yes" if code == 250 else "no" if code // 100 == 5 else "?"
            self.record(ident, accounts, hashlib.sha256(text.partition(b"\r\n\r\n")[2]).hexdigest(),
                        outcome)
            if code != 250 or rng.random() < 0.1:
                s.close()
                s = None

    def append(self, rng, fe):
        from raw import Imap
        box = None
        while not self.stop.is_set():
            who = rng.randrange(ACCOUNTS)
            try:
                if box is None:
                    fe = 1 - fe
                    box = Imap(self.accounts[who], fe=fe, seconds=60)
                    owner = self.addresses[who]
            except (OSError, EOFError, AssertionError):
                box = None
                continue
            ident, text = compose(rng)
            try:
                r, _ = box.cmd(b"APPEND INBOX ", text)
                word = r.split(b" ")[1] if b" " in r else b""
                outcome = "yes" if word == b"OK" else "no" if word == b"BAD" else "?"
            except (OSError, EOFError, AssertionError):
                outcome = "?"
            self.record(ident, [owner], hashlib.sha256(text.partition(b"\r\n\r\n")[2]).hexdigest(),
                        outcome)
            if outcome != "yes" or rng.random() < 0.1:
                box.close()
                box = None

    # ---- afterwards ----

    def mailbox(self, i):
        """Counter of the ids in account i's INBOX; a message that is not whole is a fault."""
        from raw import Imap
        box, found = Imap(self.accounts[i]), collections.Counter()
        box.ok(b"SELECT INBOX")
        for first in range(1, box.exists + 1, 200):
            for r in box.ok(b"FETCH %d:%d BODY.PEEK[]" % (first, min(first + 199, box.exists))):
                if b"BODY[]" not in r:
                    continue
                ident, digest = MESSAGE_ID.search(r), DIGEST.search(r)
                if not ident or not digest:
                    self.faults.append("%s: a message without its header" % self.addresses[i])
                    continue
                literal = re.search(rb"BODY\[\] \{(\d+)\}\r\n", r)
                body = r[literal.end():literal.end() + int(literal.group(1))]
                body = body.partition(b"\r\n\r\n")[2]
                if hashlib.sha256(body).hexdigest().encode() != digest.group(1):
                    self.faults.append("%s: %s is not whole" % (self.addresses[i], ident.group(1)))
                found[ident.group(1).decode()] += 1
        box.close()
        return found

    def judge(self, found):
        """What is wrong with {address: Counter}."""
        wrong, known = [], {}
        for s in self.sent:
            known[s.id] = s
            counts = [found[a][s.id] for a in s.recipients]
            others = [a for a in found if found[a][s.id] and a not in s.recipients]
            if others:
                wrong.append("%s is in %s, who never got it" % (s, others))
            if s.outcome == "yes" and counts != [1] * len(counts):
                wrong.append("%s answered, found %s" % (s, counts))
            elif s.outcome == "no" and any(counts):
                wrong.append("%s refused, found %s" % (s, counts))
            elif s.outcome == "?" and len(set(counts)) != 1 or max(counts) > 1:
                wrong.append("%s unanswered, found %s" % (s, counts))
        for a, ids in found.items():
            wrong += ["%s has an unknown %s" % (a, i) for i in ids if i not in known]
        return wrong

    def verdict(self):
        """Everything that is wrong. What one owner queued for another comes a little later."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = {a: self.mailbox(i) for i, a in enumerate(self.addresses)}
            wrong = self.judge(found)
            if not wrong or self.faults or time.monotonic() > deadline:
                return self.faults + wrong


def kill_rounds(load, kills, seed):
    """Kills and starts again, each time after the load has got somewhere."""
    import postern
    rng, done = random.Random(seed), collections.Counter()
    while sum(done.values()) < kills:
        load.await_progress(rng.randint(1, 12), 10)
        time.sleep(rng.random() * 0.05) # the moment itself is what is drawn
        target = rng.choice(TARGETS)
        killed = subprocess.run([os.path.join(TOP, "deploy", "cluster"), "kill", postern.FOLDER,
                                 target, "KILL"], capture_output=True, text=True)
        if killed.returncode != 0: # a worker that is between two lives
            continue
        done[target] += 1
        if "/" not in target:
            postern.cluster_command("start", target)
    return done


def add_accounts(load):
    status, out, err = load.postern.postern("account", "import", "-", text_in="".join(
        "%s,%s\n" % (a["address"], a["password"]) for a in load.accounts))
    assert status == 0, err
    status, out, err = load.postern.postern("alias", "add", load.group, *load.members)
    assert status == 0, err


def offline(postern):
    """Stops the back-ends, checks their partitions, starts them again."""
    wrong = []
    for b in postern.cluster()["backends"]:
        postern.cluster_command("kill", b["name"], "TERM")
        status, text = postern.offline_fsck(b["name"])
        if status != 0:
            wrong.append("offline fsck of %s: %s" % (b["name"], text))
    for b in postern.cluster()["backends"]:
        postern.cluster_command("start", b["name"])
    return wrong


def run(kills, seed):
    """(what is wrong, what was done) on the cluster of postern.FOLDER."""
    import postern
    load = Load(seed)
    add_accounts(load)
    load.start()
    try:
        done = kill_rounds(load, kills, seed)
    finally:
        load.finish()
    wrong = load.verdict()
    status, out, err = postern.postern("fsck")
    if status != 0:
        wrong.append("fsck: %s%s" % (out, err))
    wrong += offline(postern)
    outcomes = collections.Counter(s.outcome for s in load.sent)
    if outcomes["yes"] < kills: # a cluster that serves nobody loses nothing
        wrong.append("only %d messages were answered in %d kills" % (outcomes["yes"], kills))
    return wrong, "seed %d, kills %s, messages answered %d, refused %d, unanswered %d" % (
        seed, dict(done), outcomes["yes"], outcomes["no"], outcomes["?"])


def main():
    kills = int(os.environ.get("POSTERN_CRASH_KILLS", "200"))
    seed = int(os.environ.get("POSTERN_CRASH_SEED", uuid.uuid4().int % 1000000))
    folder = tempfile.mkdtemp(prefix="postern-crash-", dir=os.environ.get("POSTERN_CRASH_DIR"))
    os.environ["POSTERN_TEST_CLUSTER"] = folder
    cluster = os.path.join(TOP, "deploy", "cluster")
    subprocess.run([cluster, "up", folder, "--base-port",
                    os.environ.get("POSTERN_CRASH_PORT", "42000"), *OPTIONS], check=True)
    try:
        wrong, summary = run(kills, seed)
    finally:
        subprocess.run([cluster, "down", folder])
    print(summary)
    for w in wrong[:50]:
        print("WRONG: %s" % w)
    print("%d passed, %d failed" % (not wrong, len(wrong)))
    if wrong:
        print("kept: " + folder)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
