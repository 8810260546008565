"""Reports of TLS (RFC 8460) that other systems send us: read, summed up, each once; what is no report,
or a hostile one, changes nothing."""
import base64
import copy
import datetime
import gzip
import json
import os
import unittest
import uuid

import postern
from postern import account, cluster, cluster_command, deliver, imap, smtp, subjects, until

CLUSTER = ["--backends", "2", "--accounts", "4", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=1s",
           "--set", "outbound.retry_later=1s"]
ADDRESS = "tls-reports@example.org"
STRANGER = "reports@their.test"
MESSAGE_MAX, TEXT_MAX = 1 << 20, 4 << 20
POLICIES_MAX, COUNT_MAX = 32, 1000000000


def command(*argv, want=0):
    status, out, err = postern.postern(*argv)
    assert status == want, (argv, status, out, err)
    return out


def read_from(address):
    """Sets whose mail is read, and waits until every back-end knows it."""
    command("setting", "set", "tlsrpt.read", address)
    for b in cluster()["backends"]:
        where = ("--address", "%s:%d" % (b["host"], b["ports"]["admin"]))
        assert until(lambda: json.loads(command(*where, "setting", "show", "tlsrpt.read",
                                                "--json"))["value"] == address), b


def setUpModule():
    read_from(ADDRESS)


# It stays when midnight passes; days are those of UTC.
TODAY = datetime.datetime.now(datetime.timezone.utc).date()


def day(ago=1):
    return TODAY - datetime.timedelta(days=ago)


def report(organization, domain="example.org", ago=1, **more):
    """As a system would write it."""
    return dict({
        "organization-name": organization,
        "date-range": {"start-datetime": "%sT00:00:00Z" % day(ago),
                       "end-datetime": "%sT23:59:59Z" % day(ago)},
        "contact-info": "mailto:x@their.test", "report-id": uuid.uuid4().hex,
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": domain,
                       "policy-string": ["version: STSv1", "mode: enforce"]},
            "summary": {"total-successful-session-count": 100,
                        "total-failure-session-count": 7},
            "failure-details": [
                {"result-type": "certificate-expired", "failed-session-count": 4,
                 "sending-mta-ip": "192.0.2.1"},
                {"result-type": "sts-policy-invalid", "failed-session-count": 2}]}]}, **more)


def multipart(data, subtype="tlsrpt+gzip"):
    return (b"From: %s\r\nTo: %s\r\nSubject: Report Domain: example.org\r\nMIME-Version: 1.0\r\n"
            b"TLS-Report-Domain: example.org\r\nContent-Type: multipart/report;\r\n"
            b" report-type=\"tlsrpt\"; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
            b"A report.\r\n--b\r\nContent-Type: application/%s\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n%s--b--\r\n" %
            (STRANGER.encode(), ADDRESS.encode(), subtype.encode(),
             base64.encodebytes(data).replace(b"\n", b"\r\n")))


def packed(r):
    return multipart(gzip.compress(json.dumps(r).encode()))


def send(message, to=ADDRESS):
    with smtp() as s:
        s.sendmail(STRANGER, [to], message)


def received(organization=None, *argv):
    rows = json.loads(command("tls-report", "received", "--json", *argv))
    return [r for r in rows if organization in (None, r["organization"])]


def read(message):
    """Sends it, and waits until it was read; what became of it."""
    since = postern.log_size("fe1")
    send(message)
    lines = until(lambda: postern.log_lines("fe1", "event=outbound.tlsrpt_read", since=since))
    assert lines, "not read"
    return lines[0].partition("result=")[2].split()[0]


