#include <stdio.h>

#include "common/base/civil.h"
#include "common/base/utf8.h"
#include "frontend/outbound/notice_priv.h"

/* A paragraph: our longest text with all that it may hold. */
#define PARAGRAPH_MAX 8192
#define WIDTH         72 /* also as quoted-printable, without soft breaks */
/* Digits of a year, and what snprintf needs. */
#define NUMBER_BYTES  12

void notice_human_init(struct notice_human *h, const struct notice_draft *d, struct buf *out)
{
	*h = (struct notice_human){.d = d, .out = out};
	buf_init(&h->text, PARAGRAPH_MAX, NULL);
	encode_qp_init(&h->qp);
	encode_b64_init(&h->b64);
}

void notice_human_fini(struct notice_human *h)
{
	buf_fini(&h->text);
}

static void put(struct notice_human *h, slice_t s)
{
	switch (h->d->words->encoding) {
	case NOTICE_QP:
		encode_qp_put(&h->qp, h->out, s);
		break;
	case NOTICE_BASE64:
		encode_b64_put(&h->b64, h->out, s);
		break;
	}
}

/* Characters, as wide as a column each: none of our languages has wider ones. */
static size_t columns(slice_t s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* Writes the paragraph in h->text in lines that begin with indent; a word that is too long has a
 * line of its own. */
static void put_paragraph(struct notice_human *h, slice_t indent)
{
	slice_t rest = buf_slice(&h->text);
	size_t column = 0;

	while (rest.n != 0) {
		size_t n = slice_find_char(rest, ' ');
		slice_t word = slice_sub(rest, 0, n);

		rest = slice_from(rest, n + 1);
		if (word.n == 0)
			continue;
		if (column != 0 && column + 1 + columns(word) > WIDTH) {
			put(h, SL("\r\n"));
			column = 0;
		}
		put(h, column == 0 ? indent : SL(" "));
		put(h, word);
		column += (column == 0 ? indent.n : 1) + columns(word);
	}
	put(h, SL("\r\n"));
	buf_reset(&h->text);
}

/* Appends one of our texts, {0}... replaced. */
static void expand(struct buf *out, const char *text, const slice_t *args, size_t nargs)
{
	slice_t rest = slice_str(text);

	for (;;) {
		size_t n = slice_find_char(rest, '{');

		buf_put(out, slice_sub(rest, 0, n));
		if (n == rest.n)
			return;
		rest = slice_from(rest, n + 1);
		invariant(rest.n >= 2 && rest.p[0] >= '0' && (size_t)(rest.p[0] - '0') < nargs);
		buf_put(out, args[rest.p[0] - '0']);
		rest = slice_from(rest, 2);
	}
}

static void say(struct notice_human *h, const char *text, slice_t arg, slice_t indent)
{
	expand(&h->text, text, &arg, 1);
	put_paragraph(h, indent);
}

static void put_date(const struct notice_human *h, struct buf *out, int64_t s)
{
	char text[5][NUMBER_BYTES];
	slice_t args[5];
	struct civil c;

	civil_of(s, &c);
	snprintf(text[0], NUMBER_BYTES, "%04d", c.year);
	snprintf(text[1], NUMBER_BYTES, "%02u", c.month);
	snprintf(text[2], NUMBER_BYTES, "%02u", c.day);
	snprintf(text[3], NUMBER_BYTES, "%02u", c.hour);
	snprintf(text[4], NUMBER_BYTES, "%02u", c.min);
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		args[i] = slice_str(text[i]);
	expand(out, h->d->words->text[TEXT_DATE], args, ARRAY_LEN(args));
}

static void say_date(struct notice_human *h, enum notice_text text, int64_t s, slice_t indent)
{
	struct buf date;

	buf_init(&date, PARAGRAPH_MAX, NULL);
	put_date(h, &date, s);
	say(h, h->d->words->text[text], buf_slice(&date), indent);
	buf_fini(&date);
}

void notice_human_opening(struct notice_human *h, enum notice_action action)
{
	const struct notice_draft *d = h->d;

	say(h, d->words->opening[action], slice_str(d->host), SLICE_NONE);
	put(h, SL("\r\n"));
}

/* What the other server said, or we about ourselves, as it was said. */
static void put_quote(struct notice_human *h, const struct notice_recipient *r)
{
	slice_t type, words;
	struct buf server;

	notice_diagnostic(r->diagnostic, &type, &words);
	if (words.n == 0)
		return;
	buf_init(&server, 2 * NOTICE_MTA_MAX + 8, NULL);
	notice_clean(&server, r->mta, NOTICE_UTF8, NOTICE_MTA_MAX);
	if (r->mta_address.n != 0 && server.n != 0)
		buf_puts(&server, " [");
	notice_clean(&server, r->mta_address, NOTICE_ASCII, NOTICE_MTA_MAX);
	if (r->mta_address.n != 0 && r->mta.n != 0)
		buf_putc(&server, ']');
	if (server.n != 0 && slice_ieq(type, SL("smtp")))
		say(h, h->d->words->text[TEXT_SERVER_SAID], buf_slice(&server), SL("  "));
	else
		say(h, h->d->words->text[TEXT_DETAIL], SLICE_NONE, SL("  "));
	notice_clean(&h->text, words, NOTICE_UTF8, NOTICE_DIAGNOSTIC_MAX);
	put_paragraph(h, SL("  > "));
	buf_fini(&server);
}

void notice_human_recipient(struct notice_human *h, const struct notice_recipient *r)
{
	const struct notice_language *words = h->d->words;

	buf_putc(&h->text, '<');
	notice_clean(&h->text, r->address, NOTICE_UTF8, NOTICE_ADDRESS_MAX);
	buf_putc(&h->text, '>');
	put_paragraph(h, SL("  "));
	if (r->action == NOTICE_FAILED || r->action == NOTICE_DELAYED) {
		enum notice_why why = notice_why(r);

		say(h, words->why[why], SLICE_NONE, SL("  "));
		if (r->action == NOTICE_FAILED)
			say(h, words->advice[why], SLICE_NONE, SL("  "));
		else if (r->retry_until_s > 0)
			say_date(h, TEXT_UNTIL, r->retry_until_s, SL("  "));
		put_quote(h, r);
	}
	put(h, SL("\r\n"));
}

void notice_human_closing(struct notice_human *h, enum notice_action action)
{
	say(h, h->d->words->closing[action], SLICE_NONE, SLICE_NONE);
	put(h, SL("\r\n"));
}

/* Which message it is about, and what there is of it. */
static void put_about(struct notice_human *h)
{
	const struct notice_draft *d = h->d;
	const char *const *text = d->words->text;

	if (d->n->read != NULL) {
		enum notice_text what = d->whole ? TEXT_ATTACHED_WHOLE
					: d->big ? TEXT_ATTACHED_BIG
						 : TEXT_ATTACHED_HEADER;

		say(h, text[what], SLICE_NONE, SLICE_NONE);
	}
	if (d->subject.n != 0)
		say(h, text[TEXT_ABOUT_SUBJECT], buf_slice(&d->subject), SL("  "));
	if (d->n->arrival_s > 0)
		say_date(h, TEXT_ABOUT_SENT, d->n->arrival_s, SL("  "));
	put(h, SL("\r\n-- \r\n"));
	say(h, text[TEXT_SIGNATURE], slice_str(d->host), SLICE_NONE);
}

void notice_human_end(struct notice_human *h)
{
	put_about(h);
	encode_qp_end(&h->qp, h->out);
	encode_b64_end(&h->b64, h->out);
	invariant(!buf_failed(&h->text));
}
