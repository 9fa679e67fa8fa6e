/* Answers against jansson and against themselves. The first byte chooses API, mode and the size of the pieces.
 *  1. Pieces of any size are understood as the whole is, and the same bytes are forwarded (an edit may differ by line
 * ends only: an LF split from its CR belongs to the next event).
 *  2. Without edits nothing else is forwarded.
 *  3. Usage of a whole body is what jansson finds in it, and so is whether it has an error; unless a \u escape may
 * stand in their names (body.c). */
#include <jansson.h>

#include <stdlib.h>

#include "openai/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(x) ((x) ? (void)0 : abort())

struct result {
	struct openai_usage usage;
	struct openai_seen seen;
	struct buf out; /* without line ends */
};

static void keep(struct result *r, struct buf *out)
{
	for (size_t i = out->at; i < out->end; i++)
		if (out->p[i] != '\r' && out->p[i] != '\n')
			CLAIM(buf_add(&r->out, span_of(out->p + i, 1)) == 0);
	buf_clear(out);
}

static void join(struct openai_seen *all, const struct openai_seen *one)
{
	CLAIM(!(all->first_content && one->first_content));
	all->tokens += one->tokens;
	all->first_content |= one->first_content;
	all->finished |= one->finished;
	all->error |= one->error;
}

static struct result watch(enum openai_api api, bool stream, enum openai_usage_mode mode, struct span body, size_t step)
{
	struct result r = { 0 };
	struct openai_seen seen;
	struct buf out;
	struct openai_answer *a = openai_answer_new(api, stream, mode);
	CLAIM(a);
	buf_init(&out, 4 * body.n + 64);
	buf_init(&r.out, 4 * body.n + 64);
	for (; body.n; body = span_skip(body, step)) {
		CLAIM(openai_answer_feed(a, span_head(body, step), &out, &seen) == 0);
		CLAIM(openai_answer_edits(a) || buf_len(&out) == 0);
		join(&r.seen, &seen);
		keep(&r, &out);
	}
	CLAIM(openai_answer_end(a, &out, &seen) == 0);
	join(&r.seen, &seen);
	keep(&r, &out);
	r.usage = *openai_answer_usage(a);
	openai_answer_free(a);
	buf_free(&out);
	return r;
}

static void same(const struct result *a, const struct result *b)
{
	CLAIM(a->usage.known == b->usage.known && a->usage.cached_known == b->usage.cached_known);
	CLAIM(a->usage.prompt_tokens == b->usage.prompt_tokens && a->usage.cached_tokens == b->usage.cached_tokens);
	CLAIM(a->usage.completion_tokens == b->usage.completion_tokens);
	CLAIM(a->seen.tokens == b->seen.tokens && a->seen.first_content == b->seen.first_content);
	CLAIM(a->seen.finished == b->seen.finished && a->seen.error == b->seen.error);
	CLAIM(span_eq(buf_span(&a->out), buf_span(&b->out)));
}

/* The whole number called `key`, 0 when there is none that fits. */
static uint32_t number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static void body_as_jansson_reads_it(struct span body)
{
	json_error_t why;
	struct err e;
	json_t *root = json_loadb(body.n ? body.p : "", body.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	const json_t *u = json_object_get(root, "usage");
	/* Other names of the same numbers may stand beside them in rubbish. */
	bool other = json_object_get(u, "input_tokens") || json_object_get(u, "output_tokens") ||
		     json_object_get(u, "cache_creation_input_tokens") || json_object_get(u, "cache_read_input_tokens");
	if (root && !other && span_search(body, SPAN("\\u")) < 0 && !json_object_get(root, "message") &&
	    !json_object_get(root, "response") && openai_json_check(body, &e) == 0) {
		struct result r = watch(API_CHAT, false, USAGE_OBSERVE, body, body.n);
		CLAIM(r.usage.prompt_tokens == number(u, "prompt_tokens"));
		CLAIM(r.usage.completion_tokens == number(u, "completion_tokens"));
		CLAIM(r.seen.error == json_is_object(json_object_get(root, "error")));
		buf_free(&r.out);
	}
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned c = data[0];
	enum openai_api api = (enum openai_api)(API_CHAT + c % 5);
	enum openai_usage_mode mode = (enum openai_usage_mode)(c / 5 % 3);
	bool stream = c / 15 % 4;
	size_t step = 1 + c / 60 * 3;
	struct span body = span_of((const char *)data + 1, size - 1);
	struct result whole = watch(api, stream, mode, body, body.n), pieces = watch(api, stream, mode, body, step);
	same(&whole, &pieces);
	body_as_jansson_reads_it(body);
	buf_free(&whole.out);
	buf_free(&pieces.out);
	return 0;
}
