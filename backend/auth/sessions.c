#include "backend/auth/sessions.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define EXPIRE_STEP 64 /* looked at in passing: the table empties as fast as it can fill */

METRIC_GAUGE(m_sessions, "sessions", "Sessions known to this back-end");
METRIC_COUNTER(m_unlisted, "sessions_unlisted_total", "Sessions beyond the table's bound");

/* A link that sessions belong to. */
struct carrier {
	struct list entries;
};

struct entry {
	struct list node; /* by last access, the longest ago first */
	struct list same; /* in its carrier's entries */
	struct carrier *via;
	struct session_info info;
};

struct sessions {
	struct map map;
	struct map carriers; /* by the link's address */
	struct list order;
	size_t naway;
};

struct sessions *sessions_new(void)
{
	struct sessions *s = xcalloc(1, sizeof(*s));

	map_init(&s->map);
	map_init(&s->carriers);
	list_init(&s->order);
	return s;
}

static slice_t key_of(const uint8_t id[TICKET_SESSION_LEN])
{
	return slice(id, TICKET_SESSION_LEN);
}

static void count(const struct sessions *s)
{
	metric_set(&m_sessions, (int64_t)sessions_count(s));
}

static void set_away(struct sessions *s, struct entry *x, bool away)
{
	if (x->info.away && !away)
		s->naway--;
	else if (!x->info.away && away)
		s->naway++;
	x->info.away = away;
}

static void leave_carrier(struct entry *x)
{
	if (x->via != NULL)
		list_remove(&x->same);
	x->via = NULL;
}

static void drop(struct sessions *s, struct entry *x)
{
	leave_carrier(x);
	set_away(s, x, false);
	map_del(&s->map, key_of(x->info.id));
	list_remove(&x->node);
	xfree(&x);
	count(s);
}

void sessions_free(struct sessions **sp)
{
	struct sessions *s = *sp;
	struct map_iter it = {0};
	void *carrier;

	if (s == NULL)
		return;
	while (!list_empty(&s->order))
		drop(s, list_entry(s->order.next, struct entry, node));
	map_fini(&s->map);
	while (map_next(&s->carriers, &it, NULL, &carrier))
		xfree(&carrier);
	map_fini(&s->carriers);
	xfree(sp);
}

/* The front-end that held it is gone, or it would have said good-bye or renewed. */
static void log_lost(const struct session_info *i)
{
	char ip[IPADDR_STR];

	LOG(LOG_INFO, NULL, "auth.logout", LF_UINT("account", i->account),
	    LF_HEX("session", key_of(i->id)), LF_STR("frontend", i->frontend),
	    LF_STR("service", rpc_service_name(i->service)), LF_STR("ip", ipaddr_str(&i->ip, ip)),
	    LF_STR("reason", "lost"), LF_INT("seconds", i->last_access_s - i->login_s));
}

static bool expire_one(struct sessions *s, int64_t now_s)
{
	struct entry *x;

	if (list_empty(&s->order))
		return false;
	x = list_entry(s->order.next, struct entry, node);
	/* Its ticket was good for at most this long after its last use. */
	if (x->info.last_access_s + TICKET_LIFE_S > now_s)
		return false;
	log_lost(&x->info);
	drop(s, x);
	return true;
}

void sessions_expire(struct sessions *s)
{
	int64_t now_s = clock_wall_s();

	while (expire_one(s, now_s))
		;
}

static struct entry *insert(struct sessions *s, const struct session_info *info)
{
	struct entry *x;
	int64_t now_s = clock_wall_s();

	for (unsigned i = 0; i < EXPIRE_STEP && expire_one(s, now_s); i++)
		;
	if (s->map.count >= SESSIONS_MAX) {
		metric_add(&m_unlisted, 1);
		return NULL;
	}
	x = xcalloc(1, sizeof(*x));
	x->info = *info;
	x->info.away = false;
	map_put(&s->map, key_of(info->id), x);
	list_append(&s->order, &x->node);
	count(s);
	return x;
}

void sessions_add(struct sessions *s, const struct session_info *info)
{
	struct entry *x = map_get(&s->map, key_of(info->id));

	if (x != NULL)
		drop(s, x);
	insert(s, info);
}

/* ---- links ---- */

static slice_t key_of_link(const void **link)
{
	return slice(link, sizeof(*link));
}

static struct carrier *carrier_get(struct sessions *s, const void *link)
{
	struct carrier *c = map_get(&s->carriers, key_of_link(&link));

	if (c != NULL)
		return c;
	c = xcalloc(1, sizeof(*c));
	list_init(&c->entries);
	map_put(&s->carriers, key_of_link(&link), c);
	return c;
}

static void carry(struct sessions *s, struct entry *x, const void *link)
{
	struct carrier *c = link != NULL ? carrier_get(s, link) : NULL;

	if (x->via != c) {
		leave_carrier(x);
		x->via = c;
		if (c != NULL)
			list_append(&c->entries, &x->same);
	}
	set_away(s, x, c == NULL);
	count(s);
}

void sessions_carry(struct sessions *s, const uint8_t id[TICKET_SESSION_LEN], const void *link)
{
	struct entry *x = map_get(&s->map, key_of(id));

	if (x != NULL)
		carry(s, x, link);
}

size_t sessions_link_gone(struct sessions *s, const void *link)
{
	struct carrier *c = map_del(&s->carriers, key_of_link(&link));
	size_t n = 0;

	if (c == NULL)
		return 0;
	for (; !list_empty(&c->entries); n++)
		carry(s, list_entry(c->entries.next, struct entry, same), NULL);
	xfree(&c);
	return n;
}

/* ---- calls ---- */

void sessions_touch(struct sessions *s, const struct ticket_claims *c, const void *link)
{
	struct entry *x = map_get(&s->map, key_of(c->session));
	struct session_info info = {.account = c->account,
				    .service = c->service,
				    .login_s = c->login_s,
				    .last_access_s = clock_wall_s(),
				    .mechanism = ""};

	if (x != NULL) {
		x->info.last_access_s = info.last_access_s;
		list_remove(&x->node);
		list_append(&s->order, &x->node);
	} else {
		memcpy(info.id, c->session, sizeof(info.id));
		memcpy(info.frontend, c->frontend, sizeof(info.frontend));
		x = insert(s, &info);
	}
	if (x != NULL && (link != NULL || x->via == NULL))
		carry(s, x, link);
}

bool sessions_remove(struct sessions *s, const uint8_t id[TICKET_SESSION_LEN],
		     struct session_info *out)
{
	struct entry *x = map_get(&s->map, key_of(id));

	if (x == NULL)
		return false;
	if (out != NULL)
		*out = x->info;
	drop(s, x);
	return true;
}

bool sessions_get(const struct sessions *s, const uint8_t id[TICKET_SESSION_LEN],
		  struct session_info *out)
{
	const struct entry *x = map_get(&s->map, key_of(id));

	if (x != NULL)
		*out = x->info;
	return x != NULL;
}

size_t sessions_count(const struct sessions *s)
{
	return s->map.count - s->naway;
}

void sessions_each(const struct sessions *s, uint64_t account,
		   bool (*fn)(const struct session_info *, void *arg), void *arg)
{
	list_for_each(n, (struct list *)(uintptr_t)&s->order) {
		const struct entry *x = list_entry(n, struct entry, node);

		if ((account == 0 || x->info.account == account) && !fn(&x->info, arg))
			return;
	}
}
