#include "backend/queue/queue_server.h"

#include <stdio.h>

#include "common/crypto/digest.h"
#include "common/loop/loan.h"

static const char *const retries[QUEUE_SERVER_RETRIES] = {
	"outbound.retry_first", "outbound.retry_second", "outbound.retry_third",
	"outbound.retry_later"};

/* ---- reading ---- */

static int64_t own_us(const struct conf *c, const char *name)
{
	return conf_is_set(c, name) ? conf_ms(c, name) * 1000 : -1;
}

static void read_sources(const struct conf *c, struct queue_server *out)
{
	size_t n = conf_count(c, "outbound.source");

	out->sources = xcalloc(n + 1, sizeof *out->sources);
	for (size_t i = 0; i < n; i++) {
		if (server_source_parse(slice_str(conf_item(c, "outbound.source", i)),
					&out->sources[out->nsources]))
			out->nsources++;
	}
}

/* Whatever makes its mail another's, to the other side or to the scheduler. */
static void make_mark(const struct conf *c, struct queue_server *out)
{
	static const char *const others[] = {"outbound.helo", "outbound.source"};
	uint8_t digest[SHA256_LEN];
	struct buf b;

	buf_init(&b, DIR_SERVER_TEXT_MAX + 1024, NULL);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (!conf_is_set(c, others[i]))
			continue;
		buf_printf(&b, "%s=", others[i]);
		conf_text(c, others[i], &b);
		buf_putc(&b, '\n');
	}
	for (size_t i = 0; i < ARRAY_LEN(retries); i++) {
		if (out->retry_us[i] >= 0)
			buf_printf(&b, "%s=%lld\n", retries[i], (long long)out->retry_us[i]);
	}
	if (b.n != 0) {
		sha256(buf_slice(&b), digest);
		snprintf(out->mark, sizeof out->mark, "%02x%02x%02x%02x", digest[0], digest[1],
			 digest[2], digest[3]);
	}
	buf_fini(&b);
}

static void read_settings(const struct conf *c, struct queue_server *out)
{
	for (size_t i = 0; i < ARRAY_LEN(retries); i++) {
		out->retry_us[i] = own_us(c, retries[i]);
		out->own_retries = out->own_retries || out->retry_us[i] >= 0;
	}
	out->warn_us = own_us(c, "outbound.delay_notice");
	out->expire_us = own_us(c, "outbound.expiry");
	if (!slice_to_str(slice_str(conf_str(c, "outbound.helo")), out->helo, sizeof out->helo))
		out->helo[0] = '\0';
	read_sources(c, out);
	make_mark(c, out);
}

static void read_one(const struct dir_server *from, struct queue_server *out)
{
	struct conf *c = dir_server_conf(from);

	out->id = from->id;
	out->stopped = from->state == SERVER_STOPPED;
	invariant(slice_to_str(from->name, out->name, sizeof out->name));
	read_settings(c, out);
	conf_free(&c);
}

void queue_servers_fini(struct queue_servers *s)
{
	for (size_t i = 0; i < s->n; i++)
		xfree(&s->v[i].sources);
	xfree(&s->v);
	s->n = 0;
}

/* The mark stands for what it is made of. */
static bool is_same(const struct queue_server *a, const struct queue_server *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && a->stopped == b->stopped &&
	       strcmp(a->mark, b->mark) == 0 && a->warn_us == b->warn_us &&
	       a->expire_us == b->expire_us;
}

static bool are_same(const struct queue_servers *a, const struct queue_servers *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++) {
		if (!is_same(&a->v[i], &b->v[i]))
			return false;
	}
	return a->n == b->n;
}

bool queue_servers_read(struct queue_servers *s, const struct dir *dir)
{
	size_t n = dir_server_count(dir);
	struct queue_servers now = {.v = xcalloc(n + 1, sizeof *now.v)};
	bool changed;

	for (size_t i = 0; i < n; i++) {
		struct dir_server row;

		dir_server_at(dir, i, &row);
		read_one(&row, &now.v[now.n++]);
	}
	changed = !are_same(&now, s);
	queue_servers_fini(s);
	*s = now;
	return changed;
}

/* ---- asking ---- */

const struct queue_server *queue_servers_find(const struct queue_servers *s, slice_t name)
{
	for (size_t i = 0; name.n != 0 && i < s->n; i++) {
		if (slice_eq(slice_str(s->v[i].name), name))
			return LOAN_STRUCT(&s->v[i]);
	}
	return NULL;
}

const struct queue_server *queue_servers_by_id(const struct queue_servers *s, uint64_t id)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].id == id)
			return LOAN_STRUCT(&s->v[i]);
	}
	return NULL;
}

slice_t queue_server_source(const struct queue_server *s, const char *frontend, uint8_t family,
			    struct arena *mem)
{
	char ip[IPADDR_STR];

	for (size_t i = 0; i < s->nsources; i++) {
		const struct server_source *one = &s->sources[i];

		if (one->address.family == family && strcmp(one->frontend, frontend) == 0)
			return arena_dup(mem, slice_str(ipaddr_str(&one->address, ip)));
	}
	return SLICE_NONE;
}

bool queue_server_sends_from(const struct queue_server *s, const char *frontend)
{
	for (size_t i = 0; i < s->nsources; i++) {
		if (strcmp(s->sources[i].frontend, frontend) == 0)
			return true;
	}
	return s->nsources == 0;
}

struct outcome_times queue_server_times(const struct queue_server *s,
					const struct outcome_times *all)
{
	struct outcome_times t = *all;

	if (s == NULL)
		return t;
	for (size_t i = 0; i < ARRAY_LEN(s->retry_us); i++) {
		if (s->retry_us[i] >= 0 && i < t.nretry)
			t.retry_us[i] = s->retry_us[i];
	}
	if (s->warn_us >= 0)
		t.warn_us = s->warn_us;
	if (s->expire_us >= 0)
		t.expire_us = s->expire_us;
	return t;
}
