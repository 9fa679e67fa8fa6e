/* Model lists, adapters and bytes per token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pool/pool.h"

#define S NS_PER_S

static struct pool *pool_of(uint32_t n, uint64_t *ids)
{
	struct pool_options o = pool_options_default();
	struct pool *p = pool_new(&o);
	for (uint32_t i = 0; i < n; i++) {
		char text[32];
		struct address a;
		(void)snprintf(text, sizeof text, "10.0.0.%u:80", i + 1);
		assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
		assert_int_equal(pool_added(p, span_str(text), &a, 0, 1, &ids[i]), 0);
	}
	return p;
}

static struct replica_model model(const char *id, const char *parent)
{
	/* Only read. */
	return (struct replica_model){ (char *)(uintptr_t)id, (char *)(uintptr_t)parent, 4096, 1 };
}

static bool adapter_on(struct pool *p, const char *name, uint32_t slot, bool running)
{
	const struct pool_model *m = pool_model_find_locked(p, span_str(name));
	return m && slot_set_has(running ? &m->lora_running : &m->lora_waiting, slot);
}

static void a_model_is_lacking_only_when_every_list_is_known_and_none_has_it(void **state)
{
	(void)state;
	uint64_t id[2];
	struct pool *p = pool_of(2, id);
	struct replica_model list[] = { model("base", ""), model("tuned", "base") };
	assert_false(pool_lacks_model(p, SPAN("other")));
	assert_int_equal(pool_on_models(p, id[0], list, 2, S), 0);
	assert_false(pool_lacks_model(p, SPAN("other"))); /* the second may have it */
	assert_int_equal(pool_on_models(p, id[1], list, 1, S), 0);
	assert_true(pool_lacks_model(p, SPAN("other")));
	assert_false(pool_lacks_model(p, SPAN("tuned")));
	assert_true(pool_is_adapter(p, SPAN("tuned")));
	assert_false(pool_is_adapter(p, SPAN("base")));
	assert_int_equal(pool_on_models(p, id[0], list, 1, S), 0);
	assert_true(pool_lacks_model(p, SPAN("tuned")));
	assert_false(pool_is_adapter(p, SPAN("tuned")));
	assert_int_equal(pool_on_models(p, id[0], NULL, 0, S), 0); /* an empty list says nothing */
	assert_false(pool_lacks_model(p, SPAN("tuned")));
	pool_free(p);
}

static void adapters_are_read_from_the_newest_scrape_only(void **state)
{
	(void)state;
	uint64_t id[2];
	struct pool *p = pool_of(2, id);
	struct signals s = { 0, 0, 0, NAN, NAN, 4, SPAN("a, b,,a"), SPAN("b,c") };
	pool_on_scrape(p, id[1], ENGINE_VLLM, &s, S);
	assert_true(adapter_on(p, "a", 1, true) && adapter_on(p, "b", 1, true) && adapter_on(p, "c", 1, false));
	assert_false(adapter_on(p, "a", 0, true));
	assert_int_equal(pool_replica_locked(p, id[1])->lora_named, 3);
	assert_true(pool_is_adapter(p, SPAN("c")));
	s.lora_running = SPAN("c"), s.lora_waiting = SPAN_NONE;
	pool_on_scrape(p, id[1], ENGINE_VLLM, &s, 2 * S);
	assert_false(adapter_on(p, "a", 1, true) || adapter_on(p, "c", 1, false));
	assert_true(adapter_on(p, "c", 1, true));
	assert_int_equal(pool_replica_locked(p, id[1])->lora_named, 1);
	pool_lora_sent_locked(p, pool_replica_locked(p, id[1]), pool_model_find_locked(p, SPAN("a")));
	pool_lora_sent_locked(p, pool_replica_locked(p, id[1]), pool_model_find_locked(p, SPAN("a")));
	assert_true(adapter_on(p, "a", 1, true));
	assert_int_equal(pool_replica_locked(p, id[1])->lora_named, 2);
	assert_int_equal(pool_removed(p, id[1], 3 * S), 0);
	assert_false(adapter_on(p, "a", 1, true) || adapter_on(p, "c", 1, true));
	pool_free(p);
}

/* A replica that names new adapters at every scrape must not use up the names of the honest. */
static void a_replica_that_invents_names_does_not_crowd_out_others(void **state)
{
	(void)state;
	uint64_t id[2];
	struct pool *p = pool_of(2, id);
	pool_learn_tokens(p, SPAN("taught"), 1000, 100);
	for (int round = 0; round < 2 * POOL_MODELS_MAX / 100; round++) {
		char text[2048];
		int at = 0;
		for (int i = 0; i < 100; i++)
			at += snprintf(text + at, sizeof text - (size_t)at, "x%d_%d,", round, i);
		struct signals s = { 0, 0, 0, NAN, NAN, 4, span_of(text, (size_t)at), SPAN_NONE };
		pool_on_scrape(p, id[0], ENGINE_VLLM, &s, S);
	}
	struct replica_model honest = model("honest", "");
	assert_int_equal(pool_on_models(p, id[1], &honest, 1, S), 0);
	assert_non_null(pool_model_find_locked(p, SPAN("honest")));
	assert_int_equal(pool_tokens_of(p, SPAN("taught"), 4300), 1000); /* 4 + 0.05 x (10 - 4) bytes */
	pool_free(p);
}

static void tokens_are_learned_slowly_within_bounds(void **state)
{
	(void)state;
	uint64_t id;
	struct pool *p = pool_of(1, &id);
	assert_int_equal(pool_tokens_of(p, SPAN("m"), 0), 0);
	assert_int_equal(pool_tokens_of(p, SPAN("m"), 1), 1);
	assert_int_equal(pool_tokens_of(p, SPAN("m"), 4000), 1000);
	pool_learn_tokens(p, SPAN("m"), 0, 5);
	pool_learn_tokens(p, SPAN("m"), 5, 0);
	pool_learn_tokens(p, SPAN("m"), 5, UINT32_MAX);
	assert_int_equal(pool_tokens_of(p, SPAN("m"), 4000), 1000);
	for (int i = 0; i < 400; i++)
		pool_learn_tokens(p, SPAN("m"), 5000, 1000);
	assert_in_range(pool_tokens_of(p, SPAN("m"), 50000), 10000, 10001);
	assert_int_equal(pool_tokens_of(p, SPAN("other"), 4000), 1000); /* each model by itself */
	for (int i = 0; i < 400; i++)
		pool_learn_tokens(p, SPAN("m"), 1000000, 1);
	assert_in_range(pool_tokens_of(p, SPAN("m"), 16000), 1000, 1001);
	for (int i = 0; i < 800; i++)
		pool_learn_tokens(p, SPAN("m"), 1, 1000000);
	assert_in_range(pool_tokens_of(p, SPAN("m"), 1000), 999, 1000);
	assert_int_equal(pool_tokens_of(p, SPAN("m"), UINT64_MAX), UINT32_MAX);
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_lacking_only_when_every_list_is_known_and_none_has_it),
		cmocka_unit_test(adapters_are_read_from_the_newest_scrape_only),
		cmocka_unit_test(a_replica_that_invents_names_does_not_crowd_out_others),
		cmocka_unit_test(tokens_are_learned_slowly_within_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
