"""Drives build/captured: a link to a back-end that a holder of some certificate makes."""
import os
import queue
import secrets
import socket
import subprocess
import threading

from postern import BUILD, FOLDER, account, cluster


def methods():
    """[(number, name, {field: type})] of every method; fields None where there is no request."""
    text = subprocess.run([os.path.join(BUILD, "captured"), "--list"], capture_output=True,
                          text=True, check=True).stdout
    out = []
    for line in text.splitlines():
        number, name, *fields = line.split(" ")
        out.append((int(number), name, None if fields == ["-"] else
                    dict(f.split(":") for f in fields)))
    return out


def backend(name="be1"):
    return next(b for b in cluster()["backends"] if b["name"] == name)


def credentials(identity):
    """(certificate, key) files of a node's identity as deploy/cluster lays them."""
    role, name, *service = identity.split("/")
    if role == "frontend":
        base = os.path.join(FOLDER, name, "certs", service[0])
    elif role == "backend":
        base = os.path.join(FOLDER, name, "node")
    else:
        base = os.path.join(FOLDER, "pki", "admin")
    return base + ".pem", base + ".key"


class Captured:
    """`with Captured("frontend/fe1/imap") as c:`; up is False when no link could be made."""

    def __init__(self, identity, to="be1", port="rpc", cert=None, ms=20000):
        b = backend(to)
        pem, key = cert or credentials(identity)
        self.p = subprocess.Popen(
            [os.path.join(BUILD, "captured"), "--ca", cluster()["ca"], "--cert", pem, "--key", key,
             "--as", identity, "--to", "%s:%d" % (b["host"], b["ports"][port]), "--wait", str(ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self.reader, daemon=True).start()
        self.up = self.lines.get(timeout=30) == "up\n"

    def reader(self):
        for line in self.p.stdout:
            self.lines.put(line)
        self.lines.put("")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.stdin.close()
        self.p.kill()
        self.p.wait()
        self.p.stdout.close()

    def call(self, method, **fields):
        """(status, {field: value}). Bytes are given as bytes and come as hex; nested names with
        "__" for the dot; body=bytes gives the request a body, read=True awaits the answer's,
        hold=True leaves it unread and the call open."""
        words = [str(method)]
        if "body" in fields:
            words[0] += "+body"
        if fields.pop("read", False):
            words[0] += "+read"
        if fields.pop("hold", False):
            words[0] += "+hold"
        for name, value in fields.items():
            if isinstance(value, bytes):
                value = value.hex()
            words.append("%s=%s" % (name.replace("__", "."), value))
        try:
            self.p.stdin.write(" ".join(words) + "\n")
            self.p.stdin.flush()
        except BrokenPipeError:
            pass
        status, *rest = self.lines.get(timeout=60).rstrip("\n").split(" ")
        if status == "usage:":
            raise ValueError("%s: %s" % (words, rest))
        out = {}
        for word in rest:
            name, _, value = word.partition("=")
            out.setdefault(name, value)
        return status, out

    def closed(self, seconds=10):
        """The back-end ends the link within so long."""
        try:
            return self.lines.get(timeout=seconds) in ("closed\n", "")
        except queue.Empty:
            return False

    def login(self, who):
        """A ticket of account number `who`, as a front-end gets it: bytes."""
        a = account(who)
        initial = ("\0%s\0%s" % (a["address"], a["password"])).encode()
        status, reply = self.call(
            "AUTH_START", mechanism="PLAIN", has_initial=1, initial=initial,
            session_id=secrets.token_bytes(16), client__ip=socket.inet_aton("127.0.0.1"),
            client__port=4711, client__local_port=993, client__tls=1,
            client__tls_version="TLSv1.3", client__tls_cipher="TLS_AES_256_GCM_SHA384")
        assert status == "ok" and reply["ticket"], (status, reply)
        return bytes.fromhex(reply["ticket"])


def plausible(fields, **given):
    """A value for each field that is not a message's, so that nothing is refused for want of
    one."""
    values = {"string": "INBOX", "bytes": secrets.token_bytes(16), "number": 1}
    special = {"mechanism": "PLAIN", "to": "Stolen", "reason": "none", "version": "1"}
    out = {}
    for name, kind in fields.items():
        if name in given:
            out[name] = given[name]
        elif kind == "UidRange":
            out[name + "__first"], out[name + "__last"] = 1, 1000
        elif kind in values:
            out[name] = special.get(name, values[kind]) if kind == "string" else values[kind]
    return out
