/* Jobs of the way out from a played back-end: taken as they are, left out when their parts do not
 * fit together; the message's bytes, along with the job or asked for; and what a report says. */
#include "frontend/rpc/call_outbound.h"

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "frontend/record/record_write.h"
#include "proto/method.pb-c.h"
#include "proto/outbound.pb-c.h"
#include "tests/unit/frontend/rpc/played.h"

static const char *const map[] = {"be1"};

/* What the played back-end has, and what it heard. */
struct giver {
	const Postern__OutboundJob *jobs;
	size_t njobs;
	struct buf stored; /* a record's blocks */
	uint32_t blocks[4];
	size_t nblocks;
	size_t cut;        /* frames of so many bytes */
	bool behind;       /* the bytes come behind each job, too */
	struct buf report; /* the last one, packed */
	struct event *end; /* of the stream of jobs; NULL: at once */
};

WAITS static void give_stored(struct giver *g, struct rpc_req *r)
{
	for (size_t at = 0; at < g->stored.n; at += g->cut) {
		if (rpc_req_send(r, slice_sub(buf_slice(&g->stored), at, g->cut)) != E_OK)
			return;
	}
}

WAITS static void give_jobs(struct giver *g, struct rpc_req *r)
{
	CHECK_ERR(rpc_req_reply(r, E_OK, SLICE_NONE, RPC_BODY), E_OK);
	for (size_t i = 0; i < g->njobs; i++) {
		size_t n = postern__outbound_job__get_packed_size(&g->jobs[i]);
		uint8_t *bytes = xmalloc(n);

		postern__outbound_job__pack(&g->jobs[i], bytes);
		if (rpc_req_send(r, slice(bytes, n)) != E_OK)
			i = g->njobs; /* the asker has had enough */
		else if (g->behind)
			give_stored(g, r);
		xfree(&bytes);
	}
	if (g->end == NULL || event_wait(g->end, "test.end", deadline_in(WIRE_MS)) == E_OK)
		(void)rpc_req_send_end(r);
}

WAITS static void give_bytes(struct giver *g, struct rpc_req *r)
{
	Postern__OutboundReadReply reply = POSTERN__OUTBOUND_READ_REPLY__INIT;
	uint8_t bytes[64];
	size_t n;

	reply.blocks = g->blocks;
	reply.n_blocks = g->nblocks;
	n = postern__outbound_read_reply__pack(&reply, bytes);
	CHECK_ERR(rpc_req_reply(r, E_OK, slice(bytes, n), RPC_BODY), E_OK);
	give_stored(g, r);
	(void)rpc_req_send_end(r);
}

WAITS static void answer(struct played_node *n, struct rpc_req *r)
{
	struct giver *g = n->arg;

	if (rpc_req_method(r) == POSTERN__METHOD__METHOD_OUTBOUND_WORK) {
		give_jobs(g, r);
	} else if (rpc_req_method(r) == POSTERN__METHOD__METHOD_OUTBOUND_READ) {
		give_bytes(g, r);
	} else {
		buf_reset(&g->report);
		buf_put(&g->report, rpc_req_payload(r));
		played_reply(r, E_OK, NULL);
	}
}

/* ---- jobs ---- */

static uint8_t some[2048];

static ProtobufCBinaryData bytes(size_t n)
{
	return (ProtobufCBinaryData){n, some};
}

struct sample {
	Postern__OutboundJob m;
	Postern__OutboundRecipient rcpts[LEASE_ITEMS_MAX + 1], *list[LEASE_ITEMS_MAX + 1];
	Postern__Target target, *targets[DELIVER_TARGETS_MAX + 1];
	Postern__OutboundTls tls;
	char *names[OUTBOUND_TLS_MAX + 1];
	ProtobufCBinaryData pins[OUTBOUND_TLS_MAX + 1];
	Postern__OutboundRoute route;
	char text[512];
};

