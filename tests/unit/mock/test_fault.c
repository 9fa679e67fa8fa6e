/* Fault specifications: what is understood, what is refused and how, and when a fault strikes. */
#include "mock/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fault parsed(const char *spec)
{
	struct fault f;
	struct err e = { 0 };
	if (fault_parse(&f, span_str(spec), 0, &e) < 0)
		fail_msg("%s: %s", spec, e.text);
	return f;
}

static void specifications_are_understood(void **state)
{
	(void)state;
	struct fault f = parsed("stop:p=0.25");
	assert_int_equal(f.kind, FAULT_STOP);
	assert_true(f.p > 0.249 && f.p < 0.251);
	f = parsed("status=503:count=3");
	assert_int_equal(f.kind, FAULT_STATUS);
	assert_int_equal(f.status, 503);
	assert_int_equal(f.count, 3);
	assert_true(f.p < 0);
	f = parsed("hang:after=5s,for=200ms,on=all");
	assert_int_equal(f.after_ns, 5 * NS_PER_S);
	assert_int_equal(f.for_ns, 200 * NS_PER_MS);
	assert_int_equal(f.scope, FAULT_ON_ALL);
	f = parsed("cut:at=7:count=1");
	assert_int_equal(f.at, 7);
	assert_int_equal(f.count, 1);
	f = parsed("metrics=nan:for=2m");
	assert_int_equal(f.kind, FAULT_METRICS);
	assert_int_equal(f.lie, LIE_NAN);
	assert_int_equal(f.scope, FAULT_ON_METRICS);
	assert_int_equal(f.for_ns, 120 * NS_PER_S);
	f = parsed("status=429:retry-after=9");
	assert_int_equal(f.retry_after_s, 9);
	assert_string_equal(f.spec, "status=429:retry-after=9");
}

