/* What the answers mean: metrics, health, models. On the signals thread, with probe's lock held.
 *
 *     metrics   200: what the page says · 5xx, no answer: failed · anything else: has none, asked seldom; where there
 * were some: failed health    below 500 or 501: alive (no such path is no illness) · 5xx, no answer: failed models 200
 * with a list: these · anything else: not known, so anything may be asked */
#include "probe/internal.h"

#include <math.h>
#include <stdlib.h>

#include "openai/openai.h"
#include "telemetry/telemetry.h"

/* How long a replica without metrics is not asked again: long enough to cost nothing, short enough to notice that they
 * were turned on. */
#define ABSENT_INTERVAL_NS (10 * NS_PER_S)
/* A model list that could not be had is asked for again after this: an engine that loads its weights answers so. */
#define MODELS_RETRY_NS NS_PER_S

static struct pool *pool_of(const struct question *q)
{
	return gate_pool(q->target->pool->gate);
}

static bool answered_ok(const struct question *q, enum outcome o)
{
	return o == OUTCOME_ANSWER && q->status == 200;
}

/* Alive, but not what was asked for. */
static bool answered_otherwise(const struct question *q, enum outcome o)
{
	return o == OUTCOME_ANSWER && q->status != 200 && (q->status < 500 || q->status == 501);
}

/* One log line when a replica begins to fail a question and one when it is over. */
static void note_failing(struct question *q, bool failing)
{
	const struct target *t = q->target;
	if (failing != q->failing)
		log_event(failing ? LOG_WARN : LOG_INFO, failing ? "probe_failed" : "probe_recovered", "pool",
			  t->pool->name, "replica", t->name, "kind", ask_rows[q->ask].name, NULL);
	q->failing = failing;
}

/* ---- metrics ---- */

static int feed_page(struct question *q, struct span bytes)
{
	return metrics_text_feed(&q->page, bytes);
}

static void count_refused(const char *reason, uint64_t n)
{
	if (n)
		tm_add(tm_series_of(TM_SIGNALS_REFUSED, (struct span[]){ span_str(reason) }, 1), n);
}

/* What the pool refused and ejected since the last report. */
static void report_counters(struct probe_pool *pp)
{
	struct pool_counters now;
	pool_counters(gate_pool(pp->gate), &now);
	for (unsigned f = 0; f < SIGNAL_FAULTS; f++)
		count_refused(signal_fault_name((enum signal_fault)f), now.faults[f] - pp->counters.faults[f]);
	if (now.ejections != pp->counters.ejections) {
		struct span pool[] = { span_str(pp->name) };
		tm_add(tm_series_of(TM_EJECTIONS, pool, 1), now.ejections - pp->counters.ejections);
	}
	pp->counters = now;
}

/* The engine's process is another one than before: what it serves may be something else. */
static void note_start(struct target *t, double started)
{
	if (isnan(started))
		return;
	bool again = started < t->started || started > t->started; /* neither, the first time: it was NaN */
	t->started = started;
	if (again && !t->question[ASK_MODELS].call)
		question_soon(&t->question[ASK_MODELS]);
}

static void note_engine(struct target *t, enum engine_kind engine)
{
	static const char *const names[] = {
		[ENGINE_UNKNOWN] = "unknown", [ENGINE_NONE] = "none", [ENGINE_VLLM] = "vllm", [ENGINE_SGLANG] = "sglang"
	};
	if (engine != t->engine)
		log_event(LOG_INFO, "engine_recognised", "pool", t->pool->name, "replica", t->name, "engine",
			  names[engine], NULL);
	t->engine = engine;
}

/* True when the page can be used: an engine was recognised, and it is the one the policy expects, if it expects one. */
static bool page_usable(const struct target *t, const struct metrics_text *page)
{
	enum engine_kind expected = t->pool->policy.engine;
	return page->engine != ENGINE_UNKNOWN && (expected == ENGINE_UNKNOWN || expected == page->engine);
}

/* A replica whose engine was recognised before and that now says nothing has failed to say it; one of which nothing was
 * ever read has no metrics. */
static bool page_absent(const struct question *q, enum outcome o)
{
	bool recognised = q->target->engine == ENGINE_VLLM || q->target->engine == ENGINE_SGLANG;
	return !recognised && (answered_ok(q, o) || answered_otherwise(q, o));
}

