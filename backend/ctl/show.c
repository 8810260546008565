#include "backend/ctl/show.h"

#include <inttypes.h>

#include "common/base/civil.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"

#define VALUE_MAX (1024 * 1024)

/* ---- fields ---- */

static bool is_time(const ProtobufCFieldDescriptor *f)
{
	return slice_ends(slice_str(f->name), SL("_us"));
}

static bool is_bytes(const ProtobufCFieldDescriptor *f)
{
	return slice_ends(slice_str(f->name), SL("_bytes"));
}

static bool is_seconds(const ProtobufCFieldDescriptor *f)
{
	return slice_ends(slice_str(f->name), SL("_s"));
}

/* has_NAME only says whether NAME is there. */
static bool is_presence(const ProtobufCMessageDescriptor *m, const ProtobufCFieldDescriptor *f)
{
	return slice_starts(slice_str(f->name), SL("has_")) &&
	       protobuf_c_message_descriptor_get_field_by_name(m, f->name + 4) != NULL;
}

static bool is_absent(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	char name[80];
	const ProtobufCFieldDescriptor *has;

	snprintf(name, sizeof name, "has_%s", f->name);
	has = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	return has != NULL &&
	       !*(const protobuf_c_boolean *)(const void *)((const char *)m + has->offset);
}

static slice_t title(const ProtobufCFieldDescriptor *f, slice_t suffix)
{
	slice_t name = slice_str(f->name);

	return slice_ends(name, suffix) ? slice_sub(name, 0, name.n - suffix.n) : name;
}

static void put_time(struct buf *b, int64_t us, char between)
{
	int64_t s = us / 1000000;
	struct civil t;

	civil_of(s, &t);
	buf_printf(b, "%04d-%02u-%02u%c%02u:%02u:%02u", t.year, t.month, t.day, between, t.hour,
		   t.min, t.sec);
	if (between == 'T')
		buf_printf(b, ".%06dZ", (int)(us - s * 1000000));
}

/* "local" of DOMAIN_KIND_LOCAL: what follows the name that the value 0 has without its _NONE. */
static void put_enum(struct buf *b, const ProtobufCEnumDescriptor *e, int value)
{
	const ProtobufCEnumValue *none = protobuf_c_enum_descriptor_get_value(e, 0);
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(e, value);
	size_t skip = strlen(none->name) - strlen("NONE");

	if (v == NULL) {
		buf_printf(b, "%d", value);
		return;
	}
	for (const char *p = v->name + skip; *p != '\0'; p++)
		buf_putc(b, *p == '_' ? '-' : ascii_lower(*p));
}

/* ---- JSON ---- */

void show_json_string(FILE *out, slice_t s)
{
	putc('"', out);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void json_text(FILE *out, void (*put)(struct buf *, const void *), const void *value)
{
	struct buf b;

	buf_init(&b, VALUE_MAX, NULL);
	put(&b, value);
	show_json_string(out, buf_slice(&b));
	buf_fini(&b);
}

static void put_utc(struct buf *b, const void *us)
{
	put_time(b, *(const int64_t *)us, 'T');
}

static void put_hex(struct buf *b, const void *bytes)
{
	const ProtobufCBinaryData *d = bytes;

	hex_encode(b, slice(d->data, d->len));
}

static void json_enum(FILE *out, const ProtobufCEnumDescriptor *e, int value)
{
	struct buf b;

	if (value == 0) {
		fputs("null", out);
		return;
	}
	buf_init(&b, VALUE_MAX, NULL);
	put_enum(&b, e, value);
	show_json_string(out, buf_slice(&b));
	buf_fini(&b);
}

static void json_scalar(FILE *out, const ProtobufCFieldDescriptor *f, const void *v)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING:
		show_json_string(out, slice_str(*(char *const *)v));
		return;
	case PROTOBUF_C_TYPE_BYTES:
		json_text(out, put_hex, v);
		return;
	case PROTOBUF_C_TYPE_BOOL:
		fputs(*(const protobuf_c_boolean *)v ? "true" : "false", out);
		return;
	case PROTOBUF_C_TYPE_UINT32:
		fprintf(out, "%" PRIu32, *(const uint32_t *)v);
		return;
	case PROTOBUF_C_TYPE_UINT64:
		fprintf(out, "%" PRIu64, *(const uint64_t *)v);
		return;
	case PROTOBUF_C_TYPE_INT64:
		if (!is_time(f))
			fprintf(out, "%" PRId64, *(const int64_t *)v);
		else if (*(const int64_t *)v == 0)
			fputs("null", out);
		else
			json_text(out, put_utc, v);
		return;
	case PROTOBUF_C_TYPE_ENUM:
		json_enum(out, f->descriptor, *(const int *)v);
		return;
	}
	invariant(!"a type that no answer has");
}

