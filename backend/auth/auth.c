/*
 * auth: the exchanges. One is in the table only between two messages of its client: a step takes
 * it out, so that no two steps meet in it, and puts it back if it goes on.
 *
 *   PLAIN   start [message]               -> done
 *   LOGIN   start "Username:" name "Password:" password -> done
 *   SCRAM   start client-first  server-first client-final -> done, v=
 *   GSSAPI  start [token] token empty  offer choice -> done (auth_krb)
 */
#include "backend/auth/auth.h"

#include "backend/auth/auth_priv.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define AUTH_MAGIC 0x61757431u /* "aut1" */
#define TEND_MS    10000
#define SCRAM_BUF  1024 /* each message of it that we keep */

METRIC_GAUGE(m_exchanges, "auth_exchanges", "Half-done exchanges");
METRIC_COUNTER(m_dropped, "auth_exchanges_dropped_total",
	       "Exchanges dropped for want of room, the oldest first");

void auth_reply_init(struct auth_reply *r)
{
	*r = (struct auth_reply){.exchange = 0};
	buf_init(&r->challenge, AUTH_CHALLENGE_MAX, NULL);
	buf_init(&r->ticket, TICKET_BYTES_MAX, NULL);
}

void auth_reply_fini(struct auth_reply *r)
{
	buf_fini(&r->challenge);
	buf_fini(&r->ticket);
}

/* ---- the table ---- */

static void exchange_free(struct exchange **xp)
{
	struct exchange *x = *xp;

	if (x == NULL)
		return;
	krb_free(&x->krb);
	buf_fini(&x->gs2);
	buf_fini(&x->first_bare);
	buf_fini(&x->server_first);
	secret_wipe(x, sizeof(*x));
	xfree(xp);
}

static void unlink_exchange(struct auth *a, struct exchange *x)
{
	map_del(&a->exchanges, slice(x->id, sizeof(x->id)));
	list_remove(&x->node);
	metric_set(&m_exchanges, (int64_t)a->exchanges.count);
}

static struct exchange *oldest(const struct auth *a)
{
	return list_empty(&a->order) ? NULL : list_entry(a->order.next, struct exchange, node);
}

static void exchanges_expire(struct auth *a, int64_t now_ms)
{
	struct exchange *x;

	while ((x = oldest(a)) != NULL && x->expires_ms <= now_ms) {
		unlink_exchange(a, x);
		exchange_free(&x);
	}
}

/* Waits for the client's next message; its id is new each time. */
static uint64_t park(struct auth *a, struct exchange *x)
{
	exchanges_expire(a, clock_mono_ms());
	if (a->exchanges.count >= AUTH_EXCHANGES_MAX) {
		struct exchange *old = oldest(a);

		invariant(old != NULL);
		metric_add(&m_dropped, 1);
		unlink_exchange(a, old);
		exchange_free(&old);
	}
	do
		random_bytes(x->id, sizeof(x->id));
	while (be64_get(x->id) == 0 || map_get(&a->exchanges, slice(x->id, sizeof(x->id))) != NULL);
	x->expires_ms = clock_mono_ms() + AUTH_EXCHANGE_MS;
	map_put(&a->exchanges, slice(x->id, sizeof(x->id)), x);
	list_append(&a->order, &x->node);
	metric_set(&m_exchanges, (int64_t)a->exchanges.count);
	return be64_get(x->id);
}

static bool same_frontend(const struct rpc_identity *a, const struct rpc_identity *b)
{
	return a->role == b->role && a->service == b->service && strcmp(a->name, b->name) == 0;
}

static struct exchange *unpark(struct auth *a, const struct rpc_identity *frontend, uint64_t id)
{
	struct exchange *x;
	uint8_t key[8];

	be64_put(key, id);
	x = map_get(&a->exchanges, slice(key, sizeof(key)));
	if (x == NULL || !same_frontend(&x->frontend, frontend))
		return NULL;
	unlink_exchange(a, x);
	if (x->expires_ms <= clock_mono_ms())
		exchange_free(&x);
	return x;
}

