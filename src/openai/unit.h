/* The indivisible pieces of a JSON string that do not stand for themselves: escapes, and UTF-8 sequences to be checked.
 * Private to openai. */
#ifndef PS_OPENAI_UNIT_H
#define PS_OPENAI_UNIT_H

#include <stddef.h>

enum { UNIT_CUT = 0, UNIT_INVALID = -1 };

/* What a backslash and this byte stand for; 0: another kind of escape, or none. */
extern const char unit_escapes[256];

/* The unit at p, of n > 0 bytes: how many it has, UNIT_CUT when they are not all there but may still come, or
 * UNIT_INVALID. Its text goes to `out`, *out_n bytes. */
int unit_decode(const char *p, size_t n, char out[4], size_t *out_n);

#endif
