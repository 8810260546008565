/* Many accounts at once. A password's verifier costs the back-end some 50 ms of one core, so
 * several requests are under way at a time. */
#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/show.h"
#include "common/loop/fiber.h"
#include "proto/admin.pb-c.h"
#include "proto/method.pb-c.h"

#define IMPORT_BYTES_MAX (256 * 1024 * 1024) /* some million lines */
#define UNDER_WAY        4  /* more would only make readers of mail wait for a thread */
#define TRIES            50 /* of a back-end that is too busy just now */
#define BUSY_PAUSE_MS    200

/* address,password[,quota[,partition]]; a field may stand in quotes, where "" is a quote
 * (RFC 4180). */
struct record {
	slice_t address, password, quota, partition;
	size_t line;
};

struct import {
	struct ctl *c;
	uint16_t method;
	slice_t rest; /* of the input */
	size_t line;
	size_t done, failed;
	int status; /* of the first failure */
};

static bool take_quoted(slice_t *line, struct buf *out)
{
	*line = slice_from(*line, 1);
	for (;;) {
		size_t n = slice_find_char(*line, '"');

		if (n == line->n)
			return false;
		buf_put(out, slice_sub(*line, 0, n));
		*line = slice_from(*line, n + 1);
		if (line->n == 0 || line->p[0] != '"')
			return true;
		buf_putc(out, '"');
		*line = slice_from(*line, 1);
	}
}

/* The next field of the line, copied; *line is after its comma. */
static bool take_field(slice_t *line, struct arena *mem, slice_t *out)
{
	struct buf b;
	bool ok = true;

	buf_init(&b, IMPORT_BYTES_MAX, NULL);
	if (line->n > 0 && line->p[0] == '"') {
		ok = take_quoted(line, &b);
	} else {
		size_t n = slice_find_char(*line, ',');

		buf_put(&b, slice_trim(slice_sub(*line, 0, n)));
		*line = slice_from(*line, n);
	}
	*out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	if (line->n > 0 && line->p[0] != ',')
		return false;
	*line = slice_from(*line, 1);
	return ok;
}

/* NULL, or what is wrong with the line. */
static const char *parse_line(slice_t line, struct arena *mem, struct record *out)
{
	static const char form[] = "not address,password[,quota[,partition]]";

	/* Text ends at a NUL: the password would be another. */
	if (slice_find_char(line, '\0') != line.n)
		return form;
	if (!take_field(&line, mem, &out->address) || !take_field(&line, mem, &out->password))
		return form;
	if (line.n > 0 && !take_field(&line, mem, &out->quota))
		return form;
	if (line.n > 0 && !take_field(&line, mem, &out->partition))
		return form;
	if (line.n > 0 || out->address.n == 0)
		return form;
	/* To the back-end an empty one means an account without, which only `add` asks for. */
	return out->password.n == 0 ? "no password" : NULL;
}

/* As some programs begin a file of UTF-8. */
static slice_t skip_mark(slice_t text)
{
	return slice_from(text, slice_starts(text, SL("\xef\xbb\xbf")) ? 3 : 0);
}

/* The next line that is not empty. */
static bool next_line(struct import *im, slice_t *out, size_t *number)
{
	while (im->rest.n > 0) {
		size_t n = slice_find_char(im->rest, '\n');

		*out = slice_trim(slice_sub(im->rest, 0, n));
		im->rest = slice_from(im->rest, n + 1);
		*number = ++im->line;
		if (out->n > 0)
			return true;
	}
	return false;
}

static void fail(struct import *im, const struct record *r, int status, const char *why)
{
	ctl_fail(im->c, status, "line %zu: %.*s: %s", r->line, (int)r->address.n,
		 r->address.n > 0 ? r->address.p : "", why);
	im->failed++;
	if (im->status == EX_OK)
		im->status = status;
}

WAITS static void add_account(struct import *im, const struct record *r, struct arena *mem)
{
	Postern__AdminAccountAdd m = POSTERN__ADMIN_ACCOUNT_ADD__INIT;
	struct ctl_call call = {
		.method = im->method,
		.request = &m.base,
		.answer = &postern__admin_account_added__descriptor,
		.mem = mem,
	};
	struct diag d = {""};
	int status;

	m.address = arena_str(mem, r->address);
	m.password = arena_str(mem, r->password);
	if (r->quota.n > 0 && ctl_fill_field(mem, &m.base, "quota_bytes", r->quota, &d) != E_OK) {
		fail(im, r, EX_DATAERR, "the quota is not a number of bytes");
		return;
	}
	if (r->partition.n > 0 &&
	    ctl_fill_field(mem, &m.base, "partition", r->partition, &d) != E_OK) {
		fail(im, r, EX_DATAERR, "the partition is not a number");
		return;
	}
	for (unsigned i = 0; i < TRIES; i++) {
		status = ctl_call(im->c, &call);
		if (status != EX_OK || call.result != E_BUSY ||
		    fiber_sleep("import.busy", BUSY_PAUSE_MS) != E_TIMEOUT)
			break;
	}
	if (status == EX_OK && call.result == E_OK)
		im->done++;
	else
		fail(im, r, status != EX_OK ? status : ctl_status(call.result),
		     call.diag.text[0] != '\0' ? call.diag.text : err_name(call.result));
}

WAITS static void import_some(void *arg)
{
	struct import *im = arg;
	struct record r;
	slice_t line;

	while (!fiber_cancelled()) {
		struct arena mem;
		const char *why;

		r = (struct record){0};
		if (!next_line(im, &line, &r.line))
			return;
		arena_init(&mem, NULL);
		why = parse_line(line, &mem, &r);
		if (why == NULL)
			add_account(im, &r, &mem);
		else
			fail(im, &r, EX_DATAERR, why);
		arena_reset(&mem);
	}
}

int account_import_prepare(struct ctl *c, const struct ctl_args *a, bool *done UNUSED)
{
	slice_t *text = arena_new(&c->mem, slice_t);
	struct diag d = {""};

	c->prepared = text;
	if (ctl_read_file(c, ctl_args_get(a, "FILE"), IMPORT_BYTES_MAX, text, &d) != E_OK)
		return ctl_fail(c, EX_NOINPUT, "%s", d.text);
	*text = skip_mark(*text);
	return EX_OK;
}

WAITS int account_import_run(struct ctl *c, const struct ctl_args *a)
{
	struct import im = {
		.c = c, .method = a->command->method, .rest = *(const slice_t *)c->prepared};
	struct scope scope;
	int status = ctl_connect(c);

	if (status != EX_OK)
		return status;
	scope_init(&scope);
	for (unsigned i = 0; i < UNDER_WAY; i++) {
		if (scope_start(&scope, "import", import_some, &im) != E_OK)
			break;
	}
	if (scope_join(&scope, NO_DEADLINE) != E_OK)
		im.status = EX_TEMPFAIL;
	if (c->json)
		fprintf(c->out, "{\"imported\": %zu, \"failed\": %zu}\n", im.done, im.failed);
	else
		fprintf(c->out, "%zu imported, %zu failed\n", im.done, im.failed);
	return im.status;
}
