/* throttle, proof, sessions: bounds and times. */
#include <stdio.h>

#include "backend/auth/proof.h"
#include "backend/auth/sessions.h"
#include "backend/auth/throttle.h"
#include "common/base/clock.h"
#include "tests/lib/check.h"

static int64_t now_us = 1000000000LL * 1000000;

static int64_t fake(void)
{
	return now_us;
}

static void pass(int64_t s)
{
	now_us += s * 1000000;
}

static struct ipaddr ip(const char *text)
{
	struct ipaddr a = {0};

	CHECK(ipaddr_parse(slice_str(text), &a));
	return a;
}

#define NAME SL("alice@example.org")

/* Tells how many seconds until it may be tried again. */
static int wait_s(struct throttle *t, slice_t name, const struct ipaddr *a)
{
	int64_t start = now_us;
	int s = 0;

	while (s < 1000 && throttle_check(t, name, a) == E_LIMIT) {
		pass(1);
		s++;
	}
	now_us = start;
	return s;
}

TEST(throttle_grows_and_fades)
{
	struct ipaddr a = ip("192.0.2.1");
	struct throttle *t;
	int last = 0;

	clock_replace(fake, fake);
	t = throttle_new();
	for (uint64_t i = 1; i <= THROTTLE_NAME_FREE; i++) {
		throttle_failed(t, NAME, &a, i);
		CHECK_INT(wait_s(t, NAME, &a), 0);
	}
	for (uint64_t i = 10; i < 15; i++) {
		int s;

		throttle_failed(t, NAME, &a, i);
		s = wait_s(t, NAME, &a);
		CHECK(s > last);
		last = s;
	}
	/* Never for good: not with a thousand more. */
	for (uint64_t i = 100; i < 1100; i++)
		throttle_failed(t, NAME, &a, i);
	CHECK_INT(wait_s(t, NAME, &a), THROTTLE_IP_MAX_S);
	a = ip("203.0.113.9"); /* another net: the name's own delay */
	CHECK_INT(wait_s(t, NAME, &a), THROTTLE_NAME_MAX_S);
	CHECK_INT(wait_s(t, SL("bob@example.org"), &a), 0);
	pass(2000LL * THROTTLE_FADE_S);
	throttle_failed(t, NAME, &a, 5000);
	CHECK_INT(wait_s(t, NAME, &a), 0);
	throttle_free(&t);
	clock_replace(NULL, NULL);
}

TEST(throttle_same_password_counts_once)
{
	struct ipaddr a = ip("192.0.2.1");
	struct throttle *t;

	clock_replace(fake, fake);
	t = throttle_new();
	for (int i = 0; i < 1000; i++)
		throttle_failed(t, NAME, &a, 42);
	CHECK_INT(wait_s(t, NAME, &a), 0);
	/* One password at many names is no forgotten phone. */
	for (int i = 0; i < 40; i++) {
		char name[32];

		snprintf(name, sizeof name, "u%d@example.org", i);
		throttle_failed(t, slice_str(name), &a, 1000 + (uint64_t)i);
	}
	CHECK(wait_s(t, SL("fresh@example.org"), &a) > 0);
	throttle_free(&t);
	clock_replace(NULL, NULL);
}

TEST(throttle_known_good)
{
	struct ipaddr home = ip("192.0.2.1"), evil = ip("198.51.100.7");
	struct throttle *t;

	clock_replace(fake, fake);
	t = throttle_new();
	throttle_succeeded(t, NAME, &home);
	for (uint64_t i = 1; i <= 100; i++)
		throttle_failed(t, NAME, &evil, i);
	CHECK(wait_s(t, NAME, &evil) > 0);
	CHECK_INT(wait_s(t, NAME, &home), 0);
	/* It is known for that name alone. */
	for (uint64_t i = 1; i <= 100; i++)
		throttle_failed(t, SL("bob@example.org"), &home, 1000 + i);
	CHECK(wait_s(t, SL("carol@example.org"), &home) > 0);
	CHECK_INT(wait_s(t, NAME, &home), 0);
	/* And not for ever, nor for a guesser at home. */
	for (uint64_t i = 1; i <= THROTTLE_GOOD_FREE; i++)
		throttle_failed(t, NAME, &home, 2000 + i);
	CHECK(wait_s(t, NAME, &home) > 0);
	throttle_succeeded(t, NAME, &home);
	CHECK_INT(wait_s(t, NAME, &home), 0);
	pass(THROTTLE_GOOD_S);
	for (uint64_t i = 1; i <= 20; i++)
		throttle_failed(t, NAME, &evil, 3000 + i);
	CHECK(wait_s(t, NAME, &home) > 0);
	throttle_free(&t);
	clock_replace(NULL, NULL);
}

