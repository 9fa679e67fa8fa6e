/* The block pool of an engine, as vLLM V1 keeps it: reference counts, a hash index over computed blocks, and one list
 * of free blocks in which a cached block waits to be either revived or taken. A request frees its blocks tail first, so
 * that the head of a prefix, which more requests can share, outlives its end. All calls take constant time. */
#include "engine/blocks.h"

#include <stdlib.h>

static void list_unlink(struct blocks *b, uint32_t id)
{
	struct block *k = &b->all[id];
	b->all[k->prev].next = k->next;
	b->all[k->next].prev = k->prev;
	b->free--;
}

static void list_append(struct blocks *b, uint32_t id)
{
	struct block *k = &b->all[id], *anchor = &b->all[b->count];
	k->prev = anchor->prev;
	k->next = b->count;
	b->all[k->prev].next = id;
	anchor->prev = id;
	b->free++;
}

int blocks_init(struct blocks *b, uint32_t count)
{
	*b = (struct blocks){ .count = count };
	b->all = calloc((size_t)count + 1, sizeof *b->all);
	if (!b->all)
		return -PS_ENOMEM;
	map_init(&b->by_hash, count);
	b->all[count] = (struct block){ .prev = count, .next = count };
	for (uint32_t i = 0; i < count; i++)
		list_append(b, i);
	return 0;
}

void blocks_done(struct blocks *b)
{
	if (b->all)
		map_free(&b->by_hash);
	free(b->all);
	b->all = NULL;
}

static void forget(struct blocks *b, struct block *k)
{
	if (k->hash)
		(void)map_take_u64(&b->by_hash, k->hash);
	k->hash = 0;
}

uint32_t blocks_take(struct blocks *b)
{
	uint32_t id = b->all[b->count].next;
	if (id == b->count)
		return BLOCK_NONE;
	list_unlink(b, id);
	forget(b, &b->all[id]);
	b->all[id].refs = 1;
	return id;
}

void blocks_share(struct blocks *b, uint32_t id)
{
	if (b->all[id].refs++ == 0)
		list_unlink(b, id);
}

void blocks_release(struct blocks *b, uint32_t id)
{
	if (--b->all[id].refs == 0)
		list_append(b, id);
}

uint32_t blocks_find(const struct blocks *b, uint64_t hash)
{
	struct block *k = hash ? map_find_u64(&b->by_hash, hash) : NULL;
	return k ? (uint32_t)(k - b->all) : BLOCK_NONE;
}

void blocks_publish(struct blocks *b, uint32_t id, uint64_t hash)
{
	struct block *k = &b->all[id];
	if (!hash || k->hash || map_find_u64(&b->by_hash, hash))
		return;
	/* Without memory for the index the block is merely not reused. */
	if (map_put_u64(&b->by_hash, hash, k) == 0)
		k->hash = hash;
}

void blocks_forget_free(struct blocks *b)
{
	for (uint32_t id = b->all[b->count].next; id != b->count; id = b->all[id].next)
		forget(b, &b->all[id]);
}
