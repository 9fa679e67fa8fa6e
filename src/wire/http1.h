/* HTTP/1.1 messages (RFC 9110, RFC 9112): strict parsing of heads and chunked bodies, and the tables for writing them.
 * Whatever two parsers could read in two ways is an error here. All functions are pure; any thread. */
#ifndef PS_WIRE_HTTP1_H
#define PS_WIRE_HTTP1_H

#include "base/base.h"

/* Fields the gateway acts on, recognised while parsing; the table is wire/fields.def. */
enum h1_name {
	H1_OTHER = 0,
#define H1_FIELD(id, text, flags) H1_##id,
#include "wire/fields.def"
#undef H1_FIELD
	H1_NAME_COUNT
};

/* Properties of known fields (wire/fields.def). */
enum h1_field_flag {
	H1_HOP = 1,	/* belongs to one connection: never forwarded (RFC 9110 §7.6.1) */
	H1_FRAMING = 2, /* written by us alone: Content-Length, Transfer-Encoding, Trailer */
	H1_ROUTING = 4, /* names a destination or carries engine-internal data: never accepted from clients */
};

enum { H1_FIELDS_MAX = 128 }; /* capacity of a parsed head; the limit in force is h1_limits.fields */

struct h1_field {
	struct span name;  /* as sent; compare without case */
	struct span value; /* without surrounding blanks */
	enum h1_name id;
};

enum h1_method {
	H1_METHOD_OTHER, /* a valid token that is none of these */
	H1_GET,
	H1_HEAD,
	H1_POST,
	H1_PUT,
	H1_DELETE,
	H1_OPTIONS,
	H1_PATCH,
	H1_CONNECT,
	H1_TRACE,
};

enum h1_framing {
	H1_BODY_NONE,
	H1_BODY_LENGTH,
	H1_BODY_CHUNKED,
	H1_BODY_UNTIL_CLOSE, /* answers only */
};

/* Bounds of one listener or pool. Defaults: h1_limits_default(). */
struct h1_limits {
	uint32_t line_bytes;		/* request line, 8 KiB: above it 414 */
	uint32_t head_bytes;		/* request or answer head without the first line, 64 KiB: 431 */
	uint32_t fields;		/* 100: 431 */
	uint32_t value_bytes;		/* one field value, 16 KiB: 431 */
	uint32_t trailer_bytes;		/* 4 KiB */
	uint32_t chunk_ext_bytes;	/* one chunk's extension, 256 */
	uint32_t chunk_ext_total_bytes; /* all of a body's, 4 KiB */
};

/* A parsed head. Spans point into the buffer it was parsed from and die with it (or to a literal: the path of
 * an absolute target without one). */
struct h1_head {
	/* requests */
	enum h1_method method;
	struct span method_text;
	struct span target; /* as sent */
	/* Of the target, as sent: begins with '/', or is "*" for OPTIONS, or empty for CONNECT. Escapes are sound
	 * and none is %00; dot segments are left. */
	struct span path;
	struct span query; /* behind '?', without it */
	/* Of Host, or of an absolute target, which wins (RFC 9112 §3.2.2); may be empty for HTTP/1.0. */
	struct span authority;
	/* answers */
	int status;
	struct span reason;
	/* both */
	uint8_t minor; /* HTTP/1.<minor>: 0 or 1 */
	bool keep_alive;
	bool expect_continue; /* there is a body, and the client waits for 100 before it sends it */
	bool upgrade; /* asks to change protocols (Upgrade named by Connection) or CONNECT; answers: has changed */
	enum h1_framing framing;
	uint64_t length; /* when framing is H1_BODY_LENGTH; may be 0, at most INT64_MAX */
	uint32_t field_count;
	struct h1_field fields[H1_FIELDS_MAX];
};

struct h1_limits h1_limits_default(void);

/* Parses a request head at p. Returns its length in bytes (the empty line included), 0 when more bytes are
 * needed, or -PS_EBADHTTP, -PS_EVERSION, -PS_ECODING, -PS_EURITOOLONG, -PS_EHEADTOOBIG, -PS_EEXPECT. What is
 * wrong already is refused before the head is complete. `seen`: how many of these bytes an earlier call
 * that returned 0 was given; it keeps dripped heads linear. At most one empty line (CRLF) before the request
 * line is skipped (RFC 9112 §2.2) and counted in the length. The verdict does not depend on how the bytes were cut.
 * 0 is never returned for more than 4 + line_bytes + head_bytes: who has room for that never stalls. *h is filled only
 * when the result is positive. */
ptrdiff_t h1_request_parse(struct h1_head *h, const char *p, size_t n, size_t seen, const struct h1_limits *limits,
			   struct err *e) MUST_CHECK;

/* The same for an answer to `method`: -PS_EUPPROTO for anything wrong. 1xx heads are returned like others. */
ptrdiff_t h1_response_parse(struct h1_head *h, enum h1_method method, const char *p, size_t n, size_t seen,
			    const struct h1_limits *limits, struct err *e) MUST_CHECK;

/* First field of that kind, or NULL. For H1_OTHER names: h1_field_named. */
const struct h1_field *h1_field_find(const struct h1_head *h, enum h1_name id);
const struct h1_field *h1_field_named(const struct h1_head *h, struct span name);
unsigned h1_field_flags(enum h1_name id);
/* True when `name` is listed in a Connection field of this head, so it must not be forwarded. */
bool h1_named_by_connection(const struct h1_head *h, struct span name);
/* The reason phrase of a status ("OK"); "Unknown" for others. */
const char *h1_reason(int status);
/* RFC 9110 token and field-value grammars, for what configuration and rewriting put into heads. */
bool h1_is_token(struct span s);
bool h1_is_value(struct span s);

/* Appends "name: value\r\n". The caller vouches for both (h1_is_token, h1_is_value). 0, -PS_ETOOBIG or -PS_ENOMEM. */
int h1_add_field(struct buf *b, struct span name, struct span value) MUST_CHECK;

/* Decoder of a chunked body. One per body; 0 is its initial state, after h1_chunked_init. */
struct h1_chunked {
	const struct h1_limits *limits;
	uint64_t left; /* data bytes left in the chunk */
	uint32_t ext, ext_total, trailer;
	uint8_t state;
	bool answer; /* errors are -PS_EUPPROTO instead of -PS_EBADHTTP */
};

void h1_chunked_init(struct h1_chunked *c, const struct h1_limits *limits, bool answer);
/* Decodes in place: payload bytes are moved to the front of p. Returns how many bytes of the body were consumed
 * (all n, unless the body ended before), *ret_payload how many payload bytes now stand at p. Trailer fields are added
 * to `trailers` as a block of "name: value\r\n" lines, checked and without forbidden ones (RFC 9110 §6.5.1); NULL drops
 * them. The block is complete, and may be touched, once the body is done. -PS_EBADHTTP, -PS_EHEADTOOBIG (trailers),
 * -PS_ENOMEM; for answers -PS_EUPPROTO in place of the first two. Then too *ret_payload is set: what came before the
 * fault is sound and can be passed on; the decoder is of no more use. */
ptrdiff_t h1_chunked_decode(struct h1_chunked *c, char *p, size_t n, size_t *ret_payload, struct buf *trailers,
			    struct err *e) MUST_CHECK;
bool h1_chunked_done(const struct h1_chunked *c);

#endif
