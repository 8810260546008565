#include "common/crypto/password.h"

#include <stdlib.h>
#include <uninorm.h>

#include "common/base/utf8.h"
#include "common/crypto/secret.h"

/* RFC 3454 C.1.2. */
static bool is_space(uint32_t cp)
{
	return cp == 0xa0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200b) || cp == 0x202f ||
	       cp == 0x205f || cp == 0x3000;
}

static void map_spaces(slice_t s, struct buf *out)
{
	uint32_t cp;

	for (size_t n; (n = utf8_decode(s, &cp)) != 0; s = slice_from(s, n))
		utf8_put(out, is_space(cp) ? ' ' : cp);
}

static enum err normalise(slice_t s, struct buf *out)
{
	size_t n = 0;
	uint8_t *p = u8_normalize(UNINORM_NFKC, (const uint8_t *)s.p, s.n, NULL, &n);

	if (p == NULL)
		return E_LIMIT;
	buf_put(out, slice((const char *)p, n));
	secret_wipe(p, n);
	(free)(p);
	return buf_failed(out) ? E_TOO_BIG : E_OK;
}

enum err password_prepare(slice_t password, struct buf *out)
{
	struct buf mapped;
	enum err e;

	if (utf8_is_ascii(password) || !utf8_valid(password)) {
		buf_put(out, password);
		return buf_failed(out) ? E_TOO_BIG : E_OK;
	}
	buf_init(&mapped, password.n + 1, NULL);
	map_spaces(password, &mapped);
	e = buf_failed(&mapped) ? E_TOO_BIG : normalise(slice(mapped.p, mapped.n), out);
	secret_wipe_buf(&mapped);
	buf_fini(&mapped);
	return e;
}
