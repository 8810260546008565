/* 8-bit messages made 7-bit: what comes out is 7-bit, and says the same, part by part. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "frontend/mime/downgrade.h"
#include "frontend/mime/qp.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/mime/parse.h"

#define CORPUS   "tests/fuzz/corpus/mime/"
#define SHAPES   "tests/data/mime/shapes.tsv"
#define FILE_MAX ((size_t)1 << 20)
#define OUT_MAX  ((size_t)8 << 20)

struct rig {
	slice_t message, left;
	size_t step;
	enum err read_end, write_fails;
	struct buf out;
	size_t piece_max;
	struct diag diag;
};

static WAITS enum err read_piece(void *arg, slice_t *out)
{
	struct rig *r = arg;

	if (r->left.n == 0)
		return r->read_end;
	*out = slice_sub(r->left, 0, r->step);
	r->left = slice_from(r->left, r->step);
	return E_OK;
}

static WAITS enum err restart(void *arg)
{
	struct rig *r = arg;

	r->left = r->message;
	return E_OK;
}

static WAITS enum err write_piece(void *arg, slice_t bytes)
{
	struct rig *r = arg;

	r->piece_max = MAX(r->piece_max, bytes.n);
	buf_put(&r->out, bytes);
	return r->write_fails;
}

static void rig_init(struct rig *r, slice_t message)
{
	*r = (struct rig){.message = message, .left = message, .step = 4000, .read_end = E_CLOSED};
	buf_init(&r->out, OUT_MAX, NULL);
}

/* The whole way; *needed may be NULL. */
static WAITS enum err run(struct rig *r, bool *needed)
{
	struct downgrade_source source = {read_piece, restart, r};
	struct downgrade *d;
	enum err e;

	r->left = r->message;
	buf_reset(&r->out);
	e = downgrade_new(&source, NULL, &d, &r->diag);
	if (e != E_OK) {
		CHECK(d == NULL);
		return e;
	}
	if (needed != NULL)
		*needed = downgrade_is_needed(d);
	e = downgrade_write(d, write_piece, r);
	downgrade_free(&d);
	return e;
}

static void decode(slice_t in, enum mime_cte cte, struct buf *out)
{
	char piece[4096];
	struct qp_decoder q;
	struct b64_decoder b;

	buf_init(out, OUT_MAX, NULL);
	qp_init(&q);
	b64_init(&b);
	if (cte != MIME_CTE_QP && cte != MIME_CTE_BASE64) {
		buf_put(out, in);
		return;
	}
	while (in.n != 0)
		buf_put(out,
			slice(piece, cte == MIME_CTE_QP ? qp_feed(&q, &in, piece, sizeof piece)
							: b64_feed(&b, &in, piece, sizeof piece)));
	buf_put(out, slice(piece, cte == MIME_CTE_QP ? qp_end(&q, piece) : b64_end(&b, piece)));
}

static void check_leaf(slice_t was, enum mime_cte was_cte, slice_t is, enum mime_cte is_cte)
{
	struct buf a, b;

	CHECK(is_cte != MIME_CTE_8BIT && is_cte != MIME_CTE_BINARY);
	decode(was, was_cte, &a);
	decode(is, is_cte, &b);
	CHECK_SLICE(buf_slice(&b), buf_slice(&a));
	buf_fini(&a);
	buf_fini(&b);
}

static void check_same(slice_t was, slice_t is)
{
	struct mime_parser *p, *q;
	struct mime_summary a, b;

	CHECK_ERR(parse_steps(was, 0, NULL, NULL, &p, &a), E_OK);
	CHECK_ERR(parse_steps(is, 0, NULL, NULL, &q, &b), E_OK);
	CHECK_SLICE(b.from, a.from);
	CHECK_SLICE(b.to, a.to);
	CHECK_SLICE(b.message_id, a.message_id);
	CHECK_INT(b.sent_us, a.sent_us);
	CHECK_INT(b.nreferences, a.nreferences);
	CHECK_SLICE(b.subject, a.subject);
	CHECK_INT(b.nparts, a.nparts);
	for (size_t i = 0; i < MIN(a.nparts, b.nparts); i++) {
		const struct mime_part *m = &a.parts[i], *n = &b.parts[i];

		CHECK_INT(n->kind, m->kind);
		CHECK_INT(n->parent, m->parent);
		if (m->kind == MIME_LEAF)
			check_leaf(slice_sub(was, m->body_off, m->body_end - m->body_off), m->cte,
				   slice_sub(is, n->body_off, n->body_end - n->body_off), n->cte);
	}
	mime_parser_free(&p);
	mime_parser_free(&q);
}

