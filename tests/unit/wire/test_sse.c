/* Events out of bytes: the same events at every split, not a byte lost, and a copy only where one is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/wire.h"

enum { MAX_BYTES = 4096, EVENTS_MAX = 8 };

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

struct golden {
	struct span text;
	struct {
		const char *type, *data;
	} events[EVENTS_MAX]; /* those with data */
	unsigned blocks;      /* all that are delivered when fed at once, the unfinished one included */
};

static const struct golden goldens[] = {
	{ TEXT("data: a\n\n"), { { "", "a" } }, 1 },
	{ TEXT("data: a\r\n\r\n"), { { "", "a" } }, 1 },
	{ TEXT("data: a\r\r"), { { "", "a" } }, 1 },
	{ TEXT("data:a\n\r\ndata: b\r\n\n"), { { "", "a" }, { "", "b" } }, 2 },
	{ TEXT("data: a\r\n\ndata: b\r\n\r\n"), { { "", "a" }, { "", "b" } }, 2 },
	{ TEXT("data:  a \n\n"), { { "", " a " } }, 1 },
	{ TEXT("data\n\n"), { { "", "" } }, 1 },
	{ TEXT("data:\n\n"), { { "", "" } }, 1 },
	{ TEXT("data\ndata\n\n"), { { "", "\n" } }, 1 },
	{ TEXT("data: a\ndata: b\ndata\ndata:  c\n\n"), { { "", "a\nb\n\n c" } }, 1 },
	{ TEXT("data: a\ndata: b\n\ndata: c\n\ndata: d\ndata: e\n\n"),
	  { { "", "a\nb" }, { "", "c" }, { "", "d\ne" } },
	  3 },
	{ TEXT("event: x\ndata: a\n\ndata: b\n\n"), { { "x", "a" }, { "", "b" } }, 2 },
	{ TEXT("event: x\nevent: y\ndata: a\nid: 1\nretry: 5\n\n"), { { "y", "a" } }, 1 },
	{ TEXT("event: x\nevent\ndata: a\n\n"), { { "", "a" } }, 1 },
	{ TEXT("event: x\n\ndata: a\n\n"), { { "", "a" } }, 2 },
	{ TEXT(": ping\n\n"), { { NULL, NULL } }, 1 },
	{ TEXT(":\n\n:a\ndata: b\n:c\n\n"), { { "", "b" } }, 2 },
	{ TEXT("\n\n\ndata: a\n\n\n"), { { "", "a" } }, 5 },
	{ TEXT("\r\r\n\ndata: a\r\n\r\n\r\n"), { { "", "a" } }, 5 },
	{ TEXT("\xEF\xBB\xBF"
	       "data: a\n\n"),
	  { { "", "a" } },
	  1 },
	{ TEXT("\xEF\xBB\xBF\ndata: a\n\n"), { { "", "a" } }, 2 },
	{ TEXT("\xEF\xBB\xBF\xEF\xBB\xBF"
	       "data: a\n\ndata: b\n\n"),
	  { { "", "b" } },
	  2 },
	{ TEXT("\xEF\xBB"
	       "data: a\n\ndata: b\n\n"),
	  { { "", "b" } },
	  2 },
	{ TEXT("data: a\n\n\xEF\xBB\xBF"
	       "data: b\n\n"),
	  { { "", "a" } },
	  2 },
	{ TEXT("data: a\n\n\xEF\xBB\xBF\ndata: b\n\n"), { { "", "a" }, { "", "b" } }, 2 },
	{ TEXT("Data: a\n\n data: b\n\ndata : c\n\ndatax: d\n\ndata: e\n\n"), { { "", "e" } }, 5 },
	{ TEXT("data: a:b: c\n\n"), { { "", "a:b: c" } }, 1 },
	{ TEXT("data: \0\x01\n\n"), { { "", NULL } }, 1 },
	{ TEXT("data: [DONE]"), { { "", "[DONE]" } }, 1 },
	{ TEXT("data: a\n\ndata: [DONE]\n"), { { "", "a" }, { "", "[DONE]" } }, 2 },
	{ TEXT("event: message_start\ndata: {\"type\":\"message_start\"}\n\nevent: ping\ndata: {}\n\n"),
	  { { "message_start", "{\"type\":\"message_start\"}" }, { "ping", "{}" } },
	  2 },
};

