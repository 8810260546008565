/*
 * What the operator has suspended: all mail to a destination, or from a sender, that which is still
 * to come too. Settings say so, which makes it durable and the same on every node. The guard holds
 * senders as well: one is free when neither of them holds it.
 */
#include "backend/queue/outbound_priv.h"

#include "common/base/clock.h"
#include "common/log/log.h"

static void hold_senders(struct outbound *o, enum sched_hold hold)
{
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < o->nsuspended_senders; i++) {
		uint64_t sender = o->suspended_senders[i];
		bool held = o->guard != NULL && guard_is_held(o->guard, sender);

		sched_hold_sender(o->sched, sender, held ? SCHED_ON_HOLD : hold, now_us);
	}
}

/* Of an account of ours by its main address; of others by what stands in their mail. */
static uint64_t sender_of(const struct outbound *o, slice_t address)
{
	struct dir_account a;
	bool ours = dir_account_by_name(o->deliver->dir, address, &a) == E_OK;

	return outbound_sender_key(ours ? a.id : 0, address);
}

static const char names[] = "outbound.suspended_destinations";

static bool are_names(const struct outbound *o, const struct conf *c)
{
	for (size_t i = 0; i < o->nsuspended_names && i < conf_count(c, names); i++) {
		if (!slice_eq(o->suspended_names[i], slice_str(conf_item(c, names, i))))
			return false;
	}
	return o->nsuspended_names == conf_count(c, names);
}

static void read_settings(struct outbound *o, const struct conf *c)
{
	static const char senders[] = "outbound.suspended_senders";

	o->nsuspended_names = conf_count(c, names);
	o->nsuspended_senders = conf_count(c, senders);
	o->suspended_names = arena_alloc(&o->suspended_mem,
					 (o->nsuspended_names + 1) * sizeof *o->suspended_names);
	o->suspended_senders = arena_alloc(&o->suspended_mem, (o->nsuspended_senders + 1) *
								      sizeof *o->suspended_senders);
	for (size_t i = 0; i < o->nsuspended_names; i++)
		o->suspended_names[i] =
			arena_dup(&o->suspended_mem, slice_str(conf_item(c, names, i)));
	for (size_t i = 0; i < o->nsuspended_senders; i++)
		o->suspended_senders[i] = sender_of(o, slice_str(conf_item(c, senders, i)));
}

void outbound_suspend(struct outbound *o, const struct conf *settings)
{
	bool changed = !are_names(o, settings);

	hold_senders(o, SCHED_FREE);
	outbound_suspend_fini(o);
	read_settings(o, settings);
	hold_senders(o, SCHED_ON_HOLD);
	/* They are on another way now (way.h), or on their old one again. */
	if (changed)
		outbound_routes_changed(o);
}

bool outbound_is_suspended(const struct outbound *o, uint64_t sender)
{
	for (size_t i = 0; i < o->nsuspended_senders; i++) {
		if (o->suspended_senders[i] == sender)
			return true;
	}
	return false;
}

void outbound_suspend_fini(struct outbound *o)
{
	arena_reset(&o->suspended_mem);
	o->nsuspended_names = o->nsuspended_senders = 0;
}
