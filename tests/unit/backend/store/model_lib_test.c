/* The model itself; model_test.c has the tests that use it. */
#include <stdio.h>

#include "backend/store/due.h"
#include "common/base/num.h"
#include "tests/unit/backend/store/model.h"

static const char *const paths[] = {"INBOX",   "Drafts",   "Sent",         "Junk",     "Trash",
				    "Archive", "a",        "a/b",          "a/b/c",    "a/d",
				    "b",       "b/x",      "Archive/2024", "\xc3\xa9", "a/b/c/d",
				    "inbox",   "INBOX/kid"};
const char *const model_keyword_names[MODEL_KEYWORDS] = {"$Forwarded", "$Label1", "work", "Todo",
							 "x"};

/* ---- chance ---- */

uint64_t model_random(struct model *m, uint64_t below)
{
	uint64_t x = m->rng += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	x ^= x >> 31;
	return x % below;
}

static const char *random_path(struct model *m)
{
	return paths[model_random(m, ARRAY_LEN(paths))];
}

void model_init(struct model *m, uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->rng = seed;
	m->seed = 1;
	m->next_item = 1;
}

static void account_clear(struct model_account *a)
{
	for (size_t i = 0; i < a->n; i++)
		xfree(&a->v[i].v);
	xfree(&a->emails);
	memset(a, 0, sizeof(*a));
}

void model_fini(struct model *m)
{
	for (size_t i = 0; i < MODEL_ACCOUNTS; i++)
		account_clear(&m->a[i]);
}

/* ---- names ---- */

bool model_path_is(const char *a, const char *b)
{
	if (slice_istarts(slice_str(a), SL("inbox")) && (a[5] == '\0' || a[5] == '/') &&
	    slice_istarts(slice_str(b), SL("inbox")) && (b[5] == '\0' || b[5] == '/'))
		return strcmp(a + 5, b + 5) == 0;
	return strcmp(a, b) == 0;
}

static struct model_mailbox *find(struct model_account *a, const char *path)
{
	for (size_t i = 0; i < a->n; i++) {
		if (model_path_is(a->v[i].path, path))
			return &a->v[i];
	}
	return NULL;
}

static bool below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && path[n] == '/';
}

static bool has_children(const struct model_account *a, const char *path)
{
	for (size_t i = 0; i < a->n; i++) {
		if (below(a->v[i].path, path))
			return true;
	}
	return false;
}

static size_t sub_find(const struct model_account *a, const char *path)
{
	size_t i = 0;

	while (i < a->nsubs && !model_path_is(a->subs[i], path))
		i++;
	return i;
}

static void sub_drop(struct model_account *a, const char *path)
{
	size_t i = sub_find(a, path);

	if (i < a->nsubs)
		memmove(a->subs[i], a->subs[i + 1], (--a->nsubs - i) * MODEL_PATH);
}

static void sub_add(struct model_account *a, const char *path)
{
	if (sub_find(a, path) == a->nsubs && a->nsubs < MODEL_MAILBOXES)
		(void)snprintf(a->subs[a->nsubs++], MODEL_PATH, "%s", path);
}

static struct model_mailbox *mailbox_new(struct model_account *a, const char *path)
{
	struct model_mailbox *b = &a->v[a->n++];

	invariant(a->n <= MODEL_MAILBOXES);
	memset(b, 0, sizeof(*b));
	(void)snprintf(b->path, sizeof(b->path), "%s", path);
	b->uidnext = 1;
	b->subscribed = sub_find(a, path) < a->nsubs;
	sub_drop(a, path);
	return b;
}

/* The levels above. */
static void make_parents(struct model_account *a, const char *path)
{
	char up[MODEL_PATH];

	for (size_t i = 0; path[i] != '\0'; i++) {
		if (path[i] != '/')
			continue;
		(void)snprintf(up, sizeof(up), "%.*s", (int)i, path);
		if (find(a, up) == NULL)
			(void)mailbox_new(a, up);
	}
}

