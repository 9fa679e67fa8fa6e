/* The prefix index: which replica is believed to cache which blocks of which prompts. Read on a worker before every
 * pick, written after every dispatch; never under the pool's lock.
 *
 * A block hash is chained: it stands for the whole prompt up to it. The index is a set of (block, replica) pairs, seen
 * from two sides:
 *
 *   shards[hash]: cells, open addressing       lru[slot]: nodes, an LRU list of its blocks
 *   ┌──────────┬────────────┬─────────────┐    ┌──────────┬──────────────────────┐
 *   │ hash  8  │ slot[4]  8 │ node[4]  16 │───▶│ hash  8  │ prev, next, stamp  8 │   as many as its own cache has
 *   └──────────┴────────────┴─────────────┘    └──────────┴──────────────────────┘
 *        more than four replicas: `wide` points to a list and a bit set instead
 *
 * 32 bytes a cell at a load between 3/8 and 3/4, 16 a node: 59 to 101 bytes for a block held by one replica, 24 to 32
 * for each further one.
 *
 * A chain is touched from its last block to its first. So of two blocks of a chain the earlier is always the more
 * recently used, an LRU evicts tails before heads (as engines do), and what a replica holds of a chain is a prefix of
 * it. That is what lets a look-up search for the ends by bisection, on sets of replicas: some 10 cells for 512 blocks
 * instead of 512.
 *
 * Recency is kept to a sixteenth of a replica's cache: a chain whose last block was touched within so many insertions
 * is left where it is, so that prompts that come again and again cost one look-up each.
 *
 * Locks: a stripe of `lru` for writers, then one shard at a time. Readers take shards only. */
#include <stdlib.h>

#include "pool/private.h"

enum {
	SHARDS = 256,
	STRIPES = 64,
	CELLS_FIRST = 16,
	NODES_FIRST = 256,
	WIDE_FIRST = 8,
	NARROW = 4,
	AHEAD = 6,		/* blocks whose cells are prefetched (tried: 4 to 8 are alike) */
	SLICE = 256,		/* blocks added or dropped in one hold of a stripe */
	FRESH_SHARE = 16,	/* a chain touched within capacity / FRESH_SHARE insertions is not moved */
	CELL_WIDE = UINT16_MAX, /* in slot[0]: the holders are in a list */
	INDEX_BITS = 21,	/* of a node: PREFIX_REPLICA_BLOCKS_MAX and one */
	INDEX_MASK = (1 << INDEX_BITS) - 1,
	STAMP_MASK = (1 << (64 - 2 * INDEX_BITS)) - 1,
};

/* One block and who holds it. slot values are one higher than the slot, so that zero is empty. */
struct cell {
	uint64_t hash; /* 0: free */
	uint16_t slot[NARROW];
	union {
		uint32_t node[NARROW];
		struct wide *wide;
	};
};
_Static_assert(sizeof(struct cell) == 32, "two cells to a cache line");

struct holder {
	uint32_t slot, node;
};

/* The set is as large as the highest slot in it needs; the list carries the nodes. One allocation. */
struct wide {
	uint32_t count, cap;
	uint32_t words;
	struct holder *holders; /* behind the set */
	uint64_t set[];
};

/* A part of the cells, chosen by hash. `lock` guards the rest; it is the last lock taken. */
struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct cell *cells;
	uint32_t mask; /* cells - 1; 0 while there are none */
	uint32_t used;
	/* Copies of cells and mask for prefetch(), which reads them without the lock and dereferences nothing: relaxed
	 * is enough. */
	_Atomic(struct cell *) hint;
	_Atomic uint32_t hint_mask;
};

struct node {
	uint64_t hash;
	uint64_t prev : INDEX_BITS;	      /* 0: none */
	uint64_t next : INDEX_BITS;	      /* 0: none; the free list's link too */
	uint64_t stamp : 64 - 2 * INDEX_BITS; /* lru.inserted when it was touched, cut */
};
_Static_assert(sizeof(struct node) == 16, "a node is a hash and its links");
_Static_assert((int)PREFIX_REPLICA_BLOCKS_MAX < (int)INDEX_MASK, "a node's number fits its links");

