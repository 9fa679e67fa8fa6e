/* Open addressing with linear probing and backward-shift deletion (Knuth 6.4, algorithm R).
 * Text keys are hashed with the process key, so a stranger cannot choose collisions. */
#include "base/map.h"

#include <stdlib.h>

#include "base/hash.h"

enum { MAP_FIRST_SLOTS = 16 };

void map_init(struct map *m, uint32_t max)
{
	*m = (struct map){ .max = max };
}

void map_free(struct map *m)
{
	free(m->slots);
	map_init(m, m->max);
}

static uint64_t text_hash(struct span key)
{
	return hash_keyed(key) | 1;
}

static uint64_t number_hash(uint64_t key)
{
	/* hash_mix is a bijection of `key` for a fixed first argument, so distinct numbers differ
	 * in 64 bits; the low bit is spent on "not free", which leaves the comparison to `key`. */
	return hash_mix(0, key) | 1;
}

struct probe {
	uint64_t hash;
	struct span key;
};

/* A number is kept as a span with a NULL pointer and the number as its length. */
static struct span number_key(uint64_t key)
{
	return (struct span){ NULL, (size_t)key };
}

static bool same(const struct map_slot *s, const struct probe *q)
{
	if (s->hash != q->hash || s->key.n != q->key.n)
		return false;
	if (!s->key.p || !q->key.p)
		return s->key.p == q->key.p;
	return memcmp(s->key.p, q->key.p, q->key.n) == 0;
}

/* The slot that holds the key, or the free slot where it would go; the map has slots. */
static struct map_slot *locate(const struct map *m, const struct probe *q)
{
	uint32_t mask = m->cap - 1;
	for (uint32_t i = (uint32_t)(q->hash >> 1) & mask;; i = (i + 1) & mask) {
		struct map_slot *s = &m->slots[i];
		if (s->hash == 0 || same(s, q))
			return s;
	}
}

static int grow(struct map *m)
{
	uint32_t cap = m->cap ? m->cap * 2 : MAP_FIRST_SLOTS;
	struct map bigger = { .cap = cap, .count = m->count, .max = m->max };
	bigger.slots = calloc(cap, sizeof *bigger.slots);
	if (!bigger.slots)
		return -PS_ENOMEM;
	for (uint32_t i = 0; i < m->cap; i++) {
		struct map_slot *s = &m->slots[i];
		if (s->hash)
			*locate(&bigger, &(struct probe){ s->hash, s->key }) = *s;
	}
	free(m->slots);
	*m = bigger;
	return 0;
}

static void *find(const struct map *m, struct probe q)
{
	return m->cap ? locate(m, &q)->value : NULL;
}

static int put(struct map *m, struct probe q, void *value)
{
	struct map_slot *s = m->cap ? locate(m, &q) : NULL;
	if (!s || s->hash == 0) {
		if (m->count >= m->max)
			return -PS_ETOOBIG;
		if (!s || (uint64_t)(m->count + 1) * 4 > (uint64_t)m->cap * 3) {
			int r = grow(m);
			if (r < 0)
				return r;
			s = locate(m, &q);
		}
		m->count++;
	}
	*s = (struct map_slot){ q.hash, q.key, value };
	return 0;
}

static void *take(struct map *m, struct probe q)
{
	struct map_slot *s = m->cap ? locate(m, &q) : NULL;
	if (!s || s->hash == 0)
		return NULL;
	void *value = s->value;
	uint32_t mask = m->cap - 1, hole = (uint32_t)(s - m->slots);
	for (uint32_t i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
		uint32_t home = (uint32_t)(m->slots[i].hash >> 1) & mask;
		/* It may move back only if its home is not between the hole and itself. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){ 0 };
	m->count--;
	return value;
}

void *map_find(const struct map *m, struct span key)
{
	return find(m, (struct probe){ text_hash(key), key.p ? key : SPAN("") });
}

int map_put(struct map *m, struct span key, void *value)
{
	return put(m, (struct probe){ text_hash(key), key.p ? key : SPAN("") }, value);
}

void *map_take(struct map *m, struct span key)
{
	return take(m, (struct probe){ text_hash(key), key.p ? key : SPAN("") });
}

void *map_find_u64(const struct map *m, uint64_t key)
{
	return find(m, (struct probe){ number_hash(key), number_key(key) });
}

int map_put_u64(struct map *m, uint64_t key, void *value)
{
	return put(m, (struct probe){ number_hash(key), number_key(key) }, value);
}

void *map_take_u64(struct map *m, uint64_t key)
{
	return take(m, (struct probe){ number_hash(key), number_key(key) });
}

const struct map_slot *map_next_slot(const struct map *m, uint32_t *i)
{
	while (*i < m->cap) {
		const struct map_slot *s = &m->slots[(*i)++];
		if (s->hash)
			return s;
	}
	return NULL;
}

void *map_next(const struct map *m, uint32_t *i)
{
	const struct map_slot *s = map_next_slot(m, i);
	return s ? s->value : NULL;
}
