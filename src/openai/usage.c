/* See usage.h. The members that matter stand in one table; everything else is muted in the parser. Runs on the worker
 * that relays the answer. Names: OpenAI and Anthropic API references; prompt_cache_hit_tokens is DeepSeek's. */
#include "openai/usage.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum node { DOC, TOP, RESPONSE, MESSAGE, USAGE, DETAILS, CHOICES };

enum member {
	NOT_WANTED,
	M_INSIDE, /* only its inside matters */
	M_USAGE,
	M_CHOICES,
	M_ERROR,
	M_TYPE,
	M_PROMPT,
	M_COMPLETION,
	M_CACHED,
	M_CACHE_READ, /* Anthropic's input_tokens leave these two out */
	M_CACHE_WRITTEN,
};

struct answer_row {
	struct span key;
	uint8_t member;
	uint8_t inside; /* node of the value, when it is a container; 0: muted */
};

static const struct answer_row top_rows[] = {
	{ SPAN("usage"), M_USAGE, USAGE },
	{ SPAN("choices"), M_CHOICES, CHOICES },
	{ SPAN("error"), M_ERROR, 0 },
	{ SPAN("type"), M_TYPE, 0 },
	{ SPAN("response"), M_INSIDE, RESPONSE },
	{ SPAN("message"), M_INSIDE, MESSAGE },
};

/* Of `response` and `message` at the top. */
static const struct answer_row wrapped_rows[] = {
	{ SPAN("usage"), M_INSIDE, USAGE },
};

static const struct answer_row usage_rows[] = {
	{ SPAN("prompt_tokens"), M_PROMPT, 0 },
	{ SPAN("input_tokens"), M_PROMPT, 0 },
	{ SPAN("completion_tokens"), M_COMPLETION, 0 },
	{ SPAN("output_tokens"), M_COMPLETION, 0 },
	{ SPAN("prompt_tokens_details"), M_INSIDE, DETAILS },
	{ SPAN("input_tokens_details"), M_INSIDE, DETAILS },
	{ SPAN("cache_read_input_tokens"), M_CACHE_READ, 0 },
	{ SPAN("cache_creation_input_tokens"), M_CACHE_WRITTEN, 0 },
	{ SPAN("prompt_cache_hit_tokens"), M_CACHED, 0 },
};

static const struct answer_row details_rows[] = {
	{ SPAN("cached_tokens"), M_CACHED, 0 },
};

#define ROWS(rows)                                                                                                     \
	{                                                                                                              \
		rows, sizeof(rows) / sizeof(rows)[0]                                                                   \
	}
static const struct {
	const struct answer_row *rows;
	size_t n;
} nodes[] = {
	[TOP] = ROWS(top_rows),	    [RESPONSE] = ROWS(wrapped_rows), [MESSAGE] = ROWS(wrapped_rows),
	[USAGE] = ROWS(usage_rows), [DETAILS] = ROWS(details_rows),  [CHOICES] = { NULL, 0 },
};

static inline enum node node_of(const struct answer_doc *d)
{
	return d->json.depth ? (enum node)d->nodes[d->json.depth - 1] : DOC;
}

static const struct answer_row *row_find(enum node node, struct span key)
{
	const struct answer_row *r = nodes[node].rows;
	/* Length and first byte tell most names apart, and comparing them costs no call. */
	for (size_t n = nodes[node].n; n; n--, r++)
		if (r->key.n == key.n && r->key.p[0] == key.p[0] && span_eq(r->key, key))
			return r;
	return NULL;
}

static int on_key(struct answer_doc *d, enum scan_event ev, struct span key)
{
	d->row = ev == SCAN_KEY ? row_find(node_of(d), key) : NULL;
	if (d->row && d->row->member == M_USAGE)
		d->usage_at = d->json.key_at;
	return 0;
}

