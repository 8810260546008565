#include "backend/auth/proof.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/num.h"
#include "common/crypto/random.h"
#include "common/crypto/secret.h"

struct entry {
	struct list node; /* by expiry, which is by birth */
	uint8_t key[8];   /* account, big-endian */
	uint32_t epoch;
	int64_t expires_ms;
	bool has_password, has_scram;
	uint8_t password[SHA256_LEN];
	struct scram_verifier scram;
};

struct proofs {
	uint8_t hmac_key[SHA256_LEN];
	struct map map;
	struct list order;
};

struct proofs *proofs_new(void)
{
	struct proofs *p = xcalloc(1, sizeof(*p));

	random_bytes(p->hmac_key, sizeof(p->hmac_key));
	map_init(&p->map);
	list_init(&p->order);
	return p;
}

static void drop(struct proofs *p, struct entry *x)
{
	map_del(&p->map, slice(x->key, sizeof(x->key)));
	list_remove(&x->node);
	secret_wipe(x, sizeof(*x));
	xfree(&x);
}

void proofs_free(struct proofs **pp)
{
	struct proofs *p = *pp;

	if (p == NULL)
		return;
	while (!list_empty(&p->order))
		drop(p, list_entry(p->order.next, struct entry, node));
	map_fini(&p->map);
	secret_wipe(p, sizeof(*p));
	xfree(pp);
}

size_t proof_count(const struct proofs *p)
{
	return p->map.count;
}

/* HMAC over a first part and the password, with nothing of either left behind. */
static void keyed(const struct proofs *p, slice_t first, slice_t password, uint8_t out[SHA256_LEN])
{
	uint8_t inner[SHA256_LEN];

	hmac_sha256(slice(p->hmac_key, sizeof(p->hmac_key)), first, inner);
	hmac_sha256(slice(inner, sizeof(inner)), password, out);
	secret_wipe(inner, sizeof(inner));
}

static struct entry *find(struct proofs *p, uint64_t account)
{
	uint8_t key[8];

	/* The oldest first: what is past its time goes, without a timer. */
	while (!list_empty(&p->order)) {
		struct entry *x = list_entry(p->order.next, struct entry, node);

		if (clock_mono_ms() < x->expires_ms)
			break;
		drop(p, x);
	}
	be64_put(key, account);
	return map_get(&p->map, slice(key, sizeof(key)));
}

bool proof_has_password(struct proofs *p, uint64_t account, uint32_t epoch, slice_t password)
{
	const struct entry *x = find(p, account);
	uint8_t id[8], mac[SHA256_LEN];
	bool good;

	if (x == NULL || x->epoch != epoch || !x->has_password)
		return false;
	be64_put(id, account);
	keyed(p, slice(id, sizeof(id)), password, mac);
	good = secret_eq(slice(mac, sizeof(mac)), slice(x->password, sizeof(x->password)));
	secret_wipe(mac, sizeof(mac));
	return good;
}

bool proof_get_scram(struct proofs *p, uint64_t account, uint32_t epoch, struct scram_verifier *out)
{
	const struct entry *x = find(p, account);

	if (x == NULL || x->epoch != epoch || !x->has_scram)
		return false;
	*out = x->scram;
	return true;
}

static struct entry *make(struct proofs *p, uint64_t account, uint32_t epoch)
{
	struct entry *x = find(p, account);

	if (x != NULL && x->epoch == epoch)
		return x;
	if (x != NULL)
		drop(p, x);
	if (p->map.count >= PROOF_ENTRIES)
		drop(p, list_entry(p->order.next, struct entry, node));
	x = xcalloc(1, sizeof(*x));
	be64_put(x->key, account);
	x->epoch = epoch;
	x->expires_ms = clock_mono_ms() + PROOF_MS;
	map_put(&p->map, slice(x->key, sizeof(x->key)), x);
	list_append(&p->order, &x->node);
	return x;
}

void proof_put_password(struct proofs *p, uint64_t account, uint32_t epoch, slice_t password)
{
	struct entry *x = make(p, account, epoch);

	keyed(p, slice(x->key, sizeof(x->key)), password, x->password);
	x->has_password = true;
}

void proof_put_scram(struct proofs *p, uint64_t account, uint32_t epoch,
		     const struct scram_verifier *v)
{
	struct entry *x = make(p, account, epoch);

	x->scram = *v;
	x->has_scram = true;
}

void proof_forget(struct proofs *p, uint64_t account)
{
	struct entry *x = find(p, account);

	if (x != NULL)
		drop(p, x);
}

uint64_t proof_tag(const struct proofs *p, slice_t name, slice_t password)
{
	uint8_t mac[SHA256_LEN];
	uint64_t tag;

	keyed(p, name, password, mac);
	tag = be64_get(mac);
	secret_wipe(mac, sizeof(mac));
	return tag != 0 ? tag : 1;
}
