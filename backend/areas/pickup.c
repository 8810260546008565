#include "backend/areas/pickup_priv.h"
#include "backend/policy/live.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"
#include "common/loop/folder.h"
#include "common/loop/work.h"

#define LOOK_MS   10000 /* at the folders, whatever was told of them */
#define SOON_MS   1000  /* the same while a file is to become whole, or to be tried again */
#define EXPIRE_MS (60 * 60 * 1000)

/* ---- servers ---- */

static void on_arrival(slice_t name, void *arg)
{
	struct pickup_server *s = arg;

	/* Beyond that they are found by looking. */
	if (name.n != 0 && name.p[0] != '.' && s->arrived.count < AREA_FILES_MAX)
		(void)map_put(&s->arrived, name, s);
	event_set(&s->home->wake);
}

void pickup_file_free(struct pickup_file *f)
{
	f->server->nfiles--;
	list_remove(&f->node);
	xfree(&f);
}

static struct pickup_server *server_find(struct pickup *p, slice_t name)
{
	list_for_each(i, &p->servers) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (slice_eq(slice_str(s->name), name))
			return s;
	}
	return NULL;
}

struct making {
	const char *folder;
	slice_t server;
	enum err result;
};

static void run_make(void *arg)
{
	struct making *m = arg;
	char drop[DISK_PATH_MAX];

	m->result = area_make(m->folder, m->server);
	if (m->result == E_OK)
		m->result = area_path(m->folder, m->server, AREA_DROP, drop);
	/* Should somebody be writing there already: that is tried again. */
	if (m->result == E_OK)
		m->result = area_tidy(drop);
}

WAITS static struct pickup_server *server_new(struct pickup *p, const char *name)
{
	struct making m = {.folder = p->folder, .server = slice_str(name)};
	struct pickup_server *s = xcalloc(1, sizeof *s);
	struct diag d = {""};

	invariant(slice_to_str(slice_str(name), s->name, sizeof s->name));
	s->home = p;
	list_init(&s->files);
	map_init(&s->arrived);
	map_init(&s->arriving);
	if (area_path(p->folder, m.server, AREA_PICKUP, s->path) != E_OK ||
	    area_path(p->folder, m.server, AREA_BADMAIL, s->bad) != E_OK ||
	    work_run("pickup.make", run_make, &m) != E_OK || m.result != E_OK) {
		xfree(&s);
		return NULL;
	}
	if (folder_watch(s->path, on_arrival, s, &s->watch, &d) != E_OK)
		LOG(LOG_WARN, NULL, "pickup.not_watched", LF_STR("why", d.text));
	list_append(&p->servers, &s->node);
	return s;
}

static void server_free(struct pickup_server *s)
{
	folder_unwatch(&s->watch);
	list_for_each_safe(i, &s->files)
		pickup_file_free(list_entry(i, struct pickup_file, node));
	map_fini(&s->arrived);
	map_fini(&s->arriving);
	list_remove(&s->node);
	xfree(&s);
}

/* The cluster's, or the server's own. */
static uint64_t size_max_of(const struct dir_server *row, const struct conf *c)
{
	uint64_t max =
		conf_bytes(c, row->service == SERVICE_SUBMISSION ? "submission.message_bytes_max"
								 : "smtp.message_bytes_max");
	slice_t settings = row->settings, line, value;

	while (dir_server_line(&settings, &line)) {
		uint64_t own;

		if (slice_eq(servers_key(line, &value), SL("message_bytes_max")) &&
		    num_parse_bytes(value, &own))
			max = own;
	}
	return max;
}

static bool row_at(const struct dir *d, size_t i, char name[SERVER_NAME_MAX + 1])
{
	struct dir_server row;

	if (i >= dir_server_count(d))
		return false;
	dir_server_at(d, i, &row);
	return slice_to_str(row.name, name, SERVER_NAME_MAX + 1);
}

static void server_update(struct pickup *p, struct pickup_server *s, const struct conf *c)
{
	struct dir_server row;

	s->here = dir_server_find(p->conf.dir, slice_str(s->name), &row, NULL) == E_OK;
	s->running = s->here && row.state == SERVER_RUNNING;
	if (s->here)
		s->size_max = size_max_of(&row, c);
}

