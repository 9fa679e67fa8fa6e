/* What the fuzz targets of this room share: a check that stops the fuzzer, and cuts that depend on the input alone,
 * so that a crash repeats itself. */
#ifndef PS_WIRE_FUZZ_H
#define PS_WIRE_FUZZ_H

#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum {
	FUZZ_ROUNDS = 4,	  /* ways of cutting tried per input */
	FUZZ_BYTES_MAX = 1 << 20, /* bound of what a target gathers */
};

static inline void fuzz_must(bool holds)
{
	if (!holds)
		abort();
}

/* A length for the next piece of `left` octets: in round 0 always 1, then small and large ones mixed. */
static inline size_t fuzz_piece(struct rng *r, unsigned round, size_t left)
{
	uint64_t most = round == 0 ? 1 : round == 1 ? 4 : rng_below(r, 2) ? 16 : left;
	size_t n = 1 + (size_t)rng_below(r, most);
	return n < left ? n : left;
}

/* A heap copy of exact size, so that a read beyond it is caught. The caller frees it. */
static inline char *fuzz_copy(struct span s)
{
	char *p = malloc(s.n ? s.n : 1);
	fuzz_must(p != NULL);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static inline void fuzz_add(struct buf *b, struct span s)
{
	fuzz_must(buf_add(b, s) == 0);
}

#endif
