/* m_admin: what the handlers of management calls share: who asks, and answers of many rows. */
#ifndef BACKEND_RPC_M_ADMIN_H
#define BACKEND_RPC_M_ADMIN_H

#include "backend/directory/dir_servers.h"
#include "backend/rpc/rpc_methods.h"
#include "proto/admin.pb-c.h"

/* Rows of one slice of a long answer, of the directory or of a partition. */
#define ADMIN_PAGE       200
/* Rows of one frame: below the walker's default count. */
#define ADMIN_FRAME_ROWS 200

/* Lies in c->mem. */
struct dir_actor admin_actor(struct mcall *c);
/* An administrator any virtual server and what it took; an operator what names him. */
bool admin_may_manage(const struct mcall *c, const char *server);

/* What stands in logs, tables and mail is one line: no control characters, at most so many bytes.
 * E_INVALID: `what` is not. */
enum err admin_check_line(struct mcall *c, const char *what, slice_t text, size_t max) MUST_USE;

/* A string for a message; lives as long as the arena. */
static inline char *admin_str(struct arena *mem, slice_t s)
{
	return arena_str(mem, s);
}

/* Of a list: is there such a domain? "": all are meant. E_NOT_FOUND: no; E_INVALID: not a domain;
 * E_RETRY when PostgreSQL is away, E_CANCELLED. The diag says which. */
WAITS enum err admin_domain_known(struct mcall *c, const char *domain) MUST_USE;

/* What the setting masquerade.domain, or a server's masquerade_domain, may be: nothing, or a domain
 * of ours, since replies go there; and the list beside it. E_INVALID, E_RETRY. Others: E_OK. */
enum err admin_check_masquerade(struct mcall *c, slice_t key, slice_t value) MUST_USE;

/* Rows of the repeated field number `field` (its place in the descriptor) of a page message, as
 * many to a frame as fit. */
WAITS enum err admin_send_rows(struct mcall *c, const ProtobufCMessageDescriptor *page,
			       unsigned field, ProtobufCMessage *const *rows, size_t n) MUST_USE;

/* One slice of a list: rows of the page's first field, in mem. */
struct admin_slice {
	ProtobufCMessage **rows;
	size_t n;
	slice_t last; /* where the next slice begins; in mem */
	bool more;
};
typedef enum err admin_slice_fn(struct mcall *c, slice_t after, struct arena *mem,
				struct admin_slice *out);
/* Answers with all slices, one after the other; memory is that of one. A failure of the first one
 * is the answer. */
WAITS enum err admin_list(struct mcall *c, const ProtobufCMessageDescriptor *page,
			  WAITS admin_slice_fn *slice_fn) MUST_USE;

/* Who could not be asked. */
struct admin_away {
	Postern__AdminAway **rows; /* in c->mem */
	size_t n;
};
#define ADMIN_AWAY_MAX 64
void admin_away_add(struct mcall *c, struct admin_away *a, const char *backend, enum err e,
		    const char *why);
/* Ends the answer, with a frame that tells it; none when all could be asked. */
WAITS enum err admin_end(struct mcall *c, const ProtobufCMessageDescriptor *page,
			 const struct admin_away *a) MUST_USE;

/* Answers with the frames of local(c), then with those of each other back-end, which is asked the
 * same request as peer_method. only: of this back-end alone; NULL: of all. */
WAITS enum err admin_fan_out(struct mcall *c, const ProtobufCMessageDescriptor *page,
			     uint16_t peer_method, const char *only, int64_t deadline_ms,
			     WAITS enum err (*local)(struct mcall *c)) MUST_USE;
/* The other side of it: answers with the frames of local(c). */
WAITS enum err admin_local(struct mcall *c, WAITS enum err (*local)(struct mcall *c)) MUST_USE;

/* Do the server's folders have no files, on any back-end? E_EXISTS: there are some; E_RETRY: that
 * cannot be known; with words. E_CANCELLED. */
WAITS enum err admin_area_empty(struct mcall *c, const struct dir_server *s) MUST_USE;

/* Every worker of a front-end, as the back-end that it reported to last knows it; in c->mem. Who
 * could not be asked is in *away. E_CANCELLED. */
WAITS enum err admin_workers(struct mcall *c, Postern__AdminWorkerStatus ***out, size_t *n_out,
			     struct admin_away *away) MUST_USE;

/* The lines of a text, for a message; *n_out of them. */
char **admin_lines(slice_t lines, size_t *n_out, struct arena *mem);

/* A partition that this node owns and could not open, from number *id on; false: no more. */
bool admin_next_closed(const struct be *be, uint32_t *id);

/* The record of a call whose work is not a transaction of the directory. It was done: that it
 * cannot be recorded just now is logged, and no failure. */
WAITS void admin_audit(struct mcall *c, const char *method, slice_t target, enum err result,
		       slice_t detail);
/* The record of a call that has left none itself: a look at something, or one that was refused
 * before it came to the directory. Named after the method, with the request's first text as its
 * target. */
WAITS void admin_record(struct mcall *c, enum err result);

