/* Random requests, aborts and steps on small engines: what must hold after every one of them. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { JOBS = 64, ROUNDS = 40, OPERATIONS = 3000, CHAIN_MAX = 64, FAMILIES = 4, ADAPTERS = 4 };

/* A request as the test knows it. */
struct known {
	struct engine_job *job; /* NULL: free */
	uint32_t prompt, output, said;
};

struct world {
	struct engine *g;
	struct engine_options o;
	struct rng rng;
	struct known jobs[JOBS];
	uint64_t now;
	uint64_t submitted, finished, aborted, said;
	uint64_t trace; /* a hash of all that was seen */
};

static uint32_t below(struct world *w, uint32_t n)
{
	return (uint32_t)rng_below(&w->rng, n);
}

static void submit(struct world *w)
{
	struct known *k = &w->jobs[below(w, JOBS)];
	uint64_t hashes[CHAIN_MAX], family = 1 + below(w, FAMILIES), own = 1000 + w->submitted;
	if (k->job)
		return;
	k->prompt = 1 + below(w, 200);
	k->output = below(w, 60);
	k->said = 0;
	uint32_t shared = below(w, 12), n = (k->prompt + k->output) / w->o.block_tokens;
	for (uint32_t i = 0; i < n; i++)
		hashes[i] = (i < shared ? family : own) << 32 | (i + 1);
	struct engine_request rq = { .user = k,
				     .prompt_tokens = k->prompt,
				     .output_tokens = k->output,
				     .adapter = below(w, 2) ? 0 : 1 + below(w, ADAPTERS),
				     .hash_count = n,
				     .hashes = hashes };
	int r = engine_submit(w->g, &rq, w->now, &k->job);
	if (r < 0) {
		k->job = NULL;
		assert_true(r == -PS_ETOOBIG || r == -PS_EQUEUEFULL);
		return;
	}
	w->submitted++;
}

static void abort_one(struct world *w)
{
	struct known *k = &w->jobs[below(w, JOBS)];
	if (!k->job)
		return;
	engine_abort(w->g, k->job);
	k->job = NULL;
	w->aborted++;
}

static void step(struct world *w)
{
	const struct engine_event *ev;
	if (engine_next(w->g) == ENGINE_IDLE)
		return;
	assert_true(engine_next(w->g) >= w->now);
	w->now = engine_next(w->g);
	size_t n = engine_step(w->g, w->now, &ev);
	for (size_t i = 0; i < n; i++) {
		struct known *k = ev[i].user;
		assert_ptr_equal(ev[i].job, k->job);
		assert_int_equal(ev[i].generated, k->output ? k->said + 1 : 0);
		assert_true(ev[i].cached_tokens < k->prompt);
		w->said += ev[i].generated - k->said;
		k->said = ev[i].generated;
		w->trace = hash_mix(w->trace, hash_mix((uint64_t)(k - w->jobs), w->now));
		assert_int_equal(ev[i].finished, k->said == k->output);
		if (ev[i].finished) {
			k->job = NULL;
			w->finished++;
		}
	}
}

static void check(const struct world *w)
{
	struct engine_metrics m;
	uint32_t open = 0, slots = 0;
	uint64_t most = 0;
	engine_metrics(w->g, &m);
	for (int i = 0; i < JOBS; i++) {
		const struct known *k = &w->jobs[i];
		open += k->job != NULL;
		most += k->job ? (k->prompt + k->output + w->o.block_tokens - 1) / w->o.block_tokens : 0;
	}
	for (uint32_t a = 1; a <= ADAPTERS; a++) {
		uint32_t running, waiting;
		engine_adapter_counts(w->g, a, &running, &waiting);
		slots += running > 0;
	}
	assert_int_equal(m.running + m.waiting_capacity + m.waiting_deferred, open);
	assert_int_equal(m.submitted, w->submitted);
	assert_int_equal(m.finished, w->finished);
	assert_int_equal(m.aborted, w->aborted);
	assert_int_equal(m.generation_tokens, w->said);
	assert_true(m.running <= w->o.sequences);
	assert_true(m.last_step_tokens <= w->o.batch_tokens);
	assert_true(slots <= w->o.adapters);
	assert_true(m.blocks_used <= m.blocks);
	assert_true(m.blocks_used <= most);
	assert_int_equal(m.running > 0, m.blocks_used > 0);
	/* An engine with work is never idle. */
	assert_true(open == 0 || engine_next(w->g) != ENGINE_IDLE);
}

static uint64_t live(uint64_t seed)
{
	struct world w = { .now = 1 };
	rng_seed(&w.rng, seed);
	w.o = (struct engine_options){ .block_tokens = 4 + below(&w, 13),
				       .blocks = 70 + below(&w, 60),
				       .batch_tokens = 16 + below(&w, 200),
				       .sequences = 1 + below(&w, 12),
				       .adapters = 1 + below(&w, 3),
				       .queue = 40,
				       .jitter = 0.1 };
	struct err e;
	w.g = engine_new(engine_profile_find(SPAN("l4-1b")), &w.o, seed, &e);
	assert_non_null(w.g);
	for (int i = 0; i < OPERATIONS; i++) {
		uint32_t what = below(&w, 16);
		if (what < 4)
			submit(&w);
		else if (what == 4)
			abort_one(&w);
		else
			step(&w);
		check(&w);
	}
	while (engine_next(w.g) != ENGINE_IDLE) {
		step(&w);
		check(&w);
	}
	assert_int_equal(w.submitted, w.finished + w.aborted);
	engine_free(w.g);
	return w.trace;
}

static void whatever_comes_the_books_balance(void **state)
{
	(void)state;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < ROUNDS; i++)
		assert_int_equal(live(seed + i), live(seed + i));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(whatever_comes_the_books_balance) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
