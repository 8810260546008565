/* A domain's keys over two years, with a clock that the test moves. */
#include "backend/dns/rotate.h"

#include "tests/lib/check.h"

#define HOUR (3600 * 1000000LL)
#define DAY  (24 * HOUR)

static const struct rotate_times half_year = {
	.after_us = 180 * DAY, .seen_us = HOUR, .overlap_us = 7 * DAY};

/* Keys, the directory and DNS in one. */
struct world {
	struct rotate_key keys[DIR_DKIM_KEYS_MAX];
	size_t n;
	int64_t now_us;
	struct rotate_times times;
	bool published; /* whoever runs the zone puts in what is to be there */
	bool silent;    /* DNS does not answer */
	size_t made;
};

static void add(struct world *w, enum sign_algorithm algorithm, enum dir_dkim_origin origin,
		enum dir_dkim_state state)
{
	REQUIRE(w->n < DIR_DKIM_KEYS_MAX);
	w->keys[w->n++] = (struct rotate_key){
		.row = {.algorithm = algorithm,
			.state = state,
			.origin = origin,
			.created_us = w->now_us,
			.activated_us = state == DIR_DKIM_ACTIVE ? w->now_us : 0}};
}

static void init(struct world *w)
{
	*w = (struct world){.now_us = 1000 * DAY, .times = half_year, .published = true};
	add(w, SIGN_RSA_SHA256, DIR_DKIM_ASKED, DIR_DKIM_ACTIVE);
	add(w, SIGN_ED25519_SHA256, DIR_DKIM_ASKED, DIR_DKIM_ACTIVE);
}

static void do_step(struct world *w, struct rotate_key *k)
{
	switch (k->step) {
	case ROTATE_KEEP:
		break;
	case ROTATE_PUBLISHED:
		CHECK_INT(k->row.state, DIR_DKIM_NEW);
		k->row.state = DIR_DKIM_PUBLISHED;
		k->row.published_us = w->now_us;
		break;
	case ROTATE_UNPUBLISHED:
		CHECK_INT(k->row.state, DIR_DKIM_PUBLISHED);
		k->row.state = DIR_DKIM_NEW;
		break;
	case ROTATE_ACTIVATE:
		/* Never without the record, at this very look. */
		CHECK_INT(k->row.state, DIR_DKIM_PUBLISHED);
		CHECK_INT(k->sight, DKIM_THERE);
		k->row.state = DIR_DKIM_ACTIVE;
		k->row.activated_us = w->now_us;
		break;
	case ROTATE_RETIRE:
		CHECK_INT(k->row.state, DIR_DKIM_ACTIVE);
		k->row.state = DIR_DKIM_RETIRED;
		k->row.retired_us = w->now_us;
		break;
	case ROTATE_REMOVE:
		CHECK_INT(k->row.state, DIR_DKIM_RETIRED);
		break;
	}
}

static unsigned in_state(const struct world *w, enum dir_dkim_state state,
			 enum sign_algorithm algorithm)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->n; i++)
		n += w->keys[i].row.state == state && w->keys[i].row.algorithm == algorithm;
	return n;
}

/* The next look, us later. */
static void look(struct world *w, int64_t us)
{
	enum sign_algorithm make[DKIM_SIGS_MAX];
	size_t n = 0, made;

	w->now_us += us;
	for (size_t i = 0; i < w->n; i++)
		w->keys[i].sight = !rotate_asks(&w->keys[i].row) || w->silent ? DKIM_UNKNOWN
				   : w->published                             ? DKIM_THERE
									      : DKIM_MISSING;
	made = rotate_plan(w->keys, w->n, w->now_us, &w->times, make);
	for (size_t i = 0; i < w->n; i++) {
		do_step(w, &w->keys[i]);
		if (w->keys[i].step != ROTATE_REMOVE)
			w->keys[n++] = w->keys[i];
	}
	w->n = n;
	for (size_t i = 0; i < made; i++)
		add(w, make[i], DIR_DKIM_SUCCESSOR, DIR_DKIM_NEW);
	w->made += made;
	/* Whatever happens, somebody signs, with each algorithm. */
	CHECK(in_state(w, DIR_DKIM_ACTIVE, SIGN_RSA_SHA256) >= 1);
	CHECK(in_state(w, DIR_DKIM_ACTIVE, SIGN_ED25519_SHA256) >= 1);
	CHECK(in_state(w, DIR_DKIM_ACTIVE, SIGN_RSA_SHA256) <= 2);
}