static void sample(struct sample *s)
{
	postern__outbound_job__init(&s->m);
	for (size_t i = 0; i < ARRAY_LEN(s->rcpts); i++) {
		postern__outbound_recipient__init(&s->rcpts[i]);
		s->rcpts[i].address = bytes(5);
		s->list[i] = &s->rcpts[i];
	}
	postern__target__init(&s->target);
	s->target.token = bytes(10);
	for (size_t i = 0; i < ARRAY_LEN(s->targets); i++)
		s->targets[i] = &s->target;
	postern__outbound_tls__init(&s->tls);
	for (size_t i = 0; i < ARRAY_LEN(s->pins); i++) {
		s->names[i] = (char *)(uintptr_t) "mx.example.test";
		s->pins[i] = bytes(OUTBOUND_PIN_BYTES);
	}
	s->tls.names = s->names;
	s->tls.pins = s->pins;
	s->m.tls = &s->tls;
	s->m.lease = bytes(20);
	s->m.destination = (char *)(uintptr_t) "example.test";
	s->m.recipients = s->list;
	s->m.n_recipients = 2;
	s->m.trace_id = bytes(DELIVER_TRACE_BYTES);
	s->m.connections = 3;
}

WAITS static void count(struct outbound_job *j, void *arg)
{
	unsigned *n = arg;

	++*n;
	CHECK_SLICE(j->destination, SL("example.test"));
	outbound_job_free(&j);
}

/* How the stream of one such job ends, and whether it was taken. */
WAITS static enum err work(struct played_node *be, const struct sample *s, unsigned *taken_out)
{
	struct giver *g = be->arg;

	g->jobs = &s->m;
	g->njobs = 1;
	*taken_out = 0;
	return call_outbound_work(rpc_client_any(), count, taken_out);
}

static void no_recipients(struct sample *s)
{
	s->m.n_recipients = 0;
}

static void many_recipients(struct sample *s)
{
	s->m.n_recipients = LEASE_ITEMS_MAX + 1;
}

static void no_lease(struct sample *s)
{
	s->m.lease = bytes(0);
}

static void no_destination(struct sample *s)
{
	s->m.destination = (char *)(uintptr_t) "";
}

static void short_trace(struct sample *s)
{
	s->m.trace_id = bytes(DELIVER_TRACE_BYTES - 1);
}

static void too_large(struct sample *s)
{
	s->m.plain_size = (uint64_t)RECORD_PLAIN_MAX + 1;
}

static void sealed(struct sample *s)
{
	s->m.algorithm = 1 << 8;
}

static void compressed_somehow(struct sample *s)
{
	s->m.algorithm = 77;
}

static uint32_t one_block = 50;

static void blocks_missing(struct sample *s)
{
	s->m.plain_size = 100;
	s->m.stored = bytes(50);
}

static void much_behind(struct sample *s)
{
	s->m.plain_size = 100;
	s->m.follows = OUTBOUND_FOLLOW_MAX + 1;
	s->m.blocks = &one_block;
	s->m.n_blocks = 1;
}

static void twice_the_bytes(struct sample *s)
{
	much_behind(s);
	s->m.follows = 50;
	s->m.stored = bytes(50);
}

static void strange_action(struct sample *s)
{
	s->rcpts[1].action = 99;
}

static void notice_to_nobody(struct sample *s)
{
	s->m.kind = POSTERN__OUTBOUND_KIND__OUTBOUND_NOTICE;
	s->m.txid = bytes(DELIVER_TXID_BYTES);
}

static void notice_without_id(struct sample *s)
{
	s->m.kind = POSTERN__OUTBOUND_KIND__OUTBOUND_NOTICE;
	s->m.targets = s->targets;
	s->m.n_targets = 1;
}

static void many_targets(struct sample *s)
{
	s->m.targets = s->targets;
	s->m.n_targets = DELIVER_TARGETS_MAX + 1;
}

static void long_token(struct sample *s)
{
	s->m.targets = s->targets;
	s->m.n_targets = 1;
	s->target.token = bytes(DELIVER_TOKEN_MAX + 1);
}

static void unknown_demand(struct sample *s)
{
	s->tls.level = (Postern__OutboundTlsLevel)(OUTBOUND_TLS_PINNED + 1);
}

static void many_names(struct sample *s)
{
	s->tls.n_names = OUTBOUND_TLS_MAX + 1;
}

static void many_pins(struct sample *s)
{
	s->tls.n_pins = OUTBOUND_TLS_MAX + 1;
}

