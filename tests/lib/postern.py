"""What the tests of tests/cluster and tests/interop share: the live cluster, and clients of it."""
import imaplib
import json
import os
import smtplib
import ssl
import subprocess
import time
import uuid
from email.message import EmailMessage

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.environ.get("POSTERN_TEST_CLUSTER", "")
BUILD = os.environ.get("POSTERN_BUILD", os.path.join(TOP, "build"))
imaplib._MAXLINE = 10 * 1024 * 1024


def cluster():
    with open(os.path.join(FOLDER, "cluster.json")) as f:
        return json.load(f)


def frontend(i=0):
    return cluster()["frontends"][i]


def account(i):
    return cluster()["accounts"][i]


def cluster_command(*argv):
    """deploy/cluster VERB FOLDER ...; must succeed."""
    done = subprocess.run([os.path.join(TOP, "deploy", "cluster"), argv[0], FOLDER, *argv[1:]],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def postern(*argv, text_in=None):
    """The administrator's command: (exit status, standard output, standard error)."""
    done = subprocess.run([os.path.join(BUILD, "postern"), "--cluster",
                           os.path.join(FOLDER, "cluster.json"), *argv],
                          capture_output=True, text=True, input=text_in)
    return done.returncode, done.stdout, done.stderr


def tls():
    ctx = ssl.create_default_context(cafile=os.path.join(FOLDER, "pki", "public.pem"))
    ctx.check_hostname = False
    return ctx


def imap(who, fe=0, login=True):
    """A logged-in IMAP connection of account number `who` over TLS."""
    f, a = frontend(fe), account(who)
    box = imaplib.IMAP4_SSL(f["host"], f["ports"]["imaps"], ssl_context=tls(), timeout=60)
    if login:
        box.login(a["address"], a["password"])
    return box


def smtp(fe=0, service="smtp"):
    f = frontend(fe)
    return smtplib.SMTP(f["host"], f["ports"][service], timeout=60)


def message(to, subject=None, body="Hello.\n", sender="stranger@elsewhere.example"):
    m = EmailMessage()
    m["From"], m["To"] = sender, to
    m["Subject"] = subject or "test " + uuid.uuid4().hex
    m["Message-ID"] = "<%s@elsewhere.example>" % uuid.uuid4().hex
    m["Date"] = "Sat, 21 Nov 2026 12:00:00 +0000"
    m.set_content(body)
    return m


def deliver(to, subject=None, body="Hello.\n", fe=0, sender="stranger@elsewhere.example"):
    """Sends one message to the addresses (a list) at port 25; its subject."""
    m = message(to[0], subject, body, sender)
    with smtp(fe) as s:
        s.sendmail(sender, to, m.as_bytes(policy=m.policy.clone(linesep="\r\n")))
    return m["Subject"]


def subjects(box, mailbox="INBOX"):
    """Every Subject in a mailbox, in order."""
    box.select(mailbox, readonly=True)
    typ, data = box.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    return [d[1].decode().partition(":")[2].strip() for d in data if isinstance(d, tuple)]


def until(test, seconds=20):
    """Asks again until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        got = test()
        if got or time.monotonic() > deadline:
            return got
        time.sleep(0.05)