static struct exchange *exchange_new(const struct rpc_identity *frontend,
				     const struct auth_client *c, enum sasl_mech mech)
{
	struct exchange *x = xcalloc(1, sizeof(*x));

	list_init(&x->node);
	x->mech = mech;
	x->frontend = *frontend;
	memcpy(x->session, c->session, sizeof(x->session));
	x->ip = c->ip;
	if (!slice_to_str(c->default_domain, x->domain, sizeof(x->domain)))
		x->domain[0] = '\0';
	x->port = c->port;
	x->tls = c->tls;
	if (!slice_to_str(slice_sub(c->tls_version, 0, AUTH_TLS_NAME_MAX - 1), x->tls_version,
			  sizeof(x->tls_version)) ||
	    !slice_to_str(slice_sub(c->tls_cipher, 0, AUTH_TLS_NAME_MAX - 1), x->tls_cipher,
			  sizeof(x->tls_cipher)))
		x->tls_cipher[0] = '\0';
	x->binding_n = MIN(c->channel_binding.n, sizeof(x->binding));
	if (x->binding_n > 0)
		memcpy(x->binding, c->channel_binding.p, x->binding_n);
	buf_init(&x->gs2, SCRAM_BUF, NULL);
	buf_init(&x->first_bare, SCRAM_BUF, NULL);
	buf_init(&x->server_first, SCRAM_BUF, NULL);
	return x;
}

/* ---- PLAIN and LOGIN ---- */

WAITS static enum err step_plain(struct auth *a, struct exchange *x, slice_t message,
				 struct auth_reply *out, struct diag *d)
{
	struct sasl_plain p;
	enum err e;

	if (!sasl_plain_parse(message, &p))
		return diag_set(d, E_INVALID, "not a PLAIN message");
	e = auth_name(a, x, p.authzid, p.authcid, out, d);
	return e == E_OK ? auth_password(a, x, p.password, out, d) : e;
}

WAITS static enum err step_login(struct auth *a, struct exchange *x, slice_t message,
				 struct auth_reply *out, struct diag *d)
{
	enum err e;

	if (message.n == 0 || slice_find_char(message, '\0') != message.n)
		return diag_set(d, E_INVALID, "not a LOGIN message");
	if (x->state == X_LOGIN_PASSWORD)
		return auth_password(a, x, message, out, d);
	e = auth_name(a, x, SLICE_NONE, message, out, d);
	if (e != E_OK)
		return e;
	x->state = X_LOGIN_PASSWORD;
	buf_puts(&out->challenge, "Password:");
	return E_OK;
}

/* ---- SCRAM ---- */

/* RFC 5802 section 6: what the client thinks of our channel binding. */
static enum err check_binding(const struct exchange *x, const struct scram_first *f, struct diag *d)
{
	bool offered = x->binding_n > 0;

	if (x->mech == SASL_SCRAM_PLUS && (f->cb != 'p' || !offered))
		return diag_set(d, E_INVALID, "SCRAM-SHA-256-PLUS without channel binding");
	if (x->mech == SASL_SCRAM && f->cb == 'p')
		return diag_set(d, E_INVALID, "channel binding without -PLUS");
	/* It could have bound, and was told that we cannot: somebody stands in between. */
	if (f->cb == 'y' && offered)
		return diag_set(d, E_DENIED, "the offer of channel binding was taken away");
	return E_OK;
}

static void server_first(struct exchange *x, slice_t client_nonce)
{
	uint8_t nonce[AUTH_SERVER_NONCE];

	random_bytes(nonce, sizeof(nonce));
	buf_puts(&x->server_first, "r=");
	x->nonce_at = x->server_first.n;
	buf_put(&x->server_first, client_nonce);
	base64_encode(&x->server_first, slice(nonce, sizeof(nonce)));
	x->nonce_n = x->server_first.n - x->nonce_at;
	buf_puts(&x->server_first, ",s=");
	base64_encode(&x->server_first, slice(x->scram.salt, x->scram.salt_n));
	buf_printf(&x->server_first, ",i=%u", x->scram.iterations);
}

