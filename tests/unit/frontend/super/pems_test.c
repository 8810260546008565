/* The supervisor's files: to each service what it needs, or nothing at all. */
#include "frontend/super/pems.h"

#include <stdio.h>

#include "common/crypto/pki.h"
#include "tests/lib/check.h"

static const struct conf_def table[] = {
	{"rpc.certs", CONF_STRING, "", 0, 4000, 0, "", NULL},
	{"tls.cert", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, 0, "", NULL},
	{"tls.key", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, 0, "", NULL},
	{"https.cert", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, 0, "", NULL},
	{"https.key", CONF_STRINGS, NULL, 0, TLS_CERTS_MAX, 0, "", NULL},
	{"dns.anchors", CONF_STRING, "", 0, 4000, 0, "", NULL},
	{"tls.trust", CONF_STRING, "", 0, 4000, 0, "", NULL},
};

struct files {
	const char *dir;
	struct conf *conf;
	struct pems *pems;
	struct pems_services services;
};

static void put_bytes(const struct files *f, const char *name, const char *text, size_t times)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", f->dir, name);
	out = fopen(path, "w");
	REQUIRE(out != NULL);
	for (size_t i = 0; i < times; i++)
		fputs(text, out);
	CHECK_INT(fclose(out), 0);
}

static void put(const struct files *f, const char *name)
{
	put_bytes(f, name, name, 1);
}

/* A certificate and its key: NAME.pem, NAME.key. */
static void put_pair(const struct files *f, const char *name)
{
	const slice_t dns = slice_str("mail.test");
	const struct pki_names names = {.cn = dns, .dns = &dns, .ndns = 1, .days = 1};
	char file[64];
	struct buf cert, key;

	buf_init(&cert, PKI_PEM_MAX, NULL);
	buf_init(&key, PKI_PEM_MAX, NULL);
	CHECK_ERR(pki_self_signed(&names, &cert, &key, NULL), E_OK);
	buf_putc(&cert, '\0');
	buf_putc(&key, '\0');
	snprintf(file, sizeof file, "%s.pem", name);
	put_bytes(f, file, cert.p, 1);
	snprintf(file, sizeof file, "%s.key", name);
	put_bytes(f, file, key.p, 1);
	buf_fini(&cert);
	buf_fini(&key);
}

static void set(struct files *f, const char *name, const char *file)
{
	char text[512];
	struct diag d;

	snprintf(text, sizeof text, "%s=%s%s%s", name, f->dir, file[0] != '\0' ? "/" : "", file);
	CHECK_ERR(conf_set(f->conf, slice_str(text), &d), E_OK);
}

static void files_init(struct files *f)
{
	static const char *const names[] = {"ca.pem", "smtp.pem", "smtp.key"};

	*f = (struct files){.dir = check_tmpdir(), .conf = conf_new(table, ARRAY_LEN(table))};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(f, names[i]);
	set(f, "rpc.certs", "");
	set(f, "tls.cert", "mail.pem");
	set(f, "tls.key", "mail.key");
	set(f, "dns.anchors", "anchors");
	put(f, "anchors");
	put_pair(f, "mail");
	f->services.has[SERVICE_SMTP] = true;
}

static void files_fini(struct files *f)
{
	pems_free(&f->pems);
	conf_free(&f->conf);
}

static enum err read_all(struct files *f, struct diag *d)
{
	d->text[0] = '\0';
	pems_free(&f->pems);
	return pems_new(f->conf, &f->services, &f->pems, d);
}

TEST(pems_of_services_that_are_on)
{
	struct files f;
	struct diag d;

	files_init(&f);
	CHECK_ERR(read_all(&f, &d), E_OK);
	CHECK_STR(d.text, "");
	REQUIRE(f.pems != NULL);
	CHECK_SLICE(buf_slice(&f.pems->ca), SL("ca.pem"));
	CHECK_INT(f.pems->tls.n, 1);
	CHECK_INT(f.pems->https.n, 0);
	CHECK_SLICE(buf_slice(&f.pems->cert[SERVICE_SMTP]), SL("smtp.pem"));
	CHECK_SLICE(buf_slice(&f.pems->key[SERVICE_SMTP]), SL("smtp.key"));
	CHECK_SLICE(buf_slice(&f.pems->anchors), SL("anchors"));
	CHECK_INT(f.pems->cert[SERVICE_IMAP].n, 0);
	/* Who asks no DNS needs no anchors. */
	f.services = (struct pems_services){.has = {[SERVICE_IMAP] = true}};
	put(&f, "imap.pem");
	put(&f, "imap.key");
	CHECK_ERR(read_all(&f, &d), E_OK);
	REQUIRE(f.pems != NULL);
	CHECK_INT(f.pems->anchors.n, 0);
	CHECK_INT(f.pems->cert[SERVICE_SMTP].n, 0);
	files_fini(&f);
}

/* What is wrong has a name, and nothing is given out. */
TEST(pems_that_cannot_be_read)
{
	struct files f;
	struct diag d;
	char want[600];

	files_init(&f);
	set(&f, "dns.anchors", "none.txt");
	CHECK_ERR(read_all(&f, &d), E_IO);
	CHECK(f.pems == NULL);
	snprintf(want, sizeof want, "%s/none.txt: ", f.dir);
	CHECK(slice_starts(slice_str(d.text), slice_str(want)));
	put_bytes(&f, "none.txt", "x", PEM_FILE_MAX + 1);
	CHECK_ERR(read_all(&f, &d), E_TOO_BIG);
	put_bytes(&f, "none.txt", "x", PEM_FILE_MAX - 4096); /* read by so many at a time */
	CHECK_ERR(read_all(&f, &d), E_OK);
	/* Of the trusted authorities only that they can be read. */
	f.services.has[SERVICE_OUTBOUND] = true;
	put(&f, "outbound.pem");
	put(&f, "outbound.key");
	CHECK_ERR(read_all(&f, &d), E_OK);
	set(&f, "tls.trust", "nothing");
	CHECK_ERR(read_all(&f, &d), E_IO);
	CHECK(f.pems == NULL);
	files_fini(&f);
}
