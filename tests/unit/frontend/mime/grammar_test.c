/* The small readers: fields, parameters, encoded words, charsets, decoders, markup, subjects. */
#include "common/base/utf8.h"
#include "frontend/mime/charset.h"
#include "frontend/mime/ctype.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/html.h"
#include "frontend/mime/imaptext.h"
#include "frontend/mime/qp.h"
#include "frontend/mime/subject.h"
#include "tests/lib/check.h"

TEST(hdr_ids)
{
	CHECK_INT(hdr_id(SL("From")), HDR_FROM);
	CHECK_INT(hdr_id(SL("mEsSaGe-iD")), HDR_MESSAGE_ID);
	CHECK_INT(hdr_id(SL("In-Reply-To")), HDR_IN_REPLY_TO);
	CHECK_INT(hdr_id(SL("MIME-Version")), HDR_MIME_VERSION);
	CHECK_INT(hdr_id(SL("content-type")), HDR_CONTENT_TYPE);
	CHECK_INT(hdr_id(SL("Content-Foo")), HDR_CONTENT_OTHER);
	CHECK_INT(hdr_id(SL("List-Unsubscribe")), HDR_LIST);
	CHECK_INT(hdr_id(SL("Received")), HDR_OTHER);
	CHECK_INT(hdr_id(SL("Return-Path")), HDR_OTHER);
	CHECK_INT(hdr_id(SL("")), HDR_OTHER);
	CHECK(hdr_name_kept(SL("X-PRIORITY")));
	CHECK(!hdr_name_kept(SL("Delivered-To")));
}

TEST(hdr_iterates)
{
	struct hdr_iter it;
	slice_t name, raw;

	hdr_iter_init(&it, SL("A: 1\r\nB : 2\r\n 3\n\t4\r\nno field\r\nC:\r\n\r\nD: 5\r\n"));
	REQUIRE(hdr_iter_next(&it, &name, &raw));
	CHECK_SLICE(name, SL("A"));
	CHECK_SLICE(raw, SL("A: 1\r\n"));
	REQUIRE(hdr_iter_next(&it, &name, &raw));
	CHECK_SLICE(name, SL("B"));
	CHECK_SLICE(hdr_field_body(raw), SL(" 2\r\n 3\n\t4\r\n"));
	REQUIRE(hdr_iter_next(&it, &name, &raw));
	CHECK_INT(name.n, 0);
	REQUIRE(hdr_iter_next(&it, &name, &raw));
	CHECK_SLICE(name, SL("C"));
	CHECK(!hdr_iter_next(&it, &name, &raw));
	CHECK(!hdr_iter_next(&it, &name, &raw));
}

TEST(hdr_unfolds)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	hdr_unfold(&b, slice(" a\r\n b\n\tc\0d \r\n", 14));
	CHECK_SLICE(buf_slice(&b), SL("a b\tcd"));
	buf_fini(&b);
}

static void check_params(const char *body, const char *type, const char *want)
{
	struct arena mem;
	struct ctype t;
	struct buf got;

	arena_init(&mem, NULL);
	buf_init(&got, 4096, NULL);
	check_note("body: %s", body);
	CHECK_ERR(ctype_parse(slice_str(body), &mem, &t), E_OK);
	buf_put(&got, t.type);
	buf_putc(&got, '/');
	buf_put(&got, t.subtype);
	CHECK_SLICE(buf_slice(&got), slice_str(type));
	buf_reset(&got);
	for (size_t i = 0; i < t.nparams; i++) {
		buf_put(&got, t.params[i].name);
		buf_puts(&got, t.params[i].extended ? "*=" : "=");
		buf_put(&got, t.params[i].value);
		buf_putc(&got, ';');
	}
	CHECK_SLICE(buf_slice(&got), slice_str(want));
	buf_fini(&got);
	arena_reset(&mem);
}

