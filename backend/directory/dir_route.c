#include "backend/directory/dir_route.h"

#include "backend/directory/dir_call.h"
#include "common/parse/addr.h"

/* ---- the image ---- */

size_t dir_route_count(const struct dir *d)
{
	return d->image.routes;
}

/* The reverse-path as routes name senders: "" for <> and for what cannot be read. */
static void sender_form(slice_t path, char out[DIR_ADDRESS_MAX + 1])
{
	struct addr a;
	size_t n = 0;

	out[0] = '\0';
	if (path.n == 0 || addr_parse(path, ADDR_SMTPUTF8, &a) != E_OK ||
	    addr_normalise(&a) != E_OK)
		return;
	for (; n < a.local_n; n++)
		out[n] = ascii_lower(a.local[n]);
	out[n++] = '@';
	memcpy(out + n, a.domain, a.domain_n + 1u);
}

/* Of one pattern of recipients: the sender's address, its domain, any. */
static bool find_at(const struct dir *d, slice_t domain, slice_t sender, struct dir_route *out)
{
	slice_t forms[] = {sender, slice_from(sender, slice_find_char(sender, '@')), SLICE_NONE};
	const char *at = sender.n != 0 ? memrchr(sender.p, '@', sender.n) : NULL;

	if (at != NULL)
		forms[1] = slice_from(sender, (size_t)(at - sender.p));
	for (size_t i = sender.n != 0 ? 0 : 2; i < ARRAY_LEN(forms); i++) {
		if (dir_image_route(&d->image, domain, forms[i], out))
			return true;
	}
	return false;
}

bool dir_route_find(const struct dir *d, slice_t sender, slice_t address, struct dir_route *out)
{
	const char *at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;
	char from[DIR_ADDRESS_MAX + 1], to[DOMAIN_MAX + 1];
	slice_t domain;

	if (d->image.routes == 0)
		return false;
	sender_form(sender, from);
	/* An address literal is matched by * alone. */
	if (at != NULL &&
	    domain_normalise(slice_from(address, (size_t)(at - address.p) + 1), to) == E_OK) {
		domain = slice_str(to);
		if (find_at(d, domain, slice_str(from), out))
			return true;
		while (domain.n != 0) {
			domain = slice_from(domain, slice_find_char(domain, '.'));
			if (domain.n != 0 && find_at(d, domain, slice_str(from), out))
				return true;
			domain = slice_from(domain, 1);
		}
	}
	return find_at(d, SL("*"), slice_str(from), out);
}

bool dir_route_named(const struct dir *d, slice_t domain, struct dir_route *out)
{
	return dir_image_route(&d->image, domain, SLICE_NONE, out);
}

bool dir_route_by_id(const struct dir *d, uint64_t id, struct dir_route *out)
{
	return dir_image_route_id(&d->image, id, out);
}

slice_t dir_route_host(const struct dir_route *r)
{
	if (!slice_starts(r->target, SL("[")))
		return SLICE_NONE;
	return slice_sub(r->target, 1, slice_find_char(r->target, ']') - 1);
}

bool dir_route_any_asked(const struct dir *d)
{
	return d->image.asked_routes != 0;
}

size_t dir_route_fetched_count(const struct dir *d)
{
	return d->image.fetched.n;
}

void dir_route_fetched_at(const struct dir *d, size_t i, struct dir_route *out)
{
	const struct dir_row *row = d->image.fetched.v[i];

	invariant(dir_rec_route(dir_row_value(row), out));
	out->id = dir_key_id(dir_row_key(row));
}

enum dir_asker dir_route_asker(const struct dir_route *r, const struct ipaddr *from)
{
	slice_t rest = r->etrn;

	if (r->action != DIR_ROUTE_HOLD)
		return DIR_ASKER_NONE;
	if (slice_eq(rest, SL("any")))
		return DIR_ASKER_ANYBODY;
	while (rest.n != 0) {
		size_t n = slice_find_char(rest, ' ');
		struct ipnet net;

		if (ipnet_parse(slice_sub(rest, 0, n), &net) && ipnet_has(&net, from))
			return DIR_ASKER_KNOWN;
		rest = slice_from(rest, n + 1);
	}
	return DIR_ASKER_NONE;
}

enum err dir_route_password(const struct dir *d, const struct dir_route *r, struct secret *out)
{
	struct buf plain;
	enum err e = E_NOT_FOUND;

	buf_init(&plain, DIR_ROUTE_PASSWORD_MAX, NULL);
	if (r->box.n != 0 && buf_reserve(&plain, DIR_ROUTE_PASSWORD_MAX) != NULL)
		e = node_box_open(&d->node_key, r->box, &plain);
	if (e == E_OK && !secret_set(out, buf_slice(&plain)))
		e = E_TOO_BIG;
	secret_wipe_buf(&plain);
	buf_fini(&plain);
	return e == E_OK ? E_OK : E_NOT_FOUND;
}

/* ---- boxes ---- */

/* Opens this node's box and seals what is in it for the other; false: not here. */
static bool reseal(const struct dir *d, uint64_t route, const struct dir_node *to, struct buf *box)
{
	struct secret password = SECRET_NONE;
	struct dir_route r;
	enum err e = E_NOT_FOUND;

	if (dir_image_route_id(&d->image, route, &r))
		e = dir_route_password(d, &r, &password);
	if (e == E_OK)
		e = node_box(to->public_key, secret_slice(&password), box);
	secret_clear(&password);
	return e == E_OK;
}

WAITS enum err dir_route_share(struct dir *d, size_t max, size_t *made_out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	struct buf box;
	enum err e;

	*made_out = 0;
	pg_text(&a, slice_str(d->node));
	pg_u64(&a, max);
	e = dir_ask(d, dir_sql_route_lacking, &a, &r, diag);
	if (e != E_OK)
		return e;
	buf_init(&box, DIR_ROUTE_BOX_MAX, NULL);
	for (size_t i = 0; e == E_OK && i < pg_rows(r); i++) {
		struct pg_args put = {.n = 0};
		struct dir_node n;

		dir_node_of_row(r, i, &n);
		buf_reset(&box);
		if (!reseal(d, pg_get_u64(r, i, 4), &n, &box))
			continue;
		pg_u64(&put, pg_get_u64(r, i, 4));
		pg_text(&put, slice_str(n.name));
		pg_bytes(&put, buf_slice(&box));
		e = dir_ask(d, dir_sql_route_box_put, &put, NULL, diag);
		*made_out += e == E_OK;
	}
	buf_fini(&box);
	pg_result_free(&r);
	return e;
}
