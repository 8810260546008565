/* sasl: messages of the mechanisms. */
#include "backend/auth/sasl.h"
#include "tests/lib/check.h"

TEST(sasl_mechanisms)
{
	enum sasl_mech m;

	CHECK(sasl_mech_parse(SL("plain"), &m) && m == SASL_PLAIN);
	CHECK(sasl_mech_parse(SL("LOGIN"), &m) && m == SASL_LOGIN);
	CHECK(sasl_mech_parse(SL("SCRAM-SHA-256"), &m) && m == SASL_SCRAM);
	CHECK(sasl_mech_parse(SL("SCRAM-SHA-256-PLUS"), &m) && m == SASL_SCRAM_PLUS);
	CHECK(sasl_mech_parse(SL("GSSAPI"), &m) && m == SASL_GSSAPI);
	CHECK(!sasl_mech_parse(SL("GSS-SPNEGO"), &m));
	CHECK(!sasl_mech_parse(SL("NTLM"), &m));
	CHECK(!sasl_mech_parse(SL("SCRAM-SHA-1"), &m));
	CHECK(!sasl_mech_parse(SLICE_NONE, &m));
	CHECK_STR(sasl_mech_name(SASL_SCRAM_PLUS), "SCRAM-SHA-256-PLUS");
}

TEST(sasl_plain_messages)
{
	static const struct {
		slice_t message;
		bool ok;
		slice_t authzid, authcid, password;
	} cases[] = {
		{SL("\0tim\0tanstaaftanstaaf"), true, SL(""), SL("tim"), SL("tanstaaftanstaaf")},
		{SL("Ursel\0Kurt\0xipj3plmq"), true, SL("Ursel"), SL("Kurt"), SL("xipj3plmq")},
		{SL("\0a\0b"), true, SL(""), SL("a"), SL("b")},
		{SL(""), false, SL(""), SL(""), SL("")},
		{SL("a"), false, SL(""), SL(""), SL("")},
		{SL("a\0b"), false, SL(""), SL(""), SL("")},
		{SL("\0\0b"), false, SL(""), SL(""), SL("")},
		{SL("\0a\0"), false, SL(""), SL(""), SL("")},
		{SL("\0a\0b\0c"), false, SL(""), SL(""), SL("")},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sasl_plain p;

		check_note("case %zu", i);
		CHECK_INT(sasl_plain_parse(cases[i].message, &p), cases[i].ok);
		if (!cases[i].ok)
			continue;
		CHECK_SLICE(p.authzid, cases[i].authzid);
		CHECK_SLICE(p.authcid, cases[i].authcid);
		CHECK_SLICE(p.password, cases[i].password);
	}
}

TEST(sasl_scram_first)
{
	static const struct {
		const char *message;
		enum err e;
		char cb;
		const char *gs2, *bare, *authzid, *username, *nonce;
	} cases[] = {
		{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", E_OK, 'n', "n,,",
		 "n=user,r=rOprNGfwEbeRWgbNEkqO", "", "user", "rOprNGfwEbeRWgbNEkqO"},
		{"y,a=bob,n=al=2Cice,r=x", E_OK, 'y', "y,a=bob,", "n=al=2Cice,r=x", "bob",
		 "al=2Cice", "x"},
		{"p=tls-exporter,,n=u,r=x,e=1", E_OK, 'p', "p=tls-exporter,,", "n=u,r=x,e=1", "",
		 "u", "x"},
		{"p=tls-unique,,n=u,r=x", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"x,,n=u,r=x", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,b=x,n=u,r=x", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,m=x,n=u,r=x", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,n=,r=x", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,n=u", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,n=u,r=", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,n=u,r=a b", E_INVALID, 0, 0, 0, 0, 0, 0},
		{"n,,r=x,n=u", E_INVALID, 0, 0, 0, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scram_first f;
		struct diag d;

		check_note("case %s", cases[i].message);
		CHECK_ERR(scram_first_parse(slice_str(cases[i].message), &f, &d), cases[i].e);
		if (cases[i].e != E_OK)
			continue;
		CHECK_INT(f.cb, cases[i].cb);
		CHECK_SLICE(f.gs2, slice_str(cases[i].gs2));
		CHECK_SLICE(f.bare, slice_str(cases[i].bare));
		CHECK_SLICE(f.authzid, slice_str(cases[i].authzid));
		CHECK_SLICE(f.username, slice_str(cases[i].username));
		CHECK_SLICE(f.nonce, slice_str(cases[i].nonce));
	}
}

TEST(sasl_scram_nonce_limit)
{
	struct scram_first f;
	struct buf b;

	buf_init(&b, 4096, NULL);
	buf_puts(&b, "n,,n=u,r=");
	for (int i = 0; i < SCRAM_NONCE_MAX; i++)
		buf_putc(&b, 'x');
	CHECK_ERR(scram_first_parse(buf_slice(&b), &f, NULL), E_OK);
	buf_putc(&b, 'x');
	CHECK_ERR(scram_first_parse(buf_slice(&b), &f, NULL), E_INVALID);
	buf_fini(&b);
}

TEST(sasl_names)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"user", "user"}, {"a=2Cb=3Dc", "a,b=c"}, {"=3D2C", "=2C"}, {"", ""},
		{"a=", NULL},     {"a=2c", NULL},         {"a=41", NULL},   {"a,b", NULL},
	};
	struct buf b;

	buf_init(&b, 64, NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_reset(&b);
		check_note("case %s", cases[i].in);
		CHECK_INT(sasl_name_decode(slice_str(cases[i].in), &b), cases[i].out != NULL);
		if (cases[i].out != NULL)
			CHECK_SLICE(buf_slice(&b), slice_str(cases[i].out));
	}
	buf_fini(&b);
}

