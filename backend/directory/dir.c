#include "backend/directory/dir.h"

#include "backend/directory/dir_keys.h"
#include "backend/directory/dir_priv.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/log/log.h"
#include "common/parse/idn.h"

#define DIR_MAGIC 0x64697231u /* "dir1" */

/* ---- life ---- */

static void on_nudge(void *arg)
{
	dir_nudge(arg);
}

static char *dup_or_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

static void dir_destroy(struct dir **dp)
{
	struct dir *d = *dp;

	dir_servers_fini(d);
	dir_image_fini(&d->image);
	secret_wipe(&d->node_key, sizeof(d->node_key));
	secret_wipe(d->secret, sizeof(d->secret));
	xfree(&d->sql_dir);
	xfree(&d->node);
	xfree(&d->node_address);
	xfree(dp);
}

WAITS enum err dir_open(const struct dir_conf *c, struct dir **out, struct diag *diag)
{
	struct pg_conf pc = {.conninfo = c->conninfo, .conns_max = c->conns_max};
	struct dir *d = xcalloc(1, sizeof(*d));
	enum err e;

	d->magic = DIR_MAGIC;
	d->sql_dir = dup_or_null(c->sql_dir);
	d->node = xstrdup(c->node);
	d->node_address = dup_or_null(c->node_address);
	d->node_port = c->node_port;
	d->node_key = c->node_key;
	d->poll_ms = c->poll_ms != 0 ? c->poll_ms : DIR_POLL_MS;
	d->kv = c->kv;
	list_init(&d->subs);
	event_init(&d->nudge);
	event_init(&d->ended);
	waitq_init(&d->round_ended);
	dir_image_init(&d->image);
	e = dir_copy_load(d, diag);
	if (e == E_OK)
		e = fiber_start("dir.sync", dir_sync_main, d, &d->fiber);
	if (e != E_OK) {
		dir_destroy(&d);
		return e;
	}
	d->pool = pg_pool_new(&pc);
	d->listener = pg_listener_new(d->pool, "postern_dir", on_nudge, d);
	LOG(LOG_INFO, NULL, "dir.open", LF_UINT("accounts", d->image.accounts),
	    LF_STR("complete", d->complete ? "yes" : "no"));
	*out = d;
	return E_OK;
}

WAITS void dir_close(struct dir **dp)
{
	struct dir *d = *dp;

	if (d == NULL)
		return;
	invariant(d->magic == DIR_MAGIC);
	if (d->fiber != NULL)
		fiber_cancel(d->fiber);
	fiber_shield_begin();
	if (event_wait(&d->ended, "dir.close", NO_DEADLINE) != E_OK)
		LOG(LOG_ERROR, NULL, "dir.close");
	fiber_shield_end();
	pg_listener_free(&d->listener);
	pg_pool_free(&d->pool);
	dir_destroy(dp);
}

void dir_nudge(struct dir *d)
{
	event_set(&d->nudge);
}

WAITS enum err dir_wait_synced(struct dir *d, int64_t deadline_ms)
{
	uint64_t want = d->rounds + 1;

	while (d->rounds_good < want || !d->complete) {
		enum err e;

		if (d->fiber == NULL)
			return E_CANCELLED;
		dir_nudge(d);
		e = waitq_wait(&d->round_ended, "dir.synced", deadline_ms);
		if (e != E_OK)
			return e;
	}
	return E_OK;
}

bool dir_fresh(const struct dir *d)
{
	int64_t age_ms;

	if (!d->complete || d->confirmed_us == 0)
		return false;
	if (d->confirmed_ms != 0)
		age_ms = clock_mono_ms() - d->confirmed_ms;
	else
		age_ms = (clock_wall_us() - d->confirmed_us) / 1000;
	return age_ms >= 0 && age_ms < DIR_FRESH_MS;
}

enum err dir_absent(const struct dir *d, enum err what)
{
	/* While the database is away somebody may have been added elsewhere. */
	return d->connected && dir_fresh(d) ? what : E_RETRY;
}

