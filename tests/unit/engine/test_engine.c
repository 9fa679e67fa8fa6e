/* The engine model: times worked out by hand, and what its cache, queue and slots do in cases one can count. */
#include "engine/engine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct engine *engine_of(struct engine_options o)
{
	struct err e = { 0 };
	struct engine *g = engine_new(engine_profile_find(SPAN("h100-8b")), &o, 1, &e);
	if (!g)
		fail_msg("%s", e.text);
	return g;
}

/* Submits, and lets an idle engine begin at once. */
static struct engine_job *submit(struct engine *g, struct engine_request rq, uint64_t now)
{
	struct engine_job *j = NULL;
	const struct engine_event *ev;
	assert_int_equal(engine_submit(g, &rq, now, &j), 0);
	if (engine_next(g) == now)
		assert_int_equal(engine_step(g, now, &ev), 0);
	return j;
}

/* Runs until idle; the time of the last event, and the event itself in *last. */
static uint64_t run(struct engine *g, struct engine_event *last)
{
	uint64_t at = 0;
	while (engine_next(g) != ENGINE_IDLE) {
		const struct engine_event *events;
		at = engine_next(g);
		size_t n = engine_step(g, at, &events);
		if (n && last)
			*last = events[n - 1];
	}
	return at;
}

static struct engine_metrics metrics(const struct engine *g)
{
	struct engine_metrics m;
	engine_metrics(g, &m);
	return m;
}

static uint64_t ns(double seconds)
{
	return (uint64_t)llround(seconds * 1e9);
}

/* n chained hashes that begin alike up to `common` and then differ by `tag`. */
static const uint64_t *chain(uint64_t *h, unsigned n, unsigned common, uint64_t tag)
{
	for (unsigned i = 0; i < n; i++)
		h[i] = i < common ? 1000 + i : (tag << 32) + i;
	return h;
}

static void step_times_follow_the_formula(void **state)
{
	(void)state;
	/* h100-8b: o 2.2 ms, W 5.8 ms, b 22.4 us, c 0.81 ns, e 50 ns, s 6 us. */
	static const struct {
		uint32_t prompt, output;
		double seconds;
	} rows[] = {
		/* 16 tokens: 0.358 ms of GEMM is below W; attention 16 * 8 * c. */
		{ 16, 1, 2.2e-3 + 5.8e-3 + 16 * 8 * 0.81e-9 },
		/* 1000 tokens: 22.4 ms of GEMM; attention 1000 * 500 * c. */
		{ 1000, 1, 2.2e-3 + 22.4e-3 + 1000.0 * 500 * 0.81e-9 },
		/* the same and a second token: one decode step over a context of 1001. */
		{ 1000, 2, 2.2e-3 + 22.4e-3 + 1000.0 * 500 * 0.81e-9 + 2.2e-3 + 5.8e-3 + 1001 * 50e-9 + 6e-6 },
		/* 10000 tokens: chunks of 8192 and 1808, the second behind a context of 8192. */
		{ 10000, 1, 2 * 2.2e-3 + 10000 * 22.4e-6 + 8192.0 * 4096 * 0.81e-9 + 1808.0 * (8192 + 904) * 0.81e-9 },
		/* no output: over with the prefill. */
		{ 16, 0, 2.2e-3 + 5.8e-3 + 16 * 8 * 0.81e-9 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct engine *g = engine_of((struct engine_options){ 0 });
		struct engine_event last = { 0 };
		submit(g, (struct engine_request){ .prompt_tokens = rows[i].prompt, .output_tokens = rows[i].output },
		       5000);
		uint64_t at = run(g, &last) - 5000;
		assert_true(llabs((long long)at - (long long)ns(rows[i].seconds)) <= 2);
		assert_true(last.finished);
		assert_int_equal(last.generated, rows[i].output);
		engine_free(g);
	}
}

static void a_batch_costs_one_step(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ .slow = 2.0 });
	/* The first begins alone; the other two wait for its step to end and share the next one with its decode. */
	for (int i = 0; i < 3; i++)
		submit(g, (struct engine_request){ .prompt_tokens = 100, .output_tokens = 2 }, 0);
	const struct engine_event *ev;
	uint64_t first = engine_next(g);
	assert_int_equal(first, ns(2 * (8e-3 + 100 * 50 * 0.81e-9)));
	assert_int_equal(engine_step(g, first - 1, &ev), 0);
	assert_int_equal(engine_step(g, first, &ev), 1);
	assert_int_equal(ev[0].generated, 1);
	assert_int_equal(metrics(g).running, 3);
	double t = 2 * (8e-3 + 2 * 100 * 50 * 0.81e-9 + 101 * 50e-9 + 6e-6);
	assert_int_equal(engine_next(g), first + ns(t));
	assert_int_equal(engine_step(g, engine_next(g), &ev), 3);
	assert_true(ev[0].finished && !ev[1].finished && !ev[2].finished);
	run(g, NULL);
	assert_int_equal(metrics(g).generation_tokens, 6);
	assert_int_equal(metrics(g).steps, 3);
	engine_free(g);
}

