/* What is demanded of other systems' servers: what may be set, and which row holds. */
#include "backend/directory/dir_rec.h"

#include "tests/lib/check.h"
#include "tests/unit/backend/directory/rig.h"

#define PIN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PIN2 \
	"FF:EE:DD:CC:BB:AA:99:88:77:66:55:44:33:22:11:00:" \
	"FF:EE:DD:CC:BB:AA:99:88:77:66:55:44:33:22:11:00"

WAITS static enum err set(struct rig *r, const char *destination, enum dir_tls_level level,
			  const char *peer)
{
	slice_t peers[] = {slice_str(peer)};
	struct dir_tls_row row = {.destination = slice_str(destination),
				  .level = level,
				  .peers = peers,
				  .npeers = peer[0] != '\0'};
	struct diag d;

	return dir_tls_set(r->d, &rig_actor, &row, &d);
}

TEST_FIBER(tls_what_may_be_set)
{
	static const struct {
		const char *destination;
		enum dir_tls_level level;
		const char *peer;
		enum err want;
	} rows[] = {
		{"Example.ORG", DIR_TLS_MAY, "", E_OK},
		{".example.org", DIR_TLS_ENCRYPT, "", E_OK},
		{"*", DIR_TLS_DANE, "", E_OK},
		{"[MX.example.org]:25", DIR_TLS_NONE, "", E_OK},
		{"[192.0.2.1]", DIR_TLS_NONE, "", E_OK},
		{"a.test", DIR_TLS_VERIFY, "", E_OK},
		{"b.test", DIR_TLS_VERIFY, "mx.example.net", E_OK},
		{"c.test", DIR_TLS_VERIFY, "*.Example.net", E_OK},
		{"d.test", DIR_TLS_PINNED, PIN, E_OK},
		{"e.test", DIR_TLS_PINNED, PIN2, E_OK},
		{"f.test", DIR_TLS_DANE_ONLY, "", E_OK},
		{"", DIR_TLS_MAY, "", E_INVALID},
		{".", DIR_TLS_MAY, "", E_INVALID},
		{"not a domain", DIR_TLS_MAY, "", E_INVALID},
		{"[x", DIR_TLS_MAY, "", E_INVALID},
		{"[]", DIR_TLS_MAY, "", E_INVALID},
		{"[a b]", DIR_TLS_MAY, "", E_INVALID},
		{"[2001:db8::1]:25", DIR_TLS_MAY, "", E_OK},
		{"[h]:99999", DIR_TLS_MAY, "", E_INVALID},
		{"[h]:0", DIR_TLS_MAY, "", E_INVALID},
		{"[h]x", DIR_TLS_MAY, "", E_INVALID},
		{"[-x]", DIR_TLS_MAY, "", E_INVALID},
		{"g.test", DIR_TLS_PINNED, "", E_INVALID},
		{"g.test", DIR_TLS_PINNED, "0011", E_INVALID},
		{"g.test", DIR_TLS_PINNED, PIN "00", E_INVALID},
		{"g.test", DIR_TLS_PINNED, "mx.example.net", E_INVALID},
		{"g.test", DIR_TLS_VERIFY, "not a name", E_INVALID},
		{"g.test", DIR_TLS_VERIFY, "*", E_INVALID},
		{"g.test", DIR_TLS_MAY, "mx.example.net", E_INVALID},
		{"g.test", DIR_TLS_DANE, PIN, E_INVALID},
	};
	struct rig r;

	REQUIRE(rig_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("row %zu", i);
		CHECK_ERR(set(&r, rows[i].destination, rows[i].level, rows[i].peer), rows[i].want);
	}
	rig_close(&r);
}

TEST_FIBER(tls_names_of_one_destination)
{
	slice_t peers[DIR_TLS_PEERS_MAX + 1];
	struct dir_tls_row row = {
		.destination = SL("a.test"), .level = DIR_TLS_VERIFY, .peers = peers};
	struct dir_tls found;
	struct diag d;
	struct rig r;
	slice_t one;

	REQUIRE(rig_open(&r));
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		peers[i] = SL("mx.example.net");
	row.npeers = DIR_TLS_PEERS_MAX + 1;
	CHECK_ERR(dir_tls_set(r.d, &rig_actor, &row, &d), E_INVALID);
	row.npeers = DIR_TLS_PEERS_MAX;
	CHECK_ERR(dir_tls_set(r.d, &rig_actor, &row, &d), E_OK);
	REQUIRE(dir_tls_find(r.d, SL("a.test"), &found));
	CHECK_INT(found.npeers, DIR_TLS_PEERS_MAX);
	CHECK(dir_tls_peer(&found.peers, &one));
	CHECK_SLICE(one, SL("mx.example.net"));
	rig_close(&r);
}

