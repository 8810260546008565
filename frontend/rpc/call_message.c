/* Columns, changes and searches; the bytes of messages are in call_read.c and call_append.c. */
#include "frontend/rpc/call_message.h"

#include "common/crypto/random.h"
#include "frontend/rpc/call_priv.h"
#include "frontend/rpc/call_message_priv.h"

#define TXID_BYTES 16

/* ---- columns ---- */

struct message_fetch {
	struct ticket *ticket; /* borrowed */
	struct message_set set;
	struct fetch_spec spec;
	struct rpc_call *call;
	bool answered;
	size_t at;          /* ranges asked for so far */
	struct arena arena; /* of the batch given out last */
};

WAITS static enum err fetch_ask(struct message_fetch *f)
{
	Postern__MessageFetch req = POSTERN__MESSAGE_FETCH__INIT;
	struct call_ticket copy;
	struct arena a;
	enum err e = call_begin(f->ticket, &copy, &req.ticket);
	size_t n = MIN(f->set.n - f->at, (size_t)MESSAGE_RANGES_MAX);

	if (e != E_OK)
		return e;
	arena_init(&a, NULL);
	req.mailbox = f->set.mailbox;
	req.uids = call_ranges(&a, f->set.ranges + f->at, n);
	req.n_uids = n;
	req.columns = f->spec.columns;
	req.fields_mask = f->spec.fields_mask;
	req.changed_since = f->spec.changed_since;
	req.known_keywords = f->spec.known_keywords;
	e = rpc_client_open(rpc_client_partition(f->ticket->partition),
			    POSTERN__METHOD__METHOD_MESSAGE_FETCH, &req.base, RPC_NO_BODY,
			    deadline_in(CALL_STREAM_MS), &f->call);
	arena_reset(&a);
	f->at += n;
	f->answered = false;
	return e;
}

WAITS enum err call_message_fetch(struct ticket *t, const struct message_set *set,
				  const struct fetch_spec *spec, struct message_fetch **out)
{
	struct message_fetch *f = xcalloc(1, sizeof *f);
	enum err e = E_OK;

	f->ticket = t;
	f->set = *set;
	f->spec = *spec;
	arena_init(&f->arena, NULL);
	*out = f;
	if (set->n != 0)
		e = fetch_ask(f);
	if (e != E_OK)
		message_fetch_free(out);
	return e;
}

static const slice_t *take_bytes(struct arena *a, const ProtobufCBinaryData *in, size_t n)
{
	slice_t *s;

	if (n == 0)
		return NULL;
	s = arena_alloc(a, n * sizeof *s);
	for (size_t i = 0; i < n; i++)
		s[i] = call_slice(in[i]);
	return s;
}

static const struct fetch_fields *take_fields(struct arena *a, Postern__FieldList *const *in,
					      size_t n)
{
	struct fetch_fields *f;

	if (n == 0)
		return NULL;
	f = arena_alloc(a, n * sizeof *f);
	for (size_t i = 0; i < n; i++) {
		slice_t *raw = arena_alloc(a, (in[i]->n_fields + 1) * sizeof *raw);

		for (size_t k = 0; k < in[i]->n_fields; k++)
			raw[k] = call_slice(in[i]->fields[k]->raw);
		f[i] = (struct fetch_fields){raw, in[i]->n_fields, in[i]->complete};
	}
	return f;
}

const struct mime_part *call_take_parts(struct arena *a, const Postern__PartTable *t)
{
	struct mime_part *p = arena_alloc(a, (t->n_parts + 1) * sizeof *p);

	for (size_t i = 0; i < t->n_parts; i++) {
		const Postern__Part *q = t->parts[i];

		/* Values outside of the enums come out as the last one: harmless here. */
		p[i] = (struct mime_part){
			.parent = q->parent != 0 ? q->parent - 1 : 0,
			.kind = q->kind >= 0 && (unsigned)q->kind <= MIME_MESSAGE
					? (enum mime_kind)q->kind
					: MIME_LEAF,
			.cte = q->encoding <= MIME_CTE_OTHER ? (enum mime_cte)q->encoding
							     : MIME_CTE_OTHER,
			.header_off = q->header_off,
			.body_off = q->body_off,
			.body_end = q->body_end,
			.lines = q->lines,
		};
	}
	return p;
}

static const struct fetch_parts *take_part_tables(struct arena *a, Postern__PartTable *const *in,
						  size_t n)
{
	struct fetch_parts *p;

	if (n == 0)
		return NULL;
	p = arena_alloc(a, n * sizeof *p);
	for (size_t i = 0; i < n; i++)
		p[i] = (struct fetch_parts){call_take_parts(a, in[i]), in[i]->n_parts};
	return p;
}

