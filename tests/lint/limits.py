#!/usr/bin/env python3
"""docs/limits.md against the sources: every constant named *_MAX is on the page, every name on the
page is in the sources, plain values agree, every test that is named exists."""

import ast
import re

import csource

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(.+?)[ \t]*(?:/\*.*)?$", re.M)
NAME = re.compile(r"`([A-Z][A-Z0-9_]{3,})`")
VALUE = re.compile(r"^([\d,.]+) ?(KiB|MiB|GiB|TiB|Mi|ms|s|min|h|days|bytes)?$")
UNITS = {None: 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "Mi": 1 << 20, "GiB": 1 << 30,
         "TiB": 1 << 40, "ms": 1, "s": 1000, "min": 60000, "h": 3600000, "days": 86400000}
TIMES = ("ms", "s", "min", "h", "days")
SCALE = {"_US": 1000, "_MS": 1, "_S": 0.001}  # of a constant in milliseconds


def evaluate(text):
    """The number that a macro's text stands for; None if it is not made of numbers alone."""
    text = re.sub(r"\((?:size_t|uint\d+_t|int\d+_t)\)", "", text)
    text = re.sub(r"\b(\d+)(?:[uU]?[lL]{0,2}|[lL]{1,2}[uU]?)\b", r"\1", text)
    if not re.fullmatch(r"[\d\s()+*/<-]+", text):
        return None
    try:
        return eval(compile(ast.parse(text.strip(), mode="eval"), "", "eval"), {})
    except (SyntaxError, ZeroDivisionError):
        return None


def defines(root):
    found = {}
    for path in csource.files(".c", ".h", root=root):
        if not path.startswith("tests/"):
            for m in DEFINE.finditer((root / path).read_text()):
                found.setdefault(m.group(1), []).append(evaluate(m.group(2)))
    return found


def said(text, name):
    """The value of a cell in the constant's own unit; None if it is not plain."""
    m = VALUE.match(text.strip())
    if not m or not m.group(1)[0].isdigit():
        return None
    number = float(m.group(1).replace(",", "")) * UNITS[m.group(2)]
    for end, scale in SCALE.items():
        if m.group(2) in TIMES and name.endswith(end):
            return number * scale
    return number if m.group(2) not in TIMES else None


def check_row(line, cells, known, report, page):
    names = NAME.findall(cells[2])
    values = cells[1].split(";")
    unit = values[-1].strip().split(" ")[-1]  # "60; 300; 60 s": it may stand for all
    if len(values) == 1:
        values *= len(names)
    for name, value in zip(names, values):
        have = known.get(name, [])
        want = {said(value, name), said(f"{value} {unit}", name)} - {None}
        if want and have and None not in have and not want & set(have):
            report.add(page, line, f"{name} is {have[0]} in the sources, not {value.strip()}")


def check(root, report):
    page = "docs/limits.md"
    text = (root / page).read_text()
    known = defines(root)
    tests = [p for p in csource.tracked(root) if p.startswith("tests/")]
    sources = "".join((root / p).read_text() for p in csource.files(".c", ".h", root=root)
                      if not p.startswith("tests/"))
    for number, row in enumerate(text.splitlines(), 1):
        for name in NAME.findall(row):
            if not re.search(rf"\b{name}\b", sources):
                report.add(page, number, f"{name} is not in the sources")
        cells = [c.strip() for c in row.strip("|").split("|")]
        if not row.startswith("|") or len(cells) != 5 or cells[4] in ("test", "---"):
            continue
        check_row(number, cells, known, report, page)
        for test in filter(None, re.split(r",\s*", cells[4].replace("–", ""))):
            ends = (f"/{test}", f"/{test}.c")
            if not any(p.endswith(ends) for p in tests):
                report.add(page, number, f"there is no test {test}")
        if not cells[4]:
            report.add(page, number, "a limit without a test")
    named = set(NAME.findall(text))
    for name in sorted(known):
        if name.endswith("_MAX") and name not in named:
            report.add(page, 1, f"{name} is missing")


if __name__ == "__main__":
    csource.main(check, "limits")
