/*
 * dir_tls: what is demanded of other systems' servers before mail goes to them: a table by
 * destination that administrators keep. The workers of the way out get the row with their job
 * (proto/outbound.proto); what each level means there stands in frontend/outbound/tls_policy.h.
 */
#ifndef BACKEND_DIRECTORY_DIR_TLS_H
#define BACKEND_DIRECTORY_DIR_TLS_H

#include "backend/directory/dir_admin.h"

/* The numbers are stored: they never change. */
enum dir_tls_level {
	DIR_TLS_NONE = 1,
	DIR_TLS_MAY = 2,
	DIR_TLS_ENCRYPT = 3,
	DIR_TLS_VERIFY = 4,
	DIR_TLS_DANE = 5, /* what the destination itself says, or else as MAY */
	DIR_TLS_DANE_ONLY = 6,
	DIR_TLS_PINNED = 7,
};

#define DIR_TLS_PEERS_MAX       16  /* names or fingerprints of one destination: a few hosts' */
#define DIR_TLS_PEER_MAX        254 /* bytes: a domain name with a dot before it */
#define DIR_TLS_PIN_TEXT        64  /* SHA-256 in hex, lower case */
#define DIR_TLS_DESTINATION_MAX 255

/* "none", "may", "encrypt", "verify", "dane", "dane-only", "pinned". */
const char *dir_tls_level_name(enum dir_tls_level l);
/* False: none is called so. */
bool dir_tls_level_parse(slice_t name, enum dir_tls_level *out) MUST_USE;

/* ---- the image: never waits ---- */

struct dir_tls {
	enum dir_tls_level level;
	uint16_t npeers; /* VERIFY: names (none: the destination's own); PINNED: fingerprints */
	slice_t peers;   /* dir_tls_peer takes one after the other; borrowed until the next wait */
};
/* The row for a destination: its own, or that of the closest .suffix, or *. False: none. */
bool dir_tls_find(const struct dir *d, slice_t destination, struct dir_tls *out) MUST_USE;
/* The next of t->peers, which moves on; false at the end. */
bool dir_tls_peer(slice_t *peers, slice_t *out);

/* ---- management; see dir_admin.h ---- */

struct dir_tls_row {
	slice_t destination;
	enum dir_tls_level level;
	slice_t *peers;
	size_t npeers;
	int64_t changed_us;
};

struct dir_tls_page {
	struct dir_tls_row *rows;
	size_t n;
};

/* Makes the row, or replaces it. destination: a domain, .suffix, [host], [host]:port or *. */
WAITS enum err dir_tls_set(struct dir *d, const struct dir_actor *by, const struct dir_tls_row *row,
			   struct diag *diag) MUST_USE;
WAITS enum err dir_tls_remove(struct dir *d, const struct dir_actor *by, slice_t destination,
			      struct diag *diag) MUST_USE;
/* In order of destination. */
WAITS enum err dir_tls_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			    struct dir_tls_page *out, struct diag *diag) MUST_USE;
WAITS enum err dir_tls_show(struct dir *d, slice_t destination, struct arena *mem,
			    struct dir_tls_row *out, struct diag *diag) MUST_USE;

#endif
