#include "frontend/outbound/questions.h"

#include "common/base/codec.h"
#include "common/crypto/pki.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/rpc/link.h"
#include "frontend/dns/resolver.h"

#define AGAIN_MS 2000 /* before a stream that has ended is opened again */

/* ---- answers as text ---- */

static enum question_outcome outcome_of(enum dns_status s)
{
	switch (s) {
	case DNS_OK:
		return QUESTION_OK;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		return QUESTION_ABSENT;
	case DNS_TEMPFAIL:
		return QUESTION_FAILED;
	case DNS_BOGUS:
		return QUESTION_BOGUS;
	case DNS_UNUSABLE:
		return QUESTION_UNUSABLE;
	}
	return QUESTION_FAILED;
}

/* An answer as it grows. */
struct writing {
	struct question_answer *out;
	struct arena *mem;
	size_t bytes;
};

static void head(struct writing *w, const struct dns_answer *a)
{
	*w->out = (struct question_answer){
		.outcome = outcome_of(a->status),
		.secure = a->secure,
		.cut = a->cut,
		.canonical = a->canonical,
	};
	w->bytes = a->canonical.n;
}

static void put(struct writing *w, slice_t record)
{
	if (w->out->n == QUESTION_RECORDS_MAX || record.n > QUESTION_BYTES_MAX - w->bytes) {
		w->out->cut = true;
		return;
	}
	w->bytes += record.n;
	w->out->records[w->out->n++] = arena_dup(w->mem, record);
}

/* Of records that are all too long nothing is left to tell. */
static void finish(struct writing *w)
{
	if (w->out->outcome == QUESTION_OK && w->out->n == 0)
		w->out->outcome = QUESTION_UNUSABLE;
}

/* ---- types ---- */

WAITS static enum err ask_mx(const struct question *q, struct writing *w, struct buf *line)
{
	struct dns_mx_answer a;
	enum err e = dns_mx(slice_str(q->name), w->mem, q->deadline_ms, &a);

	if (e != E_OK)
		return e;
	head(w, &a.a);
	if (a.null_mx)
		put(w, SL("0 ."));
	for (size_t i = 0; i < a.n; i++) {
		buf_reset(line);
		buf_put_u64(line, a.list[i].preference);
		buf_putc(line, ' ');
		buf_put(line, a.list[i].host);
		put(w, buf_slice(line));
	}
	return E_OK;
}

WAITS static enum err ask_addrs(const struct question *q, struct writing *w)
{
	struct dns_addrs_answer a;
	enum err e = dns_addrs(slice_str(q->name), w->mem, q->deadline_ms, &a);

	if (e != E_OK)
		return e;
	head(w, &a.a);
	for (size_t i = 0; i < a.n; i++) {
		char text[IPADDR_STR];

		put(w, slice_str(ipaddr_str(&a.list[i], text)));
	}
	return E_OK;
}

WAITS static enum err ask_txt(const struct question *q, struct writing *w)
{
	struct dns_txt_answer a;
	enum err e = dns_txt(slice_str(q->name), w->mem, q->deadline_ms, &a);

	if (e != E_OK)
		return e;
	head(w, &a.a);
	for (size_t i = 0; i < a.n; i++)
		put(w, a.list[i]);
	return E_OK;
}

WAITS static enum err ask_ptr(const struct question *q, struct writing *w)
{
	struct dns_ptr_answer a;
	struct ipaddr addr;
	enum err e = E_INVALID;

	if (ipaddr_parse(slice_str(q->name), &addr))
		e = dns_ptr(&addr, w->mem, q->deadline_ms, &a);
	if (e != E_OK)
		return e;
	head(w, &a.a);
	for (size_t i = 0; i < a.n; i++)
		put(w, a.list[i]);
	return E_OK;
}

WAITS static enum err ask_tlsa(const struct question *q, struct writing *w, struct buf *line)
{
	struct dns_tlsa_answer a;
	enum err e = dns_tlsa(slice_str(q->name), w->mem, q->deadline_ms, &a);

	if (e != E_OK)
		return e;
	head(w, &a.a);
	for (size_t i = 0; i < a.n; i++) {
		const struct dns_tlsa *t = &a.list[i];

		buf_reset(line);
		buf_printf(line, "%u %u %u ", t->usage, t->selector, t->matching);
		hex_encode(line, t->data);
		put(w, buf_slice(line));
	}
	return E_OK;
}

WAITS static enum err ask_srv(const struct question *q, struct writing *w, struct buf *line)
{
	struct dns_srv_answer a;
	enum err e = dns_srv(slice_str(q->name), w->mem, q->deadline_ms, &a);

	if (e != E_OK)
		return e;
	head(w, &a.a);
	for (size_t i = 0; i < a.n; i++) {
		const struct dns_srv *s = &a.list[i];

		buf_reset(line);
		buf_printf(line, "%u %u %u ", s->priority, s->weight, s->port);
		buf_put(line, s->host.n != 0 ? s->host : SL("."));
		put(w, buf_slice(line));
	}
	return E_OK;
}

