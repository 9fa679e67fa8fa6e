/* Paths and queries as they are compared: RFC 3986 §6.2.2 for paths, the form encoding of URLs for queries. On the
 * worker's path; no allocation; a path that needs nothing is not copied. */
#include "route/table.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 32);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte a "%XX" at s stands for, or -1. */
static int escaped(struct span s)
{
	int high = s.n >= 3 && s.p[0] == '%' ? hex(s.p[1]) : -1;
	int low = high >= 0 ? hex(s.p[2]) : -1;
	return low >= 0 ? high << 4 | low : -1;
}

/* RFC 3986 §2.3. */
static bool is_unreserved(int c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '.' || c == '_' ||
	       c == '~';
}

static char upper(char c)
{
	return (char)(c >= 'a' && c <= 'f' ? c - 32 : c);
}

struct span path_decode(struct span path, char out[ROUTE_PATH_MAX])
{
	size_t n = 0;
	while (path.n) {
		int c = escaped(path);
		if (c < 0) {
			out[n++] = path.p[0];
			path = span_skip(path, 1);
			continue;
		}
		if (is_unreserved(c)) {
			out[n++] = (char)c;
		} else {
			out[n++] = '%';
			out[n++] = upper(path.p[1]);
			out[n++] = upper(path.p[2]);
		}
		path = span_skip(path, 3);
	}
	return span_of(out, n);
}

bool path_has_dot_segment(struct span path)
{
	if (!path.n)
		return false;
	const char *end = path.p + path.n, *p = path.p;
	while ((p = memmem(p, (size_t)(end - p), "/.", 2))) {
		p += 2;
		if (p < end && *p == '.')
			p++;
		if (p == end || *p == '/')
			return true;
	}
	return false;
}

bool query_text_eq(struct span encoded, struct span plain)
{
	while (encoded.n && plain.n) {
		int c = escaped(encoded);
		size_t taken = c < 0 ? 1 : 3;
		char decoded = c >= 0 ? (char)c : encoded.p[0] == '+' ? ' ' : encoded.p[0];
		if (decoded != plain.p[0])
			return false;
		encoded = span_skip(encoded, taken);
		plain = span_skip(plain, 1);
	}
	return !encoded.n && !plain.n;
}
