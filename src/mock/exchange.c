/* Requests on their way through the engine: from a body to jobs, from steps to tokens, from a client that left to
 * blocks that are free again. Real time times `speed` is the engine's time; a step is ended by a timer, or by whatever
 * request comes first after it. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

enum { STEPS_PER_TURN = 2000 }; /* a fast engine must not keep the loop from its sockets */

/* ---- reading ---- */

static bool is_json(const struct httpd_request *rq)
{
	const struct h1_field *f = h1_field_named(rq->head, SPAN("content-type"));
	struct span rest;
	return f && span_eq_nocase(span_trim(span_cut(f->value, ';', &rest)), SPAN("application/json"));
}

static bool load_body(struct ask *a, const struct httpd_request *rq)
{
	json_error_t e;
	if (!is_json(rq))
		return ask_refuse(a, 400, "Bad Request", NULL,
				  "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed");
	a->body = json_loadb(rq->body.n ? rq->body.p : "", rq->body.n, 0, &e);
	if (!a->body) {
		char loc[32];
		(void)snprintf(loc, sizeof loc, "body.%d", e.position);
		return ask_refuse(
			a, 400, "Bad Request", loc,
			"1 validation error:\n  {'type': 'json_invalid', 'loc': '%s', 'msg': 'JSON decode error', "
			"'input': '<dict of 0 items>', 'ctx': {'error': '%s'}}",
			loc, e.text);
	}
	if (json_is_object(a->body))
		return true;
	return ask_refuse(
		a, 400, "Bad Request", "body",
		"1 validation error:\n  {'type': 'model_attributes_type', 'loc': 'body', 'msg': 'Input should be a "
		"valid dictionary or object to extract fields from'}");
}

/* ---- making ---- */

static void set_ids(struct exchange *x)
{
	(void)snprintf(x->id, sizeof x->id, "%s%016llx", x->api->id_prefix,
		       (unsigned long long)rng_next(&x->mock->rng));
	(void)snprintf(x->item_id, sizeof x->item_id, "%s%016llx", x->tool == TOOL_NO ? "" : "chatcmpl-tool-",
		       (unsigned long long)rng_next(&x->mock->rng));
}

static struct exchange *exchange_new(const struct ask *a, const struct api *api, struct httpd_request *rq)
{
	size_t count = a->prompt_count * (size_t)a->n;
	struct exchange *x = calloc(1, sizeof *x + count * sizeof(struct choice));
	if (!x)
		return NULL;
	x->mock = a->mock;
	x->rq = rq;
	x->api = api;
	x->created_s = clock_wall_ns() / NS_PER_S;
	x->stream = a->stream && api->piece;
	x->include_usage = a->include_usage;
	x->continuous_usage = a->continuous_usage;
	x->max_tokens = a->max_tokens;
	x->tool = a->tool;
	x->fault = FAULT_NONE;
	x->n = (uint32_t)a->n;
	x->count = x->open = count;
	span_copy(x->model, sizeof x->model, span_str(a->model));
	if (a->tool_name)
		span_copy(x->tool_name, sizeof x->tool_name, span_str(a->tool_name));
	set_ids(x);
	buf_init(&x->drip, DRIP_BYTES_MAX);
	timer_init(&x->drip_timer, deliver_on_drip);
	list_init(&x->node);
	for (size_t i = 0; i < count; i++)
		x->choices[i] = (struct choice){ .exchange = x, .index = (uint32_t)i };
	if (api->keep)
		api->keep(x, a);
	return x;
}

void exchange_abort_jobs(struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++) {
		struct choice *c = &x->choices[i];
		if (!c->job)
			continue;
		engine_abort(x->mock->engine, c->job);
		c->job = NULL;
		x->mock->series.success[FINISHED_ABORT]++;
	}
}

void exchange_free(struct exchange *x)
{
	exchange_abort_jobs(x);
	timer_clear(&x->drip_timer);
	list_remove(&x->node);
	buf_free(&x->drip);
	for (size_t i = 0; i < x->count; i++)
		buf_free(&x->choices[i].text);
	free(x);
}

/* ---- submitting ---- */

static uint64_t chain_root(const struct ask *a)
{
	const char *salt = json_string_value(json_object_get(a->body, "cache_salt"));
	uint64_t root = a->adapter ? a->mock->adapters[a->adapter - 1].salt : 0;
	return salt ? hash_mix(root, hash_bytes(span_str(salt))) : root;
}

