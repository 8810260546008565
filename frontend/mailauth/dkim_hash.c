#include "frontend/mailauth/dkim_hash.h"

#include <inttypes.h>

#include "common/base/codec.h"
#include "frontend/mailauth/dkim_canon.h"

#define NAME_LEN 32 /* the longest of the names below is 25 */
#define FOLD_AT  72 /* of h=, where it is folded */

enum more { MORE_MAY_COME, NONE_MAY_COME };

/* In the order of h=. NONE_MAY_COME: another one, put in on the way, would change what a reader
 * sees; so the one that is not there is signed as well. */
static const struct {
	const char *name;
	enum more more;
} signed_names[] = {
	{"From", NONE_MAY_COME},
	{"To", NONE_MAY_COME},
	{"Cc", NONE_MAY_COME},
	{"Subject", NONE_MAY_COME},
	{"Date", NONE_MAY_COME},
	{"Message-ID", NONE_MAY_COME},
	{"Reply-To", NONE_MAY_COME},
	{"Sender", MORE_MAY_COME},
	{"In-Reply-To", MORE_MAY_COME},
	{"References", MORE_MAY_COME},
	{"MIME-Version", MORE_MAY_COME},
	{"Content-Type", MORE_MAY_COME},
	{"Content-Transfer-Encoding", MORE_MAY_COME},
	{"List-Id", MORE_MAY_COME},
	{"List-Help", MORE_MAY_COME},
	{"List-Unsubscribe", MORE_MAY_COME},
	{"List-Unsubscribe-Post", MORE_MAY_COME},
	{"List-Subscribe", MORE_MAY_COME},
	{"List-Post", MORE_MAY_COME},
	{"List-Owner", MORE_MAY_COME},
	{"List-Archive", MORE_MAY_COME},
};

enum { FROM = 0, NOT_SIGNED = ARRAY_LEN(signed_names) };

struct field {
	uint32_t at, n; /* in text, with the line end */
	uint8_t which;
};

struct dkim_hash {
	enum { AT_LINE, IN_NAME, IN_VALUE, IN_OTHER, IN_BODY } state;
	uint8_t which; /* the field under way */
	bool spaced;   /* white space after its name */
	bool failed;
	uint8_t name_n;
	char name[NAME_LEN];
	struct dkim_field field;
	struct buf text; /* the fields */
	struct field fields[DKIM_FIELDS_MAX];
	size_t nfields, nadded; /* the first nadded were put in front */
	struct dkim_body body;
	uint8_t body_digest[SHA256_LEN];
	struct budget *budget;
};

struct dkim_hash *dkim_hash_new(struct budget *budget)
{
	struct dkim_hash *h = xcalloc(1, sizeof *h);

	if (budget != NULL)
		budget_force(budget, sizeof *h);
	h->budget = budget;
	h->which = NOT_SIGNED;
	buf_init(&h->text, DKIM_HEADER_MAX, budget);
	dkim_body_init(&h->body, DKIM_RELAXED);
	return h;
}

void dkim_hash_free(struct dkim_hash **hp)
{
	struct dkim_hash *h = *hp;

	if (h == NULL)
		return;
	buf_fini(&h->text);
	dkim_body_fini(&h->body);
	if (h->budget != NULL)
		budget_give(h->budget, sizeof *h);
	xfree(hp);
}

/* ---- header ---- */

static uint8_t which_name(slice_t name)
{
	for (uint8_t i = 0; i < NOT_SIGNED; i++) {
		if (slice_ieq(name, slice_str(signed_names[i].name)))
			return i;
	}
	return NOT_SIGNED;
}

static void field_begin(struct dkim_hash *h, uint8_t which, size_t place)
{
	h->which = which;
	h->field = (struct dkim_field){.value = false};
	if (which == NOT_SIGNED)
		return;
	if (h->nfields == DKIM_FIELDS_MAX) {
		h->failed = true;
		h->which = NOT_SIGNED;
		return;
	}
	memmove(h->fields + place + 1, h->fields + place,
		(h->nfields - place) * sizeof h->fields[0]);
	h->fields[place] = (struct field){.at = (uint32_t)h->text.n, .which = which};
	h->nfields++;
	dkim_field_name(slice_str(signed_names[which].name), &h->text);
}

/* Of the field at that place, if one is under way. */
static void field_end(struct dkim_hash *h, size_t place)
{
	struct field *f;

	if (h->which == NOT_SIGNED)
		return;
	f = &h->fields[place];
	h->which = NOT_SIGNED;
	buf_puts(&h->text, "\r\n");
	f->n = (uint32_t)h->text.n - f->at;
	h->failed = h->failed || buf_failed(&h->text);
}

static void name_byte(struct dkim_hash *h, char c)
{
	if (c == ':') {
		field_begin(h, which_name(slice(h->name, h->name_n)), h->nfields);
		h->state = h->which != NOT_SIGNED ? IN_VALUE : IN_OTHER;
	} else if (c == ' ' || c == '\t' || c == '\r') {
		h->spaced = true;
	} else if (h->spaced || h->name_n == NAME_LEN) {
		h->state = IN_OTHER; /* no field, or a longer name than any that is signed */
	} else {
		h->name[h->name_n++] = c;
	}
}

