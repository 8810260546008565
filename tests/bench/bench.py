#!/usr/bin/env python3
"""Measures Postern, and Postfix + Dovecot in the same shape, in one run on this machine.

  tests/bench/bench.py [--reps 3] [--only WORD]... [--no-peers] [--out FILE]

Each row runs once for each side in turn, `reps` times; the table shows medians and the ratio.
Client and servers share the cores, so the servers' CPU per operation compares better than rates.
"""
import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("POSTERN_BUILD", os.path.join(TOP, "build"))
MAILBENCH = os.path.join(BUILD, "mailbench")
PEERS = os.path.join(HERE, "peers", "setup-postfix-dovecot.sh")
CLUSTER = os.path.join(TOP, "deploy", "cluster")
USERS, IDLE, BASE_PORT = 100, 2000, 32000
META = "FETCH 1:* (FLAGS ENVELOPE INTERNALDATE RFC822.SIZE)"
FILLED = 1900  # user1900 .. user1903 hold 10,000 messages of 4 KiB each
# Growth, of Postern against itself: a user, and so many messages of 1 KiB in its mailbox before the
# first round.
GROWN = [(1910, 1000), (1911, 10000), (1912, 100000)]
# Log-ins of users whose proof is in no cache: each round so many others, above USERS.
COLD = 400
LAST = "FETCH %d:* (FLAGS ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)"
MANY = ["--tls", "starttls", "-c", "20"]


class Postern:
    name = "postern"

    def __init__(self, accounts):
        self.dir = tempfile.mkdtemp(prefix="postern-bench-")
        subprocess.run([CLUSTER, "up", self.dir, "--frontends", "2", "--accounts", str(accounts),
                        "--password", "benchmark pass", "--base-port", str(BASE_PORT),
                        "--set", "smtp.messages_max=0", "--set", "smtp.session_bytes_max=100g",
                        "--set", "smtp.local_sender_check=false", "--set", "log.level=warn"],
                       check=True)
        with open(os.path.join(self.dir, "cluster.json")) as f:
            c = json.load(f)
        self.nodes = c["frontends"], c["backends"]
        self.fe, self.fe2 = c["frontends"]
        self.user = ["--user", "user%d@example.org", "--pass", "benchmark pass"]

    def at(self, service, fe=None):
        fe = fe or self.fe
        return "%s:%d" % (fe["host"], fe["ports"][service])

    def smtp(self):
        return ["--server", self.at("smtp"), "--confirm", self.at("imaps"), "--confirm-tls", "tls"]

    def imaps(self):
        return ["--server", self.at("imaps"), "--tls", "tls"]

    def fill(self):
        return ["smtp", "--server", self.at("smtp")]

    def idle(self):
        # The notice goes to sessions of one front-end; the mail comes in at the other.
        pss = []
        for name, node in (("fe", self.fe), ("be", self.nodes[1][0])):
            pss += ["--pss", "%s=tree:%d" % (name, node["pids"][0])]
        return pss + ["--deliver", self.at("smtp", self.fe2), "--deliver-proto", "smtp"]

    def close(self):
        subprocess.run([CLUSTER, "down", self.dir])
        shutil.rmtree(self.dir, ignore_errors=True)


class Peers:
    name = "postfix+dovecot"

    def __init__(self, accounts):
        self.root = tempfile.mkdtemp(prefix="peers-bench-")
        os.chmod(self.root, 0o755)
        self.env = dict(os.environ, ROOT=os.path.join(self.root, "pd"), NUSERS=str(accounts))
        subprocess.run([PEERS, "start"], check=True, env=self.env, stdout=subprocess.DEVNULL)
        self.user = ["--user", "user%d@example.test", "--pass", "pass"]

    def smtp(self):
        return ["--server", "127.0.0.1:2525", "--confirm", "127.0.0.1:3143"]

    def imaps(self):
        return ["--server", "127.0.0.1:2993", "--tls", "tls"]

    def fill(self):
        return ["lmtp", "--server", "127.0.0.1:3024"]

    def idle(self):
        pd = self.env["ROOT"]
        return ["--pss", "fe=treefile:%s/fe/run/master.pid" % pd,
                "--pss", "be=treefile:%s/be/run/master.pid" % pd, "--deliver", "127.0.0.1:3024"]

    def close(self):
        subprocess.run([PEERS, "stop"], env=self.env, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.root, ignore_errors=True)


# Label; words for mailbench from a side; the figures to read, as (key, better) with better "up"
# (a rate) or "down" (a time, a cost).
CPU = ("server_cpu_us_per_op", "down")


def smtp_row(size, n, per_session=0):
    extra = ["--per-session", str(per_session)] if per_session else []
    return lambda s: ["smtp", *s.smtp(), *MANY, "-n", str(n), "-s", size, *extra,
                      "--users", str(USERS)]


def cold_row():
    """A verifier from the database and all its iterations; the peers keep plain text."""
    rounds = collections.Counter()

    def words(s):
        first = USERS + 1 + rounds[s.name] * COLD
        rounds[s.name] += 1
        return ["imap-login", *s.imaps(), "-c", "20", "-n", str(COLD), "--first", str(first),
                "--users", str(COLD)]
    return words


def append_row(size):
    return lambda s: ["imap-append", *s.imaps(), "-c", "20", "-t", "5", "-s", size,
                      "--users", str(USERS)]


def fetch_row(cmd, conns=1, n=3):
    return lambda s: ["imap-cmd", *s.imaps(), "--first", str(FILLED), "--users", "4",
                      "-c", str(conns), "-n", str(n), "--cmd", cmd]


