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

/* Of the setting lmtp.nets. */
#define SETTINGS_NETS_MAX 64
/* What a type cannot say: c, which has the row lmtp.nets, has nets there. E_INVALID. */
enum err settings_check_nets(const struct conf *c, struct diag *d) MUST_USE;

#endif
