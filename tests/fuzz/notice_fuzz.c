/* Delivery status notifications: whatever other servers, senders and originals say, a message of
 * whole, short lines with the parts that it should have. */
#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "frontend/mime/mime.h"
#include "frontend/outbound/notice_text.h"
#include "tests/fuzz/fuzz.h"

struct original {
	slice_t left;
	struct buf out;
};

static WAITS enum err read_piece(void *arg, slice_t *out)
{
	struct original *o = arg;

	if (o->left.n == 0)
		return E_CLOSED;
	*out = slice_sub(o->left, 0, 700);
	o->left = slice_from(o->left, 700);
	return E_OK;
}

static WAITS enum err write_piece(void *arg, slice_t bytes)
{
	struct original *o = arg;

	FUZZ_CHECK(bytes.n <= NOTICE_CHUNK_MAX);
	buf_put(&o->out, bytes);
	return E_OK;
}

static void check_lines(slice_t s)
{
	FUZZ_CHECK(slice_find_char(s, '\0') == s.n);
	while (s.n != 0) {
		size_t n = slice_find_char(s, '\n');

		FUZZ_CHECK(n != s.n && n != 0 && n <= 999);
		FUZZ_CHECK(slice_find_char(s, '\r') == n - 1);
		s = slice_from(s, n + 1);
	}
}

static void check_parts(slice_t message)
{
	struct mime_parser *p = mime_parser_new(NULL, NULL);
	struct mime_summary s;
	size_t children = 0;

	mime_parser_feed(p, message);
	FUZZ_CHECK(mime_parser_end(p, &s) == E_OK);
	for (size_t i = 1; i < s.nparts; i++)
		children += s.parts[i].parent == 0;
	FUZZ_CHECK(children == 3);
	mime_parser_free(&p);
}

static WAITS void write_notice(const struct notice *n, struct original *o)
{
	struct notice_draft *d;
	struct diag diag;
	enum err e = notice_new(n, NULL, &d, &diag);

	FUZZ_CHECK(e == E_OK || e == E_INVALID);
	if (e != E_OK)
		return;
	buf_init(&o->out, (size_t)1 << 20, NULL);
	FUZZ_CHECK(notice_write(d, write_piece, o) == E_OK);
	FUZZ_CHECK(notice_is_8bit(d) || utf8_is_ascii(buf_slice(&o->out)));
	check_lines(buf_slice(&o->out));
	check_parts(buf_slice(&o->out));
	buf_fini(&o->out);
	notice_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);
	unsigned choice = fuzz_byte(&in);
	slice_t language = slice_str(notice_languages[choice % 3]->tag);
	struct notice_recipient r = {.action = (enum notice_action)(choice / 3 % NOTICE_ACTIONS)};
	struct notice n = {
		.kind = r.action,
		.reporting_mta = SL("mx.example.org"),
		.ret = choice >= 128 ? NOTICE_RET_HDRS : NOTICE_RET_FULL,
		.languages = &language,
		.nlanguages = 1,
		.recipients = &r,
		.nrecipients = 1,
		.read = read_piece,
	};
	struct original o;

	n.sender = fuzz_text(&in);
	n.envid = fuzz_text(&in);
	r.address = fuzz_text(&in);
	r.orcpt = fuzz_text(&in);
	r.status = fuzz_text(&in);
	r.diagnostic = fuzz_text(&in);
	r.mta = fuzz_text(&in);
	r.mta_address = fuzz_text(&in);
	o.left = in;
	n.read_arg = &o;
	write_notice(&n, &o);
	return 0;
}
