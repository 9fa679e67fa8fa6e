/* /v1/completions: one prompt or a list of them, as text or as token numbers. */
#include "mock/internal.h"

static bool read_completions(struct ask *a)
{
	const json_t *prompt = json_object_get(a->body, "prompt"), *first = json_array_get(prompt, 0);
	if (!ask_common(a))
		return false;
	if (!json_is_string(prompt) && !first)
		return ask_missing(a, "prompt");
	a->max_tokens_name = "max_tokens";
	a->max_tokens = 16; /* the API's default, and vLLM's */
	if (!ask_int(a, "max_tokens", 1, &a->max_tokens) || !ask_int(a, "n", 1, &a->n))
		return false;
	if (json_is_string(prompt) || json_is_integer(first))
		return ask_add_plain(a, prompt);
	for (size_t i = 0; i < json_array_size(prompt); i++)
		if (!ask_add_plain(a, json_array_get(prompt, i)))
			return false;
	return true;
}

static void begin_chunk(const struct exchange *x, struct page *p)
{
	page_add(p, "{\"id\":\"%s\",\"object\":\"text_completion\",\"created\":%llu,\"model\":", x->id,
		 (unsigned long long)x->created_s);
	page_quote(p, span_str(x->model));
	page_add(p, ",\"choices\":[");
}

static void piece(struct exchange *x, struct choice *c, struct span text, bool last)
{
	struct page p;
	page_init(&p);
	page_add(&p, "data: ");
	begin_chunk(x, &p);
	page_add(&p, "{\"index\":%u,\"text\":", c->index);
	page_quote(&p, text);
	page_add(&p, ",\"logprobs\":null,\"finish_reason\":");
	if (last)
		page_quote(&p, span_str(c->finish));
	else
		page_add(&p, "null");
	page_add(&p, ",\"stop_reason\":null,\"prompt_token_ids\":null,\"token_ids\":null}]");
	if (x->continuous_usage)
		page_add(&p, ",\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u,\"completion_tokens\":%u}",
			 c->prompt_tokens, c->prompt_tokens + c->generated, c->generated);
	if (last && !x->include_usage)
		page_add(&p, ",\"system_fingerprint\":\"%s\"", x->mock->fingerprint);
	page_add(&p, "}\n\n");
	exchange_event(x, &p);
}

static void end(struct exchange *x)
{
	struct page p;
	page_init(&p);
	if (x->include_usage) {
		page_add(&p, "data: ");
		begin_chunk(x, &p);
		page_add(&p, "],");
		exchange_add_usage(x, &p);
		page_add(&p, ",\"system_fingerprint\":\"%s\"}\n\n", x->mock->fingerprint);
		if (!exchange_event(x, &p))
			return;
		page_init(&p);
	}
	page_add(&p, "data: [DONE]\n\n");
	exchange_event(x, &p);
}

static void whole(struct exchange *x, struct page *p)
{
	begin_chunk(x, p);
	for (size_t i = 0; i < x->count; i++) {
		page_add(p, "%s{\"index\":%zu,\"text\":", i ? "," : "", i);
		page_quote(p, buf_span(&x->choices[i].text));
		page_add(p,
			 ",\"logprobs\":null,\"finish_reason\":\"%s\",\"stop_reason\":null,\"token_ids\":null,"
			 "\"prompt_logprobs\":null,\"prompt_token_ids\":null,\"routed_experts\":null}",
			 x->choices[i].finish);
	}
	page_add(p, "],\"service_tier\":null,\"system_fingerprint\":\"%s\",", x->mock->fingerprint);
	exchange_add_usage(x, p);
	page_add(p, ",\"kv_transfer_params\":null,\"ec_transfer_params\":null,\"metrics\":null}");
}

const struct api api_completions = { .path = "/v1/completions",
				     .id_prefix = "cmpl-",
				     .read = read_completions,
				     .piece = piece,
				     .end = end,
				     .whole = whole };
