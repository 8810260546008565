#include <zstd.h>

#include "backend/store/text.h"

struct text_opener {
	ZSTD_DCtx *ctx;
};

struct text_opener *text_opener_new(void)
{
	struct text_opener *t = xmalloc(sizeof(*t));

	t->ctx = ZSTD_createDCtx();
	invariant(t->ctx != NULL);
	return t;
}

void text_opener_free(struct text_opener **t)
{
	if (*t == NULL)
		return;
	ZSTD_freeDCtx((*t)->ctx);
	xfree(t);
}

enum err text_open(struct text_opener *t, slice_t stored, struct buf *out)
{
	char *room;
	size_t n;

	buf_reset(out);
	if (stored.n == 0)
		return E_OK;
	room = buf_reserve(out, TEXT_PLAIN_MAX);
	if (room == NULL)
		return E_LIMIT;
	n = ZSTD_decompressDCtx(t->ctx, room, TEXT_PLAIN_MAX, stored.p, stored.n);
	if (ZSTD_isError(n))
		return E_CORRUPT;
	buf_commit(out, n);
	return E_OK;
}
