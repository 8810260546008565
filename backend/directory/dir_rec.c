#include "backend/directory/dir_rec.h"

/* ---- writing ---- */

static void put_u16(struct buf *out, uint16_t v)
{
	uint8_t b[2];

	be16_put(b, v);
	buf_put(out, slice(b, sizeof(b)));
}

static void put_u32(struct buf *out, uint32_t v)
{
	uint8_t b[4];

	be32_put(b, v);
	buf_put(out, slice(b, sizeof(b)));
}

static void put_u64(struct buf *out, uint64_t v)
{
	uint8_t b[8];

	be64_put(b, v);
	buf_put(out, slice(b, sizeof(b)));
}

static void put_head(struct buf *out)
{
	buf_putc(out, DIR_REC_VERSION);
}

void dir_rec_put_text(struct buf *out, slice_t text)
{
	if (text.n > UINT16_MAX) {
		out->failed = true;
		return;
	}
	put_u16(out, (uint16_t)text.n);
	buf_put(out, text);
}

void dir_rec_put_domain(struct buf *out, const struct dir_rec_domain *r)
{
	put_head(out);
	buf_putc(out, (char)r->kind);
	put_u64(out, r->target);
	dir_rec_put_text(out, r->name);
	dir_rec_put_text(out, r->catch_all);
	buf_putc(out, (char)r->mta_sts);
	put_u32(out, r->mta_sts_age_s);
}

void dir_rec_put_account(struct buf *out, const struct dir_rec_account *r)
{
	put_head(out);
	buf_putc(out, (char)r->state);
	put_u32(out, r->partition);
	put_u32(out, r->epoch);
	put_u64(out, r->quota_bytes);
	put_u64(out, r->quota_messages);
	dir_rec_put_text(out, r->address);
	for (size_t i = 0; i < DIR_SENDS; i++)
		put_u32(out, r->send[i]);
	buf_putc(out, r->held ? 1 : 0);
}

void dir_rec_put_address(struct buf *out, const struct dir_rec_address *r)
{
	put_head(out);
	buf_putc(out, (char)r->kind);
	buf_putc(out, r->enabled ? 1 : 0);
	put_u64(out, r->domain);
	put_u64(out, r->account);
	dir_rec_put_text(out, r->local);
	put_u16(out, r->nmembers);
}

void dir_rec_put_senders(struct buf *out, enum dir_alias_senders senders)
{
	buf_putc(out, (char)senders);
}

void dir_rec_put_partition(struct buf *out, const struct dir_rec_partition *r)
{
	put_head(out);
	put_u64(out, r->epoch);
	dir_rec_put_text(out, r->node);
	put_u16(out, r->made);
}

void dir_rec_put_node(struct buf *out, const struct dir_rec_node *r)
{
	put_head(out);
	put_u16(out, r->port);
	dir_rec_put_text(out, r->address);
	dir_rec_put_text(out, r->public_key);
}

void dir_rec_put_setting(struct buf *out, slice_t value)
{
	put_head(out);
	dir_rec_put_text(out, value);
}

void dir_rec_put_cert(struct buf *out)
{
	put_head(out);
}

void dir_rec_put_key(struct buf *out, const struct dir_rec_key *r)
{
	put_head(out);
	put_u64(out, (uint64_t)r->created_s);
	dir_rec_put_text(out, r->box);
}

void dir_rec_put_session(struct buf *out, int64_t until_s)
{
	put_head(out);
	put_u64(out, (uint64_t)until_s);
}

void dir_rec_put_dkim(struct buf *out, const struct dir_rec_dkim *r)
{
	put_head(out);
	buf_putc(out, (char)r->algorithm);
	buf_putc(out, (char)r->state);
	put_u64(out, (uint64_t)r->retired_s);
	dir_rec_put_text(out, r->domain);
	dir_rec_put_text(out, r->selector);
	dir_rec_put_text(out, r->box);
}

