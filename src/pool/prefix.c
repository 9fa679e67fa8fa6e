/* The prefix index: which replica is believed to cache which blocks of which prompts. Read on a worker before every
 * pick, written after every dispatch; never under the pool's lock.
 *
 * A block hash is chained: it stands for the whole prompt up to it. The index is a set of (block, replica) pairs, seen
 * from two sides:
 *
 *   shards[hash]: cells, open addressing       lru[slot]: nodes, an exact LRU list of its blocks
 *   ┌──────────┬────────────┬─────────────┐    ┌──────────┬──────┬──────┐
 *   │ hash  8  │ slot[4]  8 │ node[4]  16 │───▶│ hash  8  │prev 4│next 4│   sized as the replica's own cache
 *   └──────────┴────────────┴─────────────┘    └──────────┴──────┴──────┘
 *        more than four replicas: `wide` points to a list instead
 *
 * 32 bytes a cell at a load between 3/8 and 3/4, 16 a node: 59 to 101 bytes for a block held by one replica, 24 to 32
 * for each further one.
 *
 * A chain is touched from its last block to its first. So of two blocks of a chain the earlier is always the more
 * recently used, an LRU evicts tails before heads (as engines do), and what a replica holds of a chain is a prefix of
 * it. That is what lets a look-up search for the end by bisection: 10 cells for 512 blocks, all replicas at once,
 * instead of 512.
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
	SLICE = 256,		/* blocks added or dropped in one hold of a stripe */
	CELL_WIDE = UINT16_MAX, /* in slot[0]: the holders are in a list */
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

struct wide {
	uint32_t count, cap;
	struct holder holders[];
};

/* A part of the cells, chosen by hash. `lock` guards the rest; it is the last lock taken. */
struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct cell *cells;
	uint32_t mask; /* cells - 1; 0 while there are none */
	uint32_t used;
};

struct node {
	uint64_t hash;
	uint32_t prev, next; /* 0: none; next is the free list's link too */
};

