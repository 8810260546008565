#include "common/rpc/identity.h"

#include "tests/lib/check.h"

TEST(identity_round_trip)
{
	static const char *const good[] = {
		"frontend/fe1/smtp",
		"frontend/fe1/submission",
		"frontend/fe-2/imap",
		"frontend/a/pop3",
		"frontend/0/managesieve",
		"frontend/x/outbound",
		"frontend/x-y-z/ingest",
		"backend/be1",
		"admin/root",
		"operator/anna",
		"backend/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct rpc_identity id;
		char text[RPC_IDENTITY_STR];

		check_note("%s", good[i]);
		REQUIRE(rpc_identity_parse(slice_str(good[i]), &id));
		CHECK_STR(rpc_identity_str(&id, text), good[i]);
	}
}

TEST(identity_refused)
{
	static const char *const bad[] = {
		"",
		"backend",
		"backend/",
		"/be1",
		"none/be1",
		"Backend/be1",
		"backend/BE1",
		"backend/be1/",
		"backend/be1/smtp",
		"backend/be.1",
		"backend/be_1",
		"backend/be1 ",
		"admin/root/imap",
		"operator/anna/smtp",
		"frontend/fe1",
		"frontend/fe1/",
		"frontend/fe1/none",
		"frontend/fe1/SMTP",
		"frontend/fe1/smtp/x",
		"frontend//smtp",
		"frontend/smtp",
		"backend/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct rpc_identity id;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		check_note("%s", bad[i]);
		CHECK(!rpc_identity_parse(slice_str(bad[i]), &id));
	}
	CHECK(!rpc_identity_parse(SL("backend/be1\0x"), &id));
}

TEST(service_names)
{
	for (int s = SERVICE_NONE + 1; s <= SERVICE_LAST; s++)
		CHECK_INT(rpc_service_parse(slice_str(rpc_service_name((enum rpc_service)s))), s);
	CHECK_INT(rpc_service_parse(SL("none")), SERVICE_NONE);
	CHECK_INT(rpc_service_parse(SL("")), SERVICE_NONE);
}
