/* Addresses as text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/base.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void addresses_come_back_as_they_were(void **state)
{
	(void)state;
	static const struct {
		const char *text, *again, *host;
	} cases[] = {
		{ "10.0.0.1:8000", "10.0.0.1:8000", "10.0.0.1" },
		{ "[::1]:8000", "[::1]:8000", "::1" },
		{ "[2001:0db8::0001]:1", "[2001:db8::1]:1", "2001:db8::1" },
		{ ":65535", "[::]:65535", "::" },
		{ "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1" },
		{ "unix:/run/p.sock", "unix:/run/p.sock", "unix:/run/p.sock" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address a, b;
		char text[ADDRESS_TEXT_MAX];
		assert_int_equal(address_parse(&a, span_str(cases[i].text), NULL), 0);
		address_format(&a, text);
		assert_string_equal(text, cases[i].again);
		assert_int_equal(address_parse(&b, span_str(text), NULL), 0);
		assert_true(address_eq(&a, &b));
		address_format_host(&a, text);
		assert_string_equal(text, cases[i].host);
	}
}

static void what_is_no_address_is_refused_in_words(void **state)
{
	(void)state;
	static const struct span cases[] = {
		SPAN(""),
		SPAN("10.0.0.1"),
		SPAN("10.0.0.1:"),
		SPAN("10.0.0.1:65536"),
		SPAN("10.0.0.1:-1"),
		SPAN("::1:8000"),
		SPAN("[::1:8000"),
		SPAN("localhost:80"),
		SPAN("10.0.0:80"),
		SPAN("10.0.0.256:80"),
		SPAN("10.0.0.1:80 "),
		SPAN("10.0.0.1\0:80"),
		SPAN("unix:"),
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address a;
		struct err e = { 0 };
		assert_int_equal(address_parse(&a, cases[i], &e), -PS_EINVAL);
		assert_int_equal(e.code, PS_EINVAL);
		assert_true(strlen(e.text) > 0);
	}
}

static void ports_are_read_and_changed(void **state)
{
	(void)state;
	struct address a, b;
	assert_int_equal(address_from_host(&a, SPAN("[::1]"), 80, NULL), 0);
	b = a;
	assert_int_equal(address_port(&a), 80);
	address_set_port(&a, 81);
	assert_int_equal(address_port(&a), 81);
	assert_false(address_eq(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_back_as_they_were),
		cmocka_unit_test(what_is_no_address_is_refused_in_words),
		cmocka_unit_test(ports_are_read_and_changed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
