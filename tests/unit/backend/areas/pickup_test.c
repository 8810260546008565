/* Who gets which file, when, and what becomes of it. */
#include "backend/areas/pickup_priv.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/lib/gate.h"
#include "tests/unit/backend/areas/files.h"
#include "tests/unit/backend/directory/rig.h"

#define SERVER  "default-smtp"
#define PATIENT (60 * 1000) /* longer than any test */

struct works {
	struct rig rig;
	struct pickup *p;
	struct pickup_worker *w;
	char folder[600], in[DISK_PATH_MAX], bad[DISK_PATH_MAX];
	struct scope scope;
	struct pickup_job got[64];
	size_t ngot;
	int64_t lease_ms, again_ms; /* of the next start; 0: as is usual, a millisecond */
	struct event one;
	enum err ended;
};

WAITS static void take_run(void *arg)
{
	struct works *x = arg;
	struct pickup_job j;

	while ((x->ended = pickup_take(x->w, &j)) == E_OK) {
		x->got[x->ngot++ % ARRAY_LEN(x->got)] = j;
		event_set(&x->one);
	}
}

WAITS static bool start(struct works *x, int64_t quiet_ms)
{
	struct pickup_conf c = {.dir = x->rig.d,
				.folder = x->folder,
				.quiet_ms = quiet_ms,
				.again_ms = x->again_ms != 0 ? x->again_ms : 1,
				.lease_ms = x->lease_ms};

	if (pickup_start(&c, &x->p) != E_OK)
		return false;
	x->w = pickup_worker_new(x->p);
	x->ngot = 0;
	scope_init(&x->scope);
	event_init(&x->one);
	return scope_start(&x->scope, "t.take", take_run, x) == E_OK;
}

WAITS static void stop(struct works *x)
{
	scope_cancel(&x->scope);
	CHECK_ERR(scope_join(&x->scope, deadline_in(10000)), E_OK);
	CHECK_ERR(x->ended, E_CANCELLED);
	pickup_worker_free(&x->w);
	pickup_stop(&x->p);
}

WAITS static bool works_open(struct works *x, int64_t quiet_ms)
{
	*x = (struct works){.ngot = 0};
	if (!rig_open(&x->rig))
		return false;
	snprintf(x->folder, sizeof x->folder, "%s/areas", check_tmpdir());
	CHECK_ERR(area_make(x->folder, SL(SERVER)), E_OK);
	CHECK_ERR(area_path(x->folder, SL(SERVER), AREA_PICKUP, x->in), E_OK);
	CHECK_ERR(area_path(x->folder, SL(SERVER), AREA_BADMAIL, x->bad), E_OK);
	return start(x, quiet_ms);
}

WAITS static void works_close(struct works *x)
{
	stop(x);
	rig_close(&x->rig);
}

/* Until so many files were given out, all in all. */
WAITS static bool given(struct works *x, size_t n)
{
	while (x->ngot < n) {
		if (event_wait(&x->one, "t.given", deadline_in(20000)) != E_OK)
			return false;
	}
	return x->ngot == n;
}

WAITS static enum err done(struct works *x, size_t i, enum pickup_outcome outcome)
{
	return pickup_done(x->w, slice(x->got[i].lease, PICKUP_LEASE_BYTES), outcome, SL("why"));
}

TEST_FIBER(a_file_is_taken)
{
	struct works x;
	struct pickup_job j;
	int fd;

	REQUIRE(works_open(&x, PATIENT));
	files_put(x.in, "one", SL("12345")); /* and it was closed */
	REQUIRE(given(&x, 1));
	CHECK_STR(x.got[0].server, SERVER);
	CHECK_STR(x.got[0].file.name, "one");
	CHECK_ERR(pickup_open(x.w, slice(x.got[0].lease, PICKUP_LEASE_BYTES), &j, &fd), E_OK);
	CHECK(fd >= 0);
	close(fd);
	CHECK_ERR(pickup_open(x.w, SL("0123456789abcdef"), &j, &fd), E_NOT_FOUND);
	CHECK_ERR(done(&x, 0, PICKUP_TAKEN), E_OK);
	CHECK(!files_has(x.in, "one"));
	CHECK_ERR(done(&x, 0, PICKUP_TAKEN), E_NOT_FOUND);
	works_close(&x);
}

