#include "frontend/imap/imap_sync.h"

#include "common/base/clock.h"
#include "common/crypto/random.h"
#include "frontend/imap/imap_resp.h"
#include "frontend/rpc/call_message.h"

/* ---- small things ---- */

void imap_own(struct imap_selected *sel, uint64_t modseq)
{
	if (modseq == 0 || imap_is_own(sel, modseq))
		return;
	if (sel->nown == IMAP_OWN_MAX)
		memmove(sel->own, sel->own + 1, (--sel->nown) * sizeof sel->own[0]);
	sel->own[sel->nown++] = modseq;
}

bool imap_is_own(const struct imap_selected *sel, uint64_t modseq)
{
	for (unsigned i = 0; i < sel->nown; i++) {
		if (sel->own[i] == modseq)
			return true;
	}
	return false;
}

/* Told up to here: older ones are of no use. */
static void told(struct imap_selected *sel, uint64_t modseq)
{
	unsigned kept = 0;

	sel->modseq = MAX(sel->modseq, modseq);
	sel->nudged = MAX(sel->nudged, modseq);
	for (unsigned i = 0; i < sel->nown; i++) {
		if (sel->own[i] > sel->modseq)
			sel->own[kept++] = sel->own[i];
	}
	sel->nown = kept;
}

void imap_put_flags(struct imap *im, uint32_t uid, uint32_t flags, uint64_t keywords)
{
	struct imap_selected *sel = im->sel;

	imap_flags_put(&im->out, flags, keywords, sel->keywords, sel->nkeywords,
		       uid_set_has(&sel->recent, uid) ? IMAP_RECENT : IMAP_NOT_RECENT);
}

void imap_put_flags_row(struct imap *im, uint32_t uid, uint32_t flags, uint64_t keywords)
{
	uint32_t seq = imap_view_seq(&im->sel->view, uid);

	if (seq == 0)
		return;
	buf_puts(&im->out, "* ");
	buf_put_u64(&im->out, seq);
	buf_puts(&im->out, " FETCH (UID ");
	buf_put_u64(&im->out, uid);
	buf_puts(&im->out, " FLAGS ");
	imap_put_flags(im, uid, flags, keywords);
	buf_puts(&im->out, ")\r\n");
}

static void put_mailbox_flags(struct imap *im)
{
	struct imap_selected *sel = im->sel;
	uint64_t all = sel->nkeywords < 64 ? ((uint64_t)1 << sel->nkeywords) - 1 : UINT64_MAX;
	uint32_t flags =
		MESSAGE_ANSWERED | MESSAGE_FLAGGED | MESSAGE_DELETED | MESSAGE_SEEN | MESSAGE_DRAFT;

	buf_puts(&im->out, "* FLAGS ");
	imap_flags_put(&im->out, flags, all, sel->keywords, sel->nkeywords, IMAP_NOT_RECENT);
	buf_puts(&im->out, "\r\n* OK [PERMANENTFLAGS ");
	if (sel->mode == MAILBOX_READ_ONLY) {
		buf_puts(&im->out, "()");
	} else {
		imap_flags_put(&im->out, flags, all, sel->keywords, sel->nkeywords,
			       IMAP_NOT_RECENT);
		/* Inside of the list: "\*" means that new keywords may be made. */
		if (!buf_failed(&im->out) && sel->nkeywords < IMAP_KEYWORDS_MAX) {
			im->out.n--;
			buf_puts(&im->out, " \\*)");
		}
	}
	buf_puts(&im->out, "] Flags\r\n");
}

static bool add_keywords(struct imap_selected *sel, const slice_t *names, size_t n)
{
	size_t was = sel->nkeywords;

	for (size_t i = 0; i < n && sel->nkeywords < IMAP_KEYWORDS_MAX; i++)
		sel->keywords[sel->nkeywords++] =
			imap_keyword_ok(names[i]) ? arena_dup(&sel->arena, names[i]) : SLICE_NONE;
	return sel->nkeywords != was;
}

void imap_learn_keywords(struct imap *im, const slice_t *names, size_t n)
{
	if (add_keywords(im->sel, names, n))
		put_mailbox_flags(im);
}

static uint32_t count_recent(const struct imap_selected *sel)
{
	const struct uid_range *r = uid_set_ranges(&sel->recent);
	uint32_t count = 0;

	for (size_t i = 0; i < uid_set_n(&sel->recent); i++)
		count += imap_view_below(&sel->view, (uint64_t)r[i].last + 1) -
			 imap_view_below(&sel->view, r[i].first);
	return count;
}

