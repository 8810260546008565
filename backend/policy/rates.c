#include "backend/policy/rates.h"

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/num.h"

#define VERSION 1
#define HOUR_US (3600 * 1000000LL)
#define FIXED   256 /* means are kept in 256ths */

enum {
	W_MINUTE,
	W_HOUR,
	W_DAY,
	W_RCPT_HOUR,
	W_RCPT_DAY,
	W_OUTSIDE,
	W_TRIES,
	W_FAILED,
	WINDOWS,
};

static const enum window_span spans[WINDOWS] = {
	[W_MINUTE] = WINDOW_MINUTE,  [W_HOUR] = WINDOW_HOUR,    [W_DAY] = WINDOW_DAY,
	[W_RCPT_HOUR] = WINDOW_HOUR, [W_RCPT_DAY] = WINDOW_DAY, [W_OUTSIDE] = WINDOW_TEN_MINUTES,
	[W_TRIES] = WINDOW_HOUR,     [W_FAILED] = WINDOW_HOUR,
};

/* The limits that are windows of their own: enum dir_send without the burst. */
static const struct {
	enum dir_send which;
	unsigned window;
	bool recipients;
} limited[] = {
	{DIR_SEND_MESSAGES_MINUTE, W_MINUTE, false}, {DIR_SEND_MESSAGES_HOUR, W_HOUR, false},
	{DIR_SEND_MESSAGES_DAY, W_DAY, false},       {DIR_SEND_RECIPIENTS_HOUR, W_RCPT_HOUR, true},
	{DIR_SEND_RECIPIENTS_DAY, W_RCPT_DAY, true},
};

struct rates_account {
	uint64_t id;
	struct list idle;    /* the one idle longest first */
	struct list changed; /* unlinked: as it was packed */
	struct rates *owner;
	char key[8];
	uint64_t txids[RATES_TXIDS];
	uint32_t next_txid;
	struct window w[WINDOWS];
	/* What is usual. */
	int64_t first_us; /* when it first sent elsewhere; 0: never */
	int64_t hour;     /* the one that bits is of */
	uint32_t hours, mean;
	uint8_t bits[RATES_BITS / 8];
};

struct rates {
	struct map map;
	struct list idle, changed;
};

struct rates *rates_new(void)
{
	struct rates *r = xcalloc(1, sizeof *r);

	map_init(&r->map);
	list_init(&r->idle);
	list_init(&r->changed);
	return r;
}

static void forget(struct rates *r, struct rates_account *a)
{
	map_del(&r->map, slice(a->key, sizeof a->key));
	list_remove(&a->idle);
	list_remove(&a->changed);
	xfree(&a);
}

void rates_free(struct rates **pr)
{
	struct rates *r = *pr;

	if (r == NULL)
		return;
	while (!list_empty(&r->idle))
		forget(r, list_entry(r->idle.next, struct rates_account, idle));
	map_fini(&r->map);
	xfree(pr);
}

size_t rates_count(const struct rates *r)
{
	return r->map.count;
}

struct rates_account *rates_find(struct rates *r, uint64_t account)
{
	char key[8];

	be64_put(key, account);
	return map_get(&r->map, slice(key, sizeof key));
}

static void make_room(struct rates *r)
{
	while (r->map.count >= RATES_ACCOUNTS) {
		struct rates_account *a = list_entry(r->idle.next, struct rates_account, idle);

		if (!list_empty(&a->changed))
			return;
		forget(r, a);
	}
}

struct rates_account *rates_make(struct rates *r, uint64_t account)
{
	struct rates_account *a = rates_find(r, account);

	if (a == NULL) {
		make_room(r);
		a = xcalloc(1, sizeof *a);
		a->id = account;
		a->owner = r;
		list_init(&a->changed);
		list_init(&a->idle);
		be64_put(a->key, account);
		map_put(&r->map, slice(a->key, sizeof a->key), a);
	}
	list_remove(&a->idle);
	list_append(&r->idle, &a->idle);
	return a;
}

void rates_touch(struct rates *r, struct rates_account *a)
{
	if (list_empty(&a->changed))
		list_append(&r->changed, &a->changed);
}

/* ---- limits ---- */