/* The blocks of one replica, most recent first. Zeroed is empty. Guarded by stripes[slot % STRIPES]. */
struct lru {
	struct node *nodes; /* [0] is not used */
	uint32_t allocated; /* entries of nodes */
	uint32_t fresh;	    /* nodes below this were used before */
	uint32_t free;	    /* first free one, or 0 */
	uint32_t first, last;
	uint32_t count;
	uint32_t capacity; /* 0: PREFIX_REPLICA_BLOCKS */
	uint32_t inserted; /* blocks ever, modulo 2^32: the clock of the stamps */
};

struct stripe {
	_Alignas(64) pthread_mutex_t lock;
};

struct prefix_index {
	struct shard shards[SHARDS];
	struct stripe stripes[STRIPES];
	struct lru lru[POOL_REPLICAS_MAX];
	_Atomic uint64_t blocks; /* pairs. A statistic and a bound: it orders nothing, relaxed is enough */
	_Atomic uint64_t bytes;
	/* Of the sets that readers need, for the highest slot ever added to. Only grows; a reader that is late by one
	 * misses a replica whose first blocks are being added, so relaxed is enough. */
	_Atomic uint32_t words;
	uint64_t secret; /* a stranger who chooses prompts must not choose cells */
};

static void account(struct prefix_index *x, int64_t bytes)
{
	atomic_fetch_add_explicit(&x->bytes, (uint64_t)bytes, memory_order_relaxed);
}

/* ---- cells: everything here is under the shard's lock ---- */

static struct shard *shard_of(struct prefix_index *x, uint64_t hash)
{
	return &x->shards[hash >> 56];
}

/* The cell of a hash, or the free one where it would go. The shard has cells. */
static struct cell *cell_at(const struct shard *s, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & s->mask;
	while (s->cells[i].hash && s->cells[i].hash != hash)
		i = (i + 1) & s->mask;
	return &s->cells[i];
}

static struct cell *cell_find(const struct shard *s, uint64_t hash)
{
	struct cell *c = s->mask ? cell_at(s, hash) : NULL;
	return c && c->hash ? c : NULL;
}

static int shard_grow(struct prefix_index *x, struct shard *s)
{
	uint32_t old = s->mask ? s->mask + 1 : 0, size = old ? old * 2 : CELLS_FIRST;
	struct shard bigger = { .mask = size - 1 };
	bigger.cells = calloc(size, sizeof *bigger.cells);
	if (!bigger.cells)
		return -PS_ENOMEM;
	for (uint32_t i = 0; i < old; i++)
		if (s->cells[i].hash)
			*cell_at(&bigger, s->cells[i].hash) = s->cells[i];
	account(x, (int64_t)(size - old) * (int64_t)sizeof *s->cells);
	free(s->cells);
	s->cells = bigger.cells;
	s->mask = bigger.mask;
	atomic_store_explicit(&s->hint, s->cells, memory_order_relaxed);
	atomic_store_explicit(&s->hint_mask, s->mask, memory_order_relaxed);
	return 0;
}

/* Backward-shift deletion (Knuth 6.4, algorithm R): no tombstones. */
static void cell_remove(struct shard *s, struct cell *c)
{
	uint32_t hole = (uint32_t)(c - s->cells);
	for (uint32_t i = (hole + 1) & s->mask; s->cells[i].hash; i = (i + 1) & s->mask) {
		uint32_t home = (uint32_t)s->cells[i].hash & s->mask;
		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->cells[hole] = s->cells[i];
			hole = i;
		}
	}
	s->cells[hole] = (struct cell){ 0 };
	s->used--;
}

static bool is_wide(const struct cell *c)
{
	return c->slot[0] == CELL_WIDE;
}

static uint32_t holder_count(const struct cell *c)
{
	if (is_wide(c))
		return c->wide->count;
	uint32_t n = 0;
	while (n < NARROW && c->slot[n])
		n++;
	return n;
}

static uint32_t holder_slot(const struct cell *c, uint32_t at)
{
	return is_wide(c) ? c->wide->holders[at].slot : c->slot[at] - 1U;
}

static bool wide_has(const struct wide *w, uint32_t slot)
{
	return slot / 64 < w->words && (w->set[slot / 64] >> (slot % 64) & 1);
}

/* The place of a replica among the holders, or their number. */
static uint32_t holder_at(const struct cell *c, uint32_t slot)
{
	uint32_t n = holder_count(c), at = 0;
	if (is_wide(c) && !wide_has(c->wide, slot))
		return n;
	while (at < n && holder_slot(c, at) != slot)
		at++;
	return at;
}

static uint32_t holder_node(const struct cell *c, uint32_t at)
{
	return is_wide(c) ? c->wide->holders[at].node : c->node[at];
}

