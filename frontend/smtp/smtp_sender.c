#include "frontend/smtp/smtp_sender.h"

#include "common/base/clock.h"
#include "common/base/map.h"
#include "frontend/rpc/call_delivery.h"
#include "frontend/smtp/smtp.h"
#include "frontend/smtp/smtp_intake.h"
#include "frontend/smtp/smtp_prefix.h"
#include "frontend/smtp/smtp_sign.h"

#define DOMAINS 512 /* a power of two; 12 KiB a worker */

/* Direct-mapped, by a keyed hash: nobody outside can choose collisions. */
static struct {
	uint64_t hash;
	int64_t until_ms;
	bool ours;
} domains[DOMAINS];

static slice_t address_text(const struct addr *a, struct buf *b)
{
	buf_put(b, addr_local(a));
	buf_putc(b, '@');
	buf_put(b, addr_domain(a));
	return buf_slice(b);
}

/* Is the domain one of ours? E_OK: no; E_DENIED: yes. */
static WAITS enum err foreign_domain(const struct addr *a, slice_t address)
{
	uint64_t h = map_hash(addr_domain(a));
	size_t i = h & (DOMAINS - 1);
	struct sender_answer none;
	struct diag d;
	enum err e;

	if (domains[i].hash == h && domains[i].until_ms > clock_mono_ms())
		return domains[i].ours ? E_DENIED : E_OK;
	e = call_sender_check(NULL, address, &none, &d);
	if (e == E_OK || e == E_DENIED) {
		domains[i].hash = h;
		domains[i].until_ms = clock_mono_ms() + SMTP_SENDER_TTL_MS;
		domains[i].ours = e == E_DENIED;
	}
	return e;
}

/* May the session's account send as this address, and why? */
static WAITS enum err own_address(struct smtp *s, slice_t address, enum sender_right *right_out)
{
	uint64_t h = map_hash(address);
	struct sender_answer answer;
	enum err e;

	*right_out = SENDER_MAIN;
	for (unsigned i = 0; i < MIN(s->nsenders, SMTP_SENDERS_CACHED); i++) {
		if (s->senders[i].hash == h && s->senders[i].until_ms > clock_mono_ms())
			return E_OK;
	}
	s->limit.text[0] = '\0';
	e = call_sender_check(s->base.ticket, address, &answer, &s->limit);
	if (e != E_OK)
		return e;
	*right_out = answer.right;
	if (answer.right == SENDER_MAIN)
		s->senders[s->nsenders++ % SMTP_SENDERS_CACHED] =
			(struct smtp_sender){h, clock_mono_ms() + SMTP_SENDER_TTL_MS};
	smtp_sign_learn(address, &answer.keys);
	return E_OK;
}

static WAITS enum err may_use(struct smtp *s, const struct addr *a, enum sender_right *right_out)
{
	struct buf b;
	slice_t address;
	enum err e;

	buf_init(&b, ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 2, NULL);
	address = address_text(a, &b);
	e = smtp_submits(s) ? own_address(s, address, right_out) : foreign_domain(a, address);
	buf_fini(&b);
	return e;
}

/* Whether senders are looked at on this session: users' always are, and those of clients that are
 * believed without a log-in never. */
static bool matters(const struct smtp *s)
{
	bool trusted = s->profile->lmtp || smtp_relays_freely(s);

	return smtp_submits(s) || (policy()->smtp_local_sender_check && !trusted);
}

static WAITS enum err sender_check(struct smtp *s, const struct addr *from,
				   enum sender_right *right_out, enum smtp_say *why_out)
{
	struct addr a = *from;
	enum err e;

	*why_out = SAY_NOTHING;
	*right_out = SENDER_MAIN;
	if (a.flags & ADDR_NULL)
		return E_OK;
	if (!matters(s))
		return E_OK;
	if (addr_normalise(&a) != E_OK) {
		/* A domain that cannot exist is no domain of ours. */
		if (smtp_submits(s))
			*why_out = SAY_BAD_SENDER;
		return E_OK;
	}
	e = may_use(s, &a, right_out);
	if (e == E_OK)
		return E_OK;
	*why_out = e == E_DENIED && !smtp_submits(s) ? SAY_SENDER_OURS : smtp_say_for(AT_SENDER, e);
	return *why_out == SAY_NOTHING ? e : E_OK;
}

