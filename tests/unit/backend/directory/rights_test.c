/* Who may send as whom: aliases, groups, and rights to another account's addresses. */
#include "backend/directory/dir_rights.h"

#include <stdio.h>

#include "tests/unit/backend/directory/rig.h"

WAITS static enum err alias(struct rig *r, const char *address, enum dir_alias_kind kind,
			    enum dir_alias_senders senders, const char *one, const char *two)
{
	slice_t members[2] = {slice_str(one), slice_str(two)};
	struct dir_alias_spec s = {.address = slice_str(address),
				   .kind = kind,
				   .members = members,
				   .nmembers = two[0] != '\0' ? 2 : 1,
				   .senders = senders};

	return dir_alias_add(r->d, &rig_actor, &s, NULL);
}

WAITS static bool fill(struct rig *r)
{
	static const struct {
		const char *address;
		enum dir_alias_kind kind;
		enum dir_alias_senders senders;
		const char *one, *two;
	} rows[] = {
		{"alone@example.org", DIR_ALIAS, DIR_SENDERS_ALONE, "alice@example.org", ""},
		{"again@example.org", DIR_ALIAS, DIR_SENDERS_ALONE, "alone@example.org", ""},
		{"two@example.org", DIR_ALIAS, DIR_SENDERS_ALONE, "alice@example.org",
		 "bob@example.org"},
		{"copy@example.org", DIR_ALIAS, DIR_SENDERS_ALONE, "alice@example.org",
		 "x@elsewhere.test"},
		{"shared@example.org", DIR_ALIAS, DIR_SENDERS_MEMBERS, "alice@example.org",
		 "bob@example.org"},
		{"mute@example.org", DIR_ALIAS, DIR_SENDERS_NOBODY, "alice@example.org", ""},
		{"one@example.org", DIR_GROUP, DIR_SENDERS_ALONE, "alice@example.org", ""},
		{"team@example.org", DIR_GROUP, DIR_SENDERS_MEMBERS, "two@example.org", ""},
		{"boss-alias@example.org", DIR_ALIAS, DIR_SENDERS_ALONE, "boss@example.org", ""},
		{"boss-mute@example.org", DIR_ALIAS, DIR_SENDERS_NOBODY, "boss@example.org", ""},
	};
	bool ok = rig_account(r, "alice@example.org", NULL) == E_OK &&
		  rig_account(r, "bob@example.org", NULL) == E_OK &&
		  rig_account(r, "boss@example.org", NULL) == E_OK;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ok = ok && alias(r, rows[i].address, rows[i].kind, rows[i].senders, rows[i].one,
				 rows[i].two) == E_OK;
	return ok && rig_synced(r);
}

static uint64_t id_of(const struct rig *r, const char *address)
{
	struct dir_account a;

	return dir_account_by_name(r->d, slice_str(address), &a) == E_OK ? a.id : 0;
}

/* The number of enum dir_sender; 0: denied. */
static int sender(const struct rig *r, const char *account, const char *address)
{
	enum dir_sender out;
	enum err e = dir_sender(r->d, id_of(r, account), slice_str(address), &out);

	check_note("%s as %s", account, address);
	if (e != E_OK)
		CHECK_ERR(e, E_DENIED);
	return e == E_OK ? (int)out : 0;
}

TEST_FIBER(rights_of_aliases_and_groups)
{
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	CHECK_INT(sender(&r, "alice", "alice@example.org"), DIR_SENDER_MAIN);
	CHECK_INT(sender(&r, "alice", "Alice+x@example.org"), DIR_SENDER_MAIN);
	CHECK_INT(sender(&r, "alice", "alone@example.org"), DIR_SENDER_ALIAS);
	CHECK_INT(sender(&r, "alice", "again@example.org"), DIR_SENDER_ALIAS);
	CHECK_INT(sender(&r, "alice", "two@example.org"), 0);
	CHECK_INT(sender(&r, "alice", "copy@example.org"), 0);
	CHECK_INT(sender(&r, "alice", "shared@example.org"), DIR_SENDER_ALIAS);
	CHECK_INT(sender(&r, "bob", "shared@example.org"), DIR_SENDER_ALIAS);
	CHECK_INT(sender(&r, "boss", "shared@example.org"), 0);
	CHECK_INT(sender(&r, "alice", "mute@example.org"), 0);
	CHECK_INT(sender(&r, "alice", "one@example.org"), 0);
	CHECK_INT(sender(&r, "bob", "team@example.org"), DIR_SENDER_ALIAS);
	CHECK_INT(sender(&r, "boss", "team@example.org"), 0);
	rig_close(&r);
}

