/* Counting: what happens on the hot path when a number changes. Any thread.
 *
 * Each thread adds to words of its own, so there is neither a lock prefix nor a cache line that travels between cores;
 * the sum is made when somebody asks. The words of a thread are allocated when it first touches a series, in whole
 * cache lines. */
#include "telemetry/series.h"

#include <math.h>
#include <stdlib.h>

enum { CACHE_LINE_BYTES = 64, NO_SHARD = TM_SHARDS };

static _Thread_local unsigned my_shard = NO_SHARD;

void tm_thread_shard(unsigned shard)
{
	my_shard = shard < TM_SHARDS ? shard : NO_SHARD;
}

static uint64_t bits_of(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static double double_of(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static unsigned word_count(enum tm_metric m)
{
	const struct tm_row *row = tm_row_of(m);
	return row->kind == TM_KIND_COUNTER ? 1 : row->kind == TM_KIND_GAUGE ? 2 : row->bounds.n + 2;
}

static tm_word *make_words(struct tm_series *s)
{
	size_t bytes = word_count(s->metric) * sizeof(tm_word);
	bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
	void *zeroed = aligned_alloc(CACHE_LINE_BYTES, bytes);
	if (!zeroed)
		return NULL;
	tm_word *w = memset(zeroed, 0, bytes);
	atomic_store_explicit(&s->shard[my_shard], w, memory_order_release);
	return w;
}

/* This thread's words, or NULL: it has no shard, or there is no memory for one. */
static tm_word *my_words(struct tm_series *s)
{
	if (my_shard == NO_SHARD)
		return NULL;
	tm_word *w = atomic_load_explicit(&s->shard[my_shard], memory_order_relaxed);
	return w ? w : make_words(s);
}

static void add_to(tm_word *mine, tm_word *shared, unsigned w, uint64_t n)
{
	if (mine)
		atomic_store_explicit(&mine[w], atomic_load_explicit(&mine[w], memory_order_relaxed) + n,
				      memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&shared[w], n, memory_order_relaxed);
}

static void add_double_to(tm_word *mine, tm_word *shared, unsigned w, double v)
{
	if (mine) {
		double sum = double_of(atomic_load_explicit(&mine[w], memory_order_relaxed));
		atomic_store_explicit(&mine[w], bits_of(sum + v), memory_order_relaxed);
		return;
	}
	uint64_t old = atomic_load_explicit(&shared[w], memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&shared[w], &old, bits_of(double_of(old) + v),
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void tm_add(struct tm_series *s, uint64_t n)
{
	add_to(my_words(s), s->shared, 0, n);
}

void tm_set(struct tm_series *s, double v)
{
	atomic_store_explicit(&s->shared[0], bits_of(v), memory_order_relaxed);
}

void tm_move(struct tm_series *s, int64_t by)
{
	add_to(my_words(s), s->shared, 1, (uint64_t)by);
}

/* The first bucket whose bound is not below v; bounds.n is +Inf. */
static unsigned bucket_of(const struct tm_bounds *b, double v)
{
	unsigned low = 0, high = b->n;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (b->bound[middle] < v)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void tm_observe(struct tm_series *s, double v)
{
	if (isnan(v))
		return;
	tm_word *mine = my_words(s);
	add_double_to(mine, s->shared, 0, v);
	add_to(mine, s->shared, 1 + bucket_of(&tm_row_of(s->metric)->bounds, v), 1);
}

static const tm_word *words_of(const struct tm_series *s, unsigned shard)
{
	return atomic_load_explicit(&s->shard[shard], memory_order_acquire);
}

uint64_t tm_word_sum(const struct tm_series *s, unsigned w)
{
	uint64_t sum = atomic_load_explicit(&s->shared[w], memory_order_relaxed);
	for (unsigned i = 0; i < TM_SHARDS; i++) {
		const tm_word *words = words_of(s, i);
		sum += words ? atomic_load_explicit(&words[w], memory_order_relaxed) : 0;
	}
	return sum;
}

double tm_histogram_sum(const struct tm_series *s)
{
	double sum = double_of(atomic_load_explicit(&s->shared[0], memory_order_relaxed));
	for (unsigned i = 0; i < TM_SHARDS; i++) {
		const tm_word *words = words_of(s, i);
		sum += words ? double_of(atomic_load_explicit(&words[0], memory_order_relaxed)) : 0;
	}
	return sum;
}

uint64_t tm_value(const struct tm_series *s)
{
	const struct tm_row *row = tm_row_of(s->metric);
	if (row->kind != TM_KIND_HISTOGRAM)
		return tm_word_sum(s, 0);
	uint64_t count = 0;
	for (unsigned i = 0; i <= row->bounds.n; i++)
		count += tm_word_sum(s, 1 + i);
	return count;
}

double tm_gauge(const struct tm_series *s)
{
	return double_of(atomic_load_explicit(&s->shared[0], memory_order_relaxed)) +
	       (double)(int64_t)tm_word_sum(s, 1);
}
