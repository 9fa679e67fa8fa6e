/* Cells by hash, and their holders. On a worker, under a shard's lock (prefix.c).
 *
 * Open addressing over buckets of four: a bucket's hashes are compared at once, without a branch, because a walk from
 * cell to cell is mispredicted for every other block, and that costs more than memory that was prefetched. Up to four
 * holders stand in the cell; more in a list behind it, with a set that look-ups take as it is. */
#include <stdlib.h>

#include "pool/prefix_cells.h"

enum {
	BUCKETS_FIRST = 2,
	WIDE_FIRST = 8,
};

static void account(_Atomic uint64_t *bytes, int64_t more)
{
	atomic_fetch_add_explicit(bytes, (uint64_t)more, memory_order_relaxed);
}

static bool wide_has(const struct wide *w, uint32_t slot)
{
	return slot / 64 < w->words && (w->set[slot / 64] >> (slot % 64) & 1);
}

/* How many of the holders have a lower slot: the place of its node. */
static uint32_t wide_rank(const struct wide *w, uint32_t slot)
{
	uint32_t rank = 0;
	for (uint32_t i = 0; i < slot / 64; i++)
		rank += (uint32_t)__builtin_popcountll(w->set[i]);
	return rank + (uint32_t)__builtin_popcountll(w->set[slot / 64] & ((UINT64_C(1) << (slot % 64)) - 1));
}