TEST_FIBER(rights_to_another_account)
{
	struct rig r;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	CHECK_INT(sender(&r, "alice", "boss@example.org"), 0);
	REQUIRE(dir_right_grant(r.d, &rig_actor, SL("boss@example.org"), SL("alice@example.org"),
				DIR_ON_BEHALF, &d) == E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_INT(sender(&r, "alice", "boss@example.org"), DIR_SENDER_ON_BEHALF);
	CHECK_INT(sender(&r, "alice", "boss+x@example.org"), DIR_SENDER_ON_BEHALF);
	CHECK_INT(sender(&r, "alice", "boss-alias@example.org"), DIR_SENDER_ON_BEHALF);
	CHECK_INT(sender(&r, "alice", "boss-mute@example.org"), 0);
	CHECK_INT(sender(&r, "bob", "boss@example.org"), 0);
	CHECK_INT(sender(&r, "boss", "alice@example.org"), 0);
	/* Instead of the one before. */
	REQUIRE(dir_right_grant(r.d, &rig_actor, SL("boss@example.org"), SL("alice@example.org"),
				DIR_SEND_AS, &d) == E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_INT(sender(&r, "alice", "boss@example.org"), DIR_SENDER_SEND_AS);
	REQUIRE(dir_right_revoke(r.d, &rig_actor, SL("boss@example.org"), SL("alice@example.org"),
				 &d) == E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_INT(sender(&r, "alice", "boss@example.org"), 0);
	CHECK_ERR(dir_right_revoke(r.d, &rig_actor, SL("boss@example.org"), SL("alice@example.org"),
				   &d),
		  E_NOT_FOUND);
	rig_close(&r);
}

TEST_FIBER(rights_that_are_refused)
{
	struct rig r;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	CHECK_ERR(dir_right_grant(r.d, &rig_actor, SL("boss"), SL("boss@example.org"), DIR_SEND_AS,
				  &d),
		  E_INVALID);
	CHECK_ERR(dir_right_grant(r.d, &rig_actor, SL("boss"), SL("nobody"), DIR_SEND_AS, &d),
		  E_NOT_FOUND);
	CHECK_ERR(
		dir_right_grant(r.d, &rig_actor, SL("two@example.org"), SL("bob"), DIR_SEND_AS, &d),
		E_NOT_FOUND);
	CHECK_ERR(dir_right_grant(r.d, &rig_actor, SL("boss"), SL("bob"), 3, &d), E_INVALID);
	rig_close(&r);
}

TEST_FIBER(rights_are_limited)
{
	struct dir_rights rights;
	struct arena mem;
	struct rig r;
	struct diag d;
	char name[32];

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	for (int i = 0; i <= DIR_RIGHTS_MAX; i++) {
		snprintf(name, sizeof name, "user%d@example.org", i);
		REQUIRE(rig_account(&r, name, NULL) == E_OK);
		CHECK_ERR(dir_right_grant(r.d, &rig_actor, SL("boss"), slice_str(name), DIR_SEND_AS,
					  &d),
			  i < DIR_RIGHTS_MAX ? E_OK : E_INVALID);
	}
	arena_init(&mem, NULL);
	CHECK_ERR(dir_right_list(r.d, id_of(&r, "boss"), &mem, &rights, &d), E_OK);
	CHECK_INT(rights.nusers, DIR_RIGHTS_MAX);
	CHECK_INT(rights.nowners, 0);
	CHECK_ERR(dir_right_list(r.d, id_of(&r, "user1"), &mem, &rights, &d), E_OK);
	REQUIRE(rights.nusers == 0 && rights.nowners == 1);
	CHECK_SLICE(rights.owners[0].address, SL("boss@example.org"));
	CHECK_INT(rights.owners[0].kind, DIR_SEND_AS);
	/* Gone with either account. */
	CHECK_ERR(dir_account_remove(r.d, &rig_actor, SL("boss@example.org"), &d), E_OK);
	CHECK_ERR(dir_right_list(r.d, id_of(&r, "user1"), &mem, &rights, &d), E_OK);
	CHECK_INT(rights.nowners, 0);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(rights_outlive_the_database)
{
	struct rig r;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	REQUIRE(dir_right_grant(r.d, &rig_actor, SL("boss"), SL("alice"), DIR_SEND_AS, &d) == E_OK);
	REQUIRE(rig_synced(&r));
	dir_close(&r.d);
	snprintf(r.conninfo, sizeof r.conninfo, "host=/nonexistent");
	REQUIRE(rig_start(&r, "be1"));
	CHECK_INT(sender(&r, "alice", "boss@example.org"), DIR_SENDER_SEND_AS);
	CHECK_INT(sender(&r, "alice", "shared@example.org"), DIR_SENDER_ALIAS);
	rig_close(&r);
}
