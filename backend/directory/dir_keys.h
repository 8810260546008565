/*
 * dir_keys: rows of the directory that ticket/ and auth/ own: credentials (read at log-in, never
 * copied), ticket keys (sealed to each node), sessions that were ended by their id.
 */
#ifndef BACKEND_DIRECTORY_DIR_KEYS_H
#define BACKEND_DIRECTORY_DIR_KEYS_H

#include "backend/directory/dir_admin.h"

/* The account's verifier and the epoch it belongs to, from PostgreSQL. E_NOT_FOUND: it has none;
 * E_RETRY: PostgreSQL is away. */
WAITS enum err dir_credential_get(struct dir *d, uint64_t account, int64_t deadline_ms,
				  struct dir_credential *out, uint32_t *epoch_out,
				  enum dir_account_state *state_out, struct diag *diag) MUST_USE;
/* Puts a verifier of the same password in the place of an outdated one; the epoch stays. Nothing
 * happens when the epoch is another by now. */
WAITS enum err dir_credential_upgrade(struct dir *d, uint64_t account, uint32_t epoch,
				      const struct dir_credential *cred,
				      struct diag *diag) MUST_USE;
/* A random secret of the whole cluster (salts of names that do not exist), the same on all nodes.
 * False: not known yet. */
bool dir_cluster_secret(const struct dir *d, uint8_t out[32]);

#define DIR_KEY_BOX_MAX 256 /* a sealed ticket key */

/* A ticket key in this node's image, sealed to this node. */
struct dir_ticket_key {
	uint32_t id;
	int64_t created_s; /* wall seconds */
	size_t n;
	uint8_t box[DIR_KEY_BOX_MAX];
};

/* In order of id. */
size_t dir_ticket_key_count(const struct dir *d);
void dir_ticket_key_at(const struct dir *d, size_t i, struct dir_ticket_key *out);

/* Makes a key id if no key is younger than max_age_s and writes what `seal` makes for every node.
 * One node does it, under an advisory lock; *made_out tells whether it was this one. Deletes keys
 * older than drop_age_s. */
struct dir_key_maker {
	/* Seals the new key `id` for a node; false: leave that node out. */
	bool (*seal)(uint32_t id, const struct dir_node *n, struct buf *out, void *arg);
	void *arg;
};
WAITS enum err dir_ticket_key_make(struct dir *d, int64_t max_age_s, int64_t drop_age_s,
				   const struct dir_key_maker *m, bool *made_out,
				   struct diag *diag) MUST_USE;
/* Key ids that a node lacks, of those this node has. At most max are written. */
WAITS enum err dir_ticket_key_missing(struct dir *d, slice_t node, uint32_t *ids, size_t max,
				      size_t *n_out, struct diag *diag) MUST_USE;
WAITS enum err dir_ticket_key_put(struct dir *d, slice_t node, uint32_t id, slice_t box,
				  struct diag *diag) MUST_USE;

/* Writes down that a session ended before its tickets did; until_s: none of them lives longer. */
WAITS enum err dir_session_end(struct dir *d, const uint8_t session[DIR_SESSION_LEN],
			       int64_t until_s, struct diag *diag) MUST_USE;
/* Was it? From the image. */
bool dir_session_ended(const struct dir *d, const uint8_t session[DIR_SESSION_LEN]);

#endif
