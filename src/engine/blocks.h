/* KV blocks of one engine: who holds them, which are cached, which go first. Private to engine. */
#ifndef PS_ENGINE_BLOCKS_H
#define PS_ENGINE_BLOCKS_H

#include "base/base.h"

#define BLOCK_NONE UINT32_MAX

struct block {
	uint64_t hash;	     /* 0: not cached */
	uint32_t prev, next; /* in the free list, while refs is 0 */
	uint32_t refs;	     /* requests that hold it */
};

/* Free blocks form a list in order of use: its head is taken (and forgotten by the cache) first. A free block that is
 * cached can be revived in place. all[count] is the list's anchor. Owner: one engine. */
struct blocks {
	struct block *all;
	uint32_t count;
	uint32_t free;
	struct map by_hash; /* hash -> struct block * */
};

/* 0 or -PS_ENOMEM. */
int blocks_init(struct blocks *b, uint32_t count) MUST_CHECK;
void blocks_done(struct blocks *b);
/* A block nobody holds, now held once, or BLOCK_NONE. What it cached is forgotten. */
uint32_t blocks_take(struct blocks *b);
/* One holder more of a block that is cached. */
void blocks_share(struct blocks *b, uint32_t id);
/* One holder less; the last one puts it at the end of the free list. */
void blocks_release(struct blocks *b, uint32_t id);
/* The cached block of a hash, or BLOCK_NONE. */
uint32_t blocks_find(const struct blocks *b, uint64_t hash);
/* Lets others find a block that is held. A hash that is cached already stays with the older block. */
void blocks_publish(struct blocks *b, uint32_t id, uint64_t hash);
/* Forgets the cached blocks that nobody holds. */
void blocks_forget_free(struct blocks *b);

#endif
