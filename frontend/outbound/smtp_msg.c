#include "frontend/outbound/smtp_msg.h"

#include "common/base/utf8.h"
#include "common/parse/addr.h"
#include "common/parse/uaddr.h"

#define UNICODE_TYPE SL("utf-8;")

/* ---- whether it can be sent ---- */

bool smtp_msg_address_ok(slice_t s, bool *utf8_out)
{
	struct addr a;

	*utf8_out = false;
	if (s.n == 0)
		return true;
	if (addr_parse(s, ADDR_SMTPUTF8, &a) != E_OK)
		return false;
	*utf8_out = !utf8_is_ascii(s);
	return true;
}

static void unfit(struct smtp_result *why, const char *status, const char *words)
{
	smtp_result_own(why, SMTP_AT_MAIL, SMTP_REFUSED, status, "%s", words);
}

/* RFC 2852 section 4.1.4: what is to be returned in time goes only to who will do so. */
static bool unfit_in_time(const struct smtp_msg *m, const struct smtp_offer *o,
			  struct smtp_result *why)
{
	if ((m->by & BY_RETURN) == 0)
		return false;
	if (m->by_s <= 0)
		unfit(why, "5.4.7", "the time in which it was to be delivered is over");
	else if (!smtp_offers(o, SMTP_EXT_DELIVERBY))
		unfit(why, "5.3.3", "the host does not deliver by a time, or return (DELIVERBY)");
	else if (m->by_s < (int64_t)o->by_min)
		unfit(why, "5.4.7", "the host needs more time to deliver than there is");
	else
		return false;
	return true;
}

bool smtp_msg_unfit(const struct smtp_msg *m, const struct smtp_offer *o, bool tls_verified,
		    struct smtp_result *why)
{
	bool chunking = smtp_offers(o, SMTP_EXT_CHUNKING);
	bool utf8;

	if (!smtp_msg_address_ok(m->sender, &utf8))
		unfit(why, "5.1.7", "the sender's address cannot be used");
	else if ((utf8 || (m->needs & SMTP_NEED_UTF8)) && !smtp_offers(o, SMTP_EXT_SMTPUTF8))
		unfit(why, "5.6.7", "the host does not take internationalized mail (SMTPUTF8)");
	else if ((m->needs & SMTP_NEED_8BIT) && !smtp_offers(o, SMTP_EXT_8BITMIME))
		unfit(why, "5.6.3", "the host does not take 8-bit mail (8BITMIME)");
	else if ((m->needs & SMTP_NEED_BINARY) &&
		 (!chunking || !smtp_offers(o, SMTP_EXT_BINARYMIME)))
		unfit(why, "5.6.3", "the host does not take binary mail (BINARYMIME)");
	/* A notice that nobody could pass on would be lost (RFC 8689 section 5). */
	else if ((m->needs & SMTP_NEED_TLS) && m->sender.n != 0 &&
		 (!tls_verified || !smtp_offers(o, SMTP_EXT_REQUIRETLS)))
		unfit(why, "5.7.30", "the host does not support REQUIRETLS");
	else if (o->size_max != 0 && m->size > o->size_max)
		unfit(why, "5.3.4", "the message is larger than the host takes");
	else
		return unfit_in_time(m, o, why);
	return true;
}

/* ---- commands ---- */

void smtp_put_xtext(struct buf *out, slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] > 32 && s.p[i] < 127 && s.p[i] != '+' && s.p[i] != '=')
			buf_putc(out, s.p[i]);
		else
			buf_printf(out, "+%02X", (unsigned)(unsigned char)s.p[i]);
	}
}

/* Appends keyword and value, or nothing when the value is empty or would be too long. */
static void put_xtext_param(struct buf *out, const char *keyword, slice_t value, size_t max)
{
	struct buf b;

	if (value.n == 0)
		return;
	buf_init(&b, max, NULL);
	smtp_put_xtext(&b, value);
	if (!buf_failed(&b)) {
		buf_puts(out, keyword);
		buf_put(out, buf_slice(&b));
	}
	buf_fini(&b);
}

