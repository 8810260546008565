"""What a domain needs of DNS, and what is wrong with what it has: each record is broken in turn."""
import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import unittest

import dnszone
import postern
from postern import cluster, cluster_command, until

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "2", "--set", "dns={dns}"]
TAKES = 40  # seconds
HOSTS = ["mx1.example.org", "mx2.example.org"]
REVERSE = "0.127.in-addr.arpa"
GOOD = {
    "mx1": "@ MX 10 mx1",
    "mx2": "@ MX 20 mx2",
    "a1": "mx1 A 127.0.1.1",
    "a2": "mx2 A 127.0.1.2",
    "spf": '@ TXT "v=spf1 mx -all"',
    "other": '@ TXT "some=thing"',
    "dmarc": '_dmarc TXT "v=DMARC1; p=none"',
    "tlsrpt": '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:x@example.org"',
    "imaps": "_imaps._tcp SRV 0 1 993 mx1",
    "submissions": "_submissions._tcp SRV 0 1 465 mx1",
    "submission": "_submission._tcp SRV 0 1 587 mx1",
    "autoconfig": "autoconfig CNAME mx1",
}
BACK = {"1": "1.1 PTR mx1.example.org.", "2": "2.1 PTR mx2.example.org."}


def setUpModule():
    global zone
    zone = dnszone.Zone({"example.org": "\n".join(GOOD.values()), REVERSE: "\n".join(BACK.values())},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))


def tearDownModule():
    zone.close()


def command(*argv, want=0):
    status, out, err = postern.postern(*argv)
    assert status == want, (status, out, err)
    return out


def show(domain="example.org"):
    """Exit status; rows by type and name."""
    status, out, err = postern.postern("dns", "show", domain, "--json")
    assert out, (status, err)
    return status, json.loads(out)


def key_digest():
    """Of the public key of a front-end's certificate (RFC 6698: selector 1, matching type 1)."""
    fe = cluster()["frontends"][0]
    with socket.create_connection((fe["host"], fe["ports"]["imaps"]), 10) as s:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(s) as tls:
            pem = ssl.DER_cert_to_PEM_cert(tls.getpeercert(True))
    public = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=pem.encode(),
                            capture_output=True, check=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public,
                         capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


def reload():
    for fe in ("fe1", "fe2"):
        cluster_command("kill", fe, "HUP")


@contextlib.contextmanager
def another_certificate():
    """All front-ends' listeners present one that has just been made."""
    names = [os.path.join(postern.FOLDER, "pki", "public" + end) for end in (".pem", ".key")]
    kept = [open(name, "rb").read() for name in names]
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=mx1.example.org",
                        "-out", names[0], "-keyout", names[1]], check=True, capture_output=True)
        reload()
        yield
    finally:
        for name, content in zip(names, kept):
            with open(name, "wb") as f:
                f.write(content)
        reload()


def dkim_lines(rows):
    """Zone lines of the keys' records."""
    lines = {}
    for k in rows:
        name = k["record_name"].removesuffix(".example.org")
        lines[name] = "%s TXT ( %s )" % (name, " ".join(
            '"%s"' % part for part in re.findall(".{1,200}", k["record"])))
    return lines


