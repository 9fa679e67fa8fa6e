/* Models and LoRA adapters: the list, loading and unloading, and /tokenize. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

int models_find(const struct mock *m, const char *name, const char **ret_name)
{
	for (size_t i = 0; i < m->model_count; i++)
		if (strcmp(m->models[i], name) == 0) {
			*ret_name = m->models[i];
			return 0;
		}
	for (int i = 0; i < ADAPTERS_MAX; i++)
		if (m->adapters[i].name && strcmp(m->adapters[i].name, name) == 0) {
			*ret_name = m->adapters[i].name;
			return i + 1;
		}
	return -PS_ENOTFOUND;
}

/* ---- /v1/models ---- */

static json_t *permission(struct mock *m, uint64_t created)
{
	char id[40];
	(void)snprintf(id, sizeof id, "modelperm-%016llx", (unsigned long long)rng_next(&m->rng));
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:n, s:b}", "id", id, "object",
			 "model_permission", "created", (json_int_t)created, "allow_create_engine", 0, "allow_sampling",
			 1, "allow_logprobs", 1, "allow_search_indices", 0, "allow_view", 1, "allow_fine_tuning", 0,
			 "organization", "*", "group", "is_blocking", 0);
}

/* `parent` NULL: a base model, with its length. */
static json_t *card(struct mock *m, const char *id, const char *root, const char *parent)
{
	uint64_t now = clock_wall_ns() / NS_PER_S;
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s?, s:o?, s:[o]}", "id", id, "object", "model", "created",
			 (json_int_t)now, "owned_by", "vllm", "root", root, "parent", parent, "max_model_len",
			 parent ? json_null() : json_integer(m->max_model_len), "permission", permission(m, now));
}

