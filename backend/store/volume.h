/*
 * volume: where the bytes of records lie. A shared volume is an append-only file; before each
 * record stands a frame of 32 bytes:
 *
 *   "PVol"  zero u32  record number u64  stored length u64  XXH3-64 of the 24 bytes before u64
 *
 * A single volume is one large record and nothing else. Files are opened at need; a reader holds
 * its file by a reference, so that compaction may unlink it meanwhile.
 *
 * volume_group is the writer's side: what one commit appends and releases. Appended bytes lie
 * beyond the committed tail until the commit; an aborted group's are written over by the next.
 */
#ifndef BACKEND_STORE_VOLUME_H
#define BACKEND_STORE_VOLUME_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/store/disk.h"
#include "backend/store/rec.h"
#include "backend/store/tab.h"

#define VOLUME_FRAME_SIZE 32
/* Open files kept; a shared volume is 256 MiB, so this is 64 GiB of hot mail. */
#define VOLUME_FDS        256
/* The tail leaves the page cache by segments: the kernel lets go of a page only with all that it
 * was allocated with, up to a MiB. What lies beyond the last one stays until memory is wanted. */
#define VOLUME_SEGMENT    (1u << 20)
#define VOLUME_SEGMENTS   256

struct volume_fd {
	uint64_t no;
	int fd;
	unsigned refs;
	bool cached; /* false: closed with its last reference */
};

struct volumes {
	char dir[DISK_PATH_MAX];
	uint64_t volume_bytes;
	_Atomic uint64_t next; /* the next number; never given out twice in a process */
	pthread_mutex_t lock;
	struct volume_fd *slots[VOLUME_FDS];
};

enum err volumes_init(struct volumes *v, const char *dir, uint64_t volume_bytes) MUST_USE;
void volumes_fini(struct volumes *v);
void volume_path(const struct volumes *v, uint64_t no, enum volume_kind kind,
		 char out[DISK_PATH_MAX + 32]);
/* Removes files that the table does not know, cuts the tail to what is committed. */
enum err volumes_recover(struct volumes *v, struct kv_txn *t,
			 const struct row_state *state) MUST_USE;

/* Calls fn for every volume, in order, until it returns false: slice by slice, each of a newer
 * state than the one before. */
typedef bool volume_row_fn(void *arg, uint64_t no, const struct row_volume *row);
enum err volumes_each(struct kv *kv, volume_row_fn *fn, void *arg) MUST_USE;

/* A file to read from. E_NOT_FOUND: it is gone: look the place up anew. */
enum err volume_ref(struct volumes *v, uint64_t no, enum volume_kind kind,
		    struct volume_fd **out) MUST_USE;
void volume_unref(struct volumes *v, struct volume_fd **f);
/* Removes the file, of which the table knows no more. */
void volume_drop(struct volumes *v, uint64_t no, enum volume_kind kind);

/* A number and a file for one large record. */
enum err volume_single_new(struct volumes *v, uint64_t *no_out, int *fd_out) MUST_USE;

void volume_frame_encode(uint64_t record, uint64_t length, unsigned char out[VOLUME_FRAME_SIZE]);
/* E_CORRUPT */
enum err volume_frame_decode(slice_t in, uint64_t *record_out, uint64_t *length_out) MUST_USE;

/* ---- the writer's side ---- */

struct volume_dropped {
	uint64_t no;
	enum volume_kind kind;
};

struct volume_group {
	struct volumes *v;
	struct kv_txn *txn;
	struct row_state *state; /* tail_volume, tail_off */
	int fd;                  /* of the tail; stays open between groups */
	uint64_t fd_no;
	/* this group */
	struct iovec *iov;
	unsigned char (*frames)[VOLUME_FRAME_SIZE];
	size_t niov, nframes, frames_cap;
	uint64_t start; /* where iov goes */
	uint64_t added; /* bytes appended to the tail, not yet in its row */
	bool dirty;
	bool fatal; /* a sync failed, or a write but for room: the partition must stop */
	struct volume_dropped *dropped;
	size_t ndropped, dropped_cap;
	/* Bytes of each segment of the tail that nobody reads again, since it was opened; and the
	 * segments that are done with whole since the group began. */
	uint32_t done[VOLUME_SEGMENTS];
	uint16_t whole[VOLUME_SEGMENTS];
	size_t nwhole;
};

void volume_group_init(struct volume_group *g, struct volumes *v);
void volume_group_fini(struct volume_group *g);
void volume_group_begin(struct volume_group *g, struct kv_txn *txn, struct row_state *state);
/* The record's bytes must stay until the group ends. */
enum err volume_append(struct volume_group *g, uint64_t record, slice_t stored,
		       uint64_t *volume_out, uint64_t *off_out) MUST_USE;
/* A single volume joins the table. */
enum err volume_adopt(struct volume_group *g, uint64_t no, uint64_t size) MUST_USE;
enum err volume_release(struct volume_group *g, uint64_t no, uint64_t size) MUST_USE;
/* One of `holders` of the record of `stored` bytes at off has gone, and answers for its share. When
 * all have gone that had a part in a segment of the tail, it leaves the page cache with the commit.
 * Mail that goes on at once would else take new memory with each message, which costs several times
 * what the copy into it does, and push out what somebody reads.
 *
 * What was counted is of the tail as it is open: an abort, a roll or a start begins anew, and the
 * segments counted in part stay in memory. Where holders come and go meanwhile, the shares are not
 * exact, and a segment may leave early, to be read from disk. Nothing depends on it. */
void volume_done_with(struct volume_group *g, uint64_t no, uint64_t off, uint64_t stored,
		      uint32_t holders);
/* Writes and syncs what was appended. */
enum err volume_group_flush(struct volume_group *g) MUST_USE;
/* After the commit: unlinks; or after an abort: forgets. */
void volume_group_end(struct volume_group *g, bool committed);

#endif
