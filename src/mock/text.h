/* Words, tokens and block hashes of the mock: text is cut into tokens of four bytes. Private to mock. */
#ifndef PS_MOCK_TEXT_H
#define PS_MOCK_TEXT_H

#include <jansson.h>

#include "base/base.h"

enum { TOKEN_BYTES = 4 };

static inline uint32_t text_tokens(size_t bytes)
{
	return (uint32_t)((bytes + TOKEN_BYTES - 1) / TOKEN_BYTES);
}

/* Appends n tokens of words. The same seed gives the same words, whatever n. 0, -PS_ENOMEM or -PS_ETOOBIG. */
int text_add_words(struct buf *b, uint64_t seed, uint32_t n) MUST_CHECK;

/* What a chat template makes of messages. Each appends and returns 0, -PS_ENOMEM or -PS_ETOOBIG. */
int text_add_tools(struct buf *b, const json_t *tools) MUST_CHECK;
/* `content`: a string, an array of parts, or NULL. */
int text_add_message(struct buf *b, const char *role, const json_t *message, const json_t *content) MUST_CHECK;
int text_add_generation_prompt(struct buf *b) MUST_CHECK;

/* Chained hashes of the full blocks of `block_bytes` in s, beginning with `root`; returns how many (at most max). */
uint32_t text_chain(struct span s, size_t block_bytes, uint64_t root, uint64_t *hashes, uint32_t max);

#endif
