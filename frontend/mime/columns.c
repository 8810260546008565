#include "frontend/mime/columns.h"

#include "common/parse/date.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/mime.h"
#include "frontend/mime/subject.h"

void columns_init(struct columns *c, struct arena *mem, struct budget *budget)
{
	*c = (struct columns){.mem = mem};
	buf_init(&c->from, SUMMARY_COLUMN_MAX, budget);
	buf_init(&c->to, SUMMARY_COLUMN_MAX, budget);
	buf_init(&c->cc, SUMMARY_COLUMN_MAX, budget);
	buf_init(&c->bcc, SUMMARY_COLUMN_MAX, budget);
	buf_init(&c->subject, SUMMARY_COLUMN_MAX, budget);
	buf_init(&c->base, SUMMARY_BASE_SUBJECT_MAX, budget);
	buf_init(&c->value, MIME_FIELD_MAX, budget);
}

void columns_fini(struct columns *c)
{
	buf_fini(&c->from);
	buf_fini(&c->to);
	buf_fini(&c->cc);
	buf_fini(&c->bcc);
	buf_fini(&c->subject);
	buf_fini(&c->base);
	buf_fini(&c->value);
}

/* A field's text, after what is there of the same column. */
static void take_text(struct columns *c, struct buf *out, slice_t body)
{
	if (out->n + 2 >= out->max)
		return;
	if (out->n != 0)
		buf_puts(out, ", ");
	buf_reset(&c->value);
	hdr_unfold(&c->value, body);
	(void)encword_decode(buf_slice(&c->value), out, out->max - out->n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next msg-id's inside, without white space (RFC 5322 section 3.6.4; obsolete forms have some);
 * ids that are empty or too long are passed over. False: no more. */
static bool next_id(slice_t *s, char out[SUMMARY_MESSAGE_ID_MAX], slice_t *id)
{
	for (;;) {
		size_t n = 0;
		size_t end;
		slice_t inside = slice_from(*s, slice_find_char(*s, '<') + 1);

		end = slice_find_char(inside, '>');
		if (end == inside.n)
			return false;
		*s = slice_from(inside, end + 1);
		for (size_t i = 0; i < end && n < SUMMARY_MESSAGE_ID_MAX; i++) {
			if (!is_space(inside.p[i]) && inside.p[i] != '\0')
				out[n++] = inside.p[i];
		}
		if (n != 0 && n < SUMMARY_MESSAGE_ID_MAX) {
			*id = slice(out, n);
			return true;
		}
	}
}

static enum err take_id(struct columns *c, slice_t body, slice_t *out)
{
	char bytes[SUMMARY_MESSAGE_ID_MAX];
	slice_t id;

	if (out->n != 0 || !next_id(&body, bytes, &id))
		return E_OK;
	return arena_try_dup(c->mem, id, out) ? E_OK : E_LIMIT;
}

/* When there are too many, the first (the thread's root) and the last stay. */
static enum err take_references(struct columns *c, slice_t body)
{
	char bytes[SUMMARY_MESSAGE_ID_MAX];
	slice_t rest = body;
	size_t total = 0;
	size_t at = 0;
	slice_t id;

	if (c->nreferences != 0)
		return E_OK;
	while (next_id(&rest, bytes, &id))
		total++;
	for (rest = body; next_id(&rest, bytes, &id); at++) {
		if (at != 0 && at + SUMMARY_REFERENCES_MAX <= total)
			continue;
		if (!arena_try_dup(c->mem, id, &c->references[c->nreferences]))
			return E_LIMIT;
		c->nreferences++;
	}
	return E_OK;
}

static void take_date(struct columns *c, slice_t body)
{
	struct date d;

	if (c->sent || !date_parse_rfc5322(body, &d))
		return;
	c->sent = true;
	c->sent_us = d.utc_s * 1000000;
	c->sent_zone_min = d.zone_min;
}

static void take_subject(struct columns *c, slice_t body)
{
	if (c->subject.n != 0)
		return;
	take_text(c, &c->subject, body);
	subject_base(buf_slice(&c->subject), &c->base, SUMMARY_BASE_SUBJECT_MAX);
}

enum err columns_field(struct columns *c, enum hdr_id id, slice_t body)
{
	enum err err = E_OK;

	if (id == HDR_FROM && c->from.n == 0)
		take_text(c, &c->from, body);
	else if (id == HDR_TO)
		take_text(c, &c->to, body);
	else if (id == HDR_CC)
		take_text(c, &c->cc, body);
	else if (id == HDR_BCC)
		take_text(c, &c->bcc, body);
	else if (id == HDR_SUBJECT)
		take_subject(c, body);
	else if (id == HDR_DATE)
		take_date(c, body);
	else if (id == HDR_MESSAGE_ID)
		err = take_id(c, body, &c->message_id);
	else if (id == HDR_IN_REPLY_TO)
		err = take_id(c, body, &c->in_reply_to);
	else if (id == HDR_REFERENCES)
		err = take_references(c, body);
	if (buf_failed(&c->from) || buf_failed(&c->to) || buf_failed(&c->cc) ||
	    buf_failed(&c->bcc) || buf_failed(&c->subject) || buf_failed(&c->base) ||
	    buf_failed(&c->value))
		err = E_LIMIT;
	return err;
}

void columns_finish(struct columns *c, struct mime_summary *out)
{
	/* RFC 5256, "REFERENCES": without a References field, In-Reply-To's first id stands in. */
	if (c->nreferences == 0 && c->in_reply_to.n != 0)
		c->references[c->nreferences++] = c->in_reply_to;
	out->from = buf_slice(&c->from);
	out->to = buf_slice(&c->to);
	out->cc = buf_slice(&c->cc);
	out->bcc = buf_slice(&c->bcc);
	out->subject = buf_slice(&c->subject);
	out->base_subject = buf_slice(&c->base);
	out->has_sent = c->sent;
	out->sent_us = c->sent_us;
	out->sent_zone_min = c->sent_zone_min;
	out->message_id = c->message_id;
	out->nreferences = c->nreferences;
	memcpy(out->references, c->references, sizeof out->references);
}
