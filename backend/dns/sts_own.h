/* sts_own: the MTA-STS policies of our own domains (RFC 8461), which front-ends serve. */
#ifndef BACKEND_DNS_STS_OWN_H
#define BACKEND_DNS_STS_OWN_H

#include "backend/directory/dir_admin.h"
#include "common/base/buf.h"

#define STS_OWN_TEXT_MAX 8192 /* with as many hosts as there may be, of the longest names */
#define STS_OWN_ID_STR   21

/* The policy's text (section 3.2), of servers by these names. Appends. */
void sts_own_text(enum dir_mta_sts mode, uint32_t age_s, const slice_t *hosts, size_t n,
		  struct buf *out);
/* The id of the record that tells of the text (section 3.1): another one when the text is another,
 * so that nobody has to think of it. */
void sts_own_id(slice_t text, char out[STS_OWN_ID_STR]);
/* NULL: the record at _mta-sts has this id; else what is wrong with it. */
const char *sts_own_fault(slice_t record, slice_t id);

#endif
