#include "common/rpc/link_priv.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/log/metric.h"

#define LINK_MAGIC 0x7270636cu

/* Received frames, requests and their payloads of one link. A server's peer chooses how much it
 * sends; a requester's own calls, mostly slow clients' fetches, decide what it holds. Beyond, a
 * stream that gets more is refused with E_BUSY and the others go on. */
#define SERVER_MEMORY    (64u << 20)
#define REQUESTER_MEMORY (256u << 20)

METRIC_GAUGE(links, "rpc_links", "Open links");
METRIC_COUNTER(faults, "rpc_faults_total", "Links closed because the peer broke the protocol");

/* ---- life ---- */

static enum err write_stream(struct rpc_link *l, slice_t bytes)
{
	return stream_write_now(l->s, bytes);
}

static size_t queued_stream(const struct rpc_link *l)
{
	return l->s != NULL ? stream_queued(l->s) : 0;
}

struct rpc_link *rpc_link_make(const struct rpc_link_opts *o, const struct rpc_identity *peer)
{
	struct rpc_link *l = xcalloc(1, sizeof(*l));
	bool server = o->side == RPC_SERVER;

	invariant(!server || o->ops != NULL);
	l->magic = LINK_MAGIC;
	l->refs = 1;
	l->side = o->side;
	l->ops = o->ops;
	l->peer = *peer;
	if (server)
		l->party = rpc_party_ref(peer, o->ops->budget);
	budget_init(&l->budget, server ? SERVER_MEMORY : REQUESTER_MEMORY,
		    server ? &l->party->budget : o->budget);
	list_init(&l->open);
	list_init(&l->room);
	list_init(&l->gone);
	list_init(&l->parked);
	event_init(&l->kick);
	waitq_init(&l->ended);
	l->last_in_ms = clock_mono_ms();
	l->pings_ms = l->last_in_ms;
	l->denied_ms = INT64_MIN / 2;
	l->sweep_ms = NO_DEADLINE;
	l->ping_ms = RPC_PING_MS;
	l->dead_ms = RPC_DEAD_MS;
	l->write = write_stream;
	l->queued = queued_stream;
	metric_add(&links, 1);
	return l;
}

void rpc_link_ref(struct rpc_link *l)
{
	invariant(l->magic == LINK_MAGIC && l->refs > 0);
	l->refs++;
}

void rpc_link_unref(struct rpc_link **lp)
{
	struct rpc_link *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	invariant(l->magic == LINK_MAGIC && l->refs > 0);
	if (--l->refs > 0)
		return;
	/* The fibers and each stream held one; without fibers (a failed start) it is still open. */
	stream_close(&l->s, CLOSE_SHUTDOWN);
	budget_fini(&l->budget);
	rpc_party_unref(&l->party);
	xfree(&l->slots);
	l->magic = 0;
	metric_add(&links, -1);
	xfree(&l);
}

static void end_streams(struct rpc_link *l)
{
	while (!list_empty(&l->open)) {
		struct rpc_stream *s = list_entry(l->open.next, struct rpc_stream, open);

		if (s->kind == RPC_KIND_CALL && s->end == E_OK)
			s->end = E_RETRY;
		if (s->kind == RPC_KIND_REQ && !s->local_closed)
			rpc_req_lost(rpc_req_of(s));
		mux_wake(s);
		mux_remove(s);
	}
}

/* REQUESTs that were never sent. */
static void end_parked(struct rpc_link *l)
{
	while (!list_empty(&l->parked)) {
		struct rpc_stream *s = list_entry(l->parked.next, struct rpc_stream, room);

		if (s->end == E_OK)
			s->end = E_RETRY;
		rpc_call_unpark(rpc_call_of(s));
	}
}

void rpc_link_close(struct rpc_link *l, enum close_reason reason)
{
	if (l->closed)
		return;
	l->closed = true;
	LOG_SELDOM(LOG_INFO, &l->log, "rpc.down", LF_STR("reason", close_reason_name(reason)),
		   LF_UINT("streams", l->nopen));
	stream_close(&l->s, reason);
	end_streams(l);
	end_parked(l);
	event_set(&l->kick);
}

