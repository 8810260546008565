/* What a virtual server changes of a conversation: name, limits, TLS, log-ins, relaying, end. */
#include "common/loop/fiber.h"
#include "tests/lib/dnstwin.h"
#include "tests/unit/frontend/smtp/smtp_lib.h"

/* One server of the port's service for everything; settings end with NULL. */
static void serve(enum smtp_port port, enum server_state state, const char *const *settings)
{
	struct server_push p = {
		.name = SL("a"),
		.service = port == PORT_25 || port == PORT_LMTP ? SERVICE_SMTP : SERVICE_SUBMISSION,
		.state = state,
	};

	for (; settings[p.nsettings] != NULL; p.nsettings++)
		p.settings[p.nsettings] = slice_str(settings[p.nsettings]);
	servers_begin();
	servers_put(&p);
	servers_apply();
	session_leave_stopped();
}

#define SERVE(port, ...) serve(port, SERVER_RUNNING, (const char *const[]){__VA_ARGS__, NULL})

static WAITS void begin(struct wire *w, enum smtp_port port)
{
	mx_open(w, port);
	ASK(w, NULL, "220 ");
}

static WAITS void done(struct wire *w)
{
	mx_close(w);
	servers_forget();
}

/* All lines of the answer to EHLO. */
static WAITS bool offers(struct wire *w, const char *what)
{
	bool found = false, more = true;

	wire_send(w, SL("EHLO client.example\r\n"));
	while (more && wire_line(w) == E_OK) {
		more = strncmp(w->line, "250-", 4) == 0;
		found = found || slice_starts(slice_str(w->line + 4), slice_str(what));
	}
	return found;
}

TEST_FIBER(server_name_and_limits)
{
	struct wire w;

	SERVE(PORT_25, "hostname=mx.a.example", "message_bytes_max=10k", "messages_max=1",
	      "recipients_max=1");
	begin(&w, PORT_25);
	CHECK(offers(&w, "mx.a.example"));
	CHECK(offers(&w, "SIZE 10240"));
	ASK(&w, "MAIL FROM:<x@outside.example> SIZE=10241", "552 5.3.4");
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "452 4.5.3");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: x\r\n\r\nx\r\n.", "250 ");
	CHECK(slice_find(slice_str(played.prefix), SL("by mx.a.example with ESMTP")) <
	      strlen(played.prefix));
	CHECK_STR(played.server, "a");
	ASK(&w, "MAIL FROM:<x@outside.example>", "421 4.7.0");
	done(&w);
}

TEST_FIBER(server_tls_required_on_25)
{
	struct wire w;

	SERVE(PORT_25, "tls=required");
	begin(&w, PORT_25);
	CHECK(offers(&w, "STARTTLS"));
	ASK(&w, "MAIL FROM:<x@outside.example>", "530 5.7.0 STARTTLS first");
	ASK(&w, "NOOP", "250 ");
	ASK(&w, "BDAT 0 LAST", "530 5.7.0 STARTTLS first");
	smtp_tls(&w);
	CHECK(!offers(&w, "STARTTLS"));
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	done(&w);
}

TEST_FIBER(server_without_tls)
{
	struct wire w;

	SERVE(PORT_25, "tls=none");
	begin(&w, PORT_25);
	CHECK(!offers(&w, "STARTTLS"));
	ASK(&w, "STARTTLS", "502 5.5.1");
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	done(&w);
}

TEST_FIBER(server_with_some_mechanisms)
{
	struct wire w;

	SERVE(PORT_587, "auth_mechanisms=SCRAM-SHA-256");
	begin(&w, PORT_587);
	CHECK(!offers(&w, "AUTH"));
	ASK(&w, "MAIL FROM:<alice@example.org>", "530 5.7.0 STARTTLS first");
	smtp_tls(&w);
	CHECK(offers(&w, "AUTH SCRAM-SHA-256"));
	CHECK(!offers(&w, "AUTH SCRAM-SHA-256 "));
	ASK(&w, "MAIL FROM:<alice@example.org>", "530 5.7.0 Authentication required");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "504 5.5.4");
	CHECK(!smtp_logged("AGFsaWNlAHNlY3JldA"));
	done(&w);
}

/* Without a log-in a session is what one at port 25 is. */
TEST_FIBER(server_where_a_log_in_is_allowed)
{
	struct wire w;

	SERVE(PORT_587, "auth=allowed");
	begin(&w, PORT_587);
	ASK(&w, "EHLO client.example", "250 ");
	smtp_tls(&w);
	ASK(&w, "EHLO client.example", "250 ");
	ASK(&w, "MAIL FROM:<alice@example.org>", "550 5.7.1 Authenticate to send");
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: x\r\n\r\nx\r\n.", "250 ");
	/* Nothing is made or signed for who is not known. */
	CHECK(slice_find(slice_str(played.prefix), SL("Message-ID")) == strlen(played.prefix));
	CHECK_STR(played.author, "");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 ");
	ASK(&w, "MAIL FROM:<bob@example.org>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	done(&w);
}

TEST_FIBER(server_where_nobody_logs_in)
{
	struct wire w;

	SERVE(PORT_587, "auth=none");
	begin(&w, PORT_587);
	ASK(&w, "EHLO client.example", "250 ");
	smtp_tls(&w);
	CHECK(!offers(&w, "AUTH"));
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "502 5.5.1");
	CHECK(!smtp_logged("AGFsaWNlAHNlY3JldA"));
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	done(&w);
}

