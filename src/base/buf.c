/* Growable bytes with a bound. Growth doubles, so adding is amortised constant; see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_free(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	if (b->cap - b->end >= n)
		return b->p + b->end;
	if (n > b->max || len > b->max - n)
		return NULL;
	if (b->at && b->cap - len >= n) {
		memmove(b->p, b->p + b->at, len);
		b->at = 0;
		b->end = len;
		return b->p + b->end;
	}
	size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
	while (cap < len + n)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	char *p = malloc(cap);
	if (!p)
		return NULL;
	if (len)
		memcpy(p, b->p + b->at, len);
	free(b->p);
	b->p = p;
	b->at = 0;
	b->end = len;
	b->cap = cap;
	return p + len;
}

static int why_no_room(const struct buf *b, size_t n)
{
	return n > b->max || buf_len(b) > b->max - n ? -PS_ETOOBIG : -PS_ENOMEM;
}

int buf_add(struct buf *b, struct span s)
{
	if (s.n == 0)
		return 0;
	char *to = buf_reserve(b, s.n);
	if (!to)
		return why_no_room(b, s.n);
	memcpy(to, s.p, s.n);
	buf_commit(b, s.n);
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	int r = n < 0 ? -PS_EINVAL : 0;
	char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
	if (to) {
		(void)vsnprintf(to, (size_t)n + 1, fmt, again);
		buf_commit(b, (size_t)n);
	} else if (n >= 0) {
		r = why_no_room(b, (size_t)n + 1);
	}
	va_end(again);
	return r;
}

void buf_skip(struct buf *b, size_t n)
{
	b->at += n < buf_len(b) ? n : buf_len(b);
	if (b->at == b->end)
		buf_clear(b);
}
