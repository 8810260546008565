#include "frontend/mime/content.h"

#include "common/parse/cclass.h"
#include "frontend/mime/imaptext.h"

#define NIL SL("NIL")

void content_init(struct content *c, struct arena *mem, struct arena *scratch,
		  struct budget *budget)
{
	*c = (struct content){.mem = mem, .scratch = scratch, .left = SUMMARY_STRUCTURE_MAX};
	buf_init(&c->filename, CONTENT_FILENAME_MAX, budget);
	/* A field rendered anew: at most every byte percent-encoded. */
	buf_init(&c->render, (size_t)4 * MIME_FIELD_MAX, budget);
	buf_init(&c->value, MIME_FIELD_MAX, budget);
	content_reset(c);
}

void content_reset(struct content *c)
{
	c->typed = c->has_name = false;
	c->cte = MIME_CTE_7BIT;
	c->type_n = c->subtype_n = c->charset_n = c->boundary_n = c->encoding_n = 0;
	c->params = c->id = c->description = c->md5 = SLICE_NONE;
	c->disposition = c->language = c->location = SLICE_NONE;
	buf_reset(&c->filename);
}

void content_fini(struct content *c)
{
	buf_fini(&c->filename);
	buf_fini(&c->render);
	buf_fini(&c->value);
}

bool content_keep(struct content *c, slice_t rendered, slice_t *out)
{
	*out = NIL;
	if (c->over || rendered.n > c->left) {
		c->over = true;
		return true;
	}
	c->left -= rendered.n;
	return arena_try_dup(c->mem, rendered, out);
}

static enum err keep_render(struct content *c, slice_t *out)
{
	if (buf_failed(&c->render) || buf_failed(&c->value))
		return E_LIMIT;
	return content_keep(c, buf_slice(&c->render), out) ? E_OK : E_LIMIT;
}

/* Copies a name that must fit whole; empty if it does not. */
static size_t copy_name(char *to, size_t max, slice_t s)
{
	if (s.n > max || s.n == 0)
		return 0;
	memcpy(to, s.p, s.n);
	return s.n;
}

static void render_params(struct buf *out, const struct ctype *t)
{
	if (t->nparams == 0) {
		buf_put(out, NIL);
		return;
	}
	for (size_t i = 0; i < t->nparams; i++) {
		const struct ctype_param *p = &t->params[i];

		/* A token needs no escaping. */
		buf_puts(out, i == 0 ? "(\"" : " \"");
		buf_put(out, p->name);
		buf_puts(out, p->extended ? "*\" " : "\" ");
		imaptext_string(out, p->value);
	}
	buf_putc(out, ')');
}

static void take_filename(struct content *c, const struct ctype_param *p)
{
	if (p == NULL)
		return;
	buf_reset(&c->filename);
	ctype_param_text(p, &c->filename, CONTENT_FILENAME_MAX);
}

/* A parameter that means something here; even those are met in the extended form. */
static size_t take_param(struct content *c, const struct ctype_param *p, char *to, size_t max)
{
	slice_t value;

	if (p == NULL)
		return 0;
	value = p->value;
	if (p->extended) {
		buf_reset(&c->render);
		ctype_param_text(p, &c->render, max + 1);
		value = buf_slice(&c->render);
	}
	return copy_name(to, max, slice_trim(value));
}

static enum err take_type(struct content *c, slice_t body)
{
	struct ctype t;
	enum err err;

	if (c->typed)
		return E_OK;
	err = ctype_parse(body, c->scratch, &t);
	if (err != E_OK)
		return err;
	c->typed = true;
	/* RFC 2045 section 5.2: what cannot be read is text/plain. */
	if (!t.valid) {
		t.type = SL("TEXT");
		t.subtype = SL("PLAIN");
	}
	c->type_n = copy_name(c->type, sizeof c->type, t.type);
	c->subtype_n = copy_name(c->subtype, sizeof c->subtype, t.subtype);
	c->charset_n = take_param(c, ctype_param(&t, SL("charset")), c->charset, sizeof c->charset);
	c->boundary_n =
		take_param(c, ctype_param(&t, SL("boundary")), c->boundary, sizeof c->boundary);
	if (!c->has_name)
		take_filename(c, ctype_param(&t, SL("name")));
	buf_reset(&c->render);
	render_params(&c->render, &t);
	return keep_render(c, &c->params);
}

static enum err take_disposition(struct content *c, slice_t body)
{
	const struct ctype_param *p;
	struct ctype t;
	enum err err;

	if (c->disposition.n != 0)
		return E_OK;
	err = ctype_parse_disposition(body, c->scratch, &t);
	if (err != E_OK)
		return err;
	p = ctype_param(&t, SL("filename"));
	take_filename(c, p);
	c->has_name = p != NULL;
	buf_reset(&c->render);
	buf_putc(&c->render, '(');
	/* RFC 2183 section 2.8: what is not known is an attachment. */
	imaptext_string(&c->render, t.valid ? t.type : SL("attachment"));
	buf_putc(&c->render, ' ');
	render_params(&c->render, &t);
	buf_putc(&c->render, ')');
	return keep_render(c, &c->disposition);
}