TEST(ctype_parameters)
{
	check_params(" text/plain", "text/plain", "");
	check_params("Text/HTML; charset=\"utf-8\"", "Text/HTML", "charset=utf-8;");
	check_params(" text / plain ; a = b ; c=\"d\\\"e\"", "text/plain", "a=b;c=d\"e;");
	check_params("text/plain (a (nested; x=y) comment); a=b (c)", "text/plain", "a=b;");
	check_params("a/b;;; x=1;garbage;y=2;", "a/b", "x=1;y=2;");
	check_params("a/b; name=two words.pdf; z=1", "a/b", "name=two words.pdf;z=1;");
	check_params("a/b; x=\"folded\r\n value\"", "a/b", "x=folded value;");
	check_params("a/b; x=\"never closed; y=1", "a/b", "x=never closed; y=1;");
	check_params("a/b; x=1; X=2", "a/b", "x=1;");
	check_params("a; charset=x", "a/", "charset=x;");
	check_params("", "/", "");
}

TEST(ctype_rfc2231)
{
	/* The examples of RFC 2231 sections 3 and 4. */
	check_params("message/external-body; access-type=URL; URL*0=\"ftp://\";"
		     " URL*1=\"cs.utk.edu/pub/x\"",
		     "message/external-body", "access-type=URL;URL=ftp://cs.utk.edu/pub/x;");
	check_params("application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;"
		     " title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
		     "application/x-stuff",
		     "title*=us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20"
		     "isn%27t%20it!;");
	/* Pieces in any order; a missing one ends it; the extended form wins over the plain one. */
	check_params("a/b; f*1=two; f*0=one; f*3=four", "a/b", "f=onetwo;");
	check_params("a/b; f=plain; f*=utf-8''ext", "a/b", "f*=utf-8''ext;");
	check_params("a/b; f*=utf-8''ext; f=plain; f*0=x", "a/b", "f*=utf-8''ext;");
	check_params("a/b; f*7=x; g=1", "a/b", "g=1;");
	check_params("a/b; f*0=x; f*1*=%20y", "a/b", "f*=''x%20y;");
}

TEST(ctype_param_limit)
{
	struct arena mem;
	struct buf body;
	struct ctype t;

	arena_init(&mem, NULL);
	buf_init(&body, 65536, NULL);
	buf_puts(&body, "a/b");
	for (int i = 0; i < CTYPE_PARAMS_MAX + 10; i++)
		buf_printf(&body, "; p%d=%d", i, i);
	CHECK_ERR(ctype_parse(buf_slice(&body), &mem, &t), E_OK);
	CHECK_INT(t.nparams, CTYPE_PARAMS_MAX);
	CHECK(ctype_param(&t, SL("P63")) != NULL);
	CHECK(ctype_param(&t, SL("p64")) == NULL);
	buf_fini(&body);
	arena_reset(&mem);
}

TEST(ctype_budget)
{
	struct budget budget;
	struct arena mem;
	struct ctype t;
	char body[3000];

	memset(body, 'x', sizeof body);
	memcpy(body, "a/b; c=\"", 8);
	budget_init(&budget, 1000, NULL);
	arena_init(&mem, &budget);
	CHECK_ERR(ctype_parse(slice(body, sizeof body), &mem, &t), E_LIMIT);
	arena_reset(&mem);
	budget_fini(&budget);
}

TEST(ctype_disposition)
{
	struct arena mem;
	struct ctype t;
	struct buf b;

	arena_init(&mem, NULL);
	buf_init(&b, 100, NULL);
	CHECK_ERR(ctype_parse_disposition(SL(" attachment; filename*=iso-8859-1''gr%fc%DFe.txt"),
					  &mem, &t),
		  E_OK);
	CHECK(t.valid);
	CHECK_SLICE(t.type, SL("attachment"));
	REQUIRE(ctype_param(&t, SL("FileName")) != NULL);
	ctype_param_text(ctype_param(&t, SL("filename")), &b, 100);
	CHECK_SLICE(buf_slice(&b), SL("gr\xc3\xbc\xc3\x9f"
				      "e.txt"));
	buf_reset(&b);
	CHECK_ERR(
		ctype_parse_disposition(SL("inline; filename=\"=?utf-8?B?w7w=?=.txt\""), &mem, &t),
		E_OK);
	REQUIRE(t.nparams == 1);
	ctype_param_text(&t.params[0], &b, 100);
	CHECK_SLICE(buf_slice(&b), SL("\xc3\xbc.txt"));
	buf_fini(&b);
	arena_reset(&mem);
}

