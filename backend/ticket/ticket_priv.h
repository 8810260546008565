/* ticket_priv: the insides of struct tickets. */
#ifndef BACKEND_TICKET_TICKET_PRIV_H
#define BACKEND_TICKET_TICKET_PRIV_H

#include "backend/directory/dir_keys.h"
#include "backend/ticket/ticket.h"
#include "common/base/map.h"
#include "common/base/num.h"
#include "common/loop/fiber.h"

struct ticket_key {
	int64_t created_s;
	struct seal_key key;
};

/* A session that ended before its tickets. */
struct ended {
	struct list node; /* in tickets->ended_list, oldest first */
	uint8_t session[TICKET_SESSION_LEN];
	int64_t until_s;
	bool unsent; /* the directory has yet to be told */
};

struct tickets {
	uint32_t magic;
	struct dir *dir;
	struct node_key node_key;
	int64_t rotate_s, settle_s;
	struct ticket_key *keys; /* in order of id */
	size_t nkeys;
	struct map ended; /* by session id */
	struct list ended_list;
	unsigned nended, nunsent;
	struct dir_sub sub;
	struct fiber *fiber;
	struct event nudge, closed;
	struct waitq ready;
	bool share;         /* other nodes may lack keys */
	int64_t keyless_ms; /* mono; since when there is no key at all; 0: there is */
};

/* Reads the keys of the directory's image anew. */
void ticket_keys_load(struct tickets *t);
WAITS void ticket_keys_main(void *arg);
void ticket_keys_wipe(struct tickets *t);
/* The one to seal with, or NULL. */
const struct seal_key *ticket_key_seal(const struct tickets *t);
/* E_OK; E_RETRY: one that may come with the next sync (asked for); E_NO_TICKET: none of ours. */
enum err ticket_key_find(struct tickets *t, slice_t box, const struct seal_key **out) MUST_USE;

/* What the fiber does for ticket.c: tells the directory of ended sessions, forgets old ones. */
WAITS void ticket_ended_tend(struct tickets *t);

#endif
