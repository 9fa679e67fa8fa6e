/* Answer heads: what a replica may not say, what it may, and how the body is framed, at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/wire.h"

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
#define OK "HTTP/1.1 200 OK\r\n"
#define LINE(line) TEXT(line "\r\n\r\n")
#define FIELD(field) TEXT(OK field "\r\n\r\n")

static const struct span must_refuse[] = {
	LINE("abc"),
	LINE("H"
	     "TTP/1.1"),
	LINE("HTTP/1.1 "),
	LINE("HTTP/1.1 20"),
	LINE("HTTP/1.1 20 OK"),
	LINE("HTTP/1.1 2000 OK"),
	LINE("HTTP/1.1 200OK"),
	LINE("HTTP/1.1 200\tOK"),
	LINE("HTTP/1.1  200 OK"),
	LINE("HTTP/1.1\t200 OK"),
	LINE("HTTP/1.1 +20 OK"),
	LINE("HTTP/1.1 -20 OK"),
	LINE("HTTP/1.1 0x2 OK"),
	LINE("HTTP/1.1 2 0 OK"),
	LINE("HTTP/1.1 099 OK"),
	LINE("HTTP/1.1 000 OK"),
	LINE("HTTP/1.1 600 OK"),
	LINE("HTTP/1.1 999 OK"),
	LINE("HTTP/1.1 abc OK"),
	LINE("HTTP/1.1 OK 200"),
	LINE("HTTP/2.0 200 OK"),
	LINE("HTTP/1.2 200 OK"),
	LINE("HTTP/0.9 200 OK"),
	LINE("HTTP/1.10 200 OK"),
	LINE("http/1.1 200 OK"),
	LINE("HTTPS/1.1 200 OK"),
	LINE("ICY 200 OK"),
	LINE(" HTTP/1.1 200 OK"),
	LINE("HTTP/1.1 200 O\x01K"),
	LINE("HTTP/1.1 200 O\0K"),
	LINE("HTTP/1.1 200 O\x7fK"),
	LINE("HTTP/1.1 200 O\rK"),
	TEXT("\r\n" OK "\r\n"),
	TEXT("HTTP/1.1 200 OK\nX: a\n\n"),
	TEXT("HTTP/1.1 200 OK\r\nX: a\n\r\n"),
	TEXT("HTTP/1.1 200 OK\r\n X: a\r\n\r\n"),
	FIELD("X: a\r\n b"),
	FIELD("X : a"),
	FIELD(": a"),
	FIELD("X"),
	FIELD("X: a\0"),
	FIELD("X: a\x1b"),
	FIELD("X: a\rb"),
	FIELD("X y: a"),
	FIELD("Content-Length: x"),
	FIELD("Content-Length:"),
	FIELD("Content-Length: -5"),
	FIELD("Content-Length: +5"),
	FIELD("Content-Length: 5, 5"),
	FIELD("Content-Length: 5, 6"),
	FIELD("Content-Length: 9223372036854775808"),
	FIELD("Content-Length: 5\r\nContent-Length: 6"),
	FIELD("Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 6"),
	FIELD("Content-Length: 5\r\nContent-Length: 6\r\nContent-Length: 6"),
	FIELD("Content-Length: 5\r\nTransfer-Encoding: chunked"),
	FIELD("Transfer-Encoding: chunked\r\nContent-Length: 5"),
	FIELD("Transfer-Encoding: gzip"),
	FIELD("Transfer-Encoding: gzip, chunked"),
	FIELD("Transfer-Encoding: identity"),
	FIELD("Transfer-Encoding: chunked, chunked"),
	FIELD("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	FIELD("Transfer-Encoding: chunked, gzip"),
	FIELD("Transfer-Encoding:"),
	TEXT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	TEXT("\x16\x03\x01"),
	TEXT("\0"),
	TEXT("G"),
	TEXT("HTTP/1.1 200 OK\n"),
	TEXT("HTTP/1.1 200 OK\rX"),
	TEXT("HTTP/2"),
};

/* Feeds the text in two pieces, or octet by octet (cut 0), in memory of exact size. */
static ptrdiff_t parse_in_pieces(struct h1_head *h, enum h1_method method, struct span text, size_t cut)
{
	struct h1_limits limits = h1_limits_default();
	ptrdiff_t r = 0;
	for (size_t seen = 0, n; r == 0 && seen < text.n; seen = n) {
		n = cut == 0 ? seen + 1 : seen < cut && cut < text.n ? cut : text.n;
		char *p = malloc(n);
		assert_non_null(p);
		memcpy(p, text.p, n);
		r = h1_response_parse(h, method, p, n, seen, &limits, NULL);
		free(p);
	}
	return r;
}