void dir_get_status(const struct dir *d, struct dir_status *out)
{
	*out = (struct dir_status){
		.complete = d->complete,
		.connected = d->connected,
		.confirmed_us = d->confirmed_us,
		.fresh = dir_fresh(d),
		.accounts = d->image.accounts,
		.addresses = d->image.addresses,
		.domains = d->image.domains.n,
	};
	memcpy(out->error, d->error, sizeof(out->error));
}

const char *dir_node_name(const struct dir *d)
{
	return d->node;
}

void dir_subscribe(struct dir *d, struct dir_sub *s)
{
	list_append(&d->subs, &s->node);
}

void dir_unsubscribe(struct dir_sub *s)
{
	list_remove(&s->node);
}

/* ---- names ---- */

/* Copies the name of a local domain; "" when it is none. */
static const char *local_domain(const struct dir_rec_domain *r)
{
	static char name[256]; /* until the next call */

	return r->kind == DIR_DOMAIN_LOCAL && slice_to_str(r->name, name, sizeof(name)) ? name : "";
}

const char *dir_default_domain(const struct dir *d)
{
	slice_t set = dir_setting(d, "default_domain");
	struct dir_rec_domain r;
	char name[256];

	if (set.n > 0 && domain_normalise(set, name) == E_OK &&
	    dir_image_domain(&d->image, slice_str(name), NULL, &r))
		return local_domain(&r);
	for (size_t i = 0; i < d->image.domains.n; i++) {
		invariant(dir_rec_domain(dir_row_value(d->image.domains.v[i]), &r));
		if (r.kind == DIR_DOMAIN_LOCAL)
			return local_domain(&r);
	}
	return "";
}

/* The domain whose accounts are behind the name: its own, or its target's. */
static enum err find_local(const struct dir *d, slice_t domain, struct dir_rec_domain *out)
{
	char name[256];

	if (domain_normalise(domain, name) != E_OK)
		return E_NOT_FOUND;
	if (!dir_image_domain(&d->image, slice_str(name), NULL, out) ||
	    (out->kind == DIR_DOMAIN_ALIAS && !dir_image_domain_id(&d->image, out->target, out)) ||
	    out->kind != DIR_DOMAIN_LOCAL)
		return dir_absent(d, E_NOT_FOUND);
	return E_OK;
}

enum err dir_domain_here(const struct dir *d, slice_t domain)
{
	struct dir_rec_domain r;

	return find_local(d, domain, &r);
}

enum err dir_domain_mta_sts(const struct dir *d, slice_t domain, enum dir_mta_sts *mode_out,
			    uint32_t *age_s_out)
{
	struct dir_rec_domain r;
	enum err e = find_local(d, domain, &r);

	if (e != E_OK)
		return e;
	*mode_out = r.mta_sts;
	*age_s_out = r.mta_sts_age_s;
	return E_OK;
}

static bool local_normalise(slice_t local, char out[65])
{
	if (local.n == 0 || local.n > 64 || !utf8_valid(local))
		return false;
	for (size_t i = 0; i < local.n; i++) {
		unsigned char c = (unsigned char)local.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		out[i] = ascii_lower(local.p[i]);
	}
	out[local.n] = '\0';
	return true;
}

enum err dir_name_parse(const struct dir *d, slice_t address, struct dir_name *out)
{
	size_t at = address.n;
	slice_t domain;

	if (address.n > DIR_ADDRESS_MAX)
		return E_INVALID;
	while (at > 0 && address.p[at - 1] != '@')
		at--;
	domain = at > 0 ? slice_from(address, at) : slice_str(dir_default_domain(d));
	if (!local_normalise(slice_sub(address, 0, at > 0 ? at - 1 : address.n), out->local))
		return E_INVALID;
	return domain_normalise(domain, out->domain);
}

bool dir_is_tls_reports(const struct dir *d, slice_t address)
{
	slice_t set = dir_setting(d, "tlsrpt.read");
	struct dir_name want, got;

	return set.n != 0 && dir_name_parse(d, set, &want) == E_OK &&
	       dir_name_parse(d, address, &got) == E_OK && strcmp(want.local, got.local) == 0 &&
	       strcmp(want.domain, got.domain) == 0 &&
	       dir_domain_here(d, slice_str(want.domain)) == E_OK;
}

