/* Options: every row is sound, values go in and come out, bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "config/config.h"

static union {
	struct config_listener_options listener;
	struct config_pool_options pool;
} options;

static void set_all_defaults(enum option_scope scope)
{
	if (scope == OPTION_LISTENER)
		options.listener = config_listener_options_default();
	else
		options.pool = config_pool_options_default();
}

static void every_default_is_a_value_its_row_takes(void **state)
{
	(void)state;
	size_t n;
	const struct option_row *rows = option_rows(&n);
	assert_true(n > 30);
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };
		char text[OPTION_TEXT_MAX];
		set_all_defaults(rows[i].scope);
		if (option_set(&rows[i], &options, span_str(rows[i].initial), &e))
			fail_msg("%s: %s", rows[i].name, e.text);
		size_t length = option_format(&rows[i], &options, text);
		assert_int_equal(length, strlen(text));
		assert_int_equal(option_set(&rows[i], &options, span_str(text), &e), 0);
		assert_true(strlen(rows[i].help) > 10 && rows[i].help[strlen(rows[i].help) - 1] == '.');
	}
}

/* "maxRequestLine" to "max-request-line". */
static void kebab(const char *name, char *out)
{
	for (; *name; name++) {
		if (*name >= 'A' && *name <= 'Z')
			*out++ = '-';
		*out++ = (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
	}
	*out = 0;
}

static void every_flag_has_the_name_of_its_field(void **state)
{
	(void)state;
	size_t n;
	const struct option_row *rows = option_rows(&n);
	for (size_t i = 0; i < n; i++) {
		char want[OPTION_TEXT_MAX];
		kebab(rows[i].name, want);
		assert_string_equal(rows[i].flag, want);
		assert_ptr_equal(option_find_flag(span_str(want)), &rows[i]); /* so no name stands twice */
	}
	assert_null(option_find_flag(SPAN("no-such-flag")));
	assert_string_equal(option_near_flag(SPAN("queue-timout")), "queue-timeout");
	assert_null(option_near_flag(SPAN("xyzzy")));
}

static void the_defaults_are_those_of_the_design(void **state)
{
	(void)state;
	struct config_listener_options l = config_listener_options_default();
	struct config_pool_options p = config_pool_options_default();
	assert_true(l.body_bytes == 32 << 20 && l.line_bytes == 8192 && l.head_bytes == 65536 && l.fields == 100);
	assert_true(l.head_timeout_ns == 10 * NS_PER_S && l.idle_timeout_ns == 75 * NS_PER_S &&
		    l.drain_ns == 600 * NS_PER_S);
	assert_true(l.half_close == CONFIG_HALF_CLOSE_ABORT && l.client_hints && !l.proxy_protocol &&
		    l.trusted_hops == 0);
	assert_true(p.connect_timeout_ns == NS_PER_S && p.first_byte_timeout_ns == 300 * NS_PER_S &&
		    p.total_timeout_ns == 0);
	assert_true(p.body_hold_bytes == 4 << 20 && p.tries == 3 && p.usage == CONFIG_USAGE_INJECT);
	assert_true(p.queue_requests == 5000 && p.queue_ns == 60 * NS_PER_S && p.eject_permille == 500 &&
		    p.eject_after == 3);
	assert_string_equal(p.health_path, "/health");
}

static void values_out_of_bounds_are_refused_and_change_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *flag, *value, *words;
	} rows[] = {
		{ "max-body", "2Ti", "2Ti is too large; wanted 0 to 1Ti" },
		{ "max-body", "99999999999999999999",
		  "\"99999999999999999999\" is no size; wanted bytes such as 4Mi, 64Ki or 1000" },
		{ "max-body", "16777216Ti", "\"16777216Ti\" is no size; wanted bytes such as 4Mi, 64Ki or 1000" },
		{ "max-headers", "7", "7 is too small; wanted 8 to 128" },
		{ "max-headers", "-1", "\"-1\" is no count; wanted a whole number" },
		{ "head-timeout", "1ms", "1ms is too small; wanted 10ms to 1h" },
		{ "half-close", "abrt", "unknown value \"abrt\"; did you mean \"abort\"?" },
		{ "half-close", "keep-it", "unknown value \"keep-it\"; wanted one of: abort tolerate" },
		{ "proxy-protocol", "yes", "\"yes\" is no truth value; wanted true or false" },
		{ "eject-share", "101%", "101% is too large; wanted 0% to 100%" },
		{ "eject-share", "1.25%", "\"1.25%\" is no share; wanted a percentage such as 50% or 12.5%" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err e = { 0 };
		const struct option_row *row = option_find_flag(span_str(rows[i].flag));
		char before[sizeof options];
		set_all_defaults(row->scope);
		memcpy(before, &options, sizeof options);
		assert_int_equal(option_set(row, &options, span_str(rows[i].value), &e), -PS_ECONFIG);
		assert_string_equal(e.text, rows[i].words);
		assert_memory_equal(before, &options, sizeof options);
	}
}

