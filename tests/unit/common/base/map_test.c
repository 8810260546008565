#include "common/base/map.h"

#include <stdio.h>

#include "tests/lib/check.h"

#define MANY 5000

static slice_t key_of(int i, char room[16])
{
	int n = snprintf(room, 16, "key%d", i);

	return slice(room, (size_t)n);
}

TEST(map_put_get_del)
{
	struct map m;
	int a, b;

	map_init(&m);
	CHECK(map_get(&m, SL("x")) == NULL);
	CHECK(map_del(&m, SL("x")) == NULL);
	CHECK(map_put(&m, SL("x"), &a) == NULL);
	CHECK(map_put(&m, SL(""), &b) == NULL);
	CHECK(map_get(&m, SL("x")) == &a);
	CHECK(map_get(&m, SLICE_NONE) == &b);
	CHECK(map_get(&m, SL("x\0")) == NULL);
	CHECK(map_put(&m, SL("x"), &b) == &a);
	CHECK_INT(m.count, 2);
	CHECK(map_del(&m, SL("x")) == &b);
	CHECK(map_get(&m, SL("x")) == NULL);
	CHECK_INT(m.count, 1);
	CHECK_DIES(map_put(&m, SL("x"), NULL));
	map_fini(&m);
	CHECK_INT(m.count, 0);
}

TEST(map_grows)
{
	static int values[MANY];
	struct map_iter it = {0};
	struct map m;
	char room[16];
	void *v;
	slice_t key;
	int seen = 0;

	map_init(&m);
	for (int i = 0; i < MANY; i++)
		CHECK(map_put(&m, key_of(i, room), &values[i]) == NULL);
	CHECK_INT(m.count, MANY);
	for (int i = 0; i < MANY; i++)
		CHECK(map_get(&m, key_of(i, room)) == &values[i]);
	/* Each pair once, while every other is deleted. */
	while (map_next(&m, &it, &key, &v)) {
		int i = (int)((int *)v - values);

		CHECK_SLICE(key, key_of(i, room));
		CHECK_INT(values[i], 0);
		values[i]++;
		seen++;
		if (i % 2 == 0)
			CHECK(map_del(&m, key_of(i, room)) == &values[i]);
	}
	CHECK_INT(seen, MANY);
	CHECK_INT(m.count, MANY / 2);
	for (int i = 0; i < MANY; i++)
		CHECK((map_get(&m, key_of(i, room)) != NULL) == (i % 2 == 1));
	map_fini(&m);
}

TEST(map_hash_is_of_the_bytes)
{
	char copy[] = "abc";

	CHECK(map_hash(SL("abc")) == map_hash(slice(copy, 3)));
	CHECK(map_hash(SL("abc")) != map_hash(SL("abd")));
	CHECK(map_hash(SLICE_NONE) == map_hash(SL("")));
}
