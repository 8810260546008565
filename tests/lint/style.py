#!/usr/bin/env python3
"""Banned functions, lengths, widths and nesting, header comments and guards, forbidden words.

A function that has to be longer says why in a comment inside it that starts with "lint: long"."""

import fnmatch
import re

import csource

FUNCTION_MAX = 80
FILE_MAX = 1000
NESTING_MAX = 4
WIDTH_MAX = 100
TAB = 8

# names -> (why, patterns of files that may)
BANNED = [
    ("atoi atol atoll", "use num_parse", []),
    ("sprintf vsprintf strcpy strcat strncpy strncat stpcpy gets",
     "unbounded or not terminated: use struct buf, snprintf, slice_to_str", []),
    ("strtok", "keeps state: use slices", []),
    ("alloca", "stack by input: use an arena", []),
    ("malloc calloc realloc strdup strndup asprintf free",
     "use xmalloc, xfree, an arena or a buf", ["common/base/base.c"]),
    ("rand srand random srandom drand48 getrandom arc4random randombytes_buf",
     "randomness has one door: common/crypto/random",
     ["common/crypto/random.c", "common/base/map.c"]),
    ("time gettimeofday clock_gettime clock", "time has one door: common/base/clock",
     ["common/base/clock.c", "tests/*"]),
    ("gmtime gmtime_r localtime localtime_r strftime mktime ctime asctime strptime",
     "use common/base/civil, common/parse/date", []),
    ("sleep usleep nanosleep", "wait for an event, with a deadline", ["tests/*"]),
    ("system popen", "runs a shell", ["tests/*"]),
]

# Load generators for any mail server: they stand alone, without our libraries.
ALONE = ("tests/bench/mailbench.c", "tests/bench/syncbench.c",
         "tests/bench/smtpsink.c")

# A comparison whose time tells where two keys differ.
NO_MEMCMP = ("common/crypto/*", "backend/auth/*", "backend/ticket/*", "frontend/sasl/*")

# Notes of work to be done, and papers that are not in the repository.
WORDS = re.compile(r"\b(?:TODO|FIXME|DESIGN|FEATURES|law [0-9])\b")


def check_banned(path, code, report):
    for names, why, allowed in BANNED:
        if any(fnmatch.fnmatch(path, p) for p in allowed):
            continue
        for m in re.finditer(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(", code):
            line = code.count("\n", 0, m.start()) + 1
            report.add(path, line, f"{m.group(1)}: {why}")
    if any(fnmatch.fnmatch(path, p) for p in NO_MEMCMP):
        for m in re.finditer(r"\b(memcmp|strcmp|slice_eq)\s*\([^;]*"
                             r"(?:key|secret|password|proof|digest|mac\b|token)", code):
            report.add(path, code.count("\n", 0, m.start()) + 1,
                       f"{m.group(1)} on what looks like a secret: use secret_eq")


def check_lengths(path, text, code, report):
    n = text.count("\n")
    if n > FILE_MAX:
        report.add(path, 1, f"the file has {n} lines, at most {FILE_MAX} are allowed")
    lines = text.splitlines()
    for f in csource.functions(csource.blank_preprocessor(code)):
        raw = "\n".join(lines[f.line - 1:f.line - 1 + f.lines])
        if f.lines > FUNCTION_MAX and "lint: long" not in raw:
            report.add(path, f.line, f"{f.name} has {f.lines} lines, at most {FUNCTION_MAX} "
                                     "are allowed")
        if f.depth > NESTING_MAX:
            report.add(path, f.line, f"{f.name} nests {f.depth} blocks, at most {NESTING_MAX} "
                                     "are allowed")


def check_widths(path, text, report):
    """Comments above all: clang-format leaves them as they are."""
    for i, line in enumerate(text.splitlines(), 1):
        n = len(line.expandtabs(TAB))
        if n > WIDTH_MAX:
            report.add(path, i, f"the line has {n} columns, at most {WIDTH_MAX} are allowed")


def check_header(path, text, report):
    if not text.lstrip().startswith("/*"):
        report.add(path, 1, "a header starts with a comment that says what it promises")
    guard = re.sub(r"\W", "_", path).upper()
    m = re.search(r"^#ifndef (\w+)\n#define (\w+)", text, re.M)
    if not m or m.group(1) != guard or m.group(2) != guard:
        report.add(path, 1, f"the include guard is not {guard}")


def check_words(root, report):
    for path in csource.tracked(root):
        if path.startswith("tests/lint/"):
            continue
        try:
            text = (root / path).read_text()
        except (UnicodeDecodeError, OSError):
            continue
        for m in WORDS.finditer(text):
            report.add(path, text.count("\n", 0, m.start()) + 1, f"forbidden: {m.group(0)}")


def check(root, report):
    for path in csource.files(".c", ".h", root=root):
        if path in ALONE:
            continue
        text = (root / path).read_text()
        code = csource.blank(text)
        check_banned(path, code, report)
        check_lengths(path, text, code, report)
        check_widths(path, text, report)
        if path.endswith(".h"):
            check_header(path, text, report)
    check_words(root, report)


if __name__ == "__main__":
    csource.main(check, "style")
