/* Virtual SMTP servers, as they are written: listeners, settings, operators. */
#include "backend/admin/server_spec.h"

#include <stdio.h>

#include "tests/lib/check.h"

static const struct {
	const char *text;
	const char *form; /* NULL: refused */
} listeners[] = {
	{":25", ":25"},
	{"192.0.2.1:25", "192.0.2.1:25"},
	{"fe1/:2525", "fe1/:2525"},
	{"fe1/192.0.2.1:25", "fe1/192.0.2.1:25"},
	{"[2001:DB8:0::1]:25", "[2001:db8::1]:25"},
	{"fe-2/[::1]:587", "fe-2/[::1]:587"},
	{"[::ffff:192.0.2.1]:25", "192.0.2.1:25"},
	{"", NULL},
	{"25", NULL},
	{":", NULL},
	{":0", NULL},
	{":65536", NULL},
	{":25x", NULL},
	{"192.0.2.1", NULL},
	{"192.0.2.1:0", NULL},
	{"mx.example.org:25", NULL},
	{"2001:db8::1:25x", NULL},
	{"/:25", NULL},
	{"FE1/:25", NULL},
	{"fe1/fe2/:25", NULL},
	{"fe1:25", NULL},
};

TEST(listeners_have_one_form)
{
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++) {
		struct server_listener l;
		struct buf b;

		check_note("%s", listeners[i].text);
		if (!server_listener_parse(slice_str(listeners[i].text), &l)) {
			CHECK(listeners[i].form == NULL);
			continue;
		}
		REQUIRE(listeners[i].form != NULL);
		buf_init(&b, SERVER_LISTENER_MAX, NULL);
		server_listener_format(&l, &b);
		CHECK_SLICE(buf_slice(&b), slice_str(listeners[i].form));
		buf_fini(&b);
	}
}

TEST(the_listener_that_says_more_wins)
{
	/* In this order. */
	static const char *const texts[] = {":25", "fe1/:25", "192.0.2.1:25", "fe1/192.0.2.1:25"};
	struct server_listener l;
	struct ipaddr here, there;
	unsigned before = 0;

	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &here) && ipaddr_parse(SL("192.0.2.2"), &there));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		unsigned n;

		REQUIRE(server_listener_parse(slice_str(texts[i]), &l));
		n = server_listener_match(&l, SL("fe1"), &here, 25);
		CHECK(n > before);
		before = n;
		CHECK_INT(server_listener_match(&l, SL("fe1"), &here, 26), 0);
		CHECK_INT(server_listener_match(&l, SL("fe2"), &here, 25) > 0, i % 2 == 0);
		CHECK_INT(server_listener_match(&l, SL("fe1"), &there, 25) > 0, i < 2);
	}
}

static enum err make_listeners(size_t n, char *const *v, struct buf *out, struct diag *d)
{
	buf_reset(out);
	return server_spec_listeners((struct server_texts){v, n}, out, d);
}

TEST(lists_are_bounded_and_without_doubles)
{
	char texts[SERVER_LISTENERS_MAX + 1][16];
	char *v[SERVER_LISTENERS_MAX + 1];
	char one[] = ":25", two[] = "192.0.2.1:25", same[] = "[::ffff:192.0.2.1]:25";
	char *twice[] = {one, two, same};
	char good[] = "anna", bad[] = "Anna";
	char *names[] = {good, bad};
	struct diag d;
	struct buf b;

	buf_init(&b, 16384, NULL);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		(void)snprintf(texts[i], sizeof texts[i], ":%zu", 1000 + i);
		v[i] = texts[i];
	}
	CHECK_ERR(make_listeners(SERVER_LISTENERS_MAX, v, &b, &d), E_OK);
	CHECK(slice_starts(buf_slice(&b), SL(":1000\n:1001\n")));
	CHECK_ERR(make_listeners(SERVER_LISTENERS_MAX + 1, v, &b, &d), E_INVALID);
	CHECK_ERR(make_listeners(2, twice, &b, &d), E_OK);
	CHECK_ERR(make_listeners(3, twice, &b, &d), E_INVALID);
	buf_reset(&b);
	CHECK_ERR(server_spec_operators((struct server_texts){names, 1}, &b, &d), E_OK);
	CHECK_SLICE(buf_slice(&b), SL("anna"));
	CHECK_ERR(server_spec_operators((struct server_texts){names, 2}, &b, &d), E_INVALID);
	CHECK_ERR(server_spec_operators((struct server_texts){v, SERVER_OPERATORS_MAX + 1}, &b, &d),
		  E_INVALID);
	buf_fini(&b);
}

