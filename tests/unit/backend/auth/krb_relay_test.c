/* Log-ins at relays as far as they go without a KDC: where there is none, and of what size. The
 * rest is test_gssapi.py. */
#include "backend/auth/krb_relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "backend/auth/sasl.h"
#include "tests/unit/backend/directory/rig.h"

/* A realm whose KDC nobody is: its port refuses. */
static void write_conf(void)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/krb5.conf", check_tmpdir());
	f = fopen(path, "w");
	REQUIRE(f != NULL);
	fputs("[libdefaults]\ndefault_realm = EXAMPLE.ORG\ndns_lookup_kdc = false\n"
	      "dns_canonicalize_hostname = false\n"
	      "[realms]\nEXAMPLE.ORG = {\nkdc = 127.0.0.1:1\n}\n",
	      f);
	CHECK_INT(fclose(f), 0);
	setenv("KRB5_CONFIG", path, 1);
}

WAITS static uint64_t route(struct rig *r, const char *domain, enum dir_route_auth auth)
{
	slice_t password = SL("pass word");
	struct dir_route_spec s = {.r = {.domain = slice_str(domain),
					 .action = DIR_ROUTE_RELAY,
					 .target = SL("[relay.test]:587"),
					 .user = SL("we"),
					 .auth = auth},
				   .password = auth == DIR_ROUTE_AUTH_PASSWORD ? &password : NULL};
	struct diag d = {""};
	struct dir_route out;

	CHECK_ERR(dir_route_add(r->d, &rig_actor, &s, &d), E_OK);
	return dir_route_named(r->d, slice_str(domain), &out) ? out.id : 0;
}

TEST_FIBER(krb_relay_only_where_a_route_demands_it)
{
	struct krb_relay *x[KRB_RELAY_OPEN_MAX + 1] = {NULL};
	uint64_t ticket, password;
	struct krb_relays *all, *none;
	struct diag d = {""};
	struct rig r;

	REQUIRE(rig_open(&r));
	write_conf();
	all = krb_relays_new(r.d, "/nowhere/keytab");
	none = krb_relays_new(r.d, "");
	ticket = route(&r, "ticket.test", DIR_ROUTE_AUTH_GSSAPI);
	password = route(&r, "password.test", DIR_ROUTE_AUTH_PASSWORD);
	CHECK_ERR(krb_relay_open(all, 0, &x[0], &d), E_DENIED);
	CHECK_ERR(krb_relay_open(all, ticket + 1000, &x[0], &d), E_DENIED);
	CHECK_ERR(krb_relay_open(all, password, &x[0], &d), E_DENIED);
	CHECK(x[0] == NULL);
	CHECK_ERR(krb_relay_open(none, ticket, &x[0], &d), E_RETRY);
	CHECK(strstr(d.text, "gssapi.client_keytab") != NULL);
	for (size_t i = 0; i < KRB_RELAY_OPEN_MAX; i++)
		REQUIRE(krb_relay_open(all, ticket, &x[i], &d) == E_OK);
	CHECK_ERR(krb_relay_open(all, ticket, &x[KRB_RELAY_OPEN_MAX], &d), E_LIMIT);
	krb_relay_free(&x[0]);
	CHECK_ERR(krb_relay_open(all, ticket, &x[0], &d), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(x); i++)
		krb_relay_free(&x[i]);
	/* A route that is gone takes its leases along. */
	CHECK_ERR(dir_route_remove(r.d, &rig_actor, SL("ticket.test"), SLICE_NONE, &d), E_OK);
	CHECK_ERR(krb_relay_open(all, ticket, &x[0], &d), E_DENIED);
	krb_relays_free(&none);
	krb_relays_free(&all);
	rig_close(&r);
}

struct one {
	struct krb_relays *all;
	uint64_t route;
	struct event *over;
	unsigned *left;
};

WAITS static void try_one(void *arg)
{
	struct one *o = arg;
	struct krb_relay *x = NULL;
	struct diag d = {""};
	struct buf say;

	buf_init(&say, KRB_RELAY_TOKEN_MAX, NULL);
	REQUIRE(krb_relay_open(o->all, o->route, &x, &d) == E_OK);
	CHECK_ERR(krb_relay_step(x, SLICE_NONE, &say, &d), E_DENIED);
	CHECK(d.text[0] != '\0');
	CHECK_INT(say.n, 0);
	CHECK(!krb_relay_done(x));
	/* It is over, whatever comes. */
	CHECK_ERR(krb_relay_step(x, SL("x"), &say, &d), E_INVALID);
	krb_relay_free(&x);
	buf_fini(&say);
	if (--*o->left == 0)
		event_set(o->over);
}

/* One thread for all of them: each has its turn. */
TEST_FIBER(krb_relay_without_a_key)
{
	struct event over;
	unsigned left = 8;
	struct one o = {.over = &over, .left = &left};
	struct rig r;

	REQUIRE(rig_open(&r));
	write_conf();
	event_init(&over);
	o.all = krb_relays_new(r.d, "/nowhere/keytab");
	o.route = route(&r, "ticket.test", DIR_ROUTE_AUTH_GSSAPI);
	for (unsigned n = left; n > 0; n--)
		REQUIRE(fiber_start("t.krb_relay", try_one, &o, NULL) == E_OK);
	CHECK_ERR(event_wait(&over, "t.over", deadline_in(60000)), E_OK);
	krb_relays_free(&o.all);
	rig_close(&r);
}

TEST_FIBER(krb_relay_tokens_have_a_limit)
{
	static const char long_one[KRB_RELAY_HEARD_MAX + 1];
	struct krb_relay *x = NULL;
	struct krb_relays *all;
	struct diag d = {""};
	struct buf say;
	struct rig r;
	uint64_t id;

	REQUIRE(rig_open(&r));
	write_conf();
	all = krb_relays_new(r.d, "/nowhere/keytab");
	id = route(&r, "ticket.test", DIR_ROUTE_AUTH_GSSAPI);
	buf_init(&say, KRB_RELAY_TOKEN_MAX, NULL);
	REQUIRE(krb_relay_open(all, id, &x, &d) == E_OK);
	CHECK_ERR(krb_relay_step(x, slice(long_one, sizeof long_one), &say, &d), E_INVALID);
	CHECK(strstr(d.text, "too long") != NULL);
	krb_relay_free(&x);
	/* And the first step is to nothing. */
	REQUIRE(krb_relay_open(all, id, &x, &d) == E_OK);
	CHECK_ERR(krb_relay_step(x, slice(long_one, sizeof long_one - 1), &say, &d), E_INVALID);
	CHECK(strstr(d.text, "too long") == NULL);
	krb_relay_free(&x);
	buf_fini(&say);
	krb_relays_free(&all);
	rig_close(&r);
}

TEST(krb_relay_offers)
{
	CHECK(sasl_gssapi_offers(SL("\x01\0\0\0")));
	CHECK(sasl_gssapi_offers(SL("\x07\0\xff\xff")));
	CHECK(!sasl_gssapi_offers(SL("\x06\0\xff\xff")));
	CHECK(!sasl_gssapi_offers(SL("\x01\0\0")));
	CHECK(!sasl_gssapi_offers(SL("\x01\0\0\0\0")));
	CHECK(!sasl_gssapi_offers(SL("")));
}
