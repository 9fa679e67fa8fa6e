/* Counting on many threads, label values from strangers, the bound of series, and the text format. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "telemetry/telemetry.h"

enum { TEXT_MAX = 16 * 1024 * 1024, THREADS = 4, STEPS = 20000 };

/* All of /metrics, NUL-terminated; the caller frees it. */
static char *metrics(void)
{
	struct buf b;
	buf_init(&b, TEXT_MAX);
	assert_int_equal(tm_write(&b), 0);
	char *text = span_dup(buf_span(&b));
	buf_free(&b);
	assert_non_null(text);
	return text;
}

static bool exports(const char *line)
{
	char *text = metrics(), *framed = malloc(strlen(line) + 3);
	(void)snprintf(framed, strlen(line) + 3, "\n%s\n", line);
	bool found = strstr(text, framed) != NULL;
	if (!found)
		print_message("not there: %s\n", line);
	free(framed);
	free(text);
	return found;
}

static void *count_much(void *arg)
{
	tm_thread_shard(*(unsigned *)arg);
	for (int i = 0; i < STEPS; i++) {
		struct span code[] = { i % 2 ? SPAN("200") : SPAN("404") };
		tm_add(tm_series_of(TM_HTTP_REQUESTS, code, 1), 1);
		tm_add(tm_plain(TM_PICKS), 2);
		tm_observe(tm_plain(TM_SCHEDULER_SECONDS), 0.0015);
		tm_move(tm_plain(TM_EXCHANGES), i % 4 ? 1 : -2);
	}
	return NULL;
}

static void no_count_is_lost_on_threads_with_and_without_a_shard(void **state)
{
	(void)state;
	pthread_t thread[THREADS];
	unsigned shard[THREADS] = { 0, 1, TM_SHARDS, TM_SHARDS + 7 }; /* the last two have none and share words */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, count_much, &shard[i]), 0);
	for (int i = 0; i < 20; i++)
		free(metrics()); /* reading meanwhile disturbs nobody */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(tm_value(tm_series_of(TM_HTTP_REQUESTS, (struct span[]){ SPAN("200") }, 1)),
			 THREADS * STEPS / 2);
	assert_int_equal(tm_value(tm_plain(TM_PICKS)), 2 * THREADS * STEPS);
	assert_int_equal(tm_value(tm_plain(TM_SCHEDULER_SECONDS)), THREADS * STEPS);
	assert_int_equal((int)tm_gauge(tm_plain(TM_EXCHANGES)), THREADS * STEPS / 4);
	assert_true(exports("penstock_http_requests_total{code=\"404\"} 40000"));
	assert_true(exports("llm_d_epp_scheduler_e2e_duration_seconds_bucket{le=\"0.001\"} 0"));
	assert_true(exports("llm_d_epp_scheduler_e2e_duration_seconds_bucket{le=\"0.002\"} 80000"));
	assert_true(exports("llm_d_epp_scheduler_e2e_duration_seconds_bucket{le=\"+Inf\"} 80000"));
	assert_true(exports("llm_d_epp_scheduler_e2e_duration_seconds_count 80000"));
}

static void an_observation_falls_into_the_first_bucket_that_holds_it(void **state)
{
	(void)state;
	struct tm_series *s = tm_plain(TM_PREFIX_HIT_RATIO);
	const double values[] = { 0, 0.1, 0.100001, 1, 1.5, (double)INFINITY, (double)NAN, -3 };
	for (size_t i = 0; i < sizeof values / sizeof *values - 2; i++)
		tm_observe(s, values[i]);
	tm_observe(s, (double)NAN);
	assert_int_equal(tm_value(s), 6);
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_bucket{le=\"0\"} 1"));
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_bucket{le=\"0.1\"} 2"));
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_bucket{le=\"0.2\"} 3"));
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_bucket{le=\"1\"} 4"));
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_bucket{le=\"+Inf\"} 6"));
	assert_true(exports("llm_d_epp_prefix_indexer_hit_ratio_sum +Inf"));
}

