#include "frontend/outbound/report_of.h"

#include "frontend/outbound/reports.h"

#define TLS_STR 96

/* A server's words begin with its code: that is how they are known for a server's. */
static void put(struct outbound_rcpt_result *out, const struct smtp_result *r, struct arena *mem)
{
	struct buf b;

	buf_init(&b, SMTP_TEXT_MAX, NULL);
	if (r->code != 0)
		buf_printf(&b, "%u ", (unsigned)r->code);
	buf_put(&b, slice_sub(slice_str(r->text), 0, SMTP_TEXT_MAX - b.n));
	*out = (struct outbound_rcpt_result){.code = r->code,
					     .status = slice_str(r->status),
					     .text = arena_dup(mem, buf_slice(&b))};
	buf_fini(&b);
}

/* A server that wants fewer connections says so before it hears of a recipient. */
static bool is_crowded(const struct smtp_result *r)
{
	return r->verdict == SMTP_LATER && r->phase <= SMTP_AT_MAIL &&
	       (r->code == 421 || (r->code / 100 == 4 && r->phase < SMTP_AT_MAIL));
}

static slice_t tls_words(const struct smtp_client *client, struct arena *mem)
{
	const struct tls_facts *tls = smtp_client_tls(client);
	char text[TLS_STR];
	struct buf b;

	if (tls == NULL)
		return SLICE_NONE;
	buf_init(&b, sizeof text - 1, NULL);
	buf_printf(&b, "%s %s", tls->version, tls->cipher);
	if (tls->verified != TLS_UNVERIFIED)
		buf_printf(&b, " %s", tls_verified_name(tls->verified));
	invariant(slice_to_str(buf_slice(&b), text, sizeof text));
	buf_fini(&b);
	return arena_dup(mem, slice_str(text));
}

void report_of_sent(struct outbound_job *j, const struct smtp_msg *m,
		    const struct smtp_client *client, const char *remote, int64_t ms)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = {
		.end = OUTBOUND_TRIED,
		.results = rows,
		.n = j->n,
		.remote = arena_dup(&j->mem, slice_str(remote)),
		.tls = tls_words(client, &j->mem),
		.ms = (uint32_t)MIN(ms, (int64_t)UINT32_MAX),
		.no_dsn = !m->dsn_passed,
		.no_by = m->by != 0 && !m->by_passed,
	};

	for (size_t i = 0; i < j->n; i++) {
		put(&rows[i], m->rcpts[i].result, &j->mem);
		r.crowded = r.crowded || is_crowded(m->rcpts[i].result);
	}
	reports_put(j, &r);
}

/* One result for all. */
static void report_same(const struct outbound_report *base, struct outbound_job *j,
			const struct smtp_result *why)
{
	struct outbound_rcpt_result *rows = arena_alloc(&j->mem, j->n * sizeof *rows);
	struct outbound_report r = *base;

	for (size_t i = 0; i < j->n; i++)
		put(&rows[i], why, &j->mem);
	r.results = rows;
	r.n = j->n;
	reports_put(j, &r);
}

static struct smtp_result *keep(struct outbound_job *j, const struct smtp_result *r)
{
	struct smtp_result *copy = arena_new(&j->mem, struct smtp_result);

	*copy = *r;
	return copy;
}

void report_of_unreachable(struct outbound_job *j, const struct smtp_result *why, bool crowded)
{
	struct outbound_rcpt_result *row = arena_new(&j->mem, struct outbound_rcpt_result);
	struct outbound_report r = {
		.end = crowded ? OUTBOUND_UNTRIED : OUTBOUND_UNREACHABLE,
		.results = row,
		.n = crowded ? 0 : 1,
		.crowded = crowded,
	};

	put(row, keep(j, why), &j->mem);
	reports_put(j, &r);
}

void report_of_refused(struct outbound_job *j, const struct smtp_result *why)
{
	const struct outbound_report base = {.end = OUTBOUND_TRIED};

	report_same(&base, j, keep(j, why));
}

void report_of_untaken(struct outbound_job *j, const char *remote, const struct smtp_result *why)
{
	const struct outbound_report base = {
		.end = OUTBOUND_TRIED,
		.remote = arena_dup(&j->mem, slice_str(remote)),
	};

	report_same(&base, j, keep(j, why));
}
