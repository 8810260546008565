#include "frontend/imap/imap_fetch_att.h"

#include "common/base/buf.h"
#include "frontend/imap/imap_resp.h"

/* A label repeats names that the client sent. */
#define LABEL_MAX (32u * 1024)

/* Are both told by one answer? Bytes are told as often as they are asked for; a size, which may
 * take as long to find, is not. */
static bool same(const struct imap_fetch_item *a, const struct imap_fetch_item *b)
{
	if (a->kind != IMAP_FETCH_DATA)
		return a->kind == b->kind;
	return a->form == IMAP_FORM_SIZE && b->form == IMAP_FORM_SIZE &&
	       slice_eq(a->label, b->label);
}

static bool add(struct imap_fetch_items *f, struct imap_fetch_item item)
{
	for (size_t i = 0; i < f->n; i++) {
		if (same(&item, &f->items[i]))
			return true;
	}
	if (f->n == IMAP_FETCH_ITEMS_MAX)
		return false;
	f->items[f->n++] = item;
	f->ndata += item.kind == IMAP_FETCH_DATA;
	f->nbinary += item.form != IMAP_FORM_STORED;
	return true;
}

static bool add_kind(struct imap_fetch_items *f, enum imap_fetch_kind kind)
{
	return add(f, (struct imap_fetch_item){.kind = kind});
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool header_list(struct imap_args *a, struct imap_fetch_item *item)
{
	slice_t *names = arena_try(a->arena, IMAP_FETCH_NAMES_MAX * sizeof *names);

	if (names == NULL || !imap_sp(a) || !imap_char(a, '('))
		return false;
	item->names = names;
	do {
		if (item->nnames == IMAP_FETCH_NAMES_MAX ||
		    !imap_astring(a, &names[item->nnames]) || names[item->nnames].n == 0)
			return false;
		item->nnames++;
	} while (imap_sp(a));
	return imap_char(a, ')');
}

/* section-text, or section-msgtext at the top. */
static bool section_text(struct imap_args *a, struct imap_fetch_item *item)
{
	struct cursor *c = &a->c;

	if (cur_word(c, SL("HEADER.FIELDS.NOT"))) {
		item->section = SECTION_HEADER;
		item->fields = IMAP_FIELDS_NOT;
		return header_list(a, item);
	}
	if (cur_word(c, SL("HEADER.FIELDS"))) {
		item->section = SECTION_HEADER;
		item->fields = IMAP_FIELDS_ONLY;
		return header_list(a, item);
	}
	if (cur_word(c, SL("HEADER"))) {
		item->section = SECTION_HEADER;
		return true;
	}
	if (cur_word(c, SL("TEXT"))) {
		item->section = SECTION_TEXT;
		return true;
	}
	if (item->npath != 0 && cur_word(c, SL("MIME"))) {
		item->section = SECTION_MIME;
		return true;
	}
	return false;
}

/* section = "[" [section-spec] "]" */
static bool section(struct imap_args *a, struct imap_fetch_item *item)
{
	uint32_t path[SUMMARY_DEPTH_MAX], *copy;

	item->section = SECTION_BODY;
	if (imap_char(a, ']'))
		return true;
	for (;;) {
		if (!cur_is(&a->c, CC_DIGIT)) {
			if (!section_text(a, item))
				return false;
			break;
		}
		if (item->npath == SUMMARY_DEPTH_MAX || !imap_nz_number(a, &path[item->npath]))
			return false;
		item->npath++;
		if (!imap_char(a, '.'))
			break;
	}
	if (item->npath != 0) {
		copy = arena_try(a->arena, item->npath * sizeof *copy);
		if (copy == NULL)
			return false;
		memcpy(copy, path, item->npath * sizeof *copy);
		item->path = copy;
	}
	return imap_char(a, ']');
}

/* "<" number "." nz-number ">" */
static bool partial(struct imap_args *a, struct imap_fetch_item *item)
{
	if (!imap_char(a, '<'))
		return true;
	item->partial = true;
	return imap_number(a, &item->first) && imap_char(a, '.') &&
	       imap_nz_number(a, &item->count) && imap_char(a, '>');
}

static void put_section(struct buf *b, const struct imap_fetch_item *item)
{
	static const char *const words[] = {
		[SECTION_BODY] = "",
		[SECTION_MIME] = "MIME",
		[SECTION_HEADER] = "HEADER",
		[SECTION_TEXT] = "TEXT",
	};

	for (size_t i = 0; i < item->npath; i++) {
		if (i != 0)
			buf_putc(b, '.');
		buf_put_u64(b, item->path[i]);
	}
	if (item->npath != 0 && item->section != SECTION_BODY)
		buf_putc(b, '.');
	buf_puts(b, words[item->section]);
	if (item->fields == IMAP_FIELDS_ALL)
		return;
	buf_puts(b, item->fields == IMAP_FIELDS_NOT ? ".FIELDS.NOT (" : ".FIELDS (");
	for (size_t i = 0; i < item->nnames; i++) {
		if (i != 0)
			buf_putc(b, ' ');
		imap_put_astring(b, item->names[i]);
	}
	buf_putc(b, ')');
}

static bool label(struct imap_args *a, struct imap_fetch_item *item)
{
	static const char *const names[] = {
		[IMAP_FORM_STORED] = "BODY[",
		[IMAP_FORM_DECODED] = "BINARY[",
		[IMAP_FORM_SIZE] = "BINARY.SIZE[",
	};
	struct buf b;
	bool ok;

	buf_init(&b, LABEL_MAX, a->arena->budget);
	buf_puts(&b, names[item->form]);
	put_section(&b, item);
	buf_putc(&b, ']');
	if (item->partial) {
		buf_putc(&b, '<');
		buf_put_u64(&b, item->first);
		buf_putc(&b, '>');
	}
	ok = !buf_failed(&b);
	if (ok)
		item->label = arena_dup(a->arena, buf_slice(&b));
	buf_fini(&b);
	return ok;
}

static bool body(struct imap_args *a, struct imap_fetch_items *f, bool peek)
{
	struct imap_fetch_item item = {.kind = IMAP_FETCH_DATA};

	if (!section(a, &item) || !partial(a, &item) || !label(a, &item))
		return false;
	f->nnames += item.nnames;
	if (f->nnames > IMAP_FETCH_NAMES_ALL_MAX)
		return false;
	f->sets_seen = f->sets_seen || !peek;
	return add(f, item);
}

/* section-binary = "[" [section-part] "]" (RFC 3516 section 7), and its partial. */
static bool binary(struct imap_args *a, struct imap_fetch_items *f, enum imap_form form, bool peek)
{
	struct imap_fetch_item item = {.kind = IMAP_FETCH_DATA, .form = form};

	if (!imap_char(a, '[') || !section(a, &item) || item.section != SECTION_BODY ||
	    (form != IMAP_FORM_SIZE && !partial(a, &item)) || !label(a, &item))
		return false;
	f->sets_seen = f->sets_seen || !peek;
	return add(f, item);
}

static bool rfc822(struct imap_fetch_items *f, enum summary_section what, slice_t name)
{
	f->sets_seen = f->sets_seen || what != SECTION_HEADER;
	return add(f, (struct imap_fetch_item){
			      .kind = IMAP_FETCH_DATA, .section = what, .label = name});
}

static bool item_name(struct imap_args *a, slice_t *out)
{
	size_t n = 0;
	slice_t s = cur_rest(&a->c);

	while (n < s.n && (cclass(s.p[n], CC_ALPHA | CC_DIGIT) || s.p[n] == '.'))
		n++;
	*out = slice_sub(s, 0, n);
	a->c.at += n;
	return n != 0;
}

static bool one_item(struct imap_args *a, struct imap_fetch_items *f)
{
	static const struct {
		const char *name;
		enum imap_fetch_kind kind;
	} plain[] = {
		{"UID", IMAP_FETCH_UID},           {"FLAGS", IMAP_FETCH_FLAGS},
		{"INTERNALDATE", IMAP_FETCH_DATE}, {"RFC822.SIZE", IMAP_FETCH_SIZE},
		{"ENVELOPE", IMAP_FETCH_ENVELOPE}, {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE},
	};
	slice_t name;

	if (!item_name(a, &name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (slice_ieq(name, slice_str(plain[i].name)))
			return add_kind(f, plain[i].kind);
	}
	if (slice_ieq(name, SL("BODY")))
		return imap_char(a, '[') ? body(a, f, false) : add_kind(f, IMAP_FETCH_BODY);
	if (slice_ieq(name, SL("BODY.PEEK")))
		return imap_char(a, '[') && body(a, f, true);
	if (slice_ieq(name, SL("BINARY")))
		return binary(a, f, IMAP_FORM_DECODED, false);
	if (slice_ieq(name, SL("BINARY.PEEK")))
		return binary(a, f, IMAP_FORM_DECODED, true);
	if (slice_ieq(name, SL("BINARY.SIZE")))
		return binary(a, f, IMAP_FORM_SIZE, true);
	if (slice_ieq(name, SL("RFC822")))
		return rfc822(f, SECTION_BODY, SL("RFC822"));
	if (slice_ieq(name, SL("RFC822.HEADER")))
		return rfc822(f, SECTION_HEADER, SL("RFC822.HEADER"));
	return slice_ieq(name, SL("RFC822.TEXT")) && rfc822(f, SECTION_TEXT, SL("RFC822.TEXT"));
}

static bool macro(struct imap_args *a, struct imap_fetch_items *f)
{
	bool fast = imap_word(a, "FAST");
	bool all = !fast && imap_word(a, "ALL");
	bool full = !fast && !all && imap_word(a, "FULL");

	if (!fast && !all && !full)
		return false;
	(void)add_kind(f, IMAP_FETCH_FLAGS);
	(void)add_kind(f, IMAP_FETCH_DATE);
	(void)add_kind(f, IMAP_FETCH_SIZE);
	if (!fast)
		(void)add_kind(f, IMAP_FETCH_ENVELOPE);
	if (full)
		(void)add_kind(f, IMAP_FETCH_BODY);
	return true;
}

bool imap_fetch_parse(struct imap_args *a, enum imap_fetch_uid with_uid,
		      struct imap_fetch_items *out)
{
	*out = (struct imap_fetch_items){0};
	out->items = arena_try(a->arena, IMAP_FETCH_ITEMS_MAX * sizeof *out->items);
	if (out->items == NULL)
		return false;
	if (with_uid == IMAP_FETCH_WITH_UID)
		(void)add_kind(out, IMAP_FETCH_UID);
	if (macro(a, out))
		return true;
	if (!imap_char(a, '('))
		return one_item(a, out);
	do {
		if (!one_item(a, out))
			return false;
	} while (imap_sp(a));
	return imap_char(a, ')');
}
