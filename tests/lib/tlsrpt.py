"""A reader of TLS reports (RFC 8460) that takes nothing but what the RFC has: the message (section
5.3), its file's name (5.1), gzip (5.2), JSON (4.4). Every check is an AssertionError."""
import datetime
import email
import email.policy
import gzip
import ipaddress
import json
import re

DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+"
RESULTS = {"starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
           "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid",
           "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid"}
FAILURE = {"result-type": str, "sending-mta-ip": str, "receiving-mx-hostname": str,
           "receiving-mx-helo": str, "receiving-ip": str, "failed-session-count": int,
           "additional-information": str, "failure-reason-code": str}


def fields(o, required, optional=()):
    """An object with these members, and none that the RFC does not have."""
    assert isinstance(o, dict), o
    assert set(required) <= set(o) <= set(required) | set(optional), sorted(o)


def no_twins(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), names
    return dict(pairs)


def moment(text):
    """date-time of RFC 3339, in UTC."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), text
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=datetime.timezone.utc).timestamp()


def count(n):
    assert type(n) is int and n >= 0, n
    return n


def check_failure(f):
    fields(f, ["result-type", "failed-session-count"], FAILURE)
    for name, value in f.items():
        assert type(value) is FAILURE[name], (name, value)
    assert f["result-type"] in RESULTS, f
    assert f["failed-session-count"] > 0
    for name in ("sending-mta-ip", "receiving-ip"):
        if name in f:
            ipaddress.ip_address(f[name])


def check_policy(p):
    fields(p, ["policy", "summary"], ["failure-details"])
    policy, summary = p["policy"], p["summary"]
    fields(policy, ["policy-type", "policy-domain"], ["policy-string", "mx-host"])
    assert policy["policy-type"] in ("tlsa", "sts", "no-policy-found"), policy
    assert re.fullmatch(DOMAIN, policy["policy-domain"]), policy
    for name in ("policy-string", "mx-host"):
        assert all(type(x) is str and x for x in policy.get(name, ["x"])), policy
    if policy["policy-type"] == "tlsa":
        for r in policy.get("policy-string", []):
            assert re.fullmatch(r"[0-9]+ [0-9]+ [0-9]+ [0-9a-f]+", r), r
    if policy["policy-type"] == "sts" and "policy-string" in policy:
        assert "version: STSv1" in policy["policy-string"]
        assert policy["mx-host"] == [x[4:] for x in policy["policy-string"] if x[:4] == "mx: "]
    fields(summary, ["total-successful-session-count", "total-failure-session-count"])
    count(summary["total-successful-session-count"])
    failures = count(summary["total-failure-session-count"])
    details = p.get("failure-details", [])
    for f in details:
        check_failure(f)
    assert sum(f["failed-session-count"] for f in details) <= failures
    assert bool(details) == bool(failures)


def check_json(report):
    fields(report, ["organization-name", "date-range", "contact-info", "report-id", "policies"])
    fields(report["date-range"], ["start-datetime", "end-datetime"])
    begin = moment(report["date-range"]["start-datetime"])
    end = moment(report["date-range"]["end-datetime"])
    assert begin <= end < begin + 86400
    assert re.fullmatch(DOT_ATOM + "@" + DOMAIN, report["report-id"]), report
    assert re.fullmatch(DOT_ATOM + "@" + DOMAIN, report["contact-info"]), report
    assert report["organization-name"] and report["policies"]
    for p in report["policies"]:
        check_policy(p)
    assert len({p["policy"]["policy-domain"] for p in report["policies"]}) == 1
    return int(begin), int(end)


def parse_file(data):
    """The report that is compressed in these bytes, and its first and last second."""
    report = json.loads(gzip.decompress(data).decode(), object_pairs_hook=no_twins)
    return (report, *check_json(report))


def parse(data):
    """The report in a message's bytes, and the message."""
    data.decode("ascii")
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    m = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert m.get_content_type() == "multipart/report" and m.get_param("report-type") == "tlsrpt"
    human, part = m.get_payload()
    assert human.get_content_type() == "text/plain"
    assert part.get_content_type() == "application/tlsrpt+gzip"
    report, begin, end = parse_file(part.get_payload(decode=True))
    domain = report["policies"][0]["policy"]["policy-domain"]
    sender = report["contact-info"].partition("@")[2]
    for name in ("TLS-Report-Domain", "TLS-Report-Submitter", "Subject", "From", "To", "Date",
                 "Message-ID"):
        assert len(m.get_all(name, [])) == 1, name
    assert m["TLS-Report-Domain"] == domain and m["TLS-Report-Submitter"] == sender
    assert re.fullmatch(r"Report Domain: %s\s+Submitter: %s\s+Report-ID: <%s>" % tuple(
        map(re.escape, (domain, sender, report["report-id"]))), m["Subject"]), m["Subject"]
    assert m["TLS-Required"] == "No"
    assert re.fullmatch(r"%s!%s!%d!%d![A-Za-z0-9]+\.json\.gz" % (
        re.escape(sender), re.escape(domain), begin, end), part.get_filename())
    return report, m
