#include <openssl/sha.h>
#include <stdio.h>

#include "tests/unit/frontend/outbound/client_lib.h"

#define HELLO "> 220 mx.example.org ESMTP", "< EHLO me.example.net"
#define OFFER HELLO, "> 250-mx.example.org", "> 250 STARTTLS"
#define GO    OFFER, "< STARTTLS", "> 220 go", "!tls"
#define AGAIN "< EHLO me.example.net", "> 250-mx.example.org", "> 250 SIZE 77"

static const char *const good[] = {GO, AGAIN, "!end", NULL};
/* The client breaks the handshake. */
static const char *const bad[] = {OFFER, "< STARTTLS", "> 220 go", "!tlsbad", NULL};

TEST_FIBER(may_without_an_offer_stays_in_clear)
{
	static const char *const script[] = {HELLO, "> 250 mx.example.org", "!end", NULL};
	struct rig r;

	rig_start(&r, script);
	r.opts.tls = SMTP_TLS_MAY;
	CHECK_ERR(rig_open(&r), E_OK);
	CHECK(r.client != NULL && smtp_client_tls(r.client) == NULL);
	rig_end(&r);
}

TEST_FIBER(may_and_encrypt_take_whoever_is_there)
{
	static const enum smtp_tls_demand demands[] = {SMTP_TLS_MAY, SMTP_TLS_ENCRYPT};

	for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
		struct rig r;

		rig_start(&r, good);
		r.opts.tls = demands[i];
		r.opts.sni = "other.example.org";
		CHECK_ERR(rig_open(&r), E_OK);
		REQUIRE(r.client != NULL && smtp_client_tls(r.client) != NULL);
		CHECK_STR(smtp_client_tls(r.client)->version, "TLSv1.3");
		CHECK_INT(smtp_client_tls(r.client)->verified, TLS_UNVERIFIED);
		/* What was offered in clear is forgotten. */
		CHECK(!smtp_offers(smtp_client_offer(r.client), SMTP_EXT_STARTTLS));
		CHECK_INT(smtp_client_offer(r.client)->size_max, 77);
		rig_end(&r);
	}
}

TEST_FIBER(encrypt_without_an_offer_is_an_end)
{
	static const char *const script[] = {HELLO, "> 250 mx.example.org", "< QUIT", NULL};
	static const enum smtp_tls_demand demands[] = {SMTP_TLS_ENCRYPT, SMTP_TLS_VERIFY};

	for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
		struct rig r;

		rig_start(&r, script);
		r.opts.tls = demands[i];
		CHECK_ERR(rig_open(&r), E_RETRY);
		CHECK_RESULT(&r.why.result, SMTP_AT_STARTTLS, SMTP_LATER, 0, "4.7.4", "required");
		CHECK(!r.why.try_clear);
		rig_end(&r);
	}
}

TEST_FIBER(starttls_refused)
{
	static const char *const script[] = {OFFER, "< STARTTLS", "> 554 5.7.0 no", "< QUIT", NULL};

	for (int may = 0; may < 2; may++) {
		struct rig r;

		rig_start(&r, script);
		r.opts.tls = may ? SMTP_TLS_MAY : SMTP_TLS_ENCRYPT;
		CHECK_ERR(rig_open(&r), E_RETRY);
		CHECK_RESULT(&r.why.result, SMTP_AT_STARTTLS, SMTP_LATER, 554, "4.7.0", "no");
		CHECK_INT(r.why.try_clear, may);
		rig_end(&r);
	}
}

TEST_FIBER(a_broken_handshake_may_be_tried_in_clear)
{
	static const char *const script[] = {
		OFFER, "< STARTTLS", "> 220 go", "!some", "= no handshake at all", "!close", NULL};

	for (int may = 0; may < 2; may++) {
		struct rig r;

		rig_start(&r, script);
		r.opts.tls = may ? SMTP_TLS_MAY : SMTP_TLS_ENCRYPT;
		CHECK_ERR(rig_open(&r), E_RETRY);
		CHECK_RESULT(&r.why.result, SMTP_AT_TLS, SMTP_LATER, 0, "4.7.5",
			     "wrong version number");
		CHECK_INT(r.why.try_clear, may);
		rig_end(&r);
	}
}

