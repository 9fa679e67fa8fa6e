/* Bump allocation in blocks of 1 KiB or the size asked for. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 1024 /* what malloc serves from its thread's cache */ };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){ .max = max };
}

void arena_free(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		free(b);
	}
	arena_init(a, a->max);
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (need < n)
		return NULL;
	if (!a->blocks || a->blocks->size - a->used < need) {
		size_t size = BLOCK_BYTES - sizeof(struct arena_block);
		if (size < need)
			size = need;
		if (size > a->max || a->total > a->max - size)
			return NULL;
		struct arena_block *b = malloc(sizeof *b + size);
		if (!b)
			return NULL;
		b->next = a->blocks;
		b->size = size;
		a->blocks = b;
		a->total += size;
		a->used = 0;
	}
	char *p = a->blocks->data + a->used;
	a->used += need;
	memset(p, 0, need);
	return p;
}

struct span arena_dup(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (!p)
		return SPAN_NONE;
	if (s.n)
		memcpy(p, s.p, s.n);
	return span_of(p, s.n);
}
