/* SEARCH (RFC 3501 section 6.4.4) and ESEARCH (RFC 4731). The owner finds; here the answer is cut
 * to what the client knows of, and numbered. */
#include "frontend/imap/imap_resp.h"
#include "frontend/imap/imap_search_hdr.h"
#include "frontend/imap/imap_search_prog.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/mime/imaptext.h"

static uint32_t number(const struct imap *im, const struct imap_cmd *c, uint32_t seq)
{
	return c->uid ? imap_view_uid(&im->sel->view, seq) : seq;
}

WAITS static enum err put_search(struct imap *im, const struct imap_cmd *c,
				 const struct uid_set *seqs)
{
	enum err e = E_OK;

	buf_puts(&im->out, "* SEARCH");
	for (size_t i = 0; e == E_OK && i < uid_set_n(seqs); i++) {
		struct uid_range r = uid_set_ranges(seqs)[i];

		for (uint32_t seq = r.first; e == E_OK && seq <= r.last; seq++) {
			buf_putc(&im->out, ' ');
			buf_put_u64(&im->out, number(im, c, seq));
			e = imap_push(im);
		}
	}
	buf_puts(&im->out, "\r\n");
	return e;
}

/* ALL: a sequence set of the numbers that the command speaks. */
WAITS static enum err put_all(struct imap *im, const struct imap_cmd *c, const struct uid_set *seqs)
{
	struct uid_set uids;
	const struct uid_set *set = seqs;
	enum err e = E_OK;

	uid_set_init(&uids, &im->s.budget);
	for (size_t i = 0; c->uid && e == E_OK && i < uid_set_n(seqs); i++) {
		struct uid_range r = uid_set_ranges(seqs)[i];

		for (uint32_t seq = r.first; e == E_OK && seq <= r.last; seq++) {
			uint32_t uid = imap_view_uid(&im->sel->view, seq);

			e = uid_set_add(&uids, uid, uid);
		}
	}
	if (c->uid)
		set = &uids;
	buf_puts(&im->out, " ALL ");
	for (size_t i = 0; e == E_OK && i < uid_set_n(set); i++) {
		if (i != 0)
			buf_putc(&im->out, ',');
		imap_seq_put(&im->out, uid_set_ranges(set) + i, 1);
		e = imap_push(im);
	}
	uid_set_fini(&uids);
	return e;
}

WAITS static enum err put_esearch(struct imap *im, const struct imap_cmd *c, unsigned want,
				  const struct uid_set *seqs)
{
	size_t n = uid_set_n(seqs);
	const struct uid_range *r = uid_set_ranges(seqs);
	struct buf *out = &im->out;
	enum err e = E_OK;

	buf_puts(out, "* ESEARCH (TAG ");
	imaptext_string(out, c->tag);
	buf_puts(out, c->uid ? ") UID" : ")");
	if ((want & IMAP_SEARCH_MIN) && n != 0) {
		buf_puts(out, " MIN ");
		buf_put_u64(out, number(im, c, r[0].first));
	}
	if ((want & IMAP_SEARCH_MAX) && n != 0) {
		buf_puts(out, " MAX ");
		buf_put_u64(out, number(im, c, r[n - 1].last));
	}
	if (want & IMAP_SEARCH_COUNT) {
		buf_puts(out, " COUNT ");
		buf_put_u64(out, uid_set_count(seqs));
	}
	if ((want & IMAP_SEARCH_ALL) && n != 0)
		e = put_all(im, c, seqs);
	buf_puts(out, "\r\n");
	return e;
}

WAITS static enum err search(struct imap *im, struct imap_cmd *c, struct imap_search *s)
{
	struct uid_set uids, seqs;
	struct diag d = {""};
	enum err e, said = E_OK;

	uid_set_init(&uids, &im->s.budget);
	uid_set_init(&seqs, &im->s.budget);
	e = imap_search_run(im, s, &uids, &d);
	if (e == E_OK)
		e = imap_view_to_seqs(&im->sel->view, uid_set_ranges(&uids), uid_set_n(&uids),
				      &seqs);
	if (e == E_OK)
		said = s->esearch ? put_esearch(im, c, s->want, &seqs) : put_search(im, c, &seqs);
	uid_set_fini(&uids);
	uid_set_fini(&seqs);
	if (said != E_OK)
		return said;
	if (e == E_TOO_BIG || e == E_LIMIT)
		return imap_no(c, "LIMIT", "Too much for one search");
	return e == E_OK ? imap_ok(c, "Done") : imap_fail(im, c, e, &d);
}

WAITS enum err imap_run_search(struct session *s, slice_t args UNUSED, void *arg)
{
	struct imap *im = imap_of(s);
	struct imap_cmd *c = arg;
	struct imap_search_env env = {&im->sel->view, &im->sel->recent};
	struct imap_search *prog = arena_new(&im->arena, struct imap_search);

	switch (imap_search_compile(&c->args, &env, prog)) {
	case IMAP_SEARCH_OK:
		return search(im, c, prog);
	case IMAP_SEARCH_SYNTAX:
		return imap_bad(c, "Search keys expected");
	case IMAP_SEARCH_NO_SUCH:
		return imap_bad(c, "No such message");
	case IMAP_SEARCH_BADCHARSET:
		return imap_no(c, "BADCHARSET (US-ASCII UTF-8)", "Charset not known");
	case IMAP_SEARCH_TOO_MUCH:
		return imap_no(c, "LIMIT", "Too much for one search");
	}
	return imap_bad(c, "Search keys expected");
}
