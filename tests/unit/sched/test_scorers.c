/* Each scorer by itself: a pool in rows, the score of each replica beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool_rows.h"
#include "sched/view.h"

enum { ROWS_MAX = 4 };
#define UNKNOWN (-1.0f) /* no trust at all */

struct scorer_row {
	const struct scorer *scorer;
	const char *what;
	uint32_t n;
	struct replica_row replicas[ROWS_MAX];
	float want[ROWS_MAX];
	uint32_t hits[ROWS_MAX]; /* of 10 blocks */
	uint64_t age;		 /* of the scrapes */
};

static const struct scorer_row rows[] = {
	{ &scorer_queue,
	  "min-max",
	  3,
	  { LOAD(0, 0, 0, 0), LOAD(4, 0, 0, 0), LOAD(1, 0, 0, 0) },
	  { 1, 0, 0.75f },
	  { 0 },
	  0 },
	{ &scorer_queue, "all equal", 2, { LOAD(4, 0, 0, 0), LOAD(4, 0, 0, 0) }, { 1, 1 }, { 0 }, 0 },
	{ &scorer_queue,
	  "what it does not admit to waits",
	  2,
	  { LOAD(0, 0, 0, 10), LOAD(5, 0, 0, 0) },
	  { 0, 1 },
	  { 0 },
	  0 },
	{ &scorer_queue,
	  "what it admits to is not counted twice",
	  2,
	  { LOAD(0, 10, 0, 10), LOAD(5, 0, 0, 0) },
	  { 1, 0 },
	  { 0 },
	  0 },
	{ &scorer_queue, "not said", 2, { LOAD(NAN, 0, 0, 0), LOAD(5, 0, 0, 0) }, { UNKNOWN, 1 }, { 0 }, 0 },
	{ &scorer_queue,
	  "stale",
	  2,
	  { LOAD(3, 0, 0, 0), LOAD(5, 0, 0, 0) },
	  { UNKNOWN, UNKNOWN },
	  { 0 },
	  3 * NS_PER_S },
	{ &scorer_kv,
	  "1 - used",
	  3,
	  { LOAD(0, 0, 0, 0), LOAD(0, 0, 0.25, 0), LOAD(0, 0, 1, 0) },
	  { 1, 0.75f, 0 },
	  { 0 },
	  0 },
	{ &scorer_kv, "a lie is not said", 2, { LOAD(0, 0, -1, 0), LOAD(0, 0, 0.5, 0) }, { UNKNOWN, 0.5f }, { 0 }, 0 },
	{ &scorer_running,
	  "min-max",
	  3,
	  { LOAD(0, 2, 0, 0), LOAD(0, 6, 0, 0), LOAD(0, 4, 0, 0) },
	  { 1, 0, 0.5f },
	  { 0 },
	  0 },
	{ &scorer_running, "ours count", 2, { LOAD(0, 0, 0, 8), LOAD(0, 4, 0, 0) }, { 0, 1 }, { 0 }, 0 },
	{ &scorer_active,
	  "share of the most",
	  3,
	  { LOAD(0, 0, 0, 0), LOAD(0, 0, 0, 4), LOAD(0, 0, 0, 1) },
	  { 1, 0, 0.75f },
	  { 0 },
	  0 },
	{ &scorer_active, "nothing in flight", 2, { LOAD(0, 0, 0, 0), LOAD(9, 9, 1, 0) }, { 1, 1 }, { 0 }, 0 },
	{ &scorer_active,
	  "needs no scrape",
	  2,
	  { LOAD(0, 0, 0, 2), LOAD(0, 0, 0, 0) },
	  { 0, 1 },
	  { 0 },
	  99 * NS_PER_S },
	{ &scorer_prefix,
	  "match / total",
	  3,
	  { LOAD(0, 0, 0, 0), LOAD(0, 0, 0, 0), LOAD(0, 0, 0, 0) },
	  { 0, 0.5f, 1 },
	  { 0, 5, 10 },
	  0 },
	{ &scorer_lora,
	  "running, room, waiting, full",
	  4,
	  { LORA(2, "a,b", NULL), LORA(2, "b", NULL), LORA(2, "b", "a"), LORA(2, "b", "c") },
	  { 1, 0.8f, 0.6f, 0 },
	  { 0 },
	  0 },
	{ &scorer_lora, "never said: has room", 2, { LOAD(0, 0, 0, 0), LORA(1, "b", NULL) }, { 0.8f, 0 }, { 0 }, 0 },
	{ &scorer_lora, "stale", 1, { LORA(4, "a", NULL) }, { UNKNOWN }, { 0 }, 3 * NS_PER_S },
};