void rpc_link_fault(struct rpc_link *l, const char *why)
{
	metric_add(&faults, 1);
	LOG_SELDOM(LOG_WARN, &l->log, "rpc.fault", LF_STR("why", why));
	rpc_link_close(l, CLOSE_PROTOCOL);
}

void rpc_link_drain(struct rpc_link *l)
{
	if (l->closed || l->goaway_sent)
		return;
	l->goaway_sent = true;
	end_parked(l);
	rpc_link_put(l, FRAME_GOAWAY, 0, 0, 0, SLICE_NONE);
	rpc_link_drained(l);
}

void rpc_link_drained(struct rpc_link *l)
{
	if (l->goaway_sent && l->goaway_received && l->nopen == 0)
		rpc_link_close(l, CLOSE_DONE);
}

bool rpc_link_usable(const struct rpc_link *l)
{
	return !l->closed && !l->goaway_sent;
}

bool rpc_link_doubtful(const struct rpc_link *l)
{
	return l->doubtful;
}

const struct rpc_identity *rpc_link_peer(const struct rpc_link *l)
{
	return &l->peer;
}

slice_t rpc_link_peer_serial(const struct rpc_link *l)
{
	return slice_str(l->serial);
}

void rpc_link_peer_dates(const struct rpc_link *l, int64_t *from_s_out, int64_t *until_s_out)
{
	*from_s_out = l->cert_from_s;
	*until_s_out = l->cert_until_s;
}

const struct ipaddr *rpc_link_addr(const struct rpc_link *l)
{
	return &l->addr;
}

unsigned rpc_link_streams(const struct rpc_link *l)
{
	return l->nopen;
}

size_t rpc_link_memory(const struct rpc_link *l)
{
	return l->budget.used;
}

struct budget *rpc_link_budget(struct rpc_link *l)
{
	return &l->budget;
}

WAITS enum err rpc_link_wait_closed(struct rpc_link *l, int64_t deadline_ms)
{
	enum err e = E_OK;

	while (e == E_OK && !l->finished)
		e = waitq_wait(&l->ended, "rpc.closed", deadline_ms);
	return e;
}

/* ---- output ---- */

void rpc_link_put_raw(struct rpc_link *l, slice_t header, slice_t payload)
{
	enum err e;

	if (l->closed)
		return;
	e = l->write(l, header);
	if (e == E_OK && payload.n > 0)
		e = l->write(l, payload);
	if (e == E_LIMIT)
		LOG_SELDOM(LOG_WARN, &l->log, "rpc.stalled", LF_UINT("queued", l->queued(l)));
	if (e != E_OK)
		rpc_link_close(l, e == E_LIMIT ? CLOSE_LIMIT : CLOSE_IO);
}

void rpc_link_put(struct rpc_link *l, enum frame_type type, unsigned flags, unsigned code,
		  uint32_t stream, slice_t payload)
{
	char header[FRAME_HEADER];

	frame_header_put(header, type, flags, code, stream, payload.n);
	rpc_link_put_raw(l, slice(header, sizeof(header)), payload);
}

/* ---- the two fibers ---- */

void rpc_link_tell_gone(struct rpc_link *l)
{
	struct list *n;

	while ((n = list_pop(&l->gone)) != NULL) {
		struct rpc_req *r = rpc_req_of(list_entry(n, struct rpc_stream, room));

		r->detached->gone(r, r->arg);
	}
}

void rpc_link_finish(struct rpc_link *l)
{
	invariant(l->closed && !l->finished);
	rpc_link_tell_gone(l);
	if (l->ops != NULL && l->ops->closed != NULL)
		l->ops->closed(l, l->ops->arg);
	l->finished = true;
	waitq_wake_all(&l->ended);
}

