/* Answers: what a real engine's bytes are understood to say at every split, what is taken out of them again, and what
 * must not fool it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/openai.h"

enum { FILE_MAX = 65536 };

static void add(struct buf *b, struct span s)
{
	assert_int_equal(buf_add(b, s), 0);
}

/* The payload of a recorded answer: behind its head, chunk framing taken off. */
static void load(const char *name, struct buf *body)
{
	static char raw[FILE_MAX];
	char path[128];
	(void)snprintf(path, sizeof path, "tests/data/openai/%s.http", name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: not there; tests run at the root of the tree", path);
	size_t n = fread(raw, 1, sizeof raw, f);
	(void)fclose(f);
	struct span left = span_of(raw, n), head = left;
	ptrdiff_t at = span_search(left, SPAN("\r\n\r\n"));
	assert_true(at > 0);
	head.n = (size_t)at;
	left = span_skip(left, head.n + 4);
	buf_clear(body);
	if (span_search(head, SPAN("transfer-encoding: chunked")) < 0) {
		add(body, left);
		return;
	}
	for (;;) {
		char *end;
		unsigned long k = strtoul(left.p, &end, 16);
		left = span_skip(left, (size_t)(end - left.p) + 2);
		if (k == 0)
			return;
		add(body, span_head(left, k));
		left = span_skip(left, k + 2);
	}
}

struct outcome {
	struct openai_seen seen; /* of all pieces together */
	struct openai_usage usage;
};

static void join(struct openai_seen *all, const struct openai_seen *one)
{
	assert_false(all->first_content && one->first_content);
	all->tokens += one->tokens;
	all->first_content |= one->first_content;
	all->finished |= one->finished;
	all->error |= one->error;
}

/* Feeds `body` in two pieces of memory of their own; `out` gets what is forwarded. */
static struct outcome watch(enum openai_api api, bool stream, enum openai_usage_mode mode, struct span body,
			    size_t split, struct buf *out)
{
	struct outcome o = { 0 };
	struct openai_seen seen;
	struct openai_answer *a = openai_answer_new(api, stream, mode);
	assert_non_null(a);
	buf_clear(out);
	for (int i = 0; i < 2; i++) {
		struct span piece = i ? span_skip(body, split) : span_head(body, split);
		char *copy = span_dup(piece);
		assert_int_equal(openai_answer_feed(a, span_of(copy, piece.n), out, &seen), 0);
		if (!openai_answer_edits(a))
			add(out, span_of(copy, piece.n));
		free(copy);
		join(&o.seen, &seen);
	}
	assert_int_equal(openai_answer_end(a, out, &seen), 0);
	join(&o.seen, &seen);
	o.usage = *openai_answer_usage(a);
	openai_answer_free(a);
	return o;
}

static const struct {
	const char *file;
	enum openai_api api;
	bool stream;
	uint32_t tokens;
	bool finished, known, cached_known;
	uint32_t prompt, completion, cached;
} files[] = {
	{ "chat", API_CHAT, false, 0, true, true, false, 149, 8, 0 },
	{ "chat.cache_salt", API_CHAT, false, 0, true, true, false, 149, 4, 0 },
	{ "chat.lora-a", API_CHAT, false, 0, true, true, false, 149, 4, 0 },
	{ "chat.stream", API_CHAT, true, 0, true, false, false, 0, 0, 0 },
	{ "chat.lora-b.stream", API_CHAT, true, 0, true, false, false, 0, 0, 0 },
	{ "chat.stream.logprobs", API_CHAT, true, 0, true, false, false, 0, 0, 0 },
	{ "chat.stream.n2", API_CHAT, true, 3, true, false, false, 0, 0, 0 },
	{ "chat.stream.usage", API_CHAT, true, 0, true, true, false, 149, 8, 0 },
	{ "chat.stream.usage.continuous", API_CHAT, true, 0, true, true, false, 149, 4, 0 },
	{ "completions", API_COMPLETIONS, false, 0, true, true, false, 133, 40, 0 },
	{ "completions.list", API_COMPLETIONS, false, 0, true, true, false, 5, 8, 0 },
	{ "completions.tokenids", API_COMPLETIONS, false, 0, true, true, false, 100, 4, 0 },
	{ "completions.stream", API_COMPLETIONS, true, 0, true, true, false, 133, 8, 0 },
	{ "messages", API_MESSAGES, false, 0, true, true, false, 11, 8, 0 },
	{ "messages.stream", API_MESSAGES, true, 1, true, true, false, 11, 8, 0 },
	{ "responses", API_RESPONSES, false, 0, true, true, true, 11, 8, 0 },
	{ "responses.stream", API_RESPONSES, true, 0, true, true, true, 11, 8, 0 },
};

static void an_engines_answers_are_understood_at_every_split(void **state)
{
	struct buf body, out;
	(void)state;
	buf_init(&body, FILE_MAX);
	buf_init(&out, FILE_MAX);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		load(files[i].file, &body);
		for (size_t at = 0; at <= buf_len(&body); at++) {
			struct outcome o = watch(files[i].api, files[i].stream, USAGE_OBSERVE, buf_span(&body), at,
						 &out);
			if (o.seen.tokens != files[i].tokens || o.usage.known != files[i].known)
				fail_msg("%s split at %zu: %u tokens, known %d", files[i].file, at, o.seen.tokens,
					 o.usage.known);
			assert_int_equal(o.seen.finished, files[i].finished);
			assert_false(o.seen.error);
			assert_int_equal(o.usage.prompt_tokens, files[i].prompt);
			assert_int_equal(o.usage.completion_tokens, files[i].completion);
			assert_int_equal(o.usage.cached_known, files[i].cached_known);
			assert_int_equal(o.usage.cached_tokens, files[i].cached);
			assert_true(span_eq(buf_span(&out), buf_span(&body)));
		}
	}
	buf_free(&body);
	buf_free(&out);
}

