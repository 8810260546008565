#include "tests/unit/frontend/smtp/smtp_lib.h"

#include "common/loop/fiber.h"
#include "frontend/core/iplimit.h"
#include "frontend/record/record_read.h"
#include "frontend/rpc/call_auth.h"
#include "frontend/rpc/call_ticket.h"

struct played played;

static struct buf logged;
static struct tls_ctx *server_tls, *client_tls;
static const char *const *wanted_policy;

static struct endpoint endpoints[] = {
	[PORT_25] = {.name = "smtp", .service = SERVICE_SMTP},
	[PORT_LMTP] = {.name = "lmtp", .service = SERVICE_SMTP, .lmtp = true},
	[PORT_ODMR] = {.name = "odmr", .service = SERVICE_SUBMISSION, .odmr = true},
	[PORT_587] = {.name = "submission", .service = SERVICE_SUBMISSION},
	[PORT_465] = {.name = "submissions", .service = SERVICE_SUBMISSION, .implicit_tls = true},
};

/* ---- the played back-end ---- */

WAITS enum err call_resolve(struct session *s UNUSED, const struct resolve_query *q,
			    struct arena *a, struct deliver_target out[DELIVER_TARGETS_MAX],
			    size_t *n_out, struct diag *d)
{
	static const struct {
		const char *address;
		enum err e;
		uint32_t partition;
	} users[] = {
		{"alice@example.org", E_OK, 0},      {"bob@example.org", E_OK, 0},
		{"carol@example.org", E_OK, 1},      {"dave@example.org", E_OK, 2},
		{"postmaster@example.org", E_OK, 0}, {"postmaster", E_OK, 0},
		{"full@example.org", E_QUOTA, 0},    {"slow@example.org", E_RETRY, 0},
		{"many@example.org", E_TOO_BIG, 0},
	};

	fiber_yield();
	played.resolved++;
	played.relay = q->relay;
	played.relay_server = q->relay_server != NULL && strcmp(q->relay_server, "a") == 0;
	if (q->sent_out != NULL) {
		*q->sent_out = (struct deliver_target){.token = SLICE_NONE};
		if (!played.no_sent)
			*q->sent_out = (struct deliver_target){SL("copy"), SL("be1"), 0, false};
		played.asked_sent++;
	}
	d->text[0] = '\0';
	*n_out = 0;
	if (played.away)
		return E_RETRY;
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		if (!slice_eq(q->address, slice_str(users[i].address)))
			continue;
		out[0] = (struct deliver_target){
			.token = arena_dup(a, q->address),
			.backend = SL("be1"),
			.partition = users[i].partition,
		};
		*n_out = users[i].e == E_OK;
		return users[i].e;
	}
	if (slice_eq(q->address, SL("friend@outside.example")) && q->relay) {
		out[0] = (struct deliver_target){arena_dup(a, q->address), SL("be1"), 0, true};
		*n_out = 1;
		return E_OK;
	}
	if (slice_ends(q->address, SL("@example.org")))
		return E_NOT_FOUND;
	if (slice_eq(q->address, SL("group@example.net"))) {
		for (uint32_t i = 0; i < 3; i++)
			out[i] = (struct deliver_target){arena_dup(a, q->address), SL("be1"), i,
							 false};
		*n_out = 3;
		return E_OK;
	}
	if (slice_eq(q->address, SL("held@outside.example")))
		return diag_set(d, E_RATE, "mail to other systems is held");
	if (slice_ends(q->address, SL("@outside.example")) ||
	    slice_ends(q->address, SL("@[192.0.2.1]"))) {
		(void)diag_set(d, E_RETRY, "no outbound");
		return E_RETRY;
	}
	return E_DENIED;
}

WAITS enum err call_ask(const struct session *s UNUSED, enum call_ask_what what, const char *node,
			struct call_asked *out)
{
	fiber_yield();
	played.what = what;
	*out = played.asked;
	CHECK(slice_to_str(slice_str(node), played.node, sizeof played.node));
	return played.ask;
}

