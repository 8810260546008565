"""deploy/cluster: what it writes, what it refuses, and that a start may be interrupted."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from postern import BUILD, FOLDER, TOP, cluster, until
from run_cluster import free_ports

CLUSTER = ["--accounts", "20"]
TAKES = 25  # seconds
TOOL = os.path.join(TOP, "deploy", "cluster")


def tool(*argv):
    done = subprocess.run([TOOL, *argv], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def alive(path):
    """Processes that name this file or folder in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/cmdline" % pid, "rb") as f:
            if path.encode() in f.read() and int(pid) != os.getpid():
                found.append(int(pid))
    return found


def command_line(pid):
    with open("/proc/%d/cmdline" % pid) as f:
        return f.read().split("\0")


class Contract(unittest.TestCase):
    """Other tools read cluster.json: its names stay."""

    def test_cluster_json(self):
        c = cluster()
        self.assertLessEqual({"domain", "ca", "postgres", "admin", "frontends", "backends",
                              "accounts"}, set(c))
        self.assertEqual(set(c["admin"]), {"address", "cert", "key"})
        for path in (c["ca"], c["admin"]["cert"], c["admin"]["key"]):
            self.assertTrue(os.path.exists(path), path)
        for key, prefix, ports in (
                ("frontends", "fe", {"smtp": 525, "lmtp": 24, "submission": 587,
                                     "submissions": 465, "odmr": 366, "imap": 143, "imaps": 993,
                                     "pop3": 110, "pop3s": 995, "managesieve": 2190,
                                     "https": 443}),
                ("backends", "be", {"rpc": 5411, "admin": 5412, "metrics": 5413})):
            for i, n in enumerate(c[key]):
                self.assertEqual(n["name"], "%s%d" % (prefix, i + 1))
                self.assertEqual(set(n["ports"]), set(ports))
                base = {n["ports"][s] - ports[s] for s in ports}
                self.assertEqual(len(base), 1)
                self.assertTrue(n["host"].startswith("127.0.0."))
                self.assertTrue(n["pids"])
        self.assertTrue(os.path.isdir(c["backends"][0]["data"]))
        self.assertEqual([a["address"] for a in c["accounts"]],
                         ["user%d@%s" % (i + 1, c["domain"]) for i in range(20)])
        self.assertEqual(len({a["password"] for a in c["accounts"]}), 20)

    def test_secrets_are_the_owners_alone(self):
        for path in ("cluster.json", "pki/ca.key", "pki/admin.key", "be1/node.key",
                     "fe1/certs/imap.key"):
            self.assertEqual(os.stat(os.path.join(FOLDER, path)).st_mode & 0o077, 0, path)

    def test_refusals(self):
        for argv in ([], ["nonsense"], ["up"], ["up", "/x", "--frontends", "many"],
                     ["up", "/x", "--backends", "0"], ["up", "/x", "--accounts", "-1"],
                     ["up", "/x", "--frontends", "123", "--backends", "122"],
                     ["up", "/x", "--base-port", "65000"], ["up", "/x", "--set", "nonsense"],
                     ["kill", FOLDER, "fe1", "NONSENSE"], ["kill", FOLDER, "fe1", "_DFL"],
                     ["kill", FOLDER, "fe1/imap.x"]):
            status, said = tool(*argv)
            self.assertEqual((argv, status), (argv, 64))
            self.assertNotIn("Traceback", said)
        for argv in (["down", "/nonexistent"], ["status", "/nonexistent"],
                     ["start", "/nonexistent", "fe1"], ["kill", "/nonexistent", "fe1"]):
            self.assertEqual((argv, tool(*argv)[0]), (argv, 66))
        self.assertEqual(tool("start", FOLDER, "fe9")[0], 67)
        self.assertEqual(tool("kill", FOLDER, "fe9")[0], 67)
        self.assertEqual(tool("kill", FOLDER, "fe1/imap.99")[0], 69)
        self.assertEqual(tool("status", FOLDER)[0], 0)


