/* Pseudo-random numbers with the state in the caller's hands, so that a seed gives a run back.
 * xoshiro256** by Blackman and Vigna (2018), seeded by splitmix64. Not for secrets. */
#ifndef PS_BASE_RNG_H
#define PS_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, n); 0 when n is 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_unit(struct rng *r);
/* 64 bits from the kernel, for seeds and identifiers. */
uint64_t rng_entropy(void);

#endif
