/*
 * STORE (RFC 3501 section 6.4.6). A .SILENT one tells the client nothing of what it did itself, but
 * must not hide what others did: it is asked for only of messages that have not changed since what
 * the client was told; those that have are done by a second call, and told.
 */
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_seq.h"
#include "frontend/imap/imap_sync.h"

struct store {
	struct imap *im;
	struct imap_cmd *c;
	struct imap_seq seq;
	struct imap_flags flags;
	enum store_mode mode;
	bool silent;
	uint64_t told; /* messages there were */
};

/* store-att-flags: (["+" / "-"] "FLAGS" [".SILENT"]) SP flags */
static bool parse_store(struct store *st, const char **why)
{
	struct imap_args *a = &st->c->args;

	*why = "Messages, FLAGS and flags expected";
	if (!imap_seq_parse(a, &st->seq) || !imap_sp(a))
		return false;
	st->mode = imap_char(a, '+') ? STORE_ADD : imap_char(a, '-') ? STORE_REMOVE : STORE_REPLACE;
	st->silent = imap_word(a, "FLAGS.SILENT");
	if (!st->silent && !imap_word(a, "FLAGS"))
		return false;
	if (!imap_sp(a) || !imap_flags_parse_store(a, &st->flags, why))
		return false;
	*why = "Syntax error after the flags";
	return imap_end(a);
}

enum tell { TELL_ROWS, TELL_NONE };

/* One call; what was refused because others changed it is added to modified. */
WAITS static enum err store_part(struct store *st, const struct message_set *set,
				 uint64_t unchanged_since, enum tell tell, struct uid_set *modified,
				 struct diag *d)
{
	struct imap_selected *sel = st->im->sel;
	struct store_spec spec = {
		.mode = st->mode,
		.flags = st->flags.flags,
		.keywords = st->flags.keywords,
		.nkeywords = st->flags.nkeywords,
		.unchanged_since = unchanged_since,
		.known_keywords = (uint32_t)sel->nkeywords,
	};
	struct message_store *s;
	struct store_info info;
	struct fetch_batch b;
	enum err e = call_message_store(st->im->s.ticket, set, &spec, &s, &info, d), told = E_OK;

	if (e != E_OK)
		return e;
	imap_own(sel, info.modseq);
	imap_learn_keywords(st->im, info.keywords, info.nkeywords);
	for (size_t i = 0; e == E_OK && i < info.nmodified; i++)
		e = uid_set_add(modified, info.modified[i].first, info.modified[i].last);
	while (e == E_OK && told == E_OK && (e = message_store_next(s, &b)) == E_OK) {
		st->told += b.n;
		/* The names may come here instead. */
		if (info.nkeywords == 0)
			imap_learn_keywords(st->im, b.keyword_names, b.nkeyword_names);
		for (size_t i = 0; tell == TELL_ROWS && i < b.n; i++)
			imap_put_flags_row(st->im, b.uid[i], b.flags[i], b.keywords[i]);
		told = imap_push(st->im);
	}
	message_store_free(&s);
	return told != E_OK ? told : e == E_CLOSED ? E_OK : e;
}

/* All messages of the set, in portions that are one change each. */
WAITS static enum err store_seqs(struct store *st, const struct uid_set *seqs,
				 uint64_t unchanged_since, enum tell tell, struct uid_set *modified,
				 struct diag *d)
{
	struct imap_selected *sel = st->im->sel;
	struct imap_portions p = {.seqs = uid_set_ranges(seqs), .n = uid_set_n(seqs)};
	struct uid_set uids;
	enum err e = E_OK;

	uid_set_init(&uids, &st->im->s.budget);
	while (e == E_OK && imap_view_portion(&sel->view, &p, MESSAGE_STORE_MAX, &uids)) {
		struct message_set set = {sel->mailbox, uid_set_ranges(&uids), uid_set_n(&uids)};

		e = store_part(st, &set, unchanged_since, tell, modified, d);
	}
	uid_set_fini(&uids);
	return e == E_OK ? p.err : e;
}

WAITS static enum err store_all(struct store *st, const struct uid_set *seqs, struct diag *d)
{
	struct imap_selected *sel = st->im->sel;
	struct uid_set modified, again, unused;
	enum err e;

	uid_set_init(&modified, &st->im->s.budget);
	uid_set_init(&again, &st->im->s.budget);
	uid_set_init(&unused, &st->im->s.budget);
	e = store_seqs(st, seqs, st->silent ? sel->modseq : 0, st->silent ? TELL_NONE : TELL_ROWS,
		       &modified, d);
	if (e == E_OK)
		e = imap_view_to_seqs(&sel->view, uid_set_ranges(&modified), uid_set_n(&modified),
				      &again);
	if (e == E_OK)
		e = store_seqs(st, &again, 0, TELL_ROWS, &unused, d);
	uid_set_fini(&modified);
	uid_set_fini(&again);
	uid_set_fini(&unused);
	return e;
}

WAITS static enum err store(struct store *st)
{
	struct imap *im = st->im;
	struct uid_set seqs;
	struct diag d = {""};
	enum err e;

	uid_set_init(&seqs, &im->s.budget);
	e = imap_seq_resolve(&st->seq, st->c->uid ? IMAP_NUMBERS_UID : IMAP_NUMBERS_SEQ,
			     &im->sel->view, &seqs);
	if (e == E_INVALID) {
		uid_set_fini(&seqs);
		return imap_bad(st->c, "No such message");
	}
	if (e == E_OK)
		e = store_all(st, &seqs, &d);
	if (e != E_OK)
		e = imap_fail(im, st->c, e, &d);
	else if (!st->c->uid && st->told < uid_set_count(&seqs))
		e = imap_no(st->c, "EXPUNGEISSUED", "Some of the messages are gone");
	else
		e = imap_ok(st->c, "Done");
	uid_set_fini(&seqs);
	return e;
}

WAITS enum err imap_run_store(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct store st = {.im = im, .c = arg};
	const char *why;

	if (!parse_store(&st, &why))
		return imap_bad(st.c, why);
	if (im->sel->mode == MAILBOX_READ_ONLY)
		return imap_no(st.c, "CANNOT", "The mailbox is read-only");
	return store(&st);
}
