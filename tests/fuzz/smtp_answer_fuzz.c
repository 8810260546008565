/* What a server says to the SMTP client, and what the client makes of a message. First byte: which.
 * Answers keep their limits and hold nothing but printable ASCII; a dot-stuffed message is the same
 * however it is cut, and ends nowhere but at its end. */
#include "common/base/buf.h"
#include "frontend/outbound/smtp_answer.h"
#include "frontend/outbound/smtp_body.h"
#include "frontend/outbound/smtp_offer.h"
#include "tests/fuzz/fuzz.h"

static void check_answer(const struct smtp_answer *a)
{
	struct smtp_result r;

	FUZZ_CHECK(a->code >= 200 && a->code <= 599);
	FUZZ_CHECK(a->lines <= SMTP_ANSWER_LINES_MAX && a->bytes <= SMTP_ANSWER_MAX);
	FUZZ_CHECK(a->text_n <= SMTP_TEXT_MAX && strlen(a->text) == a->text_n);
	for (size_t i = 0; i < a->text_n; i++)
		FUZZ_CHECK(a->text[i] >= 32 && a->text[i] < 127);
	FUZZ_CHECK(a->status[0] == '\0' || (unsigned)(a->status[0] - '0') == a->code / 100);
	smtp_result_of(&r, SMTP_AT_RCPT, a);
	FUZZ_CHECK(r.status[0] == (r.verdict == SMTP_TAKEN   ? '2'
				   : r.verdict == SMTP_LATER ? '4'
							     : '5'));
}

static void check_offer(const struct smtp_offer *o)
{
	FUZZ_CHECK(strlen(o->name) <= SMTP_PEER_NAME_MAX);
	FUZZ_CHECK(o->has < 2 * SMTP_EXT_AUTH && o->mechs < 2 * SMTP_MECH_SCRAM_SHA_256);
	FUZZ_CHECK(o->size_max == 0 || smtp_offers(o, SMTP_EXT_SIZE));
	FUZZ_CHECK(o->rcpt_max == 0 || smtp_offers(o, SMTP_EXT_LIMITS));
}

static void fuzz_answers(slice_t in)
{
	struct smtp_offer o = {.name = ""};
	struct smtp_answer a;

	smtp_answer_init(&a);
	while (in.n > 0) {
		size_t lf = slice_find_char(in, '\n');
		slice_t line = slice_sub(in, 0, lf), text;
		enum parse_rc rc = smtp_answer_line(&a, line, &text);

		in = slice_from(in, lf + 1);
		if (rc == P_BAD) {
			FUZZ_CHECK(a.fault != NULL);
			return;
		}
		smtp_offer_line(&o, a.lines - 1, text);
		check_offer(&o);
		check_answer(&a);
		if (rc == P_OK)
			smtp_answer_init(&a);
	}
}

static void stuff(slice_t in, size_t piece_n, struct buf *out)
{
	struct smtp_body b;

	smtp_body_init(&b);
	while (in.n > 0) {
		slice_t rest = slice_sub(in, 0, piece_n), piece;

		in = slice_from(in, piece_n);
		while (smtp_body_next(&b, &rest, &piece))
			buf_put(out, piece);
	}
	buf_put(out, smtp_body_end(&b));
}

static void fuzz_body(slice_t in)
{
	struct buf whole, cut;
	struct smtp_body b;

	buf_init(&whole, 2 * in.n + 16, NULL);
	buf_init(&cut, 2 * in.n + 16, NULL);
	stuff(in, in.n + 1, &whole);
	stuff(in, 1 + in.n / 7, &cut);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
	buf_reset(&cut);
	stuff(in, 1, &cut);
	FUZZ_CHECK(slice_eq(buf_slice(&whole), buf_slice(&cut)));
	/* Neither the strict end nor one that a lax receiver sees stands before the end. */
	FUZZ_CHECK(slice_find(buf_slice(&whole), SL("\n.\n")) == whole.n);
	FUZZ_CHECK(whole.n == 3 ||
		   slice_find(buf_slice(&whole), SL("\n.\r\n")) == whole.n - strlen("\n.\r\n"));
	smtp_body_init(&b);
	if (smtp_body_clean(&b, in) && smtp_body_clean_end(&b)) {
		for (size_t i = 0; i < in.n; i++)
			FUZZ_CHECK(in.p[i] != '\0' &&
				   (in.p[i] != '\n' || (i > 0 && in.p[i - 1] == '\r')) &&
				   (in.p[i] != '\r' || (i + 1 < in.n && in.p[i + 1] == '\n')));
	}
	buf_fini(&whole);
	buf_fini(&cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	slice_t in = slice(data, size);

	if (fuzz_byte(&in) % 2 == 0)
		fuzz_answers(in);
	else
		fuzz_body(in);
	return 0;
}
