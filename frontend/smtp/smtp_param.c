#include "frontend/smtp/smtp_param.h"

#include "common/base/num.h"
#include "common/parse/date.h"

/* RFC 4865 section 3: future-release-integer has up to nine digits. */
#define HOLD_FOR_MAX 999999999
/* RFC 2852 section 4: by-time has up to nine digits. */
#define BY_TIME_MAX  999999999

/* size-value (RFC 1870 section 4): 1*20DIGIT. What 64 bits do not hold is only too big. */
static enum smtp_say take_size(slice_t v, struct smtp_mail_args *out)
{
	if (v.n > 20)
		return SAY_SYNTAX;
	if (num_parse(v, UINT64_MAX, &out->size))
		return SAY_NOTHING;
	for (size_t i = 0; i < v.n; i++) {
		if (!cclass(v.p[i], CC_DIGIT))
			return SAY_SYNTAX;
	}
	out->size = UINT64_MAX;
	return v.n == 20 ? SAY_NOTHING : SAY_SYNTAX;
}

/* body-value (RFC 6152 section 2, RFC 3030 section 3). */
static enum smtp_say take_body(slice_t v, struct smtp_mail_args *out)
{
	out->body_8bit = slice_ieq(v, SL("8BITMIME"));
	out->body_binary = slice_ieq(v, SL("BINARYMIME"));
	return out->body_8bit || out->body_binary || slice_ieq(v, SL("7BIT")) ? SAY_NOTHING
									      : SAY_PARAMETER;
}

static enum smtp_say take_utf8(slice_t v UNUSED, struct smtp_mail_args *out)
{
	out->utf8 = true;
	return SAY_NOTHING;
}

static enum smtp_say take_requiretls(slice_t v UNUSED, struct smtp_mail_args *out)
{
	out->requiretls = true;
	return SAY_NOTHING;
}

static enum smtp_say take_ret(slice_t v, struct smtp_mail_args *out)
{
	out->ret = slice_ieq(v, SL("FULL")) ? RET_FULL : slice_ieq(v, SL("HDRS")) ? RET_HDRS : 0;
	return out->ret != 0 ? SAY_NOTHING : SAY_SYNTAX;
}

static enum smtp_say take_envid(slice_t v, struct smtp_mail_args *out)
{
	return v.n <= SMTP_ENVID_MAX && smtp_xtext_decode(v, out->envid, &out->envid_n)
		       ? SAY_NOTHING
		       : SAY_SYNTAX;
}

/* RFC 4954 section 5: checked, and of no effect: we trust no peer's word. */
static enum smtp_say take_auth(slice_t v, struct smtp_mail_args *out UNUSED)
{
	char auth[SMTP_VALUE_MAX];
	size_t n;

	return slice_eq(v, SL("<>")) || smtp_xtext_decode(v, auth, &n) ? SAY_NOTHING : SAY_SYNTAX;
}

/* future-release-integer (RFC 4865 section 3): no leading zero. */
static enum smtp_say take_hold_for(slice_t v, struct smtp_mail_args *out)
{
	uint64_t n;

	if (out->hold != HOLD_NONE || v.n == 0 || v.p[0] == '0' || !num_parse(v, HOLD_FOR_MAX, &n))
		return SAY_SYNTAX;
	out->hold = HOLD_FOR;
	out->hold_s = (int64_t)n;
	return SAY_NOTHING;
}

/* date-time of RFC 3339 (erratum 2040 of RFC 4865). */
static enum smtp_say take_hold_until(slice_t v, struct smtp_mail_args *out)
{
	struct date d;

	if (out->hold != HOLD_NONE || !date_parse_rfc3339(v, &d))
		return SAY_SYNTAX;
	out->hold = HOLD_UNTIL;
	out->hold_s = d.utc_s;
	return SAY_NOTHING;
}

/* by-value (RFC 2852 section 4): by-time ";" by-mode [by-trace]. What is to be returned must have
 * time left. */
static enum smtp_say take_by(slice_t v, struct smtp_mail_args *out)
{
	size_t semicolon = slice_find_char(v, ';');
	slice_t time = slice_sub(v, 0, semicolon), mode = slice_from(v, semicolon + 1);
	bool minus = slice_starts(time, SL("-"));
	uint64_t n;

	if (minus || slice_starts(time, SL("+")))
		time = slice_from(time, 1);
	if (time.n > 9 || !num_parse(time, BY_TIME_MAX, &n) || mode.n < 1 || mode.n > 2)
		return SAY_SYNTAX;
	out->by_s = minus ? -(int32_t)n : (int32_t)n;
	out->by = slice_ieq(slice_sub(mode, 0, 1), SL("R"))   ? BY_RETURN
		  : slice_ieq(slice_sub(mode, 0, 1), SL("N")) ? BY_NOTIFY
							      : 0;
	if (out->by == 0 || (out->by == BY_RETURN && out->by_s <= 0))
		return SAY_SYNTAX;
	if (mode.n == 1)
		return SAY_NOTHING;
	out->by |= BY_TRACE;
	return slice_ieq(slice_from(mode, 1), SL("T")) ? SAY_NOTHING : SAY_SYNTAX;
}

/* priority-value (RFC 6710 section 3): "-" and 1 to 9, or 0 to 9. */
static enum smtp_say take_priority(slice_t v, struct smtp_mail_args *out)
{
	bool minus = slice_starts(v, SL("-"));
	slice_t digit = slice_from(v, minus);

	if (digit.n != 1 || !cclass(digit.p[0], CC_DIGIT) || (minus && digit.p[0] == '0'))
		return SAY_SYNTAX;
	out->has_priority = true;
	out->priority = minus ? '0' - digit.p[0] : digit.p[0] - '0';
	return SAY_NOTHING;
}

enum value { VALUE_NONE, VALUE };

static const struct {
	slice_t name;
	enum value value;
	enum smtp_say (*take)(slice_t v, struct smtp_mail_args *out);
} params[] = {
	{SL("SIZE"), VALUE, take_size},
	{SL("BODY"), VALUE, take_body},
	{SL("SMTPUTF8"), VALUE_NONE, take_utf8},
	{SL("RET"), VALUE, take_ret},
	{SL("ENVID"), VALUE, take_envid},
	{SL("AUTH"), VALUE, take_auth},
	{SL("REQUIRETLS"), VALUE_NONE, take_requiretls},
	{SL("HOLDFOR"), VALUE, take_hold_for},
	{SL("HOLDUNTIL"), VALUE, take_hold_until},
	{SL("BY"), VALUE, take_by},
	{SL("MT-PRIORITY"), VALUE, take_priority},
};

enum smtp_say smtp_param_mail(const struct smtp_param *p, struct smtp_mail_args *out,
			      unsigned *seen)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		if (!slice_ieq(p->key, params[i].name))
			continue;
		if ((*seen & 1u << i) || p->has_value != (params[i].value == VALUE))
			return SAY_SYNTAX;
		*seen |= 1u << i;
		return params[i].take(p->value, out);
	}
	return SAY_PARAMETER;
}
