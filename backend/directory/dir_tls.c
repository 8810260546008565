#include "backend/directory/dir_tls.h"

#include "backend/directory/dir_call.h"
#include "backend/directory/dir_route.h"
#include "common/parse/cclass.h"

static const char *const level_names[] = {
	[DIR_TLS_NONE] = "none",     [DIR_TLS_MAY] = "may",   [DIR_TLS_ENCRYPT] = "encrypt",
	[DIR_TLS_VERIFY] = "verify", [DIR_TLS_DANE] = "dane", [DIR_TLS_DANE_ONLY] = "dane-only",
	[DIR_TLS_PINNED] = "pinned",
};

const char *dir_tls_level_name(enum dir_tls_level l)
{
	invariant(l >= DIR_TLS_NONE && l < ARRAY_LEN(level_names));
	return level_names[l];
}

bool dir_tls_level_parse(slice_t name, enum dir_tls_level *out)
{
	for (size_t i = DIR_TLS_NONE; i < ARRAY_LEN(level_names); i++) {
		if (slice_eq(name, slice_str(level_names[i]))) {
			*out = (enum dir_tls_level)i;
			return true;
		}
	}
	return false;
}

/* ---- the image ---- */

static bool find_row(const struct dir *d, slice_t destination, struct dir_tls *out)
{
	struct dir_key k;
	slice_t value;

	if (destination.n == 0 || destination.n > DIR_TLS_DESTINATION_MAX)
		return false;
	value = dir_image_get(&d->image, dir_key_text(&k, DIR_K_TLS, destination));
	if (value.p == NULL)
		return false;
	invariant(dir_rec_tls(value, out));
	return true;
}

bool dir_tls_find(const struct dir *d, slice_t destination, struct dir_tls *out)
{
	if (find_row(d, destination, out))
		return true;
	for (size_t i = 1; i < destination.n && destination.p[0] != '['; i++) {
		if (destination.p[i] == '.' && find_row(d, slice_from(destination, i), out))
			return true;
	}
	return find_row(d, SL("*"), out);
}

bool dir_tls_peer(slice_t *peers, slice_t *out)
{
	return dir_rec_member(peers, out);
}

/* ---- what people type ---- */

/* [host] or [host]:port as a route has it. */
static enum err check_route(slice_t in, char out[256], struct diag *diag)
{
	struct buf b;
	enum err e;

	buf_init(&b, DIR_TLS_DESTINATION_MAX, NULL);
	e = dir_route_host_form(in, &b, diag);
	if (e == E_OK && (buf_failed(&b) || !slice_to_str(buf_slice(&b), out, 256)))
		e = diag_set(diag, E_INVALID, "not a [host] or [host]:port");
	buf_fini(&b);
	return e;
}

static enum err check_destination(slice_t in, char out[256], struct diag *diag)
{
	char name[256];
	enum err e;

	if (slice_eq(in, SL("*")) || slice_starts(in, SL("["))) {
		if (in.n == 1 && in.p[0] == '*') {
			memcpy(out, "*", 2);
			return E_OK;
		}
		return check_route(in, out, diag);
	}
	if (!slice_starts(in, SL(".")))
		return dir_check_domain(in, out, diag);
	e = dir_check_domain(slice_from(in, 1), name, diag);
	if (e == E_OK) {
		out[0] = '.';
		invariant(slice_to_str(slice_str(name), out + 1, 255));
	}
	return e;
}

/* A name, or .name for all below it. */
static enum err put_name(slice_t in, struct buf *array, struct diag *diag)
{
	char out[256];
	enum err e;

	if (slice_starts(in, SL("*.")))
		in = slice_from(in, 1);
	if (slice_eq(in, SL("*")) || slice_starts(in, SL("[")))
		return diag_set(diag, E_INVALID, "%.*s is not a host's name", (int)MIN(in.n, 100u),
				in.p);
	e = check_destination(in, out, diag);
	if (e == E_OK)
		pg_array_add(array, slice_str(out));
	return e;
}

/* 64 digits of hex, in groups of two with or without colons, as OpenSSL prints them. */
static enum err put_pin(slice_t in, struct buf *array, struct diag *diag)
{
	char hex[DIR_TLS_PIN_TEXT];
	size_t n = 0;
	bool ok = true;

	for (size_t i = 0; ok && i < in.n; i++) {
		char c = ascii_lower(in.p[i]);

		if (c == ':')
			continue;
		ok = n < sizeof hex && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
		if (ok)
			hex[n++] = c;
	}
	if (!ok || n != sizeof hex)
		return diag_set(diag, E_INVALID, "a fingerprint is SHA-256 in %d digits of hex",
				DIR_TLS_PIN_TEXT);
	pg_array_add(array, slice(hex, sizeof hex));
	return E_OK;
}

static enum err peers_form(const struct dir_tls_row *row, struct buf *array, struct diag *diag)
{
	enum err e = E_OK;

