/*
 * rotation: looks after the keys that sign mail, for the whole cluster: what rotate
 * decides is done, on whichever back-end has the claim. A key that waits too long for its record is
 * told in the log once a day.
 */
#ifndef BACKEND_DNS_ROTATION_H
#define BACKEND_DNS_ROTATION_H

#include "backend/dns/rotate.h"
#include "common/conf/conf.h"

#define ROTATION_CLAIM_S 1800             /* a node that died gives it up after so long */
#define ROTATION_ASK_MS  (15 * 1000)      /* one record, over several workers */
#define ROTATION_MS      (20 * 60 * 1000) /* a look; less than the claim. The next one goes on */

struct rotation;

/* Borrowed: all. overrides: settings (proto/settings.h) that win over the directory's. */
enum err rotation_start(struct dir *dir, struct asking *asking, const struct conf *overrides,
			struct rotation **out) MUST_USE;
WAITS void rotation_stop(struct rotation **r);
/* One look at all keys; what the fiber does again and again. E_BUSY: another node has the claim. */
WAITS enum err rotation_look(struct rotation *r) MUST_USE;

#endif
