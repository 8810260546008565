/* Virtual SMTP servers as a worker has them: who answers where, what they say, and what becomes of
 * their sessions. */
#include "frontend/core/servers.h"

#include "frontend/core/policy.h"
#include "tests/lib/check.h"

static struct ipaddr ip(const char *text)
{
	struct ipaddr a = {.family = 0};

	CHECK(ipaddr_parse(slice_str(text), &a));
	return a;
}

/* Texts end with NULL; either may be NULL. */
static void put(const char *name, enum rpc_service service, enum server_state state,
		const char *const *listeners, const char *const *settings)
{
	struct server_push p = {.name = slice_str(name), .service = service, .state = state};

	for (; listeners != NULL && listeners[p.nlisteners] != NULL; p.nlisteners++)
		p.listeners[p.nlisteners] = slice_str(listeners[p.nlisteners]);
	for (; settings != NULL && settings[p.nsettings] != NULL; p.nsettings++)
		p.settings[p.nsettings] = slice_str(settings[p.nsettings]);
	servers_put(&p);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct server *at(enum rpc_service service, const char *address, uint16_t port)
{
	struct ipaddr a = ip(address);

	return servers_find(service, &a, port);
}

TEST(without_servers_the_policy_holds)
{
	struct ipaddr peer = ip("192.0.2.9");

	policy_init("fe1");
	servers_forget();
	CHECK(at(SERVICE_SMTP, "192.0.2.1", 25) == NULL);
	CHECK_STR(server_name(NULL), "");
	CHECK(server_state(NULL) == SERVER_RUNNING);
	CHECK(server_admits(NULL, &peer) == SERVER_ADMITS);
	CHECK(server_admits_names(NULL, &peer, NULL, 0));
	CHECK(server_reverse_lookup(NULL) == SERVER_REVERSE_OFF);
	CHECK(server_connections_max(NULL) == UINT32_MAX);
	CHECK(server_smtp(NULL, SERVICE_SMTP) == &policy()->smtp);
	CHECK(server_smtp(NULL, SERVICE_SUBMISSION) == &policy()->submission);
	CHECK_STR(server_hostname(NULL), "fe1");
	CHECK(server_tls_mode(NULL) == SERVER_TLS_OFFERED);
	CHECK(server_auth_mode(NULL, SERVICE_SMTP) == SERVER_AUTH_NONE);
	CHECK(server_auth_mode(NULL, SERVICE_SUBMISSION) == SERVER_AUTH_REQUIRED);
	CHECK(server_offers(NULL, "PLAIN"));
	CHECK(server_relays(NULL));
}

TEST(the_most_telling_listener_answers)
{
	policy_init("fe1");
	servers_begin();
	put("rest", SERVICE_SMTP, SERVER_RUNNING, NULL, NULL);
	put("port", SERVICE_SMTP, SERVER_RUNNING, LIST(":26", ":27"), NULL);
	put("here", SERVICE_SMTP, SERVER_RUNNING, LIST("fe1/:26"), NULL);
	put("elsewhere", SERVICE_SMTP, SERVER_RUNNING, LIST("fe2/:27"), NULL);
	put("address", SERVICE_SMTP, SERVER_RUNNING, LIST("192.0.2.1:26", "[2001:db8::1]:26"),
	    NULL);
	put("users", SERVICE_SUBMISSION, SERVER_RUNNING, LIST(":26"), NULL);
	CHECK(at(SERVICE_SMTP, "192.0.2.1", 26) == NULL); /* not yet in force */
	servers_apply();
	CHECK_STR(server_name(at(SERVICE_SMTP, "192.0.2.1", 25)), "rest");
	CHECK_STR(server_name(at(SERVICE_SMTP, "192.0.2.1", 26)), "address");
	CHECK_STR(server_name(at(SERVICE_SMTP, "2001:db8::1", 26)), "address");
	CHECK_STR(server_name(at(SERVICE_SMTP, "192.0.2.2", 26)), "here");
	CHECK_STR(server_name(at(SERVICE_SMTP, "192.0.2.1", 27)), "port");
	CHECK_STR(server_name(at(SERVICE_SUBMISSION, "192.0.2.1", 26)), "users");
	CHECK(at(SERVICE_SUBMISSION, "192.0.2.1", 25) == NULL);
	CHECK(at(SERVICE_IMAP, "192.0.2.1", 26) == NULL);
	servers_forget();
}

TEST(what_a_server_says_stands_before_the_policy)
{
	struct server *s;

	policy_init("fe1");
	servers_begin();
	put("a", SERVICE_SMTP, SERVER_RUNNING, NULL,
	    LIST("message_bytes_max=10k", "session_bytes_max=20k", "messages_max=2",
		 "recipients_max=3", "errors_max=4", "command_timeout=5s", "data_timeout=6s",
		 "connections_max=7", "connections_per_ip_max=8", "rate_per_ip_per_min=9",
		 "hostname=mx.a.example", "banner=A", "default_domain=a.example", "tls=required",
		 "relay=none", "of_a_newer_release=1"));
	servers_apply();
	s = at(SERVICE_SMTP, "192.0.2.1", 25);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->message_bytes_max, 10240);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->session_bytes_max, 20480);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->messages_max, 2);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->recipients_max, 3);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->errors_max, 4);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->command_timeout_ms, 5000);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->data_timeout_ms, 6000);
	CHECK_INT(server_connections_max(s), 7);
	CHECK_INT(server_limits(s, SERVICE_SMTP).per_ip_max, 8);
	CHECK_INT(server_limits(s, SERVICE_SMTP).rate_per_min, 9);
	CHECK_INT(server_limits(s, SERVICE_SMTP).connections_max, 2000);
	CHECK_STR(server_hostname(s), "mx.a.example");
	CHECK_STR(server_banner(s), "A");
	CHECK_STR(server_default_domain(s), "a.example");
	CHECK(server_tls_mode(s) == SERVER_TLS_REQUIRED);
	CHECK(!server_relays(s));
	servers_forget();
}

