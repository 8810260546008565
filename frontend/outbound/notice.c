#include "frontend/outbound/notice.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "common/parse/addr.h"
#include "frontend/outbound/notice_original.h"
#include "frontend/outbound/notice_priv.h"

/*
 * A notice is made in two steps, because what it needs of the server that takes it (8BITMIME,
 * SMTPUTF8) must be known before its first byte, and depends on the original: notice_new reads, and
 * decides all that is decided; notice_write only writes.
 *
 * Everything is appended to one buffer that is given away whenever it holds CHUNK bytes. Between
 * two looks at it comes at most one recipient, or one line of the original: both have limits that
 * fit into the rest of NOTICE_CHUNK_MAX but for a line of a header, which is broken up.
 */

#define CHUNK     8192
/* Where fields are folded, if they have a space there. */
#define FOLD      76
/* And where they are if they have none. */
#define FOLD_HARD 900

/* ---- notice_new ---- */

static void draw_hex(char out[NOTICE_ID_HEX + 1])
{
	unsigned char bytes[NOTICE_ID_HEX / 2];
	struct buf hex;

	random_bytes(bytes, sizeof bytes);
	buf_init(&hex, NOTICE_ID_HEX, NULL);
	hex_encode(&hex, slice(bytes, sizeof bytes));
	memcpy(out, hex.p, NOTICE_ID_HEX);
	out[NOTICE_ID_HEX] = '\0';
	buf_fini(&hex);
}

static bool is_global(const struct notice_recipient *r)
{
	return (!utf8_is_ascii(r->address) && utf8_valid(r->address)) ||
	       notice_orcpt_is_utf8(r->orcpt);
}

static enum err take_names(struct notice_draft *d, struct diag *diag)
{
	struct addr sender;

	if (domain_normalise(d->n->reporting_mta, d->host) != E_OK)
		return diag_set(diag, E_INVALID, "our own name is no domain");
	if (addr_parse(d->n->sender, ADDR_SMTPUTF8, &sender) != E_OK)
		return diag_set(diag, E_INVALID, "the sender is no address");
	addr_format(&sender, &d->sender);
	return E_OK;
}

WAITS enum err notice_new(const struct notice *n, struct budget *budget, struct notice_draft **out,
			  struct diag *diag)
{
	struct notice_draft *d = xcalloc(1, sizeof *d);
	enum err e;

	invariant(n->nrecipients != 0);
	d->n = n;
	d->words = notice_language(n->languages, n->nlanguages);
	buf_init(&d->sender, ADDR_PATH_MAX + ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX, budget);
	buf_init(&d->original, NOTICE_ORIGINAL_MAX, budget);
	buf_init(&d->subject, NOTICE_SUBJECT_MAX, budget);
	draw_hex(d->id);
	draw_hex(d->message_id);
	date_format_rfc5322((struct date){.utc_s = clock_wall_s()}, d->date);
	for (size_t i = 0; i < n->nrecipients && !d->global; i++)
		d->global = is_global(&n->recipients[i]);
	e = take_names(d, diag);
	if (e == E_OK)
		e = notice_original_read(d);
	if (e == E_OK && (buf_failed(&d->sender) || buf_failed(&d->subject)))
		e = E_LIMIT;
	if (e != E_OK)
		notice_free(&d);
	*out = d;
	return e;
}

void notice_free(struct notice_draft **d)
{
	if (*d == NULL)
		return;
	buf_fini(&(*d)->sender);
	buf_fini(&(*d)->original);
	buf_fini(&(*d)->subject);
	xfree(d);
}

bool notice_is_8bit(const struct notice_draft *d)
{
	return d->global || d->header_8bit || d->body_8bit || notice_is_utf8(d);
}

bool notice_is_utf8(const struct notice_draft *d)
{
	return !utf8_is_ascii(buf_slice(&d->sender));
}

/* ---- the header ---- */

static void put_from(const struct notice_draft *d, struct buf *out)
{
	slice_t name = slice_str(d->words->text[TEXT_FROM]);

	buf_puts(out, "From: ");
	if (utf8_is_ascii(name))
		buf_printf(out, "\"%s\"", d->words->text[TEXT_FROM]);
	else
		encode_words(out, name, sizeof "From: " - 1);
	buf_printf(out, "\r\n <MAILER-DAEMON@%s>\r\nTo: <", d->host);
	buf_put(out, buf_slice(&d->sender));
	buf_puts(out, ">\r\n");
}

static void put_reply_to(const struct notice_draft *d, struct buf *out)
{
	if (d->reply_to_id.n == 0)
		return;
	buf_puts(out, "In-Reply-To: ");
	buf_put(out, d->reply_to_id);
	buf_puts(out, "\r\nReferences: ");
	buf_put(out, d->reply_to_id);
	buf_puts(out, "\r\n");
}