void dir_rec_put_server(struct buf *out, const struct dir_server *r)
{
	put_head(out);
	buf_putc(out, (char)r->service);
	buf_putc(out, (char)r->state);
	put_u64(out, r->version);
	dir_rec_put_text(out, r->name);
	dir_rec_put_text(out, r->listeners);
	dir_rec_put_text(out, r->settings);
	dir_rec_put_text(out, r->operators);
}

void dir_rec_put_tls(struct buf *out, const struct dir_tls *r)
{
	put_head(out);
	buf_putc(out, (char)r->level);
	put_u16(out, r->npeers);
}

void dir_rec_put_route(struct buf *out, const struct dir_route *r)
{
	put_head(out);
	buf_putc(out, (char)r->action);
	buf_putc(out, (char)(r->tls + 1));
	buf_putc(out, r->direct ? 1 : 0);
	put_u32(out, r->connections);
	dir_rec_put_text(out, r->domain);
	dir_rec_put_text(out, r->sender);
	dir_rec_put_text(out, r->target);
	dir_rec_put_text(out, r->user);
	dir_rec_put_text(out, r->helo);
	dir_rec_put_text(out, r->source4);
	dir_rec_put_text(out, r->source6);
	dir_rec_put_text(out, r->box);
	dir_rec_put_text(out, r->etrn);
	put_u64(out, r->atrn);
	buf_putc(out, (char)(r->auth + 1));
}

void dir_rec_put_right(struct buf *out, const struct dir_rec_right *r)
{
	put_head(out);
	buf_putc(out, (char)r->kind);
	put_u64(out, r->owner);
	put_u64(out, r->user);
}

void dir_rec_put_meta(struct buf *out, const struct dir_rec_meta *r)
{
	put_head(out);
	buf_putc(out, r->complete ? 1 : 0);
	put_u64(out, r->txid);
	put_u64(out, r->serial);
	put_u64(out, (uint64_t)r->confirmed_us);
	dir_rec_put_text(out, r->source);
	dir_rec_put_text(out, r->secret);
}

/* ---- reading ---- */

/* Takes things off the front; ok turns false at the first that is not there. */
struct reader {
	slice_t s;
	bool ok;
};

static const char *take(struct reader *r, size_t n)
{
	const char *p = r->s.p;

	if (!r->ok || r->s.n < n) {
		r->ok = false;
		return NULL;
	}
	r->s = slice_from(r->s, n);
	return p;
}

static uint8_t take_u8(struct reader *r)
{
	const char *p = take(r, 1);

	return p != NULL ? (uint8_t)*p : 0;
}

/* One of 1 .. max. */
static uint8_t take_enum(struct reader *r, uint8_t max)
{
	uint8_t v = take_u8(r);

	if (v < 1 || v > max)
		r->ok = false;
	return v;
}

/* One that has a 0. */
static uint8_t take_enum0(struct reader *r, uint8_t max)
{
	uint8_t v = take_u8(r);

	if (v > max)
		r->ok = false;
	return v;
}

static bool take_bool(struct reader *r)
{
	uint8_t v = take_u8(r);

	if (v > 1)
		r->ok = false;
	return v == 1;
}

static uint16_t take_u16(struct reader *r)
{
	const char *p = take(r, 2);

	return p != NULL ? be16_get(p) : 0;
}

static uint32_t take_u32(struct reader *r)
{
	const char *p = take(r, 4);

	return p != NULL ? be32_get(p) : 0;
}

static uint64_t take_u64(struct reader *r)
{
	const char *p = take(r, 8);

	return p != NULL ? be64_get(p) : 0;
}

static slice_t take_text(struct reader *r, size_t max)
{
	size_t n = take_u16(r);
	const char *p = take(r, n);

	if (n > max)
		r->ok = false;
	return r->ok ? slice(p, n) : SLICE_NONE;
}

static struct reader read_head(slice_t value)
{
	struct reader r = {value, true};

	if (take_u8(&r) != DIR_REC_VERSION)
		r.ok = false;
	return r;
}