TEST(one_rotation_step_by_step)
{
	struct world w;

	init(&w);
	look(&w, 180 * DAY - 1);
	CHECK_INT(w.n, 2);
	w.published = false;
	look(&w, 1);
	CHECK_INT(w.n, 4);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_NEW);
	/* Without its record nothing happens, and after five days it is late. */
	look(&w, ROTATE_LATE_US - 1);
	CHECK(!w.keys[2].late);
	look(&w, 1);
	CHECK(w.keys[2].late && !w.keys[0].late);
	CHECK_INT(w.n, 4);
	w.published = true;
	look(&w, HOUR);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	CHECK(!w.keys[2].late);
	/* It has to stay there. */
	w.published = false;
	look(&w, HOUR / 2);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_NEW);
	w.published = true;
	look(&w, HOUR);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	look(&w, HOUR - 1);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	w.silent = true;
	look(&w, HOUR);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	w.silent = false;
	look(&w, HOUR);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_ACTIVE);
	CHECK_INT(w.keys[3].row.state, DIR_DKIM_ACTIVE);
	/* Both sign until the next look. */
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_ACTIVE);
	look(&w, 1);
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_RETIRED);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_ACTIVE);
	look(&w, 7 * DAY - 1);
	CHECK_INT(w.n, 4);
	look(&w, 1);
	CHECK_INT(w.n, 2);
	CHECK_INT(w.keys[0].row.origin, DIR_DKIM_SUCCESSOR);
}

TEST(two_years)
{
	struct world w;

	init(&w);
	for (int64_t t = 0; t < 730 * DAY; t += HOUR) {
		/* The zone is run by somebody who works on some days, DNS fails on others. */
		w.published = (t / DAY) % 7 != 0;
		w.silent = (t / DAY) % 11 == 0;
		look(&w, HOUR);
		CHECK(w.n <= 6);
	}
	/* Four times half a year, of both algorithms. */
	CHECK_INT(w.made, 2 * 4);
}

TEST(zone_that_nobody_runs)
{
	struct world w;

	init(&w);
	w.published = false;
	for (int64_t t = 0; t < 400 * DAY; t += DAY)
		look(&w, DAY);
	CHECK_INT(w.n, 4);
	CHECK_INT(w.made, 2);
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_ACTIVE);
	CHECK(w.keys[2].late && w.keys[3].late);
}

/* What an administrator had made is told to be published, and waits for the administrator. */
TEST(keys_of_administrators)
{
	struct world w;

	init(&w);
	add(&w, SIGN_RSA_SHA256, DIR_DKIM_ASKED, DIR_DKIM_NEW);
	look(&w, HOUR);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	look(&w, 300 * DAY);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	CHECK_INT(in_state(&w, DIR_DKIM_ACTIVE, SIGN_RSA_SHA256), 1);
	/* While it waits, nothing else is made of its kind. */
	CHECK_INT(w.made, 1);
	w.keys[2].row.state = DIR_DKIM_ACTIVE;
	w.keys[2].row.activated_us = w.now_us;
	look(&w, HOUR);
	/* Nobody said that it follows the other one. */
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_ACTIVE);
}

/* Whoever activates an old key by hand wants it. */
TEST(old_key_by_hand)
{
	struct world w;

	init(&w);
	look(&w, 181 * DAY);
	look(&w, HOUR);
	look(&w, HOUR);
	look(&w, HOUR);
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_RETIRED);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_ACTIVE);
	w.now_us += HOUR;
	w.keys[0].row.state = DIR_DKIM_ACTIVE;
	w.keys[0].row.activated_us = w.now_us;
	look(&w, DAY);
	CHECK_INT(w.keys[0].row.state, DIR_DKIM_ACTIVE);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_ACTIVE);
}

TEST(never)
{
	struct world w;

	init(&w);
	w.times.after_us = 0;
	add(&w, SIGN_RSA_SHA256, DIR_DKIM_SUCCESSOR, DIR_DKIM_NEW);
	w.keys[2].row.created_us--;
	look(&w, HOUR);
	/* What DNS has is told; nothing else is done. */
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
	add(&w, SIGN_RSA_SHA256, DIR_DKIM_ASKED, DIR_DKIM_RETIRED);
	for (int i = 0; i < 40; i++)
		look(&w, 30 * DAY);
	CHECK_INT(w.n, 4);
	CHECK_INT(w.made, 0);
	CHECK_INT(w.keys[2].row.state, DIR_DKIM_PUBLISHED);
}

/* A domain that is full of forgotten keys gets no more. */
TEST(no_room)
{
	struct world w;

	init(&w);
	w.times.overlap_us = 3650 * DAY;
	while (w.n < DIR_DKIM_KEYS_MAX - 1)
		add(&w, SIGN_RSA_SHA256, DIR_DKIM_ASKED, DIR_DKIM_RETIRED);
	look(&w, 181 * DAY);
	CHECK_INT(w.n, DIR_DKIM_KEYS_MAX);
	look(&w, DAY);
	CHECK_INT(w.made, 1);
}
