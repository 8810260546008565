/*
 * Which items there are. One fiber looks for new ones (their numbers only grow, so a look begins
 * where the last one ended), lets the scheduler's time pass, and takes care of items whose time is
 * over, or of whose delay the sender is to hear.
 */
#include "backend/queue/outbound_admin.h"
#include "backend/queue/outbound_priv.h"

#include "backend/policy/live.h"
#include "backend/queue/notice_put.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/work.h"
#include "common/parse/addr.h"

#define LOOK_ITEMS     256
#define LOOK_BYTES     (4u << 20)
#define ERROR_PAUSE_MS 5000 /* after a read or a change that failed */

_Static_assert(PARTITIONS_MAX <= SCHED_PARTS_MAX, "the scheduler has places for each of them");

METRIC_COUNTER(m_expired, "queue_expired_total", "Items of the way out that were given up in time");

/* ---- settings ---- */

void outbound_settings(struct outbound *o)
{
	static const char *const steps[] = {"outbound.retry_first", "outbound.retry_second",
					    "outbound.retry_third", "outbound.retry_later"};
	struct conf *c = live_settings(o->deliver->dir, o->overrides);
	struct sched_settings s;
	struct sched_limits pace = {
		.sender = (uint32_t)conf_int(c, "outbound.pace_account"),
		.domain = (uint32_t)conf_int(c, "outbound.pace_domain"),
		.destination = (uint32_t)conf_int(c, "outbound.pace_destination"),
	};

	sched_settings_init(&s);
	s.nsteps = ARRAY_LEN(steps);
	/* Who is here still has it: nobody else gets it while a result would count. */
	s.lease_us = LEASE_TOKEN_LIFE_S * 1000000LL;
	s.window_max = (uint32_t)conf_int(c, "outbound.connections_per_destination");
	buf_reset(&o->masquerade);
	buf_puts(&o->masquerade, conf_str(c, "outbound.masquerade"));
	o->times.nretry = ARRAY_LEN(steps);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		o->times.retry_us[i] = conf_ms(c, steps[i]) * 1000;
		s.steps_s[i] = (uint32_t)(o->times.retry_us[i] / 1000000);
	}
	o->times.warn_us = conf_ms(c, "outbound.delay_notice") * 1000;
	o->times.expire_us = conf_ms(c, "outbound.expiry") * 1000;
	o->bad_keep_us = conf_ms(c, "queue.bad_keep") * 1000;
	o->bad_us = 0;
	if (!slice_to_str(slice_str(conf_str(c, "outbound.bounce_copy")), o->bounce_copy,
			  sizeof o->bounce_copy))
		o->bounce_copy[0] = '\0';
	if (!slice_to_str(slice_str(conf_str(c, "alert.to")), o->alert_to, sizeof o->alert_to))
		o->alert_to[0] = '\0';
	if (!dir_tls_level_parse(slice_str(conf_str(c, "outbound.tls")), &o->tls))
		o->tls = DIR_TLS_DANE;
	if (o->sched == NULL) {
		o->sched = sched_new(&s);
		invariant(sched_limit_destination(o->sched, JOB_NOTICES, 0, SCHED_UNLIMITED,
						  clock_wall_us()) == E_OK);
		invariant(sched_limit_destination(o->sched, JOB_TLS_REPORTS,
						  OUTBOUND_REPORTS_AT_ONCE, SCHED_UNLIMITED,
						  clock_wall_us()) == E_OK);
	} else {
		sched_configure(o->sched, &s);
	}
	outbound_suspend(o, c);
	sched_limits(o->sched, &pace, clock_wall_us());
	conf_free(&c);
}

static void on_dir_event(const struct dir_event *ev, void *arg)
{
	struct outbound *o = arg;

	if (ev->kind == DIR_EV_ROUTES)
		outbound_routes_changed(o);
	if (ev->kind == DIR_EV_SERVERS)
		outbound_servers_changed(o);
	if (ev->kind != DIR_EV_SETTINGS)
		return;
	outbound_settings(o);
	outbound_wake(o); /* what was paced may go now */
}

static void on_hold(uint64_t account, bool held, void *arg)
{
	struct outbound *o = arg;

	held = held || outbound_is_suspended(o, account);
	sched_hold_sender(o->sched, account, held ? SCHED_ON_HOLD : SCHED_FREE, clock_wall_us());
	outbound_wake(o);
}

void outbound_guard(struct outbound *o, struct guard *g)
{
	o->guard = g;
	guard_watch(g, on_hold, o);
	guard_on_alarm(g, outbound_alarm, o);
}

/* ---- items ---- */

uint64_t outbound_sender_key(uint64_t account, slice_t address)
{
	return account != 0 ? account : map_hash(address);
}

