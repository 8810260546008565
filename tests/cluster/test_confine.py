"""What a worker may do, read from the kernel; and that sessions leave nothing behind."""
import os
import re
import subprocess
import unittest

import postern
from postern import (BUILD, FOLDER, account, cluster, cluster_command, deliver, frontend, imap,
                     log_lines, log_size, smtp, subjects, until)

# Log-ins; and a quarter as many deliveries: 10,000 in all.
SESSIONS = int(os.environ.get("POSTERN_TEST_SESSIONS", "8000"))
# Bytes that a session may leave: in a worker the allocator's noise over some thousands of them; in
# the back-end also what it remembers of an ended session until its ticket expires.
WORKERS_LEFT, BACKEND_LEFT = 128, 512
TAKES = 20  # seconds


def status(pid, thread=None):
    with open("/proc/%d/task/%d/status" % (pid, thread or pid)) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


def workers():
    pid = frontend()["pids"][0]
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(p) for p in f.read().split()]


def outbound_workers():
    found = []
    for pid in workers():
        with open("/proc/%d/cmdline" % pid) as f:
            if "\0--worker=outbound." in f.read():
                found.append(pid)
    return found


def resident(pids):
    """Private bytes of some processes."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Private_Dirty"))
    return total * 1024


class Confinement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        postern.restore()  # a port accepts before its worker is there

    def test_identity_and_filter(self):
        self.assertGreaterEqual(len(workers()), 3)
        threads = [(pid, int(t)) for pid in workers() for t in os.listdir("/proc/%d/task" % pid)]
        # Who sends has some for what other hosts ask to be computed; nobody else has any.
        self.assertEqual({pid for pid, t in threads if t != pid}, set(outbound_workers()))
        for pid, thread in threads:
            s = status(pid, thread)
            self.assertEqual(s["NoNewPrivs"], "1")
            if "asan" not in BUILD:
                self.assertEqual(s["Seccomp"], "2")
            if os.geteuid() == 0:
                self.assertNotIn("0", s["Uid"].split())
                self.assertEqual(s["Groups"].strip(), "")
                self.assertEqual(int(s["CapEff"], 16), 0)

    def test_services_have_users_of_their_own(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give users away")
        services = {}
        with open(os.path.join(os.environ["POSTERN_TEST_CLUSTER"], "fe1", "log")) as f:
            for line in f:
                if "event=worker.started" in line:
                    fields = dict(x.split("=", 1) for x in line.split() if "=" in x)
                    services[int(fields["pid"])] = fields["service"]
        users = {services[p]: status(p)["Uid"].split()[0] for p in workers()}
        self.assertEqual(len(set(users.values())), len(users), users)

    def test_no_file_is_open_for_writing(self):
        for pid in workers():
            for fd in os.listdir("/proc/%d/fd" % pid):
                target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                    flags = int(f.read().split("flags:")[1].split()[0], 8)
                if target.startswith("/") and int(fd) > 2:
                    self.assertEqual(flags & os.O_ACCMODE, os.O_RDONLY, target)

    def test_outbound_has_no_door(self):
        """It listens nowhere, and begins anew when it dies."""
        outbound = outbound_workers()
        self.assertEqual(len(outbound), 1)
        held = postern.sockets_of(outbound)
        with open("/proc/net/tcp") as f:
            rows = [x.split() for x in f][1:]
        self.assertTrue([r for r in rows if r[9] in held])  # its links
        self.assertEqual([r for r in rows if r[9] in held and r[3] == "0A"], [])
        cluster_command("kill", "fe1/outbound")
        self.assertTrue(until(lambda: outbound_workers() not in ([], outbound)))
        postern.restore()

    def test_workers_die_with_their_supervisor(self):
        before = workers()
        cluster_command("kill", "fe1", "KILL")
        try:
            self.assertTrue(until(lambda: not any(os.path.exists("/proc/%d/fd/0" % p)
                                                  for p in before)))
        finally:
            cluster_command("start", "fe1")
            postern.restore()


READ_ONLY = """mount --make-rprivate / || exit 77
awk '{print $2}' /proc/self/mounts | while read -r m; do
	mount -o remount,bind,ro "$m" 2>/dev/null
