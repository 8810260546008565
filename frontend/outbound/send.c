#include "frontend/outbound/send.h"

#include "common/base/clock.h"
#include "common/parse/addr.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/sevenbit.h"

#define TLS_STR 96

void send_remote_name(const struct smtp_client *client, const struct host *h,
		      char out[OUTBOUND_REMOTE_STR])
{
	const char *name = smtp_client_peer_name(client);
	char ip[IPADDR_STR];
	struct buf b;

	if (name[0] == '\0')
		name = h->name;
	buf_init(&b, OUTBOUND_REMOTE_STR - 1, NULL);
	buf_printf(&b, "%s [%s]", name, ipaddr_str(&h->addr, ip));
	invariant(slice_to_str(buf_slice(&b), out, OUTBOUND_REMOTE_STR));
	buf_fini(&b);
}

/* local@domain as it stands between < and >: the local part quoted where it must be. */
static slice_t wire_address(slice_t plain, struct arena *mem)
{
	const char *at = plain.n != 0 ? memrchr(plain.p, '@', plain.n) : NULL;
	size_t n = at != NULL ? (size_t)(at - plain.p) : plain.n;
	struct addr a = {0};
	struct buf b;
	slice_t out;

	if (at == NULL || n > ADDR_LOCAL_MAX || plain.n - n - 1 > ADDR_DOMAIN_MAX)
		return plain;
	a.local_n = (uint8_t)n;
	a.domain_n = (uint8_t)(plain.n - n - 1);
	memcpy(a.local, plain.p, n);
	memcpy(a.domain, at + 1, a.domain_n);
	buf_init(&b, 2 * ADDR_PATH_MAX, NULL);
	addr_format(&a, &b);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static void fill_msg(struct outbound_job *j, struct smtp_msg *m)
{
	*m = (struct smtp_msg){
		.sender = j->sender,
		.rcpts = arena_alloc(&j->mem, j->n * sizeof *m->rcpts),
		.n = j->n,
		.size = j->prefix.n + j->plain_size,
		.needs = ((j->content & CONTENT_8BIT) != 0 ? SMTP_NEED_8BIT : 0u) |
			 ((j->content & CONTENT_UTF8) != 0 ? SMTP_NEED_UTF8 : 0u) |
			 ((j->content & CONTENT_BINARY) != 0 ? SMTP_NEED_BINARY : 0u) |
			 ((j->content & CONTENT_REQUIRETLS) != 0 ? SMTP_NEED_TLS : 0u),
		.ret = j->ret,
		.envid = j->envid,
		.by = j->route.lmtp ? 0 : j->by, /* that is delivery */
		.priority = j->priority,
		.arena = &j->mem,
	};
	for (size_t i = 0; i < j->n; i++)
		m->rcpts[i] = (struct smtp_msg_rcpt){
			.address = wire_address(j->rcpts[i].address, &j->mem),
			.notify = j->rcpts[i].notify,
			.orcpt = j->rcpts[i].orcpt,
		};
}

/* ---- reports ---- */

/* A server's words begin with its code: that is how they are known for a server's. */
static void put(struct outbound_rcpt_result *out, const struct smtp_result *r, struct arena *mem)
{
	struct buf b;

	buf_init(&b, SMTP_TEXT_MAX, NULL);
	if (r->code != 0)
		buf_printf(&b, "%u ", (unsigned)r->code);
	buf_put(&b, slice_sub(slice_str(r->text), 0, SMTP_TEXT_MAX - b.n));
	*out = (struct outbound_rcpt_result){.code = r->code,
					     .status = slice_str(r->status),
					     .text = arena_dup(mem, buf_slice(&b))};
	buf_fini(&b);
}

/* A server that wants fewer connections says so before it hears of a recipient. */
static bool is_crowded(const struct smtp_result *r)
{
	return r->verdict == SMTP_LATER && r->phase <= SMTP_AT_MAIL &&
	       (r->code == 421 || (r->code / 100 == 4 && r->phase < SMTP_AT_MAIL));
}

static slice_t tls_words(const struct smtp_client *client, struct arena *mem)
{
	const struct tls_facts *tls = smtp_client_tls(client);
	char text[TLS_STR];
	struct buf b;

	if (tls == NULL)
		return SLICE_NONE;
	buf_init(&b, sizeof text - 1, NULL);
	buf_printf(&b, "%s %s", tls->version, tls->cipher);
	if (tls->verified != TLS_UNVERIFIED)
		buf_printf(&b, " %s", tls_verified_name(tls->verified));
	invariant(slice_to_str(buf_slice(&b), text, sizeof text));
	buf_fini(&b);
	return arena_dup(mem, slice_str(text));
}

static void report(const struct outbound_report *base, struct outbound_job *j,
		   const struct smtp_msg *m)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = *base;

	for (size_t i = 0; i < j->n; i++) {
		put(&rows[i], m->rcpts[i].result, &j->mem);
		r.crowded = r.crowded || is_crowded(m->rcpts[i].result);
	}
	r.results = rows;
	r.n = j->n;
	r.no_dsn = !m->dsn_passed;
	r.no_by = m->by != 0 && !m->by_passed;
	reports_put(j, &r);
}

/* One result for all. */
static void report_same(const struct outbound_report *base, struct outbound_job *j,
			const struct smtp_result *why)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = *base;

	for (size_t i = 0; i < j->n; i++)
		put(&rows[i], why, &j->mem);
	r.results = rows;
	r.n = j->n;
	reports_put(j, &r);
}

