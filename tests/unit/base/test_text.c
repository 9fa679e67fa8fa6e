/* JSON strings, UTF-8, error messages, random numbers, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void strings_are_escaped(void **state)
{
	(void)state;
	static const struct {
		struct span in, out;
	} cases[] = {
		{ SPAN(""), SPAN("\"\"") },
		{ SPAN("plain"), SPAN("\"plain\"") },
		{ SPAN("a\"b\\c"), SPAN("\"a\\\"b\\\\c\"") },
		{ SPAN("\n\r\t\b\f"), SPAN("\"\\n\\r\\t\\b\\f\"") },
		{ SPAN("\x01\x1f\0"), SPAN("\"\\u0001\\u001f\\u0000\"") },
		{ SPAN("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), SPAN("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"") },
		{ SPAN("a\xffz"), SPAN("\"a\xef\xbf\xbdz\"") },
		{ SPAN("\xed\xa0\x80"), SPAN("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"") }, /* a surrogate */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;
		buf_init(&b, 100);
		assert_int_equal(json_add_string(&b, cases[i].in), 0);
		assert_true(span_eq(buf_span(&b), cases[i].out));
		buf_free(&b);
	}
}

/* Every code point written by hand is taken with its length; every cut of it, and every form longer than it need be, is
 * not. */
static void utf8_is_exact(void **state)
{
	(void)state;
	for (uint32_t c = 0; c <= 0x110000; c++) {
		char u[4] = { (char)c };
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
		uint32_t rest = c;
		for (size_t i = n; n > 1 && i-- > 1; rest >>= 6)
			u[i] = (char)(0x80 | (rest & 0x3f));
		if (n > 1)
			u[0] = (char)(lead[n] | rest);
		bool good = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
		assert_int_equal(utf8_length(u, n), good ? n : 0);
		assert_int_equal(utf8_length(u, n - 1), 0);
	}
	assert_int_equal(utf8_length("\xc0\x80", 2), 0);
	assert_int_equal(utf8_length("\xe0\x80\x80", 3), 0);
	assert_int_equal(utf8_length("\xf0\x80\x80\x80", 4), 0);
	assert_int_equal(utf8_length("\x80", 1), 0);
}

static void every_error_has_a_row(void **state)
{
	(void)state;
	for (int i = 1; i < PS_ERROR_COUNT; i++) {
		const struct error_row *row = error_row(-i);
		assert_ptr_equal(row, error_row(i));
		assert_true(row->name && row->code && row->text);
		assert_true(row->status == 0 || (row->status >= 400 && row->status < 600));
		for (int j = 1; j < i; j++)
			assert_string_not_equal(row->code, error_row(j)->code);
	}
	assert_string_equal(error_row(9999)->name, "EINVAL");
}

static void messages_are_bounded_and_prefixed(void **state)
{
	(void)state;
	struct err e = { 0 };
	char longer[600];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(err_set(&e, -PS_ECUT, "%s", "why"), -PS_ECUT);
	err_prefix(&e, "file:%d: ", 3);
	assert_string_equal(e.text, "file:3: why");
	assert_int_equal(err_set(&e, PS_ECUT, "%s", longer), -PS_ECUT);
	err_prefix(&e, "%s", "p: ");
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_int_equal(strncmp(e.text, "p: xxx", 6), 0);
	assert_int_equal(err_set(NULL, PS_ECUT, "nobody listens"), -PS_ECUT);
}

static void a_seed_gives_a_run_back(void **state)
{
	(void)state;
	struct rng a, b;
	uint32_t seen[7] = { 0 };
	rng_seed(&a, 9);
	rng_seed(&b, 9);
	for (int i = 0; i < 7000; i++) {
		uint64_t x = rng_below(&a, 7);
		double u = rng_unit(&a);
		assert_int_equal(x, rng_below(&b, 7));
		assert_true(u == rng_unit(&b) && u >= 0.0 && u < 1.0);
		seen[x]++;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 850, 1150); /* 1000 ± 5 standard deviations */
	assert_int_equal(rng_below(&a, 0), 0);
}

static void hashes_tell_texts_apart(void **state)
{
	(void)state;
	struct map m;
	static char texts[2000][8];
	map_init(&m, COUNT(texts) * 2);
	for (size_t i = 0; i < COUNT(texts); i++) {
		int n = snprintf(texts[i], sizeof texts[i], "%zu", i);
		struct span s = span_of(texts[i], (size_t)n);
		assert_int_equal(hash_keyed(s), hash_keyed(s));
		assert_null(map_find_u64(&m, hash_bytes(s)));
		assert_int_equal(map_put_u64(&m, hash_bytes(s), texts[i]), 0);
		assert_null(map_find_u64(&m, hash_keyed(s)));
		assert_int_equal(map_put_u64(&m, hash_keyed(s), texts[i]), 0);
	}
	assert_int_not_equal(hash_mix(1, 2), hash_mix(2, 1));
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_escaped),	   cmocka_unit_test(utf8_is_exact),
		cmocka_unit_test(every_error_has_a_row),   cmocka_unit_test(messages_are_bounded_and_prefixed),
		cmocka_unit_test(a_seed_gives_a_run_back), cmocka_unit_test(hashes_tell_texts_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
