"""The site of our own domains: MTA-STS policies (RFC 8461), and what programs of mail set themselves
up by; what it serves, and what it does not."""
import contextlib
import email.utils
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

import authority
import dnszone
import postern
from postern import frontend, until

CLUSTER = ["--accounts", "2", "--set", "dns={dns}", "--set", "workers.web=1",
           "--set", "web.connections_per_ip_max=4", "--set", "web.rate_per_ip_per_min=1000"]
TAKES = 35  # seconds
HOST = "mta-sts.example.org"
PATH = "/.well-known/mta-sts.txt"
CONFIG, WELL_KNOWN = "/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"
HEAD_SECONDS = 10 # a request's header: WEB_HEAD_MS
FIELDS_MAX, LINE_MAX = 100, 8000


def setUpModule():
    global zone
    zone = dnszone.Zone({"example.org": "@ MX 10 mx1"},
                        port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
    command("setting", "set", "dns.mx_hosts", "mx1.example.org,mx2.example.org")
    command("setting", "set", "web.keep", "0s")


def tearDownModule():
    zone.close()


def command(*argv, want=0):
    status, out, err = postern.postern(*argv)
    assert status == want, (status, out, err)
    return out


def text(mode, age=604800):
    return ("version: STSv1\r\nmode: %s\r\nmx: mx1.example.org\r\nmx: mx2.example.org\r\n"
            "max_age: %d\r\n" % (mode, age)).encode()


def connect(name=HOST, check=True):
    f = frontend()
    ctx = ssl.create_default_context(cafile=os.path.join(postern.FOLDER, "pki", "site.pem"))
    ctx.check_hostname = check
    s = socket.create_connection((f["host"], f["ports"]["https"]), timeout=30)
    return ctx.wrap_socket(s, server_hostname=name)


def talk(data, name=HOST, check=True):
    """Status, fields and body of the answer, which ends with the connection."""
    with connect(name, check) as s:
        with contextlib.suppress(OSError): # it may have heard enough
            s.sendall(data)
        answer = b""
        while True:
            part = s.recv(65536)
            if not part:
                break
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    assert lines[0].startswith("HTTP/1.1 "), lines
    fields = dict(line.split(": ", 1) for line in lines[1:])
    assert fields["Connection"] == "close", fields
    return int(lines[0].split()[1]), fields, body


def get(host=HOST, path=PATH, method="GET", fields=""):
    return talk(("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (method, path, host, fields)).encode(),
                check=False)


class Site(unittest.TestCase):
    def tearDown(self):
        command("domain", "edit", "example.org", "--mta-sts", "none", "--mta-sts-max-age", "7d")

    def serves(self, want, host=HOST):
        self.assertTrue(until(lambda: get(host)[2] == want), get(host))

    def test_policy(self):
        """To a client that verifies us; what is changed is served at once."""
        status, fields, body = talk(b"GET %s HTTP/1.1\r\nHost: mta-sts.example.org\r\n\r\n"
                                    % PATH.encode())
        self.assertEqual((status, body), (200, text("none")))
        self.assertEqual(fields["Content-Type"], "text/plain")
        self.assertEqual(fields["Content-Length"], str(len(body)))
        self.assertIsNotNone(email.utils.parsedate_to_datetime(fields["Date"]))
        command("domain", "edit", "example.org", "--mta-sts", "testing")
        self.serves(text("testing"))
        command("domain", "edit", "example.org", "--mta-sts", "enforce", "--mta-sts-max-age", "1d")
        self.serves(text("enforce", 86400))
        shown = json.loads(command("--json", "domain", "show", "example.org"))
        self.assertEqual((shown["mta_sts"], int(shown["mta_sts_age_s"])), ("enforce", 86400))
        command("domain", "edit", "example.org", "--mta-sts", "strict", want=64)
        command("domain", "edit", "example.org", "--mta-sts-max-age", "2y", want=64)
        command("domain", "edit", "example.org", "--mta-sts-max-age", "400d", want=65)

    def test_a_certificate_of_its_own(self):
        """The worker does not have the key of mail; and the certificate that is asked for by another
        name is the same."""
        with open(os.path.join(postern.FOLDER, "pki", "site.pem")) as f:
            own = ssl.PEM_cert_to_DER_cert(f.read())
        for name in (HOST, "mta-sts.other.test", None):
            with connect(name, check=False) as s:
                self.assertEqual(s.getpeercert(binary_form=True), own)

    def test_head(self):
        status, fields, body = get(method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(fields["Content-Length"], str(len(text("none"))))

    def test_alias_domains(self):
        command("domain", "add", "alias.test", "--target", "example.org")
        self.addCleanup(command, "domain", "remove", "alias.test")
        command("domain", "edit", "example.org", "--mta-sts", "testing")
        self.serves(text("testing"), "mta-sts.alias.test")

    def check_config(self, answer, domain):
        """Thunderbird reads it so."""
        status, fields, body = answer
        self.assertEqual((status, fields["Content-Type"]), (200, "text/xml; charset=utf-8"))
        root = xml.etree.ElementTree.fromstring(body)
        self.assertEqual((root.tag, root.get("version")), ("clientConfig", "1.1"))
        (provider,) = root.findall("emailProvider")
        self.assertEqual([provider.get("id")] + [d.text for d in provider.findall("domain")],
                         [domain, domain])
        for element, kind, port in (("incomingServer", "imap", "993"),
                                    ("outgoingServer", "smtp", "465")):
            (server,) = provider.findall(element)
            self.assertEqual(server.get("type"), kind)
            self.assertEqual({e.tag: e.text for e in server}, {
                "hostname": "mx1.example.org", "port": port, "socketType": "SSL",
                "authentication": "password-cleartext", "username": "%EMAILADDRESS%"})

    def test_autoconfig(self):
        command("domain", "add", "alias.test", "--target", "example.org")
        self.addCleanup(command, "domain", "remove", "alias.test")
        self.assertTrue(until(lambda: get("autoconfig.alias.test", CONFIG)[0] == 200))
        for domain in ("example.org", "alias.test"):
            for query in ("", "?emailaddress=user1%40example.org", "?<&\"", "?" + "x" * 7000):
                self.check_config(get("autoconfig." + domain, CONFIG + query), domain)
                self.check_config(get(domain, WELL_KNOWN + query), domain)
        status, fields, body = get("autoconfig.example.org", CONFIG, method="HEAD")
        self.assertEqual((status, body), (200, b""))
        self.assertGreater(int(fields["Content-Length"]), 500)

    def test_back_ends_are_asked_once_in_a_while(self):
        def asked():
            """Once the back-end has heard of every request."""
            self.assertTrue(until(lambda: postern.metric("be1", "web_requests_total") ==
                                  len(postern.log_lines("fe1", "event=web.request"))))
            return postern.metric("be1", "web_asked_total")
        command("setting", "set", "web.keep", "1h")
        self.addCleanup(command, "setting", "set", "web.keep", "0s")
        names = (HOST, "mta-sts.never.test")
        def settled():
            """The setting is in force: a round asks for nothing."""
            before = asked()
            for name in names:
                get(name)
            return asked() == before
        self.assertTrue(until(settled, 60))
        before = asked()
        for _ in range(50):
            self.assertEqual([get(name)[0] for name in names], [200, 404])
        self.assertEqual(asked(), before)
        command("domain", "edit", "example.org", "--mta-sts", "testing")
        self.assertEqual(get()[2], text("none"))

    def test_what_was_known_is_served_while_back_ends_are_away(self):
        """What was not, is not known to be none."""
        self.assertEqual([get(name)[0] for name in (HOST, "mta-sts.nobody.test")], [200, 404])
        self.addCleanup(postern.restore)
        postern.cluster_command("kill", "be1", "KILL")
        self.assertEqual(get()[::2], (200, text("none")))
        self.assertEqual(get("mta-sts.nobody.test")[0], 404)
        status, fields, _ = get("mta-sts.unheard.test")
        self.assertEqual((status, fields["Retry-After"]), (503, "60"))
        postern.restore()
        self.assertTrue(until(lambda: get("mta-sts.unheard.test")[0] == 404))

    def test_nothing_else(self):
        command("domain", "add", "elsewhere.test", "--kind", "remote")
        self.addCleanup(command, "domain", "remove", "elsewhere.test")
        self.assertTrue(until(lambda: get("mta-sts.elsewhere.test")[0] == 404))
        for host in ("example.org", "mta-sts.other.test", "mta-sts.", "", "127.0.0.1",
                     "mta-sts.mta-sts.example.org", "mta-sts.example.org.evil.test"):
            self.assertEqual(get(host)[0], 404, host)
        for host, path in ((HOST, CONFIG), (HOST, WELL_KNOWN), ("example.org", CONFIG),
                           ("autoconfig.example.org", PATH), ("autoconfig.other.test", CONFIG),
                           ("autoconfig.elsewhere.test", CONFIG), ("elsewhere.test", WELL_KNOWN),
                           ("autoconfig.example.org", "/autodiscover/autodiscover.xml")):
            self.assertEqual(get(host, path)[0], 404, (host, path))
        for path in ("/", "/.well-known/", PATH + "/", PATH + "?x", "/../etc/passwd",
                     "/.well-known/%6dta-sts.txt"):
            self.assertEqual(get(path=path)[0], 404, path)

    def test_no_requests(self):
        status, fields, _ = get(method="POST")
        self.assertEqual((status, fields["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(get(fields="Content-Length: 3\r\n")[0], 413)
        self.assertEqual(get(fields="Transfer-Encoding: chunked\r\n")[0], 413)
        self.assertEqual(get(fields="Host: mta-sts.example.org\r\n")[0], 400)
        line = b"GET %s HTTP/1.1" % PATH.encode()
        for garbage in (b"\r\n\r\n", b"hello\r\n", b"\x16\x03\x01\x00\xff\r\n", line + b"\r\n\r\n",
                        line + b"\nHost: mta-sts.example.org\n\n",
                        line + b"\r\nHost: mta-sts.example.org\0\r\n\r\n",
                        line + b"\r\n Host: mta-sts.example.org\r\n\r\n"):
            self.assertEqual(talk(garbage)[0], 400, garbage)

    def test_too_much(self):
        self.assertEqual(talk(b"GET /" + b"x" * LINE_MAX + b" HTTP/1.1\r\n\r\n")[0], 414)
        self.assertEqual(get(fields="X: %s\r\n" % ("x" * LINE_MAX))[0], 431)
        self.assertEqual(get(fields="X: y\r\n" * (FIELDS_MAX - 1))[0], 200)
        self.assertEqual(get(fields="X: y\r\n" * FIELDS_MAX)[0], 431)

    def test_slow_clients(self):
        """Some of them do not keep others out, and are not waited for."""
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(connect()) for _ in range(4)]
            for s in slow:
                s.sendall(b"GET ")
            with self.assertRaises((OSError, ssl.SSLError)):
                connect()
            for s in slow:
                s.settimeout(3 * HEAD_SECONDS)
                self.assertIn(b" 408 ", s.recv(4096))
        self.assertTrue(until(lambda: get()[0] == 200))

    def test_dns_show(self):
        """The record that is to be published follows the policy."""
        def rows():
            out = postern.postern("dns", "show", "example.org", "--json")[1]
            return {(r["type"], r["name"]): r for r in json.loads(out)}
        record, site = ("TXT", "_mta-sts.example.org"), ("A", HOST)
        config = ("A", "autoconfig.example.org")
        self.assertEqual((rows()[config]["state"], rows()[config]["need"]),
                         ("missing", "optional"))
        self.assertNotIn(record, rows())
        command("domain", "edit", "example.org", "--mta-sts", "testing")
        wanted = rows()[record]
        self.assertRegex(wanted["value"], r"^v=STSv1; id=[0-9a-f]{20};$")
        self.assertEqual(wanted["state"], "missing")
        self.assertEqual(rows()[site]["state"], "missing")
        zone.change({"example.org": '@ MX 10 mx1\n_mta-sts TXT "%s"\nmta-sts A 127.0.0.1'
                     '\nautoconfig CNAME mta-sts' % wanted["value"]})
        self.assertTrue(until(lambda: {rows()[k]["state"] for k in (record, site, config)} ==
                              {"ok"}))
        command("domain", "edit", "example.org", "--mta-sts", "enforce")
        changed = rows()[record]
        self.assertEqual(changed["state"], "differs")
        self.assertNotEqual(changed["value"], wanted["value"])


class Certificates(unittest.TestCase):
    """Of several the one that has the name that is asked for: the site's, and mail's."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sts-own-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.conf = os.path.join(postern.FOLDER, "fe1", "frontend.conf")
        with open(self.conf) as f:
            self.text = f.read()
        self.addCleanup(self.reload, self.text)
        self.pki = authority.Authority(self.folder)
        for name, host in (("one", "mta-sts.one.test"), ("two", "*.two.test")):
            self.pki.self_signed(name, host)
        self.own = {kind: os.path.join(postern.FOLDER, "pki", kind) for kind in ("site", "public")}

    def lists(self, text, group, first, names, key=None):
        """The text with these certificates in place of a group's one."""
        paths = [first] + [self.pki.path(name) for name in names]
        for kind, end in (("cert", ".pem"), ("key", ".key")):
            files = ", ".join('"%s"' % (key if key and end == ".key" and path != first
                                        else path + end) for path in paths)
            text = re.sub(r"(%s = \{[^}]*%s = )[^;]*;" % (group, kind), r"\1[ %s ];" % files, text)
        return text

    def write(self, text):
        with open(self.conf, "w") as f:
            f.write(text)
        since = postern.log_size("fe1")
        postern.cluster_command("kill", "fe1", "HUP")
        return since

    def reload(self, text):
        since = self.write(text)
        self.assertTrue(until(lambda: len(postern.log_lines(
            "fe1", "event=worker.certificates_renewed", since=since)) == postern.workers("fe1")))

    def presented(self, port, name):
        f = frontend()
        ctx = ssl._create_unverified_context()
        with socket.create_connection((f["host"], f["ports"][port]), timeout=30) as s, \
                ctx.wrap_socket(s, server_hostname=name) as t:
            return t.getpeercert(binary_form=True)

    def der(self, path):
        with open(path + ".pem") as f:
            return ssl.PEM_cert_to_DER_cert(f.read())

    def check(self, port, own):
        one, two = (self.der(self.pki.path(name)) for name in ("one", "two"))
        for name, want in (("mta-sts.one.test", one), ("MTA-STS.Two.test", two),
                           ("mta-sts.other.test", self.der(own)), (None, self.der(own))):
            self.assertEqual(self.presented(port, name), want, (port, name))

    def test_a_name_chooses(self):
        text = self.lists(self.text, "https", self.own["site"], ["one", "two"])
        self.reload(self.lists(text, "tls", self.own["public"], ["one", "two"]))
        self.check("https", self.own["site"])
        for port in ("imaps", "submissions"):
            self.check(port, self.own["public"])
        # A worker that is started later is told the same.
        since = postern.log_size("fe1")
        postern.cluster_command("kill", "fe1/web.0", "KILL")
        self.assertTrue(until(lambda: postern.log_lines("fe1", "event=worker.serving",
                                                        "service=web", since=since)))
        self.check("https", self.own["site"])
        # And none is left.
        self.reload(self.text)
        self.assertEqual(self.presented("https", "mta-sts.one.test"), self.der(self.own["site"]))

    def refused(self, text, why):
        since = self.write(text)
        self.assertTrue(until(lambda: postern.log_lines("fe1", "event=reload.refused", why,
                                                        since=since)), why)

    def test_what_cannot_be_used_is_refused(self):
        """Before a worker hears of it: what was there stays."""
        good = self.lists(self.text, "https", self.own["site"], ["one", "two"])
        self.reload(good)
        mixed = self.lists(self.text, "https", self.own["site"], ["one"],
                           key=self.pki.path("two.key"))
        words = "private key: key values mismatch (%s, %s)" % (self.pki.path("one.pem"),
                                                               self.pki.path("two.key"))
        self.refused(mixed, words)
        self.refused(good.replace("two.key\"", "two.key\", \"two.key\""),
                     "https.cert and https.key: a key for each certificate")
        self.refused(good.replace("two.pem", "none.pem"), "none.pem: ENOENT")
        self.refused(re.sub(r"(tls = \{[^}]*cert = )[^;]*(;[^}]*key = )[^;]*;", r'\1""\2"";',
                            self.text), "tls.cert is empty")
        # There is a size for each, and one for all together.
        large = ["a", "b", "c", "d", "e"]
        for name in ["huge"] + large:
            with open(self.pki.path("one.pem")) as f:
                text = "x" * (64 if name == "huge" else 55) * 1024 + "\n" + f.read()
            with open(self.pki.path(name + ".pem"), "w") as f:
                f.write(text)
            shutil.copy(self.pki.path("one.key"), self.pki.path(name + ".key"))
        self.refused(self.lists(self.text, "https", self.own["site"], ["huge"]),
                     "huge.pem: too large")
        self.refused(self.lists(self.text, "https", self.own["site"], large),
                     "together larger than 256 KiB")
        self.refused(self.lists(self.text, "https", self.own["site"], ["one"] * 32),
                     "https.cert: the number of elements must be 0 to 32")
        self.check("https", self.own["site"])

    def test_a_start_with_what_is_no_pair(self):
        path = self.pki.path("frontend.conf")
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
        with open(path, "w") as f:
            f.write('name = "fe9"; backends = [ "127.0.0.1:1" ]; rpc = { certs = "%s"; };\n'
                    'tls = { cert = "%s"; key = "%s"; };\n'
                    'listen = { https = [ "127.0.0.1:%d" ]; };\n' %
                    (os.path.join(postern.FOLDER, "fe1", "certs"), self.pki.path("one.pem"),
                     self.pki.path("two.key"), port))
        done = subprocess.run([os.path.join(postern.BUILD, "postern-frontend"), "-c", path],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 78)
        self.assertIn("event=start.refused", done.stderr)
        self.assertIn("private key: key values mismatch", done.stderr)


if __name__ == "__main__":
    unittest.main()
