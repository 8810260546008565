/* Questions: who gets them, whose answer counts, and what becomes of them when nobody answers. */
#include "backend/dns/asking.h"

#include "common/base/clock.h"
#include "tests/lib/check.h"

static const char one[1], two[1];

/* A person's question, in a fiber of its own. */
struct person {
	struct asking *asking;
	int64_t deadline_ms;
	struct arena mem;
	struct ask_answer answer;
	struct diag why;
	enum err result;
	bool ended;
};

WAITS static void person_run(void *arg)
{
	struct person *p = arg;

	p->result = dns_ask(p->asking, SL("example.org"), ASK_TXT, p->deadline_ms, &p->mem,
			    &p->answer, &p->why);
	p->ended = true;
}

static void person_init(struct person *p, struct asking *a, int64_t ms)
{
	*p = (struct person){.asking = a, .deadline_ms = deadline_in(ms)};
	arena_init(&p->mem, NULL);
}

static struct ask_answer good(slice_t *records, size_t n)
{
	return (struct ask_answer){
		.outcome = n > 0 ? ASK_OK : ASK_ABSENT, .records = records, .n = n};
}

TEST_FIBER(asked_and_answered)
{
	struct asking *a = asking_new();
	slice_t texts[] = {SL("v=spf1\x1b[2J -all"), SL("")};
	struct ask_answer answer = good(texts, 2);
	struct person p;
	struct asker *k;
	struct asked q;
	struct scope s;

	person_init(&p, a, 10000);
	scope_init(&s);
	CHECK_ERR(asker_new(a, one, &k), E_OK);
	REQUIRE(scope_start(&s, "test.person", person_run, &p) == E_OK);
	CHECK_ERR(asker_take(k, &q), E_OK);
	CHECK_STR(q.name, "example.org");
	CHECK_INT(q.type, ASK_TXT);
	answer.canonical = SL("www.example.org");
	answer.secure = true;
	/* Another's answer, or one to another question, is none. */
	CHECK_ERR(asking_answer(a, two, q.id, &answer), E_NOT_FOUND);
	CHECK_ERR(asking_answer(a, one, q.id + 1, &answer), E_NOT_FOUND);
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_OK);
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_NOT_FOUND);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	CHECK_ERR(p.result, E_OK);
	REQUIRE(p.answer.n == 2);
	/* Nothing that steers a terminal. */
	CHECK_SLICE(p.answer.records[0], SL("v=spf1?[2J -all"));
	CHECK_INT(p.answer.records[1].n, 0);
	CHECK_SLICE(p.answer.canonical, SL("www.example.org"));
	CHECK(p.answer.secure && !p.answer.cut);
	asker_free(&k);
	arena_reset(&p.mem);
	asking_free(&a);
}

TEST_FIBER(nobody_is_there)
{
	struct asking *a = asking_new();
	struct person p;

	person_init(&p, a, 10000);
	person_run(&p);
	CHECK_ERR(p.result, E_RETRY);
	CHECK(slice_find(slice_str(p.why.text), SL("no front-end is there")) == 0);
	arena_reset(&p.mem);
	asking_free(&a);
}

/* A worker that goes loses its question to the next. */
TEST_FIBER(the_next_one_is_asked)
{
	struct asking *a = asking_new();
	struct ask_answer answer = good(NULL, 0);
	struct asker *first, *second;
	struct asked q, again;
	struct person p;
	struct scope s;

	person_init(&p, a, 10000);
	scope_init(&s);
	CHECK_ERR(asker_new(a, two, &second), E_OK);
	CHECK_ERR(asker_new(a, one, &first), E_OK);
	CHECK_ERR(asker_new(a, one, &(struct asker *){NULL}), E_EXISTS);
	REQUIRE(scope_start(&s, "test.person", person_run, &p) == E_OK);
	CHECK_ERR(asker_take(first, &q), E_OK);
	asker_free(&first);
	CHECK_ERR(asker_take(second, &again), E_OK);
	CHECK_INT(again.id, q.id);
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_NOT_FOUND);
	CHECK_ERR(asking_answer(a, two, q.id, &answer), E_OK);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	CHECK_ERR(p.result, E_OK);
	CHECK_INT(p.answer.outcome, ASK_ABSENT);
	asker_free(&second);
	arena_reset(&p.mem);
	asking_free(&a);
}

