/*
 * rec: the rows of the tables, their keys, and the bytes that both are. Every row begins with a
 * version byte; numbers are big-endian, variable ones LEB128. A row that does not decode is
 * E_CORRUPT. docs/storage-format.md says the same in prose, with what refers to what.
 */
#ifndef BACKEND_STORE_REC_H
#define BACKEND_STORE_REC_H

#include "backend/store/msg.h"
#include "backend/store/store.h"
#include "backend/store/summary.h"
#include "common/base/buf.h"

enum table {
	T_META,    /* "state", "format" */
	T_ACCOUNT, /* account, 0: the account; account, mailbox: a mailbox beside it */
	T_NAME,    /* account, parent, name -> mailbox */
	T_KEYWORD, /* account, mailbox -> the names of its keyword bits */
	T_SUB,     /* account, hash of path -> path: subscribed names without a mailbox */
	T_MESSAGE, /* account, mailbox, uid */
	T_RANGE,   /* account, mailbox, set, first -> last: runs of UIDs; the last run of each set
		       lies in the mailbox's row */
	T_EMAIL,   /* account, email: what copies within an account share */
	T_THREAD,  /* account, hash of a message id -> thread, count */
	T_RECORD,  /* record: references, sizes, block table; and its place, which is local */
	T_SUMMARY, /* record: envelope, structure */
	T_DETAIL,  /* record: parts, search columns */
	T_FIELDS,  /* record: header fields; apart, so that both stay within a leaf page */
	T_TEXT,    /* record: search text */
	T_LOG,     /* account, modseq: the change log */
	T_DEDUPE,  /* period, txid, origin, key: delivery ids */
	T_REAP,    /* time, account, id: expunged, to be released */
	T_PURGE,   /* account, mailbox: deleted, its messages still to go */
	T_QUEUE,   /* item */
	T_DUE,     /* due time, item */
	T_VOLUME,  /* volume: local */
	T_TABLES,
};
extern const char *const table_names[T_TABLES];

/* ---- bytes ------------------------------------------------------------------------------ */

/* Writes into memory of the caller's; passing its end is a programming error. */
struct rec_w {
	unsigned char *p;
	size_t n, cap;
};
static inline slice_t rec_w_slice(const struct rec_w *w)
{
	return slice(w->p, w->n);
}
void rec_w8(struct rec_w *w, uint8_t v);
void rec_w32(struct rec_w *w, uint32_t v);
void rec_w64(struct rec_w *w, uint64_t v);
void rec_wvar(struct rec_w *w, uint64_t v);
void rec_wbytes(struct rec_w *w, slice_t s); /* length and bytes */
void rec_wraw(struct rec_w *w, slice_t s);

/* Reads; anything missing sets bad and gives zeros. */
struct rec_r {
	const unsigned char *p, *end;
	bool bad;
};
void rec_r_init(struct rec_r *r, slice_t s);
uint8_t rec_r8(struct rec_r *r);
uint32_t rec_r32(struct rec_r *r);
uint64_t rec_r64(struct rec_r *r);
uint64_t rec_rvar(struct rec_r *r);
slice_t rec_rbytes(struct rec_r *r);
slice_t rec_rraw(struct rec_r *r, size_t n);
/* E_CORRUPT when bad or not at the end. */
enum err rec_r_end(const struct rec_r *r) MUST_USE;

/* ---- keys ------------------------------------------------------------------------------- */

#define REC_KEY_SIZE 280

struct rec_key {
	size_t n;
	unsigned char b[REC_KEY_SIZE];
};
static inline slice_t rec_key(const struct rec_key *k)
{
	return slice(k->b, k->n);
}
/* id: T_RECORD, T_SUMMARY, T_DETAIL, T_FIELDS, T_TEXT, T_QUEUE, T_VOLUME. */
void key_id(struct rec_key *k, uint64_t id);
/* T_LOG, T_EMAIL, T_THREAD, T_SUB; T_DUE with a time. */
void key_pair(struct rec_key *k, uint64_t a, uint64_t b);
/* T_ACCOUNT, T_KEYWORD, T_PURGE; prefix of T_MESSAGE, T_RANGE, T_NAME. */
void key_mailbox(struct rec_key *k, uint64_t account, uint32_t mailbox);
void key_message(struct rec_key *k, uint64_t account, uint32_t mailbox, uint32_t uid);
void key_range(struct rec_key *k, uint64_t account, uint32_t mailbox, uint8_t set, uint32_t first);
void key_name(struct rec_key *k, uint64_t account, uint32_t parent, slice_t name);
void key_reap(struct rec_key *k, int64_t time_us, uint64_t account, uint64_t id);
#define DEDUPE_KEY_SIZE (4 + STORE_TXID_SIZE + 16)
void key_dedupe(struct rec_key *k, uint32_t period, const unsigned char txid[STORE_TXID_SIZE],
		uint64_t origin, uint64_t key);
