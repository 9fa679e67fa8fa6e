/* The cells of the prefix index: hash tables from a block to the replicas that hold it, each with the block's node in
 * the replica's LRU. Used by prefix.c, which locks: one lock for a table and what hangs on it. */
#ifndef PS_POOL_PREFIX_CELLS_H
#define PS_POOL_PREFIX_CELLS_H

#include <stdatomic.h>

#include "pool/pool.h"

enum {
	NARROW = 4,		/* holders without a list */
	WAYS = 4,		/* cells of a bucket */
	CELL_WIDE = UINT16_MAX, /* in slot[0]: the holders are in a list */
};

/* Who holds a block. slot values are one higher than the slot, so that zero is empty. */
struct cell {
	uint16_t slot[NARROW];
	union {
		uint32_t node[NARROW];
		struct wide *wide;
	};
};

/* The set is as large as the highest slot in it needs; the nodes stand in the order of the slots. One allocation. */
struct wide {
	uint32_t count, cap;
	uint32_t words;
	uint32_t *node; /* behind the set */
	uint64_t set[];
};

/* A block is in its home bucket, or in a later one if all before that are full. */
struct bucket {
	_Alignas(64) uint64_t hash[WAYS]; /* 0: free */
	struct cell cell[WAYS];
};
_Static_assert(sizeof(struct bucket) == 128, "two cache lines");

/* Guarded by its shard's lock. Atomic only for cells_prefetch(), which reads buckets and mask without it and may see
 * any two values of them: an address that is wrong is merely not worth having. Relaxed throughout. */
struct table {
	_Atomic(struct bucket *) buckets;
	_Atomic uint32_t mask; /* buckets - 1 */
	uint32_t used;	       /* cells */
};

static inline bool cell_is_wide(const struct cell *c)
{
	return c->slot[0] == CELL_WIDE;
}

/* Asks for a hash's home bucket, so that it is there by the time it is looked at. Without any lock. */
static inline void cells_prefetch(const struct table *t, uint64_t hash)
{
	uintptr_t at = (uintptr_t)atomic_load_explicit(&t->buckets, memory_order_relaxed) +
		       ((uint32_t)hash & atomic_load_explicit(&t->mask, memory_order_relaxed)) * sizeof(struct bucket);
	__builtin_prefetch((const void *)at, 1);
}

/* The cell of a hash, which is not 0; NULL when there is none. Valid until the next cells_make or cells_remove. */
struct cell *cells_find(const struct table *t, uint64_t hash);
/* The same, made when there is none; NULL without memory. It may be without holders: whoever asked gives it one, or
 * removes it. `bytes` counts all memory of the index, here and below. */
struct cell *cells_make(_Atomic uint64_t *bytes, struct table *t, uint64_t hash);
/* Frees a cell without holders, and its list. */
void cells_remove(_Atomic uint64_t *bytes, struct table *t, struct cell *c);
/* Frees everything; takes nothing off a count of bytes. */
void cells_free(struct table *t);

/* The node of a holder, or 0. */
uint32_t cell_node(const struct cell *c, uint32_t slot);
/* Adds a holder that is not there yet. -PS_ENOMEM. */
int cell_add(_Atomic uint64_t *bytes, struct cell *c, uint32_t slot, uint32_t node) MUST_CHECK;
/* Takes a holder out, if it is there. In a narrow cell the last one takes its place. */
void cell_drop(struct cell *c, uint32_t slot);
/* Has it a holder? */
bool cell_is_held(const struct cell *c);

#endif
