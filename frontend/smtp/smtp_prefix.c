#include "frontend/smtp/smtp_prefix.h"

#include "common/base/clock.h"
#include "common/parse/date.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_intake.h"

/* RFC 3848, RFC 6531 section 4.3. */
static const char *with_protocol(const struct smtp *s)
{
	static const char *const names[2][2][2] = {
		/* [utf8][tls][auth] */
		{{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
		{{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
	};
	static const char *const lmtp[2][2] = {{"LMTP", "LMTPS"}, {"UTF8LMTP", "UTF8LMTPS"}};

	if (s->profile->lmtp)
		return lmtp[s->tx.utf8][stream_is_tls(s->base.stream)];
	if (!s->ehlo)
		return "SMTP";
	return names[s->tx.utf8][stream_is_tls(s->base.stream)][s->base.ticket != NULL];
}

static void put_date(struct buf *out)
{
	char date[DATE_STR_MAX];

	buf_puts(out, date_format_rfc5322((struct date){.utc_s = clock_wall_s()}, date));
}

/* From-domain (RFC 5321 section 4.4). It has to be there and to be a domain; where users are not to
 * tell where they are it is a word that fits all of them. */
static void put_from(const struct smtp *s, struct buf *out)
{
	const struct ipaddr *peer = stream_peer(s->base.stream);
	char ip[IPADDR_STR];

	if (smtp_submits(s) && server_hides_client(s->base.server)) {
		buf_puts(out, "Received: from user\r\n");
		return;
	}
	/* RFC 5321 section 4.1.3: an IPv6 literal has its tag. */
	buf_printf(out, "Received: from %s (%s%s[%s%s])\r\n", s->helo, s->peer_name,
		   s->peer_name[0] != '\0' ? " " : "", peer->family == 6 ? "IPv6:" : "",
		   ipaddr_str(peer, ip));
}

static void put_received(const struct smtp *s, struct buf *out)
{
	const struct tls_facts *tls =
		stream_is_tls(s->base.stream) ? stream_tls(s->base.stream) : NULL;

	put_from(s, out);
	if (tls != NULL)
		buf_printf(out, "\t(using %s with %s)\r\n", tls->version, tls->cipher);
	buf_printf(out, "\tby %s with %s id %s", smtp_hostname(s), with_protocol(s),
		   s->tx.trace_hex);
	/* More than one would tell each of the others. */
	if (s->tx.nrcpts == 1) {
		buf_puts(out, "\r\n\tfor <");
		buf_put(out, s->tx.first_rcpt);
		buf_putc(out, '>');
	}
	if (s->tx.has_priority) /* RFC 6710 section 9 */
		buf_printf(out, "\r\n\tPRIORITY %d", s->tx.meta.priority);
	buf_puts(out, ";\r\n\t");
	put_date(out);
	buf_puts(out, "\r\n");
}

slice_t smtp_prefix_author(const struct smtp *s)
{
	return s->tx.meta.sender.n > 0 ? s->tx.meta.sender : slice_str(s->base.ticket->account);
}

void smtp_prefix_lacking(const struct smtp *s, struct buf *out)
{
	const struct smtp_header *h = &s->tx.in->header;

	if (!smtp_submits(s))
		return;
	if (!h->has_date) {
		buf_puts(out, "Date: ");
		put_date(out);
		buf_puts(out, "\r\n");
	}
	if (!h->has_message_id)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", s->tx.trace_hex, smtp_hostname(s));
	if (!h->has_from) {
		buf_puts(out, "From: <");
		buf_put(out, smtp_prefix_author(s));
		buf_puts(out, ">\r\n");
	}
	if (s->tx.in->lacks_sender)
		buf_printf(out, "Sender: <%s>\r\n", s->base.ticket->account);
}

void smtp_prefix(const struct smtp *s, struct buf *out)
{
	put_received(s, out);
	buf_put(out, s->tx.in->added);
}
