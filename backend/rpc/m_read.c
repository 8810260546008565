/*
 * Message.Read: stored bytes of many messages as one stream. A job on a reader thread fetches the
 * next rows when they are used up and reads up to a step's bytes of record blocks (neighbours on
 * disk in one go); the fiber packs heads and bytes into DATA frames. Nothing is opened here.
 *
 * Who asks and does not read the answer holds the bytes of a step. They are charged to the link,
 * and steps are shorter when a quarter of its memory is taken.
 */
#include "backend/rpc/convert.h"
#include "backend/rpc/rpc_methods.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define STEP_BYTES   (256u * 1024)
#define STEP_SHORT   RECORD_BLOCK
#define FRAME_BYTES  (64u * 1024)
#define PIECES_MAX   STORE_SLICE_ROWS
#define READ_COLUMNS (MSG_FLAGS | MSG_SIZE | MSG_DATE | MSG_PARTS | MSG_IDS)

/* Blocks first..last of a row; `head` when the row begins here. */
struct piece {
	unsigned row;
	uint32_t first, last;
	bool head, blocks;
	uint64_t bytes;
};

struct reading {
	struct partition *part;
	struct msg_query query;
	uint64_t from, to; /* plain bytes wanted of each record */
	struct msg_slice slice;
	uint32_t next_uid; /* 0: no more slices */
	unsigned row;      /* the next of the slice to plan */
	uint32_t block;    /* ... and its next block */
	bool started;      /* row's head was planned */
	struct piece pieces[PIECES_MAX];
	unsigned npieces;
	size_t step_bytes;
	struct buf bytes;
	enum err result;
	struct buf frame;
};

/* The blocks that hold [from, to) of a record; false: none. */
static bool wanted_blocks(const struct reading *r, const struct msg_record *rec, uint32_t *first,
			  uint32_t *last)
{
	uint64_t to = r->to != 0 && r->to < rec->plain_size ? r->to : rec->plain_size;

	if (r->from >= to || rec->nblocks == 0)
		return false;
	*first = (uint32_t)(r->from / RECORD_BLOCK);
	*last = (uint32_t)((to - 1) / RECORD_BLOCK);
	return *last < rec->nblocks;
}

/* One more piece, as long as it fits the step; false: the step is full. */
static bool plan_piece(struct reading *r, uint64_t *left)
{
	const struct msg_record *rec = &r->slice.record[r->row];
	struct piece *p = &r->pieces[r->npieces];
	uint32_t first = 0, last = 0;

	*p = (struct piece){.row = r->row, .head = !r->started};
	if (wanted_blocks(r, rec, &first, &last)) {
		p->blocks = true;
		p->first = r->started ? r->block : first;
		for (p->last = p->first;; p->last++) {
			p->bytes += record_entry_len(rec->table[p->last]);
			if (p->last == last || p->bytes >= *left)
				break;
		}
		if (p->bytes > *left && r->npieces != 0)
			return false;
		*left -= MIN(*left, p->bytes);
	}
	r->npieces++;
	r->started = p->blocks && p->last < last;
	if (r->started)
		r->block = p->last + 1;
	else
		r->row++;
	return *left != 0;
}

static void plan(struct reading *r)
{
	uint64_t left = r->step_bytes;

	r->npieces = 0;
	while (r->row < r->slice.n && r->npieces < PIECES_MAX && plan_piece(r, &left))
		;
}

static enum err read_pieces(struct reading *r)
{
	struct msg_span spans[PIECES_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < r->npieces; i++) {
		const struct piece *p = &r->pieces[i];

		if (p->blocks)
			spans[n++] = msg_span_blocks(&r->slice.record[p->row], p->first, p->last);
	}
	return n != 0 ? msg_read(r->part, spans, n, &r->bytes) : E_OK;
}

/* On a reader thread. A record that was expunged long ago ends the whole answer: its message is
 * gone from the mailbox too, so the asker's next look will not have it. */
static void step(void *arg)
{
	struct reading *r = arg;

	r->result = E_OK;
	if (r->row == r->slice.n && !r->started) {
		r->result = msg_fetch(r->part, &r->query, r->next_uid, &r->slice);
		r->next_uid = r->slice.next_uid;
		r->row = 0;
	}
	if (r->result != E_OK)
		return;
	plan(r);
	r->result = read_pieces(r);
}

/* ---- frames ---- */

WAITS static enum err flush(struct mcall *c, struct reading *r)
{
	enum err e = r->frame.n != 0 ? rpc_req_send(c->req, buf_slice(&r->frame)) : E_OK;

	buf_reset(&r->frame);
	return e;
}

static void fill_head(const struct reading *r, const struct piece *p, struct arena *mem,
		      Postern__ReadHead *h)
{
	const struct msg_slice *s = &r->slice;
	const struct msg_record *rec = &s->record[p->row];
	uint32_t first, last;

	postern__read_head__init(h);
	h->uid = s->uid[p->row];
	h->prefix = MCALL_BYTES(s->prefix[p->row]);
	h->plain_size = rec->plain_size;
	h->record_id = MCALL_BYTES(slice(rec->id, sizeof rec->id));
	h->algorithm = (uint32_t)rec->compression | (uint32_t)rec->seal << 8;
	if (wanted_blocks(r, rec, &first, &last)) {
		h->first_block = first;
		h->blocks = (uint32_t *)(uintptr_t)(rec->table + first);
		h->n_blocks = last - first + 1;
		for (uint32_t i = first; i <= last; i++)
			h->stored += record_entry_len(rec->table[i]);
	}
	if ((r->query.columns & MSG_FLAGS) != 0) {
		h->flags = s->flags[p->row];
		h->keywords = s->keywords[p->row];
		h->modseq = s->modseq[p->row];
	}
	if ((r->query.columns & MSG_DATE) != 0)
		h->date_us = s->date_us[p->row];
	if ((r->query.columns & MSG_PARTS) != 0)
		h->parts = convert_parts(s, p->row, mem);
	if ((r->query.columns & MSG_IDS) != 0) {
		h->email_id = s->email_id[p->row];
		h->thread_id = s->thread_id[p->row];
	}
}

