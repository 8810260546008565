/*
 * call_message: typed calls of proto/message.proto. Errors as in call_mailbox.h, and E_NOT_FOUND
 * when the mailbox is gone. UIDs that are no longer there are left out of every answer.
 *
 * Lists of UID ranges may have any length: a list that does not fit one request is cut, and the
 * parts are asked one after the other.
 */
#ifndef FRONTEND_RPC_CALL_MESSAGE_H
#define FRONTEND_RPC_CALL_MESSAGE_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "frontend/core/ticket.h"
#include "frontend/mime/summary.h"
#include "frontend/rpc/uid_set.h"

/* The bits of types.proto's Flag. */
enum message_flag {
	MESSAGE_SEEN = 1,
	MESSAGE_ANSWERED = 2,
	MESSAGE_FLAGGED = 4,
	MESSAGE_DELETED = 8,
	MESSAGE_DRAFT = 16,
};

/* The bits of message.proto's Column. */
enum message_column {
	MESSAGE_COL_FLAGS = 1, /* flags, keywords, modseq */
	MESSAGE_COL_SIZE = 2,
	MESSAGE_COL_DATE = 4,
	MESSAGE_COL_ENVELOPE = 8,
	MESSAGE_COL_BODYSTRUCTURE = 16,
	MESSAGE_COL_FIELDS = 32,
	MESSAGE_COL_PARTS = 64,
	MESSAGE_COL_IDS = 128,
	MESSAGE_COL_PREFIX = 256,
};

/* The prefix of a copy is at most this long (docs/decisions/0004). */
#define MESSAGE_PREFIX_MAX (16u * 1024)
/* Ranges in one request: each takes at most 14 bytes of the payload's 64 KiB. */
#define MESSAGE_RANGES_MAX 4000

/* Messages that one change of flags can take: more would be several changes, each with a MODSEQ of
 * its own, of which the answer names the last (message.proto). */
#define MESSAGE_STORE_MAX 1000

/* Which messages of which mailbox. */
struct message_set {
	uint64_t mailbox;
	const struct uid_range *ranges; /* borrowed while the call lives */
	size_t n;
};

/* ---- columns ---- */

struct fetch_fields {
	const slice_t *raw; /* whole fields, in message order */
	size_t n;
	bool complete; /* no kept field of the message is missing */
};

struct fetch_parts {
	const struct mime_part *parts; /* not checked yet: summary_parts_check */
	size_t n;
};

/* Columns that were asked for have n elements, others are NULL. */
struct fetch_batch {
	size_t n;
	const uint32_t *uid, *flags;
	const uint64_t *keywords, *modseq, *size, *email_id, *thread_id;
	const int64_t *date_us;
	const slice_t *envelope, *bodystructure, *prefix;
	const struct fetch_fields *fields;
	const struct fetch_parts *parts;
	const slice_t *keyword_names; /* those from known_keywords on */
	size_t nkeyword_names;
};

struct message_fetch;

struct fetch_spec {
	uint32_t columns;
	uint64_t fields_mask;   /* bit n: enum hdr_id n */
	uint64_t changed_since; /* 0: all */
	uint32_t known_keywords;
};

/* Starts the first request; never waits but for the ticket. spec is copied. */
WAITS enum err call_message_fetch(struct ticket *t, const struct message_set *set,
				  const struct fetch_spec *spec,
				  struct message_fetch **out) MUST_USE;
/* The next batch, valid until the next call; rows are ascending by UID. E_CLOSED after the
 * last one. Never empty on E_OK, but for a first one that brings keyword names. */
WAITS enum err message_fetch_next(struct message_fetch *f, struct fetch_batch *out) MUST_USE;
void message_fetch_free(struct message_fetch **f);

/* ---- bytes ---- */

struct message_read;

/* Valid until the next message_read_next. */
struct read_head {
	uint32_t uid;
	slice_t prefix;
	uint64_t plain_size; /* of the record */
	uint64_t from, to;   /* the plain bytes that the blocks hold; block bounds */
	uint32_t flags;
	uint64_t keywords, modseq, email_id, thread_id;
	int64_t date_us;
	const struct mime_part *parts;
	size_t nparts;
};

/* Bytes [from, to) of each record (to = 0: to the end) and some columns. */
WAITS enum err call_message_read(struct ticket *t, const struct message_set *set, uint32_t columns,
				 uint64_t from, uint64_t to, struct budget *budget,
				 struct message_read **out) MUST_USE;
/* The next message, ascending by UID; what is left of the one before is skipped. E_CLOSED: none.
 * E_CORRUPT: the answer makes no sense. */
WAITS enum err message_read_next(struct message_read *r, const struct read_head **out) MUST_USE;
/* The next block of the message, opened; valid until the next call. E_CLOSED after its last. */
WAITS enum err message_read_block(struct message_read *r, slice_t *plain_out) MUST_USE;
void message_read_free(struct message_read **r);

/* ---- changes ---- */

enum store_mode { STORE_REPLACE, STORE_ADD, STORE_REMOVE };

