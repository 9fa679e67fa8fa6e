/* Timers against a naive model: each fires once, never early, at most a tick late when the wheel is advanced in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/internal.h"

enum { TIMERS = 500, STEPS = 40000 };

static struct fixture {
	struct wheel wheel;
	struct timer timer[TIMERS];
	uint64_t due[TIMERS]; /* 0: not set */
	uint64_t last_advance, now;
	unsigned fired;
} f;

static void on_fire(struct timer *t, uint64_t now)
{
	size_t i = (size_t)(t - f.timer);
	assert_true(f.due[i] != 0);
	assert_true(f.due[i] <= now);
	/* it was not due at the last advance, or it was set since */
	f.due[i] = 0;
	f.fired++;
}

static void set(size_t i, uint64_t at)
{
	list_remove(&f.timer[i].node);
	f.timer[i].at_ns = at;
	f.due[i] = at;
	wheel_add(&f.wheel, &f.timer[i]);
}

static void check_none_is_late(uint64_t now)
{
	for (size_t i = 0; i < TIMERS; i++)
		assert_true(f.due[i] == 0 || f.due[i] + 2 * WHEEL_TICK_NS > now);
}

static void random_timers_fire_once_and_in_time(void **state)
{
	(void)state;
	struct rng r;
	rng_seed(&r, 7);
	f = (struct fixture){ .now = 123456789 };
	wheel_init(&f.wheel, f.now);
	for (size_t i = 0; i < TIMERS; i++)
		timer_init(&f.timer[i], on_fire);
	for (int s = 0; s < STEPS; s++) {
		size_t i = (size_t)rng_below(&r, TIMERS);
		uint64_t span = (uint64_t)1 << rng_below(&r, 44);
		if (rng_below(&r, 4)) {
			set(i, f.now + rng_below(&r, span));
		} else {
			timer_clear(&f.timer[i]);
			f.due[i] = 0;
		}
		if (rng_below(&r, 3) == 0) {
			f.now += rng_below(&r, (uint64_t)1 << rng_below(&r, 40));
			wheel_advance(&f.wheel, f.now);
			check_none_is_late(f.now);
		}
	}
	assert_true(f.fired > 1000);
}

static void the_next_event_is_never_after_a_timer(void **state)
{
	(void)state;
	f = (struct fixture){ .now = NS_PER_S };
	wheel_init(&f.wheel, f.now);
	timer_init(&f.timer[0], on_fire);
	assert_true(wheel_next_ns(&f.wheel) == UINT64_MAX);
	for (uint64_t after = 1; after < UINT64_C(1) << 45; after *= 3) {
		set(0, f.now + after);
		unsigned before = f.fired;
		for (int turns = 0; f.fired == before; turns++) {
			uint64_t next = wheel_next_ns(&f.wheel);
			assert_true(next <= f.due[0] + 2 * WHEEL_TICK_NS);
			assert_true(turns < 400);
			f.now = next > f.now ? next : f.now + WHEEL_TICK_NS;
			wheel_advance(&f.wheel, f.now);
		}
	}
}

static struct timer again;
static unsigned rounds;

static void on_again(struct timer *t, uint64_t now)
{
	rounds++;
	t->at_ns = now;
	wheel_add(&f.wheel, t);
}

static void a_timer_set_for_now_while_it_fires_waits_for_the_next_advance(void **state)
{
	(void)state;
	f = (struct fixture){ .now = NS_PER_S };
	wheel_init(&f.wheel, f.now);
	timer_init(&again, on_again);
	again.at_ns = f.now;
	wheel_add(&f.wheel, &again);
	for (unsigned i = 1; i <= 10; i++) {
		f.now += 10 * WHEEL_TICK_NS;
		wheel_advance(&f.wheel, f.now);
		assert_in_range(rounds, i, 2 * i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_timers_fire_once_and_in_time),
		cmocka_unit_test(the_next_event_is_never_after_a_timer),
		cmocka_unit_test(a_timer_set_for_now_while_it_fires_waits_for_the_next_advance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
