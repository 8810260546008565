/* GSSAPI as far as it goes without a KDC: whom it refuses, and how. The rest is test_gssapi.py. */
#include <stdio.h>

#include "backend/auth/auth_priv.h"
#include "common/base/num.h"
#include "proto/settings.h"
#include "tests/unit/backend/directory/rig.h"

static const struct rpc_identity fe1 = {ROLE_FRONTEND, SERVICE_IMAP, "fe1"};

#define OID "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"

/* A key of imap/mail.example.org@EXAMPLE.ORG: AES-256, all zeros. */
static void write_keytab(const char *path)
{
	static const char start[] = "\x05\x02\0\0\0\x58\0\x02\0\x0b"
				    "EXAMPLE.ORG\0\x04"
				    "imap\0\x10"
				    "mail.example.org\0\0\0\x01\0\0\0\0\x01\0\x12\0\x20";
	static const char key[32 + 4]; /* and the version, as 32 bits */
	FILE *f = fopen(path, "w");

	REQUIRE(f != NULL);
	/* The entry's length is that of what follows it. */
	CHECK_INT(be32_get((const uint8_t *)start + 2), sizeof start - 1 - 6 + sizeof key);
	CHECK_INT(fwrite(start, 1, sizeof start - 1, f), sizeof start - 1);
	CHECK_INT(fwrite(key, 1, sizeof key, f), sizeof key);
	CHECK_INT(fclose(f), 0);
}

struct files {
	char keytab[256], replays[256];
};

static void make_files(struct files *f)
{
	const char *folder = check_tmpdir();

	snprintf(f->keytab, sizeof f->keytab, "%s/keytab", folder);
	snprintf(f->replays, sizeof f->replays, "%s/replays", folder);
	write_keytab(f->keytab);
}

TEST(krb_keytabs)
{
	struct krb_keys *k = NULL;
	struct diag d = {""};
	struct files f;
	FILE *empty;

	make_files(&f);
	CHECK_ERR(krb_keys_open(f.keytab, f.replays, &k, &d), E_OK);
	krb_keys_close(&k);
	CHECK(k == NULL);
	CHECK_ERR(krb_keys_open("/nowhere/keytab", f.replays, &k, &d), E_INVALID);
	CHECK(slice_starts(slice_str(d.text), SL("/nowhere/keytab: ")));
	empty = fopen(f.keytab, "w");
	REQUIRE(empty != NULL);
	CHECK_INT(fclose(empty), 0);
	CHECK_ERR(krb_keys_open(f.keytab, f.replays, &k, &d), E_INVALID);
	krb_keys_close(&k);
}

/* What does not begin as it must, does not reach the library; what does, ends there. */
TEST(krb_tokens)
{
	static const struct {
		slice_t token;
		bool kerberos;
	} cases[] = {
		{SL(""), false},
		{SL("\x60"), false},
		{SL("\x60\x84"), false},
		{SL("\x60\xff" OID), false},
		{SL("\x61\x0b" OID), false},
		{SL("\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02"), false}, /* SPNEGO */
		{SL("\x60\x0b" OID), true},
		{SL("\x60\x7f" OID), true},
		{SL("\x60\x81\x0d" OID "\x01\0"), true},
		{SL("\x60\x84\xff\xff\xff\xff" OID "\x01\0"), true},
		{SL("\x60\x10" OID "\x01\0\x6e\x82\xff"), true},
	};
	struct krb_keys *k = NULL;
	struct krb_client c;
	struct diag d = {""};
	struct files f;
	struct buf out;

	make_files(&f);
	REQUIRE(krb_keys_open(f.keytab, f.replays, &k, &d) == E_OK);
	buf_init(&out, 1024, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_ERR(krb_accept(k, cases[i].token, &c, &out, &d), E_DENIED);
		CHECK(c.context == NULL);
		CHECK_INT(out.n, 0);
		CHECK_INT(slice_starts(slice_str(d.text), SL("ticket: ")), cases[i].kerberos);
	}
	buf_fini(&out);
	krb_keys_close(&k);
}

struct world {
	struct rig r;
	struct tickets *t;
	struct auth *a;
	struct auth_client client;
	struct auth_reply reply;
	struct diag diag;
};

WAITS static bool world_open(struct world *w, const struct files *f)
{
	struct tickets_conf tc;
	struct auth_conf ac;

	*w = (struct world){.t = NULL};
	auth_reply_init(&w->reply);
	w->client = (struct auth_client){
		.session = {1}, .ip = {.family = 4, .b = {192, 0, 2, 1}}, .tls = true};
	if (!rig_open(&w->r))
		return false;
	tc = (struct tickets_conf){.dir = w->r.d, .node_key = w->r.key, .settle_s = 1};
	ac = (struct auth_conf){.dir = w->r.d, .kv = dir_kv_mem_ops(w->r.kv)};
	if (f != NULL) {
		ac.keytab = f->keytab;
		ac.replays = f->replays;
	}
	if (tickets_open(&tc, &w->t, &w->diag) != E_OK)
		return false;
	ac.tickets = w->t;
	return auth_open(&ac, &w->a, &w->diag) == E_OK;
}

