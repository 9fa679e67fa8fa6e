/* The model of an engine: what vLLM's V1 scheduler does in each step, and how long the step takes.
 *
 * A step first serves running requests in order of admission (a token for each sequence in decode, a chunk for each
 * unfinished prefill), preempting the youngest when blocks run out, then admits waiting ones first come, first served
 * while tokens, seats, blocks and adapter slots allow. Admission takes the blocks of all that is known of a sequence
 * and keeps 1 % of the cache back while others run. Cost per step: O(running + admitted), no allocation.
 * Source: vLLM v1/core/sched/scheduler.py and kv_cache_manager.py as described in docs/design/engine.md. */
#include "engine/engine.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "engine/blocks.h"

enum {
	BLOCKS_MAX = 1 << 26,
	SEQUENCES_MAX = 1 << 16,
	QUEUE_DEFAULT = 65536,
	WATERMARK_DIVISOR = 100, /* admission leaves 1 % of the blocks free: decode would preempt at once without it */
};

/* WAITING -> RUNNING -> OVER, and from RUNNING back to WAITING by preemption. */
enum job_state { JOB_WAITING, JOB_RUNNING, JOB_OVER };

/* Owner: its engine. known tokens = prompt + generated; the KV of `computed` of them is in `blocks`. */
struct engine_job {
	struct list node; /* engine.waiting, .running or .over, by state */
	void *user;
	struct engine_times times;
	uint32_t prompt, output, adapter;
	uint32_t generated;
	uint32_t computed;
	uint32_t planned; /* tokens of the step in progress */
	uint32_t cached;
	uint32_t event; /* index + 1 of its event of the last step; 0: none */
	enum job_state state;
	bool decoding; /* the prefill is over: each step is one token */
	uint32_t hash_count, block_count, published;
	uint32_t *blocks; /* behind the hashes */
	uint64_t hashes[];
};

struct engine {
	struct engine_profile profile;
	struct engine_options options;
	struct blocks kv;
	struct list running, waiting, over;
	uint32_t running_count, waiting_count;
	uint32_t adapters_running; /* distinct */
	uint32_t running_by_adapter[ENGINE_ADAPTERS_MAX + 1];
	uint32_t waiting_by_adapter[ENGINE_ADAPTERS_MAX + 1];
	uint64_t step_begin, step_end; /* step_end is ENGINE_IDLE between steps */
	struct engine_event *events;   /* options.sequences of them */
	uint32_t event_count;
	struct rng rng;
	struct engine_metrics count; /* its counters only */
};

/* What the time of a step depends on. */
struct step_load {
	double attention; /* SUM n_i (ctx_i + n_i / 2) */
	double context;	  /* SUM ctx_j */
	uint32_t prefill, decodes;
};

static struct engine_job *job_of(struct list *node)
{
	return container_of(node, struct engine_job, node);
}

static uint32_t known(const struct engine_job *j)
{
	return j->prompt + j->generated;
}

static uint32_t blocks_for(const struct engine *g, uint64_t tokens)
{
	return (uint32_t)((tokens + g->options.block_tokens - 1) / g->options.block_tokens);
}

/* ---- construction ---- */

static int options_fill(struct engine_options *o, const struct engine_profile *p, struct err *e)
{
	o->block_tokens = o->block_tokens ? o->block_tokens : 16;
	o->blocks = o->blocks ? o->blocks : p->kv_tokens / o->block_tokens;
	o->batch_tokens = o->batch_tokens ? o->batch_tokens : 8192;
	o->sequences = o->sequences ? o->sequences : 256;
	o->queue = o->queue ? o->queue : QUEUE_DEFAULT;
	o->slow = o->slow > 0 ? o->slow : 1.0;
	if (o->blocks == 0 || o->blocks > BLOCKS_MAX)
		return err_set(e, PS_EINVAL, "the engine needs 1 to %d KV blocks, not %u", BLOCKS_MAX, o->blocks);
	if (o->sequences > SEQUENCES_MAX)
		return err_set(e, PS_EINVAL, "the engine runs at most %d sequences, not %u", SEQUENCES_MAX,
			       o->sequences);
	if (o->adapters > ENGINE_ADAPTERS_MAX)
		return err_set(e, PS_EINVAL, "the engine has at most %d adapter slots, not %u", ENGINE_ADAPTERS_MAX,
			       o->adapters);
	if (!(o->jitter >= 0 && o->jitter < 1))
		return err_set(e, PS_EINVAL, "jitter is a share in [0, 1)");
	return 0;
}

