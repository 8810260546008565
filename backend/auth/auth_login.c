/*
 * auth_login: who it is, whether the proof is good, and what follows.
 *
 * A name without an account, a locked account and a wrong password go the same way: a question to
 * the database, the same kind of work, the same answer. Where they part is one line of the log.
 */
#include "backend/auth/auth_priv.h"
#include "backend/auth/passwd.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define DATABASE_MS 5000
#define DENIED_TEXT "authentication failed"

METRIC_COUNTER(m_ok, "auth_total", "Log-ins by result", {"result", "ok"});
METRIC_COUNTER(m_denied, "auth_total", "Log-ins by result", {"result", "denied"});
METRIC_COUNTER(m_limited, "auth_total", "Log-ins by result", {"result", "limited"});
METRIC_COUNTER(m_warm, "auth_proof_hits_total", "Log-ins answered from the proof cache");

static void log_attempt(const struct auth *a, const struct exchange *x, enum log_level level,
			const char *event, const char *why)
{
	char ip[IPADDR_STR];

	LOG(level, a->log, event, LF_STR("name", x->name), LF_STR("reason", why),
	    LF_STR("ip", ipaddr_str(&x->ip, ip)), LF_UINT("port", x->port),
	    LF_STR("mechanism", sasl_mech_name(x->mech)),
	    LF_STR("tls", x->tls ? x->tls_version : "no"), LF_STR("cipher", x->tls_cipher),
	    LF_STR("frontend", x->frontend.name),
	    LF_STR("service", rpc_service_name(x->frontend.service)),
	    LF_HEX("session", slice(x->session, sizeof(x->session))));
}

enum err auth_denied(struct auth *a, const struct exchange *x, const char *why, uint64_t tag,
		     struct diag *d)
{
	a->counts.denied++;
	metric_add(&m_denied, 1);
	log_attempt(a, x, LOG_INFO, "auth.denied", why);
	throttle_failed(a->throttle, slice_str(x->name), &x->ip, tag);
	return diag_set(d, E_DENIED, DENIED_TEXT);
}

enum err auth_limited(struct auth *a, const struct exchange *x, struct diag *d)
{
	a->counts.limited++;
	metric_add(&m_limited, 1);
	log_attempt(a, x, LOG_INFO, "auth.limited", "throttle");
	return diag_set(d, E_LIMIT, "too many attempts, try again later");
}

/* ---- who it is ---- */

static enum err check_owner(struct auth *a, const struct exchange *x, struct auth_reply *out,
			    struct diag *d)
{
	enum err e;

	if (x->known)
		e = dir_partition_get(a->dir, x->account.partition, &out->owner);
	else
		e = dir_partition_for_name(a->dir, slice_str(x->name), &out->owner);
	if (a->owner == AUTH_OWNER_ANY)
		return E_OK;
	if (e != E_OK || out->owner.node[0] == '\0')
		return diag_set(d, E_RETRY, "no back-end answers for that name now");
	if (strcmp(out->owner.node, dir_node_name(a->dir)) == 0)
		return E_OK;
	return diag_set(d, E_WRONG_OWNER, "ask %s", out->owner.node);
}

void auth_odd_name(struct exchange *x, slice_t authcid)
{
	slice_t s = slice_sub(authcid, 0, sizeof(x->name) - 1);

	for (size_t i = 0; i < s.n; i++)
		x->name[i] = s.p[i] == '\0' ? '?' : s.p[i];
	x->name[s.n] = '\0';
}

/* A bare name with the domain of where it was typed; in room. */
static slice_t full_name(const struct exchange *x, slice_t name, char room[DIR_ADDRESS_MAX + 1])
{
	size_t domain = strlen(x->domain);

	if (domain == 0 || slice_find_char(name, '@') < name.n ||
	    name.n + 1 + domain > DIR_ADDRESS_MAX)
		return name;
	if (name.n > 0)
		memcpy(room, name.p, name.n);
	room[name.n] = '@';
	memcpy(room + name.n + 1, x->domain, domain);
	return slice(room, name.n + 1 + domain);
}

bool auth_acts_as(const struct auth *a, const struct exchange *x, slice_t authzid)
{
	char other[DIR_ADDRESS_MAX + 1], room[DIR_ADDRESS_MAX + 1];

	return authzid.n == 0 ||
	       (dir_name_normalise(a->dir, full_name(x, authzid, room), other) == E_OK &&
		strcmp(other, x->name) == 0);
}

enum err auth_name(struct auth *a, struct exchange *x, slice_t authzid, slice_t authcid,
		   struct auth_reply *out, struct diag *d)
{
	char room[DIR_ADDRESS_MAX + 1];
	enum err e;

