/*
 * dir_call: the frame around a management call: its transaction, its audit row, its log line.
 *
 *	struct dir_call c;
 *	enum err e = dir_call_begin(&c, d, by, "domain.add", s->name, diag);
 *
 *	if (e == E_OK)
 *		e = ...dir_call_exec(&c, ...);
 *	return dir_call_end(&c, e, diag);
 */
#ifndef BACKEND_DIRECTORY_DIR_CALL_H
#define BACKEND_DIRECTORY_DIR_CALL_H

#include "backend/directory/dir_priv.h"

#define DIR_CALL_MS (10 * 1000)

struct dir_call {
	struct dir *d;
	const struct dir_actor *by;
	const char *method;
	slice_t target;
	struct buf detail; /* for the audit; filled by the call */
	struct pg_tx *t;
};

WAITS enum err dir_call_begin(struct dir_call *c, struct dir *d, const struct dir_actor *by,
			      const char *method, slice_t target, struct diag *diag) MUST_USE;
WAITS enum err dir_call_query(struct dir_call *c, const char *sql, const struct pg_args *a,
			      struct pg_result **out, struct diag *diag) MUST_USE;
/* *touched (may be NULL): rows. */
WAITS enum err dir_call_exec(struct dir_call *c, const char *sql, const struct pg_args *a,
			     uint64_t *touched, struct diag *diag) MUST_USE;
/* Writes the audit row, commits (or rolls back when e is not E_OK), and lets this node's image
 * catch up. Returns e, or the failure of the commit. */
WAITS enum err dir_call_end(struct dir_call *c, enum err e, struct diag *diag) MUST_USE;

/* A question outside of any call: lists. */
WAITS enum err dir_ask(struct dir *d, const char *sql, const struct pg_args *a,
		       struct pg_result **out, struct diag *diag) MUST_USE;

/* The parameters of dir_sql_audit_add. */
void dir_audit_args(struct pg_args *a, const struct dir_actor *by, const char *method,
		    slice_t target, enum err result, slice_t detail);

/* A row of dir_sql_node_all. */
void dir_node_of_row(const struct pg_result *r, size_t i, struct dir_node *out);

/* ---- checks of what people type ---- */

/* E_INVALID with a text. */
enum err dir_check_domain(slice_t name, char out[256], struct diag *diag) MUST_USE;
/* An address of ours: a local part of letters, digits and the usual marks. */
enum err dir_check_own(const struct dir *d, slice_t address, struct dir_name *out,
		       struct diag *diag) MUST_USE;
/* A member of an alias, a catch-all: ours or another's. Appends its stored form. */
enum err dir_check_member(const struct dir *d, slice_t address, struct buf *out,
			  struct diag *diag) MUST_USE;
/* An address given in order to find something. */
enum err dir_find_name(const struct dir *d, slice_t address, struct dir_name *out,
		       struct diag *diag) MUST_USE;
/* Splits the cursor of a list ("" or an address) into domain and local part, as bound texts. */
void dir_page_args(struct pg_args *a, slice_t domain, slice_t after, size_t limit);
static inline slice_t dir_page_text(struct arena *mem, const struct pg_result *r, size_t row,
				    unsigned col)
{
	return arena_dup(mem, pg_get(r, row, col));
}

#endif
