/* Errors as clients of the two dialects expect them, and paths as they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "openai/openai.h"

static const struct {
	const char *path;
	enum openai_api api;
	bool anthropic;
} paths[] = {
	{ "/v1/chat/completions", API_CHAT, false },
	{ "/v1/chat/completions?x=/v1/messages", API_CHAT, false },
	{ "/openai/v1/chat/completions", API_CHAT, false },
	{ "/v1/completions", API_COMPLETIONS, false },
	{ "/v1/embeddings", API_EMBEDDINGS, false },
	{ "/v1/responses", API_RESPONSES, false },
	{ "/v1/responses/resp_1", API_NONE, false },
	{ "/v1/messages", API_MESSAGES, true },
	{ "/anthropic/v1/messages", API_MESSAGES, true },
	{ "/v1/messages/count_tokens", API_NONE, true },
	{ "/v1/models", API_MODELS, false },
	{ "/v1/models/meta-llama/Llama-3.1-8B", API_MODELS, false },
	{ "/anthropic/v1/models", API_MODELS, true },
	{ "/v1/models/", API_NONE, false },
	{ "/chat/completions", API_NONE, false },
	{ "/v1/chat/completions/", API_NONE, false },
	{ "/", API_NONE, false },
	{ "", API_NONE, false },
};

static void paths_name_their_api(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		assert_int_equal(openai_api_of(span_str(paths[i].path)), paths[i].api);
		assert_int_equal(openai_is_anthropic(span_str(paths[i].path)), paths[i].anthropic);
	}
	assert_string_equal(openai_operation(API_CHAT), "chat");
	assert_string_equal(openai_operation(API_COMPLETIONS), "text_completion");
	assert_string_equal(openai_operation(API_EMBEDDINGS), "embeddings");
	assert_string_equal(openai_operation(API_COUNT), "");
}

static const struct {
	const char *path;
	struct openai_error error;
	const char *body, *event;
} rows[] = {
	{ "/v1/chat/completions",
	  { PS_EBADFIELD, SPAN("n: wants \"a\"\n"), SPAN("n"), SPAN("r1") },
	  "{\"error\":{\"message\":\"n: wants "
	  "\\\"a\\\"\\n\",\"type\":\"invalid_request_error\",\"param\":\"n\",\"code\":\"invalid_field\"}}",
	  "data: {\"error\":{\"message\":\"n: wants "
	  "\\\"a\\\"\\n\",\"type\":\"invalid_request_error\",\"param\":\"n\",\"code\":\"invalid_field\"}}"
	  "\n\n" },
	{ "/v1/completions",
	  { -PS_EQUEUEFULL, SPAN_NONE, SPAN_NONE, SPAN_NONE },
	  "{\"error\":{\"message\":\"all replicas are busy and the queue is "
	  "full\",\"type\":\"rate_limit_error\",\"param\":null,"
	  "\"code\":\"queue_full\"}}",
	  "data: {\"error\":{\"message\":\"all replicas are busy and the queue is "
	  "full\",\"type\":\"rate_limit_error\",\"param\":null,"
	  "\"code\":\"queue_full\"}}\n\n" },
	{ "/v1/responses",
	  { PS_ECUT, SPAN("cut"), SPAN_NONE, SPAN_NONE },
	  "{\"error\":{\"message\":\"cut\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_cut\"}}",
	  "event: error\ndata: "
	  "{\"type\":\"error\",\"code\":\"upstream_cut\",\"message\":\"cut\",\"param\":null,\"error\":{\"message\":"
	  "\"cut\","
	  "\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_cut\"}}\n\n" },
	{ "/v1/messages",
	  { PS_EBODYTOOBIG, SPAN("big"), SPAN_NONE, SPAN("req_1") },
	  "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"big\"},\"request_id\":\"req_"
	  "1\"}",
	  "event: error\ndata: "
	  "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"big\"},\"request_id\":\"req_1\"}"
	  "\n\n" },
	{ "/v1/messages",
	  { PS_ENOREPLICA, SPAN("x"), SPAN_NONE, SPAN_NONE },
	  "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"},\"request_id\":null}",
	  "event: error\ndata: "
	  "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"},\"request_id\":null}\n\n" },
	{ "/anything",
	  { PS_ENOROUTE, SPAN("x"), SPAN_NONE, SPAN_NONE },
	  "{\"error\":{\"message\":\"x\",\"type\":\"not_found_error\",\"param\":null,\"code\":\"route_not_found\"}}",
	  "data: "
	  "{\"error\":{\"message\":\"x\",\"type\":\"not_found_error\",\"param\":null,\"code\":\"route_not_found\"}}"
	  "\n\n" },
};

static void errors_have_their_dialects_shape(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		assert_int_equal(openai_error_body(&b, span_str(rows[i].path), &rows[i].error), 0);
		assert_int_equal(buf_add(&b, span_of("", 1)), 0);
		assert_string_equal(b.p, rows[i].body);
		assert_int_equal(openai_json_check(span_str(rows[i].body), NULL), 0);
		buf_clear(&b);
		assert_int_equal(openai_error_event(&b, span_str(rows[i].path), &rows[i].error), 0);
		assert_int_equal(buf_add(&b, span_of("", 1)), 0);
		assert_string_equal(b.p, rows[i].event);
	}
	buf_free(&b);
}

static void every_error_can_be_told_in_both_dialects(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4096);
	for (int code = 0; code < PS_ERROR_COUNT + 2; code++)
		for (int anthropic = 0; anthropic < 2; anthropic++) {
			struct openai_error er = { .code = code };
			buf_clear(&b);
			assert_int_equal(openai_error_body(&b, anthropic ? SPAN("/v1/messages") : SPAN("/v1/x"), &er),
					 0);
			assert_int_equal(openai_json_check(buf_span(&b), NULL), 0);
		}
	buf_free(&b);
}

static void a_full_buffer_is_an_error(void **state)
{
	struct openai_error er = { .code = PS_ENOMODEL, .message = SPAN("a message") };
	(void)state;
	for (size_t max = 0; max < 80; max++) {
		struct buf b;
		buf_init(&b, max);
		assert_int_equal(openai_error_body(&b, SPAN("/v1/x"), &er), -PS_ETOOBIG);
		assert_int_equal(openai_error_event(&b, SPAN("/v1/messages"), &er), -PS_ETOOBIG);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_name_their_api),
		cmocka_unit_test(errors_have_their_dialects_shape),
		cmocka_unit_test(every_error_can_be_told_in_both_dialects),
		cmocka_unit_test(a_full_buffer_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
