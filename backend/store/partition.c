#include <stdio.h>
#include <time.h>

#include "backend/store/partition_priv.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/log/log.h"

#define FORMAT_KEY SL("format")

static const struct partition_conf conf_defaults = {
	.map_bytes = 256ull << 30,
	.volume_bytes = 256ull << 20,
	.group_ops = 64,
	.group_bytes = 8u << 20,
	.full_percent = 80,
	.disk_reserve = 256ull << 20,
	.expunged_ms = 3600ll * 1000,
	.dedupe_ms = 48ll * 3600 * 1000,
	.changelog_ms = 30ll * 24 * 3600 * 1000,
	.changelog_rows = 100000,
	.keeper_ms = 10000,
	.compact_rate = 50ull << 20,
};

#define DEFAULT(c, field) \
	do { \
		if ((c)->field == 0) \
			(c)->field = conf_defaults.field; \
	} while (0)

static void conf_fill(struct partition_conf *c)
{
	DEFAULT(c, map_bytes);
	DEFAULT(c, volume_bytes);
	DEFAULT(c, group_ops);
	DEFAULT(c, group_bytes);
	DEFAULT(c, full_percent);
	DEFAULT(c, disk_reserve);
	DEFAULT(c, expunged_ms);
	DEFAULT(c, dedupe_ms);
	DEFAULT(c, changelog_ms);
	DEFAULT(c, changelog_rows);
	DEFAULT(c, keeper_ms);
	DEFAULT(c, compact_rate);
}

/* ---- create ---- */

static enum err write_first(struct kv *kv)
{
	struct row_state state = {.next_record = 1, .next_item = 1, .next_volume = 1};
	unsigned char level[4];
	struct kv_txn *t;
	slice_t old;
	enum err e = kv_write(kv, &t);

	if (e != E_OK)
		return e;
	e = kv_get(t, T_META, FORMAT_KEY, &old);
	if (e != E_NOT_FOUND) {
		kv_abort(&t);
		return e == E_OK ? E_EXISTS : e;
	}
	be32_put(level, STORE_LEVEL);
	e = kv_put(t, T_META, FORMAT_KEY, slice(level, sizeof(level)));
	if (e == E_OK)
		e = tab_state_put(t, &state);
	if (e == E_OK)
		return kv_commit(&t);
	kv_abort(&t);
	return e;
}

static enum err make_folder(const char *path)
{
	enum err e = disk_mkdir(path);

	return e == E_EXISTS ? E_OK : e;
}

/* The folder, its name in its parent, and the folder of volumes; what a crash left of them will
 * do. */
static enum err make_folders(const char *dir)
{
	char path[DISK_PATH_MAX];
	enum err e = make_folder(dir);

	if (e == E_OK)
		e = disk_path(path, dir, "..");
	if (e == E_OK)
		e = disk_sync_dir(path);
	if (e == E_OK)
		e = disk_path(path, dir, "volumes");
	return e == E_OK ? make_folder(path) : e;
}

static enum err fill_new(const struct partition_conf *c, struct diag *d)
{
	struct kv *kv;
	enum err e = kv_open(c->dir, table_names, T_TABLES, c->map_bytes, KV_READ_WRITE, &kv, d);

	if (e != E_OK)
		return e;
	e = write_first(kv);
	kv_close(&kv);
	if (e == E_OK)
		e = disk_sync_dir(c->dir);
	return e == E_OK ? E_OK
			 : diag_set(d, e, "%s: %s", c->dir,
				    e == E_EXISTS ? "there is a partition" : "cannot write");
}

enum err partition_create(const struct partition_conf *conf, struct diag *d)
{
	struct partition_conf c = *conf;
	char path[DISK_PATH_MAX];
	int lock = -1;
	enum err e = make_folders(c.dir);

