/* A borrowed piece of text: pointer and length, never NUL-terminated by contract. */
#ifndef PS_BASE_SPAN_H
#define PS_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p; /* borrowed; may be NULL only when n is 0 */
	size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })
/* For printf("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).n, (s).n ? (s).p : ""

static inline struct span span_of(const char *p, size_t n)
{
	return (struct span){ p, n };
}

static inline struct span span_str(const char *z)
{
	return (struct span){ z, z ? strlen(z) : 0 };
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_starts(struct span s, struct span prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline struct span span_skip(struct span s, size_t k)
{
	return k >= s.n ? SPAN_NONE : span_of(s.p + k, s.n - k);
}

static inline struct span span_head(struct span s, size_t k)
{
	return span_of(s.p, k < s.n ? k : s.n);
}

/* ASCII case is ignored; other bytes must be equal. */
bool span_eq_nocase(struct span a, struct span b);
bool span_ends(struct span s, struct span suffix);
/* Position of a byte, or -1. */
ptrdiff_t span_find(struct span s, char c);
/* Position of a text, or -1. */
ptrdiff_t span_search(struct span s, struct span what);
/* Without spaces and tabs at both ends. */
struct span span_trim(struct span s);
/* The part before the first `sep`; *rest is what follows it (SPAN_NONE when there is no `sep`). */
struct span span_cut(struct span s, char sep, struct span *rest);
/* Decimal digits only, whole span; false on anything else or overflow, *ret untouched. */
bool span_to_u64(struct span s, uint64_t *ret);
/* Copies into a fixed array, NUL-terminated, cut at cap - 1; returns the length kept. */
size_t span_copy(char *dst, size_t cap, struct span s);
/* A heap copy with a NUL behind it, or NULL without memory. The caller frees it. */
char *span_dup(struct span s);

#endif
