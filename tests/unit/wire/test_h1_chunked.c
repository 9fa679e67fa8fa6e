/* Chunked bodies: the same payload, trailers and verdict at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/wire.h"

enum { MAX_BYTES = 1 << 16 };

/* What a decoding in pieces came to. */
struct outcome {
	int code; /* of the failure, or 0 */
	bool done;
	size_t used;
	struct buf payload, trailers;
};

/* Feeds `text` in pieces of `first` and then `rest` octets. */
static void decode(struct outcome *o, struct span text, size_t first, size_t rest, const struct h1_limits *limits)
{
	struct h1_chunked c;
	h1_chunked_init(&c, limits, false);
	*o = (struct outcome){ 0 };
	buf_init(&o->payload, MAX_BYTES);
	buf_init(&o->trailers, MAX_BYTES);
	for (size_t at = 0, k = first ? first : rest; at < text.n && !h1_chunked_done(&c); at += k, k = rest) {
		size_t n = text.n - at < k ? text.n - at : k, payload = 0;
		char *p = malloc(n);
		assert_non_null(p);
		memcpy(p, text.p + at, n);
		ptrdiff_t r = h1_chunked_decode(&c, p, n, &payload, &o->trailers, NULL);
		assert_true(r < 0 || r == (ptrdiff_t)n || h1_chunked_done(&c));
		assert_int_equal(buf_add(&o->payload, span_of(p, payload)), 0);
		o->used += r < 0 ? 0 : (size_t)r;
		free(p);
		if (r < 0) {
			o->code = (int)r;
			return;
		}
	}
	o->done = h1_chunked_done(&c);
}

static void outcome_free(struct outcome *o)
{
	buf_free(&o->payload);
	buf_free(&o->trailers);
}

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const struct {
	struct span text;
	const char *payload, *trailers;
	size_t left; /* octets behind the body */
} sound[] = {
	{ TEXT("0\r\n\r\n"), "", "", 0 },
	{ TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello", "", 0 },
	{ TEXT("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP"), "hello world", "", 10 },
	{ TEXT("0005\r\nhello\r\n000\r\n\r\n"), "hello", "", 0 },
	{ TEXT("000000000000000b\r\nhello world\r\n0000000000000000\r\n\r\n"), "hello world", "", 0 },
	{ TEXT("B\r\nhello world\r\n0\r\n\r\n"), "hello world", "", 0 },
	{ TEXT("2\r\n\r\n\r\n3\r\n0\r\n\r\n0\r\n\r\n"), "\r\n0\r\n", "", 0 },
	{ TEXT("5;a\r\nhello\r\n0;b=c;d=\"e;f\\\"\\\\=\t \x80\"\r\n\r\n"), "hello", "", 0 },
	{ TEXT("5; a = b ;\tc \t= \"\" ;d=e\r\nhello\r\n0\r\n\r\n"), "hello", "", 0 },
	{ TEXT("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\t2  3 \t\r\nZ:\r\n\r\n"), "a", "X-Sum: 1\r\nY: 2  3\r\nZ: \r\n", 0 },
	{ TEXT("0\r\nContent-Length: 5\r\nX: 1\r\nTransfer-Encoding: x\r\nhost: a\r\nAuthorization: b\r\n"
	       "Connection: close\r\nTrailer: x\r\nContent-Type: t\r\nContent-Range: r\r\nX-Forwarded-For: f\r\n"
	       "x-gateway-destination-endpoint: e\r\nSet-Cookie: c\r\nIf-Match: m\r\nKeep-Alive: k\r\n"
	       "Date: d\r\nRetry-After: 1\r\nif-range: x\r\nVary: x\r\nVary-x: 3\r\nY: 2\r\n\r\n"),
	  "", "X: 1\r\nVary-x: 3\r\nY: 2\r\n", 0 },
};

static void any_split_decodes_alike(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
		struct span t = sound[i].text;
		for (size_t cut = 0; cut <= t.n; cut++) {
			struct outcome o;
			decode(&o, t, cut, cut ? t.n : 1, &limits);
			if (o.code || !o.done)
				fail_msg("case %zu cut at %zu: code %d, done %d", i, cut, o.code, o.done);
			assert_int_equal(o.used, t.n - sound[i].left);
			assert_true(span_eq(buf_span(&o.payload), span_str(sound[i].payload)));
			if (!span_eq(buf_span(&o.trailers), span_str(sound[i].trailers)))
				fail_msg("case %zu cut at %zu: trailers \"%.*s\"", i, cut,
					 SPAN_ARG(buf_span(&o.trailers)));
			outcome_free(&o);
		}
	}
}

