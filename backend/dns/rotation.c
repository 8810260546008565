#include "backend/dns/rotation.h"

#include "backend/directory/dir_claim.h"
#include "backend/policy/chore.h"
#include "backend/policy/live.h"
#include "backend/sign/sign.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/metric.h"

#define PAGE      200 /* keys read at a time: those of a dozen domains at least */
#define WHO_BYTES 300 /* "backend/" and a name of a node */
#define TOLD_US   (24 * 3600 * 1000000LL)

METRIC_GAUGE(m_late, "dkim_keys_late", "Keys that wait for their record in DNS for too long");

struct rotation {
	struct dir *dir;
	struct asking *asking;
	const struct conf *overrides;
	struct chore *chore;
	slice_t cursor; /* where an unfinished look ended, "selector@domain"; in cursor_text */
	char cursor_text[DKIM_SELECTOR_MAX + 260];
	int64_t told_us; /* wall; when late keys were told */
};

/* One look. */
struct look {
	struct rotation *r;
	struct rotate_times times;
	struct dir_actor by;
	int64_t deadline_ms;
	bool tells;
	unsigned late;
};

/* ---- one domain ---- */

WAITS static enum err ask_all(struct look *l, struct rotate_key *keys, size_t n)
{
	enum err e = E_OK;

	for (size_t i = 0; e != E_CANCELLED && i < n; i++) {
		if (!rotate_asks(&keys[i].row))
			continue;
		e = dkim_text_look(l->r->asking, &keys[i].row, deadline_in(ROTATION_ASK_MS),
				   &keys[i].sight, NULL);
	}
	return e == E_CANCELLED ? e : E_OK;
}

WAITS static enum err do_step(struct look *l, const struct rotate_key *k)
{
	slice_t domain = k->row.domain, selector = k->row.selector;
	struct dir *d = l->r->dir;
	struct diag why = {""};
	enum err e = E_OK;

	switch (k->step) {
	case ROTATE_KEEP:
		return E_OK;
	case ROTATE_PUBLISHED:
		e = dir_dkim_sight(d, &l->by, domain, selector, DIR_DKIM_SEEN, &why);
		break;
	case ROTATE_UNPUBLISHED:
		e = dir_dkim_sight(d, &l->by, domain, selector, DIR_DKIM_GONE, &why);
		break;
	case ROTATE_ACTIVATE:
		e = dir_dkim_activate(d, &l->by, domain, selector, &why);
		break;
	case ROTATE_RETIRE:
		e = dir_dkim_retire(d, &l->by, domain, selector, &why);
		break;
	case ROTATE_REMOVE:
		e = dir_dkim_remove(d, &l->by, domain, selector, &why);
		break;
	}
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "dkim.rotation_failed", LF_SLICE("domain", domain),
		    LF_SLICE("selector", selector), LF_ERR("error", e), LF_STR("why", why.text));
	return e;
}

WAITS static enum err make(struct look *l, slice_t domain, const enum sign_algorithm *algorithms,
			   size_t n)
{
	struct signer_key keys[DKIM_SIGS_MAX];
	struct diag why = {""};
	enum err e;

	for (size_t i = 0; i < n; i++)
		keys[i] = (struct signer_key){.algorithm = algorithms[i],
					      .origin = DIR_DKIM_SUCCESSOR};
	e = signer_make(l->r->dir, &l->by, domain, SLICE_NONE, keys, n, &why);
	for (size_t i = 0; e == E_OK && i < n; i++)
		LOG(LOG_WARN, NULL, "dkim.successor", LF_SLICE("domain", domain),
		    LF_STR("selector", keys[i].selector),
		    LF_STR("why", "its record has to go into DNS: postern dns show"));
	if (e != E_OK)
		LOG(LOG_WARN, NULL, "dkim.rotation_failed", LF_SLICE("domain", domain),
		    LF_ERR("error", e), LF_STR("why", why.text));
	return e;
}

static void tell_late(struct look *l, const struct dir_dkim_row *row)
{
	l->late++;
	if (l->tells)
		LOG(LOG_ERROR, NULL, "dkim.record_missing", LF_SLICE("domain", row->domain),
		    LF_SLICE("selector", row->selector),
		    LF_INT("days", (clock_wall_us() - row->created_us) / TOLD_US),
		    LF_STR("why", "its record is not in DNS: postern dns show"));
}

/* What fails is tried again at the next look: the other domains are not to wait for it. */
WAITS static enum err tend(struct look *l, struct rotate_key *keys, size_t n)
{
	enum sign_algorithm wanted[DKIM_SIGS_MAX];
	size_t nwanted;
	enum err e = ask_all(l, keys, n);

	if (e != E_OK)
		return e;
	nwanted = rotate_plan(keys, n, clock_wall_us(), &l->times, wanted);
	for (size_t i = 0; e != E_CANCELLED && i < n; i++) {
		if (keys[i].late)
			tell_late(l, &keys[i].row);
		e = do_step(l, &keys[i]);
	}
	if (e != E_CANCELLED && nwanted > 0)
		e = make(l, keys[0].row.domain, wanted, nwanted);
	return e == E_CANCELLED ? e : E_OK;
}

