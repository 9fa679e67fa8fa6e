/* The cells of the prefix index against an array, with hashes that crowd into few buckets: overflowing, wrapping around
 * the table's end, and moving back when one goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pool/prefix_cells.h"

enum { HASHES = 300, STEPS = 40000 };

/* Few homes, most of them at the end of a table of any size. */
static uint64_t crowded(uint64_t i)
{
	return (i + 1) << 32 | (UINT32_MAX - i % 5);
}

static void check_all(const struct table *t, const uint32_t *node)
{
	for (uint64_t i = 0; i < HASHES; i++) {
		const struct cell *c = cells_find(t, crowded(i));
		assert_int_equal(c != NULL, node[i] != 0);
		if (c)
			assert_int_equal(cell_node(c, 7), node[i]);
	}
}

static void crowded_cells_are_found_while_others_come_and_go(void **state)
{
	(void)state;
	struct table t = { .used = 0 };
	_Atomic uint64_t bytes = 0;
	uint32_t node[HASHES] = { 0 }, used = 0;
	struct rng r;
	uint64_t seed = rng_entropy();
	print_message("seed %llu\n", (unsigned long long)seed);
	rng_seed(&r, seed);
	for (uint32_t step = 1; step <= STEPS; step++) {
		uint64_t i = rng_below(&r, step / 4000 % 2 ? HASHES : HASHES / 10);
		if (node[i] == 0) {
			struct cell *c = cells_make(&bytes, &t, crowded(i));
			assert_non_null(c);
			assert_int_equal(cell_add(&bytes, c, 7, step), 0);
			node[i] = step;
			used++;
		} else {
			struct cell *c = cells_find(&t, crowded(i));
			assert_non_null(c);
			cell_drop(c, 7);
			assert_false(cell_is_held(c));
			cells_remove(&bytes, &t, c);
			node[i] = 0;
			used--;
		}
		assert_int_equal(t.used, used);
		if (step % 16 == 0)
			check_all(&t, node);
	}
	cells_free(&t);
}

static void a_list_counts_its_bytes_and_gives_them_back(void **state)
{
	(void)state;
	enum { HOLDERS = 500 };
	struct table t = { .used = 0 };
	_Atomic uint64_t bytes = 0;
	struct cell *c = cells_make(&bytes, &t, 5);
	assert_non_null(c);
	uint64_t empty = bytes;
	for (uint32_t i = 0; i < HOLDERS; i++)
		assert_int_equal(cell_add(&bytes, c, i * 37 % HOLDERS * 8, i + 1), 0);
	for (uint32_t i = 0; i < HOLDERS; i++)
		assert_int_equal(cell_node(c, i * 37 % HOLDERS * 8), i + 1);
	assert_int_equal(cell_node(c, 1), 0);
	assert_true(bytes - empty < 8 * HOLDERS + 1024);
	for (uint32_t i = 0; i < HOLDERS; i++) {
		assert_true(cell_is_held(c));
		cell_drop(c, i * 8);
		assert_int_equal(cell_node(c, i * 8), 0);
	}
	assert_false(cell_is_held(c));
	cells_remove(&bytes, &t, c);
	assert_int_equal(bytes, empty);
	cells_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crowded_cells_are_found_while_others_come_and_go),
		cmocka_unit_test(a_list_counts_its_bytes_and_gives_them_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
