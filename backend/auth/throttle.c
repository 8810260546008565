#include "backend/auth/throttle.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"

#define TAGS    8 /* wrong passwords remembered of a name */
#define KEY_MAX (1 + 17 + 320)

struct entry {
	struct list node; /* the one idle longest first */
	uint16_t key_n;
	uint16_t failures; /* as of `since_s` */
	int64_t since_s;   /* mono: when failures was last faded or raised */
	int64_t last_s;    /* mono: of the last failure, or success */
	uint64_t tags[TAGS];
	uint8_t next_tag;
	char key[];
};

struct memory {
	struct map map;
	struct list order;
	unsigned free, max_s;
};

struct throttle {
	struct memory names, ips, nets, good;
};

struct throttle *throttle_new(void)
{
	struct throttle *t = xcalloc(1, sizeof(*t));
	struct memory *all[] = {&t->names, &t->ips, &t->nets, &t->good};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		map_init(&all[i]->map);
		list_init(&all[i]->order);
	}
	t->names.free = THROTTLE_NAME_FREE;
	t->names.max_s = THROTTLE_NAME_MAX_S;
	t->ips.free = THROTTLE_IP_FREE;
	t->ips.max_s = THROTTLE_IP_MAX_S;
	t->nets.free = THROTTLE_NET_FREE;
	t->nets.max_s = THROTTLE_NET_MAX_S;
	return t;
}

static void drop(struct memory *m, struct entry *x)
{
	map_del(&m->map, slice(x->key, x->key_n));
	list_remove(&x->node);
	xfree(&x);
}

void throttle_free(struct throttle **tp)
{
	struct throttle *t = *tp;
	struct memory *all[4];

	if (t == NULL)
		return;
	all[0] = &t->names;
	all[1] = &t->ips;
	all[2] = &t->nets;
	all[3] = &t->good;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		while (!list_empty(&all[i]->order))
			drop(all[i], list_entry(all[i]->order.next, struct entry, node));
		map_fini(&all[i]->map);
	}
	xfree(tp);
}

size_t throttle_count(const struct throttle *t)
{
	return t->names.map.count + t->ips.map.count + t->nets.map.count + t->good.map.count;
}

/* ---- keys ---- */

struct key {
	char b[KEY_MAX];
	size_t n;
};

static slice_t key_slice(const struct key *k)
{
	return slice(k->b, k->n);
}

static void key_add(struct key *k, const void *p, size_t n)
{
	n = MIN(n, sizeof(k->b) - k->n);
	if (n > 0)
		memcpy(k->b + k->n, p, n);
	k->n += n;
}

/* The first bytes of an address; its family tells 4 from 6. */
static struct key key_ip(const struct ipaddr *ip, size_t v4, size_t v6)
{
	struct key k = {.n = 0};

	key_add(&k, &ip->family, 1);
	key_add(&k, ip->b, ip->family == 4 ? v4 : v6);
	return k;
}

static struct key key_name(slice_t name)
{
	struct key k = {.n = 0};

	key_add(&k, name.p, name.n);
	return k;
}

static struct key key_good(slice_t name, const struct ipaddr *ip)
{
	struct key k = key_ip(ip, 4, 8);

	key_add(&k, name.p, name.n);
	return k;
}

/* ---- entries ---- */

static int64_t now_s(void)
{
	return clock_mono_ms() / 1000;
}

static struct entry *get(const struct memory *m, const struct key *k)
{
	return map_get(&m->map, key_slice(k));
}

static struct entry *make(struct memory *m, const struct key *k)
{
	struct entry *x = get(m, k);

	if (x != NULL)
		return x;
	if (m->map.count >= THROTTLE_ENTRIES)
		drop(m, list_entry(m->order.next, struct entry, node));
	x = xcalloc(1, sizeof(*x) + k->n);
	x->key_n = (uint16_t)k->n;
	memcpy(x->key, k->b, k->n);
	x->since_s = now_s();
	map_put(&m->map, key_slice(k), x);
	list_append(&m->order, &x->node);
	return x;
}