/* Hashes of the full blocks of a text, to be freed; NULL without memory. */
static uint64_t *chain_of(const struct ask *a, struct span text, uint32_t *ret_n)
{
	size_t block_bytes = (size_t)a->mock->block_tokens * TOKEN_BYTES, max = text.n / block_bytes;
	uint64_t *hashes = calloc(max + 1, sizeof *hashes);
	if (hashes)
		*ret_n = text_chain(text, block_bytes, chain_root(a), hashes, (uint32_t)max);
	return hashes;
}

/* The prompt is lent its answer for a moment: blocks of what will be said have hashes too. */
static int submit(const struct ask *a, struct choice *c, struct buf *prompt)
{
	struct mock *m = a->mock;
	size_t before = buf_len(prompt);
	int r = buf_add(prompt, buf_span(&c->text));
	if (r < 0)
		return r;
	struct engine_request rq = {
		.user = c, .prompt_tokens = c->prompt_tokens, .output_tokens = c->target, .adapter = a->adapter
	};
	uint64_t *hashes = chain_of(a, buf_span(prompt), &rq.hash_count);
	rq.hashes = hashes;
	r = !hashes ? -PS_ENOMEM : engine_submit(m->engine, &rq, mock_engine_now(m), &c->job);
	free(hashes);
	prompt->end = prompt->at + before;
	return r;
}

static bool submit_all(struct ask *a, struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++) {
		struct buf *prompt = &a->prompts[i / x->n].text;
		if (!plan_choice(a, x, &x->choices[i], buf_span(prompt)))
			return false;
	}
	for (size_t i = 0; i < x->count; i++) {
		int r = submit(a, &x->choices[i], &a->prompts[i / x->n].text);
		if (r < 0)
			return ask_refuse(a, 503, "ServiceUnavailableError", NULL, "%s", error_row(r)->text);
	}
	return true;
}

static void on_gone(struct httpd_request *rq)
{
	exchange_free(rq->user);
}

static void on_drain(struct httpd_request *rq)
{
	struct exchange *x = rq->user;
	x->paused = false;
	for (size_t i = 0; i < x->count && !x->over && !x->paused; i++)
		deliver_tokens(x, &x->choices[i]);
	if (x->over)
		exchange_free(x);
}

/* False: nothing was submitted, and a says why. */
static bool begin(struct ask *a, const struct api *api, struct httpd_request *rq, const struct fault *fault)
{
	if (a->n > CHOICES_MAX || a->prompt_count * (size_t)a->n > CHOICES_MAX)
		return ask_refuse(a, 400, "BadRequestError", "n", "at most %d answers are given at a time",
				  CHOICES_MAX);
	struct exchange *x = exchange_new(a, api, rq);
	if (!x)
		return ask_added(a, -PS_ENOMEM);
	if (fault) {
		x->fault = fault->kind;
		x->fault_at = fault->at;
	}
	if (!submit_all(a, x)) {
		exchange_free(x);
		return false;
	}
	list_push_back(&a->mock->exchanges, &x->node);
	rq->user = x;
	rq->on_gone = on_gone;
	rq->on_drain = on_drain;
	if (x->stream)
		deliver_begin(x);
	return true;
}

void exchange_handle(struct mock *m, const struct api *api, struct httpd_request *rq, const struct fault *fault)
{
	struct ask a = { .mock = m, .max_tokens = -1, .max_tokens_name = "max_tokens", .n = 1 };
	mock_pump(m); /* steps that are over must not see this request */
	if (!load_body(&a, rq) || !api->read(&a) || !begin(&a, api, rq, fault))
		answer_refusal(rq, &a.refusal);
	ask_done(&a);
	models_note_loras(m);
	mock_pump(m);
}

void exchange_tell_cached(struct mock *m, struct httpd_request *rq)
{
	struct ask a = { .mock = m, .max_tokens = -1, .n = 1 };
	uint64_t *hashes = NULL;
	uint32_t n = 0;
	mock_pump(m);
	if (load_body(&a, rq) && api_chat.read(&a) && !(hashes = chain_of(&a, buf_span(&a.prompts[0].text), &n)))
		(void)ask_added(&a, -PS_ENOMEM);
	if (hashes)
		answer_json(rq, json_pack("{s:I, s:I}", "prompt_tokens",
					  (json_int_t)text_tokens(buf_len(&a.prompts[0].text)), "cached_tokens",
					  (json_int_t)engine_prefix_match(m->engine, hashes, n) * m->block_tokens));
	else
		answer_refusal(rq, &a.refusal);
	free(hashes);
	ask_done(&a);
}

void exchanges_end(struct mock *m)
{
	list_each (it, next, &m->exchanges)
		exchange_free(container_of(it, struct exchange, node));
}

/* ---- stepping ---- */

