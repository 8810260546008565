"""One message from SMTP to an IMAP FETCH, and the plainest of everything else."""
import smtplib
import unittest

from postern import account, deliver, frontend, imap, message, smtp, subjects, tls, until


class FirstLight(unittest.TestCase):
    def test_smtp_to_imap(self):
        body = "".join("line %d of a message\n" % i for i in range(50))
        subject = deliver([account(0)["address"]], body=body)
        box = imap(0)
        box.select("INBOX")
        # 250 means durable and readable: no waiting.
        hits = box.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
        self.assertEqual(len(hits), 1)
        text = box.fetch(hits[0], "(BODY.PEEK[])")[1][0][1].decode()
        head, _, got = text.partition("\r\n\r\n")
        self.assertEqual(got.replace("\r\n", "\n"), body)
        self.assertTrue(head.startswith("Return-Path: <stranger@elsewhere.example>\r\nReceived: "))
        size = int(box.fetch(hits[0], "(RFC822.SIZE)")[1][0].split()[-1].rstrip(b")"))
        self.assertEqual(size, len(text))
        box.logout()

    def test_large_message(self):
        body = "".join("%076d\n" % i for i in range(40000))
        subject = deliver([account(1)["address"]], body=body)
        box = imap(1)
        box.select("INBOX")
        hits = box.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
        text = box.fetch(hits[0], "(BODY.PEEK[TEXT])")[1][0][1].decode()
        self.assertEqual(text.replace("\r\n", "\n"), body)
        part = box.fetch(hits[0], "(BODY.PEEK[TEXT]<1000000.100000>)")[1][0][1].decode()
        self.assertEqual(part, text[1000000:1100000])
        box.logout()

    def test_unknown_recipient_and_relay(self):
        with smtp() as s:
            s.ehlo("client.example")
            s.mail("a@elsewhere.example")
            self.assertEqual(s.rcpt("nobody@example.org")[0], 550)
            self.assertEqual(s.rcpt("someone@elsewhere.example")[0], 550)
            self.assertEqual(s.rcpt(account(0)["address"])[0], 250)

    def test_submission(self):
        a, b, f = account(2), account(3), frontend()
        m = message(b["address"], sender=a["address"])
        with smtp(service="submission") as s:
            s.ehlo("client.example")
            self.assertNotIn("auth", s.esmtp_features)
            s.starttls(context=tls())
            s.ehlo("client.example")
            self.assertEqual(s.mail(a["address"])[0], 530)
            s.login(a["address"], a["password"])
            s.send_message(m)
        box = imap(3)
        self.assertIn(m["Subject"], subjects(box))
        box.logout()
        with smtplib.SMTP_SSL(f["host"], f["ports"]["submissions"], context=tls()) as s:
            self.assertRaises(smtplib.SMTPAuthenticationError, s.login, a["address"], "wrong")

    def test_sender_is_bound_to_the_account(self):
        a, b = account(4), account(5)
        with smtp(service="submission") as s:
            s.starttls(context=tls())
            s.login(a["address"], a["password"])
            self.assertEqual(s.mail(b["address"])[0] // 100, 5)
            s.rset()
            m = message(b["address"], sender=b["address"])
            self.assertRaises(smtplib.SMTPException, s.sendmail, a["address"], [b["address"]],
                              m.as_bytes())

    def test_starttls_imap_and_bad_password(self):
        box = imap(6, login=False)
        self.assertRaises(box.error, box.login, account(6)["address"], "not it")
        box.login(account(6)["address"], account(6)["password"])
        self.assertEqual(box.noop()[0], "OK")
        box.logout()

    def test_idle_hears_of_mail(self):
        box = imap(7)
        box.select("INBOX")
        box.send(b"a IDLE\r\n")
        self.assertTrue(box.readline().startswith(b"+"))
        deliver([account(7)["address"]])
        self.assertTrue(until(lambda: b"EXISTS" in box.readline()))
        box.send(b"DONE\r\n")


if __name__ == "__main__":
    unittest.main()
