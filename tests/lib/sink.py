"""Another system's mail server, for tests of the way out: it takes mail and keeps it, or behaves as
badly as it is told to.

    with sink.Sink("127.0.1.1", port) as s:
        s.does["rcpt"] = "hang"             # or "close", "garbage", "flood", b"450 4.2.1 no", or
                                        # what is called and gives one of these, or None
        ...
        s.wait(3)                            # three messages have come
        s.mails[0].sender, .rcpts, .data     # bytes as they came; .lines: all commands

With users={b"name": b"password"} MAIL needs AUTH PLAIN, offered under TLS alone; mails[i].user is who
it was. With tickets=..., which makes a kdc.Server, it offers AUTH GSSAPI under TLS (RFC 4752); its
stages are proof and offer, and .layers what it offers. With lmtp=True it speaks LMTP (RFC 2033), with an answer for each recipient after the dot: a
local part dot-452 gets 452 there.

What a stage (greeting, ehlo, starttls, mail, rcpt, data, dot) does is looked up when it is reached.
A recipient whose local part is a reply code (550@...) gets that code, while .codes is true.
"""
import base64
import contextlib
import socket
import ssl
import threading
import time

FLOOD = b"250-" + b"x" * 1000 + b"\r\n"


class Mail:
    def __init__(self, sender):
        self.sender, self.rcpts, self.data, self.tls = sender, [], b"", None
        self.user, self.helo, self.peer = None, b"", None
        self.begun = time.monotonic()


