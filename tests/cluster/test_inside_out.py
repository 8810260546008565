"""The back-ends dial the front-ends: a DMZ that may open nothing."""
import imaplib
import os
import socket
import unittest

import dnszone
import postern
from postern import (account, account_of, cluster_command, deliver, imap, subjects, until)

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "8", "--inside-out",
           "--set", "dns={dns}"]


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

    def greeting(self, client):
        f = postern.frontend(0)
        with socket.create_connection((f["host"], f["ports"]["smtp"]), timeout=30,
                                      source_address=(client, 0)) as c:
            return c.makefile("rb").readline()

    def test_names_of_clients_without_a_right_to_connect(self):
        zone = dnszone.Zone({"127.in-addr.arpa": "1.3.0 PTR host.out.test.\n",
                             "out.test": "host A 127.0.3.1\n"},
                            port=int(os.environ["POSTERN_TEST_DNS"].partition(":")[2]))
        self.addCleanup(zone.close)
        edit = ("server", "edit", "default-smtp")
        self.addCleanup(postern.postern, *edit, "--unset", "reverse_lookup")
        self.assertEqual(postern.postern(*edit, "--set", "reverse_lookup=required")[0], 0)
        self.assertTrue(until(lambda: self.greeting("127.0.3.2").startswith(b"554 5.7.25")))
        self.assertTrue(until(lambda: self.greeting("127.0.3.1").startswith(b"220 ")))

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
