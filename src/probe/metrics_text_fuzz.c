/* Fuzz target: a page read in any split says what it says when read at once. The first bytes of the input choose the
 * split. */
#include <math.h>
#include <stdlib.h>

#include "probe/metrics_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void same_number(double a, double b)
{
	check((a <= b && a >= b) || (isnan(a) && isnan(b)));
}

static void same_signals(const struct metrics_text *a, const struct metrics_text *b)
{
	struct signals x = metrics_text_signals(a), y = metrics_text_signals(b);
	same_number(x.queued, y.queued);
	same_number(x.running, y.running);
	same_number(x.kv_used, y.kv_used);
	same_number(x.kv_blocks, y.kv_blocks);
	same_number(x.block_tokens, y.block_tokens);
	same_number(x.max_lora, y.max_lora);
	same_number(metrics_text_started(a), metrics_text_started(b));
	check(span_eq(x.lora_running, y.lora_running) && span_eq(x.lora_waiting, y.lora_waiting));
	check(a->engine == b->engine && a->garbage == b->garbage && a->duplicates == b->duplicates);
}

static void read_split(struct metrics_text *t, struct span page, struct rng *r, uint64_t most)
{
	while (page.n) {
		size_t n = 1 + (size_t)rng_below(r, most);
		check(metrics_text_feed(t, span_head(page, n)) == 0);
		page = span_skip(page, n);
	}
	check(metrics_text_end(t) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t most[] = { 1, 7, 100, 5000 };
	if (size < 2)
		return 0;
	struct rng r;
	struct metrics_text whole, split;
	struct span page = span_of((const char *)data + 2, size - 2);
	rng_seed(&r, data[1]);
	metrics_text_init(&whole);
	metrics_text_init(&split);
	check(metrics_text_feed(&whole, page) == 0 && metrics_text_end(&whole) == 0);
	read_split(&split, page, &r, most[data[0] % 4]);
	same_signals(&whole, &split);
	metrics_text_done(&whole);
	metrics_text_done(&split);
	return 0;
}
