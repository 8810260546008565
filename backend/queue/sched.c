/*
 * An entry is in exactly one place (enum place), and changes it by entry_move alone, which keeps
 * heaps, rings and counts together. Two more heaps hold the alarms of those that are neither leased
 * nor held.
 */
#include "backend/queue/sched_priv.h"

#include "common/base/map.h"

#define CLOCK_BACK_US 1000000LL /* less is no matter */

static bool before_next(const void *a, const void *b)
{
	return ((const struct entry *)a)->next_us < ((const struct entry *)b)->next_us;
}

static bool before_since(const void *a, const void *b)
{
	return ((const struct entry *)a)->since_us < ((const struct entry *)b)->since_us;
}

static bool before_expire(const void *a, const void *b)
{
	return ((const struct entry *)a)->expire_us < ((const struct entry *)b)->expire_us;
}

static bool before_warn(const void *a, const void *b)
{
	return ((const struct entry *)a)->warn_us < ((const struct entry *)b)->warn_us;
}

static bool before_in_line(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	if (a->priority != b->priority)
		return a->priority > b->priority;
	if (a->next_us != b->next_us)
		return a->next_us < b->next_us;
	return a->seq < b->seq;
}

static const struct heap_kind by_next = {offsetof(struct entry, slot), before_next};
static const struct heap_kind by_since = {offsetof(struct entry, slot), before_since};
static const struct heap_kind by_expire = {offsetof(struct entry, alarm_slot), before_expire};
static const struct heap_kind by_warn = {offsetof(struct entry, warn_slot), before_warn};
static const struct heap_kind by_line = {offsetof(struct entry, slot), before_in_line};

/* ---- twins: what is ready of one lane, partition and record ---- */

static uint64_t twins_key(const struct lane *l, uint16_t partition, uint64_t record)
{
	uint64_t key[3] = {(uintptr_t)l, partition, record};

	return map_hash(slice(key, sizeof key));
}

static uint64_t twins_hash(struct table_node *n)
{
	const struct entry *e = container_of(n, struct entry, twins);

	return twins_key(e->lane, e->partition, e->record);
}

static struct entry *twins_find(struct sched *s, const struct entry *e)
{
	uint64_t key = twins_key(e->lane, e->partition, e->record);

	for (struct table_node *n = table_chain(&s->twins, key); n != NULL; n = n->next) {
		struct entry *x = container_of(n, struct entry, twins);

		s->tally.steps++;
		if (x->lane == e->lane && x->partition == e->partition && x->record == e->record)
			return x;
	}
	return NULL;
}

static void twins_join(struct sched *s, struct entry *e)
{
	struct entry *first = e->record != 0 ? twins_find(s, e) : NULL;

	list_init(&e->link);
	e->first_twin = e->record != 0 && first == NULL;
	if (first != NULL)
		list_append(&first->link, &e->link);
	else if (e->first_twin)
		table_put(&s->twins, &s->tally, &e->twins);
}

static void twins_leave(struct sched *s, struct entry *e)
{
	if (e->first_twin) {
		table_del(&s->twins, &s->tally, &e->twins);
		e->first_twin = false;
		if (!list_empty(&e->link)) {
			struct entry *next = list_entry(e->link.next, struct entry, link);

			next->first_twin = true;
			table_put(&s->twins, &s->tally, &next->twins);
		}
	}
	list_remove(&e->link);
}

/* ---- places ---- */

static void alarms_set(struct sched *s, struct entry *e)
{
	if (e->expire_us != SCHED_NEVER)
		heap_put(&s->expiring, &by_expire, &s->tally, e);
	if (e->warn_us != 0)
		heap_put(&s->warning, &by_warn, &s->tally, e);
}

static void alarms_clear(struct sched *s, struct entry *e)
{
	heap_del(&s->expiring, &by_expire, &s->tally, e);
	heap_del(&s->warning, &by_warn, &s->tally, e);
}