static bool is_in_use(const struct pickup_server *s)
{
	list_for_each(i, &s->files) {
		const struct pickup_file *f = list_entry(i, struct pickup_file, node);

		if (f->state == FILE_LEASED || f->state == FILE_MOVING)
			return true;
	}
	return false;
}

/* Servers and settings as the directory has them now. */
WAITS static void follow(struct pickup *p)
{
	char name[SERVER_NAME_MAX + 1];
	struct conf *c;

	p->changed = false;
	for (size_t i = 0; row_at(p->conf.dir, i, name) && !p->stop; i++) {
		if (server_find(p, slice_str(name)) == NULL && server_new(p, name) == NULL)
			p->changed = true; /* once more, with the next look */
	}
	c = live_settings(p->conf.dir, p->conf.overrides);
	p->bad_keep_ms = conf_ms(c, "queue.bad_keep");
	list_for_each_safe(i, &p->servers) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		server_update(p, s, c);
		if (!s->here && is_in_use(s))
			p->changed = true; /* once more: it goes with the last of its files */
		else if (!s->here)
			server_free(s);
	}
	conf_free(&c);
}

static void on_change(const struct dir_event *ev, void *arg)
{
	struct pickup *p = arg;

	if (ev->kind != DIR_EV_SERVERS && ev->kind != DIR_EV_SETTINGS)
		return;
	p->changed = true;
	event_set(&p->wake);
}

/* ---- looking ---- */

struct look {
	const char *path;
	struct area_file *files;
	size_t n;
	enum err result;
};

static void run_look(void *arg)
{
	struct look *l = arg;

	l->result = area_list(l->path, l->files, AREA_FILES_MAX, &l->n);
}

static struct pickup_file *file_find(struct pickup_server *s, const char *name)
{
	list_for_each(i, &s->files) {
		struct pickup_file *f = list_entry(i, struct pickup_file, node);

		if (strcmp(f->f.name, name) == 0)
			return f;
	}
	return NULL;
}

static bool is_same_file(const struct area_file *a, const struct area_file *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

/* Somebody was seen to close it or to move it here, or it has been as it is for long enough. */
static bool is_whole(const struct pickup *p, const struct pickup_server *s,
		     const struct area_file *f)
{
	int64_t quiet_us = clock_wall_us() - f->ctime_ns / 1000;

	if (map_get(&s->arrived, slice_str(f->name)) != NULL ||
	    map_get(&s->arriving, slice_str(f->name)) != NULL)
		return true;
	/* A clock that was set back must not keep it for ever. */
	return quiet_us < -p->conf.quiet_ms * 1000 || quiet_us >= p->conf.quiet_ms * 1000;
}

static void merge_one(struct pickup *p, struct pickup_server *s, const struct area_file *found)
{
	struct pickup_file *f = file_find(s, found->name);

	if (f == NULL) {
		if (s->nfiles == AREA_FILES_MAX)
			return;
		f = xcalloc(1, sizeof *f);
		f->server = s;
		list_append(&s->files, &f->node);
		s->nfiles++;
	}
	f->seen = true;
	if (f->state == FILE_LEASED || f->state == FILE_MOVING)
		return;
	if (!is_same_file(&f->f, found))
		f->state = FILE_SETTLING;
	f->f = *found;
	if (f->state == FILE_SETTLING && is_whole(p, s, found)) {
		f->state = FILE_WAITING;
		waitq_wake_one(&p->takers);
	}
}

/* What was not found is gone; of a folder with more files than are looked at nobody can tell. */
static void forget_unseen(struct pickup_server *s, bool all)
{
	list_for_each_safe(i, &s->files) {
		struct pickup_file *f = list_entry(i, struct pickup_file, node);
		bool idle = f->state == FILE_SETTLING || f->state == FILE_WAITING;

		if (!f->seen && all && idle)
			pickup_file_free(f);
		else
			f->seen = false;
	}
}

WAITS static void look_at(struct pickup *p, struct pickup_server *s, struct look *l)
{
	*l = (struct look){.path = s->path, .files = l->files};
	map_fini(&s->arriving);
	s->arriving = s->arrived;
	map_init(&s->arrived);
	if (work_run("pickup.look", run_look, l) != E_OK || l->result != E_OK)
		return;
	for (size_t i = 0; i < l->n; i++)
		merge_one(p, s, &l->files[i]);
	forget_unseen(s, l->n < AREA_FILES_MAX);
}

struct expiry {
	const char *path;
	int64_t keep_s;
	size_t removed;
	enum err result;
};

static void run_expiry(void *arg)
{
	struct expiry *x = arg;

	x->result = area_expire(x->path, x->keep_s, &x->removed);
}

/* Bad mail goes as the queue's does. */
WAITS static void expire(struct pickup *p, struct pickup_server *s)
{
	struct expiry x = {.path = s->bad, .keep_s = p->bad_keep_ms / 1000};

	if (p->bad_keep_ms == 0 || work_run("pickup.expire", run_expiry, &x) != E_OK)
		return;
	if (x.removed != 0)
		LOG(LOG_INFO, NULL, "badmail.expired", LF_STR("server", s->name),
		    LF_UINT("files", x.removed));
}

/* A file will be ready by itself, without anybody telling. */
static bool is_soon(struct pickup *p)
{
	int64_t now_ms = clock_mono_ms();

	list_for_each(i, &p->servers) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		list_for_each(k, &s->files) {
			const struct pickup_file *f = list_entry(k, struct pickup_file, node);

			if (f->state == FILE_SETTLING ||
			    (f->state == FILE_WAITING && f->not_before_ms > now_ms))
				return true;
		}
	}
	return false;
}

