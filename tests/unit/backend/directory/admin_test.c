/* Management calls: what they refuse, what they do, and their audit. */
#include "backend/directory/dir_rec.h"
#include "tests/unit/backend/directory/rig.h"

static const char *result_of(struct rig *r, const char *sql)
{
	static char out[256];

	(void)r;
	pgserver_ask(sql, out, sizeof out);
	return out;
}

/* Of example.org, whose alias domain is x.test. */
WAITS static void check_mta_sts(struct rig *r, struct arena *mem)
{
	static const char *const names[] = {"example.org", "X.test"};
	struct dir_domain_row row;
	enum dir_mta_sts mode;
	struct diag d;
	uint32_t age_s;

	CHECK(rig_synced(r));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		check_note("%s", names[i]);
		CHECK_ERR(dir_domain_mta_sts(r->d, slice_str(names[i]), &mode, &age_s), E_OK);
		CHECK_INT(mode, DIR_MTA_STS_TESTING);
		CHECK_INT(age_s, 3600);
	}
	CHECK_ERR(dir_domain_show(r->d, SL("x.test"), mem, &row, &d), E_OK);
	CHECK_INT(row.mta_sts, DIR_MTA_STS_TESTING);
	CHECK_ERR(dir_domain_mta_sts(r->d, SL("xn--bcher-kva.test"), &mode, &age_s), E_OK);
	CHECK_INT(mode, DIR_MTA_STS_NONE);
	CHECK_INT(age_s, DIR_MTA_STS_AGE);
	CHECK_ERR(dir_domain_mta_sts(r->d, SL("other.test"), &mode, &age_s), E_NOT_FOUND);
	CHECK_ERR(dir_domain_mta_sts(r->d, SL("no name"), &mode, &age_s), E_NOT_FOUND);
}

/* A row of the copy that a release before wrote. */
TEST(domain_rows_of_before)
{
	struct dir_rec_domain in = {.kind = DIR_DOMAIN_LOCAL,
				    .name = SL("a.test"),
				    .mta_sts = DIR_MTA_STS_ENFORCE,
				    .mta_sts_age_s = 7},
			      out;
	struct buf b;

	buf_init(&b, 1024, NULL);
	dir_rec_put_domain(&b, &in);
	CHECK(dir_rec_domain(buf_slice(&b), &out));
	CHECK_INT(out.mta_sts, DIR_MTA_STS_ENFORCE);
	CHECK_INT(out.mta_sts_age_s, 7);
	CHECK(dir_rec_domain(slice_sub(buf_slice(&b), 0, b.n - 5), &out));
	CHECK_INT(out.mta_sts, DIR_MTA_STS_NONE);
	CHECK_INT(out.mta_sts_age_s, DIR_MTA_STS_AGE);
	CHECK(!dir_rec_domain(slice_sub(buf_slice(&b), 0, b.n - 1), &out));
	buf_fini(&b);
}

