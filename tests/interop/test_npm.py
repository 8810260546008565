"""imapflow and nodemailer. npm installs them, with the versions of npm/package-lock.json, into
build/npm; without a registry the test is skipped."""
import json
import os
import shutil
import subprocess
import unittest

import postern
from postern import account, frontend

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(postern.TOP, "build", "npm")


def install():
    """None, or why not."""
    os.makedirs(FOLDER, exist_ok=True)
    fresh = True
    for name in ("package.json", "package-lock.json"):
        there, here = os.path.join(FOLDER, name), os.path.join(HERE, "npm", name)
        if not os.path.exists(there) or open(there).read() != open(here).read():
            shutil.copy(here, there)
            fresh = False
    if fresh and os.path.exists(os.path.join(FOLDER, "node_modules", ".package-lock.json")):
        return None
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=FOLDER,
                          capture_output=True, text=True)
    return None if done.returncode == 0 else "npm ci: " + done.stderr[-300:]


class Npm(unittest.TestCase):
    def test_a_day(self):
        for program in ("npm", "node"):
            self.assertTrue(shutil.which(program), program + " is not there")
        why = install()
        if why:
            self.skipTest(why)
        f = frontend()
        options = {"host": f["host"], "from": account(0), "to": account(1), **f["ports"]}
        shutil.copy(os.path.join(HERE, "npm", "day.js"), FOLDER)
        done = subprocess.run(["node", os.path.join(FOLDER, "day.js"), json.dumps(options)],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