	conf_fill(&c);
	if (e != E_OK)
		return diag_set(d, e, "%s: cannot make the folder", c.dir);
	e = disk_path(path, c.dir, "owner.lock");
	if (e == E_OK)
		e = disk_lock(path, &lock);
	if (e == E_OK)
		e = fill_new(&c, d);
	else
		(void)diag_set(d, e, "%s: %s", path, err_name(e));
	disk_close(&lock);
	return e == E_BUSY ? E_EXISTS : e;
}

/* ---- open ---- */

static enum err check_format(struct kv_txn *t, struct diag *d)
{
	slice_t v;
	enum err e = kv_get(t, T_META, FORMAT_KEY, &v);

	if (e != E_OK || v.n != 4)
		return diag_set(d, e == E_OK ? E_CORRUPT : e, "no partition");
	if (be32_get(v.p) > STORE_LEVEL)
		return diag_set(d, E_INVALID, "written by a later release (level %u)",
				be32_get(v.p));
	return E_OK;
}

static enum err open_state(struct partition *p, struct diag *d)
{
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = check_format(t, d);
	if (e == E_OK)
		e = tab_state_get(t, &p->state);
	if (e == E_OK)
		e = volumes_recover(&p->volumes, t, &p->state);
	kv_abort(&t);
	return e;
}

static enum err open_files(struct partition *p, struct diag *d)
{
	char path[DISK_PATH_MAX];
	enum err e = disk_path(path, p->dir, "data.mdb");
	int fd;

	if (e == E_OK)
		e = disk_open(path, DISK_READ, &fd);
	if (e != E_OK)
		return diag_set(d, e, "%s: no partition", p->dir);
	disk_close(&fd);
	e = disk_path(path, p->dir, "owner.lock");
	if (e == E_OK)
		e = disk_lock(path, &p->lock_fd);
	if (e != E_OK)
		return diag_set(d, e, "%s: %s", path,
				e == E_BUSY ? "another process has it open" : err_name(e));
	e = kv_open(p->dir, table_names, T_TABLES, p->conf.map_bytes, KV_READ_WRITE, &p->kv, d);
	if (e == E_OK)
		e = volumes_init(&p->volumes, p->dir, p->conf.volume_bytes);
	return e == E_OK ? open_state(p, d) : e;
}

static struct partition *partition_new(const struct partition_conf *conf)
{
	struct partition *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t mono;

	p->conf = *conf;
	conf_fill(&p->conf);
	p->lock_fd = -1;
	p->apply.vols.fd = -1;
	list_init(&p->queue);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_mutex_init(&p->keeper_lock, NULL);
	pthread_condattr_init(&mono);
	pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
	pthread_cond_init(&p->keeper_wake, &mono);
	pthread_condattr_destroy(&mono);
	pthread_mutex_init(&p->round_lock, NULL);
	pthread_mutex_init(&p->recent_lock, NULL);
	return p;
}

enum err partition_open(const struct partition_conf *conf, struct partition **out, struct diag *d)
{
	struct partition *p = partition_new(conf);
	enum err e = slice_to_str(slice_str(conf->dir), p->dir, sizeof(p->dir)) ? E_OK : E_LIMIT;

	*out = NULL;
	if (e == E_OK)
		e = open_files(p, d);
	p->conf.dir = p->dir;
	if (e == E_OK)
		e = writer_start(p);
	if (e == E_OK)
		e = keeper_start(p);
	if (e != E_OK) {
		if (d != NULL && d->text[0] == '\0')
			(void)diag_set(d, e, "%s: %s", conf->dir, err_name(e));
		partition_close(&p);
		return e;
	}
	LOG(LOG_INFO, NULL, "store.partition_open", LF_UINT("partition", p->conf.id),
	    LF_STR("dir", p->dir), LF_UINT("seq", p->state.seq));
	*out = p;
	return E_OK;
}

