/*
 * Standard input goes into a file without a name, line ends put right; then the header is read from
 * there. So memory does not depend on the message, its size and its 8-bit bytes are known before
 * the first word to a server, and it can be handed in another way when one fails.
 */
#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/map.h"
#include "common/base/utf8.h"
#include "common/crypto/random.h"
#include "frontend/mime/handin.h"
#include "frontend/sendmail/sendmail.h"

#define CHUNK      ((size_t)32 * 1024)
#define NAME_BYTES 256

/* ---- who and where ---- */

static slice_t our_domain(const struct conf *c, struct arena *mem)
{
	const char *from = conf_str(c, "mail.from");
	const char *at = strrchr(from, '@');
	char host[NAME_BYTES];

	if (conf_str(c, "mail.domain")[0] != '\0')
		return slice_str(conf_str(c, "mail.domain"));
	if (at != NULL)
		return slice_str(at + 1);
	if (gethostname(host, sizeof host) != 0 || host[0] == '\0')
		return SL("localhost");
	host[sizeof host - 1] = '\0';
	return arena_dup(mem, slice_str(host));
}

static slice_t login_name(struct arena *mem)
{
	const struct passwd *p = getpwuid(getuid());

	return p != NULL ? arena_dup(mem, slice_str(p->pw_name)) : SL("nobody");
}

/* Up to the first comma of the account's words about its person. */
static slice_t person(const struct sm_args *a, struct arena *mem)
{
	const struct passwd *p;
	slice_t s;

	if (a->full_name != NULL)
		return slice_str(a->full_name);
	p = getpwuid(getuid());
	s = slice_str(p != NULL ? p->pw_gecos : "");
	return arena_dup(mem, slice_sub(s, 0, slice_find_char(s, ',')));
}

/* ---- the spool ---- */

static bool put_out(struct sm_letter *l, struct buf *b)
{
	bool ok = fwrite(b->p, 1, b->n, l->spool) == b->n;

	l->eight = l->eight || !utf8_is_ascii(buf_slice(b));
	l->body_size += b->n;
	buf_reset(b);
	return ok;
}

static int spool_all(FILE *in, const struct sm_args *a, const struct conf *c, struct sm_letter *l)
{
	uint64_t max = conf_bytes(c, "mail.size_max");
	struct handin_lines lines = {.dots = !a->no_dots};
	char chunk[CHUNK];
	struct buf b;
	bool ok = true;
	size_t n;

	buf_init(&b, 2 * CHUNK + 2, NULL);
	while (ok && l->body_size <= max && !lines.ended &&
	       (n = fread(chunk, 1, sizeof chunk, in)) > 0) {
		handin_lines_feed(&lines, slice(chunk, n), &b);
		ok = put_out(l, &b);
	}
	handin_lines_end(&lines, &b);
	ok = ok && put_out(l, &b) && fflush(l->spool) == 0;
	buf_fini(&b);
	if (!ok)
		return sm_fail(EX_IOERR, "no room for the message: %s", strerror(errno));
	if (ferror(in))
		return sm_fail(EX_IOERR, "standard input cannot be read: %s", strerror(errno));
	if (l->body_size > max)
		return sm_fail(EX_DATAERR, "the message is larger than %llu bytes",
			       (unsigned long long)max);
	return EX_OK;
}

/* ---- header and envelope ---- */

/* How many addresses the arguments may hold: cron gives MAILTO as it is, a list with commas. */
static size_t count_named(const struct sm_args *a)
{
	size_t n = a->nrcpts;

	for (size_t i = 0; i < a->nrcpts; i++) {
		for (const char *p = a->rcpts[i]; *p != '\0'; p++)
			n += *p == ',';
	}
	return n;
}

static void add_rcpt(struct sm_letter *l, struct map *seen, slice_t address)
{
	if (address.n != 0 && map_put(seen, address, l) == NULL)
		l->rcpts[l->nrcpts++] = address;
}

static int add_named(const struct sm_args *a, slice_t domain, struct arena *mem, struct map *seen,
		     struct sm_letter *l)
{
	slice_t address;
	struct diag d;

