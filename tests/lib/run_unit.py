#!/usr/bin/env python3
"""Runs unit test programs one after the other, shows what the failing ones printed, and ends
with the totals: `N passed, N failed`."""

import os
import re
import subprocess
import sys

PROGRAM_SECONDS = 600
TOTALS = re.compile(r"^(\d+) passed, (\d+) failed$")


def run(program):
    """(passed, failed) of one program; a crash or a hang counts as one failed test."""
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
    if failed:
        print(f"---- {program}: status {status}")
        print("\n".join(lines))
    else:
        print(f"ok   {program}: {passed}")
    sys.stdout.flush()
    return passed, failed


def main():
    passed = failed = 0
    for program in sys.argv[1:]:
        p, f = run(program)
        passed += p
        failed += f
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
