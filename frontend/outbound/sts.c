#include "frontend/outbound/sts.h"

#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/dns/resolver.h"
#include "frontend/outbound/sts_fetch.h"
#include "proto/tls_results.h"

#define HELP "MTA-STS policies asked of their sites"
METRIC_COUNTER(m_fetched, "sts_fetch_total", HELP, {"result", "ok"});
METRIC_COUNTER(m_failed, "sts_fetch_total", HELP, {"result", "failed"});
METRIC_COUNTER(m_unnamed, "sts_unnamed_total", "Servers that a policy in force does not have");

/* What is known of a domain. */
struct entry {
	struct list node;
	unsigned users; /* fibers that hold it */
	bool busy;      /* one of them looks; the others wait */
	struct waitq looked;
	bool asked; /* the back-ends have said what they know */
	bool known; /* there is a policy: */
	struct arena mem;
	struct sts_policy p;
	slice_t id;
	int64_t fetched_us;
	char failed_id[STS_ID_MAX + 1]; /* was not to be had, and is left alone until: */
	int64_t again_ms;
	enum err fault;       /* why; E_OK: it did not fail */
	int64_t dns_again_ms; /* its record could not be had; not asked for until then */
	size_t name_n;
	char name[];
};

static struct {
	const struct sts_ways *ways;
	struct map by_name;
	struct list entries; /* the longest unused one first */
	size_t n;
} sts;

const struct sts_ways sts_ways_real = {call_sts_get, call_sts_put, sts_fetch};

/* ---- entries ---- */

static slice_t name_of(const struct entry *x)
{
	return slice(x->name, x->name_n);
}

static void entry_free(struct entry *x)
{
	list_remove(&x->node);
	(void)map_del(&sts.by_name, name_of(x));
	sts.n--;
	arena_reset(&x->mem);
	xfree(&x);
}

void sts_init(const struct sts_ways *ways)
{
	sts.ways = ways;
	map_init(&sts.by_name);
	list_init(&sts.entries);
	sts.n = 0;
}

void sts_fini(void)
{
	list_for_each_safe(i, &sts.entries) {
		struct entry *x = list_entry(i, struct entry, node);

		if (x->users == 0)
			entry_free(x);
	}
	if (sts.n == 0)
		map_fini(&sts.by_name);
}

static void make_room(void)
{
	list_for_each_safe(i, &sts.entries) {
		struct entry *x = list_entry(i, struct entry, node);

		if (sts.n < STS_ENTRIES_MAX)
			return;
		if (x->users == 0)
			entry_free(x);
	}
}

static struct entry *entry_get(slice_t name)
{
	struct entry *x = map_get(&sts.by_name, name);

	if (x != NULL) {
		list_remove(&x->node);
		list_append(&sts.entries, &x->node);
		return x;
	}
	make_room();
	x = xcalloc(1, sizeof *x + name.n);
	waitq_init(&x->looked);
	arena_init(&x->mem, NULL);
	x->name_n = name.n;
	memcpy(x->name, name.p, name.n);
	list_append(&sts.entries, &x->node);
	sts.n++;
	invariant(map_put(&sts.by_name, name, x) == NULL);
	return x;
}

/* ---- what is known ---- */

static int64_t age_s(const struct entry *x)
{
	return (clock_wall_us() - x->fetched_us) / 1000000;
}

/* A clock that went back makes nothing last longer. */
static bool in_force(const struct entry *x)
{
	int64_t age = age_s(x);

	return x->known && age >= 0 && age < (int64_t)x->p.max_age_s;
}

/* Takes the arena that the policy lies in. */
static void know(struct entry *x, struct arena *mem, const struct sts_policy *p, slice_t id,
		 int64_t fetched_us)
{
	slice_t kept = arena_dup(mem, id);

	arena_reset(&x->mem);
	x->mem = *mem;
	x->p = *p;
	x->id = kept;
	x->fetched_us = fetched_us;
	x->known = true;
}