/* A second, simple-minded way to take usage out of what vLLM sends: by its exact spelling. */
static void strip_naively(struct span in, struct buf *out)
{
	buf_clear(out);
	while (in.n) {
		size_t n = (size_t)span_search(in, SPAN("\n\n")) + 2;
		struct span ev = span_head(in, n);
		in = span_skip(in, n);
		if (span_search(ev, SPAN("\"choices\":[],")) >= 0)
			continue;
		ptrdiff_t at = span_search(ev, SPAN(",\"usage\":{"));
		if (at < 0) {
			add(out, ev);
			continue;
		}
		ptrdiff_t len = span_find(span_skip(ev, (size_t)at), '}');
		add(out, span_head(ev, (size_t)at));
		add(out, span_skip(ev, (size_t)(at + len) + 1));
	}
}

static void usage_is_taken_out_of_an_engines_streams_without_a_trace(void **state)
{
	struct buf body, out, want;
	(void)state;
	buf_init(&body, FILE_MAX);
	buf_init(&out, FILE_MAX);
	buf_init(&want, FILE_MAX);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (!files[i].stream || (files[i].api != API_CHAT && files[i].api != API_COMPLETIONS))
			continue;
		load(files[i].file, &body);
		strip_naively(buf_span(&body), &want);
		for (size_t at = 0; at <= buf_len(&body); at++) {
			struct outcome o = watch(files[i].api, true, USAGE_STRIP, buf_span(&body), at, &out);
			assert_true(span_eq(buf_span(&out), buf_span(&want)));
			assert_int_equal(span_search(buf_span(&out), SPAN("usage")), -1);
			assert_int_equal(o.usage.completion_tokens, files[i].completion);
			assert_true(o.seen.finished);
		}
	}
	buf_free(&body);
	buf_free(&out);
	buf_free(&want);
}

