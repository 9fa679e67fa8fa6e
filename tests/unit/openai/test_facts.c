/* What the scanner understands of each API's bodies: facts, refusals with their paths, and the splice that asks for
 * usage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bodies.h"

#define CHAT API_CHAT
#define LEGACY API_COMPLETIONS
#define EMBED API_EMBEDDINGS
#define RESP API_RESPONSES
#define MSGS API_MESSAGES

/* Only what differs from its default. */
static const char *describe(const struct openai_facts *f)
{
	static char out[512];
	int n = snprintf(out, sizeof out, "%.*s", SPAN_ARG(f->model));
	const struct {
		const char *name;
		uint64_t value, usual;
	} rows[] = {
		{ "stream", f->stream, 0 }, { "usage", f->include_usage, 0 }, { "max", f->max_tokens, 0 },
		{ "n", f->n, 1 },	    { "prompts", f->prompts, 1 },     { "text", f->text_bytes, 0 },
		{ "ids", f->token_ids, 0 }, { "images", f->images, 0 },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].value != rows[i].usual)
			n += snprintf(out + n, sizeof out - (size_t)n, " %s=%llu", rows[i].name,
				      (unsigned long long)rows[i].value);
	if (f->user.n)
		(void)snprintf(out + n, sizeof out - (size_t)n, " user=%.*s", SPAN_ARG(f->user));
	return out;
}

