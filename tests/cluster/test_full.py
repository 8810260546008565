"""A full map and a full disk: a temporary refusal, no damage, and room again when there is."""
import contextlib
import os
import shutil
import subprocess
import unittest

import postern
from postern import account, cluster, cluster_command, offline_fsck, until
from raw import Imap, smtp

CLUSTER = ["--accounts", "4", "--partitions", "1", "--set", "workers.smtp=1",
           "--set", "workers.imap=1", "--set", "store.map_bytes=16m",
           "--set", "store.disk_reserve=0", "--set", "smtp.messages_max=0",
           "--set", "smtp.session_bytes_max=1000g", "--set", "store.expunged_keep=0"]
TAKES = 20  # seconds
DISK = "48m"


def send(s, who, body):
    """Code of the first refusal, or of the message."""
    for line in (b"MAIL FROM:<a@elsewhere.example>", b"RCPT TO:<%s>" % account(who)["address"].encode(),
                 b"DATA"):
        code = s.cmd(line)[0]
        if code not in (250, 354):
            return code
    return s.cmd(b"Subject: filler\r\n\r\n" + body + b"\r\n.")[0]


def words(n):
    """Text that search keeps and that does not compress away."""
    noise = os.urandom(n // 2).hex()
    return b"\r\n".join(noise[i:i + 60].encode() for i in range(0, len(noise), 60))


def fill(who, bodies, most):
    """Sends until a refusal: (messages taken, its code)."""
    with contextlib.closing(smtp()) as s:
        for taken in range(most):
            code = send(s, who, bodies[taken % len(bodies)])
            if code != 250:
                return taken, code
    return most, 250


class Full(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)
        self.assertTrue(until(self.connected, 15))

    def connected(self):
        """The front-end has its back-end again."""
        with contextlib.closing(smtp()) as s:
            s.cmd(b"MAIL FROM:<a@elsewhere.example>")
            return s.cmd(b"RCPT TO:<%s>" % account(0)["address"].encode())[0] == 250

    def refused_and_unharmed(self, who, taken, code, body):
        self.assertIn(code, (451, 452))
        self.assertGreater(taken, 3)
        box = Imap(who)
        box.ok(b"SELECT INBOX")
        self.assertEqual(box.exists, taken)
        box.ok(b"FETCH 1:* (UID FLAGS RFC822.SIZE)")
        box.ok(b"FETCH %d BODY.PEEK[]" % taken)
        r, _ = box.cmd(b"APPEND INBOX ", b"Subject: x\r\n\r\n" + body)
        self.assertRegex(r, rb"^t\d+ NO \[(UNAVAILABLE|LIMIT|OVERQUOTA)\]")
        return box

    def room_again(self, box, who):
        """Deleting is possible, and makes room."""
        box.ok(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
        box.ok(b"EXPUNGE")
        box.close()

        def taken():
            with contextlib.closing(smtp()) as s:
                return send(s, who, words(3000)) == 250
        self.assertTrue(until(taken, 30))
        status, out, err = postern.postern("fsck")
        self.assertEqual(status, 0, out + err)
        cluster_command("kill", "be1", "TERM")
        status, text = offline_fsck("be1")
        self.assertEqual(status, 0, text)

    def test_full_map(self):
        taken, code = fill(0, [words(40000) for _ in range(50)], 5000)
        box = self.refused_and_unharmed(0, taken, code, words(100000))
        self.room_again(box, 0)

    def test_full_disk(self):
        """With a small file system of its own below the data; needs the right to mount."""
        data = cluster()["backends"][0]["data"]
        cluster_command("kill", "be1", "TERM")
        os.rename(data, data + ".kept")
        os.mkdir(data)
        self.addCleanup(self.unmount, data)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + DISK, "tmpfs", data],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("cannot mount: " + done.stderr.strip())
        subprocess.run(["cp", "-a", "--sparse=always", data + ".kept/.", data], check=True)
        cluster_command("start", "be1")
        self.assertTrue(until(self.connected, 15))
        big = [words(300000) + b"\r\n" + os.urandom(200000).hex().encode().replace(b"0", b"\r\n")
               for _ in range(5)]
        taken, code = fill(1, big, 2000)
        box = self.refused_and_unharmed(1, taken, code, big[0])
        self.room_again(box, 1)

    def unmount(self, data):
        cluster_command("start", "be1")  # whatever its state was
        cluster_command("kill", "be1", "TERM")
        subprocess.run(["umount", data], capture_output=True)
        shutil.rmtree(data, ignore_errors=True)
        os.rename(data + ".kept", data)


if __name__ == "__main__":
    unittest.main()