/* What a back-end gives some front-end has put there. */
static bool is_sound(const struct call_sts *c)
{
	if (c->mode > STS_ENFORCE || c->max_age_s > STS_MAX_AGE_MAX || !sts_id_ok(c->id) ||
	    c->n > STS_MX_MAX || (c->n == 0 && c->mode != STS_NONE))
		return false;
	for (size_t i = 0; i < c->n; i++) {
		if (!sts_pattern_ok(c->mx[i]))
			return false;
	}
	return true;
}

WAITS static enum err ask_backends(struct entry *x)
{
	struct sts_policy p = {0};
	struct call_sts c;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = sts.ways->get(name_of(x), &mem, &c);
	x->asked = e == E_OK || e == E_NOT_FOUND;
	if (e != E_OK || !is_sound(&c)) {
		arena_reset(&mem);
		return e == E_CANCELLED ? e : E_OK;
	}
	p.mode = (enum sts_mode)c.mode;
	p.max_age_s = c.max_age_s;
	p.n = c.n;
	p.mx = arena_alloc(&mem, c.n * sizeof *p.mx);
	for (size_t i = 0; i < c.n; i++)
		p.mx[i] = c.mx[i];
	know(x, &mem, &p, c.id, clock_wall_us() - (int64_t)c.age_s * 1000000);
	return E_OK;
}

WAITS static void tell_backends(const struct entry *x)
{
	struct call_sts c = {
		.mode = x->p.mode,
		.max_age_s = x->p.max_age_s,
		.id = x->id,
		.mx = x->p.mx,
		.n = x->p.n,
	};

	sts.ways->put(name_of(x), &c);
}

/* ---- looking ---- */

static void fetch_failed(struct entry *x, slice_t id, enum err e, const struct diag *d)
{
	invariant(slice_to_str(id, x->failed_id, sizeof x->failed_id));
	x->again_ms = deadline_in(STS_AGAIN_MS);
	x->fault = e;
	metric_add(&m_failed, 1);
	LOG_SELDOM(LOG_WARN, NULL, "sts.fetch_failed", LF_SLICE("domain", name_of(x)),
		   LF_SLICE("id", id), LF_ERR("error", e), LF_STR("why", d->text),
		   LF_STR("known", in_force(x) ? "yes" : "no"));
}

WAITS static enum err fetch(struct entry *x, slice_t id)
{
	struct diag d = {""};
	struct sts_policy p;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = sts.ways->fetch(name_of(x), &mem, deadline_in(STS_FETCH_MS), &p, &d);
	if (e == E_OK) {
		x->again_ms = 0;
		x->fault = E_OK;
		know(x, &mem, &p, id, clock_wall_us());
		metric_add(&m_fetched, 1);
		LOG(LOG_INFO, NULL, "sts.policy", LF_SLICE("domain", name_of(x)),
		    LF_SLICE("id", id), LF_STR("mode", sts_mode_name(p.mode)),
		    LF_UINT("servers", p.n), LF_UINT("max_age", p.max_age_s));
		tell_backends(x);
		return E_OK;
	}
	arena_reset(&mem);
	if (e == E_CANCELLED)
		return e;
	fetch_failed(x, id, e, &d);
	return E_OK;
}

static bool is_wanted(const struct entry *x, slice_t id)
{
	if (in_force(x) && slice_eq(x->id, id) && age_s(x) < STS_REFRESH_S)
		return false;
	return x->again_ms <= clock_mono_ms() || !slice_eq(id, slice_str(x->failed_id));
}

