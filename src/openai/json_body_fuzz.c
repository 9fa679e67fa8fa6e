/* The body scanner against jansson and against itself. The first byte chooses the API and the size of the pieces; the
 * rest is the body.
 *  1. It takes as JSON what jansson takes. Known differences: duplicate keys (both take them), numbers jansson cannot
 * hold, NUL in keys (jansson cannot), nesting over 64 (we refuse).
 *  2. Pieces of any size give the same facts and the same error as the whole.
 *  3. Where it says how to ask for usage, the result is JSON that asks for usage. */
#include <jansson.h>

#include <stdlib.h>

#include "openai/openai.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(x) ((x) ? (void)0 : abort())

static void same_syntax_as_jansson(struct span body)
{
	struct err e = { 0 };
	json_error_t why;
	int ours = openai_json_check(body, &e);
	if (span_find(body, '\0') >= 0) {
		CLAIM(ours < 0); /* jansson 2.14 loses a NUL byte behind a number */
		return;
	}
	json_t *root = json_loadb(body.n ? body.p : "", body.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	enum json_error_code code = root ? json_error_unknown : json_error_code(&why);
	json_decref(root);
	if (ours == -PS_EDEPTH || code == json_error_numeric_overflow || code == json_error_null_byte_in_key)
		return;
	CLAIM((ours == 0) == (root != NULL));
}

struct result {
	struct openai_scan *scan;
	const struct openai_facts *facts; /* NULL: refused */
	int code;
	struct err e;
};

static struct result scan(enum openai_api api, struct span body, size_t step)
{
	struct result r = { .scan = openai_scan_new(api) };
	CLAIM(r.scan);
	for (; body.n && r.code == 0; body = span_skip(body, step))
		r.code = openai_scan_feed(r.scan, span_head(body, step), &r.e);
	if (r.code == 0)
		r.code = openai_scan_end(r.scan, &r.e);
	r.facts = r.code == 0 ? openai_scan_facts(r.scan, 1) : NULL;
	return r;
}

static void same_facts(const struct openai_facts *a, const struct openai_facts *b)
{
	CLAIM(span_eq(a->model, b->model) && a->model_at == b->model_at && a->model_len == b->model_len);
	CLAIM(a->stream == b->stream && a->include_usage == b->include_usage && a->max_tokens == b->max_tokens);
	CLAIM(a->prompts == b->prompts && a->n == b->n && a->text_bytes == b->text_bytes);
	CLAIM(a->token_ids == b->token_ids && a->images == b->images && span_eq(a->user, b->user));
	CLAIM(a->inject_at == b->inject_at && a->inject_len == b->inject_len &&
	      span_eq(a->inject_text, b->inject_text));
	CLAIM(a->chain_len == b->chain_len);
	CLAIM(a->chain_len == 0 || memcmp(a->chain, b->chain, a->chain_len * sizeof *a->chain) == 0);
}

static void splice_asks_for_usage(enum openai_api api, struct span body, const struct openai_facts *f)
{
	struct buf b;
	if (f->inject_text.n == 0)
		return;
	buf_init(&b, body.n + f->inject_text.n);
	CLAIM(buf_add(&b, span_head(body, f->inject_at)) == 0);
	CLAIM(buf_add(&b, f->inject_text) == 0);
	CLAIM(buf_add(&b, span_skip(body, f->inject_at + f->inject_len)) == 0);
	struct result r = scan(api, buf_span(&b), b.end);
	CLAIM(r.facts && r.facts->include_usage && r.facts->stream);
	openai_scan_free(r.scan);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	enum openai_api api = (enum openai_api)(API_CHAT + data[0] % (API_MODELS - API_CHAT));
	size_t step = 1 + data[0] / 5 % 17;
	struct span body = span_of((const char *)data + 1, size - 1);
	same_syntax_as_jansson(body);
	struct result whole = scan(api, body, body.n), pieces = scan(api, body, step);
	CLAIM(whole.code == pieces.code && strcmp(whole.e.text, pieces.e.text) == 0);
	if (whole.facts) {
		same_facts(whole.facts, pieces.facts);
		splice_asks_for_usage(api, body, whole.facts);
	}
	openai_scan_free(whole.scan);
	openai_scan_free(pieces.scan);
	return 0;
}
