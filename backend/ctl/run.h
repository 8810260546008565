/* run: a command of the table, from its arguments to the exit status. */
#ifndef BACKEND_CTL_RUN_H
#define BACKEND_CTL_RUN_H

#include "backend/ctl/args.h"

/* Fills the request, asks, prints. For commands whose row has no function of its own. */
WAITS int ctl_run(struct ctl *c, const struct ctl_args *a);
/* The same with a request that the caller has filled. seen, when not NULL, is shown each page of
 * the answer. */
WAITS int ctl_run_request(struct ctl *c, const struct ctl_args *a, const ProtobufCMessage *m,
			  void (*seen)(const ProtobufCMessage *page, void *arg), void *arg);
/* For an answer of ANSWER_ROWS: printed when all rows are there, in this order (qsort's, of two
 * ProtobufCMessage *). */
WAITS int ctl_run_sorted(struct ctl *c, const struct ctl_args *a, const ProtobufCMessage *m,
			 int (*order)(const void *, const void *));
/* Runs it in a fiber of a loop of its own, and closes the link that it made. Its exit status. */
int ctl_in_loop(struct ctl *c, int (*run)(struct ctl *c, const struct ctl_args *a),
		const struct ctl_args *a);

#endif
