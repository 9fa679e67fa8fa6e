/* /metrics under vLLM's names: what the engine model counts, what its requests went through, and lies on demand. */
#include <stdio.h>
#include <stdlib.h>

#include "mock/internal.h"

enum { SLOW_MS = 10000 };

struct view {
	struct engine_metrics e;
	const struct mock *m;
	enum metrics_lie lie;
};

/* A value that tells of load, as truly as the lie allows. */
static const char *load_text(const struct view *v, double value, char *out, size_t cap)
{
	static const char *const lies[] = { [LIE_NAN] = "NaN",
					    [LIE_INF] = "+Inf",
					    [LIE_HUGE] = "1e+308",
					    [LIE_NEGATIVE] = "-1.0",
					    [LIE_IDLE] = "0.0" };
	if (v->lie < sizeof lies / sizeof lies[0] && lies[v->lie])
		return lies[v->lie];
	(void)snprintf(out, cap, value == (double)(uint64_t)value ? "%.1f" : "%.17g", value);
	return out;
}

static double running(const struct view *v)
{
	return v->e.running;
}

static double waiting(const struct view *v)
{
	return (double)v->e.waiting_capacity + v->e.waiting_deferred;
}

static double waiting_capacity(const struct view *v)
{
	return v->e.waiting_capacity;
}

static double waiting_deferred(const struct view *v)
{
	return v->e.waiting_deferred;
}

static double kv_usage(const struct view *v)
{
	return v->e.blocks ? (double)v->e.blocks_used / v->e.blocks : 0;
}

#define COUNTER(name, expression)                                                                                      \
	static double name(const struct view *v)                                                                       \
	{                                                                                                              \
		return (double)(expression);                                                                           \
	}
COUNTER(prefix_queries, v->e.prefix_queries)
COUNTER(prefix_hits, v->e.prefix_hits)
COUNTER(preemptions, v->e.preemptions)
COUNTER(prompt_tokens, v->e.prompt_tokens)
COUNTER(prompt_computed, v->e.prompt_tokens - v->e.prompt_cached)
COUNTER(prompt_cached, v->e.prompt_cached)
COUNTER(generation_tokens, v->e.generation_tokens)
COUNTER(success_stop, v->m->series.success[FINISHED_STOP])
COUNTER(success_length, v->m->series.success[FINISHED_LENGTH])
COUNTER(success_abort, v->m->series.success[FINISHED_ABORT])

/* Rows of one name stand together; the first has the help. */
static const struct row {
	const char *name, *help, *label; /* a further label, or "" */
	bool load;			 /* a gauge of load: lies are told here. Otherwise a counter */
	double (*value)(const struct view *v);
} rows[] = {
	{ "vllm:num_requests_running", "Number of requests in model execution batches.", "", true, running },
	{ "vllm:num_requests_waiting", "Number of requests waiting to be processed.", "", true, waiting },
	{ "vllm:num_requests_waiting_by_reason",
	  "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; "
	  "'deferred' = "
	  "deferred by transient constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals "
	  "vllm:num_requests_waiting.",
	  ",reason=\"capacity\"", true, waiting_capacity },
	{ "vllm:num_requests_waiting_by_reason", NULL, ",reason=\"deferred\"", true, waiting_deferred },
	{ "vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", "", true, kv_usage },
	{ "vllm:prefix_cache_queries_total", "Prefix cache queries, in terms of number of queried tokens.", "", false,
	  prefix_queries },
	{ "vllm:prefix_cache_hits_total", "Prefix cache hits, in terms of number of cached tokens.", "", false,
	  prefix_hits },
	{ "vllm:num_preemptions_total", "Cumulative number of preemption from the engine.", "", false, preemptions },
	{ "vllm:prompt_tokens_total", "Number of prefill tokens processed.", "", false, prompt_tokens },
	{ "vllm:prompt_tokens_by_source_total", "Number of prompt tokens by source.", ",source=\"local_compute\"",
	  false, prompt_computed },
	{ "vllm:prompt_tokens_by_source_total", NULL, ",source=\"local_cache_hit\"", false, prompt_cached },
	{ "vllm:prompt_tokens_cached_total", "Number of cached prompt tokens (local + external).", "", false,
	  prompt_cached },
	{ "vllm:generation_tokens_total", "Number of generation tokens processed.", "", false, generation_tokens },
	{ "vllm:request_success_total", "Count of successfully processed requests.", ",finished_reason=\"stop\"", false,
	  success_stop },
	{ "vllm:request_success_total", NULL, ",finished_reason=\"length\"", false, success_length },
	{ "vllm:request_success_total", NULL, ",finished_reason=\"abort\"", false, success_abort },
};