static void check_word(const char *value, const char *want)
{
	struct buf b;

	buf_init(&b, 4096, NULL);
	check_note("value: %s", value);
	CHECK(encword_decode(slice_str(value), &b, 4096));
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

TEST(encwords)
{
	check_word("plain", "plain");
	check_word("", "");
	/* RFC 2047 section 8 */
	check_word("(=?ISO-8859-1?Q?a?=)", "(a)");
	check_word("(=?ISO-8859-1?Q?a?= b)", "(a b)");
	check_word("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)");
	check_word("=?ISO-8859-1?Q?a_b?= \t =?ISO-8859-2?Q?_c?=", "a b c");
	check_word("=?iso-8859-1?q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard");
	check_word("=?UTF-8?B?R3LDvMOfZQ==?=", "Gr\xc3\xbc\xc3\x9f"
					       "e");
	check_word("=?utf-8*de?Q?x?=", "x");
	/* A character cut between two words. */
	check_word("=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\xc3\xbc");
	check_word("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac");
	check_word("=?euc-kr?B?x9Gx2w==?=", "\xed\x95\x9c\xea\xb8\x80");
	/* What is no word is text. */
	check_word("=?x", "=?x");
	check_word("=?utf-8?X?abc?=", "=?utf-8?X?abc?=");
	check_word("=?utf-8?Q?never ends", "=?utf-8?Q?never ends");
	check_word("=?=?utf-8?Q?a?=", "=?a");
	check_word("=?utf-8?Q?bad=ZZ=?=", "bad=ZZ=");
	check_word("=?nonsense-9?Q?a=FCb?=", "a\xc3\xbc"
					     "b");
	/* Raw bytes, UTF-8 or not; controls. */
	check_word("gr\xc3\xbcn gr\xfcn\x01", "gr\xc3\xbcn gr\xc3\xbcn ");
}

TEST(encword_cut)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	CHECK(!encword_decode(SL("ab\xc3\xbc\xc3\xbc"), &b, 5));
	CHECK_SLICE(buf_slice(&b), SL("ab\xc3\xbc"));
	buf_fini(&b);
}

/* Decodes in pieces of `step` bytes, through small output buffers. */
static void decode_qp(slice_t in, size_t step, struct buf *out)
{
	struct qp_decoder q;
	char bytes[QP_SPACE_MAX + 5];

	qp_init(&q);
	while (in.n != 0) {
		slice_t piece = slice_sub(in, 0, step);

		in = slice_from(in, piece.n);
		while (piece.n != 0)
			buf_put(out, slice(bytes, qp_feed(&q, &piece, bytes, sizeof bytes)));
	}
	buf_put(out, slice(bytes, qp_end(&q, bytes)));
}

static void check_qp(slice_t in, slice_t want)
{
	for (size_t step = 1; step <= in.n; step++) {
		struct buf b;

		buf_init(&b, 4096, NULL);
		decode_qp(in, step, &b);
		check_note("step %zu", step);
		CHECK_SLICE(buf_slice(&b), want);
		buf_fini(&b);
	}
}

TEST(qp_decodes)
{
	check_qp(SL("abc"), SL("abc"));
	check_qp(SL("a=3Db=\r\nc=\nd= \t\r\ne"), SL("a=bcde"));
	check_qp(SL("a \t\r\nb  \n c  d"), SL("a\r\nb\n c  d"));
	check_qp(SL("=e4=C3=bc"), SL("\xe4\xc3\xbc"));
	check_qp(SL("=ZZ=4=4x==41="), SL("=ZZ=4=4x=A="));
	check_qp(SL("= x=\rz\r\r\n"), SL("= x=\rz\r\r\n"));
	check_qp(SL("trailing  "), SL("trailing  "));
	check_qp(SL("a=4\nb=4\r\nc=4 \r\n==\r\nd"), SL("a=4\nb=4\r\nc=4\r\n=d"));
	check_qp(SL("                                                                          "
		    "                             \r\n"),
		 SL("                                                                          "
		    "      \r\n"));
}

static void check_b64(slice_t in, slice_t want)
{
	for (size_t step = 1; step <= in.n; step++) {
		struct b64_decoder d;
		struct buf b;
		char bytes[7];

		b64_init(&d);
		buf_init(&b, 4096, NULL);
		for (slice_t rest = in; rest.n != 0;) {
			slice_t piece = slice_sub(rest, 0, step);

			rest = slice_from(rest, piece.n);
			while (piece.n != 0)
				buf_put(&b,
					slice(bytes, b64_feed(&d, &piece, bytes, sizeof bytes)));
		}
		buf_put(&b, slice(bytes, b64_end(&d, bytes)));
		check_note("step %zu", step);
		CHECK_SLICE(buf_slice(&b), want);
		buf_fini(&b);
	}
}

