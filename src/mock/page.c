/* Text in the making. A failure frees what there is: half a page is of no use to anybody. */
#include "mock/page.h"

#include <stdio.h>

void page_init(struct page *p)
{
	buf_init(&p->buf, PAGE_MAX_BYTES);
	p->error = 0;
}

void page_free(struct page *p)
{
	buf_free(&p->buf);
}

static void note(struct page *p, int r)
{
	if (r >= 0)
		return;
	p->error = r;
	buf_free(&p->buf);
}

void page_add(struct page *p, const char *fmt, ...)
{
	va_list args, again;
	if (p->error)
		return;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	char *to = n < 0 ? NULL : buf_reserve(&p->buf, (size_t)n + 1);
	if (to) {
		(void)vsnprintf(to, (size_t)n + 1, fmt, again);
		buf_commit(&p->buf, (size_t)n);
	} else {
		note(p, -PS_ENOMEM);
	}
	va_end(again);
	va_end(args);
}

void page_quote(struct page *p, struct span s)
{
	if (!p->error)
		note(p, json_add_string(&p->buf, s));
}
