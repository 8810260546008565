/*
 * child: a worker as the supervisor has it: its sockets, which are kept over restarts, its process,
 * and when that may be started again: at once after it has lived for a while, else after a pause
 * that grows while it keeps dying. What a worker is itself: worker.h.
 */
#ifndef FRONTEND_SUPER_CHILD_H
#define FRONTEND_SUPER_CHILD_H

#include <sys/types.h>

#include "frontend/super/pems.h"
#include "frontend/super/setup.h"

struct child {
	enum rpc_service service;
	uint32_t number;                  /* of the front-end's workers */
	int fds[SETUP_LISTENERS_MAX + 1]; /* kept over restarts */
	const char *names[SETUP_LISTENERS_MAX];
	size_t nlisteners;
	bool rpc_listen;                           /* fds[nlisteners] is the one for back-ends */
	pid_t pid;                                 /* 0: not running */
	int control;                               /* our end of the socket pair */
	int64_t started_ms, start_at_ms, pause_ms; /* mono */
};

/* Binds what the settings give its service. Its sockets stay open until the program ends, also
 * after an error. E_INVALID, E_LIMIT, E_IO and what listen_socket says. */
enum err child_init(struct child *w, enum rpc_service service, uint32_t number,
		    const struct conf *c, struct diag *d) MUST_USE;
/* False: its service is off, since it has listeners and all of them are unset. */
bool child_is_on(const struct child *w);

/* E_TOO_BIG: its set-up cannot hold what it would be told. */
enum err child_check_setup(const struct child *w, const struct conf *c, const struct pems *p,
			   struct diag *d) MUST_USE;
/* Starts the process and sends it its set-up. One that cannot be started is due again later. */
void child_start(struct child *w, const struct conf *c, const struct pems *p);
/* To one that runs: the same set-up, as it is now. */
void child_send_setup(struct child *w, const struct conf *c, const struct pems *p);
/* Its process was waited for. */
void child_ended(struct child *w, int status);

#endif