static void account_make(struct model_account *a)
{
	if (a->state != ABSENT)
		return;
	a->state = LIVE;
	for (size_t i = 0; i < 6; i++) {
		struct model_mailbox *b = mailbox_new(a, paths[i]);

		b->special = (enum store_special)i; /* the order of paths is that of the uses */
		b->subscribed = true;
	}
}

/* ---- emails and threads ---- */

static struct model_thread *thread_row(struct model_account *a, bool own, uint64_t number)
{
	for (size_t i = 0; i < a->nthreads; i++) {
		if (a->threads[i].own == own && a->threads[i].number == number)
			return &a->threads[i];
	}
	return NULL;
}

static void thread_count(struct model_account *a, bool own, uint64_t number, uint64_t thread)
{
	struct model_thread *t = thread_row(a, own, number);

	if (t == NULL) {
		invariant(a->nthreads < MODEL_THREADS);
		t = &a->threads[a->nthreads++];
		*t = (struct model_thread){own, number, thread, 0};
	}
	t->refs++;
}

static void thread_uncount(struct model_account *a, bool own, uint64_t number)
{
	struct model_thread *t = thread_row(a, own, number);

	invariant(t != NULL);
	if (--t->refs == 0)
		*t = a->threads[--a->nthreads];
}

static struct model_email *email_new(struct model_account *a, uint64_t seed)
{
	struct model_thread *t = thread_row(a, false, seed / 4);
	struct model_email *e;

	if (t == NULL)
		t = thread_row(a, true, seed);
	if (a->nemails == a->emails_cap) {
		a->emails_cap = MAX(a->emails_cap * 2, (size_t)64);
		a->emails = xrealloc(a->emails, a->emails_cap * sizeof(*a->emails));
	}
	e = &a->emails[a->nemails++];
	*e = (struct model_email){.id = a->nemails, .seed = seed, .refs = 0};
	e->thread = t != NULL ? t->thread : e->id;
	thread_count(a, false, seed / 4, e->thread);
	thread_count(a, true, seed, e->thread);
	return e;
}

static void message_add(struct model_mailbox *b, const struct model_message *msg)
{
	if (b->n == b->cap) {
		b->cap = MAX(b->cap * 2, (size_t)16);
		b->v = xrealloc(b->v, b->cap * sizeof(*b->v));
	}
	b->v[b->n] = *msg;
	b->v[b->n++].uid = b->uidnext++;
}

static void message_drop(struct model_mailbox *b, size_t i)
{
	memmove(&b->v[i], &b->v[i + 1], (--b->n - i) * sizeof(*b->v));
}

/* ---- deliveries ---- */

struct drawn_copy {
	uint64_t account;
	const char *path;
	enum store_special special;
	uint32_t flags, keywords;
	bool quota, beside;
};

static size_t names_of(uint32_t keywords, slice_t *out)
{
	size_t n = 0;

	for (unsigned i = 0; i < MODEL_KEYWORDS; i++) {
		if (keywords >> i & 1)
			out[n++] = slice_str(model_keyword_names[i]);
	}
	return n;
}

static void txid_of(uint64_t number, unsigned char out[STORE_TXID_SIZE])
{
	be64_put(out, number + 1);
	be64_put(out + 8, 77);
}

static void key_of(char *out, size_t size, size_t i, uint64_t account)
{
	(void)snprintf(out, size, "%zu:%llu", i, (unsigned long long)account);
}