struct engine *engine_new(const struct engine_profile *profile, const struct engine_options *options, uint64_t seed,
			  struct err *e)
{
	struct engine_options o = options ? *options : (struct engine_options){ 0 };
	if (options_fill(&o, profile, e) < 0)
		return NULL;
	struct engine *g = calloc(1, sizeof *g);
	struct engine_event *events = calloc(o.sequences, sizeof *events);
	if (!g || !events || blocks_init(&g->kv, o.blocks) < 0) {
		free(events);
		free(g);
		(void)err_set(e, PS_ENOMEM, "no memory for an engine of %u KV blocks", o.blocks);
		return NULL;
	}
	g->profile = *profile;
	g->options = o;
	g->events = events;
	g->step_end = ENGINE_IDLE;
	list_init(&g->running);
	list_init(&g->waiting);
	list_init(&g->over);
	rng_seed(&g->rng, seed);
	return g;
}

static void jobs_free(struct list *jobs)
{
	list_each (it, next, jobs)
		free(job_of(it));
	list_init(jobs);
}

void engine_free(struct engine *g)
{
	if (!g)
		return;
	jobs_free(&g->running);
	jobs_free(&g->waiting);
	jobs_free(&g->over);
	blocks_done(&g->kv);
	free(g->events);
	free(g);
}

/* ---- where a job is ---- */

static void enter_running(struct engine *g, struct engine_job *j)
{
	j->state = JOB_RUNNING;
	list_push_back(&g->running, &j->node);
	g->running_count++;
	if (g->running_by_adapter[j->adapter]++ == 0 && j->adapter)
		g->adapters_running++;
}

static void enter_waiting(struct engine *g, struct engine_job *j, bool first)
{
	j->state = JOB_WAITING;
	if (first)
		list_push_front(&g->waiting, &j->node);
	else
		list_push_back(&g->waiting, &j->node);
	g->waiting_count++;
	g->waiting_by_adapter[j->adapter]++;
}

/* Takes it off its list and out of the counts. */
static void leave(struct engine *g, struct engine_job *j)
{
	list_remove(&j->node);
	if (j->state == JOB_WAITING) {
		g->waiting_count--;
		g->waiting_by_adapter[j->adapter]--;
	} else if (j->state == JOB_RUNNING) {
		g->running_count--;
		if (--g->running_by_adapter[j->adapter] == 0 && j->adapter)
			g->adapters_running--;
	}
}

/* Tail first: the head of a prefix is of use to more requests than its end, and goes last. */
static void release_blocks(struct engine *g, struct engine_job *j)
{
	while (j->block_count)
		blocks_release(&g->kv, j->blocks[--j->block_count]);
	j->published = 0;
}

static void preempt(struct engine *g, struct engine_job *j)
{
	leave(g, j);
	release_blocks(g, j);
	j->computed = j->planned = 0;
	j->decoding = false;
	j->times.preemptions++;
	g->count.preemptions++;
	enter_waiting(g, j, true);
}

/* ---- planning a step ---- */

static void plan(struct engine_job *j, uint32_t n, struct step_load *load)
{
	j->planned = n;
	if (j->decoding) {
		load->decodes++;
		load->context += known(j);
	} else {
		load->prefill += n;
		load->attention += (double)n * ((double)j->computed + n / 2.0);
	}
}

static bool grow(struct engine *g, struct engine_job *j, uint32_t tokens)
{
	for (uint32_t want = blocks_for(g, tokens); j->block_count < want; j->block_count++) {
		uint32_t id = blocks_take(&g->kv);
		if (id == BLOCK_NONE)
			return false;
		j->blocks[j->block_count] = id;
	}
	return true;
}

/* Room for n more tokens, at the price of the youngest. False: it was the youngest itself. */
static bool make_room(struct engine *g, struct engine_job *j, uint32_t n)
{
	while (!grow(g, j, j->computed + n)) {
		struct engine_job *youngest = job_of(g->running.prev);
		preempt(g, youngest);
		if (youngest == j)
			return false;
	}
	return true;
}

static uint32_t plan_running(struct engine *g, uint32_t budget, struct step_load *load)
{
	for (struct list *it = g->running.next; it != &g->running && budget; it = it->next) {
		struct engine_job *j = job_of(it);
		uint32_t left = known(j) - j->computed, n = left < budget ? left : budget;
		if (!make_room(g, j, n))
			break;
		plan(j, n, load);
		budget -= n;
	}
	return budget;
}

static bool adapter_fits(const struct engine *g, const struct engine_job *j)
{
	return j->adapter == 0 || g->running_by_adapter[j->adapter] || g->adapters_running < g->options.adapters;
}

/* Leading blocks of j in the cache. At least the last known token is always computed, because its output is needed. */
static uint32_t cached_blocks(const struct engine *g, const struct engine_job *j, uint32_t *ret_revived)
{
	uint32_t max = (known(j) - 1) / g->options.block_tokens, n = 0;
	if (max > j->hash_count)
		max = j->hash_count;
	if (g->options.no_prefix_caching)
		max = 0;
	for (; n < max; n++) {
		uint32_t id = blocks_find(&g->kv, j->hashes[n]);
		if (id == BLOCK_NONE)
			break;
		j->blocks[n] = id;
		*ret_revived += g->kv.all[id].refs == 0;
	}
	return n;
}

