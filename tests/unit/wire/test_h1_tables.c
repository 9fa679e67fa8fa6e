/* Octet classes against the grammar written out, the index of field names, reasons and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "wire/h1_private.h"

static bool is_alnum(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(int c, const char *set)
{
	return c && strchr(set, c);
}

static void octet_classes_are_the_grammars(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool visible = c > 0x20 && c < 0x7f;
		bool hex = (c >= '0' && c <= '9') || is_one_of(c, "abcdefABCDEF");
		assert_int_equal(h1_is((char)c, C_TOKEN), is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~"));
		assert_int_equal(h1_is((char)c, C_VALUE), visible || c == ' ' || c == '\t' || c >= 0x80);
		assert_int_equal(h1_is((char)c, C_LINE), visible || c == ' ');
		assert_int_equal(h1_is((char)c, C_PATH), is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=:@%/[]^|"));
		assert_int_equal(h1_is((char)c, C_QUERY), visible && !is_one_of(c, "\"#<>"));
		assert_int_equal(h1_is((char)c, C_NAME), is_alnum(c) || is_one_of(c, "-._~"));
		assert_int_equal(h1_is((char)c, C_HEX), hex);
	}
}

static void values_are_checked_the_same_at_every_place(void **state)
{
	(void)state;
	char p[40];
	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < sizeof p; at++) {
			memset(p, 'a', sizeof p);
			p[at] = (char)c;
			assert_int_equal(h1_is_value(span_of(p, sizeof p)), h1_is((char)c, C_VALUE));
			/* Beside an octet of the upper half and a tab, which the quick look must not mistake. */
			p[(at + 1) % sizeof p] = '\x80';
			p[(at + 2) % sizeof p] = '\t';
			assert_int_equal(h1_is_value(span_of(p, sizeof p)), h1_is((char)c, C_VALUE));
		}
	}
	assert_true(h1_is_value(SPAN_NONE));
	assert_false(h1_is_token(SPAN_NONE));
	assert_false(h1_is_token(SPAN("a b")));
	assert_true(h1_is_token(SPAN("x-a_b!")));
}

static const struct {
	enum h1_name id;
	const char *text;
	unsigned flags;
} known[] = {
#define H1_FIELD(id, text, flags) { H1_##id, text, flags },
#include "wire/fields.def"
#undef H1_FIELD
};

static void known_fields_are_found_in_any_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		char p[64];
		size_t n = span_copy(p, sizeof p, span_str(known[i].text));
		assert_int_equal(h1_name_find(span_of(p, n)), known[i].id);
		assert_int_equal(h1_field_flags(known[i].id), known[i].flags);
		for (size_t k = 0; k < n; k += 2)
			if (p[k] >= 'a' && p[k] <= 'z')
				p[k] = (char)(p[k] - 32);
		assert_int_equal(h1_name_find(span_of(p, n)), known[i].id);
		assert_int_equal(h1_name_find(span_of(p, n - 1)), H1_OTHER);
		p[n] = 's';
		assert_int_equal(h1_name_find(span_of(p, n + 1)), H1_OTHER);
		p[n / 2] = '~';
		assert_int_equal(h1_name_find(span_of(p, n)), H1_OTHER);
	}
	assert_int_equal(h1_name_find(SPAN_NONE), H1_OTHER);
	assert_int_equal(h1_field_flags(H1_OTHER), 0);
	assert_int_equal(h1_field_flags(H1_NAME_COUNT), 0);
}

static void every_status_of_the_error_table_has_a_reason(void **state)
{
	(void)state;
	for (int code = 1; code < PS_ERROR_COUNT; code++)
		if (error_row(code)->status)
			assert_string_not_equal(h1_reason(error_row(code)->status), "Unknown");
	assert_string_equal(h1_reason(200), "OK");
	assert_string_equal(h1_reason(299), "Unknown");
	assert_string_equal(h1_reason(-1), "Unknown");
	assert_string_equal(h1_reason(600), "Unknown");
}

static void lists_give_every_element(void **state)
{
	(void)state;
	struct span list = SPAN(" a,, b\t,c d ,"), item;
	const char *want[] = { "a", "", "b", "c d", "" };
	for (size_t i = 0; i < 5; i++) {
		assert_true(h1_list_next(&list, &item));
		assert_true(span_eq(item, span_str(want[i])));
	}
	assert_false(h1_list_next(&list, &item));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(octet_classes_are_the_grammars),
		cmocka_unit_test(values_are_checked_the_same_at_every_place),
		cmocka_unit_test(known_fields_are_found_in_any_case),
		cmocka_unit_test(every_status_of_the_error_table_has_a_reason),
		cmocka_unit_test(lists_give_every_element),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
