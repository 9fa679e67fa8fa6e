/* Laws of the prefix chain over random conversations: how a body is written does not change it, a longer conversation
 * extends it, and the split of the bytes changes nothing. The seed is printed; PENSTOCK_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "openai/openai.h"

enum { ROUNDS = 1500, MESSAGES_MAX = 6, TOOLS_MAX = 3, TEXT_MAX = 700, BODY_MAX = 1 << 18 };

/* A conversation as data. */
struct message {
	unsigned role, parts; /* parts 0: content is a string */
	char text[TEXT_MAX];  /* of which each part takes a piece */
	bool name, call, image;
};
struct conversation {
	struct message messages[MESSAGES_MAX];
	unsigned tools;
	unsigned tool_kind[TOOLS_MAX];
};

/* How it is written down. */
struct style {
	struct rng r;
	bool shuffle, space, escape, extra;
};

static struct rng rng;

static unsigned below(struct rng *r, unsigned n)
{
	return (unsigned)rng_below(r, n);
}

static void add(struct buf *b, const char *z)
{
	assert_int_equal(buf_add(b, span_str(z)), 0);
}

static void space(struct buf *b, struct style *st)
{
	static const char *const spaces[] = { "", "", " ", "\n", "\t \r\n" };
	if (st->space)
		add(b, spaces[below(&st->r, 5)]);
}

/* A JSON string; with escapes by choice where they are not needed. */
static void string(struct buf *b, struct style *st, const char *z, size_t n)
{
	add(b, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)z[i];
		bool must = c == '"' || c == '\\' || c < ' ';
		if (must || (st->escape && c < 0x80 && below(&st->r, 8) == 0))
			assert_int_equal(buf_printf(b, below(&st->r, 2) ? "\\u%04x" : "\\u%04X", c), 0);
		else
			assert_int_equal(buf_add(b, span_of(z + i, 1)), 0);
	}
	add(b, "\"");
}

static void key(struct buf *b, struct style *st, const char *k, bool first)
{
	if (!first)
		add(b, ",");
	space(b, st);
	string(b, st, k, strlen(k));
	space(b, st);
	add(b, ":");
	space(b, st);
}

/* A random order of n members, or the given one. */
static void order(struct style *st, unsigned n, unsigned *out)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = i;
	for (unsigned i = n; st->shuffle && i > 1; i--) {
		unsigned k = below(&st->r, i), t = out[i - 1];
		out[i - 1] = out[k];
		out[k] = t;
	}
}

/* Members nobody acts on. */
static void extra(struct buf *b, struct style *st, bool first)
{
	static const char *const values[] = { "1", "null", "{\"role\":[{}],\"text\":\"x\"}", "[[],\"\\n\"]", "-0.5e3" };
	char name[16];
	if (!st->extra || below(&st->r, 2))
		return;
	(void)snprintf(name, sizeof name, "x%u", below(&st->r, 1000000));
	key(b, st, name, first);
	add(b, values[below(&st->r, 5)]);
	if (first)
		add(b, ",");
}

static void tool(struct buf *b, struct style *st, unsigned kind)
{
	unsigned o[3];
	char text[TEXT_MAX];
	order(st, 3, o);
	add(b, "{");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const keys[] = { "type", "description", "parameters" };
		key(b, st, keys[o[i]], i == 0);
		if (o[i] == 0)
			string(b, st, "function", 8);
		else if (o[i] == 1)
			string(b, st, text, (size_t)snprintf(text, sizeof text, "tool \xc3\xa9 %0200u", kind));
		else if (st->shuffle && below(&st->r, 2))
			assert_int_equal(buf_printf(b, "{\"b\":[1,%u,{}],\"a\":null}", kind), 0);
		else
			assert_int_equal(buf_printf(b, "{\"a\" : null, \"b\":[1 ,%u, { } ]}", kind), 0);
	}
	space(b, st);
	add(b, "}");
}

