/*
 * sts_policy: what a domain says of the TLS of its mail servers (MTA-STS, RFC 8461): the record in
 * DNS that tells of a policy, the policy's text, and whether it names a server. Values; nothing
 * waits here, and nothing here decides what a policy means for mail.
 */
#ifndef FRONTEND_OUTBOUND_STS_POLICY_H
#define FRONTEND_OUTBOUND_STS_POLICY_H

#include "common/base/arena.h"
#include "common/base/err.h"

#define STS_TEXT_MAX    (64u * 1024) /* RFC 8461 section 3.3 names this size */
#define STS_LINES_MAX   1000         /* of any kind: real policies have ten */
#define STS_ID_MAX      32           /* section 3.1 */
#define STS_PATTERN_MAX 253          /* a domain name */
#define STS_MX_MAX      64           /* twice the servers that DNS may name */
#define STS_MAX_AGE_MAX 31557600u    /* seconds: a year (section 3.2); more counts as this */

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
	enum sts_mode mode;
	uint32_t max_age_s;
	slice_t *mx; /* patterns in lower case: a name, or "*." and a name */
	size_t n;    /* 0 only with STS_NONE */
};

/* The policy's text (section 3.2), lines ending in LF or CRLF. Unknown fields are skipped; of a
 * field that comes more than once, `mx` apart, the first counts. E_INVALID: it is none, *d says
 * why; E_LIMIT: beyond the limits above. The patterns live in mem. */
enum err sts_policy_parse(slice_t text, struct arena *mem, struct sts_policy *out,
			  struct diag *d) MUST_USE;

/* The TXT records of _mta-sts.DOMAIN (section 3.1), each with its strings joined: those that are
 * none of MTA-STS are left out, and one must remain. *id_out borrows of it. E_NOT_FOUND: there is
 * no policy; E_INVALID: several, or one that is malformed, which means the same. */
enum err sts_record_parse(const slice_t *records, size_t n, slice_t *id_out) MUST_USE;
/* 1*32 letters and digits: what an id is made of. */
bool sts_id_ok(slice_t id) MUST_USE;

/* Letters in lower case, digits, hyphens, underscores, dots; "*" only as the whole first label of
 * several. */
bool sts_pattern_ok(slice_t pattern) MUST_USE;
/* Whether a pattern names the server, whatever the case (section 4.1). "*" stands for one label. */
bool sts_policy_names(const struct sts_policy *p, slice_t host) MUST_USE;

/* "none", "testing", "enforce". */
const char *sts_mode_name(enum sts_mode m);

#endif
