/*
 * One pass over the fields. Each is left as it is, left out, or written anew because an address in
 * it had no domain; recipients are gathered on the way. What a message lacks goes to the end of the
 * header, where no trace field is above it that it does not belong to.
 */
#include "frontend/mime/handin.h"

#include "common/base/map.h"
#include "common/base/utf8.h"
#include "common/parse/addr.h"
#include "common/parse/cclass.h"
#include "frontend/mime/hdr.h"
#include "frontend/mime/tls_field.h"

/* Longer than what comes in, for domains that are added. */
#define HEADER_OUT_MAX (2 * HANDIN_HEADER_MAX + 4096)

enum field {
	FIELD_OTHER,
	FIELD_FROM,
	FIELD_SENDER,
	FIELD_TO, /* and Cc, Reply-To: read, and kept */
	FIELD_REPLY_TO,
	FIELD_BCC,
	FIELD_RESENT_TO,
	FIELD_RESENT_BCC,
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_TLS,
	FIELD_X_SENDER,
	FIELD_X_RECEIVER,
};

static const struct {
	slice_t name;
	enum field field;
} fields[] = {
	{{"From", 4}, FIELD_FROM},
	{{"Sender", 6}, FIELD_SENDER},
	{{"To", 2}, FIELD_TO},
	{{"Cc", 2}, FIELD_TO},
	{{"Reply-To", 8}, FIELD_REPLY_TO},
	{{"Bcc", 3}, FIELD_BCC},
	{{"Resent-To", 9}, FIELD_RESENT_TO},
	{{"Resent-Cc", 9}, FIELD_RESENT_TO},
	{{"Resent-Bcc", 10}, FIELD_RESENT_BCC},
	{{"Date", 4}, FIELD_DATE},
	{{"Message-ID", 10}, FIELD_MESSAGE_ID},
	{{"TLS-Required", 12}, FIELD_TLS},
	{{"X-Sender", 8}, FIELD_X_SENDER},
	{{"X-Receiver", 10}, FIELD_X_RECEIVER},
};

/* Recipients of one kind of field. */
struct names {
	slice_t *a;
	size_t n;
	struct map seen;
};

struct reader {
	const struct handin_opts *o;
	struct arena *mem;
	struct handin *out;
	struct diag *d;
	struct buf header;
	struct names plain, resent, receivers;
	bool has_from, has_date, has_message_id, has_sender;
};

/* ---- addresses ---- */

static enum err bad_address(slice_t text, struct diag *d)
{
	return diag_set(d, E_INVALID, "%.*s: not an address", (int)MIN(text.n, (size_t)200),
			text.n != 0 ? text.p : "");
}

/* local@domain from its parts, as it stands in the envelope. */
static enum err wire_form(slice_t local, slice_t domain, struct arena *mem, slice_t *out,
			  struct diag *d)
{
	struct addr a = {0}, again;
	struct buf b;
	enum err e = E_INVALID;

	if (local.n == 0 || local.n > ADDR_LOCAL_MAX || domain.n == 0 || domain.n > ADDR_DOMAIN_MAX)
		return bad_address(local, d);
	a.local_n = (uint8_t)local.n;
	a.domain_n = (uint8_t)domain.n;
	memcpy(a.local, local.p, local.n);
	memcpy(a.domain, domain.p, domain.n);
	buf_init(&b, HANDIN_ADDR_MAX, NULL);
	addr_format(&a, &b);
	/* What a server reads must be what was meant. */
	if (!buf_failed(&b) && addr_parse(buf_slice(&b), ADDR_SMTPUTF8, &again) == E_OK) {
		*out = arena_dup(mem, buf_slice(&b));
		e = E_OK;
	}
	buf_fini(&b);
	return e == E_OK ? E_OK : bad_address(local, d);
}

enum err handin_address(slice_t text, slice_t domain, struct arena *mem, slice_t *out,
			struct diag *d)
{
	struct addr_list list;
	enum err e;

	text = slice_trim(text);
	*out = SLICE_NONE;
	if (text.n == 0 || slice_eq(text, SL("<>")))
		return E_OK;
	e = addr_list_parse(text, 2, mem, &list);
	if (e != E_OK)
		return diag_set(d, e, "no memory for an address");
	/* An address without a domain is malformed for the grammar, not for us. */
	if (list.n != 1 || list.items[0].kind != ADDR_MAILBOX ||
	    (list.items[0].malformed && list.items[0].domain.n != 0))
		return bad_address(text, d);
	return wire_form(list.items[0].local,
			 list.items[0].domain.n != 0 ? list.items[0].domain : domain, mem, out, d);
}

