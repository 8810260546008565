#include "frontend/outbound/tlsrpt_post.h"

#include <stdio.h>

#include "common/crypto/digest.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/parse/idn.h"
#include "common/rpc/link.h"
#include "frontend/dns/resolver.h"
#include "frontend/outbound/https.h"
#include "frontend/outbound/own_mail.h"
#include "frontend/outbound/tlsrpt_json.h"
#include "frontend/outbound/tlsrpt_mail.h"
#include "frontend/outbound/tlsrpt_record.h"
#include "frontend/rpc/call_tls.h"

#define DNS_MS   30000
#define SITE_MS  60000
#define AGAIN_MS 2000 /* before a stream that has ended is opened again */

#define SITE_ANSWER_MAX (64 * 1024) /* words that nobody reads */

/* ---- one message ---- */

/* The same at each try: a report that was taken, and whose answer got lost, is not sent twice. */
static void derive_txid(const struct tls_report *r, slice_t address,
			uint8_t out[DELIVER_TXID_BYTES])
{
	uint8_t digest[SHA256_LEN];
	struct buf b;

	buf_init(&b, 2048, NULL);
	buf_put(&b, r->report_id);
	buf_putc(&b, ' ');
	buf_put(&b, address);
	sha256(buf_slice(&b), digest);
	buf_fini(&b);
	memcpy(out, digest, DELIVER_TXID_BYTES);
}

WAITS static enum err send_to(struct rpc_link *l, const struct tls_report *r, slice_t address,
			      slice_t gz, struct diag *d)
{
	struct deliver_target targets[DELIVER_TARGETS_MAX];
	struct own_mail mail;
	struct buf message;
	struct arena mem;
	size_t n = 0;
	enum err e;

	arena_init(&mem, NULL);
	buf_init(&message, TLSRPT_MAIL_MAX, NULL);
	own_mail_init(&mail, TLSRPT_MAIL_MAX);
	mail.meta.content = CONTENT_TLS_OPTIONAL | CONTENT_LOSABLE;
	derive_txid(r, address, mail.meta.txid);
	random_bytes(mail.meta.trace_id, sizeof mail.meta.trace_id);
	e = notice_sign_init_as(&mail.sign, r->contact, d);
	if (e == E_OK)
		e = tlsrpt_mail(r, address, gz, &message);
	if (e == E_OK)
		e = own_mail_write(&mail, buf_slice(&message));
	if (e == E_OK)
		e = own_mail_end(&mail, &mem);
	if (e == E_OK)
		e = call_tls_resolve(l, r->id, address, &mem, targets, &n, d);
	if (e == E_OK)
		e = own_mail_deliver(&mail, targets, n);
	LOG(e == E_OK ? LOG_INFO : LOG_WARN, NULL, "tlsrpt.report", LF_SLICE("domain", r->domain),
	    LF_SLICE("to", address), LF_SLICE("id", r->report_id),
	    LF_HEX("trace", slice(mail.meta.trace_id, sizeof mail.meta.trace_id)),
	    LF_ERR("result", e), LF_STR("why", d->text));
	own_mail_fini(&mail);
	buf_fini(&message);
	arena_reset(&mem);
	return e;
}

/* ---- at a site ---- */

/* Section 5.4; with a certificate that is right, which the RFC leaves to us: a site is written to
 * because a name says so. */
WAITS static enum err post_at(const struct tls_report *r, const struct tlsrpt_site *site,
			      slice_t gz, struct diag *d)
{
	const struct https_ask ask = {
		.host = site->host, .path = site->path, .body_max = SITE_ANSWER_MAX};
	const struct https_content content = {.type = "application/tlsrpt+gzip", .bytes = gz};
	struct https_answer a = {.status = 0};
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = https_post(&ask, &content, &mem, deadline_in(SITE_MS), &a, d);
	if (e == E_OK && a.status / 100 != 2)
		e = diag_set(d, E_RETRY, "the site answers %u", a.status);
	LOG(e == E_OK ? LOG_INFO : LOG_WARN, NULL, "tlsrpt.report", LF_SLICE("domain", r->domain),
	    LF_SLICE("to", site->host), LF_SLICE("id", r->report_id), LF_ERR("result", e),
	    LF_STR("why", e == E_OK ? "" : d->text));
	arena_reset(&mem);
	return e;
}

/* ---- one report ---- */

/* Who wants it. E_OK, E_NOT_FOUND, E_RETRY, E_CANCELLED. */
WAITS static enum err find_wish(const struct tls_report *r, struct arena *mem,
				struct tlsrpt_wish *out, struct diag *d)
{
	char name[DOMAIN_MAX + 16];
	struct dns_txt_answer t;
	enum err e;

