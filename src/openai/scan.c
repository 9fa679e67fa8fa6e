/* The JSON push parser: one state, one byte run at a time, no recursion, no lookback. Runs of plain text are found
 * 16 to 64 bytes at a time (SSE2); an escape or UTF-8 sequence cut by a split waits in `carry` until it is whole, so
 * both ways share one decoder. Hot: every byte of every request body passes here, on the worker that owns it. Grammar:
 * RFC 8259; UTF-8: RFC 3629. */
#include "openai/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "openai/openai.h"
#include "openai/unit.h"

enum state { /* what may come next */
	     ST_VALUE,
	     ST_ELEMENT_OR_END, /* behind [ */
	     ST_KEY_OR_END,	/* behind { */
	     ST_KEY,		/* behind a comma in an object */
	     ST_COLON,
	     ST_BEHIND, /* behind a value in a container */
	     ST_STRING,
	     ST_NUMBER,
	     ST_WORD,
	     ST_DONE,
};

/* Decoded text on its way to the sink, so that texts full of escapes do not cost a call for each. */
struct scratch {
	size_t n;
	char text[512 + 16]; /* with room for the last 16 bytes of copy_run */
};

enum {
	SCRATCH_BYTES = 512,
	DIRECT_BYTES = 128, /* runs from this length on are not worth copying (measured: 64 to 256 are alike) */
};

static int fail(struct scan *s, const char *p, int code, const char *why)
{
	s->at = s->offset + (size_t)(p - s->base);
	s->why = why;
	return -code;
}

static int bad(struct scan *s, const char *p, const char *why)
{
	return fail(s, p, PS_EBADJSON, why);
}

static inline int emit(struct scan *s, enum scan_event ev, struct span text)
{
	return s->muted || !s->sink ? 0 : s->sink(s->arg, ev, text);
}

static inline void mark(struct scan *s, const char *p)
{
	s->at = s->offset + (size_t)(p - s->base);
}

static inline void mark_behind(struct scan *s, const char *p)
{
	s->behind = s->offset + (size_t)(p - s->base);
}

static inline void value_done(struct scan *s)
{
	s->state = s->depth ? ST_BEHIND : ST_DONE;
}

/* ---- keys and numbers: whole when they fit the token buffer ---- */

static int token_add(struct scan *s, enum scan_event part, struct span t)
{
	while (t.n) {
		if (s->token_len == SCAN_TOKEN_BYTES) {
			int r = emit(s, part, span_of(s->token, SCAN_TOKEN_BYTES));
			if (r < 0)
				return r;
			s->token_len = 0;
		}
		struct span fits = span_head(t, SCAN_TOKEN_BYTES - (size_t)s->token_len);
		memcpy(s->token + s->token_len, fits.p, fits.n);
		s->token_len = (uint8_t)(s->token_len + fits.n);
		t = span_skip(t, fits.n);
	}
	return 0;
}

static int token_end(struct scan *s, enum scan_event ev)
{
	size_t n = s->token_len;
	s->token_len = 0;
	return emit(s, ev, span_of(s->token, n));
}

/* ---- strings ---- */

#ifdef __SSE2__
static inline __m128i load16(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Printable bytes but quote and backslash stay at PLAIN or above, unsigned: ^ 2 makes the quote the least of them (and
 * a space the next but one), ^ 0x80 puts the bytes that are not ASCII below. */
enum { TWIST = 0x82, PLAIN = ('"' ^ TWIST) + 1 };

static inline __m128i twist16(const char *p)
{
	return _mm_xor_si128(load16(p), _mm_set1_epi8((char)TWIST));
}

static inline __m128i is_slash(__m128i twisted)
{
	return _mm_cmpeq_epi8(twisted, _mm_set1_epi8((char)('\\' ^ TWIST)));
}

static inline __m128i below_plain(__m128i twisted)
{
	return _mm_cmpeq_epi8(_mm_min_epu8(twisted, _mm_set1_epi8((char)(PLAIN - 1))), twisted);
}

/* Bit i: byte i is not printable ASCII, or is a quote or backslash. */
static inline unsigned special_mask(const char *p)
{
	__m128i v = twist16(p);
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(below_plain(v), is_slash(v)));
}

