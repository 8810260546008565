/* Messages as files: whole or not there, each once, and no more than a folder may hold. */
#include "backend/areas/drop.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/loop/fiber.h"
#include "proto/servers.h"
#include "tests/lib/check.h"
#include "tests/unit/backend/areas/files.h"

#define SERVER SL("one")
#define NAME   "01010101010101010101010101010101.eml"

struct shelf {
	struct drops *d;
	char folder[600], path[DISK_PATH_MAX];
};

static void shelf_open(struct shelf *s, uint64_t files, uint64_t bytes)
{
	struct drops_conf c = {.folder = s->folder, .files_max = files, .bytes_max = bytes};

	snprintf(s->folder, sizeof s->folder, "%s/areas", check_tmpdir());
	CHECK_ERR(area_path(s->folder, SERVER, AREA_DROP, s->path), E_OK);
	s->d = drops_new(&c);
}

WAITS static enum err begin(struct shelf *s, uint8_t which, uint64_t size, struct drop **out)
{
	uint8_t key[DROP_KEY_BYTES];

	memset(key, which, sizeof key);
	return drop_begin(s->d, SERVER, key, size, out);
}

WAITS static enum err put(struct shelf *s, uint8_t which, slice_t text)
{
	struct drop *f;
	enum err e = begin(s, which, text.n, &f);

	if (e != E_OK)
		return e;
	CHECK_ERR(drop_write(f, text), E_OK);
	return drop_commit(&f);
}

/* Names in the folder, hidden ones too. */
static size_t names(const struct shelf *s)
{
	DIR *d = opendir(s->path);
	struct dirent *e;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d != NULL)
		closedir(d);
	return n;
}

TEST_FIBER(a_file_appears_when_it_is_whole)
{
	struct area_file files[2];
	struct shelf s;
	struct drop *f;
	size_t n;
	bool more;

	shelf_open(&s, 10, 1000);
	REQUIRE(begin(&s, 1, 9, &f) == E_OK);
	CHECK_ERR(drop_write(f, SL("12345")), E_OK);
	CHECK_ERR(drop_write(f, SL("6789")), E_OK);
	CHECK(!files_has(s.path, NAME));
	CHECK_INT(names(&s), 1);
	CHECK_ERR(area_look(s.path, NULL, 0, files, 2, &n, &more), E_OK);
	CHECK_INT(n, 0);
	CHECK_ERR(drop_commit(&f), E_OK);
	CHECK(f == NULL);
	CHECK_SLICE(files_get(s.path, NAME), SL("123456789"));
	CHECK_INT(names(&s), 1);
	drops_free(&s.d);
}

TEST_FIBER(the_same_message_is_one_file)
{
	struct shelf s;
	struct drop *a, *b;

	shelf_open(&s, 10, 1000);
	/* A lost worker's, and the other's: one at a time, and what is refused takes no room. */
	REQUIRE(begin(&s, 1, 600, &a) == E_OK);
	for (int i = 0; i < 20; i++)
		CHECK_ERR(begin(&s, 1, 1, &b), E_BUSY);
	drop_abort(&a);
	REQUIRE(begin(&s, 1, 600, &b) == E_OK);
	CHECK_ERR(drop_write(b, SL("x")), E_OK);
	CHECK_ERR(drop_commit(&b), E_OK);
	CHECK_INT(names(&s), 1);
	CHECK_ERR(put(&s, 1, SL("x")), E_EXISTS);
	CHECK_ERR(put(&s, 2, SL("x")), E_OK);
	CHECK_INT(names(&s), 2);
	drops_free(&s.d);
}

TEST_FIBER(what_was_not_finished_leaves_nothing)
{
	struct shelf s;
	struct drop *f;

	shelf_open(&s, 10, 1000);
	REQUIRE(begin(&s, 1, 1, &f) == E_OK);
	CHECK_ERR(drop_write(f, SL("x")), E_OK);
	drop_abort(&f);
	drop_abort(&f);
	CHECK_INT(names(&s), 0);
	/* Of a process that was killed: */
	files_put(s.path, AREA_DROPPING "00112233" NAME, SL("x"));
	files_put(s.path, ".mine", SL("x"));
	CHECK_ERR(area_tidy(s.path), E_OK);
	CHECK_INT(names(&s), 1);
	CHECK(files_has(s.path, ".mine"));
	drops_free(&s.d);
}

static int64_t later_us;

static int64_t later(void)
{
	return later_us;
}