WAITS static enum err put_head(struct mcall *c, struct reading *r, const struct piece *p)
{
	Postern__ReadHead h;
	struct arena mem;
	enum err e = E_OK;
	size_t n;

	arena_init(&mem, NULL);
	fill_head(r, p, &mem, &h);
	n = postern__read_head__get_packed_size(&h);
	if (n + 4 > RPC_PAYLOAD_MAX)
		e = E_TOO_BIG; /* 16,384 blocks and 1,000 parts at once */
	if (e == E_OK && r->frame.n + n + 4 > FRAME_BYTES)
		e = flush(c, r);
	if (e == E_OK) {
		char *to = buf_reserve(&r->frame, n + 4);

		be32_put(to, (uint32_t)n);
		postern__read_head__pack(&h, (uint8_t *)to + 4);
		buf_commit(&r->frame, n + 4);
	}
	arena_reset(&mem);
	return e;
}

WAITS static enum err put_bytes(struct mcall *c, struct reading *r, slice_t bytes)
{
	enum err e = E_OK;

	while (e == E_OK && bytes.n != 0) {
		size_t n = MIN(bytes.n, FRAME_BYTES - MIN(r->frame.n, (size_t)FRAME_BYTES));

		buf_put(&r->frame, slice_sub(bytes, 0, n));
		bytes = slice_from(bytes, n);
		if (bytes.n != 0)
			e = flush(c, r);
	}
	return e;
}

WAITS static enum err send_pieces(struct mcall *c, struct reading *r)
{
	slice_t bytes = buf_slice(&r->bytes);
	enum err e = E_OK;

	for (unsigned i = 0; e == E_OK && i < r->npieces; i++) {
		const struct piece *p = &r->pieces[i];

		if (p->head)
			e = put_head(c, r, p);
		if (e == E_OK)
			e = put_bytes(c, r, slice_sub(bytes, 0, p->bytes));
		bytes = slice_from(bytes, p->bytes);
	}
	return e;
}

static bool more(const struct reading *r)
{
	return r->next_uid != 0 || r->row < r->slice.n || r->started;
}

static void choose_step(const struct mcall *c, struct reading *r)
{
	const struct budget *b = rpc_link_budget(rpc_req_link(c->req));

	r->step_bytes = b->used < b->max / 4 ? STEP_BYTES : STEP_SHORT;
	buf_reset(&r->bytes);
	if (r->step_bytes == STEP_SHORT)
		buf_trim(&r->bytes);
}

/* While the asker does not read. The frame grows only now, with what was read and the heads. */
static size_t held(const struct reading *r)
{
	size_t frame = r->bytes.n + r->slice.bytes.n + r->slice.tables.n;

	return sizeof(*r) - sizeof(r->slice) + msg_slice_memory(&r->slice) + r->bytes.cap +
	       MIN(frame, (size_t)RPC_PAYLOAD_MAX);
}

WAITS static enum err send_all(struct mcall *c, struct reading *r)
{
	enum err e = mcall_reply(c, NULL, RPC_BODY);

	while (e == E_OK && more(r)) {
		choose_step(c, r);
		e = mcall_read("message.read", step, r);
		if (e == E_OK)
			e = r->result;
		if (e == E_OK && !mcall_hold(c, held(r)))
			e = E_BUSY;
		if (e == E_OK)
			e = send_pieces(c, r);
	}
	if (e == E_OK)
		e = flush(c, r);
	return e == E_OK ? rpc_req_send_end(c->req) : e;
}

WAITS enum err m_message_read(struct mcall *c)
{
	const Postern__MessageRead *m = (const void *)c->msg;
	struct uid_range *uids;
	struct reading *r;
	enum err e = convert_uids(m->uids, m->n_uids, &c->mem, &uids);

	if (e != E_OK || (m->to != 0 && m->to < m->from))
		return E_INVALID;
	r = xcalloc(1, sizeof *r);
	r->part = c->part;
	r->from = m->from;
	r->to = m->to;
	r->query = (struct msg_query){
		.account = c->account.id,
		.mailbox = m->mailbox,
		.uids = uids,
		.nuids = m->n_uids,
		.columns = (m->columns & READ_COLUMNS) | MSG_RECORD | MSG_PREFIX,
	};
	r->next_uid = m->n_uids != 0 ? uids[0].first : 0;
	msg_slice_init(&r->slice);
	buf_init(&r->bytes, STEP_BYTES + RECORD_BLOCK_STORED_MAX, NULL);
	buf_init(&r->frame, RPC_PAYLOAD_MAX, NULL);
	e = send_all(c, r);
	msg_slice_fini(&r->slice);
	buf_fini(&r->bytes);
	buf_fini(&r->frame);
	xfree(&r);
	return e;
}