static void durations_follow_gep_2257(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {
		{ "0s", 0 },
		{ "10s", 10000 },
		{ "250ms", 250 },
		{ "1h30m", 5400000 },
		{ "1h1m1s1ms", 3661001 },
		{ "99999h", 359996400000 },
		{ "", -1 },
		{ "10", -1 },
		{ "s", -1 },
		{ "1.5s", -1 },
		{ "-5s", -1 },
		{ "10 s", -1 },
		{ "100000s", -1 },
		{ "1d", -1 },
		{ "1s1s1s1s1s", -1 },
		{ "1us", -1 },
		{ "10S", -1 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t ns = 7;
		int r = config_duration_parse(span_str(rows[i].text), &ns, NULL);
		assert_int_equal(r, rows[i].ms < 0 ? -PS_ECONFIG : 0);
		assert_true(ns == (rows[i].ms < 0 ? 7 : (uint64_t)rows[i].ms * NS_PER_MS));
	}
}

static void sizes_have_binary_and_decimal_suffixes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t bytes;
	} rows[] = {
		{ "0", 0 },
		{ "1000", 1000 },
		{ "4Mi", 4 << 20 },
		{ "64Ki", 65536 },
		{ "1k", 1000 },
		{ "5M", 5000000 },
		{ "2Gi", INT64_C(2) << 30 },
		{ "", -1 },
		{ "Mi", -1 },
		{ "4MB", -1 },
		{ "4mi", -1 },
		{ "1.5Mi", -1 },
		{ "-1", -1 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t bytes = 7;
		int r = config_size_parse(span_str(rows[i].text), &bytes, NULL);
		assert_int_equal(r, rows[i].bytes < 0 ? -PS_ECONFIG : 0);
		assert_true(bytes == (rows[i].bytes < 0 ? 7 : (uint64_t)rows[i].bytes));
	}
}

static void values_are_written_as_they_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *flag, *value, *shown;
	} rows[] = {
		{ "head-timeout", "1500ms", "1s500ms" },
		{ "head-timeout", "90s", "90s" },
		{ "head-timeout", "10ms", "10ms" },
		{ "total-timeout", "168h", "168h0s" },
		{ "max-body", "1048576", "1Mi" },
		{ "max-body", "1000", "1000" },
		{ "eject-share", "12.5", "12.5%" },
		{ "usage", "off", "off" },
		{ "health-path", "", "" },
		{ "client-hints", "false", "false" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[OPTION_TEXT_MAX];
		const struct option_row *row = option_find_flag(span_str(rows[i].flag));
		set_all_defaults(row->scope);
		assert_int_equal(option_set(row, &options, span_str(rows[i].value), NULL), 0);
		(void)option_format(row, &options, text);
		assert_string_equal(text, rows[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_a_value_its_row_takes),
		cmocka_unit_test(every_flag_has_the_name_of_its_field),
		cmocka_unit_test(the_defaults_are_those_of_the_design),
		cmocka_unit_test(values_out_of_bounds_are_refused_and_change_nothing),
		cmocka_unit_test(durations_follow_gep_2257),
		cmocka_unit_test(sizes_have_binary_and_decimal_suffixes),
		cmocka_unit_test(values_are_written_as_they_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
