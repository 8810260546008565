/*
 * search: a program in reverse Polish order over the rows of one mailbox. Operands push a
 * message's yes or no, AND, OR and NOT combine; one is left at the end. Cheap keys are looked at
 * first; stored text is opened only when it decides. Not on a loop's thread; see store.h.
 *
 * Text keys compare case-folded (full Unicode folding, no normalization): the key must come
 * folded, the columns are folded here.
 *
 * Of a header only some fields are kept, as they stand, and columns are cut: where a key is not
 * found in what is kept but may be in what is not, the message is neither found nor passed over but
 * told as `maybe`. Who can read its header decides.
 */
#ifndef BACKEND_STORE_SEARCH_H
#define BACKEND_STORE_SEARCH_H

#include "backend/store/partition.h"
#include "backend/store/uidset.h"
#include "common/base/buf.h"

#define SEARCH_KEYS_MAX 256
#define SEARCH_TEXT_MAX 1024 /* bytes of one key */

/* The numbers are those of proto/message.proto. */
enum search_op {
	SEARCH_AND = 0,
	SEARCH_OR = 1,
	SEARCH_NOT = 2,
	SEARCH_ALL = 3,
	SEARCH_UIDS = 4,
	SEARCH_FLAGS_SET = 5,
	SEARCH_FLAGS_CLEAR = 6,
	SEARCH_KEYWORD = 7,
	SEARCH_LARGER = 8,
	SEARCH_SMALLER = 9,
	SEARCH_DATE_BEFORE = 10, /* INTERNALDATE, days since 1970-01-01 UTC */
	SEARCH_DATE_ON = 11,
	SEARCH_DATE_SINCE = 12,
	SEARCH_SENT_BEFORE = 13, /* Date:, the day as written */
	SEARCH_SENT_ON = 14,
	SEARCH_SENT_SINCE = 15,
	SEARCH_FROM = 16,
	SEARCH_TO = 17,
	SEARCH_CC = 18,
	SEARCH_BCC = 19,
	SEARCH_SUBJECT = 20,
	SEARCH_BODY = 21,
	SEARCH_TEXT = 22,
	SEARCH_MODSEQ = 23,
	SEARCH_HEADER = 24, /* number: the field's; 0: one that is not kept */
	SEARCH_OP_LAST = SEARCH_HEADER,
};

struct search_key {
	enum search_op op;
	uint64_t number;
	int64_t date;
	slice_t text;
	const struct uid_range *uids;
	size_t nuids;
};

/* E_INVALID: not a program (stack, ranges, unknown op); E_LIMIT: too long. */
enum err search_check(const struct search_key *keys, size_t n) MUST_USE;

struct search {
	struct partition *part;
	uint64_t account, mailbox;
	const struct search_key *keys; /* the caller's, until search_fini */
	size_t n;
	uint32_t next_uid;   /* 0: done */
	struct uidset found; /* grows by the slice; the caller may take and reset it */
	struct uidset maybe; /* the same: not decided by what is kept */
	struct search_state *state;
};
/* Checks the program. */
enum err search_init(struct search *s, struct partition *p, uint64_t account, uint64_t mailbox,
		     const struct search_key *keys, size_t n) MUST_USE;
/* Looks at the next slice. While next_uid is not 0, call again. E_NOT_FOUND: mailbox gone. */
enum err search_step(struct search *s) MUST_USE;
void search_fini(struct search *s);

#endif