static bool read_end(const struct reader *r)
{
	return r->ok && r->s.n == 0;
}

bool dir_rec_domain(slice_t value, struct dir_rec_domain *out)
{
	struct reader r = read_head(value);

	out->kind = (enum dir_domain_kind)take_enum(&r, DIR_DOMAIN_REMOTE);
	out->target = take_u64(&r);
	out->name = take_text(&r, 255);
	out->catch_all = take_text(&r, DIR_ADDRESS_MAX);
	out->mta_sts = DIR_MTA_STS_NONE;
	out->mta_sts_age_s = DIR_MTA_STS_AGE;
	if (r.ok && r.s.n == 0) /* rows of before do not say it */
		return true;
	out->mta_sts = (enum dir_mta_sts)take_enum0(&r, DIR_MTA_STS_ENFORCE);
	out->mta_sts_age_s = take_u32(&r);
	return read_end(&r);
}

bool dir_rec_account(slice_t value, struct dir_rec_account *out)
{
	struct reader r = read_head(value);

	out->state = (enum dir_account_state)take_enum(&r, DIR_REMOVED);
	out->partition = take_u32(&r);
	out->epoch = take_u32(&r);
	out->quota_bytes = take_u64(&r);
	out->quota_messages = take_u64(&r);
	out->address = take_text(&r, DIR_ADDRESS_MAX);
	out->held = false;
	for (size_t i = 0; i < DIR_SENDS; i++)
		out->send[i] = DIR_SEND_DEFAULT;
	if (r.ok && r.s.n == 0) /* rows of before do not say it */
		return true;
	for (size_t i = 0; i < DIR_SENDS; i++)
		out->send[i] = take_u32(&r);
	out->held = take_bool(&r);
	return read_end(&r);
}

bool dir_rec_address(slice_t value, struct dir_rec_address *out)
{
	struct reader r = read_head(value);
	slice_t rest, member;
	size_t n = 0;

	out->kind = (enum dir_address_kind)take_enum(&r, DIR_ADDR_GROUP);
	out->enabled = take_bool(&r);
	out->domain = take_u64(&r);
	out->account = take_u64(&r);
	out->local = take_text(&r, 64);
	out->nmembers = take_u16(&r);
	out->members = rest = r.s;
	if (!r.ok || out->nmembers > DIR_MEMBERS_MAX)
		return false;
	while (n < out->nmembers && dir_rec_member(&rest, &member))
		n++;
	out->members.n -= rest.n;
	out->senders = DIR_SENDERS_ALONE;
	if (n == out->nmembers && rest.n == 0) /* rows of before do not say it */
		return true;
	if (n != out->nmembers || rest.n != 1 || (uint8_t)rest.p[0] > DIR_SENDERS_NOBODY)
		return false;
	out->senders = (enum dir_alias_senders)rest.p[0];
	return true;
}

bool dir_rec_member(slice_t *members, slice_t *out)
{
	struct reader r = {*members, true};

	*out = take_text(&r, DIR_ADDRESS_MAX);
	if (r.ok)
		*members = r.s;
	return r.ok;
}

bool dir_rec_partition(slice_t value, struct dir_rec_partition *out)
{
	struct reader r = read_head(value);

	out->epoch = take_u64(&r);
	out->node = take_text(&r, DIR_NODE_MAX);
	out->made = r.s.n != 0 && take_u16(&r) != 0; /* rows of before do not say it */
	return read_end(&r);
}

bool dir_rec_node(slice_t value, struct dir_rec_node *out)
{
	struct reader r = read_head(value);

	out->port = take_u16(&r);
	out->address = take_text(&r, 255);
	out->public_key = take_text(&r, NODE_KEY_LEN);
	return read_end(&r) && out->public_key.n == NODE_KEY_LEN;
}

bool dir_rec_setting(slice_t value, slice_t *out)
{
	struct reader r = read_head(value);

	*out = take_text(&r, DIR_SETTING_VALUE_MAX);
	return read_end(&r);
}

