#include "backend/directory/dir_image.h"

#include "common/loop/loan.h"

struct dir_row {
	uint32_t value_n;
	uint16_t key_n;
	uint8_t round; /* of the image when it was last put or kept */
	char bytes[];  /* key, value */
};

/* Keys of im->names: a domain's name; an address's domain and local part; a route's domain and
 * sender; the two accounts of a right. */
#define NAME_KEY_MAX (1 + DIR_ROUTE_DOMAIN_MAX + 1 + DIR_ADDRESS_MAX)

void dir_image_init(struct dir_image *im)
{
	*im = (struct dir_image){.accounts = 0};
	map_init(&im->rows);
	map_init(&im->names);
}

void dir_image_fini(struct dir_image *im)
{
	struct map_iter it = {0};
	struct dir_list *lists[] = {&im->partitions, &im->nodes,   &im->settings,
				    &im->certs,      &im->keys,    &im->dkim,
				    &im->domains,    &im->servers, &im->fetched};
	void *row;

	while (map_next(&im->rows, &it, NULL, &row))
		xfree(&row);
	map_fini(&im->rows);
	map_fini(&im->names);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		xfree(&lists[i]->v);
	*im = (struct dir_image){.accounts = 0};
}

static slice_t key_of(const struct dir_row *r)
{
	return slice(r->bytes, r->key_n);
}

static slice_t value_of(const struct dir_row *r)
{
	return slice(r->bytes + r->key_n, r->value_n);
}

slice_t dir_row_key(const struct dir_row *r)
{
	return loan_slice(key_of(r));
}

slice_t dir_row_value(const struct dir_row *r)
{
	return loan_slice(value_of(r));
}

static struct dir_list *list_of(struct dir_image *im, char kind)
{
	switch (kind) {
	case DIR_K_PARTITION:
		return &im->partitions;
	case DIR_K_NODE:
		return &im->nodes;
	case DIR_K_SETTING:
		return &im->settings;
	case DIR_K_CERT:
		return &im->certs;
	case DIR_K_KEY:
		return &im->keys;
	case DIR_K_DKIM:
		return &im->dkim;
	case DIR_K_DOMAIN:
		return &im->domains;
	case DIR_K_SERVER:
		return &im->servers;
	default:
		return NULL;
	}
}

