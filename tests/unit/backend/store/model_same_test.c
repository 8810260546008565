/* Is a partition as its model is? Used by model_test.c and kill_test.c. */
#include <stdio.h>

#include "backend/store/due.h"
#include "tests/unit/backend/store/model.h"

struct same {
	bool ok, loud;
};

static void differ(struct same *s, const char *what, const char *path, uint64_t a, uint64_t b)
{
	s->ok = false;
	if (s->loud)
		(void)fprintf(stderr, "differs: %s of %s: %llu, model %llu\n", what, path,
			      (unsigned long long)a, (unsigned long long)b);
}

static void same_number(struct same *s, const char *what, const char *path, uint64_t a, uint64_t b)
{
	if (a != b)
		differ(s, what, path, a, b);
}

static uint32_t keywords_back(const struct mbox_keywords *k, uint64_t bits)
{
	uint32_t out = 0;

	for (unsigned i = 0; i < k->n; i++) {
		for (unsigned j = 0; j < MODEL_KEYWORDS && (bits >> i & 1) != 0; j++) {
			if (slice_eq(k->name[i], slice_str(model_keyword_names[j])))
				out |= 1u << j;
		}
	}
	return out;
}

static void same_body(struct same *s, struct partition *p, const struct msg_record *r,
		      const struct model_message *x, const char *path)
{
	struct msg_span span;
	struct buf body;
	size_t at;

	buf_init(&body, SIZE_MAX, NULL);
	span = r->nblocks > 0 ? msg_span_blocks(r, 0, r->nblocks - 1)
			      : (struct msg_span){r->no, 32, 32};
	if (msg_read(p, &span, 1, &body) != E_OK || body.n != x->size)
		differ(s, "body", path, body.n, x->size);
	at = x->size / 2;
	if (body.n == x->size && x->size > 0)
		same_number(s, "byte", path, (unsigned char)body.p[at], util_plain(x->seed, at));
	buf_fini(&body);
}

static void same_messages(struct same *s, struct partition *p, uint64_t account,
			  const struct model_mailbox *b, const struct mbox_view *v)
{
	static const struct uid_range every = {1, UINT32_MAX};
	struct msg_query q = {account,
			      v->row.id,
			      &every,
			      1,
			      MSG_FLAGS | MSG_SIZE | MSG_ENVELOPE | MSG_IDS | MSG_RECORD,
			      0,
			      0};
	struct msg_slice slice;
	size_t at = 0;

	msg_slice_init(&slice);
	for (uint32_t next = 1; next != 0; next = slice.next_uid) {
		if (msg_fetch(p, &q, next, &slice) != E_OK) {
			differ(s, "fetch", b->path, 0, 0);
			break;
		}
		for (unsigned i = 0; i < slice.n && at < b->n; i++, at++) {
			const struct model_message *x = &b->v[at];
			char envelope[64];

			(void)snprintf(envelope, sizeof(envelope), "(envelope) %llu",
				       (unsigned long long)x->seed);
			same_number(s, "uid", b->path, slice.uid[i], x->uid);
			same_number(s, "flags", b->path, slice.flags[i], x->flags);
			same_number(s, "keywords", b->path,
				    keywords_back(&v->keywords, slice.keywords[i]), x->keywords);
			same_number(s, "size", b->path, slice.size[i], x->size + MODEL_PREFIX.n);
			same_number(s, "email", b->path, slice.email_id[i], x->email);
			same_number(s, "thread", b->path, slice.thread_id[i], x->thread);
			if (!slice_eq(slice.envelope[i], slice_str(envelope)))
				differ(s, "envelope", b->path, x->uid, x->seed);
			if (x->seed % 7 == 0)
				same_body(s, p, &slice.record[i], x, b->path);
		}
	}
	same_number(s, "count fetched", b->path, at, b->n);
	msg_slice_fini(&slice);
}