	authcid = full_name(x, authcid, room);
	if (dir_name_normalise(a->dir, authcid, x->name) != E_OK)
		auth_odd_name(x, authcid);
	e = dir_account_by_name(a->dir, authcid, &x->account);
	x->known = e == E_OK;
	x->unsure = e == E_RETRY;
	/* The account's one name, whichever domain it was called by. */
	if (x->known)
		memcpy(x->name, x->account.address, sizeof(x->name));
	e = check_owner(a, x, out, d);
	if (e != E_OK)
		return e;
	if (!auth_acts_as(a, x, authzid))
		return auth_denied(a, x, "authzid", 0, d);
	if (throttle_check(a->throttle, slice_str(x->name), &x->ip) != E_OK)
		return auth_limited(a, x, d);
	return E_OK;
}

/* ---- a good one ---- */

enum err auth_log_in(struct auth *a, struct exchange *x, uint32_t epoch, struct auth_reply *out,
		     struct diag *d)
{
	struct ticket_claims c = {.account = x->account.id,
				  .rights = ticket_rights_of(x->frontend.service),
				  .partition = x->account.partition,
				  .epoch = epoch,
				  .service = x->frontend.service};
	struct session_info s = {.account = x->account.id,
				 .service = x->frontend.service,
				 .ip = x->ip,
				 .has_tls = true,
				 .tls = x->tls,
				 .mechanism = sasl_mech_name(x->mech)};
	struct auth_last last = {
		.when_us = clock_wall_us(), .ip = x->ip, .service = x->frontend.service};
	struct dir_partition home;
	enum err e;

	memcpy(c.frontend, x->frontend.name, sizeof(c.frontend));
	memcpy(c.session, x->session, sizeof(c.session));
	e = ticket_issue(a->tickets, &c, &out->ticket);
	if (e != E_OK)
		return diag_set(d, e, "no ticket can be issued now");
	memcpy(s.id, x->session, sizeof(s.id));
	memcpy(s.frontend, x->frontend.name, sizeof(s.frontend));
	s.login_s = s.last_access_s = c.login_s;
	sessions_add(a->sessions, &s);
	last_put(a->last, x->account.id, &last);
	throttle_succeeded(a->throttle, slice_str(x->name), &x->ip);
	out->done = true;
	memcpy(out->session, x->session, sizeof(out->session));
	out->ticket_seconds = ticket_seconds(&c);
	out->account = x->account;
	if (dir_partition_get(a->dir, x->account.partition, &home) == E_OK)
		memcpy(out->backend, home.node, sizeof(out->backend));
	a->counts.ok++;
	metric_add(&m_ok, 1);
	log_attempt(a, x, LOG_INFO, "auth.login", "ok");
	return E_OK;
}

/* ---- passwords ---- */

/* What the database has; for a name without an account it is asked all the same. */
struct stored {
	bool real;
	struct dir_credential cred;
	uint32_t epoch;
	enum dir_account_state state;
};

WAITS static enum err stored_get(struct auth *a, const struct exchange *x, struct stored *s,
				 struct diag *d)
{
	enum err e;

	*s = (struct stored){.state = DIR_REMOVED};
	a->counts.database++;
	e = dir_credential_get(a->dir, x->known ? x->account.id : 0, deadline_in(DATABASE_MS),
			       &s->cred, &s->epoch, &s->state, d);
	s->real = e == E_OK;
	if (e != E_OK && e != E_NOT_FOUND)
		return diag_set(d, e == E_CANCELLED ? e : E_RETRY,
				"log-ins are not possible just now");
	return E_OK;
}

/* The verifier is of an older make: replaced now that the password is at hand. */
WAITS static void upgrade(struct auth *a, const struct exchange *x, const struct stored *s,
			  slice_t password)
{
	enum dir_cred_kind today = passwd_kind(a->dir);
	struct dir_credential made;
	enum err e;

	if (!verify_outdated(&s->cred, today))
		return;
	e = verify_make(&a->verify, today, password, &made);
	if (e == E_OK)
		e = dir_credential_upgrade(a->dir, x->account.id, s->epoch, &made, NULL);
	LOG(LOG_INFO, a->log, "auth.upgrade", LF_STR("name", x->name), LF_ERR("status", e));
	secret_wipe(&made, sizeof(made));
}

WAITS static enum err cold(struct auth *a, struct exchange *x, slice_t password,
			   struct auth_reply *out, struct diag *d)
{
	struct stored s;
	enum err e = stored_get(a, x, &s, d);

