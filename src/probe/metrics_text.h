/* Inside probe: reads the few lines that matter out of a metrics page (Prometheus text format 0.0.4) as it arrives. */
#ifndef PS_PROBE_METRICS_TEXT_H
#define PS_PROBE_METRICS_TEXT_H

#include "pool/pool.h"

enum {
	PAGE_LINE_BYTES_MAX = 64 * 1024, /* of a line that matters; a longer one is left out */
	PAGE_SERIES_MAX = 256,		 /* of one metric: more data-parallel engines than that are left out */
	PAGE_LORA_BYTES_MAX = 32 * 1024, /* of a list of adapters; a longer one is left out */
};

/* What is read from a page; the numbers first. */
enum page_signal {
	PAGE_QUEUED,
	PAGE_RUNNING,
	PAGE_KV_USED,
	PAGE_KV_BLOCKS,
	PAGE_BLOCK_TOKENS,
	PAGE_MAX_LORA,
	PAGE_STARTED, /* seconds since the epoch: another value is another process */
	PAGE_NUMBERS,
	PAGE_LORA_RUNNING = PAGE_NUMBERS,
	PAGE_LORA_WAITING,
	PAGE_SIGNALS,
	PAGE_TEXTS = PAGE_SIGNALS - PAGE_NUMBERS,
};

/* One signal while its series come in. */
struct page_sum {
	double value;
	double newest;	 /* the largest sample value so far (NEWEST) */
	unsigned rank;	 /* of the name it is read from */
	unsigned series; /* how many have been taken */
	uint64_t
		*seen; /* hashes of their label sets, PAGE_SERIES_MAX of them: a series that stands twice counts once */
};

/* A page being read. Owner: one question. Memory: PAGE_SERIES_MAX hashes per signal seen, and a line that is split. */
struct metrics_text {
	enum engine_kind engine; /* recognised so far; ENGINE_UNKNOWN: none of the rows' metrics was there */
	bool skipping;		 /* the rest of the line does not matter */
	struct buf line;	 /* the beginning of a line whose end has not come */
	struct page_sum sum[PAGE_SIGNALS];
	struct buf text[PAGE_TEXTS];
	unsigned garbage; /* lines that matter and cannot be read */
	unsigned duplicates;
};

void metrics_text_init(struct metrics_text *t);
/* Releases its memory. */
void metrics_text_done(struct metrics_text *t);
/* The next bytes, in any split. 0 or -PS_ENOMEM. */
int metrics_text_feed(struct metrics_text *t, struct span bytes) MUST_CHECK;
/* The last line may lack its end. 0 or -PS_ENOMEM. */
int metrics_text_end(struct metrics_text *t) MUST_CHECK;
/* What the page says, as it says it: impossible values too. NAN: not said. Texts live as long as t. */
struct signals metrics_text_signals(const struct metrics_text *t);
/* When the engine's process began, in seconds since the epoch; NAN: not said. */
double metrics_text_started(const struct metrics_text *t);

#endif
