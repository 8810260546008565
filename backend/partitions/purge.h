/* purge: the mail of removed accounts. The owner of the account's partition deletes it and then
 * tells the directory, which forgets the account. Begun again after a crash or an outage. */
#ifndef BACKEND_PARTITIONS_PURGE_H
#define BACKEND_PARTITIONS_PURGE_H

#include "backend/partitions/partitions.h"

struct purge;

/* Both borrowed. Looks at all owned accounts now, and at each that is removed later. */
enum err purge_start(struct dir *dir, struct partitions *parts, struct purge **out) MUST_USE;
WAITS void purge_stop(struct purge **p);

#endif
