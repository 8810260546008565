#!/usr/bin/env python3
"""docs/errors.md against the sources: every row of the tables of replies in smtp_reply.c and
imap_resp.c is there; every failure's status that the way out says itself has a row, and every such
row's status is said."""

import re

import csource

SMTP = re.compile(r'\[SAY_(\w+)\] = \{(\d+), \w+, "([^"]*)", "([^"]*)"\}')
IMAP = re.compile(r'\{E_(\w+), IMAP_RC_NO, "([\w-]+)", "([^"]*)"\}')
STATUS = re.compile(r'(?<!sizeof )"([45]\.\d{1,3}\.\d{1,3})"')
OWN = ("frontend/outbound/", "backend/queue/")
OWN_SECTION = "## SMTP to other hosts: results"


def own_rows(text):
    """The statuses of our own results: {status: line}."""
    rows = {}
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            inside = line == OWN_SECTION
        elif inside and line.startswith("| "):
            for status in re.findall(r"[45]\.\d+\.\d+", line.split("|")[1]):
                rows[status] = number
    return rows


def check_own(root, page, text, report):
    rows = own_rows(text)
    said = set()
    for path in csource.files(".c", ".h", root=root):
        if not path.startswith(OWN):
            continue
        code = csource.blank((root / path).read_text(), strings=False)
        for number, line in enumerate(code.splitlines(), 1):
            for status in STATUS.findall(line):
                said.add(status)
                if status not in rows:
                    report.add(path, number, f"{page} has no row for our own {status}")
    for status in sorted(rows.keys() - said):
        report.add(page, rows[status], f"nobody says {status}")


def check(root, report):
    page = "docs/errors.md"
    text = (root / page).read_text()
    rows = SMTP.findall((root / "frontend/smtp/smtp_reply.c").read_text())
    for name, code, enhanced, words in rows:
        if name != "NOTHING" and f"| {code} {enhanced}".rstrip() + f" | {words} |" not in text:
            report.add(page, 1, f"the reply {code} {enhanced} {words} is missing")
    answers = IMAP.findall((root / "frontend/imap/imap_resp.c").read_text())
    for status, code, words in answers:
        if f"| {status} | NO [{code}] | {words} |" not in text:
            report.add(page, 1, f"the answer NO [{code}] to {status} is missing")
    check_own(root, page, text, report)
    if not rows or not answers:
        report.add(page, 1, "the tables in the sources were not found")


if __name__ == "__main__":
    csource.main(check, "errors")
