#!/usr/bin/env python3
"""Runs transcripts: conversations with a server, written down line by line (tests/transcripts).

    transcript.py [--mode whole|bytes] (--cluster FILE | --port NAME=HOST:PORT ...) FILE...

A file holds cases, each begun by `== what it shows`, with connections of its own:

    # a comment                     (also: needs CAPABILITY, on a line before the first case:
    == one message                   the file is skipped where the server's greeting has it not)
    1 open smtp                     connection 1, to that port of the server
    1 open submissions tls          with the TLS handshake first
    1> MAIL FROM:<a@b>              sends the line and CRLF
    1>! .\\r\\nQUIT\\r\\n              sends just these bytes
    1>>! STARTTLS\\r\\nNOOP\\r\\n      the same, in one piece in any mode
    1< 250 {text=.*}                the next line must match; {name=regex} keeps what matched,
                                    {regex} matches without keeping; the rest is literal
    1<* 250-SIZE {\\d+}              reads lines until one matches
    1= 250                          reads one whole SMTP reply (all its 250- lines); the last line
                                    must begin like this
    1 tls                           the client's TLS handshake, now
    1 eof                           the server must close (whatever it says before)
    1 close                         we close

In sent lines and patterns $name is a variable: $domain, $user1, $password1, ... of the cluster, or
one kept by a pattern before; $b64(text) is text in base64; $times(n,text) is text n times. \\r \\n
\\t \\0 \\\\ and \\xNN are bytes.

`--mode bytes` sends every byte in a segment of its own.
"""

import argparse
import base64
import json
import re
import socket
import ssl
import sys
import time

SECONDS = 15
LINE_MAX = 1 << 20

ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))")
VARIABLE = re.compile(r"\$b64\(([^)]*)\)|\$times\((\d+),([^)]*)\)|\$(\w+)")
SIMPLE = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "$": "$"}


class Failed(Exception):
    pass


def unescape(text):
    return ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else SIMPLE.get(m[2], m[2]), text)


