/* What pickup's files share. */
#ifndef BACKEND_AREAS_PICKUP_PRIV_H
#define BACKEND_AREAS_PICKUP_PRIV_H

#include "backend/areas/pickup.h"
#include "common/base/map.h"

struct folder;

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
	bool looking;                 /* one is under way */
	bool missed;                  /* names that are not in arrived */
	bool more;                    /* files that were there and are not known */
	int64_t look_ms;              /* when to read the whole folder */
	int64_t settle_ms;            /* when to look at those that settle */
	uint64_t size_max;
	bool running; /* its files are given out */
	bool here;    /* the directory has it, with this home */
};

enum pickup_state {
	FILE_SETTLING, /* in server.settling */
	FILE_READY,    /* in server.ready */
	FILE_LATER,    /* in pickup.later: ready at until_ms */
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
	bool seen; /* by the look at the whole folder that is under way */
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
	struct list later, leased;  /* files, each in order of until_ms */
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
void pickup_file_free(struct pickup_file *f);

/* Gives back what workers have had for too long, and what was put off until now; returns when to do
 * it again, INT64_MAX: nothing waits. */
int64_t pickup_pass_time(struct pickup *p, int64_t now_ms);

#endif
