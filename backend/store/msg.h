/*
 * msg: reads of messages, in columns, slice by slice; and of stored bytes. Not on a loop's thread;
 * see store.h.
 *
 *   struct msg_slice s;
 *   msg_slice_init(&s);
 *   for (uint32_t next = 1; next != 0; next = s.next_uid)
 *       e = msg_fetch(p, &query, next, &s);     -- s.n rows, pack them
 *   msg_slice_fini(&s);
 */
#ifndef BACKEND_STORE_MSG_H
#define BACKEND_STORE_MSG_H

#include "backend/store/partition.h"
#include "backend/store/summary.h"
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/record/record.h"

/* Columns, as the bits of proto/message.proto. */
enum msg_column {
	MSG_FLAGS = 1,
	MSG_SIZE = 2,
	MSG_DATE = 4,
	MSG_ENVELOPE = 8,
	MSG_BODYSTRUCTURE = 16,
	MSG_FIELDS = 32,
	MSG_PARTS = 64,
	MSG_IDS = 128,
	MSG_PREFIX = 256,
	MSG_RECORD = 1 << 16, /* this side's own: what is needed to read the stored bytes */
};

struct msg_query {
	uint64_t account, mailbox;
	const struct uid_range *uids;
	size_t nuids;
	uint32_t columns;
	uint64_t fields_mask;
	uint64_t changed_since; /* only messages with a greater MODSEQ; 0: all */
};

/* A message's record, without its place. */
struct msg_record {
	uint64_t no; /* the record's number in the partition */
	unsigned char id[RECORD_ID_SIZE];
	enum record_compression compression;
	enum record_seal seal;
	uint64_t plain_size, stored_size;
	const uint32_t *table; /* nblocks entries, as in the record: length and RECORD_KEPT_PLAIN */
	uint32_t nblocks;
};

/* Runs of the flat arrays that belong to one row. */
struct msg_run {
	uint32_t first, n;
};

/* Columns that were asked for are filled for rows 0..n-1. All memory is the slice's. Texts and
 * lists that a message does not have are empty. */
struct msg_slice {
	unsigned n;
	uint32_t next_uid; /* go on from here; 0: there is no more */
	uint32_t uid[STORE_SLICE_ROWS];
	uint32_t flags[STORE_SLICE_ROWS];
	uint64_t keywords[STORE_SLICE_ROWS];
	uint64_t modseq[STORE_SLICE_ROWS];
	uint64_t size[STORE_SLICE_ROWS]; /* prefix and record */
	int64_t date_us[STORE_SLICE_ROWS];
	uint64_t email_id[STORE_SLICE_ROWS];
	uint64_t thread_id[STORE_SLICE_ROWS];
	slice_t envelope[STORE_SLICE_ROWS];
	slice_t bodystructure[STORE_SLICE_ROWS];
	slice_t prefix[STORE_SLICE_ROWS];
	struct msg_run field_run[STORE_SLICE_ROWS];
	bool fields_complete[STORE_SLICE_ROWS];
	struct msg_run part_run[STORE_SLICE_ROWS];
	struct msg_record record[STORE_SLICE_ROWS];
	struct summary_field *fields; /* flat */
	struct summary_part *parts;   /* flat */
	size_t nfields, nparts, fields_cap, parts_cap;
	struct buf bytes;  /* what the slices point into */
	struct buf tables; /* what record[].table points into */
};
void msg_slice_init(struct msg_slice *s);
void msg_slice_fini(struct msg_slice *s);
/* Bytes that it holds, with itself. */
size_t msg_slice_memory(const struct msg_slice *s);

/* Bytes of texts in one slice beyond which it ends early, so that one DATA frame holds it. */
#define MSG_SLICE_BYTES 32768

/* The next slice of messages at or above from_uid. Fewer rows than STORE_SLICE_ROWS when they are
 * fat; at least one while there is one. E_NOT_FOUND: the mailbox is gone. E_CORRUPT: logged. */
enum err msg_fetch(struct partition *p, const struct msg_query *q, uint32_t from_uid,
		   struct msg_slice *out) MUST_USE;

/* Stored bytes [from, to) of a record. */
struct msg_span {
	uint64_t record_no;
	uint64_t from, to;
};
/* The stored bytes of blocks first..last of a record with this table. */
struct msg_span msg_span_blocks(const struct msg_record *r, uint32_t first, uint32_t last);
/* Appends the bytes of all spans, in order, without gaps. Places are looked up anew at every
 * call; records that are neighbours on disk are read in one go. E_NOT_FOUND: a record is gone
 * (expunged for longer than the grace); E_LIMIT: out's maximum; E_IO, E_CORRUPT. */
enum err msg_read(struct partition *p, const struct msg_span *spans, size_t n,
		  struct buf *out) MUST_USE;

/* Everything that was delivered with a record: for a queue item that is sent on. Texts and arrays
 * lie in *out's own memory. E_NOT_FOUND. */
struct msg_whole {
	struct msg_record record;
	struct summary summary;
	slice_t text;
	/* memory */
	struct buf bytes, tables;
	struct summary_part *parts;
	struct summary_field *fields;
	slice_t references[SUMMARY_REFERENCES_MAX];
};
void msg_whole_init(struct msg_whole *w);
void msg_whole_fini(struct msg_whole *w);
enum err msg_whole(struct partition *p, uint64_t record_no, struct msg_whole *out) MUST_USE;

/* A record's row alone; the table lies in the arena. E_NOT_FOUND. */
enum err msg_record(struct partition *p, uint64_t record_no, struct arena *mem,
		    struct msg_record *out) MUST_USE;

/* One message's search text, compressed as it came; empty when there is none. */
enum err msg_text(struct partition *p, uint64_t account, uint64_t mailbox, uint32_t uid,
		  struct buf *out) MUST_USE;

#endif