static const struct span bad[] = {
	TEXT("\r\n"),
	TEXT("\n"),
	TEXT(" 5\r\nhello\r\n0\r\n\r\n"),
	TEXT("5 \r\nhello\r\n0\r\n\r\n"),
	TEXT("5\t\r\nhello\r\n0\r\n\r\n"),
	TEXT("5 ;a\r\nhello\r\n0\r\n\r\n"),
	TEXT("+5\r\nhello\r\n0\r\n\r\n"),
	TEXT("-5\r\nhello\r\n0\r\n\r\n"),
	TEXT("0x5\r\nhello\r\n0\r\n\r\n"),
	TEXT("5_0\r\n"),
	TEXT("5g\r\n"),
	TEXT("g\r\n"),
	TEXT("5.\r\n"),
	TEXT("5,\r\n"),
	TEXT("\"5\"\r\n"),
	TEXT(";a\r\n"),
	TEXT("8000000000000000\r\n"),
	TEXT("ffffffffffffffff\r\n"),
	TEXT("00000000000000005\r\nhello\r\n0\r\n\r\n"),
	TEXT("10000000000000005\r\n"),
	TEXT("5\nhello\r\n0\r\n\r\n"),
	TEXT("5\rhello\r\n0\r\n\r\n"),
	TEXT("5\r\r\nhello\r\n0\r\n\r\n"),
	TEXT("5\r\nhello0\r\n\r\n"),
	TEXT("5\r\nhello\n0\r\n\r\n"),
	TEXT("5\r\nhello\r0\r\n\r\n"),
	TEXT("5\r\nhello!\r\n0\r\n\r\n"),
	TEXT("5\r\nhello\r\n\r\n0\r\n\r\n"),
	TEXT("5;\r\n"),
	TEXT("5;;\r\n"),
	TEXT("5; \r\n"),
	TEXT("5;=\r\n"),
	TEXT("5;a=\r\n"),
	TEXT("5;a=b=c\r\n"),
	TEXT("5;a b\r\n"),
	TEXT("5;a \r\n"),
	TEXT("5;a=b c\r\n"),
	TEXT("5;a=b \r\n"),
	TEXT("5;a=\"b\" \r\n"),
	TEXT("5;a=\"b\"c\r\n"),
	TEXT("5;a=\"b\r\n"),
	TEXT("5;a=\"b\\\r\n"),
	TEXT("5;a\n"),
	TEXT("5;a\"b\"\r\n"),
	TEXT("5;a=\"\x01\"\r\n"),
	TEXT("5;a=\"\0\"\r\n"),
	TEXT("5;\x80\r\n"),
	TEXT("5;a\rb\r\n"),
	TEXT("5;a=\"\n\"\r\n"),
	TEXT("0\n\r\n"),
	TEXT("0\r\n\n"),
	TEXT("0\r\n\r\r"),
	TEXT("0\r\nX\r\n\r\n"),
	TEXT("0\r\n: a\r\n\r\n"),
	TEXT("0\r\nX : a\r\n\r\n"),
	TEXT("0\r\n X: a\r\n\r\n"),
	TEXT("0\r\nX: a\r\n b\r\n\r\n"),
	TEXT("0\r\nX: a\n\r\n"),
	TEXT("0\r\nX: a\rb\r\n\r\n"),
	TEXT("0\r\nX: \0\r\n\r\n"),
	TEXT("0\r\nX: \x7f\r\n\r\n"),
	TEXT("0\r\nX\x80: a\r\n\r\n"),
};

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (size_t cut = 0; cut <= bad[i].n; cut++) {
			struct outcome o;
			decode(&o, bad[i], cut, cut ? bad[i].n : 1, &limits);
			if (o.code != -PS_EBADHTTP)
				fail_msg("case %zu cut at %zu gave %d:\n%.*s", i, cut, o.code, SPAN_ARG(bad[i]));
			outcome_free(&o);
		}
	}
}