void models_list(struct mock *m, struct httpd_request *rq)
{
	json_t *list = json_array();
	for (size_t i = 0; i < m->model_count; i++)
		(void)json_array_append_new(list, card(m, m->models[i], m->models[0], NULL));
	for (int i = 0; i < ADAPTERS_MAX; i++)
		if (m->adapters[i].name)
			(void)json_array_append_new(list,
						    card(m, m->adapters[i].name, m->adapters[i].path, m->models[0]));
	answer_json(rq, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

/* ---- adapters ---- */

/* A slot without a name whose number no request in the engine still carries. */
static struct adapter *free_slot(struct mock *m)
{
	for (uint32_t i = 0; i < ADAPTERS_MAX; i++) {
		uint32_t running, waiting;
		engine_adapter_counts(m->engine, i + 1, &running, &waiting);
		if (!m->adapters[i].name && running + waiting == 0)
			return &m->adapters[i];
	}
	return NULL;
}

/* Names stand in labels of /metrics, in lists with commas. */
bool models_name_is_plain(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == '"' || name.p[i] == '\\' || name.p[i] == ',')
			return false;
	return name.n > 0 && name.n < NAME_MAX_BYTES;
}

int models_add_lora(struct mock *m, struct span name, struct span path)
{
	struct adapter *a = free_slot(m);
	if (!models_name_is_plain(name))
		return -PS_EINVAL;
	if (!a)
		return -PS_ETOOBIG;
	char *its_name = span_dup(name), *its_path = span_dup(path);
	const char *same;
	int r = !its_name || !its_path ? -PS_ENOMEM : models_find(m, its_name, &same) >= 0 ? -PS_EEXIST : 0;
	if (r < 0) {
		free(its_name);
		free(its_path);
		return r;
	}
	*a = (struct adapter){ its_name, its_path, hash_bytes(name) };
	return 0;
}

static json_t *read_object(struct httpd_request *rq)
{
	json_error_t e;
	json_t *body = json_loadb(rq->body.n ? rq->body.p : "", rq->body.n, 0, &e);
	if (json_is_object(body))
		return body;
	json_decref(body);
	answer_error(rq, 400, "Bad Request", "body",
		     "1 validation error:\n  {'type': 'json_invalid', 'loc': 'body', "
		     "'msg': 'JSON decode error'}");
	return NULL;
}

static const char invalid_input[] = "InvalidUserInput", not_found[] = "NotFoundError";

void models_load_lora(struct mock *m, struct httpd_request *rq)
{
	json_t *body = read_object(rq);
	if (!body)
		return;
	const char *name = json_string_value(json_object_get(body, "lora_name"));
	const char *path = json_string_value(json_object_get(body, "lora_path"));
	char text[256];
	int r = name && path && *path ? models_add_lora(m, span_str(name), span_str(path)) : -PS_EINVAL;
	if (r == -PS_EINVAL) {
		answer_error(rq, 400, invalid_input, NULL, "Both 'lora_name' and 'lora_path' must be provided.");
	} else if (r == -PS_EEXIST) {
		answer_error(rq, 400, invalid_input, NULL, "The lora adapter '%.100s' has already been loaded.", name);
	} else if (r < 0) {
		answer_error(rq, 500, "InternalServerError", NULL, "Loading lora %.100s failed: %s", name,
			     error_row(r)->text);
	} else {
		(void)snprintf(text, sizeof text, "Success: LoRA adapter '%.100s' added successfully.", name);
		answer_text(rq, 200, text);
	}
	json_decref(body);
}

void models_unload_lora(struct mock *m, struct httpd_request *rq)
{
	json_t *body = read_object(rq);
	if (!body)
		return;
	const char *name = json_string_value(json_object_get(body, "lora_name")), *its;
	int number = name ? models_find(m, name, &its) : -PS_EINVAL;
	char text[256];
	if (!name) {
		answer_error(rq, 400, invalid_input, NULL,
			     "either 'lora_name' and 'lora_int_id' needs to be provided.");
	} else if (number <= 0) {
		answer_error(rq, 404, not_found, NULL, "The lora adapter '%.100s' cannot be found.", name);
	} else {
		struct adapter *a = &m->adapters[number - 1];
		(void)snprintf(text, sizeof text, "Success: LoRA adapter '%.100s' removed successfully.", name);
		free(a->name);
		free(a->path);
		*a = (struct adapter){ 0 };
		answer_text(rq, 200, text);
	}
	json_decref(body);
}

/* ---- who runs, who waits ---- */

static void add_name(char *list, size_t cap, const char *name)
{
	size_t n = strlen(list);
	(void)snprintf(list + n, cap - n, "%s%s", n ? "," : "", name);
}

/* The set that is the same, or a free one, or the one longest not true. */
static struct lora_set *find_set(struct mock *m, const struct lora_set *s)
{
	struct lora_set *oldest = &m->lora_sets[0];
	for (int i = 0; i < LORA_SETS_MAX; i++) {
		struct lora_set *k = &m->lora_sets[i];
		if (k->at > 0 && strcmp(k->running, s->running) == 0 && strcmp(k->waiting, s->waiting) == 0)
			return k;
		if (k->at < oldest->at)
			oldest = k;
	}
	return oldest;
}

void models_note_loras(struct mock *m)
{
	struct lora_set s = { .at = (double)clock_wall_ns() / (double)NS_PER_S };
	for (uint32_t i = 0; i < ADAPTERS_MAX; i++) {
		uint32_t running, waiting;
		if (!m->adapters[i].name)
			continue;
		engine_adapter_counts(m->engine, i + 1, &running, &waiting);
		if (running)
			add_name(s.running, sizeof s.running, m->adapters[i].name);
		if (waiting)
			add_name(s.waiting, sizeof s.waiting, m->adapters[i].name);
	}
	*find_set(m, &s) = s;
}

/* ---- /tokenize ---- */

static int add_tokenize_prompt(struct buf *b, const json_t *body)
{
	const json_t *prompt = json_object_get(body, "prompt"), *messages = json_object_get(body, "messages");
	if (json_is_string(prompt))
		return buf_add(b, span_of(json_string_value(prompt), json_string_length(prompt)));
	if (!json_is_array(messages))
		return -PS_ENOFIELD;
	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *one = json_array_get(messages, i);
		const char *role = json_string_value(json_object_get(one, "role"));
		int r = role ? text_add_message(b, role, one, json_object_get(one, "content")) : -PS_ENOFIELD;
		if (r < 0)
			return r;
	}
	return text_add_generation_prompt(b);
}

static json_t *tokens_of(struct span s)
{
	enum { VOCABULARY = 128000 };
	json_t *tokens = json_array();
	for (; s.n; s = span_skip(s, TOKEN_BYTES))
		(void)json_array_append_new(
			tokens, json_integer((json_int_t)(hash_bytes(span_head(s, TOKEN_BYTES)) % VOCABULARY)));
	return tokens;
}

void models_tokenize(struct mock *m, struct httpd_request *rq)
{
	json_t *body = read_object(rq);
	struct buf b;
	if (!body)
		return;
	buf_init(&b, PROMPT_MAX_BYTES);
	int r = add_tokenize_prompt(&b, body);
	if (r < 0)
		answer_error(
			rq, 400, "Bad Request", "body.prompt",
			"1 validation error:\n  {'type': 'missing', 'loc': 'body.prompt', 'msg': 'Field required'}");
	else
		answer_json(rq, json_pack("{s:I, s:I, s:o, s:n}", "count", (json_int_t)text_tokens(buf_len(&b)),
					  "max_model_len", (json_int_t)m->max_model_len, "tokens",
					  tokens_of(buf_span(&b)), "token_strs"));
	buf_free(&b);
	json_decref(body);
}
