/* Who has which file, and what becomes of it. */
#include <stdio.h>

#include "backend/areas/pickup_priv.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/work.h"

#define HELP "Files of pickup folders by result"
METRIC_COUNTER(m_taken, "pickup_files_total", HELP, {"result", "taken"});
METRIC_COUNTER(m_bad, "pickup_files_total", HELP, {"result", "bad"});
METRIC_COUNTER(m_later, "pickup_files_total", HELP, {"result", "later"});

/* ---- workers ---- */

struct pickup_worker *pickup_worker_new(struct pickup *p)
{
	struct pickup_worker *w = xcalloc(1, sizeof *w);

	w->pickup = p;
	list_init(&w->holds);
	return w;
}

static slice_t lease_of(const struct pickup_file *f)
{
	return slice(f->lease, sizeof f->lease);
}

static void lease_begin(struct pickup_worker *w, struct pickup_file *f)
{
	struct pickup *p = w->pickup;

	pickup_file_be(f, FILE_LEASED);
	f->until_ms = clock_mono_ms() + p->conf.lease_ms;
	list_append(&p->leased, &f->node);
	random_bytes(f->lease, sizeof f->lease);
	(void)map_put(&p->leases, lease_of(f), f);
	f->holder = w;
	f->asked = false;
	list_append(&w->holds, &f->held);
	w->leases++;
}

static void lease_end(struct pickup_file *f, enum pickup_state state)
{
	struct pickup *p = f->server->pickup;

	(void)map_del(&p->leases, lease_of(f));
	list_remove(&f->held);
	f->holder->leases--;
	f->holder = NULL;
	pickup_file_be(f, state);
	waitq_wake_all(&p->takers); /* its worker may have another one */
}

void pickup_worker_free(struct pickup_worker **pw)
{
	struct pickup_worker *w = *pw;

	if (w == NULL)
		return;
	list_for_each_safe(i, &w->holds)
		lease_end(list_entry(i, struct pickup_file, held), FILE_READY);
	xfree(pw);
}

/* The first of a list in order of time; NULL: it is empty. */
static struct pickup_file *first_of(const struct list *l)
{
	return list_empty(l) ? NULL : list_entry(l->next, struct pickup_file, node);
}

int64_t pickup_pass_time(struct pickup *p, int64_t now_ms)
{
	struct pickup_file *f;

	while ((f = first_of(&p->leased)) != NULL && f->until_ms <= now_ms) {
		LOG(LOG_WARN, NULL, "pickup.lease_ended", LF_STR("server", f->server->name),
		    LF_STR("file", f->f.name));
		lease_end(f, FILE_READY);
	}
	return f != NULL ? f->until_ms : INT64_MAX;
}

/* The same for the same file, and no other's. */
static void txid_of(const struct pickup *p, const struct pickup_file *f,
		    uint8_t out[STORE_TXID_SIZE])
{
	uint8_t digest[SHA256_LEN];
	struct buf b;

	buf_init(&b, DISK_PATH_MAX + AREA_NAME_MAX + 200, NULL);
	buf_printf(&b, "pickup %s %s %llu %llu %lld %lld %s", dir_node_name(p->conf.dir),
		   f->server->name, (unsigned long long)f->f.ino, (unsigned long long)f->f.size,
		   (long long)f->f.mtime_ns, (long long)f->f.ctime_ns, f->f.name);
	invariant(!buf_failed(&b));
	sha256(buf_slice(&b), digest);
	memcpy(out, digest, STORE_TXID_SIZE);
	buf_fini(&b);
}

static struct pickup_file *ready_in(struct pickup_server *s)
{
	return s->running ? first_of(&s->ready) : NULL;
}

/* Servers take turns. */
static struct pickup_file *next_ready(struct pickup *p)
{
	struct list *start = p->last != NULL ? p->last->node.next : p->servers.next;
	struct list *i = start;

	do {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);
		struct pickup_file *f = i != &p->servers ? ready_in(s) : NULL;

		if (f != NULL) {
			p->last = s;
			return f;
		}
		i = i->next;
	} while (i != start);
	return NULL;
}

static void job_of(const struct pickup *p, const struct pickup_file *f, struct pickup_job *out)
{
	memcpy(out->lease, f->lease, sizeof out->lease);
	memcpy(out->server, f->server->name, sizeof out->server);
	out->file = f->f;
	txid_of(p, f, out->txid);
}

/* ---- the end of a lease ---- */

struct ending {
	const char *path, *bad;
	struct area_file f;
	enum pickup_outcome outcome;
	slice_t why;
	enum err result;
};

static void run_ending(void *arg)
{
	struct ending *x = arg;

	x->result = x->outcome == PICKUP_TAKEN ? area_remove(x->path, &x->f)
					       : area_reject(x->path, x->bad, &x->f, x->why);
}

static void log_end(enum log_level level, const struct pickup_file *f, enum pickup_outcome outcome,
		    slice_t why, enum err e)
{
	static const char *const events[] = {"pickup.taken", "pickup.bad", "pickup.later"};

	LOG(level, NULL, events[outcome], LF_STR("server", f->server->name),
	    LF_STR("file", f->f.name), LF_UINT("bytes", f->f.size),
	    LF_STR("sender", f->asked ? f->sender : ""), LF_SLICE("why", why), LF_ERR("result", e));
}

