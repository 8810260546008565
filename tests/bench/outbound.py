#!/usr/bin/env python3
"""Measures the way out: Postern, and Postfix in the same shape, in one run on this machine.

  tests/bench/outbound.py [--reps 3] [--only WORD]... [--no-peers]

From the first byte submitted until the other system has the last message, over 20 sessions, which
come in clear and without a log-in from the servers' own net.
Then Postern against itself: beside 10,000 messages for a host that is dead, and with 100,000 waiting,
what they take of memory and how long an operator waits for a list.
"""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("POSTERN_BUILD", os.path.join(TOP, "build"))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

import authority  # noqa: E402
import dnszone  # noqa: E402

CLUSTER = os.path.join(TOP, "deploy", "cluster")
SINK, DEAD, OUT_PORT, BASE_PORT = "127.0.0.50", "127.0.0.51", 2626, 33000
POSTFIX_PORT = 33999
DOMAINS = 50
ZONE = "\n".join(["mx A " + SINK, "dead MX 10 deadmx", "deadmx A " + DEAD] +
                 ["d%d MX 10 mx" % i for i in range(DOMAINS)]) + "\n"
PASSWORD = "benchmark pass"
WAIT_SECONDS = 120
MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """compatibility_level = 3.6
queue_directory = {d}/spool
data_directory = {d}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = out.example.org
mydestination =
relayhost = [{sink}]:{out}
mynetworks = 127.0.0.0/8
maillog_file = {d}/mail.log
maillog_file_prefixes = {d}
alias_maps =
alias_database =
disable_dns_lookups = yes
smtp_tls_security_level = may
in_flow_delay = 0
default_destination_concurrency_limit = 20
initial_destination_concurrency = 20
"""


def wait_port(host, port):
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Sink:
    """Counts what has come; with a certificate it offers TLS."""

    def __init__(self, tls=None):
        # smtp-sink shares its port: another one would take some of the mail.
        with socket.socket() as s:
            if s.connect_ex((SINK, OUT_PORT)) == 0:
                raise RuntimeError("somebody listens at %s:%d" % (SINK, OUT_PORT))
        self.log = tempfile.TemporaryFile()
        self.tls = tls
        argv = ([os.path.join(BUILD, "smtpsink"), SINK, str(OUT_PORT), *tls] if tls else
                ["smtp-sink", "-c", "-u", "nobody", "%s:%d" % (SINK, OUT_PORT), "500"])
        self.process = subprocess.Popen(argv, stdout=self.log, stderr=subprocess.DEVNULL)
        wait_port(SINK, OUT_PORT)

    def count(self):
        # The offset is the other program's, too.
        said = os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0)
        if self.tls:
            return len(said)
        found = re.findall(rb"mesg=(\d+)", said)
        return int(found[-1]) if found else 0

    def wait(self, n):
        end = time.monotonic() + WAIT_SECONDS
        while self.count() < n:
            if time.monotonic() > end:
                raise TimeoutError("the sink has %d of %d" % (self.count(), n))
            time.sleep(0.02)

    def close(self):
        self.process.kill()
        self.process.wait()


