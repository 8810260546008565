"""Every conversation of tests/transcripts, in whole lines and byte by byte."""
import glob
import os
import unittest

import postern
import transcript

CLUSTER = ["--accounts", "20"]


class Transcripts(unittest.TestCase):
    """Each case of each file is a test of its own."""


def one_case(path, name, steps, needs, mode):
    def test(self):
        server = transcript.from_cluster(os.path.join(postern.FOLDER, "cluster.json"))
        if not transcript.offers(server, needs, "smtp"):
            self.skipTest("the server lacks " + " ".join(needs))
        server["variables"]["unique"] = os.urandom(8).hex()
        wrong = transcript.Case(server, mode, name).run(steps)
        if wrong:
            self.fail("%s: %s (%s)\n%s" % (path, name, mode, wrong))
    return test


for path_ in sorted(glob.glob(os.path.join(postern.TOP, "tests", "transcripts", "*", "*.t"))):
    cases, needs_ = transcript.read(path_)
    short = os.path.relpath(path_, os.path.join(postern.TOP, "tests", "transcripts"))
    for i, (name_, steps_) in enumerate(cases):
        for mode_ in ("whole", "bytes"):
            setattr(Transcripts, "test_%s_%02d_%s" % (short, i, mode_),
                    one_case(short, name_, steps_, needs_, mode_))

if __name__ == "__main__":
    unittest.main()
