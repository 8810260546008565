/*
 * frontend/dns: questions to DNS, for fibers of one loop.
 *
 *   resolver  typed questions and answers: MX, addresses, TXT, TLSA, CNAME, PTR, SRV
 *   ask       one question on its way: libunbound, deadlines, who asks and who has left
 *   names     the names of an address, confirmed
 *   ubevent   the loop as libunbound's event base
 *   dnsmsg    an answer's bytes, read without trust
 *
 * libunbound asks, validates (DNSSEC) and caches. Of its two ways we use the event base, on our own
 * loop, not ub_ctx_async(): that one starts a thread (or a process) with a pipe, which the worker's
 * system call filter would have to allow, and whose answers come one wake-up later. The price is
 * its work on the loop's thread: some 100 us for each signature that is checked. Its machines never
 * run on a fiber's small stack: questions are posted to the loop.
 *
 * An asker that leaves (deadline, cancelled) leaves its question behind, which ends in its own time
 * and is counted until then (DNS_FLIGHT_MAX). ub_cancel() would only silence it.
 *
 * With `server` every question goes to that one server, as to a forwarder: a recursive server, or
 * an authoritative one that has all zones which are asked for. The names that a resolver usually
 * answers by itself (RFC 6303, RFC 6761) go there, too. Without it the answers come from the root
 * servers down.
 *
 * What is in an answer was chosen by strangers: counts and sizes are bounded here, and names come
 * out only when they are host names (letters in lower case, digits, hyphen, underscore, dots).
 * Nothing here decides what an answer means for mail.
 */
#ifndef FRONTEND_DNS_RESOLVER_H
#define FRONTEND_DNS_RESOLVER_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/net/ipaddr.h"
#include "frontend/dns/dnsmsg.h"

#define DNS_FLIGHT_MAX  1024 /* questions of a process, those whose asker has left among them */
#define DNS_ANCHORS_MAX 16   /* the root has two or three */
#define DNS_ANCHOR_MAX  2048 /* text of one; a DNSKEY of RSA with 4,096 bits has 700 */
#define DNS_CNAMES_MAX  12   /* one after the other; what libunbound follows, and one */

/* Of one answer; the rest is left out, which the answer says. */
#define DNS_MX_MAX        32   /* the best ones stay */
#define DNS_ADDRS_MAX     16   /* of each family */
#define DNS_TXT_MAX       64   /* records */
#define DNS_TXT_BYTES_MAX 4096 /* in all of them */
#define DNS_TLSA_MAX      16
#define DNS_TLSA_DATA_MAX 4096 /* a whole certificate, where somebody puts it there */
#define DNS_PTR_MAX       10   /* what RFC 7208 section 5.5 looks at */
#define DNS_SRV_MAX       16

struct dns_conf {
	slice_t server; /* "127.0.0.1:53", "[::1]:53"; empty: the root servers */
	/* Trust anchors, DS or DNSKEY records as text, one a line; ";" begins a comment. Empty:
	 * nothing is validated and no answer is secure. */
	slice_t anchors;
	/* The process may not connect sockets: questions whose answers need TCP fail. */
	bool udp_only;
};

/* Once a process; what conf borrows from may go afterwards. E_INVALID: not an address, not
 * anchors; E_IO: libunbound refuses. */
WAITS enum err resolver_start(const struct dns_conf *conf, struct diag *d) MUST_USE;
/* Questions on their way get a temporary failure, as all later ones. Harmless when there is none.
 * Also in a cancelled fiber. */
WAITS void resolver_stop(void);

enum dns_status {
	DNS_OK,       /* there are records */
	DNS_NXDOMAIN, /* no such name */
	DNS_NODATA,   /* the name exists, without records of this type */
	DNS_TEMPFAIL, /* nobody answered in time, or with a failure */
	DNS_BOGUS,    /* validation failed: somebody forges, or the zone is broken */
	DNS_UNUSABLE, /* there are records, but none that may be used: no host names */
};

struct dns_answer {
	enum dns_status status;
	bool secure;       /* validated, with every CNAME on the way; of what is not there, too */
	bool cut;          /* there were more records, or longer ones, than the limits allow */
	uint32_t ttl;      /* seconds; the least of all records used; 0 where there are none */
	slice_t canonical; /* the name at the end of the CNAMEs; empty: there was none */
	const char *why;   /* for the log; a literal, NULL where all is well */
};

