#include "frontend/web/web.h"

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "frontend/core/line.h"
#include "frontend/core/policy.h"
#include "frontend/rpc/call_web.h"
#include "frontend/web/web_find.h"
#include "frontend/web/web_request.h"

#define HEAD_SIZE 512 /* of an answer */

METRIC_COUNTER(m_requests, "web_requests_total", "Requests by what was answered",
	       {"answer", "page"});
METRIC_COUNTER(m_refused, "web_requests_total", "Requests by what was answered",
	       {"answer", "other"});

struct web {
	struct session base;
	struct arena mem;
};

struct page {
	enum web_page kind;
	slice_t text; /* in the session's mem; empty: none */
};

/* Nobody who sends slowly holds a session longer than this. */
WAITS static enum err read_head(struct web *w, struct web_request *r, enum web_status *status)
{
	int64_t deadline_ms = deadline_in(WEB_HEAD_MS);
	unsigned n = 0;
	slice_t line;
	enum err e = line_read(w->base.stream, WEB_LINE_MAX, "web.request", deadline_ms, &line);

	*status = e == E_LIMIT ? WEB_URI_TOO_LONG : WEB_BAD;
	if (e != E_OK)
		return e;
	*status = web_request_line(line, r);
	while (*status == WEB_OK) {
		e = line_read(w->base.stream, WEB_LINE_MAX, "web.field", deadline_ms, &line);
		if (e == E_OK && line.n == 0)
			return E_OK;
		if (e == E_LIMIT || n++ == WEB_FIELDS_MAX)
			*status = WEB_HEADER_TOO_LARGE;
		else if (e == E_INVALID)
			*status = WEB_BAD;
		else if (e != E_OK)
			return e;
		else
			*status = web_request_field(line, r);
	}
	return E_OK;
}

/* ---- the answer ---- */

/* IMF-fixdate (RFC 9110 section 5.6.7). */
static void put_date(struct buf *out)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int64_t now_s = clock_wall_s();
	struct civil c;

	civil_of(now_s, &c);
	buf_printf(out, "Date: %s, %02u %s %04d %02u:%02u:%02u GMT\r\n",
		   days[civil_weekday((int32_t)(now_s / (24 * 3600)))], c.day, months[c.month - 1],
		   c.year, c.hour, c.min, c.sec);
}

static const char *content_type(const struct page *p)
{
	return p->text.n != 0 && p->kind == WEB_PAGE_AUTOCONFIG ? "text/xml; charset=utf-8"
								: "text/plain";
}

WAITS static enum err answer(struct web *w, const struct web_request *r, enum web_status status,
			     const struct page *p)
{
	int64_t deadline_ms = deadline_in(WEB_ANSWER_MS);
	struct buf head;
	enum err e;

	buf_init(&head, HEAD_SIZE, NULL);
	buf_printf(&head, "HTTP/1.1 %d %s\r\n", (int)status, web_status_text(status));
	put_date(&head);
	if (status == WEB_NO_METHOD)
		buf_puts(&head, "Allow: GET, HEAD\r\n");
	if (status == WEB_AWAY)
		buf_puts(&head, "Retry-After: 60\r\n");
	buf_printf(&head,
		   "Content-Type: %s\r\nContent-Length: %zu\r\n"
		   "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
		   content_type(p), p->text.n);
	e = stream_write(w->base.stream, buf_slice(&head), deadline_ms);
	if (e == E_OK && !r->head && p->text.n != 0)
		e = stream_write(w->base.stream, p->text, deadline_ms);
	if (e == E_OK)
		e = stream_flush(w->base.stream, deadline_ms);
	buf_fini(&head);
	metric_add(status == WEB_OK ? &m_requests : &m_refused, 1);
	return e;
}

/* ---- what is answered ---- */

WAITS static enum err ask_back_end(enum web_page page, slice_t domain, struct arena *mem,
				   slice_t *text)
{
	int64_t deadline_ms = deadline_in(WEB_ANSWER_MS);

	switch (page) {
	case WEB_PAGE_STS:
		return call_web_sts(domain, mem, deadline_ms, text);
	case WEB_PAGE_AUTOCONFIG:
		return call_web_autoconfig(domain, mem, deadline_ms, text);
	}
	return E_INTERNAL;
}

/* Under a wildcard names can be invented, unless the page itself has their first label. */
static enum web_host host_kind(const struct web *w, const struct web_request *r, slice_t domain)
{
	slice_t host = slice_str(r->host);
	enum tls_naming how = slice_eq(host, domain) ? TLS_NAMED : TLS_NAMED_BY_ANY;

	return stream_tls_names(w->base.stream, host, how) ? WEB_HOST_NAMED : WEB_HOST_ANY;
}

WAITS static enum web_status find_page(struct web *w, const struct web_request *r, struct page *p)
{
	slice_t domain;
	enum web_status status = web_request_end(r, &p->kind, &domain);

	return status == WEB_OK ? web_find(p->kind, domain, host_kind(w, r, domain),
					   policy()->web_keep_ms, ask_back_end, &w->mem, &p->text)
				: status;
}

WAITS static void web_run(struct session *s)
{
	struct web *w = container_of(s, struct web, base);
	struct web_request r = {.head = false};
	enum web_status status;
	struct page page = {.text = SLICE_NONE};
	enum err e;

	arena_init(&w->mem, NULL); /* a page or two, which have a limit */
	s->state = "request";
	e = read_head(w, &r, &status);
	if (e != E_OK)
		session_failed(s, e);
	if (e == E_TIMEOUT)
		status = WEB_TIMEOUT;
	if (e == E_OK && status == WEB_OK)
		status = find_page(w, &r, &page);
	if (e == E_OK || e == E_TIMEOUT || e == E_LIMIT || e == E_INVALID) {
		s->state = "answer";
		LOG(LOG_INFO, &s->log, "web.request", LF_STR("host", r.host),
		    LF_INT("status", (int)status));
		e = answer(w, &r, status, &page);
		if (e != E_OK)
			session_failed(s, e);
	}
	arena_reset(&w->mem);
}

/* TLS comes first: never called. */
static void web_refuse(struct stream *stream UNUSED, const struct refusal *r UNUSED)
{
}

const struct protocol web_protocol = {
	.service = SERVICE_WEB,
	.session_size = sizeof(struct web),
	.window_max = WEB_LINE_MAX + 512,
	.run = web_run,
	.refuse = web_refuse,
};
