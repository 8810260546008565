"""DNS for a cluster under test: a private authoritative server (nsd) on loopback.

    zone = dnszone.Zone({"example.test": "@ MX 10 mx\\nmx A 127.0.0.50\\n"})
    ... deploy/cluster up DIR --set dns=%s % zone.server
    zone.change({"example.test": "@ MX 0 .\\n"})      # answered from now on
    zone.close()

With signed=True the zones are signed, and zone.anchors is the file for --set dns_anchors=. Where a
cluster needs the anchors before there is a zone, make_keys() makes both, and keys= signs just those
zones. Every record lives a second, so that changes are seen soon; what does not exist as well.
"""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

NSD = "/usr/sbin/nsd"
START_SECONDS = 20
HEAD = """$ORIGIN {zone}.
$TTL 1
@ IN SOA ns.{zone}. hostmaster.{zone}. {serial} 3600 600 86400 1
@ IN NS ns.{zone}.
ns IN A 127.0.0.1
"""


def free_port():
    """For UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                tcp.bind(udp.getsockname())
                return udp.getsockname()[1]


def make_key(folder, zone):
    """One key that does everything: its path, without what such files end in."""
    return os.path.join(folder, subprocess.run(
        ["ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone], cwd=folder, check=True,
        capture_output=True, text=True).stdout.strip())


def make_keys(folder, zones):
    """Keys for zones that are there later, and the file of their anchors."""
    keys = {zone: make_key(folder, zone) for zone in zones}
    anchors = os.path.join(folder, "anchors")
    with open(anchors, "w") as out:
        for key in keys.values():
            with open(key + ".ds") as ds:
                out.write(ds.read())
    return keys, anchors


class Zone:
    """records: {zone's name: lines of a zone file}; SOA and NS are there already. keys: {zone's name:
    key of make_keys}."""

    def __init__(self, records, signed=False, port=None, keys=None):
        self.records, self.signed, self.port = dict(records), signed, port or free_port()
        self.server = "127.0.0.1:%d" % self.port
        self.folder = tempfile.mkdtemp(prefix="dnszone-")
        self.anchors = os.path.join(self.folder, "anchors") if signed else None
        self.keys, self.serial, self.process = dict(keys or {}), 0, None
        try:
            self.write()
            self.start()
        except BaseException:
            self.close()
            raise

    def run(self, *argv):
        return subprocess.run(argv, cwd=self.folder, check=True, capture_output=True,
                              text=True).stdout.strip()

    def path(self, name):
        return os.path.join(self.folder, name)

    def sign(self, zone):
        """With one key that does everything; it stays over changes."""
        if zone not in self.keys:
            self.keys[zone] = make_key(self.folder, zone)
            with open(self.anchors, "a") as out, open(self.keys[zone] + ".ds") as ds:
                out.write(ds.read())
        self.run("ldns-signzone", "-n", "-e", "20400101000000", "-f", zone + ".signed",
                 zone + ".zone", self.keys[zone])
        os.replace(self.path(zone + ".signed"), self.path(zone + ".zone"))

    def write(self):
        self.serial += 1
        for zone, lines in self.records.items():
            with open(self.path(zone + ".zone"), "w") as f:
                f.write(HEAD.format(zone=zone, serial=self.serial) + lines + "\n")
            if self.signed or zone in self.keys:
                self.sign(zone)
        with open(self.path("nsd.conf"), "w") as f:
            f.write('server:\n ip-address: 127.0.0.1@%d\n username: ""\n chroot: ""\n'
                    ' database: ""\n zonesdir: "%s"\n pidfile: "%s/pid"\n xfrdfile: "%s/xfrd"\n'
                    ' zonelistfile: "%s/list"\n server-count: 1\n'
                    "remote-control:\n control-enable: no\n" %
                    ((self.port,) + (self.folder,) * 4))
            for zone in self.records:
                f.write('zone:\n name: "%s"\n zonefile: "%s.zone"\n' % (zone, zone))

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([NSD, "-d", "-c", self.path("nsd.conf")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.await_serial()

    def serial_of(self, zone):
        """As the server tells it; None: no answer."""
        question = b"\0\1\0\0\0\1\0\0\0\0\0\0" + b"".join(
            bytes([len(x)]) + x for x in zone.encode().split(b".")) + b"\0\0\6\0\1"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            try:
                s.connect(("127.0.0.1", self.port))
                s.send(question)
                answer = s.recv(4096)
            except OSError:
                return None
        # The SOA's numbers are the last 20 bytes of its record, which names end; the first answer.
        at = len(question) + 2 + 8
        end = at + 2 + int.from_bytes(answer[at:at + 2], "big")
        return int.from_bytes(answer[end - 20:end - 16], "big") if answer[7] else None

    def await_serial(self):
        deadline = time.monotonic() + START_SECONDS
        while any(self.serial_of(z) != self.serial for z in self.records):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.path("log")) as f:
                    raise RuntimeError("nsd does not serve: " + f.read()[-2000:])
            time.sleep(0.02)

    def change(self, records):
        """Other records for some zones, or all; a zone must have been there from the start.
        Returns when the server answers with them."""
        unknown = set(records) - set(self.records)
        if unknown:
            raise ValueError("no such zone: %s" % unknown)
        self.records.update(records)
        self.write()
        self.process.send_signal(signal.SIGHUP)
        self.await_serial()

    def stop(self):
        """The server goes away; start() brings it back."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
