"""A realm of Kerberos for tests: a KDC of MIT's on loopback, with its principals, keytabs and
tickets; and both sides of GSSAPI. deploy/install-deps --test brings what it needs.

As a program (for a Python that has python3-gssapi, which may be another than the tests'), a command
a line, an answer a line:
  token SERVICE@HOST [mutual]    the first token, base64; with mutual it wants one back
  answer TOKEN                   takes that one
  choose OFFER LAYER AUTHZID     unwraps the offer; what was in it as hex, and the signed choice
  accept TOKEN                   a server's answer to the first one, which may be that it is no good
  offer LAYERS                   the signed offer
  chosen CHOICE                  unwraps the choice, as hex; and who the client is
"""
import base64
import contextlib
import functools
import os
import socket
import subprocess
import sys
import time

SBIN = "/usr/sbin/"
CONF = """[libdefaults]
	default_realm = %(realm)s
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
[realms]
	%(realm)s = {
		kdc = 127.0.0.1:%(port)d
	}
"""
KDC_CONF = """[kdcdefaults]
	kdc_listen = 127.0.0.1:%(port)d
	kdc_tcp_listen = 127.0.0.1:%(port)d
[realms]
	%(realm)s = {
		database_name = %(folder)s/principal
		key_stash_file = %(folder)s/stash
		acl_file = %(folder)s/acl
	}
[logging]
	kdc = FILE:%(folder)s/log
"""


@functools.cache
def python():
    """One that has python3-gssapi."""
    for path in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(path) and subprocess.run([path, "-c", "import gssapi"],
                                                   capture_output=True).returncode == 0:
            return path
    raise RuntimeError("no Python has python3-gssapi: deploy/install-deps --test")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Kdc:
    """A running one. Its files are in `folder`, which is private and the caller's."""

    def __init__(self, folder, realm):
        values = {"folder": folder, "realm": realm, "port": free_port()}
        self.folder, self.realm = folder, realm
        for name, text in (("krb5.conf", CONF), ("kdc.conf", KDC_CONF), ("acl", "")):
            with open(os.path.join(folder, name), "w") as f:
                f.write(text % values)
        self.env = {"KRB5_CONFIG": os.path.join(folder, "krb5.conf"),
                    "KRB5_KDC_PROFILE": os.path.join(folder, "kdc.conf")}
        self.run(SBIN + "kdb5_util", "create", "-s", "-r", realm, "-P", "master")
        self.port = values["port"]
        self.start()

    def start(self):
        """Also again, after stop()."""
        self.process = subprocess.Popen([SBIN + "krb5kdc", "-n", "-r", self.realm],
                                        env={**os.environ, **self.env},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not self.await_port(self.port):
            self.stop()
            raise RuntimeError("krb5kdc does not answer")

    def await_port(self, port):
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    @contextlib.contextmanager
    def silent(self):
        """Meanwhile its port takes what comes, and never answers."""
        self.stop()
        with socket.create_server(("127.0.0.1", self.port), backlog=100), \
                socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", self.port))
            try:
                yield
            finally:
                datagrams.close()
        self.start()

    def run(self, *argv, env=()):
        done = subprocess.run(argv, capture_output=True, text=True,
                              env={**os.environ, **self.env, **dict(env)})
        assert done.returncode == 0, (argv, done.stdout, done.stderr)

    def add(self, *principals):
        for p in principals:
            self.run(SBIN + "kadmin.local", "-r", self.realm, "addprinc", "-randkey", p)

    def keytab(self, name, *principals):
        """A file with their keys; those stay what they are."""
        path = os.path.join(self.folder, name)
        self.run(SBIN + "kadmin.local", "-r", self.realm, "ktadd", "-norandkey", "-k", path,
                 *principals)
        return path

    def log_in(self, user):
        """The environment of a program that has the user's ticket."""
        at = os.path.join(self.folder, "user." + user.replace("/", "_")[:100])
        if not os.path.exists(at + ".cache"):
            self.keytab(os.path.basename(at) + ".keytab", user)
            self.run("kinit", "-k", "-t", at + ".keytab", "-c", at + ".cache", user)
        return {**self.env, "KRB5CCNAME": at + ".cache"}

    def serve(self, keytab):
        """The environment of a program that takes tickets for the keytab's keys."""
        return {**self.env, "KRB5_KTNAME": "FILE:" + keytab, "KRB5RCACHENAME": "none:"}


class Side:
    """One side of one exchange."""

    def __init__(self, env):
        self.process = subprocess.Popen([python(), __file__], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env={**os.environ, **env})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer != "" or words[0] == "answer", words
        return answer


class Client(Side):
    """With somebody's ticket: Kdc.log_in()."""

    def token(self, service, mutual=True):
        return self.ask("token", service, *["mutual"] * mutual)

    def answer(self, token):
        self.ask("answer", token)

    def choose(self, offer, layer=1, authzid=""):
        """What was offered, and the choice."""
        return self.ask("choose", offer, str(layer),
                        base64.b64encode(authzid.encode()).decode()).split()


class Server(Side):
    """With a keytab: Kdc.serve()."""

    def accept(self, token):
        return self.ask("accept", token)

    def offer(self, layers=1):
        return self.ask("offer", str(layers))

    def chosen(self, choice):
        """What the client has chosen, and who it is."""
        return self.ask("chosen", choice).split()


def serve(context, verb, word):
    if verb == "accept":
        return base64.b64encode(context.step(base64.b64decode(word))).decode()
    if verb == "offer":
        return base64.b64encode(context.wrap(bytes([int(word), 0, 0, 0]), False).message).decode()
    return "%s %s" % (context.unwrap(base64.b64decode(word)).message.hex(),
                      context.initiator_name)


def main():
    import gssapi
    context, flags = None, gssapi.RequirementFlag
    for line in sys.stdin:
        verb, *words = line.rstrip("\n").split(" ")
        if verb in ("accept", "offer", "chosen"):
            context = context or gssapi.SecurityContext(usage="accept")
            said = serve(context, verb, words[0])
        elif verb == "token":
            want = flags.integrity | flags.out_of_sequence_detection
            if "mutual" in words:
                want |= flags.mutual_authentication
            name = gssapi.Name(words[0], gssapi.NameType.hostbased_service)
            context = gssapi.SecurityContext(name=name, flags=want, usage="initiate",
                                             mech=gssapi.MechType.kerberos)
            said = base64.b64encode(context.step()).decode()
        elif verb == "answer":
            context.step(base64.b64decode(words[0]))
            said = ""
        else:
            offer = context.unwrap(base64.b64decode(words[0])).message
            choice = bytes([int(words[1]), 0, 0, 0]) + base64.b64decode(words[2])
            said = "%s %s" % (offer.hex(),
                              base64.b64encode(context.wrap(choice, False).message).decode())
        print(said, flush=True)


if __name__ == "__main__":
    main()
