/* Files of the areas: which are seen, that each is the one it was, and what becomes of it. */
#include "backend/areas/area.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/map.h"
#include "proto/servers.h"
#include "tests/lib/check.h"
#include "tests/unit/backend/areas/files.h"

#define SEEN 8

struct place {
	char folder[600], in[DISK_PATH_MAX], bad[DISK_PATH_MAX];
};

static void place_make(struct place *p)
{
	snprintf(p->folder, sizeof p->folder, "%s/areas", check_tmpdir());
	for (int i = 0; i < 2; i++) /* what is there is no matter */
		CHECK_ERR(area_make(p->folder, SL("one")), E_OK);
	CHECK_ERR(area_path(p->folder, SL("one"), AREA_PICKUP, p->in), E_OK);
	CHECK_ERR(area_path(p->folder, SL("one"), AREA_BADMAIL, p->bad), E_OK);
}

static size_t list(const char *path, struct area_file out[SEEN])
{
	size_t n = 0;
	bool more;

	CHECK_ERR(area_look(path, NULL, 0, out, SEEN, &n, &more), E_OK);
	return n;
}

TEST(a_home_of_several_names)
{
	char folder[600], path[DISK_PATH_MAX], longest[SERVER_HOME_MAX + 1];
	struct stat st;

	snprintf(folder, sizeof folder, "%s/areas", check_tmpdir());
	/* As deep as it may be. */
	for (size_t i = 0; i < sizeof longest - 1; i++)
		longest[i] = i % 2 == 0 ? 'a' : '/';
	longest[sizeof longest - 2] = 'a';
	longest[sizeof longest - 1] = '\0';
	for (int i = 0; i < 2; i++)
		CHECK_ERR(area_make(folder, slice_str(longest)), E_OK);
	for (unsigned k = 0; k < AREA_KINDS; k++) {
		CHECK_ERR(area_path(folder, slice_str(longest), (enum area_kind)k, path), E_OK);
		CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
	}
}

TEST(plain_files_alone_are_seen)
{
	struct area_file f[SEEN];
	struct place p;
	char path[DISK_PATH_MAX + 8];

	place_make(&p);
	files_put(p.in, "one", SL("12345"));
	files_put(p.in, ".hidden", SL("x"));
	snprintf(path, sizeof path, "%s/link", p.in);
	CHECK_INT(symlink("one", path), 0);
	snprintf(path, sizeof path, "%s/fifo", p.in);
	CHECK_INT(mkfifo(path, 0600), 0);
	snprintf(path, sizeof path, "%s/folder", p.in);
	CHECK_INT(mkdir(path, 0700), 0);
	REQUIRE(list(p.in, f) == 1);
	CHECK_STR(f[0].name, "one");
	CHECK_INT(f[0].size, 5);
	for (char name[2] = "a"; name[0] < 'a' + SEEN; name[0]++)
		files_put(p.in, name, SL("x"));
	CHECK_INT(list(p.in, f), SEEN); /* one more is there */
}

/* What is known is told or passed over; of the others chance chooses, so that each has its turn. */
TEST(what_is_known_of_a_folder)
{
	struct area_known known[3] = {{.as = AREA_KEEP}, {.as = AREA_SKIP}, {.as = AREA_NEW}};
	struct area_file f[SEEN];
	bool more, seen[6] = {false};
	struct place p;
	size_t n;

	place_make(&p);
	for (char name[2] = "0"; name[0] < '6'; name[0]++)
		files_put(p.in, name, SL("x"));
	known[0].name = map_hash(SL("0"));
	known[1].name = map_hash(SL("1"));
	REQUIRE(list(p.in, f) == 6);
	for (size_t i = 0; i < 6; i++) {
		if (f[i].name[0] == '1')
			known[1].same = area_mark(&f[i]);
	}
	known[2].name = map_hash(SL("none"));
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < 3; i++)
			known[i].seen = false;
		CHECK_ERR(area_look(p.in, known, 3, f, 2, &n, &more), E_OK);
		REQUIRE(n == 2);
		CHECK(more);
		CHECK_STR(f[0].name, "0");
		seen[f[1].name[0] - '0'] = true;
		for (size_t i = 0; i < 3; i++)
			CHECK(known[i].seen == (known[i].as != AREA_NEW));
	}
	CHECK(!seen[0] && !seen[1] && seen[2] && seen[3] && seen[4] && seen[5]);
	/* Another file now. */
	files_put(p.in, "1", SL("another"));
	CHECK_ERR(area_look(p.in, known, 3, f, 6, &n, &more), E_OK);
	CHECK_INT(n, 6);
	CHECK(!more);
	CHECK_ERR(area_look("/nowhere/at/all", NULL, 0, f, 6, &n, &more), E_NOT_FOUND);
}

