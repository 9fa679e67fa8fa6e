/* The queue: order of arrival, bound, deadlines; against a naive model under random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow/flow.h"

enum { ITEMS = 64, STEPS = 200000 };

static void items_leave_in_order_of_arrival_whatever_order_they_come_in(void **state)
{
	(void)state;
	static const uint64_t arrivals[] = { 5, 7, 6, 9, 1, 8, 2, 7, 3 };
	enum { N = sizeof arrivals / sizeof arrivals[0] };
	struct flow_item items[N];
	struct flow_queue q;
	flow_queue_init(&q, N);
	for (int i = 0; i < N; i++) {
		items[i] = (struct flow_item){ .arrived_ns = arrivals[i], .deadline_ns = 100, .bytes = 10 };
		assert_int_equal(flow_queue_push(&q, &items[i]), 0);
	}
	assert_int_equal(q.count, N);
	assert_int_equal(q.bytes, 10 * N);
	uint64_t last = 0;
	for (struct flow_item *it; (it = flow_queue_head(&q));) {
		assert_true(it->arrived_ns >= last);
		assert_false(it == &items[7] && last < 7); /* equal arrivals: the one pushed first leaves first */
		last = it->arrived_ns;
		flow_queue_remove(&q, it);
	}
	assert_int_equal(q.count, 0);
	assert_int_equal(q.bytes, 0);
}

static void a_full_queue_takes_back_only_what_had_its_place(void **state)
{
	(void)state;
	struct flow_item a = { .arrived_ns = 2 }, b = { .arrived_ns = 1 }, c = { .arrived_ns = 1 };
	struct flow_queue q;
	flow_queue_init(&q, 1);
	assert_int_equal(flow_queue_push(&q, &a), 0);
	assert_int_equal(flow_queue_push(&q, &b), -PS_EQUEUEFULL);
	assert_int_equal(q.count, 1);
	flow_queue_push_back_in(&q, &c);
	assert_ptr_equal(flow_queue_head(&q), &c);
	assert_ptr_equal(flow_queue_after(&q, &c), &a);
	assert_null(flow_queue_after(&q, &a));
}

/* ---- naive: an unsorted array ---- */

struct model {
	struct flow_item item;
	uint64_t pushed; /* when, to order equal arrivals; 0: not in the queue */
};

static struct flow_item *model_head(struct model *m)
{
	struct model *best = NULL;
	for (int i = 0; i < ITEMS; i++)
		if (m[i].pushed && (!best || m[i].item.arrived_ns < best->item.arrived_ns ||
				    (m[i].item.arrived_ns == best->item.arrived_ns && m[i].pushed < best->pushed)))
			best = &m[i];
	return best ? &best->item : NULL;
}

static uint64_t model_soonest(const struct model *m)
{
	uint64_t soonest = UINT64_MAX;
	for (int i = 0; i < ITEMS; i++)
		if (m[i].pushed && m[i].item.deadline_ns < soonest)
			soonest = m[i].item.deadline_ns;
	return soonest;
}

static void random_operations_equal_the_naive_model(void **state)
{
	(void)state;
	static struct model m[ITEMS];
	struct flow_queue q;
	struct rng r;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	flow_queue_init(&q, ITEMS);
	for (uint64_t step = 1; step <= STEPS; step++) {
		struct model *x = &m[rng_below(&r, ITEMS)];
		if (x->pushed) {
			flow_queue_remove(&q, &x->item);
			x->pushed = 0;
		} else {
			x->item = (struct flow_item){ .arrived_ns = rng_below(&r, 50),
						      .deadline_ns = rng_below(&r, 50) };
			x->pushed = step;
			assert_int_equal(flow_queue_push(&q, &x->item), 0);
		}
		assert_ptr_equal(flow_queue_head(&q), model_head(m));
		uint64_t now = rng_below(&r, 50), soonest = model_soonest(m);
		struct flow_item *late = flow_queue_expired(&q, now);
		if (soonest <= now)
			assert_true(late && late->deadline_ns == soonest);
		else
			assert_null(late);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_leave_in_order_of_arrival_whatever_order_they_come_in),
		cmocka_unit_test(a_full_queue_takes_back_only_what_had_its_place),
		cmocka_unit_test(random_operations_equal_the_naive_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
