/*
 * First the program runs with each place as if it matched wherever that can only add matches:
 * what is found are the candidates. Their headers are read in one stream (the first block of each,
 * which holds all but the strangest), and the places become what was found in them.
 */
#include "frontend/imap/imap_search_hdr.h"

#include "common/base/fold.h"
#include "common/record/record.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/hdr.h"

/* Of one field's value this much is looked at. */
#define VALUE_MAX (64u * 1024)

static bool value_has(slice_t raw, slice_t text)
{
	struct buf plain, decoded, folded;
	bool has;

	buf_init(&plain, VALUE_MAX, NULL);
	buf_init(&decoded, VALUE_MAX, NULL);
	buf_init(&folded, 2 * VALUE_MAX, NULL);
	hdr_unfold(&plain, slice_sub(hdr_field_body(raw), 0, VALUE_MAX));
	(void)encword_decode(buf_slice(&plain), &decoded, VALUE_MAX);
	utf8_fold(&folded, buf_slice(&decoded));
	has = folded.n >= text.n && slice_find(buf_slice(&folded), text) < folded.n;
	buf_fini(&plain);
	buf_fini(&decoded);
	buf_fini(&folded);
	return has;
}

bool imap_search_header_has(const struct imap_search_header *h, slice_t header)
{
	struct hdr_iter it;
	slice_t name, raw;

	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw)) {
		if (slice_ieq(name, h->name) && (h->text.n == 0 || value_has(raw, h->text)))
			return true;
	}
	return false;
}

/* The program whose matches are a superset of the real ones. */
WAITS static enum err candidates(struct imap *im, const struct imap_search *s, struct uid_set *out,
				 struct diag *d)
{
	/* No message has it: UIDs end before. */
	static const struct uid_range nothing = {UINT32_MAX, UINT32_MAX};
	struct search_key *keys = arena_alloc(&im->arena, s->nkeys * sizeof *keys);
	uint64_t modseq;

	memcpy(keys, s->keys, s->nkeys * sizeof *keys);
	for (size_t i = 0; i < s->nheaders; i++) {
		struct search_key *k = &keys[s->headers[i].key];

		if (s->headers[i].positive)
			*k = (struct search_key){.op = SEARCH_ALL};
		else
			*k = (struct search_key){.op = SEARCH_UIDS, .uids = &nothing, .nuids = 1};
	}
	return call_message_search(im->s.ticket, im->sel->mailbox, keys, s->nkeys, out, &modseq, d);
}

WAITS static enum err look(const struct imap_search *s, struct message_read *r,
			   struct uid_set *found)
{
	const struct read_head *head;
	enum err e;

	while ((e = message_read_next(r, &head)) == E_OK) {
		slice_t block = SLICE_NONE;
		enum err got = message_read_block(r, &block);

		if (got != E_OK && got != E_CLOSED)
			return got;
		for (size_t i = 0; i < s->nheaders; i++) {
			const struct imap_search_header *h = &s->headers[i];

			if (!imap_search_header_has(h, head->prefix) &&
			    !imap_search_header_has(h, block))
				continue;
			e = uid_set_add(&found[i], head->uid, head->uid);
			if (e != E_OK)
				return e;
		}
	}
	return e == E_CLOSED ? E_OK : e;
}

static enum err put_places(struct imap *im, struct imap_search *s, const struct uid_set *found)
{
	static const struct uid_range nothing = {UINT32_MAX, UINT32_MAX};

	for (size_t i = 0; i < s->nheaders; i++) {
		struct search_key *k = &s->keys[s->headers[i].key];
		size_t n = uid_set_n(&found[i]);
		struct uid_range *copy = arena_try(&im->arena, (n + 1) * sizeof *copy);

		if (copy == NULL)
			return E_LIMIT;
		if (n != 0)
			memcpy(copy, uid_set_ranges(&found[i]), n * sizeof *copy);
		*k = (struct search_key){.op = SEARCH_UIDS,
					 .uids = n != 0 ? copy : &nothing,
					 .nuids = n != 0 ? n : 1};
	}
	return E_OK;
}

WAITS enum err imap_search_headers(struct imap *im, struct imap_search *s, struct diag *d)
{
	struct uid_set found[IMAP_SEARCH_HEADERS_MAX], all;
	struct message_read *r = NULL;
	struct message_set set = {.mailbox = im->sel->mailbox};
	enum err e;

	uid_set_init(&all, &im->s.budget);
	for (size_t i = 0; i < IMAP_SEARCH_HEADERS_MAX; i++)
		uid_set_init(&found[i], &im->s.budget);
	e = candidates(im, s, &all, d);
	set.ranges = uid_set_ranges(&all);
	set.n = uid_set_n(&all);
	if (e == E_OK)
		e = call_message_read(im->s.ticket, &set, 0, 0, RECORD_BLOCK, &im->s.budget, &r);
	if (e == E_OK)
		e = look(s, r, found);
	message_read_free(&r);
	if (e == E_OK)
		e = put_places(im, s, found);
	uid_set_fini(&all);
	for (size_t i = 0; i < IMAP_SEARCH_HEADERS_MAX; i++)
		uid_set_fini(&found[i]);
	return e;
}