TEST(a_file_is_the_one_it_was)
{
	struct area_file f[SEEN];
	struct place p;
	char path[DISK_PATH_MAX + 8];
	int fd;

	place_make(&p);
	files_put(p.in, "one", SL("12345"));
	REQUIRE(list(p.in, f) == 1);
	CHECK_ERR(area_open(p.in, &f[0], &fd), E_OK);
	close(fd);
	files_put(p.in, "one", SL("123456"));
	CHECK_ERR(area_open(p.in, &f[0], &fd), E_NOT_FOUND);
	CHECK_ERR(area_remove(p.in, &f[0]), E_NOT_FOUND);
	CHECK_ERR(area_reject(p.in, p.bad, &f[0], SL("x")), E_NOT_FOUND);
	CHECK(files_has(p.in, "one"));
	/* Nor what has come into its place. */
	REQUIRE(list(p.in, f) == 1);
	snprintf(path, sizeof path, "%s/one", p.in);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK_ERR(area_open(p.in, &f[0], &fd), E_NOT_FOUND);
	CHECK_INT(unlink(path), 0);
	CHECK_INT(symlink("/etc/passwd", path), 0);
	CHECK_ERR(area_open(p.in, &f[0], &fd), E_NOT_FOUND);
	CHECK_INT(fd, -1);
}

