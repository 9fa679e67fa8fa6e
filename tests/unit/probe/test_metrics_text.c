/* What is read from a metrics page: a real one, the mappings, lies, and any split. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "probe/metrics_text.h"

#define NO ((double)NAN)

struct expected {
	enum engine_kind engine;
	double queued, running, kv_used, kv_blocks, block_tokens, max_lora;
	const char *lora_running, *lora_waiting;
	unsigned garbage, duplicates;
};

static const struct {
	const char *name, *page;
	struct expected want;
} pages[] = {
	{ "empty", "", { ENGINE_UNKNOWN, NO, NO, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "somebody else's",
	  "# HELP a b\nhttp_requests_total 5\nvllm:num_requests_waiting_by_reason{r=\"x\"} 3\n",
	  { ENGINE_UNKNOWN, NO, NO, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "vLLM before 0.10",
	  "vllm:num_requests_waiting{model_name=\"m\"} 3.0\nvllm:gpu_cache_usage_perc{} 0.5\n",
	  { ENGINE_VLLM, 3, NO, 0.5, NO, NO, NO, "", "", 0, 0 } },
	{ "both names: the newer one counts, wherever it stands",
	  "vllm:gpu_cache_usage_perc 0.5\nvllm:kv_cache_usage_perc 0.25\nvllm:gpu_cache_usage_perc{engine=\"1\"} 0.5\n",
	  { ENGINE_VLLM, NO, NO, 0.25, NO, NO, NO, "", "", 0, 0 } },
	{ "data-parallel engines: counts and blocks are summed, use is the mean",
	  "vllm:num_requests_waiting{engine=\"0\"} 3\nvllm:num_requests_waiting{engine=\"1\"} 4\n"
	  "vllm:num_requests_running{engine=\"0\"} 10\nvllm:num_requests_running{engine=\"1\"} 20\n"
	  "vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.75\n"
	  "vllm:cache_config_info{block_size=\"16\",engine=\"0\",num_gpu_blocks=\"1000\"} 1.0\n"
	  "vllm:cache_config_info{block_size=\"16\",engine=\"1\",num_gpu_blocks=\"1200\"} 1.0\n",
	  { ENGINE_VLLM, 7, 30, 0.5, 2200, 16, NO, "", "", 0, 0 } },
	{ "SGLang",
	  "sglang:num_queue_reqs{model_name=\"m\",tp_rank=\"0\"} 2.0\nsglang:num_running_reqs{model_name=\"m\"} 5.0\n"
	  "sglang:token_usage{model_name=\"m\"} 0.28\nsglang:cache_config_info{page_size=\"64\",num_pages=\"1000\"} "
	  "1\n",
	  { ENGINE_SGLANG, 2, 5, 0.28, 1000, 64, NO, "", "", 0, 0 } },
	{ "newest LoRA series by value, not by place",
	  "vllm:lora_requests_info{max_lora=\"2\",running_lora_adapters=\"a\",waiting_lora_adapters=\"b\"} 1.7e+09\n"
	  "vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"c, d\",waiting_lora_adapters=\"\"} 1.8e+09\n"
	  "vllm:lora_requests_info{max_lora=\"8\",running_lora_adapters=\"e\",waiting_lora_adapters=\"f\"} 1.6e+09\n",
	  { ENGINE_VLLM, NO, NO, NO, NO, NO, 4, "c, d", "", 0, 0 } },
	{ "a number that is not known",
	  "vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"None\"} 1.0\n",
	  { ENGINE_VLLM, NO, NO, NO, NO, 16, NO, "", "", 0, 0 } },
	{ "escapes, braces in texts, blanks, a time, no last line end",
	  "vllm:lora_requests_info { max_lora = \"1\" , running_lora_adapters = \"}\\\"x\\\\\\n\", } 5\n"
	  "vllm:num_requests_waiting\t{a=\"}\"}  2 1700000000000\nvllm:num_requests_running 9",
	  { ENGINE_VLLM, 2, 9, NO, NO, NO, 1, "}\"x\\\n", "", 0, 0 } },
	/* lies: handed on as they are; the pool refuses them */
	{ "NaN", "vllm:num_requests_waiting NaN\n", { ENGINE_VLLM, NO, NO, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "Inf",
	  "vllm:num_requests_waiting +Inf\nvllm:kv_cache_usage_perc -Inf\n",
	  { ENGINE_VLLM, (double)INFINITY, NO, -(double)INFINITY, NO, NO, NO, "", "", 0, 0 } },
	{ "1e308", "vllm:num_requests_running 1e308\n", { ENGINE_VLLM, NO, 1e308, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "1e308 twice",
	  "vllm:num_requests_running{e=\"0\"} 1e308\nvllm:num_requests_running{e=\"1\"} 1e308\n",
	  { ENGINE_VLLM, NO, (double)INFINITY, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "negative", "vllm:num_requests_running -1\n", { ENGINE_VLLM, NO, -1, NO, NO, NO, NO, "", "", 0, 0 } },
	{ "garbage",
	  "vllm:num_requests_running x\nvllm:num_requests_waiting{a=\"b} 3\nvllm:num_requests_waiting{a=b} 3\n"
	  "vllm:num_requests_waiting{a=\"b\" 3\nvllm:num_requests_waiting{\nvllm:kv_cache_usage_perc \n"
	  "vllm:num_requests_waiting{ \nvllm:num_requests_running 0x\nvllm:kv_cache_usage_perc 0.5\n",
	  { ENGINE_VLLM, NO, NO, 0.5, NO, NO, NO, "", "", 8, 0 } },
	{ "duplicate: the first counts",
	  "vllm:num_requests_waiting{e=\"0\"} 3\nvllm:num_requests_waiting{e=\"0\"} "
	  "9\nvllm:num_requests_waiting{e=\"1\"} 1\n",
	  { ENGINE_VLLM, 4, NO, NO, NO, NO, NO, "", "", 0, 1 } },
};

static bool same_number(double a, double b)
{
	return (isnan(a) && isnan(b)) || !(a < b || a > b || isnan(a) || isnan(b));
}

static void check(const struct metrics_text *t, const struct expected *want)
{
	struct signals s = metrics_text_signals(t);
	assert_int_equal(t->engine, want->engine);
	assert_true(same_number(s.queued, want->queued));
	assert_true(same_number(s.running, want->running));
	assert_true(same_number(s.kv_used, want->kv_used));
	assert_true(same_number(s.kv_blocks, want->kv_blocks));
	assert_true(same_number(s.block_tokens, want->block_tokens));
	assert_true(same_number(s.max_lora, want->max_lora));
	assert_true(span_eq(s.lora_running, span_str(want->lora_running)));
	assert_true(span_eq(s.lora_waiting, span_str(want->lora_waiting)));
	assert_int_equal(t->garbage, want->garbage);
	assert_int_equal(t->duplicates, want->duplicates);
}

static void feed(struct metrics_text *t, struct span page, size_t step)
{
	metrics_text_init(t);
	for (; page.n; page = span_skip(page, step))
		assert_int_equal(metrics_text_feed(t, span_head(page, step)), 0);
	assert_int_equal(metrics_text_end(t), 0);
}

static void a_page_says_the_same_in_any_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		struct span page = span_str(pages[i].page);
		struct metrics_text t;
		print_message("%s\n", pages[i].name);
		feed(&t, page, page.n + 1);
		check(&t, &pages[i].want);
		metrics_text_done(&t);
		for (size_t cut = 1; cut < page.n; cut++) { /* two pieces, cut anywhere */
			metrics_text_init(&t);
			assert_int_equal(metrics_text_feed(&t, span_head(page, cut)), 0);
			assert_int_equal(metrics_text_feed(&t, span_skip(page, cut)), 0);
			assert_int_equal(metrics_text_end(&t), 0);
			check(&t, &pages[i].want);
			metrics_text_done(&t);
		}
		feed(&t, page, 1);
		check(&t, &pages[i].want);
		metrics_text_done(&t);
	}
}