struct store_spec {
	enum store_mode mode;
	uint32_t flags;
	const slice_t *keywords;
	size_t nkeywords;
	uint64_t unchanged_since; /* 0: unconditional */
	uint32_t known_keywords;
};

struct store_info {
	uint64_t modseq;         /* of this change; 0: nothing changed */
	const slice_t *keywords; /* those from known_keywords on */
	size_t nkeywords;
	const struct uid_range *modified; /* refused by unchanged_since */
	size_t nmodified;
};

struct message_store;

/* One request: set->n is at most MESSAGE_RANGES_MAX (E_LIMIT); its messages should be at most
 * MESSAGE_STORE_MAX. info lives as long as *out. */
WAITS enum err call_message_store(struct ticket *t, const struct message_set *set,
				  const struct store_spec *spec, struct message_store **out,
				  struct store_info *info_out, struct diag *d) MUST_USE;
/* The messages as they are now: uid, flags, keywords, modseq. E_CLOSED after the last batch. */
WAITS enum err message_store_next(struct message_store *s, struct fetch_batch *out) MUST_USE;
void message_store_free(struct message_store **s);

enum message_copy { MESSAGE_COPY, MESSAGE_MOVE };

struct copy_info {
	uint32_t uidvalidity;              /* of the destination */
	const struct uid_range *from, *to; /* pairwise equal counts; in the arena */
	size_t nfrom, nto;
	uint64_t modseq;
};

/* One transaction; asked again once, under the same id, when the link broke before the answer.
 * E_NOT_FOUND: no such destination. E_QUOTA, E_LIMIT (also more than MESSAGE_RANGES_MAX). */
WAITS enum err call_message_copy(struct ticket *t, const struct message_set *set, slice_t to,
				 enum message_copy what, struct arena *a, struct copy_info *out,
				 struct diag *d) MUST_USE;

/* Removes those of the set that have \Deleted; set->n = 0: of all. Adds what is gone to vanished;
 * *modseq_out may be 0. */
WAITS enum err call_message_expunge(struct ticket *t, const struct message_set *set,
				    struct uid_set *vanished, uint64_t *modseq_out,
				    struct diag *d) MUST_USE;

/* ---- search ---- */

/* message.proto's SearchOp. */
enum search_op {
	SEARCH_AND = 0,
	SEARCH_OR,
	SEARCH_NOT,
	SEARCH_ALL,
	SEARCH_UIDS,
	SEARCH_FLAGS_SET,
	SEARCH_FLAGS_CLEAR,
	SEARCH_KEYWORD,
	SEARCH_LARGER,
	SEARCH_SMALLER,
	SEARCH_DATE_BEFORE,
	SEARCH_DATE_ON,
	SEARCH_DATE_SINCE,
	SEARCH_SENT_BEFORE,
	SEARCH_SENT_ON,
	SEARCH_SENT_SINCE,
	SEARCH_FROM,
	SEARCH_TO,
	SEARCH_CC,
	SEARCH_BCC,
	SEARCH_SUBJECT,
	SEARCH_BODY,
	SEARCH_TEXT,
	SEARCH_MODSEQ,
	SEARCH_HEADER,
};

#define SEARCH_KEYS_MAX 256

struct search_key {
	enum search_op op;
	uint64_t number;
	int64_t date;
	slice_t text; /* case-folded UTF-8, without NUL */
	const struct uid_range *uids;
	size_t nuids;
};

/* Adds the matches to out; to maybe those for which the parts of their headers decide that a store
 * does not keep (message.proto). E_INVALID: not a program. E_TOO_BIG: more ranges than
 * MESSAGE_RANGES_MAX in all. */
WAITS enum err call_message_search(struct ticket *t, uint64_t mailbox,
				   const struct search_key *keys, size_t n, struct uid_set *out,
				   struct uid_set *maybe, struct diag *d) MUST_USE;

/* ---- append ---- */

struct append;

/* Announces a message for path; its record follows by append_send. Never waits but for the
 * ticket. */
WAITS enum err call_append_begin(struct ticket *t, slice_t path, uint64_t size,
				 struct append **out) MUST_USE;
/* Stored bytes of the record. When the back-end has refused already, its reason: E_NOT_FOUND,
 * E_QUOTA, E_TOO_BIG, ... */
WAITS enum err append_send(struct append *a, slice_t stored) MUST_USE;

struct append_meta {
	slice_t path;
	uint32_t flags;
	const slice_t *keywords;
	size_t nkeywords;
	int64_t date_us; /* 0: now */
	const struct mime_summary *summary;
};

struct append_result {
	uint32_t uidvalidity, uid;
};

/* All bytes were sent: commits. Asked again once, under the same id, when the link broke before
 * the answer. E_OK: the message is durable. */
WAITS enum err call_append_commit(struct append *a, const struct append_meta *meta,
				  struct append_result *out, struct diag *d) MUST_USE;
/* Drops what was begun, if it was not committed. NULL is harmless. */
WAITS void append_free(struct append **a);

#endif
