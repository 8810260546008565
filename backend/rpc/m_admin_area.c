/* Management: what lies in the folders of virtual servers. Each back-end has its own. */
#include "backend/areas/area.h"
#include "backend/areas/pickup.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/m_admin.h"
#include "backend/rpc/peer_call.h"
#include "common/base/clock.h"
#include "common/rpc/walk.h"
#include "proto/method.pb-c.h"

#define ASK_MS (2 * 60 * 1000) /* every file of every folder is looked at */

struct counting {
	char path[DISK_PATH_MAX];
	struct area_count count;
	enum err result;
};

static void run_count(void *arg)
{
	struct counting *c = arg;

	c->result = area_count(c->path, &c->count);
}

/* A folder that is not there yet has nothing in it. */
WAITS static enum err count(struct mcall *c, slice_t home, enum area_kind k, struct counting *n)
{
	const struct pickup *p = c->be->pickup;
	enum err e = p != NULL ? area_path(pickup_folder(p), home, k, n->path) : E_RETRY;

	if (e == E_OK)
		e = mcall_read("admin.area", run_count, n);
	return e == E_OK && n->result != E_NOT_FOUND ? n->result : e;
}

/* Of a server, in the arena: the image changes while one waits. */
struct place {
	slice_t server, home;
};

static struct place place_of(const struct dir_server *s, struct arena *mem)
{
	return (struct place){arena_dup(mem, s->name),
			      arena_dup(mem, dir_server_home(s->name, s->settings))};
}

static void add_waiting(const struct mcall *c, slice_t server, struct arena *mem,
			Postern__AdminArea *row)
{
	struct pickup_waiting w;

	pickup_waiting(c->be->pickup, server, &w);
	row->waiting = w.files;
	row->why = admin_str(mem, slice_str(w.why));
}

WAITS static enum err send_area(struct mcall *c, const struct place *at, enum area_kind k)
{
	Postern__AdminArea row = POSTERN__ADMIN_AREA__INIT;
	ProtobufCMessage *rows[] = {&row.base};
	struct counting n = {.result = E_OK};
	struct arena mem;
	enum err e = count(c, at->home, k, &n);

	if (e != E_OK)
		return e;
	arena_init(&mem, NULL);
	row.server = admin_str(&mem, at->server);
	row.area = admin_str(&mem, slice_str(area_name(k)));
	row.backend = admin_str(&mem, slice_str(dir_node_name(c->be->dir)));
	row.files = n.count.files;
	row.size_bytes = n.count.bytes;
	row.oldest_us = n.count.oldest_s * 1000000;
	if (k == AREA_PICKUP)
		add_waiting(c, at->server, &mem, &row);
	row.path = admin_str(&mem, slice_str(n.path));
	e = admin_send_rows(c, &postern__admin_area_page__descriptor, 0, rows, 1);
	arena_reset(&mem);
	return e;
}

WAITS static enum err list_local(struct mcall *c)
{
	const Postern__AdminAreaList *m = (const void *)c->msg;
	struct dir_server s;
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < dir_server_count(c->be->dir); i++) {
		struct place at;

		dir_server_at(c->be->dir, i, &s);
		if (m->server[0] != '\0' && !slice_eq(s.name, slice_str(m->server)))
			continue;
		at = place_of(&s, &c->mem);
		for (unsigned k = 0; e == E_OK && k < AREA_KINDS; k++)
			e = send_area(c, &at, (enum area_kind)k);
	}
	return e;
}

WAITS enum err m_admin_area_list(struct mcall *c)
{
	const Postern__AdminAreaList *m = (const void *)c->msg;
	struct dir_server s;
	enum err e = E_OK;

	if (m->server[0] != '\0')
		e = dir_server_find(c->be->dir, slice_str(m->server), &s, &c->diag);
	if (e != E_OK)
		return e;
	return admin_fan_out(c, &postern__admin_area_page__descriptor,
			     POSTERN__METHOD__METHOD_PEER_AREA_LIST, NULL, deadline_in(ASK_MS),
			     list_local);
}

WAITS enum err m_peer_area_list(struct mcall *c)
{
	return admin_local(c, list_local);
}

/* ---- are they empty? ---- */

struct looking {
	struct mcall *c;
	bool found; /* files; c->diag says where */
};

static void note_files(struct looking *l, const char *backend, const char *area, uint64_t files)
{
	if (files == 0 || l->found)
		return;
	l->found = true;
	(void)diag_set(
		&l->c->diag, E_EXISTS,
		"home: %s has %llu files in its folder %s now: stop what writes there, and have "
		"them taken, or move the folder, first",
		backend, (unsigned long long)files, area);
}

WAITS static enum err look_here(struct looking *l, const struct place *at)
{
	const char *self = dir_node_name(l->c->be->dir);
	enum err e = E_OK;

	for (unsigned k = 0; e == E_OK && k < AREA_KINDS; k++) {
		struct counting n = {.result = E_OK};

		e = count(l->c, at->home, (enum area_kind)k, &n);
		if (e == E_OK)
			note_files(l, self, area_name((enum area_kind)k), n.count.files);
	}
	return e;
}

WAITS static enum err look_frame(slice_t frame, void *arg)
{
	struct looking *l = arg;
	const Postern__AdminAreaPage *m;
	ProtobufCMessage *base;
	enum err e = walk_unpack(&postern__admin_area_page__descriptor, NULL, frame, &l->c->mem,
				 &base, &l->c->diag);

	if (e != E_OK)
		return e;
	m = (const void *)base;
	for (size_t i = 0; i < m->n_rows; i++)
		note_files(l, m->rows[i]->backend, m->rows[i]->area, m->rows[i]->files);
	return E_OK;
}

WAITS static enum err look_there(struct looking *l, const char *node, const struct place *at)
{
	Postern__AdminAreaList m = POSTERN__ADMIN_AREA_LIST__INIT;
	struct peer_ask ask = {
		.method = POSTERN__METHOD__METHOD_PEER_AREA_LIST,
		.request = &m.base,
		.deadline_ms = deadline_in(ASK_MS),
		.each = look_frame,
		.arg = l,
	};
	struct diag d = {""};
	enum err e;

	m.server = admin_str(&l->c->mem, at->server);
	e = peer_call(l->c->be->peers, node, &ask, &l->c->mem, &d);
	return e == E_OK || e == E_CANCELLED
		       ? e
		       : diag_set(&l->c->diag, E_RETRY,
				  "home: whether files lie in its folder on %s is not known: %s",
				  node, d.text[0] != '\0' ? d.text : err_name(e));
}

WAITS enum err admin_area_empty(struct mcall *c, const struct dir_server *s)
{
	struct place at = place_of(s, &c->mem);
	struct looking l = {.c = c};
	enum err e = look_here(&l, &at);

	for (size_t i = 0; e == E_OK && !l.found && i < dir_node_count(c->be->dir); i++) {
		struct dir_node n;

		dir_node_at(c->be->dir, i, &n);
		if (strcmp(n.name, dir_node_name(c->be->dir)) != 0)
			e = look_there(&l, n.name, &at);
	}
	return e == E_OK && l.found ? E_EXISTS : e;
}
