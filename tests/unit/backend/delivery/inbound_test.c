/* Messages between Begin and Commit: what happens when two of Begin, Commit, Abort and the end of
 * the link meet. */
#include "backend/delivery/inbound.h"

#include "tests/unit/backend/store/util.h"

#define RECORD_SIZE 90000 /* two blocks */

static const struct rpc_identity fe1 = {ROLE_FRONTEND, SERVICE_SMTP, "fe1"};
static const int link_a, link_b; /* for their addresses */

struct hall {
	struct partition *part;
	struct inbounds table;
	struct inbound_key key;
	struct buf record;
};

static struct inbound_key key_of(unsigned char txid, uint32_t partition)
{
	unsigned char id[STORE_TXID_SIZE];

	memset(id, txid, sizeof id);
	return inbound_key(&fe1, slice(id, sizeof id), partition);
}

static bool hall_open(struct hall *h)
{
	struct partition_conf conf = util_conf(check_tmpdir());

	h->part = util_open(&conf);
	inbounds_init(&h->table);
	h->key = key_of(1, 1);
	buf_init(&h->record, 1 << 20, NULL);
	util_record(&h->record, 3, RECORD_SIZE);
	return h->part != NULL;
}

static void hall_close(struct hall *h)
{
	inbounds_fini(&h->table);
	buf_fini(&h->record);
	partition_close(&h->part);
}

static struct inbound *begin(struct hall *h, const void *link)
{
	struct inbound *in = NULL;

	CHECK_ERR(inbound_begin(&h->table, &h->key, link, h->part, 0, 1 << 20, &in), E_OK);
	return in;
}

/* Nothing is left in the table. */
static bool is_empty(const struct hall *h)
{
	return h->table.by_key.count == 0 && list_empty(&h->table.all);
}

WAITS static void arrive(struct hall *h, struct inbound *in)
{
	CHECK_ERR(inbound_write(in, buf_slice(&h->record)), E_OK);
	CHECK_ERR(inbound_end(in, E_OK), E_OK);
}

/* A Commit in a fiber of its own. */
struct taker {
	struct hall *hall;
	struct inbound *got;
	enum err result;
	bool done;
	int64_t deadline;
};

WAITS static void take_run(void *arg)
{
	struct taker *t = arg;

	t->result = inbound_take(&t->hall->table, &t->hall->key, t->deadline, &t->got);
	t->done = true;
}

static void take_start(struct taker *t, struct hall *h, struct scope *scope)
{
	*t = (struct taker){.hall = h, .result = E_INTERNAL, .deadline = deadline_in(10000)};
	CHECK_ERR(scope_start(scope, "test.take", take_run, t), E_OK);
}

TEST_FIBER(inbound_arrives_and_is_taken)
{
	struct inbound *in, *taken = NULL;
	struct hall h;

	REQUIRE(hall_open(&h));
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &taken), E_NOT_FOUND);
	in = begin(&h, &link_a);
	REQUIRE(in != NULL);
	CHECK_ERR(inbound_begin(&h.table, &h.key, &link_b, h.part, 0, 1 << 20, &taken), E_EXISTS);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	CHECK(in == NULL);
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &taken), E_OK);
	CHECK_INT(taken->info.trailer.plain_size, RECORD_SIZE);
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &in), E_BUSY);
	inbound_release(&taken, INBOUND_DROP);
	CHECK(is_empty(&h));
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &taken), E_NOT_FOUND);
	hall_close(&h);
}

/* The same transaction of another front-end, service, partition: another message. */
TEST_FIBER(inbound_keys_are_apart)
{
	struct rpc_identity others[] = {
		{ROLE_FRONTEND, SERVICE_SMTP, "fe2"},
		{ROLE_FRONTEND, SERVICE_SUBMISSION, "fe1"},
		{ROLE_BACKEND, SERVICE_NONE, "fe1"},
	};
	struct inbound *in, *taken;
	struct inbound_key key;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		key = inbound_key(&others[i], slice(h.key.txid, sizeof h.key.txid), 1);
		CHECK_ERR(inbound_take(&h.table, &key, NO_DEADLINE, &taken), E_NOT_FOUND);
		inbound_abort(&h.table, &key);
	}
	key = key_of(1, 2);
	CHECK_ERR(inbound_take(&h.table, &key, NO_DEADLINE, &taken), E_NOT_FOUND);
	key = key_of(2, 1);
	CHECK_ERR(inbound_take(&h.table, &key, NO_DEADLINE, &taken), E_NOT_FOUND);
	/* What lies behind the name's end in memory does not count. */
	memset(others[0].name, 'x', sizeof others[0].name);
	memcpy(others[0].name, "fe1", 4);
	key = inbound_key(&others[0], slice(h.key.txid, sizeof h.key.txid), 1);
	CHECK_ERR(inbound_take(&h.table, &key, NO_DEADLINE, &taken), E_OK);
	inbound_release(&taken, INBOUND_DROP);
	hall_close(&h);
}

