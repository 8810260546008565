"""Other people's mail servers, from Debian's packages: what mail goes out to and comes in from.

    peers.demand(peers.Exim)                 # fails or skips the test where it cannot run
    with peers.Exim("127.0.1.32", port, relay=(host, port)) as peer:
        ... mail to u1@exim.peers.test up to u20, which exist
        peer.wait(1, "u1")                   # a message has come; bytes of those that have
        peer.log()                           # what the server wrote

The packages exclude each other, so they are fetched and unpacked below build/, and each server runs
in namespaces of its own (unshare, as root): there /usr is the machine's with the package's on top,
the users are the server's and the test's, /run and /var/lib are empty. What it keeps lies in one
temporary folder, over restarts. It dies as one, with the process that was started.

late@ is refused for now, with 450, while .late is true at the start. A message has MESSAGE_MAX
bytes. What is for no address of its own goes to `relay`; TLS is offered with a certificate that
nobody signed.
"""
import glob
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(TOP, "build", "peers")
START_SECONDS = 20
MESSAGE_MAX = 6 * 1024 * 1024
USERS = ["u%d" % i for i in range(1, 21)] + ["late"]
DAEMONS = ["postfix", "postdrop", "Debian-exim", "opensmtpd", "opensmtpq", "dovecot", "dovenull"]
USER_ID, DAEMON_ID = 61100, 61001

USR = """set -e
mount -t overlay -o lowerdir={lower}:/usr peer /usr
"""
THE_REST = """for d in /var/lib /run; do mount -t tmpfs -o mode=755 peer $d; done
mount --bind {folder}/spool /var/spool
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
[ ! -e /etc/resolv.conf ] || mount --bind {folder}/resolv.conf /etc/resolv.conf
mount -t proc proc /proc
"""


