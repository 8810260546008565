#include "tests/unit/frontend/smtp/smtp_lib.h"

#include <stdio.h>

#include "common/base/num.h"
#include "common/loop/fiber.h"
#include "frontend/mailauth/dkim_hash.h"

TEST_FIBER(submission_needs_tls_and_auth)
{
	struct wire w;

	mx_open(&w, PORT_587);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	CHECK(!smtp_logged("AUTH"));
	ASK(&w, "MAIL FROM:<alice@example.org>", "530 5.7.0");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "538 5.7.11");
	CHECK(!smtp_logged("AGFsaWNl"));
	/* A client that goes on as if it had been asked. */
	ASK(&w, "WHAT", "500 5.5.2");
	CHECK(smtp_logged("command=*"));
	ASK(&w, "c2VjcmV0", "500 5.5.2");
	CHECK(!smtp_logged("c2VjcmV0"));
	smtp_tls(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "530 5.7.0");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "503 5.5.1"); /* EHLO anew */
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "STARTTLS", "503 5.5.1");
	ASK(&w, "MAIL FROM:<alice@example.org>", "530 5.7.0");
	wire_send(&w, SL("BDAT 6 LAST\r\nQUIT\r\n"));
	ASK(&w, NULL, "530 5.7.0");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "235 2.7.0");
	CHECK(smtp_logged("session.login"));
	CHECK(smtp_logged("mechanism=PLAIN"));
	CHECK(smtp_logged("user=alice@example.org"));
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "503 5.5.1");
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	mx_close(&w);
}

TEST_FIBER(submission_offers)
{
	bool starttls = false, auth = false, plus = false;
	struct wire w;

	mx_open(&w, PORT_587);
	ASK(&w, NULL, "220 ");
	wire_send(&w, SL("EHLO c.example\r\n"));
	do {
		CHECK(wire_line(&w) == E_OK);
		starttls = starttls || strcmp(w.line, "250-STARTTLS") == 0;
		auth = auth || strstr(w.line, "AUTH") != NULL;
	} while (w.line[3] == '-');
	CHECK(starttls);
	CHECK(!auth);
	smtp_tls(&w);
	wire_send(&w, SL("EHLO c.example\r\n"));
	starttls = false;
	do {
		CHECK(wire_line(&w) == E_OK);
		starttls = starttls || strcmp(w.line, "250-STARTTLS") == 0;
		auth = auth || strstr(w.line, "AUTH") != NULL;
		plus = plus || strstr(w.line, " SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
	} while (w.line[3] == '-');
	CHECK(!starttls);
	CHECK(auth);
	CHECK(plus);
	mx_close(&w);
}

TEST_FIBER(submission_auth_exchanges)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "AUTH", "504 5.5.4");
	ASK(&w, "AUTH GSSAPI", "504 5.5.4");
	ASK(&w, "AUTH PLAIN", "334 ");
	ASK(&w, "*", "501 5.5.2");
	ASK(&w, "AUTH PLAIN", "334 ");
	ASK(&w, "!!!", "501 5.5.2");
	ASK(&w, "AUTH PLAIN = x", "501 5.5.4");
	ASK(&w, "AUTH LOGIN", "334 VXNlcm5hbWU6");
	ASK(&w, "YWxpY2U=", "334 UGFzc3dvcmQ6");
	ASK(&w, "d3Jvbmc=", "535 5.7.8");
	ASK(&w, "AUTH LOGIN YWxpY2U=", "334 UGFzc3dvcmQ6");
	ASK(&w, "c2VjcmV0", "235 2.7.0");
	CHECK(smtp_logged("mechanism=LOGIN"));
	CHECK(!smtp_logged("c2VjcmV0"));
	CHECK(!smtp_logged("secret"));
	mx_close(&w);
}

