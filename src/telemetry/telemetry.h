/* The door of telemetry: metrics in Prometheus text, log lines in logfmt or JSON, trace context.
 * Counting never locks: every thread adds to a shard of its own. */
#ifndef PS_TELEMETRY_TELEMETRY_H
#define PS_TELEMETRY_TELEMETRY_H

#include "base/base.h"

/* ---- metrics: the rows stand in telemetry/metrics.def ---- */

enum tm_metric {
#define TM_COUNTER(id, name, labels, help) TM_##id,
#define TM_GAUGE(id, name, labels, help) TM_##id,
#define TM_HISTOGRAM(id, name, labels, buckets, help) TM_##id,
#include "telemetry/metrics.def"
#undef TM_COUNTER
#undef TM_GAUGE
#undef TM_HISTOGRAM
	TM_METRIC_COUNT
};

enum {
	TM_SHARDS = 64,
	TM_LABELS_MAX = 6,
	TM_VALUE_BYTES = 256,	 /* of one label value; the rest is cut off */
	TM_SERIES_MAX = 1000,	 /* per metric; further label sets count as "other" */
	TM_HISTOGRAMS_MAX = 250, /* the same for a histogram, whose series is some thirty lines of /metrics each */
	TM_REFRESHES_MAX = 32,
};

struct tm_series;

/* A thread that counts names its shard once, at its start: workers 0…, service threads behind them. */
void tm_thread_shard(unsigned shard);
/* The series of a metric with these label values, in the row's label order (missing ones are empty); made when new.
 * Never NULL: beyond TM_SERIES_MAX (TM_HISTOGRAMS_MAX), or without memory, it is the series whose values are all
 * "other". A label set this thread asked for lately costs one hash and one comparison, another one a lock. Any thread.
 * The pointer lives for the process, unless tm_forget names its labels. */
struct tm_series *tm_series_of(enum tm_metric m, const struct span *values, size_t n);
/* For metrics without labels. Any thread, no lock. */
struct tm_series *tm_plain(enum tm_metric m);
/* Any thread: a plain load and store on the thread's shard, an atomic addition on threads without one. */
void tm_add(struct tm_series *s, uint64_t n); /* counters */
void tm_set(struct tm_series *s, double v);   /* gauges: last writer wins */
void tm_move(struct tm_series *s,
	     int64_t by); /* gauges that several threads move up and down; adds to what tm_set set */
void tm_observe(struct tm_series *s, double v); /* histograms, in the metric's unit; NaN is ignored */
uint64_t tm_value(const struct tm_series *s);	/* counters: the sum over shards; histograms: the count */
double tm_gauge(const struct tm_series *s);
/* Gauges that are read out of a structure at scrape time: called by tm_write before it writes, on its thread. At most
 * TM_REFRESHES_MAX. */
void tm_on_scrape(void (*refresh)(void *arg), void *arg);
/* Takes such a function out again; it is not running then and will not be called. */
void tm_off_scrape(void (*refresh)(void *arg), void *arg);
/* Removes a series (a replica that left). Its memory goes ten seconds later, so that a thread which looked it up just
 * now can still count. */
void tm_forget(enum tm_metric m, const struct span *values, size_t n);
/* All metrics in Prometheus text format 0.0.4. One thread at a time. 0 or buf_add's errors. */
int tm_write(struct buf *b) MUST_CHECK;

/* ---- log: one line per event, written by a thread of its own so that a slow disk or pipe stops nobody ---- */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* fd is not closed. Lines beyond the bounded queue are dropped and counted (penstock_log_lines_dropped_total). */
int log_start(int fd, enum log_level level, enum log_format format, struct err *e) MUST_CHECK;
/* Writes what is queued and ends the thread. */
void log_stop(void);
bool log_enabled(enum log_level level);

enum {
	LOG_VALUE_BYTES = 1024,		   /* of one value; longer ones are cut and end in "…" */
	LOG_QUEUE_BYTES = 4 * 1024 * 1024, /* handed over and not yet written, all threads together */
};

/* A line under construction, in the caller's (thread's) own buffer: log_begin, fields, log_end. One at a time per
 * thread. Where the level is not logged, b is NULL and all of these do nothing. */
struct log_line {
	struct buf *b;
	size_t start; /* where it begins in b */
	bool json;
	bool broken; /* memory ran out: log_end drops and counts it */
};
/* `event` and keys are words of ours; values may be anything: they are quoted and escaped so that a line stays one
 * line. */
struct log_line log_begin(enum log_level level, const char *event);
void log_str(struct log_line *l, const char *key, struct span v);
/* The same for what was made here of letters, digits and "-_.:,/[]" only, so that nothing in it needs looking at. */
void log_word(struct log_line *l, const char *key, struct span v);
void log_u64(struct log_line *l, const char *key, uint64_t v);
void log_ms(struct log_line *l, const char *key, uint64_t ns); /* as milliseconds with three digits behind the point */
void log_end(struct log_line *l);
/* Hands over what this thread has written so far, unless it did so less than 20 ms ago and there is little; workers
 * call it once a turn and every 100 ms. */
void log_flush(void);
/* One line in one call, handed over at once, for the cold path: log_event(LOG_WARN, "reload_failed", "file", file,
 * "error", text, NULL). Keys and values are NUL-terminated; a value may be NULL (empty). */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* ---- trace context (W3C Trace Context level 1) ---- */

/* Ids of one request. A trace begun here is marked as sampled, as OpenTelemetry's default (parent-based, always on)
 * does for roots. */
struct trace {
	uint64_t trace_hi, trace_lo, parent, span;
	uint8_t flags;
	bool remote; /* the client sent one */
};
/* Takes the client's traceparent, or begins a trace; draws our span id. Malformed input begins a new one. */
void trace_begin(struct trace *t, struct span traceparent, struct rng *r);
/* 55 characters, NUL-terminated: the traceparent to send on. */
void trace_format(const struct trace *t, char out[56]);

#endif
