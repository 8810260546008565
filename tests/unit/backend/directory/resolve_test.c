/* The golden table of resolution, and its limits. */
#include "backend/directory/dir_rights.h"
#include "tests/unit/backend/directory/rig.h"

#include <stdio.h>

/* Targets as "address address", accounts first in order of appearance; "!" before outside ones. */
static void render(const struct dir_resolved *r, struct buf *out)
{
	for (size_t i = 0; i < r->ntargets; i++) {
		if (i > 0)
			buf_putc(out, ' ');
		if (r->targets[i].kind == DIR_TO_OUTSIDE)
			buf_putc(out, '!');
		buf_put(out, r->targets[i].address);
	}
}

struct golden {
	const char *address;
	enum err e;
	enum dir_via via;
	const char *detail;
	const char *targets;
};

static const struct golden table[] = {
	/* accounts */
	{"alice@example.org", E_OK, DIR_VIA_ACCOUNT, "", "alice@example.org"},
	{"ALICE@Example.ORG", E_OK, DIR_VIA_ACCOUNT, "", "alice@example.org"},
	{"alice@example.org.", E_INVALID, 0, "", ""},
	{"alice", E_OK, DIR_VIA_ACCOUNT, "", "alice@example.org"},
	{"nobody@example.org", E_NOT_FOUND, 0, "", ""},
	{"alice@elsewhere.test", E_DENIED, 0, "", ""},
	{"locked@example.org", E_OK, DIR_VIA_ACCOUNT, "", "locked@example.org"},
	{"gone@example.org", E_NOT_FOUND, 0, "", ""},
	/* details */
	{"alice+lists@example.org", E_OK, DIR_VIA_ACCOUNT, "lists", "alice@example.org"},
	{"Alice+a+B@example.org", E_OK, DIR_VIA_ACCOUNT, "a+b", "alice@example.org"},
	{"alice+@example.org", E_OK, DIR_VIA_ACCOUNT, "", "alice@example.org"},
	{"+lists@example.org", E_NOT_FOUND, 0, "", ""},
	{"nobody+lists@example.org", E_NOT_FOUND, 0, "", ""},
	{"alice+own@example.org", E_OK, DIR_VIA_ALIAS, "", "bob@example.org"},
	/* aliases and groups */
	{"info@example.org", E_OK, DIR_VIA_ALIAS, "", "alice@example.org"},
	{"info+x@example.org", E_OK, DIR_VIA_ALIAS, "x", "alice@example.org"},
	{"off@example.org", E_NOT_FOUND, 0, "", ""},
	{"off@catch.example", E_NOT_FOUND, 0, "", ""},
	{"out@example.org", E_OK, DIR_VIA_ALIAS, "", "!Someone@elsewhere.test"},
	{"both@example.org", E_OK, DIR_VIA_ALIAS, "", "bob@example.org !x@elsewhere.test"},
	{"team@example.org", E_OK, DIR_VIA_GROUP, "", "alice@example.org bob@example.org"},
	{"all@example.org", E_OK, DIR_VIA_GROUP, "",
	 "alice@example.org bob@example.org carol@catch.example"},
	{"loop1@example.org", E_OK, DIR_VIA_ALIAS, "", "bob@example.org"},
	{"self@example.org", E_NOT_FOUND, 0, "", ""},
	{"dangling@example.org", E_NOT_FOUND, 0, "", ""},
	{"halfway@example.org", E_OK, DIR_VIA_ALIAS, "", "alice@example.org"},
	{"deep1@example.org", E_TOO_BIG, 0, "", ""},
	{"deep2@example.org", E_OK, DIR_VIA_ALIAS, "", "alice@example.org"},
	/* catch-all */
	{"carol@catch.example", E_OK, DIR_VIA_ACCOUNT, "", "carol@catch.example"},
	{"anything@catch.example", E_OK, DIR_VIA_CATCH_ALL, "", "carol@catch.example"},
	{"any+thing@catch.example", E_OK, DIR_VIA_CATCH_ALL, "", "carol@catch.example"},
	{"x@roundabout.example", E_NOT_FOUND, 0, "", ""},
	/* domain aliases and remote domains */
	{"alice@alias.example", E_OK, DIR_VIA_ACCOUNT, "", "alice@example.org"},
	{"alice+z@alias.example", E_OK, DIR_VIA_ACCOUNT, "z", "alice@example.org"},
	{"team@alias.example", E_OK, DIR_VIA_GROUP, "", "alice@example.org bob@example.org"},
	{"nobody@alias.example", E_NOT_FOUND, 0, "", ""},
	{"x@catch-alias.example", E_OK, DIR_VIA_CATCH_ALL, "", "carol@catch.example"},
	{"Who@remote.example", E_OK, DIR_VIA_REMOTE, "", "!who@remote.example"},
	/* postmaster (RFC 5321 4.5.1) */
	{"postmaster@example.org", E_OK, DIR_VIA_CATCH_ALL, "", "bob@example.org"},
	{"Postmaster", E_OK, DIR_VIA_CATCH_ALL, "", "bob@example.org"},
	/* not addresses */
	{"", E_INVALID, 0, "", ""},
	{"@example.org", E_INVALID, 0, "", ""},
	{"alice@", E_INVALID, 0, "", ""},
	{"alice@-bad-.org", E_INVALID, 0, "", ""},
	{"a\tb@example.org", E_INVALID, 0, "", ""},
	{"\xff@example.org", E_INVALID, 0, "", ""},
	{"l23456789012345678901234567890123456789012345678901234567890123456@example.org",
	 E_INVALID, 0, "", ""},
};

