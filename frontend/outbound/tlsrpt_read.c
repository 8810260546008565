#include "frontend/outbound/tlsrpt_read.h"

#include <stdlib.h>

#include "common/base/civil.h"
#include "common/base/num.h"
#include "common/parse/json.h"
#include "frontend/rpc/call_tls.h"

#define DAY_S      (24 * 3600)
#define NUMBER_MAX 63 /* characters of a number that are looked at; real ones have ten */

/* A policy of the report, as it is read; what does not fit sets `bad`. */
struct reading {
	struct json j;
	struct tls_received *out;
	struct tls_received_policy policy;
	uint64_t failures; /* that its summary says */
	bool bad;
};

/* ---- values ---- */

/* The next member of an object, or element of an array; false at its end. */
static bool next(struct reading *r, struct json_token *t)
{
	enum json_kind kind = json_next(&r->j, t);

	r->bad = r->bad || kind == JSON_BAD;
	return kind != JSON_END && !r->bad;
}

static bool is_key(const struct json_token *t, const char *key, enum json_kind kind)
{
	return t->kind == kind && slice_eq(t->key, slice_str(key));
}

/* A text without control characters. */
static bool take_text(const struct json_token *t, char *out, size_t size)
{
	struct buf b;
	bool ok;

	buf_init(&b, size, NULL);
	ok = json_unescape(t->text, &b) && slice_to_str(buf_slice(&b), out, size);
	for (size_t i = 0; ok && i < b.n; i++)
		ok = (unsigned char)b.p[i] >= 0x20 && b.p[i] != 0x7f;
	buf_fini(&b);
	return ok;
}

/* Any number (RFC 8259 section 6), cut to what a count may be: whole, not below 0, not above the
 * bound. Digits that no count needs are not looked at. */
static uint64_t count_of(const struct json_token *t)
{
	char room[NUMBER_MAX + 1];
	double v = 0;

	if (slice_to_str(slice_sub(t->text, 0, NUMBER_MAX), room, sizeof room))
		v = strtod(room, NULL);
	return v > 0 ? (uint64_t)MIN(v, (double)TLS_RECEIVED_COUNT_MAX) : 0;
}

static bool take_digits(slice_t *in, size_t n, char after, unsigned *out)
{
	uint64_t v;

	if (in->n < n || !num_parse(slice_sub(*in, 0, n), UINT16_MAX, &v))
		return false;
	*out = (unsigned)v;
	*in = slice_from(*in, n);
	if (after == '\0')
		return true;
	if (in->n == 0 || ascii_lower(in->p[0]) != after)
		return false;
	*in = slice_from(*in, 1);
	return true;
}

/* time-offset (RFC 3339 section 5.6), in seconds. */
static bool take_offset(slice_t in, int64_t *out)
{
	unsigned hour, min;
	bool west = slice_starts(in, SL("-"));

	*out = 0;
	if (slice_ieq(in, SL("Z")))
		return true;
	if (!west && !slice_starts(in, SL("+")))
		return false;
	in = slice_from(in, 1);
	if (!take_digits(&in, 2, ':', &hour) || !take_digits(&in, 2, '\0', &min) || in.n != 0 ||
	    hour > 23 || min > 59)
		return false;
	*out = (int64_t)(hour * 3600 + min * 60) * (west ? -1 : 1);
	return true;
}

/* date-time (RFC 3339 section 5.6); a fraction is cut off. */
static bool take_time(slice_t in, int64_t *out)
{
	unsigned year, month, day, hour, min, sec;
	int64_t offset;

	if (!take_digits(&in, 4, '-', &year) || !take_digits(&in, 2, '-', &month) ||
	    !take_digits(&in, 2, 't', &day) || !take_digits(&in, 2, ':', &hour) ||
	    !take_digits(&in, 2, ':', &min) || !take_digits(&in, 2, '\0', &sec) || hour > 23 ||
	    min > 59 || sec > 60 || !civil_valid((int)year, month, day))
		return false;
	if (slice_starts(in, SL("."))) {
		in = slice_from(in, 1);
		while (in.n != 0 && in.p[0] >= '0' && in.p[0] <= '9')
			in = slice_from(in, 1);
	}
	if (!take_offset(in, &offset))
		return false;
	*out = (int64_t)civil_days((int)year, month, day) * DAY_S + hour * 3600 + min * 60 + sec -
	       offset;
	return true;
}

/* ---- parts of the report (RFC 8460 section 4.4) ---- */

static void read_range(struct reading *r)
{
	struct json_token t;

	while (next(r, &t)) {
		if (is_key(&t, "start-datetime", JSON_STRING))
			r->bad = !take_time(t.text, &r->out->from_s);
		else if (is_key(&t, "end-datetime", JSON_STRING))
			r->bad = !take_time(t.text, &r->out->to_s);
		else
			json_skip(&r->j, &t);
	}
}

