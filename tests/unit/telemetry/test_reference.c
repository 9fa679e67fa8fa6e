/* docs/reference/metrics.md has a row for each metric, in order, that says what metrics.def says; and names and labels
 * are what Prometheus takes.
 *
 * PENSTOCK_UPDATE=1 writes the table anew instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "telemetry/telemetry.h"

#define PAGE "docs/reference/metrics.md"
#define BEGIN "<!-- rows: made from src/telemetry/metrics.def -->\n"
#define END "<!-- end of rows -->\n"

enum { PAGE_BYTES_MAX = 1024 * 1024 };

static const struct {
	const char *type, *name, *labels, *buckets, *help;
} metrics[] = {
#define TM_COUNTER(id, name, labels, help) { "counter", name, labels, "", help },
#define TM_GAUGE(id, name, labels, help) { "gauge", name, labels, "", help },
#define TM_HISTOGRAM(id, name, labels, buckets, help) { "histogram", name, labels, #buckets, help },
#include "telemetry/metrics.def"
#undef TM_COUNTER
#undef TM_GAUGE
#undef TM_HISTOGRAM
};
enum { METRICS = sizeof metrics / sizeof *metrics };

static void row_write(struct buf *b, size_t i)
{
	struct span rest = span_str(metrics[i].labels);
	assert_int_equal(buf_printf(b, "| `%s` | %s |", metrics[i].name, metrics[i].type), 0);
	while (rest.n) {
		struct span label = span_cut(rest, ',', &rest);
		assert_int_equal(buf_printf(b, " `%.*s`", SPAN_ARG(label)), 0);
	}
	assert_int_equal(buf_printf(b, " | %s |\n", metrics[i].help), 0);
}

static void rows_write(struct buf *b)
{
	assert_int_equal(buf_printf(b, "| name | type | labels | what |\n|---|---|---|---|\n"), 0);
	for (size_t i = 0; i < METRICS; i++)
		row_write(b, i);
}

static void page_read(struct buf *b)
{
	FILE *f = fopen(PAGE, "re");
	assert_non_null(f);
	char *to = buf_reserve(b, PAGE_BYTES_MAX / 2);
	assert_non_null(to);
	buf_commit(b, fread(to, 1, PAGE_BYTES_MAX / 2, f));
	(void)fclose(f);
}

static void page_update(struct span before, struct buf *rows, struct span after)
{
	FILE *f = fopen(PAGE, "we");
	assert_non_null(f);
	(void)fprintf(f, "%.*s%s%.*s%.*s", SPAN_ARG(before), BEGIN, SPAN_ARG(buf_span(rows)), SPAN_ARG(after));
	(void)fclose(f);
}

static void the_reference_page_says_what_the_rows_say(void **state)
{
	(void)state;
	struct buf page, rows;
	buf_init(&page, PAGE_BYTES_MAX);
	buf_init(&rows, PAGE_BYTES_MAX);
	page_read(&page);
	rows_write(&rows);
	struct span all = buf_span(&page);
	ptrdiff_t begin = span_search(all, SPAN(BEGIN)), end = span_search(all, SPAN(END));
	assert_true(begin > 0 && end > begin);
	size_t from = (size_t)begin + strlen(BEGIN);
	struct span there = span_of(all.p + from, (size_t)end - from);
	if (getenv("PENSTOCK_UPDATE"))
		page_update(span_head(all, (size_t)begin), &rows, span_skip(all, (size_t)end));
	else
		assert_true(span_eq(there, buf_span(&rows)));
	buf_free(&page);
	buf_free(&rows);
}

static bool is_name(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return s.n > 0;
}

static void names_follow_the_rules_of_prometheus(void **state)
{
	(void)state;
	for (size_t i = 0; i < METRICS; i++) {
		struct span name = span_str(metrics[i].name), rest = span_str(metrics[i].labels);
		unsigned labels = 0;
		print_message("%s\n", metrics[i].name);
		assert_true(is_name(name));
		assert_int_equal(span_ends(name, SPAN("_total")), strcmp(metrics[i].type, "counter") == 0);
		for (; rest.n; labels++) {
			struct span label = span_cut(rest, ',', &rest);
			assert_true(is_name(label) && label.n < 60);
		}
		assert_true(labels <= TM_LABELS_MAX);
		size_t help = strlen(metrics[i].help);
		assert_true(help > 10 && metrics[i].help[help - 1] == '.');
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(metrics[i].name, metrics[k].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference_page_says_what_the_rows_say),
		cmocka_unit_test(names_follow_the_rules_of_prometheus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