static void leave(struct sched *s, struct entry *e)
{
	switch ((enum place)e->place) {
	case PLACE_WAITING:
		heap_del(&s->waiting, &by_next, &s->tally, e);
		break;
	case PLACE_READY:
		heap_del(&e->lane->ready, &by_line, &s->tally, e);
		twins_leave(s, e);
		break;
	case PLACE_LEASED:
		heap_del(&s->leased, &by_since, &s->tally, e);
		hold_sub(s, e);
		break;
	case PLACE_NONE:
	case PLACES:
		break;
	}
	s->n[e->place]--;
	e->lane->dest->n[e->place]--;
}

static void enter(struct sched *s, struct entry *e, struct hold *hold)
{
	switch ((enum place)e->place) {
	case PLACE_WAITING:
		heap_put(&s->waiting, &by_next, &s->tally, e);
		break;
	case PLACE_READY:
		heap_put(&e->lane->ready, &by_line, &s->tally, e);
		twins_join(s, e);
		break;
	case PLACE_LEASED:
		e->since_us = s->now_us;
		heap_put(&s->leased, &by_since, &s->tally, e);
		hold_add(hold, e);
		break;
	case PLACE_NONE:
	case PLACES:
		break;
	}
	s->n[e->place]++;
	e->lane->dest->n[e->place]++;
}

static bool has_alarms(const struct entry *e)
{
	return e->place == PLACE_WAITING || e->place == PLACE_READY;
}

void entry_move(struct sched *s, struct entry *e, enum place to, struct hold *hold)
{
	bool had = has_alarms(e), has;

	leave(s, e);
	e->place = (uint8_t)to;
	enter(s, e, hold);
	has = has_alarms(e);
	if (had && !has)
		alarms_clear(s, e);
	else if (has && !had)
		alarms_set(s, e);
}

static enum place place_of(const struct sched *s, const struct entry *e)
{
	if (e->held)
		return PLACE_NONE;
	return e->next_us > s->now_us ? PLACE_WAITING : PLACE_READY;
}

void entry_rest(struct sched *s, struct entry *e)
{
	entry_move(s, e, place_of(s, e), NULL);
	lane_settle(s, e->lane);
}

/* ---- entries ---- */

static uint64_t key_hash(uint16_t partition, uint64_t id)
{
	uint64_t key[2] = {partition, id};

	return map_hash(slice(key, sizeof key));
}

static uint64_t entry_hash(struct table_node *n)
{
	const struct entry *e = container_of(n, struct entry, chain);

	return key_hash(e->partition, e->id);
}

struct entry *entry_find(const struct sched *s, struct sched_key key)
{
	struct table_node *n = table_chain(&s->entries, key_hash(key.partition, key.item));

	for (; n != NULL; n = n->next) {
		struct entry *e = container_of(n, struct entry, chain);

		if (e->id == key.item && e->partition == key.partition)
			return e;
	}
	return NULL;
}

struct sched_key entry_key(const struct entry *e)
{
	return (struct sched_key){e->partition, e->id};
}

void entry_enter(struct sched *s, struct entry *e, struct lane *l)
{
	e->lane = l;
	l->items++;
	e->place = (uint8_t)place_of(s, e);
	enter(s, e, NULL);
	if (has_alarms(e))
		alarms_set(s, e);
	lane_settle(s, l);
}

void entry_leave(struct sched *s, struct entry *e)
{
	struct lane *l = e->lane;

	leave(s, e);
	alarms_clear(s, e);
	e->lane = NULL;
	l->items--;
	lane_settle(s, l);
}

/* What rests may have been told to do so by a clock that was wrong. */
void sched_clock(struct sched *s, int64_t now_us)
{
	bool back = now_us < s->now_us - CLOCK_BACK_US;

	s->now_us = now_us;
	if (!back)
		return;
	flows_rouse(s);
	dests_rouse(s);
}

/* Whenever the places or those who share them change. */
static void share_out(struct sched *s)
{
	s->share = s->npartitions == 0 ? 0 : MAX(s->set.items_max / (2 * s->npartitions), 1);
	s->owed = 0;
	for (size_t i = 0; i < s->npartitions; i++)
		s->owed += s->share - MIN(s->share, s->of_partition[i]);
}