/* The record's id, empty: none; in mem. */
WAITS static enum err ask_dns(struct entry *x, struct arena *mem, int64_t deadline_ms,
			      slice_t *id_out)
{
	char name[DNS_NAME_MAX + 1];
	struct dns_txt_answer t;
	enum err e = E_OK;

	*id_out = SLICE_NONE;
	if (x->dns_again_ms > clock_mono_ms())
		return E_OK;
	if (snprintf(name, sizeof name, "_mta-sts.%.*s", (int)x->name_n, x->name) >=
	    (int)sizeof name)
		return E_OK; /* too long a name has no record */
	e = dns_txt(slice_str(name), mem, MIN(deadline_ms, deadline_in(STS_DNS_MS)), &t);
	if (e != E_OK)
		return e == E_INVALID ? E_OK : e;
	if (t.a.status == DNS_TEMPFAIL || t.a.status == DNS_BOGUS)
		x->dns_again_ms = deadline_in(STS_DNS_AGAIN_MS);
	if (t.a.status == DNS_OK && sts_record_parse(t.list, t.n, id_out) != E_OK)
		*id_out = SLICE_NONE;
	return E_OK;
}

WAITS static enum err look(struct entry *x, int64_t deadline_ms)
{
	enum err e = x->asked ? E_OK : ask_backends(x);
	struct arena mem;
	slice_t id;

	if (e != E_OK)
		return e;
	arena_init(&mem, NULL);
	e = ask_dns(x, &mem, deadline_ms, &id);
	if (e == E_OK && id.n == 0)
		x->fault = E_OK; /* nothing is told of any more */
	if (e == E_OK && id.n != 0 && is_wanted(x, id))
		e = fetch(x, id);
	arena_reset(&mem);
	return e;
}

/* One looks, the others wait and find it done. Whoever waited too long goes by what is known, if
 * anything is. */
WAITS static enum err look_in_turn(struct entry *x, int64_t deadline_ms)
{
	enum err e;

	while (x->busy) {
		e = waitq_wait(&x->looked, "sts.domain", deadline_ms);
		if (e != E_OK)
			return e == E_TIMEOUT ? E_OK : e;
	}
	x->busy = true;
	e = look(x, deadline_ms);
	x->busy = false;
	waitq_wake_all(&x->looked);
	return e;
}

/* ---- the answer ---- */

static enum sts_verdict judge(const struct entry *x, const char *mx)
{
	if (!in_force(x) && !x->asked)
		return STS_UNKNOWN;
	if (!in_force(x) || x->p.mode == STS_NONE)
		return STS_SILENT;
	if (sts_policy_names(&x->p, slice_str(mx)))
		return x->p.mode == STS_ENFORCE ? STS_NAMED : STS_SILENT;
	metric_add(&m_unnamed, 1);
	if (x->p.mode == STS_ENFORCE)
		return STS_UNNAMED;
	LOG_SELDOM(LOG_INFO, NULL, "sts.would_be_refused", LF_SLICE("domain", name_of(x)),
		   LF_STR("host", mx));
	return STS_SILENT;
}

WAITS enum err sts_ask(slice_t domain, const char *mx, int64_t deadline_ms, enum sts_verdict *out)
{
	struct entry *x = entry_get(domain);
	enum err e;

	x->users++;
	e = look_in_turn(x, deadline_ms);
	*out = e == E_OK ? judge(x, mx) : STS_SILENT;
	x->users--;
	return e;
}

/* ---- what is told ---- */

static slice_t text_of(const struct sts_policy *p, struct arena *mem)
{
	struct buf b;
	slice_t out;

	buf_init(&b, TLS_TOLD_POLICY_MAX, NULL);
	buf_printf(&b, "version: STSv1\nmode: %s\nmax_age: %lu", sts_mode_name(p->mode),
		   (unsigned long)p->max_age_s);
	for (size_t i = 0; i < p->n && b.n + p->mx[i].n + 5 <= TLS_TOLD_POLICY_MAX; i++) {
		buf_puts(&b, "\nmx: ");
		buf_put(&b, p->mx[i]);
	}
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

void sts_tell(slice_t domain, const char *mx, struct arena *mem, struct sts_about *out)
{
	const struct entry *x = map_get(&sts.by_name, domain);

	*out = (struct sts_about){.mode = STS_NONE};
	if (x == NULL)
		return;
	if (!in_force(x)) {
		out->fault = x->fault;
		return;
	}
	out->mode = x->p.mode;
	out->names_host = sts_policy_names(&x->p, slice_str(mx));
	out->text = text_of(&x->p, mem);
}
