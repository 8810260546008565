"""IMAP at its corners, over whole clusters: sections of nested messages by every way that a FETCH
can take, searches that the store's columns do not decide, mailboxes with many gaps, names."""
import base64
import contextlib
import re
import unittest

import postern
from postern import account
from raw import Imap, smtp

CLUSTER = ["--frontends", "2", "--backends", "2", "--accounts", "40"]

INNER_HEADER = (b"From: Inner <inner@elsewhere.example>\r\n"
                b"Subject: inner\r\n"
                b"X-Odd: folded\r\n and more\r\n"
                b"Content-Type: multipart/alternative; boundary=\"in ner\"\r\n\r\n")
INNER_1_MIME, INNER_1 = b"Content-Type: text/plain\r\n\r\n", b"plain\r\n--in nerd\r\ntext"
INNER_2_MIME, INNER_2 = b"Content-Type: text/html\r\n\r\n", b"<p>html</p>\r\n"
INNER_BODY = (b"--in ner\r\n" + INNER_1_MIME + INNER_1 + b"\r\n--in ner\r\n" + INNER_2_MIME +
              INNER_2 + b"\r\n--in ner--\r\n")
SIMPLE_HEADER = b"Subject: simple\r\nTo: x@elsewhere.example\r\n\r\n"
SIMPLE_BODY = b"simple body\r\n"
MIXED = b"multipart/mixed; boundary=outer\r\n\r\n"
HEADER = (b"From: a@elsewhere.example\r\nSUBJECT: outer\r\nX-One: 1\r\nX-Two: 2\r\n"
          b"MIME-Version: 1.0\r\nContent-Type: " + MIXED)


def message(image=b"aGVsbG8="):
    """A message, and {section: its bytes}."""
    mimes = [b"Content-Type: text/plain; charset=utf-8\r\nX-Part: one\r\n\r\n",
             b"Content-Type: message/rfc822\r\n\r\n",
             b"Content-Type: image/png; name=\"a b.png\"\r\nContent-Transfer-Encoding: base64\r\n"
             b"Content-Disposition: attachment; filename=\"a b.png\"\r\n\r\n",
             b"Content-Type: message/rfc822\r\nContent-Description: the simple one\r\n\r\n",
             b"\r\n"]
    bodies = [b"gr\xc3\xbc\xc3\x9fe\r\n-- \r\nsig", INNER_HEADER + INNER_BODY, image,
              SIMPLE_HEADER + SIMPLE_BODY, b""]
    text = b"preamble\r\n"
    for mime, body in zip(mimes, bodies):
        text += b"--outer\r\n" + mime + body + b"\r\n"
    text += b"--outer--\r\nepilogue\r\n"
    out = {b"": HEADER + text, b"HEADER": HEADER, b"TEXT": text,
           b"2.HEADER": INNER_HEADER, b"2.TEXT": INNER_BODY, b"2.1": INNER_1,
           b"2.1.MIME": INNER_1_MIME, b"2.2": INNER_2, b"2.2.MIME": INNER_2_MIME,
           b"4.HEADER": SIMPLE_HEADER, b"4.TEXT": SIMPLE_BODY, b"4.1": SIMPLE_BODY,
           b"4.1.MIME": SIMPLE_HEADER, b"1.HEADER": None, b"1.TEXT": None, b"3.1": None,
           b"6": None, b"2.3": None, b"2.1.1": None, b"4.2": None, b"2.1.HEADER": None,
           b"HEADER.FIELDS (subject X-None x-two)": b"SUBJECT: outer\r\nX-Two: 2\r\n\r\n",
           b"HEADER.FIELDS (Subject)": b"SUBJECT: outer\r\n\r\n",
           b"HEADER.FIELDS (X-None)": b"\r\n",
           b"HEADER.FIELDS.NOT (From Subject MIME-Version Content-Type)":
               b"X-One: 1\r\nX-Two: 2\r\n\r\n",
           b"2.HEADER.FIELDS (x-odd)": b"X-Odd: folded\r\n and more\r\n\r\n",
           b"4.HEADER.FIELDS.NOT (to)": b"Subject: simple\r\n\r\n",
           b"1.HEADER.FIELDS (Subject)": None}
    for i, (mime, body) in enumerate(zip(mimes, bodies), 1):
        out[b"%d" % i], out[b"%d.MIME" % i] = body, mime
    return HEADER + text, out


