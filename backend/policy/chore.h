/*
 * chore: what is looked at again and again while the back-end lives: a fiber that calls, with the
 * pause that a setting says, and at once when settings change; not while the directory cannot be
 * reached. What a look has begun before chore_stop() it ends, or its waits are cancelled.
 */
#ifndef BACKEND_POLICY_CHORE_H
#define BACKEND_POLICY_CHORE_H

#include "backend/directory/dir.h"
#include "common/conf/conf.h"

struct chore;

/* E_BUSY: another node does it; what else fails is logged, and looked at again. */
typedef WAITS enum err chore_fn(void *arg);

/* Borrowed: all, texts too. every: the setting with the pause, a duration. */
struct chore_opts {
	const char *name; /* of the fiber, and in the log */
	const char *every;
	struct dir *dir;
	const struct conf *overrides; /* settings that win over the directory's */
	WAITS chore_fn *look;
	void *arg;
};

enum err chore_start(const struct chore_opts *opts, struct chore **out) MUST_USE;
WAITS void chore_stop(struct chore **c);

#endif
