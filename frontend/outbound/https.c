/*
 * libcurl on the loop. Its sockets are looked at by uv_poll handles, its one timer is a timer of
 * the loop; both lead to curl_multi_socket_action(), after which finished questions are collected.
 * A handle is an object of its own, for libuv closes it in a later turn.
 */
#include "frontend/outbound/https.h"

#include <curl/curl.h>
#include <stdio.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/log/metric.h"
#include "common/loop/fiber.h"
#include "common/net/tls.h"
#include "frontend/dns/resolver.h"

#define URL_SIZE     (300 + HTTPS_PATH_MAX) /* with the longest name */
#define FIELD_SIZE   100                    /* of our own: a name and a type */
#define RESOLVE_SIZE (320 + DNS_ADDRS_MAX * 2 * (IPADDR_STR + 3))
#define LATE_MS      1000 /* libcurl's own deadline comes first */

METRIC_COUNTER(m_asked, "https_questions_total", "Questions to other systems' sites");
METRIC_COUNTER(m_failed, "https_questions_failed_total", "Those without a whole answer");

/* One question; it lives until both the asker and libcurl have let go. */
struct query {
	struct list node;
	char url[URL_SIZE], resolve[RESOLVE_SIZE];
	int64_t ms;
	const struct https_content *content; /* NULL: a GET */
	CURL *easy;                          /* NULL: not begun, or over */
	struct curl_slist *addrs, *fields;
	size_t header_bytes, body_bytes, body_max;
	bool too_big;
	bool over; /* result holds */
	bool left; /* nobody waits */
	struct event done;
	/* Out: */
	enum err result;
	long status;
	char type[HTTPS_TYPE_MAX];
	struct buf body;
	char words[CURL_ERROR_SIZE];
};

struct watch {
	uv_poll_t poll;
	curl_socket_t fd;
};

static struct {
	struct https_conf conf;
	CURLM *multi; /* NULL: not started */
	struct timer timer;
	struct list queries;
	unsigned flight;
	struct waitq room;
} https = {.queries = {&https.queries, &https.queries}};

/* ---- a question's end ---- */

static void query_free(struct query *q)
{
	list_remove(&q->node);
	buf_fini(&q->body);
	xfree(&q);
	https.flight--;
	waitq_wake_one(&https.room);
}

static void finish(struct query *q, enum err result)
{
	if (q->easy != NULL) {
		(void)curl_multi_remove_handle(https.multi, q->easy);
		curl_easy_cleanup(q->easy);
		q->easy = NULL;
	}
	curl_slist_free_all(q->addrs);
	curl_slist_free_all(q->fields);
	q->addrs = q->fields = NULL;
	q->result = result;
	q->over = true;
	if (!q->left)
		event_set(&q->done);
}

static enum err error_of(const struct query *q, CURLcode code)
{
	if (q->too_big)
		return E_TOO_BIG;
	/* What else it may be called is all the same to us. */
	if (code == CURLE_OK)
		return E_OK;
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
	    code == CURLE_SSL_CERTPROBLEM)
		return E_TLS;
	return code == CURLE_OPERATION_TIMEDOUT ? E_TIMEOUT : E_RETRY;
}

static void ended(struct query *q, CURLcode code)
{
	char *type = NULL;

	(void)curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &q->status);
	(void)curl_easy_getinfo(q->easy, CURLINFO_CONTENT_TYPE, &type);
	if (type != NULL)
		(void)snprintf(q->type, sizeof q->type, "%s", type);
	if (code != CURLE_OK && q->words[0] == '\0')
		(void)snprintf(q->words, sizeof q->words, "%s", curl_easy_strerror(code));
	finish(q, error_of(q, code));
}

static void collect(void)
{
	struct CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(https.multi, &left)) != NULL) {
		CURLcode code = m->data.result;
		char *q = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &q);
		ended((struct query *)(void *)q, code);
	}
}

/* ---- libcurl's sockets and timer ---- */

static void act(curl_socket_t fd, int bits)
{
	int running;

	(void)curl_multi_socket_action(https.multi, fd, bits, &running);
	collect();
}

static void on_ready(uv_poll_t *h, int status, int events)
{
	struct watch *w = container_of(h, struct watch, poll);

	act(w->fd, status < 0 ? CURL_CSELECT_ERR
			      : ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
					((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_closed(uv_handle_t *h)
{
	struct watch *w = container_of((uv_poll_t *)(void *)h, struct watch, poll);

	xfree(&w);
}

static struct watch *watch_new(curl_socket_t fd)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->fd = fd;
	if (uv_poll_init(loop_uv(loop_current()), &w->poll, fd) != 0)
		xfree(&w);
	return w;
}

static int on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg UNUSED, void *old)
{
	struct watch *w = old;
	int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
		     ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);

	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			uv_close((uv_handle_t *)&w->poll, on_closed);
		(void)curl_multi_assign(https.multi, fd, NULL);
		return 0;
	}
	if (w == NULL)
		w = watch_new(fd);
	if (w == NULL)
		return -1;
	(void)curl_multi_assign(https.multi, fd, w);
	return uv_poll_start(&w->poll, events, on_ready) == 0 ? 0 : -1;
}

