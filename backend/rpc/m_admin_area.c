/* Management: what lies in the folders of virtual servers. Each back-end has its own. */
#include "backend/areas/area.h"
#include "backend/areas/pickup.h"
#include "backend/directory/dir_servers.h"
#include "backend/rpc/m_admin.h"
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
WAITS static enum err send_area(struct mcall *c, slice_t server, enum area_kind k)
{
	const struct pickup *p = c->be->pickup;
	Postern__AdminArea row = POSTERN__ADMIN_AREA__INIT;
	ProtobufCMessage *rows[] = {&row.base};
	struct counting n = {.result = E_OK};
	struct arena mem;
	enum err e = p != NULL ? area_path(pickup_folder(p), server, k, n.path) : E_RETRY;

	if (e == E_OK)
		e = mcall_read("admin.area", run_count, &n);
	if (e == E_OK && n.result != E_NOT_FOUND)
		e = n.result;
	if (e != E_OK)
		return e;
	arena_init(&mem, NULL);
	row.server = admin_str(&mem, server);
	row.area = admin_str(&mem, slice_str(area_name(k)));
	row.backend = admin_str(&mem, slice_str(dir_node_name(c->be->dir)));
	row.files = n.count.files;
	row.size_bytes = n.count.bytes;
	row.oldest_us = n.count.oldest_s * 1000000;
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
		slice_t name;

		dir_server_at(c->be->dir, i, &s);
		if (m->server[0] != '\0' && !slice_eq(s.name, slice_str(m->server)))
			continue;
		name = arena_dup(&c->mem, s.name);
		for (unsigned k = 0; e == E_OK && k < AREA_KINDS; k++)
			e = send_area(c, name, (enum area_kind)k);
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
