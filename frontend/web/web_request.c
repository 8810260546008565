#include "frontend/web/web_request.h"

#include "common/parse/cclass.h"

/* Where the pages are. */
struct web_place {
	const char *path, *prefix; /* of the host; the domain is behind it */
	enum web_page page;
	bool has_query; /* there may be one, which changes nothing */
};

static const struct web_place places[] = {
	{WEB_POLICY_PATH, "mta-sts.", WEB_PAGE_STS, false},
	{WEB_AUTOCONFIG_PATH, "autoconfig.", WEB_PAGE_AUTOCONFIG, true},
	{WEB_WELL_KNOWN_PATH, "", WEB_PAGE_AUTOCONFIG, true},
};

static const struct web_place *find_place(slice_t target)
{
	size_t end = slice_find_char(target, '?');

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (slice_eq(places[i].has_query ? slice_sub(target, 0, end) : target,
			     slice_str(places[i].path)))
			return &places[i];
	}
	return NULL;
}

const char *web_status_text(enum web_status s)
{
	switch (s) {
	case WEB_OK:
		return "OK";
	case WEB_BAD:
		return "Bad Request";
	case WEB_NOT_FOUND:
		return "Not Found";
	case WEB_NO_METHOD:
		return "Method Not Allowed";
	case WEB_TIMEOUT:
		return "Request Timeout";
	case WEB_NO_BODIES:
		return "Content Too Large";
	case WEB_URI_TOO_LONG:
		return "URI Too Long";
	case WEB_HEADER_TOO_LARGE:
		return "Request Header Fields Too Large";
	case WEB_AWAY:
		return "Service Unavailable";
	case WEB_NO_VERSION:
		return "HTTP Version Not Supported";
	}
	return "";
}

/* token (RFC 9110 section 5.6.2). */
static bool is_token(slice_t s)
{
	static const char others[] = {'!', '#', '$', '%', '&', '\'', '*', '+',
				      '-', '.', '^', '_', '`', '|',  '~'};

	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_LETDIG) && memchr(others, s.p[i], sizeof others) == NULL)
			return false;
	}
	return s.n != 0;
}

static bool is_visible(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_VCHAR))
			return false;
	}
	return s.n != 0;
}

/* uri-host [ ":" port ]. Whatever is no name leaves the host empty: there is nothing for it. False:
 * it is malformed. */
static bool take_host(slice_t s, struct web_request *r)
{
	size_t at = s.n != 0 && s.p[0] == '[' ? slice_find_char(s, ']') : 0;
	size_t colon = at + slice_find_char(slice_from(s, at), ':');
	slice_t port = slice_from(s, colon + 1);

	for (size_t i = 0; i < port.n; i++) {
		if (!cclass(port.p[i], CC_DIGIT))
			return false;
	}
	if (domain_normalise(slice_sub(s, 0, colon), r->host) != E_OK)
		r->host[0] = '\0';
	return s.n == 0 || is_visible(s);
}

/* origin-form, or absolute-form, which every server must take (RFC 9112 section 3.2.2). */
static bool take_target(slice_t target, struct web_request *r)
{
	static const slice_t scheme = {"https://", 8};

	if (slice_istarts(target, scheme)) {
		slice_t rest = slice_from(target, scheme.n);
		size_t end = slice_find_char(rest, '/');

		if (!take_host(slice_sub(rest, 0, end), r))
			return false;
		r->in_line = true;
		target = slice_from(rest, end);
	}
	r->place = find_place(target);
	return r->in_line || (target.n != 0 && target.p[0] == '/');
}

enum web_status web_request_line(slice_t line, struct web_request *out)
{
	size_t one = slice_find_char(line, ' ');
	slice_t method = slice_sub(line, 0, one), rest = slice_from(line, one + 1);
	size_t two = slice_find_char(rest, ' ');
	slice_t target = slice_sub(rest, 0, two), version = slice_from(rest, two + 1);

	*out = (struct web_request){.head = slice_eq(method, SL("HEAD"))};
	if (!is_token(method) || !is_visible(target) || !slice_starts(version, SL("HTTP/")))
		return WEB_BAD;
	if (!slice_eq(version, SL("HTTP/1.1")) && !slice_eq(version, SL("HTTP/1.0")))
		return WEB_NO_VERSION;
	if (!out->head && !slice_eq(method, SL("GET")))
		return WEB_NO_METHOD;
	return take_target(target, out) ? WEB_OK : WEB_BAD;
}

/* Content would be the next request to who counts it otherwise. */
static bool has_content(slice_t name, slice_t value)
{
	return slice_ieq(name, SL("Transfer-Encoding")) ||
	       (slice_ieq(name, SL("Content-Length")) && !slice_eq(value, SL("0")));
}

enum web_status web_request_field(slice_t line, struct web_request *r)
{
	size_t colon = slice_find_char(line, ':');
	slice_t name = slice_sub(line, 0, colon), value = slice_trim(slice_from(line, colon + 1));

	/* Neither folding nor a space before the colon (RFC 9112 section 5.1, 5.2). */
	if (colon == line.n || !is_token(name))
		return WEB_BAD;
	if (has_content(name, value))
		return WEB_NO_BODIES;
	if (!slice_ieq(name, SL("Host")))
		return WEB_OK;
	if (r->hosts++ != 0)
		return WEB_BAD;
	/* The one in the request line wins (RFC 9112 section 3.2.2). */
	return r->in_line || take_host(value, r) ? WEB_OK : WEB_BAD;
}

enum web_status web_request_end(const struct web_request *r, enum web_page *page_out,
				slice_t *domain_out)
{
	slice_t host = slice_str(r->host), prefix;

	if (r->hosts != 1)
		return WEB_BAD;
	if (r->place == NULL || host.n == 0)
		return WEB_NOT_FOUND;
	prefix = slice_str(r->place->prefix);
	if (!slice_starts(host, prefix))
		return WEB_NOT_FOUND;
	*page_out = r->place->page;
	*domain_out = slice_from(host, prefix.n);
	return WEB_OK;
}