/* LMTP has no AUTH, so what a server says of it is nothing to it. */
TEST_FIBER(server_with_log_ins_and_lmtp)
{
	struct wire w;

	SERVE(PORT_LMTP, "auth=required");
	begin(&w, PORT_LMTP);
	ASK(&w, "LHLO relay.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	done(&w);
}

/* The last message has one hop more than the server takes, the one before it as many. */
TEST_FIBER(server_counts_hops)
{
	struct wire w;

	SERVE(PORT_25, "hops_max=2");
	begin(&w, PORT_25);
	ASK(&w, "EHLO c.example", "250 ");
	for (unsigned more = 0; more < 2; more++) {
		ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
		ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
		ASK(&w, "DATA", "354 ");
		if (more != 0)
			wire_send(&w, SL("Received: 3\r\n"));
		ASK(&w, "Received: 1\r\nReceived: 2\r\n\r\n.", more ? "554 5.4.6" : "250 ");
	}
	done(&w);
}

TEST_FIBER(server_that_does_not_relay)
{
	struct wire w;

	SERVE(PORT_587, "relay=none");
	begin(&w, PORT_587);
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	CHECK(!played.relay);
	done(&w);
	SERVE(PORT_587, "relay=authenticated");
	begin(&w, PORT_587);
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	CHECK(played.relay);
	done(&w);
}

/* Who is believed for his address may use addresses of ours, and asks for others' recipients; a
 * log-in is not needed, and not in the way. */
TEST_FIBER(server_relays_from_a_net)
{
	static const struct {
		const char *settings[3];
		bool relays;
	} cases[] = {
		{{"auth=allowed", "relay_from=192.0.2.1,127.0.0.0/8"}, true},
		{{"auth=none", "relay_from=127.0.0.1"}, true},
		{{"auth=allowed", "relay_from=192.0.2.1"}, false},
		{{"auth=allowed"}, false},
	};
	struct wire w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		serve(PORT_587, SERVER_RUNNING, cases[i].settings);
		begin(&w, PORT_587);
		ASK(&w, "EHLO client.example", "250 ");
		ASK(&w, "MAIL FROM:<alice@example.org>", cases[i].relays ? "250 " : "550 5.7.1");
		ASK(&w, "RSET", "250 ");
		ASK(&w, "MAIL FROM:<printer@outside.example>", "250 ");
		ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
		CHECK_INT(played.relay_server, cases[i].relays);
		done(&w);
	}
	serve(PORT_587, SERVER_RUNNING, cases[0].settings);
	begin(&w, PORT_587);
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	CHECK(played.relay && !played.relay_server);
	done(&w);
}

TEST_FIBER(server_gives_postmaster_its_domain)
{
	struct wire w;

	SERVE(PORT_25, "default_domain=other.example");
	begin(&w, PORT_25);
	ASK(&w, "EHLO client.example", "250 ");
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	ASK(&w, "RCPT TO:<Postmaster>", "550 5.7.1"); /* no domain of the played back-end's */
	SERVE(PORT_25, "default_domain=example.org");
	ASK(&w, "RCPT TO:<Postmaster>", "250 ");
	done(&w);
}

TEST_FIBER(server_is_stopped_between_two_commands)
{
	struct wire w;

	SERVE(PORT_25, "messages_max=5");
	begin(&w, PORT_25);
	ASK(&w, "EHLO client.example", "250 ");
	serve(PORT_25, SERVER_STOPPED, (const char *const[]){NULL});
	CHECK(wire_line(&w) == E_OK);
	CHECK_STR(w.line, "421 4.3.2 Service stopped");
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("server stopped"));
	done(&w);
}

/* What the client at 127.0.0.1 is told first, where DNS says this of it; with its name in Received,
 * if it has one. */
static WAITS void greets(const struct dnstwin_rr *records, const char *setting, const char *want)
{
	struct wire w;

	check_note("%s %s", records[0].name != NULL ? records[0].data : "(no name)", setting);
	resolver_replace(dnstwin(records));
	SERVE(PORT_25, setting);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, want);
	done(&w);
	resolver_replace(NULL);
}

static const struct dnstwin_rr named[] = {{"1.0.0.127.in-addr.arpa", "PTR", "host.bad.test"},
					  {"host.bad.test", "A", "127.0.0.1"},
					  {0}};
static const struct dnstwin_rr liar[] = {{"1.0.0.127.in-addr.arpa", "PTR", "host.good.test"},
					 {"host.good.test", "A", "127.0.0.2"},
					 {0}};