done
if touch "$1/written" 2>/dev/null; then exit 77; fi
exec "$2" -c "$1/frontend.conf"
"""


class ReadOnly(unittest.TestCase):
    def test_where_nothing_can_be_written(self):
        """A front-end keeps nothing."""
        folder = os.path.join(FOLDER, "fe1")
        own = ["unshare", "--mount"] + (["--map-root-user"] if os.geteuid() else [])
        tried = subprocess.run(own + ["true"], stdin=subprocess.DEVNULL, capture_output=True,
                               text=True)
        if tried.returncode != 0:
            self.skipTest("no mounts of our own here: " + tried.stderr.strip())
        cluster_command("kill", "fe1", "TERM")
        self.addCleanup(cluster_command, "start", "fe1")
        with open(os.path.join(folder, "log"), "ab") as log:
            p = subprocess.Popen(
                own + ["sh", "-c", READ_ONLY, "sh", folder, os.path.join(BUILD, "postern-frontend")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def serves():
            try:
                smtp().quit()
                return True
            except OSError:
                return p.poll() is not None
        try:
            self.assertTrue(until(serves))
            self.assertIsNone(p.poll(), "the front-end has ended, or the disk was not read-only")
            subject = deliver([account(0)["address"]])
            box = imap(0)
            self.assertIn(subject, subjects(box))
            self.assertEqual(box.append("INBOX", None, None, b"Subject: a\r\n\r\nb\r\n")[0], "OK")
            box.logout()
        finally:
            p.terminate()
            p.wait(30)


def quiet(node, *words):
    """No such line is logged while somebody logs in and an administrator asks."""
    since = log_size(node)
    imap(0).logout()
    postern.postern("status")
    return not log_lines(node, *words, since=since)


class Reload(unittest.TestCase):
    def setUp(self):
        self.conf = os.path.join(FOLDER, "fe1", "frontend.conf")
        with open(self.conf) as f:
            self.text = f.read()
        self.addCleanup(self.reload, self.text)

    def reload(self, text):
        with open(self.conf, "w") as f:
            f.write(text)
        since = log_size("fe1")
        cluster_command("kill", "fe1", "HUP")
        self.assertTrue(until(lambda: len(log_lines(
            "fe1", "event=worker.certificates_renewed", since=since)) == len(workers())))

    def test_certificates_of_the_cluster(self):
        """The old one may be revoked then."""
        base = os.path.join(FOLDER, "fe1", "certs", "imap")
        serial = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", base + ".pem"],
                                capture_output=True, text=True).stdout.partition("=")[2].strip()
        status, out, err = postern.postern("pki", "issue", "--dir", os.path.join(FOLDER, "pki"),
                                           "--out", base + ".new", "frontend/fe1/imap")
        self.assertEqual(status, 0, err)
        for end in (".key", ".pem"):
            os.replace(base + ".new" + end, base + end)
        self.reload(self.text)
        since = log_size("be1")
        self.assertEqual(postern.postern("pki", "revoke", serial.lower())[0], 0)
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.revoked", "frontend/fe1/imap",
                                                since=since)))
        self.assertTrue(until(lambda: log_lines("be1", "event=rpc.up", "frontend/fe1/imap",
                                                since=since)))
        postern.restore()
        imap(0).logout()

    def test_level_of_the_log(self):
        self.assertFalse(quiet("fe1", "service=imap"))
        with open(self.conf, "a") as f:
            f.write('log = { level = "error"; };\n')
        cluster_command("kill", "fe1", "HUP")
        self.assertTrue(until(lambda: quiet("fe1", "service=imap")))

    def test_refused_as_a_whole(self):
        """A certificate that is not there keeps the level as well."""
        self.assertIn("tls =", self.text)
        with open(self.conf, "w") as f:
            f.write(re.sub(r'cert = [^;]*;', 'cert = [ "/nowhere.pem" ];', self.text, count=1))
            f.write('log = { level = "error"; };\n')
        since = log_size("fe1")
        cluster_command("kill", "fe1", "HUP")
        self.assertTrue(until(lambda: log_lines("fe1", "event=reload.refused", "/nowhere.pem",
                                                since=since)))
        self.assertFalse(quiet("fe1", "service=imap"))


class ReloadBackend(unittest.TestCase):
    def reload(self, text, event, *words):
        with open(os.path.join(FOLDER, "be1", "backend.conf"), "w") as f:
            f.write(text)
        since = log_size("be1")
        cluster_command("kill", "be1", "HUP")
        self.assertTrue(until(lambda: log_lines("be1", "event=" + event, *words, since=since)))

    def test_it_reads_its_file_again(self):
        with open(os.path.join(FOLDER, "be1", "backend.conf")) as f:
            text = f.read()
        self.addCleanup(self.reload, text, "reload.done")
        self.assertFalse(quiet("be1", "event=rpc.up"))
        self.reload("no such thing", "reload.refused", "backend.conf:1")
        self.reload(text + "threads = 7;\n", "reload.needs_restart", "setting=threads")
        self.assertFalse(quiet("be1", "event=rpc.up"))
        self.reload(text + 'log = { level = "warn"; };\nthreads = 7;\n', "reload.needs_restart")
        self.assertTrue(until(lambda: quiet("be1", "event=rpc.up")))
        self.reload(text, "reload.done")
        self.assertFalse(quiet("be1", "event=rpc.up"))


class Leaks(unittest.TestCase):
    def sessions(self, *argv):
        done = subprocess.run([os.path.join(BUILD.replace("-asan", ""), "mailbench"), *argv],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_short_sessions_leave_nothing(self):
        if "asan" in BUILD:
            self.skipTest("the sanitizer keeps what was freed; it finds leaks itself")
        f, a = frontend(), account(0)
        imap = ["imap-login", "--server", "%s:%d" % (f["host"], f["ports"]["imaps"]), "--tls", "tls",
                "--user", a["address"], "--pass", a["password"], "-c", "10", "--users", "1"]
        smtp = ["smtp", "--server", "%s:%d" % (f["host"], f["ports"]["smtp"]), "--tls", "starttls",
                "--user", a["address"], "-c", "10", "--users", "1", "--per-session", "1", "-s", "1k",
                "--from", "stranger@elsewhere.example"]
        fe, be = workers(), cluster()["backends"][0]["pids"]
        self.sessions(*imap, "-n", "1000")
        self.sessions(*smtp, "-n", "500")
        before = resident(fe), resident(be)
        self.sessions(*imap, "-n", str(SESSIONS))
        self.sessions(*smtp, "-n", str(SESSIONS // 4))
        n = SESSIONS + SESSIONS // 4
        self.assertLess((resident(fe) - before[0]) / n, WORKERS_LEFT, "bytes a session")
        self.assertLess((resident(be) - before[1]) / n, BACKEND_LEFT, "bytes a session")


if __name__ == "__main__":
    unittest.main()
