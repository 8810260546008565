/*
 * settings: the policy that back-ends push to front-ends, as one table that both sides know: the
 * back-end refuses what does not fit when an administrator sets it, the front-end when it arrives
 * (an older back-end may know other rows). A pushed setting that a front-end does not know is
 * ignored with a log line.
 */
#ifndef PROTO_SETTINGS_H
#define PROTO_SETTINGS_H

#include "common/conf/conf.h"

extern const struct conf_def settings_table[];
extern const size_t settings_table_len;

/* Of each, a list too: it goes to front-ends as one text. */
#define SETTINGS_VALUE_MAX 4096
/* c has all rows; what is set in it is no longer than that. E_INVALID. */
enum err settings_check_sizes(const struct conf *c, struct diag *d) MUST_USE;

/* The realms of Kerberos whose users may log in, and their domains. */
#define SETTINGS_REALMS     "auth.gssapi_realms"
#define SETTINGS_REALMS_MAX 64
/* One of them: REALM, which is the domain's name in capitals, or REALM/DOMAIN. Borrowed. */
struct settings_realm {
	slice_t realm, domain;
};
bool settings_realm_parse(slice_t text, struct settings_realm *out) MUST_USE;
/* c has the row. E_INVALID. */
enum err settings_check_realms(const struct conf *c, struct diag *d) MUST_USE;

/* Of the setting lmtp.nets. */
#define SETTINGS_NETS_MAX 64
/* What a type cannot say: c, which has the row lmtp.nets, has nets there. E_INVALID. */
enum err settings_check_nets(const struct conf *c, struct diag *d) MUST_USE;

#endif
