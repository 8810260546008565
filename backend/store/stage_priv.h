/* stage_priv: what a stage is made of; for the writer and apply. */
#ifndef BACKEND_STORE_STAGE_PRIV_H
#define BACKEND_STORE_STAGE_PRIV_H

#include "backend/store/stage.h"
#include "common/base/buf.h"

struct stage {
	struct partition *part;
	struct record_check check;
	struct stage_info info;
	uint64_t max;
	enum err err; /* sticky */
	bool ended;
	struct buf bytes;  /* while in memory */
	size_t charged;    /* bytes taken from the node's budget */
	int fd;            /* a file, or -1 */
	uint64_t volume;   /* its number; 0: in memory */
	uint64_t record;   /* the record that it became; 0: none yet */
	uint64_t pending;  /* ... when the current group commits */
	bool pending_file; /* ... taking the file */
	bool taken;        /* the file belongs to the table now */
};

/* The block table, as in the record. E_CORRUPT. */
enum err stage_table(const struct stage *s, struct buf *out) MUST_USE;
/* After the group: committed or not. */
void stage_settle(struct stage *s, bool committed);
/* Stored bytes [off, off + n) appended. For sinks. */
enum err stage_read(const struct stage *s, uint64_t off, size_t n, struct buf *out) MUST_USE;

#endif
