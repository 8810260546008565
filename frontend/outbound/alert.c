#include "frontend/outbound/alert.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "common/parse/addr.h"
#include "frontend/outbound/notice_priv.h"

#define WHY_MAX 512

static void put_date(struct buf *out, int64_t s)
{
	char date[DATE_STR_MAX];

	buf_puts(out, date_format_rfc5322((struct date){.utc_s = s}, date));
}

static void put_header(const struct addr *to, const char *host, slice_t account, bool ascii,
		       struct buf *out)
{
	unsigned char id[16];

	random_bytes(id, sizeof id);
	buf_printf(out, "From: \"Mail Delivery System\" <MAILER-DAEMON@%s>\r\nTo: <", host);
	addr_format(to, out);
	buf_puts(out, ">\r\nSubject: Account held");
	if (ascii) {
		buf_puts(out, ":\r\n ");
		buf_put(out, account);
	}
	buf_puts(out, "\r\nDate: ");
	put_date(out, clock_wall_s());
	buf_puts(out, "\r\nMessage-ID: <");
	hex_encode(out, slice(id, sizeof id));
	buf_printf(out, "@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", host);
	buf_printf(out,
		   "Content-Type: text/plain; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n",
		   ascii ? "7bit" : "8bit");
}

static void put_command(struct buf *out, const char *words, slice_t account)
{
	buf_printf(out, "     postern %s ", words);
	buf_put(out, account);
	buf_puts(out, "\r\n");
}

static void put_words(const struct alert *a, const char *host, slice_t account, struct buf *out)
{
	buf_printf(out, "Hello, this is the mail server %s.\r\n\r\n", host);
	buf_puts(out,
		 "An account sends as if its password were in wrong hands. Its mail to other\r\n"
		 "systems is held: what it has sent waits in the queue, and no more is taken.\r\n"
		 "Mail within the cluster goes on.\r\n\r\nAccount: ");
	buf_put(out, account);
	buf_puts(out, "\r\nWhy:     ");
	notice_clean(out, a->why, alert_is_8bit(a) ? NOTICE_UTF8 : NOTICE_ASCII, WHY_MAX);
	buf_puts(out, "\r\nSince:   ");
	put_date(out, a->at_s);
	buf_puts(out,
		 "\r\n\r\nWhat to do:\r\n\r\n"
		 "1. Look at what waits, and ask the account's owner whether it is theirs:\r\n");
	put_command(out, "queue list --sender", account);
	buf_puts(out,
		 "2. If it is not, set another password, which ends all sessions, and remove\r\n"
		 "   what waits:\r\n");
	put_command(out, "account passwd", account);
	put_command(out, "queue remove --sender", account);
	buf_puts(out, "3. Then, or if it is, let the account's mail go:\r\n");
	put_command(out, "account release", account);
	buf_printf(out, "\r\n-- \r\nThis was written automatically by the mail server %s.\r\n",
		   host);
}

bool alert_is_8bit(const struct alert *a)
{
	return !utf8_is_ascii(a->account) || !utf8_is_ascii(a->why) || !utf8_is_ascii(a->to);
}

enum err alert_write(const struct alert *a, struct buf *out, struct diag *d)
{
	char host[DOMAIN_MAX + 1];
	bool ascii = !alert_is_8bit(a);
	struct buf account;
	struct addr to;

	if (domain_normalise(a->host, host) != E_OK)
		return diag_set(d, E_INVALID, "our own name is no domain");
	if (addr_parse(a->to, ADDR_SMTPUTF8, &to) != E_OK)
		return diag_set(d, E_INVALID, "whom it is for is no address");
	buf_init(&account, 2 * NOTICE_ADDRESS_MAX, NULL);
	notice_clean(&account, a->account, ascii ? NOTICE_ASCII : NOTICE_UTF8, NOTICE_ADDRESS_MAX);
	put_header(&to, host, buf_slice(&account), ascii, out);
	put_words(a, host, buf_slice(&account), out);
	buf_fini(&account);
	return buf_failed(out) ? diag_set(d, E_INVALID, "too long") : E_OK;
}
