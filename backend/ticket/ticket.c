#include "backend/ticket/ticket.h"

#include "backend/ticket/ticket_priv.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define TICKETS_MAGIC  0x746b7431u /* "tkt1" */
#define ROTATE_S       (24 * 60 * 60)
#define SETTLE_S       10
#define TICKET_VERSION 1
#define TICKET_AAD     "postern session ticket"
#define PLAIN_MAX      (TICKET_BYTES_MAX - SEAL_OVERHEAD)
/* Ended sessions kept in memory: log-outs of half an hour at 100 a second; older ones leave. Each
 * is about 100 bytes. */
#define ENDED_MAX      200000
#define UNSENT_MAX     4096 /* kills while PostgreSQL is away */

enum reason {
	R_FORGED,
	R_FRONTEND,
	R_SERVICE,
	R_EXPIRED,
	R_ENDED,
	R_EPOCH,
	R_ACCOUNT,
	R_RIGHTS,
};

METRIC_COUNTER(m_issued, "tickets_issued_total", "Session tickets sealed");
#define REFUSED(var, word) \
	METRIC_COUNTER(var, "tickets_refused_total", "Tickets refused by reason", {"reason", word})
REFUSED(m_forged, "forged");
REFUSED(m_frontend, "frontend");
REFUSED(m_service, "service");
REFUSED(m_expired, "expired");
REFUSED(m_ended, "ended");
REFUSED(m_epoch, "epoch");
REFUSED(m_account, "account");
REFUSED(m_rights, "rights");

static const struct {
	struct metric *count;
	const char *text;
} reasons[] = {
	[R_FORGED] = {&m_forged, "forged"},
	[R_FRONTEND] = {&m_frontend, "issued to another front-end"},
	[R_SERVICE] = {&m_service, "issued to another service"},
	[R_EXPIRED] = {&m_expired, "expired"},
	[R_ENDED] = {&m_ended, "the session was ended"},
	[R_EPOCH] = {&m_epoch, "the credentials have changed"},
	[R_ACCOUNT] = {&m_account, "the account is locked or removed"},
	[R_RIGHTS] = {&m_rights, "without the right to do that"},
};

/* ---- life ---- */

static void on_event(const struct dir_event *ev, void *arg)
{
	struct tickets *t = arg;

	if (ev->kind != DIR_EV_KEYS)
		return;
	ticket_keys_load(t);
	t->share = true;
	event_set(&t->nudge);
}

static void tickets_destroy(struct tickets **tp)
{
	struct tickets *t = *tp;
	struct list *n;

	dir_unsubscribe(&t->sub);
	while ((n = list_pop(&t->ended_list)) != NULL) {
		struct ended *x = list_entry(n, struct ended, node);

		xfree(&x);
	}
	map_fini(&t->ended);
	ticket_keys_wipe(t);
	secret_wipe(&t->node_key, sizeof(t->node_key));
	xfree(tp);
}

WAITS enum err tickets_open(const struct tickets_conf *c, struct tickets **out, struct diag *d)
{
	struct tickets *t = xcalloc(1, sizeof(*t));
	enum err e;

	t->magic = TICKETS_MAGIC;
	t->dir = c->dir;
	t->node_key = c->node_key;
	t->rotate_s = c->rotate_s != 0 ? c->rotate_s : ROTATE_S;
	t->settle_s = c->settle_s != 0 ? c->settle_s : SETTLE_S;
	t->share = true;
	map_init(&t->ended);
	list_init(&t->ended_list);
	event_init(&t->nudge);
	event_init(&t->closed);
	waitq_init(&t->ready);
	list_init(&t->sub.node);
	t->sub.fn = on_event;
	t->sub.arg = t;
	ticket_keys_load(t);
	dir_subscribe(t->dir, &t->sub);
	e = fiber_start("ticket.keys", ticket_keys_main, t, &t->fiber);
	if (e != E_OK) {
		tickets_destroy(&t);
		return diag_set(d, e, "no fiber for the ticket keys");
	}
	*out = t;
	return E_OK;
}

