/* The prefix index: which replica is believed to cache which blocks of which prompts. Read on a worker before every
 * pick, written after every dispatch; never under the pool's lock.
 *
 * A block hash is chained: it stands for the whole prompt up to it. The index is a set of (block, replica) pairs, seen
 * from two sides:
 *
 *   shards[hash].tables[hash]: buckets of 4      lru[slot]: nodes, an LRU list of its blocks
 *   ┌─────────────┬────────────────────────┐     ┌──────────┬──────────────────────┐
 *   │ hash[4]  32 │ 4 × slot[4], node[4] 96│────▶│ hash  8  │ prev, next, stamp  8 │   as many as its own cache has
 *   └─────────────┴────────────────────────┘     └──────────┴──────────────────────┘
 *        more than four replicas: `wide` points to a set and a list instead
 *
 * A cell has 32 bytes, at a load between 3/8 and 3/4, a node 16: 59 to 101 bytes for a block held by one replica, 20 to
 * 28 for each further one. The cells are in prefix_cells.c.
 *
 * A chain is touched from its last block to its first. So of two blocks of a chain the earlier is always the more
 * recently used, an LRU evicts tails before heads (as engines do), and what a replica holds of a chain is a prefix of
 * it. That is what lets a look-up search for the ends by bisection, on sets of replicas: some 10 cells for 512 blocks
 * instead of 512.
 *
 * Blocks are added and evicted in slices. What costs is memory that is not in the cache, and locks; so a slice first
 * asks for all its cells, then is sorted by shard and takes each shard once (at most 16 locks for 256 blocks), and
 * counts once. The shard is chosen by the block's hash and not by the chain's first block, though a slice would then
 * need one lock only: where all chats of a deployment share a system prompt that would be the same lock for everybody,
 * over one table that grows by copying all of it.
 *
 * Recency is kept to a sixteenth of a replica's cache: a chain whose last block was touched within so many insertions
 * is left where it is, so that prompts that come again and again cost one look-up each, and one shard's lock.
 *
 * Locks: a stripe of `lru` for writers, then one shard at a time. Readers take shards only. */
#include <stdlib.h>

#include "pool/prefix_cells.h"
#include "pool/private.h"

enum {
	SHARD_BITS = 4, /* the top bits of a hash: few, so that a slice has several blocks for each lock */
	SHARDS = 1 << SHARD_BITS,
	TABLE_BITS = 6, /* the next bits: many, so that a table that doubles (half a megabyte at most) is soon done */
	TABLES = 1 << TABLE_BITS,
	STRIPES = 64,
	NODES_FIRST = 256,
	SLICE = 256,	  /* blocks added, evicted or dropped at a time; a hold of a stripe has one or two */
	FRESH_SHARE = 16, /* a chain touched within capacity / FRESH_SHARE insertions is not moved */
	INDEX_BITS = 21,  /* of a node: PREFIX_REPLICA_BLOCKS_MAX and one */
	INDEX_MASK = (1 << INDEX_BITS) - 1,
	STAMP_MASK = (1 << (64 - 2 * INDEX_BITS)) - 1,
};

/* A part of the cells, chosen by hash. `lock` guards the tables and what hangs on them; it is the last lock taken. */
struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct table tables[TABLES];
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

/* A block on its way in or out, of one replica. */
struct entry {
	uint64_t hash;
	uint32_t node; /* in: to be used if it is new */
	uint32_t held; /* in: the node it has already, 0 when it was new, NOT_ADDED without memory */
};
enum { NOT_ADDED = UINT32_MAX };

