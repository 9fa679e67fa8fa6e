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

enum { TM_SHARDS = 64, TM_LABELS_MAX = 6, TM_SERIES_MAX = 1000 /* per metric; further label sets count as "other" */ };

struct tm_series;

/* A thread that counts names its shard once, at its start: workers 0…, service threads behind them. */
void tm_thread_shard(unsigned shard);
/* The series of a metric with these label values, in the row's label order; made when new. Never NULL. Takes a lock: keep the pointer
 * (it lives for the process) where the path is hot. */
struct tm_series *tm_series_of(enum tm_metric m, const struct span *values, size_t n);
/* For metrics without labels. */
struct tm_series *tm_plain(enum tm_metric m);
void tm_add(struct tm_series *s, uint64_t n);          /* counters */
void tm_set(struct tm_series *s, double v);            /* gauges: last writer wins */
void tm_observe(struct tm_series *s, double v);        /* histograms, in the metric's unit */
uint64_t tm_value(const struct tm_series *s);          /* counters: the sum over shards; histograms: the count */
/* Gauges that are read out of a structure at scrape time: called by tm_write before it writes. Registered at start. */
void tm_on_scrape(void (*refresh)(void *arg), void *arg);
/* Removes a gauge's or counter's series (a replica that left). The pointer dies; take care that no thread holds it. */
void tm_forget(enum tm_metric m, const struct span *values, size_t n);
/* All metrics in Prometheus text format 0.0.4. */
int tm_write(struct buf *b) MUST_CHECK;

/* ---- log: one line per event, written by a thread of its own so that a slow disk or pipe stops nobody ---- */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* fd is not closed. Lines beyond the bounded queue are dropped and counted (penstock_log_lines_dropped_total). */
int log_start(int fd, enum log_level level, enum log_format format, struct err *e) MUST_CHECK;
/* Writes what is queued and ends the thread. */
void log_stop(void);
bool log_enabled(enum log_level level);

/* A line under construction, in the caller's (thread's) own buffer: log_begin, fields, log_end. */
struct log_line {
	struct buf *b;
	bool json;
};
struct log_line log_begin(enum log_level level, const char *event);
void log_str(struct log_line *l, const char *key, struct span v);
void log_u64(struct log_line *l, const char *key, uint64_t v);
void log_ms(struct log_line *l, const char *key, uint64_t ns); /* as milliseconds with three digits behind the point */
void log_end(struct log_line *l);
/* Hands over what this thread has written so far; workers call it once a turn and every 100 ms. */
void log_flush(void);
/* One line in one call, for the cold path: log_event(LOG_WARN, "reload_failed", "file", file, "error", text, NULL). */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* ---- trace context (W3C Trace Context level 1) ---- */

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
