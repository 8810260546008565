#include <stdio.h>

#include "common/base/buf.h"
#include "frontend/outbound/smtp_answer.h"
#include "frontend/outbound/smtp_offer.h"
#include "tests/lib/check.h"

/* Feeds lines; the last result. */
static enum parse_rc feed(struct smtp_answer *a, const char *const *lines)
{
	enum parse_rc rc = P_MORE;
	slice_t text;

	smtp_answer_init(a);
	for (size_t i = 0; lines[i] != NULL && rc == P_MORE; i++)
		rc = smtp_answer_line(a, slice_str(lines[i]), &text);
	return rc;
}

TEST(replies)
{
	static const struct {
		const char *lines[4];
		unsigned code;
		const char *status, *text;
	} good[] = {
		{{"250 ok"}, 250, "", "ok"},
		{{"250"}, 250, "", ""},
		{{"250 "}, 250, "", ""},
		{{"354 go ahead"}, 354, "", "go ahead"},
		{{"250-", "250-x", "250 y"}, 250, "", "x y"},
		{{"550-5.1.1 no such", "550-5.1.1 user", "550 5.1.1 here"},
		 550,
		 "5.1.1",
		 "5.1.1 no such user here"},
		{{"550-5.1.1 no such", "550 5.2.1 user"}, 550, "5.1.1", "5.1.1 no such 5.2.1 user"},
		{{"550-no such", "550 5.1.1 user"}, 550, "5.1.1", "no such 5.1.1 user"},
		{{"450 4.999.123 x"}, 450, "4.999.123", "4.999.123 x"},
		{{"450 4.7.1"}, 450, "4.7.1", "4.7.1"},
		{{"250 2.1.0\tok"}, 250, "2.1.0", "2.1.0 ok"},
		/* statuses that are none, or of another class */
		{{"450 5.7.1 x"}, 450, "", "5.7.1 x"},
		{{"550 5.7.1000 x"}, 550, "", "5.7.1000 x"},
		{{"550 5.7.1x"}, 550, "", "5.7.1x"},
		{{"550 5.7 x"}, 550, "", "5.7 x"},
		/* what has no place in a log */
		{{"250 a\tb\x01\x7f\xc3\xa4\x1b[0m"}, 250, "", "a b?????[0m"},
	};
	static const struct {
		const char *lines[3];
	} bad[] = {
		{{""}},
		{{"25"}},
		{{"x50 ok"}},
		{{"2500 ok"}},
		{{"250+ok"}},
		{{"250\tok"}},
		{{"199 x"}},
		{{"600 x"}},
		{{"-250 x"}},
		{{" 250 x"}},
		{{"250-a", "251 b"}},
		{{"250-a", "garbage"}},
		{{"HTTP/1.1 400 Bad Request"}},
	};
	struct smtp_answer a;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		check_note("good %zu", i);
		CHECK_INT(feed(&a, good[i].lines), P_OK);
		CHECK_INT(a.code, good[i].code);
		CHECK_STR(a.status, good[i].status);
		CHECK_STR(a.text, good[i].text);
		CHECK_INT(a.text_n, strlen(a.text));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("bad %zu", i);
		CHECK_INT(feed(&a, bad[i].lines), P_BAD);
		CHECK(a.fault != NULL);
	}
}

/* n lines of so many bytes each, then the last one. */
static enum parse_rc feed_many(struct smtp_answer *a, unsigned n, size_t bytes)
{
	char line[SMTP_ANSWER_LINE_MAX + 2];
	enum parse_rc rc = P_MORE;
	slice_t text;

	memset(line, 'x', sizeof line);
	memcpy(line, "250-", 4);
	smtp_answer_init(a);
	for (unsigned i = 0; i < n && rc == P_MORE; i++)
		rc = smtp_answer_line(a, slice(line, bytes), &text);
	return rc == P_MORE ? smtp_answer_line(a, SL("250 end"), &text) : rc;
}

TEST(limits_of_a_reply)
{
	struct smtp_answer a;

	CHECK_INT(feed_many(&a, SMTP_ANSWER_LINES_MAX - 1, 20), P_OK);
	CHECK_INT(a.lines, SMTP_ANSWER_LINES_MAX);
	CHECK_INT(feed_many(&a, SMTP_ANSWER_LINES_MAX, 20), P_BAD);
	CHECK_STR(a.fault, "the reply has more than 100 lines");
	CHECK_INT(feed_many(&a, 1, SMTP_ANSWER_LINE_MAX), P_OK);
	CHECK_INT(a.text_n, SMTP_TEXT_MAX);
	CHECK_INT(feed_many(&a, 1, SMTP_ANSWER_LINE_MAX + 1), P_BAD);
	CHECK_STR(a.fault, "a line of the reply is longer than 2046 bytes");
	CHECK_INT(feed_many(&a, 7, SMTP_ANSWER_LINE_MAX), P_OK);
	CHECK_INT(feed_many(&a, 8, SMTP_ANSWER_LINE_MAX), P_BAD);
	CHECK_STR(a.fault, "the reply is longer than 16 KiB");
	CHECK_INT(a.text_n, SMTP_TEXT_MAX);
}

static struct smtp_offer offer(const char *const *lines)
{
	struct smtp_offer o = {.name = ""};

	for (unsigned i = 0; lines[i] != NULL; i++)
		smtp_offer_line(&o, i, slice_str(lines[i]));
	return o;
}