/* Any of the next 64 bytes is special. */
static inline bool special_in_64(const char *p)
{
	__m128i a = twist16(p), b = twist16(p + 16), c = twist16(p + 32), d = twist16(p + 48);
	__m128i least = _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d));
	__m128i slash = _mm_or_si128(_mm_or_si128(is_slash(a), is_slash(b)), _mm_or_si128(is_slash(c), is_slash(d)));
	return _mm_movemask_epi8(_mm_or_si128(below_plain(least), slash)) != 0;
}
#endif

/* The first byte that is not printable ASCII, or is a quote or backslash. */
static const char *plain_end(const char *p, const char *end)
{
#ifdef __SSE2__
	/* Between wide characters runs are short: 64 at once only behind 16. */
	for (bool first = true; end - p >= 16; p += 16, first = false) {
		unsigned stop = special_mask(p);
		if (stop)
			return p + __builtin_ctz(stop);
		while (first && end - p >= 64 + 16 && !special_in_64(p + 16))
			p += 64;
	}
#endif
	while (p < end && (signed char)*p >= ' ' && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Behind the valid UTF-8 sequences of two and more bytes that lie whole before `end`. */
static const char *wide_end(const char *p, const char *end)
{
	while (p < end && (signed char)*p < 0) {
		uint32_t w;
		size_t n;
		/* Three bytes, U+1000 to U+CFFF: most of the world's longer scripts, with nothing else to check. */
		if (end - p >= 4 && (memcpy(&w, p, 4), (w & 0x00c0c0ff) - 0x008080e1 <= 0xb)) {
			p += 3;
			continue;
		}
		n = utf8_length(p, (size_t)(end - p));
		if (n == 0)
			break;
		p += n;
	}
	return p;
}

/* Behind the longest run of text that stands for itself. */
static const char *long_text_end(const char *p, const char *end)
{
	for (;;) {
		p = plain_end(p, end);
		if (p == end || (signed char)*p >= 0)
			return p;
		const char *wide = wide_end(p, end);
		if (wide == p)
			return p;
		p = wide;
	}
}

/* The same; the first 16 bytes, with which most keys and strings are over, without a call. */
static inline const char *text_end(const char *p, const char *end)
{
#ifdef __SSE2__
	if (end - p >= 16) {
		unsigned stop = special_mask(p);
		const char *to = p + (stop ? __builtin_ctz(stop) : 0);
		if (stop && (signed char)*to >= 0)
			return to;
	}
#endif
	return long_text_end(p, end);
}

static inline bool wanted(const struct scan *s)
{
	return s->in_key || s->want_text;
}

static int give(struct scan *s, struct span t)
{
	if (t.n == 0)
		return 0;
	return s->in_key ? token_add(s, SCAN_KEY_PART, t) : emit(s, SCAN_TEXT, t);
}

static int give_scratch(struct scan *s, struct scratch *o)
{
	int r = give(s, span_of(o->text, o->n));
	o->n = 0;
	return r;
}

/* Copies n bytes, 16 at a time where `end` allows it: runs between escapes are short, a call for each costs more. */
static inline void copy_run(char *to, const char *from, size_t n, const char *end)
{
	if ((size_t)(end - from) < n + 15) {
		memcpy(to, from, n);
		return;
	}
	for (size_t i = 0; i < n; i += 16)
		memcpy(to + i, from + i, 16);
}

/* A run of text, from bytes that reach to `end`. */
static inline int collect(struct scan *s, struct scratch *o, struct span t, const char *end)
{
	int r = 0;
	if (!wanted(s) || t.n == 0)
		return 0;
	if (o->n + t.n > SCRATCH_BYTES || t.n >= DIRECT_BYTES)
		r = give_scratch(s, o);
	if (r < 0)
		return r;
	if (t.n >= DIRECT_BYTES)
		return give(s, t);
	copy_run(o->text + o->n, t.p, t.n, end);
	o->n += t.n;
	return 0;
}

/* The few bytes of a decoded unit. */
static inline int collect_unit(struct scan *s, struct scratch *o, struct span t)
{
	if (!wanted(s))
		return 0;
	int r = o->n + t.n > SCRATCH_BYTES ? give_scratch(s, o) : 0;
	if (r < 0)
		return r;
	memcpy(o->text + o->n, t.p, t.n);
	o->n += t.n;
	return 0;
}

/* The fault is at the unit's first byte, which may have come in an earlier piece. */
static int unit_invalid(struct scan *s, const char *p, size_t carried, char first)
{
	int r = bad(s, p,
		    first == '\\' ? "a string has an unknown escape or half a surrogate pair"
				  : "a string is not valid UTF-8");
	s->at -= carried;
	return r;
}

/* The rest of a unit that the last split has cut. */
static int finish_carried(struct scan *s, const char **p, const char *end)
{
	char out[4];
	size_t n = 0;
	int k = UNIT_CUT;
	while (k == UNIT_CUT && *p < end) {
		s->carry[s->carried++] = *(*p)++;
		k = unit_decode(s->carry, s->carried, out, &n);
	}
	if (k == UNIT_INVALID)
		return unit_invalid(s, *p, s->carried, s->carry[0]);
	if (k == UNIT_CUT)
		return 0;
	s->carried = 0;
	return wanted(s) ? give(s, span_of(out, n)) : 0;
}

static int string_end(struct scan *s, const char *behind)
{
	if (s->in_key) {
		s->state = ST_COLON;
		return token_end(s, SCAN_KEY);
	}
	mark_behind(s, behind);
	value_done(s);
	return emit(s, SCAN_STRING_END, SPAN_NONE);
}

/* What stopped a run inside a string and is not its end: a unit to decode. */
static int string_unit(struct scan *s, struct scratch *o, const char **p, const char *end)
{
	char out[4];
	size_t n = 0;
	if ((unsigned char)**p < ' ')
		return bad(s, *p, "a control character stands unescaped in a string");
	int k = unit_decode(*p, (size_t)(end - *p), out, &n);
	if (k == UNIT_INVALID)
		return unit_invalid(s, *p, 0, **p);
	if (k == UNIT_CUT) {
		s->carried = (uint8_t)(end - *p);
		memcpy(s->carry, *p, s->carried);
		*p = end;
		return 0;
	}
	*p += k;
	return collect_unit(s, o, span_of(out, n));
}

/* Escapes like \n: most of them, at once; true when it was one. */
static inline bool plain_escape(struct scan *s, struct scratch *o, const char **p, const char *end)
{
	char c;
	if (end - *p < 2 || **p != '\\' || (c = unit_escapes[(unsigned char)(*p)[1]]) == 0 || o->n == SCRATCH_BYTES)
		return false;
	o->text[o->n] = c;
	o->n += wanted(s);
	*p += 2;
	return true;
}

/* Text and plain escapes straight into the scratch, until it is full or something else comes: one load and one store
 * for each 16 bytes or escape. */
static inline void copy_text(struct scratch *o, const char **p, const char *end)
{
#ifdef __SSE2__
	const char *at = *p;
	size_t n = o->n;
	char c;
	while (end - at >= 16 && n + 16 <= SCRATCH_BYTES) {
		_mm_storeu_si128((__m128i *)(void *)(o->text + n), load16(at));
		unsigned stop = special_mask(at);
		unsigned k = stop ? (unsigned)__builtin_ctz(stop) : 16;
		at += k;
		n += k;
		if (k == 16)
			continue;
		if (*at != '\\' || end - at < 2 || (c = unit_escapes[(unsigned char)at[1]]) == 0)
			break;
		o->text[n++] = c;
		at += 2;
	}
	*p = at;
	o->n = n;
#else
	(void)o, (void)p, (void)end;
#endif
}

static int string_rest(struct scan *s, const char **p, const char *end)
{
	struct scratch o NOT_ZEROED;
	int r = 0;
	o.n = 0;
	if (s->carried)
		r = finish_carried(s, p, end);
	while (r >= 0 && *p < end) {
		if (wanted(s))
			copy_text(&o, p, end);
		const char *run = *p;
		*p = text_end(run, end);
		r = collect(s, &o, span_of(run, (size_t)(*p - run)), end);
		if (r < 0 || *p == end)
			break;
		if (**p == '"') {
			(*p)++;
			r = give_scratch(s, &o);
			return r < 0 ? r : string_end(s, *p);
		}
		if (!plain_escape(s, &o, p, end))
			r = string_unit(s, &o, p, end);
	}
	/* Also before a fault: what stands in front of it comes first, as it does in smaller pieces. */
	int given = give_scratch(s, &o);
	return given < 0 ? given : r;
}

/* ---- steps: each takes one token, or what is there of it, and returns what is behind it; NULL after a fault ---- */

static inline const char *go(struct scan *s, int r, const char *p)
{
	if (r == 0)
		return p;
	s->failed = r;
	return NULL;
}

/* Not inlined: its scratch is a stack frame that most strings do not need. */
static __attribute__((noinline)) const char *in_string(struct scan *s, const char *p, const char *end)
{
	int r = string_rest(s, &p, end);
	return go(s, r, p);
}

static inline const char *begin_string(struct scan *s, const char *p, const char *end)
{
	const char *from = p + 1;
	s->in_key = s->want_text = false;
	s->state = ST_STRING;
	int r = emit(s, SCAN_STRING, SPAN_NONE);
	if (r < 0)
		return go(s, r, from);
	p = text_end(from, end);
	if (s->want_text && p > from && (r = emit(s, SCAN_TEXT, span_of(from, (size_t)(p - from)))) < 0)
		return go(s, r, p);
	if (p == end)
		return p;
	if (*p != '"')
		return in_string(s, p, end);
	return go(s, string_end(s, p + 1), p + 1);
}

/* ---- numbers ---- */

enum number_state { N_NONE, N_MINUS, N_ZERO, N_INT, N_DOT, N_FRACTION, N_E, N_SIGN, N_EXPONENT, N_COUNT };
enum number_class { C_OTHER, C_ZERO, C_DIGIT, C_DOT, C_E, C_PLUS, C_MINUS, C_COUNT };

static const uint8_t number_class[256] = {
	['0'] = C_ZERO,	 ['1'] = C_DIGIT, ['2'] = C_DIGIT, ['3'] = C_DIGIT, ['4'] = C_DIGIT,
	['5'] = C_DIGIT, ['6'] = C_DIGIT, ['7'] = C_DIGIT, ['8'] = C_DIGIT, ['9'] = C_DIGIT,
	['.'] = C_DOT,	 ['e'] = C_E,	  ['E'] = C_E,	   ['+'] = C_PLUS,  ['-'] = C_MINUS,
};

/* RFC 8259 §6. N_NONE: the byte is not part of the number. */
static const uint8_t number_next[N_COUNT][C_COUNT] = {
	[N_NONE] = { [C_MINUS] = N_MINUS, [C_ZERO] = N_ZERO, [C_DIGIT] = N_INT },
	[N_MINUS] = { [C_ZERO] = N_ZERO, [C_DIGIT] = N_INT },
	[N_ZERO] = { [C_DOT] = N_DOT, [C_E] = N_E },
	[N_INT] = { [C_ZERO] = N_INT, [C_DIGIT] = N_INT, [C_DOT] = N_DOT, [C_E] = N_E },
	[N_DOT] = { [C_ZERO] = N_FRACTION, [C_DIGIT] = N_FRACTION },
	[N_FRACTION] = { [C_ZERO] = N_FRACTION, [C_DIGIT] = N_FRACTION, [C_E] = N_E },
	[N_E] = { [C_ZERO] = N_EXPONENT, [C_DIGIT] = N_EXPONENT, [C_PLUS] = N_SIGN, [C_MINUS] = N_SIGN },
	[N_SIGN] = { [C_ZERO] = N_EXPONENT, [C_DIGIT] = N_EXPONENT },
	[N_EXPONENT] = { [C_ZERO] = N_EXPONENT, [C_DIGIT] = N_EXPONENT },
};

static bool number_complete(const struct scan *s)
{
	return s->number == N_ZERO || s->number == N_INT || s->number == N_FRACTION || s->number == N_EXPONENT;
}

static int number_end(struct scan *s, const char *p, struct span whole)
{
	if (!number_complete(s))
		return bad(s, p, "a number is not complete");
	mark_behind(s, p);
	value_done(s);
	if (s->token_len == 0 && whole.n <= SCAN_TOKEN_BYTES)
		return emit(s, SCAN_NUMBER, whole);
	int r = token_add(s, SCAN_NUMBER_PART, whole);
	return r < 0 ? r : token_end(s, SCAN_NUMBER);
}

static const char *in_number(struct scan *s, const char *p, const char *end)
{
	const char *from = p;
	uint8_t state = s->number, next;
	if (state == N_INT)
		while (p < end && *p >= '0' && *p <= '9')
			p++;
	while (p < end && (next = number_next[state][number_class[(unsigned char)*p]]) != N_NONE) {
		state = next;
		p++;
	}
	s->number = state;
	struct span seen = span_of(from, (size_t)(p - from));
	return go(s, p == end ? token_add(s, SCAN_NUMBER_PART, seen) : number_end(s, p, seen), p);
}

static const char *number_slow(struct scan *s, const char *p, const char *end)
{
	s->number = *p >= '1' && *p <= '9' ? N_INT : N_NONE;
	if (number_next[N_NONE][number_class[(unsigned char)*p]] == N_NONE)
		return go(s, bad(s, p, "a value is wanted here"), p);
	s->state = ST_NUMBER;
	return in_number(s, p, end);
}

/* Most numbers are a few digits that lie whole in the piece. */
static inline const char *begin_number(struct scan *s, const char *p, const char *end)
{
	const char *to = p;
	while (to < end && *to >= '0' && *to <= '9')
		to++;
	bool whole = to < end && number_class[(unsigned char)*to] == C_OTHER;
	if (!whole || *p == '0' || to == p || to - p > SCAN_TOKEN_BYTES)
		return number_slow(s, p, end);
	mark_behind(s, to);
	value_done(s);
	return go(s, emit(s, SCAN_NUMBER, span_of(p, (size_t)(to - p))), to);
}

/* ---- literals ---- */

static const char *word_end(struct scan *s, const char *p, enum scan_event ev)
{
	mark_behind(s, p);
	value_done(s);
	return go(s, emit(s, ev, SPAN_NONE), p);
}

/* Literals that a split has cut, and faults. */
static __attribute__((noinline)) const char *in_word(struct scan *s, const char *p, const char *end)
{
	for (; s->word_left && p < end; p++, s->word_left--, s->word++)
		if (*p != *s->word)
			return go(s, bad(s, p, "a value is wanted here"), p);
	if (s->word_left)
		return p;
	char last2 = s->word[-2];
	return word_end(s, p, last2 == 'u' ? SCAN_TRUE : last2 == 's' ? SCAN_FALSE : SCAN_NULL);
}

static inline const char *begin_word(struct scan *s, const char *p, const char *end, struct span word,
				     enum scan_event ev)
{
	if (span_starts(span_of(p, (size_t)(end - p)), word))
		return word_end(s, p + word.n, ev);
	s->word = word.p;
	s->word_left = (uint8_t)word.n;
	s->state = ST_WORD;
	return in_word(s, p, end);
}

/* ---- structure ---- */

static const char *open_container(struct scan *s, const char *p, bool object)
{
	int r = emit(s, object ? SCAN_OBJECT : SCAN_ARRAY, SPAN_NONE);
	if (r == 0 && s->depth == OPENAI_DEPTH_MAX)
		r = fail(s, p, PS_EDEPTH, "the nesting is deeper than 64");
	if (r < 0)
		return go(s, r, p);
	uint64_t bit = UINT64_C(1) << s->depth;
	s->objects = object ? s->objects | bit : s->objects & ~bit;
	s->depth++;
	s->state = object ? ST_KEY_OR_END : ST_ELEMENT_OR_END;
	return p + 1;
}

static const char *close_container(struct scan *s, const char *p)
{
	bool array = scan_in_array(s);
	if (*p != (array ? ']' : '}'))
		return go(s, bad(s, p, array ? "a comma or ] is wanted here" : "a comma or } is wanted here"), p);
	p++;
	if (s->muted == s->depth)
		s->muted = 0;
	s->depth--;
	mark_behind(s, p);
	value_done(s);
	return go(s, emit(s, array ? SCAN_ARRAY_END : SCAN_OBJECT_END, SPAN_NONE), p);
}

static inline const char *begin_value(struct scan *s, const char *p, const char *end)
{
	mark(s, p);
	switch (*p) {
	case '"':
		return begin_string(s, p, end);
	case '{':
		return open_container(s, p, true);
	case '[':
		return open_container(s, p, false);
	case 't':
		return begin_word(s, p, end, SPAN("true"), SCAN_TRUE);
	case 'f':
		return begin_word(s, p, end, SPAN("false"), SCAN_FALSE);
	case 'n':
		return begin_word(s, p, end, SPAN("null"), SCAN_NULL);
	default:
		return begin_number(s, p, end);
	}
}

/* A key, and when it lies whole in the piece what is behind it at once: that saves most turns of the loop. */
static const char *begin_key(struct scan *s, const char *p, const char *end)
{
	s->key_at = s->offset + (size_t)(p - s->base);
	const char *from = p + 1, *to = text_end(from, end);
	if (to == end || *to != '"' || to - from > SCAN_TOKEN_BYTES) {
		s->in_key = true;
		s->state = ST_STRING;
		return from;
	}
	s->state = ST_COLON;
	int r = emit(s, SCAN_KEY, span_of(from, (size_t)(to - from)));
	p = to + 1;
	if (r < 0 || p == end || *p != ':')
		return go(s, r, p);
	s->state = ST_VALUE;
	p++;
	return p<end && * p> ' ' ? begin_value(s, p, end) : p;
}

static inline const char *key(struct scan *s, const char *p, const char *end)
{
	return *p == '"' ? begin_key(s, p, end) : go(s, bad(s, p, "a key in double quotes is wanted here"), p);
}

static inline const char *colon(struct scan *s, const char *p)
{
	if (*p != ':')
		return go(s, bad(s, p, "a colon is wanted here"), p);
	s->state = ST_VALUE;
	return p + 1;
}

static inline const char *behind(struct scan *s, const char *p, const char *end)
{
	if (*p != ',')
		return close_container(s, p);
	p++;
	if (scan_in_array(s)) {
		s->state = ST_VALUE;
		return p;
	}
	s->state = ST_KEY;
	return p < end && *p == '"' ? begin_key(s, p, end) : p;
}

static const char *step(struct scan *s, const char *p, const char *end)
{
	switch ((enum state)s->state) {
	case ST_ELEMENT_OR_END:
		if (*p == ']')
			return close_container(s, p);
		return begin_value(s, p, end);
	case ST_VALUE:
		return begin_value(s, p, end);
	case ST_KEY_OR_END:
		if (*p == '}')
			return close_container(s, p);
		return key(s, p, end);
	case ST_KEY:
		return key(s, p, end);
	case ST_COLON:
		return colon(s, p);
	case ST_BEHIND:
		return behind(s, p, end);
	case ST_STRING:
		return in_string(s, p, end);
	case ST_NUMBER:
		return in_number(s, p, end);
	case ST_WORD:
		return in_word(s, p, end);
	case ST_DONE:
		break;
	}
	return go(s, bad(s, p, "there is something behind the value"), p);
}

static inline bool in_token(const struct scan *s)
{
	return s->state == ST_STRING || s->state == ST_NUMBER || s->state == ST_WORD;
}

void scan_init(struct scan *s, scan_sink *sink, void *arg)
{
	memset(s, 0, offsetof(struct scan, carry));
	s->sink = sink;
	s->arg = arg;
	s->state = ST_VALUE;
}

void scan_enter(struct scan *s)
{
	s->depth = 1;
	s->objects = 1;
	s->state = ST_KEY;
}

static inline const char *skip_space(const char *p, const char *end)
{
	while (p < end && scan_is_space(*p))
		p++;
	return p;
}

int scan_feed(struct scan *s, struct span in)
{
	const char *p = in.p, *end = in.p + in.n;
	if (s->failed)
		return s->failed;
	s->base = in.p;
	while (p && p < end) {
		if ((unsigned char)*p <= ' ' && !in_token(s) && (p = skip_space(p, end)) == end)
			break;
		p = step(s, p, end);
	}
	if (s->failed == 0)
		s->offset += in.n;
	return s->failed;
}

int scan_end(struct scan *s)
{
	static const char nothing[1] = "";
	s->base = nothing;
	if (s->failed == 0 && s->state == ST_NUMBER && s->depth == 0)
		s->failed = number_end(s, nothing, SPAN_NONE);
	if (s->failed == 0 && s->state != ST_DONE)
		s->failed = bad(s, nothing, "the text ends too early");
	return s->failed;
}

void scan_mute(struct scan *s)
{
	s->muted = (uint8_t)(s->depth + 1);
}

int scan_explain(const struct scan *s, struct err *e)
{
	return err_set(e, s->failed, "byte %zu: %s", s->at, s->why);
}