static size_t wide_bytes(uint32_t words, uint32_t cap)
{
	return sizeof(struct wide) + words * sizeof(uint64_t) + cap * sizeof(struct holder);
}

static void wide_add(struct wide *w, uint32_t slot, uint32_t node)
{
	w->holders[w->count++] = (struct holder){ slot, node };
	w->set[slot / 64] |= UINT64_C(1) << (slot % 64);
}

/* A larger list with the same holders. */
static struct wide *wide_new(struct prefix_index *x, const struct cell *c, uint32_t words, uint32_t cap)
{
	struct wide *w = calloc(1, wide_bytes(words, cap));
	if (!w)
		return NULL;
	w->cap = cap;
	w->words = words;
	w->holders = (struct holder *)(void *)&w->set[words];
	for (uint32_t i = 0, n = holder_count(c); i < n; i++)
		wide_add(w, holder_slot(c, i), holder_node(c, i));
	account(x, (int64_t)wide_bytes(words, cap));
	return w;
}

static void wide_free(struct prefix_index *x, struct wide *w)
{
	account(x, -(int64_t)wide_bytes(w->words, w->cap));
	free(w);
}

/* Makes room for one more holder in a list, which is made when there is none. */
static int widen(struct prefix_index *x, struct cell *c, uint32_t slot)
{
	uint32_t words = slot / 64 + 1, cap = WIDE_FIRST;
	for (int i = 0; i < NARROW && !is_wide(c); i++)
		words = c->slot[i] / 64U + 1 > words ? c->slot[i] / 64U + 1 : words;
	if (is_wide(c)) {
		if (c->wide->count < c->wide->cap && words <= c->wide->words)
			return 0;
		words = c->wide->words > words ? c->wide->words : words;
		cap = c->wide->count < c->wide->cap ? c->wide->cap : c->wide->cap * 2;
	}
	struct wide *w = wide_new(x, c, words, cap);
	if (!w)
		return -PS_ENOMEM;
	if (is_wide(c))
		wide_free(x, c->wide);
	c->slot[0] = CELL_WIDE;
	c->wide = w;
	return 0;
}

/* Adds a holder that is not there yet. */
static int holder_add(struct prefix_index *x, struct cell *c, uint32_t slot, uint32_t node)
{
	uint32_t n = holder_count(c);
	if (!is_wide(c) && n < NARROW) {
		c->slot[n] = (uint16_t)(slot + 1);
		c->node[n] = node;
		return 0;
	}
	int r = widen(x, c, slot);
	if (r == 0)
		wide_add(c->wide, slot, node);
	return r;
}

/* The last holder takes the place of the one that leaves. */
static void holder_remove(struct cell *c, uint32_t at)
{
	uint32_t last = holder_count(c) - 1;
	if (is_wide(c)) {
		struct wide *w = c->wide;
		w->set[w->holders[at].slot / 64] &= ~(UINT64_C(1) << (w->holders[at].slot % 64));
		w->holders[at] = w->holders[last];
		w->count--;
		return;
	}
	c->slot[at] = c->slot[last];
	c->node[at] = c->node[last];
	c->slot[last] = 0;
}

static void pair_remove(struct prefix_index *x, uint64_t hash, uint32_t slot)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	struct cell *c = cell_find(s, hash);
	uint32_t at = c ? holder_at(c, slot) : 0;
	if (c && at < holder_count(c))
		holder_remove(c, at);
	if (c && holder_count(c) == 0) {
		if (is_wide(c))
			wide_free(x, c->wide);
		cell_remove(s, c);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* The block's node in the replica's LRU, or 0. */
static uint32_t node_in(const struct shard *s, uint64_t hash, uint32_t slot)
{
	const struct cell *c = cell_find(s, hash);
	uint32_t at = c ? holder_at(c, slot) : 0;
	return c && at < holder_count(c) ? holder_node(c, at) : 0;
}

static uint32_t pair_node(struct prefix_index *x, uint64_t hash, uint32_t slot)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	uint32_t node = node_in(s, hash, slot);
	(void)pthread_mutex_unlock(&s->lock);
	return node;
}

static int pair_add(struct prefix_index *x, struct shard *s, uint64_t hash, uint32_t slot, uint32_t node)
{
	if ((uint64_t)(s->used + 1) * 4 > ((uint64_t)s->mask + 1) * 3 || s->mask == 0) {
		int r = shard_grow(x, s);
		if (r < 0)
			return r;
	}
	struct cell *c = cell_at(s, hash);
	if (c->hash == 0) {
		c->hash = hash;
		s->used++;
	}
	return holder_add(x, c, slot, node);
}

