/* /metrics: all series in Prometheus text exposition format 0.0.4. On the thread that serves it; counting goes on
 * meanwhile.
 *
 * The registry's lock is held only while the pointers of one metric's series are copied, never while text is made. */
#include "telemetry/series.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NUMBER_BYTES = 32 };

/* `lock` guards the table and is held while a function runs, so that tm_off_scrape waits for it. */
static struct {
	pthread_mutex_t lock;
	unsigned n;
	struct {
		void (*call)(void *arg);
		void *arg;
	} row[TM_REFRESHES_MAX];
} refreshes = { .lock = PTHREAD_MUTEX_INITIALIZER };

void tm_on_scrape(void (*refresh)(void *arg), void *arg)
{
	(void)pthread_mutex_lock(&refreshes.lock);
	assert(refreshes.n < TM_REFRESHES_MAX);
	refreshes.row[refreshes.n].call = refresh;
	refreshes.row[refreshes.n++].arg = arg;
	(void)pthread_mutex_unlock(&refreshes.lock);
}

void tm_off_scrape(void (*refresh)(void *arg), void *arg)
{
	(void)pthread_mutex_lock(&refreshes.lock);
	for (unsigned i = 0; i < refreshes.n; i++)
		if (refreshes.row[i].call == refresh && refreshes.row[i].arg == arg)
			refreshes.row[i--] = refreshes.row[--refreshes.n];
	(void)pthread_mutex_unlock(&refreshes.lock);
}

/* The shortest of two spellings that reads back as the same number: 0.1, not 0.10000000000000001. */
static struct span number_format(char text[NUMBER_BYTES], double v)
{
	if (isnan(v))
		return SPAN("NaN");
	if (isinf(v))
		return v > 0 ? SPAN("+Inf") : SPAN("-Inf");
	int n = snprintf(text, NUMBER_BYTES, "%.15g", v);
	if (strtod(text, NULL) < v || strtod(text, NULL) > v)
		n = snprintf(text, NUMBER_BYTES, "%.17g", v);
	return span_of(text, (size_t)n);
}

/* name[suffix][{labels}] value */
static int line_write(struct buf *b, const struct tm_series *s, const char *suffix, struct span value)
{
	struct span labels = s->labels;
	return buf_printf(b, "%s%s%s%.*s%s %.*s\n", tm_row_of(s->metric)->name, suffix, labels.n ? "{" : "",
			  SPAN_ARG(labels), labels.n ? "}" : "", SPAN_ARG(value));
}

static int count_write(struct buf *b, const struct tm_series *s, const char *suffix, uint64_t n)
{
	char text[NUMBER_BYTES];
	int length = snprintf(text, sizeof text, "%" PRIu64, n);
	return line_write(b, s, suffix, span_of(text, (size_t)length));
}

static int counter_write(struct buf *b, const struct tm_series *s)
{
	return count_write(b, s, "", tm_value(s));
}

static int gauge_write(struct buf *b, const struct tm_series *s)
{
	char text[NUMBER_BYTES];
	return line_write(b, s, "", number_format(text, tm_gauge(s)));
}

static int bucket_write(struct buf *b, const struct tm_series *s, double bound, uint64_t cumulative)
{
	char text[NUMBER_BYTES];
	struct span le = number_format(text, bound);
	return buf_printf(b, "%s_bucket{%.*s%sle=\"%.*s\"} %" PRIu64 "\n", tm_row_of(s->metric)->name,
			  SPAN_ARG(s->labels), s->labels.n ? "," : "", SPAN_ARG(le), cumulative);
}

/* The count is the sum of the buckets as read here, so that _count and the +Inf bucket agree while others count on. */
static int histogram_write(struct buf *b, const struct tm_series *s)
{
	const struct tm_bounds *bounds = &tm_row_of(s->metric)->bounds;
	char text[NUMBER_BYTES];
	uint64_t cumulative = 0;
	int r = 0;
	for (unsigned i = 0; i <= bounds->n && r == 0; i++) {
		cumulative += tm_word_sum(s, 1 + i);
		r = bucket_write(b, s, i < bounds->n ? bounds->bound[i] : (double)INFINITY, cumulative);
	}
	if (r == 0)
		r = line_write(b, s, "_sum", number_format(text, tm_histogram_sum(s)));
	return r == 0 ? count_write(b, s, "_count", cumulative) : r;
}

static int metric_write(struct buf *b, enum tm_metric m)
{
	static const struct {
		const char *name;
		int (*write)(struct buf *b, const struct tm_series *s);
	} kinds[] = {
		[TM_KIND_COUNTER] = { "counter", counter_write },
		[TM_KIND_GAUGE] = { "gauge", gauge_write },
		[TM_KIND_HISTOGRAM] = { "histogram", histogram_write },
	};
	struct tm_series *series[TM_SERIES_MAX + 1];
	unsigned n = tm_series_list(m, series);
	const struct tm_row *row = tm_row_of(m);
	if (n == 0)
		return 0;
	int r = buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, kinds[row->kind].name);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = kinds[row->kind].write(b, series[i]);
	return r;
}

static size_t file_read(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, cap - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Field `number` (from 1) of /proc/self/stat, see proc(5). The second one, the program's name, may hold blanks and
 * brackets, so counting begins behind the last bracket. */
static uint64_t stat_field(char *text, unsigned number)
{
	char *p = strrchr(text, ')');
	for (unsigned at = 2; p && at < number; at++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* The two gauges every Prometheus client has and dashboards expect. */
static void refresh_process(void)
{
	enum { STAT_STARTTIME = 22, STAT_RSS = 24 };
	char text[1024];
	struct timespec boot;
	if (file_read("/proc/self/stat", text, sizeof text) == 0 || clock_gettime(CLOCK_BOOTTIME, &boot) < 0)
		return;
	double age = (double)boot.tv_sec - (double)stat_field(text, STAT_STARTTIME) / (double)sysconf(_SC_CLK_TCK);
	tm_set(tm_plain(TM_PROCESS_START), round((double)clock_wall_ns() / (double)NS_PER_S - age));
	tm_set(tm_plain(TM_PROCESS_RESIDENT), (double)stat_field(text, STAT_RSS) * (double)sysconf(_SC_PAGESIZE));
}

int tm_write(struct buf *b)
{
	refresh_process();
	(void)pthread_mutex_lock(&refreshes.lock);
	for (unsigned i = 0; i < refreshes.n; i++)
		refreshes.row[i].call(refreshes.row[i].arg);
	(void)pthread_mutex_unlock(&refreshes.lock);
	int r = 0;
	for (unsigned m = 0; m < TM_METRIC_COUNT && r == 0; m++)
		r = metric_write(b, (enum tm_metric)m);
	return r;
}
