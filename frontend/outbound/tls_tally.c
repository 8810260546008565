#include "frontend/outbound/tls_tally.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/crypto/digest.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/parse/idn.h"
#include "frontend/rpc/call_tls.h"
#include "frontend/rpc/rpc_client.h"

#define BATCH_BYTES (40u * 1024) /* of one call: a frame holds 64 KiB */

METRIC_COUNTER(m_sessions, "outbound_tls_sessions_total", "Sessions that reports will tell of");
METRIC_COUNTER(m_lost, "outbound_tls_sessions_lost_total", "... that had no room");

struct sum {
	struct list node;
	struct tls_sessions v; /* its texts are those of whole */
	uint8_t key[SHA256_LEN];
	int64_t since_ms;
	size_t n;
	char whole[];
};

static struct {
	tls_tally_tell_fn *tell;
	struct map by_key;
	struct list sums; /* the oldest first */
	uint64_t lost;
	bool running, busy;
	struct waitq told;
} tally;

void tls_tally_init(tls_tally_tell_fn *tell)
{
	tally.tell = tell;
	map_init(&tally.by_key);
	list_init(&tally.sums);
	tally.lost = 0;
	tally.running = tally.busy = false;
	waitq_init(&tally.told);
}

/* ---- what a session came to ---- */

static enum tls_result fault_result(enum tls_fault f)
{
	switch (f) {
	case TLS_FAULT_NONE:
		break;
	case TLS_FAULT_NAME:
		return TLS_RESULT_HOST_MISMATCH;
	case TLS_FAULT_EXPIRED:
		return TLS_RESULT_EXPIRED;
	case TLS_FAULT_UNTRUSTED:
		return TLS_RESULT_NOT_TRUSTED;
	case TLS_FAULT_OTHER:
		break;
	}
	return TLS_RESULT_VALIDATION_FAILURE;
}

/* False: it tells nothing. */
static bool judge(const struct tls_session *s, enum tls_result *result, const char **why)
{
	const struct tls_told *told = &s->plan->told;
	enum smtp_phase at = s->why->result.phase;

	*why = "";
	*result = told->result;
	if (told->result != TLS_RESULT_OK) {
		*why = told->why != NULL ? told->why : "";
		return true;
	}
	if (s->why->fault != TLS_FAULT_NONE) {
		*result = fault_result(s->why->fault);
		*why = s->why->fault_words.text;
		return true;
	}
	if (s->opened == E_OK) {
		*result = s->took_tls ? TLS_RESULT_OK : TLS_RESULT_STARTTLS_NOT_SUPPORTED;
		return true;
	}
	*result = at == SMTP_AT_STARTTLS ? TLS_RESULT_STARTTLS_NOT_SUPPORTED
					 : TLS_RESULT_VALIDATION_FAILURE;
	*why = s->why->result.text;
	return at == SMTP_AT_STARTTLS || at == SMTP_AT_TLS;
}

/* ---- sums ---- */

#define TEXTS 6

static void texts_of(struct tls_sessions *v, slice_t *out[TEXTS])
{
	slice_t *all[TEXTS] = {&v->domain, &v->policy, &v->host, &v->remote, &v->local, &v->why};

	memcpy(out, all, sizeof all);
}

/* What makes sessions alike; the texts stand at its end, each behind a NUL. Sums are found by its
 * digest, so that they are not kept by the map once more. */
static void put_whole(struct buf *b, struct tls_sessions *v)
{
	slice_t *texts[TEXTS];

	texts_of(v, texts);
	buf_printf(b, "%u %u", v->type, v->result);
	for (size_t i = 0; i < TEXTS; i++) {
		buf_putc(b, '\0');
		buf_put(b, *texts[i]);
	}
}

static slice_t key_of(const struct sum *x)
{
	return slice(x->key, sizeof x->key);
}

static struct sum *sum_new(const struct tls_sessions *v, slice_t whole, slice_t key)
{
	struct sum *x = xcalloc(1, sizeof *x + whole.n);
	slice_t *texts[TEXTS];
	size_t end = whole.n;

	memcpy(x->whole, whole.p, whole.n);
	memcpy(x->key, key.p, sizeof x->key);
	x->n = whole.n;
	x->v = *v;
	texts_of(&x->v, texts);
	for (size_t i = TEXTS; i-- > 0; end--) {
		end -= texts[i]->n;
		*texts[i] = slice(x->whole + end, texts[i]->n);
	}
	x->v.count = 0;
	x->since_ms = clock_mono_ms();
	list_append(&tally.sums, &x->node);
	invariant(map_put(&tally.by_key, key, x) == NULL);
	return x;
}

static void sum_free(struct sum *x)
{
	list_remove(&x->node);
	(void)map_del(&tally.by_key, key_of(x));
	xfree(&x);
}

static void lose(uint64_t n)
{
	tally.lost += n;
	metric_add(&m_lost, (int64_t)n);
}

static void count(struct tls_sessions *v)
{
	uint8_t digest[SHA256_LEN];
	slice_t key = slice(digest, sizeof digest);
	struct sum *x;
	struct buf whole;

	buf_init(&whole, SIZE_MAX / 4, NULL); /* of texts with limits */
	put_whole(&whole, v);
	sha256(buf_slice(&whole), digest);
	x = map_get(&tally.by_key, key);
	if (x == NULL && tally.by_key.count < TLS_TALLY_SUMS_MAX)
		x = sum_new(v, buf_slice(&whole), key);
	buf_fini(&whole);
	if (x == NULL) {
		lose(1);
		return;
	}
	x->v.count++;
	metric_add(&m_sessions, 1);
}

