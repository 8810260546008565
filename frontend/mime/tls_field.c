#include "frontend/mime/tls_field.h"

#include "common/parse/cclass.h"

enum tls_field tls_field_byte(enum tls_field so_far, char c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return so_far == TLS_FIELD_N ? TLS_FIELD_ELSE : so_far;
	if (so_far == TLS_FIELD_EMPTY && ascii_lower(c) == 'n')
		return TLS_FIELD_N;
	if (so_far == TLS_FIELD_N && ascii_lower(c) == 'o')
		return TLS_FIELD_NO;
	return TLS_FIELD_ELSE;
}

enum tls_field tls_field_read(slice_t body)
{
	enum tls_field t = TLS_FIELD_EMPTY;

	for (size_t i = 0; i < body.n; i++)
		t = tls_field_byte(t, body.p[i]);
	return t;
}