static void short_pin(struct sample *s)
{
	s->tls.n_pins = 2;
	s->pins[1].len--;
}

static Postern__OutboundRoute *route_of(struct sample *s)
{
	postern__outbound_route__init(&s->route);
	s->route.target = (char *)(uintptr_t) "[relay.test]:587";
	s->m.route = &s->route;
	return &s->route;
}

static void route_to_nowhere(struct sample *s)
{
	route_of(s)->target = (char *)(uintptr_t) "";
}

static void route_from_no_address(struct sample *s)
{
	route_of(s)->source4 = (char *)(uintptr_t) "x";
}

static void route_from_the_other_family(struct sample *s)
{
	route_of(s)->source6 = (char *)(uintptr_t) "192.0.2.1";
}

static void route_with_a_long_user(struct sample *s)
{
	route_of(s)->user = bytes(OUTBOUND_LOGIN_MAX + 1);
}

static void route_with_a_long_password(struct sample *s)
{
	route_of(s)->password = bytes(OUTBOUND_LOGIN_MAX + 1);
}

static void route_with_a_long_target(struct sample *s)
{
	memset(s->text, 'x', OUTBOUND_TARGET_MAX + 1);
	route_of(s)->target = s->text;
}

static void route_with_a_long_name(struct sample *s)
{
	memset(s->text, 'x', 256);
	route_of(s)->helo = s->text;
}

static void (*const spoil[])(struct sample *) = {
	route_to_nowhere,
	route_from_no_address,
	route_from_the_other_family,
	route_with_a_long_user,
	route_with_a_long_password,
	route_with_a_long_target,
	route_with_a_long_name,
	no_recipients,
	many_recipients,
	no_lease,
	no_destination,
	short_trace,
	too_large,
	sealed,
	compressed_somehow,
	blocks_missing,
	much_behind,
	twice_the_bytes,
	strange_action,
	notice_to_nobody,
	notice_without_id,
	many_targets,
	long_token,
	unknown_demand,
	many_names,
	many_pins,
	short_pin,
};

TEST_FIBER(outbound_jobs)
{
	struct giver g = {.cut = 1};
	struct played_node be = {.name = "be1", .answer = answer, .arg = &g};
	struct sample *s = xcalloc(1, sizeof *s);
	unsigned taken;
	enum err e;

	played_begin(map, 1);
	played_up(&be);
	sample(s);
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	s->m.n_recipients = LEASE_ITEMS_MAX;
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	route_of(s)->gssapi = true;
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	route_of(s)->user = bytes(OUTBOUND_LOGIN_MAX);
	s->route.password = bytes(OUTBOUND_LOGIN_MAX);
	s->route.source4 = (char *)(uintptr_t) "192.0.2.1";
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	notice_to_nobody(s);
	s->m.targets = s->targets;
	s->m.n_targets = DELIVER_TARGETS_MAX;
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	s->tls.n_names = s->tls.n_pins = OUTBOUND_TLS_MAX;
	CHECK_ERR(work(&be, s, &taken), E_CLOSED);
	CHECK_INT(taken, 1);
	for (size_t i = 0; i < ARRAY_LEN(spoil); i++) {
		sample(s);
		spoil[i](s);
		check_note("spoilt %zu", i);
		/* Of a frame that is none the stream ends: nobody knows what is behind it. */
		e = work(&be, s, &taken);
		CHECK(e == E_CLOSED || e == E_CORRUPT);
		CHECK_INT(taken, 0);
	}
	xfree(&s);
	played_down(&be);
	played_end();
}

TEST(outbound_policies_compare)
{
	static const char *const names[] = {"a.test", "b.test"}, *const others[] = {"a.test", "c"};
	static const uint8_t pins[2][OUTBOUND_PIN_BYTES] = {{1}, {2}};
	const struct outbound_tls a = {.level = OUTBOUND_TLS_VERIFY,
				       .names = names,
				       .nnames = 2,
				       .pins = pins,
				       .npins = 1};
	struct outbound_tls b;
	struct arena mem;

	arena_init(&mem, NULL);
	b = outbound_tls_copy(&a, &mem);
	CHECK(b.names != a.names && b.pins != a.pins && outbound_tls_same(&a, &b));
	b.level = OUTBOUND_TLS_MAY;
	CHECK(!outbound_tls_same(&a, &b));
	b = a;
	b.nnames = 1;
	CHECK(!outbound_tls_same(&a, &b));
	b = a;
	b.names = others;
	CHECK(!outbound_tls_same(&a, &b));
	b = a;
	b.pins = &pins[1];
	CHECK(!outbound_tls_same(&a, &b));
	arena_reset(&mem);
}