/* True when the key begins with prefix. */
static inline bool key_within(slice_t key, const struct rec_key *prefix)
{
	return slice_starts(key, rec_key(prefix));
}
/* A short stable hash of bytes (XXH3-64). */
uint64_t rec_hash(slice_t s);

/* ---- rows ------------------------------------------------------------------------------- */

/* Sets of UIDs that a mailbox keeps as runs. */
enum uid_kind { SET_ALL, SET_UNSEEN, SET_DELETED, SET_KINDS };

struct row_state {            /* T_META "state" */
	uint64_t seq;         /* last applied op */
	uint64_t next_record; /* from 1 */
	uint64_t next_item;   /* from 1 */
	/* local */
	uint64_t next_volume;
	uint64_t tail_volume; /* 0: none */
	uint64_t tail_off;    /* committed bytes of it */
};

struct row_account {
	uint64_t modseq;   /* highest given out */
	uint64_t low_mark; /* the change log is complete above it */
	uint64_t log_rows;
	uint64_t next_email;
	uint32_t next_mailbox;
	uint32_t next_uidvalidity;
	uint32_t mailboxes;
	uint32_t special[STORE_SPECIAL_LAST + 1]; /* mailbox with that use, 0: none */
	uint64_t bytes, messages;
	int64_t made_us;
	bool removed; /* being purged */
};

struct row_mailbox {
	uint32_t parent;
	uint8_t name_n;
	char name[STORE_NAME_MAX];
	enum store_special special;
	bool subscribed, noselect;
	uint32_t children;
	uint32_t uidvalidity, uidnext, messages, unseen, deleted;
	uint32_t recent_from;
	uint64_t highestmodseq;
	uint64_t bytes;
	struct uid_range tail[SET_KINDS]; /* {0, 0}: none */
};

static inline slice_t mailbox_name(const struct row_mailbox *m)
{
	return slice(m->name, m->name_n);
}

struct row_message {
	uint64_t email, record;
	uint32_t flags;
	uint64_t keywords;
	uint64_t modseq;
	int64_t date_us;
	uint64_t size;
};

#define EMAIL_HASHES_MAX 4
struct row_email {
	uint64_t record, thread;
	uint32_t refs; /* messages of the account that are this email */
	uint32_t nhashes;
	uint64_t hashes[EMAIL_HASHES_MAX]; /* thread rows that it counts in */
	slice_t prefix;                    /* into the row's bytes */
};

struct row_thread {
	uint64_t thread;
	uint32_t refs; /* emails that count in it */
};

struct row_record {
	uint32_t refs; /* emails and queue items */
	unsigned char id[RECORD_ID_SIZE];
	enum record_compression compression;
	enum record_seal seal;
	uint64_t plain_size, stored_size;
	slice_t table; /* 4 * nblocks bytes, as in the record */
	/* local */
	uint64_t volume, off;
};

enum log_kind_row { LOG_ADDED = 1, LOG_VANISHED, LOG_CHANGED, LOG_GONE, LOG_MAILBOX };
struct row_log {
	uint32_t mailbox; /* 0: the account */
	enum log_kind_row kind;
	int64_t time_us;
	slice_t ranges; /* encoded */
};

/* What a repeated delivery, item or copy gets. */
enum dedupe_kind { DEDUPE_COPY = 1, DEDUPE_ITEM, DEDUPE_MOVE };
struct row_dedupe {
	enum dedupe_kind kind;
	uint32_t mailbox, uid, uidvalidity; /* COPY; mailbox, uidvalidity: MOVE */
	uint64_t id;                        /* COPY: email; ITEM: item; MOVE: modseq */
	slice_t from, to;                   /* MOVE: ranges, encoded */
};

