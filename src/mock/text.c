/* Text of the mock. Every token is exactly four bytes (a blank and a word of three letters), so that an answer that
 * comes back as part of the next prompt falls on the same block borders and is found in the cache, as it would be with
 * a real tokenizer. The template is ChatML, in the order tools, messages, generation prompt. */
#include "mock/text.h"

#include <stdio.h>
#include <stdlib.h>

static const char first_words[][TOKEN_BYTES + 1] = { "Once", "Here", "Then", "Well", "Some", "That", "When", "Thus" };

static const char words[][TOKEN_BYTES + 1] = {
	" air", " and", " ant", " arc", " ash", " bay", " bee", " big", " boy", " bud", " car", " cat", " cod",
	" cup", " dam", " day", " den", " dew", " dog", " dry", " ear", " elm", " end", " eye", " fan", " fig",
	" fir", " fog", " for", " fox", " gap", " gem", " ice", " ink", " ivy", " jar", " key", " lay", " log",
	" low", " map", " net", " new", " oak", " off", " old", " one", " our", " owl", " pen", " pot", " ran",
	" raw", " red", " row", " saw", " sea", " sky", " the", " two", " was", " web", " wet", " yew",
};

int text_add_words(struct buf *b, uint64_t seed, uint32_t n)
{
	struct rng rng;
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = rng_next(&rng);
		const char *w = i ? words[r % (sizeof words / sizeof words[0])]
				  : first_words[r % (sizeof first_words / sizeof first_words[0])];
		int e = buf_add(b, span_of(w, TOKEN_BYTES));
		if (e < 0)
			return e;
	}
	return 0;
}

static int add(struct buf *b, const char *text)
{
	return buf_add(b, span_str(text));
}

/* Compact JSON with sorted keys: the order of keys must not change the prompt. */
static int add_json(struct buf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	int r = text ? add(b, text) : -PS_ENOMEM;
	free(text);
	return r;
}

static int add_hashed(struct buf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY), mark[48];
	if (!text)
		return -PS_ENOMEM;
	(void)snprintf(mark, sizeof mark, "<|media|>%016llx", (unsigned long long)hash_bytes(span_str(text)));
	free(text);
	return add(b, mark);
}

static int add_content(struct buf *b, const json_t *content, int depth);

/* One part of a content array: text in one of its places, something nested, or media by its hash. */
static int add_part(struct buf *b, const json_t *part, int depth)
{
	const char *text = json_string_value(json_object_get(part, "text"));
	if (json_is_string(part))
		return add(b, json_string_value(part));
	if (text)
		return add(b, text);
	if (json_object_get(part, "content"))
		return add_content(b, json_object_get(part, "content"), depth + 1);
	if (json_object_get(part, "input"))
		return add_json(b, part);
	return add_hashed(b, part);
}

static int add_content(struct buf *b, const json_t *content, int depth)
{
	enum { DEPTH_MAX = 8 };
	if (json_is_string(content))
		return buf_add(b, span_of(json_string_value(content), json_string_length(content)));
	if (!json_is_array(content) || depth > DEPTH_MAX)
		return 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < json_array_size(content); i++)
		r = add_part(b, json_array_get(content, i), depth);
	return r;
}

int text_add_tools(struct buf *b, const json_t *tools)
{
	if (json_array_size(tools) == 0)
		return 0;
	int r = add(b, "<|im_start|>system\n# Tools\n");
	r = r ? r : add_json(b, tools);
	return r ? r : add(b, "<|im_end|>\n");
}

int text_add_message(struct buf *b, const char *role, const json_t *message, const json_t *content)
{
	const char *name = json_string_value(json_object_get(message, "name"));
	const json_t *calls = json_object_get(message, "tool_calls");
	int r = add(b, "<|im_start|>");
	r = r ? r : add(b, role);
	if (name)
		r = r ? r : buf_printf(b, " name=%s", name);
	r = r ? r : add(b, "\n");
	r = r ? r : add_content(b, content, 0);
	if (json_array_size(calls))
		r = r ? r : add_json(b, calls);
	return r ? r : add(b, "<|im_end|>\n");
}

int text_add_generation_prompt(struct buf *b)
{
	return add(b, "<|im_start|>assistant\n");
}

uint32_t text_chain(struct span s, size_t block_bytes, uint64_t root, uint64_t *hashes, uint32_t max)
{
	uint32_t n = 0;
	for (; n < max && s.n >= block_bytes; n++) {
		root = hash_mix(root, hash_bytes(span_head(s, block_bytes)));
		hashes[n] = root ? root : 1;
		s = span_skip(s, block_bytes);
	}
	return n;
}
