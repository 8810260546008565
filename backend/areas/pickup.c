#include "backend/areas/pickup_priv.h"
#include "backend/policy/live.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/folder.h"
#include "common/loop/work.h"

#define LOOK_MS   10000 /* at whole folders, whatever was told of them */
#define SOON_MS   1000  /* at files that are to become whole; what has failed is tried again */
#define EXPIRE_MS (60 * 60 * 1000)

/* ---- arrivals ---- */

static void on_arrival(slice_t name, void *arg)
{
	struct pickup_server *s = arg;

	if (name.n != 0 && name.p[0] == '.')
		return;
	/* Beyond that they are found by looking. */
	if (name.n != 0 && s->arrived.count < AREA_FILES_MAX)
		(void)map_put(&s->arrived, name, s);
	else
		s->missed = true;
	event_set(&s->pickup->wake);
}

/* ---- files ---- */

static bool is_idle(const struct pickup_file *f)
{
	return f->state != FILE_LEASED && f->state != FILE_MOVING;
}

void pickup_file_be(struct pickup_file *f, enum pickup_state state)
{
	struct pickup *p = f->server->pickup;

	list_remove(&f->node);
	f->state = state;
	switch (state) {
	case FILE_SETTLING:
		list_append(&f->server->settling, &f->node);
		break;
	case FILE_READY:
		list_append(&f->server->ready, &f->node);
		/* All: one may have as many as it can have. */
		waitq_wake_all(&p->takers);
		break;
	case FILE_LATER:
		f->until_ms = clock_mono_ms() + p->conf.again_ms;
		list_append(&p->later, &f->node);
		event_set(&p->wake);
		break;
	case FILE_LEASED:
	case FILE_MOVING:
		break;
	}
}

static struct pickup_file *file_new(struct pickup_server *s, const char *name)
{
	struct pickup_file *f = xcalloc(1, sizeof *f);

	f->server = s;
	list_init(&f->node);
	list_init(&f->held);
	pickup_file_be(f, FILE_SETTLING);
	(void)map_put(&s->files, slice_str(name), f);
	return f;
}

void pickup_file_free(struct pickup_file *f)
{
	struct pickup_server *s = f->server;

	invariant(f->holder == NULL);
	(void)map_del(&s->files, slice_str(f->f.name));
	list_remove(&f->node);
	xfree(&f);
	/* There is room for those that were passed over: they come by the hundred. */
	if (s->more && s->files.count <= AREA_FILES_MAX / 2) {
		s->missed = true;
		event_set(&s->pickup->wake);
	}
}

/* ---- servers ---- */

/* Who it is, and where. */
struct named {
	char name[SERVER_NAME_MAX + 1];
	char home[SERVER_HOME_MAX + 1];
};

static struct pickup_server *server_find(struct pickup *p, const struct named *n)
{
	list_for_each(i, &p->servers) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (strcmp(s->name, n->name) == 0 && strcmp(s->home, n->home) == 0)
			return s;
	}
	return NULL;
}

struct making {
	const char *folder;
	slice_t home;
	enum err result;
};

static void run_make(void *arg)
{
	struct making *m = arg;
	char drop[DISK_PATH_MAX];

	m->result = area_make(m->folder, m->home);
	if (m->result == E_OK)
		m->result = area_path(m->folder, m->home, AREA_DROP, drop);
	/* Should somebody be writing there already: that is tried again. */
	if (m->result == E_OK)
		m->result = area_tidy(drop);
}

