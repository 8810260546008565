#include "backend/queue/way.h"

#include <stdio.h>

#include "common/crypto/digest.h"

/* ---- what is down ---- */

void way_down_init(struct way_down *d)
{
	map_init(&d->until);
	d->last_us = 0;
}

void way_down_fini(struct way_down *d)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&d->until, &it, NULL, &v))
		xfree(&v);
	map_fini(&d->until);
}

static void forget_old(struct way_down *d, int64_t now_us)
{
	struct map_iter it = {0};
	slice_t key;
	void *v;

	while (map_next(&d->until, &it, &key, &v)) {
		if (*(int64_t *)v > now_us)
			continue;
		map_del(&d->until, key);
		xfree(&v);
	}
}

void way_down_put(struct way_down *d, slice_t domain, int64_t until_us, int64_t now_us)
{
	int64_t *v = map_get(&d->until, domain);

	if (v == NULL && d->until.count >= WAY_DOWN_MAX)
		forget_old(d, now_us);
	if (v == NULL && d->until.count >= WAY_DOWN_MAX)
		return;
	if (v == NULL) {
		v = xcalloc(1, sizeof *v);
		map_put(&d->until, domain, v);
	}
	*v = until_us;
	d->last_us = MAX(d->last_us, until_us);
}

bool way_any_down(const struct way_down *d, int64_t now_us)
{
	return d->last_us > now_us;
}

bool way_is_down(const struct way_down *d, slice_t domain, int64_t now_us)
{
	const int64_t *v = map_get(&d->until, domain);

	return v != NULL && *v > now_us;
}

/* ---- names ---- */

static void put(struct way *w, slice_t s)
{
	size_t n = MIN(s.n, sizeof w->destination - w->destination_n);

	if (n != 0)
		memcpy(w->destination + w->destination_n, s.p, n);
	w->destination_n += n;
}

/* How the other side tells one way to it from another; nothing, for the plain one. What holds of
 * the relay alone is left out of a direct try. */
static void put_identity(struct way *w)
{
	const struct dir_route *r = &w->route;
	slice_t parts[] = {r->user, r->helo, r->source4, r->source6,
			   slice_str(w->server != NULL ? w->server->mark : "")};
	uint8_t digest[SHA256_LEN];
	struct buf b;
	char text[10];

	if (w->direct)
		parts[0] = SLICE_NONE;
	buf_init(&b, 2048, NULL);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		buf_put(&b, parts[i]);
		buf_putc(&b, '\0');
	}
	buf_putc(&b, (char)(w->direct ? DIR_ROUTE_TLS_DEFAULT : r->tls));
	if (!w->direct && r->auth != DIR_ROUTE_AUTH_PASSWORD)
		buf_putc(&b, (char)r->auth);
	if (w->tls != WAY_TLS_ANY)
		buf_printf(&b, "tls %d", w->tls);
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\0')
			continue;
		sha256(buf_slice(&b), digest);
		snprintf(text, sizeof text, "#%02x%02x%02x%02x", digest[0], digest[1], digest[2],
			 digest[3]);
		put(w, slice_str(text));
		break;
	}
	buf_fini(&b);
}

/* As its worker will see it. */
static enum way_tls tls_of(const struct job *j)
{
	switch (tls_wish_of(j->content, j->sender)) {
	case TLS_WISH_REQUIRED:
		return WAY_TLS_REQUIRED;
	case TLS_WISH_INDIFFERENT:
		return WAY_TLS_OPTIONAL;
	case TLS_WISH_NONE:
		break;
	}
	return WAY_TLS_ANY;
}

enum dir_route_action way_action(const struct way *w)
{
	if (w->direct)
		return DIR_ROUTE_MX;
	if (!w->asked)
		return w->route.action;
	return w->route.target.n != 0 ? DIR_ROUTE_RELAY : DIR_ROUTE_MX;
}