slice_t handin_list_take(slice_t *list)
{
	bool quoted = false, angle = false;
	unsigned depth = 0; /* of comments */
	slice_t taken;
	size_t i = 0;

	for (; i < list->n; i++) {
		char c = list->p[i];

		if (c == '\\')
			i++;
		else if (c == '"' && depth == 0)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth != 0)
			depth--;
		else if (c == '<' || c == '>')
			angle = c == '<';
		else if (c == ',' && !angle && depth == 0)
			break;
	}
	taken = slice_sub(*list, 0, i);
	*list = slice_from(*list, i + 1);
	return taken;
}

static enum err names_add(struct reader *r, struct names *to, slice_t address)
{
	if (map_get(&to->seen, address) != NULL)
		return E_OK;
	if (to->n == HANDIN_RCPTS_MAX)
		return diag_set(r->d, E_LIMIT, "more than %d recipients", HANDIN_RCPTS_MAX);
	if (to->a == NULL)
		to->a = arena_alloc(r->mem, HANDIN_RCPTS_MAX * sizeof *to->a);
	to->a[to->n] = address;
	(void)map_put(&to->seen, address, &to->a[to->n]);
	to->n++;
	return E_OK;
}

static enum err gather(struct reader *r, struct names *to, const struct addr_list *list)
{
	enum err e = list->cut ? diag_set(r->d, E_LIMIT, "too many addresses in a field") : E_OK;

	for (size_t i = 0; e == E_OK && i < list->n; i++) {
		const struct addr_item *it = &list->items[i];
		slice_t address;

		if (it->kind != ADDR_MAILBOX)
			continue;
		e = wire_form(it->local, it->domain.n != 0 ? it->domain : r->o->domain, r->mem,
			      &address, r->d);
		if (e == E_OK)
			e = names_add(r, to, address);
	}
	return e;
}

/* ---- a field written anew ---- */

static bool is_phrase(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ' ' && !cclass(s.p[i], CC_ATEXT))
			return false;
	}
	return true;
}

/* display-name: words as they are, encoded ones too, or else a quoted string. */
static void put_name(struct buf *b, slice_t name)
{
	if (is_phrase(name)) {
		buf_put(b, name);
		return;
	}
	buf_putc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_putc(b, '\\');
		if (name.p[i] != '\r' && name.p[i] != '\n')
			buf_putc(b, name.p[i]);
	}
	buf_putc(b, '"');
}

static enum err put_mailbox(struct reader *r, const struct addr_item *it, enum field f)
{
	bool writer = f == FIELD_FROM || f == FIELD_SENDER;
	bool as_user = writer && it->domain.n == 0 && r->o->user.n != 0;
	/* Whose mail it is shall not be lost. */
	slice_t name = it->name.n == 0 && as_user ? it->local : it->name;
	slice_t address = r->o->user;
	enum err e = E_OK;

	if (!as_user)
		e = wire_form(it->local, it->domain.n != 0 ? it->domain : r->o->domain, r->mem,
			      &address, r->d);
	if (e != E_OK)
		return e;
	if (name.n != 0) {
		put_name(&r->header, name);
		buf_puts(&r->header, " <");
	}
	buf_put(&r->header, address);
	buf_puts(&r->header, name.n != 0 ? ">" : "");
	return E_OK;
}

/* A line for each mailbox: none is too long. */
static enum err put_list(struct reader *r, slice_t name, const struct addr_list *list, enum field f)
{
	bool first = true;
	enum err e = E_OK;

	buf_put(&r->header, name);
	buf_puts(&r->header, ": ");
	for (size_t i = 0; e == E_OK && i < list->n; i++) {
		const struct addr_item *it = &list->items[i];

		if (it->kind == ADDR_GROUP_END) {
			buf_putc(&r->header, ';');
			first = false;
			continue;
		}
		if (!first)
			buf_puts(&r->header, ",\r\n\t");
		first = it->kind == ADDR_GROUP_START;
		if (it->kind == ADDR_GROUP_START) {
			put_name(&r->header, it->name);
			buf_puts(&r->header, ": ");
		} else {
			e = put_mailbox(r, it, f);
		}
	}
	buf_puts(&r->header, "\r\n");
	return e;
}

