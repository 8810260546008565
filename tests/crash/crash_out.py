#!/usr/bin/env python3
"""Mail to other systems under fire: outbound workers, submission workers and back-ends are killed
with SIGKILL at random moments and started again, while users submit. Afterwards:

  - a message that was answered 250 has reached the other system, for every recipient;
  - it came twice only where its own worker or back-end was killed while it was under way, or between
    the other system's 250 and our commit of it: what waited in line for a slow system comes once;
  - no kill makes more come twice than are under way at a time;
  - every message that came is whole, and the queue is empty;
  - as many messages were taken, and came, as there were kills.

  tests/crash/crash_out.py    brings up a cluster of its own, below POSTERN_CRASH_DIR
      POSTERN_CRASH_KILLS     how many (200)
      POSTERN_CRASH_SEED      of the moments and the targets (drawn)
      POSTERN_CRASH_PORT      base port (42000)
"""
import collections
import hashlib
import json
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

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import dnszone  # noqa: E402
from sink import Sink  # noqa: E402

OPTIONS = ["--frontends", "2", "--backends", "2", "--accounts", "8",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s",
           "--set", "submission.burst_recipients=0", "--set", "submission.burst_failed_percent=0",
           "--set", "submission.burst_factor=0", "--set", "submission.limit_minute=0",
           "--set", "submission.limit_hour=0", "--set", "submission.limit_day=0",
           "--set", "submission.recipients_hour=0", "--set", "submission.recipients_day=0"]
TARGETS = ["fe1/outbound", "fe2/outbound", "be1", "be2", "fe1/outbound", "fe2/outbound",
           "fe1/submission", "fe2"]
FAST, SLOW = "127.0.1.21", "127.0.1.22"
ZONE = ("\n".join("d%d MX 10 mx" % i for i in range(6)) + "\nslow MX 10 mxslow\nmx A %s\nmxslow A %s\n"
        % (FAST, SLOW))
SENDERS = 4
SETTLE_SECONDS = 90
# The slow system thinks so long about each message, and users have so many on their way to it: more
# than connections, so that some wait in line; few enough for one connection until all has settled.
SLOW_SECONDS = 3
SLOW_AHEAD = 16
# A result is in its back-end's store so long after the other system's 250, or its front-end or
# back-end was killed meanwhile, or is not there: a report goes on until somebody takes it.
REPORT_SECONDS = 5
# Recipients under way to seven destinations, or not reported yet, of one worker or one back-end:
# most are fast, and have one or two.
TWICE_MAX = 80

DIGEST = re.compile(rb"\r\nX-Digest: ([0-9a-f]{64})\r\n")
IDENT = re.compile(rb"\r\nMessage-ID: <([0-9a-f]{32})@crash\.example>\r\n")


def compose(rng, sender):
    """(id, message): its header holds the digest of its body."""
    ident = "%032x" % rng.getrandbits(128)
    body = b"".join(b"%076x\r\n" % rng.getrandbits(300)
                    for _ in range(rng.choice((3, 50, 50, 300, 2000))))
    head = ("From: %s\r\nTo: somebody@d0.out.test\r\nSubject: %s\r\nMessage-ID: <%s@crash.example>"
            "\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\nX-Digest: %s\r\n\r\n" %
            (sender, ident[:8], ident, hashlib.sha256(body).hexdigest())).encode()
    return ident, head + body


def address_of(line):
    return line.partition(b"<")[2].partition(b">")[0].decode()


# begun: MAIL was said; taken: our 250 was; by: the front-end; sender: whose mail it is.
Arrival = collections.namedtuple("Arrival", "begun taken by sender")


class TimedSink(Sink):
    """Knows when it said 250, and of which recipients."""

    def __init__(self, arrivals, *args, slow=0, **kwargs):
        self.arrivals, self.came = arrivals, set()
        super().__init__(*args, **kwargs)
        if slow:
            self.does["dot"] = lambda: self.closing.wait(slow) and "close"

    def took(self, mail):
        found = IDENT.search(mail.data)
        for line in mail.rcpts:
            key = found.group(1).decode(), address_of(line)
            self.came.add(key)
            self.arrivals[key].append(
                Arrival(mail.begun, time.monotonic(), mail.helo.decode(), address_of(mail.sender)))


class Load:
    """The users. sent: {(id, recipient)} that were answered 250."""

    def __init__(self, seed, slow):
        import postern
        self.slow, self.to_slow = slow, 0
        self.postern, self.stop, self.sent, self.lock = postern, threading.Event(), set(), threading.Lock()
        self.threads = [threading.Thread(target=self.submit, args=(random.Random(seed + i), i))
                        for i in range(SENDERS)]
        for t in self.threads:
            t.start()

    def submit(self, rng, who):
        a = self.postern.account(who)
        while not self.stop.is_set():
            try:
                with self.postern.smtp(rng.randrange(2), "submission") as s:
                    s.starttls(context=self.postern.tls())
                    s.login(a["address"], a["password"])
                    while not self.stop.is_set():
                        self.one(rng, s, a["address"])
            except (OSError, smtplib.SMTPException):
                self.stop.wait(0.2)

    def one(self, rng, s, sender):
        ident, data = compose(rng, sender)
        to = ["r%d@d%d.out.test" % (rng.randrange(50), rng.randrange(6))
              for _ in range(rng.choice((1, 1, 1, 2, 5)))]
        is_slow = self.to_slow - len(self.slow.came) < SLOW_AHEAD
        if is_slow:
            to = ["r%d@slow.out.test" % rng.randrange(50)]
        refused = s.sendmail(sender, list(dict.fromkeys(to)), data)
        with self.lock:
            self.to_slow += is_slow
            self.sent |= {(ident, r) for r in to if r not in refused}

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def killed(postern, target):
    """False: a worker that was killed has not been started again yet."""
    try:
        postern.cluster_command("kill", target, "KILL")
    except AssertionError as e:
        if "is not running" not in str(e):
            raise
        return False
    return True