static const struct {
	enum openai_api api;
	const char *body, *want;
} understood[] = {
	/* chat */
	{ CHAT, "{\"model\":\"m\"}", "m" },
	{ CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"stream\":true}",
	  "m stream=1 text=5" },
	{ CHAT, "{\"mod\\u0065l\":\"a\\u002fb\",\"str\\u0065am\":true}", "a/b stream=1" },
	{ CHAT, " { \"model\" : \"m\" , \"stream\" : false , \"max_tokens\" : 16 } ", "m max=16" },
	{ CHAT, "{\"model\":\"m\",\"max_tokens\":16,\"max_completion_tokens\":8,\"n\":3}", "m max=8 n=3" },
	{ CHAT, "{\"model\":\"m\",\"max_completion_tokens\":8,\"max_tokens\":16}", "m max=8" },
	{ CHAT, "{\"model\":\"m\",\"max_tokens\":1e2}", "m max=100" },
	{ CHAT, "{\"model\":\"m\",\"max_tokens\":10.0}", "m max=10" },
	{ CHAT, "{\"model\":\"m\",\"max_tokens\":-1}", "m" },
	{ CHAT, "{\"model\":\"m\",\"max_tokens\":99999999999999999999}", "m max=4294967295" },
	{ CHAT, "{\"model\":\"m\",\"max_output_tokens\":5}", "m" },
	{ CHAT,
	  "{\"model\":\"m\",\"stream\":null,\"max_tokens\":null,\"n\":null,\"user\":null,\"stream_options\":null,"
	  "\"tools\":null,\"messages\":null,\"cache_salt\":null}",
	  "m" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", "m stream=1 usage=1" },
	{ CHAT, "{\"model\":\"m\",\"user\":\"u1\"}", "m user=u1" },
	{ CHAT, "{\"model\":\"m\",\"user\":\"u1\",\"safety_identifier\":\"s1\"}", "m user=s1" },
	{ CHAT, "{\"model\":\"m\",\"safety_identifier\":\"s1\",\"user\":\"u1\"}", "m user=s1" },
	{ CHAT,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"ab\"},"
	  "{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/y.png\"}},\"cd\"]}]}",
	  "m text=4 images=1" },
	{ CHAT,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":"
	  "{\"data\":\"AAAA\",\"format\":\"wav\"}},{\"type\":\"video_url\",\"video_url\":{\"url\":\"u\"}}]}]}",
	  "m images=2" },
	{ CHAT,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\","
	  "\"type\":"
	  "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
	  "\"c\",\"content\":"
	  "\"ok\"}]}",
	  "m text=4" },
	{ CHAT,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"hmm\"}]}",
	  "m text=3" },
	{ CHAT, "{\"model\":\"m\",\"tools\":[{\"a\":\"bcd\"}]}", "m text=4" },
	{ CHAT, "{\"model\":\"m\",\"logit_bias\":{\"1\":[{\"model\":5,\"stream\":\"x\"}]},\"metadata\":{\"model\":1}}",
	  "m" },
	{ CHAT, "{\"model\":\"\\ud83d\\ude00\"}", "\xf0\x9f\x98\x80" },
	/* completions */
	{ LEGACY, "{\"model\":\"m\",\"prompt\":\"hello\"}", "m text=5" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":[\"hello\",\"you\",\"two\"]}", "m prompts=3 text=11" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":[1,2,3,4]}", "m ids=4" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":[[1,2],[3,4,5]]}", "m prompts=2 ids=5" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":[]}", "m" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":[[]]}", "m" },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":null,\"max_completion_tokens\":7}", "m" },
	/* embeddings */
	{ EMBED, "{\"model\":\"m\",\"input\":\"hello\"}", "m text=5" },
	{ EMBED, "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"max_tokens\":7}", "m prompts=2 text=2" },
	{ EMBED, "{\"model\":\"m\",\"input\":[[7],[8]]}", "m prompts=2 ids=2" },
	{ EMBED, "{\"model\":\"m\",\"input\":[{\"text\":\"ab\"},{\"image\":\"c\"}]}", "m prompts=2 text=12" },
	/* responses */
	{ RESP,
	  "{\"model\":\"m\",\"input\":[{\"type\":\"computer_call_output\",\"output\":{\"a\":\"b\"}},{\"type\":"
	  "\"reasoning\",\"summary\":[],"
	  "\"content\":null},{\"type\":\"shell_call_output\",\"output\":[{\"stdout\":\"x\"}]}]}",
	  "m text=2" },
	{ RESP,
	  "{\"model\":\"m\",\"input\":\"hello\",\"instructions\":\"be kind\",\"max_output_tokens\":9,\"max_tokens\":5}",
	  "m max=9 text=12" },
	{ RESP,
	  "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"abc\"},{"
	  "\"type\":"
	  "\"input_image\",\"image_url\":\"data:image/"
	  "png;base64,AA\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":"
	  "\"{}\",\"call_id\":\"1\"},{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":\"yes\"}]}",
	  "m text=8 images=1" },
	/* messages */
	{ MSGS,
	  "{\"model\":\"m\",\"max_tokens\":7,\"system\":\"sys\",\"messages\":[{\"role\":\"user\",\"content\":\"abc\"}],"
	  "\"metadata\":{\"user_id\":\"u\"}}",
	  "m max=7 text=6 user=u" },
	{ MSGS,
	  "{\"model\":\"m\",\"system\":[{\"type\":\"text\",\"text\":\"s1\",\"cache_control\":{\"type\":\"ephemeral\"}}]"
	  ","
	  "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\","
	  "\"source\":{\"type\":"
	  "\"base64\",\"media_type\":\"image/"
	  "png\",\"data\":\"AAAA\"}},{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":"
	  "[{\"type\":\"text\",\"text\":\"res\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"r2\"}]"
	  "},"
	  "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"k\":"
	  "\"vv\"}}]}]}",
	  "m text=11 images=1" },
};

static void bodies_are_understood_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof understood / sizeof *understood; i++)
		for (size_t at = 0; at <= strlen(understood[i].body); at++) {
			struct err e = { 0 };
			struct span body = span_str(understood[i].body);
			struct openai_scan *s = openai_scan_new(understood[i].api);
			assert_non_null(s);
			if (openai_scan_feed(s, span_head(body, at), &e) < 0 ||
			    scan_whole(s, span_skip(body, at), &e) < 0)
				fail_msg("%s split at %zu: %s", understood[i].body, at, e.text);
			assert_string_equal(describe(openai_scan_facts(s, 0)), understood[i].want);
			openai_scan_free(s);
		}
}