bool dir_rec_key(slice_t value, struct dir_rec_key *out)
{
	struct reader r = read_head(value);

	out->created_s = (int64_t)take_u64(&r);
	out->box = take_text(&r, 256);
	return read_end(&r);
}

bool dir_rec_session(slice_t value, int64_t *until_s)
{
	struct reader r = read_head(value);

	*until_s = (int64_t)take_u64(&r);
	return read_end(&r);
}

bool dir_rec_dkim(slice_t value, struct dir_rec_dkim *out)
{
	struct reader r = read_head(value);

	out->algorithm = (enum sign_algorithm)take_enum(&r, SIGN_ED25519_SHA256);
	out->state = (enum dir_dkim_state)take_enum(&r, DIR_DKIM_RETIRED);
	out->retired_s = (int64_t)take_u64(&r);
	out->domain = take_text(&r, 255);
	out->selector = take_text(&r, DKIM_SELECTOR_MAX);
	out->box = take_text(&r, DIR_DKIM_BOX_MAX);
	return read_end(&r);
}

bool dir_rec_server(slice_t value, struct dir_server *out)
{
	struct reader r = read_head(value);

	out->service = (enum rpc_service)take_enum(&r, SERVICE_SUBMISSION);
	out->state = (enum server_state)take_enum(&r, SERVER_STOPPED);
	out->version = take_u64(&r);
	out->name = take_text(&r, SERVER_NAME_MAX);
	out->listeners = take_text(&r, DIR_SERVER_TEXT_MAX);
	out->settings = take_text(&r, DIR_SERVER_TEXT_MAX);
	out->operators = take_text(&r, DIR_SERVER_TEXT_MAX);
	return read_end(&r);
}

/* What a worker is told must be what the row means: a fingerprint is one. */
static bool is_peer(enum dir_tls_level level, slice_t peer)
{
	if (level != DIR_TLS_PINNED)
		return level == DIR_TLS_VERIFY && peer.n != 0 && peer.n <= DIR_TLS_PEER_MAX &&
		       memchr(peer.p, '\0', peer.n) == NULL;
	if (peer.n != DIR_TLS_PIN_TEXT)
		return false;
	for (size_t i = 0; i < peer.n; i++) {
		if (memchr("0123456789abcdef", peer.p[i], 16) == NULL)
			return false;
	}
	return true;
}

bool dir_rec_tls(slice_t value, struct dir_tls *out)
{
	struct reader r = read_head(value);
	slice_t rest, peer;
	size_t n = 0;

	out->level = (enum dir_tls_level)take_enum(&r, DIR_TLS_PINNED);
	out->npeers = take_u16(&r);
	out->peers = rest = r.s;
	if (!r.ok || out->npeers > DIR_TLS_PEERS_MAX)
		return false;
	for (; dir_rec_member(&rest, &peer); n++) {
		if (!is_peer(out->level, peer))
			return false;
	}
	return n == out->npeers && rest.n == 0;
}

bool dir_rec_route(slice_t value, struct dir_route *out)
{
	struct reader r = read_head(value);

	*out = (struct dir_route){.action = (enum dir_route_action)take_enum(&r, DIR_ROUTE_DROP)};
	out->tls = (enum dir_route_tls)(take_enum(&r, DIR_ROUTE_TLS_DANE + 1) - 1);
	out->direct = take_bool(&r);
	out->connections = take_u32(&r);
	out->domain = take_text(&r, DIR_ROUTE_DOMAIN_MAX);
	out->sender = take_text(&r, DIR_ADDRESS_MAX);
	out->target = take_text(&r, DIR_ROUTE_TARGET_MAX);
	out->user = take_text(&r, DIR_ROUTE_USER_MAX);
	out->helo = take_text(&r, 255);
	out->source4 = take_text(&r, DIR_ROUTE_SOURCE_MAX);
	out->source6 = take_text(&r, DIR_ROUTE_SOURCE_MAX);
	out->box = take_text(&r, DIR_ROUTE_BOX_MAX);
	if (r.s.n != 0) /* a copy of before may lack it */
		out->etrn = take_text(&r, DIR_ROUTE_ETRN_MAX);
	if (r.s.n != 0)
		out->atrn = take_u64(&r);
	if (r.s.n != 0)
		out->auth = (enum dir_route_auth)(take_enum(&r, DIR_ROUTE_AUTH_GSSAPI + 1) - 1);
	return read_end(&r) && out->connections <= DIR_ROUTE_CONNECTIONS_MAX;
}

