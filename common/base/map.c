#include "common/base/map.h"

#include <pthread.h>
#include <sodium.h>

struct map_node {
	struct map_node *next;
	uint64_t hash;
	void *value;
	size_t n;
	char key[];
};

#define MAP_FIRST 16

static unsigned char hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_setup(void)
{
	invariant(sodium_init() >= 0);
	randombytes_buf(hash_key, sizeof hash_key);
}

uint64_t map_hash(slice_t key)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t h;

	pthread_once(&hash_once, hash_setup);
	crypto_shorthash(out, (const unsigned char *)(key.n != 0 ? key.p : ""), key.n, hash_key);
	memcpy(&h, out, sizeof h);
	return h;
}

void map_init(struct map *m)
{
	*m = (struct map){0};
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->nslots; i++) {
		while (m->slots[i] != NULL) {
			struct map_node *n = m->slots[i];

			m->slots[i] = n->next;
			xfree(&n);
		}
	}
	xfree(&m->slots);
	map_init(m);
}

/* The link that points to key's node, or the NULL link where it would go. */
static struct map_node **map_find(const struct map *m, slice_t key, uint64_t hash)
{
	struct map_node **at = &m->slots[hash & (m->nslots - 1)];

	while (*at != NULL) {
		if ((*at)->hash == hash && slice_eq(slice((*at)->key, (*at)->n), key))
			break;
		at = &(*at)->next;
	}
	return at;
}

static void map_resize(struct map *m, size_t nslots)
{
	struct map_node **slots = xcalloc(nslots, sizeof *slots);

	for (size_t i = 0; i < m->nslots; i++) {
		while (m->slots[i] != NULL) {
			struct map_node *n = m->slots[i];

			m->slots[i] = n->next;
			n->next = slots[n->hash & (nslots - 1)];
			slots[n->hash & (nslots - 1)] = n;
		}
	}
	xfree(&m->slots);
	m->slots = slots;
	m->nslots = nslots;
}

void *map_get(const struct map *m, slice_t key)
{
	struct map_node *n;

	if (m->count == 0)
		return NULL;
	n = *map_find(m, key, map_hash(key));
	return n != NULL ? n->value : NULL;
}

void *map_put(struct map *m, slice_t key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_node **at, *n;

	invariant(value != NULL);
	if (m->count >= m->nslots)
		map_resize(m, m->nslots != 0 ? m->nslots * 2 : MAP_FIRST);
	at = map_find(m, key, hash);
	if (*at != NULL) {
		void *old = (*at)->value;

		(*at)->value = value;
		return old;
	}
	n = xmalloc(sizeof *n + key.n);
	*n = (struct map_node){.hash = hash, .value = value, .n = key.n};
	if (key.n != 0)
		memcpy(n->key, key.p, key.n);
	*at = n;
	m->count++;
	return NULL;
}

void *map_del(struct map *m, slice_t key)
{
	struct map_node **at, *n;
	void *value;

	if (m->count == 0)
		return NULL;
	at = map_find(m, key, map_hash(key));
	n = *at;
	if (n == NULL)
		return NULL;
	*at = n->next;
	value = n->value;
	xfree(&n);
	m->count--;
	return value;
}

bool map_next(const struct map *m, struct map_iter *it, slice_t *key_out, void **value_out)
{
	struct map_node *n = it->next;

	while (n == NULL) {
		if (it->slot >= m->nslots)
			return false;
		n = m->slots[it->slot++];
	}
	it->next = n->next;
	if (key_out != NULL)
		*key_out = slice(n->key, n->n);
	*value_out = n->value;
	return true;
}