/* A name that is none leaves the policy without one. */
static void read_policy(struct reading *r)
{
	struct json_token t;

	while (next(r, &t)) {
		if (is_key(&t, "policy-type", JSON_STRING))
			r->policy.type = tls_policy_type_parse(t.text);
		else if (!is_key(&t, "policy-domain", JSON_STRING))
			json_skip(&r->j, &t);
		else if (domain_normalise(t.text, r->policy.domain) != E_OK)
			r->policy.domain[0] = '\0';
	}
}

static void read_summary(struct reading *r)
{
	struct json_token t;

	while (next(r, &t)) {
		if (is_key(&t, "total-successful-session-count", JSON_NUMBER))
			r->policy.counts[TLS_RESULT_OK] = count_of(&t);
		else if (is_key(&t, "total-failure-session-count", JSON_NUMBER))
			r->failures = count_of(&t);
		else
			json_skip(&r->j, &t);
	}
}

static void read_detail(struct reading *r)
{
	enum tls_result result = TLS_RESULT_OTHER;
	struct json_token t;
	uint64_t count = 0;

	while (next(r, &t)) {
		if (is_key(&t, "result-type", JSON_STRING))
			result = tls_result_parse(t.text);
		else if (is_key(&t, "failed-session-count", JSON_NUMBER))
			count = count_of(&t);
		else
			json_skip(&r->j, &t);
	}
	r->policy.counts[result] =
		MIN(r->policy.counts[result] + count, (uint64_t)TLS_RECEIVED_COUNT_MAX);
}

static void read_details(struct reading *r)
{
	struct json_token t;

	while (next(r, &t)) {
		if (t.kind == JSON_OBJECT)
			read_detail(r);
		else
			json_skip(&r->j, &t);
	}
}

/* Failures of which no detail tells are of a kind that is not said. */
static void end_policy(struct reading *r)
{
	struct tls_received_policy *to = NULL, *p = &r->policy;
	uint64_t told = 0;

	for (size_t i = TLS_RESULT_OK + 1; i < ARRAY_LEN(p->counts); i++)
		told += p->counts[i];
	if (r->failures > told)
		p->counts[TLS_RESULT_OTHER] = MIN(p->counts[TLS_RESULT_OTHER] + r->failures - told,
						  (uint64_t)TLS_RECEIVED_COUNT_MAX);
	if (p->domain[0] == '\0')
		return;
	for (size_t i = 0; i < r->out->n; i++) {
		struct tls_received_policy *o = &r->out->policies[i];

		if (o->type == p->type && strcmp(o->domain, p->domain) == 0)
			to = o;
	}
	if (to == NULL && r->out->n == TLS_RECEIVED_POLICIES_MAX) {
		r->bad = true;
		return;
	}
	if (to == NULL) {
		r->out->policies[r->out->n++] = *p;
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(p->counts); i++)
		to->counts[i] = MIN(to->counts[i] + p->counts[i], (uint64_t)TLS_RECEIVED_COUNT_MAX);
}

static void read_one(struct reading *r)
{
	struct json_token t;

	r->policy = (struct tls_received_policy){.type = TLS_POLICY_UNTOLD};
	r->failures = 0;
	while (next(r, &t)) {
		if (is_key(&t, "policy", JSON_OBJECT))
			read_policy(r);
		else if (is_key(&t, "summary", JSON_OBJECT))
			read_summary(r);
		else if (is_key(&t, "failure-details", JSON_ARRAY))
			read_details(r);
		else
			json_skip(&r->j, &t);
	}
	if (!r->bad)
		end_policy(r);
}

static void read_policies(struct reading *r)
{
	struct json_token t;

	while (next(r, &t)) {
		if (t.kind == JSON_OBJECT)
			read_one(r);
		else
			json_skip(&r->j, &t);
	}
}

static void read_report(struct reading *r)
{
	struct tls_received *out = r->out;
	struct json_token t;

	while (next(r, &t)) {
		if (is_key(&t, "organization-name", JSON_STRING))
			r->bad = !take_text(&t, out->organization, sizeof out->organization);
		else if (is_key(&t, "report-id", JSON_STRING))
			r->bad = !take_text(&t, out->report_id, sizeof out->report_id);
		else if (is_key(&t, "date-range", JSON_OBJECT))
			read_range(r);
		else if (is_key(&t, "policies", JSON_ARRAY))
			read_policies(r);
		else
			json_skip(&r->j, &t);
	}
}

enum err tlsrpt_read(slice_t json, struct tls_received *out, struct diag *d)
{
	struct reading r = {.out = out};
	struct json_token t;

	*out = (struct tls_received){.n = 0};
	json_init(&r.j, json);
	if (json_next(&r.j, &t) != JSON_OBJECT)
		return diag_set(d, E_INVALID, "the report is no object of JSON");
	read_report(&r);
	if (r.bad || json_next(&r.j, &t) != JSON_OVER)
		return diag_set(d, E_INVALID, "the report is not as RFC 8460 has it");
	if (out->organization[0] == '\0' || out->report_id[0] == '\0')
		return diag_set(d, E_INVALID, "the report does not say whose it is, or has no id");
	if (out->from_s >= out->to_s)
		return diag_set(d, E_INVALID, "the report does not say of which time it is");
	return E_OK;
}
