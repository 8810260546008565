/*
 * servers: virtual SMTP servers, as both sides read them. A server is a name, a service, the
 * listeners it answers for, and settings of its own, each of which stands before the cluster's
 * setting of that name. The back-end refuses what does not fit when an administrator writes it, the
 * front-end when it arrives.
 *
 * A listener is [FRONTEND/][ADDRESS]:PORT, "fe1/192.0.2.1:25", "[2001:db8::1]:25", ":2525": which
 * of the sockets that front-ends have bound (their own file says so) belong to the server. The one
 * that says more wins: an address more than a front-end, either more than a port alone. Each
 * service has one server without listeners, made at install, for what no other one answers for.
 */
#ifndef PROTO_SERVERS_H
#define PROTO_SERVERS_H

#include "common/conf/conf.h"
#include "common/net/ipaddr.h"
#include "common/rpc/identity.h"

/* Of a cluster; all of them are one pushed frame, of at most so many bytes. */
#define SERVERS_MAX            64
#define SERVERS_BYTES_MAX      (48 * 1024)
#define SERVER_NAME_MAX        63
#define SERVER_LISTENERS_MAX   32
#define SERVER_LISTENER_MAX    128 /* front-end, IPv6 address and port as text */
#define SERVER_DOMAIN_MAX      255 /* of a client: DOMAIN_MAX */
#define SERVER_SETTING_MAX     4096
#define SERVER_SETTINGS_MAX    64 /* more than the table has rows */
#define SERVER_OPERATORS_MAX   32
#define SERVER_HOME_MAX        128 /* of a folder, which is a part of longer paths */
#define SERVER_NETS_MAX        128 /* of one list */
#define SERVER_MASQUERADES_MAX 64
#define SERVER_SOURCES_MAX     64 /* of two families, for as many front-ends as may listen */

/* The numbers are stored: they never change. */
enum server_state {
	SERVER_RUNNING = 1,
	SERVER_PAUSED = 2,  /* no new sessions; those that run go on */
	SERVER_STOPPED = 3, /* and those that run end after the command in progress */
};

enum server_tls { SERVER_TLS_OFFERED, SERVER_TLS_REQUIRED, SERVER_TLS_NONE };
enum server_auth { SERVER_AUTH_NONE, SERVER_AUTH_ALLOWED, SERVER_AUTH_REQUIRED };
enum server_reverse { SERVER_REVERSE_OFF, SERVER_REVERSE_NOTED, SERVER_REVERSE_REQUIRED };

extern const struct conf_def servers_table[];
extern const size_t servers_table_len;

/* NULL: no such setting. */
const struct conf_def *servers_find_setting(slice_t key);
/* KEY of KEY=VALUE; *value_out may be NULL. */
slice_t servers_key(slice_t assignment, slice_t *value_out);
/* The choices of a conf made of the table. */
enum server_tls servers_tls(const struct conf *c);
enum server_auth servers_auth(const struct conf *c, enum rpc_service service);
enum server_reverse servers_reverse(const struct conf *c);
/* May a client send to other systems without a log-in, for its address? */
bool servers_relay_from(const struct conf *c, enum rpc_service service,
			const struct ipaddr *client);
/* Names of mechanisms, networks, and choices that exclude each other. E_INVALID. */
enum err servers_check(const struct conf *c, enum rpc_service service, struct diag *d) MUST_USE;
/* [a-z0-9-]{1,63} */
bool servers_name_ok(slice_t name);
/* A folder's path that leads nowhere but down: names with '/' between them. */
bool servers_home_ok(slice_t home);

/* One of allow or deny: a net (or an address), or a domain, which stands for itself and all names
 * below it. */
struct server_who {
	struct ipnet net;                   /* of a net */
	char domain[SERVER_DOMAIN_MAX + 1]; /* of a domain; else "" */
};

bool server_who_parse(slice_t text, struct server_who *out) MUST_USE;
/* Is it a domain, and does the name, in lower case, belong to it? */
bool server_who_has_name(const struct server_who *w, slice_t name);

struct server_listener {
	char frontend[RPC_NAME_MAX]; /* "": any */
	struct ipaddr address;       /* family 0: any */
	uint16_t port;
};

/* Our end of connections to other systems: FRONTEND/ADDRESS, "fe1/192.0.2.1", "fe2/2001:db8::1". */
struct server_source {
	char frontend[RPC_NAME_MAX];
	struct ipaddr address;
};

bool server_source_parse(slice_t text, struct server_source *out) MUST_USE;

bool server_listener_parse(slice_t text, struct server_listener *out) MUST_USE;
/* In one form, so that equal ones are equal texts. */
void server_listener_format(const struct server_listener *l, struct buf *out);
/* How much it says about a connection that came to this address; 0: it is another's. */
unsigned server_listener_match(const struct server_listener *l, slice_t frontend,
			       const struct ipaddr *local, uint16_t port);

/* Does the socket that a front-end has bound take connections of the listener? 0.0.0.0 and [::] are
 * every address. */
bool server_listener_is_at(const struct server_listener *l, const struct server_listener *socket);

#endif