static void what_comes_together_shares_the_first_step(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ 0 });
	struct engine_request rq = { .prompt_tokens = 100, .output_tokens = 1 };
	struct engine_job *j;
	const struct engine_event *ev;
	for (int i = 0; i < 3; i++)
		assert_int_equal(engine_submit(g, &rq, 7, &j), 0);
	assert_int_equal(engine_next(g), 7);
	assert_int_equal(engine_step(g, 7, &ev), 0);
	assert_int_equal(engine_next(g), 7 + ns(2.2e-3 + 300 * 22.4e-6 + 3 * 100 * 50 * 0.81e-9));
	assert_int_equal(engine_step(g, engine_next(g), &ev), 3);
	assert_int_equal(engine_next(g), ENGINE_IDLE);
	assert_int_equal(metrics(g).steps, 1);
	engine_free(g);
}

static void a_late_caller_catches_up(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ 0 }), *late = engine_of((struct engine_options){ 0 });
	struct engine_request rq = { .prompt_tokens = 50, .output_tokens = 20 };
	submit(g, rq, 0);
	submit(late, rq, 0);
	uint64_t end = run(g, NULL), now = end + NS_PER_S, steps = 0;
	const struct engine_event *ev;
	while (engine_next(late) <= now) {
		engine_step(late, now, &ev);
		steps++;
	}
	assert_int_equal(steps, 20);
	assert_int_equal(metrics(late).busy_ns, metrics(g).busy_ns);
	assert_int_equal(metrics(late).busy_ns, end);
	engine_free(g);
	engine_free(late);
}

static void a_prefix_is_computed_once(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ 0 });
	uint64_t h[64];
	struct engine_event last = { 0 };
	struct engine_request rq = { .prompt_tokens = 320, .output_tokens = 1, .hash_count = 20 };
	rq.hashes = chain(h, 20, 10, 7);
	submit(g, rq, 0);
	run(g, &last);
	assert_int_equal(last.cached_tokens, 0);
	assert_int_equal(engine_prefix_match(g, h, 20), 20);
	/* The same again: the last token is always computed, so the last full block is too. */
	submit(g, rq, 0);
	run(g, &last);
	assert_int_equal(last.cached_tokens, 19 * 16);
	/* Another end behind the same head. */
	rq.hashes = chain(h, 20, 10, 8);
	submit(g, rq, 0);
	run(g, &last);
	assert_int_equal(last.cached_tokens, 10 * 16);
	struct engine_metrics m = metrics(g);
	assert_int_equal(m.prefix_queries, 960);
	assert_int_equal(m.prefix_hits, 29 * 16);
	assert_int_equal(m.prompt_cached, 29 * 16);
	assert_int_equal(m.blocks_used, 0);
	engine_prefix_reset(g);
	assert_int_equal(engine_prefix_match(g, h, 20), 0);
	engine_free(g);
}

static void what_was_generated_can_be_reused(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ 0 });
	uint64_t h[4];
	struct engine_event last = { 0 };
	submit(g,
	       (struct engine_request){
		       .prompt_tokens = 24, .output_tokens = 20, .hash_count = 2, .hashes = chain(h, 4, 4, 0) },
	       0);
	run(g, &last);
	/* 24 + 20 tokens, the last of which was never fed back: 43 computed, two full blocks. */
	submit(g, (struct engine_request){ .prompt_tokens = 60, .output_tokens = 1, .hash_count = 3, .hashes = h }, 0);
	run(g, &last);
	assert_int_equal(last.cached_tokens, 32);
	engine_free(g);
}

