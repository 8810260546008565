#include "frontend/outbound/courier.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/core/policy.h"
#include "frontend/outbound/drop.h"
#include "frontend/outbound/hosts.h"
#include "frontend/outbound/report_of.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/route.h"
#include "frontend/outbound/send.h"
#include "frontend/outbound/tls_policy.h"
#include "frontend/outbound/tls_tally.h"
#include "frontend/outbound/tlsrpt_job.h"
#include "frontend/rpc/call_gssapi.h"

#define IDLE_MS      2000                /* a connection waits so long for the next message */
#define DNS_MS       30000               /* all questions about a destination, about a host */
#define MESSAGES_MAX 200                 /* of one connection: servers have such limits, too */
#define HELD_MAX     ((size_t)128 << 20) /* bytes of jobs that wait in a worker */

METRIC_GAUGE(m_connections, "outbound_connections", "Connections of the way out");
METRIC_GAUGE(m_waiting, "outbound_jobs_waiting", "Jobs that wait in this worker");

struct dest {
	struct list node;
	struct list jobs;
	size_t njobs;
	unsigned couriers;  /* fibers */
	unsigned leaving;   /* those of them that were one too many, and say good-bye */
	unsigned connected; /* those that have a connection */
	unsigned allowed;
	unsigned idle;     /* of them may stay without work: others count on the rest */
	struct waitq more; /* couriers that wait for a job */
	size_t name_n;
	char name[];
};

static struct {
	struct tls_ctx *tls;
	struct map by_name;
	struct list dests;
	unsigned couriers;
	size_t held;
	struct waitq room; /* somebody has left, or a job has gone */
	unsigned wanted;   /* idle couriers that are to leave: a job of another destination waits */
	bool stopping;
} c;

void couriers_init(struct tls_ctx *tls)
{
	c.tls = tls;
	map_init(&c.by_name);
	list_init(&c.dests);
	waitq_init(&c.room);
	c.couriers = 0;
	c.held = 0;
	c.wanted = 0;
	c.stopping = false;
}

/* ---- destinations ---- */

static struct dest *dest_get(slice_t name)
{
	struct dest *d = map_get(&c.by_name, name);

	if (d != NULL)
		return d;
	d = xcalloc(1, sizeof *d + name.n);
	list_init(&d->jobs);
	waitq_init(&d->more);
	d->name_n = name.n;
	memcpy(d->name, name.p, name.n);
	list_append(&c.dests, &d->node);
	invariant(map_put(&c.by_name, name, d) == NULL);
	return d;
}

static void dest_free_if_idle(struct dest *d)
{
	if (d->couriers != 0 || d->njobs != 0)
		return;
	list_remove(&d->node);
	(void)map_del(&c.by_name, slice(d->name, d->name_n));
	xfree(&d);
}

static void push(struct dest *d, struct outbound_job *j)
{
	list_append(&d->jobs, &j->node);
	d->njobs++;
	c.held += outbound_job_memory(j);
	metric_add(&m_waiting, 1);
}

static void out_of_line(struct dest *d, struct outbound_job *j)
{
	list_remove(&j->node);
	d->njobs--;
	c.held -= outbound_job_memory(j);
	metric_add(&m_waiting, -1);
	waitq_wake_all(&c.room);
}

static struct outbound_job *pop_first(struct dest *d)
{
	struct outbound_job *j;

	if (list_empty(&d->jobs))
		return NULL;
	j = list_entry(d->jobs.next, struct outbound_job, node);
	out_of_line(d, j);
	return j;
}

static void give_all_back(struct dest *d)
{
	struct outbound_job *j;

	while ((j = pop_first(d)) != NULL)
		reports_put_untried(j);
}

/* The next one that is not too late. */
static struct outbound_job *pop(struct dest *d)
{
	struct outbound_job *j;

	while ((j = pop_first(d)) != NULL && outbound_job_is_late(j))
		reports_put_untried(j);
	return j;
}

/* ---- one courier ---- */

struct courier {
	struct dest *dest;
	struct smtp_client *client;
	struct smtp_client_opts opts; /* of the client */
	struct route_own way;         /* what they borrow */
	struct smtp_gssapi gssapi;    /* the same, of a log-in with a ticket */
	struct host host;
	char remote[OUTBOUND_REMOTE_STR];
	struct arena mem; /* of the hosts, and of the policy */
	struct hosts hosts;
	const struct outbound_job *job;     /* while connecting: for whose sake */
	const struct outbound_route *route; /* the job's */
	struct route_login login;           /* that the client was opened with */
	struct outbound_tls tls;            /* under which the client was opened: */
	enum tls_wish wish;
	unsigned messages; /* of the client */
	bool gave_up;      /* the destination cannot be reached: this courier ends */
	bool leaves;       /* it is one too many */
};