static void put_exists(struct imap *im)
{
	buf_puts(&im->out, "* ");
	buf_put_u64(&im->out, im->sel->view.count);
	buf_puts(&im->out, " EXISTS\r\n* ");
	buf_put_u64(&im->out, count_recent(im->sel));
	buf_puts(&im->out, " RECENT\r\n");
}

/* ---- the watch ---- */

static void watch_ended(struct imap_selected *sel)
{
	int64_t pause = MIN(MAX(2 * sel->rewatch_pause_ms, (int64_t)IMAP_REWATCH_MS),
			    (int64_t)IMAP_REWATCH_MAX_MS);

	mailbox_watch_free(&sel->watch);
	sel->rewatch_pause_ms = pause;
	sel->rewatch_ms = clock_mono_ms() + pause / 2 + random_below((uint32_t)pause / 2 + 1);
}

WAITS void imap_watch(struct imap *im)
{
	struct imap_selected *sel = im->sel;

	if (sel == NULL || sel->watch != NULL || clock_mono_ms() < sel->rewatch_ms)
		return;
	if (call_mailbox_watch(im->s.ticket, sel->mailbox, sel->modseq, &sel->watch) != E_OK)
		watch_ended(sel);
}

/* What nudges have come. E_NOT_FOUND: the mailbox is gone. */
WAITS static enum err poll_watch(struct imap *im)
{
	struct imap_selected *sel = im->sel;
	uint64_t was = sel->nudged;
	enum err e;

	if (sel->watch == NULL)
		return E_OK;
	e = mailbox_watch_poll(sel->watch, &sel->nudged);
	if (sel->nudged != was)
		sel->rewatch_pause_ms = 0;
	if (e != E_OK)
		watch_ended(sel);
	return e == E_NOT_FOUND || e == E_NO_TICKET || e == E_CANCELLED ? e : E_OK;
}

/* ---- changes ---- */

/* Rows of messages that the client knows of; those that are new it will ask for itself. */
WAITS static enum err tell_rows(struct imap *im, const struct change_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		enum err e;

		if (imap_is_own(im->sel, b->modseq[i]))
			continue;
		imap_put_flags_row(im, b->uid[i], b->flags[i], b->keywords[i]);
		e = imap_push(im);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

static enum err take_sets(struct imap_selected *sel, const struct change_batch *b,
			  struct uid_set *added)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < b->nadded; i++)
		e = uid_set_add(added, b->added[i].first, b->added[i].last);
	for (size_t i = 0; e == E_OK && i < b->nvanished; i++)
		e = uid_set_add(&sel->vanished, b->vanished[i].first, b->vanished[i].last);
	return e;
}

/* New messages enter the view. */
static enum err tell_added(struct imap *im, const struct uid_set *added, uint32_t recent_from)
{
	struct imap_selected *sel = im->sel;
	uint32_t was = sel->view.count;

	for (size_t i = 0; i < uid_set_n(added); i++) {
		struct uid_range r = uid_set_ranges(added)[i];
		enum err e = imap_view_add(&sel->view, r);

		if (e == E_OK && recent_from != 0 && r.last >= recent_from)
			e = uid_set_add(&sel->recent, MAX(r.first, recent_from), r.last);
		if (e != E_OK)
			return e;
	}
	if (sel->view.count != was)
		put_exists(im);
	return E_OK;
}

WAITS static enum err read_changes(struct imap *im, struct mailbox_changes *c,
				   const struct changes_info *info)
{
	struct imap_selected *sel = im->sel;
	struct change_batch b;
	struct uid_set added;
	enum err e;

	uid_set_init(&added, &im->s.budget);
	imap_learn_keywords(im, info->keywords, info->nkeywords);
	while ((e = mailbox_changes_next(c, &b)) == E_OK) {
		e = take_sets(sel, &b, &added);
		if (e == E_OK)
			e = tell_rows(im, &b);
		if (e != E_OK)
			break;
	}
	if (e == E_CLOSED)
		e = tell_added(im, &added, info->recent_from);
	if (e == E_OK) {
		sel->uidnext = MAX(sel->uidnext, info->uidnext);
		told(sel, info->highestmodseq);
	}
	uid_set_fini(&added);
	return e;
}

/* What the client knows of and is not in `now` has vanished. */
static enum err vanish_gaps(struct imap_selected *sel, const struct uid_set *now)
{
	uint64_t at = 1, last = imap_view_last(&sel->view);
	size_t n = uid_set_n(now);

	for (size_t i = 0; at <= last && i <= n; i++) {
		const struct uid_range *r = uid_set_ranges(now) + i;
		uint64_t end = i < n ? MIN((uint64_t)r->first, last + 1) : last + 1;

		if (at < end) {
			enum err e = uid_set_add(&sel->vanished, (uint32_t)at, (uint32_t)(end - 1));

			if (e != E_OK)
				return e;
		}
		at = i < n ? (uint64_t)r->last + 1 : last + 1;
	}
	return E_OK;
}

