/* From text to a chain of prefix block hashes. The prompt is a few sections (tools, system, messages), each cut into
 * blocks of OPENAI_BLOCK_BYTES from its own start and hashed unchained as it arrives, in whatever order the body has
 * them; the chain is made at the end, in the order of the engine's template. Private to openai. */
#ifndef PS_OPENAI_CHAIN_H
#define PS_OPENAI_CHAIN_H

#include "base/base.h"
#include "openai/openai.h"

enum { BLOCKS_FIRST = 32 }; /* 8 KiB of text */

/* In the order of the chain. */
enum section_id { SECTION_TOOLS, SECTION_FUNCTIONS, SECTION_SYSTEM, SECTION_MAIN, SECTION_COUNT };

/* Cuts a stream into blocks, whatever the pieces it comes in. */
struct cutter {
	uint16_t fill;
	char part[OPENAI_BLOCK_BYTES];
};

/* Hash of a text that comes in pieces; does not depend on where they are cut. */
struct text_hash {
	uint64_t h;
	uint64_t n;
	struct cutter cut;
};

void text_hash_begin(struct text_hash *t);
void text_hash_add(struct text_hash *t, struct span s);
uint64_t text_hash_end(struct text_hash *t);

struct section {
	uint64_t kind;	/* what its bytes are: text and token ids never look alike; 0: the section is absent */
	uint64_t tail;	/* what is behind its last full block */
	uint32_t at, n; /* its blocks */
};

/* What every prompt needs, and the longer part of `struct blocks`. Not cleared. */
struct blocks_room {
	struct cutter cut;
	uint64_t first[BLOCKS_FIRST];
};

/* Owner: one scanner. Memory: once BLOCKS_FIRST are not enough, 8 bytes per block of the prompt, at most
 * OPENAI_BLOCKS_MAX of them. */
struct blocks {
	uint64_t *hash; /* room->first, or allocated */
	uint32_t n, cap;
	struct section sections[SECTION_COUNT];
	struct section *open;	  /* where text goes; NULL: nowhere */
	struct blocks_room *room; /* borrowed */
};

void blocks_prepare(struct blocks *b, struct blocks_room *room);
void blocks_free(struct blocks *b);
/* Each section is begun once and ended before the next one begins. */
void blocks_begin(struct blocks *b, enum section_id id, uint64_t kind);
/* For blocks_add: text that completes a block. */
int blocks_cut(struct blocks *b, struct span s) MUST_CHECK;
/* 0 or -PS_ENOMEM. What is behind OPENAI_BLOCKS_MAX is left out. */
MUST_CHECK static inline int blocks_add(struct blocks *b, struct span s)
{
	if (s.n >= OPENAI_BLOCK_BYTES - (size_t)b->room->cut.fill)
		return blocks_cut(b, s);
	if (s.n)
		memcpy(b->room->cut.part + b->room->cut.fill, s.p, s.n);
	b->room->cut.fill = (uint16_t)(b->room->cut.fill + s.n);
	return 0;
}
void blocks_end(struct blocks *b);
/* Writes b->n chained hashes to `out`, the first of them depending on `root`. */
void blocks_chain(const struct blocks *b, uint64_t root, uint64_t *out);

#endif