static void check_7bit(slice_t s)
{
	CHECK(utf8_is_ascii(s));
	CHECK(slice_find_char(s, '\0') == s.n);
	while (s.n != 0) {
		size_t n = slice_find_char(s, '\n');

		CHECK(n <= 999);
		s = slice_from(s, n + 1);
	}
}

/* All that must hold of any message. Returns whether it could be made 7-bit. */
static WAITS bool check_message(slice_t message)
{
	static const size_t steps[] = {1, 2, 3, 7, 61, 4095, 4096, 4097, 1000000};
	struct rig r;
	struct buf want;
	enum err e;

	rig_init(&r, message);
	e = run(&r, NULL);
	CHECK(e == E_OK || e == E_INVALID);
	buf_init(&want, OUT_MAX, NULL);
	buf_put(&want, buf_slice(&r.out));
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		r.step = steps[i];
		CHECK_ERR(run(&r, NULL), e);
		CHECK_SLICE(buf_slice(&r.out), buf_slice(&want));
	}
	if (e == E_OK) {
		bool needed;

		CHECK(r.piece_max <= DOWNGRADE_CHUNK_MAX);
		check_7bit(buf_slice(&want));
		check_same(message, buf_slice(&want));
		/* It needs nothing more. */
		r.message = buf_slice(&want);
		CHECK_ERR(run(&r, &needed), E_OK);
		CHECK(!needed);
		CHECK_SLICE(buf_slice(&r.out), buf_slice(&want));
	}
	buf_fini(&want);
	buf_fini(&r.out);
	return e == E_OK;
}

#define HEAD "From: a@example.net\r\nMIME-Version: 1.0\r\n"