static void deliver_model(struct model *m, const struct drawn_copy *c, size_t i)
{
	struct model_account *a = &m->a[c->account - 1];
	struct model_delivery *d = &m->last;
	struct model_mailbox *b = NULL;
	struct model_message msg = {
		.flags = c->flags, .keywords = c->keywords, .seed = d->seed, .size = d->size};
	struct model_email *email;

	d->v[i].account = c->account;
	d->v[i].result = a->state == REMOVED ? E_NOT_FOUND : E_OK;
	if (a->state == REMOVED)
		return;
	account_make(a);
	d->v[i].result = c->quota ? E_QUOTA : E_OK;
	if (c->quota)
		return;
	for (size_t j = 0; j < a->n && c->special != STORE_SPECIAL_NONE; j++) {
		if (a->v[j].special == c->special)
			b = &a->v[j];
	}
	if (b == NULL)
		b = find(a, c->path);
	if (b == NULL || b->noselect)
		b = find(a, "INBOX");
	email = email_new(a, d->seed);
	email->refs = 1;
	msg.email = email->id;
	msg.thread = email->thread;
	d->v[i].uid = b->uidnext;
	d->v[i].email = email->id;
	message_add(b, &msg);
}

/* Those that go in beside others come last, if any of these did. */
static void deliver_all(struct model *m, const struct drawn_copy *c)
{
	struct model_delivery *d = &m->last;
	bool taken = false;

	for (size_t i = 0; i < d->n; i++) {
		if (c[i].beside)
			continue;
		deliver_model(m, &c[i], i);
		taken = taken || d->v[i].result == E_OK;
	}
	for (size_t i = 0; i < d->n; i++) {
		if (!c[i].beside)
			continue;
		d->v[i].account = c[i].account;
		d->v[i].result = E_NOT_FOUND;
		if (taken)
			deliver_model(m, &c[i], i);
	}
}

static void deliver_store(struct model *m, struct partition *p, const struct drawn_copy *c,
			  bool again)
{
	struct model_delivery *d = &m->last;
	struct deliver_copy copies[MODEL_COPIES] = {0};
	slice_t names[MODEL_COPIES][MODEL_KEYWORDS];
	char keys[MODEL_COPIES][32];
	struct change_deliver x;
	struct util_summary u;
	struct stage *s = util_stage(p, d->seed, d->size);

	if (s == NULL)
		return;
	util_summary(&u, d->seed, d->size);
	change_deliver_init(&x);
	x.origin = SL("test");
	txid_of(d->seed, x.txid);
	x.record = s;
	x.summary = &u.s;
	x.copies = copies;
	x.ncopies = d->n;
	for (size_t i = 0; i < d->n; i++) {
		key_of(keys[i], sizeof(keys[i]), i, c[i].account);
		copies[i] = (struct deliver_copy){
			.account = c[i].account,
			.path = slice_str(c[i].path),
			.special = c[i].special,
			.key = slice_str(keys[i]),
			.prefix = MODEL_PREFIX,
			.flags = c[i].flags,
			.keywords = names[i],
			.nkeywords = names_of(c[i].keywords, names[i]),
			.quota_bytes = c[i].quota ? 1 : 0,
			.beside = c[i].beside,
		};
	}
	CHECK_ERR(change_run(p, &x.change), E_OK);
	for (size_t i = 0; i < d->n; i++) {
		CHECK_ERR(copies[i].result, d->v[i].result);
		if (d->v[i].result != E_OK)
			continue;
		CHECK(copies[i].duplicate == again);
		CHECK_INT(copies[i].uid, d->v[i].uid);
		CHECK_INT(copies[i].email_id, d->v[i].email);
	}
	stage_free(&s);
}

static size_t random_size(struct model *m)
{
	uint64_t r = model_random(m, 100);

	return (size_t)(r < 80   ? model_random(m, 3000)
			: r < 99 ? model_random(m, 70000)
				 : 200000 + model_random(m, 200000));
}