/* RFC 3207 section 6, the other way round: what came in clear is not the encrypted session's. */
TEST_FIBER(bytes_behind_the_go_ahead_are_refused)
{
	static const char *const script[] = {OFFER, "< STARTTLS",
					     "= 220 go\r\n250-evil\r\n250 SIZE\r\n", "!end", NULL};
	struct rig r;

	rig_start(&r, script);
	r.opts.tls = SMTP_TLS_MAY;
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_TLS, SMTP_LATER, 0, "4.5.0", "bytes in clear");
	CHECK(!r.why.try_clear);
	rig_end(&r);
}

TEST_FIBER(tls_at_once)
{
	static const char *const script[] = {"!tls", HELLO, "> 250 mx.example.org", "!end", NULL};
	struct rig r;

	rig_start(&r, script);
	r.opts.tls = SMTP_TLS_ENCRYPT;
	r.opts.tls_start = SMTP_TLS_AT_ONCE;
	CHECK_ERR(rig_open(&r), E_OK);
	CHECK(r.client != NULL && smtp_client_tls(r.client) != NULL);
	rig_end(&r);
}

TEST_FIBER(a_handshake_that_never_ends)
{
	static const char *const script[] = {OFFER, "< STARTTLS", "> 220 go", "!stall", NULL};
	struct rig r;

	rig_start(&r, script);
	r.opts.tls = SMTP_TLS_ENCRYPT;
	r.timeouts.tls_ms = 150;
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_TLS, SMTP_LATER, 0, "4.7.5", "no answer in time");
	event_set(&r.resume);
	rig_end(&r);
}

/* An old server that knows no EHLO knows no STARTTLS either. */
TEST_FIBER(helo_has_no_tls)
{
	static const char *const script[] = {
		HELLO, "> 500 what", "< HELO me.example.net", "> 250 STARTTLS", "< QUIT", NULL};
	struct rig r;

	rig_start(&r, script);
	r.opts.tls = SMTP_TLS_ENCRYPT;
	CHECK_ERR(rig_open(&r), E_RETRY);
	CHECK_RESULT(&r.why.result, SMTP_AT_STARTTLS, SMTP_LATER, 0, "4.7.4", "required");
	rig_end(&r);
}

/* ---- who is there ---- */

static struct pki {
	struct cert ca, other_ca, leaf, wild, expired, self, of_other, no_names;
	char path[4200];
} p;

static void pki_make(void)
{
	FILE *f;

	cert_make(&p.ca, NULL, NULL, -3600, 3600);
	cert_make(&p.other_ca, NULL, NULL, -3600, 3600);
	cert_make(&p.leaf, &p.ca, "DNS:mx.example.org,DNS:mail.example.org", -3600, 3600);
	cert_make(&p.wild, &p.ca, "DNS:*.example.org", -3600, 3600);
	cert_make(&p.expired, &p.ca, "DNS:mx.example.org", -7200, -3600);
	cert_make(&p.self, NULL, "DNS:mx.example.org", -3600, 3600);
	cert_make(&p.of_other, &p.other_ca, "DNS:mx.example.org", -3600, 3600);
	cert_make(&p.no_names, &p.ca, "IP:127.0.0.1", -3600, 3600);
	snprintf(p.path, sizeof p.path, "%s/ca.pem", check_tmpdir());
	f = fopen(p.path, "w");
	invariant(f != NULL && fputs(p.ca.pem, f) >= 0 && fclose(f) == 0);
}

/* Opens a client against this chain; why NULL: it is taken, and verified so. */
WAITS static void meet(struct rig *r, const struct cert *leaf, const struct cert *ca,
		       enum tls_verified verified, const char *why)
{
	struct diag d;

