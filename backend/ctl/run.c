#include "backend/ctl/run.h"

#include <stdlib.h>

#include "backend/ctl/connect.h"
#include "backend/ctl/show.h"
#include "common/loop/fiber.h"
#include "proto/admin.pb-c.h"

#define GROUPS_MAX 4
#define TABLE_ROWS 1000 /* that wait for one another, so that their columns line up */

/* An answer of pages on its way to the output. */
struct printer {
	struct ctl *c;
	const struct ctl_command *cmd;
	struct show_table table;
	size_t rows;                              /* printed */
	bool away, came;                          /* a back-end is missing; a page was there */
	int (*order)(const void *, const void *); /* ANSWER_ROWS that wait, too */
	void (*seen)(const ProtobufCMessage *page, void *arg);
	void *seen_arg;
	/* ANSWER_GROUPS: rows wait until all are there, since pages mix them. Those of a table wait
	 * for its columns. */
	struct group {
		const ProtobufCFieldDescriptor *field;
		ProtobufCMessage **rows;
		size_t n, cap;
	} groups[GROUPS_MAX];
	size_t ngroups;
};

static ProtobufCMessage **rows_of(const ProtobufCMessage *page, const ProtobufCFieldDescriptor *f,
				  size_t *n)
{
	*n = *(const size_t *)(const void *)((const char *)page + f->quantifier_offset);
	return *(ProtobufCMessage * *const *)(const void *)((const char *)page + f->offset);
}

static bool is_away(const ProtobufCFieldDescriptor *f)
{
	return f->descriptor == &postern__admin_away__descriptor;
}

/* What is missing is told beside the answer, not in it. */
static void tell_away(struct printer *p, const ProtobufCMessage *page,
		      const ProtobufCFieldDescriptor *f)
{
	size_t n;
	ProtobufCMessage **rows = rows_of(page, f, &n);

	for (size_t i = 0; i < n; i++) {
		const Postern__AdminAway *a = (const void *)rows[i];

		p->away = true;
		ctl_fail(p->c, EX_UNAVAILABLE, "%s: not asked: %s", a->backend, a->why);
	}
}

/* ---- one kind of rows ---- */

static void print_rows(struct printer *p, ProtobufCMessage **rows, size_t n)
{
	if (!p->c->json) {
		show_table_rows(&p->table, rows, n);
		return;
	}
	for (size_t r = 0; r < n; r++) {
		fputs(p->rows++ == 0 ? "[\n " : ",\n ", p->c->out);
		show_json(p->c->out, rows[r]);
	}
}

static void print_page(const ProtobufCMessage *page, struct printer *p)
{
	for (unsigned i = 0; i < page->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &page->descriptor->fields[i];
		ProtobufCMessage **rows;
		size_t n;

		if (is_away(f)) {
			tell_away(p, page, f);
			continue;
		}
		rows = rows_of(page, f, &n);
		print_rows(p, rows, n);
	}
}

/* ---- several kinds ---- */

static ProtobufCMessage *copy_row(const ProtobufCMessage *row)
{
	size_t n = protobuf_c_message_get_packed_size(row);
	uint8_t *bytes = xmalloc(n + 1);
	ProtobufCMessage *copy;

	protobuf_c_message_pack(row, bytes);
	copy = protobuf_c_message_unpack(row->descriptor, NULL, n, bytes);
	xfree(&bytes);
	return copy;
}

static void keep_page(const ProtobufCMessage *page, struct printer *p)
{
	for (unsigned i = 0, g = 0; i < page->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &page->descriptor->fields[i];
		ProtobufCMessage **rows;
		struct group *to;
		size_t n;

		if (is_away(f)) {
			tell_away(p, page, f);
			continue;
		}
		rows = rows_of(page, f, &n);
		to = &p->groups[g++];
		if (to->n + n > to->cap) {
			to->cap = (to->n + n) * 2;
			to->rows = xrealloc(to->rows, to->cap * sizeof(*to->rows));
		}
		for (size_t r = 0; r < n; r++)
			to->rows[to->n++] = copy_row(rows[r]);
	}
}

static void free_rows(struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		protobuf_c_message_free_unpacked(g->rows[i], NULL);
	g->n = 0;
}

/* Each back-end's pages would have columns of their own. */
static void print_kept(struct printer *p)
{
	if (p->order != NULL && p->groups[0].n > 1)
		qsort(p->groups[0].rows, p->groups[0].n, sizeof *p->groups[0].rows, p->order);
	if (p->came)
		print_rows(p, p->groups[0].rows, p->groups[0].n);
	free_rows(&p->groups[0]);
}

static int take_page(const ProtobufCMessage *page, void *arg)
{
	struct printer *p = arg;
	bool rows = p->cmd->kind == ANSWER_ROWS && p->order == NULL;

	p->came = true;
	if (p->seen != NULL)
		p->seen(page, p->seen_arg);
	if (rows && p->c->json) {
		print_page(page, p);
		return EX_OK;
	}
	keep_page(page, p);
	if (rows && p->groups[0].n >= TABLE_ROWS)
		print_kept(p);
	return EX_OK;
}

static void init_groups(struct printer *p)
{
	const ProtobufCMessageDescriptor *page = p->cmd->answer;

	for (unsigned i = 0; i < page->n_fields; i++) {
		if (is_away(&page->fields[i]))
			continue;
		invariant(p->ngroups < GROUPS_MAX);
		p->groups[p->ngroups++].field = &page->fields[i];
	}
}

