/*
 * A line is put together on the caller's stack and leaves in one write(2), so that lines of
 * threads and of processes never mix (LOG_LINE_MAX is below PIPE_BUF). A line that the reader
 * has no room for is dropped and counted: a slow log must not stop mail.
 */
#include "common/log/log.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/civil.h"
#include "common/base/clock.h"
#include "common/log/metric.h"

#define LOG_LINE_MAX   2048 /* one line; below PIPE_BUF, small on a fiber's stack */
#define LOG_VALUE_MAX  256  /* bytes of one value before escaping; the rest is cut */
#define LOG_DEPTH_MAX  8    /* levels of contexts: listener, session, transaction, command */
#define LOG_GLOBAL_MAX 192

_Atomic(enum log_level) log_threshold = LOG_INFO;

static char global_text[LOG_GLOBAL_MAX];
static size_t global_n;
static void (*sink_fn)(slice_t line, void *arg);
static void *sink_arg;

METRIC_COUNTER(lines_dropped, "log_lines_dropped_total", "Log lines that could not be written");
METRIC_COUNTER(lines_left_out, "log_lines_left_out_total",
	       "Log lines left out because a peer caused too many of their kind");

/* A writer into fixed room; what does not fit as a whole is taken back. */
struct out {
	char *p;
	size_t n;
	size_t max;
	bool full;
};

static void out_char(struct out *o, char c)
{
	if (o->n < o->max)
		o->p[o->n++] = c;
	else
		o->full = true;
}

static void out_bytes(struct out *o, const char *p, size_t n)
{
	if (n <= o->max - o->n) {
		memcpy(o->p + o->n, p, n);
		o->n += n;
	} else {
		o->full = true;
	}
}

static void out_str(struct out *o, const char *s)
{
	out_bytes(o, s, strlen(s));
}

static void out_uint(struct out *o, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	out_bytes(o, digits + i, sizeof digits - i);
}

