/*
 * MessageRead: stored bytes of many messages in one stream. DATA frames hold, one after the other,
 * u32 length, ReadHead, block bytes; a head is never cut, block bytes may go on in the next frame.
 * Nothing here is taken on trust: what a head says is checked before a block of it is opened, and
 * a block that does not open to exactly its length ends the call.
 *
 * No allocation a message: a head's memory is given back when the frame that held it is left, and
 * the two buffers (a block gathered from two frames, a block opened) live as long as the call.
 */
#include "common/base/num.h"
#include "frontend/record/record_read.h"
#include "frontend/rpc/call_message_priv.h"
#include "frontend/rpc/call_priv.h"

struct message_read {
	struct ticket *ticket; /* borrowed */
	struct message_set set;
	uint32_t columns;
	uint64_t from, to;
	struct rpc_call *call;
	bool answered;
	size_t at;          /* ranges asked for so far */
	slice_t frame;      /* what is left of the newest frame */
	struct arena arena; /* heads of the newest frames */
	bool arena_old;     /* a frame was left: the next head may empty it */
	struct read_head head;
	const uint32_t *blocks; /* of the head, in the arena */
	uint32_t nblocks, next; /* next: of them */
	uint32_t first_block;
	enum record_compression compression;
	struct buf stored; /* a block that came in pieces */
	struct buf plain;  /* the block opened last */
};

WAITS static enum err read_ask(struct message_read *r)
{
	Postern__MessageRead req = POSTERN__MESSAGE_READ__INIT;
	struct call_ticket copy;
	struct arena a;
	enum err e = call_begin(r->ticket, &copy, &req.ticket);
	size_t n = MIN(r->set.n - r->at, (size_t)MESSAGE_RANGES_MAX);

	if (e != E_OK)
		return e;
	arena_init(&a, NULL);
	req.mailbox = r->set.mailbox;
	req.uids = call_ranges(&a, r->set.ranges + r->at, n);
	req.n_uids = n;
	req.columns = r->columns;
	req.from = r->from;
	req.to = r->to;
	e = rpc_client_open(rpc_client_partition(r->ticket->partition),
			    POSTERN__METHOD__METHOD_MESSAGE_READ, &req.base, RPC_NO_BODY,
			    deadline_in(CALL_STREAM_MS), &r->call);
	arena_reset(&a);
	r->at += n;
	r->answered = false;
	return e;
}

WAITS enum err call_message_read(struct ticket *t, const struct message_set *set, uint32_t columns,
				 uint64_t from, uint64_t to, struct budget *budget,
				 struct message_read **out)
{
	struct message_read *r = xcalloc(1, sizeof *r);
	enum err e = E_OK;

	r->ticket = t;
	r->set = *set;
	r->columns = columns;
	r->from = from;
	r->to = to;
	arena_init(&r->arena, budget);
	buf_init(&r->stored, RECORD_BLOCK_STORED_MAX, budget);
	buf_init(&r->plain, RECORD_BLOCK, budget);
	*out = r;
	if (set->n != 0)
		e = read_ask(r);
	if (e != E_OK)
		message_read_free(out);
	return e;
}

/* Makes r->frame not empty. E_CLOSED: no more of this request. */
WAITS static enum err next_frame(struct message_read *r)
{
	enum err e;

	if (!r->answered) {
		e = rpc_call_response(r->call, NULL);
		if (e != E_OK)
			return e;
		r->answered = true;
	}
	r->arena_old = true;
	e = rpc_call_recv(r->call, &r->frame);
	return e == E_OK && r->frame.n == 0 ? E_INTERNAL : e;
}

/* Sizes and block lengths of a head. */
static enum err check_head(struct message_read *r, const Postern__ReadHead *h)
{
	uint64_t sum = 0;
	uint32_t count = h->plain_size <= RECORD_PLAIN_MAX ? record_block_count(h->plain_size) : 0;

	if (h->uid == 0 || h->plain_size > RECORD_PLAIN_MAX || h->prefix.len > MESSAGE_PREFIX_MAX ||
	    h->first_block > count || h->n_blocks > count - h->first_block)
		return E_CORRUPT;
	if (h->n_blocks != 0 && (h->algorithm >> 8) != RECORD_SEAL_NONE)
		return E_INVALID;
	if ((h->algorithm & 0xFF) > RECORD_COMP_ZSTD)
		return E_INVALID;
	for (size_t i = 0; i < h->n_blocks; i++) {
		uint32_t len = record_entry_len(h->blocks[i]);

		if (len == 0 || len > RECORD_BLOCK_STORED_MAX)
			return E_CORRUPT;
		sum += len;
	}
	if (sum != h->stored)
		return E_CORRUPT;
	r->blocks = h->blocks;
	r->nblocks = (uint32_t)h->n_blocks;
	r->next = 0;
	r->first_block = h->first_block;
	r->compression =
		(h->algorithm & 0xFF) == RECORD_COMP_ZSTD ? RECORD_COMP_ZSTD : RECORD_COMP_NONE;
	return E_OK;
}

