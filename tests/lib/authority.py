"""An authority for other systems' certificates, in a folder.

    a = authority.Authority(folder, make=True)
    a.leaf("mx", "mx.example.test")           # mx.pem and mx.key; days=0: over in this second
    a.self_signed("own", "mx.example.test")
    Sink(address, port, **a.files("mx"))
"""
import os
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*argv):
    subprocess.run(["openssl", *argv], check=True, capture_output=True)


class Authority:
    def __init__(self, folder, make=False):
        self.folder = folder
        if make:
            os.makedirs(folder, exist_ok=True)
            self.own("ca", "basicConstraints=critical,CA:TRUE")

    def path(self, name):
        return os.path.join(self.folder, name)

    def own(self, name, extension):
        openssl("req", "-x509", *KEY, "-keyout", self.path(name + ".key"), "-out",
                self.path(name + ".pem"), "-days", "2", "-subj", "/CN=" + name, "-addext",
                extension)

    def self_signed(self, name, host):
        self.own(name, "subjectAltName=DNS:" + host)
        return self.files(name)

    def leaf(self, name, host, days=2):
        openssl("req", *KEY, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"),
                "-subj", "/CN=" + name)
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=DNS:" + host)
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-CA", self.path("ca.pem"),
                "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", str(days), "-extfile",
                self.path(name + ".ext"), "-out", self.path(name + ".pem"))
        return self.files(name)

    def files(self, name):
        return {"cert": self.path(name + ".pem"), "key": self.path(name + ".key")}