void sched_partitions(struct sched *s, size_t n)
{
	invariant(n <= SCHED_PARTS_MAX);
	s->npartitions = n;
	share_out(s);
}

bool sched_has_place(const struct sched *s, uint16_t partition)
{
	size_t places = s->set.items_max - MIN(s->set.items_max, s->entries.n);

	if (partition < s->npartitions && s->of_partition[partition] < s->share)
		return places > 0;
	return places > s->owed;
}

static void place_take(struct sched *s, uint16_t partition)
{
	if (partition < s->npartitions && s->of_partition[partition] < s->share)
		s->owed--;
	s->of_partition[partition]++;
}

static void place_leave(struct sched *s, uint16_t partition)
{
	s->of_partition[partition]--;
	if (partition < s->npartitions && s->of_partition[partition] < s->share)
		s->owed++;
}

enum err sched_add(struct sched *s, const struct sched_item *item, int64_t now_us)
{
	struct entry *e;

	if (item->destination.n == 0 || item->destination.n > SCHED_NAME_MAX ||
	    item->key.partition >= SCHED_PARTS_MAX)
		return E_INVALID;
	if (entry_find(s, item->key) != NULL)
		return E_EXISTS;
	if (!sched_has_place(s, item->key.partition))
		return E_LIMIT;
	sched_clock(s, now_us);
	e = tally_new(&s->tally, sizeof *e);
	e->partition = item->key.partition;
	e->id = item->key.item;
	e->record = item->record;
	e->seq = s->seq++;
	e->next_us = item->next_us;
	e->first_us = item->first_us;
	e->expire_us = item->expire_us;
	e->warn_us = item->warn_us;
	e->priority = (unsigned)item->priority & 3;
	e->held = item->hold == SCHED_ON_HOLD;
	list_init(&e->link);
	table_put(&s->entries, &s->tally, &e->chain);
	place_take(s, item->key.partition);
	entry_enter(s, e,
		    lane_make(s, dest_make(s, item->destination), item->sender, item->domain));
	return E_OK;
}

void entry_drop(struct sched *s, struct entry *e)
{
	entry_leave(s, e);
	place_leave(s, e->partition);
	table_del(&s->entries, &s->tally, &e->chain);
	tally_free(&s->tally, &e, sizeof *e);
}

enum err sched_remove(struct sched *s, struct sched_key key)
{
	struct entry *e = entry_find(s, key);

	if (e == NULL)
		return E_NOT_FOUND;
	entry_drop(s, e);
	return E_OK;
}

/* ---- time ---- */

static void wake_waiting(struct sched *s)
{
	struct entry *e;

	while ((e = heap_top(&s->waiting)) != NULL && e->next_us <= s->now_us)
		entry_rest(s, e);
}

static size_t end_leases(struct sched *s)
{
	struct entry *e;
	size_t n = 0;

	while ((e = heap_top(&s->leased)) != NULL && e->since_us <= s->now_us - s->set.lease_us) {
		entry_rest(s, e);
		n++;
	}
	return n;
}

size_t sched_tick(struct sched *s, int64_t now_us)
{
	size_t n;

	sched_clock(s, now_us);
	n = end_leases(s);
	wake_waiting(s);
	dest_wake(s);
	flow_wake(s);
	return n;
}

int64_t sched_next_us(const struct sched *s)
{
	const struct entry *waiting = heap_top(&s->waiting), *leased = heap_top(&s->leased);
	const struct entry *expiring = heap_top(&s->expiring), *warning = heap_top(&s->warning);
	const struct dest *resting = heap_top(&s->resting);
	const struct flow *paced = heap_top(&s->paced);
	int64_t next = SCHED_NEVER;

	if (waiting != NULL)
		next = MIN(next, waiting->next_us);
	if (leased != NULL)
		next = MIN(next, leased->since_us + s->set.lease_us);
	if (expiring != NULL)
		next = MIN(next, expiring->expire_us);
	if (warning != NULL)
		next = MIN(next, warning->warn_us);
	if (resting != NULL)
		next = MIN(next, resting->rest_us);
	if (paced != NULL)
		next = MIN(next, paced->wake_us);
	return next;
}

