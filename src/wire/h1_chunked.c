/* Chunked bodies (RFC 9112 §7.1), decoded in place as they arrive; on a worker, for requests and answers alike.
 *
 *     SIZE ─┬─ ";" → extension states ─┐
 *           └──────── CR ──────────────┴→ SIZE_LF ─┬→ DATA → DATA_CR → DATA_LF → SIZE_FIRST
 *                                                  └→ (size 0) TRAILER → NAME → VALUE → VALUE_LF → TRAILER
 *                                                                └ CR → FINAL_LF → DONE
 *
 * Data is moved in runs, all else goes octet by octet through a state each, so any split decodes alike. Extensions are
 * checked and forgotten. Trailer lines are gathered in the caller's buffer, where each is judged when it is whole. */
#include "wire/h1_private.h"

enum { SIZE_DIGITS = 16 };

enum state {
	SIZE_FIRST, /* the initial state: at least one digit */
	SIZE,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	EXT, /* the extension states are the rows of ext_steps */
	EXT_NAME,
	EXT_NAME_END,
	EXT_EQ,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_ESCAPE,
	EXT_VALUE_END,
	EXT_BLANK, /* behind a value: only another extension may follow */
	TRAILER,
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	FINAL_LF,
	DONE,
	FAULT,
};

/* Octets of an extension by what they do there. */
enum ext_octet { X_TOKEN, X_EQ, X_SEMICOLON, X_QUOTE, X_BACKSLASH, X_BLANK, X_CR, X_OTHER, X_BAD, X_COUNT };

/* chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ). The one blank refused though the grammar
 * has it is that right behind the size: "5 " is what lenient readers and strict ones take differently. */
static const uint8_t ext_steps[EXT_BLANK - EXT + 1][X_COUNT] = {
#define STEPS(token, eq, semicolon, quote, backslash, blank, cr, other)                                                \
	{                                                                                                              \
		token, eq, semicolon, quote, backslash, blank, cr, other, FAULT                                        \
	}
	[0] = STEPS(EXT_NAME, FAULT, FAULT, FAULT, FAULT, EXT, FAULT, FAULT),
	[EXT_NAME - EXT] = STEPS(EXT_NAME, EXT_EQ, EXT, FAULT, FAULT, EXT_NAME_END, SIZE_LF, FAULT),
	[EXT_NAME_END - EXT] = STEPS(FAULT, EXT_EQ, EXT, FAULT, FAULT, EXT_NAME_END, FAULT, FAULT),
	[EXT_EQ - EXT] = STEPS(EXT_VALUE, FAULT, FAULT, EXT_QUOTED, FAULT, EXT_EQ, FAULT, FAULT),
	[EXT_VALUE - EXT] = STEPS(EXT_VALUE, FAULT, EXT, FAULT, FAULT, EXT_BLANK, SIZE_LF, FAULT),
	[EXT_QUOTED - EXT] = STEPS(EXT_QUOTED, EXT_QUOTED, EXT_QUOTED, EXT_VALUE_END, EXT_ESCAPE, EXT_QUOTED, FAULT,
				   EXT_QUOTED),
	[EXT_ESCAPE -
		EXT] = STEPS(EXT_QUOTED, EXT_QUOTED, EXT_QUOTED, EXT_QUOTED, EXT_QUOTED, EXT_QUOTED, FAULT, EXT_QUOTED),
	[EXT_VALUE_END - EXT] = STEPS(FAULT, FAULT, EXT, FAULT, FAULT, EXT_BLANK, SIZE_LF, FAULT),
	[EXT_BLANK - EXT] = STEPS(FAULT, FAULT, EXT, FAULT, FAULT, EXT_BLANK, FAULT, FAULT),
#undef STEPS
};

static enum ext_octet ext_octet(char c)
{
	switch (c) {
	case '=':
		return X_EQ;
	case ';':
		return X_SEMICOLON;
	case '"':
		return X_QUOTE;
	case '\\':
		return X_BACKSLASH;
	case ' ':
	case '\t':
		return X_BLANK;
	case '\r':
		return X_CR;
	default:
		return h1_is(c, C_TOKEN) ? X_TOKEN : h1_is(c, C_VALUE) ? X_OTHER : X_BAD;
	}
}

void h1_chunked_init(struct h1_chunked *c, const struct h1_limits *limits, bool answer)
{
	*c = (struct h1_chunked){ .limits = limits, .answer = answer };
}

