#!/usr/bin/env python3
"""docs/errors.md against the tables of replies: every row of smtp_reply.c and imap_resp.c is there."""

import re

import csource

SMTP = re.compile(r'\[SAY_(\w+)\] = \{(\d+), \w+, "([^"]*)", "([^"]*)"\}')
IMAP = re.compile(r'\{E_(\w+), IMAP_RC_NO, "([\w-]+)", "([^"]*)"\}')


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
    if not rows or not answers:
        report.add(page, 1, "the tables in the sources were not found")


if __name__ == "__main__":
    csource.main(check, "errors")