WAITS enum err call_sender_check(const struct ticket *t, slice_t address, struct sender_answer *out,
				 struct diag *d)
{
	fiber_yield();
	*out = (struct sender_answer){.right = SENDER_MAIN, .keys = played.keys};
	for (unsigned i = 0; i < played.sender_turns; i++)
		fiber_yield();
	played.sender_checks++;
	if (played.away)
		return E_RETRY;
	if (t != NULL && played.over != NULL)
		return diag_set(d, E_RATE, "%s", played.over);
	if (t != NULL && slice_eq(address, SL("boss@example.org")) && played.boss != 0) {
		out->right = played.boss;
		return E_OK;
	}
	if (t != NULL)
		return slice_eq(address, SL("alice@example.org")) ? E_OK : E_DENIED;
	return slice_ends(address, SL("@example.org")) ? E_DENIED : E_OK;
}

void deliver_meta_pack(struct deliver_meta *m, const struct mime_summary *s, struct arena *a UNUSED)
{
	m->summary = m;
	played.searched = s->text.n != 0;
	CHECK(s->nparts >= 1);
	CHECK(slice_to_str(slice_sub(s->envelope, 0, sizeof played.envelope - 1), played.envelope,
			   sizeof played.envelope));
}

void deliver_begin(struct deliver *d, const struct deliver_meta *m UNUSED, uint64_t size UNUSED,
		   int64_t deadline_ms UNUSED)
{
	struct played_owner *o = &played.owner[d->group.partition];

	d->err = played.begin[d->group.partition];
	o->begun++;
	buf_reset(&o->stored);
}

WAITS void deliver_send(struct deliver *d, slice_t stored)
{
	struct played_owner *o = &played.owner[d->group.partition];

	if (d->err != E_OK)
		return;
	buf_put(&o->stored, stored);
	fiber_yield();
	if (played.stored_max != 0 && o->stored.n > played.stored_max)
		d->err = E_TOO_BIG;
}

void deliver_send_end(struct deliver *d)
{
	if (d->err == E_OK)
		d->staged = true;
}

static void open_blocks(slice_t stored, const struct record_trailer *t)
{
	uint32_t table[64];
	size_t tail = RECORD_TRAILER_SIZE + t->nblocks * RECORD_ENTRY_SIZE;
	slice_t rest = slice_sub(stored, RECORD_HEADER_SIZE, stored.n - tail - RECORD_HEADER_SIZE);
	struct record_read r;
	slice_t plain;
	enum err e;

	REQUIRE(t->nblocks <= ARRAY_LEN(table));
	REQUIRE(record_table_decode(slice_sub(stored, stored.n - tail, tail - RECORD_TRAILER_SIZE),
				    table, t->nblocks) == E_OK);
	REQUIRE(record_read_init(&r, table, t->nblocks, t->plain_size, t->stored_size,
				 played.compression, 0, t->nblocks - 1, NULL) == E_OK);
	while (record_read_next(&r, &rest, &plain, &e) == P_OK)
		buf_put(&played.plain, plain);
	CHECK(record_read_done(&r));
	record_read_fini(&r);
}

/* Opens the record again: what was stored is what was sent. */
static void open_record(slice_t stored)
{
	struct record_trailer t;
	struct record_check c;

	buf_reset(&played.plain);
	record_check_init(&c);
	CHECK_ERR(record_check_feed(&c, stored), E_OK);
	REQUIRE(record_check_end(&c, &t) == E_OK);
	played.messages++;
	played.compression = c.header.compression;
	if (t.nblocks > 0)
		open_blocks(stored, &t);
}

WAITS enum err deliver_commit(struct deliver *d, const struct deliver_meta *m,
			      const struct deliver_group *others UNUSED, size_t nothers,
			      enum err *results)
{
	struct played_owner *o = &played.owner[d->group.partition];