static void json_field(FILE *out, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const char *at = (const char *)m + f->offset;
	size_t n;

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		if (is_absent(m, f))
			fputs("null", out);
		else
			json_scalar(out, f, at);
		return;
	}
	invariant(f->type == PROTOBUF_C_TYPE_STRING);
	n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);
	putc('[', out);
	for (size_t i = 0; i < n; i++) {
		fputs(i == 0 ? "" : ", ", out);
		show_json_string(out, slice_str((*(char **const *)(const void *)at)[i]));
	}
	putc(']', out);
}

/* Messages inside are not a value: pages are taken apart by who prints them. */
static bool is_shown(const ProtobufCMessageDescriptor *m, const ProtobufCFieldDescriptor *f)
{
	return f->type != PROTOBUF_C_TYPE_MESSAGE && !is_presence(m, f);
}

void show_json(FILE *out, const ProtobufCMessage *m)
{
	bool first = true;

	putc('{', out);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];

		if (!is_shown(m->descriptor, f))
			continue;
		fputs(first ? "" : ", ", out);
		show_json_string(out, title(f, SL("_us")));
		fputs(": ", out);
		json_field(out, m, f);
		first = false;
	}
	putc('}', out);
}

/* ---- tables ---- */

void show_clean(struct buf *b, slice_t s)
{
	while (s.n > 0) {
		uint32_t cp;
		size_t n = utf8_decode(s, &cp);

		if (n == 0 || utf8_is_unsafe(cp))
			buf_putc(b, '?');
		else
			buf_put(b, slice_sub(s, 0, n));
		s = slice_from(s, MAX(n, (size_t)1));
	}
}

static void put_size(struct buf *b, uint64_t n)
{
	static const char units[] = "KMGTPE";
	double v = (double)n;
	int unit = -1;

	if (n < 1024) {
		buf_put_u64(b, n);
		return;
	}
	while (v >= 1024 && unit < 5) {
		v /= 1024;
		unit++;
	}
	buf_printf(b, v < 10 ? "%.1f%c" : "%.0f%c", v, units[unit]);
}