WAITS static bool fill_domains(struct rig *r)
{
	return rig_domain(r, "catch.example", DIR_DOMAIN_LOCAL, "", "carol@catch.example") ==
		       E_OK &&
	       rig_domain(r, "alias.example", DIR_DOMAIN_ALIAS, "example.org", "") == E_OK &&
	       rig_domain(r, "catch-alias.example", DIR_DOMAIN_ALIAS, "catch.example", "") ==
		       E_OK &&
	       rig_domain(r, "remote.example", DIR_DOMAIN_REMOTE, "", "") == E_OK &&
	       rig_domain(r, "roundabout.example", DIR_DOMAIN_LOCAL, "", "y@roundabout.example") ==
		       E_OK;
}

WAITS static bool fill_accounts(struct rig *r)
{
	static const char *const names[] = {"alice@example.org", "Bob@Example.org",
					    "carol@catch.example", "locked@example.org",
					    "gone@example.org"};
	struct diag d;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (rig_account(r, names[i], NULL) != E_OK)
			return false;
	return dir_account_lock(r->d, &rig_actor, SL("locked@example.org"), &d) == E_OK &&
	       dir_account_remove(r->d, &rig_actor, SL("gone@example.org"), &d) == E_OK;
}

WAITS static bool fill_aliases(struct rig *r)
{
	static const struct {
		const char *address;
		enum dir_alias_kind kind;
		const char *members;
	} v[] = {
		{"info@example.org", DIR_ALIAS, "alice@example.org"},
		{"alice+own@example.org", DIR_ALIAS, "bob@example.org"},
		{"off@example.org", DIR_ALIAS, "alice@example.org"},
		{"off@catch.example", DIR_ALIAS, "alice@example.org"},
		{"out@example.org", DIR_ALIAS, "Someone@elsewhere.test"},
		{"both@example.org", DIR_ALIAS, "bob x@elsewhere.test bob@alias.example"},
		{"team@example.org", DIR_GROUP, "alice@example.org bob@example.org"},
		{"all@example.org", DIR_GROUP,
		 "team@example.org info@example.org "
		 "lost@catch.example all@example.org"},
		{"loop1@example.org", DIR_ALIAS, "loop2@example.org"},
		{"loop2@example.org", DIR_ALIAS, "loop1@example.org bob@example.org"},
		{"self@example.org", DIR_ALIAS, "self@example.org"},
		{"dangling@example.org", DIR_ALIAS, "nobody@example.org"},
		{"halfway@example.org", DIR_ALIAS, "nobody@example.org alice@example.org"},
	};

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		if (rig_alias(r, v[i].address, v[i].kind, v[i].members) != E_OK)
			return false;
	for (int i = 1; i <= 11; i++) {
		char from[32], to[32];

		snprintf(from, sizeof from, "deep%d@example.org", i);
		snprintf(to, sizeof to, i < 11 ? "deep%d@example.org" : "alice@example.org", i + 1);
		if (rig_alias(r, from, DIR_ALIAS, to) != E_OK)
			return false;
	}
	return true;
}