#define DATA(json) "data: " json "\n\n"

static const struct {
	const char *in, *out;
} edits[] = {
	{ DATA("{\"choices\":[{}],\"usage\":null}"), DATA("{\"choices\":[{}]}") },
	{ DATA("{\"usage\":null,\"choices\":[{}]}"), DATA("{\"choices\":[{}]}") },
	{ DATA("{\"choices\":[{}], \"usage\" : null , \"x\":1}"), DATA("{\"choices\":[{}] , \"x\":1}") },
	{ DATA("{\"usage\":null}"), DATA("{}") },
	{ DATA("{ \"usage\":{} }"), DATA("{ }") },
	{ DATA("{\"us\\u0061ge\":null,\"usage\":null}"), DATA("{\"us\\u0061ge\":null}") },
	{ DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"), "" },
	{ DATA("{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4},\"choices\":[ ]}"), "" },
	{ DATA("{\"choices\":[],\"usage\":null}"), DATA("{\"choices\":[]}") },
	{ DATA("{\"choices\":[],\"prompt_filter_results\":[]}"),
	  DATA("{\"choices\":[],\"prompt_filter_results\":[]}") },
	{ DATA("{\"choices\":[{\"usage\":null}]}"), DATA("{\"choices\":[{\"usage\":null}]}") },
	{ DATA("{\"choices\":[{\"delta\":{\"content\":\",\\\"usage\\\":null\"}}]}"),
	  DATA("{\"choices\":[{\"delta\":{\"content\":\",\\\"usage\\\":null\"}}]}") },
	{ ": ping\n\n" DATA("[DONE]"), ": ping\n\n" DATA("[DONE]") },
	{ "id: 7\nevent: x\ndata:{\"a\":1,\"usage\":null}\nretry: 5\n\n",
	  "id: 7\nevent: x\ndata:{\"a\":1}\nretry: 5\n\n" },
	{ "data: {\"a\":1,\ndata: \"usage\":null}\n\n", "data: {\"a\":1}\n\n" },
	{ "event: x\ndata: {\"usage\":null,\ndata: \"b\":2}\n\n", "event: x\ndata: {\ndata: \"b\":2}\n\n" },
	{ "data: {\"a\":1,\"usage\":null}\r\n\r\n", "data: {\"a\":1}\r\n\r\n" },
	{ "data: {\"a\":1,\"usage\":null}\n", "data: {\"a\":1}\n" },
	{ DATA("{\"a\":1,\"usage\":null"), DATA("{\"a\":1") },
	{ DATA("no json, \"usage\":null"), DATA("no json, \"usage\":null") },
};

static void an_edit_takes_one_member_and_leaves_the_other_bytes(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, FILE_MAX);
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++)
		for (size_t at = 0; at <= strlen(edits[i].in); at++) {
			(void)watch(API_CHAT, true, USAGE_STRIP, span_str(edits[i].in), at, &out);
			if (!span_eq(buf_span(&out), span_str(edits[i].out)))
				fail_msg("%s split at %zu:\n%.*s", edits[i].in, at, SPAN_ARG(buf_span(&out)));
		}
	buf_free(&out);
}