class Connection:
    def __init__(self, address, mode):
        self.sock = socket.create_connection(address, timeout=SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mode = mode
        self.buffer = b""
        self.heard = []

    def tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def send(self, data, mode=None):
        try:
            if (mode or self.mode) == "bytes" and len(data) <= 4096:
                for i in range(len(data)):
                    self.sock.sendall(data[i:i + 1])
            else:
                self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # what the server said before it closed is still to be read

    def line(self):
        """The next line without CRLF, or None at the end."""
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > LINE_MAX:
                raise Failed("a line without end")
            try:
                more = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                more = b""
            except socket.timeout:
                raise Failed("nothing was said in time") from None
            if not more:
                if self.buffer:
                    raise Failed(f"half a line at the end: {self.buffer!r}")
                return None
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        text = line.decode("latin-1")
        self.heard.append(text)
        return text

    def close(self):
        self.sock.close()


class Case:
    def __init__(self, server, mode, name):
        self.server, self.mode, self.name = server, mode, name
        self.connections = {}
        self.variables = dict(server["variables"])

    def expand(self, text):
        """Variables and escapes to latin-1 text, one character a byte."""
        def variable(m):
            if m[1] is not None:
                inner = unescape(VARIABLE.sub(variable, m[1]))
                return base64.b64encode(inner.encode("latin-1")).decode()
            if m[2] is not None:
                return m[3] * int(m[2])
            if m[4] not in self.variables:
                raise Failed(f"no variable ${m[4]}")
            return self.variables[m[4]].replace("\\", "\\\\")
        utf8 = text.encode("utf-8").decode("latin-1")
        return unescape(VARIABLE.sub(variable, utf8))

    def pattern(self, text):
        """literal {regex} literal {name=regex}"""
        out, at = "", 0
        for m in re.finditer(r"\{(?:(\w+)=)?((?:[^{}]|\{\d*,?\d*\})*)\}", text):
            out += re.escape(self.expand(text[at:m.start()]))
            out += f"(?P<{m[1]}>{m[2]})" if m[1] else f"(?:{m[2]})"
            at = m.end()
        return re.compile(out + re.escape(self.expand(text[at:])), re.S)

    def keep(self, match):
        self.variables.update({k: v for k, v in match.groupdict().items() if v is not None})

    def expect(self, connection, text):
        line = connection.line()
        if line is None:
            raise Failed(f"closed, instead of {text!r}")
        match = self.pattern(text).fullmatch(line)
        if not match:
            raise Failed(f"said {line!r}, not {text!r}")
        self.keep(match)

    def search(self, connection, text):
        pattern = self.pattern(text)
        while True:
            line = connection.line()
            if line is None:
                raise Failed(f"closed before {text!r}")
            match = pattern.fullmatch(line)
            if match:
                self.keep(match)
                return

    def reply(self, connection, text):
        while True:
            line = connection.line()
            if line is None:
                raise Failed(f"closed, instead of {text!r}")
            if line[3:4] != "-":
                break
        match = self.pattern(text).match(line)
        if not match:
            raise Failed(f"said {line!r}, not {text!r}")
        self.keep(match)

    def open(self, number, words):
        if words[0] not in self.server["ports"]:
            raise Failed(f"the server has no port {words[0]}")
        connection = Connection(self.server["ports"][words[0]], self.mode)
        self.connections[number] = connection
        if words[1:] == ["tls"]:
            connection.tls()

    def step(self, text):
        m = re.fullmatch(r"(\d+)(>>!|>!|>|<\*|<|=| )\s?(.*)", text)
        if not m:
            raise Failed("not a step")
        number, kind, rest = m.groups()
        if kind == " " and rest.startswith("open "):
            self.open(number, rest.split()[1:])
            return
        connection = self.connections.get(number)
        if connection is None:
            raise Failed("no such connection")
        if kind == ">":
            connection.send((self.expand(rest) + "\r\n").encode("latin-1"))
        elif kind == ">!":
            connection.send(self.expand(rest).encode("latin-1"))
        elif kind == ">>!":
            connection.send(self.expand(rest).encode("latin-1"), "whole")
        elif kind == "<":
            self.expect(connection, rest)
        elif kind == "<*":
            self.search(connection, rest)
        elif kind == "=":
            self.reply(connection, rest)
        elif rest == "tls":
            connection.tls()
        elif rest == "close":
            connection.close()
        elif rest == "eof":
            while connection.line() is not None:
                pass
        else:
            raise Failed("not a step")

    def run(self, steps):
        """None, or what went wrong."""
        try:
            for at, text in steps:
                try:
                    self.step(text)
                except (Failed, OSError) as why:
                    heard = [f"    {n}: {line}" for n, c in self.connections.items()
                             for line in c.heard[-6:]]
                    return "\n".join([f"  line {at}: {text}", f"    {why}"] + heard)
            return None
        finally:
            for connection in self.connections.values():
                connection.close()


def read(path):
    """[(case name, [(line number, step)])], and the capabilities needed."""
    cases, needs = [], []
    with open(path, encoding="utf-8") as f:
        for at, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("== "):
                cases.append((line[3:], []))
            elif line.startswith("needs ") and not cases:
                needs += line.split()[1:]
            elif line.strip() and not line.startswith("#"):
                if not cases:
                    raise SystemExit(f"{path}:{at}: a step before the first case")
                cases[-1][1].append((at, line))
    return cases, needs


def from_cluster(path):
    """Ports and variables of the first front-end."""
    with open(path, encoding="utf-8") as f:
        cluster = json.load(f)
    frontend = cluster["frontends"][0]
    variables = {"domain": cluster["domain"], "host": frontend["host"]}
    for i, account in enumerate(cluster["accounts"], 1):
        variables[f"user{i}"] = account["address"]
        variables[f"password{i}"] = account["password"]
    return {
        "ports": {name: (frontend["host"], port) for name, port in frontend["ports"].items()},
        "variables": variables,
    }


def from_ports(ports, variables):
    server = {"ports": {}, "variables": dict(v.split("=", 1) for v in variables)}
    for port in ports:
        name, address = port.split("=", 1)
        host, number = address.rsplit(":", 1)
        server["ports"][name] = (host, int(number))
    return server


def offers(server, needs, kind):
    """Does the server's EHLO offer all of these?"""
    if not needs or kind not in server["ports"]:
        return not needs
    try:
        connection = Connection(server["ports"][kind], "whole")
    except OSError:
        return True  # the cases will say so
    heard = []
    connection.line()
    connection.send(b"EHLO transcript.example\r\n")
    while True:
        line = connection.line()
        heard.append(line or "")
        if line is None or line[3:4] != "-":
            break
    connection.close()
    words = {word for line in heard for word in line[4:].split()}
    return all(need in words for need in needs)


def main():
    parser = argparse.ArgumentParser(description="Runs transcripts against a server.")
    parser.add_argument("--cluster", help="a cluster.json")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=HOST:PORT")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--mode", choices=["whole", "bytes"], default="whole")
    parser.add_argument("--only", help="cases whose name has this text")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    server = from_cluster(args.cluster) if args.cluster else from_ports(args.port, args.set)
    passed = failed = 0
    for path in args.files:
        cases, needs = read(path)
        if not offers(server, needs, "smtp"):
            print(f"skip {path}: the server lacks {' '.join(needs)}")
            continue
        for name, steps in cases:
            if args.only and args.only not in name:
                continue
            server["variables"]["unique"] = f"{time.time_ns():x}"
            wrong = Case(server, args.mode, name).run(steps)
            if wrong is None:
                passed += 1
            else:
                failed += 1
                print(f"FAIL {path}: {name} ({args.mode})\n{wrong}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
