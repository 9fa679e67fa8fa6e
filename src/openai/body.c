/* A whole answer body (no event stream) as it passes, on the worker that relays it. What is wanted of it stands at its
 * top, mostly at its end, and a body is long: it is searched for the names "usage" and "error", 32 bytes at a time, and
 * from the first of them on the parser reads as though inside the body's object.
 *
 *     {"id":…,"choices":[{"message":{"content":"…"}}],"usage":{…},"x":null}
 *     |--- searched --------------------------------->|--- parsed -------->|
 *
 * A name found deeper shows by the brackets behind it: the parser has closed its object and there is more; what it has
 * found is forgotten, and the search goes on behind. In a string a name cannot look like one, for its quotes are
 * escaped. Assumed of replicas: the body is JSON (what is searched is not checked), and the two names are spelled
 * without \u escapes. */
#include "openai/usage.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state {
	BODY_START, /* only white space so far */
	BODY_SEARCH,
	BODY_READ,
	BODY_OTHER, /* no object: nothing is wanted of it */
};

static const char names[2][BODY_NAME_BYTES + 1] = { "\"usage\"", "\"error\"" };

void answer_body_begin(struct answer_body *b, struct openai_usage *usage)
{
	b->state = BODY_START;
	b->kept_n = 0;
	b->doc.error = false;
	b->doc.usage = usage;
}

/* A name is at p, where BODY_NAME_BYTES are readable. */
static inline bool is_name(const char *p)
{
	return memcmp(p, names[0], BODY_NAME_BYTES) == 0 || memcmp(p, names[1], BODY_NAME_BYTES) == 0;
}

/* As is_name; but an escaped quote begins nothing. `known`: the first byte that may be looked at. */
static inline bool begins_name(const char *p, const char *known)
{
	return is_name(p) && (p == known || p[-1] != '\\');
}

#ifdef __SSE2__
/* Bit i: at p + i there are two quotes as far apart as a name's. */
static inline unsigned quotes(const char *p)
{
	const __m128i quote = _mm_set1_epi8('"');
	__m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), quote);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + BODY_NAME_BYTES - 1));
	return (unsigned)_mm_movemask_epi8(_mm_and_si128(a, _mm_cmpeq_epi8(b, quote)));
}
#endif

/* The first name that lies whole in `in`; NULL when there is none. */
static const char *find_name(struct span in, const char *known)
{
	const char *p = in.p, *end = in.p + in.n;
#ifdef __SSE2__
	for (; end - p >= 32 + BODY_NAME_BYTES - 1; p += 32)
		for (unsigned mask = quotes(p) | quotes(p + 16) << 16; mask; mask &= mask - 1)
			if (begins_name(p + __builtin_ctz(mask), known))
				return p + __builtin_ctz(mask);
#endif
	for (; end - p >= BODY_NAME_BYTES; p++)
		if (begins_name(p, known))
			return p;
	return NULL;
}

/* Keeps the end of what was searched for the next piece. */
static void keep(struct answer_body *b, struct span in)
{
	char all[2 * BODY_NAME_BYTES];
	size_t last_n = in.n < BODY_NAME_BYTES ? in.n : BODY_NAME_BYTES;
	struct span last = span_of(in.p + in.n - last_n, last_n);
	memcpy(all, b->kept, b->kept_n);
	memcpy(all + b->kept_n, last.p, last.n);
	size_t n = b->kept_n + last.n, k = n < BODY_NAME_BYTES ? n : BODY_NAME_BYTES;
	memcpy(b->kept, all + n - k, k);
	b->kept_n = (uint8_t)k;
}

/* The name that begins in the bytes kept, or with the first of `in`: what of it has been kept goes to the parser. True
 * when there is one. */
static bool find_cut_name(struct answer_body *b, struct span in)
{
	char all[2 * BODY_NAME_BYTES];
	struct span first = span_head(in, BODY_NAME_BYTES);
	size_t seen = b->kept_n == BODY_NAME_BYTES; /* at the first of so many a name has been looked for */
	memcpy(all, b->kept, b->kept_n);
	memcpy(all + b->kept_n, first.p, first.n);
	const char *at = find_name(span_of(all + seen, b->kept_n + first.n - seen), all);
	if (!at)
		return false;
	answer_doc_begin_inside(&b->doc, b->doc.usage);
	answer_doc_feed(&b->doc, span_of(at, (size_t)(all + b->kept_n - at)));
	b->state = BODY_READ;
	return true;
}

/* What is left of `in` for the parser, which has begun; nothing of it when there is no name. */
static struct span search(struct answer_body *b, struct span in)
{
	if (b->kept_n && find_cut_name(b, in))
		return in;
	size_t seen = b->kept_n > 0; /* at its first byte a name has been looked for */
	const char *at = find_name(span_skip(in, seen), in.p);
	if (!at) {
		keep(b, in);
		return SPAN_NONE;
	}
	answer_doc_begin_inside(&b->doc, b->doc.usage);
	b->state = BODY_READ;
	return span_skip(in, (size_t)(at - in.p));
}

/* What is left of `in` to be searched once the parser has met what cannot follow at the top. */
static struct span read_on(struct answer_body *b, struct span in)
{
	const struct scan *json = &b->doc.json;
	answer_doc_feed(&b->doc, in);
	if (!json->failed)
		return SPAN_NONE;
	/* A fault that began in an earlier piece: no name begins in what is between. */
	in = span_skip(in, json->at > json->offset ? json->at - json->offset : 0);
	*b->doc.usage = (struct openai_usage){ 0 };
	b->doc.error = false;
	b->kept_n = 0;
	b->state = BODY_SEARCH;
	return in;
}

static struct span start(struct answer_body *b, struct span in)
{
	while (in.n && scan_is_space(in.p[0]))
		in = span_skip(in, 1);
	if (in.n)
		b->state = in.p[0] == '{' ? BODY_SEARCH : BODY_OTHER;
	return in;
}

void answer_body_feed(struct answer_body *b, struct span in)
{
	static struct span (*const steps[])(struct answer_body *, struct span) = {
		[BODY_START] = start,
		[BODY_SEARCH] = search,
		[BODY_READ] = read_on,
	};
	while (in.n && b->state != BODY_OTHER)
		in = steps[b->state](b, in);
}

bool answer_body_error(const struct answer_body *b)
{
	return b->doc.error;
}