/* ---- all domains ---- */

static void remember(struct rotation *r, const struct dir_dkim_row *last)
{
	struct buf b;

	buf_init(&b, sizeof r->cursor_text, NULL);
	buf_put(&b, last->selector);
	buf_putc(&b, '@');
	buf_put(&b, last->domain);
	memcpy(r->cursor_text, b.p, b.n);
	r->cursor = slice(r->cursor_text, b.n);
	buf_fini(&b);
}

/* Rows of the first domain in rows. */
static size_t of_one_domain(const struct dir_dkim_row *rows, size_t n)
{
	size_t k = 1;

	while (k < n && slice_eq(rows[k].domain, rows[0].domain))
		k++;
	return k;
}

/* Domains whose keys are all in the page: a full page may have cut its last one. */
WAITS static enum err tend_page(struct look *l, const struct dir_dkim_page *page)
{
	struct rotate_key keys[DIR_DKIM_KEYS_MAX];
	enum err e = E_OK;

	for (size_t at = 0, n; e == E_OK && at < page->n; at += n) {
		n = of_one_domain(page->rows + at, page->n - at);
		if (page->n == PAGE && at + n == page->n && at != 0)
			break;
		for (size_t i = 0; i < n && i < ARRAY_LEN(keys); i++)
			keys[i] = (struct rotate_key){.row = page->rows[at + i]};
		e = tend(l, keys, MIN(n, ARRAY_LEN(keys)));
		remember(l->r, &page->rows[at + n - 1]);
	}
	return e;
}

WAITS static enum err tend_all(struct look *l)
{
	struct dir_dkim_page page = {.n = PAGE};
	enum err e = E_OK;

	while (e == E_OK && page.n == PAGE && clock_mono_ms() < l->deadline_ms) {
		struct arena mem;

		arena_init(&mem, NULL);
		e = dir_dkim_list(l->r->dir, SLICE_NONE, l->r->cursor, PAGE, &mem, &page, NULL);
		if (e == E_OK)
			e = tend_page(l, &page);
		arena_reset(&mem);
	}
	if (e == E_OK && page.n < PAGE)
		l->r->cursor = SLICE_NONE;
	return e;
}

static void read_settings(struct look *l)
{
	struct conf *c = live_settings(l->r->dir, l->r->overrides);

	l->times = (struct rotate_times){
		.after_us = conf_ms(c, "dkim.rotate_after") * 1000,
		.seen_us = conf_ms(c, "dkim.seen_for") * 1000,
		.overlap_us = conf_ms(c, "dkim.overlap") * 1000,
	};
	conf_free(&c);
}

WAITS enum err rotation_look(struct rotation *r)
{
	struct look l = {.r = r, .deadline_ms = deadline_in(ROTATION_MS)};
	int64_t now_us = clock_wall_us();
	struct buf who;
	bool mine;
	enum err e = dir_claim(r->dir, "dkim", ROTATION_CLAIM_S, &mine, NULL);

	if (e != E_OK || !mine)
		return e == E_OK ? E_BUSY : e;
	buf_init(&who, WHO_BYTES, NULL);
	buf_puts(&who, "backend/");
	buf_puts(&who, dir_node_name(r->dir));
	l.by.who = buf_slice(&who);
	l.tells = now_us - r->told_us >= TOLD_US;
	read_settings(&l);
	e = tend_all(&l);
	metric_set(&m_late, l.late);
	if (l.tells && l.late > 0)
		r->told_us = now_us;
	buf_fini(&who);
	return e;
}

/* ---- life ---- */

WAITS static enum err look(void *arg)
{
	return rotation_look(arg);
}

enum err rotation_start(struct dir *dir, struct asking *asking, const struct conf *overrides,
			struct rotation **out)
{
	struct rotation *r = xcalloc(1, sizeof *r);
	struct chore_opts opts = {
		.name = "dkim.rotation",
		.every = "dkim.check_every",
		.dir = dir,
		.overrides = overrides,
		.look = look,
		.arg = r,
	};
	enum err e;

	*r = (struct rotation){.dir = dir, .asking = asking, .overrides = overrides};
	e = chore_start(&opts, &r->chore);
	if (e != E_OK)
		xfree(&r);
	else
		*out = r;
	return e;
}

WAITS void rotation_stop(struct rotation **r)
{
	if (*r == NULL)
		return;
	chore_stop(&(*r)->chore);
	xfree(r);
}