static void print_group(struct printer *p, const struct group *g, bool first)
{
	FILE *out = p->c->out;

	if (p->c->json) {
		fprintf(out, "%s\n \"%s\": [", first ? "{" : ",", g->field->name);
		for (size_t i = 0; i < g->n; i++) {
			fputs(i == 0 ? "\n  " : ",\n  ", out);
			show_json(out, g->rows[i]);
		}
		fputs("]", out);
		return;
	}
	if (g->n == 0)
		return;
	fprintf(out, "%s%s:\n", p->rows == 0 ? "" : "\n", g->field->name);
	p->rows += g->n;
	show_table_init(&p->table, out, g->field->descriptor, p->cmd->columns);
	show_table_rows(&p->table, g->rows, g->n);
}

static void print_groups(struct printer *p)
{
	for (size_t i = 0; i < p->ngroups; i++)
		print_group(p, &p->groups[i], i == 0);
	if (p->c->json)
		fputs("\n}\n", p->c->out);
}

static void free_groups(struct printer *p)
{
	for (size_t i = 0; i < p->ngroups; i++) {
		free_rows(&p->groups[i]);
		xfree(&p->groups[i].rows);
	}
}

/* ---- all kinds of answers ---- */

static void begin(struct printer *p)
{
	const ProtobufCMessageDescriptor *answer = p->cmd->answer;

	switch (p->cmd->kind) {
	case ANSWER_NONE:
	case ANSWER_ONE:
		return;
	case ANSWER_ROWS:
		show_table_init(&p->table, p->c->out, answer->fields[0].descriptor,
				p->cmd->columns);
		init_groups(p);
		return;
	case ANSWER_GROUPS:
		init_groups(p);
		return;
	}
}

static void print_one(struct printer *p, const ProtobufCMessage *reply)
{
	if (p->c->json) {
		show_json(p->c->out, reply);
		putc('\n', p->c->out);
	} else {
		show_lines(p->c->out, reply);
	}
	for (unsigned i = 0; i < reply->descriptor->n_fields; i++) {
		if (reply->descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			tell_away(p, reply, &reply->descriptor->fields[i]);
	}
}

static void end(struct printer *p, const struct ctl_call *call)
{
	switch (p->cmd->kind) {
	case ANSWER_NONE:
		if (p->c->json)
			fputs("{}\n", p->c->out);
		return;
	case ANSWER_ONE:
		print_one(p, call->reply);
		return;
	case ANSWER_ROWS:
		print_kept(p);
		if (p->c->json)
			fputs(p->rows == 0 ? "[]\n" : "\n]\n", p->c->out);
		return;
	case ANSWER_GROUPS:
		print_groups(p);
		return;
	}
}

WAITS static int print_answer(struct printer *p, const ProtobufCMessage *m)
{
	struct ctl *c = p->c;
	struct ctl_call call = {
		.method = p->cmd->method,
		.request = m,
		.answer = p->cmd->answer,
		.arg = p,
		.mem = &c->mem,
	};
	int status;

	if (p->cmd->kind == ANSWER_ROWS || p->cmd->kind == ANSWER_GROUPS)
		call.each = take_page;
	begin(p);
	status = ctl_call(c, &call);
	/* What came before a failure is told, too. */
	if (p->cmd->kind == ANSWER_ROWS && !c->json && p->order == NULL &&
	    (status != EX_OK || call.result != E_OK))
		print_kept(p);
	if (status == EX_OK && call.result != E_OK)
		status = ctl_fail_err(c, call.result, &call.diag);
	else if (status == EX_OK)
		end(p, &call);
	free_groups(p);
	return status == EX_OK && p->away ? EX_UNAVAILABLE : status;
}

WAITS int ctl_run_request(struct ctl *c, const struct ctl_args *a, const ProtobufCMessage *m,
			  void (*seen)(const ProtobufCMessage *page, void *arg), void *arg)
{
	struct printer p = {.c = c, .cmd = a->command, .seen = seen, .seen_arg = arg};

	return print_answer(&p, m);
}

WAITS int ctl_run_sorted(struct ctl *c, const struct ctl_args *a, const ProtobufCMessage *m,
			 int (*order)(const void *, const void *))
{
	struct printer p = {.c = c, .cmd = a->command, .order = order};

	invariant(p.cmd->kind == ANSWER_ROWS);
	return print_answer(&p, m);
}

WAITS int ctl_run(struct ctl *c, const struct ctl_args *a)
{
	const ProtobufCMessageDescriptor *d = a->command->request;
	ProtobufCMessage *m = arena_alloc(&c->mem, d->sizeof_message);
	int status;

	d->message_init(m);
	status = ctl_args_fill(c, a, m);
	return status == EX_OK ? ctl_run_request(c, a, m, NULL, NULL) : status;
}

/* ---- the loop ---- */

struct running {
	struct ctl *c;
	const struct ctl_args *args;
	int (*run)(struct ctl *c, const struct ctl_args *a);
	int status;
};

WAITS static void run_fiber(void *arg)
{
	struct running *r = arg;

	r->status = r->run(r->c, r->args);
	ctl_disconnect(r->c);
	loop_stop(loop_current());
}

int ctl_in_loop(struct ctl *c, int (*run)(struct ctl *c, const struct ctl_args *a),
		const struct ctl_args *a)
{
	struct running r = {.c = c, .args = a, .run = run};
	struct loop *loop = loop_new();

	if (fiber_start("postern.command", run_fiber, &r, NULL) != E_OK)
		return ctl_fail(c, EX_OSERR, "no memory for a fiber");
	loop_run(loop);
	loop_free(&loop);
	return r.status;
}
