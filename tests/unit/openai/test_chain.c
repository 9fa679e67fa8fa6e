/* The chain of prefix blocks: what must not change it, what must, and that a longer prompt extends a shorter one's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bodies.h"

#define CHAT API_CHAT
#define LEGACY API_COMPLETIONS
#define EMBED API_EMBEDDINGS
#define RESP API_RESPONSES
#define MSGS API_MESSAGES

struct chain {
	uint64_t *h;
	uint32_t n;
};

/* A copy of the chain, seeded. */
static struct chain seeded(struct openai_scan *s, uint64_t seed)
{
	const struct openai_facts *f = openai_scan_facts(s, seed);
	struct chain c = { calloc(f->chain_len + 1, sizeof *c.h), f->chain_len };
	assert_non_null(c.h);
	if (c.n)
		memcpy(c.h, f->chain, c.n * sizeof *c.h);
	return c;
}

static struct chain chain_of(enum openai_api api, const char *body, size_t step)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(api);
	assert_non_null(s);
	if (scan_steps(s, span_str(body), step, &e) < 0)
		fail_msg("%s: %s", body, e.text);
	struct chain c = seeded(s, 42);
	openai_scan_free(s);
	return c;
}

/* Blocks equal from the start. */
static uint32_t common(struct chain a, struct chain b)
{
	uint32_t i = 0;
	while (i < a.n && i < b.n && a.h[i] == b.h[i])
		i++;
	return i;
}

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define CHAT1(more) "{\"model\":\"m\",\"messages\":[" more "]}"

