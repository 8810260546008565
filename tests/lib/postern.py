"""What the tests of tests/cluster and tests/interop share: the live cluster, and clients of it."""
import glob
import imaplib
import json
import os
import re
import smtplib
import ssl
import subprocess
import time
import urllib.request
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


def cluster_command(*argv, env=()):
    """deploy/cluster VERB FOLDER ...; must succeed. env: for it and what it starts, besides ours."""
    done = subprocess.run([os.path.join(TOP, "deploy", "cluster"), argv[0], FOLDER, *argv[1:]],
                          capture_output=True, text=True, env={**os.environ, **dict(env)})
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
    if box.select(mailbox, readonly=True)[1] == [b"0"]:
        return []  # RFC 3501 section 9: no sequence number names anything there
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


def setting(key, value=None):
    """Sets it, or without a value leaves it to its default."""
    status, _, err = postern("setting", *(["set", key, value] if value else ["unset", key]))
    assert status == 0, err


# ---- the cluster's nodes ----

def sql(text):
    """Rows of a query on the directory, as lists of strings."""
    done = subprocess.run(["psql", cluster()["postgres"], "-AtqX", "-c", text],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def owners():
    """{address: name of the back-end that has its mail}"""
    return dict(sql("select a.address, p.node from accounts a join partitions p"
                    " on p.id = a.partition where a.state <> 3"))


def account_of(backend, skip=0):
    """Number of an account that lives there."""
    own = owners()
    mine = [i for i, a in enumerate(cluster()["accounts"]) if own.get(a["address"]) == backend]
    return mine[skip]


def workers_of(name):
    """How many workers a front-end keeps, by what its supervisor logged."""
    return 1 + max(int(re.search(r" worker=(\d+)", line).group(1))
                   for line in log_lines(name, "event=worker.started"))


def ailing():
    """What is not well yet, in words: every back-end has seen the directory since PostgreSQL was
    started, and is linked with every worker and every other back-end."""
    status, out, err = postern("status", "--json")
    if status != 0:
        return err
    c, rows = cluster(), json.loads(out)
    began = sql("select to_char(pg_postmaster_start_time() at time zone 'UTC',"
                " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")[0][0]
    links = sum(workers_of(f["name"]) for f in c["frontends"]) + len(c["backends"]) - 1
    backends = {b["backend"]: b for b in rows["backends"]}
    for b in c["backends"]:
        row = backends.get(b["name"], {"state": "unknown"})
        if row["state"] != "up" or row["directory"] != "synced" or \
                row["confirmed"] < began or row["links"] < links:
            return "%s, of %d links: %s" % (b["name"], links, row)
    return ""


def everybody_knows():
    """Waits until every back-end has what was changed before: the one that was told has it at once,
    the others follow the directory. Each confirms a look at it that began after this."""
    asked = sql("select to_char(clock_timestamp() at time zone 'UTC',"
                " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), pg_notify('postern_dir', '')")[0][0]

    def confirmed():
        status, out, _ = postern("status", "--json")
        return status == 0 and all(b["confirmed"] > asked for b in json.loads(out)["backends"])
    assert until(confirmed), postern("status")


def change(*argv, text_in=None):
    """Changes the directory by a command: every back-end knows it then."""
    status, _, err = postern(*argv, text_in=text_in)
    assert status == 0, (argv, err)
    everybody_knows()


def put_in_force(key, value=None):
    """As setting(), for what front-ends go by: every worker has taken it then. Nothing is awaited
    where it was so before."""
    def shown():
        return json.loads(postern("--json", "setting", "show", key)[1])["value"]
    was, since = shown(), {f["name"]: log_size(f["name"]) for f in cluster()["frontends"]}
    n = workers()
    setting(key, value)
    everybody_knows()
    if shown() != was:
        assert until(lambda: sum(len(log_lines(f, "event=policy.changed", "key=%s " % key, since=at))
                                 for f, at in since.items()) >= n), key


def restore():
    """Whatever a test has stopped runs again, and all that it had shaken is well."""
    c = cluster()
    for name in ["postgres"] + [n["name"] for n in c["backends"] + c["frontends"]]:
        cluster_command("start", name)
    assert until(lambda: not ailing(), 60), ailing()


def log_size(name):
    return os.path.getsize(os.path.join(FOLDER, name, "log"))


def log_lines(name, *words, since=0):
    """A node's log lines from a byte on that hold every word."""
    with open(os.path.join(FOLDER, name, "log"), errors="replace") as f:
        f.seek(since)
        return [x for x in f if all(w in x for w in words)]


def workers(frontend=None, service=None):
    """How many workers there are, once all have reported."""
    every = sum(len(f["pids"]) - 1 for f in cluster()["frontends"])

    def up():
        rows = [w for w in json.loads(postern("--json", "status")[1])["workers"]
                if w["state"] == "up"]
        return rows if len(rows) >= every else None
    return sum(frontend in (None, w["frontend"]) and service in (None, w["service"])
               for w in until(up))


def linked(backend, since, n, peer="frontend/"):
    """So many workers have found a back-end since then: each does by itself, in its own time."""
    return until(lambda: len(log_lines(backend, "event=rpc.up", "peer=" + peer,
                                       since=since)) >= n)


def metric(backend, name, **labels):
    """Sum of the samples of postern_NAME at a back-end's endpoint that have these labels."""
    b = next(x for x in cluster()["backends"] if x["name"] == backend)
    with urllib.request.urlopen("http://%s:%d/metrics" % (b["host"], b["ports"]["metrics"]),
                                timeout=20) as answer:
        text = answer.read().decode()
    total = 0.0
    for line in text.splitlines():
        head, _, value = line.rpartition(" ")
        if head.partition("{")[0] == "postern_" + name and \
                all('%s="%s"' % kv in head for kv in labels.items()):
            total += float(value)
    return total


def rss(pid):
    """KiB in memory; 0 when it is gone."""
    try:
        with open("/proc/%d/status" % pid) as f:
            return next((int(x.split()[1]) for x in f if x.startswith("VmRSS")), 0)
    except FileNotFoundError:
        return 0


def pids():
    """{pid: "node"} of every process of the cluster's own nodes."""
    cluster_command("status")
    c = cluster()
    return {p: n["name"] for n in c["frontends"] + c["backends"] for p in n["pids"]}


def offline_fsck(backend):
    """postern-backend fsck over all partitions of a stopped back-end: (status, text)."""
    data = next(x for x in cluster()["backends"] if x["name"] == backend)["data"]
    done = subprocess.run([os.path.join(BUILD, "postern-backend"), "fsck"] +
                          sorted(glob.glob(os.path.join(data, "p[0-9]*"))),
                          capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def sockets_of(processes):
    """The inodes of their sockets, as /proc/net/tcp has them."""
    out = set()
    for pid in processes:
        for fd in glob.glob("/proc/%d/fd/*" % pid):
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:["):
                out.add(target[8:-1])
    return out