static void put_header(const struct notice_draft *d, struct buf *out)
{
	slice_t subject = slice_str(d->words->subject[d->n->kind]);

	put_from(d, out);
	buf_puts(out, "Subject: ");
	if (utf8_is_ascii(subject))
		buf_put(out, subject);
	else
		encode_words(out, subject, sizeof "Subject: " - 1);
	buf_printf(out, "\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n", d->date, d->message_id, d->host);
	put_reply_to(d, out);
	buf_puts(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	buf_printf(out,
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
		   " boundary=\"=_%s\"\r\n",
		   d->id);
	if (notice_is_8bit(d))
		buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_puts(out, "\r\n");
}

static void put_delimiter(const struct notice_draft *d, struct buf *out)
{
	buf_printf(out, "\r\n--=_%s\r\n", d->id);
}

/* ---- pieces ---- */

struct sink {
	WAITS enum err (*write)(void *arg, slice_t bytes);
	void *arg;
	struct buf out;
};

/* Gives away what there is, if it is at least min bytes. */
static WAITS enum err give(struct sink *s, size_t min)
{
	enum err e;

	invariant(!buf_failed(&s->out));
	if (s->out.n < min || s->out.n == 0)
		return E_OK;
	e = s->write(s->arg, buf_slice(&s->out));
	buf_reset(&s->out);
	return e;
}

/* ---- the words for people ---- */

/* Opening, recipients and closing of those with that action. */
static WAITS enum err write_action(struct sink *s, struct notice_human *h,
				   enum notice_action action)
{
	const struct notice *n = h->d->n;
	bool any = false;

	for (size_t i = 0; i < n->nrecipients; i++) {
		enum err e;

		if (n->recipients[i].action != action)
			continue;
		if (!any)
			notice_human_opening(h, action);
		any = true;
		notice_human_recipient(h, &n->recipients[i]);
		e = give(s, CHUNK);
		if (e != E_OK)
			return e;
	}
	if (any)
		notice_human_closing(h, action);
	return E_OK;
}

static WAITS enum err write_human(const struct notice_draft *d, struct sink *s)
{
	static const char *const encodings[] = {
		[NOTICE_QP] = "quoted-printable",
		[NOTICE_BASE64] = "base64",
	};
	struct notice_human h;
	enum err e;

	put_delimiter(d, &s->out);
	buf_printf(&s->out,
		   "Content-Type: text/plain; charset=utf-8\r\n"
		   "Content-Language: %s\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n",
		   d->words->tag, encodings[d->words->encoding]);
	notice_human_init(&h, d, &s->out);
	e = write_action(s, &h, d->n->kind);
	for (unsigned i = 0; i < NOTICE_ACTIONS && e == E_OK; i++) {
		if (i != (unsigned)d->n->kind)
			e = write_action(s, &h, (enum notice_action)i);
	}
	notice_human_end(&h);
	notice_human_fini(&h);
	return e != E_OK ? e : give(s, CHUNK);
}

/* ---- the fields for programs (RFC 3464 section 2.1) ---- */

/* Folds text, which has no line break, at its spaces (RFC 3464 section 2.1.1), and anywhere where
 * it has none for too long. */
static void put_folded(struct buf *out, slice_t text, size_t column)
{
	while (text.n != 0) {
		size_t n = slice_find_char(slice_from(text, 1), ' ') + 1;
		size_t part = MIN(n, (size_t)FOLD_HARD);

		while (part < n && part > 1 && ((unsigned char)text.p[part] & 0xc0) == 0x80)
			part--;
		if (column > 1 && column + part > FOLD) {
			buf_puts(out, text.p[0] == ' ' ? "\r\n" : "\r\n ");
			column = text.p[0] == ' ' ? 0 : 1;
		}
		buf_put(out, slice_sub(text, 0, part));
		column += part;
		text = slice_from(text, part);
	}
	buf_puts(out, "\r\n");
}

static void put_time(struct buf *out, const char *name, int64_t s)
{
	char date[DATE_STR_MAX];

	if (s > 0)
		buf_printf(out, "%s: %s\r\n", name,
			   date_format_rfc5322((struct date){.utc_s = s}, date));
}

static void put_message_fields(const struct notice_draft *d, struct buf *out)
{
	if (d->n->envid.n != 0) {
		buf_puts(out, "Original-Envelope-Id: ");
		notice_clean(out, d->n->envid, NOTICE_ASCII, NOTICE_ENVID_MAX);
		buf_puts(out, "\r\n");
	}
	buf_printf(out, "Reporting-MTA: dns; %s\r\n", d->host);
	put_time(out, "Arrival-Date", d->n->arrival_s);
}

static void put_addresses(const struct notice_recipient *r, struct buf *out)
{
	bool utf8 = !utf8_is_ascii(r->address) && utf8_valid(r->address);

	notice_put_orcpt(out, r->orcpt);
	buf_printf(out, "Final-Recipient: %s; ", utf8 ? "utf-8" : "rfc822");
	notice_clean(out, r->address, utf8 ? NOTICE_UTF8 : NOTICE_ASCII, NOTICE_ADDRESS_MAX);
	buf_puts(out, "\r\n");
}

/* A server without a name is a domain literal (RFC 5321 section 4.1.3). */
static void put_remote_mta(const struct notice_recipient *r, struct buf *out)
{
	bool ipv6 = slice_find_char(r->mta_address, ':') != r->mta_address.n;

	if (r->mta.n == 0 && r->mta_address.n == 0)
		return;
	buf_puts(out, "Remote-MTA: dns; ");
	if (r->mta.n != 0) {
		notice_clean(out, r->mta, NOTICE_ASCII, NOTICE_MTA_MAX);
	} else {
		buf_puts(out, ipv6 ? "[IPv6:" : "[");
		notice_clean(out, r->mta_address, NOTICE_ASCII, NOTICE_MTA_MAX);
		buf_putc(out, ']');
	}
	buf_puts(out, "\r\n");
}

static void put_remote(const struct notice_draft *d, const struct notice_recipient *r,
		       struct buf *out)
{
	enum notice_charset cs = d->global ? NOTICE_UTF8 : NOTICE_ASCII;
	slice_t type, words;
	struct buf text;

	put_remote_mta(r, out);
	notice_diagnostic(r->diagnostic, &type, &words);
	if (words.n == 0)
		return;
	buf_init(&text, NOTICE_DIAGNOSTIC_MAX + NOTICE_MTA_MAX, NULL);
	buf_put(&text, type);
	buf_puts(&text, "; ");
	notice_clean(&text, words, cs, NOTICE_DIAGNOSTIC_MAX);
	buf_puts(out, "Diagnostic-Code: ");
	put_folded(out, slice_trim(buf_slice(&text)), sizeof "Diagnostic-Code: " - 1);
	buf_fini(&text);
}

static void put_recipient(const struct notice_draft *d, const struct notice_recipient *r,
			  struct buf *out)
{
	static const char *const actions[] = {
		[NOTICE_FAILED] = "failed",       [NOTICE_DELAYED] = "delayed",
		[NOTICE_DELIVERED] = "delivered", [NOTICE_RELAYED] = "relayed",
		[NOTICE_EXPANDED] = "expanded",
	};

	put_addresses(r, out);
	buf_printf(out, "Action: %s\r\nStatus: ", actions[r->action]);
	buf_put(out, notice_status(r));
	buf_puts(out, "\r\n");
	put_remote(d, r, out);
	put_time(out, "Last-Attempt-Date", r->last_attempt_s);
	if (r->action == NOTICE_DELAYED)
		put_time(out, "Will-Retry-Until", r->retry_until_s);
}

static WAITS enum err write_fields(const struct notice_draft *d, struct sink *s)
{
	put_delimiter(d, &s->out);
	buf_puts(&s->out, d->global ? "Content-Type: message/global-delivery-status\r\n"
				      "Content-Transfer-Encoding: 8bit\r\n\r\n"
				    : "Content-Type: message/delivery-status\r\n\r\n");
	put_message_fields(d, &s->out);
	for (size_t i = 0; i < d->n->nrecipients; i++) {
		enum err e;

		buf_puts(&s->out, "\r\n");
		put_recipient(d, &d->n->recipients[i], &s->out);
		e = give(s, CHUNK);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

/* ---- the original ---- */

static WAITS enum err write_original(const struct notice_draft *d, struct sink *s)
{
	slice_t rest = buf_slice(&d->original);

	if (d->n->read == NULL)
		return E_OK;
	put_delimiter(d, &s->out);
	buf_puts(&s->out, "Content-Type: ");
	buf_put(&s->out, notice_original_type(d));
	buf_puts(&s->out, d->header_8bit || d->body_8bit
				  ? "\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
				  : "\r\n\r\n");
	while (notice_original_line(d, &rest, &s->out)) {
		enum err e = give(s, CHUNK);

		if (e != E_OK)
			return e;
	}
	return E_OK;
}

WAITS enum err notice_write(const struct notice_draft *d,
			    WAITS enum err (*write)(void *arg, slice_t bytes), void *arg)
{
	struct sink s = {.write = write, .arg = arg};
	enum err e;

	buf_init(&s.out, NOTICE_CHUNK_MAX, NULL);
	put_header(d, &s.out);
	e = write_human(d, &s);
	if (e == E_OK)
		e = write_fields(d, &s);
	if (e == E_OK)
		e = write_original(d, &s);
	buf_printf(&s.out, "\r\n--=_%s--\r\n", d->id);
	if (e == E_OK)
		e = give(&s, 0);
	buf_fini(&s.out);
	return e;
}
