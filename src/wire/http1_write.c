/* Writing HTTP/1.1: what has been parsed goes on only in this form. */
#include "wire/http1.h"

int h1_add_field(struct buf *b, struct span name, struct span value)
{
	size_t n = name.n + value.n + 4;
	char *p = buf_reserve(b, n);
	if (!p)
		return n > b->max || buf_len(b) > b->max - n ? -PS_ETOOBIG : -PS_ENOMEM;
	memcpy(p, name.p, name.n);
	p += name.n;
	*p++ = ':';
	*p++ = ' ';
	if (value.n)
		memcpy(p, value.p, value.n);
	p += value.n;
	*p++ = '\r';
	*p = '\n';
	buf_commit(b, n);
	return 0;
}