WAITS enum err smtp_sender_check(struct smtp *s, const struct addr *from, enum smtp_say *why_out)
{
	enum sender_right right;

	return sender_check(s, from, &right, why_out);
}

void smtp_sender_masquerade(const struct smtp *s, struct addr *from)
{
	const char *instead = NULL;

	if (smtp_submits(s) && (from->flags & ADDR_NULL) == 0)
		instead = server_masquerade(s->base.server, addr_domain(from));
	if (instead != NULL && slice_to_str(slice_str(instead), from->domain, sizeof from->domain))
		from->domain_n = (uint8_t)strlen(instead);
}

/* ---- From and Sender ---- */

/* What has been seen of a header. */
struct view {
	bool sender;    /* it is Sender that is looked at */
	size_t seen;    /* addresses looked at so far, of all fields */
	size_t authors; /* of them in From */
	bool on_behalf; /* one of these is another's, for whom the account writes */
};

/* An address of the header as one of the envelope; false: it cannot be. A submission's has to be
 * well-formed. From outside, what can be read is looked at, since a reader's program does the same:
 * the domain alone matters then, with the dot at its end that some read over. */
static bool item_address(const struct smtp *s, const struct addr_item *item, struct addr *out)
{
	slice_t local = item->local, domain = item->domain;

	*out = (struct addr){.flags = 0};
	if (smtp_submits(s) && item->malformed)
		return false;
	if (!smtp_submits(s)) {
		local = SL("postmaster");
		while (slice_ends(domain, SL(".")))
			domain.n--;
	}
	if (domain.n == 0 || !slice_to_str(local, out->local, sizeof out->local) ||
	    !slice_to_str(domain, out->domain, sizeof out->domain))
		return false;
	out->local_n = (uint8_t)local.n;
	out->domain_n = (uint8_t)domain.n;
	return true;
}

/* Who sends is the account itself, or whom it may be: a right to write for somebody is none to be
 * them, and beside it only an address of one's own will do. */
static bool fits_sender(const struct view *v, enum sender_right right)
{
	return right != SENDER_ON_BEHALF && (right != SENDER_SEND_AS || !v->on_behalf);
}

static void log_not_theirs(const struct smtp *s, const struct view *v, const struct addr *a)
{
	LOG(LOG_INFO, &s->base.log, "smtp.author_refused", LF_STR("trace", s->tx.trace_hex),
	    LF_STR("account", s->base.ticket->account),
	    LF_STR("field", v->sender ? "Sender" : "From"), LF_SLICE("local", addr_local(a)),
	    LF_SLICE("domain", addr_domain(a)));
}

static WAITS enum err item_check(struct smtp *s, const struct addr_item *item, struct view *v,
				 enum smtp_say *why_out)
{
	enum sender_right right;
	struct addr a;
	enum err e;

	if (!item_address(s, item, &a)) {
		if (smtp_submits(s))
			*why_out = SAY_FROM_BAD;
		return E_OK;
	}
	e = sender_check(s, &a, &right, why_out);
	if (e == E_OK && *why_out == SAY_NOTHING && v->sender && !fits_sender(v, right))
		*why_out = SAY_SENDER_NOT_YOURS;
	v->on_behalf = v->on_behalf || (!v->sender && right == SENDER_ON_BEHALF);
	if (*why_out == SAY_SENDER_OURS) {
		*why_out = SAY_FROM_OURS;
	} else if (*why_out == SAY_SENDER_NOT_YOURS) {
		*why_out = SAY_FROM_NOT_YOURS;
		log_not_theirs(s, v, &a);
	} else if (*why_out == SAY_BAD_SENDER) {
		*why_out = SAY_FROM_BAD;
	}
	return e;
}

