/* What block lists say: names that are asked for, what answers mean; the watch on a directory. */
#include "backend/dns/listing.h"

#include <stdio.h>

#include "backend/dns/watch.h"
#include "proto/settings.h"
#include "tests/unit/backend/directory/rig.h"

static const char *name_of(const char *what)
{
	static char text[512];
	struct buf b;

	buf_init(&b, sizeof text - 1, NULL);
	listing_name(slice_str(what), SL("list.test"), &b);
	CHECK(slice_to_str(buf_slice(&b), text, sizeof text));
	buf_fini(&b);
	return text;
}

/* The examples of RFC 5782. */
TEST(names)
{
	CHECK_STR(name_of("192.0.2.99"), "99.2.0.192.list.test");
	CHECK_STR(name_of("2001:db8:1:2:3:4:567:89ab"),
		  "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.list.test");
	CHECK_STR(name_of("example.org"), "example.org.list.test");
}

static enum listing_verdict judge(enum ask_outcome outcome, const char *one, const char *two)
{
	slice_t records[] = {slice_str(one), slice_str(two)};
	struct ask_answer a = {.outcome = outcome, .records = records, .n = two[0] != '\0' ? 2 : 1};
	const char *why;
	enum listing_verdict v = listing_judge(&a, &why);

	CHECK_INT(why[0] != '\0', v == LISTING_UNKNOWN);
	return v;
}

TEST(what_answers_mean)
{
	CHECK_INT(judge(ASK_ABSENT, "", ""), LISTING_CLEAN);
	CHECK_INT(judge(ASK_OK, "127.0.0.2", ""), LISTING_LISTED);
	CHECK_INT(judge(ASK_OK, "127.0.0.10", "127.255.255.254"), LISTING_LISTED);
	CHECK_INT(judge(ASK_OK, "127.255.255.254", "127.0.1.2"), LISTING_LISTED);
	/* Neither refusals, nor a resolver's own idea of what is not there, name anything. */
	CHECK_INT(judge(ASK_OK, "127.255.255.254", ""), LISTING_UNKNOWN);
	CHECK_INT(judge(ASK_OK, "192.0.2.1", "2001:db8::1"), LISTING_UNKNOWN);
	CHECK_INT(judge(ASK_OK, "", ""), LISTING_UNKNOWN);
	CHECK_INT(judge(ASK_FAILED, "", ""), LISTING_UNKNOWN);
	CHECK_INT(judge(ASK_BOGUS, "", ""), LISTING_UNKNOWN);
}

/* ---- on a directory ---- */

static const char worker_link[1];

struct world {
	struct rig r;
	struct asking *asking;
	struct conf *overrides;
	struct watch *watch;
	struct scope scope;
	struct asker *asker;
	const char *named; /* the name that is there */
	const char *says;
	bool silent;        /* lists do not answer */
	unsigned of_silent; /* questions to the list silent.test, which never answers */
};

WAITS static void worker_run(void *arg)
{
	struct world *w = arg;
	struct asked q;

	while (asker_take(w->asker, &q) == E_OK) {
		bool silent = w->silent || strstr(q.name, ".silent.test") != NULL;
		struct ask_answer a = {.outcome = silent ? ASK_FAILED : ASK_ABSENT};
		slice_t record = SL("127.0.0.2");
		char reason[2 * LISTING_REASON_MAX];

		w->of_silent += strstr(q.name, ".silent.test") != NULL;
		memset(reason, 'x', sizeof reason);
		if (strcmp(q.name, "mx.example.org") == 0)
			record = SL("192.0.2.1");
		else if (q.type == ASK_TXT)
			record = slice(reason, sizeof reason);
		if (strcmp(q.name, "mx.example.org") == 0 ||
		    (!w->silent && strcmp(q.name, w->named) == 0))
			a = (struct ask_answer){.outcome = ASK_OK, .records = &record, .n = 1};
		CHECK_ERR(asking_answer(w->asking, worker_link, q.id, &a), E_OK);
	}
}

static void set(struct world *w, const char *key, const char *value)
{
	struct diag d;
	char text[512];

	snprintf(text, sizeof text, "%s=%s", key, value);
	CHECK_ERR(conf_set(w->overrides, slice_str(text), &d), E_OK);
}

WAITS static bool open_world(struct world *w)
{
	*w = (struct world){.named = ""};
	if (!rig_open(&w->r))
		return false;
	w->asking = asking_new();
	w->overrides = conf_new(settings_table, settings_table_len);
	set(w, "dns.mx_hosts", "mx.example.org");
	set(w, "blocklists.own", "2001:db8::1, 192.0.2.1");
	set(w, "blocklists.addresses", "ip.test, more.ip.test");
	set(w, "blocklists.domains", "name.test");
	scope_init(&w->scope);
	return asker_new(w->asking, worker_link, &w->asker) == E_OK &&
	       scope_start(&w->scope, "test.worker", worker_run, w) == E_OK &&
	       watch_start(w->r.d, w->asking, w->overrides, &w->watch) == E_OK;
}