TEST_FIBER(submission_auth_tries)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	for (int i = 1; i < SMTP_AUTH_TRIES_MAX; i++)
		ASK(&w, "AUTH PLAIN AGFsaWNlAHdyb25n", "535 5.7.8");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHdyb25n", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "AUTH GSSAPI", "504 5.5.4");
	CHECK(smtp_logged("command=AUTH code=504"));
	played.away = true;
	for (int i = 1; i < SMTP_AUTH_TRIES_MAX; i++)
		ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "454 4.7.0");
	ASK(&w, "AUTH PLAIN AGFsaWNlAHNlY3JldA==", "421 4.7.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);
}

TEST_FIBER(submission_senders)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<boss@example.org>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<>", "250 ");
	ASK(&w, "RSET", "250 ");
	played.sender_checks = 0;
	ASK(&w, "MAIL FROM:<alice@example.org> AUTH=<>", "250 ");
	ASK(&w, "RSET", "250 ");
	ASK(&w, "MAIL FROM:<alice@EXAMPLE.org>", "250 ");
	CHECK_INT(played.sender_checks, 1); /* asked once */
	ASK(&w, "RSET", "250 ");
	smtp_session()->senders[0].until_ms = 0; /* and again: it may have been taken away */
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	CHECK_INT(played.sender_checks, 2);
	ASK(&w, "RCPT TO:<user@outside.example>", "451 4.3.2");
	ASK(&w, "RCPT TO:<user@[192.0.2.1]>", "451 4.3.2");
	ASK(&w, "RCPT TO:<slow@example.org>", "451 4.3.2");
	ASK(&w, "RCPT TO:<nobody@example.org>", "550 5.1.1");
	mx_close(&w);
}

static WAITS void submit(struct wire *w, const char *header, const char *want)
{
	char text[512];

	ASK(w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(w, "DATA", "354 ");
	snprintf(text, sizeof text, "%s\r\nbody\r\n.", header);
	ASK(w, text, want);
}

TEST_FIBER(submission_from)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w, "From: Alice <alice@example.org>\r\n", "250 ");
	submit(&w, "From: \"alice@example.org\" <bob@example.org>\r\n", "550 5.7.1");
	submit(&w, "From: alice@example.org\r\nFrom: bob@example.org\r\n", "550 5.7.1");
	submit(&w, "From: alice@example.org, bob@example.org\r\n", "550 5.7.1");
	submit(&w, "From: alice@example.org\r\nSender: bob@example.org\r\n", "550 5.7.1");
	submit(&w, "From: alice@example.org bob@example.org\r\n", "550 5.6.0");
	submit(&w, "From: <\r\n", "550 5.6.0");
	/* Nobody is not alice. */
	submit(&w, "From: boss@example.org:;\r\n", "550 5.6.0");
	submit(&w, "From: x:;\r\nSender: alice@example.org\r\n", "550 5.6.0");
	submit(&w, "From:\r\n", "550 5.6.0");
	submit(&w, "From: alice@example.org\r\nFrom      \t            : bob@example.org\r\n",
	       "550 5.7.1");
	submit(&w, "From: \"alice\r\nFrom: alice@example.org\r\n", "550 5.6.0");
	CHECK_INT(played.messages, 1);
	/* What would go on with the From that we add. */
	submit(&w, " , bob@example.org\r\nSubject: x\r\n", "550 5.6.0");
	submit(&w, "\t: x\r\nSubject: x\r\n", "550 5.6.0");
	submit(&w, "From: Us: alice@example.org;\r\nSender:\r\n", "250 ");
	submit(&w, "From:\r\n alice\r\n @example.org (me)\r\n", "250 ");
	mx_close(&w);
}

