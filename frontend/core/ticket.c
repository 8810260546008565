#include "frontend/core/ticket.h"

#include "common/base/clock.h"
#include "common/crypto/secret.h"

struct ticket *ticket_new(slice_t bytes, uint32_t seconds, uint32_t partition, slice_t account)
{
	struct ticket *t;

	if (bytes.n > TICKET_BYTES_MAX || bytes.n == 0 || account.n >= sizeof t->account)
		return NULL;
	t = xcalloc(1, sizeof *t);
	if (!slice_to_str(account, t->account, sizeof t->account)) {
		xfree(&t);
		return NULL;
	}
	t->partition = partition;
	ticket_put(t, bytes, seconds);
	return t;
}

void ticket_put(struct ticket *t, slice_t bytes, uint32_t seconds)
{
	int64_t now = clock_mono_ms();

	invariant(bytes.n <= TICKET_BYTES_MAX);
	memcpy(t->bytes, bytes.p, bytes.n);
	t->n = bytes.n;
	t->expires_ms = now + (int64_t)seconds * 1000;
	t->renew_ms = now + (int64_t)seconds * 500;
}

void ticket_free(struct ticket **t)
{
	if (*t == NULL)
		return;
	secret_wipe(*t, sizeof **t);
	xfree(t);
}