static void count_end(enum pickup_outcome outcome)
{
	metric_add(outcome == PICKUP_TAKEN ? &m_taken
		   : outcome == PICKUP_BAD ? &m_bad
					   : &m_later,
		   1);
}

/* One that waits is told once, and so is the first of a sender's. */
static void put_off(struct pickup_file *f, enum pickup_outcome outcome, slice_t why, enum err e)
{
	switch (pickup_wait_put(f, e == E_OK ? why : slice_str(err_name(e)))) {
	case PICKUP_NEWS:
		log_end(LOG_WARN, f, outcome, why, e);
		break;
	case PICKUP_NO_NEWS:
		log_end(LOG_DEBUG, f, outcome, why, e);
		break;
	case PICKUP_CROWDED:
		LOG_SELDOM(LOG_WARN, NULL, "pickup.crowded", LF_STR("server", f->server->name),
			   LF_UINT("waiting", PICKUP_LATER_MAX));
		break;
	}
}

/* The file is FILE_MOVING, so that nobody else has it. */
WAITS static enum err end_file(struct pickup_file *f, enum pickup_outcome outcome, slice_t why)
{
	struct ending x = {.path = f->server->path,
			   .bad = f->server->bad,
			   .f = f->f,
			   .outcome = outcome,
			   .why = slice_sub(why, 0, AREA_REASON_MAX)};
	enum err e = E_OK;

	if (outcome != PICKUP_LATER) {
		e = work_run("pickup.end", run_ending, &x);
		/* Whoever took it away has spared us that. */
		if (e == E_OK)
			e = x.result == E_NOT_FOUND ? E_OK : x.result;
	}
	count_end(outcome);
	if (outcome != PICKUP_LATER)
		pickup_wait_probed(f);
	if (e == E_OK && outcome != PICKUP_LATER) {
		log_end(outcome == PICKUP_TAKEN ? LOG_INFO : LOG_WARN, f, outcome, why, e);
	} else {
		/* What the disk refuses is nothing of its sender's. */
		f->asked = f->asked && e == E_OK;
		put_off(f, outcome, why, e);
	}
	if (f->server->looking)
		(void)map_put(&f->server->ended, slice_str(f->f.name), f->server);
	pickup_file_free(f);
	return e;
}

WAITS static void reject_large(struct pickup_file *f)
{
	char why[80];

	snprintf(why, sizeof why, "The file is larger than %llu bytes",
		 (unsigned long long)f->server->size_max);
	pickup_file_be(f, FILE_MOVING);
	(void)end_file(f, PICKUP_BAD, slice_str(why));
}

WAITS enum err pickup_take(struct pickup_worker *w, struct pickup_job *out)
{
	struct pickup *p = w->pickup;

	for (;;) {
		struct pickup_file *f = w->leases < PICKUP_LEASES_MAX ? next_ready(p) : NULL;
		enum err e = E_OK;

		if (p->stop)
			return E_CANCELLED;
		if (f == NULL)
			e = waitq_wait(&p->takers, "pickup.take", NO_DEADLINE);
		if (e != E_OK)
			return e;
		if (f == NULL)
			continue;
		if (f->f.size > f->server->size_max) {
			reject_large(f);
			continue;
		}
		lease_begin(w, f);
		job_of(p, f, out);
		return E_OK;
	}
}

static struct pickup_file *leased(struct pickup_worker *w, slice_t lease)
{
	struct pickup_file *f = map_get(&w->pickup->leases, lease);

	return f != NULL && f->holder == w ? f : NULL;
}

/* The lease may end meanwhile, and the server go with it. */
struct opening {
	char path[DISK_PATH_MAX];
	struct area_file f;
	int fd;
	enum err result;
};

static void run_open(void *arg)
{
	struct opening *x = arg;

	x->result = area_open(x->path, &x->f, &x->fd);
}

WAITS enum err pickup_open(struct pickup_worker *w, slice_t lease, struct pickup_job *job_out,
			   int *fd_out)
{
	struct pickup_file *f = leased(w, lease);
	struct opening x = {.fd = -1};
	enum err e;

	*fd_out = -1;
	if (f == NULL)
		return E_NOT_FOUND;
	memcpy(x.path, f->server->path, sizeof x.path);
	x.f = f->f;
	job_of(w->pickup, f, job_out);
	e = work_run("pickup.open", run_open, &x);
	*fd_out = x.fd;
	return e == E_OK ? x.result : e;
}

void pickup_sent_by(struct pickup_worker *w, slice_t lease, uint64_t account, slice_t sender)
{
	struct pickup_file *f = leased(w, lease);

	if (f == NULL)
		return;
	f->asked = true;
	f->account = account;
	snprintf(f->sender, sizeof f->sender, "%.*s", (int)sender.n, sender.p);
}

WAITS enum err pickup_done(struct pickup_worker *w, slice_t lease, enum pickup_outcome outcome,
			   slice_t why)
{
	struct pickup_file *f = leased(w, lease);

	if (f == NULL)
		return E_NOT_FOUND;
	lease_end(f, FILE_MOVING);
	return end_file(f, outcome, why);
}