static void nonsense_is_refused_with_what_was_wanted(void **state)
{
	(void)state;
	static const struct {
		const char *spec, *says;
	} rows[] = {
		{ "", "no fault is called '': there are refuse, hang, stop" },
		{ "halt",
		  "no fault is called 'halt': there are refuse, hang, stop, cut, reset, garbage, badstatus, cl-te, "
		  "short, long, drip, half-close, status, metrics" },
		{ "stop=1", "'stop' takes no value" },
		{ "status", "'status' wants a number from 400 to 599, not ''" },
		{ "status=200", "'status' wants a number from 400 to 599, not '200'" },
		{ "metrics=lie",
		  "no lie of metrics is called 'lie': there are nan, inf, huge, negative, empty, garbage, "
		  "duplicate, slow, idle" },
		{ "hang:p=1.5", "'p' wants a probability from 0 to 1, not '1.5'" },
		{ "hang:p=", "'p' wants a probability" },
		{ "hang:p=nan", "'p' wants a probability" },
		{ "hang:count=0", "'count' wants a number of times, at least 1, not '0'" },
		{ "hang:after=5x", "'after' wants a time such as 5s or 200ms, not '5x'" },
		{ "hang:for=-1s", "'for' wants a time" },
		{ "hang:on=you", "'on' wants api, health, metrics or all, not 'you'" },
		{ "hang:colour=red", "no key is called 'colour': there are p, count, after, for, at, retry-after, on" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fault f = { .kind = FAULT_DRIP };
		struct err e = { 0 };
		assert_int_equal(fault_parse(&f, span_str(rows[i].spec), 0, &e), -PS_EINVAL);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%s\n says %s\n not  %s", rows[i].spec, e.text, rows[i].says);
		assert_int_equal(f.kind, FAULT_DRIP);
	}
	char longest[FAULT_SPEC_MAX + 1];
	struct fault f;
	memset(longest, 'x', sizeof longest);
	assert_int_equal(fault_parse(&f, span_of(longest, FAULT_SPEC_MAX), 0, NULL), -PS_EINVAL);
}

static unsigned strikes(struct faults *fs, enum fault_scope scope, uint64_t now, unsigned tries)
{
	struct rng rng;
	unsigned n = 0;
	rng_seed(&rng, 1);
	for (unsigned i = 0; i < tries; i++)
		n += faults_draw(fs, scope, now, &rng) != NULL;
	return n;
}

static void a_count_is_used_up(void **state)
{
	(void)state;
	struct faults fs = { .all = { parsed("hang:count=3") }, .n = 1 };
	assert_int_equal(strikes(&fs, FAULT_ON_API, 0, 10), 3);
	assert_int_equal(fs.all[0].hits, 3);
	assert_false(fault_is_open(&fs.all[0], 0));
}

static void a_window_opens_and_closes(void **state)
{
	(void)state;
	struct faults fs = { .all = { parsed("hang:after=5s,for=10s") }, .n = 1 };
	static const struct {
		uint64_t at_ms;
		unsigned strikes;
	} rows[] = { { 0, 0 }, { 4999, 0 }, { 5000, 1 }, { 14999, 1 }, { 15000, 0 } };
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(strikes(&fs, FAULT_ON_API, rows[i].at_ms * NS_PER_MS, 1), rows[i].strikes);
}

static void dice_are_fair(void **state)
{
	(void)state;
	struct faults fs = { .all = { parsed("hang:p=0.1") }, .n = 1 };
	assert_in_range(strikes(&fs, FAULT_ON_API, 0, 10000), 900, 1100);
	fs.all[0] = parsed("hang:p=0");
	assert_int_equal(strikes(&fs, FAULT_ON_API, 0, 1000), 0);
	fs.all[0] = parsed("hang:p=1");
	assert_int_equal(strikes(&fs, FAULT_ON_API, 0, 1000), 1000);
}

static void a_fault_is_for_its_scope(void **state)
{
	(void)state;
	struct faults fs = { .all = { parsed("hang"), parsed("metrics=inf"), parsed("status=500:on=health") }, .n = 3 };
	assert_int_equal(strikes(&fs, FAULT_ON_API, 0, 1), 1);
	assert_int_equal(strikes(&fs, FAULT_ON_METRICS, 0, 1), 1);
	assert_int_equal(strikes(&fs, FAULT_ON_HEALTH, 0, 1), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fs.all[i].hits, 1);
	fs = (struct faults){ .all = { parsed("refuse:p=1") }, .n = 1 };
	assert_int_equal(strikes(&fs, FAULT_ON_API, 0, 1), 0);
}

static void refusals_of_everybody_tell_when_they_change(void **state)
{
	(void)state;
	struct faults fs = { .all = { parsed("refuse:after=2s,for=3s"), parsed("refuse:p=0.5") }, .n = 2 };
	assert_false(faults_refuse_all(&fs, 0));
	assert_int_equal(faults_next_change(&fs, 0), 2 * NS_PER_S);
	assert_true(faults_refuse_all(&fs, 2 * NS_PER_S));
	assert_int_equal(faults_next_change(&fs, 2 * NS_PER_S), 5 * NS_PER_S);
	assert_false(faults_refuse_all(&fs, 5 * NS_PER_S));
	assert_true(faults_next_change(&fs, 5 * NS_PER_S) == UINT64_MAX);
	fs = (struct faults){ .all = { parsed("refuse") }, .n = 1 };
	assert_true(faults_refuse_all(&fs, 0));
	assert_true(faults_next_change(&fs, 0) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specifications_are_understood),
		cmocka_unit_test(nonsense_is_refused_with_what_was_wanted),
		cmocka_unit_test(a_count_is_used_up),
		cmocka_unit_test(a_window_opens_and_closes),
		cmocka_unit_test(dice_are_fair),
		cmocka_unit_test(a_fault_is_for_its_scope),
		cmocka_unit_test(refusals_of_everybody_tell_when_they_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
