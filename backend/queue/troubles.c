#include "backend/queue/troubles.h"

void troubles_init(struct troubles *t)
{
	map_init(&t->by_name);
	list_init(&t->all);
}

static void forget(struct troubles *t, struct trouble *x)
{
	map_del(&t->by_name, x->destination);
	list_remove(&x->node);
	xfree(&x);
}

void troubles_fini(struct troubles *t)
{
	while (!list_empty(&t->all))
		forget(t, list_entry(t->all.next, struct trouble, node));
	map_fini(&t->by_name);
}

static slice_t put(char **at, slice_t s)
{
	char *p = *at;

	if (s.n != 0)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return slice(p, s.n);
}

void troubles_note(struct troubles *t, slice_t destination, const struct outcome_try *r)
{
	slice_t text = slice_sub(r->text, 0, TROUBLE_TEXT_MAX);
	slice_t remote = slice_sub(r->remote, 0, TROUBLE_TEXT_MAX);
	struct trouble *x;
	char *at;

	troubles_over(t, destination);
	if (t->by_name.count == TROUBLES_MAX)
		forget(t, list_entry(t->all.next, struct trouble, node));
	x = xcalloc(1, sizeof *x + destination.n + r->status.n + text.n + remote.n);
	at = x->bytes;
	x->at_us = r->at_us;
	x->destination = put(&at, destination);
	x->status = put(&at, r->status);
	x->text = put(&at, text);
	x->remote = put(&at, remote);
	list_append(&t->all, &x->node);
	map_put(&t->by_name, x->destination, x);
}

void troubles_over(struct troubles *t, slice_t destination)
{
	struct trouble *x = t->by_name.count != 0 ? map_get(&t->by_name, destination) : NULL;

	if (x != NULL)
		forget(t, x);
}

const struct trouble *troubles_of(const struct troubles *t, slice_t destination)
{
	return map_get(&t->by_name, destination);
}