static void fade(struct entry *x)
{
	int64_t steps = (now_s() - x->since_s) / THROTTLE_FADE_S;

	if (steps <= 0)
		return;
	x->failures = steps >= x->failures ? 0 : (uint16_t)(x->failures - steps);
	x->since_s += steps * THROTTLE_FADE_S;
}

static int64_t delay_s(const struct memory *m, const struct entry *x)
{
	unsigned over;

	if (x->failures <= m->free)
		return 0;
	over = x->failures - m->free - 1;
	return over >= 16 ? m->max_s : MIN((int64_t)1 << over, (int64_t)m->max_s);
}

static bool must_wait(const struct memory *m, const struct key *k)
{
	struct entry *x = get(m, k);

	if (x == NULL)
		return false;
	fade(x);
	return now_s() < x->last_s + delay_s(m, x);
}

static void fail(struct memory *m, const struct key *k)
{
	struct entry *x = make(m, k);

	fade(x);
	if (x->failures == 0)
		x->since_s = now_s();
	if (x->failures < UINT16_MAX)
		x->failures++;
	x->last_s = now_s();
	list_remove(&x->node);
	list_append(&m->order, &x->node);
}

/* True for a wrong password that was tried lately. */
static bool again(struct memory *m, const struct key *k, uint64_t tag)
{
	struct entry *x;

	if (tag == 0)
		return false;
	x = make(m, k);
	for (size_t i = 0; i < TAGS; i++)
		if (x->tags[i] == tag)
			return true;
	x->tags[x->next_tag] = tag;
	x->next_tag = (uint8_t)((x->next_tag + 1) % TAGS);
	return false;
}

static bool known_good(const struct throttle *t, slice_t name, const struct ipaddr *ip)
{
	struct key k = key_good(name, ip);
	struct entry *x;

	if (ip->family == 0)
		return false;
	x = get(&t->good, &k);
	return x != NULL && x->failures < THROTTLE_GOOD_FREE &&
	       now_s() < x->last_s + THROTTLE_GOOD_S;
}

enum err throttle_check(struct throttle *t, slice_t name, const struct ipaddr *ip)
{
	struct key k = key_name(name), host = key_ip(ip, 4, 8), net = key_ip(ip, 3, 6);

	if (known_good(t, name, ip))
		return E_OK;
	if ((name.n > 0 && must_wait(&t->names, &k)) ||
	    (ip->family != 0 && (must_wait(&t->ips, &host) || must_wait(&t->nets, &net))))
		return E_LIMIT;
	return E_OK;
}

void throttle_failed(struct throttle *t, slice_t name, const struct ipaddr *ip,
		     uint64_t password_tag)
{
	struct key k = key_name(name), host = key_ip(ip, 4, 8), net = key_ip(ip, 3, 6);
	struct key pair = key_good(name, ip);
	struct entry *good;

	if (again(&t->names, &k, password_tag))
		return;
	good = ip->family != 0 ? get(&t->good, &pair) : NULL;
	if (good != NULL && good->failures < THROTTLE_GOOD_FREE) {
		/* A known place speaks for itself alone. */
		good->failures++;
		return;
	}
	if (name.n > 0)
		fail(&t->names, &k);
	if (ip->family != 0) {
		fail(&t->ips, &host);
		fail(&t->nets, &net);
	}
}

void throttle_succeeded(struct throttle *t, slice_t name, const struct ipaddr *ip)
{
	struct key k = key_name(name), pair = key_good(name, ip);
	struct entry *x = get(&t->names, &k);

	/* Who knows the password has not been guessing. What its address owes, it still owes. */
	if (x != NULL)
		drop(&t->names, x);
	if (ip->family == 0)
		return;
	x = make(&t->good, &pair);
	x->failures = 0;
	x->last_s = now_s();
	list_remove(&x->node);
	list_append(&t->good.order, &x->node);
}