static enum err scram_names(struct auth *a, struct exchange *x, const struct scram_first *f,
			    struct auth_reply *out, struct diag *d)
{
	struct buf authcid, authzid;
	enum err e;

	buf_init(&authcid, SCRAM_BUF, NULL);
	buf_init(&authzid, SCRAM_BUF, NULL);
	if (!sasl_name_decode(f->username, &authcid) || !sasl_name_decode(f->authzid, &authzid))
		e = diag_set(d, E_INVALID, "not a saslname");
	else
		e = auth_name(a, x, buf_slice(&authzid), buf_slice(&authcid), out, d);
	buf_fini(&authcid);
	buf_fini(&authzid);
	return e;
}

WAITS static enum err step_scram_first(struct auth *a, struct exchange *x, slice_t message,
				       struct auth_reply *out, struct diag *d)
{
	struct scram_first f;
	enum err e = scram_first_parse(message, &f, d);

	if (e == E_OK)
		e = scram_names(a, x, &f, out, d);
	if (e == E_OK) {
		e = check_binding(x, &f, d);
		if (e == E_DENIED)
			return auth_denied(a, x, "channel binding taken away", 0, d);
	}
	if (e == E_OK)
		e = auth_scram_begin(a, x, d);
	if (e != E_OK)
		return e;
	x->cb = f.cb;
	buf_put(&x->gs2, f.gs2);
	buf_put(&x->first_bare, f.bare);
	server_first(x, f.nonce);
	if (buf_failed(&x->gs2) || buf_failed(&x->first_bare) || buf_failed(&x->server_first))
		return diag_set(d, E_INVALID, "a SCRAM message that is too long");
	buf_put(&out->challenge, buf_slice(&x->server_first));
	x->state = X_SCRAM_FINAL;
	return E_OK;
}

static enum err step_scram_final(struct auth *a, struct exchange *x, slice_t message,
				 struct auth_reply *out, struct diag *d)
{
	slice_t nonce = slice_sub(buf_slice(&x->server_first), x->nonce_at, x->nonce_n);
	struct buf all, proof;
	struct scram_final f;
	enum err e;

	if (!scram_final_parse(message, &f))
		return diag_set(d, E_INVALID, "not a client-final-message");
	if (!slice_eq(f.nonce, nonce))
		return diag_set(d, E_INVALID, "another nonce");
	if (!scram_channel_matches(f.channel, buf_slice(&x->gs2), x->cb,
				   slice(x->binding, x->binding_n)))
		return auth_denied(a, x, "channel binding", 0, d);
	buf_init(&proof, SCRAM_KEY_LEN, NULL);
	buf_init(&all, 2 * SCRAM_BUF + AUTH_RESPONSE_MAX, NULL);
	/* AuthMessage */
	buf_put(&all, buf_slice(&x->first_bare));
	buf_putc(&all, ',');
	buf_put(&all, buf_slice(&x->server_first));
	buf_putc(&all, ',');
	buf_put(&all, f.without_proof);
	if (!base64_decode(&proof, f.proof) || buf_failed(&all))
		e = diag_set(d, E_INVALID, "not a proof");
	else
		e = auth_scram_end(a, x, buf_slice(&all), buf_slice(&proof), out, d);
	buf_fini(&all);
	buf_fini(&proof);
	return e;
}

/* ---- steps ---- */

WAITS static enum err step(struct auth *a, struct exchange *x, slice_t response,
			   struct auth_reply *out, struct diag *d)
{
	if (response.n > (x->mech == SASL_GSSAPI ? AUTH_TOKEN_MAX : AUTH_RESPONSE_MAX))
		return diag_set(d, E_INVALID, "a response that is too long");
	switch (x->mech) {
	case SASL_PLAIN:
		return step_plain(a, x, response, out, d);
	case SASL_LOGIN:
		return step_login(a, x, response, out, d);
	case SASL_SCRAM:
	case SASL_SCRAM_PLUS:
		if (x->state == X_SCRAM_FINAL)
			return step_scram_final(a, x, response, out, d);
		return step_scram_first(a, x, response, out, d);
	case SASL_GSSAPI:
		return auth_krb(a, x, response, out, d);
	}
	return E_INTERNAL;
}

