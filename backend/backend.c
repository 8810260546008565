/*
 * Assembly. Rooms are opened from the ground up (node, directory, tickets, auth, partitions, then
 * the network) and closed the other way round: no request is served before what it needs, and
 * nothing is taken away under one.
 */
#include "backend/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "backend/areas/drop.h"
#include "backend/areas/pickup.h"
#include "backend/auth/krb_relay.h"
#include "backend/dns/rotation.h"
#include "backend/dns/watch.h"
#include "backend/metrics/expo.h"
#include "backend/node_key.h"
#include "backend/partitions/purge.h"
#include "backend/queue/outbound_admin.h"
#include "backend/queue/runner.h"
#include "backend/queue/sts_cache.h"
#include "backend/queue/tls_desk.h"
#include "backend/rpc/be.h"
#include "backend/rpc/peers.h"
#include "backend/rpc/policy_push.h"
#include "backend/rpc/rpc_server.h"
#include "backend/store/node.h"
#include "backend/store/stage.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/loop/fiber.h"
#include "common/loop/sig.h"
#include "common/loop/waits.h"
#include "common/loop/work.h"

#define FIRST_SYNC_MS (60 * 1000) /* a first start needs PostgreSQL; a later one its copy */
#define PEM_MAX       (64 * 1024)

static struct backend {
	struct be be;
	struct dir_kv_node *kv;
	struct node_key key;
	struct tls_ctx *accept_tls, *dial_tls;
	struct deliver deliver;
	struct forward_ways ways;
	struct peers *peers;
	struct runner *runner;
	struct purge *purge;
	struct rotation *rotation;
	struct watch *watch;
	struct rpc_server *server;
	struct expo *expo;
	struct event stop;
	int status;
	bool ready;
} backend;

/* ---- files ---- */

static enum err read_pem(const char *path, struct buf *out, struct diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	char *to;

	if (fd < 0)
		return diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
	buf_init(out, PEM_MAX, NULL);
	to = buf_reserve(out, PEM_MAX);
	n = read(fd, to, PEM_MAX - 1);
	close(fd);
	if (n < 0)
		return diag_set(d, E_IO, "%s: %s", path, log_errno(errno));
	buf_commit(out, (size_t)n);
	buf_putc(out, '\0');
	return E_OK;
}

static enum err make_tls(const struct conf *conf, struct diag *d)
{
	struct buf cert = {0}, key = {0}, ca = {0};
	struct tls_config c = {.profile = TLS_CLUSTER_SERVER};
	enum err e = read_pem(conf_str(conf, "rpc.cert"), &cert, d);

	if (e == E_OK)
		e = read_pem(conf_str(conf, "rpc.key"), &key, d);
	if (e == E_OK)
		e = read_pem(conf_str(conf, "rpc.ca"), &ca, d);
	c.cert_pem = cert.p;
	c.key_pem = key.p;
	c.ca_pem = ca.p;
	if (e == E_OK)
		e = tls_ctx_new(&c, &backend.accept_tls, d);
	c.profile = TLS_CLUSTER_CLIENT;
	if (e == E_OK)
		e = tls_ctx_new(&c, &backend.dial_tls, d);
	buf_fini(&cert);
	buf_fini(&key);
	buf_fini(&ca);
	return e;
}

/* ---- rooms, in the order of their opening ---- */

static enum err open_node(const struct conf *conf, struct diag *d)
{
	const char *data = conf_str(conf, "data");
	char path[4200];
	enum err e;

	if (mkdir(data, 0700) != 0 && errno != EEXIST)
		return diag_set(d, E_IO, "%s: %s", data, log_errno(errno));
	snprintf(path, sizeof path, "%s/node", data);
	e = node_key_load(data, &backend.key, d);
	if (e == E_OK)
		e = node_open(path, 0, &backend.be.node, d);
	if (e == E_OK)
		backend.kv = dir_kv_node_new(backend.be.node);
	return e;
}

/* Each partition commits groups of its own: with few cores, fewer and larger groups cost less
 * (measured on two: 140 us of a delivery with one partition, 270 us with four). */
static uint32_t partitions_wanted(const struct conf *conf)
{
	int64_t set = conf_int(conf, "store.partitions");
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return (uint32_t)(set >= 0 ? set : MAX(1, MIN(4, cores / 2)));
}