TEST_FIBER(submission_adds_what_lacks)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w, "Subject: x\r\n", "250 ");
	CHECK(strstr(played.prefix, " with ESMTPSA id ") != NULL);
	CHECK(strstr(played.prefix, "\t(using TLSv1.3 with TLS_") != NULL);
	CHECK(strstr(played.prefix, "\r\nDate: ") != NULL);
	CHECK(strstr(played.prefix, "\r\nMessage-ID: <") != NULL);
	CHECK(strstr(played.prefix, "\r\nFrom: <alice@example.org>\r\n") != NULL);
	CHECK_SLICE(buf_slice(&played.plain), SL("Subject: x\r\n\r\nbody\r\n"));
	/* The envelope is that of what a reader gets. */
	CHECK(strncmp(played.envelope, "(\"", 2) == 0);
	CHECK(strstr(played.envelope, " \"x\" ((NIL NIL \"alice\" \"example.org\")) ") != NULL);
	CHECK(strstr(played.envelope, "@mx.example.org>\")") != NULL);
	ASK(&w, "MAIL FROM:<>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: x\r\n.", "250 "); /* nor has it an empty line */
	CHECK(strstr(played.prefix, "\r\nFrom: <alice@example.org>\r\n") != NULL);
	CHECK(strstr(played.envelope, " ((NIL NIL \"alice\" \"example.org\")) ") != NULL);
	submit(&w, "From: alice@example.org\r\nDate: x\r\nMessage-ID: <1@2>\r\n", "250 ");
	CHECK(strstr(played.prefix, "\r\nDate: ") == NULL);
	CHECK(strncmp(played.envelope, "(\"x\" NIL ", 9) == 0);
	CHECK(strstr(played.prefix, "\r\nMessage-ID: ") == NULL);
	CHECK(strstr(played.prefix, "\r\nFrom: ") == NULL);
	mx_close(&w);
}

/* The bytes behind the header wait with it for the look at its senders, and more come meanwhile. */
TEST_FIBER(submission_waits_for_its_sender)
{
	struct buf text;
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	played.sender_turns = 50;
	played.boss = SENDER_SEND_AS; /* is asked for each time */
	buf_init(&text, 1 << 20, NULL);
	buf_puts(&text,
		 "From: boss@example.org\r\nSubject: x\r\nDate: x\r\nMessage-ID: <1@2>\r\n\r\n");
	for (unsigned i = 0; text.n < 200000; i++)
		buf_printf(&text, "line %u\r\n", i);
	for (unsigned i = 0; i < 3; i++) {
		ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
		ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
		ASK(&w, "DATA", "354 ");
		wire_send(&w, buf_slice(&text));
		ASK(&w, ".", "250 ");
		CHECK_SLICE(buf_slice(&played.plain), buf_slice(&text));
	}
	buf_fini(&text);
	mx_close(&w);
}

static WAITS void submit_to(struct wire *w, const char *first, const char *second)
{
	char line[128];

	ASK(w, "MAIL FROM:<alice@example.org>", "250 ");
	snprintf(line, sizeof line, "RCPT TO:<%s>", first);
	ASK(w, line, "250 ");
	snprintf(line, sizeof line, "RCPT TO:<%s>", second);
	ASK(w, line, "250 ");
	ASK(w, "DATA", "354 ");
	ASK(w, "Subject: x\r\n\r\nwords, words, words\r\n.", "250 ");
	CHECK_SLICE(buf_slice(&played.plain), SL("Subject: x\r\n\r\nwords, words, words\r\n"));
}

/* What no mailbox here will have is neither compressed nor made ready for searches. */
TEST_FIBER(submission_that_only_passes)
{
	static const char *const far = "friend@outside.example", *const near = "bob@example.org";
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit_to(&w, far, far);
	CHECK(played.compression == RECORD_COMP_NONE && !played.searched);
	submit_to(&w, far, near);
	CHECK(played.compression == RECORD_COMP_ZSTD && played.searched);
	submit_to(&w, near, far);
	CHECK(played.compression == RECORD_COMP_ZSTD && played.searched);
	mx_close(&w);
}

/* ---- DKIM ---- */

static const struct signing_keys two_keys = {
	.v = {{SIGN_RSA_SHA256, "r1"}, {SIGN_ED25519_SHA256, "e1"}}, .n = 2};

/* What a receiver hashes, of the prefix and the message as they were committed, is what was handed
 * to the owner for signing. */