static const struct {
	enum openai_api api;
	const char *body;
	int code;
	const char *message;
} refused[] = {
	{ CHAT, "[]", PS_EBADFIELD, "the body: wants an object" },
	{ CHAT, "\"x\"", PS_EBADFIELD, "the body: wants an object" },
	{ CHAT, "{}", PS_ENOFIELD, "model: is missing" },
	{ CHAT, "{\"model\":null}", PS_EBADFIELD, "model: wants a string" },
	{ CHAT, "{\"model\":7}", PS_EBADFIELD, "model: wants a string" },
	{ CHAT, "{\"model\":\"\"}", PS_EBADFIELD, "model: is empty" },
	{ CHAT, "{\"model\":\"" TEXT128 TEXT128 "x\"}", PS_EBADFIELD, "model: is longer than 256 bytes" },
	{ CHAT, "{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", PS_EDUPKEY, "model: stands twice in its object" },
	{ CHAT, "{\"stream\":true,\"model\":\"a\",\"stream\":false}", PS_EDUPKEY,
	  "stream: stands twice in its object" },
	{ CHAT, "{\"messages\":[],\"messages\":[]}", PS_EDUPKEY, "messages: stands twice in its object" },
	{ CHAT, "{\"stream_options\":{\"include_usage\":true,\"include_usage\":false}}", PS_EDUPKEY,
	  "stream_options.include_usage: stands twice in its object" },
	{ CHAT, "{\"messages\":[{\"role\":\"user\"},{\"role\":\"user\",\"role\":\"system\"}]}", PS_EDUPKEY,
	  "messages[1].role: stands twice in its object" },
	{ CHAT, "{\"messages\":[{\"content\":\"a\",\"content\":\"b\"}]}", PS_EDUPKEY,
	  "messages[0].content: stands twice in its object" },
	{ CHAT, "{\"messages\":[{\"content\":[{\"text\":\"a\"},{\"text\":\"b\",\"text\":\"c\"}]}]}", PS_EDUPKEY,
	  "messages[0].content[1].text: stands twice in its object" },
	{ CHAT, "{\"stream\":\"true\"}", PS_EBADFIELD, "stream: wants a boolean or null" },
	{ CHAT, "{\"stream\":1}", PS_EBADFIELD, "stream: wants a boolean or null" },
	{ CHAT, "{\"max_tokens\":\"x\"}", PS_EBADFIELD, "max_tokens: wants a number or null" },
	{ CHAT, "{\"max_tokens\":1.5}", PS_EBADFIELD, "max_tokens: wants a whole number" },
	{ CHAT, "{\"max_tokens\":-5}", PS_EBADFIELD, "max_tokens: wants a whole number" },
	{ CHAT, "{\"max_tokens\":1" TEXT64 "}", PS_EBADJSON, "byte 26: a comma or } is wanted here" },
	{ CHAT, "{\"max_tokens\":11111111111111111111111111111111111111111111111111111111111111111111111111}",
	  PS_EBADFIELD, "max_tokens: the number is too long" },
	{ CHAT, "{\"n\":0}", PS_EBADFIELD, "n: wants a whole number above 0" },
	{ CHAT, "{\"user\":{}}", PS_EBADFIELD, "user: wants a string or null" },
	{ CHAT, "{\"stream_options\":[]}", PS_EBADFIELD, "stream_options: wants an object or null" },
	{ CHAT, "{\"stream_options\":true}", PS_EBADFIELD, "stream_options: wants an object or null" },
	{ CHAT, "{\"stream_options\":{\"include_usage\":1}}", PS_EBADFIELD,
	  "stream_options.include_usage: wants a boolean or null" },
	{ CHAT, "{\"messages\":{}}", PS_EBADFIELD, "messages: wants an array or null" },
	{ CHAT, "{\"messages\":[{},5]}", PS_EBADFIELD, "messages[1]: wants an object" },
	{ CHAT, "{\"messages\":[{\"role\":5}]}", PS_EBADFIELD, "messages[0].role: wants a string" },
	{ CHAT, "{\"messages\":[{\"content\":5}]}", PS_EBADFIELD,
	  "messages[0].content: wants a string or an array or null" },
	{ CHAT, "{\"messages\":[{\"content\":[[]]}]}", PS_EBADFIELD,
	  "messages[0].content[0]: wants a string or an object" },
	{ CHAT, "{\"messages\":[{\"content\":[{\"text\":5}]}]}", PS_EBADFIELD,
	  "messages[0].content[0].text: wants a string or null" },
	{ CHAT, "{\"messages\":[{\"tool_calls\":[{\"function\":{\"arguments\":5}}]}]}", PS_EBADFIELD,
	  "messages[0].tool_calls[0].function.arguments: wants a string or an object or null" },
	{ CHAT, "{\"tools\":[\"x\"]}", PS_EBADFIELD, "tools[0]: wants an object" },
	{ LEGACY, "{\"prompt\":5}", PS_EBADFIELD, "prompt: wants a string or an array or null" },
	{ LEGACY, "{\"prompt\":[\"a\",5]}", PS_EBADFIELD, "prompt[1]: differs in type from the elements before it" },
	{ LEGACY, "{\"prompt\":[1,[2]]}", PS_EBADFIELD, "prompt[1]: differs in type from the elements before it" },
	{ LEGACY, "{\"prompt\":[1,2.5]}", PS_EBADFIELD, "prompt[1]: wants a token id" },
	{ LEGACY, "{\"prompt\":[[1,-2]]}", PS_EBADFIELD, "prompt[0][1]: wants a token id" },
	{ LEGACY, "{\"prompt\":[[1,\"a\"]]}", PS_EBADFIELD, "prompt[0][1]: wants a number" },
	{ EMBED, "{\"input\":{}}", PS_EBADFIELD, "input: wants a string or an array or null" },
	{ RESP, "{\"input\":[\"x\"]}", PS_EBADFIELD, "input[0]: wants an object" },
	{ RESP, "{\"instructions\":{}}", PS_EBADFIELD, "instructions: wants a string or an array or null" },
	{ MSGS, "{\"system\":5}", PS_EBADFIELD, "system: wants a string or an array or null" },
	{ MSGS, "{\"messages\":[{\"content\":[{\"content\":[{\"text\":1}]}]}]}", PS_EBADFIELD,
	  "messages[0].content[0].content[0].text: wants a string or null" },
	{ CHAT, "{\"model\":\"a\",}", PS_EBADJSON, "byte 13: a key in double quotes is wanted here" },
	{ CHAT, "{\"model\":\"a\"", PS_EBADJSON, "byte 12: the text ends too early" },
};