void partition_close(struct partition **pp)
{
	struct partition *p = *pp;

	if (p == NULL)
		return;
	keeper_end(p);
	writer_end(p);
	volumes_fini(&p->volumes);
	kv_close(&p->kv);
	disk_close(&p->lock_fd);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->keeper_lock);
	pthread_cond_destroy(&p->keeper_wake);
	pthread_mutex_destroy(&p->round_lock);
	pthread_mutex_destroy(&p->recent_lock);
	xfree(pp);
}

uint32_t partition_id(const struct partition *p)
{
	return p->conf.id;
}

void partition_watch(struct partition *p, partition_watch_fn *fn, void *arg)
{
	p->watch = fn;
	p->watch_arg = arg;
}

void partition_sink(struct partition *p, partition_sink_fn *fn, void *arg)
{
	p->sink = fn;
	p->sink_arg = arg;
}

/* ---- what it holds ---- */

static bool stat_volume(void *arg, uint64_t no UNUSED, const struct row_volume *row)
{
	struct partition_stat *out = arg;

	out->volume_files++;
	out->volume_bytes += row->total;
	out->live_bytes += row->live;
	return true;
}

bool partition_is_stopped(const struct partition *p)
{
	return atomic_load(&p->stopped);
}

enum err partition_stat(struct partition *p, struct partition_stat *out)
{
	struct row_state state;
	uint64_t names;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	memset(out, 0, sizeof(*out));
	if (e != E_OK)
		return e;
	e = tab_state_get(t, &state);
	out->seq = state.seq;
	if (e == E_OK)
		e = kv_count(t, T_NAME, &names);
	if (e == E_OK)
		e = kv_count(t, T_ACCOUNT, &out->accounts);
	if (e == E_OK)
		e = kv_count(t, T_MESSAGE, &out->messages);
	if (e == E_OK)
		e = kv_count(t, T_RECORD, &out->records);
	if (e == E_OK)
		e = kv_count(t, T_QUEUE, &out->queue_items);
	kv_abort(&t);
	if (e == E_OK)
		e = volumes_each(p->kv, stat_volume, out);
	if (e != E_OK)
		return e;
	out->accounts -= names; /* the table has a row for each mailbox, as T_NAME has */
	kv_size(p->kv, &out->map_bytes, &out->map_used);
	out->commits = atomic_load(&p->commits);
	out->changes = atomic_load(&p->changes);
	out->stopped = atomic_load(&p->stopped);
	out->full = atomic_load(&p->full);
	return E_OK;
}

enum err partition_usage(struct partition *p, uint64_t account, uint64_t *bytes_out,
			 uint64_t *messages_out)
{
	struct row_account acct;
	struct kv_txn *t;
	enum err e = kv_read(p->kv, &t);

	if (e != E_OK)
		return e;
	e = tab_account_live(t, account, &acct);
	kv_abort(&t);
	if (e != E_OK)
		return e;
	*bytes_out = acct.bytes;
	*messages_out = acct.messages;
	return E_OK;
}

enum err partition_accounts(struct partition *p, uint64_t after, uint64_t *out, size_t max,
			    size_t *n_out)
{
	struct kv_txn *t;
	struct kv_cursor *c = NULL;
	struct rec_key key;
	slice_t k, v;
	enum err e = kv_read(p->kv, &t);

	*n_out = 0;
	if (e != E_OK)
		return e;
	e = kv_cursor(t, T_ACCOUNT, &c);
	while (e == E_OK && *n_out < max && after < UINT64_MAX) {
		key_mailbox(&key, after + 1, 0);
		e = kv_seek(c, rec_key(&key), &k, &v);
		if (e != E_OK)
			break;
		if (k.n != 12) {
			e = tab_corrupt("account key", 0, 0);
			break;
		}
		after = be64_get(k.p);
		out[(*n_out)++] = after;
	}
	kv_cursor_end(&c);
	kv_abort(&t);
	return e == E_NOT_FOUND ? E_OK : e;
}
