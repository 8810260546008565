/*
 * A snapshot, after its version byte, is a row of samples to its end:
 *
 *   kind u8, name, help, number of labels u8, (key, value)..., in ascending order of keys
 *   counter, gauge: value i64
 *   histogram: unit u8, number of bounds n u8, bounds n * u64, counts (n + 1) * u64, sum u64
 *
 * Strings have one byte of length before them; numbers are big-endian.
 */
#include "common/log/metric.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/num.h"
#include "common/base/utf8.h"

#define SNAPSHOT_VERSION 1
#define METRIC_HELP_MAX  255
#define METRIC_PREFIX    "postern_"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *all;
static struct metric_hook *hooks;

void metric_register(struct metric *m)
{
	invariant(strlen(m->name) <= METRIC_NAME_MAX && strlen(m->help) <= METRIC_HELP_MAX);
	invariant((m->kind == METRIC_K_HISTOGRAM) == (m->hist != NULL));
	invariant(m->hist == NULL || m->hist->nbounds <= METRIC_BOUNDS_MAX);
	pthread_mutex_lock(&lock);
	m->next = all;
	all = m;
	pthread_mutex_unlock(&lock);
}

void metric_hook(struct metric_hook *h)
{
	pthread_mutex_lock(&lock);
	h->next = hooks;
	hooks = h;
	pthread_mutex_unlock(&lock);
}

void metric_observe(struct metric *m, uint64_t v)
{
	struct metric_hist *h = m->hist;
	unsigned i = 0;

	while (i < h->nbounds && v > h->bounds[i])
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, v, memory_order_relaxed);
}

/* ---- writing a snapshot ---- */

static void put_u64(struct buf *out, uint64_t v)
{
	char b[8];

	be64_put(b, v);
	buf_put(out, slice(b, sizeof b));
}

static void put_text(struct buf *out, const char *s, size_t max)
{
	size_t n = strnlen(s, max);

	buf_putc(out, (char)n);
	buf_put(out, slice(s, n));
}

static unsigned count_labels(const struct metric_label *labels)
{
	unsigned n = 0;

	while (n < METRIC_LABELS_MAX && labels[n].key != NULL)
		n++;
	return n;
}

static void put_labels(struct buf *out, const struct metric_label *labels)
{
	struct metric_label sorted[METRIC_LABELS_MAX];
	unsigned n = count_labels(labels);

	for (unsigned i = 0; i < n; i++) {
		unsigned j = i;

		for (; j > 0 && strcmp(sorted[j - 1].key, labels[i].key) > 0; j--)
			sorted[j] = sorted[j - 1];
		sorted[j] = labels[i];
	}
	buf_putc(out, (char)n);
	for (unsigned i = 0; i < n; i++) {
		put_text(out, sorted[i].key, METRIC_NAME_MAX);
		put_text(out, sorted[i].value, METRIC_LABEL_MAX);
	}
}

static void put_hist(struct buf *out, struct metric_hist *h)
{
	buf_putc(out, (char)h->unit);
	buf_putc(out, (char)h->nbounds);
	for (unsigned i = 0; i < h->nbounds; i++)
		put_u64(out, h->bounds[i]);
	for (unsigned i = 0; i <= h->nbounds; i++)
		put_u64(out, atomic_load_explicit(&h->counts[i], memory_order_relaxed));
	put_u64(out, atomic_load_explicit(&h->sum, memory_order_relaxed));
}

void metric_snapshot(struct buf *out)
{
	struct metric *first;
	struct metric_hook *h;

	pthread_mutex_lock(&lock);
	h = hooks;
	pthread_mutex_unlock(&lock);
	for (; h != NULL; h = h->next)
		h->fn(h->arg);

	pthread_mutex_lock(&lock);
	first = all;
	pthread_mutex_unlock(&lock);
	buf_putc(out, SNAPSHOT_VERSION);
	for (struct metric *m = first; m != NULL; m = m->next) {
		buf_putc(out, (char)m->kind);
		put_text(out, m->name, METRIC_NAME_MAX);
		put_text(out, m->help, METRIC_HELP_MAX);
		put_labels(out, m->labels);
		if (m->hist != NULL)
			put_hist(out, m->hist);
		else
			put_u64(out, (uint64_t)metric_get(m));
	}
}

/* ---- reading one ---- */

/* One sample; slices and pointers lie in the snapshot. */
struct sample {
	enum metric_kind kind;
	slice_t name;
	slice_t help;
	slice_t label_bytes; /* as encoded, for comparison */
	unsigned nlabels;
	struct {
		slice_t key, value;
	} labels[METRIC_LABELS_MAX];
	uint64_t value;
	enum metric_unit unit;
	unsigned nbounds;
	const char *numbers; /* bounds, counts, sum */
	size_t part;
};

static bool get_byte(slice_t *s, unsigned *out)
{
	if (s->n == 0)
		return false;
	*out = (unsigned char)s->p[0];
	*s = slice_from(*s, 1);
	return true;
}

