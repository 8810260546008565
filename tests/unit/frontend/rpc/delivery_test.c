#include "frontend/rpc/call_delivery.h"

#include "common/loop/fiber.h"
#include "proto/delivery.pb-c.h"
#include "proto/method.pb-c.h"
#include "proto/types.pb-c.h"
#include "tests/unit/frontend/rpc/played.h"

static const char *const map[] = {"be1", "be2"};

/* What the played owner does with a message, and what it saw. */
struct owner {
	struct buf stored;
	enum err begin; /* its answer, before the body is read when not E_OK */
	enum err commit;
	unsigned commits_lost; /* the link breaks before so many answers */
	unsigned commits, settled_tokens, aborts;
	bool staged, leads;
	uint8_t txid[DELIVER_TXID_BYTES];
	size_t recipients, others, text, sigs;
	size_t status; /* of each recipient */
};

static WAITS void on_begin(struct owner *o, struct rpc_req *r)
{
	ProtobufCMessage *p = played_message(r, &postern__deliver_begin__descriptor);
	const Postern__DeliverBegin *m = (const void *)p;

	CHECK_INT(m->txid.len, DELIVER_TXID_BYTES);
	memcpy(o->txid, m->txid.data, sizeof o->txid);
	CHECK(m->token.len > 0);
	protobuf_c_message_free_unpacked(p, NULL);
	if (o->begin != E_OK) {
		played_reply(r, o->begin, NULL);
		return;
	}
	buf_reset(&o->stored);
	if (played_body(r, &o->stored) != E_CLOSED)
		return;
	o->staged = true;
	played_reply(r, E_OK, NULL);
}

static WAITS void on_commit(struct played_node *n, struct owner *o, struct rpc_req *r)
{
	ProtobufCMessage *p = played_message(r, &postern__deliver_commit__descriptor);
	const Postern__DeliverCommit *m = (const void *)p;
	Postern__DeliverReply reply = POSTERN__DELIVER_REPLY__INIT;
	Postern__RecipientResult rows[64], *list[64];

	for (int i = 0; i < 100 && !o->staged && o->begin == E_OK; i++)
		fiber_yield();
	o->commits++;
	o->recipients = m->n_recipients;
	o->others = m->n_others;
	o->leads = m->leads;
	o->text = m->text.len;
	o->sigs = m->n_signatures;
	for (size_t i = 0; i < o->sigs; i++) {
		CHECK(strcmp(m->signatures[i]->selector, i == 0 ? "r1" : "e1") == 0);
		CHECK_INT(m->signatures[i]->algorithm, i + 1);
		CHECK_SLICE(slice(m->signatures[i]->field.data, m->signatures[i]->field.len),
			    SL("DKIM-Signature: b="));
		CHECK_INT(m->signatures[i]->digest.len, SHA256_LEN);
		CHECK_INT(m->signatures[i]->digest.data[0], i + 7);
		CHECK_SLICE(slice(m->author.data, m->author.len), SL("alice@example.org"));
	}
	CHECK(m->txid.len == sizeof o->txid && memcmp(m->txid.data, o->txid, sizeof o->txid) == 0);
	protobuf_c_message_free_unpacked(p, NULL);
	if (o->commits_lost > 0) {
		o->commits_lost--;
		rpc_link_close(n->serve, CLOSE_IO);
		return;
	}
	if (o->commit != E_OK || o->begin != E_OK) {
		played_reply(r, o->begin != E_OK ? E_NOT_FOUND : o->commit, NULL);
		return;
	}
	for (size_t i = 0; i < MIN(o->recipients, ARRAY_LEN(rows)); i++) {
		postern__recipient_result__init(&rows[i]);
		rows[i].status = (uint32_t)o->status;
		list[i] = &rows[i];
	}
	reply.results = list;
	reply.n_results = MIN(o->recipients, ARRAY_LEN(rows));
	played_reply(r, E_OK, &reply.base);
}