static char *real_page(size_t *ret_n)
{
	FILE *f = fopen("tests/data/vllm-0.32/metrics.prom", "re");
	assert_non_null(f);
	char *text = malloc(1 << 20);
	assert_non_null(text);
	*ret_n = fread(text, 1, 1 << 20, f);
	(void)fclose(f);
	return text;
}

static void a_real_vllm_page_is_understood(void **state)
{
	(void)state;
	static const struct expected want = { ENGINE_VLLM, 0, 1, 0.07594936708860756, 80, 32, 2, "", "", 0, 0 };
	size_t n;
	char *text = real_page(&n);
	const size_t steps[] = { 1 << 20, 65536, 1460, 100, 1 };
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct metrics_text t;
		feed(&t, span_of(text, n), steps[i]);
		check(&t, &want);
		assert_true(same_number(metrics_text_started(&t), 1.79541496333e+09));
		metrics_text_done(&t);
	}
	free(text);
}

static void what_is_too_long_or_too_much_is_left_out(void **state)
{
	(void)state;
	struct metrics_text t;
	struct buf page;
	buf_init(&page, 1 << 20);
	assert_int_equal(buf_add(&page, SPAN("vllm:num_requests_waiting{a=\"")), 0);
	for (int i = 0; i < PAGE_LINE_BYTES_MAX; i++)
		assert_int_equal(buf_add(&page, SPAN("x")), 0);
	assert_int_equal(buf_add(&page, SPAN("\"} 3\nvllm:num_requests_running 4\n")), 0);
	for (int i = 0; i < PAGE_SERIES_MAX + 10; i++)
		assert_int_equal(buf_printf(&page, "vllm:num_requests_waiting{engine=\"%d\"} 1\n", i), 0);
	const size_t steps[] = { 1 << 20, 1000 };
	for (size_t i = 0; i < 2; i++) {
		feed(&t, buf_span(&page), steps[i]);
		struct signals s = metrics_text_signals(&t);
		assert_true(same_number(s.queued, PAGE_SERIES_MAX));
		assert_true(same_number(s.running, 4));
		assert_int_equal(t.garbage, 10);
		metrics_text_done(&t);
	}
	buf_free(&page);
}

/* 100 replicas with pages like this, once a second, are to cost at most 3 % of a core with the network: 300 µs a page.
 * This part is printed, not asserted: machines differ. */
static void reading_a_real_page_is_quick(void **state)
{
	(void)state;
	enum { ROUNDS = 200 };
	size_t n;
	char *text = real_page(&n);
	struct metrics_text t;
	uint64_t begun = clock_now_ns();
	for (int i = 0; i < ROUNDS; i++) {
		feed(&t, span_of(text, n), 32768);
		metrics_text_done(&t);
	}
	print_message("%.1f us per page of %zu bytes\n", (double)(clock_now_ns() - begun) / 1e3 / ROUNDS, n);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_says_the_same_in_any_split),
		cmocka_unit_test(a_real_vllm_page_is_understood),
		cmocka_unit_test(what_is_too_long_or_too_much_is_left_out),
		cmocka_unit_test(reading_a_real_page_is_quick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