STRUCTURE = (
    b'(("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 17 2 NIL NIL NIL NIL)'
    b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" %d (NIL "inner" (("Inner" NIL "inner"'
    b' "elsewhere.example")) (("Inner" NIL "inner" "elsewhere.example")) (("Inner" NIL "inner"'
    b' "elsewhere.example")) NIL NIL NIL NIL NIL) (("TEXT" "PLAIN" NIL NIL NIL'
    b' "7BIT" %d 2 NIL NIL NIL NIL)("TEXT" "HTML" NIL NIL NIL "7BIT" %d 1 NIL NIL NIL NIL)'
    b' "ALTERNATIVE" ("BOUNDARY" "in ner") NIL NIL NIL) 18 NIL NIL NIL NIL)'
    b'("IMAGE" "PNG" ("NAME" "a b.png") NIL NIL "BASE64" 8 NIL ("ATTACHMENT" ("FILENAME"'
    b' "a b.png")) NIL NIL)'
    b'("MESSAGE" "RFC822" NIL NIL "the simple one" "7BIT" %d (NIL "simple" NIL NIL NIL ((NIL NIL'
    b' "x" "elsewhere.example")) NIL NIL NIL NIL) ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL'
    b' "7BIT" %d 1 NIL NIL NIL NIL) 4 NIL NIL NIL NIL)'
    b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0 NIL NIL NIL NIL)'
    b' "MIXED" ("BOUNDARY" "outer") NIL NIL NIL)' % (
        len(INNER_HEADER + INNER_BODY), len(INNER_1), len(INNER_2),
        len(SIMPLE_HEADER + SIMPLE_BODY), len(SIMPLE_BODY)))


def nstring(value):
    return b"NIL" if value is None else b"{%d}\r\n" % len(value) + value


class Mailbox(unittest.TestCase):
    WHO = 3

    def setUp(self):
        self.box = Imap(self.WHO)
        self.addCleanup(self.box.close)
        self.fresh(b"Corner")

    def fresh(self, name):
        self.box.cmd(b"DELETE " + name)
        self.box.ok(b"CREATE " + name)
        self.box.ok(b"SELECT " + name)

    def fetched(self, text):
        """The one FETCH response of a command, without its number."""
        rows = [r for r in self.box.ok(text) if b" FETCH (" in r]
        self.assertEqual(len(rows), 1, rows)
        return rows[0].split(b" FETCH ", 1)[1]