def into_row(user):
    return lambda s: ["smtp", *s.smtp(), *MANY, "-n", "500", "-s", "1k", "--first", str(user),
                      "--users", "1"]


def last_row(user):
    return lambda s: ["imap-cmd", *s.imaps(), "--first", str(user), "--users", "1", "-c", "1",
                      "-n", "200", "--tail", "10", "--cmd", LAST]


ROWS = [
    ("smtp 4k starttls many", smtp_row("4k", 3000), [("delivered_per_s", "up"), ("ack_ms.p99", "down"), CPU]),
    ("smtp 4k starttls one", smtp_row("4k", 1500, 1), [("delivered_per_s", "up"), CPU]),
    ("smtp 75k starttls many", smtp_row("75k", 1000), [("delivered_per_s", "up"), CPU]),
    ("smtp 1m starttls many", smtp_row("1m", 100), [("delivered_per_s", "up"), CPU]),
    ("imap login", lambda s: ["imap-login", *s.imaps(), "-c", "20", "-t", "5", "--users", str(USERS)],
     [("ops_per_s", "up"), CPU]),
    ("imap login cold", cold_row(), [("ops_per_s", "up"), CPU]),
    ("append 4k", append_row("4k"), [("ops_per_s", "up"), CPU]),
    ("append 75k", append_row("75k"), [("ops_per_s", "up"), CPU]),
    ("fetch body c1", fetch_row("UID FETCH 1:* BODY.PEEK[]"), [("mb_per_s", "up"), CPU]),
    ("fetch body c4", fetch_row("UID FETCH 1:* BODY.PEEK[]", 4, 12), [("mb_per_s", "up"), CPU]),
    ("fetch meta", fetch_row(META), [("command_ms.p50", "down")]),
    ("fetch bodystructure", fetch_row("FETCH 1:* BODYSTRUCTURE"), [("command_ms.p50", "down")]),
    ("idle 2000", lambda s: ["idle", *s.imaps(), "-c", str(IDLE), "--users", str(IDLE),
                             "--settle", "5", "--rounds", "20", *s.idle()],
     [("pss_fe.kb_per_conn", "down"), ("pss_be.kb_per_conn", "down"),
      ("notify_from_ack_ms.p50", "down"), ("notify_from_ack_ms.p99", "down")]),
    # Each group of three is to be the same within noise.
    *[("grow into %d" % n, into_row(u), [("ack_ms.p50", "down"), CPU]) for u, n in GROWN],
    *[("grow last 10 of %d" % n, last_row(u), [("command_ms.p50", "down"), CPU])
      for u, n in GROWN],
]


def fills(rows):
    """What must lie in mailboxes before: (kind of rows, user, messages, size)."""
    labels = " ".join(label for label, _, _ in rows)
    if "fetch" in labels:
        yield from (("fetch", FILLED + i, 10000, "4k") for i in range(4))
    if "grow" in labels:
        yield from (("grow", user, n, "1k") for user, n in GROWN)


def sides_of(label, sides):
    return sides[:1] if label.startswith("grow") else sides


def figure(row, key):
    for part in key.split("."):
        row = row.get(part, {}) if isinstance(row, dict) else {}
    return row if isinstance(row, (int, float)) else None


def measure(side, words, label, out):
    done = subprocess.run([MAILBENCH, words[0], "--label", "%s %s" % (side.name, label),
                           *side.user, *words[1:]], capture_output=True, text=True)
    try:
        row = json.loads(done.stdout)
    except ValueError:
        print("%s %s: %s" % (side.name, label, done.stderr.strip()[-300:]), file=sys.stderr)
        return {}
    if row.get("errors"):
        print("%s %s: %d errors: %s" % (side.name, label, row["errors"],
                                        done.stderr.strip()[-300:]), file=sys.stderr)
    out.write(done.stdout)
    out.flush()
    return row


def report(label, figures, results, sides):
    for key, better in figures:
        cells, medians = [], []
        for s in sides:
            v = [x for x in (figure(r, key) for r in results[s.name]) if x is not None]
            medians.append(statistics.median(v) if v else None)
            cells.append("%s %10.4g (%.4g..%.4g)" % (s.name, medians[-1], min(v), max(v))
                         if v else "%s -" % s.name)
        ratio = ""
        if len(medians) == 2 and all(medians):
            ratio = "   %.2fx" % (medians[0] / medians[1] if better == "up" else
                                  medians[1] / medians[0])
        print("%-24s %-24s %s%s" % (label, key, "   ".join(cells), ratio), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--reps", type=int, default=3)
    p.add_argument("--only", action="append", default=[])
    p.add_argument("--no-peers", action="store_true")
    p.add_argument("--out", default=os.path.join(BUILD, "bench.jsonl"))
    opts = p.parse_args()
    rows = [r for r in ROWS if not opts.only or any(w in r[0] for w in opts.only)]
    sides = []
    try:
        sides.append(Postern(IDLE))
        if not opts.no_peers:
            sides.append(Peers(IDLE))
        with open(opts.out, "a") as out:
            for kind, user, n, size in fills(rows):
                for s in sides_of(kind, sides):
                    measure(s, [*s.fill(), "--first", str(user), "--users", "1", "-c", "8",
                                "-n", str(n), "-s", size], "fill", out)
            for label, words, figures in rows:
                mine = sides_of(label, sides)
                results = {s.name: [] for s in mine}
                for _ in range(1 if label.startswith("idle") else opts.reps):
                    for s in mine:
                        results[s.name].append(measure(s, words(s), label, out))
                report(label, figures, results, mine)
    finally:
        for s in sides:
            s.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