def kill_some(postern, kills, rng):
    """[(moment, target)]"""
    done = []
    for _ in range(kills):
        time.sleep(rng.uniform(0.05, 1.0))
        target = rng.choice(TARGETS)
        assert postern.until(lambda: killed(postern, target)), target
        done.append((time.monotonic(), target))
        if "/" not in target:
            postern.cluster_command("start", target)
    return done


def waiting(postern):
    status, out, _ = postern.postern("--json", "queue", "list")
    return json.loads(out) if status == 0 else None


def why_twice(arrival, moments, owners):
    """The kill that can have made this one come again, or None: of who carried it or of who waited
    for the result, after it was begun (moments are those at which killing was over)."""
    theirs = (arrival.by, arrival.by + "/outbound", owners.get(arrival.sender))
    for moment, target in moments:
        if (target in theirs and
                arrival.begun - 1 <= moment <= arrival.taken + REPORT_SECONDS):
            return moment, target
    return None


def judge(arrivals, mails, sent, moments, owners):
    """What is wrong, and how often a message came twice."""
    wrong, twice = [], collections.Counter()
    for key in sorted(sent):
        if key not in arrivals:
            wrong.append("lost: %s to %s" % key)
    for key, times in arrivals.items():
        for earlier in sorted(times)[:-1]:
            kill = why_twice(earlier, moments, owners)
            twice[kill] += 1
            if kill is None:
                wrong.append("twice without a kill: %s to %s" % key)
    for kill, n in twice.items():
        if n > TWICE_MAX:
            wrong.append("%d came twice of one kill, of %s" % (n, kill[1] if kill else "nobody"))
    for mail in mails:
        body = mail.data.partition(b"\r\n\r\n")[2]
        if DIGEST.search(mail.data).group(1).decode() != hashlib.sha256(body).hexdigest():
            wrong.append("not whole: %s" % IDENT.search(mail.data).group(1).decode())
    return wrong, twice.total()


def too_few(mails, sent, kills):
    """A cluster that serves nobody loses nothing: at least a message for each kill."""
    counts = {"answered": len({ident for ident, _ in sent}), "at the other side": len(mails)}
    return ["only %d messages %s in %d kills" % (n, what, kills)
            for what, n in counts.items() if n < kills]


def run(kills, seed, dns, port):
    """(what is wrong, a summary); on the cluster of $POSTERN_TEST_CLUSTER."""
    import postern
    rng = random.Random(seed)
    zone = dnszone.Zone({"out.test": ZONE}, port=int(dns.partition(":")[2]))
    arrivals = collections.defaultdict(list)
    sinks = [TimedSink(arrivals, FAST, port), TimedSink(arrivals, SLOW, port, slow=SLOW_SECONDS)]
    try:
        load = Load(seed, sinks[1])
        moments = kill_some(postern, kills, rng)
        load.end()
        postern.restore()
        # What three workers have died with is put off for long: it may have been the reason.
        postern.postern("queue", "retry", "--to", "@slow.out.test")
        left = postern.until(lambda: waiting(postern) == [], SETTLE_SECONDS)
        mails = [mail for s in sinks for mail in s.mails]
        wrong, twice = judge(arrivals, mails, load.sent, moments, postern.owners())
        wrong += too_few(mails, load.sent, kills)
        if not left:
            wrong.insert(0, "the queue is not empty: %s" % str(waiting(postern))[:2000])
        return wrong, ("%d kills (seed %d): %d recipients answered, %d arrivals, %d of them twice"
                       % (kills, seed, len(load.sent),
                          sum(map(len, arrivals.values())), twice))
    finally:
        for s in sinks:
            s.close()
        zone.close()


def main():
    kills = int(os.environ.get("POSTERN_CRASH_KILLS", "200"))
    seed = int(os.environ.get("POSTERN_CRASH_SEED", random.SystemRandom().randrange(10 ** 6)))
    port = int(os.environ.get("POSTERN_CRASH_PORT", "42000"))
    folder = tempfile.mkdtemp(prefix="postern-crash-", dir=os.environ.get("POSTERN_CRASH_DIR"))
    cluster = os.path.join(TOP, "deploy", "cluster")
    dns = "127.0.0.1:%d" % (port + 353)
    os.environ["POSTERN_TEST_CLUSTER"] = folder
    subprocess.run([cluster, "up", folder, "--base-port", str(port), *OPTIONS, "--set", "dns=" + dns,
                    "--set", "smtp.port_out=%d" % (port + 26)], check=True)
    try:
        wrong, summary = run(kills, seed, dns, port + 26)
    finally:
        subprocess.run([cluster, "down", folder])
    print(summary)
    print("\n".join(wrong[:50]))
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)
    print("%d passed, %d failed" % (not wrong, bool(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