/* The blocks of one replica, most recent first. Zeroed is empty. Guarded by stripes[slot % STRIPES]. */
struct lru {
	struct node *nodes; /* [0] is not used */
	uint32_t allocated; /* entries of nodes */
	uint32_t fresh;	    /* nodes below this were used before */
	uint32_t free;	    /* first free one, or 0 */
	uint32_t first, last;
	uint32_t count;
	uint32_t capacity; /* 0: PREFIX_REPLICA_BLOCKS */
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

/* Calls it for each holder: `holder` is its slot, `at` its place. */
#define each_holder(c, at, holder)                                                                                     \
	for (uint32_t at = 0, holder; at < holder_count(c) && (holder = holder_slot(c, at), true); at++)

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

/* The node of this block in the replica's LRU, or 0. */
static uint32_t holder_node(const struct cell *c, uint32_t slot)
{
	each_holder(c, at, holder) if (holder == slot) return is_wide(c) ? c->wide->holders[at].node : c->node[at];
	return 0;
}

static size_t wide_bytes(uint32_t cap)
{
	return sizeof(struct wide) + cap * sizeof(struct holder);
}

/* Room for one more holder in the list; makes the list from a full cell. */
static int widen(struct prefix_index *x, struct cell *c)
{
	struct wide *old = is_wide(c) ? c->wide : NULL;
	if (old && old->count < old->cap)
		return 0;
	bool first = !old;
	uint32_t had = old ? old->cap : 0, cap = old ? had * 2 : WIDE_FIRST;
	struct wide *w = realloc(old, wide_bytes(cap));
	if (!w)
		return -PS_ENOMEM;
	account(x, (int64_t)(wide_bytes(cap) - (first ? 0 : wide_bytes(had))));
	w->cap = cap;
	if (first) {
		w->count = NARROW;
		for (uint32_t i = 0; i < NARROW; i++)
			w->holders[i] = (struct holder){ c->slot[i] - 1U, c->node[i] };
		c->slot[0] = CELL_WIDE;
	}
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
	int r = widen(x, c);
	if (r < 0)
		return r;
	c->wide->holders[c->wide->count++] = (struct holder){ slot, node };
	return 0;
}

static int pair_add(struct prefix_index *x, uint64_t hash, uint32_t slot, uint32_t node)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	int r = 0;
	if ((uint64_t)(s->used + 1) * 4 > ((uint64_t)s->mask + 1) * 3 || s->mask == 0)
		r = shard_grow(x, s);
	if (r == 0) {
		struct cell *c = cell_at(s, hash);
		if (c->hash == 0) {
			c->hash = hash;
			s->used++;
		}
		r = holder_add(x, c, slot, node);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

/* The last holder takes the place of the one that leaves. */
static void holder_remove(struct cell *c, uint32_t at)
{
	uint32_t last = holder_count(c) - 1;
	if (is_wide(c)) {
		c->wide->holders[at] = c->wide->holders[last];
		c->wide->count--;
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
	uint32_t at = 0, n = c ? holder_count(c) : 0;
	while (at < n && holder_slot(c, at) != slot)
		at++;
	if (at < n)
		holder_remove(c, at);
	if (n && holder_count(c) == 0) {
		if (is_wide(c)) {
			account(x, -(int64_t)wide_bytes(c->wide->cap));
			free(c->wide);
		}
		cell_remove(s, c);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

static uint32_t pair_node(struct prefix_index *x, uint64_t hash, uint32_t slot)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	const struct cell *c = cell_find(s, hash);
	uint32_t node = c ? holder_node(c, slot) : 0;
	(void)pthread_mutex_unlock(&s->lock);
	return node;
}

/* ---- one replica's LRU: everything here is under its stripe ---- */

static void lru_unlink(struct lru *l, uint32_t i)
{
	struct node *n = &l->nodes[i];
	*(n->prev ? &l->nodes[n->prev].next : &l->first) = n->next;
	*(n->next ? &l->nodes[n->next].prev : &l->last) = n->prev;
}

static void lru_push_front(struct lru *l, uint32_t i)
{
	l->nodes[i].prev = 0;
	l->nodes[i].next = l->first;
	*(l->first ? &l->nodes[l->first].prev : &l->last) = i;
	l->first = i;
}

static uint32_t lru_capacity(const struct lru *l)
{
	return l->capacity ? l->capacity : PREFIX_REPLICA_BLOCKS;
}

static int lru_grow(struct prefix_index *x, struct lru *l)
{
	uint32_t size = l->allocated ? l->allocated * 2 : NODES_FIRST;
	if (size > lru_capacity(l) + 1 && lru_capacity(l) + 1 > l->allocated)
		size = lru_capacity(l) + 1;
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
		l->free = l->nodes[i].next;
		return i;
	}
	if (l->fresh >= l->allocated && lru_grow(x, l) < 0)
		return 0;
	return l->fresh++;
}

static void lru_give_node(struct lru *l, uint32_t i)
{
	l->nodes[i].next = l->free;
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
}

/* Makes room for one block. A capacity that shrank is reached over time: two go for each that comes. False: there is
 * none. */
static bool make_room(struct prefix_index *x, struct lru *l, uint32_t slot)
{
	for (int i = 0; i < 2 && l->count >= lru_capacity(l); i++)
		evict(x, l, slot);
	if (atomic_load_explicit(&x->blocks, memory_order_relaxed) < PREFIX_POOL_BLOCKS_MAX)
		return true;
	if (l->count == 0)
		return false;
	evict(x, l, slot);
	return true;
}

/* The block becomes the most recent one of the replica. False without memory. */
static bool touch(struct prefix_index *x, uint32_t slot, uint64_t hash)
{
	struct lru *l = &x->lru[slot];
	uint32_t i = pair_node(x, hash, slot);
	if (i) {
		lru_unlink(l, i);
		lru_push_front(l, i);
		return true;
	}
	if (!make_room(x, l, slot) || (i = lru_take_node(x, l)) == 0)
		return false;
	l->nodes[i].hash = hash;
	if (pair_add(x, hash, slot, i) < 0) {
		lru_give_node(l, i);
		return false;
	}
	lru_push_front(l, i);
	l->count++;
	atomic_fetch_add_explicit(&x->blocks, 1, memory_order_relaxed);
	return true;
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
	(void)pthread_mutex_lock(lock);
	uint32_t capacity = lru_capacity(&x->lru[slot]);
	uint32_t i = n < capacity ? n : capacity;
	for (uint32_t done = 1; i > 0 && touch(x, slot, key_of(x, chain[i - 1])); i--, done++) {
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

/* A look-up under way. For each replica that holds the first block: how many it holds lies between hits.blocks and
 * high. */
struct search {
	struct prefix_index *x;
	struct prefix_hits *hits;
	uint16_t high[POOL_REPLICAS_MAX];
	uint16_t seen[POOL_REPLICAS_MAX]; /* by slot: the number of the last probe that met it */
	uint16_t probes;
};

static void search_begin(struct search *s, uint64_t first, uint32_t n)
{
	struct shard *shard = shard_of(s->x, first);
	(void)pthread_mutex_lock(&shard->lock);
	const struct cell *c = cell_find(shard, first);
	uint32_t count = c ? holder_count(c) : 0;
	for (uint32_t i = 0; i < count; i++) {
		s->hits->slot[i] = (uint16_t)holder_slot(c, i);
		s->hits->blocks[i] = 1;
		s->high[i] = (uint16_t)n;
	}
	(void)pthread_mutex_unlock(&shard->lock);
	s->hits->n = count;
}

/* Who holds block number `at`? It narrows every replica for which that is not known yet. */
static void search_probe(struct search *s, uint64_t hash, uint32_t at)
{
	struct shard *shard = shard_of(s->x, hash);
	s->probes++;
	(void)pthread_mutex_lock(&shard->lock);
	const struct cell *c = cell_find(shard, hash);
	uint32_t count = c ? holder_count(c) : 0;
	for (uint32_t i = 0; i < count; i++)
		s->seen[holder_slot(c, i)] = s->probes;
	(void)pthread_mutex_unlock(&shard->lock);
	struct prefix_hits *h = s->hits;
	for (uint32_t i = 0; i < h->n; i++) {
		if (at < h->blocks[i] || at >= s->high[i])
			continue;
		if (s->seen[h->slot[i]] == s->probes)
			h->blocks[i] = (uint16_t)(at + 1);
		else
			s->high[i] = (uint16_t)at;
	}
}

void pool_prefix_find(struct pool *p, const uint64_t *chain, uint32_t n, struct prefix_hits *ret)
{
	struct search s = { .x = p->prefix, .hits = ret };
	ret->n = 0;
	if (n == 0)
		return;
	n = n < UINT16_MAX ? n : UINT16_MAX;
	search_begin(&s, key_of(s.x, chain[0]), n);
	for (uint32_t i = 0; i < ret->n; i++) {
		while (ret->blocks[i] < s.high[i]) {
			uint32_t at = ret->blocks[i] + (uint32_t)(s.high[i] - ret->blocks[i]) / 2;
			search_probe(&s, key_of(s.x, chain[at]), at);
		}
	}
}
