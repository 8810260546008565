/* The rows of tls_sums whose time is over: which one is due, and what became of it. */
#include "backend/queue/tls_sums_priv.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"

struct heading {
	struct node *node;
	const struct tls_entry *x;
	enum err e;
};

/* The row's new head, before its old content. */
static void run_head(void *arg)
{
	struct heading *h = arg;
	char key[TLS_SUMS_KEY_SIZE];
	struct buf old, value;
	struct tls_row head;
	slice_t in, domain;
	int64_t tried_us;
	bool closed;

	buf_init(&old, TLS_SUMS_VALUE_SIZE, NULL);
	buf_init(&value, TLS_SUMS_VALUE_SIZE, NULL);
	h->e = node_get(h->node, NODE_HINTS, tls_sums_key(h->x->r.id, key), &old);
	in = buf_slice(&old);
	if (h->e == E_OK)
		h->e = tls_sum_unpack_head(&in, &head, &tried_us, &closed, &domain);
	if (h->e == E_OK) {
		tls_sum_pack_head(&h->x->r, h->x->tried_us, h->x->closed, &value);
		buf_put(&value, in);
		h->e = node_put(h->node, NODE_HINTS, tls_sums_key(h->x->r.id, key),
				buf_slice(&value), NODE_LAZY);
	}
	buf_fini(&old);
	buf_fini(&value);
}

/* A failure is but a row that is told as it was after a restart. Entered. */
WAITS static void write_head(struct tls_sums *s, struct tls_entry *x)
{
	struct heading h = {.node = s->node, .x = x};
	enum err e;

	fiber_shield_begin();
	e = work_run("tls.head", run_head, &h);
	fiber_shield_end();
	if (e != E_OK || h.e != E_OK)
		LOG(LOG_WARN, NULL, "tlsrpt.not_written", LF_STR("domain", x->r.domain),
		    LF_ERR("error", e != E_OK ? e : h.e));
}

static bool may_be_sent(const struct tls_entry *x)
{
	return x->r.state <= TLS_ROW_WAITING && !x->r.busy;
}

/* The first behind *after, which becomes its id. */
static struct tls_entry *next_to_send(const struct tls_sums *s, slice_t domain, uint64_t *after)
{
	const struct tls_row *r;

	while ((r = tls_sums_next(s, *after)) != NULL) {
		struct tls_entry *x = tls_sums_find(s, r->id);

		*after = r->id;
		if (may_be_sent(x) && (domain.n == 0 || slice_eq(tls_entry_domain(x), domain)))
			return x;
	}
	return NULL;
}

WAITS size_t tls_sums_send_now(struct tls_sums *s, slice_t domain)
{
	int64_t now_us = clock_wall_us();
	struct tls_entry *x;
	uint64_t after = 0;
	size_t n = 0;

	/* Each by itself: whoever has to do with another row does not wait for all of them. */
	do {
		if (tls_sums_enter(s) != E_OK)
			break;
		x = next_to_send(s, domain, &after);
		if (x != NULL) {
			x->closed = true;
			x->r.state = TLS_ROW_WAITING;
			x->r.to_us = MIN(x->r.to_us, now_us);
			x->r.due_us = now_us;
			write_head(s, x);
			n++;
		}
		tls_sums_leave(s);
		fiber_yield(); /* whoever was woken goes first */
	} while (x != NULL && !fiber_cancelled());
	waitq_wake_all(&s->due);
	return n;
}

/* The one that is due for the longest time; *next_us: when to look again. */
static struct tls_entry *find_due(struct tls_sums *s, int64_t now_us, int64_t *next_us)
{
	struct tls_entry *best = NULL;

	*next_us = INT64_MAX;
	for (size_t i = 0; i < s->n; i++) {
		struct tls_entry *x = s->list[i];

		if (!may_be_sent(x))
			continue;
		if (x->r.due_us > now_us)
			*next_us = MIN(*next_us, x->r.due_us);
		else if (best == NULL || x->r.due_us < best->r.due_us)
			best = x;
	}
	return best;
}

WAITS enum err tls_sums_take(struct tls_sums *s, int64_t deadline_ms, const struct tls_row **out)
{
	struct tls_entry *x;
	enum err e = E_OK;

	for (;;) {
		int64_t now_us = clock_wall_us(), next_us;

		/* A change that is under way may be of that row. */
		x = s->busy ? NULL : find_due(s, now_us, &next_us);
		if (x != NULL)
			break;
		if (s->busy) {
			e = tls_sums_enter(s);
			if (e != E_OK)
				return e;
			tls_sums_leave(s);
			continue;
		}
		if (next_us != INT64_MAX)
			e = waitq_wait(
				&s->due, "tls.due",
				MIN(deadline_ms, deadline_in((next_us - now_us) / 1000 + 1)));
		else
			e = waitq_wait(&s->due, "tls.due", deadline_ms);
		if (e == E_CANCELLED || (e == E_TIMEOUT && clock_mono_ms() >= deadline_ms))
			return e;
	}
	x->closed = true;
	x->r.busy = true;
	x->r.state = TLS_ROW_WAITING;
	*out = &x->r;
	return E_OK;
}

static void put_off(struct tls_entry *x, int64_t now_us)
{
	int64_t pause_us = TLS_SUMS_AGAIN_US << MIN(x->r.tries - 1, 5u);

	x->r.state = TLS_ROW_WAITING;
	x->r.due_us = now_us + pause_us;
	if (x->r.due_us - x->tried_us > TLS_SUMS_TRY_US)
		x->r.state = TLS_ROW_FAILED;
}

static void set_last(struct tls_row *r, slice_t last)
{
	size_t n = MIN(last.n, sizeof r->last - 1);

	for (size_t i = 0; i < n; i++)
		r->last[i] = (char)(last.p[i] >= 0x20 && last.p[i] < 0x7f ? last.p[i] : '?');
	r->last[n] = '\0';
}

WAITS void tls_sums_settle(struct tls_sums *s, uint64_t id, enum tls_row_state state, slice_t last)
{
	struct tls_entry *x;

	fiber_shield_begin(); /* whoever took it gives it back */
	invariant(tls_sums_enter(s) == E_OK);
	x = tls_sums_find(s, id);
	invariant(x != NULL && x->r.busy);
	x->r.busy = false;
	x->r.tries++;
	if (x->tried_us == 0)
		x->tried_us = clock_wall_us();
	x->r.state = state;
	if (state == TLS_ROW_WAITING)
		put_off(x, clock_wall_us());
	set_last(&x->r, last);
	write_head(s, x);
	tls_sums_leave(s);
	fiber_shield_end();
	waitq_wake_all(&s->due);
}
