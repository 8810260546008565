#include "frontend/mime/envelope.h"

#include "common/parse/addr.h"
#include "frontend/mime/imaptext.h"
#include "frontend/mime/mime.h"

/* An end of a group, with room kept for it. */
#define GROUP_END "(NIL NIL NIL NIL)"

static enum envelope_item item_of(enum hdr_id id)
{
	switch (id) {
	case HDR_DATE:
		return ENVELOPE_DATE;
	case HDR_SUBJECT:
		return ENVELOPE_SUBJECT;
	case HDR_FROM:
		return ENVELOPE_FROM;
	case HDR_SENDER:
		return ENVELOPE_SENDER;
	case HDR_REPLY_TO:
		return ENVELOPE_REPLY_TO;
	case HDR_TO:
		return ENVELOPE_TO;
	case HDR_CC:
		return ENVELOPE_CC;
	case HDR_BCC:
		return ENVELOPE_BCC;
	case HDR_IN_REPLY_TO:
		return ENVELOPE_IN_REPLY_TO;
	case HDR_MESSAGE_ID:
		return ENVELOPE_MESSAGE_ID;
	case HDR_OTHER:
	case HDR_REFERENCES:
	case HDR_MIME_VERSION:
	case HDR_CONTENT_TYPE:
	case HDR_CONTENT_TRANSFER_ENCODING:
	case HDR_CONTENT_DISPOSITION:
	case HDR_CONTENT_ID:
	case HDR_CONTENT_DESCRIPTION:
	case HDR_CONTENT_LANGUAGE:
	case HDR_CONTENT_LOCATION:
	case HDR_CONTENT_MD5:
	case HDR_CONTENT_OTHER:
	case HDR_LIST:
	case HDR_PRIORITY:
	case HDR_X_PRIORITY:
	case HDR_IMPORTANCE:
	case HDR_NEWSGROUPS:
		break;
	}
	return ENVELOPE_ITEMS;
}

bool envelope_wants(enum hdr_id id)
{
	return item_of(id) != ENVELOPE_ITEMS;
}

void envelope_init(struct envelope *e, struct budget *budget)
{
	for (unsigned i = 0; i < ENVELOPE_ITEMS; i++)
		buf_init(&e->item[i], SUMMARY_ENVELOPE_MAX, budget);
	buf_init(&e->value, MIME_FIELD_MAX, budget);
	e->lists_left = ENVELOPE_LISTS_BYTES;
}

void envelope_reset(struct envelope *e)
{
	for (unsigned i = 0; i < ENVELOPE_ITEMS; i++)
		buf_reset(&e->item[i]);
	e->lists_left = ENVELOPE_LISTS_BYTES;
}

void envelope_fini(struct envelope *e)
{
	for (unsigned i = 0; i < ENVELOPE_ITEMS; i++)
		buf_fini(&e->item[i]);
	buf_fini(&e->value);
}

/* NIL would make a group of it, so a part that is missing is an empty string. */
static void put_address(struct buf *out, const struct addr_item *a)
{
	buf_putc(out, '(');
	imaptext_nstring(out, slice_sub(a->name, 0, ENVELOPE_NAME_MAX));
	buf_putc(out, ' ');
	imaptext_nstring(out, slice_sub(a->route, 0, ENVELOPE_HOST_MAX));
	buf_putc(out, ' ');
	imaptext_string(out, slice_sub(a->local, 0, ENVELOPE_LOCAL_MAX));
	buf_putc(out, ' ');
	imaptext_string(out, slice_sub(a->domain, 0, ENVELOPE_HOST_MAX));
	buf_putc(out, ')');
}

static void put_item(struct buf *out, const struct addr_item *a)
{
	switch (a->kind) {
	case ADDR_MAILBOX:
		put_address(out, a);
		break;
	case ADDR_GROUP_START:
		buf_puts(out, "(NIL NIL ");
		imaptext_string(out, slice_sub(a->name, 0, ENVELOPE_NAME_MAX));
		buf_puts(out, " NIL)");
		break;
	case ADDR_GROUP_END:
		buf_puts(out, GROUP_END);
		break;
	}
}