/* "5;aaa…" with `ext` octets of extension (its ";" included), `chunks` times, then a trailer of `trailer` octets. */
static struct span make_body(size_t chunks, size_t ext, size_t trailer)
{
	struct buf b;
	char fill[8192];
	memset(fill, 'a', sizeof fill);
	buf_init(&b, MAX_BYTES);
	for (size_t i = 0; i < chunks; i++) {
		assert_int_equal(buf_add(&b, SPAN("1;")), 0);
		assert_int_equal(buf_add(&b, span_of(fill, ext - 1)), 0);
		assert_int_equal(buf_add(&b, SPAN("\r\nx\r\n")), 0);
	}
	assert_int_equal(buf_add(&b, SPAN("0\r\n")), 0);
	if (trailer) {
		assert_int_equal(buf_add(&b, SPAN("x:")), 0);
		assert_int_equal(buf_add(&b, span_of(fill, trailer - 4)), 0);
		assert_int_equal(buf_add(&b, SPAN("\r\n")), 0);
	}
	assert_int_equal(buf_add(&b, SPAN("\r\n")), 0);
	return buf_span(&b);
}

static void extensions_and_trailers_are_bounded(void **state)
{
	(void)state;
	static const struct {
		size_t chunks, ext, trailer;
		int code;
	} cases[] = {
		{ 1, 257, 0, 0 },  { 1, 258, 0, -PS_EBADHTTP },	 { 16, 257, 0, 0 }, { 17, 257, 0, -PS_EBADHTTP },
		{ 2000, 3, 0, 0 }, { 2049, 3, 0, -PS_EBADHTTP }, { 0, 0, 4095, 0 }, { 0, 0, 4096, -PS_EHEADTOOBIG },
	};
	struct h1_limits limits = h1_limits_default();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct span t = make_body(cases[i].chunks, cases[i].ext, cases[i].trailer);
		for (size_t step = 1; step < t.n * 2; step *= 7) {
			struct outcome o;
			decode(&o, t, 0, step, &limits);
			if (o.code != cases[i].code)
				fail_msg("case %zu gave %d", i, o.code);
			outcome_free(&o);
		}
		free((void *)(uintptr_t)t.p);
	}
}

static void an_answers_faults_are_the_replicas(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_chunked c;
	struct err e = { 0 };
	char p[] = "zz";
	size_t payload = 0;
	h1_chunked_init(&c, &limits, true);
	assert_int_equal(h1_chunked_decode(&c, p, 2, &payload, NULL, &e), -PS_EUPPROTO);
	assert_int_equal(e.code, PS_EUPPROTO);
	assert_int_equal(h1_chunked_decode(&c, p, 2, &payload, NULL, &e), -PS_EUPPROTO);
}

static void what_came_before_a_fault_is_not_lost(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct span t = SPAN("5\r\nhello\r\n2\r\n, \r\n3\r\nyou!\r\n0\r\n\r\n");
	for (size_t cut = 0; cut <= t.n; cut++) {
		struct outcome o;
		decode(&o, t, cut, cut ? t.n : 1, &limits);
		assert_int_equal(o.code, -PS_EBADHTTP);
		assert_true(span_eq(buf_span(&o.payload), SPAN("hello, you")));
		outcome_free(&o);
	}
}

static void the_largest_chunk_is_what_a_signed_reader_can_hold(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_chunked c;
	char p[] = "7fffffffffffffff\r\nab";
	size_t payload = 0;
	h1_chunked_init(&c, &limits, false);
	assert_int_equal(h1_chunked_decode(&c, p, sizeof p - 1, &payload, NULL, NULL), sizeof p - 1);
	assert_int_equal(payload, 2);
	assert_memory_equal(p, "ab", 2);
	assert_false(h1_chunked_done(&c));
}

static void trailers_may_be_dropped_or_too_many_for_their_buffer(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_chunked c;
	struct buf small;
	char p[] = "0\r\nX: 1\r\n\r\n";
	size_t payload = 1;
	h1_chunked_init(&c, &limits, false);
	assert_int_equal(h1_chunked_decode(&c, p, sizeof p - 1, &payload, NULL, NULL), sizeof p - 1);
	assert_int_equal(payload, 0);
	assert_true(h1_chunked_done(&c));
	assert_int_equal(h1_chunked_decode(&c, p, sizeof p - 1, &payload, NULL, NULL), 0);
	buf_init(&small, 4);
	h1_chunked_init(&c, &limits, false);
	assert_int_equal(h1_chunked_decode(&c, p, sizeof p - 1, &payload, &small, NULL), -PS_EHEADTOOBIG);
	buf_free(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_decodes_alike),
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused),
		cmocka_unit_test(extensions_and_trailers_are_bounded),
		cmocka_unit_test(an_answers_faults_are_the_replicas),
		cmocka_unit_test(what_came_before_a_fault_is_not_lost),
		cmocka_unit_test(the_largest_chunk_is_what_a_signed_reader_can_hold),
		cmocka_unit_test(trailers_may_be_dropped_or_too_many_for_their_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
