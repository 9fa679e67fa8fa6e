/* See json.h. */
#include "base/json.h"

#include <stdio.h>

size_t utf8_length(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	size_t k = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || n < k)
		return 0;
	/* The second byte carries the limits against overlong forms, surrogates and > U+10FFFF. */
	unsigned lo = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80;
	unsigned hi = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
	if (u[1] < lo || u[1] > hi)
		return 0;
	for (size_t i = 2; i < k; i++)
		if (u[i] < 0x80 || u[i] > 0xbf)
			return 0;
	return k;
}

/* Writes the escape for one byte into out[8]; returns its length, 0 when the byte stands for itself. */
static size_t escape(unsigned char c, char out[8])
{
	static const char names[32] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
	if (c == '"' || c == '\\' || (c < 32 && names[c])) {
		out[0] = '\\';
		out[1] = c < 32 ? names[c] : (char)c;
		return 2;
	}
	return c < 32 ? (size_t)snprintf(out, 8, "\\u%04x", c) : 0;
}

int json_add_string(struct buf *b, struct span s)
{
	int r = buf_add(b, SPAN("\""));
	for (size_t i = 0, plain = 0; i <= s.n && r == 0;) {
		char e[8];
		size_t k = i < s.n ? utf8_length(s.p + i, s.n - i) : 0;
		size_t en = k == 1 ? escape((unsigned char)s.p[i], e) : 0;
		if (i < s.n && k && !en) {
			i += k;
			continue;
		}
		r = buf_add(b, span_of(s.p + plain, i - plain));
		if (i == s.n)
			break;
		if (r == 0)
			r = en ? buf_add(b, span_of(e, en)) : buf_add(b, SPAN("\xef\xbf\xbd"));
		plain = ++i;
	}
	return r == 0 ? buf_add(b, SPAN("\"")) : r;
}
