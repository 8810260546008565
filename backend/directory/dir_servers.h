/*
 * dir_servers: virtual SMTP servers: what the image has of them, which is pushed to front-ends, and
 * their management. What they may be is proto/servers.h; whoever calls has checked it.
 */
#ifndef BACKEND_DIRECTORY_DIR_SERVERS_H
#define BACKEND_DIRECTORY_DIR_SERVERS_H

#include "backend/directory/dir_admin.h"
#include "proto/servers.h"

/* Of one server's settings, all together: the largest share of SERVERS_BYTES_MAX that one may
 * have. */
#define DIR_SERVER_TEXT_MAX (16 * 1024)

/* ---- the image: never waits ---- */

/* Texts are borrowed from the row: until the next wait. Lists are lines. */
struct dir_server {
	uint64_t id;
	uint64_t version; /* raised by every change */
	enum rpc_service service;
	enum server_state state;
	slice_t name;
	slice_t listeners; /* empty: it answers for what no other does */
	slice_t settings;  /* KEY=VALUE */
	slice_t operators; /* names in certificates operator/NAME */
};

/* In order of id: those made at install first. */
size_t dir_server_count(const struct dir *d);
void dir_server_at(const struct dir *d, size_t i, struct dir_server *out);
/* E_NOT_FOUND with a text. */
enum err dir_server_find(const struct dir *d, slice_t name, struct dir_server *out,
			 struct diag *diag) MUST_USE;
/* The next of a list, which moves on; false at its end. */
bool dir_server_line(slice_t *list, slice_t *out);
bool dir_server_has_line(slice_t list, slice_t line);
/* The folder of its areas, below those of a back-end: what its settings say, or its name. Borrowed
 * from either. */
slice_t dir_server_home(slice_t name, slice_t settings);
/* Its settings, of servers_table; owned, until conf_free. They were checked when they were written:
 * by a newer node, perhaps, so what cannot be read is logged and left out. */
struct conf *dir_server_conf(const struct dir_server *s);
/* May anybody send without a log-in at a server of that service? */
bool dir_servers_anonymous(const struct dir *d, enum rpc_service service);
/* Does the server of that name let a client from there send to other systems without a log-in? This
 * is asked for each recipient: a version of its settings is read once. */
bool dir_server_relays_from(struct dir *d, slice_t name, const struct ipaddr *client);

/* ---- management; see dir_admin.h ---- */

struct dir_server_spec {
	slice_t name;
	enum rpc_service service;
	slice_t listeners, settings, operators; /* lines */
	uint64_t version; /* of the row that the change was made of; dir_server_edit alone */
};

/* E_EXISTS: the name, a listener that another server of the service has, or a folder that is
 * another's, or lies in it, or has it within. E_LIMIT: too many, or
 * too long together. */
WAITS enum err dir_server_add(struct dir *d, const struct dir_actor *by,
			      const struct dir_server_spec *s, struct diag *diag) MUST_USE;
/* Replaces the lists. E_RETRY: somebody else has changed it meanwhile. */
WAITS enum err dir_server_edit(struct dir *d, const struct dir_actor *by,
			       const struct dir_server_spec *s, struct diag *diag) MUST_USE;
/* name empty: of all. */
WAITS enum err dir_server_set_state(struct dir *d, const struct dir_actor *by, slice_t name,
				    enum server_state state, struct diag *diag) MUST_USE;
/* E_INVALID for those made at install. */
WAITS enum err dir_server_remove(struct dir *d, const struct dir_actor *by, slice_t name,
				 struct diag *diag) MUST_USE;

#endif
