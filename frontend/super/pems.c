#include "frontend/super/pems.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/crypto/secret.h"
#include "common/log/log.h"

#define ROOT_ANCHORS "/usr/share/dns/root.key" /* of the package dns-root-data */
#define NO_ANCHORS   "none"

static enum err read_service_pems(const char *dir, enum rpc_service s, struct pems *p,
				  struct diag *d)
{
	char path[4200];
	enum err e;

	snprintf(path, sizeof path, "%s/%s.pem", dir, rpc_service_name(s));
	e = certs_read_file(path, &p->cert[s], d);
	snprintf(path, sizeof path, "%s/%s.key", dir, rpc_service_name(s));
	return e == E_OK ? certs_read_file(path, &p->key[s], d) : e;
}

static struct pems *make_empty(void)
{
	struct pems *p = xcalloc(1, sizeof *p);

	buf_init(&p->ca, PEM_FILE_MAX, NULL);
	buf_init(&p->anchors, PEM_FILE_MAX, NULL);
	certs_init(&p->tls);
	certs_init(&p->https);
	for (size_t i = 0; i <= SERVICE_LAST; i++) {
		buf_init(&p->cert[i], PEM_FILE_MAX, NULL);
		buf_init(&p->key[i], PEM_FILE_MAX, NULL);
	}
	return p;
}

void pems_free(struct pems **pp)
{
	struct pems *p = *pp;

	if (p == NULL)
		return;
	buf_fini(&p->ca);
	buf_fini(&p->anchors);
	certs_fini(&p->tls);
	certs_fini(&p->https);
	for (size_t i = 0; i <= SERVICE_LAST; i++) {
		buf_fini(&p->cert[i]);
		secret_wipe_buf(&p->key[i]);
		buf_fini(&p->key[i]);
	}
	xfree(pp);
}

/* DNSSEC's trust anchors: workers see no files. */
static enum err read_anchors(const struct conf *c, struct pems *p, struct diag *d)
{
	const char *path = conf_str(c, "dns.anchors");

	if (strcmp(path, NO_ANCHORS) == 0)
		return E_OK;
	return certs_read_file(path[0] != '\0' ? path : ROOT_ANCHORS, &p->anchors, d);
}

/* A worker that found none would start again and again. */
static enum err check_trust(const struct conf *c, struct diag *d)
{
	const char *path = conf_str(c, "tls.trust");

	return path[0] == '\0' || access(path, R_OK) == 0
		       ? E_OK
		       : diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
}

bool pems_asks_dns(enum rpc_service s)
{
	return s == SERVICE_OUTBOUND || s == SERVICE_SMTP || s == SERVICE_SUBMISSION;
}

/* What all services have in common. */
static enum err read_common(const struct conf *c, struct pems *p, struct diag *d)
{
	char path[4200];
	enum err e;

	snprintf(path, sizeof path, "%s/ca.pem", conf_str(c, "rpc.certs"));
	e = certs_read_file(path, &p->ca, d);
	if (e == E_OK)
		e = certs_read(&p->tls, c, "tls.cert", "tls.key", d);
	if (e == E_OK && p->tls.n == 0)
		e = diag_set(d, E_INVALID, "tls.cert is empty");
	/* The worker that anybody's browser reaches need not have the keys of mail. */
	return e == E_OK ? certs_read(&p->https, c, "https.cert", "https.key", d) : e;
}

enum err pems_new(const struct conf *c, const struct pems_services *s, struct pems **out,
		  struct diag *d)
{
	struct pems *p = make_empty();
	enum err e = read_common(c, p, d);

	for (size_t i = 0; e == E_OK && i <= SERVICE_LAST; i++) {
		enum rpc_service service = (enum rpc_service)i;

		if (!s->has[i])
			continue;
		e = read_service_pems(conf_str(c, "rpc.certs"), service, p, d);
		if (e == E_OK && pems_asks_dns(service) && p->anchors.n == 0)
			e = read_anchors(c, p, d);
		if (e == E_OK && service == SERVICE_OUTBOUND)
			e = check_trust(c, d);
	}
	if (e == E_OK)
		*out = p;
	else
		pems_free(&p);
	return e;
}
