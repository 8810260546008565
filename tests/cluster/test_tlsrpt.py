"""Reports of TLS (RFC 8460): what is seen of other systems' servers, summed up, and sent to whoever
asks for it in DNS."""
import json
import os
import unittest

import authority
import dkim_check
import dnszone
import tlsrpt
from https_site import Site
from outgoing import queue, submit
from postern import imap, postern, until
from sink import Sink
from test_sts import policy

CLUSTER = ["--accounts", "4", "--backends", "2", "--set", "dns={dns}",
           "--set", "smtp.port_out={out}", "--set", "tls_trust={trust}", "--set", "sts.port={https}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s",
           "--set", "tlsrpt.contact=tls-reports@example.org",
           "--set", "tlsrpt.organization=The Example"]
TAKES = 20  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
HTTPS = int(os.environ.get("POSTERN_TEST_HTTPS", 0))
DOMAINS = ["plain", "tls", "enforced", "testing", "stripped", "broken", "silent", "reports", "gone",
           "verbs", "posted", "keyed"]
RUA = {"plain": "mailto:plain@reports.rpt.test", "tls": "mailto:tls@reports.rpt.test",
       "enforced": "mailto:user1@example.org", "testing": "mailto:testing@reports.rpt.test",
       "stripped": "mailto:stripped%2Bx@reports.rpt.test?subject=x,ftp://reports.rpt.test/v1",
       "broken": "mailto:broken@reports.rpt.test", "gone": "mailto:nobody@gone.rpt.test",
       "keyed": "mailto:keyed@reports.rpt.test",
       "posted": "https://mta-sts.posted.rpt.test/reports?of=tls"}
STS = {"enforced": policy("enforce", "mx.enforced.rpt.test"),
       "testing": policy("testing", "*.testing.rpt.test"),
       "stripped": policy("enforce", "mx.stripped.rpt.test"), "broken": b"version: STSv2\r\n"}
WITHOUT_TLS = ("plain", "stripped", "posted", "silent", "verbs")


def address(domain, third):
    return "127.0.%d.%d" % (third, 1 + DOMAINS.index(domain))


def records():
    lines = []
    for d in DOMAINS:
        lines += ["%s MX 10 mx.%s" % (d, d), "mx.%s A %s" % (d, address(d, 5)),
                  "mta-sts.%s A %s" % (d, address(d, 6))]
        if d in RUA:
            lines.append('_smtp._tls.%s TXT "v=TLSRPTv1; rua=%s"' % (d, RUA[d]))
        if d in STS:
            lines.append('_mta-sts.%s TXT "v=STSv1; id=1;"' % d)
    return {"rpt.test": "\n".join(lines)}