/* Words of strangers, in one line. */
static slice_t clean(const char *words, char out[TLS_TOLD_REASON_MAX])
{
	size_t n = strnlen(words, TLS_TOLD_REASON_MAX);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(words[i] >= 0x20 && words[i] < 0x7f ? words[i] : '?');
	return slice(out, n);
}

static void tell_later(void);

void tls_tally_add(const struct tls_session *s)
{
	char remote[IPADDR_STR], local[IPADDR_STR], words[TLS_TOLD_REASON_MAX];
	char domain[DOMAIN_MAX + 1];
	struct tls_sessions v = {.type = s->plan->told.type, .policy = s->plan->told.policy};
	enum tls_result result;
	const char *why;

	if (v.type == TLS_POLICY_UNTOLD || s->hosts->domain == NULL ||
	    domain_normalise(slice_str(s->hosts->domain), domain) != E_OK ||
	    !judge(s, &result, &why))
		return;
	v.domain = slice_str(domain);
	v.result = result;
	if (result != TLS_RESULT_OK) {
		v.host = slice_str(s->host->name);
		v.remote = slice_str(ipaddr_str(&s->host->addr, remote));
		if (s->why->local.family != 0)
			v.local = slice_str(ipaddr_str(&s->why->local, local));
		v.why = clean(why, words);
	}
	count(&v);
	tell_later();
}

/* ---- telling ---- */

/* In a frame: texts, and numbers around them. */
static size_t size_of(const struct sum *x)
{
	return x->n + 40;
}

/* The first ones that go to the same back-end as the very first. */
static size_t gather(struct rpc_link *l, struct sum **sums, struct tls_sessions *v)
{
	size_t n = 0, bytes = 0;

	list_for_each(i, &tally.sums) {
		struct sum *x = list_entry(i, struct sum, node);

		if (tally.tell == NULL && call_tls_backend(x->v.domain) != l)
			continue;
		if (n == CALL_TLS_SESSIONS_MAX || (n != 0 && bytes + size_of(x) > BATCH_BYTES))
			break;
		bytes += size_of(x);
		sums[n] = x;
		v[n++] = x->v;
	}
	return n;
}

static void drop_old(void)
{
	list_for_each_safe(i, &tally.sums) {
		struct sum *x = list_entry(i, struct sum, node);

		if (clock_mono_ms() - x->since_ms < TLS_TALLY_KEEP_MS)
			return;
		lose(x->v.count);
		sum_free(x);
	}
}

/* What was told is taken off; sessions that came meanwhile stay. A call that broke may have
 * counted: it is not made again. */
static void settle(struct sum **sums, const struct tls_sessions *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sums[i]->v.count -= v[i].count;
		if (sums[i]->v.count == 0)
			sum_free(sums[i]);
	}
}

/* False: nobody is there. */
WAITS static bool tell_some(void)
{
	struct sum *first = list_entry(tally.sums.next, struct sum, node);
	struct rpc_link *l = tally.tell == NULL ? call_tls_backend(first->v.domain) : NULL;
	struct tls_sessions v[CALL_TLS_SESSIONS_MAX];
	struct sum *sums[CALL_TLS_SESSIONS_MAX];
	uint64_t lost = tally.lost;
	enum err e;
	size_t n;

	if (l == NULL && tally.tell == NULL)
		return false;
	n = gather(l, sums, v);
	tally.lost = 0;
	e = l != NULL ? call_tls_put(l, v, n, lost) : tally.tell(v, n, lost);
	for (size_t i = 0; e != E_OK && i < n; i++)
		lose(v[i].count);
	settle(sums, v, n);
	return e != E_CANCELLED;
}

WAITS void tls_tally_flush(void)
{
	if (tally.busy)
		return;
	tally.busy = true;
	while (!list_empty(&tally.sums)) {
		if (!tell_some())
			break;
	}
	drop_old();
	tally.busy = false;
	waitq_wake_all(&tally.told);
}

WAITS void tls_tally_stop(void)
{
	/* A telling that is under way takes off what it has told. */
	fiber_shield_begin();
	while (tally.busy) {
		if (waitq_wait(&tally.told, "outbound.tls_tally_stop", NO_DEADLINE) != E_OK)
			break;
	}
	fiber_shield_end();
	tls_tally_flush();
	list_for_each_safe(i, &tally.sums)
		sum_free(list_entry(i, struct sum, node));
	map_fini(&tally.by_key);
}

WAITS static void tell_run(void *arg UNUSED)
{
	enum err e = E_OK;

	while (e != E_CANCELLED && !list_empty(&tally.sums)) {
		e = waitq_wait(&tally.told, "outbound.tls_tally", deadline_in(TLS_TALLY_PAUSE_MS));
		if (e == E_TIMEOUT)
			tls_tally_flush();
	}
	tally.running = false;
}

static void tell_later(void)
{
	if (!tally.running)
		tally.running = fiber_start("outbound.tls_tally", tell_run, NULL, NULL) == E_OK;
}
