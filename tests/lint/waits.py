#!/usr/bin/env python3
"""WAITS: a function that may suspend its fiber is marked, in its header and at its definition,
and so is everything that calls it (see common/loop/fiber.h).

Marked are: functions declared or defined with WAITS; function pointers in structs declared with
WAITS, or of a type that was (typedef WAITS ...). A pointer's name counts only where no unmarked
pointer has the same name. The bodies of TEST, TEST_FIBER and of fuzz targets may call anything:
outside of a fiber a call that would suspend dies by itself."""

import re

import csource

MARKED = re.compile(r"\bWAITS\b([^;{}()]*?)\b(\w+)\s*\((?!\s*\*)")
POINTER = re.compile(r"\bWAITS\b[^;{}()]*\(\s*\*\s*(\w+)\s*\)\s*\(")
PLAIN_POINTER = re.compile(r"^(?![^\n]*\bWAITS\b)[^\n;{}()]*\(\s*\*\s*(\w+)\s*\)\s*\(", re.M)
TYPE = re.compile(r"\btypedef\s+WAITS\b[^;{}()]*?(?:\(\s*\*\s*(\w+)\s*\)\s*\(|"
                  r"\b(\w+)\s*\((?!\s*\*))")
DIRECT = re.compile(r"(?<![\w.>])(\w+)\s*\(")
THROUGH = re.compile(r"(?:->|\.)\s*(\w+)\s*\(")


ENTRIES = ("TEST", "TEST_FIBER", "LLVMFuzzerTestOneInput")


class Marks:
    def __init__(self):
        self.names = set()     # with external linkage
        self.statics = {}      # path -> names
        self.pointers = set()
        self.plain = set()     # pointers that are not marked
        self.types = set()

    def collect(self, path, code):
        mine = self.statics.setdefault(path, set())
        for m in TYPE.finditer(code):
            self.types.add(m.group(1) or m.group(2))
        for m in POINTER.finditer(code):
            self.pointers.add(m.group(1))
        for m in PLAIN_POINTER.finditer(code):
            self.plain.add(m.group(1))
        for m in MARKED.finditer(code):
            before = code[code.rfind("\n", 0, m.start()) + 1:m.start()]
            if "static" in m.group(1).split() or "static" in before.split():
                mine.add(m.group(2))
            elif "typedef" not in before.split():
                self.names.add(m.group(2))

    def collect_members(self, code):
        if not self.types:
            return
        member = re.compile(r"\b(?:" + "|".join(sorted(self.types)) +
                            r")\s*\*?\s*(?:const\s+)?(\w+)\s*;")
        for m in member.finditer(code):
            self.pointers.add(m.group(1))

    def waits(self, path):
        return (self.names | self.statics.get(path, set())) - set(ENTRIES)


def check_function(f, path, marks, report):
    waits = marks.waits(path)
    marked = bool(re.search(r"\bWAITS\b", f.head)) or f.name in ENTRIES
    if f.name in waits and not marked:
        report.add(path, f.line, f"{f.name} is declared WAITS: mark its definition too")
        return
    if marked:
        return
    hits = [(m.start(1), m.group(1)) for m in DIRECT.finditer(f.body) if m.group(1) in waits]
    hits += [(m.start(1), m.group(1)) for m in THROUGH.finditer(f.body)
             if m.group(1) in marks.pointers - marks.plain]
    for at, name in hits:
        line = f.line + f.head.count("\n") + f.body.count("\n", 0, at)
        report.add(path, line, f"{f.name} calls {name}, which WAITS, and is not marked itself")


def check(root, report):
    sources = {}
    marks = Marks()
    for path in csource.files(".c", ".h", root=root):
        code = csource.blank_preprocessor(csource.blank((root / path).read_text()))
        sources[path] = code
        marks.collect(path, code)
    for code in sources.values():
        marks.collect_members(code)
    for path, code in sources.items():
        for f in csource.functions(code):
            check_function(f, path, marks, report)


if __name__ == "__main__":
    csource.main(check, "waits")
