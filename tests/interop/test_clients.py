"""Mail programs as people have them, each at its ordinary work; deploy/install-deps --test brings all
of them."""
import getpass
import glob
import imaplib
import os
import shutil
import smtplib
import subprocess
import tempfile
import unittest
import uuid

import postern
from postern import account, deliver, frontend, imap, message, subjects, tls, until

TAKES = 30  # seconds


class Client(unittest.TestCase):
    program = None

    def setUp(self):
        if self.program:
            self.assertTrue(shutil.which(self.program), self.program + " is not there")
        self.folder = tempfile.mkdtemp(prefix="postern-interop-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.fe = frontend()
        self.host, self.port = self.fe["host"], self.fe["ports"]
        self.ca = os.path.join(postern.FOLDER, "pki", "public.pem")

    def run_it(self, *argv, ok=(0,), text=None, **kw):
        done = subprocess.run(argv, capture_output=True, text=True, input=text, timeout=60,
                              cwd=self.folder, **kw)
        if done.returncode not in ok:
            self.fail("%s: exit %d\n%s" % (" ".join(argv), done.returncode,
                                           (done.stdout + done.stderr)[-2000:]))
        return done.stdout + done.stderr

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def has(self, who, subject, mailbox="INBOX"):
        box = imap(who)
        try:
            return subjects(box, mailbox).count(subject)
        finally:
            box.logout()

    def fill(self, who, n=3):
        return [deliver([account(who)["address"]], body="for a client\n") for _ in range(n)]


class Swaks(Client):
    program = "swaks"

    def test_mail_in_with_tls(self):
        subject = uuid.uuid4().hex
        out = self.run_it("swaks", "--server", "%s:%d" % (self.host, self.port["smtp"]), "--tls",
                          "--from", "a@elsewhere.example", "--to", account(2)["address"],
                          "--header", "Subject: " + subject)
        self.assertIn("=== TLS started", out)
        self.assertEqual(self.has(2, subject), 1)

    def test_submission(self):
        a = account(2)
        for port, how in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
            for mechanism in ("PLAIN", "LOGIN"):
                subject = uuid.uuid4().hex
                self.run_it("swaks", "--server", "%s:%d" % (self.host, self.port[port]), how,
                            "--from", a["address"], "--to", account(3)["address"], "--auth",
                            mechanism, "-au", a["address"], "-ap", a["password"], "--header",
                            "Subject: " + subject)
                self.assertEqual(self.has(3, subject), 1)

    def test_refusals(self):
        a = account(2)
        base = ["swaks", "--server", "%s:%d" % (self.host, self.port["submission"]), "--tls",
                "--from", a["address"], "--to", account(3)["address"], "--auth", "PLAIN", "-au",
                a["address"]]
        self.run_it(*base, "-ap", "wrong", ok=(28,))
        self.run_it("swaks", "--server", "%s:%d" % (self.host, self.port["smtp"]), "--from",
                    "a@elsewhere.example", "--to", "b@elsewhere.example", ok=(24,))


class Curl(Client):
    program = "curl"

    def test_imap(self):
        a, _ = account(4), self.fill(4)
        base = ["curl", "-sS", "--cacert", self.ca, "-u", "%s:%s" % (a["address"], a["password"])]
        for url in ("imaps://%s:%d" % (self.host, self.port["imaps"]),
                    "imap://%s:%d" % (self.host, self.port["imap"])):
            more = [] if url.startswith("imaps") else ["--ssl-reqd"]
            self.assertIn("INBOX", self.run_it(*base, *more, url))
            self.assertIn("for a client", self.run_it(*base, *more, url + "/INBOX;MAILINDEX=1"))
            self.assertIn("SEARCH", self.run_it(*base, *more, url + "/INBOX?ALL"))
        name = "curl-" + uuid.uuid4().hex[:8]
        self.run_it(*base, url, "--ssl-reqd", "-X", "CREATE " + name)
        path = self.write("m.eml", "Subject: by curl\r\n\r\nx\r\n")
        self.run_it(*base, "--ssl-reqd", "-T", path, url + "/" + name)
        self.assertEqual(self.has(4, "by curl", name), 1)

    def test_smtp(self):
        a, subject = account(4), uuid.uuid4().hex
        path = self.write("m.eml", "From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (a["address"], subject))
        self.run_it("curl", "-sS", "--cacert", self.ca, "--ssl-reqd", "-u",
                    "%s:%s" % (a["address"], a["password"]), "--mail-from", a["address"],
                    "--mail-rcpt", account(5)["address"], "-T", path,
                    "smtp://%s:%d" % (self.host, self.port["submission"]))
        self.assertEqual(self.has(5, subject), 1)


class Mbsync(Client):
    """Through a tunnel that does the TLS: by itself it knows no address in a certificate. Its SASL
    library refuses SCRAM of more than 65,536 iterations."""
    program = "mbsync"

    def test_both_ways(self):
        who = 6
        a, sent = account(who), self.fill(6)
        os.makedirs(os.path.join(self.folder, "mail"))
        self.write("rc", """IMAPStore far
Tunnel "openssl s_client -quiet -verify_quiet -verify_return_error -CAfile %s -connect %s:%d"
User %s
Pass %s
AuthMechs PLAIN

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel both
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""" % (self.ca, self.host, self.port["imaps"], a["address"], a["password"], self.folder,
            self.folder))
        self.sync()
        self.assertGreaterEqual(len(self.local()), len(sent))
        # From here to there: a new message, a flag, a deletion.
        new = "by mbsync " + uuid.uuid4().hex
        with open(os.path.join(self.folder, "mail", "INBOX", "new", "1.1.host"), "w") as f:
            f.write("Subject: %s\n\nx\n" % new)
        first, second = [next(p for p in self.local() if self.subject(p) == s) for s in sent[:2]]
        os.rename(first, first.replace("/new/", "/cur/").partition(":")[0] + ":2,FS")
        gone = self.subject(second)
        os.unlink(second)
        self.sync()
        self.assertEqual(self.has(who, new), 1)
        self.assertEqual(self.has(who, gone), 0)
        box = imap(who)
        box.select("INBOX")
        self.assertTrue(box.search(None, "FLAGGED SEEN")[1][0])
        # From there to here.
        box.store("1:*", "+FLAGS", "\\Deleted")
        box.expunge()
        box.logout()
        kept = deliver([a["address"]])
        self.sync()
        self.assertEqual([self.subject(p) for p in self.local()], [kept])

    def sync(self):
        self.run_it("mbsync", "-c", os.path.join(self.folder, "rc"), "both")

    def local(self):
        return sorted(glob.glob(os.path.join(self.folder, "mail", "INBOX", "[nc]*", "*")))

    def subject(self, path):
        with open(path, errors="replace") as f:
            return next((x.partition(":")[2].strip() for x in f if x.startswith("Subject:")), "")


class SNail(Client):
    program = "s-nail"

    def test_read(self):
        a, sent = account(7), self.fill(7)
        url = "imaps://%s:%s@%s:%d/INBOX" % (a["address"].replace("@", "%40"), a["password"],
                                            self.host, self.port["imaps"])
        out = self.run_it("s-nail", "-S", "v15-compat", "-S", "tls-verify=ignore", "-S",
                          "tls-ca-file=" + self.ca, "-n", "-H", "-f", url,
                          env={**os.environ, "HOME": self.folder, "COLUMNS": "200"})
        for subject in sent:
            self.assertIn(subject[:24], out)

    def test_send(self):
        a, subject = account(7), uuid.uuid4().hex
        url = "smtp://%s:%s@%s:%d" % (a["address"].replace("@", "%40"), a["password"], self.host,
                                     self.port["submission"])
        self.run_it("s-nail", "-n", "-S", "v15-compat", "-S", "mta=" + url, "-S",
                    "smtp-use-starttls", "-S", "tls-verify=ignore", "-S", "from=" + a["address"],
                    "-S", "smtp-auth=plain", "-s", subject, account(5)["address"], text="hello\n",
                    env={**os.environ, "HOME": self.folder})
        self.assertTrue(until(lambda: self.has(5, subject)))


class Fetchmail(Client):
    program = "fetchmail"

    def test_fetch(self):
        a, sent = account(8), self.fill(8)
        rc = self.write("rc", 'poll %s service %d protocol IMAP username "%s" password "%s" keep '
                              'ssl sslproto "auto" mda "cat >>%s/out"\n' %
                        (self.host, self.port["imaps"], a["address"], a["password"], self.folder))
        self.run_it("fetchmail", "-f", rc, "-a", "--nosslcertck", "--pidfile",
                    os.path.join(self.folder, "pid"),
                    env={**os.environ, "FETCHMAILHOME": self.folder, "HOME": self.folder})
        with open(os.path.join(self.folder, "out")) as f:
            out = f.read()
        for subject in sent:
            self.assertIn(subject, out)


class Getmail(Client):
    program = "getmail"

    def test_retrieve(self):
        a, sent = account(9), self.fill(9)
        for d in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(self.folder, "mail", d))
        self.write("rc", """[retriever]
type = SimpleIMAPSSLRetriever
server = %s
port = %d
username = %s
password = %s

[destination]
type = Maildir
path = %s/mail/

[options]
read_all = true
delete = true
""" % (self.host, self.port["imaps"], a["address"], a["password"], self.folder))
        argv = ["getmail", "--getmaildir=" + self.folder, "--rcfile=rc"]
        if getpass.getuser() == "root":  # it refuses to deliver as root
            subprocess.run(["chown", "-R", "nobody", self.folder], check=True)
            argv = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] + argv
        self.run_it(*argv, env={**os.environ, "HOME": self.folder})
        self.assertEqual(len(glob.glob(os.path.join(self.folder, "mail", "new", "*"))), len(sent))
        box = imap(9)
        self.assertEqual(subjects(box), [])
        box.logout()


