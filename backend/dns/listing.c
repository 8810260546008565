#include "backend/dns/listing.h"

#include "backend/dns/hosts.h"
#include "common/base/clock.h"

#define ONE_MS       15000 /* one question, over several workers */
#define DOMAINS_PAGE 200   /* read at a time */

/* ---- what is judged without asking ---- */

void listing_name(slice_t what, slice_t list, struct buf *out)
{
	struct ipaddr a;

	if (!ipaddr_parse(what, &a)) {
		buf_put(out, what);
		buf_putc(out, '.');
	} else if (a.family == 4) {
		for (size_t i = 4; i-- > 0;)
			buf_printf(out, "%u.", a.b[i]);
	} else {
		for (size_t i = 16; i-- > 0;)
			buf_printf(out, "%x.%x.", a.b[i] & 15, a.b[i] >> 4);
	}
	buf_put(out, list);
}

enum listing_verdict listing_judge(const struct ask_answer *a, const char **why_out)
{
	bool refuses = false;

	*why_out = "";
	if (a->outcome == ASK_ABSENT)
		return LISTING_CLEAN;
	if (a->outcome != ASK_OK) {
		*why_out = "the list does not answer";
		return LISTING_UNKNOWN;
	}
	for (size_t i = 0; i < a->n; i++) {
		struct ipaddr r;

		if (!ipaddr_parse(a->records[i], &r) || r.family != 4 || r.b[0] != 127)
			continue;
		/* Lists say so of resolvers from which they take no questions. */
		if (r.b[1] == 255 && r.b[2] == 255)
			refuses = true;
		else
			return LISTING_LISTED;
	}
	*why_out = refuses ? "the list refuses to answer our resolver"
			   : "it answers what no block list does";
	return LISTING_UNKNOWN;
}

/* ---- one list ---- */

/* Its own words, where it has any. */
WAITS static enum err ask_reason(struct asking *a, slice_t name, int64_t deadline_ms,
				 struct arena *mem, struct listing *l)
{
	struct ask_answer txt;
	enum err e = dns_ask(a, name, ASK_TXT, deadline_ms, mem, &txt, NULL);

	if (e == E_OK && txt.outcome == ASK_OK && txt.n > 0)
		l->reason = slice_sub(txt.records[0], 0, LISTING_REASON_MAX);
	return e == E_CANCELLED ? e : E_OK;
}

WAITS enum err listing_look(struct asking *a, slice_t what, slice_t list, int64_t deadline_ms,
			    struct arena *mem, struct listing *out, struct diag *d)
{
	struct ask_answer answer;
	const char *why;
	struct buf name;
	enum err e;

	*out = (struct listing){.what = what, .list = list, .verdict = LISTING_UNKNOWN};
	buf_init(&name, ASKING_NAME_MAX + 1, NULL);
	listing_name(what, list, &name);
	e = buf_failed(&name)
		    ? E_INVALID
		    : dns_ask(a, buf_slice(&name), ASK_ADDRESS, deadline_ms, mem, &answer, d);
	if (e == E_OK) {
		out->verdict = listing_judge(&answer, &why);
		out->reason = slice_str(why);
	}
	if (e == E_INVALID) {
		out->reason = SL("the name to ask for would be too long");
		e = E_OK;
	}
	if (e == E_OK && out->verdict == LISTING_LISTED)
		e = ask_reason(a, buf_slice(&name), deadline_ms, mem, out);
	buf_fini(&name);
	return e;
}

/* ---- all of them ---- */

struct walk {
	const struct listing_wants *w;
	listing_fn *fn;
	void *arg;
	struct diag *diag;
	/* Of the lists that are asked now: how often in a row each has left a question open. */
	unsigned silent[LISTING_LISTS_MAX];
};

/* One that does not answer would keep the others from being asked at all. */
WAITS static enum err ask_list(struct walk *k, size_t i, int64_t left_ms, struct arena *mem,
			       struct listing *l)
{
	enum err e;

	if (k->silent[i] >= LISTING_SILENT_MAX) {
		l->verdict = LISTING_UNKNOWN;
		l->reason = SL("the list has not answered before");
		return E_OK;
	}
	e = listing_look(k->w->asking, l->what, l->list, deadline_in(MIN(left_ms, ONE_MS)), mem, l,
			 k->diag);
	k->silent[i] = e == E_OK && l->verdict == LISTING_UNKNOWN ? k->silent[i] + 1 : 0;
	return e;
}

