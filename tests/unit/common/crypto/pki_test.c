#include "common/crypto/pki.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "tests/lib/check.h"

struct pems {
	struct buf cert, key;
};

static void pems_init(struct pems *p)
{
	buf_init(&p->cert, PKI_PEM_MAX, NULL);
	buf_init(&p->key, PKI_PEM_MAX, NULL);
}

static void pems_fini(struct pems *p)
{
	buf_fini(&p->cert);
	buf_fini(&p->key);
}

static enum err issue(const struct pems *ca, const struct pki_names *names, struct pems *out,
		      struct pki_info *info, struct diag *d)
{
	return pki_issue(buf_slice(&ca->cert), buf_slice(&ca->key), names, &out->cert, &out->key,
			 info, d);
}

TEST(pki_issues_nodes)
{
	slice_t dns[] = {SL("be1.example.org"), SL("localhost")};
	slice_t ips[] = {SL("127.0.0.10"), SL("::1")};
	struct pki_names names = {
		.cn = SL("backend/be1"), .dns = dns, .ndns = 2, .ips = ips, .nips = 2, .days = 30};
	struct pki_info info, again;
	struct pems ca, other, leaf;
	struct diag d;
	int64_t now = clock_wall_s();

	pems_init(&ca);
	pems_init(&other);
	pems_init(&leaf);
	CHECK_ERR(pki_make_ca(SL("Postern test CA"), 3650, &ca.cert, &ca.key, &d), E_OK);
	CHECK_ERR(pki_make_ca(SL("Postern test CA"), 3650, &other.cert, &other.key, &d), E_OK);
	CHECK_ERR(pki_parse(buf_slice(&ca.cert), &info, &d), E_OK);
	CHECK(info.is_ca);
	CHECK_STR(info.cn, "Postern test CA");

	CHECK_ERR(issue(&ca, &names, &leaf, &info, &d), E_OK);
	CHECK_STR(info.cn, "backend/be1");
	CHECK_INT(strlen(info.serial), 32);
	CHECK(!info.is_ca);
	CHECK(info.not_before_s <= now - 3590 && info.not_after_s > now + 30 * 86400 - 60);
	CHECK(info.not_after_s < now + 30 * 86400 + 60);
	CHECK_ERR(pki_parse(buf_slice(&leaf.cert), &again, &d), E_OK);
	CHECK_STR(again.serial, info.serial);

	CHECK_ERR(pki_verify(buf_slice(&ca.cert), buf_slice(&leaf.cert), &d), E_OK);
	CHECK_ERR(pki_verify(buf_slice(&other.cert), buf_slice(&leaf.cert), &d), E_DENIED);
	/* A leaf cannot issue, and halves of two CAs do not fit. */
	CHECK_ERR(issue(&leaf, &names, &other, NULL, &d), E_INVALID);
	CHECK_ERR(pki_issue(buf_slice(&ca.cert), buf_slice(&leaf.key), &names, &other.cert,
			    &other.key, NULL, &d),
		  E_INVALID);
	pems_fini(&ca);
	pems_fini(&other);
	pems_fini(&leaf);
}

static int64_t in_two_months(void)
{
	return (int64_t)1900000000 * 1000000;
}

static int64_t in_june(void)
{
	return (int64_t)1894000000 * 1000000;
}

TEST(pki_end_of_life)
{
	struct pki_names names = {.cn = SL("frontend/fe1/smtp"), .days = 30};
	struct pems ca, leaf;
	struct diag d;

	pems_init(&ca);
	pems_init(&leaf);
	clock_replace(in_june, NULL);
	CHECK_ERR(pki_make_ca(SL("CA"), 3650, &ca.cert, &ca.key, &d), E_OK);
	CHECK_ERR(issue(&ca, &names, &leaf, NULL, &d), E_OK);
	CHECK_ERR(pki_verify(buf_slice(&ca.cert), buf_slice(&leaf.cert), &d), E_OK);
	clock_replace(in_two_months, NULL);
	CHECK_ERR(pki_verify(buf_slice(&ca.cert), buf_slice(&leaf.cert), &d), E_DENIED);
	clock_replace(NULL, NULL);
	pems_fini(&ca);
	pems_fini(&leaf);
}

