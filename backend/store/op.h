/*
 * op: a decided change, as a struct and as bytes (proto/op.proto), and the table of kinds. decide_*
 * makes ops, apply_* does what they say. An op refers to rows by their numbers and carries every
 * number that it gives out; where a record's bytes lie is no part of it.
 */
#ifndef BACKEND_STORE_OP_H
#define BACKEND_STORE_OP_H

#include "backend/store/rec.h"
#include "common/base/arena.h"

enum op_kind {
	OP_ACCOUNT,
	OP_ACCOUNT_REMOVE,
	OP_ACCOUNT_GONE,
	OP_RECORD,
	OP_ADD,
	OP_FLAGS,
	OP_COPY,
	OP_EXPUNGE,
	OP_MAILBOX_CREATE,
	OP_MAILBOX_DELETE,
	OP_MAILBOX_RENAME,
	OP_SUBSCRIBE,
	OP_RECENT,
	OP_ITEM_ADD,
	OP_ITEM_REMOVE,
	OP_ITEM_MOVE,
	OP_PURGE,
	OP_REAP,
	OP_LOG_TRIM,
	OP_DEDUPE_TRIM,
	OP_KINDS,
};

struct op_dedupe {
	bool on;
	uint32_t period;
	unsigned char txid[STORE_TXID_SIZE];
	uint64_t origin, key;
};

struct op_account {
	uint64_t account;
	uint32_t uidvalidity;
};

struct op_record {
	uint64_t no;
	unsigned char id[RECORD_ID_SIZE];
	enum record_compression compression;
	enum record_seal seal;
	uint64_t plain_size, stored_size;
	slice_t table;
	const struct summary *summary;
	slice_t text;
};

struct op_add {
	uint64_t account;
	uint32_t mailbox, uid;
	uint64_t modseq, email, thread, record;
	slice_t prefix;
	uint32_t flags;
	uint64_t keywords;
	slice_t new_names;
	int64_t date_us;
	uint64_t size;
	uint32_t nhashes;
	uint64_t hashes[EMAIL_HASHES_MAX];
	struct op_dedupe dedupe;
	uint32_t uidvalidity;
	slice_t trace_id;
};

struct op_flags {
	uint64_t account;
	uint32_t mailbox;
	slice_t uids;  /* encoded, as everywhere in ops */
	uint32_t mode; /* enum flags_mode */
	uint32_t flags;
	uint64_t keywords;
	slice_t new_names;
	uint64_t modseq;
};

#define KEYWORD_UNMAPPED 255
struct op_copy {
	uint64_t account;
	uint32_t from, to;
	slice_t uids;
	uint32_t first_uid;
	uint64_t modseq;
	bool move;
	unsigned char keyword_map[STORE_KEYWORDS_MAX];
	slice_t new_names;
	struct op_dedupe dedupe;
};

struct op_expunge {
	uint64_t account;
	uint32_t mailbox;
	slice_t uids;
	uint64_t modseq;
};

struct op_mailbox { /* CREATE, RENAME, DELETE */
	uint64_t account;
	uint32_t mailbox, parent;
	slice_t name;
	enum store_special special;
	uint32_t uidvalidity;
	bool subscribed;
	bool keep; /* DELETE: as \Noselect */
	uint64_t modseq;
};

struct op_subscribe {
	uint64_t account;
	uint32_t mailbox;
	slice_t path;
	bool on;
};

struct op_recent {
	uint64_t account;
	uint32_t mailbox, uid;
};

struct op_item { /* ADD, REMOVE, MOVE */
	uint64_t id, record;
	slice_t payload;
	int64_t due_us;
	struct op_dedupe dedupe;
};

struct op_trim { /* PURGE, REAP, LOG_TRIM, DEDUPE_TRIM */
	uint64_t account;
	uint32_t mailbox;
	int64_t before_us;
	uint64_t upto;
	uint32_t period;
	uint32_t max;
};

struct op {
	uint32_t level;
	enum op_kind kind;
	uint64_t seq;
	int64_t time_us;
	union {
		struct op_account account;
		struct op_record record;
		struct op_add add;
		struct op_flags flags;
		struct op_copy copy;
		struct op_expunge expunge;
		struct op_mailbox mailbox;
		struct op_subscribe subscribe;
		struct op_recent recent;
		struct op_item item;
		struct op_trim trim;
	} u;
};

struct apply;

struct op_def {
	const char *name;
	enum err (*apply)(struct apply *a, const struct op *op);
};
extern const struct op_def op_defs[OP_KINDS];

/* Appends the op's bytes. */
void op_pack(const struct op *op, struct buf *out);
/* Everything lies in arena. E_INVALID: malformed, an unknown kind, or a level above STORE_LEVEL. */
enum err op_unpack(slice_t in, struct arena *arena, struct op *out) MUST_USE;

#endif