/* One thing of ours with all lists of a setting. */
WAITS static enum err look_at(struct walk *k, slice_t what, const char *setting)
{
	size_t n = MIN(conf_count(k->w->settings, setting), (size_t)LISTING_LISTS_MAX);
	struct arena mem;
	enum err e = E_OK;

	arena_init(&mem, NULL);
	for (size_t i = 0; e == E_OK && i < n; i++) {
		int64_t left_ms = k->w->deadline_ms - clock_mono_ms();
		struct listing l = {.what = what,
				    .list = slice_str(conf_item(k->w->settings, setting, i))};

		if (left_ms <= 0) {
			e = diag_set(k->diag, E_TIMEOUT, "not all lists could be asked in time");
			break;
		}
		e = ask_list(k, i, left_ms, &mem, &l);
		if (e == E_OK)
			e = k->fn(&l, k->arg);
		arena_reset(&mem);
	}
	return e;
}

struct addrs {
	slice_t texts[LISTING_ADDRS_MAX]; /* in mem */
	size_t n;
	struct arena *mem;
};

static void add(struct addrs *a, slice_t text)
{
	char canonical[IPADDR_STR];
	struct ipaddr ip;

	if (!ipaddr_parse(text, &ip) || a->n == LISTING_ADDRS_MAX)
		return;
	text = slice_str(ipaddr_str(&ip, canonical));
	for (size_t i = 0; i < a->n; i++) {
		if (slice_eq(a->texts[i], text))
			return;
	}
	a->texts[a->n++] = arena_dup(a->mem, text);
}

/* Those that are set, and those of the hosts. */
WAITS static enum err find_addrs(struct walk *k, struct addrs *a)
{
	const struct conf *s = k->w->settings;
	slice_t hosts[ZONE_HOSTS_MAX];
	size_t nhosts = 0;
	enum err e = E_OK;

	for (size_t i = 0; i < conf_count(s, "blocklists.own"); i++)
		add(a, slice_str(conf_item(s, "blocklists.own", i)));
	/* Where no host is known, those that are set have to do. */
	if (a->n == 0 || conf_count(s, "dns.mx_hosts") != 0 || conf_str(s, "hostname")[0] != '\0')
		e = dns_hosts(s, a->mem, hosts, &nhosts, k->diag);
	for (size_t i = 0; e == E_OK && i < nhosts; i++) {
		struct ask_answer answer;

		e = dns_ask(k->w->asking, hosts[i], ASK_ADDRESS, deadline_in(ONE_MS), a->mem,
			    &answer, k->diag);
		for (size_t j = 0; e == E_OK && answer.outcome == ASK_OK && j < answer.n; j++)
			add(a, answer.records[j]);
	}
	return e;
}

WAITS static enum err look_at_addrs(struct walk *k)
{
	struct addrs a = {.n = 0};
	struct arena mem;
	enum err e;

	arena_init(&mem, NULL);
	a.mem = &mem;
	e = find_addrs(k, &a);
	for (size_t i = 0; e == E_OK && i < a.n; i++)
		e = look_at(k, a.texts[i], "blocklists.addresses");
	arena_reset(&mem);
	return e;
}

WAITS static enum err look_at_domains(struct walk *k)
{
	char after[DIR_ADDRESS_MAX + 1] = "";
	struct dir_domain_page page = {.n = DOMAINS_PAGE};
	enum err e = E_OK;

	while (e == E_OK && page.n == DOMAINS_PAGE) {
		struct arena mem;

		arena_init(&mem, NULL);
		e = dir_domain_list(k->w->dir, slice_str(after), DOMAINS_PAGE, &mem, &page,
				    k->diag);
		for (size_t i = 0; e == E_OK && i < page.n; i++) {
			if (page.rows[i].kind != DIR_DOMAIN_REMOTE)
				e = look_at(k, page.rows[i].name, "blocklists.domains");
			if (!slice_to_str(page.rows[i].name, after, sizeof after))
				e = e == E_OK ? E_INVALID : e;
		}
		arena_reset(&mem);
	}
	return e;
}

WAITS enum err listing_each(const struct listing_wants *w, listing_fn *fn, void *arg,
			    struct diag *d)
{
	struct walk k = {.w = w, .fn = fn, .arg = arg, .diag = d};
	bool addrs = conf_count(w->settings, "blocklists.addresses") != 0;
	bool domains = conf_count(w->settings, "blocklists.domains") != 0;
	enum err e = E_OK;

	if (!addrs && !domains)
		return diag_set(d, E_INVALID,
				"which lists? say so with the settings blocklists.addresses and "
				"blocklists.domains");
	if (addrs)
		e = look_at_addrs(&k);
	memset(k.silent, 0, sizeof k.silent);
	return e == E_OK && domains ? look_at_domains(&k) : e;
}
