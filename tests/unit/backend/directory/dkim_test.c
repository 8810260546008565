/* Keys that sign mail: what management refuses, what it does, and what the image has of it. */
#include "backend/directory/dir_dkim.h"

#include "backend/directory/dir_claim.h"
#include "tests/unit/backend/directory/rig.h"

#define BOX "a box of some bytes"

static bool seal(const struct dir_node *n, struct buf *out, void *arg UNUSED)
{
	CHECK_STR(n->name, "be1");
	buf_puts(out, BOX);
	return true;
}

static bool seal_not(const struct dir_node *n UNUSED, struct buf *out UNUSED, void *arg UNUSED)
{
	return false;
}

static const struct dir_dkim_spec two[] = {
	{.algorithm = SIGN_RSA_SHA256,
	 .public_key = {"0123456789abcdef0123456789abcdef", 32},
	 .seal = seal},
	{.algorithm = SIGN_ED25519_SHA256,
	 .public_key = {"fedcba9876543210fedcba9876543210", 32},
	 .seal = seal},
};

WAITS static enum err add_named(struct rig *r, const char *domain, slice_t selector)
{
	struct dir_dkim_spec s = two[0];
	struct diag d = {.text = ""};

	s.selector = selector;
	return dir_dkim_add(r->d, &rig_actor, slice_str(domain), &s, 1, &d);
}

WAITS static enum err activate(struct rig *r, const char *selector)
{
	struct diag d = {.text = ""};

	return dir_dkim_activate(r->d, &rig_actor, SL("example.org"), slice_str(selector), &d);
}

WAITS static enum err retire(struct rig *r, const char *selector)
{
	struct diag d = {.text = ""};

	return dir_dkim_retire(r->d, &rig_actor, SL("example.org"), slice_str(selector), &d);
}

WAITS static enum err drop(struct rig *r, const char *selector)
{
	struct diag d = {.text = ""};

	return dir_dkim_remove(r->d, &rig_actor, SL("example.org"), slice_str(selector), &d);
}

TEST_FIBER(dkim_add_and_list)
{
	struct dir_dkim_page page;
	struct dir_dkim_key k;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(dir_dkim_add(r.d, &rig_actor, SL("Example.ORG"), two, 2, &d), E_OK);
	CHECK_ERR(add_named(&r, "example.org", SL("mine")), E_OK);
	CHECK_ERR(add_named(&r, "example.org", SL("mine")), E_EXISTS);
	CHECK_ERR(add_named(&r, "example.org", SL("not a label")), E_INVALID);
	CHECK_ERR(add_named(&r, "no.such.test", SLICE_NONE), E_NOT_FOUND);
	CHECK_ERR(rig_domain(&r, "far.test", DIR_DOMAIN_REMOTE, "", ""), E_OK);
	CHECK_ERR(add_named(&r, "far.test", SLICE_NONE), E_INVALID);
	CHECK_ERR(rig_domain(&r, "alias.test", DIR_DOMAIN_ALIAS, "example.org", ""), E_OK);
	CHECK_ERR(add_named(&r, "alias.test", SL("a")), E_OK);

	CHECK_ERR(dir_dkim_list(r.d, SLICE_NONE, SLICE_NONE, 100, &mem, &page, &d), E_OK);
	REQUIRE(page.n == 4);
	CHECK_SLICE(page.rows[0].domain, SL("alias.test"));
	CHECK_SLICE(page.rows[1].selector, SL("mine"));
	CHECK_INT(page.rows[1].state, DIR_DKIM_NEW);
	CHECK_SLICE(page.rows[1].public_key, two[0].public_key);
	CHECK(page.rows[1].created_us > 0 && page.rows[1].activated_us == 0);
	/* By date: p20261128e, p20261128r. */
	CHECK_INT(page.rows[2].algorithm, SIGN_ED25519_SHA256);
	CHECK(slice_starts(page.rows[2].selector, SL("p2")) &&
	      slice_ends(page.rows[2].selector, SL("e")));
	CHECK(slice_starts(page.rows[3].selector, SL("p2")) &&
	      slice_ends(page.rows[3].selector, SL("r")));
	CHECK_ERR(dir_dkim_list(r.d, SL("example.org"), SL("mine@example.org"), 1, &mem, &page, &d),
		  E_OK);
	REQUIRE(page.n == 1);
	CHECK(slice_ends(page.rows[0].selector, SL("e")));
	/* Of the same day once more. */
	CHECK_ERR(add_named(&r, "example.org", SLICE_NONE), E_OK);
	CHECK_ERR(dir_dkim_list(r.d, SL("example.org"), SLICE_NONE, 100, &mem, &page, &d), E_OK);
	REQUIRE(page.n == 4);
	CHECK(slice_ends(page.rows[3].selector, SL("r2")));

	REQUIRE(dir_dkim_count(r.d) == 5);
	dir_dkim_at(r.d, 0, &k);
	CHECK_SLICE(k.domain, SL("example.org"));
	CHECK_INT(k.algorithm, SIGN_RSA_SHA256);
	CHECK_INT(k.state, DIR_DKIM_NEW);
	CHECK_SLICE(k.box, SL(BOX));
	CHECK(!dir_dkim_find(r.d, k.id + 100, &k));
	/* A domain takes its keys along. */
	CHECK_ERR(dir_domain_remove(r.d, &rig_actor, SL("alias.test"), &d), E_OK);
	CHECK_INT(dir_dkim_count(r.d), 4);
	arena_reset(&mem);
	rig_close(&r);
}

