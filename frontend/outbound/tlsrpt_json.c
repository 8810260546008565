#include "frontend/outbound/tlsrpt_json.h"

#include <jansson.h>
#include <stdio.h>
#include <zlib.h>

#include "common/base/civil.h"
#include "frontend/rpc/call_tls.h"
#include "proto/tls_results.h"

#define GZIP_WINDOW (15 + 16) /* zlib's way of asking for RFC 1952 */
#define GZIP_MEMORY 8
#define DATE_SIZE   32

/* jansson's calls take their second reference over, and refuse a NULL. */

static json_t *text(slice_t s)
{
	return json_stringn(s.n != 0 ? s.p : "", s.n);
}

static bool set(json_t *o, const char *name, json_t *value)
{
	return json_object_set_new(o, name, value) == 0;
}

static bool set_if(json_t *o, const char *name, slice_t s)
{
	return s.n == 0 || set(o, name, text(s));
}

static bool set_count(json_t *o, const char *name, uint64_t n)
{
	return set(o, name, json_integer((json_int_t)MIN(n, (uint64_t)INT64_MAX)));
}

/* RFC 3339. */
static json_t *date(int64_t s)
{
	char out[DATE_SIZE];
	struct civil c;

	civil_of(s, &c);
	(void)snprintf(out, sizeof out, "%04d-%02u-%02uT%02u:%02u:%02uZ", c.year, c.month, c.day,
		       c.hour, c.min, c.sec);
	return json_string(out);
}

/* The lines of a policy's text; with a key: what stands behind it on those that begin so. */
static json_t *lines(slice_t all, slice_t key)
{
	json_t *list = json_array();
	bool ok = list != NULL;

	while (ok && all.n != 0) {
		size_t end = slice_find_char(all, '\n');
		slice_t line = slice_sub(all, 0, end);

		all = slice_from(all, end + 1);
		if (slice_starts(line, key))
			ok = json_array_append_new(list, text(slice_from(line, key.n))) == 0;
	}
	if (!ok)
		json_decref(list);
	return ok ? list : NULL;
}

static json_t *policy_json(const struct tls_report *r, const struct tls_report_policy *p)
{
	json_t *o = json_object();
	bool ok = set(o, "policy-type", json_string(tls_policy_type_name(p->type))) &&
		  set(o, "policy-domain", text(r->domain));

	if (ok && p->policy.n != 0)
		ok = set(o, "policy-string", lines(p->policy, SLICE_NONE));
	if (ok && p->policy.n != 0 && p->type == TLS_POLICY_STS)
		ok = set(o, "mx-host", lines(p->policy, SL("mx: ")));
	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

static json_t *summary_json(const struct tls_report_policy *p)
{
	json_t *o = json_object();
	bool ok = set_count(o, "total-successful-session-count", p->successes) &&
		  set_count(o, "total-failure-session-count", p->failures);

	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

static json_t *failure_json(const struct tls_sessions *d)
{
	json_t *o = json_object();
	bool ok = set(o, "result-type", json_string(tls_result_name(d->result))) &&
		  set_if(o, "sending-mta-ip", d->local) &&
		  set_if(o, "receiving-mx-hostname", d->host) &&
		  set_if(o, "receiving-ip", d->remote) &&
		  set_count(o, "failed-session-count", d->count) &&
		  set_if(o, "failure-reason-code", d->why);

	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

static json_t *part_json(const struct tls_report *r, const struct tls_report_policy *p)
{
	json_t *o = json_object(), *failures = json_array();
	bool ok = set(o, "policy", policy_json(r, p)) && set(o, "summary", summary_json(p));

	for (size_t i = 0; ok && i < p->n; i++)
		ok = json_array_append_new(failures, failure_json(&p->details[i])) == 0;
	if (ok && p->n != 0)
		ok = json_object_set(o, "failure-details", failures) == 0;
	json_decref(failures);
	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

static json_t *report_json(const struct tls_report *r)
{
	json_t *o = json_object(), *range = json_object(), *parts = json_array();
	/* The range ends with its last second. */
	bool ok = set(range, "start-datetime", date(r->from_s)) &&
		  set(range, "end-datetime", date(MAX(r->to_s - 1, r->from_s))) &&
		  set(o, "organization-name", text(r->organization)) &&
		  json_object_set(o, "date-range", range) == 0 &&
		  set(o, "contact-info", text(r->contact)) &&
		  set(o, "report-id", text(r->report_id));

	for (size_t i = 0; ok && i < r->n; i++)
		ok = json_array_append_new(parts, part_json(r, &r->policies[i])) == 0;
	ok = ok && json_object_set(o, "policies", parts) == 0;
	json_decref(range);
	json_decref(parts);
	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

enum err tlsrpt_json(const struct tls_report *r, struct buf *out)
{
	json_t *o = report_json(r);
	size_t n;
	char *to;

	if (o == NULL)
		return E_INVALID;
	n = json_dumpb(o, NULL, 0, JSON_INDENT(1));
	to = n <= TLSRPT_JSON_MAX ? buf_reserve(out, n) : NULL;
	if (to != NULL) {
		invariant(json_dumpb(o, to, n, JSON_INDENT(1)) == n);
		buf_commit(out, n);
	}
	json_decref(o);
	return to != NULL ? E_OK : E_TOO_BIG;
}

enum err tlsrpt_gzip(slice_t in, struct buf *out)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in.p, .avail_in = (unsigned)in.n};
	size_t room;
	char *to;
	int rc;

	invariant(in.n <= TLSRPT_JSON_MAX);
	if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return E_LIMIT;
	room = deflateBound(&z, (unsigned long)in.n);
	to = buf_reserve(out, room);
	if (to == NULL) {
		(void)deflateEnd(&z);
		return E_TOO_BIG;
	}
	z.next_out = (unsigned char *)to;
	z.avail_out = (unsigned)room;
	rc = deflate(&z, Z_FINISH);
	buf_commit(out, room - z.avail_out);
	(void)deflateEnd(&z);
	return rc == Z_STREAM_END ? E_OK : E_INTERNAL;
}
