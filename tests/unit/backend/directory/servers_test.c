/* Virtual SMTP servers: those of the install, what management refuses, and what the image has. */
#include "backend/directory/dir_servers.h"
#include <stdio.h>

#include "tests/unit/backend/directory/rig.h"

static struct dir_server_spec spec(const char *name, const char *listeners, const char *settings)
{
	return (struct dir_server_spec){
		.name = slice_str(name),
		.service = SERVICE_SMTP,
		.listeners = slice_str(listeners),
		.settings = slice_str(settings),
		.operators = SL("anna\nbert"),
	};
}

WAITS static enum err add(struct rig *r, const char *name, const char *listeners)
{
	struct dir_server_spec s = spec(name, listeners, "messages_max=3");
	struct diag d = {.text = ""};

	return dir_server_add(r->d, &rig_actor, &s, &d);
}

WAITS static enum err set_state(struct rig *r, const char *name, enum server_state state)
{
	struct diag d = {.text = ""};

	return dir_server_set_state(r->d, &rig_actor, slice_str(name), state, &d);
}

WAITS static enum err drop(struct rig *r, const char *name)
{
	struct diag d = {.text = ""};

	return dir_server_remove(r->d, &rig_actor, slice_str(name), &d);
}

static enum server_state state_of(const struct rig *r, const char *name)
{
	struct dir_server s = {.state = SERVER_STOPPED};
	struct diag d;

	CHECK_ERR(dir_server_find(r->d, slice_str(name), &s, &d), E_OK);
	return s.state;
}

TEST_FIBER(servers_of_the_install)
{
	struct dir_server s;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_INT(dir_server_count(r.d), 2);
	dir_server_at(r.d, 0, &s);
	CHECK_SLICE(s.name, SL("default-smtp"));
	CHECK_INT(s.service, SERVICE_SMTP);
	CHECK_INT(s.state, SERVER_RUNNING);
	CHECK_INT(s.listeners.n + s.settings.n + s.operators.n, 0);
	dir_server_at(r.d, 1, &s);
	CHECK_SLICE(s.name, SL("default-submission"));
	CHECK_INT(s.service, SERVICE_SUBMISSION);
	/* There is always one for what no other answers for. */
	CHECK_ERR(drop(&r, "default-smtp"), E_NOT_FOUND);
	CHECK_INT(dir_server_count(r.d), 2);
	rig_close(&r);
}

TEST_FIBER(servers_are_added_and_found)
{
	struct dir_server s;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_ERR(add(&r, "second", ":26\n192.0.2.1:25"), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("second"), &s, &d), E_OK);
	CHECK_SLICE(s.listeners, SL(":26\n192.0.2.1:25"));
	CHECK_SLICE(s.settings, SL("messages_max=3"));
	CHECK(dir_server_has_line(s.operators, SL("bert")));
	CHECK(!dir_server_has_line(s.operators, SL("ber")));
	CHECK_ERR(add(&r, "second", ":27"), E_EXISTS);
	CHECK_ERR(add(&r, "third", ":27\n192.0.2.1:25"), E_EXISTS);
	CHECK_ERR(dir_server_find(r.d, SL("third"), &s, &d), E_NOT_FOUND);
	/* Quotes and backslashes are an array's own. */
	CHECK_ERR(add(&r, "fourth", "x\"y\\z,{}"), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("fourth"), &s, &d), E_OK);
	CHECK_SLICE(s.listeners, SL("x\"y\\z,{}"));
	CHECK_ERR(drop(&r, "second"), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("second"), &s, &d), E_NOT_FOUND);
	CHECK_ERR(drop(&r, "second"), E_NOT_FOUND);
	rig_close(&r);
}

