/* Looks into the folders: which files are there, which are whole, and which are gone. */
#include "backend/areas/pickup_priv.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/work.h"

#define LOOK_MS 10000 /* at whole folders, whatever was told of them */

/* ---- arrivals ---- */

void pickup_arrived(slice_t name, void *arg)
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

/* ---- looking ---- */

/* At a whole folder, or at the files of n names. */
struct look {
	const char *path;
	struct area_file *files; /* AREA_FILES_MAX */
	size_t n;
	struct area_known *known; /* of a whole folder */
	size_t nknown;
	bool more;
	enum err result;
};

static void run_list(void *arg)
{
	struct look *l = arg;

	l->result =
		area_look(l->path, l->known, l->nknown, l->files, AREA_FILES_MAX, &l->n, &l->more);
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

/* NULL: it waits, there is no room for it, or it is gone. */
static struct pickup_file *merge_new(struct pickup_server *s, const struct area_file *found)
{
	struct pickup_turn t;
	struct pickup_file *f;

	/* It was there when the folder was read; what has its name now comes with the next look. */
	if (map_get(&s->ended, slice_str(found->name)) != NULL || !pickup_wait_over(s, found, &t))
		return NULL;
	if (s->files.count >= AREA_FILES_MAX) {
		s->more = true;
		return NULL;
	}
	f = pickup_file_new(s, found);
	pickup_wait_end(f, &t);
	if (t.whole)
		pickup_file_be(f, FILE_READY);
	return f;
}

static struct pickup_file *merge_one(struct pickup *p, struct pickup_server *s,
				     const struct area_file *found)
{
	struct pickup_file *f = map_get(&s->files, slice_str(found->name));

	if (f == NULL)
		f = merge_new(s, found);
	if (f == NULL)
		return NULL;
	if (!pickup_file_idle(f))
		return f;
	if (!area_same(&f->f, found) && f->state != FILE_SETTLING)
		pickup_file_be(f, FILE_SETTLING);
	f->f = *found;
	if (f->state == FILE_SETTLING && is_whole(p, s, found))
		pickup_file_be(f, FILE_READY);
	return f;
}

/* What was not found is gone. */
static void forget_unseen(struct pickup_server *s)
{
	struct map_iter it = {0};
	void *v;

	while (map_next(&s->files, &it, NULL, &v)) {
		struct pickup_file *f = v;

		if (!f->seen && pickup_file_idle(f))
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
	s->settle_ms = now_ms + PICKUP_SOON_MS;
}

static void list_known(struct pickup_server *s, int64_t now_ms, struct look *l)
{
	struct map_iter it = {0};
	slice_t name;
	void *f;

	l->known = xcalloc(s->waits.count + s->files.count + 1, sizeof *l->known);
	l->nknown = pickup_wait_list(s, now_ms, l->known);
	while (map_next(&s->files, &it, &name, &f))
		l->known[l->nknown++] =
			(struct area_known){.name = map_hash(name), .as = AREA_KEEP};
}

static void merge_all(struct pickup *p, struct pickup_server *s, const struct look *l)
{
	s->more = l->more;
	for (size_t i = 0; i < l->n; i++) {
		struct pickup_file *f = merge_one(p, s, &l->files[i]);

		if (f != NULL)
			f->seen = true;
	}
	forget_unseen(s);
	pickup_wait_forget(s, l->known, l->nknown);
}

WAITS static void look_at_all(struct pickup *p, struct pickup_server *s, struct look *l)
{
	int64_t now_ms = clock_mono_ms();

	begin_look(s, now_ms);
	s->missed = false;
	s->looked_ms = now_ms;
	s->look_ms = now_ms + LOOK_MS;
	l->path = s->path;
	list_known(s, now_ms, l);
	if (work_run("pickup.look", run_list, l) == E_OK && l->result == E_OK)
		merge_all(p, s, l);
	xfree(&l->known);
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
		else if (f != NULL && pickup_file_idle(f))
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

/* When to look again, though nobody tells anything. */
static int64_t next_look(const struct pickup *p)
{
	int64_t next = clock_mono_ms() + (p->changed ? PICKUP_SOON_MS : LOOK_MS);

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
	pickup_keep(p);
	for (struct list *i = p->servers.next; i != &p->servers && !p->stop; i = i->next) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (s->here)
			look_at(p, s, l);
	}
}

WAITS void pickup_look_run(void *arg)
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