WAITS static struct pickup_server *server_new(struct pickup *p, const struct named *n)
{
	struct making m = {.folder = p->folder, .home = slice_str(n->home)};
	struct pickup_server *s = xcalloc(1, sizeof *s);
	struct diag d = {""};

	memcpy(s->name, n->name, sizeof s->name);
	memcpy(s->home, n->home, sizeof s->home);
	s->pickup = p;
	map_init(&s->files);
	list_init(&s->settling);
	list_init(&s->ready);
	map_init(&s->arrived);
	map_init(&s->arriving);
	map_init(&s->ended);
	if (area_path(p->folder, m.home, AREA_PICKUP, s->path) != E_OK ||
	    area_path(p->folder, m.home, AREA_BADMAIL, s->bad) != E_OK ||
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
	struct map_iter it = {0};
	void *f;

	/* Whoever moved it was told of files that lay there then. */
	if (s->files.count != 0 && !s->pickup->stop)
		LOG(LOG_WARN, NULL, "pickup.left", LF_STR("server", s->name),
		    LF_STR("path", s->path), LF_UINT("files", s->files.count));
	folder_unwatch(&s->watch);
	if (s->pickup->last == s)
		s->pickup->last = NULL;
	while (map_next(&s->files, &it, NULL, &f))
		pickup_file_free(f);
	map_fini(&s->files);
	map_fini(&s->arrived);
	map_fini(&s->arriving);
	map_fini(&s->ended);
	list_remove(&s->node);
	xfree(&s);
}

/* The cluster's, or the server's own. */
static uint64_t size_max_of(const struct dir_server *row, const struct conf *c)
{
	struct conf *own = dir_server_conf(row);
	uint64_t max =
		conf_bytes(c, row->service == SERVICE_SUBMISSION ? "submission.message_bytes_max"
								 : "smtp.message_bytes_max");

	if (conf_is_set(own, "message_bytes_max"))
		max = conf_bytes(own, "message_bytes_max");
	conf_free(&own);
	return max;
}

static bool name_row(const struct dir_server *row, struct named *out)
{
	return slice_to_str(row->name, out->name, sizeof out->name) &&
	       slice_to_str(dir_server_home(row->name, row->settings), out->home, sizeof out->home);
}

static bool row_at(const struct dir *d, size_t i, struct named *out)
{
	struct dir_server row;

	if (i >= dir_server_count(d))
		return false;
	dir_server_at(d, i, &row);
	return name_row(&row, out);
}

static void server_update(struct pickup *p, struct pickup_server *s, const struct conf *c)
{
	struct dir_server row;
	struct named n;

	s->here = dir_server_find(p->conf.dir, slice_str(s->name), &row, NULL) == E_OK &&
		  name_row(&row, &n) && strcmp(n.home, s->home) == 0;
	s->running = s->here && row.state == SERVER_RUNNING;
	if (s->here)
		s->size_max = size_max_of(&row, c);
}

static bool is_in_use(const struct pickup_server *s)
{
	struct map_iter it = {0};
	void *f;

	while (map_next(&s->files, &it, NULL, &f)) {
		if (!is_idle(f))
			return true;
	}
	return false;
}

/* Servers and settings as the directory has them now. */
WAITS static void follow(struct pickup *p)
{
	struct named n;
	struct conf *c;

	p->changed = false;
	for (size_t i = 0; row_at(p->conf.dir, i, &n) && !p->stop; i++) {
		if (server_find(p, &n) == NULL && server_new(p, &n) == NULL)
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
	waitq_wake_all(&p->takers); /* one runs again, perhaps */
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

/* At a whole folder, or at the files of n names. */
struct look {
	const char *path;
	struct area_file *files; /* AREA_FILES_MAX */
	size_t n;
	enum err result;
};

static void run_list(void *arg)
{
	struct look *l = arg;

	l->result = area_list(l->path, l->files, AREA_FILES_MAX, &l->n);
}

static void run_find(void *arg)
{
	struct look *l = arg;

	l->result = area_find(l->path, l->files, l->n);
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

/* NULL: there is no room for it, or it is gone. */
static struct pickup_file *merge_one(struct pickup *p, struct pickup_server *s,
				     const struct area_file *found)
{
	struct pickup_file *f = map_get(&s->files, slice_str(found->name));

	/* It was there when the folder was read; what has its name now comes with the next look. */
	if (f == NULL && map_get(&s->ended, slice_str(found->name)) != NULL)
		return NULL;
	if (f == NULL && s->files.count >= AREA_FILES_MAX) {
		s->more = true;
		return NULL;
	}
	if (f == NULL)
		f = file_new(s, found->name);
	if (!is_idle(f))
		return f;
	if (!area_same(&f->f, found) && f->state != FILE_SETTLING)
		pickup_file_be(f, FILE_SETTLING);
	f->f = *found;
	if (f->state == FILE_SETTLING && is_whole(p, s, found))
		pickup_file_be(f, FILE_READY);
	return f;
}

/* What was not found is gone; of a folder with more files than are looked at nobody can tell. */
static void forget_unseen(struct pickup_server *s)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&s->files, &it, NULL, &v)) {
		struct pickup_file *f = v;

		if (!f->seen && !s->more && is_idle(f))
			pickup_file_free(f);
		else
			f->seen = false;
	}
}

static void begin_look(struct pickup_server *s, int64_t now_ms)
{
	map_fini(&s->arriving);
	s->arriving = s->arrived;
	map_init(&s->arrived);
	s->settle_ms = now_ms + SOON_MS;
}

WAITS static void look_at_all(struct pickup *p, struct pickup_server *s, struct look *l)
{
	int64_t now_ms = clock_mono_ms();

	begin_look(s, now_ms);
	s->missed = false;
	s->look_ms = now_ms + LOOK_MS;
	l->path = s->path;
	if (work_run("pickup.look", run_list, l) != E_OK || l->result != E_OK)
		return;
	s->more = l->n == AREA_FILES_MAX;
	for (size_t i = 0; i < l->n; i++) {
		struct pickup_file *f = merge_one(p, s, &l->files[i]);

		if (f != NULL)
			f->seen = true;
	}
	forget_unseen(s);
}

static void add_name(struct look *l, slice_t name)
{
	if (l->n < AREA_FILES_MAX && slice_to_str(name, l->files[l->n].name, AREA_NAME_MAX + 1))
		l->n++;
}

/* Those that were told of, and those that settle; what there is no room for is found by the next
 * look at the whole folder. */
WAITS static void look_at_some(struct pickup *p, struct pickup_server *s, struct look *l)
{
	struct map_iter it = {0};
	slice_t name;
	void *unused;

	begin_look(s, clock_mono_ms());
	l->path = s->path;
	l->n = 0;
	while (map_next(&s->arriving, &it, &name, &unused))
		add_name(l, name);
	list_for_each(i, &s->settling) {
		const char *settling = list_entry(i, struct pickup_file, node)->f.name;

		if (map_get(&s->arriving, slice_str(settling)) == NULL)
			add_name(l, slice_str(settling));
	}
	if (work_run("pickup.look", run_find, l) != E_OK || l->result != E_OK)
		return;
	for (size_t i = 0; i < l->n; i++) {
		struct pickup_file *f = map_get(&s->files, slice_str(l->files[i].name));

		if (l->files[i].ino != 0)
			(void)merge_one(p, s, &l->files[i]);
		else if (f != NULL && is_idle(f))
			pickup_file_free(f);
	}
}

WAITS static void look_at(struct pickup *p, struct pickup_server *s, struct look *l)
{
	int64_t now_ms = clock_mono_ms();

	s->looking = true;
	if (s->missed || now_ms >= s->look_ms)
		look_at_all(p, s, l);
	else if (s->arrived.count != 0 || (!list_empty(&s->settling) && now_ms >= s->settle_ms))
		look_at_some(p, s, l);
	s->looking = false;
	map_fini(&s->ended);
	map_init(&s->ended);
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

/* When to look again, though nobody tells anything. */
static int64_t next_look(const struct pickup *p)
{
	int64_t next = clock_mono_ms() + (p->changed ? SOON_MS : LOOK_MS);

	list_for_each(i, &p->servers) {
		const struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (!s->here)
			continue;
		next = MIN(next, s->look_ms);
		if (!list_empty(&s->settling))
			next = MIN(next, s->settle_ms);
	}
	return next;
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
		int64_t ready_ms;
		enum err e;

		look(p, &l);
		ready_ms = pickup_pass_time(p, clock_mono_ms());
		e = event_wait(&p->wake, "pickup.look", MIN(ready_ms, next_look(p)));
		if (e != E_OK && e != E_TIMEOUT)
			break;
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
	map_fini(&p->leases);
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
	if (p->conf.lease_ms == 0)
		p->conf.lease_ms = PICKUP_LEASE_MS;
	list_init(&p->servers);
	list_init(&p->later);
	list_init(&p->leased);
	map_init(&p->leases);
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