/* The two largest units: "2d 4h", "3m 20s". */
static void put_seconds(struct buf *b, uint64_t s)
{
	if (s >= 86400)
		buf_printf(b, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		buf_printf(b, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		buf_printf(b, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
	else
		buf_printf(b, "%" PRIu64 "s", s);
}

static void put_number(struct buf *b, const ProtobufCFieldDescriptor *f, uint64_t n)
{
	/* A limit of 0 is none. */
	bool is_limit = slice_starts(slice_str(f->name), SL("quota_")) ||
			slice_ends(slice_str(f->name), SL("_max"));

	if (n == 0 && is_limit)
		buf_putc(b, '-');
	else if (is_bytes(f))
		put_size(b, n);
	else if (is_seconds(f))
		put_seconds(b, n);
	else
		buf_put_u64(b, n);
}

static void put_scalar(struct buf *b, const ProtobufCFieldDescriptor *f, const void *v)
{
	switch ((int)f->type) {
	case PROTOBUF_C_TYPE_STRING:
		show_clean(b, slice_str(*(char *const *)v));
		return;
	case PROTOBUF_C_TYPE_BYTES:
		put_hex(b, v);
		return;
	case PROTOBUF_C_TYPE_BOOL:
		buf_puts(b, *(const protobuf_c_boolean *)v ? "yes" : "no");
		return;
	case PROTOBUF_C_TYPE_UINT32:
		buf_put_u64(b, *(const uint32_t *)v);
		return;
	case PROTOBUF_C_TYPE_UINT64:
		put_number(b, f, *(const uint64_t *)v);
		return;
	case PROTOBUF_C_TYPE_INT64:
		if (!is_time(f))
			buf_printf(b, "%" PRId64, *(const int64_t *)v);
		else if (*(const int64_t *)v != 0)
			put_time(b, *(const int64_t *)v, ' ');
		return;
	case PROTOBUF_C_TYPE_ENUM:
		if (*(const int *)v != 0)
			put_enum(b, f->descriptor, *(const int *)v);
		return;
	}
	invariant(!"a type that no answer has");
}

/* Never empty: "-" where there is nothing. */
static void put_field(struct buf *b, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const char *at = (const char *)m + f->offset;
	size_t before = b->n;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);

		for (size_t i = 0; i < n; i++) {
			buf_puts(b, i == 0 ? "" : ", ");
			show_clean(b, slice_str((*(char **const *)(const void *)at)[i]));
		}
	} else if (!is_absent(m, f)) {
		put_scalar(b, f, at);
	}
	if (b->n == before)
		buf_putc(b, '-');
}

static slice_t heading(const ProtobufCFieldDescriptor *f)
{
	return is_time(f)      ? title(f, SL("_us"))
	       : is_seconds(f) ? title(f, SL("_s"))
			       : title(f, SL("_bytes"));
}

void show_lines(FILE *out, const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		struct buf b;

		if (!is_shown(m->descriptor, f))
			continue;
		buf_init(&b, VALUE_MAX, NULL);
		put_field(&b, m, f);
		fprintf(out, "%-20.*s %.*s\n", (int)heading(f).n, heading(f).p, (int)b.n, b.p);
		buf_fini(&b);
	}
}

static void add_column(struct show_table *t, const ProtobufCMessageDescriptor *row,
		       const ProtobufCFieldDescriptor *f)
{
	if (f == NULL || !is_shown(row, f))
		return;
	invariant(t->n < SHOW_COLUMNS_MAX);
	t->width[t->n] = heading(f).n;
	t->columns[t->n++] = f;
}

void show_table_init(struct show_table *t, FILE *out, const ProtobufCMessageDescriptor *row,
		     const char *columns)
{
	slice_t rest = slice_str(columns != NULL ? columns : "");
	char name[80];

	*t = (struct show_table){.out = out};
	for (unsigned i = 0; columns == NULL && i < row->n_fields; i++)
		add_column(t, row, &row->fields[i]);
	while (rest.n > 0) {
		size_t n = slice_find_char(rest, ' ');

		invariant(slice_to_str(slice_sub(rest, 0, n), name, sizeof name));
		add_column(t, row, protobuf_c_message_descriptor_get_field_by_name(row, name));
		rest = slice_from(rest, n + 1);
	}
}

/* Characters, not bytes. */
static size_t width_of(slice_t s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void print_cell(struct show_table *t, size_t column, slice_t s)
{
	size_t used = width_of(s);

	fwrite(s.p, 1, s.n, t->out);
	if (column + 1 == t->n) {
		putc('\n', t->out);
		return;
	}
	for (; used < t->width[column] + 2; used++)
		putc(' ', t->out);
}

static void print_row(struct show_table *t, const ProtobufCMessage *row)
{
	for (size_t i = 0; i < t->n; i++) {
		struct buf b;

		buf_init(&b, VALUE_MAX, NULL);
		put_field(&b, row, t->columns[i]);
		print_cell(t, i, buf_slice(&b));
		buf_fini(&b);
	}
}

void show_table_rows(struct show_table *t, ProtobufCMessage *const *rows, size_t n)
{
	for (size_t r = 0; r < n; r++) {
		for (size_t i = 0; i + 1 < t->n; i++) {
			struct buf b;

			buf_init(&b, VALUE_MAX, NULL);
			put_field(&b, rows[r], t->columns[i]);
			t->width[i] = MAX(t->width[i], width_of(buf_slice(&b)));
			buf_fini(&b);
		}
	}
	if (!t->headed) {
		for (size_t i = 0; i < t->n; i++)
			print_cell(t, i, heading(t->columns[i]));
		t->headed = true;
	}
	for (size_t r = 0; r < n; r++)
		print_row(t, rows[r]);
}
