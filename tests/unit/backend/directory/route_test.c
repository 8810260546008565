/* Routes: which one holds, what management refuses, and passwords in their boxes. */
#include "backend/directory/dir_route.h"

#include <stdio.h>

#include "tests/unit/backend/directory/rig.h"

static const slice_t password = {"secret of a relay", 17};

WAITS static enum err add(struct rig *r, const char *domain, const char *sender,
			  enum dir_route_action action, const char *target)
{
	struct dir_route_spec s = {.r = {.domain = slice_str(domain),
					 .sender = slice_str(sender),
					 .action = action,
					 .target = slice_str(target)}};
	struct diag d = {""};
	enum err e = dir_route_add(r->d, &rig_actor, &s, &d);

	check_note("%s %s: %s", domain, sender, d.text);
	return e;
}

/* The target of the route that holds; "" for none. */
static slice_t way(struct rig *r, const char *sender, const char *address)
{
	struct dir_route out;

	return dir_route_find(r->d, slice_str(sender), slice_str(address), &out) ? out.target
										 : SLICE_NONE;
}

TEST_FIBER(route_most_specific)
{
	static const struct {
		const char *domain, *sender, *target;
	} rows[] = {
		{"*", "", "any"},
		{"*", "@from.test", "any.from"},
		{"*", "a@from.test", "any.a"},
		{".to.test", "", "below"},
		{".sub.to.test", "", "far.below"},
		{".sub.to.test", "@from.test", "far.below.from"},
		{"to.test", "", "to"},
		{"to.test", "A@From.Test", "to.a"},
	};
	static const struct {
		const char *sender, *address, *target;
	} cases[] = {
		{"", "x@other.test", "any"},
		{"b@from.test", "x@other.test", "any.from"},
		{"a@FROM.test", "x@other.test", "any.a"},
		{"A@from.test", "x@other.test", "any.a"},
		{"a@sub.from.test", "x@other.test", "any"},
		{"a@from.test", "x@[192.0.2.1]", "any.a"},
		{"\"a\"@from.test", "x@other.test", "any.a"},
		{"b@from.test", "x@to.test", "to"},
		{"a@from.test", "x@TO.test", "to.a"},
		{"a@from.test", "x@host.to.test", "below"},
		{"", "x@sub.to.test", "below"},
		{"", "x@a.b.sub.to.test", "far.below"},
		{"b@from.test", "x@a.sub.to.test", "far.below.from"},
		{"", "no address", "any"},
		{"", "", "any"},
	};
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_SLICE(way(&r, "a@from.test", "x@to.test"), SLICE_NONE);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_ERR(add(&r, rows[i].domain, rows[i].sender, DIR_ROUTE_RELAY, rows[i].target),
			  E_OK);
	CHECK_INT(dir_route_count(r.d), ARRAY_LEN(rows));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("%s to %s", cases[i].sender, cases[i].address);
		CHECK_SLICE(way(&r, cases[i].sender, cases[i].address), slice_str(cases[i].target));
	}
	CHECK_ERR(dir_route_remove(r.d, &rig_actor, SL("*"), SLICE_NONE, &d), E_OK);
	CHECK_SLICE(way(&r, "", "x@other.test"), SLICE_NONE);
	CHECK_ERR(dir_route_remove(r.d, &rig_actor, SL("*"), SLICE_NONE, &d), E_NOT_FOUND);
	/* From the copy, PostgreSQL away or not. */
	dir_close(&r.d);
	REQUIRE(rig_start(&r, "be1"));
	CHECK_SLICE(way(&r, "a@from.test", "x@to.test"), SL("to.a"));
	rig_close(&r);
}