	rig_cert(r, leaf, ca);
	CHECK_ERR(tls_ctx_trust_file(r->opts.tls_ctx, p.path, &d), E_OK);
	CHECK_ERR(rig_open(r), why == NULL ? E_OK : E_RETRY);
	if (why != NULL)
		CHECK_RESULT(&r->why.result, SMTP_AT_TLS, SMTP_LATER, 0, "4.7.5", why);
	else if (CHECK(r->client != NULL && smtp_client_tls(r->client) != NULL))
		CHECK_INT(smtp_client_tls(r->client)->verified, verified);
	CHECK(!r->why.try_clear);
	rig_end(r);
}

static const struct {
	const struct cert *leaf, *ca;
	const char *name; /* the reference name, beside another */
	const char *why;
} named[] = {
	{&p.leaf, NULL, "mail.example.org", NULL},
	{&p.leaf, &p.ca, "MX.Example.Org", NULL},
	{&p.wild, NULL, "any.example.org", NULL},
	/* any name below */
	{&p.leaf, NULL, ".Example.org", NULL},
	{&p.wild, NULL, ".example.org", NULL},
	{&p.leaf, NULL, ".org", NULL},
	{&p.leaf, NULL, ".mx.example.org", "other names"},
	{&p.leaf, NULL, ".ample.org", "other names"},
	{&p.wild, NULL, "a.b.example.org", "other names: *.example.org"},
	{&p.wild, NULL, "example.org", "other names"},
	{&p.leaf, NULL, "mx.example.com", "other names: mx.example.org, mail.example.org"},
	{&p.no_names, NULL, "cn.example.net", "other names"}, /* its CN counts for nothing */
	{&p.expired, NULL, "mx.example.org", "certificate has expired"},
	{&p.self, NULL, "mx.example.org", "self-signed certificate"},
	{&p.of_other, NULL, "mx.example.org", "unable to get local issuer certificate"},
	{&p.of_other, &p.other_ca, "mx.example.org",
	 "self-signed certificate in certificate chain"},
};

TEST_FIBER(verified_names)
{
	pki_make();
	for (size_t i = 0; i < ARRAY_LEN(named); i++) {
		const char *names[] = {named[i].name, "another.example.net"};
		struct rig r;

		check_note("meeting %zu", i);
		rig_start(&r, named[i].why == NULL ? good : bad);
		r.opts.tls = SMTP_TLS_VERIFY;
		r.opts.check.names = names;
		r.opts.check.nnames = 2;
		meet(&r, named[i].leaf, named[i].ca, TLS_VERIFIED_NAME, named[i].why);
	}
}

/* Who is only asked after may stay, and what is wrong with him is known. */
TEST_FIBER(names_that_are_asked_after)
{
	static const struct {
		const struct cert *leaf;
		const char *name;
		enum tls_fault fault;
	} rows[] = {
		{&p.leaf, "mx.example.org", TLS_FAULT_NONE},
		{&p.leaf, "mx.example.com", TLS_FAULT_NAME},
		{&p.expired, "mx.example.org", TLS_FAULT_EXPIRED},
		{&p.self, "mx.example.org", TLS_FAULT_UNTRUSTED},
		{&p.of_other, "mx.example.org", TLS_FAULT_UNTRUSTED},
		{&p.leaf, "", TLS_FAULT_OTHER},
	};

	pki_make();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *names[] = {rows[i].name};
		struct rig r;

		check_note("row %zu", i);
		rig_start(&r, good);
		r.opts.tls = SMTP_TLS_MAY;
		r.opts.check.names = names;
		r.opts.check.nnames = 1;
		r.opts.check.advisory = true;
		rig_cert(&r, rows[i].leaf, NULL);
		CHECK_ERR(tls_ctx_trust_file(r.opts.tls_ctx, p.path, &(struct diag){""}), E_OK);
		CHECK_ERR(rig_open(&r), E_OK);
		CHECK_INT(r.why.fault, rows[i].fault);
		CHECK_INT(r.why.fault_words.text[0] != '\0', rows[i].fault != TLS_FAULT_NONE);
		CHECK_INT(r.why.local.family, 4);
		CHECK(r.client != NULL && smtp_client_tls(r.client) != NULL);
		if (r.client != NULL)
			CHECK_INT(smtp_client_tls(r.client)->verified,
				  rows[i].fault == TLS_FAULT_NONE ? TLS_VERIFIED_NAME
								  : TLS_UNVERIFIED);
		rig_end(&r);
	}
}