/* Each pair is one prompt, said in two ways. */
static const struct {
	enum openai_api api, api2;
	const char *a, *b;
} same[] = {
	/* order of keys, at every level */
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  "{\"messages\":[{\"content\":\"" TEXT512 "\",\"role\":\"user\"}],\"model\":\"m\"}" },
	{ CHAT, CHAT,
	  "{\"model\":\"m\",\"tools\":[{\"a\":{\"b\":\"" TEXT512 "\",\"c\":[1,{\"d\":2,\"e\":3}]},\"f\":null}]}",
	  "{\"tools\":[{\"f\":null,\"a\":{\"c\":[1,{\"e\":3,\"d\":2}],\"b\":\"" TEXT512 "\"}}],\"model\":\"m\"}" },
	{ CHAT, CHAT, "{\"model\":\"m\",\"tools\":[{\"a\":\"" TEXT512 "\"}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"messages\":[" USER(TEXT512) "],\"model\":\"m\",\"tools\":[{\"a\":\"" TEXT512 "\"}]}" },
	{ MSGS, MSGS, "{\"model\":\"m\",\"system\":\"" TEXT512 "\",\"messages\":[" USER(TEXT512) "]}",
	  "{\"messages\":[" USER(TEXT512) "],\"system\":\"" TEXT512 "\",\"model\":\"m\"}" },
	{ CHAT, CHAT,
	  CHAT1("{\"role\":\"assistant\",\"content\":\"" TEXT512
		"\",\"name\":\"n\",\"tool_calls\":[{\"id\":\"1\",\"function\":"
		"{\"name\":\"f\",\"arguments\":\"" TEXT512 "\"}}]}"),
	  CHAT1("{\"tool_calls\":[{\"function\":{\"arguments\":\"" TEXT512
		"\",\"name\":\"f\"},\"id\":\"2\"}],\"name\":\"n\","
		"\"content\":\"" TEXT512 "\",\"role\":\"assistant\"}") },
	{ CHAT, CHAT,
	  CHAT1("{\"role\":\"assistant\",\"reasoning_content\":\"" TEXT512 "\",\"content\":\"" TEXT512 "\"}"),
	  CHAT1("{\"content\":\"" TEXT512 "\",\"reasoning_content\":\"" TEXT512 "\",\"role\":\"assistant\"}") },
	{ CHAT, CHAT,
	  CHAT1("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" TEXT512
		"\"},{\"type\":\"image_url\",\"image_url\":"
		"{\"url\":\"u\",\"detail\":\"low\"}},{\"type\":\"text\",\"text\":\"" TEXT512 "\"}]}"),
	  CHAT1("{\"content\":[{\"text\":\"" TEXT512
		"\",\"type\":\"text\"},{\"image_url\":{\"detail\":\"low\",\"url\":\"u\"},\"type\":"
		"\"image_url\"},{\"text\":\"" TEXT512 "\",\"type\":\"text\"}],\"role\":\"user\"}") },
	/* white space, escapes */
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  " {\n\"model\" : \"m\" ,\t\"messages\" : [ { \"role\" : \"user\" , \"content\" :\r\n\"" TEXT512 "\" } ] } " },
	{ CHAT, CHAT, CHAT1(USER("Aa/\\n" TEXT512)),
	  CHAT1("{\"r\\u006fle\":\"us\\u0065r\",\"content\":\"\\u0041a\\/\\u000a" TEXT512 "\"}") },
	{ CHAT, CHAT, CHAT1(USER("\xc3\xa9\xf0\x9f\x98\x80" TEXT512)), CHAT1(USER("\\u00e9\\uD83D\\ude00" TEXT512)) },
	/* what the engine's template never sees */
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  "{\"model\":\"m\",\"temperature\":0.3,\"messages\":[{\"x\":[{}],\"role\":\"user\",\"content\":\"" TEXT512
	  "\",\"id\":\"7\"}],\"stream\":true,\"max_tokens\":5,\"user\":\"u\",\"stop\":[\"a\"],\"n\":2}" },
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  "{\"model\":\"m\",\"tools\":null,\"messages\":[" USER(TEXT512) "],\"cache_salt\":null}" },
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" TEXT512 "\",\"name\":null,"
	  "\"tool_calls\":null,\"refusal\":null}]}" },
	{ MSGS, MSGS,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" TEXT512
	  "\"}]}]}",
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" TEXT512
	  "\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}" },
	/* a text and a list with one text */
	{ CHAT, CHAT, CHAT1(USER(TEXT512)),
	  CHAT1("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" TEXT512 "\"}]}") },
	{ LEGACY, LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"prompt\":[\"" TEXT512 "\"]}" },
	{ LEGACY, LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"prompt\":[\"" TEXT512 "\",\"other\"]}" },
	{ LEGACY, EMBED, "{\"model\":\"m\",\"prompt\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"input\":\"" TEXT512 "\"}" },
	{ RESP, RESP, "{\"model\":\"m\",\"input\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"input\":[" USER(TEXT512) "]}" },
	{ RESP, CHAT, "{\"model\":\"m\",\"input\":\"" TEXT512 "\"}", CHAT1(USER(TEXT512)) },
};

static void one_prompt_has_one_chain(void **state)
{
	static const size_t steps[] = { 1, 3, 61, 1 << 20 };
	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		for (size_t k = 0; k < 4; k++) {
			struct chain a = chain_of(same[i].api, same[i].a, 1 << 20);
			struct chain b = chain_of(same[i].api2, same[i].b, steps[k]);
			assert_true(a.n >= 2);
			if (a.n != b.n || common(a, b) != a.n)
				fail_msg("%s\n%s\n%u and %u blocks, %u in common", same[i].a, same[i].b, a.n, b.n,
					 common(a, b));
			free(a.h);
			free(b.h);
		}
}

