/* Real and broken messages: the part tree that is told for each, and the same summary whatever the
 * cuts. Run from the repository's root. */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/mime/structure.h"
#include "tests/lib/check.h"
#include "tests/unit/frontend/mime/parse.h"

#define CORPUS   "tests/fuzz/corpus/mime/"
#define SHAPES   "tests/data/mime/shapes.tsv"
#define FILE_MAX ((size_t)1 << 20)

enum err parse_steps(slice_t message, size_t step, const struct mime_limits *limits,
		     struct budget *budget, struct mime_parser **p_out, struct mime_summary *out)
{
	struct mime_parser *p = mime_parser_new(limits, budget);

	if (step == 0)
		step = message.n;
	while (message.n != 0) {
		mime_parser_feed(p, slice_sub(message, 0, step));
		message = slice_from(message, step);
	}
	*p_out = p;
	return mime_parser_end(p, out);
}

void parse_shape(const struct mime_summary *s, struct buf *out)
{
	static const char *const names[] = {"leaf", "multipart", "message"};
	size_t open = 0;

	for (size_t i = 0; i < s->nparts; i++) {
		for (; i != 0 && open != s->parts[i].parent; open = s->parts[open].parent) {
			if (s->parts[open].kind != MIME_LEAF)
				buf_putc(out, ')');
		}
		if (i != 0 && s->parts[i].parent + 1 != i)
			buf_putc(out, ',');
		buf_puts(out, names[s->parts[i].kind]);
		if (s->parts[i].kind != MIME_LEAF)
			buf_putc(out, '(');
		open = i;
	}
	for (;; open = s->parts[open].parent) {
		if (s->parts[open].kind != MIME_LEAF)
			buf_putc(out, ')');
		if (open == 0)
			break;
	}
}

static void put(struct buf *out, const char *name, slice_t s)
{
	buf_printf(out, "%s %zu:", name, s.n);
	buf_put(out, s);
	buf_putc(out, '\n');
}

void parse_print(const struct mime_summary *s, struct buf *out)
{
	buf_printf(out, "size %llu header %llu lines %llu big %d complete %d cut %d\n",
		   (unsigned long long)s->size, (unsigned long long)s->header_size,
		   (unsigned long long)s->lines, s->big, s->fields_complete, s->text_cut);
	put(out, "envelope", s->envelope);
	put(out, "structure", s->bodystructure);
	for (size_t i = 0; i < s->nparts; i++) {
		const struct mime_part *p = &s->parts[i];

		buf_printf(out, "part %u %d %d %llu %llu %llu %llu\n", p->parent, (int)p->kind,
			   (int)p->cte, (unsigned long long)p->header_off,
			   (unsigned long long)p->body_off, (unsigned long long)p->body_end,
			   (unsigned long long)p->lines);
	}
	for (size_t i = 0; i < s->nfields; i++) {
		put(out, "field", s->fields[i].name);
		put(out, "raw", s->fields[i].raw);
	}
	put(out, "from", s->from);
	put(out, "to", s->to);
	put(out, "cc", s->cc);
	put(out, "bcc", s->bcc);
	put(out, "subject", s->subject);
	put(out, "base", s->base_subject);
	buf_printf(out, "sent %d %lld %d\n", s->has_sent, (long long)s->sent_us, s->sent_zone_min);
	put(out, "id", s->message_id);
	for (size_t i = 0; i < s->nreferences; i++)
		put(out, "reference", s->references[i]);
	put(out, "text", s->text);
}

static bool read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	char *to;

	if (f == NULL)
		return false;
	buf_reset(out);
	to = buf_reserve(out, FILE_MAX);
	buf_commit(out, fread(to, 1, FILE_MAX, f));
	fclose(f);
	return true;
}

/* The summary as text, of the message fed in pieces of `step` bytes, the first of `first`. */
static void summary_text(slice_t message, size_t first, size_t step, struct buf *out)
{
	struct mime_parser *p = mime_parser_new(NULL, NULL);
	struct mime_summary s;

	mime_parser_feed(p, slice_sub(message, 0, first));
	for (size_t at = first; at < message.n; at += step)
		mime_parser_feed(p, slice_sub(message, at, step));
	CHECK_ERR(mime_parser_end(p, &s), E_OK);
	buf_reset(out);
	parse_print(&s, out);
	mime_parser_free(&p);
}

static void check_message(slice_t message, slice_t shape)
{
	struct mime_parser *p;
	struct mime_summary s;
	struct diag d = {""};
	struct buf text;

	buf_init(&text, (size_t)1 << 20, NULL);
	CHECK_ERR(parse_steps(message, 0, NULL, NULL, &p, &s), E_OK);
	parse_shape(&s, &text);
	CHECK_SLICE(buf_slice(&text), shape);
	CHECK_ERR(summary_check(&s, &d), E_OK);
	buf_reset(&text);
	CHECK(structure_to_body(s.bodystructure, &text));
	buf_fini(&text);
	mime_parser_free(&p);
}

static void check_cuts(slice_t message)
{
	static const size_t steps[] = {1, 2, 3, 7, 61, 511, 512, 513, 4096};
	struct buf want, got;

	buf_init(&want, (size_t)1 << 20, NULL);
	buf_init(&got, (size_t)1 << 20, NULL);
	summary_text(message, message.n, 1, &want);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		summary_text(message, 0, steps[i], &got);
		check_note("steps of %zu", steps[i]);
		CHECK_SLICE(buf_slice(&got), buf_slice(&want));
	}
	for (size_t i = 1; i < 8; i++) {
		summary_text(message, message.n / 8 * i + i, 1000 * i, &got);
		check_note("first cut at %zu", message.n / 8 * i + i);
		CHECK_SLICE(buf_slice(&got), buf_slice(&want));
	}
	buf_fini(&want);
	buf_fini(&got);
}

TEST(corpus)
{
	struct buf shapes, file;
	slice_t rest;
	size_t files = 0;

	buf_init(&shapes, FILE_MAX, NULL);
	buf_init(&file, FILE_MAX, NULL);
	REQUIRE(read_file(SHAPES, &shapes));
	rest = buf_slice(&shapes);
	while (rest.n != 0) {
		slice_t line = slice_sub(rest, 0, slice_find_char(rest, '\n'));
		size_t tab = slice_find_char(line, '\t');
		slice_t shape = slice_from(line, tab + 1);
		char path[512];

		rest = slice_from(rest, line.n + 1);
		shape.n = slice_find_char(shape, '\t');
		snprintf(path, sizeof path, CORPUS "%.*s", (int)tab, line.p);
		check_note("%s", path);
		REQUIRE(read_file(path, &file));
		check_message(buf_slice(&file), shape);
		check_cuts(buf_slice(&file));
		files++;
	}
	CHECK(files >= 200);
	buf_fini(&shapes);
	buf_fini(&file);
}
