#include "backend/delivery/success.h"

#include "backend/policy/window.h"
#include "common/base/map.h"
#include "common/log/log.h"
#include "common/log/metric.h"

METRIC_COUNTER(m_untold, "success_untold_total",
	       "Messages of which a sender is not told that they arrived, for it asks too often");

struct sender {
	uint64_t hash;
	struct window told;
};

struct success_limit {
	struct sender senders[SUCCESS_SENDERS];
};

struct success_limit *success_limit_new(void)
{
	return xcalloc(1, sizeof(struct success_limit));
}

void success_limit_free(struct success_limit **l)
{
	xfree(l);
}

bool success_may_tell(struct success_limit *l, uint64_t account, slice_t sender, int64_t now_us)
{
	uint64_t hash = map_hash(sender);
	struct sender *s = &l->senders[hash % SUCCESS_SENDERS];
	uint64_t told;

	if (account != 0)
		return true;
	told = window_sum(&s->told, WINDOW_HOUR, now_us);
	/* Whose place it was said nothing lately; else they share it. */
	if (s->hash != hash && told == 0)
		*s = (struct sender){.hash = hash};
	if (told >= SUCCESS_HOUR_MAX) {
		metric_add(&m_untold, 1);
		LOG_SELDOM(LOG_WARN, NULL, "deliver.success_untold", LF_SLICE("to", sender));
		return false;
	}
	window_add(&s->told, WINDOW_HOUR, now_us, 1);
	return true;
}

/* What it is known by in its transaction. No other key begins so (deliver.h). */
static slice_t key_of(slice_t address, struct arena *mem)
{
	char *p = arena_alloc(mem, 1 + address.n);

	p[0] = '\xfd';
	if (address.n != 0)
		memcpy(p + 1, address.p, address.n);
	return slice(p, 1 + address.n);
}

void success_item(const struct job *of, enum job_action action, int64_t now_us, struct arena *mem,
		  struct queue_add *out)
{
	struct job j = *of;

	j.kind = JOB_NOTICE;
	j.action = action;
	j.status = SL("2.1.5"); /* RFC 3463 section 3.2: for positive delivery reports */
	j.last_error = j.remote = j.route = SLICE_NONE;
	j.naccounts = 0;
	j.attempts = 0;
	j.held = j.warned = false;
	j.last_us = now_us;
	j.next_us = j.notice_us = MAX(now_us, of->release_us);
	j.release_us = 0;
	*out = (struct queue_add){
		.key = key_of(of->address, mem),
		.payload = job_pack(&j, mem),
		.due_us = QUEUE_PARKED_US,
		.when = ADD_WITH,
		.copy = CHANGE_ANY,
	};
}