static void disconnect(struct courier *k)
{
	if (k->client == NULL)
		return;
	smtp_client_free(&k->client);
	k->dest->connected--;
	k->messages = 0;
	metric_add(&m_connections, -1);
}

WAITS static void quit(struct courier *k)
{
	if (k->client != NULL && smtp_client_usable(k->client))
		smtp_client_quit(k->client);
	disconnect(k);
}

static void log_no_connection(const struct courier *k, const struct tls_plan *plan,
			      const struct smtp_result *r)
{
	char ip[IPADDR_STR];

	LOG(LOG_INFO, NULL, "outbound.no_connection",
	    LF_SLICE("destination", slice(k->dest->name, k->dest->name_n)),
	    LF_STR("host", k->host.name), LF_STR("ip", ipaddr_str(&k->host.addr, ip)),
	    LF_STR("policy", tls_basis_name(plan->basis)), LF_STR("at", smtp_phase_name(r->phase)),
	    LF_UINT("code", r->code), LF_STR("why", r->text));
}

/* RFC 8689 section 4.2.1: the way must go on as it began. */
WAITS static enum err check_offer(struct courier *k, struct smtp_client_why *why)
{
	if (k->wish != TLS_WISH_REQUIRED ||
	    smtp_offers(smtp_client_offer(k->client), SMTP_EXT_REQUIRETLS))
		return E_OK;
	smtp_client_quit(k->client);
	smtp_client_free(&k->client);
	smtp_result_own(&why->result, SMTP_AT_EHLO, SMTP_REFUSED, "5.7.30",
			"REQUIRETLS: the host does not support it");
	return E_DENIED;
}

static void tally(const struct courier *k, const struct tls_plan *plan, enum err opened,
		  const struct smtp_client_why *why)
{
	struct tls_session s = {
		.hosts = &k->hosts,
		.host = &k->host,
		.plan = plan,
		.opened = opened,
		.why = why,
		.took_tls = opened == E_OK && smtp_client_tls(k->client) != NULL,
	};

	tls_tally_add(&s);
}

/* A log-in with a ticket is the back-end's, by the lease of the job. */
WAITS static enum err open_client(struct courier *k, struct smtp_client_why *why)
{
	struct call_gssapi login;
	enum err e;

	if (!k->route->gssapi)
		return smtp_client_open(&k->opts, &k->client, why);
	call_gssapi_init(&login, k->job->partition, k->job->lease);
	k->gssapi = (struct smtp_gssapi){.step = call_gssapi_step, .arg = &login};
	k->opts.gssapi = &k->gssapi;
	e = smtp_client_open(&k->opts, &k->client, why);
	call_gssapi_fini(&login);
	return e;
}

/* Opportunistic TLS: what breaks in the handshake is tried in clear (RFC 7435). Where anything is
 * demanded, nothing is. */
WAITS static enum err connect_as(struct courier *k, const struct tls_plan *plan,
				 struct smtp_client_why *why)
{
	enum err e;

	k->opts = (struct smtp_client_opts){
		.addr = k->host.addr,
		.port = k->host.port,
		.tls = plan->demand,
		.tls_ctx = c.tls,
		.check = plan->check,
		.sni = plan->sni,
	};
	route_apply(k->route, &k->way, &k->opts);
	e = open_client(k, why);
	if (e != E_CANCELLED)
		tally(k, plan, e, why);
	if (e != E_OK && e != E_CANCELLED && why->try_clear) {
		log_no_connection(k, plan, &why->result);
		k->opts.tls = SMTP_TLS_NONE;
		e = open_client(k, why);
	}
	route_forget(&k->way);
	if (e != E_OK) /* that a host refuses us says nothing of what the message asks for */
		return e == E_CANCELLED ? e : E_RETRY;
	return check_offer(k, why);
}

/* k->host; E_DENIED: the message asks for what this host does not have. */
WAITS static enum err connect_to(struct courier *k, int64_t dns_deadline_ms,
				 struct smtp_client_why *why)
{
	struct tls_ask ask = {
		.policy = &k->tls,
		.wish = k->wish,
		.hosts = &k->hosts,
		.host = &k->host,
		.mem = &k->mem,
		.deadline_ms = dns_deadline_ms,
	};
	struct tls_plan plan;
	enum err e = tls_policy_plan(&ask, &plan);

	if (e != E_OK)
		return e;
	if (plan.barred) {
		*why = (struct smtp_client_why){.result = plan.why};
		tally(k, &plan, E_RETRY, why);
		e = plan.why.verdict == SMTP_REFUSED ? E_DENIED : E_RETRY;
	} else {
		e = connect_as(k, &plan, why);
	}
	if (e != E_OK && e != E_CANCELLED)
		log_no_connection(k, &plan, &why->result);
	return e;
}