static const struct {
	enum openai_api api;
	const char *in;
	uint32_t tokens;
	bool finished, error;
} events[] = {
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"choices\": [{\"delta\": {\"content\": \"a\"}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"), 0, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"content\":null}}]}"), 0, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"content\":\"\\\"\"}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"logprobs\":{\"content\":[]},\"delta\":{\"content\":\"x\"}}]}"), 1, false,
	  false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"content\":\"\"}},{\"delta\":{\"content\":\"x\"}}]}"), 1, false,
	  false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"reasoning_content\":\"r\"}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"reasoning\":\"r\",\"content\":null}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}"), 1, false, false },
	{ API_CHAT,
	  DATA("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}"
	       "}]}}]}"),
	  0, false, false },
	{ API_CHAT,
	  DATA("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]}}]}"), 1,
	  false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"text\":\"a\"}]}"), 0, false, false },
	{ API_CHAT, DATA("[DONE]"), 0, true, false },
	{ API_CHAT, "data:[DONE]\n\n", 0, true, false },
	{ API_CHAT, "data: [DONE]", 0, true, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"content\":\"[DONE]\"}}]}"), 1, false, false },
	{ API_CHAT, DATA("{\"error\":{\"message\":\"x\",\"code\":500}}"), 0, false, true },
	{ API_CHAT, DATA("{\"error\": {\"message\":\"\\\"content\\\":\\\"a\\\"\"}}") DATA("[DONE]"), 0, true, true },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{}}],\"error\":null}"), 0, false, false },
	{ API_CHAT, DATA("{\"choices\":[{\"delta\":{\"error\":{}}}]}"), 0, false, false },
	{ API_CHAT, ": ping\n\n", 0, false, false },
	{ API_COMPLETIONS, DATA("{\"choices\":[{\"text\":\"a\"}]}") DATA("{\"choices\":[{\"text\":\"\"}]}"), 1, false,
	  false },
	{ API_RESPONSES,
	  "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n", 1,
	  false, false },
	{ API_RESPONSES, DATA("{\"delta\":\"a\",\"type\":\"response.function_call_arguments.delta\"}"), 1, false,
	  false },
	{ API_RESPONSES, "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n", 0, true, false },
	{ API_RESPONSES, DATA("{\"response\":{\"type\":\"x\"},\"type\":\"response.completed\"}"), 0, true, false },
	{ API_RESPONSES, "event: response.incomplete\ndata: {}\n\n", 0, true, false },
	{ API_RESPONSES, "event: response.failed\ndata: {}\n\n", 0, true, true },
	{ API_RESPONSES, "event: error\ndata: {\"type\":\"error\"}\n\n", 0, false, true },
	{ API_RESPONSES, "event: response.created\ndata: {\"response\":{\"error\":null}}\n\n", 0, false, false },
	{ API_MESSAGES, "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n", 1,
	  false, false },
	{ API_MESSAGES,
	  "event: content_block_delta\ndata: {\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}}\n\n", 1,
	  false, false },
	{ API_MESSAGES,
	  "event: content_block_delta\ndata: {\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"h\"}}\n\n", 1,
	  false, false },
	{ API_MESSAGES, "event: content_block_start\ndata: {\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
	  0, false, false },
	{ API_MESSAGES, "event: ping\ndata: {\"type\":\"ping\"}\n\n", 0, false, false },
	{ API_MESSAGES, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", 0, true, false },
	{ API_MESSAGES, DATA("{\"type\":\"message_stop\"}"), 0, true, false },
	{ API_MESSAGES, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n", 0,
	  false, true },
};

static void events_mean_what_their_api_says_at_every_split(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, FILE_MAX);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		for (size_t at = 0; at <= strlen(events[i].in); at++) {
			struct openai_seen seen =
				watch(events[i].api, true, USAGE_OBSERVE, span_str(events[i].in), at, &out).seen;
			if (seen.tokens != events[i].tokens || seen.finished != events[i].finished ||
			    seen.error != events[i].error || seen.first_content != (events[i].tokens > 0))
				fail_msg("%s split at %zu: tokens %u, finished %d, error %d, first %d", events[i].in,
					 at, seen.tokens, seen.finished, seen.error, seen.first_content);
		}
	buf_free(&out);
}

