#include "frontend/smtp/smtp_header.h"

#include "frontend/mime/tls_field.h"

enum { AT_LINE, IN_NAME, IN_BODY, OVER };
enum { FIELD_OTHER, FIELD_FROM, FIELD_SENDER, FIELD_TLS };

void smtp_header_init(struct smtp_header *h, struct budget *budget)
{
	*h = (struct smtp_header){.state = AT_LINE};
	buf_init(&h->from, SMTP_HEADER_FROM_MAX, budget);
	buf_init(&h->sender, SMTP_HEADER_FROM_MAX, budget);
}

void smtp_header_fini(struct smtp_header *h)
{
	buf_fini(&h->from);
	buf_fini(&h->sender);
	h->state = OVER;
}

bool smtp_header_over(const struct smtp_header *h)
{
	return h->state == OVER;
}

bool smtp_header_tls_optional(const struct smtp_header *h)
{
	return h->tls == TLS_FIELD_NO;
}

static void put_body(struct smtp_header *h, char c)
{
	if (h->field == FIELD_FROM)
		buf_putc(&h->from, c);
	else if (h->field == FIELD_SENDER)
		buf_putc(&h->sender, c);
	else if (h->field == FIELD_TLS)
		h->tls = (uint8_t)tls_field_byte((enum tls_field)h->tls, c);
}

/* The colon: which field is it? */
static void name_ends(struct smtp_header *h)
{
	slice_t name = slice(h->name, h->name_n);

	h->state = IN_BODY;
	if (slice_ieq(name, SL("received"))) {
		h->received++;
	} else if (slice_ieq(name, SL("date"))) {
		h->has_date = true;
	} else if (slice_ieq(name, SL("message-id"))) {
		h->has_message_id = true;
	} else if (slice_ieq(name, SL("from"))) {
		h->field = FIELD_FROM;
		h->has_from = true;
	} else if (slice_ieq(name, SL("sender"))) {
		h->field = FIELD_SENDER;
		h->has_sender = true;
	} else if (slice_ieq(name, SL("tls-required"))) {
		h->field = FIELD_TLS;
		h->tls = TLS_FIELD_EMPTY;
	}
}

static void name_byte(struct smtp_header *h, char c)
{
	if (c == ':')
		name_ends(h);
	else if (c == ' ' || c == '\t') /* obs-optional (RFC 5322 section 4.5.8), of any length */
		h->spaced = true;
	else if (h->spaced || h->name_n == SMTP_HEADER_NAME_MAX)
		h->state = IN_BODY; /* no field, or a longer name than any that matters */
	else
		h->name[h->name_n++] = c;
}

static void line_starts(struct smtp_header *h, char c)
{
	if (c == ' ' || c == '\t') { /* a folded line goes on with its field */
		h->stray = h->stray || !h->begun;
		h->state = IN_BODY;
		put_body(h, c);
		return;
	}
	put_body(h, '\n');
	h->field = FIELD_OTHER;
	h->name_n = 0;
	h->spaced = false;
	h->state = IN_NAME;
	name_byte(h, c);
}

/* A byte that is no line break. */
static void header_byte(struct smtp_header *h, char c)
{
	h->eight |= (c & 0x80) != 0;
	switch (h->state) {
	case AT_LINE:
		line_starts(h, c);
		h->begun = true;
		break;
	case IN_NAME:
		name_byte(h, c);
		break;
	case IN_BODY:
		put_body(h, c);
		break;
	}
}

void smtp_header_feed(struct smtp_header *h, slice_t bytes)
{
	for (size_t i = 0; i < bytes.n && h->state != OVER; i++) {
		char c = bytes.p[i];

		if (c == '\r') {
			h->cr = true;
			continue;
		}
		if (c == '\n') {
			h->state = h->state == AT_LINE ? OVER : AT_LINE;
			h->cr = false;
			continue;
		}
		if (h->cr) { /* a bare CR: the message is refused for it */
			h->cr = false;
			header_byte(h, ' ');
		}
		header_byte(h, c);
	}
}
