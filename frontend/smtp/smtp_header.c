#include "frontend/smtp/smtp_header.h"

enum { AT_LINE, IN_NAME, IN_BODY, OVER };
enum { FIELD_OTHER, FIELD_ADDRESS };

void smtp_header_init(struct smtp_header *h, struct budget *budget)
{
	*h = (struct smtp_header){.state = AT_LINE};
	buf_init(&h->from, SMTP_HEADER_FROM_MAX, budget);
}

void smtp_header_fini(struct smtp_header *h)
{
	buf_fini(&h->from);
	h->state = OVER;
}

/* The colon: which field is it? White space before the colon is obsolete syntax, but read. */
static void name_ends(struct smtp_header *h)
{
	slice_t name = slice_trim(slice(h->name, h->name_n));

	h->field = FIELD_OTHER;
	h->state = IN_BODY;
	if (slice_ieq(name, SL("received"))) {
		h->received++;
	} else if (slice_ieq(name, SL("date"))) {
		h->has_date = true;
	} else if (slice_ieq(name, SL("message-id"))) {
		h->has_message_id = true;
	} else if (slice_ieq(name, SL("from")) || slice_ieq(name, SL("sender"))) {
		h->field = FIELD_ADDRESS;
		h->has_from = h->has_from || slice_ieq(name, SL("from"));
		if (h->from.n > 0)
			buf_putc(&h->from, ',');
	}
}

static void line_starts(struct smtp_header *h, char c)
{
	if (c == ' ' || c == '\t') { /* a folded line goes on with its field */
		h->state = IN_BODY;
		if (h->field == FIELD_ADDRESS)
			buf_putc(&h->from, c);
		return;
	}
	h->field = FIELD_OTHER;
	h->name[0] = c;
	h->name_n = 1;
	h->state = IN_NAME;
}

/* A byte that is no line break. */
static void header_byte(struct smtp_header *h, char c)
{
	switch (h->state) {
	case AT_LINE:
		line_starts(h, c);
		break;
	case IN_NAME:
		if (c == ':')
			name_ends(h);
		else if (h->name_n == SMTP_HEADER_NAME_MAX)
			h->state = IN_BODY; /* longer than any that matters */
		else
			h->name[h->name_n++] = c;
		break;
	case IN_BODY:
		if (h->field == FIELD_ADDRESS)
			buf_putc(&h->from, c);
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