class Sections(Mailbox):
    def check(self, sections, numbers, with_column):
        """Each section by itself, with and without a partial, of every message."""
        column = b"FLAGS " if with_column else b""
        flags = rb"FLAGS \([^)]*\) " if with_column else b""
        for section, want in sections.items():
            label = b"BODY[%s]" % section
            parts = [(b"", want)]
            for first, count in ((0, 1), (3, 7), (1 << 20, 5), (0, 4294967295)):
                parts.append((b"<%d.%d>" % (first, count),
                              None if want is None else want[first:first + count]))
            for partial, cut in parts:
                shown = label + re.sub(rb"\.\d+>", b">", partial)
                rows = [r for r in self.box.ok(b"FETCH %s (%sBODY.PEEK[%s]%s)" % (
                    numbers, column, section, partial)) if b" FETCH (" in r]
                self.assertTrue(rows)
                for row in rows:
                    got = re.match(rb"\* \d+ FETCH \(" + flags, row, re.S)
                    self.assertIsNotNone(got, row[:200])
                    self.assertEqual(row[got.end():], shown + b" " + nstring(cut) + b")\r\n")

    def test_of_one_message(self):
        text, sections = message()
        self.box.append(text, b"Corner")
        self.check(sections, b"1", False)
        self.check(sections, b"1", True)

    def test_of_many_messages(self):
        text, sections = message()
        for _ in range(6):
            self.box.append(text, b"Corner")
        self.check(sections, b"1:6", False)
        self.check(sections, b"2:*", True)

    def test_of_large_messages(self):
        text, sections = message(b"QUJD" * 150000)
        for _ in range(6):
            self.box.append(text, b"Corner")
        few = {k: v for k, v in sections.items() if k in (b"", b"TEXT", b"3", b"4.TEXT", b"2.1.MIME")}
        self.check(few, b"1", False)
        self.check(few, b"1:5", True)

    def test_several_at_once(self):
        text, sections = message(b"QUJD" * 150000)
        for _ in range(5):
            self.box.append(text, b"Corner")
        names = [b"3", b"HEADER", b"2.1", b"", b"6"]
        want = b" ".join(b"BODY[%s] %s" % (n, nstring(sections[n])) for n in names)
        for numbers in (b"1", b"1:5"):
            for row in self.box.ok(b"FETCH %s (%s)" % (
                    numbers, b" ".join(b"BODY.PEEK[%s]" % n for n in names))):
                self.assertEqual(row.split(b" FETCH ", 1)[1], b"(" + want + b")\r\n")

    def test_the_same_bytes_many_times(self):
        self.box.append(b"Subject: x\r\n\r\n" + b"z" * 200000, b"Corner")
        row = self.fetched(b"FETCH 1 (%s)" % b" ".join([b"BODY.PEEK[TEXT]"] * 60))
        self.assertEqual(row.count(b"BODY[TEXT] {200000}\r\nz"), 60)

    def test_a_long_header(self):
        """Of more than 256 KiB fields are not looked for; the bytes are all there."""
        header = b"".join(b"X-Fill-%d: %s\r\n" % (i, b"y" * 900) for i in range(400))
        self.box.append(header + b"Subject: far\r\n\r\nbody\r\n", b"Corner")
        self.assertEqual(self.fetched(b"FETCH 1 BODY.PEEK[HEADER]"),
                         b"(BODY[HEADER] %s)\r\n" % nstring(header + b"Subject: far\r\n\r\n"))
        got = self.fetched(b"FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Fill-7 X-Fill-399 Subject)]")
        self.assertTrue(got.endswith(b"{%d}\r\nX-Fill-7: %s\r\n\r\n)\r\n" % (914, b"y" * 900)), got[-1000:])
        self.assertIn(b'"far"', self.fetched(b"FETCH 1 ENVELOPE"))

    def test_structure(self):
        text, _ = message()
        self.box.append(text, b"Corner")
        got = self.fetched(b"FETCH 1 BODYSTRUCTURE")
        self.assertEqual(got.upper(), b"(BODYSTRUCTURE %s)\r\n" % STRUCTURE.upper())
        body = self.fetched(b"FETCH 1 BODY")
        self.assertTrue(body.startswith(b"(BODY (("), body)
        self.assertNotIn(b"BOUNDARY", body)

    def test_seen(self):
        text, _ = message()
        for _ in range(2):
            self.box.append(text, b"Corner")
        for item in (b"BODY.PEEK[]", b"RFC822.HEADER", b"BODY", b"BODYSTRUCTURE", b"ENVELOPE", b"FULL"):
            self.box.ok(b"FETCH 1 " + item)
        self.assertNotIn(b"\\Seen", self.fetched(b"FETCH 1 FLAGS"))
        for item in (b"BODY[2.HEADER]", b"RFC822", b"RFC822.TEXT", b"BODY[6]<0.1>"):
            got = self.fetched(b"FETCH 1 " + item)
            self.assertTrue(re.match(rb"\(FLAGS \([^)]*\\Seen[^)]*\) ", got), got[:100])
            self.box.ok(b"STORE 1 -FLAGS.SILENT (\\Seen)")
        self.box.ok(b"EXAMINE Corner")
        self.assertNotIn(b"FLAGS", self.fetched(b"FETCH 2 BODY[HEADER]"))
        self.assertNotIn(b"\\Seen", self.fetched(b"FETCH 2 FLAGS"))

    def test_every_byte_comes_back(self):
        body = bytes(i for i in range(1, 256) if i not in (10, 13))
        text = b"Subject: " + bytes(range(128, 256)) + b"\r\n\r\n" + body + b"\n bare \r bare \n\r\n"
        self.box.append(text, b"Corner")
        self.assertEqual(self.fetched(b"FETCH 1 BODY.PEEK[]"), b"(BODY[] %s)\r\n" % nstring(text))
        self.assertEqual(self.fetched(b"FETCH 1 RFC822.SIZE"),
                         b"(RFC822.SIZE %d)\r\n" % len(text))


