/* What pickup's files share. */
#ifndef BACKEND_AREAS_PICKUP_PRIV_H
#define BACKEND_AREAS_PICKUP_PRIV_H

#include "backend/areas/pickup.h"
#include "common/base/map.h"

struct folder;
struct pickup_group;

/* A virtual server's folders. While files of those that it had before are given out still, it is
 * there twice. */
struct pickup_server {
	struct list node;
	char name[SERVER_NAME_MAX + 1];
	char home[SERVER_HOME_MAX + 1]; /* below the areas' folder */
	char path[DISK_PATH_MAX], bad[DISK_PATH_MAX];
	struct pickup *pickup;
	struct folder *watch;         /* NULL: it cannot be watched */
	struct map files;             /* by name */
	struct list settling, ready;  /* of those, by state */
	struct map arrived, arriving; /* names that were told of; before the look under way */
	struct map ended;             /* names of files that ended while the look is under way */
	struct map waits, groups;     /* pickup_wait.c's */
	char why[PICKUP_WHY_MAX];     /* of the last one that waits for itself */
	bool looking;                 /* one is under way */
	bool missed;                  /* names that are not in arrived */
	bool more;                    /* files that were there and are not known */
	int64_t look_ms;              /* when to read the whole folder */
	int64_t looked_ms;            /* when that was begun last */
	int64_t settle_ms;            /* when to look at those that settle */
	uint64_t size_max;
	bool running; /* its files are given out */
	bool here;    /* the directory has it, with this home */
};

/* One that waits is none of these (pickup_wait.c). */
enum pickup_state {
	FILE_SETTLING, /* in server.settling */
	FILE_READY,    /* in server.ready */
	FILE_LEASED,   /* in pickup.leased, the worker's holds and pickup.leases, to until_ms */
	FILE_MOVING,   /* its end is being made */
};

struct pickup_file {
	struct list node; /* of its state's list */
	struct pickup_server *server;
	struct area_file f;
	enum pickup_state state;
	int64_t until_ms;
	struct pickup_worker *holder;
	struct list held; /* in holder.holds */
	uint8_t lease[PICKUP_LEASE_BYTES];
	/* Whose message it is, if that was asked since it was leased. */
	bool asked;
	uint64_t account;
	char sender[DIR_ADDRESS_MAX + 1];
	unsigned tries;                /* for itself */
	struct pickup_group *probe_of; /* that waits for how it fares; NULL: none does */
	bool seen;                     /* by the look at the whole folder that is under way */
};

struct pickup_worker {
	struct pickup *pickup;
	struct list holds;
	unsigned leases;
};

struct pickup {
	struct pickup_conf conf;
	char folder[DISK_PATH_MAX];
	struct list servers;
	struct pickup_server *last; /* that a file was given out of; NULL: none, or it is gone */
	struct list leased;         /* files, in order of until_ms */
	struct map leases;          /* files by their leases */
	struct waitq takers;
	struct event wake, ended;
	struct dir_sub sub;
	int64_t expire_ms; /* when to look for old bad mail */
	int64_t bad_keep_ms;
	bool stop, changed;
};

/* Any state but FILE_LEASED, which is begun and ended in pickup_lease.c. */
void pickup_file_be(struct pickup_file *f, enum pickup_state state);
/* FILE_SETTLING. */
struct pickup_file *pickup_file_new(struct pickup_server *s, const struct area_file *found);
void pickup_file_free(struct pickup_file *f);
/* Nobody has it. */
bool pickup_file_idle(const struct pickup_file *f);

/* Gives back what workers have had for too long; returns when to do it again, INT64_MAX: nobody has
 * any. */
int64_t pickup_pass_time(struct pickup *p, int64_t now_ms);

/* ---- pickup_look.c ---- */

#define PICKUP_SOON_MS 1000 /* what is to become whole; what failed, but not at once */

/* For folder_watch(). */
void pickup_arrived(slice_t name, void *server);
/* A fiber: looks until p->stop, then sets p->ended. */
WAITS void pickup_look_run(void *pickup);
/* Servers as the directory has them, and old bad mail. */
WAITS void pickup_keep(struct pickup *p);

/* ---- pickup_wait.c ---- */

/* Is there anything to tell that was not told? */
enum pickup_news { PICKUP_NEWS, PICKUP_NO_NEWS, PICKUP_CROWDED /* it is not remembered */ };
/* Puts off a file, which the caller then frees. */
enum pickup_news pickup_wait_put(struct pickup_file *f, slice_t why);
/* It was not put off, so those that waited for how it fares go on, too. */
void pickup_wait_probed(struct pickup_file *f);
/* It fared in no way. */
void pickup_wait_lost(struct pickup_file *f);

/* How a file comes back. */
struct pickup_turn {
	bool whole; /* it was, before */
	unsigned tries;
	struct pickup_group *group;
};
/* False: it still waits. */
bool pickup_wait_over(struct pickup_server *s, const struct area_file *found,
		      struct pickup_turn *out);
/* It waits no more: f is that file. */
void pickup_wait_end(struct pickup_file *f, const struct pickup_turn *t);
/* All that wait, of which some are due, for area_look(): s->waits.count; returns that. */
size_t pickup_wait_list(struct pickup_server *s, int64_t now_ms, struct area_known *out);
/* Those that were not seen are gone. */
void pickup_wait_forget(struct pickup_server *s, const struct area_known *known, size_t n);
/* Something about the account has changed. */
void pickup_wait_now(struct pickup_server *s, uint64_t account);
void pickup_wait_fini(struct pickup_server *s);

#endif