TEST_FIBER(tls_which_row_holds)
{
	static const struct {
		const char *destination;
		enum dir_tls_level level;
	} rows[] = {
		{"example.org", DIR_TLS_VERIFY},         {"a.example.org", DIR_TLS_ENCRYPT},
		{"b.a.example.org", DIR_TLS_MAY},        {"c.b.a.example.org", DIR_TLS_MAY},
		{"[mx.example.org]:25", DIR_TLS_PINNED}, {"[mx.example.org]", DIR_TLS_DANE},
		{"example.net", DIR_TLS_DANE},           {"xexample.org", DIR_TLS_DANE},
	};
	struct dir_tls t;
	struct diag d;
	struct rig r;
	slice_t pin;

	REQUIRE(rig_open(&r));
	CHECK(!dir_tls_find(r.d, SL("example.org"), &t));
	CHECK_ERR(set(&r, "example.org", DIR_TLS_VERIFY, ""), E_OK);
	CHECK_ERR(set(&r, ".example.org", DIR_TLS_ENCRYPT, ""), E_OK);
	CHECK_ERR(set(&r, ".a.example.org", DIR_TLS_MAY, ""), E_OK);
	CHECK_ERR(set(&r, "[mx.example.org]:25", DIR_TLS_PINNED, PIN2), E_OK);
	CHECK(!dir_tls_find(r.d, SL("example.net"), &t));
	CHECK_ERR(set(&r, "*", DIR_TLS_DANE, ""), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("%s", rows[i].destination);
		REQUIRE(dir_tls_find(r.d, slice_str(rows[i].destination), &t));
		CHECK_INT(t.level, rows[i].level);
		if (t.level == DIR_TLS_PINNED) {
			REQUIRE(dir_tls_peer(&t.peers, &pin));
			CHECK_SLICE(pin, SL("ffeeddccbbaa99887766554433221100"
					    "ffeeddccbbaa99887766554433221100"));
		}
	}
	CHECK_ERR(set(&r, "example.org", DIR_TLS_NONE, ""), E_OK);
	REQUIRE(dir_tls_find(r.d, SL("example.org"), &t));
	CHECK_INT(t.level, DIR_TLS_NONE);
	CHECK_ERR(dir_tls_remove(r.d, &rig_actor, SL("Example.org"), &d), E_OK);
	CHECK_ERR(dir_tls_remove(r.d, &rig_actor, SL("example.org"), &d), E_NOT_FOUND);
	REQUIRE(dir_tls_find(r.d, SL("example.org"), &t));
	CHECK_INT(t.level, DIR_TLS_DANE);
	rig_close(&r);
}

TEST_FIBER(tls_lists)
{
	struct dir_tls_page page;
	struct dir_tls_row row;
	struct arena mem;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(set(&r, "b.test", DIR_TLS_VERIFY, ".Example.net"), E_OK);
	CHECK_ERR(set(&r, "*", DIR_TLS_ENCRYPT, ""), E_OK);
	CHECK_ERR(dir_tls_list(r.d, SLICE_NONE, 10, &mem, &page, &d), E_OK);
	REQUIRE(page.n == 2);
	CHECK_SLICE(page.rows[0].destination, SL("*"));
	CHECK_INT(page.rows[0].npeers, 0);
	CHECK_SLICE(page.rows[1].destination, SL("b.test"));
	CHECK_INT(page.rows[1].level, DIR_TLS_VERIFY);
	REQUIRE(page.rows[1].npeers == 1);
	CHECK_SLICE(page.rows[1].peers[0], SL(".example.net"));
	CHECK(page.rows[1].changed_us > 0);
	CHECK_ERR(dir_tls_list(r.d, SL("*"), 10, &mem, &page, &d), E_OK);
	CHECK_INT(page.n, 1);
	CHECK_ERR(dir_tls_show(r.d, SL("B.test"), &mem, &row, &d), E_OK);
	CHECK_INT(row.level, DIR_TLS_VERIFY);
	CHECK_ERR(dir_tls_show(r.d, SL("c.test"), &mem, &row, &d), E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}

/* Rows of the durable copy that nobody here has written. */
TEST(tls_rows_that_are_none)
{
	static const slice_t rows[] = {
		SL("\1\0\0\0"),         /* no level */
		SL("\1\x08\0\0"),       /* an unknown one */
		SL("\1\4\0\1"),         /* the name is missing */
		SL("\1\4\0\1\0\0"),     /* an empty one */
		SL("\1\4\0\1\0\3a\0b"), /* a NUL in it */
		SL("\1\2\0\1\0\1a"),    /* a level that has none */
		SL("\1\7\0\1\0\1a"),    /* no fingerprint */
		SL("\1\2\0\0x"),        /* more behind it */
		SL("\1\4\0\x11\0\1a"),  /* too many */
	};
	struct dir_tls t;

	CHECK(dir_rec_tls(SL("\1\2\0\0"), &t));
	CHECK(dir_rec_tls(SL("\1\4\0\2\0\1a\0\1b"), &t));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_note("row %zu", i);
		CHECK(!dir_rec_tls(rows[i], &t));
	}
}