static const struct {
	enum rpc_service service;
	const char *before, *set, *unset;
	const char *after; /* NULL: refused */
} settings[] = {
	{SERVICE_SMTP, "", NULL, NULL, ""},
	{SERVICE_SMTP, "", "message_bytes_max=10m", NULL, "message_bytes_max=10m"},
	{SERVICE_SMTP, "", "message_bytes_max=1023", NULL, NULL},
	{SERVICE_SMTP, "", "message_bytes_max", NULL, NULL},
	{SERVICE_SMTP, "", "no_such=1", NULL, NULL},
	{SERVICE_SMTP, "", NULL, "no_such", NULL},
	{SERVICE_SMTP, "errors_max=3\nmessages_max=1", "errors_max=4", NULL,
	 "messages_max=1\nerrors_max=4"},
	{SERVICE_SMTP, "errors_max=3\nmessages_max=1", NULL, "errors_max", "messages_max=1"},
	{SERVICE_SMTP, "of_another_release=3\nmessages_max=1", NULL, NULL, "messages_max=1"},
	{SERVICE_SMTP, "", "tls=required", NULL, "tls=required"},
	{SERVICE_SMTP, "", "tls=perhaps", NULL, NULL},
	{SERVICE_SMTP, "", "auth=allowed", NULL, NULL},
	{SERVICE_SMTP, "", "auth=required", NULL, NULL},
	{SERVICE_SMTP, "", "auth=none", NULL, "auth=none"},
	{SERVICE_SUBMISSION, "", "auth=allowed", NULL, "auth=allowed"},
	{SERVICE_SUBMISSION, "", "auth=none", NULL, "auth=none"},
	{SERVICE_SUBMISSION, "", "tls=none", NULL, NULL}, /* log-ins are demanded, and need TLS */
	{SERVICE_SUBMISSION, "auth=allowed", "tls=none", NULL, "tls=none\nauth=allowed"},
	{SERVICE_SUBMISSION, "", "auth_mechanisms=plain,LOGIN", NULL,
	 "auth_mechanisms=plain,LOGIN"},
	{SERVICE_SUBMISSION, "", "auth_mechanisms=GSSAPI,PLAIN", NULL,
	 "auth_mechanisms=GSSAPI,PLAIN"},
	{SERVICE_SUBMISSION, "", "auth_mechanisms=NTLM", NULL, NULL},
	{SERVICE_SMTP, "", "allow=192.0.2.0/24,2001:db8::/32", NULL,
	 "allow=192.0.2.0/24,2001:db8::/32"},
	{SERVICE_SMTP, "", "allow=192.0.2.0/33", NULL, NULL},
	{SERVICE_SMTP, "", "deny=example.org/24", NULL, NULL},
	{SERVICE_SMTP, "", "banner=a\r\n250 b", NULL, NULL},
	{SERVICE_SMTP, "", "banner=Welcome, all", NULL, "banner=Welcome, all"},
	{SERVICE_SMTP, "", "hostname=mx\x7f", NULL, NULL},
	{SERVICE_SMTP, "", "hostname=a b", NULL, NULL},
	{SERVICE_SMTP, "", "hostname=-x..y", NULL, NULL},
	{SERVICE_SMTP, "", "default_domain=a b", NULL, NULL},
	{SERVICE_SMTP, "", "masquerade_domain=@", NULL, NULL},
	{SERVICE_SMTP, "", "masquerade_from=example.org,@@", NULL, NULL},
	{SERVICE_SMTP, "", "masquerade_from=example.org,.example.net", NULL,
	 "masquerade_from=example.org,.example.net"},
	{SERVICE_SMTP, "hostname=a b\nmessages_max=1", "errors_max=4", NULL,
	 "messages_max=1\nerrors_max=4"},
	{SERVICE_SMTP, "", "relay=none", NULL, "relay=none"},
	{SERVICE_SMTP, "", "allow=example.org,192.0.2.0/24", NULL,
	 "allow=example.org,192.0.2.0/24"},
	{SERVICE_SMTP, "", "deny=192.0.2", NULL, NULL},
	{SERVICE_SMTP, "", "deny=192.0.2.256", NULL, NULL},
	{SERVICE_SMTP, "", "deny=localhost", NULL, NULL},
	{SERVICE_SMTP, "", "deny=bad_.example", NULL, NULL},
	{SERVICE_SUBMISSION, "auth=allowed", "relay_from=192.0.2.0/24", NULL,
	 "auth=allowed\nrelay_from=192.0.2.0/24"},
	{SERVICE_SUBMISSION, "auth=allowed", "relay_from=outside.example", NULL, NULL},
	{SERVICE_SUBMISSION, "", "relay_from=192.0.2.0/24", NULL, NULL}, /* log-ins are demanded */
	{SERVICE_SUBMISSION, "auth=none\nrelay=none", "relay_from=192.0.2.0/24", NULL, NULL},
	{SERVICE_SMTP, "", "relay_from=192.0.2.0/24", NULL, NULL}, /* it has no way out */
	{SERVICE_SMTP, "", "reverse_lookup=required", NULL, "reverse_lookup=required"},
	{SERVICE_SMTP, "", "reverse_lookup=maybe", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.source=fe1/192.0.2.1,fe2/2001:db8::1", NULL,
	 "outbound.source=fe1/192.0.2.1,fe2/2001:db8::1"},
	{SERVICE_SMTP, "", "outbound.source=192.0.2.1", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.source=fe1/", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.source=fe1/mx.example.org", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.source=FE1/192.0.2.1", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.helo=mx.a.example", NULL, "outbound.helo=mx.a.example"},
	{SERVICE_SMTP, "", "outbound.helo=mx a", NULL, NULL},
	{SERVICE_SMTP, "", "outbound.helo=mx_a.example", NULL, NULL},
	{SERVICE_SUBMISSION, "", "outbound.retry_first=5m", NULL, "outbound.retry_first=5m"},
	{SERVICE_SUBMISSION, "", "outbound.expiry=1s", NULL, "outbound.expiry=1s"},
	{SERVICE_SUBMISSION, "", "outbound.expiry=999ms", NULL, NULL},
	{SERVICE_SMTP, "", "relay=everybody", NULL, NULL},
	{SERVICE_SMTP, "", "home=One/two_3/4-5.d", NULL, "home=One/two_3/4-5.d"},
	{SERVICE_SMTP, "home=a", NULL, "home", ""},
	{SERVICE_SMTP, "", "home=/a", NULL, NULL},
	{SERVICE_SMTP, "", "home=a/", NULL, NULL},
	{SERVICE_SMTP, "", "home=a//b", NULL, NULL},
	{SERVICE_SMTP, "", "home=.", NULL, NULL},
	{SERVICE_SMTP, "", "home=..", NULL, NULL},
	{SERVICE_SMTP, "", "home=a/../b", NULL, NULL},
	{SERVICE_SMTP, "", "home=a/.b", NULL, NULL},
	{SERVICE_SMTP, "", "home=-a", NULL, NULL},
	{SERVICE_SMTP, "", "home=a b", NULL, NULL},
	{SERVICE_SMTP, "", "home=a\\b", NULL, NULL},
	{SERVICE_SMTP, "", "home=\xc3\xa4", NULL, NULL},
};