/* The cluster's policy changes under a server, and the server under its sessions. */
TEST(changes_are_followed_live)
{
	struct server *s;

	policy_init("fe1");
	servers_begin();
	put("a", SERVICE_SMTP, SERVER_RUNNING, NULL, LIST("messages_max=2"));
	servers_apply();
	s = at(SERVICE_SMTP, "192.0.2.1", 25);
	server_enter(s);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->recipients_max, 500);
	policy_begin();
	CHECK_ERR(policy_set(SL("smtp.recipients_max"), SL("9")), E_OK);
	CHECK_ERR(policy_set(SL("smtp.messages_max"), SL("9")), E_OK);
	policy_apply();
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->recipients_max, 9);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->messages_max, 2);
	servers_begin();
	put("a", SERVICE_SMTP, SERVER_PAUSED, LIST(":26"), LIST("messages_max=3"));
	servers_apply();
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->messages_max, 3);
	CHECK(server_state(s) == SERVER_PAUSED);
	CHECK(at(SERVICE_SMTP, "192.0.2.1", 25) == NULL);
	CHECK(at(SERVICE_SMTP, "192.0.2.1", 26) == s);
	CHECK_INT(server_sessions(s), 1);
	/* Removed: its session keeps what it had. */
	servers_begin();
	servers_apply();
	CHECK(at(SERVICE_SMTP, "192.0.2.1", 26) == NULL);
	CHECK_INT(server_smtp(s, SERVICE_SMTP)->messages_max, 3);
	server_leave(&s);
	CHECK(s == NULL);
	policy_begin();
	policy_apply();
}

static const struct {
	const char *peer;
	bool all_but, only, both;
} clients[] = {
	{"192.0.2.1", false, true, false},    {"192.0.2.200", true, true, true},
	{"198.51.100.1", true, false, false}, {"2001:db8::1", true, true, true},
	{"2001:db9::1", true, false, false},
};

