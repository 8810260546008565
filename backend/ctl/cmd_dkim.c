/* dkim show: records as they are pasted into a zone file. */
#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "proto/admin.pb-c.h"

#define TXT_STRING 255 /* of one string of a TXT (RFC 1035 section 3.3.14) */

static void print_record(FILE *out, const Postern__AdminDkim *k)
{
	slice_t rest = slice_str(k->record);

	fprintf(out, "%s. IN TXT (", k->record_name);
	for (; rest.n > 0; rest = slice_from(rest, TXT_STRING)) {
		slice_t part = slice_sub(rest, 0, TXT_STRING);

		fprintf(out, "\n\t\"%.*s\"", (int)part.n, part.p);
	}
	fputs(" )\n", out);
}

static int print_records(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminDkimPage *m = (const void *)page;
	const struct ctl *c = arg;

	for (size_t i = 0; i < m->n_rows; i++)
		print_record(c->out, m->rows[i]);
	return EX_OK;
}

WAITS int dkim_show_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminDkimList m = POSTERN__ADMIN_DKIM_LIST__INIT;
	struct ctl_call call = {
		.method = a->command->method,
		.request = &m.base,
		.answer = a->command->answer,
		.each = print_records,
		.arg = c,
		.mem = &c->mem,
	};
	int status;

	if (c->json)
		return ctl_run(c, a);
	status = ctl_args_fill(c, a, &m.base);
	if (status == EX_OK)
		status = ctl_call(c, &call);
	if (status == EX_OK && call.result != E_OK)
		status = ctl_fail_err(c, call.result, &call.diag);
	return status;
}
