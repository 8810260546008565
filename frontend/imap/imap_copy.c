/* COPY (RFC 3501 section 6.4.7) with COPYUID (RFC 4315), MOVE (RFC 6851). One transaction each. */
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_seq.h"
#include "frontend/imap/imap_sync.h"

/* "COPYUID validity from to" in the command's arena; NULL: it cannot be said. */
static const char *copyuid(struct imap *im, const struct copy_info *info)
{
	uint64_t nfrom = 0, nto = 0;
	const char *code = NULL;
	struct buf b;

	for (size_t i = 0; i < info->nfrom; i++)
		nfrom += (uint64_t)info->from[i].last - info->from[i].first + 1;
	for (size_t i = 0; i < info->nto; i++)
		nto += (uint64_t)info->to[i].last - info->to[i].first + 1;
	if (nfrom == 0 || nfrom != nto)
		return NULL;
	buf_init(&b, IMAP_OUT_MAX, &im->s.budget);
	buf_puts(&b, "COPYUID ");
	buf_put_u64(&b, info->uidvalidity);
	buf_putc(&b, ' ');
	imap_seq_put(&b, info->from, info->nfrom);
	buf_putc(&b, ' ');
	imap_seq_put(&b, info->to, info->nto);
	if (!buf_failed(&b))
		code = arena_str(&im->arena, buf_slice(&b));
	buf_fini(&b);
	return code;
}

static enum err failed(struct imap *im, struct imap_cmd *c, enum err e, const struct diag *d)
{
	/* The source is selected, so it is the destination that is not there. */
	return e == E_NOT_FOUND ? imap_no(c, "TRYCREATE", "No such mailbox")
				: imap_fail(im, c, e, d);
}

/* RFC 6851 section 4.3: COPYUID in an untagged OK before the EXPUNGEs. */
WAITS static enum err moved(struct imap *im, struct imap_cmd *c, const struct copy_info *info)
{
	const char *code = copyuid(im, info);
	enum err e;

	if (code != NULL) {
		buf_puts(&im->out, "* OK [");
		buf_puts(&im->out, code);
		buf_puts(&im->out, "] Moved\r\n");
	}
	imap_own(im->sel, info->modseq);
	/* Too many pieces to be named in the answer. */
	if (info->nfrom == 0)
		e = imap_sync(im, IMAP_SYNC_NOW, IMAP_TELL_EXPUNGES);
	else
		e = imap_tell_vanished(im, info->from, info->nfrom);
	return e == E_OK ? imap_ok(c, "Done") : e;
}

WAITS static enum err copy_uids(struct imap *im, struct imap_cmd *c, const struct uid_set *uids,
				slice_t to, enum message_copy what)
{
	struct message_set set = {im->sel->mailbox, uid_set_ranges(uids), uid_set_n(uids)};
	struct diag d = {""};
	struct copy_info info;
	enum err e;

	if (set.n == 0)
		return imap_ok(c, "Nothing to do");
	e = call_message_copy(im->s.ticket, &set, to, what, &im->arena, &info, &d);
	if (e != E_OK)
		return failed(im, c, e, &d);
	if (what == MESSAGE_MOVE)
		return moved(im, c, &info);
	return imap_ok_code(c, copyuid(im, &info), "Done");
}

WAITS static enum err copy(struct imap *im, struct imap_cmd *c, enum message_copy what)
{
	struct uid_set seqs, uids;
	struct imap_seq seq;
	slice_t to;
	enum err e;

	if (!imap_seq_parse(&c->args, &seq) || !imap_sp(&c->args) ||
	    !imap_arg_mailbox(&c->args, &to) || !imap_end(&c->args))
		return imap_bad(c, "Messages and a mailbox name expected");
	if (to.n == 0)
		return imap_no(c, "CANNOT", "No name that can be");
	if (what == MESSAGE_MOVE && im->sel->mode == MAILBOX_READ_ONLY)
		return imap_no(c, "CANNOT", "The mailbox is read-only");
	uid_set_init(&seqs, &im->s.budget);
	uid_set_init(&uids, &im->s.budget);
	e = imap_seq_resolve(&seq, c->uid ? IMAP_NUMBERS_UID : IMAP_NUMBERS_SEQ, &im->sel->view,
			     &seqs);
	if (e == E_OK)
		e = imap_view_to_uids(&im->sel->view, uid_set_ranges(&seqs), uid_set_n(&seqs),
				      &uids);
	if (e == E_INVALID)
		e = imap_bad(c, "No such message");
	else if (e != E_OK)
		e = imap_fail(im, c, e, NULL);
	else
		e = copy_uids(im, c, &uids, to, what);
	uid_set_fini(&seqs);
	uid_set_fini(&uids);
	return e;
}

WAITS enum err imap_run_copy(struct session *s, slice_t args UNUSED, void *arg)
{
	return copy(imap_of(s), arg, MESSAGE_COPY);
}

WAITS enum err imap_run_move(struct session *s, slice_t args UNUSED, void *arg)
{
	return copy(imap_of(s), arg, MESSAGE_MOVE);
}
