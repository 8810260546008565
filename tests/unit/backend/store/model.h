/*
 * model: a plain in-memory twin of a partition, and random steps that are done to both. A step is
 * drawn from the model alone, so that a child process which does the steps and a parent which
 * only follows with its model draw the same ones.
 */
#ifndef TESTS_UNIT_BACKEND_STORE_MODEL_H
#define TESTS_UNIT_BACKEND_STORE_MODEL_H

#include "tests/unit/backend/store/util.h"

#define MODEL_ACCOUNTS  3
#define MODEL_MAILBOXES 40
#define MODEL_KEYWORDS  5
#define MODEL_PATH      64
#define MODEL_COPIES    3
#define MODEL_THREADS   65536 /* a million steps with an unlucky seed pass 4,096 */
#define MODEL_ITEMS     64

#define MODEL_PREFIX SL("Return-Path: <>\r\n") /* of every message */
extern const char *const model_keyword_names[MODEL_KEYWORDS];
/* The same mailbox's name? INBOX in any case. */
bool model_path_is(const char *a, const char *b);
void model_item_key(char *out, size_t size, uint64_t number);

struct model_message {
	uint32_t uid, flags, keywords;
	uint64_t seed, size; /* plain */
	uint64_t email, thread;
};

struct model_mailbox {
	char path[MODEL_PATH];
	bool noselect, subscribed;
	enum store_special special;
	uint32_t uidnext, uidvalidity; /* 0: not seen yet */
	struct model_message *v;
	size_t n, cap;
};

struct model_email {
	uint64_t id, seed, thread;
	uint32_t refs;
	bool reaped;
};

struct model_thread {
	bool own; /* "id N", else "parent N" */
	uint64_t number, thread;
	uint32_t refs;
};

struct model_account {
	enum { ABSENT, LIVE, REMOVED } state;
	struct model_mailbox v[MODEL_MAILBOXES];
	size_t n;
	char subs[MODEL_MAILBOXES][MODEL_PATH];
	size_t nsubs;
	struct model_email *emails;
	size_t nemails, emails_cap;
	struct model_thread threads[MODEL_THREADS];
	size_t nthreads;
};

/* The last delivery, for a retry. */
struct model_delivery {
	uint64_t seed, size;
	size_t n;
	struct {
		uint64_t account;
		enum err result;
		uint32_t uid;
		uint64_t email;
	} v[MODEL_COPIES];
};

struct model_item {
	uint64_t id, number;
	int64_t due;
};

struct model {
	uint64_t rng;
	uint64_t seed; /* of the next record */
	uint64_t steps;
	struct model_account a[MODEL_ACCOUNTS];
	struct model_delivery last;
	struct model_item items[MODEL_ITEMS];
	size_t nitems;
	uint64_t next_item;
	/* for the steps that need a look back */
	uint64_t since[MODEL_ACCOUNTS];
};

void model_init(struct model *m, uint64_t seed);
void model_fini(struct model *m);
uint64_t model_random(struct model *m, uint64_t below);
/* One step on the model and, unless p is NULL, on the partition, comparing what it answers. */
void model_step(struct model *m, struct partition *p);
/* A whole round of the keeper on both. */
void model_keep(struct model *m, struct partition *p);
/* Is the partition as the model is? Says what differs when `loud`. */
bool model_same(const struct model *m, struct partition *p, bool loud);

#endif
