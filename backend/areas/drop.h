/*
 * drop: messages that are written as files into a virtual server's drop folder, for a program that
 * fetches them from there. A file appears under its name when it is whole and durable; the same
 * message again, while the file is there, is no second one. How much a folder holds is limited:
 * what is beyond waits in the queue.
 *
 * The loop's thread only; the disk is touched on work threads.
 */
#ifndef BACKEND_AREAS_DROP_H
#define BACKEND_AREAS_DROP_H

#include "backend/areas/area.h"
#include "common/base/buf.h"

#define DROP_KEY_BYTES 16
/* A folder is counted again after so long: whoever fetches files tells nobody. */
#define DROP_COUNT_MS  10000

struct drops;
struct drop;

struct drops_conf {
	const char *folder;            /* of the areas; borrowed */
	uint64_t files_max, bytes_max; /* of each server's drop folder */
};
struct drops *drops_new(const struct drops_conf *c);
void drops_free(struct drops **d);

/* Begins a file of about so many bytes in the drop folder of a home (area.h); the key tells the
 * message from others. E_EXISTS: it is there already. E_BUSY: it is being written. E_LIMIT: the
 * folder holds as much as it may. E_FULL, E_IO. */
WAITS enum err drop_begin(struct drops *d, slice_t home, const uint8_t key[DROP_KEY_BYTES],
			  uint64_t size, struct drop **out) MUST_USE;
WAITS enum err drop_write(struct drop *f, slice_t bytes) MUST_USE;
/* E_OK: the file is there, durable. It is gone, unless so; *f becomes NULL. */
WAITS enum err drop_commit(struct drop **f) MUST_USE;
WAITS void drop_abort(struct drop **f);

/* For a field of the file's own: what would end a line becomes a question mark. */
void drop_put_clean(struct buf *b, slice_t value);

#endif