uint64_t mock_engine_now(const struct mock *m)
{
	return (uint64_t)((double)(loop_now(m->loop) - m->born_ns) * m->speed);
}

/* Engine time as those outside would measure it. */
static double seconds(const struct mock *m, uint64_t ns)
{
	return (double)ns / (double)NS_PER_S / m->speed;
}

static void observe_end(struct mock *m, const struct exchange *x, const struct choice *c, uint64_t now)
{
	struct engine_times t;
	struct series *s = &m->series;
	engine_job_times(c->job, &t);
	series_observe(s, HISTOGRAM_PROMPT_TOKENS, c->prompt_tokens);
	series_observe(s, HISTOGRAM_GENERATION_TOKENS, c->generated);
	if (x->max_tokens >= 0)
		series_observe(s, HISTOGRAM_PARAMS_MAX_TOKENS, (double)x->max_tokens);
	series_observe(s, HISTOGRAM_E2E, seconds(m, now - t.submitted_ns));
	series_observe(s, HISTOGRAM_QUEUE, seconds(m, t.scheduled_ns - t.submitted_ns));
	series_observe(s, HISTOGRAM_INFERENCE, seconds(m, now - t.scheduled_ns));
	series_observe(s, HISTOGRAM_PREFILL, seconds(m, t.first_token_ns - t.scheduled_ns));
	series_observe(s, HISTOGRAM_DECODE, seconds(m, now - t.first_token_ns));
	if (c->generated > 1)
		series_observe(s, HISTOGRAM_TPOT, seconds(m, now - t.first_token_ns) / (c->generated - 1));
	bool cut = c->finish && strcmp(c->finish, "length") == 0;
	s->success[cut ? FINISHED_LENGTH : FINISHED_STOP]++;
}

static void observe_token(struct mock *m, struct choice *c, uint64_t now)
{
	struct engine_times t;
	engine_job_times(c->job, &t);
	if (c->generated <= 1)
		series_observe(&m->series, HISTOGRAM_TTFT, seconds(m, now - t.submitted_ns));
	else
		series_observe(&m->series, HISTOGRAM_ITL, seconds(m, now - c->last_ns));
	c->last_ns = now;
}

static void on_event(struct mock *m, const struct engine_event *ev, uint64_t now)
{
	struct choice *c = ev->user;
	struct exchange *x = c->exchange;
	c->generated = ev->generated;
	c->cached_tokens = ev->cached_tokens;
	if (ev->generated)
		observe_token(m, c, now);
	if (ev->finished) {
		observe_end(m, x, c, now);
		c->finished = true;
		c->job = NULL;
		x->open--;
	}
	if (x->stream && !x->paused)
		deliver_tokens(x, c);
	else if (!x->stream && x->open == 0)
		deliver_whole(x);
	if (x->over)
		exchange_free(x);
}

void mock_pump(struct mock *m)
{
	uint64_t now = mock_engine_now(m), next;
	for (int steps = 0; (next = engine_next(m->engine)) <= now && steps < STEPS_PER_TURN; steps++) {
		const struct engine_event *events;
		size_t n = engine_step(m->engine, now, &events);
		for (size_t i = 0; i < n; i++)
			if (events[i].job)
				on_event(m, &events[i], next);
		models_note_loras(m);
	}
	if (next == ENGINE_IDLE)
		timer_clear(&m->pump);
	else
		timer_set(m->loop, &m->pump, m->born_ns + (uint64_t)((double)next / m->speed) + 1);
}

void mock_on_pump(struct timer *t, uint64_t now)
{
	(void)now;
	mock_pump(container_of(t, struct mock, pump));
}

/* ---- usage ---- */

uint32_t exchange_prompt_tokens(const struct exchange *x)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < x->count; i += x->n)
		sum += x->choices[i].prompt_tokens;
	return sum;
}

uint32_t exchange_cached_tokens(const struct exchange *x)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < x->count; i += x->n)
		sum += x->choices[i].cached_tokens;
	return sum;
}

uint32_t exchange_answer_tokens(const struct exchange *x)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < x->count; i++)
		sum += x->choices[i].generated;
	return sum;
}

void exchange_add_usage(const struct exchange *x, struct page *p)
{
	uint32_t in = exchange_prompt_tokens(x), out = exchange_answer_tokens(x);
	page_add(p,
		 "\"usage\":{\"prompt_tokens\":%u,\"total_tokens\":%u,\"completion_tokens\":%u,"
		 "\"prompt_tokens_details\":{\"cached_tokens\":%u}%s}",
		 in, in + out, out, exchange_cached_tokens(x), x->stream ? "" : ",\"completion_tokens_details\":null");
}