/* The first byte of a line: of a folded one, of the empty one, of a field. */
static void line_byte(struct dkim_hash *h, char c)
{
	if (c == '\r')
		return;
	if (c == ' ' || c == '\t') {
		h->state = h->which != NOT_SIGNED ? IN_VALUE : IN_OTHER;
		dkim_field_value(&h->field, SL(" "), &h->text);
		return;
	}
	field_end(h, h->nfields - 1);
	h->name_n = 0;
	h->spaced = false;
	h->state = IN_NAME;
	name_byte(h, c);
}

/* Takes a part of the header off the front. */
static size_t header_take(struct dkim_hash *h, slice_t s)
{
	size_t n = slice_find_char(s, '\n');

	if (s.p[0] == '\n') {
		if (h->state == AT_LINE) {
			field_end(h, h->nfields - 1);
			h->state = IN_BODY;
		} else {
			h->state = AT_LINE;
		}
		return 1;
	}
	switch (h->state) {
	case AT_LINE:
		line_byte(h, s.p[0]);
		return 1;
	case IN_NAME:
		name_byte(h, s.p[0]);
		return 1;
	case IN_VALUE:
		dkim_field_value(&h->field, slice_sub(s, 0, n), &h->text);
		return n;
	case IN_OTHER:
	case IN_BODY:
		break;
	}
	return n;
}

void dkim_hash_feed(struct dkim_hash *h, slice_t bytes)
{
	while (bytes.n > 0 && h->state != IN_BODY)
		bytes = slice_from(bytes, header_take(h, bytes));
	dkim_body_feed(&h->body, bytes);
}

void dkim_hash_add_field(struct dkim_hash *h, slice_t field)
{
	size_t colon = slice_find_char(field, ':');

	field_end(h, h->nfields - 1); /* of a header that just breaks off */
	field_begin(h, which_name(slice_sub(field, 0, colon)), h->nadded);
	if (h->which == NOT_SIGNED)
		return;
	dkim_field_value(&h->field, slice_from(field, colon + 1), &h->text);
	field_end(h, h->nadded++);
}

enum err dkim_hash_end(struct dkim_hash *h)
{
	bool from = false;

	if (h->state != IN_BODY) /* a header without the empty line behind it */
		field_end(h, h->nfields - 1);
	h->state = IN_BODY;
	dkim_body_end(&h->body, h->body_digest);
	for (size_t i = 0; i < h->nfields; i++)
		from = from || h->fields[i].which == FROM;
	if (h->failed || buf_failed(&h->text))
		return E_LIMIT;
	return from ? E_OK : E_INVALID;
}

/* ---- signatures ---- */

/* How many of a name are signed; *more_out: and the one that is not there. */
static unsigned signed_of(const struct dkim_hash *h, uint8_t which, bool *more_out)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->nfields; i++)
		n += h->fields[i].which == which;
	*more_out = n <= DKIM_SAME_MAX && signed_names[which].more == NONE_MAY_COME;
	return MIN(n, DKIM_SAME_MAX);
}

static void put_names(const struct dkim_hash *h, struct buf *out)
{
	size_t line = 0;

	buf_puts(out, ";\r\n\th=");
	for (uint8_t i = 0; i < NOT_SIGNED; i++) {
		slice_t name = slice_str(signed_names[i].name);
		bool more;
		unsigned n = signed_of(h, i, &more) + more;

		for (; n > 0; n--) {
			if (line > 0)
				buf_putc(out, ':');
			if (line + name.n > FOLD_AT) {
				buf_puts(out, "\r\n\t");
				line = 0;
			}
			buf_put(out, name);
			line += name.n + 1;
		}
	}
}

static void put_body_hash(const struct dkim_hash *h, struct buf *out)
{
	buf_puts(out, ";\r\n\tbh=");
	base64_encode(out, slice(h->body_digest, sizeof h->body_digest));
}

static void hash_fields(const struct dkim_hash *h, struct sha256 *sum)
{
	for (uint8_t which = 0; which < NOT_SIGNED; which++) {
		bool more;
		unsigned n = signed_of(h, which, &more);

		for (size_t i = h->nfields; i-- > 0 && n > 0;) {
			const struct field *f = &h->fields[i];

			if (f->which != which)
				continue;
			sha256_add(sum, slice(h->text.p + f->at, f->n));
			n--;
		}
	}
}

/* The signature's own field: as the others, without the line end (section 3.7). */
static void hash_sig(slice_t open, struct sha256 *sum)
{
	size_t colon = slice_find_char(open, ':');
	struct dkim_field f = {.value = false};
	struct buf b;

	buf_init(&b, DKIM_OPEN_MAX, NULL);
	dkim_field_name(slice_sub(open, 0, colon), &b);
	dkim_field_value(&f, slice_from(open, colon + 1), &b);
	sha256_add(sum, buf_slice(&b));
	buf_fini(&b);
}

void dkim_hash_sig(const struct dkim_hash *h, const struct dkim_sig *s, struct buf *out,
		   uint8_t digest_out[SHA256_LEN])
{
	struct sha256 *sum = sha256_new();
	size_t at = out->n;

	dkim_sig_begin(out, s->algorithm, s->domain, s->selector);
	buf_printf(out, "%" PRId64, s->now_s);
	put_names(h, out);
	put_body_hash(h, out);
	dkim_sig_end(out);
	hash_fields(h, sum);
	hash_sig(slice_from(buf_slice(out), at), sum);
	sha256_peek(sum, digest_out);
	sha256_free(&sum);
}