TEST_FIBER(route_forms)
{
	static const struct {
		const char *domain, *sender;
		enum dir_route_action action;
		const char *target;
		enum err e;
		const char *stored;
	} cases[] = {
		{"A1.test", "", DIR_ROUTE_RELAY, "Host.TEST", E_OK, "host.test"},
		{"a2.test", "", DIR_ROUTE_RELAY, "host.test:25", E_OK, "host.test:25"},
		{"a3.test", "", DIR_ROUTE_RELAY, "[Host.test]:25", E_OK, "[host.test]:25"},
		{"a4.test", "", DIR_ROUTE_RELAY, "[IPv6:2001:DB8::1]", E_OK, "[2001:db8::1]"},
		{"a5.test", "", DIR_ROUTE_RELAY, "[192.0.2.1]:587", E_OK, "[192.0.2.1]:587"},
		{"a6.test", "", DIR_ROUTE_LMTP, "host.test:24", E_OK, "[host.test]:24"},
		{"a7.test", "", DIR_ROUTE_LMTP, "[host.test]", E_OK, "[host.test]"},
		{"a8.test", "", DIR_ROUTE_REJECT, "No mail there", E_OK, "No mail there"},
		{"a9.test", "", DIR_ROUTE_HOLD, "", E_OK, ""},
		{"a10.test", "", DIR_ROUTE_DROP, "default-smtp", E_OK, "default-smtp"},
		{"", "", DIR_ROUTE_MX, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_DROP, "nosuch", E_NOT_FOUND, NULL},
		{"b.test", "", DIR_ROUTE_DROP, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_DROP, "..", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_DROP, "a/b", E_INVALID, NULL},
		{"..x", "", DIR_ROUTE_MX, "", E_INVALID, NULL},
		{"b.test", "x", DIR_ROUTE_MX, "", E_INVALID, NULL},
		{"b.test", "x@", DIR_ROUTE_MX, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_MX, "h.test", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "h.test:", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "h.test:65536", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "[h.test", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "[h.test]x", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_RELAY, "2001:db8::1", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_LMTP, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_LMTP, "a b", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_REJECT, "", E_INVALID, NULL},
		{"b.test", "", DIR_ROUTE_REJECT, "two\r\nlines", E_INVALID, NULL},
	};
	struct rig r;
	char address[64];

	REQUIRE(rig_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_ERR(
			add(&r, cases[i].domain, cases[i].sender, cases[i].action, cases[i].target),
			cases[i].e);
		if (cases[i].e != E_OK)
			continue;
		snprintf(address, sizeof address, "x@%s", cases[i].domain);
		CHECK_SLICE(way(&r, "", address), slice_str(cases[i].stored));
		CHECK_ERR(add(&r, cases[i].domain, cases[i].sender, DIR_ROUTE_MX, ""), E_EXISTS);
	}
	rig_close(&r);
}

TEST_FIBER(route_etrn)
{
	static const struct {
		enum dir_route_action action;
		const char *target, *etrn;
		enum err e;
		const char *stored;
	} cases[] = {
		{DIR_ROUTE_HOLD, "", "any", E_OK, "any"},
		{DIR_ROUTE_HOLD, "h.test", "192.0.2.0/24,2001:db8::/32 ::1", E_OK,
		 "192.0.2.0/24 2001:db8::/32 ::1"},
		{DIR_ROUTE_HOLD, "h.test", "", E_INVALID, NULL},
		{DIR_ROUTE_HOLD, "no host", "any", E_INVALID, NULL},
		{DIR_ROUTE_HOLD, "", "192.0.2.0/33", E_INVALID, NULL},
		{DIR_ROUTE_HOLD, "", "any,192.0.2.1", E_INVALID, NULL},
		{DIR_ROUTE_HOLD, "", " ", E_INVALID, NULL},
		{DIR_ROUTE_HOLD, "",
		 "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1", E_INVALID,
		 NULL}, /* 17 */
		{DIR_ROUTE_MX, "", "any", E_INVALID, NULL},
		{DIR_ROUTE_RELAY, "h.test", "any", E_INVALID, NULL},
	};
	struct diag d = {""};
	struct rig r;

	REQUIRE(rig_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dir_route_spec s = {.r = {.domain = SL("a.test"),
						 .action = cases[i].action,
						 .target = slice_str(cases[i].target),
						 .etrn = slice_str(cases[i].etrn)}};
		struct dir_route out;

		check_note("case %zu", i);
		CHECK(!dir_route_any_asked(r.d));
		CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), cases[i].e);
		if (cases[i].e != E_OK)
			continue;
		REQUIRE(dir_route_named(r.d, SL("a.test"), &out));
		CHECK_SLICE(out.etrn, slice_str(cases[i].stored));
		CHECK(dir_route_any_asked(r.d));
		s.r.etrn = s.r.target = SLICE_NONE;
		CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
		CHECK(!dir_route_any_asked(r.d));
		CHECK_ERR(dir_route_remove(r.d, &rig_actor, SL("a.test"), SLICE_NONE, &d), E_OK);
	}
	rig_close(&r);
}

