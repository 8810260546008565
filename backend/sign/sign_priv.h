/* sign_priv: the insides of struct signer. */
#ifndef BACKEND_SIGN_SIGN_PRIV_H
#define BACKEND_SIGN_SIGN_PRIV_H

#include "backend/sign/sign.h"
#include "common/loop/fiber.h"

struct sign_entry {
	uint64_t id;
	enum sign_algorithm algorithm;
	enum dir_dkim_state state;
	int64_t retired_s;
	slice_t domain, selector; /* in signer->mem */
	bool boxed;               /* the image has a box for this node */
	struct sign_key *key;     /* once it was opened */
};

struct signer {
	uint32_t magic;
	struct dir *dir;
	struct node_key node_key;
	struct arena mem;
	struct sign_entry *entries; /* by domain; of one, the newest first */
	size_t n;
	struct dir_sub sub;
	struct fiber *fiber;
	struct event nudge, closed;
};

/* Seals keys for nodes that lack them. */
WAITS void sign_share_main(void *arg);

#endif
