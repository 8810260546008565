/* One account: its row, mailboxes, messages, emails, threads, change log. */
#include <stdio.h>

#include "backend/store/fsck_priv.h"
#include "backend/store/mbox.h"
#include "backend/store/rset.h"
#include "backend/store/tab.h"
#include "common/base/num.h"

struct seen_mailbox {
	uint32_t id;
	uint32_t children; /* counted */
	struct row_mailbox m;
	/* counted over its messages */
	uint32_t messages, unseen, deleted, last_uid;
	uint64_t bytes, highest;
	struct uidset sets[SET_KINDS];
	unsigned keywords;
};

struct seen {
	uint64_t account;
	bool has_row;
	struct row_account acct;
	struct seen_mailbox *v;
	size_t n, cap;
	struct numbers emails;  /* one for each message */
	struct numbers threads; /* hashes, one for each email that counts in them */
	struct numbers reaped;  /* emails that wait */
	uint64_t names, log_rows, last_log;
	/* the run of UIDs before this one */
	uint32_t run_mailbox, run_last;
	uint8_t run_set;
};

static struct seen_mailbox *seen_find(struct seen *s, uint32_t id)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->v[lo].id == id ? &s->v[lo] : NULL;
}

static enum err row_mailbox(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	slice_t names[STORE_KEYWORDS_MAX];
	struct seen_mailbox *b;

	if (key.n != 12)
		return E_CORRUPT;
	if (be32_get(key.p + 8) == 0) {
		s->has_row = true;
		return row_account_decode(value, &s->acct);
	}
	if (s->n == s->cap) {
		s->cap = MAX(s->cap * 2, (size_t)16);
		s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
	}
	b = &s->v[s->n++];
	memset(b, 0, sizeof(*b));
	b->id = be32_get(key.p + 8);
	f->report->mailboxes++;
	if (tab_keywords_get(f->t, s->account, b->id, names, &b->keywords) != E_OK)
		fsck_say(f, "account %llu mailbox %u: keyword names",
			 (unsigned long long)s->account, b->id);
	return row_mailbox_decode(value, &b->m);
}

static enum err row_name(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	uint32_t parent, id;
	struct seen_mailbox *b, *up;

	if (key.n <= 12 || value.n != 4)
		return E_CORRUPT;
	parent = be32_get(key.p + 8);
	id = be32_get(value.p);
	b = seen_find(s, id);
	up = parent != 0 ? seen_find(s, parent) : NULL;
	s->names++;
	if (b == NULL || b->m.parent != parent ||
	    !slice_eq(mailbox_name(&b->m), slice_from(key, 12)))
		fsck_say(f, "account %llu: a name leads to mailbox %u, which has another",
			 (unsigned long long)s->account, id);
	if (parent != 0 && up == NULL)
		fsck_say(f, "account %llu mailbox %u: parent %u is missing",
			 (unsigned long long)s->account, id, parent);
	if (up != NULL)
		up->children++;
	return E_OK;
}

static enum err row_sub(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;

	if (key.n != 16)
		return E_CORRUPT;
	if (!s->has_row || s->acct.removed || mbox_path_check(value) != E_OK ||
	    rec_hash(value) != be64_get(key.p + 8))
		fsck_say(f, "account %llu: a subscribed name", (unsigned long long)s->account);
	return E_OK;
}

/* ---- messages ---- */

static void count_message(struct fsck *f, struct seen *s, struct seen_mailbox *b, uint32_t uid,
			  const struct row_message *m)
{
	b->messages++;
	b->bytes += m->size;
	if ((m->flags & ~(uint32_t)STORE_FLAGS_ALL) != 0 || uid == 0)
		fsck_say(f, "account %llu mailbox %u uid %u: flags", (unsigned long long)s->account,
			 b->id, uid);
	b->last_uid = uid;
	b->highest = MAX(b->highest, m->modseq);
	uidset_add(&b->sets[SET_ALL], uid, uid);
	if ((m->flags & STORE_SEEN) == 0) {
		b->unseen++;
		uidset_add(&b->sets[SET_UNSEEN], uid, uid);
	}
	if ((m->flags & STORE_DELETED) != 0) {
		b->deleted++;
		uidset_add(&b->sets[SET_DELETED], uid, uid);
	}
	if (b->keywords < STORE_KEYWORDS_MAX && m->keywords >> b->keywords != 0)
		fsck_say(f, "account %llu mailbox %u uid %u: a keyword without a name",
			 (unsigned long long)s->account, b->id, uid);
}

