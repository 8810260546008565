/*
 * The owner runs the program on what it keeps. Of some messages that does not decide: fields that
 * are not kept, columns that were cut, encoded words. Their headers are read in one stream (the
 * first block of each, which holds all but the strangest), the keys that look at headers become
 * lists of UIDs, and the program runs once more on these messages alone.
 */
#include "frontend/imap/imap_search_hdr.h"

#include "common/base/fold.h"
#include "common/record/record.h"
#include "frontend/imap/imap_sync.h"
#include "frontend/mime/encword.h"
#include "frontend/mime/hdr.h"

/* Of one field's value this much is looked at. */
#define VALUE_MAX (64u * 1024)

/* ---- one header ---- */

/* "name: value", unfolded, decoded, folded; the value begins at name.n + 2. */
static void fold_field(slice_t name, slice_t raw, struct buf *out)
{
	slice_t body = name.n != 0 ? hdr_field_body(raw) : raw;
	struct buf plain, decoded;

	buf_init(&plain, VALUE_MAX, NULL);
	buf_init(&decoded, VALUE_MAX, NULL);
	hdr_unfold(&plain, slice_sub(body, 0, VALUE_MAX));
	(void)encword_decode(buf_slice(&plain), &decoded, VALUE_MAX);
	buf_reset(out);
	utf8_fold(out, name);
	buf_puts(out, name.n != 0 ? ": " : "");
	utf8_fold(out, buf_slice(&decoded));
	buf_fini(&plain);
	buf_fini(&decoded);
}

static bool field_has(const struct imap_search_header *h, slice_t name, slice_t folded)
{
	slice_t in = h->name.n != 0 ? slice_from(folded, name.n + 2) : folded;

	return in.n >= h->text.n && slice_find(in, h->text) < in.n;
}

void imap_search_look(const struct imap_search *s, slice_t header, bool *has)
{
	struct hdr_iter it;
	slice_t name, raw;
	struct buf folded;

	buf_init(&folded, 4 * VALUE_MAX, NULL);
	hdr_iter_init(&it, header);
	while (hdr_iter_next(&it, &name, &raw)) {
		bool ready = false;

		for (size_t i = 0; i < s->nheaders; i++) {
			const struct imap_search_header *h = &s->headers[i];

			if (has[i] || (h->name.n != 0 && !slice_ieq(name, h->name)))
				continue;
			if (h->text.n != 0 && !ready) {
				fold_field(name, raw, &folded);
				ready = true;
			}
			has[i] = h->text.n == 0 || field_has(h, name, buf_slice(&folded));
		}
	}
	buf_fini(&folded);
}

/* ---- the program ---- */

/* The first of a key's ranges that matters from a UID on, and how many do up to another. */
static size_t ranges_between(const struct search_key *k, uint32_t from, uint32_t to, size_t *first)
{
	size_t end = uid_set_find(k->uids, k->nuids, to);

	*first = uid_set_find(k->uids, k->nuids, from);
	if (end < k->nuids && k->uids[end].first <= to)
		end++;
	return end - *first;
}

static size_t ranges_of_all(const struct search_key *keys, size_t n, uint32_t from, uint32_t to)
{
	size_t sum = 0, first;

	for (size_t i = 0; i < n; i++)
		sum += ranges_between(&keys[i], from, to, &first);
	return sum;
}

/* Ranges of a program's lists fill a request: up to which UID from this one on do they fit? */
static uint32_t part_end(const struct search_key *keys, size_t n, uint32_t from)
{
	uint32_t lo = from, hi = UINT32_MAX;

	if (ranges_of_all(keys, n, from, hi) < MESSAGE_RANGES_MAX)
		return hi;
	/* One UID alone is in one range of each list. */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ranges_of_all(keys, n, from, mid) < MESSAGE_RANGES_MAX)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Runs the program on one part of the mailbox after the other, each with the ranges that matter
 * there. */
WAITS static enum err run_keys(struct imap *im, const struct search_key *keys, size_t n,
			       struct uid_set *out, struct uid_set *maybe, struct diag *d)
{
	struct search_key *part = arena_alloc(&im->arena, (n + 2) * sizeof *part);
	struct uid_range r = {1, 0};
	enum err e = E_OK;

