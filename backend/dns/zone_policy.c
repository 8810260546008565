/* Records that say what others are to do: DMARC (RFC 7489 sections 6.3 and 6.4), and where reports
 * of TLS go (RFC 8460 section 3). */
#include "backend/dns/zone_priv.h"
#include "common/parse/cclass.h"

static bool all_digits(slice_t s, size_t max)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!cclass(s.p[i], CC_DIGIT))
			return false;
	}
	return s.n > 0 && s.n <= max;
}

static bool one_of(slice_t value, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (slice_ieq(value, slice_str(*words)))
			return true;
	}
	return false;
}

/* Calls each for what stands between the separators; true: of all it was true. */
static bool all_of(slice_t list, char separator, bool (*each)(slice_t one))
{
	for (;;) {
		size_t end = slice_find_char(list, separator);

		if (!each(slice_trim(slice_sub(list, 0, end))))
			return false;
		if (end >= list.n)
			return true;
		list = slice_from(list, end + 1);
	}
}

/* ---- DMARC ---- */

static bool is_policy(slice_t v)
{
	static const char *const words[] = {"none", "quarantine", "reject", NULL};

	return one_of(v, words);
}

static bool is_alignment(slice_t v)
{
	return slice_ieq(v, SL("r")) || slice_ieq(v, SL("s"));
}

static bool is_interval(slice_t v)
{
	return all_digits(v, 10);
}

static bool is_percent(slice_t v)
{
	return all_digits(v, 3) && (v.n < 3 || slice_eq(v, SL("100")) || v.p[0] == '0');
}

static bool is_option(slice_t v)
{
	static const char *const words[] = {"0", "1", "d", "s", NULL};

	return one_of(v, words);
}

static bool is_options(slice_t v)
{
	return all_of(v, ':', is_option);
}

static bool is_format(slice_t v)
{
	return slice_ieq(v, SL("afrf"));
}

static bool is_formats(slice_t v)
{
	return all_of(v, ':', is_format);
}

/* "mailto:x@y.test!10m" */
static bool is_report_to(slice_t v)
{
	size_t mark = slice_find_char(v, '!');
	slice_t size = slice_from(v, mark + 1);

	if (size.n > 1 && slice_find_char(SL("kmgtKMGT"), size.p[size.n - 1]) < 8)
		size = slice_sub(size, 0, size.n - 1);
	return zone_mailto(slice_sub(v, 0, mark)) && (mark >= v.n || all_digits(size, 20));
}

static bool is_reports_to(slice_t v)
{
	return all_of(v, ',', is_report_to);
}

static const char no_policy[] = "neither none, quarantine nor reject";
static const char no_report[] = "not mailto: and an address, or several with , between them";

static const struct dmarc_tag {
	const char *name;
	bool (*is)(slice_t value);
	const char *not_so;
} dmarc_tags[] = {
	{"p", is_policy, no_policy},
	{"sp", is_policy, no_policy},
	{"adkim", is_alignment, "neither r nor s"},
	{"aspf", is_alignment, "neither r nor s"},
	{"pct", is_percent, "not a number from 0 to 100"},
	{"ri", is_interval, "not a number of seconds"},
	{"fo", is_options, "not of 0, 1, d and s, with : between them"},
	{"rf", is_formats, "no format but afrf is known"},
	{"rua", is_reports_to, no_report},
	{"ruf", is_reports_to, no_report},
};

/* Tags that nobody knows are passed over (section 6.3). */
static void dmarc_tag(struct zone_faults *f, const struct zone_tag *t, uint32_t *seen)
{
	for (size_t i = 0; i < ARRAY_LEN(dmarc_tags); i++) {
		if (!slice_ieq(t->name, slice_str(dmarc_tags[i].name)))
			continue;
		if ((*seen >> i & 1) != 0)
			zone_fault(f, t->whole, "it is there twice");
		*seen |= UINT32_C(1) << i;
		if (!dmarc_tags[i].is(t->value))
			zone_fault(f, t->whole, dmarc_tags[i].not_so);
		return;
	}
}

void zone_dmarc_faults(slice_t record, struct zone_faults *f)
{
	struct zone_tag t;
	uint32_t seen = 0;
	slice_t rest = record;

	for (size_t at = 0; zone_tag_next(&rest, &t); at++) {
		if (at == 0) {
			if (!slice_ieq(t.name, SL("v")) || !slice_eq(t.value, SL("DMARC1")))
				zone_fault(f, t.whole,
					   "not v=DMARC1; in these letters: for receivers it is "
					   "no record");
		} else if (!t.pair) {
			zone_fault(f, t.whole, t.empty ? "nothing between two ;" : "no tag=value");
		} else {
			if (at > 1 && slice_ieq(t.name, SL("p")) && (seen & 1) == 0)
				zone_fault(f, t.whole, "it must follow v=DMARC1; at once");
			dmarc_tag(f, &t, &seen);
		}
	}
	if ((seen & 1) == 0)
		zone_fault(f, SLICE_NONE, "there is no p=");
}

/* ---- TLSRPT ---- */

static bool is_tls_report_to(slice_t v)
{
	return zone_mailto(v) || zone_uri(v, "https://");
}

static bool is_extension(const struct zone_tag *t)
{
	for (size_t i = 0; i < t->name.n; i++) {
		if (!cclass(t->name.p[i], CC_LETDIG) &&
		    (i == 0 || slice_find_char(SL("_-."), t->name.p[i]) >= 3))
			return false;
	}
	for (size_t i = 0; i < t->value.n; i++) {
		if (t->value.p[i] <= ' ' || t->value.p[i] > '~' || t->value.p[i] == '=')
			return false;
	}
	return t->name.n <= 32 && t->value.n > 0 &&
	       t->whole.n == t->name.n + 1 + t->value.n; /* no space around = */
}

static void tlsrpt_field(struct zone_faults *f, const struct zone_tag *t, size_t *reports)
{
	if (!t->pair) {
		zone_fault(f, t->whole, t->empty ? "nothing between two ;" : "no name=value");
	} else if (slice_starts(t->whole, SL("rua="))) {
		if ((*reports)++ != 0)
			zone_fault(f, t->whole, "it is there twice");
		if (!all_of(t->value, ',', is_tls_report_to))
			zone_fault(f, t->whole,
				   "neither mailto: and an address nor https:, or several with , "
				   "between them");
	} else if (slice_ieq(t->name, SL("rua"))) {
		zone_fault(f, t->whole, "not rua= in these letters");
	} else if (!is_extension(t)) {
		zone_fault(f, t->whole, "no name=value");
	}
}

void zone_tlsrpt_faults(slice_t record, struct zone_faults *f)
{
	size_t reports = 0, end = slice_find_char(record, ';');
	slice_t rest = slice_from(record, end), first = slice_trim(slice_sub(record, 0, end));
	struct zone_tag t;

	if (end >= record.n || !slice_starts(record, SL("v=TLSRPTv1")) ||
	    !slice_eq(first, SL("v=TLSRPTv1")))
		zone_fault(f, first,
			   "not v=TLSRPTv1; in these letters: for senders it is no record");
	rest = slice_from(rest, 1);
	while (zone_tag_next(&rest, &t))
		tlsrpt_field(f, &t, &reports);
	if (reports == 0)
		zone_fault(f, SLICE_NONE, "there is no rua=");
}