static void check_sigs(void)
{
	for (size_t i = 0; i < played.nsigs; i++) {
		slice_t sig = slice_str(played.sigs[i]);
		size_t t = slice_find(sig, SL("; t=")) + 4;
		struct dkim_sig d = {.algorithm = sign_name(two_keys.v[i].algorithm),
				     .domain = SL("example.org"),
				     .selector = slice_str(two_keys.v[i].selector)};
		struct dkim_hash *h = dkim_hash_new(NULL);
		uint8_t digest[SHA256_LEN];
		uint64_t now;
		struct buf b;

		buf_init(&b, DKIM_OPEN_MAX, NULL);
		REQUIRE(num_parse(slice_sub(sig, t, 10), INT64_MAX, &now));
		d.now_s = (int64_t)now;
		dkim_hash_feed(h, slice_str(played.prefix));
		dkim_hash_feed(h, buf_slice(&played.plain));
		CHECK_ERR(dkim_hash_end(h), E_OK);
		dkim_hash_sig(h, &d, &b, digest);
		CHECK_SLICE(buf_slice(&b), sig);
		CHECK_SLICE(slice(digest, sizeof digest), slice(played.digests[i], SHA256_LEN));
		buf_fini(&b);
		dkim_hash_free(&h);
	}
}

TEST_FIBER(submission_is_hashed_for_dkim)
{
	static const char *const headers[] = {
		"",
		"Subject: x\r\n",
		"From: Alice <alice@Example.ORG>\r\nDate: x\r\n\ty\r\nMessage-ID: <1@2>\r\n",
		"From: alice@example.org\r\nSubject:  a \xc3\xa9\r\n  b\r\nTo: x\r\nTo: y\r\n",
		"no field at all\r\nFrom: alice@example.org\r\n",
	};
	struct wire w;

	mx_open(&w, PORT_465);
	played.keys = two_keys;
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		check_note("header %zu", i);
		played.nsigs = 0;
		submit(&w, headers[i], "250 ");
		CHECK_INT(played.nsigs, 2);
		CHECK(slice_ieq(slice_str(played.author), SL("alice@example.org")));
		check_sigs();
	}
	/* One question told of both the address and its keys. */
	CHECK_INT(played.sender_checks, 1);
	/* Only the header, and not all of its last line. */
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	wire_send(&w, SL("BDAT 10 LAST\r\nSubject: x"));
	ASK(&w, NULL, "250 ");
	CHECK_INT(played.nsigs, 2);
	check_sigs();
	mx_close(&w);
}

TEST_FIBER(submission_is_not_signed)
{
	struct wire w;
	struct buf b;

	/* Without keys. */
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w, "Subject: x\r\n", "250 ");
	CHECK_INT(played.nsigs, 0);
	mx_close(&w);

	/* With a header that is too long for it. */
	mx_open(&w, PORT_465);
	played.keys = two_keys;
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	buf_init(&b, 2 * DKIM_HEADER_MAX, NULL);
	while (b.n < DKIM_HEADER_MAX)
		buf_puts(&b, "References: <a.reference.of.some.length@example.org>\r\n");
	wire_send(&w, buf_slice(&b));
	ASK(&w, "\r\nbody\r\n.", "250 ");
	CHECK_INT(played.nsigs, 0);
	CHECK(smtp_logged("smtp.unsigned"));
	buf_fini(&b);
	mx_close(&w);

	/* On 25, whoever it says that it is from. */
	mx_open(&w, PORT_25);
	played.keys = two_keys;
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@elsewhere.example>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "From: x@elsewhere.example\r\n\r\nbody\r\n.", "250 ");
	CHECK_INT(played.nsigs, 0);
	mx_close(&w);
}