static void on_time(struct timer *t UNUSED)
{
	act(CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi UNUSED, long ms, void *arg UNUSED)
{
	timer_set(&https.timer, ms < 0 ? NO_DEADLINE : deadline_in(ms));
	return 0;
}

/* ---- one question at libcurl ---- */

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
	struct query *q = arg;

	q->body_bytes += one * n;
	q->too_big = q->too_big || q->body_bytes > q->body_max;
	if (!q->too_big && q->content == NULL)
		buf_put(&q->body, slice(p, one * n));
	return q->too_big ? 0 : one * n;
}

static size_t on_header(char *p UNUSED, size_t one, size_t n, void *arg)
{
	struct query *q = arg;

	q->header_bytes += one * n;
	q->too_big = q->too_big || q->header_bytes > HTTPS_HEADER_MAX;
	return q->too_big ? 0 : one * n;
}

static CURLcode on_ssl_ctx(CURL *easy UNUSED, void *ssl_ctx, void *arg UNUSED)
{
	tls_ctx_share_trust(https.conf.tls, ssl_ctx);
	return CURLE_OK;
}

static bool set_transport(struct query *q)
{
	CURL *c = q->easy;

	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_RESOLVE, q->addrs) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)q->ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) == CURLE_OK;
}

static bool set_question(struct query *q)
{
	CURL *c = q->easy;

	return curl_easy_setopt(c, CURLOPT_URL, q->url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, q) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, q) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERDATA, q) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, q->words) == CURLE_OK;
}

static bool add_field(struct query *q, const char *field)
{
	struct curl_slist *all = curl_slist_append(q->fields, field);

	if (all != NULL)
		q->fields = all;
	return all != NULL;
}

/* libcurl has a copy of what is posted: an asker may leave. Nobody is asked whether he wants it. */
static bool set_content(struct query *q)
{
	const struct https_content *k = q->content;
	char type[FIELD_SIZE];
	CURL *c = q->easy;

	if (k == NULL)
		return true;
	return snprintf(type, sizeof type, "Content-Type: %s", k->type) < (int)sizeof type &&
	       add_field(q, type) && add_field(q, "Expect:") &&
	       curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, q->fields) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)k->bytes.n) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, k->bytes.n != 0 ? k->bytes.p : "") ==
		       CURLE_OK;
}

/* On the loop's own stack. */
static void begin(void *arg)
{
	struct query *q = arg;

	if (q->left)
		return;
	if (https.multi == NULL) {
		finish(q, E_RETRY);
		return;
	}
	q->easy = curl_easy_init();
	q->addrs = curl_slist_append(NULL, q->resolve);
	if (q->easy == NULL || q->addrs == NULL || !set_transport(q) || !set_question(q) ||
	    !set_content(q) || curl_multi_add_handle(https.multi, q->easy) != CURLM_OK)
		finish(q, E_RETRY);
}

/* The last one to know of a question whose asker has left. */
static void leave(void *arg)
{
	struct query *q = arg;

	if (!q->over)
		finish(q, E_CANCELLED);
	query_free(q);
}

/* ---- asking ---- */

/* "+host:port:address,address": for a while only. */
static bool put_addrs(const struct https_ask *ask, const struct dns_addrs_answer *a, char *out)
{
	char ip[IPADDR_STR];
	struct buf b;
	bool fits;

	buf_init(&b, RESOLVE_SIZE - 1, NULL);
	buf_printf(&b, "+%.*s:%u:", (int)ask->host.n, ask->host.p, (unsigned)https.conf.port);
	for (size_t i = 0; i < a->n; i++) {
		const char *text = ipaddr_str(&a->list[i], ip);

		buf_printf(&b, strchr(text, ':') != NULL ? "%s[%s]" : "%s%s", i != 0 ? "," : "",
			   text);
	}
	fits = !buf_failed(&b) && slice_to_str(buf_slice(&b), out, RESOLVE_SIZE);
	buf_fini(&b);
	return fits;
}

WAITS static enum err find_host(const struct https_ask *ask, struct arena *mem, int64_t deadline_ms,
				struct query *q, struct diag *d)
{
	struct dns_addrs_answer a;
	enum err e = dns_addrs(ask->host, mem, deadline_ms, &a);