TEST(sasl_scram_final)
{
	struct scram_final f;

	CHECK(scram_final_parse(SL("c=biws,r=abc,p=cHJvb2Y="), &f));
	CHECK_SLICE(f.channel, SL("biws"));
	CHECK_SLICE(f.nonce, SL("abc"));
	CHECK_SLICE(f.without_proof, SL("c=biws,r=abc"));
	CHECK_SLICE(f.proof, SL("cHJvb2Y="));
	CHECK(scram_final_parse(SL("c=biws,r=abc,x=1,y=2,p=cHJvb2Y="), &f));
	CHECK_SLICE(f.without_proof, SL("c=biws,r=abc,x=1,y=2"));
	CHECK(!scram_final_parse(SL(""), &f));
	CHECK(!scram_final_parse(SL("c=biws"), &f));
	CHECK(!scram_final_parse(SL("c=biws,r=abc"), &f));
	CHECK(!scram_final_parse(SL("c=biws,r=abc,p="), &f));
	CHECK(!scram_final_parse(SL("c=biws,r=abc,p=x,"), &f));
	CHECK(!scram_final_parse(SL("c=biws,r=abc,p=x,y=z"), &f));
	CHECK(!scram_final_parse(SL("r=abc,c=biws,p=x"), &f));
	CHECK(scram_channel_matches(SL("biws"), SL("n,,"), 'n', SLICE_NONE));
	CHECK(!scram_channel_matches(SL("eSws"), SL("n,,"), 'n', SLICE_NONE));
	CHECK(!scram_channel_matches(SL("biws"), SL("n,,"), 'p', SL("x")));
	CHECK(scram_channel_matches(SL("biwsQUI="), SL("n,,"), 'p', SL("AB")));
	CHECK(!scram_channel_matches(SL("biwsQUI="), SL("n,,"), 'n', SL("AB")));
	CHECK(!scram_channel_matches(SL("!"), SL("n,,"), 'n', SLICE_NONE));
}

TEST(sasl_gssapi_choices)
{
	static const struct {
		slice_t message;
		bool ok;
		slice_t authzid;
	} cases[] = {
		{SL("\x01\0\0\0"), true, SL("")},
		{SL("\x01\0\0\0alice"), true, SL("alice")},
		{SL("\x01\0\0\0al\0ice"), false, SL("")},
		/* With the size of packets that no layer makes, as older Java says it. */
		{SL("\x01\x01\0\0"), true, SL("")},
		{SL("\x01\xff\xff\xffzoe"), true, SL("zoe")},
		{SL("\x02\0\0\0"), false, SL("")},
		{SL("\x03\0\0\0"), false, SL("")},
		{SL("\0\0\0\0"), false, SL("")},
		{SL("\x02\x01\0\0"), false, SL("")},
		{SL("\x01\0\0"), false, SL("")},
		{SL(""), false, SL("")},
	};
	slice_t authzid;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_INT(sasl_gssapi_choice(cases[i].message, &authzid), cases[i].ok);
		if (cases[i].ok)
			CHECK_SLICE(authzid, cases[i].authzid);
	}
}

TEST(sasl_principals)
{
	static const struct {
		slice_t principal;
		bool ok;
		slice_t name, realm;
	} cases[] = {
		{SL("alice@EXAMPLE.ORG"), true, SL("alice"), SL("EXAMPLE.ORG")},
		{SL("a.b+c@R"), true, SL("a.b+c"), SL("R")},
		{SL("alice/admin@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("host/mail.example.org@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS"), false, SL(""), SL("")},
		{SL("alice\\@other.example@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("alice@other.example@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("al ice@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("al\0ice@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("@EXAMPLE.ORG"), false, SL(""), SL("")},
		{SL("alice@"), false, SL(""), SL("")},
		{SL("alice"), false, SL(""), SL("")},
		{SL(""), false, SL(""), SL("")},
	};
	slice_t name, realm;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check_note("case %zu", i);
		CHECK_INT(sasl_principal_parse(cases[i].principal, &name, &realm), cases[i].ok);
		if (!cases[i].ok)
			continue;
		CHECK_SLICE(name, cases[i].name);
		CHECK_SLICE(realm, cases[i].realm);
	}
}