TEST(nets_that_may_connect)
{
	struct server *all_but, *only, *both;

	policy_init("fe1");
	servers_begin();
	put("all-but", SERVICE_SMTP, SERVER_RUNNING, LIST(":1"), LIST("deny=192.0.2.0/25"));
	put("only", SERVICE_SMTP, SERVER_RUNNING, LIST(":2"),
	    LIST("allow=192.0.2.0/24,2001:db8::/32"));
	put("both", SERVICE_SMTP, SERVER_RUNNING, LIST(":3"),
	    LIST("allow=192.0.2.0/24,2001:db8::/32", "deny=192.0.2.1"));
	put("odd", SERVICE_SMTP, SERVER_RUNNING, LIST(":4"), LIST("allow=rubbish"));
	servers_apply();
	all_but = at(SERVICE_SMTP, "127.0.0.1", 1);
	only = at(SERVICE_SMTP, "127.0.0.1", 2);
	both = at(SERVICE_SMTP, "127.0.0.1", 3);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		struct ipaddr peer = ip(clients[i].peer);

		check_note("%s", clients[i].peer);
		CHECK_INT(server_admits(all_but, &peer) == SERVER_ADMITS, clients[i].all_but);
		CHECK_INT(server_admits(only, &peer) == SERVER_ADMITS, clients[i].only);
		CHECK_INT(server_admits(both, &peer) == SERVER_ADMITS, clients[i].both);
		CHECK(server_admits(at(SERVICE_SMTP, "127.0.0.1", 4), &peer) == SERVER_REFUSES);
	}
	servers_forget();
}

/* What an address cannot decide its names do. */
static const struct {
	const char *settings[3], *peer, *names[3];
	enum server_admission first;
	bool admits;
} named[] = {
	{{"deny=bad.example"}, "192.0.2.1", {"host.example"}, SERVER_ASKS_NAME, true},
	{{"deny=bad.example"}, "192.0.2.1", {"bad.example"}, SERVER_ASKS_NAME, false},
	{{"deny=Bad.Example"}, "192.0.2.1", {"a.b.bad.example"}, SERVER_ASKS_NAME, false},
	{{"deny=bad.example"}, "192.0.2.1", {"notbad.example"}, SERVER_ASKS_NAME, true},
	{{"deny=bad.example"}, "192.0.2.1", {"x.example", "bad.example"}, SERVER_ASKS_NAME, false},
	{{"deny=bad.example"}, "192.0.2.1", {NULL}, SERVER_ASKS_NAME, true},
	{{"deny=bad.example,192.0.2.1"}, "192.0.2.1", {"good.example"}, SERVER_REFUSES, false},
	{{"allow=good.example"}, "192.0.2.1", {"mx.good.example"}, SERVER_ASKS_NAME, true},
	{{"allow=good.example"}, "192.0.2.1", {"good.example.net"}, SERVER_ASKS_NAME, false},
	{{"allow=good.example"}, "192.0.2.1", {NULL}, SERVER_ASKS_NAME, false},
	{{"allow=good.example,192.0.2.0/24"}, "192.0.2.1", {NULL}, SERVER_ADMITS, true},
	{{"allow=good.example,192.0.2.0/24"}, "192.0.3.1", {NULL}, SERVER_ASKS_NAME, false},
	{{"allow=192.0.2.0/24", "deny=bad.example"},
	 "192.0.2.1",
	 {"x.bad.example"},
	 SERVER_ASKS_NAME,
	 false},
	{{"allow=192.0.2.0/24", "deny=bad.example"}, "192.0.2.1", {NULL}, SERVER_ASKS_NAME, true},
	{{"allow=192.0.2.0/24", "deny=bad.example"}, "192.0.3.1", {NULL}, SERVER_ASKS_NAME, false},
	/* A label alone is not taken. */
	{{"allow=example", "deny=192.0.2.0/24"}, "192.0.3.1", {"y.example"}, SERVER_REFUSES, false},
};

