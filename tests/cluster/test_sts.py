"""MTA-STS (RFC 8461) on the way out: what a domain's site demands of its mail servers, what is sent
where they fail (nothing), and what is known when record and site have gone.

Each domain of the zone has a mail server (a Sink) and a site of its own; what they saw is all that
left the cluster."""
import contextlib
import hashlib
import json
import os
import smtplib
import subprocess
import unittest

import authority
import dnszone
from https_site import Site
from outgoing import queue, submit, waiting
from postern import cluster_command, until
from sink import Sink

CLUSTER = ["--accounts", "4", "--set", "dns={dns}", "--set", "dns_anchors={anchors}",
           "--set", "smtp.port_out={out}", "--set", "tls_trust={trust}", "--set", "sts.port={https}",
           "--set", "outbound.retry_first=1s", "--set", "outbound.retry_second=1s",
           "--set", "outbound.retry_third=1s", "--set", "outbound.retry_later=1s"]

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
HTTPS = int(os.environ.get("POSTERN_TEST_HTTPS", 0))
DOMAINS = ["good", "strip", "self", "other", "expired", "mismatch", "testing", "none", "tested", "away",
           "dated", "long", "html", "change", "memory"]
DANE = "127.0.3.254"
ids = {}


def mx_address(domain):
    return "127.0.3.%d" % (1 + DOMAINS.index(domain))


def site_address(domain):
    return "127.0.4.%d" % (1 + DOMAINS.index(domain))


def records():
    """A domain that is in ids has a record of MTA-STS."""
    lines = []
    for d in DOMAINS:
        lines += ["%s MX 10 mx.%s" % (d, d), "mx.%s A %s" % (d, mx_address(d)),
                  "mta-sts.%s A %s" % (d, site_address(d))]
        if d in ids:
            lines.append('_mta-sts.%s TXT "v=STSv1; id=%s;"' % (d, ids[d]))
    return {"sts.test": "\n".join(lines),
            "signed.test": "\n".join([
                "@ MX 10 mx", "mx A " + DANE, "_%d._tcp.mx TLSA 3 1 1 %s" % (PORT, key_digest()),
                "mta-sts A " + site_address("good"), '_mta-sts TXT "v=STSv1; id=1;"'])}


def key_digest():
    """Of the key that the server with DANE has."""
    key = subprocess.run(["openssl", "x509", "-in", pki.files("dane")["cert"], "-noout", "-pubkey"],
                         check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], check=True, input=key,
                         capture_output=True).stdout
    return hashlib.sha256(der).hexdigest()


def set_id(domain, value):
    if value is None:
        ids.pop(domain)
    else:
        ids[domain] = value
    zone.change(records())


def policy(mode, *mx, max_age=86400):
    lines = ["version: STSv1", "mode: " + mode, *("mx: " + x for x in mx), "max_age: %d" % max_age]
    return ("\r\n".join(lines) + "\r\n").encode()


def setUpModule():
    global zone, pki
    pki = authority.Authority(os.environ["POSTERN_TEST_PKI"])
    pki.self_signed("dane", "mx.elsewhere.test")
    ids.update(dict.fromkeys(DOMAINS, "1"))
    zone = dnszone.Zone(records(), port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]),
                        keys=json.loads(os.environ["POSTERN_TEST_KEYS"]))


def tearDownModule():
    zone.close()


def can_submit():
    with contextlib.suppress(smtplib.SMTPException, OSError):
        submit(["user2@example.org"])
        return True
    return False