static WAITS void on_resolve(struct played_node *n, struct rpc_req *r)
{
	ProtobufCMessage *p = played_message(r, &postern__resolve__descriptor);
	slice_t address =
		slice(((Postern__Resolve *)p)->address.data, ((Postern__Resolve *)p)->address.len);
	Postern__ResolveReply reply = POSTERN__RESOLVE_REPLY__INIT;
	Postern__Failure failure = POSTERN__FAILURE__INIT;
	Postern__WrongOwner wrong = POSTERN__WRONG_OWNER__INIT;
	Postern__Target row = POSTERN__TARGET__INIT, *list[] = {&row, &row, &row, &row, &row};
	char be2[] = "be2", words[] = "not so";
	bool first = strcmp(n->name, "be1") == 0;

	row.backend = be2;
	row.partition = 1;
	row.token = (ProtobufCBinaryData){address.n, (uint8_t *)(uintptr_t)address.p};
	wrong.backend = be2;
	failure.text = words;
	reply.targets = list;
	reply.n_targets = slice_starts(address, SL("many"))   ? 5
			  : slice_starts(address, SL("none")) ? 0
							      : 1;
	if (slice_starts(address, SL("nobody")))
		played_reply(r, E_NOT_FOUND, &failure.base);
	else if (slice_starts(address, SL("moved")) && first)
		played_reply(r, E_WRONG_OWNER, &wrong.base);
	else if (slice_starts(address, SL("lost")))
		played_reply(r, E_WRONG_OWNER, &wrong.base);
	else
		played_reply(r, E_OK, &reply.base);
	protobuf_c_message_free_unpacked(p, NULL);
}

/* To "keys@...": more keys than are used, some that this release does not know. */
static WAITS void on_sender_check(struct rpc_req *r)
{
	static const struct {
		uint32_t algorithm;
		const char *selector;
	} keys[] = {{3, "later"}, {1, "r1"}, {2, "Not A Label"}, {2, "e1"},
		    {1, "r2"},    {2, "e2"}, {1, "r3"}};
	ProtobufCMessage *p = played_message(r, &postern__sender_check__descriptor);
	const Postern__SenderCheck *m = (const void *)p;
	Postern__SenderCheckReply reply = POSTERN__SENDER_CHECK_REPLY__INIT;
	Postern__SigningKey rows[ARRAY_LEN(keys)], *list[ARRAY_LEN(keys)];

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		postern__signing_key__init(&rows[i]);
		rows[i].algorithm = keys[i].algorithm;
		rows[i].selector = (char *)(uintptr_t)keys[i].selector;
		list[i] = &rows[i];
	}
	reply.keys = list;
	reply.n_keys = ARRAY_LEN(keys);
	reply.domain = (char *)(uintptr_t)(slice_ends(slice(m->address.data, m->address.len),
						      SL("@keys.mx.example.org"))
						   ? "MX.example.org"
						   : "no domain");
	if (slice_starts(slice(m->address.data, m->address.len), SL("keys@behalf.")))
		reply.right = POSTERN__SENDER_RIGHT__SENDER_RIGHT_ON_BEHALF;
	if (slice_starts(slice(m->address.data, m->address.len), SL("keys@later.")))
		reply.right = (Postern__SenderRight)9;
	if (slice_starts(slice(m->address.data, m->address.len), SL("keys@")))
		played_reply(r, E_OK, &reply.base);
	else if (slice_starts(slice(m->address.data, m->address.len), SL("before@")))
		played_reply(r, E_OK, NULL);
	else
		played_reply(r, E_DENIED, NULL);
	protobuf_c_message_free_unpacked(p, NULL);
}

static WAITS void answer(struct played_node *n, struct rpc_req *r)
{
	struct owner *o = n->arg;
	ProtobufCMessage *p;

	switch (rpc_req_method(r)) {
	case POSTERN__METHOD__METHOD_RESOLVE:
		on_resolve(n, r);
		break;
	case POSTERN__METHOD__METHOD_SENDER_CHECK:
		on_sender_check(r);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_BEGIN:
		on_begin(o, r);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_COMMIT:
		on_commit(n, o, r);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_ABORT:
		o->aborts++;
		played_reply(r, E_OK, NULL);
		break;
	case POSTERN__METHOD__METHOD_DELIVER_SETTLE:
		p = played_message(r, &postern__deliver_settle__descriptor);
		o->settled_tokens += (unsigned)((Postern__DeliverSettle *)p)->n_tokens;
		protobuf_c_message_free_unpacked(p, NULL);
		played_reply(r, E_OK, NULL);
		break;
	default:
		CHECK(false);
	}
}

static struct owner owners[2];
static struct played_node nodes[2];

static WAITS void begin(void)
{
	played_begin(map, 2);
	for (int i = 0; i < 2; i++) {
		owners[i] = (struct owner){.begin = E_OK};
		buf_init(&owners[i].stored, 1 << 20, NULL);
		nodes[i] =
			(struct played_node){.name = map[i], .answer = answer, .arg = &owners[i]};
		played_up(&nodes[i]);
	}
}

static WAITS void end(void)
{
	for (int i = 0; i < 2; i++) {
		played_down(&nodes[i]);
		buf_fini(&owners[i].stored);
	}
	played_end();
}

