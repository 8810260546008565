#!/usr/bin/env python3
"""The whole fast suite: unit tests, replay of the fuzzers' corpora, lint, and every test of
tests/cluster and tests/interop against live clusters. Ends with `N passed, N failed`.

  tests/lib/run_all.py [--only WORD]...

What computes comes first, by itself: tests on clusters look at what time it is.
"""
import argparse
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNT = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
FOLDER = re.compile(r"^tests/(\w+): (\d+) passed, (\d+) failed, ([\d.]+) s", re.M)
TOLD = re.compile(r"^(?:skipped|noted) .*", re.M)
ON_CLUSTERS = ("cluster", "interop")


def counts(name, out, code, took):
    """(name, passed, failed, seconds) of each part that a command ran; one failure when it does not
    end with its counts."""
    found = COUNT.findall(out)
    passed, failed = map(int, found[-1]) if found else (0, 0)
    if code != 0 and failed == 0:
        return [(name, passed, 1, took)]
    if not found:
        passed = 1
    folders = [(n, int(p), int(f), float(s)) for n, p, f, s in FOLDER.findall(out)]
    return folders or [(name, passed, failed, took)]


def step(name, argv, seconds):
    """Runs one command; its counts."""
    began = time.monotonic()
    try:
        done = subprocess.run(argv, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds)
        out, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        out, code = (e.stdout or b"").decode(errors="replace") + "\ntimed out\n", 124
    rows = counts(name, out, code, time.monotonic() - began)
    for row in rows:
        print("%-12s %5d passed %3d failed  %6.1f s" % row, flush=True)
    failed = sum(row[2] for row in rows)
    print(out if failed or os.environ.get("POSTERN_TEST_TIMES") else
          "".join(line + "\n" for line in TOLD.findall(out)), end="", flush=True)
    return sum(row[1] for row in rows), failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", action="append", help="parts whose name has this word")
    opts = p.parse_args()

    def wanted(name):
        return not opts.only or any(w in name for w in opts.only)
    folders = ["tests/" + name for name in ON_CLUSTERS if wanted(name)]
    parts = [(name, ["make", "-s", name], seconds) for name, seconds in
             (("unit", 600), ("fuzz-replay", 600), ("lint", 300)) if wanted(name)]
    if folders:
        parts.append(("cluster", [sys.executable, "tests/lib/run_cluster.py", *folders], 1500))
    totals = [sum(column) for column in zip((0, 0), *(step(*part) for part in parts))]
    print("%d passed, %d failed" % tuple(totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
