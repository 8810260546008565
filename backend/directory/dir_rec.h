/*
 * dir_rec: the rows of the image, as the bytes in which they are kept in memory and in the node's
 * environment. A row's key is a kind and the row's id; its value begins with a version byte.
 * Numbers are big-endian, texts have a 16-bit length before them. A decoded row borrows from its
 * bytes.
 */
#ifndef BACKEND_DIRECTORY_DIR_REC_H
#define BACKEND_DIRECTORY_DIR_REC_H

#include "backend/directory/dir_admin.h"
#include "backend/directory/dir_dkim.h"
#include "backend/directory/dir_rights.h"
#include "backend/directory/dir_route.h"
#include "backend/directory/dir_servers.h"
#include "backend/directory/dir_tls.h"
#include "common/base/buf.h"
#include "common/base/num.h"

/* The letters are stored: they never change. */
enum dir_kind {
	DIR_K_ACCOUNT = 'a',
	DIR_K_DOMAIN = 'd',
	DIR_K_RIGHT = 'g',
	DIR_K_DKIM = 'i',
	DIR_K_KEY = 'k',
	DIR_K_TLS = 'l',
	DIR_K_META = 'm',
	DIR_K_NODE = 'n',
	DIR_K_PARTITION = 'p',
	DIR_K_ADDRESS = 'r',
	DIR_K_SETTING = 's',
	DIR_K_ROUTE = 't',
	DIR_K_CERT = 'v',
	DIR_K_SERVER = 'w',
	DIR_K_SESSION = 'x',
};

#define DIR_REC_VERSION 1
#define DIR_REC_KEY_MAX (1 + DIR_TLS_DESTINATION_MAX + 1)

struct dir_rec_domain {
	enum dir_domain_kind kind;
	uint64_t target;
	slice_t name, catch_all;
	enum dir_mta_sts mta_sts;
	uint32_t mta_sts_age_s;
};

struct dir_rec_account {
	enum dir_account_state state;
	uint32_t partition, epoch;
	uint64_t quota_bytes, quota_messages;
	slice_t address;
	uint32_t send[DIR_SENDS];
	bool held;
};

enum dir_address_kind { DIR_ADDR_ACCOUNT = 1, DIR_ADDR_ALIAS = 2, DIR_ADDR_GROUP = 3 };

struct dir_rec_address {
	enum dir_address_kind kind;
	bool enabled;
	uint64_t domain, account;
	slice_t local;
	uint16_t nmembers;
	slice_t members; /* encoded: dir_rec_member takes one after the other */
	enum dir_alias_senders senders;
};

struct dir_rec_partition {
	uint64_t epoch;
	bool made;
	slice_t node;
};

struct dir_rec_node {
	uint16_t port;
	slice_t address;
	slice_t public_key;
};

struct dir_rec_key {
	int64_t created_s;
	slice_t box;
};

struct dir_rec_dkim {
	enum sign_algorithm algorithm;
	enum dir_dkim_state state;
	int64_t retired_s; /* 0: it is not */
	slice_t domain, selector;
	slice_t box; /* for this node; empty: none yet */
};

struct dir_rec_right {
	uint64_t owner, user; /* accounts */
	enum dir_right_kind kind;
};

struct dir_rec_meta {
	bool complete;
	uint64_t txid, serial; /* position in dir_change */
	int64_t confirmed_us;
	slice_t source; /* which directory, and which of its time lines */
	slice_t secret;
};

/* Each appends a value; one with a text that is too long makes the buffer fail. */
void dir_rec_put_domain(struct buf *out, const struct dir_rec_domain *r);
void dir_rec_put_account(struct buf *out, const struct dir_rec_account *r);
/* members: appended by the caller with dir_rec_put_text, nmembers of them, and then the senders. */
void dir_rec_put_address(struct buf *out, const struct dir_rec_address *r);
void dir_rec_put_senders(struct buf *out, enum dir_alias_senders senders);
void dir_rec_put_partition(struct buf *out, const struct dir_rec_partition *r);
void dir_rec_put_node(struct buf *out, const struct dir_rec_node *r);
void dir_rec_put_setting(struct buf *out, slice_t value);
void dir_rec_put_cert(struct buf *out);
void dir_rec_put_key(struct buf *out, const struct dir_rec_key *r);
void dir_rec_put_session(struct buf *out, int64_t until_s);
void dir_rec_put_dkim(struct buf *out, const struct dir_rec_dkim *r);
/* But for the id, which is the key. */
void dir_rec_put_server(struct buf *out, const struct dir_server *r);
/* peers: appended by the caller with dir_rec_put_text, npeers of them. */
void dir_rec_put_tls(struct buf *out, const struct dir_tls *r);
/* But for its id. */
void dir_rec_put_route(struct buf *out, const struct dir_route *r);
void dir_rec_put_right(struct buf *out, const struct dir_rec_right *r);
void dir_rec_put_meta(struct buf *out, const struct dir_rec_meta *r);
void dir_rec_put_text(struct buf *out, slice_t text);

/* False: not such a value (another version, cut, out of range). */
bool dir_rec_domain(slice_t value, struct dir_rec_domain *out) MUST_USE;
bool dir_rec_account(slice_t value, struct dir_rec_account *out) MUST_USE;
bool dir_rec_address(slice_t value, struct dir_rec_address *out) MUST_USE;
bool dir_rec_partition(slice_t value, struct dir_rec_partition *out) MUST_USE;
bool dir_rec_node(slice_t value, struct dir_rec_node *out) MUST_USE;
bool dir_rec_setting(slice_t value, slice_t *out) MUST_USE;
bool dir_rec_key(slice_t value, struct dir_rec_key *out) MUST_USE;
bool dir_rec_session(slice_t value, int64_t *until_s) MUST_USE;
bool dir_rec_dkim(slice_t value, struct dir_rec_dkim *out) MUST_USE;
bool dir_rec_server(slice_t value, struct dir_server *out) MUST_USE;
bool dir_rec_tls(slice_t value, struct dir_tls *out) MUST_USE;
bool dir_rec_route(slice_t value, struct dir_route *out) MUST_USE;
bool dir_rec_right(slice_t value, struct dir_rec_right *out) MUST_USE;
bool dir_rec_meta(slice_t value, struct dir_rec_meta *out) MUST_USE;
/* The next of r->members, which moves on; false at the end. */
bool dir_rec_member(slice_t *members, slice_t *out);
/* Is this key and value a row? */
bool dir_rec_valid(slice_t key, slice_t value) MUST_USE;

/* Keys, into out; returns its slice. */
struct dir_key {
	char b[DIR_REC_KEY_MAX];
};
slice_t dir_key_u64(struct dir_key *k, enum dir_kind kind, uint64_t id);
slice_t dir_key_text(struct dir_key *k, enum dir_kind kind, slice_t id);
/* The id of a key made by dir_key_u64. */
static inline uint64_t dir_key_id(slice_t key)
{
	return be64_get(key.p + 1);
}

#endif