static void a_block_is_found_only_once_it_is_computed(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ .batch_tokens = 64 });
	uint64_t h[8];
	chain(h, 8, 8, 0);
	submit(g, (struct engine_request){ .prompt_tokens = 128, .output_tokens = 1, .hash_count = 8, .hashes = h }, 0);
	assert_int_equal(engine_prefix_match(g, h, 8), 0);
	const struct engine_event *ev;
	assert_int_equal(engine_step(g, engine_next(g), &ev), 0);
	assert_int_equal(engine_prefix_match(g, h, 8), 4);
	assert_int_equal(engine_step(g, engine_next(g), &ev), 1);
	assert_int_equal(engine_prefix_match(g, h, 8), 8);
	engine_free(g);
}

static void the_cache_forgets_the_oldest_prefix_tail_first(void **state)
{
	(void)state;
	/* 10 blocks: two prompts of 4 blocks and then one of 6: the 2 never used go first, then the end of the first.
	 */
	struct engine *g = engine_of((struct engine_options){ .blocks = 10 });
	uint64_t a[4], b[4], c[6];
	chain(a, 4, 0, 1);
	chain(b, 4, 0, 2);
	chain(c, 6, 0, 3);
	submit(g, (struct engine_request){ .prompt_tokens = 63, .output_tokens = 1, .hash_count = 4, .hashes = a }, 0);
	run(g, NULL);
	submit(g, (struct engine_request){ .prompt_tokens = 63, .output_tokens = 1, .hash_count = 4, .hashes = b }, 0);
	run(g, NULL);
	assert_int_equal(engine_prefix_match(g, a, 4), 3);
	assert_int_equal(engine_prefix_match(g, b, 4), 3);
	/* Free, oldest first: 2 unused, a4 (never full) a3 a2 a1, b4 b3 b2 b1. */
	submit(g, (struct engine_request){ .prompt_tokens = 70, .output_tokens = 1, .hash_count = 4, .hashes = c }, 0);
	run(g, NULL);
	assert_int_equal(engine_prefix_match(g, a, 4), 1);
	assert_int_equal(engine_prefix_match(g, b, 4), 3);
	assert_int_equal(engine_prefix_match(g, c, 4), 4);
	engine_free(g);
}

static void the_youngest_is_preempted_and_starts_again_with_what_it_said(void **state)
{
	(void)state;
	/* 8 blocks: two requests of 3 blocks that each want 2 more while they decode. */
	struct engine *g = engine_of((struct engine_options){ .blocks = 8 });
	struct engine_request rq = { .prompt_tokens = 48, .output_tokens = 33 };
	char old_name[] = "old", young_name[] = "young";
	rq.user = old_name;
	submit(g, rq, 0);
	rq.user = young_name;
	struct engine_job *young = submit(g, rq, 0);
	struct engine_times times = { 0 };
	uint32_t old_done = 0, young_done = 0, young_at_old_end = 0;
	while (engine_next(g) != ENGINE_IDLE) {
		const struct engine_event *ev;
		size_t n = engine_step(g, engine_next(g), &ev);
		for (size_t i = 0; i < n; i++) {
			if (ev[i].user == old_name) {
				old_done = ev[i].finished ? ev[i].generated : 0;
				young_at_old_end = young_done;
				continue;
			}
			/* Nothing is said twice or left out. */
			assert_int_equal(ev[i].generated, young_done + 1);
			young_done = ev[i].generated;
			if (ev[i].finished)
				engine_job_times(young, &times);
		}
	}
	assert_int_equal(old_done, 33);
	assert_int_equal(young_done, 33);
	assert_true(young_at_old_end < 33);
	assert_int_equal(times.preemptions, 1);
	assert_int_equal(metrics(g).preemptions, 1);
	assert_int_equal(metrics(g).prefix_queries, 96);
	assert_int_equal(metrics(g).blocks_used, 0);
	engine_free(g);
}

