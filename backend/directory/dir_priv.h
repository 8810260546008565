/* dir_priv: the insides of struct dir, for the files of this folder. */
#ifndef BACKEND_DIRECTORY_DIR_PRIV_H
#define BACKEND_DIRECTORY_DIR_PRIV_H

#include "backend/directory/dir.h"
#include "backend/directory/dir_image.h"
#include "backend/directory/dir_sql.h"
#include "backend/directory/pg.h"
#include "common/loop/fiber.h"

#define DIR_POLL_MS    2000
#define DIR_QUERY_MS   5000             /* of one statement of the sync or a management call */
#define DIR_FULL_MS    (10 * 60 * 1000) /* reading everything */
#define DIR_SCHEMA_MS  (10 * 60 * 1000)
#define DIR_SOURCE_MAX 128

/* The settings of a virtual server, by what they were read of. */
struct dir_server_read {
	uint64_t id, version;
	struct conf *conf; /* NULL: none */
};

struct dir {
	uint32_t magic;
	char *sql_dir, *node, *node_address;
	uint16_t node_port;
	struct node_key node_key;
	int64_t poll_ms;
	const struct dir_kv *kv;
	struct pg_pool *pool;
	struct pg_listener *listener;

	/* The image, and what is known of it. */
	struct dir_image image;
	bool complete;
	uint64_t txid, serial; /* position in dir_change */
	int64_t confirmed_us;
	int64_t confirmed_ms; /* the same, mono; 0: not in this process */
	char source[DIR_SOURCE_MAX + 1];
	uint8_t secret[32];
	bool have_secret;
	int64_t meta_saved_ms; /* mono; confirmed_us is written now and then */
	bool copy_behind;      /* a write failed: the copy is to be written as a whole */

	/* The sync fiber. */
	struct fiber *fiber;
	struct event nudge, ended;
	bool schema_done, connected;
	uint64_t rounds, rounds_good; /* begun; the last good one's number */
	struct waitq round_ended;
	int64_t pruned_ms;
	char error[256];

	struct list subs;
	struct dir_server_read servers_read[SERVERS_MAX]; /* each at its id, if no other is there */
};

/* ---- dir_servers ---- */
void dir_servers_fini(struct dir *d);

/* ---- dir_schema ---- */
WAITS enum err dir_schema_apply(struct dir *d, struct diag *diag) MUST_USE;

/* ---- dir_copy ---- */

/* Changes on their way into the image: keys and values in one buffer. */
struct dir_batch {
	struct buf bytes;
	struct dir_change *v;
	size_t n, cap;
};
struct dir_change {
	size_t key_at, key_n, value_at, value_n;
	bool del;
};
void dir_batch_init(struct dir_batch *b);
void dir_batch_fini(struct dir_batch *b);
void dir_batch_put(struct dir_batch *b, slice_t key, slice_t value);
void dir_batch_del(struct dir_batch *b, slice_t key);
static inline slice_t dir_batch_key(const struct dir_batch *b, size_t i)
{
	return slice(b->bytes.p + b->v[i].key_at, b->v[i].key_n);
}
static inline slice_t dir_batch_value(const struct dir_batch *b, size_t i)
{
	return slice(b->bytes.p + b->v[i].value_at, b->v[i].value_n);
}

/* Fills the image and the position from the durable copy. */
WAITS enum err dir_copy_load(struct dir *d, struct diag *diag) MUST_USE;
/* Writes the batch and then the position to the copy, after the image has taken both. A failure
 * is logged and mended by a later call: the copy is written as a whole then. */
WAITS void dir_copy_write(struct dir *d, const struct dir_batch *b);
/* Writes the time of the last sync, if it is due. */
WAITS void dir_copy_touch(struct dir *d);

/* ---- dir_sync ---- */
WAITS void dir_sync_main(void *arg);
void dir_emit(struct dir *d, const struct dir_event *ev);

/* ---- dir_rows: answers of PostgreSQL as rows of the image ---- */
/* Appends a change for each row of r. */
void dir_rows_take(const struct dir_sql_kind *k, const struct pg_result *r, struct dir_batch *b);
/* The key of an id as dir_change has it. False: not an id of that kind. */
bool dir_rows_key(const struct dir_sql_kind *k, slice_t id, struct dir_key *mem, slice_t *out);

/* ---- dir ---- */
void dir_account_fill(uint64_t id, const struct dir_rec_account *r, struct dir_account *out);
/* The image can say "there is none". */
bool dir_fresh(const struct dir *d);
/* E_NOT_FOUND (or what) from a fresh image whose database answers, else E_RETRY. */
enum err dir_absent(const struct dir *d, enum err what);
/* An address in the form in which it is looked up; C strings. */
struct dir_name {
	char local[65];
	char domain[256];
};
/* Splits at the last '@' and normalises; a missing domain becomes the default one. E_INVALID. */
enum err dir_name_parse(const struct dir *d, slice_t address, struct dir_name *out) MUST_USE;
/* An alias of this name and these members, as they are now, expands to no more than an address may.
 * What they come to later is found out at RCPT. */
enum err dir_check_expansion(const struct dir *d, const struct dir_name *n, const slice_t *members,
			     size_t nmembers, struct diag *diag) MUST_USE;

#endif