/* The first server that takes a connection. Else *why: the last one's, LATER, whatever it said: a
 * server that turns a connection away says nothing of a recipient. E_DENIED: none of them has what
 * this message asks for; then it is REFUSED. */
WAITS static enum err connect_any(struct courier *k, const struct outbound_job *j,
				  struct smtp_result *why)
{
	struct smtp_client_why last;
	bool denied = true;
	enum err e;

	arena_reset(&k->mem);
	k->tls = outbound_tls_copy(&j->tls, &k->mem);
	k->wish = tls_wish_of(j->content, j->sender);
	k->job = j;
	k->route = &j->route;
	route_login_of(k->route, &k->login);
	e = hosts_find(j->route.target, route_port(&j->route), &k->mem, deadline_in(DNS_MS),
		       &k->hosts);
	if (e != E_OK || k->hosts.n == 0) {
		*why = k->hosts.why;
		return e != E_OK ? e : E_NOT_FOUND;
	}
	smtp_result_own(why, SMTP_AT_CONNECT, SMTP_LATER, "4.4.1",
			"no address of ours for the addresses of its hosts");
	for (size_t i = 0; i < k->hosts.n && !c.stopping; i++) {
		k->host = k->hosts.list[i];
		if (!route_allows(k->route, k->host.addr.family)) {
			denied = false;
			continue;
		}
		e = connect_to(k, deadline_in(DNS_MS), &last);
		if (e == E_OK) {
			k->dest->connected++;
			metric_add(&m_connections, 1);
			send_remote_name(k->client, &k->host, k->remote);
			return E_OK;
		}
		if (e == E_CANCELLED)
			return e;
		if (e != E_DENIED || denied)
			*why = last.result;
		denied = denied && e == E_DENIED;
	}
	if (c.stopping)
		return E_CANCELLED;
	if (denied)
		return E_DENIED;
	smtp_result_soften(why);
	return E_RETRY;
}

/* Whether the connection was opened under the policy, and with the log-in, of this job. */
static bool fits(const struct courier *k, const struct outbound_job *j)
{
	struct route_login login;

	route_login_of(&j->route, &login);
	if (memcmp(&login, &k->login, sizeof login) != 0)
		return false;
	return k->wish == tls_wish_of(j->content, j->sender) && outbound_tls_same(&k->tls, &j->tls);
}

/* That one message asks for a TLS that nobody has says nothing of the others. */
static bool asks_too_much(const struct courier *k, const struct smtp_result *why)
{
	return k->wish == TLS_WISH_REQUIRED &&
	       (why->phase == SMTP_AT_STARTTLS || why->phase == SMTP_AT_TLS);
}

/* Nobody there for this job, so for none that waits: REFUSED for all alike (there is no such
 * domain), LATER of one. */
static void nobody_there(struct courier *k, struct outbound_job *j, const struct smtp_result *why)
{
	struct dest *d = k->dest;

	k->gave_up = true;
	if (why->verdict != SMTP_REFUSED) {
		report_of_unreachable(j, why, d->connected != 0);
		give_all_back(d);
		return;
	}
	do
		report_of_refused(j, why);
	while ((j = pop(d)) != NULL);
}

/* A connection for the job. False: it is not to be sent, and has gone. */
WAITS static bool reach(struct courier *k, struct outbound_job *j)
{
	struct smtp_result why;
	enum err e = k->client != NULL ? E_OK : connect_any(k, j, &why);

	if (e == E_CANCELLED)
		k->gave_up = true;
	if (e == E_CANCELLED || outbound_job_is_lost(j) || (e == E_OK && outbound_job_is_late(j)))
		reports_put_untried(j);
	else if (e == E_DENIED || (e == E_RETRY && asks_too_much(k, &why)))
		report_of_refused(j, &why);
	else if (e != E_OK)
		nobody_there(k, j, &why);
	else
		return true;
	return false;
}

/* Takes the job. */
WAITS static void carry(struct courier *k, struct outbound_job *j)
{
	struct smtp_result why;
	bool fresh;
	enum err e;

	if (j->route.drop) {
		drop_job(j);
		return;
	}
	if (j->route.tls_report) {
		tlsrpt_job(j);
		return;
	}
	if (k->client != NULL && !fits(k, j))
		quit(k);
	do {
		fresh = k->client == NULL;
		if (!reach(k, j))
			return;
		e = send_job(k->client, k->remote, j, &why);
		k->messages++;
		if (e != E_OK || !smtp_client_usable(k->client) || k->messages >= MESSAGES_MAX)
			quit(k);
		/* A server that has closed a connection which was idle has not seen the message. */
	} while (e == E_NOT_FOUND && !fresh);
	if (e == E_NOT_FOUND)
		report_of_untaken(j, k->remote, &why);
}

