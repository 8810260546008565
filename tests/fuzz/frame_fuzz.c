/*
 * A whole link without a socket: the input is what a peer sends after its hello. The first byte
 * chooses the side, and how the bytes are cut; fibers run between the pieces. On the serving side
 * the method's low bits choose what is done with a request; on the asking side a few calls are
 * open before the first byte.
 *
 * Promises: what the link sends is well formed; it holds no more than its credit allows; when it
 * has ended, nothing is left of it.
 */
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/rpc/link_priv.h"
#include "tests/fuzz/fuzz.h"

#define CALLS   5
#define WATCHES 64

enum { SIDE = 1, CUT = 6, DRAIN = 8, SLOW = 16, LEAVE = 32 };

struct fuzzed {
	slice_t in;
	unsigned how;
	struct rpc_link *l;
	struct buf sent;
	bool queue_full; /* the output queue, as the link sees it */
	struct rpc_server_ops ops;
	struct rpc_req *watches[WATCHES];
	struct rpc_call *calls[CALLS];
};

static struct fuzzed *now; /* the input being run */

static int64_t still_us(void)
{
	return 1000000;
}

/* ---- what the link sends ---- */

static enum err keep(struct rpc_link *l, slice_t bytes)
{
	const char *why = NULL;
	struct frame f;
	size_t used = 0;

	buf_put(&now->sent, bytes);
	while (frame_parse(buf_slice(&now->sent), &f, &used, &why) == P_OK) {
		FUZZ_CHECK(f.type != FRAME_REQUEST || l->side == RPC_REQUESTER);
		FUZZ_CHECK(f.type != FRAME_RESPONSE || l->side == RPC_SERVER);
		FUZZ_CHECK(f.type != FRAME_RESPONSE || f.code <= E_WIRE_LAST);
		buf_drop(&now->sent, used);
	}
	FUZZ_CHECK(why == NULL && !buf_failed(&now->sent));
	return E_OK;
}

static size_t queued(const struct rpc_link *l UNUSED)
{
	return now->queue_full ? RPC_HIGH_WATER : 0;
}

/* ---- the serving side ---- */

static bool admit(const struct rpc_identity *peer UNUSED, uint16_t method, size_t *payload_max,
		  int64_t *deadline_max_ms, void *arg UNUSED)
{
	*payload_max = 4096;
	*deadline_max_ms = method & 16 ? NO_DEADLINE : 60000;
	return method < 0x100;
}

static void watch_gone(struct rpc_req *r, void *arg)
{
	struct fuzzed *f = arg;

	FUZZ_CHECK(rpc_req_gone(r));
	for (size_t i = 0; i < WATCHES; i++)
		if (f->watches[i] == r)
			rpc_req_end(&f->watches[i]);
}

static void watch_writable(struct rpc_req *r, void *arg UNUSED)
{
	(void)!rpc_req_send_now(r, SL("again"));
}

static const struct rpc_detached_ops watch_ops = {watch_gone, watch_writable};

static WAITS void watch(struct fuzzed *f, struct rpc_req *r)
{
	for (size_t i = 0; i < WATCHES; i++) {
		if (f->watches[i] != NULL)
			continue;
		if (rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY) != E_OK)
			return;
		rpc_req_detach(r, &watch_ops, f);
		f->watches[i] = r;
		(void)!rpc_req_send_now(r, SL("first"));
		return;
	}
	rpc_req_abort(r, E_BUSY);
}

static WAITS void read_body(struct rpc_req *r, bool echo)
{
	slice_t part;
	enum err e = E_OK;

	if (echo)
		e = rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY);
	while (e == E_OK && (e = rpc_req_recv(r, &part)) == E_OK) {
		FUZZ_CHECK(part.n > 0 && part.n <= RPC_PAYLOAD_MAX);
		if (echo)
			e = rpc_req_send(r, part);
	}
	if (e != E_CLOSED)
		return;
	if (echo)
		rpc_req_send_end(r);
	else
		rpc_req_reply(r, E_OK, SL("all"), RPC_NO_BODY);
}

static WAITS void serve(struct rpc_req *r, void *arg)
{
	static const char zeros[60000];
	struct event never;

	FUZZ_CHECK(rpc_req_payload(r).n <= 4096);
	event_init(&never);
	switch (rpc_req_method(r) & 7) {
	case 0:
		rpc_req_reply(r, E_OK, rpc_req_payload(r), RPC_NO_BODY);
		break;
	case 1:
		read_body(r, false);
		break;
	case 2:
		read_body(r, true);
		break;
	case 3:
		(void)!event_wait(&never, "fuzz.hang", rpc_req_deadline(r));
		break;
	case 4:
		watch(arg, r);
		break;
	case 5:
		rpc_req_reply(r, E_TOO_BIG, SLICE_NONE, RPC_NO_BODY);
		break;
	case 6:
		if (rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY) == E_OK)
			while (rpc_req_send(r, slice(zeros, sizeof(zeros))) == E_OK)
				;
		break;
	default:
		break;
	}
}

