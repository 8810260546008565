/* The parameters of a statement; nothing of libpq. */
#include <stdio.h>

#include "backend/directory/pg.h"

static struct pg_arg *arg_next(struct pg_args *a)
{
	invariant(a->n < PG_ARGS_MAX);
	a->a[a->n] = (struct pg_arg){.null = false};
	return &a->a[a->n++];
}

void pg_text(struct pg_args *a, slice_t v)
{
	arg_next(a)->v = v.p != NULL ? v : SL("");
}

void pg_bytes(struct pg_args *a, slice_t v)
{
	struct pg_arg *x = arg_next(a);

	x->v = v.p != NULL ? v : SL("");
	x->binary = true;
}

void pg_i64(struct pg_args *a, int64_t v)
{
	struct pg_arg *x = arg_next(a);

	snprintf(x->num, sizeof(x->num), "%lld", (long long)v);
}

void pg_u64(struct pg_args *a, uint64_t v)
{
	invariant(v <= INT64_MAX);
	pg_i64(a, (int64_t)v);
}

void pg_bool(struct pg_args *a, bool v)
{
	struct pg_arg *x = arg_next(a);

	x->num[0] = v ? 't' : 'f';
}

void pg_null(struct pg_args *a)
{
	arg_next(a)->null = true;
}

void pg_array_add(struct buf *b, slice_t element)
{
	buf_putc(b, b->n == 0 ? '{' : ',');
	buf_putc(b, '"');
	for (size_t i = 0; i < element.n; i++) {
		if (element.p[i] == '"' || element.p[i] == '\\')
			buf_putc(b, '\\');
		buf_putc(b, element.p[i]);
	}
	buf_putc(b, '"');
}

void pg_array_end(struct buf *b)
{
	if (b->n == 0)
		buf_putc(b, '{');
	buf_putc(b, '}');
}