/* Commit overtakes the last bytes: it waits for them. */
TEST_FIBER(inbound_commit_waits_for_arrival)
{
	struct taker first, second;
	struct inbound *in;
	struct scope scope;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	CHECK_ERR(inbound_write(in, slice_sub(buf_slice(&h.record), 0, 1000)), E_OK);
	scope_init(&scope);
	take_start(&first, &h, &scope);
	fiber_yield();
	take_start(&second, &h, &scope);
	fiber_yield();
	CHECK(!first.done);
	CHECK(second.done); /* two commits at once: only one */
	CHECK_ERR(second.result, E_BUSY);
	CHECK_ERR(inbound_write(in, slice_from(buf_slice(&h.record), 1000)), E_OK);
	CHECK_ERR(inbound_end(in, E_OK), E_OK);
	inbound_release(&in, INBOUND_KEEP);
	(void)scope_join(&scope, NO_DEADLINE);
	CHECK_ERR(first.result, E_OK);
	REQUIRE(first.got != NULL);
	CHECK_INT(first.got->info.trailer.plain_size, RECORD_SIZE);
	inbound_release(&first.got, INBOUND_DROP);
	CHECK(is_empty(&h));
	hall_close(&h);
}

TEST_FIBER(inbound_commit_hears_how_arrival_failed)
{
	struct inbound *in;
	struct scope scope;
	struct taker t;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	scope_init(&scope);
	take_start(&t, &h, &scope);
	fiber_yield();
	CHECK_ERR(inbound_write(in, slice_sub(buf_slice(&h.record), 0, 1000)), E_OK);
	CHECK(inbound_end(in, E_OK) != E_OK); /* cut short */
	inbound_release(&in, INBOUND_DROP);
	(void)scope_join(&scope, NO_DEADLINE);
	CHECK(t.result != E_OK);
	CHECK(t.got == NULL);
	CHECK(is_empty(&h));
	hall_close(&h);
}

TEST_FIBER(inbound_commit_gives_up_waiting)
{
	struct inbound *in;
	struct scope scope;
	struct taker t;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	scope_init(&scope);
	t = (struct taker){.hall = &h, .deadline = deadline_in(1)};
	CHECK_ERR(scope_start(&scope, "test.take", take_run, &t), E_OK);
	(void)scope_join(&scope, NO_DEADLINE);
	CHECK_ERR(t.result, E_TIMEOUT);
	CHECK(is_empty(&h)); /* out of reach, though its bytes still come */
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	hall_close(&h);
}

TEST_FIBER(inbound_abort_meets_everything)
{
	struct inbound *in, *taken;
	struct scope scope;
	struct taker t;
	struct hall h;

	REQUIRE(hall_open(&h));
	inbound_abort(&h.table, &h.key); /* of nothing */
	/* While it arrives: the writer goes on into the void, the waiting commit hears of it. */
	in = begin(&h, &link_a);
	scope_init(&scope);
	take_start(&t, &h, &scope);
	fiber_yield();
	inbound_abort(&h.table, &h.key);
	CHECK(is_empty(&h));
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	(void)scope_join(&scope, NO_DEADLINE);
	CHECK_ERR(t.result, E_NOT_FOUND);
	/* The same transaction may begin anew. */
	in = begin(&h, &link_a);
	REQUIRE(in != NULL);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	/* After it has arrived. */
	inbound_abort(&h.table, &h.key);
	CHECK(is_empty(&h));
	/* While a commit has it: the commit goes on with what it holds. */
	in = begin(&h, &link_a);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &taken), E_OK);
	inbound_abort(&h.table, &h.key);
	CHECK(is_empty(&h));
	CHECK(taken->stage != NULL);
	inbound_release(&taken, INBOUND_DROP);
	hall_close(&h);
}