enum err dir_name_normalise(const struct dir *d, slice_t name, char out[DIR_ADDRESS_MAX + 1])
{
	struct dir_name n;
	enum err e = dir_name_parse(d, name, &n);
	size_t at;

	if (e != E_OK)
		return e;
	at = strlen(n.local);
	memcpy(out, n.local, at);
	out[at] = '@';
	return slice_to_str(slice_str(n.domain), out + at + 1, DIR_ADDRESS_MAX - at) ? E_OK
										     : E_INVALID;
}

/* ---- accounts ---- */

void dir_account_fill(uint64_t id, const struct dir_rec_account *r, struct dir_account *out)
{
	*out = (struct dir_account){
		.id = id,
		.state = r->state,
		.partition = r->partition,
		.epoch = r->epoch,
		.quota_bytes = r->quota_bytes,
		.quota_messages = r->quota_messages,
		.held = r->held,
	};
	memcpy(out->send, r->send, sizeof(out->send));
	if (!slice_to_str(r->address, out->address, sizeof(out->address)))
		out->address[0] = '\0';
}

enum err dir_account_by_id(const struct dir *d, uint64_t id, struct dir_account *out)
{
	struct dir_rec_account r;

	if (!dir_image_account(&d->image, id, &r))
		return dir_absent(d, E_NOT_FOUND);
	dir_account_fill(id, &r, out);
	return E_OK;
}

enum err dir_account_by_name(const struct dir *d, slice_t name, struct dir_account *out)
{
	struct dir_rec_account account;
	struct dir_rec_address address;
	struct dir_rec_domain domain;
	struct dir_name n;
	uint64_t id;

	if (dir_name_parse(d, name, &n) != E_OK)
		return dir_absent(d, E_NOT_FOUND);
	if (!dir_image_domain(&d->image, slice_str(n.domain), &id, &domain))
		return dir_absent(d, E_NOT_FOUND);
	if (domain.kind == DIR_DOMAIN_ALIAS)
		id = domain.target;
	if (!dir_image_address(&d->image, id, slice_str(n.local), &address) ||
	    address.kind != DIR_ADDR_ACCOUNT ||
	    !dir_image_account(&d->image, address.account, &account))
		return dir_absent(d, E_NOT_FOUND);
	dir_account_fill(address.account, &account, out);
	return E_OK;
}

void dir_accounts_each(const struct dir *d, uint32_t partition,
		       bool (*fn)(const struct dir_account *, void *arg), void *arg)
{
	struct map_iter it = {0};
	slice_t key, value;

	while (dir_image_next(&d->image, &it, &key, &value)) {
		struct dir_rec_account r;
		struct dir_account a;

		if (key.p[0] != DIR_K_ACCOUNT)
			continue;
		invariant(dir_rec_account(value, &r));
		if (r.partition != partition)
			continue;
		dir_account_fill(dir_key_id(key), &r, &a);
		if (!fn(&a, arg))
			return;
	}
}

/* ---- the cluster ---- */

static void partition_fill(slice_t key, slice_t value, struct dir_partition *out)
{
	struct dir_rec_partition r;

	invariant(dir_rec_partition(value, &r));
	out->id = (uint32_t)dir_key_id(key);
	out->epoch = r.epoch;
	out->made = r.made;
	if (!slice_to_str(r.node, out->node, sizeof(out->node)))
		out->node[0] = '\0';
}

enum err dir_partition_get(const struct dir *d, uint32_t id, struct dir_partition *out)
{
	struct dir_key k;
	slice_t key = dir_key_u64(&k, DIR_K_PARTITION, id);
	slice_t value = dir_image_get(&d->image, key);

	if (value.p == NULL)
		return dir_absent(d, E_NOT_FOUND);
	partition_fill(key, value, out);
	return E_OK;
}

size_t dir_partition_count(const struct dir *d)
{
	return d->image.partitions.n;
}

void dir_partition_at(const struct dir *d, size_t i, struct dir_partition *out)
{
	const struct dir_row *row = d->image.partitions.v[i];

	invariant(i < d->image.partitions.n);
	partition_fill(dir_row_key(row), dir_row_value(row), out);
}

bool dir_owns(const struct dir *d, uint32_t partition)
{
	struct dir_partition p;

	return dir_partition_get(d, partition, &p) == E_OK && strcmp(p.node, d->node) == 0;
}

