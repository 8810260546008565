/*
 * The supervisor. One fiber waits for signals and for the next restart; there is no other
 * activity.
 */
#include "frontend/super/super.h"

#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/loop/sig.h"
#include "common/net/stream.h"
#include "frontend/super/child.h"

#define WORKERS_MAX 128
#define SHUTDOWN_MS 10000 /* sessions get so long to hear their BYE */

/* The signals that the supervisor acts on; a fiber each sets `came` and the common event. */
struct watched {
	int signum;
	struct sig *sig;
	bool came;
};

static struct super {
	struct watched watched[5];
	struct event wake;
	struct scope watchers;
	struct conf *conf;
	struct pems *pems;
	struct child workers[WORKERS_MAX];
	size_t nworkers;
} super;

static const struct {
	enum rpc_service service;
	const char *setting;
} services[] = {
	{SERVICE_SMTP, "workers.smtp"},         {SERVICE_SUBMISSION, "workers.submission"},
	{SERVICE_IMAP, "workers.imap"},         {SERVICE_WEB, "workers.web"},
	{SERVICE_OUTBOUND, "workers.outbound"}, /* without listeners: the last ones */
};

#define WORKERS_NONE (-1) /* of a service without listeners */

/* ---- workers ---- */

/* How many workers a setting asks for. */
static int64_t workers_wanted(const char *setting)
{
	int64_t want = conf_int(super.conf, setting);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return want == WORKERS_NONE ? 0 : want != 0 ? want : MAX(cores, 1);
}

static enum err bind_all(struct diag *d)
{
	enum err e = E_OK;

	for (size_t i = 0; e == E_OK && i < ARRAY_LEN(services); i++) {
		int64_t want = workers_wanted(services[i].setting);

		for (int64_t k = 0; e == E_OK && k < want; k++) {
			struct child *w = &super.workers[super.nworkers];

			if (super.nworkers == WORKERS_MAX)
				return diag_set(d, E_LIMIT, "more than %d workers", WORKERS_MAX);
			e = child_init(w, services[i].service, (uint32_t)super.nworkers, super.conf,
				       d);
			if (!child_is_on(w))
				break;
			super.nworkers++;
		}
	}
	if (e == E_OK && super.nworkers == 0)
		e = diag_set(d, E_INVALID, "no listener is set, and no workers.outbound");
	return e;
}

/* All or nothing: a bad file, or more than everybody can be told, leaves what was read before in
 * force. */
static enum err read_pems(void *arg UNUSED, struct diag *d)
{
	struct pems_services s = {0};
	struct pems *p = NULL;
	enum err e;

	for (size_t i = 0; i < super.nworkers; i++)
		s.has[super.workers[i].service] = true;
	e = pems_new(super.conf, &s, &p, d);
	for (size_t i = 0; e == E_OK && i < super.nworkers; i++)
		e = child_check_setup(&super.workers[i], super.conf, p, d);
	pems_free(e == E_OK ? &super.pems : &p);
	if (e == E_OK)
		super.pems = p;
	return e;
}

static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < super.nworkers; i++) {
			if (super.workers[i].pid == pid)
				child_ended(&super.workers[i], status);
		}
	}
}

/* Starts what is due; returns when the next one is. */
static int64_t start_due(void)
{
	int64_t next = NO_DEADLINE;

	for (size_t i = 0; i < super.nworkers; i++) {
		struct child *w = &super.workers[i];

		if (w->pid != 0)
			continue;
		if (w->start_at_ms <= clock_mono_ms())
			child_start(w, super.conf, super.pems);
		if (w->pid == 0)
			next = MIN(next, w->start_at_ms);
	}
	return next;
}

static void tell_change(const struct conf_def *def, bool applied, void *arg UNUSED)
{
	if (!applied)
		LOG(LOG_WARN, NULL, "reload.needs_restart", LF_STR("setting", def->name));
}

static void reload(void)
{
	static const struct conf_follower follower = {.accept = read_pems, .each = tell_change};
	struct diag d;

	if (conf_reload(super.conf, &follower, &d) != E_OK) {
		LOG(LOG_ERROR, NULL, "reload.refused", LF_STR("why", d.text));
		return;
	}
	log_threshold = log_level_parse(slice_str(conf_str(super.conf, "log.level")));
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			child_send_setup(&super.workers[i], super.conf, super.pems);
	}
	LOG(LOG_INFO, NULL, "reload.done");
}

static bool any_alive(void)
{
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			return true;
	}
	return false;
}

/* ---- signals ---- */

WAITS static void watch_signal(void *arg)
{
	struct watched *w = arg;

	while (sig_wait(w->sig, "super.signal", NO_DEADLINE) == E_OK) {
		w->came = true;
		event_set(&super.wake);
	}
}

static bool take_signal(int signum)
{
	for (size_t i = 0; i < ARRAY_LEN(super.watched); i++) {
		if (super.watched[i].signum == signum && super.watched[i].came) {
			super.watched[i].came = false;
			return true;
		}
	}
	return false;
}

static enum err watch_signals(void)
{
	static const int signums[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1};
	enum err e = E_OK;

	event_init(&super.wake);
	scope_init(&super.watchers);
	for (size_t i = 0; e == E_OK && i < ARRAY_LEN(signums); i++) {
		struct watched *w = &super.watched[i];

		w->signum = signums[i];
		e = sig_watch(w->signum, &w->sig);
		if (e == E_OK)
			e = scope_start(&super.watchers, "super.signal", watch_signal, w);
	}
	return e;
}

WAITS static void unwatch_signals(void)
{
	scope_cancel(&super.watchers);
	(void)scope_join(&super.watchers, NO_DEADLINE);
	for (size_t i = 0; i < ARRAY_LEN(super.watched); i++)
		sig_unwatch(&super.watched[i].sig);
}

static void signal_workers(int signum)
{
	for (size_t i = 0; i < super.nworkers; i++) {
		if (super.workers[i].pid != 0)
			kill(super.workers[i].pid, signum);
	}
}

WAITS static void stop_workers(void)
{
	int64_t deadline = deadline_in(SHUTDOWN_MS);

	fiber_shield_begin();
	signal_workers(SIGTERM);
	while (any_alive()) {
		if (event_wait(&super.wake, "super.stopping", deadline) == E_TIMEOUT) {
			signal_workers(SIGKILL);
			deadline = NO_DEADLINE;
		}
		reap();
	}
	fiber_shield_end();
}

WAITS static void super_fiber(void *arg UNUSED)
{
	enum err e = watch_signals();

	while (e == E_OK || e == E_TIMEOUT) {
		e = event_wait(&super.wake, "super.event", start_due());
		reap();
		if (take_signal(SIGTERM) || take_signal(SIGINT))
			break;
		if (take_signal(SIGHUP))
			reload();
		if (take_signal(SIGUSR1))
			signal_workers(SIGUSR1);
	}
	stop_workers();
	unwatch_signals();
	loop_stop(loop_current());
}

int super_run(struct conf *conf)
{
	struct loop *loop;
	struct diag d;

	super.conf = conf;
	listen_raise_limit();
	if (bind_all(&d) != E_OK || read_pems(NULL, &d) != E_OK) {
		LOG(LOG_ERROR, NULL, "start.refused", LF_STR("why", d.text));
		return EX_CONFIG;
	}
	loop = loop_new();
	if (fiber_start("supervisor", super_fiber, NULL, NULL) != E_OK)
		return EX_OSERR;
	loop_run(loop);
	loop_free(&loop);
	pems_free(&super.pems);
	return EX_OK;
}