/* Numbers of a usage object wait until it ends: what they mean together depends on which are there. */
static int on_number(struct answer_doc *d, enum scan_event ev, struct span text)
{
	const struct answer_row *r = d->row;
	uint64_t v;
	(void)ev;
	if (node_of(d) == CHOICES)
		d->no_choices = false;
	if (r && r->member >= M_PROMPT && span_to_u64(text, &v) && v <= UINT32_MAX) {
		d->numbers[r->member - M_PROMPT] = (uint32_t)v;
		d->have |= (uint8_t)(1u << (r->member - M_PROMPT));
	}
	d->row = NULL;
	return 0;
}

static bool number(const struct answer_doc *d, enum member m, uint32_t *ret)
{
	if (!(d->have >> (m - M_PROMPT) & 1))
		return false;
	*ret = d->numbers[m - M_PROMPT];
	return true;
}

/* Later objects of an answer (Messages sends two) overwrite what they repeat and keep the rest. */
static void take_usage(struct answer_doc *d)
{
	struct openai_usage *u = d->usage;
	uint32_t read = 0, written = 0;
	bool prompt = number(d, M_PROMPT, &u->prompt_tokens);
	u->known |= prompt;
	u->known |= number(d, M_COMPLETION, &u->completion_tokens);
	u->cached_known |= number(d, M_CACHED, &u->cached_tokens);
	if (number(d, M_CACHE_READ, &read)) {
		u->cached_tokens = read;
		u->cached_known = true;
	}
	(void)number(d, M_CACHE_WRITTEN, &written);
	if (prompt)
		u->prompt_tokens += read + written;
	d->have = 0;
}

static void usage_ends(struct answer_doc *d, bool object)
{
	d->usage_member = true;
	d->usage_object = object;
	d->usage_behind = d->json.behind;
}

static enum node inside(const struct answer_doc *d, const struct answer_row *r, bool object)
{
	if (d->json.depth == 0)
		return object ? TOP : DOC;
	if (!r || (r->inside == CHOICES) == object)
		return DOC;
	return (enum node)r->inside;
}

static int on_container(struct answer_doc *d, enum scan_event ev, struct span text)
{
	const struct answer_row *r = d->row;
	bool object = ev == SCAN_OBJECT;
	enum node node = inside(d, r, object);
	(void)text;
	if (node_of(d) == CHOICES)
		d->no_choices = false;
	if (r && r->member == M_ERROR && object)
		d->error = true;
	if (node == CHOICES)
		d->no_choices = true;
	if (d->json.depth < ANSWER_NODES)
		d->nodes[d->json.depth] = (uint8_t)node;
	if (node == DOC || d->json.depth >= ANSWER_NODES)
		scan_mute(&d->json);
	d->row = NULL;
	return 0;
}

static int on_container_end(struct answer_doc *d, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	if (d->json.depth >= ANSWER_NODES || d->nodes[d->json.depth] != USAGE)
		return 0;
	take_usage(d);
	if (d->json.depth == 1)
		usage_ends(d, true);
	return 0;
}

static int on_word(struct answer_doc *d, enum scan_event ev, struct span text)
{
	const struct answer_row *r = d->row;
	(void)text;
	if (r && r->member == M_USAGE && ev == SCAN_NULL)
		usage_ends(d, false);
	if (node_of(d) == CHOICES)
		d->no_choices = false;
	d->row = NULL;
	return 0;
}

static int on_string(struct answer_doc *d, enum scan_event ev, struct span text)
{
	const struct answer_row *r = d->row;
	(void)ev, (void)text;
	if (node_of(d) == CHOICES)
		d->no_choices = false;
	if (r && r->member == M_TYPE) {
		d->json.want_text = true;
		d->type_n = 0;
	}
	return 0;
}

static int on_text(struct answer_doc *d, enum scan_event ev, struct span text)
{
	struct span fits = span_head(text, sizeof d->type - d->type_n);
	(void)ev;
	if (fits.n)
		memcpy(d->type + d->type_n, fits.p, fits.n);
	d->type_n = (uint8_t)(d->type_n + fits.n);
	return 0;
}