WAITS static enum err open_directory(const struct conf *conf, struct diag *d)
{
	struct be *be = &backend.be;
	const char *where = conf_count(conf, "rpc.advertise") != 0 ? "rpc.advertise" : "rpc.listen";
	struct conf_addr addr = {"", 0};
	struct dir_conf c = {
		.conninfo = conf_str(conf, "database"),
		.sql_dir = conf_str(conf, "sql_dir")[0] != '\0' ? conf_str(conf, "sql_dir") : NULL,
		.kv = dir_kv_node_ops(backend.kv),
		.node = conf_str(conf, "name"),
		.node_key = backend.key,
	};
	struct dir_status st;
	enum err e;

	if (conf_count(conf, where) != 0)
		addr = conf_addr(conf, where, 0);
	c.node_address = addr.host;
	c.node_port = addr.port;
	e = dir_open(&c, &be->dir, d);
	if (e != E_OK)
		return e;
	dir_get_status(be->dir, &st);
	e = dir_wait_synced(be->dir, deadline_in(st.complete ? 2000 : FIRST_SYNC_MS));
	if (e == E_TIMEOUT && st.complete) {
		LOG(LOG_WARN, NULL, "directory.from_copy", LF_STR("why", "PostgreSQL is away"));
		return E_OK;
	}
	if (e == E_OK && partitions_wanted(conf) != 0)
		e = dir_partition_bootstrap(be->dir, partitions_wanted(conf), d);
	if (e == E_OK)
		e = dir_wait_synced(be->dir, deadline_in(FIRST_SYNC_MS));
	return e;
}

WAITS static enum err open_auth(const struct conf *conf, struct diag *d)
{
	struct be *be = &backend.be;
	struct tickets_conf t = {.dir = be->dir, .node_key = backend.key};
	char replays[DISK_PATH_MAX];
	struct auth_conf a = {.dir = be->dir,
			      .kv = dir_kv_node_ops(backend.kv),
			      .keytab = conf_str(conf, "gssapi.keytab"),
			      .replays = replays,
			      .overrides = be->conf.pushed};
	struct signer_conf s = {.dir = be->dir, .node_key = backend.key};
	enum err e = tickets_open(&t, &be->tickets, d);

	a.tickets = be->tickets;
	if (e == E_OK)
		e = disk_path(replays, conf_str(conf, "data"), "gssapi.replays");
	if (e == E_OK)
		e = auth_open(&a, &be->auth, d);
	if (e == E_OK)
		be->relays = krb_relays_new(be->dir, conf_str(conf, "gssapi.client_keytab"));
	return e == E_OK ? signer_open(&s, &be->signer, d) : e;
}

static void queue_changed(uint32_t partition UNUSED, void *arg UNUSED)
{
	if (backend.runner != NULL)
		runner_wake(backend.runner);
	if (backend.be.outbound != NULL)
		outbound_wake(backend.be.outbound);
}

static void item_turned(struct partition *part, const struct due_item *item, void *arg UNUSED)
{
	if (backend.be.outbound != NULL)
		outbound_turned(backend.be.outbound, part, item);
}

WAITS static enum err open_store(const struct conf *conf, struct diag *d)
{
	struct be *be = &backend.be;
	struct partitions_conf c = {
		.dir = be->dir,
		.data = conf_str(conf, "data"),
		.queue_changed = queue_changed,
		.store = {.map_bytes = conf_bytes(conf, "store.map_bytes"),
			  .volume_bytes = conf_bytes(conf, "store.volume_bytes"),
			  /* 0 there is its default, not none. */
			  .disk_reserve = MAX(conf_bytes(conf, "store.disk_reserve"), (uint64_t)1),
			  .expunged_ms = MAX(conf_ms(conf, "store.expunged_keep"), (int64_t)-1)},
	};
	enum err e;

	if (c.store.expunged_ms == 0)
		c.store.expunged_ms = -1;
	stage_budget(conf_bytes(conf, "store.memory"));
	be->notify = notify_new(loop_current());
	c.notify = be->notify;
	e = partitions_open(&c, &be->parts, d);
	if (e != E_OK)
		return e;
	deliver_init(&backend.deliver, be->dir, be->tickets, be->parts);
	be->deliver = &backend.deliver;
	return E_OK;
}

static bool is_healthy(void *arg UNUSED)
{
	return backend.ready && tickets_ready(backend.be.tickets);
}

