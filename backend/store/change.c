/* The beginnings and ends of change structs, and the two ways to wait for one. */
#include <pthread.h>

#include "backend/store/keep.h"

#define INIT(c, k) \
	do { \
		memset((c), 0, sizeof(*(c))); \
		(c)->change.kind = (k); \
		list_init(&(c)->change.node); \
	} while (0)

void change_account_init(struct change_account *c, uint64_t account, enum change_account_what what)
{
	INIT(c, CHANGE_ACCOUNT);
	c->account = account;
	c->what = what;
}

void change_deliver_init(struct change_deliver *c)
{
	INIT(c, CHANGE_DELIVER);
}

void change_flags_init(struct change_flags *c)
{
	INIT(c, CHANGE_FLAGS);
}

void change_flags_fini(struct change_flags *c)
{
	uidset_fini(&c->modified);
	uidset_fini(&c->changed);
}

void change_copy_init(struct change_copy *c)
{
	INIT(c, CHANGE_COPY);
}

void change_copy_fini(struct change_copy *c)
{
	uidset_fini(&c->from);
	uidset_fini(&c->dest);
}

void change_expunge_init(struct change_expunge *c)
{
	INIT(c, CHANGE_EXPUNGE);
}

void change_expunge_fini(struct change_expunge *c)
{
	uidset_fini(&c->vanished);
}

void change_create_init(struct change_create *c)
{
	INIT(c, CHANGE_CREATE);
}

void change_delete_init(struct change_delete *c)
{
	INIT(c, CHANGE_DELETE);
}

void change_rename_init(struct change_rename *c)
{
	INIT(c, CHANGE_RENAME);
}

void change_subscribe_init(struct change_subscribe *c)
{
	INIT(c, CHANGE_SUBSCRIBE);
}

void change_queue_init(struct change_queue *c)
{
	INIT(c, CHANGE_QUEUE);
}

void change_keep_init(struct change_keep *c, enum keep_what what)
{
	INIT(c, CHANGE_KEEP);
	c->what = what;
}

void change_replay_init(struct change_replay *c)
{
	INIT(c, CHANGE_REPLAY);
}

/* ---- blocking ---- */

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void waiter_done(struct change *c)
{
	struct waiter *w = c->arg;

	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

enum err change_run(struct partition *p, struct change *c)
{
	struct waiter w = {.done = false};

	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.cond, NULL);
	c->done = waiter_done;
	c->arg = &w;
	change_submit(p, c);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.cond);
	return c->result;
}