WAITS static void look(struct pickup *p, struct look *l)
{
	bool expiring = clock_mono_ms() >= p->expire_ms;

	if (p->changed)
		follow(p);
	for (struct list *i = p->servers.next; i != &p->servers && !p->stop; i = i->next) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (expiring)
			expire(p, s);
		if (s->here)
			look_at(p, s, l);
	}
	if (expiring)
		p->expire_ms = clock_mono_ms() + EXPIRE_MS;
}

WAITS static void look_run(void *arg)
{
	struct pickup *p = arg;
	struct look l = {.files = xcalloc(AREA_FILES_MAX, sizeof *l.files)};

	while (!p->stop) {
		int64_t ms;
		enum err e;

		look(p, &l);
		ms = is_soon(p) || p->changed ? SOON_MS : LOOK_MS;
		e = event_wait(&p->wake, "pickup.look", deadline_in(ms));
		if (e != E_OK && e != E_TIMEOUT)
			break;
		waitq_wake_all(&p->takers);
	}
	xfree(&l.files);
	event_set(&p->ended);
}

/* ---- life ---- */

const char *pickup_folder(const struct pickup *p)
{
	return p->folder;
}

static void forget_all(struct pickup **pp)
{
	struct pickup *p = *pp;

	dir_unsubscribe(&p->sub);
	list_for_each_safe(i, &p->servers)
		server_free(list_entry(i, struct pickup_server, node));
	xfree(pp);
}

WAITS enum err pickup_start(const struct pickup_conf *c, struct pickup **out)
{
	struct pickup *p;
	enum err e;

	if (strlen(c->folder) >= sizeof p->folder)
		return E_LIMIT;
	p = xcalloc(1, sizeof *p);
	p->conf = *c;
	memcpy(p->folder, c->folder, strlen(c->folder) + 1);
	p->conf.folder = p->folder;
	if (p->conf.quiet_ms == 0)
		p->conf.quiet_ms = PICKUP_QUIET_MS;
	if (p->conf.again_ms == 0)
		p->conf.again_ms = PICKUP_AGAIN_MS;
	list_init(&p->servers);
	waitq_init(&p->takers);
	event_init(&p->wake);
	event_init(&p->ended);
	p->sub = (struct dir_sub){.fn = on_change, .arg = p};
	dir_subscribe(c->dir, &p->sub);
	follow(p);
	e = fiber_start("pickup", look_run, p, NULL);
	if (e == E_OK)
		*out = p;
	else
		forget_all(&p);
	return e;
}

WAITS void pickup_stop(struct pickup **pp)
{
	struct pickup *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	p->stop = true;
	event_set(&p->wake);
	waitq_wake_all(&p->takers);
	fiber_shield_begin();
	if (event_wait(&p->ended, "pickup.stop", NO_DEADLINE) != E_OK)
		LOG(LOG_DEBUG, NULL, "pickup.stop_unheard");
	fiber_shield_end();
	forget_all(&p);
}
