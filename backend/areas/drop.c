#include "backend/areas/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "backend/directory/dir_servers.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/map.h"
#include "common/crypto/random.h"
#include "common/log/log.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/loop/work.h"

#define FILE_MODE 0660
#define NAME_SIZE (2 * DROP_KEY_BYTES + sizeof ".eml")

METRIC_COUNTER(m_dropped, "drop_files_total", "Messages written into drop folders");

/* What the folder of a home holds: as it was counted, and what came since. */
struct place {
	char home[SERVER_HOME_MAX + 1];
	uint64_t files, bytes;
	uint64_t open_files, open_bytes; /* on their way */
	uint64_t came_files, came_bytes; /* since the beginning */
	int64_t counted_ms;              /* 0: never */
};

struct drops {
	struct drops_conf conf;
	struct map places;
	struct map open; /* files that are written, by key */
};

struct drop {
	struct drops *drops;
	struct place *place;
	uint8_t key[DROP_KEY_BYTES];
	char path[DISK_PATH_MAX];
	char name[NAME_SIZE], temporary[NAME_SIZE + sizeof AREA_DROPPING + 8];
	int dir, fd;
	uint64_t size, at;
};

struct drops *drops_new(const struct drops_conf *c)
{
	struct drops *d = xcalloc(1, sizeof *d);

	d->conf = *c;
	map_init(&d->places);
	map_init(&d->open);
	return d;
}

void drops_free(struct drops **pd)
{
	struct drops *d = *pd;
	struct map_iter it = {0};
	void *v;

	if (d == NULL)
		return;
	while (map_next(&d->places, &it, NULL, &v))
		xfree(&v);
	map_fini(&d->places);
	map_fini(&d->open);
	xfree(pd);
}

static struct place *place_of(struct drops *d, slice_t home)
{
	struct place *p = map_get(&d->places, home);

	if (p != NULL)
		return p;
	p = xcalloc(1, sizeof *p);
	if (!slice_to_str(home, p->home, sizeof p->home)) {
		xfree(&p);
		return NULL;
	}
	invariant(map_put(&d->places, home, p) == NULL);
	return p;
}

/* ---- room ---- */

struct counting {
	const char *folder;
	slice_t home;
	struct area_count count;
	enum err result;
};

static void run_count(void *arg)
{
	struct counting *c = arg;
	char path[DISK_PATH_MAX];

	c->result = area_make(c->folder, c->home);
	if (c->result == E_OK)
		c->result = area_path(c->folder, c->home, AREA_DROP, path);
	if (c->result == E_OK)
		c->result = area_count(path, &c->count);
}

WAITS static enum err count(struct drops *d, struct place *p)
{
	struct counting c = {.folder = d->conf.folder, .home = slice_str(p->home)};
	uint64_t files = p->came_files, bytes = p->came_bytes;
	enum err e;

	if (p->counted_ms != 0 && clock_mono_ms() - p->counted_ms < DROP_COUNT_MS)
		return E_OK;
	e = work_run("drop.count", run_count, &c);
	if (e == E_OK)
		e = c.result;
	if (e != E_OK)
		return e;
	/* What came meanwhile may have been seen or not. Until the next count it is there twice: a
	 * folder must not hold more than it may. */
	p->files = c.count.files + (p->came_files - files);
	p->bytes = c.count.bytes + (p->came_bytes - bytes);
	p->counted_ms = clock_mono_ms();
	return E_OK;
}

static enum err reserve(struct drops *d, struct place *p, uint64_t size)
{
	if (p->files + p->open_files >= d->conf.files_max ||
	    p->bytes + p->open_bytes + size > d->conf.bytes_max) {
		LOG_SELDOM(LOG_WARN, NULL, "drop.over", LF_STR("home", p->home),
			   LF_UINT("files", p->files), LF_UINT("bytes", p->bytes));
		return E_LIMIT;
	}
	p->open_files++;
	p->open_bytes += size;
	return E_OK;
}

/* ---- a file ---- */

static enum err failed(const struct drop *f, const char *what)
{
	int no = errno;

	LOG(LOG_ERROR, NULL, "drop.failed", LF_STR("what", what), LF_STR("path", f->path),
	    LF_ERRNO("errno", no));
	return no == ENOSPC || no == EDQUOT || no == EFBIG ? E_FULL : E_IO;
}

struct step {
	struct drop *f;
	slice_t bytes;
	enum err result;
};