/* The account that may fetch what is held for a domain. */
TEST_FIBER(route_atrn)
{
	static const struct {
		const char *domain, *sender;
		enum dir_route_action action;
		const char *account;
		enum err e;
	} cases[] = {
		{"a.test", "", DIR_ROUTE_HOLD, "Alice@Example.ORG", E_OK},
		{"a.test", "", DIR_ROUTE_HOLD, "nobody@example.org", E_INVALID},
		{"a.test", "", DIR_ROUTE_HOLD, "alice@elsewhere.test", E_INVALID},
		{"a.test", "x@b.test", DIR_ROUTE_HOLD, "alice@example.org", E_INVALID},
		{".a.test", "", DIR_ROUTE_HOLD, "alice@example.org", E_INVALID},
		{"*", "", DIR_ROUTE_HOLD, "alice@example.org", E_INVALID},
		{"a.test", "", DIR_ROUTE_MX, "alice@example.org", E_INVALID},
	};
	struct arena mem;
	struct diag d = {""};
	uint64_t alice;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	REQUIRE(rig_account(&r, "alice@example.org", &alice) == E_OK);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dir_route_spec s = {.r = {.domain = slice_str(cases[i].domain),
						 .sender = slice_str(cases[i].sender),
						 .action = cases[i].action},
					   .atrn = slice_str(cases[i].account)};
		struct dir_route_row row;
		struct dir_route out;

		check_note("case %zu: %s", i, d.text);
		CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), cases[i].e);
		CHECK_INT(dir_route_fetched_count(r.d), cases[i].e == E_OK);
		if (cases[i].e != E_OK)
			continue;
		dir_route_fetched_at(r.d, 0, &out);
		CHECK(out.atrn == alice);
		CHECK_SLICE(out.domain, s.r.domain);
		CHECK_ERR(dir_route_show(r.d, s.r.domain, SLICE_NONE, &mem, &row, &d), E_OK);
		CHECK_SLICE(row.atrn, SL("alice@example.org"));
		/* The same again, another, and nobody any more. */
		CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
		CHECK_INT(dir_route_fetched_count(r.d), 1);
		s.atrn = SL("nobody@example.org");
		CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_INVALID);
		CHECK_INT(dir_route_fetched_count(r.d), 1);
		s.atrn = SLICE_NONE;
		CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
		CHECK_INT(dir_route_fetched_count(r.d), 0);
		CHECK_ERR(dir_route_remove(r.d, &rig_actor, s.r.domain, SLICE_NONE, &d), E_OK);
	}
	arena_reset(&mem);
	rig_close(&r);
}

static bool opens(struct rig *r, slice_t want)
{
	struct secret s = SECRET_NONE;
	struct dir_route out;
	bool ok = dir_route_find(r->d, SLICE_NONE, SL("x@to.test"), &out) &&
		  dir_route_password(r->d, &out, &s) == E_OK && slice_eq(secret_slice(&s), want);

	secret_clear(&s);
	return ok;
}

TEST_FIBER(route_passwords)
{
	struct dir_route_spec s = {.r = {.domain = SL("to.test"),
					 .action = DIR_ROUTE_RELAY,
					 .target = SL("relay.test:587")}};
	slice_t other = SL("another one"), empty = SL("");
	struct dir_route_row row;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	s.password = &password;
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_INVALID); /* whose? */
	s.r.user = SL("we");
	s.r.tls = DIR_ROUTE_TLS_MAY;
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_INVALID);
	s.r.tls = DIR_ROUTE_TLS_DEFAULT;
	s.password = NULL;
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_INVALID);
	s.password = &empty;
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_INVALID);
	s.password = &password;
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(opens(&r, password));
	CHECK_ERR(dir_route_show(r.d, SL("TO.test"), SLICE_NONE, &mem, &row, &d), E_OK);
	CHECK_INT(row.r.tls, DIR_ROUTE_TLS_VERIFY); /* whoever gets a password proves who it is */
	CHECK(row.has_password);
	/* An edit keeps it; another takes its place; without a user there is none. */
	s.password = NULL;
	s.r.tls = DIR_ROUTE_TLS_ENCRYPT;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(opens(&r, password));
	s.password = &other;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(opens(&r, other));
	s.password = NULL;
	s.r.user = SLICE_NONE;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(!opens(&r, other));
	s.r.user = SL("we");
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_INVALID);
	arena_reset(&mem);
	rig_close(&r);
}