WAITS static void world_close(struct world *w)
{
	auth_close(&w->a);
	tickets_close(&w->t);
	auth_reply_fini(&w->reply);
	rig_close(&w->r);
}

WAITS static enum err token(struct world *w, slice_t initial)
{
	auth_reply_fini(&w->reply);
	auth_reply_init(&w->reply);
	return auth_start(w->a, &fe1, &w->client, SL("GSSAPI"), true, initial, &w->reply, &w->diag);
}

TEST_FIBER(krb_log_ins_that_fail)
{
	static const char longest[AUTH_TOKEN_MAX + 1];
	enum err e = E_DENIED;
	struct auth_counts n;
	struct files f;
	struct world w;

	make_files(&f);
	REQUIRE(world_open(&w, &f));
	CHECK(auth_takes_tickets(w.a));
	CHECK_ERR(token(&w, SL("\x60\x0d" OID "\x01\0")), E_DENIED);
	CHECK_STR(w.diag.text, "authentication failed");
	CHECK_INT(w.reply.exchange, 0);
	CHECK_ERR(token(&w, slice(longest, AUTH_TOKEN_MAX)), E_DENIED);
	CHECK_ERR(token(&w, slice(longest, AUTH_TOKEN_MAX + 1)), E_INVALID);
	w.client.tls = false;
	CHECK_ERR(token(&w, SL("x")), E_INVALID);
	w.client.tls = true;
	/* Who sends such things is made to wait, before the library is asked; others are not. */
	for (int i = 0; i < 2 * THROTTLE_IP_FREE && e == E_DENIED; i++)
		e = token(&w, SL("x"));
	CHECK_ERR(e, E_LIMIT);
	auth_get_counts(w.a, &n);
	CHECK_INT(n.verified, THROTTLE_IP_FREE + 1);
	w.client.ip.b[0] = 198;
	CHECK_ERR(token(&w, SL("x")), E_DENIED);
	world_close(&w);
}

TEST_FIBER(krb_without_a_keytab)
{
	struct world w;

	REQUIRE(world_open(&w, NULL));
	CHECK(!auth_takes_tickets(w.a));
	CHECK_ERR(token(&w, SL("\x60\x0d" OID "\x01\0")), E_RETRY);
	world_close(&w);
}

/* As many realms as a node's own list may have, with names longer than the directory would take. */
TEST_FIBER(krb_realms)
{
	struct conf *own = conf_new(settings_table, settings_table_len);
	struct settings_realm r;
	struct world w;
	struct buf set, last;

	REQUIRE(world_open(&w, NULL));
	buf_init(&set, 2 * DIR_SETTING_VALUE_MAX, NULL);
	buf_init(&last, 256, NULL);
	buf_puts(&set, SETTINGS_REALMS "=");
	for (int i = 0; i < SETTINGS_REALMS_MAX; i++) {
		buf_reset(&last);
		buf_printf(&last, "%0100d.EXAMPLE", i);
		buf_printf(&set, "%.*s/d%d.example,", (int)last.n, last.p, i);
	}
	CHECK(set.n > DIR_SETTING_VALUE_MAX + sizeof SETTINGS_REALMS + last.n);
	REQUIRE(conf_set(own, slice_sub(buf_slice(&set), 0, set.n - 1), &w.diag) == E_OK);
	w.a->overrides = own;
	REQUIRE(auth_krb_realm(w.a, buf_slice(&last), &r));
	CHECK_SLICE(r.domain, SL("d63.example"));
	CHECK(!auth_krb_realm(w.a, SL("ATHENA"), &r));
	w.a->overrides = NULL;
	CHECK(!auth_krb_realm(w.a, buf_slice(&last), &r));
	CHECK_ERR(dir_setting_set(w.r.d, &rig_actor, SL(SETTINGS_REALMS),
				  SL("EXAMPLE.ORG, ATHENA/mail.example"), &w.diag),
		  E_OK);
	REQUIRE(rig_synced(&w.r));
	REQUIRE(auth_krb_realm(w.a, SL("ATHENA"), &r));
	CHECK_SLICE(r.domain, SL("mail.example"));
	REQUIRE(auth_krb_realm(w.a, SL("EXAMPLE.ORG"), &r));
	CHECK_SLICE(r.domain, SL("EXAMPLE.ORG"));
	CHECK(!auth_krb_realm(w.a, SL("mail.example"), &r));
	buf_fini(&set);
	buf_fini(&last);
	world_close(&w);
	conf_free(&own);
}
