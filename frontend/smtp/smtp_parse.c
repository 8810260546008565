#include "frontend/smtp/smtp_parse.h"

#include "common/base/utf8.h"
#include "common/parse/uaddr.h"
#include "frontend/smtp/smtp_param.h"

#define KEYWORD_MAX 32

/* esmtp-param (RFC 5321 section 4.1.2), after its space. */
static bool take_param(struct cursor *c, struct smtp_param *out)
{
	if (!cur_is(c, CC_ALPHA | CC_DIGIT) ||
	    !cur_span(c, CC_ALPHA | CC_DIGIT | CC_LDH, KEYWORD_MAX, &out->key))
		return false;
	out->value = SLICE_NONE;
	out->has_value = cur_char(c, '=');
	if (!out->has_value)
		return true;
	return cur_span(c, CC_ESMTP_VALUE | CC_UTF8, SMTP_VALUE_MAX, &out->value) &&
	       utf8_valid(out->value);
}

static int hex_upper(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool smtp_xtext_decode(slice_t s, char *out, size_t *n_out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+') {
			int hi = i + 2 < s.n ? hex_upper(s.p[i + 1]) : -1;
			int lo = hi >= 0 ? hex_upper(s.p[i + 2]) : -1;

			if (lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
			/* RFC 3461 section 4.2: what it stands for is printable US-ASCII. */
			if (c != ' ' && !cclass(c, CC_VCHAR))
				return false;
		} else if (!cclass(c, CC_XCHAR)) {
			return false;
		}
		out[n++] = c;
	}
	*n_out = n;
	return true;
}

/* Spaces after the colon are common and harmless. */
static bool take_verb(struct cursor *c, slice_t verb)
{
	if (!cur_word(c, verb))
		return false;
	cur_skip(c, CC_WSP);
	return true;
}

/* After a path: the end, or one space at least before a parameter. */
static bool next_param(struct cursor *c, bool *bad)
{
	if (cur_end(c))
		return false;
	*bad = !cur_is(c, CC_WSP);
	cur_skip(c, CC_WSP);
	return !*bad && !cur_end(c);
}

enum smtp_say smtp_parse_mail(slice_t args, enum smtp_params allowed, struct smtp_mail_args *out)
{
	struct cursor c = cursor(args);
	unsigned seen = 0, n = 0;
	bool bad = false;

	memset(out, 0, sizeof *out);
	if (!take_verb(&c, SL("FROM:")))
		return SAY_SYNTAX;
	if (addr_take_reverse_path(&c, ADDR_SMTPUTF8, &out->from) != E_OK)
		return SAY_BAD_SENDER;
	while (next_param(&c, &bad)) {
		struct smtp_param p;
		enum smtp_say why;

		if (allowed == SMTP_NO_PARAMS || ++n > SMTP_PARAMS_MAX)
			return SAY_PARAMETER;
		if (!take_param(&c, &p))
			return SAY_SYNTAX;
		why = smtp_param_mail(&p, out, &seen);
		if (why != SAY_NOTHING)
			return why;
	}
	if (bad)
		return n > 0 ? SAY_SYNTAX : SAY_BAD_SENDER;
	return (out->from.flags & ADDR_UTF8) && !out->utf8 ? SAY_NEEDS_UTF8 : SAY_NOTHING;
}

/* NEVER, or a list of the others (RFC 3461 section 4.1). */
static enum smtp_say parse_notify(slice_t v, uint32_t *out)
{
	static const struct {
		slice_t word;
		uint32_t bit;
	} words[] = {
		{SL("SUCCESS"), NOTIFY_SUCCESS},
		{SL("FAILURE"), NOTIFY_FAILURE},
		{SL("DELAY"), NOTIFY_DELAY},
		{SL("NEVER"), NOTIFY_NEVER},
	};

	*out = 0;
	for (;;) {
		size_t comma = slice_find_char(v, ',');
		slice_t word = slice_sub(v, 0, comma);
		uint32_t bit = 0;

		for (size_t i = 0; i < ARRAY_LEN(words); i++) {
			if (slice_ieq(word, words[i].word))
				bit = words[i].bit;
		}
		if (bit == 0 || (*out & bit))
			return SAY_SYNTAX;
		*out |= bit;
		if (comma == v.n)
			break;
		v = slice_from(v, comma + 1);
	}
	return (*out & NOTIFY_NEVER) && *out != NOTIFY_NEVER ? SAY_SYNTAX : SAY_NOTHING;
}

/* As smtp_xtext_decode, for the type utf-8. */
static bool decode_unicode(slice_t s, char *out, size_t *n_out)
{
	struct buf b;
	bool ok;

	buf_init(&b, SMTP_ORCPT_MAX, NULL);
	ok = uaddr_decode(s, &b) && !buf_failed(&b);
	if (ok)
		memcpy(out, b.p, b.n);
	*n_out = b.n;
	buf_fini(&b);
	return ok;
}

/* addr-type ";" xtext (RFC 3461 section 4.2), or "utf-8;" utf-8-enc-addr (RFC 6533 section 3). */
static enum smtp_say parse_orcpt(slice_t v, struct smtp_rcpt_args *out)
{
	struct cursor c = cursor(v);
	slice_t type, rest;
	size_t n;