/* Hands out room while somebody waits for it. */
static WAITS void hand_out(struct rpc_link *l)
{
	l->writer_busy = true;
	while (!l->closed) {
		bool more;

		if (l->queued(l) >= RPC_HIGH_WATER) {
			enum err e = stream_drain(l->s, "rpc.drain", NO_DEADLINE);

			if (e == E_OK)
				continue;
			rpc_link_close(l, e == E_CANCELLED ? CLOSE_SHUTDOWN : CLOSE_PEER);
			break;
		}
		more = l->nparked > 0;
		if (more)
			rpc_call_unpark(
				rpc_call_of(list_entry(l->parked.next, struct rpc_stream, room)));
		if (mux_grant_room(l)) {
			more = true;
			fiber_yield();
		}
		if (!more)
			break;
	}
	l->writer_busy = false;
}

static WAITS void writer_main(void *arg)
{
	struct rpc_link *l = arg;

	fiber_set_log(&l->log);
	while (!l->closed) {
		if (event_wait(&l->kick, "rpc.idle", NO_DEADLINE) != E_OK)
			rpc_link_close(l, CLOSE_SHUTDOWN);
		else
			hand_out(l);
		rpc_link_tell_gone(l);
	}
	rpc_link_finish(l);
	fiber_set_log(NULL);
	rpc_link_unref(&l);
}

void rpc_link_tick(struct rpc_link *l)
{
	int64_t now = clock_mono_ms(), silent = now - l->last_in_ms;

	if (silent >= l->dead_ms) {
		LOG_SELDOM(LOG_WARN, &l->log, "rpc.silent", LF_INT("ms", silent));
		rpc_link_close(l, CLOSE_TIMEOUT);
		return;
	}
	if (silent >= l->ping_ms && !l->ping_sent) {
		char token[FRAME_PING_LEN] = {0};

		l->ping_sent = true;
		l->doubtful = true;
		rpc_link_put(l, FRAME_PING, 0, 0, 0, slice(token, sizeof(token)));
	}
	if (now >= l->sweep_ms)
		mux_sweep(l, now);
}

static int64_t next_tick(const struct rpc_link *l)
{
	int64_t at = l->last_in_ms + (l->ping_sent ? l->dead_ms : l->ping_ms);

	/* A call that is started meanwhile may have an earlier deadline. */
	if (l->sweep_ms != NO_DEADLINE)
		at = MIN(at, MIN(l->sweep_ms, clock_mono_ms() + RPC_SWEEP_MAX_MS));
	return at;
}

static enum close_reason why_read_ended(enum err e)
{
	if (e == E_CLOSED)
		return CLOSE_PEER;
	if (e == E_CANCELLED)
		return CLOSE_SHUTDOWN;
	return e == E_TLS ? CLOSE_TLS : CLOSE_IO;
}

static WAITS void reader_main(void *arg)
{
	struct rpc_link *l = arg;

	fiber_set_log(&l->log);
	while (!l->closed) {
		slice_t in = stream_peek(l->s);
		size_t used = mux_input(l, in);
		enum err e;

		rpc_link_tell_gone(l);
		if (l->closed)
			break;
		stream_consume(l->s, used);
		e = stream_fill(l->s, in.n - used, "rpc.frame", next_tick(l));
		if (l->closed)
			break;
		if (e == E_OK) {
			l->last_in_ms = clock_mono_ms();
			l->doubtful = false;
		}
		if (e == E_OK || e == E_TIMEOUT)
			rpc_link_tick(l);
		else
			rpc_link_close(l, why_read_ended(e));
	}
	fiber_set_log(NULL);
	rpc_link_unref(&l);
}

/* ---- start ---- */

