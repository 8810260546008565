#include "frontend/outbound/tlsrpt_record.h"

#include "common/base/buf.h"
#include "common/base/codec.h"
#include "common/parse/addr.h"
#include "common/parse/cclass.h"
#include "common/net/ipaddr.h"
#include "common/parse/idn.h"
#include "frontend/outbound/https.h"

/* tlsrpt-version (section 3): exactly so, and a delimiter or the end behind it. */
static bool is_record(slice_t s)
{
	static const slice_t version = {"v=TLSRPTv1", 10};
	slice_t rest = slice_trim(slice_from(s, version.n));

	return slice_starts(s, version) && (rest.n == 0 || rest.p[0] == ';');
}

/* RFC 3986 section 2.1. */
static bool percent_decode(slice_t s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			buf_putc(out, s.p[i]);
			continue;
		}
		if (i + 2 >= s.n || !hex_decode(out, slice_sub(s, i + 1, 2)))
			return false;
		i += 2;
	}
	return !buf_failed(out);
}

/* mailto:addr-spec (RFC 6068); its header fields, after "?", are left out. */
static bool take_mailto(slice_t uri, struct arena *mem, slice_t *out)
{
	struct addr a;
	struct buf b;
	bool ok;

	if (uri.n < 7 || !slice_ieq(slice_sub(uri, 0, 7), SL("mailto:")))
		return false;
	uri = slice_from(uri, 7);
	uri = slice_sub(uri, 0, slice_find_char(uri, '?'));
	buf_init(&b, TLSRPT_ADDRESS_MAX, NULL);
	ok = percent_decode(uri, &b) && addr_parse(buf_slice(&b), ADDR_ASCII, &a) == E_OK &&
	     (a.flags & (ADDR_NULL | ADDR_LITERAL | ADDR_POSTMASTER)) == 0 &&
	     addr_normalise(&a) == E_OK;
	if (ok) {
		buf_reset(&b);
		buf_put(&b, addr_local(&a));
		buf_putc(&b, '@');
		buf_put(&b, addr_domain(&a));
		*out = arena_dup(mem, buf_slice(&b));
	}
	buf_fini(&b);
	return ok;
}

/* pchar, "/" and "?" (RFC 3986 section 3.3, 3.4). */
static bool path_ok(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_LETDIG) && strchr("-._~%!$&'()*+,;=:@/?", s.p[i]) == NULL)
			return false;
	}
	return s.n <= HTTPS_PATH_MAX;
}

/* RFC 9110 section 4.2.3: an empty one is "/". */
static const char *full_path(slice_t path, struct arena *mem)
{
	char *out = arena_alloc(mem, path.n + 2);
	size_t at = path.n == 0 || path.p[0] != '/' ? 1 : 0;

	out[0] = '/';
	if (path.n != 0)
		memcpy(out + at, path.p, path.n);
	out[at + path.n] = '\0';
	return out;
}

/* RFC 9110 section 4.2.2, without user information. No other port than that of
 * sites, and no address: strangers say whom we are to write to. */
static bool take_https(slice_t uri, struct arena *mem, struct tlsrpt_site *out)
{
	static const slice_t scheme = {"https://", 8}, port = {":443", 4};
	char name[DOMAIN_MAX + 1];
	struct ipaddr addr;
	slice_t host, path;
	size_t end;

	if (!slice_ieq(slice_sub(uri, 0, scheme.n), scheme))
		return false;
	uri = slice_from(uri, scheme.n);
	end = MIN(slice_find_char(uri, '/'), slice_find_char(uri, '?'));
	host = slice_sub(uri, 0, end);
	path = slice_from(uri, end);
	if (slice_ends(host, port))
		host = slice_sub(host, 0, host.n - port.n);
	if (ipaddr_parse(host, &addr) || domain_normalise(host, name) != E_OK || !path_ok(path))
		return false;
	out->host = arena_dup(mem, slice_str(name));
	out->path = full_path(path, mem);
	return true;
}

/* tlsrpt-rua: URIs, separated by commas, which stand in none of them but as %2C. */
static void take_uris(slice_t list, struct arena *mem, struct tlsrpt_wish *out)
{
	for (size_t i = 0; i < TLSRPT_URIS_MAX && list.n != 0; i++) {
		size_t end = slice_find_char(list, ',');
		slice_t uri = slice_trim(slice_sub(list, 0, end));

		list = slice_from(list, end + 1);
		if (out->n < TLSRPT_ADDRESSES_MAX && take_mailto(uri, mem, &out->addresses[out->n]))
			out->n++;
		if (out->nsites < TLSRPT_SITES_MAX &&
		    take_https(uri, mem, &out->sites[out->nsites]))
			out->nsites++;
	}
}

static enum err take_record(slice_t s, struct arena *mem, struct tlsrpt_wish *out)
{
	bool seen = false;

	while (s.n != 0) {
		size_t end = slice_find_char(s, ';');
		slice_t field = slice_trim(slice_sub(s, 0, end));

		s = slice_from(s, end + 1);
		if (!slice_starts(field, SL("rua=")))
			continue;
		if (seen)
			return E_INVALID;
		seen = true;
		take_uris(slice_from(field, 4), mem, out);
	}
	return !seen ? E_INVALID : out->n + out->nsites != 0 ? E_OK : E_NOT_FOUND;
}

enum err tlsrpt_record_parse(const slice_t *records, size_t n, struct arena *mem,
			     struct tlsrpt_wish *out)
{
	const slice_t *found = NULL;

	*out = (struct tlsrpt_wish){.n = 0};
	for (size_t i = 0; i < n; i++) {
		if (!is_record(records[i]))
			continue;
		if (found != NULL)
			return E_INVALID;
		found = &records[i];
	}
	return found != NULL ? take_record(*found, mem, out) : E_NOT_FOUND;
}