static void put_by(struct buf *out, const struct smtp_msg *m)
{
	int64_t s = MIN(MAX(m->by_s, -(int64_t)SMTP_BY_SENT_MAX), (int64_t)SMTP_BY_SENT_MAX);

	buf_printf(out, " BY=%lld;%s%s", (long long)s, (m->by & BY_RETURN) ? "R" : "N",
		   (m->by & BY_TRACE) ? "T" : "");
}

void smtp_msg_put_mail(struct buf *out, const struct smtp_msg *m, const struct smtp_offer *o,
		       enum smtp_utf8 utf8)
{
	buf_puts(out, "MAIL FROM:<");
	buf_put(out, m->sender);
	buf_puts(out, ">");
	if (smtp_offers(o, SMTP_EXT_SIZE) && m->size != 0) {
		buf_puts(out, " SIZE=");
		buf_put_u64(out, m->size);
	}
	if (m->needs & SMTP_NEED_BINARY)
		buf_puts(out, " BODY=BINARYMIME");
	else if (m->needs & SMTP_NEED_8BIT)
		buf_puts(out, " BODY=8BITMIME");
	if (utf8 == SMTP_UTF8)
		buf_puts(out, " SMTPUTF8");
	if ((m->needs & SMTP_NEED_TLS) && smtp_offers(o, SMTP_EXT_REQUIRETLS))
		buf_puts(out, " REQUIRETLS");
	if (m->by != 0 && smtp_offers(o, SMTP_EXT_DELIVERBY))
		put_by(out, m);
	if (m->priority != 0 && smtp_offers(o, SMTP_EXT_PRIORITY))
		buf_printf(out, " MT-PRIORITY=%d", m->priority);
	if (smtp_offers(o, SMTP_EXT_DSN)) {
		if (m->ret != 0)
			buf_puts(out, m->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
		put_xtext_param(out, " ENVID=", m->envid, SMTP_ENVID_SENT_MAX);
	}
	buf_puts(out, "\r\n");
}

static void put_notify(struct buf *out, uint32_t notify)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} words[] = {
		{NOTIFY_SUCCESS, "SUCCESS"},
		{NOTIFY_FAILURE, "FAILURE"},
		{NOTIFY_DELAY, "DELAY"},
	};
	const char *before = " NOTIFY=";

	if (notify & NOTIFY_NEVER) {
		buf_puts(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!(notify & words[i].bit))
			continue;
		buf_puts(out, before);
		buf_puts(out, words[i].word);
		before = ",";
	}
}

/* "utf-8;" and one of its two forms (RFC 6533 section 3). */
static void put_unicode_orcpt(struct buf *out, slice_t orcpt, enum smtp_utf8 utf8)
{
	struct buf b;

	buf_init(&b, SMTP_ORCPT_SENT_MAX, NULL);
	buf_put(&b, slice_sub(orcpt, 0, UNICODE_TYPE.n));
	if (uaddr_encode(slice_from(orcpt, UNICODE_TYPE.n),
			 utf8 == SMTP_UTF8 ? UADDR_8BIT : UADDR_7BIT, &b) &&
	    !buf_failed(&b)) {
		buf_puts(out, " ORCPT=");
		buf_put(out, buf_slice(&b));
	}
	buf_fini(&b);
}

/* original-recipient-address (RFC 3461 section 4.2): addr-type ";" xtext. */
static void put_orcpt(struct buf *out, slice_t orcpt, enum smtp_utf8 utf8)
{
	size_t semicolon = slice_find_char(orcpt, ';');

	if (slice_istarts(orcpt, UNICODE_TYPE))
		put_unicode_orcpt(out, orcpt, utf8);
	else if (semicolon > 0 && semicolon < orcpt.n && utf8_is_ascii(orcpt))
		put_xtext_param(out, " ORCPT=", orcpt, SMTP_ORCPT_SENT_MAX);
}

void smtp_msg_put_rcpt(struct buf *out, const struct smtp_msg_rcpt *r, const struct smtp_offer *o,
		       enum smtp_utf8 utf8)
{
	buf_puts(out, "RCPT TO:<");
	buf_put(out, r->address);
	buf_puts(out, ">");
	if (smtp_offers(o, SMTP_EXT_DSN)) {
		put_notify(out, r->notify);
		put_orcpt(out, r->orcpt, utf8);
	}
	buf_puts(out, "\r\n");
}