WAITS static bool fill(struct rig *r)
{
	struct diag d;

	return fill_domains(r) && fill_accounts(r) && fill_aliases(r) &&
	       dir_alias_off(r->d, &rig_actor, SL("off@example.org"), &d) == E_OK &&
	       dir_alias_off(r->d, &rig_actor, SL("off@catch.example"), &d) == E_OK &&
	       dir_setting_set(r->d, &rig_actor, SL("directory.postmaster"), SL("bob@example.org"),
			       &d) == E_OK &&
	       rig_synced(r);
}

static void check_golden(const struct dir *d, const struct golden *g)
{
	struct diag diag = {.text = ""};
	struct dir_resolved r;
	struct arena mem;
	struct buf got;

	arena_init(&mem, NULL);
	buf_init(&got, 4096, NULL);
	check_note("resolve %s", g->address);
	CHECK_ERR(dir_resolve(d, slice_str(g->address), &mem, &r, &diag), g->e);
	if (g->e == E_OK) {
		render(&r, &got);
		CHECK_SLICE(buf_slice(&got), slice_str(g->targets));
		CHECK_INT(r.via, g->via);
		CHECK_SLICE(r.detail, slice_str(g->detail));
		CHECK_INT(r.naccounts + r.noutside, r.ntargets);
	}
	buf_fini(&got);
	arena_reset(&mem);
}

TEST_FIBER(resolve_golden)
{
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check_golden(r.d, &table[i]);
	/* The same answers from the durable copy, without PostgreSQL; but what is not in it may be
	 * new. */
	dir_close(&r.d);
	pgserver_stop();
	REQUIRE(rig_start(&r, "be1"));
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct golden g = table[i];

		if (g.e == E_NOT_FOUND || g.e == E_DENIED)
			g.e = E_RETRY;
		check_golden(r.d, &g);
	}
	pgserver_start();
	rig_close(&r);
}

TEST_FIBER(resolve_separator_is_a_setting)
{
	struct golden minus = {"alice-x@example.org", E_OK, DIR_VIA_ACCOUNT, "x",
			       "alice@example.org"};
	struct golden plus = {"alice+x@example.org", E_NOT_FOUND, 0, "", ""};
	struct rig r;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	REQUIRE(dir_setting_set(r.d, &rig_actor, SL("directory.plus"), SL("-"), &d) == E_OK);
	REQUIRE(rig_synced(&r));
	check_golden(r.d, &minus);
	check_golden(r.d, &plus);
	REQUIRE(dir_setting_set(r.d, &rig_actor, SL("directory.plus"), SL(""), &d) == E_OK);
	REQUIRE(rig_synced(&r));
	minus.e = E_NOT_FOUND;
	check_golden(r.d, &minus);
	rig_close(&r);
}

/* Mail for a postmaster waits rather than be refused. */
TEST_FIBER(resolve_postmaster_who_is_gone)
{
	struct golden lost = {"postmaster@example.org", E_RETRY, 0, "", ""};
	struct golden unset = {"postmaster@example.org", E_NOT_FOUND, 0, "", ""};
	struct rig r;
	struct diag d;

	REQUIRE(rig_open(&r));
	REQUIRE(rig_account(&r, "alice@example.org", NULL) == E_OK);
	check_golden(r.d, &unset);
	REQUIRE(dir_setting_set(r.d, &rig_actor, SL("directory.postmaster"), SL("gone@example.org"),
				&d) == E_OK);
	REQUIRE(rig_synced(&r));
	check_golden(r.d, &lost);
	rig_close(&r);
}

