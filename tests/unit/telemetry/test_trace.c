/* Trace context: what is taken over, what begins a trace of its own, what is sent on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "telemetry/telemetry.h"

#define IDS "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"

static const struct {
	const char *header;
	bool taken;
	uint8_t flags;
} cases[] = {
	{ "00-" IDS "-01", true, 1 },
	{ "00-" IDS "-00", true, 0 },
	{ "00-" IDS "-ff", true, 1 }, /* unknown flags are not sent on */
	{ "cc-" IDS "-01", true, 1 },
	{ "cc-" IDS "-01-what-the-future-brings", true, 1 },
	{ "cc-" IDS "-01.what", false, 1 },
	{ "00-" IDS "-01-more", false, 1 }, /* version 00 ends there */
	{ "ff-" IDS "-01", false, 1 },
	{ "", false, 1 },
	{ "00", false, 1 },
	{ "00-" IDS "-0", false, 1 },
	{ "00-" IDS "-0g", false, 1 },
	{ "0x-" IDS "-01", false, 1 },
	{ "00_" IDS "-01", false, 1 },
	{ "00-" IDS "_01", false, 1 },
	{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false, 1 },
	{ "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false, 1 },
	{ "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false, 1 },
	{ "00-00000000000000010000000000000000-00f067aa0ba902b7-01", true, 1 },
};

static void a_valid_parent_is_taken_over_and_anything_else_begins_a_trace(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct rng r;
		struct trace t;
		char out[56];
		rng_seed(&r, i);
		trace_begin(&t, span_str(cases[i].header), &r);
		trace_format(&t, out);
		print_message("%s\n", cases[i].header);
		assert_int_equal(t.remote, cases[i].taken);
		assert_int_equal(t.flags, cases[i].flags);
		assert_int_equal(strlen(out), 55);
		assert_true(t.span != 0 && (t.trace_hi | t.trace_lo) != 0);
		assert_int_equal(t.parent != 0, cases[i].taken);
		if (cases[i].taken)
			assert_memory_equal(out + 3, cases[i].header + 3, 32);
	}
}

static void what_is_sent_on_is_read_back(void **state)
{
	(void)state;
	struct rng r;
	struct trace t, next;
	char out[56];
	rng_seed(&r, 7);
	trace_begin(&t, SPAN("00-" IDS "-01"), &r);
	trace_format(&t, out);
	trace_begin(&next, span_str(out), &r);
	assert_true(next.remote);
	assert_int_equal(next.trace_hi, UINT64_C(0x4bf92f3577b34da6));
	assert_int_equal(next.trace_lo, UINT64_C(0xa3ce929d0e0e4736));
	assert_int_equal(next.parent, t.span);
	assert_int_not_equal(next.span, t.span);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_parent_is_taken_over_and_anything_else_begins_a_trace),
		cmocka_unit_test(what_is_sent_on_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
