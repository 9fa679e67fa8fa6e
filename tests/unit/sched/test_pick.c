/* Whole picks: golden decisions, filters, laws, and what lies and silence do to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool_rows.h"

enum { MANY = 40, ROUNDS = 2000 };

static struct replica *at(struct pool *p, uint32_t slot)
{
	uint32_t n;
	return &pool_replicas_locked(p, &n)[slot];
}

static struct sched *default_sched(uint64_t seed)
{
	struct sched *s = sched_new(NULL, seed, NULL);
	assert_non_null(s);
	return s;
}

/* Picks, takes the charge back, and returns the slot. */
static uint32_t look(struct sched *s, struct pool *p, const struct facts *f, const struct prefix_hits *hits,
		     uint64_t now)
{
	struct decision d;
	assert_int_equal(sched_pick_locked(s, f, hits, now, &d), 1);
	pool_gone_locked(p, at(p, d.slot), d.charge, now);
	return d.slot;
}

/* ---- golden ---- */

struct golden {
	const char *what;
	struct replica_row replicas[3];
	uint32_t hits[3]; /* of 10 blocks */
	uint32_t want;
};

static const struct golden goldens[] = {
	{ "the idle one", { LOAD(3, 9, .7, 9), LOAD(0, 0, 0, 0), LOAD(2, 9, .6, 9) }, { 0 }, 1 },
	{ "a whole prefix outweighs some load",
	  { LOAD(0, 4, .2, 4), LOAD(0, 6, .3, 6), LOAD(0, 4, .2, 4) },
	  { 0, 10, 0 },
	  1 },
	{ "a short prefix does not", { LOAD(0, 0, 0, 0), LOAD(4, 20, .9, 24), LOAD(4, 20, .9, 24) }, { 0, 3, 0 }, 0 },
	{ "the emptier cache among equals", { LOAD(0, 4, .5, 4), LOAD(0, 4, .9, 4), LOAD(0, 4, .4, 4) }, { 0 }, 2 },
	{ "the shorter queue among equals", { LOAD(5, 4, .5, 9), LOAD(1, 8, .5, 9), LOAD(9, 0, .5, 9) }, { 0 }, 1 },
};

static void golden_decisions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goldens / sizeof goldens[0]; i++) {
		static struct prefix_hits hits;
		struct pool *p = pool_of_rows(goldens[i].replicas, 3);
		struct sched *s = default_sched(i);
		struct facts f = { .pool = p, .chain_len = 10, .prompt_tokens = 640 };
		hits.n = 0;
		for (uint32_t k = 0; k < 3; k++) {
			if (goldens[i].hits[k]) {
				hits.slot[hits.n] = (uint16_t)k;
				hits.blocks[hits.n++] = (uint16_t)goldens[i].hits[k];
			}
		}
		uint32_t got = look(s, p, &f, &hits, T0);
		if (got != goldens[i].want)
			fail_msg("%s: %u", goldens[i].what, got);
		sched_free(s);
		pool_free(p);
	}
}

static void a_decision_says_why_and_charges_only_what_is_not_cached(void **state)
{
	(void)state;
	static struct prefix_hits hits = { .n = 1, .slot = { 0 }, .blocks = { 4 } };
	static const struct replica_row idle = LOAD(0, 0, 0, 0);
	struct pool *p = pool_of_rows(&idle, 1);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p, .chain_len = 10, .prompt_tokens = 1000 };
	struct decision d;
	assert_int_equal(sched_pick_locked(s, &f, &hits, T0, &d), 1);
	assert_int_equal(d.refused, 0);
	assert_string_equal(d.name, "10.0.0.1:80");
	assert_int_equal(d.prefix_blocks, 4);
	assert_int_equal(d.candidates, 1);
	assert_int_equal(at(p, 0)->in_flight, 1);
	assert_int_equal(at(p, 0)->in_flight_tokens, 600);
	assert_int_equal(d.reason_count, 4);
	static const struct reason want[] = { { 0, 255 }, { 1, 255 }, { 3, 102 }, { 5, 255 } };
	for (int i = 0; i < 4; i++) {
		assert_int_equal(d.reasons[i].plugin, want[i].plugin);
		assert_int_equal(d.reasons[i].score, want[i].score);
	}
	pool_done_locked(p, at(p, 0), d.charge, T0);
	assert_int_equal(at(p, 0)->in_flight_tokens, 0);
	sched_free(s);
	pool_free(p);
}

