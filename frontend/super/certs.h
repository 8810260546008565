/*
 * certs: what the public's listeners present: certificates with their keys, in pairs. The
 * supervisor reads the files and looks whether they are pairs at all; a worker makes a context of
 * what it is told.
 */
#ifndef FRONTEND_SUPER_CERTS_H
#define FRONTEND_SUPER_CERTS_H

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "common/net/tls.h"

#define PEM_FILE_MAX (64 * 1024)

struct certs {
	struct buf cert[TLS_CERTS_MAX], key[TLS_CERTS_MAX];
	size_t n;
};

void certs_init(struct certs *c);
void certs_fini(struct certs *c);
/* Of the files that two settings name, lists of one length (E_INVALID: they are not). The words say
 * which files cannot be used, and why. On failure what was read so far stays, for certs_fini(). */
enum err certs_read(struct certs *c, const struct conf *conf, const char *cert_setting,
		    const char *key_setting, struct diag *d) MUST_USE;
/* A context of n pairs, the first of them for clients that ask for no name of another. *at_out is
 * the number of the pair that was refused; NULL: not asked for. */
enum err certs_context(const slice_t *cert, const slice_t *key, size_t n, struct tls_ctx **out,
		       size_t *at_out, struct diag *d) MUST_USE;

/* A whole file, in place of what is in out, which says how large it may be. E_IO, E_TOO_BIG. */
enum err certs_read_file(const char *path, struct buf *out, struct diag *d) MUST_USE;

#endif
