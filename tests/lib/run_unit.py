#!/usr/bin/env python3
"""Runs unit test programs, two at a time, for some of them wait for a disk or a database most of
the time; shows what the failing ones printed, and ends with the totals: `N passed, N failed`."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

PROGRAM_SECONDS = 600
JOBS = 2
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed$")


def run(program):
    """(passed, failed, what to show) of one program; a crash or a hang counts as one failed test."""
    path = program if os.sep in program else os.path.join(".", program)
    try:
        done = subprocess.run([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=PROGRAM_SECONDS, check=False)
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") + "\nhung, killed"
        status = -1
    except OSError as error:
        output, status = str(error), -1
    lines = output.rstrip("\n").split("\n")
    totals = TOTALS.match(lines[-1])
    passed, failed = (int(totals[1]), int(totals[2])) if totals else (0, 0)
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and not totals:
        failed = 1
    said = "\n".join([f"---- {program}: status {status}", *lines]) if failed else \
        f"ok   {program}: {passed}"
    return passed, failed, said


def main():
    passed = failed = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for p, f, said in pool.map(run, sys.argv[1:]):
            print(said, flush=True)
            passed += p
            failed += f
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