/* In the order of touching. */
struct slice {
	uint32_t slot;
	uint32_t n;
	struct entry entry[SLICE];
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

/* The hash as the index knows it. Zero marks a free cell. */
static uint64_t key_of(const struct prefix_index *x, uint64_t hash)
{
	uint64_t key = hash_mix(x->secret, hash);
	return key ? key : 1;
}

static struct shard *shard_of(struct prefix_index *x, uint64_t hash)
{
	return &x->shards[hash >> (64 - SHARD_BITS)];
}

static struct table *table_of(struct prefix_index *x, uint64_t hash)
{
	return &shard_of(x, hash)->tables[hash >> (64 - SHARD_BITS - TABLE_BITS) & (TABLES - 1)];
}

/* Without any lock. */
static void prefetch(struct prefix_index *x, uint64_t hash)
{
	cells_prefetch(table_of(x, hash), hash);
}

/* ---- slices of pairs ---- */

static void pair_add(struct prefix_index *x, uint32_t slot, struct entry *e)
{
	struct table *t = table_of(x, e->hash);
	struct cell *c = cells_make(&x->bytes, t, e->hash);
	e->held = c ? cell_node(c, slot) : NOT_ADDED;
	if (c && e->held == 0 && cell_add(&x->bytes, c, slot, e->node) < 0)
		e->held = NOT_ADDED;
}

static void pair_remove(struct prefix_index *x, uint32_t slot, struct entry *e)
{
	struct table *t = table_of(x, e->hash);
	struct cell *c = cells_find(t, e->hash);
	if (!c)
		return;
	cell_drop(c, slot);
	if (!cell_is_held(c))
		cells_remove(&x->bytes, t, c);
}

/* Does the same with each entry, shard by shard; entries of one shard in their order, so that a block that comes twice
 * is found the second time. (Counting sort.) */
static void slice_apply(struct prefix_index *x, struct slice *s,
			void (*apply)(struct prefix_index *x, uint32_t slot, struct entry *e))
{
	uint16_t order[SLICE], end[SHARDS] = { 0 };
	for (uint32_t i = 0; i < s->n; i++)
		end[shard_of(x, s->entry[i].hash) - x->shards]++;
	for (uint32_t i = 1; i < SHARDS; i++)
		end[i] = (uint16_t)(end[i] + end[i - 1]);
	for (uint32_t i = s->n; i-- > 0;)
		order[--end[shard_of(x, s->entry[i].hash) - x->shards]] = (uint16_t)i;
	for (uint32_t i = 0; i < s->n;) {
		struct shard *shard = shard_of(x, s->entry[order[i]].hash);
		(void)pthread_mutex_lock(&shard->lock);
		do
			apply(x, s->slot, &s->entry[order[i++]]);
		while (i < s->n && shard_of(x, s->entry[order[i]].hash) == shard);
		(void)pthread_mutex_unlock(&shard->lock);
	}
}

/* The block's node in the replica's LRU, or 0. */
static uint32_t pair_node(struct prefix_index *x, uint64_t hash, uint32_t slot)
{
	struct shard *s = shard_of(x, hash);
	(void)pthread_mutex_lock(&s->lock);
	const struct cell *c = cells_find(table_of(x, hash), hash);
	uint32_t node = c ? cell_node(c, slot) : 0;
	(void)pthread_mutex_unlock(&s->lock);
	return node;
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
	uint32_t most = lru_capacity(l) + 1 + SLICE;
	if (size > most && most > l->allocated)
		size = most;
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

/* Evicts the n last blocks. */
static void evict(struct prefix_index *x, uint32_t slot, uint32_t n)
{
	struct lru *l = &x->lru[slot];
	struct slice s;
	s.slot = slot;
	for (; n > 0; n -= s.n) {
		s.n = n < SLICE ? n : SLICE;
		uint32_t i = l->last;
		for (uint32_t k = 0; k < s.n; k++) {
			uint32_t prev = l->nodes[i].prev & INDEX_MASK;
			s.entry[k].hash = l->nodes[i].hash;
			prefetch(x, s.entry[k].hash);
			prefetch(x, s.entry[k].hash + 1); /* a bucket that was full takes from the next */
			lru_give_node(l, i);
			i = prev;
		}
		l->last = i;
		if (i)
			l->nodes[i].next = 0;
		else
			l->first = 0;
		l->count -= s.n;
		slice_apply(x, &s, pair_remove);
		atomic_fetch_sub_explicit(&x->blocks, s.n, memory_order_relaxed);
	}
}

/* How many blocks of a replica must go after `added` have come. A capacity that shrank is reached over time: two go for
 * each that came. Where the pool is full it is the one who adds that gives. */
static uint32_t excess(const struct lru *l, uint32_t added, uint64_t pool_blocks)
{
	uint32_t over = l->count > lru_capacity(l) ? l->count - lru_capacity(l) : 0;
	uint64_t pool_over = pool_blocks > PREFIX_POOL_BLOCKS_MAX ? pool_blocks - PREFIX_POOL_BLOCKS_MAX : 0;
	over = over < 2 * added ? over : 2 * added;
	pool_over = pool_over < added ? pool_over : added;
	return over > pool_over ? over : (uint32_t)pool_over;
}

/* Entries for the last n blocks of a chain, last first, with a node each: fewer without memory. */
static void slice_fill(struct prefix_index *x, struct slice *s, const uint64_t *chain, uint32_t n)
{
	for (s->n = 0; s->n < n; s->n++) {
		struct entry *e = &s->entry[s->n];
		e->hash = key_of(x, chain[n - 1 - s->n]);
		e->node = lru_take_node(x, &x->lru[s->slot]);
		if (e->node == 0)
			return;
		prefetch(x, e->hash);
	}
}

/* Puts a block first that was added to the cells, or was there already. True when it is new. */
static bool settle(struct lru *l, const struct entry *e)
{
	bool is_new = e->held == 0;
	if (is_new) {
		l->nodes[e->node].hash = e->hash;
		l->inserted++;
		l->count++;
	} else {
		lru_give_node(l, e->node);
		if (e->held == NOT_ADDED)
			return false;
		lru_unlink(l, e->held);
	}
	lru_push_front(l, is_new ? e->node : e->held);
	return is_new;
}

/* n blocks, at most SLICE, become the most recent ones of the replica, the first of them the most recent of all. Then
 * the oldest go: until that is done it has up to n more than it may have. False without memory. */
static bool touch(struct prefix_index *x, uint32_t slot, const uint64_t *chain, uint32_t n)
{
	struct lru *l = &x->lru[slot];
	struct slice s;
	uint32_t added = 0;
	bool complete = true;
	s.slot = slot;
	slice_fill(x, &s, chain, n);
	slice_apply(x, &s, pair_add);
	for (uint32_t i = 0; i < s.n; i++) {
		added += settle(l, &s.entry[i]);
		complete = complete && s.entry[i].held != NOT_ADDED;
	}
	if (added > 0) {
		uint64_t before = atomic_fetch_add_explicit(&x->blocks, added, memory_order_relaxed);
		evict(x, slot, excess(l, added, before + added));
	}
	return complete && s.n == n;
}

/* Was the chain that ends in this block touched a short while ago? Then its earlier blocks were too. */
static bool is_fresh(struct prefix_index *x, uint32_t slot, uint64_t hash)
{
	const struct lru *l = &x->lru[slot];
	uint32_t i = pair_node(x, hash, slot);
	return i && ((l->inserted - l->nodes[i].stamp) & STAMP_MASK) < lru_capacity(l) / FRESH_SHARE;
}

/* ---- the door ---- */

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
	for (int i = 0; i < TABLES; i++)
		cells_free(&s->tables[i]);
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
	uint32_t capacity = lru_capacity(&x->lru[slot]), left = n < capacity ? n : capacity, slice;
	if (left > 0 && is_fresh(x, slot, key_of(x, chain[left - 1])))
		left = 0;
	for (; left > 0; left -= slice) {
		slice = left < SLICE ? left : SLICE;
		if (!touch(x, slot, chain + left - slice, slice))
			break;
		if (left > slice) {
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
		evict(x, slot, l->count < SLICE ? l->count : SLICE);
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
	const struct cell *c = cells_find(table_of(s->x, hash), hash);
	if (c && cell_is_wide(c))
		memcpy(ret, c->wide->set,
		       (c->wide->words < s->words ? c->wide->words : s->words) * sizeof ret->bits[0]);
	for (int i = 0; c && !cell_is_wide(c) && i < NARROW && c->slot[i]; i++)
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
	if (high - low > 3) { /* where it may go on from there */
		prefetch(s->x, key_of(s->x, s->chain[low + (middle - low) / 2]));
		prefetch(s->x, key_of(s->x, s->chain[middle + (high - middle) / 2]));
	}
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
