"""Mail for a domain that is written into a drop folder: whole, with its envelope; too much waits."""
import email
import glob
import os
import unittest
import uuid

from outgoing import submit, submit_bytes, waiting
from postern import account, change, cluster, deliver, imap, message, postern, subjects, until

CLUSTER = ["--backends", "2", "--accounts", "6", "--set", "drop.files_max=5",
           "--set", "outbound.retry_first=2s", "--set", "outbound.retry_second=2s",
           "--set", "outbound.retry_third=2s", "--set", "outbound.retry_later=2s"]
TAKES = 20  # seconds
SERVER = "default-smtp"
MOST = 5


def run(*argv):
    status, out, err = postern(*argv)
    assert status == 0, (argv, err)
    return out


def folders(kind="drop"):
    return [os.path.join(b["data"], "areas", SERVER, kind) for b in cluster()["backends"]]


def files():
    return [f for d in folders() for f in glob.glob(os.path.join(d, "*"))]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def dropped(subject):
    """The one file with that subject: its path and its bytes."""
    def look():
        return [(f, b) for f, b in ((f, read(f)) for f in files()) if subject.encode() in b]
    got = until(look)
    assert len(got) == 1, (subject, got)
    return got[0]


class Drop(unittest.TestCase):
    def setUp(self):
        self.domain = "d%s.test" % uuid.uuid4().hex[:10]
        change("route", "add", self.domain, "drop", SERVER)

    def tearDown(self):
        run("route", "remove", self.domain)
        run("queue", "remove", "--to", "@" + self.domain)
        for f in files():
            os.unlink(f)

    def gone_from_queue(self):
        return until(lambda: self.domain not in run("queue", "list"))

    def test_a_user_s_mail(self):
        to = ["%s@%s" % (n, self.domain) for n in "ab"]
        path, got = dropped(submit(to))
        sender = account(0)["address"]
        self.assertTrue(got.startswith(("Return-Path: <%s>\r\nx-sender: %s\r\n" %
                                        (sender, sender)).encode()), got[:200])
        m = email.message_from_bytes(got)
        self.assertEqual(sorted(m.get_all("x-receiver")), to)
        self.assertEqual(m.get_payload(), "Hello.\r\n")
        self.assertTrue(path.endswith(".eml"))
        self.assertTrue(self.gone_from_queue())
        self.assertEqual(len(files()), 1)
        self.assertEqual([n for d in folders() for n in os.listdir(d) if n.startswith(".")], [])

    def test_a_home_of_its_own(self):
        """What comes after it moved lies in the other folder."""
        change("server", "add", "shop", "--listen", "fe1/192.0.2.2:25")
        self.addCleanup(run, "server", "remove", "shop")
        change("route", "edit", self.domain, "--target", "shop")

        def came(home):
            subject = submit(["x@" + self.domain])
            def look():
                return [f for b in cluster()["backends"] for f in glob.glob(
                    os.path.join(b["data"], "areas", home, "drop", "*"))
                    if subject.encode() in read(f)]
            (path,) = until(look)
            return path
        path = came("shop")
        self.assertIn("files in its folder drop now", postern("server", "edit", "shop", "--set",
                                                              "home=sites/shop")[2])
        os.unlink(path)
        change("server", "edit", "shop", "--set", "home=sites/shop")
        os.unlink(came("sites/shop"))

    def test_a_domain_of_others_mail(self):
        """Whole-domain intake, from strangers."""
        change("domain", "add", self.domain, "--kind", "remote")
        self.addCleanup(run, "domain", "remove", self.domain)
        subject = deliver("anybody@" + self.domain)
        m = email.message_from_bytes(dropped(subject)[1])
        self.assertEqual((m["x-sender"], m["x-receiver"]),
                         ("stranger@elsewhere.example", "anybody@" + self.domain))
        self.assertTrue(m["Received"])

    def test_large(self):
        """Beyond what comes along with a job; byte by byte."""
        m = message("x@" + self.domain, "large " + uuid.uuid4().hex,
                    sender=account(1)["address"])
        head = m.as_bytes(policy=m.policy.clone(linesep="\r\n")).split(b"\r\n\r\n")[0]
        body = b"".join(b"%08d %s\r\n" % (i, b"x" * 60) for i in range(40000))
        submit_bytes(1, ["x@" + self.domain], head + b"\r\n\r\n" + body)
        self.assertTrue(dropped(m["Subject"])[1].endswith(b"\r\n\r\n" + body))

    def test_too_much_waits(self):
        for i in range(MOST):
            dropped(submit(["f%d@%s" % (i, self.domain)]))
        last = submit(["last@" + self.domain])
        self.assertEqual(waiting("last@" + self.domain)["status"], "4.3.1")
        self.assertEqual(len(files()), MOST)
        for f in files():
            os.unlink(f)
        # The folder is counted again after a while.
        self.assertTrue(until(lambda: run("queue", "retry", "--to", "last@" + self.domain) and
                              files(), 60))
        dropped(last)

    def test_there_is_no_such_server(self):
        status, _, err = postern("route", "edit", self.domain, "--target", "nosuch")
        self.assertEqual(status, 67)
        self.assertIn("there is no virtual server nosuch", err)
        run("server", "add", "going", "--listen", ":2601")
        change("route", "edit", self.domain, "--target", "going")
        change("server", "remove", "going")
        subject = submit(["x@" + self.domain])
        self.assertEqual(waiting("x@" + self.domain)["status"], "4.3.0")
        change("route", "edit", self.domain, "--target", SERVER)
        dropped(subject)

    def test_what_is_dropped_can_be_picked_up(self):
        path, got = dropped(submit(["x@" + self.domain]))
        whom = account(2)["address"]
        subject = "again " + uuid.uuid4().hex
        again = os.path.join(folders("pickup")[0], "again.eml")
        with open(os.path.join(os.path.dirname(again), ".again"), "wb") as f:
            f.write(got.replace(("x-receiver: x@" + self.domain).encode(),
                                ("x-receiver: " + whom).encode())
                    .replace(email.message_from_bytes(got)["Subject"].encode(), subject.encode()))
        os.rename(f.name, again)

        def arrived():
            with imap(2) as box:
                return subject in subjects(box)
        self.assertTrue(until(arrived))


if __name__ == "__main__":
    unittest.main()
