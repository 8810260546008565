#!/usr/bin/env python3
"""Paths that docs and the README name exist: `frontend/core/line` (with or without its ending),
`store/writer` (from a tree's own folder), `smtp_cmds.c`; in the table of RFCs also the tests."""

import fnmatch
import re

import csource

PATH = re.compile(r"`([A-Za-z0-9_.*/-]+)`")
TREES = ("common/", "frontend/", "backend/", "proto/", "tests/", "deploy/", "docs/")
ENDINGS = ("", ".c", ".h", ".md", ".py")


def is_path(word, tracked_top):
    if word.startswith(("build/", "run/")) or word.endswith((".com", ".org")):
        return False
    if word.startswith(TREES) or word.split("/")[0] in tracked_top and "/" in word:
        return True
    return re.fullmatch(r"[\w*-]+\.(c|h|py|t|md|proto|mk)", word) is not None


def exists(word, tracked, folders):
    word = word.rstrip("/")
    for ending in ENDINGS:
        for pattern in (word + ending, "*/" + word + ending):
            if any(fnmatch.fnmatch(p, pattern) for p in tracked):
                return True
    return any(fnmatch.fnmatch(f, word) or fnmatch.fnmatch(f, "*/" + word) for f in folders)


def check_tests(page, number, row, tests, report):
    cells = [c.strip() for c in row.strip("|").split("|")]
    if not row.startswith("|") or len(cells) != 3 or cells[2] in ("", "test", "---"):
        return
    for test in re.split(r",\s*", cells[2]):
        if " " not in test and not any(p.endswith((f"/{test}", f"/{test}.c")) for p in tests):
            report.add(page, number, f"there is no test {test}")


def check(root, report):
    tracked = csource.tracked(root)
    folders = {p.rsplit("/", n)[0] for p in tracked for n in range(1, p.count("/") + 1)}
    tops = {f.split("/")[1] for f in folders if f.count("/") >= 1}
    tests = [p for p in tracked if p.startswith("tests/")]
    for page in tracked:
        if not (page.endswith(".md") and (page.startswith("docs/") or "/" not in page)):
            continue
        for number, row in enumerate((root / page).read_text().splitlines(), 1):
            for word in PATH.findall(row):
                if is_path(word, tops) and not exists(word, tracked, folders):
                    report.add(page, number, f"there is no {word}")
            if page.endswith("rfc-coverage.md"):
                check_tests(page, number, row, tests, report)


if __name__ == "__main__":
    csource.main(check, "pages")