/* What was delivered, checked against a golden as it comes. */
struct check {
	const struct golden *g;
	unsigned events, blocks;
	struct buf raw;
};

static void check_event(struct check *k, const struct sse_event *ev)
{
	k->blocks++;
	assert_int_equal(buf_add(&k->raw, ev->raw), 0);
	if (!ev->has_data)
		return;
	assert_true(k->events < EVENTS_MAX && k->g->events[k->events].type);
	assert_true(span_eq(ev->type, span_str(k->g->events[k->events].type)));
	if (k->g->events[k->events].data)
		assert_true(span_eq(ev->data, span_str(k->g->events[k->events].data)));
	else
		assert_true(span_eq(ev->data, span_of("\0\x01", 2)));
	k->events++;
}

static void feed(struct sse *s, struct check *k, struct span piece)
{
	/* Memory of exact size, gone before the next piece comes. */
	char *p = malloc(piece.n ? piece.n : 1);
	assert_non_null(p);
	memcpy(p, piece.p, piece.n);
	struct span in = span_of(p, piece.n);
	struct sse_event ev;
	int r;
	while ((r = sse_next(s, &in, &ev)) == 1)
		check_event(k, &ev);
	assert_int_equal(r, 0);
	assert_int_equal(in.n, 0);
	free(p);
}

static unsigned run(const struct golden *g, size_t first, size_t rest)
{
	struct sse s;
	struct sse_event ev;
	struct check k = { .g = g };
	buf_init(&k.raw, MAX_BYTES);
	sse_init(&s, MAX_BYTES);
	for (size_t at = 0, n = first ? first : rest; at < g->text.n; at += n, n = rest)
		feed(&s, &k, span_head(span_skip(g->text, at), n));
	while (sse_end(&s, &ev) == 1)
		check_event(&k, &ev);
	assert_true(span_eq(buf_span(&k.raw), g->text));
	assert_true(k.events == EVENTS_MAX || !g->events[k.events].type);
	buf_free(&k.raw);
	sse_free(&s);
	return k.blocks;
}

static void any_split_gives_the_same_events_and_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goldens / sizeof *goldens; i++) {
		const struct golden *g = &goldens[i];
		for (size_t cut = 1; cut < g->text.n; cut++)
			run(g, cut, g->text.n);
		for (size_t step = 1; step < g->text.n; step++)
			run(g, 0, step);
		assert_int_equal(run(g, 0, g->text.n), g->blocks);
	}
}

static bool within(struct span part, struct span whole)
{
	return part.p >= whole.p && part.p + part.n <= whole.p + whole.n;
}

static void an_event_within_the_bytes_fed_is_not_copied(void **state)
{
	(void)state;
	struct sse s;
	struct sse_event ev;
	struct span fed = SPAN("event: x\ndata: one\n\ndata: two\n\ndata: th"), in = fed;
	sse_init(&s, MAX_BYTES);
	assert_int_equal(sse_next(&s, &in, &ev), 1);
	assert_true(within(ev.raw, fed) && within(ev.data, fed) && within(ev.type, fed));
	assert_int_equal(sse_next(&s, &in, &ev), 1);
	assert_true(within(ev.raw, fed) && within(ev.data, fed));
	assert_null(s.rest.p);
	assert_int_equal(sse_next(&s, &in, &ev), 0);
	assert_non_null(s.rest.p);
	in = SPAN("ree\n\n");
	assert_int_equal(sse_next(&s, &in, &ev), 1);
	assert_true(span_eq(ev.data, SPAN("three")));
	assert_int_equal(sse_next(&s, &in, &ev), 0);
	/* An idle stream holds no memory. */
	assert_null(s.rest.p);
	assert_null(s.joined.p);
	sse_free(&s);
}

static void an_event_is_delivered_with_its_last_byte(void **state)
{
	(void)state;
	static const struct span texts[] = { TEXT("data: a\n\n"), TEXT("data: a\r\r"), TEXT("data: a\r\n\r") };
	for (size_t i = 0; i < 3; i++) {
		struct sse s;
		struct sse_event ev;
		struct span in = span_head(texts[i], texts[i].n - 1), last = span_skip(texts[i], texts[i].n - 1);
		sse_init(&s, MAX_BYTES);
		assert_int_equal(sse_next(&s, &in, &ev), 0);
		assert_int_equal(sse_next(&s, &last, &ev), 1);
		assert_true(span_eq(ev.data, SPAN("a")));
		sse_free(&s);
	}
}