/* ---- messages ---- */

static enum err keep(void *arg, slice_t stored)
{
	buf_put(arg, stored);
	return E_OK;
}

/* A record of n bytes: its blocks to g, its facts to j. */
WAITS static void make_record(struct giver *g, struct outbound_job *j, slice_t plain)
{
	static const unsigned char id[RECORD_ID_SIZE] = {1};
	struct record_write w;
	struct record_info info;
	struct buf whole;
	uint64_t stored = 0;

	buf_init(&whole, 1 << 20, NULL);
	record_write_init(&w, id, RECORD_COMP_ZSTD, RECORD_PLAIN_MAX, NULL, keep, &whole);
	CHECK_ERR(record_write_feed(&w, plain), E_OK);
	CHECK_ERR(record_write_finish(&w, &info), E_OK);
	REQUIRE(info.nblocks <= ARRAY_LEN(g->blocks));
	for (size_t i = 0; i < info.nblocks; i++) {
		g->blocks[i] = info.table[i];
		stored += record_entry_len(info.table[i]);
	}
	g->nblocks = info.nblocks;
	buf_reset(&g->stored);
	buf_put(&g->stored, slice_sub(buf_slice(&whole), RECORD_HEADER_SIZE, stored));
	j->plain_size = info.plain_size;
	j->stored_size = info.stored_size;
	j->compression = RECORD_COMP_ZSTD;
	record_write_fini(&w);
	buf_fini(&whole);
}

WAITS static enum err read_all(const struct outbound_job *j, struct buf *out)
{
	struct outbound_body b;
	slice_t piece;
	enum err e;

	buf_reset(out);
	outbound_body_init(&b, j);
	while ((e = outbound_body_read(&b, &piece)) == E_OK)
		buf_put(out, piece);
	outbound_body_fini(&b);
	return e;
}

/* Two jobs of a stream that then ends, or whose link breaks. */
struct kept {
	struct played_node *be;
	struct outbound_job *jobs[2];
	size_t n;
	bool breaks;
};

WAITS static void keep_job(struct outbound_job *j, void *arg)
{
	struct kept *k = arg;
	struct giver *g = k->be->arg;

	CHECK(!outbound_job_is_lost(j));
	CHECK(!outbound_job_is_late(j));
	j->came_ms -= OUTBOUND_BEGIN_MS + 1;
	CHECK(!outbound_job_is_lost(j));
	CHECK(outbound_job_is_late(j));
	j->came_ms += OUTBOUND_BEGIN_MS + 1;
	k->jobs[k->n++] = j;
	if (k->n != ARRAY_LEN(k->jobs))
		return;
	if (k->breaks)
		played_down(k->be);
	else
		event_set(g->end);
	/* Known while somebody waits for room here, too. */
	for (int64_t until = deadline_in(WIRE_MS);
	     !outbound_job_is_lost(j) && clock_mono_ms() < until;)
		fiber_yield();
	CHECK(outbound_job_is_lost(k->jobs[0]));
	CHECK(outbound_job_is_late(k->jobs[0]));
}

TEST_FIBER(outbound_jobs_of_a_lost_stream)
{
	struct event over;
	struct giver g = {.njobs = 2, .end = &over};
	struct played_node be = {.name = "be1", .answer = answer, .arg = &g};
	struct sample *s = xcalloc(1, sizeof *s);
	Postern__OutboundJob jobs[2];

	played_begin(map, 1);
	sample(s);
	jobs[0] = jobs[1] = s->m;
	g.jobs = jobs;
	for (int breaks = 0; breaks < 2; breaks++) {
		struct kept k = {.be = &be, .breaks = breaks == 1};

		check_note("breaks: %d", breaks);
		event_init(&over);
		if (be.ask == NULL)
			played_up(&be);
		CHECK_ERR(call_outbound_work(rpc_client_any(), keep_job, &k),
			  k.breaks ? E_RETRY : E_CLOSED);
		CHECK_INT(k.n, 2);
		for (size_t i = 0; i < k.n; i++) {
			CHECK(outbound_job_is_lost(k.jobs[i]));
			outbound_job_free(&k.jobs[i]);
		}
	}
	xfree(&s);
	played_down(&be);
	played_end();
}

