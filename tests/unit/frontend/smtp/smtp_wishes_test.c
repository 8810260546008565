/* What a sender may ask of a message's way: when, by when, how urgently. */
#include "tests/unit/frontend/smtp/smtp_lib.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/parse/date.h"

/* EHLO; the line that begins so, without its CRLF, or "". */
WAITS static void offered(struct wire *w, const char *keyword, char out[256])
{
	out[0] = '\0';
	wire_send(w, SL("EHLO c.example\r\n"));
	do {
		CHECK(wire_line(w) == E_OK);
		if (strncmp(w->line + 4, keyword, strlen(keyword)) == 0)
			snprintf(out, 256, "%.255s", w->line + 4);
	} while (w->line[3] == '-');
}

/* One message to bob, by a session that is ready for it. */
WAITS static void send_with(struct wire *w, const char *params, const char *taken)
{
	char line[256];

	snprintf(line, sizeof line, "MAIL FROM:<alice@example.org> %s", params);
	ASK(w, line, "250 ");
	ASK(w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(w, "DATA", "354 ");
	ASK(w, "From: alice@example.org\r\n\r\nx\r\n.", taken);
}

TEST_FIBER(future_release_is_offered_and_taken)
{
	char line[256], until[DATE_STR_MAX], params[80];
	int64_t before;
	struct wire w;
	struct date d;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	before = clock_wall_s();
	offered(&w, "FUTURERELEASE", line);
	CHECK_SLICE(slice_sub(slice_str(line), 0, 21), SL("FUTURERELEASE 604800 "));
	CHECK(date_parse_rfc3339(slice_from(slice_str(line), 21), &d));
	CHECK(d.utc_s >= before + 604800 && d.utc_s <= clock_wall_s() + 604800);
	send_with(&w, "HOLDFOR=3600", "250 2.0.0");
	CHECK(played.release_us >= (before + 3600) * 1000000);
	CHECK(played.release_us <= (clock_wall_s() + 3600) * 1000000);
	date_format_rfc3339((struct date){.utc_s = before + 7200}, until);
	snprintf(params, sizeof params, "HOLDUNTIL=%s", until);
	send_with(&w, params, "250 2.0.0");
	CHECK_INT(played.release_us, (before + 7200) * 1000000);
	/* It is over: at once. */
	send_with(&w, "HOLDUNTIL=2001-02-03T04:05:06Z", "250 2.0.0");
	CHECK_INT(played.release_us, 0);
	send_with(&w, "", "250 2.0.0");
	CHECK_INT(played.release_us, 0);
	mx_close(&w);
}

TEST_FIBER(future_release_has_limits)
{
	static const char *const never[] = {"submission.future_release_max=0", NULL};
	char line[256];
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	ASK(&w, "MAIL FROM:<alice@example.org> HOLDFOR=604801", "501 5.5.4");
	ASK(&w, "MAIL FROM:<alice@example.org> HOLDUNTIL=9999-12-31T23:59:59Z", "501 5.5.4");
	ASK(&w, "MAIL FROM:<alice@example.org> HOLDFOR=604800", "250 ");
	mx_close(&w);

	smtp_policy(never);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	offered(&w, "FUTURERELEASE", line);
	CHECK_STR(line, "");
	ASK(&w, "MAIL FROM:<alice@example.org> HOLDFOR=1", "555 5.5.4");
	mx_close(&w);

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	offered(&w, "FUTURERELEASE", line);
	CHECK_STR(line, "");
	ASK(&w, "MAIL FROM:<a@far.example> HOLDFOR=1", "555 5.5.4");
	mx_close(&w);
}

TEST_FIBER(deliver_by_is_offered_and_taken)
{
	char line[256];
	int64_t before;
	struct wire w;

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	offered(&w, "DELIVERBY", line);
	CHECK_STR(line, "DELIVERBY");
	ASK(&w, "MAIL FROM:<a@far.example> BY=0;R", "501 5.5.4");
	mx_close(&w);

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	before = clock_wall_us();
	send_with(&w, "BY=3600;RT", "250 2.0.0");
	CHECK_INT(played.by, BY_RETURN | BY_TRACE);
	CHECK(played.by_us >= before + 3600 * 1000000LL);
	CHECK(played.by_us <= clock_wall_us() + 3600 * 1000000LL);
	send_with(&w, "BY=-60;N", "250 2.0.0");
	CHECK_INT(played.by, BY_NOTIFY);
	CHECK(played.by_us <= clock_wall_us() - 60 * 1000000LL);
	/* Not before it may go. */
	ASK(&w, "MAIL FROM:<alice@example.org> BY=3600;R HOLDFOR=3601", "501 5.5.4");
	ASK(&w, "MAIL FROM:<alice@example.org> BY=3600;N HOLDFOR=3601", "501 5.5.4");
	send_with(&w, "BY=3600;R HOLDFOR=60", "250 2.0.0");
	CHECK(played.release_us != 0);
	send_with(&w, "", "250 2.0.0");
	CHECK_INT(played.by, 0);
	mx_close(&w);
}

TEST_FIBER(limits_are_told)
{
	static const char *const none[] = {"smtp.messages_max=0", "smtp.recipients_max=7", NULL};
	static const char *const many[] = {"smtp.messages_max=1000000", NULL};
	static const struct {
		const char *const *policy;
		const char *want;
	} cases[] = {
		{NULL, "LIMITS MAILMAX=100 RCPTMAX=500"},
		{none, "LIMITS RCPTMAX=7"},
		{many, "LIMITS MAILMAX=999999 RCPTMAX=500"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char line[256];
		struct wire w;

		smtp_policy(cases[i].policy);
		mx_open(&w, PORT_25);
		ASK(&w, NULL, "220 ");
		offered(&w, "LIMITS", line);
		CHECK_STR(line, cases[i].want);
		mx_close(&w);
	}
}

TEST_FIBER(priorities_are_taken_up_to_a_limit)
{
	static const char *const urgent[] = {"submission.priority_max=4", NULL};
	static const struct {
		const char *params, *taken;
		int priority;
		const char *clause; /* NULL: none */
	} cases[] = {
		{"MT-PRIORITY=4", "250 2.0.0", 4, "\tPRIORITY 4;\r\n"},
		{"MT-PRIORITY=5", "250 2.3.6 4 is its priority now", 4, "\tPRIORITY 4;\r\n"},
		{"MT-PRIORITY=-9", "250 2.0.0", -9, "\tPRIORITY -9;\r\n"},
		{"MT-PRIORITY=0", "250 2.0.0", 0, "\tPRIORITY 0;\r\n"},
		{"", "250 2.0.0", 0, NULL},
	};
	char line[256];
	struct wire w;

	smtp_policy(urgent);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	offered(&w, "MT-PRIORITY", line);
	CHECK_STR(line, "MT-PRIORITY");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		slice_t prefix;

		send_with(&w, cases[i].params, cases[i].taken);
		prefix = slice_str(played.prefix);
		check_note("%s: %s", cases[i].params, played.prefix);
		CHECK_INT(played.priority, cases[i].priority);
		if (cases[i].clause != NULL)
			CHECK(slice_find(prefix, slice_str(cases[i].clause)) < prefix.n);
		else
			CHECK(slice_find(prefix, SL("PRIORITY")) == prefix.n);
	}
	mx_close(&w);

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	send_with(&w, "MT-PRIORITY=1", "250 2.3.6 0 is its priority now");
	CHECK_INT(played.priority, 0);
	mx_close(&w);

	mx_open(&w, PORT_25);
	ASK(&w, NULL, "220 ");
	offered(&w, "MT-PRIORITY", line);
	CHECK_STR(line, "");
	ASK(&w, "MAIL FROM:<a@far.example> MT-PRIORITY=-1", "555 5.5.4");
	mx_close(&w);
}

WAITS static void send_to(struct wire *w, const char *const *to, const char *taken)
{
	ASK(w, "MAIL FROM:<alice@example.org>", "250 ");
	for (; *to != NULL; to++) {
		char line[256];

		snprintf(line, sizeof line, "RCPT TO:<%s>", *to);
		ASK(w, line, "250 ");
	}
	ASK(w, "DATA", "354 ");
	ASK(w, "From: alice@example.org\r\n\r\nx\r\n.", taken);
}

/* The sender's own owner takes the copy, and leads, whoever else gets the message. */
TEST_FIBER(sent_mail_is_kept)
{
	static const char *const keep[] = {"submission.save_sent=true", NULL};
	static const char *const there[] = {"carol@example.org", "dave@example.org", NULL};
	static const char *const both[] = {"carol@example.org", "bob@example.org", NULL};
	struct wire w;

	smtp_policy(keep);
	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	send_to(&w, there, "250 2.0.0");
	CHECK_INT(played.asked_sent, 1);
	CHECK_INT(played.owner[0].recipients, 0);
	CHECK_INT(played.owner[0].others, 2);
	CHECK(played.owner[1].committed == 1 && played.owner[2].committed == 1);
	ASK(&w, "NOOP", "250 ");
	CHECK(played.owner[1].settled == 1 && played.owner[2].settled == 1);
	send_to(&w, both, "250 2.0.0");
	CHECK_INT(played.owner[0].recipients, 1);
	CHECK_INT(played.owner[0].sent, 2);
	CHECK(played.owner[1].sent == 0 && played.owner[2].sent == 0);
	/* What its owner cannot take nobody takes. */
	played.begin[0] = E_RETRY;
	send_to(&w, there, "451 ");
	played.begin[0] = E_OK;
	/* A notification; and a back-end of before. */
	ASK(&w, "MAIL FROM:<>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	ASK(&w, "RSET", "250 ");
	CHECK_INT(played.asked_sent, 3);
	played.no_sent = true;
	send_to(&w, there, "250 2.0.0");
	CHECK_INT(played.owner[0].sent, 2);
	mx_close(&w);
}

TEST_FIBER(sent_mail_is_not_kept)
{
	static const char *const keep[] = {"submission.save_sent=true", NULL};
	struct wire w;

	mx_open(&w, PORT_465);
	ASK(&w, NULL, "220 ");
	smtp_login(&w);
	send_with(&w, "", "250 2.0.0");
	CHECK_INT(played.asked_sent, 0);
	mx_close(&w);
	smtp_policy(keep);
	mx_open(&w, PORT_25); /* nobody of ours */
	ASK(&w, NULL, "220 ");
	ASK(&w, "EHLO c.example", "250");
	ASK(&w, "MAIL FROM:<a@far.example>", "250 ");
	ASK(&w, "RCPT TO:<bob@example.org>", "250 ");
	CHECK_INT(played.asked_sent, 0);
	mx_close(&w);
}
