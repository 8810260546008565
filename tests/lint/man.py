#!/usr/bin/env python3
"""docs/man against the tables of settings: every setting is in its page, with its type and default,
and nothing else is. A setting is written as

    .It Ic smtp.messages_max Pq Ar number , default Li 100

with `required` in the place of a default that must be set, and nothing there for an empty one."""

import re

import csource

TYPES = {"STRING": "string", "INT": "number", "BOOL": "bool", "BYTES": "size",
         "DURATION": "duration", "WORD": "word", "ADDRS": "addresses", "STRINGS": "strings"}
ROW = re.compile(r'\{\s*((?:svc )?"[^"]*"),\s*CONF_(\w+),\s*(NULL|"[^"]*"|\w+),\s*'
                 r'[^,{}]+,\s*[^,{}]+,\s*([A-Z_0-9 |]+),')
LIMITS = re.compile(r'^\tLIMITS\("(\w+)", "(\d+)", "(\d+)", "(\d+)"\)', re.M)
ITEM = re.compile(r"^\.It Ic (\S+) Pq Ar (\S+)(?: , (required)| , default Li (.+))?$")

PAGES = {
    "docs/man/postern-frontend.conf.5": ["frontend/fe_conf.c"],
    "docs/man/postern-backend.conf.5": ["backend/be_conf.c", "proto/settings.c"],
    "docs/man/postern-sendmail.conf.5": ["frontend/sendmail/sm_conf.c"],
}


def rows(text):
    """name -> (type, default or None, required) of a source's tables."""
    found = {}
    text = text.replace("\\\n", "\n")
    shared = []
    for name, kind, default, flags in ROW.findall(text):
        default = None if default in ("NULL", '""') else default.strip('"')
        row = [TYPES[kind], default, "REQUIRED" in flags]
        if name.startswith("svc "):
            shared.append((name[5:-1], row))
        else:
            found[name.strip('"')] = tuple(row)
    for service, *values in LIMITS.findall(text):
        for (suffix, row), value in zip(shared, values):
            found[service + suffix] = (row[0], value, row[2])
    return found


def items(text):
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        m = ITEM.match(line)
        if m:
            found[m.group(1)] = ((m.group(2), m.group(4), m.group(3) is not None), number)
        elif line.startswith(".It Ic "):
            found[line[7:]] = (None, number)
    return found


def check(root, report):
    for page, sources in PAGES.items():
        want = {}
        for source in sources:
            want.update(rows((root / source).read_text()))
        have = items((root / page).read_text())
        for name, row in want.items():
            if name not in have:
                report.add(page, 1, f"{name} is missing")
            elif have[name][0] != row:
                report.add(page, have[name][1], f"{name} is {row} in the sources")
        for name, (_, number) in have.items():
            if name not in want:
                report.add(page, number, f"there is no setting {name}")


if __name__ == "__main__":
    csource.main(check, "man")