static bool lacks_domain(const struct addr_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].kind == ADDR_MAILBOX && list->items[i].domain.n == 0 &&
		    list->items[i].local.n != 0)
			return true;
	}
	return false;
}

/* ---- fields ---- */

static enum field field_of(slice_t name)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!slice_ieq(name, fields[i].name))
			continue;
		return fields[i].field;
	}
	return FIELD_OTHER;
}

static enum err sender_field(struct reader *r, slice_t body)
{
	if (r->has_sender)
		return E_OK;
	r->has_sender = true;
	r->out->null_sender = slice_eq(slice_trim(body), SL("<>"));
	return handin_address(body, r->o->domain, r->mem, &r->out->sender, r->d);
}

/* The first address of From is the sender, too, where nothing else says who is. */
static enum err author_from(struct reader *r, const struct addr_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct addr_item *it = &list->items[i];

		if (it->kind != ADDR_MAILBOX)
			continue;
		if (it->domain.n == 0 && r->o->user.n != 0) {
			r->out->author = r->o->user;
			return E_OK;
		}
		return wire_form(it->local, it->domain.n != 0 ? it->domain : r->o->domain, r->mem,
				 &r->out->author, r->d);
	}
	return E_OK;
}

static enum err list_field(struct reader *r, enum field f, slice_t name, slice_t raw)
{
	struct names *to = f == FIELD_X_RECEIVER                           ? &r->receivers
			   : f == FIELD_RESENT_TO || f == FIELD_RESENT_BCC ? &r->resent
									   : &r->plain;
	struct addr_list list;
	enum err e = addr_list_parse(hdr_field_body(raw), ADDR_LIST_MAX, r->mem, &list);

	if (e != E_OK)
		return diag_set(r->d, e, "no memory for the addresses");
	if (f == FIELD_FROM && r->out->author.n == 0)
		e = author_from(r, &list);
	else if (f == FIELD_X_RECEIVER || (f != FIELD_FROM && f != FIELD_SENDER &&
					   f != FIELD_REPLY_TO && (r->o->take & HANDIN_TO) != 0))
		e = gather(r, to, &list);
	if (e != E_OK || f == FIELD_BCC || f == FIELD_RESENT_BCC || f == FIELD_X_RECEIVER)
		return e;
	if (lacks_domain(&list))
		return put_list(r, name, &list, f);
	buf_put(&r->header, raw);
	return E_OK;
}

static enum err one_field(struct reader *r, slice_t name, slice_t raw)
{
	enum field f = field_of(name);

	if (f >= FIELD_X_SENDER && (r->o->take & HANDIN_ENVELOPE) == 0)
		return E_OK; /* of another way, on which it was */
	r->has_from = r->has_from || f == FIELD_FROM;
	r->has_date = r->has_date || f == FIELD_DATE;
	r->has_message_id = r->has_message_id || f == FIELD_MESSAGE_ID;
	switch (f) {
	case FIELD_X_SENDER:
		return sender_field(r, hdr_field_body(raw));
	case FIELD_TLS:
		r->out->tls_optional = tls_field_read(hdr_field_body(raw)) == TLS_FIELD_NO;
		buf_put(&r->header, raw);
		return E_OK;
	case FIELD_OTHER:
	case FIELD_DATE:
	case FIELD_MESSAGE_ID:
		buf_put(&r->header, raw);
		return E_OK;
	case FIELD_FROM:
	case FIELD_SENDER:
	case FIELD_TO:
	case FIELD_REPLY_TO:
	case FIELD_BCC:
	case FIELD_RESENT_TO:
	case FIELD_RESENT_BCC:
	case FIELD_X_RECEIVER:
		break;
	}
	return list_field(r, f, name, raw);
}

/* ---- what it lacks, and the end ---- */

static void add_missing(struct reader *r)
{
	const struct handin_opts *o = r->o;
	char date[DATE_STR_MAX];

	slice_t from = r->out->sender.n != 0 ? r->out->sender : o->from;

	if (!r->has_from && from.n != 0) {
		r->out->author = from;
		buf_puts(&r->header, "From: ");
		if (o->full_name.n != 0)
			put_name(&r->header, o->full_name);
		buf_puts(&r->header, o->full_name.n != 0 ? " <" : "");
		buf_put(&r->header, from);
		buf_puts(&r->header, o->full_name.n != 0 ? ">\r\n" : "\r\n");
	}
	if (!r->has_sender)
		r->out->sender = r->out->author;
	if (!r->has_date)
		buf_printf(&r->header, "Date: %s\r\n", date_format_rfc5322(o->now, date));
	if (!r->has_message_id) {
		buf_puts(&r->header, "Message-ID: <");
		buf_put(&r->header, o->message_id);
		buf_puts(&r->header, ">\r\n");
	}
	buf_puts(&r->header, "\r\n");
}