TEST(settings_are_checked_and_merged)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		char *set = (char *)(uintptr_t)settings[i].set;
		char *unset = (char *)(uintptr_t)settings[i].unset;
		struct diag d = {""};
		struct buf b;
		enum err e;

		check_note("case %zu: %s", i, set != NULL ? set : unset != NULL ? unset : "");
		buf_init(&b, 16384, NULL);
		e = server_spec_settings(settings[i].service, slice_str(settings[i].before),
					 (struct server_texts){&set, set != NULL},
					 (struct server_texts){&unset, unset != NULL}, &b, &d);
		CHECK_ERR(e, settings[i].after != NULL ? E_OK : E_INVALID);
		if (settings[i].after != NULL)
			CHECK_SLICE(buf_slice(&b), slice_str(settings[i].after));
		else
			CHECK(d.text[0] != '\0');
		buf_fini(&b);
	}
}

TEST(a_home_has_a_length)
{
	char text[sizeof "home=" + SERVER_HOME_MAX + 1], *set = text;
	struct diag d = {""};
	struct buf b;

	memset(text, 'a', sizeof text);
	memcpy(text, "home=", 5);
	text[5 + SERVER_HOME_MAX + 1] = '\0';
	buf_init(&b, 16384, NULL);
	CHECK_ERR(server_spec_settings(SERVICE_SMTP, SLICE_NONE, (struct server_texts){&set, 1},
				       (struct server_texts){NULL, 0}, &b, &d),
		  E_INVALID);
	text[5 + SERVER_HOME_MAX] = '\0';
	CHECK_ERR(server_spec_settings(SERVICE_SMTP, SLICE_NONE, (struct server_texts){&set, 1},
				       (struct server_texts){NULL, 0}, &b, &d),
		  E_OK);
	buf_fini(&b);
	CHECK(!servers_home_ok(SL("a\0b")));
	CHECK(!servers_home_ok(SLICE_NONE));
}

