/* /v1/chat/completions: reading and answering, byte for byte as vLLM 0.32 around the words. */
#include "mock/internal.h"

/* ---- asking ---- */

static bool read_tool_choice(struct ask *a)
{
	const json_t *tools = json_object_get(a->body, "tools"), *choice = json_object_get(a->body, "tool_choice");
	const char *word = json_string_value(choice);
	const char *name = json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
	enum tool_use use = name ? TOOL_NAMED : word && strcmp(word, "required") == 0 ? TOOL_REQUIRED : TOOL_NO;
	return ask_tool(a, tools, use, name);
}

static bool read_chat(struct ask *a)
{
	const json_t *messages = json_object_get(a->body, "messages");
	if (!ask_common(a))
		return false;
	if (!json_is_array(messages) || json_array_size(messages) == 0)
		return ask_missing(a, "messages");
	const char *limit = json_object_get(a->body, "max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
	a->max_tokens_name = limit;
	if (!ask_int(a, limit, 1, &a->max_tokens) || !ask_int(a, "n", 1, &a->n) || !read_tool_choice(a))
		return false;
	struct buf *b = ask_prompt(a);
	return b && ask_added(a, text_add_tools(b, json_object_get(a->body, "tools"))) &&
	       ask_add_messages(a, b, messages) && ask_added(a, text_add_generation_prompt(b));
}

/* ---- answering in events ---- */

static void begin_chunk(const struct exchange *x, struct page *p)
{
	page_init(p);
	page_add(p, "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%llu,\"model\":", x->id,
		 (unsigned long long)x->created_s);
	page_quote(p, span_str(x->model));
	page_add(p, ",\"choices\":[");
}

static void add_running_usage(const struct exchange *x, const struct choice *c, uint32_t tokens, struct page *p)
{
	if (x->continuous_usage)
		page_add(p,
			 ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u,\"completion_tokens\":%u,"
			 "\"completion_tokens_details\":null}",
			 c->prompt_tokens, c->prompt_tokens + tokens, tokens);
}

/* The events that carry nothing but the role. */
static void start(struct exchange *x)
{
	bool more = true;
	for (size_t i = 0; i < x->count && more; i++) {
		struct page p;
		begin_chunk(x, &p);
		page_add(&p,
			 "{\"index\":%u,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,"
			 "\"finish_reason\":null}]",
			 x->choices[i].index);
		add_running_usage(x, &x->choices[i], 0, &p);
		page_add(&p, ",\"prompt_token_ids\":null,\"prompt_text\":null}\n\n");
		more = exchange_event(x, &p);
	}
}

static void add_delta(const struct exchange *x, const struct choice *c, struct span text, struct page *p)
{
	if (x->tool == TOOL_NO) {
		page_add(p, "{\"content\":");
		page_quote(p, text);
		page_add(p, "}");
		return;
	}
	page_add(p, "{\"tool_calls\":[{");
	if (c->sent == 0)
		page_add(p, "\"id\":\"%s\",\"type\":\"function\",", x->item_id);
	page_add(p, "\"index\":0,\"function\":{");
	if (c->sent == 0) {
		page_add(p, "\"name\":");
		page_quote(p, span_str(x->tool_name));
		page_add(p, ",");
	}
	page_add(p, "\"arguments\":");
	page_quote(p, text);
	page_add(p, "}}]}");
}

static void piece(struct exchange *x, struct choice *c, struct span text, bool last)
{
	struct page p;
	begin_chunk(x, &p);
	page_add(&p, "{\"index\":%u,\"delta\":", c->index);
	add_delta(x, c, text, &p);
	if (last)
		page_add(&p, ",\"logprobs\":null,\"finish_reason\":\"%s\",\"stop_reason\":null,\"token_ids\":null}]",
			 c->finish);
	else
		page_add(&p, ",\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}]");
	add_running_usage(x, c, c->generated, &p);
	if (last && !x->include_usage) /* else the usage event carries it */
		page_add(&p, ",\"system_fingerprint\":\"%s\"", x->mock->fingerprint);
	page_add(&p, "}\n\n");
	exchange_event(x, &p);
}

static void end(struct exchange *x)
{
	struct page p;
	if (x->include_usage) {
		begin_chunk(x, &p);
		page_add(&p, "],");
		exchange_add_usage(x, &p);
		page_add(&p, ",\"system_fingerprint\":\"%s\"}\n\n", x->mock->fingerprint);
		if (!exchange_event(x, &p))
			return;
	}
	page_init(&p);
	page_add(&p, "data: [DONE]\n\n");
	exchange_event(x, &p);
}

/* ---- answering whole ---- */

static void add_message(const struct exchange *x, const struct choice *c, struct page *p)
{
	page_add(p, "{\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":", c->index);
	if (x->tool == TOOL_NO)
		page_quote(p, buf_span(&c->text));
	else
		page_add(p, "null");
	page_add(p, ",\"refusal\":null,\"annotations\":null,\"audio\":null,\"function_call\":null");
	if (x->tool != TOOL_NO) {
		page_add(p,
			 ",\"tool_calls\":[{\"id\":\"%s\",\"type\":\"function\",\"function\":{\"name\":", x->item_id);
		page_quote(p, span_str(x->tool_name));
		page_add(p, ",\"arguments\":");
		page_quote(p, buf_span(&c->text));
		page_add(p, "}}]");
	}
	page_add(p,
		 ",\"reasoning\":null},\"logprobs\":null,\"finish_reason\":\"%s\",\"stop_reason\":null,"
		 "\"token_ids\":null,\"routed_experts\":null}",
		 c->finish);
}

static void whole(struct exchange *x, struct page *p)
{
	page_add(p, "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%llu,\"model\":", x->id,
		 (unsigned long long)x->created_s);
	page_quote(p, span_str(x->model));
	page_add(p, ",\"choices\":[");
	for (size_t i = 0; i < x->count; i++) {
		page_add(p, "%s", i ? "," : "");
		add_message(x, &x->choices[i], p);
	}
	page_add(p, "],\"service_tier\":null,\"system_fingerprint\":\"%s\",", x->mock->fingerprint);
	exchange_add_usage(x, p);
	page_add(p, ",\"prompt_logprobs\":null,\"prompt_token_ids\":null,\"prompt_text\":null,"
		    "\"kv_transfer_params\":null,\"ec_transfer_params\":null,\"metrics\":null}");
}

const struct api api_chat = { .path = "/v1/chat/completions",
			      .id_prefix = "chatcmpl-",
			      .read = read_chat,
			      .start = start,
			      .piece = piece,
			      .end = end,
			      .whole = whole };