/* Appends as many items as fit into room bytes; returns how many bytes they took. A group that was
 * begun is ended. */
static size_t put_list(struct buf *out, const struct addr_list *l, size_t room)
{
	size_t start = out->n;
	bool group = false;

	for (size_t i = 0; i < l->n && !buf_failed(out); i++) {
		const struct addr_item *a = &l->items[i];
		size_t before = out->n;
		size_t reserve;

		if (a->kind == ADDR_GROUP_END && !group)
			continue;
		put_item(out, a);
		reserve = a->kind == ADDR_GROUP_START || (group && a->kind == ADDR_MAILBOX)
				  ? strlen(GROUP_END)
				  : 0;
		if (out->n - start + reserve > room) {
			out->n = before;
			break;
		}
		if (a->kind != ADDR_MAILBOX)
			group = a->kind == ADDR_GROUP_START;
	}
	if (group)
		buf_puts(out, GROUP_END);
	return out->n - start;
}

static enum err take_addresses(struct envelope *e, enum envelope_item item, slice_t body,
			       struct arena *scratch)
{
	bool list = item == ENVELOPE_TO || item == ENVELOPE_CC || item == ENVELOPE_BCC;
	struct buf *out = &e->item[item];
	struct addr_list parsed;
	enum err err;
	size_t n;

	if (!list && out->n != 0)
		return E_OK;
	err = addr_list_parse(body, ENVELOPE_ADDRESSES_MAX, scratch, &parsed);
	if (err != E_OK)
		return err;
	n = put_list(out, &parsed, list ? e->lists_left : ENVELOPE_SENDERS_BYTES);
	if (list)
		e->lists_left -= MIN(n, e->lists_left);
	return E_OK;
}

static void take_string(struct envelope *e, enum envelope_item item, slice_t body, size_t max)
{
	if (e->item[item].n != 0)
		return;
	buf_reset(&e->value);
	hdr_unfold(&e->value, body);
	/* A field that is there but empty is "", not NIL. */
	imaptext_string(&e->item[item], slice_sub(buf_slice(&e->value), 0, max));
}

enum err envelope_field(struct envelope *e, enum hdr_id id, slice_t body, struct arena *scratch)
{
	enum envelope_item item = item_of(id);
	enum err err = E_OK;

	switch (item) {
	case ENVELOPE_DATE:
		take_string(e, item, body, ENVELOPE_DATE_MAX);
		break;
	case ENVELOPE_SUBJECT:
		take_string(e, item, body, ENVELOPE_SUBJECT_MAX);
		break;
	case ENVELOPE_IN_REPLY_TO:
	case ENVELOPE_MESSAGE_ID:
		take_string(e, item, body, ENVELOPE_ID_MAX);
		break;
	case ENVELOPE_FROM:
	case ENVELOPE_SENDER:
	case ENVELOPE_REPLY_TO:
	case ENVELOPE_TO:
	case ENVELOPE_CC:
	case ENVELOPE_BCC:
		err = take_addresses(e, item, body, scratch);
		arena_reset(scratch);
		break;
	case ENVELOPE_ITEMS:
		return E_OK;
	}
	if (err == E_OK && (buf_failed(&e->item[item]) || buf_failed(&e->value)))
		err = E_LIMIT;
	return err;
}

void envelope_render(const struct envelope *e, struct buf *out)
{
	for (unsigned i = 0; i < ENVELOPE_ITEMS; i++) {
		const struct buf *item = &e->item[i];
		bool list = i >= ENVELOPE_FROM && i <= ENVELOPE_BCC;

		if (item->n == 0 && (i == ENVELOPE_SENDER || i == ENVELOPE_REPLY_TO))
			item = &e->item[ENVELOPE_FROM];
		buf_putc(out, i == 0 ? '(' : ' ');
		if (item->n == 0) {
			buf_puts(out, "NIL");
			continue;
		}
		if (list)
			buf_putc(out, '(');
		buf_put(out, buf_slice(item));
		if (list)
			buf_putc(out, ')');
	}
	buf_putc(out, ')');
}

void envelope_render_empty(struct buf *out)
{
	buf_puts(out, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
}