def setUpModule():
    global zone, pki, reports
    pki = authority.Authority(os.environ["POSTERN_TEST_PKI"])
    zone = dnszone.Zone(records(), port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    reports = Sink(address("reports", 5), PORT)


def tearDownModule():
    zone.close()
    reports.close()


def ctl(*argv):
    status, out, err = postern("--json", "tls-report", *argv)
    assert status == 0, err
    return json.loads(out)


def rows(domain):
    return ctl("show", domain + ".rpt.test").get("rows", [])


def report_to(address):
    """Of the mail that has come for reports."""
    def look():
        return next((m for m in reports.mails if any(address.encode() in r for r in m.rcpts)), None)
    return until(look)


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One message to each domain, to all at once: workers tell of what they have seen every few
        seconds."""
        cls.servers = {d: cls.server(d) for d in DOMAINS if d != "reports"}
        for d in cls.servers:
            submit(["to@%s.rpt.test" % d])

    @classmethod
    def server(cls, domain):
        """The domain's mail server, and the site of its policy."""
        if domain in STS:
            site = Site(address(domain, 6), HTTPS,
                        **pki.leaf(domain + "-site", "mta-sts.%s.rpt.test" % domain))
            site.body = STS[domain]
            cls.addClassCleanup(site.close)
        make = pki.self_signed if domain == "testing" else pki.leaf
        sink = Sink(address(domain, 5), PORT, **({} if domain in WITHOUT_TLS else make(
            domain + "-mx", "mx.%s.rpt.test" % domain)))
        cls.addClassCleanup(sink.close)
        return sink

    def seen(self, domain):
        """Mail for it was tried, and a session with its server is summed up."""
        return until(lambda: sum(int(r.get("successes", 0)) + int(r.get("failures", 0))
                                 for r in rows(domain)))

    def reported(self, domain, to):
        """What its report says, once it was sent."""
        sent = ctl("send", domain + ".rpt.test")
        self.assertEqual(sum(int(r.get("reports", 0)) for r in sent), 1)
        self.assertTrue(until(lambda: "sent" in [r["state"] for r in rows(domain)]))
        mail = report_to(to)
        self.assertIn(b"<>", mail.sender)
        report, _ = tlsrpt.parse(bytes(mail.data))
        self.assertEqual(report["organization-name"], "The Example")
        self.assertEqual(report["contact-info"], "tls-reports@example.org")
        self.assertEqual(len(report["policies"]), 1)
        self.assertEqual(report["policies"][0]["policy"]["policy-domain"], domain + ".rpt.test")
        return report["policies"][0]

    def failure(self, p, result):
        """The policy's one failure."""
        self.assertEqual(p["summary"]["total-successful-session-count"], 0)
        self.assertEqual([f["result-type"] for f in p["failure-details"]], [result])
        f = p["failure-details"][0]
        domain = p["policy"]["policy-domain"]
        self.assertEqual(f["receiving-mx-hostname"], "mx." + domain)
        self.assertEqual(f["receiving-ip"], address(domain.partition(".")[0], 5))
        self.assertTrue(f["sending-mta-ip"].startswith("127."))
        self.assertEqual(p["summary"]["total-failure-session-count"], f["failed-session-count"])
        return f

    def test_success(self):
        self.assertTrue(self.seen("tls"))
        p = self.reported("tls", "tls@reports.rpt.test")
        self.assertEqual(p["policy"], {"policy-type": "no-policy-found",
                                       "policy-domain": "tls.rpt.test"})
        self.assertEqual(p["summary"], {"total-successful-session-count": 1,
                                        "total-failure-session-count": 0})

    def test_without_tls(self):
        self.assertTrue(self.seen("plain"))
        p = self.reported("plain", "plain@reports.rpt.test")
        self.assertEqual(p["policy"]["policy-type"], "no-policy-found")
        self.failure(p, "starttls-not-supported")

    def test_signed(self):
        """By the domain of its author, as soon as that has keys."""
        def dkim(*argv):
            status, out, err = postern("--json", "dkim", *argv)
            self.assertEqual(status, 0, err)
            return out

        def forget():
            for k in keys:
                dkim("retire", "example.org", k["selector"])
                dkim("remove", "example.org", k["selector"])

        def signatures():
            before = len(reports.mails)
            submit(["to@keyed.rpt.test"])
            if not until(lambda: "collecting" in [r["state"] for r in rows("keyed")]):
                return None
            ctl("send", "keyed.rpt.test")
            if not until(lambda: any(b"keyed" in m.rcpts[0] for m in reports.mails[before:])):
                return None
            mail = next(m for m in reports.mails[before:] if b"keyed" in m.rcpts[0])
            good, = dkim_check.verify([bytes(mail.data)],
                                      {k["record_name"]: k["record"] for k in keys})
            return good if set(good) == {k["selector"] for k in keys} else None
        dkim("add", "example.org")
        dkim("activate", "example.org", "--force")
        keys = json.loads(dkim("list"))
        self.addCleanup(forget)
        good = until(signatures, 60)
        self.assertTrue(good and all(good.values()), good)

    def test_one_of_ours_wants_it(self):
        """The report goes into a mailbox here."""
        self.assertTrue(self.seen("enforced"))
        ctl("send", "enforced.rpt.test")
        box = imap(0)

        def look():
            box.select("INBOX")
            found = box.search(None, "HEADER", "TLS-Report-Domain", "enforced.rpt.test")[1][0]
            return found.split()
        number = until(look)[0].decode()
        report, _ = tlsrpt.parse(box.fetch(number, "(BODY.PEEK[])")[1][0][1])
        box.logout()
        p = report["policies"][0]
        self.assertEqual(p["policy"]["policy-type"], "sts")
        self.assertEqual(p["policy"]["mx-host"], ["mx.enforced.rpt.test"])
        self.assertEqual(p["summary"]["total-successful-session-count"], 1)

    def test_testing(self):
        """The mail arrives, and what an enforced policy would have refused is told."""
        self.assertTrue(self.seen("testing"))
        self.assertTrue(self.servers["testing"].wait(1)[0].tls)
        p = self.reported("testing", "testing@reports.rpt.test")
        self.assertIn("mode: testing", p["policy"]["policy-string"])
        self.failure(p, "certificate-not-trusted")

    def test_stripped(self):
        self.assertTrue(self.seen("stripped"))
        p = self.reported("stripped", "stripped+x@reports.rpt.test")
        self.assertEqual(p["policy"]["policy-type"], "sts")
        self.failure(p, "starttls-not-supported")

    def test_a_policy_that_is_none(self):
        self.assertTrue(self.seen("broken"))
        p = self.reported("broken", "broken@reports.rpt.test")
        self.assertEqual(p["policy"], {"policy-type": "sts", "policy-domain": "broken.rpt.test"})
        self.failure(p, "sts-policy-invalid")

    def test_a_site_wants_it(self):
        """Tried again when the site would not have it, under the same id."""
        site = Site(address("posted", 6), HTTPS,
                    **pki.leaf("posted-site", "mta-sts.posted.rpt.test"))
        self.addCleanup(site.close)
        site.status = 503
        self.assertTrue(self.seen("posted"))
        ctl("send", "posted.rpt.test")
        self.assertTrue(until(lambda: rows("posted")[0]["last"] == "the site answers 503"))
        self.assertEqual(rows("posted")[0]["state"], "waiting")
        site.status = 202
        ctl("send", "posted.rpt.test")
        self.assertTrue(until(lambda: rows("posted")[0]["state"] == "sent"))
        self.assertEqual(rows("posted")[0]["last"], "to mta-sts.posted.rpt.test")
        ids = []
        for path, kind, content in site.posted:
            self.assertEqual((path, kind), ("/reports?of=tls", "application/tlsrpt+gzip"))
            report = tlsrpt.parse_file(content)[0]
            self.failure(report["policies"][0], "starttls-not-supported")
            ids.append(report["report-id"])
        self.assertEqual(len(ids), 2)
        self.assertEqual(len(set(ids)), 1)

    def test_nobody_asks(self):
        self.assertTrue(self.seen("silent"))
        before = len(reports.mails)
        ctl("send", "silent.rpt.test")
        self.assertTrue(until(lambda: rows("silent")[0]["state"] == "unwanted"))
        self.assertEqual([m for m in reports.mails[before:] if b"silent" in m.data], [])

    def test_a_report_that_cannot_be_sent(self):
        """It is dropped, not kept: nobody misses it; and what TLS did on its way is not told."""
        sink = self.servers["gone"]
        self.assertTrue(self.seen("gone"))
        sink.does["rcpt"] = b"550 5.1.1 nobody of that name"
        ctl("send", "gone.rpt.test")
        self.assertTrue(until(lambda: rows("gone")[0]["state"] == "sent"))
        until(lambda: any(b"nobody@gone" in c for c in sink.commands))
        self.assertTrue(until(lambda: not [r for r in queue() if "gone" in r["address"]]))
        self.assertEqual(len(rows("gone")), 1)

    def test_verbs(self):
        self.assertTrue(self.seen("verbs"))
        self.assertIn("verbs.rpt.test", [r["domain"] for r in ctl("list")["rows"]])
        results = ctl("show", "verbs.rpt.test")["results"]
        self.assertIn("starttls-not-supported", [r["result"] for r in results])
        self.assertEqual(postern("tls-report", "show", "UPPER.test")[0], 65)
        ctl("send", "verbs.rpt.test")
        status, out, _ = postern("--json", "audit", "list")
        self.assertIn("tls.reportsend", out)


if __name__ == "__main__":
    unittest.main()