TEST_FIBER(outbound_message)
{
	struct giver g = {.cut = 1000};
	struct played_node be = {.name = "be1", .answer = answer, .arg = &g};
	struct outbound_job j = {
		.prefix = SL("Received: x\r\n"), .lease = SL("lease"), .came_ms = clock_mono_ms()};
	struct buf plain, got;

	played_begin(map, 1);
	played_up(&be);
	buf_init(&g.stored, 1 << 20, NULL);
	buf_init(&plain, 1 << 20, NULL);
	buf_init(&got, 1 << 20, NULL);
	for (unsigned i = 0; plain.n < 150000; i++)
		buf_printf(&plain, "line %u\r\n", i * 2654435761u);
	make_record(&g, &j, buf_slice(&plain));
	/* Asked for, in pieces. */
	CHECK_ERR(read_all(&j, &got), E_CLOSED);
	CHECK_SLICE(slice_sub(buf_slice(&got), 0, 13), SL("Received: x\r\n"));
	CHECK_SLICE(slice_from(buf_slice(&got), 13), buf_slice(&plain));
	/* No longer than the lease allows. */
	j.came_ms -= OUTBOUND_READ_MS;
	CHECK_ERR(read_all(&j, &got), E_TIMEOUT);
	j.came_ms = clock_mono_ms();
	/* Along with the job. */
	j.stored = buf_slice(&g.stored);
	j.blocks = g.blocks;
	j.nblocks = (uint32_t)g.nblocks;
	CHECK_ERR(read_all(&j, &got), E_CLOSED);
	CHECK_SLICE(slice_from(buf_slice(&got), 13), buf_slice(&plain));
	/* A block that is cut short, a table of another message: nothing is taken for the whole. */
	j.stored.n--;
	CHECK_ERR(read_all(&j, &got), E_CORRUPT);
	j.stored = SLICE_NONE;
	g.stored.n--;
	CHECK_ERR(read_all(&j, &got), E_CORRUPT);
	g.nblocks--;
	CHECK_ERR(read_all(&j, &got), E_CORRUPT);
	/* No bytes at all but the prefix. */
	j.plain_size = 0;
	CHECK_ERR(read_all(&j, &got), E_CLOSED);
	CHECK_INT(got.n, 13);
	buf_fini(&g.stored);
	buf_fini(&plain);
	buf_fini(&got);
	played_down(&be);
	played_end();
}

struct behind {
	struct buf plain;
	unsigned n;
};

WAITS static void read_job(struct outbound_job *j, void *arg)
{
	struct behind *b = arg;
	struct buf got;

	buf_init(&got, 1 << 20, NULL);
	CHECK_ERR(read_all(j, &got), E_CLOSED);
	CHECK_SLICE(buf_slice(&got), buf_slice(&b->plain));
	buf_fini(&got);
	b->n++;
	outbound_job_free(&j);
}

