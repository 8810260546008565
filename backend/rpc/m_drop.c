/*
 * Ingest.Drop: a message of the way out whose route ends in a drop folder. The lease says which
 * items it is for, and they say who wrote to whom: a front-end brings the message's bytes alone,
 * which it has opened, and exactly as many as were stored.
 */
#include "backend/areas/drop.h"
#include "backend/directory/dir_route.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/leased.h"
#include "common/base/num.h"
#include "common/crypto/digest.h"
#include "proto/ingest.pb-c.h"

/* A path, and an address for each item, with their names. */
#define FIELDS_MAX ((LEASE_ITEMS_MAX + 2) * (DIR_ADDRESS_MAX + 32))

struct dropping {
	struct leased *leased;
	slice_t server, home;
};

/* Empty: the server is gone. */
static slice_t home_of(struct mcall *c, slice_t server)
{
	struct dir_server s;

	return dir_server_find(c->be->dir, server, &s, &c->diag) == E_OK
		       ? arena_dup(&c->mem, dir_server_home(s.name, s.settings))
		       : SLICE_NONE;
}

/* All of them are for one folder still. */
static enum err find_server(struct mcall *c, struct dropping *d)
{
	struct dir_route route;

	for (size_t i = 0; i < d->leased->lease.n; i++) {
		const struct job *j = &d->leased->jobs[i];

		if (j->kind != JOB_OUTSIDE || j->route.n != 0 || j->held ||
		    !dir_route_find(c->be->dir, j->sender, j->address, &route) ||
		    route.action != DIR_ROUTE_DROP ||
		    (i != 0 && !slice_eq(route.target, d->server)))
			return diag_set(&c->diag, E_RETRY, "it goes elsewhere meanwhile");
		d->server = arena_dup(&c->mem, route.target);
	}
	d->home = home_of(c, d->server);
	return d->home.n != 0 ? E_OK : E_NOT_FOUND;
}

/* The same for each try of these items. */
static void key_of(const struct mcall *c, const struct dropping *d, uint8_t out[DROP_KEY_BYTES])
{
	uint8_t digest[SHA256_LEN];
	char number[8];
	struct buf b;

	buf_init(&b, RPC_NAME_MAX + 32 + LEASE_ITEMS_MAX * sizeof number, NULL);
	buf_printf(&b, "drop %s %u ", dir_node_name(c->be->dir), d->leased->lease.partition);
	for (size_t i = 0; i < d->leased->lease.n; i++) {
		be64_put(number, d->leased->lease.items[i]);
		buf_put(&b, slice(number, sizeof number));
	}
	invariant(!buf_failed(&b));
	sha256(buf_slice(&b), digest);
	memcpy(out, digest, DROP_KEY_BYTES);
	buf_fini(&b);
}

WAITS static enum err write_fields(struct drop *f, const struct dropping *d)
{
	struct buf b;
	enum err e = E_TOO_BIG;

	buf_init(&b, FIELDS_MAX, NULL);
	buf_puts(&b, "Return-Path: <");
	drop_put_clean(&b, d->leased->jobs[0].sender);
	buf_puts(&b, ">\r\nx-sender: ");
	drop_put_clean(&b, d->leased->jobs[0].sender.n != 0 ? d->leased->jobs[0].sender : SL("<>"));
	buf_puts(&b, "\r\n");
	for (size_t i = 0; i < d->leased->lease.n; i++) {
		buf_puts(&b, "x-receiver: ");
		drop_put_clean(&b, d->leased->jobs[i].address);
		buf_puts(&b, "\r\n");
	}
	if (!buf_failed(&b))
		e = drop_write(f, buf_slice(&b));
	buf_fini(&b);
	return e;
}

WAITS static enum err receive(struct mcall *c, struct drop *f, uint64_t size)
{
	uint64_t got = 0;
	slice_t bytes;
	enum err e;

	while ((e = rpc_req_recv(c->req, &bytes)) == E_OK) {
		got += bytes.n;
		if (got > size)
			return diag_set(&c->diag, E_INVALID, "more bytes than the message has");
		e = drop_write(f, bytes);
		if (e != E_OK)
			return e;
	}
	if (e != E_CLOSED)
		return e;
	return got == size ? E_OK
			   : diag_set(&c->diag, E_INVALID, "fewer bytes than the message has");
}

WAITS static enum err write_file(struct mcall *c, struct dropping *d)
{
	uint8_t key[DROP_KEY_BYTES];
	struct drop *f = NULL;
	enum err e;

	key_of(c, d, key);
	e = drop_begin(c->be->drops, d->home, key, d->leased->size, &f);
	if (e == E_EXISTS)
		return E_OK; /* the report of that was lost */
	if (e == E_OK)
		e = write_fields(f, d);
	if (e == E_OK)
		e = receive(c, f, d->leased->size);
	/* Nobody would look for it there any more. */
	if (e == E_OK && !slice_eq(home_of(c, d->server), d->home))
		e = diag_set(&c->diag, E_RETRY, "the server's folder is another one meanwhile");
	if (e == E_OK)
		return drop_commit(&f);
	drop_abort(&f);
	return e;
}

WAITS enum err m_ingest_drop(struct mcall *c)
{
	const Postern__IngestDrop *m = (const void *)c->msg;
	struct dropping d = {.leased = NULL};
	enum err e = rpc_req_has_body(c->req) ? E_OK : E_INVALID;

	if (e == E_OK)
		e = leased_load(c, MCALL_SLICE(m->lease), &d.leased);
	if (e == E_OK)
		e = find_server(c, &d);
	return e == E_OK ? write_file(c, &d) : e;
}