/*
 * Questions. name: as dnsname_parse() takes it, else E_INVALID. E_CANCELLED: the fiber was. E_OK:
 * the answer's status says the rest, a deadline that passed among it (DNS_TEMPFAIL). deadline_ms is
 * in clock_mono_ms() units. Lists and names live in mem.
 */

struct dns_mx {
	uint16_t preference;
	slice_t host;
};
struct dns_mx_answer {
	struct dns_answer
		a;    /* DNS_NODATA: the domain's own address is asked (RFC 5321 section 5.1) */
	bool null_mx; /* the domain takes no mail (RFC 7505); the list is empty */
	struct dns_mx *list; /* the lowest preference first, equal ones in random order */
	size_t n;
};
WAITS enum err dns_mx(slice_t name, struct arena *mem, int64_t deadline_ms,
		      struct dns_mx_answer *out) MUST_USE;

struct dns_addrs_answer {
	/* Of both together: DNS_OK when there is any address; secure when what is used of it is
	 * (RFC 7672 section 2.2.2). Without addresses the failure of either counts. */
	struct dns_answer a;
	struct dns_answer v4, v6;
	struct ipaddr *list; /* as they came; IPv4 first */
	size_t n;
};
WAITS enum err dns_addrs(slice_t name, struct arena *mem, int64_t deadline_ms,
			 struct dns_addrs_answer *out) MUST_USE;

struct dns_txt_answer {
	struct dns_answer a;
	slice_t *list; /* of each record its strings, joined without space (RFC 7208 section 3.3) */
	size_t n;
};
WAITS enum err dns_txt(slice_t name, struct arena *mem, int64_t deadline_ms,
		       struct dns_txt_answer *out) MUST_USE;

struct dns_tlsa {
	uint8_t usage, selector, matching; /* RFC 6698 section 2.1, any value */
	slice_t data;
};
struct dns_tlsa_answer {
	struct dns_answer a; /* without a.secure the records mean nothing (RFC 7672 section 2.1) */
	struct dns_tlsa *list;
	size_t n;
};
WAITS enum err dns_tlsa(slice_t name, struct arena *mem, int64_t deadline_ms,
			struct dns_tlsa_answer *out) MUST_USE;

/* Whether the name is an alias: DNS_OK, with where its first step leads in canonical; secure is
 * that step's alone (RFC 7672 section 2.2.2). */
WAITS enum err dns_cname(slice_t name, struct arena *mem, int64_t deadline_ms,
			 struct dns_answer *out) MUST_USE;

struct dns_ptr_answer {
	struct dns_answer a;
	slice_t *list;
	size_t n;
};
WAITS enum err dns_ptr(const struct ipaddr *addr, struct arena *mem, int64_t deadline_ms,
		       struct dns_ptr_answer *out) MUST_USE;

/* The names of an address that lead back to it: those of its PTR records among whose addresses it
 * is. DNS_NXDOMAIN: there is none; DNS_TEMPFAIL: none, and one question had no answer for now. */
struct dns_names_answer {
	enum dns_status status;
	slice_t *list; /* lower case; at most DNS_PTR_MAX */
	size_t n;
	const char *why;
};
WAITS enum err dns_names(const struct ipaddr *addr, struct arena *mem, int64_t deadline_ms,
			 struct dns_names_answer *out) MUST_USE;

struct dns_srv {
	uint16_t priority, weight, port; /* RFC 2782 */
	slice_t host;                    /* empty: the service is decidedly not there */
};
struct dns_srv_answer {
	struct dns_answer a;
	struct dns_srv *list; /* as they came */
	size_t n;
};
WAITS enum err dns_srv(slice_t name, struct arena *mem, int64_t deadline_ms,
		       struct dns_srv_answer *out) MUST_USE;

/* "ok", "nxdomain", ... for the log. */
const char *dns_status_name(enum dns_status s);

/*
 * In place of the network, for tests of other rooms and for simulations: answers every question
 * from now on, started or not; NULL goes back. tests/lib/dnstwin.h is one with a table of records.
 */
enum dns_twin_says { DNS_TWIN_ANSWERS, DNS_TWIN_FAILS, DNS_TWIN_IS_SILENT };
struct dns_twin_answer {
	bool secure, bogus;
	struct buf packet; /* a whole response, as from a server; DNS_PACKET_MAX at most */
};
#define DNS_PACKET_MAX 65535
struct dns_twin {
	enum dns_twin_says (*answer)(void *arg, slice_t name, uint16_t type,
				     struct dns_twin_answer *out);
	void *arg;
};
void resolver_replace(const struct dns_twin *twin);

#endif