/* v with leading zeros, in w digits. */
static void out_padded(struct out *o, uint64_t v, unsigned w)
{
	char digits[20];

	for (unsigned i = w; i > 0; i--) {
		digits[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
	out_bytes(o, digits, w);
}

static void out_hex(struct out *o, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	out_char(o, hex[c >> 4]);
	out_char(o, hex[c & 15]);
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

static bool value_is_plain(slice_t s)
{
	if (s.n == 0 || s.n > LOG_VALUE_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_plain(s.p[i]))
			return false;
	}
	return true;
}

static void out_escaped(struct out *o, char c)
{
	switch (c) {
	case '"':
	case '\\':
		out_char(o, '\\');
		out_char(o, c);
		break;
	case '\n':
		out_str(o, "\\n");
		break;
	case '\r':
		out_str(o, "\\r");
		break;
	case '\t':
		out_str(o, "\\t");
		break;
	default:
		if (c == ' ' || c == '=' || is_plain(c)) {
			out_char(o, c);
		} else {
			out_str(o, "\\x");
			out_hex(o, (unsigned char)c);
		}
	}
}

static void out_value(struct out *o, slice_t s)
{
	if (value_is_plain(s)) {
		out_bytes(o, s.p, s.n);
		return;
	}
	out_char(o, '"');
	for (size_t i = 0; i < s.n && i < LOG_VALUE_MAX; i++)
		out_escaped(o, s.p[i]);
	if (s.n > LOG_VALUE_MAX)
		out_str(o, "...");
	out_char(o, '"');
}

static void out_field(struct out *o, const struct log_field *f)
{
	out_char(o, ' ');
	out_str(o, f->key);
	out_char(o, '=');
	switch (f->kind) {
	case LOG_F_END:
		break;
	case LOG_F_SLICE:
		out_value(o, f->text);
		break;
	case LOG_F_INT:
		if (f->i < 0)
			out_char(o, '-');
		out_uint(o, f->i < 0 ? 0 - (uint64_t)f->i : (uint64_t)f->i);
		break;
	case LOG_F_UINT:
		out_uint(o, f->u);
		break;
	case LOG_F_HEX:
		for (size_t i = 0; i < f->text.n && i < LOG_VALUE_MAX; i++)
			out_hex(o, (unsigned char)f->text.p[i]);
		break;
	}
}

/* Renders fields; one that does not fit is left out whole, and so are those after it. */
static void out_fields(struct out *o, const struct log_field *fields)
{
	for (const struct log_field *f = fields; f->kind != LOG_F_END && !o->full; f++) {
		size_t before = o->n;

		out_field(o, f);
		if (o->full)
			o->n = before;
	}
}

void log_ctx_init(struct log_ctx *c, const struct log_ctx *parent, const struct log_field *fields)
{
	c->parent = parent;
	c->n = 0;
	log_ctx_add(c, fields);
}

void log_ctx_add(struct log_ctx *c, const struct log_field *fields)
{
	struct out o = {.p = c->text, .n = c->n, .max = sizeof c->text};

	out_fields(&o, fields);
	c->n = (uint16_t)o.n;
}

void log_setup(enum log_level threshold, const struct log_field *fields)
{
	struct out o = {.p = global_text, .max = sizeof global_text};

	log_threshold = threshold;
	out_fields(&o, fields);
	global_n = o.n;
}

void log_redirect(void (*sink)(slice_t line, void *arg), void *arg)
{
	sink_fn = sink;
	sink_arg = arg;
}

const char *log_errno(int errnum)
{
	const char *name = strerrorname_np(errnum);

	return name != NULL ? name : "E?";
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_DEBUG:
		return "debug";
	case LOG_INFO:
		return "info";
	case LOG_WARN:
		return "warn";
	case LOG_ERROR:
		return "error";
	}
	return "?";
}

/* "2026-11-21T18:26:03" of a second since 1970. */
static void render_second(int64_t s, char text[19])
{
	struct out o = {.p = text, .max = 19};
	struct civil c;

	civil_of(s, &c);
	out_padded(&o, (uint64_t)c.year, 4);
	out_char(&o, '-');
	out_padded(&o, c.month, 2);
	out_char(&o, '-');
	out_padded(&o, c.day, 2);
	out_char(&o, 'T');
	out_padded(&o, c.hour, 2);
	out_char(&o, ':');
	out_padded(&o, c.min, 2);
	out_char(&o, ':');
	out_padded(&o, c.sec, 2);
}

static void out_time(struct out *o)
{
	static _Thread_local int64_t cached_s = -1;
	static _Thread_local char cached[19];
	int64_t us = MAX(clock_wall_us(), (int64_t)0);

	if (us / 1000000 != cached_s) {
		cached_s = us / 1000000;
		render_second(cached_s, cached);
	}
	out_str(o, "ts=");
	out_bytes(o, cached, sizeof cached);
	out_char(o, '.');
	out_padded(o, (uint64_t)(us % 1000000), 6);
	out_char(o, 'Z');
}

static void out_contexts(struct out *o, const struct log_ctx *c)
{
	const struct log_ctx *levels[LOG_DEPTH_MAX];
	unsigned n = 0;

	for (; c != NULL && n < LOG_DEPTH_MAX; c = c->parent)
		levels[n++] = c;
	while (n > 0) {
		n--;
		out_bytes(o, levels[n]->text, levels[n]->n);
	}
}

static void write_line(const char *p, size_t n)
{
	ssize_t wrote;

	if (sink_fn != NULL) {
		sink_fn(slice(p, n), sink_arg);
		return;
	}
	do
		wrote = write(STDERR_FILENO, p, n);
	while (wrote < 0 && errno == EINTR);
	if (wrote != (ssize_t)n)
		metric_add(&lines_dropped, 1);
}

void log_emit(enum log_level level, const struct log_ctx *c, const char *event,
	      const struct log_field *fields)
{
	static const char cut[] = " cut=1";
	char line[LOG_LINE_MAX];
	int saved = errno; /* so that logging between a call and its errno is harmless */
	struct out o = {.p = line, .max = sizeof line - sizeof cut};

	out_time(&o);
	out_str(&o, " level=");
	out_str(&o, level_name(level));
	out_str(&o, " event=");
	out_str(&o, event);
	out_bytes(&o, global_text, global_n);
	out_contexts(&o, c);
	out_fields(&o, fields);
	o.max = sizeof line;
	if (o.full)
		out_str(&o, cut);
	out_char(&o, '\n');
	write_line(line, o.n);
	errno = saved;
}

bool log_limit_pass(struct log_limit *l, uint64_t *left_out)
{
	const int64_t line = 1000, most = LOG_BURST * line;
	int64_t now = clock_mono_ms();
	int64_t passed = MIN(MAX(now - l->last_ms, (int64_t)0), most);

	l->credit = l->last_ms == 0 ? most : MIN(most, l->credit + passed * LOG_SELDOM_PER_S);
	l->last_ms = MAX(now, (int64_t)1);
	*left_out = l->left_out;
	if (l->credit < line) {
		l->left_out++;
		metric_add(&lines_left_out, 1);
		return false;
	}
	l->credit -= line;
	l->left_out = 0;
	return true;
}

enum log_level log_level_parse(slice_t name)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_eq(name, slice_str(names[i])))
			return (enum log_level)i;
	}
	return LOG_INFO;
}