class Msmtp(Client):
    program = "msmtp"

    def test_send(self):
        a, subject = account(10), uuid.uuid4().hex
        rc = self.write("rc", "account x\nhost %s\nport %d\ntls on\ntls_starttls on\n"
                              "tls_certcheck off\nauth on\nuser %s\npassword %s\nfrom %s\n"
                              "account default : x\n" %
                        (self.host, self.port["submission"], a["address"], a["password"],
                         a["address"]))
        for method in ("plain", "scram-sha-256"):
            self.run_it("msmtp", "-C", rc, "--auth=" + method, account(5)["address"],
                        text="Subject: %s %s\n\nx\n" % (subject, method), ok=(0, 64))
            self.assertEqual(self.has(5, subject + " " + method), 1)


class OtherServer(Client):
    """A second virtual server for submission, at a port and with a name of its own."""
    NAME = "mail.second.example"

    @classmethod
    def setUpClass(cls):
        fe = frontend()
        cls.second = fe["ports"]["submission"] + 1
        path = os.path.join(postern.FOLDER, fe["name"], "frontend.conf.d", "second.conf")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write('listen = { submission = [ "%s:%d", "%s:%d" ]; };\n' %
                    (fe["host"], fe["ports"]["submission"], fe["host"], cls.second))
        cls.addClassCleanup(cls.again)
        cls.addClassCleanup(os.unlink, path)
        status, _, err = postern.postern("server", "add", "second", "--service", "submission",
                                         "--listen", ":%d" % cls.second, "--set",
                                         "hostname=" + cls.NAME, "--set", "auth_mechanisms=PLAIN")
        assert status == 0, err
        cls.addClassCleanup(postern.postern, "server", "remove", "second")
        cls.again()

    @classmethod
    def again(cls):
        postern.cluster_command("kill", frontend()["name"], "TERM")
        postern.restore()

    def check_came(self, subject):
        """By that server, which its Received tells."""
        box = imap(5)
        self.addCleanup(box.logout)
        box.select("INBOX", readonly=True)
        n, = box.search(None, "SUBJECT", subject)[1][0].split()
        head = box.fetch(n, "(BODY.PEEK[HEADER])")[1][0][1].decode()
        self.assertRegex(head, r"by %s\b.* with (UTF8)?E?SMTPSA" % self.NAME)

    def test_swaks(self):
        a, subject = account(10), uuid.uuid4().hex
        out = self.run_it("swaks", "--server", "%s:%d" % (self.host, self.second), "--tls",
                          "--from", a["address"], "--to", account(5)["address"], "--auth", "-au",
                          a["address"], "-ap", a["password"], "--header", "Subject: " + subject)
        self.assertIn("220 " + self.NAME, out)
        self.assertRegex(out, r"AUTH PLAIN\s")
        self.check_came(subject)

    def test_msmtp(self):
        a, subject = account(10), uuid.uuid4().hex
        self.run_it("msmtp", "-C", "/dev/null", "--host=" + self.host, "--port=%d" % self.second,
                    "--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--auth=on", "--user=" +
                    a["address"], "--passwordeval=echo '%s'" % a["password"], "--from=" +
                    a["address"], account(5)["address"], text="Subject: %s\n\nx\n" % subject)
        self.check_came(subject)

    def test_mutt(self):
        a, subject = account(10), uuid.uuid4().hex
        rc = self.write("rc", """set smtp_url="smtp://%s@%s:%d/"
set smtp_pass="%s"
set smtp_authenticators="plain"
set ssl_force_tls=yes ssl_starttls=yes ssl_verify_host=no ssl_verify_dates=yes
set ssl_ca_certificates_file="%s" certificate_file="%s"
set from="%s" use_from=yes use_envelope_from=yes copy=no
""" % (a["address"], self.host, self.second, a["password"], self.ca, self.ca, a["address"]))
        self.run_it("mutt", "-n", "-F", rc, "-s", subject, account(5)["address"], text="hello\n",
                    env={**os.environ, "HOME": self.folder})
        self.check_came(subject)