static enum err take_head(struct message_read *r)
{
	const Postern__ReadHead *h;
	ProtobufCMessage *m;
	uint32_t n;
	enum err e;

	if (r->frame.n < 4)
		return E_CORRUPT;
	n = be32_get(r->frame.p);
	if (n > r->frame.n - 4)
		return E_CORRUPT;
	if (r->arena_old)
		arena_reset(&r->arena);
	r->arena_old = false;
	e = rpc_client_unpack(&postern__read_head__descriptor, slice_sub(r->frame, 4, n), &r->arena,
			      &m);
	r->frame = slice_from(r->frame, 4 + (size_t)n);
	if (e != E_OK)
		return e;
	h = (const Postern__ReadHead *)m;
	e = check_head(r, h);
	if (e != E_OK)
		return e;
	r->head = (struct read_head){
		.uid = h->uid,
		.prefix = call_slice(h->prefix),
		.plain_size = h->plain_size,
		.from = MIN((uint64_t)r->first_block * RECORD_BLOCK, h->plain_size),
		.to = MIN((uint64_t)(r->first_block + r->nblocks) * RECORD_BLOCK, h->plain_size),
		.flags = h->flags,
		.keywords = h->keywords,
		.modseq = h->modseq,
		.date_us = h->date_us,
		.email_id = h->email_id,
		.thread_id = h->thread_id,
	};
	if (h->parts != NULL) {
		r->head.parts = call_take_parts(&r->arena, h->parts);
		r->head.nparts = h->parts->n_parts;
	}
	return E_OK;
}

/* The stored bytes of the next block: from the frame when they lie in it whole. */
WAITS static enum err take_stored(struct message_read *r, slice_t *out)
{
	size_t want = record_entry_len(r->blocks[r->next]);

	if (r->frame.n >= want) {
		*out = slice_sub(r->frame, 0, want);
		r->frame = slice_from(r->frame, want);
		return E_OK;
	}
	buf_reset(&r->stored);
	while (r->stored.n < want) {
		slice_t part;

		if (r->frame.n == 0) {
			enum err e = next_frame(r);

			if (e != E_OK)
				return e == E_CLOSED ? E_CORRUPT : e;
		}
		part = slice_sub(r->frame, 0, want - r->stored.n);
		buf_put(&r->stored, part);
		if (buf_failed(&r->stored))
			return E_LIMIT;
		r->frame = slice_from(r->frame, part.n);
	}
	*out = buf_slice(&r->stored);
	return E_OK;
}

WAITS enum err message_read_block(struct message_read *r, slice_t *plain_out)
{
	uint32_t plain;
	slice_t stored;
	enum err e;

	if (r->next == r->nblocks)
		return E_CLOSED;
	e = take_stored(r, &stored);
	if (e != E_OK)
		return e;
	plain = record_block_plain(r->head.plain_size, r->first_block + r->next);
	e = record_block_open(r->blocks[r->next], plain, r->compression, stored, &r->plain);
	r->next++;
	*plain_out = buf_slice(&r->plain);
	return e;
}

WAITS static enum err skip_blocks(struct message_read *r)
{
	while (r->next < r->nblocks) {
		slice_t stored;
		enum err e = take_stored(r, &stored);

		if (e != E_OK)
			return e;
		r->next++;
	}
	return E_OK;
}

WAITS enum err message_read_next(struct message_read *r, const struct read_head **out)
{
	enum err e = skip_blocks(r);

	*out = &r->head;
	while (e == E_OK && r->frame.n == 0) {
		if (r->call == NULL) {
			if (r->at == r->set.n)
				return E_CLOSED;
			e = read_ask(r);
		}
		if (e == E_OK)
			e = next_frame(r);
		if (e == E_CLOSED) {
			rpc_call_free(&r->call);
			r->frame = SLICE_NONE;
			e = E_OK;
		}
	}
	return e == E_OK ? take_head(r) : e;
}

void message_read_free(struct message_read **r)
{
	if (*r == NULL)
		return;
	if ((*r)->call != NULL)
		rpc_call_free(&(*r)->call);
	arena_reset(&(*r)->arena);
	buf_fini(&(*r)->stored);
	buf_fini(&(*r)->plain);
	xfree(r);
}