/* ---- the asking side ---- */

static WAITS void drain_call(void *arg)
{
	struct rpc_call *c = arg;
	slice_t part;
	enum err e = rpc_call_response(c, NULL);

	while (e == E_OK && (e = rpc_call_recv(c, &part)) == E_OK)
		FUZZ_CHECK(part.n > 0 && part.n <= RPC_PAYLOAD_MAX);
	FUZZ_CHECK(e != E_OK);
}

static void open_calls(struct fuzzed *f, struct scope *sc)
{
	for (size_t i = 0; i < CALLS; i++) {
		int64_t deadline = i == 1 ? NO_DEADLINE : deadline_in(1000);

		FUZZ_CHECK(rpc_call_start(f->l, 1, SL("question"), i % 2 ? RPC_BODY : RPC_NO_BODY,
					  deadline, &f->calls[i]) == E_OK);
		/* The last two are left unread. */
		if (i < CALLS - 2)
			FUZZ_CHECK(scope_start(sc, "fuzz.call", drain_call, f->calls[i]) == E_OK);
	}
	if ((f->how & LEAVE) != 0)
		rpc_call_free(&f->calls[CALLS - 1]);
}

/* ---- one input ---- */

static WAITS void feed(struct fuzzed *f)
{
	static const size_t cuts[] = {SIZE_MAX, 1, 13, 4096};
	size_t cut = cuts[(f->how & CUT) / 2], shown = 0, done = 0;

	while (!f->l->closed && shown < f->in.n) {
		size_t used;

		shown += MIN(cut, f->in.n - shown);
		if (shown - done > RPC_WINDOW)
			shown = done + RPC_WINDOW;
		used = mux_input(f->l, slice_sub(f->in, done, shown - done));
		FUZZ_CHECK(used <= shown - done);
		done += used;
		rpc_link_tell_gone(f->l);
		f->queue_full = (f->how & SLOW) != 0 && !f->queue_full;
		while (!f->queue_full && !f->l->closed && mux_grant_room(f->l))
			fiber_yield();
		fiber_yield();
		FUZZ_CHECK(f->l->nopen <= RPC_STREAMS_MAX && f->l->serving <= RPC_STREAMS_MAX);
		/* Nothing that whole frames could not have brought. */
		FUZZ_CHECK(f->l->budget.used <= 16 * f->in.n + CALLS * 1024 +
							(f->l->nopen + f->l->serving + WATCHES) *
								sizeof(struct rpc_req));
		if (used == 0 && shown - done == RPC_WINDOW)
			break;
	}
}

static WAITS void run(void *arg)
{
	struct fuzzed *f = arg;
	bool server = (f->how & SIDE) != 0;
	struct rpc_identity peer = {.role = server ? ROLE_FRONTEND : ROLE_BACKEND};
	struct rpc_link_opts o = {.side = server ? RPC_SERVER : RPC_REQUESTER};
	struct scope calls;

	scope_init(&calls);
	o.ops = server ? &f->ops : NULL;
	f->l = rpc_link_make(&o, &peer);
	f->l->write = keep;
	f->l->queued = queued;
	if (!server)
		open_calls(f, &calls);
	if ((f->how & DRAIN) != 0)
		rpc_link_drain(f->l);
	feed(f);
	f->queue_full = false;
	if (!f->l->closed)
		mux_sweep(f->l, clock_mono_ms() + 30000);
	rpc_link_tell_gone(f->l);
	rpc_link_close(f->l, CLOSE_DONE);
	scope_join(&calls, NO_DEADLINE);
	rpc_link_finish(f->l);
	for (size_t i = 0; i < CALLS; i++)
		rpc_call_free(&f->calls[i]);
	while (f->l->serving > 0)
		fiber_yield();
	rpc_link_tell_gone(f->l);
	for (size_t i = 0; i < WATCHES; i++)
		FUZZ_CHECK(f->watches[i] == NULL);
	FUZZ_CHECK(f->l->refs == 1 && f->l->nopen == 0 && f->l->budget.used == 0);
	rpc_link_unref(&f->l);
	loop_stop(loop_current());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzed f = {.in = slice(data, size)};
	struct loop *loop = loop_new();

	now = &f;
	log_threshold = LOG_ERROR + 1;
	clock_replace(NULL, still_us);
	f.how = fuzz_byte(&f.in);
	f.ops = (struct rpc_server_ops){.serve = serve, .admit = admit, .arg = &f};
	buf_init(&f.sent, FRAME_HEADER + RPC_PAYLOAD_MAX, NULL);
	FUZZ_CHECK(fiber_start("fuzz.run", run, &f, NULL) == E_OK);
	loop_run(loop);
	loop_free(&loop);
	buf_fini(&f.sent);
	clock_replace(NULL, NULL);
	now = NULL;
	return 0;
}