TEST(pki_refuses_bad_names)
{
	char long_cn[PKI_CN_MAX + 1];
	slice_t bad_ip = SL("127.0.0.300"), bad_dns = SL("a b"), many[PKI_NAMES_MAX + 1];
	struct pki_names names[] = {
		{.cn = SLICE_NONE, .days = 1},
		{.cn = slice(long_cn, sizeof long_cn), .days = 1},
		{.cn = SL("new\nline"), .days = 1},
		{.cn = SL("x"), .days = 0},
		{.cn = SL("x"), .days = PKI_DAYS_MAX + 1},
		{.cn = SL("x"), .days = 1, .ips = &bad_ip, .nips = 1},
		{.cn = SL("x"), .days = 1, .dns = &bad_dns, .ndns = 1},
		{.cn = SL("x"), .days = 1, .dns = many, .ndns = ARRAY_LEN(many)},
	};
	struct pems p;
	struct diag d;

	memset(long_cn, 'x', sizeof long_cn);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = SL("a.example");
	pems_init(&p);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		check_note("case %zu", i);
		CHECK_ERR(pki_self_signed(&names[i], &p.cert, &p.key, &d), E_INVALID);
		CHECK_INT(p.cert.n, 0);
	}
	names[1].cn.n = PKI_CN_MAX;
	names[7].ndns = PKI_NAMES_MAX;
	CHECK_ERR(pki_self_signed(&names[1], &p.cert, &p.key, &d), E_OK);
	buf_reset(&p.cert);
	CHECK_ERR(pki_self_signed(&names[7], &p.cert, &p.key, &d), E_OK);
	pems_fini(&p);
}

TEST(pki_refuses_what_is_no_certificate)
{
	struct pki_names names = {.cn = SL("localhost"), .days = 1};
	static char big[PKI_PEM_MAX + 1];
	struct pki_info info;
	struct pems p;
	struct diag d;

	pems_init(&p);
	CHECK_ERR(pki_parse(SLICE_NONE, &info, &d), E_INVALID);
	CHECK_ERR(pki_parse(SL("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
			    &info, &d),
		  E_INVALID);
	CHECK_ERR(pki_parse(slice(big, sizeof big), &info, &d), E_INVALID);
	CHECK_ERR(pki_self_signed(&names, &p.cert, &p.key, &d), E_OK);
	for (size_t cut = 0; cut + 2 < p.cert.n; cut += 7)
		CHECK_ERR(pki_parse(slice_sub(buf_slice(&p.cert), 0, cut), &info, &d), E_INVALID);
	CHECK_ERR(pki_parse(buf_slice(&p.key), &info, &d), E_INVALID);
	CHECK_ERR(pki_verify(buf_slice(&p.key), buf_slice(&p.cert), &d), E_INVALID);
	pems_fini(&p);
}

/* The same as "openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum". */
TEST(pki_key_of_a_certificate)
{
	static const char pem[] =
		"-----BEGIN CERTIFICATE-----\n"
		"MIIBbzCCARWgAwIBAgIUXcR/iwnMuikmbahYeNAofsSR6aQwCgYIKoZIzj0EAwIw\n"
		"DDEKMAgGA1UEAwwBdDAgFw0yNjExMjgyMDMwMzdaGA8yMTI2MTEwNDIwMzAzN1ow\n"
		"DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFq4D9ZgBTdY\n"
		"OwC2clR24hf+3SvbDxBRaMLpO6y2I68m5UYw/oKeXCo4jtbbJpwZ9IbStDEJneBr\n"
		"0RqMlC5FC7KjUzBRMB0GA1UdDgQWBBSuCZIE3ilIO8nXEN9UbGeV+06crjAfBgNV\n"
		"HSMEGDAWgBSuCZIE3ilIO8nXEN9UbGeV+06crjAPBgNVHRMBAf8EBTADAQH/MAoG\n"
		"CCqGSM49BAMCA0gAMEUCIQCajoLrCan1WPriZBADxv0WZMtwyoONpQKzFgqU0JQu\n"
		"7wIgKEt8g847GGnvA+XH0p4Cks3a5EDRlPqnTXgzTUYHuu8=\n"
		"-----END CERTIFICATE-----\n";
	uint8_t key[SHA256_LEN];
	struct diag d = {""};
	char hex[2 * SHA256_LEN];
	struct buf b;

	CHECK_ERR(pki_key_sha256(slice_str(pem), key, &d), E_OK);
	buf_init(&b, sizeof hex, NULL);
	hex_encode(&b, slice(key, sizeof key));
	CHECK_SLICE(buf_slice(&b),
		    SL("6381bfd32554b6846f0f8e78725d996a98dd8770cf4898cf35c373307e481256"));
	buf_fini(&b);
	CHECK_ERR(pki_key_sha256(SL("no certificate"), key, &d), E_INVALID);
}