	if (e != E_OK)
		return diag_set(d, e, "no name of a host");
	if (a.a.status != DNS_OK || a.n == 0)
		return diag_set(d,
				a.a.status == DNS_TEMPFAIL || a.a.status == DNS_BOGUS ? E_RETRY
										      : E_NOT_FOUND,
				"its address: %s", dns_status_name(a.a.status));
	return put_addrs(ask, &a, q->resolve) &&
			       snprintf(q->url, sizeof q->url, "https://%.*s:%u%s",
					(int)ask->host.n, ask->host.p, (unsigned)https.conf.port,
					ask->path) < (int)sizeof q->url
		       ? E_OK
		       : diag_set(d, E_INVALID, "too long a name");
}

static void take_answer(const struct query *q, struct arena *mem, struct https_answer *out)
{
	slice_t type = slice_str(q->type);

	*out = (struct https_answer){
		.status = (unsigned)q->status,
		.type = arena_dup(mem, slice_trim(slice_sub(type, 0, slice_find_char(type, ';')))),
		.body = arena_dup(mem, buf_slice(&q->body)),
	};
}

WAITS static enum err ask_it(struct query *q, const struct https_ask *ask, struct arena *mem,
			     int64_t deadline_ms, struct https_answer *out, struct diag *d)
{
	enum err e = find_host(ask, mem, deadline_ms, q, d);

	q->ms = MAX(deadline_ms - clock_mono_ms(), (int64_t)1);
	if (e != E_OK) {
		query_free(q);
		return e;
	}
	loop_post(loop_current(), begin, q);
	e = event_wait(&q->done, "https.answer", deadline_in(q->ms + LATE_MS));
	if (e != E_OK) {
		q->left = true;
		loop_post(loop_current(), leave, q);
		return diag_set(d, e, "no answer in time");
	}
	e = q->result;
	if (e == E_OK)
		take_answer(q, mem, out);
	else
		(void)diag_set(d, e, "%s", q->words);
	query_free(q);
	return e;
}

WAITS static enum err ask_site(const struct https_ask *ask, const struct https_content *content,
			       struct arena *mem, int64_t deadline_ms, struct https_answer *out,
			       struct diag *d)
{
	struct query *q;
	enum err e;

	while (https.multi != NULL && https.flight >= HTTPS_FLIGHT_MAX) {
		e = waitq_wait(&https.room, "https.room", deadline_ms);
		if (e != E_OK)
			return diag_set(d, e, "too many questions");
	}
	if (https.multi == NULL)
		return diag_set(d, E_RETRY, "not started");
	q = xcalloc(1, sizeof *q);
	list_init(&q->node);
	list_append(&https.queries, &q->node);
	https.flight++;
	event_init(&q->done);
	q->content = content;
	q->body_max = ask->body_max;
	buf_init(&q->body, ask->body_max, NULL);
	metric_add(&m_asked, 1);
	e = ask_it(q, ask, mem, deadline_ms, out, d);
	if (e != E_OK)
		metric_add(&m_failed, 1);
	return e;
}

WAITS enum err https_get(const struct https_ask *ask, struct arena *mem, int64_t deadline_ms,
			 struct https_answer *out, struct diag *d)
{
	return ask_site(ask, NULL, mem, deadline_ms, out, d);
}

WAITS enum err https_post(const struct https_ask *ask, const struct https_content *content,
			  struct arena *mem, int64_t deadline_ms, struct https_answer *out,
			  struct diag *d)
{
	return ask_site(ask, content, mem, deadline_ms, out, d);
}

/* ---- start and stop ---- */

WAITS static void run_on_loop(void (*fn)(void *arg))
{
	struct event done;
	enum err e;

	event_init(&done);
	loop_post(loop_current(), fn, &done);
	fiber_shield_begin(); /* what was posted has our stack */
	e = event_wait(&done, "https.loop", NO_DEADLINE);
	fiber_shield_end();
	invariant(e == E_OK);
}

static void start(void *done)
{
	CURLM *m;

	invariant(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	m = curl_multi_init();
	invariant(m != NULL);
	invariant(curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		  curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timeout) == CURLM_OK);
	https.multi = m;
	event_set(done);
}

WAITS void https_start(const struct https_conf *conf)
{
	invariant(https.multi == NULL);
	https.conf = *conf;
	timer_init(&https.timer, on_time);
	waitq_init(&https.room);
	run_on_loop(start);
}

static void stop(void *done)
{
	list_for_each_safe(i, &https.queries) {
		struct query *q = list_entry(i, struct query, node);

		if (q->easy != NULL)
			finish(q, E_RETRY);
	}
	(void)curl_multi_cleanup(https.multi);
	https.multi = NULL;
	timer_clear(&https.timer);
	curl_global_cleanup();
	event_set(done);
}

WAITS void https_stop(void)
{
	if (https.multi != NULL)
		run_on_loop(stop);
}