static void what_is_wrong_is_named_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		for (size_t at = 0; at <= strlen(refused[i].body); at++) {
			struct err e = { 0 };
			struct span body = span_str(refused[i].body);
			struct openai_scan *s = openai_scan_new(refused[i].api);
			assert_non_null(s);
			int r = openai_scan_feed(s, span_head(body, at), &e);
			if (r == 0)
				r = scan_whole(s, span_skip(body, at), &e);
			if (r != -refused[i].code)
				fail_msg("%s split at %zu: %d %s", refused[i].body, at, r, e.text);
			assert_string_equal(e.text, refused[i].message);
			assert_int_equal(e.code, refused[i].code);
			openai_scan_free(s);
		}
}

static const struct {
	enum openai_api api;
	const char *body, *after;
} splices[] = {
	{ CHAT, "{\"model\":\"m\",\"stream\":true}",
	  "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}" },
	{ CHAT, " {\n \"model\":\"m\",\"stream\":true}\n",
	  " {\"stream_options\":{\"include_usage\":true},\n \"model\":\"m\",\"stream\":true}\n" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":null}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ CHAT, "{\"model\":\"m\",\"stream_options\": false ,\"stream\":true}",
	  "{\"model\":\"m\",\"stream_options\": {\"include_usage\":true} ,\"stream\":true}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{}}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{ }}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true }}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":[1]}}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"x\":[1]}}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\":false}}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"x\":1,\"include_usage\":true}}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_us\\u0061ge\":null}}",
	  "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_us\\u0061ge\":true}}" },
	{ LEGACY, "{\"model\":\"m\",\"stream\":true}",
	  "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}" },
	{ CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", NULL },
	{ CHAT, "{\"model\":\"m\",\"stream\":false}", NULL },
	{ CHAT, "{\"model\":\"m\",\"stream_options\":{}}", NULL },
	{ RESP, "{\"model\":\"m\",\"stream\":true}", NULL },
	{ MSGS, "{\"model\":\"m\",\"stream\":true}", NULL },
	{ EMBED, "{\"model\":\"m\",\"stream\":true}", NULL },
};