TEST(throttle_nets)
{
	struct ipaddr v6a = ip("2001:db8:1:2::1"), v6b = ip("2001:db8:1:2:ffff::9");
	struct ipaddr neighbour = ip("192.0.2.250"), far = ip("192.0.3.1"), none = {0};
	struct throttle *t;

	clock_replace(fake, fake);
	t = throttle_new();
	/* A whole IPv6 /64 is one place. */
	for (int i = 0; i <= THROTTLE_IP_FREE; i++) {
		char name[32];

		snprintf(name, sizeof name, "u%d", i);
		throttle_failed(t, slice_str(name), &v6a, 0);
	}
	CHECK(wait_s(t, SL("x"), &v6b) > 0);
	/* A net has more patience than an address. */
	for (int i = 0; i <= THROTTLE_NET_FREE; i++) {
		char name[32], addr[32];
		struct ipaddr a;

		snprintf(name, sizeof name, "v%d", i);
		snprintf(addr, sizeof addr, "192.0.2.%d", i + 1);
		a = ip(addr);
		throttle_failed(t, slice_str(name), &a, 0);
	}
	CHECK(wait_s(t, SL("x"), &neighbour) > 0);
	CHECK_INT(wait_s(t, SL("x"), &far), 0);
	CHECK_INT(wait_s(t, SL("x"), &none), 0);
	throttle_free(&t);
	clock_replace(NULL, NULL);
}

/* Who it was is not known: the address pays, and nobody with it. */
TEST(throttle_without_a_name)
{
	struct throttle *t;
	struct ipaddr a = ip("192.0.2.1"), other = ip("198.51.100.1"), none = {0};

	clock_replace(fake, fake);
	t = throttle_new();
	for (int i = 0; i <= THROTTLE_IP_FREE; i++) {
		CHECK_INT(wait_s(t, SLICE_NONE, &a), 0);
		throttle_failed(t, SLICE_NONE, &a, 0);
	}
	CHECK_INT(wait_s(t, SLICE_NONE, &a), 1);
	CHECK_INT(wait_s(t, NAME, &a), 1);
	CHECK_INT(wait_s(t, SLICE_NONE, &other), 0);
	CHECK_INT(wait_s(t, SLICE_NONE, &none), 0);
	throttle_free(&t);
	clock_replace(NULL, NULL);
}

TEST(throttle_is_bounded)
{
	struct throttle *t = throttle_new();

	for (uint32_t i = 0; i < THROTTLE_ENTRIES + 5000; i++) {
		struct ipaddr a = {.family = 4};
		char name[32];

		snprintf(name, sizeof name, "u%u", i);
		a.b[0] = (uint8_t)(i >> 16);
		a.b[1] = (uint8_t)(i >> 8);
		a.b[2] = (uint8_t)i;
		throttle_failed(t, slice_str(name), &a, i + 1);
	}
	CHECK_INT(throttle_count(t), 3 * THROTTLE_ENTRIES);
	throttle_free(&t);
}

TEST(proof_epoch_time_and_account)
{
	struct scram_verifier v = {.iterations = 5000, .salt_n = 3}, got;
	struct proofs *p;

	clock_replace(fake, fake);
	p = proofs_new();
	CHECK(!proof_has_password(p, 1, 1, SL("secret")));
	proof_put_password(p, 1, 1, SL("secret"));
	CHECK(proof_has_password(p, 1, 1, SL("secret")));
	CHECK(!proof_has_password(p, 1, 1, SL("Secret")));
	CHECK(!proof_has_password(p, 1, 1, SLICE_NONE));
	CHECK(!proof_has_password(p, 1, 2, SL("secret")));
	CHECK(!proof_has_password(p, 2, 1, SL("secret")));
	CHECK(!proof_get_scram(p, 1, 1, &got));
	proof_put_scram(p, 1, 1, &v);
	CHECK(proof_get_scram(p, 1, 1, &got) && got.iterations == 5000);
	CHECK(proof_has_password(p, 1, 1, SL("secret")));
	/* Another epoch begins with nothing. */
	proof_put_password(p, 1, 2, SL("other"));
	CHECK(!proof_get_scram(p, 1, 2, &got));
	CHECK(!proof_has_password(p, 1, 1, SL("secret")));
	proof_forget(p, 1);
	CHECK(!proof_has_password(p, 1, 2, SL("other")));
	/* Ten minutes from the proof, however often it is used. */
	proof_put_password(p, 1, 1, SL("secret"));
	pass(PROOF_MS / 1000 - 1);
	CHECK(proof_has_password(p, 1, 1, SL("secret")));
	pass(1);
	CHECK(!proof_has_password(p, 1, 1, SL("secret")));
	CHECK_INT(proof_count(p), 0);
	for (uint64_t i = 1; i <= PROOF_ENTRIES + 10; i++)
		proof_put_password(p, i, 1, SL("x"));
	CHECK_INT(proof_count(p), PROOF_ENTRIES);
	CHECK(!proof_has_password(p, 1, 1, SL("x")));
	CHECK(proof_tag(p, SL("a"), SL("b")) == proof_tag(p, SL("a"), SL("b")));
	CHECK(proof_tag(p, SL("a"), SL("b")) != proof_tag(p, SL("a"), SL("c")));
	CHECK(proof_tag(p, SL("ab"), SL("c")) != proof_tag(p, SL("a"), SL("bc")));
	proofs_free(&p);
	clock_replace(NULL, NULL);
}

