#include "frontend/mime/decode.h"

#include <string.h>

void decode_init(struct decode *d, enum mime_cte cte)
{
	d->cte = cte;
	if (cte == MIME_CTE_QP)
		qp_init(&d->u.qp);
	else if (cte == MIME_CTE_BASE64)
		b64_init(&d->u.b64);
}

size_t decode_feed(struct decode *d, slice_t *in, char *out, size_t out_max)
{
	size_t n = MIN(in->n, out_max);

	if (d->cte == MIME_CTE_QP)
		return qp_feed(&d->u.qp, in, out, out_max);
	if (d->cte == MIME_CTE_BASE64)
		return b64_feed(&d->u.b64, in, out, out_max);
	if (n != 0)
		memcpy(out, in->p, n);
	*in = slice_from(*in, n);
	return n;
}

size_t decode_end(struct decode *d, char *out)
{
	if (d->cte == MIME_CTE_QP)
		return qp_end(&d->u.qp, out);
	return d->cte == MIME_CTE_BASE64 ? b64_end(&d->u.b64, out) : 0;
}