TEST_FIBER(admin_domains)
{
	struct rig r;
	struct dir_domain_spec s = {.kind = DIR_DOMAIN_LOCAL};
	struct dir_domain_page page;
	struct dir_domain_row row;
	struct arena mem;
	struct diag d;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(rig_domain(&r, "Example.ORG", DIR_DOMAIN_LOCAL, "", ""), E_EXISTS);
	CHECK_ERR(rig_domain(&r, "not a domain", DIR_DOMAIN_LOCAL, "", ""), E_INVALID);
	CHECK_ERR(rig_domain(&r, "x.test", DIR_DOMAIN_ALIAS, "no.such.test", ""), E_NOT_FOUND);
	CHECK_ERR(rig_domain(&r, "x.test", DIR_DOMAIN_ALIAS, "", ""), E_INVALID);
	CHECK_ERR(rig_domain(&r, "x.test", DIR_DOMAIN_LOCAL, "example.org", ""), E_INVALID);
	CHECK_ERR(rig_domain(&r, "x.test", DIR_DOMAIN_ALIAS, "example.org", "a@b.test"), E_INVALID);
	CHECK_ERR(rig_domain(&r, "x.test", DIR_DOMAIN_ALIAS, "example.org", ""), E_OK);
	/* An alias of an alias is none of a local domain. */
	CHECK_ERR(rig_domain(&r, "y.test", DIR_DOMAIN_ALIAS, "x.test", ""), E_NOT_FOUND);
	CHECK_ERR(rig_domain(&r,
			     "b\xc3\xbc"
			     "cher.test",
			     DIR_DOMAIN_LOCAL, "", ""),
		  E_OK);
	CHECK_ERR(dir_domain_list(r.d, SLICE_NONE, 10, &mem, &page, &d), E_OK);
	CHECK_INT(page.n, 3);
	CHECK_SLICE(page.rows[0].name, SL("example.org"));
	CHECK_SLICE(page.rows[1].name, SL("x.test"));
	CHECK_SLICE(page.rows[1].target, SL("example.org"));
	CHECK_SLICE(page.rows[2].name, SL("xn--bcher-kva.test"));
	CHECK_ERR(dir_domain_list(r.d, SL("example.org"), 1, &mem, &page, &d), E_OK);
	CHECK_INT(page.n, 1);
	CHECK_SLICE(page.rows[0].name, SL("x.test"));

	s.name = SL("example.org");
	s.catch_all = SL("Bob");
	s.accounts_max = 1;
	s.quota_bytes = 5000;
	s.mta_sts = DIR_MTA_STS_TESTING;
	CHECK_ERR(dir_domain_edit(r.d, &rig_actor, &s, &d), E_INVALID); /* for how long? */
	s.mta_sts_age_s = DIR_MTA_STS_AGE_MAX + 1;
	CHECK_ERR(dir_domain_edit(r.d, &rig_actor, &s, &d), E_INVALID);
	s.mta_sts_age_s = 3600;
	CHECK_ERR(dir_domain_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK_ERR(dir_domain_show(r.d, SL("EXAMPLE.org"), &mem, &row, &d), E_OK);
	CHECK_SLICE(row.catch_all, SL("Bob@example.org"));
	CHECK_INT(row.accounts_max, 1);
	CHECK_INT(row.mta_sts, DIR_MTA_STS_TESTING);
	CHECK_INT(row.mta_sts_age_s, 3600);
	check_mta_sts(&r, &mem);
	CHECK_ERR(rig_account(&r, "alice@example.org", NULL), E_OK);
	CHECK_ERR(rig_account(&r, "bob@example.org", NULL), E_INVALID); /* the limit */
	CHECK_ERR(dir_domain_show(r.d, SL("example.org"), &mem, &row, &d), E_OK);
	CHECK_INT(row.accounts, 1);

	CHECK_ERR(dir_domain_remove(r.d, &rig_actor, SL("example.org"), &d), E_INVALID);
	CHECK_ERR(dir_domain_remove(r.d, &rig_actor, SL("x.test"), &d), E_OK);
	CHECK_ERR(dir_domain_remove(r.d, &rig_actor, SL("x.test"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_domain_show(r.d, SL("x.test"), &mem, &row, &d), E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(admin_accounts)
{
	static const char *const bad[] = {
		"a b@example.org",
		".a@example.org",
		"a.@example.org",
		"a..b@example.org",
		"a+b@example.org",
		"@example.org",
		"a@",
		"\"q\"@example.org",
		"a\nb@example.org",
		"a@b@example.org",
	};
	struct rig r;
	struct dir_account_page page;
	struct dir_account_row row;
	struct dir_account a;
	struct arena mem;
	struct diag d;
	uint64_t id = 0;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("case %s", bad[i]);
		CHECK_ERR(rig_account(&r, bad[i], NULL), E_INVALID);
	}
	CHECK_ERR(rig_account(&r, "alice@no.such.test", NULL), E_NOT_FOUND);
	REQUIRE(rig_domain(&r, "alias.test", DIR_DOMAIN_ALIAS, "example.org", "") == E_OK);
	CHECK_ERR(rig_account(&r, "alice@alias.test", NULL), E_INVALID);
	CHECK_ERR(rig_account(&r, "Alice", &id), E_OK);
	CHECK_ERR(rig_account(&r, "alice@EXAMPLE.org", NULL), E_EXISTS);
	CHECK_ERR(rig_alias(&r, "alice@example.org", DIR_ALIAS, "x@y.test"), E_EXISTS);
	CHECK_ERR(rig_account(&r, "bob@example.org", NULL), E_OK);
	CHECK_ERR(rig_account(&r, "dave.o'neil@example.org", NULL), E_OK);

	CHECK_ERR(dir_account_show(r.d, SL("alice"), &mem, &row, &d), E_OK);
	CHECK_INT(row.id, id);
	CHECK_SLICE(row.address, SL("alice@example.org"));
	CHECK_INT(row.state, DIR_ACTIVE);
	CHECK_INT(row.cred, DIR_CRED_NONE);
	CHECK_INT(row.password_us, 0);
	CHECK(row.created_us > 0);
	CHECK_ERR(dir_account_list(r.d, SL("example.org"), SLICE_NONE, DIR_ACCOUNTS_ALL, SLICE_NONE,
				   2, &mem, &page, &d),
		  E_OK);
	CHECK_INT(page.n, 2);
	CHECK_SLICE(page.rows[1].address, SL("bob@example.org"));
	CHECK_ERR(dir_account_list(r.d, SLICE_NONE, SLICE_NONE, DIR_ACCOUNTS_ALL,
				   page.rows[1].address, 2, &mem, &page, &d),
		  E_OK);
	CHECK_INT(page.n, 1);
	CHECK_SLICE(page.rows[0].address, SL("dave.o'neil@example.org"));

	CHECK_ERR(dir_account_lock(r.d, &rig_actor, SL("nobody"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_account_quota(r.d, &rig_actor, SL("alice"), UINT64_MAX, 0, &d), E_INVALID);
	/* Removed: the name is free, the id stays until the mail is gone. */
	CHECK_ERR(dir_account_remove(r.d, &rig_actor, SL("alice"), &d), E_OK);
	CHECK_ERR(dir_account_remove(r.d, &rig_actor, SL("alice"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_NOT_FOUND);
	CHECK_ERR(dir_account_by_id(r.d, id, &a), E_OK);
	CHECK_INT(a.state, DIR_REMOVED);
	CHECK_ERR(rig_account(&r, "alice@example.org", NULL), E_OK);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK(a.id != id);
	CHECK_ERR(dir_account_purged(r.d, a.id, &d), E_NOT_FOUND);
	CHECK_ERR(dir_account_purged(r.d, id, &d), E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_ERR(dir_account_by_id(r.d, id, &a), E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}

WAITS static size_t count(struct rig *r, unsigned which, struct arena *mem)
{
	struct dir_account_page page;
	struct diag d;

	CHECK_ERR(dir_account_list(r->d, SLICE_NONE, SLICE_NONE, which, SLICE_NONE, 10, mem, &page,
				   &d),
		  E_OK);
	return page.n;
}

TEST_FIBER(admin_sending)
{
	uint32_t send[DIR_SENDS] = {1, 2, 0, DIR_SEND_DEFAULT, DIR_SEND_DEFAULT - 1, 6};
	char why[2 * 200 + 1];
	struct dir_account_row row;
	struct dir_account a;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_account(&r, "bob@example.org", NULL) == E_OK);
	REQUIRE(rig_account(&r, "carol@example.org", NULL) == E_OK);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK(!a.held);
	for (size_t i = 0; i < DIR_SENDS; i++)
		CHECK_INT(a.send[i], DIR_SEND_DEFAULT);
	/* Into the database, the image, and a list. */
	CHECK_ERR(dir_account_limit(r.d, &rig_actor, SL("alice"), send, &d), E_OK);
	CHECK_ERR(dir_account_limit(r.d, &rig_actor, SL("nobody"), send, &d), E_NOT_FOUND);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK_ERR(dir_account_show(r.d, SL("alice"), &mem, &row, &d), E_OK);
	for (size_t i = 0; i < DIR_SENDS; i++) {
		CHECK_INT(a.send[i], send[i]);
		CHECK_INT(row.send[i], send[i]);
	}
	/* Held: the reason is cut where the schema ends. */
	memset(why, 'x', sizeof why - 1);
	why[sizeof why - 1] = '\0';
	CHECK_ERR(dir_account_hold(r.d, &rig_actor, SL("alice"), slice_str(why), &d), E_OK);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK(a.held);
	CHECK_ERR(dir_account_show(r.d, SL("alice"), &mem, &row, &d), E_OK);
	CHECK_INT(row.held_why.n, 200);
	CHECK(row.held_us > 0);
	CHECK_ERR(dir_account_lock(r.d, &rig_actor, SL("bob"), &d), E_OK);
	CHECK_INT(count(&r, DIR_ACCOUNTS_ALL, &mem), 3);
	CHECK_INT(count(&r, DIR_ACCOUNTS_HELD, &mem), 1);
	CHECK_INT(count(&r, DIR_ACTIVE, &mem), 1);
	CHECK_INT(count(&r, DIR_LOCKED, &mem), 1);
	/* Locked and held are two things. */
	CHECK_ERR(dir_account_hold(r.d, &rig_actor, SL("bob"), SL("y"), &d), E_OK);
	CHECK_INT(count(&r, DIR_ACCOUNTS_HELD, &mem), 2);
	CHECK_INT(count(&r, DIR_LOCKED, &mem), 1);
	CHECK_ERR(dir_account_release(r.d, &rig_actor, SL("alice"), &d), E_OK);
	CHECK_ERR(dir_account_release(r.d, &rig_actor, SL("alice"), &d), E_OK);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK(!a.held);
	/* The copy has it, too. */
	dir_close(&r.d);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	CHECK_ERR(dir_account_by_name(r.d, SL("bob"), &a), E_OK);
	CHECK(a.held);
	CHECK_ERR(dir_account_by_name(r.d, SL("alice"), &a), E_OK);
	CHECK(!a.held);
	CHECK_INT(a.send[DIR_SEND_BURST], 6);
	pgserver_start();
	arena_reset(&mem);
	rig_close(&r);
}

/* A row that an older release wrote does not say what may be sent. */
TEST(admin_rows_of_before)
{
	struct dir_rec_account r = {.state = DIR_ACTIVE, .address = SL("a@b"), .held = true}, got;
	struct buf b;

	buf_init(&b, 1024, NULL);
	dir_rec_put_account(&b, &r);
	CHECK(dir_rec_account(buf_slice(&b), &got));
	CHECK(got.held && got.send[0] == 0);
	for (size_t cut = 1; cut <= 4 * DIR_SENDS; cut++)
		CHECK(!dir_rec_account(slice(b.p, b.n - cut), &got));
	CHECK(dir_rec_account(slice(b.p, b.n - 4 * DIR_SENDS - 1), &got));
	CHECK(!got.held && got.send[0] == DIR_SEND_DEFAULT);
	CHECK_SLICE(got.address, SL("a@b"));
	b.p[b.n - 1] = 2;
	CHECK(!dir_rec_account(buf_slice(&b), &got));
	buf_fini(&b);
}

TEST_FIBER(admin_credentials)
{
	struct dir_credential cred = {.kind = DIR_CRED_ARGON2ID, .n = 3, .verifier = "one"}, got;
	struct dir_account_spec s = {
		.address = SL("alice"), .cred = &cred, .partition = DIR_PARTITION_ANY};
	enum dir_account_state state;
	uint32_t epoch = 0, after = 0;
	uint64_t id = 0;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(dir_account_add(r.d, &rig_actor, &s, &id, &d) == E_OK);
	CHECK_ERR(dir_credential_get(r.d, id, deadline_in(5000), &got, &epoch, &state, &d), E_OK);
	CHECK_SLICE(slice(got.verifier, got.n), SL("one"));
	CHECK_INT(state, DIR_ACTIVE);
	cred.verifier[0] = 'O';
	REQUIRE(dir_account_passwd(r.d, &rig_actor, SL("alice"), &cred, &d) == E_OK);
	CHECK_ERR(dir_credential_get(r.d, id, deadline_in(5000), &got, &after, &state, &d), E_OK);
	CHECK_INT(after, epoch + 1);
	CHECK_SLICE(slice(got.verifier, got.n), SL("One"));
	/* An upgrade of an older epoch changes nothing; of this one, the verifier alone. */
	cred.verifier[0] = 'X';
	CHECK_ERR(dir_credential_upgrade(r.d, id, epoch, &cred, &d), E_OK);
	CHECK_ERR(dir_credential_get(r.d, id, deadline_in(5000), &got, &after, &state, &d), E_OK);
	CHECK_SLICE(slice(got.verifier, got.n), SL("One"));
	CHECK_ERR(dir_credential_upgrade(r.d, id, after, &cred, &d), E_OK);
	CHECK_ERR(dir_credential_get(r.d, id, deadline_in(5000), &got, &epoch, &state, &d), E_OK);
	CHECK_SLICE(slice(got.verifier, got.n), SL("Xne"));
	CHECK_INT(epoch, after);
	CHECK_ERR(dir_credential_get(r.d, id + 100, deadline_in(5000), &got, &epoch, &state, &d),
		  E_NOT_FOUND);
	cred.kind = DIR_CRED_NONE;
	CHECK_ERR(dir_account_passwd(r.d, &rig_actor, SL("alice"), &cred, &d), E_INVALID);
	rig_close(&r);
}

TEST_FIBER(admin_aliases)
{
	slice_t members[] = {SL("Bob"), SL("x@y.test"), SL("bob@example.org"), SL("x@y.test")};
	struct dir_alias_spec s = {.address = SL("info@example.org"),
				   .kind = DIR_GROUP,
				   .members = members,
				   .nmembers = 4};
	struct dir_alias_page page;
	struct dir_alias_row row;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(rig_alias(&r, "info@example.org", DIR_ALIAS, ""), E_INVALID);
	CHECK_ERR(rig_alias(&r, "info@example.org", DIR_ALIAS, "a@-b-"), E_INVALID);
	CHECK_ERR(rig_alias(&r, "info@no.such.test", DIR_ALIAS, "a@b.test"), E_NOT_FOUND);
	CHECK_ERR(rig_alias(&r, "info@example.org", DIR_ALIAS, "a@b.test"), E_OK);
	CHECK_ERR(rig_alias(&r, "info@example.org", DIR_ALIAS, "a@b.test"), E_EXISTS);
	CHECK_ERR(rig_account(&r, "info@example.org", NULL), E_EXISTS);
	CHECK_ERR(dir_alias_set(r.d, &rig_actor, &s, &d), E_OK);
	CHECK_ERR(dir_alias_show(r.d, SL("INFO@example.org"), &mem, &row, &d), E_OK);
	CHECK_INT(row.kind, DIR_GROUP);
	CHECK(row.enabled);
	REQUIRE(row.nmembers == 3);
	CHECK_SLICE(row.members[0], SL("Bob@example.org"));
	CHECK_SLICE(row.members[1], SL("x@y.test"));
	CHECK_SLICE(row.members[2], SL("bob@example.org"));
	CHECK_ERR(dir_alias_off(r.d, &rig_actor, SL("info"), &d), E_OK);
	CHECK_ERR(dir_alias_list(r.d, SLICE_NONE, SLICE_NONE, 10, &mem, &page, &d), E_OK);
	CHECK_INT(page.n, 1);
	CHECK(!page.rows[0].enabled);
	CHECK_ERR(dir_alias_on(r.d, &rig_actor, SL("info"), &d), E_OK);
	CHECK_ERR(dir_alias_on(r.d, &rig_actor, SL("no-such"), &d), E_NOT_FOUND);
	/* An account's own address is no alias. */
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	CHECK_ERR(dir_alias_remove(r.d, &rig_actor, SL("alice"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_alias_off(r.d, &rig_actor, SL("alice"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_alias_remove(r.d, &rig_actor, SL("info"), &d), E_OK);
	CHECK_ERR(dir_alias_remove(r.d, &rig_actor, SL("info"), &d), E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}

/* A text anywhere in it, whatever SQL means by it elsewhere; page after page. */
TEST_FIBER(admin_accounts_match)
{
	static const struct {
		const char *match, *after, *first;
	} cases[] = {
		{"", "", "alice@example.org"},
		{"E.O'N", "", "dave.o'neil@example.org"},
		{"@example", "alice@example.org", "bob@example.org"},
		{"o", "bob@example.org", "dave.o'neil@example.org"},
		{"o", "dave.o'neil@example.org", ""},
		{"%", "", ""},
		{"_", "", ""},
		{"\\", "", ""},
	};
	struct dir_account_page page;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(rig_account(&r, "bob@example.org", NULL) == E_OK);
	REQUIRE(rig_account(&r, "dave.o'neil@example.org", NULL) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_ERR(dir_account_list(r.d, SL("example.org"), slice_str(cases[i].match),
					   DIR_ACCOUNTS_ALL, slice_str(cases[i].after), 1, &mem,
					   &page, &d),
			  E_OK);
		check_note("%s", cases[i].match);
		CHECK_INT(page.n, cases[i].first[0] != '\0');
		if (page.n == 1)
			CHECK_SLICE(page.rows[0].address, slice_str(cases[i].first));
	}
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(admin_cluster)
{
	struct dir_node n = {.name = "be9", .address = "10.0.0.9", .port = 7411};
	struct dir_partition p;
	struct dir_cert_page certs;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(dir_partition_assign(r.d, &rig_actor, 0, SL("be9"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_node_register(r.d, &rig_actor, &n, &d), E_OK);
	CHECK_ERR(dir_partition_get(r.d, 0, &p), E_OK);
	CHECK_STR(p.node, "be1");
	CHECK_INT(p.epoch, 1);
	CHECK_ERR(dir_partition_assign(r.d, &rig_actor, 0, SL("be9"), &d), E_OK);
	CHECK_ERR(dir_partition_assign(r.d, &rig_actor, 0, SL("be9"), &d), E_OK);
	CHECK_ERR(dir_partition_get(r.d, 0, &p), E_OK);
	CHECK_STR(p.node, "be9");
	CHECK_INT(p.epoch, 2);
	CHECK(!dir_owns(r.d, 0));
	CHECK_ERR(dir_partition_assign(r.d, &rig_actor, 70000, SL("be9"), &d), E_INVALID);
	CHECK_ERR(dir_node_remove(r.d, &rig_actor, SL("be9"), &d), E_INVALID);
	CHECK_ERR(dir_partition_assign(r.d, &rig_actor, 0, SL("be1"), &d), E_OK);
	CHECK_ERR(dir_node_remove(r.d, &rig_actor, SL("be9"), &d), E_OK);
	CHECK_ERR(dir_node_remove(r.d, &rig_actor, SL("be9"), &d), E_NOT_FOUND);
	/* Only a node without any makes partitions by itself. */
	CHECK_ERR(dir_partition_bootstrap(r.d, 4, &d), E_OK);
	CHECK_INT(dir_partition_count(r.d), 1);

	CHECK_ERR(dir_setting_set(r.d, &rig_actor, SL("Bad Key"), SL("x"), &d), E_INVALID);
	CHECK_ERR(dir_setting_unset(r.d, &rig_actor, SL("no.such"), &d), E_NOT_FOUND);
	CHECK_ERR(dir_setting_set(r.d, &rig_actor, SL("smtp.x"), SL("1"), &d), E_OK);
	CHECK_ERR(dir_setting_set(r.d, &rig_actor, SL("imap.x"), SL("2"), &d), E_OK);
	REQUIRE(dir_setting_count(r.d) == 2);
	{
		slice_t key, value;

		dir_setting_at(r.d, 0, &key, &value);
		CHECK_SLICE(key, SL("imap.x"));
		CHECK_SLICE(value, SL("2"));
	}
	CHECK_ERR(dir_setting_unset(r.d, &rig_actor, SL("smtp.x"), &d), E_OK);
	CHECK_INT(dir_setting_count(r.d), 1);

	CHECK_ERR(dir_cert_issued(r.d, &rig_actor, SL("0a"), SL("frontend/fe1/smtp"), 1, &d), E_OK);
	CHECK_ERR(dir_cert_issued(r.d, &rig_actor, SL("0a"), SL("x"), 1, &d), E_EXISTS);
	CHECK_ERR(dir_cert_issued(r.d, &rig_actor, SL("0A"), SL("x"), 1, &d), E_INVALID);
	CHECK(!dir_cert_revoked(r.d, SL("0a")));
	CHECK_ERR(dir_cert_revoke(r.d, &rig_actor, SL("0a"), SLICE_NONE, &d), E_OK);
	CHECK_ERR(dir_cert_revoke(r.d, &rig_actor, SL("ff"), SL("frontend/fe2/imap"), &d), E_OK);
	CHECK(dir_cert_revoked(r.d, SL("0a")));
	CHECK_INT(dir_revoked_count(r.d), 2);
	CHECK_SLICE(dir_revoked_at(r.d, 1), SL("ff"));
	CHECK_ERR(dir_cert_list(r.d, SLICE_NONE, 10, &mem, &certs, &d), E_OK);
	REQUIRE(certs.n == 2);
	CHECK_SLICE(certs.rows[0].name, SL("frontend/fe1/smtp"));
	CHECK(certs.rows[0].revoked_us > 0);
	CHECK_INT(certs.rows[1].expires_us, 0);
	arena_reset(&mem);
	rig_close(&r);
}

/* It has the dates of its certificate, also when it was listed before without. */
TEST_FIBER(admin_certificates_shown)
{
	struct dir_cert_row shown = {.serial = SL("0c"),
				     .name = SL("backend/be1"),
				     .issued_us = 1600000000000000,
				     .expires_us = 1700000000000000};
	struct dir_cert_row issued = {.serial = SL("0d"), .issued_us = 1, .expires_us = 2};
	struct dir_cert_page certs;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	pgserver_sql("INSERT INTO certificates (serial, name) VALUES ('0c', 'backend/be1')");
	CHECK_ERR(dir_cert_issued(r.d, &rig_actor, SL("0d"), SL("admin/a"), 9000000, &d), E_OK);
	CHECK_ERR(dir_cert_seen(r.d, &shown, &d), E_OK);
	CHECK_ERR(dir_cert_seen(r.d, &issued, &d), E_OK);
	shown.serial = SL("0e");
	CHECK_ERR(dir_cert_seen(r.d, &shown, &d), E_OK);
	shown.serial = SL("0E");
	CHECK_ERR(dir_cert_seen(r.d, &shown, &d), E_INVALID);
	CHECK_ERR(dir_cert_list(r.d, SLICE_NONE, 10, &mem, &certs, &d), E_OK);
	REQUIRE(certs.n == 3);
	for (size_t i = 0; i < 3; i += 2) {
		CHECK_INT(certs.rows[i].issued_us, shown.issued_us);
		CHECK_INT(certs.rows[i].expires_us, shown.expires_us);
	}
	CHECK_SLICE(certs.rows[1].name, SL("admin/a"));
	CHECK(certs.rows[1].issued_us > shown.issued_us);
	CHECK_INT(certs.rows[1].expires_us, 9000000);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(admin_every_call_is_audited)
{
	struct dir_audit_page page;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	CHECK_ERR(rig_account(&r, "alice@example.org", NULL), E_EXISTS);
	CHECK_ERR(dir_account_lock(r.d, &rig_actor,
				   SL("no\xff"
				      "body\x01"),
				   &d),
		  E_INVALID);
	CHECK_ERR(dir_audit_add(r.d, &rig_actor, "session.kill", SL("x"), E_OK, SLICE_NONE, &d),
		  E_OK);
	CHECK_ERR(dir_audit_list(r.d, 0, 4, &mem, &page, &d), E_OK);
	REQUIRE(page.n == 4);
	CHECK_SLICE(page.rows[0].method, SL("session.kill"));
	CHECK_SLICE(page.rows[1].method, SL("account.lock"));
	CHECK_SLICE(page.rows[1].result, SL("invalid"));
	CHECK_SLICE(page.rows[1].target, SL("(not text)"));
	CHECK_SLICE(page.rows[2].result, SL("exists"));
	CHECK_SLICE(page.rows[3].result, SL("ok"));
	CHECK_SLICE(page.rows[3].who, SL("admin/test"));
	CHECK_SLICE(page.rows[3].from, SL("127.0.0.1"));
	CHECK_SLICE(page.rows[3].target, SL("alice@example.org"));
	CHECK(page.rows[3].when_us > 0);
	CHECK_ERR(dir_audit_list(r.d, page.rows[3].id, 100, &mem, &page, &d), E_OK);
	CHECK(page.n >= 3);
	/* The refused ones left nothing else behind. */
	CHECK_STR(result_of(&r, "SELECT count(*) FROM accounts"), "1");
	arena_reset(&mem);
	rig_close(&r);
}
