#include "common/parse/idn.h"

#include <idn2.h>

#include "common/base/utf8.h"
#include "common/parse/cclass.h"

/* Checks labels of an ASCII name and copies it in lower case. */
static enum err copy_ascii(slice_t s, char out[DOMAIN_MAX + 1])
{
	size_t label = 0;

	if (s.n == 0 || s.n > DOMAIN_MAX)
		return E_INVALID;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '.') {
			if (label == 0 || s.p[i - 1] == '-')
				return E_INVALID;
			label = 0;
		} else if (!cclass(c, CC_LDH) || (label == 0 && c == '-') || ++label > LABEL_MAX) {
			return E_INVALID;
		}
		out[i] = ascii_lower(c);
	}
	if (label == 0 || s.p[s.n - 1] == '-')
		return E_INVALID;
	out[s.n] = '\0';
	return E_OK;
}

static enum err to_ascii(slice_t s, char out[DOMAIN_MAX + 1])
{
	char in[DOMAIN_MAX + 1];
	uint8_t *ascii = NULL;
	enum err e = E_INVALID;

	if (!slice_to_str(s, in, sizeof in) || !utf8_valid(s))
		return E_INVALID;
	if (idn2_lookup_u8((const uint8_t *)in, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
	    IDN2_OK)
		e = copy_ascii(slice_str((const char *)ascii), out);
	idn2_free(ascii);
	return e;
}

enum err domain_normalise(slice_t domain, char out[DOMAIN_MAX + 1])
{
	if (utf8_is_ascii(domain))
		return copy_ascii(domain, out);
	return to_ascii(domain, out);
}
