/* super: the supervisor's whole life. */
#ifndef FRONTEND_SUPER_SUPER_H
#define FRONTEND_SUPER_SUPER_H

#include "common/conf/conf.h"

/* Binds, starts the workers and keeps them until SIGTERM or SIGINT; SIGHUP reads the certificates
 * anew. conf is borrowed. Returns the exit status (sysexits). */
int super_run(struct conf *conf);

#endif