/* The block's node; `spare` when it was not there and is now, under that node; 0 without memory. */
static uint32_t pair_touch(struct prefix_index *x, uint64_t hash, uint32_t slot, uint32_t spare)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	uint32_t node = node_in(s, hash, slot);
	if (!node && spare && pair_add(x, s, hash, slot, spare) == 0)
		node = spare;
	(void)pthread_mutex_unlock(&s->lock);
	return node;
}

/* The cell will be wanted soon. Reads the table's place without the lock: an old one costs a useless prefetch, no more.
 */
static void prefetch(struct prefix_index *x, uint64_t hash)
{
	const struct shard *s = shard_of(x, hash);
	const struct cell *cells = atomic_load_explicit(&s->hint, memory_order_relaxed);
	uint32_t mask = atomic_load_explicit(&s->hint_mask, memory_order_relaxed);
	__builtin_prefetch((const void *)((uintptr_t)cells + ((uint32_t)hash & mask) * sizeof(struct cell)));
}

/* ---- one replica's LRU: everything here is under its stripe ---- */

static void lru_unlink(struct lru *l, uint32_t i)
{
	uint32_t prev = l->nodes[i].prev & INDEX_MASK, next = l->nodes[i].next & INDEX_MASK;
	if (prev)
		l->nodes[prev].next = next & INDEX_MASK;
	else
		l->first = next;
	if (next)
		l->nodes[next].prev = prev & INDEX_MASK;
	else
		l->last = prev;
}

static void lru_push_front(struct lru *l, uint32_t i)
{
	l->nodes[i].prev = 0;
	l->nodes[i].next = l->first & INDEX_MASK;
	l->nodes[i].stamp = l->inserted & STAMP_MASK;
	if (l->first)
		l->nodes[l->first].prev = i & INDEX_MASK;
	else
		l->last = i;
	l->first = i;
}

static uint32_t lru_capacity(const struct lru *l)
{
	return l->capacity ? l->capacity : PREFIX_REPLICA_BLOCKS;
}

static int lru_grow(struct prefix_index *x, struct lru *l)
{
	uint32_t size = l->allocated ? l->allocated * 2 : NODES_FIRST;
	if (size > lru_capacity(l) + 2 && lru_capacity(l) + 2 > l->allocated)
		size = lru_capacity(l) + 2;
	struct node *n = realloc(l->nodes, size * sizeof *n);
	if (!n)
		return -PS_ENOMEM;
	account(x, (int64_t)(size - l->allocated) * (int64_t)sizeof *n);
	if (l->fresh == 0)
		l->fresh = 1;
	l->nodes = n;
	l->allocated = size;
	return 0;
}

/* A node for one more block, or 0 without memory. */
static uint32_t lru_take_node(struct prefix_index *x, struct lru *l)
{
	uint32_t i = l->free;
	if (i) {
		l->free = l->nodes[i].next & INDEX_MASK;
		return i;
	}
	if (l->fresh >= l->allocated && lru_grow(x, l) < 0)
		return 0;
	return l->fresh++;
}

static void lru_give_node(struct lru *l, uint32_t i)
{
	l->nodes[i].next = l->free & INDEX_MASK;
	l->free = i;
}

static void evict(struct prefix_index *x, struct lru *l, uint32_t slot)
{
	uint32_t i = l->last;
	pair_remove(x, l->nodes[i].hash, slot);
	lru_unlink(l, i);
	lru_give_node(l, i);
	l->count--;
	atomic_fetch_sub_explicit(&x->blocks, 1, memory_order_relaxed);
	if (l->last)
		prefetch(x, l->nodes[l->last].hash); /* it will be the next */
}

static bool is_over(const struct prefix_index *x, const struct lru *l)
{
	return l->count > lru_capacity(l) ||
	       (l->count && atomic_load_explicit(&x->blocks, memory_order_relaxed) > PREFIX_POOL_BLOCKS_MAX);
}

static void insert(struct prefix_index *x, struct lru *l, uint32_t slot, uint32_t i, uint64_t hash)
{
	l->nodes[i].hash = hash;
	l->inserted++;
	lru_push_front(l, i);
	l->count++;
	atomic_fetch_add_explicit(&x->blocks, 1, memory_order_relaxed);
	if (is_over(x, l))
		evict(x, l, slot);
}

