/*
 * thread: which thread a new email belongs to (RFC 8474 section 5.2 leaves the algorithm open).
 * An email counts in the rows of up to EMAIL_HASHES_MAX message ids: its own, the oldest it
 * refers to, and the two newest. If one of these rows is there already, its thread is the email's;
 * else the email begins one, whose id is the email's own. Threads never merge and subjects are
 * not looked at, so that an id once given stays.
 */
#ifndef BACKEND_STORE_THREAD_H
#define BACKEND_STORE_THREAD_H

#include "backend/store/kv.h"
#include "backend/store/op.h"

/* Fills in add->thread and hashes from the record's stored message ids. */
enum err thread_find(struct kv_txn *t, uint64_t account, uint64_t record,
		     struct op_add *add) MUST_USE;

#endif