WAITS enum err question_ask(const struct question *q, struct arena *mem,
			    struct question_answer *out)
{
	struct writing w = {.out = out, .mem = mem};
	enum err e = E_INVALID;
	struct buf line;

	buf_init(&line, 2 * DNS_TLSA_DATA_MAX + 64, NULL);
	switch (q->type) {
	case QUESTION_MX:
		e = ask_mx(q, &w, &line);
		break;
	case QUESTION_ADDRESS:
		e = ask_addrs(q, &w);
		break;
	case QUESTION_TXT:
		e = ask_txt(q, &w);
		break;
	case QUESTION_PTR:
		e = ask_ptr(q, &w);
		break;
	case QUESTION_TLSA:
		e = ask_tlsa(q, &w, &line);
		break;
	case QUESTION_SRV:
		e = ask_srv(q, &w, &line);
		break;
	}
	buf_fini(&line);
	if (e == E_OK)
		finish(&w);
	return e;
}

/* ---- the stream ---- */

struct questions {
	struct list node;
	struct rpc_link *link; /* a reference */
	struct scope watch; /* the stream of questions; ended when there is another key to tell */
	struct scope running;
	unsigned n;
	struct waitq room;
};

struct one {
	struct questions *home;
	struct question q;
};

/* What cannot be asked at all has failed, too: whoever waits is told at once. */
WAITS static void answer_one(struct one *o)
{
	struct question_answer a;
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	e = question_ask(&o->q, &mem, &a);
	if (e == E_INVALID) {
		a = (struct question_answer){.outcome = QUESTION_FAILED};
		e = E_OK;
	}
	if (e == E_OK)
		e = call_dns_answer(o->home->link, o->q.id, &a);
	if (e != E_OK)
		LOG(LOG_INFO, NULL, "outbound.answer_lost", LF_STR("name", o->q.name),
		    LF_ERR("why", e));
	arena_reset(&mem);
}

WAITS static void one_run(void *arg)
{
	struct one *o = arg;
	struct questions *home = o->home;

	answer_one(o);
	xfree(&o);
	home->n--;
	waitq_wake_one(&home->room);
}

WAITS static void take(const struct question *q, void *arg)
{
	struct questions *home = arg;
	struct one *o;

	while (home->n == QUESTIONS_MAX) {
		if (waitq_wait(&home->room, "outbound.question_room", NO_DEADLINE) != E_OK)
			return;
	}
	o = xcalloc(1, sizeof *o);
	*o = (struct one){.home = home, .q = *q};
	home->n++;
	if (scope_start(&home->running, "outbound.question", one_run, o) == E_OK)
		return;
	/* The back-end asks another. */
	home->n--;
	xfree(&o);
}

/* ---- the streams ---- */

static struct {
	uint8_t key[SHA256_LEN]; /* that the front-end's listeners present */
	size_t key_n;            /* 0: none */
	struct list homes;       /* with a stream each; NULLs before the first */
} told;

void questions_certificate(slice_t pem)
{
	struct diag d = {""};

	told.key_n = 0;
	if (pem.n != 0 && pki_key_sha256(pem, told.key, &d) == E_OK)
		told.key_n = sizeof told.key;
	else if (pem.n != 0)
		LOG(LOG_WARN, NULL, "outbound.no_certificate", LF_STR("why", d.text));
	if (told.homes.next == NULL)
		list_init(&told.homes);
	list_for_each(i, &told.homes)
		scope_cancel(&list_entry(i, struct questions, node)->watch);
}

WAITS static void watch_run(void *arg)
{
	struct questions *home = arg;
	enum err e = call_dns_watch(home->link, slice(told.key, told.key_n), take, home);

	LOG(LOG_DEBUG, NULL, "outbound.questions_ended",
	    LF_STR("backend", rpc_link_peer(home->link)->name), LF_ERR("why", e));
}

WAITS void questions_run(void *link)
{
	struct questions home = {.link = link};

	if (told.homes.next == NULL)
		list_init(&told.homes);
	list_append(&told.homes, &home.node);
	scope_init(&home.running);
	waitq_init(&home.room);
	while (rpc_link_usable(home.link) && !fiber_cancelled()) {
		scope_init(&home.watch);
		if (scope_start(&home.watch, "outbound.watch", watch_run, &home) == E_OK)
			(void)scope_join(&home.watch, NO_DEADLINE);
		(void)fiber_sleep("outbound.questions_again", AGAIN_MS);
	}
	list_remove(&home.node);
	scope_cancel(&home.running);
	(void)scope_join(&home.running, NO_DEADLINE);
	rpc_link_unref(&home.link);
}