static void step_deliver(struct model *m, struct partition *p)
{
	struct drawn_copy c[MODEL_COPIES];

	m->last = (struct model_delivery){.seed = m->seed++, .size = random_size(m)};
	m->last.n = 1 + model_random(m, MODEL_COPIES);
	for (size_t i = 0; i < m->last.n; i++) {
		c[i].account = 1 + model_random(m, MODEL_ACCOUNTS);
		c[i].path = model_random(m, 2) == 0 ? "" : random_path(m);
		c[i].special = model_random(m, 8) == 0 ? STORE_SPECIAL_JUNK : STORE_SPECIAL_NONE;
		c[i].flags = (uint32_t)model_random(m, 32);
		c[i].keywords = (uint32_t)(model_random(m, 4) == 0 ? model_random(m, 32) : 0);
		c[i].quota = model_random(m, 20) == 0;
		c[i].beside = model_random(m, 6) == 0;
	}
	deliver_all(m, c);
	if (p != NULL)
		deliver_store(m, p, c, false);
	/* A retry of all of it, refusals left out: those are not remembered. */
	for (size_t i = 0; i < m->last.n; i++) {
		if (m->last.v[i].result != E_OK)
			return;
	}
	if (p != NULL && m->last.seed % 5 == 0)
		deliver_store(m, p, c, true);
}

/* ---- messages ---- */

static struct model_mailbox *random_mailbox(struct model *m, uint64_t *account)
{
	struct model_account *a;

	*account = 1 + model_random(m, MODEL_ACCOUNTS);
	a = &m->a[*account - 1];
	if (a->state != LIVE)
		return NULL;
	return &a->v[model_random(m, a->n)];
}

static struct uid_range random_range(struct model *m, const struct model_mailbox *b)
{
	uint32_t x = 1 + (uint32_t)model_random(m, b->uidnext + 2);
	uint32_t y = x + (uint32_t)model_random(m, 10);

	return (struct uid_range){x, y};
}

static uint64_t mailbox_id(struct partition *p, uint64_t account, const char *path)
{
	struct mbox_row row;

	return mbox_status(p, account, slice_str(path), &row) == E_OK ? row.id : 0;
}

static void step_flags(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_mailbox *b = random_mailbox(m, &account);
	enum flags_mode mode = (enum flags_mode)model_random(m, 3);
	uint32_t flags = (uint32_t)model_random(m, 32), keywords = (uint32_t)model_random(m, 32);
	bool refuse = model_random(m, 10) == 0;
	slice_t names[MODEL_KEYWORDS];
	struct change_flags c;
	struct uid_range r;
	uint64_t touched = 0;

	if (b == NULL || b->noselect)
		return;
	r = random_range(m, b);
	for (size_t i = 0; i < b->n; i++) {
		struct model_message *x = &b->v[i];

		if (x->uid < r.first || x->uid > r.last)
			continue;
		touched++;
		if (refuse)
			continue;
		x->flags = mode == FLAGS_REPLACE ? flags
			   : mode == FLAGS_ADD   ? x->flags | flags
						 : x->flags & ~flags;
		x->keywords = mode == FLAGS_REPLACE ? keywords
			      : mode == FLAGS_ADD   ? x->keywords | keywords
						    : x->keywords & ~keywords;
	}
	if (p == NULL)
		return;
	change_flags_init(&c);
	c.account = account;
	c.mailbox = mailbox_id(p, account, b->path);
	c.uids = &r;
	c.nuids = 1;
	c.mode = mode;
	c.flags = flags;
	c.keywords = names;
	c.nkeywords = names_of(keywords, names);
	c.unchanged_since = refuse ? 1 : 0;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	if (refuse)
		CHECK_INT(uidset_count(&c.modified), touched);
	change_flags_fini(&c);
}

static uint64_t copy_model(struct model_account *a, struct model_mailbox *b,
			   struct model_mailbox *to, struct uid_range r, bool move)
{
	struct model_message *picked = xcalloc(b->n + 1, sizeof(*picked));
	uint64_t n = 0;

	for (size_t i = 0; i < b->n;) {
		if (b->v[i].uid < r.first || b->v[i].uid > r.last) {
			i++;
			continue;
		}
		picked[n++] = b->v[i];
		if (move)
			message_drop(b, i);
		else
			a->emails[b->v[i++].email - 1].refs++;
	}
	for (uint64_t i = 0; i < n; i++)
		message_add(to, &picked[i]);
	xfree(&picked);
	return n;
}