TEST_FIBER(what_is_written_is_waited_for)
{
	struct works x;
	char path[DISK_PATH_MAX + 8];
	FILE *f;

	REQUIRE(works_open(&x, PATIENT));
	snprintf(path, sizeof path, "%s/slow", x.in);
	f = fopen(path, "w");
	REQUIRE(f != NULL);
	fputs("the beginning", f);
	fflush(f);
	files_put(x.in, "other", SL("x"));
	REQUIRE(given(&x, 1));
	CHECK_STR(x.got[0].file.name, "other");
	fputs(", the end", f);
	fclose(f);
	REQUIRE(given(&x, 2));
	CHECK_STR(x.got[1].file.name, "slow");
	CHECK_INT(x.got[1].file.size, 22);
	works_close(&x);
}

/* Nobody has seen it close: it was there before. */
TEST_FIBER(what_was_there_at_the_start)
{
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	stop(&x);
	files_put(x.in, "old", SL("x"));
	REQUIRE(start(&x, 1));
	REQUIRE(given(&x, 1));
	CHECK_STR(x.got[0].file.name, "old");
	works_close(&x);
}

TEST_FIBER(bad_ones_are_put_aside)
{
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	files_put(x.in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	CHECK_ERR(done(&x, 0, PICKUP_BAD), E_OK);
	CHECK(!files_has(x.in, "one"));
	CHECK_SLICE(files_get(x.bad, "one"), SL("x"));
	CHECK_SLICE(files_get(x.bad, "one.reason"), SL("why\n"));
	works_close(&x);
}

/* The same transaction, whoever tries: later, after a lost worker, after a restart. */
TEST_FIBER(another_try_is_the_same_transaction)
{
	struct works x;
	uint8_t txid[STORE_TXID_SIZE];
	struct pickup_worker *lost;

	REQUIRE(works_open(&x, PATIENT));
	files_put(x.in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	memcpy(txid, x.got[0].txid, sizeof txid);
	CHECK_ERR(done(&x, 0, PICKUP_LATER), E_OK);
	REQUIRE(given(&x, 2));
	CHECK(memcmp(txid, x.got[1].txid, sizeof txid) == 0);
	CHECK(memcmp(x.got[0].lease, x.got[1].lease, PICKUP_LEASE_BYTES) != 0);
	lost = pickup_worker_new(x.p);
	CHECK_ERR(
		pickup_done(lost, slice(x.got[1].lease, PICKUP_LEASE_BYTES), PICKUP_TAKEN, SL("")),
		E_NOT_FOUND);
	pickup_worker_free(&lost);
	stop(&x);
	REQUIRE(start(&x, 1));
	REQUIRE(given(&x, 1));
	CHECK(memcmp(txid, x.got[0].txid, sizeof txid) == 0);
	files_put(x.in, "two", SL("x"));
	REQUIRE(given(&x, 2));
	CHECK(memcmp(txid, x.got[1].txid, sizeof txid) != 0);
	works_close(&x);
}

TEST_FIBER(a_worker_has_so_many)
{
	struct works x;
	char name[16];

	REQUIRE(works_open(&x, PATIENT));
	for (int i = 0; i <= PICKUP_LEASES_MAX; i++) {
		snprintf(name, sizeof name, "f%d", i);
		files_put(x.in, name, SL("x"));
	}
	REQUIRE(given(&x, PICKUP_LEASES_MAX));
	for (int i = 0; i < 10; i++)
		fiber_yield();
	CHECK_INT(x.ngot, PICKUP_LEASES_MAX);
	CHECK_ERR(done(&x, 3, PICKUP_TAKEN), E_OK);
	CHECK(given(&x, PICKUP_LEASES_MAX + 1));
	works_close(&x);
}

static struct pickup_server *server_of(struct works *x, const char *name)
{
	list_for_each(i, &x->p->servers) {
		struct pickup_server *s = list_entry(i, struct pickup_server, node);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* Until the file is known, if nobody has it. */
WAITS static bool known(struct works *x, const char *name)
{
	struct pickup_server *s = server_of(x, SERVER);
	int64_t deadline = deadline_in(10000);

	while (map_get(&s->files, slice_str(name)) == NULL && clock_mono_ms() < deadline)
		fiber_yield();
	return map_get(&s->files, slice_str(name)) != NULL;
}

/* The next look at the whole folder knows that it is gone, whatever another look has seen. */
TEST_FIBER(a_file_that_is_gone_before_it_was_taken)
{
	struct pickup_server *s;
	struct works x;
	char name[16];

	REQUIRE(works_open(&x, PATIENT));
	for (int i = 0; i < PICKUP_LEASES_MAX; i++) {
		snprintf(name, sizeof name, "f%d", i);
		files_put(x.in, name, SL("x"));
	}
	REQUIRE(given(&x, PICKUP_LEASES_MAX));
	s = server_of(&x, SERVER);
	REQUIRE(s != NULL);
	s->missed = false;
	s->look_ms = clock_mono_ms() + PATIENT;
	files_put(x.in, "gone", SL("x"));
	REQUIRE(known(&x, "gone"));
	files_remove(x.in, "gone");
	files_put(x.in, "new", SL("x"));
	s->missed = true;
	event_set(&x.p->wake);
	REQUIRE(known(&x, "new"));
	CHECK(map_get(&s->files, SL("gone")) == NULL);
	works_close(&x);
}

/* Whoever has hung does not keep it for ever, and is heard no more. */
TEST_FIBER(a_lease_ends)
{
	struct works x;
	struct pickup_job j;
	int fd;

	REQUIRE(works_open(&x, PATIENT));
	stop(&x);
	x.lease_ms = 20;
	REQUIRE(start(&x, 1));
	files_put(x.in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	event_reset(&x.one);
	REQUIRE(given(&x, 2));
	CHECK_STR(x.got[1].file.name, "one");
	CHECK(memcmp(x.got[0].txid, x.got[1].txid, STORE_TXID_SIZE) == 0);
	CHECK_ERR(pickup_open(x.w, slice(x.got[0].lease, PICKUP_LEASE_BYTES), &j, &fd),
		  E_NOT_FOUND);
	CHECK_ERR(done(&x, 0, PICKUP_TAKEN), E_NOT_FOUND);
	CHECK(files_has(x.in, "one"));
	CHECK_ERR(done(&x, 1, PICKUP_TAKEN), E_OK);
	works_close(&x);
}

/* Anew, with a second server, whose folder is `in`. */
WAITS static bool start_with_other(struct works *x, char in[DISK_PATH_MAX])
{
	struct dir_server_spec s = {.name = SL("other"),
				    .service = SERVICE_SUBMISSION,
				    .listeners = SL("fe1 192.0.2.1:587")};
	struct diag d = {""};

	CHECK_ERR(dir_server_add(x->rig.d, &rig_actor, &s, &d), E_OK);
	check_note("%s", d.text);
	CHECK_ERR(dir_server_set_state(x->rig.d, &rig_actor, SL("other"), SERVER_RUNNING, &d),
		  E_OK);
	CHECK_ERR(area_path(x->folder, SL("other"), AREA_PICKUP, in), E_OK);
	if (!rig_synced(&x->rig))
		return false;
	stop(x);
	return start(x, 1);
}

/* Files that are given out keep it; what comes then goes to another server's worker no less. */
TEST_FIBER(a_server_that_is_removed)
{
	char in[DISK_PATH_MAX];
	struct works x;
	struct diag d;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_with_other(&x, in));
	files_put(in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	CHECK_STR(x.got[0].server, "other");
	CHECK_ERR(dir_server_remove(x.rig.d, &rig_actor, SL("other"), &d), E_OK);
	REQUIRE(rig_synced(&x.rig));
	CHECK_ERR(done(&x, 0, PICKUP_TAKEN), E_OK);
	CHECK(!files_has(in, "one"));
	files_put(x.in, "two", SL("x"));
	REQUIRE(given(&x, 2));
	CHECK_STR(x.got[1].server, SERVER);
	CHECK_ERR(done(&x, 1, PICKUP_TAKEN), E_OK);
	works_close(&x);
}

WAITS static void move(struct works *x, const char *settings)
{
	struct dir_server_spec s = {.name = SL("other"),
				    .service = SERVICE_SUBMISSION,
				    .listeners = SL("fe1 192.0.2.1:587"),
				    .settings = slice_str(settings)};
	struct dir_server now;
	struct diag d = {""};

	CHECK_ERR(dir_server_find(x->rig.d, s.name, &now, &d), E_OK);
	s.version = now.version;
	CHECK_ERR(dir_server_edit(x->rig.d, &rig_actor, &s, &d), E_OK);
	check_note("%s", d.text);
}

/* What is in the new folder is taken, and what was given out of the old one is ended there. */
TEST_FIBER(a_server_that_moves)
{
	char in[DISK_PATH_MAX], then[DISK_PATH_MAX];
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_with_other(&x, in));
	files_put(in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	CHECK_ERR(area_make(x.folder, SL("else/where")), E_OK);
	CHECK_ERR(area_path(x.folder, SL("else/where"), AREA_PICKUP, then), E_OK);
	files_put(then, "two", SL("x"));
	move(&x, "home=else/where");
	REQUIRE(rig_synced(&x.rig));
	REQUIRE(given(&x, 2));
	CHECK_STR(x.got[1].server, "other");
	CHECK_STR(x.got[1].file.name, "two");
	CHECK_ERR(done(&x, 0, PICKUP_BAD), E_OK);
	CHECK(!files_has(in, "one"));
	CHECK_ERR(area_path(x.folder, SL("other"), AREA_BADMAIL, in), E_OK);
	CHECK(files_has(in, "one"));
	CHECK_ERR(done(&x, 1, PICKUP_TAKEN), E_OK);
	CHECK(!files_has(then, "two"));
	works_close(&x);
}

struct open_late {
	struct works *x;
	slice_t lease;
	enum err result;
	int fd;
};

WAITS static void open_run(void *arg)
{
	struct open_late *o = arg;
	struct pickup_job j;

	o->result = pickup_open(o->x->w, o->lease, &j, &o->fd);
}

/* While its file is opened the lease ends, and with it the server. */
TEST_FIBER(a_server_that_goes_during_an_open)
{
	int64_t deadline = deadline_in(10000);
	struct open_late o = {.fd = -1};
	char in[DISK_PATH_MAX];
	struct pickup_server *s;
	struct scope scope;
	struct works x;
	struct gate g;
	struct diag d;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_with_other(&x, in));
	files_put(in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	o.x = &x;
	o.lease = slice(x.got[0].lease, PICKUP_LEASE_BYTES);
	s = server_of(&x, "other");
	REQUIRE(s != NULL);
	CHECK_ERR(dir_server_remove(x.rig.d, &rig_actor, SL("other"), &d), E_OK);
	while (s->here && clock_mono_ms() < deadline)
		fiber_yield();
	REQUIRE(!s->here);
	/* Nothing is looked at before the servers are. */
	list_for_each(i, &x.p->servers)
		list_entry(i, struct pickup_server, node)->look_ms = INT64_MAX;
	gate_close(&g);
	scope_init(&scope);
	REQUIRE(scope_start(&scope, "t.open", open_run, &o) == E_OK);
	CHECK(gate_somebody_waits("pickup.open"));
	s->path[0] = '\0'; /* what will be another's memory */
	CHECK_INT(pickup_pass_time(x.p, INT64_MAX), INT64_MAX);
	event_set(&x.p->wake);
	while (server_of(&x, "other") != NULL && clock_mono_ms() < deadline)
		fiber_yield();
	CHECK(server_of(&x, "other") == NULL);
	gate_open(&g);
	CHECK_ERR(scope_join(&scope, NO_DEADLINE), E_OK);
	CHECK_ERR(o.result, E_OK);
	CHECK(o.fd >= 0);
	close(o.fd);
	works_close(&x);
}

WAITS static void set_state(struct works *x, enum server_state s)
{
	struct diag d;

	CHECK_ERR(dir_server_set_state(x->rig.d, &rig_actor, SL(SERVER), s, &d), E_OK);
	CHECK(rig_synced(&x->rig));
}

/* A paused server's wait; too large ones come to nobody. */
TEST_FIBER(states_and_sizes)
{
	struct works x;
	struct dir_server row;
	struct dir_server_spec s = {.name = SL(SERVER), .service = SERVICE_SMTP};
	struct diag d;

	REQUIRE(works_open(&x, PATIENT));
	CHECK_ERR(dir_server_find(x.rig.d, SL(SERVER), &row, &d), E_OK);
	s.settings = SL("message_bytes_max=1k");
	s.version = row.version;
	CHECK_ERR(dir_server_edit(x.rig.d, &rig_actor, &s, &d), E_OK);
	set_state(&x, SERVER_PAUSED);
	stop(&x);
	REQUIRE(start(&x, 1));
	files_put(x.in, "one", SL("x"));
	files_put(x.in, "large", slice((char[1025]){"x"}, 1025));
	files_put(x.in, "largest", slice((char[1024]){"x"}, 1024));
	for (int i = 0; i < 20; i++)
		fiber_yield();
	CHECK_INT(x.ngot, 0);
	set_state(&x, SERVER_RUNNING);
	CHECK(given(&x, 2));
	CHECK(files_has(x.bad, "large"));
	CHECK_SLICE(files_get(x.bad, "large.reason"), SL("The file is larger than 1024 bytes\n"));
	works_close(&x);
}

/* As many of a folder as are known at a time; the others follow. */
TEST_FIBER(more_files_than_are_known)
{
	static const size_t n = AREA_FILES_MAX + 20;
	struct works x;
	char name[16];

	REQUIRE(works_open(&x, PATIENT));
	stop(&x);
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "f%zu", i);
		files_put(x.in, name, SL("x"));
	}
	REQUIRE(start(&x, 1));
	for (size_t i = 0; i < n; i++) {
		while (x.ngot <= i) {
			if (event_wait(&x.one, "t.given", deadline_in(20000)) != E_OK)
				break;
		}
		CHECK_ERR(done(&x, i % ARRAY_LEN(x.got), PICKUP_TAKEN), E_OK);
	}
	CHECK_INT(x.ngot, n);
	works_close(&x);
}

/* ---- files that cannot be taken ---- */

WAITS static void sent_by(struct works *x, size_t i, uint64_t account)
{
	pickup_sent_by(x->w, slice(x->got[i % ARRAY_LEN(x->got)].lease, PICKUP_LEASE_BYTES),
		       account, SL("somebody@ours.test"));
}

WAITS static void put_numbered(struct works *x, char letter, size_t n)
{
	char name[24];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%c%zu", letter, i);
		files_put(x->in, name, SL("x"));
	}
}

/* Until a file whose name begins so was given out; all others are put off, as that account's. */
WAITS static bool refuse_until(struct works *x, size_t *at, char letter, uint64_t account)
{
	for (;; (*at)++) {
		while (x->ngot <= *at) {
			if (event_wait(&x->one, "t.given", deadline_in(20000)) != E_OK)
				return false;
		}
		if (x->got[*at % ARRAY_LEN(x->got)].file.name[0] == letter)
			return true;
		sent_by(x, *at, account);
		if (done(x, *at % ARRAY_LEN(x->got), PICKUP_LATER) != E_OK)
			return false;
	}
}

/* Anew, with tries that are so far from one another. */
WAITS static bool start_again(struct works *x, int64_t again_ms)
{
	stop(x);
	x->again_ms = again_ms;
	return start(x, 1);
}

/* More files of one whose mail is not taken than are known of a folder: what comes after them is
 * taken, whether anybody was told of it or not. */
TEST_FIBER(files_that_wait_stop_no_others)
{
	size_t at = 0;
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	put_numbered(&x, 'h', AREA_FILES_MAX + 100);
	REQUIRE(start_again(&x, PATIENT));
	/* Which of them is found first is chance. */
	files_put(x.in, "good", SL("x"));
	REQUIRE(refuse_until(&x, &at, 'g', 9));
	CHECK_ERR(done(&x, at % ARRAY_LEN(x.got), PICKUP_TAKEN), E_OK);
	while (at < AREA_FILES_MAX + 100) {
		files_put(x.in, "g", SL("x"));
		at++;
		REQUIRE(refuse_until(&x, &at, 'g', 9));
		CHECK_ERR(done(&x, at % ARRAY_LEN(x.got), PICKUP_TAKEN), E_OK);
	}
	works_close(&x);
}

static struct pickup_waiting waiting_of(const struct works *x)
{
	struct pickup_waiting w;

	pickup_waiting(x->p, SL(SERVER), &w);
	return w;
}

/* All of them once; then one for all, until that one is taken. */
TEST_FIBER(one_is_tried_for_all)
{
	static const size_t n = 20;
	struct pickup_server *s;
	int64_t look_ms;
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_again(&x, PATIENT));
	s = server_of(&x, SERVER);
	REQUIRE(s != NULL);
	put_numbered(&x, 'f', n);
	for (size_t i = 0; i < n; i++) {
		while (x.ngot <= i)
			REQUIRE(event_wait(&x.one, "t.given", deadline_in(20000)) == E_OK);
		sent_by(&x, i, 9);
		CHECK_ERR(done(&x, i, PICKUP_LATER), E_OK);
	}
	CHECK_INT(waiting_of(&x).files, n);
	CHECK_STR(waiting_of(&x).why, "somebody@ours.test: why");
	/* Another's change is none of theirs. */
	look_ms = s->look_ms;
	pickup_wait_now(s, 8);
	CHECK_INT(s->look_ms, look_ms);
	for (size_t i = 0; i < 3; i++) {
		pickup_wait_now(s, 9);
		REQUIRE(given(&x, n + i + 1));
		CHECK_INT(waiting_of(&x).files, n - 1);
		/* Each in its turn. */
		CHECK(i == 0 || strcmp(x.got[n + i].file.name, x.got[n + i - 1].file.name) != 0);
		sent_by(&x, n + i, 9);
		CHECK_ERR(done(&x, n + i, PICKUP_LATER), E_OK);
	}
	pickup_wait_now(s, 9);
	REQUIRE(given(&x, n + 4));
	CHECK_ERR(done(&x, n + 3, PICKUP_TAKEN), E_OK);
	for (size_t i = n + 4; i < 2 * n + 3; i++) {
		while (x.ngot <= i)
			REQUIRE(event_wait(&x.one, "t.given", deadline_in(20000)) == E_OK);
		CHECK_ERR(done(&x, i, PICKUP_TAKEN), E_OK);
	}
	CHECK_INT(waiting_of(&x).files, 0);
	CHECK_STR(waiting_of(&x).why, "");
	works_close(&x);
}

/* The file for all the others is taken away; or all of them are. */
TEST_FIBER(waiting_files_that_are_gone)
{
	struct pickup_server *s;
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_again(&x, PATIENT));
	s = server_of(&x, SERVER);
	REQUIRE(s != NULL);
	put_numbered(&x, 'f', 3);
	REQUIRE(given(&x, 3));
	for (size_t i = 0; i < 3; i++) {
		sent_by(&x, i, 9);
		CHECK_ERR(done(&x, i, PICKUP_LATER), E_OK);
	}
	files_remove(x.in, "f0");
	files_remove(x.in, "f1");
	pickup_wait_now(s, 9);
	REQUIRE(given(&x, 4));
	CHECK_STR(x.got[3].file.name, "f2");
	CHECK_INT(waiting_of(&x).files, 0);
	files_remove(x.in, "f2");
	CHECK_ERR(done(&x, 3, PICKUP_TAKEN), E_OK);
	CHECK_INT(s->groups.count, 0);
	works_close(&x);
}