enum err dir_partition_for_name(const struct dir *d, slice_t normalised, struct dir_partition *out)
{
	uint8_t sum[SHA256_LEN];

	if (d->image.partitions.n == 0)
		return E_RETRY;
	sha256(normalised, sum);
	dir_partition_at(d, be64_get(sum) % d->image.partitions.n, out);
	return E_OK;
}

static void node_fill(slice_t key, slice_t value, struct dir_node *out)
{
	struct dir_rec_node r;

	invariant(dir_rec_node(value, &r));
	*out = (struct dir_node){.port = r.port};
	memcpy(out->public_key, r.public_key.p, NODE_KEY_LEN);
	if (!slice_to_str(slice_from(key, 1), out->name, sizeof(out->name)) ||
	    !slice_to_str(r.address, out->address, sizeof(out->address)))
		out->name[0] = '\0';
}

size_t dir_node_count(const struct dir *d)
{
	return d->image.nodes.n;
}

void dir_node_at(const struct dir *d, size_t i, struct dir_node *out)
{
	invariant(i < d->image.nodes.n);
	node_fill(dir_row_key(d->image.nodes.v[i]), dir_row_value(d->image.nodes.v[i]), out);
}

enum err dir_node_get(const struct dir *d, slice_t name, struct dir_node *out)
{
	struct dir_key k;
	slice_t key = dir_key_text(&k, DIR_K_NODE, name);
	slice_t value = dir_image_get(&d->image, key);

	if (value.p == NULL)
		return dir_absent(d, E_NOT_FOUND);
	node_fill(key, value, out);
	return E_OK;
}

/* ---- policy ---- */

slice_t dir_setting(const struct dir *d, const char *key)
{
	struct dir_key k;
	slice_t row = dir_image_get(&d->image, dir_key_text(&k, DIR_K_SETTING, slice_str(key)));
	slice_t value = SLICE_NONE;

	if (row.p != NULL)
		invariant(dir_rec_setting(row, &value));
	return value;
}

size_t dir_setting_count(const struct dir *d)
{
	return d->image.settings.n;
}

void dir_setting_at(const struct dir *d, size_t i, slice_t *key_out, slice_t *value_out)
{
	invariant(i < d->image.settings.n);
	*key_out = slice_from(dir_row_key(d->image.settings.v[i]), 1);
	invariant(dir_rec_setting(dir_row_value(d->image.settings.v[i]), value_out));
}

bool dir_cert_revoked(const struct dir *d, slice_t serial)
{
	struct dir_key k;

	return serial.n < DIR_REC_KEY_MAX &&
	       dir_image_get(&d->image, dir_key_text(&k, DIR_K_CERT, serial)).p != NULL;
}

size_t dir_revoked_count(const struct dir *d)
{
	return d->image.certs.n;
}

slice_t dir_revoked_at(const struct dir *d, size_t i)
{
	invariant(i < d->image.certs.n);
	return slice_from(dir_row_key(d->image.certs.v[i]), 1);
}

/* ---- what ticket/ reads (dir_keys.h) ---- */

bool dir_cluster_secret(const struct dir *d, uint8_t out[32])
{
	if (d->have_secret)
		memcpy(out, d->secret, sizeof(d->secret));
	return d->have_secret;
}

size_t dir_ticket_key_count(const struct dir *d)
{
	return d->image.keys.n;
}

void dir_ticket_key_at(const struct dir *d, size_t i, struct dir_ticket_key *out)
{
	struct dir_rec_key r;

	invariant(i < d->image.keys.n);
	invariant(dir_rec_key(dir_row_value(d->image.keys.v[i]), &r));
	out->id = (uint32_t)dir_key_id(dir_row_key(d->image.keys.v[i]));
	out->created_s = r.created_s;
	out->n = r.box.n;
	memcpy(out->box, r.box.p, r.box.n);
}

bool dir_session_ended(const struct dir *d, const uint8_t session[DIR_SESSION_LEN])
{
	struct dir_key k;
	slice_t key = dir_key_text(&k, DIR_K_SESSION, slice(session, DIR_SESSION_LEN));

	return dir_image_get(&d->image, key).p != NULL;
}