/* The block becomes the most recent one of the replica. False without memory. */
static bool touch(struct prefix_index *x, uint32_t slot, uint64_t hash)
{
	struct lru *l = &x->lru[slot];
	if (is_over(x, l))
		evict(x, l, slot); /* a capacity that shrank is reached over time */
	uint32_t spare = lru_take_node(x, l), i = pair_touch(x, hash, slot, spare);
	if (i && i == spare) {
		insert(x, l, slot, i, hash);
		return true;
	}
	if (spare)
		lru_give_node(l, spare);
	if (i) {
		lru_unlink(l, i);
		lru_push_front(l, i);
	}
	return i != 0;
}

/* Was the chain that ends in this block touched a short while ago? Then its earlier blocks were too. */
static bool is_fresh(struct prefix_index *x, uint32_t slot, uint64_t hash)
{
	const struct lru *l = &x->lru[slot];
	uint32_t i = pair_node(x, hash, slot);
	return i && ((l->inserted - l->nodes[i].stamp) & STAMP_MASK) < lru_capacity(l) / FRESH_SHARE;
}

/* ---- the door ---- */

/* The hash as the index knows it. Zero marks a free cell. */
static uint64_t key_of(const struct prefix_index *x, uint64_t hash)
{
	uint64_t key = hash_mix(x->secret, hash);
	return key ? key : 1;
}

static pthread_mutex_t *stripe_of(struct prefix_index *x, uint32_t slot)
{
	return &x->stripes[slot % STRIPES].lock;
}

struct prefix_index *prefix_new(void)
{
	size_t size = (sizeof(struct prefix_index) + 63) / 64 * 64;
	struct prefix_index *x = aligned_alloc(64, size);
	if (!x)
		return NULL;
	memset(x, 0, size);
	x->secret = rng_entropy();
	for (int i = 0; i < SHARDS; i++)
		(void)pthread_mutex_init(&x->shards[i].lock, NULL);
	for (int i = 0; i < STRIPES; i++)
		(void)pthread_mutex_init(&x->stripes[i].lock, NULL);
	return x;
}

static void shard_free(struct shard *s)
{
	for (uint32_t i = 0; s->mask && i <= s->mask; i++)
		if (s->cells[i].hash && is_wide(&s->cells[i]))
			free(s->cells[i].wide);
	free(s->cells);
	(void)pthread_mutex_destroy(&s->lock);
}

void prefix_free(struct prefix_index *x)
{
	if (!x)
		return;
	for (int i = 0; i < SHARDS; i++)
		shard_free(&x->shards[i]);
	for (int i = 0; i < STRIPES; i++)
		(void)pthread_mutex_destroy(&x->stripes[i].lock);
	for (int i = 0; i < POOL_REPLICAS_MAX; i++)
		free(x->lru[i].nodes);
	free(x);
}

void prefix_set_capacity(struct prefix_index *x, uint32_t slot, uint32_t blocks)
{
	(void)pthread_mutex_lock(stripe_of(x, slot));
	x->lru[slot].capacity = blocks < PREFIX_REPLICA_BLOCKS_MAX ? blocks : PREFIX_REPLICA_BLOCKS_MAX;
	(void)pthread_mutex_unlock(stripe_of(x, slot));
}

void pool_prefix_add(struct pool *p, uint32_t slot, const uint64_t *chain, uint32_t n)
{
	struct prefix_index *x = p->prefix;
	pthread_mutex_t *lock = stripe_of(x, slot);
	uint32_t words = atomic_load_explicit(&x->words, memory_order_relaxed);
	while (words < slot / 64 + 1 && !atomic_compare_exchange_weak(&x->words, &words, slot / 64 + 1))
		;
	(void)pthread_mutex_lock(lock);
	uint32_t capacity = lru_capacity(&x->lru[slot]);
	uint32_t i = n < capacity ? n : capacity;
	if (i > 0 && is_fresh(x, slot, key_of(x, chain[i - 1])))
		i = 0;
	for (uint32_t done = 1; i > 0 && touch(x, slot, key_of(x, chain[i - 1])); i--, done++) {
		if (i > AHEAD)
			prefetch(x, key_of(x, chain[i - 1 - AHEAD]));
		if (done % SLICE == 0) {
			(void)pthread_mutex_unlock(lock);
			(void)pthread_mutex_lock(lock);
		}
	}
	(void)pthread_mutex_unlock(lock);
}