	if (row->npeers > DIR_TLS_PEERS_MAX)
		return diag_set(diag, E_INVALID, "at most %d names or fingerprints are allowed",
				DIR_TLS_PEERS_MAX);
	if (row->npeers != 0 && row->level != DIR_TLS_VERIFY && row->level != DIR_TLS_PINNED)
		return diag_set(diag, E_INVALID, "only verify has names, only pinned fingerprints");
	if (row->npeers == 0 && row->level == DIR_TLS_PINNED)
		return diag_set(diag, E_INVALID, "pinned needs a fingerprint");
	for (size_t i = 0; e == E_OK && i < row->npeers; i++)
		e = row->level == DIR_TLS_VERIFY ? put_name(row->peers[i], array, diag)
						 : put_pin(row->peers[i], array, diag);
	pg_array_end(array);
	return e;
}

/* ---- management ---- */

WAITS static enum err set(struct dir_call *c, const struct dir_tls_row *row, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	char destination[256];
	struct buf peers;
	enum err e = check_destination(row->destination, destination, diag);

	buf_init(&peers, (size_t)DIR_TLS_PEERS_MAX * (DIR_TLS_PEER_MAX + 4), NULL);
	if (e == E_OK)
		e = peers_form(row, &peers, diag);
	if (e == E_OK) {
		buf_printf(&c->detail, "level=%s peers=", dir_tls_level_name(row->level));
		buf_put(&c->detail, slice_sub(buf_slice(&peers), 0, 500));
		pg_text(&a, slice_str(destination));
		pg_u64(&a, row->level);
		pg_text(&a, buf_slice(&peers));
		e = dir_call_exec(c, dir_sql_tls_set, &a, NULL, diag);
	}
	buf_fini(&peers);
	return e;
}

WAITS enum err dir_tls_set(struct dir *d, const struct dir_actor *by, const struct dir_tls_row *row,
			   struct diag *diag)
{
	struct dir_call c;
	enum err e = dir_call_begin(&c, d, by, "tls_policy.set", row->destination, diag);

	if (e == E_OK)
		e = set(&c, row, diag);
	return dir_call_end(&c, e, diag);
}

WAITS enum err dir_tls_remove(struct dir *d, const struct dir_actor *by, slice_t destination,
			      struct diag *diag)
{
	struct pg_args a = {.n = 0};
	char name[256];
	struct dir_call c;
	uint64_t touched = 0;
	enum err e = dir_call_begin(&c, d, by, "tls_policy.remove", destination, diag);

	if (e == E_OK)
		e = check_destination(destination, name, diag);
	if (e == E_OK) {
		pg_text(&a, slice_str(name));
		e = dir_call_exec(&c, dir_sql_tls_remove, &a, &touched, diag);
	}
	if (e == E_OK && touched == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no policy for %s", name);
	return dir_call_end(&c, e, diag);
}

static void take_row(const struct pg_result *r, size_t i, struct arena *mem,
		     struct dir_tls_row *out)
{
	slice_t rest = dir_page_text(mem, r, i, 3);

	*out = (struct dir_tls_row){
		.destination = dir_page_text(mem, r, i, 0),
		.level = (enum dir_tls_level)pg_get_u64(r, i, 1),
		.npeers = pg_get_u64(r, i, 2),
		.changed_us = pg_get_i64(r, i, 4),
	};
	out->peers = arena_alloc(mem, (out->npeers + 1) * sizeof *out->peers);
	for (size_t k = 0; k < out->npeers; k++) {
		size_t n = slice_find_char(rest, '\n');

		out->peers[k] = slice_sub(rest, 0, n);
		rest = slice_from(rest, n + 1);
	}
}

WAITS enum err dir_tls_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			    struct dir_tls_page *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	pg_text(&a, after);
	pg_u64(&a, limit);
	e = dir_ask(d, dir_sql_tls_list, &a, &r, diag);
	if (e != E_OK)
		return e;
	out->n = pg_rows(r);
	out->rows = arena_alloc(mem, (out->n + 1) * sizeof *out->rows);
	for (size_t i = 0; i < out->n; i++)
		take_row(r, i, mem, &out->rows[i]);
	pg_result_free(&r);
	return E_OK;
}

WAITS enum err dir_tls_show(struct dir *d, slice_t destination, struct arena *mem,
			    struct dir_tls_row *out, struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	char name[256];
	enum err e = check_destination(destination, name, diag);

	if (e != E_OK)
		return e;
	pg_text(&a, slice_str(name));
	e = dir_ask(d, dir_sql_tls_show, &a, &r, diag);
	if (e != E_OK)
		return e;
	if (pg_rows(r) == 0)
		e = diag_set(diag, E_NOT_FOUND, "there is no policy for %s", name);
	else
		take_row(r, 0, mem, out);
	pg_result_free(&r);
	return e;
}
