/*
 * imap_search_prog: SEARCH's keys (RFC 3501 section 6.4.4) as the program of message.proto, in
 * reverse Polish order. No recursion: open NOTs, ORs and parentheses lie on a stack of fixed size.
 *
 * Header fields that no store keeps are left as `headers`: places in the program that the
 * front-end fills itself, with the UIDs of the messages that have them.
 */
#ifndef FRONTEND_IMAP_IMAP_SEARCH_PROG_H
#define FRONTEND_IMAP_IMAP_SEARCH_PROG_H

#include "frontend/imap/imap_seq.h"
#include "frontend/rpc/call_message.h"

/* Fields that the front-end looks for itself; each looks at the header of every candidate. */
#define IMAP_SEARCH_HEADERS_MAX 8u
/* Bytes of one text; a store takes no more. */
#define IMAP_SEARCH_TEXT_MAX    1024u

struct imap_search_header {
	size_t key; /* index of its place */
	slice_t name;
	slice_t text;  /* folded; empty: the field is there */
	bool positive; /* more matches here are more matches at all (and not fewer) */
};

struct imap_search {
	struct search_key *keys; /* of SEARCH_KEYS_MAX; in the arena */
	size_t nkeys;
	struct imap_search_header headers[IMAP_SEARCH_HEADERS_MAX];
	size_t nheaders;
	bool esearch;  /* RETURN was given */
	unsigned want; /* IMAP_SEARCH_* */
};

enum {
	IMAP_SEARCH_MIN = 1,
	IMAP_SEARCH_MAX = 2,
	IMAP_SEARCH_COUNT = 4,
	IMAP_SEARCH_ALL = 8,
};

/* What keys refer to. */
struct imap_search_env {
	const struct imap_view *view;
	const struct uid_set *recent;
};

enum imap_search_rc {
	IMAP_SEARCH_OK,
	IMAP_SEARCH_SYNTAX,
	IMAP_SEARCH_NO_SUCH, /* a sequence number beyond the view */
	IMAP_SEARCH_BADCHARSET,
	IMAP_SEARCH_TOO_MUCH,
};

/* [SP "RETURN" ...] [SP "CHARSET" SP charset] 1*(SP search-key). All memory in the arguments'
 * arena. */
enum imap_search_rc imap_search_compile(struct imap_args *a, const struct imap_search_env *env,
					struct imap_search *out);

#endif
