#include "backend/queue/tls_desk.h"

#include <stdio.h>

#include "backend/policy/live.h"
#include "common/base/buf.h"
#include "common/base/civil.h"
#include "common/log/log.h"

#define REPORT_ID_MAX 512
#define CONTACT_MAX   320

struct tls_desk {
	struct tls_sums *sums;
	const struct dir *dir;
	const struct conf *overrides;
	struct list jobs;
	uint64_t last_id;
};

struct tls_desk *tls_desk_new(struct tls_sums *sums, const struct dir *dir,
			      const struct conf *overrides)
{
	struct tls_desk *d = xcalloc(1, sizeof *d);

	*d = (struct tls_desk){.sums = sums, .dir = dir, .overrides = overrides};
	list_init(&d->jobs);
	return d;
}

void tls_desk_free(struct tls_desk **d)
{
	if (*d == NULL)
		return;
	invariant(list_empty(&(*d)->jobs));
	xfree(d);
}

/* ---- what is said of us ---- */

/* "postmaster@example.org" of the settings; empty: nobody could be answered to. In mem. */
static slice_t contact_of(const struct conf *c, struct arena *mem)
{
	const char *contact = conf_str(c, "tlsrpt.contact");
	const char *domain = conf_str(c, "default_domain");
	struct buf b;
	slice_t out;

	if (contact[0] != '\0')
		return strchr(contact, '@') != NULL ? arena_dup(mem, slice_str(contact))
						    : SLICE_NONE;
	if (domain[0] == '\0')
		domain = conf_str(c, "hostname");
	if (domain[0] == '\0')
		return SLICE_NONE;
	buf_init(&b, CONTACT_MAX, NULL);
	buf_printf(&b, "postmaster@%s", domain);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static slice_t domain_of(slice_t address)
{
	const char *at = memrchr(address.p, '@', address.n);

	invariant(at != NULL);
	return slice_from(address, (size_t)(at - address.p) + 1);
}

/* Of a day, of this node, of this row: the same at each try. */
static slice_t report_id(const struct tls_job *j, struct arena *mem)
{
	slice_t at = domain_of(j->contact), out;
	struct civil day;
	struct buf b;

	civil_of(j->row->from_us / 1000000, &day);
	buf_init(&b, REPORT_ID_MAX, NULL);
	buf_printf(&b, "%04d-%02u-%02u.%s.%llx@%.*s", day.year, day.month, day.day,
		   dir_node_name(j->desk->dir), (unsigned long long)j->row->made_us, (int)at.n,
		   at.p);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

/* False: no reports are to be sent. */
static bool read_settings(const struct tls_desk *d, struct arena *mem, struct tls_job *j)
{
	struct conf *c = live_settings(d->dir, d->overrides);
	bool sends = conf_bool(c, "tlsrpt.send");

	j->contact = contact_of(c, mem);
	j->organization = arena_dup(mem, slice_str(conf_str(c, "tlsrpt.organization")));
	conf_free(&c);
	if (sends && j->contact.n == 0)
		LOG_SELDOM(LOG_WARN, NULL, "tlsrpt.no_contact",
			   LF_STR("why", "set tlsrpt.contact, an address"));
	if (j->contact.n != 0 && j->organization.n == 0)
		j->organization = domain_of(j->contact);
	return sends && j->contact.n != 0;
}

/* ---- reports ---- */

static bool may_send(const struct tls_desk *d)
{
	struct tls_job j = {.who = NULL};
	struct arena mem;
	bool may;

	arena_init(&mem, NULL);
	may = read_settings(d, &mem, &j);
	arena_reset(&mem);
	return may;
}

WAITS static enum err next_row(struct tls_desk *d, const struct tls_row **out)
{
	enum err e = E_TIMEOUT;

	while (e == E_TIMEOUT) {
		if (may_send(d))
			e = tls_sums_take(d->sums, deadline_in(TLS_DESK_LOOK_MS), out);
		else
			e = fiber_sleep("tls.off", TLS_DESK_LOOK_MS);
	}
	return e;
}

WAITS enum err tls_desk_take(struct tls_desk *d, const void *who, struct arena *mem,
			     struct tls_job *out)
{
	enum err e;

	*out = (struct tls_job){.desk = d, .who = who, .outcome = TLS_ROW_WAITING};
	do {
		e = next_row(d, &out->row);
		if (e != E_OK)
			return e;
		e = tls_sums_read(d->sums, out->row->id, mem, &out->sum);
		if (e == E_OK && !read_settings(d, mem, out))
			e = E_RETRY; /* set so while it waited */
		if (e != E_OK)
			tls_sums_settle(d->sums, out->row->id,
					e == E_NOT_FOUND || e == E_CORRUPT ? TLS_ROW_FAILED
									   : TLS_ROW_WAITING,
					slice_str(err_name(e)));
	} while (e != E_OK && e != E_CANCELLED);
	if (e != E_OK)
		return e;
	out->report_id = report_id(out, mem);
	out->id = ++d->last_id;
	event_init(&out->done);
	list_append(&d->jobs, &out->node);
	return E_OK;
}

static void end(struct tls_job *j, enum tls_row_state outcome, slice_t words)
{
	j->over = true;
	j->outcome = outcome;
	(void)snprintf(j->words, sizeof j->words, "%.*s", (int)MIN(words.n, sizeof j->words),
		       words.n != 0 ? words.p : "");
	event_set(&j->done);
}

void tls_desk_drop(struct tls_job *j)
{
	end(j, TLS_ROW_WAITING, SL("the worker has gone"));
}

WAITS enum err tls_desk_finish(struct tls_job *j)
{
	enum err e = E_OK;

	if (!j->over)
		e = event_wait(&j->done, "tls.report", deadline_in(TLS_DESK_JOB_MS));
	list_remove(&j->node);
	if (!j->over)
		(void)snprintf(j->words, sizeof j->words, "%s", "the worker did not answer");
	LOG(LOG_INFO, NULL, "tlsrpt.tried", LF_STR("domain", j->row->domain),
	    LF_STR("outcome", tls_row_state_name(j->outcome)), LF_STR("why", j->words));
	tls_sums_settle(j->desk->sums, j->row->id, j->outcome, slice_str(j->words));
	return e == E_CANCELLED ? e : E_OK;
}

static struct tls_job *find(struct tls_desk *d, const void *who, uint64_t id)
{
	list_for_each(i, &d->jobs) {
		struct tls_job *j = list_entry(i, struct tls_job, node);

		if (j->id == id && j->who == who && !j->over)
			return j;
	}
	return NULL;
}

enum err tls_desk_address(struct tls_desk *d, const void *who, uint64_t id)
{
	struct tls_job *j = find(d, who, id);

	if (j == NULL)
		return E_NOT_FOUND;
	return j->addresses++ < TLS_DESK_ADDRESS_MAX ? E_OK : E_LIMIT;
}

enum err tls_desk_over(struct tls_desk *d, const void *who, uint64_t id, enum tls_row_state outcome,
		       slice_t words)
{
	struct tls_job *j = find(d, who, id);

	if (j == NULL)
		return E_NOT_FOUND;
	end(j, outcome, words);
	return E_OK;
}