/* A list that grows until it has more than max; each item ends so. */
static void check_bound(enum rpc_service service, const char *name, const char *item, unsigned max)
{
	struct diag d;
	struct buf b, out;
	char *set;

	buf_init(&b, SERVER_SETTING_MAX, NULL);
	buf_init(&out, 16384, NULL);
	for (unsigned i = 0; i <= max; i++) {
		buf_printf(&b, "%s%s", i == 0 ? name : "", i == 0 ? "=" : ",");
		buf_printf(&b, "10.0.%u.%s", i, item);
		buf_putc(&b, '\0');
		set = b.p;
		buf_reset(&out);
		CHECK_ERR(server_spec_settings(service, SLICE_NONE, (struct server_texts){&set, 1},
					       (struct server_texts){NULL, 0}, &out, &d),
			  i < max ? E_OK : E_INVALID);
		b.n--;
	}
	buf_fini(&b);
	buf_fini(&out);
}

TEST(a_list_is_bounded)
{
	check_bound(SERVICE_SMTP, "deny", "0/24", SERVER_NETS_MAX);
	check_bound(SERVICE_SUBMISSION, "masquerade_from", "test", SERVER_MASQUERADES_MAX);
}

/* 255 characters are taken, and one more is not. */
TEST(a_domain_is_bounded)
{
	char text[SERVER_DOMAIN_MAX + 8] = "deny=";
	size_t n = strlen(text);
	struct diag d;
	struct buf out;
	char *set = text;

	buf_init(&out, 16384, NULL);
	for (size_t i = 0; i < SERVER_DOMAIN_MAX + 1; i++)
		text[n + i] = i % 51 == 50 ? '.' : 'a';
	for (size_t length = SERVER_DOMAIN_MAX; length <= SERVER_DOMAIN_MAX + 1; length++) {
		text[n + length - 1] = 'b';
		text[n + length] = '\0';
		buf_reset(&out);
		CHECK_ERR(server_spec_settings(SERVICE_SMTP, SLICE_NONE,
					       (struct server_texts){&set, 1},
					       (struct server_texts){NULL, 0}, &out, &d),
			  length <= SERVER_DOMAIN_MAX ? E_OK : E_INVALID);
	}
	buf_fini(&out);
}

TEST(a_list_of_sources_is_bounded)
{
	struct diag d;
	struct buf b, out;
	char *set;

	buf_init(&b, SERVER_SETTING_MAX, NULL);
	buf_init(&out, 16384, NULL);
	for (unsigned i = 0; i <= SERVER_SOURCES_MAX; i++) {
		buf_printf(&b, "%sfe%u/10.0.0.%u", i == 0 ? "outbound.source=" : ",", i, i);
		buf_putc(&b, '\0');
		set = b.p;
		buf_reset(&out);
		CHECK_ERR(server_spec_settings(SERVICE_SMTP, SLICE_NONE,
					       (struct server_texts){&set, 1},
					       (struct server_texts){NULL, 0}, &out, &d),
			  i < SERVER_SOURCES_MAX ? E_OK : E_INVALID);
		b.n--;
	}
	buf_fini(&b);
	buf_fini(&out);
}

/* Each default is a value that the row itself takes, and the table has room for all. */
TEST(every_default_of_a_server_is_good)
{
	CHECK(servers_table_len <= SERVER_SETTINGS_MAX);
	for (size_t i = 0; i < servers_table_len; i++) {
		CHECK(servers_table[i].help[0] != '\0');
		CHECK((servers_table[i].flags & CONF_LIVE) != 0);
		CHECK(servers_find_setting(slice_str(servers_table[i].name)) == &servers_table[i]);
	}
}