static void the_preempted_goes_before_those_who_wait(void **state)
{
	(void)state;
	/* 7 blocks: two of 3 that each want a fourth; what the younger gives back would do for the third, but it is not
	 * its turn before the younger has its four. */
	struct engine *g = engine_of((struct engine_options){ .blocks = 7 });
	char old_name[] = "old", third_name[] = "third";
	submit(g, (struct engine_request){ .user = old_name, .prompt_tokens = 48, .output_tokens = 10 }, 0);
	submit(g, (struct engine_request){ .prompt_tokens = 48, .output_tokens = 10 }, 0);
	submit(g, (struct engine_request){ .user = third_name, .prompt_tokens = 32, .output_tokens = 1 }, 0);
	uint64_t old_end = 0, third_first = 0;
	while (engine_next(g) != ENGINE_IDLE) {
		const struct engine_event *ev;
		uint64_t at = engine_next(g);
		size_t n = engine_step(g, at, &ev);
		for (size_t i = 0; i < n; i++) {
			if (ev[i].user == old_name && ev[i].finished)
				old_end = at;
			if (ev[i].user == third_name)
				third_first = at;
		}
	}
	assert_int_equal(metrics(g).preemptions, 1);
	assert_true(old_end > 0);
	assert_true(third_first > old_end);
	engine_free(g);
}

static void a_request_waits_for_seats_and_blocks(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ .blocks = 200, .sequences = 2 });
	const struct engine_event *ev;
	struct engine_request rq = { .prompt_tokens = 16, .output_tokens = 5 };
	for (int i = 0; i < 4; i++)
		submit(g, rq, 0);
	engine_step(g, engine_next(g), &ev);
	assert_int_equal(metrics(g).running, 2);
	assert_int_equal(metrics(g).waiting_capacity, 2);
	run(g, NULL);
	/* 150 of 200 blocks are held, and 1 % is kept back: 49 more do not fit. */
	submit(g, (struct engine_request){ .prompt_tokens = 2400, .output_tokens = 3 }, 0);
	submit(g, (struct engine_request){ .prompt_tokens = 49 * 16, .output_tokens = 1 }, 0);
	engine_step(g, engine_next(g), &ev);
	assert_int_equal(metrics(g).running, 1);
	run(g, NULL);
	assert_int_equal(metrics(g).finished, 6);
	engine_free(g);
}

static void adapters_take_slots(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ .adapters = 1 });
	const struct engine_event *ev;
	struct engine_request rq = { .prompt_tokens = 16, .output_tokens = 3, .adapter = 5 };
	submit(g, rq, 0);
	rq.adapter = 6;
	submit(g, rq, 0);
	rq.adapter = 5;
	submit(g, rq, 0);
	rq.adapter = 0;
	submit(g, rq, 0);
	engine_step(g, engine_next(g), &ev);
	/* 6 waits for a slot; those behind it that need none, or share the one taken, go on. */
	struct engine_metrics m = metrics(g);
	assert_int_equal(m.running, 3);
	assert_int_equal(m.waiting_deferred, 1);
	assert_int_equal(m.waiting_capacity, 0);
	uint32_t running, waiting;
	engine_adapter_counts(g, 6, &running, &waiting);
	assert_int_equal(running, 0);
	assert_int_equal(waiting, 1);
	engine_adapter_counts(g, 5, &running, &waiting);
	assert_int_equal(running, 2);
	run(g, NULL);
	assert_int_equal(metrics(g).finished, 4);
	engine_free(g);
}

static void an_abort_frees_what_was_held(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ .blocks = 100 });
	const struct engine_event *ev;
	struct engine_request rq = { .prompt_tokens = 160, .output_tokens = 5 };
	struct engine_job *a = submit(g, rq, 0), *b = submit(g, rq, 0), *c = submit(g, rq, 0);
	assert_int_equal(metrics(g).blocks_used, 10);
	engine_abort(g, c); /* waiting */
	engine_step(g, engine_next(g), &ev);
	assert_int_equal(metrics(g).blocks_used, 21);
	engine_abort(g, a); /* running, and with an event not yet looked at */
	assert_null(ev[0].job);
	assert_int_equal(metrics(g).blocks_used, 10);
	engine_step(g, engine_next(g), &ev);
	engine_abort(g, b);
	assert_int_equal(metrics(g).blocks_used, 0);
	run(g, NULL);
	assert_int_equal(metrics(g).aborted, 3);
	assert_int_equal(metrics(g).finished, 0);
	engine_free(g);
}