static void take_page(struct question *q, const struct metrics_text *page, enum engine_kind engine, uint64_t now)
{
	struct target *t = q->target;
	struct signals s = metrics_text_signals(page);
	note_engine(t, engine);
	pool_on_scrape(pool_of(q), t->id, engine, &s, now);
	note_start(t, metrics_text_started(page));
}

static uint64_t finish_metrics(struct question *q, enum outcome o, uint64_t now)
{
	bool spoke = answered_ok(q, o) && metrics_text_end(&q->page) == 0 && page_usable(q->target, &q->page);
	bool absent = !spoke && page_absent(q, o);
	struct metrics_text nothing;
	if (o == OUTCOME_LOCAL)
		return 0;
	note_failing(q, !spoke && !absent);
	metrics_text_init(&nothing);
	if (spoke)
		take_page(q, &q->page, q->page.engine, now);
	else if (absent)
		take_page(q, &nothing, ENGINE_NONE, now);
	else
		pool_on_scrape_failed(pool_of(q), q->target->id, now);
	count_refused("garbage", q->page.garbage);
	count_refused("duplicate", q->page.duplicates);
	report_counters(q->target->pool);
	return absent ? ABSENT_INTERVAL_NS : 0;
}

/* ---- health ---- */

static int feed_nothing(struct question *q, struct span bytes)
{
	(void)q, (void)bytes;
	return 0;
}

static uint64_t finish_health(struct question *q, enum outcome o, uint64_t now)
{
	struct target *t = q->target;
	bool alive = answered_ok(q, o) || answered_otherwise(q, o);
	if (o == OUTCOME_LOCAL)
		return 0;
	/* Back from the dead: likely a new process, and what it serves is worth a look now. */
	if (alive && q->failing && !t->question[ASK_MODELS].call)
		question_soon(&t->question[ASK_MODELS]);
	note_failing(q, !alive);
	pool_on_health(pool_of(q), t->id, alive, now);
	return 0;
}

/* ---- models ---- */

static int feed_list(struct question *q, struct span bytes)
{
	return buf_add(&q->body, bytes);
}

/* The list being copied out of the answer. */
struct model_list {
	struct replica_model m[REPLICA_MODELS_MAX];
	size_t n;
	bool short_of_memory;
};

static void add_model(void *arg, const struct openai_model *m)
{
	struct model_list *list = arg;
	if (list->n == REPLICA_MODELS_MAX || list->short_of_memory)
		return;
	struct replica_model *to = &list->m[list->n];
	*to = (struct replica_model){ span_dup(m->id), span_dup(m->parent), m->max_model_len, m->created };
	list->n++;
	list->short_of_memory = !to->id || !to->parent;
}

static int take_models(struct question *q, uint64_t now)
{
	struct model_list *list = calloc(1, sizeof *list);
	if (!list)
		return -PS_ENOMEM;
	int r = openai_models_read(buf_span(&q->body), add_model, list, NULL);
	if (r == 0)
		r = list->short_of_memory ? -PS_ENOMEM
					  : pool_on_models(pool_of(q), q->target->id, list->m, list->n, now);
	for (size_t i = 0; i < list->n; i++) {
		free(list->m[i].id);
		free(list->m[i].parent);
	}
	free(list);
	return r;
}

static uint64_t finish_models(struct question *q, enum outcome o, uint64_t now)
{
	bool absent = answered_otherwise(q, o);
	bool taken = answered_ok(q, o) && take_models(q, now) == 0;
	return taken || absent ? 0 : MODELS_RETRY_NS;
}

const struct ask_row ask_rows[ASK_COUNT] = {
	[ASK_METRICS] = { "metrics", offsetof(struct probe_policy, metrics_path),
			  offsetof(struct probe_policy, metrics_interval_ns), PROBE_PAGE_BYTES_MAX, feed_page,
			  finish_metrics },
	[ASK_HEALTH] = { "health", offsetof(struct probe_policy, health_path),
			 offsetof(struct probe_policy, health_interval_ns), PROBE_PAGE_BYTES_MAX, feed_nothing,
			 finish_health },
	[ASK_MODELS] = { "models", offsetof(struct probe_policy, models_path),
			 offsetof(struct probe_policy, models_interval_ns), PROBE_MODELS_BYTES_MAX, feed_list,
			 finish_models },
};