static int on_string_end(struct answer_doc *d, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	d->row = NULL;
	return 0;
}

static int on_number_part(struct answer_doc *d, enum scan_event ev, struct span text)
{
	(void)ev, (void)text;
	d->row = NULL;
	return 0;
}

static int on_event(void *arg, enum scan_event ev, struct span text)
{
	static int (*const on[])(struct answer_doc *, enum scan_event, struct span) = {
		[SCAN_OBJECT] = on_container,
		[SCAN_ARRAY] = on_container,
		[SCAN_STRING] = on_string,
		[SCAN_NUMBER] = on_number,
		[SCAN_TRUE] = on_word,
		[SCAN_FALSE] = on_word,
		[SCAN_NULL] = on_word,
		[SCAN_OBJECT_END] = on_container_end,
		[SCAN_ARRAY_END] = on_container_end,
		[SCAN_STRING_END] = on_string_end,
		[SCAN_KEY] = on_key,
		[SCAN_TEXT] = on_text,
		[SCAN_KEY_PART] = on_key,
		[SCAN_NUMBER_PART] = on_number_part,
	};
	return on[ev](arg, ev, text);
}

void answer_doc_begin(struct answer_doc *d, struct openai_usage *usage)
{
	memset(d, 0, offsetof(struct answer_doc, json));
	d->usage = usage;
	scan_init(&d->json, on_event, d);
}

void answer_doc_begin_inside(struct answer_doc *d, struct openai_usage *usage)
{
	answer_doc_begin(d, usage);
	scan_enter(&d->json);
	d->nodes[0] = TOP;
}

void answer_doc_feed(struct answer_doc *d, struct span in)
{
	(void)!scan_feed(&d->json, in);
}

/* ---- the quick look ---- */

/* Behind `quoted` at p comes a colon: the value's first byte; else NULL. */
static const char *value_of(struct span json, const char *p)
{
	const char *end = json.p + json.n;
	while (p < end && scan_is_space(*p))
		p++;
	if (p == end || *p++ != ':')
		return NULL;
	while (p < end && scan_is_space(*p))
		p++;
	return p < end ? p : NULL;
}

#ifdef __SSE2__
/* The member among the 16 places from p on at which its name may begin; NULL when it is at none of them. Two letters at
 * once, their distance apart: few other places look like that. */
static inline const char *find_in_16(struct span json, struct span quoted, const char *p)
{
	size_t k = quoted.n - 2;
	const char *v;
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)(p + 1));
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + k));
	a = _mm_cmpeq_epi8(a, _mm_set1_epi8(quoted.p[1]));
	b = _mm_cmpeq_epi8(b, _mm_set1_epi8(quoted.p[k]));
	for (unsigned mask = (unsigned)_mm_movemask_epi8(_mm_and_si128(a, b)); mask; mask &= mask - 1) {
		const char *at = p + __builtin_ctz(mask);
		if (*at == '"' && memcmp(at, quoted.p, quoted.n) == 0 && (v = value_of(json, at + quoted.n)))
			return v;
	}
	return NULL;
}
#endif

const char *member_find(struct span json, struct span quoted)
{
	const char *p = json.p, *v;
	if (json.n < quoted.n)
		return NULL;
	const char *last = json.p + json.n - quoted.n; /* the last place it can begin at */
#ifdef __SSE2__
	for (; last - p >= 15; p += 16)
		if ((v = find_in_16(json, quoted, p)))
			return v;
	if (p > json.p) /* the rest, with some of what has been seen */
		return find_in_16(json, quoted, last - 15);
#endif
	for (; p <= last; p++)
		if (memcmp(p, quoted.p, quoted.n) == 0 && (v = value_of(json, p + quoted.n)))
			return v;
	return NULL;
}