static WAITS enum err hello_exchange(struct rpc_link *l, const struct rpc_link_opts *o,
				     int64_t deadline_ms)
{
	char name[RPC_IDENTITY_STR], mine[FRAME_HELLO_MAX];
	struct frame_hello h = {RPC_LEVEL_MIN, RPC_LEVEL_MAX, SLICE_NONE};
	const char *why = NULL;
	enum parse_rc rc = P_MORE;
	size_t have = 0, used = 0;
	struct frame f;

	h.name = slice_str(rpc_identity_str(&o->self, name));
	rpc_link_put(l, FRAME_HELLO, 0, 0, 0, slice(mine, frame_hello_put(mine, &h)));
	while (rc == P_MORE && !l->closed) {
		enum err e = stream_fill(l->s, have, "rpc.hello", deadline_ms);

		if (e != E_OK) {
			LOG_SELDOM(LOG_INFO, &l->log, "rpc.no_hello", LF_ERR("status", e));
			return e;
		}
		rc = frame_parse(stream_peek(l->s), &f, &used, &why);
		have = stream_peek(l->s).n;
	}
	if (l->closed)
		return E_CLOSED;
	if (rc == P_OK && f.type != FRAME_HELLO)
		why = "frame before hello";
	else if (rc == P_OK && !frame_hello_parse(f.payload, &h))
		why = "malformed hello";
	else if (rc == P_OK && (h.level_min > RPC_LEVEL_MAX || h.level_max < RPC_LEVEL_MIN))
		why = "no protocol level in common";
	else if (rc == P_OK && !slice_eq(h.name, slice_str(rpc_identity_str(&l->peer, name))))
		why = "hello and certificate name two peers";
	if (why != NULL) {
		rpc_link_fault(l, why);
		return E_INVALID;
	}
	stream_consume(l->s, used);
	return E_OK;
}

static enum err start_fibers(struct rpc_link *l)
{
	rpc_link_ref(l);
	if (fiber_start("rpc.writer", writer_main, l, NULL) != E_OK) {
		l->refs--;
		return E_LIMIT;
	}
	rpc_link_ref(l);
	if (fiber_start("rpc.link", reader_main, l, NULL) != E_OK) {
		l->refs--;
		l->ops = NULL; /* nobody learns of this link */
		rpc_link_close(l, CLOSE_LIMIT);
		return E_LIMIT;
	}
	return E_OK;
}

static void set_context(struct rpc_link *l)
{
	char name[RPC_IDENTITY_STR], addr[IPADDR_STR];

	log_ctx_init(&l->log, NULL,
		     LOG_FIELDS(LF_STR("peer", rpc_identity_str(&l->peer, name)),
				LF_STR("addr", ipaddr_str(&l->addr, addr))));
}

WAITS enum err rpc_link_start_as(struct stream **s, const struct rpc_link_opts *o,
				 const struct rpc_identity *peer, const struct tls_facts *facts,
				 int64_t deadline_ms, struct rpc_link **out)
{
	struct rpc_link *l = rpc_link_make(o, peer);
	enum err e;

	l->s = *s;
	*s = NULL;
	*out = NULL;
	l->addr = *stream_peer(l->s);
	if (!slice_to_str(facts->peer_serial, l->serial, sizeof(l->serial)))
		l->serial[0] = '\0';
	l->cert_from_s = facts->peer_from_s;
	l->cert_until_s = facts->peer_until_s;
	set_context(l);
	e = hello_exchange(l, o, deadline_ms);
	if (e == E_OK) {
		l->last_in_ms = clock_mono_ms();
		e = start_fibers(l);
	}
	if (e != E_OK) {
		rpc_link_unref(&l);
		return e;
	}
	LOG_SELDOM(LOG_INFO, &l->log, "rpc.up",
		   LF_STR("side", l->side == RPC_SERVER ? "server" : "requester"));
	*out = l;
	return E_OK;
}

WAITS enum err rpc_link_start(struct stream **s, const struct rpc_link_opts *o, int64_t deadline_ms,
			      struct rpc_link **out)
{
	const struct tls_facts *t = stream_tls(*s);
	struct rpc_identity peer;

	*out = NULL;
	if (t == NULL || !rpc_identity_parse(t->peer_name, &peer)) {
		char addr[IPADDR_STR];

		LOG_SELDOM(LOG_WARN, NULL, "rpc.no_identity",
			   LF_STR("addr", ipaddr_str(stream_peer(*s), addr)),
			   LF_SLICE("name", t != NULL ? t->peer_name : SLICE_NONE));
		stream_close(s, CLOSE_PROTOCOL);
		return E_DENIED;
	}
	return rpc_link_start_as(s, o, &peer, t, deadline_ms, out);
}
