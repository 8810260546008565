/*
 * backend/partitions: the partitions that this node owns, as the directory says: opened at start
 * (made when they are new) and when one is assigned later, each with its watch hook on the
 * notify hub. The loop's thread only; opening and closing run on work threads.
 */
#ifndef BACKEND_PARTITIONS_PARTITIONS_H
#define BACKEND_PARTITIONS_PARTITIONS_H

#include "backend/directory/dir.h"
#include "backend/notify/notify.h"
#include "backend/store/partition.h"

#define PARTITIONS_MAX 1024 /* of a node; what is beyond is not opened */

struct partitions;

struct partitions_conf {
	struct dir *dir;             /* borrowed */
	struct notify *notify;       /* borrowed */
	const char *data;            /* partitions lie in DATA/pNNNN; copied */
	struct partition_conf store; /* dir and id are filled in for each */
	/* Called on the loop when a partition's queue has changed, or a partition was opened. May
	 * be NULL. */
	void (*queue_changed)(uint32_t partition, void *arg);
	void *arg;
};

/* Opens all that the directory gives this node now. A partition that cannot be opened is logged
 * and left out: its accounts get E_RETRY, the others are served. */
WAITS enum err partitions_open(const struct partitions_conf *c, struct partitions **out,
			       struct diag *d) MUST_USE;
WAITS void partitions_close(struct partitions **p);

/* NULL: not ours, or not open. Borrowed for as long as the process serves requests. */
struct partition *partitions_get(const struct partitions *p, uint32_t id);
size_t partitions_count(const struct partitions *p);
struct partition *partitions_at(const struct partitions *p, size_t i);

#endif