static void the_splice_asks_for_usage_and_leaves_valid_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof splices / sizeof *splices; i++)
		for (size_t step = 1; step <= strlen(splices[i].body); step++) {
			struct err e = { 0 };
			struct span body = span_str(splices[i].body);
			struct openai_scan *s = openai_scan_new(splices[i].api);
			char after[512];
			assert_non_null(s);
			assert_int_equal(scan_steps(s, body, step, &e), 0);
			const struct openai_facts *f = openai_scan_facts(s, 0);
			if (!splices[i].after) {
				assert_int_equal(f->inject_text.n, 0);
			} else {
				assert_true(f->inject_at + f->inject_len <= body.n);
				(void)snprintf(after, sizeof after, "%.*s%.*s%s", (int)f->inject_at, body.p,
					       SPAN_ARG(f->inject_text), body.p + f->inject_at + f->inject_len);
				assert_string_equal(after, splices[i].after);
				assert_int_equal(openai_json_check(span_str(after), &e), 0);
			}
			openai_scan_free(s);
		}
}

static void the_model_can_be_replaced_where_it_stands(void **state)
{
	static const char *const bodies[] = { "{\"model\":\"a\\u0062c\",\"x\":1}",
					      " { \"x\":\"model\", \"model\" :\n\"abc\" }" };
	static const char *const want[] = { "\"a\\u0062c\"", "\"abc\"" };
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t step = 1; step <= strlen(bodies[i]); step++) {
			struct err e = { 0 };
			struct openai_scan *s = openai_scan_new(API_CHAT);
			assert_non_null(s);
			assert_int_equal(scan_steps(s, span_str(bodies[i]), step, &e), 0);
			const struct openai_facts *f = openai_scan_facts(s, 0);
			assert_true(span_eq(f->model, SPAN("abc")));
			assert_true(span_eq(span_of(bodies[i] + f->model_at, f->model_len), span_str(want[i])));
			openai_scan_free(s);
		}
}

static void a_long_user_is_cut(void **state)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(API_CHAT);
	(void)state;
	assert_non_null(s);
	assert_int_equal(scan_steps(s, SPAN("{\"model\":\"m\",\"user\":\"" TEXT512 "\"}"), 7, &e), 0);
	assert_true(span_eq(openai_scan_facts(s, 0)->user, SPAN(TEXT128)));
	openai_scan_free(s);
}

static void facts_are_there_before_the_end(void **state)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(API_CHAT);
	(void)state;
	assert_non_null(s);
	assert_int_equal(openai_scan_feed(s,
					  SPAN("{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\","
					       "\"content\":\"" TEXT512),
					  &e),
			 0);
	const struct openai_facts *f = openai_scan_facts(s, 1);
	assert_true(span_eq(f->model, SPAN("m")));
	assert_int_equal(f->chain_len, 2);
	uint64_t first = f->chain[0];
	assert_int_equal(openai_scan_feed(s, SPAN(TEXT512), &e), 0);
	f = openai_scan_facts(s, 1);
	assert_int_equal(f->chain_len, 4);
	assert_true(f->chain[0] == first);
	openai_scan_free(s);
}

static void an_error_sticks(void **state)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(API_CHAT);
	(void)state;
	assert_non_null(s);
	assert_int_equal(openai_scan_feed(s, SPAN("{\"model\":5,"), &e), -PS_EBADFIELD);
	assert_int_equal(openai_scan_feed(s, SPAN("}"), &e), -PS_EBADFIELD);
	assert_int_equal(openai_scan_end(s, NULL), -PS_EBADFIELD);
	openai_scan_free(s);
	openai_scan_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_understood_at_every_split),
		cmocka_unit_test(what_is_wrong_is_named_at_every_split),
		cmocka_unit_test(the_splice_asks_for_usage_and_leaves_valid_json),
		cmocka_unit_test(the_model_can_be_replaced_where_it_stands),
		cmocka_unit_test(a_long_user_is_cut),
		cmocka_unit_test(facts_are_there_before_the_end),
		cmocka_unit_test(an_error_sticks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
