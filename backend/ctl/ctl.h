/*
 * backend/ctl: the `postern` program, a client of the management RPC. It knows no mail and decides
 * nothing: it turns arguments into a request, asks a back-end, and prints the answer. What can be
 * asked is one table (commands.c), in parts by subject; arguments fill the request's fields, and
 * answers are printed, by protobuf-c's descriptors.
 *
 *   commands   THE table: noun, verb, arguments, method, columns of the answer
 *   table_*    its parts
 *   args       command lines: parsing, help, filling of requests
 *   show       answers as tables or JSON
 *   connect    cluster.json, the link, calls
 *   run        a command of the table, from request to exit status
 *   ask        questions to a person at a terminal
 *   cmd_*      commands that are more than that
 *   ctl        what all of them share; exit statuses
 *
 * A command is prepared first, on the program's own stack and without a link (files and standard
 * input are read, a person is asked, keys are made: all that may take a person's time or block),
 * and run then, in a fiber of the loop. What must be known before a person is asked is fetched over
 * a link of its own.
 */
#ifndef BACKEND_CTL_CTL_H
#define BACKEND_CTL_CTL_H

#include <stdio.h>
#include <sysexits.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"

#define CTL_OTHERS_MAX 63 /* with the first as many back-ends as a front-end takes */

struct rpc_link;

/* Where the management RPC is, and who we are there. Paths of files; NULL: not given. */
struct ctl_target {
	const char *cluster; /* cluster.json: has what the others do not say */
	const char *address; /* "127.0.0.12:7412" */
	const char *cert, *key, *ca;
	/* Of the file's other back-ends, for when nobody answers at its address. */
	const char *others[CTL_OTHERS_MAX];
	size_t nothers;
};

struct ctl {
	struct ctl_target target;
	bool json;
	bool at_terminal;      /* standard input is one: somebody can be asked */
	struct arena mem;      /* for as long as the program runs */
	struct rpc_link *link; /* made by the first call */
	void *prepared;        /* of the command's prepare to its run */
	FILE *out, *err;
};

/* The exit status (sysexits) of a result; the one table of them. */
int ctl_status(enum err e);
/* Prints "postern: text" to c->err and returns the status. */
int ctl_fail(struct ctl *c, int status, const char *fmt, ...) PRINTF(3, 4);
/* The same for a result; its detail from d, or the error's name. */
int ctl_fail_err(struct ctl *c, enum err e, const struct diag *d);

/* The whole file, or standard input for "-", at most max bytes, into the arena. E_NOT_FOUND, E_IO,
 * E_TOO_BIG with the path in the diag. */
enum err ctl_read_file(struct ctl *c, const char *path, size_t max, slice_t *out,
		       struct diag *d) MUST_USE;

#endif
