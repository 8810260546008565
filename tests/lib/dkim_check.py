"""Verifies DKIM signatures with other people's programs, offline: dkimpy and OpenDKIM. Both must be
there: deploy/install-deps --test brings them.

As a program (for a Python that has dkimpy, which may be another than the tests'):
  dkim_check.py RECORDS FILE...    RECORDS: JSON, {name: TXT}; tells of each file [[selector, ok]...]
"""
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

OPENDKIM = shutil.which("opendkim") or "/usr/sbin/opendkim"


@functools.cache
def python():
    """One that has dkimpy."""
    for path in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(path) and subprocess.run(
                [path, "-c", "import dkim, nacl"], capture_output=True).returncode == 0:
            return path
    raise RuntimeError("no Python has dkimpy and PyNaCl: deploy/install-deps --test")


def verify(messages, records):
    """For each message (bytes) {selector: is it good} of all its signatures, by dkimpy."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        with open(os.path.join(folder, "records"), "w") as f:
            json.dump(records, f)
        for i, m in enumerate(messages):
            names.append(os.path.join(folder, "%d" % i))
            with open(names[-1], "wb") as f:
                f.write(m)
        done = subprocess.run([python(), __file__, os.path.join(folder, "records"), *names],
                              capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [dict(pairs) for pairs in json.loads(done.stdout)]


def opendkim(message, records):
    """{selector: what OpenDKIM says of that signature, "pass" of a good one} of one message; empty
    when it judges none of them."""
    with tempfile.TemporaryDirectory() as folder:
        def write(name, data):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
            return f.name
        keys = write("keys", "".join("%s %s\n" % r for r in records.items()).encode())
        conf = write("conf", ("Mode v\nSyslog no\nBackground no\nTestPublicKeys %s\n"
                              % keys).encode())
        done = subprocess.run([OPENDKIM, "-vvv", "-x", conf, "-t", write("message", message)],
                              capture_output=True, text=True)
    assert "mlfi_eoh() returned" in done.stderr, done.stderr  # it has read the header
    return {selector: word for word, selector in
            re.findall(r"\bdkim=(\w+) .*\bheader\.s=(\S+)", done.stdout)}


def main():
    import dkim
    with open(sys.argv[1]) as f:
        records = json.load(f)

    def txt(name, timeout=5):
        name = name.decode() if isinstance(name, bytes) else name
        return records.get(name.rstrip("."), "").encode() or None

    out = []
    for path in sys.argv[2:]:
        with open(path, "rb") as f:
            d = dkim.DKIM(f.read())
        fields = [v for k, v in d.headers if k.lower() == b"dkim-signature"]
        good = []
        for i, v in enumerate(fields):
            selector = re.search(rb"[;\s]s=([^;\s]+)", v).group(1).decode()
            try:
                good.append([selector, bool(d.verify(idx=i, dnsfunc=txt))])
            except dkim.DKIMException as e:
                good.append([selector, False])
                print(path, selector, e, file=sys.stderr)
        out.append(good)
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    main()
