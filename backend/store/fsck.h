/*
 * fsck: walks every invariant of a partition (docs/storage-format.md lists them). On an open
 * partition it reads one snapshot and leaves out what a running writer may be about to change
 * (bytes beyond the committed tail).
 */
#ifndef BACKEND_STORE_FSCK_H
#define BACKEND_STORE_FSCK_H

#include "backend/store/partition.h"

enum fsck_depth {
	FSCK_ROWS,    /* every row, count and reference */
	FSCK_RECORDS, /* ... and every record's checksum */
};

struct fsck_report {
	uint64_t accounts, mailboxes, messages, emails, records, queue_items;
	uint64_t record_bytes;
	uint64_t errors;
};

/* say() is called with each finding, a line of text. E_OK: walked to the end; look at
 * report.errors. Blocks for long: on a work thread, or offline. */
enum err fsck_partition(struct partition *p, enum fsck_depth depth,
			void (*say)(void *arg, const char *text), void *arg,
			struct fsck_report *out) MUST_USE;
/* The same on a closed partition's folder, without changing anything in it. E_BUSY: it is open. */
enum err fsck_dir(const char *dir, enum fsck_depth depth, void (*say)(void *arg, const char *text),
		  void *arg, struct fsck_report *out, struct diag *d) MUST_USE;

/* A hash of all truth, without what is local (places of records, volumes): equal on partitions
 * that applied the same ops. */
enum err fsck_hash(struct partition *p, uint64_t *out) MUST_USE;

#endif