static bool get_text(slice_t *s, size_t max, slice_t *out)
{
	unsigned n;

	if (!get_byte(s, &n) || n > max || n > s->n)
		return false;
	*out = slice_sub(*s, 0, n);
	*s = slice_from(*s, n);
	return utf8_valid(*out);
}

/* [a-z_][a-z0-9_]* */
static bool is_name(slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		bool letter = (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '_';

		if (!letter && (i == 0 || s.p[i] < '0' || s.p[i] > '9'))
			return false;
	}
	return s.n != 0;
}

static bool get_labels(slice_t *s, struct sample *out)
{
	slice_t start = *s;

	if (!get_byte(s, &out->nlabels) || out->nlabels > METRIC_LABELS_MAX)
		return false;
	for (unsigned i = 0; i < out->nlabels; i++) {
		if (!get_text(s, METRIC_NAME_MAX, &out->labels[i].key) ||
		    !get_text(s, METRIC_LABEL_MAX, &out->labels[i].value))
			return false;
		if (!is_name(out->labels[i].key) || slice_eq(out->labels[i].key, SL("le")))
			return false;
		if (i > 0 && slice_cmp(out->labels[i - 1].key, out->labels[i].key) >= 0)
			return false;
	}
	out->label_bytes = slice(start.p, start.n - s->n);
	return true;
}

static bool get_hist(slice_t *s, struct sample *out)
{
	unsigned unit;
	size_t bytes;

	if (!get_byte(s, &unit) || unit > METRIC_US || !get_byte(s, &out->nbounds) ||
	    out->nbounds > METRIC_BOUNDS_MAX)
		return false;
	out->unit = (enum metric_unit)unit;
	bytes = ((size_t)out->nbounds * 2 + 2) * 8;
	if (bytes > s->n)
		return false;
	out->numbers = s->p;
	*s = slice_from(*s, bytes);
	for (unsigned i = 1; i < out->nbounds; i++) {
		if (be64_get(out->numbers + 8 * i) <= be64_get(out->numbers + 8 * (i - 1)))
			return false;
	}
	return true;
}

static bool get_sample(slice_t *s, struct sample *out)
{
	unsigned kind;

	*out = (struct sample){0};
	if (!get_byte(s, &kind) || kind > METRIC_K_HISTOGRAM)
		return false;
	out->kind = (enum metric_kind)kind;
	if (!get_text(s, METRIC_NAME_MAX, &out->name) || !is_name(out->name) ||
	    !get_text(s, METRIC_HELP_MAX, &out->help) || !get_labels(s, out))
		return false;
	if (out->kind == METRIC_K_HISTOGRAM)
		return get_hist(s, out);
	if (s->n < 8)
		return false;
	out->value = be64_get(s->p);
	*s = slice_from(*s, 8);
	return true;
}

struct samples {
	struct sample *v;
	size_t n, cap;
};

/* Appends the samples of one part; v may be NULL to check only. */
static enum err get_part(slice_t s, size_t part, struct samples *v, struct diag *d)
{
	unsigned version;
	struct sample one;

	if (!get_byte(&s, &version) || version != SNAPSHOT_VERSION)
		return diag_set(d, E_INVALID, "metrics of part %zu: unknown version", part);
	for (size_t n = 0; s.n != 0; n++) {
		if (n >= METRIC_SAMPLES_MAX || !get_sample(&s, &one))
			return diag_set(d, E_INVALID, "metrics of part %zu: sample %zu is %s", part,
					n, n >= METRIC_SAMPLES_MAX ? "one too many" : "malformed");
		if (v == NULL)
			continue;
		if (v->n == v->cap) {
			v->cap = v->cap != 0 ? v->cap * 2 : 64;
			v->v = xrealloc(v->v, v->cap * sizeof *v->v);
		}
		one.part = part;
		v->v[v->n++] = one;
	}
	return E_OK;
}

enum err metric_check(slice_t snapshot, struct diag *d)
{
	return get_part(snapshot, 0, NULL, d);
}

/* ---- text ---- */

static int sample_order(const void *pa, const void *pb)
{
	const struct sample *a = pa, *b = pb;
	int c = slice_cmp(a->name, b->name);

	if (c == 0)
		c = a->part < b->part ? -1 : a->part > b->part;
	return c != 0 ? c : slice_cmp(a->label_bytes, b->label_bytes);
}

static void text_escaped(struct buf *out, slice_t s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n') {
			buf_puts(out, "\\n");
			continue;
		}
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
}

static void text_label(struct buf *out, bool *first, slice_t key, slice_t value)
{
	buf_putc(out, *first ? '{' : ',');
	*first = false;
	buf_put(out, key);
	buf_puts(out, "=\"");
	text_escaped(out, value);
	buf_putc(out, '"');
}

