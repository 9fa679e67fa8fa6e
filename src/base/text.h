/* Numbers as text without printf, for paths that run per request: a formatted print costs ten times as much. */
#ifndef PS_BASE_TEXT_H
#define PS_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_U64_MAX = 20, TEXT_HEX_MAX = 16 };

/* Decimal, no NUL; returns the length. */
static inline size_t text_u64(char out[TEXT_U64_MAX], uint64_t v)
{
	char digits[TEXT_U64_MAX];
	size_t n = 0;
	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}

/* The low `digits` hexadecimal digits in lower case, no NUL. */
static inline void text_hex(char *out, uint64_t v, unsigned digits)
{
	while (digits) {
		out[--digits] = "0123456789abcdef"[v & 15];
		v >>= 4;
	}
}

/* Hexadecimal without leading zeros, no NUL; returns the length. */
static inline size_t text_hex_short(char out[TEXT_HEX_MAX], uint64_t v)
{
	unsigned digits = v ? (unsigned)(67 - __builtin_clzll(v)) / 4 : 1;
	text_hex(out, v, digits);
	return digits;
}

#endif