class Gsasl(Client):
    program = "gsasl"

    def test_mechanisms(self):
        a = account(11)
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            for args in (["--imap", self.host, str(self.port["imap"])],
                         ["--smtp", self.host, str(self.port["submission"])]):
                self.run_it("gsasl", "--x509-ca-file=" + self.ca, "-m", mechanism, "-a",
                            a["address"], "-z", "", "-p", a["password"], "--no-cb", *args, text="")

    def test_wrong_password(self):
        out = self.run_it("gsasl", "--x509-ca-file=" + self.ca, "-m", "SCRAM-SHA-256", "-a",
                          account(11)["address"], "-z", "", "-p", "wrong", "--no-cb", "--imap",
                          self.host, str(self.port["imap"]), text="", ok=(1,))
        self.assertIn("NO", out)


class Python(Client):
    def test_imaplib(self):
        box = imap(12)
        name = "python-" + uuid.uuid4().hex[:8]
        self.assertEqual(box.create(name)[0], "OK")
        self.assertEqual(box.subscribe(name)[0], "OK")
        self.assertIn(name, str(box.lsub()[1]))
        m = message(account(12)["address"])
        self.assertEqual(box.append(name, r"(\Seen)", imaplib.Time2Internaldate(1700000000),
                                    m.as_bytes())[0], "OK")
        box.select(name)
        data = box.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE BODY[])")[1]
        self.assertIn(b"\\Seen", data[0][0] + data[-1] if isinstance(data[-1], bytes)
                      else data[0][0])
        self.assertEqual(box.copy("1", "Archive")[0], "OK")
        self.assertEqual(box.uid("SEARCH", "SUBJECT", '"%s"' % m["Subject"])[0], "OK")
        box.store("1", "+FLAGS", r"\Deleted")
        self.assertEqual(box.expunge()[1], [b"1"])
        box.close()
        self.assertEqual(box.rename(name, name + "-2")[0], "OK")
        self.assertEqual(box.delete(name + "-2")[0], "OK")
        self.assertEqual(box.namespace()[0], "OK")
        box.logout()

    def test_smtplib(self):
        a = account(12)
        m = message(account(13)["address"], sender=a["address"], body="Grüße\n")
        with smtplib.SMTP_SSL(self.host, self.port["submissions"], context=tls()) as s:
            s.login(a["address"], a["password"])
            self.assertEqual(s.send_message(m), {})
            self.assertEqual(s.noop()[0], 250)
        self.assertEqual(self.has(13, m["Subject"]), 1)


if __name__ == "__main__":
    unittest.main()
