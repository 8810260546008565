/*
 * dir_route: routes of the way out: what the image has of them, which the queue asks, and their
 * management.
 *
 * A route is for a recipient's domain (itself, .suffix for all below it, * for any) and, if it says
 * so, for a sender (an address, or @domain). The most specific one holds: first by the recipient's
 * domain, then by the sender. Mail for which there is none goes where DNS says.
 *
 * A password for a relay is never here but in boxes, one for each node (common/crypto/seal).
 */
#ifndef BACKEND_DIRECTORY_DIR_ROUTE_H
#define BACKEND_DIRECTORY_DIR_ROUTE_H

#include "backend/directory/dir_admin.h"
#include "common/crypto/secret.h"
#include "common/net/ipaddr.h"

#define DIR_ROUTE_DOMAIN_MAX      256 /* "." and a domain */
#define DIR_ROUTE_TARGET_MAX      300 /* a host of 255 bytes with brackets and port; a text */
#define DIR_ROUTE_USER_MAX        255
#define DIR_ROUTE_PASSWORD_MAX    255
#define DIR_ROUTE_BOX_MAX         (DIR_ROUTE_PASSWORD_MAX + NODE_BOX_OVERHEAD)
#define DIR_ROUTE_SOURCE_MAX      45  /* an address in words */
#define DIR_ROUTE_CONNECTIONS_MAX 100 /* what no other system minds from one that it knows */
#define DIR_ROUTE_ETRN_MAX        1000
#define DIR_ROUTE_NETS_MAX        16 /* each of at most 49 bytes, and a space */

/* The numbers are stored: they never change. */
enum dir_route_action {
	DIR_ROUTE_MX = 1, /* where DNS says; the rest of the row holds */
	DIR_ROUTE_RELAY = 2,
	DIR_ROUTE_LMTP = 3,
	DIR_ROUTE_HOLD = 4, /* waits for the other side to ask for it */
	DIR_ROUTE_REJECT = 5,
	DIR_ROUTE_DROP = 6, /* a file in a virtual server's drop folder */
};
enum dir_route_tls {
	DIR_ROUTE_TLS_DEFAULT = 0,
	DIR_ROUTE_TLS_NONE = 1,
	DIR_ROUTE_TLS_MAY = 2,
	DIR_ROUTE_TLS_ENCRYPT = 3,
	DIR_ROUTE_TLS_VERIFY = 4,
	DIR_ROUTE_TLS_DANE = 5,
};
enum dir_route_auth {
	DIR_ROUTE_AUTH_PASSWORD = 0,
	DIR_ROUTE_AUTH_GSSAPI = 1, /* RELAY to one host: with a ticket that its user gets */
};

struct dir_route {
	uint64_t id;
	slice_t domain, sender; /* as above, normalised; sender empty: any */
	enum dir_route_action action;
	slice_t target; /* RELAY: host[:port], [host][:port]; LMTP: [host][:port]; REJECT: text;
			 * DROP: the server's name; HOLD: as RELAY, or where DNS says, for what was
			 * asked for */
	enum dir_route_tls tls;
	slice_t user;                   /* empty: no log-in; with GSSAPI: our principal */
	enum dir_route_auth auth;       /* of the user */
	bool direct;                    /* RELAY: where DNS says first */
	uint32_t connections;           /* at once to the destination; 0: as to others */
	slice_t helo, source4, source6; /* empty: as to others */
	slice_t box;                    /* for this node; empty: none */
	slice_t etrn;                   /* HOLD: who may ask for it: nobody, "any", or nets */
	uint64_t atrn; /* HOLD of one domain: the account that may fetch it, or 0 */
};

/* ---- the image: never waits ---- */

/* The slices are borrowed from the row: until the next wait. */
size_t dir_route_count(const struct dir *d);
/* The route of a message from `sender` (a reverse-path, empty for <>) to an address. False: there
 * is none. */
bool dir_route_find(const struct dir *d, slice_t sender, slice_t address, struct dir_route *out);
/* The route for exactly this pattern of recipients, from any sender. */
bool dir_route_named(const struct dir *d, slice_t domain, struct dir_route *out);
/* A route by its number. */
bool dir_route_by_id(const struct dir *d, uint64_t id, struct dir_route *out);
/* The host at which a route logs in with GSSAPI, alone: its target's. Borrowed from the target. */
slice_t dir_route_host(const struct dir_route *r);
/* There are routes whose mail may be asked for. */
bool dir_route_any_asked(const struct dir *d);
/* May a host there ask for what the route holds? */
enum dir_asker { DIR_ASKER_NONE, DIR_ASKER_ANYBODY, DIR_ASKER_KNOWN };
enum dir_asker dir_route_asker(const struct dir_route *r, const struct ipaddr *from);
/* The routes whose mail an account may fetch; i < dir_route_fetched_count(). */
size_t dir_route_fetched_count(const struct dir *d);
void dir_route_fetched_at(const struct dir *d, size_t i, struct dir_route *out);
/* The password of a route that has a user, and no other way to log in. E_NOT_FOUND: this node has
 * no box of it yet, or cannot open it. */
enum err dir_route_password(const struct dir *d, const struct dir_route *r,
			    struct secret *out) MUST_USE;

/* ---- handing passwords to nodes that lack them ---- */

/* Makes up to max boxes that other nodes lack and this one has; *made_out: how many. */
WAITS enum err dir_route_share(struct dir *d, size_t max, size_t *made_out,
			       struct diag *diag) MUST_USE;

/* ---- management; see dir_admin.h ---- */

struct dir_route_spec {
	struct dir_route r;      /* but for id, box and atrn, as people type it */
	slice_t atrn;            /* the account's address; empty: nobody */
	const slice_t *password; /* NULL: as it is */
};

struct dir_route_row {
	struct dir_route r; /* but for atrn */
	slice_t atrn;       /* the account's address, or empty */
	bool has_password;
	int64_t created_us;
};

struct dir_route_page {
	struct dir_route_row *rows;
	size_t n;
};

/* host, [host], [address], each with or without :port, as people type it, in the form that is
 * stored. E_INVALID. */
enum err dir_route_host_form(slice_t s, struct buf *out, struct diag *diag) MUST_USE;

WAITS enum err dir_route_add(struct dir *d, const struct dir_actor *by,
			     const struct dir_route_spec *s, struct diag *diag) MUST_USE;
/* Replaces all of the route of that domain and sender, but for the password, if none is given and
 * there is a user still. */
WAITS enum err dir_route_edit(struct dir *d, const struct dir_actor *by,
			      const struct dir_route_spec *s, struct diag *diag) MUST_USE;
WAITS enum err dir_route_remove(struct dir *d, const struct dir_actor *by, slice_t domain,
				slice_t sender, struct diag *diag) MUST_USE;
/* In order of domain and sender; `after` is "domain sender". */
WAITS enum err dir_route_list(struct dir *d, slice_t after, size_t limit, struct arena *mem,
			      struct dir_route_page *out, struct diag *diag) MUST_USE;
WAITS enum err dir_route_show(struct dir *d, slice_t domain, slice_t sender, struct arena *mem,
			      struct dir_route_row *out, struct diag *diag) MUST_USE;

#endif