static enum rates_taken over(const struct rates_account *a, const uint32_t limits[DIR_SENDS],
			     uint32_t recipients, int64_t now_us, enum dir_send *which_out,
			     int64_t *again_us_out)
{
	*again_us_out = now_us;
	for (size_t i = 0; i < ARRAY_LEN(limited); i++) {
		unsigned w = limited[i].window;
		uint32_t max = limits[limited[i].which];
		int64_t at;

		if (max == 0)
			continue;
		at = window_room_at(&a->w[w], spans[w], now_us, max,
				    limited[i].recipients ? recipients : 1);
		if (at <= *again_us_out)
			continue;
		*again_us_out = at;
		*which_out = limited[i].which;
	}
	return *again_us_out > now_us ? RATES_OVER : RATES_COUNTED;
}

enum rates_taken rates_look(const struct rates_account *a, const uint32_t limits[DIR_SENDS],
			    int64_t now_us, enum dir_send *which_out, int64_t *again_us_out)
{
	return over(a, limits, 1, now_us, which_out, again_us_out);
}

static bool seen_txid(const struct rates_account *a, uint64_t txid)
{
	for (size_t i = 0; i < RATES_TXIDS; i++) {
		if (a->txids[i] == txid && txid != 0)
			return true;
	}
	return false;
}

/* ---- what is usual ---- */

static uint32_t bits_set(const struct rates_account *a)
{
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof a->bits; i++)
		n += (uint32_t)__builtin_popcount(a->bits[i]);
	return n;
}

/* An hour of sending is over: it becomes part of the mean. */
static void turn_hour(struct rates_account *a, int64_t now_us)
{
	int64_t hour = now_us / HOUR_US;
	uint32_t n = bits_set(a) * FIXED;

	if (hour <= a->hour)
		return;
	a->hour = hour;
	if (n == 0)
		return;
	a->hours += a->hours < UINT32_MAX;
	/* The first ones weigh as in a plain mean. */
	if (n >= a->mean)
		a->mean += (n - a->mean) / MIN(a->hours, (uint32_t)RATES_HOURS);
	else
		a->mean -= (a->mean - n) / MIN(a->hours, (uint32_t)RATES_HOURS);
	memset(a->bits, 0, sizeof a->bits);
}

static void note_outside(struct rates_account *a, const struct rates_mail *m, int64_t now_us)
{
	turn_hour(a, now_us);
	if (a->first_us == 0 && m->noutside != 0)
		a->first_us = now_us;
	for (uint32_t i = 0; i < m->noutside; i++) {
		uint32_t bit = (uint32_t)(m->outside[i] % RATES_BITS);

		a->bits[bit / 8] |= (uint8_t)(1U << bit % 8);
	}
}

/* ---- counting ---- */

/* How much of the message counts in a window. */
static uint32_t share(unsigned w, const struct rates_mail *m)
{
	switch (w) {
	case W_MINUTE:
	case W_HOUR:
	case W_DAY:
		return 1;
	case W_RCPT_HOUR:
	case W_RCPT_DAY:
		return m->recipients;
	case W_OUTSIDE:
		return m->noutside;
	default:
		return 0;
	}
}

enum rates_taken rates_take(struct rates_account *a, const uint32_t limits[DIR_SENDS],
			    const struct rates_mail *m, int64_t now_us, enum dir_send *which_out,
			    int64_t *again_us_out)
{
	if (seen_txid(a, m->txid))
		return RATES_AGAIN;
	if (over(a, limits, m->recipients, now_us, which_out, again_us_out) == RATES_OVER)
		return RATES_OVER;
	for (unsigned w = 0; w < WINDOWS; w++) {
		if (share(w, m) != 0)
			window_add(&a->w[w], spans[w], now_us, share(w, m));
	}
	note_outside(a, m, now_us);
	a->txids[a->next_txid++ % RATES_TXIDS] = m->txid;
	rates_touch(a->owner, a);
	return RATES_COUNTED;
}

void rates_give_back(struct rates_account *a, const struct rates_mail *m, int64_t now_us)
{
	for (unsigned w = 0; w < WINDOWS; w++)
		window_take_back(&a->w[w], spans[w], now_us, share(w, m));
	for (size_t i = 0; i < RATES_TXIDS; i++) {
		if (a->txids[i] == m->txid)
			a->txids[i] = 0;
	}
	rates_touch(a->owner, a);
}

void rates_tried(struct rates_account *a, int64_t now_us, uint32_t tries, uint32_t failed)
{
	window_add(&a->w[W_TRIES], spans[W_TRIES], now_us, tries);
	window_add(&a->w[W_FAILED], spans[W_FAILED], now_us, failed);
	rates_touch(a->owner, a);
}

/* ---- alarms ---- */