static void by_route(const struct way_down *down, const struct job *j, int64_t now_us,
		     struct way *w)
{
	switch (way_action(w)) {
	case DIR_ROUTE_RELAY:
		w->direct = w->route.direct && j->attempts == 0 &&
			    !way_is_down(down, w->domain, now_us);
		if (!w->direct) {
			w->kind = WAY_ROUTE;
			put(w, SL("relay:"));
		}
		put(w, w->direct ? w->domain : w->route.target);
		put_identity(w);
		break;
	case DIR_ROUTE_LMTP:
		w->kind = WAY_ROUTE;
		put(w, SL("lmtp:"));
		put(w, w->route.target);
		put_identity(w);
		break;
	case DIR_ROUTE_DROP:
		w->kind = WAY_ROUTE;
		put(w, SL("drop:"));
		put(w, w->route.target);
		break;
	case DIR_ROUTE_MX:
		w->kind = WAY_ROUTE;
		put(w, w->domain);
		put_identity(w);
		break;
	case DIR_ROUTE_HOLD:
		w->kind = WAY_HOLD;
		put(w, SL("hold:"));
		put(w, w->route.domain);
		break;
	case DIR_ROUTE_REJECT:
		w->kind = WAY_REJECT;
		put(w, SL("reject:"));
		put(w, w->route.domain);
		break;
	}
}

void way_of(const struct dir *dir, const struct way_down *down, const struct asks *asks,
	    const struct queue_server *server, const struct job *j, int64_t now_us, struct way *out)
{
	const char *at = j->address.n != 0 ? memrchr(j->address.p, '@', j->address.n) : NULL;

	*out = (struct way){.kind = WAY_DNS, .server = server};
	out->domain =
		at != NULL ? slice_from(j->address, (size_t)(at - j->address.p) + 1) : j->address;
	if (server != NULL && server->stopped) {
		out->kind = WAY_STOPPED;
		put(out, SL(WAY_STOPPED_NAME));
		put(out, slice_str(server->name));
		return;
	}
	if (slice_eq(j->route, JOB_TLS_REPORTS)) {
		out->server = NULL;
		put(out, j->route);
		return;
	}
	out->tls = tls_of(j);
	if (j->route.n != 0) {
		put(out, j->route);
		put_identity(out);
		return;
	}
	out->routed = dir_route_find(dir, j->sender, j->address, &out->route);
	if (out->routed) {
		out->asked = asks_has(asks, &out->route, out->domain, now_us);
		by_route(down, j, now_us, out);
		return;
	}
	put(out, out->domain);
	put_identity(out);
}

/* ---- suspended ---- */

static slice_t without_dot(slice_t name)
{
	return name.n > 1 && name.p[name.n - 1] == '.' ? slice_sub(name, 0, name.n - 1) : name;
}

static bool leads_to(const struct way *w, const struct job *j, slice_t name)
{
	slice_t plain = way_destination(w);

	plain = slice_sub(plain, 0, slice_find_char(plain, '#'));
	name = without_dot(name);
	return name.n != 0 && (slice_ieq(name, without_dot(plain)) ||
			       (w->routed && !w->direct && slice_ieq(name, w->route.target)) ||
			       (j->route.n == 0 && slice_ieq(name, without_dot(w->domain))));
}

void way_suspend(struct way *w, const struct job *j, const slice_t *names, size_t n)
{
	if (w->kind == WAY_STOPPED)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!leads_to(w, j, names[i]))
			continue;
		w->kind = WAY_SUSPENDED;
		w->destination_n = 0;
		put(w, SL(WAY_SUSPENDED_NAME));
		put(w, names[i]);
		return;
	}
}

/* ---- masquerading ---- */

static bool is_below(slice_t host, slice_t domain)
{
	return host.n > domain.n + 1 && host.p[host.n - domain.n - 1] == '.' &&
	       slice_ieq(slice_from(host, host.n - domain.n), domain);
}

slice_t way_masquerade(slice_t sender, slice_t domains, struct arena *mem)
{
	const char *at = sender.n != 0 ? memrchr(sender.p, '@', sender.n) : NULL;
	size_t local = at != NULL ? (size_t)(at - sender.p) + 1 : 0;
	char *p;

	while (at != NULL && domains.n != 0) {
		size_t n = slice_find_char(domains, ' ');
		slice_t domain = slice_sub(domains, 0, n);

		domains = slice_from(domains, n + 1);
		if (domain.n == 0 || !is_below(slice_from(sender, local), domain))
			continue;
		p = arena_alloc(mem, local + domain.n);
		memcpy(p, sender.p, local);
		memcpy(p + local, domain.p, domain.n);
		return slice(p, local + domain.n);
	}
	return sender;
}