/* Columns that were asked for have as many elements as uid, others none. */
static bool columns_fit(const Postern__FetchBatch *b, uint32_t columns)
{
	const struct {
		uint32_t column;
		size_t n;
	} all[] = {
		{MESSAGE_COL_FLAGS, b->n_flags},
		{MESSAGE_COL_FLAGS, b->n_keywords},
		{MESSAGE_COL_FLAGS, b->n_modseq},
		{MESSAGE_COL_SIZE, b->n_size},
		{MESSAGE_COL_DATE, b->n_date_us},
		{MESSAGE_COL_ENVELOPE, b->n_envelope},
		{MESSAGE_COL_BODYSTRUCTURE, b->n_bodystructure},
		{MESSAGE_COL_FIELDS, b->n_fields},
		{MESSAGE_COL_PARTS, b->n_parts},
		{MESSAGE_COL_IDS, b->n_email_id},
		{MESSAGE_COL_IDS, b->n_thread_id},
		{MESSAGE_COL_PREFIX, b->n_prefix},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].n != ((columns & all[i].column) != 0 ? b->n_uid : 0))
			return false;
	}
	return true;
}

static enum err take_batch(struct arena *a, const Postern__FetchBatch *b, uint32_t columns,
			   struct fetch_batch *out)
{
	if (!columns_fit(b, columns))
		return E_INTERNAL;
	*out = (struct fetch_batch){
		.n = b->n_uid,
		.uid = b->uid,
		.flags = b->flags,
		.keywords = b->keywords,
		.modseq = b->modseq,
		.size = b->size,
		.date_us = b->date_us,
		.email_id = b->email_id,
		.thread_id = b->thread_id,
		.envelope = take_bytes(a, b->envelope, b->n_envelope),
		.bodystructure = take_bytes(a, b->bodystructure, b->n_bodystructure),
		.prefix = take_bytes(a, b->prefix, b->n_prefix),
		.fields = take_fields(a, b->fields, b->n_fields),
		.parts = take_part_tables(a, b->parts, b->n_parts),
		.keyword_names = call_take_strings(a, b->keyword_names, b->n_keyword_names),
		.nkeyword_names = b->n_keyword_names,
	};
	return E_OK;
}

WAITS enum err message_fetch_next(struct message_fetch *f, struct fetch_batch *out)
{
	for (;;) {
		ProtobufCMessage *m;
		enum err e = E_OK;

		if (f->call == NULL) {
			if (f->at == f->set.n)
				return E_CLOSED;
			e = fetch_ask(f);
		}
		if (e == E_OK && !f->answered) {
			e = rpc_call_response(f->call, NULL);
			f->answered = true;
		}
		if (e != E_OK)
			return e;
		arena_reset(&f->arena);
		e = call_next(f->call, &postern__fetch_batch__descriptor, &f->arena, &m);
		if (e == E_CLOSED) {
			rpc_call_free(&f->call);
			continue;
		}
		if (e == E_OK)
			e = take_batch(&f->arena, (Postern__FetchBatch *)m, f->spec.columns, out);
		if (e == E_OK)
			f->spec.known_keywords += (uint32_t)out->nkeyword_names;
		return e;
	}
}

void message_fetch_free(struct message_fetch **f)
{
	if (*f == NULL)
		return;
	if ((*f)->call != NULL)
		rpc_call_free(&(*f)->call);
	arena_reset(&(*f)->arena);
	xfree(f);
}

/* ---- store ---- */

struct message_store {
	struct rpc_call *call;
	struct arena reply, batch;
};

static void store_request(Postern__MessageStore *req, struct arena *a,
			  const struct message_set *set, const struct store_spec *spec)
{
	static const Postern__StoreMode modes[] = {
		[STORE_REPLACE] = POSTERN__STORE_MODE__STORE_REPLACE,
		[STORE_ADD] = POSTERN__STORE_MODE__STORE_ADD,
		[STORE_REMOVE] = POSTERN__STORE_MODE__STORE_REMOVE,
	};

	req->mailbox = set->mailbox;
	req->uids = call_ranges(a, set->ranges, set->n);
	req->n_uids = set->n;
	req->mode = modes[spec->mode];
	req->flags = spec->flags;
	req->keywords = call_strings(a, spec->keywords, spec->nkeywords);
	req->n_keywords = spec->nkeywords;
	req->unchanged_since = spec->unchanged_since;
	req->known_keywords = spec->known_keywords;
}