TEST_FIBER(route_with_gssapi)
{
	static const struct {
		enum dir_route_action action;
		const char *target, *user;
		enum dir_route_tls tls;
		bool password;
		enum err e;
	} cases[] = {
		{DIR_ROUTE_RELAY, "[Relay.test]:587", "mail/us.test", DIR_ROUTE_TLS_DEFAULT, false,
		 E_OK},
		{DIR_ROUTE_RELAY, "[relay.test]", "we", DIR_ROUTE_TLS_ENCRYPT, false, E_OK},
		{DIR_ROUTE_RELAY, "[relay.test]", "", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
		{DIR_ROUTE_RELAY, "[relay.test]", "we", DIR_ROUTE_TLS_DEFAULT, true, E_INVALID},
		{DIR_ROUTE_RELAY, "[relay.test]", "we", DIR_ROUTE_TLS_MAY, false, E_INVALID},
		{DIR_ROUTE_RELAY, "[relay.test]", "we", DIR_ROUTE_TLS_NONE, false, E_INVALID},
		{DIR_ROUTE_RELAY, "relay.test", "we", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
		{DIR_ROUTE_RELAY, "[192.0.2.1]", "we", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
		{DIR_ROUTE_RELAY, "[2001:db8::1]", "we", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
		{DIR_ROUTE_LMTP, "[relay.test]", "we", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
		{DIR_ROUTE_MX, "", "we", DIR_ROUTE_TLS_DEFAULT, false, E_INVALID},
	};
	struct dir_route_spec s;
	struct dir_route out, by_id;
	struct diag d = {""};
	struct rig r;

	REQUIRE(rig_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		s = (struct dir_route_spec){.r = {.domain = SL("to.test"),
						  .action = cases[i].action,
						  .target = slice_str(cases[i].target),
						  .tls = cases[i].tls,
						  .user = slice_str(cases[i].user),
						  .auth = DIR_ROUTE_AUTH_GSSAPI},
					    .password = cases[i].password ? &password : NULL};
		check_note("case %zu: %s", i, d.text);
		CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), cases[i].e);
		if (cases[i].e != E_OK)
			continue;
		CHECK(dir_route_find(r.d, SLICE_NONE, SL("x@to.test"), &out));
		CHECK_INT(out.auth, DIR_ROUTE_AUTH_GSSAPI);
		CHECK_SLICE(out.user, slice_str(cases[i].user));
		CHECK_SLICE(dir_route_host(&out), SL("relay.test"));
		CHECK(dir_route_by_id(r.d, out.id, &by_id) && by_id.auth == out.auth);
		CHECK(!dir_route_by_id(r.d, out.id + 1, &by_id));
		CHECK_ERR(dir_route_remove(r.d, &rig_actor, s.r.domain, SLICE_NONE, &d), E_OK);
	}
	/* From one way to the other: a password that is not used any more is not kept. */
	s = (struct dir_route_spec){.r = {.domain = SL("to.test"),
					  .action = DIR_ROUTE_RELAY,
					  .target = SL("[relay.test]"),
					  .user = SL("we")},
				    .password = &password};
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_OK);
	s.password = NULL;
	s.r.auth = DIR_ROUTE_AUTH_GSSAPI;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(!opens(&r, password));
	s.r.auth = DIR_ROUTE_AUTH_PASSWORD;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_INVALID);
	s.password = &password;
	CHECK_ERR(dir_route_edit(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(opens(&r, password));
	rig_close(&r);
}

/* A node that joins later has no box until one that has makes it. */
TEST_FIBER(route_shared_with_a_new_node)
{
	struct dir_route_spec s = {.r = {.domain = SL("to.test"),
					 .action = DIR_ROUTE_RELAY,
					 .target = SL("relay.test"),
					 .user = SL("we")},
				   .password = &password};
	struct dir_node n = {.name = "be2", .address = "127.0.0.1", .port = 7411};
	struct node_key be2;
	struct diag d;
	struct rig r;
	size_t made;

	REQUIRE(rig_open(&r));
	CHECK_ERR(dir_route_add(r.d, &rig_actor, &s, &d), E_OK);
	CHECK_ERR(dir_route_share(r.d, 10, &made, &d), E_OK);
	CHECK_INT(made, 0);
	node_key_make(&be2);
	memcpy(n.public_key, be2.public_key, sizeof n.public_key);
	CHECK_ERR(dir_node_register(r.d, &rig_actor, &n, &d), E_OK);
	CHECK_ERR(dir_route_share(r.d, 10, &made, &d), E_OK);
	CHECK_INT(made, 1);
	CHECK_ERR(dir_route_share(r.d, 10, &made, &d), E_OK);
	CHECK_INT(made, 0);
	dir_close(&r.d);
	dir_kv_mem_free(&r.kv);
	r.kv = dir_kv_mem_new();
	r.key = be2;
	REQUIRE(rig_start(&r, "be2"));
	REQUIRE(rig_synced(&r));
	CHECK(opens(&r, password));
	rig_close(&r);
}