WAITS static enum err sight(struct rig *r, enum dir_dkim_sight s)
{
	return dir_dkim_sight(r->d, &rig_actor, SL("example.org"), SL("a"), s, NULL);
}

TEST_FIBER(dkim_seen_in_dns)
{
	struct dir_dkim_page page;
	struct arena mem;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(sight(&r, DIR_DKIM_SEEN), E_NOT_FOUND);
	CHECK_ERR(add_named(&r, "example.org", SL("a")), E_OK);
	CHECK_ERR(sight(&r, DIR_DKIM_GONE), E_NOT_FOUND);
	CHECK_ERR(sight(&r, DIR_DKIM_SEEN), E_OK);
	CHECK_ERR(sight(&r, DIR_DKIM_SEEN), E_NOT_FOUND);
	CHECK_ERR(dir_dkim_list(r.d, SLICE_NONE, SLICE_NONE, 9, &mem, &page, NULL), E_OK);
	REQUIRE(page.n == 1);
	CHECK_INT(page.rows[0].state, DIR_DKIM_PUBLISHED);
	CHECK(page.rows[0].published_us > 0);
	CHECK_INT(page.rows[0].origin, DIR_DKIM_ASKED);
	CHECK_ERR(sight(&r, DIR_DKIM_GONE), E_OK);
	CHECK_ERR(dir_dkim_list(r.d, SLICE_NONE, SLICE_NONE, 9, &mem, &page, NULL), E_OK);
	CHECK_INT(page.rows[0].state, DIR_DKIM_NEW);
	CHECK_INT(page.rows[0].published_us, 0);
	/* One that signs stays as it is, wherever its record is. */
	CHECK_ERR(sight(&r, DIR_DKIM_SEEN), E_OK);
	CHECK_ERR(activate(&r, "a"), E_OK);
	CHECK_ERR(sight(&r, DIR_DKIM_GONE), E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}

/* Work of the cluster: whoever has it keeps it as long as it renews, or until it runs out. */
TEST_FIBER(claims)
{
	struct rig r;
	bool mine;

	REQUIRE(rig_open(&r));
	CHECK_ERR(dir_claim(r.d, "work", 3600, &mine, NULL), E_OK);
	CHECK(mine);
	CHECK_ERR(dir_claim(r.d, "work", 3600, &mine, NULL), E_OK);
	CHECK(mine);
	dir_close(&r.d);
	REQUIRE(rig_start(&r, "be2") && rig_synced(&r));
	CHECK_ERR(dir_claim(r.d, "work", 3600, &mine, NULL), E_OK);
	CHECK(!mine);
	pgserver_sql("UPDATE claims SET until = now() - interval '1 s'");
	CHECK_ERR(dir_claim(r.d, "work", 3600, &mine, NULL), E_OK);
	CHECK(mine);
	rig_close(&r);
}

TEST_FIBER(dkim_states)
{
	struct dir_dkim_key k;
	struct rig r;
	int64_t retired_s;

	REQUIRE(rig_open(&r));
	CHECK_ERR(activate(&r, ""), E_NOT_FOUND);
	CHECK_ERR(add_named(&r, "example.org", SL("a")), E_OK);
	CHECK_ERR(add_named(&r, "example.org", SL("b")), E_OK);
	CHECK_ERR(activate(&r, "c"), E_NOT_FOUND);
	CHECK_ERR(activate(&r, "c'; DROP TABLE dkim_keys"), E_NOT_FOUND);
	CHECK_ERR(retire(&r, "a"), E_NOT_FOUND);
	CHECK_ERR(activate(&r, "a"), E_OK);
	CHECK_ERR(activate(&r, "a"), E_OK); /* again: nothing */
	dir_dkim_at(r.d, 0, &k);
	CHECK_INT(k.state, DIR_DKIM_ACTIVE);
	dir_dkim_at(r.d, 1, &k);
	CHECK_INT(k.state, DIR_DKIM_NEW);
	CHECK_ERR(drop(&r, "a"), E_NOT_FOUND); /* it signs */
	CHECK_ERR(retire(&r, "a"), E_OK);
	dir_dkim_at(r.d, 0, &k);
	CHECK_INT(k.state, DIR_DKIM_RETIRED);
	retired_s = k.retired_s;
	CHECK(retired_s > 0);
	CHECK_ERR(retire(&r, "a"), E_OK);
	CHECK_ERR(activate(&r, ""), E_OK); /* those that wait, not those that are over */
	dir_dkim_at(r.d, 0, &k);
	CHECK_INT(k.state, DIR_DKIM_RETIRED);
	CHECK_INT(k.retired_s, retired_s);
	dir_dkim_at(r.d, 1, &k);
	CHECK_INT(k.state, DIR_DKIM_ACTIVE);
	CHECK_ERR(activate(&r, "a"), E_OK);
	dir_dkim_at(r.d, 0, &k);
	CHECK_INT(k.retired_s, 0);
	CHECK_ERR(retire(&r, "a"), E_OK);
	CHECK_ERR(drop(&r, "a"), E_OK);
	CHECK_ERR(drop(&r, "a"), E_NOT_FOUND);
	CHECK_INT(dir_dkim_count(r.d), 1);
	{
		char audit[256];

		pgserver_ask("SELECT string_agg(result, ' ' ORDER BY id) FROM audit"
			     " WHERE method = 'dkim.remove'",
			     audit, sizeof audit);
		CHECK_STR(audit, "not-found ok not-found");
	}
	rig_close(&r);
}

TEST_FIBER(dkim_limits)
{
	struct rig r;
	char name[] = "a";

	REQUIRE(rig_open(&r));
	for (int i = 0; i < DIR_DKIM_KEYS_MAX; i++, name[0]++)
		CHECK_ERR(add_named(&r, "example.org", slice_str(name)), E_OK);
	CHECK_ERR(add_named(&r, "example.org", SL("z")), E_INVALID);
	CHECK_ERR(activate(&r, ""), E_INVALID); /* all of them */
	name[0] = 'a';
	for (int i = 0; i < DKIM_SIGS_MAX; i++, name[0]++)
		CHECK_ERR(activate(&r, name), E_OK);
	CHECK_ERR(activate(&r, name), E_INVALID);
	CHECK_ERR(retire(&r, "a"), E_OK);
	CHECK_ERR(activate(&r, name), E_OK);
	rig_close(&r);
}

/* A box that is not there is made later; of a node whose key changed it goes. */
TEST_FIBER(dkim_boxes)
{
	struct dir_dkim_spec s = two[0];
	struct dir_dkim_lack lacks[4];
	struct dir_node be2 = {.name = "be2", .address = "127.0.0.1", .port = 7411};
	struct dir_dkim_key k;
	struct diag d;
	struct rig r;
	size_t n;

	REQUIRE(rig_open(&r));
	s.seal = seal_not;
	CHECK_ERR(dir_dkim_add(r.d, &rig_actor, SL("example.org"), &s, 1, &d), E_OK);
	dir_dkim_at(r.d, 0, &k);
	CHECK_INT(k.box.n, 0);
	CHECK_ERR(dir_dkim_put(r.d, k.id, SL("no-such"), SL(BOX), &d), E_OK);
	CHECK_ERR(dir_dkim_lacking(r.d, lacks, ARRAY_LEN(lacks), &n, &d), E_OK);
	CHECK_INT(n, 0); /* nobody can help */
	CHECK_ERR(dir_dkim_put(r.d, k.id, SL("be1"), SL(BOX), &d), E_OK);
	REQUIRE(rig_synced(&r));
	dir_dkim_at(r.d, 0, &k);
	CHECK_SLICE(k.box, SL(BOX));
	be2.public_key[0] = 7;
	CHECK_ERR(dir_node_register(r.d, &rig_actor, &be2, &d), E_OK);
	CHECK_ERR(dir_dkim_lacking(r.d, lacks, ARRAY_LEN(lacks), &n, &d), E_OK);
	REQUIRE(n == 1);
	CHECK_STR(lacks[0].node.name, "be2");
	CHECK_INT(lacks[0].node.public_key[0], 7);
	CHECK_INT(lacks[0].key, k.id);
	CHECK_ERR(dir_dkim_put(r.d, k.id, SL("be2"), SL("other"), &d), E_OK);
	CHECK_ERR(dir_dkim_lacking(r.d, lacks, ARRAY_LEN(lacks), &n, &d), E_OK);
	CHECK_INT(n, 0);
	be2.public_key[0] = 8;
	CHECK_ERR(dir_node_register(r.d, &rig_actor, &be2, &d), E_OK);
	CHECK_ERR(dir_dkim_lacking(r.d, lacks, ARRAY_LEN(lacks), &n, &d), E_OK);
	CHECK_INT(n, 1);
	rig_close(&r);
}
