/* /v1/messages: Anthropic's API, as vLLM 0.32 serves it. */
#include "mock/internal.h"

static bool read_tool_choice(struct ask *a)
{
	const json_t *choice = json_object_get(a->body, "tool_choice");
	const char *type = json_string_value(json_object_get(choice, "type"));
	const char *name = json_string_value(json_object_get(choice, "name"));
	enum tool_use use = TOOL_NO;
	if (type && strcmp(type, "any") == 0)
		use = TOOL_REQUIRED;
	if (type && strcmp(type, "tool") == 0)
		use = TOOL_NAMED;
	return ask_tool(a, json_object_get(a->body, "tools"), use, use == TOOL_NAMED ? name : NULL);
}

static bool read_messages(struct ask *a)
{
	const json_t *messages = json_object_get(a->body, "messages"), *system = json_object_get(a->body, "system");
	a->max_tokens_name = "max_tokens";
	if (!ask_common(a))
		return false;
	if (!json_is_array(messages) || json_array_size(messages) == 0)
		return ask_missing(a, "messages");
	if (!json_object_get(a->body, "max_tokens"))
		return ask_missing(a, "max_tokens");
	if (!ask_int(a, "max_tokens", 1, &a->max_tokens) || !read_tool_choice(a))
		return false;
	struct buf *b = ask_prompt(a);
	if (!b || !ask_added(a, text_add_tools(b, json_object_get(a->body, "tools"))))
		return false;
	if (system && !ask_added(a, text_add_message(b, "system", NULL, system)))
		return false;
	return ask_add_messages(a, b, messages) && ask_added(a, text_add_generation_prompt(b));
}

static const char *stop_reason(const struct exchange *x)
{
	if (x->tool != TOOL_NO)
		return "tool_use";
	return strcmp(x->choices[0].finish, "length") == 0 ? "max_tokens" : "end_turn";
}

/* Ours says what was cached where the captured engine, without that option, said nothing. */
static void add_usage(const struct exchange *x, struct page *p)
{
	page_add(p, "\"usage\":{\"input_tokens\":%u,\"output_tokens\":%u,\"cache_read_input_tokens\":%u}",
		 exchange_prompt_tokens(x), exchange_answer_tokens(x), exchange_cached_tokens(x));
}

static bool send_page(struct exchange *x, struct page *p)
{
	page_add(p, "\n\n");
	return exchange_event(x, p);
}

static void start(struct exchange *x)
{
	struct page p;
	page_init(&p);
	page_add(&p,
		 "event: message_start\ndata: "
		 "{\"type\":\"message_start\",\"message\":{\"id\":\"%s\",\"type\":\"message\","
		 "\"role\":\"assistant\",\"content\":[],\"model\":",
		 x->id);
	page_quote(&p, span_str(x->model));
	page_add(&p,
		 ",\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":%u,\"output_tokens\":0}}}",
		 exchange_prompt_tokens(x));
	if (!send_page(x, &p))
		return;
	page_init(&p);
	page_add(&p, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":");
	if (x->tool == TOOL_NO) {
		page_add(&p, "{\"type\":\"text\",\"text\":\"\"}");
	} else {
		page_add(&p, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":", x->item_id);
		page_quote(&p, span_str(x->tool_name));
		page_add(&p, ",\"input\":{}}");
	}
	page_add(&p, ",\"index\":0}");
	send_page(x, &p);
}

static void piece(struct exchange *x, struct choice *c, struct span text, bool last)
{
	struct page p;
	(void)c;
	page_init(&p);
	page_add(&p, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":%s:",
		 x->tool == TOOL_NO ? "\"text_delta\",\"text\"" : "\"input_json_delta\",\"partial_json\"");
	page_quote(&p, text);
	page_add(&p, "},\"index\":0}");
	if (!send_page(x, &p) || !last)
		return;
	page_init(&p);
	page_add(&p, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}");
	send_page(x, &p);
}

static void end(struct exchange *x)
{
	struct page p;
	page_init(&p);
	page_add(&p,
		 "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"%s\","
		 "\"stop_sequence\":null},",
		 stop_reason(x));
	add_usage(x, &p);
	page_add(&p, "}");
	if (!send_page(x, &p))
		return;
	page_init(&p);
	page_add(&p, "event: message_stop\ndata: {\"type\":\"message_stop\"}");
	send_page(x, &p);
}

static void whole(struct exchange *x, struct page *p)
{
	struct span text = buf_span(&x->choices[0].text);
	page_add(p, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[", x->id);
	if (x->tool == TOOL_NO) {
		page_add(p, "{\"type\":\"text\",\"text\":");
		page_quote(p, text);
	} else {
		page_add(p, "{\"type\":\"tool_use\",\"id\":\"%s\",\"name\":", x->item_id);
		page_quote(p, span_str(x->tool_name));
		page_add(p, ",\"input\":%.*s", SPAN_ARG(text));
	}
	page_add(p, "}],\"model\":");
	page_quote(p, span_str(x->model));
	page_add(p, ",\"stop_reason\":\"%s\",", stop_reason(x));
	add_usage(x, p);
	page_add(p, "}");
}

const struct api api_messages = { .path = "/v1/messages",
				  .id_prefix = "chatcmpl-",
				  .read = read_messages,
				  .start = start,
				  .piece = piece,
				  .end = end,
				  .whole = whole };