WAITS static enum err open_areas(const struct conf *conf, struct diag *d)
{
	struct be *be = &backend.be;
	const char *folder = conf_str(conf, "areas");
	char own[DISK_PATH_MAX];
	struct pickup_conf c = {.dir = be->dir, .overrides = be->conf.pushed, .folder = folder};
	struct drops_conf dropping = {.files_max = (uint64_t)conf_int(conf, "drop.files_max"),
				      .bytes_max = conf_bytes(conf, "drop.bytes_max")};
	enum err e = E_OK;

	if (folder[0] == '\0') {
		e = disk_path(own, conf_str(conf, "data"), "areas");
		c.folder = own;
	}
	if (e == E_OK)
		e = pickup_start(&c, &be->pickup);
	if (e == E_OK) {
		dropping.folder = pickup_folder(be->pickup);
		be->drops = drops_new(&dropping);
	}
	return e == E_LIMIT ? diag_set(d, E_INVALID, "areas: the path is too long") : e;
}

WAITS static enum err open_network(const struct conf *conf, struct diag *d)
{
	struct be *be = &backend.be;
	struct expo_conf x = {.node = conf_str(conf, "name"), .healthy = is_healthy};
	enum err e;

	be->nodes = nodes_new();
	be->asking = asking_new();
	x.nodes = be->nodes;
	policy_push_start(be);
	backend.peers = peers_start(be->dir, be->tickets, backend.dial_tls);
	be->peers = backend.peers;
	backend.ways = (struct forward_ways){
		.deliver = be->deliver, .remote = peers_forward, .arg = backend.peers};
	e = guard_open(be->dir, dir_kv_node_ops(backend.kv), be->conf.pushed, &be->guard);
	if (e == E_OK)
		e = sts_cache_open(be->node, 0, &be->sts);
	if (e == E_OK)
		e = tls_sums_open(be->node, 0, 0, &be->tls_sums);
	if (e == E_OK)
		be->tls_desk = tls_desk_new(be->tls_sums, be->dir, be->conf.pushed);
	if (e == E_OK)
		e = outbound_start(be->deliver, be->conf.pushed, &be->outbound);
	if (e == E_OK)
		outbound_guard(be->outbound, be->guard);
	if (e == E_OK)
		e = runner_start(&backend.ways, item_turned, NULL, &backend.runner);
	if (e == E_OK)
		outbound_set_runner(be->outbound, backend.runner);
	if (e == E_OK)
		e = purge_start(be->dir, be->parts, &backend.purge);
	if (e == E_OK)
		e = rotation_start(be->dir, be->asking, be->conf.pushed, &backend.rotation);
	if (e == E_OK)
		e = watch_start(be->dir, be->asking, be->conf.pushed, &backend.watch);
	if (e == E_OK)
		e = open_areas(conf, d);
	if (e == E_OK)
		e = rpc_server_start(be, backend.accept_tls, backend.dial_tls, &backend.server, d);
	if (e == E_OK && conf_count(conf, "metrics.listen") != 0) {
		struct conf_addr a = conf_addr(conf, "metrics.listen", 0);
		struct ipaddr ip;

		if (!ipaddr_parse(slice_str(a.host), &ip))
			return diag_set(d, E_INVALID, "metrics.listen: not an address");
		e = expo_start(&x, &ip, a.port, &backend.expo, d);
	}
	return e;
}

WAITS static enum err open_all(const struct conf *conf, struct diag *d)
{
	enum err e = make_tls(conf, d);

	if (e == E_OK)
		e = open_node(conf, d);
	if (e == E_OK)
		e = open_directory(conf, d);
	if (e == E_OK)
		e = open_auth(conf, d);
	if (e == E_OK)
		e = open_store(conf, d);
	return e == E_OK ? open_network(conf, d) : e;
}

WAITS static void close_all(void)
{
	struct be *be = &backend.be;

	backend.ready = false;
	expo_stop(&backend.expo);
	rotation_stop(&backend.rotation);
	watch_stop(&backend.watch);
	rpc_server_free(&backend.server);
	asking_free(&be->asking);
	map_fini(&backend.be.held); /* no call is left */
	drops_free(&be->drops);
	pickup_stop(&be->pickup);
	purge_stop(&backend.purge);
	outbound_stop(&be->outbound);
	runner_stop(&backend.runner);
	guard_close(&be->guard);
	sts_cache_close(&be->sts);
	tls_desk_free(&be->tls_desk);
	tls_sums_close(&be->tls_sums);
	peers_stop(&backend.peers);
	if (be->nodes != NULL)
		policy_push_stop(be);
	nodes_free(&be->nodes);
	partitions_close(&be->parts);
	if (be->deliver != NULL)
		deliver_fini(be->deliver);
	signer_close(&be->signer);
	krb_relays_free(&be->relays);
	if (be->auth != NULL)
		auth_close(&be->auth);
	if (be->tickets != NULL)
		tickets_close(&be->tickets);
	if (be->dir != NULL)
		dir_close(&be->dir);
	notify_free(&be->notify);
	if (backend.kv != NULL)
		dir_kv_node_free(&backend.kv);
	if (be->node != NULL)
		node_close(&be->node);
	tls_ctx_unref(&backend.accept_tls);
	tls_ctx_unref(&backend.dial_tls);
}

