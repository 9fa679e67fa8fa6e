/* The log: both formats, injection, bounds, a reader that does not read, and threads that end. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "telemetry/telemetry.h"

enum { THREADS = 4, LINES = 5000 };

static int memory_file(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Stops the log and gives what was written, NUL-terminated; the caller frees it. */
static char *stop_and_read(int fd)
{
	log_stop();
	off_t n = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)n + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)n, 0), n);
	text[n] = '\0';
	(void)close(fd);
	return text;
}

/* One line with one field, without its "ts=…Z " or {"ts":"…Z", head. */
static char *one_line(enum log_format format, struct span value)
{
	int fd = memory_file();
	assert_int_equal(log_start(fd, LOG_INFO, format, NULL), 0);
	struct log_line l = log_begin(LOG_INFO, "request");
	log_str(&l, "k", value);
	log_end(&l);
	char *text = stop_and_read(fd);
	char *tail = strstr(text, format == LOG_JSON ? "\"level\"" : "level=");
	assert_non_null(tail);
	memmove(text, tail, strlen(tail) + 1);
	return text;
}

static const struct {
	struct span value;
	const char *logfmt, *json; /* as written behind the key */
} values[] = {
	{ { "plain", 5 }, "plain", "\"plain\"" },
	{ { "", 0 }, "\"\"", "\"\"" },
	{ { "two words", 9 }, "\"two words\"", "\"two words\"" },
	{ { "a=b", 3 }, "\"a=b\"", "\"a=b\"" },
	{ { "say \"x\" \\", 9 }, "\"say \\\"x\\\" \\\\\"", "\"say \\\"x\\\" \\\\\"" },
	{ { "x\nlevel=error event=forged", 26 },
	  "\"x\\nlevel=error event=forged\"",
	  "\"x\\nlevel=error event=forged\"" },
	{ { "\r\t\0\x1b[2J\x7f", 8 }, "\"\\r\\t\\u0000\\u001b[2J\\u007f\"", "\"\\r\\t\\u0000\\u001b[2J\\u007f\"" },
	{ { "\xc2\x85\xe2\x80\xa8\xe2\x80\xae", 8 }, "\"\\u0085\\u2028\\u202e\"", "\"\\u0085\\u2028\\u202e\"" },
	{ { "gr\xc3\xbc\xc3\x9f", 6 }, "\"gr\xc3\xbc\xc3\x9f\"", "\"gr\xc3\xbc\xc3\x9f\"" },
	{ { "\xff\xc3", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
};

static void a_value_is_quoted_when_needed_and_never_ends_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		char wanted[256];
		char *text = one_line(LOG_LOGFMT, values[i].value);
		(void)snprintf(wanted, sizeof wanted, "level=info event=request k=%s\n", values[i].logfmt);
		assert_string_equal(text, wanted);
		free(text);
		text = one_line(LOG_JSON, values[i].value);
		(void)snprintf(wanted, sizeof wanted, "\"level\":\"info\",\"event\":\"request\",\"k\":%s}\n",
			       values[i].json);
		assert_string_equal(text, wanted);
		free(text);
	}
}

static void a_long_value_is_cut(void **state)
{
	(void)state;
	char *longer = calloc(1, 100000);
	memset(longer, 'y', 100000);
	char *text = one_line(LOG_LOGFMT, span_of(longer, 100000));
	assert_true(strlen(text) < LOG_VALUE_BYTES + 100);
	assert_non_null(strstr(text, "y\xe2\x80\xa6\"\n"));
	free(text);
	free(longer);
}

static void json_lines_are_read_back_by_another_reader(void **state)
{
	(void)state;
	int fd = memory_file();
	assert_int_equal(log_start(fd, LOG_INFO, LOG_JSON, NULL), 0);
	struct log_line l = log_begin(LOG_WARN, "odd");
	log_u64(&l, "zero", 0);
	log_u64(&l, "most", INT64_MAX);
	log_ms(&l, "held_ms", UINT64_C(1234567890));
	log_ms(&l, "short_ms", 999);
	log_end(&l);
	log_event(LOG_ERROR, "reload_failed", "file", "a b.yaml", "nothing", NULL, NULL);
	char *text = stop_and_read(fd), *second = strchr(text, '\n') + 1;
	json_t *line = json_loadb(text, (size_t)(second - text), 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
	assert_int_equal(json_integer_value(json_object_get(line, "zero")), 0);
	assert_true(json_is_integer(json_object_get(line, "zero")));
	assert_int_equal(json_integer_value(json_object_get(line, "most")), INT64_MAX);
	assert_true(json_real_value(json_object_get(line, "held_ms")) > 1234.566);
	assert_true(json_real_value(json_object_get(line, "held_ms")) < 1234.568);
	assert_non_null(strstr(text, "\"short_ms\":0.000"));
	assert_int_equal(strlen(json_string_value(json_object_get(line, "ts"))), strlen("2026-01-31T23:59:59.123Z"));
	json_decref(line);
	line = json_loads(second, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "file")), "a b.yaml");
	assert_string_equal(json_string_value(json_object_get(line, "nothing")), "");
	json_decref(line);
	free(text);
}

