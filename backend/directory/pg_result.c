/* The answer to a statement. */
#include "backend/directory/pg_conn.h"
#include "common/base/codec.h"
#include "common/base/num.h"

size_t pg_rows(const struct pg_result *r)
{
	return (size_t)PQntuples(r->r);
}

uint64_t pg_touched(const struct pg_result *r)
{
	uint64_t n = 0;

	return num_parse(slice_str(PQcmdTuples(r->r)), UINT64_MAX, &n) ? n : 0;
}

bool pg_is_null(const struct pg_result *r, size_t row, unsigned col)
{
	return PQgetisnull(r->r, (int)row, (int)col) != 0;
}

slice_t pg_get(const struct pg_result *r, size_t row, unsigned col)
{
	invariant(row < pg_rows(r) && col < (unsigned)PQnfields(r->r));
	return slice(PQgetvalue(r->r, (int)row, (int)col),
		     (size_t)PQgetlength(r->r, (int)row, (int)col));
}

uint64_t pg_get_u64(const struct pg_result *r, size_t row, unsigned col)
{
	uint64_t v = 0;

	if (!pg_is_null(r, row, col))
		invariant(num_parse(pg_get(r, row, col), UINT64_MAX, &v));
	return v;
}

int64_t pg_get_i64(const struct pg_result *r, size_t row, unsigned col)
{
	slice_t s = pg_get(r, row, col);
	bool minus = slice_starts(s, SL("-"));
	uint64_t v = 0;

	if (!pg_is_null(r, row, col))
		invariant(num_parse(slice_from(s, minus ? 1 : 0), INT64_MAX, &v));
	return minus ? -(int64_t)v : (int64_t)v;
}

bool pg_get_bool(const struct pg_result *r, size_t row, unsigned col)
{
	return slice_eq(pg_get(r, row, col), SL("t"));
}

void pg_get_bytes(const struct pg_result *r, size_t row, unsigned col, struct buf *out)
{
	slice_t s = pg_get(r, row, col);

	if (!pg_is_null(r, row, col))
		invariant(slice_starts(s, SL("\\x")) && hex_decode(out, slice_from(s, 2)));
}

void pg_result_free(struct pg_result **r)
{
	if (*r == NULL)
		return;
	PQclear((*r)->r);
	xfree(r);
}
