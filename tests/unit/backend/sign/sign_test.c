/* Signatures: which keys sign what, when they stop, on which node, and without PostgreSQL. */
#include "backend/sign/sign.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/directory/rig.h"

struct world {
	struct rig r;
	struct signer *s;
};

WAITS static bool signer_start(struct world *w)
{
	struct signer_conf c = {.dir = w->r.d, .node_key = w->r.key};
	struct diag d;

	return signer_open(&c, &w->s, &d) == E_OK;
}

WAITS static bool world_open(struct world *w)
{
	*w = (struct world){.s = NULL};
	return rig_open(&w->r) && signer_start(w);
}

WAITS static void world_close(struct world *w)
{
	moved_clock_end();
	signer_close(&w->s);
	rig_close(&w->r);
}

WAITS static enum err make_both(struct world *w)
{
	struct signer_key both[] = {{.algorithm = SIGN_RSA_SHA256},
				    {.algorithm = SIGN_ED25519_SHA256}};
	struct diag d = {.text = ""};
	enum err e = signer_make(w->r.d, &rig_actor, SL("example.org"), SLICE_NONE, both, 2, &d);

	CHECK(slice_ends(slice_str(both[0].selector), SL("r")));
	CHECK(slice_ends(slice_str(both[1].selector), SL("e")));
	return e;
}

WAITS static enum err make_named(struct world *w, const char *selector)
{
	struct signer_key ed = {.algorithm = SIGN_ED25519_SHA256};
	struct diag d = {.text = ""};

	return signer_make(w->r.d, &rig_actor, SL("example.org"), slice_str(selector), &ed, 1, &d);
}

WAITS static enum err activate(struct world *w)
{
	struct diag d = {.text = ""};

	return dir_dkim_activate(w->r.d, &rig_actor, SL("example.org"), SLICE_NONE, &d);
}

static const uint8_t digest[SHA256_LEN] = {1, 2, 3};

static void put_open(struct buf *b, enum sign_algorithm a, slice_t domain, slice_t selector)
{
	buf_init(b, DKIM_OPEN_MAX, NULL);
	dkim_sig_begin(b, sign_name(a), domain, selector);
	buf_puts(b, "1; h=From;\r\n\tbh=x");
	dkim_sig_end(b);
}

/* Signs one; appends what comes. */
WAITS static enum err sign(struct world *w, const struct signer_key *k, struct buf *out)
{
	struct sign_ask ask = {
		.algorithm = k->algorithm, .selector = slice_str(k->selector), .digest = digest};
	struct buf open;
	enum err e;

	put_open(&open, k->algorithm, SL("example.org"), ask.selector);
	ask.open = buf_slice(&open);
	e = signer_fields(w->s, SL("example.org"), &ask, 1, out);
	buf_fini(&open);
	return e;
}

/* Is the one field in it signed by the key of that selector? */
WAITS static bool is_signed(struct world *w, const struct signer_key *k, slice_t field)
{
	struct dir_dkim_page page;
	struct buf b64, sig;
	struct arena mem;
	struct diag d;
	bool ok = false;

	arena_init(&mem, NULL);
	buf_init(&b64, 4096, NULL);
	buf_init(&sig, 4096, NULL);
	for (size_t i = slice_find(field, SL("\tb=")) + 3; i < field.n; i++) {
		if (field.p[i] > ' ')
			buf_putc(&b64, field.p[i]);
	}
	CHECK(base64_decode(&sig, buf_slice(&b64)));
	CHECK_ERR(dir_dkim_list(w->r.d, SL("example.org"), SLICE_NONE, 100, &mem, &page, &d), E_OK);
	for (size_t i = 0; i < page.n; i++) {
		if (slice_eq(page.rows[i].selector, slice_str(k->selector)))
			ok = sign_verify(page.rows[i].algorithm, page.rows[i].public_key, digest,
					 buf_slice(&sig)) == E_OK;
	}
	buf_fini(&b64);
	buf_fini(&sig);
	arena_reset(&mem);
	return ok;
}

static size_t keys(const struct world *w, struct signer_key out[DKIM_SIGS_MAX])
{
	return signer_keys(w->s, SL("example.org"), out);
}

/* What the key signs just now, appended to an empty buffer; 0: nothing. */
WAITS static size_t signs(struct world *w, const struct signer_key *k)
{
	struct buf out;
	size_t n;

	buf_init(&out, DKIM_SIGNED_MAX, NULL);
	CHECK_ERR(sign(w, k, &out), E_OK);
	n = out.n;
	if (n > 0)
		CHECK(is_signed(w, k, buf_slice(&out)));
	buf_fini(&out);
	return n;
}

