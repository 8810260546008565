/* dns show: what a domain needs, as it is pasted into its zone, each with what DNS has. */
#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/run.h"
#include "backend/ctl/show.h"
#include "proto/admin.pb-c.h"

#define TXT_STRING 255 /* of one string of a TXT (RFC 1035 section 3.3.14) */

/* What scripts want to know. */
struct dns_count {
	FILE *out;
	size_t wrong, unknown; /* of the required ones */
};

static const char *word_of(Postern__DnsState s)
{
	switch (s) {
	case POSTERN__DNS_STATE__DNS_STATE_OK:
		return "ok";
	case POSTERN__DNS_STATE__DNS_STATE_MISSING:
		return "missing";
	case POSTERN__DNS_STATE__DNS_STATE_DIFFERS:
		return "differs";
	case POSTERN__DNS_STATE__DNS_STATE_UNKNOWN:
		return "unknown";
	case POSTERN__DNS_STATE__DNS_STATE_NONE:
	case _POSTERN__DNS_STATE_IS_INT_SIZE:
		break;
	}
	return "?";
}

static void print_value(FILE *out, const Postern__AdminDnsRow *r)
{
	slice_t rest = slice_str(r->value);

	if (slice_eq(slice_str(r->type), SL("TXT")) && rest.n > 0) {
		for (; rest.n > 0; rest = slice_from(rest, TXT_STRING)) {
			slice_t part = slice_sub(rest, 0, TXT_STRING);

			fprintf(out, " \"%.*s\"", (int)part.n, part.p);
		}
	} else if (rest.n > 0) {
		/* MX, PTR and SRV end with a name. */
		fprintf(out, " %s%s", r->value,
			slice_eq(slice_str(r->type), SL("TLSA")) ? "" : ".");
	}
}

/* Strangers' bytes among it: nothing may steer the terminal. */
static void print_more(FILE *out, const char *what, const char *text)
{
	struct buf b;

	if (text[0] == '\0')
		return;
	buf_init(&b, 64 * 1024, NULL);
	show_clean(&b, slice_str(text));
	fprintf(out, "\t%s: %.*s\n", what, (int)b.n, b.p);
	buf_fini(&b);
}

/* What is right may be another than what is proposed. */
static bool is_worth_telling(const Postern__AdminDnsRow *r)
{
	slice_t type = slice_str(r->type);

	if (r->state != POSTERN__DNS_STATE__DNS_STATE_OK)
		return true;
	return (slice_eq(type, SL("TXT")) || slice_eq(type, SL("A"))) &&
	       !slice_eq(slice_str(r->found), slice_str(r->value));
}

static void print_row(FILE *out, const Postern__AdminDnsRow *r)
{
	bool optional = r->need == POSTERN__DNS_NEED__DNS_NEED_OPTIONAL;
	bool ptr = slice_eq(slice_str(r->type), SL("PTR"));

	fprintf(out, "%-7s%s %s%s IN %s", word_of(r->state), optional ? " (optional)" : "", r->name,
		ptr ? "" : ".", r->type);
	print_value(out, r);
	fputc('\n', out);
	if (is_worth_telling(r))
		print_more(out, "found", r->found);
	print_more(out, "note", r->note);
}

static void count(const Postern__AdminDnsRow *r, struct dns_count *n)
{
	if (r->need != POSTERN__DNS_NEED__DNS_NEED_REQUIRED)
		return;
	n->unknown += r->state == POSTERN__DNS_STATE__DNS_STATE_UNKNOWN;
	n->wrong += r->state == POSTERN__DNS_STATE__DNS_STATE_MISSING ||
		    r->state == POSTERN__DNS_STATE__DNS_STATE_DIFFERS;
}

static void count_page(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminDnsPage *m = (const void *)page;

	for (size_t i = 0; i < m->n_rows; i++)
		count(m->rows[i], arg);
}

static int print_page(const ProtobufCMessage *page, void *arg)
{
	const Postern__AdminDnsPage *m = (const void *)page;
	struct dns_count *n = arg;

	for (size_t i = 0; i < m->n_rows; i++)
		print_row(n->out, m->rows[i]);
	count_page(page, arg);
	return EX_OK;
}

WAITS int dns_show_run(struct ctl *c, const struct ctl_args *a)
{
	Postern__AdminDnsShow m = POSTERN__ADMIN_DNS_SHOW__INIT;
	struct dns_count n = {.out = c->out};
	struct ctl_call call = {
		.method = a->command->method,
		.request = &m.base,
		.answer = a->command->answer,
		.each = print_page,
		.arg = &n,
		.mem = &c->mem,
	};
	int status = ctl_args_fill(c, a, &m.base);

	if (status == EX_OK && c->json) {
		status = ctl_run_request(c, a, &m.base, count_page, &n);
	} else if (status == EX_OK) {
		status = ctl_call(c, &call);
		if (status == EX_OK && call.result != E_OK)
			status = ctl_fail_err(c, call.result, &call.diag);
	}
	if (status != EX_OK)
		return status;
	if (n.wrong > 0)
		return EX_DATAERR;
	return n.unknown > 0 ? EX_UNAVAILABLE : EX_OK;
}
