/* A hash map from a text or a number to a pointer: open addressing, linear probing, deletion by
 * backward shift (no tombstones, so lookups never slow down with age). */
#ifndef PS_BASE_MAP_H
#define PS_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct map_slot {
	uint64_t hash;	 /* 0: free */
	struct span key; /* borrowed from the value; .n is 0 for number keys */
	void *value;
};

/* Owner: whoever embeds it; one thread or one lock. Keys are borrowed: they must live as long as their entry. */
struct map {
	struct map_slot *slots;
	uint32_t cap; /* a power of two, 0 while empty */
	uint32_t count;
	uint32_t max; /* entries at most */
};

void map_init(struct map *m, uint32_t max);
void map_free(struct map *m);
/* NULL when absent. */
void *map_find(const struct map *m, struct span key);
/* 0 (added or replaced), -PS_ETOOBIG or -PS_ENOMEM. */
int map_put(struct map *m, struct span key, void *value) MUST_CHECK;
/* The value taken out, or NULL. */
void *map_take(struct map *m, struct span key);
/* The same with a number as the key. */
void *map_find_u64(const struct map *m, uint64_t key);
int map_put_u64(struct map *m, uint64_t key, void *value) MUST_CHECK;
void *map_take_u64(struct map *m, uint64_t key);
/* Walks all entries in no particular order; NULL at the end. `i` starts at 0. No changes meanwhile. */
const struct map_slot *map_next_slot(const struct map *m, uint32_t *i);
/* Walks all values in no particular order: `uint32_t i = 0; while ((v = map_next(&m, &i)))`. No changes meanwhile. */
void *map_next(const struct map *m, uint32_t *i);

#endif