class Starts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postern-setup-")
        self.password = 'one, "two" and three'
        self.ports = free_ports(1)
        base, = self.ports
        self.options = ["--base-port", str(base), "--accounts", "3", "--password", self.password]
        self.addCleanup(self.remove)

    def remove(self):
        tool("down", self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def up(self):
        status, said = tool("up", self.folder, *self.options)
        self.assertEqual(status, 0, said)
        with open(os.path.join(self.folder, "cluster.json")) as f:
            return json.load(f)

    def control(self, *argv):
        return subprocess.run([os.path.join(BUILD, "postern"), "--json", "--cluster",
                               os.path.join(self.folder, "cluster.json"), *argv],
                              capture_output=True, text=True)

    def interrupted_at(self, ready, sig):
        # Whoever runs the tests in the background has SIGINT ignored, and so would the tool.
        p = subprocess.Popen([TOOL, "up", self.folder, *self.options],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.assertTrue(until(ready))
        p.send_signal(sig)
        self.assertNotEqual(p.wait(), 0)

    def test_a_quiet_log(self):
        """Nothing here depends on what a node writes to its log."""
        self.options += ["--set", "log.level=error"]
        pids = self.up()["frontends"][0]["pids"]
        self.assertGreaterEqual(len(pids), 4)
        self.assertEqual(tool("kill", self.folder, "fe1/imap.0", "KILL")[0], 0)
        self.assertTrue(until(lambda: sum(not os.path.exists("/proc/%d/fd/0" % p)
                                          for p in pids) == 1))

    def test_dns(self):
        """--set dns= and dns_anchors= reach every front-end, and nobody else."""
        anchors = os.path.join(self.folder, "anchors")
        self.options += ["--set", "dns=127.0.0.1:5353", "--set", "workers.outbound=2"]
        c = self.up()
        told = [command_line(p)[1] for p in c["frontends"][0]["pids"]]
        self.assertEqual(sum(x.startswith("--worker=outbound.") for x in told), 2)
        argv = command_line(c["frontends"][0]["pids"][0])
        self.assertIn("dns.server=127.0.0.1:5353", argv)
        self.assertIn("dns.anchors=none", argv)
        self.assertNotIn("dns.", " ".join(command_line(c["backends"][0]["pids"][0])))
        self.assertEqual(tool("down", self.folder)[0], 0)
        with open(anchors, "w") as f:
            f.write("example.test. IN DS 1 13 2 " + "00" * 32 + "\n")
        self.options += ["--set", "dns_anchors=" + anchors]
        argv = command_line(self.up()["frontends"][0]["pids"][0])
        self.assertIn("dns.anchors=" + anchors, argv)
        self.assertNotIn("dns.anchors=none", argv)
        self.assertEqual(tool("down", self.folder)[0], 0)
        self.options += ["--set", "workers.outbound=-1"]
        told = [command_line(p)[1] for p in self.up()["frontends"][0]["pids"]]
        self.assertFalse([x for x in told if x.startswith("--worker=outbound.")])
        self.assertEqual(tool("down", self.folder)[0], 0)
        # What is no address, and what is not there, is refused before anything is served.
        for bad in ("dns=nowhere.example:53", "dns_anchors=/nowhere", "tls_trust=/nowhere"):
            status, said = tool("up", self.folder, "--set", bad)
            self.assertEqual((bad, status), (bad, 69), said)

    def test_interrupted_and_repeated(self):
        """Whatever was there already: nothing goes on running, and the next start is whole."""
        ca, database, backend = (os.path.join(self.folder, x) for x in
                                 ("pki/ca.pem", "postgres/data", "be1/backend.conf"))
        self.interrupted_at(lambda: os.path.exists(ca), signal.SIGINT)
        self.interrupted_at(lambda: alive(database), signal.SIGINT)
        self.interrupted_at(lambda: alive(backend), signal.SIGINT)
        self.assertTrue(until(lambda: not alive(self.folder), 5), alive(self.folder))
        # Killed outright, what it has started stays, and is found again.
        def started():
            with open(os.path.join(self.folder, "be1", "pid")) as f:
                return int(f.read().split()[0]) in alive(backend)
        self.interrupted_at(started, signal.SIGKILL)
        c = self.up()
        self.assertEqual([a["password"] for a in c["accounts"]], 3 * [self.password])
        rows = json.loads(self.control("account", "list").stdout)
        self.assertEqual({r["quota_bytes"] for r in rows}, {0})
        there = [r["address"] for r in rows]
        self.assertEqual(sorted(there), sorted(a["address"] for a in c["accounts"]))
        # Another start changes nothing, and brings back nothing that was removed.
        self.assertEqual(self.control("account", "remove", there[0]).returncode, 0)
        self.assertEqual(tool("down", self.folder)[0], 0)
        self.assertEqual(alive(self.folder), [])
        with open(os.path.join(self.folder, "cluster.json")) as f:
            self.assertEqual({p for n in json.load(f)["backends"] for p in n["pids"]}, set())
        again = self.up()
        self.assertEqual(again["accounts"], c["accounts"])
        self.assertEqual([r["address"] for r in json.loads(self.control("account", "list").stdout)],
                         there[1:])
        # A cluster of before the outbound service gets its certificate.
        self.assertEqual(tool("down", self.folder)[0], 0)
        for end in (".pem", ".key"):
            os.remove(os.path.join(self.folder, "fe1", "certs", "outbound" + end))
        self.up()
        # A start that fails leaves nothing running either.
        self.assertEqual(tool("down", self.folder)[0], 0)
        status, said = tool("up", self.folder, "--set", "no.such=1")
        self.assertEqual(status, 69, said)
        self.assertEqual(alive(self.folder), [])


if __name__ == "__main__":
    unittest.main()