static void wide_add(struct wide *w, uint32_t slot, uint32_t node)
{
	uint32_t at = wide_rank(w, slot);
	memmove(&w->node[at + 1], &w->node[at], (w->count - at) * sizeof w->node[0]);
	w->node[at] = node;
	w->count++;
	w->set[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void wide_remove(struct wide *w, uint32_t slot)
{
	uint32_t at = wide_rank(w, slot);
	w->count--;
	memmove(&w->node[at], &w->node[at + 1], (w->count - at) * sizeof w->node[0]);
	w->set[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

static size_t wide_bytes(uint32_t words, uint32_t cap)
{
	return sizeof(struct wide) + words * sizeof(uint64_t) + cap * sizeof(uint32_t);
}

/* A larger list with the same holders. */
static struct wide *wide_new(_Atomic uint64_t *bytes, const struct cell *c, uint32_t words, uint32_t cap)
{
	struct wide *w = calloc(1, wide_bytes(words, cap));
	if (!w)
		return NULL;
	w->cap = cap;
	w->words = words;
	w->node = (uint32_t *)(void *)&w->set[words];
	account(bytes, (int64_t)wide_bytes(words, cap));
	for (int i = 0; i < NARROW && !cell_is_wide(c); i++)
		wide_add(w, c->slot[i] - 1U, c->node[i]);
	if (cell_is_wide(c)) {
		w->count = c->wide->count;
		memcpy(w->set, c->wide->set, c->wide->words * sizeof w->set[0]);
		memcpy(w->node, c->wide->node, w->count * sizeof w->node[0]);
	}
	return w;
}

static void wide_free(_Atomic uint64_t *bytes, struct wide *w)
{
	account(bytes, -(int64_t)wide_bytes(w->words, w->cap));
	free(w);
}

/* Makes room for one more holder in a list, which is made when there is none. */
static int widen(_Atomic uint64_t *bytes, struct cell *c, uint32_t slot)
{
	uint32_t words = slot / 64 + 1, cap = WIDE_FIRST;
	for (int i = 0; i < NARROW && !cell_is_wide(c); i++)
		words = (c->slot[i] - 1U) / 64 + 1 > words ? (c->slot[i] - 1U) / 64 + 1 : words;
	if (cell_is_wide(c)) {
		if (c->wide->count < c->wide->cap && words <= c->wide->words)
			return 0;
		words = c->wide->words > words ? c->wide->words : words;
		cap = c->wide->count < c->wide->cap ? c->wide->cap : c->wide->cap * 2;
	}
	struct wide *w = wide_new(bytes, c, words, cap);
	if (!w)
		return -PS_ENOMEM;
	if (cell_is_wide(c))
		wide_free(bytes, c->wide);
	c->slot[0] = CELL_WIDE;
	c->wide = w;
	return 0;
}

/* A replica's place in a narrow cell, or that of the first free entry, or NARROW. */
static uint32_t narrow_at(const struct cell *c, uint32_t slot)
{
	uint32_t at = 0;
	while (at < NARROW && c->slot[at] && c->slot[at] != slot + 1)
		at++;
	return at;
}

uint32_t cell_node(const struct cell *c, uint32_t slot)
{
	if (cell_is_wide(c))
		return wide_has(c->wide, slot) ? c->wide->node[wide_rank(c->wide, slot)] : 0;
	uint32_t at = narrow_at(c, slot);
	return at < NARROW && c->slot[at] ? c->node[at] : 0;
}

int cell_add(_Atomic uint64_t *bytes, struct cell *c, uint32_t slot, uint32_t node)
{
	uint32_t at = cell_is_wide(c) ? NARROW : narrow_at(c, slot);
	if (at < NARROW) {
		c->slot[at] = (uint16_t)(slot + 1);
		c->node[at] = node;
		return 0;
	}
	int r = widen(bytes, c, slot);
	if (r == 0)
		wide_add(c->wide, slot, node);
	return r;
}

void cell_drop(struct cell *c, uint32_t slot)
{
	if (cell_is_wide(c)) {
		if (wide_has(c->wide, slot))
			wide_remove(c->wide, slot);
		return;
	}
	uint32_t at = narrow_at(c, slot), last = NARROW - 1;
	while (last > at && c->slot[last] == 0)
		last--;
	if (at < NARROW && c->slot[at]) {
		c->slot[at] = c->slot[last];
		c->node[at] = c->node[last];
		c->slot[last] = 0;
	}
}

bool cell_is_held(const struct cell *c)
{
	return cell_is_wide(c) ? c->wide->count > 0 : c->slot[0] != 0;
}

static struct bucket *buckets_of(const struct table *t)
{
	return atomic_load_explicit(&t->buckets, memory_order_relaxed);
}

static uint32_t mask_of(const struct table *t)
{
	return atomic_load_explicit(&t->mask, memory_order_relaxed);
}

/* The cells of a bucket with this hash, as bits; 0 finds the free ones. Without a branch: which of the four it is
 * nobody can predict. */
static uint32_t ways_with(const struct bucket *b, uint64_t hash)
{
	return (uint32_t)(b->hash[0] == hash) | (uint32_t)(b->hash[1] == hash) << 1 |
	       (uint32_t)(b->hash[2] == hash) << 2 | (uint32_t)(b->hash[3] == hash) << 3;
}

struct cell *cells_find(const struct table *t, uint64_t hash)
{
	struct bucket *buckets = buckets_of(t), *b;
	uint32_t mask = mask_of(t), ways;
	if (!buckets)
		return NULL;
	for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
		b = &buckets[i];
		if ((ways = ways_with(b, hash)) != 0)
			return &b->cell[__builtin_ctz(ways)];
		if (ways_with(b, 0) != 0)
			return NULL;
	}
}

/* Takes a free cell for a hash that has none. There is a free one. */
static struct cell *take_free(struct table *t, uint64_t hash)
{
	struct bucket *buckets = buckets_of(t);
	uint32_t mask = mask_of(t), i = (uint32_t)hash & mask, ways;
	while ((ways = ways_with(&buckets[i], 0)) == 0)
		i = (i + 1) & mask;
	buckets[i].hash[__builtin_ctz(ways)] = hash;
	return &buckets[i].cell[__builtin_ctz(ways)];
}

static int grow(_Atomic uint64_t *bytes, struct table *t)
{
	struct bucket *before = buckets_of(t);
	uint32_t old = before ? mask_of(t) + 1 : 0, size = old ? old * 2 : BUCKETS_FIRST;
	struct bucket *buckets = aligned_alloc(sizeof *buckets, size * sizeof *buckets);
	if (!buckets)
		return -PS_ENOMEM;
	memset(buckets, 0, size * sizeof *buckets);
	atomic_store_explicit(&t->buckets, buckets, memory_order_relaxed);
	atomic_store_explicit(&t->mask, size - 1, memory_order_relaxed);
	for (uint32_t i = 0; i < old * WAYS; i++)
		if (before[i / WAYS].hash[i % WAYS])
			*take_free(t, before[i / WAYS].hash[i % WAYS]) = before[i / WAYS].cell[i % WAYS];
	account(bytes, (int64_t)(size - old) * (int64_t)sizeof *buckets);
	free(before);
	return 0;
}

struct cell *cells_make(_Atomic uint64_t *bytes, struct table *t, uint64_t hash)
{
	struct cell *c = cells_find(t, hash);
	if (c)
		return c;
	if (!buckets_of(t) || (uint64_t)(t->used + 1) * 4 > ((uint64_t)mask_of(t) + 1) * WAYS * 3) {
		if (grow(bytes, t) < 0)
			return NULL;
	}
	t->used++;
	return take_free(t, hash);
}

/* A cell of bucket j that may stand in bucket hole, before it, or WAYS. */
static uint32_t movable(const struct bucket *b, uint32_t j, uint32_t hole, uint32_t mask)
{
	uint32_t k = 0;
	while (k < WAYS && (b->hash[k] == 0 || ((j - (uint32_t)b->hash[k]) & mask) < ((j - hole) & mask)))
		k++;
	return k;
}

/* No tombstones: a full bucket that gets a hole takes a block from behind that passed it on its way (Knuth 6.4,
 * algorithm R, by buckets). Most are not full, and nothing moves. */
void cells_remove(_Atomic uint64_t *bytes, struct table *t, struct cell *c)
{
	if (cell_is_wide(c))
		wide_free(bytes, c->wide);
	struct bucket *buckets = buckets_of(t);
	uint32_t mask = mask_of(t), hole = (uint32_t)(((uintptr_t)c - (uintptr_t)buckets) / sizeof *buckets);
	uint32_t way = (uint32_t)(c - buckets[hole].cell);
	bool full = ways_with(&buckets[hole], 0) == 0;
	for (uint32_t j = (hole + 1) & mask; full; j = (j + 1) & mask) {
		struct bucket *b = &buckets[j];
		uint32_t k = movable(b, j, hole, mask);
		full = ways_with(b, 0) == 0;
		if (k == WAYS)
			continue;
		buckets[hole].hash[way] = b->hash[k];
		buckets[hole].cell[way] = b->cell[k];
		hole = j;
		way = k;
	}
	buckets[hole].hash[way] = 0;
	buckets[hole].cell[way] = (struct cell){ 0 };
	t->used--;
}

void cells_free(struct table *t)
{
	struct bucket *buckets = buckets_of(t);
	for (uint32_t i = 0; buckets && i < (mask_of(t) + 1) * WAYS; i++)
		if (buckets[i / WAYS].hash[i % WAYS] && cell_is_wide(&buckets[i / WAYS].cell[i % WAYS]))
			free(buckets[i / WAYS].cell[i % WAYS].wide);
	free(buckets);
}