static void what_a_replica_says_wrong_is_refused_at_every_split(void **state)
{
	(void)state;
	struct h1_head h;
	for (size_t i = 0; i < sizeof must_refuse / sizeof *must_refuse; i++) {
		for (size_t cut = 0; cut <= must_refuse[i].n; cut++) {
			ptrdiff_t r = parse_in_pieces(&h, H1_POST, must_refuse[i], cut);
			if (r != -PS_EUPPROTO)
				fail_msg("case %zu cut at %zu gave %td:\n%.*s", i, cut, r, SPAN_ARG(must_refuse[i]));
		}
	}
}

static const struct {
	struct span text;
	enum h1_method method;
	int status;
	const char *reason;
	uint8_t minor;
	enum h1_framing framing;
	uint64_t length;
	bool keep_alive, upgrade;
} must_take[] = {
	{ FIELD("Content-Length: 5"), H1_POST, 200, "OK", 1, H1_BODY_LENGTH, 5, true, false },
	{ FIELD("Content-Length: 0"), H1_POST, 200, "OK", 1, H1_BODY_LENGTH, 0, true, false },
	{ FIELD("Content-Length: 5\r\ncontent-length: 5"), H1_POST, 200, "OK", 1, H1_BODY_LENGTH, 5, true, false },
	{ FIELD("transfer-encoding: Chunked"), H1_POST, 200, "OK", 1, H1_BODY_CHUNKED, 0, true, false },
	{ FIELD("Transfer-Encoding: chunked\r\nConnection: close"), H1_POST, 200, "OK", 1, H1_BODY_CHUNKED, 0, false,
	  false },
	{ FIELD("X: a"), H1_POST, 200, "OK", 1, H1_BODY_UNTIL_CLOSE, 0, false, false },
	{ LINE("HTTP/1.1 200 OK"), H1_GET, 200, "OK", 1, H1_BODY_UNTIL_CLOSE, 0, false, false },
	{ FIELD("Content-Length: 5"), H1_HEAD, 200, "OK", 1, H1_BODY_NONE, 0, true, false },
	{ FIELD("Transfer-Encoding: chunked"), H1_HEAD, 200, "OK", 1, H1_BODY_NONE, 0, true, false },
	{ FIELD("X: a"), H1_HEAD, 200, "OK", 1, H1_BODY_NONE, 0, true, false },
	{ LINE("HTTP/1.1 204 No Content"), H1_POST, 204, "No Content", 1, H1_BODY_NONE, 0, true, false },
	{ TEXT("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), H1_POST, 204, "No Content", 1, H1_BODY_NONE, 0,
	  true, false },
	{ TEXT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), H1_GET, 304, "Not Modified", 1, H1_BODY_NONE,
	  0, true, false },
	{ LINE("HTTP/1.1 100 Continue"), H1_POST, 100, "Continue", 1, H1_BODY_NONE, 0, true, false },
	{ LINE("HTTP/1.1 103 Early Hints"), H1_POST, 103, "Early Hints", 1, H1_BODY_NONE, 0, true, false },
	{ LINE("HTTP/1.1 101 Switching Protocols"), H1_GET, 101, "Switching Protocols", 1, H1_BODY_NONE, 0, true,
	  true },
	{ LINE("HTTP/1.1 200 OK"), H1_CONNECT, 200, "OK", 1, H1_BODY_NONE, 0, true, true },
	{ TEXT("HTTP/1.1 300 No\r\nContent-Length: 2\r\n\r\n"), H1_CONNECT, 300, "No", 1, H1_BODY_LENGTH, 2, true,
	  false },
	{ TEXT("HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\n"), H1_CONNECT, 407, "No", 1, H1_BODY_LENGTH, 2, true,
	  false },
	{ TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"), H1_POST, 200, "OK", 0, H1_BODY_LENGTH, 5, false,
	  false },
	{ TEXT("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n"), H1_POST, 200, "OK", 0,
	  H1_BODY_LENGTH, 5, true, false },
	{ LINE("HTTP/1.0 200 OK"), H1_POST, 200, "OK", 0, H1_BODY_UNTIL_CLOSE, 0, false, false },
	{ TEXT("HTTP/1.1 429 \r\nContent-Length: 1\r\n\r\n"), H1_POST, 429, "", 1, H1_BODY_LENGTH, 1, true, false },
	{ TEXT("HTTP/1.1 429\r\nContent-Length: 1\r\n\r\n"), H1_POST, 429, "", 1, H1_BODY_LENGTH, 1, true, false },
	{ TEXT("HTTP/1.1 599 \xc3\xa9 a\tb \r\nContent-Length: 1\r\n\r\n"), H1_POST, 599, "\xc3\xa9 a\tb ", 1,
	  H1_BODY_LENGTH, 1, true, false },
	/* a real head: vLLM 0.32.0 on CPU */
	{ TEXT("HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 06:23:20 GMT\r\nserver: uvicorn\r\n"
	       "content-type: text/event-stream; charset=utf-8\r\nvary: Origin\r\nconnection: close\r\n"
	       "transfer-encoding: chunked\r\n\r\n101\r\ndata: {"),
	  H1_POST, 200, "OK", 1, H1_BODY_CHUNKED, 0, false, false },
};

