/* Model lists: a real engine's read, ours written, in both dialects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "openai/openai.h"

static void note(void *arg, const struct openai_model *m)
{
	assert_int_equal(buf_printf(arg, "%.*s(%.*s) by %.*s at %llu len %u; ", SPAN_ARG(m->id), SPAN_ARG(m->parent),
				    SPAN_ARG(m->owned_by), (unsigned long long)m->created, m->max_model_len),
			 0);
}

static const struct {
	const char *json;
	int result;
	const char *want;
} rows[] = {
	{ "{\"data\":[{\"id\":\"a\"}]}", 0, "a() by  at 0 len 0; " },
	{ "{\"data\":[]}", 0, "" },
	{ "{\"data\":[{\"id\":\"a\",\"created\":-5,\"max_model_len\":99999999999,\"owned_by\":3,\"parent\":null}]}", 0,
	  "a() by  at 0 len 4294967295; " },
	{ "{\"data\":[{\"object\":\"model\"},7,{\"id\":\"\"},{\"id\":\"b\",\"parent\":\"a\"}]}", 0,
	  "b(a) by  at 0 len 0; " },
	{ "{\"data\":{}}", -PS_EBADJSON, "" },
	{ "[]", -PS_EBADJSON, "" },
	{ "{\"data\":[", -PS_EBADJSON, "" },
	{ "", -PS_EBADJSON, "" },
};

static void lists_are_read(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = { 0 };
		buf_clear(&b);
		assert_int_equal(openai_models_read(span_str(rows[i].json), note, &b, &e), rows[i].result);
		assert_true(span_eq(buf_span(&b), span_str(rows[i].want)));
		assert_int_equal(e.code, -rows[i].result);
	}
	buf_free(&b);
}

static void an_engines_list_is_read(void **state)
{
	static char raw[8192];
	struct buf b;
	struct err e = { 0 };
	(void)state;
	FILE *f = fopen("tests/data/openai/models.http", "rb");
	assert_non_null(f);
	size_t n = fread(raw, 1, sizeof raw, f);
	(void)fclose(f);
	struct span body = span_of(raw, n);
	body = span_skip(body, (size_t)span_search(body, SPAN("\r\n\r\n")) + 4);
	buf_init(&b, 4096);
	assert_int_equal(openai_models_read(body, note, &b, &e), 0);
	assert_int_equal(buf_add(&b, span_of("", 1)), 0);
	assert_string_equal(b.p, "tiny() by vllm at 1795415015 len 2048; lora-a(tiny) by vllm at 1795415015 len 0; "
				 "lora-b(tiny) by vllm at 1795415015 len 0; ");
	buf_free(&b);
}

static void lists_are_written_in_both_dialects(void **state)
{
	static const struct openai_model models[] = {
		{ .id = SPAN("a\"b"), .owned_by = SPAN("vllm"), .created = 1795415015, .max_model_len = 2048 },
		{ .id = SPAN("l"), .parent = SPAN("a\"b") },
	};
	static const struct {
		size_t n;
		bool anthropic;
		const char *want;
	} written[] = {
		{ 0, false, "{\"object\":\"list\",\"data\":[]}" },
		{ 0, true, "{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}" },
		{ 2, false,
		  "{\"object\":\"list\",\"data\":[{\"id\":\"a\\\"b\",\"object\":\"model\",\"created\":1795415015,"
		  "\"owned_by\":\"vllm\",\"root\":"
		  "\"a\\\"b\",\"parent\":null,\"max_model_len\":2048},{\"id\":\"l\",\"object\":\"model\",\"created\":0,"
		  "\"owned_by\":\"penstock\","
		  "\"root\":\"l\",\"parent\":\"a\\\"b\",\"max_model_len\":null}]}" },
		{ 2, true,
		  "{\"data\":[{\"type\":\"model\",\"id\":\"a\\\"b\",\"display_name\":\"a\\\"b\",\"created_at\":\"2026-"
		  "11-23T06:23:35Z\"},{\"type\":"
		  "\"model\",\"id\":\"l\",\"display_name\":\"l\",\"created_at\":\"1970-01-01T00:00:00Z\"}],\"has_"
		  "more\":false,\"first_id\":\"a\\\"b\","
		  "\"last_id\":\"l\"}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
		struct buf b;
		buf_init(&b, 4096);
		assert_int_equal(openai_models_write(&b, models, written[i].n, written[i].anthropic), 0);
		assert_int_equal(openai_json_check(buf_span(&b), NULL), 0);
		assert_int_equal(buf_add(&b, span_of("", 1)), 0);
		assert_string_equal(b.p, written[i].want);
		buf_free(&b);
	}
}

static void what_is_written_can_be_read(void **state)
{
	const struct openai_model m = {
		.id = SPAN("x/\xc3\xa9\n"), .owned_by = SPAN("o"), .created = 5, .max_model_len = 7
	};
	struct buf b, seen;
	struct err e = { 0 };
	(void)state;
	buf_init(&b, 4096);
	buf_init(&seen, 4096);
	assert_int_equal(openai_models_write(&b, &m, 1, false), 0);
	assert_int_equal(openai_models_read(buf_span(&b), note, &seen, &e), 0);
	assert_true(span_eq(buf_span(&seen), SPAN("x/\xc3\xa9\n() by o at 5 len 7; ")));
	buf_free(&b);
	buf_free(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read),
		cmocka_unit_test(an_engines_list_is_read),
		cmocka_unit_test(lists_are_written_in_both_dialects),
		cmocka_unit_test(what_is_written_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