/* Index of the first row whose key is not below. */
static size_t list_find(const struct dir_list *l, slice_t key)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (slice_cmp(key_of(l->v[mid]), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void list_put(struct dir_list *l, struct dir_row *row, bool replaces)
{
	size_t at = list_find(l, key_of(row));

	if (!replaces) {
		if (l->n == l->cap) {
			l->cap = l->cap == 0 ? 16 : l->cap * 2;
			l->v = xrealloc(l->v, l->cap * sizeof(struct dir_row *));
		}
		memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(struct dir_row *));
		l->n++;
	}
	l->v[at] = row;
}

static void list_del(struct dir_list *l, slice_t key)
{
	size_t at = list_find(l, key);

	memmove(l->v + at, l->v + at + 1, (l->n - at - 1) * sizeof(struct dir_row *));
	l->n--;
}

/* ---- names ---- */

struct name_key {
	char b[NAME_KEY_MAX];
};

static slice_t name_domain(struct name_key *k, slice_t name)
{
	k->b[0] = 'D';
	memcpy(k->b + 1, name.p, MIN(name.n, 255u));
	return slice(k->b, 1 + MIN(name.n, 255u));
}

static slice_t name_address(struct name_key *k, uint64_t domain, slice_t local)
{
	k->b[0] = 'R';
	be64_put(k->b + 1, domain);
	memcpy(k->b + 9, local.p, MIN(local.n, 255u));
	return slice(k->b, 9 + MIN(local.n, 255u));
}

/* No domain holds a space. */
static slice_t name_route(struct name_key *k, slice_t domain, slice_t sender)
{
	size_t n = MIN(domain.n, (size_t)DIR_ROUTE_DOMAIN_MAX);
	size_t m = MIN(sender.n, (size_t)DIR_ADDRESS_MAX);

	k->b[0] = 'T';
	memcpy(k->b + 1, domain.p, n);
	k->b[1 + n] = ' ';
	if (m != 0)
		memcpy(k->b + 2 + n, sender.p, m);
	return slice(k->b, 2 + n + m);
}

static slice_t name_right(struct name_key *k, uint64_t owner, uint64_t user)
{
	k->b[0] = 'G';
	be64_put(k->b + 1, owner);
	be64_put(k->b + 9, user);
	return slice(k->b, 17);
}

/* Empty: rows of this kind have no name. */
static slice_t name_of(struct name_key *k, const struct dir_row *row)
{
	struct dir_rec_domain domain;
	struct dir_rec_address address;
	struct dir_rec_right right;
	struct dir_route route;

	if (row->bytes[0] == DIR_K_DOMAIN) {
		invariant(dir_rec_domain(value_of(row), &domain));
		return name_domain(k, domain.name);
	}
	if (row->bytes[0] == DIR_K_ADDRESS) {
		invariant(dir_rec_address(value_of(row), &address));
		return name_address(k, address.domain, address.local);
	}
	if (row->bytes[0] == DIR_K_ROUTE) {
		invariant(dir_rec_route(value_of(row), &route));
		return name_route(k, route.domain, route.sender);
	}
	if (row->bytes[0] == DIR_K_RIGHT) {
		invariant(dir_rec_right(value_of(row), &right));
		return name_right(k, right.owner, right.user);
	}
	return SLICE_NONE;
}

/* A name may have gone over to another row before this one leaves. */
static void name_drop(struct dir_image *im, const struct dir_row *row)
{
	struct name_key k;
	slice_t name = name_of(&k, row);

	if (name.n > 0 && map_get(&im->names, name) == row)
		map_del(&im->names, name);
}

static void name_add(struct dir_image *im, struct dir_row *row)
{
	struct name_key k;
	slice_t name = name_of(&k, row);

	if (name.n > 0)
		map_put(&im->names, name, row);
}

/* ---- rows ---- */

slice_t dir_image_get(const struct dir_image *im, slice_t key)
{
	const struct dir_row *row = map_get(&im->rows, key);

	return row != NULL ? dir_row_value(row) : SLICE_NONE;
}

/* by: 1 of a new one, UINT64_MAX of one that goes. */
static void count(struct dir_image *im, struct dir_row *row, uint64_t by)
{
	struct dir_route route;

	if (row->bytes[0] == DIR_K_ACCOUNT)
		im->accounts += by;
	if (row->bytes[0] == DIR_K_ADDRESS)
		im->addresses += by;
	if (row->bytes[0] != DIR_K_ROUTE)
		return;
	im->routes += by;
	invariant(dir_rec_route(value_of(row), &route));
	im->asked_routes += route.etrn.n != 0 ? by : 0;
	if (route.atrn == 0)
		return;
	if (by == 1)
		list_put(&im->fetched, row, false);
	else
		list_del(&im->fetched, key_of(row));
}

void dir_image_put(struct dir_image *im, slice_t key, slice_t value)
{
	struct dir_row *row, *old;
	struct dir_list *l = list_of(im, key.p[0]);

	invariant(key.n <= DIR_REC_KEY_MAX && value.n <= DIR_KV_VALUE_MAX);
	row = xmalloc(sizeof(*row) + key.n + value.n);
	row->key_n = (uint16_t)key.n;
	row->value_n = (uint32_t)value.n;
	row->round = im->round;
	memcpy(row->bytes, key.p, key.n);
	memcpy(row->bytes + key.n, value.p, value.n);
	old = map_put(&im->rows, key_of(row), row);
	if (l != NULL)
		list_put(l, row, old != NULL);
	if (old != NULL) {
		name_drop(im, old);
		count(im, old, UINT64_MAX);
		xfree(&old);
	}
	count(im, row, 1);
	name_add(im, row);
}

void dir_image_del(struct dir_image *im, slice_t key)
{
	struct dir_row *row = map_get(&im->rows, key);
	struct dir_list *l = list_of(im, key.p[0]);

	if (row == NULL)
		return;
	if (l != NULL)
		list_del(l, key);
	name_drop(im, row);
	count(im, row, UINT64_MAX);
	map_del(&im->rows, key);
	xfree(&row);
}

bool dir_image_next(const struct dir_image *im, struct map_iter *it, slice_t *key, slice_t *value)
{
	void *v;

	if (!map_next(&im->rows, it, NULL, &v))
		return false;
	*key = dir_row_key(v);
	*value = dir_row_value(v);
	return true;
}

void dir_image_begin(struct dir_image *im)
{
	im->round++;
}

void dir_image_keep(struct dir_image *im, slice_t key)
{
	struct dir_row *row = map_get(&im->rows, key);

	if (row != NULL)
		row->round = im->round;
}

bool dir_image_stale(const struct dir_image *im, struct map_iter *it, slice_t *key)
{
	void *v;

	while (map_next(&im->rows, it, NULL, &v)) {
		const struct dir_row *row = v;

		*key = dir_row_key(row);
		if (row->round != im->round)
			return true;
	}
	return false;
}

bool dir_image_domain(const struct dir_image *im, slice_t name, uint64_t *id_out,
		      struct dir_rec_domain *out)
{
	struct name_key k;
	const struct dir_row *row = map_get(&im->names, name_domain(&k, name));

	if (row == NULL)
		return false;
	if (id_out != NULL)
		*id_out = dir_key_id(key_of(row));
	invariant(dir_rec_domain(dir_row_value(row), out));
	return true;
}

bool dir_image_domain_id(const struct dir_image *im, uint64_t id, struct dir_rec_domain *out)
{
	struct dir_key k;
	slice_t v = dir_image_get(im, dir_key_u64(&k, DIR_K_DOMAIN, id));

	if (v.p == NULL)
		return false;
	invariant(dir_rec_domain(v, out));
	return true;
}

bool dir_image_address(const struct dir_image *im, uint64_t domain, slice_t local,
		       struct dir_rec_address *out)
{
	struct name_key k;
	const struct dir_row *row = map_get(&im->names, name_address(&k, domain, local));

	if (row == NULL)
		return false;
	invariant(dir_rec_address(dir_row_value(row), out));
	return true;
}

bool dir_image_route(const struct dir_image *im, slice_t domain, slice_t sender,
		     struct dir_route *out)
{
	struct name_key k;
	const struct dir_row *row = map_get(&im->names, name_route(&k, domain, sender));

	if (row == NULL)
		return false;
	invariant(dir_rec_route(dir_row_value(row), out));
	out->id = dir_key_id(key_of(row));
	return true;
}

bool dir_image_route_id(const struct dir_image *im, uint64_t id, struct dir_route *out)
{
	struct dir_key k;
	slice_t v = dir_image_get(im, dir_key_u64(&k, DIR_K_ROUTE, id));

	if (v.p == NULL)
		return false;
	invariant(dir_rec_route(v, out));
	out->id = id;
	return true;
}

bool dir_image_right(const struct dir_image *im, uint64_t owner, uint64_t user,
		     struct dir_rec_right *out)
{
	struct name_key k;
	const struct dir_row *row = map_get(&im->names, name_right(&k, owner, user));

	if (row == NULL)
		return false;
	invariant(dir_rec_right(dir_row_value(row), out));
	return true;
}

bool dir_image_account(const struct dir_image *im, uint64_t id, struct dir_rec_account *out)
{
	struct dir_key k;
	slice_t v = dir_image_get(im, dir_key_u64(&k, DIR_K_ACCOUNT, id));

	if (v.p == NULL)
		return false;
	invariant(dir_rec_account(v, out));
	return true;
}
