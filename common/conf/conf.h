/*
 * conf: settings of a program, as a table. The program names every setting it knows, with type,
 * default and bounds; files and command lines may only set these, and every refusal says where.
 *
 *   static const struct conf_def table[] = {
 *	{"smtp.port", CONF_INT, "25", 1, 65535, 0, "TCP port of the SMTP listener"},
 *	{"smtp.idle", CONF_DURATION, "5m", 1000, 3600000, CONF_LIVE, "How long a client may be
 *silent"},
 *   };
 *
 *   struct conf *c = conf_new(table, ARRAY_LEN(table));
 *   e = conf_load(c, "/etc/postern/frontend.conf", &d);   file:line in the diag when it fails
 *   e = conf_set(c, SL("smtp.port=2525"), &d);            command line; wins over files
 *   e = conf_check(c, &d);                                what must be set, is
 *   port = conf_int(c, "smtp.port");
 *
 * Files are libconfig's syntax. Nested groups give dotted names: `smtp = { port = 25; };` and
 * `smtp.port` are the same setting (libconfig has no dots in names, so only groups are written in
 * files, dots on command lines). A libconfig list or array is a list; numbers may be written as
 * such or, with a unit, as strings: "64m", "5m". After FILE, each FILE.d/NAME.conf is read, in the
 * byte order of the names; later ones win. A setting may stand once in each file.
 *
 * Values, as text:
 *   CONF_STRING    min and max bound its length; of what form it is stands in `words`
 *   CONF_INT       decimal, may be negative
 *   CONF_BOOL      true, false (yes, no, on, off, 1, 0)
 *   CONF_BYTES     number with k, m, g (1024); in bytes
 *   CONF_DURATION  number with ms, s, m, h, d (bare: seconds); in milliseconds
 *   CONF_WORD      one of a set; the set stands in `words`, separated by spaces
 *   CONF_ADDRS     list of HOST:PORT; HOST is an IPv4 literal, [IPv6 literal] or a host name
 *   CONF_STRINGS   list of strings, each of that form; min and max bound the count
 * In one text (default, command line) the elements of a list are separated by commas.
 *
 * Forms of strings, the first word of `words`; words that follow it are values of their own. An
 * empty CONF_STRING is always allowed. NULL: anything.
 *   host, domain   a name as it is said to others: ASCII (a U-label is refused with its A-label)
 *   suffix         a domain, or .domain: what is below it
 *   domains        domains with spaces between them
 *   address        of mail, with a domain
 *   ip, ip4, ip6   an address
 *   mark           one character that may stand in a local part, no letter or digit
 *   text           UTF-8 without controls; ascii: printable ASCII; word: that without spaces
 *
 * Not thread-safe: one owner reads files and reloads; others take values from it.
 */
#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include "common/base/buf.h"
#include "common/base/err.h"

enum conf_type {
	CONF_STRING,
	CONF_INT,
	CONF_BOOL,
	CONF_BYTES,
	CONF_DURATION,
	CONF_WORD,
	CONF_ADDRS,
	CONF_STRINGS,
};

enum {
	CONF_LIVE = 1,     /* conf_reload may change it; others need a restart */
	CONF_REQUIRED = 2, /* must be set: conf_check */
	CONF_SECRET = 4,   /* never printed by conf_dump */
};

struct conf_def {
	const char *name; /* dotted, lower case */
	enum conf_type type;
	const char *value; /* the default, as text; NULL: empty */
	int64_t min, max;  /* both 0: no bounds */
	unsigned flags;
	const char *help;
	const char *words; /* CONF_WORD: the set; strings: the form */
};

#define CONF_FILE_MAX  (1024 * 1024) /* bytes of one file: far above any real one */
#define CONF_FILES_MAX 128           /* drop-ins */
#define CONF_LIST_MAX  256           /* elements of a list */
#define CONF_VALUE_MAX 4096          /* bytes of one element */

struct conf_addr {
	char host[256]; /* without brackets */
	uint16_t port;
};

struct conf;

/* The table is borrowed and must outlive the conf; its defaults are checked (invariant). */
struct conf *conf_new(const struct conf_def *table, size_t n);
void conf_free(struct conf **c);

/* Reads path and its drop-ins. E_NOT_FOUND: no such file (drop-ins are not read then); E_INVALID:
 * the first refusal, as "FILE:LINE: text"; E_IO. On failure c is as it was before. */
enum err conf_load(struct conf *c, const char *path, struct diag *d) MUST_USE;
/* KEY=VALUE. Wins over files, also over those read later. E_INVALID. */
enum err conf_set(struct conf *c, slice_t assignment, struct diag *d) MUST_USE;
/* E_INVALID: a CONF_REQUIRED setting is missing. */
enum err conf_check(const struct conf *c, struct diag *d) MUST_USE;

/* Who follows changes. Either may be NULL. */
struct conf_follower {
	/* Sees the changed settings, and refuses them by an error with its reason in d. */
	enum err (*accept)(void *arg, struct diag *d);
	/* Once they are accepted: a setting that changed, or that waits for a restart. */
	void (*each)(const struct conf_def *def, bool applied, void *arg);
	void *arg;
};

/* Reads the same files again. What is CONF_LIVE and changed, changes. All or nothing: what is
 * wrong in the files or not accepted leaves all as it was. E_INVALID, E_IO, E_NOT_FOUND, as
 * conf_load, or what `accept` said. */
enum err conf_reload(struct conf *c, const struct conf_follower *f, struct diag *d) MUST_USE;

/* Values. The name must be in the table with that type (invariant). Strings are valid until the
 * setting changes or conf_free. */
const char *conf_str(const struct conf *c, const char *name); /* STRING, WORD; never NULL */
int64_t conf_int(const struct conf *c, const char *name);
bool conf_bool(const struct conf *c, const char *name);
uint64_t conf_bytes(const struct conf *c, const char *name);
int64_t conf_ms(const struct conf *c, const char *name);
size_t conf_count(const struct conf *c, const char *name); /* ADDRS, STRINGS */
const char *conf_item(const struct conf *c, const char *name, size_t i);
struct conf_addr conf_addr(const struct conf *c, const char *name, size_t i);
/* Any setting as text, a list with commas: what conf_set takes. */
void conf_text(const struct conf *c, const char *name, struct buf *out);
/* Set by a file or the command line, to whatever value. */
bool conf_is_set(const struct conf *c, const char *name);

enum conf_dump { CONF_DUMP_CHANGED, CONF_DUMP_ALL };
/* Appends lines `name = value`, in the table's order, each with where it was set as a comment. ALL
 * adds help, bounds and defaults. */
void conf_dump(const struct conf *c, enum conf_dump what, struct buf *out);

#endif
