/* The MIME parser: whatever comes, a summary that passes its own check, the same for any cut, and
 * memory within bounds. And what is made 7-bit of the message: that it is, with the same parts. */
#include "common/base/buf.h"
#include "common/base/utf8.h"
#include "frontend/mime/downgrade.h"
#include "frontend/mime/mime.h"
#include "frontend/mime/structure.h"
#include "tests/fuzz/fuzz.h"

/* As tests/unit/frontend/mime has it. */
#define MEMORY_MAX ((size_t)1536 * 1024)

static uint64_t mix(uint64_t h, slice_t s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return (h ^ s.n) * 0x100000001b3u;
}

static uint64_t mix_u64(uint64_t h, uint64_t v)
{
	return mix(h, slice(&v, sizeof v));
}

static uint64_t fingerprint(const struct mime_summary *s)
{
	uint64_t h = mix_u64(s->size, s->header_size * 31 + s->lines);

	h = mix(mix(h, s->envelope), s->bodystructure);
	for (size_t i = 0; i < s->nparts; i++) {
		const struct mime_part *p = &s->parts[i];

		h = mix_u64(mix_u64(h, p->header_off), p->body_off);
		h = mix_u64(mix_u64(h, p->body_end), p->lines);
		h = mix_u64(mix_u64(h, p->parent), (uint64_t)p->kind * 8 + (uint64_t)p->cte);
	}
	for (size_t i = 0; i < s->nfields; i++)
		h = mix(h, s->fields[i].raw);
	h = mix(mix(mix(h, s->from), s->to), s->subject);
	h = mix(mix(mix(h, s->base_subject), s->message_id), s->text);
	for (size_t i = 0; i < s->nreferences; i++)
		h = mix(h, s->references[i]);
	return mix_u64(h, (uint64_t)s->sent_us);
}

static void check(const struct mime_summary *s)
{
	struct diag d;
	struct buf body;

	FUZZ_CHECK(summary_check(s, &d) == E_OK);
	buf_init(&body, SUMMARY_STRUCTURE_MAX, NULL);
	FUZZ_CHECK(structure_to_body(s->bodystructure, &body));
	buf_fini(&body);
}

static uint64_t parse(slice_t message, size_t step)
{
	struct mime_parser *p;
	struct mime_summary s;
	struct budget budget;
	uint64_t h;

	budget_init(&budget, MEMORY_MAX, NULL);
	p = mime_parser_new(NULL, &budget);
	for (; message.n != 0; message = slice_from(message, step))
		mime_parser_feed(p, slice_sub(message, 0, step));
	FUZZ_CHECK(mime_parser_end(p, &s) == E_OK);
	check(&s);
	h = fingerprint(&s);
	mime_parser_free(&p);
	budget_fini(&budget);
	return h;
}

/* ---- made 7-bit ---- */

struct message {
	slice_t whole, left;
	size_t step;
	struct buf out;
};

static WAITS enum err read_piece(void *arg, slice_t *out)
{
	struct message *m = arg;

	if (m->left.n == 0)
		return E_CLOSED;
	*out = slice_sub(m->left, 0, m->step);
	m->left = slice_from(m->left, m->step);
	return E_OK;
}

static WAITS enum err restart(void *arg)
{
	struct message *m = arg;

	m->left = m->whole;
	return E_OK;
}

static WAITS enum err write_piece(void *arg, slice_t bytes)
{
	struct message *m = arg;

	FUZZ_CHECK(bytes.n <= DOWNGRADE_CHUNK_MAX);
	buf_put(&m->out, bytes);
	return E_OK;
}

static void check_parts(slice_t was, slice_t is)
{
	struct mime_parser *p = mime_parser_new(NULL, NULL);
	struct mime_parser *q = mime_parser_new(NULL, NULL);
	struct mime_summary a, b;

	mime_parser_feed(p, was);
	mime_parser_feed(q, is);
	FUZZ_CHECK(mime_parser_end(p, &a) == E_OK && mime_parser_end(q, &b) == E_OK);
	FUZZ_CHECK(a.nparts == b.nparts);
	for (size_t i = 0; i < a.nparts; i++) {
		FUZZ_CHECK(a.parts[i].kind == b.parts[i].kind);
		FUZZ_CHECK(a.parts[i].parent == b.parts[i].parent);
	}
	mime_parser_free(&p);
	mime_parser_free(&q);
}

static WAITS void downgrade(slice_t bytes, size_t step)
{
	struct message m = {.whole = bytes, .left = bytes, .step = step};
	struct downgrade_source source = {read_piece, restart, &m};
	struct budget budget;
	struct downgrade *d;
	struct diag diag;
	enum err e;

	budget_init(&budget, MEMORY_MAX, NULL);
	e = downgrade_new(&source, &budget, &d, &diag);
	FUZZ_CHECK(e == E_OK || e == E_INVALID);
	if (e == E_OK) {
		buf_init(&m.out, 16 * bytes.n + 65536, NULL);
		FUZZ_CHECK(downgrade_write(d, write_piece, &m) == E_OK);
		FUZZ_CHECK(!buf_failed(&m.out));
		FUZZ_CHECK(utf8_is_ascii(buf_slice(&m.out)));
		FUZZ_CHECK(downgrade_is_needed(d) || slice_eq(bytes, buf_slice(&m.out)));
		check_parts(bytes, buf_slice(&m.out));
		buf_fini(&m.out);
	}
	downgrade_free(&d);
	budget_fini(&budget);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	slice_t message = slice(data, n);
	uint64_t h = parse(message, SIZE_MAX);

	FUZZ_CHECK(parse(message, 1) == h);
	FUZZ_CHECK(parse(message, 3 + n % 700) == h);
	downgrade(message, 1 + n % 5000);
	return 0;
}