WAITS static void close_world(struct world *w)
{
	watch_stop(&w->watch);
	scope_cancel(&w->scope);
	CHECK_ERR(scope_join(&w->scope, NO_DEADLINE), E_OK);
	asker_free(&w->asker);
	asking_free(&w->asking);
	conf_free(&w->overrides);
	rig_close(&w->r);
}

static enum err count(const struct listing *l, void *arg)
{
	unsigned *n = arg;

	CHECK(l->reason.n <= LISTING_REASON_MAX);
	n[l->verdict]++;
	return E_OK;
}

/* How many of each verdict. */
WAITS static enum err look_at_all(struct world *w, unsigned n[4])
{
	struct listing_wants wants = {
		.dir = w->r.d,
		.asking = w->asking,
		.settings = w->overrides,
		.deadline_ms = deadline_in(20000),
	};
	struct diag d = {""};

	memset(n, 0, 4 * sizeof *n);
	return listing_each(&wants, count, n, &d);
}

TEST_FIBER(watched)
{
	struct world w;

	REQUIRE(open_world(&w));
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 0);
	w.named = "1.2.0.192.more.ip.test";
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 1);
	/* Who is silent has not changed its mind. */
	w.silent = true;
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 1);
	w.silent = false;
	w.named = "example.org.name.test";
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 1);
	/* A list that is asked no more, and an address that is ours no more. */
	set(&w, "blocklists.domains", "other.test");
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 0);
	set(&w, "blocklists.own", "192.0.2.7");
	w.named = "7.2.0.192.ip.test";
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 1);
	set(&w, "blocklists.own", "192.0.2.1");
	CHECK_ERR(watch_look(w.watch), E_OK);
	CHECK_INT(watch_named(w.watch), 0);
	close_world(&w);
}

TEST_FIBER(each_thing_once)
{
	struct world w;
	unsigned n[4];

	REQUIRE(open_world(&w));
	w.named = "1.2.0.192.ip.test";
	CHECK_ERR(look_at_all(&w, n), E_OK);
	CHECK_INT(n[LISTING_LISTED], 1);
	CHECK_INT(n[LISTING_UNKNOWN], 0);
	CHECK_INT(n[LISTING_CLEAN], 3 + 1); /* two addresses, two lists; one domain */
	w.silent = true;
	CHECK_ERR(look_at_all(&w, n), E_OK);
	CHECK_INT(n[LISTING_UNKNOWN], 5);
	close_world(&w);
}

/* Other lists are asked about all, whether one answers or not. */
TEST_FIBER(a_silent_list_is_left_alone)
{
	struct world w;
	unsigned n[4];

	REQUIRE(open_world(&w));
	set(&w, "blocklists.domains", "");
	set(&w, "blocklists.addresses", "silent.test, ip.test");
	set(&w, "blocklists.own", "192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5");
	CHECK_ERR(look_at_all(&w, n), E_OK);
	CHECK_INT(n[LISTING_UNKNOWN], 5);
	CHECK_INT(n[LISTING_CLEAN], 5);
	CHECK_INT(w.of_silent, LISTING_SILENT_MAX);
	close_world(&w);
}

TEST_FIBER(what_cannot_be_asked)
{
	char label[63 + 1], list[300];
	struct world w;
	unsigned n[4];

	REQUIRE(open_world(&w));
	memset(label, 'a', 63);
	label[63] = '\0';
	label[60] = '\0';
	snprintf(list, sizeof list, "%s.%s.%s.%s.test", label, label, label, label);
	set(&w, "blocklists.addresses", list);
	CHECK_ERR(look_at_all(&w, n), E_OK);
	CHECK_INT(n[LISTING_UNKNOWN], 2);
	/* Within the bounds of mail (RFC 5321 section 4.5.3.1.2), beyond those of DNS. */
	memset(label, 'a', 63);
	snprintf(list, sizeof list, "%s.%s.%s.%s", label, label, label, label);
	set(&w, "dns.mx_hosts", list);
	CHECK_ERR(look_at_all(&w, n), E_INVALID);
	CHECK_INT(n[LISTING_CLEAN], 0);
	close_world(&w);
}

/* Another node that has the claim is left alone. */
TEST_FIBER(one_node_watches)
{
	struct world w;

	REQUIRE(open_world(&w));
	CHECK_ERR(watch_look(w.watch), E_OK);
	watch_stop(&w.watch);
	dir_close(&w.r.d);
	REQUIRE(rig_start(&w.r, "be2") && rig_synced(&w.r));
	REQUIRE(watch_start(w.r.d, w.asking, w.overrides, &w.watch) == E_OK);
	CHECK_ERR(watch_look(w.watch), E_BUSY);
	close_world(&w);
}