/* What has come into the place of one that waits is another file, and waits for nobody. */
TEST_FIBER(a_waiting_file_that_is_replaced)
{
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_again(&x, PATIENT));
	files_put(x.in, "one", SL("x"));
	REQUIRE(given(&x, 1));
	sent_by(&x, 0, 9);
	CHECK_ERR(done(&x, 0, PICKUP_LATER), E_OK);
	files_put(x.in, "one", SL("another"));
	REQUIRE(given(&x, 2));
	CHECK_INT(x.got[1].file.size, 7);
	CHECK_INT(waiting_of(&x).files, 0);
	works_close(&x);
}

/* Nobody has asked whose it is: it waits for itself, longer each time. */
TEST_FIBER(a_file_that_waits_for_itself)
{
	int64_t before = clock_mono_ms();
	struct pickup_server *s;
	struct works x;

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_again(&x, 400));
	files_put(x.in, "one", SL("x"));
	for (size_t i = 0; i < 3; i++) {
		REQUIRE(given(&x, i + 1));
		CHECK_ERR(done(&x, i, PICKUP_LATER), E_OK);
		CHECK_STR(waiting_of(&x).why, "why");
	}
	/* 400, 800; each look at the folder is a second from the last one. */
	CHECK(clock_mono_ms() - before >= 1200);
	s = server_of(&x, SERVER);
	REQUIRE(s != NULL);
	CHECK_INT(s->groups.count, 0);
	works_close(&x);
}

