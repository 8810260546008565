#!/usr/bin/env python3
"""The whole fast suite: unit tests, replay of the fuzzers' corpora, lint, then every test of
tests/cluster and tests/interop against live clusters. Ends with `N passed, N failed`.

  tests/lib/run_all.py [--only WORD]...
"""
import argparse
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNT = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
TOLD = re.compile(r"^(?:skipped|noted) .*", re.M)


def step(name, argv, seconds):
    """Runs one part; its counts, or one failure when it does not end with them."""
    began = time.monotonic()
    try:
        done = subprocess.run(argv, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds)
        out, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as e:
        out, code = (e.stdout or b"").decode(errors="replace") + "\ntimed out\n", 124
    found = COUNT.findall(out)
    passed, failed = map(int, found[-1]) if found else (0, 0)
    if code != 0 and failed == 0:
        failed = 1
    elif not found and code == 0:
        passed = 1
    print("%-12s %5d passed %3d failed  %6.1f s" %
          (name, passed, failed, time.monotonic() - began), flush=True)
    print(out if failed else "".join(line + "\n" for line in TOLD.findall(out)), end="", flush=True)
    return passed, failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", action="append", help="parts whose name has this word")
    opts = p.parse_args()
    parts = [("unit", ["make", "-s", "unit"], 600),
             ("fuzz-replay", ["make", "-s", "fuzz-replay"], 600),
             ("lint", ["make", "-s", "lint"], 120),
             ("cluster", [sys.executable, "tests/lib/run_cluster.py", "tests/cluster"], 1500),
             ("interop", [sys.executable, "tests/lib/run_cluster.py", "tests/interop"], 600)]
    passed = failed = 0
    for name, argv, seconds in parts:
        if opts.only and not any(w in name for w in opts.only):
            continue
        p_, f_ = step(name, argv, seconds)
        passed, failed = passed + p_, failed + f_
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