/* What came in clear before TLS is not taken as if it had come under it. */
TEST_FIBER(starttls_injection)
{
	struct wire w;

	mx_open(&w, PORT_587);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "STARTTLS\r\nEHLO evil.example", "503 5.5.0");
	CHECK(wire_is_closed(&w));
	mx_close(&w);

	mx_open(&w, PORT_587);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "STARTTLS", "220 ");
	wire_send(&w, SL("EHLO evil.example\r\n"));
	CHECK(wire_is_closed(&w));
	CHECK(smtp_logged("session.tls_failed"));
	mx_close(&w);
}

TEST_FIBER(starttls_discards)
{
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	smtp_tls(&w);
	ASK(&w, "RCPT TO:<alice@example.org>", "503 5.5.1");
	ASK(&w, "MAIL FROM:<x@far.example>", "503 5.5.1");
	ASK(&w, "EHLO d.example", "250 ");
	ASK(&w, "MAIL FROM:<\xc3\xa4@far.example>", "553 5.6.7");
	ASK(&w, "MAIL FROM:<\xc3\xa4@far.example> SMTPUTF8", "250 ");
	ASK(&w, "RCPT TO:<alice@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: \xc3\xa4\r\n\r\n.", "250 ");
	CHECK(strstr(played.prefix, "from d.example (") != NULL);
	CHECK(strstr(played.prefix, " with UTF8SMTPS id ") != NULL);
	mx_close(&w);
}

/* A limit's words go to the client wherever it is found, and nothing is lost by it. */
TEST_FIBER(submission_limits_of_the_account)
{
	static const char words[] = "too many messages in the last hour, try again at 14:05 UTC";
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	played.over = words;
	ASK(&w, "MAIL FROM:<alice@example.org>",
	    "450 4.7.1 Not now (too many messages in the last hour, try again at 14:05 UTC)");
	played.over = NULL;
	ASK(&w, "MAIL FROM:<alice@example.org>", "250 ");
	ASK(&w, "RCPT TO:<held@outside.example>",
	    "450 4.7.1 Not now (mail to other systems is held)");
	CHECK(smtp_logged("event=smtp.recipient_refused"));
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	played.over = words;
	played.commit[0] = E_RATE;
	ASK(&w, "From: alice@example.org\r\n\r\nbody\r\n.",
	    "450 4.7.1 Not now (too many messages in the last hour, try again at 14:05 UTC)");
	CHECK_INT(played.owner[0].aborted, 1);
	/* Without words, and with such that no reply may hold. */
	played.over = NULL;
	submit(&w, "From: alice@example.org\r\n", "450 4.7.1 Not now");
	CHECK_STR(w.line, "450 4.7.1 Not now");
	played.over = "a\r\n250 b";
	submit(&w, "From: alice@example.org\r\n", "450 4.7.1 Not now");
	CHECK_STR(w.line, "450 4.7.1 Not now");
	played.commit[0] = E_OK;
	submit(&w, "From: alice@example.org\r\n", "250 ");
	mx_close(&w);
}

/* Where users are not to tell where they are: a From-domain there must be all the same. */
TEST_FIBER(submission_hides_the_client)
{
	static const char *const hide[] = {"submission.hide_client=true", NULL};
	struct wire w;

	smtp_policy(hide);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w, "From: alice@example.org\r\n", "250 ");
	CHECK(strstr(played.prefix, "Received: from user\r\n\t(using TLS") == played.prefix);
	CHECK(strstr(played.prefix, "\tby mx.example.org with ESMTPSA id ") != NULL);
	CHECK(strstr(played.prefix, "127.0.0.1") == NULL);
	CHECK(strstr(played.prefix, smtp_session()->helo) == NULL);
	mx_close(&w);
	/* Strangers at port 25 are told of. */
	smtp_policy(hide);
	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO far.example", "250 ");
	ASK(&w, "MAIL FROM:<x@far.example>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: x\r\n\r\nbody\r\n.", "250 ");
	CHECK(strstr(played.prefix, "Received: from far.example ([127.0.0.1])") == played.prefix);
	mx_close(&w);
}