	for (size_t i = 0; i < a->nrcpts; i++) {
		slice_t rest = slice_str(a->rcpts[i]);

		while (rest.n != 0) {
			if (handin_address(handin_list_take(&rest), domain, mem, &address, &d) !=
			    E_OK)
				return sm_fail(EX_USAGE, "%s", d.text);
			add_rcpt(l, seen, address);
		}
	}
	return EX_OK;
}

static int add_rcpts(const struct sm_args *a, slice_t domain, const struct handin *h,
		     struct arena *mem, struct sm_letter *l)
{
	struct map seen;
	int status;

	l->rcpts = arena_alloc(mem, (count_named(a) + h->nrcpts + 1) * sizeof *l->rcpts);
	map_init(&seen);
	status = add_named(a, domain, mem, &seen, l);
	for (size_t i = 0; i < h->nrcpts; i++)
		add_rcpt(l, &seen, h->rcpts[i]);
	map_fini(&seen);
	if (status == EX_OK && l->nrcpts == 0)
		return sm_fail(EX_USAGE, "no recipients: name them%s",
			       a->from_header ? " in the header" : ", or use -t");
	return status;
}

static slice_t new_id(slice_t domain, struct arena *mem)
{
	unsigned char id[UUID_BYTES];
	struct buf b;
	slice_t out;

	random_uuid7(id);
	buf_init(&b, 2 * UUID_BYTES + 1 + NAME_BYTES, NULL);
	hex_encode(&b, slice(id, sizeof id));
	buf_putc(&b, '@');
	buf_put(&b, domain);
	out = arena_dup(mem, buf_slice(&b));
	buf_fini(&b);
	return out;
}

/* The sender: what -f says, or who calls. Without a domain it is one of this machine's users. */
static int find_sender(const struct sm_args *a, const struct handin_opts *o, struct arena *mem,
		       struct sm_letter *l)
{
	slice_t text = a->sender != NULL ? slice_str(a->sender) : login_name(mem);
	struct diag d;

	if (o->user.n != 0 && text.n != 0 && slice_find_char(text, '@') == text.n &&
	    !slice_eq(text, SL("<>"))) {
		l->sender = o->user;
		return EX_OK;
	}
	if (handin_address(text, o->domain, mem, &l->sender, &d) != E_OK)
		return sm_fail(EX_USAGE, "%s", d.text);
	return EX_OK;
}

static int read_header(const struct sm_args *a, const struct conf *c, struct arena *mem,
		       struct sm_letter *l)
{
	struct handin_opts o = {
		.take = a->from_header ? HANDIN_TO : 0,
		.domain = our_domain(c, mem),
		.user = slice_str(conf_str(c, "mail.from")),
		.full_name = person(a, mem),
		.now = {.utc_s = clock_wall_s()},
	};
	char *start = xmalloc(HANDIN_HEADER_MAX);
	struct handin h;
	struct diag d;
	int status;
	enum err e;
	size_t n;

	rewind(l->spool);
	n = fread(start, 1, HANDIN_HEADER_MAX, l->spool);
	o.message_id = new_id(o.domain, mem);
	status = find_sender(a, &o, mem, l);
	o.from = l->sender;
	e = handin_read(slice(start, n), &o, mem, &h, &d);
	xfree(&start);
	if (status != EX_OK)
		return status;
	if (e != E_OK)
		return sm_fail(EX_DATAERR, "%s", d.text);
	l->header = h.header;
	l->eight_header = h.eight;
	l->body_at = h.body_at;
	l->body_size -= h.body_at;
	return add_rcpts(a, o.domain, &h, mem, l);
}

int sm_letter_read(FILE *in, const struct sm_args *a, const struct conf *c, struct arena *mem,
		   struct sm_letter *out)
{
	int status;

	*out = (struct sm_letter){.spool = tmpfile()};
	if (out->spool == NULL)
		return sm_fail(EX_CANTCREAT, "no temporary file: %s", strerror(errno));
	status = spool_all(in, a, c, out);
	return status == EX_OK ? read_header(a, c, mem, out) : status;
}

void sm_letter_rewind(struct sm_letter *l)
{
	(void)fseeko(l->spool, (off_t)l->body_at, SEEK_SET);
}

void sm_letter_fini(struct sm_letter *l)
{
	if (l->spool != NULL)
		fclose(l->spool);
	l->spool = NULL;
}