/* A row of a mailbox that is not there: is it to be purged? */
static enum err check_purge(struct fsck *f, const struct seen *s, uint32_t mailbox,
			    const char *what, uint32_t uid)
{
	struct rec_key k;
	slice_t v;
	enum err e;

	key_mailbox(&k, s->account, mailbox);
	e = kv_get(f->t, T_PURGE, rec_key(&k), &v);
	if (e == E_NOT_FOUND)
		fsck_say(f, "account %llu %s %u: its mailbox %u is missing",
			 (unsigned long long)s->account, what, uid, mailbox);
	return e == E_NOT_FOUND ? E_OK : e;
}

static enum err row_message(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	struct row_message m;
	struct row_email email;
	struct row_record record;
	struct seen_mailbox *b;
	uint32_t uid;
	enum err e = key.n == 16 ? row_message_decode(value, &m) : E_CORRUPT;

	if (e != E_OK)
		return e;
	f->report->messages++;
	uid = be32_get(key.p + 12);
	b = seen_find(s, be32_get(key.p + 8));
	if (b != NULL)
		count_message(f, s, b, uid, &m);
	else
		e = check_purge(f, s, be32_get(key.p + 8), "uid", uid);
	numbers_add(&s->emails, m.email);
	if (e != E_OK)
		return e;
	e = tab_email_get(f->t, s->account, m.email, &email);
	if (e == E_OK)
		e = tab_record_get(f->t, m.record, &record);
	if (e != E_OK || email.record != m.record || m.size != email.prefix.n + record.plain_size)
		fsck_say(f, "account %llu mailbox %u uid %u: email %llu or record %llu do not fit",
			 (unsigned long long)s->account, be32_get(key.p + 8), uid,
			 (unsigned long long)m.email, (unsigned long long)m.record);
	return E_OK;
}

/* ---- what else lies under a mailbox's number ---- */

static enum err row_keyword(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	slice_t names[STORE_KEYWORDS_MAX];
	unsigned n;
	enum err e = key.n == 12 ? names_decode(value, names, &n) : E_CORRUPT;

	if (e == E_OK && seen_find(s, be32_get(key.p + 8)) == NULL)
		e = check_purge(f, s, be32_get(key.p + 8), "keywords", n);
	return e;
}

/* Runs are in order and do not touch, the mailbox's own last one included. */
static enum err row_range(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	struct seen_mailbox *b;
	uint32_t mailbox, first, last;
	uint8_t set;
	bool follows;

	if (key.n != 17 || value.n != 4 || (unsigned char)key.p[12] >= SET_KINDS)
		return E_CORRUPT;
	mailbox = be32_get(key.p + 8);
	set = (uint8_t)key.p[12];
	first = be32_get(key.p + 13);
	last = be32_get(value.p);
	b = seen_find(s, mailbox);
	if (b == NULL)
		return check_purge(f, s, mailbox, "run", first);
	follows = s->run_mailbox == mailbox && s->run_set == set;
	if (first == 0 || last < first || (follows && first <= (uint64_t)s->run_last + 1) ||
	    (uint64_t)last + 1 >= b->m.tail[set].first)
		fsck_say(f, "account %llu mailbox %u: runs of UIDs at %u",
			 (unsigned long long)s->account, mailbox, first);
	s->run_mailbox = mailbox;
	s->run_set = set;
	s->run_last = last;
	return E_OK;
}

static enum err row_purge(struct fsck *f, slice_t key, slice_t value UNUSED, void *arg)
{
	struct seen *s = arg;
	uint32_t mailbox;

