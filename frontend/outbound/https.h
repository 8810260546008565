/*
 * https: short questions to other systems' sites over HTTPS (RFC 9110): one GET or POST, one
 * answer, both bounded. The bytes and their grammar are libcurl's, on the worker's own loop; whom
 * we ask is ours: the addresses come from frontend/dns, the authorities from the worker's TLS
 * context. So libcurl looks no name up, starts no thread and opens no file. No redirect is
 * followed, nothing is kept between two questions, no proxy of the environment is used.
 *
 * As with frontend/dns, libcurl never runs on a fiber's small stack: questions are posted to the
 * loop, and an asker that leaves leaves its question to be ended there.
 */
#ifndef FRONTEND_OUTBOUND_HTTPS_H
#define FRONTEND_OUTBOUND_HTTPS_H

#include "common/base/arena.h"
#include "common/base/err.h"

struct tls_ctx;

#define HTTPS_FLIGHT_MAX 16          /* questions at a time; further ones wait */
#define HTTPS_HEADER_MAX (16 * 1024) /* of an answer; what servers themselves take */
#define HTTPS_TYPE_MAX   128         /* of Content-Type */

struct https_conf {
	struct tls_ctx *tls; /* TLS_PUBLIC_CLIENT; borrowed until https_stop() */
	uint16_t port;       /* of all sites: 443, but for tests */
};

/* Once a process, or again after a stop. */
WAITS void https_start(const struct https_conf *conf);
/* Questions on their way end with E_RETRY, as all later ones. Harmless when there is none. Also in
 * a cancelled fiber. */
WAITS void https_stop(void);

struct https_ask {
	slice_t host;     /* a domain name in lower case */
	const char *path; /* "/.well-known/mta-sts.txt"; of RFC 3986's characters */
	size_t body_max;  /* bytes of the answer's body */
};

#define HTTPS_PATH_MAX 1024 /* what sites themselves take is mostly more */

/* What is posted; borrowed until the answer. */
struct https_content {
	const char *type; /* a literal: "text/plain" */
	slice_t bytes;
};

struct https_answer {
	unsigned status; /* 100 to 999; one of 3xx is told, not followed */
	slice_t type;    /* Content-Type without its parameters; cut, may be empty */
	slice_t body;
};

/* The answer, in mem, of a server that was verified as `host`. E_CANCELLED. E_NOT_FOUND: the host
 * has no address; E_INVALID: it is no name; E_TLS: the handshake failed, or somebody else was
 * there; E_TOO_BIG: header or body beyond their limits; E_TIMEOUT; E_RETRY: anything else. *d has
 * words. */
WAITS enum err https_get(const struct https_ask *ask, struct arena *mem, int64_t deadline_ms,
			 struct https_answer *out, struct diag *d) MUST_USE;
/* As https_get(). The answer's body is not kept: out has its status and type. */
WAITS enum err https_post(const struct https_ask *ask, const struct https_content *content,
			  struct arena *mem, int64_t deadline_ms, struct https_answer *out,
			  struct diag *d) MUST_USE;

#endif
