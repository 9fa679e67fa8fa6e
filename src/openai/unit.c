/* See unit.h. RFC 8259 §7, RFC 3629; on the worker, inside the scan of a body. */
#include "openai/unit.h"

#include "base/base.h"

const char unit_escapes[256] = {
	['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\uXXXX" at p: 6 and the code unit, UNIT_CUT or UNIT_INVALID. */
static int unit16(const char *p, size_t n, uint32_t *ret)
{
	uint32_t v = 0;
	if (n > 0 && p[0] != '\\')
		return UNIT_INVALID;
	if (n > 1 && p[1] != 'u')
		return UNIT_INVALID;
	for (size_t i = 2; i < 6 && i < n; i++) {
		int h = hex_value(p[i]);
		if (h < 0)
			return UNIT_INVALID;
		v = v << 4 | (uint32_t)h;
	}
	*ret = v;
	return n < 6 ? UNIT_CUT : 6;
}

static size_t utf8_write(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00u >> n) | c);
	return n;
}

/* \u at p, with its second half when it is a surrogate pair (RFC 8259 §7); lone halves are refused. */
static int unicode_escape(const char *p, size_t n, char out[4], size_t *out_n)
{
	uint32_t c, low;
	int k = unit16(p, n, &c);
	if (k <= 0)
		return k;
	if (c >= 0xdc00 && c <= 0xdfff)
		return UNIT_INVALID;
	if (c >= 0xd800 && c <= 0xdbff) {
		int k2 = unit16(p + 6, n - 6, &low);
		if (k2 <= 0)
			return k2;
		if (low < 0xdc00 || low > 0xdfff)
			return UNIT_INVALID;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		k += k2;
	}
	*out_n = utf8_write(c, out);
	return k;
}

/* A UTF-8 sequence that is not whole: UNIT_CUT as long as it still can become valid. */
static int cut_sequence(const char *p, size_t n)
{
	char whole[4];
	/* The bytes that are there decide: fill up with the smallest, then with the largest continuation bytes. */
	for (int fill = 0x80; fill <= 0xbf; fill += 0x3f) {
		memset(whole, fill, sizeof whole);
		memcpy(whole, p, n < sizeof whole ? n : sizeof whole);
		if (utf8_length(whole, sizeof whole) > n)
			return UNIT_CUT;
	}
	return UNIT_INVALID;
}

int unit_decode(const char *p, size_t n, char out[4], size_t *out_n)
{
	if (*p != '\\') {
		size_t k = utf8_length(p, n);
		if (k == 0)
			return cut_sequence(p, n);
		memcpy(out, p, k);
		*out_n = k;
		return (int)k;
	}
	if (n < 2)
		return UNIT_CUT;
	if (p[1] == 'u')
		return unicode_escape(p, n, out, out_n);
	out[0] = unit_escapes[(unsigned char)p[1]];
	*out_n = 1;
	return out[0] ? 2 : UNIT_INVALID;
}