/* What front-ends present, each key once, for as long as they are there. */
TEST(keys)
{
	static const uint8_t first[SHA256_LEN] = {1}, second[SHA256_LEN] = {2};
	const uint8_t *const told[] = {first, second, first};
	struct asking *a = asking_new();
	uint8_t got[2][SHA256_LEN];
	struct asker *k[4];

	for (size_t i = 0; i < 4; i++)
		CHECK_ERR(asker_new(a, &k[i], &k[i]), E_OK);
	CHECK_INT(asking_keys(a, got, 2), 0);
	for (size_t i = 0; i < 3; i++)
		CHECK_ERR(asker_tells_key(k[i], slice(told[i], SHA256_LEN)), E_OK);
	CHECK_ERR(asker_tells_key(k[3], SLICE_NONE), E_OK);
	CHECK_ERR(asker_tells_key(k[3], SL("short")), E_INVALID);
	CHECK_INT(asking_keys(a, got, 2), 2);
	CHECK_INT(asking_keys(a, got, 1), 1);
	asker_free(&k[1]);
	CHECK_INT(asking_keys(a, got, 2), 1);
	CHECK(memcmp(got[0], first, SHA256_LEN) == 0);
	asker_free(&k[0]);
	asker_free(&k[2]);
	asker_free(&k[3]);
	asking_free(&a);
}

/* All have gone: that is told at once; one that is silent: at the deadline. */
TEST_FIBER(silence)
{
	struct asking *a = asking_new();
	struct person p;
	struct asker *k;
	struct asked q;
	struct scope s;

	scope_init(&s);
	person_init(&p, a, 60000);
	CHECK_ERR(asker_new(a, one, &k), E_OK);
	REQUIRE(scope_start(&s, "test.person", person_run, &p) == E_OK);
	CHECK_ERR(asker_take(k, &q), E_OK);
	asker_free(&k);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	CHECK_ERR(p.result, E_RETRY);
	person_init(&p, a, 50);
	CHECK_ERR(asker_new(a, one, &k), E_OK);
	person_run(&p);
	CHECK_ERR(p.result, E_RETRY);
	CHECK(slice_find(slice_str(p.why.text), SL("in time")) < sizeof p.why.text);
	asker_free(&k);
	arena_reset(&p.mem);
	asking_free(&a);
}

TEST_FIBER(limits)
{
	static struct person people[ASKING_FLIGHT_MAX + 1];
	static slice_t many[ASKING_RECORDS_MAX + 1];
	static char text[ASKING_BYTES_MAX + 1];
	struct asking *a = asking_new();
	struct ask_answer answer;
	char name[ASKING_NAME_MAX + 2];
	struct asker *k;
	struct asked q;
	struct scope s;

	memset(text, 'x', sizeof text);
	memset(name, 'n', sizeof name);
	scope_init(&s);
	CHECK_ERR(asker_new(a, one, &k), E_OK);
	for (size_t i = 0; i < ASKING_FLIGHT_MAX; i++) {
		person_init(&people[i], a, 60000);
		REQUIRE(scope_start(&s, "test.person", person_run, &people[i]) == E_OK);
	}
	CHECK_ERR(asker_take(k, &q), E_OK);
	fiber_yield();
	person_init(&people[ASKING_FLIGHT_MAX], a, 60000);
	person_run(&people[ASKING_FLIGHT_MAX]);
	CHECK_ERR(people[ASKING_FLIGHT_MAX].result, E_BUSY);

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = SL("x");
	answer = good(many, ARRAY_LEN(many));
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_TOO_BIG);
	many[0] = slice(text, sizeof text);
	answer = good(many, 1);
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_TOO_BIG);
	answer = (struct ask_answer){.outcome = ASK_ABSENT, .canonical = slice(name, sizeof name)};
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_TOO_BIG);
	/* An outcome that there is not, and one that its records belie. */
	answer = good(many, 1);
	answer.outcome = 6;
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_INVALID);
	answer.outcome = ASK_ABSENT;
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_INVALID);
	answer = good(many, 0);
	answer.outcome = ASK_OK;
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_INVALID);
	/* The largest that is taken. */
	many[0] = slice(text, ASKING_BYTES_MAX - (ASKING_RECORDS_MAX - 1));
	answer = good(many, ASKING_RECORDS_MAX);
	CHECK_ERR(asking_answer(a, one, q.id, &answer), E_OK);
	scope_cancel(&s);
	CHECK_ERR(scope_join(&s, NO_DEADLINE), E_OK);
	CHECK_ERR(people[0].result, E_OK);
	CHECK_ERR(people[1].result, E_CANCELLED);
	CHECK_ERR(dns_ask(a, slice(name, ASKING_NAME_MAX + 1), ASK_MX, deadline_in(1000),
			  &people[0].mem, &people[0].answer, NULL),
		  E_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(people); i++)
		arena_reset(&people[i].mem);
	asker_free(&k);
	asking_free(&a);
}