WAITS void tickets_close(struct tickets **tp)
{
	struct tickets *t = *tp;

	if (t == NULL)
		return;
	invariant(t->magic == TICKETS_MAGIC);
	if (t->fiber != NULL)
		fiber_cancel(t->fiber);
	fiber_shield_begin();
	if (event_wait(&t->closed, "ticket.close", NO_DEADLINE) != E_OK)
		LOG(LOG_ERROR, NULL, "ticket.close");
	fiber_shield_end();
	tickets_destroy(tp);
}

bool tickets_ready(const struct tickets *t)
{
	return t->nkeys > 0;
}

WAITS enum err tickets_wait_ready(struct tickets *t, int64_t deadline_ms)
{
	while (t->nkeys == 0) {
		enum err e;

		if (t->fiber == NULL)
			return E_CANCELLED;
		e = waitq_wait(&t->ready, "ticket.ready", deadline_ms);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

/* ---- bytes ---- */

static void put_u32(struct buf *b, uint32_t v)
{
	uint8_t x[4];

	be32_put(x, v);
	buf_put(b, slice(x, sizeof(x)));
}

static void put_u64(struct buf *b, uint64_t v)
{
	uint8_t x[8];

	be64_put(x, v);
	buf_put(b, slice(x, sizeof(x)));
}

/* Fixed fields first, the front-end's name last. */
#define FIXED_LEN (3 + 8 + 4 + 4 + 4 + TICKET_SESSION_LEN + 8 + 8 + 8 + TICKET_RESERVED)

static void encode(const struct ticket_claims *c, struct buf *out)
{
	buf_putc(out, TICKET_VERSION);
	buf_putc(out, (char)c->kind);
	buf_putc(out, (char)c->service);
	put_u64(out, c->account);
	put_u32(out, c->rights);
	put_u32(out, c->partition);
	put_u32(out, c->epoch);
	buf_put(out, slice(c->session, sizeof(c->session)));
	put_u64(out, (uint64_t)c->login_s);
	put_u64(out, (uint64_t)c->issued_s);
	put_u64(out, (uint64_t)c->expires_s);
	buf_put(out, slice(c->reserved, sizeof(c->reserved)));
	buf_puts(out, c->frontend);
}

static bool decode(slice_t s, struct ticket_claims *c)
{
	const char *p = s.p;

	if (s.n <= FIXED_LEN || p[0] != TICKET_VERSION || p[1] != TICKET_KIND_SESSION ||
	    p[2] <= SERVICE_NONE || p[2] > SERVICE_LAST)
		return false;
	c->kind = TICKET_KIND_SESSION;
	c->service = (enum rpc_service)p[2];
	c->account = be64_get(p + 3);
	c->rights = be32_get(p + 11);
	c->partition = be32_get(p + 15);
	c->epoch = be32_get(p + 19);
	memcpy(c->session, p + 23, TICKET_SESSION_LEN);
	p += 23 + TICKET_SESSION_LEN;
	c->login_s = (int64_t)be64_get(p);
	c->issued_s = (int64_t)be64_get(p + 8);
	c->expires_s = (int64_t)be64_get(p + 16);
	memcpy(c->reserved, p + 24, TICKET_RESERVED);
	return slice_to_str(slice_from(s, FIXED_LEN), c->frontend, sizeof(c->frontend));
}

/* ---- issue ---- */

uint32_t ticket_rights_of(enum rpc_service s)
{
	switch (s) {
	case SERVICE_IMAP:
		return TICKET_READ | TICKET_WRITE;
	case SERVICE_POP3:
		return TICKET_READ | TICKET_DELETE;
	case SERVICE_SUBMISSION:
		return TICKET_SUBMIT;
	case SERVICE_MANAGESIEVE:
		return TICKET_SIEVE;
	case SERVICE_NONE:
	case SERVICE_SMTP:
	case SERVICE_OUTBOUND:
	case SERVICE_INGEST:
	case SERVICE_WEB:
		return 0;
	}
	return 0;
}

enum err ticket_issue(struct tickets *t, struct ticket_claims *c, struct buf *out)
{
	const struct seal_key *k = ticket_key_seal(t);
	int64_t now_s = clock_wall_s();
	struct buf plain;

	if (k == NULL)
		return E_RETRY;
	c->kind = TICKET_KIND_SESSION;
	if (c->login_s == 0)
		c->login_s = now_s;
	c->issued_s = now_s;
	c->expires_s = MIN(now_s + TICKET_LIFE_S, c->login_s + TICKET_LOGIN_S);
	buf_init(&plain, PLAIN_MAX, NULL);
	invariant(buf_reserve(&plain, PLAIN_MAX) != NULL);
	encode(c, &plain);
	seal_box(k, SL(TICKET_AAD), buf_slice(&plain), out);
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	metric_add(&m_issued, 1);
	return buf_failed(out) ? E_LIMIT : E_OK;
}

uint32_t ticket_seconds(const struct ticket_claims *c)
{
	int64_t left = c->expires_s - clock_wall_s();

	return left > 0 ? (uint32_t)left : 0;
}

/* ---- open ---- */

static enum err refuse(enum reason why, struct diag *d)
{
	metric_add(reasons[why].count, 1);
	return diag_set(d, E_NO_TICKET, "ticket: %s", reasons[why].text);
}

static enum err unseal(struct tickets *t, slice_t bytes, struct ticket_claims *out)
{
	const struct seal_key *k = NULL;
	struct buf plain;
	enum err e;

	*out = (struct ticket_claims){.account = 0};
	if (bytes.n > TICKET_BYTES_MAX)
		return E_NO_TICKET;
	e = ticket_key_find(t, bytes, &k);
	if (e != E_OK)
		return e;
	buf_init(&plain, PLAIN_MAX, NULL);
	invariant(buf_reserve(&plain, PLAIN_MAX) != NULL);
	if (seal_open(k, SL(TICKET_AAD), bytes, &plain) != E_OK ||
	    !decode(buf_slice(&plain), out)) {
		*out = (struct ticket_claims){.account = 0};
		e = E_NO_TICKET;
	}
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	return e;
}

static bool session_ended(const struct tickets *t, const uint8_t session[TICKET_SESSION_LEN])
{
	return map_get(&t->ended, slice(session, TICKET_SESSION_LEN)) != NULL ||
	       dir_session_ended(t->dir, session);
}

/* Is the account still what it was at the log-in? */
static enum err check_account(struct tickets *t, const struct ticket_claims *c, struct diag *d)
{
	struct dir_account a;
	enum err e = dir_account_by_id(t->dir, c->account, &a);

	if (e == E_RETRY)
		return diag_set(d, e, "the account is not in the directory's copy");
	/* An epoch above ours: the one who issued it has heard more than we have. */
	if (e == E_OK && c->epoch < a.epoch)
		return refuse(a.state == DIR_ACTIVE ? R_EPOCH : R_ACCOUNT, d);
	if (e != E_OK || (a.state != DIR_ACTIVE && c->epoch == a.epoch))
		return refuse(R_ACCOUNT, d);
	return E_OK;
}

enum err ticket_open(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
		     uint32_t need, struct ticket_claims *out, struct diag *d)
{
	enum err e = unseal(t, bytes, out);

	if (e == E_RETRY)
		return diag_set(d, e, "sealed with a key that is not here yet");
	if (e != E_OK)
		return refuse(R_FORGED, d);
	if (peer->role != ROLE_FRONTEND || strcmp(peer->name, out->frontend) != 0)
		return refuse(R_FRONTEND, d);
	if (peer->service != out->service)
		return refuse(R_SERVICE, d);
	if (out->expires_s <= clock_wall_s())
		return refuse(R_EXPIRED, d);
	if (session_ended(t, out->session))
		return refuse(R_ENDED, d);
	if ((out->rights & need) != need)
		return refuse(R_RIGHTS, d);
	return check_account(t, out, d);
}

enum err ticket_renew(struct tickets *t, slice_t bytes, const struct rpc_identity *peer,
		      struct ticket_claims *claims_out, struct buf *out, struct diag *d)
{
	enum err e = ticket_open(t, bytes, peer, 0, claims_out, d);

	if (e != E_OK)
		return e;
	e = ticket_issue(t, claims_out, out);
	return e == E_RETRY ? diag_set(d, e, "no ticket key yet") : e;
}

/* ---- ended sessions ---- */

static void ended_drop(struct tickets *t, struct ended *x)
{
	list_remove(&x->node);
	map_del(&t->ended, slice(x->session, sizeof(x->session)));
	t->nended--;
	if (x->unsent)
		t->nunsent--;
	xfree(&x);
}

/* The oldest that the directory need not be told of makes room. */
static void ended_make_room(struct tickets *t)
{
	list_for_each_safe(n, &t->ended_list) {
		struct ended *x = list_entry(n, struct ended, node);

		if (t->nended < ENDED_MAX)
			return;
		if (!x->unsent)
			ended_drop(t, x);
	}
}

static struct ended *ended_add(struct tickets *t, const uint8_t session[TICKET_SESSION_LEN],
			       int64_t until_s)
{
	slice_t key = slice(session, TICKET_SESSION_LEN);
	struct ended *x = map_get(&t->ended, key);

	if (x != NULL) {
		x->until_s = MAX(x->until_s, until_s);
		return x;
	}
	ended_make_room(t);
	x = xcalloc(1, sizeof(*x));
	memcpy(x->session, session, TICKET_SESSION_LEN);
	x->until_s = until_s;
	map_put(&t->ended, key, x);
	list_append(&t->ended_list, &x->node);
	t->nended++;
	return x;
}

/* When no ticket of it can be good any more. */
static int64_t last_of_session_s(void)
{
	return clock_wall_s() + TICKET_LOGIN_S + TICKET_LIFE_S;
}

void ticket_end_session(struct tickets *t, const uint8_t session[TICKET_SESSION_LEN])
{
	struct ended *x = ended_add(t, session, last_of_session_s());

	if (x->unsent)
		return;
	if (t->nunsent == UNSENT_MAX) {
		LOG(LOG_ERROR, NULL, "ticket.end_untold",
		    LF_HEX("session", slice(session, TICKET_SESSION_LEN)));
		return;
	}
	x->unsent = true;
	t->nunsent++;
	event_set(&t->nudge);
}

void ticket_forget_session(struct tickets *t, const struct ticket_claims *c)
{
	ended_add(t, c->session, c->expires_s + TICKET_LIFE_S);
}

/* The first that is still to be told, copied. */
static bool next_unsent(const struct tickets *t, struct ended *out)
{
	list_for_each(n, &t->ended_list) {
		const struct ended *x = list_entry(n, struct ended, node);

		if (x->unsent) {
			*out = *x;
			return true;
		}
	}
	return false;
}

WAITS void ticket_ended_tend(struct tickets *t)
{
	int64_t now_s = clock_wall_s();
	struct ended one;

	while (t->nunsent > 0 && next_unsent(t, &one)) {
		struct ended *x;

		if (dir_session_end(t->dir, one.session, one.until_s, NULL) != E_OK)
			break;
		x = map_get(&t->ended, slice(one.session, sizeof(one.session)));
		if (x != NULL && x->unsent) {
			x->unsent = false;
			t->nunsent--;
		}
	}
	list_for_each_safe(n, &t->ended_list) {
		struct ended *x = list_entry(n, struct ended, node);

		if (x->until_s < now_s && !x->unsent)
			ended_drop(t, x);
	}
}
