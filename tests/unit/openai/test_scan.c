/* The body scanner as a judge of JSON: every class of text RFC 8259 allows or forbids, at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/openai.h"
#include "openai/scan.h"

/* SPAN keeps NULs inside a literal. */
static const struct span valid[] = {
	SPAN("{}"),
	SPAN("[]"),
	SPAN("0"),
	SPAN("-0"),
	SPAN(" true "),
	SPAN("false"),
	SPAN("null"),
	SPAN("\"\""),
	SPAN("\t\r\n [\t1\r,\n2 ] \n"),
	SPAN("[1,-1,10,1.5,0.5,-0.0,1e1,1E1,1e+1,1e-1,0e0,1.25e-10]"),
	SPAN("{\"a\":{\"b\":[[],{},[{}]]},\"\":0}"),
	SPAN("{\"a\":1,\"a\":2}"),
	SPAN("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	SPAN("\"\\u0000\\u001f\\uFFFF\\uabCD\""),
	SPAN("\"\\ud83d\\ude00 \\uD800\\uDC00 \\uDBFF\\uDFFF\""),
	SPAN("\"\x7f\""),
	SPAN("\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf \xf0\x90\x80\x80 "
	     "\xf4\x8f\xbf\xbf\""),
	SPAN("\"\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87\""),
	SPAN("{\"\xc3\xa9\":1}"),
	SPAN("123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"),
	SPAN("1e999"),
	SPAN("-1e-999"),
	SPAN("{\"a key that is far longer than the sixty-four bytes that the scanner keeps of one\":[]}"),
};

static const struct span invalid[] = {
	/* nothing, too little, too much */
	SPAN(""),
	SPAN(" "),
	SPAN("["),
	SPAN("{"),
	SPAN("[1"),
	SPAN("[1,"),
	SPAN("{\"a\""),
	SPAN("{\"a\":"),
	SPAN("{\"a\":1"),
	SPAN("\""),
	SPAN("\"abc"),
	SPAN("\"\\"),
	SPAN("\"\\u12"),
	SPAN("tru"),
	SPAN("-"),
	SPAN("1."),
	SPAN("1e"),
	SPAN("1e+"),
	SPAN("{}{}"),
	SPAN("[]]"),
	SPAN("1 2"),
	SPAN("{},"),
	SPAN("\"a\" x"),
	SPAN("null\0"),
	SPAN("[]\0"),
	/* structure */
	SPAN("[1,]"),
	SPAN("[,1]"),
	SPAN("[1,,2]"),
	SPAN("[1 2]"),
	SPAN("[1:2]"),
	SPAN("{,}"),
	SPAN("{\"a\":1,}"),
	SPAN("{\"a\" 1}"),
	SPAN("{\"a\"::1}"),
	SPAN("{\"a\",1}"),
	SPAN("{a:1}"),
	SPAN("{1:1}"),
	SPAN("{'a':1}"),
	SPAN("{\"a\":1 \"b\":2}"),
	SPAN("[}"),
	SPAN("{]"),
	SPAN("[1}"),
	SPAN("{\"a\":1]"),
	SPAN(","),
	SPAN(":"),
	SPAN("]"),
	SPAN("}"),
	/* numbers */
	SPAN("+1"),
	SPAN("01"),
	SPAN("-01"),
	SPAN(".5"),
	SPAN("1.e1"),
	SPAN("--1"),
	SPAN("0x10"),
	SPAN("1e1.5"),
	SPAN("NaN"),
	SPAN("Infinity"),
	SPAN("-Infinity"),
	SPAN("1a"),
	SPAN("1_000"),
	SPAN("-"),
	SPAN("[-]"),
	SPAN("[1.]"),
	SPAN("00"),
	SPAN("\xef\xbc\x91"),
	/* words */
	SPAN("True"),
	SPAN("nul"),
	SPAN("nulll"),
	SPAN("truefalse"),
	SPAN("[truth]"),
	SPAN("undefined"),
	/* strings */
	SPAN("'a'"),
	SPAN("\"\n\""),
	SPAN("\"\t\""),
	SPAN("\"\0\""),
	SPAN("\"\x1f\""),
	SPAN("\"\\x41\""),
	SPAN("\"\\'\""),
	SPAN("\"\\a\""),
	SPAN("\"\\0\""),
	SPAN("\"\\\n\""),
	SPAN("\"\\u\""),
	SPAN("\"\\u00g0\""),
	SPAN("\"\\u+123\""),
	SPAN("\"\\U0041\""),
	SPAN("\"\\u004\""),
	SPAN("{\"\\q\":1}"),
	/* surrogates */
	SPAN("\"\\ud800\""),
	SPAN("\"\\udc00\""),
	SPAN("\"\\ud800x\""),
	SPAN("\"\\ud800\\n\""),
	SPAN("\"\\ud800\\u0041\""),
	SPAN("\"\\ud800\\ud800\""),
	SPAN("\"\\udc00\\ud800\""),
	SPAN("\"\\uDBFF\\uE000\""),
	/* UTF-8 */
	SPAN("\"\x80\""),
	SPAN("\"\xc0\x80\""),
	SPAN("\"\xc1\xbf\""),
	SPAN("\"\xc3\""),
	SPAN("\"\xc3(\""),
	SPAN("\"\xe0\x80\x80\""),
	SPAN("\"\xe0\x9f\xbf\""),
	SPAN("\"\xe4\xb8\""),
	SPAN("\"\xe4\xb8(\""),
	SPAN("\"\xed\xa0\x80\""),
	SPAN("\"\xf0\x80\x80\x80\""),
	SPAN("\"\xf0\x8f\xbf\xbf\""),
	SPAN("\"\xf4\x90\x80\x80\""),
	SPAN("\"\xf5\x80\x80\x80\""),
	SPAN("\"\xff\""),
	SPAN("\"\xfe\""),
	SPAN("\xef\xbb\xbf{}"),
	SPAN("{\"\xff\":1}"),
	SPAN("\xff"),
	/* white space and comments that JSON has not */
	SPAN("\x0b"
	     "1"),
	SPAN("\x0c"
	     "1"),
	SPAN("\xc2\xa0"
	     "1"),
	SPAN("\xe2\x80\xa8"
	     "1"),
	SPAN("/* */ 1"),
	SPAN("1 // x"),
	SPAN("# 1"),
};

