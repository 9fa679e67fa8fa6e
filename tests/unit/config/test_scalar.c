/* Texts to values: nearness, times, base64, names; and what YAML may take a plain text for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/scalar.h"
#include "config/tree.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void distance_counts_edits_and_swaps_without_case(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		uint32_t distance;
	} rows[] = {
		{ "", "", 0 },	     { "", "abc", 3 },
		{ "abc", "abc", 0 }, { "abc", "ABC", 0 },
		{ "abc", "acb", 1 }, { "abc", "ab", 1 },
		{ "abc", "axc", 1 }, { "kitten", "sitting", 3 },
		{ "ca", "abc", 3 },  { "timeout", "timoeut", 1 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(scalar_distance(span_str(rows[i].a), span_str(rows[i].b)), rows[i].distance);
		assert_int_equal(scalar_distance(span_str(rows[i].b), span_str(rows[i].a)), rows[i].distance);
	}
	char lots[65] = { 0 };
	assert_int_equal(scalar_distance(span_of(lots, sizeof lots), SPAN("a")), UINT32_MAX);
}

static void the_nearest_name_is_what_a_person_meant(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words, *near; /* near "": none */
	} rows[] = {
		{ "prot", "name hostname port protocol tls", "protocol" }, /* a beginning goes before a slip */
		{ "nam", "group kind namespace name port", "name" },	   /* of two beginnings the shorter */
		{ "Prefix", "PathPrefix Exact", "PathPrefix" },
		{ "exact", "PathPrefix Exact", "Exact" },
		{ "listners", "addresses listeners", "listeners" },
		{ "replicas", "gatewayClassName addresses listeners", "" },
		{ "TCP", "HTTP HTTPS !TCP", "" }, /* what is not supported is not proposed */
		{ "x", "a b", "" },
		{ "", "a b", "" },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span near = scalar_near(span_str(rows[i].text), rows[i].words);
		if (!span_eq(near, span_str(rows[i].near)))
			fail_msg("%s: %.*s, wanted %s", rows[i].text, SPAN_ARG(near), rows[i].near);
	}
}

static void words_are_listed_without_the_unsupported(void **state)
{
	(void)state;
	static const struct {
		const char *words, *text;
	} rows[] = { { "A", "A" }, { "A B", "A or B" }, { "A !X B C", "A, B or C" }, { "", "" }, { "A !X", "A" } };
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[64];
		scalar_words_format(rows[i].words, text, sizeof text);
		assert_string_equal(text, rows[i].text);
	}
	char small[4];
	scalar_words_format("LONG WORDS HERE", small, sizeof small);
	assert_string_equal(small, "LON");
}

static void times_are_rfc_3339(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-31T12:00:00Z", 1769860800 },
		{ "2026-01-31t12:00:00.123456Z", 1769860800 },
		{ "2026-01-31T12:00:00+02:00", 1769853600 },
		{ "2026-01-31T12:00:00-00:30", 1769862600 },
		{ "2024-02-29T00:00:00Z", 1709164800 },
		{ "2026-01-31", -1 },
		{ "2026-01-31 12:00:00Z", -1 },
		{ "2026-01-31T12:00:00", -1 },
		{ "2026-13-31T12:00:00Z", -1 },
		{ "2026-01-31T24:00:00Z", -1 },
		{ "2026-01-31T12:00:00Zx", -1 },
		{ "2026-01-31T12:00:00+2:00", -1 },
		{ "", -1 },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t t = 7;
		assert_int_equal(scalar_time(span_str(rows[i].text), &t), rows[i].seconds >= 0);
		assert_true(t == (rows[i].seconds < 0 ? 7 : rows[i].seconds));
	}
}

static void base64_is_rfc_4648_with_line_breaks(void **state)
{
	(void)state;
	static const struct {
		const char *text, *value; /* value NULL: refused */
	} rows[] = {
		{ "", "" },
		{ "Zg==", "f" },
		{ "Zm8=", "fo" },
		{ "Zm9v", "foo" },
		{ "Zm9v\nYmFy\n", "foobar" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "Zg", NULL },
		{ "Zg=", NULL },
		{ "Zg=x", NULL },
		{ "====", NULL },
		{ "Zm9v!", NULL },
		{ "Zm 9v", NULL },
		{ "Zg==Zg==", NULL },
		{ "-_-_", NULL },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char out[16];
		size_t n = 0;
		bool ok = scalar_base64(span_str(rows[i].text), out, &n);
		assert_int_equal(ok, rows[i].value != NULL);
		if (ok)
			assert_true(span_eq(span_of(out, n), span_str(rows[i].value)));
	}
}