	for (; e == E_OK && r.last != UINT32_MAX; r.first = r.last + 1) {
		size_t first, count = n;

		r.last = part_end(keys, n, r.first);
		memcpy(part, keys, n * sizeof *part);
		for (size_t i = 0; i < n; i++) {
			part[i].nuids = ranges_between(&keys[i], r.first, r.last, &first);
			part[i].uids = keys[i].nuids != 0 ? keys[i].uids + first : NULL;
		}
		if (r.first != 1 || r.last != UINT32_MAX) {
			part[count++] =
				(struct search_key){.op = SEARCH_UIDS, .uids = &r, .nuids = 1};
			part[count++] = (struct search_key){.op = SEARCH_AND};
		}
		e = call_message_search(im->s.ticket, im->sel->mailbox, part, count, out, maybe, d);
	}
	return e;
}

/* ---- messages that are not decided ---- */

WAITS static enum err look(const struct imap_search *s, struct message_read *r,
			   struct uid_set *found)
{
	const struct read_head *head;
	enum err e;

	while ((e = message_read_next(r, &head)) == E_OK) {
		bool has[IMAP_SEARCH_HEADERS_MAX] = {false};
		slice_t block = SLICE_NONE;
		enum err got = message_read_block(r, &block);

		if (got != E_OK && got != E_CLOSED)
			return got;
		imap_search_look(s, head->prefix, has);
		imap_search_look(s, block, has);
		for (size_t i = 0; e == E_OK && i < s->nheaders; i++) {
			if (has[i])
				e = uid_set_add(&found[i], head->uid, head->uid);
		}
		if (e != E_OK)
			return e;
	}
	return e == E_CLOSED ? E_OK : e;
}

/* The program on the messages of `maybe`, with what was found in their headers. */
WAITS static enum err run_decided(struct imap *im, const struct imap_search *s,
				  const struct uid_set *maybe, const struct uid_set *found,
				  struct uid_set *out, struct diag *d)
{
	struct search_key *keys = arena_alloc(&im->arena, (s->nkeys + 2) * sizeof *keys);
	size_t n = s->nkeys;
	struct uid_set none;
	enum err e;

	memcpy(keys, s->keys, n * sizeof *keys);
	for (size_t i = 0; i < s->nheaders; i++)
		keys[s->headers[i].key] = (struct search_key){.op = SEARCH_UIDS,
							      .uids = uid_set_ranges(&found[i]),
							      .nuids = uid_set_n(&found[i])};
	keys[n++] = (struct search_key){
		.op = SEARCH_UIDS, .uids = uid_set_ranges(maybe), .nuids = uid_set_n(maybe)};
	keys[n++] = (struct search_key){.op = SEARCH_AND};
	uid_set_init(&none, &im->s.budget);
	e = run_keys(im, keys, n, out, &none, d);
	uid_set_fini(&none);
	return e;
}

WAITS static enum err decide(struct imap *im, const struct imap_search *s,
			     const struct uid_set *maybe, struct uid_set *out, struct diag *d)
{
	struct uid_set found[IMAP_SEARCH_HEADERS_MAX];
	struct message_read *r = NULL;
	struct message_set set = {
		.mailbox = im->sel->mailbox,
		.ranges = uid_set_ranges(maybe),
		.n = uid_set_n(maybe),
	};
	enum err e;

	for (size_t i = 0; i < s->nheaders; i++)
		uid_set_init(&found[i], &im->s.budget);
	e = call_message_read(im->s.ticket, &set, 0, 0, RECORD_BLOCK, &im->s.budget, &r);
	if (e == E_OK)
		e = look(s, r, found);
	message_read_free(&r);
	if (e == E_OK)
		e = run_decided(im, s, maybe, found, out, d);
	for (size_t i = 0; i < s->nheaders; i++)
		uid_set_fini(&found[i]);
	return e;
}

WAITS enum err imap_search_run(struct imap *im, const struct imap_search *s, struct uid_set *out,
			       struct diag *d)
{
	struct uid_set maybe;
	enum err e;

	uid_set_init(&maybe, &im->s.budget);
	e = run_keys(im, s->keys, s->nkeys, out, &maybe, d);
	if (e == E_OK && uid_set_n(&maybe) != 0 && s->nheaders != 0)
		e = decide(im, s, &maybe, out, d);
	uid_set_fini(&maybe);
	return e;
}