	if (e != E_OK)
		return e;
	if (s.real)
		a->counts.verified++;
	else
		a->counts.decoys++;
	e = verify_password(&a->verify, s.real ? &s.cred : NULL, passwd_kind(a->dir), password);
	if (e == E_OK && s.state == DIR_ACTIVE) {
		proof_put_password(a->proofs, x->account.id, s.epoch, password);
		upgrade(a, x, &s, password);
		e = auth_log_in(a, x, s.epoch, out, d);
	} else if (e == E_OK || e == E_DENIED) {
		e = x->unsure ? diag_set(d, E_RETRY, "log-ins are not possible just now")
			      : auth_denied(a, x,
					    !x->known   ? "no such account"
					    : !s.real   ? "no password set"
					    : e == E_OK ? "not active"
							: "wrong password",
					    proof_tag(a->proofs, slice_str(x->name), password), d);
	} else if (e == E_BUSY) {
		diag_set(d, e, "too many log-ins at once");
	}
	secret_wipe(&s, sizeof(s));
	return e;
}

WAITS enum err auth_password(struct auth *a, struct exchange *x, slice_t password,
			     struct auth_reply *out, struct diag *d)
{
	if (x->known && x->account.state == DIR_ACTIVE &&
	    proof_has_password(a->proofs, x->account.id, x->account.epoch, password)) {
		a->counts.proof_hits++;
		metric_add(&m_warm, 1);
		return auth_log_in(a, x, x->account.epoch, out, d);
	}
	return cold(a, x, password, out, d);
}

/* ---- SCRAM ---- */

/* The verifier from the proof cache. */
static bool scram_warm(struct auth *a, struct exchange *x)
{
	return x->known && x->account.state == DIR_ACTIVE &&
	       proof_get_scram(a->proofs, x->account.id, x->account.epoch, &x->scram);
}

static enum err scram_begin_warm(struct auth *a, struct exchange *x)
{
	a->counts.proof_hits++;
	metric_add(&m_warm, 1);
	x->scram_real = true;
	x->scram_state = DIR_ACTIVE;
	x->scram_epoch = x->account.epoch;
	return E_OK;
}

/* The database is asked for warm accounts, too, while it answers: without, they would be told from
 * names that do not exist by how soon the challenge comes. */
WAITS enum err auth_scram_begin(struct auth *a, struct exchange *x, struct diag *d)
{
	uint8_t secret[32];
	struct dir_status directory;
	struct stored s;
	bool warm;
	enum err e;

	if (!dir_cluster_secret(a->dir, secret))
		return diag_set(d, E_RETRY, "log-ins are not possible just now");
	scram_decoy(slice(secret, sizeof(secret)), slice_str(x->name), SCRAM_ITER_DEFAULT,
		    &x->scram);
	secret_wipe(secret, sizeof(secret));
	warm = scram_warm(a, x);
	dir_get_status(a->dir, &directory);
	if (warm && !directory.connected)
		return scram_begin_warm(a, x);
	e = stored_get(a, x, &s, d);
	if (warm && (e == E_RETRY || (e == E_OK && s.epoch == x->account.epoch))) {
		secret_wipe(&s, sizeof(s));
		return scram_begin_warm(a, x);
	}
	if (e != E_OK)
		return e;
	if (x->unsure)
		return diag_set(d, E_RETRY, "log-ins are not possible just now");
	if (s.real && s.cred.kind == DIR_CRED_SCRAM_SHA_256) {
		struct scram_verifier v;

		x->scram_real = scram_parse(slice(s.cred.verifier, s.cred.n), &v) == E_OK;
		if (x->scram_real)
			x->scram = v;
		secret_wipe(&v, sizeof(v));
	}
	x->scram_state = s.state;
	x->scram_epoch = s.epoch;
	secret_wipe(&s, sizeof(s));
	return E_OK;
}

enum err auth_scram_end(struct auth *a, struct exchange *x, slice_t auth_message, slice_t proof,
			struct auth_reply *out, struct diag *d)
{
	uint8_t signature[SCRAM_KEY_LEN];
	enum err e = scram_check_proof(&x->scram, auth_message, proof);

	if (x->scram_real)
		a->counts.verified++;
	else
		a->counts.decoys++;
	if (e != E_OK || !x->scram_real || x->scram_state != DIR_ACTIVE)
		return auth_denied(a, x,
				   !x->known        ? "no such account"
				   : !x->scram_real ? "no SCRAM verifier"
				   : e == E_OK      ? "not active"
						    : "wrong password",
				   0, d);
	proof_put_scram(a->proofs, x->account.id, x->scram_epoch, &x->scram);
	e = auth_log_in(a, x, x->scram_epoch, out, d);
	if (e != E_OK)
		return e;
	scram_server_signature(&x->scram, auth_message, signature);
	buf_puts(&out->challenge, "v=");
	base64_encode(&out->challenge, slice(signature, sizeof(signature)));
	return E_OK;
}