	if (key.n != 12)
		return E_CORRUPT;
	mailbox = be32_get(key.p + 8);
	if (seen_find(s, mailbox) != NULL || (s->has_row && mailbox >= s->acct.next_mailbox))
		fsck_say(f, "account %llu mailbox %u: is to be purged, and is there",
			 (unsigned long long)s->account, mailbox);
	return E_OK;
}

/* ---- mailboxes ---- */

static bool same_set(const struct uidset *a, const struct uidset *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (a->v[i].first != b->v[i].first || a->v[i].last != b->v[i].last)
			return false;
	}
	return true;
}

static void check_sets(struct fsck *f, const struct seen *s, struct seen_mailbox *b)
{
	static const char *const names[SET_KINDS] = {"all", "unseen", "deleted"};

	for (unsigned i = 0; i < SET_KINDS; i++) {
		struct rset set = rset_of(f->t, s->account, b->id, &b->m, (enum uid_kind)i);
		struct uidset kept;

		uidset_init(&kept);
		if (rset_collect(&set, 1, UINT32_MAX, &kept) != E_OK ||
		    !same_set(&kept, &b->sets[i]))
			fsck_say(f, "account %llu mailbox %u: the set of %s UIDs",
				 (unsigned long long)s->account, b->id, names[i]);
		uidset_fini(&kept);
	}
}

static bool has_way_up(struct seen *s, const struct seen_mailbox *b)
{
	for (unsigned depth = 0; b != NULL && depth < STORE_DEPTH_MAX; depth++) {
		if (b->m.parent == 0)
			return true;
		b = seen_find(s, b->m.parent);
	}
	return false;
}

static void check_mailbox(struct fsck *f, struct seen *s, struct seen_mailbox *b)
{
	unsigned long long account = s->account;
	const struct row_mailbox *m = &b->m;
	uint32_t id;

	if (tab_name_find(f->t, s->account, m->parent, mailbox_name(m), &id) != E_OK || id != b->id)
		fsck_say(f, "account %llu mailbox %u: its name does not lead to it", account,
			 b->id);
	if (!has_way_up(s, b))
		fsck_say(f, "account %llu mailbox %u: no way up from it", account, b->id);
	if (m->special != STORE_SPECIAL_NONE && s->acct.special[m->special] != b->id)
		fsck_say(f, "account %llu mailbox %u: special use %u is another's", account, b->id,
			 m->special);
	if (m->children != b->children)
		fsck_say(f, "account %llu mailbox %u: %u children, %u counted", account, b->id,
			 m->children, b->children);
	if (m->messages != b->messages || m->unseen != b->unseen || m->deleted != b->deleted ||
	    m->bytes != b->bytes)
		fsck_say(f,
			 "account %llu mailbox %u: %u messages, %u unseen, %u deleted, %llu bytes; "
			 "counted %u, %u, %u, %llu",
			 account, b->id, m->messages, m->unseen, m->deleted,
			 (unsigned long long)m->bytes, b->messages, b->unseen, b->deleted,
			 (unsigned long long)b->bytes);
	if (b->last_uid >= m->uidnext || m->recent_from > m->uidnext)
		fsck_say(f, "account %llu mailbox %u: UIDNEXT %u, recent %u, last %u", account,
			 b->id, m->uidnext, m->recent_from, b->last_uid);
	if (b->highest > m->highestmodseq || m->highestmodseq > s->acct.modseq)
		fsck_say(f, "account %llu mailbox %u: MODSEQ", account, b->id);
	if (m->noselect && b->messages > 0)
		fsck_say(f, "account %llu mailbox %u: messages in a \\Noselect one", account,
			 b->id);
	if (b->id >= s->acct.next_mailbox || m->uidvalidity >= s->acct.next_uidvalidity)
		fsck_say(f, "account %llu mailbox %u: numbers not given out yet", account, b->id);
	check_sets(f, s, b);
}

/* ---- emails, threads, log ---- */

struct email_walk {
	struct seen *s;
	size_t messages_at, reaped_at;
};

