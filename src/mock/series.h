/* Counters and histograms of the mock that the engine model does not keep itself. Private to mock. */
#ifndef PS_MOCK_SERIES_H
#define PS_MOCK_SERIES_H

#include "mock/page.h"

enum { BUCKETS_MAX = 24 };

/* The bounds of a histogram, as vLLM has them; the last bucket is +Inf. */
struct bounds {
	size_t n;
	double le[BUCKETS_MAX];
};

enum histogram_id {
#define HISTOGRAM(id, name, bounds, help) HISTOGRAM_##id,
#include "mock/series.def"
#undef HISTOGRAM
	HISTOGRAM_COUNT
};

struct histogram {
	uint64_t bucket[BUCKETS_MAX + 1]; /* not cumulative */
	uint64_t count;
	double sum;
};

enum finished_reason { FINISHED_STOP, FINISHED_LENGTH, FINISHED_ABORT, FINISHED_REASONS };

struct series {
	struct histogram histograms[HISTOGRAM_COUNT];
	uint64_t success[FINISHED_REASONS];
};

void series_observe(struct series *s, enum histogram_id id, double value);
/* All histograms as text, with `labels` ('engine="0",model_name="x"') in each. */
void series_add_histograms(const struct series *s, struct page *p, const char *labels, double created);

#endif
