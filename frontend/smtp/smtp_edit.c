#include "frontend/smtp/smtp_edit.h"

enum { PASSING, IN_NAME, KEEPING, DROPPING, OVER };

void smtp_edit_init(struct smtp_edit *e, const struct server *server, struct budget *budget)
{
	*e = (struct smtp_edit){.state = PASSING, .at_line = true, .server = server};
	buf_init(&e->kept, SMTP_EDIT_FIELD_MAX, budget);
}

void smtp_edit_fini(struct smtp_edit *e)
{
	buf_fini(&e->kept);
	e->state = OVER;
}

bool smtp_edit_over(const struct smtp_edit *e)
{
	return e->state == OVER;
}

/* ---- domains ---- */

static bool in_domain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || (c & 0x80) != 0;
}

/* The bytes of a quoted string or a comment at the beginning; comments nest (RFC 5322 section
 * 3.2.2). One that is not closed takes all. */
static size_t opaque_length(slice_t s)
{
	bool quoted = s.p[0] == '"';
	size_t depth = 1, i;

	for (i = 1; i < s.n && depth > 0; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == (quoted ? '"' : ')'))
			depth--;
		else if (!quoted && s.p[i] == '(')
			depth++;
	}
	return MIN(i, s.n);
}

static size_t put_domain(const struct server *server, slice_t rest, struct buf *out)
{
	const char *instead;
	size_t n = 0;

	while (n < rest.n && in_domain(rest.p[n]))
		n++;
	instead = server_masquerade(server, slice_sub(rest, 0, n));
	if (instead != NULL)
		buf_puts(out, instead);
	else
		buf_put(out, slice_sub(rest, 0, n));
	return n;
}

/* Appends a field's body, every domain behind an "@" in it masqueraded: not those in comments and
 * quoted strings, nor one with white space around its "@". */
static void put_domains(const struct server *server, slice_t body, struct buf *out)
{
	while (body.n > 0) {
		size_t n = 1;

		if (body.p[0] == '"' || body.p[0] == '(')
			n = opaque_length(body);
		buf_put(out, slice_sub(body, 0, n));
		if (body.p[0] == '@')
			n += put_domain(server, slice_from(body, 1), out);
		body = slice_from(body, n);
	}
}

/* ---- fields ---- */

static bool is_among(slice_t name, const slice_t *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_ieq(name, names[i]))
			return true;
	}
	return false;
}

static bool names_sender(slice_t name)
{
	static const slice_t names[] = {{"from", 4}, {"sender", 6}, {"reply-to", 8}};

	return is_among(name, names, ARRAY_LEN(names));
}

static bool is_hidden(const struct smtp_edit *e, slice_t name)
{
	static const slice_t client[] = {{"x-originating-ip", 16}, {"x-client-ip", 11},
					 {"x-sender-ip", 11},      {"x-source-ip", 11},
					 {"x-remote-addr", 13},    {"x-forwarded-for", 15}};
	static const slice_t program[] = {
		{"user-agent", 10}, {"x-mailer", 8}, {"x-newsreader", 12}, {"x-mimeole", 9}};

	return (server_hides_client(e->server) && is_among(name, client, ARRAY_LEN(client))) ||
	       (server_hides_program(e->server) && is_among(name, program, ARRAY_LEN(program)));
}

static void give_kept(struct smtp_edit *e, struct buf *out)
{
	if (e->rewrites)
		put_domains(e->server, buf_slice(&e->kept), out);
	else
		buf_put(out, buf_slice(&e->kept));
	buf_reset(&e->kept);
	e->rewrites = false;
}

/* The colon has come: what is to be done with the field? */
static void name_ends(struct smtp_edit *e, struct buf *out)
{
	slice_t name = slice_trim(slice_sub(buf_slice(&e->kept), 0, e->kept.n - 1));

	if (is_hidden(e, name)) {
		buf_reset(&e->kept);
		e->state = DROPPING;
	} else if (names_sender(name)) {
		e->rewrites = true;
		e->state = KEEPING;
	} else {
		give_kept(e, out);
		e->state = PASSING;
	}
}

static void name_byte(struct smtp_edit *e, char c, struct buf *out)
{
	bool empty;

	buf_putc(&e->kept, c);
	if (c == ':') {
		name_ends(e, out);
	} else if (c == '\n' || e->kept.n > SMTP_EDIT_NAME_MAX) {
		empty = slice_eq(buf_slice(&e->kept), SL("\r\n")) ||
			slice_eq(buf_slice(&e->kept), SL("\n"));
		give_kept(e, out);
		e->state = empty ? OVER : PASSING;
	}
}

static void kept_byte(struct smtp_edit *e, char c, struct buf *out)
{
	if (e->kept.n < SMTP_EDIT_FIELD_MAX) {
		buf_putc(&e->kept, c);
		return;
	}
	e->rewrites = false;
	give_kept(e, out);
	buf_putc(out, c);
	e->state = PASSING;
}

static void one_byte(struct smtp_edit *e, char c, struct buf *out)
{
	/* A folded line goes on with its field. */
	if (e->at_line && c != ' ' && c != '\t') {
		give_kept(e, out);
		e->state = IN_NAME;
	}
	e->at_line = c == '\n';
	switch (e->state) {
	case IN_NAME:
		name_byte(e, c, out);
		break;
	case PASSING:
		buf_putc(out, c);
		break;
	case KEEPING:
		kept_byte(e, c, out);
		break;
	}
}

void smtp_edit_feed(struct smtp_edit *e, slice_t bytes, struct buf *out)
{
	size_t i = 0;

	while (i < bytes.n && e->state != OVER)
		one_byte(e, bytes.p[i++], out);
	buf_put(out, slice_from(bytes, i));
}

void smtp_edit_end(struct smtp_edit *e, struct buf *out)
{
	give_kept(e, out);
	e->state = OVER;
}
