#include "backend/areas/area.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/crypto/random.h"
#include "common/log/log.h"

#define HOME_MODE   0750 /* what it holds is the back-end's to make */
#define FOLDER_MODE 0770
#define REASON_MODE 0660
#define REASON      ".reason"

static const char *const kinds[] = {
	[AREA_PICKUP] = "pickup", [AREA_BADMAIL] = "badmail", [AREA_DROP] = "drop"};

const char *area_name(enum area_kind k)
{
	return kinds[k];
}

/* Never E_NOT_FOUND: of what must be there. */
static enum err broken(const char *what, const char *path)
{
	int no = errno;

	LOG_SELDOM(LOG_ERROR, NULL, "area.failed", LF_STR("what", what), LF_STR("path", path),
		   LF_ERRNO("errno", no));
	return no == ENOSPC || no == EDQUOT ? E_FULL : E_IO;
}

static enum err failed(const char *what, const char *path)
{
	int no = errno;
	enum err e;

	if (no == ENOENT || no == ELOOP)
		return E_NOT_FOUND;
	e = broken(what, path);
	/* A file stands where the folder belongs: none is there. */
	return no == ENOTDIR ? E_NOT_FOUND : e;
}

enum err area_path(const char *folder, slice_t home, enum area_kind k, char out[DISK_PATH_MAX])
{
	int n = snprintf(out, DISK_PATH_MAX, "%s/%.*s/%s", folder, (int)home.n, home.p, kinds[k]);

	return n > 0 && n < DISK_PATH_MAX ? E_OK : E_LIMIT;
}

/* What is put into it durably is nowhere if the folder itself is lost. */
static enum err make_folder(const char *path, mode_t mode)
{
	char above[DISK_PATH_MAX];
	const char *end = strrchr(path, '/');

	if (mkdir(path, mode) != 0)
		return errno == EEXIST ? E_OK : failed("mkdir", path);
	if (end == NULL || end == path)
		return E_OK;
	invariant(slice_to_str(slice(path, (size_t)(end - path)), above, sizeof above));
	return disk_sync_dir(above);
}

/* Each folder of a path below one that is there. */
static enum err make_below(const char *folder, slice_t home)
{
	char path[DISK_PATH_MAX];
	enum err e = E_OK;
	size_t at = 0;

	while (e == E_OK && at < home.n) {
		int n;

		at += slice_find_char(slice_from(home, at), '/');
		n = snprintf(path, sizeof path, "%s/%.*s", folder, (int)at, home.p);
		e = n > 0 && n < DISK_PATH_MAX ? make_folder(path, HOME_MODE) : E_LIMIT;
		at++;
	}
	return e;
}

enum err area_make(const char *folder, slice_t home)
{
	char path[DISK_PATH_MAX];
	enum err e = make_folder(folder, HOME_MODE);

	if (e == E_OK)
		e = make_below(folder, home);
	for (size_t k = 0; e == E_OK && k < ARRAY_LEN(kinds); k++) {
		e = area_path(folder, home, (enum area_kind)k, path);
		if (e == E_OK)
			e = make_folder(path, FOLDER_MODE);
	}
	return e;
}

/* ---- files ---- */

static int64_t ns_of(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* False: it is not there, or is no plain file. With an empty path, what dir is open of. */
static bool fill(int dir, const char *path, const char *name, struct area_file *out)
{
	struct statx st;

	if (statx(dir, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME,
		  &st) != 0 ||
	    !S_ISREG(st.stx_mode))
		return false;
	*out = (struct area_file){
		.ino = st.stx_ino,
		.size = st.stx_size,
		.mtime_ns = ns_of(st.stx_mtime),
		.ctime_ns = ns_of(st.stx_ctime),
		.born_ns = (st.stx_mask & STATX_BTIME) != 0 ? ns_of(st.stx_btime) : 0,
	};
	memcpy(out->name, name, strlen(name) + 1);
	return true;
}

/* Numbers are given again, and times of change are copied: that of the inode is not. */
bool area_same(const struct area_file *a, const struct area_file *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns;
}

/* Of a file that was read just now: somebody may have changed its mode or its links meanwhile, as
 * backups and careful programs do, and it is the same nevertheless if it was made when that was. */
static bool is_still(const struct area_file *a, const struct area_file *b)
{
	return area_same(a, b) ||
	       (a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
		a->born_ns != 0 && a->born_ns == b->born_ns);
}

/* One that its users see: no link, and nothing that is still being written. */
static bool look_up(int dir, const char *name, struct area_file *out)
{
	return name[0] != '\0' && name[0] != '.' && strlen(name) <= AREA_NAME_MAX &&
	       fill(dir, name, name, out);
}

/* Calls fn for every plain file; false from it ends the walk. */
static enum err each_file(const char *path,
			  bool (*fn)(int dir, const struct area_file *f, void *arg), void *arg)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL)
		return failed("opendir", path);
	while ((e = readdir(d)) != NULL) {
		struct area_file f;

		if (look_up(dirfd(d), e->d_name, &f) && !fn(dirfd(d), &f, arg))
			break;
	}
	closedir(d);
	return E_OK;
}