/* ---- questions ---- */

static WAITS void resolve_cases(struct session *s)
{
	static const struct {
		const char *address;
		enum err e;
		const char *text;
	} cases[] = {
		{"alice@example.org", E_OK, ""},     {"nobody@example.org", E_NOT_FOUND, "not so"},
		{"moved@example.org", E_OK, ""},     {"lost@example.org", E_RETRY, ""},
		{"many@example.org", E_RETRY, NULL}, {"none@example.org", E_RETRY, NULL},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) { /* either node is asked first */
		struct resolve_query q = {.address = slice_str(cases[i / 2].address),
					  .relay = true};
		struct deliver_target targets[DELIVER_TARGETS_MAX];
		struct diag d = {""};
		struct arena a;
		size_t n;

		check_note("case %s", cases[i / 2].address);
		arena_init(&a, NULL);
		CHECK_ERR(call_resolve(s, &q, &a, targets, &n, &d), cases[i / 2].e);
		CHECK_INT(n, cases[i / 2].e == E_OK);
		if (n == 1) {
			CHECK_SLICE(targets[0].token, q.address);
			CHECK_SLICE(targets[0].backend, SL("be2"));
			CHECK_INT(targets[0].partition, 1);
		}
		if (cases[i / 2].text != NULL)
			CHECK_STR(d.text, cases[i / 2].text);
		arena_reset(&a);
	}
}

TEST_FIBER(resolve)
{
	struct session s = {.started_ms = 0};
	struct sender_answer got;
	struct wire w;
	struct diag d;

	begin();
	wire_open(&w, NULL);
	s.stream = w.server;
	resolve_cases(&s);
	CHECK_ERR(call_sender_check(NULL, SL("a@example.org"), &got, &d), E_DENIED);
	end();
	CHECK_ERR(call_sender_check(NULL, SL("a@example.org"), &got, &d), E_RETRY);
	wire_close(&w);
}

static enum err swallow(struct rpc_link *l UNUSED, slice_t bytes UNUSED)
{
	return E_OK;
}

/* be1 hangs: its link is up, and nothing comes from it. Whoever is asked first, be2's answer is the
 * answer, and only one question has to find out. */
TEST_FIBER(ask_another)
{
	struct session s = {.started_ms = 0};
	struct ticket t = {.partition = 0};
	struct sender_answer got;
	struct wire w;
	struct diag d;

	begin();
	wire_open(&w, NULL);
	s.stream = w.server;
	nodes[0].serve->write = swallow;
	resolve_cases(&s);
	CHECK_INT(nodes[0].asked[POSTERN__METHOD__METHOD_RESOLVE], 1);
	CHECK(rpc_link_doubtful(nodes[0].ask) && !rpc_link_doubtful(nodes[1].ask));
	for (int i = 0; i < 4; i++)
		CHECK_ERR(call_sender_check(i < 2 ? NULL : &t, SL("a@example.org"), &got, &d),
			  E_DENIED);
	CHECK_INT(nodes[0].asked[POSTERN__METHOD__METHOD_SENDER_CHECK], 0);
	end();
	wire_close(&w);
}

/* The owner hangs, and nobody knows yet. */
TEST_FIBER(ask_another_than_the_owner)
{
	struct ticket t = {.partition = 0};
	struct sender_answer got;
	struct diag d;

	begin();
	nodes[0].serve->write = swallow;
	CHECK_ERR(call_sender_check(&t, SL("a@example.org"), &got, &d), E_DENIED);
	CHECK_INT(nodes[0].asked[POSTERN__METHOD__METHOD_SENDER_CHECK], 1);
	CHECK_INT(nodes[1].asked[POSTERN__METHOD__METHOD_SENDER_CHECK], 1);
	end();
}

/* The first four that this release can sign for; of a back-end of before, none. */
TEST_FIBER(sender_check_tells_keys)
{
	static const char *const want[] = {"r1", "e1", "r2", "e2"};
	struct ticket t = {.partition = 0};
	struct sender_answer got;
	struct diag d;

	begin();
	CHECK_ERR(call_sender_check(&t, SL("keys@example.org"), &got, &d), E_OK);
	REQUIRE(got.keys.n == ARRAY_LEN(want));
	for (size_t i = 0; i < got.keys.n; i++) {
		CHECK_STR(got.keys.v[i].selector, want[i]);
		CHECK_INT(got.keys.v[i].algorithm,
			  want[i][0] == 'r' ? SIGN_RSA_SHA256 : SIGN_ED25519_SHA256);
	}
	CHECK_ERR(call_sender_check(&t, SL("before@example.org"), &got, &d), E_OK);
	CHECK_INT(got.keys.n, 0);
	CHECK_ERR(call_sender_check(NULL, SL("keys@example.org"), &got, &d), E_OK);
	CHECK_INT(got.keys.n, 0);
	end();
}