enum { VALID = sizeof valid / sizeof *valid, INVALID_COUNT = sizeof invalid / sizeof *invalid };

/* Scans it in two pieces, from memory of exactly their size, so that the sanitizer sees a read too far. */
static int scan_split(struct span t, size_t at)
{
	struct scan s;
	char *a = malloc(at + 1), *b = malloc(t.n - at + 1);
	assert_non_null(a);
	assert_non_null(b);
	memcpy(a + 1, t.p, at);
	memcpy(b + 1, t.p + at, t.n - at);
	scan_init(&s, NULL, NULL);
	int r = scan_feed(&s, span_of(a + 1, at));
	if (r == 0)
		r = scan_feed(&s, span_of(b + 1, t.n - at));
	if (r == 0)
		r = scan_end(&s);
	free(a);
	free(b);
	return r;
}

static int scan_bytewise(struct span t)
{
	struct scan s;
	int r = 0;
	scan_init(&s, NULL, NULL);
	for (size_t i = 0; i < t.n && r == 0; i++)
		r = scan_feed(&s, span_of(t.p + i, 1));
	return r == 0 ? scan_end(&s) : r;
}

static void judge(const struct span *texts, size_t n, int want)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };
		if (openai_json_check(texts[i], &e) != want)
			fail_msg("%.*s: want %d: %s", SPAN_ARG(texts[i]), want, e.text);
		assert_int_equal(scan_bytewise(texts[i]), want);
		for (size_t at = 0; at <= texts[i].n; at++)
			if (scan_split(texts[i], at) != want)
				fail_msg("%.*s split at %zu: want %d", SPAN_ARG(texts[i]), at, want);
	}
}

static void valid_texts_are_taken_at_every_split(void **state)
{
	(void)state;
	judge(valid, VALID, 0);
}

static void invalid_texts_are_refused_at_every_split(void **state)
{
	(void)state;
	judge(invalid, INVALID_COUNT, -PS_EBADJSON);
}

static int nested(int depth, const char *open, const char *close, struct err *e)
{
	struct buf b;
	buf_init(&b, 4096);
	for (int i = 0; i < depth; i++)
		assert_int_equal(buf_add(&b, span_str(open)), 0);
	assert_int_equal(buf_add(&b, SPAN("1")), 0);
	for (int i = 0; i < depth; i++)
		assert_int_equal(buf_add(&b, span_str(close)), 0);
	int r = openai_json_check(buf_span(&b), e);
	buf_free(&b);
	return r;
}

static void nesting_ends_at_64(void **state)
{
	(void)state;
	struct err e = { 0 };
	assert_int_equal(nested(64, "[", "]", &e), 0);
	assert_int_equal(nested(64, "{\"a\":", "}", &e), 0);
	assert_int_equal(nested(65, "[", "]", &e), -PS_EDEPTH);
	assert_string_equal(e.text, "byte 64: the nesting is deeper than 64");
	assert_int_equal(nested(65, "{\"a\":", "}", &e), -PS_EDEPTH);
}