static const struct {
	enum openai_api api;
	bool stream;
	const char *in;
	bool known, cached_known;
	uint32_t prompt, completion, cached;
} usages[] = {
	{ API_CHAT, false,
	  "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
	  true, true, 3, 4, 2 },
	{ API_CHAT, false,
	  "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":0}}}",
	  true, true, 3, 4, 0 },
	{ API_CHAT, false, "{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"prompt_cache_hit_tokens\":1}}",
	  true, true, 3, 4, 1 },
	{ API_CHAT, false, "{\"usage\":{\"prompt_tokens\":3,\"prompt_tokens_details\":null}}", true, false, 3, 0, 0 },
	{ API_CHAT, false, "{\"usage\":null}", false, false, 0, 0, 0 },
	{ API_CHAT, false, "{\"usage\":{}}", false, false, 0, 0, 0 },
	{ API_CHAT, false, "{\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":1.5}}", false, false, 0, 0, 0 },
	{ API_CHAT, false, "{\"usage\":{\"prompt_tokens\":99999999999}}", false, false, 0, 0, 0 },
	{ API_CHAT, false,
	  "{\"choices\":[{\"message\":{\"content\":\"{\\\"usage\\\":{\\\"prompt_tokens\\\":9}}\",\"usage\":{\"prompt_"
	  "tokens\":8}}}],"
	  "\"x\":{\"usage\":{\"prompt_tokens\":7}},\"usage\":{\"y\":{\"prompt_tokens\":6},\"prompt_tokens\":5}}",
	  true, false, 5, 0, 0 },
	/* Names in places and of spellings that a search for them meets. */
	{ API_CHAT, false, "{\"x\":\"usage\",\"usage\":{\"prompt_tokens\":5},\"y\":[\"usage\"]}", true, false, 5, 0,
	  0 },
	{ API_CHAT, false, "{\"x\\\"usage\":{\"prompt_tokens\":9},\"usage\" : {\"prompt_tokens\":5}}", true, false, 5,
	  0, 0 },
	{ API_CHAT, false, "{\"x\\\"usage\":{\"prompt_tokens\":9}}", false, false, 0, 0, 0 },
	{ API_CHAT, false, "{\"x\\\\\":\"\\\\\",\"usage\":{\"prompt_tokens\":5}}\n", true, false, 5, 0, 0 },
	{ API_CHAT, false, "{\"x\":[{\"usage\":{\"prompt_tokens\":9}},{\"error\":1}],\"usage\":{\"prompt_tokens\":5}} ",
	  true, false, 5, 0, 0 },
	{ API_CHAT, false, "{\"usage\":{\"prompt_tokens\":5},\"x\":{\"usage\":{\"prompt_tokens\":9}}}", true, false, 5,
	  0, 0 },
	{ API_CHAT, false, "{\"error\":null,\"x\":{\"usage\":{\"prompt_tokens\":9}},\"usage\":{\"prompt_tokens\":5}}",
	  true, false, 5, 0, 0 },
	{ API_CHAT, false, "{\"x\":{\"usage\":{\"prompt_tokens\":9},\"y\":\"\\\"usage\"}}", false, false, 0, 0, 0 },
	{ API_CHAT, false, " \r\n{\"usage\":{\"prompt_tokens\":5}}", true, false, 5, 0, 0 },
	{ API_CHAT, false, "[{\"usage\":{\"prompt_tokens\":9}}]", false, false, 0, 0, 0 },
	{ API_CHAT, false, "not JSON {\"usage\":{\"prompt_tokens\":3}}", false, false, 0, 0, 0 },
	{ API_CHAT, false, "", false, false, 0, 0, 0 },
	{ API_EMBEDDINGS, false,
	  "{\"data\":[{\"embedding\":[0.1,-2e-3]}],\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}", true, false, 3,
	  0, 0 },
	{ API_CHAT, true, DATA("{\"x\":{\"usage\":{\"prompt_tokens\":9}}}"), false, false, 0, 0, 0 },
	{ API_CHAT, true,
	  DATA("{\"usage\":null}") DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"),
	  true, false, 3, 4, 0 },
	{ API_RESPONSES, true,
	  "event: response.completed\ndata: "
	  "{\"response\":{\"tools\":[{\"parameters\":{\"properties\":{\"usage\":{\"input_tokens\":1}}}}],"
	  "\"usage\":{\"input_tokens\":3,\"output_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":2}}}}\n\n",
	  true, true, 3, 4, 2 },
	/* Anthropic counts the cached part of the prompt apart, and repeats only some fields. */
	{ API_MESSAGES, true,
	  "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":20,"
	  "\"cache_creation_input_tokens\":100,\"output_tokens\":1}}}\n\n"
	  "event: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\n",
	  true, true, 123, 9, 20 },
};