	(void)snprintf(name, sizeof name, "_smtp._tls.%.*s", (int)r->domain.n, r->domain.p);
	e = dns_txt(slice_str(name), mem, deadline_in(DNS_MS), &t);
	if (e == E_INVALID)
		return diag_set(d, E_NOT_FOUND, "too long a name has no record");
	if (e != E_OK)
		return e;
	if (t.a.status == DNS_TEMPFAIL || t.a.status == DNS_BOGUS)
		return diag_set(d, E_RETRY, "%s: %s", name, dns_status_name(t.a.status));
	if (t.a.status != DNS_OK)
		return diag_set(d, E_NOT_FOUND, "no record at %.200s", name);
	e = tlsrpt_record_parse(t.list, t.n, mem, out);
	return e == E_OK ? e
			 : diag_set(d, E_NOT_FOUND,
				    e == E_INVALID ? "its record is malformed, or not the only one"
						   : "its record has nobody that we can write to");
}

/* A name that stands in a header and in a file's name: letters, digits and few others. */
static bool name_ok(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || strchr("\"\\<>()/!;:,", s.p[i]) != NULL)
			return false;
	}
	return s.n != 0;
}

static bool report_ok(const struct tls_report *r)
{
	return name_ok(r->domain) && r->domain.n <= DOMAIN_MAX && name_ok(r->report_id) &&
	       name_ok(r->contact);
}

/* What was sent, and to whom first. */
struct sending {
	slice_t first;
	unsigned sent;
	enum err last;
};

static void note(struct sending *s, slice_t to, enum err e)
{
	s->last = e;
	if (e == E_OK && s->sent++ == 0)
		s->first = to;
}

/* Sent when at least one of them has it: the others would get it twice. */
WAITS static enum err send_all(struct rpc_link *l, const struct tls_report *r,
			       const struct tlsrpt_wish *w, struct diag *d)
{
	struct sending s = {.last = E_RETRY};
	struct buf json, gz;
	enum err e;

	buf_init(&json, TLSRPT_JSON_MAX, NULL);
	buf_init(&gz, TLSRPT_GZIP_MAX, NULL);
	e = tlsrpt_json(r, &json);
	if (e == E_OK)
		e = tlsrpt_gzip(buf_slice(&json), &gz);
	if (e != E_OK)
		(void)diag_set(d, e, "no report could be made");
	for (size_t i = 0; e == E_OK && i < w->n; i++)
		note(&s, w->addresses[i], send_to(l, r, w->addresses[i], buf_slice(&gz), d));
	for (size_t i = 0; e == E_OK && i < w->nsites; i++)
		note(&s, w->sites[i].host, post_at(r, &w->sites[i], buf_slice(&gz), d));
	buf_fini(&json);
	buf_fini(&gz);
	if (e != E_OK)
		return e;
	if (s.sent == 0)
		return s.last;
	(void)diag_set(d, E_OK, "to %.*s%s", (int)MIN(s.first.n, (size_t)100), s.first.p,
		       s.sent > 1 ? ", and others" : "");
	return E_OK;
}

static enum tls_report_end end_of(enum err e)
{
	if (e == E_OK)
		return TLS_REPORT_SENT;
	return e == E_INVALID || e == E_NOT_FOUND || e == E_TOO_BIG || e == E_DENIED
		       ? TLS_REPORT_FAILED
		       : TLS_REPORT_LATER;
}

WAITS void tlsrpt_post(struct rpc_link *l, struct tls_report *r)
{
	enum tls_report_end end = TLS_REPORT_FAILED;
	struct diag d = {""};
	struct tlsrpt_wish w;
	enum err e;

	if (!report_ok(r)) {
		call_tls_over(l, r->id, end, "not a report that can be written");
		return;
	}
	e = find_wish(r, &r->mem, &w, &d);
	if (e == E_NOT_FOUND) {
		end = TLS_REPORT_UNWANTED;
	} else {
		if (e == E_OK)
			e = send_all(l, r, &w, &d);
		end = end_of(e);
		if (d.text[0] == '\0')
			(void)diag_set(&d, e, "%s", err_name(e));
	}
	call_tls_over(l, r->id, end, d.text);
}

WAITS void tlsrpt_run(void *link)
{
	struct rpc_link *l = link;

	while (rpc_link_usable(l) && !fiber_cancelled()) {
		enum err e = call_tls_work(l, tlsrpt_post);

		LOG(LOG_DEBUG, NULL, "tlsrpt.work_ended", LF_STR("backend", rpc_link_peer(l)->name),
		    LF_ERR("why", e));
		(void)fiber_sleep("tlsrpt.work_again", AGAIN_MS);
	}
	rpc_link_unref(&l);
}
