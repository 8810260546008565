/*
 * dir_rights: who may send as whom: what the image has of it, which submissions ask, and the
 * management of rights that one account has to another's addresses.
 *
 * An account's own are its main address, the same at a domain alias and with a detail, and every
 * alias that leads to it alone. An alias or group that lets all its members send is the address of
 * each of them, too. The owner of an account gives others the right to its own addresses: to send
 * as it, or on its behalf (RFC 5322 section 3.6.2: From is the author, Sender who sends).
 */
#ifndef BACKEND_DIRECTORY_DIR_RIGHTS_H
#define BACKEND_DIRECTORY_DIR_RIGHTS_H

#include "backend/directory/dir_admin.h"

/* Accounts that have a right to one, and accounts that one has a right to: both are shown in one
 * answer. More is a group's work. */
#define DIR_RIGHTS_MAX 64

/* Stored and on the wire: the numbers never change. */
enum dir_right_kind { DIR_SEND_AS = 1, DIR_ON_BEHALF = 2 };

/* What makes an address fit for an account to send as. On the wire: the numbers never change. */
enum dir_sender {
	DIR_SENDER_MAIN = 1,      /* its main address: stays as long as the account */
	DIR_SENDER_ALIAS = 2,     /* an alias or group that leads to it, and allows it */
	DIR_SENDER_SEND_AS = 3,   /* another's, who lets it send as them */
	DIR_SENDER_ON_BEHALF = 4, /* another's: with an address of its own in Sender */
};

/* ---- the image: never waits ---- */

/* May the account send as this address? E_OK: *out says why; E_DENIED; E_RETRY: cannot tell. */
enum err dir_sender(const struct dir *d, uint64_t account, slice_t address,
		    enum dir_sender *out) MUST_USE;

/* ---- management; see dir_admin.h ---- */

struct dir_right_row {
	slice_t address; /* of the other account */
	enum dir_right_kind kind;
};

/* All of one account. */
struct dir_rights {
	struct dir_right_row *users;  /* who has a right to it */
	struct dir_right_row *owners; /* to whom it has a right */
	size_t nusers, nowners;
};

/* Instead of the right that the user had. E_INVALID: to itself, or more than DIR_RIGHTS_MAX. */
WAITS enum err dir_right_grant(struct dir *d, const struct dir_actor *by, slice_t owner,
			       slice_t user, enum dir_right_kind kind, struct diag *diag) MUST_USE;
WAITS enum err dir_right_revoke(struct dir *d, const struct dir_actor *by, slice_t owner,
				slice_t user, struct diag *diag) MUST_USE;
/* In order of address. */
WAITS enum err dir_right_list(struct dir *d, uint64_t account, struct arena *mem,
			      struct dir_rights *out, struct diag *diag) MUST_USE;

#endif