TEST_FIBER(two_edits_do_not_overwrite_each_other)
{
	struct dir_server_spec edit = spec("second", ":26", "messages_max=4");
	struct dir_server s;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_ERR(add(&r, "second", ":26"), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("second"), &s, &d), E_OK);
	edit.version = s.version;
	CHECK_ERR(dir_server_edit(r.d, &rig_actor, &edit, &d), E_OK);
	edit.settings = SL("messages_max=5");
	CHECK_ERR(dir_server_edit(r.d, &rig_actor, &edit, &d), E_RETRY);
	CHECK_ERR(dir_server_find(r.d, SL("second"), &s, &d), E_OK);
	CHECK_SLICE(s.settings, SL("messages_max=4"));
	rig_close(&r);
}

WAITS static enum err add_at(struct rig *r, const char *name, const char *listener,
			     const char *settings, struct diag *d)
{
	struct dir_server_spec s = spec(name, listener, settings);

	d->text[0] = '\0';
	return dir_server_add(r->d, &rig_actor, &s, d);
}

/* Neither the same, nor one in the other, whether it was set or follows from a name. */
TEST_FIBER(no_two_servers_have_one_folder)
{
	struct dir_server s;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_ERR(add_at(&r, "one", ":26", "messages_max=3\nhome=site/in", &d), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("one"), &s, &d), E_OK);
	CHECK_SLICE(dir_server_home(s.name, s.settings), SL("site/in"));
	CHECK_ERR(add_at(&r, "two", ":27", "home=site/in", &d), E_EXISTS);
	CHECK_STR(d.text, "home: the folder of the server one is the same, in it, or around it");
	CHECK_ERR(add_at(&r, "two", ":27", "home=site/in/pickup", &d), E_EXISTS);
	CHECK_ERR(add_at(&r, "two", ":27", "home=site", &d), E_EXISTS);
	CHECK_ERR(add_at(&r, "site", ":27", "", &d), E_EXISTS);
	CHECK_ERR(add_at(&r, "two", ":27", "home=default-smtp", &d), E_EXISTS);
	CHECK_ERR(add_at(&r, "two", ":27", "home=default-smtp/x", &d), E_EXISTS);
	CHECK_ERR(add_at(&r, "two", ":27", "home=site/inner", &d), E_OK);
	/* The name of one that is elsewhere is free, and nothing is no home. */
	CHECK_ERR(add_at(&r, "three", ":28", "home=one", &d), E_OK);
	CHECK_ERR(add_at(&r, "four", ":29", "home=", &d), E_OK);
	CHECK_ERR(dir_server_find(r.d, SL("four"), &s, &d), E_OK);
	CHECK_SLICE(dir_server_home(s.name, s.settings), SL("four"));
	rig_close(&r);
}

TEST_FIBER(server_states_are_kept)
{
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK_ERR(add(&r, "second", ":26"), E_OK);
	CHECK_ERR(set_state(&r, "second", SERVER_PAUSED), E_OK);
	CHECK_INT(state_of(&r, "second"), SERVER_PAUSED);
	CHECK_INT(state_of(&r, "default-smtp"), SERVER_RUNNING);
	CHECK_ERR(set_state(&r, "", SERVER_STOPPED), E_OK);
	CHECK_INT(state_of(&r, "second"), SERVER_STOPPED);
	CHECK_INT(state_of(&r, "default-submission"), SERVER_STOPPED);
	CHECK_ERR(set_state(&r, "nobody", SERVER_PAUSED), E_NOT_FOUND);
	/* A node that starts knows it from its copy, with PostgreSQL or without. */
	dir_close(&r.d);
	REQUIRE(rig_start(&r, "be1"));
	CHECK_INT(state_of(&r, "second"), SERVER_STOPPED);
	rig_close(&r);
}