static const struct dnstwin_rr away[] = {{"1.0.0.127.in-addr.arpa", "FAIL", ""}, {0}};
static const struct dnstwin_rr nameless[] = {{0}};

TEST_FIBER(server_admits_by_names)
{
	greets(named, "deny=bad.test", "554 5.7.1");
	greets(named, "deny=good.test", "220 ");
	greets(named, "allow=bad.test", "220 ");
	greets(named, "allow=good.test", "554 5.7.1");
	greets(liar, "deny=good.test", "220 ");
	greets(liar, "allow=good.test", "554 5.7.1");
	greets(nameless, "deny=bad.test", "220 ");
	greets(nameless, "allow=bad.test", "554 5.7.1");
	greets(away, "deny=bad.test", "421 4.4.3");
	greets(away, "allow=bad.test", "421 4.4.3");
	/* The address decides: nobody is asked. */
	greets(away, "allow=bad.test,127.0.0.1", "220 ");
	greets(away, "deny=127.0.0.2", "220 ");
}

TEST_FIBER(server_wants_a_name)
{
	greets(named, "reverse_lookup=required", "220 ");
	greets(liar, "reverse_lookup=required", "554 5.7.25");
	greets(nameless, "reverse_lookup=required", "554 5.7.25");
	greets(away, "reverse_lookup=required", "421 4.4.3");
	greets(liar, "reverse_lookup=noted", "220 ");
	greets(away, "reverse_lookup=noted", "220 ");
}

/* RFC 5321 section 4.4: TCP-info may have a domain before the address. */
TEST_FIBER(server_notes_a_name)
{
	static const struct {
		const struct dnstwin_rr *dns;
		const char *setting, *want;
	} cases[] = {
		{named, "reverse_lookup=noted", "from c.example (host.bad.test [127.0.0.1])\r\n"},
		{liar, "reverse_lookup=noted", "from c.example ([127.0.0.1])\r\n"},
		{named, "reverse_lookup=off", "from c.example ([127.0.0.1])\r\n"},
	};
	struct wire w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		resolver_replace(dnstwin(cases[i].dns));
		SERVE(PORT_25, cases[i].setting);
		begin(&w, PORT_25);
		ASK(&w, "EHLO c.example", "250 ");
		ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
		ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
		ASK(&w, "DATA", "354 ");
		ASK(&w, "Subject: x\r\n\r\nx\r\n.", "250 ");
		check_note("%s", played.prefix);
		CHECK(slice_find(slice_str(played.prefix), slice_str(cases[i].want)) <
		      strlen(played.prefix));
		done(&w);
		resolver_replace(NULL);
	}
}

/* RFC 1985: where something is held that may be asked for, and nowhere else. */
TEST_FIBER(server_etrn)
{
	static const struct {
		enum err e;
		struct call_asked asked;
		const char *reply;
	} cases[] = {
		{E_OK, {0, false}, "250 2.0.0 Queuing started for node a.example"},
		{E_OK, {0, true}, "251 2.0.0 No messages waiting for node a.example"},
		{E_OK, {7, false}, "252 2.0.0 Pending messages started for node a.example"},
		{E_OK, {7, true}, "253 2.0.0 Pending messages started for the node: 7"},
		{E_RETRY, {0, false}, "458 4.3.0 Unable to queue messages now for node a.example"},
		{E_LIMIT, {0, false}, "458 4.3.0 Unable to queue messages now for node a.example"},
		{E_NOT_FOUND,
		 {0, false},
		 "459 4.7.1 Not allowed, or nothing held, for node a.example"},
	};
	struct wire w;

	SERVE(PORT_25, "tls=offered");
	begin(&w, PORT_25);
	CHECK(!offers(&w, "ETRN"));
	ASK(&w, "ETRN a.example", "500 5.5.2");
	CHECK_STR(played.node, "");
	servers_begin();
	servers_put_etrn();
	servers_apply();
	CHECK(offers(&w, "ETRN"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		played.ask = cases[i].e;
		played.asked = cases[i].asked;
		ASK(&w, "ETRN A.example", cases[i].reply);
	}
	CHECK_INT(played.what, CALL_ASK_NODE);
	played.ask = E_OK;
	ASK(&w, "etrn @a.example", "250 2.0.0");
	CHECK_INT(played.what, CALL_ASK_BELOW);
	ASK(&w, "ETRN #.a.example", "250 2.0.0");
	CHECK_INT(played.what, CALL_ASK_ROUTE);
	CHECK_STR(played.node, ".a.example");
	ASK(&w, "ETRN", "501 5.5.4");
	/* Section 5.1: not in the middle of a transaction. */
	ASK(&w, "MAIL FROM:<x@outside.example>", "250 ");
	ASK(&w, "ETRN a.example", "503 5.5.1");
	done(&w);
	begin(&w, PORT_587);
	servers_begin();
	servers_put_etrn();
	servers_apply();
	CHECK(!offers(&w, "ETRN"));
	done(&w);
}
