/*
 * queue_server: what virtual servers say of the mail that they took: whether it goes on at all (a
 * server that is stopped keeps it), when it is tried again, under which name and from which address
 * of ours. Read from the directory at each change, so that asking costs nothing.
 *
 * An item carries its server's name. Of a server that is not there any more nothing holds but the
 * cluster's settings.
 */
#ifndef BACKEND_QUEUE_QUEUE_SERVER_H
#define BACKEND_QUEUE_QUEUE_SERVER_H

#include "backend/directory/dir_servers.h"
#include "backend/queue/outcome.h"

#define QUEUE_SERVER_RETRIES 4
#define QUEUE_SERVER_MARK    8 /* hexadecimal digits */

struct queue_server {
	uint64_t id;
	char name[SERVER_NAME_MAX + 1];
	bool stopped;
	char helo[256];                /* "": as everybody */
	struct server_source *sources; /* none: as everybody, from any front-end */
	size_t nsources;
	int64_t retry_us[QUEUE_SERVER_RETRIES]; /* each, and the two below; -1: the cluster's */
	int64_t warn_us, expire_us;
	bool own_retries;                 /* one of them is not the cluster's */
	char mark[QUEUE_SERVER_MARK + 1]; /* of how its mail differs on the way; "": it does not */
};

struct queue_servers {
	struct queue_server *v;
	size_t n;
};

/* Zeroed at first. Anew, in place of what was there; false: it is the same. */
bool queue_servers_read(struct queue_servers *s, const struct dir *dir);
void queue_servers_fini(struct queue_servers *s);
/* Lent: until the next wait, in which it may be read anew. NULL: there is none of that name. */
const struct queue_server *queue_servers_find(const struct queue_servers *s, slice_t name);
const struct queue_server *queue_servers_by_id(const struct queue_servers *s, uint64_t id);

/* The address of that family (4, 6) that a front-end sends from, as text; empty: it has none. */
slice_t queue_server_source(const struct queue_server *s, const char *frontend, uint8_t family,
			    struct arena *mem);
/* May a front-end send its mail? One that has an address for it, if any is named. */
bool queue_server_sends_from(const struct queue_server *s, const char *frontend);
/* The cluster's times with what the server says in their place; s may be NULL. */
struct outcome_times queue_server_times(const struct queue_server *s,
					const struct outcome_times *all);

#endif
