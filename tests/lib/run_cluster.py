#!/usr/bin/env python3
"""Runs the test files of folders against live clusters.

  tests/lib/run_cluster.py FOLDER... [NAME]...

A file may set CLUSTER, a list of options for `deploy/cluster up`; files with equal options share
one cluster, which is brought up before the first and down after the last. In an option {dns} is an
address for a DNS server that the file starts, $POSTERN_TEST_DNS, and {out} the port of other
systems' mail servers, $POSTERN_TEST_OUT, {https} that of their sites, $POSTERN_TEST_HTTPS;
{anchors} is a file of trust anchors for the zones signed.test and broken.test, whose keys
$POSTERN_TEST_KEYS names (dnszone.make_keys), {trust} the certificate of the authority in the folder
$POSTERN_TEST_PKI (authority.py). A file finds its cluster's folder in $POSTERN_TEST_CLUSTER. A test
that kills nodes starts them again. A node that
died by its own fault fails the files of its cluster. What was skipped is told, and lines of a test
that begin with "noted". With $POSTERN_TEST_TIMES set it is shown what each file took, its slow tests,
and when each cluster was up. It ends with the counts of each folder, and of all.

Three clusters are up at a time, for most of a test is waiting; $POSTERN_TEST_JOBS says another number.
The longest group of files comes first: a file that takes long says so, TAKES = 60 # seconds.
"""
import ast
import contextlib
import glob
import json
import os
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import authority
import dnszone

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(TOP, "deploy", "cluster")
TWO_WORKERS = ["--set", "workers.smtp=2", "--set", "workers.imap=2"]
DEFAULT = ["--accounts", "20"]
JOBS = 3
TAKES = 5      # seconds: a file that does not say
SLOW_TEST = 3  # seconds
BEGAN = time.monotonic()
DNS_PORT = 353  # of each run's thousand, for its name server
DIED = re.compile(r"level=fatal|Sanitizer|: runtime error: |"
                  r"event=worker.ended .*signal=(?:4|5|6|7|8|11|31) ")
COUNT = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
TOLD = re.compile(r"^(?:skipped|noted) .*", re.M)