bool dir_rec_right(slice_t value, struct dir_rec_right *out)
{
	struct reader r = read_head(value);

	out->kind = (enum dir_right_kind)take_enum(&r, DIR_ON_BEHALF);
	out->owner = take_u64(&r);
	out->user = take_u64(&r);
	return read_end(&r);
}

bool dir_rec_meta(slice_t value, struct dir_rec_meta *out)
{
	struct reader r = read_head(value);

	out->complete = take_bool(&r);
	out->txid = take_u64(&r);
	out->serial = take_u64(&r);
	out->confirmed_us = (int64_t)take_u64(&r);
	out->source = take_text(&r, 128);
	out->secret = take_text(&r, 32);
	return read_end(&r) && (out->secret.n == 32 || out->secret.n == 0);
}

bool dir_rec_valid(slice_t key, slice_t value)
{
	struct dir_rec_domain domain;
	struct dir_rec_account account;
	struct dir_rec_address address;
	struct dir_rec_partition partition;
	struct dir_rec_node node;
	struct dir_rec_key tk;
	struct dir_rec_dkim dkim;
	struct dir_server server;
	struct dir_route route;
	struct dir_rec_right right;
	struct dir_rec_meta meta;
	struct dir_tls tls;
	slice_t text;
	int64_t until_s;

	if (key.n < 1 || key.n > DIR_REC_KEY_MAX)
		return false;
	switch (key.p[0]) {
	case DIR_K_ACCOUNT:
		return key.n == 9 && dir_rec_account(value, &account);
	case DIR_K_DOMAIN:
		return key.n == 9 && dir_rec_domain(value, &domain);
	case DIR_K_ADDRESS:
		return key.n == 9 && dir_rec_address(value, &address);
	case DIR_K_PARTITION:
		return key.n == 9 && dir_rec_partition(value, &partition);
	case DIR_K_KEY:
		return key.n == 9 && dir_rec_key(value, &tk);
	case DIR_K_DKIM:
		return key.n == 9 && dir_rec_dkim(value, &dkim);
	case DIR_K_SERVER:
		return key.n == 9 && dir_rec_server(value, &server);
	case DIR_K_RIGHT:
		return key.n == 9 && dir_rec_right(value, &right);
	case DIR_K_ROUTE:
		return key.n == 9 && dir_rec_route(value, &route);
	case DIR_K_SESSION:
		return key.n == 1 + DIR_SESSION_LEN && dir_rec_session(value, &until_s);
	case DIR_K_TLS:
		return dir_rec_tls(value, &tls);
	case DIR_K_NODE:
		return dir_rec_node(value, &node);
	case DIR_K_SETTING:
		return dir_rec_setting(value, &text);
	case DIR_K_CERT:
		return value.n == 1 && value.p[0] == DIR_REC_VERSION;
	case DIR_K_META:
		return key.n == 1 && dir_rec_meta(value, &meta);
	default:
		return false;
	}
}

/* ---- keys ---- */

slice_t dir_key_u64(struct dir_key *k, enum dir_kind kind, uint64_t id)
{
	k->b[0] = (char)kind;
	be64_put(k->b + 1, id);
	return slice(k->b, 9);
}

slice_t dir_key_text(struct dir_key *k, enum dir_kind kind, slice_t id)
{
	size_t n = MIN(id.n, sizeof(k->b) - 1);

	k->b[0] = (char)kind;
	if (n > 0)
		memcpy(k->b + 1, id.p, n);
	return slice(k->b, 1 + n);
}