class DnsShow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.domain = cluster()["domain"]
        command("setting", "set", "dns.mx_hosts", ",".join(HOSTS))
        command("dkim", "add", cls.domain)
        command("dkim", "activate", cls.domain, "--force")
        cls.keys = json.loads(command("dkim", "list", "--json"))
        cls.records = {**GOOD, **dkim_lines(cls.keys)}

    @classmethod
    def tearDownClass(cls):
        for k in cls.keys:
            command("dkim", "retire", cls.domain, k["selector"])
            command("dkim", "remove", cls.domain, k["selector"])

    def setUp(self):
        self.assertEqual(self.domain, "example.org")
        self.addCleanup(postern.restore)
        self.put()

    def put(self, change=None, back=None):
        records, reverse = {**self.records, **(change or {})}, {**BACK, **(back or {})}
        zone.change({"example.org": "\n".join(records.values()),
                     REVERSE: "\n".join(reverse.values())})

    def rows(self, want, seconds=20):
        """The rows, once they are as the zone is now: answers are remembered for a second."""
        seen = []

        def look():
            status, rows = show()
            seen[:] = [status, rows]
            return rows if want(status, rows) else None
        found = until(look, seconds)
        self.assertTrue(found, seen)
        return found

    def fault(self, type, name, state, found=None, note=None, status=65):
        def there(got, rows):
            return got == status and any(
                r["type"] == type and r["name"] == name and r["state"] == state and
                (found is None or found in r["found"]) and (note is None or note in r["note"])
                for r in rows)
        return self.rows(there)

    def test_all_is_well(self):
        rows = self.rows(lambda status, rows: status == 0)
        for r in rows:
            if r["type"] != "TLSA":
                self.assertEqual(r["state"], "ok", r)
        self.assertEqual({(r["type"], r["name"]) for r in rows if r["need"] == "required"},
                         {("MX", "example.org"), ("A", HOSTS[0]), ("A", HOSTS[1]),
                          ("PTR", "127.0.1.1"), ("PTR", "127.0.1.2"), ("TXT", "example.org"),
                          ("TXT", "_dmarc.example.org")} |
                         {("TXT", k["record_name"]) for k in self.keys})
        self.assertEqual({(r["type"], r["name"]) for r in rows if r["need"] == "optional"},
                         {("TLSA", "_25._tcp." + h) for h in HOSTS} |
                         {("TXT", "_smtp._tls.example.org"), ("A", "autoconfig.example.org")} |
                         {("SRV", "_%s._tcp.example.org" % s)
                          for s in ("imaps", "submissions", "submission")})

    def test_as_text(self):
        self.rows(lambda status, rows: status == 0)
        self.put({"dmarc": ""})

        # Each front-end remembers the record for a second.
        def broken():
            status, out, _ = postern.postern("dns", "show", "example.org")
            return out if status == 65 else None
        out = until(broken)
        self.assertTrue(out)
        self.assertIn("ok      mx1.example.org. IN A\n\tfound: 127.0.1.1\n", out)
        self.assertIn("ok      example.org. IN MX 10 mx1.example.org.\n", out)
        self.assertIn('missing _dmarc.example.org. IN TXT "v=DMARC1; p=none; '
                      'rua=mailto:postmaster@example.org"\n', out)
        self.assertIn('missing (optional) _25._tcp.mx1.example.org. IN TLSA 3 1 1 ', out)
        for k in self.keys:
            self.assertIn(k["record"][:80], out)

    def test_mx(self):
        self.put({"mx2": ""})
        self.fault("MX", "example.org", "differs", "10 mx1.example.org", "not among them")
        self.put({"mx1": "", "mx2": ""})
        self.fault("MX", "example.org", "missing")
        self.put({"x": "@ MX 30 elsewhere.example"})
        self.fault("MX", "example.org", "differs", "30 elsewhere.example", "not one of our hosts")
        self.put({"mx1": "@ MX 0 .", "mx2": ""})
        self.fault("MX", "example.org", "differs", "0 .", "takes no mail")

    def test_hosts(self):
        self.put({"a2": ""})
        self.fault("A", "mx2.example.org", "missing")
        self.put({"a2": "mx2 CNAME mx1"})
        self.fault("A", "mx2.example.org", "differs", "127.0.1.1", "CNAME")

    def test_ptr(self):
        self.put(back={"1": ""})
        self.fault("PTR", "127.0.1.1", "missing")
        self.put(back={"1": "1.1 PTR mx2.example.org."})
        self.fault("PTR", "127.0.1.1", "differs", "mx2.example.org", "does not lead back")

    def test_spf(self):
        for text, state, note in (
                ("", "missing", ""),
                ('@ TXT "v=spf1 ip4:192.0.2.0/24 -all"', "differs", "does not let our hosts"),
                ('@ TXT "v=spf1 mx +all"', "differs", "all the world"),
                ('@ TXT "v=spf1 mx -all"\n@ TXT "v=spf1 a -all"', "differs", "several"),
                ('@ TXT "v=spf1 mx -all a/33"', "differs", "a/33: nobody reads it, for it stands "
                 "behind all; a/33: a net's length")):
            with self.subTest(text):
                self.put({"spf": text})
                self.fault("TXT", "example.org", state, note=note)
        self.put({"spf": '@ TXT "v=spf1 ip4:127.0.1.0/24 -all"'})
        self.rows(lambda status, rows: status == 0)

    def test_dmarc(self):
        for text, state, note in (
                ("", "missing", ""),
                ('_dmarc TXT "v=DMARC1; rua=mailto:x@example.org"', "differs", "no p="),
                ('_dmarc TXT "v=DMARC1; p=perhaps"', "differs", "neither"),
                ('_dmarc TXT "v=dmarc1; p=none"', "differs", "v=dmarc1: not v=DMARC1"),
                ('_dmarc TXT "v=DMARC1; p=none; pct=200; rua=x@y"', "differs",
                 "pct=200: not a number from 0 to 100; rua=x@y: not mailto:"),
                ('_dmarc TXT "v=dmarc1; p=none"\n_dmarc TXT "v=DMARC1; p=no"', "differs",
                 "p=no: neither"),
                ('_dmarc TXT "hello"', "differs", "something else")):
            with self.subTest(text):
                self.put({"dmarc": text})
                self.fault("TXT", "_dmarc.example.org", state, note=note)

    def test_tlsrpt(self):
        for text, note in (
                ('_smtp._tls TXT "v=tlsrptv1; rua=mailto:x@y"', "v=tlsrptv1: not v=TLSRPTv1"),
                ('_smtp._tls TXT "v=TLSRPTv1; rua=ftp://x"', "rua=ftp://x: neither mailto:")):
            with self.subTest(text):
                self.put({"tlsrpt": text})
                self.fault("TXT", "_smtp._tls.example.org", "differs", note=note, status=0)

    def test_dkim(self):
        name = self.keys[0]["record_name"]
        short = name.removesuffix(".example.org")
        other = self.keys[1]["record"]
        for text, state, note in (
                ("", "missing", ""),
                ('%s TXT "v=DKIM1; k=%s; p="' % (short, self.keys[0]["algorithm"]), "differs",
                 "revoked"),
                ('%s TXT ( %s )' % (short, " ".join(
                    '"%s"' % part for part in re.findall(".{1,200}", other))), "differs", "k=")):
            with self.subTest(text):
                self.put({short: text})
                self.fault("TXT", name, state, note=note)

    def test_tlsa(self):
        """A key that no front-end presents is named, though nobody may look at it yet."""
        host = "_25._tcp.mx1.example.org"
        self.rows(lambda status, rows: any(r["name"] == host and r["state"] == "missing"
                                           for r in rows))
        self.put({"tlsa": "_25._tcp.mx1 TLSA 3 1 1 " + 32 * "5a"})
        self.fault("TLSA", host, "differs", "3 1 1 5a5a", "no front-end presents", status=0)
        old = "3 1 1 " + key_digest()
        self.put({"tlsa": "_25._tcp.mx1 TLSA " + old})
        self.fault("TLSA", host, "differs", "3 1 1 ", "not signed by DNSSEC", status=0)
        # With another certificate it is the wrong key.
        with another_certificate():
            self.fault("TLSA", host, "differs", old, "no front-end presents", status=0)
        self.fault("TLSA", host, "differs", old, "not signed by DNSSEC", status=0)

    def test_optional(self):
        """Told, and no failure."""
        self.put({"tlsrpt": "", "imaps": "_imaps._tcp SRV 0 1 143 mx1", "submission": "", "autoconfig": ""})
        self.fault("TXT", "_smtp._tls.example.org", "missing", status=0)
        self.fault("SRV", "_imaps._tcp.example.org", "differs", "143", "port", status=0)
        self.fault("SRV", "_submission._tcp.example.org", "missing", status=0)
        self.fault("A", "autoconfig.example.org", "missing", status=0)

    def test_nobody_asks(self):
        """Without front-ends the values are shown all the same."""
        self.rows(lambda status, rows: status == 0)
        for fe in ("fe1", "fe2"):
            cluster_command("kill", fe, "TERM")
        rows = self.rows(lambda status, rows: status == 69)
        self.assertEqual({r["state"] for r in rows if r["value"]}, {"unknown"})
        self.assertTrue(any("no front-end" in r["note"] for r in rows), rows)

    def test_one_frontend_is_away(self):
        self.rows(lambda status, rows: status == 0)
        cluster_command("kill", "fe1", "TERM")
        self.rows(lambda status, rows: status == 0)

    def test_name_server_is_away(self):
        self.rows(lambda status, rows: status == 0)
        # Of a domain that nobody has asked for yet nothing is remembered.
        command("domain", "add", "fresh.test")
        self.addCleanup(command, "domain", "remove", "fresh.test")
        command("dkim", "add", "fresh.test", "--selector", "k", "--algorithm", "ed25519")
        self.addCleanup(command, "dkim", "remove", "fresh.test", "k")
        command("dkim", "activate", "fresh.test", "--force")
        self.addCleanup(command, "dkim", "retire", "fresh.test", "k")
        command("setting", "set", "dns.mx_hosts", "mx1.fresh.test,mx2.fresh.test")
        self.addCleanup(command, "setting", "set", "dns.mx_hosts", ",".join(HOSTS))
        zone.stop()
        self.addCleanup(zone.start)
        status, rows = show("fresh.test")
        self.assertEqual(status, 69, rows)
        self.assertEqual({(r["state"], r["note"]) for r in rows},
                         {("unknown", "the name servers do not answer")})

    def test_refused(self):
        command("dns", "show", "elsewhere.example", want=67)
        command("setting", "unset", "dns.mx_hosts")
        self.addCleanup(command, "setting", "set", "dns.mx_hosts", ",".join(HOSTS))
        status, out, err = postern.postern("dns", "show", "example.org")
        self.assertNotEqual(status, 0)
        self.assertIn("dns.mx_hosts", err)


if __name__ == "__main__":
    unittest.main()