/* Notices stay here: a hold of whom they are for does not keep them, so they have keys of their
 * own. */
static uint64_t sender_key(const struct job *j)
{
	uint64_t key = outbound_sender_key(j->account, j->sender);

	return j->kind == JOB_NOTICE ? ~key : key;
}

static uint64_t domain_key(slice_t address)
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;

	return at != NULL ? map_hash(slice_from(address, (size_t)(at - address.p) + 1)) : 0;
}

/* It waits in the store. */
static void leave_out(struct outbound *o, struct sched_key key)
{
	struct outbound_part *p = &o->parts[key.partition];

	if (key.item > p->last && !p->looking)
		return; /* the next look goes on with it */
	if (o->nleft < OUTBOUND_LEFT_MAX)
		o->left[o->nleft++] = key;
	else
		p->again = MIN(p->again, key.item - 1);
}

void outbound_add(struct outbound *o, size_t part, const struct due_item *item)
{
	struct sched_item s = {.key = {(uint16_t)part, item->id}, .record = item->record_no};
	struct outcome_times t;
	struct arena mem;
	struct way w;
	struct job j;
	enum err e;

	arena_init(&mem, NULL);
	e = job_unpack(item->payload, &mem, &j);
	if (e == E_OK && (j.kind == JOB_OUTSIDE || j.kind == JOB_NOTICE)) {
		s.destination = outbound_destination(o, &j, &w);
		s.sender = sender_key(&j);
		s.domain = j.kind == JOB_NOTICE ? 0 : domain_key(j.sender);
		s.next_us = j.next_us;
		s.first_us = j.first_us;
		t = outbound_times(o, &j);
		s.expire_us = outcome_expire_at(&j, &t);
		s.warn_us = outcome_warn_at(&j, &t);
		s.priority = j.priority < 0   ? SCHED_LOW
			     : j.priority > 0 ? SCHED_HIGH
					      : SCHED_NORMAL;
		s.hold = j.held ? SCHED_ON_HOLD : SCHED_FREE;
		e = sched_add(o->sched, &s, clock_wall_us());
		outbound_hint(o, &j, &w);
	} else if (e == E_OK && outbound_is_left_over(o, &j, item->due_us)) {
		o->unpark = true;
	}
	if (e == E_LIMIT)
		leave_out(o, s.key);
	if (e != E_OK && e != E_EXISTS)
		LOG_SELDOM(LOG_ERROR, NULL, "queue.item_left", LF_UINT("item", item->id),
			   LF_ERR("error", e));
	arena_reset(&mem);
}

/* ---- new items ---- */

static enum err first_of(enum err first, enum err then)
{
	return first != E_OK ? first : then;
}

/* A partition that has none is not read: its items wait in the store. */
static bool has_place(const struct outbound *o, size_t part)
{
	return sched_has_place(o->sched, (uint16_t)part);
}

struct looking {
	struct outbound_part at;
	struct due_item items[LOOK_ITEMS];
	size_t n;
	bool more;
	struct buf bytes;
	enum err result;
};

static void run_look(void *arg)
{
	struct looking *l = arg;

	buf_reset(&l->bytes);
	l->result =
		item_scan(l->at.part, l->at.last, l->items, LOOK_ITEMS, &l->n, &l->more, &l->bytes);
}

/* The next rows of a partition, into l. */
WAITS static enum err read_rows(struct outbound_part *p, struct looking *l)
{
	enum err e;

	p->last = MIN(p->last, p->again);
	p->again = UINT64_MAX;
	l->at = *p;
	p->looking = true;
	e = work_run("outbound.look", run_look, l);
	p->looking = false;
	return e == E_OK ? l->result : e;
}

WAITS static enum err look_at(struct outbound *o, size_t part, struct looking *l)
{
	struct outbound_part *p = &o->parts[part];

	do {
		enum err e = has_place(o, part) ? read_rows(p, l) : E_LIMIT;

		if (e != E_OK)
			return e;
		for (size_t i = 0; i < l->n; i++) {
			if (!has_place(o, part)) {
				e = E_LIMIT;
				break;
			}
			outbound_add(o, part, &l->items[i]);
			p->last = l->items[i].id;
		}
		if (l->n != 0)
			waitq_wake_all(&o->takers);
		if (e != E_OK)
			return e;
	} while ((l->more || p->again < p->last) && !o->stop);
	return E_OK;
}