TEST_FIBER(sign_by_active_keys)
{
	struct signer_key k[DKIM_SIGS_MAX];
	struct world w;

	REQUIRE(world_open(&w));
	CHECK_INT(keys(&w, k), 0);
	REQUIRE(make_both(&w) == E_OK);
	CHECK_INT(keys(&w, k), 0); /* new: not in DNS yet */
	REQUIRE(activate(&w) == E_OK);
	REQUIRE(keys(&w, k) == 2);
	/* The newest first. */
	CHECK_INT(k[0].algorithm, SIGN_ED25519_SHA256);
	CHECK_INT(k[1].algorithm, SIGN_RSA_SHA256);
	for (int again = 0; again < 2; again++) { /* opened, and open */
		CHECK(signs(&w, &k[0]) > 0);
		CHECK(signs(&w, &k[1]) > 0);
	}
	CHECK_INT(signer_keys(w.s, SL("example.net"), k), 0);
	CHECK_INT(signer_keys(w.s, SL("example"), k), 0);
	world_close(&w);
}

TEST_FIBER(sign_leaves_out)
{
	struct signer_key k[DKIM_SIGS_MAX], other;
	struct sign_ask asks[3];
	struct buf open, out;
	struct world w;

	REQUIRE(world_open(&w));
	REQUIRE(make_named(&w, "new") == E_OK);
	other = (struct signer_key){.algorithm = SIGN_ED25519_SHA256, .selector = "new"};
	CHECK_INT(signs(&w, &other), 0); /* not active yet */
	REQUIRE(activate(&w) == E_OK);
	REQUIRE(keys(&w, k) == 1);
	CHECK(signs(&w, &other) > 0);
	other = (struct signer_key){.algorithm = SIGN_RSA_SHA256, .selector = "new"};
	CHECK_INT(signs(&w, &other), 0);
	other = (struct signer_key){.algorithm = SIGN_ED25519_SHA256, .selector = "none"};
	CHECK_INT(signs(&w, &other), 0);

	/* A field of another domain or selector than it is asked for; beside a good one. */
	buf_init(&out, 3 * DKIM_SIGNED_MAX, NULL);
	for (size_t i = 0; i < ARRAY_LEN(asks); i++)
		asks[i] = (struct sign_ask){
			.algorithm = SIGN_ED25519_SHA256, .selector = SL("new"), .digest = digest};
	put_open(&open, SIGN_ED25519_SHA256, SL("example.net"), SL("new"));
	asks[0].open = buf_slice(&open);
	asks[1].open = SL("X-Other: field");
	{
		struct buf good;

		put_open(&good, SIGN_ED25519_SHA256, SL("example.org"), SL("new"));
		asks[2].open = buf_slice(&good);
		CHECK_ERR(signer_fields(w.s, SL("example.org"), asks, 3, &out), E_OK);
		CHECK(slice_starts(buf_slice(&out), buf_slice(&good)));
		CHECK(is_signed(&w, &k[0], buf_slice(&out)));
		buf_fini(&good);
	}
	buf_reset(&out);
	CHECK_ERR(signer_fields(w.s, SL("example.net"), asks, 1, &out), E_OK);
	CHECK_INT(out.n, 0);
	buf_fini(&open);
	buf_fini(&out);
	world_close(&w);
}

/* While another node has activated it, and this one has not heard of that. */
TEST_FIBER(sign_before_activation)
{
	struct signer_key key = {.algorithm = SIGN_ED25519_SHA256, .selector = "next"};
	struct signer_key told[DKIM_SIGS_MAX];
	struct world w;
	struct diag d;

	REQUIRE(world_open(&w));
	REQUIRE(make_named(&w, "next") == E_OK);
	CHECK_INT(signs(&w, &key), 0); /* in DNS nobody has seen it */
	CHECK_ERR(
		dir_dkim_sight(w.r.d, &rig_actor, SL("example.org"), SL("next"), DIR_DKIM_SEEN, &d),
		E_OK);
	CHECK_INT(keys(&w, told), 0); /* we tell nobody to use it */
	CHECK(signs(&w, &key) > 0);
	CHECK_ERR(
		dir_dkim_sight(w.r.d, &rig_actor, SL("example.org"), SL("next"), DIR_DKIM_GONE, &d),
		E_OK);
	CHECK_INT(signs(&w, &key), 0);
	world_close(&w);
}

TEST_FIBER(sign_after_retirement)
{
	struct signer_key k[DKIM_SIGS_MAX];
	struct world w;
	struct diag d;

	REQUIRE(world_open(&w));
	REQUIRE(make_named(&w, "old") == E_OK && activate(&w) == E_OK);
	REQUIRE(keys(&w, k) == 1);
	CHECK_ERR(dir_dkim_retire(w.r.d, &rig_actor, SL("example.org"), SL("old"), &d), E_OK);
	/* Nobody is told of it any more; what was on its way is signed. */
	{
		struct signer_key none[DKIM_SIGS_MAX];

		CHECK_INT(keys(&w, none), 0);
	}
	CHECK(signs(&w, &k[0]) > 0);
	moved_clock_begin();
	moved_clock_add((SIGN_GRACE_S + 5) * 1000000LL);
	CHECK_INT(signs(&w, &k[0]), 0);
	moved_clock_end();
	CHECK_ERR(dir_dkim_remove(w.r.d, &rig_actor, SL("example.org"), SL("old"), &d), E_OK);
	CHECK_INT(signs(&w, &k[0]), 0);
	world_close(&w);
}

