/* What wire does when memory runs out: an error, no crash, no leak. The buffers are compiled in here, with a malloc
 * that fails when told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/wire.h"

static unsigned allocations, failing; /* the one that fails; 0: none */

static void *counted_malloc(size_t n)
{
	return ++allocations == failing ? NULL : (malloc)(n);
}

#define malloc(n) counted_malloc(n)
#include "base/buf.c"
#undef malloc

enum { MAX_BYTES = 1 << 16 };

/* An event in two pieces with several lines of data needs both of the reader's buffers. */
static int read_events(void)
{
	struct sse s;
	struct sse_event ev;
	int r = 0;
	const struct span pieces[] = { SPAN("data: a\n\ndata: b\nda"), SPAN("ta: c\n\ndata: d"), SPAN("\ndata: e") };
	sse_init(&s, MAX_BYTES);
	for (size_t i = 0; i < 3 && r >= 0; i++) {
		struct span in = pieces[i];
		while ((r = sse_next(&s, &in, &ev)) > 0)
			continue;
	}
	r = r < 0 ? r : sse_end(&s, &ev);
	sse_free(&s);
	return r < 0 ? r : 0;
}

static int read_trailers(void)
{
	struct h1_limits limits = h1_limits_default();
	struct h1_chunked c;
	struct buf trailers;
	char text[700] = "0\r\nX: ";
	size_t payload;
	memset(text + 6, 'a', 680);
	memcpy(text + 686, "\r\nY: b\r\n\r\n", 11);
	buf_init(&trailers, MAX_BYTES);
	h1_chunked_init(&c, &limits, true);
	ptrdiff_t r = h1_chunked_decode(&c, text, strlen(text), &payload, &trailers, NULL);
	buf_free(&trailers);
	return r < 0 ? (int)r : 0;
}

static int write_field(void)
{
	struct buf b;
	buf_init(&b, MAX_BYTES);
	int r = h1_add_field(&b, SPAN("a"), SPAN("b"));
	buf_free(&b);
	return r;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	static int (*const works[])(void) = { read_events, read_trailers, write_field };
	for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
		failing = allocations = 0;
		assert_int_equal(works[i](), 0);
		unsigned needed = allocations;
		assert_true(needed > 0);
		for (unsigned k = 1; k <= needed; k++) {
			allocations = 0;
			failing = k;
			assert_int_equal(works[i](), -PS_ENOMEM);
		}
		failing = 0;
	}
}

static void a_field_is_written_or_not_at_all(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_int_equal(h1_add_field(&b, SPAN("a"), SPAN("bcdef")), 0);
	assert_true(span_eq(buf_span(&b), SPAN("a: bcdef\r\n")));
	assert_int_equal(h1_add_field(&b, SPAN("a"), SPAN_NONE), -PS_ETOOBIG);
	assert_true(span_eq(buf_span(&b), SPAN("a: bcdef\r\n")));
	buf_clear(&b);
	assert_int_equal(h1_add_field(&b, SPAN("a"), SPAN_NONE), 0);
	assert_true(span_eq(buf_span(&b), SPAN("a: \r\n")));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_field_is_written_or_not_at_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