/* A long event between two short ones: passed on in pieces, unread, and the reader is in step again behind it. */
static void an_event_over_the_bound_is_passed_on_raw(void **state)
{
	(void)state;
	static const char text[] =
		"data: a\n\n"
		"data: 0123456789012345678901234567890123456789\r\ndata: 01234567890123456789\r\n\r\n"
		"data: b\n\n";
	for (size_t step = 1; step < sizeof text; step++) {
		struct sse s;
		struct sse_event ev;
		struct buf raw;
		char data[8] = "";
		size_t events = 0;
		buf_init(&raw, MAX_BYTES);
		sse_init(&s, 32);
		for (size_t at = 0; at < sizeof text - 1; at += step) {
			size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
			for (struct span in = span_of(text + at, n); sse_next(&s, &in, &ev) == 1;) {
				assert_int_equal(buf_add(&raw, ev.raw), 0);
				if (ev.has_data)
					data[events++ % sizeof data] = ev.data.p[0];
			}
			assert_true(s.rest.cap <= 32);
		}
		assert_int_equal(sse_end(&s, &ev), 0);
		assert_true(span_eq(buf_span(&raw), span_of(text, sizeof text - 1)));
		assert_int_equal(events, 2);
		assert_string_equal(data, "ab");
		buf_free(&raw);
		sse_free(&s);
	}
}

static void the_bound_is_the_length_of_a_whole_event(void **state)
{
	(void)state;
	for (size_t cut = 1; cut <= 12; cut++) {
		for (size_t over = 0; over < 2; over++) {
			struct sse s;
			struct sse_event ev = { 0 };
			struct span text = SPAN("data: abcd\n\n"), in = span_head(text, cut),
				    rest = span_skip(text, cut);
			bool read = false;
			sse_init(&s, text.n - over);
			while (sse_next(&s, &in, &ev) == 1 || sse_next(&s, &rest, &ev) == 1)
				read |= ev.has_data;
			assert_int_equal(read, over == 0);
			sse_free(&s);
		}
	}
}

/* The mark is one only at the very beginning, also when what stood there was too long to be read. */
static void a_byte_order_mark_behind_a_raw_event_is_text(void **state)
{
	(void)state;
	struct sse s;
	struct sse_event ev;
	struct span in = SPAN(": 0123456789012345678901234567890123456789\n\n\xEF\xBB\xBF"
			      "data: a\n\n");
	sse_init(&s, 32);
	assert_int_equal(sse_next(&s, &in, &ev), 1);
	assert_int_equal(sse_next(&s, &in, &ev), 1);
	assert_int_equal(ev.raw.n, 12);
	assert_false(ev.has_data);
	sse_free(&s);
}

static void lines_longer_than_a_search_window_are_found(void **state)
{
	(void)state;
	static const char ends[][3] = { "\n", "\r", "\r\n" };
	char text[3000];
	for (size_t n = 1000; n < 2100; n++) {
		struct sse s;
		struct sse_event ev;
		const char *end = ends[n % 3];
		size_t k = strlen(end);
		memset(text, 'x', sizeof text);
		memcpy(text, "data:", 5);
		memcpy(text + n, end, k);
		memcpy(text + n + k, end, k);
		struct span in = span_of(text, n + 2 * k);
		sse_init(&s, MAX_BYTES);
		assert_int_equal(sse_next(&s, &in, &ev), 1);
		assert_int_equal(ev.data.n, n - 5);
		assert_int_equal(in.n, 0);
		sse_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same_events_and_every_byte),
		cmocka_unit_test(an_event_within_the_bytes_fed_is_not_copied),
		cmocka_unit_test(an_event_is_delivered_with_its_last_byte),
		cmocka_unit_test(an_event_over_the_bound_is_passed_on_raw),
		cmocka_unit_test(the_bound_is_the_length_of_a_whole_event),
		cmocka_unit_test(a_byte_order_mark_behind_a_raw_event_is_text),
		cmocka_unit_test(lines_longer_than_a_search_window_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
