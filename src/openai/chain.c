/* Blocks and their hashes, see chain.h. XXH3 of each block, mixed with its parent outside the hash: chaining through
 * XXH3's seed would rebuild its secret for every block, twice the cost. Only full blocks have an entry, so a longer
 * conversation's chain extends the shorter one's; what is left over at the end of a section enters the blocks of the
 * sections behind it. */
#include "openai/chain.h"

#include <stdlib.h>

/* The next full block, taken from *in or put together from earlier pieces; NULL when there is none yet. */
static const char *next_block(struct cutter *c, struct span *in)
{
	const char *p = in->p;
	if (c->fill == 0 && in->n >= OPENAI_BLOCK_BYTES) {
		*in = span_skip(*in, OPENAI_BLOCK_BYTES);
		return p;
	}
	struct span take = span_head(*in, OPENAI_BLOCK_BYTES - (size_t)c->fill);
	if (take.n)
		memcpy(c->part + c->fill, take.p, take.n);
	c->fill = (uint16_t)(c->fill + take.n);
	*in = span_skip(*in, take.n);
	if (c->fill < OPENAI_BLOCK_BYTES)
		return NULL;
	c->fill = 0;
	return c->part;
}

static uint64_t rest_hash(const struct cutter *c)
{
	return hash_mix(hash_bytes(span_of(c->part, c->fill)), c->fill);
}

void text_hash_begin(struct text_hash *t)
{
	t->h = t->n = 0;
	t->cut.fill = 0;
}

void text_hash_add(struct text_hash *t, struct span s)
{
	const char *block;
	t->n += s.n;
	while ((block = next_block(&t->cut, &s)))
		t->h = hash_mix(t->h, hash_bytes(span_of(block, OPENAI_BLOCK_BYTES)));
}

uint64_t text_hash_end(struct text_hash *t)
{
	return hash_mix(t->h, rest_hash(&t->cut));
}

void blocks_prepare(struct blocks *b, struct blocks_room *room)
{
	*b = (struct blocks){ .hash = room->first, .cap = BLOCKS_FIRST, .room = room };
}

void blocks_free(struct blocks *b)
{
	if (b->hash != b->room->first)
		free(b->hash);
}

void blocks_begin(struct blocks *b, enum section_id id, uint64_t kind)
{
	b->open = &b->sections[id];
	*b->open = (struct section){ .kind = kind, .at = b->n };
	b->room->cut.fill = 0;
}

static int grow(struct blocks *b)
{
	uint32_t cap = b->cap * 2;
	bool first = b->hash == b->room->first;
	uint64_t *bigger = realloc(first ? NULL : b->hash, cap * sizeof *bigger);
	if (!bigger)
		return -PS_ENOMEM;
	if (first)
		memcpy(bigger, b->room->first, sizeof b->room->first);
	b->hash = bigger;
	b->cap = cap;
	return 0;
}

int blocks_cut(struct blocks *b, struct span s)
{
	const char *block;
	if (!b->open)
		return 0;
	while ((block = next_block(&b->room->cut, &s))) {
		if (b->n == OPENAI_BLOCKS_MAX)
			return 0;
		if (b->n == b->cap && grow(b) < 0)
			return -PS_ENOMEM;
		b->hash[b->n++] = hash_bytes(span_of(block, OPENAI_BLOCK_BYTES));
		b->open->n++;
	}
	return 0;
}

void blocks_end(struct blocks *b)
{
	if (b->open)
		b->open->tail = rest_hash(&b->room->cut);
	b->open = NULL;
}

void blocks_chain(const struct blocks *b, uint64_t root, uint64_t *out)
{
	uint64_t h = root;
	for (const struct section *s = b->sections; s < b->sections + SECTION_COUNT; s++) {
		if (s->kind == 0)
			continue;
		h = hash_mix(h, s->kind);
		for (uint32_t i = 0; i < s->n; i++)
			*out++ = h = hash_mix(h, b->hash[s->at + i]);
		h = hash_mix(h, s->tail);
	}
}
