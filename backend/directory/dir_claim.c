#include "backend/directory/dir_claim.h"

#include "backend/directory/dir_call.h"

WAITS enum err dir_claim(struct dir *d, const char *name, uint32_t seconds, bool *mine_out,
			 struct diag *diag)
{
	struct pg_args a = {.n = 0};
	struct pg_result *r = NULL;
	enum err e;

	*mine_out = false;
	pg_text(&a, slice_str(name));
	pg_text(&a, slice_str(d->node));
	pg_u64(&a, seconds);
	e = dir_ask(d, dir_sql_claim, &a, &r, diag);
	if (e != E_OK)
		return e;
	*mine_out = pg_rows(r) == 1;
	pg_result_free(&r);
	return E_OK;
}
