/*
 * client_lib: a server that follows a script, for tests of the SMTP client. A script is an array of
 * steps, ended by NULL; the first character says what a step is:
 *
 *   "> text"   says a line           "< text"  expects this very line
 *   "= text"   says it without CRLF  "~ text"  expects a line that begins so
 *   "!tls"     a server's handshake  "!body"   reads dot-stuffed data up to its end into `body`
 *   "!bytes N" reads N bytes into `body`
 *   "!flood N" says N KiB of one reply, as "250-x" lines
 *   "!drain"   reads to the end
 *   "!some"    reads what comes next and leaves it there
 *   "!stall"   reads nothing until the test sets `resume`
 *   "!call"    calls the test's own function
 *   "!close"   closes now            "!end"    expects the client to close, and nothing before
 *
 * A client that sends something else, or waits for an answer that the script has not given yet,
 * fails the test.
 */
#ifndef TESTS_UNIT_FRONTEND_OUTBOUND_CLIENT_LIB_H
#define TESTS_UNIT_FRONTEND_OUTBOUND_CLIENT_LIB_H

#include "common/loop/fiber.h"
#include "common/net/tls.h"
#include "frontend/outbound/smtp_client.h"
#include "tests/lib/check.h"

#define SOON 10000 /* ms; a test that needs it has failed */

/* A certificate and its key, with what a check may compare. */
struct cert {
	char pem[4096];
	char key[4096];
	uint8_t sha256[32];     /* of the certificate */
	uint8_t key_sha256[32]; /* of its SubjectPublicKeyInfo */
	uint8_t der[2048];
	size_t der_n;
};
/* san: "DNS:a,DNS:b" or NULL; ca: who signs, NULL: itself (an authority, when san is NULL). Valid
 * from and until so many seconds from now. */
void cert_make(struct cert *out, const struct cert *ca, const char *san, long from_s, long until_s);

struct rig {
	const char *const *script;
	struct cert chain; /* the server's; made by the first !tls if it has none */
	struct tls_ctx *server_tls;
	struct buf body; /* as it came over the wire */
	bool failed;     /* the client left the script */
	size_t done;     /* steps */
	/* The client's side; a test changes opts before it opens. */
	struct smtp_client_opts opts;
	struct smtp_timeouts timeouts;
	struct smtp_client *client;
	struct smtp_client_why why;
	struct arena arena;
	WAITS void (*call)(void *arg);
	void *call_arg;
	/* Private. */
	struct listener *listener;
	struct stream *s; /* the server's end */
	struct event accepted;
	struct event resume;
	struct scope scope;
};

WAITS void rig_start(struct rig *r, const char *const *script);
/* Opens the client; whatever comes of it is in r->why. */
WAITS enum err rig_open(struct rig *r);
/* Waits for the script's end, checks that it was followed, and cleans up. */
WAITS void rig_end(struct rig *r);
/* The server's certificate: its chain and key. */
void rig_cert(struct rig *r, const struct cert *c, const struct cert *ca);

/* A message to n recipients, "r0@example.org" on; its bytes are given in chunks of `chunk`. */
struct mail {
	struct smtp_msg msg;
	struct smtp_msg_rcpt *rcpts;
	slice_t bytes;
	size_t chunk, at;
	enum err fail; /* what the source says at fail_at, if not E_OK */
	size_t fail_at;
};
void mail_init(struct mail *m, struct rig *r, size_t nrcpts, slice_t bytes);
/* Forgets the results: to be sent again. */
void mail_again(struct mail *m);

void check_result(const struct smtp_result *r, enum smtp_phase phase, enum smtp_verdict verdict,
		  unsigned code, const char *status, const char *text_has, int line);
#define CHECK_RESULT(r, phase, verdict, code, status, text) \
	check_result(r, phase, verdict, code, status, text, __LINE__)

#endif
