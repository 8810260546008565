/*
 * The walker reads the wire format once (protobuf.dev, "Encoding"), with a small stack of the
 * messages that it is in. Each level counts how often each of its fields came; the counts of one
 * level are as many as the largest message of the schema has fields.
 */
#include "common/rpc/walk.h"

#include "common/base/num.h"
#include "common/base/utf8.h"

#define FIELDS_MAX 64 /* of one message; a larger one is a fault of the schema */

#define WIRE_VARINT 0
#define WIRE_64     1
#define WIRE_LEN    2
#define WIRE_32     5

struct level {
	const ProtobufCMessageDescriptor *m;
	const char *end;
	uint32_t counts[FIELDS_MAX];
};

struct walker {
	const char *p; /* the next byte */
	const struct walk_limit *limits;
	size_t unknown; /* bytes of unknown fields so far */
	unsigned depth;
	struct level levels[WALK_DEPTH_MAX];
	struct diag *d;
};

static const char *field_name(const ProtobufCFieldDescriptor *f)
{
	return f != NULL ? f->name : "(unknown)";
}

static enum err refuse(struct walker *w, enum err e, const ProtobufCFieldDescriptor *f,
		       const char *what)
{
	return diag_set(w->d, e, "%s.%s: %s", w->levels[w->depth - 1].m->name, field_name(f), what);
}

#define VARINT_MAX 10 /* bytes of a value */
#define PREFIX_MAX 5  /* of a tag or a length: 32 bits; protobuf-c reads no more, padded or not */

static bool get_varint(const char **p, const char *end, unsigned bytes_max, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 7 * bytes_max && *p < end; shift += 7) {
		unsigned char b = (unsigned char)*(*p)++;

		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* The wire type of one element of a field. */
static unsigned wire_of(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_ENUM:
		return WIRE_VARINT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LEN;
	}
	return WIRE_LEN;
}

static const struct walk_limit *limit_of(const struct walker *w, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *m = w->levels[w->depth - 1].m;

	if (w->limits == NULL)
		return NULL;
	for (const struct walk_limit *l = w->limits; l->message != NULL; l++)
		if (l->message == m && strcmp(l->field, f->name) == 0)
			return l;
	return NULL;
}

static enum err count(struct walker *w, const ProtobufCFieldDescriptor *f, size_t n)
{
	struct level *lv = &w->levels[w->depth - 1];
	uint32_t *c = &lv->counts[f - lv->m->fields];
	const struct walk_limit *l;
	size_t max = 1;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		l = limit_of(w, f);
		max = l != NULL && l->count_max != 0 ? l->count_max : WALK_COUNT_DEFAULT;
	}
	if (n > max - *c) {
		if (f->label != PROTOBUF_C_LABEL_REPEATED)
			return refuse(w, E_INVALID, f, "given twice");
		return refuse(w, E_LIMIT, f, "too many");
	}
	*c += (uint32_t)n;
	return E_OK;
}

/* Steps over one scalar at *p. */
static bool skip_scalar(const char **p, const char *end, unsigned wire)
{
	uint64_t v;
	size_t n = wire == WIRE_64 ? 8 : 4;

	if (wire == WIRE_VARINT)
		return get_varint(p, end, VARINT_MAX, &v);
	if ((size_t)(end - *p) < n)
		return false;
	*p += n;
	return true;
}

/* Many scalars in one length-delimited field. */
static enum err packed(struct walker *w, const ProtobufCFieldDescriptor *f, slice_t v)
{
	const char *p = v.p, *end = v.p + v.n;
	unsigned wire = wire_of(f->type);
	size_t n = 0;

	while (p < end) {
		if (!skip_scalar(&p, end, wire))
			return refuse(w, E_INVALID, f, "cut short");
		n++;
	}
	return count(w, f, n);
}

static enum err text(struct walker *w, const ProtobufCFieldDescriptor *f, slice_t v)
{
	const struct walk_limit *l = limit_of(w, f);
	size_t max = l != NULL && l->len_max != 0 ? l->len_max : WALK_LEN_DEFAULT;

	if (v.n > max)
		return refuse(w, E_LIMIT, f, "too long");
	if (f->type != PROTOBUF_C_TYPE_STRING)
		return E_OK;
	/* protobuf-c hands strings out as C strings: a NUL would hide what follows it. */
	if (slice_find_char(v, '\0') != v.n || !utf8_valid(v))
		return refuse(w, E_INVALID, f, "not UTF-8 text");
	return E_OK;
}

