/* Growable bytes against a plain array, and memory that is freed all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { MAX = 5000, STEPS = 20000 };

static void a_buffer_behaves_like_an_array(void **state)
{
	(void)state;
	static char model[MAX], chunk[600];
	size_t n = 0;
	struct buf b;
	struct rng r;
	buf_init(&b, MAX);
	rng_seed(&r, 5);
	for (int i = 0; i < STEPS; i++) {
		size_t k = (size_t)rng_below(&r, sizeof chunk);
		if (rng_below(&r, 2)) {
			memset(chunk, (int)rng_below(&r, 256), k);
			int want = k && n + k > MAX ? -PS_ETOOBIG : 0;
			assert_int_equal(buf_add(&b, span_of(chunk, k)), want);
			if (want == 0) {
				memcpy(model + n, chunk, k);
				n += k;
			}
		} else {
			k = k < n ? k : n;
			buf_skip(&b, k);
			memmove(model, model + k, n - k);
			n -= k;
		}
		assert_int_equal(buf_len(&b), n);
		assert_true(span_eq(buf_span(&b), span_of(model, n)));
		assert_true(b.cap <= MAX);
	}
	buf_free(&b);
	assert_int_equal(b.cap, 0);
	assert_int_equal(b.max, MAX);
}

static void printing_is_whole_or_not_at_all(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 16);
	assert_int_equal(buf_printf(&b, "%d-%s", 12, "abc"), 0);
	assert_int_equal(buf_printf(&b, "%s", "0123456789"), -PS_ETOOBIG);
	assert_true(span_eq(buf_span(&b), SPAN("12-abc")));
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_free(&b);
}

static void an_arena_gives_zeroed_aligned_memory_up_to_its_bound(void **state)
{
	(void)state;
	struct arena a;
	size_t taken = 0;
	arena_init(&a, 64 * 1024);
	for (size_t n = 1;; n = n * 3 % 4001 + 1) {
		char *p = arena_alloc(&a, n);
		if (!p)
			break;
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
		taken += n;
	}
	assert_in_range(taken, 32 * 1024, 64 * 1024);
	assert_true(a.total <= a.max);
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_free(&a);
	assert_true(span_eq(arena_dup(&a, SPAN("again")), SPAN("again")));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_behaves_like_an_array),
		cmocka_unit_test(printing_is_whole_or_not_at_all),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_up_to_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