/* What a scan in two pieces says. */
static void explain_split(struct span t, size_t at, struct err *e)
{
	struct scan s;
	scan_init(&s, NULL, NULL);
	int r = scan_feed(&s, span_head(t, at));
	if (r == 0)
		r = scan_feed(&s, span_skip(t, at));
	if (r == 0)
		r = scan_end(&s);
	assert_int_equal(scan_explain(&s, e), r);
}

static void the_message_names_the_byte_at_every_split(void **state)
{
	static const struct {
		struct span text;
		const char *message;
	} rows[] = {
		{ SPAN("{\"a\":1,}"), "byte 7: a key in double quotes is wanted here" },
		{ SPAN("{\"a\" 1}"), "byte 5: a colon is wanted here" },
		{ SPAN("[1 2]"), "byte 3: a comma or ] is wanted here" },
		{ SPAN("{\"a\":1 2}"), "byte 7: a comma or } is wanted here" },
		{ SPAN("[1,tru]"), "byte 6: a value is wanted here" },
		{ SPAN("[1"), "byte 2: the text ends too early" },
		{ SPAN("1 1"), "byte 2: there is something behind the value" },
		{ SPAN("[1.]"), "byte 3: a number is not complete" },
		{ SPAN("\"a\nb\""), "byte 2: a control character stands unescaped in a string" },
		{ SPAN("\"a\\x\""), "byte 2: a string has an unknown escape or half a surrogate pair" },
		{ SPAN("\"a\xff\""), "byte 2: a string is not valid UTF-8" },
		{ SPAN("\"a\xe4\xb8z\""), "byte 2: a string is not valid UTF-8" },
		{ SPAN("\"a\\ud800\\u0041\""), "byte 2: a string has an unknown escape or half a surrogate pair" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		assert_int_equal(openai_json_check(rows[i].text, &e), -PS_EBADJSON);
		assert_string_equal(e.text, rows[i].message);
		for (size_t at = 0; at <= rows[i].text.n; at++) {
			explain_split(rows[i].text, at, &e);
			assert_string_equal(e.text, rows[i].message);
		}
	}
}

/* ---- what comes out ---- */

static int collect(void *arg, enum scan_event ev, struct span text)
{
	static const char *const names[] = {
		"{", "[", "\"", "#", "T", "F", "N", "}", "]", "\"", "k:", "", "kp:", "#p:"
	};
	struct scan *s = ((void **)arg)[1];
	if (ev == SCAN_STRING)
		s->want_text = true;
	int r = buf_printf(((void **)arg)[0], "%s%.*s", names[ev], SPAN_ARG(text));
	if (ev != SCAN_TEXT && ev != SCAN_STRING && r == 0)
		r = buf_add(((void **)arg)[0], SPAN(" "));
	return r;
}

static void expect_events(struct span t, size_t split, const char *want)
{
	struct scan s;
	struct buf b;
	void *arg[2] = { &b, &s };
	buf_init(&b, 65536);
	scan_init(&s, collect, arg);
	assert_int_equal(scan_feed(&s, span_head(t, split)), 0);
	assert_int_equal(scan_feed(&s, span_skip(t, split)), 0);
	assert_int_equal(scan_end(&s), 0);
	assert_int_equal(buf_add(&b, span_of("", 1)), 0);
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void events_are_decoded_and_the_same_at_every_split(void **state)
{
	static const struct {
		struct span text;
		const char *want;
	} rows[] = {
		{ SPAN("{\"a\":[1,-2.5e3,true,false,null,\"x\"],\"b\":{}}"),
		  "{ k:a [ #1 #-2.5e3 T F N \"x\" ] k:b { } } " },
		{ SPAN("[\"a\\n\\u0041\\\\\\/\\u00e9\\u4e2d\\ud83d\\ude00\xe4\xb8\xad z\"]"),
		  "[ \"a\nA\\/\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\xe4\xb8\xad z\" ] " },
		{ SPAN("{\"mod\\u0065l\":\"\"}"), "{ k:model \"\" } " },
		{ SPAN("{\"0123456789012345678901234567890123456789012345678901234567890123\":1}"),
		  "{ k:0123456789012345678901234567890123456789012345678901234567890123 #1 } " },
		{ SPAN("{\"0123456789012345678901234567890123456789012345678901234567890123x\":1}"),
		  "{ kp:0123456789012345678901234567890123456789012345678901234567890123 k:x #1 } " },
		{ SPAN("[10000000000000000000000000000000000000000000000000000000000000005.5]"),
		  "[ #p:1000000000000000000000000000000000000000000000000000000000000000 #5.5 ] " },
		{ SPAN("12"), "#12 " },
		{ SPAN("[\"0123456789012345\\n6789012345678901234567890\\t12345678901234567890123456789\\r0123456789012"
		       "345678901\"]"),
		  "[ "
		  "\"0123456789012345\n6789012345678901234567890\t12345678901234567890123456789\r0123456789012345678901"
		  "\" ] " },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t at = 0; at <= rows[i].text.n; at++)
			expect_events(rows[i].text, at, rows[i].want);
}

static int mute_second(void *arg, enum scan_event ev, struct span text)
{
	struct scan *s = ((void **)arg)[1];
	if ((ev == SCAN_OBJECT || ev == SCAN_ARRAY) && s->depth == 1)
		scan_mute(s);
	return collect(arg, ev, text);
}

static void a_muted_container_is_silent_until_its_end(void **state)
{
	struct span t = SPAN("{\"a\":[1,[2],{\"b\":\"x\\n\"}],\"c\":{\"d\":[]},\"e\":3}");
	(void)state;
	for (size_t at = 0; at <= t.n; at++) {
		struct scan s;
		struct buf b;
		void *arg[2] = { &b, &s };
		buf_init(&b, 65536);
		scan_init(&s, mute_second, arg);
		assert_int_equal(scan_feed(&s, span_head(t, at)), 0);
		assert_int_equal(scan_feed(&s, span_skip(t, at)), 0);
		assert_int_equal(scan_end(&s), 0);
		assert_int_equal(buf_add(&b, span_of("", 1)), 0);
		assert_string_equal(b.p, "{ k:a [ ] k:c { } k:e #3 } ");
		buf_free(&b);
	}
}

static void long_texts_survive_every_way_of_copying(void **state)
{
	struct buf in, want, got;
	struct rng r;
	(void)state;
	rng_seed(&r, 7);
	buf_init(&in, 1 << 20);
	buf_init(&want, 1 << 20);
	buf_init(&got, 1 << 20);
	for (int round = 0; round < 300; round++) {
		struct scan s;
		void *arg[2] = { &got, &s };
		buf_clear(&in);
		buf_clear(&want);
		buf_clear(&got);
		assert_int_equal(buf_add(&in, SPAN("\"")) + buf_add(&want, SPAN("\"")), 0);
		for (int i = 0; i < 20; i++) {
			static const struct {
				struct span raw, text;
			} units[] = {
				{ SPAN("\\n"), SPAN("\n") },
				{ SPAN("\\u00e9"), SPAN("\xc3\xa9") },
				{ SPAN("\xe4\xb8\xad"), SPAN("\xe4\xb8\xad") },
				{ SPAN("\\\""), SPAN("\"") },
			};
			size_t run = rng_below(&r, rng_below(&r, 2) ? 24 : 300), u = rng_below(&r, 4);
			for (size_t k = 0; k < run; k++) {
				char c = (char)('a' + rng_below(&r, 26));
				assert_int_equal(buf_add(&in, span_of(&c, 1)) + buf_add(&want, span_of(&c, 1)), 0);
			}
			assert_int_equal(buf_add(&in, units[u].raw) + buf_add(&want, units[u].text), 0);
		}
		assert_int_equal(buf_add(&in, SPAN("\"")) + buf_add(&want, SPAN("\" ")), 0);
		scan_init(&s, collect, arg);
		for (struct span left = buf_span(&in); left.n;) {
			size_t n = 1 + rng_below(&r, left.n);
			assert_int_equal(scan_feed(&s, span_head(left, n)), 0);
			left = span_skip(left, n);
		}
		assert_int_equal(scan_end(&s), 0);
		assert_true(span_eq(buf_span(&got), buf_span(&want)));
	}
	buf_free(&in);
	buf_free(&want);
	buf_free(&got);
}

static int refuse_numbers(void *arg, enum scan_event ev, struct span text)
{
	(void)arg, (void)text;
	return ev == SCAN_NUMBER ? -PS_EBADFIELD : 0;
}

static void what_the_sink_refuses_ends_the_scan(void **state)
{
	struct scan s;
	(void)state;
	scan_init(&s, refuse_numbers, NULL);
	assert_int_equal(scan_feed(&s, SPAN("[\"a\",1,2]")), -PS_EBADFIELD);
	assert_int_equal(scan_feed(&s, SPAN("]")), -PS_EBADFIELD);
	assert_int_equal(scan_end(&s), -PS_EBADFIELD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_texts_are_taken_at_every_split),
		cmocka_unit_test(invalid_texts_are_refused_at_every_split),
		cmocka_unit_test(nesting_ends_at_64),
		cmocka_unit_test(the_message_names_the_byte_at_every_split),
		cmocka_unit_test(events_are_decoded_and_the_same_at_every_split),
		cmocka_unit_test(a_muted_container_is_silent_until_its_end),
		cmocka_unit_test(long_texts_survive_every_way_of_copying),
		cmocka_unit_test(what_the_sink_refuses_ends_the_scan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
