#!/usr/bin/env python3
"""Can a stranger tell by the clock which names exist? Log-ins that fail, by IMAP's LOGIN over TLS,
at a cluster of its own: a wrong password for an account against a name that there is not.

  tests/bench/timing.py [--samples 10000] [--out FILE]

Each sample is a pair, in an order drawn by lot, so that whatever else the machine does befalls both
alike. The same wrong passwords are tried again and again, which counts once each: nobody is
throttled. It prints the medians of both and two tests of "they are the same": Mann-Whitney (the
chance that a sample of one is slower than one of the other; 0.5 is none) and Kolmogorov-Smirnov
(the largest distance of the two distributions). Exits 1 when one of them says no (p < 0.001).
"""
import argparse
import bisect
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CLUSTER = os.path.join(TOP, "deploy", "cluster")
BASE_PORT = 33000
NAMES = 4  # of each kind; as many again would wake the throttle of the address
P_MIN = 0.001


def up():
    folder = tempfile.mkdtemp(prefix="postern-timing-")
    subprocess.run([CLUSTER, "up", folder, "--accounts", str(NAMES), "--base-port", str(BASE_PORT),
                    "--set", "imap.rate_per_ip_per_min=0", "--set", "log.level=warn"],
                   check=True, stdout=subprocess.DEVNULL)
    return folder


class Client:
    """Reconnects when the server has had enough of a session."""

    def __init__(self, connect):
        self.connect, self.box = connect, None

    def sample(self, name):
        """Seconds until NO."""
        for _ in range(3):
            if self.box is None:
                self.box = self.connect()
            line = b'a LOGIN "%s" "not the password"\r\n' % name.encode()
            began = time.perf_counter()
            try:
                self.box.send(line)
                answer = self.box.line()
            except OSError:
                answer = b""
            took = time.perf_counter() - began
            if answer.startswith(b"a NO [AUTHENTICATIONFAILED]"):
                return took
            self.box.close()
            self.box = None
            if answer and not answer.startswith(b"* BYE"):
                sys.exit("%s: %s" % (name, answer.decode(errors="replace").strip()))
        sys.exit("%s: no answer" % name)


def measure(folder, pairs):
    os.environ["POSTERN_TEST_CLUSTER"] = folder
    sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
    import raw
    with open(os.path.join(folder, "cluster.json")) as f:
        known = [a["address"] for a in json.load(f)["accounts"]]
    # As long as the others, so that nothing but their being there differs.
    kinds = known, [a.replace("u", "v", 1) for a in known]
    client, out = Client(raw.Imap), ([], [])
    for i in range(-10 * NAMES, pairs):  # the first ones find caches cold
        at = random.randrange(NAMES)
        for kind in random.sample((0, 1), 2):
            took = client.sample(kinds[kind][at])
            if i >= 0:
                out[kind].append(took)
    return out


def mann_whitney(a, b):
    """(chance that one of a is above one of b, p of two sides). Ties do not happen at this clock."""
    ordered = sorted(b)
    u = sum(bisect.bisect_left(ordered, x) for x in a)
    n, m = len(a), len(b)
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return u / (n * m), math.erfc(abs(z) / math.sqrt(2))


def kolmogorov_smirnov(a, b):
    """(the largest distance, p)"""
    a, b = sorted(a), sorted(b)
    d = max(abs(bisect.bisect_right(a, x) / len(a) - bisect.bisect_right(b, x) / len(b))
            for x in a + b)
    t = d * math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * t * t) for k in range(1, 101))
    return d, min(1.0, max(0.0, p)) if t > 0.2 else 1.0


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--samples", type=int, default=10000, help="of each kind")
    p.add_argument("--out", metavar="FILE", help="the samples, in seconds, as JSON")
    opts = p.parse_args()
    folder = up()
    try:
        known, unknown = measure(folder, opts.samples)
    finally:
        subprocess.run([CLUSTER, "down", folder], stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)
    if opts.out:
        with open(opts.out, "w") as f:
            json.dump({"known": known, "unknown": unknown}, f)
    for what, v in (("wrong password", known), ("unknown name", unknown)):
        q = statistics.quantiles(v, n=20)
        print("%-15s %6d samples: median %.3f ms, 5%% %.3f, 95%% %.3f" % (
            what, len(v), statistics.median(v) * 1e3, q[0] * 1e3, q[-1] * 1e3))
    above, p_u = mann_whitney(known, unknown)
    distance, p_ks = kolmogorov_smirnov(known, unknown)
    print("Mann-Whitney: %.4f, p = %.3f" % (above, p_u))
    print("Kolmogorov-Smirnov: %.4f, p = %.3f" % (distance, p_ks))
    return 1 if min(p_u, p_ks) < P_MIN else 0


if __name__ == "__main__":
    sys.exit(main())
