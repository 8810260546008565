/*
 * imap_fetch: what the files of FETCH share.
 *
 *   imap_fetch.c      the command: plan, \Seen, the streams of all messages at once
 *   imap_fetch_out.c  one message's answer
 *   imap_fetch_binary.c  BINARY: items that are decoded first
 *   imap_fetch_one.c  messages that the streams could not answer, one at a time
 *
 * One MessageFetch stream brings the columns of all messages and one MessageRead stream their
 * bytes, side by side, ascending by UID. How much of each record to ask for is guessed from the
 * items alone; where the guess was too small, or a large message was asked for in several pieces,
 * the message is put aside and asked for by itself, exactly. A message of up to IMAP_GATHER_MAX
 * is cut in memory, a larger one goes from block to client: no session holds more than that,
 * whatever it fetches.
 */
#ifndef FRONTEND_IMAP_IMAP_FETCH_H
#define FRONTEND_IMAP_IMAP_FETCH_H

#include "frontend/imap/imap_cut.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/rpc/call_message.h"

/* Four blocks: nearly all mail; larger pieces are streamed. */
#define IMAP_GATHER_MAX (256u * 1024)
/* Up to so many messages are asked for one at a time from the start when body parts are wanted:
 * their part tables save reading what is not wanted. */
#define IMAP_ONE_MAX    4u

/* What is known of the message just being answered. */
struct imap_fetched {
	uint32_t uid, flags;
	uint64_t keywords, modseq;
	uint64_t size; /* prefix and record */
	int64_t date_us;
	slice_t envelope, bodystructure;
	const struct fetch_fields *fields; /* answer HEADER.FIELDS from these */
	struct imap_layout layout;
};

/* A place in a section that is being decoded. */
struct imap_place {
	uint32_t uid;
	uint64_t off, end;    /* the section's bytes in the record */
	struct decode decode; /* as it is at this place */
	uint64_t raw, plain;  /* in the record; in what comes out */
};

struct imap_fetch {
	struct imap *im;
	struct imap_cmd *c;
	struct imap_fetch_items items;
	struct uid_set seqs;     /* asked for */
	struct uid_set uids;     /* the same */
	struct uid_set seen;     /* that this command gave \Seen: their FLAGS are told */
	struct uid_set later;    /* to be asked for one at a time */
	uint64_t told;           /* messages answered */
	struct fetch_spec spec;  /* of the columns' stream; no columns: none */
	bool read;               /* the stream of bytes is needed */
	bool parts;              /* and part tables */
	uint64_t from, to;       /* bytes of each record; to = 0: to the end */
	struct imap_span *spans; /* one an item; in the command's arena */
	struct buf gather;       /* bytes of one message */
	struct buf fields;       /* of one item whose bytes are not the stored ones: HEADER.FIELDS,
				    a BINARY or a block of it */
	bool separate;           /* the next item needs a space before it */
	bool corrupt;            /* a message was passed over: its stored bytes make no sense */
	bool unknown_cte;        /* a BINARY was left out: nobody knows how to decode it */
	bool in_literal;         /* an error now leaves the client waiting for bytes */
};

/* "* n FETCH (" and the items that are no bytes. False: the client does not know the message. */
bool imap_fetch_begin(struct imap_fetch *f, const struct imap_fetched *m);
/* An item's name, and what stands before and after it. */
void imap_fetch_name(struct imap_fetch *f, slice_t name);
/* What of a block that begins at `at` lies in [lo, hi). */
slice_t imap_fetch_overlap(slice_t block, uint64_t at, uint64_t lo, uint64_t hi);
/* ")". */
void imap_fetch_end(struct imap_fetch *f);
/* One data item from bytes [at, at + bytes.n) of the record, which hold its span. */
void imap_fetch_data(struct imap_fetch *f, const struct imap_fetch_item *item,
		     const struct imap_span *span, slice_t bytes, uint64_t at);
/* One HEADER.FIELDS item from fields that a store kept, and the prefix. */
void imap_fetch_kept(struct imap_fetch *f, const struct imap_fetch_item *item,
		     const struct imap_fetched *m);
/* One data item whose bytes are streamed from the reader, which stands before the first block. */
WAITS enum err imap_fetch_stream(struct imap_fetch *f, const struct imap_fetch_item *item,
				 const struct imap_span *span, struct message_read *r,
				 const struct read_head *head) MUST_USE;
/* The message's items are cut. Takes note of a BINARY that cannot be decoded, which is left out;
 * false: nothing is left that could be told. */
bool imap_fetch_decodable(struct imap_fetch *f, uint32_t uid);
/* imap_fetch_data of a BINARY or BINARY.SIZE; bytes may be none where imap_needs_bytes says so. */
void imap_fetch_binary(struct imap_fetch *f, const struct imap_fetch_item *item,
		       const struct imap_span *span, slice_t bytes, uint64_t at);
/* The same of a span too large for memory, of the one message in the set. */
WAITS enum err imap_fetch_binary_large(struct imap_fetch *f, const struct imap_fetch_item *item,
				       const struct imap_span *span,
				       const struct message_set *set) MUST_USE;
/* Reads the blocks that hold [lo, hi); *out borrows the reader or f->gather. */
WAITS enum err imap_fetch_gather(struct imap_fetch *f, struct message_read *r,
				 const struct read_head *head, uint64_t lo, uint64_t hi,
				 slice_t *out) MUST_USE;
/* After one message: E_OK where its failure need not keep the others from being told. */
enum err imap_fetch_passed(struct imap_fetch *f, enum err e) MUST_USE;
/* The messages of f->later. */
WAITS enum err imap_fetch_later(struct imap_fetch *f) MUST_USE;
/* Columns of the items that are no bytes. */
uint32_t imap_fetch_columns(const struct imap_fetch *f);
/* Takes row i of a batch. */
void imap_fetch_take_row(struct imap_fetched *m, const struct fetch_batch *b, size_t i);

#endif