/* The handlers. */
WAITS enum err m_admin_domain_add(struct mcall *c);
WAITS enum err m_admin_domain_list(struct mcall *c);
WAITS enum err m_admin_domain_show(struct mcall *c);
WAITS enum err m_admin_domain_edit(struct mcall *c);
WAITS enum err m_admin_domain_remove(struct mcall *c);
WAITS enum err m_admin_dkim_add(struct mcall *c);
WAITS enum err m_admin_dkim_list(struct mcall *c);
WAITS enum err m_admin_dkim_activate(struct mcall *c);
WAITS enum err m_admin_dns_show(struct mcall *c);
WAITS enum err m_admin_dns_listings(struct mcall *c);
WAITS enum err m_admin_dkim_retire(struct mcall *c);
WAITS enum err m_admin_dkim_remove(struct mcall *c);
WAITS enum err m_admin_tls_set(struct mcall *c);
WAITS enum err m_admin_tls_list(struct mcall *c);
WAITS enum err m_admin_tls_show(struct mcall *c);
WAITS enum err m_admin_tls_remove(struct mcall *c);
WAITS enum err m_admin_tls_report_list(struct mcall *c);
WAITS enum err m_admin_tls_received_list(struct mcall *c);
WAITS enum err m_admin_tls_report_send(struct mcall *c);
WAITS enum err m_admin_route_add(struct mcall *c);
WAITS enum err m_admin_route_list(struct mcall *c);
WAITS enum err m_admin_route_show(struct mcall *c);
WAITS enum err m_admin_route_edit(struct mcall *c);
WAITS enum err m_admin_route_remove(struct mcall *c);
WAITS enum err m_admin_account_add(struct mcall *c);
WAITS enum err m_admin_account_list(struct mcall *c);
WAITS enum err m_admin_account_show(struct mcall *c);
WAITS enum err m_admin_account_lock(struct mcall *c);
WAITS enum err m_admin_account_unlock(struct mcall *c);
WAITS enum err m_admin_account_passwd(struct mcall *c);
WAITS enum err m_admin_account_quota(struct mcall *c);
WAITS enum err m_admin_account_remove(struct mcall *c);
WAITS enum err m_admin_account_limit(struct mcall *c);
WAITS enum err m_admin_account_grant(struct mcall *c);
WAITS enum err m_admin_account_revoke(struct mcall *c);
WAITS enum err m_admin_account_hold(struct mcall *c);
WAITS enum err m_admin_account_release(struct mcall *c);
WAITS enum err m_admin_alias_add(struct mcall *c);
WAITS enum err m_admin_alias_list(struct mcall *c);
WAITS enum err m_admin_alias_show(struct mcall *c);
WAITS enum err m_admin_alias_set(struct mcall *c);
WAITS enum err m_admin_alias_remove(struct mcall *c);
WAITS enum err m_admin_alias_on(struct mcall *c);
WAITS enum err m_admin_alias_off(struct mcall *c);
WAITS enum err m_admin_area_list(struct mcall *c);
WAITS enum err m_admin_session_list(struct mcall *c);
WAITS enum err m_admin_session_kill(struct mcall *c);
WAITS enum err m_admin_setting_list(struct mcall *c);
WAITS enum err m_admin_setting_show(struct mcall *c);
WAITS enum err m_admin_setting_set(struct mcall *c);
WAITS enum err m_admin_setting_unset(struct mcall *c);
WAITS enum err m_admin_node_status(struct mcall *c);
WAITS enum err m_admin_node_fsck(struct mcall *c);
WAITS enum err m_admin_cert_issued(struct mcall *c);
WAITS enum err m_admin_cert_revoke(struct mcall *c);
WAITS enum err m_admin_cert_list(struct mcall *c);
WAITS enum err m_admin_queue_list(struct mcall *c);
WAITS enum err m_admin_queue_show(struct mcall *c);
WAITS enum err m_admin_queue_count(struct mcall *c);
WAITS enum err m_admin_queue_summary(struct mcall *c);
WAITS enum err m_admin_queue_edit(struct mcall *c);
WAITS enum err m_admin_audit_list(struct mcall *c);
WAITS enum err m_admin_server_add(struct mcall *c);
WAITS enum err m_admin_server_list(struct mcall *c);
WAITS enum err m_admin_server_show(struct mcall *c);
WAITS enum err m_admin_server_edit(struct mcall *c);
WAITS enum err m_admin_server_state(struct mcall *c);
WAITS enum err m_admin_server_remove(struct mcall *c);
/* What other back-ends ask. */
WAITS enum err m_peer_tls_report_list(struct mcall *c);
WAITS enum err m_peer_tls_report_send(struct mcall *c);
WAITS enum err m_peer_usage(struct mcall *c);
WAITS enum err m_peer_area_list(struct mcall *c);
WAITS enum err m_peer_session_list(struct mcall *c);
WAITS enum err m_peer_session_kill(struct mcall *c);
WAITS enum err m_peer_status(struct mcall *c);
WAITS enum err m_peer_fsck(struct mcall *c);
WAITS enum err m_peer_queue_list(struct mcall *c);
WAITS enum err m_peer_queue_show(struct mcall *c);
WAITS enum err m_peer_queue_count(struct mcall *c);
WAITS enum err m_peer_queue_summary(struct mcall *c);
WAITS enum err m_peer_queue_edit(struct mcall *c);

#endif