size_t sched_expired(struct sched *s, int64_t now_us, struct sched_key *out, size_t max)
{
	struct entry *e;
	size_t n = 0;

	sched_clock(s, now_us);
	while (n < max && (e = heap_top(&s->expiring)) != NULL && e->expire_us <= now_us) {
		entry_move(s, e, PLACE_LEASED, hold_make(s, &s->self, e->lane->dest));
		lane_settle(s, e->lane);
		out[n++] = entry_key(e);
	}
	return n;
}

size_t sched_delayed(struct sched *s, int64_t now_us, struct sched_key *out, size_t max)
{
	struct entry *e;
	size_t n = 0;

	while (n < max && (e = heap_top(&s->warning)) != NULL && e->warn_us <= now_us) {
		heap_del(&s->warning, &by_warn, &s->tally, e);
		e->warn_us = 0;
		out[n++] = entry_key(e);
	}
	return n;
}

size_t sched_count(const struct sched *s)
{
	return s->entries.n;
}

size_t sched_memory(const struct sched *s)
{
	return s->tally.bytes;
}

uint64_t sched_steps(const struct sched *s)
{
	return s->tally.steps;
}

/* ---- beginning and end ---- */

void sched_settings_init(struct sched_settings *out)
{
	*out = (struct sched_settings){
		.window_max = SCHED_WINDOW_TOP,
		.lease_us = SCHED_LEASE_US,
		.items_max = SCHED_ITEMS_MAX,
		.nsteps = 4,
		.steps_s = {15 * 60, 30 * 60, 60 * 60, 240 * 60},
	};
}

void sched_configure(struct sched *s, const struct sched_settings *settings)
{
	struct sched_settings *set = &s->set;

	*set = *settings;
	set->window_max = MIN(MAX(set->window_max, 1U), (uint32_t)SCHED_WINDOW_MAX);
	set->lease_us = MAX(set->lease_us, (int64_t)1);
	set->items_max = MIN(set->items_max, (size_t)SCHED_ITEMS_MAX);
	set->nsteps = MIN(set->nsteps, (uint32_t)SCHED_STEPS_MAX);
	if (set->nsteps == 0) {
		set->nsteps = 1;
		set->steps_s[0] = 15 * 60;
	}
	dests_narrow(s);
	share_out(s);
}

struct sched *sched_new(const struct sched_settings *settings)
{
	struct sched *s = xcalloc(1, sizeof *s);

	sched_configure(s, settings);
	s->tally.bytes = tally_size(sizeof *s);
	s->self.id = SCHED_SELF;
	list_init(&s->self.holds);
	s->entries.hash = entry_hash;
	s->twins.hash = twins_hash;
	flows_init(s);
	lines_init(s);
	dests_init(s);
	return s;
}

void sched_free(struct sched **sp)
{
	struct sched *s = *sp;
	uint64_t cursor = 0;

	if (s == NULL)
		return;
	while (s->entries.n != 0) {
		uint64_t at = cursor;
		struct table_node *n = table_walk(&s->entries, &cursor);

		if (n != NULL) {
			entry_drop(s, container_of(n, struct entry, chain));
			cursor = at;
		}
	}
	workers_fini(s);
	dests_fini(s);
	lines_fini(s);
	flows_fini(s);
	table_fini(&s->entries, &s->tally);
	table_fini(&s->twins, &s->tally);
	heap_fini(&s->waiting, &s->tally);
	heap_fini(&s->leased, &s->tally);
	heap_fini(&s->expiring, &s->tally);
	heap_fini(&s->warning, &s->tally);
	heap_fini(&s->resting, &s->tally);
	heap_fini(&s->paced, &s->tally);
	invariant(s->tally.bytes == tally_size(sizeof *s));
	xfree(sp);
}