/* Each pair differs: at most `shared` blocks are in common, and they have more. */
static const struct {
	enum openai_api api;
	uint32_t shared;
	const char *a, *b;
} different[] = {
	/* roles, parts, borders */
	{ CHAT, 0, CHAT1(USER(TEXT512)), CHAT1("{\"role\":\"system\",\"content\":\"" TEXT512 "\"}") },
	{ CHAT, 0, CHAT1("{\"role\":\"ab\",\"content\":\"c" TEXT512 "\"}"),
	  CHAT1("{\"role\":\"a\",\"content\":\"bc" TEXT512 "\"}") },
	{ CHAT, 0, CHAT1(USER("ab") "," USER("c" TEXT512)), CHAT1(USER("a") "," USER("bc" TEXT512)) },
	{ CHAT, 0, CHAT1(USER("ab") "," USER(TEXT512)), CHAT1(USER("ab" TEXT512)) },
	{ CHAT, 0, CHAT1("{\"role\":\"user\",\"content\":[{\"text\":\"ab\"},{\"text\":\"c" TEXT512 "\"}]}"),
	  CHAT1("{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"text\":\"bc" TEXT512 "\"}]}") },
	/* names, calls */
	{ CHAT, 0, CHAT1("{\"role\":\"user\",\"content\":\"a\",\"name\":\"x\"}," USER(TEXT512)),
	  CHAT1("{\"role\":\"user\",\"content\":\"a\",\"name\":\"y\"}," USER(TEXT512)) },
	{ CHAT, 0,
	  CHAT1("{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
		"\"1\"}}]}," USER(TEXT512)),
	  CHAT1("{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"g\",\"arguments\":"
		"\"1\"}}]}," USER(TEXT512)) },
	{ CHAT, 0,
	  CHAT1("{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
		"\"1\"}}]}," USER(TEXT512)),
	  CHAT1("{\"role\":\"user\",\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
		"\"2\"}}]}," USER(TEXT512)) },
	{ CHAT, 0, CHAT1("{\"role\":\"a\",\"content\":\"b\"}," USER(TEXT512)),
	  CHAT1("{\"role\":\"a\",\"reasoning\":\"b\"}," USER(TEXT512)) },
	/* images */
	{ CHAT, 0,
	  CHAT1("{\"role\":\"user\",\"content\":[{\"image_url\":{\"url\":\"u1\"}},{\"text\":\"" TEXT512 "\"}]}"),
	  CHAT1("{\"role\":\"user\",\"content\":[{\"image_url\":{\"url\":\"u2\"}},{\"text\":\"" TEXT512 "\"}]}") },
	{ CHAT, 0, CHAT1("{\"role\":\"user\",\"content\":[{\"image_url\":\"u\"},{\"text\":\"" TEXT512 "\"}]}"),
	  CHAT1("{\"role\":\"user\",\"content\":[{\"video_url\":\"u\"},{\"text\":\"" TEXT512 "\"}]}") },
	/* tools and system, even when they end inside a block */
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":1}],\"messages\":[" USER(TEXT512) "]}", CHAT1(USER(TEXT512)) },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":1}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"a\":\"1\"}],\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":[1,2]}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"a\":[2,1]}],\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":{}}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"a\":[]}],\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":{\"b\":1,\"c\":2}}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"a\":{\"b\":2,\"c\":1}}],\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":{\"b\":1},\"c\":2}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"a\":{},\"b\":1,\"c\":2}],\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"tools\":[{\"a\":1},{\"b\":2}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"tools\":[{\"b\":2},{\"a\":1}],\"messages\":[" USER(TEXT512) "]}" },
	{ MSGS, 0, "{\"model\":\"m\",\"system\":\"A\",\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"system\":\"B\",\"messages\":[" USER(TEXT512) "]}" },
	{ MSGS, 2, "{\"model\":\"m\",\"system\":\"" TEXT512 "A\",\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"system\":\"" TEXT512 "B\",\"messages\":[" USER(TEXT512) "]}" },
	{ RESP, 0, "{\"model\":\"m\",\"instructions\":\"A\",\"input\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"instructions\":\"B\",\"input\":\"" TEXT512 "\"}" },
	{ MSGS, 0,
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":\"a\"},"
	  "{\"text\":\"" TEXT512 "\"}]}]}",
	  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"text\":\"" TEXT512
	  "\"}]}]}" },
	/* salt */
	{ CHAT, 0, CHAT1(USER(TEXT512)), "{\"model\":\"m\",\"cache_salt\":\"s\",\"messages\":[" USER(TEXT512) "]}" },
	{ CHAT, 0, "{\"model\":\"m\",\"cache_salt\":\"t\",\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"messages\":[" USER(TEXT512) "],\"cache_salt\":\"s\"}" },
	/* text and token ids of the same bytes: 0x20202020 is four spaces */
	{ LEGACY, 0,
	  "{\"model\":\"m\",\"prompt\":\""
	  "                                                                "
	  "                                                                "
	  "                                                                "
	  "                                                                "
	  "\"}",
	  "{\"model\":\"m\",\"prompt\":["
	  "538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,"
	  "538976288,538976288,538976288,"
	  "538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,"
	  "538976288,538976288,538976288,"
	  "538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,"
	  "538976288,538976288,538976288,"
	  "538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,"
	  "538976288,538976288,538976288,"
	  "538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,538976288,"
	  "538976288,538976288]}" },
	/* only behind the difference */
	{ CHAT, 2, CHAT1(USER(TEXT512 "a" TEXT512)), CHAT1(USER(TEXT512 "b" TEXT512)) },
};

