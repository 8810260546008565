/* SELECT, EXAMINE, CHECK, CLOSE, UNSELECT (RFC 3691), EXPUNGE, UID EXPUNGE (RFC 4315). */
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_seq.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/rpc/call_message.h"

WAITS static enum err open_mailbox(struct imap *im, struct imap_cmd *c, enum mailbox_mode mode)
{
	struct diag d = {""};
	slice_t path;
	enum err e;

	if (!imap_arg_mailbox(&c->args, &path) || !imap_end(&c->args))
		return imap_bad(c, "Mailbox name expected");
	/* Whatever follows, the mailbox that was selected no longer is (RFC 3501 section 6.3.1). */
	imap_selected_close(im);
	if (path.n == 0)
		return imap_no(c, "NONEXISTENT", "No such mailbox");
	e = imap_selected_open(im, path, mode, &d);
	if (e != E_OK)
		return imap_fail(im, c, e, &d);
	return imap_ok_code(c, mode == MAILBOX_READ_ONLY ? "READ-ONLY" : "READ-WRITE", "Selected");
}

WAITS enum err imap_run_select(struct session *s, slice_t args UNUSED, void *arg)
{
	return open_mailbox(imap_of(s), arg, MAILBOX_READ_WRITE);
}

WAITS enum err imap_run_examine(struct session *s, slice_t args UNUSED, void *arg)
{
	return open_mailbox(imap_of(s), arg, MAILBOX_READ_ONLY);
}

WAITS enum err imap_run_check(struct session *s, slice_t args UNUSED, void *arg)
{
	enum err e = imap_sync(imap_of(s), IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);

	return e == E_OK ? imap_ok(arg, "Done") : e;
}

WAITS enum err imap_run_unselect(struct session *s, slice_t args UNUSED, void *arg)
{
	imap_selected_close(imap_of(s));
	return imap_ok(arg, "Done");
}

/* Removes what has \Deleted of the set; the UIDs are added to gone. */
WAITS static enum err expunge(struct imap *im, const struct message_set *set, struct uid_set *gone,
			      struct diag *d)
{
	uint64_t modseq = 0;

	return call_message_expunge(im->s.ticket, set, gone, &modseq, d);
}

WAITS enum err imap_run_close(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct message_set all = {.mailbox = im->sel->mailbox};
	struct diag d = {""};
	struct uid_set gone;
	enum err e = E_OK;

	uid_set_init(&gone, &s->budget);
	if (im->sel->mode == MAILBOX_READ_WRITE)
		e = expunge(im, &all, &gone, &d);
	uid_set_fini(&gone);
	/* The mailbox is closed in any case; what could not be removed is there the next time. */
	imap_selected_close(im);
	return e == E_OK || e == E_NOT_FOUND ? imap_ok(arg, "Done") : imap_fail(im, arg, e, &d);
}

WAITS static enum err expunge_and_tell(struct imap *im, struct imap_cmd *c,
				       const struct message_set *set)
{
	struct diag d = {""};
	struct uid_set gone;
	enum err e, told;

	uid_set_init(&gone, &im->s.budget);
	e = expunge(im, set, &gone, &d);
	told = imap_tell_vanished(im, uid_set_ranges(&gone), uid_set_n(&gone));
	/* Of very many pieces the answer names only the first. */
	if (told == E_OK && uid_set_n(&gone) >= MESSAGE_RANGES_MAX)
		told = imap_sync(im, IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);
	uid_set_fini(&gone);
	if (told != E_OK)
		return told;
	return e == E_OK ? imap_ok(c, "Done") : imap_fail(im, c, e, &d);
}

WAITS enum err imap_run_expunge(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct message_set set = {.mailbox = im->sel->mailbox};
	struct uid_set seqs, uids;
	struct imap_seq seq;
	enum err e = E_OK;

	if (c->uid && (!imap_seq_parse(&c->args, &seq) || !imap_end(&c->args)))
		return imap_bad(c, "UIDs expected");
	if (im->sel->mode == MAILBOX_READ_ONLY)
		return imap_no(c, "CANNOT", "The mailbox is read-only");
	if (!c->uid)
		return expunge_and_tell(im, c, &set);
	uid_set_init(&seqs, &s->budget);
	uid_set_init(&uids, &s->budget);
	e = imap_seq_resolve(&seq, IMAP_NUMBERS_UID, &im->sel->view, &seqs);
	if (e == E_OK)
		e = imap_view_to_uids(&im->sel->view, uid_set_ranges(&seqs), uid_set_n(&seqs),
				      &uids);
	set.ranges = uid_set_ranges(&uids);
	set.n = uid_set_n(&uids);
	if (e != E_OK)
		e = imap_fail(im, c, e, NULL);
	else if (set.n == 0) /* no UIDs at all would mean all of them */
		e = imap_ok(c, "Done");
	else
		e = expunge_and_tell(im, c, &set);
	uid_set_fini(&seqs);
	uid_set_fini(&uids);
	return e;
}
