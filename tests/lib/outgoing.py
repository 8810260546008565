"""What tests of the way out share: a user's submission, the queue's rows, the notices that came."""
import email
import json
import uuid

import postern
from postern import account, imap, message, tls, until


def submit_bytes(who, to, data, fe=0, options=(), rcpt_options=()):
    """Sends bytes as a user to the addresses, in one transaction."""
    a = account(who)
    with postern.smtp(fe, "submission") as s:
        s.starttls(context=tls())
        s.login(a["address"], a["password"])
        s.sendmail(a["address"], to, data, options, rcpt_options)


def submit(to, who=0, fe=0, subject=None, options=(), rcpt_options=(), headers=None):
    """Sends one message as a user to the addresses; its subject. headers: more of them."""
    m = message(to[0], subject or "out " + uuid.uuid4().hex, sender=account(who)["address"])
    for name, value in (headers or {}).items():
        m[name] = value
    submit_bytes(who, to, m.as_bytes(policy=m.policy.clone(linesep="\r\n")), fe, options,
                 rcpt_options)
    return m["Subject"]


def queue():
    """Rows of `queue list`."""
    status, out, err = postern.postern("--json", "queue", "list")
    assert status == 0, err
    return json.loads(out)


def waiting(address):
    """The queue's row for an address, once it was tried."""
    def look():
        return next((r for r in queue() if r["address"] == address and r.get("attempts")), None)
    return until(look)


def notice_bytes(who, about):
    """The notice in a user's INBOX that tells of an address, as it lies there."""
    def look():
        box = imap(who)
        try:
            box.select("INBOX", readonly=True)
            # Not every system calls its notice a report in the header.
            for n in box.search(None, "ALL")[1][0].split():
                data = box.fetch(n, "(BODY.PEEK[])")[1][0][1]
                m = email.message_from_bytes(data)
                parts = m.get_payload() if m.is_multipart() else []
                if len(parts) > 1 and about in parts[1].as_string() and parts[1].get_content_type() in \
                        ("message/delivery-status", "message/global-delivery-status"):
                    return data
            return None
        finally:
            box.logout()
    return until(look)


def notice(who, about):
    """The same, parsed."""
    got = notice_bytes(who, about)
    return email.message_from_bytes(got) if got else None


def fields(m, n=1):
    """Of a recipient in a notice's machine-readable part, the first is 1; of the message: 0."""
    return m.get_payload()[1].get_payload()[n]