static void step_copy(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_mailbox *b = random_mailbox(m, &account), *to;
	const char *path = random_path(m);
	bool move = model_random(m, 2) == 0;
	struct change_copy c;
	struct uid_range r;
	uint64_t n = 0;

	if (b == NULL || b->noselect)
		return;
	r = random_range(m, b);
	to = find(&m->a[account - 1], path);
	if (to != NULL && to->noselect)
		to = NULL;
	change_copy_init(&c);
	if (p != NULL) {
		c.account = account;
		c.mailbox = mailbox_id(p, account, b->path);
		c.uids = &r;
		c.nuids = 1;
		c.to = slice_str(path);
		c.move = move;
		c.origin = SL("test");
		txid_of(m->steps | (uint64_t)1 << 40, c.txid);
		CHECK_ERR(change_run(p, &c.change), to != NULL ? E_OK : E_NOT_FOUND);
	}
	if (to != NULL)
		n = copy_model(&m->a[account - 1], b, to, r, move);
	if (p != NULL && to != NULL) {
		CHECK_INT(uidset_count(&c.from), n);
		CHECK_INT(uidset_count(&c.dest), n);
	}
	change_copy_fini(&c);
}

static void step_expunge(struct model *m, struct partition *p)
{
	uint64_t account, n = 0;
	struct model_mailbox *b = random_mailbox(m, &account);
	bool all = model_random(m, 2) == 0;
	struct change_expunge c;
	struct uid_range r;

	if (b == NULL || b->noselect)
		return;
	r = random_range(m, b);
	for (size_t i = 0; i < b->n;) {
		struct model_message *x = &b->v[i];

		if ((x->flags & STORE_DELETED) == 0 ||
		    (!all && (x->uid < r.first || x->uid > r.last))) {
			i++;
			continue;
		}
		m->a[account - 1].emails[x->email - 1].refs--;
		message_drop(b, i);
		n++;
	}
	if (p == NULL)
		return;
	change_expunge_init(&c);
	c.account = account;
	c.mailbox = mailbox_id(p, account, b->path);
	c.uids = &r;
	c.nuids = all ? 0 : 1;
	CHECK_ERR(change_run(p, &c.change), E_OK);
	CHECK_INT(uidset_count(&c.vanished), n);
	change_expunge_fini(&c);
}

/* ---- mailboxes ---- */

static struct model_account *random_account(struct model *m, uint64_t *account)
{
	struct model_account *a;

	*account = 1 + model_random(m, MODEL_ACCOUNTS);
	a = &m->a[*account - 1];
	return a->state == LIVE ? a : NULL;
}

static void mailbox_empty(struct model_account *a, struct model_mailbox *b)
{
	for (size_t i = 0; i < b->n; i++)
		a->emails[b->v[i].email - 1].refs--;
	xfree(&b->v);
	b->n = b->cap = 0;
}

static enum err create_model(struct model_account *a, const char *path)
{
	struct model_mailbox *b = find(a, path);

	if (b != NULL && !b->noselect)
		return E_EXISTS;
	make_parents(a, path);
	b = find(a, path);
	if (b == NULL) {
		(void)mailbox_new(a, path);
		return E_OK;
	}
	b->noselect = false;
	b->uidnext = 1;
	b->uidvalidity = 0;
	b->subscribed = sub_find(a, path) < a->nsubs;
	sub_drop(a, path);
	return E_OK;
}

static void step_create(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_account *a = random_account(m, &account);
	const char *path = random_path(m);
	enum err want;

	if (a == NULL)
		return;
	want = create_model(a, path);
	if (p != NULL)
		CHECK_ERR(util_create(p, account, path), want);
}