TEST_FIBER(no_more_than_it_may_hold)
{
	struct shelf s;
	struct drop *f;
	char path[DISK_PATH_MAX + 64];

	shelf_open(&s, 2, 100);
	CHECK_ERR(begin(&s, 1, 101, &f), E_LIMIT);
	REQUIRE(begin(&s, 1, 60, &f) == E_OK);
	CHECK_ERR(put(&s, 2, slice((char[41]){"x"}, 41)), E_LIMIT); /* with that on its way */
	CHECK_ERR(put(&s, 2, slice((char[40]){"x"}, 40)), E_OK);
	CHECK_ERR(put(&s, 3, SL("")), E_LIMIT); /* the third one */
	CHECK_ERR(drop_write(f, SL("x")), E_OK);
	CHECK_ERR(drop_commit(&f), E_OK);
	CHECK_ERR(put(&s, 3, SL("")), E_LIMIT);
	/* Somebody has fetched one: that is seen after a while. */
	snprintf(path, sizeof path, "%s/" NAME, s.path);
	CHECK_INT(unlink(path), 0);
	CHECK_ERR(put(&s, 3, SL("x")), E_LIMIT);
	later_us = (clock_mono_ms() + DROP_COUNT_MS) * 1000;
	clock_replace(later, later);
	CHECK_ERR(put(&s, 3, SL("x")), E_OK);
	CHECK_ERR(put(&s, 4, SL("x")), E_LIMIT);
	clock_replace(NULL, NULL);
	drops_free(&s.d);
}

#define LYING 600 /* files that are counted for a while */

struct late {
	struct shelf s;
	struct drop *f;
	uint8_t which;
};

WAITS static void begin_run(void *arg)
{
	struct late *x = arg;

	CHECK_ERR(begin(&x->s, x->which, 1, &x->f), E_OK);
}

/* What comes while the folder is counted is not forgotten, whether the count has seen it or not. */
TEST_FIBER(what_comes_during_a_count)
{
	static struct late x;
	struct drop *f, *over;
	char name[16];

	shelf_open(&x.s, LYING + 2, 1000000);
	x.which = 1;
	later_us = clock_mono_us();
	clock_replace(later, later);
	CHECK_ERR(area_make(x.s.folder, SERVER), E_OK);
	for (size_t i = 0; i < LYING - 1; i++) {
		snprintf(name, sizeof name, "f%zu", i);
		files_put(x.s.path, name, SL("x"));
	}
	/* One that was there goes for each that comes. */
	for (size_t i = 0; i < 20; i++) {
		struct scope scope;
		char path[DISK_PATH_MAX + 16];
		enum err e;

		REQUIRE(begin(&x.s, ++x.which, 1, &f) == E_OK);
		x.which++;
		later_us += DROP_COUNT_MS * 1000;
		scope_init(&scope);
		REQUIRE(scope_start(&scope, "t.begin", begin_run, &x) == E_OK);
		fiber_yield();
		CHECK_ERR(drop_commit(&f), E_OK);
		CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
		/* It may have been seen twice, which is the safe side. */
		over = f = NULL;
		e = begin(&x.s, 200, 1, &over);
		CHECK_ERR(e == E_OK ? begin(&x.s, 201, 1, &f) : e, E_LIMIT);
		drop_abort(&over);
		drop_abort(&f);
		drop_abort(&x.f);
		snprintf(path, sizeof path, "%s/f%zu", x.s.path, i);
		CHECK_INT(unlink(path), 0);
		later_us += DROP_COUNT_MS * 1000;
	}
	clock_replace(NULL, NULL);
	drops_free(&x.s.d);
}

TEST_FIBER(a_folder_that_is_gone_or_no_folder)
{
	struct drop *f;
	struct shelf s;
	uint8_t key[DROP_KEY_BYTES] = {1};
	char name[SERVER_HOME_MAX + 1];

	shelf_open(&s, 10, 100);
	memset(name, 'x', sizeof name);
	CHECK_ERR(drop_begin(s.d, slice(name, sizeof name), key, 1, &f), E_INVALID);
	CHECK_ERR(put(&s, 1, SL("x")), E_OK); /* and the folders were made */
	drops_free(&s.d);
	files_put(check_tmpdir(), "file", SL("x"));
	snprintf(s.folder, sizeof s.folder, "%s/file", check_tmpdir());
	s.d = drops_new(&(struct drops_conf){.folder = s.folder, .files_max = 1, .bytes_max = 1});
	CHECK(begin(&s, 1, 1, &f) != E_OK);
	drops_free(&s.d);
}

TEST(nothing_ends_a_line)
{
	struct buf b;

	buf_init(&b, 100, NULL);
	drop_put_clean(&b, SL("a\r\nX: y\x7f\xc3\xbc"));
	CHECK_SLICE(buf_slice(&b), SL("a??X: y?\xc3\xbc"));
	buf_fini(&b);
}
