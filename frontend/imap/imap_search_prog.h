/*
 * imap_search_prog: SEARCH's keys (RFC 3501 section 6.4.4) as the program of message.proto, in
 * reverse Polish order. No recursion: open NOTs, ORs and parentheses lie on a stack of fixed size.
 *
 * Keys that look at header fields are listed as `headers`: where what a store keeps of a header
 * does not decide, the front-end reads the header and puts the UIDs of the messages that have it in
 * their place.
 */
#ifndef FRONTEND_IMAP_IMAP_SEARCH_PROG_H
#define FRONTEND_IMAP_IMAP_SEARCH_PROG_H

#include "frontend/imap/imap_seq.h"
#include "frontend/rpc/call_message.h"

/* Keys that look at header fields: each may have to look at every field of every candidate. */
#define IMAP_SEARCH_HEADERS_MAX 32u
/* Of one program; a request adds up to four. */
#define IMAP_SEARCH_KEYS_MAX    (SEARCH_KEYS_MAX - 4)
/* Bytes of one text; a store takes no more. */
#define IMAP_SEARCH_TEXT_MAX    1024u

struct imap_search_header {
	size_t key;   /* its index */
	slice_t name; /* empty: any field */
	slice_t text; /* folded; empty: the field is there */
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
