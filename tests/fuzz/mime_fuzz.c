/* The MIME parser: whatever comes, a summary that passes its own check, the same for any cut, and
 * memory within bounds. */
#include "common/base/buf.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	slice_t message = slice(data, n);
	uint64_t h = parse(message, SIZE_MAX);

	FUZZ_CHECK(parse(message, 1) == h);
	FUZZ_CHECK(parse(message, 3 + n % 700) == h);
	return 0;
}