TEST_FIBER(inbound_link_ends)
{
	struct inbound *in, *other, *taken;
	struct hall h;

	REQUIRE(hall_open(&h));
	/* Arrived, waiting for its commit; another link's is left alone. */
	in = begin(&h, &link_a);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	h.key = key_of(2, 1);
	other = begin(&h, &link_b);
	arrive(&h, other);
	inbound_release(&other, INBOUND_KEEP);
	inbound_drop_link(&h.table, &link_a);
	CHECK_INT(h.table.by_key.count, 1);
	CHECK_ERR(inbound_take(&h.table, &h.key, NO_DEADLINE, &taken), E_OK);
	/* While a commit has it: that goes on. */
	inbound_drop_link(&h.table, &link_b);
	CHECK(taken->stage != NULL);
	inbound_release(&taken, INBOUND_DROP);
	CHECK(is_empty(&h));
	hall_close(&h);
}

/* The last byte was received when the link broke: nobody will come for the message, so it must not
 * stay until the node ends. */
TEST_FIBER(inbound_link_ends_at_the_last_byte)
{
	struct inbound *in;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	CHECK_ERR(inbound_write(in, buf_slice(&h.record)), E_OK);
	inbound_drop_link(&h.table, &link_a);
	CHECK_ERR(inbound_end(in, E_OK), E_OK);
	inbound_release(&in, INBOUND_KEEP);
	CHECK(is_empty(&h));
	hall_close(&h);
}

/* ... unless a commit that came another way waits for it. */
TEST_FIBER(inbound_link_ends_under_a_waiting_commit)
{
	struct inbound *in;
	struct scope scope;
	struct taker t;
	struct hall h;

	REQUIRE(hall_open(&h));
	in = begin(&h, &link_a);
	scope_init(&scope);
	take_start(&t, &h, &scope);
	fiber_yield();
	inbound_drop_link(&h.table, &link_a);
	arrive(&h, in);
	inbound_release(&in, INBOUND_KEEP);
	(void)scope_join(&scope, NO_DEADLINE);
	CHECK_ERR(t.result, E_OK);
	REQUIRE(t.got != NULL);
	inbound_release(&t.got, INBOUND_KEEP); /* even kept: its link is gone */
	CHECK(is_empty(&h));
	hall_close(&h);
}

TEST_FIBER(inbound_too_big)
{
	struct inbound *in = NULL;
	struct hall h;

	REQUIRE(hall_open(&h));
	CHECK_ERR(inbound_begin(&h.table, &h.key, &link_a, h.part, 0, 5000, &in), E_OK);
	CHECK_ERR(inbound_write(in, buf_slice(&h.record)), E_TOO_BIG);
	CHECK_ERR(inbound_end(in, E_TOO_BIG), E_TOO_BIG);
	inbound_release(&in, INBOUND_DROP);
	CHECK(is_empty(&h));
	hall_close(&h);
}

/* INBOUND_MAX at once, INBOUND_NODE_MAX of one node; then E_LIMIT, and room again when one is
 * gone. */
TEST_FIBER(inbound_limit)
{
	struct inbound *in;
	struct hall h;

	REQUIRE(hall_open(&h));
	for (unsigned i = 0; i < INBOUND_NODE_MAX; i++) {
		memcpy(h.key.txid, &i, sizeof i);
		in = begin(&h, &link_b);
		REQUIRE(in != NULL);
		inbound_release(&in, INBOUND_KEEP);
	}
	memset(h.key.txid, 0xff, sizeof h.key.txid);
	h.key.who.service = SERVICE_SUBMISSION; /* whatever its service */
	CHECK_ERR(inbound_begin(&h.table, &h.key, &link_a, h.part, 0, 1 << 20, &in), E_LIMIT);
	for (unsigned i = INBOUND_NODE_MAX; i < INBOUND_MAX; i++) {
		memcpy(h.key.txid, &i, sizeof i);
		memcpy(h.key.who.name, "feXX", 5);
		h.key.who.name[2] = (char)('a' + i / INBOUND_NODE_MAX);
		if (inbound_begin(&h.table, &h.key, &link_a, h.part, 0, 1 << 20, &in) != E_OK)
			break;
		inbound_release(&in, INBOUND_KEEP);
	}
	CHECK_INT(h.table.by_key.count, INBOUND_MAX);
	memset(h.key.txid, 0xff, sizeof h.key.txid);
	CHECK_ERR(inbound_begin(&h.table, &h.key, &link_a, h.part, 0, 1 << 20, &in), E_LIMIT);
	inbound_drop_link(&h.table, &link_a);
	inbound_drop_link(&h.table, &link_b);
	CHECK(is_empty(&h));
	CHECK_INT(h.table.by_node.count, 0);
	in = begin(&h, &link_a);
	REQUIRE(in != NULL);
	inbound_release(&in, INBOUND_DROP);
	hall_close(&h);
}
