/* What reading costs: the body scan with its block hashes, the look at answer events and at whole answers. Prints
 * nanoseconds, best of several rounds (the machine is shared; the minimum is the code). Build and run: bench/micro/run
 * openai */
#include <stdio.h>
#include <stdlib.h>

#include "openai/openai.h"

enum { TEXT_BYTES = 32768, ROUNDS = 15, BODY_MAX = 1 << 20 };

static void check(int r)
{
	if (r < 0)
		abort();
}

static void fill(struct buf *b, const char *piece, size_t bytes)
{
	size_t n = strlen(piece);
	for (size_t at = 0; at + n <= bytes; at += n)
		check(buf_add(b, span_of(piece, n)));
}

/* What bench/loadgen sends. */
static void small(struct buf *b)
{
	check(buf_add(b,
		      SPAN("{\"model\":\"tiny\",\"stream\":false,\"max_tokens\":16,\"user\":\"itl=0;batch=1;rb=256\","
			   "\"messages\":[{\"role\":\"user\",\"content\":\"")));
	fill(b, "The quick brown fox jumps over the lazy dog and runs. ", 1024);
	check(buf_add(b, SPAN("\"}]}")));
}

static void large(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"")));
	fill(b, "The quick brown fox jumps over the lazy dog and runs. ", BODY_MAX - 1024);
	check(buf_add(b, SPAN("\"}],\"stream\":true}")));
}

static void plain(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"")));
	fill(b, "The quick brown fox jumps over the lazy dog and runs. ", TEXT_BYTES);
	check(buf_add(b, SPAN("\"}],\"stream\":true}")));
}

static void content_first(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"content\":\"")));
	fill(b, "The quick brown fox jumps over the lazy dog and runs. ", TEXT_BYTES);
	check(buf_add(b, SPAN("\",\"role\":\"user\"}],\"stream\":true}")));
}

static void code(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"")));
	fill(b, "\\tif (x == \\\"y\\\") return frobnicate(x, y, count);\\n    next line of code;\\n", TEXT_BYTES);
	check(buf_add(b, SPAN("\"}],\"stream\":true}")));
}

static void chinese(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"")));
	fill(b, "敏捷的棕色狐狸跳过了懒狗,然后跑走了。", TEXT_BYTES);
	check(buf_add(b, SPAN("\"}],\"stream\":true}")));
}

static void turns(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"x\"}")));
	fill(b,
	     ",{\"role\":\"user\",\"content\":\"The quick brown fox jumps over the lazy dog, then it runs far away.\"}",
	     TEXT_BYTES);
	check(buf_add(b, SPAN("],\"stream\":true}")));
}

static void tools(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"tools\":[{\"x\":1}")));
	fill(b,
	     ",{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"Gives the weather of a "
	     "place at some time\","
	     "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":"
	     "\"integer\"}},"
	     "\"required\":[\"city\"]}}}",
	     TEXT_BYTES);
	check(buf_add(b, SPAN("],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true}")));
}

static void token_ids(struct buf *b)
{
	check(buf_add(b, SPAN("{\"model\":\"m\",\"prompt\":[1")));
	fill(b, ",1234,56,7890", TEXT_BYTES);
	check(buf_add(b, SPAN("],\"stream\":true}")));
}

static void scan_once(enum openai_api api, struct span body)
{
	struct openai_scan *s = openai_scan_new(api);
	if (!s)
		abort();
	check(openai_scan_feed(s, body, NULL));
	check(openai_scan_end(s, NULL));
	(void)openai_scan_facts(s, 1);
	openai_scan_free(s);
}

static double best_scan(enum openai_api api, struct span body)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t t = clock_now_ns();
		for (int k = 0; k < 50; k++)
			scan_once(api, body);
		t = clock_now_ns() - t;
		best = t < best ? t : best;
	}
	return (double)best / 50;
}

static void bench_scan(const char *name, enum openai_api api, void (*make)(struct buf *))
{
	struct buf b;
	buf_init(&b, BODY_MAX);
	make(&b);
	double ns = best_scan(api, buf_span(&b));
	printf("scan %-14s %6zu bytes  %8.0f ns  %5.0f ns/KB\n", name, buf_len(&b), ns,
	       ns * 1024 / (double)buf_len(&b));
	buf_free(&b);
}