static void different_prompts_have_different_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof different / sizeof *different; i++) {
		struct chain a = chain_of(different[i].api, different[i].a, 1 << 20);
		struct chain b = chain_of(different[i].api, different[i].b, 1 << 20);
		assert_true(a.n > different[i].shared && b.n > different[i].shared);
		if (common(a, b) != different[i].shared)
			fail_msg("%s\n%s\n%u in common", different[i].a, different[i].b, common(a, b));
		/* Nothing behind a difference may be equal again. */
		for (uint32_t k = different[i].shared; k < a.n && k < b.n; k++)
			assert_true(a.h[k] != b.h[k]);
		free(a.h);
		free(b.h);
	}
}

/* The second body's prompt begins with the first one's. */
static const struct {
	enum openai_api api;
	const char *shorter, *longer;
} longer[] = {
	{ CHAT, CHAT1(USER(TEXT512)), CHAT1(USER(TEXT512) ",{\"role\":\"assistant\",\"content\":\"" TEXT512 "\"}") },
	{ CHAT, CHAT1(USER(TEXT512 TEXT64)), CHAT1(USER(TEXT512 TEXT64) "," USER("b") "," USER("c")) },
	{ CHAT, CHAT1(USER(TEXT512 TEXT64)), CHAT1(USER(TEXT512 TEXT64 TEXT512)) },
	{ CHAT, CHAT1("{\"content\":\"" TEXT512 "\",\"role\":\"user\"}"),
	  CHAT1("{\"content\":\"" TEXT512 "\",\"role\":\"user\"}," USER(TEXT512)) },
	{ CHAT, "{\"model\":\"m\",\"tools\":[{\"a\":\"" TEXT512 "\"}],\"messages\":[" USER(TEXT512) "]}",
	  "{\"messages\":[" USER(TEXT512) "," USER(TEXT512) "],\"tools\":[{\"a\":\"" TEXT512 "\"}],\"model\":\"m\"}" },
	{ CHAT,
	  CHAT1(USER(
		  "q") ",{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"" TEXT512
		       "\"}}]}"),
	  CHAT1(USER(
		  "q") ",{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"" TEXT512
		       "\"}}]},{\"role\":\"tool\",\"content\":\"" TEXT512 "\"}") },
	{ LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"prompt\":\"" TEXT512 TEXT512 "\"}" },
	{ RESP, "{\"model\":\"m\",\"instructions\":\"i\",\"input\":\"" TEXT512 "\"}",
	  "{\"model\":\"m\",\"input\":[" USER(
		  TEXT512) ",{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\","
			   "\"text\":\"" TEXT512 "\"}]}],\"instructions\":\"i\"}" },
	{ MSGS, "{\"model\":\"m\",\"system\":\"s\",\"messages\":[" USER(TEXT512) "]}",
	  "{\"model\":\"m\",\"system\":\"s\",\"messages\":[" USER(
		  TEXT512) ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"1\","
			   "\"name\":\"f\",\"input\":{\"a\":\"" TEXT512 "\"}}]}]}" },
};