static void answers_are_framed_as_the_rfc_says_at_every_split(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	for (size_t i = 0; i < sizeof must_take / sizeof *must_take; i++) {
		struct span t = must_take[i].text;
		ptrdiff_t end = span_search(t, SPAN("\r\n\r\n")) + 4;
		for (size_t n = 0; n <= (size_t)end; n++) {
			struct h1_head h;
			ptrdiff_t r = h1_response_parse(&h, must_take[i].method, t.p, n, n ? n - 1 : 0, &limits, NULL);
			assert_int_equal(r, (ptrdiff_t)n == end ? end : 0);
			r = h1_response_parse(&h, must_take[i].method, t.p, t.n, n < (size_t)end ? n : 0, &limits,
					      NULL);
			if (r != end)
				fail_msg("case %zu cut at %zu gave %td", i, n, r);
			assert_int_equal(h.status, must_take[i].status);
			assert_true(span_eq(h.reason, span_str(must_take[i].reason)));
			assert_int_equal(h.minor, must_take[i].minor);
			assert_int_equal(h.framing, must_take[i].framing);
			assert_int_equal(h.length, must_take[i].length);
			assert_int_equal(h.keep_alive, must_take[i].keep_alive);
			assert_int_equal(h.upgrade, must_take[i].upgrade);
		}
	}
}

static void a_head_that_is_too_large_is_refused(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	size_t n = 300 << 10;
	char *p = malloc(n);
	assert_non_null(p);
	memset(p, 'a', n);
	memcpy(p, OK "x: ", sizeof OK "x: " - 1);
	assert_int_equal(h1_response_parse(&h, H1_GET, p, n, 0, &limits, NULL), -PS_EUPPROTO);
	memset(p, 'a', n);
	memcpy(p, "HTTP/1.1 200 ", 13);
	assert_int_equal(h1_response_parse(&h, H1_GET, p, n, 0, &limits, NULL), -PS_EUPPROTO);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_replica_says_wrong_is_refused_at_every_split),
		cmocka_unit_test(answers_are_framed_as_the_rfc_says_at_every_split),
		cmocka_unit_test(a_head_that_is_too_large_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
