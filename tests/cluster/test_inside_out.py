"""The back-ends dial the front-ends: a DMZ that may open nothing."""
import imaplib
import unittest

import postern
from postern import (account, account_of, cluster_command, deliver, imap, subjects, until)

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "8", "--inside-out"]


class InsideOut(unittest.TestCase):
    def setUp(self):
        self.addCleanup(postern.restore)

    def round_trip(self, fe):
        for who in (account_of("be1"), account_of("be2")):
            subject = deliver([account(who)["address"]], fe=fe)
            box = imap(who, fe=1 - fe)
            self.assertIn(subject, subjects(box))
            box.logout()

    def test_mail_through_both_frontends(self):
        self.round_trip(0)
        self.round_trip(1)

    def test_frontends_dial_nobody(self):
        """Their only connections to a back-end's port are those that the back-end made."""
        port = "%04X" % postern.cluster()["backends"][0]["ports"]["rpc"]
        mine = {p for p, name in postern.pids().items() if name.startswith("fe")}
        sockets = postern.sockets_of(mine)
        with open("/proc/net/tcp") as f:
            rows = [x.split() for x in f][1:]
        self.assertEqual([r for r in rows if r[9] in sockets and r[2].endswith(":" + port)], [])
        self.assertTrue([r for r in rows if r[9] in sockets])

    def test_a_worker_that_died_is_dialled_again(self):
        cluster_command("kill", "fe1/imap")
        cluster_command("kill", "fe1/smtp")

        def works():
            try:
                self.round_trip(0)
                imap(account_of("be1"), fe=0).logout()
                return True
            except (OSError, imaplib.IMAP4.error):
                return False
        self.assertTrue(until(works, 30))

    def test_a_backend_that_died(self):
        cluster_command("kill", "be1")
        cluster_command("start", "be1")

        def works():
            try:
                self.round_trip(1)
                return True
            except (OSError, imaplib.IMAP4.error):
                return False
        self.assertTrue(until(works, 30))


if __name__ == "__main__":
    unittest.main()