static void names_keep_their_rules(void **state)
{
	(void)state;
	static const struct {
		scalar_check *check;
		const char *text;
		bool ok;
	} rows[] = {
		{ scalar_is_dns_label, "a-1", true },
		{ scalar_is_dns_label, "-a", false },
		{ scalar_is_dns_label, "a.b", false },
		{ scalar_is_dns_label, "", false },
		{ scalar_is_dns_subdomain, "a.b-c.1", true },
		{ scalar_is_dns_subdomain, "a..b", false },
		{ scalar_is_dns_subdomain, "a.", false },
		{ scalar_is_dns_subdomain, "A", false },
		{ scalar_is_hostname, "*.example.com", true },
		{ scalar_is_hostname, "*", false },
		{ scalar_is_hostname, "a.*.com", false },
		{ scalar_is_hostname, "1.2.3.4", false },
		{ scalar_is_hostname, "::1", false },
		{ scalar_is_label_key, "a/b", true },
		{ scalar_is_label_key, "app.kubernetes.io/name", true },
		{ scalar_is_label_key, "/b", false },
		{ scalar_is_label_key, "a/b/c", false },
		{ scalar_is_label_value, "", true },
		{ scalar_is_label_value, "A_b.c-d", true },
		{ scalar_is_label_value, "a/b", false },
		{ scalar_is_field_name, "x-a", true },
		{ scalar_is_field_name, "a b", false },
		{ scalar_is_field_name, "a:", false },
		{ scalar_is_field_value, "a b", true },
		{ scalar_is_field_value, " a", false },
		{ scalar_is_field_value, "a\r\nb", false },
		{ scalar_is_path, "/", true },
		{ scalar_is_path, "/a/..b", true },
		{ scalar_is_path, "/a/..", false },
		{ scalar_is_path, "/a//b", false },
		{ scalar_is_path, "a", false },
		{ scalar_is_path, "/a%2Fb", false },
		{ scalar_is_path, "/a?b", false },
		{ scalar_is_path, "/a b", false },
		{ scalar_is_ip, "10.0.0.1", true },
		{ scalar_is_ip, "fd00::1", true },
		{ scalar_is_ip, "10.0.0", false },
		{ scalar_is_ip, "", false },
		{ scalar_is_model, "org/model:v1 (x)", true },
		{ scalar_is_model, "a\tb", false },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!rows[i].check(span_str(rows[i].text)) != rows[i].ok)
			fail_msg("row %zu: \"%s\"", i, rows[i].text);
}

static void plain_texts_that_readers_differ_about_need_quotes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_text;
	} rows[] = {
		{ "abc", true },   { "1", false },	   { "-1", false },	 { "1.5", false },   { "1e3", false },
		{ "1e-3", false }, { "0x1f", false },	   { "0o17", false },	 { "1_000", false }, { ".5", false },
		{ ".inf", false }, { "-.INF", false },	   { ".nan", false },	 { "yes", false },   { "No", false },
		{ "ON", false },   { "n", false },	   { "true", false },	 { "null", false },  { "~", false },
		{ "", false },	   { "1.2.3", true },	   { "10.0.0.1", true }, { "1a", true },     { "0xg", true },
		{ "-", true },	   { ".", true },	   { "12:30", true },	 { "nul", true },    { "e3", true },
		{ "1e", true },	   { "2026-01-01", true },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct node n = { .type = NODE_SCALAR, .plain = true, .text = span_str(rows[i].text) };
		if (node_is_text(&n) != rows[i].is_text)
			fail_msg("%s", rows[i].text);
		n.plain = false;
		assert_true(node_is_text(&n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distance_counts_edits_and_swaps_without_case),
		cmocka_unit_test(the_nearest_name_is_what_a_person_meant),
		cmocka_unit_test(words_are_listed_without_the_unsupported),
		cmocka_unit_test(times_are_rfc_3339),
		cmocka_unit_test(base64_is_rfc_4648_with_line_breaks),
		cmocka_unit_test(names_keep_their_rules),
		cmocka_unit_test(plain_texts_that_readers_differ_about_need_quotes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