TEST(base64_decodes)
{
	check_b64(SL("SGVsbG8="), SL("Hello"));
	check_b64(SL("SGVs\r\nbG8gdGhl\r\ncmU="), SL("Hello there"));
	check_b64(SL("SGVsbG8"), SL("Hello"));
	check_b64(SL("SGVsbA=="), SL("Hell"));
	check_b64(SL("S!G*V-sbG8=SGk="), SL("HelloHi"));
	check_b64(SL("S"), SL(""));
	check_b64(SL("===="), SL(""));
}

static void check_charset(const char *name, slice_t in, const char *want)
{
	for (size_t step = 1; step <= in.n; step++) {
		struct charset c;
		struct buf b;
		char bytes[CHARSET_OUT_MIN];

		charset_open(&c, slice_str(name));
		buf_init(&b, 4096, NULL);
		for (slice_t rest = in; rest.n != 0;) {
			slice_t piece = slice_sub(rest, 0, step);

			rest = slice_from(rest, piece.n);
			while (piece.n != 0)
				buf_put(&b, slice(bytes,
						  charset_feed(&c, &piece, bytes, sizeof bytes)));
		}
		buf_put(&b, slice(bytes, charset_end(&c, bytes)));
		charset_close(&c);
		check_note("%s, step %zu", name, step);
		CHECK_SLICE(buf_slice(&b), slice_str(want));
		buf_fini(&b);
	}
}

TEST(charsets)
{
	charset_preload();
	check_charset("utf-8", SL("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z"),
		      "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z");
	/* Bytes that belong to no character are windows-1252's. */
	check_charset("UTF-8", SL("\xfc\xc3x\xe2\x82\x80\xe2\x82"),
		      "\xc3\xbc\xc3\x83x\xe2\x82\x80\xc3\xa2\xe2\x80\x9a");
	check_charset("", SL("caf\xe9"), "caf\xc3\xa9");
	check_charset("iso-8859-1", SL("\x93q\x94 \xa4"), "\xe2\x80\x9cq\xe2\x80\x9d \xc2\xa4");
	check_charset("ISO-8859-15", SL("\xa4"), "\xe2\x82\xac");
	check_charset("koi8-r", SL("\xf0\xd2\xc9"), "\xd0\x9f\xd1\x80\xd0\xb8");
	check_charset("gb2312", SL("\xc4\xe3\xba\xc3!"), "\xe4\xbd\xa0\xe5\xa5\xbd!");
	check_charset("shift_jis", SL("\x93\xfa\x96{"), "\xe6\x97\xa5\xe6\x9c\xac");
	check_charset("big5", SL("\xa7\x41"), "\xe4\xbd\xa0");
	check_charset("utf-16le", SL("a\0\x3d\xd8\x00\xde"), "a\xf0\x9f\x98\x80");
	/* Wrong bytes are replaced, a cut character too. */
	check_charset("gb2312", SL("a\xff"), "a\xef\xbf\xbd");
	check_charset("euc-kr", SL("a\xc7"), "a\xef\xbf\xbd");
}

TEST(charset_long_input)
{
	struct charset c;
	char in[5000];
	char out[CHARSET_OUT_MIN];
	size_t total = 0;
	slice_t rest = slice(in, sizeof in);

	/* First bytes of characters only: each but the last is Latin-1 for itself. */
	memset(in, '\xc3', sizeof in);
	charset_open(&c, SL("utf-8"));
	while (rest.n != 0) {
		slice_t piece = slice_sub(rest, 0, 700);

		rest = slice_from(rest, piece.n);
		while (piece.n != 0)
			total += charset_feed(&c, &piece, out, sizeof out);
	}
	total += charset_end(&c, out);
	charset_close(&c);
	CHECK_INT(total, 2 * sizeof in);
}