/* One that this release does not know is as strict as any; a back-end of before tells of none. */
TEST_FIBER(sender_check_tells_rights)
{
	static const struct {
		const char *address;
		enum sender_right right;
	} cases[] = {
		{"before@example.org", SENDER_MAIN},
		{"keys@example.org", SENDER_MAIN},
		{"keys@behalf.example", SENDER_ON_BEHALF},
		{"keys@later.example", SENDER_ON_BEHALF},
	};
	struct ticket t = {.partition = 0};
	struct sender_answer got;
	struct diag d;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s", cases[i].address);
		CHECK_ERR(call_sender_check(&t, slice_str(cases[i].address), &got, &d), E_OK);
		CHECK_INT(got.right, cases[i].right);
	}
	end();
}

/* What signs a notice; a domain that is none has no keys. */
TEST_FIBER(notice_keys)
{
	struct signing_keys keys;
	char domain[DOMAIN_MAX + 1];
	struct diag d;

	begin();
	CHECK_ERR(call_notice_keys(SL("keys@keys.mx.example.org"), domain, &keys, &d), E_OK);
	CHECK_STR(domain, "mx.example.org");
	CHECK_INT(keys.n, DKIM_SIGS_MAX);
	CHECK_ERR(call_notice_keys(SL("keys@example.org"), domain, &keys, &d), E_OK);
	CHECK_STR(domain, "");
	CHECK_INT(keys.n, 0);
	CHECK_ERR(call_notice_keys(SL("before@example.org"), domain, &keys, &d), E_OK);
	CHECK_STR(domain, "");
	CHECK_ERR(call_notice_keys(SL("a@example.org"), domain, &keys, &d), E_DENIED);
	end();
	CHECK_ERR(call_notice_keys(SL("keys@keys.mx.example.org"), domain, &keys, &d), E_RETRY);
	CHECK_STR(domain, "");
	CHECK_INT(keys.n, 0);
}

/* ---- messages ---- */

struct sending {
	struct deliver d;
	struct deliver_meta m;
	struct deliver_sig sigs[2];
	struct deliver_rcpt rcpts[120];
	enum err results[120];
};

static void sending_init(struct sending *x, uint32_t partition, size_t n)
{
	memset(x, 0, sizeof *x);
	memset(x->m.txid, 7, sizeof x->m.txid);
	x->m.sender = SL("a@far.example");
	x->m.prefix = SL("Received: x\r\n");
	x->m.author = SL("alice@example.org");
	x->sigs[0] = (struct deliver_sig){SIGN_RSA_SHA256, SL("r1"), SL("DKIM-Signature: b="), {7}};
	x->sigs[1] =
		(struct deliver_sig){SIGN_ED25519_SHA256, SL("e1"), SL("DKIM-Signature: b="), {8}};
	x->m.sigs = x->sigs;
	x->m.nsigs = 2;
	for (size_t i = 0; i < n; i++)
		x->rcpts[i] = (struct deliver_rcpt){.token = SL("token")};
	x->d.group = (struct deliver_group){.rcpts = x->rcpts,
					    .n = n,
					    .backend = slice_str(map[partition]),
					    .partition = partition};
}

static WAITS void send_all(struct sending *x, slice_t stored)
{
	deliver_begin(&x->d, &x->m, stored.n, deadline_in(WIRE_MS));
	deliver_send(&x->d, stored);
	deliver_send_end(&x->d);
}

