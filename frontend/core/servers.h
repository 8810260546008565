/*
 * servers: the virtual SMTP servers of this worker (proto/servers.h), pushed by back-ends and
 * followed live. A session belongs to the server that answers for the address and port it came to,
 * from its first moment to its end: what the server's settings say, holds for the commands of the
 * running sessions, too. Where a server says nothing, the cluster's policy holds; before anything
 * was pushed there is no server, and the policy alone.
 *
 * All functions that ask take a server or NULL.
 */
#ifndef FRONTEND_CORE_SERVERS_H
#define FRONTEND_CORE_SERVERS_H

#include "frontend/core/policy.h"
#include "proto/servers.h"

struct server;

/* One pushed server; all slices are borrowed. */
struct server_push {
	slice_t name;
	enum rpc_service service;
	enum server_state state;
	slice_t listeners[SERVER_LISTENERS_MAX];
	size_t nlisteners;
	slice_t settings[SERVER_SETTINGS_MAX]; /* KEY=VALUE */
	size_t nsettings;
};

/* A whole new set: begin, put each, apply. Nothing is visible before servers_apply. A setting or
 * listener that does not fit is left out, with a log line (a newer back-end may know more). Servers
 * that are not put are gone; their sessions keep what they had. */
void servers_begin(void);
void servers_put(const struct server_push *p);
/* Of the new set: there is held mail that may be asked for by ETRN. */
void servers_put_etrn(void);
void servers_apply(void);
/* All gone; for tests. */
void servers_forget(void);

/* Mail may be asked for. */
bool servers_etrn(void);
/* Who answers at this address; NULL: nobody was pushed who does. */
struct server *servers_find(enum rpc_service service, const struct ipaddr *local, uint16_t port);
/* A session begins and ends. */
void server_enter(struct server *s);
void server_leave(struct server **s);

const char *server_name(const struct server *s); /* "": none */
enum server_state server_state(const struct server *s);
unsigned server_sessions(const struct server *s);
/* May a client from there connect? What the address alone decides; else its names do. */
enum server_admission { SERVER_REFUSES, SERVER_ADMITS, SERVER_ASKS_NAME };
enum server_admission server_admits(const struct server *s, const struct ipaddr *peer);
/* With all names of the address that lead back to it, in lower case. */
bool server_admits_names(const struct server *s, const struct ipaddr *peer, const slice_t *names,
			 size_t n);
enum server_reverse server_reverse_lookup(const struct server *s);
/* Connections of the server at once; UINT32_MAX: it says nothing. */
uint32_t server_connections_max(const struct server *s);
/* Of an address; connections_max is the service's. */
struct policy_limits server_limits(const struct server *s, enum rpc_service service);
const struct policy_smtp *server_smtp(struct server *s, enum rpc_service service);
uint32_t server_hops_max(const struct server *s);
/* Texts are lent, until the next wait: they may change with any push. */
const char *server_hostname(const struct server *s);
const char *server_banner(const struct server *s);         /* may be empty */
const char *server_default_domain(const struct server *s); /* its own; may be empty */
enum server_tls server_tls_mode(const struct server *s);
enum server_auth server_auth_mode(const struct server *s, enum rpc_service service);
/* Is a mechanism of this name among those offered? */
bool server_offers(const struct server *s, const char *mechanism);
/* What submissions do not tell. */
bool server_hides_client(const struct server *s);
bool server_hides_program(const struct server *s);
/* Is there anything of these in submissions that is changed? */
bool server_edits(const struct server *s);
/* What stands in submissions for this domain, in any case of letters; NULL: itself. Valid until the
 * next wait. */
const char *server_masquerade(const struct server *s, slice_t domain);
/* May who has logged in send to other systems? */
bool server_relays(const struct server *s);
/* May a client from there, who has not? */
bool server_relays_from(const struct server *s, const struct ipaddr *peer);

#endif
