#include "backend/store/thread.h"
#include "backend/store/tab.h"

static void hash_add(struct op_add *add, slice_t id)
{
	uint64_t h;

	if (id.n == 0 || add->nhashes == EMAIL_HASHES_MAX)
		return;
	h = rec_hash(id);
	for (uint32_t i = 0; i < add->nhashes; i++) {
		if (add->hashes[i] == h)
			return;
	}
	add->hashes[add->nhashes++] = h;
}

/* Newest reference first: the parent is the best guess. */
static void hashes_of(struct row_detail *detail, struct op_add *add)
{
	slice_t refs[SUMMARY_REFERENCES_MAX];
	uint32_t n = detail->nreferences;

	for (uint32_t i = 0; i < n; i++)
		refs[i] = rec_rbytes(&detail->references);
	add->nhashes = 0;
	if (n > 0)
		hash_add(add, refs[n - 1]);
	if (n > 1)
		hash_add(add, refs[n - 2]);
	if (n > 2)
		hash_add(add, refs[0]);
	hash_add(add, detail->message_id);
}

enum err thread_find(struct kv_txn *t, uint64_t account, uint64_t record, struct op_add *add)
{
	struct row_detail detail;
	struct row_thread row;
	struct rec_key k;
	slice_t v;
	enum err e;

	key_id(&k, record);
	e = kv_get(t, T_DETAIL, rec_key(&k), &v);
	if (e != E_OK || row_detail_decode(v, &detail) != E_OK)
		return tab_corrupt("detail", record, 0);
	hashes_of(&detail, add);
	add->thread = add->email;
	for (uint32_t i = 0; i < add->nhashes; i++) {
		key_pair(&k, account, add->hashes[i]);
		e = kv_get(t, T_THREAD, rec_key(&k), &v);
		if (e == E_NOT_FOUND)
			continue;
		if (e != E_OK || row_thread_decode(v, &row) != E_OK)
			return e != E_OK ? e : tab_corrupt("thread", account, add->hashes[i]);
		add->thread = row.thread;
		return E_OK;
	}
	return E_OK;
}