/* ---- filters ---- */

static void only_replicas_that_serve_the_model_are_asked(void **state)
{
	(void)state;
	static const struct replica_row busy_idle[] = { LOAD(9, 9, .9, 9), LOAD(0, 0, 0, 0) };
	char base[] = "base", other[] = "other", none[] = "";
	struct replica_model has = { base, none, 0, 0 }, lacks = { other, none, 0, 0 };
	struct pool *p = pool_of_rows(busy_idle, 2);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p, .model = SPAN("base") };
	struct decision d;
	assert_int_equal(look(s, p, &f, NULL, T0), 1); /* no lists: any */
	assert_int_equal(pool_on_models(p, at(p, 0)->id, &has, 1, T0), 0);
	assert_int_equal(pool_on_models(p, at(p, 1)->id, &lacks, 1, T0), 0);
	assert_int_equal(look(s, p, &f, NULL, T0), 0);
	f.model = SPAN("neither");
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), -PS_ENOMODEL);
	f.model = SPAN("base");
	assert_int_equal(pool_removed(p, at(p, 0)->id, T0), 0);
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), -PS_ENOMODEL);
	sched_free(s);
	pool_free(p);
}

static void tried_replicas_are_taken_only_when_there_is_no_other(void **state)
{
	(void)state;
	static const struct replica_row idle_busy[] = { LOAD(0, 0, 0, 0), LOAD(9, 9, .9, 9) };
	struct pool *p = pool_of_rows(idle_busy, 2);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p, .excluded = { at(p, 0)->id } };
	assert_int_equal(look(s, p, &f, NULL, T0), 1);
	f.excluded[1] = at(p, 1)->id;
	assert_int_equal(look(s, p, &f, NULL, T0), 0);
	sched_free(s);
	pool_free(p);
}

static void a_repeat_waits_for_another_replica_to_open(void **state)
{
	(void)state;
	static const struct replica_row rows[] = { LOAD(0, 0, 0, 0), LOAD(0, 0, 0, 2) };
	struct pool *p = pool_of_rows(rows, 2);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p, .excluded = { at(p, 0)->id } };
	struct decision d;
	at(p, 1)->capacity = 2;
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 0);
	sched_free(s);
	pool_free(p);
}

static void nobody_open_is_held_and_nobody_at_all_is_refused(void **state)
{
	(void)state;
	static const struct replica_row idle[] = { LOAD(0, 0, 0, 0), LOAD(0, 0, 0, 0) };
	struct pool *p = pool_of_rows(idle, 2);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p };
	struct decision d;
	at(p, 0)->capacity = at(p, 1)->capacity = 1;
	assert_true(sched_any_open_locked(p, T0));
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 1);
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 1);
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 0);
	assert_false(sched_any_open_locked(p, T0));
	assert_int_equal(pool_removed(p, at(p, 0)->id, T0), 0);
	assert_int_equal(pool_removed(p, at(p, 1)->id, T0), 0);
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), -PS_ENOREPLICA);
	sched_free(s);
	pool_free(p);
}

