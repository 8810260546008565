#!/usr/bin/env python3
"""Include rules: docs/layers.txt, private headers, include cycles."""

import fnmatch
import re

import csource

SECTION = re.compile(r"\[(\w+) ([^\]]+)\]$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.M)


class Rules:
    def __init__(self, text):
        self.order = {}      # tree -> list of levels, each a list of names
        self.uses = {}       # tree -> list of trees
        self.libraries = []  # (header patterns, file patterns)
        rows = None
        for raw in text.splitlines():
            line = raw.split("#")[0].strip()
            if not line:
                continue
            m = SECTION.match(line)
            if m:
                rows = []
                if m.group(1) == "order":
                    self.order[m.group(2)] = rows
                elif m.group(1) == "uses":
                    self.uses[m.group(2)] = rows
                elif m.group(1) == "library":
                    self.libraries.append((m.group(2).split(), rows))
                else:
                    raise SystemExit(f"docs/layers.txt: unknown section {line}")
            else:
                rows.append(line.split())

    def level(self, path):
        """(tree, number of the level, name in the level) of a file; None if not in the table."""
        tree, _, rest = path.partition("/")
        if tree not in self.order:
            return None
        folder = rest.rsplit("/", 1)[0].split("/")[0] if "/" in rest else "."
        for pattern in (True, False):
            for number, names in enumerate(self.order[tree]):
                for name in names:
                    if ("*" in name) == pattern and (fnmatch.fnmatch(rest, name) if pattern
                                                     else name == folder):
                        return tree, number, name
        return tree, None, folder

    def refused(self, path, target):
        """Why path may not include target, or None."""
        a, b = self.level(path), self.level(target)
        if a is None or b is None:
            return None
        for x, file in ((a, path), (b, target)):
            if x[1] is None:
                return f"{file}: its folder stands in no level of docs/layers.txt"
        if a[0] != b[0]:
            used = [t for row in self.uses.get(a[0], []) for t in row]
            return None if b[0] in used else f"{a[0]} may not include {b[0]}"
        if b[1] < a[1] or a[2] == b[2]:
            return None
        return f"{a[0]}/{a[2]} may not include {b[0]}/{b[2]}, which is not below it"


def check_libraries(rules, path, target, line, report):
    for headers, allowed in rules.libraries:
        if any(fnmatch.fnmatch(target, h) for h in headers):
            patterns = [p for row in allowed for p in row]
            if not any(fnmatch.fnmatch(path, p) for p in patterns):
                report.add(path, line, f"{target} belongs in {' '.join(patterns)} alone")


def check_cycles(graph, report):
    state = {}
    for first in sorted(graph):
        if first in state:
            continue
        path = [first]
        rest = [sorted(graph[first])]
        state[first] = "open"
        while path:
            if not rest[-1]:
                state[path.pop()] = "done"
                rest.pop()
                continue
            nxt = rest[-1].pop()
            if state.get(nxt) == "open":
                loop = path[path.index(nxt):] + [nxt]
                report.add(path[-1], 1, "include cycle: " + " -> ".join(loop))
            elif nxt in graph and nxt not in state:
                state[nxt] = "open"
                path.append(nxt)
                rest.append(sorted(graph[nxt]))


def check(root, report):
    rules = Rules((root / "docs/layers.txt").read_text())
    graph = {}
    for path in csource.files(".c", ".h", root=root, trees=("common", "proto", "frontend",
                                                            "backend")):
        code = csource.blank((root / path).read_text(), strings=False)
        graph[path] = set()
        for m in INCLUDE.finditer(code):
            line = code.count("\n", 0, m.start()) + 1
            target = m.group(2)
            if m.group(1) == '"':
                generated = target.endswith(".pb-c.h")
                if not generated and not (root / target).is_file():
                    report.add(path, line, f'"{target}" is not a path from the root')
                    continue
                graph[path].add(target)
                why = rules.refused(path, target)
                if why:
                    report.add(path, line, why)
                if target.endswith("_priv.h") and \
                        target.rsplit("/", 1)[0] != path.rsplit("/", 1)[0]:
                    report.add(path, line, f"{target} is private to its folder")
            check_libraries(rules, path, target, line, report)
    check_cycles(graph, report)


if __name__ == "__main__":
    csource.main(check, "layers")