static void usage_is_read_only_where_the_api_puts_it(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, FILE_MAX);
	for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
		for (size_t at = 0; at <= strlen(usages[i].in); at++) {
			struct openai_usage u = watch(usages[i].api, usages[i].stream, USAGE_OBSERVE,
						      span_str(usages[i].in), at, &out)
							.usage;
			if (u.known != usages[i].known || u.prompt_tokens != usages[i].prompt ||
			    u.completion_tokens != usages[i].completion || u.cached_known != usages[i].cached_known ||
			    u.cached_tokens != usages[i].cached)
				fail_msg("%s split at %zu: %d %u %u %d %u", usages[i].in, at, u.known, u.prompt_tokens,
					 u.completion_tokens, u.cached_known, u.cached_tokens);
			u = watch(usages[i].api, usages[i].stream, USAGE_OFF, span_str(usages[i].in), at, &out).usage;
			assert_false(u.known);
		}
	buf_free(&out);
}

static void a_whole_body_says_error_and_when_it_began(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, FILE_MAX);
	struct openai_seen seen =
		watch(API_CHAT, false, USAGE_OBSERVE, SPAN("{\"error\":{\"message\":\"x\"}}"), 5, &out).seen;
	assert_true(seen.error && seen.finished && seen.first_content);
	seen = watch(API_CHAT, false, USAGE_STRIP, SPAN("{\"error\":null,\"usage\":null}"), 5, &out).seen;
	assert_true(!seen.error && seen.finished);
	seen = watch(API_CHAT, false, USAGE_OBSERVE, SPAN("{\"x\":{\"error\":{}},\"y\":\"error\"}"), 9, &out).seen;
	assert_true(!seen.error && seen.finished);
	seen = watch(API_CHAT, false, USAGE_STRIP, SPAN("{\"error\":null,\"usage\":null}"), 5, &out).seen;
	assert_true(span_eq(buf_span(&out), SPAN("{\"error\":null,\"usage\":null}")));
	buf_free(&out);
}

static void an_event_over_the_bound_passes_unread(void **state)
{
	struct buf in, out;
	(void)state;
	buf_init(&in, 4 << 20);
	buf_init(&out, 4 << 20);
	add(&in, SPAN("data: {\"choices\":[{\"delta\":{\"content\":\""));
	while (buf_len(&in) < 2 << 20)
		add(&in, SPAN("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"));
	add(&in,
	    SPAN("\"}}],\"usage\":null}\n\n" DATA("{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}")));
	struct outcome o = watch(API_CHAT, true, USAGE_STRIP, buf_span(&in), 1000, &out);
	assert_int_equal(o.seen.tokens, 1);
	assert_int_equal(buf_len(&out), buf_len(&in) - (sizeof ",\"usage\":null" - 1));
	buf_free(&in);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_engines_answers_are_understood_at_every_split),
		cmocka_unit_test(usage_is_taken_out_of_an_engines_streams_without_a_trace),
		cmocka_unit_test(an_edit_takes_one_member_and_leaves_the_other_bytes),
		cmocka_unit_test(events_mean_what_their_api_says_at_every_split),
		cmocka_unit_test(usage_is_read_only_where_the_api_puts_it),
		cmocka_unit_test(a_whole_body_says_error_and_when_it_began),
		cmocka_unit_test(an_event_over_the_bound_passes_unread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
