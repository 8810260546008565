#!/usr/bin/env python3
"""Runs every replay program over the seeds of its target: replay.py PROGRAM... (each named
X_replay). A seed passes when the program ends well with it. A target without seeds fails. Ends
with `N passed, N failed`."""

import pathlib
import subprocess
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
SECONDS = 20    # for one seed alone
TOGETHER = 500  # seeds of one run


def run(program, seeds):
    """What went wrong, or None."""
    try:
        r = subprocess.run([program, *map(str, seeds)], capture_output=True,
                           timeout=SECONDS + len(seeds), check=False)
    except subprocess.TimeoutExpired:
        return "took too long"
    if r.returncode == 0:
        return None
    text = (r.stdout + r.stderr).decode(errors="replace").strip()
    return f"status {r.returncode}\n{text[-2000:]}"


def replay(program):
    name = pathlib.Path(program).name.removesuffix("_replay")
    seeds = sorted(p for p in (CORPUS / name).rglob("*") if p.is_file())
    if not seeds:
        print(f"FAIL {name}: no seeds in tests/fuzz/corpus/{name}")
        return 0, 1
    failed = 0
    for i in range(0, len(seeds), TOGETHER):
        some = seeds[i:i + TOGETHER]
        if run(program, some) is None:
            continue
        for seed in some:
            wrong = run(program, [seed])
            if wrong:
                failed += 1
                print(f"FAIL {name} {seed.relative_to(CORPUS)}: {wrong}")
    return len(seeds) - failed, failed


def main():
    passed = failed = 0
    for program in sys.argv[1:]:
        p, f = replay(program)
        passed += p
        failed += f
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
