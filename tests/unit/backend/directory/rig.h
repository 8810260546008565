/* rig: a directory for the tests, with a private PostgreSQL and a copy in memory. */
#ifndef TESTS_UNIT_BACKEND_DIRECTORY_RIG_H
#define TESTS_UNIT_BACKEND_DIRECTORY_RIG_H

#include "backend/directory/dir_keys.h"
#include "common/loop/fiber.h"
#include "tests/lib/check.h"
#include "tests/lib/pgserver.h"

struct rig {
	struct dir *d;
	struct dir_kv_mem *kv;
	struct node_key key;
	char conninfo[512];
};

extern const struct dir_actor rig_actor;

/* A fresh database, a node be1, one partition, the domain example.org. */
WAITS bool rig_open(struct rig *r);
/* Opens the directory (again) as that node, with the rig's copy; does not wait for a sync. */
WAITS bool rig_start(struct rig *r, const char *node);
WAITS void rig_close(struct rig *r);
/* True when the image is confirmed. */
WAITS bool rig_synced(struct rig *r);
WAITS enum err rig_account(struct rig *r, const char *address, uint64_t *id);
/* members: separated by spaces. */
WAITS enum err rig_alias(struct rig *r, const char *address, enum dir_alias_kind kind,
			 const char *members);
WAITS enum err rig_domain(struct rig *r, const char *name, enum dir_domain_kind kind,
			  const char *target, const char *catch_all);

#endif