static void a_sick_replica_is_no_candidate_while_half_the_pool_is_well(void **state)
{
	(void)state;
	static const struct replica_row rows[] = { LOAD(0, 0, 0, 0), LOAD(9, 9, .9, 9) };
	struct pool *p = pool_of_rows(rows, 2);
	struct sched *s = default_sched(1);
	struct facts f = { .pool = p };
	for (int i = 0; i < 3; i++)
		pool_failed_locked(p, at(p, 0), pool_dispatched_locked(p, at(p, 0), 0, T0), T0);
	assert_int_equal(look(s, p, &f, NULL, T0), 1);
	struct decision d;
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0 + NS_PER_S, &d), 1); /* its trial */
	assert_int_equal(d.slot, 0);
	assert_true(d.charge.trial);
	assert_int_equal(look(s, p, &f, NULL, T0 + NS_PER_S), 1);
	sched_free(s);
	pool_free(p);
}

/* ---- laws ---- */

static struct replica_row random_row(struct rng *r)
{
	struct replica_row row = { 0 };
	row.queued = (double)rng_below(r, 10);
	row.running = (double)rng_below(r, 20);
	row.kv_used = rng_unit(r);
	row.in_flight = (uint32_t)rng_below(r, 20);
	row.max_lora = NAN;
	return row;
}

static void random_hits(struct rng *r, struct prefix_hits *h, uint32_t n)
{
	h->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (rng_below(r, 2)) {
			h->slot[h->n] = (uint16_t)i;
			h->blocks[h->n++] = (uint16_t)(1 + rng_below(r, 10));
		}
	}
}

static void renaming_replicas_changes_nothing(void **state)
{
	(void)state;
	struct rng r;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	for (int round = 0; round < ROUNDS / 10; round++) {
		static struct prefix_hits hits, renamed;
		struct replica_row rows[MANY], mixed[MANY];
		uint32_t to[MANY], n = 2 + (uint32_t)rng_below(&r, MANY - 2);
		for (uint32_t i = 0; i < n; i++) {
			rows[i] = random_row(&r);
			to[i] = i;
		}
		for (uint32_t i = n - 1; i > 0; i--) {
			uint32_t k = (uint32_t)rng_below(&r, i + 1), t = to[i];
			to[i] = to[k];
			to[k] = t;
		}
		for (uint32_t i = 0; i < n; i++)
			mixed[to[i]] = rows[i];
		random_hits(&r, &hits, n);
		renamed.n = hits.n;
		for (uint32_t i = 0; i < hits.n; i++) {
			renamed.slot[i] = (uint16_t)to[hits.slot[i]];
			renamed.blocks[i] = hits.blocks[i];
		}
		struct pool *p = pool_of_rows(rows, n), *q = pool_of_rows(mixed, n);
		struct sched *s = default_sched(1);
		struct facts f = { .pool = p, .chain_len = 10 }, g = { .pool = q, .chain_len = 10 };
		assert_int_equal(to[look(s, p, &f, &hits, T0)], look(s, q, &g, &renamed, T0));
		sched_free(s);
		pool_free(p);
		pool_free(q);
	}
}

/* Nobody is picked while another is better in every respect; so an idle newcomer is either taken or outdone by what it
 * lacks, a prefix. */
static void an_idle_replica_added_never_makes_the_pick_worse(void **state)
{
	(void)state;
	static const struct replica_row idle = LOAD(0, 0, 0, 0);
	struct rng r;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	for (int round = 0; round < ROUNDS / 10; round++) {
		static struct prefix_hits hits;
		struct replica_row rows[MANY];
		uint32_t blocks[MANY + 1] = { 0 }, n = 1 + (uint32_t)rng_below(&r, MANY - 2);
		for (uint32_t i = 0; i < n; i++)
			rows[i] = random_row(&r);
		random_hits(&r, &hits, n);
		for (uint32_t i = 0; i < hits.n; i++)
			blocks[hits.slot[i]] = hits.blocks[i];
		struct pool *p = pool_of_rows(rows, n);
		struct sched *s = default_sched(1);
		struct facts f = { .pool = p, .chain_len = 10 };
		(void)pool_add_row(p, n, &idle, T0);
		uint32_t after = look(s, p, &f, &hits, T0);
		if (after != n)
			assert_true(blocks[after] > 0);
		for (uint32_t i = 0; i < n && after < n; i++) {
			const struct replica_row *a = &rows[after], *b = &rows[i];
			bool dominated = b->queued + b->in_flight < a->queued &&
					 b->in_flight + b->queued < a->in_flight && b->kv_used < a->kv_used &&
					 blocks[i] > blocks[after] && b->in_flight < b->running;
			assert_false(dominated);
		}
		f.chain_len = 0; /* without prefixes nothing beats idle */
		uint32_t plain = look(s, p, &f, NULL, T0);
		assert_true(plain == n || (rows[plain].in_flight == 0 && rows[plain].queued == 0));
		sched_free(s);
		pool_free(p);
	}
}

