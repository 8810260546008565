"""Laws of the architecture that no other file here shows: what a front-end is made of, memory
whatever a message's size, and that nothing waits unseen."""
import contextlib
import os
import signal
import subprocess
import unittest

from postern import BUILD, account, cluster, cluster_command, frontend, log_lines, log_size, pids, until
from raw import Imap, smtp

MESSAGE = 40 << 20
# What a process may grow by while that goes through: a session's buffers, windows and credit.
GROWTH_KIB = {"frontend": 8 << 10, "backend": 16 << 10}


def peak(pid):
    """KiB that it had in memory at most since the last reset."""
    with open("/proc/%d/status" % pid) as f:
        return next(int(x.split()[1]) for x in f if x.startswith("VmHWM"))


def peak_reset(pid):
    with open("/proc/%d/clear_refs" % pid, "w") as f:
        f.write("5")


class Laws(unittest.TestCase):
    @unittest.skipIf("asan" in BUILD, "the sanitizer is linked so that nothing is left out")
    def test_a_frontend_has_no_store_and_no_database(self):
        def libraries(program):
            return subprocess.run(["ldd", os.path.join(BUILD, program)], capture_output=True,
                                  text=True, check=True).stdout
        for library in ("liblmdb", "libpq"):
            self.assertIn(library, libraries("postern-backend"))
            self.assertNotIn(library, libraries("postern-frontend"))
            self.assertNotIn(library, libraries("postern"))

    @contextlib.contextmanager
    def bounded(self):
        before = {}
        for pid in pids():
            peak_reset(pid)
            before[pid] = peak(pid)
        yield
        backends = [p for b in cluster()["backends"] for p in b["pids"]]
        for pid, kib in before.items():
            most = GROWTH_KIB["backend" if pid in backends else "frontend"]
            self.assertLess(peak(pid) - kib, most, pids()[pid])

    @unittest.skipIf("asan" in BUILD, "a sanitizer keeps what was freed")
    def test_memory_whatever_the_size(self):
        line = b"0123456789abcdef" * 4 + b"\r\n"
        chunk = line * 1000
        address = account(6)["address"].encode()
        # The first small one brings in what every message needs.
        for size in (len(chunk), MESSAGE):
            with self.bounded() if size == MESSAGE else contextlib.nullcontext(), \
                    contextlib.closing(smtp()) as s:
                self.assertEqual(s.cmd(b"MAIL FROM:<a@elsewhere.example>")[0], 250)
                self.assertEqual(s.cmd(b"RCPT TO:<%s>" % address)[0], 250)
                self.assertEqual(s.cmd(b"DATA")[0], 354)
                s.send(b"Subject: large\r\n\r\n")
                for _ in range(size // len(chunk)):
                    s.send(chunk)
                self.assertEqual(s.cmd(b".")[0], 250)
        with contextlib.closing(Imap(6)) as box:
            box.ok(b"SELECT INBOX")
            box.ok(b"FETCH %d BODY.PEEK[]<0.100>" % box.exists)
            with self.bounded():
                box.send(b"large FETCH %d BODY.PEEK[]\r\n" % box.exists)
                self.assertGreater(self.drain(box), MESSAGE - len(chunk))

    @staticmethod
    def drain(box):
        """Reads up to the tagged answer, and keeps nothing; how many bytes there were."""
        total, tail = 0, b""
        while not tail.endswith(b"large OK Done\r\n"):
            got = box.sock.recv(1 << 20)
            assert got, tail
            total += len(got)
            tail = (tail + got)[-64:]
        return total

    def test_nothing_waits_unseen(self):
        with contextlib.closing(Imap(6)) as box, contextlib.closing(smtp()):
            box.ok(b"SELECT INBOX")
            box.idle()
            fe, be = frontend(), cluster()["backends"][0]
            session = log_lines(fe["name"], "event=session.login")[-1].split("session=")[1].split()[0]
            since = {n["name"]: log_size(n["name"]) for n in (fe, be)}
            cluster_command("status")
            for n in (fe, be):
                os.kill(n["pids"][0], signal.SIGUSR1)

            def told(node, *words):
                return until(lambda: log_lines(node, "event=fiber", *words, since=since[node]))
            self.assertTrue(told(fe["name"], "session=" + session, "waits=imap.idle", "since_ms=",
                                 "left_ms="))
            self.assertTrue(told(fe["name"], "service=smtp", "waits=smtp.command", "peer="))
            self.assertTrue(told(be["name"], "name=rpc.link", "peer=frontend/fe1/imap"))
            self.assertTrue(told(be["name"], "name=queue.runner", "waits=queue.due"))
            box.done()


if __name__ == "__main__":
    unittest.main()