/* Takes x over. */
static enum err settle(struct auth *a, struct exchange *x, enum err e, struct auth_reply *out)
{
	if (e == E_OK && !out->done)
		out->exchange = park(a, x);
	else
		exchange_free(&x);
	return e;
}

static void enter(struct auth *a)
{
	a->users++;
}

static void leave(struct auth *a)
{
	if (--a->users == 0)
		waitq_wake_all(&a->unused);
}

static enum err admit(const struct rpc_identity *frontend, const struct auth_client *c,
		      slice_t mechanism, enum sasl_mech *mech, struct diag *d)
{
	if (frontend->role != ROLE_FRONTEND || ticket_rights_of(frontend->service) == 0)
		return diag_set(d, E_INVALID, "a service without log-ins");
	if (!sasl_mech_parse(mechanism, mech))
		return diag_set(d, E_INVALID, "an unknown mechanism");
	if (!c->tls && (*mech == SASL_PLAIN || *mech == SASL_LOGIN))
		return diag_set(d, E_INVALID, "a password without TLS");
	/* It proves who begins, and then protects nothing: that is left to TLS. */
	if (!c->tls && *mech == SASL_GSSAPI)
		return diag_set(d, E_INVALID, "GSSAPI without TLS");
	return E_OK;
}

WAITS enum err auth_start(struct auth *a, const struct rpc_identity *frontend,
			  const struct auth_client *c, slice_t mechanism, bool has_initial,
			  slice_t initial, struct auth_reply *out, struct diag *d)
{
	enum sasl_mech mech = SASL_PLAIN;
	struct exchange *x;
	enum err e = admit(frontend, c, mechanism, &mech, d);

	if (e != E_OK)
		return e;
	enter(a);
	x = exchange_new(frontend, c, mech);
	if (has_initial)
		e = step(a, x, initial, out, d);
	else if (mech == SASL_LOGIN)
		buf_puts(&out->challenge, "Username:");
	e = settle(a, x, e, out);
	leave(a);
	return e;
}

WAITS enum err auth_step(struct auth *a, const struct rpc_identity *frontend, uint64_t exchange,
			 slice_t response, struct auth_reply *out, struct diag *d)
{
	struct exchange *x = unpark(a, frontend, exchange);
	enum err e;

	if (x == NULL)
		return diag_set(d, E_INVALID, "no such exchange");
	enter(a);
	e = settle(a, x, step(a, x, response, out, d), out);
	leave(a);
	return e;
}

void auth_abort(struct auth *a, const struct rpc_identity *frontend, uint64_t exchange)
{
	struct exchange *x = unpark(a, frontend, exchange);

	exchange_free(&x);
}

/* ---- sessions ---- */

void auth_end(struct auth *a, const struct ticket_claims *c, slice_t reason, uint64_t bytes_in,
	      uint64_t bytes_out)
{
	struct session_info s = {.login_s = c->login_s};
	struct dir_account account = {.address = ""};
	char ip[IPADDR_STR];

	sessions_remove(a->sessions, c->session, &s);
	if (dir_account_by_id(a->dir, c->account, &account) != E_OK)
		account.address[0] = '\0';
	LOG(LOG_INFO, a->log, "auth.logout", LF_STR("name", account.address),
	    LF_UINT("account", c->account),
	    LF_HEX("session", slice(c->session, sizeof(c->session))),
	    LF_STR("frontend", c->frontend), LF_STR("service", rpc_service_name(c->service)),
	    LF_STR("ip", ipaddr_str(&s.ip, ip)), LF_SLICE("reason", slice_sub(reason, 0, 200)),
	    LF_UINT("bytes_in", bytes_in), LF_UINT("bytes_out", bytes_out),
	    LF_INT("seconds", clock_wall_s() - c->login_s));
}