/* Where part i begins: never inside a UTF-8 sequence. */
static size_t edge(const struct message *m, unsigned i)
{
	size_t at = strlen(m->text) * i / (m->parts + 1);
	while ((m->text[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static void content(struct buf *b, struct style *st, const struct message *m)
{
	size_t n = strlen(m->text);
	if (m->parts == 0 && !m->image) {
		string(b, st, m->text, n);
		return;
	}
	add(b, "[");
	for (unsigned i = 0; i <= m->parts; i++) {
		bool swap = st->shuffle && below(&st->r, 2);
		size_t from = edge(m, i), to = edge(m, i + 1);
		add(b, i ? ",{" : "{");
		if (!swap)
			add(b, "\"type\":\"text\",");
		key(b, st, "text", true);
		string(b, st, m->text + from, to - from);
		if (swap)
			add(b, ",\"type\":\"text\"");
		add(b, "}");
	}
	if (m->image)
		add(b, st->shuffle ? ",{\"image_url\":{\"detail\":\"low\",\"url\":\"data:1\"}}"
				   : ",{\"image_url\":{\"url\":\"data:1\",\"detail\":\"low\"}}");
	add(b, "]");
}

static void message(struct buf *b, struct style *st, const struct message *m)
{
	static const char *const roles[] = { "system", "user", "assistant" };
	static const char *const keys[] = { "role", "content", "name", "tool_calls" };
	unsigned o[4];
	bool first = true;
	order(st, 4, o);
	add(b, "{");
	extra(b, st, true);
	for (unsigned i = 0; i < 4; i++) {
		if ((o[i] == 2 && !m->name) || (o[i] == 3 && !m->call))
			continue;
		key(b, st, keys[o[i]], first);
		first = false;
		if (o[i] == 0)
			string(b, st, roles[m->role], strlen(roles[m->role]));
		else if (o[i] == 1)
			content(b, st, m);
		else if (o[i] == 2)
			string(b, st, "nobody", 6);
		else
			add(b, st->shuffle ? "[{\"function\":{\"arguments\":\"{}\",\"name\":\"f\"},\"id\":\"2\"}]"
					   : "[{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]");
	}
	extra(b, st, false);
	space(b, st);
	add(b, "}");
}

static void member(struct buf *b, struct style *st, const struct conversation *c, unsigned n, unsigned which)
{
	if (which == 0) {
		string(b, st, "m", 1);
		return;
	}
	add(b, "[");
	for (unsigned i = 0; i < (which == 1 ? c->tools : n); i++) {
		add(b, i ? "," : "");
		space(b, st);
		if (which == 1)
			tool(b, st, c->tool_kind[i]);
		else
			message(b, st, &c->messages[i]);
	}
	add(b, "]");
}

/* The first n messages of the conversation as a body. */
static void write_body(struct buf *b, struct style *st, const struct conversation *c, unsigned n)
{
	static const char *const keys[] = { "model", "tools", "messages" };
	unsigned o[3];
	order(st, 3, o);
	buf_clear(b);
	add(b, "{");
	for (unsigned i = 0; i < 3; i++) {
		key(b, st, keys[o[i]], i == 0);
		member(b, st, c, n, o[i]);
		extra(b, st, false);
	}
	add(b, "}");
}

static void random_text(char *out, size_t max)
{
	static const char *const units[] = {
		"a", "B", " ", "\n", "\"", "\\", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "/", "{", "\x01"
	};
	size_t n = 0, want = below(&rng, (unsigned)max - 8);
	while (n < want) {
		const char *u = units[below(&rng, 12)];
		memcpy(out + n, u, strlen(u));
		n += strlen(u);
	}
	out[n] = '\0';
}

static void random_conversation(struct conversation *c)
{
	c->tools = below(&rng, TOOLS_MAX + 1);
	for (unsigned i = 0; i < TOOLS_MAX; i++)
		c->tool_kind[i] = below(&rng, 5);
	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		struct message *m = &c->messages[i];
		*m = (struct message){ .role = below(&rng, 3),
				       .parts = below(&rng, 3),
				       .name = below(&rng, 4) == 0,
				       .call = below(&rng, 4) == 0,
				       .image = below(&rng, 6) == 0 };
		random_text(m->text, sizeof m->text);
	}
}

static struct style random_style(void)
{
	struct style st = {
		.shuffle = below(&rng, 2), .space = below(&rng, 2), .escape = below(&rng, 2), .extra = below(&rng, 2)
	};
	rng_seed(&st.r, rng_next(&rng));
	return st;
}

static struct openai_scan *scan(struct span body, bool split)
{
	struct err e = { 0 };
	struct openai_scan *s = openai_scan_new(API_CHAT);
	int r = 0;
	assert_non_null(s);
	for (struct span left = body; left.n && r == 0;) {
		size_t n = split ? 1 + rng_below(&rng, 40) : left.n;
		r = openai_scan_feed(s, span_head(left, n), &e);
		left = span_skip(left, n);
	}
	if (r < 0 || openai_scan_end(s, &e) < 0)
		fail_msg("%s\n%.*s", e.text, SPAN_ARG(body));
	return s;
}

/* The first `n` blocks of both are the same. */
static void expect_prefix(struct openai_scan *a, struct openai_scan *b, uint32_t n, struct span body)
{
	const struct openai_facts *fa = openai_scan_facts(a, 9), *fb = openai_scan_facts(b, 9);
	assert_true(fa->chain_len >= n && fb->chain_len >= n);
	if (n && memcmp(fa->chain, fb->chain, n * sizeof *fa->chain) != 0)
		fail_msg("%.*s", SPAN_ARG(body));
}

static void how_a_body_is_written_does_not_matter(void **state)
{
	struct conversation c;
	struct buf plain, other;
	(void)state;
	buf_init(&plain, BODY_MAX);
	buf_init(&other, BODY_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		struct style p = { 0 }, st = random_style();
		unsigned n = 1 + below(&rng, MESSAGES_MAX);
		random_conversation(&c);
		write_body(&plain, &p, &c, n);
		write_body(&other, &st, &c, n);
		struct openai_scan *a = scan(buf_span(&plain), false), *b = scan(buf_span(&other), below(&rng, 2));
		const struct openai_facts *fa = openai_scan_facts(a, 9), *fb = openai_scan_facts(b, 9);
		assert_int_equal(fa->chain_len, fb->chain_len);
		assert_true(fa->text_bytes == fb->text_bytes && fa->images == fb->images);
		expect_prefix(a, b, fa->chain_len, buf_span(&other));
		openai_scan_free(a);
		openai_scan_free(b);
	}
	buf_free(&plain);
	buf_free(&other);
}

static void a_longer_conversation_extends_the_shorter_ones_chain(void **state)
{
	struct conversation c;
	struct buf shorter, longer;
	(void)state;
	buf_init(&shorter, BODY_MAX);
	buf_init(&longer, BODY_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		struct style s1 = random_style(), s2 = random_style();
		unsigned n = 1 + below(&rng, MESSAGES_MAX - 1), more = n + 1 + below(&rng, MESSAGES_MAX - n);
		random_conversation(&c);
		write_body(&shorter, &s1, &c, n);
		write_body(&longer, &s2, &c, more);
		struct openai_scan *a = scan(buf_span(&shorter), true), *b = scan(buf_span(&longer), false);
		expect_prefix(a, b, openai_scan_facts(a, 9)->chain_len, buf_span(&longer));
		openai_scan_free(a);
		openai_scan_free(b);
	}
	buf_free(&shorter);
	buf_free(&longer);
}

/* From the block on that holds the change nothing is equal. */
static void a_changed_text_changes_the_chain_behind_it(void **state)
{
	struct conversation c;
	struct buf before, after;
	(void)state;
	buf_init(&before, BODY_MAX);
	buf_init(&after, BODY_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		struct style p = { 0 };
		random_conversation(&c);
		struct message *m = &c.messages[below(&rng, MESSAGES_MAX)];
		size_t n = strlen(m->text);
		write_body(&before, &p, &c, MESSAGES_MAX);
		memcpy(m->text + n, "x", 2);
		write_body(&after, &p, &c, MESSAGES_MAX);
		struct openai_scan *a = scan(buf_span(&before), false), *b = scan(buf_span(&after), false);
		const struct openai_facts *fa = openai_scan_facts(a, 9), *fb = openai_scan_facts(b, 9);
		uint32_t k = 0;
		while (k < fa->chain_len && k < fb->chain_len && fa->chain[k] == fb->chain[k])
			k++;
		/* The tools, the messages before it and the message's own head may be equal; the rest is not. */
		for (; k < fa->chain_len && k < fb->chain_len; k++)
			assert_true(fa->chain[k] != fb->chain[k]);
		if (m == &c.messages[0] && c.tools == 0 && fa->chain_len > TEXT_MAX / OPENAI_BLOCK_BYTES + 1)
			assert_true(fa->chain[fa->chain_len - 1] != fb->chain[fa->chain_len - 1]);
		openai_scan_free(a);
		openai_scan_free(b);
	}
	buf_free(&before);
	buf_free(&after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(how_a_body_is_written_does_not_matter),
		cmocka_unit_test(a_longer_conversation_extends_the_shorter_ones_chain),
		cmocka_unit_test(a_changed_text_changes_the_chain_behind_it),
	};
	const char *given = getenv("PENSTOCK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 10) : rng_entropy();
	fprintf(stderr, "PENSTOCK_SEED=%llu\n", (unsigned long long)seed);
	rng_seed(&rng, seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
