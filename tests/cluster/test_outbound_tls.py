"""TLS to other systems' servers that whoever stands between cannot take away: DANE, policies by
destination, REQUIRETLS, and what is sent when they fail: nothing.

Each host of the zones is a Sink of its own; what it saw is all that left the cluster."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest
import uuid

import dnszone
from outgoing import fields, notice, queue, submit, waiting
from postern import account, cluster, log_lines, log_size, message, postern, smtp, tls, until
from sink import Sink

CLUSTER = ["--accounts", "4", "--set", "dns={dns}", "--set", "dns_anchors={anchors}",
           "--set", "smtp.port_out={out}", "--set", "outbound.retry_first=1s",
           "--set", "outbound.retry_second=1s", "--set", "outbound.retry_third=1s",
           "--set", "outbound.retry_later=1s"]
TAKES = 40  # seconds

PORT = int(os.environ.get("POSTERN_TEST_OUT", 0))
OFFERS = ("PIPELINING", "8BITMIME", "SIZE 60000000")
# Hosts, each of a domain of its own: what waits for one is in nobody's way.
SIGNED = ["ee", "eeon", "eeoff", "eehop", "ta", "bad", "badmay", "badno", "wrong", "strip",
          "first", "second", "none", "eeold", "eename", "taold", "cut"]
PLAIN = ["p%d" % i for i in range(16)]
MATRIX = ["m%d" % i for i in range(20)]
HOSTS = [*SIGNED, *PLAIN, *MATRIX, "broken"]
EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def address(host):
    return "127.0.2.%d" % (1 + HOSTS.index(host))


def openssl(*argv, feed=None):
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, input=feed).stdout


class Pki:
    """An authority, leaves of it, and a certificate that nobody signed; files in a folder."""

    def __init__(self, folder):
        self.folder = folder
        for name, extension in (("ca", "basicConstraints=critical,CA:TRUE"),
                                ("self", "subjectAltName=DNS:mx.plain.test")):
            openssl("req", "-x509", *EC, "-keyout", self.path(name + ".key"), "-out",
                    self.path(name + ".pem"), "-days", "2", "-subj", "/CN=" + name, "-addext",
                    extension)

    def path(self, name):
        return os.path.join(self.folder, name)

    def leaf(self, name, host, days="2"):
        """The file has the authority's certificate behind it."""
        openssl("req", *EC, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"),
                "-subj", "/CN=" + name)
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:" + host)
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.pem"),
                "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", days, "-extfile",
                self.path(name + ".ext"), "-out", self.path(name + ".pem"))
        with open(self.path(name + ".pem"), "a") as f, open(self.path("ca.pem")) as ca:
            f.write(ca.read())

    def cert(self, name):
        return {"cert": self.path(name + ".pem"), "key": self.path(name + ".key")}

    def key_digest(self, name):
        key = openssl("x509", "-in", self.path(name + ".pem"), "-noout", "-pubkey")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", feed=key)).hexdigest()

    def cert_digest(self, name):
        der = openssl("x509", "-in", self.path(name + ".pem"), "-outform", "DER")
        return hashlib.sha256(der).hexdigest()


def zone_of(hosts, tlsa):
    lines = []
    for host in hosts:
        lines += ["%s MX 10 mx.%s" % (host, host), "mx.%s A %s" % (host, address(host))]
        if host in tlsa:
            lines.append("_%d._tcp.mx.%s TLSA %s" % (PORT, host, tlsa[host]))
    return "\n".join(lines)


def signed_zone():
    own, other = "3 1 1 " + pki.key_digest("self"), "3 1 1 " + pki.key_digest("ca")
    ta = "2 0 1 " + pki.cert_digest("ca")
    return zone_of(SIGNED, {"ee": own, "eeon": own, "eeoff": own, "eehop": own, "strip": own,
                            "first": own, "second": own, "ta": ta,
                            "wrong": ta, "bad": other, "badmay": other, "badno": other,
                            "eeold": "3 1 1 " + pki.key_digest("expired"), "taold": ta, "cut": own,
                            "eename": "3 1 1 " + pki.key_digest("elsewhere")}) + \
        "\ntwo MX 10 mx.first\ntwo MX 20 mx.second"


