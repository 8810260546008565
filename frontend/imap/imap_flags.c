#include "frontend/imap/imap_flags.h"

static const struct {
	const char *name;
	uint32_t bit;
} system_flags[] = {
	{"\\Answered", MESSAGE_ANSWERED}, {"\\Flagged", MESSAGE_FLAGGED},
	{"\\Deleted", MESSAGE_DELETED},   {"\\Seen", MESSAGE_SEEN},
	{"\\Draft", MESSAGE_DRAFT},
};

bool imap_keyword_ok(slice_t name)
{
	if (name.n == 0 || name.n > IMAP_KEYWORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (!cclass(name.p[i], CC_IMAP_ATOM))
			return false;
	}
	return true;
}

static bool add_keyword(struct imap_flags *f, slice_t *list, slice_t name, const char **why)
{
	for (size_t i = 0; i < f->nkeywords; i++) {
		if (slice_ieq(list[i], name))
			return true;
	}
	if (f->nkeywords == IMAP_KEYWORDS_MAX || name.n > IMAP_KEYWORD_BYTES_MAX) {
		*why = "Too many keywords, or too long";
		return false;
	}
	list[f->nkeywords++] = name;
	return true;
}

static bool one_flag(struct imap_args *a, struct imap_flags *f, slice_t *list, const char **why)
{
	bool system = imap_char(a, '\\');
	slice_t name;

	if (!imap_atom(a, &name)) {
		*why = "Flags expected";
		return false;
	}
	if (!system)
		return add_keyword(f, list, name, why);
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if (slice_ieq(name, slice_str(system_flags[i].name + 1))) {
			f->flags |= system_flags[i].bit;
			return true;
		}
	}
	*why = slice_ieq(name, SL("Recent")) ? "\\Recent is the server's to set"
					     : "Unknown system flag";
	return false;
}

static bool flags_until(struct imap_args *a, struct imap_flags *out, bool list, const char **why)
{
	slice_t *names = arena_try(a->arena, IMAP_KEYWORDS_MAX * sizeof *names);

	*out = (struct imap_flags){.keywords = names};
	*why = "Flags expected";
	if (names == NULL)
		return false;
	if (list && imap_char(a, ')'))
		return true;
	do {
		if (!one_flag(a, out, names, why))
			return false;
	} while (imap_sp(a));
	*why = "Flags expected";
	return !list || imap_char(a, ')');
}

bool imap_flags_parse(struct imap_args *a, struct imap_flags *out, const char **why_out)
{
	*why_out = "Flag list expected";
	return imap_char(a, '(') && flags_until(a, out, true, why_out);
}

bool imap_flags_parse_store(struct imap_args *a, struct imap_flags *out, const char **why_out)
{
	return flags_until(a, out, imap_char(a, '('), why_out);
}

void imap_flags_put(struct buf *out, uint32_t flags, uint64_t keywords, const slice_t *names,
		    size_t nnames, enum imap_recent recent)
{
	const char *sep = "";

	buf_putc(out, '(');
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++) {
		if ((flags & system_flags[i].bit) == 0)
			continue;
		buf_puts(out, sep);
		buf_puts(out, system_flags[i].name);
		sep = " ";
	}
	for (size_t i = 0; keywords != 0 && i < nnames; i++, keywords >>= 1) {
		if ((keywords & 1) == 0 || names[i].n == 0)
			continue;
		buf_puts(out, sep);
		buf_put(out, names[i]);
		sep = " ";
	}
	if (recent == IMAP_RECENT) {
		buf_puts(out, sep);
		buf_puts(out, "\\Recent");
	}
	buf_putc(out, ')');
}
