/* Memory that is freed all at once. Allocation is a pointer bump; there is no single free. */
#ifndef PS_BASE_ARENA_H
#define PS_BASE_ARENA_H

#include <stddef.h>

#include "base/span.h"

struct arena_block;

/* Owner: whoever embeds it; one thread at a time. Empty until first used. */
struct arena {
	struct arena_block *blocks;
	size_t used;  /* bytes taken in the newest block */
	size_t total; /* bytes of all blocks */
	size_t max;   /* bound of total */
};

void arena_init(struct arena *a, size_t max);
void arena_free(struct arena *a);
/* Zeroed, aligned for any type; NULL when over max or without memory. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, warn_unused_result));
/* A copy with a NUL behind it (not counted); .p is NULL without memory. */
struct span arena_dup(struct arena *a, struct span s);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

#endif
