/* room: a back-end's rooms up to delivery, for tests: a directory with PostgreSQL, ticket keys, and
 * partitions 0 and 1 of this node (be1); partition 2 belongs to a node be2 that is not there, 3 to
 * nobody. */
#ifndef TESTS_UNIT_BACKEND_DELIVERY_ROOM_H
#define TESTS_UNIT_BACKEND_DELIVERY_ROOM_H

#include "backend/delivery/resolve.h"
#include "backend/store/due.h"
#include "tests/unit/backend/directory/rig.h"
#include "tests/unit/backend/store/util.h"

struct room {
	struct rig rig;
	struct tickets *tickets;
	struct notify *notify;
	struct partitions *parts;
	struct deliver deliver;
	struct event queue_changed; /* set when it was, after room_open */
};

/* What a partition's queue calls instead, from the next room_open on; arg is the room. NULL: only
 * room.queue_changed is set. */
extern void (*room_on_queue)(uint32_t partition, void *arg);

extern const struct rpc_identity room_peer; /* frontend/fe1/smtp */

WAITS bool room_open(struct room *r);
WAITS void room_close(struct room *r);
/* 0: a failed check. The account has a quota of so many messages; 0: none. */
WAITS uint64_t room_account(struct room *r, const char *address, uint32_t partition,
			    uint64_t quota_messages);
/* Messages in the account's mailbox; -1 when there is no such account or mailbox. */
int room_count(struct room *r, uint32_t partition, uint64_t account, const char *path);
/* The queue's items of a partition, due in any time; at most max. Payloads lie in bytes. */
size_t room_items(struct room *r, uint32_t partition, struct due_item *out, size_t max,
		  struct buf *bytes);

/* A recipient's token for these accounts of a partition; in mem. */
slice_t room_token(struct room *r, enum rcpt_kind kind, uint32_t partition,
		   const uint64_t *accounts, size_t n, const char *address, struct arena *mem);

/* The same, of one of several who are behind the address. */
slice_t room_share(struct room *r, enum rcpt_kind kind, uint32_t partition,
		   const uint64_t *accounts, size_t n, const char *address, struct arena *mem);

/* A Commit in the making, of the record that seed stands for. */
struct room_mail {
	struct deliver_msg msg;
	struct util_summary summary;
	struct deliver_rcpt rcpts[64], others[8];
};
/* txid: its bytes are all this number. Adds a stage; room_mail_fini frees it. */
void room_mail(struct room *r, struct room_mail *m, unsigned txid, uint32_t partition,
	       uint64_t seed);
void room_mail_fini(struct room_mail *m);
void room_to(struct room_mail *m, slice_t token);
void room_other(struct room_mail *m, slice_t token);

#endif