TEST_FIBER(servers_together_are_bounded)
{
	char long_text[DIR_SERVER_TEXT_MAX + 2], name[16];
	struct dir_server_spec s = spec("long", ":1", "");
	struct diag d;
	struct rig r;
	enum err e = E_OK;

	REQUIRE(rig_open(&r));
	memset(long_text, 'x', sizeof long_text);
	s.settings = slice(long_text, DIR_SERVER_TEXT_MAX + 1);
	CHECK_ERR(dir_server_add(r.d, &rig_actor, &s, &d), E_TOO_BIG);
	s.settings.n = DIR_SERVER_TEXT_MAX;
	for (unsigned i = 0; i < 2; i++) {
		char listener[16];

		(void)snprintf(name, sizeof name, "long%u", i);
		(void)snprintf(listener, sizeof listener, ":%u", 100 + i);
		s.name = slice_str(name);
		s.listeners = slice_str(listener);
		CHECK_ERR(dir_server_add(r.d, &rig_actor, &s, &d), E_OK);
	}
	s.name = SL("long2");
	s.listeners = SL(":102");
	CHECK_ERR(dir_server_add(r.d, &rig_actor, &s, &d), E_TOO_BIG);
	CHECK_ERR(drop(&r, "long0"), E_OK);
	CHECK_ERR(drop(&r, "long1"), E_OK);
	for (unsigned i = 2; e == E_OK && i <= SERVERS_MAX; i++) {
		char listener[16];

		(void)snprintf(name, sizeof name, "s%u", i);
		(void)snprintf(listener, sizeof listener, ":%u", 100 + i);
		e = add(&r, name, listener);
		CHECK_ERR(e, i < SERVERS_MAX ? E_OK : E_TOO_BIG);
	}
	CHECK_INT(dir_server_count(r.d), SERVERS_MAX);
	rig_close(&r);
}

TEST_FIBER(who_may_send_without_a_log_in)
{
	struct dir_server_spec s = spec("open", ":26", "auth=allowed");
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	CHECK(!dir_servers_anonymous(r.d, SERVICE_SUBMISSION));
	s.service = SERVICE_SUBMISSION;
	CHECK_ERR(dir_server_add(r.d, &rig_actor, &s, &d), E_OK);
	CHECK(dir_servers_anonymous(r.d, SERVICE_SUBMISSION));
	CHECK_ERR(drop(&r, "open"), E_OK);
	CHECK(!dir_servers_anonymous(r.d, SERVICE_SUBMISSION));
	rig_close(&r);
}

/* Each is one server's settings, and whether 192.0.2.1 relays there; it is of the service
 * submission but for the last. */
static const struct {
	const char *settings;
	bool relays;
} relaying[] = {
	{"auth=allowed\nrelay_from=192.0.2.0/24", true},
	{"auth=none\nrelay_from=198.51.100.1,192.0.2.1", true},
	{"auth=allowed\nrelay_from=198.51.100.0/24", false},
	{"auth=allowed", false},
	{"relay_from=192.0.2.0/24", false},
	{"auth=required\nrelay_from=192.0.2.0/24", false},
	{"auth=allowed\nrelay=none\nrelay_from=192.0.2.0/24", false},
	{"auth=allowed\nno_such=1\nrelay_from=192.0.2.0/24", true},
	{"auth=none\nrelay_from=192.0.2.0/24", false},
};

TEST_FIBER(who_may_relay_without_a_log_in)
{
	struct ipaddr client;
	struct diag d;
	struct rig r;

	REQUIRE(rig_open(&r));
	REQUIRE(ipaddr_parse(SL("192.0.2.1"), &client));
	for (size_t i = 0; i < ARRAY_LEN(relaying); i++) {
		struct dir_server_spec s = spec("open", ":26", relaying[i].settings);

		s.service = i + 1 < ARRAY_LEN(relaying) ? SERVICE_SUBMISSION : SERVICE_SMTP;
		check_note("%s", relaying[i].settings);
		CHECK_ERR(dir_server_add(r.d, &rig_actor, &s, &d), E_OK);
		CHECK_INT(dir_server_relays_from(r.d, SL("open"), &client), relaying[i].relays);
		CHECK(!dir_server_relays_from(r.d, SL("other"), &client));
		CHECK(!dir_server_relays_from(r.d, SL("open"), &(struct ipaddr){.family = 0}));
		CHECK_ERR(drop(&r, "open"), E_OK);
	}
	rig_close(&r);
}
