/* The mock server: its paths, its faults, its making. One per loop; a process may run several. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

/* ---- small paths ---- */

static void health(struct mock *m, struct httpd_request *rq)
{
	(void)m;
	answer_text(rq, 200, "");
}

static void version(struct mock *m, struct httpd_request *rq)
{
	(void)m;
	answer_json(rq, json_pack("{s:s}", "version", "0.32.0"));
}

static void load(struct mock *m, struct httpd_request *rq)
{
	struct engine_metrics e;
	mock_pump(m);
	engine_metrics(m->engine, &e);
	json_int_t n = (json_int_t)e.running + e.waiting_capacity + e.waiting_deferred;
	answer_json(rq, json_pack("{s:I}", "server_load", n));
}

static void reset_prefix_cache(struct mock *m, struct httpd_request *rq)
{
	engine_prefix_reset(m->engine);
	answer_text(rq, 200, "");
}

static void metrics(struct mock *m, struct httpd_request *rq)
{
	metrics_answer(m, rq, LIE_NONE);
}

/* ---- faults ---- */

void faults_apply(struct mock *m)
{
	uint64_t now = loop_now(m->loop), next = faults_next_change(&m->faults, now);
	struct err e;
	/* An address that has been taken meanwhile is tried again at the next change. */
	if (httpd_listen(m->httpd, !faults_refuse_all(&m->faults, now), &e) < 0)
		next = now + NS_PER_S;
	if (next == UINT64_MAX)
		timer_clear(&m->fault_timer);
	else
		timer_set(m->loop, &m->fault_timer, next);
}

static void on_fault_timer(struct timer *t, uint64_t now)
{
	(void)now;
	faults_apply(container_of(t, struct mock, fault_timer));
}

static bool wants_connection(void *arg)
{
	struct mock *m = arg;
	return !faults_draw_refusal(&m->faults, loop_now(m->loop), &m->rng);
}

void faults_get(struct mock *m, struct httpd_request *rq)
{
	json_t *list = json_array();
	for (size_t i = 0; i < m->faults.n; i++) {
		const struct fault *f = &m->faults.all[i];
		(void)json_array_append_new(list,
					    json_pack("{s:s, s:I, s:b}", "spec", f->spec, "hits", (json_int_t)f->hits,
						      "open", fault_is_open(f, loop_now(m->loop))));
	}
	answer_json(rq, json_pack("{s:o}", "faults", list));
}

