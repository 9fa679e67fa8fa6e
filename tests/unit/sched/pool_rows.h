/* A pool to pick from, described in rows. For the tests of sched. */
#ifndef TESTS_SCHED_POOL_ROWS_H
#define TESTS_SCHED_POOL_ROWS_H

#include <stdio.h>

#include "sched/sched.h"

#define T0 (100 * NS_PER_S)

/* NAN: not said. */
struct replica_row {
	double queued, running, kv_used;
	uint32_t in_flight;
	double max_lora;
	const char *lora_running, *lora_waiting;
};

/* Its load; it says nothing of adapters. */
#define LOAD(q, r, kv, n)                                                                                              \
	{                                                                                                              \
		.queued = q, .running = r, .kv_used = kv, .in_flight = n, .max_lora = NAN                              \
	}
/* Idle, with adapters: how many fit, which run, which wait. */
#define LORA(max, runs, waits)                                                                                         \
	{                                                                                                              \
		.max_lora = max, .lora_running = runs, .lora_waiting = waits                                           \
	}

static inline uint64_t pool_add_row(struct pool *p, uint32_t number, const struct replica_row *row, uint64_t now)
{
	char text[32];
	struct address a;
	uint64_t id;
	(void)snprintf(text, sizeof text, "10.%u.%u.1:80", number / 250 % 250, number % 250);
	assert_int_equal(address_parse(&a, span_str(text), NULL), 0);
	assert_int_equal(pool_added(p, span_str(text), &a, 0, now, &id), 0);
	struct signals s = { row->queued,
			     row->running,
			     row->kv_used,
			     NAN,
			     NAN,
			     row->max_lora,
			     span_str(row->lora_running),
			     span_str(row->lora_waiting) };
	pool_on_scrape(p, id, ENGINE_VLLM, &s, now);
	for (uint32_t i = 0; i < row->in_flight; i++)
		(void)pool_dispatched_locked(p, pool_replica_locked(p, id), 0, now);
	return id;
}

static inline struct pool *pool_of_rows(const struct replica_row *rows, uint32_t n)
{
	struct pool_options o = pool_options_default();
	struct pool *p = pool_new(&o);
	for (uint32_t i = 0; i < n; i++)
		(void)pool_add_row(p, i, &rows[i], T0);
	return p;
}

#endif