/* Gives j the blocks of all that is known of it; false: they are not to be had now. */
static bool admit(struct engine *g, struct engine_job *j, uint64_t now)
{
	uint32_t revived = 0, hits = cached_blocks(g, j, &revived);
	uint32_t reserve = g->running_count ? g->options.blocks / WATERMARK_DIVISOR : 0;
	uint64_t need = (uint64_t)blocks_for(g, known(j)) - hits + revived + reserve;
	if (need > g->kv.free)
		return false;
	for (uint32_t i = 0; i < hits; i++)
		blocks_share(&g->kv, j->blocks[i]);
	j->block_count = j->published = hits;
	j->computed = hits * g->options.block_tokens;
	bool fits = grow(g, j, known(j));
	assert(fits);
	(void)fits;
	if (!j->times.scheduled_ns) {
		j->times.scheduled_ns = now;
		j->cached = j->computed;
		g->count.prefix_queries += j->prompt;
		g->count.prefix_hits += j->cached;
	}
	return true;
}

static void plan_waiting(struct engine *g, uint64_t now, uint32_t budget, struct step_load *load)
{
	list_each (it, next, &g->waiting) {
		struct engine_job *j = job_of(it);
		if (!budget || g->running_count >= g->options.sequences)
			return;
		if (!adapter_fits(g, j))
			continue;
		if (!admit(g, j, now))
			return;
		leave(g, j);
		enter_running(g, j);
		uint32_t left = known(j) - j->computed, n = left < budget ? left : budget;
		plan(j, n, load);
		budget -= n;
	}
}

/* The formula of engine.h, in nanoseconds. */
static uint64_t step_time(struct engine *g, const struct step_load *load)
{
	const struct engine_profile *p = &g->profile;
	double gemm = p->b * ((double)load->prefill + load->decodes);
	double t = p->o + (gemm > p->w ? gemm : p->w) + p->c * load->attention + p->e * load->context +
		   p->s * load->decodes;
	if (g->options.jitter > 0)
		t *= 1 + g->options.jitter * (2 * rng_unit(&g->rng) - 1);
	return (uint64_t)llround(t * g->options.slow * (double)NS_PER_S);
}

static void begin_step(struct engine *g, uint64_t now)
{
	struct step_load load = { 0 };
	uint64_t preemptions = g->count.preemptions;
	uint32_t budget = plan_running(g, g->options.batch_tokens, &load);
	/* Who was just put out must not see another take the blocks. */
	if (preemptions == g->count.preemptions)
		plan_waiting(g, now, budget, &load);
	g->step_begin = now;
	g->step_end = ENGINE_IDLE;
	g->count.last_step_tokens = load.prefill + load.decodes;
	if (load.prefill + load.decodes)
		g->step_end = now + step_time(g, &load);
}

/* ---- ending a step ---- */

static void publish_computed(struct engine *g, struct engine_job *j)
{
	uint32_t full = j->computed / g->options.block_tokens;
	if (full > j->hash_count)
		full = j->hash_count;
	for (; j->published < full; j->published++)
		blocks_publish(&g->kv, j->blocks[j->published], j->hashes[j->published]);
}

static void note_prefill_done(struct engine *g, struct engine_job *j, uint64_t now)
{
	j->decoding = true;
	if (j->times.first_token_ns)
		return; /* a prefill repeated after preemption */
	j->times.first_token_ns = now;
	g->count.prompt_tokens += j->prompt;
	g->count.prompt_cached += j->cached;
}

static void finish(struct engine *g, struct engine_job *j)
{
	leave(g, j);
	release_blocks(g, j);
	j->state = JOB_OVER;
	list_push_back(&g->over, &j->node);
	g->count.finished++;
}

/* Everything known of j is computed: one more token comes out, or for a request without output, the end. */
static void produce(struct engine *g, struct engine_job *j, uint64_t now)
{
	if (!j->decoding)
		note_prefill_done(g, j, now);
	if (j->output) {
		j->generated++;
		g->count.generation_tokens++;
	}
	bool finished = j->generated >= j->output;
	g->events[g->event_count++] = (struct engine_event){ j, j->user, j->generated, j->cached, finished };
	j->event = g->event_count;
	if (finished)
		finish(g, j);
}

static void forget_last_events(struct engine *g)
{
	for (uint32_t i = 0; i < g->event_count; i++)
		if (g->events[i].job)
			g->events[i].job->event = 0;
	g->event_count = 0;
	jobs_free(&g->over);
}