uint64_t area_mark(const struct area_file *f)
{
	const uint64_t v[] = {f->ino, f->size, (uint64_t)f->mtime_ns, (uint64_t)f->ctime_ns};

	return map_hash(slice(v, sizeof v));
}

/* Kept ones fill out from its beginning on, chosen ones (names alone, at first) from `first` on. */
struct looking {
	int dir;
	struct area_known *known;
	size_t nknown;
	struct area_file *out;
	size_t kept, first, max;
	uint64_t others; /* all of them */
};

static int by_name(const void *a, const void *b)
{
	const struct area_known *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

static void choose(struct looking *l, const char *name)
{
	uint64_t room = l->max - l->first, at = l->others++;

	if (at >= room)
		at = random_u64() % l->others;
	if (at < room)
		memcpy(l->out[l->first + at].name, name, strlen(name) + 1);
}

static void look_at_name(struct looking *l, const char *name)
{
	struct area_known key = {.name = map_hash(slice_str(name))};
	struct area_known *k =
		l->nknown != 0 ? bsearch(&key, l->known, l->nknown, sizeof *l->known, by_name)
			       : NULL;
	struct area_file f;

	if (k == NULL || k->as == AREA_NEW) {
		choose(l, name);
	} else if (look_up(l->dir, name, &f)) {
		k->seen = k->as == AREA_KEEP || area_mark(&f) == k->same;
		if (k->as == AREA_KEEP && l->kept < l->first)
			l->out[l->kept++] = f;
		else if (!k->seen)
			choose(l, name);
	}
	if (k != NULL && k->as == AREA_NEW)
		k->seen = true;
}

static bool may_be_file(const struct dirent *e)
{
	return e->d_name[0] != '.' && strlen(e->d_name) <= AREA_NAME_MAX &&
	       (e->d_type == DT_REG || e->d_type == DT_UNKNOWN);
}

/* What was chosen, behind what was kept. */
static size_t end_look(struct looking *l)
{
	size_t chosen = (size_t)MIN(l->others, (uint64_t)(l->max - l->first)), n = l->kept;

	for (size_t i = 0; i < chosen; i++) {
		struct area_file f;

		if (look_up(l->dir, l->out[l->first + i].name, &f))
			l->out[n++] = f;
	}
	return n;
}

enum err area_look(const char *path, struct area_known *known, size_t nknown, struct area_file *out,
		   size_t max, size_t *n_out, bool *more_out)
{
	struct looking l = {.known = known, .nknown = nknown, .out = out, .max = max};
	DIR *d = opendir(path);
	struct dirent *e;

	*n_out = 0;
	*more_out = false;
	if (d == NULL)
		return failed("opendir", path);
	l.dir = dirfd(d);
	for (size_t i = 0; i < nknown; i++)
		l.first += known[i].as == AREA_KEEP;
	invariant(l.first <= max);
	if (nknown != 0)
		qsort(known, nknown, sizeof *known, by_name);
	while ((e = readdir(d)) != NULL) {
		if (may_be_file(e))
			look_at_name(&l, e->d_name);
	}
	*n_out = end_look(&l);
	*more_out = l.others > max - l.first;
	closedir(d);
	return E_OK;
}

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum err area_find(const char *path, struct area_file *files, size_t n)
{
	int dir = open_folder(path);

	if (dir < 0)
		return failed("open", path);
	for (size_t i = 0; i < n; i++) {
		struct area_file found;

		if (look_up(dir, files[i].name, &found))
			files[i] = found;
		else
			files[i].ino = 0;
	}
	close(dir);
	return E_OK;
}

static enum err open_same(int dir, const char *path, const struct area_file *f, int *fd_out)
{
	/* Whoever put a pipe there would have us wait for its other end. */
	int fd = openat(dir, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct area_file now;

	*fd_out = -1;
	if (fd < 0)
		return failed("open", path);
	if (!fill(fd, "", f->name, &now) || !area_same(f, &now)) {
		close(fd);
		return E_NOT_FOUND;
	}
	*fd_out = fd;
	return E_OK;
}

enum err area_open(const char *path, const struct area_file *f, int *fd_out)
{
	int dir = open_folder(path);
	enum err e;

	*fd_out = -1;
	if (dir < 0)
		return failed("open", path);
	e = open_same(dir, path, f, fd_out);
	close(dir);
	return e;
}

enum err area_read(int fd, uint64_t off, char *to, size_t n, size_t *got_out)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = pread(fd, to + got, n - got, (off_t)(off + got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return failed("read", "a file of a pickup folder");
		if (k == 0)
			break;
		got += (size_t)k;
	}
	*got_out = got;
	return E_OK;
}

static bool found_in(slice_t text, slice_t words)
{
	for (size_t at = 0; at + words.n <= text.n; at++) {
		if (ascii_lower(text.p[at]) == ascii_lower(words.p[0]) &&
		    slice_ieq(slice_sub(text, at, words.n), words))
			return true;
	}
	return false;
}

enum err area_mentions(int fd, slice_t words, bool *out)
{
	char *head = xmalloc(AREA_HEAD_MAX);
	size_t n = 0;
	enum err e = area_read(fd, 0, head, AREA_HEAD_MAX, &n);

	*out = e == E_OK && words.n != 0 && found_in(slice(head, n), words);
	xfree(&head);
	return e;
}

static enum err sync_folder(int dir, const char *path)
{
	return fsync(dir) == 0 ? E_OK : failed("fsync", path);
}

/* The folder with that file still in it, or an error. */
static enum err at_file(const char *path, const struct area_file *f, int *dir_out)
{
	int dir = open_folder(path);
	struct area_file now;

	*dir_out = -1;
	if (dir < 0)
		return failed("open", path);
	if (!look_up(dir, f->name, &now) || !is_still(f, &now)) {
		close(dir);
		return E_NOT_FOUND;
	}
	*dir_out = dir;
	return E_OK;
}

enum err area_remove(const char *path, const struct area_file *f)
{
	int dir;
	enum err e = at_file(path, f, &dir);

	if (e != E_OK)
		return e;
	e = unlinkat(dir, f->name, 0) == 0 ? sync_folder(dir, path) : failed("unlink", path);
	close(dir);
	return e;
}

/* ---- badmail ---- */

/* A name that has room for the endings. */
static void bad_name(const struct area_file *f, const char *more, char out[AREA_NAME_MAX + 1])
{
	int keep = (int)(AREA_NAME_MAX - strlen(more) - 24 - strlen(REASON));

	snprintf(out, AREA_NAME_MAX + 1, "%.*s%s", keep, f->name, more);
}

static enum err write_reason(int dir, const char *path, const char *name, slice_t why)
{
	char file[AREA_NAME_MAX + 1];
	int fd;
	bool ok;

	snprintf(file, sizeof file, "%.*s%s", (int)(AREA_NAME_MAX - strlen(REASON)), name, REASON);
	/* A link that waits there, or the reason of one that is gone. */
	if (unlinkat(dir, file, 0) != 0 && errno != ENOENT)
		return broken("unlink", path);
	fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, REASON_MODE);
	if (fd < 0)
		return broken("open", path);
	why = slice_sub(why, 0, AREA_REASON_MAX);
	ok = write(fd, why.p, why.n) == (ssize_t)why.n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	if (close(fd) != 0 || !ok)
		return broken("write", path);
	return E_OK;
}

static enum err move_to(int from, int to, const char *to_path, const struct area_file *f,
			slice_t why)
{
	char name[AREA_NAME_MAX + 1], number[24];
	enum err e;

	bad_name(f, "", name);
	if (faccessat(to, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* Unlike its number no other file of that name has had it. */
		snprintf(number, sizeof number, ".%lld", (long long)f->ctime_ns);
		bad_name(f, number, name);
	}
	e = write_reason(to, to_path, name, why);
	if (e == E_OK && renameat(from, f->name, to, name) != 0)
		e = failed("rename", to_path);
	return e == E_OK ? sync_folder(to, to_path) : e;
}

enum err area_reject(const char *path, const char *bad, const struct area_file *f, slice_t why)
{
	enum err e = make_folder(bad, FOLDER_MODE); /* somebody may have tidied up */
	int from, to;

	if (e != E_OK)
		return e;
	to = open_folder(bad);
	if (to < 0)
		return broken("open", bad);
	e = at_file(path, f, &from);
	if (e == E_OK) {
		e = move_to(from, to, bad, f, why);
		if (e == E_OK)
			e = sync_folder(from, path);
		close(from);
	}
	close(to);
	return e;
}

enum err area_tidy(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (d == NULL)
		return failed("opendir", path);
	while ((e = readdir(d)) != NULL) {
		if (slice_starts(slice_str(e->d_name), SL(AREA_DROPPING)) &&
		    unlinkat(dirfd(d), e->d_name, 0) != 0)
			(void)failed("unlink", path);
	}
	closedir(d);
	return E_OK;
}

struct expiring {
	int64_t before_ns;
	size_t removed;
};

static bool expire_one(int dir, const struct area_file *f, void *arg)
{
	struct expiring *x = arg;

	/* A change of name changes it, too: since when it is here. */
	if (f->ctime_ns < x->before_ns && unlinkat(dir, f->name, 0) == 0)
		x->removed++;
	return true;
}

enum err area_expire(const char *path, int64_t keep_s, size_t *removed_out)
{
	struct expiring x = {.before_ns = (clock_wall_s() - keep_s) * 1000000000};
	enum err e = each_file(path, expire_one, &x);

	*removed_out = x.removed;
	return e;
}

static bool count_one(int dir UNUSED, const struct area_file *f, void *arg)
{
	struct area_count *c = arg;
	int64_t s = f->ctime_ns / 1000000000;

	c->files++;
	c->bytes += f->size;
	if (c->oldest_s == 0 || s < c->oldest_s)
		c->oldest_s = s;
	return true;
}

enum err area_count(const char *path, struct area_count *out)
{
	*out = (struct area_count){.files = 0};
	return each_file(path, count_one, out);
}