static void a_longer_prompt_extends_the_chain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
		struct chain a = chain_of(longer[i].api, longer[i].shorter, 1 << 20);
		struct chain b = chain_of(longer[i].api, longer[i].longer, 5);
		assert_true(a.n >= 2);
		if (common(a, b) != a.n || b.n < a.n)
			fail_msg("%s\n%s\n%u of %u in common", longer[i].shorter, longer[i].longer, common(a, b), a.n);
		free(a.h);
		free(b.h);
	}
}

static void the_chain_counts_blocks_of_the_text(void **state)
{
	static const struct {
		enum openai_api api;
		const char *body;
		uint32_t blocks;
	} rows[] = {
		{ LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT128 TEXT64 "\"}", 0 },
		{ LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT128 TEXT128 "\"}", 1 },
		{ LEGACY, "{\"model\":\"m\",\"prompt\":\"" TEXT512 TEXT512 "\"}", 4 },
		{ CHAT, "{\"model\":\"m\",\"messages\":[]}", 0 },
		/* what is known by its hash keeps its size, nearly */
		{ CHAT, "{\"model\":\"m\",\"tools\":[{\"abcdefg\":\"" TEXT512 "\"}]}", 2 },
		{ MSGS,
		  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
		  "\"input\":{\"t\":\"" TEXT512 TEXT512 "\"}}]}]}",
		  4 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct chain c = chain_of(rows[i].api, rows[i].body, 11);
		assert_int_equal(c.n, rows[i].blocks);
		free(c.h);
	}
}

static void the_seed_is_in_every_hash(void **state)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(API_CHAT);
	(void)state;
	assert_non_null(s);
	assert_int_equal(scan_whole(s, SPAN(CHAT1(USER(TEXT512 TEXT512))), &e), 0);
	struct chain a = seeded(s, 1), b = seeded(s, 2), again = seeded(s, 1);
	assert_int_equal(a.n, 4);
	assert_int_equal(common(a, again), 4);
	for (uint32_t i = 0; i < a.n; i++)
		assert_true(a.h[i] != b.h[i]);
	free(a.h);
	free(b.h);
	free(again.h);
	/* A peek leaves the chain alone. */
	assert_ptr_equal(openai_scan_peek(s)->chain, openai_scan_facts(s, 1)->chain);
	openai_scan_free(s);
}

static void the_chain_ends_at_its_bound(void **state)
{
	struct buf b;
	struct err e = { 0 };
	(void)state;
	for (int content_first = 0; content_first < 2; content_first++) {
		buf_init(&b, 16 << 20);
		assert_int_equal(
			buf_add(&b, content_first
					    ? SPAN("{\"model\":\"m\",\"messages\":[{\"content\":\"")
					    : SPAN("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"")),
			0);
		while (buf_len(&b) < (size_t)OPENAI_BLOCKS_MAX * OPENAI_BLOCK_BYTES + 100000)
			assert_int_equal(buf_add(&b, SPAN(TEXT512)), 0);
		assert_int_equal(buf_add(&b, content_first ? SPAN("\",\"role\":\"user\"}]}") : SPAN("\"}]}")), 0);
		struct openai_scan *s = openai_scan_new(API_CHAT);
		assert_non_null(s);
		assert_int_equal(scan_whole(s, buf_span(&b), &e), 0);
		assert_in_range(openai_scan_facts(s, 0)->chain_len, OPENAI_BLOCKS_MAX - 3, OPENAI_BLOCKS_MAX);
		openai_scan_free(s);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_prompt_has_one_chain),
		cmocka_unit_test(different_prompts_have_different_chains),
		cmocka_unit_test(a_longer_prompt_extends_the_chain),
		cmocka_unit_test(the_chain_counts_blocks_of_the_text),
		cmocka_unit_test(the_seed_is_in_every_hash),
		cmocka_unit_test(the_chain_ends_at_its_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