static enum err delete_model(struct model_account *a, const char *path)
{
	struct model_mailbox *b = find(a, path);
	bool kids;

	if (b == NULL)
		return E_NOT_FOUND;
	if (model_path_is(path, "INBOX"))
		return E_DENIED;
	kids = has_children(a, b->path);
	if (kids && b->noselect)
		return E_EXISTS;
	if (b->subscribed)
		sub_add(a, b->path);
	mailbox_empty(a, b);
	if (kids) {
		b->noselect = true;
		b->subscribed = false;
		b->special = STORE_SPECIAL_NONE;
		b->uidnext = 1;
		return E_OK;
	}
	*b = a->v[--a->n];
	return E_OK;
}

static void step_delete(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_account *a = random_account(m, &account);
	const char *path = random_path(m);
	struct change_delete c;
	enum err want;

	if (a == NULL)
		return;
	want = delete_model(a, path);
	change_delete_init(&c);
	c.account = account;
	c.path = slice_str(path);
	if (p != NULL)
		CHECK_ERR(change_run(p, &c.change), want);
}

static enum err rename_model(struct model_account *a, const char *from, const char *to)
{
	struct model_mailbox *b = find(a, from), *made;
	size_t n = strlen(from);

	if (b == NULL)
		return E_NOT_FOUND;
	if (find(a, to) != NULL)
		return E_EXISTS;
	if (model_path_is(from, "INBOX")) {
		make_parents(a, to);
		made = mailbox_new(a, to);
		b = find(a, "INBOX");
		invariant(b != NULL);
		for (size_t i = 0; i < b->n; i++)
			message_add(made, &b->v[i]);
		b->n = 0;
		return E_OK;
	}
	if (below(to, from))
		return E_INVALID;
	make_parents(a, to);
	for (size_t i = 0; i < a->n; i++) {
		char old[MODEL_PATH];

		memcpy(old, a->v[i].path, sizeof(old));
		if (below(old, from))
			(void)snprintf(a->v[i].path, MODEL_PATH, "%s%s", to, old + n);
	}
	b = find(a, from);
	(void)snprintf(b->path, MODEL_PATH, "%s", to);
	b->subscribed |= sub_find(a, to) < a->nsubs;
	if (b->subscribed)
		sub_drop(a, to);
	return E_OK;
}

static void step_rename(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_account *a = random_account(m, &account);
	const char *from = random_path(m), *to = random_path(m);
	struct change_rename c;
	enum err want;

	/* Names outgrow the model's table of paths when trees move into trees. */
	if (a == NULL || a->n > MODEL_MAILBOXES - 12)
		return;
	for (size_t i = 0; i < a->n; i++) {
		if (strlen(a->v[i].path) > MODEL_PATH - 20)
			return;
	}
	want = rename_model(a, from, to);
	change_rename_init(&c);
	c.account = account;
	c.from = slice_str(from);
	c.to = slice_str(to);
	if (p != NULL)
		CHECK_ERR(change_run(p, &c.change), want);
}

static void step_subscribe(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_account *a = random_account(m, &account);
	const char *path = random_path(m);
	bool on = model_random(m, 2) == 0;
	struct change_subscribe c;
	struct model_mailbox *b;

	if (a == NULL)
		return;
	b = find(a, path);
	if (b != NULL)
		b->subscribed = on;
	else if (on)
		sub_add(a, model_path_is(path, "INBOX") ? "INBOX" : path);
	else
		sub_drop(a, path);
	change_subscribe_init(&c);
	c.account = account;
	c.path = slice_str(path);
	c.on = on;
	if (p != NULL)
		CHECK_ERR(change_run(p, &c.change), E_OK);
}

/* ---- accounts, the keeper ---- */

static void reap_model(struct model_account *a)
{
	for (size_t i = 0; i < a->nemails; i++) {
		struct model_email *e = &a->emails[i];

		if (e->refs > 0 || e->reaped)
			continue;
		e->reaped = true;
		thread_uncount(a, false, e->seed / 4);
		thread_uncount(a, true, e->seed);
	}
}