bool h1_chunked_done(const struct h1_chunked *c)
{
	return c->state == DONE;
}

static enum state size_digit(struct h1_chunked *c, char octet)
{
	int digit = h1_hex(octet);
	/* `ext` counts the digits while there is no extension yet. */
	if (digit < 0 || c->ext == SIZE_DIGITS)
		return FAULT;
	c->ext++;
	c->left = c->left << 4 | (unsigned)digit;
	/* More than a signed 64-bit reader can hold would be read differently by others. */
	return c->left > INT64_MAX ? FAULT : SIZE;
}

static enum state size_end(struct h1_chunked *c, char octet)
{
	if (octet == ';')
		c->ext = 0;
	return octet == ';' ? EXT : octet == '\r' ? SIZE_LF : size_digit(c, octet);
}

static enum state ext_step(struct h1_chunked *c, char octet)
{
	if (octet != '\r' &&
	    (++c->ext > c->limits->chunk_ext_bytes || ++c->ext_total > c->limits->chunk_ext_total_bytes))
		return FAULT;
	return ext_steps[c->state - EXT][ext_octet(octet)];
}

static enum state size_line_end(struct h1_chunked *c)
{
	c->ext = 0;
	return c->left ? DATA : TRAILER;
}

static enum state trailer_step(struct h1_chunked *c, char octet)
{
	switch (c->state) {
	case TRAILER:
		if (octet == '\r')
			return FINAL_LF;
		return h1_is(octet, C_TOKEN) ? TRAILER_NAME : FAULT;
	case TRAILER_NAME:
		if (octet == ':')
			return TRAILER_VALUE;
		return h1_is(octet, C_TOKEN) ? TRAILER_NAME : FAULT;
	case TRAILER_VALUE:
		if (octet == '\r')
			return TRAILER_LF;
		return h1_is(octet, C_VALUE) ? TRAILER_VALUE : FAULT;
	default:
		return octet == '\n' ? TRAILER : FAULT;
	}
}

/* The state behind one octet that is no data. */
static enum state step(struct h1_chunked *c, char octet)
{
	switch (c->state) {
	case SIZE_FIRST:
		return size_digit(c, octet);
	case SIZE:
		return size_end(c, octet);
	case SIZE_LF:
		return octet == '\n' ? size_line_end(c) : FAULT;
	case DATA_CR:
		return octet == '\r' ? DATA_LF : FAULT;
	case DATA_LF:
		return octet == '\n' ? SIZE_FIRST : FAULT;
	case FINAL_LF:
		return octet == '\n' ? DONE : FAULT;
	case EXT ... EXT_BLANK:
		return ext_step(c, octet);
	case TRAILER ... TRAILER_LF:
		return trailer_step(c, octet);
	default:
		return FAULT;
	}
}

/* Fields that must not come behind a body: what frames, routes, authenticates, describes the content or belongs to a
 * connection would change what has been decided already (RFC 9110 §6.5.1). */
static bool is_forbidden(struct span name)
{
	static const struct span others[] = {
		{ "cache-control", 13 },
		{ "max-forwards", 12 },
		{ "range", 5 },
		{ "pragma", 6 },
		{ "if-", 3 },
		{ "cookie", 6 },
		{ "set-cookie", 10 },
		{ "authentication-info", 19 },
		{ "www-authenticate", 16 },
		{ "x-forwarded-", 12 },
		{ "age", 3 },
		{ "expires", 7 },
		{ "location", 8 },
		{ "vary", 4 },
		{ "content-", 8 },
	};
	enum h1_name id = h1_name_find(name);
	if (h1_field_flags(id) || id == H1_HOST || id == H1_AUTHORIZATION || id == H1_DATE || id == H1_RETRY_AFTER)
		return true;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		/* An entry that ends in "-" stands for all names that begin so. */
		bool family = others[i].p[others[i].n - 1] == '-';
		if (span_eq_nocase(family ? span_head(name, others[i].n) : name, others[i]))
			return true;
	}
	return false;
}