/* ... but not who has to be known by a fingerprint. */
TEST_FIBER(pins_are_never_advisory)
{
	static const uint8_t others[][TLS_PIN_LEN] = {{1}};
	struct rig r;

	pki_make();
	rig_start(&r, bad);
	r.opts.tls = SMTP_TLS_PINNED;
	r.opts.check.pins = others;
	r.opts.check.npins = 1;
	r.opts.check.advisory = true;
	meet(&r, &p.leaf, NULL, TLS_UNVERIFIED, "no pinned fingerprint matches");
}

/* No name must not mean any name. */
TEST_FIBER(nothing_to_verify_is_refused)
{
	static const char *const empty[] = {""};

	pki_make();
	for (size_t n = 0; n < 2; n++) {
		struct rig r;

		rig_start(&r, bad);
		r.opts.tls = SMTP_TLS_VERIFY;
		r.opts.check.names = empty;
		r.opts.check.nnames = n;
		meet(&r, &p.leaf, NULL, TLS_UNVERIFIED, "no name to be verified");
	}
}

struct wanted {
	uint8_t usage, selector, matching;
	const struct cert *of;
};

static const struct {
	const struct cert *leaf, *ca;
	const char *name;
	struct wanted records[2];
	enum tls_verified verified;
	const char *why;
} dane_rows[] = {
	/* usage 3 asks neither names nor dates */
	{&p.self, NULL, "x.example", {{3, 1, 1, &p.self}}, TLS_VERIFIED_DANE_EE, NULL},
	{&p.expired, NULL, "x.example", {{3, 0, 1, &p.expired}}, TLS_VERIFIED_DANE_EE, NULL},
	{&p.self, NULL, "x.example", {{3, 0, 0, &p.self}}, TLS_VERIFIED_DANE_EE, NULL},
	{&p.self, NULL, "x.example", {{3, 0, 2, &p.self}}, TLS_VERIFIED_DANE_EE, NULL},
	{&p.self,
	 NULL,
	 "x.example",
	 {{3, 1, 1, &p.ca}, {3, 1, 1, &p.self}},
	 TLS_VERIFIED_DANE_EE,
	 NULL},
	{&p.leaf, NULL, "mx.example.org", {{3, 1, 1, &p.self}}, 0, "no TLSA record matches"},
	/* usage 2 does */
	{&p.of_other,
	 &p.other_ca,
	 "mx.example.org",
	 {{2, 0, 1, &p.other_ca}},
	 TLS_VERIFIED_DANE_TA,
	 NULL},
	{&p.of_other,
	 &p.other_ca,
	 "mx.example.org",
	 {{2, 1, 1, &p.other_ca}},
	 TLS_VERIFIED_DANE_TA,
	 NULL},
	{&p.of_other,
	 &p.other_ca,
	 "x.example",
	 {{2, 1, 1, &p.other_ca}},
	 0,
	 "other names: mx.example.org"},
	{&p.of_other, &p.other_ca, "", {{2, 1, 1, &p.other_ca}}, 0, "no name to be verified"},
	{&p.expired, &p.ca, "mx.example.org", {{2, 1, 1, &p.ca}}, 0, "certificate has expired"},
	{&p.of_other,
	 &p.other_ca,
	 "mx.example.org",
	 {{2, 1, 1, &p.ca}},
	 0,
	 "no TLSA record matches"},
	/* nothing that can be used: as ENCRYPT */
	{&p.self, NULL, "x.example", {{0, 1, 1, &p.ca}, {1, 1, 1, &p.ca}}, TLS_UNVERIFIED, NULL},
	{&p.self, NULL, "x.example", {{3, 1, 9, &p.ca}, {3, 7, 1, &p.ca}}, TLS_UNVERIFIED, NULL},
	/* but one that can be used counts */
	{&p.self,
	 NULL,
	 "x.example",
	 {{0, 1, 1, &p.self}, {3, 1, 1, &p.ca}},
	 0,
	 "no TLSA record matches"},
};

