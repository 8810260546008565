#include "backend/queue/queue_filter.h"

#include "common/base/num.h"

/* "@domain" is all of the domain, "<>" the empty path. */
static bool is_address(slice_t want, slice_t address)
{
	const char *at;

	if (want.n == 0)
		return true;
	if (slice_eq(want, SL("<>")))
		return address.n == 0;
	if (want.p[0] != '@')
		return slice_ieq(want, address);
	at = address.n != 0 ? memrchr(address.p, '@', address.n) : NULL;
	return at != NULL && slice_ieq(want, slice_from(address, (size_t)(at - address.p)));
}

static bool is_recipient(const struct queue_filter *f, const struct job *j)
{
	if (f->to.n == 0)
		return true;
	for (size_t i = 0; f->to_account != 0 && i < j->naccounts; i++) {
		if (j->accounts[i] == f->to_account)
			return true;
	}
	return (j->address.n != 0 || j->naccounts == 0) && is_address(f->to, j->address);
}

bool queue_filter_job(const struct queue_filter *f, const struct job *j)
{
	return (f->kinds == 0 || (f->kinds & 1U << j->kind) != 0) &&
	       is_address(f->sender, j->sender) && is_recipient(f, j) &&
	       (f->destination.n == 0 || slice_ieq(f->destination, job_destination(j))) &&
	       (f->server.n == 0 || slice_eq(f->server, j->server)) &&
	       (f->trace.n == 0 || slice_eq(f->trace, slice(j->trace_id, sizeof j->trace_id))) &&
	       (f->before_us == 0 || j->first_us < f->before_us);
}

bool queue_filter_state(const struct queue_filter *f, const struct job *j, enum queue_state state)
{
	uint32_t is = 1U << state;

	if (j->kind == JOB_NOTICE)
		is |= 1U << QUEUE_IS_NOTICE;
	if (j->kind == JOB_EXPAND || j->kind == JOB_ACCOUNTS)
		is |= 1U << QUEUE_IS_INSIDE;
	return f->states == 0 || (f->states & is) != 0;
}

bool queue_filter_is_all(const struct queue_filter *f)
{
	return f->item == 0 && f->sender.n == 0 && f->to.n == 0 && f->destination.n == 0 &&
	       f->trace.n == 0 && f->server.n == 0 && f->before_us == 0 && f->larger == 0 &&
	       f->states == 0 && f->kinds == 0;
}

enum err queue_filter_id(slice_t text, struct queue_filter *f)
{
	size_t dot = slice_find_char(text, '.');
	uint64_t partition, item;

	if (dot == text.n || !num_parse(slice_sub(text, 0, dot), UINT32_MAX, &partition) ||
	    !num_parse(slice_from(text, dot + 1), UINT64_MAX - 1, &item) || item == 0)
		return E_INVALID;
	f->partition = (uint32_t)partition;
	f->item = item;
	return E_OK;
}

enum queue_state queue_state_of(enum sched_state state)
{
	switch (state) {
	case SCHED_READY:
	case SCHED_STATES:
		break;
	case SCHED_WAITING:
		return QUEUE_IS_WAITING;
	case SCHED_LEASED:
	case SCHED_EXPIRED:
		return QUEUE_IS_LEASED;
	case SCHED_HELD:
	case SCHED_HELD_SENDER:
	case SCHED_HELD_DEST:
		return QUEUE_IS_HELD;
	case SCHED_PACED:
		return QUEUE_IS_PACED;
	case SCHED_DOWN:
		return QUEUE_IS_DOWN;
	}
	return QUEUE_IS_READY;
}
