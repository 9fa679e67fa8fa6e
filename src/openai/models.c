/* Model lists: reading a replica's (control side, jansson), writing the aggregated one. OpenAI's shape with vLLM's
 * extras, or Anthropic's. */
#include <jansson.h>

#include <stdio.h>
#include <time.h>

#include "openai/openai.h"

static struct span text_member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v)) : SPAN_NONE;
}

static uint64_t number_member(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : 0;
	return n > 0 ? (uint64_t)n : 0;
}

static void read_model(const json_t *o, void (*each)(void *arg, const struct openai_model *m), void *arg)
{
	uint64_t len = number_member(o, "max_model_len");
	struct openai_model m = {
		.id = text_member(o, "id"),
		.parent = text_member(o, "parent"),
		.owned_by = text_member(o, "owned_by"),
		.created = number_member(o, "created"),
		.max_model_len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX,
	};
	if (m.id.n)
		each(arg, &m);
}

int openai_models_read(struct span json, void (*each)(void *arg, const struct openai_model *m), void *arg,
		       struct err *e)
{
	json_error_t why;
	json_t *root = json_loadb(json.n ? json.p : "", json.n, 0, &why);
	if (!root)
		return err_set(e, PS_EBADJSON, "model list, line %d: %s", why.line, why.text);
	const json_t *list = json_object_get(root, "data");
	int r = json_is_array(list) ? 0 : err_set(e, PS_EBADJSON, "model list: \"data\" is no array");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
		read_model(json_array_get(list, i), each, arg);
	json_decref(root);
	return r;
}

/* `,"key":"value"`; null for an empty value. */
static int add_text(struct buf *b, const char *key, struct span value)
{
	int r = buf_printf(b, ",\"%s\":", key);
	if (r < 0)
		return r;
	return value.n ? json_add_string(b, value) : buf_add(b, SPAN("null"));
}

static int write_openai(struct buf *b, const struct openai_model *m)
{
	int r = buf_add(b, SPAN("{\"id\":"));
	if (r == 0)
		r = json_add_string(b, m->id);
	if (r == 0)
		r = buf_printf(b, ",\"object\":\"model\",\"created\":%llu", (unsigned long long)m->created);
	if (r == 0)
		r = add_text(b, "owned_by", m->owned_by.n ? m->owned_by : SPAN("penstock"));
	if (r == 0)
		r = add_text(b, "root", m->id);
	if (r == 0)
		r = add_text(b, "parent", m->parent);
	if (r < 0)
		return r;
	return m->max_model_len ? buf_printf(b, ",\"max_model_len\":%u}", m->max_model_len)
				: buf_add(b, SPAN(",\"max_model_len\":null}"));
}

static int write_anthropic(struct buf *b, const struct openai_model *m)
{
	time_t created = (time_t)m->created;
	char at[32] = "1970-01-01T00:00:00Z";
	struct tm tm;
	if (gmtime_r(&created, &tm))
		(void)strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm);
	int r = buf_add(b, SPAN("{\"type\":\"model\",\"id\":"));
	if (r == 0)
		r = json_add_string(b, m->id);
	if (r == 0)
		r = add_text(b, "display_name", m->id);
	return r < 0 ? r : buf_printf(b, ",\"created_at\":\"%s\"}", at);
}

int openai_model_write(struct buf *b, const struct openai_model *m, bool anthropic)
{
	return anthropic ? write_anthropic(b, m) : write_openai(b, m);
}

static int end_anthropic(struct buf *b, const struct openai_model *m, size_t n)
{
	int r = buf_add(b, SPAN("],\"has_more\":false"));
	if (r == 0)
		r = add_text(b, "first_id", n ? m[0].id : SPAN_NONE);
	if (r == 0)
		r = add_text(b, "last_id", n ? m[n - 1].id : SPAN_NONE);
	return r < 0 ? r : buf_add(b, SPAN("}"));
}

int openai_models_write(struct buf *b, const struct openai_model *m, size_t n, bool anthropic)
{
	int r = buf_add(b, anthropic ? SPAN("{\"data\":[") : SPAN("{\"object\":\"list\",\"data\":["));
	for (size_t i = 0; i < n && r == 0; i++) {
		if (i)
			r = buf_add(b, SPAN(","));
		if (r == 0)
			r = openai_model_write(b, &m[i], anthropic);
	}
	if (r < 0)
		return r;
	return anthropic ? end_anthropic(b, m, n) : buf_add(b, SPAN("]}"));
}
