"""Files of pickup folders: taken as messages, once, by whatever worker; or put aside with a reason."""
import email
import json
import os
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from postern import account, cluster, cluster_command, everybody_knows, imap, linked, log_lines, \
    log_size, postern, restore, subjects, until

CLUSTER = ["--backends", "2", "--accounts", "6", "--set", "drop.files_max=5",
           "--set", "outbound.retry_first=2s", "--set", "outbound.retry_second=2s",
           "--set", "outbound.retry_third=2s", "--set", "outbound.retry_later=2s"]
SERVER = "default-submission"


def folder(kind="pickup", node=0, server=SERVER):
    return os.path.join(cluster()["backends"][node]["data"], "areas", server, kind)


def put(text, name=None, node=0, server=SERVER):
    """A file that is moved into the folder; its path."""
    path = os.path.join(folder("pickup", node, server), name or uuid.uuid4().hex + ".eml")
    hidden = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
    with open(hidden, "wb") as f:
        f.write(text.encode())
    os.rename(hidden, path)
    return path


def letter(sender, *receivers, subject, more="", body="Hello.\n"):
    envelope = ["x-sender: " + sender] + ["x-receiver: " + r for r in receivers]
    return "\n".join(envelope + ["From: " + sender, "Subject: " + subject, more + "\n" + body])


def messages(who, subject):
    with imap(who) as box:
        names = subjects(box)
        return [email.message_from_bytes(box.fetch(str(i + 1), "(BODY.PEEK[])")[1][0][1])
                for i, s in enumerate(names) if s == subject]


def received(who, subject):
    """The one message with that subject."""
    got = until(lambda: messages(who, subject), 60)
    assert len(got) == 1, (subject, len(got))
    return got[0]


def gone(path):
    return until(lambda: not os.path.exists(path), 60)