static slice_t record_data(const struct wanted *w, uint8_t sha512[64])
{
	if (w->matching == 0)
		return slice(w->of->der, w->of->der_n);
	if (w->matching == 2) {
		SHA512(w->of->der, w->of->der_n, sha512);
		return slice(sha512, 64);
	}
	return slice(w->selector == 0 ? w->of->sha256 : w->of->key_sha256, 32);
}

TEST_FIBER(dane)
{
	pki_make();
	for (size_t i = 0; i < ARRAY_LEN(dane_rows); i++) {
		const char *names[] = {dane_rows[i].name};
		struct tls_tlsa records[2];
		uint8_t sha512[64];
		struct rig r;

		check_note("meeting %zu", i);
		rig_start(&r, dane_rows[i].why == NULL ? good : bad);
		r.opts.tls = SMTP_TLS_DANE;
		r.opts.check.names = names;
		r.opts.check.nnames = 1;
		r.opts.check.records = records;
		for (size_t k = 0; k < 2 && dane_rows[i].records[k].of != NULL; k++) {
			const struct wanted *w = &dane_rows[i].records[k];

			records[r.opts.check.nrecords++] = (struct tls_tlsa){
				w->usage, w->selector, w->matching, record_data(w, sha512)};
		}
		meet(&r, dane_rows[i].leaf, dane_rows[i].ca, dane_rows[i].verified,
		     dane_rows[i].why);
	}
}

/* The record that matches is the last that is looked at, or the first that is not. */
TEST_FIBER(dane_with_many_records)
{
	const char *names[] = {"x.example"};
	struct tls_tlsa records[TLS_TLSA_MAX + 1];

	pki_make();
	for (size_t at = TLS_TLSA_MAX - 1; at <= TLS_TLSA_MAX; at++) {
		bool counts = at < TLS_TLSA_MAX;
		struct rig r;

		check_note("at %zu", at);
		for (size_t i = 0; i < ARRAY_LEN(records); i++)
			records[i] = (struct tls_tlsa){
				3, 1, 1, slice((i == at ? &p.self : &p.ca)->key_sha256, 32)};
		rig_start(&r, counts ? good : bad);
		r.opts.tls = SMTP_TLS_DANE;
		r.opts.check.names = names;
		r.opts.check.nnames = 1;
		r.opts.check.records = records;
		r.opts.check.nrecords = ARRAY_LEN(records);
		meet(&r, &p.self, NULL, counts ? TLS_VERIFIED_DANE_EE : TLS_UNVERIFIED,
		     counts ? NULL : "no TLSA record matches");
	}
}

static const struct {
	const struct cert *leaf, *ca;
	const uint8_t *pin;
	const char *why;
} pins[] = {
	{&p.self, NULL, p.self.sha256, NULL},
	{&p.expired, NULL, p.expired.key_sha256, NULL},
	{&p.leaf, NULL, p.self.sha256, "no pinned fingerprint matches"},
	/* the authority's is not the host's */
	{&p.leaf, &p.ca, p.ca.sha256, "no pinned fingerprint matches"},
};

TEST_FIBER(pinned)
{
	pki_make();
	for (size_t i = 0; i < ARRAY_LEN(pins); i++) {
		uint8_t pin[1][TLS_PIN_LEN];
		struct rig r;

		check_note("meeting %zu", i);
		memcpy(pin[0], pins[i].pin, TLS_PIN_LEN);
		rig_start(&r, pins[i].why == NULL ? good : bad);
		r.opts.tls = SMTP_TLS_PINNED;
		r.opts.check.pins = (const uint8_t(*)[TLS_PIN_LEN])pin;
		r.opts.check.npins = 1;
		meet(&r, pins[i].leaf, pins[i].ca, TLS_VERIFIED_PIN, pins[i].why);
	}
}
