/*
 * dir_dkim: keys that sign mail of our domains: what the image has of them, which backend/sign
 * opens, and their management. A private key is never here but in boxes, one for each node
 * (common/crypto/seal).
 *
 * A key is made new; its record goes into DNS (published: somebody has seen it there); active, it
 * signs; retired, it signs no more, but its record stays in DNS as long as mail with its
 * signatures may be on its way; then it is removed.
 */
#ifndef BACKEND_DIRECTORY_DIR_DKIM_H
#define BACKEND_DIRECTORY_DIR_DKIM_H

#include "backend/directory/dir_admin.h"
#include "common/crypto/sign.h"
#include "common/parse/dkim_sig.h"

/* The numbers are stored: they never change. */
enum dir_dkim_state {
	DIR_DKIM_NEW = 1,
	DIR_DKIM_PUBLISHED = 2,
	DIR_DKIM_ACTIVE = 3,
	DIR_DKIM_RETIRED = 4,
};

#define DIR_DKIM_BOX_MAX  (SIGN_PRIVATE_MAX + NODE_BOX_OVERHEAD)
/* Of one domain, in all states: more are forgotten ones. */
#define DIR_DKIM_KEYS_MAX 16

/* ---- the image: never waits ---- */

struct dir_dkim_key {
	uint64_t id; /* later keys have higher ones */
	enum sign_algorithm algorithm;
	enum dir_dkim_state state;
	int64_t retired_s; /* wall; 0: it is not */
	/* Borrowed from the row: until the next wait. */
	slice_t domain, selector;
	slice_t box; /* for this node; empty: another has to make it first */
};

/* In order of id. */
size_t dir_dkim_count(const struct dir *d);
void dir_dkim_at(const struct dir *d, size_t i, struct dir_dkim_key *out);
bool dir_dkim_find(const struct dir *d, uint64_t id, struct dir_dkim_key *out);

/* ---- handing keys to nodes that lack them ---- */

struct dir_dkim_lack {
	uint64_t key;
	struct dir_node node;
};
/* Nodes without a box of a key that this node has one of; at most max are written. */
WAITS enum err dir_dkim_lacking(struct dir *d, struct dir_dkim_lack *out, size_t max, size_t *n_out,
				struct diag *diag) MUST_USE;
WAITS enum err dir_dkim_put(struct dir *d, uint64_t key, slice_t node, slice_t box,
			    struct diag *diag) MUST_USE;

/* ---- management; see dir_admin.h ---- */

/* Why a key was made. */
enum dir_dkim_origin {
	DIR_DKIM_ASKED,     /* an administrator wanted it */
	DIR_DKIM_SUCCESSOR, /* another one has grown old: nobody need activate it */
};

struct dir_dkim_spec {
	slice_t selector; /* empty: made from the date and the algorithm */
	enum sign_algorithm algorithm;
	enum dir_dkim_origin origin;
	slice_t public_key;
	/* Appends the private key's box for a node; false: leave that node out. */
	bool (*seal)(const struct dir_node *n, struct buf *out, void *arg);
	void *arg;
	char *chosen_out; /* DKIM_SELECTOR_MAX + 1 bytes, for the selector; NULL: not asked for */
};

struct dir_dkim_row {
	slice_t domain, selector;
	enum sign_algorithm algorithm;
	enum dir_dkim_state state;
	enum dir_dkim_origin origin;
	slice_t public_key;
	int64_t created_us, published_us, activated_us, retired_us; /* 0: not yet */
};

struct dir_dkim_page {
	struct dir_dkim_row *rows;
	size_t n;
};

/* All of them, or none. The domain is local, or an alias of one. */
WAITS enum err dir_dkim_add(struct dir *d, const struct dir_actor *by, slice_t domain,
			    const struct dir_dkim_spec *specs, size_t n,
			    struct diag *diag) MUST_USE;
/* selector empty: of all that have never been active. At most DKIM_SIGS_MAX are active. */
WAITS enum err dir_dkim_activate(struct dir *d, const struct dir_actor *by, slice_t domain,
				 slice_t selector, struct diag *diag) MUST_USE;
enum dir_dkim_sight { DIR_DKIM_SEEN, DIR_DKIM_GONE };
/* A key that is new was seen in DNS: it is published; one that was published is there no more: it
 * is new. E_NOT_FOUND: there is none in that state. */
WAITS enum err dir_dkim_sight(struct dir *d, const struct dir_actor *by, slice_t domain,
			      slice_t selector, enum dir_dkim_sight sight,
			      struct diag *diag) MUST_USE;
WAITS enum err dir_dkim_retire(struct dir *d, const struct dir_actor *by, slice_t domain,
			       slice_t selector, struct diag *diag) MUST_USE;
/* E_INVALID while it is active. */
WAITS enum err dir_dkim_remove(struct dir *d, const struct dir_actor *by, slice_t domain,
			       slice_t selector, struct diag *diag) MUST_USE;
/* domain empty: all. In order of domain and selector; `after` is "selector@domain". */
WAITS enum err dir_dkim_list(struct dir *d, slice_t domain, slice_t after, size_t limit,
			     struct arena *mem, struct dir_dkim_page *out,
			     struct diag *diag) MUST_USE;

#endif
