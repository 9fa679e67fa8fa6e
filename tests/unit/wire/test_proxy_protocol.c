/* PROXY headers v1 and v2: addresses out of them, and what is none, at every split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/un.h>

#include <cmocka.h>

#include "wire/wire.h"

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IP4 "\x0a\x00\x00\x01\x0a\x00\x00\x02\x1f\x90\x00\x50"
#define IP6_ONE "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
#define IP6_TWO "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"

static const struct {
	struct span text;
	const char *source, *destination; /* NULL: the connection's own */
} sound[] = {
	{ TEXT("PROXY TCP4 10.0.0.1 10.0.0.2 8080 80\r\n"), "10.0.0.1:8080", "10.0.0.2:80" },
	{ TEXT("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"), "255.255.255.255:65535", "0.0.0.0:0" },
	{ TEXT("PROXY TCP6 ::1 2001:db8::2 8080 80\r\n"), "[::1]:8080", "[2001:db8::2]:80" },
	{ TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	       "65535\r\n"),
	  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	{ TEXT("PROXY UNKNOWN\r\n"), NULL, NULL },
	{ TEXT("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), NULL, NULL },
	{ TEXT(SIGNATURE "\x21\x11\x00\x0c" IP4), "10.0.0.1:8080", "10.0.0.2:80" },
	{ TEXT(SIGNATURE "\x21\x12\x00\x0c" IP4), "10.0.0.1:8080", "10.0.0.2:80" },
	{ TEXT(SIGNATURE "\x21\x11\x00\x11" IP4 "\x04\x00\x02xy"), "10.0.0.1:8080", "10.0.0.2:80" },
	{ TEXT(SIGNATURE "\x21\x21\x00\x24" IP6_ONE IP6_TWO "\x1f\x90\x00\x50"), "[::1]:8080", "[2001:db8::2]:80" },
	{ TEXT(SIGNATURE "\x20\x00\x00\x00"), NULL, NULL },
	{ TEXT(SIGNATURE "\x20\x11\x00\x0c" IP4), NULL, NULL },
	{ TEXT(SIGNATURE "\x21\x00\x00\x03xyz"), NULL, NULL },
	{ TEXT(SIGNATURE "\x21\x10\x00\x0c" IP4), NULL, NULL },
	{ TEXT(SIGNATURE "\x21\x01\x00\x0c" IP4), NULL, NULL },
};

static const struct span bad[] = {
	TEXT("GET / HTTP/1.1\r\n"),
	TEXT("PROXX"),
	TEXT("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n"),
	TEXT("PROXY\r\n"),
	TEXT("PROXY \r\n"),
	TEXT("PROXY TCP\r\n"),
	TEXT("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"),
	TEXT("PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP4 ::1 ::2 1 2\r\n"),
	TEXT("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n"),
	TEXT("PROXY TCP6 ::1 ::2%eth0 1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n"),
	TEXT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rx"),
	TEXT("PROXY UNKNOWN "
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	TEXT("\r\n\r\n\0\r\nQUIX"),
	TEXT("\r\nGET"),
	TEXT(SIGNATURE "\x11\x11\x00\x0c" IP4),
	TEXT(SIGNATURE "\x22\x11\x00\x0c" IP4),
	TEXT(SIGNATURE "\x21\x41\x00\x0c" IP4),
	TEXT(SIGNATURE "\x21\x13\x00\x0c" IP4),
	TEXT(SIGNATURE "\x21\x11\x00\x0b" IP4),
	TEXT(SIGNATURE "\x21\x21\x00\x0c" IP4),
	TEXT(SIGNATURE "\x21\x11\x10\x01" IP4),
	TEXT("\0"),
};

static void assert_address(const struct sockaddr_storage *sa, const char *want)
{
	char text[ADDRESS_TEXT_MAX];
	struct address a = { .sa = *sa };
	address_format(&a, text);
	assert_string_equal(text, want);
}

static ptrdiff_t parse_copy(struct proxy_header *h, struct span text)
{
	char *p = malloc(text.n ? text.n : 1);
	assert_non_null(p);
	memcpy(p, text.p, text.n);
	ptrdiff_t r = proxy_header_parse(h, p, text.n, NULL);
	free(p);
	return r;
}

static void addresses_are_read_when_the_last_byte_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
		struct span t = sound[i].text;
		struct proxy_header h;
		for (size_t n = 0; n < t.n; n++)
			assert_int_equal(parse_copy(&h, span_head(t, n)), 0);
		ptrdiff_t r = parse_copy(&h, t);
		if (r != (ptrdiff_t)t.n)
			fail_msg("case %zu gave %td", i, r);
		assert_int_equal(h.local, sound[i].source == NULL);
		if (sound[i].source) {
			assert_address(&h.source, sound[i].source);
			assert_address(&h.destination, sound[i].destination);
		}
	}
}

static void what_follows_a_header_is_left(void **state)
{
	(void)state;
	struct proxy_header h;
	assert_int_equal(parse_copy(&h, SPAN("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n")), 15);
	assert_int_equal(parse_copy(&h, SPAN(SIGNATURE "\x20\x00\x00\x00GET /")), 16);
}

static void unix_paths_are_read(void **state)
{
	(void)state;
	char p[16 + 216] = { 0 };
	struct proxy_header h;
	memcpy(p, SIGNATURE "\x21\x31\x00\xd8", 16);
	memcpy(p + 16, "/run/a", 6);
	memcpy(p + 16 + 108, "/run/b", 6);
	assert_int_equal(parse_copy(&h, span_of(p, sizeof p)), sizeof p);
	assert_address(&h.source, "unix:/run/a");
	assert_address(&h.destination, "unix:/run/b");
	/* A path that fills its place has no NUL of its own. */
	memset(p + 16, 'a', 216);
	assert_int_equal(parse_copy(&h, span_of(p, sizeof p)), sizeof p);
	assert_int_equal(strlen(((const struct sockaddr_un *)&h.source)->sun_path), 107);
	assert_int_equal(strlen(((const struct sockaddr_un *)&h.destination)->sun_path), 107);
}

static void a_line_may_have_107_octets(void **state)
{
	(void)state;
	char p[128];
	struct proxy_header h;
	for (size_t n = 100; n < sizeof p; n++) {
		memset(p, 'a', sizeof p);
		memcpy(p, "PROXY UNKNOWN ", 14);
		memcpy(p + n - 2, "\r\n", 2);
		assert_int_equal(parse_copy(&h, span_of(p, n)), n <= 107 ? (ptrdiff_t)n : -PS_EBADHTTP);
		assert_int_equal(parse_copy(&h, span_of(p, n - 1)), n <= 107 ? 0 : -PS_EBADHTTP);
	}
}

static void what_is_no_header_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct proxy_header h;
		ptrdiff_t r = 0;
		for (size_t n = 1; n <= bad[i].n && r == 0; n++)
			r = parse_copy(&h, span_head(bad[i], n));
		if (r != -PS_EBADHTTP || parse_copy(&h, bad[i]) != r)
			fail_msg("case %zu gave %td", i, r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_when_the_last_byte_is_there),
		cmocka_unit_test(what_follows_a_header_is_left),
		cmocka_unit_test(a_line_may_have_107_octets),
		cmocka_unit_test(unix_paths_are_read),
		cmocka_unit_test(what_is_no_header_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
