/* The CA and the nodes' certificates: files on the administrator's machine. The CA's key never
 * leaves its folder. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/ctl/commands.h"
#include "backend/ctl/connect.h"
#include "backend/ctl/show.h"
#include "common/base/num.h"
#include "common/crypto/pki.h"
#include "common/crypto/secret.h"
#include "common/rpc/identity.h"
#include "proto/admin.pb-c.h"

#define CA_DAYS   7300
#define LEAF_DAYS 1095

struct pair {
	struct buf cert, key;
};

static void pair_init(struct pair *p)
{
	buf_init(&p->cert, PKI_PEM_MAX, NULL);
	buf_init(&p->key, PKI_PEM_MAX, NULL);
	/* A buffer that grows would leave parts of the key behind. */
	(void)buf_reserve(&p->key, PKI_PEM_MAX);
}

static void pair_fini(struct pair *p)
{
	buf_fini(&p->cert);
	secret_wipe_buf(&p->key);
	buf_fini(&p->key);
}

static const char *path_of(struct ctl *c, const char *a, const char *b)
{
	struct buf path;
	char *s;

	buf_init(&path, 8192, NULL);
	buf_puts(&path, a);
	buf_puts(&path, b);
	s = arena_str(&c->mem, buf_slice(&path));
	buf_fini(&path);
	return s;
}

/* Whole or not at all, and on the disk. */
static int write_file(struct ctl *c, const char *path, slice_t bytes, mode_t mode)
{
	const char *temp = path_of(c, path, ".new");
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool ok = fd >= 0;

	ok = ok && fchmod(fd, mode) == 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n &&
	     fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	if (ok && rename(temp, path) == 0)
		return EX_OK;
	return ctl_fail(c, EX_CANTCREAT, "%s: %s", path, strerror(errno));
}

static int write_pair(struct ctl *c, const char *base, const struct pair *p)
{
	int status = write_file(c, path_of(c, base, ".key"), buf_slice(&p->key), 0600);

	return status == EX_OK ? write_file(c, path_of(c, base, ".pem"), buf_slice(&p->cert), 0644)
			       : status;
}

static int read_days(struct ctl *c, const struct ctl_args *a, unsigned fallback, unsigned *out)
{
	const char *text = ctl_args_get(a, "--days");
	uint64_t n = fallback;

	if (text != NULL && (!num_parse(slice_str(text), PKI_DAYS_MAX, &n) || n == 0))
		return ctl_fail(c, EX_USAGE, "--days: a number from 1 to %d", PKI_DAYS_MAX);
	*out = (unsigned)n;
	return EX_OK;
}

int pki_init_prepare(struct ctl *c, const struct ctl_args *a, bool *done)
{
	const char *dir = ctl_args_get(a, "--dir"), *name = ctl_args_get(a, "--name");
	const char *base = path_of(c, dir, "/ca");
	struct diag d = {""};
	struct pair p;
	unsigned days;
	int status = read_days(c, a, CA_DAYS, &days);

	*done = true;
	if (status != EX_OK)
		return status;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return ctl_fail(c, EX_CANTCREAT, "%s: %s", dir, strerror(errno));
	if (access(path_of(c, base, ".key"), F_OK) == 0)
		return ctl_fail(c, EX_CANTCREAT, "%s.key: there is a CA already", base);
	pair_init(&p);
	if (pki_make_ca(slice_str(name != NULL ? name : "Postern cluster CA"), days, &p.cert,
			&p.key, &d) == E_OK)
		status = write_pair(c, base, &p);
	else
		status = ctl_fail(c, EX_DATAERR, "%s", d.text);
	pair_fini(&p);
	if (status == EX_OK && c->json)
		fputs("{}\n", c->out);
	return status;
}

static int read_ca(struct ctl *c, const char *dir, slice_t *cert, slice_t *key)
{
	struct diag d = {""};

	if (ctl_read_file(c, path_of(c, dir, "/ca.pem"), PKI_PEM_MAX, cert, &d) != E_OK ||
	    ctl_read_file(c, path_of(c, dir, "/ca.key"), PKI_PEM_MAX, key, &d) != E_OK)
		return ctl_fail(c, EX_NOINPUT, "%s", d.text);
	return EX_OK;
}

static void fill_issued(struct ctl *c, const struct pki_info *info, Postern__AdminCertIssued *m)
{
	postern__admin_cert_issued__init(m);
	m->serial = arena_str(&c->mem, slice_str(info->serial));
	m->name = arena_str(&c->mem, slice_str(info->cn));
	m->expires_us = info->not_after_s * 1000000;
}

static void tell_issued(struct ctl *c, const struct pki_info *info)
{
	Postern__AdminCertIssued m;

	if (!c->json)
		return;
	fill_issued(c, info, &m);
	show_json(c->out, &m.base);
	putc('\n', c->out);
}

int pki_issue_prepare(struct ctl *c, const struct ctl_args *a, bool *done)
{
	const char *identity = ctl_args_get(a, "IDENTITY");
	struct pki_names names = {.cn = slice_str(identity)};
	struct pki_info *info = arena_new(&c->mem, struct pki_info);
	struct rpc_identity parsed;
	slice_t ca_cert, ca_key;
	struct diag d = {""};
	struct pair p;
	int status = read_days(c, a, LEAF_DAYS, &names.days);

	*done = c->target.cluster == NULL && c->target.address == NULL;
	if (status != EX_OK)
		return status;
	if (!rpc_identity_parse(names.cn, &parsed))
		return ctl_fail(c, EX_DATAERR,
				"%s: not frontend/NAME/SERVICE, backend/NAME, admin/NAME or "
				"operator/NAME",
				identity);
	status = read_ca(c, ctl_args_get(a, "--dir"), &ca_cert, &ca_key);
	if (status != EX_OK)
		return status;
	pair_init(&p);
	if (pki_issue(ca_cert, ca_key, &names, &p.cert, &p.key, info, &d) == E_OK)
		status = write_pair(c, ctl_args_get(a, "--out"), &p);
	else
		status = ctl_fail(c, EX_DATAERR, "%s", d.text);
	pair_fini(&p);
	secret_wipe((char *)(uintptr_t)ca_key.p, ca_key.n);
	c->prepared = info;
	if (status == EX_OK && *done)
		tell_issued(c, info);
	return status;
}

/* The directory learns of it, so that it can be listed, and revoked by its name. */
WAITS int pki_issue_run(struct ctl *c, const struct ctl_args *a)
{
	const struct pki_info *info = c->prepared;
	Postern__AdminCertIssued m;
	struct ctl_call call = {.method = a->command->method, .request = &m.base, .mem = &c->mem};
	int status;

	fill_issued(c, info, &m);
	status = ctl_call(c, &call);
	if (status == EX_OK && call.result != E_OK)
		return ctl_fail_err(c, call.result, &call.diag);
	if (status == EX_OK)
		tell_issued(c, info);
	return status;
}