static void same_mailbox(struct same *s, struct partition *p, uint64_t account,
			 const struct model_mailbox *b)
{
	uint32_t unseen = 0, first = 0;
	struct mbox_view v;

	mbox_view_init(&v);
	for (size_t i = 0; i < b->n; i++) {
		if (b->v[i].flags & STORE_SEEN)
			continue;
		unseen++;
		first = first == 0 ? b->v[i].uid : first;
	}
	if (mbox_open(p, account, slice_str(b->path), RECENT_LOOK, &v) !=
	    (b->noselect ? E_NOT_FOUND : E_OK)) {
		differ(s, "open", b->path, 0, b->noselect);
	} else if (!b->noselect) {
		same_number(s, "messages", b->path, v.row.messages, b->n);
		same_number(s, "uids", b->path, uidset_count(&v.uids), b->n);
		same_number(s, "unseen", b->path, v.row.unseen, unseen);
		same_number(s, "first unseen", b->path, v.first_unseen, first);
		same_number(s, "uidnext", b->path, v.row.uidnext, b->uidnext);
		same_number(s, "special", b->path, v.row.special, b->special);
		same_messages(s, p, account, b, &v);
	}
	mbox_view_fini(&v);
}

static const struct mbox_row *list_find(const struct mbox_list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++) {
		if (slice_eq(l->rows[i].path, slice_str(path)))
			return &l->rows[i];
	}
	return NULL;
}

static void same_list(struct same *s, struct partition *p, uint64_t account,
		      const struct model_account *a)
{
	struct mbox_list l;
	enum err e;
	size_t extra = 0;

	mbox_list_init(&l);
	e = mbox_list(p, account, &l);
	if (e != (a->state == LIVE ? E_OK : E_NOT_FOUND))
		differ(s, "list", "account", (uint64_t)e, a->state);
	for (size_t i = 0; i < a->n && e == E_OK && a->state == LIVE; i++) {
		const struct mbox_row *row = list_find(&l, a->v[i].path);

		if (row == NULL || row->id == 0 || row->noselect != a->v[i].noselect ||
		    row->subscribed != a->v[i].subscribed)
			differ(s, "list row", a->v[i].path, row != NULL ? row->subscribed : 9,
			       a->v[i].subscribed);
	}
	for (size_t i = 0; i < a->nsubs && e == E_OK && a->state == LIVE; i++) {
		const struct mbox_row *row = list_find(&l, a->subs[i]);
		bool hidden = false;

		/* A tree that was renamed may have brought a mailbox of that name. */
		for (size_t j = 0; j < a->n; j++)
			hidden |= model_path_is(a->v[j].path, a->subs[i]);
		extra += !hidden;
		if (!hidden && (row == NULL || row->id != 0 || !row->subscribed))
			differ(s, "subscription", a->subs[i], row != NULL, 1);
	}
	if (a->state == LIVE)
		same_number(s, "list length", "account", l.n, a->n + extra);
	mbox_list_fini(&l);
}

static void same_account(struct same *s, struct partition *p, uint64_t account,
			 const struct model_account *a)
{
	uint64_t bytes = 0, messages = 0, got_bytes, got_messages;

	same_list(s, p, account, a);
	if (a->state != LIVE)
		return;
	for (size_t i = 0; i < a->n; i++) {
		for (size_t j = 0; j < a->v[i].n; j++)
			bytes += a->v[i].v[j].size + MODEL_PREFIX.n;
		messages += a->v[i].n;
		same_mailbox(s, p, account, &a->v[i]);
	}
	if (partition_usage(p, account, &got_bytes, &got_messages) != E_OK || got_bytes != bytes ||
	    got_messages != messages)
		differ(s, "usage", "account", got_bytes, bytes);
}

static void same_queue(struct same *s, struct partition *p, const struct model *m)
{
	struct due_item out[MODEL_ITEMS + 1], after = {0};
	struct buf bytes;
	int64_t next;
	size_t n;

	buf_init(&bytes, SIZE_MAX, NULL);
	if (due_scan(p, 1000, &after, out, MODEL_ITEMS + 1, &n, &next, &bytes) != E_OK)
		n = SIZE_MAX;
	same_number(s, "length", "queue", n, m->nitems);
	for (size_t i = 0; i < m->nitems && s->ok; i++) {
		size_t j = 0;
		char key[32];

		model_item_key(key, sizeof(key), m->items[i].number);
		while (j < n && out[j].id != m->items[i].id)
			j++;
		if (j == n || out[j].due_us != m->items[i].due ||
		    !slice_eq(out[j].payload, slice_str(key)))
			differ(s, "item", "queue", m->items[i].id, 0);
	}
	buf_fini(&bytes);
}

bool model_same(const struct model *m, struct partition *p, bool loud)
{
	struct same s = {true, loud};

	for (size_t i = 0; i < MODEL_ACCOUNTS; i++)
		same_account(&s, p, i + 1, &m->a[i]);
	same_queue(&s, p, m);
	return s.ok;
}
