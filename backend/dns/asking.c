#include "backend/dns/asking.h"

#include "common/base/clock.h"

struct asking {
	struct list askers; /* who was asked last stands last */
	struct list flight; /* questions that somebody waits for */
	size_t nflight;
	uint64_t last_id;
};

struct asker {
	struct list node;
	struct asking *home;
	const void *who;
	struct event wake;
	bool has_key;
	uint8_t key[SHA256_LEN]; /* that its front-end presents */
};

/* On the stack of the fiber that waits. */
struct question {
	struct list node;
	struct asked asked;
	struct asker *asker; /* who has it now; NULL: nobody */
	bool sent;
	bool answered;
	struct event turn; /* it was answered, or its asker has gone */
	struct arena *mem;
	struct ask_answer *out;
};

struct asking *asking_new(void)
{
	struct asking *a = xcalloc(1, sizeof *a);

	list_init(&a->askers);
	list_init(&a->flight);
	return a;
}

void asking_free(struct asking **pa)
{
	struct asking *a = *pa;

	if (a == NULL)
		return;
	invariant(list_empty(&a->askers) && list_empty(&a->flight));
	xfree(pa);
}

/* ---- asking ---- */

/* The one that was not asked for the longest time. */
static struct asker *next_asker(struct asking *a)
{
	struct asker *k;

	if (list_empty(&a->askers))
		return NULL;
	k = list_entry(a->askers.next, struct asker, node);
	list_remove(&k->node);
	list_append(&a->askers, &k->node);
	return k;
}

WAITS static enum err ask_around(struct asking *a, struct question *q, int64_t deadline_ms,
				 struct diag *d)
{
	while (!q->answered) {
		enum err e;

		if (q->asker == NULL || q->sent) {
			q->asker = next_asker(a);
			q->sent = false;
		}
		if (q->asker == NULL)
			return diag_set(d, E_RETRY, "no front-end is there that could ask DNS");
		event_set(&q->asker->wake);
		e = event_wait(&q->turn, "dns.answer",
			       MIN(deadline_ms, deadline_in(ASKING_AGAIN_MS)));
		if (e == E_CANCELLED)
			return e;
		if (!q->answered && clock_mono_ms() >= deadline_ms)
			return diag_set(d, E_RETRY, "no front-end has answered in time");
		/* One that takes no questions counts as silent, too. */
		if (e == E_TIMEOUT)
			q->sent = true;
	}
	return E_OK;
}

WAITS enum err dns_ask(struct asking *a, slice_t name, enum ask_type type, int64_t deadline_ms,
		       struct arena *mem, struct ask_answer *out, struct diag *d)
{
	struct question q = {.asked = {.type = type}, .mem = mem, .out = out};
	enum err e;

	*out = (struct ask_answer){.outcome = ASK_FAILED};
	if (name.n == 0 || !slice_to_str(name, q.asked.name, sizeof q.asked.name))
		return diag_set(d, E_INVALID, "no name of DNS is so long");
	if (a->nflight == ASKING_FLIGHT_MAX)
		return diag_set(d, E_BUSY, "too many questions to DNS are under way");
	q.asked.id = ++a->last_id;
	event_init(&q.turn);
	list_append(&a->flight, &q.node);
	a->nflight++;
	e = ask_around(a, &q, deadline_ms, d);
	list_remove(&q.node);
	a->nflight--;
	return e;
}

/* ---- workers ---- */

static struct asker *find_asker(struct asking *a, const void *who)
{
	list_for_each(i, &a->askers) {
		struct asker *k = list_entry(i, struct asker, node);

		if (k->who == who)
			return k;
	}
	return NULL;
}

enum err asker_new(struct asking *a, const void *who, struct asker **out)
{
	*out = NULL;
	if (find_asker(a, who) != NULL)
		return E_EXISTS;
	*out = xcalloc(1, sizeof **out);
	**out = (struct asker){.home = a, .who = who};
	event_init(&(*out)->wake);
	list_prepend(&a->askers, &(*out)->node);
	return E_OK;
}

enum err asker_tells_key(struct asker *k, slice_t key)
{
	if (key.n == 0)
		return E_OK;
	if (key.n != sizeof k->key)
		return E_INVALID;
	memcpy(k->key, key.p, sizeof k->key);
	k->has_key = true;
	return E_OK;
}

size_t asking_keys(const struct asking *a, uint8_t (*out)[SHA256_LEN], size_t max)
{
	size_t n = 0;

	list_for_each(i, &a->askers) {
		const struct asker *k = list_entry(i, struct asker, node);
		size_t at = 0;

		while (at < n && memcmp(out[at], k->key, SHA256_LEN) != 0)
			at++;
		if (k->has_key && at == n && n < max)
			memcpy(out[n++], k->key, SHA256_LEN);
	}
	return n;
}

void asker_free(struct asker **pk)
{
	struct asker *k = *pk;

	if (k == NULL)
		return;
	list_remove(&k->node);
	list_for_each(i, &k->home->flight) {
		struct question *q = list_entry(i, struct question, node);

		if (q->asker != k)
			continue;
		q->asker = NULL;
		event_set(&q->turn);
	}
	xfree(pk);
}

WAITS enum err asker_take(struct asker *k, struct asked *out)
{
	enum err e = E_OK;

	while (e == E_OK) {
		list_for_each(i, &k->home->flight) {
			struct question *q = list_entry(i, struct question, node);

			if (q->asker != k || q->sent || q->answered)
				continue;
			q->sent = true;
			*out = q->asked;
			return E_OK;
		}
		e = event_wait(&k->wake, "dns.questions", NO_DEADLINE);
	}
	return e;
}

/* ---- answers ---- */

static slice_t clean(struct arena *mem, slice_t s)
{
	char *to = arena_alloc(mem, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		to[i] = s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?';
	to[s.n] = '\0';
	return slice(to, s.n);
}

static enum err check_answer(const struct ask_answer *m)
{
	size_t bytes = m->canonical.n;

	if (m->outcome < ASK_OK || m->outcome > ASK_UNUSABLE)
		return E_INVALID;
	if ((m->outcome == ASK_OK) != (m->n > 0))
		return E_INVALID;
	if (m->n > ASKING_RECORDS_MAX || m->canonical.n > ASKING_NAME_MAX)
		return E_TOO_BIG;
	for (size_t i = 0; i < m->n; i++)
		bytes += MIN(m->records[i].n, (size_t)ASKING_BYTES_MAX + 1);
	return bytes > ASKING_BYTES_MAX ? E_TOO_BIG : E_OK;
}

enum err asking_answer(struct asking *a, const void *who, uint64_t id,
		       const struct ask_answer *answer)
{
	enum err e = check_answer(answer);

	list_for_each(i, &a->flight) {
		struct question *q = list_entry(i, struct question, node);

		if (q->asked.id != id || q->asker == NULL || q->asker->who != who || !q->sent ||
		    q->answered)
			continue;
		if (e != E_OK)
			return e;
		*q->out = *answer;
		q->out->records = arena_alloc(q->mem, (answer->n + 1) * sizeof *q->out->records);
		for (size_t r = 0; r < answer->n; r++)
			q->out->records[r] = clean(q->mem, answer->records[r]);
		q->out->canonical = clean(q->mem, answer->canonical);
		q->answered = true;
		event_set(&q->turn);
		return E_OK;
	}
	return e == E_OK ? E_NOT_FOUND : e;
}
