/* Inside telemetry: what a metric and a series are made of. */
#ifndef PS_TELEMETRY_SERIES_H
#define PS_TELEMETRY_SERIES_H

#include <stdatomic.h>

#include "telemetry/telemetry.h"

enum {
	TM_BUCKETS_MAX = 36,
	TM_WORDS_MAX = TM_BUCKETS_MAX + 2,
};

enum tm_kind { TM_KIND_COUNTER, TM_KIND_GAUGE, TM_KIND_HISTOGRAM };

struct tm_bounds {
	const double *bound; /* ascending */
	unsigned n;
};

/* A row of metrics.def. */
struct tm_row {
	enum tm_kind kind;
	const char *name, *labels, *help;
	struct tm_bounds bounds; /* histograms */
};

/* The words of one shard:
 *
 *     counter     [ count ]
 *     gauge       [ value as a double | sum of moves, signed ]
 *     histogram   [ sum as a double | bucket 0 | … | bucket n-1 | +Inf ]      buckets are not cumulative here
 *
 * A shard has one writer, its thread, which loads and stores relaxed; /metrics reads relaxed and may be a few counts
 * behind, never wrong. `shared` is written by atomic read-modify-write: by threads without a shard, and by tm_set. */
typedef _Atomic uint64_t tm_word;

/* Lives in its family's list and map from making to tm_forget. Memory: one malloc, label text and look-up key behind
 * it. */
struct tm_series {
	enum tm_metric metric;
	struct list node;
	uint64_t hash;	       /* of metric and key */
	struct span key;       /* the values as given, each with its length in front: what look-ups compare */
	struct span labels;    /* name="value",… as exported */
	uint64_t forgotten_ns; /* 0: in use */
	/* Made by their writer when it first counts; published by release for the acquire of readers. */
	_Atomic(void *) shard[TM_SHARDS]; /* tm_word[] */
	tm_word shared[TM_WORDS_MAX];
};

const struct tm_row *tm_row_of(enum tm_metric m);
/* The sum of word w over all shards, as an unsigned number that wraps. */
uint64_t tm_word_sum(const struct tm_series *s, unsigned w);
/* A histogram's sum. */
double tm_histogram_sum(const struct tm_series *s);
/* The series of m in the order of their making, at most TM_SERIES_MAX + 1; they stay valid for ten seconds. */
unsigned tm_series_list(enum tm_metric m, struct tm_series **ret);

#endif