/* Somebody wrote into the database by hand: no signature, and nothing worse. */
TEST_FIBER(sign_with_a_box_of_rubbish)
{
	struct signer_key k[DKIM_SIGS_MAX];
	struct world w;
	char n[16];

	REQUIRE(world_open(&w));
	REQUIRE(make_both(&w) == E_OK && activate(&w) == E_OK);
	REQUIRE(keys(&w, k) == 2);
	pgserver_ask("WITH x AS (UPDATE dkim_boxes SET sealed = decode(repeat('5a', 500), 'hex')"
		     " RETURNING 1) SELECT count(*) FROM x",
		     n, sizeof n);
	CHECK_STR(n, "2");
	REQUIRE(rig_synced(&w.r));
	CHECK_INT(signs(&w, &k[0]), 0);
	CHECK_INT(signs(&w, &k[1]), 0);
	world_close(&w);
}

TEST_FIBER(sign_without_postgresql)
{
	struct signer_key k[DKIM_SIGS_MAX];
	struct buf before, after;
	struct world w;

	buf_init(&before, DKIM_SIGNED_MAX, NULL);
	buf_init(&after, DKIM_SIGNED_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(make_both(&w) == E_OK && activate(&w) == E_OK);
	REQUIRE(keys(&w, k) == 2);
	CHECK_ERR(sign(&w, &k[1], &before), E_OK);
	/* A restart has only the copy. */
	signer_close(&w.s);
	dir_close(&w.r.d);
	pgserver_stop();
	REQUIRE(rig_start(&w.r, "be1") && signer_start(&w));
	REQUIRE(keys(&w, k) == 2);
	CHECK_ERR(sign(&w, &k[1], &after), E_OK);
	CHECK(after.n > 0);
	CHECK_SLICE(buf_slice(&after), buf_slice(&before));
	pgserver_start();
	buf_fini(&before);
	buf_fini(&after);
	world_close(&w);
}

/* Until the node has so many keys to sign with. */
WAITS static bool wait_keys(struct world *w, size_t n)
{
	struct signer_key k[DKIM_SIGS_MAX];
	int64_t deadline = deadline_in(20000);

	while (keys(w, k) != n) {
		if (clock_mono_ms() > deadline || !rig_synced(&w->r))
			return false;
	}
	return true;
}

TEST_FIBER(sign_keys_reach_a_new_node)
{
	struct signer_key k[DKIM_SIGS_MAX];
	struct buf one, other;
	struct world w, w2;

	buf_init(&one, DKIM_SIGNED_MAX, NULL);
	buf_init(&other, DKIM_SIGNED_MAX, NULL);
	REQUIRE(world_open(&w));
	REQUIRE(make_both(&w) == E_OK && activate(&w) == E_OK);
	w2 = w;
	w2.r.kv = dir_kv_mem_new();
	node_key_make(&w2.r.key);
	REQUIRE(rig_start(&w2.r, "be2") && rig_synced(&w2.r) && signer_start(&w2));
	CHECK(wait_keys(&w2, 2));
	REQUIRE(keys(&w2, k) == 2);
	/* The same bytes: it does not matter which owner signs. */
	CHECK_ERR(sign(&w, &k[1], &one), E_OK);
	CHECK_ERR(sign(&w2, &k[1], &other), E_OK);
	CHECK(one.n > 0);
	CHECK_SLICE(buf_slice(&other), buf_slice(&one));
	/* And a key that is made there is here as well. */
	REQUIRE(make_named(&w2, "later") == E_OK && activate(&w2) == E_OK);
	CHECK(wait_keys(&w, 3));
	world_close(&w2);
	buf_fini(&one);
	buf_fini(&other);
	world_close(&w);
}

TEST_FIBER(sign_make_refuses)
{
	struct signer_key both[] = {{.algorithm = SIGN_RSA_SHA256},
				    {.algorithm = SIGN_ED25519_SHA256}};
	struct world w;
	struct diag d;

	REQUIRE(world_open(&w));
	CHECK_ERR(signer_make(w.r.d, &rig_actor, SL("example.org"), SL("one"), both, 2, &d),
		  E_INVALID);
	CHECK_ERR(signer_make(w.r.d, &rig_actor, SL("no.such.test"), SL("one"), &both[1], 1, &d),
		  E_NOT_FOUND);
	CHECK_INT(dir_dkim_count(w.r.d), 0);
	world_close(&w);
}
