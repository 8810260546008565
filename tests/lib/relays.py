"""Other people's servers for what routes name: Postfix, Exim and OpenSMTPD as smart hosts, which
relay for one name and its password, and Dovecot, which takes mail by LMTP. Their certificates are of
an authority (authority.py).

    with relays.Postfix("127.0.1.41", port, (host, port of the next host), pki) as relay:
        relay.domain                         # of the certificate
        relay.clear                          # a port without TLS
        relay.logged_in()                    # mechanisms of the log-ins that mail came with

At `port` there is TLS and, under it, a log-in: with Postfix, by Cyrus SASL, SCRAM-SHA-256 or PLAIN,
with Exim CRAM-MD5 or LOGIN, with OpenSMTPD PLAIN or LOGIN. At .clear Postfix and Exim take the same
log-in in clear, and OpenSMTPD, which would not, relays for everybody.
"""
import os
import re
import shutil
import subprocess

import peers

USER, PASSWORD = "smart", "what only the relay knows"


class Relay:
    """Before a server of peers.py."""
    zone = "relays.test"

    def __init__(self, host, port, relay, pki):
        self.pki, self.clear = pki, port + 1
        super().__init__(host, port, relay)

    def make_certificate(self):
        files = self.pki.leaf(self.name, self.domain)
        shutil.copy(files["cert"], self.path("cert.pem"))
        shutil.copy(files["key"], self.path("key.pem"))
        os.chmod(self.path("key.pem"), self.key_mode)


class Postfix(Relay, peers.Postfix):
    packages = ("postfix", "sasl2-bin", "libsasl2-modules", "libsasl2-modules-db")

    def configure(self):
        super().configure()
        with open(self.path("etc/master.cf"), "a") as f:
            f.write("%s:%d inet n - n - - smtpd\n -o smtpd_tls_security_level=none\n"
                    " -o smtpd_tls_auth_only=no\n" % (self.host, self.clear))
        self.write("etc/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   "sasldb_path: %s\nmech_list: SCRAM-SHA-256 PLAIN\n" % self.path("sasldb"))
        self.write("password", PASSWORD)
        subprocess.run(self.in_namespace("saslpasswd2 -c -p -f %s -u %s %s <%s" % (
            self.path("sasldb"), self.domain, USER, self.path("password"))), check=True,
                       capture_output=True)
        os.chown(self.path("sasldb"), *[peers.DAEMON_ID + peers.DAEMONS.index("postfix")] * 2)

    def more(self):
        return POSTFIX.format(domain=self.domain)

    def logged_in(self):
        return re.findall(r"sasl_method=(\S+), sasl_username=%s" % USER, self.log())


EXIM = """begin authenticators
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = User : Password
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
"""


class Exim(Relay, peers.Exim):
    rcpt = "require authenticated = *\n  accept"
    authenticators = EXIM.format(user=USER, password=PASSWORD)

    tls_hosts = "${{if eq{{$received_port}}{{{port}}}{{*}}}}"

    def listen(self):
        return "%s : %s.%d" % (super().listen(), self.host, self.clear)

    def logged_in(self):
        return re.findall(r" <= .* A=(\w+):%s " % USER, self.log())


class Opensmtpd(Relay, peers.Opensmtpd):
    packages = ("opensmtpd",)
    tables = "table users file:{d}/users\n"
    listen = "port {port} tls-require pki peer auth <users>\nlisten on {host} port {next} tls"

    def configure(self):
        super().configure()
        done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True,
                              check=True, capture_output=True)
        self.write("users", "%s %s\n" % (USER, done.stdout.strip()))

    def logged_in(self):
        return re.findall(r"smtp authentication user=(%s) result=ok" % USER, self.log())


POSTFIX = """mynetworks =
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = {domain}
smtpd_tls_auth_only = yes
"""


class Dovecot(Relay, peers.Peer):
    """Who is in `full` has no room, for good; late@ has none for now."""
    name, program = "dovecot", "usr/sbin/dovecot"
    packages = ("dovecot-core", "dovecot-lmtpd")
    full = ("u19", "u20")

    def configure(self):
        few = "userdb_quota_rule=*:bytes=100 "
        extra = {u: few for u in self.full}
        if self.late:
            extra["late"] = few + "userdb_quota_full_tempfail=yes"
        self.write("users", "".join("%s@%s:{PLAIN}:::::: %s\n" % (u, self.domain, extra.get(u, ""))
                                    for u in peers.USERS))
        self.write("conf", DOVECOT.format(d=self.folder, host=self.host, port=self.port,
                                          uid=peers.USER_ID, domain=self.domain))

    def command(self):
        return "exec dovecot -F -c %s/conf" % self.folder


DOVECOT = """protocols = lmtp
listen = {host}
hostname = {domain}
log_path = {d}/log
ssl = yes
ssl_cert = <{d}/cert.pem
ssl_key = <{d}/key.pem
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = {uid}
mail_location = maildir:~/Maildir
mail_plugins = quota
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=100M
}}
passdb {{
  driver = passwd-file
  args = {d}/users
}}
userdb {{
  driver = passwd-file
  args = {d}/users
  override_fields = uid={uid} gid={uid} home={d}/home/%n
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""
