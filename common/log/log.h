/*
 * log: one event a line, `key=value`, to standard error. Values that hold a space, a quote, a
 * control or a non-ASCII byte are quoted and escaped, so that no peer can forge a line. Contexts
 * nest: a line carries the fields of its context and of all above it (listener, session,
 * command), each of which is rendered once.
 *
 *   LOG(LOG_INFO, &s->log, "smtp.rcpt", LF_SLICE("to", path), LF_ERR("status", e));
 *   ts=2026-11-21T18:26:03.123456Z level=info event=smtp.rcpt node=fe1 service=smtp to=...
 */
#ifndef COMMON_LOG_LOG_H
#define COMMON_LOG_LOG_H

#include "common/base/err.h"
#include "common/base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_F_END, LOG_F_SLICE, LOG_F_INT, LOG_F_UINT, LOG_F_HEX };

struct log_field {
	const char *key;
	enum log_kind kind;
	slice_t text; /* SLICE, HEX */
	int64_t i;
	uint64_t u;
};

#define LF_SLICE(k, s) ((struct log_field){.key = (k), .kind = LOG_F_SLICE, .text = (s)})
#define LF_STR(k, s)   LF_SLICE(k, slice_str(s))
#define LF_HEX(k, s)   ((struct log_field){.key = (k), .kind = LOG_F_HEX, .text = (s)})
#define LF_INT(k, v)   ((struct log_field){.key = (k), .kind = LOG_F_INT, .i = (int64_t)(v)})
#define LF_UINT(k, v)  ((struct log_field){.key = (k), .kind = LOG_F_UINT, .u = (uint64_t)(v)})
#define LF_ERR(k, e)   LF_STR(k, err_name(e))
#define LF_ERRNO(k, e) LF_STR(k, log_errno(e))

#define LOG_CTX_MAX 192 /* rendered fields of one level; more is cut */

struct log_ctx {
	const struct log_ctx *parent; /* borrowed; outlives this one */
	uint16_t n;
	char text[LOG_CTX_MAX]; /* rendered, each field with a leading space */
};

/* Starts a context below parent (may be NULL); fields end with {0}. */
void log_ctx_init(struct log_ctx *c, const struct log_ctx *parent, const struct log_field *fields);
/* Adds fields to a context that exists. */
void log_ctx_add(struct log_ctx *c, const struct log_field *fields);
#define LOG_FIELDS(...) ((struct log_field[]){__VA_ARGS__, {0}})

void log_emit(enum log_level level, const struct log_ctx *c, const char *event,
	      const struct log_field *fields);
#define LOG(level, ctx, event, ...) \
	do { \
		if ((level) >= log_threshold) \
			log_emit((level), (ctx), (event), \
				 (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}}); \
	} while (0)

/* For lines that a peer can cause as often as it likes. Each place in the code has LOG_BURST lines
 * and gets LOG_SELDOM_PER_S of them back a second; the next line that is written says as left_out
 * how many were not. For places that one thread alone reaches. */
#define LOG_BURST        1000 /* a whole cluster may come back at once */
#define LOG_SELDOM_PER_S 10
struct log_limit {
	int64_t last_ms; /* 0: unused so far */
	int64_t credit;  /* thousandths of lines */
	uint64_t left_out;
};
/* Whether a line may be written now; *left_out: how many were not, since the last one. */
bool log_limit_pass(struct log_limit *l, uint64_t *left_out);
#define LOG_SELDOM(level, ctx, event, ...) \
	do { \
		static struct log_limit log_limit_; \
		uint64_t log_left_; \
		if ((level) >= log_threshold && log_limit_pass(&log_limit_, &log_left_)) \
			log_emit((level), (ctx), (event), \
				 (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ) log_left_ != 0 \
							      ? LF_UINT("left_out", log_left_) \
							      : (struct log_field){0}, \
						      {0}}); \
	} while (0)

extern _Atomic(enum log_level) log_threshold; /* set at start, or live by policy */
/* Fields that every line of the process carries (node, service); copied. */
void log_setup(enum log_level threshold, const struct log_field *fields);
/* Where lines go, instead of standard error; for tests. NULL goes back. */
void log_redirect(void (*sink)(slice_t line, void *arg), void *arg);
/* "debug", "info", "warn", "error"; anything else is LOG_INFO. */
enum log_level log_level_parse(slice_t name);
const char *log_errno(int errnum); /* "ENOSPC", ... */

#endif