class Received(unittest.TestCase):
    def setUp(self):
        self.organization = "Org " + uuid.uuid4().hex[:8]

    def test_a_report(self):
        r = report(self.organization)
        self.assertEqual(read(packed(r)), "ok")
        self.assertTrue(until(lambda: received(self.organization)))
        (row,) = received(self.organization, "--domain", "example.org")
        self.assertTrue(row["day"].startswith("%sT00:00:00" % day()), row)
        self.assertEqual({k: row[k] for k in ("domain", "reports", "successes", "failures")},
                         {"domain": "example.org", "reports": 1, "successes": 100, "failures": 7})
        self.assertEqual(row["results"],
                         ["certificate-expired=4", "sts-policy-invalid=2", "other=1"])
        # The same one again is the same; another one of that day adds up.
        self.assertEqual(read(packed(r)), "ok")
        self.assertEqual(received(self.organization), [row])
        self.assertEqual(read(packed(dict(r, **{"report-id": "another"}))), "ok")
        (row,) = received(self.organization)
        self.assertEqual((row["reports"], row["successes"]), (2, 200))
        self.assertIn("certificate-expired=8", command("tls-report", "received"))
        command("tls-report", "received", "--domain", "nowhere.test", want=67)

    def test_without_compression(self):
        r = json.dumps(report(self.organization)).encode()
        self.assertEqual(read(multipart(r, "tlsrpt+json")), "ok")
        self.assertEqual(len(received(self.organization)), 1)

    def test_whoever_has_the_address_gets_it_too(self):
        """An account's: its mailbox has the message, and it is read."""
        who = account(2)["address"]
        read_from(who)
        self.addCleanup(read_from, ADDRESS)
        since = postern.log_size("fe1")
        subject = deliver([who])
        self.assertTrue(until(lambda: subject in subjects(imap(2))))
        lines = until(lambda: postern.log_lines("fe1", "event=outbound.tlsrpt_read", since=since))
        self.assertIn("result=not-found", lines[0])

    def test_days_and_domains(self):
        command("domain", "add", "second.test")
        self.addCleanup(command, "domain", "remove", "second.test")
        for address in ("other@example.org", ADDRESS):
            read_from(address)  # who knows that knows what was changed before
        both = report(self.organization)
        both["policies"] += report(self.organization, "Second.TEST")["policies"]
        both["policies"] += report(self.organization, "not-ours.test")["policies"]
        for r in (both, report(self.organization, ago=2)):
            self.assertEqual(read(packed(r)), "ok")
        self.assertTrue(until(lambda: len(received(self.organization)) == 3))
        rows = [(r["day"][:10], r["domain"]) for r in received(self.organization)]
        self.assertEqual(rows, [(str(day(2)), "example.org"), (str(day()), "example.org"),
                                (str(day()), "second.test")])
        self.assertEqual(len(received(self.organization, "--domain", "second.test")), 1)

    def test_numbers_are_cut(self):
        much = report(self.organization)
        much["policies"][0]["summary"] = {"total-successful-session-count": COUNT_MAX + 1,
                                          "total-failure-session-count": 6.0}
        self.assertEqual(read(packed(much)), "ok")
        self.assertTrue(until(lambda: received(self.organization)))
        (row,) = received(self.organization, "--domain", "Example.ORG")
        self.assertEqual((row["successes"], row["failures"]), (COUNT_MAX, 6))

    def test_hostile_ones_change_nothing(self):
        before = received()
        good = report(self.organization)
        text = json.dumps(good).encode()
        many = copy.deepcopy(good)
        many["policies"] = [report(self.organization, "d%d.example.org" % i)["policies"][0]
                            for i in range(POLICIES_MAX + 1)]
        whole = gzip.compress(text)
        for name, message, want in (
                ("no report", b"Subject: hello\r\n\r\nwords\r\n", "not-found"),
                ("a bomb", multipart(gzip.compress(b" " * (TEXT_MAX + 1))), "too-big"),
                ("large", packed(good) + b"x" * MESSAGE_MAX, "too-big"),
                ("cut", multipart(whole[:-5]), "invalid"),
                ("more behind it", multipart(whole + whole), "invalid"),
                ("no gzip", multipart(text), "invalid"),
                ("no JSON", multipart(text[:-1], "tlsrpt+json"), "invalid"),
                ("deep", multipart(b"[" * 100000, "tlsrpt+json"), "invalid"),
                ("deep inside", multipart(text[:-1] + b', "x": ' + b"[" * 1000, "tlsrpt+json"),
                 "invalid"),
                ("many values", multipart(gzip.compress(
                    text[:-1] + b', "x": [' + b"0," * 200000 + b"0]}")), "invalid"),
                ("many policies", packed(many), "invalid"),
                ("a terminal's orders", packed(report("\x1b[2J")), "invalid"),
                ("a long name", packed(report("x" * 256)), "invalid"),
                ("no id", packed(dict(good, **{"report-id": ""})), "invalid"),
                ("another's domain", packed(report(self.organization, "not-ours.test")), "ok"),
                ("the past", packed(report(self.organization, ago=60)), "ok"),
                ("the future", packed(report(self.organization, ago=-10)), "ok")):
            with self.subTest(name):
                self.assertEqual(read(message), want)
        self.assertEqual(received(), before)
        self.assertTrue(until(lambda: json.loads(command("queue", "list", "--json")) == []))

    def test_it_waits_for_the_database(self):
        """What is read cannot be kept now; to an address that nobody has it is not even read."""
        who = account(3)["address"]
        read_from(who)
        self.addCleanup(read_from, ADDRESS)
        self.addCleanup(postern.restore)
        r = packed(report(self.organization))
        with open(os.path.join(postern.FOLDER, "postgres", "pid")) as f:
            master = int(f.read().split()[0])
        cluster_command("kill", "postgres", "INT")
        self.assertTrue(until(lambda: not os.path.exists("/proc/%d" % master)))
        since = postern.log_size("fe1")
        send(r, who)
        self.assertTrue(until(lambda: postern.log_lines(
            "fe1", "event=outbound.tlsrpt_read", "result=retry", since=since)))
        postern.restore()
        self.assertTrue(until(lambda: received(self.organization), 60))
        self.assertTrue(until(lambda: json.loads(command("queue", "list", "--json")) == []))


if __name__ == "__main__":
    unittest.main()