static void an_abort_after_the_last_event_is_harmless(void **state)
{
	(void)state;
	struct engine *g = engine_of((struct engine_options){ 0 });
	const struct engine_event *ev;
	struct engine_job *j = submit(g, (struct engine_request){ .prompt_tokens = 1, .output_tokens = 1 }, 0);
	assert_int_equal(engine_step(g, engine_next(g), &ev), 1);
	assert_true(ev[0].finished);
	engine_abort(g, j);
	assert_null(ev[0].job);
	assert_int_equal(metrics(g).aborted, 0);
	assert_int_equal(metrics(g).finished, 1);
	engine_free(g);
}

static void what_could_never_run_is_refused(void **state)
{
	(void)state;
	static const struct {
		struct engine_request rq;
		int wanted;
	} rows[] = {
		{ { .prompt_tokens = 0, .output_tokens = 1 }, -PS_EINVAL },
		{ { .prompt_tokens = 1, .output_tokens = 1, .adapter = 1 }, -PS_EINVAL },
		{ { .prompt_tokens = 1, .output_tokens = 1, .adapter = ENGINE_ADAPTERS_MAX + 1 }, -PS_EINVAL },
		{ { .prompt_tokens = 161, .output_tokens = 1 }, -PS_ETOOBIG },
		{ { .prompt_tokens = 150, .output_tokens = 11 }, -PS_ETOOBIG },
		{ { .prompt_tokens = UINT32_MAX, .output_tokens = UINT32_MAX }, -PS_ETOOBIG },
		{ { .prompt_tokens = 150, .output_tokens = 10 }, 0 },
		{ { .prompt_tokens = 1, .output_tokens = 1 }, 0 },
		{ { .prompt_tokens = 1, .output_tokens = 1 }, -PS_EQUEUEFULL },
	};
	struct engine *g = engine_of((struct engine_options){ .blocks = 10, .queue = 2 });
	struct engine_job *j;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(engine_submit(g, &rows[i].rq, 0, &j), rows[i].wanted);
	engine_free(g);
	struct err e = { 0 };
	assert_null(engine_new(engine_profile_find(SPAN("l4-8b")), &(struct engine_options){ .jitter = 1 }, 0, &e));
	assert_int_equal(e.code, PS_EINVAL);
	assert_null(engine_profile_find(SPAN("h100-9b")));
}

static void jitter_stays_within_its_bounds_and_repeats(void **state)
{
	(void)state;
	uint64_t first[2][50];
	for (int k = 0; k < 2; k++) {
		struct engine *g = engine_of((struct engine_options){ .jitter = 0.1 });
		for (int i = 0; i < 50; i++) {
			submit(g, (struct engine_request){ .prompt_tokens = 16 }, 0);
			first[k][i] = engine_next(g);
			run(g, NULL);
		}
		engine_free(g);
	}
	assert_memory_equal(first[0], first[1], sizeof first[0]);
	uint64_t middle = ns(8e-3);
	bool below = false, above = false;
	for (int i = 0; i < 50; i++) {
		assert_in_range(first[0][i], middle * 9 / 10, middle * 11 / 10 + 1000);
		below |= first[0][i] < middle * 97 / 100;
		above |= first[0][i] > middle * 103 / 100;
	}
	assert_true(below && above);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(step_times_follow_the_formula),
		cmocka_unit_test(a_batch_costs_one_step),
		cmocka_unit_test(what_comes_together_shares_the_first_step),
		cmocka_unit_test(a_late_caller_catches_up),
		cmocka_unit_test(a_prefix_is_computed_once),
		cmocka_unit_test(what_was_generated_can_be_reused),
		cmocka_unit_test(a_block_is_found_only_once_it_is_computed),
		cmocka_unit_test(the_cache_forgets_the_oldest_prefix_tail_first),
		cmocka_unit_test(the_youngest_is_preempted_and_starts_again_with_what_it_said),
		cmocka_unit_test(the_preempted_goes_before_those_who_wait),
		cmocka_unit_test(a_request_waits_for_seats_and_blocks),
		cmocka_unit_test(adapters_take_slots),
		cmocka_unit_test(an_abort_frees_what_was_held),
		cmocka_unit_test(an_abort_after_the_last_event_is_harmless),
		cmocka_unit_test(what_could_never_run_is_refused),
		cmocka_unit_test(jitter_stays_within_its_bounds_and_repeats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