static struct smtp_result *keep(struct outbound_job *j, const struct smtp_result *r)
{
	struct smtp_result *copy = arena_new(&j->mem, struct smtp_result);

	*copy = *r;
	return copy;
}

void send_report_unreachable(struct outbound_job *j, const struct smtp_result *why, bool crowded)
{
	struct outbound_rcpt_result *row = arena_new(&j->mem, struct outbound_rcpt_result);
	struct outbound_report r = {
		.end = crowded ? OUTBOUND_UNTRIED : OUTBOUND_UNREACHABLE,
		.results = row,
		.n = crowded ? 0 : 1,
		.crowded = crowded,
	};

	put(row, keep(j, why), &j->mem);
	reports_put(j, &r);
}

void send_report_refused(struct outbound_job *j, const struct smtp_result *why)
{
	const struct outbound_report base = {.end = OUTBOUND_TRIED};

	report_same(&base, j, keep(j, why));
}

void send_report_untaken(struct outbound_job *j, const char *remote, const struct smtp_result *why)
{
	const struct outbound_report base = {
		.end = OUTBOUND_TRIED,
		.remote = arena_dup(&j->mem, slice_str(remote)),
	};

	report_same(&base, j, keep(j, why));
}

/* ---- sending ---- */

/* The connection ended before the server answered anything about this message. */
static bool unheard(const struct smtp_msg *m, enum err e)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct smtp_result *r = m->rcpts[i].result;

		if (r->code != 0 || r->phase != SMTP_AT_MAIL || r->verdict != SMTP_LATER)
			return false;
	}
	return e == E_CLOSED;
}

/* Recipients that the server did not take for the transaction's size alone go in another one. */
static bool once_more(struct smtp_msg *m)
{
	bool any = false, taken = false;

	for (size_t i = 0; i < m->n; i++)
		taken = taken || !m->rcpts[i].result->again_now;
	for (size_t i = 0; taken && i < m->n; i++) {
		if (m->rcpts[i].result->again_now) {
			m->rcpts[i].result = NULL;
			any = true;
		}
	}
	return any;
}

/* 8-bit or binary content for a server that takes none is made 7-bit (RFC 6152 section 3, RFC 3030
 * section 3). */
static bool wants_7bit(const struct smtp_client *client, const struct smtp_msg *m)
{
	const struct smtp_offer *o = smtp_client_offer(client);

	if ((m->needs & SMTP_NEED_UTF8) != 0)
		return false;
	if ((m->needs & SMTP_NEED_BINARY) != 0 &&
	    !(smtp_offers(o, SMTP_EXT_BINARYMIME) && smtp_offers(o, SMTP_EXT_CHUNKING)))
		return true;
	return (m->needs & SMTP_NEED_8BIT) != 0 && !smtp_offers(o, SMTP_EXT_8BITMIME);
}

/* Nothing was sent, and who is left is told so. */
static void not_now(struct smtp_msg *m)
{
	struct smtp_result *why = arena_new(m->arena, struct smtp_result);

	smtp_result_own(why, SMTP_AT_BODY, SMTP_LATER, "4.3.0", "The message cannot be read now");
	for (size_t i = 0; i < m->n; i++) {
		if (m->rcpts[i].result == NULL)
			m->rcpts[i].result = why;
	}
}

/* What cannot be made so goes as it is: the client says why it is not sent (5.6.3). One that cannot
 * be read is not such. Recipients who go in another transaction need it once more. */
WAITS static enum err send_7bit(struct smtp_client *client, struct outbound_job *j,
				struct smtp_msg *m)
{
	const uint32_t needs = m->needs;
	const uint64_t size = m->size;
	struct sevenbit s;
	enum err e = sevenbit_open(&s, j);

	if (e == E_OK) {
		m->needs &= ~(uint32_t)(SMTP_NEED_8BIT | SMTP_NEED_BINARY);
		m->size = 0;
		m->read = sevenbit_read;
		m->arg = &s;
	}
	if (e == E_OK || e == E_INVALID) {
		e = smtp_client_send(client, m);
	} else {
		not_now(m);
		e = E_OK; /* the connection is as good as it was */
	}
	m->needs = needs;
	m->size = size;
	sevenbit_close(&s);
	return e;
}

WAITS static enum err send_once(struct smtp_client *client, struct outbound_job *j,
				struct smtp_msg *m)
{
	struct outbound_body body;
	enum err e;

	m->by_s = (j->by_us - clock_wall_us()) / 1000000;
	if (wants_7bit(client, m))
		return send_7bit(client, j, m);
	outbound_body_init(&body, j);
	m->read = outbound_body_read;
	m->arg = &body;
	e = smtp_client_send(client, m);
	outbound_body_fini(&body);
	return e;
}

WAITS enum err send_job(struct smtp_client *client, const char *remote, struct outbound_job *j,
			struct smtp_result *why)
{
	struct outbound_report base = {.end = OUTBOUND_TRIED};
	int64_t begun_ms = clock_mono_ms();
	struct smtp_msg m;
	enum err e;

	fill_msg(j, &m);
	do
		e = send_once(client, j, &m);
	while (e == E_OK && smtp_client_usable(client) && !outbound_job_is_late(j) &&
	       once_more(&m));
	if (unheard(&m, e)) {
		*why = *m.rcpts[0].result;
		return E_NOT_FOUND;
	}
	base.remote = arena_dup(&j->mem, slice_str(remote));
	base.tls = tls_words(client, &j->mem);
	base.ms = (uint32_t)MIN(clock_mono_ms() - begun_ms, (int64_t)UINT32_MAX);
	report(&base, j, &m);
	return e;
}