/* The last line of the block is whole: rewrites it as "name: value" or takes it out. */
static int judge_trailer(struct buf *block)
{
	/* The line may grow by the blank behind its colon. */
	int r = buf_add(block, SPAN(" "));
	if (r < 0)
		return r;
	struct span text = span_head(buf_span(block), buf_len(block) - 3), value;
	const char *before = memrchr(text.p, '\n', text.n);
	char *line = block->p + block->at + (before ? before + 1 - text.p : 0);
	struct span name = span_cut(span_skip(text, (size_t)(line - text.p)), ':', &value);
	value = span_trim(value);
	block->end = (size_t)(line - block->p);
	if (is_forbidden(name))
		return 0;
	memmove(line + name.n + 2, value.p, value.n);
	line[name.n] = ':';
	line[name.n + 1] = ' ';
	line[name.n + 2 + value.n] = '\r';
	line[name.n + 3 + value.n] = '\n';
	buf_commit(block, name.n + value.n + 4);
	return 0;
}

static int fault(const struct h1_chunked *c, int code, const char *why, struct err *e)
{
	return err_set(e, c->answer && code != PS_ENOMEM ? PS_EUPPROTO : code, "%s", why);
}

static const char *why_fault(uint8_t state)
{
	if (state <= SIZE_LF)
		return "a chunk size is malformed";
	if (state <= DATA_LF)
		return "chunk data is not followed by CRLF";
	return state <= EXT_BLANK ? "a chunk extension is malformed or too long" : "a trailer field is malformed";
}

static int keep_trailer(const struct h1_chunked *c, struct buf *trailers, struct span piece, struct err *e)
{
	int r = trailers ? buf_add(trailers, piece) : 0;
	if (r == 0 && trailers && c->state == TRAILER && piece.n && piece.p[piece.n - 1] == '\n')
		r = judge_trailer(trailers);
	if (r == -PS_ENOMEM)
		return fault(c, PS_ENOMEM, "no memory for trailer fields", e);
	return r < 0 ? fault(c, PS_EHEADTOOBIG, "the trailer fields are too large", e) : 0;
}

/* One line of the trailer section, or what has arrived of it. Returns the octets taken. */
static ptrdiff_t trailer_run(struct h1_chunked *c, struct span in, struct buf *trailers, struct err *e)
{
	size_t i = 0;
	do {
		if (++c->trailer > c->limits->trailer_bytes)
			return fault(c, PS_EHEADTOOBIG, "the trailer fields are too large", e);
		uint8_t was = c->state;
		c->state = (uint8_t)step(c, in.p[i++]);
		if (c->state == FAULT)
			return fault(c, PS_EBADHTTP, why_fault(was), e);
	} while (i < in.n && c->state != TRAILER && c->state != FINAL_LF);
	if (c->state == FINAL_LF)
		return (ptrdiff_t)i;
	int r = keep_trailer(c, trailers, span_head(in, i), e);
	return r < 0 ? r : (ptrdiff_t)i;
}

/* Moves data octets to the front. */
static size_t data_run(struct h1_chunked *c, char *to, const char *from, size_t n)
{
	if (n > c->left)
		n = (size_t)c->left;
	if (to != from)
		memmove(to, from, n);
	c->left -= n;
	if (c->left == 0)
		c->state = DATA_CR;
	return n;
}

/* Whatever comes next: returns how many octets were taken and adds what of them is payload, now at `to`. */
static ptrdiff_t run(struct h1_chunked *c, char *to, char *from, size_t n, size_t *payload, struct buf *trailers,
		     struct err *e)
{
	if (c->state == DATA) {
		size_t k = data_run(c, to, from, n);
		*payload += k;
		return (ptrdiff_t)k;
	}
	if (c->state >= TRAILER && c->state <= TRAILER_LF)
		return trailer_run(c, span_of(from, n), trailers, e);
	uint8_t was = c->state;
	c->state = (uint8_t)step(c, *from);
	return c->state == FAULT ? fault(c, PS_EBADHTTP, why_fault(was), e) : 1;
}

ptrdiff_t h1_chunked_decode(struct h1_chunked *c, char *p, size_t n, size_t *ret_payload, struct buf *trailers,
			    struct err *e)
{
	size_t i = 0, payload = 0;
	ptrdiff_t k = 0;
	for (; i < n && c->state != DONE; i += (size_t)k) {
		k = run(c, p + payload, p + i, n - i, &payload, trailers, e);
		if (k < 0)
			break;
	}
	*ret_payload = payload;
	return k < 0 ? k : (ptrdiff_t)i;
}
