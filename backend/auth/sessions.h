/*
 * sessions: who is logged in through this node. Memory only: after a restart a session is known
 * again at its next call, from its ticket (front-ends renew tickets as soon as they find the node
 * again). A bounded table; sessions whose ticket must have expired leave by themselves.
 *
 * A session belongs to the link that its last call came over. When that ends, its front-end worker
 * has ended, or only lost the link: the session is away, which is not to be seen, but it can still
 * be ended; its next call brings it back.
 */
#ifndef BACKEND_AUTH_SESSIONS_H
#define BACKEND_AUTH_SESSIONS_H

#include "backend/ticket/ticket.h"
#include "common/net/ipaddr.h"

#define SESSIONS_MAX 262144 /* about 60 MiB; more are served, but not listed */

struct sessions;

struct session_info {
	uint8_t id[TICKET_SESSION_LEN];
	uint64_t account;
	char frontend[RPC_NAME_MAX];
	enum rpc_service service;
	struct ipaddr ip; /* family 0: not known any more (since before a restart) */
	int64_t login_s;  /* wall seconds */
	int64_t last_access_s;
	bool has_tls, tls;     /* has_tls: it is known, as the address is */
	const char *mechanism; /* literal; "" after a restart */
	bool away;             /* see above; sessions_add does not look at it */
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions **s);
/* A log-in. */
void sessions_add(struct sessions *s, const struct session_info *info);
/* A call came with this ticket: sets last_access, adds what is not known. link: as below. */
void sessions_touch(struct sessions *s, const struct ticket_claims *c, const void *link);
/* Its calls come over this link, which is only compared; NULL: over one that has ended. */
void sessions_carry(struct sessions *s, const uint8_t id[TICKET_SESSION_LEN], const void *link);
/* The link has ended: the sessions that belong to it are away. Says how many. */
size_t sessions_link_gone(struct sessions *s, const void *link);
/* True and *out (may be NULL) filled when it was there. */
bool sessions_remove(struct sessions *s, const uint8_t id[TICKET_SESSION_LEN],
		     struct session_info *out);
bool sessions_get(const struct sessions *s, const uint8_t id[TICKET_SESSION_LEN],
		  struct session_info *out);
size_t sessions_count(const struct sessions *s); /* that are not away */
/* In no order, those too that are away; account 0: all. fn must neither wait nor change the table;
 * false ends it. */
void sessions_each(const struct sessions *s, uint64_t account,
		   bool (*fn)(const struct session_info *, void *arg), void *arg);
/* Drops what must have expired. Called by itself now and then. */
void sessions_expire(struct sessions *s);

#endif