/* Those that were left out, one by one: there is seldom any. */
WAITS static enum err look_at_left(struct outbound *o)
{
	struct due_item item;
	struct outbound_rows r = {.n = 1, .items = &item};
	enum err e = E_OK;

	buf_init(&r.bytes, STORE_PAYLOAD_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < o->nleft && !o->stop;) {
		struct sched_key key = o->left[i];

		if (!has_place(o, key.partition)) {
			i++;
			continue;
		}
		memmove(o->left + i, o->left + i + 1, (--o->nleft - i) * sizeof o->left[0]);
		buf_reset(&r.bytes);
		r.part = o->parts[key.partition].part;
		r.ids = &key.item;
		e = outbound_load(&r);
		if (e != E_OK)
			leave_out(o, key);
		else if (item.id != 0)
			outbound_add(o, key.partition, &item);
	}
	buf_fini(&r.bytes);
	return e == E_OK && o->nleft != 0 ? E_LIMIT : e;
}

static size_t part_number(struct outbound *o, struct partition *p)
{
	for (size_t i = 0; i < o->nparts; i++) {
		if (o->parts[i].part == p)
			return i;
	}
	invariant(o->nparts < SCHED_PARTS_MAX);
	o->parts[o->nparts] = (struct outbound_part){.part = p, .again = UINT64_MAX};
	waitq_init(&o->parts[o->nparts].users);
	sched_partitions(o->sched, ++o->nparts);
	return o->nparts - 1;
}

WAITS static enum err look(struct outbound *o, struct looking *l)
{
	enum err e;

	/* All of them first: they share the scheduler's places. */
	for (size_t i = 0; i < partitions_count(o->deliver->parts); i++)
		(void)part_number(o, partitions_at(o->deliver->parts, i));
	e = look_at_left(o);
	for (size_t i = 0; i < partitions_count(o->deliver->parts) && !o->stop; i++) {
		enum err one = look_at(o, part_number(o, partitions_at(o->deliver->parts, i)), l);

		e = first_of(e, one);
	}
	return e;
}

/* No look finds it: one that is over passed it by, and one that is under way may have read the row
 * as it was. */
void outbound_turned(struct outbound *o, struct partition *part, const struct due_item *item)
{
	outbound_add(o, part_number(o, part), item);
	outbound_wake(o); /* time counts for it, and somebody may take it */
}

/* ---- time ---- */

/* One whose row is gone or unreadable is not leased to us for ever. */
static void forget(struct outbound *o, size_t part, uint64_t item)
{
	struct sched_key key = {(uint16_t)part, item};

	LOG(LOG_WARN, NULL, "queue.forgotten", LF_UINT("item", item));
	if (sched_remove(o->sched, key) != E_OK)
		LOG(LOG_DEBUG, NULL, "queue.not_scheduled", LF_UINT("item", item));
}

/* One that was never tried waited for a destination that others did not reach. */
static void tell_trouble(const struct outbound *o, size_t part, uint64_t item, struct job *j)
{
	const struct trouble *t = outbound_trouble(o, o->parts[part].part, item, j);

	if (t == NULL)
		return;
	j->status = t->status;
	j->last_error = t->text;
	j->remote = t->remote;
}

WAITS static size_t expire(struct outbound *o, size_t part, struct outbound_page *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->load.n; i++) {
		struct outbound_verdict *v = outbound_page_row(r, i, n);

		if (v == NULL) {
			forget(o, part, r->ids[i]);
			continue;
		}
		metric_add(&m_expired, 1);
		tell_trouble(o, part, v->item, &v->job);
		job_log("queue.expired", LOG_WARN, v->item, &v->job);
		v->what = outcome_expired(&v->job, clock_wall_us());
		n++;
	}
	return n;
}

WAITS static size_t delay(struct outbound *o, size_t part, struct outbound_page *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->load.n; i++) {
		struct outbound_verdict *v = outbound_page_row(r, i, n);
		struct outcome_times t;
		struct job notice, was;

		if (v == NULL)
			continue;
		t = outbound_times(o, &v->job);
		if (outcome_warn_at(&v->job, &t) == 0)
			continue;
		was = v->job;
		tell_trouble(o, part, v->item, &v->job);
		notice = outcome_delayed(&v->job, &t);
		v->job = was;
		v->job.warned = true;
		if (notice_put_delay(o->parts[part].part, v->item, v->record_no, &notice) != E_OK)
			continue; /* known by its key: the next start tells it */
		job_log("queue.delayed", LOG_INFO, v->item, &v->job);
		v->what = OUTCOME_KEEP;
		v->result.outcome = SCHED_BACK;
		n++;
	}
	return n;
}

WAITS static enum err over_time(struct outbound *o)
{
	struct sched_key keys[OUTBOUND_PAGE];
	enum err e = E_OK;
	size_t n;

	while (e == E_OK && !o->stop &&
	       (n = sched_expired(o->sched, clock_wall_us(), keys, OUTBOUND_PAGE)) != 0)
		e = outbound_pages(o, keys, n, expire);
	while (e == E_OK && !o->stop &&
	       (n = sched_delayed(o->sched, clock_wall_us(), keys, OUTBOUND_PAGE)) != 0)
		e = outbound_pages(o, keys, n, delay);
	return e;
}

