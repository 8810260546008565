#!/usr/bin/env python3
"""Reads the notices that notice_test wrote into a folder, with another parser than ours. The name
of each says what it must be: KIND.LANGUAGE.CHARSET.ORIGINAL.eml. Prints what is wrong."""

import email
import email.policy
import pathlib
import re
import sys

ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
ORIGINALS = {"full": ("message/rfc822", "message/global"), "none": (None, None)}
HEADERS = ("text/rfc822-headers", "message/global-headers")


def blocks(part):
    """The groups of fields of a delivery status, whatever the parser made of its type."""
    raw = part.as_bytes(policy=email.policy.SMTP).split(b"\r\n\r\n", 1)[1]
    return [email.message_from_bytes(b, policy=email.policy.default)
            for b in re.split(rb"\r\n\r\n", raw.strip())]


def check(path, wrong):
    kind, language, charset, original, _ = path.name.split(".")
    raw = path.read_bytes()
    m = email.message_from_bytes(raw, policy=email.policy.default)
    utf8 = charset == "utf8"

    def want(what, got, expected):
        if got != expected:
            wrong.append(f"{path.name}: {what} is {got!r}, not {expected!r}")

    want("defects", m.defects, [])
    want("type", m.get_content_type(), "multipart/report")
    want("report-type", m.get_param("report-type"), "delivery-status")
    want("Auto-Submitted", m["Auto-Submitted"], "auto-replied")
    want("From", m["From"].addresses[0].addr_spec, "MAILER-DAEMON@mx.example.org")
    want("To", str(m["To"]).strip("<>"), "jürgen@example.org" if utf8 else "alice@example.org")
    for name in ("Date", "Subject", "Message-ID", "From"):
        want(f"defects of {name}", list(m[name].defects), [])
    parts = m.get_payload()
    third = ORIGINALS.get(original, HEADERS)[1 if utf8 else 0]
    want("parts", [p.get_content_type() for p in parts],
         ["text/plain", f"message/{'global-' if utf8 else ''}delivery-status"]
         + ([third] if third else []))
    want("defects of parts", [p.defects for p in parts], [[] for p in parts])
    text = parts[0].get_content()
    want("language", parts[0]["Content-Language"], language)
    want("recipient in the text", "<bob@example.net>" in text, True)
    want("width", [line for line in text.splitlines() if len(line) > 76], [])
    if original != "none":
        want("In-Reply-To", m["In-Reply-To"], "<original@example.org>")
    groups = blocks(parts[1])
    want("groups", len(groups), 3)
    want("Reporting-MTA", groups[0]["Reporting-MTA"], "dns; mx.example.org")
    want("Original-Envelope-Id", groups[0]["Original-Envelope-Id"], "envelope 1")
    want("Action", groups[1]["Action"], ACTIONS[int(kind)])
    want("Final-Recipient", groups[1]["Final-Recipient"], "rfc822; bob@example.net")
    want("Original-Recipient", groups[1]["Original-Recipient"], "rfc822; bobby@example.net")
    want("the original's body", b"Dear Bob" in raw, original == "full")


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.eml"))
    wrong = []
    for path in files:
        check(path, wrong)
    print("\n".join(wrong))
    return 0 if files and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