def setUpModule():
    global folder, pki, zone
    folder = tempfile.mkdtemp(prefix="outbound-tls-")
    pki = Pki(folder)
    pki.leaf("ta", "mx.ta.signed.test")
    pki.leaf("elsewhere", "mx.elsewhere.test")
    pki.leaf("expired", "*.plain.test", "-1")
    pki.leaf("taold", "mx.taold.signed.test", "-1")
    keys = json.loads(os.environ["POSTERN_TEST_KEYS"])
    # Signed by another's key: a zone that is forged.
    keys["broken.test"] = dnszone.make_key(folder, "broken.test")
    zone = dnszone.Zone({
        "signed.test": signed_zone(),
        "broken.test": "@ MX 10 mx\nmx A %s" % address("broken"),
        # Where nothing is signed anybody may say this.
        "plain.test": zone_of(PLAIN, dict.fromkeys(PLAIN, "3 1 1 " + pki.key_digest("ca"))) +
                      "\n" + zone_of(MATRIX, {}),
    }, port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]), keys=keys)


def tearDownModule():
    zone.close()
    shutil.rmtree(folder)


def run(*argv):
    status, out, err = postern(*argv)
    assert status == 0, err
    return out


class OutboundTls(unittest.TestCase):
    plain = iter(PLAIN)

    def sink(self, host, cert="self", offers=OFFERS):
        s = Sink(address(host), PORT, offers=offers, **(pki.cert(cert) if cert else {}))
        self.addCleanup(s.close)
        return s

    def unsigned(self, *argv, **options):
        """A domain without DNSSEC, and its host."""
        host = next(self.plain)
        return host + ".plain.test", self.sink(host, *argv, **options)

    def policy(self, destination, *argv):
        run("tls-policy", "set", destination, *argv)
        self.addCleanup(run, "tls-policy", "remove", destination)

    def taken(self, sink):
        mails = sink.wait(1)
        self.assertEqual(len(mails), 1)
        return mails[0]

    def nothing_left(self, sink):
        self.assertEqual([c for c in sink.commands if c[:4] in (b"MAIL", b"RCPT", b"DATA")], [])

    def waits(self, sink, to, why, status="4.7.5"):
        """It is tried, more than once, and waits for this reason; the host heard nothing of it."""
        row = waiting(to)
        self.assertIn(why, row["last_error"])
        self.assertEqual(row["status"], status)
        self.assertTrue(until(lambda: any(
            r["address"] == to and r["attempts"] > row["attempts"] for r in queue())))
        self.nothing_left(sink)

    # ---- DANE ----

    def test_dane_ee_takes_a_certificate_that_nobody_signed(self):
        s, before = self.sink("ee"), log_size("be1")
        submit(["a@ee.signed.test"])
        self.assertIsNotNone(self.taken(s).tls)
        # How the host was known stands in the log.
        self.assertTrue(until(lambda: log_lines("be1", "event=outbound.sent", address("ee") + "]",
                                                " dane-ee\"", since=before)))

    def test_dane_ta(self):
        s = self.sink("ta", "ta")
        submit(["a@ta.signed.test"])
        self.assertIsNotNone(self.taken(s).tls)

    def test_dane_ee_knows_neither_names_nor_dates(self):
        """RFC 7672 section 3.1.1."""
        for host, cert in (("eeold", "expired"), ("eename", "elsewhere")):
            s = self.sink(host, cert)
            submit(["a@%s.signed.test" % host])
            self.assertIsNotNone(self.taken(s).tls)

    def test_dane_ta_that_is_over(self):
        s = self.sink("taold", "taold")
        submit(["old@taold.signed.test"])
        self.waits(s, "old@taold.signed.test", "certificate has expired")

    def test_dane_when_tls_breaks(self):
        s = self.sink("cut")
        s.does["starttls"] = "close"
        submit(["cut@cut.signed.test"])
        self.waits(s, "cut@cut.signed.test", "the connection was lost (starttls)", "4.4.2")

    def test_dane_ta_of_another_name(self):
        s = self.sink("wrong", "elsewhere")
        submit(["name@wrong.signed.test"])
        self.waits(s, "name@wrong.signed.test", "certificate is for other names")

    def test_dane_with_another_key(self):
        s = self.sink("bad")
        submit(["key@bad.signed.test"])
        self.waits(s, "key@bad.signed.test", "no TLSA record matches")

    def test_starttls_taken_away(self):
        s = self.sink("strip", None)
        submit(["strip@strip.signed.test"])
        self.waits(s, "strip@strip.signed.test", "TLS is required", "4.7.4")

    def test_the_next_host_is_asked(self):
        first, second = self.sink("first", None), self.sink("second")
        submit(["a@two.signed.test"])
        self.assertIsNotNone(self.taken(second).tls)
        self.nothing_left(first)
        self.assertEqual(first.sessions, 1)

    def test_no_records_in_a_signed_zone(self):
        s = self.sink("none", None)
        submit(["a@none.signed.test"])
        self.assertIsNone(self.taken(s).tls)

    def test_records_that_nothing_proves_are_none(self):
        to, s = self.unsigned()
        submit(["a@" + to])
        self.assertIsNotNone(self.taken(s).tls)

    def test_a_zone_that_is_forged(self):
        s = self.sink("broken", None)
        submit(["forged@broken.test"])
        self.waits(s, "forged@broken.test", "DNSSEC validation failed")

    # ---- policies ----

    def test_none_is_clear(self):
        to, s = self.unsigned()
        self.policy(to, "none")
        submit(["a@" + to])
        self.assertIsNone(self.taken(s).tls)

    def test_may_goes_on_in_clear_when_tls_breaks(self):
        to, s = self.unsigned()
        s.does["starttls"] = "garbage"
        self.policy(to, "may")
        submit(["a@" + to])
        self.assertIsNone(self.taken(s).tls)

    def test_may_does_not_look_at_dane(self):
        s = self.sink("badmay")
        self.policy(".badmay.signed.test", "none")
        self.policy(".signed.test", "may")
        submit(["a@badmay.signed.test"])
        self.assertIsNotNone(self.taken(s).tls)

    def test_encrypt(self):
        to, s = self.unsigned()
        self.policy("*", "encrypt")
        submit(["a@" + to])
        self.assertIsNotNone(self.taken(s).tls)

    def test_encrypt_without_starttls(self):
        to, s = self.unsigned(None)
        self.policy(to, "encrypt")
        submit(["encrypt@" + to])
        self.waits(s, "encrypt@" + to, "TLS is required", "4.7.4")

    def test_encrypt_when_tls_breaks(self):
        to, s = self.unsigned()
        s.does["starttls"] = b"220 go\r\nnothing that a handshake begins with"
        self.policy(to, "encrypt")
        submit(["breaks@" + to])
        self.waits(s, "breaks@" + to, "bytes in clear before the handshake", "4.5.0")

    def test_verify_a_certificate_that_nobody_signed(self):
        to, s = self.unsigned()
        self.policy(to, "verify")
        submit(["verify@" + to])
        self.waits(s, "verify@" + to, "self-signed certificate")

    def test_dane_only_without_dnssec(self):
        to, s = self.unsigned()
        self.policy(to, "dane-only")
        submit(["only@" + to])
        self.waits(s, "only@" + to, "no usable record")

    def test_pinned(self):
        to, s = self.unsigned()
        self.policy(to, "pinned", "--fingerprint", pki.key_digest("ca"),
                    "--fingerprint", pki.key_digest("self"))
        submit(["a@" + to])
        self.assertIsNotNone(self.taken(s).tls)

    def test_pinned_to_another(self):
        to, s = self.unsigned()
        self.policy(to, "pinned", "--fingerprint", pki.cert_digest("ca"))
        submit(["pinned@" + to])
        self.waits(s, "pinned@" + to, "no pinned fingerprint matches")

    def test_the_setting_for_all_others(self):
        to, s = self.unsigned(None)
        run("setting", "set", "outbound.tls", "encrypt")
        self.addCleanup(run, "setting", "unset", "outbound.tls")
        submit(["all@" + to])
        self.waits(s, "all@" + to, "TLS is required", "4.7.4")
        self.policy(to, "may")
        self.assertIsNone(self.taken(s).tls)

    def test_each_policy_against_each_host(self):
        """Host: the policies under which it gets the mail, in their order below. Where it does not,
        the reason is told by the queue, and in the end to the sender."""
        kinds = {"clear": "may", "breaks": "may", "self": "may encrypt pinned",
                 "elsewhere": "may encrypt pinned", "expired": "may encrypt pinned"}
        why = {"clear": ("TLS is required, and the host does not offer it", "4.7.4"),
               "breaks": ("the host broke the protocol (starttls): bare CR, bare LF or NUL in the "
                          "reply", "4.5.0"),
               "self": ("TLS failed: self-signed certificate", "4.7.5"),
               "elsewhere": ("TLS failed: self-signed certificate in certificate chain", "4.7.5"),
               "expired": ("TLS failed: self-signed certificate in certificate chain", "4.7.5")}
        hosts, cases = iter(MATRIX), []
        for kind, takes in kinds.items():
            cert = None if kind == "clear" else "self" if kind == "breaks" else kind
            for level in ("may", "encrypt", "verify", "pinned"):
                host = next(hosts)
                s, to = self.sink(host, cert), "%s-%s@%s.plain.test" % (kind, level, host)
                if kind == "breaks":
                    s.does["starttls"] = "garbage"
                pin = ["--fingerprint", pki.key_digest(cert or "self")] if level == "pinned" else []
                self.policy(host + ".plain.test", level, *pin)
                submit([to])
                cases.append((s, to, kind, level in takes.split()))
        for s, to, kind, takes in cases:
            with self.subTest(to):
                if takes:
                    self.assertEqual(self.taken(s).tls is None, kind in ("clear", "breaks"))
                else:
                    self.waits(s, to, *why[kind])
                    self.assertIn(why[kind][0], run("queue", "show", waiting(to)["id"]))
        self.addCleanup(run, "server", "edit", "default-submission", "--unset", "outbound.expiry")
        run("server", "edit", "default-submission", "--set", "outbound.expiry=1s")
        for s, to, kind, takes in cases:
            with self.subTest(to):
                if not takes:
                    told = fields(notice(0, to))
                    self.assertEqual((told["Action"], told["Status"]), ("failed", "5.4.7"))
                    self.assertIn(why[kind][0], " ".join(told["Diagnostic-Code"].split()))
                    self.nothing_left(s)

    def test_what_may_be_set(self):
        self.policy("Names.Test", "verify", "--name", "a.example", "--name", "*.b.example")
        row = json.loads(run("--json", "tls-policy", "show", "names.test"))
        self.assertEqual((row["level"], row["names"]), ("verify", ["a.example", ".b.example"]))
        rows = json.loads(run("--json", "tls-policy", "list"))
        self.assertIn("names.test", [r["destination"] for r in rows])
        for argv in (["x.test", "sometimes"], ["x.test", "pinned"], ["x test", "may"],
                     ["x.test", "may", "--name", "a.example"]):
            self.assertEqual(postern("tls-policy", "set", *argv)[0], 65, argv)
        self.assertEqual(postern("tls-policy", "show", "x.test")[0], 67)
        self.assertEqual(postern("tls-policy", "remove", "x.test")[0], 67)

    # ---- what the message asks for ----

    def test_requiretls_goes_on(self):
        s = self.sink("eeon", offers=(*OFFERS, "REQUIRETLS"))
        submit(["a@eeon.signed.test"], options=["REQUIRETLS"])
        mail = self.taken(s)
        self.assertIsNotNone(mail.tls)
        self.assertIn(b" REQUIRETLS", mail.sender)

    def test_requiretls_from_outside_through_an_alias(self):
        alias = "hop@" + cluster()["domain"]
        run("alias", "add", alias, "a@eehop.signed.test")
        self.addCleanup(run, "alias", "remove", alias)
        s = self.sink("eehop", offers=(*OFFERS, "REQUIRETLS"))
        with smtp(0) as c:
            m = message(alias)
            c.starttls(context=tls())
            c.send_message(m, "stranger@elsewhere.example", [alias], ["REQUIRETLS"])
        mail = self.taken(s)
        self.assertIsNotNone(mail.tls)
        self.assertIn(b" REQUIRETLS", mail.sender)

    def test_requiretls_where_it_is_not_offered(self):
        s = self.sink("eeoff")
        submit(["needs@eeoff.signed.test"], options=["REQUIRETLS"])
        told = notice(0, "needs@eeoff.signed.test")
        self.assertIn("5.7.30", told.get_payload()[1].as_string())
        # The header alone comes back (RFC 8689 section 5).
        self.assertEqual(told.get_payload()[2].get_content_type(), "text/rfc822-headers")
        self.nothing_left(s)

    def test_requiretls_where_nothing_proves_the_host(self):
        to, s = self.unsigned(offers=(*OFFERS, "REQUIRETLS"))
        submit(["needs@" + to], options=["REQUIRETLS"])
        self.assertIn("5.7.30", notice(0, "needs@" + to).get_payload()[1].as_string())
        self.nothing_left(s)

    def test_an_idle_connection_is_used_for_its_own_kind_alone(self):
        to, s = self.unsigned(offers=(*OFFERS, "REQUIRETLS"))
        submit(["a@" + to])
        self.taken(s)
        submit(["more@" + to], options=["REQUIRETLS"])
        self.assertIn("5.7.30", notice(0, "more@" + to).get_payload()[1].as_string())
        self.assertEqual(len(s.mails), 1)

    def test_tls_required_no(self):
        s = self.sink("badno")
        submit(["no@badno.signed.test"], headers={"TLS-Required": "No"})
        self.assertIsNotNone(self.taken(s).tls)

    def test_tls_required_no_of_a_file(self):
        s = self.sink("badno")
        folder = os.path.join(cluster()["backends"][0]["data"], "areas", "default-submission",
                              "pickup")
        name = uuid.uuid4().hex
        with open(os.path.join(folder, "." + name), "w") as f:
            f.write("x-sender: %s\nx-receiver: no@badno.signed.test\nTLS-Required: No\n\nHello.\n"
                    % account(0)["address"])
        os.rename(f.name, os.path.join(folder, name))
        self.assertIsNotNone(self.taken(s).tls)


if __name__ == "__main__":
    unittest.main()
