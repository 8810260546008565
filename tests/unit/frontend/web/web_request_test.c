/* What a request asks for: RFC 9112's grammar, and the limits of what we serve. */
#include "frontend/web/web_request.h"

#include <stdio.h>

#include "tests/lib/check.h"

#define GET "GET " WEB_POLICY_PATH " HTTP/1.1"

/* Lines are separated by LF here. */
static enum web_status ask(const char *text, struct web_request *r, enum web_page *page,
			   slice_t *domain)
{
	slice_t rest = slice_str(text);
	enum web_status s = WEB_OK;

	for (unsigned n = 0; s == WEB_OK && rest.n != 0; n++) {
		size_t end = slice_find_char(rest, '\n');
		slice_t line = slice_sub(rest, 0, end);

		rest = slice_from(rest, end + 1);
		s = n == 0 ? web_request_line(line, r) : web_request_field(line, r);
	}
	return s == WEB_OK ? web_request_end(r, page, domain) : s;
}

TEST(web_request_table)
{
	static const struct {
		const char *text;
		enum web_status want;
		const char *domain;
	} rows[] = {
		{GET "\nHost: mta-sts.a.test", WEB_OK, "a.test"},
		{GET "\nhOST:MTA-STS.A.Test", WEB_OK, "a.test"},
		{GET "\nHost: mta-sts.a.test:2443", WEB_OK, "a.test"},
		{GET "\nAccept: */*\nHost:  mta-sts.a.test \t", WEB_OK, "a.test"},
		{GET "\nContent-Length: 0\nHost: mta-sts.a.test", WEB_OK, "a.test"},
		{"HEAD " WEB_POLICY_PATH " HTTP/1.1\nHost: mta-sts.a.test", WEB_OK, "a.test"},
		{"GET " WEB_POLICY_PATH " HTTP/1.0\nHost: mta-sts.a.test", WEB_OK, "a.test"},
		{"GET https://mta-sts.b.test" WEB_POLICY_PATH " HTTP/1.1\nHost: mta-sts.a.test",
		 WEB_OK, "b.test"},
		{"GET HTTPS://mta-sts.b.test:443" WEB_POLICY_PATH " HTTP/1.1\nHost: x", WEB_OK,
		 "b.test"},
		/* Somewhere else. */
		{GET "\nHost: a.test", WEB_NOT_FOUND, ""},
		{GET "\nHost: mta-sts.", WEB_NOT_FOUND, ""},
		{GET "\nHost: 192.0.2.1", WEB_NOT_FOUND, ""},
		{GET "\nHost: [2001:db8::1]:443", WEB_NOT_FOUND, ""},
		{GET "\nHost:", WEB_NOT_FOUND, ""},
		{"GET / HTTP/1.1\nHost: mta-sts.a.test", WEB_NOT_FOUND, ""},
		{"GET " WEB_POLICY_PATH "?x HTTP/1.1\nHost: mta-sts.a.test", WEB_NOT_FOUND, ""},
		{"GET /.well-known/../.well-known/mta-sts.txt HTTP/1.1\nHost: mta-sts.a.test",
		 WEB_NOT_FOUND, ""},
		{"GET https://mta-sts.a.test HTTP/1.1\nHost: x", WEB_NOT_FOUND, ""},
		/* What is no request, or none for us. */
		{"POST " WEB_POLICY_PATH " HTTP/1.1\nHost: mta-sts.a.test", WEB_NO_METHOD, ""},
		{"get " WEB_POLICY_PATH " HTTP/1.1\nHost: mta-sts.a.test", WEB_NO_METHOD, ""},
		{"GET " WEB_POLICY_PATH " HTTP/2.0\nHost: mta-sts.a.test", WEB_NO_VERSION, ""},
		{"GET " WEB_POLICY_PATH " HTTP/1.1 \nHost: mta-sts.a.test", WEB_NO_VERSION, ""},
		{"GET  " WEB_POLICY_PATH " HTTP/1.1\nHost: mta-sts.a.test", WEB_BAD, ""},
		{"GET " WEB_POLICY_PATH "\nHost: mta-sts.a.test", WEB_BAD, ""},
		{"GET * HTTP/1.1\nHost: mta-sts.a.test", WEB_BAD, ""},
		{"GET http://mta-sts.a.test/ HTTP/1.1\nHost: mta-sts.a.test", WEB_BAD, ""},
		{"G(T / HTTP/1.1\nHost: mta-sts.a.test", WEB_BAD, ""},
		{"", WEB_BAD, ""},
		{"\x16\x03\x01", WEB_BAD, ""},
		{GET, WEB_BAD, ""},
		{GET "\nHost: mta-sts.a.test\nHost: mta-sts.a.test", WEB_BAD, ""},
		{GET "\nHost: mta-sts.a.test:x", WEB_BAD, ""},
		{GET "\nHost: mta-sts.a.test mta-sts.b.test", WEB_BAD, ""},
		{GET "\nHost : mta-sts.a.test", WEB_BAD, ""},
		{GET "\n Host: mta-sts.a.test", WEB_BAD, ""},
		{GET "\nHost: mta-sts.a.test\n folded", WEB_BAD, ""},
		{GET "\nno field\nHost: mta-sts.a.test", WEB_BAD, ""},
		{GET "\nContent-Length: 5\nHost: mta-sts.a.test", WEB_NO_BODIES, ""},
		{GET "\nTransfer-Encoding: chunked\nHost: mta-sts.a.test", WEB_NO_BODIES, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum web_page page = WEB_PAGE_STS;
		slice_t domain = SLICE_NONE;
		struct web_request r = {.head = false};

		check_note("%s", rows[i].text);
		if (rows[i].text[0] == '\0')
			CHECK_INT(web_request_line(SLICE_NONE, &r), rows[i].want);
		else
			CHECK_INT(ask(rows[i].text, &r, &page, &domain), rows[i].want);
		CHECK_SLICE(rows[i].want == WEB_OK ? domain : SL(""), slice_str(rows[i].domain));
	}
}

TEST(web_request_of_autoconfig)
{
	static const struct {
		const char *target, *host;
		enum web_status want;
		const char *domain;
	} rows[] = {
		{WEB_AUTOCONFIG_PATH, "autoconfig.a.test", WEB_OK, "a.test"},
		{WEB_AUTOCONFIG_PATH "?emailaddress=x%40a.test", "AUTOCONFIG.a.test", WEB_OK,
		 "a.test"},
		{WEB_AUTOCONFIG_PATH "?", "autoconfig.a.test", WEB_OK, "a.test"},
		{WEB_WELL_KNOWN_PATH, "a.test", WEB_OK, "a.test"},
		{WEB_WELL_KNOWN_PATH "?emailaddress=x@a.test", "a.test:443", WEB_OK, "a.test"},
		{WEB_AUTOCONFIG_PATH, "a.test", WEB_NOT_FOUND, ""},
		{WEB_AUTOCONFIG_PATH, "mta-sts.a.test", WEB_NOT_FOUND, ""},
		{WEB_AUTOCONFIG_PATH "/", "autoconfig.a.test", WEB_NOT_FOUND, ""},
		{"/mail/config-v1.1.xm?l", "autoconfig.a.test", WEB_NOT_FOUND, ""},
		{"/mail/?/mail/config-v1.1.xml", "autoconfig.a.test", WEB_NOT_FOUND, ""},
		{WEB_WELL_KNOWN_PATH, "", WEB_NOT_FOUND, ""},
		{WEB_WELL_KNOWN_PATH, "[2001:db8::1]", WEB_NOT_FOUND, ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum web_page page = WEB_PAGE_STS;
		struct web_request r = {.head = false};
		slice_t domain = SLICE_NONE;
		char text[256];

		check_note("%s of %s", rows[i].target, rows[i].host);
		snprintf(text, sizeof text, "GET %s HTTP/1.1\nHost: %s", rows[i].target,
			 rows[i].host);
		CHECK_INT(ask(text, &r, &page, &domain), rows[i].want);
		CHECK_SLICE(domain, slice_str(rows[i].domain));
		CHECK(rows[i].want != WEB_OK || page == WEB_PAGE_AUTOCONFIG);
	}
}

TEST(web_request_knows_head)
{
	struct web_request r;

	CHECK_INT(web_request_line(SL("HEAD / HTTP/1.1"), &r), WEB_OK);
	CHECK(r.head);
	CHECK_INT(web_request_line(SL(GET), &r), WEB_OK);
	CHECK(!r.head);
}

TEST(web_statuses_have_words)
{
	static const enum web_status all[] = {
		WEB_OK,      WEB_BAD,       WEB_NOT_FOUND,    WEB_NO_METHOD,
		WEB_TIMEOUT, WEB_NO_BODIES, WEB_URI_TOO_LONG, WEB_HEADER_TOO_LARGE,
		WEB_AWAY,    WEB_NO_VERSION};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		CHECK(web_status_text(all[i])[0] != '\0');
}
