/* A growable run of bytes with a bound. Reading takes from the front, writing adds at the back. */
#ifndef PS_BASE_BUF_H
#define PS_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

/* Owner: whoever embeds it; one thread. `max` bounds cap; an unused buffer holds no memory. */
struct buf {
	char *p;
	size_t at;  /* first unread byte */
	size_t end; /* behind the last byte */
	size_t cap;
	size_t max;
};

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer can be used again, as after buf_init with the same bound. */
void buf_free(struct buf *b);
static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->at;
}
static inline struct span buf_span(const struct buf *b)
{
	return span_of(b->p + b->at, b->end - b->at);
}
/* Room for n more bytes: a pointer to write at, to be followed by buf_commit; NULL when over max or no memory. */
char *buf_reserve(struct buf *b, size_t n) MUST_CHECK;
static inline void buf_commit(struct buf *b, size_t n)
{
	b->end += n;
}
/* 0, -PS_ETOOBIG or -PS_ENOMEM; nothing is added on failure. */
int buf_add(struct buf *b, struct span s) MUST_CHECK;
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops n bytes from the front; the memory stays. */
void buf_skip(struct buf *b, size_t n);
/* Empties it; the memory stays. */
static inline void buf_clear(struct buf *b)
{
	b->at = b->end = 0;
}

#endif
