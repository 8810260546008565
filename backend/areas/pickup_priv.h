/* What pickup's files share. */
#ifndef BACKEND_AREAS_PICKUP_PRIV_H
#define BACKEND_AREAS_PICKUP_PRIV_H

#include "backend/areas/pickup.h"
#include "common/base/map.h"

struct folder;

/* A virtual server's folders. */
struct pickup_server {
	struct list node;
	char name[SERVER_NAME_MAX + 1];
	char path[DISK_PATH_MAX], bad[DISK_PATH_MAX];
	struct pickup *home;
	struct folder *watch; /* NULL: it cannot be watched */
	struct list files;
	size_t nfiles;
	struct map arrived, arriving; /* names that were told of; before the look under way */
	uint64_t size_max;
	bool running; /* its files are given out */
	bool here;    /* the directory has it */
};

enum pickup_state { FILE_SETTLING, FILE_WAITING, FILE_LEASED, FILE_MOVING };

struct pickup_file {
	struct list node;
	struct pickup_server *server;
	struct area_file f;
	enum pickup_state state;
	int64_t not_before_ms;
	struct pickup_worker *holder; /* FILE_LEASED */
	uint8_t lease[PICKUP_LEASE_BYTES];
	bool seen; /* by the look under way */
};

struct pickup_worker {
	struct pickup *home;
	unsigned leases;
};

struct pickup {
	struct pickup_conf conf;
	char folder[DISK_PATH_MAX];
	struct list servers;
	struct pickup_server *last; /* that a file was given out of */
	struct waitq takers;
	struct event wake, ended;
	struct dir_sub sub;
	int64_t expire_ms; /* when to look for old bad mail */
	int64_t bad_keep_ms;
	bool stop, changed;
};

void pickup_file_free(struct pickup_file *f);

#endif