static void choose_rcpts(struct reader *r)
{
	const struct names *n = r->receivers.n != 0 ? &r->receivers
				: r->resent.n != 0  ? &r->resent
						    : &r->plain;

	r->out->rcpts = n->a;
	r->out->nrcpts = n->n;
}

/* The field at s, with its folded lines; empty: there is none. *whole_out: its end is seen. */
static slice_t next_field(slice_t s, slice_t *name_out, bool *whole_out)
{
	struct hdr_iter it;
	slice_t raw = SLICE_NONE;

	hdr_iter_init(&it, s);
	*whole_out = true;
	if (!hdr_iter_next(&it, name_out, &raw) || name_out->n == 0)
		return SLICE_NONE;
	*whole_out = it.rest.n != 0;
	return raw;
}

static enum err read_fields(struct reader *r, slice_t s)
{
	slice_t rest = s, name, raw;
	enum err e = E_OK;
	bool whole;

	if (slice_starts(rest, SL("From ")))
		rest = slice_from(rest, slice_find_char(rest, '\n') + 1);
	while (e == E_OK && (raw = next_field(rest, &name, &whole)).n != 0) {
		if (!whole && s.n >= HANDIN_HEADER_MAX)
			return diag_set(r->d, E_TOO_BIG, "the header is longer than %zu bytes",
					HANDIN_HEADER_MAX);
		e = one_field(r, name, raw);
		if (!slice_ends(raw, SL("\n")))
			buf_puts(&r->header, "\r\n"); /* all of the message, and no end of line */
		rest = slice_from(rest, raw.n);
	}
	if (slice_starts(rest, SL("\r\n")))
		rest = slice_from(rest, 2);
	r->out->body_at = s.n - rest.n;
	return e;
}

enum err handin_read(slice_t s, const struct handin_opts *o, struct arena *mem, struct handin *out,
		     struct diag *d)
{
	struct reader r = {.o = o, .mem = mem, .out = out, .d = d};
	enum err e;

	*out = (struct handin){.nrcpts = 0};
	buf_init(&r.header, HEADER_OUT_MAX, mem->budget);
	map_init(&r.plain.seen);
	map_init(&r.resent.seen);
	map_init(&r.receivers.seen);
	e = read_fields(&r, s);
	if (e == E_OK) {
		add_missing(&r);
		choose_rcpts(&r);
		if (buf_failed(&r.header) ||
		    !arena_try_dup(mem, buf_slice(&r.header), &out->header))
			e = diag_set(d, E_LIMIT, "the header is too long");
		out->eight = !utf8_is_ascii(out->header);
	}
	map_fini(&r.plain.seen);
	map_fini(&r.resent.seen);
	map_fini(&r.receivers.seen);
	buf_fini(&r.header);
	return e;
}

/* ---- lines ---- */

static void end_line(struct handin_lines *l, struct buf *out)
{
	if (l->dot && !l->in_line) { /* the line was a dot alone */
		l->dot = false;
		l->ended = true;
		return;
	}
	buf_put(out, SL("\r\n"));
	l->in_line = l->dot = false;
}

static void line_byte(struct handin_lines *l, char c, struct buf *out)
{
	if (l->dots && !l->in_line && !l->dot && c == '.') {
		l->dot = true;
		return;
	}
	if (l->dot && !l->in_line)
		buf_putc(out, '.');
	l->in_line = true;
	buf_putc(out, c);
}

void handin_lines_feed(struct handin_lines *l, slice_t s, struct buf *out)
{
	for (size_t i = 0; i < s.n && !l->ended; i++) {
		char c = s.p[i];
		bool cr = l->cr;

		l->cr = c == '\r';
		if (c == '\0' || (c == '\n' && cr))
			continue;
		if (c == '\r' || c == '\n')
			end_line(l, out);
		else
			line_byte(l, c, out);
	}
}

void handin_lines_end(struct handin_lines *l, struct buf *out)
{
	if (l->ended || (!l->in_line && !l->dot))
		return;
	end_line(l, out);
}