static void run_open(void *arg)
{
	struct step *s = arg;
	struct drop *f = s->f;

	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0) {
		s->result = failed(f, "open");
		return;
	}
	if (faccessat(f->dir, f->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		/* Whoever put it there may have ended before it was durable. */
		s->result = fsync(f->dir) == 0 ? E_EXISTS : failed(f, "fsync");
		return;
	}
	f->fd = openat(f->dir, f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	s->result = f->fd >= 0 ? E_OK : failed(f, "create");
}

static void run_write(void *arg)
{
	struct step *s = arg;
	struct drop *f = s->f;

	s->result = disk_write("drop", f->fd, s->bytes, f->at);
	if (s->result == E_OK)
		f->at += s->bytes.n;
}

static void run_commit(void *arg)
{
	struct step *s = arg;
	struct drop *f = s->f;

	s->result = E_OK;
	if (fsync(f->fd) != 0)
		s->result = failed(f, "fsync");
	else if (renameat(f->dir, f->temporary, f->dir, f->name) != 0)
		s->result = failed(f, "rename");
	else if (fsync(f->dir) != 0)
		s->result = failed(f, "fsync");
}

static void run_close(void *arg)
{
	struct step *s = arg;
	struct drop *f = s->f;

	/* After a commit it is not there. */
	if (f->fd >= 0 && unlinkat(f->dir, f->temporary, 0) != 0 && errno != ENOENT)
		(void)failed(f, "unlink");
	disk_close(&f->fd);
	disk_close(&f->dir);
}

static slice_t key_slice(const struct drop *f)
{
	return slice(f->key, sizeof f->key);
}

/* Whoever waits for nothing any more still has to close its file. */
WAITS static void drop_free(struct drop **pf)
{
	struct drop *f = *pf;
	struct step s = {.f = f};

	*pf = NULL;
	f->place->open_files--;
	f->place->open_bytes -= f->size;
	fiber_shield_begin();
	if (work_run("drop.close", run_close, &s) != E_OK)
		run_close(&s);
	fiber_shield_end();
	map_del(&f->drops->open, key_slice(f));
	xfree(&f);
}

static void name_file(struct drop *f)
{
	uint8_t drawn[4];
	struct buf b;

	random_bytes(drawn, sizeof drawn);
	buf_init(&b, sizeof f->temporary - 1, NULL);
	hex_encode(&b, key_slice(f));
	buf_puts(&b, ".eml");
	invariant(slice_to_str(buf_slice(&b), f->name, sizeof f->name));
	buf_reset(&b);
	buf_puts(&b, AREA_DROPPING);
	hex_encode(&b, slice(drawn, sizeof drawn));
	buf_puts(&b, f->name);
	invariant(slice_to_str(buf_slice(&b), f->temporary, sizeof f->temporary));
	buf_fini(&b);
}

WAITS enum err drop_begin(struct drops *d, slice_t home, const uint8_t key[DROP_KEY_BYTES],
			  uint64_t size, struct drop **out)
{
	struct place *p = place_of(d, home);
	struct step s;
	enum err e = p != NULL ? count(d, p) : E_INVALID;

	/* A worker that was lost with the same message may still be at it. */
	if (e == E_OK && map_get(&d->open, slice(key, DROP_KEY_BYTES)) != NULL)
		e = E_BUSY;
	if (e == E_OK)
		e = reserve(d, p, size);
	if (e != E_OK)
		return e;
	s.f = xcalloc(1, sizeof *s.f);
	*s.f = (struct drop){.drops = d, .place = p, .dir = -1, .fd = -1, .size = size};
	memcpy(s.f->key, key, sizeof s.f->key);
	invariant(map_put(&d->open, key_slice(s.f), s.f) == NULL);
	name_file(s.f);
	e = area_path(d->conf.folder, home, AREA_DROP, s.f->path);
	if (e == E_OK)
		e = work_run("drop.open", run_open, &s);
	if (e == E_OK)
		e = s.result;
	if (e == E_OK)
		*out = s.f;
	else
		drop_free(&s.f);
	return e;
}

WAITS enum err drop_write(struct drop *f, slice_t bytes)
{
	struct step s = {.f = f, .bytes = bytes};
	enum err e = work_run("drop.write", run_write, &s);

	return e == E_OK ? s.result : e;
}

WAITS enum err drop_commit(struct drop **pf)
{
	struct step s = {.f = *pf};
	struct place *p = (*pf)->place;
	enum err e = work_run("drop.commit", run_commit, &s);

	if (e == E_OK)
		e = s.result;
	if (e == E_OK) {
		p->files++;
		p->came_files++;
		p->bytes += (*pf)->at;
		p->came_bytes += (*pf)->at;
		metric_add(&m_dropped, 1);
	}
	drop_free(pf);
	return e;
}

WAITS void drop_abort(struct drop **pf)
{
	if (*pf != NULL)
		drop_free(pf);
}

void drop_put_clean(struct buf *b, slice_t value)
{
	for (size_t i = 0; i < value.n; i++) {
		bool control = (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f;

		buf_putc(b, control ? '?' : value.p[i]);
	}
}
