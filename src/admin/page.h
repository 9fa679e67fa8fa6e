/* Inside admin: a JSON page under construction. The first failure stays and makes the rest do nothing, so that callers
 * need one check. */
#ifndef PS_ADMIN_PAGE_H
#define PS_ADMIN_PAGE_H

#include "base/base.h"

struct page {
	struct buf *b;
	int result; /* 0, or the first of buf_add's errors */
	bool comma; /* something stands in front at this depth */
};

/* `bracket` is '{' or '['; `key` NULL: inside an array, or the whole. */
void page_open(struct page *p, const char *key, char bracket);
void page_close(struct page *p, char bracket);
void page_text(struct page *p, const char *key, struct span v);
void page_u64(struct page *p, const char *key, uint64_t v);
/* null where it is no finite number. */
void page_number(struct page *p, const char *key, double v);
void page_bool(struct page *p, const char *key, bool v);
/* Milliseconds since `at`; null when at is 0 (never). */
void page_age(struct page *p, const char *key, uint64_t at, uint64_t now);

#endif
