/* dir_rows: PostgreSQL's answers turned into rows of the image. The columns are those of
 * dir_sql_kinds. */
#include "backend/directory/dir_priv.h"
#include "common/base/codec.h"
#include "common/log/log.h"

static void domain_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_domain x = {
		.kind = (enum dir_domain_kind)pg_get_u64(r, i, 1),
		.target = pg_get_u64(r, i, 2),
		.name = pg_get(r, i, 3),
		.catch_all = pg_get(r, i, 4),
		.mta_sts = (enum dir_mta_sts)pg_get_u64(r, i, 5),
		.mta_sts_age_s = (uint32_t)pg_get_u64(r, i, 6),
	};

	dir_rec_put_domain(out, &x);
}

static void account_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_account x = {
		.state = (enum dir_account_state)pg_get_u64(r, i, 1),
		.partition = (uint32_t)pg_get_u64(r, i, 2),
		.epoch = (uint32_t)pg_get_u64(r, i, 3),
		.quota_bytes = pg_get_u64(r, i, 4),
		.quota_messages = pg_get_u64(r, i, 5),
		.address = pg_get(r, i, 6),
		.held = pg_get_bool(r, i, 13),
	};

	for (unsigned k = 0; k < DIR_SENDS; k++)
		x.send[k] = (uint32_t)pg_get_u64(r, i, 7 + k);
	dir_rec_put_account(out, &x);
}

static void address_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_address x = {
		.kind = (enum dir_address_kind)pg_get_u64(r, i, 1),
		.enabled = pg_get_bool(r, i, 2),
		.domain = pg_get_u64(r, i, 3),
		.account = pg_get_u64(r, i, 4),
		.local = pg_get(r, i, 5),
		.nmembers = (uint16_t)pg_get_u64(r, i, 6),
	};
	slice_t rest = pg_get(r, i, 7);

	dir_rec_put_address(out, &x);
	for (uint16_t m = 0; m < x.nmembers; m++) {
		size_t n = slice_find_char(rest, '\n');

		dir_rec_put_text(out, slice_sub(rest, 0, n));
		rest = slice_from(rest, n + 1);
	}
	dir_rec_put_senders(out, (enum dir_alias_senders)pg_get_u64(r, i, 8));
}

static void partition_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_partition x = {.epoch = pg_get_u64(r, i, 1),
				      .node = pg_get(r, i, 2),
				      .made = pg_get_u64(r, i, 3) != 0};

	dir_rec_put_partition(out, &x);
}

static void node_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_node x = {.port = (uint16_t)pg_get_u64(r, i, 1), .address = pg_get(r, i, 2)};
	struct buf key;

	buf_init(&key, NODE_KEY_LEN, NULL);
	pg_get_bytes(r, i, 3, &key);
	x.public_key = buf_slice(&key);
	dir_rec_put_node(out, &x);
	buf_fini(&key);
}

static void key_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_key x = {.created_s = pg_get_i64(r, i, 1)};
	struct buf box;

	buf_init(&box, 256, NULL);
	pg_get_bytes(r, i, 2, &box);
	x.box = buf_slice(&box);
	dir_rec_put_key(out, &x);
	buf_fini(&box);
}

static void dkim_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_dkim x = {
		.domain = pg_get(r, i, 1),
		.selector = pg_get(r, i, 2),
		.algorithm = (enum sign_algorithm)pg_get_u64(r, i, 3),
		.state = (enum dir_dkim_state)pg_get_u64(r, i, 4),
		.retired_s = pg_get_i64(r, i, 5),
	};
	struct buf box;

	buf_init(&box, DIR_DKIM_BOX_MAX, NULL);
	pg_get_bytes(r, i, 6, &box);
	x.box = buf_slice(&box);
	dir_rec_put_dkim(out, &x);
	buf_fini(&box);
}

static void server_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_server x = {
		.service = (enum rpc_service)pg_get_u64(r, i, 1),
		.state = (enum server_state)pg_get_u64(r, i, 2),
		.version = pg_get_u64(r, i, 3),
		.name = pg_get(r, i, 4),
		.listeners = pg_get(r, i, 5),
		.settings = pg_get(r, i, 6),
		.operators = pg_get(r, i, 7),
	};

	dir_rec_put_server(out, &x);
}

static void tls_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_tls x = {.level = (enum dir_tls_level)pg_get_u64(r, i, 1),
			    .npeers = (uint16_t)pg_get_u64(r, i, 2)};
	slice_t rest = pg_get(r, i, 3);

	dir_rec_put_tls(out, &x);
	for (uint16_t k = 0; k < x.npeers; k++) {
		size_t n = slice_find_char(rest, '\n');

		dir_rec_put_text(out, slice_sub(rest, 0, n));
		rest = slice_from(rest, n + 1);
	}
}