void pool_prefix_drop(struct pool *p, uint32_t slot)
{
	struct prefix_index *x = p->prefix;
	struct lru *l = &x->lru[slot];
	bool more = true;
	while (more) {
		(void)pthread_mutex_lock(stripe_of(x, slot));
		for (uint32_t i = 0; i < SLICE && l->count; i++)
			evict(x, l, slot);
		more = l->count > 0;
		if (!more) {
			account(x, -(int64_t)l->allocated * (int64_t)sizeof *l->nodes);
			free(l->nodes);
			*l = (struct lru){ 0 };
		}
		(void)pthread_mutex_unlock(stripe_of(x, slot));
	}
}

uint64_t pool_prefix_blocks(struct pool *p)
{
	return atomic_load_explicit(&p->prefix->blocks, memory_order_relaxed);
}

uint64_t pool_prefix_bytes(struct pool *p)
{
	return atomic_load_explicit(&p->prefix->bytes, memory_order_relaxed);
}

/* ---- look-up ---- */

/* A look-up under way. `words` of each set are in use. */
struct search {
	struct prefix_index *x;
	const uint64_t *chain;
	uint32_t words;
	struct prefix_hits *hits;
};

/* Those of `among` that hold a block. */
static void holders_of(const struct search *s, uint64_t hash, const struct slot_set *among, struct slot_set *ret)
{
	struct shard *shard = shard_of(s->x, hash);
	memset(ret, 0, s->words * sizeof ret->bits[0]);
	(void)pthread_mutex_lock(&shard->lock);
	const struct cell *c = cell_find(shard, hash);
	if (c && is_wide(c))
		memcpy(ret, c->wide->set,
		       (c->wide->words < s->words ? c->wide->words : s->words) * sizeof ret->bits[0]);
	for (int i = 0; c && !is_wide(c) && i < NARROW && c->slot[i]; i++)
		ret->bits[(c->slot[i] - 1) / 64] |= UINT64_C(1) << ((c->slot[i] - 1) % 64);
	(void)pthread_mutex_unlock(&shard->lock);
	for (uint32_t i = 0; among && i < s->words; i++)
		ret->bits[i] &= among->bits[i];
}

/* Those in `has` but not in `lacks` hold exactly so many blocks. */
static void report(const struct search *s, const struct slot_set *has, const struct slot_set *lacks, uint32_t blocks)
{
	struct prefix_hits *h = s->hits;
	for (uint32_t i = 0; i < s->words; i++) {
		for (uint64_t left = has->bits[i] & ~lacks->bits[i]; left; left &= left - 1) {
			h->slot[h->n] = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(left));
			h->blocks[h->n++] = (uint16_t)blocks;
		}
	}
}

/* Block number `low` is held by `at_low`, number `high` by `at_high`, a part of them: finds where the others end. Log2
 * of the blocks deep. */
static void bisect(const struct search *s, uint32_t low, const struct slot_set *at_low, uint32_t high,
		   const struct slot_set *at_high)
{
	struct slot_set at_middle;
	if (memcmp(at_low, at_high, s->words * sizeof at_low->bits[0]) == 0)
		return;
	if (high == low + 1) {
		report(s, at_low, at_high, high);
		return;
	}
	uint32_t middle = low + (high - low) / 2;
	holders_of(s, key_of(s->x, s->chain[middle]), at_low, &at_middle);
	/* While others add or evict, a later block may be seen without an earlier one: each replica must still be
	 * reported once. */
	for (uint32_t i = 0; i < s->words; i++)
		at_middle.bits[i] |= at_high->bits[i];
	bisect(s, low, at_low, middle, &at_middle);
	bisect(s, middle, &at_middle, high, at_high);
}

void pool_prefix_find(struct pool *p, const uint64_t *chain, uint32_t n, struct prefix_hits *ret)
{
	struct search s = { .x = p->prefix, .chain = chain, .hits = ret };
	struct slot_set first, none;
	ret->n = 0;
	if (n == 0)
		return;
	s.words = atomic_load_explicit(&s.x->words, memory_order_relaxed);
	memset(&none, 0, s.words * sizeof none.bits[0]);
	holders_of(&s, key_of(s.x, chain[0]), NULL, &first);
	bisect(&s, 0, &first, n < UINT16_MAX ? n : UINT16_MAX, &none);
}
