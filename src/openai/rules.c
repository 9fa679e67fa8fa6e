/* Which members of a body the gateway acts on, for each API: paths as a table. What is not here is skipped, checked
 * only as JSON. Sources: the OpenAI and Anthropic API references, and what vLLM and SGLang accept beside them. */
#include "openai/facts.h"

#define T(name) (1u << SCAN_##name)
enum {
	STR = T(STRING),
	OBJ = T(OBJECT),
	ARR = T(ARRAY),
	NUM = T(NUMBER),
	NUL = T(NULL),
	BOOL = T(TRUE) | T(FALSE),
	ANY = STR | OBJ | ARR | NUM | NUL | BOOL,
};

#define A(name) (1u << API_##name)
enum {
	ALL = A(CHAT) | A(COMPLETIONS) | A(EMBEDDINGS) | A(RESPONSES) | A(MESSAGES),
	LEGACY = A(COMPLETIONS),
	EMBED = A(EMBEDDINGS),
	CHAT = A(CHAT),
	RESP = A(RESPONSES),
	MSGS = A(MESSAGES),
};

/* Looked up from the front: what most bodies have comes first. */
static const struct rule top[] = {
	{ SPAN("model"), ALL, STR, ACT_MODEL, NODE_NONE, 0 },
	{ SPAN("messages"), CHAT | MSGS | EMBED, ARR | NUL, ACT_MESSAGES, NODE_MESSAGES, 0 },
	{ SPAN("stream"), ALL, BOOL | NUL, ACT_STREAM, NODE_NONE, 0 },
	{ SPAN("max_tokens"), CHAT | LEGACY | MSGS, NUM | NUL, ACT_MAX_TOKENS, NODE_NONE, 0 },
	{ SPAN("stream_options"), CHAT | LEGACY, OBJ | NUL | T(FALSE), ACT_OPTIONS, NODE_OPTIONS, 0 },
	{ SPAN("user"), ALL, STR | NUL, ACT_USER, NODE_NONE, 0 },
	{ SPAN("tools"), CHAT | RESP | MSGS, ARR | NUL, ACT_TOOLS, NODE_TOOLS, SECTION_TOOLS },
	{ SPAN("input"), RESP, STR | ARR | NUL, ACT_MESSAGES, NODE_MESSAGES, 0 },
	{ SPAN("prompt"), LEGACY, STR | ARR | NUL, ACT_PROMPT, NODE_PROMPTS, 0 },
	{ SPAN("input"), EMBED, STR | ARR | NUL, ACT_PROMPT, NODE_INPUTS, 0 },
	{ SPAN("functions"), CHAT, ARR | NUL, ACT_TOOLS, NODE_TOOLS, SECTION_FUNCTIONS },
	{ SPAN("instructions"), RESP, STR | ARR | NUL, ACT_SYSTEM, NODE_PARTS, 0 },
	{ SPAN("system"), MSGS, STR | ARR | NUL, ACT_SYSTEM, NODE_PARTS, 0 },
	{ SPAN("max_completion_tokens"), CHAT, NUM | NUL, ACT_MAX_TOKENS, NODE_NONE, 1 },
	{ SPAN("max_output_tokens"), RESP, NUM | NUL, ACT_MAX_TOKENS, NODE_NONE, 0 },
	{ SPAN("n"), CHAT | LEGACY, NUM | NUL, ACT_N, NODE_NONE, 0 },
	{ SPAN("safety_identifier"), CHAT | RESP, STR | NUL, ACT_USER, NODE_NONE, 1 },
	{ SPAN("metadata"), MSGS, OBJ | NUL, ACT_GROUP, NODE_METADATA, 0 },
	{ SPAN("cache_salt"), ALL, STR | NUL, ACT_SALT, NODE_NONE, 0 },
	/* hand-shakes between prefill and decode engines: from clients they are taken away (design §3);
	   OPENAI_NEVER_MAX of them */
	{ SPAN("kv_transfer_params"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
	{ SPAN("ec_transfer_params"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
	{ SPAN("bootstrap_host"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
	{ SPAN("bootstrap_port"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
	{ SPAN("bootstrap_room"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
	{ SPAN("data_parallel_rank"), ALL, ANY, ACT_NEVER, NODE_NONE, 0 },
};

static const struct rule options[] = {
	{ SPAN("include_usage"), ALL, BOOL | NUL, ACT_INCLUDE_USAGE, NODE_NONE, 0 },
};

static const struct rule metadata[] = {
	{ SPAN("user_id"), ALL, STR | NUL, ACT_USER, NODE_NONE, 1 },
};

static const struct rule tools[] = {
	{ SPAN_NONE, ALL, OBJ, ACT_TOOL, NODE_NONE, 0 },
};

static const struct rule messages[] = {
	{ SPAN_NONE, ALL, OBJ, ACT_MESSAGE, NODE_MESSAGE, 0 },
};

/* A message of chat or Messages, or an item of Responses. */
static const struct rule message[] = {
	{ SPAN("role"), ALL, STR, ACT_ROLE, NODE_NONE, 0 },
	{ SPAN("content"), ALL, STR | ARR | NUL, ACT_CONTENT, NODE_PARTS, HELD_CONTENT },
	{ SPAN("name"), ALL, STR | NUL, ACT_NAME, NODE_NONE, 0 },
	{ SPAN("tool_calls"), CHAT, ARR | NUL, ACT_CALLS, NODE_CALLS, 0 },
	{ SPAN("function_call"), CHAT, OBJ | NUL, ACT_FUNCTION, NODE_FUNCTION, 0 },
	{ SPAN("reasoning_content"), CHAT, STR | NUL, ACT_CONTENT, NODE_NONE, HELD_REASONING },
	{ SPAN("reasoning"), CHAT, STR | NUL, ACT_CONTENT, NODE_NONE, HELD_REASONING },
	{ SPAN("refusal"), CHAT, STR | NUL, ACT_CONTENT, NODE_NONE, HELD_REASONING },
	{ SPAN("arguments"), RESP, STR | OBJ | NUL, ACT_CONTENT, NODE_NONE, HELD_CALLS },
	{ SPAN("input"), RESP, STR | OBJ | NUL, ACT_CONTENT, NODE_NONE, HELD_CALLS },
	{ SPAN("output"), RESP, STR | ARR | OBJ | NUL, ACT_CONTENT, NODE_PARTS, HELD_CONTENT },
};

static const struct rule calls[] = {
	{ SPAN_NONE, ALL, OBJ, ACT_GROUP, NODE_CALL, 0 },
};

static const struct rule call[] = {
	{ SPAN("function"), ALL, OBJ | NUL, ACT_FUNCTION, NODE_FUNCTION, 0 },
};

static const struct rule function[] = {
	{ SPAN("name"), ALL, STR | NUL, ACT_NAME, NODE_NONE, 0 },
	{ SPAN("arguments"), ALL, STR | OBJ | NUL, ACT_ARGUMENTS, NODE_NONE, 0 },
};

static const struct rule parts[] = {
	{ SPAN_NONE, ALL, STR | OBJ, ACT_PART, NODE_PART, 0 },
};

static const struct rule part[] = {
	{ SPAN("text"), ALL, STR | NUL, ACT_TEXT, NODE_NONE, 0 },
	{ SPAN("refusal"), CHAT | RESP, STR | NUL, ACT_TEXT, NODE_NONE, 0 },
	{ SPAN("image_url"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("input_audio"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("audio_url"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("video_url"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("image_embeds"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("file"), CHAT, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("file_id"), RESP, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("file_url"), RESP, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("file_data"), RESP, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("source"), MSGS, ANY, ACT_MEDIA, NODE_NONE, 0 },
	{ SPAN("thinking"), CHAT | MSGS, STR | NUL, ACT_TEXT, NODE_NONE, 0 },
	{ SPAN("name"), MSGS, STR | NUL, ACT_NAME, NODE_NONE, 0 },
	{ SPAN("input"), MSGS, ANY, ACT_VALUE, NODE_NONE, 0 },
	{ SPAN("content"), MSGS, STR | ARR | NUL, ACT_NESTED, NODE_INNER_PARTS, 0 },
};

static const struct rule inner_parts[] = {
	{ SPAN_NONE, ALL, STR | OBJ, ACT_PART, NODE_INNER_PART, 0 },
};

static const struct rule inner_part[] = {
	{ SPAN("text"), ALL, STR | NUL, ACT_TEXT, NODE_NONE, 0 },
	{ SPAN("source"), ALL, ANY, ACT_MEDIA, NODE_NONE, 0 },
};

static const struct rule prompts[] = {
	{ SPAN_NONE, ALL, STR | NUM | ARR, ACT_PROMPT_ITEM, NODE_TOKENS, 0 },
};

/* Embeddings of more than text: SGLang takes {"text":…,"image":…}. */
static const struct rule inputs[] = {
	{ SPAN_NONE, ALL, STR | NUM | ARR | OBJ, ACT_PROMPT_ITEM, NODE_TOKENS, 0 },
};

static const struct rule tokens[] = {
	{ SPAN_NONE, ALL, NUM, ACT_TOKEN, NODE_NONE, 0 },
};

#define NODE(rules)                                                                                                    \
	{                                                                                                              \
		rules, sizeof(rules) / sizeof(rules)[0]                                                                \
	}
static const struct {
	const struct rule *rules;
	unsigned n; /* at most 32: struct frame's `seen` */
} nodes[NODE_COUNT] = {
	[NODE_TOP] = NODE(top),
	[NODE_OPTIONS] = NODE(options),
	[NODE_METADATA] = NODE(metadata),
	[NODE_TOOLS] = NODE(tools),
	[NODE_MESSAGES] = NODE(messages),
	[NODE_MESSAGE] = NODE(message),
	[NODE_CALLS] = NODE(calls),
	[NODE_CALL] = NODE(call),
	[NODE_FUNCTION] = NODE(function),
	[NODE_PARTS] = NODE(parts),
	[NODE_PART] = NODE(part),
	[NODE_INNER_PARTS] = NODE(inner_parts),
	[NODE_INNER_PART] = NODE(inner_part),
	[NODE_PROMPTS] = NODE(prompts),
	[NODE_INPUTS] = NODE(inputs),
	[NODE_TOKENS] = NODE(tokens),
};

const struct rule rule_body = { SPAN_NONE, ALL, OBJ, ACT_TOP, NODE_TOP, 0 };

const struct rule *rule_member(enum node node, enum openai_api api, struct span key, unsigned *ret_index)
{
	const struct rule *r = nodes[node].rules;
	/* The lengths first: they tell most names apart, and comparing them costs no call. */
	for (unsigned i = 0; i < nodes[node].n; i++, r++)
		if (r->key.n == key.n && (r->apis >> api & 1) && span_eq(r->key, key)) {
			*ret_index = i;
			return r;
		}
	return NULL;
}

const struct rule *rule_elements(enum node node)
{
	return &nodes[node].rules[0];
}
