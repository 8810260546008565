/* Whose names are rewritten when we pass their mail on, and back. */
#include "backend/delivery/rewrite.h"

#include "tests/unit/backend/directory/rig.h"

TEST_FIBER(rewrites_strangers_alone)
{
	static const struct {
		const char *sender, *alias;
	} stay[] = {
		{"", "away@example.org"},
		{"a@example.org", "away@example.org"},
		{"a@alias.test", "away@example.org"},
		{"\"a b\"@elsewhere.test", "away@example.org"},
		{"a@[192.0.2.1]", "away@example.org"},
		/* We are a server of that domain, and pass its mail on. */
		{"a@elsewhere.test", "b@far.test"},
	};
	struct rig r;
	struct arena mem;
	struct diag d = {""};
	slice_t out;

	REQUIRE(rig_open(&r));
	arena_init(&mem, NULL);
	CHECK_ERR(rig_domain(&r, "alias.test", DIR_DOMAIN_ALIAS, "example.org", ""), E_OK);
	CHECK_ERR(rig_domain(&r, "far.test", DIR_DOMAIN_REMOTE, "", ""), E_OK);
	for (size_t i = 0; i < ARRAY_LEN(stay); i++) {
		check_note("%s", stay[i].sender);
		CHECK_ERR(rewrite_sender(r.d, slice_str(stay[i].sender), slice_str(stay[i].alias),
					 &mem, &out),
			  E_OK);
		CHECK_SLICE(out, slice_str(stay[i].sender));
	}
	CHECK_ERR(dir_setting_set(r.d, &rig_actor, SL("srs.domain"), SL("alias.test"), &d), E_OK);
	CHECK_ERR(rewrite_sender(r.d, SL("a@Elsewhere.TEST"), SL("away@example.org"), &mem, &out),
		  E_OK);
	CHECK(slice_ends(out, SL("=elsewhere.test=a@alias.test")));
	CHECK_ERR(rewrite_back(r.d, out, &mem, &out), E_OK);
	CHECK_SLICE(out, SL("a@elsewhere.test"));
	CHECK_ERR(rewrite_back(r.d, SL("SRS0=aaaaaa=aa=x.test=a@example.org"), &mem, &out),
		  E_NOT_FOUND);
	arena_reset(&mem);
	rig_close(&r);
}
