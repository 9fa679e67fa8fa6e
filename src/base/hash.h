/* Hashes: XXH3 where nobody gains by collisions, SipHash-1-3 where a stranger chooses the keys. */
#ifndef PS_BASE_HASH_H
#define PS_BASE_HASH_H

#include <stdint.h>

#include "base/span.h"

/* XXH3, 64 bits. Fast, not keyed. */
uint64_t hash_bytes(struct span s);
/* Two values into one: order matters, every input bit reaches every output bit (murmur3's finaliser). */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2)));
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h;
}
/* SipHash-1-3 (Aumasson, Bernstein 2012) with a key drawn once per process. */
uint64_t hash_keyed(struct span s);

#endif