/* Flags of all messages that changed since what was told. */
WAITS static enum err tell_all_flags(struct imap *im)
{
	struct imap_selected *sel = im->sel;
	struct fetch_spec spec = {.columns = MESSAGE_COL_FLAGS, .changed_since = sel->modseq};
	struct uid_range all = {1, UINT32_MAX};
	struct message_set set = {sel->mailbox, &all, 1};
	struct message_fetch *f;
	struct fetch_batch b;
	enum err e = call_message_fetch(im->s.ticket, &set, &spec, &f);

	if (e != E_OK)
		return e;
	while ((e = message_fetch_next(f, &b)) == E_OK) {
		for (size_t i = 0; i < b.n; i++)
			imap_put_flags_row(im, b.uid[i], b.flags[i], b.keywords[i]);
		e = imap_push(im);
		if (e != E_OK)
			break;
	}
	message_fetch_free(&f);
	return e == E_CLOSED ? E_OK : e;
}

/* The log does not reach back to what the client knows: everything is compared. */
WAITS static enum err reopen(struct imap *im)
{
	struct imap_selected *sel = im->sel;
	struct mailbox_info info;
	struct uid_set now;
	enum err e;

	uid_set_init(&now, &im->s.budget);
	e = call_mailbox_open(im->s.ticket, sel->path, sel->mode, &im->arena, &info, &now, NULL);
	if (e == E_OK && (info.id != sel->mailbox || info.uidvalidity != sel->uidvalidity))
		e = E_NOT_FOUND;
	if (e == E_OK) {
		size_t known = MIN(sel->nkeywords, info.nkeywords);

		imap_learn_keywords(im, info.keywords + known, info.nkeywords - known);
		e = vanish_gaps(sel, &now);
	}
	if (e == E_OK)
		e = tell_all_flags(im);
	if (e == E_OK)
		e = tell_added(im, &now, info.recent_from);
	if (e == E_OK) {
		sel->uidnext = MAX(sel->uidnext, info.uidnext);
		told(sel, info.highestmodseq);
	}
	uid_set_fini(&now);
	return e;
}

WAITS static enum err take_changes(struct imap *im)
{
	struct imap_selected *sel = im->sel;
	struct mailbox_changes *c;
	struct changes_info info;
	enum err e = call_mailbox_changes(
		im->s.ticket, sel->mailbox, sel->modseq, (uint32_t)sel->nkeywords,
		sel->mode == MAILBOX_READ_WRITE ? MAILBOX_TAKE_RECENT : MAILBOX_LEAVE_RECENT, &c,
		&info, NULL);

	if (e != E_OK)
		return e;
	if (info.reset)
		e = reopen(im);
	else
		e = read_changes(im, c, &info);
	mailbox_changes_free(&c);
	return e;
}

WAITS enum err imap_tell_vanished(struct imap *im, const struct uid_range *r, size_t n)
{
	struct imap_selected *sel = im->sel;
	struct uid_set seqs;
	enum err e;

	uid_set_init(&seqs, &im->s.budget);
	e = imap_view_to_seqs(&sel->view, r, n, &seqs);
	/* From the end, so that no number moves before it is said. */
	for (size_t i = uid_set_n(&seqs); e == E_OK && i > 0; i--) {
		struct uid_range q = uid_set_ranges(&seqs)[i - 1];

		for (uint32_t seq = q.last; e == E_OK && seq >= q.first; seq--) {
			buf_puts(&im->out, "* ");
			buf_put_u64(&im->out, seq);
			buf_puts(&im->out, " EXPUNGE\r\n");
			e = imap_push(im);
		}
	}
	if (e == E_OK && uid_set_n(&seqs) != 0)
		e = imap_view_remove(&sel->view, r, n);
	uid_set_fini(&seqs);
	return e;
}

/* Failures that leave the session as it is: what could not be had is told the next time. */
static enum err passing(struct imap *im, enum err e)
{
	switch (e) {
	case E_OK:
	case E_RETRY:
	case E_TIMEOUT:
	case E_BUSY:
	case E_WRONG_OWNER:
	case E_INTERNAL:
	case E_RATE:
	case E_DENIED:
	case E_CORRUPT:
	case E_FULL:
	case E_QUOTA:
	case E_TOO_BIG:
	case E_INVALID:
	case E_EXISTS:
		if (e != E_OK)
			LOG(LOG_INFO, &im->s.log, "imap.sync_failed", LF_ERR("error", e));
		return E_OK;
	case E_NOT_FOUND:
		im->bye = "The mailbox was deleted";
		return E_OK;
	case E_NO_TICKET:
		im->bye = "The session has ended, log in again";
		return E_OK;
	case E_LIMIT:
		im->bye = "The mailbox is too large for this session";
		return E_OK;
	case E_CANCELLED:
	case E_CLOSED:
	case E_IO:
	case E_TLS:
		return e;
	}
	return e;
}

