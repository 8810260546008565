/*
 * stage: a record on its way in. Up to STAGE_MEMORY_MAX bytes wait in memory under the node's
 * budget; a larger one (or any, when the budget is used up) is a file of its own, written as it
 * arrives and synced at the end. Bytes are checked as they stream by (common/record).
 *
 * A stage belongs to one fiber at a time. Many changes may name it, one at a time: what a change
 * that was not committed leaves is as before. Once a change has made it a record of the
 * partition, a later one refers to the same record. stage_free() in any case.
 */
#ifndef BACKEND_STORE_STAGE_H
#define BACKEND_STORE_STAGE_H

#include "backend/store/store.h"
#include "common/record/record.h"

struct partition;
struct stage;

#define STAGE_MEMORY_MAX (256u * 1024)

struct stage_info {
	struct record_header header;
	struct record_trailer trailer;
};

/* size_hint: stored bytes expected, or 0. max: E_TOO_BIG beyond so many stored bytes.
 * E_RETRY: the partition has stopped; E_FULL: beyond the watermark of map or disk. */
enum err stage_begin(struct partition *p, uint64_t size_hint, uint64_t max,
		     struct stage **out) MUST_USE;
/* E_CORRUPT, E_INVALID: not a record; E_TOO_BIG; E_FULL, E_IO: the file could not be written. The
 * first error is kept and returned by every later call. */
WAITS enum err stage_write(struct stage *s, slice_t bytes) MUST_USE;
/* Checks the whole, syncs a file. */
WAITS enum err stage_end(struct stage *s, struct stage_info *out) MUST_USE;
/* Nulls it; drops what no change has taken. May unlink a file (short). */
void stage_free(struct stage **s);

/* The same without a fiber, on the calling thread. */
enum err stage_write_now(struct stage *s, slice_t bytes) MUST_USE;
enum err stage_end_now(struct stage *s, struct stage_info *out) MUST_USE;

/* The process's memory for stages; 64 MiB unless set before the first partition is opened. */
void stage_budget(size_t bytes);

#endif