WAITS enum err call_message_store(struct ticket *t, const struct message_set *set,
				  const struct store_spec *spec, struct message_store **out,
				  struct store_info *info, struct diag *d)
{
	Postern__MessageStore req = POSTERN__MESSAGE_STORE__INIT;
	struct message_store *s = xcalloc(1, sizeof *s);
	const Postern__MessageStoreReply *r;
	struct call_ticket copy;
	ProtobufCMessage *m;
	enum err e = set->n > MESSAGE_RANGES_MAX ? E_LIMIT : call_begin(t, &copy, &req.ticket);

	arena_init(&s->reply, NULL);
	arena_init(&s->batch, NULL);
	*out = s;
	if (e == E_OK) {
		store_request(&req, &s->batch, set, spec);
		e = call_stream(t, POSTERN__METHOD__METHOD_MESSAGE_STORE, &req.base,
				&postern__message_store_reply__descriptor, &s->reply, &m, &s->call,
				d);
	}
	if (e == E_OK) {
		r = (const Postern__MessageStoreReply *)m;
		*info = (struct store_info){
			.modseq = r->modseq,
			.keywords = call_take_strings(&s->reply, r->keywords, r->n_keywords),
			.nkeywords = r->n_keywords,
			.nmodified = r->n_modified,
		};
		e = call_take_ranges(&s->reply, r->modified, r->n_modified, CALL_ASCENDING,
				     &info->modified);
	}
	if (e != E_OK)
		message_store_free(out);
	return e;
}

WAITS enum err message_store_next(struct message_store *s, struct fetch_batch *out)
{
	ProtobufCMessage *m;
	enum err e;

	arena_reset(&s->batch);
	e = call_next(s->call, &postern__fetch_batch__descriptor, &s->batch, &m);
	return e == E_OK ? take_batch(&s->batch, (Postern__FetchBatch *)m, MESSAGE_COL_FLAGS, out)
			 : e;
}

void message_store_free(struct message_store **s)
{
	if (*s == NULL)
		return;
	if ((*s)->call != NULL)
		rpc_call_free(&(*s)->call);
	arena_reset(&(*s)->reply);
	arena_reset(&(*s)->batch);
	xfree(s);
}

/* ---- copy, expunge ---- */

WAITS enum err call_again(const struct ticket *t, enum err e, bool *again)
{
	if (!*again || (e != E_RETRY && e != E_WRONG_OWNER))
		return e;
	*again = false;
	return rpc_client_wait_partition(t->partition, deadline_in(CALL_AGAIN_MS)) != NULL ? E_OK
											   : e;
}

WAITS enum err call_message_copy(struct ticket *t, const struct message_set *set, slice_t to,
				 enum message_copy what, struct arena *a, struct copy_info *out,
				 struct diag *d)
{
	Postern__MessageCopy req = POSTERN__MESSAGE_COPY__INIT;
	const Postern__MessageCopyReply *r;
	unsigned char txid[TXID_BYTES];
	struct call_ticket copy;
	ProtobufCMessage *m;
	bool again = true;
	enum err e;

	if (set->n > MESSAGE_RANGES_MAX)
		return E_LIMIT;
	random_uuid7(txid);
	req.mailbox = set->mailbox;
	req.uids = call_ranges(a, set->ranges, set->n);
	req.n_uids = set->n;
	req.to = arena_str(a, to);
	req.move = what == MESSAGE_MOVE;
	req.txid = call_bytes(slice(txid, sizeof txid));
	do {
		e = call_begin(t, &copy, &req.ticket);
		if (e != E_OK)
			return e;
		e = call_simple(t, POSTERN__METHOD__METHOD_MESSAGE_COPY, &req.base,
				&postern__message_copy_reply__descriptor, a, &m, d);
	} while (e != E_OK && call_again(t, e, &again) == E_OK);
	if (e != E_OK)
		return e;
	r = (const Postern__MessageCopyReply *)m;
	*out = (struct copy_info){
		.uidvalidity = r->uidvalidity,
		.nfrom = r->n_from,
		.nto = r->n_to,
		.modseq = r->modseq,
	};
	e = call_take_ranges(a, r->from, r->n_from, CALL_ASCENDING, &out->from);
	return e == E_OK ? call_take_ranges(a, r->to, r->n_to, CALL_ASCENDING, &out->to) : e;
}