/* Events as they come, one per piece. */
static void bench_answer(const char *name, enum openai_api api, enum openai_usage_mode mode, struct span event)
{
	struct openai_answer *a = openai_answer_new(api, true, mode);
	struct buf out;
	struct openai_seen seen;
	uint64_t best = UINT64_MAX;
	buf_init(&out, BODY_MAX);
	if (!a)
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t t = clock_now_ns();
		for (int k = 0; k < 1000; k++) {
			check(openai_answer_feed(a, event, &out, &seen));
			buf_clear(&out);
		}
		t = clock_now_ns() - t;
		best = t < best ? t : best;
	}
	printf("event %-14s %5zu bytes  %8.1f ns\n", name, event.n, (double)best / 1000);
	buf_free(&out);
	openai_answer_free(a);
}

/* Whole answers, made and given up for each. */
static void bench_whole(void)
{
	struct buf b;
	struct openai_seen seen;
	uint64_t best = UINT64_MAX;
	buf_init(&b, BODY_MAX);
	check(buf_add(
		&b,
		SPAN("{\"id\":\"chatcmpl-0\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"tiny\","
		     "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"")));
	fill(&b, "The quick brown fox jumps over the lazy dog and runs. ", 270);
	check(buf_add(&b, SPAN("\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":{"
			       "\"prompt_tokens\":"
			       "287,\"completion_tokens\":64,\"total_tokens\":351}}")));
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t t = clock_now_ns();
		for (int k = 0; k < 1000; k++) {
			struct openai_answer *a = openai_answer_new(API_CHAT, false, USAGE_OBSERVE);
			if (!a)
				abort();
			check(openai_answer_feed(a, buf_span(&b), NULL, &seen));
			check(openai_answer_end(a, NULL, &seen));
			openai_answer_free(a);
		}
		t = clock_now_ns() - t;
		best = t < best ? t : best;
	}
	printf("answer %-13s %5zu bytes  %8.1f ns\n", "whole", buf_len(&b), (double)best / 1000);
	buf_free(&b);
}

#define CHUNK(delta)                                                                                                   \
	"data: "                                                                                                       \
	"{\"id\":\"chatcmpl-9b55688f6baa1707\",\"object\":\"chat.completion.chunk\",\"created\":1795415001,\"model\":" \
	"\"tiny\","                                                                                                    \
	"\"choices\":[{\"index\":0,\"delta\":{" delta                                                                  \
	"},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}]"
#define USAGE                                                                                                          \
	",\"usage\":{\"prompt_tokens\":149,\"total_tokens\":150,\"completion_tokens\":1,\"completion_tokens_"          \
	"details\":null}"

int main(void)
{
	bench_scan("small", API_CHAT, small);
	bench_scan("large", API_CHAT, large);
	bench_scan("plain", API_CHAT, plain);
	bench_scan("content-first", API_CHAT, content_first);
	bench_scan("code", API_CHAT, code);
	bench_scan("chinese", API_CHAT, chinese);
	bench_scan("turns", API_CHAT, turns);
	bench_scan("tools", API_CHAT, tools);
	bench_scan("token-ids", API_COMPLETIONS, token_ids);
	bench_whole();
	bench_answer("content", API_CHAT, USAGE_OBSERVE, SPAN(CHUNK("\"content\":\"lighthouse\"") "}\n\n"));
	bench_answer("empty", API_CHAT, USAGE_OBSERVE, SPAN(CHUNK("\"content\":\"\"") "}\n\n"));
	bench_answer("usage", API_CHAT, USAGE_OBSERVE, SPAN(CHUNK("\"content\":\"a\"") USAGE "}\n\n"));
	bench_answer("strip", API_CHAT, USAGE_STRIP, SPAN(CHUNK("\"content\":\"a\"") "}\n\n"));
	bench_answer("strip usage", API_CHAT, USAGE_STRIP, SPAN(CHUNK("\"content\":\"a\"") USAGE "}\n\n"));
	return 0;
}
