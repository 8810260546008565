"""The programs that stand as sendmail, mailq and newaliases, called as cron, mail, git and others
call them."""
import email
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import BUILD, FOLDER, account, cluster, frontend, imap, postern, subjects, \
    until
from sink import Sink

EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = \
    0, 64, 65, 67, 69, 75, 77, 78
ALICE, BOB = 0, 1


def conf(folder, port="submission", user=None, password=None, server=True, **more):
    """A file of settings in a folder; its path."""
    a, f = account(ALICE), frontend()
    secret = os.path.join(folder, "secret")
    with open(secret, "w") as out:
        out.write((password or a["password"]) + "\n")
    text = ""
    if server:
        text += 'server = { address = ["%s:%d"]; name = "%s"; trust = "%s"; user = "%s"; ' \
            'password_file = "%s"; tls = "%s"; };\n' % (
                f["host"], port if isinstance(port, int) else f["ports"][port],
                cluster()["domain"], os.path.join(FOLDER, "pki", "public.pem"),
                user or a["address"], secret,
                "at-once" if port == "submissions" else "starttls")
    text += 'mail = { domain = "%s"; from = "%s"; };\n' % (cluster()["domain"], a["address"])
    text += "".join("%s;\n" % x for x in more.values())
    path = os.path.join(folder, "sendmail.conf")
    with open(path, "w") as out:
        out.write(text)
    return path


def received(subject, who=BOB):
    """The message with that subject, once it is there."""
    with imap(who) as box:
        assert until(lambda: subject in subjects(box)), subject
        box.select("INBOX")
        n = subjects(box).index(subject) + 1
        return email.message_from_bytes(box.fetch(str(n), "(BODY.PEEK[])")[1][0][1])