TEST(names_that_may_connect)
{
	policy_init("fe1");
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		struct ipaddr peer = ip(named[i].peer);
		slice_t names[3];
		struct server *s;
		size_t n = 0;

		for (; named[i].names[n] != NULL; n++)
			names[n] = slice_str(named[i].names[n]);
		servers_begin();
		put("a", SERVICE_SMTP, SERVER_RUNNING, NULL, named[i].settings);
		servers_apply();
		s = at(SERVICE_SMTP, "127.0.0.1", 25);
		check_note("row %zu", i);
		CHECK_INT(server_admits(s, &peer), named[i].first);
		CHECK_INT(server_admits_names(s, &peer, names, n), named[i].admits);
	}
	servers_forget();
}

TEST(who_may_log_in_and_how)
{
	struct server *s;

	policy_init("fe1");
	servers_begin();
	put("allowed", SERVICE_SUBMISSION, SERVER_RUNNING, LIST(":1"),
	    LIST("auth=allowed", "auth_mechanisms=plain,SCRAM-SHA-256"));
	put("none", SERVICE_SUBMISSION, SERVER_RUNNING, LIST(":2"), LIST("auth=none", "tls=none"));
	put("auto", SERVICE_SUBMISSION, SERVER_RUNNING, LIST(":3"), NULL);
	servers_apply();
	s = at(SERVICE_SUBMISSION, "127.0.0.1", 1);
	CHECK(server_auth_mode(s, SERVICE_SUBMISSION) == SERVER_AUTH_ALLOWED);
	CHECK(server_offers(s, "PLAIN"));
	CHECK(server_offers(s, "SCRAM-SHA-256"));
	CHECK(!server_offers(s, "SCRAM-SHA-256-PLUS"));
	CHECK(!server_offers(s, "LOGIN"));
	s = at(SERVICE_SUBMISSION, "127.0.0.1", 2);
	CHECK(server_auth_mode(s, SERVICE_SUBMISSION) == SERVER_AUTH_NONE);
	CHECK(server_tls_mode(s) == SERVER_TLS_NONE);
	s = at(SERVICE_SUBMISSION, "127.0.0.1", 3);
	CHECK(server_auth_mode(s, SERVICE_SUBMISSION) == SERVER_AUTH_REQUIRED);
	CHECK(server_offers(s, "LOGIN"));
	servers_forget();
}

/* Of an older back-end: the cluster's name stands for one that is none. */
TEST(names_that_are_none_are_left_out)
{
	policy_init("fe1");
	servers_forget();
	put("old", SERVICE_SMTP, SERVER_RUNNING, LIST(":4"),
	    LIST("hostname=a b", "default_domain=a b", "messages_max=3"));
	servers_apply();
	CHECK_STR(server_hostname(at(SERVICE_SMTP, "192.0.2.1", 4)), "fe1");
	CHECK_STR(server_default_domain(at(SERVICE_SMTP, "192.0.2.1", 4)), "");
	CHECK_INT(server_smtp(at(SERVICE_SMTP, "192.0.2.1", 4), SERVICE_SMTP)->messages_max, 3);
	servers_forget();
}

/* A server none of whose listeners can be read must not answer for everything. */
TEST(odd_pushes_are_left_out)
{
	char name[100];

	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	policy_init("fe1");
	servers_begin();
	put("odd", SERVICE_SMTP, SERVER_STOPPED, LIST("mx.example.org:25"), NULL);
	put(name, SERVICE_SMTP, SERVER_STOPPED, NULL, NULL);
	put("half", SERVICE_SMTP, SERVER_RUNNING, LIST("rubbish", ":26"), LIST("messages_max=-1"));
	servers_apply();
	CHECK(at(SERVICE_SMTP, "127.0.0.1", 25) == NULL);
	CHECK_STR(server_name(at(SERVICE_SMTP, "127.0.0.1", 26)), "half");
	CHECK_INT(server_smtp(at(SERVICE_SMTP, "127.0.0.1", 26), SERVICE_SMTP)->messages_max, 100);
	servers_forget();
}
