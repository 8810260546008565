/* web_request: what a request of HTTP/1.1 asks for, line by line (RFC 9112). */
#ifndef FRONTEND_WEB_WEB_REQUEST_H
#define FRONTEND_WEB_WEB_REQUEST_H

#include "common/base/slice.h"
#include "common/parse/idn.h"

#define WEB_POLICY_PATH     "/.well-known/mta-sts.txt"
/* Of the host autoconfig.DOMAIN, and of the domain itself. */
#define WEB_AUTOCONFIG_PATH "/mail/config-v1.1.xml"
#define WEB_WELL_KNOWN_PATH "/.well-known/autoconfig/mail/config-v1.1.xml"

/* What there is to be had. */
enum web_page {
	WEB_PAGE_STS,        /* a domain's MTA-STS policy (RFC 8461) */
	WEB_PAGE_AUTOCONFIG, /* what programs of mail set themselves up by */
};

/* Statuses that there are. */
enum web_status {
	WEB_OK = 200,
	WEB_BAD = 400,
	WEB_NOT_FOUND = 404,
	WEB_NO_METHOD = 405,
	WEB_TIMEOUT = 408,
	WEB_NO_BODIES = 413,
	WEB_URI_TOO_LONG = 414,
	WEB_HEADER_TOO_LARGE = 431,
	WEB_AWAY = 503, /* no back-end */
	WEB_NO_VERSION = 505,
};
const char *web_status_text(enum web_status s);

struct web_place;

struct web_request {
	bool head;                     /* HEAD: an answer without its body */
	const struct web_place *place; /* the path's; NULL: there is no such page */
	bool in_line;                  /* the request line has said the host */
	unsigned hosts;
	char host[DOMAIN_MAX + 1]; /* normalised, without its port; "": none that we could serve */
};

/* The request line: method, target in origin-form or absolute-form, version. WEB_OK: so far. */
enum web_status web_request_line(slice_t line, struct web_request *out) MUST_USE;
/* A field's line, not the empty one. */
enum web_status web_request_field(slice_t line, struct web_request *r) MUST_USE;
/* The header is over: WEB_OK, and what it wants of whom; in r. */
enum web_status web_request_end(const struct web_request *r, enum web_page *page_out,
				slice_t *domain_out) MUST_USE;

#endif