static int parse_faults(struct faults *fs, const json_t *list, uint64_t now, struct err *e)
{
	if (!json_is_array(list))
		return err_set(e, PS_EINVAL, "a JSON list of fault specifications is wanted");
	if (json_array_size(list) > FAULTS_MAX)
		return err_set(e, PS_EINVAL, "at most %d faults are taken", FAULTS_MAX);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *spec = json_string_value(json_array_get(list, i));
		if (!spec)
			return err_set(e, PS_EINVAL, "fault %zu is no string", i);
		int r = fault_parse(&fs->all[fs->n++], span_str(spec), now, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The whole list is replaced, or nothing. */
void faults_put(struct mock *m, struct httpd_request *rq)
{
	struct faults fresh = { .n = 0 };
	struct err e = { 0 };
	json_t *body = json_loadb(rq->body.n ? rq->body.p : "", rq->body.n, 0, NULL);
	json_t *list = json_is_object(body) ? json_object_get(body, "faults") : body;
	int r = parse_faults(&fresh, list, loop_now(m->loop), &e);
	json_decref(body);
	if (r < 0) {
		answer_error(rq, 400, "BadRequestError", NULL, "%s", e.text);
		return;
	}
	m->faults = fresh;
	faults_apply(m);
	faults_get(m, rq);
}

/* ---- routes ---- */

static const struct route {
	const char *method, *path;
	enum fault_scope scope; /* FAULT_ON_ALL: none, faults cannot be locked out */
	void (*handle)(struct mock *m, struct httpd_request *rq);
	const struct api *api;
} routes[] = {
	{ "POST", "/v1/chat/completions", FAULT_ON_API, NULL, &api_chat },
	{ "POST", "/v1/completions", FAULT_ON_API, NULL, &api_completions },
	{ "POST", "/v1/embeddings", FAULT_ON_API, NULL, &api_embeddings },
	{ "POST", "/v1/responses", FAULT_ON_API, NULL, &api_responses },
	{ "POST", "/v1/messages", FAULT_ON_API, NULL, &api_messages },
	{ "GET", "/v1/models", FAULT_ON_HEALTH, models_list, NULL },
	{ "POST", "/v1/load_lora_adapter", FAULT_ON_ALL, models_load_lora, NULL },
	{ "POST", "/v1/unload_lora_adapter", FAULT_ON_ALL, models_unload_lora, NULL },
	{ "POST", "/tokenize", FAULT_ON_API, models_tokenize, NULL },
	{ "GET", "/health", FAULT_ON_HEALTH, health, NULL },
	{ "GET", "/ping", FAULT_ON_HEALTH, health, NULL },
	{ "GET", "/version", FAULT_ON_HEALTH, version, NULL },
	{ "GET", "/load", FAULT_ON_HEALTH, load, NULL },
	{ "GET", "/metrics", FAULT_ON_METRICS, metrics, NULL },
	{ "POST", "/reset_prefix_cache", FAULT_ON_ALL, reset_prefix_cache, NULL },
	{ "POST", "/mock/cached", FAULT_ON_ALL, exchange_tell_cached, NULL },
	{ "GET", "/mock/faults", FAULT_ON_ALL, faults_get, NULL },
	{ "PUT", "/mock/faults", FAULT_ON_ALL, faults_put, NULL },
};

static void run_route(struct mock *m, struct httpd_request *rq, const struct route *r)
{
	struct fault *f = NULL;
	if (r->scope != FAULT_ON_ALL)
		f = faults_draw(&m->faults, r->scope, loop_now(m->loop), &m->rng);
	if (f && f->kind == FAULT_METRICS && r->scope == FAULT_ON_METRICS)
		metrics_answer(m, rq, f->lie);
	else if (f && answer_fault(rq, f))
		return;
	else if (r->api)
		exchange_handle(m, r->api, rq, f);
	else
		r->handle(m, rq);
}

static void handle(struct httpd_request *rq, void *arg)
{
	struct mock *m = arg;
	const struct route *other = NULL;
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (!httpd_path_is(rq, routes[i].path))
			continue;
		if (span_eq(rq->head->method_text, span_str(routes[i].method))) {
			run_route(m, rq, &routes[i]);
			return;
		}
		other = &routes[i];
	}
	if (other)
		answer_detail(rq, 405, "Method Not Allowed", other->method);
	else
		answer_detail(rq, 404, "Not Found", NULL);
}

/* ---- making ---- */

static int add_faults(struct mock *m, const struct mock_options *o, struct err *e)
{
	for (size_t i = 0; i < MOCK_FAULTS_MAX && o->faults[i]; i++) {
		int r = fault_parse(&m->faults.all[m->faults.n++], span_str(o->faults[i]), m->born_ns, e);
		if (r < 0) {
			err_prefix(e, "--fault %s: ", o->faults[i]);
			return r;
		}
	}
	return 0;
}

static int add_models(struct mock *m, const struct mock_options *o, struct err *e)
{
	for (size_t i = 0; i < MOCK_NAMES_MAX && o->models[i]; i++)
		m->models[m->model_count++] = span_dup(span_str(o->models[i]));
	if (m->model_count == 0)
		m->models[m->model_count++] = span_dup(SPAN("mock"));
	for (size_t i = 0; i < m->model_count; i++)
		if (!m->models[i] || !models_name_is_plain(span_str(m->models[i])))
			return err_set(e, PS_EINVAL,
				       "--model: a name of 1 to %d bytes without blanks, quotes and commas is wanted",
				       NAME_MAX_BYTES - 1);
	for (size_t i = 0; i < MOCK_NAMES_MAX && o->loras[i]; i++) {
		struct span path, name = span_cut(span_str(o->loras[i]), '=', &path);
		int r = models_add_lora(m, name, path.n ? path : name);
		if (r < 0)
			return err_set(e, -r, "--lora %s: %s", o->loras[i], error_row(r)->text);
	}
	return 0;
}

static int make_engine(struct mock *m, const struct mock_options *o, struct err *e)
{
	const char *name = o->profile ? o->profile : "h100-8b";
	const struct engine_profile *p = engine_profile_find(span_str(name));
	struct engine_options eo = { .blocks = o->kv_blocks,
				     .block_tokens = o->block_tokens ? o->block_tokens : 16,
				     .sequences = o->max_num_seqs,
				     .adapters = o->max_loras ? o->max_loras : 4 };
	if (!p) {
		char list[256] = "";
		size_t n, used = 0;
		const struct engine_profile *all = engine_profiles(&n);
		for (size_t i = 0; i < n && used < sizeof list; i++)
			used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", all[i].name);
		return err_set(e, PS_EINVAL, "no profile is called '%s': there are %s", name, list);
	}
	m->max_loras = eo.adapters;
	m->block_tokens = eo.block_tokens;
	m->engine = engine_new(p, &eo, o->seed, e);
	if (!m->engine)
		return -PS_EINVAL;
	struct engine_metrics em;
	engine_metrics(m->engine, &em);
	uint64_t kv = (uint64_t)em.blocks * em.block_tokens;
	uint32_t wanted = o->max_model_len ? o->max_model_len : kv < 131072 ? (uint32_t)kv : 131072;
	if (wanted > kv)
		return err_set(e, PS_EINVAL, "max_model_len %u does not fit the KV cache of %llu tokens", wanted,
			       (unsigned long long)kv);
	m->max_model_len = wanted;
	return 0;
}

static int serve(struct mock *m, const struct mock_options *o, struct err *e)
{
	struct address at;
	struct httpd_options ho = { .server = "uvicorn",
				    .fields = "vary: Origin\r\n",
				    .body_max_bytes = PROMPT_MAX_BYTES,
				    .connections_max = 65536,
				    .idle_timeout_ns = 5 * NS_PER_S }; /* uvicorn's keep-alive */
	int r = address_parse(&at, span_str(o->listen ? o->listen : "127.0.0.1:0"), e);
	if (r < 0)
		return r;
	m->httpd = httpd_new(m->loop, &at, &ho, handle, m, e);
	if (!m->httpd)
		return -PS_EIO;
	httpd_on_connection(m->httpd, wants_connection, m);
	faults_apply(m);
	return 0;
}

struct mock *mock_start(struct loop *l, const struct mock_options *options, struct err *e)
{
	struct mock *m = calloc(1, sizeof *m);
	if (!m) {
		(void)err_set(e, PS_ENOMEM, "no memory for a mock");
		return NULL;
	}
	m->loop = l;
	m->speed = options->speed > 0 ? options->speed : 1.0;
	m->seed = options->seed;
	m->born_ns = loop_refresh_now(l);
	m->born_wall_ns = clock_wall_ns();
	timer_init(&m->pump, mock_on_pump);
	timer_init(&m->fault_timer, on_fault_timer);
	list_init(&m->exchanges);
	rng_seed(&m->rng, rng_entropy());
	(void)snprintf(m->fingerprint, sizeof m->fingerprint, "vllm-0.32.0-%08x", (unsigned)hash_mix(options->seed, 3));
	if (make_engine(m, options, e) < 0 || add_models(m, options, e) < 0 || add_faults(m, options, e) < 0 ||
	    serve(m, options, e) < 0) {
		mock_free(m);
		return NULL;
	}
	models_note_loras(m);
	return m;
}

void mock_free(struct mock *m)
{
	if (!m)
		return;
	httpd_free(m->httpd);
	exchanges_end(m);
	timer_clear(&m->pump);
	timer_clear(&m->fault_timer);
	engine_free(m->engine);
	for (size_t i = 0; i < m->model_count; i++)
		free(m->models[i]);
	for (int i = 0; i < ADAPTERS_MAX; i++) {
		free(m->adapters[i].name);
		free(m->adapters[i].path);
	}
	free(m);
}

const struct address *mock_address(const struct mock *m)
{
	return httpd_address(m->httpd);
}

const char *mock_faults_help(void)
{
	return ""
#define FAULT(id, name, help) "    " name ": " help "\n"
#include "mock/faults.def"
#undef FAULT
#define METRICS_LIE(id, name, help) "    metrics=" name ": " help "\n"
#include "mock/lies.def"
#undef METRICS_LIE
		;
}