static void add_rows(const struct view *v, struct page *p, const char *labels)
{
	char text[64];
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *r = &rows[i];
		if (r->help)
			page_add(p, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
				 r->load ? "gauge" : "counter");
		double value = r->value(v);
		if (r->load)
			page_add(p, "%s{%s%s} %s\n", r->name, labels, r->label, load_text(v, value, text, sizeof text));
		else
			page_add(p, "%s{%s%s} %.1f\n", r->name, labels, r->label, value);
	}
}

static void add_lora_info(const struct mock *m, struct page *p)
{
	page_add(p, "# HELP vllm:lora_requests_info Running stats on lora requests.\n"
		    "# TYPE vllm:lora_requests_info gauge\n");
	for (int i = 0; i < LORA_SETS_MAX; i++) {
		const struct lora_set *s = &m->lora_sets[i];
		if (s->at > 0)
			page_add(p,
				 "vllm:lora_requests_info{max_lora=\"%u\",running_lora_adapters=\"%s\","
				 "waiting_lora_adapters=\"%s\"} %.17g\n",
				 m->max_loras, s->running, s->waiting, s->at);
	}
}

static void add_cache_config(const struct view *v, struct page *p)
{
	page_add(p,
		 "# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig\n"
		 "# TYPE vllm:cache_config_info gauge\n"
		 "vllm:cache_config_info{block_size=\"%u\",cache_dtype=\"auto\",enable_prefix_caching=\"True\",engine="
		 "\"0\","
		 "gpu_memory_utilization=\"0.92\",kv_cache_size_tokens=\"%llu\",num_cpu_blocks=\"None\","
		 "num_gpu_blocks=\"%u\",prefix_caching_hash_algo=\"sha256\",sliding_window=\"None\"} 1.0\n",
		 v->e.block_tokens, (unsigned long long)v->e.blocks * v->e.block_tokens, v->e.blocks);
}

static void write_page(const struct view *v, struct page *p)
{
	char labels[256];
	double created = (double)v->m->born_wall_ns / (double)NS_PER_S;
	(void)snprintf(labels, sizeof labels, "engine=\"0\",model_name=\"%.200s\"", v->m->models[0]);
	add_rows(v, p, labels);
	series_add_histograms(&v->m->series, p, labels, created);
	add_lora_info(v->m, p);
	add_cache_config(v, p);
}

/* ---- a page that comes late ---- */

struct late {
	struct timer timer;
	struct mock *mock;
	struct httpd_request *rq;
};

static void late_gone(struct httpd_request *rq)
{
	struct late *l = rq->user;
	timer_clear(&l->timer);
	free(l);
}

static void late_fire(struct timer *t, uint64_t now)
{
	struct late *l = container_of(t, struct late, timer);
	(void)now;
	metrics_answer(l->mock, l->rq, LIE_NONE);
	free(l);
}

static void answer_late(struct mock *m, struct httpd_request *rq)
{
	struct late *l = calloc(1, sizeof *l);
	if (!l)
		return; /* even later */
	l->mock = m;
	l->rq = rq;
	rq->user = l;
	rq->on_gone = late_gone;
	timer_init(&l->timer, late_fire);
	timer_set(m->loop, &l->timer, loop_now(m->loop) + SLOW_MS * NS_PER_MS);
}

void metrics_answer(struct mock *m, struct httpd_request *rq, enum metrics_lie lie)
{
	struct view v = { .m = m, .lie = lie };
	struct httpd_answer a = { .status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8" };
	struct page p;
	if (lie == LIE_SLOW) {
		answer_late(m, rq);
		return;
	}
	mock_pump(m);
	engine_metrics(m->engine, &v.e);
	page_init(&p);
	if (lie == LIE_GARBAGE)
		page_add(&p, "\x01{{{ \xff\xfe vllm:num_requests_running{} {} 7 7 7\n\n= NaNaN");
	else if (lie != LIE_EMPTY)
		write_page(&v, &p);
	if (lie == LIE_DUPLICATE) {
		v.e.running += 17;
		v.e.waiting_capacity += 17;
		write_page(&v, &p);
	}
	httpd_respond(rq, &a, page_span(&p));
	page_free(&p);
}