class Sink:
    def __init__(self, host, port, offers=("PIPELINING", "8BITMIME", "SIZE 60000000"), cert=None,
                 key=None, users=None, lmtp=False, tickets=None):
        self.users, self.lmtp, self.tickets, self.layers = users, lmtp, tickets, 1
        self.offers, self.does, self.mails, self.sessions = list(offers), {}, [], 0
        self.open_now = self.open_most = 0
        self.commands, self.codes, self.open = [], True, set()
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.tls = None
        if cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(cert, key)
            self.offers.append("STARTTLS")
        self.socket = socket.create_server(
            (host, port), backlog=500,
            family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closing.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()
        self.drop_sessions()

    def took(self, mail):
        """A message has come; for those who keep a list of their own."""

    def wait(self, n, seconds=30):
        """Until n messages have come; those that have."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.mails) >= n, seconds)
            return list(self.mails)

    def drop_sessions(self):
        """Ends the sessions that are open, so that the next mail meets a new one."""
        with self.changed:
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
            self.changed.wait_for(lambda: not self.open, 10)

    def wait_sessions(self, n, seconds=30):
        with self.changed:
            return self.changed.wait_for(lambda: self.sessions >= n, seconds)

    def accept(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with self.changed:
            self.sessions += 1
            self.open.add(s)
            self.open_now += 1
            self.open_most = max(self.open_most, self.open_now)
            self.changed.notify_all()
        session = Session(self, s)
        try:
            session.run()
        except (OSError, ssl.SSLError, EndOfSession):
            pass
        finally:
            session.s.close()
            with self.changed:
                self.open.discard(s)
                self.open.discard(session.s)
                self.open_now -= 1
                self.changed.notify_all()


class EndOfSession(Exception):
    pass


class Session:
    def __init__(self, sink, s):
        self.sink, self.s, self.buf, self.mail, self.secure = sink, s, b"", None, None
        self.user, self.helo = None, b""

    def line(self):
        while b"\n" not in self.buf:
            got = self.s.recv(65536)
            if not got:
                raise EndOfSession
            self.buf += got
        line, _, self.buf = self.buf.partition(b"\n")
        return line + b"\n"

    def say(self, stage, reply):
        """The reply, unless the stage is to do something else; whether it was the reply."""
        what = self.sink.does.get(stage)
        if callable(what):
            what = what()
        if what == "hang":
            self.sink.closing.wait()
            raise EndOfSession
        if what == "close":
            raise EndOfSession
        if what == "garbage":
            self.s.sendall(b"\x00\xff\x16\x03 what is this\r\n" * 3)
            return False
        if what == "flood":
            for _ in range(1100):
                self.s.sendall(FLOOD)
            return False
        if isinstance(what, bytes):
            self.s.sendall(what + b"\r\n")
            return False
        self.s.sendall(reply + b"\r\n")
        return True

    def run(self):
        self.say("greeting", b"220 sink.test ESMTP")
        while True:
            line = self.line()
            self.sink.commands.append(line)
            verb = line[:4].upper()
            if verb == b"QUIT":
                self.s.sendall(b"221 bye\r\n")
                return
            handler = getattr(self, "do_" + verb.decode("latin-1").lower(), None)
            if handler:
                handler(line)
            elif verb == b"STAR":
                self.starttls()
            else:
                self.s.sendall(b"500 what?\r\n")

    def do_ehlo(self, line):
        if line[:4].upper() != (b"LHLO" if self.sink.lmtp else b"EHLO"):
            self.s.sendall(b"500 not this protocol\r\n")
            return
        self.helo = line.split()[1]
        offers = [o for o in self.sink.offers if o != "STARTTLS" or not self.secure]
        mechs = ["PLAIN"] * (self.sink.users is not None) + ["GSSAPI"] * bool(self.sink.tickets)
        if mechs and self.secure:
            offers.append(" ".join(["AUTH", *mechs]))
        words = ["sink.test", *offers]
        lines = ["250%s%s" % ("-" if i + 1 < len(words) else " ", w) for i, w in enumerate(words)]
        self.say("ehlo", "\r\n".join(lines).encode())

    do_lhlo = do_ehlo

    def do_helo(self, _):
        self.s.sendall(b"250 sink.test\r\n")

    def do_rset(self, _):
        self.mail = None
        self.s.sendall(b"250 ok\r\n")

    def starttls(self):
        if self.say("starttls", b"220 go"):
            plain = self.s
            self.s = self.sink.tls.wrap_socket(plain, server_side=True)
            with self.sink.changed:
                self.sink.open.discard(plain)
                self.sink.open.add(self.s)
            self.secure, self.buf = self.s.version(), b""

    def do_gssapi(self, token):
        """RFC 4752 section 3.2, until the client has had its say, or something else was done."""
        with self.sink.tickets() as server:
            if not self.say("proof", b"334 " + server.accept(token).encode()):
                return
            if self.line() != b"\r\n":
                raise EndOfSession
            if not self.say("offer", b"334 " + server.offer(self.sink.layers).encode()):
                return
            choice = self.line().strip().decode()
            if choice == "QUIT":
                raise EndOfSession
            chosen, client = server.chosen(choice)
            if chosen != "01000000":
                self.s.sendall(b"535 5.7.8 not so\r\n")
                return
            self.user = client.encode()
            self.s.sendall(b"235 2.7.0 welcome\r\n")

    def do_auth(self, line):
        words = line.split()
        if self.secure and self.sink.tickets and words[1].upper() == b"GSSAPI":
            self.do_gssapi(words[2].decode())
            return
        name, password = base64.b64decode(words[2]).split(b"\0")[1:] if len(words) == 3 else 2 * [b""]
        if self.secure and words[1].upper() == b"PLAIN" and self.sink.users.get(name) == password:
            self.user = name
            self.s.sendall(b"235 2.7.0 welcome\r\n")
        else:
            self.s.sendall(b"535 5.7.8 not you\r\n")

    def do_mail(self, line):
        if (self.sink.users is not None or self.sink.tickets) and not self.user:
            self.s.sendall(b"530 5.7.0 log in first\r\n")
        elif self.say("mail", b"250 2.1.0 ok"):
            self.mail = Mail(line)
            self.mail.tls, self.mail.user, self.mail.helo = self.secure, self.user, self.helo
            self.mail.peer = self.s.getpeername()[0]

    def do_rcpt(self, line):
        local = line.partition(b"<")[2].partition(b"@")[0]
        if self.sink.codes and local.isdigit() and len(local) == 3:
            self.s.sendall(local + b" %c.1.1 not that one\r\n" % local[0])
        elif self.say("rcpt", b"250 2.1.5 ok") and self.mail:
            self.mail.rcpts.append(line)

    def do_bdat(self, line):
        """RFC 3030: exactly so many bytes; the message is over with LAST."""
        words = line.split()
        n = int(words[1])
        while len(self.buf) < n:
            got = self.s.recv(65536)
            if not got:
                raise EndOfSession
            self.buf += got
        chunk, self.buf = self.buf[:n], self.buf[n:]
        if not self.mail or not self.mail.rcpts:
            self.s.sendall(b"554 5.5.1 no recipients\r\n")
            return
        self.mail.data += chunk
        if words[-1].upper() != b"LAST":
            self.s.sendall(b"250 2.0.0 more\r\n")
        elif self.say("dot", b"250 2.0.0 taken"):
            self.keep()

    def keep(self):
        with self.sink.changed:
            self.sink.mails.append(self.mail)
            self.sink.took(self.mail)
            self.sink.changed.notify_all()
        self.mail = None

    def do_data(self, _):
        if not self.mail or not self.mail.rcpts:
            self.s.sendall(b"554 5.5.1 no recipients\r\n")
            return
        if not self.say("data", b"354 go"):
            return
        data = []
        while (line := self.line()) != b".\r\n":
            data.append(line[1:] if line.startswith(b".") else line)
        self.mail.data = b"".join(data)
        if self.sink.lmtp:
            self.answer_each()
        elif self.say("dot", b"250 2.0.0 taken"):
            self.keep()
        self.mail = None

    def answer_each(self):
        """RFC 2033 section 4.2: a reply for each recipient that was taken."""
        taken = []
        for line in self.mail.rcpts:
            local = line.partition(b"<")[2].partition(b"@")[0]
            code = local[4:7] if local.startswith(b"dot-") else b"250"
            self.s.sendall(code + b" %c.2.2 that is so\r\n" % code[0])
            if code == b"250":
                taken.append(line)
        self.mail.rcpts = taken
        if taken:
            with self.sink.changed:
                self.sink.mails.append(self.mail)
                self.sink.changed.notify_all()