static void route_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_route x = {
		.domain = pg_get(r, i, 1),
		.sender = pg_get(r, i, 2),
		.action = (enum dir_route_action)pg_get_u64(r, i, 3),
		.target = pg_get(r, i, 4),
		.tls = (enum dir_route_tls)pg_get_u64(r, i, 5),
		.user = pg_get(r, i, 6),
		.direct = pg_get_bool(r, i, 7),
		.connections = (uint32_t)pg_get_u64(r, i, 8),
		.helo = pg_get(r, i, 9),
		.source4 = pg_get(r, i, 10),
		.source6 = pg_get(r, i, 11),
		.etrn = pg_get(r, i, 13),
		.atrn = pg_get_u64(r, i, 14),
		.auth = (enum dir_route_auth)pg_get_u64(r, i, 15),
	};
	struct buf box;

	buf_init(&box, DIR_ROUTE_BOX_MAX, NULL);
	pg_get_bytes(r, i, 12, &box);
	x.box = buf_slice(&box);
	dir_rec_put_route(out, &x);
	buf_fini(&box);
}

static void right_row(const struct pg_result *r, size_t i, struct buf *out)
{
	struct dir_rec_right x = {
		.owner = pg_get_u64(r, i, 1),
		.user = pg_get_u64(r, i, 2),
		.kind = (enum dir_right_kind)pg_get_u64(r, i, 3),
	};

	dir_rec_put_right(out, &x);
}

static void row_value(enum dir_kind kind, const struct pg_result *r, size_t i, struct buf *out)
{
	switch (kind) {
	case DIR_K_DOMAIN:
		domain_row(r, i, out);
		break;
	case DIR_K_ACCOUNT:
		account_row(r, i, out);
		break;
	case DIR_K_ADDRESS:
		address_row(r, i, out);
		break;
	case DIR_K_PARTITION:
		partition_row(r, i, out);
		break;
	case DIR_K_NODE:
		node_row(r, i, out);
		break;
	case DIR_K_KEY:
		key_row(r, i, out);
		break;
	case DIR_K_DKIM:
		dkim_row(r, i, out);
		break;
	case DIR_K_SERVER:
		server_row(r, i, out);
		break;
	case DIR_K_TLS:
		tls_row(r, i, out);
		break;
	case DIR_K_ROUTE:
		route_row(r, i, out);
		break;
	case DIR_K_RIGHT:
		right_row(r, i, out);
		break;
	case DIR_K_SETTING:
		dir_rec_put_setting(out, pg_get(r, i, 1));
		break;
	case DIR_K_CERT:
		dir_rec_put_cert(out);
		break;
	case DIR_K_SESSION:
		dir_rec_put_session(out, pg_get_i64(r, i, 1));
		break;
	case DIR_K_META:
		invariant(kind != DIR_K_META);
		break;
	}
}

static bool bytes_key(slice_t id, struct dir_key *mem, slice_t *out)
{
	struct buf b;
	bool ok;

	buf_init(&b, DIR_SESSION_LEN, NULL);
	ok = slice_starts(id, SL("\\x")) && hex_decode(&b, slice_from(id, 2)) &&
	     b.n == DIR_SESSION_LEN;
	if (ok)
		*out = dir_key_text(mem, DIR_K_SESSION, buf_slice(&b));
	buf_fini(&b);
	return ok;
}

bool dir_rows_key(const struct dir_sql_kind *k, slice_t id, struct dir_key *mem, slice_t *out)
{
	uint64_t n;

	switch (k->kind) {
	case DIR_K_DOMAIN:
	case DIR_K_ACCOUNT:
	case DIR_K_ADDRESS:
	case DIR_K_PARTITION:
	case DIR_K_KEY:
	case DIR_K_DKIM:
	case DIR_K_SERVER:
	case DIR_K_ROUTE:
	case DIR_K_RIGHT:
		if (!num_parse(id, INT64_MAX, &n))
			return false;
		*out = dir_key_u64(mem, k->kind, n);
		return true;
	case DIR_K_SESSION:
		return bytes_key(id, mem, out);
	case DIR_K_NODE:
	case DIR_K_TLS:
	case DIR_K_SETTING:
	case DIR_K_CERT:
		*out = dir_key_text(mem, k->kind, id);
		return id.n > 0 && id.n < DIR_REC_KEY_MAX;
	case DIR_K_META:
		break;
	}
	return false;
}

void dir_rows_take(const struct dir_sql_kind *k, const struct pg_result *r, struct dir_batch *b)
{
	struct dir_key mem;
	struct buf value;
	slice_t key;

	buf_init(&value, DIR_KV_VALUE_MAX, NULL);
	for (size_t i = 0; i < pg_rows(r); i++) {
		buf_reset(&value);
		if (!dir_rows_key(k, pg_get(r, i, 0), &mem, &key))
			continue;
		row_value(k->kind, r, i, &value);
		if (!buf_failed(&value) && dir_rec_valid(key, buf_slice(&value))) {
			dir_batch_put(b, key, buf_slice(&value));
			continue;
		}
		/* Somebody wrote into the database by hand: that row does not exist for us. */
		LOG(LOG_ERROR, NULL, "dir.row", LF_STR("kind", k->name),
		    LF_SLICE("id", pg_get(r, i, 0)));
		dir_batch_del(b, key);
	}
	buf_fini(&value);
}
