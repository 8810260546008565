/* util: partitions, records and deliveries for the store's tests. */
#ifndef TESTS_UNIT_BACKEND_STORE_UTIL_H
#define TESTS_UNIT_BACKEND_STORE_UTIL_H

#include "backend/store/change.h"
#include "backend/store/fsck.h"
#include "backend/store/mbox.h"
#include "backend/store/msg.h"
#include "backend/store/partition.h"
#include "backend/store/stage.h"
#include "tests/lib/check.h"

/* A small map and volumes, no keeper of its own, nothing kept after its end. */
struct partition_conf util_conf(const char *dir);
/* Creates (when missing) and opens in dir; NULL and a failed check otherwise. */
struct partition *util_open(const struct partition_conf *conf);

/* A valid record of `size` plain bytes, kept plain, all of them derived from seed. */
void util_record(struct buf *out, uint64_t seed, size_t size);
/* The plain byte at `at` of such a record. */
unsigned char util_plain(uint64_t seed, size_t at);
/* A staged record; NULL and a failed check. */
struct stage *util_stage(struct partition *p, uint64_t seed, size_t size);
/* A summary that fits a record of `size` bytes; texts name the seed. In static memory of the
 * caller's struct. */
struct util_summary {
	struct summary s;
	struct summary_part parts[2];
	struct summary_field fields[2];
	slice_t references[1];
	char text[8][64];
};
void util_summary(struct util_summary *u, uint64_t seed, size_t size);

/* One message into a mailbox; uid 0 and the error otherwise. */
struct util_sent {
	enum err e;
	uint32_t uid;
	uint64_t mailbox, email;
};
struct util_sent util_deliver(struct partition *p, uint64_t account, const char *path,
			      uint64_t seed, size_t size);
enum err util_flags(struct partition *p, uint64_t account, uint64_t mailbox, uint32_t first,
		    uint32_t last, enum flags_mode mode, uint32_t flags);
enum err util_create(struct partition *p, uint64_t account, const char *path);
/* Runs fsck with all checksums; prints what it says; true when clean. */
bool util_fsck(struct partition *p);

#endif