/* Name, number, size and time of change are as they were, and it was put there anew. */
TEST(another_file_that_looks_the_same)
{
	struct timespec then[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
	char path[DISK_PATH_MAX + 8], hidden[DISK_PATH_MAX + 8];
	struct area_file a[SEEN], b[SEEN];
	struct place p;
	int fd;

	place_make(&p);
	snprintf(path, sizeof path, "%s/one", p.in);
	snprintf(hidden, sizeof hidden, "%s/.one", p.in);
	files_put(p.in, "one", SL("12345"));
	CHECK_INT(utimensat(AT_FDCWD, path, then, 0), 0);
	REQUIRE(list(p.in, a) == 1);
	/* The clock of inodes goes in steps. */
	for (b[0] = a[0]; b[0].ctime_ns == a[0].ctime_ns;) {
		CHECK_INT(rename(path, hidden), 0);
		CHECK_INT(rename(hidden, path), 0);
		REQUIRE(list(p.in, b) == 1);
	}
	CHECK_INT(b[0].ino, a[0].ino);
	CHECK_INT(b[0].mtime_ns, a[0].mtime_ns);
	CHECK(!area_same(&a[0], &b[0]));
	CHECK_ERR(area_open(p.in, &a[0], &fd), E_NOT_FOUND);
	/* Whoever read the first has its message; is it this one? Its birth says. */
	a[0].born_ns = b[0].born_ns - 1;
	CHECK_ERR(area_remove(p.in, &a[0]), E_NOT_FOUND);
	CHECK_ERR(area_reject(p.in, p.bad, &a[0], SL("x")), E_NOT_FOUND);
	a[0].born_ns = 0; /* nobody knows */
	CHECK_ERR(area_remove(p.in, &a[0]), E_NOT_FOUND);
	CHECK(files_has(p.in, "one"));
	CHECK_ERR(area_remove(p.in, &b[0]), E_OK);
}

/* A backup, a chmod after the copy: not another message. */
TEST(a_mode_that_changes_while_it_is_read)
{
	char path[DISK_PATH_MAX + 8];
	struct area_file a[SEEN], b[SEEN];
	struct place p;

	place_make(&p);
	snprintf(path, sizeof path, "%s/one", p.in);
	files_put(p.in, "one", SL("12345"));
	REQUIRE(list(p.in, a) == 1);
	if (a[0].born_ns == 0)
		return; /* this file system does not say */
	for (b[0] = a[0]; b[0].ctime_ns == a[0].ctime_ns;) {
		CHECK_INT(chmod(path, 0600), 0);
		REQUIRE(list(p.in, b) == 1);
	}
	CHECK(!area_same(&a[0], &b[0]));
	CHECK_ERR(area_remove(p.in, &a[0]), E_OK);
	CHECK(!files_has(p.in, "one"));
}

TEST(rejected_with_a_reason)
{
	char long_name[AREA_NAME_MAX + 1], why[AREA_REASON_MAX + 100];
	char elsewhere[DISK_PATH_MAX + 8];
	struct area_file f[SEEN];
	struct place p;

	place_make(&p);
	for (int i = 0; i < 2; i++) {
		files_put(p.in, "one", SL("bytes"));
		REQUIRE(list(p.in, f) == 1);
		CHECK_ERR(area_reject(p.in, p.bad, &f[0], SL("why")), E_OK);
		CHECK_INT(list(p.in, f), 0);
	}
	CHECK_SLICE(files_get(p.bad, "one"), SL("bytes"));
	CHECK_SLICE(files_get(p.bad, "one.reason"), SL("why\n"));
	CHECK_INT(list(p.bad, f), 4); /* the second one has its time in its name */
	snprintf(elsewhere, sizeof elsewhere, "%s.old", p.bad);
	memset(long_name, 'n', AREA_NAME_MAX);
	long_name[AREA_NAME_MAX] = '\0';
	memset(why, 'w', sizeof why);
	files_put(p.in, long_name, SL("x"));
	REQUIRE(list(p.in, f) == 1);
	CHECK_ERR(area_reject(p.in, p.bad, &f[0], slice(why, sizeof why)), E_OK);
	CHECK_INT(list(p.in, f), 0);
	REQUIRE(list(p.bad, f) == 6);
	for (size_t i = 0; i < 6; i++) {
		if (f[i].name[0] == 'n' && f[i].size != 1)
			CHECK_INT(f[i].size, AREA_REASON_MAX + 1);
	}
	/* Somebody has tidied up. */
	CHECK_INT(rename(p.bad, elsewhere), 0);
	files_put(p.in, "last", SL("x"));
	REQUIRE(list(p.in, f) == 1);
	CHECK_ERR(area_reject(p.in, p.bad, &f[0], SL("x")), E_OK);
	CHECK_INT(list(p.bad, f), 2);
}

static bool reject_one(const struct place *p, enum err want)
{
	struct area_file f[SEEN];

	files_put(p->in, "one", SL("bytes"));
	if (list(p->in, f) != 1)
		return false;
	CHECK_ERR(area_reject(p->in, p->bad, &f[0], SL("why")), want);
	return files_has(p->in, "one") == (want != E_OK);
}

/* Nobody's links are followed, and nothing that stands in the way is taken for a file that is gone:
 * it would come back for ever. */
TEST(what_stands_in_the_way_of_a_reason)
{
	char path[DISK_PATH_MAX + 16], elsewhere[DISK_PATH_MAX + 8];
	struct place p;

	place_make(&p);
	files_put(p.folder, "secret", SL("old"));
	snprintf(path, sizeof path, "%s/one.reason", p.bad);
	CHECK_INT(symlink("../../secret", path), 0);
	CHECK(reject_one(&p, E_OK));
	CHECK_SLICE(files_get(p.folder, "secret"), SL("old"));
	CHECK_SLICE(files_get(p.bad, "one.reason"), SL("why\n"));
	files_remove(p.bad, "one");
	files_put(p.bad, "one.reason", SL("a longer one of before"));
	CHECK(reject_one(&p, E_OK));
	CHECK_SLICE(files_get(p.bad, "one.reason"), SL("why\n"));
	files_remove(p.bad, "one");
	files_remove(p.bad, "one.reason");
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK(reject_one(&p, E_IO));
	/* The folder itself. */
	snprintf(elsewhere, sizeof elsewhere, "%s.old", p.bad);
	CHECK_INT(rename(p.bad, elsewhere), 0);
	CHECK_INT(symlink("nowhere", p.bad), 0);
	CHECK(reject_one(&p, E_IO));
	CHECK_INT(unlink(p.bad), 0);
	files_put(p.folder, "one/badmail", SL("a file"));
	CHECK(reject_one(&p, E_IO));
}

TEST(words_in_a_file)
{
	struct buf b;
	struct area_file f[SEEN];
	struct place p;
	bool found;
	int fd;

	place_make(&p);
	buf_init(&b, 2 * AREA_HEAD_MAX, NULL);
	buf_puts(&b, "x-sender: Ann@Example.ORG\n");
	while (b.n < AREA_HEAD_MAX - 4)
		buf_putc(&b, 'x');
	buf_puts(&b, "edge beyond");
	files_put(p.in, "one", buf_slice(&b));
	REQUIRE(list(p.in, f) == 1);
	REQUIRE(area_open(p.in, &f[0], &fd) == E_OK);
	CHECK_ERR(area_mentions(fd, SL("ann@example.org"), &found), E_OK);
	CHECK(found);
	CHECK_ERR(area_mentions(fd, SL("bob@example.org"), &found), E_OK);
	CHECK(!found);
	CHECK_ERR(area_mentions(fd, SL("edge"), &found), E_OK);
	CHECK(found);
	CHECK_ERR(area_mentions(fd, SL("edge "), &found), E_OK);
	CHECK(!found);
	CHECK_ERR(area_mentions(fd, SLICE_NONE, &found), E_OK);
	CHECK(!found);
	close(fd);
	buf_fini(&b);
}

TEST(counted_and_expired)
{
	struct area_count c;
	struct place p;
	size_t n;

	place_make(&p);
	files_put(p.bad, "one", SL("12345"));
	files_put(p.bad, "two", SL("1"));
	CHECK_ERR(area_count(p.bad, &c), E_OK);
	CHECK_INT(c.files, 2);
	CHECK_INT(c.bytes, 6);
	CHECK(c.oldest_s != 0);
	CHECK_ERR(area_expire(p.bad, 3600, &n), E_OK);
	CHECK_INT(n, 0);
	CHECK_ERR(area_expire(p.bad, -1, &n), E_OK);
	CHECK_INT(n, 2);
	CHECK_ERR(area_count(p.bad, &c), E_OK);
	CHECK_INT(c.files, 0);
	CHECK_ERR(area_count("/nowhere/at/all", &c), E_NOT_FOUND);
}