class Sendmail(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.bin = os.path.join(self.folder, "bin")
        os.mkdir(self.bin)
        for name in ("sendmail", "mailq", "newaliases"):
            os.symlink(os.path.join(BUILD, "postern-sendmail"), os.path.join(self.bin, name))
        self.subject = "sent " + uuid.uuid4().hex

    def tearDown(self):
        shutil.rmtree(self.folder)

    def run_it(self, *argv, text="", path=None, name="sendmail"):
        done = subprocess.run([os.path.join(self.bin, name), *argv], input=text.encode(),
                              capture_output=True, timeout=120,
                              env={**os.environ, "POSTERN_SENDMAIL_CONF":
                                   path or conf(self.folder)})
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def send(self, want, *argv, text="", **more):
        status, out = self.run_it(*argv, text=text, **more)
        self.assertEqual(status, want, out)
        return out

    def test_cron(self):
        bob = account(BOB)["address"].partition("@")[0]
        self.send(EX_OK, "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root",
                  text="From: root (Cron Daemon)\nTo: %s\nSubject: %s\n\nout\n.\nput\n" %
                  (bob, self.subject))
        m = received(self.subject)
        self.assertEqual(m["From"], "Cron Daemon <%s>" % account(ALICE)["address"])
        self.assertEqual(m["To"], account(BOB)["address"])
        self.assertEqual(m["Return-Path"], "<%s>" % account(ALICE)["address"])
        self.assertTrue(m["Date"] and m["Message-ID"])
        self.assertEqual(m.get_payload(), "out\r\n.\r\nput\r\n")

    def test_cron_with_several(self):
        who = [account(n)["address"] for n in (BOB, 2)]
        self.send(EX_OK, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", ",".join(who),
                  text="From: root (Cron Daemon)\nTo: %s\nSubject: %s\n\nout\n" %
                  (", ".join(who), self.subject))
        for n in (BOB, 2):
            self.assertEqual(received(self.subject, n).get_payload(), "out\r\n")

    def test_git(self):
        self.send(EX_OK, "-i", account(BOB)["address"],
                  text="From: A <%s>\nTo: list@elsewhere.example\nBcc: x@elsewhere.example\n"
                  "Subject: %s\nMessage-ID: <%s@git>\n\n.dot\n" %
                  (account(ALICE)["address"], self.subject, self.subject[5:]),
                  path=conf(self.folder, port="submissions"))
        m = received(self.subject)
        self.assertEqual(m["Message-ID"], "<%s@git>" % self.subject[5:])
        self.assertIsNone(m["Bcc"])
        self.assertEqual(m.get_payload(), ".dot\r\n")

    def test_eight_bits(self):
        self.send(EX_OK, account(BOB)["address"], text="Subject: %s\nX-Who: Zoë\n\nGrüße\n" %
                  self.subject)
        m = received(self.subject)
        self.assertEqual(m.get_payload(decode=True).decode(), "Grüße\r\n")

    def test_mail(self):
        program = shutil.which("s-nail")
        self.assertIsNotNone(program)
        done = subprocess.run([program, "-n", "-s", self.subject, "-S", "mta=" + self.bin +
                               "/sendmail", "-S", "sendwait", "-b", account(2)["address"],
                               account(BOB)["address"]], input="By mail.\n", text=True,
                              capture_output=True, timeout=120,
                              env={**os.environ, "MAILRC": "/dev/null", "HOME": self.folder,
                                   "POSTERN_SENDMAIL_CONF": conf(self.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        m = received(self.subject)
        self.assertEqual(m.get_payload(), "By mail.\r\n")
        self.assertIsNone(received(self.subject, 2)["Bcc"])

    def test_mutt(self):
        with open(os.path.join(self.folder, "muttrc"), "w") as f:
            f.write('set sendmail="%s/sendmail -oem -oi"\nset from="%s"\nset copy=no\n'
                    'set use_envelope_from=yes\nset sendmail_wait=0\n' %
                    (self.bin, account(ALICE)["address"]))
        done = subprocess.run(["mutt", "-F", os.path.join(self.folder, "muttrc"), "-s",
                               self.subject, account(BOB)["address"]], input="By mutt.\n",
                              text=True, capture_output=True, timeout=120,
                              env={**os.environ, "HOME": self.folder,
                                   "POSTERN_SENDMAIL_CONF": conf(self.folder)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(received(self.subject).get_payload(), "By mutt.\r\n")

    def test_who_does_not_exist(self):
        out = self.send(EX_NOUSER, account(BOB)["address"], "nobody-here",
                        text="Subject: %s\n\nx\n" % self.subject)
        self.assertIn("nobody-here@", out)
        received(self.subject) # the other one has it

    def test_deferred_and_refused(self):
        """By a server that answers as the local parts say: each is named, with its own reason; who
        calls may try again for those that were deferred."""
        def told(*to, want, **more):
            out = self.send(want, *("%s@x.test" % t for t in to), text="Subject: x\n\nx\n",
                            path=self.plain_conf(server, **more))
            return sorted(out.splitlines())
        with Sink("127.0.7.1", 0) as server:
            later = ["sendmail: 450@x.test: 450 4.1.1 not that one",
                     "sendmail: 451@x.test: 451 4.1.1 not that one"]
            refused = ["sendmail: 550@x.test: 550 5.1.1 not that one"]
            self.assertEqual(told("a", "450", "451", want=EX_TEMPFAIL), later)
            self.assertEqual(told("a", "550", want=EX_NOUSER), refused)
            self.assertEqual(told("a", "550", "450", "451", want=EX_TEMPFAIL), later + refused)
            # Nobody is named who has it.
            self.assertEqual([[r.split(b":")[1][1:2] for r in m.rcpts] for m in server.mails],
                             [[b"a"]] * 3)
            # What is refused as a whole is so for each.
            server.does["mail"] = b"451 4.7.1 not now"
            self.assertEqual(told("a", "b", want=EX_TEMPFAIL),
                             ["sendmail: %s@x.test: 451 4.7.1 not now" % t for t in "ab"])
            server.does["mail"] = b"554 5.7.1 never"
            self.assertEqual(told("a", "b", want=EX_UNAVAILABLE),
                             ["sendmail: %s@x.test: 554 5.7.1 never" % t for t in "ab"])
            server.does = {"dot": "close"}
            self.assertEqual(told("a", want=EX_TEMPFAIL),
                             ["sendmail: a@x.test: 4.4.2 the connection was lost (dot)"])
            # A folder takes those that were deferred; they need not be named.
            server.does = {}
            folder = os.path.join(self.folder, "pickup")
            os.mkdir(folder)
            more = {"pickup": 'pickup = { folder = "%s"; }' % folder}
            self.assertEqual(told("550", "450", want=EX_NOUSER, **more), refused)
            name, = os.listdir(folder)
            with open(os.path.join(folder, name)) as f:
                self.assertEqual(re.findall("(?m)^x-receiver: (.*)$", f.read()), ["<450@x.test>"])

    def plain_conf(self, server, **more):
        """For a server of the same machine, in clear and without a log-in."""
        path = conf(self.folder, server=False, **more)
        with open(path, "a") as out:
            out.write('server = { address = ["%s:%d"]; tls = "none"; };\n' %
                      server.socket.getsockname())
        return path

    def test_a_sender_that_is_not_ours(self):
        self.send(EX_UNAVAILABLE, "-f", "boss@elsewhere.example", account(BOB)["address"],
                  text="Subject: %s\n\nx\n" % self.subject)

    def test_a_wrong_password(self):
        out = self.send(EX_NOPERM, account(BOB)["address"], text="Subject: x\n\nx\n",
                        path=conf(self.folder, password="not it"))
        self.assertNotIn("not it", out)

    def test_an_authority_we_do_not_believe(self):
        path = conf(self.folder)
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(re.sub('name = "[^"]*"', 'name = "other.example"', text))
        self.send(EX_TEMPFAIL, account(BOB)["address"], text="Subject: x\n\nx\n", path=path)

    def test_a_server_that_is_away(self):
        self.send(EX_TEMPFAIL, account(BOB)["address"], text="Subject: x\n\nx\n",
                  path=conf(self.folder, port=1))

    def test_a_folder_when_the_server_is_away(self):
        pickup = os.path.join(self.folder, "pickup")
        os.mkdir(pickup)
        more = 'pickup = { folder = "%s"; }' % pickup
        for server in (True, False):
            self.send(EX_OK, "-t", text="To: %s\nBcc: c@d.example\nSubject: x\n\nx\n" %
                      account(BOB)["address"],
                      path=conf(self.folder, port=1, server=server, more=more))
            names = os.listdir(pickup)
            self.assertEqual(len(names), 1)
            with open(os.path.join(pickup, names[0]), newline="") as f:
                text = f.read()
            self.assertTrue(text.startswith(
                "x-sender: <%s>\r\nx-receiver: <%s>\r\nx-receiver: <c@d.example>\r\nTo: " %
                (account(ALICE)["address"], account(BOB)["address"])), text)
            os.unlink(os.path.join(pickup, names[0]))

    def test_usage(self):
        self.send(EX_USAGE, text="Subject: x\n\n")
        self.send(EX_USAGE, "-t", text="Subject: x\n\n")
        self.send(EX_USAGE, "-bs")
        self.send(EX_CONFIG, "x", path=os.path.join(self.folder, "none"))

    def test_a_file_with_a_name_that_is_none(self):
        path = conf(self.folder)
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(re.sub('domain = "[^"]*"', 'domain = "bü.example"', text))
        out = self.send(EX_CONFIG, account(BOB)["address"], text="Subject: x\n\nx\n", path=path)
        self.assertIn("mail.domain: a name is written in ASCII: xn--b-eha.example", out)

    def test_newaliases(self):
        self.assertIn("directory", self.send(EX_OK, name="newaliases", path="/nowhere"))
        self.send(EX_OK, "-q", path="/nowhere")

    def test_mailq(self):
        path = conf(self.folder, more='admin = { cluster = "%s"; }' %
                    os.path.join(FOLDER, "cluster.json"))
        status, out, err = postern("route", "add", "held.example", "hold")
        self.assertEqual(status, 0, err)
        try:
            self.send(EX_OK, "someone@held.example", text="Subject: %s\n\nx\n" % self.subject,
                      path=path)
            out = self.send(EX_OK, name="mailq", path=path)
            self.assertIn(" " * 41 + "someone@held.example\n", out)
            self.assertRegex(out, r"\n\d+\.\d+! +[1-9]\d* \w{3} \w{3} \d\d \d\d:\d\d:\d\d  " +
                             re.escape(account(ALICE)["address"]))
            self.assertRegex(out, r"\n-- \d+ Kbytes in \d+ Requests?\.\n")
        finally:
            postern("queue", "remove", "--to", "someone@held.example")
            postern("route", "remove", "held.example")
        self.assertEqual(self.send(EX_OK, name="mailq", path=path), "Mail queue is empty\n")
        self.send(EX_UNAVAILABLE, "-bp")


if __name__ == "__main__":
    unittest.main()