size_t engine_step(struct engine *g, uint64_t now, const struct engine_event **ret_events)
{
	*ret_events = g->events;
	forget_last_events(g);
	if (g->step_end > now)
		return 0;
	uint64_t end = g->step_end;
	g->count.steps += end > g->step_begin;
	g->count.busy_ns += end - g->step_begin;
	list_each (it, next, &g->running) {
		struct engine_job *j = job_of(it);
		if (!j->planned)
			continue;
		j->computed += j->planned;
		j->planned = 0;
		publish_computed(g, j);
		if (j->computed == known(j))
			produce(g, j, end);
	}
	begin_step(g, end);
	return g->event_count;
}

uint64_t engine_next(const struct engine *g)
{
	return g->step_end;
}

/* ---- requests ---- */

static struct engine_job *job_new(const struct engine *g, const struct engine_request *rq)
{
	size_t blocks = blocks_for(g, (uint64_t)rq->prompt_tokens + rq->output_tokens);
	size_t hashes = rq->hash_count < blocks ? rq->hash_count : blocks;
	struct engine_job *j = malloc(sizeof *j + hashes * sizeof(uint64_t) + blocks * sizeof(uint32_t));
	if (!j)
		return NULL;
	*j = (struct engine_job){ .user = rq->user,
				  .prompt = rq->prompt_tokens,
				  .output = rq->output_tokens,
				  .adapter = rq->adapter,
				  .hash_count = (uint32_t)hashes };
	if (hashes)
		memcpy(j->hashes, rq->hashes, hashes * sizeof(uint64_t));
	j->blocks = (uint32_t *)(void *)(j->hashes + hashes);
	return j;
}

static int request_check(const struct engine *g, const struct engine_request *rq)
{
	if (rq->prompt_tokens == 0 || rq->adapter > ENGINE_ADAPTERS_MAX || (rq->adapter && !g->options.adapters))
		return -PS_EINVAL;
	if (rq->prompt_tokens > ENGINE_SEQUENCE_MAX || rq->output_tokens > ENGINE_SEQUENCE_MAX)
		return -PS_ETOOBIG;
	if (blocks_for(g, (uint64_t)rq->prompt_tokens + rq->output_tokens) > g->options.blocks)
		return -PS_ETOOBIG;
	if (g->running_count + g->waiting_count >= g->options.queue)
		return -PS_EQUEUEFULL;
	return 0;
}

int engine_submit(struct engine *g, const struct engine_request *rq, uint64_t now, struct engine_job **ret)
{
	int r = request_check(g, rq);
	if (r < 0)
		return r;
	struct engine_job *j = job_new(g, rq);
	if (!j)
		return -PS_ENOMEM;
	j->times.submitted_ns = now;
	g->count.submitted++;
	enter_waiting(g, j, false);
	/* A step of no length: all that comes to an idle engine at the same time shares the first real one. */
	if (g->step_end == ENGINE_IDLE)
		g->step_begin = g->step_end = now;
	*ret = j;
	return 0;
}

void engine_abort(struct engine *g, struct engine_job *j)
{
	if (j->event)
		g->events[j->event - 1] = (struct engine_event){ 0 };
	if (j->state != JOB_OVER)
		g->count.aborted++;
	leave(g, j);
	release_blocks(g, j);
	free(j);
}

void engine_job_times(const struct engine_job *job, struct engine_times *ret)
{
	*ret = job->times;
}

/* ---- looking ---- */

uint32_t engine_prefix_match(const struct engine *g, const uint64_t *hashes, uint32_t n)
{
	uint32_t i = 0;
	while (i < n && blocks_find(&g->kv, hashes[i]) != BLOCK_NONE)
		i++;
	return i;
}

void engine_prefix_reset(struct engine *g)
{
	blocks_forget_free(&g->kv);
}

void engine_metrics(const struct engine *g, struct engine_metrics *ret)
{
	*ret = g->count;
	ret->running = g->running_count;
	ret->blocks = g->options.blocks;
	ret->block_tokens = g->options.block_tokens;
	ret->blocks_used = g->options.blocks - g->kv.free;
	for (struct list *it = g->waiting.next; it != &g->waiting; it = it->next)
		ret->waiting_deferred += !adapter_fits(g, job_of(it));
	ret->waiting_capacity = g->waiting_count - ret->waiting_deferred;
	for (struct list *it = g->running.next; it != &g->running; it = it->next) {
		const struct engine_job *j = job_of(it);
		ret->context_tokens += j->decoding ? known(j) : 0;
	}
}

void engine_adapter_counts(const struct engine *g, uint32_t adapter, uint32_t *ret_running, uint32_t *ret_waiting)
{
	*ret_running = g->running_by_adapter[adapter];
	*ret_waiting = g->waiting_by_adapter[adapter];
}