static void check_html(const char *in, const char *want)
{
	for (size_t step = 1; step <= strlen(in); step++) {
		struct html h;
		struct buf b;
		char bytes[HTML_OUT_MIN + 1];

		html_init(&h);
		buf_init(&b, 4096, NULL);
		for (slice_t rest = slice_str(in); rest.n != 0;) {
			slice_t piece = slice_sub(rest, 0, step);

			rest = slice_from(rest, piece.n);
			while (piece.n != 0)
				buf_put(&b,
					slice(bytes, html_feed(&h, &piece, bytes, sizeof bytes)));
		}
		buf_put(&b, slice(bytes, html_end(&h, bytes)));
		check_note("html: %s, step %zu", in, step);
		CHECK_SLICE(buf_slice(&b), slice_str(want));
		buf_fini(&b);
	}
}

TEST(html_text)
{
	check_html("plain", "plain");
	check_html("<html><body>\n <p>One  <b>tw</b>o</p><p>three</body>", "One two\nthree");
	check_html("a<br>b<BR/>c<span class='x>y'>d</span>", "a\nb\ncd");
	check_html("&lt;&amp;&gt; &eacute;&#233;&#xE9;&nbsp;x&copy;",
		   "<&> \xc3\xa9\xc3\xa9\xc3\xa9 "
		   "x\xc2\xa9");
	check_html("a &unknown; b &amp c &", "a &unknown; b & c &");
	check_html("&#0;&#xd800;&#1114112;", "&#0;&#xd800;&#1114112;");
	check_html("a<!-- no > text -- x --->b<!DOCTYPE x>c<?pi?>d", "abcd");
	check_html("x<style>p { a<b }</style>y<SCRIPT type=\"t\">if (a</b) '</scrip';</SCRIPT >z",
		   "x\ny\nz");
	check_html("3 < 4 <5", "3 < 4 <5");
	check_html("so&shy;ft", "soft");
	check_html("<!---->a<!-->b-->c", "ac");
	check_html("<a href=\"a>b\">link</a>", "link");
}

static void check_base(const char *subject, const char *want)
{
	struct buf b;

	buf_init(&b, 512, NULL);
	check_note("subject: %s", subject);
	subject_base(slice_str(subject), &b, 512);
	CHECK_SLICE(buf_slice(&b), slice_str(want));
	buf_fini(&b);
}

TEST(base_subject)
{
	/* RFC 5256 section 2.1 */
	check_base("Hello", "hello");
	check_base("Re: Hello", "hello");
	check_base("RE: re[2]: Fwd: FW: Hello", "hello");
	check_base("[list] Re: [list] Hello", "hello");
	check_base("  Re:\t two   words  (fwd) (Fwd)", "two words");
	check_base("[Fwd: Re: inner (fwd)]", "inner");
	check_base("[blob]", "[blob]");
	check_base("[a][b] x", "x");
	check_base("Re", "re");
	check_base("Reply: x", "reply: x");
	check_base("Re: ", "");
	check_base("", "");
	check_base("(fwd)", "");
	check_base("[unclosed Re: x", "[unclosed re: x");
}

TEST(base_subject_cut)
{
	struct buf b;

	buf_init(&b, 4, NULL);
	subject_base(SL("ab\xc3\xbc\xc3\xbc"), &b, 4);
	CHECK_SLICE(buf_slice(&b), SL("ab\xc3\xbc"));
	buf_reset(&b);
	subject_base(SL("ab\xc3\xbc\xc3\xbc"), &b, 3);
	CHECK_SLICE(buf_slice(&b), SL("ab"));
	buf_fini(&b);
}

static void check_string(slice_t s, slice_t want)
{
	struct buf b;

	buf_init(&b, 4096, NULL);
	imaptext_nstring(&b, s);
	CHECK_SLICE(buf_slice(&b), want);
	buf_fini(&b);
}

TEST(imap_strings)
{
	char many[40];

	check_string(SL(""), SL("NIL"));
	check_string(SL("abc"), SL("\"abc\""));
	check_string(SL("a\"b\\c"), SL("\"a\\\"b\\\\c\""));
	check_string(SL("gr\xc3\xbcn"), SL("{5}\r\ngr\xc3\xbcn"));
	check_string(SL("a\r\nb"), SL("{4}\r\na\r\nb"));
	check_string(SL("a\0b"), SL("\"ab\""));
	check_string(SL("\xff\0b"), SL("{2}\r\n\xff"
				       "b"));
	memset(many, '"', sizeof many);
	check_string(
		slice(many, sizeof many),
		SL("{40}"
		   "\r\n\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
		   "\"\"\"\""));
}