def parts(*bodies):
    """A message of these parts: (encoding, bytes as they go over the wire)."""
    text = (b"From: a@elsewhere.example\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=bin\r\n\r\n")
    for encoding, body in bodies:
        text += (b"--bin\r\nContent-Type: application/octet-stream\r\n"
                 b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body + b"\r\n")
    return text + b"--bin--\r\n"


class Binary(Mailbox):
    """RFC 3516: the bytes that a sender meant, whatever they are and however they came."""
    BYTES = b"\0\r\n.\r\n\n\r\r\0--bi\r\n--b\xff\xfe" + bytes(range(256))

    def nstring8(self, value):
        return (b"~" if value and b"\0" in value else b"") + nstring(value)

    def check(self, numbers, wanted):
        """Each part, its size and pieces of it, of every message."""
        for part, want in wanted.items():
            asked = [(b"BINARY.SIZE[%s]" % part, b"BINARY.SIZE[%s] %d" % (part, len(want or b""))),
                     (b"BINARY.PEEK[%s]" % part, b"BINARY[%s] %s" % (part, self.nstring8(want)))]
            for first, count in ((0, 1), (7, 300000), (1 << 21, 5)):
                piece = want and want[first:first + count]
                asked.append((b"BINARY.PEEK[%s]<%d.%d>" % (part, first, count),
                              b"BINARY[%s]<%d> %s" % (part, first, self.nstring8(piece))))
            for item, told in asked:
                rows = [r.split(b" FETCH ", 1)[1] for r in
                        self.box.ok(b"FETCH %s %s" % (numbers, item)) if b" FETCH (" in r]
                self.assertTrue(rows)
                for row in rows:
                    self.assertEqual(row, b"(%s)\r\n" % told, item)

    def test_from_smtp_to_the_client(self):
        to, body = account(self.WHO)["address"].encode(), self.BYTES * 3000
        text = parts((b"binary", b"short\0"), (b"binary", body),
                     (b"base64", base64.encodebytes(body).replace(b"\n", b"\r\n")))
        with contextlib.closing(smtp()) as s:
            self.assertEqual(s.cmd(b"MAIL FROM:<> BODY=BINARYMIME")[0], 250)
            self.assertEqual(s.cmd(b"RCPT TO:<%s>" % to)[0], 250)
            for at in range(0, len(text), 300000):
                chunk = text[at:at + 300000]
                last = b" LAST" if at + 300000 >= len(text) else b""
                s.send(b"BDAT %d%s\r\n" % (len(chunk), last) + chunk)
                self.assertEqual(s.reply()[0], 250)
        self.box.ok(b"SELECT INBOX")
        # The newest, and many at once.
        wanted = {b"1": b"short\0", b"2": body, b"3": body, b"4": None}
        self.check(b"*", wanted)
        for _ in range(5):
            self.box.ok(b"COPY * Corner")
        self.box.ok(b"SELECT Corner")
        self.check(b"1:*", wanted)

    def test_in_pieces(self):
        body = self.BYTES * 4000
        quoted = b"=\r\n".join(body[i:i + 25].hex("=").upper().encode().join((b"=", b""))
                              for i in range(0, len(body), 25))
        for encoding, raw in ((b"binary", body), (b"base64", base64.b64encode(body)),
                              (b"quoted-printable", quoted)):
            self.box.append(parts((encoding, raw)), b"Corner", binary=True)
            got = b""
            while len(got) < len(body):
                row = self.fetched(b"FETCH * BINARY.PEEK[1]<%d.65536>" % len(got))
                label, _, rest = row.partition(b"}\r\n")
                n = int(label.rpartition(b"{")[2])
                self.assertEqual(rest[n:], b")\r\n")
                self.assertEqual(b"~" in label, b"\0" in rest[:n])
                got += rest[:n]
            self.assertEqual(got, body, encoding)

    def test_what_is_appended_is_kept(self):
        text = parts((b"binary", self.BYTES))
        self.box.append(text, b"Corner", binary=True)
        self.assertEqual(self.fetched(b"FETCH 1 BINARY.PEEK[]"), b"(BINARY[] %s)\r\n" %
                         self.nstring8(text))
        self.assertEqual(self.fetched(b"FETCH 1 BODY.PEEK[]"), b"(BODY[] %s)\r\n" % nstring(text))
        self.assertEqual(self.fetched(b"FETCH 1 RFC822.SIZE"), b"(RFC822.SIZE %d)\r\n" % len(text))
        self.assertIn(b'"BINARY" %d' % len(self.BYTES),
                      self.fetched(b"FETCH 1 BODYSTRUCTURE").upper())

    def test_with_imaplib(self):
        """It takes a literal8 for what it is, and never sends one."""
        self.box.append(parts((b"binary", self.BYTES)), b"Corner", binary=True)
        with postern.imap(self.WHO) as box:
            self.assertIn("BINARY", box.capability()[1][0].decode().split())
            box.select("Corner", readonly=True)
            self.assertEqual(box.fetch("1", "(BINARY.PEEK[1])")[1][0][1], self.BYTES)