static bool count_one(const struct session_info *i, void *arg)
{
	(void)i;
	(*(unsigned *)arg)++;
	return true;
}

static unsigned sessions_of(const struct sessions *s, uint64_t account)
{
	unsigned n = 0;

	sessions_each(s, account, count_one, &n);
	return n;
}

TEST(sessions_life)
{
	struct session_info i = {.account = 7,
				 .frontend = "fe1",
				 .service = SERVICE_IMAP,
				 .mechanism = "PLAIN"},
			    got;
	struct ticket_claims c = {.account = 8, .service = SERVICE_IMAP, .frontend = "fe2"};
	struct sessions *s;

	clock_replace(fake, fake);
	s = sessions_new();
	i.login_s = i.last_access_s = clock_wall_s();
	for (uint8_t n = 1; n <= 3; n++) {
		i.id[0] = n;
		sessions_add(s, &i);
	}
	CHECK_INT(sessions_count(s), 3);
	CHECK_INT(sessions_of(s, 7), 3);
	CHECK_INT(sessions_of(s, 8), 0);
	/* One that was there before a restart. */
	c.session[0] = 9;
	c.login_s = clock_wall_s() - 100;
	sessions_touch(s, &c, &c);
	CHECK_INT(sessions_of(s, 8), 1);
	REQUIRE(sessions_get(s, c.session, &got));
	CHECK_INT(got.login_s, c.login_s);
	CHECK_INT(got.ip.family, 0);
	CHECK_STR(got.frontend, "fe2");
	i.id[0] = 1;
	CHECK(sessions_remove(s, i.id, &got));
	CHECK(!sessions_remove(s, i.id, NULL));
	/* What is used stays; what is not, leaves. */
	pass(TICKET_LIFE_S - 1);
	sessions_touch(s, &c, &c);
	sessions_expire(s);
	CHECK_INT(sessions_of(s, 0), 3);
	pass(2);
	sessions_expire(s);
	CHECK_INT(sessions_of(s, 0), 1);
	CHECK_INT(sessions_of(s, 8), 1);
	sessions_free(&s);
	clock_replace(NULL, NULL);
}

/* What belongs to a link is away without it, and back with the next call. */
TEST(sessions_links)
{
	struct session_info i = {.account = 7, .frontend = "fe1", .has_tls = true, .tls = true},
			    got;
	struct ticket_claims c = {.account = 7, .service = SERVICE_IMAP, .frontend = "fe1"};
	struct sessions *s = sessions_new();
	char first, second;

	i.login_s = i.last_access_s = c.login_s = clock_wall_s();
	for (uint8_t n = 1; n <= 3; n++) {
		i.id[0] = n;
		sessions_add(s, &i);
		sessions_carry(s, i.id, &first);
	}
	/* One that has gone on to another link already. */
	c.session[0] = 3;
	sessions_touch(s, &c, &second);
	CHECK_INT(sessions_count(s), 3);
	CHECK_INT(sessions_link_gone(s, &first), 2);
	CHECK_INT(sessions_link_gone(s, &first), 0);
	CHECK_INT(sessions_count(s), 1);
	CHECK_INT(sessions_of(s, 7), 3); /* they can still be ended */
	i.id[0] = 1;
	REQUIRE(sessions_get(s, i.id, &got));
	CHECK(got.away);
	/* Back over a new link, with all that was known. */
	c.session[0] = 1;
	sessions_touch(s, &c, &second);
	REQUIRE(sessions_get(s, i.id, &got));
	CHECK(!got.away && got.has_tls && got.tls);
	CHECK_INT(sessions_count(s), 2);
	/* Its call came in while the link ended: as before, or away if nobody knew it. */
	sessions_touch(s, &c, NULL);
	CHECK_INT(sessions_count(s), 2);
	c.session[0] = 9;
	sessions_touch(s, &c, NULL);
	CHECK_INT(sessions_count(s), 2);
	sessions_touch(s, &c, &second);
	CHECK_INT(sessions_count(s), 3);
	REQUIRE(sessions_get(s, c.session, &got));
	CHECK(!got.has_tls);
	/* A log-in whose link ended before its answer. */
	i.id[0] = 10;
	sessions_add(s, &i);
	sessions_carry(s, i.id, NULL);
	CHECK_INT(sessions_count(s), 3);
	CHECK(sessions_remove(s, i.id, NULL));
	CHECK(sessions_remove(s, c.session, NULL));
	CHECK_INT(sessions_count(s), 2);
	CHECK_INT(sessions_link_gone(s, &second), 2);
	CHECK_INT(sessions_count(s), 0);
	sessions_free(&s);
}

TEST(sessions_bound)
{
	struct session_info i = {.account = 1, .mechanism = ""};
	struct sessions *s = sessions_new();

	i.login_s = i.last_access_s = clock_wall_s();
	for (uint32_t n = 0; n < SESSIONS_MAX + 100; n++) {
		memcpy(i.id, &n, sizeof n);
		sessions_add(s, &i);
	}
	CHECK_INT(sessions_count(s), SESSIONS_MAX);
	sessions_free(&s);
}