TEST(offers)
{
	static const char *const all[] = {"mx.example.org says hello",
					  "PIPELINING",
					  "SIZE 35882577",
					  "8bitmime",
					  "SMTPUTF8",
					  "CHUNKING",
					  "BINARYMIME",
					  "DSN",
					  "REQUIRETLS",
					  "ENHANCEDSTATUSCODES",
					  "STARTTLS",
					  "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1 FOO=7",
					  "AUTH PLAIN LOGIN scram-sha-256 X",
					  "DELIVERBY 240",
					  "MT-PRIORITY MIXER",
					  "X-ODD thing",
					  "",
					  NULL};
	struct smtp_offer o = offer(all);

	CHECK_STR(o.name, "mx.example.org");
	CHECK_INT(o.has, 16383);
	CHECK_INT(o.by_min, 240);
	CHECK_INT(o.size_max, 35882577);
	CHECK_INT(o.rcpt_max, 20);
	CHECK_INT(o.mail_max, 5);
	CHECK_INT(o.rcpt_domain_max, 1);
	CHECK_INT(o.mechs, SMTP_MECH_PLAIN | SMTP_MECH_LOGIN | SMTP_MECH_SCRAM_SHA_256);
}

TEST(odd_offers)
{
	static const struct {
		const char *lines[3];
		uint32_t has;
		uint64_t size_max;
		unsigned rcpt_max;
	} rows[] = {
		{{"PIPELINING"}, 0, 0, 0}, /* the first line is a name */
		{{"x", "PIPELININGS"}, 0, 0, 0},
		{{"x", "SIZE"}, SMTP_EXT_SIZE, 0, 0},
		{{"x", "SIZE 0"}, SMTP_EXT_SIZE, 0, 0},
		{{"x", "SIZE ten"}, SMTP_EXT_SIZE, 0, 0},
		{{"x", "SIZE  12 "}, SMTP_EXT_SIZE, 12, 0},
		{{"x", "SIZE 99999999999999999999999"}, SMTP_EXT_SIZE, 0, 0},
		{{"x", "LIMITS RCPTMAX=0"}, SMTP_EXT_LIMITS, 0, 0},
		{{"x", "LIMITS RCPTMAX=1000000"}, SMTP_EXT_LIMITS, 0, 0},
		{{"x", "LIMITS RCPTMAX"}, SMTP_EXT_LIMITS, 0, 0},
		{{"x", "LIMITS rcptmax=999999"}, SMTP_EXT_LIMITS, 0, 999999},
		{{"x", "AUTH=PLAIN"}, 0, 0, 0},
		{{"x", "DELIVERBY -1"}, SMTP_EXT_DELIVERBY, 0, 0},
		{{"x", "DELIVERBY 1000000000"}, SMTP_EXT_DELIVERBY, 0, 0},
		{{"x", "DELIVERBY"}, SMTP_EXT_DELIVERBY, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct smtp_offer o = offer(rows[i].lines);

		check_note("row %zu", i);
		CHECK_INT(o.has, rows[i].has);
		CHECK_INT(o.size_max, rows[i].size_max);
		CHECK_INT(o.rcpt_max, rows[i].rcpt_max);
		CHECK_INT(o.by_min, 0);
	}
}

TEST(peer_names)
{
	char out[SMTP_PEER_NAME_MAX + 1], longest[SMTP_PEER_NAME_MAX + 2];

	smtp_offer_name(SL("mx.example.org ready"), out);
	CHECK_STR(out, "mx.example.org");
	smtp_offer_name(SL(" x"), out);
	CHECK_STR(out, "");
	smtp_offer_name(SL("a\x01"
			   "b"),
			out);
	CHECK_STR(out, "a");
	memset(longest, 'n', sizeof longest);
	smtp_offer_name(slice(longest, SMTP_PEER_NAME_MAX), out);
	CHECK_INT(strlen(out), SMTP_PEER_NAME_MAX);
	smtp_offer_name(slice(longest, SMTP_PEER_NAME_MAX + 1), out);
	CHECK_STR(out, "");
}

/* ---- results ---- */

TEST(results_of_replies)
{
	static const struct {
		const char *line;
		enum smtp_verdict verdict;
		const char *status;
	} rows[] = {
		{"250 ok", SMTP_TAKEN, "2.0.0"},
		{"251 2.1.5 forwarded", SMTP_TAKEN, "2.1.5"},
		{"354 go", SMTP_LATER, "4.0.0"},
		{"354 3.1.1 go", SMTP_LATER, "4.1.1"},
		{"421 4.3.2 down", SMTP_LATER, "4.3.2"},
		{"450 x", SMTP_LATER, "4.0.0"},
		{"550 x", SMTP_REFUSED, "5.0.0"},
		{"554 5.7.1 x", SMTP_REFUSED, "5.7.1"},
		{"550 4.7.1 x", SMTP_REFUSED, "5.0.0"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *lines[] = {rows[i].line, NULL};
		struct smtp_answer a;
		struct smtp_result r;

		check_note("row %zu", i);
		CHECK_INT(feed(&a, lines), P_OK);
		smtp_result_of(&r, SMTP_AT_RCPT, &a);
		CHECK_INT(r.verdict, rows[i].verdict);
		CHECK_STR(r.status, rows[i].status);
		CHECK_STR(r.text, rows[i].line + 4);
		smtp_result_soften(&r);
		CHECK(r.verdict != SMTP_REFUSED);
		CHECK(r.verdict == SMTP_TAKEN || r.status[0] == '4');
	}
}

TEST(our_own_words_are_cleaned_and_cut)
{
	struct smtp_result r;
	char text[2 * SMTP_TEXT_MAX];

	smtp_result_own(&r, SMTP_AT_TLS, SMTP_LATER, "4.7.5", "a\r\nb%s", "\xff");
	CHECK_STR(r.text, "a??b?");
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	smtp_result_own(&r, SMTP_AT_TLS, SMTP_LATER, "4.7.5", "%s", text);
	CHECK_INT(strlen(r.text), SMTP_TEXT_MAX);
}
