/* What an answer will be, decided before its first token: words or the arguments of a tool call, and how many.
 * All of it follows from the seed, the model and the prompt, so that a test can know the answer. */
#include <math.h>
#include <stdlib.h>

#include "mock/internal.h"

/* Hidden lengths: log-normal, most answers between 40 and 400 tokens. Guessed after public chat traces. */
static const double length_median = 120, length_sigma = 0.9;
enum { LENGTH_MAX = 4096 };

static uint32_t hidden_length(uint64_t seed)
{
	struct rng rng;
	rng_seed(&rng, hash_mix(seed, 1));
	/* Box and Muller; 1 - u is never 0. */
	double z = sqrt(-2 * log(1 - rng_unit(&rng))) * cos(2 * M_PI * rng_unit(&rng));
	double n = length_median * exp(length_sigma * z);
	return n < 1 ? 1 : n > LENGTH_MAX ? LENGTH_MAX : (uint32_t)n;
}

/* ---- tool calls ---- */

static json_t *example(const json_t *schema, uint64_t seed, int depth);

static json_t *example_words(uint64_t seed)
{
	struct buf b;
	buf_init(&b, 64);
	json_t *s = text_add_words(&b, seed, 3) == 0 ? json_stringn(b.p, b.end) : NULL;
	buf_free(&b);
	return s;
}

static json_t *example_object(const json_t *schema, uint64_t seed, int depth)
{
	json_t *object = json_object(), *property;
	const char *key;
	json_object_foreach(json_object_get(schema, "properties"), key, property)
	{
		seed = hash_mix(seed, 2);
		(void)json_object_set_new(object, key, example(property, seed, depth + 1));
	}
	return object;
}

/* A value that a JSON schema of the usual kind accepts. */
static json_t *example(const json_t *schema, uint64_t seed, int depth)
{
	enum { DEPTH_MAX = 8 };
	const char *type = json_string_value(json_object_get(schema, "type"));
	json_t *first = json_array_get(json_object_get(schema, "enum"), 0);
	if (first)
		return json_incref(first);
	if (!type || depth > DEPTH_MAX)
		return depth ? json_null() : json_object();
	if (strcmp(type, "object") == 0)
		return example_object(schema, seed, depth);
	if (strcmp(type, "array") == 0)
		return json_pack("[o]", example(json_object_get(schema, "items"), seed, depth + 1));
	if (strcmp(type, "integer") == 0)
		return json_integer((json_int_t)(seed % 100));
	if (strcmp(type, "number") == 0)
		return json_real((double)(seed % 1000) / 10);
	if (strcmp(type, "boolean") == 0)
		return json_boolean(seed & 1);
	return strcmp(type, "string") == 0 ? example_words(seed) : json_null();
}

static int add_arguments(struct buf *b, const json_t *schema, uint64_t seed)
{
	json_t *value = example(schema, seed, 0);
	char *text = value ? json_dumps(value, JSON_ENSURE_ASCII) : NULL;
	int r = text ? buf_add(b, span_str(text)) : -PS_ENOMEM;
	free(text);
	json_decref(value);
	return r;
}

/* ---- lengths ---- */

static bool check_prompt(struct ask *a, struct span prompt, uint32_t tokens)
{
	/* vLLM looks at characters before it tokenizes: at most 12 a token in its captured answer. */
	enum { CHARACTERS_PER_TOKEN = 12 };
	uint32_t max = a->mock->max_model_len;
	if (prompt.n > (uint64_t)max * CHARACTERS_PER_TOKEN)
		return ask_refuse(
			a, 400, "BadRequestError", "input_text",
			"This model's maximum context length is %u tokens. However, your prompt contains %zu "
			"characters (more than %llu characters, which is the upper bound for %u input tokens). "
			"Please reduce the length of the input prompt. (parameter=input_text, value=%zu)",
			max, prompt.n, (unsigned long long)max * CHARACTERS_PER_TOKEN, max, prompt.n);
	if (tokens < max)
		return true;
	return ask_refuse(
		a, 400, "BadRequestError", "input_tokens",
		"This model's maximum context length is %u tokens. However, your request has %u input tokens. "
		"Please reduce the length of the input messages. (parameter=input_tokens, value=%u)",
		max, tokens, tokens);
}

static bool check_max_tokens(struct ask *a, uint32_t prompt_tokens)
{
	long long asked = a->max_tokens;
	uint32_t max = a->mock->max_model_len;
	if (asked > max)
		return ask_refuse(
			a, 400, "BadRequestError", a->max_tokens_name,
			"%s=%lld cannot be greater than max_model_len=%u. Please request fewer output tokens. "
			"(parameter=%s, value=%lld)",
			a->max_tokens_name, asked, max, a->max_tokens_name, asked);
	if (asked < 0 || (uint64_t)asked + prompt_tokens <= max)
		return true;
	return ask_refuse(
		a, 400, "BadRequestError", a->max_tokens_name,
		"'max_tokens' or 'max_completion_tokens' is too large: %lld. This model's maximum context length is "
		"%u tokens and your request has %u input tokens (%lld > %u - %u). (parameter=%s, value=%lld)",
		asked, max, prompt_tokens, asked, max, prompt_tokens, a->max_tokens_name, asked);
}

static int plan_text(struct ask *a, const struct exchange *x, struct choice *c)
{
	uint32_t room = a->mock->max_model_len - c->prompt_tokens;
	uint32_t limit = a->max_tokens >= 0 ? (uint32_t)a->max_tokens : room;
	if (x->tool == TOOL_NO) {
		uint32_t natural = a->max_tokens >= 0 ? limit : hidden_length(c->seed);
		c->finish = a->max_tokens >= 0 || natural > room ? "length" : "stop";
		c->target = natural < limit ? natural : limit;
		return text_add_words(&c->text, c->seed, c->target);
	}
	int r = add_arguments(&c->text, a->tool_schema, c->seed);
	c->target = text_tokens(buf_len(&c->text));
	c->finish = x->tool == TOOL_REQUIRED ? "tool_calls" : "stop";
	if (r == 0 && c->target > limit) {
		c->target = limit;
		c->text.end = c->text.at + (size_t)limit * TOKEN_BYTES;
		c->finish = "length";
	}
	return r;
}

bool plan_choice(struct ask *a, const struct exchange *x, struct choice *c, struct span prompt)
{
	uint64_t salt = a->adapter ? a->mock->adapters[a->adapter - 1].salt : 0;
	c->prompt_tokens = prompt.n ? text_tokens(prompt.n) : 1;
	c->seed = hash_mix(hash_mix(a->mock->seed, salt), hash_mix(hash_bytes(prompt), c->index));
	buf_init(&c->text, ANSWER_MAX_BYTES);
	if (!check_prompt(a, prompt, c->prompt_tokens) || !check_max_tokens(a, c->prompt_tokens))
		return false;
	if (!x->api->piece) /* an answer without words */
		return true;
	return ask_added(a, plan_text(a, x, c));
}