/* ---- the fiber ---- */

static int64_t next_us(const struct outbound *o)
{
	return MIN(sched_next_us(o->sched), o->bad_us);
}

static int64_t wait_until(const struct outbound *o, enum err e, int64_t gone_ms)
{
	int64_t next = next_us(o), wait = next - clock_wall_us();

	if (e != E_OK)
		return deadline_in(ERROR_PAUSE_MS);
	return MIN(gone_ms,
		   next == SCHED_NEVER ? NO_DEADLINE : deadline_in(MAX(wait / 1000 + 1, 1)));
}

WAITS static void run(void *arg)
{
	struct outbound *o = arg;
	struct looking *l = xcalloc(1, sizeof *l);

	buf_init(&l->bytes, LOOK_BYTES, NULL);
	while (!o->stop) {
		enum err alerts = outbound_alerts(o), e = look(o, l);
		int64_t gone_ms = outbound_forget_gone(o);

		/* A partition that cannot be read does not stop time for the others. */
		(void)sched_tick(o->sched, clock_wall_us());
		e = first_of(e, over_time(o));
		if (o->bad_us <= clock_wall_us())
			outbound_expire_bad(o);
		e = first_of(first_of(e, outbound_reroute(o)), alerts);
		e = first_of(e, outbound_unpark(o));
		waitq_wake_all(&o->takers);
		if (e == E_OK)
			o->look_us = next_us(o);
		if (event_wait(&o->wake, "outbound.due", wait_until(o, e, gone_ms)) == E_CANCELLED)
			break;
		o->look_us = INT64_MIN;
	}
	buf_fini(&l->bytes);
	xfree(&l);
	o->fiber = NULL;
	event_set(&o->ended);
}

WAITS enum err outbound_start(struct deliver *deliver, const struct conf *overrides,
			      struct outbound **out)
{
	struct outbound *o = xcalloc(1, sizeof *o);
	enum err e;

	o->deliver = deliver;
	o->overrides = overrides;
	o->parts = xcalloc(SCHED_PARTS_MAX, sizeof *o->parts);
	waitq_init(&o->takers);
	list_init(&o->gone);
	o->look_us = INT64_MIN;
	list_init(&o->alerts);
	list_init(&o->alerted);
	list_init(&o->here);
	o->open_ms = deadline_in(OUTBOUND_GRACE_MS);
	event_init(&o->wake);
	event_init(&o->ended);
	way_down_init(&o->down);
	troubles_init(&o->troubles);
	asks_init(&o->asks);
	buf_init(&o->masquerade, CONF_VALUE_MAX, NULL);
	outbound_settings(o);
	(void)queue_servers_read(&o->servers, deliver->dir);
	o->sub = (struct dir_sub){.fn = on_dir_event, .arg = o};
	dir_subscribe(deliver->dir, &o->sub);
	e = fiber_start("outbound.queue", run, o, &o->fiber);
	if (e == E_OK)
		e = outbound_share_start(o);
	*out = o;
	if (e != E_OK)
		outbound_stop(out);
	return e;
}

WAITS void outbound_stop(struct outbound **po)
{
	struct outbound *o = *po;

	if (o == NULL)
		return;
	dir_unsubscribe(&o->sub);
	if (o->guard != NULL)
		guard_unwatch(o->guard);
	o->stop = true;
	fiber_shield_begin();
	if (o->fiber != NULL) {
		fiber_cancel(o->fiber);
		while (event_wait(&o->ended, "outbound.stop", NO_DEADLINE) != E_OK)
			;
	}
	outbound_share_stop(o);
	fiber_shield_end();
	outbound_gone_fini(o);
	outbound_suspend_fini(o);
	outbound_alerts_fini(o);
	way_down_fini(&o->down);
	troubles_fini(&o->troubles);
	queue_servers_fini(&o->servers);
	asks_fini(&o->asks);
	buf_fini(&o->masquerade);
	sched_free(&o->sched);
	xfree(&o->parts);
	xfree(po);
}

void outbound_wake(struct outbound *o)
{
	event_set(&o->wake);
}

struct sched *outbound_sched(struct outbound *o)
{
	return o->sched;
}

bool outbound_key(const struct outbound *o, uint32_t partition, uint64_t item,
		  struct sched_key *out)
{
	for (size_t i = 0; i < o->nparts; i++) {
		if (partition_id(o->parts[i].part) == partition) {
			*out = (struct sched_key){(uint16_t)i, item};
			return true;
		}
	}
	return false;
}