def unpack(package):
    """The folder of an unpacked package, fetched once."""
    there = os.path.join(CACHE, package)
    if not os.path.isdir(there):
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            done = subprocess.run(["apt-get", "download", "-qq", package], cwd=work,
                                  capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, "%s: %s" % (package, done.stderr.strip()[-300:])
            deb, = glob.glob(os.path.join(work, "*.deb"))
            subprocess.run(["dpkg-deb", "-x", deb, os.path.join(work, "tree")], check=True,
                           capture_output=True, text=True)
            os.rename(os.path.join(work, "tree"), there)
    return there


def demand(peer):
    """Fails where what a server needs is not there: its packages can be had, deploy/install-deps
    --test brings their libraries. Skips where this process may not make users and namespaces."""
    for package in peer.packages:
        unpack(package)
    libraries = subprocess.run(["ldd", os.path.join(unpack(peer.packages[0]), peer.program)],
                               check=True, capture_output=True, text=True).stdout
    absent = [line.strip() for line in libraries.splitlines() if "not found" in line
              and not re.search(r"libpostfix|libdovecot", line)]
    assert not absent, "%s: %s" % (peer.name, absent)
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can make a server's users")
    tried = subprocess.run(peer.in_namespace("true"), capture_output=True, text=True)
    if tried.returncode != 0:
        raise unittest.SkipTest("no mounts of our own here: " + tried.stderr.strip()[-300:])


class Peer:
    name = program = None
    packages = ()
    key_mode = 0o600
    zone = "peers.test"

    def __init__(self, host, port, relay):
        self.host, self.port, self.relay = host, port, relay
        self.domain = "%s.%s" % (self.name, self.zone)
        self.late, self.process = True, None
        self.folder = tempfile.mkdtemp(prefix="peer-%s-" % self.name)
        try:
            os.chmod(self.folder, 0o755)
            os.mkdir(self.path("spool"))
            self.write_users()
            self.make_certificate()
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @classmethod
    def in_namespace(cls, script):
        """A command that runs a script where /usr has the packages."""
        lower = ":".join(os.path.join(unpack(p), "usr") for p in cls.packages)
        # The shell stays: a server that changes its user would forget to die with its parent.
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c",
                USR.format(lower=lower) + script + " & wait $!"]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as f:
            f.write(text)

    def write_users(self):
        rows = [("root", 0, "/"), ("mail", 8, "/"), ("nobody", 65534, "/")]
        rows += [(name, DAEMON_ID + i, "/") for i, name in enumerate(DAEMONS)]
        rows += [(name, USER_ID, self.path("home/" + name)) for name in USERS]
        self.write("passwd", "".join("%s:x:%d:%d::%s:/bin/sh\n" % (name, n, n, home)
                                     for name, n, home in rows))
        self.write("group", "".join("%s:x:%d:\n" % row[:2] for row in rows))
        self.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        for name in USERS:
            os.makedirs(self.path("home/" + name))
            os.chown(self.path("home/" + name), USER_ID, USER_ID)

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=" + self.domain, "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem")], check=True, capture_output=True)
        os.chmod(self.path("key.pem"), self.key_mode)

    def start(self):
        """With its settings written anew; returns when it greets."""
        self.configure()
        with open(self.path("output"), "ab") as log:
            self.process = subprocess.Popen(self.in_namespace(
                THE_REST.format(folder=self.folder) + self.command()), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.greets():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("%s does not start: %s" % (self.name, self.log()[-2000:]))
            time.sleep(0.05)

    def greets(self):
        try:
            with socket.create_connection((self.host, self.port), 5) as s:
                return s.recv(3) == b"220"
        except OSError:
            return False

    def kill(self):
        """At once, with all its processes, whatever they do."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None

    def restart(self, late):
        self.kill()
        self.late = late
        self.start()

    def close(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        text = ""
        for name in ("output", "log", "mainlog", "paniclog"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors="replace") as f:
                    text += f.read()
        return text

    def mail(self, user):
        """Bytes of every message that a user has."""
        out = []
        for path in sorted(glob.glob(self.path("home/%s/Maildir/new/*" % user))):
            with open(path, "rb") as f:
                out.append(f.read())
        return out

    def wait(self, n, user, seconds=30):
        """Until a user has n messages."""
        deadline = time.monotonic() + seconds
        while len(self.mail(user)) < n and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.mail(user)

    def sessions(self):
        """How many messages each session with the server brought, as its log tells."""
        raise NotImplementedError


class Postfix(Peer):
    name, program = "postfix", "usr/lib/postfix/sbin/smtpd"
    packages = ("postfix",)
    way = "relayhost = {relay}\n"  # of what is for no address of its own

    def configure(self):
        for name in ("etc", "spool/postfix", "data"):
            os.makedirs(self.path(name), exist_ok=True)
        os.chown(self.path("data"), DAEMON_ID, DAEMON_ID)
        self.write("etc/users", "".join("%s@%s %s/Maildir/\n" % (u, self.domain, u) for u in USERS))
        self.write("etc/late", "late@%s 450 4.2.0 come back later\n" % self.domain
                   if self.late else "")
        self.write("etc/main.cf", POSTFIX_MAIN.format(
            d=self.folder, host=self.host, domain=self.domain, uid=USER_ID, max=MESSAGE_MAX,
            way=self.way.format(relay="[%s]:%d" % self.relay),
            meta=os.path.join(unpack("postfix"), "etc/postfix")) + self.more())
        self.write("etc/master.cf", POSTFIX_MASTER.format(host=self.host, port=self.port))

    def more(self):
        """Settings beside those of main.cf, or instead of them."""
        return ""

    def command(self):
        return "postfix -c %s/etc start-fg" % self.folder

    def sessions(self):
        """A session's last line counts its commands."""
        return [int(n) for n in re.findall(r"disconnect from \S+ .*?\b(?:data|bdat)=(\d+)",
                                           self.log())]


POSTFIX_MAIN = """compatibility_level = 3.6
queue_directory = {d}/spool/postfix
data_directory = {d}/data
meta_directory = {meta}
maillog_file = {d}/log
maillog_file_prefixes = {d}
myhostname = {domain}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_tls_security_level = may
smtp_bind_address = {host}
{way}virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{d}/etc/users
virtual_mailbox_base = {d}/home
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{d}/etc/late, permit
smtpd_tls_security_level = may
smtpd_tls_cert_file = {d}/cert.pem
smtpd_tls_key_file = {d}/key.pem
smtpd_tls_received_header = yes
message_size_limit = {max}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
in_flow_delay = 0
biff = no
"""
POSTFIX_MASTER = """{host}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class PostfixLmtp(Postfix):
    """`relay` speaks LMTP."""
    way = "default_transport = lmtp:{relay}\nlmtp_tls_security_level = may\n"


class Exim(Peer):
    name, program = "exim", "usr/sbin/exim4"
    packages = ("exim4-daemon-light", "exim4-base")
    key_mode = 0o644  # it reads the key as its own user
    tls_hosts, rcpt, authenticators = "*", "", ""  # who is offered TLS; rows of the ACL; a section

    def configure(self):
        late = "defer local_parts = late\n  message = 4.2.0 come back later\n" if self.late else ""
        self.write("conf", EXIM.format(d=self.folder, host=self.host, port=self.port, late=late,
                                       domain=self.domain, max=MESSAGE_MAX, relay=self.relay[0],
                                       relay_port=self.relay[1], rcpt=self.rcpt,
                                       listen=self.listen(), authenticators=self.authenticators,
                                       tls_hosts=self.tls_hosts.format(port=self.port)))
        for name in ("mainlog", "rejectlog", "paniclog"):
            with open(self.path(name), "a"):
                os.chown(self.path(name), *[DAEMON_ID + DAEMONS.index("Debian-exim")] * 2)

    def listen(self):
        return "%s.%d" % (self.host, self.port)

    def command(self):
        # Its settings lie where it was built to look: others cost it its privileges.
        return ("mkdir -p /var/lib/exim4 /var/spool/exim4 && chown Debian-exim /var/spool/exim4 &&"
                " cp %s/conf /var/lib/exim4/config.autogenerated && exim4 -bdf -q2s"
                % self.folder)

    def sessions(self):
        """Messages of one process, which serves one session."""
        count = {}
        for pid in re.findall(r"\[(\d+)\] \S+ <= .* P=esmtps? ", self.log()):
            count[pid] = count.get(pid, 0) + 1
        return list(count.values())


EXIM = """primary_hostname = {domain}
local_interfaces = {listen}
log_file_path = {d}/%slog
log_selector = +smtp_connection +smtp_no_mail +pid +tls_cipher
spool_directory = /var/spool/exim4
keep_environment =
never_users = root
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = {tls_hosts}
tls_certificate = {d}/cert.pem
tls_privatekey = {d}/key.pem
message_size_limit = {max}
smtp_accept_queue_per_connection = 0
dsn_advertise_hosts = *
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  {late}
  {rcpt}
  require verify = recipient
  accept
begin routers
far:
  driver = manualroute
  domains = ! {domain}
  transport = smtp
  route_list = * {relay}
  self = send
near:
  driver = accept
  check_local_user
  transport = maildir
begin transports
smtp:
  driver = smtp
  port = {relay_port}
  interface = {host}
  hosts_override
maildir:
  driver = appendfile
  directory = $home/Maildir
  maildir_format
begin retry
* * F,1h,2s
{authenticators}"""


class Opensmtpd(Peer):
    name, program = "opensmtpd", "usr/sbin/smtpd"
    packages = ("opensmtpd",)
    listen, tables = "port {port} tls", ""

    def configure(self):
        late = "late" if self.late else "nobody"
        self.write("conf", OPENSMTPD.format(d=self.folder, host=self.host,
                                            tables=self.tables.format(d=self.folder),
                                            domain=self.domain, max=MESSAGE_MAX, late=late,
                                            listen=self.listen.format(host=self.host,
                                                                      port=self.port,
                                                                      next=self.port + 1),
                                            relay="%s:%d" % self.relay))

    def command(self):
        return ("mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd && chmod 711 /var/spool/smtpd"
                " && smtpd -d -f %s/conf" % self.folder)

    def sessions(self):
        """Each line names its session."""
        count = {}
        for session in re.findall(r"(\S+) smtp message ", self.log()):
            count[session] = count.get(session, 0) + 1
        return list(count.values())


OPENSMTPD = """{tables}pki peer cert "{d}/cert.pem"
pki peer key "{d}/key.pem"
smtp max-message-size {max}
filter late phase rcpt-to match rcpt-to {{ "{late}@{domain}" }} reject "450 4.2.0 come back later"
listen on {host} {listen} pki peer hostname {domain} filter late
action near maildir
action far relay host "smtp://{relay}" helo {domain} src {host}
match from any for domain "{domain}" action near
match from any for any action far
"""
