/* /v1/responses: a message or a function call as the one item of the output. Nothing is stored. */
#include "mock/internal.h"

/* ---- asking ---- */

static bool read_tool_choice(struct ask *a)
{
	const json_t *choice = json_object_get(a->body, "tool_choice");
	const char *word = json_string_value(choice), *name = json_string_value(json_object_get(choice, "name"));
	enum tool_use use = name ? TOOL_NAMED : word && strcmp(word, "required") == 0 ? TOOL_REQUIRED : TOOL_NO;
	return ask_tool(a, json_object_get(a->body, "tools"), use, name);
}

/* An input item: a message, or what a tool was asked or has said. */
static int add_item(struct buf *b, const json_t *item)
{
	const char *role = json_string_value(json_object_get(item, "role"));
	const json_t *arguments = json_object_get(item, "arguments");
	if (role)
		return text_add_message(b, role, item, json_object_get(item, "content"));
	if (arguments)
		return text_add_message(b, "assistant", item, arguments);
	return text_add_message(b, "tool", item, json_object_get(item, "output"));
}

static bool read_responses(struct ask *a)
{
	const json_t *input = json_object_get(a->body, "input");
	const json_t *instructions = json_object_get(a->body, "instructions");
	a->max_tokens_name = "max_output_tokens";
	if (!ask_common(a))
		return false;
	if (!json_is_string(input) && json_array_size(input) == 0)
		return ask_missing(a, "input");
	if (!ask_int(a, "max_output_tokens", 1, &a->max_tokens) || !read_tool_choice(a))
		return false;
	struct buf *b = ask_prompt(a);
	if (!b || !ask_added(a, text_add_tools(b, json_object_get(a->body, "tools"))))
		return false;
	if (json_is_string(instructions) && !ask_added(a, text_add_message(b, "system", NULL, instructions)))
		return false;
	if (json_is_string(input) && !ask_added(a, text_add_message(b, "user", NULL, input)))
		return false;
	for (size_t i = 0; i < json_array_size(input); i++)
		if (!ask_added(a, add_item(b, json_array_get(input, i))))
			return false;
	return ask_added(a, text_add_generation_prompt(b));
}

/* ---- answering ---- */

enum part { IN_PROGRESS, COMPLETE };

static void add_item_body(const struct exchange *x, struct page *p, enum part part)
{
	struct span text = part == COMPLETE ? buf_span(&x->choices[0].text) : SPAN_NONE;
	const char *status = part == COMPLETE ? "completed" : "in_progress";
	if (x->tool != TOOL_NO) {
		page_add(p, "{\"arguments\":");
		page_quote(p, text);
		page_add(p, ",\"call_id\":\"call_%s\",\"name\":", x->item_id);
		page_quote(p, span_str(x->tool_name));
		page_add(p, ",\"type\":\"function_call\",\"id\":\"fc_%s\",\"status\":\"%s\"}", x->item_id, status);
		return;
	}
	page_add(p, "{\"id\":\"msg_%s\",\"content\":[", x->item_id);
	if (part == COMPLETE) {
		page_add(p, "{\"annotations\":[],\"text\":");
		page_quote(p, text);
		page_add(p, ",\"type\":\"output_text\",\"logprobs\":null}");
	}
	page_add(p, "],\"role\":\"assistant\",\"status\":\"%s\",\"type\":\"message\",\"phase\":null}", status);
}

static void add_usage(const struct exchange *x, struct page *p)
{
	uint32_t in = exchange_prompt_tokens(x), out = exchange_answer_tokens(x);
	page_add(p,
		 "{\"input_tokens\":%u,\"input_tokens_details\":{\"cached_tokens\":%u,\"cache_write_tokens\":0,"
		 "\"input_tokens_per_turn\":[],\"cached_tokens_per_turn\":[]},\"output_tokens\":%u,"
		 "\"output_tokens_details\":{\"reasoning_tokens\":0,\"tool_output_tokens\":0,\"output_tokens_per_"
		 "turn\":[],"
		 "\"tool_output_tokens_per_turn\":[]},\"total_tokens\":%u}",
		 in, exchange_cached_tokens(x), out, in + out);
}