static void check_row(const struct scorer_row *row)
{
	static struct view v;
	static struct prefix_hits hits;
	static float score[POOL_REPLICAS_MAX], trust[POOL_REPLICAS_MAX];
	uint16_t slots[ROWS_MAX] = { 0, 1, 2, 3 };
	uint32_t used;
	struct pool *p = pool_of_rows(row->replicas, row->n);
	bool lora = row->scorer == &scorer_lora, prefix = row->scorer == &scorer_prefix;
	struct facts f = { .pool = p, .chain_len = prefix ? 10 : 0, .adapter = lora ? SPAN("a") : SPAN_NONE };
	memset(&v, 0, sizeof v);
	hits.n = 0;
	for (uint32_t i = 0; i < row->n; i++) {
		if (row->hits[i]) {
			hits.slot[hits.n] = (uint16_t)i;
			hits.blocks[hits.n++] = (uint16_t)row->hits[i];
		}
	}
	v.facts = &f;
	v.hits = &hits;
	v.adapter = lora ? pool_model_find_locked(p, f.adapter) : NULL;
	view_gather(&v, p, pool_replicas_locked(p, &used), slots, row->n, T0 + row->age);
	enum knowledge knows = row->scorer->score(&v, score, trust);
	assert_true(knows != KNOWS_NOTHING);
	for (uint32_t i = 0; i < row->n; i++) {
		float got = knows == KNOWS_ALL || trust[i] > 0 ? score[i] : UNKNOWN;
		if (fabsf(got - row->want[i]) > 1e-6f)
			fail_msg("%s, %s, replica %u: %f, not %f", row->scorer->name, row->what, i, (double)got,
				 (double)row->want[i]);
	}
	pool_free(p);
}

static void every_scorer_keeps_its_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		check_row(&rows[i]);
}

static void prefixes_and_adapters_say_nothing_of_requests_without(void **state)
{
	(void)state;
	static struct view v;
	static float score[1], trust[1];
	struct facts f = { 0 };
	v.facts = &f;
	assert_int_equal(scorer_prefix.score(&v, score, trust), KNOWS_NOTHING);
	assert_int_equal(scorer_lora.score(&v, score, trust), KNOWS_NOTHING);
}

static void names_are_the_reference_pickers(void **state)
{
	(void)state;
	static const char *const names[] = {
		"queue-scorer",	       "kv-cache-utilization-scorer", "running-requests-size-scorer",
		"prefix-cache-scorer", "lora-affinity-scorer",	      "active-request-scorer"
	};
	for (unsigned i = 0; i < 6; i++)
		assert_string_equal(sched_plugin_name(i), names[i]);
	assert_null(sched_plugin_name(6));
	assert_null(sched_plugin_name(255));
}

static void a_wrong_profile_is_refused_with_its_reason(void **state)
{
	(void)state;
	static const struct {
		struct sched_weight profile[3];
		const char *text;
	} wrong[] = {
		{ { { "queue-scorer", 1 }, { "quue-scorer", 1 }, { NULL, 0 } }, "there is no scorer \"quue-scorer\"" },
		{ { { "queue-scorer", 1 }, { "queue-scorer", 1 }, { NULL, 0 } },
		  "scorer \"queue-scorer\" stands twice" },
		{ { { "queue-scorer", -1 }, { NULL, 0 } },
		  "the weight of scorer \"queue-scorer\" is not a number from 0 up" },
		{ { { "queue-scorer", NAN }, { NULL, 0 } },
		  "the weight of scorer \"queue-scorer\" is not a number from 0 up" },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err e = { 0 };
		assert_null(sched_new(wrong[i].profile, 1, &e));
		assert_string_equal(e.text, wrong[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scorer_keeps_its_table),
		cmocka_unit_test(prefixes_and_adapters_say_nothing_of_requests_without),
		cmocka_unit_test(names_are_the_reference_pickers),
		cmocka_unit_test(a_wrong_profile_is_refused_with_its_reason),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