WAITS static enum err expunge_part(struct ticket *t, const struct message_set *set, size_t at,
				   size_t n, struct uid_set *vanished, uint64_t *modseq_out,
				   struct diag *d)
{
	Postern__MessageExpunge req = POSTERN__MESSAGE_EXPUNGE__INIT;
	const Postern__MessageExpungeReply *r;
	const struct uid_range *gone;
	struct call_ticket copy;
	ProtobufCMessage *m;
	struct arena a;
	enum err e = call_begin(t, &copy, &req.ticket);

	if (e != E_OK)
		return e;
	arena_init(&a, NULL);
	req.mailbox = set->mailbox;
	req.uids = call_ranges(&a, set->ranges + at, n);
	req.n_uids = n;
	e = call_simple(t, POSTERN__METHOD__METHOD_MESSAGE_EXPUNGE, &req.base,
			&postern__message_expunge_reply__descriptor, &a, &m, d);
	if (e == E_OK) {
		r = (const Postern__MessageExpungeReply *)m;
		*modseq_out = r->modseq;
		e = call_take_ranges(&a, r->vanished, r->n_vanished, CALL_ASCENDING, &gone);
		for (size_t i = 0; e == E_OK && i < r->n_vanished; i++)
			e = uid_set_add(vanished, gone[i].first, gone[i].last);
	}
	arena_reset(&a);
	return e;
}

WAITS enum err call_message_expunge(struct ticket *t, const struct message_set *set,
				    struct uid_set *vanished, uint64_t *modseq_out, struct diag *d)
{
	size_t at = 0;
	enum err e;

	do {
		size_t n = MIN(set->n - at, (size_t)MESSAGE_RANGES_MAX);

		e = expunge_part(t, set, at, n, vanished, modseq_out, d);
		at += n;
	} while (e == E_OK && at < set->n);
	return e;
}

/* ---- search ---- */

static Postern__SearchKey **search_keys(struct arena *a, const struct search_key *keys, size_t n)
{
	Postern__SearchKey **list = arena_alloc(a, (n + 1) * sizeof *list);

	for (size_t i = 0; i < n; i++) {
		Postern__SearchKey *k = arena_new(a, Postern__SearchKey);

		postern__search_key__init(k);
		k->op = (Postern__SearchOp)keys[i].op;
		k->number = keys[i].number;
		k->date = keys[i].date;
		if (keys[i].text.n != 0)
			k->text = arena_str(a, keys[i].text);
		k->uids = call_ranges(a, keys[i].uids, keys[i].nuids);
		k->n_uids = keys[i].nuids;
		list[i] = k;
	}
	return list;
}

static enum err take_found(struct arena *a, Postern__UidRange *const *in, size_t n,
			   struct uid_set *out)
{
	const struct uid_range *r;
	enum err e = call_take_ranges(a, in, n, CALL_ASCENDING, &r);

	for (size_t i = 0; e == E_OK && i < n; i++)
		e = uid_set_add(out, r[i].first, r[i].last);
	return e;
}

WAITS static enum err search_rows(struct rpc_call *call, struct uid_set *out, struct uid_set *maybe)
{
	struct arena a;
	enum err e = E_OK;

	arena_init(&a, NULL);
	while (e == E_OK) {
		const Postern__SearchBatch *b;
		ProtobufCMessage *m;

		arena_reset(&a);
		e = call_next(call, &postern__search_batch__descriptor, &a, &m);
		if (e != E_OK)
			break;
		b = (const Postern__SearchBatch *)m;
		e = take_found(&a, b->ranges, b->n_ranges, out);
		if (e == E_OK)
			e = take_found(&a, b->maybe, b->n_maybe, maybe);
	}
	arena_reset(&a);
	return e == E_CLOSED ? E_OK : e;
}

WAITS enum err call_message_search(struct ticket *t, uint64_t mailbox,
				   const struct search_key *keys, size_t n, struct uid_set *out,
				   struct uid_set *maybe, struct diag *d)
{
	Postern__MessageSearch req = POSTERN__MESSAGE_SEARCH__INIT;
	struct call_ticket copy;
	struct rpc_call *call = NULL;
	ProtobufCMessage *m;
	struct arena a;
	enum err e = call_begin(t, &copy, &req.ticket);

	if (e != E_OK)
		return e;
	arena_init(&a, NULL);
	req.mailbox = mailbox;
	req.keys = search_keys(&a, keys, n);
	req.n_keys = n;
	e = call_stream(t, POSTERN__METHOD__METHOD_MESSAGE_SEARCH, &req.base,
			&postern__message_search_reply__descriptor, &a, &m, &call, d);
	if (e == E_OK) {
		e = search_rows(call, out, maybe);
		rpc_call_free(&call);
	}
	arena_reset(&a);
	return e;
}
