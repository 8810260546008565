#include "frontend/core/iplimit.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"

#define WINDOW_MS 60000

struct ip_entry {
	struct list idle; /* linked while connections is 0 */
	uint8_t key[9];   /* family and the bytes that count */
	uint8_t key_n;
	uint32_t connections;
	uint32_t made; /* in the window */
	uint32_t refused;
	int64_t window_ms; /* its start */
};

static struct {
	bool ready;
	struct map map;
	struct list idle; /* oldest first */
	size_t nidle;
} table;

static slice_t ip_key(const struct ipaddr *a, uint8_t out[9])
{
	size_t n = a->family == 4 ? 4 : 8;

	out[0] = a->family;
	memcpy(out + 1, a->b, n);
	return slice(out, n + 1);
}

static void entry_free(struct ip_entry *e)
{
	list_remove(&e->idle);
	map_del(&table.map, slice(e->key, e->key_n));
	xfree(&e);
}

static void make_idle(struct ip_entry *e)
{
	list_append(&table.idle, &e->idle);
	if (++table.nidle <= IPLIMIT_IDLE_MAX)
		return;
	table.nidle--;
	entry_free(list_entry(table.idle.next, struct ip_entry, idle));
}

static struct ip_entry *entry_get(slice_t key)
{
	struct ip_entry *e;

	if (!table.ready) {
		map_init(&table.map);
		list_init(&table.idle);
		table.ready = true;
	}
	e = map_get(&table.map, key);
	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof *e);
	list_init(&e->idle);
	memcpy(e->key, key.p, key.n);
	e->key_n = (uint8_t)key.n;
	e->window_ms = clock_mono_ms();
	map_put(&table.map, key, e);
	make_idle(e);
	return e;
}

enum iplimit_verdict iplimit_enter(const struct ipaddr *a, uint32_t per_ip_max,
				   uint32_t rate_per_min, uint32_t *refused_out)
{
	uint8_t key[9];
	struct ip_entry *e = entry_get(ip_key(a, key));
	int64_t now = clock_mono_ms();
	enum iplimit_verdict v = IPLIMIT_OK;

	if (now - e->window_ms >= WINDOW_MS) {
		e->window_ms = now;
		e->made = e->refused = 0;
	}
	if (per_ip_max != 0 && e->connections >= per_ip_max)
		v = IPLIMIT_TOO_MANY;
	else if (rate_per_min != 0 && e->made >= rate_per_min)
		v = IPLIMIT_TOO_FAST;
	if (v != IPLIMIT_OK) {
		*refused_out = ++e->refused;
		return v;
	}
	*refused_out = 0;
	e->made++;
	if (e->connections++ == 0) {
		list_remove(&e->idle);
		table.nidle--;
	}
	return v;
}

void iplimit_leave(const struct ipaddr *a)
{
	uint8_t key[9];
	struct ip_entry *e = map_get(&table.map, ip_key(a, key));

	invariant(e != NULL && e->connections > 0);
	if (--e->connections == 0)
		make_idle(e);
}

size_t iplimit_size(void)
{
	return table.ready ? table.map.count : 0;
}

void iplimit_forget(void)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	if (!table.ready)
		return;
	while (map_next(&table.map, &it, &key, &v)) {
		struct ip_entry *e = v;

		xfree(&e);
	}
	map_fini(&table.map);
	table.nidle = 0;
	table.ready = false;
}