def says(path, name, default):
    """A constant of a file, read without running it."""
    with open(path) as f:
        for node in ast.parse(f.read()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
                return ast.literal_eval(node.value)
    return default


def load(path):
    sys.path.insert(0, os.path.dirname(path))
    try:
        return unittest.defaultTestLoader.loadTestsFromName(os.path.basename(path)[:-3])
    finally:
        sys.path.pop(0)


def tail_logs(folder):
    for log in sorted(glob.glob(os.path.join(folder, "*", "log"))):
        with open(log, errors="replace") as f:
            lines = f.readlines()[-40:]
        print("---- %s\n%s" % (os.path.relpath(log, folder), "".join(lines)))


def died(folder):
    """Lines of the nodes' logs that no test may cause: a program that ended by its own fault was
    started again, and nobody else would notice. Signals that tests send are none."""
    out = []
    for log in sorted(glob.glob(os.path.join(folder, "*", "log"))):
        with open(log, errors="replace") as f:
            out += ["%s: %s" % (os.path.relpath(log, folder), line) for line in f
                    if DIED.search(line)]
    return out


class Result(unittest.TestResult):
    """It knows what each test took."""

    def __init__(self):
        super().__init__()
        self.slow = []

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        took = time.monotonic() - self.began
        if took >= SLOW_TEST:
            self.slow.append("%9.1f s %s" % (took, test.id()))


def run_files(files):
    """In a process of its own for each cluster: the tests' modules read its folder once."""
    result = Result()
    for path in files:
        began, ran, slow = time.monotonic(), result.testsRun, len(result.slow)
        load(path).run(result)
        print("%6.1f s, %d tests of %s" % (time.monotonic() - began, result.testsRun - ran,
                                         os.path.basename(path)), *result.slow[slow:], sep="\n")
    for test, text in result.failures + result.errors:
        print("FAILED %s\n%s" % (test, text))
    for test, why in result.skipped:
        print("skipped %s: %s" % (test, why))
    failed = len(result.failures) + len(result.errors)
    print("%d passed, %d failed" % (max(0, result.testsRun - failed - len(result.skipped)), failed))
    return 1 if failed else 0


def run_group(options, files, base_port):
    began = time.monotonic()
    outside = {"dns": "127.0.0.1:%d" % (base_port + DNS_PORT), "out": str(base_port + 26),
               "https": str(base_port + 444)}
    folder, keys = tempfile.mkdtemp(prefix="postern-test-"), {}
    if any("{anchors}" in o for o in options):
        os.mkdir(os.path.join(folder, "keys"))
        keys, outside["anchors"] = dnszone.make_keys(os.path.join(folder, "keys"),
                                                     ["signed.test", "broken.test"])
    pki = os.path.join(folder, "outside")
    if any("{trust}" in o for o in options):
        outside["trust"] = authority.Authority(pki, make=True).path("ca.pem")
    options = [o.format(**outside) for o in options]
    # Two workers of what people speak, however few processors there are: a session here and its
    # mailbox's other session there is what a larger machine does all day.
    two = [] if "--inside-out" in options else TWO_WORKERS
    up = subprocess.run([CLUSTER, "up", folder, "--base-port", str(base_port), *two, *options],
                        capture_output=True, text=True)
    was_up = time.monotonic()
    if up.returncode != 0:
        print("cluster up %s:\n%s%s" % (options, up.stdout, up.stderr))
        out, failed = "0 passed, %d failed\n" % len(files), len(files)
    else:
        done = subprocess.run([sys.executable, "-W", "ignore", os.path.abspath(__file__), "--files",
                               *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, env=dict(os.environ, POSTERN_TEST_CLUSTER=folder,
                                             POSTERN_TEST_DNS=outside["dns"],
                                             POSTERN_TEST_KEYS=json.dumps(keys),
                                             POSTERN_TEST_PKI=pki,
                                             POSTERN_TEST_HTTPS=outside["https"],
                                             POSTERN_TEST_OUT=outside["out"]))
        out, failed = done.stdout, done.returncode
    ran = time.monotonic()
    found = COUNT.findall(out)
    passed, failed = map(int, found[-1]) if found else (0, max(1, failed))
    if not failed:
        print(out if os.environ.get("POSTERN_TEST_TIMES") else
              "".join(line + "\n" for line in TOLD.findall(out)), end="")
    if failed:
        print(out)
        tail_logs(folder)
    subprocess.run([CLUSTER, "down", folder])
    if os.environ.get("POSTERN_TEST_TIMES"):
        print("from %.1f s to %.1f s, %.1f s up, %.1f s down: %s" %
              (began - BEGAN, time.monotonic() - BEGAN, was_up - began, time.monotonic() - ran,
               " ".join(map(os.path.basename, files))), flush=True)
    faults = died(folder)
    if faults:
        failed += 1
        print("FAILED %s\n%s" % (" ".join(map(os.path.basename, files)), "".join(faults[:40])))
    if failed:
        print("kept: " + folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return passed, failed


def reserve(base):
    """A thousand ports, as long as this process lives: the name of a socket in no folder is one
    process's on this machine, and gone with it. None: another run has them, or some program that
    knows of no names."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind("\0postern-test-%d" % base)
        with contextlib.ExitStack() as held:
            for host in range(11, 19):
                for port in (525, 5411):
                    held.enter_context(socket.create_server(("127.0.0.%d" % host, base + port)))
            # A name server may have outlived a run that was killed.
            held.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(
                ("127.0.0.1", base + DNS_PORT))
    except OSError:
        claim.close()
        return None
    return claim


def free_ports(n):
    """The bases of so many thousands of ports, which are this run's; the claims on them."""
    first, claims = os.getpid() % 20, {}
    for base in (12000 + (first + i) % 20 * 1000 for i in range(20)):
        claim = reserve(base)
        if claim:
            claims[base] = claim
        if len(claims) == n:
            return claims
    sys.exit("every port is taken")


def main():
    sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
    if sys.argv[1] == "--files":
        return run_files(sys.argv[2:])
    folders = [a for a in sys.argv[1:] if os.path.isdir(os.path.join(TOP, a))]
    names = [a for a in sys.argv[1:] if a not in folders]
    groups = {}
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(TOP, folder, "test_*.py"))):
            if not names or any(n in os.path.basename(path) for n in names):
                options = says(path, "CLUSTER", DEFAULT)
                groups.setdefault((folder, *options), []).append(path)
    if not groups:
        sys.exit("no test file of " + " ".join(sys.argv[1:]))
    jobs, bases = int(os.environ.get("POSTERN_TEST_JOBS", JOBS)), queue.SimpleQueue()
    fixed = int(os.environ.get("POSTERN_TEST_PORT", 0))
    claims = {fixed: None} if fixed else free_ports(min(jobs, len(groups)))
    for base in claims:
        bases.put(base)

    def one(group):
        (folder, *options), files = group
        base = bases.get()
        try:
            return folder, *run_group(options, files, base), time.monotonic() - BEGAN
        finally:
            bases.put(base)

    def seconds(group):
        return sum(says(path, "TAKES", TAKES) for path in group[1])
    with ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(one, sorted(groups.items(), key=seconds, reverse=True)))
    passed = failed = 0
    for folder in folders:
        p, f = (sum(c[i] for c in counts if c[0] == folder) for i in (1, 2))
        print("%s: %d passed, %d failed, %.1f s" %
              (folder, p, f, max((c[3] for c in counts if c[0] == folder), default=0)))
        passed, failed = passed + p, failed + f
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
