/* Whole messages: part tree, offsets, rendered texts, columns, limits. */
#include <stdio.h>

#include "frontend/mime/content.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/envelope.h"
#include "frontend/mime/imaptext.h"
#include "frontend/mime/mime.h"
#include "frontend/mime/structure.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/mime/parse.h"

#define HEAD \
	"From: \"A. Example\" <a@example.net>\r\n" \
	"To: Bob <bob@example.org>, carol@example.org\r\n"

struct fixture {
	struct mime_parser *p;
	struct mime_summary s;
	struct buf shape;
	slice_t message;
};

static void open_with(struct fixture *f, slice_t message, const struct mime_limits *limits)
{
	struct diag d = {""};

	f->message = message;
	CHECK_ERR(parse_steps(message, 0, limits, NULL, &f->p, &f->s), E_OK);
	CHECK_ERR(summary_check(&f->s, &d), E_OK);
	check_note("summary_check: %s", d.text);
	buf_init(&f->shape, 65536, NULL);
	parse_shape(&f->s, &f->shape);
}

static void open_message(struct fixture *f, const char *message)
{
	open_with(f, slice_str(message), NULL);
}

static void close_message(struct fixture *f)
{
	mime_parser_free(&f->p);
	buf_fini(&f->shape);
}

static slice_t cut(const struct fixture *f, enum summary_section what, size_t n, uint32_t a,
		   uint32_t b, uint32_t c)
{
	uint32_t path[3] = {a, b, c};
	uint64_t off, end;

	if (!summary_section_range(&f->s, path, n, what, &off, &end))
		return SL("(none)");
	return slice_sub(f->message, (size_t)off, (size_t)(end - off));
}

TEST(plain_message)
{
	struct fixture f;

	open_message(&f, HEAD "Subject: Hello\r\nDate: Tue, 3 Jun 2025 10:11:12 +0200\r\n"
			      "Message-ID: <1@example.net>\r\n\r\nline one\r\nline two\r\n");
	CHECK_SLICE(buf_slice(&f.shape), SL("leaf"));
	CHECK_SLICE(f.s.envelope,
		    SL("(\"Tue, 3 Jun 2025 10:11:12 +0200\" \"Hello\" ((\"A. Example\" NIL \"a\" "
		       "\"example.net\")) ((\"A. Example\" NIL \"a\" \"example.net\")) ((\"A. "
		       "Example\" NIL \"a\" \"example.net\")) ((\"Bob\" NIL \"bob\" "
		       "\"example.org\")(NIL NIL \"carol\" \"example.org\")) NIL NIL NIL "
		       "\"<1@example.net>\")"));
	CHECK_SLICE(f.s.bodystructure, SL("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
					  "\"7BIT\" 20 2 NIL NIL NIL NIL)"));
	CHECK_INT(f.s.size, f.message.n);
	CHECK_INT(f.s.header_size, f.message.n - 20);
	CHECK_INT(f.s.lines, 2);
	CHECK_INT(f.s.nfields, 5);
	CHECK(f.s.fields_complete);
	CHECK(!f.s.big);
	CHECK_SLICE(f.s.fields[0].name, SL("From"));
	CHECK_SLICE(f.s.fields[0].raw, SL("From: \"A. Example\" <a@example.net>\r\n"));
	CHECK(f.s.has_sent);
	CHECK_INT(f.s.sent_us, 1748938272000000);
	CHECK_INT(f.s.sent_zone_min, 120);
	CHECK_SLICE(f.s.message_id, SL("1@example.net"));
	CHECK_SLICE(f.s.text, SL("line one\r\nline two\r\n\n"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 1, 1, 0, 0), SL("line one\r\nline two\r\n"));
	CHECK_SLICE(cut(&f, SECTION_TEXT, 0, 0, 0, 0), SL("line one\r\nline two\r\n"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 0, 0, 0, 0), f.message);
	CHECK_SLICE(cut(&f, SECTION_BODY, 1, 2, 0, 0), SL("(none)"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 2, 1, 1, 0), SL("(none)"));
	CHECK_SLICE(cut(&f, SECTION_TEXT, 1, 1, 0, 0), SL("(none)"));
	close_message(&f);
}