static enum err push(struct walker *w, const ProtobufCMessageDescriptor *m, const char *end)
{
	struct level *lv;

	if (w->depth == WALK_DEPTH_MAX)
		return diag_set(w->d, E_LIMIT, "%s: too deep", m->name);
	if (m->n_fields > FIELDS_MAX)
		return diag_set(w->d, E_INTERNAL, "%s: more fields than the walker counts",
				m->name);
	lv = &w->levels[w->depth++];
	lv->m = m;
	lv->end = end;
	memset(lv->counts, 0, m->n_fields * sizeof(lv->counts[0]));
	return E_OK;
}

static enum err len_field(struct walker *w, const ProtobufCFieldDescriptor *f)
{
	const char *end = w->levels[w->depth - 1].end;
	uint64_t n;
	slice_t v;
	enum err e;

	if (!get_varint(&w->p, end, PREFIX_MAX, &n) || n > (size_t)(end - w->p))
		return refuse(w, E_INVALID, f, "bad length");
	v = slice(w->p, (size_t)n);
	if (f == NULL) {
		w->p += v.n;
		return E_OK;
	}
	if (wire_of(f->type) != WIRE_LEN) {
		if (f->label != PROTOBUF_C_LABEL_REPEATED)
			return refuse(w, E_INVALID, f, "wrong wire type");
		w->p += v.n;
		return packed(w, f, v);
	}
	e = count(w, f, 1);
	if (e != E_OK)
		return e;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return push(w, f->descriptor, v.p + v.n);
	w->p += v.n;
	return text(w, f, v);
}

static enum err field(struct walker *w)
{
	const struct level *lv = &w->levels[w->depth - 1];
	const char *start = w->p;
	const ProtobufCFieldDescriptor *f;
	unsigned wire;
	uint64_t tag;
	enum err e = E_OK;

	/* A field number is at most 2^29 - 1. */
	if (!get_varint(&w->p, lv->end, PREFIX_MAX, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return refuse(w, E_INVALID, NULL, "bad tag");
	wire = (unsigned)tag & 7;
	f = protobuf_c_message_descriptor_get_field(lv->m, (unsigned)(tag >> 3));
	switch (wire) {
	case WIRE_VARINT:
	case WIRE_64:
	case WIRE_32:
		if (f != NULL && wire_of(f->type) != wire)
			return refuse(w, E_INVALID, f, "wrong wire type");
		if (!skip_scalar(&w->p, lv->end, wire))
			return refuse(w, E_INVALID, f, "cut short");
		if (f != NULL)
			e = count(w, f, 1);
		break;
	case WIRE_LEN:
		e = len_field(w, f);
		break;
	default:
		return refuse(w, E_INVALID, f, "unknown wire type");
	}
	if (f == NULL && e == E_OK) {
		w->unknown += (size_t)(w->p - start);
		if (w->unknown > WALK_UNKNOWN_MAX)
			return refuse(w, E_LIMIT, NULL, "too many unknown bytes");
	}
	return e;
}

enum err walk_check(const ProtobufCMessageDescriptor *m, const struct walk_limit *limits,
		    slice_t bytes, struct diag *d)
{
	struct walker w;
	enum err e;

	w.p = bytes.n > 0 ? bytes.p : "";
	w.limits = limits;
	w.unknown = 0;
	w.depth = 0;
	w.d = d;
	e = push(&w, m, w.p + bytes.n);
	while (e == E_OK && w.depth > 0) {
		if (w.p == w.levels[w.depth - 1].end)
			w.depth--;
		else
			e = field(&w);
	}
	return e;
}

static void *walk_alloc(void *data, size_t n)
{
	return arena_try(data, n);
}

static void walk_free(void *data UNUSED, void *p UNUSED)
{
}

enum err walk_unpack(const ProtobufCMessageDescriptor *m, const struct walk_limit *limits,
		     slice_t bytes, struct arena *a, ProtobufCMessage **out, struct diag *d)
{
	ProtobufCAllocator alloc = {walk_alloc, walk_free, a};
	enum err e = walk_check(m, limits, bytes, d);

	*out = NULL;
	if (e != E_OK)
		return e;
	*out = protobuf_c_message_unpack(m, &alloc, bytes.n, (const uint8_t *)bytes.p);
	if (*out == NULL)
		return diag_set(d, E_BUSY, "%s: beyond the memory budget", m->name);
	return E_OK;
}