struct sessions *auth_sessions(struct auth *a)
{
	return a->sessions;
}

void auth_last_login(const struct auth *a, uint64_t account, struct auth_last *out)
{
	last_get(a->last, account, out);
}

void auth_get_counts(const struct auth *a, struct auth_counts *out)
{
	*out = a->counts;
}

/* ---- life ---- */

static void on_event(const struct dir_event *ev, void *arg)
{
	struct auth *a = arg;

	if (ev->kind == DIR_EV_ACCOUNT && ev->sessions_end)
		proof_forget(a->proofs, ev->account->id);
}

WAITS static void tend_main(void *arg)
{
	struct auth *a = arg;

	while (event_wait(&a->wake, "auth.tend", deadline_in(TEND_MS)) != E_CANCELLED) {
		exchanges_expire(a, clock_mono_ms());
		sessions_expire(a->sessions);
		last_flush(a->last);
	}
	a->fiber = NULL;
	event_set(&a->closed);
}

WAITS static void auth_destroy(struct auth **ap)
{
	struct auth *a = *ap;

	dir_unsubscribe(&a->sub);
	exchanges_expire(a, INT64_MAX);
	map_fini(&a->exchanges);
	last_close(&a->last);
	sessions_free(&a->sessions);
	throttle_free(&a->throttle);
	krb_keys_close(&a->krb_keys);
	proofs_free(&a->proofs);
	xfree(ap);
}

static enum err open_keytab(struct auth *a, const struct auth_conf *c, struct diag *d)
{
	if (c->keytab == NULL || c->keytab[0] == '\0')
		return E_OK;
	return krb_keys_open(c->keytab, c->replays, &a->krb_keys, d);
}

bool auth_takes_tickets(const struct auth *a)
{
	return a->krb_keys != NULL;
}

WAITS enum err auth_open(const struct auth_conf *c, struct auth **out, struct diag *d)
{
	struct auth *a = xcalloc(1, sizeof(*a));
	enum err e;

	a->magic = AUTH_MAGIC;
	a->dir = c->dir;
	a->tickets = c->tickets;
	a->log = c->log;
	a->overrides = c->overrides;
	a->owner = c->owner;
	a->verify.max = c->verify_max != 0 ? c->verify_max : VERIFY_MAX_DEFAULT;
	a->proofs = proofs_new();
	a->throttle = throttle_new();
	a->sessions = sessions_new();
	map_init(&a->exchanges);
	list_init(&a->order);
	event_init(&a->wake);
	event_init(&a->closed);
	waitq_init(&a->unused);
	list_init(&a->sub.node);
	a->sub.fn = on_event;
	a->sub.arg = a;
	e = open_keytab(a, c, d);
	if (e != E_OK) {
		auth_destroy(&a);
		return e;
	}
	e = last_open(c->kv, &a->last);
	if (e == E_OK)
		e = fiber_start("auth.tend", tend_main, a, &a->fiber);
	if (e != E_OK) {
		auth_destroy(&a);
		return diag_set(d, e, "the log-in service cannot start: %s", err_name(e));
	}
	dir_subscribe(a->dir, &a->sub);
	*out = a;
	return E_OK;
}

WAITS void auth_close(struct auth **ap)
{
	struct auth *a = *ap;

	if (a == NULL)
		return;
	invariant(a->magic == AUTH_MAGIC);
	if (a->fiber != NULL)
		fiber_cancel(a->fiber);
	fiber_shield_begin();
	while (a->users > 0)
		if (waitq_wait(&a->unused, "auth.close", NO_DEADLINE) != E_OK)
			break;
	if (event_wait(&a->closed, "auth.close", NO_DEADLINE) != E_OK)
		LOG(LOG_ERROR, NULL, "auth.close");
	fiber_shield_end();
	auth_destroy(ap);
}
