/* Text in the making: a buffer that remembers its first failure, so that it is checked once, at the end. */
#ifndef PS_MOCK_PAGE_H
#define PS_MOCK_PAGE_H

#include "base/base.h"

enum { PAGE_MAX_BYTES = 64 << 20 };

/* Owner: whoever embeds it, until page_free. */
struct page {
	struct buf buf;
	int error; /* 0, or the first -PS_E… */
};

void page_init(struct page *p);
void page_free(struct page *p);
void page_add(struct page *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A quoted JSON string. */
void page_quote(struct page *p, struct span s);
/* What was written; nothing after a failure. */
static inline struct span page_span(const struct page *p)
{
	return p->error ? SPAN_NONE : buf_span(&p->buf);
}

#endif