TEST_FIBER(resolve_members_limit)
{
	slice_t m[DIR_MEMBERS_MAX + 1];
	slice_t two[] = {SL("most@example.org"), SL("one@elsewhere.test")};
	struct dir_alias_spec s = {.kind = DIR_GROUP, .members = m};
	struct dir_resolved res;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	for (size_t i = 0; i < ARRAY_LEN(m); i++) {
		char a[64];

		snprintf(a, sizeof a, "member%zu@elsewhere.test", i);
		m[i] = arena_dup(&mem, slice_str(a));
	}
	s.address = SL("most@example.org");
	s.nmembers = DIR_MEMBERS_MAX;
	CHECK_ERR(dir_alias_add(r.d, &rig_actor, &s, &d), E_OK);
	s.address = SL("more@example.org");
	s.nmembers = DIR_MEMBERS_MAX + 1;
	CHECK_ERR(dir_alias_add(r.d, &rig_actor, &s, &d), E_INVALID);
	/* Of names here it is known what they come to: when made, and when changed. */
	CHECK_ERR(
		rig_alias(&r, "over@example.org", DIR_GROUP, "most@example.org one@elsewhere.test"),
		E_INVALID);
	CHECK_ERR(rig_alias(&r, "over@example.org", DIR_GROUP,
			    "most@example.org member1@elsewhere.test"),
		  E_OK);
	s = (struct dir_alias_spec){SL("over@example.org"), DIR_GROUP, two, 2, DIR_SENDERS_ALONE};
	CHECK_ERR(dir_alias_set(r.d, &rig_actor, &s, &d), E_INVALID);
	CHECK_ERR(dir_resolve(r.d, SL("over@example.org"), &mem, &res, NULL), E_OK);
	CHECK_INT(res.noutside, DIR_MEMBERS_MAX);
	/* Its own members so far do not count. */
	s = (struct dir_alias_spec){SL("most@example.org"), DIR_GROUP, two, 2, DIR_SENDERS_ALONE};
	CHECK_ERR(dir_alias_set(r.d, &rig_actor, &s, &d), E_OK);
	s = (struct dir_alias_spec){SL("most@example.org"), DIR_GROUP, m, DIR_MEMBERS_MAX,
				    DIR_SENDERS_ALONE};
	CHECK_ERR(dir_alias_set(r.d, &rig_actor, &s, &d), E_OK);
	/* What it is a member of may come to too many. */
	CHECK_ERR(rig_alias(&r, "grows@example.org", DIR_GROUP, "one@elsewhere.test"), E_OK);
	CHECK_ERR(rig_alias(&r, "outer@example.org", DIR_GROUP,
			    "grows@example.org two@elsewhere.test"),
		  E_OK);
	s.address = SL("grows@example.org");
	CHECK_ERR(dir_alias_set(r.d, &rig_actor, &s, &d), E_OK);
	REQUIRE(rig_synced(&r));
	CHECK_ERR(dir_resolve(r.d, SL("grows@example.org"), &mem, &res, NULL), E_OK);
	CHECK_ERR(dir_resolve(r.d, SL("outer@example.org"), &mem, &res, NULL), E_TOO_BIG);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(send_as)
{
	static const struct {
		const char *address;
		enum err e;
	} cases[] = {
		{"alice@example.org", E_OK},
		{"Alice+x@alias.example", E_OK},
		{"info@example.org", E_OK},
		{"halfway@example.org", E_OK},
		{"bob@example.org", E_DENIED},
		{"team@example.org", E_DENIED},
		{"nobody@example.org", E_DENIED},
		{"off@example.org", E_DENIED},
		{"x@catch.example", E_DENIED},
		{"x@elsewhere.test", E_DENIED},
		{"alice", E_DENIED},
		{"", E_DENIED},
		{"postmaster@example.org", E_DENIED},
	};
	enum dir_sender right;
	struct dir_account a;
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	REQUIRE(dir_account_by_name(r.d, SL("alice"), &a) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("send as %s", cases[i].address);
		CHECK_ERR(dir_sender(r.d, a.id, slice_str(cases[i].address), &right), cases[i].e);
	}
	rig_close(&r);
}

TEST_FIBER(ours_are_those_who_log_in_here)
{
	static const struct {
		const char *domain;
		enum err e;
	} cases[] = {
		{"example.org", E_OK},         {"EXAMPLE.org", E_OK},
		{"alias.example", E_OK},       {"remote.example", E_DENIED},
		{"sub.example.org", E_DENIED}, {"else.example", E_DENIED},
		{"not a domain", E_DENIED},
	};
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(fill(&r));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("domain %s", cases[i].domain);
		CHECK_ERR(dir_domain_is_ours(r.d, slice_str(cases[i].domain)), cases[i].e);
	}
	rig_close(&r);
}