static enum err row_email(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct email_walk *w = arg;
	struct row_email email;
	uint32_t messages, reaped;
	uint64_t id;
	enum err e = key.n == 16 ? row_email_decode(value, &email) : E_CORRUPT;

	if (e != E_OK)
		return e;
	f->report->emails++;
	id = be64_get(key.p + 8);
	messages = numbers_count(&w->s->emails, &w->messages_at, id);
	reaped = numbers_count(&w->s->reaped, &w->reaped_at, id);
	if (email.refs != messages || reaped != (messages == 0 ? 1 : 0))
		fsck_say(f, "account %llu email %llu: %u references, %u messages, %u waiting",
			 (unsigned long long)w->s->account, (unsigned long long)id, email.refs,
			 messages, reaped);
	if (email.thread == 0 || email.thread > id)
		fsck_say(f, "account %llu email %llu: thread %llu",
			 (unsigned long long)w->s->account, (unsigned long long)id,
			 (unsigned long long)email.thread);
	if (w->s->has_row && id >= w->s->acct.next_email)
		fsck_say(f, "account %llu email %llu: not given out yet",
			 (unsigned long long)w->s->account, (unsigned long long)id);
	numbers_add(&f->record_refs, email.record);
	for (uint32_t i = 0; i < email.nhashes; i++)
		numbers_add(&w->s->threads, email.hashes[i]);
	return E_OK;
}

static void missing_threads(struct fsck *f, struct email_walk *w, uint64_t below)
{
	uint64_t hash;

	while (numbers_below(&w->s->threads, &w->messages_at, below, &hash))
		fsck_say(f, "account %llu: a thread's row is missing",
			 (unsigned long long)w->s->account);
}

static enum err row_thread(struct fsck *f, slice_t key, slice_t value, void *arg)
{
	struct email_walk *w = arg;
	struct row_thread thread;
	enum err e = key.n == 16 ? row_thread_decode(value, &thread) : E_CORRUPT;

	if (e != E_OK)
		return e;
	missing_threads(f, w, be64_get(key.p + 8));
	if (thread.refs == 0 ||
	    thread.refs != numbers_count(&w->s->threads, &w->messages_at, be64_get(key.p + 8)))
		fsck_say(f, "account %llu: references of a thread's row",
			 (unsigned long long)w->s->account);
	return E_OK;
}

static enum err row_log(struct fsck *f UNUSED, slice_t key, slice_t value, void *arg)
{
	struct seen *s = arg;
	struct row_log log;
	struct uid_range run;
	uint32_t last = 0;
	struct rec_r r;
	enum err e = key.n == 16 ? row_log_decode(value, &log) : E_CORRUPT;

	if (e != E_OK)
		return e;
	rec_r_init(&r, log.ranges);
	while (ranges_next(&r, &last, &run))
		;
	if (rec_r_end(&r) != E_OK)
		return E_CORRUPT;
	s->log_rows++;
	s->last_log = be64_get(key.p + 8);
	if (s->has_row && s->last_log <= s->acct.low_mark)
		fsck_say(f, "account %llu: a log row at or below the low mark",
			 (unsigned long long)s->account);
	return E_OK;
}

static enum err check_emails(struct fsck *f, struct seen *s, slice_t prefix)
{
	struct email_walk w = {.s = s};
	enum err e;

	for (; f->waiting_at < f->nwaiting && f->waiting[f->waiting_at].account <= s->account;
	     f->waiting_at++) {
		if (f->waiting[f->waiting_at].account == s->account)
			numbers_add(&s->reaped, f->waiting[f->waiting_at].email);
	}
	numbers_sort(&s->emails);
	e = fsck_rows(f, T_EMAIL, prefix, row_email, &w);
	numbers_sort(&s->threads);
	w.messages_at = 0;
	if (e == E_OK)
		e = fsck_rows(f, T_THREAD, prefix, row_thread, &w);
	missing_threads(f, &w, UINT64_MAX);
	return e;
}