struct row_queue {
	int64_t due_us, made_us;
	uint64_t record; /* 0: none */
	slice_t payload;
};

enum volume_kind { VOLUME_SHARED = 1, VOLUME_SINGLE };
struct row_volume {
	enum volume_kind kind;
	uint64_t total, live; /* bytes of records, frames included */
};

/* Encoders append to w (rows with a bound) or to a buffer; decoders' slices point into `in`. */
#define REC_ROW_MAX 512
void row_state_encode(const struct row_state *s, struct rec_w *w);
enum err row_state_decode(slice_t in, struct row_state *out) MUST_USE;
void row_account_encode(const struct row_account *a, struct rec_w *w);
enum err row_account_decode(slice_t in, struct row_account *out) MUST_USE;
void row_mailbox_encode(const struct row_mailbox *m, struct rec_w *w);
enum err row_mailbox_decode(slice_t in, struct row_mailbox *out) MUST_USE;
void row_message_encode(const struct row_message *m, struct rec_w *w);
enum err row_message_decode(slice_t in, struct row_message *out) MUST_USE;
size_t row_email_size(const struct row_email *e);
void row_email_encode(const struct row_email *e, struct rec_w *w);
enum err row_email_decode(slice_t in, struct row_email *out) MUST_USE;
void row_thread_encode(const struct row_thread *t, struct rec_w *w);
enum err row_thread_decode(slice_t in, struct row_thread *out) MUST_USE;
size_t row_record_size(const struct row_record *r);
void row_record_encode(const struct row_record *r, struct rec_w *w);
enum err row_record_decode(slice_t in, struct row_record *out) MUST_USE;
size_t row_log_size(const struct row_log *l);
void row_log_encode(const struct row_log *l, struct rec_w *w);
enum err row_log_decode(slice_t in, struct row_log *out) MUST_USE;
size_t row_dedupe_size(const struct row_dedupe *d);
void row_dedupe_encode(const struct row_dedupe *d, struct rec_w *w);
enum err row_dedupe_decode(slice_t in, struct row_dedupe *out) MUST_USE;
size_t row_queue_size(const struct row_queue *q);
void row_queue_encode(const struct row_queue *q, struct rec_w *w);
enum err row_queue_decode(slice_t in, struct row_queue *out) MUST_USE;
void row_volume_encode(const struct row_volume *v, struct rec_w *w);
enum err row_volume_decode(slice_t in, struct row_volume *out) MUST_USE;

/* Ranges as differences. */
void ranges_encode(const struct uid_range *v, size_t n, struct buf *out);
/* Calls of next give the ranges; false at the end (bad then tells whether it was in order). */
bool ranges_next(struct rec_r *r, uint32_t *last_io, struct uid_range *out);

/* Keyword names of a mailbox: a length byte and a name, 64 times at most. */
enum err names_decode(slice_t in, slice_t *names, unsigned *n_out) MUST_USE;

/* The summary's three rows. */
void row_summary_encode(const struct summary *s, struct buf *out);
void row_detail_encode(const struct summary *s, struct buf *out);
void row_fields_encode(const struct summary *s, struct buf *out);

struct row_summary {
	uint32_t parser_version;
	uint64_t header_size, lines;
	slice_t envelope, bodystructure;
};
enum err row_summary_decode(slice_t in, struct row_summary *out) MUST_USE;

struct row_detail {
	int64_t sent_us;
	int32_t sent_zone_min;
	slice_t subject, base_subject, from, to, cc, bcc, message_id;
	uint32_t nreferences, nparts;
	struct rec_r references, parts; /* each at its first element */
};
/* Checks the head; elements are read by rec_rbytes() and detail_part(). */
enum err row_detail_decode(slice_t in, struct row_detail *out) MUST_USE;
bool detail_part(struct rec_r *r, struct summary_part *out);

struct row_fields {
	bool complete;
	uint32_t n;
	struct rec_r fields;
};
enum err row_fields_decode(slice_t in, struct row_fields *out) MUST_USE;
bool fields_next(struct rec_r *r, struct summary_field *out);

#endif