TEST(deliver_content_of_what_is_wanted)
{
	static const struct {
		struct deliver_wants w;
		uint32_t content;
	} cases[] = {
		{{.eight = false}, 0},
		{{.eight = true}, CONTENT_8BIT},
		{{.binary = true}, CONTENT_BINARY},
		{{.utf8 = true}, CONTENT_UTF8},
		{{.requiretls = true}, CONTENT_REQUIRETLS},
		{{.tls_optional = true}, CONTENT_TLS_OPTIONAL},
		{{.requiretls = true, .tls_optional = true}, CONTENT_REQUIRETLS},
		{{true, true, true, false, true},
		 CONTENT_8BIT | CONTENT_BINARY | CONTENT_UTF8 | CONTENT_TLS_OPTIONAL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_INT(deliver_content(&cases[i].w), cases[i].content);
		CHECK(content_is_sound(cases[i].content));
	}
}

TEST_FIBER(deliver_small)
{
	struct deliver_group other;
	struct sending x;

	begin();
	sending_init(&x, 0, 2);
	other = (struct deliver_group){
		.rcpts = x.rcpts, .n = 1, .backend = SL("be2"), .partition = 1};
	owners[0].status = E_QUOTA;
	send_all(&x, SL("bytes of a record"));
	CHECK_ERR(deliver_commit(&x.d, &x.m, &other, 1, x.results), E_OK);
	CHECK_SLICE(buf_slice(&owners[0].stored), SL("bytes of a record"));
	CHECK_INT(owners[0].recipients, 2);
	CHECK_INT(owners[0].others, 1);
	CHECK(owners[0].leads);
	x.d.follows = true;
	CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), E_OK);
	CHECK(!owners[0].leads);
	CHECK_INT(owners[0].sigs, 2);
	CHECK_ERR(x.results[0], E_QUOTA);
	CHECK_ERR(x.results[1], E_QUOTA);
	deliver_end(&x.d, &x.m);
	CHECK_INT(owners[0].aborts, 0);
	end();
}

/* More than the credit of a stream, and a commit that is longer than a frame. */
TEST_FIBER(deliver_large)
{
	struct sending x;
	struct buf big;

	begin();
	buf_init(&big, 1 << 20, NULL);
	for (unsigned i = 0; big.n < 700000; i++)
		buf_printf(&big, "%u,", i);
	sending_init(&x, 1, 1);
	x.m.text = slice_sub(buf_slice(&big), 0, 300000);
	send_all(&x, buf_slice(&big));
	CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), E_OK);
	CHECK_SLICE(buf_slice(&owners[1].stored), buf_slice(&big));
	CHECK_INT(owners[1].text, 300000);
	deliver_end(&x.d, &x.m);
	buf_fini(&big);
	end();
}

static WAITS void bring_back(void *arg)
{
	struct played_node *n = arg;

	while (rpc_link_usable(n->ask))
		fiber_yield();
	played_down(n);
	played_up(n);
}

/* The link breaks before the answer: the same commit is asked again when the owner is back. */
TEST_FIBER(deliver_commit_again)
{
	struct sending x;
	struct scope scope;

	begin();
	sending_init(&x, 0, 1);
	owners[0].commits_lost = 1;
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "back", bring_back, &nodes[0]) == E_OK);
	send_all(&x, SL("bytes"));
	CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), E_OK);
	CHECK_INT(owners[0].commits, 2);
	CHECK_ERR(x.results[0], E_OK);
	deliver_end(&x.d, &x.m);
	CHECK_ERR(scope_join(&scope, deadline_in(WIRE_MS)), E_OK);
	end();
}

/* The owner says no before or while the bytes come: its reason is what the commit returns. */
TEST_FIBER(deliver_refused)
{
	static const enum err reasons[] = {E_TOO_BIG, E_QUOTA, E_BUSY};
	struct sending x;

	begin();
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		sending_init(&x, 0, 1);
		owners[0].begin = reasons[i];
		send_all(&x, SL("bytes"));
		CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), reasons[i]);
		deliver_end(&x.d, &x.m);
	}
	end();
}

TEST_FIBER(deliver_no_owner)
{
	struct sending x;

	begin();
	played_down(&nodes[0]);
	sending_init(&x, 0, 1);
	send_all(&x, SL("bytes"));
	CHECK_ERR(x.d.err, E_RETRY);
	CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), E_RETRY);
	deliver_end(&x.d, &x.m);
	end();
}

TEST_FIBER(deliver_abort_and_settle)
{
	struct sending x;

	begin();
	sending_init(&x, 0, 120);
	send_all(&x, SL("bytes"));
	deliver_end(&x.d, &x.m);
	CHECK_INT(owners[0].aborts, 1);
	deliver_end(&x.d, &x.m);
	CHECK_INT(owners[0].aborts, 1);
	sending_init(&x, 0, 120);
	send_all(&x, SL("bytes"));
	deliver_settle(&x.d, &x.m, &x.d.group);
	CHECK_INT(owners[0].settled_tokens, 120);
	CHECK(nodes[0].asked[POSTERN__METHOD__METHOD_DELIVER_SETTLE] > 1);
	/* Fewer answers than recipients: nothing of such an answer is believed. */
	CHECK_ERR(deliver_commit(&x.d, &x.m, NULL, 0, x.results), E_RETRY);
	deliver_end(&x.d, &x.m);
	end();
}
