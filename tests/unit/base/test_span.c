/* Borrowed text: searching, cutting, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void numbers_are_digits_only(void **state)
{
	(void)state;
	static const struct {
		struct span text;
		bool good;
		uint64_t value;
	} cases[] = {
		{ SPAN("0"), true, 0 },
		{ SPAN("007"), true, 7 },
		{ SPAN("18446744073709551615"), true, UINT64_MAX },
		{ SPAN("18446744073709551616"), false, 0 },
		{ SPAN("99999999999999999999999"), false, 0 },
		{ SPAN(""), false, 0 },
		{ SPAN("+1"), false, 0 },
		{ SPAN("-1"), false, 0 },
		{ SPAN(" 1"), false, 0 },
		{ SPAN("1 "), false, 0 },
		{ SPAN("1x"), false, 0 },
		{ SPAN("0x1"), false, 0 },
		{ SPAN("1\0"), false, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 42;
		assert_int_equal(span_to_u64(cases[i].text, &value), cases[i].good);
		assert_int_equal(value, cases[i].good ? cases[i].value : 42);
	}
}

static void cutting_gives_both_parts(void **state)
{
	(void)state;
	struct span rest, text = SPAN("a=b=c");
	assert_true(span_eq(span_cut(text, '=', &rest), SPAN("a")));
	assert_true(span_eq(rest, SPAN("b=c")));
	assert_true(span_eq(span_cut(rest, ';', &rest), SPAN("b=c")));
	assert_int_equal(rest.n, 0);
	assert_int_equal(span_cut(SPAN_NONE, '=', &rest).n, 0);
	assert_int_equal(span_cut(SPAN("="), '=', &rest).n + rest.n, 0);
}

static void searching_agrees_with_looking(void **state)
{
	(void)state;
	struct rng r;
	rng_seed(&r, 3);
	for (int i = 0; i < 20000; i++) {
		char text[12], what[3];
		size_t n = rng_below(&r, sizeof text + 1), k = rng_below(&r, sizeof what + 1);
		for (size_t j = 0; j < n; j++)
			text[j] = (char)('a' + rng_below(&r, 2));
		for (size_t j = 0; j < k; j++)
			what[j] = (char)('a' + rng_below(&r, 2));
		ptrdiff_t found = -1;
		for (size_t at = 0; at + k <= n && found < 0; at++)
			found = memcmp(text + at, what, k) == 0 ? (ptrdiff_t)at : -1;
		struct span s = span_of(text, n), w = span_of(what, k);
		assert_int_equal(span_search(s, w), found);
		assert_int_equal(span_starts(s, w), k <= n && memcmp(text, what, k) == 0);
		assert_int_equal(span_ends(s, w), k <= n && memcmp(text + n - k, what, k) == 0);
	}
}

static void blanks_go_and_case_is_ignored(void **state)
{
	(void)state;
	assert_true(span_eq(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
	assert_int_equal(span_trim(SPAN(" \t ")).n, 0);
	assert_true(span_eq_nocase(SPAN("Content-Length"), SPAN("cONTENT-lENGTH")));
	assert_false(span_eq_nocase(SPAN("[a"), SPAN("{a"))); /* 0x20 apart, but no letters */
	assert_false(span_eq_nocase(SPAN("a"), SPAN("ab")));
}

static void copies_end_in_nul_and_are_cut(void **state)
{
	(void)state;
	char small[4];
	assert_int_equal(span_copy(small, sizeof small, SPAN("abcdef")), 3);
	assert_string_equal(small, "abc");
	assert_int_equal(span_copy(small, sizeof small, SPAN_NONE), 0);
	assert_string_equal(small, "");
	char *z = span_dup(SPAN("abc"));
	assert_non_null(z);
	assert_string_equal(z, "abc");
	free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_digits_only),	 cmocka_unit_test(cutting_gives_both_parts),
		cmocka_unit_test(searching_agrees_with_looking), cmocka_unit_test(blanks_go_and_case_is_ignored),
		cmocka_unit_test(copies_end_in_nul_and_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