class Pickup(unittest.TestCase):
    def setUp(self):
        self.subject = "picked up " + uuid.uuid4().hex
        self.a, self.b, self.c = (account(i)["address"] for i in range(3))

    def bad(self, path, server=SERVER):
        """The reason for which a file was put aside."""
        self.assertTrue(gone(path))
        with open(os.path.join(folder("badmail", server=server), os.path.basename(path) +
                               ".reason")) as f:
            return f.read()

    def test_envelope(self):
        path = put(letter(self.a, self.b, self.c, subject=self.subject,
                          more="To: somebody@elsewhere.example\nBcc: x@elsewhere.example\n"))
        for who in (1, 2):
            m = received(who, self.subject)
            self.assertEqual(m["Return-Path"], "<%s>" % self.a)
            self.assertIsNone(m["x-sender"] or m["x-receiver"] or m["Bcc"])
            self.assertTrue(m["Date"] and m["Message-ID"])
            self.assertIn("pickup of " + SERVER, m["Received"])
        self.assertTrue(gone(path))

    def test_header(self):
        """Without an envelope, from CRLF lines, at the other back-end."""
        path = put("From: %s\r\nTo: Bob <%s>\r\nBcc: %s\r\nSubject: %s\r\n\r\n.\r\nx" %
                   (self.a, self.b, self.c, self.subject), node=1)
        self.assertEqual(received(1, self.subject).get_payload(), ".\r\nx\r\n")
        self.assertIsNone(received(2, self.subject)["Bcc"])
        self.assertTrue(gone(path))

    def test_who_does_not_exist(self):
        put(letter(self.a, self.b, "nobody-here@" + cluster()["domain"], subject=self.subject))
        received(1, self.subject)
        self.assertTrue(until(self.told, 60))

    def told(self):
        with imap(0) as box:
            for i in range(len(subjects(box))):
                m = box.fetch(str(i + 1), "(BODY.PEEK[])")[1][0][1]
                if b"nobody-here" in m and self.subject.encode() in m:
                    return True
        return False

    def test_a_sender_of_elsewhere(self):
        """The postmaster answers for it."""
        status, _, err = postern("alias", "add", "postmaster@" + cluster()["domain"], self.c)
        self.assertEqual(status, 0, err)
        try:
            put(letter("app@elsewhere.example", self.b, subject=self.subject))
            m = received(1, self.subject)
            self.assertEqual(m["Return-Path"], "<%s>" % self.c)
            self.assertEqual(m["From"], "app@elsewhere.example")
        finally:
            postern("alias", "remove", "postmaster@" + cluster()["domain"])

    def waiting(self):
        """How many files wait that could not be taken, and why."""
        rows = json.loads(postern("--json", "area", "show", SERVER)[1])
        return next((r["waiting"], r["why"]) for r in rows
                    if (r["area"], r["backend"]) == ("pickup", "be1"))

    def test_a_held_sender(self):
        """Its files wait, and say why; others' do not; one warning tells of all of them."""
        n, since = 40, log_size("be1")
        self.assertEqual(postern("account", "hold", self.a)[0], 0)
        self.addCleanup(postern, "account", "release", self.a)
        paths = [put(letter(self.a, "x%d@elsewhere.example" % i, subject=self.subject))
                 for i in range(n)]
        self.assertTrue(until(lambda: self.waiting()[0] == n, 60), self.waiting())
        self.assertIn(self.a + ": ", self.waiting()[1])
        put(letter(self.c, self.b, subject=self.subject))
        received(1, self.subject)
        self.assertTrue(all(os.path.exists(p) for p in paths))
        self.assertEqual(len(log_lines("be1", "level=warn", "event=pickup.later", since=since)), 1)
        self.assertEqual(postern("account", "release", self.a)[0], 0)
        for p in paths:
            self.assertTrue(gone(p))
        self.assertEqual(self.waiting(), (0, ""))

    def test_nobody_answers_for_it(self):
        """No postmaster: the list tells why it lies there."""
        who = json.loads(postern("--json", "setting", "show", "directory.postmaster")[1])["value"]
        self.assertEqual(postern("setting", "unset", "directory.postmaster")[0], 0)
        self.addCleanup(postern, "setting", "set", "directory.postmaster", who)
        path = os.path.join(folder(), "nobodys.eml")
        self.addCleanup(os.unlink, path)

        def waits():
            if not os.path.exists(path):  # it was taken: not every node knew yet
                put(letter("app@elsewhere.example", self.b, subject=self.subject), "nobodys.eml")
            return self.waiting()[0] == 1
        self.assertTrue(until(waits, 60))
        self.assertIn("no postmaster", self.waiting()[1])

    def test_signed(self):
        status, _, err = postern("dkim", "add", cluster()["domain"])
        self.assertEqual(status, 0, err)
        status, _, err = postern("dkim", "activate", cluster()["domain"], "--force")
        self.assertEqual(status, 0, err)

        def signed():
            subject = "signed " + uuid.uuid4().hex
            put(letter(self.a, self.b, subject=subject))
            return received(1, subject)["DKIM-Signature"]
        self.assertTrue(until(signed, 60))

    def test_while_it_is_written(self):
        """What somebody still writes is not taken; when it is closed it is, at once."""
        path = os.path.join(folder(), uuid.uuid4().hex)
        with open(path, "wb", buffering=0) as f:
            f.write(letter(self.a, self.b, subject=self.subject).encode())
            other = "other " + uuid.uuid4().hex
            put(letter(self.a, self.b, subject=other))
            received(1, other)
            self.assertTrue(os.path.exists(path))
            f.write(b"The end.\n")
        self.assertTrue(received(1, self.subject).get_payload().endswith("The end.\r\n"))

    def test_the_same_file_again(self):
        """Name, bytes, time of change and even the inode are those of the last one: it is another
        message, for somebody put it there again."""
        text = letter(self.a, self.b, subject=self.subject)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(folder())) as f:
            f.write(text.encode())
            f.flush()
            path = os.path.join(folder(), "twice.eml")
            for n in (1, 2):
                hidden = os.path.join(folder(), ".twice")
                os.link(f.name, hidden)
                os.rename(hidden, path)
                self.assertTrue(gone(path))
                self.assertTrue(until(lambda: len(messages(1, self.subject)) == n, 60), n)

    def test_killed_while_it_takes_them(self):
        """Whatever the back-end has told of a file that it leaves behind, its message comes once."""
        names = ["%s %d" % (self.subject, i) for i in range(40)]
        for n in range(3):
            paths = [put(letter(self.a, self.b, subject=s)) for s in names[n::3]]
            self.assertTrue(until(lambda: not all(map(os.path.exists, paths)), 60))
            since = log_size("be1")
            cluster_command("kill", "be1", "KILL")
            restore()
            self.assertTrue(linked("be1", since, 1))
            self.assertTrue(all(gone(p) for p in paths))

        def came():
            with imap(1) as box:
                return sorted(s for s in subjects(box) if s.startswith(self.subject))
        self.assertTrue(until(lambda: len(came()) >= len(names), 60))
        self.assertEqual(came(), sorted(names))

    def test_bad_ones(self):
        self.assertIn("recipient", self.bad(put("From: %s\n\nx\n" % self.a)))
        self.assertIn("address", self.bad(put(
            "x-sender: a@b@c\nx-receiver: %s\n\nx\n" % self.b)))
        self.assertIn("header", self.bad(put("x-receiver: %s\nX: %s\n\nx\n" %
                                             (self.b, "x" * 300000))))
        self.assertIn("recipients", self.bad(put("".join(
            "x-receiver: r%d@elsewhere.example\n" % i for i in range(1001)) + "\nx\n")))
        self.assertIn("loop", self.bad(put("Received: x\n" * 101 + "To: %s\n\nx\n" % self.b)))
        self.assertTrue(log_lines("be1", "event=pickup.bad", "loop"))

    def test_listed(self):
        """Every folder of every back-end, with what is in it."""
        self.bad(put("From: %s\n\nx\n" % self.a))
        status, out, err = postern("--json", "area", "list")
        self.assertEqual(status, 0, err)
        rows = json.loads(out)
        self.assertEqual({(r["server"], r["area"], r["backend"]) for r in rows},
                         {(s, a, b) for s in ("default-smtp", "default-submission")
                          for a in ("pickup", "badmail", "drop") for b in ("be1", "be2")})
        status, out, err = postern("--json", "area", "show", SERVER)
        self.assertEqual(status, 0, err)
        rows = json.loads(out)
        self.assertEqual({r["server"] for r in rows}, {SERVER})
        mine = [r for r in rows if (r["area"], r["backend"]) == ("badmail", "be1")][0]
        self.assertEqual(mine["path"], folder("badmail"))
        names = os.listdir(mine["path"])
        self.assertEqual((mine["files"], mine["size_bytes"]), (len(names), sum(
            os.path.getsize(os.path.join(mine["path"], n)) for n in names)))
        self.assertTrue(mine["oldest"])
        self.assertEqual(postern("area", "show", "no-such-server")[0], 67)

    def test_size_and_state(self):
        name = "default-smtp"
        status, _, err = postern("server", "edit", name, "--set", "message_bytes_max=2k")
        self.assertEqual(status, 0, err)
        self.addCleanup(postern, "server", "edit", name, "--unset", "message_bytes_max")
        large = letter(self.a, self.b, subject=self.subject, body="x" * 2000 + "\n")
        self.assertTrue(until(lambda: "larger than 2048" in self.bad(
            put(large, server=name), server=name), 30))
        status, _, err = postern("server", "pause", name)
        self.assertEqual(status, 0, err)
        try:
            path = put(letter(self.a, self.b, subject=self.subject), server=name)
            other = "other " + uuid.uuid4().hex
            put(letter(self.a, self.b, subject=other))
            received(1, other)
            self.assertTrue(os.path.exists(path))
        finally:
            postern("server", "start", name)
        received(1, self.subject)

    def test_a_home_of_its_own(self):
        """Files are taken from there; the server leaves it when it is empty, everywhere, and goes
        back where it was."""
        def server(*argv, want=0):
            status, out, err = postern("server", *argv)
            self.assertEqual(status, want, (argv, out, err))
            return out if want == 0 else err

        def lies_at(home):
            want = {folder(k, n, home) for k in ("pickup", "badmail", "drop") for n in (0, 1)}
            def paths():
                return {r["path"] for r in json.loads(postern("--json", "area", "show", "site")[1])}
            return until(lambda: paths() == want)
        server("add", "site", "--listen", "fe1/192.0.2.1:25", "--service", "submission", "--set",
               "home=sites/One")
        self.addCleanup(server, "remove", "site")
        self.assertEqual(json.loads(server("show", "site", "--json"))["home"], "sites/One")
        self.assertEqual(json.loads(server("show", SERVER, "--json"))["home"], SERVER)
        self.assertTrue(lies_at("sites/One"))
        put(letter(self.a, self.b, subject=self.subject), node=1, server="sites/One")
        received(1, self.subject)
        server("stop", "site")
        everybody_knows()
        path = put(letter(self.a, self.b, subject=self.subject + " 2"), node=1, server="sites/One")
        for change in (("--set", "home=elsewhere"), ("--unset", "home")):
            self.assertIn("be2 has 1 files in its folder pickup now",
                          server("edit", "site", *change, want=65))
        self.assertIn("be2 has 1 files", server("remove", "site", want=65))
        # What is not a move is none.
        server("edit", "site", "--set", "home=sites/One", "--set", "banner=x")
        server("start", "site")
        self.assertTrue(gone(path))
        received(1, self.subject + " 2")
        server("edit", "site", "--set", "home=sites/Two")
        self.assertTrue(lies_at("sites/Two"))
        self.assertTrue(until(lambda: os.path.isdir(folder("pickup", 0, "sites/Two"))))
        put(letter(self.a, self.b, subject=self.subject + " 3"), server="sites/Two")
        received(1, self.subject + " 3")
        for bad in ("/etc", "../x", "sites/../x", "a" * 129, "default-smtp", "default-smtp/x"):
            server("edit", "site", "--set", "home=" + bad, want=65)
        # Nobody knows what lies on a back-end that is away.
        cluster_command("kill", "be2", "KILL")
        try:
            self.assertIn("on be2 is not known", server("edit", "site", "--unset", "home", want=75))
        finally:
            restore()
        server("edit", "site", "--unset", "home")
        self.assertTrue(lies_at("site"))
        self.assertTrue(until(lambda: os.path.isdir(folder("pickup", 1, "site"))))
        put(letter(self.a, self.b, subject=self.subject + " 4"), node=1, server="site")
        received(1, self.subject + " 4")
        # A file where the folder belongs: there is none, which can be mended.
        flat = os.path.dirname(folder("pickup", 0, "flat"))
        with open(flat, "w"):
            self.addCleanup(os.unlink, flat)
        server("edit", "site", "--set", "home=flat")
        self.assertEqual(postern("area", "list")[0], 0)
        server("edit", "site", "--unset", "home")
        self.assertTrue(lies_at("site"))

    def test_what_is_no_file(self):
        target = put(letter(self.a, self.b, subject=self.subject), name=".hidden")
        os.symlink(target, os.path.join(folder(), "link"))
        os.mkfifo(os.path.join(folder(), "fifo"))
        other = "other " + uuid.uuid4().hex
        put(letter(self.a, self.b, subject=other))
        received(1, other)
        self.assertEqual(messages(1, self.subject), [])
        for name in ("link", "fifo", ".hidden"):
            os.unlink(os.path.join(folder(), name))

    def test_while_the_back_end_is_away(self):
        since = log_size("be1")
        cluster_command("kill", "be1", "KILL")
        path = put(letter(self.a, self.b, subject=self.subject))
        restore()
        self.assertTrue(linked("be1", since, 1))
        received(1, self.subject)
        self.assertTrue(gone(path))


if __name__ == "__main__":
    unittest.main()