TEST(imap_list_check)
{
	static const char *const good[] = {
		"()",
		"(NIL)",
		"(\"a\" NIL 12)",
		"((\"a\")(\"b\") \"mixed\")",
		"(\"\\\"\\\\\")",
		"({3}\r\na)( \"x\")",
		"({0}\r\n)",
	};
	static const char *const bad[] = {
		"",
		"a",
		"(",
		")",
		"())",
		"()()",
		"(a b",
		"( a)",
		"(a )",
		"(a  b)",
		"(\"a)",
		"(\"a\\b\")",
		"(\"a\r\nb\")",
		"(\"\xc3\xbc\")",
		"({5}\r\na)",
		"({3}\na)",
		"({}\r\n)",
		"({99999999999999999999}\r\n)",
		"(a\r\n)",
		"(a*b)",
		"(+ OK)",
		"()\r\n",
		"({-1}\r\n)",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		check_note("good %zu", i);
		CHECK(imaptext_list_check(slice_str(good[i]), 10));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("bad %zu", i);
		CHECK(!imaptext_list_check(slice_str(bad[i]), 10));
	}
	CHECK(!imaptext_list_check(SL("(\"a\0b\")"), 10));
	CHECK(!imaptext_list_check(SL("({3}\r\na\0b)"), 10));
	CHECK(imaptext_list_check(SL("((()))"), 3));
	CHECK(!imaptext_list_check(SL("((()))"), 2));
}

/* ---- the decoders on random text: the same for any cut ---- */

typedef size_t decode_fn(slice_t in, size_t step, char *out);

static size_t random_qp(slice_t in, size_t step, char *out)
{
	struct qp_decoder q;
	size_t n = 0;

	qp_init(&q);
	while (in.n != 0) {
		slice_t piece = slice_sub(in, 0, step);

		in = slice_from(in, piece.n);
		while (piece.n != 0)
			n += qp_feed(&q, &piece, out + n, QP_SPACE_MAX + 20);
	}
	return n + qp_end(&q, out + n);
}

static size_t random_html(slice_t in, size_t step, char *out)
{
	struct html h;
	size_t n = 0;

	html_init(&h);
	while (in.n != 0) {
		slice_t piece = slice_sub(in, 0, step);

		in = slice_from(in, piece.n);
		while (piece.n != 0)
			n += html_feed(&h, &piece, out + n, HTML_OUT_MIN + 8);
	}
	return n + html_end(&h, out + n);
}

static size_t random_utf8(slice_t in, size_t step, char *out)
{
	struct charset c;
	size_t n = 0;

	charset_open(&c, SL("utf-8"));
	while (in.n != 0) {
		slice_t piece = slice_sub(in, 0, step);

		in = slice_from(in, piece.n);
		while (piece.n != 0)
			n += charset_feed(&c, &piece, out + n, 32);
	}
	n += charset_end(&c, out + n);
	charset_close(&c);
	return n;
}

TEST(random_text_any_cut)
{
	static const struct {
		decode_fn *decode;
		slice_t alphabet;
	} cases[] = {
		{random_qp, {"==4A \t\r\n\nx", 10}},
		{random_html, {"<>&;! -/ab\"' \n#1", 16}},
		{random_utf8, {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80 a\xff", 12}},
	};
	uint32_t r = 7;

	for (unsigned i = 0; i < 150000; i++) {
		slice_t alphabet = cases[i % 3].alphabet;
		char in[120], whole[4000], cut[4000];
		size_t n = 1 + i % (i % 50 == 0 ? sizeof in : 24);
		size_t whole_n;

		for (size_t k = 0; k < n; k++) {
			r = r * 1103515245u + 12345u;
			in[k] = i % 7 == 0 && k < n / 2 ? ' ' : alphabet.p[(r >> 16) % alphabet.n];
		}
		whole_n = cases[i % 3].decode(slice(in, n), n, whole);
		for (size_t step = 1; step < 4; step++) {
			size_t cut_n = cases[i % 3].decode(slice(in, n), step, cut);

			if (!slice_eq(slice(cut, cut_n), slice(whole, whole_n))) {
				check_note("case %u, steps of %zu: %.*s", i, step, (int)n, in);
				CHECK_SLICE(slice(cut, cut_n), slice(whole, whole_n));
			}
		}
	}
}