class Sts(unittest.TestCase):
    def domain(self, domain, body, files=None, site_days=2):
        """Its site with a policy, and its mail server, with a certificate for its name or others,
        or without STARTTLS."""
        mx, site = "mx.%s.sts.test" % domain, "mta-sts.%s.sts.test" % domain
        if body is not None:
            s = Site(site_address(domain), HTTPS, **pki.leaf(domain + "-site", site, site_days))
            s.body = body
            self.addCleanup(s.close)
        files = pki.leaf(domain + "-mx", mx) if files is None else files
        sink = Sink(mx_address(domain), PORT, **files)
        self.addCleanup(sink.close)
        return sink, s if body is not None else None

    def delivered(self, domain, sink, n=1):
        submit(["to@%s.sts.test" % domain])
        self.assertEqual(len(sink.wait(n)), n)

    def kept_back(self, domain, sink, words):
        """It waits, and no byte of it has left."""
        to = "kept@%s.sts.test" % domain
        submit([to])
        self.assertIn(words, waiting(to)["last_error"])
        self.assertFalse([c for c in sink.commands if c[:4].upper() in (b"MAIL", b"RCPT")])
        self.assertEqual(sink.mails, [])

    def fate(self, to, sink):
        """What becomes of a message: it is taken, or it waits."""
        submit([to])

        def look():
            if any(to.encode() in rcpt for m in sink.mails for rcpt in m.rcpts):
                return "taken"
            return "waits" if any(r["address"] == to and r.get("attempts") for r in queue()) else ""
        return until(look)

    def test_enforced(self):
        sink, site = self.domain("good", policy("enforce", "*.good.sts.test"))
        self.delivered("good", sink)
        self.delivered("good", sink, 2)
        self.assertTrue(all(m.tls for m in sink.mails))
        self.assertEqual(site.asked, ["/.well-known/mta-sts.txt"])

    def test_starttls_stripped(self):
        sink, _ = self.domain("strip", policy("enforce", "mx.strip.sts.test"), files={})
        self.kept_back("strip", sink, "TLS is required")

    def test_certificates_of_others(self):
        sink, _ = self.domain("self", policy("enforce", "mx.self.sts.test"),
                              files=pki.self_signed("own", "mx.self.sts.test"))
        self.kept_back("self", sink, "TLS failed")
        sink, _ = self.domain("other", policy("enforce", "mx.other.sts.test"),
                              files=pki.leaf("others", "mx.good.sts.test"))
        self.kept_back("other", sink, "TLS failed")
        sink, _ = self.domain("expired", policy("enforce", "mx.expired.sts.test"),
                              files=pki.leaf("over", "mx.expired.sts.test", days=0))
        self.kept_back("expired", sink, "TLS failed")

    def test_a_server_that_is_not_named(self):
        sink, _ = self.domain("mismatch", policy("enforce", "mx.elsewhere.test"))
        self.kept_back("mismatch", sink, "MTA-STS")
        self.assertEqual(sink.sessions, 0)

    def test_not_enforced(self):
        for mode in ("testing", "none"):
            sink, site = self.domain(mode, policy(mode, "mx.elsewhere.test"), files={})
            self.delivered(mode, sink)
            self.assertEqual(len(site.asked), 1)

    def test_tested_alone(self):
        """RFC 8461 section 5: in testing mode a certificate that fails is no reason to keep mail."""
        sink, _ = self.domain("tested", policy("testing", "mx.tested.sts.test"),
                              files=pki.self_signed("tested-own", "mx.tested.sts.test"))
        self.delivered("tested", sink)
        self.assertIsNotNone(sink.mails[0].tls)

    def test_sites_without_a_policy(self):
        """As if there were no record: whoever can do that can take the record away as well."""
        sink, _ = self.domain("away", None, files={})
        self.delivered("away", sink)
        sink, site = self.domain("dated", policy("enforce", "x.test"), files={}, site_days=0)
        self.delivered("dated", sink)
        self.assertEqual(site.asked, [])
        sink, site = self.domain("long", policy("enforce", "x.test") + b"x: y\r\n" * 11000, files={})
        self.delivered("long", sink)
        self.assertEqual(len(site.asked), 1)
        sink, site = self.domain("html", policy("enforce", "x.test"), files={})
        site.type = "text/html"
        self.delivered("html", sink)
        self.delivered("html", sink, 2)
        self.assertEqual(len(site.asked), 1)

    def test_dane_wins(self):
        """RFC 8461 section 2: what DNSSEC proves needs neither site nor authority."""
        with Sink(DANE, PORT, **pki.files("dane")) as sink:
            submit(["to@signed.test"])
            self.assertTrue(sink.wait(1)[0].tls)

    def test_another_id(self):
        sink, site = self.domain("change", policy("none"))
        self.delivered("change", sink)
        site.body = policy("enforce", "mx.elsewhere.test")
        set_id("change", "2")
        # The record that is known lives a second; a connection that stands is used on.
        for i in range(100):
            sink.close()
            sink = Sink(mx_address("change"), PORT, **pki.files("change-mx"))
            self.addCleanup(sink.close)
            if self.fate("to%d@change.sts.test" % i, sink) == "waits":
                break
        self.assertEqual(sink.mails, [])
        site.body = policy("enforce", "mx.change.sts.test")
        set_id("change", "3")
        self.assertTrue(sink.wait(1)[0].tls)

    def test_what_is_known_outlives_all(self):
        """Record and site go; the worker and the back-end are killed: it is still enforced."""
        sink, site = self.domain("memory", policy("enforce", "mx.memory.sts.test"))
        self.delivered("memory", sink)
        sink.close()
        site.close()
        set_id("memory", None)
        cluster_command("kill", "be1")
        cluster_command("kill", "fe1/outbound.0", "KILL")
        cluster_command("start", "be1")
        sink, _ = self.domain("memory", None, files={})
        self.assertTrue(until(can_submit))
        self.kept_back("memory", sink, "TLS is required")


if __name__ == "__main__":
    unittest.main()
