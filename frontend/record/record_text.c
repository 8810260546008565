#include "frontend/record/record_text.h"

#include <zstd.h>

/* One context a process: workers are single-threaded, and nothing waits in between. */
static ZSTD_CCtx *context;

enum err record_text_pack(slice_t text, struct buf *out)
{
	size_t room = ZSTD_compressBound(text.n), n;
	char *p;

	if (text.n == 0)
		return E_OK;
	if (context == NULL)
		context = ZSTD_createCCtx();
	invariant(context != NULL);
	p = buf_reserve(out, room);
	if (p == NULL)
		return E_LIMIT;
	n = ZSTD_compressCCtx(context, p, room, text.p, text.n, 1);
	invariant(!ZSTD_isError(n));
	buf_commit(out, n);
	return E_OK;
}