static void add_response(const struct exchange *x, struct page *p, enum part part)
{
	bool cut = part == COMPLETE && strcmp(x->choices[0].finish, "length") == 0;
	page_add(p,
		 "{\"id\":\"%s\",\"created_at\":%llu,\"incomplete_details\":%s,\"instructions\":null,"
		 "\"metadata\":null,\"model\":",
		 x->id, (unsigned long long)x->created_s, cut ? "{\"reason\":\"max_output_tokens\"}" : "null");
	page_quote(p, span_str(x->model));
	page_add(p, ",\"object\":\"response\",\"output\":[");
	if (part == COMPLETE)
		add_item_body(x, p, COMPLETE);
	page_add(p,
		 "],\"parallel_tool_calls\":true,\"temperature\":1.0,\"tool_choice\":\"%s\",\"tools\":[],\"top_p\":1.0,"
		 "\"background\":false,\"max_output_tokens\":",
		 x->tool == TOOL_NO ? "auto" : "required");
	if (x->max_tokens >= 0)
		page_add(p, "%lld", (long long)x->max_tokens);
	else
		page_add(p, "null");
	page_add(p,
		 ",\"max_tool_calls\":null,\"previous_response_id\":null,\"prompt\":null,\"reasoning\":null,"
		 "\"service_tier\":\"auto\",\"status\":\"%s\",\"text\":null,\"top_logprobs\":null,"
		 "\"truncation\":\"disabled\",\"usage\":",
		 part == IN_PROGRESS ? "in_progress"
		 : cut		     ? "incomplete"
				     : "completed");
	if (part == COMPLETE)
		add_usage(x, p);
	else
		page_add(p, "null");
	page_add(p, ",\"user\":null,\"presence_penalty\":0.0,\"frequency_penalty\":0.0,\"kv_transfer_params\":null,"
		    "\"ec_transfer_params\":null,\"input_messages\":null,\"output_messages\":null}");
}

/* "event: TYPE\ndata: {…" and, by finish_event, "…,"sequence_number":N,"type":TYPE}". */
static void begin_event(struct page *p, const char *type)
{
	page_init(p);
	page_add(p, "event: %s\ndata: {", type);
}

static bool finish_event(struct exchange *x, struct page *p, const char *type)
{
	page_add(p, ",\"sequence_number\":%u,\"type\":\"%s\"}\n\n", x->sequence++, type);
	return exchange_event(x, p);
}

static bool send_response(struct exchange *x, const char *type, enum part part)
{
	struct page p;
	begin_event(&p, type);
	page_add(&p, "\"response\":");
	add_response(x, &p, part);
	return finish_event(x, &p, type);
}

static bool send_item(struct exchange *x, const char *type, enum part part)
{
	struct page p;
	begin_event(&p, type);
	page_add(&p, "\"item\":");
	add_item_body(x, &p, part);
	page_add(&p, ",\"output_index\":0");
	return finish_event(x, &p, type);
}

static void add_place(const struct exchange *x, struct page *p)
{
	if (x->tool == TOOL_NO)
		page_add(p, "\"content_index\":0,\"item_id\":\"msg_%s\",\"output_index\":0", x->item_id);
	else
		page_add(p, "\"item_id\":\"fc_%s\",\"output_index\":0", x->item_id);
}

static bool send_part(struct exchange *x, const char *type, struct span text)
{
	struct page p;
	begin_event(&p, type);
	add_place(x, &p);
	page_add(&p, ",\"part\":{\"annotations\":[],\"text\":");
	page_quote(&p, text);
	page_add(&p, ",\"type\":\"output_text\",\"logprobs\":[]}");
	return finish_event(x, &p, type);
}

/* A delta, or (done) the whole text. */
static bool send_text(struct exchange *x, struct span text, bool done)
{
	bool tool = x->tool != TOOL_NO;
	const char *type = tool	  ? done ? "response.function_call_arguments.done"
					 : "response.function_call_arguments.delta"
			   : done ? "response.output_text.done"
				  : "response.output_text.delta";
	struct page p;
	begin_event(&p, type);
	add_place(x, &p);
	page_add(&p, ",\"%s\":", !done ? "delta" : tool ? "arguments" : "text");
	page_quote(&p, text);
	if (tool && done) {
		page_add(&p, ",\"name\":");
		page_quote(&p, span_str(x->tool_name));
	}
	if (!tool)
		page_add(&p, ",\"logprobs\":[]");
	return finish_event(x, &p, type);
}

static void start(struct exchange *x)
{
	if (send_response(x, "response.created", IN_PROGRESS) &&
	    send_response(x, "response.in_progress", IN_PROGRESS) &&
	    send_item(x, "response.output_item.added", IN_PROGRESS) && x->tool == TOOL_NO)
		send_part(x, "response.content_part.added", SPAN_NONE);
}

static void piece(struct exchange *x, struct choice *c, struct span text, bool last)
{
	(void)c;
	(void)last;
	send_text(x, text, false);
}

static void end(struct exchange *x)
{
	struct span text = buf_span(&x->choices[0].text);
	if (!send_text(x, text, true))
		return;
	if (x->tool == TOOL_NO && !send_part(x, "response.content_part.done", text))
		return;
	if (send_item(x, "response.output_item.done", COMPLETE))
		send_response(x, "response.completed", COMPLETE);
}

static void whole(struct exchange *x, struct page *p)
{
	add_response(x, p, COMPLETE);
}

const struct api api_responses = { .path = "/v1/responses",
				   .id_prefix = "resp_",
				   .read = read_responses,
				   .start = start,
				   .piece = piece,
				   .end = end,
				   .whole = whole };