WAITS enum err imap_sync(struct imap *im, enum imap_when when, enum imap_expunges ex)
{
	struct imap_selected *sel = im->sel;
	enum err e;

	if (sel == NULL || im->bye != NULL)
		return E_OK;
	e = poll_watch(im);
	if (e == E_OK && (when == IMAP_SYNC_NOW || sel->watch == NULL || sel->nudged > sel->modseq))
		e = take_changes(im);
	e = passing(im, e);
	if (e == E_OK && im->bye == NULL)
		imap_watch(im);
	if (e == E_OK && ex == IMAP_TELL_EXPUNGES && uid_set_n(&sel->vanished) != 0) {
		e = passing(im, imap_tell_vanished(im, uid_set_ranges(&sel->vanished),
						   uid_set_n(&sel->vanished)));
		uid_set_fini(&sel->vanished);
	}
	return e;
}

/* ---- SELECT ---- */

static enum err load(struct imap *im, const struct mailbox_info *info, const struct uid_set *uids)
{
	struct imap_selected *sel = im->sel;
	enum err e = imap_view_load(&sel->view, uid_set_ranges(uids), uid_set_n(uids));
	size_t i = uid_set_find(uid_set_ranges(uids), uid_set_n(uids), info->recent_from);

	for (; e == E_OK && info->recent_from != 0 && i < uid_set_n(uids); i++) {
		struct uid_range r = uid_set_ranges(uids)[i];

		e = uid_set_add(&sel->recent, MAX(r.first, info->recent_from), r.last);
	}
	sel->mailbox = info->id;
	sel->uidvalidity = info->uidvalidity;
	sel->uidnext = info->uidnext;
	sel->modseq = sel->nudged = info->highestmodseq;
	(void)add_keywords(sel, info->keywords, info->nkeywords);
	return e;
}

static void put_selected(struct imap *im, const struct mailbox_info *info)
{
	struct imap_selected *sel = im->sel;
	uint32_t unseen =
		info->first_unseen != 0 ? imap_view_seq(&sel->view, info->first_unseen) : 0;

	put_mailbox_flags(im);
	put_exists(im);
	if (unseen != 0) {
		buf_puts(&im->out, "* OK [UNSEEN ");
		buf_put_u64(&im->out, unseen);
		buf_puts(&im->out, "] First unseen\r\n");
	}
	buf_puts(&im->out, "* OK [UIDVALIDITY ");
	buf_put_u64(&im->out, sel->uidvalidity);
	buf_puts(&im->out, "] UIDs valid\r\n* OK [UIDNEXT ");
	buf_put_u64(&im->out, sel->uidnext);
	buf_puts(&im->out, "] Next UID\r\n");
}

WAITS enum err imap_selected_open(struct imap *im, slice_t path, enum mailbox_mode mode,
				  struct diag *d)
{
	struct imap_selected *sel;
	struct mailbox_info info;
	struct uid_set uids;
	enum err e;

	imap_selected_close(im);
	uid_set_init(&uids, &im->s.budget);
	e = call_mailbox_open(im->s.ticket, path, mode, &im->arena, &info, &uids, d);
	if (e == E_OK) {
		sel = xcalloc(1, sizeof *sel);
		im->sel = sel;
		arena_init(&sel->arena, &im->s.budget);
		imap_view_init(&sel->view, &im->s.budget);
		uid_set_init(&sel->recent, &im->s.budget);
		uid_set_init(&sel->vanished, &im->s.budget);
		sel->path = arena_dup(&sel->arena, path);
		sel->mode = mode;
		im->state = IMAP_SELECTED;
		im->s.state = "selected";
		e = load(im, &info, &uids);
	}
	uid_set_fini(&uids);
	if (e != E_OK) {
		imap_selected_close(im);
		return e;
	}
	put_selected(im, &info);
	imap_watch(im);
	return E_OK;
}

void imap_selected_close(struct imap *im)
{
	struct imap_selected *sel = im->sel;

	if (sel == NULL)
		return;
	mailbox_watch_free(&sel->watch);
	imap_view_fini(&sel->view);
	uid_set_fini(&sel->recent);
	uid_set_fini(&sel->vanished);
	arena_reset(&sel->arena);
	xfree(&im->sel);
	im->state = IMAP_AUTH;
	im->s.state = "authenticated";
}
