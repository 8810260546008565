#include "frontend/outbound/smtp_offer.h"

#include "common/base/num.h"
#include "common/parse/cursor.h"
#include "frontend/outbound/smtp_answer.h"

#define BY_MIN_MAX 999999999 /* RFC 2852 section 4: nine digits */

static void take_size(struct smtp_offer *o, slice_t args);
static void take_limits(struct smtp_offer *o, slice_t args);
static void take_auth(struct smtp_offer *o, slice_t args);
static void take_by(struct smtp_offer *o, slice_t args);

static const struct {
	slice_t keyword;
	enum smtp_extension bit;
	void (*args)(struct smtp_offer *o, slice_t args); /* NULL: there are none */
} extensions[] = {
	{SL("PIPELINING"), SMTP_EXT_PIPELINING, NULL},
	{SL("SIZE"), SMTP_EXT_SIZE, take_size},
	{SL("8BITMIME"), SMTP_EXT_8BITMIME, NULL},
	{SL("SMTPUTF8"), SMTP_EXT_SMTPUTF8, NULL},
	{SL("CHUNKING"), SMTP_EXT_CHUNKING, NULL},
	{SL("BINARYMIME"), SMTP_EXT_BINARYMIME, NULL},
	{SL("DSN"), SMTP_EXT_DSN, NULL},
	{SL("REQUIRETLS"), SMTP_EXT_REQUIRETLS, NULL},
	{SL("ENHANCEDSTATUSCODES"), SMTP_EXT_STATUS, NULL},
	{SL("STARTTLS"), SMTP_EXT_STARTTLS, NULL},
	{SL("LIMITS"), SMTP_EXT_LIMITS, take_limits},
	{SL("AUTH"), SMTP_EXT_AUTH, take_auth},
	{SL("DELIVERBY"), SMTP_EXT_DELIVERBY, take_by},
	{SL("MT-PRIORITY"), SMTP_EXT_PRIORITY, NULL},
};

static const struct {
	slice_t name;
	enum smtp_mech bit;
} mechs[] = {
	{SL("PLAIN"), SMTP_MECH_PLAIN},
	{SL("LOGIN"), SMTP_MECH_LOGIN},
	{SL("SCRAM-SHA-256"), SMTP_MECH_SCRAM_SHA_256},
	{SL("GSSAPI"), SMTP_MECH_GSSAPI},
};

static bool next_word(struct cursor *c, slice_t *out)
{
	cur_skip(c, CC_WSP);
	return cur_span(c, CC_VCHAR, SMTP_ANSWER_LINE_MAX, out);
}

/* Without a number there is no limit that we could know (RFC 1870 section 4). */
static void take_size(struct smtp_offer *o, slice_t args)
{
	if (!num_parse(slice_trim(args), UINT64_MAX, &o->size_max))
		o->size_max = 0;
}

static void take_auth(struct smtp_offer *o, slice_t args)
{
	struct cursor c = cursor(args);
	slice_t word;

	while (next_word(&c, &word))
		for (size_t i = 0; i < ARRAY_LEN(mechs); i++)
			if (slice_ieq(word, mechs[i].name))
				o->mechs |= (uint32_t)mechs[i].bit;
}

/* min-by-time (RFC 2852 section 4); what is none says nothing. */
static void take_by(struct smtp_offer *o, slice_t args)
{
	uint64_t n;

	o->by_min = num_parse(slice_trim(args), BY_MIN_MAX, &n) ? (unsigned)n : 0;
}

/* limits-param = name "=" value (RFC 9422 section 4); what we do not know is passed over. */
static void take_limits(struct smtp_offer *o, slice_t args)
{
	struct cursor c = cursor(args);
	slice_t word;

	while (next_word(&c, &word)) {
		size_t eq = slice_find_char(word, '=');
		slice_t name = slice_sub(word, 0, eq);
		uint64_t n;

		if (!num_parse(slice_from(word, eq + 1), 999999, &n) || n == 0)
			continue;
		if (slice_ieq(name, SL("RCPTMAX")))
			o->rcpt_max = (unsigned)n;
		else if (slice_ieq(name, SL("MAILMAX")))
			o->mail_max = (unsigned)n;
		else if (slice_ieq(name, SL("RCPTDOMAINMAX")))
			o->rcpt_domain_max = (unsigned)n;
	}
}

void smtp_offer_name(slice_t text, char out[SMTP_PEER_NAME_MAX + 1])
{
	struct cursor c = cursor(text);
	slice_t word;

	out[0] = '\0';
	if (cur_span(&c, CC_VCHAR, SMTP_PEER_NAME_MAX, &word) &&
	    !slice_to_str(word, out, SMTP_PEER_NAME_MAX + 1))
		out[0] = '\0';
}

void smtp_offer_line(struct smtp_offer *o, unsigned line, slice_t text)
{
	struct cursor c = cursor(text);
	slice_t word;

	if (line == 0) {
		smtp_offer_name(text, o->name);
		return;
	}
	if (!next_word(&c, &word))
		return;
	/* "AUTH=PLAIN LOGIN", for clients older than RFC 2554, is said beside the real line. */
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
		if (!slice_ieq(word, extensions[i].keyword))
			continue;
		o->has |= (uint32_t)extensions[i].bit;
		if (extensions[i].args != NULL)
			extensions[i].args(o, cur_rest(&c));
	}
}
