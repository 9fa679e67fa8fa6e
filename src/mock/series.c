/* Histograms of the mock and their text. Bounds are vLLM's. */
#include "mock/series.h"

static const struct bounds tokens = { 11, { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000 } };
static const struct bounds first_token = { 22, { .001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
						 1,    2.5,  5,	  7.5, 10,  20,	 40,  80, 160, 640, 2560 } };
static const struct bounds per_token = {
	19, { .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80 }
};
static const struct bounds request = { 21, { .3, .5, .8, 1,  1.5, 2,   2.5, 5,	 10,   15,  20,
					     30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680 } };

static const struct {
	const char *name, *help;
	const struct bounds *bounds;
} rows[HISTOGRAM_COUNT] = {
#define HISTOGRAM(id, name, bounds, help) [HISTOGRAM_##id] = { name, help, &(bounds) },
#include "mock/series.def"
#undef HISTOGRAM
};

void series_observe(struct series *s, enum histogram_id id, double value)
{
	const struct bounds *b = rows[id].bounds;
	struct histogram *h = &s->histograms[id];
	size_t i = 0;
	while (i < b->n && value > b->le[i])
		i++;
	h->bucket[i]++;
	h->count++;
	h->sum += value;
}

static void add_histogram(const struct histogram *h, size_t id, struct page *p, const char *labels)
{
	const struct bounds *bounds = rows[id].bounds;
	const char *name = rows[id].name;
	uint64_t sum = 0;
	page_add(p, "# HELP %s %s\n# TYPE %s histogram\n", name, rows[id].help, name);
	for (size_t i = 0; i < bounds->n; i++) {
		bool whole = bounds->le[i] == (double)(uint64_t)bounds->le[i];
		sum += h->bucket[i];
		page_add(p, "%s_bucket{le=\"%g%s\",%s} %llu.0\n", name, bounds->le[i], whole ? ".0" : "", labels,
			 (unsigned long long)sum);
	}
	page_add(p, "%s_bucket{le=\"+Inf\",%s} %llu.0\n", name, labels, (unsigned long long)h->count);
	page_add(p, "%s_count{%s} %llu.0\n", name, labels, (unsigned long long)h->count);
	page_add(p, "%s_sum{%s} %.17g\n", name, labels, h->sum);
}

void series_add_histograms(const struct series *s, struct page *p, const char *labels, double created)
{
	for (size_t i = 0; i < HISTOGRAM_COUNT; i++) {
		add_histogram(&s->histograms[i], i, p, labels);
		page_add(p, "# HELP %s_created %s\n# TYPE %s_created gauge\n%s_created{%s} %.17g\n", rows[i].name,
			 rows[i].help, rows[i].name, rows[i].name, labels, created);
	}
}