/* mechanism (RFC 2045 section 6.1) */
static void take_encoding(struct content *c, slice_t body)
{
	static const struct {
		slice_t name;
		enum mime_cte cte;
	} known[] = {
		{{"7bit", 4}, MIME_CTE_7BIT},     {{"8bit", 4}, MIME_CTE_8BIT},
		{{"binary", 6}, MIME_CTE_BINARY}, {{"quoted-printable", 16}, MIME_CTE_QP},
		{{"base64", 6}, MIME_CTE_BASE64},
	};
	slice_t s = slice_trim(body);
	size_t n = 0;

	if (c->encoding_n != 0)
		return;
	while (n < s.n && cclass(s.p[n], CC_TOKEN))
		n++;
	s = slice_sub(s, 0, n);
	if (n == 0)
		return;
	c->encoding_n = copy_name(c->encoding, sizeof c->encoding, s);
	if (c->encoding_n == 0)
		c->encoding_n = copy_name(c->encoding, sizeof c->encoding, SL("X-UNKNOWN"));
	c->cte = MIME_CTE_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (slice_ieq(s, known[i].name))
			c->cte = known[i].cte;
	}
}

/* A field whose value is shown as one string. */
static enum err take_string(struct content *c, slice_t body, slice_t *out)
{
	if (out->n != 0)
		return E_OK;
	buf_reset(&c->value);
	hdr_unfold(&c->value, body);
	buf_reset(&c->render);
	imaptext_nstring(&c->render, buf_slice(&c->value));
	return keep_render(c, out);
}

/* body-fld-lang: a list of language tags (RFC 3282). */
static enum err take_language(struct content *c, slice_t body)
{
	unsigned count = 0;

	if (c->language.n != 0)
		return E_OK;
	buf_reset(&c->render);
	while (body.n != 0 && count < CONTENT_LANGUAGES_MAX) {
		size_t n = slice_find_char(body, ',');
		slice_t tag = slice_trim(slice_sub(body, 0, n));
		size_t len = 0;

		body = slice_from(body, n + 1);
		while (len < tag.n && cclass(tag.p[len], CC_LDH))
			len++;
		if (len == 0 || len != tag.n)
			continue;
		buf_putc(&c->render, count++ == 0 ? '(' : ' ');
		imaptext_string(&c->render, tag);
	}
	buf_puts(&c->render, count == 0 ? "NIL" : ")");
	return keep_render(c, &c->language);
}

enum err content_field(struct content *c, enum hdr_id id, slice_t body)
{
	enum err err = E_OK;

	if (id == HDR_CONTENT_TYPE)
		err = take_type(c, body);
	else if (id == HDR_CONTENT_DISPOSITION)
		err = take_disposition(c, body);
	else if (id == HDR_CONTENT_TRANSFER_ENCODING)
		take_encoding(c, body);
	else if (id == HDR_CONTENT_ID)
		err = take_string(c, body, &c->id);
	else if (id == HDR_CONTENT_DESCRIPTION)
		err = take_string(c, body, &c->description);
	else if (id == HDR_CONTENT_MD5)
		err = take_string(c, body, &c->md5);
	else if (id == HDR_CONTENT_LOCATION)
		err = take_string(c, body, &c->location);
	else if (id == HDR_CONTENT_LANGUAGE)
		err = take_language(c, body);
	arena_reset(c->scratch);
	return err == E_OK && buf_failed(&c->filename) ? E_LIMIT : err;
}

void content_set_type(struct content *c, slice_t type, slice_t subtype)
{
	c->type_n = copy_name(c->type, sizeof c->type, type);
	c->subtype_n = copy_name(c->subtype, sizeof c->subtype, subtype);
	c->params = SLICE_NONE;
}

bool content_is(const struct content *c, slice_t type, slice_t subtype)
{
	return slice_ieq(content_type(c), type) &&
	       (subtype.n == 0 || slice_ieq(content_subtype(c), subtype));
}

static slice_t or_nil(slice_t s)
{
	return s.n != 0 ? s : NIL;
}

static void put_spaced(struct buf *out, slice_t s)
{
	if (out->n != 0)
		buf_putc(out, ' ');
	buf_put(out, or_nil(s));
}

/* Of media and encoding, which are always told: bounded by their own lengths. */
static bool keep_always(struct content *c, slice_t *out)
{
	return !buf_failed(&c->render) && arena_try_dup(c->mem, buf_slice(&c->render), out);
}

enum err content_structure(struct content *c, enum mime_kind kind, struct structure_part *out)
{
	bool multipart = kind == MIME_MULTIPART;

	buf_reset(&c->render);
	if (!multipart) {
		imaptext_string(&c->render, content_type(c));
		buf_putc(&c->render, ' ');
	}
	imaptext_string(&c->render, content_subtype(c));
	if (!keep_always(c, &out->media))
		return E_LIMIT;
	buf_reset(&c->render);
	imaptext_string(&c->render,
			c->encoding_n != 0 ? slice(c->encoding, c->encoding_n) : SL("7BIT"));
	if (!keep_always(c, &out->encoding))
		return E_LIMIT;
	out->params = or_nil(c->params);
	buf_reset(&c->render);
	put_spaced(&c->render, c->id);
	put_spaced(&c->render, c->description);
	if (keep_render(c, &out->id) != E_OK)
		return E_LIMIT;
	buf_reset(&c->render);
	if (!multipart)
		put_spaced(&c->render, c->md5);
	put_spaced(&c->render, c->disposition);
	put_spaced(&c->render, c->language);
	put_spaced(&c->render, c->location);
	if (keep_render(c, &out->extension) != E_OK)
		return E_LIMIT;
	out->text = kind == MIME_LEAF && content_is(c, SL("TEXT"), SLICE_NONE);
	return E_OK;
}
