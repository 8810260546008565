#include "frontend/super/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"

enum err certs_read_file(const char *path, struct buf *out, struct diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum err e = E_OK;
	struct stat st;
	ssize_t n = 1;

	buf_reset(out);
	if (fd < 0)
		return diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
	/* It may be a key, of which a buffer that grows would leave parts behind. */
	if (fstat(fd, &st) == 0 && st.st_size < PEM_FILE_MAX)
		(void)buf_expect(out, (size_t)st.st_size + 4096);
	while (e == E_OK && n > 0) {
		char *to = buf_reserve(out, 4096);

		n = to != NULL ? read(fd, to, 4096) : -1;
		if (to == NULL)
			e = diag_set(d, E_TOO_BIG, "%s: too large", path);
		else if (n < 0)
			e = diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
		else
			buf_commit(out, (size_t)n);
	}
	close(fd);
	return e;
}

void certs_init(struct certs *c)
{
	for (size_t i = 0; i < TLS_CERTS_MAX; i++) {
		buf_init(&c->cert[i], PEM_FILE_MAX, NULL);
		buf_init(&c->key[i], PEM_FILE_MAX, NULL);
	}
	c->n = 0;
}

void certs_fini(struct certs *c)
{
	for (size_t i = 0; i < TLS_CERTS_MAX; i++) {
		buf_fini(&c->cert[i]);
		secret_wipe_buf(&c->key[i]);
		buf_fini(&c->key[i]);
	}
}

enum err certs_context(const slice_t *cert, const slice_t *key, size_t n, struct tls_ctx **out,
		       size_t *at_out, struct diag *d)
{
	struct tls_ctx *made = NULL;
	struct arena a;
	enum err e = E_OK;

	arena_init(&a, NULL);
	for (size_t i = 0; e == E_OK && i < n; i++) {
		struct tls_config c = {.profile = TLS_PUBLIC_SERVER,
				       .cert_pem = arena_str(&a, cert[i]),
				       .key_pem = arena_str(&a, key[i])};

		e = i == 0 ? tls_ctx_new(&c, &made, d) : tls_ctx_add(made, &c, d);
		if (at_out != NULL)
			*at_out = i;
	}
	arena_wipe(&a);
	if (e == E_OK)
		*out = made;
	else
		tls_ctx_unref(&made);
	return e;
}

/* Before anybody is told: a worker that is given something else ends as soon as it starts. */
static enum err check_pairs(const struct certs *c, const struct conf *conf,
			    const char *cert_setting, const char *key_setting, struct diag *d)
{
	slice_t cert[TLS_CERTS_MAX], key[TLS_CERTS_MAX];
	struct tls_ctx *made = NULL;
	struct diag why = {""};
	size_t at = 0;
	enum err e;

	for (size_t i = 0; i < c->n; i++) {
		cert[i] = buf_slice(&c->cert[i]);
		key[i] = buf_slice(&c->key[i]);
	}
	e = certs_context(cert, key, c->n, &made, &at, &why);
	tls_ctx_unref(&made);
	return e == E_OK
		       ? e
		       : diag_set(d, e, "%s (%s, %s)", why.text, conf_item(conf, cert_setting, at),
				  conf_item(conf, key_setting, at));
}

/* An empty text is no name of a file. */
static size_t count_of(const struct conf *conf, const char *setting)
{
	size_t n = conf_count(conf, setting);

	return n == 1 && conf_item(conf, setting, 0)[0] == '\0' ? 0 : n;
}

enum err certs_read(struct certs *c, const struct conf *conf, const char *cert_setting,
		    const char *key_setting, struct diag *d)
{
	enum err e = E_OK;

	c->n = count_of(conf, cert_setting);
	invariant(c->n <= TLS_CERTS_MAX);
	if (count_of(conf, key_setting) != c->n)
		return diag_set(d, E_INVALID, "%s and %s: a key for each certificate, in one order",
				cert_setting, key_setting);
	for (size_t i = 0; e == E_OK && i < c->n; i++) {
		e = certs_read_file(conf_item(conf, cert_setting, i), &c->cert[i], d);
		if (e == E_OK)
			e = certs_read_file(conf_item(conf, key_setting, i), &c->key[i], d);
	}
	return e == E_OK ? check_pairs(c, conf, cert_setting, key_setting, d) : e;
}