void model_keep(struct model *m, struct partition *p)
{
	for (size_t i = 0; i < MODEL_ACCOUNTS; i++) {
		if (m->a[i].state == REMOVED)
			account_clear(&m->a[i]);
		reap_model(&m->a[i]);
	}
	if (p != NULL)
		CHECK_ERR(partition_keep(p), E_OK);
}

static void step_remove(struct model *m, struct partition *p)
{
	uint64_t account;
	struct model_account *a = random_account(m, &account);
	struct change_account c;

	if (a == NULL || model_random(m, 20) != 0)
		return;
	a->state = REMOVED;
	change_account_init(&c, account, ACCOUNT_REMOVE);
	if (p != NULL)
		CHECK_ERR(change_run(p, &c.change), E_OK);
}

/* ---- the queue ---- */

void model_item_key(char *out, size_t size, uint64_t number)
{
	(void)snprintf(out, size, "item %llu", (unsigned long long)number);
}

static void step_item_add(struct model *m, struct partition *p)
{
	struct model_item item = {m->next_item, m->seed++, (int64_t)model_random(m, 1000)};
	struct change_deliver x;
	struct util_summary u;
	struct queue_add add;
	struct stage *s = NULL;
	char key[32];

	if (m->nitems == MODEL_ITEMS)
		return;
	m->items[m->nitems++] = item;
	m->next_item++;
	if (p == NULL)
		return;
	model_item_key(key, sizeof(key), item.number);
	add = (struct queue_add){
		.key = slice_str(key), .payload = slice_str(key), .due_us = item.due};
	change_deliver_init(&x);
	x.origin = SL("test");
	txid_of(item.number, x.txid);
	s = util_stage(p, item.number, 500);
	util_summary(&u, item.number, 500);
	x.record = s;
	x.summary = &u.s;
	x.items = &add;
	x.nitems = 1;
	for (int again = 0; again < 2; again++) {
		CHECK_ERR(change_run(p, &x.change), E_OK);
		CHECK_INT(add.id, item.id);
		CHECK(add.duplicate == (again == 1));
	}
	stage_free(&s);
}

static void step_item_edit(struct model *m, struct partition *p)
{
	enum queue_what what = (enum queue_what)model_random(m, 3);
	size_t i = model_random(m, MODEL_ITEMS);
	int64_t due = (int64_t)model_random(m, 1000);
	struct queue_edit edit = {.what = what, .due_us = due};
	struct change_queue c;
	char key[32];

	if (i >= m->nitems)
		return;
	model_item_key(key, sizeof(key), m->items[i].number);
	edit.id = m->items[i].id;
	edit.key = slice_str(key);
	change_queue_init(&c);
	c.origin = SL("test");
	txid_of(m->items[i].number, c.txid);
	c.edits = &edit;
	c.n = 1;
	if (what == QUEUE_RESCHEDULE)
		m->items[i].due = due;
	else
		m->items[i] = m->items[--m->nitems];
	if (p != NULL) {
		CHECK_ERR(change_run(p, &c.change), E_OK);
		CHECK(edit.found);
	}
}

/* ---- a step ---- */

void model_step(struct model *m, struct partition *p)
{
	static const struct {
		unsigned weight;
		void (*step)(struct model *m, struct partition *p);
	} steps[] = {
		{30, step_deliver}, {15, step_flags}, {10, step_copy},    {10, step_expunge},
		{5, step_create},   {4, step_delete}, {4, step_rename},   {4, step_subscribe},
		{1, model_keep},    {1, step_remove}, {3, step_item_add}, {5, step_item_edit},
	};
	uint64_t r = model_random(m, 92);
	size_t i = 0;

	m->steps++;
	while (r >= steps[i].weight)
		r -= steps[i++].weight;
	steps[i].step(m, p);
}