/* The first address of From, in the form that back-ends compare: its domain signs. */
static void note_author(struct smtp *s, const struct addr_item *item)
{
	struct addr a;
	struct buf b;

	if (!smtp_submits(s) || s->tx.meta.author.n != 0 || !item_address(s, item, &a) ||
	    addr_normalise(&a) != E_OK)
		return;
	buf_init(&b, ADDR_LOCAL_MAX + ADDR_DOMAIN_MAX + 2, NULL);
	s->tx.meta.author = arena_dup(&s->tx.arena, address_text(&a, &b));
	buf_fini(&b);
}

/* One field's body. */
static WAITS enum err body_check(struct smtp *s, slice_t body, struct view *v,
				 enum smtp_say *why_out)
{
	struct addr_list list;
	enum err e = addr_list_parse(body, SMTP_FROM_ADDRESSES_MAX - v->seen, &s->tx.arena, &list);

	if (e != E_OK || list.cut || (smtp_submits(s) && list.malformed)) {
		*why_out = e == E_LIMIT ? SAY_NO_ROOM : SAY_FROM_BAD;
		return E_OK;
	}
	for (size_t i = 0; i < list.n && *why_out == SAY_NOTHING; i++) {
		if (list.items[i].kind != ADDR_MAILBOX)
			continue;
		v->seen++;
		v->authors += v->sender ? 0 : 1;
		e = item_check(s, &list.items[i], v, why_out);
		if (e != E_OK)
			return e;
		note_author(s, &list.items[i]);
	}
	return E_OK;
}

static WAITS enum err bodies_check(struct smtp *s, slice_t bodies, struct view *v,
				   enum smtp_say *why_out)
{
	enum err e = E_OK;

	while (bodies.n > 0 && e == E_OK && *why_out == SAY_NOTHING) {
		size_t n = slice_find_char(bodies, '\n');

		e = body_check(s, slice_sub(bodies, 0, n), v, why_out);
		bodies = slice_from(bodies, n + 1);
	}
	return e;
}

/* A submission without From is its sender's. */
static WAITS enum err default_author(struct smtp *s, const struct smtp_header *h, struct view *v,
				     enum smtp_say *why_out)
{
	enum sender_right right;
	enum err e;

	if (h->has_from) {
		if (v->seen == 0)
			*why_out = SAY_FROM_BAD;
		return E_OK;
	}
	s->tx.meta.author = smtp_prefix_author(s);
	v->authors = 1;
	e = own_address(s, s->tx.meta.author, &right);
	v->on_behalf = e == E_OK && right == SENDER_ON_BEHALF;
	if (e == E_OK)
		return E_OK;
	*why_out = smtp_say_for(AT_SENDER, e);
	return *why_out == SAY_NOTHING ? e : E_OK;
}

WAITS enum err smtp_from_check(struct smtp *s, const struct smtp_header *h, enum smtp_say *why_out)
{
	struct view v = {.seen = 0};
	size_t authors;
	enum err e;

	*why_out = SAY_NOTHING;
	if (!matters(s))
		return E_OK;
	if (smtp_header_cut(h)) {
		*why_out = SAY_FROM_BAD;
		return E_OK;
	}
	e = bodies_check(s, buf_slice(&h->from), &v, why_out);
	if (e == E_OK && *why_out == SAY_NOTHING && smtp_submits(s))
		e = default_author(s, h, &v, why_out);
	authors = v.seen;
	v.sender = true;
	if (e == E_OK && *why_out == SAY_NOTHING)
		e = bodies_check(s, buf_slice(&h->sender), &v, why_out);
	if (e != E_OK || *why_out != SAY_NOTHING || !smtp_submits(s))
		return e;
	if (v.on_behalf && h->has_sender && v.seen == authors)
		*why_out = SAY_FROM_BAD;
	s->tx.in->lacks_sender = !h->has_sender && (v.on_behalf || v.authors > 1);
	return E_OK;
}