/* One too many: it ends. */
static struct outbound_job *leave(struct courier *k)
{
	k->leaves = true;
	k->dest->leaving++;
	return NULL;
}

/* The next job; waits a moment for one while it has a connection. NULL: this courier ends. */
WAITS static struct outbound_job *next_job(struct courier *k)
{
	struct dest *d = k->dest;
	int64_t deadline = deadline_in(IDLE_MS);
	struct outbound_job *j;

	for (;;) {
		if (k->gave_up || c.stopping)
			return NULL;
		if (d->couriers - d->leaving > d->allowed)
			return leave(k);
		j = pop(d);
		if (j != NULL || k->client == NULL)
			return j;
		if (d->couriers - d->leaving > d->idle)
			return leave(k);
		if (c.wanted != 0) {
			c.wanted--;
			return leave(k);
		}
		if (waitq_wait(&d->more, "outbound.next_job", deadline) != E_OK)
			return NULL;
	}
}

static void put_to_work(struct dest *d);

/* Without a courier nobody takes what waits: no fiber could be had, or as many as may be are busy
 * elsewhere. */
static void settle(struct dest *d)
{
	if (d->couriers == 0)
		give_all_back(d);
	dest_free_if_idle(d);
}

WAITS static void courier_run(void *arg)
{
	struct courier k = {.dest = arg};
	struct dest *d = arg;
	struct outbound_job *j;

	arena_init(&k.mem, NULL);
	while ((j = next_job(&k)) != NULL)
		carry(&k, j);
	quit(&k);
	arena_reset(&k.mem);
	d->couriers--;
	c.couriers--;
	if (k.leaves)
		d->leaving--;
	waitq_wake_all(&c.room);
	if (c.stopping)
		give_all_back(d);
	/* It may have been woken for a job, and ended since it was one too many. */
	if (d->njobs != 0)
		put_to_work(d);
	settle(d);
}

/* One more, if there is work for it. */
static void start_courier(struct dest *d)
{
	if (d->njobs == 0 || d->couriers >= d->allowed ||
	    c.couriers >= policy()->outbound.connections_max)
		return;
	d->couriers++;
	c.couriers++;
	if (fiber_start("outbound.courier", courier_run, d, NULL) == E_OK)
		return;
	d->couriers--;
	c.couriers--;
}

static void put_to_work(struct dest *d)
{
	if (!list_empty(&d->more.waiters))
		waitq_wake_one(&d->more);
	else
		start_courier(d);
}

static void wake_idle(void)
{
	list_for_each(i, &c.dests)
		waitq_wake_all(&list_entry(i, struct dest, node)->more);
}

/* Memory for a job, and a place for a courier: who only waits for more of his own leaves. */
WAITS static void await_room(void)
{
	while (!c.stopping) {
		bool crowded = c.couriers >= policy()->outbound.connections_max;

		if (c.held < HELD_MAX && !crowded)
			break;
		if (crowded) {
			c.wanted = 1; /* others that wait look again when somebody has left */
			wake_idle();
		}
		if (waitq_wait(&c.room, "outbound.room", NO_DEADLINE) != E_OK)
			break;
	}
	c.wanted = 0;
}

WAITS void couriers_take(struct outbound_job *j)
{
	struct dest *d;

	await_room();
	if (c.stopping) {
		reports_put_untried(j);
		return;
	}
	d = dest_get(j->destination);
	d->allowed = MAX(j->connections, 1U);
	d->idle = j->idle;
	if (d->couriers - d->leaving > d->allowed)
		waitq_wake_all(&d->more);
	push(d, j);
	put_to_work(d);
	settle(d);
}

void couriers_drop_lost(void)
{
	list_for_each(i, &c.dests) {
		struct dest *d = list_entry(i, struct dest, node);

		list_for_each_safe(n, &d->jobs) {
			struct outbound_job *j = list_entry(n, struct outbound_job, node);

			if (!outbound_job_is_lost(j))
				continue;
			out_of_line(d, j);
			reports_put_untried(j);
		}
	}
}

WAITS void couriers_stop(int64_t deadline_ms)
{
	c.stopping = true;
	waitq_wake_all(&c.room);
	wake_idle();
	while (c.couriers != 0) {
		if (waitq_wait(&c.room, "outbound.couriers", deadline_ms) != E_OK)
			return;
	}
	map_fini(&c.by_name); /* destinations go with the last of their couriers */
}
