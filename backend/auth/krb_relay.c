#include "backend/auth/krb_relay.h"

#include "backend/auth/sasl.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"

METRIC_COUNTER(m_in, "krb_relay_logins_total", "Log-ins at relays with a ticket, by result",
	       {"result", "ready"});
METRIC_COUNTER(m_failed, "krb_relay_logins_total", "Log-ins at relays with a ticket, by result",
	       {"result", "failed"});

struct krb_relays {
	const struct dir *dir;
	const char *keytab;
	unsigned open, running;
	struct waitq turn;
};

/* What is heard next. */
enum state { S_NOTHING, S_PROOF, S_OFFER, S_DONE, S_FAILED };

struct krb_relay {
	struct krb_relays *all;
	enum state state;
	struct krb *krb; /* NULL: not begun */
	char user[DIR_ROUTE_USER_MAX + 1], host[DIR_ROUTE_TARGET_MAX + 1];
};

struct krb_relays *krb_relays_new(const struct dir *d, const char *keytab)
{
	struct krb_relays *r = xcalloc(1, sizeof *r);

	r->dir = d;
	r->keytab = keytab;
	waitq_init(&r->turn);
	return r;
}

void krb_relays_free(struct krb_relays **rp)
{
	if (*rp == NULL)
		return;
	invariant((*rp)->open == 0);
	xfree(rp);
}

enum err krb_relay_open(struct krb_relays *r, uint64_t route, struct krb_relay **out,
			struct diag *d)
{
	struct dir_route way;
	struct krb_relay *x;

	*out = NULL;
	if (!dir_route_by_id(r->dir, route, &way) || way.action != DIR_ROUTE_RELAY ||
	    way.auth != DIR_ROUTE_AUTH_GSSAPI)
		return diag_set(d, E_DENIED, "the route demands no log-in with GSSAPI");
	if (r->keytab[0] == '\0')
		return diag_set(d, E_RETRY, "this back-end has no gssapi.client_keytab");
	if (r->open >= KRB_RELAY_OPEN_MAX)
		return diag_set(d, E_LIMIT, "too many log-ins at once");
	x = xcalloc(1, sizeof *x);
	x->all = r;
	if (!slice_to_str(way.user, x->user, sizeof x->user) ||
	    !slice_to_str(dir_route_host(&way), x->host, sizeof x->host)) {
		xfree(&x);
		return diag_set(d, E_DENIED, "no names for a ticket");
	}
	r->open++;
	*out = x;
	return E_OK;
}

bool krb_relay_done(const struct krb_relay *x)
{
	return x->state == S_DONE;
}

void krb_relay_free(struct krb_relay **xp)
{
	if (*xp == NULL)
		return;
	krb_free(&(*xp)->krb);
	(*xp)->all->open--;
	xfree(xp);
}

/* ---- on a thread ---- */

struct job {
	struct krb_relay *x;
	slice_t heard;
	struct buf *say;
	enum krb_progress progress;
	struct diag *why;
	enum err e;
};

static void context_job(void *arg)
{
	struct job *j = arg;
	struct krb_relay *x = j->x;

	j->e = E_OK;
	if (x->krb == NULL)
		j->e = krb_self_begin(x->all->keytab, x->user, "smtp", x->host, &x->krb, j->why);
	if (j->e == E_OK)
		j->e = krb_self_step(x->krb, j->heard, j->say, &j->progress, j->why);
}

WAITS static enum err on_thread(struct krb_relays *r, struct job *j)
{
	int64_t deadline_ms = deadline_in(KRB_RELAY_TURN_MS);
	enum err e = E_OK;

	while (e == E_OK && r->running >= KRB_RELAY_THREADS)
		e = waitq_wait(&r->turn, "auth.krb_relay_turn", deadline_ms);
	if (e != E_OK)
		return e == E_TIMEOUT ? E_BUSY : e;
	r->running++;
	e = work_run("auth.krb_relay", context_job, j);
	r->running--;
	waitq_wake_all(&r->turn);
	return e == E_OK ? j->e : e;
}

/* ---- steps ---- */

/* Which of both steps must end the context, Kerberos says: one token each way. */
WAITS static enum err step_context(struct krb_relay *x, slice_t heard, struct buf *say,
				   struct diag *d)
{
	struct job j = {.x = x, .heard = heard, .say = say, .why = d};
	enum krb_progress wanted = x->state == S_NOTHING ? KRB_GOES_ON : KRB_COMPLETE;
	enum err e = on_thread(x->all, &j);

	if (e == E_BUSY)
		return diag_set(d, e, "too many log-ins wait for the KDC");
	if (e != E_OK)
		return e;
	if (j.progress != wanted)
		return diag_set(d, E_DENIED, "the host does not prove who it is");
	x->state = x->state == S_NOTHING ? S_PROOF : S_OFFER;
	return E_OK;
}

static enum err step_choice(struct krb_relay *x, slice_t heard, struct buf *say, struct diag *d)
{
	struct buf clear;
	enum err e;

	buf_init(&clear, KRB_RELAY_HEARD_MAX, NULL);
	e = krb_unwrap(x->krb, heard, &clear);
	if (e != E_OK)
		e = diag_set(d, E_DENIED, "the host's offer is not signed by it");
	else if (!sasl_gssapi_offers(buf_slice(&clear)))
		e = diag_set(d, E_DENIED, "the host wants a security layer beside TLS");
	else
		e = krb_wrap(x->krb, SASL_GSSAPI_OFFER, say);
	buf_fini(&clear);
	if (e == E_OK)
		x->state = S_DONE;
	return e;
}

WAITS static enum err step(struct krb_relay *x, slice_t heard, struct buf *say, struct diag *d)
{
	if (heard.n > KRB_RELAY_HEARD_MAX)
		return diag_set(d, E_INVALID, "the host's token is too long");
	if ((heard.n == 0) != (x->state == S_NOTHING))
		return diag_set(d, E_INVALID, "the host has sent no token");
	switch (x->state) {
	case S_NOTHING:
	case S_PROOF:
		return step_context(x, heard, say, d);
	case S_OFFER:
		return step_choice(x, heard, say, d);
	case S_DONE:
	case S_FAILED:
		break;
	}
	return diag_set(d, E_INVALID, "a token too many");
}

WAITS enum err krb_relay_step(struct krb_relay *x, slice_t heard, struct buf *say, struct diag *d)
{
	enum err e = step(x, heard, say, d);

	if (e == E_OK && (buf_failed(say) || say->n > KRB_RELAY_TOKEN_MAX))
		e = diag_set(d, E_DENIED, "a ticket that is too long for SMTP");
	if (e == E_CANCELLED)
		return e;
	if (e != E_OK) {
		x->state = S_FAILED;
		metric_add(&m_failed, 1);
		LOG(LOG_WARN, NULL, "krb_relay.failed", LF_STR("host", x->host),
		    LF_STR("principal", x->user), LF_STR("why", d->text));
	} else if (x->state == S_DONE) {
		metric_add(&m_in, 1);
		LOG(LOG_DEBUG, NULL, "krb_relay.ready", LF_STR("host", x->host),
		    LF_STR("principal", x->user));
	}
	return e;
}
