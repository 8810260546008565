/* Files that came to be whole are told of: not before, and not what is no file. */
#include "common/loop/folder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/loop/fiber.h"
#include "tests/lib/check.h"

static struct {
	char names[8][32];
	size_t n;
	struct event one;
} told;

static void on_arrival(slice_t name, void *arg)
{
	CHECK(arg == &told);
	CHECK(slice_to_str(name, told.names[told.n++ % 8], sizeof told.names[0]));
	event_set(&told.one);
}

static const char *in(const char *folder, const char *name)
{
	static char path[2][600];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
	return path[turn];
}

TEST_FIBER(folder_tells_of_whole_files)
{
	const char *dir = check_tmpdir();
	struct folder *f;
	struct diag d;
	FILE *slow, *quick;

	told.n = 0;
	event_init(&told.one);
	REQUIRE(folder_watch(dir, on_arrival, &told, &f, &d) == E_OK);
	slow = fopen(in(dir, "slow"), "w");
	fputs("x", slow);
	fflush(slow);
	CHECK_INT(mkdir(in(dir, "folder"), 0700), 0);
	quick = fopen(in(dir, "quick"), "w");
	fclose(quick);
	CHECK_ERR(event_wait(&told.one, "t.folder", deadline_in(10000)), E_OK);
	CHECK_INT(told.n, 1);
	CHECK_STR(told.names[0], "quick");
	fclose(slow);
	CHECK_ERR(event_wait(&told.one, "t.folder", deadline_in(10000)), E_OK);
	CHECK_STR(told.names[1], "slow");
	CHECK_INT(rename(in(dir, "slow"), in(dir, "moved")), 0);
	CHECK_ERR(event_wait(&told.one, "t.folder", deadline_in(10000)), E_OK);
	CHECK_STR(told.names[2], "moved");
	CHECK_INT(told.n, 3);
	folder_unwatch(&f);
	folder_unwatch(&f);
	CHECK_ERR(folder_watch("/nowhere/at/all", on_arrival, &told, &f, &d), E_IO);
	CHECK(slice_starts(slice_str(d.text), SL("/nowhere")));
}
