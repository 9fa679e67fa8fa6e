/* The map against a naive model under random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/base.h"

enum { KEYS = 300, STEPS = 200000 };

static void numbers_behave_like_an_array(void **state)
{
	(void)state;
	struct map m;
	struct rng r;
	char *model[KEYS] = { 0 };
	static char cells[KEYS];
	uint32_t count = 0;
	map_init(&m, KEYS);
	rng_seed(&r, 1);
	for (int i = 0; i < STEPS; i++) {
		size_t k = (size_t)rng_below(&r, KEYS);
		if (rng_below(&r, 2)) {
			count += !model[k];
			model[k] = &cells[k];
			assert_int_equal(map_put_u64(&m, k, &cells[k]), 0);
		} else {
			count -= !!model[k];
			assert_ptr_equal(map_take_u64(&m, k), model[k]);
			model[k] = NULL;
		}
		k = (size_t)rng_below(&r, KEYS);
		assert_ptr_equal(map_find_u64(&m, k), model[k]);
		assert_int_equal(m.count, count);
	}
	map_free(&m);
}

static void texts_are_found_and_the_bound_holds(void **state)
{
	(void)state;
	struct map m;
	static char names[KEYS][8];
	map_init(&m, KEYS - 1);
	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(names[i], sizeof names[i], "k%d", i);
		int want = i < KEYS - 1 ? 0 : -PS_ETOOBIG;
		assert_int_equal(map_put(&m, span_str(names[i]), names[i]), want);
	}
	assert_ptr_equal(map_find(&m, SPAN("k17")), names[17]);
	assert_null(map_find(&m, SPAN("k299")));
	assert_null(map_find(&m, SPAN("")));
	assert_ptr_equal(map_take(&m, SPAN("k17")), names[17]);
	assert_null(map_find(&m, SPAN("k17")));
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_behave_like_an_array),
		cmocka_unit_test(texts_are_found_and_the_bound_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
