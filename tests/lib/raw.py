"""Connections on which a test says and reads exactly the bytes it wants."""
import re
import select
import socket
import ssl

from postern import account, frontend, tls

LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
EXISTS = re.compile(rb"^\* (\d+) EXISTS\r\n$", re.I)
EXPUNGE = re.compile(rb"^\* (\d+) EXPUNGE\r\n$", re.I)
SECURE = ("imaps", "submissions")


class Wire:
    """A connection to a listener; over TLS where the listener begins with it."""

    def __init__(self, service, fe=0, seconds=30, plain=False, source=None):
        f = frontend(fe)
        self.sock = socket.create_connection((f["host"], f["ports"][service]), seconds,
                                             source_address=(source, 0) if source else None)
        if service in SECURE and not plain:
            self.sock = tls().wrap_socket(self.sock)
        self.data = b""

    def starttls(self):
        self.sock = tls().wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(data)

    def try_send(self, data):
        """False: the other end has closed."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def fill(self):
        try:
            got = self.sock.recv(65536)
        except (ConnectionError, ssl.SSLError):
            got = b""
        self.data += got
        return bool(got)

    def line(self):
        """The next line with its end; b"" at the end of the connection."""
        while b"\n" not in self.data:
            if not self.fill():
                out, self.data = self.data, b""
                return out
        out, _, self.data = self.data.partition(b"\n")
        return out + b"\n"

    def exactly(self, n):
        while len(self.data) < n:
            if not self.fill():
                raise EOFError("closed inside a literal")
        out, self.data = self.data[:n], self.data[n:]
        return out

    def rest(self):
        """Everything until the other end closes."""
        while self.fill():
            pass
        out, self.data = self.data, b""
        return out

    def pending(self, seconds=0):
        """Is there something to read, or an end, within so long?"""
        if b"\n" in self.data or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        return bool(select.select([self.sock], [], [], seconds)[0])

    def close(self):
        self.sock.close()


class Smtp(Wire):
    def reply(self):
        """(code, text) of the next reply; (0, b"") at the end."""
        text = b""
        while True:
            line = self.line()
            if not line:
                return 0, text
            text += line[4:]
            if line[3:4] != b"-":
                return int(line[:3]), text

    def cmd(self, data):
        self.send(data if data.endswith(b"\r\n") else data + b"\r\n")
        return self.reply()


def smtp(fe=0, service="smtp", greet=True, **kw):
    s = Smtp(service, fe, **kw)
    if greet:
        assert s.reply()[0] == 220
        assert s.cmd(b"EHLO client.example")[0] == 250
    return s


class Imap(Wire):
    """Keeps the number of messages as the server tells it, and notes what cannot be. who: the
    number of an account, or its row."""

    def __init__(self, who=None, fe=0, service="imaps", **kw):
        super().__init__(service, fe, **kw)
        self.tag = 0
        self.exists = 0
        self.errors = []
        self.greeting = self.line()
        if who is not None:
            a = who if isinstance(who, dict) else account(who)
            self.ok(b'LOGIN "%s" "%s"' % (a["address"].encode(), a["password"].encode()))

    def response(self):
        """One response with its literals in place; b"" at the end."""
        out = b""
        while True:
            line = self.line()
            out += line
            m = LITERAL.search(line)
            if not line or not m:
                break
            out += self.exactly(int(m.group(1)))
        self.count(out)
        return out

    def count(self, r):
        m = EXISTS.match(r)
        if m:
            if int(m.group(1)) < self.exists:
                self.errors.append("EXISTS went down without EXPUNGE: %r" % r)
            self.exists = int(m.group(1))
        m = EXPUNGE.match(r)
        if m:
            if not 1 <= int(m.group(1)) <= self.exists:
                self.errors.append("EXPUNGE of %d of %d" % (int(m.group(1)), self.exists))
            self.exists -= 1

    def until_tag(self, tag):
        lines = []
        while True:
            r = self.response()
            if not r:
                raise EOFError("closed: %r" % lines[-3:])
            if r.startswith(tag + b" "):
                return r, lines
            lines.append(r)

    def cmd(self, text, *literals):
        """(tagged response, untagged ones). Each literal is announced and waited for."""
        self.tag += 1
        tag = b"t%d" % self.tag
        if text.upper().startswith((b"SELECT", b"EXAMINE")):
            self.exists = 0
        parts, untagged = [tag + b" " + text], []
        for lit in literals:
            self.send(parts.pop() + b"{%d}\r\n" % len(lit))
            while True:
                r = self.response()
                if r.startswith(b"+"):
                    break
                if not r or r.startswith(tag):
                    return r, untagged
                untagged.append(r)
            parts.append(lit)
        self.send(parts.pop() + b"\r\n")
        r, lines = self.until_tag(tag)
        return r, untagged + lines

    def ok(self, text, *literals):
        """As cmd; anything but OK is an error. The untagged responses."""
        r, lines = self.cmd(text, *literals)
        assert r.split(b" ")[1] == b"OK", (text[:100], r)
        return lines

    def append(self, message, mailbox=b"INBOX", flags=b"", binary=False):
        """The new UID. binary: as a literal8."""
        r, _ = self.cmd(b"APPEND %s %s%s" % (mailbox, b"(%s) " % flags if flags else b"",
                                             b"~" if binary else b""), message)
        m = re.search(rb"OK \[APPENDUID \d+ (\d+)\]", r)
        assert m, r
        return int(m.group(1))

    def idle(self):
        self.tag += 1
        self.send(b"t%d IDLE\r\n" % self.tag)
        while not (r := self.response()).startswith(b"+"):
            assert r and not r.startswith(b"t"), r

    def done(self):
        self.send(b"DONE\r\n")
        return self.until_tag(b"t%d" % self.tag)

    def uids(self):
        """{uid: flags} of the selected mailbox."""
        out = {}
        for r in self.ok(b"UID FETCH 1:* (FLAGS)"):
            m = re.match(rb"\* \d+ FETCH \((?=.*\bUID (\d+))(?=.*FLAGS \(([^)]*)\))", r, re.S)
            if m:
                out[int(m.group(1))] = frozenset(m.group(2).split())
        return out
