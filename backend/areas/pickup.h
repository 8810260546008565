/*
 * pickup: the files of all pickup folders of this node that are to be messages. The folders are
 * watched and, from time to time, read; a file that is whole is leased to a worker, which says what
 * became of it. A lease is memory alone: after a restart, or when its worker is lost or has had it
 * for too long, the file is given out again, and the transaction's id, which follows from what the
 * file is, keeps its message from being delivered twice.
 *
 * The loop's thread only; the disk is touched on work threads.
 */
#ifndef BACKEND_AREAS_PICKUP_H
#define BACKEND_AREAS_PICKUP_H

#include "backend/areas/area.h"
#include "backend/directory/dir_servers.h"
#include "backend/store/store.h"
#include "common/loop/fiber.h"

#define PICKUP_LEASE_BYTES 16
/* Files that one worker has at a time. */
#define PICKUP_LEASES_MAX  8
/* A file that nobody was seen to close is whole when it has not changed for so long. */
#define PICKUP_QUIET_MS    5000
/* One that could not be taken just now is given out again after so long, then twice as long, and
 * so on, up to so many times that. */
#define PICKUP_AGAIN_MS    30000
#define PICKUP_AGAIN_TIMES 10
/* Of one folder's files that could not be taken so many are remembered. */
#define PICKUP_LATER_MAX   10000
#define PICKUP_WHY_MAX     200
/* Who has a file for so long has hung, or wants it to lie: an honest worker is done, or gives up,
 * within the hour that a delivery may take. */
#define PICKUP_LEASE_MS    (65 * 60 * 1000)

struct pickup;
struct pickup_worker;

struct pickup_conf {
	struct dir *dir;              /* borrowed, and overrides, too */
	const struct conf *overrides; /* settings (proto/settings.h) of this node's own */
	const char *folder;           /* of the areas */
	int64_t quiet_ms, again_ms;   /* 0: the above; lease_ms, too */
	int64_t lease_ms;
};

/* Where the directory is up to date the folders are there, and watched, when it returns. E_LIMIT:
 * the folder's path is too long, or too many fibers. */
WAITS enum err pickup_start(const struct pickup_conf *c, struct pickup **out) MUST_USE;
WAITS void pickup_stop(struct pickup **p);
const char *pickup_folder(const struct pickup *p);

/* ---- workers ---- */

struct pickup_worker *pickup_worker_new(struct pickup *p);
/* What it has goes back. */
void pickup_worker_free(struct pickup_worker **w);

/* What a worker has of a file; borrowed until the next wait. */
struct pickup_job {
	uint8_t lease[PICKUP_LEASE_BYTES];
	char server[SERVER_NAME_MAX + 1];
	struct area_file file;
	uint8_t txid[STORE_TXID_SIZE];
};

/* Waits for a file. E_CANCELLED. */
WAITS enum err pickup_take(struct pickup_worker *w, struct pickup_job *out) MUST_USE;
/* E_NOT_FOUND: the worker has no such lease. On E_OK the file is open; the caller closes it. */
WAITS enum err pickup_open(struct pickup_worker *w, slice_t lease, struct pickup_job *job_out,
			   int *fd_out) MUST_USE;

/* Whose message the leased file turned out to be: the account's that sends it, 0 where there is
 * none; shown as sender. Should it be PICKUP_LATER, it waits with that account's others. */
void pickup_sent_by(struct pickup_worker *w, slice_t lease, uint64_t account, slice_t sender);

enum pickup_outcome { PICKUP_TAKEN, PICKUP_BAD, PICKUP_LATER };

/* Ends a lease. E_OK: what was asked for is durable. E_NOT_FOUND: no such lease. Others: the disk
 * refused it; the file is given out again later. */
WAITS enum err pickup_done(struct pickup_worker *w, slice_t lease, enum pickup_outcome outcome,
			   slice_t why) MUST_USE;

/* ---- to be shown ---- */

struct pickup_waiting {
	uint64_t files;                                 /* that could not be taken just now */
	char why[DIR_ADDRESS_MAX + 2 + PICKUP_WHY_MAX]; /* most of them; empty: there are none */
};
/* Of the server's folder. */
void pickup_waiting(const struct pickup *p, slice_t server, struct pickup_waiting *out);

#endif