static bool part_overrides(const struct metric_part *p, slice_t key)
{
	for (unsigned i = 0; i < count_labels(p->labels); i++) {
		if (slice_eq(slice_str(p->labels[i].key), key))
			return true;
	}
	return false;
}

/* `name_suffix{labels,le="..."} `; le may be empty. */
static void text_series(struct buf *out, const struct sample *s, const struct metric_part *p,
			const char *suffix, slice_t le)
{
	bool first = true;

	buf_puts(out, METRIC_PREFIX);
	buf_put(out, s->name);
	buf_puts(out, suffix);
	for (unsigned i = 0; i < count_labels(p->labels); i++)
		text_label(out, &first, slice_str(p->labels[i].key), slice_str(p->labels[i].value));
	for (unsigned i = 0; i < s->nlabels; i++) {
		if (!part_overrides(p, s->labels[i].key))
			text_label(out, &first, s->labels[i].key, s->labels[i].value);
	}
	if (le.n != 0)
		text_label(out, &first, SL("le"), le);
	buf_puts(out, first ? " " : "} ");
}

/* A number in its unit: microseconds as seconds, without trailing zeros. */
static void text_number(struct buf *out, enum metric_unit unit, uint64_t v)
{
	char frac[6];
	size_t n = sizeof frac;

	if (unit == METRIC_PLAIN) {
		buf_put_u64(out, v);
		return;
	}
	buf_put_u64(out, v / 1000000);
	v %= 1000000;
	for (size_t i = n; i > 0; i--) {
		frac[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	while (n > 0 && frac[n - 1] == '0')
		n--;
	if (n > 0)
		buf_putc(out, '.');
	buf_put(out, slice(frac, n));
}

static void text_hist(struct buf *out, const struct sample *s, const struct metric_part *p)
{
	const char *counts = s->numbers + 8 * (size_t)s->nbounds;
	const char *sum = counts + 8 * ((size_t)s->nbounds + 1);
	uint64_t total = 0;
	struct buf le;

	buf_init(&le, 64, NULL);
	for (unsigned i = 0; i <= s->nbounds; i++) {
		total += be64_get(counts + 8 * i);
		buf_reset(&le);
		if (i < s->nbounds)
			text_number(&le, s->unit, be64_get(s->numbers + 8 * i));
		else
			buf_puts(&le, "+Inf");
		text_series(out, s, p, "_bucket", buf_slice(&le));
		buf_put_u64(out, total);
		buf_putc(out, '\n');
	}
	buf_fini(&le);
	text_series(out, s, p, "_sum", SLICE_NONE);
	text_number(out, s->unit, be64_get(sum));
	buf_putc(out, '\n');
	text_series(out, s, p, "_count", SLICE_NONE);
	buf_put_u64(out, total);
	buf_putc(out, '\n');
}

static void text_family(struct buf *out, const struct sample *s)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	buf_puts(out, "# HELP " METRIC_PREFIX);
	buf_put(out, s->name);
	buf_putc(out, ' ');
	text_escaped(out, s->help);
	buf_puts(out, "\n# TYPE " METRIC_PREFIX);
	buf_put(out, s->name);
	buf_putc(out, ' ');
	buf_puts(out, kinds[s->kind]);
	buf_putc(out, '\n');
}

static void text_sample(struct buf *out, const struct sample *s, const struct metric_part *p)
{
	if (s->kind == METRIC_K_HISTOGRAM) {
		text_hist(out, s, p);
		return;
	}
	text_series(out, s, p, "", SLICE_NONE);
	if (s->kind == METRIC_K_GAUGE && s->value > INT64_MAX) {
		buf_putc(out, '-');
		buf_put_u64(out, 0 - s->value);
	} else {
		buf_put_u64(out, s->value);
	}
	buf_putc(out, '\n');
}

static void text_all(struct buf *out, const struct samples *v, const struct metric_part *parts)
{
	const struct sample *family = NULL;

	for (size_t i = 0; i < v->n; i++) {
		const struct sample *s = &v->v[i];

		/* The same series twice, or one of another kind than its family's first, would
		 * make the whole text unreadable: such a sample is left out. */
		if (i > 0 && sample_order(s, &v->v[i - 1]) == 0)
			continue;
		if (family == NULL || !slice_eq(family->name, s->name)) {
			family = s;
			text_family(out, s);
		}
		if (s->kind == family->kind)
			text_sample(out, s, &parts[s->part]);
	}
}

enum err metric_render(struct buf *out, const struct metric_part *parts, size_t n, struct diag *d)
{
	struct samples v = {0};
	enum err e = E_OK;

	for (size_t i = 0; i < n && e == E_OK; i++)
		e = get_part(parts[i].snapshot, i, &v, d);
	if (e == E_OK) {
		if (v.n != 0)
			qsort(v.v, v.n, sizeof *v.v, sample_order);
		text_all(out, &v, parts);
		if (buf_failed(out))
			e = diag_set(d, E_LIMIT, "metrics: no room for the text");
	}
	xfree(&v.v);
	return e;
}
