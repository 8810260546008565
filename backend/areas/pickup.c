#include "backend/areas/pickup_priv.h"
#include "backend/policy/live.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/folder.h"
#include "common/loop/work.h"

#define EXPIRE_MS (60 * 60 * 1000)

/* ---- files ---- */

bool pickup_file_idle(const struct pickup_file *f)
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
	case FILE_LEASED:
	case FILE_MOVING:
		break;
	}
}

struct pickup_file *pickup_file_new(struct pickup_server *s, const struct area_file *found)
{
	struct pickup_file *f = xcalloc(1, sizeof *f);

	f->server = s;
	f->f = *found;
	list_init(&f->node);
	list_init(&f->held);
	pickup_file_be(f, FILE_SETTLING);
	(void)map_put(&s->files, slice_str(found->name), f);
	return f;
}

void pickup_file_free(struct pickup_file *f)
{
	struct pickup_server *s = f->server;

	invariant(f->holder == NULL);
	pickup_wait_lost(f);
	(void)map_del(&s->files, slice_str(f->f.name));
	list_remove(&f->node);
	xfree(&f);
	/* There is room for those that were passed over: they come by the hundred. Where there are
	 * more that cannot be taken than are remembered, those alone would keep us busy. */
	if (s->more && s->files.count <= AREA_FILES_MAX / 2 && s->waits.count < PICKUP_LATER_MAX) {
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
	map_init(&s->waits);
	map_init(&s->groups);
	if (area_path(p->folder, m.home, AREA_PICKUP, s->path) != E_OK ||
	    area_path(p->folder, m.home, AREA_BADMAIL, s->bad) != E_OK ||
	    work_run("pickup.make", run_make, &m) != E_OK || m.result != E_OK) {
		xfree(&s);
		return NULL;
	}
	if (folder_watch(s->path, pickup_arrived, s, &s->watch, &d) != E_OK)
		LOG(LOG_WARN, NULL, "pickup.not_watched", LF_STR("why", d.text));
	list_append(&p->servers, &s->node);
	return s;
}

static void server_free(struct pickup_server *s)
{
	struct map_iter it = {0};
	void *f;

	/* Whoever moved it was told of files that lay there then. */
	if (s->files.count + s->waits.count != 0 && !s->pickup->stop)
		LOG(LOG_WARN, NULL, "pickup.left", LF_STR("server", s->name),
		    LF_STR("path", s->path), LF_UINT("files", s->files.count + s->waits.count));
	folder_unwatch(&s->watch);
	if (s->pickup->last == s)
		s->pickup->last = NULL;
	while (map_next(&s->files, &it, NULL, &f))
		pickup_file_free(f);
	pickup_wait_fini(s);
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
		if (!pickup_file_idle(f))
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

	if (ev->kind == DIR_EV_ACCOUNT) {
		list_for_each(i, &p->servers)
			pickup_wait_now(list_entry(i, struct pickup_server, node), ev->account->id);
	}
	if (ev->kind != DIR_EV_SERVERS && ev->kind != DIR_EV_SETTINGS)
		return;
	p->changed = true;
	event_set(&p->wake);
}

/* ---- old bad mail ---- */

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

/* Before folders are looked at: which they are, and what has lain in badmail for long enough. */
WAITS void pickup_keep(struct pickup *p)
{
	bool expiring = clock_mono_ms() >= p->expire_ms;

	if (p->changed)
		follow(p);
	if (!expiring)
		return;
	for (struct list *i = p->servers.next; i != &p->servers && !p->stop; i = i->next)
		expire(p, list_entry(i, struct pickup_server, node));
	p->expire_ms = clock_mono_ms() + EXPIRE_MS;
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
	list_init(&p->leased);
	map_init(&p->leases);
	waitq_init(&p->takers);
	event_init(&p->wake);
	event_init(&p->ended);
	p->sub = (struct dir_sub){.fn = on_change, .arg = p};
	dir_subscribe(c->dir, &p->sub);
	follow(p);
	e = fiber_start("pickup", pickup_look_run, p, NULL);
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