TEST(odd_beginnings)
{
	struct fixture f;

	open_message(&f, "");
	CHECK_INT(f.s.size, 0);
	CHECK_SLICE(f.s.envelope, SL("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
	close_message(&f);
	open_message(&f, "\r\nbody only\r\n");
	CHECK_INT(f.s.header_size, 2);
	CHECK_INT(f.s.lines, 1);
	close_message(&f);
	open_message(&f, "Subject: no end");
	CHECK_INT(f.s.header_size, 15);
	CHECK_SLICE(f.s.subject, SL("no end"));
	CHECK(!f.s.fields_complete);
	close_message(&f);
	open_message(&f, " leading fold\r\nno colon here\r\nSubject: x\r\n\r\n");
	CHECK_SLICE(f.s.subject, SL("x"));
	CHECK_INT(f.s.header_size, f.message.n);
	close_message(&f);
}

static const char mixed[] = HEAD
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n"
	"preamble\r\n--out\r\n"
	"Content-Type: multipart/alternative; boundary=\"in\"\r\n\r\n"
	"--in\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
	"Content-Transfer-Encoding: quoted-printable\r\n\r\nna=EFve\r\nthe end\r\n"
	"--in\r\nContent-Type: text/html\r\nContent-Language: de, en\r\n\r\n<p>na&iuml;ve</p>\r\n"
	"--in--\r\nnested epilogue\r\n"
	"--out\r\nContent-Type: message/rfc822\r\nContent-Description: forwarded\r\n\r\n"
	"From: inner@example.com\r\nSubject: Inside\r\nContent-Type: multipart/mixed; "
	"boundary=deep\r\n\r\n--deep\r\n\r\ndeep text\r\n--deep--\r\n\r\n"
	"--out  \r\nContent-Type: application/pdf; name=\"r\xc3\xa9sum\xc3\xa9.pdf\"\r\n"
	"Content-Disposition: attachment; filename*=utf-8''r%C3%A9sum%C3%A9.pdf;\r\n size=3\r\n"
	"Content-Transfer-Encoding: base64\r\nContent-ID: <pdf@example.net>\r\n"
	"Content-Location: http://example.net/x\r\nContent-MD5: Q2hlY2s=\r\n\r\nQUJD\r\n"
	"--out--\r\nepilogue\r\n";

TEST(nested_message)
{
	struct fixture f;
	size_t at;
	uint32_t path[] = {2, 1};

	open_message(&f, mixed);
	CHECK_SLICE(buf_slice(&f.shape),
		    SL("multipart(multipart(leaf,leaf),message(multipart(leaf))"
		       ",leaf)"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 2, 1, 1, 0), SL("na=EFve\r\nthe end"));
	CHECK_SLICE(cut(&f, SECTION_MIME, 2, 1, 2, 0),
		    SL("Content-Type: text/html\r\nContent-Language: de, en\r\n\r\n"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 2, 1, 2, 0), SL("<p>na&iuml;ve</p>"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 2, 2, 1, 0), SL("deep text"));
	CHECK_SLICE(cut(&f, SECTION_HEADER, 1, 2, 0, 0),
		    SL("From: inner@example.com\r\nSubject: Inside\r\nContent-Type: "
		       "multipart/mixed; boundary=deep\r\n\r\n"));
	CHECK_SLICE(cut(&f, SECTION_TEXT, 1, 2, 0, 0),
		    SL("--deep\r\n\r\ndeep text\r\n--deep--\r\n"));
	CHECK_SLICE(cut(&f, SECTION_MIME, 1, 2, 0, 0),
		    SL("Content-Type: message/rfc822\r\nContent-Description: forwarded\r\n\r\n"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 1, 3, 0, 0), SL("QUJD"));
	CHECK_SLICE(cut(&f, SECTION_HEADER, 1, 3, 0, 0), SL("(none)"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 1, 4, 0, 0), SL("(none)"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 3, 2, 1, 1), SL("(none)"));
	REQUIRE(summary_part_find(f.s.parts, f.s.nparts, path, 2, &at));
	CHECK_INT(at, 6);
	CHECK(!summary_part_find(f.s.parts, f.s.nparts, path, 0, &at));
	CHECK_SLICE(f.s.text, SL("na\xc3\xafve\r\nthe end\r\n\nna\xc3\xafve\n"
				 "inner@example.com\nInside\ndeep text\r\n\n"
				 "r\xc3\xa9sum\xc3\xa9.pdf\n"));
	close_message(&f);
}

TEST(nested_structure)
{
	struct fixture f;
	struct buf body;

	open_message(&f, mixed);
	CHECK_SLICE(
		f.s.bodystructure,
		SL("(((\"text\" \"plain\" (\"charset\" \"iso-8859-1\") NIL NIL "
		   "\"quoted-printable\" 16 1 NIL NIL NIL NIL)"
		   "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 17 0 NIL NIL (\"de\" \"en\") NIL) "
		   "\"alternative\" (\"boundary\" \"in\") NIL NIL NIL)"
		   "(\"message\" \"rfc822\" NIL NIL \"forwarded\" \"7BIT\" 121 "
		   "(NIL \"Inside\" ((NIL NIL \"inner\" \"example.com\")) ((NIL NIL \"inner\" "
		   "\"example.com\")) ((NIL NIL \"inner\" \"example.com\")) NIL NIL NIL NIL NIL) "
		   "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 9 0 NIL NIL "
		   "NIL NIL) \"mixed\" (\"boundary\" \"deep\") NIL NIL NIL) 8 NIL NIL NIL NIL)"
		   "(\"application\" \"pdf\" (\"name\" {12}\r\nr\xc3\xa9sum\xc3\xa9.pdf) "
		   "\"<pdf@example.net>\" NIL \"base64\" 4 \"Q2hlY2s=\" (\"attachment\" "
		   "(\"filename*\" \"utf-8''r%C3%A9sum%C3%A9.pdf\" \"size\" \"3\")) NIL "
		   "\"http://example.net/x\") \"mixed\" (\"boundary\" \"out\") NIL NIL NIL)"));
	buf_init(&body, 65536, NULL);
	CHECK(structure_to_body(f.s.bodystructure, &body));
	CHECK_SLICE(
		buf_slice(&body),
		SL("(((\"text\" \"plain\" (\"charset\" \"iso-8859-1\") NIL NIL "
		   "\"quoted-printable\" 16 1)"
		   "(\"text\" \"html\" NIL NIL NIL \"7BIT\" 17 0) \"alternative\")"
		   "(\"message\" \"rfc822\" NIL NIL \"forwarded\" \"7BIT\" 121 "
		   "(NIL \"Inside\" ((NIL NIL \"inner\" \"example.com\")) ((NIL NIL \"inner\" "
		   "\"example.com\")) ((NIL NIL \"inner\" \"example.com\")) NIL NIL NIL NIL NIL) "
		   "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 9 0) "
		   "\"mixed\") 8)"
		   "(\"application\" \"pdf\" (\"name\" {12}\r\nr\xc3\xa9sum\xc3\xa9.pdf) "
		   "\"<pdf@example.net>\" NIL \"base64\" 4) \"mixed\")"));
	/* A body is a body structure without extension data. */
	slice_t once = buf_slice(&body);
	struct buf again;

	buf_init(&again, 65536, NULL);
	CHECK(structure_to_body(once, &again));
	CHECK_SLICE(buf_slice(&again), once);
	buf_fini(&again);
	buf_fini(&body);
	close_message(&f);
}

TEST(structure_to_body_refuses)
{
	static const char *const bad[] = {
		"()",
		"(NIL)",
		"(\"a\" \"b\")",
		"((\"a\" \"b\" NIL NIL NIL \"7BIT\" 1))",
		"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1)",
		"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 1 NIL NIL 3)",
		"(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 1)",
		"(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1) x",
		"(\"A\" \"B\" NIL NIL NIL \"7BIT\" 1",
		"\"A\"",
		"",
	};
	struct buf out;

	buf_init(&out, 4096, NULL);
	buf_puts(&out, "kept");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("bad %zu: %s", i, bad[i]);
		CHECK(!structure_to_body(slice_str(bad[i]), &out));
		CHECK_SLICE(buf_slice(&out), SL("kept"));
	}
	buf_reset(&out);
	for (size_t i = 0; i < 2 * SUMMARY_DEPTH_MAX; i++)
		buf_putc(&out, '(');
	struct buf deep = out;
	struct buf none;

	buf_init(&none, 4096, NULL);
	CHECK(!structure_to_body(buf_slice(&deep), &none));
	buf_fini(&none);
	buf_fini(&out);
}

/* Delimiters that are none, are cut, doubled, or another's. */
TEST(boundaries)
{
	static const struct {
		const char *body;
		const char *shape;
	} cases[] = {
		{"--b\r\n\r\nx\r\n--b--\r\n", "multipart(leaf)"},
		{"--b\r\n\r\nx\r\n--b\r\n\r\ny", "multipart(leaf,leaf)"},
		{"--b\n\nx\n--b--\n", "multipart(leaf)"},
		{"--b \t\r\n\r\nx\r\n--b-- \r\n", "multipart(leaf)"},
		{"--b\r\n\r\nx\r\n--bb\r\n--b-\r\n-- b\r\n--b x\r\n b\r\n--b--\r\n",
		 "multipart(leaf)"},
		{"--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\nepilogue\r\n", "multipart(leaf)"},
		{"--b", "multipart(leaf)"},
		{"--b--", "leaf"},
		{"--", "leaf"},
		{"no delimiter at all\r\n", "leaf"},
		{"", "leaf"},
		{"--b\r\nContent-Type: text/plain\r\n--b\r\n\r\n--b--", "multipart(leaf,leaf)"},
		{"--b\r\n\r\n--b\r\n\r\n--b--", "multipart(leaf,leaf)"},
		/* A part that is never closed ends with its parent's next delimiter. */
		{"--b\r\nContent-Type: multipart/mixed; "
		 "boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
		 "multipart(multipart(leaf),leaf)"},
		{"--b\r\nContent-Type: multipart/mixed; "
		 "boundary=c\r\n\r\n--b\r\n\r\ny\r\n--b--\r\n",
		 "multipart(leaf,leaf)"},
		/* One boundary for two levels: the inner one is meant until it is closed. */
		{"--b\r\nContent-Type: multipart/mixed; "
		 "boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--\r\n",
		 "multipart(multipart(leaf),leaf)"},
		{"--b\r\nContent-Type: message/rfc822\r\n--b\r\n\r\ny\r\n--b--\r\n",
		 "multipart(message(leaf),leaf)"},
		{"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: cut\r\n--b--\r\n",
		 "multipart(message(leaf))"},
		{"--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\n",
		 "multipart(message(message(leaf)))"},
		{"--b\r\nContent-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n--b--",
		 "multipart(leaf)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char message[1000];
		struct fixture f;

		snprintf(message, sizeof message,
			 "Content-Type: multipart/mixed; boundary=b\r\n\r\n%s", cases[i].body);
		check_note("case %zu: %s", i, cases[i].body);
		open_message(&f, message);
		CHECK_SLICE(buf_slice(&f.shape), slice_str(cases[i].shape));
		close_message(&f);
	}
}

TEST(no_boundary_is_plain_text)
{
	struct fixture f;

	open_message(&f, "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nhello\r\n");
	CHECK_SLICE(f.s.bodystructure,
		    SL("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 14 3 NIL NIL NIL "
		       "NIL)"));
	CHECK_SLICE(f.s.text, SL("--x\r\n\r\nhello\r\n\n"));
	close_message(&f);
	open_message(
		&f,
		"Content-Type: multipart/mixed; boundary=z\r\nContent-ID: <x>\r\n\r\nhello\r\n");
	CHECK_SLICE(f.s.bodystructure, SL("(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
					  "\"7BIT\" 7 1 NIL NIL NIL NIL)"));
	close_message(&f);
}

TEST(digest_and_encoded_messages)
{
	struct fixture f;

	open_message(&f,
		     "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: one\r\n"
		     "\r\nx\r\n--b\r\nContent-Type: text/plain\r\n\r\ny\r\n--b--\r\n");
	CHECK_SLICE(buf_slice(&f.shape), SL("multipart(message(leaf),leaf)"));
	close_message(&f);
	open_message(
		&f, "Content-Type: message/rfc822; x=y\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		    "QUJD\r\n");
	CHECK_SLICE(f.s.bodystructure, SL("(\"APPLICATION\" \"OCTET-STREAM\" (\"x\" \"y\") NIL NIL "
					  "\"base64\" 6 NIL NIL NIL NIL)"));
	close_message(&f);
	/* The message itself may be one: its envelope is its own. */
	open_message(
		&f,
		"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx");
	CHECK_SLICE(f.s.envelope, SL("(NIL \"outer\" NIL NIL NIL NIL NIL NIL NIL NIL)"));
	CHECK_SLICE(
		f.s.bodystructure,
		SL("(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 19 (NIL \"inner\" NIL NIL NIL NIL "
		   "NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL "
		   "\"7BIT\" 1 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)"));
	CHECK_SLICE(cut(&f, SECTION_BODY, 2, 1, 1, 0), SL("x"));
	CHECK_SLICE(cut(&f, SECTION_HEADER, 1, 1, 0, 0), SL("Subject: inner\r\n\r\n"));
	close_message(&f);
}

TEST(envelope_forms)
{
	struct fixture f;

	open_message(
		&f,
		"From: =?utf-8?Q?J=C3=B6rg?= <j@example.net>\r\nSender: s@example.net\r\n"
		"Reply-To: \r\nTo: team: a@example.org, \"B, b\" <b@example.org>;, "
		"c@example.org\r\n"
		"To: d@example.org\r\nCc: undisclosed-recipients:;\r\nSubject:\r\n"
		"Subject: second\r\nIn-Reply-To: <x@y>\r\nBcc: gr\xc3\xbcn@example.org\r\n\r\n");
	CHECK_SLICE(
		f.s.envelope,
		SL("(NIL \"\" ((\"=?utf-8?Q?J=C3=B6rg?=\" NIL \"j\" \"example.net\")) ((NIL NIL "
		   "\"s\" \"example.net\")) ((\"=?utf-8?Q?J=C3=B6rg?=\" NIL \"j\" "
		   "\"example.net\")) ((NIL NIL \"team\" NIL)(NIL NIL \"a\" \"example.org\")(\"B, "
		   "b\" NIL \"b\" \"example.org\")(NIL NIL NIL NIL)(NIL NIL \"c\" \"example.org\")"
		   "(NIL NIL \"d\" \"example.org\")) ((NIL NIL \"undisclosed-recipients\" NIL)(NIL "
		   "NIL NIL NIL)) ((NIL NIL {5}\r\ngr\xc3\xbcn \"example.org\")) \"<x@y>\" NIL)"));
	CHECK_SLICE(f.s.from, SL("J\xc3\xb6rg <j@example.net>"));
	CHECK_SLICE(f.s.to, SL("team: a@example.org, \"B, b\" <b@example.org>;, c@example.org, "
			       "d@example.org"));
	close_message(&f);
}

TEST(columns)
{
	struct fixture f;

	open_message(
		&f,
		"Subject: Re: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n [x]\r\nReferences: <a@b>\r\n\t<c@d> "
		"junk <e\r\n @f> <>\r\nIn-Reply-To: Your message <g@h>\r\nDate: nonsense\r\n"
		"Message-ID: <\"q\"@z>\r\n\r\n");
	CHECK_SLICE(f.s.subject, SL("Re: Gr\xc3\xbc\xc3\x9f"
				    "e [x]"));
	CHECK_SLICE(f.s.base_subject, SL("gr\xc3\xbc\xc3\x9f"
					 "e [x]"));
	REQUIRE(f.s.nreferences == 3);
	CHECK_SLICE(f.s.references[0], SL("a@b"));
	CHECK_SLICE(f.s.references[2], SL("e@f"));
	CHECK(!f.s.has_sent);
	CHECK_SLICE(f.s.message_id, SL("\"q\"@z"));
	close_message(&f);
	open_message(&f, "In-Reply-To: Your message <g@h> and <i@j>\r\n\r\n");
	REQUIRE(f.s.nreferences == 1);
	CHECK_SLICE(f.s.references[0], SL("g@h"));
	close_message(&f);
}

/* ---- limits ---- */

static void open_built(struct fixture *f, const struct buf *message)
{
	CHECK(!buf_failed(message));
	open_with(f, buf_slice(message), NULL);
}

static void build(struct buf *b)
{
	buf_init(b, (size_t)16 << 20, NULL);
}

TEST(limit_depth)
{
	struct fixture f;
	struct buf m, want;

	build(&m);
	build(&want);
	for (int i = 0; i < SUMMARY_DEPTH_MAX + 8; i++)
		buf_printf(&m, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i,
			   i);
	open_built(&f, &m);
	CHECK_INT(f.s.nparts, SUMMARY_DEPTH_MAX);
	CHECK_INT(f.s.parts[SUMMARY_DEPTH_MAX - 1].kind, MIME_LEAF);
	buf_puts(&want, "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" ");
	CHECK(slice_find(f.s.bodystructure, buf_slice(&want)) < f.s.bodystructure.n);
	CHECK(imaptext_list_check(f.s.bodystructure, SUMMARY_LIST_DEPTH_MAX));
	close_message(&f);
	buf_reset(&m);
	for (int i = 0; i < SUMMARY_DEPTH_MAX + 8; i++)
		buf_puts(&m, "Content-Type: message/rfc822\r\n\r\n");
	open_built(&f, &m);
	CHECK_INT(f.s.nparts, SUMMARY_DEPTH_MAX);
	close_message(&f);
	buf_fini(&m);
	buf_fini(&want);
}

/* What is not kept is not looked into. */
TEST(limits_sizes)
{
	struct fixture f;

	open_with(&f,
		  SL(HEAD "Subject: Hello\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
			  "--b\r\n\r\nsecret\r\n--b\r\n\r\nwords\r\n--b--\r\n"),
		  &mime_limits_sizes);
	CHECK_SLICE(buf_slice(&f.shape), SL("leaf"));
	CHECK_INT(f.s.size, f.message.n);
	CHECK_INT(f.s.header_size, f.message.n - 36);
	CHECK_INT(f.s.lines, 7);
	CHECK_INT(f.s.nfields, 0);
	CHECK(!f.s.fields_complete);
	CHECK_INT(f.s.text.n, 0);
	CHECK_INT(f.s.subject.n, 0);
	close_message(&f);
}

TEST(limit_parts)
{
	struct fixture f;
	struct buf m, body;

	build(&m);
	build(&body);
	buf_puts(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < SUMMARY_PARTS_MAX + 50; i++)
		buf_puts(&m, "--b\r\n\r\nx\r\n");
	buf_puts(&m, "--b--\r\n");
	open_built(&f, &m);
	CHECK_INT(f.s.nparts, SUMMARY_PARTS_MAX);
	CHECK(f.s.bodystructure.n <= SUMMARY_STRUCTURE_MAX);
	CHECK(structure_to_body(f.s.bodystructure, &body));
	CHECK(f.s.big);
	close_message(&f);
	buf_fini(&m);
	buf_fini(&body);
}

TEST(limit_structure_lean)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_puts(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&m, "--b\r\nContent-Type: text/plain; name=\"%0900d\"\r\n\r\nx\r\n", i);
	open_built(&f, &m);
	CHECK_INT(f.s.nparts, 101);
	CHECK(slice_starts(
		f.s.bodystructure,
		SL("((\"text\" \"plain\" NIL NIL NIL \"7BIT\" 1 0)(\"text\" \"plain\" NIL")));
	CHECK(slice_ends(f.s.bodystructure, SL(")(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 3 1) "
					       "\"mixed\")")));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_structure_opaque)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_puts(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 900; i++)
		buf_printf(&m, "--b\r\nContent-Type: application/%0100d\r\n\r\nx\r\n", i);
	open_built(&f, &m);
	CHECK_INT(f.s.nparts, 1);
	CHECK_INT(f.s.parts[0].kind, MIME_LEAF);
	CHECK(slice_starts(f.s.bodystructure,
			   SL("(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" ")));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_header_bytes)
{
	struct fixture f;
	struct buf m;

	build(&m);
	while (m.n < MIME_HEADER_MAX)
		buf_puts(
			&m,
			"X-Filler: 0123456789012345678901234567890123456789012345678901234567\r\n");
	buf_puts(&m, "Subject: too late\r\n\r\nbody");
	open_built(&f, &m);
	CHECK_INT(f.s.subject.n, 0);
	CHECK(!f.s.fields_complete);
	CHECK_INT(f.s.header_size, m.n - 4);
	close_message(&f);
	buf_reset(&m);
	buf_puts(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n");
	for (int i = 0; i * 1000 < (int)MIME_PART_HEADER_MAX; i++)
		buf_printf(&m, "X-Filler: %0990d\r\n", i);
	buf_puts(&m, "Content-Type: text/html\r\n\r\nx");
	open_built(&f, &m);
	CHECK(slice_starts(f.s.bodystructure, SL("((\"TEXT\" \"PLAIN\" ")));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_fields)
{
	struct fixture f;
	struct buf m;

	build(&m);
	for (int i = 0; i < MIME_FIELDS_MAX; i++)
		buf_puts(&m, "X: y\r\n");
	buf_puts(&m, "Subject: too late\r\n\r\n");
	open_built(&f, &m);
	CHECK_INT(f.s.subject.n, 0);
	CHECK(!f.s.fields_complete);
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_field_bytes)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_puts(&m, "To: ");
	while (m.n < 2 * MIME_FIELD_MAX)
		buf_puts(&m, "someone@example.org,\r\n ");
	buf_puts(&m, "last@example.org\r\nSubject: after it\r\n\r\n");
	open_built(&f, &m);
	CHECK_SLICE(f.s.subject, SL("after it"));
	CHECK(!f.s.fields_complete);
	CHECK(f.s.envelope.n <= SUMMARY_ENVELOPE_MAX);
	CHECK(slice_find(f.s.envelope, SL("last")) == f.s.envelope.n);
	CHECK_INT(f.s.to.n, SUMMARY_COLUMN_MAX);
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_envelope)
{
	static const char *const names[] = {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"};
	struct fixture f;
	struct buf m;

	build(&m);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_printf(&m, "%s: group: ", names[i]);
		for (int k = 0; k < 1000; k++)
			buf_printf(&m, "\"N\xc3\xa9me %d\" <address%d@example.org>,\r\n ", k, k);
		buf_puts(&m, "last@example.org;\r\n");
	}
	buf_printf(&m,
		   "Subject: %05000d\r\nMessage-ID: <%05000d>\r\nIn-Reply-To: <%05000d>\r\n"
		   "Date: %01000d\r\n\r\n",
		   1, 2, 3, 4);
	open_built(&f, &m);
	CHECK(f.s.envelope.n <= SUMMARY_ENVELOPE_MAX);
	CHECK(f.s.envelope.n > 12000);
	CHECK_INT(f.s.message_id.n, 0);
	CHECK(f.s.big);
	close_message(&f);
	buf_reset(&m);
	/* Short addresses: their number is the limit. */
	buf_puts(&m, "To: ");
	for (int i = 0; i < ENVELOPE_ADDRESSES_MAX + 100; i++)
		buf_printf(&m, "a@b,\r\n ");
	buf_puts(&m, "\r\n\r\n");
	open_built(&f, &m);
	CHECK(f.s.envelope.n <= ENVELOPE_ADDRESSES_MAX * strlen("(NIL NIL \"a\" \"b\")") + 60);
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_kept_fields)
{
	struct fixture f;
	struct buf m;
	size_t total = 0;

	build(&m);
	for (int i = 0; i < 20; i++)
		buf_printf(&m, "List-X: %0100d\r\n", i);
	buf_puts(&m, "Subject: x\r\n\r\n");
	open_built(&f, &m);
	for (size_t i = 0; i < f.s.nfields; i++)
		total += f.s.fields[i].raw.n;
	CHECK(total <= SUMMARY_FIELDS_BYTES_MAX);
	CHECK(!f.s.fields_complete);
	CHECK_SLICE(f.s.fields[f.s.nfields - 1].name, SL("Subject"));
	close_message(&f);
	/* As many as can be. */
	buf_reset(&m);
	for (size_t i = 0; i < SUMMARY_FIELDS_MAX; i++)
		buf_puts(&m, "Cc:\n");
	open_built(&f, &m);
	CHECK_INT(f.s.nfields, SUMMARY_FIELDS_MAX);
	CHECK(f.s.fields_complete);
	close_message(&f);
	/* A NUL cannot be sent as it stands. */
	buf_reset(&m);
	buf_put(&m, SL("Subject: a\0b\r\n\r\n"));
	open_built(&f, &m);
	CHECK_INT(f.s.nfields, 0);
	CHECK(!f.s.fields_complete);
	CHECK_SLICE(f.s.subject, SL("ab"));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_references)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_puts(&m, "References:");
	for (int i = 0; i < SUMMARY_REFERENCES_MAX + 10; i++)
		buf_printf(&m, " <%d@x>", i);
	buf_puts(&m, "\r\n\r\n");
	open_built(&f, &m);
	CHECK_INT(f.s.nreferences, SUMMARY_REFERENCES_MAX);
	CHECK_SLICE(f.s.references[0], SL("0@x"));
	CHECK_SLICE(f.s.references[1], SL("11@x"));
	CHECK_SLICE(f.s.references[SUMMARY_REFERENCES_MAX - 1], SL("41@x"));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_boundary)
{
	struct fixture f;
	struct buf m;

	build(&m);
	for (int n = MIME_BOUNDARY_MAX; n <= MIME_BOUNDARY_MAX + 1; n++) {
		buf_reset(&m);
		buf_printf(&m,
			   "Content-Type: multipart/mixed; boundary=%0*d\r\n\r\n--%0*d%*s\r\n\r\nx",
			   n, 1, n, 1, n == MIME_BOUNDARY_MAX ? 200 : 0, "");
		open_built(&f, &m);
		CHECK_SLICE(buf_slice(&f.shape),
			    n == MIME_BOUNDARY_MAX ? SL("multipart(leaf)") : SL("leaf"));
		close_message(&f);
	}
	/* Padding that makes the line too long. */
	buf_reset(&m);
	buf_printf(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b%*s\r\n\r\nx",
		   MIME_DELIMITER_MAX, "");
	open_built(&f, &m);
	CHECK_SLICE(buf_slice(&f.shape), SL("leaf"));
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_text)
{
	struct mime_limits none = mime_limits_default;
	struct fixture f;
	struct buf m;

	build(&m);
	buf_puts(&m, "Content-Type: text/plain; charset=utf-8\r\n\r\nx");
	while (m.n < 2 * SUMMARY_TEXT_MAX)
		buf_puts(&m, "\xc3\xbc");
	open_built(&f, &m);
	CHECK_INT(f.s.text.n, SUMMARY_TEXT_MAX - 1);
	CHECK(f.s.text_cut);
	close_message(&f);
	none.text_bytes = 0;
	open_with(&f, buf_slice(&m), &none);
	CHECK_INT(f.s.text.n, 0);
	close_message(&f);
	buf_fini(&m);
}

/* Lines of any length, and of only a beginning, do not grow what is held. */
TEST(long_lines)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_printf(&m, "X-Long: %0100000d\r\nSubject: s%01000d\r\n", 1, 2);
	buf_printf(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b%0100000d",
		   3);
	buf_puts(&m, "\r\n--b--");
	open_built(&f, &m);
	CHECK_SLICE(buf_slice(&f.shape), SL("multipart(leaf)"));
	CHECK_INT(f.s.parts[1].body_end - f.s.parts[1].body_off, 100003);
	CHECK_INT(f.s.subject.n, 1001);
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_names)
{
	struct fixture f;
	struct buf m;

	build(&m);
	/* A type that is too long is not valid; a charset that is too long is not known. */
	for (int n = CTYPE_NAME_MAX; n <= CTYPE_NAME_MAX + 1; n++) {
		buf_reset(&m);
		buf_printf(&m, "Content-Type: x/%0*d\r\n\r\nx", n, 1);
		open_built(&f, &m);
		CHECK(slice_starts(f.s.bodystructure, n == CTYPE_NAME_MAX
							      ? SL("(\"x\" \"000")
							      : SL("(\"TEXT\" \"PLAIN\"")));
		close_message(&f);
	}
	buf_reset(&m);
	buf_printf(&m, "Content-Type: text/plain; charset=%0*d\r\n\r\n\xfc", CONTENT_NAME_MAX + 1,
		   1);
	open_built(&f, &m);
	CHECK_SLICE(f.s.text, SL("\xc3\xbc\n"));
	close_message(&f);
	/* An encoding that is too long is told as unknown, and nothing is decoded. */
	buf_reset(&m);
	buf_printf(&m, "Content-Transfer-Encoding: %0*d\r\n\r\nx", CONTENT_NAME_MAX + 1, 1);
	open_built(&f, &m);
	CHECK(slice_find(f.s.bodystructure, SL("\"X-UNKNOWN\" 1 0")) < f.s.bodystructure.n);
	CHECK_INT(f.s.parts[0].cte, MIME_CTE_OTHER);
	CHECK_INT(f.s.text.n, 0);
	close_message(&f);
	/* A field's name must end within what is held of a line. */
	for (int n = MIME_DELIMITER_MAX - 9; n <= MIME_DELIMITER_MAX - 8; n++) {
		buf_reset(&m);
		buf_printf(&m, "Content-%0*d: x\r\n\r\n", n, 1);
		open_built(&f, &m);
		CHECK_INT(f.s.nfields, n == MIME_DELIMITER_MAX - 9);
		close_message(&f);
	}
	buf_fini(&m);
}

TEST(limit_languages_and_filename)
{
	struct fixture f;
	struct buf m;
	size_t count = 0;

	build(&m);
	buf_puts(&m, "Content-Language: x-0");
	for (int i = 1; i < CONTENT_LANGUAGES_MAX + 5; i++)
		buf_printf(&m, ", x-%d", i);
	buf_printf(&m,
		   "\r\nContent-Disposition: attachment; filename=\"%0*d\"\r\n"
		   "Content-Type: a/b\r\n\r\n",
		   CONTENT_FILENAME_MAX + 100, 1);
	open_built(&f, &m);
	for (slice_t rest = f.s.bodystructure; rest.n != 0; count++) {
		size_t at = slice_find(rest, SL("\"x-"));

		if (at == rest.n)
			break;
		rest = slice_from(rest, at + 1);
	}
	CHECK_INT(count, CONTENT_LANGUAGES_MAX);
	CHECK_INT(f.s.text.n, CONTENT_FILENAME_MAX + 1);
	close_message(&f);
	buf_fini(&m);
}

TEST(limit_encoded_word)
{
	struct fixture f;
	struct buf m;

	build(&m);
	for (int n = ENCWORD_MAX - 20; n <= ENCWORD_MAX; n += 20) {
		buf_reset(&m);
		buf_printf(&m, "Subject: =?utf-8?Q?%0*d?=\r\n\r\n", n, 1);
		open_built(&f, &m);
		CHECK(slice_starts(f.s.subject, n < ENCWORD_MAX ? SL("000") : SL("=?utf-8?Q?000")));
		close_message(&f);
	}
	buf_fini(&m);
}

TEST(limit_base_subject)
{
	struct fixture f;
	struct buf m;

	build(&m);
	buf_printf(&m, "Subject: %0*d\r\nMessage-ID: <%0*d>\r\n\r\n", SUMMARY_COLUMN_MAX + 10, 1,
		   SUMMARY_MESSAGE_ID_MAX - 1, 1);
	open_built(&f, &m);
	CHECK_INT(f.s.subject.n, SUMMARY_COLUMN_MAX);
	CHECK_INT(f.s.base_subject.n, SUMMARY_BASE_SUBJECT_MAX);
	CHECK_INT(f.s.message_id.n, SUMMARY_MESSAGE_ID_MAX - 1);
	close_message(&f);
	buf_fini(&m);
}

/* ---- memory ---- */

/* The worst that a message can make of it. */
#define MEMORY_MAX ((size_t)1536 * 1024)

static void hostile(struct buf *m)
{
	build(m);
	buf_puts(m, "To: ");
	while (m->n < 60000)
		buf_puts(m, "a@b,");
	buf_puts(m, "\r\nReferences: ");
	while (m->n < 120000)
		buf_puts(m, "<a@b>");
	buf_puts(m, "\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < SUMMARY_PARTS_MAX; i++)
		buf_printf(m,
			   "--b\r\nContent-Type: text/%0120d; a*0*=%0500d; "
			   "a*1=\"\xff\xff\xff\"\r\n\r\nx\r\n",
			   i, i);
	buf_puts(m, "--b\r\nContent-Type: a/b");
	for (int i = 0; i < 60; i++)
		buf_printf(m, "; p*%d*=%01000d", i, i);
	buf_puts(m, "\r\n\r\n");
	while (m->n < 3u << 20)
		buf_puts(m, "some text to search in\r\n");
}

TEST(memory_is_bounded)
{
	struct mime_summary s;
	struct mime_parser *p;
	struct budget budget;
	struct buf m;

	hostile(&m);
	budget_init(&budget, MEMORY_MAX, NULL);
	CHECK_ERR(parse_steps(buf_slice(&m), 4096, NULL, &budget, &p, &s), E_OK);
	check_note("peak %zu", budget.peak);
	CHECK(budget.peak < MEMORY_MAX);
	mime_parser_free(&p);
	CHECK_INT(budget.used, 0);
	budget_fini(&budget);
	buf_fini(&m);
}

/* Whatever is refused, the answer is E_LIMIT or a whole summary, and all memory comes back. */
TEST(memory_refused_anywhere)
{
	unsigned limited = 0;
	struct buf m;

	hostile(&m);
	for (size_t max = 1000; max < MEMORY_MAX; max += 1 + max / 8) {
		struct mime_summary s;
		struct mime_parser *p;
		struct budget budget;
		enum err err;

		budget_init(&budget, max, NULL);
		err = parse_steps(buf_slice(&m), 65536, NULL, &budget, &p, &s);
		CHECK(err == E_OK || err == E_LIMIT);
		limited += err == E_LIMIT;
		mime_parser_free(&p);
		CHECK_INT(budget.used, 0);
		budget_fini(&budget);
	}
	CHECK(limited > 10);
	buf_fini(&m);
}

/* ---- any cut ---- */

TEST(same_for_any_cut)
{
	struct mime_parser *p;
	struct mime_summary s;
	struct buf want, got;

	buf_init(&want, 1 << 20, NULL);
	buf_init(&got, 1 << 20, NULL);
	CHECK_ERR(parse_steps(slice_str(mixed), 0, NULL, NULL, &p, &s), E_OK);
	parse_print(&s, &want);
	mime_parser_free(&p);
	for (size_t at = 1; at < sizeof mixed; at++) {
		/* Two pieces cut at `at`, and pieces of that many bytes. */
		struct mime_parser *two = mime_parser_new(NULL, NULL);

		mime_parser_feed(two, slice_sub(slice_str(mixed), 0, at));
		mime_parser_feed(two, slice_from(slice_str(mixed), at));
		CHECK_ERR(mime_parser_end(two, &s), E_OK);
		buf_reset(&got);
		parse_print(&s, &got);
		check_note("cut at %zu", at);
		CHECK_SLICE(buf_slice(&got), buf_slice(&want));
		mime_parser_free(&two);
		CHECK_ERR(parse_steps(slice_str(mixed), at, NULL, NULL, &p, &s), E_OK);
		buf_reset(&got);
		parse_print(&s, &got);
		CHECK_SLICE(buf_slice(&got), buf_slice(&want));
		mime_parser_free(&p);
	}
	buf_fini(&want);
	buf_fini(&got);
}

/* Fields in front of the record count as the header's own, wherever the parser stands in it. */
TEST(added_fields)
{
	static const char message[] = "Subject: hi\r\nX-Long: a\r\n b\r\n\r\nDate: body\r\n";
	size_t header = strlen("Subject: hi\r\nX-Long: a\r\n b\r\n");

	for (size_t at = 0; at <= header; at++) {
		struct mime_parser *p = mime_parser_new(NULL, NULL);
		struct mime_summary s;

		check_note("at %zu", at);
		mime_parser_feed(p, slice(message, at));
		mime_parser_add_field(p, SL("From: <a@b.example>\r\n"));
		mime_parser_add_field(p, SL("Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"));
		mime_parser_add_field(p, SL("Message-ID: <1@b.example>\r\n"));
		mime_parser_feed(p, slice_from(slice_str(message), at));
		/* Too late: the header is over. */
		mime_parser_add_field(p, SL("To: <late@b.example>\r\n"));
		CHECK_ERR(mime_parser_end(p, &s), E_OK);
		CHECK_SLICE(s.envelope,
			    SL("(\"Sat, 21 Nov 2026 12:00:00 +0000\" \"hi\" "
			       "((NIL NIL \"a\" \"b.example\")) ((NIL NIL \"a\" \"b.example\")) "
			       "((NIL NIL \"a\" \"b.example\")) NIL NIL NIL NIL "
			       "\"<1@b.example>\")"));
		CHECK(s.has_sent);
		CHECK_INT(s.to.n, 0);
		CHECK_INT(s.size, sizeof message - 1);
		mime_parser_free(&p);
	}
}