static void check_row(struct fsck *f, struct seen *s)
{
	uint64_t bytes = 0, messages = 0;
	unsigned long long account = s->account;
	uint32_t inbox;

	for (size_t i = 0; i < s->n; i++) {
		bytes += s->v[i].bytes;
		messages += s->v[i].messages;
	}
	if (s->n > 0 && !s->has_row)
		fsck_say(f, "account %llu: mailboxes without its row", account);
	if (!s->has_row)
		return;
	f->report->accounts++;
	if (s->acct.bytes != bytes || s->acct.messages != messages || s->acct.mailboxes != s->n ||
	    s->names != s->n)
		fsck_say(f,
			 "account %llu: %llu bytes, %llu messages, %u mailboxes; counted %llu, "
			 "%llu, %zu and %llu names",
			 account, (unsigned long long)s->acct.bytes,
			 (unsigned long long)s->acct.messages, s->acct.mailboxes,
			 (unsigned long long)bytes, (unsigned long long)messages, s->n,
			 (unsigned long long)s->names);
	if (s->acct.log_rows != s->log_rows || s->last_log > s->acct.modseq ||
	    s->acct.low_mark > s->acct.modseq)
		fsck_say(f, "account %llu: change log of %llu rows, %llu counted", account,
			 (unsigned long long)s->acct.log_rows, (unsigned long long)s->log_rows);
	for (unsigned i = 1; i <= STORE_SPECIAL_LAST && !s->acct.removed; i++) {
		struct seen_mailbox *b = seen_find(s, s->acct.special[i]);

		if (s->acct.special[i] != 0 && (b == NULL || b->m.special != i))
			fsck_say(f, "account %llu: special use %u", account, i);
	}
	if (!s->acct.removed && tab_name_find(f->t, s->account, 0, SL("INBOX"), &inbox) != E_OK)
		fsck_say(f, "account %llu: no INBOX", account);
}

static void seen_fini(struct seen *s)
{
	for (size_t i = 0; i < s->n; i++) {
		for (unsigned j = 0; j < SET_KINDS; j++)
			uidset_fini(&s->v[i].sets[j]);
	}
	xfree(&s->v);
	xfree(&s->emails.v);
	xfree(&s->threads.v);
	xfree(&s->reaped.v);
}

enum err fsck_account(struct fsck *f, uint64_t account)
{
	struct seen s = {.account = account};
	unsigned char key[8];
	slice_t prefix = slice(key, sizeof(key));
	enum err e;

	be64_put(key, account);
	e = fsck_rows(f, T_ACCOUNT, prefix, row_mailbox, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_NAME, prefix, row_name, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_SUB, prefix, row_sub, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_MESSAGE, prefix, row_message, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_KEYWORD, prefix, row_keyword, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_RANGE, prefix, row_range, &s);
	if (e == E_OK)
		e = fsck_rows(f, T_PURGE, prefix, row_purge, &s);
	for (size_t i = 0; i < s.n && e == E_OK; i++)
		check_mailbox(f, &s, &s.v[i]);
	if (e == E_OK)
		e = check_emails(f, &s, prefix);
	if (e == E_OK)
		e = fsck_rows(f, T_LOG, prefix, row_log, &s);
	if (e == E_OK)
		check_row(f, &s);
	seen_fini(&s);
	return e;
}

bool fsck_next_account(struct fsck *f, uint64_t after, uint64_t *out)
{
	static const enum table tables[] = {T_ACCOUNT, T_NAME,  T_SUB,   T_MESSAGE, T_KEYWORD,
					    T_RANGE,   T_PURGE, T_EMAIL, T_THREAD,  T_LOG};
	unsigned char key[8];
	bool any = false;

	if (after == UINT64_MAX)
		return false;
	be64_put(key, after + 1);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct kv_cursor *c;
		slice_t k, v;

		if (kv_cursor(f->t, tables[i], &c) != E_OK)
			continue;
		if (kv_seek(c, slice(key, sizeof(key)), &k, &v) == E_OK && k.n >= 8 &&
		    (!any || be64_get(k.p) < *out)) {
			*out = be64_get(k.p);
			any = true;
		}
		kv_cursor_end(&c);
	}
	return any;
}
