/* Private to wire: octet classes, and the head grammar that requests, answers and trailers share.
 * Requests are read in h1_request.c, answers in h1_response.c; what they have in common is h1_head.c. */
#ifndef PS_WIRE_H1_PRIVATE_H
#define PS_WIRE_H1_PRIVATE_H

#include "wire/http1.h"

/* Where an octet may stand. One table look-up answers all of them. */
enum h1_class {
	C_TOKEN = 1,  /* tchar (RFC 9110 §5.6.2) */
	C_VALUE = 2,  /* field-vchar, obs-text, SP, HTAB (RFC 9110 §5.5) */
	C_LINE = 4,   /* VCHAR or SP: all that a request line is made of */
	C_PATH = 8,   /* pchar, "/", and "[]^|", which browsers do not escape */
	C_QUERY = 16, /* VCHAR without what every URL serialiser escapes: " # < > */
	C_NAME = 32,  /* unreserved (RFC 3986 §2.3): what a host name is made of here */
	C_HEX = 64,
};

extern const uint8_t h1_classes[256];

static inline bool h1_is(char c, uint8_t class)
{
	return (h1_classes[(unsigned char)c] & class) != 0;
}

/* True when every octet of s is of the class. */
static inline bool h1_all(struct span s, uint8_t class)
{
	for (size_t i = 0; i < s.n; i++)
		if (!h1_is(s.p[i], class))
			return false;
	return true;
}

/* Value of a hexadecimal digit, or -1. */
static inline int h1_hex(char c)
{
	if (!h1_is(c, C_HEX))
		return -1;
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The known field of that name, or H1_OTHER. `name` must be a token. */
enum h1_name h1_name_find(struct span name);
enum h1_method h1_method_find(struct span name);

/* Takes the next element of a comma-separated list (RFC 9110 §5.6.1) from *list, without blanks around it. False at the
 * end. Empty elements are returned: whether they may be there is the field's business. */
bool h1_list_next(struct span *list, struct span *ret_item);

/* A head being read, and how its faults are called in this direction. */
struct h1_input {
	const char *p;
	size_t n;
	size_t seen; /* bytes that an earlier call has looked at */
	const struct h1_limits *limits;
	struct err *e;
	int bad;       /* code for what is malformed */
	int long_line; /* code for a first line over its bound */
	int big;       /* code for fields over their bounds */
};

/* Notes that the input is malformed and returns the code. */
int h1_bad(const struct h1_input *in, const char *why);

/* Forgets what a head said; the fields' own memory is left alone (5 KiB that need no clearing). */
void h1_head_clear(struct h1_head *h);

/* The first line, which begins at `from` and is made of octets of `class`: its length with CRLF, 0 when its end has not
 * arrived, or a code. What has newly arrived of an unfinished line is checked all the same. */
ptrdiff_t h1_first_line(const struct h1_input *in, size_t from, uint8_t class);

/* The field lines, which begin at `from`, into h->fields: the length of the whole head, 0 when its end has not arrived,
 * or a code. */
ptrdiff_t h1_field_lines(struct h1_head *h, const struct h1_input *in, size_t from);

/* What the fields that govern connection and framing say, all lines of a name taken together. */
struct h1_meaning {
	uint32_t hosts, lengths; /* lines of Host and of Content-Length */
	struct span host;
	uint64_t length;
	bool lengths_differ;
	bool coded;   /* there is a Transfer-Encoding */
	bool chunked; /* and its last coding is chunked */
	bool unknown_coding;
	bool close, keep_alive, upgrade; /* connection options */
	bool upgrade_field;
	bool expect, expect_other; /* 100-continue; anything else */
};

/* Reads them; 0 or a code. */
int h1_meaning_read(struct h1_meaning *m, const struct h1_head *h, const struct h1_input *in);

/* "HTTP/1.0" or "HTTP/1.1": 0 or 1; -PS_EVERSION for another well-formed version; -PS_EBADHTTP for none. */
int h1_version(struct span s);

#endif