	fiber_yield();
	if (d->err != E_OK)
		return d->err;
	if (played.commit[d->group.partition] == E_RATE && played.over != NULL)
		(void)diag_set(&d->words, E_RATE, "%s", played.over);
	if (played.commit[d->group.partition] != E_OK)
		return d->err = played.commit[d->group.partition];
	o->committed++;
	o->recipients = d->group.n;
	o->told = 0;
	for (size_t i = 0; i < d->group.n; i++)
		o->told += d->group.rcpts[i].told;
	o->others = nothers;
	o->follows = d->follows;
	o->sent += slice_eq(d->group.sent, SL("copy"));
	for (size_t i = 0; i < d->group.n; i++)
		results[i] = i < 2 && played.each[d->group.partition][i] != E_OK
				     ? played.each[d->group.partition][i]
				     : played.result[d->group.partition];
	CHECK(slice_to_str(m->prefix, played.prefix, sizeof played.prefix));
	CHECK(slice_to_str(m->sender, played.sender, sizeof played.sender));
	CHECK(slice_to_str(m->envid, played.envid, sizeof played.envid));
	CHECK(d->group.n != 0 || (d->group.sent.n != 0 && nothers != 0));
	if (d->group.n != 0) {
		CHECK(slice_to_str(d->group.rcpts[0].orcpt, played.orcpt, sizeof played.orcpt));
		played.notify = d->group.rcpts[0].notify;
	}
	CHECK(slice_to_str(m->author, played.author, sizeof played.author));
	CHECK(slice_to_str(slice_str(m->server), played.server, sizeof played.server));
	played.nsigs = m->nsigs;
	for (size_t i = 0; i < m->nsigs; i++) {
		CHECK(m->sigs[i].algorithm == played.keys.v[i].algorithm);
		CHECK(slice_to_str(m->sigs[i].field, played.sigs[i], sizeof played.sigs[i]));
		memcpy(played.digests[i], m->sigs[i].digest, SHA256_LEN);
	}
	played.ret = m->ret;
	played.release_us = m->release_us;
	played.by = m->by;
	played.content = m->content;
	played.priority = m->priority;
	played.by_us = m->by_us;
	open_record(buf_slice(&o->stored));
	d->staged = false;
	return E_OK;
}

WAITS void deliver_settle(const struct deliver *lead UNUSED, const struct deliver_meta *m UNUSED,
			  const struct deliver_group *taken)
{
	played.owner[taken->partition].settled++;
	played.owner[taken->partition].settled_rcpts += taken->n;
}

WAITS void deliver_end(struct deliver *d, const struct deliver_meta *m UNUSED)
{
	if (d->staged)
		played.owner[d->group.partition].aborted++;
	d->staged = false;
}

WAITS enum err ticket_refresh(struct ticket *t UNUSED)
{
	return E_OK;
}

WAITS void ticket_end(const struct ticket *t UNUSED, const char *reason UNUSED, uint64_t in UNUSED,
		      uint64_t out UNUSED)
{
}

static WAITS enum err ask_start(void *arg UNUSED, const char *mech, slice_t initial,
				struct sasl_answer *a)
{
	if (played.away)
		return E_RETRY;
	if (strcmp(mech, "PLAIN") != 0 || !slice_eq(initial, SL("\0alice\0secret")))
		return E_DENIED;
	a->ticket = ticket_new(SL("sealed"), 900, 0, SL("alice@example.org"));
	return E_OK;
}

static WAITS enum err ask_step(void *arg UNUSED, slice_t response UNUSED,
			       struct sasl_answer *a UNUSED)
{
	return E_INVALID;
}

WAITS enum err call_auth_sasl(struct session *s, const struct sasl_mech *m, const slice_t *initial,
			      const struct sasl_io *io)
{
	struct sasl_ask ask = {.start = ask_start, .step = ask_step};
	struct ticket *t;
	enum err e = sasl_run(m, initial, io, &ask, &s->budget, &t);

	if (e == E_OK)
		session_logged_in(s, &t, m->name, ticket_end);
	return e;
}

