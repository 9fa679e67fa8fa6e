/* Errors as the clients of the two dialects expect them: OpenAI's object with all four keys, or Anthropic's. Cold path.
 * Shapes: OpenAI's openapi.yaml (ErrorResponse) and Anthropic's API reference (Errors). */
#include "openai/openai.h"

/* By status, the first row that fits: `type` of both dialects. */
static const struct {
	int from, to;
	const char *openai;
	const char *anthropic;
} types[] = {
	{ 401, 401, "authentication_error", "authentication_error" },
	{ 403, 403, "permission_error", "permission_error" },
	{ 404, 404, "not_found_error", "not_found_error" },
	{ 413, 413, "invalid_request_error", "request_too_large" },
	{ 429, 429, "rate_limit_error", "rate_limit_error" },
	{ 400, 499, "invalid_request_error", "invalid_request_error" },
	{ 503, 503, "service_unavailable", "overloaded_error" },
	{ 504, 504, "server_error", "timeout_error" },
	{ 0, 999, "server_error", "api_error" },
};

static struct span type_of(const struct error_row *row, bool anthropic)
{
	size_t i = 0;
	while (row->status < types[i].from || row->status > types[i].to)
		i++;
	return span_str(anthropic ? types[i].anthropic : types[i].openai);
}

static struct span message_of(const struct openai_error *er, const struct error_row *row)
{
	return er->message.n ? er->message : span_str(row->text);
}

/* `,"key":"value"`, or null for an empty value; without the comma when it is the first. */
static int add_member(struct buf *b, bool first, const char *key, struct span value)
{
	int r = buf_printf(b, "%s\"%s\":", first ? "" : ",", key);
	if (r < 0)
		return r;
	return value.n ? json_add_string(b, value) : buf_add(b, SPAN("null"));
}

/* {"message":…,"type":…,"param":…,"code":…} */
static int add_openai_object(struct buf *b, const struct openai_error *er)
{
	const struct error_row *row = error_row(er->code);
	int r = buf_add(b, SPAN("{"));
	if (r == 0)
		r = add_member(b, true, "message", message_of(er, row));
	if (r == 0)
		r = add_member(b, false, "type", type_of(row, false));
	if (r == 0)
		r = add_member(b, false, "param", er->param);
	if (r == 0)
		r = add_member(b, false, "code", span_str(row->code));
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

static int add_openai(struct buf *b, const struct openai_error *er)
{
	int r = buf_add(b, SPAN("{\"error\":"));
	if (r == 0)
		r = add_openai_object(b, er);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

static int add_anthropic(struct buf *b, const struct openai_error *er)
{
	const struct error_row *row = error_row(er->code);
	int r = buf_add(b, SPAN("{\"type\":\"error\",\"error\":{"));
	if (r == 0)
		r = add_member(b, true, "type", type_of(row, true));
	if (r == 0)
		r = add_member(b, false, "message", message_of(er, row));
	if (r == 0)
		r = buf_add(b, SPAN("}"));
	if (r == 0)
		r = add_member(b, false, "request_id", er->request_id);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

/* The Responses API's own error event; `error` beside it, because OpenAI's clients raise on that
 * (openai-python 2.54 and 3.54, _streaming.py). */
static int add_responses(struct buf *b, const struct openai_error *er)
{
	const struct error_row *row = error_row(er->code);
	int r = buf_add(b, SPAN("{\"type\":\"error\""));
	if (r == 0)
		r = add_member(b, false, "code", span_str(row->code));
	if (r == 0)
		r = add_member(b, false, "message", message_of(er, row));
	if (r == 0)
		r = add_member(b, false, "param", er->param);
	if (r == 0)
		r = buf_add(b, SPAN(",\"error\":"));
	if (r == 0)
		r = add_openai_object(b, er);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

int openai_error_body(struct buf *b, struct span path, const struct openai_error *er)
{
	return openai_is_anthropic(path) ? add_anthropic(b, er) : add_openai(b, er);
}

int openai_error_event(struct buf *b, struct span path, const struct openai_error *er)
{
	bool anthropic = openai_is_anthropic(path), responses = openai_api_of(path) == API_RESPONSES;
	int r = buf_add(b, anthropic || responses ? SPAN("event: error\ndata: ") : SPAN("data: "));
	if (r == 0)
		r = anthropic ? add_anthropic(b, er) : responses ? add_responses(b, er) : add_openai(b, er);
	return r < 0 ? r : buf_add(b, SPAN("\n\n"));
}