/* ---- life ---- */

WAITS static void watch_signal(void *arg)
{
	if (sig_wait(arg, "backend.signal", NO_DEADLINE) == E_OK)
		event_set(&backend.stop);
}

static void tell_change(const struct conf_def *def, bool applied, void *arg UNUSED)
{
	if (!applied)
		LOG(LOG_WARN, NULL, "reload.needs_restart", LF_STR("setting", def->name));
}

WAITS static void watch_reload(void *arg)
{
	static const struct conf_follower follower = {.each = tell_change};
	struct conf *own = backend.be.conf.own;
	struct diag d;

	while (sig_wait(arg, "backend.reload", NO_DEADLINE) == E_OK) {
		if (conf_reload(own, &follower, &d) != E_OK) {
			LOG(LOG_ERROR, NULL, "reload.refused", LF_STR("why", d.text));
			continue;
		}
		log_threshold = log_level_parse(slice_str(conf_str(own, "log.level")));
		LOG(LOG_INFO, NULL, "reload.done");
	}
}

WAITS static void life(void)
{
	struct scope scope;
	struct sig *term = NULL, *interrupt = NULL, *hangup = NULL;
	struct waits *waits = NULL;

	event_init(&backend.stop);
	scope_init(&scope);
	if (sig_watch(SIGTERM, &term) != E_OK || sig_watch(SIGINT, &interrupt) != E_OK ||
	    sig_watch(SIGHUP, &hangup) != E_OK ||
	    scope_start(&scope, "backend.reload", watch_reload, hangup) != E_OK ||
	    scope_start(&scope, "backend.signal", watch_signal, term) != E_OK ||
	    scope_start(&scope, "backend.signal", watch_signal, interrupt) != E_OK ||
	    waits_watch(&waits) != E_OK)
		event_set(&backend.stop);
	if (event_wait(&backend.stop, "backend.stop", NO_DEADLINE) != E_OK)
		LOG(LOG_WARN, NULL, "backend.cancelled");
	scope_cancel(&scope);
	(void)scope_join(&scope, NO_DEADLINE);
	sig_unwatch(&term);
	sig_unwatch(&interrupt);
	sig_unwatch(&hangup);
	waits_unwatch(&waits);
}

WAITS static void main_fiber(void *arg)
{
	const struct be_settings *conf = arg;
	struct diag d = {""};
	enum err e;

	list_init(&backend.be.links);
	list_init(&backend.be.watches);
	list_init(&backend.be.senders);
	list_init(&backend.be.pickers);
	map_init(&backend.be.held);
	backend.be.conf = *conf;
	backend.be.started_us = clock_wall_us();
	e = open_all(conf->own, &d);
	if (e == E_OK) {
		backend.ready = true;
		LOG(LOG_INFO, NULL, "backend.serving",
		    LF_UINT("partitions", partitions_count(backend.be.parts)));
		life();
		LOG(LOG_INFO, NULL, "backend.stopping");
	} else {
		LOG(LOG_ERROR, NULL, "backend.start_refused", LF_ERR("error", e),
		    LF_STR("why", d.text));
		backend.status = e == E_INVALID ? EX_CONFIG : EX_UNAVAILABLE;
	}
	close_all();
	loop_stop(loop_current());
}

int backend_run(const struct be_settings *conf)
{
	struct loop *loop;

	listen_raise_limit();
	loop_in_batches();
	work_threads((unsigned)conf_int(conf->own, "threads"));
	loop = loop_new();
	if (fiber_start("backend.main", main_fiber, (void *)(uintptr_t)conf, NULL) != E_OK)
		return EX_OSERR;
	loop_run(loop);
	loop_free(&loop);
	return backend.status;
}
