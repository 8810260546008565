#include "frontend/outbound/send.h"

#include "common/base/clock.h"
#include "common/parse/addr.h"
#include "frontend/outbound/report_of.h"
#include "frontend/outbound/sevenbit.h"

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
	report_of_sent(j, &m, client, remote, clock_mono_ms() - begun_ms);
	return e;
}
