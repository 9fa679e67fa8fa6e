/* Reading the bodies of API requests: vLLM's checks and vLLM's words for what is wrong. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

static const char invalid[] = "BadRequestError", unprocessable[] = "Bad Request";

bool ask_refuse(struct ask *a, int status, const char *type, const char *param, const char *fmt, ...)
{
	struct refusal *r = &a->refusal;
	va_list args;
	r->status = status;
	r->type = type;
	r->param[0] = '\0';
	if (param)
		span_copy(r->param, sizeof r->param, span_str(param));
	va_start(args, fmt);
	(void)vsnprintf(r->message, sizeof r->message, fmt, args);
	va_end(args);
	return false;
}

/* What pydantic says of a field. */
static bool refuse_field(struct ask *a, const char *name, const char *type, const char *msg, const char *input)
{
	char loc[64];
	(void)snprintf(loc, sizeof loc, "body.%s", name);
	return ask_refuse(a, 400, unprocessable, loc,
			  "1 validation error:\n  {'type': '%s', 'loc': '%s', 'msg': '%s', 'input': %s}", type, loc,
			  msg, input);
}

/* A value as pydantic would print it, roughly. */
static const char *print_input(const json_t *v, char *out, size_t cap)
{
	if (json_is_string(v))
		(void)snprintf(out, cap, "'%.100s'", json_string_value(v));
	else if (json_is_object(v) || json_is_array(v))
		(void)snprintf(out, cap, "'<%s of %zu items>'", json_is_object(v) ? "dict" : "list",
			       json_is_object(v) ? json_object_size(v) : json_array_size(v));
	else if (json_is_integer(v))
		(void)snprintf(out, cap, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		(void)snprintf(out, cap, "%g", json_real_value(v));
	else
		(void)snprintf(out, cap, "%s", json_is_true(v) ? "True" : json_is_false(v) ? "False" : "None");
	return out;
}

static const json_t *field(const struct ask *a, const char *name)
{
	const json_t *v = json_object_get(a->body, name);
	return json_is_null(v) ? NULL : v;
}

bool ask_missing(struct ask *a, const char *name)
{
	char input[64];
	return refuse_field(a, name, "missing", "Field required", print_input(a->body, input, sizeof input));
}

bool ask_int(struct ask *a, const char *name, int64_t min, int64_t *ret)
{
	const json_t *v = field(a, name);
	char input[128];
	if (!v)
		return true;
	if (!json_is_integer(v))
		return refuse_field(a, name, json_is_string(v) ? "int_parsing" : "int_type",
				    json_is_string(v)
					    ? "Input should be a valid integer, unable to parse string as an integer"
					    : "Input should be a valid integer",
				    print_input(v, input, sizeof input));
	if (json_integer_value(v) < min)
		return ask_refuse(
			a, 400, invalid, name, "%s must be at least %lld, got %lld. (parameter=%s, value=%lld)", name,
			(long long)min, (long long)json_integer_value(v), name, (long long)json_integer_value(v));
	*ret = json_integer_value(v);
	return true;
}

bool ask_bool(struct ask *a, const char *name, bool *ret)
{
	const json_t *v = field(a, name);
	char input[128];
	if (v && !json_is_boolean(v))
		return refuse_field(a, name, "bool_parsing", "Input should be a valid boolean",
				    print_input(v, input, sizeof input));
	if (v)
		*ret = json_is_true(v);
	return true;
}

static bool ask_model(struct ask *a)
{
	const struct mock *m = a->mock;
	const json_t *v = field(a, "model");
	const char *name = v ? json_string_value(v) : m->models[0];
	char input[128], aliases[256] = "";
	if (v && !name)
		return refuse_field(a, "model", "string_type", "Input should be a valid string",
				    print_input(v, input, sizeof input));
	int number = models_find(m, name, &a->model);
	if (number >= 0) {
		a->adapter = (uint32_t)number;
		return true;
	}
	for (size_t i = 0, used = 0; i < m->model_count && used < sizeof aliases; i++)
		used += (size_t)snprintf(aliases + used, sizeof aliases - used, "%s%s", i ? ", " : "", m->models[i]);
	return ask_refuse(a, 404, "NotFoundError", "model", "The model `%.200s` does not exist. Valid aliases: %s.",
			  name, aliases);
}

static bool ask_stream_options(struct ask *a)
{
	const json_t *o = field(a, "stream_options");
	if (!o)
		return true;
	if (!a->stream)
		return ask_refuse(a, 400, invalid, "stream_options",
				  "Stream options can only be defined when `stream=True`. (parameter=stream_options)");
	a->include_usage = json_is_true(json_object_get(o, "include_usage"));
	a->continuous_usage = a->include_usage && json_is_true(json_object_get(o, "continuous_usage_stats"));
	return true;
}

static bool ask_temperature(struct ask *a)
{
	const json_t *v = field(a, "temperature");
	char input[128], text[32];
	if (v && !json_is_number(v))
		return refuse_field(a, "temperature", "float_parsing",
				    "Input should be a valid number, unable to parse string as a number",
				    print_input(v, input, sizeof input));
	if (!v || json_number_value(v) >= 0)
		return true;
	(void)snprintf(text, sizeof text, "%.1f", json_number_value(v));
	return ask_refuse(a, 400, invalid, "temperature",
			  "temperature must be non-negative, got %s. (parameter=temperature, value=%s)", text, text);
}

bool ask_common(struct ask *a)
{
	return ask_model(a) && ask_bool(a, "stream", &a->stream) && ask_stream_options(a) && ask_temperature(a);
}

/* ---- prompts ---- */

struct buf *ask_prompt(struct ask *a)
{
	struct prompt *more = a->prompt_count < CHOICES_MAX ? realloc(a->prompts, (a->prompt_count + 1) * sizeof *more)
							    : NULL;
	if (!more) {
		ask_refuse(a, 400, invalid, "prompt", "at most %d prompts are taken at a time", CHOICES_MAX);
		return NULL;
	}
	a->prompts = more;
	buf_init(&more[a->prompt_count].text, PROMPT_MAX_BYTES);
	return &more[a->prompt_count++].text;
}

bool ask_added(struct ask *a, int r)
{
	if (r == 0)
		return true;
	return ask_refuse(a, r == -PS_ENOMEM ? 503 : 400, invalid, NULL, "the prompt cannot be held in memory");
}

/* Token numbers, four bytes each as every token here. */
static bool add_token_numbers(struct ask *a, struct buf *b, const json_t *numbers)
{
	for (size_t i = 0; i < json_array_size(numbers); i++) {
		uint32_t token = (uint32_t)json_integer_value(json_array_get(numbers, i));
		char bytes[TOKEN_BYTES];
		memcpy(bytes, &token, sizeof bytes);
		if (!ask_added(a, buf_add(b, span_of(bytes, sizeof bytes))))
			return false;
	}
	return true;
}

bool ask_add_plain(struct ask *a, const json_t *prompt)
{
	struct buf *b = ask_prompt(a);
	if (!b)
		return false;
	if (json_is_string(prompt))
		return ask_added(a, buf_add(b, span_of(json_string_value(prompt), json_string_length(prompt))));
	return add_token_numbers(a, b, prompt);
}

bool ask_add_messages(struct ask *a, struct buf *b, const json_t *messages)
{
	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *m = json_array_get(messages, i);
		const char *role = json_string_value(json_object_get(m, "role"));
		if (!role)
			return ask_refuse(a, 400, unprocessable, "body.messages",
					  "1 validation error:\n  {'type': 'missing', 'loc': 'body.messages.%zu.role', "
					  "'msg': 'Field required'}",
					  i);
		if (!ask_added(a, text_add_message(b, role, m, json_object_get(m, "content"))))
			return false;
	}
	return true;
}