static void a_pick_is_seen_by_the_next_pick(void **state)
{
	(void)state;
	/* No scrape comes between: only what we sent tells them apart. */
	static const struct replica_row idle[8] = { { 0 } };
	struct pool *p = pool_of_rows(idle, 8);
	struct sched *s = default_sched(rng_entropy());
	struct facts f = { .pool = p };
	struct decision d;
	for (int i = 0; i < 80; i++)
		assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 1);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(at(p, i)->in_flight, 10);
	sched_free(s);
	pool_free(p);
}

static void an_adapter_just_sent_somewhere_draws_the_next_request_for_it(void **state)
{
	(void)state;
	static const struct replica_row rows[] = { LORA(4, "x", NULL), LORA(4, "x", NULL) };
	static const struct sched_weight only_lora[] = { { "lora-affinity-scorer", 1 }, { NULL, 0 } };
	struct pool *p = pool_of_rows(rows, 2);
	struct sched *s = sched_new(only_lora, rng_entropy(), NULL);
	struct signals named_elsewhere = { 0, 0, 0, NAN, NAN, 4, SPAN("x"), SPAN("new") };
	pool_on_scrape(p, at(p, 0)->id, ENGINE_VLLM, &named_elsewhere, T0); /* the pool knows the name */
	named_elsewhere.lora_waiting = SPAN_NONE;
	pool_on_scrape(p, at(p, 0)->id, ENGINE_VLLM, &named_elsewhere, T0);
	struct facts f = { .pool = p, .adapter = SPAN("new") };
	struct decision first, next;
	assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &first), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &next), 1);
		assert_int_equal(next.slot, first.slot);
	}
	sched_free(s);
	pool_free(p);
}

/* ---- lies and silence ---- */

enum { HONEST = 7, REQUESTS = 400, SHARE = REQUESTS / (HONEST + 1) };

static void tell(struct pool *p, uint32_t slot, double running, double kv_used)
{
	struct signals said = { 0, running, kv_used, NAN, NAN, NAN, SPAN_NONE, SPAN_NONE };
	pool_on_scrape(p, at(p, slot)->id, ENGINE_VLLM, &said, T0);
}

/* Requests that stay, spread over replicas that tell the truth now and then and a last one that says `running` and
 * `kv_used`. Returns how many the last one got. */
static uint32_t share_of_the_odd_one(double running, double kv_used)
{
	struct replica_row rows[HONEST + 1];
	for (uint32_t i = 0; i <= HONEST; i++)
		rows[i] = (struct replica_row)LOAD(i < HONEST ? 0 : running, i < HONEST ? 0 : running,
						   i < HONEST ? 0 : kv_used, 0);
	struct pool *p = pool_of_rows(rows, HONEST + 1);
	struct sched *s = default_sched(3);
	struct facts f = { .pool = p };
	struct decision d;
	for (int i = 0; i < REQUESTS; i++) {
		assert_int_equal(sched_pick_locked(s, &f, NULL, T0, &d), 1);
		for (uint32_t k = 0; k < HONEST && i % 10 == 0; k++)
			tell(p, k, at(p, k)->in_flight, at(p, k)->in_flight / 200.0);
		tell(p, HONEST, running, kv_used);
	}
	uint32_t got = at(p, HONEST)->in_flight;
	sched_free(s);
	pool_free(p);
	return got;
}