/* ---- the session ---- */

static void keep_log(slice_t line, void *arg UNUSED)
{
	buf_put(&logged, line);
	buf_putc(&logged, '\n');
}

bool smtp_logged(const char *what)
{
	return slice_find(buf_slice(&logged), slice_str(what)) < logged.n;
}

void smtp_policy(const char *const *pairs)
{
	wanted_policy = pairs;
}

static void put_policy(void)
{
	policy_init("mx.example.org");
	policy_begin();
	CHECK_ERR(policy_set(SL("default_domain"), SL("example.org")), E_OK);
	for (; wanted_policy != NULL && *wanted_policy != NULL; wanted_policy++) {
		slice_t pair = slice_str(*wanted_policy);
		size_t eq = slice_find_char(pair, '=');

		CHECK_ERR(policy_set(slice_sub(pair, 0, eq), slice_from(pair, eq + 1)), E_OK);
	}
	wanted_policy = NULL;
	policy_apply();
}

static void back_end_new(void)
{
	memset(&played, 0, sizeof played);
	for (size_t i = 0; i < PLAYED_OWNERS; i++)
		buf_init(&played.owner[i].stored, PLAYED_MAX, NULL);
	buf_init(&played.plain, PLAYED_MAX, NULL);
	buf_init(&logged, PLAYED_MAX, NULL);
	log_redirect(keep_log, NULL);
}

WAITS void mx_open(struct wire *w, enum smtp_port port)
{
	put_policy();
	back_end_new();
	iplimit_forget();
	if (server_tls == NULL) {
		server_tls = wire_server_tls();
		client_tls = wire_client_tls();
	}
	session_tls_set(server_tls);
	wire_open(w, NULL);
	session_accept(endpoints[port].service == SERVICE_SMTP ? &smtp_protocol
							       : &submission_protocol,
		       &endpoints[port], w->server);
	w->server = NULL;
	if (port == PORT_465)
		CHECK_ERR(stream_tls_client(w->client, client_tls, NULL, deadline_in(WIRE_MS)),
			  E_OK);
}

WAITS void mx_close(struct wire *w)
{
	wire_close(w);
	while (session_count() > 0)
		fiber_yield();
	log_redirect(NULL, NULL);
	for (size_t i = 0; i < PLAYED_OWNERS; i++)
		buf_fini(&played.owner[i].stored);
	buf_fini(&played.plain);
	buf_fini(&logged);
	iplimit_forget();
}

WAITS bool smtp_ask(struct wire *w, const char *line, const char *want)
{
	struct buf b;
	enum err e;

	if (line != NULL) {
		buf_init(&b, 1 << 20, NULL);
		buf_puts(&b, line);
		buf_puts(&b, "\r\n");
		wire_send(w, buf_slice(&b));
		buf_fini(&b);
	}
	e = wire_reply(w);
	if (e != E_OK || !slice_starts(slice_str(w->line), slice_str(want))) {
		check_note("asked %s", line);
		check_note("got %s %s", err_name(e), w->line);
		return false;
	}
	return true;
}

WAITS void smtp_tls(struct wire *w)
{
	ASK(w, "STARTTLS", "220 2.0.0");
	CHECK_ERR(stream_tls_client(w->client, client_tls, NULL, deadline_in(WIRE_MS)), E_OK);
}

WAITS void smtp_login(struct wire *w)
{
	if (!stream_is_tls(w->client)) {
		ASK(w, "EHLO c.example", "250 ");
		smtp_tls(w);
	}
	ASK(w, "EHLO c.example", "250 ");
	ASK(w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 2.7.0");
}

static void find_session(struct session *s, void *arg)
{
	*(struct smtp **)arg = smtp_of(s);
}

struct smtp *smtp_session(void)
{
	struct smtp *s = NULL;

	session_each(find_session, &s);
	return s;
}