static bool is_unusual(const struct rates_account *a, const struct rates_burst *b, int64_t now_us,
		       struct rates_seen *out)
{
	uint64_t now = a->hour == now_us / HOUR_US ? bits_set(a) : 0;

	if (b->factor == 0 || a->hours < RATES_HOURS_KNOWN || now < b->factor_least ||
	    now_us - a->first_us < RATES_WEEK_US)
		return false;
	*out = (struct rates_seen){.count = now, .of = a->mean / FIXED};
	return now * FIXED >= (uint64_t)a->mean * b->factor;
}

enum rates_alarm rates_alarm(const struct rates_account *a, const struct rates_burst *b,
			     int64_t now_us, struct rates_seen *out)
{
	uint64_t outside = window_sum(&a->w[W_OUTSIDE], spans[W_OUTSIDE], now_us);
	uint64_t tries = window_sum(&a->w[W_TRIES], spans[W_TRIES], now_us);
	uint64_t failed = window_sum(&a->w[W_FAILED], spans[W_FAILED], now_us);

	*out = (struct rates_seen){.count = outside};
	if (b->outside != 0 && outside >= b->outside)
		return RATES_MANY;
	*out = (struct rates_seen){.count = failed, .of = tries};
	if (b->failed_percent != 0 && tries >= RATES_TRIES_LEAST &&
	    failed * 100 > tries * b->failed_percent)
		return RATES_REFUSED;
	return is_unusual(a, b, now_us, out) ? RATES_UNUSUAL : RATES_CALM;
}

void rates_forgive(struct rates_account *a)
{
	a->w[W_OUTSIDE] = a->w[W_TRIES] = a->w[W_FAILED] = (struct window){0};
	memset(a->bits, 0, sizeof a->bits);
	rates_touch(a->owner, a);
}

/* ---- as bytes: a version, what is usual, the windows. Big-endian. ---- */

static void put_u64(struct buf *out, uint64_t v)
{
	char b[8];

	be64_put(b, v);
	buf_put(out, slice(b, sizeof b));
}

static void put_u32(struct buf *out, uint32_t v)
{
	char b[4];

	be32_put(b, v);
	buf_put(out, slice(b, sizeof b));
}

bool rates_pack_next(struct rates *r, uint64_t *account_out, struct buf *out)
{
	struct rates_account *a;

	if (list_empty(&r->changed))
		return false;
	a = list_entry(r->changed.next, struct rates_account, changed);
	list_remove(&a->changed);
	*account_out = a->id;
	buf_putc(out, VERSION);
	put_u64(out, (uint64_t)a->first_us);
	put_u64(out, (uint64_t)a->hour);
	put_u32(out, a->hours);
	put_u32(out, a->mean);
	buf_put(out, slice(a->bits, sizeof a->bits));
	for (size_t w = 0; w < WINDOWS; w++) {
		put_u64(out, (uint64_t)a->w[w].slot);
		for (size_t i = 0; i < WINDOW_BUCKETS; i++)
			put_u32(out, a->w[w].v[i]);
	}
	return true;
}

#define PACKED (1 + 8 + 8 + 4 + 4 + RATES_BITS / 8 + WINDOWS * (8 + WINDOW_BUCKETS * 4))
_Static_assert(PACKED <= RATES_PACKED_MAX, "a packed account");

bool rates_unpack(struct rates_account *a, slice_t packed)
{
	const char *p = packed.p;

	if (packed.n != PACKED || p[0] != VERSION || (p[1] & 0x80) != 0 || (p[9] & 0x80) != 0)
		return false;
	for (size_t w = 0; w < WINDOWS; w++) {
		if ((p[25 + RATES_BITS / 8 + w * (8 + WINDOW_BUCKETS * 4)] & 0x80) != 0)
			return false;
	}
	a->first_us = (int64_t)be64_get(p + 1);
	a->hour = (int64_t)be64_get(p + 9);
	a->hours = be32_get(p + 17);
	a->mean = be32_get(p + 21);
	memcpy(a->bits, p + 25, sizeof a->bits);
	p += 25 + sizeof a->bits;
	for (size_t w = 0; w < WINDOWS; w++, p += 8 + WINDOW_BUCKETS * 4) {
		a->w[w].slot = (int64_t)be64_get(p);
		for (size_t i = 0; i < WINDOW_BUCKETS; i++)
			a->w[w].v[i] = be32_get(p + 8 + i * 4);
	}
	return true;
}