static void label_values_from_strangers_cannot_leave_their_quotes(void **state)
{
	(void)state;
	static const struct {
		struct span value;
		const char *line;
	} cases[] = {
		{ { "a\"} 1\nfake 2", 12 }, "penstock_retries_total{reason=\"a\\\"} 1\\nfake 2\"} 1" },
		{ { "back\\slash", 10 }, "penstock_retries_total{reason=\"back\\\\slash\"} 1" },
		{ { "nul\0\x01\r", 6 },
		  "penstock_retries_total{reason=\"nul\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1" },
		{ { "\xc3\xa4\xff\xc3", 4 }, "penstock_retries_total{reason=\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"} 1" },
		{ { "", 0 }, "penstock_retries_total{reason=\"\"} 1" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		tm_add(tm_series_of(TM_RETRIES, &cases[i].value, 1), 1);
		assert_true(exports(cases[i].line));
	}
	/* Two values that look alike once escaped are one series: the text never names a series twice. */
	tm_add(tm_series_of(TM_RETRIES, (struct span[]){ span_of("nul\x02\x03\x04", 6) }, 1), 1);
	assert_true(exports("penstock_retries_total{reason=\"nul\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 2"));
	char longer[TM_VALUE_BYTES + 50], wanted[TM_VALUE_BYTES + 50];
	memset(longer, 'x', sizeof longer);
	tm_add(tm_series_of(TM_RETRIES, (struct span[]){ span_of(longer, sizeof longer) }, 1), 1);
	(void)snprintf(wanted, sizeof wanted, "penstock_retries_total{reason=\"%.*s\"} 1", TM_VALUE_BYTES, longer);
	assert_true(exports(wanted));
}

static void label_sets_beyond_the_bound_count_as_other(void **state)
{
	(void)state;
	uint64_t folded = tm_value(tm_plain(TM_SERIES_FOLDED));
	for (unsigned i = 0; i < TM_SERIES_MAX + 5; i++) {
		char model[16];
		(void)snprintf(model, sizeof model, "m%u", i);
		struct span values[] = { span_str(model), SPAN("t"), SPAN(""), SPAN("0") };
		tm_add(tm_series_of(TM_REQUESTS, values, 4), 1);
	}
	assert_int_equal(tm_value(tm_plain(TM_SERIES_FOLDED)) - folded, 5);
	assert_true(exports("llm_d_epp_request_total{model_name=\"m999\",target_model_name=\"t\",fairness_id=\"\","
			    "priority=\"0\"} 1"));
	assert_true(exports("llm_d_epp_request_total{model_name=\"other\",target_model_name=\"other\","
			    "fairness_id=\"other\",priority=\"other\"} 5"));
}

static void histograms_have_a_smaller_bound(void **state)
{
	(void)state;
	uint64_t folded = tm_value(tm_plain(TM_SERIES_FOLDED));
	for (unsigned i = 0; i < TM_HISTOGRAMS_MAX + 3; i++) {
		char id[16];
		(void)snprintf(id, sizeof id, "f%u", i);
		struct span values[] = { SPAN("m"), SPAN("t"), span_str(id), SPAN("0") };
		tm_observe(tm_series_of(TM_REQUEST_TPOT, values, 4), 0.5);
	}
	assert_int_equal(tm_value(tm_plain(TM_SERIES_FOLDED)) - folded, 3);
	assert_true(exports(
		"llm_d_epp_request_streaming_tpot_seconds_count{model_name=\"other\",target_model_name=\"other\","
		"fairness_id=\"other\",priority=\"other\"} 3"));
}

static void a_forgotten_series_is_gone_and_begins_anew(void **state)
{
	(void)state;
	struct span pool[] = { SPAN("ns/p"), SPAN("10.0.0.1:8000") };
	struct tm_series *s = tm_series_of(TM_REPLICA_QUEUE_SIZE, pool, 2);
	tm_set(s, 3.25);
	const char *line =
		"llm_d_epp_per_endpoint_queue_size{name=\"ns/p\",model_server_endpoint=\"10.0.0.1:8000\"} 3.25";
	assert_true(exports(line));
	tm_forget(TM_REPLICA_QUEUE_SIZE, pool, 2);
	assert_false(exports(line));
	tm_set(s, 9); /* a thread that looked it up before may still count */
	struct tm_series *again = tm_series_of(TM_REPLICA_QUEUE_SIZE, pool, 2);
	assert_ptr_not_equal(again, s);
	assert_true(
		exports("llm_d_epp_per_endpoint_queue_size{name=\"ns/p\",model_server_endpoint=\"10.0.0.1:8000\"} 0"));
}

static void set_depth(void *arg)
{
	tm_set(tm_plain(TM_BODY_MEMORY), *(double *)arg);
}

static void gauges_are_read_out_when_scraped(void **state)
{
	(void)state;
	double depth = 17;
	tm_on_scrape(set_depth, &depth);
	assert_true(exports("penstock_body_memory_bytes 17"));
	depth = 0.1;
	assert_true(exports("penstock_body_memory_bytes 0.1"));
	depth = -(double)INFINITY;
	assert_true(exports("penstock_body_memory_bytes -Inf"));
	tm_off_scrape(set_depth, &depth);
	depth = 5;
	assert_true(exports("penstock_body_memory_bytes -Inf"));
}

/* Every line is a comment of a known family or name[{labels}] value, and no series stands twice. */
static void the_text_is_well_formed(void **state)
{
	(void)state;
	char *text = metrics();
	static struct span seen[40000];
	struct span rest = span_str(text);
	size_t n = 0;
	assert_int_equal(text[rest.n - 1], '\n');
	while (rest.n) {
		struct span line = span_cut(rest, '\n', &rest);
		if (span_starts(line, SPAN("# ")))
			continue;
		char *end, *value = memrchr(line.p, ' ', line.n);
		assert_non_null(value);
		(void)strtod(value + 1, &end);
		assert_ptr_equal(end, line.p + line.n);
		line.n = (size_t)(value - line.p);
		for (size_t i = 0; n < 3000 && i < n; i++) /* the rest are the many series of a test above */
			assert_false(span_eq(seen[i], line));
		assert_true(n < sizeof seen / sizeof *seen);
		seen[n++] = line;
	}
	assert_true(n > 100);
	free(text);
}

static void the_process_shows_its_memory_and_start(void **state)
{
	(void)state;
	free(metrics());
	double now = (double)(clock_wall_ns() / NS_PER_S), start = tm_gauge(tm_plain(TM_PROCESS_START));
	assert_true(start > now - 600 && start <= now + 2);
	double rss = tm_gauge(tm_plain(TM_PROCESS_RESIDENT));
	assert_true(rss > 100e3 && rss < 4e9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_count_is_lost_on_threads_with_and_without_a_shard),
		cmocka_unit_test(an_observation_falls_into_the_first_bucket_that_holds_it),
		cmocka_unit_test(label_values_from_strangers_cannot_leave_their_quotes),
		cmocka_unit_test(label_sets_beyond_the_bound_count_as_other),
		cmocka_unit_test(histograms_have_a_smaller_bound),
		cmocka_unit_test(a_forgotten_series_is_gone_and_begins_anew),
		cmocka_unit_test(gauges_are_read_out_when_scraped),
		cmocka_unit_test(the_text_is_well_formed),
		cmocka_unit_test(the_process_shows_its_memory_and_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
