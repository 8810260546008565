/*
 * m_sign: the DKIM signatures of a submission, or of a notice of ours, that is being committed, and
 * the keys that a front-end may ask for.
 *
 * A notice is from MAILER-DAEMON at the front-end's name, which is seldom a domain of ours but lies
 * below one: it is signed by that (RFC 7489 section 3.1.1: DMARC takes it as the author's own).
 */
#ifndef BACKEND_RPC_M_SIGN_H
#define BACKEND_RPC_M_SIGN_H

#include "backend/rpc/mcall.h"
#include "proto/delivery.pb-c.h"

/* The keys of the address's domain, into the reply; in c->mem. */
void sign_list_keys(struct mcall *c, slice_t address, Postern__SenderCheckReply *reply);
/* The same for a notice that is from this address; also whose they are. */
void sign_list_notice_keys(struct mcall *c, slice_t address, Postern__SenderCheckReply *reply);
/* Puts what the commit asks to be signed in front of out->prefix. A submission's, whose ticket
 * (c->claims, opened before) belongs to an account that may send as the author, or a notice's by
 * the way out, which commits nothing else; others get none. E_DENIED: not his address; E_RETRY,
 * E_BUSY: not now. */
WAITS enum err sign_commit(struct mcall *c, const Postern__DeliverCommit *m,
			   struct deliver_msg *out) MUST_USE;

#endif