/* ---- tools ---- */

/* The function of a tool in OpenAI's chat form, or the tool itself where it is flat. */
static const json_t *function_of(const json_t *tool)
{
	const json_t *f = json_object_get(tool, "function");
	return f ? f : tool;
}

bool ask_tool(struct ask *a, const json_t *tools, enum tool_use use, const char *name)
{
	a->tool = use;
	if (use == TOOL_NO)
		return true;
	for (size_t i = 0; i < json_array_size(tools); i++) {
		const json_t *f = function_of(json_array_get(tools, i));
		const char *its = json_string_value(json_object_get(f, "name"));
		if (!its || (name && strcmp(its, name) != 0))
			continue;
		const json_t *schema = json_object_get(f, "parameters");
		a->tool_name = its;
		a->tool_schema = schema ? schema : json_object_get(f, "input_schema");
		return true;
	}
	if (name)
		return ask_refuse(a, 400, invalid, "tool_choice",
				  "The tool specified in `tool_choice` does not match any of the specified `tools`");
	return ask_refuse(a, 400, invalid, "tool_choice", "When using `tool_choice`, `tools` must be set.");
}

void ask_done(struct ask *a)
{
	for (size_t i = 0; i < a->prompt_count; i++)
		buf_free(&a->prompts[i].text);
	free(a->prompts);
	json_decref(a->body);
}
