/*
 * dir_image: the rows of dir_rec in memory, found by key, and by the names that resolution asks
 * for. Values are kept encoded and decoded when looked at: compact, and the same bytes as in the
 * durable copy, so that "has it changed" is a comparison.
 */
#ifndef BACKEND_DIRECTORY_DIR_IMAGE_H
#define BACKEND_DIRECTORY_DIR_IMAGE_H

#include "backend/directory/dir_rec.h"
#include "common/base/map.h"

struct dir_row;

/* Rows of one small kind, in order of key. */
struct dir_list {
	struct dir_row **v;
	size_t n, cap;
};

struct dir_image {
	struct map rows;
	struct map names;
	struct dir_list partitions, nodes, settings, certs, keys, dkim, domains, servers;
	uint64_t accounts, addresses, routes;
	uint64_t asked_routes;   /* of them, those whose mail may be asked for */
	struct dir_list fetched; /* and those whose mail an account may fetch */
	uint8_t round;           /* see dir_image_begin */
};

void dir_image_init(struct dir_image *im);
void dir_image_fini(struct dir_image *im);

/* p NULL: no such row. All that is given out of rows is lent: until the next wait. */
slice_t dir_image_get(const struct dir_image *im, slice_t key);
/* Copies; the value must be valid (dir_rec_valid). */
void dir_image_put(struct dir_image *im, slice_t key, slice_t value);
void dir_image_del(struct dir_image *im, slice_t key);

/* Reading everything anew: between begin and end every row that exists is put or kept; `end` walks
 * those that were not. */
void dir_image_begin(struct dir_image *im);
void dir_image_keep(struct dir_image *im, slice_t key);
/* The next row that was neither put nor kept; false at the end. Start with *it zeroed; the row just
 * returned may be deleted. */
bool dir_image_stale(const struct dir_image *im, struct map_iter *it, slice_t *key);

slice_t dir_row_key(const struct dir_row *r);
slice_t dir_row_value(const struct dir_row *r);

/* Walks all rows in no order; as map_next. */
bool dir_image_next(const struct dir_image *im, struct map_iter *it, slice_t *key, slice_t *value);

/* By name; false: none. *id_out may be NULL. */
bool dir_image_domain(const struct dir_image *im, slice_t name, uint64_t *id_out,
		      struct dir_rec_domain *out);
bool dir_image_domain_id(const struct dir_image *im, uint64_t id, struct dir_rec_domain *out);
bool dir_image_address(const struct dir_image *im, uint64_t domain, slice_t local,
		       struct dir_rec_address *out);
/* The route for exactly this pattern of recipients and senders. */
bool dir_image_route(const struct dir_image *im, slice_t domain, slice_t sender,
		     struct dir_route *out);
bool dir_image_route_id(const struct dir_image *im, uint64_t id, struct dir_route *out);
/* The right of one account to another's addresses. */
bool dir_image_right(const struct dir_image *im, uint64_t owner, uint64_t user,
		     struct dir_rec_right *out);
bool dir_image_account(const struct dir_image *im, uint64_t id, struct dir_rec_account *out);

#endif
