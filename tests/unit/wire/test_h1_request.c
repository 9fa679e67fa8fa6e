/* Request heads: what must be refused and with which code, what must be served and what it then says, at every split.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/wire.h"

struct refused {
	struct span text;
	int code;
};

#define RAW(code, text)                                                                                                \
	{                                                                                                              \
		{ text, sizeof(text) - 1 }, PS_##code                                                                  \
	}
#define LINE(code, line) RAW(code, line "\r\nHost: a\r\n\r\n")
#define TARGET(code, target) LINE(code, "GET " target " HTTP/1.1")
#define FIELD(code, field) RAW(code, "POST / HTTP/1.1\r\nHost: a\r\n" field "\r\n\r\n")
#define HOST(code, host) RAW(code, "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n")

static const struct refused must_refuse[] = {
	/* request line: shape */
	LINE(EBADHTTP, "GET /"),
	LINE(EBADHTTP, "GET"),
	LINE(EBADHTTP, "GET  / HTTP/1.1"),
	LINE(EBADHTTP, "GET /  HTTP/1.1"),
	LINE(EBADHTTP, "GET / HTTP/1.1 "),
	LINE(EBADHTTP, " GET / HTTP/1.1"),
	LINE(EBADHTTP, "GET / x HTTP/1.1"),
	LINE(EBADHTTP, "GET\t/ HTTP/1.1"),
	LINE(EBADHTTP, "GET /\tHTTP/1.1"),
	LINE(EBADHTTP, "GET /\x0bHTTP/1.1"),
	LINE(EBADHTTP, "GET / HTTP/1.1\t"),
	LINE(EBADHTTP, "GET HTTP/1.1"),
	LINE(EBADHTTP, "GET  HTTP/1.1"),
	RAW(EBADHTTP, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	/* method */
	LINE(EBADHTTP, "G@T / HTTP/1.1"),
	LINE(EBADHTTP, "GET: / HTTP/1.1"),
	LINE(EBADHTTP, "(GET) / HTTP/1.1"),
	LINE(EBADHTTP, "G\0T / HTTP/1.1"),
	LINE(EBADHTTP, "G\x80T / HTTP/1.1"),
	LINE(EBADHTTP, "G/T / HTTP/1.1"),
	LINE(EBADHTTP, "\"GET\" / HTTP/1.1"),
	LINE(EBADHTTP, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA(A / HTTP/1.1"),
	/* version */
	LINE(EVERSION, "GET / HTTP/2.0"),
	LINE(EVERSION, "GET / HTTP/1.2"),
	LINE(EVERSION, "GET / HTTP/1.9"),
	LINE(EVERSION, "GET / HTTP/0.9"),
	LINE(EVERSION, "GET / HTTP/0.0"),
	LINE(EVERSION, "GET / HTTP/3.0"),
	LINE(EVERSION, "GET / HTTP/9.9"),
	RAW(EVERSION, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	LINE(EBADHTTP, "GET / http/1.1"),
	LINE(EBADHTTP, "GET / Http/1.1"),
	LINE(EBADHTTP, "GET / HTTP/1"),
	LINE(EBADHTTP, "GET / HTTP/1."),
	LINE(EBADHTTP, "GET / HTTP/.1"),
	LINE(EBADHTTP, "GET / HTTP/11"),
	LINE(EBADHTTP, "GET / HTTP/1.10"),
	LINE(EBADHTTP, "GET / HTTP/01.1"),
	LINE(EBADHTTP, "GET / HTTP/1,1"),
	LINE(EBADHTTP, "GET / HTTP/+1.1"),
	LINE(EBADHTTP, "GET / HTTP /1.1"),
	LINE(EBADHTTP, "GET / HTTPS/1.1"),
	LINE(EBADHTTP, "GET / ICY/1.1"),
	LINE(EBADHTTP, "GET / HTTP/1.a"),
	LINE(EBADHTTP, "GET / HTTP/1.1\0"),
	/* target */
	TARGET(EBADHTTP, "path"),
	TARGET(EBADHTTP, "*"),
	TARGET(EBADHTTP, "a:80"),
	TARGET(EBADHTTP, "?q"),
	TARGET(EBADHTTP, "/a#b"),
	TARGET(EBADHTTP, "/?a#b"),
	TARGET(EBADHTTP, "/\x7f"),
	TARGET(EBADHTTP, "/\x01"),
	TARGET(EBADHTTP, "/\0"),
	TARGET(EBADHTTP, "/\xc3\xa9"),
	TARGET(EBADHTTP, "/?\xc3\xa9"),
	TARGET(EBADHTTP, "/\x80"),
	TARGET(EBADHTTP, "/a\\b"),
	TARGET(EBADHTTP, "/<a>"),
	TARGET(EBADHTTP, "/\"a\""),
	TARGET(EBADHTTP, "/?\"a\""),
	TARGET(EBADHTTP, "/%"),
	TARGET(EBADHTTP, "/%4"),
	TARGET(EBADHTTP, "/%zz"),
	TARGET(EBADHTTP, "/%4g/"),
	TARGET(EBADHTTP, "/%g4/"),
	TARGET(EBADHTTP, "/%00"),
	TARGET(EBADHTTP, "/a%00b"),
	TARGET(EBADHTTP, "/%25%00"),
	TARGET(EBADHTTP, "/a%?b"),
	TARGET(EBADHTTP, "http://"),
	TARGET(EBADHTTP, "http:///a"),
	TARGET(EBADHTTP, "http:/a"),
	TARGET(EBADHTTP, "http:a"),
	TARGET(EBADHTTP, "http://u@a/"),
	TARGET(EBADHTTP, "http://u:p@a/"),
	TARGET(EBADHTTP, "http://a:b/"),
	TARGET(EBADHTTP, "http://a:70000/"),
	TARGET(EBADHTTP, "http://a#f"),
	TARGET(EBADHTTP, "http://a b/"),
	TARGET(EBADHTTP, "http://[::1/"),
	TARGET(EBADHTTP, "ftp://a/"),
	TARGET(EBADHTTP, "file:///etc/passwd"),
	TARGET(EBADHTTP, "gopher://a/"),
	TARGET(EBADHTTP, "httpx://a/"),
	TARGET(EBADHTTP, "//"
			 "\x7f"),
	LINE(EBADHTTP, "CONNECT / HTTP/1.1"),
	LINE(EBADHTTP, "CONNECT a HTTP/1.1"),
	LINE(EBADHTTP, "CONNECT a: HTTP/1.1"),
	LINE(EBADHTTP, "CONNECT :443 HTTP/1.1"),
	LINE(EBADHTTP, "CONNECT http://a:443/ HTTP/1.1"),
	LINE(EBADHTTP, "CONNECT * HTTP/1.1"),
	LINE(EBADHTTP, "POST * HTTP/1.1"),
	LINE(EBADHTTP, "OPTIONS ** HTTP/1.1"),
	LINE(EBADHTTP, "OPTIONS *?q HTTP/1.1"),
	/* line ends */
	RAW(EBADHTTP, "GET / HTTP/1.1\nHost: a\n\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\rX: b\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n"),
	FIELD(EBADHTTP, "X: a\rb"),
	FIELD(EBADHTTP, "X: a\nb"),
	FIELD(EBADHTTP, "X: a\r\nX\nY: b"),
	FIELD(EBADHTTP, "X: a\nTransfer-Encoding: chunked"),
	FIELD(EBADHTTP, "X: a\rTransfer-Encoding: chunked"),
	/* folded lines */
	FIELD(EBADHTTP, "X: a\r\n b"),
	FIELD(EBADHTTP, "X: a\r\n\tb"),
	FIELD(EBADHTTP, "X: a\r\n "),
	FIELD(EBADHTTP, "Transfer-Encoding:\r\n chunked"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\n\tX: a\r\nHost: a\r\n\r\n"),
	/* field names */
	FIELD(EBADHTTP, "X : a"),
	FIELD(EBADHTTP, "X\t: a"),
	FIELD(EBADHTTP, "Content-Length : 5"),
	FIELD(EBADHTTP, "Transfer-Encoding : chunked"),
	FIELD(EBADHTTP, ": a"),
	FIELD(EBADHTTP, ":"),
	FIELD(EBADHTTP, "X"),
	FIELD(EBADHTTP, "X a: b"),
	FIELD(EBADHTTP, "X\0: a"),
	FIELD(EBADHTTP, "X\x01: a"),
	FIELD(EBADHTTP, "X\x7f: a"),
	FIELD(EBADHTTP, "X\x80: a"),
	FIELD(EBADHTTP, "\xc3\xa9: a"),
	FIELD(EBADHTTP, "X(): a"),
	FIELD(EBADHTTP, "X@: a"),
	FIELD(EBADHTTP, "X/y: a"),
	FIELD(EBADHTTP, "X;: a"),
	FIELD(EBADHTTP, "[X]: a"),
	FIELD(EBADHTTP, "{X}: a"),
	FIELD(EBADHTTP, "\"X\": a"),
	FIELD(EBADHTTP, "X\\y: a"),
	FIELD(EBADHTTP, "X=y"),
	FIELD(EBADHTTP, "GET / HTTP/1.1"),
	FIELD(EBADHTTP, "Transfer_Encoding: chunked"),
	FIELD(EBADHTTP, "content_length: 5"),
	FIELD(EBADHTTP, "x_gateway_destination_endpoint: 10.0.0.1:1"),
	FIELD(EBADHTTP, "Proxy_Authorization: b"),
	FIELD(EBADHTTP, "x_llm_d_nothing-known: b\r\nx-prefiller_host-port: b"),
	/* field values */
	FIELD(EBADHTTP, "X: a\0b"),
	FIELD(EBADHTTP, "X: \0"),
	FIELD(EBADHTTP, "X: a\x01"),
	FIELD(EBADHTTP, "X: a\x08"
			"b"),
	FIELD(EBADHTTP, "X: a\x0b"
			"b"),
	FIELD(EBADHTTP, "X: \x0c"),
	FIELD(EBADHTTP, "X: a\x1b[0m"),
	FIELD(EBADHTTP, "X: a\x1f"),
	FIELD(EBADHTTP, "X: a\x7f"),
	FIELD(EBADHTTP, "X: 0123456789abcdef\x7f"
			"0123456789"),
	FIELD(EBADHTTP, "X: 0123456789\t01234567\x01"
			"9"),
	/* Host */
	RAW(EBADHTTP, "GET / HTTP/1.1\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
	RAW(EBADHTTP, "GET http://a/ HTTP/1.1\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"),
	HOST(EBADHTTP, ""),
	HOST(EBADHTTP, "a b"),
	HOST(EBADHTTP, "a, b"),
	HOST(EBADHTTP, "a,b"),
	HOST(EBADHTTP, "u@a"),
	HOST(EBADHTTP, "http://a"),
	HOST(EBADHTTP, "a/"),
	HOST(EBADHTTP, "a/b"),
	HOST(EBADHTTP, "a?b"),
	HOST(EBADHTTP, "a#b"),
	HOST(EBADHTTP, "a:80:80"),
	HOST(EBADHTTP, "a:b"),
	HOST(EBADHTTP, "a:-1"),
	HOST(EBADHTTP, "a:+80"),
	HOST(EBADHTTP, "a: 80"),
	HOST(EBADHTTP, "a:65536"),
	HOST(EBADHTTP, "a:000080"),
	HOST(EBADHTTP, "a:99999999999999999999"),
	HOST(EBADHTTP, ":80"),
	HOST(EBADHTTP, "::1"),
	HOST(EBADHTTP, "[::1"),
	HOST(EBADHTTP, "::1]"),
	HOST(EBADHTTP, "[]"),
	HOST(EBADHTTP, "[:::1]"),
	HOST(EBADHTTP, "[::1]a"),
	HOST(EBADHTTP, "[::1]:x"),
	HOST(EBADHTTP, "[1.2.3.4]"),
	HOST(EBADHTTP, "[fe80::1%25eth0]"),
	HOST(EBADHTTP, "[v1.x]"),
	HOST(EBADHTTP, "[::1\0]"),
	HOST(EBADHTTP, "["),
	HOST(EBADHTTP, "[::a"),
	HOST(EBADHTTP, "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]"),
	HOST(EBADHTTP, "a%00"),
	HOST(EBADHTTP, "a%zz"),
	HOST(EBADHTTP, "a\\b"),
	HOST(EBADHTTP, "<a>"),
	HOST(EBADHTTP, "\xc3\xa9"),
	RAW(EBADHTTP, "GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
	/* Content-Length */
	FIELD(EBADHTTP, "Content-Length:"),
	FIELD(EBADHTTP, "Content-Length: x"),
	FIELD(EBADHTTP, "Content-Length: -1"),
	FIELD(EBADHTTP, "Content-Length: +5"),
	FIELD(EBADHTTP, "Content-Length: 5 5"),
	FIELD(EBADHTTP, "Content-Length: 5, 5"),
	FIELD(EBADHTTP, "Content-Length: 5,5"),
	FIELD(EBADHTTP, "Content-Length: 5,"),
	FIELD(EBADHTTP, "Content-Length: 5, 6"),
	FIELD(EBADHTTP, "Content-Length: 5;"),
	FIELD(EBADHTTP, "Content-Length: 0x5"),
	FIELD(EBADHTTP, "Content-Length: 5a"),
	FIELD(EBADHTTP, "Content-Length: 5.0"),
	FIELD(EBADHTTP, "Content-Length: 1e3"),
	FIELD(EBADHTTP, "Content-Length: 1_000"),
	FIELD(EBADHTTP, "Content-Length: \"5\""),
	FIELD(EBADHTTP, "Content-Length: 9223372036854775808"),
	FIELD(EBADHTTP, "Content-Length: 18446744073709551616"),
	FIELD(EBADHTTP, "Content-Length: 18446744073709551621"),
	FIELD(EBADHTTP, "Content-Length: 99999999999999999999999"),
	FIELD(EBADHTTP, "Content-Length: 5\r\nContent-Length: 5"),
	FIELD(EBADHTTP, "Content-Length: 5\r\nContent-Length: 6"),
	FIELD(EBADHTTP, "Content-Length: 5\r\nX: y\r\ncontent-length: 5"),
	FIELD(EBADHTTP, "Content-Length: 0\r\nContent-Length: 5"),
	/* Transfer-Encoding */
	FIELD(EBADHTTP, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked\r\nContent-Length: 5"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked\r\nContent-Length: 0"),
	FIELD(EBADHTTP, "Transfer-Encoding: identity\r\nContent-Length: 5"),
	FIELD(EBADHTTP, "Transfer-Encoding:"),
	FIELD(EBADHTTP, "Transfer-Encoding: ,"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked,"),
	FIELD(EBADHTTP, "Transfer-Encoding: , chunked"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked, chunked"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked, gzip"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked;q=1"),
	FIELD(EBADHTTP, "Transfer-Encoding: chunked foo"),
	FIELD(EBADHTTP, "Transfer-Encoding: \"chunked\""),
	FIELD(EBADHTTP, "Transfer-Encoding: chu nked"),
	FIELD(EBADHTTP, "Transfer-Encoding: \x0b"
			"chunked"),
	FIELD(ECODING, "Transfer-Encoding: identity"),
	FIELD(ECODING, "Transfer-Encoding: gzip"),
	FIELD(ECODING, "Transfer-Encoding: gzip, chunked"),
	FIELD(ECODING, "Transfer-Encoding: identity, chunked"),
	FIELD(ECODING, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
	FIELD(ECODING, "Transfer-Encoding: xchunked"),
	FIELD(ECODING, "Transfer-Encoding: chunkedx"),
	FIELD(ECODING, "Transfer-Encoding: chunk"),
	FIELD(ECODING, "Transfer-Encoding: cow"),
	RAW(EBADHTTP, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
	RAW(EBADHTTP, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
	/* Connection, Expect */
	FIELD(EBADHTTP, "Connection: close;x"),
	FIELD(EBADHTTP, "Connection: \"close\""),
	FIELD(EBADHTTP, "Connection: a b"),
	FIELD(EEXPECT, "Expect: 200-ok"),
	FIELD(EEXPECT, "Expect:"),
	FIELD(EEXPECT, "Expect: 100-continue, x"),
	FIELD(EEXPECT, "Expect: 100-continue\r\nExpect: x"),
	FIELD(EEXPECT, "Expect: x\r\nExpect: 100-continue"),
};

/* Feeds the text in the pieces that `cut` says (0: octet by octet), as a connection would. Returns the final result. */
static ptrdiff_t parse_in_pieces(struct h1_head *h, struct span text, size_t cut, const struct h1_limits *limits)
{
	ptrdiff_t r = 0;
	size_t seen = 0;
	while (r == 0 && seen < text.n) {
		size_t n = cut == 0 ? seen + 1 : seen < cut && cut < text.n ? cut : text.n;
		/* A copy of exact size, so that a read beyond it is caught. */
		char *p = malloc(n);
		assert_non_null(p);
		memcpy(p, text.p, n);
		r = h1_request_parse(h, p, n, seen, limits, NULL);
		free(p);
		seen = n;
	}
	return r;
}

static void what_could_be_read_in_two_ways_is_refused_at_every_split(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	for (size_t i = 0; i < sizeof must_refuse / sizeof *must_refuse; i++) {
		struct span t = must_refuse[i].text;
		for (size_t cut = 0; cut <= t.n; cut++) {
			ptrdiff_t r = parse_in_pieces(&h, t, cut, &limits);
			if (r != -must_refuse[i].code)
				fail_msg("case %zu cut at %zu gave %td, not %d:\n%.*s", i, cut, r, -must_refuse[i].code,
					 SPAN_ARG(t));
		}
	}
	print_message("%zu heads refused\n", sizeof must_refuse / sizeof *must_refuse);
}

static void a_refusal_says_why(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	for (size_t i = 0; i < sizeof must_refuse / sizeof *must_refuse; i++) {
		struct err e = { 0 };
		struct span t = must_refuse[i].text;
		assert_true(h1_request_parse(&h, t.p, t.n, 0, &limits, &e) < 0);
		assert_int_equal(e.code, must_refuse[i].code);
		assert_true(e.text[0] != '\0');
	}
}

static const struct refused refused_early[] = {
	RAW(EBADHTTP, "\x16"), /* a TLS ClientHello */
	RAW(EBADHTTP, "\x80"),
	RAW(EBADHTTP, " "),
	RAW(EBADHTTP, "\n"),
	RAW(EBADHTTP, "\r\r"),
	RAW(EBADHTTP, "\r\n\r"),
	RAW(EBADHTTP, "{"),
	RAW(EBADHTTP, "GET\r"),
	RAW(EBADHTTP, "GET /\x01"),
	RAW(EBADHTTP, "GET / HTTP/1.1\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\rx"),
	RAW(EVERSION, "GET / HTTP/2.0\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\n "),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nX: \x01"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nX: \ry"),
	RAW(EBADHTTP, "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n "),
};

static void rubbish_is_refused_before_the_head_is_complete(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	for (size_t i = 0; i < sizeof refused_early / sizeof *refused_early; i++) {
		const struct refused *c = &refused_early[i];
		for (size_t cut = 0; cut < c->text.n; cut++)
			assert_int_equal(parse_in_pieces(&h, c->text, cut, &limits), -c->code);
		/* The last octet is the one at fault: before it there is no reason to refuse. */
		assert_int_equal(h1_request_parse(&h, c->text.p, c->text.n - 1, 0, &limits, NULL), 0);
	}
}

struct served {
	struct span text;
	enum h1_method method;
	const char *path, *query, *authority;
	enum h1_framing framing;
	uint64_t length;
	uint32_t fields;
	bool keep_alive, expect_continue, upgrade;
};

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
#define H "Host: a\r\n"
static const struct served must_serve[] = {
	{ TEXT("GET / HTTP/1.1\r\n" H "\r\n"), H1_GET, "/", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("\r\nGET / HTTP/1.1\r\n" H "\r\n"), H1_GET, "/", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("GET / HTTP/1.0\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 0, false, false, false },
	{ TEXT("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 1, false, false, false },
	{ TEXT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 1, true, false, false },
	{ TEXT("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 1, false, false,
	  false },
	{ TEXT("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 1, false, false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, false, false,
	  false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: , x,\tCLOSE ,\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, false, false,
	  false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: close\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 3,
	  false, false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, true, false,
	  false },
	{ TEXT("POST /v1/chat/completions?x=1&y=%zz HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello"), H1_POST,
	  "/v1/chat/completions", "x=1&y=%zz", "a", H1_BODY_LENGTH, 5, 2, true, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"), H1_POST, "/", "", "a", H1_BODY_LENGTH, 0, 2, true,
	  false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 00005\r\n\r\n"), H1_POST, "/", "", "a", H1_BODY_LENGTH, 5, 2,
	  true, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Content-Length:\t 9223372036854775807 \t\r\n\r\n"), H1_POST, "/", "", "a",
	  H1_BODY_LENGTH, INT64_MAX, 2, true, false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"), H1_GET, "/", "", "a", H1_BODY_LENGTH, 3, 2, true,
	  false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), H1_POST, "/", "", "a", H1_BODY_CHUNKED, 0,
	  2, true, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "tRANSFER-eNCODING:\tCHUNKED \r\n\r\n"), H1_POST, "/", "", "a", H1_BODY_CHUNKED,
	  0, 2, true, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n"), H1_POST, "/", "", "a",
	  H1_BODY_LENGTH, 5, 3, true, true, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, true, false,
	  false },
	{ TEXT("GET / HTTP/1.1\r\nhost:a\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("GET / HTTP/1.1\r\nHoSt: \t a.b-c_d.example:8080\t\r\n\r\n"), H1_GET, "/", "", "a.b-c_d.example:8080", 0,
	  0, 1, true, false, false },
	{ TEXT("GET / HTTP/1.1\r\nHost: 127.0.0.1:\r\n\r\n"), H1_GET, "/", "", "127.0.0.1:", 0, 0, 1, true, false,
	  false },
	{ TEXT("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n"), H1_GET, "/", "", "[::1]", 0, 0, 1, true, false, false },
	{ TEXT("GET / HTTP/1.1\r\nHost: [2001:db8::1.2.3.4]:65535\r\n\r\n"), H1_GET, "/", "",
	  "[2001:db8::1.2.3.4]:65535", 0, 0, 1, true, false, false },
	{ TEXT("GET http://b HTTP/1.1\r\n" H "\r\n"), H1_GET, "/", "", "b", 0, 0, 1, true, false, false },
	{ TEXT("GET HTTPS://b:81/p?q HTTP/1.1\r\n" H "\r\n"), H1_GET, "/p", "q", "b:81", 0, 0, 1, true, false, false },
	{ TEXT("GET http://b?q HTTP/1.1\r\n" H "\r\n"), H1_GET, "/", "q", "b", 0, 0, 1, true, false, false },
	{ TEXT("OPTIONS http://b HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, "*", "", "b", 0, 0, 1, true, false, false },
	{ TEXT("OPTIONS http://b/ HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, "/", "", "b", 0, 0, 1, true, false, false },
	{ TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, "*", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("OPTIONS /x HTTP/1.1\r\n" H "\r\n"), H1_OPTIONS, "/x", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("CONNECT b:443 HTTP/1.1\r\n" H "\r\n"), H1_CONNECT, "", "", "b:443", 0, 0, 1, true, false, true },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), H1_GET, "/", "", "a", 0, 0,
	  3, true, false, true },
	{ TEXT("GET / HTTP/1.1\r\n" H "Upgrade: websocket\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, true, false,
	  false },
	{ TEXT("get / HTTP/1.1\r\n" H "\r\n"), H1_METHOD_OTHER, "/", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("M-SEARCH!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" H "\r\n"), H1_METHOD_OTHER, "/", "", "a", 0, 0, 1, true, false,
	  false },
	{ TEXT("HEAD /a/../b/./c%2f%2e%2E;p=1,2:@&=+$!*'()~ HTTP/1.1\r\n" H "\r\n"), H1_HEAD,
	  "/a/../b/./c%2f%2e%2E;p=1,2:@&=+$!*'()~", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("GET //a///b?? HTTP/1.1\r\n" H "\r\n"), H1_GET, "//a///b", "?", "a", 0, 0, 1, true, false, false },
	{ TEXT("GET /a[]|^?b[]={}|^`\\ HTTP/1.1\r\n" H "\r\n"), H1_GET, "/a[]|^", "b[]={}|^`\\", "a", 0, 0, 1, true,
	  false, false },
	{ TEXT("GET /%41 HTTP/1.1\r\n" H "\r\n"), H1_GET, "/%41", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("GET /? HTTP/1.1\r\n" H "\r\n"), H1_GET, "/", "", "a", 0, 0, 1, true, false, false },
	{ TEXT("PUT / HTTP/1.1\r\n" H "X:\r\nY: \t \r\nZ:a\tb  c\r\nW: \x80\xff\xc3\xa9\r\n\r\n"), H1_PUT, "/", "", "a",
	  0, 0, 5, true, false, false },
	{ TEXT("DELETE / HTTP/1.1\r\n" H "x_custom_name: a\r\n!#$%&'*+-.^_`|~0: a:b: c\r\n\r\n"), H1_DELETE, "/", "",
	  "a", 0, 0, 3, true, false, false },
	{ TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n"), H1_METHOD_OTHER, "/", "",
	  "a", 0, 0, 1, true, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"), H1_POST, "/", "",
	  "a", H1_BODY_CHUNKED, 0, 3, true, true, false },
	{ TEXT("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), H1_POST, "/", "", "",
	  H1_BODY_LENGTH, 5, 2, false, false, false },
	{ TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"), H1_POST, "/", "", "a",
	  H1_BODY_LENGTH, 0, 3, true, false, false },
	{ TEXT("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 2, false,
	  false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade:\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 3, true,
	  false, false },
	{ TEXT("GET / HTTP/1.0\r\nConnection: Keep-Alive, x\r\n\r\n"), H1_GET, "/", "", "", 0, 0, 1, true, false,
	  false },
	{ TEXT("GET / HTTP/1.1\r\n" H
	       "a_name_longer_than_any_that_is_known_here_and_with_many_of_them_in_it: a\r\n\r\n"),
	  H1_GET, "/", "", "a", 0, 0, 2, true, false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "Connection: upgrade\r\n\r\n"), H1_GET, "/", "", "a", 0, 0, 2, true, false,
	  false },
	{ TEXT("PATCH / HTTP/1.1\r\nX: before\r\n" H "\r\n"), H1_PATCH, "/", "", "a", 0, 0, 2, true, false, false },
	{ TEXT("TRACE / HTTP/1.1\r\n" H "\r\nGET /pipelined HTTP/1.1\r\n" H "\r\n"), H1_TRACE, "/", "", "a", 0, 0, 1,
	  true, false, false },
	{ TEXT("GET / HTTP/1.1\r\n" H "TE: trailers\r\nTrailer: x\r\nKeep-Alive: timeout=5\r\n\r\n"), H1_GET, "/", "",
	  "a", 0, 0, 4, true, false, false },
};

static void assert_text(struct span got, const char *want)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("got \"%.*s\", wanted \"%s\"", SPAN_ARG(got), want);
}

static void assert_says(const struct h1_head *h, const struct served *c)
{
	assert_int_equal(h->method, c->method);
	assert_text(h->path, c->path);
	assert_text(h->query, c->query);
	assert_text(h->authority, c->authority);
	assert_int_equal(h->framing, c->framing);
	assert_int_equal(h->length, c->length);
	assert_int_equal(h->field_count, c->fields);
	assert_int_equal(h->keep_alive, c->keep_alive);
	assert_int_equal(h->expect_continue, c->expect_continue);
	assert_int_equal(h->upgrade, c->upgrade);
}

static void what_is_sound_is_served_and_says_the_same_at_every_split(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	for (size_t i = 0; i < sizeof must_serve / sizeof *must_serve; i++) {
		const struct served *c = &must_serve[i];
		struct span t = c->text;
		struct h1_head h;
		struct err e = { 0 };
		size_t end = (size_t)span_search(t, SPAN("\r\n\r\n")) + 4;
		ptrdiff_t r = h1_request_parse(&h, t.p, t.n, 0, &limits, &e);
		if (r != (ptrdiff_t)end)
			fail_msg("case %zu gave %td (%s):\n%.*s", i, r, e.text, SPAN_ARG(t));
		assert_says(&h, c);
		for (size_t cut = 1; cut < end; cut++) {
			assert_int_equal(h1_request_parse(&h, t.p, cut, 0, &limits, &e), 0);
			assert_int_equal(h1_request_parse(&h, t.p, t.n, cut, &limits, &e), end);
			assert_says(&h, c);
		}
		for (size_t n = 1; n <= end; n++)
			assert_int_equal(h1_request_parse(&h, t.p, n, n - 1, &limits, &e), n < end ? 0 : end);
		assert_says(&h, c);
	}
	print_message("%zu heads served\n", sizeof must_serve / sizeof *must_serve);
}

/* "GET /aaa… HTTP/1.1", Host, and `fields` more, each with a value of `value` octets. The caller frees .p. */
static struct span make_head(size_t target, unsigned fields, size_t value)
{
	struct buf b;
	char *fill = malloc(target + value + 1);
	assert_non_null(fill);
	memset(fill, 'a', target + value + 1);
	buf_init(&b, 1 << 20);
	assert_int_equal(buf_add(&b, SPAN("GET /")), 0);
	assert_int_equal(buf_add(&b, span_of(fill, target - 1)), 0);
	assert_int_equal(buf_add(&b, SPAN(" HTTP/1.1\r\nHost: a\r\n")), 0);
	for (unsigned i = 0; i < fields; i++) {
		assert_int_equal(buf_add(&b, SPAN("x: ")), 0);
		assert_int_equal(buf_add(&b, span_of(fill, value)), 0);
		assert_int_equal(buf_add(&b, SPAN("\r\n")), 0);
	}
	assert_int_equal(buf_add(&b, SPAN("\r\n")), 0);
	free(fill);
	return buf_span(&b);
}

enum { AROUND_TARGET = sizeof "GET  HTTP/1.1" - 1, HOST_LINE = sizeof H - 1, FIELD_FRAME = sizeof "x: \r\n" - 1 };

static const struct {
	size_t target;
	unsigned fields;
	size_t value;
	int code; /* 0: served */
} bounds[] = {
	{ 8192 - AROUND_TARGET, 0, 0, 0 },
	{ 8192 - AROUND_TARGET + 1, 0, 0, PS_EURITOOLONG },
	{ 100000, 0, 0, PS_EURITOOLONG },
	{ 1, 99, 1, 0 },
	{ 1, 100, 1, PS_EHEADTOOBIG },
	{ 1, 2000, 1, PS_EHEADTOOBIG },
	{ 1, 1, 16384, 0 },
	{ 1, 1, 16385, PS_EHEADTOOBIG },
	/* the whole block: Host, 8 fields and the empty line are 64 KiB */
	{ 1, 1, 65536, PS_EHEADTOOBIG },
	{ 1, 5, 16000, PS_EHEADTOOBIG },
	{ 8192 - AROUND_TARGET, 4, 16384 - FIELD_FRAME - (HOST_LINE + 2 + 3) / 4, 0 },
	{ 8192 - AROUND_TARGET, 4, 16384 - FIELD_FRAME, PS_EHEADTOOBIG },
	{ 1, 99, 600, 0 },
	{ 1, 99, 700, PS_EHEADTOOBIG },
};

static void limits_hold_to_the_octet_and_have_their_codes(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		struct span t = make_head(bounds[i].target, bounds[i].fields, bounds[i].value);
		ptrdiff_t want = bounds[i].code ? -bounds[i].code : (ptrdiff_t)t.n, r = 0;
		ptrdiff_t whole = h1_request_parse(&h, t.p, t.n, 0, &limits, NULL);
		if (whole != want)
			fail_msg("case %zu gave %td, not %td", i, whole, want);
		for (size_t n = 1; n <= t.n && r == 0; n++)
			r = h1_request_parse(&h, t.p, n, n - 1, &limits, NULL);
		if (r != want)
			fail_msg("case %zu dripped gave %td, not %td", i, r, want);
		free((void *)(uintptr_t)t.p);
	}
}

static void a_head_without_end_never_stalls(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	size_t most = 4 + limits.line_bytes + limits.head_bytes;
	char *p = malloc(most + 1);
	assert_non_null(p);
	memset(p, 'a', most + 1);
	assert_int_equal(h1_request_parse(&h, p, most + 1, 0, &limits, NULL), -PS_EURITOOLONG);
	size_t at = (size_t)snprintf(p, most, "\r\nGET / HTTP/1.1\r\nx: ");
	p[at] = 'a';
	assert_int_equal(h1_request_parse(&h, p, most + 1, 0, &limits, NULL), -PS_EHEADTOOBIG);
	free(p);
}

/* CPU time per octet of a head of `fields` fields that comes octet by octet; the best of some tries. */
static double drip_ns(unsigned fields)
{
	struct h1_limits limits = h1_limits_default();
	struct span t = make_head(1, fields, 600);
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		struct timespec from, to;
		struct h1_head h;
		ptrdiff_t r = 0;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		for (size_t n = 1; n <= t.n && r == 0; n++)
			r = h1_request_parse(&h, t.p, n, n - 1, &limits, NULL);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		assert_int_equal(r, t.n);
		double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
		best = ns / (double)t.n < best ? ns / (double)t.n : best;
	}
	free((void *)(uintptr_t)t.p);
	return best;
}

static void a_dripped_head_costs_in_proportion_to_its_length(void **state)
{
	(void)state;
	/* 24 times the length; a reader that began anew with each octet would cost 24 times as much for each. */
	double small = drip_ns(4), large = drip_ns(96);
	if (large > 6 * small)
		fail_msg("%.0f ns per octet of a short head, %.0f of a long one", small, large);
}

static void more_fields_than_a_head_can_hold_are_refused_whatever_the_limit(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	limits.fields = 100000;
	struct span t = make_head(1, H1_FIELDS_MAX - 1, 1), more = make_head(1, H1_FIELDS_MAX, 1);
	assert_int_equal(h1_request_parse(&h, t.p, t.n, 0, &limits, NULL), t.n);
	assert_int_equal(h1_request_parse(&h, more.p, more.n, 0, &limits, NULL), -PS_EHEADTOOBIG);
	free((void *)(uintptr_t)t.p);
	free((void *)(uintptr_t)more.p);
}

static void fields_are_found_by_kind_and_by_name(void **state)
{
	(void)state;
	struct h1_limits limits = h1_limits_default();
	struct h1_head h;
	struct span t = SPAN("GET / HTTP/1.1\r\nhOST: a\r\nX-Request-ID:  7 \r\nx-mine: m\r\nX-MINE: n\r\n"
			     "Connection: x-mine, Host, content-length\r\nCONNECTION: keep-alive\r\n\r\n");
	assert_int_equal(h1_request_parse(&h, t.p, t.n, 0, &limits, NULL), t.n);
	assert_text(h1_field_find(&h, H1_X_REQUEST_ID)->value, "7");
	assert_text(h1_field_find(&h, H1_X_REQUEST_ID)->name, "X-Request-ID");
	assert_null(h1_field_find(&h, H1_DATE));
	assert_text(h1_field_named(&h, SPAN("x-MINE"))->value, "m");
	assert_null(h1_field_named(&h, SPAN("x-min")));
	assert_true(h1_named_by_connection(&h, SPAN("X-Mine")));
	assert_true(h1_named_by_connection(&h, SPAN("Keep-Alive")));
	assert_false(h1_named_by_connection(&h, SPAN("x-request-id")));
	assert_false(h1_named_by_connection(&h, SPAN("host")));
	assert_false(h1_named_by_connection(&h, SPAN("Content-Length")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_be_read_in_two_ways_is_refused_at_every_split),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(rubbish_is_refused_before_the_head_is_complete),
		cmocka_unit_test(what_is_sound_is_served_and_says_the_same_at_every_split),
		cmocka_unit_test(limits_hold_to_the_octet_and_have_their_codes),
		cmocka_unit_test(a_head_without_end_never_stalls),
		cmocka_unit_test(a_dripped_head_costs_in_proportion_to_its_length),
		cmocka_unit_test(more_fields_than_a_head_can_hold_are_refused_whatever_the_limit),
		cmocka_unit_test(fields_are_found_by_kind_and_by_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
