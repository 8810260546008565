/* The rotation on a directory: one node at a time, and every step reaches the keys. Time goes ahead
 * for this node alone: PostgreSQL's stays. */
#include "backend/dns/rotation.h"

#include "backend/directory/dir_claim.h"
#include "backend/sign/sign.h"
#include "proto/settings.h"
#include "tests/lib/moved_clock.h"
#include "tests/unit/backend/directory/rig.h"

#define DAY_US (24 * 3600 * 1000000LL)

static const char worker_link[1];

struct world {
	struct rig r;
	struct asking *asking;
	struct conf *overrides;
	struct rotation *rotation;
	struct scope scope;
	struct asker *asker;
	bool published; /* what DNS says of every key */
	unsigned asked;
};

/* The record that is at a name: all keys of the image are tried. */
WAITS static void worker_run(void *arg)
{
	struct world *w = arg;
	struct asked q;

	while (asker_take(w->asker, &q) == E_OK) {
		struct ask_answer a = {.outcome = ASK_ABSENT};
		struct dir_dkim_page page;
		struct arena mem;
		struct buf text;
		slice_t record;

		w->asked++;
		arena_init(&mem, NULL);
		buf_init(&text, 4096, NULL);
		if (dir_dkim_list(w->r.d, SLICE_NONE, SLICE_NONE, 100, &mem, &page, NULL) != E_OK)
			page.n = 0;
		for (size_t i = 0; w->published && i < page.n; i++) {
			buf_reset(&text);
			dkim_text_name(&page.rows[i], &text);
			if (!slice_eq(buf_slice(&text), slice_str(q.name)))
				continue;
			buf_reset(&text);
			dkim_text_record(&page.rows[i], &text);
			record = buf_slice(&text);
			a = (struct ask_answer){.outcome = ASK_OK, .records = &record, .n = 1};
			break;
		}
		CHECK_ERR(asking_answer(w->asking, worker_link, q.id, &a), E_OK);
		buf_fini(&text);
		arena_reset(&mem);
	}
}

WAITS static bool open_world(struct world *w)
{
	*w = (struct world){.published = false};
	if (!rig_open(&w->r))
		return false;
	moved_clock_begin();
	w->asking = asking_new();
	w->overrides = conf_new(settings_table, settings_table_len);
	scope_init(&w->scope);
	return asker_new(w->asking, worker_link, &w->asker) == E_OK &&
	       scope_start(&w->scope, "test.worker", worker_run, w) == E_OK &&
	       rotation_start(w->r.d, w->asking, w->overrides, &w->rotation) == E_OK;
}

WAITS static void close_world(struct world *w)
{
	rotation_stop(&w->rotation);
	scope_cancel(&w->scope);
	CHECK_ERR(scope_join(&w->scope, NO_DEADLINE), E_OK);
	asker_free(&w->asker);
	asking_free(&w->asking);
	conf_free(&w->overrides);
	moved_clock_end();
	rig_close(&w->r);
}

WAITS static unsigned in_state(struct world *w, enum dir_dkim_state state)
{
	unsigned n = 0;

	CHECK(rig_synced(&w->r));
	for (size_t i = 0; i < dir_dkim_count(w->r.d); i++) {
		struct dir_dkim_key k;

		dir_dkim_at(w->r.d, i, &k);
		n += k.state == state;
	}
	return n;
}

WAITS static void first_keys(struct world *w)
{
	struct signer_key both[] = {{.algorithm = SIGN_RSA_SHA256},
				    {.algorithm = SIGN_ED25519_SHA256}};
	struct diag d;

	REQUIRE(signer_make(w->r.d, &rig_actor, SL("example.org"), SLICE_NONE, both, 2, &d) ==
		E_OK);
	REQUIRE(dir_dkim_activate(w->r.d, &rig_actor, SL("example.org"), SLICE_NONE, &d) == E_OK);
}

TEST_FIBER(rotation_on_a_directory)
{
	struct world w;

	REQUIRE(open_world(&w));
	first_keys(&w);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(dir_dkim_count(w.r.d), 2);
	CHECK_INT(w.asked, 0);
	moved_clock_add(181 * DAY_US);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_NEW), 2);
	/* However long it waits. */
	moved_clock_add(30 * DAY_US);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_NEW), 2);
	CHECK_INT(in_state(&w, DIR_DKIM_ACTIVE), 2);
	CHECK_INT(w.asked, 4);
	w.published = true;
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_PUBLISHED), 2);
	w.published = false;
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_NEW), 2);
	w.published = true;
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_PUBLISHED), 2);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_ACTIVE), 4);
	moved_clock_begin();
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(in_state(&w, DIR_DKIM_ACTIVE), 2);
	CHECK_INT(in_state(&w, DIR_DKIM_RETIRED), 2);
	moved_clock_add(8 * DAY_US);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_INT(dir_dkim_count(w.r.d), 2);
	CHECK_INT(in_state(&w, DIR_DKIM_ACTIVE), 2);
	close_world(&w);
}

/* Another node that has the claim is left alone until it runs out. */
TEST_FIBER(one_node_at_a_time)
{
	struct diag d;
	struct world w;
	bool mine;

	REQUIRE(open_world(&w));
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	CHECK_ERR(rotation_look(w.rotation), E_OK);
	rotation_stop(&w.rotation);
	dir_close(&w.r.d);
	REQUIRE(rig_start(&w.r, "be2") && rig_synced(&w.r));
	REQUIRE(rotation_start(w.r.d, w.asking, w.overrides, &w.rotation) == E_OK);
	CHECK_ERR(rotation_look(w.rotation), E_BUSY);
	CHECK_ERR(dir_claim(w.r.d, "something else", 0, &mine, &d), E_OK);
	CHECK(mine);
	close_world(&w);
}