class Lists(unittest.TestCase):
    def test_patterns_that_take_long(self):
        """One command of one client holds nobody up, and ends."""
        box, other = Imap(7), Imap(7)
        deep = b"/".join([b"a" * 255] * 31)
        for i in range(30):
            box.cmd(b"CREATE %s/%03d%s" % (deep, i, b"a" * 250))
        pattern = b"*a" * 511 + b"b"
        box.send(b"x LIST \"\" (%s)\r\n" % b" ".join([pattern] * 32))
        other.ok(b"NOOP")
        r, lines = box.until_tag(b"x")
        self.assertIn(b" NO [LIMIT] ", r)
        self.assertGreater(len(box.ok(b"LIST \"\" a*")), 30)
        for b in (box, other):
            b.cmd(b"RENAME %s old" % (b"a" * 255))
            b.close()


class Search(Mailbox):
    WHO = 4

    def found(self, keys, *literals):
        lines = self.box.ok(b"SEARCH " + keys, *literals)
        self.assertTrue(lines[0].startswith(b"* SEARCH"), lines)
        return [int(n) for n in lines[0].split()[2:]]

    def add(self, header, body=b"body\r\n", flags=b""):
        self.box.append(header + b"\r\n" + body, b"Corner", flags)

    def test_every_key(self):
        self.box.cmd(b"APPEND Corner (\\Seen \\Flagged kw) \"01-Feb-2020 23:59:59 +0000\" ",
                     b"From: Alice <alice@elsewhere.example>\r\nTo: bob@elsewhere.example\r\n"
                     b"Cc: cc@elsewhere.example\r\nBcc: bcc@elsewhere.example\r\nSubject: Number One\r\n"
                     b"Date: Sat, 1 Feb 2020 00:30:00 +0900\r\nX-Extra: something\r\n\r\nthe body\r\n")
        self.box.cmd(b"APPEND Corner (\\Answered \\Draft \\Deleted) \" 2-Feb-2020 00:00:00 +0000\" ",
                     b"From: Eve\r\nSubject: two\r\nDate: nonsense\r\n\r\n" + b"long " * 1000 + b"\r\n")
        self.box.ok(b"NOOP")
        for keys, want in (
                (b"ALL", [1, 2]), (b"SEEN", [1]), (b"UNSEEN", [2]), (b"FLAGGED", [1]),
                (b"UNFLAGGED", [2]), (b"ANSWERED", [2]), (b"UNANSWERED", [1]), (b"DRAFT", [2]),
                (b"UNDRAFT", [1]), (b"DELETED", [2]), (b"UNDELETED", [1]), (b"RECENT", [1, 2]),
                (b"OLD", []), (b"NEW", [2]), (b"KEYWORD KW", [1]), (b"UNKEYWORD kw", [2]),
                (b"KEYWORD other", []), (b"UNKEYWORD other", [1, 2]),
                (b"BEFORE 2-Feb-2020", [1]), (b"ON 1-Feb-2020", [1]), (b"ON \"2-Feb-2020\"", [2]),
                (b"SINCE 2-Feb-2020", [2]), (b"SINCE 1-Feb-2020", [1, 2]), (b"BEFORE 1-Feb-2020", []),
                (b"SENTON 1-Feb-2020", [1]), (b"SENTBEFORE 2-Feb-2020", [1]),
                (b"SENTSINCE 1-Feb-2020", [1]), (b"SENTSINCE 2-Feb-2020", []),
                (b"LARGER 1000", [2]), (b"SMALLER 1000", [1]), (b"LARGER 4294967295", []),
                (b"FROM ALICE", [1]), (b"TO bob@", [1]), (b"CC cc@", [1]), (b"BCC bcc", [1]),
                (b"SUBJECT \"number one\"", [1]), (b"BODY \"THE BODY\"", [1]), (b"BODY alice", []),
                (b"TEXT alice", [1]), (b"TEXT \"the body\"", [1]), (b"TEXT something", [1]),
                (b"TEXT x-extra", [1]), (b"BODY something", []), (b"BODY \"\"", [1, 2]),
                (b"HEADER Date \"\"", [1, 2]), (b"HEADER X-Extra \"\"", [1]),
                (b"HEADER X-Extra some", [1]), (b"HEADER subject one", [1]), (b"HEADER X-No \"\"", []),
                (b"NOT SEEN", [2]), (b"OR SEEN DELETED", [1, 2]), (b"OR (SEEN UNFLAGGED) DRAFT", [2]),
                (b"NOT (SEEN KEYWORD kw)", [2]), (b"NOT OR SEEN FROM Eve", []), (b"1 SEEN", [1]),
                (b"2:* SEEN", []), (b"UID 1:* NOT 1", [2]), (b"(((1,2)))", [1, 2]),
                (b"NOT TEXT something", [2]), (b"OR TEXT something SUBJECT two", [1, 2]),
                (b"CHARSET US-ASCII FROM alice", [1]), (b"CHARSET utf-8 ALL", [1, 2])):
            self.assertEqual(self.found(keys), want, keys)

    def test_charsets(self):
        self.add(b"Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nReply-To: =?utf-8?B?TcO8bGxlcg==?= <m@x>\r\n"
                 b"Content-Type: text/plain; charset=iso-8859-15\r\n", b"10 \xa4\r\n")
        self.box.ok(b"NOOP")
        self.assertEqual(self.found(b"CHARSET UTF-8 SUBJECT ", "GRÜSSE".encode()), [1])
        self.assertEqual(self.found(b"CHARSET ISO-8859-1 SUBJECT ", b"gr\xfc\xdfe"), [1])
        self.assertEqual(self.found(b"CHARSET UTF-8 BODY ", "10 €".encode()), [1])
        self.assertEqual(self.found(b"CHARSET UTF-8 HEADER Reply-To ", "müller".encode()), [1])
        self.assertEqual(self.found(b"CHARSET UTF-8 NOT HEADER Reply-To ", "müller".encode()), [])
        r, _ = self.box.cmd(b"SEARCH CHARSET x-none ALL")
        self.assertIn(b" NO [BADCHARSET (", r)

    def test_headers_beyond_what_is_kept(self):
        many = b", ".join(b"person%d@elsewhere.example" % i for i in range(400))
        self.add(b"References: " + b" ".join(b"<%060d@x>" % i for i in range(60)) + b"\r\n"
                 b"To: " + many + b"\r\nSubject: " + b"x" * 3000 + b" end\r\n"
                 b"Message-ID: <the-one@elsewhere.example>\r\n")
        self.add(b"To: other@elsewhere.example\r\n")
        self.box.ok(b"NOOP")
        for keys, want in ((b"HEADER Message-ID <the-one@elsewhere.example>", [1]),
                           (b"TO person399@", [1]), (b"HEADER To person0@", [1]),
                           (b"NOT TO person399@", [2]), (b"SUBJECT \"x end\"", [1]),
                           (b"HEADER References " + b"<%060d@x>" % 59, [1]), (b"TO person400@", []),
                           (b"OR TO person399@ TO other", [1, 2]), (b"TEXT person399", [1])):
            self.assertEqual(self.found(keys), want, keys)

    def test_many_pieces(self):
        """Lists of UIDs that do not fit one request; answers that name every other message."""
        n = 10000
        one = b"Subject: a\r\n%s\r\n\r\n"
        for i in range(2):
            self.add(b"X-Half: %d\r\n" % i)
        self.box.ok(b"NOOP")
        while self.box.exists < n:
            self.box.ok(b"COPY 1:%d Corner" % min(self.box.exists, n - self.box.exists))
            self.box.ok(b"NOOP")
        odd = list(range(1, n + 1, 2))
        self.assertEqual(self.found(b"HEADER X-Half 0"), odd)
        self.assertEqual(self.found(b"NOT HEADER X-Half 1"), odd)
        self.assertEqual(self.found(b"HEADER X-Half 0 NOT HEADER X-Half 0"), [])
        # Every other one goes, in another session too.
        other = Imap(self.WHO, fe=1)
        self.addCleanup(other.close)
        other.ok(b"SELECT Corner")
        for at in range(0, len(odd), 1000):
            self.box.ok(b"STORE %s +FLAGS.SILENT (\\Deleted)" % b",".join(b"%d" % i for i in odd[at:at + 1000]))
        lines = self.box.ok(b"EXPUNGE")
        self.assertEqual(len([r for r in lines if r.endswith(b" EXPUNGE\r\n")]), n // 2)
        self.assertEqual(self.box.exists, n // 2)
        other.ok(b"NOOP")
        self.assertEqual(other.exists, n // 2)
        self.assertEqual(other.errors + self.box.errors, [])
        # What is copied and moved is more pieces than an answer can name.
        self.box.cmd(b"DELETE Pieces")
        self.box.ok(b"CREATE Pieces")
        r, _ = self.box.cmd(b"COPY 1:* Pieces")
        self.assertIn(b" OK ", r)
        r, lines = self.box.cmd(b"MOVE 1:* Pieces")
        self.assertIn(b" OK ", r)
        self.assertEqual(self.box.exists, 0, r)
        self.assertIn(b"MESSAGES %d)" % n, self.box.ok(b"STATUS Pieces (MESSAGES)")[0])
        other.ok(b"NOOP")
        self.assertEqual(other.exists, 0)
        self.assertEqual(other.errors + self.box.errors, [])


if __name__ == "__main__":
    unittest.main()