TEST(downgrade_as_it_stands)
{
	static const struct {
		const char *in, *want; /* NULL: the same */
	} cases[] = {
		{HEAD "\r\nplain\r\n", NULL},
		{HEAD "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\ngr\xc3\xbc\xc3\x9f = dich\r\n",
		 HEAD "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "gr=C3=BC=C3=9F =3D dich\r\n"},
		{"From: a@example.net\r\n\r\n\xff\r\n",
		 "From: a@example.net\r\nMIME-Version: 1.0\r\n"
		 "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF\r\n"},
		{HEAD "Content-Transfer-Encoding:\r\n 8BIT\r\nSubject: x\r\n\r\nplain\r\n",
		 HEAD "Subject: x\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain\r\n"},
		{HEAD "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
		      "\x89PNG\r\n",
		 HEAD "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		      "iVBORw0K\r\n"},
		{HEAD "Subject: gr\xc3\xbc\xc3\x9f\r\n dich\r\n\r\nplain\r\n",
		 HEAD "Subject: =?utf-8?B?Z3LDvMOfIGRpY2g=?=\r\n\r\nplain\r\n"},
		{HEAD "X-Old: caf\xe9 =?utf-8?Q?=C3=BC?=\r\n\r\nplain\r\n",
		 HEAD "X-Old: =?utf-8?B?Y2Fmw6kgw7w=?=\r\n\r\nplain\r\n"},
		{HEAD "Content-Type: multipart/mixed; boundary=b\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\n"
		      "--b\r\n\r\n\xc3\xbc\r\n--b\r\nContent-Type: a/b\r\n\r\n\xff\r\n"
		      "--b\r\nContent-Type: message/rfc822\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xbc\r\n\r\n\xc3\xbc\r\n"
		      "--b--\r\n",
		 HEAD "Content-Type: multipart/mixed; boundary=b\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n\r\n"
		      "--b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"
		      "--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		      "/w==\r\n\r\n"
		      "--b\r\nContent-Type: message/rfc822\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n\r\nSubject: =?utf-8?B?w7w=?=\r\n"
		      "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
		      "=C3=BC\r\n--b--\r\n"},
		/* RFC 6533: these may be encoded. */
		{HEAD "Content-Type: message/global-delivery-status\r\n\r\nA: \xc3\xbc\r\n",
		 HEAD "Content-Type: message/global-delivery-status\r\n"
		      "Content-Transfer-Encoding: base64\r\n\r\nQTogw7wNCg==\r\n"},
		/* What is signed and 7-bit stays as it is, whatever it says. */
		{HEAD "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n--b--\r\n",
		 NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *want = cases[i].want != NULL ? cases[i].want : cases[i].in;
		bool needed = false;
		struct rig r;

		rig_init(&r, slice_str(cases[i].in));
		check_note("case %zu", i);
		CHECK_ERR(run(&r, &needed), E_OK);
		CHECK_INT(needed, cases[i].want != NULL);
		CHECK_SLICE(buf_slice(&r.out), slice_str(want));
		buf_fini(&r.out);
	}
}

/* BINARYMIME: bytes that no line can hold come back as they are (RFC 3030 section 3). */
TEST(downgrade_binary)
{
	static const slice_t cases[] = {
		SL(HEAD "Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
			"\0\n\r\r\n\r"),
		SL(HEAD "Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n"
			"one\ntwo\n"),
		SL(HEAD "\r\none\rtwo\r\n"),
		SL(HEAD "Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\nno end"),
		SL(HEAD "Content-Type: multipart/mixed; boundary=b\r\n"
			"Content-Transfer-Encoding: binary\r\n\r\n"
			"--b\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
			"\n\n\r\r\n--b\r\n\r\nplain\r\n--b--\r\n"),
	};
	static const slice_t not [] = {
		SL(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			"pre\namble\r\n--b\r\n\r\nx\r\n--b--\r\n"),
		SL(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			"--b\r\n\r\nx\r\n--b--\r\nepilogue\r"),
		SL(HEAD "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\ny\r\n"
			"--b--\r\n"),
		SL(HEAD "Content-Transfer-Encoding: base64\r\n\r\nAAAA\nAAAA\r\n"),
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;
		slice_t out;

		check_note("case %zu", i);
		CHECK(check_message(cases[i]));
		rig_init(&r, cases[i]);
		CHECK_ERR(run(&r, NULL), E_OK);
		out = buf_slice(&r.out);
		CHECK(slice_find(out, SL("Content-Transfer-Encoding: base64")) < out.n);
		for (size_t k = 0; k < out.n; k++)
			CHECK((k > 0 && out.p[k - 1] == '\r') == (out.p[k] == '\n'));
		buf_fini(&r.out);
	}
	for (size_t i = 0; i < ARRAY_LEN(not ); i++) {
		check_note("not %zu", i);
		CHECK(!check_message(not [i]));
	}
}

TEST(downgrade_cannot)
{
	static const char *const cases[] = {
		"From: J\xc3\xbcrgen <a@example.net>\r\n\r\nplain\r\n",
		"Received: by \xc3\xbc\r\n\r\nplain\r\n",
		"Resent-To: \xc3\xbc\r\n\r\nplain\r\n",
		"no field \xc3\xbc\r\n\r\nplain\r\n",
		" \xc3\xbc\r\n\r\nplain\r\n",
		"Content-Disposition: attachment; filename=\xc3\xbc\r\n\r\nplain\r\n",
		HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Transfer-Encoding: base64\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Transfer-Encoding: x-uuencode\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Type: message/partial\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Type: message/delivery-status\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xbc\r\n",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n\xc3\xbc\r\n--b\r\n\r\nx\r\n"
		     "--b--\r\n",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
		     "\xc3\xbc\r\n",
		HEAD "Content-Type: Multipart/Signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n"
		     "--b--\r\n",
		HEAD "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n"
		     "Subject: \xc3\xbc\r\n\r\nx\r\n--b--\r\n",
		HEAD "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
		     "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n\xc3\xbc\r\n"
		     "--c--\r\n--b--\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;

		rig_init(&r, slice_str(cases[i]));
		check_note("case %zu", i);
		CHECK_ERR(run(&r, NULL), E_INVALID);
		CHECK(r.diag.text[0] != '\0');
		CHECK_INT(r.out.n, 0);
		buf_fini(&r.out);
		CHECK(!check_message(slice_str(cases[i])));
	}
}

/* A header's line, a body's line, a field to be written anew, a field: at the limit and past it. */
TEST(downgrade_limits)
{
	static const struct {
		const char *before;
		size_t fits;
		char with;
		size_t every; /* a fold after so many */
		enum err beyond;
	} cases[] = {
		{"Subject: ", 998 - 9, 'x', 0, E_INVALID},
		{"Subject: a\r\n\r\n", 998, 'x', 0, E_OK},
		{"Subject: \xc3\xbc\r\n ", DOWNGRADE_FIELD_MAX - 16, 'x', 500, E_INVALID},
		{"To: ", MIME_FIELD_MAX - 6, 'x', 500, E_INVALID},
	};
	static char text[MIME_FIELD_MAX + 100];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t extra = 0; extra < 2; extra++) {
			size_t at = strlen(cases[i].before);
			size_t n = cases[i].fits + extra;
			struct rig r;

			memcpy(text, cases[i].before, at);
			memset(text + at, cases[i].with, n);
			for (size_t k = 10; cases[i].every != 0 && k + 10 < n; k += cases[i].every)
				memcpy(text + at + k, "\r\n ", 3);
			memcpy(text + at + n, "\r\n\r\n", 4);
			check_note("case %zu, %zu more", i, extra);
			rig_init(&r, slice(text, at + n + 4));
			CHECK_ERR(run(&r, NULL), extra == 0 ? E_OK : cases[i].beyond);
			buf_fini(&r.out);
			check_message(slice(text, at + n + 4));
		}
	}
}

TEST(downgrade_not_of_too_many_parts)
{
	struct buf text;

	for (size_t parts = SUMMARY_PARTS_MAX - 2; parts < SUMMARY_PARTS_MAX + 2; parts++) {
		struct rig r;

		buf_init(&text, OUT_MAX, NULL);
		buf_puts(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (size_t i = 0; i < parts; i++)
			buf_puts(&text, "--b\r\n\r\n\xc3\xbc\r\n");
		rig_init(&r, buf_slice(&text));
		CHECK_ERR(run(&r, NULL), parts + 1 < SUMMARY_PARTS_MAX ? E_OK : E_INVALID);
		buf_fini(&r.out);
		buf_fini(&text);
	}
}

TEST(downgrade_errors)
{
	struct downgrade_source source;
	struct budget budget;
	struct downgrade *d;
	struct rig r;

	rig_init(&r, SL(HEAD "\r\n\xc3\xbc\r\n"));
	source = (struct downgrade_source){read_piece, restart, &r};
	r.read_end = E_TIMEOUT;
	CHECK_ERR(run(&r, NULL), E_TIMEOUT);
	r.read_end = E_CLOSED;
	r.write_fails = E_IO;
	CHECK_ERR(run(&r, NULL), E_IO);
	r.write_fails = E_OK;
	budget_init(&budget, 100, NULL);
	r.left = r.message;
	CHECK_ERR(downgrade_new(&source, &budget, &d, &r.diag), E_LIMIT);
	CHECK_INT(budget.used, 0);
	/* The source is not what it was. */
	r.left = r.message;
	CHECK_ERR(downgrade_new(&source, NULL, &d, &r.diag), E_OK);
	r.message = SL(HEAD "\r\n\xc3\xbc\r\nmore\r\n");
	CHECK_ERR(downgrade_write(d, write_piece, &r), E_CORRUPT);
	r.message = SL(HEAD "\r\n");
	CHECK_ERR(downgrade_write(d, write_piece, &r), E_CORRUPT);
	downgrade_free(&d);
	buf_fini(&r.out);
}

/* ---- many ---- */

static slice_t load(const char *name, char *room)
{
	char path[2048];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, CORPUS "%s", name);
	f = fopen(path, "rb");
	if (f == NULL)
		return SLICE_NONE;
	n = fread(room, 1, FILE_MAX, f);
	(void)fclose(f);
	return slice(room, n);
}

TEST(downgrade_of_corpus)
{
	static char room[FILE_MAX];
	char line[1024];
	FILE *f = fopen(SHAPES, "r");
	unsigned able = 0, all = 0;

	check_seconds(120);
	REQUIRE(f != NULL);
	while (fgets(line, sizeof line, f) != NULL) {
		slice_t message;

		line[strcspn(line, "\t\n")] = '\0';
		message = load(line, room);
		if (message.n == 0)
			continue;
		check_note("%s", line);
		able += check_message(message);
		all++;
	}
	(void)fclose(f);
	CHECK(all > 50);
	CHECK(able > all / 2);
}

/* Sound messages, made of pieces. */
TEST(downgrade_of_anything)
{
	static const char *const pieces[] = {
		"--b\r\n",
		"--c\r\n",
		"--b--\r\n",
		"--c--\r\n",
		"\r\n",
		"\r\n",
		"text\r\n",
		"\xc3\xbc\r\n",
		"\xff\xfe",
		"lone \r cr\r\n",
		"lone \n lf",
		" \r\n",
		"=\r\n",
		"Content-Type: text/plain\r\n",
		"Content-Type: a/b\r\n",
		"Content-Type: message/rfc822\r\n",
		"Content-Type: multipart/mixed; boundary=c\r\n",
		"Content-Transfer-Encoding: 8bit\r\n",
		"Content-Transfer-Encoding: binary\r\n",
		"Content-Transfer-Encoding: base64\r\n",
		"Subject: gr\xc3\xbc\xc3\x9f\r\n",
	};
	struct buf text;
	unsigned able = 0;

	check_seconds(120);
	buf_init(&text, OUT_MAX, NULL);
	for (unsigned round = 0; round < 3000; round++) {
		buf_reset(&text);
		buf_puts(&text, round % 2 != 0 ? HEAD
					"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
					       : HEAD);
		for (unsigned n = random_below(24); n != 0; n--)
			buf_puts(&text, pieces[random_below(ARRAY_LEN(pieces))]);
		able += check_message(buf_slice(&text));
	}
	CHECK(able > 100);
	buf_fini(&text);
}