static void levels_above_the_one_asked_for_write_nothing(void **state)
{
	(void)state;
	int fd = memory_file();
	log_event(LOG_ERROR, "before_the_start", NULL);
	assert_int_equal(log_start(fd, LOG_WARN, LOG_LOGFMT, NULL), 0);
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_WARN));
	log_event(LOG_INFO, "quiet", NULL);
	struct log_line l = log_begin(LOG_DEBUG, "quiet");
	assert_null(l.b);
	log_str(&l, "k", SPAN("v"));
	log_end(&l);
	log_event(LOG_ERROR, "loud", NULL);
	char *text = stop_and_read(fd);
	assert_null(strstr(text, "quiet"));
	assert_null(strstr(text, "before"));
	assert_non_null(strstr(text, "level=error event=loud\n"));
	free(text);
}

static void *log_much(void *arg)
{
	for (unsigned i = 0; i < LINES; i++) {
		struct log_line l = log_begin(LOG_INFO, "work");
		log_u64(&l, "thread", (uint64_t)(uintptr_t)arg);
		log_u64(&l, "n", i);
		log_end(&l);
		if (i % 100 == 0)
			log_flush();
	}
	return NULL; /* what was not flushed is handed over as the thread ends */
}

static void lines_of_all_threads_arrive_whole_and_in_each_threads_order(void **state)
{
	(void)state;
	int fd = memory_file();
	uint64_t dropped = tm_value(tm_plain(TM_LOG_DROPPED));
	assert_int_equal(log_start(fd, LOG_INFO, LOG_LOGFMT, NULL), 0);
	pthread_t thread[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, log_much, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	char *text = stop_and_read(fd);
	struct span rest = span_str(text);
	unsigned next[THREADS] = { 0 };
	while (rest.n) {
		unsigned t, n;
		struct span line = span_cut(rest, '\n', &rest);
		ptrdiff_t at = span_search(line, SPAN("event=work thread="));
		assert_true(at > 0);
		assert_int_equal(sscanf(line.p + at, "event=work thread=%u n=%u\n", &t, &n), 2);
		assert_true(t < THREADS && n == next[t]);
		next[t]++;
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(next[i], LINES);
	assert_int_equal(tm_value(tm_plain(TM_LOG_DROPPED)), dropped);
	free(text);
}

static void a_reader_that_stops_costs_lines_but_stops_nobody(void **state)
{
	(void)state;
	int pipe_fd[2];
	char value[1000];
	memset(value, 'z', sizeof value);
	assert_int_equal(pipe(pipe_fd), 0);
	uint64_t dropped = tm_value(tm_plain(TM_LOG_DROPPED));
	assert_int_equal(log_start(pipe_fd[1], LOG_INFO, LOG_LOGFMT, NULL), 0);
	uint64_t begun = clock_now_ns();
	unsigned lines = 3 * LOG_QUEUE_BYTES / sizeof value;
	for (unsigned i = 0; i < lines; i++) {
		struct log_line l = log_begin(LOG_INFO, "much");
		log_str(&l, "v", span_of(value, sizeof value));
		log_end(&l);
		log_flush();
	}
	assert_true(clock_now_ns() - begun < 2 * NS_PER_S); /* nobody reads, and still it ends */
	uint64_t lost = tm_value(tm_plain(TM_LOG_DROPPED)) - dropped;
	assert_true(lost > lines / 2 && lost < lines);
	log_stop();								 /* ends too */
	assert_true(tm_value(tm_plain(TM_LOG_DROPPED)) - dropped > lines - 100); /* the pipe holds 64 KiB */
	(void)close(pipe_fd[0]);
	(void)close(pipe_fd[1]);
}

static void a_reader_that_left_is_no_end_of_the_process(void **state)
{
	(void)state;
	int pipe_fd[2];
	assert_int_equal(pipe(pipe_fd), 0);
	(void)close(pipe_fd[0]);
	uint64_t dropped = tm_value(tm_plain(TM_LOG_DROPPED));
	assert_int_equal(log_start(pipe_fd[1], LOG_INFO, LOG_LOGFMT, NULL), 0);
	log_event(LOG_INFO, "nobody_hears", NULL);
	log_stop();
	assert_int_equal(tm_value(tm_plain(TM_LOG_DROPPED)) - dropped, 1);
	(void)close(pipe_fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_quoted_when_needed_and_never_ends_its_line),
		cmocka_unit_test(a_long_value_is_cut),
		cmocka_unit_test(json_lines_are_read_back_by_another_reader),
		cmocka_unit_test(levels_above_the_one_asked_for_write_nothing),
		cmocka_unit_test(lines_of_all_threads_arrive_whole_and_in_each_threads_order),
		cmocka_unit_test(a_reader_that_stops_costs_lines_but_stops_nobody),
		cmocka_unit_test(a_reader_that_left_is_no_end_of_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