static void a_replica_that_always_says_idle_is_not_herded_to(void **state)
{
	(void)state;
	assert_true(share_of_the_odd_one(0, 0) <= SHARE * 3 / 2);
}

static void a_replica_that_says_nothing_is_neither_favoured_nor_shunned(void **state)
{
	(void)state;
	assert_in_range(share_of_the_odd_one(NAN, NAN), SHARE / 2, SHARE * 3 / 2);
}

static void with_nothing_to_trust_the_fewest_in_flight_wins_under_every_profile(void **state)
{
	(void)state;
	static const struct sched_weight reference[] = {
		{ "queue-scorer", 2 }, { "kv-cache-utilization-scorer", 2 }, { "prefix-cache-scorer", 3 }, { NULL, 0 }
	};
	static const struct replica_row rows[] = { LOAD(0, 0, 0, 5), LOAD(9, 9, 1, 4), LOAD(0, 0, 0, 6) };
	static const struct sched_weight *const profiles[] = { NULL, reference };
	for (size_t i = 0; i < 2; i++) {
		struct pool *p = pool_of_rows(rows, 3);
		struct sched *s = sched_new(profiles[i], 1, NULL);
		struct facts f = { .pool = p };
		assert_int_equal(look(s, p, &f, NULL, T0 + 3 * NS_PER_S), 1);
		sched_free(s);
		pool_free(p);
	}
}

static void equals_share_by_chance_and_a_seed_gives_a_run_back(void **state)
{
	(void)state;
	static const struct replica_row silent[4] = { LOAD(NAN, NAN, NAN, 0), LOAD(NAN, NAN, NAN, 0),
						      LOAD(NAN, NAN, NAN, 0), LOAD(NAN, NAN, NAN, 0) };
	uint32_t first[ROUNDS], count[4] = { 0 };
	for (int run = 0; run < 2; run++) {
		struct pool *p = pool_of_rows(silent, 4);
		struct sched *s = default_sched(42);
		struct facts f = { .pool = p };
		for (int i = 0; i < ROUNDS; i++) {
			uint32_t slot = look(s, p, &f, NULL, T0);
			if (run == 0)
				count[first[i] = slot]++;
			else
				assert_int_equal(slot, first[i]);
		}
		sched_free(s);
		pool_free(p);
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(count[i], ROUNDS / 4 - ROUNDS / 16, ROUNDS / 4 + ROUNDS / 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_decisions),
		cmocka_unit_test(a_decision_says_why_and_charges_only_what_is_not_cached),
		cmocka_unit_test(only_replicas_that_serve_the_model_are_asked),
		cmocka_unit_test(tried_replicas_are_taken_only_when_there_is_no_other),
		cmocka_unit_test(a_repeat_waits_for_another_replica_to_open),
		cmocka_unit_test(nobody_open_is_held_and_nobody_at_all_is_refused),
		cmocka_unit_test(a_sick_replica_is_no_candidate_while_half_the_pool_is_well),
		cmocka_unit_test(renaming_replicas_changes_nothing),
		cmocka_unit_test(an_idle_replica_added_never_makes_the_pick_worse),
		cmocka_unit_test(a_pick_is_seen_by_the_next_pick),
		cmocka_unit_test(an_adapter_just_sent_somewhere_draws_the_next_request_for_it),
		cmocka_unit_test(a_replica_that_always_says_idle_is_not_herded_to),
		cmocka_unit_test(a_replica_that_says_nothing_is_neither_favoured_nor_shunned),
		cmocka_unit_test(with_nothing_to_trust_the_fewest_in_flight_wins_under_every_profile),
		cmocka_unit_test(equals_share_by_chance_and_a_seed_gives_a_run_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