WAITS static enum pickup_news put_off_one(struct pickup_server *s, const char *name)
{
	struct area_file found = {.ino = 1};
	enum pickup_news news;
	struct pickup_file *f;

	snprintf(found.name, sizeof found.name, "%s", name);
	f = pickup_file_new(s, &found);
	news = pickup_wait_put(f, SL("why"));
	pickup_file_free(f);
	return news;
}

/* So many are remembered, and forgotten when they are gone. */
TEST_FIBER(so_many_wait)
{
	int64_t deadline = deadline_in(20000);
	struct pickup_server *s;
	struct works x;
	char name[16];

	REQUIRE(works_open(&x, PATIENT));
	REQUIRE(start_again(&x, PATIENT));
	s = server_of(&x, SERVER);
	REQUIRE(s != NULL);
	for (int i = 0; i < PICKUP_LATER_MAX; i++) {
		snprintf(name, sizeof name, "f%d", i);
		REQUIRE(put_off_one(s, name) == PICKUP_NEWS);
	}
	CHECK_INT(put_off_one(s, "more"), PICKUP_CROWDED);
	CHECK_INT(waiting_of(&x).files, PICKUP_LATER_MAX);
	s->missed = true;
	event_set(&x.p->wake);
	while (s->waits.count != 0 && clock_mono_ms() < deadline)
		fiber_yield();
	CHECK_INT(s->waits.count, 0);
	works_close(&x);
}