	if (v.n > SMTP_ORCPT_MAX || !cur_span(&c, CC_LDH, KEYWORD_MAX, &type) ||
	    !cur_char(&c, ';') || cur_end(&c))
		return SAY_SYNTAX;
	rest = cur_rest(&c);
	memcpy(out->orcpt, type.p, type.n);
	out->orcpt[type.n] = ';';
	if (slice_ieq(type, SL("utf-8")) ? !decode_unicode(rest, out->orcpt + type.n + 1, &n)
					 : !smtp_xtext_decode(rest, out->orcpt + type.n + 1, &n))
		return SAY_SYNTAX;
	out->orcpt_n = type.n + 1 + n;
	return SAY_NOTHING;
}

enum smtp_say smtp_parse_rcpt(slice_t args, enum smtp_params allowed, enum addr_charset cs,
			      struct smtp_rcpt_args *out)
{
	struct cursor c = cursor(args);
	bool bad = false;
	unsigned n = 0;

	memset(out, 0, sizeof *out);
	if (!take_verb(&c, SL("TO:")))
		return SAY_SYNTAX;
	if (addr_take_forward_path(&c, ADDR_SMTPUTF8, &out->to) != E_OK)
		return SAY_BAD_RCPT;
	while (next_param(&c, &bad)) {
		struct smtp_param p;
		enum smtp_say why;

		if (allowed == SMTP_NO_PARAMS || ++n > SMTP_PARAMS_MAX)
			return SAY_PARAMETER;
		if (!take_param(&c, &p))
			return SAY_SYNTAX;
		if (cs == ADDR_ASCII && !utf8_is_ascii(p.value)) /* RFC 6533 section 3 */
			why = SAY_NEEDS_UTF8;
		else if (slice_ieq(p.key, SL("NOTIFY")))
			why = out->notify != 0 ? SAY_SYNTAX : parse_notify(p.value, &out->notify);
		else if (slice_ieq(p.key, SL("ORCPT")))
			why = out->orcpt_n != 0 ? SAY_SYNTAX : parse_orcpt(p.value, out);
		else
			why = SAY_PARAMETER;
		if (why != SAY_NOTHING)
			return why;
	}
	if (bad)
		return n > 0 ? SAY_SYNTAX : SAY_BAD_RCPT;
	return (out->to.flags & ADDR_UTF8) && cs == ADDR_ASCII ? SAY_NEEDS_UTF8 : SAY_NOTHING;
}

enum smtp_say smtp_parse_helo(slice_t args, char out[SMTP_HELO_MAX + 1])
{
	for (size_t i = 0; i < args.n; i++) {
		char c = args.p[i];

		if (!cclass(c, CC_LETDIG | CC_LDH) && strchr("._:[]", c) == NULL)
			return SAY_SYNTAX;
	}
	return args.n > 0 && slice_to_str(args, out, SMTP_HELO_MAX + 1) ? SAY_NOTHING : SAY_SYNTAX;
}

enum smtp_say smtp_parse_etrn(slice_t args, struct smtp_etrn_args *out)
{
	size_t dot;

	out->what = SMTP_ETRN_NODE;
	if (slice_starts(args, SL("@")))
		out->what = SMTP_ETRN_BELOW;
	else if (slice_starts(args, SL("#")))
		out->what = SMTP_ETRN_QUEUE;
	args = slice_from(args, out->what != SMTP_ETRN_NODE);
	if (out->what == SMTP_ETRN_QUEUE && slice_eq(args, SL("*"))) {
		memcpy(out->node, "*", 2);
		return SAY_NOTHING;
	}
	dot = out->what == SMTP_ETRN_QUEUE && slice_starts(args, SL(".")) ? 1 : 0;
	out->node[0] = '.';
	return domain_normalise(slice_from(args, dot), out->node + dot) == E_OK ? SAY_NOTHING
										: SAY_SYNTAX;
}

enum smtp_say smtp_parse_atrn(slice_t args, struct smtp_atrn_args *out)
{
	out->n = 0;
	if (args.n == 0)
		return SAY_NOTHING;
	for (;;) {
		size_t n = slice_find_char(args, ',');

		if (out->n == SMTP_ATRN_DOMAINS_MAX ||
		    domain_normalise(slice_sub(args, 0, n), out->domains[out->n]) != E_OK)
			return SAY_SYNTAX;
		out->n++;
		if (n == args.n)
			return SAY_NOTHING;
		args = slice_from(args, n + 1);
	}
}

enum smtp_say smtp_parse_bdat(slice_t args, uint64_t *size_out, bool *last_out)
{
	struct cursor c = cursor(args);

	*last_out = false;
	if (!cur_number(&c, UINT64_MAX / 2, size_out))
		return SAY_SYNTAX;
	if (cur_end(&c))
		return SAY_NOTHING;
	if (!cur_is(&c, CC_WSP))
		return SAY_SYNTAX;
	cur_skip(&c, CC_WSP);
	*last_out = cur_word(&c, SL("LAST"));
	return *last_out && cur_end(&c) ? SAY_NOTHING : SAY_SYNTAX;
}
