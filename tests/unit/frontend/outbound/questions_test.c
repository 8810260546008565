/* Answers as text, and their bounds. */
#include "frontend/outbound/questions.h"

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/dnstwin.h"

static const struct dnstwin_rr records[] = {
	{"o.test", "MX", "10 mx.o.test"},
	{"null.test", "MX", "0 ."},
	{"o.test", "TXT", "v=spf1 -all"},
	{"o.test", "TXT", "x"},
	{"o.test", "SECURE", ""},
	{"mx.o.test", "A", "192.0.2.1"},
	{"mx.o.test", "AAAA", "2001:db8::1"},
	{"alias.test", "CNAME", "mx.o.test"},
	{"1.2.0.192.in-addr.arpa", "PTR", "mx.o.test"},
	{"_25._tcp.mx.o.test", "TLSA", "3 1 1 00ff"},
	{"_imaps._tcp.o.test", "SRV", "0 1 993 mx.o.test"},
	{"_pop3s._tcp.o.test", "SRV", "0 0 0 ."},
	{"fails.test", "FAIL", ""},
	{"bogus.test", "BOGUS", ""},
	{0},
};

TEST_FIBER(each_type_as_text)
{
	static const struct {
		enum question_type type;
		const char *name;
		enum question_outcome outcome;
		const char *text;
	} cases[] = {
		{QUESTION_MX, "o.test", QUESTION_OK, "10 mx.o.test|"},
		{QUESTION_MX, "null.test", QUESTION_OK, "0 .|"},
		{QUESTION_MX, "mx.o.test", QUESTION_ABSENT, ""},
		{QUESTION_TXT, "o.test", QUESTION_OK, "v=spf1 -all|x|"},
		{QUESTION_ADDRESS, "alias.test", QUESTION_OK, "192.0.2.1|2001:db8::1|"},
		{QUESTION_PTR, "192.0.2.1", QUESTION_OK, "mx.o.test|"},
		{QUESTION_PTR, "192.0.2.2", QUESTION_ABSENT, ""},
		{QUESTION_TLSA, "_25._tcp.mx.o.test", QUESTION_OK, "3 1 1 00ff|"},
		{QUESTION_SRV, "_imaps._tcp.o.test", QUESTION_OK, "0 1 993 mx.o.test|"},
		{QUESTION_SRV, "_pop3s._tcp.o.test", QUESTION_OK, "0 0 0 .|"},
		{QUESTION_TXT, "fails.test", QUESTION_FAILED, ""},
		{QUESTION_TXT, "bogus.test", QUESTION_BOGUS, ""},
		{QUESTION_TXT, "nothing.test", QUESTION_ABSENT, ""},
	};

	resolver_replace(dnstwin(records));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct question q = {.type = cases[i].type, .deadline_ms = deadline_in(10000)};
		struct question_answer a;
		struct arena mem;
		struct buf text;

		check_note("%s", cases[i].name);
		CHECK(slice_to_str(slice_str(cases[i].name), q.name, sizeof q.name));
		arena_init(&mem, NULL);
		buf_init(&text, 4096, NULL);
		CHECK_ERR(question_ask(&q, &mem, &a), E_OK);
		CHECK_INT(a.outcome, cases[i].outcome);
		for (size_t k = 0; k < a.n; k++) {
			buf_put(&text, a.records[k]);
			buf_putc(&text, '|');
		}
		CHECK_SLICE(buf_slice(&text), slice_str(cases[i].text));
		CHECK(a.secure || strcmp(cases[i].name, "o.test") != 0);
		CHECK((a.canonical.n != 0) == (strcmp(cases[i].name, "alias.test") == 0));
		buf_fini(&text);
		arena_reset(&mem);
	}
	resolver_replace(NULL);
}

TEST_FIBER(questions_that_are_none)
{
	struct question q = {.type = QUESTION_PTR, .name = "o.test"};
	struct question_answer a;
	struct arena mem;

	arena_init(&mem, NULL);
	resolver_replace(dnstwin(records));
	q.deadline_ms = deadline_in(10000);
	CHECK_ERR(question_ask(&q, &mem, &a), E_INVALID);
	q.type = 99;
	CHECK_ERR(question_ask(&q, &mem, &a), E_INVALID);
	q = (struct question){.type = QUESTION_MX, .name = "a b", .deadline_ms = q.deadline_ms};
	CHECK_ERR(question_ask(&q, &mem, &a), E_INVALID);
	resolver_replace(NULL);
	arena_reset(&mem);
}

/* Two certificates as TLSA data are more than an answer may hold. */
TEST_FIBER(more_than_fits)
{
	static char data[2][2 * 3000 + 16];
	static const struct dnstwin_rr big[] = {{"_25._tcp.big.test", "TLSA", data[0]},
						{"_25._tcp.big.test", "TLSA", data[1]},
						{0}};
	struct question q = {.type = QUESTION_TLSA, .name = "_25._tcp.big.test"};
	struct question_answer a;
	struct arena mem;

	arena_init(&mem, NULL);
	for (size_t i = 0; i < 2; i++) {
		memcpy(data[i], "3 0 0 ", 6);
		memset(data[i] + 6, 'a', 2 * 3000);
	}
	resolver_replace(dnstwin(big));
	q.deadline_ms = deadline_in(10000);
	CHECK_ERR(question_ask(&q, &mem, &a), E_OK);
	CHECK_INT(a.outcome, QUESTION_OK);
	CHECK_INT(a.n, 1);
	CHECK(a.cut);
	resolver_replace(NULL);
	arena_reset(&mem);
}