def tree(roots):
    """The processes, and all below them."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                pid, rest = f.read().split(" (", 1)
        except OSError:
            continue
        children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
    out, todo = set(), list(roots)
    while todo:
        pid = todo.pop()
        out.add(pid)
        todo += children.get(pid, [])
    return out


def cpu_us(roots):
    """What they have used, with those that have ended."""
    ticks = 0
    for pid in tree(roots):
        try:
            with open("/proc/%d/stat" % pid) as f:
                ticks += sum(map(int, f.read().rsplit(") ", 1)[1].split()[11:15]))
        except OSError:
            continue
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


class Postern:
    name = "postern"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="postern-out-")
        self.zone = dnszone.Zone({"elsewhere.test": ZONE})
        limits = ["minute", "hour", "day"]
        sets = ["dns=" + self.zone.server, "smtp.port_out=%d" % OUT_PORT, "log.level=warn",
                "submission.messages_max=0", "submission.session_bytes_max=100g",
                "submission.burst_recipients=0", "submission.burst_factor=0",
                "submission.burst_failed_percent=0", "submission.recipients_hour=0",
                "submission.recipients_day=0"] + ["submission.limit_%s=0" % w for w in limits]
        subprocess.run([CLUSTER, "up", self.dir, "--accounts", "4", "--password", PASSWORD,
                        "--base-port", str(BASE_PORT),
                        *[w for s in sets for w in ("--set", s)]], check=True)
        with open(os.path.join(self.dir, "cluster.json")) as f:
            self.cluster = json.load(f)
        self.fe, = self.cluster["frontends"]
        self.be, = self.cluster["backends"]
        self.postern("server", "edit", "default-submission", "--set", "auth=allowed",
                     "--set", "relay_from=127.0.0.0/8")

    def source(self):
        return self.source_of(1)[:2] + ["--tls", "none", "--from", "user1@example.org"]

    def source_of(self, sender):
        """With TLS and a log-in."""
        return ["--server", "%s:%d" % (self.fe["host"], self.fe["ports"]["submission"]),
                "--tls", "starttls", "--auth", "--pass", PASSWORD,
                "--from", "user%d@example.org" % sender]

    def roots(self):
        return self.fe["pids"] + self.be["pids"]

    def postern(self, *argv):
        return subprocess.run([os.path.join(BUILD, "postern"), "--cluster",
                               os.path.join(self.dir, "cluster.json"), *argv],
                              check=True, capture_output=True, text=True).stdout

    def waiting(self):
        return self.postern("queue", "list")

    def backend_kib(self):
        with open("/proc/%d/status" % self.be["pids"][0]) as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))

    def close(self):
        subprocess.run([CLUSTER, "down", self.dir])
        self.zone.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Postfix:
    name = "postfix"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="postfix-out-")
        os.chmod(self.dir, 0o755)
        for sub in ("etc", "spool", "data"):
            os.mkdir(os.path.join(self.dir, sub))
        shutil.chown(os.path.join(self.dir, "data"), "postfix")
        for file, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(os.path.join(self.dir, "etc", file), "w") as f:
                f.write(text.format(d=self.dir, sink=SINK, out=OUT_PORT, port=POSTFIX_PORT))
        self.command("start")
        wait_port("127.0.0.1", POSTFIX_PORT)

    def command(self, verb):
        subprocess.run(["postfix", "-c", os.path.join(self.dir, "etc"), verb],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def waiting(self):
        return subprocess.run(["postqueue", "-c", os.path.join(self.dir, "etc"), "-p"],
                              capture_output=True, text=True).stdout

    def source(self):
        return ["--server", "127.0.0.1:%d" % POSTFIX_PORT, "--tls", "none",
                "--from", "user1@example.org"]

    def roots(self):
        with open(os.path.join(self.dir, "spool", "pid", "master.pid")) as f:
            return [int(f.read())]

    def close(self):
        self.command("stop")
        shutil.rmtree(self.dir, ignore_errors=True)


def submit(source, n, size, domains, name="d%d"):
    subprocess.run([os.path.join(BUILD, "mailbench"), "smtp", *source, "-c", "20", "-n", str(n),
                    "-s", size, "--per-session", "0", "--first", "0", "--users", str(domains),
                    "--rcpt", "x@%s.elsewhere.test" % name],
                   check=True, stdout=subprocess.DEVNULL, timeout=WAIT_SECONDS + n / 100)


def once(side, n, size, domains, tls=None):
    """(messages/s, microseconds of the servers' CPU a message)"""
    sink = Sink(tls)
    try:
        begun, used = time.monotonic(), cpu_us(side.roots())
        submit(side.source(), n, size, domains)
        try:
            sink.wait(n)
        except TimeoutError as e:
            raise TimeoutError("%s: %s\n%s" % (side.name, e, side.waiting())) from e
        return (n / (time.monotonic() - begun),
                (cpu_us(side.roots()) - used) / n)
    finally:
        sink.close()


def show(label, unit, results):
    cells = ["%s %9.4g (%.4g..%.4g)" % (name, statistics.median(v), min(v), max(v))
             for name, v in results.items()]
    medians = [statistics.median(v) for v in results.values()]
    ratio = "   %.2fx" % (medians[0] / medians[1]) if len(medians) == 2 else ""
    print("%-22s %-10s %s%s" % (label, unit, "   ".join(cells), ratio), flush=True)


def compare(label, sides, reps, n, size, domains, tls=None):
    rates, costs = {s.name: [] for s in sides}, {s.name: [] for s in sides}
    for s in sides:
        once(s, 100, "1k", 1)
    for _ in range(reps):
        for s in sides:
            rate, cost = once(s, n, size, domains, tls)
            rates[s.name].append(rate)
            costs[s.name].append(cost)
    show(label, "/s", rates)
    show(label, "us CPU", costs)


def beside_the_dead(p, reps):
    """The rate before and while so many wait for a host that refuses every connection."""
    before = [once(p, 3000, "4k", 1)[0] for _ in range(reps)]
    submit(p.source_of(2), 10000, "4k", 1, "dead")
    during = [once(p, 3000, "4k", 1)[0] for _ in range(reps)]
    show("10,000 for the dead", "/s", {"beside them": during, "without": before})


def long_queue(p, reps):
    once(p, 100, "4k", 1)
    empty, rates = p.backend_kib(), [once(p, 3000, "4k", 1)[0] for _ in range(reps)]
    submit(p.source_of(3), 100000, "1k", 1, "dead")
    print("%-22s %-10s %.0f more than empty" % ("100,000 waiting", "MiB",
                                                (p.backend_kib() - empty) / 1024), flush=True)
    for what in (["list"], ["list", "--sender", "user3@example.org"],
                 ["list", "--sender", "user4@example.org"],
                 ["hold", "--sender", "user3@example.org"],
                 ["release", "--sender", "user3@example.org"],
                 ["retry", "--sender", "user3@example.org"],
                 ["reroute", "--via", DEAD, "--sender", "user3@example.org"]):
        ordered(p, *what)
    show("100,000 waiting", "/s", {"beside them": [once(p, 3000, "4k", 1)[0] for _ in range(reps)],
                                   "without": rates})
    ordered(p, "bounce", "--sender", "user3@example.org", "--limit", "50000")
    ordered(p, "remove", "--sender", "user3@example.org")


def ordered(p, *what):
    """How long an operator's order takes, and for how many it was done."""
    begun = time.monotonic()
    out = p.postern("--json", "queue", *what)
    seconds, rows = time.monotonic() - begun, json.loads(out)
    done = sum(r.get("done", 1) for r in rows)
    print("%-22s %-10s %.2f   queue %s: %d" % ("", "s", seconds, " ".join(what), done), flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--reps", type=int, default=3)
    a.add_argument("--only", action="append", default=[])
    a.add_argument("--no-peers", action="store_true")
    opts = a.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sides, pki = [], tempfile.mkdtemp(prefix="sink-pki-")
    tls = list(authority.Authority(pki, make=True).leaf("mx", "mx.elsewhere.test").values())
    rows = [("4k one", compare, (3000, "4k", 1)), ("75k one", compare, (1000, "75k", 1)),
            ("4k fifty", compare, (3000, "4k", DOMAINS)),
            ("4k one tls", compare, (3000, "4k", 1, tls)), ("dead", beside_the_dead, None),
            ("queue", long_queue, None)]
    try:
        sides.append(Postern())
        if not opts.no_peers:
            sides.append(Postfix())
        for label, row, how in rows:
            if opts.only and not any(w in label for w in opts.only):
                continue
            if how:
                row(label, sides, opts.reps, *how)
            else:
                row(sides[0], opts.reps)
    finally:
        for s in sides:
            s.close()
        shutil.rmtree(pki, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
