/* backend: the whole node, from its settings to its last fiber. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "backend/be_conf.h"

/* Serves until SIGTERM or SIGINT. Borrows the settings. Returns the exit status (sysexits). */
int backend_run(const struct be_settings *conf);

#endif