/* The stored bytes come in frames of their own behind each job: all of them, and no more. */
TEST_FIBER(outbound_bytes_behind_jobs)
{
	struct giver g = {.cut = 999, .behind = true};
	struct played_node be = {.name = "be1", .answer = answer, .arg = &g};
	struct sample *s = xcalloc(1, sizeof *s);
	struct outbound_job facts = {.came_ms = 0};
	Postern__OutboundJob jobs[2];
	Postern__Target *many[100];
	struct behind b = {.n = 0};

	played_begin(map, 1);
	played_up(&be);
	buf_init(&g.stored, 1 << 20, NULL);
	buf_init(&b.plain, 1 << 20, NULL);
	for (unsigned i = 0; b.plain.n < 150000; i++)
		buf_printf(&b.plain, "line %u\r\n", i * 2654435761u);
	make_record(&g, &facts, buf_slice(&b.plain));
	sample(s);
	s->m.plain_size = facts.plain_size;
	s->m.stored_size = facts.stored_size;
	s->m.algorithm = RECORD_COMP_ZSTD;
	s->m.blocks = g.blocks;
	s->m.n_blocks = g.nblocks;
	s->m.follows = (uint32_t)g.stored.n;
	jobs[0] = jobs[1] = s->m;
	g.jobs = jobs;
	g.njobs = 2;
	CHECK_ERR(call_outbound_work(rpc_client_any(), read_job, &b), E_CLOSED);
	CHECK_INT(b.n, 2);
	/* One byte too many in the last frame; then the stream ends too soon. */
	jobs[0].follows--;
	CHECK_ERR(call_outbound_work(rpc_client_any(), read_job, &b), E_CORRUPT);
	jobs[0].follows += 2;
	g.njobs = 1;
	CHECK_ERR(call_outbound_work(rpc_client_any(), read_job, &b), E_CLOSED);
	CHECK_INT(b.n, 2);
	/* What is behind a job that cannot be is read over; behind a frame that is none nobody
	 * knows where the next job is. */
	jobs[0].follows = jobs[1].follows;
	jobs[0].n_recipients = 0;
	g.njobs = 2;
	CHECK_ERR(call_outbound_work(rpc_client_any(), read_job, &b), E_CLOSED);
	CHECK_INT(b.n, 3);
	jobs[0].n_recipients = 2;
	jobs[0].n_targets = 100;
	jobs[0].targets = many;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = &s->target;
	CHECK_ERR(call_outbound_work(rpc_client_any(), read_job, &b), E_CORRUPT);
	CHECK_INT(b.n, 3);
	buf_fini(&g.stored);
	buf_fini(&b.plain);
	xfree(&s);
	played_down(&be);
	played_end();
}

/* ---- reports ---- */

TEST_FIBER(outbound_report)
{
	static const struct outbound_rcpt_result results[] = {{250, SL("2.0.0"), SL("250 ok")},
							      {550, SL("5.1.1"), SL("550 no")}};
	struct outbound_report v[OUTBOUND_RESULTS_MAX] = {
		{.lease = SL("one"),
		 .results = results,
		 .n = 2,
		 .remote = SL("mx [192.0.2.1]"),
		 .tls = SL("TLSv1.3"),
		 .ms = 7,
		 .no_dsn = true},
		{.lease = SL("two"), .end = OUTBOUND_UNTRIED, .crowded = true, .turn = 3}};
	struct giver g = {.cut = 1};
	struct played_node be = {.name = "be1", .answer = answer, .arg = &g};
	Postern__OutboundReport *m;
	struct diag d = {""};

	buf_init(&g.report, RPC_PAYLOAD_MAX, NULL);
	played_begin(map, 1);
	CHECK_ERR(call_outbound_report(0, v, 2, &d), E_RETRY); /* nobody is there */
	played_up(&be);
	CHECK_ERR(call_outbound_report(0, v, ARRAY_LEN(v), &d), E_OK);
	CHECK_ERR(call_outbound_report(0, v, 2, &d), E_OK);
	m = postern__outbound_report__unpack(NULL, g.report.n, (const uint8_t *)g.report.p);
	REQUIRE(m != NULL && m->n_results == 2);
	CHECK_INT(m->results[0]->outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_TRIED);
	CHECK_INT(m->results[0]->n_results, 2);
	CHECK_STR(m->results[0]->results[1]->status, "5.1.1");
	CHECK_STR(m->results[0]->remote, "mx [192.0.2.1]");
	CHECK(m->results[0]->no_dsn && !m->results[0]->crowded);
	CHECK_INT(m->results[1]->outcome, POSTERN__OUTBOUND_OUTCOME__OUTBOUND_UNTRIED);
	CHECK(m->results[1]->crowded);
	CHECK(m->results[0]->turn == 0 && m->results[1]->turn == 3);
	postern__outbound_report__free_unpacked(m, NULL);
	buf_fini(&g.report);
	played_down(&be);
	played_end();
}