TEST_FIBER(submission_hides_fields_of_the_client)
{
	static const char *const hide[] = {"submission.hide_client=true",
					   "submission.hide_program=true", NULL};
	struct wire w;

	smtp_policy(hide);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w,
	       "User-Agent: Program/1.0 (pc.example)\r\n (10.1.2.3)\r\nFrom: alice@example.org\r\n"
	       "X-Mailer: Program\r\nX-Originating-IP: [10.1.2.3]\r\nSubject: s\r\n",
	       "250 ");
	CHECK_SLICE(buf_slice(&played.plain),
		    SL("From: alice@example.org\r\nSubject: s\r\n\r\nbody\r\n"));
	mx_close(&w);
}

/* In the envelope and in the header, and before either is judged. */
TEST_FIBER(submission_is_masqueraded)
{
	static const char *const pairs[] = {"masquerade.domain=example.org", NULL};
	struct wire w;

	smtp_policy(pairs);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<bob@pc.example.org>", "550 5.7.1");
	ASK(&w, "MAIL FROM:<alice@pc.example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "From: Alice <alice@pc.example.org>\r\n\r\nbody\r\n.", "250 ");
	CHECK_STR(played.sender, "alice@example.org");
	CHECK_SLICE(buf_slice(&played.plain),
		    SL("From: Alice <alice@example.org>\r\n\r\nbody\r\n"));
	submit(&w, "From: alice@pc.example.net\r\n", "550 5.7.1");
	mx_close(&w);
}

TEST_FIBER(submission_as_another)
{
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	submit(&w, "From: boss@example.org\r\n", "550 5.7.1");
	CHECK(smtp_logged("event=smtp.author_refused"));
	CHECK(smtp_logged("account=alice@example.org field=From local=boss"));
	played.boss = SENDER_SEND_AS;
	submit(&w, "From: boss@example.org\r\n", "250 ");
	CHECK(strstr(played.prefix, "Sender:") == NULL);
	submit(&w, "From: boss@example.org\r\nSender: boss@example.org\r\n", "250 ");
	ASK(&w, "MAIL FROM:<boss@example.org>", "250 ");
	ASK(&w, "RSET", "250 ");
	/* It ends at once: nothing of it was remembered. */
	played.boss = 0;
	ASK(&w, "MAIL FROM:<boss@example.org>", "550 5.7.1");
	submit(&w, "From: boss@example.org\r\n", "550 5.7.1");
	mx_close(&w);
}

/* RFC 5322 section 3.6.2. */
TEST_FIBER(submission_on_behalf_of_another)
{
	static const char sender[] = "\r\nSender: <alice@example.org>\r\n";
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	played.boss = SENDER_ON_BEHALF;
	submit(&w, "From: boss@example.org\r\n", "250 ");
	CHECK(strstr(played.prefix, sender) != NULL);
	CHECK(strstr(played.envelope, "((NIL NIL \"alice\" \"example.org\"))") != NULL);
	submit(&w, "From: boss@example.org\r\nSender: Alice <alice@example.org>\r\n", "250 ");
	CHECK(strstr(played.prefix, "Sender:") == NULL);
	submit(&w, "From: boss@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1");
	submit(&w, "From: alice@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1");
	submit(&w, "From: boss@example.org\r\nSender:\r\n", "550 5.6.0");
	/* Several authors, too, need to have one who sends. */
	submit(&w, "From: alice@example.org, boss@example.org\r\n", "250 ");
	CHECK(strstr(played.prefix, sender) != NULL);
	submit(&w, "From: alice@example.org\r\n", "250 ");
	CHECK(strstr(played.prefix, "Sender:") == NULL);
	/* From is made of the envelope. */
	ASK(&w, "MAIL FROM:<boss@example.org>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "DATA", "354 ");
	ASK(&w, "Subject: x\r\n\r\nbody\r\n.", "250 ");
	CHECK(strstr(played.prefix,
		     "From: <boss@example.org>\r\nSender: <alice@example.org>\r\n") != NULL);
	mx_close(&w);
}
